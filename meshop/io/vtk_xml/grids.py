"""VTS, VTR, VTI: VTK's XML structured grids, rectilinear grids and images, read as VTK cells.

Source: the VTK User's Guide, "VTK file formats"; cells as VTK's own conversion makes them.
"""

from .._format import Format
from ._kinds import SINGLE
from ._open import claims, read_with, series_with

_NAME = "VTS, VTR, VTI"

FORMAT = Format(
    _NAME, (".vts", ".vtr", ".vti"), read_with(SINGLE, _NAME), None,
    claims("StructuredGrid", "RectilinearGrid", "ImageData"),
    series=series_with(SINGLE, _NAME),
    selects=True,
    regions="as field data `meshop_region ...`",
    time="`TimeValue`, or `TimeValues` and `TimeStep`",
)  # fmt: skip

__all__ = ["FORMAT"]
