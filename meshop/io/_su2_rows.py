"""Reading the tables of SU2's files: % comments, and text behind the numbers of a line.

Where a line of text is numbers alone (and # comments), `_words.take_rows` does.
"""

from __future__ import annotations

import re

import numpy as np

from ._files import CUT, Fault
from ._text import to_numbers

_CHUNK = 1 << 18  # bytes of text that are handled at once
_LONGEST = 1 << 24  # bytes of a line
_SPACE = np.zeros(256, bool)
_SPACE[list(b" \t\n\r\v\f")] = True
_COMMENT = re.compile(rb"%[^\n]*")
_FLOAT = rb"[-+]?(?:\d++\.?+\d*+(?:[eE][-+]?\d++)?+|\.\d++(?:[eE][-+]?\d++)?+|nan|inf)"
# From the first word of a line that is no number to the line's end.
_TAIL = {
    "i": re.compile(rb"(?<!\S)(?![-+]?\d++(?!\S))\S[^\n]*"),
    "f": re.compile(rb"(?<!\S)(?!" + _FLOAT + rb"(?!\S))\S[^\n]*", re.I),
}


def take_rows(
    data: bytes, start: int, count: int | None, dtype: type, where: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """The next `count` lines of numbers: the numbers, where each line's begin, and the end.

    Blank lines, % comments, and text behind the numbers of a line are passed over. A line with "="
    ends the rows; count None takes all up to there. Raises Fault that names `where`.
    """
    left = max(len(data) - start, 0)
    if count is not None and 2 * count - 1 > left:
        raise Fault(where, f"{count} lines declared, {left} characters are left", CUT)
    values: list[np.ndarray] = [np.empty(0, dtype)]
    sizes: list[np.ndarray] = [np.empty(0, np.int64)]
    done = 0
    closed = False
    size = _CHUNK if count is None else min(_CHUNK, 64 * count + 256)
    while not closed and start < len(data) and (count is None or done < count):
        stop = data.find(b"\n", min(start + size, len(data))) + 1 or len(data)
        if stop - start > _LONGEST:
            raise Fault(where, f"a line of over {_LONGEST >> 20} MB")
        chunk = data[start:stop]
        if b"=" in chunk and (found := _key(chunk)) >= 0:
            chunk, stop, closed = chunk[:found], start + found, True
        numbers, each, used = _rows(chunk, None if count is None else count - done, dtype, where)
        values.append(numbers)
        sizes.append(each)
        done += len(each)
        start = stop if used is None else start + used
    if count is not None and done < count:
        raise Fault(where, f"{done} lines of numbers found, {count} declared", CUT)
    return np.concatenate(values), np.concatenate([[0], np.cumsum(np.concatenate(sizes))]), start


def _key(chunk: bytes) -> int:
    """Where the first line with "=" outside of a comment begins; -1 for none."""
    at = chunk.find(b"=")
    while at >= 0:
        begin = chunk.rfind(b"\n", 0, at) + 1
        if b"%" not in chunk[begin:at]:
            return begin
        end = chunk.find(b"\n", at)
        at = chunk.find(b"=", end) if end >= 0 else -1
    return -1


def _rows(
    chunk: bytes, most: int | None, dtype: type, where: str
) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Numbers, how many each row has, and the bytes used if the chunk has more rows than `most`."""
    used = None
    each, ends = _words_per_line(chunk, comments=b"%" in chunk)
    filled = np.flatnonzero(each)
    if most is not None and len(filled) > most:
        used = int(ends[filled[most - 1]]) if most else 0
        chunk = chunk[:used]
    if b"%" in chunk:
        chunk = _COMMENT.sub(b"", chunk)
    try:
        numbers = to_numbers(chunk.split(), dtype, where)
        each = each[filled[:most]]
    except Fault:  # text behind the numbers, or instead of them
        chunk = _TAIL[np.dtype(dtype).kind].sub(b"~", chunk)  # "~": a row stays a row
        words, begins = chunk.split(), _words_per_line(chunk)[0]
        each = begins[np.flatnonzero(begins)]
        odd = np.array([word == b"~" for word in words])
        each = each - np.add.reduceat(odd, np.concatenate([[0], np.cumsum(each)[:-1]]))
        numbers = to_numbers([word for word in words if word != b"~"], dtype, where)
    return numbers, each, used


def _words_per_line(chunk: bytes, comments: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """How many words each line has, and where the lines end."""
    if comments:  # of the same length, so that places stay
        chunk = _COMMENT.sub(lambda found: b" " * len(found[0]), chunk)
    text = np.frombuffer(chunk, np.uint8)
    if not len(text):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    space = _SPACE[text]
    begins = ~space
    begins[1:] &= space[:-1]
    ends = np.flatnonzero(text == 10) + 1
    if not len(ends) or ends[-1] != len(text):
        ends = np.append(ends, len(text))
    return np.add.reduceat(begins, np.append(0, ends[:-1]), dtype=np.int64), ends
