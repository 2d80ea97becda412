"""Arrays indexed by the VTK code, from the table in `meshop.celltypes`."""

from __future__ import annotations

import numpy as np

from ..celltypes import CELL_TYPES


def _lookup(field: str, default: int) -> np.ndarray:
    table = np.full(256, default, dtype=np.int64)
    for code, row in CELL_TYPES.items():
        table[code] = getattr(row, field)
    table.setflags(write=False)
    return table


DIM = _lookup("dim", -1)  # (256,) topological dimension, -1 for unknown codes
SIZE = _lookup("size", -1)  # (256,) nodes per cell, 0 when it varies, -1 for unknown codes
MIN_SIZE = _lookup("min_size", 0)
