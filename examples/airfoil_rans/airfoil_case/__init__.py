"""Make airfoil cases: contour -> mesh (gmsh) -> RANS solution (OpenFOAM) -> one `meshop.Mesh`."""

from .contour import Contour, naca4, read_coordinates
from .foam import CaseError, Solution, solve
from .foam_text import FlowOptions
from .forces import Coefficients, integrate, wall_edges
from .grid import Grid, GridOptions, make_grid

__all__ = [
    "CaseError",
    "Coefficients",
    "Contour",
    "FlowOptions",
    "Grid",
    "GridOptions",
    "Solution",
    "integrate",
    "make_grid",
    "naca4",
    "read_coordinates",
    "solve",
    "wall_edges",
]
