"""Legacy VTK, reading: words, and arrays of numbers and strings in ascii and binary."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import numpy as np

from .._files import CUT, Fault
from .._strings import decoded, text_array
from .._text import take_numbers

_DTYPES = {
    "char": "i1", "signed_char": "i1", "unsigned_char": "u1", "short": "i2",
    "unsigned_short": "u2", "int": "i4", "unsigned_int": "u4", "long": "i8", "unsigned_long": "u8",
    "vtktypeint64": "i8", "vtktypeuint64": "u8", "vtkidtype": "i8", "float": "f4", "double": "f8",
}  # fmt: skip
_STRINGS = ("string", "utf8_string")
_WORD = re.compile(rb"\S+")
_METADATA = re.compile(rb"\s*METADATA[ \t]*\r?\n", re.IGNORECASE)


class Source:
    """The bytes of a file and a place in them, which moves behind whatever is read."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.binary = False
        self.components: dict[tuple[str, str], tuple[str, ...]] = {}

    def _line(self) -> bytes:
        """The rest of this line."""
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        line = self.data[self.at : end]
        self.at = end + 1
        return line

    def _word(self) -> str:
        found = _WORD.search(self.data, self.at)
        if found is None:
            self.at = len(self.data)
            return ""
        self.at = found.end()
        return found[0].decode("utf-8", "replace")

    def _peek(self) -> str:
        found = _WORD.search(self.data, self.at)
        return found[0].decode("utf-8", "replace").lower() if found else ""

    def _count(self, where: str, least: int = 0) -> int:
        word = self._word()
        if not re.fullmatch(r"[+-]?\d{1,18}", word, re.ASCII) or int(word) < least:
            raise Fault(where, f"expected a count, found {word[:40]!r}", "" if word else CUT)
        return int(word)

    def _numbers(self, where: str, count: int) -> tuple[float, ...]:
        out, self.at = take_numbers(self.data, self.at, count, "f8", where)
        return tuple(out.tolist())

    def _name(self) -> str:
        word = _WORD.search(self.data, self.at)
        if word is None:
            raise Fault("end of the file", "the name of an array is missing", CUT)
        self.at = word.end()
        return unquoted(word[0])

    # -- arrays -----------------------------------------------------------------------------------

    def _array(
        self, kind: str, tuples: int, components: int, where: str, name: str = ""
    ) -> np.ndarray:
        """(tuples,) or (tuples, components) values of VTK's type `kind`, and what is said of them.

        name: of the array in point, cell or field data, for the names of its components.
        """
        label = f"array {name!r}" if name else where.upper()
        count = tuples * components
        kind = kind.lower()
        if kind in _STRINGS:
            out = self._strings(count, label)
        elif kind == "bit":
            out = self._bits(count, label)
        elif kind in ("char", "signed_char") and not self.binary:  # 0 to 255 as well: bytes of C
            wide = self._values(np.dtype(np.int16), count, label)
            if wide.min(initial=0) < -128 or wide.max(initial=0) > 255:
                raise Fault(label, "a value does not fit a byte")
            out = wide.astype(np.int8)
        elif kind in _DTYPES:
            stored = ">i4" if kind == "vtkidtype" and self.binary else _DTYPES[kind]
            out = self._values(np.dtype(stored), count, label)
            out = out.astype(_DTYPES[kind], copy=False)
        else:
            raise Fault(label, f"type {kind[:40]!r}, expected one of {', '.join(_DTYPES)}")
        if found := _METADATA.match(self.data, self.at):
            self.at = found.end()
            self._metadata(components, where if name else "", name)
        return out if components == 1 else out.reshape(tuples, components)

    def _values(self, dtype: np.dtype, count: int, label: str) -> np.ndarray:
        if not self.binary:
            out, self.at = take_numbers(self.data, self.at, count, dtype, label)
            return out
        start = self._block(count * dtype.itemsize, label)
        found = np.frombuffer(self.data, dtype.newbyteorder(">"), count, start)
        return found.astype(dtype.newbyteorder("="))

    def _block(self, size: int, label: str) -> int:
        """Where `size` bytes lie that start on the next line; the place moves behind them."""
        self._line()
        start = self.at
        if size > max(len(self.data) - start, 0):
            left = max(len(self.data) - start, 0)
            raise Fault(label, f"{size} bytes declared, but the file ends after {left}", CUT)
        self.at = start + size
        return start

    def _bits(self, count: int, label: str) -> np.ndarray:
        if not self.binary:
            return self._values(np.dtype(np.uint8), count, label).astype(bool)
        size = (count + 7) // 8
        start = self._block(size, label)
        packed = np.frombuffer(self.data, np.uint8, size, start)
        return np.unpackbits(packed, count=count).astype(bool)

    def _strings(self, count: int, label: str) -> np.ndarray:
        self._line()
        if count > max(len(self.data) - self.at, 0) + 1:
            raise Fault(label, f"{count} strings declared, the file is too short for them", CUT)
        out = []
        for index in range(count):
            if self.at >= len(self.data):
                raise Fault(label, f"{index} strings found, {count} declared", CUT)
            if not self.binary:
                out.append(unquoted(self._line().removesuffix(b"\r")))
                continue
            # The first two bits say how many bytes the length has.
            extra = {3: 0, 2: 1, 1: 3, 0: 7}[self.data[self.at] >> 6]
            head = int.from_bytes(self.data[self.at : self.at + 1 + extra], "big")
            size = head & ((1 << (8 * extra + 6)) - 1)
            self.at += 1 + extra
            if size > len(self.data) - self.at:
                raise Fault(label, f"string {index} has {size} bytes, the file ends before", CUT)
            out.append(decoded(self.data[self.at : self.at + size]))
            self.at += size
        return text_array(out)

    def _metadata(self, components: int, where: str, name: str) -> None:
        """Lines up to a blank one; of them only the names of components are kept."""
        while self.at < len(self.data):
            line = self._line().strip()
            if not line:
                return
            if line.lower() == b"component_names":
                names = []
                for _ in range(components):
                    if self.at >= len(self.data):
                        break
                    names.append(unquoted(self._line().strip()))
                while names and not names[-1]:
                    names.pop()
                if names and name:
                    self.components[where, name] = tuple(names)

    def _skip_metadata(self) -> None:
        self._line()
        self._metadata(0, "", "")


def unquoted(word: bytes) -> str:
    """A name, in which %20 stands for a space."""
    return decoded(unquote_to_bytes(word))
