"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import _foreign, _meshio, abaqus, frd, mfem, msh, plot3d, points, su2, unv, vtu, xdmf
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    su2.FORMAT,
    msh.FORMAT,
    mfem.FORMAT,
    unv.FORMAT,
    frd.FORMAT,
    abaqus.FORMAT,
    plot3d.FORMAT,
    xdmf.FORMAT,
    points.FORMAT,
    *_foreign.FORMATS,
    *_meshio.FORMATS,
)
