"""LAS and LAZ point clouds, versions 1.0 to 1.4, point formats 0 to 10, extra bytes, COPC.

LAZ is unpacked by lazrs, an optional package. Source: ASPRS, "LAS Specification 1.4 R15" (2019);
M. Isenburg, "LASzip" (2013) and its specification for the compressed variant.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..mesh import Mesh
from ._columns import cloud
from ._files import CUT, Fault, guarded, read_bytes
from ._format import Format
from ._las_formats import BYTES, EXTRA, FORMATS, bits_of, lazrs_of
from ._las_write import write_las

_PIECE = 1 << 20  # points that are unpacked at once
# Items of LASzip: their sizes (0: any), and how many layers they have in a chunk.
_ITEMS = {0: 0, 6: 20, 7: 8, 8: 6, 9: 29, 10: 30, 11: 6, 12: 8, 13: 29, 14: 0}
_LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}


def read_las(path: Path) -> Mesh:
    """Read a LAS or LAZ file: coordinates scaled to float64, every dimension as point data.

    Red, green and blue are "RGB" (uint16). Waveforms and geographic records are left out. Raises
    MeshFileError.
    """
    with guarded(path, "LAS"):
        data = read_bytes(path)
        head = _Header(data)
        row, extra = _row(head)
        if head.packed:
            raw = _unpack(data, head)
            table = np.frombuffer(raw, row, head.count)
        else:
            table = np.frombuffer(data, row, head.count, head.start)
        columns = _columns(table, head.format, extra)
        with np.errstate(over="ignore"):  # Mesh refuses what is not finite
            for name, scale, offset in zip("xyz", head.scale, head.offset, strict=True):
                columns[name] = table[name.upper()] * scale + offset
        storage = {
            "las_format": str(head.format),
            "las_scale": " ".join(map(repr, head.scale)),
            "las_offset": " ".join(map(repr, head.offset)),
        }
        return cloud(columns, storage)


class _Header:
    """The public header and the records behind it that matter, checked against the file's size."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(b"LASF") or len(data) < 227:
            raise Fault(
                "header", "it does not begin with 'LASF' and 227 bytes: this is no LAS file"
            )
        self.version = data[24], data[25]
        size, self.start, n_records = struct.unpack_from("<HII", data, 94)
        kind, self.length, count = struct.unpack_from("<BHI", data, 104)
        self.scale = struct.unpack_from("<3d", data, 131)
        self.offset = struct.unpack_from("<3d", data, 155)
        self.packed, self.format = bool(kind & 0xC0), kind & 0x3F
        if self.format >= len(FORMATS):
            raise Fault("header", f"point format {self.format}, expected 0 to 10")
        if self.version >= (1, 4) and size >= 375 and len(data) >= 375:
            count = struct.unpack_from("<Q", data, 247)[0] or count
        self.count = count
        if not np.isfinite([*self.scale, *self.offset]).all():
            raise Fault("header", f"scale {self.scale}, offset {self.offset}")
        least = sum(np.dtype(kind).itemsize for _, kind in FORMATS[self.format])
        if self.length < least:
            raise Fault(
                "header", f"points of {self.length} bytes, format {self.format} has {least}"
            )
        self.extra = self.length - least
        left = max(len(data) - self.start, 0)
        if not self.packed and count * self.length > left:
            reason = f"{count} points of {self.length} bytes declared, {left} bytes are left"
            raise Fault("header", reason, CUT)
        self.records: dict[tuple[bytes, int], bytes] = {}
        at = size
        if n_records * 54 > max(self.start - at, 0) or size < 227 or self.start > len(data):
            reason = f"{n_records} records between bytes {at} and {self.start} of {len(data)}"
            raise Fault("header", reason, CUT)
        for _ in range(n_records):
            inside = at + 54 <= self.start
            user, number, length = struct.unpack_from("<2x16sHH", data, at if inside else 0)
            if not inside or at + 54 + length > self.start:
                raise Fault("records", "one is longer than the space before the points", CUT)
            self.records[user.rstrip(b"\0"), number] = data[at + 54 : at + 54 + length]
            at += 54 + length


def _row(head: _Header) -> tuple[np.dtype, list[tuple[str, float, float]]]:
    """The type of a point, and its extra dimensions: name, scale, offset."""
    fields: list[tuple] = list(FORMATS[head.format])
    left = head.extra
    extra: list[tuple[str, float, float]] = []
    taken = {name for name, _ in fields} | {name for name, *_ in bits_of(head.format)} | set("xyz")
    record = head.records.get((b"LASF_Spec", 4), b"")
    for at in range(0, len(record) - 191, 192):
        kind, options = record[at + 2], record[at + 3]
        name = record[at + 4 : at + 36].split(b"\0")[0].decode("utf-8", "replace").strip()
        many, base = divmod(kind - 1, 10) if kind else (0, 0)
        if kind > 30:
            raise Fault("extra bytes", f"{name!r} has type {kind}, expected 0 to 30")
        item = np.dtype(f"<{EXTRA[base + 1]}") if kind else np.dtype("u1")
        width = many + 1 if kind else options
        if not width:
            continue
        if item.itemsize * width > left:
            reason = f"{name!r} needs {item.itemsize * width} bytes, {left} of the point are left"
            raise Fault("extra bytes", reason)
        name = name or f"extra_{len(extra)}"
        while name in taken:
            name += "_"
        taken.add(name)
        fields.append((name, item, (width,)))
        left -= item.itemsize * width
        scale, offset = (struct.unpack_from("<3d", record, at + place)[0] for place in (112, 136))
        scaled = bool(kind) and width == 1
        extra.append(
            (
                name,
                scale if scaled and options & 8 else 1.0,
                offset if scaled and options & 16 else 0.0,
            )
        )
    if left:
        name = "extra_bytes"
        while name in taken:
            name += "_"
        fields.append((name, "u1", (left,)))
        extra.append((name, 1.0, 0.0))
    return np.dtype(fields), extra


def _columns(
    table: np.ndarray, format: int, extra: list[tuple[str, float, float]]
) -> dict[str, np.ndarray]:
    columns = {}
    for name, _ in FORMATS[format]:
        if name not in BYTES and name not in "XYZ":
            columns[name] = table[name].astype(table[name].dtype.newbyteorder("="))
        for label, byte, first, bits in bits_of(format):
            if byte == name:
                columns[label] = (table[name] >> first) & np.uint8((1 << bits) - 1)
    for name, scale, offset in extra:
        values = table[name].astype(table[name].dtype.newbyteorder("="))
        values = values[:, 0] if values.shape[1] == 1 else values
        with np.errstate(all="ignore"):
            columns[name] = values if (scale, offset) == (1.0, 0.0) else values * scale + offset
    return columns


# -- LAZ --------------------------------------------------------------------------------------


def _unpack(data: bytes, head: _Header) -> bytes:
    """The points of a LAZ file. lazrs trusts what it reads, so all counts are checked before."""
    record = head.records.get((b"laszip encoded", 22204))
    if record is None:
        raise Fault("records", "compressed points, but no record of LASzip")
    items = _items(record, head.length)
    if not head.count:
        return b""
    lazrs = lazrs_of()
    source = io.BytesIO(data)
    out = []
    try:
        table = _chunks(data, head, record, lazrs)
        if struct.unpack_from("<H", record)[0] == 3:
            _check_layers(data, head, items, table)
        source.seek(head.start)
        unpacker = lazrs.LasZipDecompressor(source, record)
        for start in range(0, head.count, _PIECE):
            piece = bytearray(min(_PIECE, head.count - start) * head.length)
            unpacker.decompress_many(piece)
            out.append(piece)
    except (Fault, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        raise Fault("points", f"the LAZ data are damaged: {str(error)[:200]}", CUT) from None
    return bytes(out[0]) if len(out) == 1 else b"".join(out)


def _items(record: bytes, length: int) -> list[tuple[int, int]]:
    """(type, size) of the parts of a point."""
    if len(record) < 34:
        raise Fault("LASzip record", f"{len(record)} bytes, expected 34 or more")
    method, coder = struct.unpack_from("<HH", record)
    count = struct.unpack_from("<H", record, 32)[0]
    if method not in (2, 3) or coder or len(record) != 34 + 6 * count:
        raise Fault("LASzip record", f"compressor {method}, coder {coder}, {count} items")
    found = [struct.unpack_from("<HHH", record, 34 + 6 * i) for i in range(count)]
    known = all(_ITEMS.get(kind, -1) in (0, size) for kind, size, _ in found)
    if not known or sum(size for _, size, _ in found) != length or count > 8:
        raise Fault("LASzip record", f"items {found[:8]} do not make a point of {length} bytes")
    return [(kind, size) for kind, size, _ in found]


def _chunks(data: bytes, head: _Header, record: bytes, lazrs: Any) -> list[tuple[int, int]]:
    """(points, bytes) of each chunk."""
    if head.start + 8 > len(data):
        raise Fault("chunk table", "the file ends before it", CUT)
    at = struct.unpack_from("<q", data, head.start)[0]
    if at == -1:
        at = struct.unpack_from("<q", data, len(data) - 8)[0]
    if not head.start + 8 <= at <= len(data) - 8:
        raise Fault("chunk table", f"it lies at byte {at} of {len(data)}", CUT)
    count = struct.unpack_from("<I", data, at + 4)[0]
    room = at - head.start - 8
    if count > room // max(head.length, 1) + 1:
        raise Fault("chunk table", f"{count} chunks in {room} bytes", CUT)
    source = io.BytesIO(data)
    source.seek(head.start)
    found = lazrs.read_chunk_table(source, lazrs.LazVlr(record)) if count else []
    table = [(int(points), int(size)) for points, size in found]
    if sum(size for _, size in table) > room:
        raise Fault("chunk table", f"chunks of {sum(s for _, s in table)} bytes in {room}", CUT)
    chunk = struct.unpack_from("<I", record, 12)[0]
    most = len(table) * chunk if chunk != 0xFFFFFFFF else sum(points for points, _ in table)
    if head.count > most:
        raise Fault("chunk table", f"it has {most} points at most, {head.count} declared", CUT)
    return table


def _check_layers(
    data: bytes, head: _Header, items: list[tuple[int, int]], table: list[tuple[int, int]]
) -> None:
    """The declared bytes of the layers of each chunk must lie in the chunk."""
    layers = sum(_LAYERS.get(kind, size) for kind, size in items)
    at = head.start + 8
    for number, (_, size) in enumerate(table):
        first = at + head.length + 4
        sizes = data[first : first + 4 * layers]
        need = head.length + 4 + 4 * layers
        if len(sizes) == 4 * layers:
            need += int(np.frombuffer(sizes, "<u4").sum(dtype=np.int64))
        if need > size or len(sizes) < 4 * layers:
            raise Fault(f"chunk {number}", f"layers of {need} bytes in a chunk of {size}", CUT)
        at += size


FORMAT = Format(
    "LAS",
    (".las", ".laz"),
    read_las,
    write_las,
    lambda _, start: start.startswith(b"LASF"),
    lost="cells are refused; regions, field data; coordinates become multiples of the scale",
)
