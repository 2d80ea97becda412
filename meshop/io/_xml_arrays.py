"""Arrays of VTK XML files: ascii, base64, appended; plain or compressed.

Every declared count is checked against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import binascii
import lzma
import zlib
from typing import Any

import numpy as np

from ._files import Fault
from ._vtk_xml import Document, Node

DTYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4",
    "Int64": "i8", "UInt64": "u8", "Float32": "f4", "Float64": "f8", "String": "i1", "Bit": "u1",
}  # fmt: skip

# The most that one compressed byte can become (zlib and LZ4 by their formats, xz as measured).
_RATIO = {"zlib": 1040, "lz4": 256, "lzma": 10_000}
_SLACK = 4096  # per block, for blocks of a few bytes
_LZMA_MEMORY = 128 << 20
_UNDECLARED = 64 << 20  # bytes of text or field data whose length is not declared
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
        found = _strings(_values(document, node, kind, None) if values != 0 else None, values, node)
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
        return _ascii(document.data, node, dtype, count)
    stream = _stream(document, node)
    expected = None if count is None else count * dtype.itemsize
    raw: Any
    try:
        if document.compressor:
            raw = _compressed(stream, document, node, expected)
        else:
            raw = _plain(stream, document, node, expected)
    except (binascii.Error, ValueError) as error:
        raise Fault(node.label, f"its base64 text is damaged: {error}") from None
    if len(raw) % dtype.itemsize:
        raise Fault(node.label, f"{len(raw)} bytes are no whole number of {kind} values")
    values = np.frombuffer(raw, dtype=dtype.newbyteorder(document.order))
    return values.astype(dtype, copy=not values.flags.writeable)


# -- ascii ------------------------------------------------------------------------------------


def _ascii(data: bytes, node: Node, dtype: np.dtype, count: int | None) -> np.ndarray:
    length = sum(end - start for start, end in node.spans)
    if count is not None and 2 * count - 1 > length:
        raise Fault(node.label, f"{length} characters cannot hold {count} values")
    wide = dtype if dtype.kind == "f" or dtype.itemsize == 8 else np.dtype(np.int64)
    parts, total = [], 0
    for start, end in node.spans:
        while start < end:
            stop = _white_after(data, min(start + (1 << 18), end), end)
            text = data[start:stop]
            start = stop
            if b"_" in text:  # Python would take 1_000 for a number
                raise Fault(node.label, "an underscore inside a number")
            try:
                with np.errstate(over="ignore"):
                    part = np.array(text.split(), dtype=wide)
            except (ValueError, OverflowError) as error:
                raise Fault(node.label, f"no list of numbers: {str(error)[:80]}") from None
            total += len(part)
            if count is not None and total > count:
                raise Fault(node.label, f"more than the {count} values that were declared")
            if wide != dtype and len(part):
                info = np.iinfo(dtype)
                if part.min() < info.min or part.max() > info.max:
                    raise Fault(node.label, f"a value does not fit {dtype.name}")
            parts.append(part.astype(dtype, copy=False))
    if count is not None and total != count:
        raise Fault(node.label, f"{total} values found, {count} expected")
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _white_after(data: bytes, place: int, end: int) -> int:
    """The next white space at or after `place`, so that no number is cut in two."""
    if place >= end:
        return end
    found = [at for white in _WHITE if (at := data.find(bytes([white]), place, end)) >= 0]
    return min(found, default=end)


# -- binary -----------------------------------------------------------------------------------


class _Stream:
    """Bytes to take from the front, stored raw or as base64 (each take is a text of its own)."""

    def __init__(self, view: memoryview, is_base64: bool, label: str) -> None:
        self.view, self.is_base64, self.label = view, is_base64, label

    @property
    def left(self) -> int:
        """At most this many bytes are still there."""
        return len(self.view) // 4 * 3 if self.is_base64 else len(self.view)

    def _need(self, size: int) -> int:
        length = (size + 2) // 3 * 4 if self.is_base64 else size
        if length > len(self.view):
            raise Fault(
                self.label,
                f"{size} bytes declared, but the file ends after {self.left}",
                "the file is cut off or damaged: copy or write it again",
            )
        return length

    def peek(self, size: int) -> bytes | memoryview:
        length = self._need(size)
        if not self.is_base64:
            return self.view[:length]
        return binascii.a2b_base64(self.view[:length], strict_mode=True)[:size]

    def take(self, size: int) -> bytes | memoryview:
        got = self.peek(size)
        if len(got) < size:
            raise Fault(self.label, "its base64 text ends early")
        self.view = self.view[self._need(size) :]
        return got

    def padded(self, size: int) -> bool:
        """True where the text of the first `size` bytes is closed by padding."""
        return self.is_base64 and bytes(self.view[: self._need(size)]).endswith(b"=")


def _stream(document: Document, node: Node) -> _Stream:
    if "offset" not in node.attributes:
        text = b"".join(document.data[a:b] for a, b in node.spans).translate(None, _WHITE)
        return _Stream(memoryview(text), True, node.label)
    if document.appended < 0:
        raise Fault(
            node.label, "it refers to appended data, but the file has none", "the file is cut off"
        )
    start = document.appended + node.count("offset")
    if start > len(document.data):
        raise Fault(
            node.label,
            f"offset={node.attributes['offset'][:40]} lies behind the end of the file",
            "the file is cut off or damaged: copy or write it again",
        )
    return _Stream(memoryview(document.data)[start:], document.appended_base64, node.label)


def _words(raw: bytes | memoryview, document: Document) -> list[int]:
    return np.frombuffer(raw, dtype=document.header).tolist()  # Python integers cannot overflow


def _plain(
    stream: _Stream, document: Document, node: Node, expected: int | None
) -> bytes | memoryview:
    word = document.header.itemsize
    size = _words(stream.peek(word), document)[0]
    if expected is not None and size != expected:
        raise Fault(node.label, f"it holds {size} bytes, expected {expected}")
    if stream.padded(word):  # length and values are two base64 texts, or one: both are in use
        stream.take(word)
        return stream.take(size)
    return stream.take(word + size)[word:]


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
    out = np.empty(total, np.uint8)
    start = place = 0
    for index, size in enumerate(sizes):
        want = block if index < count - 1 else last or block
        plain = _inflate(method, packed[start : start + size], want, node.label)
        if len(plain) != want:
            raise Fault(node.label, f"block {index} does not unpack to its {want} bytes")
        out[place : place + want] = np.frombuffer(plain, np.uint8)
        start += size
        place += want
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


def _strings(raw: np.ndarray | None, count: int | None, node: Node) -> np.ndarray:
    """Zero-terminated UTF-8 strings as a str array, of objects where their lengths differ a lot."""
    if raw is None:
        return np.empty(0, dtype=str)
    items = raw.tobytes().split(b"\0")
    if items and not items[-1]:
        items.pop()  # what follows the last terminator
    if count is not None and len(items) != count:
        raise Fault(node.label, f"{len(items)} strings found, {count} expected")
    texts = [_text(item) for item in items]
    longest = max(map(len, texts), default=0)
    if 4 * longest * len(texts) > 64 * len(raw) + (1 << 16):
        return np.array(texts, dtype=object)
    return np.array(texts, dtype=str)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:  # old programs wrote the local encoding
        return raw.decode("latin-1")
