"""The words of Gmsh's files: lines, counts and streams of numbers, in ascii or binary."""

from __future__ import annotations

import struct

import numpy as np

from .._files import CUT, Fault
from .._text import to_numbers

_CHUNK = 1 << 18  # bytes of text that are split at once
_EXACT = 2**53  # integers up to here are exact among floats


class Text:
    """The numbers of an ascii section, in order; "i", "n" and "d" mean the same here."""

    def __init__(self, values: np.ndarray, where: str) -> None:
        self.values, self.where, self.at = values, where, 0

    def array(self, code: str, count: int) -> np.ndarray:
        """The next `count` numbers, integers unless code is "d"."""
        if not 0 <= count <= len(self.values) - self.at:
            left = len(self.values) - self.at
            raise Fault(self.where, f"{count} numbers declared, {left} are left", CUT)
        self.at += count
        found = self.values[self.at - count : self.at]
        return found if code == "d" else whole(found, self.where)

    def take(self, codes: str) -> list:
        """The next few numbers, one for each code."""
        found = self.array("d", len(codes)).tolist()
        for place, code in enumerate(codes):
            if code != "d":
                if found[place] != found[place] // 1 or abs(found[place]) >= _EXACT:
                    raise Fault(self.where, f"{found[place]} where an integer belongs")
                found[place] = int(found[place])
        return found


class Binary:
    """The same for a binary section: "i" int32, "n" the file's size_t, "d" double."""

    def __init__(self, data: bytes, at: int, order: str, size: str, where: str) -> None:
        self.data, self.at, self.order, self.where = data, at, order, where
        self.codes = {"i": "i", "n": size, "d": "d"}
        wide = "i8" if size == "Q" else "u4"  # no tag needs the last bit of 64
        forms = {"i": "i4", "n": wide, "d": "f8"}
        self.dtypes = {code: np.dtype(order + form) for code, form in forms.items()}

    def array(self, code: str, count: int) -> np.ndarray:
        dtype = self.dtypes[code]
        if not 0 <= count <= (len(self.data) - self.at) // dtype.itemsize:
            left = len(self.data) - self.at
            raise Fault(self.where, f"{count} values declared, {left} bytes are left", CUT)
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
        return found

    def take(self, codes: str) -> list:
        form = struct.Struct(self.order + "".join(self.codes[code] for code in codes))
        if form.size > len(self.data) - self.at:
            raise Fault(self.where, "the section is not complete", CUT)
        self.at += form.size
        return list(form.unpack_from(self.data, self.at - form.size))


class Source:
    """A file's bytes and where reading is; what $MeshFormat says of all that follows."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.section = data, 0, ""
        self.version, self.binary, self.order, self.size = 0.0, False, "<", "Q"

    def _line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        start, self.at = self.at, end + 1
        return self.data[start:end].strip()

    def _integer(self, where: str) -> int:
        line = b""
        while not line and self.at < len(self.data):
            line = self._line()
        word = line.split()[0] if line else b""
        if len(word) > 18 or not word.removeprefix(b"-").isdigit():
            raise Fault(where, f"{word[:40].decode('utf-8', 'replace')!r} where a count belongs")
        return int(word)

    def _count(self, where: str, least: int) -> int:
        """A count of things that take at least so many bytes each."""
        count = self._integer(where)
        left = len(self.data) - self.at
        if not 0 <= count * least <= left:
            raise Fault(where, f"{count} declared, {max(left, 0)} bytes are left", CUT)
        return count

    def _numbers(self, dtype: type, where: str) -> np.ndarray:
        """All numbers up to the next "$"."""
        end = self.data.find(b"$", self.at)
        end = len(self.data) if end < 0 else end
        parts: list[np.ndarray] = [np.empty(0, dtype)]
        while self.at < end:
            stop = min(self.at + _CHUNK, end)
            while stop < end and not self.data[stop : stop + 1].isspace():
                stop += 1  # no number is cut in two
                if stop > self.at + 2 * _CHUNK:
                    raise Fault(where, "no list of numbers")
            parts.append(to_numbers(self.data[self.at : stop].split(), dtype, where))
            self.at = stop
        return np.concatenate(parts)

    def _stream(self, where: str) -> Text | Binary:
        if self.binary:
            return Binary(self.data, self.at, self.order, self.size, where)
        return Text(self._numbers(np.float64, where), where)

    def _format(self) -> None:
        where = "$MeshFormat"
        words = self._line().split()
        try:
            self.version, binary, size = float(words[0]), int(words[1]), int(words[2])
        except (ValueError, IndexError):
            raise Fault(where, "expected VERSION FILE-TYPE DATA-SIZE") from None
        if self.version not in (1, 2, 2.1, 2.2, 3, 4, 4.1) or binary not in (0, 1):
            reason = f"version {self.version:g}, file type {binary}: expected 1 to 4.1, and 0 or 1"
            raise Fault(where, reason, "save it as MSH 4.1 or 2.2")
        if size not in (4, 8):
            raise Fault(where, f"data size {size}, expected 4 or 8")
        self.binary, self.size = bool(binary), "Q" if size == 8 else "I"
        if self.binary:
            one = self.data[self.at : self.at + 4]
            if one not in (b"\1\0\0\0", b"\0\0\0\1"):
                raise Fault(where, "the byte order is not given: no 1 in binary", CUT)
            self.order = "<" if one[0] else ">"
            self.at += 4

    def _close(self, stream: Text | Binary) -> None:
        if isinstance(stream, Binary):
            self.at = stream.at
        elif stream.at != len(stream.values):
            raise Fault(stream.where, "there is more in it than it declares", CUT)


def whole(values: np.ndarray, where: str) -> np.ndarray:
    """Numbers as int64. Raises Fault where one is no integer, or too large to be sure of it."""
    if values.dtype.kind != "f":
        return values.astype(np.int64, copy=False)
    with np.errstate(invalid="ignore"):
        bad = ~((np.abs(values) < _EXACT) & (values == np.trunc(values)))
    if np.any(bad):
        raise Fault(where, f"{values[np.argmax(bad)]} where an integer belongs")
    return values.astype(np.int64)


def walk(step: np.ndarray, count: int, least: int, where: str) -> tuple[np.ndarray, int]:
    """Where up to `count` records begin, one behind the other, and where the last one ends.

    step[i] is the length of a record that begins at i; one that is too short ends the walk.
    """
    if count * least > len(step):
        raise Fault(where, f"{count} entries declared, {len(step)} numbers are left", CUT)
    following = np.arange(len(step))
    following += np.where(step < least, len(step) + 1, step)
    places = memoryview(following)  # type: ignore[arg-type]
    starts, at, end = [], 0, len(step)
    for _ in range(count):
        if at >= end:
            break
        starts.append(at)
        at = places[at]
    return np.array(starts, np.int64), at


def chain(step: np.ndarray, count: int, least: int, where: str) -> np.ndarray:
    """Where `count` records begin that fill the list. Raises Fault."""
    starts, end = walk(step, count, least, where)
    if len(starts) < count or end != len(step):
        reason = f"its numbers do not make up {count} entries"
        raise Fault(f"{where}, entry {max(len(starts) - 1, 0)}", reason, CUT)
    return starts
