"""OpenFOAM cases: a mesh from its faces, the fields of every time, and predictions back into it.

Read are polyMesh (ascii, binary, .gz, decomposed, collated, moving, several regions) and the
fields of cells and points. Left out are surface fields (phi), boundary values, sets and clouds.
Source: OpenFOAM User Guide, "Mesh description" and "Basic input/output file format".
"""

from __future__ import annotations

from .._format import Format
from ._fields import write_fields
from ._read import find_case, is_foam, read_foam, read_foam_series
from ._write import write_foam, write_foam_series

FORMAT = Format(
    "OpenFOAM",
    (".foam", ".openfoam", "/"),
    read_foam,
    write_foam,
    claims=is_foam,
    series=read_foam_series,
    write_series=write_foam_series,
    selects=True,
    regions="patches, cell, face and point zones",
    time="time folders",
    lost="cells that are no volumes, node order within cells, order of arrays, "
    "number types (float64 comes back)",
)

__all__ = ["FORMAT", "find_case", "read_foam", "read_foam_series", "write_fields", "write_foam"]
