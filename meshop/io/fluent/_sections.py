"""The sections of Fluent's files: ``(index (head)(body))``, the body as text or binary.

Binary sections have the index of the text plus 2000 (single precision) or 3000 (double precision);
``(4 (23 ...`` says that they are big endian.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from .._files import CUT, Fault
from .._text import take_numbers

_CHUNK = 1 << 20  # bytes of text that are worked on at once
_PLAIN_SIZE, _RATIO = 256 << 20, 50  # what a gzipped file may hold: bytes, and for each of its own

_SECTION = re.compile(rb"\(\s*(\d{1,4})(?![\w.])\s*")
_HEAD = re.compile(rb"\(([^()]{0,200})\)\s*")
_MARK = re.compile(rb"End of Binary Section\s*(\d{1,4})\s*\)")
_NEXT = re.compile(rb'"[^"\n]*"|[()]')
_MACHINE = re.compile(rb"\(\s*(\d{1,9})")

_DIGITS = np.full(256, 255, np.uint8)
_DIGITS[list(b" \t\n\r\v\f")] = 16
for _letters in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _DIGITS[list(_letters)] = np.arange(16)


@dataclass
class Section:
    """One section. index: as the file has it; kind: that of the same section as text.

    head: the numbers of its head as text, None where the kind was not asked for; body: what stands
    in its second parentheses, empty for a declaration; at: where in the file its content begins.
    """

    index: int
    kind: int
    at: int
    head: bytes | None = None
    body: bytes = b""
    order: str = "<"

    @property
    def where(self) -> str:
        """Its name in messages."""
        words = " ".join((self.head or b"").decode("latin-1").split())
        return f"section ({self.index} ({words[:60]}"

    @property
    def binary(self) -> bool:
        return self.index >= 2000

    def floats(self, count: int) -> np.ndarray:
        """`count` real numbers, of the precision that the file has; float64 of text."""
        if not self.binary:
            return take_numbers(self.body, 0, count, np.float64, self.where)[0]
        dtype = np.dtype(f"{self.order}f{4 if self.index < 3000 else 8}")
        return _unframed(self.body, dtype, count, self.where)

    def integers(self, count: int | None) -> np.ndarray:
        """The whole numbers: `count`, or all there are."""
        if not self.binary:
            return hexadecimals(self.body, self.where)
        wide = self.index >= 3000 and count is not None and len(self.body) >= 8 * count > 0
        dtype = np.dtype(f"{self.order}i{8 if wide else 4}")
        return _unframed(self.body, dtype, count, self.where).astype(np.int64)


def sections(data: bytes, kinds: Container[int]) -> Iterator[Section]:
    """The sections of a file one by one, with head and body where their kind is in `kinds`."""
    order = "<"
    mark = _MARK.search(data)  # the next end of a binary section
    at = data.find(b"(")
    while at >= 0:
        match = _SECTION.match(data, at)
        index = int(match[1]) if match else -1
        section = Section(index, index % 1000 if index >= 2000 else index, at, order=order)
        section.at = match.end() if match else at
        while section.binary and mark is not None and mark.start() < section.at:
            mark = _MARK.search(data, section.at)
        if section.kind in kinds and (head := _HEAD.match(data, section.at)):
            section.head, begin = head[1], head.end() + 1
            if data[begin - 1 : begin] != b"(":  # a declaration
                yield section
                at = data.find(b"(", _end_of(data, at))
                continue
            if section.binary:
                if mark is None or int(mark[1]) != index:
                    raise Fault(section.where, "its end is missing", CUT)
                end, behind = mark.span()
            else:
                end = data.find(b")", begin)
                if end < 0:
                    raise Fault(section.where, "its end is missing", CUT)
                behind = end + 1
            section.body = data[begin:end]
            yield section
        elif section.binary and mark is not None and int(mark[1]) == index:
            behind = mark.end()
        else:
            if index == 4 and (machine := _MACHINE.match(data, section.at)):
                order = ">" if int(machine[1]) == 23 else "<"
            yield section
            behind = _end_of(data, at)
        at = data.find(b"(", behind)  # one more ")" may follow: no matter


def unpacked(data: bytes) -> bytes:
    """The content of gzipped `data`. Raises Fault for damaged ones, and for bombs."""
    limit = _PLAIN_SIZE + _RATIO * len(data)
    parts, total = [], 0
    while data.startswith(b"\x1f\x8b"):  # gzip allows several members, one behind the other
        stream = zlib.decompressobj(31)
        try:
            parts.append(stream.decompress(data, limit - total + 1))
        except zlib.error as error:
            raise Fault("gzip", f"the packed data are damaged ({error})", CUT) from None
        total += len(parts[-1])
        if total > limit:
            raise Fault("gzip", f"it unpacks to over {limit >> 20} MB", "unpack it first")
        if not stream.eof:
            raise Fault("gzip", "the packed data end too soon", CUT)
        data = stream.unused_data
    return b"".join(parts)


def _unframed(body: bytes, dtype: np.dtype, count: int | None, where: str) -> np.ndarray:
    """The binary values of a section: `count`, or all; some writers break lines around them."""
    if (closed := body.rstrip(b"\r\n")).endswith(b")"):
        body = closed[:-1]
    least = 0 if count is None else count * dtype.itemsize
    if least > len(body):
        raise Fault(where, f"{count} values declared, {len(body)} bytes are left", CUT)
    more = len(body) - least if least else len(body) % dtype.itemsize
    before = len(body) - len(body.removeprefix(b"\r").removeprefix(b"\n"))
    behind = len(body) - len(body.removesuffix(b"\n").removesuffix(b"\r"))
    start = before if more >= before + behind else 0
    count = (len(body) - start) // dtype.itemsize if count is None else count
    return np.frombuffer(body, dtype, count, start)


def _end_of(data: bytes, start: int) -> int:
    """Behind the parenthesis that closes the one at `start`; those in quotes do not count."""
    depth = 0
    for match in _NEXT.finditer(data, start):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    raise Fault(f"section at byte {start}", "its end is missing", CUT)


def hexadecimals(text: bytes, where: str) -> np.ndarray:
    """All hexadecimal numbers of a text."""
    parts, start = [np.empty(0, np.int64)], 0
    while start < len(text):
        stop = min(start + _CHUNK, len(text))
        while stop < len(text) and _DIGITS[text[stop]] != 16:
            stop += 1  # no number is cut in two
        digits = _DIGITS[np.frombuffer(text, np.uint8, stop - start, start)]
        if digits.max() > 16:
            at = start + int(np.argmax(digits > 16))
            word = text[max(at - 10, start) : at + 10].decode("latin-1")
            raise Fault(where, f"{word!r} where hexadecimal numbers belong")
        outside = np.concatenate([[True], digits == 16, [True]])
        edges = np.flatnonzero(outside[1:] != outside[:-1])
        last, length = edges[1::2] - 1, edges[1::2] - edges[::2]
        longest = int(length.max(initial=0))
        if longest > 15:
            raise Fault(where, f"a number of {longest} digits")
        values = np.zeros(len(length), np.int64)
        for place in range(longest):
            there = np.flatnonzero(length > place) if place else slice(None)
            values[there] += digits[last[there] - place].astype(np.int64) << 4 * place
        parts.append(values)
        start = stop
    return np.concatenate(parts)
