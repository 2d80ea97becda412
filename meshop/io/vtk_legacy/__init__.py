"""Legacy VTK (.vtk): a strict reader of versions 1.0 to 5.1, a writer of 5.1."""

from .._format import Format
from ._read import claims_vtk, read_vtk
from ._write import write_vtk

FORMAT = Format(
    "VTK", (".vtk",), read_vtk, write_vtk, claims_vtk,
    regions="as field data `meshop_region ...`",
    lost="node order within polyhedra",
)  # fmt: skip

__all__ = ["FORMAT", "read_vtk", "write_vtk"]
