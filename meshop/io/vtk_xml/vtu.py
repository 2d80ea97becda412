"""VTU: VTK's XML unstructured grid. A strict reader, and a writer that gives the same mesh back.

Source: the VTK User's Guide, "VTK file formats", and VTK's documentation of its XML formats.
"""

from .._format import Format
from ._kinds import SINGLE
from ._open import claims, read_with, series_with
from ._vtu_write import write_vtu

read_vtu = read_with(SINGLE, "VTU")

FORMAT = Format(
    "VTU", (".vtu",), read_vtu, write_vtu, claims("UnstructuredGrid"),
    series=series_with(SINGLE, "VTU"),
    selects=True,
    regions="as field data `meshop_region ...`",
    time="`TimeValue`, or `TimeValues` and `TimeStep` (read)",
)  # fmt: skip

__all__ = ["FORMAT", "read_vtu", "write_vtu"]
