"""The formats, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

from . import _meshio, foam, msh, points, su2, vtu
from ._format import Format

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    su2.FORMAT,
    msh.FORMAT,
    foam.FORMAT,
    points.FORMAT,
    *_meshio.FORMATS,
)
