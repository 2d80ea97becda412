"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import _meshio, msh, points, pvd, su2, vtk_grids, vtk_parallel, vtm, vtp, vtu
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    vtp.FORMAT,
    vtk_grids.FORMAT,
    vtk_parallel.FORMAT,
    vtm.FORMAT,
    pvd.FORMAT,
    su2.FORMAT,
    msh.FORMAT,
    points.FORMAT,
    *_meshio.FORMATS,
)
