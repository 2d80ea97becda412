"""Arrays of VTK XML files: ascii, base64, appended; plain or compressed.

Every declared count is checked against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import binascii
import lzma
import re
import zlib
from itertools import accumulate
from typing import Any

import numpy as np

from .._files import CUT, Fault
from .._strings import decoded
from .._text import take_numbers
from ._document import Document, Node
from ._threads import in_threads

DTYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4",
    "Int64": "i8", "UInt64": "u8", "Float32": "f4", "Float64": "f8", "String": "i1", "Bit": "u1",
}  # fmt: skip

# The most that one compressed byte can become (zlib and LZ4 by their formats, xz as measured).
_RATIO = {"zlib": 1040, "lz4": 256, "lzma": 10_000}
_SLACK = 4096  # per block, for blocks of a few bytes
_LZMA_MEMORY = 128 << 20
_UNDECLARED = 64 << 20  # bytes of text or field data whose length is not declared
_STRINGS = 1 << 20  # that any file may hold
_WHITE = b" \t\r\n"


def read_array(document: Document, node: Node, tuples: int | None) -> np.ndarray:
    """The array as (tuples,) or (tuples, components), native byte order, writable.

    `tuples` None: the length is what the file holds. Raises Fault.
    """
    kind = node.attributes.get("type", "")
    if kind not in DTYPES:
        raise Fault(node.label, f"type={kind[:40]!r}, expected one of {', '.join(DTYPES)}")
    components = max(node.count("NumberOfComponents", 1), 1)
    values = None if tuples is None else tuples * components
    if kind == "String":
        raw = _values(document, node, kind, None) if values != 0 else None
        found = _strings(raw, values, node, document.size)
    elif kind == "Bit":
        packed = None if values is None else (values + 7) // 8
        if _is_ascii(node):
            found = _values(document, node, kind, values).astype(bool)
        else:
            found = np.unpackbits(_values(document, node, kind, packed)).astype(bool)[:values]
    else:
        found = _values(document, node, kind, values)
    if components == 1:
        return found
    if len(found) % components:
        raise Fault(node.label, f"{len(found)} values do not fill tuples of {components}")
    return found.reshape(-1, components)


def dtype_of(node: Node) -> str:
    """The numpy name of the array's type ("float32")."""
    return np.dtype(DTYPES.get(node.attributes.get("type", ""), "f8")).name


def _is_ascii(node: Node) -> bool:
    # VTK's own rule: an offset means appended, then "binary", and anything else is ascii.
    return "offset" not in node.attributes and node.attributes.get("format") != "binary"


def _values(document: Document, node: Node, kind: str, count: int | None) -> np.ndarray:
    """`count` values of one dimension (None: as many as there are)."""
    dtype = np.dtype(DTYPES[kind])
    if count == 0:
        return np.empty(0, dtype)
    if _is_ascii(node):
        return _ascii(document, node, dtype, count)
    expected = None if count is None else count * dtype.itemsize
    try:
        stream = _Stream(document, node)
        raw = (_compressed if document.compressor else _plain)(stream, document, node, expected)
    except (binascii.Error, ValueError) as error:
        raise Fault(node.label, f"its base64 text is damaged: {error}") from None
    if len(raw) % dtype.itemsize:
        raise Fault(node.label, f"{len(raw)} bytes are no whole number of {kind} values")
    values = raw.view(dtype.newbyteorder(document.order))
    return values.astype(dtype, copy=not values.flags.writeable)


# -- ascii ------------------------------------------------------------------------------------


def _ascii(document: Document, node: Node, dtype: np.dtype, count: int | None) -> np.ndarray:
    text = b" ".join(document.read(start, end) for start, end in node.spans)
    if count is None:
        count = sum(1 for _ in re.finditer(rb"\S+", text))
    found, end = take_numbers(text, 0, count, dtype, node.label)
    if text[end : end + 4096].strip() or text[end:].strip():
        raise Fault(node.label, f"more than the {count} values that were declared")
    return found


# -- binary -----------------------------------------------------------------------------------


class _Stream:
    """Bytes to take from the front, stored raw or as base64 (each take is a text of its own)."""

    def __init__(self, document: Document, node: Node) -> None:
        self.document, self.label = document, node.label
        self.text = None  # of an inline array, without white space
        if "offset" not in node.attributes:
            spans = (document.read(start, end) for start, end in node.spans)
            self.text = b"".join(spans).translate(None, _WHITE)
            self.place, self.end, self.is_base64 = 0, len(self.text), True
            return
        if document.appended < 0:
            reason = "it refers to appended data, but the file has none"
            raise Fault(node.label, reason, "the file is cut off")
        self.place = document.appended + node.count("offset")
        self.end, self.is_base64 = document.size, document.appended_base64
        if self.place > self.end:
            raise Fault(
                node.label,
                f"offset={node.attributes['offset'][:40]} lies behind the end of the file",
                CUT,
            )

    @property
    def left(self) -> int:
        """At most this many bytes are still there."""
        left = self.end - self.place
        return left // 4 * 3 if self.is_base64 else left

    def _need(self, size: int) -> int:
        length = (size + 2) // 3 * 4 if self.is_base64 else size
        if length > self.end - self.place:
            reason = f"{size} bytes declared, but the file ends after {self.left}"
            raise Fault(self.label, reason, CUT)
        return length

    def _fetch(self, length: int) -> bytes:
        if self.text is not None:
            return self.text[self.place : self.place + length]
        return self.document.read(self.place, self.place + length)

    def peek(self, size: int) -> bytes:
        raw = self._fetch(self._need(size))
        if not self.is_base64:
            return raw
        raw = binascii.a2b_base64(raw, strict_mode=True)
        if len(raw) < size:
            raise Fault(self.label, "its base64 text ends early")
        return raw if len(raw) == size else raw[:size]

    def take(self, size: int) -> bytes:
        got = self.peek(size)
        self.place += self._need(size)
        return got

    def take_array(self, size: int) -> np.ndarray:
        """`size` bytes, written once."""
        if self.is_base64:
            return np.frombuffer(self.take(size), np.uint8)
        self._need(size)
        out = np.empty(size, np.uint8)
        self.document.read_into(self.place, out.data)
        self.place += size
        return out

    def padded(self, size: int) -> bool:
        """True where the text of the first `size` bytes is closed by padding."""
        return self.is_base64 and self._fetch(self._need(size)).endswith(b"=")


def _words(raw: bytes | memoryview, document: Document) -> list[int]:
    return np.frombuffer(raw, dtype=document.header).tolist()  # Python integers cannot overflow


def _plain(stream: _Stream, document: Document, node: Node, expected: int | None) -> np.ndarray:
    word = document.header.itemsize
    size = _words(stream.peek(word), document)[0]
    if expected is not None and size != expected:
        raise Fault(node.label, f"it holds {size} bytes, expected {expected}")
    if stream.is_base64 and not stream.padded(word):
        return stream.take_array(word + size)[word:]
    stream.take(word)  # length and values are two base64 texts, or one: both are in use
    return stream.take_array(size)


def _compressed(
    stream: _Stream, document: Document, node: Node, expected: int | None
) -> np.ndarray:
    word, method = document.header.itemsize, document.compressor or ""
    count = _words(stream.peek(word), document)[0]
    if count == 0:
        if expected:
            raise Fault(node.label, f"it is empty, expected {expected} bytes")
        return np.empty(0, np.uint8)
    head = _words(stream.take((3 + count) * word), document)
    block, last, sizes = head[1], head[2], head[3:]
    total = (count - 1) * block + (last or block)
    if block == 0 or last > block:
        raise Fault(node.label, f"blocks of {block} bytes, the last one of {last}")
    if expected is not None and total != expected:
        raise Fault(node.label, f"it declares {total} bytes, expected {expected}")
    if total > _RATIO[method] * min(sum(sizes), stream.left) + _SLACK * count:
        raise Fault(node.label, f"{sum(sizes)} bytes of {method} cannot hold {total} bytes")
    if expected is None and total > max(_UNDECLARED, 64 * sum(sizes)):
        raise Fault(node.label, f"{total} bytes of undeclared length from {sum(sizes)} are refused")
    packed = memoryview(stream.take(sum(sizes)))
    starts = list(accumulate(sizes, initial=0))
    out = np.empty(total, np.uint8)

    def unpack(index: int) -> None:
        part = out[index * block : (index + 1) * block]
        plain = _inflate(method, packed[starts[index] : starts[index + 1]], len(part), node.label)
        if len(plain) != len(part):
            raise Fault(node.label, f"block {index} does not unpack to its {len(part)} bytes")
        part[:] = np.frombuffer(plain, np.uint8)

    in_threads(unpack, count, total)
    return out


def _inflate(method: str, packed: memoryview, want: int, label: str) -> bytes:
    """Unpack at most want + 1 bytes, whatever the block claims."""
    try:
        if method == "zlib":
            return zlib.decompressobj().decompress(packed, want + 1)
        if method == "lzma":
            unpacker = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
            return unpacker.decompress(packed, want + 1)
        return _lz4().decompress(packed, uncompressed_size=want)
    except Fault:
        raise
    except Exception as error:  # zlib.error, LZMAError, LZ4BlockError, EOFError
        raise Fault(label, f"a {method} block is damaged: {error}") from None


def _lz4() -> Any:
    try:
        import lz4.block
    except ImportError:
        raise Fault("compression", "LZ4 needs the lz4 package", "pip install lz4") from None
    return lz4.block


# -- text -------------------------------------------------------------------------------------


def _strings(raw: np.ndarray | None, count: int | None, node: Node, size: int) -> np.ndarray:
    """Zero-terminated UTF-8 strings as a str array, of objects where their lengths differ a lot."""
    if raw is None:
        return np.empty(0, dtype=str)
    if np.count_nonzero(raw == 0) > max(size, _STRINGS):
        raise Fault(node.label, f"more strings than the file has bytes: {size}")
    items = raw.tobytes().split(b"\0")
    if items and not items[-1]:
        items.pop()  # what follows the last terminator
    if count is not None and len(items) != count:
        raise Fault(node.label, f"{len(items)} strings found, {count} expected")
    texts = [decoded(item) for item in items]
    longest = max(map(len, texts), default=0)
    if 4 * longest * len(texts) > 64 * len(raw) + (1 << 16):
        return np.array(texts, dtype=object)
    return np.array(texts, dtype=str)
