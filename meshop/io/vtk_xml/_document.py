"""The XML around VTK's arrays: a strict parse that notes where data lies and reads none of it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal
from xml.parsers import expat

import numpy as np

from .._files import Fault, require_file

MAX_NODES = 200_000
MAX_DEPTH = 24
_CHUNK = 1 << 20
ARRAYS = ("DataArray", "Array")
# Others of Python's codecs are no encodings of text, or warn.
_ENCODING = re.compile(
    r"(?i)utf-?(8|16)|(us-)?ascii|iso-8859-\d+|latin-?\d|(windows-|cp)\d+|koi8-."
)
COMPRESSORS = {
    "vtkZLibDataCompressor": "zlib",
    "vtkLZMADataCompressor": "lzma",
    "vtkLZ4DataCompressor": "lz4",
}


@dataclass
class Node:
    """An element. Of arrays, `spans` are the byte ranges of the text inside."""

    tag: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    def all(self, tag: str) -> list[Node]:
        return [child for child in self.children if child.tag == tag]

    def one(self, tag: str) -> Node | None:
        found = self.all(tag)
        if len(found) > 1:
            raise Fault(f"<{self.tag}>", f"it holds {len(found)} <{tag}> elements, expected one")
        return found[0] if found else None

    def arrays(self, step: int = 0) -> list[Node]:
        """Its arrays; of arrays stored for several time steps only those of one."""
        found = [child for child in self.children if child.tag in ARRAYS]
        wanted = str(step)
        return [a for a in found if wanted in a.attributes.get("TimeStep", wanted).split()]

    @property
    def label(self) -> str:
        return f"array {self.attributes.get('Name', '(no name)')!r}"

    def count(self, name: str, default: int | None = None) -> int:
        """A non-negative integer attribute."""
        text = self.attributes.get(name)
        where = self.label if self.tag in ARRAYS else f"<{self.tag}>"
        if text is None:
            if default is None:
                raise Fault(where, f"the attribute {name} is missing")
            return default
        try:
            value = int(text)
        except ValueError:
            raise Fault(where, f"{name}={text[:40]!r} is no integer") from None
        if not 0 <= value < 1 << 62:
            raise Fault(where, f"{name}={text[:40]} is out of range")
        return value


@dataclass
class Document:
    """An open file: its element tree, where appended data starts, how words are stored.

    The file is read when an array is asked for, never mapped: a file that is cut off while it is
    mapped ends the process.
    """

    file: BinaryIO
    size: int
    root: Node
    appended: int  # place of the first byte after the underscore, -1 where there is none
    appended_base64: bool
    order: Literal["<", ">"]
    header: np.dtype
    compressor: str | None
    step: int = 0  # which of several times
    given: int = 0  # bytes that arrays have had so far

    @property
    def path(self) -> Path:
        return Path(self.file.name)

    @property
    def kind(self) -> str:
        """What it holds: "UnstructuredGrid"."""
        return self.root.attributes.get("type", "")

    @property
    def grid(self) -> Node:
        """The element that is named after the kind."""
        grid = self.root.one(self.kind)
        if grid is None:
            raise Fault("<VTKFile>", f"type={self.kind[:40]!r} without <{self.kind[:40]}>")
        return grid

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`. Raises Fault where the file is shorter."""
        self._seek(start, stop - start)
        data = self.file.read(stop - start)
        if len(data) != stop - start:
            raise _cut(start + len(data))
        return data

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill `view` with the bytes from `start` on."""
        self._seek(start, len(view))
        done = 0
        while done < len(view):
            got = self.file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise _cut(start + done)
            done += got

    def _seek(self, start: int, length: int) -> None:
        """A few bytes that thousands of arrays name as theirs would fill any memory."""
        self.given += length
        if self.given > 2 * self.size:
            raise Fault("array data", f"arrays of {self.given} bytes in a file of {self.size}")
        self.file.seek(start)


def _cut(size: int) -> Fault:
    return Fault("end of the file", f"it became shorter while it was read: {size} bytes")


class _Stop(Exception):
    """Appended data begins: what follows is no XML."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Document]:
    """The elements of a VTK XML file, with the file open to read its arrays. Raises Fault."""
    require_file(path)
    with open(path, "rb", buffering=0) as file:
        yield _parse(file, os.fstat(file.fileno()).st_size)


def _parse(file: Any, size: int) -> Document:
    builder = _Builder(file)
    builder.run()
    root = builder.root
    if root is None or root.tag != "VTKFile":
        raise Fault("start of the file", f"expected <VTKFile>, found <{root.tag if root else ''}>")
    order = root.attributes.get("byte_order", "LittleEndian")
    if order not in ("LittleEndian", "BigEndian"):
        raise Fault("<VTKFile>", f"byte_order={order!r}, expected LittleEndian or BigEndian")
    header = root.attributes.get("header_type", "UInt32")
    if header not in ("UInt32", "UInt64"):
        raise Fault("<VTKFile>", f"header_type={header!r}, expected UInt32 or UInt64")
    compressor = root.attributes.get("compressor") or None
    if compressor is not None and compressor not in COMPRESSORS:
        raise Fault("<VTKFile>", f"compressor={compressor!r}, expected {', '.join(COMPRESSORS)}")
    prefix: Literal["<", ">"] = "<" if order == "LittleEndian" else ">"
    appended, is_base64 = builder.appended_start()
    return Document(
        file,
        size,
        root,
        appended,
        is_base64,
        prefix,
        np.dtype(prefix + ("u4" if header == "UInt32" else "u8")),
        COMPRESSORS[compressor] if compressor else None,
    )


class _Builder:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.root: Node | None = None
        self.stack: list[Node] = []
        self.skip = 0  # depth inside elements that are of no interest
        self.nodes = 0
        self.span_start = -1
        self.appended: tuple[int, dict[str, str]] | None = None
        self.parser = expat.ParserCreate()
        self.parser.XmlDeclHandler = self._declared
        self.parser.StartDoctypeDeclHandler = self._refuse  # no entities: nothing can expand
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CommentHandler = self._interrupt
        self.parser.StartCdataSectionHandler = self._interrupt
        self.parser.EndCdataSectionHandler = self._interrupt

    def run(self) -> None:
        data = self.file.read(_CHUNK >> 4)  # most heads are short
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Fault("start of the file", "it is encoded in UTF-16", "save it as UTF-8")
        if (word := data[:80].lstrip(b"\xef\xbb\xbf \t\r\n")) and not word.startswith(b"<"):
            shown = word.splitlines()[0][:40].decode("ascii", "replace")
            reason = f"it begins with {shown!r}: this is no XML, so no VTK XML file"
            raise Fault("start of the file", reason, "give it the suffix of its format")
        try:
            while data:
                self.parser.Parse(data, False)
                data = self.file.read(_CHUNK)
            self.parser.Parse(b"", True)
        except _Stop:
            pass
        except expat.ExpatError as error:
            raise Fault(
                f"line {error.lineno}, column {error.offset}",
                f"no well-formed XML: {expat.ErrorString(error.code)}",
                "the file may be cut off: copy or write it again",
            ) from None
        except (LookupError, ValueError, UnicodeError) as error:  # an unknown encoding declared
            raise Fault("XML declaration", str(error)) from None

    def appended_start(self) -> tuple[int, bool]:
        if self.appended is None:
            return -1, False
        at, attributes = self.appended
        encoding = attributes.get("encoding", "base64")
        if encoding not in ("raw", "base64"):
            raise Fault("<AppendedData>", f"encoding={encoding!r}, expected raw or base64")
        self.file.seek(at)
        start = self.file.read(8192)
        close = start.find(b">")
        mark = start.find(b"_", close)
        if close < 0 or mark < 0 or start[close + 1 : mark].strip():
            raise Fault("<AppendedData>", "the underscore that starts the data is missing")
        return at + mark + 1, encoding == "base64"

    def _declared(self, _: str, encoding: str | None, __: int) -> None:
        if encoding and not _ENCODING.fullmatch(encoding):
            raise Fault("XML declaration", f"encoding={encoding[:40]!r}, expected UTF-8")

    def _refuse(self, *_: Any) -> None:
        raise Fault("document type", "a DOCTYPE has no place in a VTK file and may be an attack")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "AppendedData":
            self.appended = (self.parser.CurrentByteIndex, attributes)
            raise _Stop
        self._interrupt()
        inside = self.stack[-1] if self.stack else None
        if self.skip or (inside is not None and inside.tag in ARRAYS):
            self.skip += 1  # InformationKey and the like inside arrays
            return
        self.nodes += 1
        if self.nodes > MAX_NODES or len(self.stack) >= MAX_DEPTH:
            raise Fault(f"<{tag}>", f"more than {MAX_NODES} elements, or nested over {MAX_DEPTH}")
        node = Node(tag, attributes)
        if inside is not None:
            inside.children.append(node)
        elif self.root is None:
            self.root = node
        self.stack.append(node)
        if tag in ARRAYS:
            self.parser.CharacterDataHandler = self._text

    def _text(self, _: str) -> None:
        if not self.skip:
            self.span_start = self.parser.CurrentByteIndex
            self.parser.CharacterDataHandler = None  # the rest of the text needs no call

    def _interrupt(self, *_: Any) -> None:
        """The text of an array ends here; what comes later starts a new span."""
        inside = self.stack[-1] if self.stack else None
        if inside is not None and inside.tag in ARRAYS and not self.skip:
            if self.span_start >= 0:
                inside.spans.append((self.span_start, self.parser.CurrentByteIndex))
                self.span_start = -1
            self.parser.CharacterDataHandler = self._text

    def _end(self, _: str) -> None:
        if self.skip:
            self.skip -= 1
            if not self.skip:
                self.parser.CharacterDataHandler = self._text
            return
        self._interrupt()
        self.parser.CharacterDataHandler = None
        self.stack.pop()
