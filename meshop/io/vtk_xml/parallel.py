"""PVTU, PVTP, PVTS, PVTR, PVTI: the lists of pieces that parallel programs write, read as one mesh.

Pieces of cells are joined in their order; ghost points and cells stay, as `vtkGhostType` tells.
Source: the VTK User's Guide, "VTK file formats", parallel formats.
"""

from .._format import Format
from ._kinds import PARALLEL, SINGLE
from ._open import claims, read_with

_NAME = "parallel VTK"

FORMAT = Format(
    _NAME, (".pvtu", ".pvtp", ".pvts", ".pvtr", ".pvti"),
    read_with({**PARALLEL, **SINGLE}, _NAME), None, claims(*PARALLEL),
    selects=True,
    regions="as field data `meshop_region ...` of the pieces",
)  # fmt: skip

__all__ = ["FORMAT"]
