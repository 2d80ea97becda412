"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

<<<<<<< HEAD
from . import _meshio, msh, points, su2, vtk_grids, vtp, vtu
=======
from . import _meshio, msh, points, su2, vtk, vtu
>>>>>>> vtk
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
<<<<<<< HEAD
    vtp.FORMAT,
    vtk_grids.FORMAT,
=======
    vtk.FORMAT,
>>>>>>> vtk
    su2.FORMAT,
    msh.FORMAT,
    points.FORMAT,
    *_meshio.FORMATS,
)
