"""Reading lines of words, most of them numbers: where words start and end is found all at once.

For text whose lines matter. Where they do not, `_text.take_numbers` is faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ._files import CUT, Fault
from ._text import to_numbers

_BLOCK = 1 << 21  # bytes that are split at once
_LONGEST = 1 << 24  # bytes of one line
_COMMENT = re.compile(rb"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)


class Words:
    """The words of some lines. `starts`, `ends`: their places; `offsets`: the first of each line.

    Lines without words are left out; `lines` tells which the others are, counted from 0.
    """

    def __init__(self, text: bytes, separators: bytes = b"") -> None:
        white = np.zeros(256, bool)
        white[list(b" \t\r\n\v\f" + separators)] = True
        self.text = text
        self.bytes = np.frombuffer(text, np.uint8)
        outside = np.concatenate([[True], white[self.bytes], [True]])
        edges = np.flatnonzero(outside[1:] != outside[:-1])
        self.starts, self.ends = edges[::2], edges[1::2]
        breaks = np.flatnonzero(self.bytes == 10)
        first = np.append(0, np.searchsorted(self.starts, breaks))
        counts = np.diff(first, append=len(self.starts))
        self.lines = np.flatnonzero(counts)
        self.offsets = np.append(first[self.lines], len(self.starts))

    def only(self, chosen: np.ndarray) -> bytes:
        """The text with all but the `chosen` words (a mask) blanked."""
        if chosen.all():
            return self.text
        step = np.zeros(len(self.bytes) + 1, np.int8)
        step[self.starts[chosen]] = 1
        step[self.ends[chosen]] -= 1
        inside = np.cumsum(step[:-1], dtype=np.int8).view(bool)
        return np.where(inside, self.bytes, np.uint8(32)).tobytes()

    def numbers(self, chosen: np.ndarray, dtype: type, where: str) -> np.ndarray:
        """The `chosen` words (a mask) as numbers. Raises Fault."""
        return to_numbers(self.only(chosen).split(), dtype, where)


def blocks(data: bytes, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """`data` from `start` on in parts that end with a line, and where each of them starts."""
    while start < len(data):
        stop = start + _BLOCK
        if stop < len(data):
            stop = data.find(b"\n", stop, stop + _LONGEST) + 1
            if not stop and len(data) - start > _LONGEST:
                raise Fault(f"byte {start}", f"a line of over {_LONGEST >> 20} MB")
            stop = stop or len(data)
        yield data[start:stop], start
        start = stop


def unix(data: bytes) -> bytes:
    """`data` with line feeds where its lines end with carriage returns alone."""
    start = data[:4096]
    return data.replace(b"\r", b"\n") if b"\r" in start and b"\n" not in start else data


def without_comments(text: bytes) -> bytes:
    """`text` with what follows a # blanked, so that places stay what they are."""
    if b"#" not in text:
        return text
    return _COMMENT.sub(lambda match: b" " * len(match[0]), text)


def take_rows(
    data: bytes, start: int, count: int, where: str, least: int = 1
) -> tuple[np.ndarray, np.ndarray, int]:
    """`count` lines of numbers: (K,) float64, (count + 1,) offsets, and the place behind them.

    Blank lines and comments (#) are passed over. least: numbers in each line, which `count` is
    checked with before anything is allocated. Raises Fault.
    """
    left = max(len(data) - start, 0)
    if count < 0 or count * 2 * least - 1 > left:
        raise Fault(where, f"{count} lines declared, {left} characters are left", CUT)
    values, sizes, found, behind = [], [], 0, start
    for text, at in blocks(data, start) if count else ():
        words = Words(without_comments(text))
        take = min(count - found, len(words.lines))
        end = int(words.offsets[take])
        behind = at + (int(words.ends[end - 1]) if end else len(text))
        size = np.diff(words.offsets[: take + 1])
        if take and size.min() < least:
            row = found + int(np.argmax(size < least))
            raise Fault(f"{where}, row {row + 1}", f"expected {least} numbers or more")
        chosen = np.arange(len(words.starts)) < end
        values.append(words.numbers(chosen, np.float64, f"{where}, from row {found + 1} on"))
        sizes.append(size)
        found += take
        if found == count:
            break
    if found < count:
        raise Fault(where, f"{found} lines found, {count} declared", CUT)
    offsets = np.concatenate([[0], *sizes]).cumsum() if sizes else np.zeros(1, np.int64)
    return np.concatenate(values) if values else np.empty(0), offsets, behind


def integers(values: np.ndarray, where: str) -> np.ndarray:
    """Floats that stand for integers as int64. Raises Fault."""
    wrong = ~(np.abs(values) < 2.0**53)  # NaN too
    if wrong.any():
        raise Fault(where, f"{values[wrong][0]} is no integer of up to 53 bits")
    out = values.astype(np.int64)
    if not np.array_equal(out, values):
        raise Fault(where, f"{values[out != values][0]} where an integer belongs")
    return out


def as_integers(values: np.ndarray, kind: np.dtype, where: str) -> np.ndarray:
    """Floats that stand for integers in the range of a type. Raises Fault."""
    whole = integers(values, where)
    info = np.iinfo(kind)
    if len(whole) and (whole.min() < info.min or whole.max() > info.max):
        raise Fault(where, f"a value does not fit {kind.name}")
    return whole.astype(kind)
