"""What text formats of finite-element programs share: numbered nodes, rows whose kind tells their
length, numbers in fixed columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._files import Fault
from ._text import GAP, to_numbers

_CHUNK = 1 << 18  # bytes of text that are split at once
MIRRORED_WEDGE = [0, 2, 1, 3, 5, 4]  # VTK's linear wedge is the mirror image of everybody's


def all_numbers(data: bytes, dtype: np.dtype | type | str, where: str) -> np.ndarray:
    """Every number in `data`, white space between them. Raises Fault."""
    parts, start = [np.empty(0, dtype)], 0
    while start < len(data):
        stop = GAP.search(data, min(start + _CHUNK, len(data))).start()  # type: ignore[union-attr]
        parts.append(to_numbers(data[start:stop].split(), dtype, where))
        start = stop
    return np.concatenate(parts)


def columns(
    lines: list[bytes], first: int, width: int, count: int, dtype: type, where: str
) -> np.ndarray:
    """(lines, count) numbers in columns of `width` characters from `first` on; blanks are 0."""
    end = first + width * count
    block = b"".join([line[:end].ljust(end) for line in lines])
    cells = np.frombuffer(block, "u1").reshape(len(lines), end)[:, first:]
    words = np.ascontiguousarray(cells).view(f"S{width}").ravel()
    if b"_" in block:  # Python would take 1_000 for a number
        raise Fault(where, "an underscore inside a number")
    words = np.char.strip(words)
    words[words == b""] = b"0"
    try:
        return words.astype(dtype).reshape(len(lines), count)
    except (ValueError, OverflowError) as error:
        raise Fault(where, f"no list of numbers: {str(error)[:80]}") from None


class Labels:
    """The places of numbered nodes or elements; where a label comes twice, the last counts."""

    def __init__(self, labels: np.ndarray) -> None:
        self.order = np.argsort(labels, kind="stable")
        self.sorted = labels[self.order]

    def places(self, labels: np.ndarray, where: str) -> np.ndarray:
        """The place of each label. Raises Fault that names the first unknown one."""
        at, known = self._find(labels)
        if not known.all():
            wrong = np.ravel(labels)[int(np.flatnonzero(~known.ravel())[0])]
            raise Fault(where, f"it refers to {wrong}, which the file does not define")
        return self.order[at]

    def known(self, labels: np.ndarray) -> np.ndarray:
        """The places of those labels that exist."""
        at, known = self._find(labels)
        return self.order[at[known]]

    def _find(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(self.sorted):
            return np.zeros(labels.shape, np.int64), np.zeros(labels.shape, bool)
        at = np.maximum(np.searchsorted(self.sorted, labels, side="right") - 1, 0)
        return at, self.sorted[at] == labels


def row_starts(
    numbers: np.ndarray,
    kind_at: int,
    length: Callable[[int, int], int],
    count: int | None,
    where: str,
) -> np.ndarray:
    """Where each row starts whose number at `kind_at` decides how long it is, and where all end.

    length(kind, place of the row) -> numbers in the row. count: rows; None: until the numbers end.
    Rows of one kind that follow each other are found at once.
    """
    starts, at, done = [np.empty(0, np.int64)], 0, 0
    window = 1
    while at < len(numbers) if count is None else done < count:
        if at + kind_at >= len(numbers):
            raise Fault(where, f"row {done} is cut off" if count is None else
                        f"{done} rows found, {count} declared")  # fmt: skip
        kind = int(numbers[at + kind_at])
        step = length(kind, at)
        most = min(window, (len(numbers) - at) // step)
        most = most if count is None else min(most, count - done)
        if most < 1:
            raise Fault(where, f"row {done} is cut off")
        kinds = numbers[at + kind_at : at + kind_at + most * step : step]
        other = np.flatnonzero(kinds != kind)
        run = int(other[0]) if len(other) else most
        starts.append(at + step * np.arange(run))
        window = min(2 * window, 1 << 20) if run == most else 1
        at += run * step
        done += run
    return np.append(np.concatenate(starts), at)
