"""OpenFOAM's files: header, dictionaries, and lists of numbers in ascii or binary.

Nothing in a file is executed: `#calc` and `#codeStream` are refused, `#include` is passed over,
and `$name` is looked up among the entries before it. Source: OpenFOAM User Guide, "Basic
input/output file format", and the layout that OpenFOAM's own writers give lists.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

import numpy as np

from .._files import CUT, Fault
from .._text import to_numbers

_WHITE = re.compile(rb"\s*")
_GAP = re.compile(rb"\s|\Z")
_WORD = re.compile(rb"(?:[^\s;{}()\[\]\"/]++|/(?![/*]))++")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_COUNT = re.compile(rb"\d++")
_LIST = re.compile(rb"List<(\w+)>")
_STOP = re.compile(rb'[(){}\[\];"]|//|/\*|#\{|List<\w+>')  # what matters when a value is skipped
_ENDS = re.compile(rb"\)\s*\)")  # of the last tuple, and of the list
_COMMENT = re.compile(rb"/(?:/[^\n]*+|\*.*?\*/)", re.DOTALL)
_BEHIND = frozenset(b" \t\r\n;)}/")  # what may follow a binary list
_PAIRS = {b")": b"(", b"}": b"{", b"]": b"["}
_NO_PARENTHESES = bytes.maketrans(b"()", b"  ")
_IN_WORD = np.array([not bytes([i]).isspace() and i not in b"()" for i in range(256)])
_CHUNK = 1 << 18
_WIDTHS = {"scalar": 1, "vector": 3, "sphericalTensor": 1, "symmTensor": 6, "tensor": 9, "label": 1}


class NotExecuted(Fault):
    """A value that only running code or reading other files would give."""


class FoamText:
    """One file, read from the front: `at` is the place in `data`."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name, self.at = data, name, 0
        self.binary, self.kind, self.note, self.declared = False, "", "", False
        self.label, self.scalar = np.dtype("<i4"), np.dtype("<f8")
        self._seen: dict[bytes, bytes] = {}  # entries of the file itself, for $name
        self._header()

    def fault(self, reason: str, hint: str = "", at: int | None = None) -> Fault:
        at = self.at if at is None else at
        if self.binary:
            return Fault(f"{self.name}, byte {at}", reason, hint)
        line = self.data.count(b"\n", 0, at) + 1
        return Fault(f"{self.name}, line {line}", reason, hint)

    def _header(self) -> None:
        if self._word(required=False) != b"FoamFile":
            raise self.fault("no FoamFile { ... } header at its start", "is this OpenFOAM's?")
        self.expect(b"{")
        found = {key: self.raw() for key in self.entries(b"}")}
        form = found.get(b"format", "ascii")
        if form not in ("ascii", "binary"):
            raise self.fault(f"format {form[:40]!r}, expected ascii or binary")
        self.kind = found.get(b"class", "").strip('"')
        self.note = found.get(b"note", "").strip('"')[:1000]
        if arch := found.get(b"arch", ""):
            self.declared = True
            order = ">" if "MSB" in arch else "<"
            sizes = dict(re.findall(r"(label|scalar)=(\d{1,4})", arch))
            label, scalar = sizes.get("label", "32"), sizes.get("scalar", "64")
            if label not in ("32", "64") or scalar not in ("32", "64"):
                raise self.fault(f"arch {arch[:60]}: labels and scalars have 32 or 64 bits")
            self.label = np.dtype(f"{order}i{int(label) // 8}")
            self.scalar = np.dtype(f"{order}f{int(scalar) // 8}")
        self.binary = form == "binary"

    # -- words ----------------------------------------------------------------------------------

    def skip(self) -> None:
        """Pass over white space and comments."""
        while True:
            self.at = _WHITE.match(self.data, self.at).end()  # type: ignore[union-attr]
            two = self.data[self.at : self.at + 2]
            if two == b"//":
                end = self.data.find(b"\n", self.at)
                self.at = len(self.data) if end < 0 else end
            elif two == b"/*":
                end = self.data.find(b"*/", self.at + 2)
                if end < 0:
                    raise self.fault("a comment is never closed", CUT)
                self.at = end + 2
            else:
                return

    def peek(self) -> bytes:
        """The next character that counts, b"" at the end."""
        self.skip()
        return self.data[self.at : self.at + 1]

    def expect(self, mark: bytes) -> None:
        if self.peek() != mark:
            found = self.data[self.at : self.at + 20]
            raise self.fault(f"{mark.decode()} expected, found {found!r}", CUT)
        self.at += 1

    def _word(self, required: bool = True) -> bytes:
        self.skip()
        start = self.at
        found = _STRING.match(self.data, start) or _WORD.match(self.data, start)
        if found is None or found.end() - start > 4096:
            if not required:
                return b""
            raise self.fault(f"a word expected, found {self.data[start : start + 20]!r}", CUT)
        self.at = found.end()
        return found.group().strip(b'"')

    def word(self) -> str:
        return self._word().decode("utf-8", "replace")

    def entries(self, end: bytes = b"") -> Iterator[bytes]:
        """Each key up to `end` (b"" for the end of the file); an unread value is passed over."""
        while True:
            mark = self.peek()
            if mark == end:
                self.at += len(end)
                return
            if mark == b"":
                raise self.fault("the file ends inside { }", CUT)
            if mark == b";":
                self.at += 1
            elif mark == b"#":  # a directive: the rest of its line
                line = self.data.find(b"\n", self.at)
                self.at = len(self.data) if line < 0 else line
            else:
                key = self._word()
                start = self.at
                yield key
                if self.at == start and not key.startswith(b"$"):
                    self._pass_value()
                    if not end and self.at - start < 1000 and len(self._seen) < 1000:
                        self._seen[key] = self.data[start : self.at]

    def raw(self) -> str:
        """The value of an entry as its text, white space collapsed."""
        start = self.at
        self._pass_value()
        text = _COMMENT.sub(b" ", self.data[start : self.at]).rstrip().removesuffix(b";")
        return " ".join(text.decode("utf-8", "replace").split())

    def _pass_value(self) -> None:
        """To behind the `;` or the `}` that ends an entry."""
        stack = bytearray()
        while True:
            found = _STOP.search(self.data, self.at)
            if found is None:
                raise self.fault("the file ends inside an entry", CUT)
            self.at, mark = found.start(), found.group()
            if mark in (b"//", b"/*"):
                self.skip()
            elif mark == b'"':
                text = _STRING.match(self.data, self.at)
                if text is None:
                    raise self.fault("a string is never closed", CUT)
                self.at = text.end()
            elif mark == b"#{":
                end = self.data.find(b"#}", self.at)
                if end < 0:
                    raise self.fault("code is never closed with #}", CUT)
                self.at = end + 2
            elif mark.startswith(b"List<"):
                self.at = found.end()
                self._pass_list(mark[5:-1].decode())
            elif mark == b";":
                self.at += 1
                if not stack:
                    return
            elif mark in (b"(", b"{", b"["):
                stack += mark
                self.at += 1
            elif not stack and mark == b"}":
                return  # the end of the dictionary around an entry without its ;
            elif not stack or stack.pop() != _PAIRS[mark][0]:
                raise self.fault(f"{mark.decode()} without its opening", CUT)
            else:
                self.at += 1
                if not stack and mark == b"}":
                    return

    def _pass_list(self, kind: str) -> None:
        """Behind a list of numbers, which may be binary."""
        count = self.count()
        if self.binary and count is not None and self.peek() == b"(":
            if kind == "bool":
                self._raw_list(count, (np.dtype("u1"),))
            elif kind in _WIDTHS:
                self._raw_list(count * _WIDTHS[kind], self._sizes(kind == "label"))

    def skip_type(self) -> None:
        """Behind the `List<scalar>` that stands before a list."""
        self.skip()
        if listed := _LIST.match(self.data, self.at):
            self.at = listed.end()

    # -- lists of numbers -----------------------------------------------------------------------

    def count(self) -> int | None:
        self.skip()
        found = _COUNT.match(self.data, self.at)
        if found is None:
            return None
        if found.end() - self.at > 18:
            raise self.fault(f"a count of {found.end() - self.at} digits")
        self.at = found.end()
        return int(found.group())

    def labels(self, most: int, expected: int | None = None) -> np.ndarray:
        """A list of integers (n,) int64; at most `most` where one value stands for all."""
        return self._list(1, False, True, most, expected).astype(np.int64, copy=False)

    def vectors(self) -> np.ndarray:
        """A list of vectors (n, 3)."""
        return self._list(3, True, False, len(self.data), None)

    def _list(
        self, width: int, tuples: bool, integers: bool, most: int, expected: int | None
    ) -> np.ndarray:
        """(n,) or (n, width); tuples: whether the elements have parentheses of their own."""
        dtype = np.dtype(np.int64) if integers else self.scalar.newbyteorder("=")
        shape = (-1, width) if width > 1 else (-1,)
        start = self.at
        count = self.count()
        if expected is not None and count is not None and count != expected:
            raise self.fault(f"a list of {count} values, expected {expected}", at=start)
        mark = self.peek()
        if mark == b"{" and count is not None:
            if count > most:
                raise self.fault(f"{count} times one value, at most {most} expected", at=start)
            self.at += 1
            value = self.value(width, integers)
            self.expect(b"}")
            return np.tile(np.asarray(value, dtype), count).reshape(shape)
        if count == 0:
            if mark == b"(":
                self.at += 1
                self.expect(b")")
            return np.empty(0, dtype).reshape(shape)
        if mark != b"(":
            raise self.fault(f"( of a list expected, found {self.data[self.at : self.at + 20]!r}")
        if self.binary and count is not None:
            return self._raw_list(count * width, self._sizes(integers)).reshape(shape)
        values, sizes = self._groups(dtype, tuples)
        if tuples and np.any(sizes != width):
            bad = int(np.flatnonzero(sizes != width)[0])
            raise self.fault(f"tuple {bad} has {sizes[bad]} numbers, expected {width}", at=start)
        values = values.reshape(shape)
        wanted = expected if count is None else count
        if wanted is not None and len(values) != wanted:
            raise self.fault(f"{len(values)} values found, {wanted} expected", CUT, start)
        return values

    def value(self, width: int, integers: bool = False) -> np.ndarray:
        """One number, or one tuple in parentheses, as (width,)."""
        start = self.at
        if self.peek() == b"(":
            self.at += 1
            words: list[bytes] = []
            while self.peek() != b")" and len(words) <= width:
                words.append(self._word())
            self.expect(b")")
        else:
            words = [self._word()]
        if len(words) != width:
            raise self.fault(f"{len(words)} numbers in a value of {width}", at=start)
        return self._numbers(words, np.dtype(np.int64 if integers else np.float64))

    def _numbers(self, words: list[bytes], dtype: np.dtype) -> np.ndarray:
        try:
            return to_numbers(words, dtype, "")
        except Fault as fault:  # the line is counted only where it is needed
            raise self.fault(fault.reason) from None

    def _sizes(self, integers: bool) -> tuple[np.dtype, ...]:
        """The types to try: files of programs that declare none are told by where the list ends."""
        if integers:
            return (self.label,) if self.declared else (self.label, np.dtype("<i8"))
        return (self.scalar,) if self.declared else (self.scalar, np.dtype("<f4"))

    def _raw_list(self, count: int, dtypes: tuple[np.dtype, ...]) -> np.ndarray:
        """`count` binary numbers between parentheses, in native order."""
        self.expect(b"(")
        for dtype in dtypes:
            end = self.at + count * dtype.itemsize
            if self.data[end : end + 1] == b")" and (
                end + 1 == len(self.data) or self.data[end + 1] in _BEHIND
            ):
                found = np.frombuffer(self.data, dtype, count, self.at)
                self.at = end + 1
                return found.astype(dtype.newbyteorder("="))
        left = len(self.data) - self.at
        sizes = " or ".join(str(count * dtype.itemsize) for dtype in dtypes)
        raise self.fault(f"a binary list of {sizes} bytes does not end there ({left} left)", CUT)

    def _groups(self, dtype: np.dtype, tuples: bool) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of an ascii list from its ( on, and how many each inner ( ) holds.

        A number before an inner ( is its count: checked and left out.
        """
        start = self.at + 1
        for _ in range(2):
            if tuples and _WHITE.match(self.data, start).end() != self.data.find(b")", start):  # type: ignore[union-attr]
                ends = _ENDS.search(self.data, start)
                stop, behind = (ends.start() + 1, ends.end()) if ends else (-1, 0)
            else:
                stop = self.data.find(b")", start)
                behind = stop + 1
            slash = self.data.find(b"/", start, stop if stop >= 0 else len(self.data))
            if slash < 0 or self.binary:
                break
            # Comments inside a list are rare enough to pay for a copy.
            self.data = self.data[:start] + _COMMENT.sub(b" ", self.data[start:])
        if stop < 0:
            raise self.fault("a list is never closed", CUT)
        values, sizes = [np.empty(0, dtype)], [np.empty(0, np.int64)]
        while start < stop:
            end = min(start + _CHUNK, stop)
            if tuples:
                end = self.data.find(b")", end - 1, stop) + 1 or stop
            else:
                end = _GAP.search(self.data, end, stop).start()  # type: ignore[union-attr]
            chunk = self.data[start:end]
            start = end
            words = chunk.translate(_NO_PARENTHESES) if tuples else chunk
            numbers = self._numbers(words.split(), dtype)
            if tuples:
                numbers, inside = self._tuples(chunk, numbers)
                sizes.append(inside)
            values.append(numbers)
        self.at = behind
        return np.concatenate(values), np.concatenate(sizes)

    def _tuples(self, chunk: bytes, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        text = np.frombuffer(chunk, np.uint8)
        inside = _IN_WORD[text]
        begins = inside.copy()
        begins[1:] &= ~inside[:-1]
        words = np.cumsum(begins)
        opens, closes = np.flatnonzero(text == 40), np.flatnonzero(text == 41)
        alternate = len(opens) == len(closes) and np.all(opens < closes)
        if not alternate or np.any(closes[:-1] > opens[1:]):
            raise self.fault("parentheses in the list do not pair", CUT)
        first, last = words[opens], words[closes]
        lead = first - np.concatenate([[0], last[:-1]])  # numbers before each (
        if (len(last) and last[-1] != len(numbers)) or (not len(last) and len(numbers)):
            raise self.fault("numbers outside the parentheses of the list", CUT)
        counted = lead == 1
        if np.any(lead > 1) or np.any(numbers[first[counted] - 1] != (last - first)[counted]):
            raise self.fault("an element of the list does not hold what it declares", CUT)
        keep = np.ones(len(numbers), bool)
        keep[first[counted] - 1] = False
        return numbers[keep], last - first

    # -- what the files hold --------------------------------------------------------------------

    def faces(self) -> tuple[np.ndarray, np.ndarray]:
        """Polygons as offsets (n + 1,) and nodes, of a faceList or a faceCompactList."""
        if "Compact" in self.kind:
            offsets = self.labels(len(self.data))
            nodes = self._list(1, False, True, len(self.data), None)
            if len(offsets) == 0:
                offsets = np.zeros(1, np.int64)
            if offsets[0] != 0 or offsets[-1] != len(nodes) or np.any(np.diff(offsets) < 0):
                raise self.fault("the offsets of the faces do not fit their nodes", CUT)
            return offsets, nodes
        start = self.at
        count = self.count()
        if self.peek() != b"(":
            raise self.fault("the list of faces expected", CUT)
        if self.binary and count:
            nodes, sizes = self._binary_faces(count)
        else:
            nodes, sizes = self._groups(np.dtype(np.int64), True)
        if count is not None and len(sizes) != count:
            raise self.fault(f"{len(sizes)} faces found, {count} declared", CUT, start)
        return np.concatenate([[0], np.cumsum(sizes)]), nodes

    def _binary_faces(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Each face a binary list of its own, as old versions wrote them."""
        if 3 * count > len(self.data) - self.at:
            raise self.fault(f"{count} faces declared in {len(self.data) - self.at} bytes", CUT)
        self.expect(b"(")
        faces = [self.labels(0) for _ in range(count)]
        self.expect(b")")
        sizes = np.fromiter(map(len, faces), np.int64, count)
        return np.concatenate(faces), sizes

    def field(self, width: int, tuples: bool, count: int) -> np.ndarray:
        """`uniform VALUE` or `nonuniform LIST` as (count,) or (count, width)."""
        text = self._resolved()
        word = text._word()
        if word == b"uniform":
            value = text._resolved().value(width).astype(self.scalar.newbyteorder("="))
            return np.tile(value, count).reshape((count, width) if width > 1 else (count,))
        if word != b"nonuniform":
            raise text.fault(f"{word[:40]!r}, expected uniform or nonuniform")
        text.skip_type()
        return text._list(width, tuples, False, count, count)

    def _resolved(self) -> FoamText:
        """This text, or what $name stands for where the file itself says so before."""
        text = self
        for _ in range(8):
            mark = text.peek()
            if mark not in (b"$", b"#"):
                return text
            start = text.at
            word = text._word()
            known = self._seen.get(word.strip(b"${}:.")) if mark == b"$" else None
            if known is None:
                break
            text = copy.copy(text)
            text.data, text.at = known, 0
        raise NotExecuted(
            text.fault("", at=start).where,
            f"its value is left to {word.decode('utf-8', 'replace')[:40]}: meshop runs no code in "
            "files and follows no reference to others",
            "let OpenFOAM write the field: it then holds the values",
        )
