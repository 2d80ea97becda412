"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import (
    _meshio,
    cad,
    foam,
    msh,
    points,
    su2,
    su2_restart,
    vtk,
    vtk_grids,
    vtp,
    vtu,
)
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    vtp.FORMAT,
    vtk_grids.FORMAT,
    vtk.FORMAT,
    foam.FORMAT,
    su2.FORMAT,
    su2_restart.FORMAT,
    msh.FORMAT,
    cad.FORMAT,
    points.FORMAT,
    *_meshio.FORMATS,
)
