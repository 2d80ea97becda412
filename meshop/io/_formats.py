"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import (
    _foreign,
    _meshio,
    abaqus,
    cad,
    foam,
    frd,
    mfem,
    msh,
    plot3d,
    points,
    pvd,
    su2,
    su2_restart,
    unv,
    vtk,
    vtk_grids,
    vtk_parallel,
    vtkhdf,
    vtkseries,
    vtm,
    vtp,
    vtu,
)
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    vtp.FORMAT,
    vtk_grids.FORMAT,
    vtk_parallel.FORMAT,
    vtm.FORMAT,
    pvd.FORMAT,
    vtk.FORMAT,
    vtkhdf.FORMAT,
    vtkseries.FORMAT,
    foam.FORMAT,
    su2.FORMAT,
    su2_restart.FORMAT,
    msh.FORMAT,
    mfem.FORMAT,
    unv.FORMAT,
    frd.FORMAT,
    abaqus.FORMAT,
    cad.FORMAT,
    plot3d.FORMAT,
    points.FORMAT,
    *_foreign.FORMATS,
    *_meshio.FORMATS,
)
