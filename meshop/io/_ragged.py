"""Rows of several lengths, one behind the other in one array."""

from __future__ import annotations

import numpy as np


def ragged(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The places starts[0], starts[0] + 1, ... (sizes[0] of them), then those of the next row."""
    before = np.cumsum(sizes, dtype=np.int64) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def within(sizes: np.ndarray) -> np.ndarray:
    """0, 1, ... sizes[0] - 1, then the same for the next row: places within their rows."""
    return ragged(np.zeros(len(sizes), np.int64), sizes)


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """(M+1,) where rows of these sizes start and end."""
    out = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=out[1:])
    return out


def take_rows(
    offsets: np.ndarray, values: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and values of some rows."""
    sizes = np.diff(offsets)[rows]
    return offsets_of(sizes), values[ragged(offsets[:-1][rows], sizes)]
