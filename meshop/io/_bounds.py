"""Bounds on what a few bytes of a file can ask for over and over."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from ._files import Fault

_FREE = 1 << 23  # values that any file may repeat


class Allowance:
    """Values that a file may repeat: sets in sets, a group of all cells, arrays of mostly NaN.

    size: of the file in bytes; `times` as many values may be taken.
    """

    def __init__(self, size: int, times: int = 2) -> None:
        self.left = _FREE + times * size

    def take(self, count: int, where: str) -> None:
        """Raise Fault, which names `where`, when it is used up."""
        self.left -= int(count)
        if self.left < 0:
            raise Fault(where, "the file repeats so much that it would fill the memory")


def free_name(name: str, taken: Container[str], tail: str, number: int) -> str:
    """`name`, with `tail` behind it until it is none of those taken; at last with a number.

    number: how many are taken, so that thousands of one name cost no more than they must.
    """
    free = name
    for _ in range(8):
        if free not in taken:
            return free
        free += tail
    while f"{name}{tail}{number}" in taken:
        number += 1
    return f"{name}{tail}{number}"


def groups(values: np.ndarray) -> dict[int, np.ndarray]:
    """Each value -> where it stands, in increasing order."""
    order = np.argsort(values, kind="stable")
    found, first = np.unique(values[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, first[1:]), strict=False))
