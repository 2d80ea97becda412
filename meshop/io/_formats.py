"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import _meshio, msh, points, su2, vtk, vtkhdf, vtkseries, vtu
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    vtk.FORMAT,
    vtkhdf.FORMAT,
    vtkseries.FORMAT,
    su2.FORMAT,
    msh.FORMAT,
    points.FORMAT,
    *_meshio.FORMATS,
)
