"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import _foreign, _meshio, msh, points, su2, vtu
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    su2.FORMAT,
    msh.FORMAT,
    points.FORMAT,
    *_foreign.FORMATS,
    *_meshio.FORMATS,
)
