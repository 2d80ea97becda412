"""Work on many blocks at once, where the work lets go of Python's lock (compression does)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_WORTH = 1 << 20  # bytes of work below which threads cost more than they bring


def in_threads(work: Callable[[int], T], count: int, nbytes: int) -> list[T]:
    """[work(0), ..., work(count - 1)], in a few threads where `nbytes` are worth it."""
    threads = min(os.cpu_count() or 1, 8, count) if nbytes >= _WORTH else 1
    if threads < 2:
        return [work(index) for index in range(count)]
    step = -(-count // (8 * threads))  # runs of blocks: handing over each costs too much
    runs = [range(start, min(start + step, count)) for start in range(0, count, step)]
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(lambda run: [work(index) for index in run], runs)
        return [result for results in done for result in results]
