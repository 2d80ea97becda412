"""VTK's XML files: grids, surfaces, their parallel lists, blocks, and series."""

from __future__ import annotations

from .._format import Format
from . import grids, parallel, pvd, vtm, vtp, vtu

FORMATS: tuple[Format, ...] = (
    vtu.FORMAT,
    vtp.FORMAT,
    grids.FORMAT,
    parallel.FORMAT,
    vtm.FORMAT,
    vtm.PARTITIONED,
    pvd.FORMAT,
)
