"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import _meshio, las, msh, npy, obj, off, pcd, ply, points, stl, su2, vtu
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    su2.FORMAT,
    msh.FORMAT,
    stl.FORMAT,
    obj.FORMAT,
    ply.FORMAT,
    off.FORMAT,
    points.FORMAT,
    npy.FORMAT,
    npy.NPZ,
    pcd.FORMAT,
    las.FORMAT,
    *_meshio.FORMATS,
)
