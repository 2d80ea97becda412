"""Numbers in text: strict, in bounded memory, and without a Python loop over them."""

from __future__ import annotations

import re

import numpy as np

from ._files import CUT, Fault

_CHUNK = 1 << 18  # bytes of text that are split at once
GAP = re.compile(rb"\s|\Z")  # where text can be cut and no number in two


def take_numbers(
    data: bytes, start: int, count: int, dtype: np.dtype | type | str, where: str
) -> tuple[np.ndarray, int]:
    """The `count` numbers that follow in `data`, and the place behind the last of them.

    White space separates them. Integers are checked against the range of `dtype`. Raises Fault
    that names `where`; `count` is checked against the bytes left before anything is allocated.
    """
    dtype = np.dtype(dtype)
    left = len(data) - start
    if count < 0 or 2 * count - 1 > max(left, 0):
        raise Fault(where, f"{count} numbers declared, {max(left, 0)} characters are left", CUT)
    out = np.empty(count, dtype)
    done = 0
    while done < count:
        size = min(_CHUNK, 32 * (count - done) + 32)  # a few numbers need no large piece
        stop = GAP.search(data, min(start + size, len(data))).start()  # type: ignore[union-attr]
        words = data[start:stop].split(None, count - done)
        behind = stop
        if len(words) > count - done:
            behind = stop - len(words.pop())  # split() keeps the white space at its end
        if not words and stop == len(data):
            raise Fault(where, f"{done} numbers found, {count} declared", CUT)
        if words:
            out[done : done + len(words)] = to_numbers(words, dtype, where)
        done += len(words)
        start = behind
    return out, start


def to_numbers(words: list[bytes], dtype: np.dtype | type | str, where: str) -> np.ndarray:
    """`words` as numbers of `dtype`. Raises Fault for anything that is none or does not fit."""
    dtype = np.dtype(dtype)
    wide = dtype if dtype.kind == "f" or dtype.itemsize == 8 else np.dtype(np.int64)
    try:
        with np.errstate(over="ignore"):
            found = np.array(words, dtype=wide)
    except (ValueError, OverflowError) as error:
        raise Fault(where, f"no list of numbers: {str(error)[:80]}") from None
    if b"_" in b" ".join(words):  # Python would take 1_000 for a number
        raise Fault(where, "an underscore inside a number")
    if wide != dtype and len(found):
        info = np.iinfo(dtype)
        if found.min() < info.min or found.max() > info.max:
            raise Fault(where, f"a value does not fit {dtype.name}")
    return found.astype(dtype, copy=False)
