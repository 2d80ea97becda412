"""The XML around VTK's arrays: a strict parse that notes where data lies and copies none of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from xml.parsers import expat

import numpy as np

from ._files import Fault

MAX_NODES = 200_000
MAX_DEPTH = 8
ARRAYS = ("DataArray", "Array")
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

    def arrays(self) -> list[Node]:
        """Its arrays; of arrays stored for several time steps only those of the first."""
        found = [child for child in self.children if child.tag in ARRAYS]
        return [a for a in found if "0" in a.attributes.get("TimeStep", "0").split()]

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
    """The file: its bytes, its element tree, where appended data starts, how words are stored."""

    data: bytes
    root: Node
    appended: int  # place of the first byte after the underscore, -1 where there is none
    appended_base64: bool
    order: Literal["<", ">"]
    header: np.dtype
    compressor: str | None


class _Stop(Exception):
    """Appended data begins: what follows is no XML."""


def parse(data: bytes) -> Document:
    """Parse the elements of a VTK XML file. Raises Fault."""
    builder = _Builder(data)
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
        data,
        root,
        appended,
        is_base64,
        prefix,
        np.dtype(prefix + ("u4" if header == "UInt32" else "u8")),
        COMPRESSORS[compressor] if compressor else None,
    )


class _Builder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.root: Node | None = None
        self.stack: list[Node] = []
        self.skip = 0  # depth inside elements that are of no interest
        self.nodes = 0
        self.span_start = -1
        self.appended: tuple[int, dict[str, str]] | None = None
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse  # no entities: nothing can expand
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CommentHandler = self._interrupt
        self.parser.StartCdataSectionHandler = self._interrupt
        self.parser.EndCdataSectionHandler = self._interrupt

    def run(self) -> None:
        if self.data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Fault("start of the file", "it is encoded in UTF-16", "save it as UTF-8")
        try:
            self.parser.Parse(self.data, True)
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
        close = self.data.find(b">", at)
        mark = self.data.find(b"_", close, close + 4096)
        if close < 0 or mark < 0 or self.data[close + 1 : mark].strip():
            raise Fault("<AppendedData>", "the underscore that starts the data is missing")
        return mark + 1, encoding == "base64"

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
