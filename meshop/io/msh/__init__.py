"""Gmsh's MSH: every version is read; 4.1 and 2.2 are written, in binary or ascii.

Physical groups are regions. Those without a name are called "physical surface 3" and the like.
`gmsh:physical` (the first group of a cell), `gmsh:geometrical` (its entity) and `gmsh:partition`
are cell data; `field_data[name]` holds the tag and dimension of a named group.
"""

from __future__ import annotations

from .._format import Format
from ._file import is_msh, read_msh, read_msh_series, write_msh, write_msh_series

FORMAT = Format(
    "MSH", (".msh",), read_msh, write_msh, lambda _, start: is_msh(start), read_msh_series,
    write_msh_series, selects=True, regions="physical groups", time="data of several steps",
    lost="dtypes other than float64, field data, point and facet regions, "
    "order of ids within regions, periodic links",
)  # fmt: skip

__all__ = ["FORMAT", "is_msh", "read_msh", "read_msh_series", "write_msh", "write_msh_series"]
