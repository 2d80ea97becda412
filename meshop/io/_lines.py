"""Writing lines of numbers: tables, and rows of several lengths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_CHUNK = 1 << 18  # rows that are written at once


def to_lines(values: np.ndarray, sizes: np.ndarray) -> Iterator[bytes]:
    """Integers as text, sizes[i] of them on line i, in pieces."""
    ends = np.concatenate([[0], np.cumsum(sizes)])
    for first in range(0, len(sizes), _CHUNK):
        mine = sizes[first : first + _CHUNK]
        formats = {size: " ".join(["%d"] * size) + "\n" for size in set(mine.tolist())}
        part = values[ends[first] : ends[min(first + _CHUNK, len(sizes))]]
        if len(formats) == 1:
            text = formats[int(mine[0])] * len(mine)
        else:
            text = "".join(map(formats.__getitem__, mine.tolist()))
        yield (text % tuple(part.tolist())).encode()


def table_lines(*columns: np.ndarray) -> Iterator[bytes]:
    """Lines of a table, in pieces: columns (n,) or (n, k), integers plain, floats exactly."""
    tables = [column if column.ndim == 2 else column[:, None] for column in columns]
    form = " ".join("%d" if t.dtype.kind in "iu" else "%r" for t in tables for _ in t.T) + "\n"
    for first in range(0, len(tables[0]), _CHUNK):
        lists = [column.tolist() for t in tables for column in t[first : first + _CHUNK].T]
        flat = [None] * (len(lists) * len(lists[0]))
        for place, column in enumerate(lists):
            flat[place :: len(lists)] = column
        yield (form * len(lists[0]) % tuple(flat)).encode()
