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
from ._columns import cloud, flattened, require_cloud
from ._files import Fault, atomic_write, guarded, read_bytes
from ._format import Format, warn_lost
from ._surface import warn_data, warn_regions

_XYZ = [("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("intensity", "<u2")]
_OLD = [*_XYZ, ("returns", "u1"), ("class", "u1"), ("scan_angle_rank", "i1"), ("user_data", "u1"),
        ("point_source_id", "<u2")]  # fmt: skip
_NEW = [*_XYZ, ("returns", "u1"), ("flags", "u1"), ("classification", "u1"), ("user_data", "u1"),
        ("scan_angle", "<i2"), ("point_source_id", "<u2"), ("gps_time", "<f8")]  # fmt: skip
_TIME = [("gps_time", "<f8")]
_RGB = [("red", "<u2"), ("green", "<u2"), ("blue", "<u2")]
_NIR = [("nir", "<u2")]
_WAVE = [("wavepacket_index", "u1"), ("wavepacket_offset", "<u8"), ("wavepacket_size", "<u4"),
         ("return_point_wave_location", "<f4"), ("x_t", "<f4"), ("y_t", "<f4"),
         ("z_t", "<f4")]  # fmt: skip
_FORMATS: list[list[tuple[str, str]]] = [
    _OLD, _OLD + _TIME, _OLD + _RGB, _OLD + _TIME + _RGB, _OLD + _TIME + _WAVE,
    _OLD + _TIME + _RGB + _WAVE, _NEW, _NEW + _RGB, _NEW + _RGB + _NIR, _NEW + _WAVE,
    _NEW + _RGB + _NIR + _WAVE,
]  # fmt: skip
# Bit fields: name, byte it lies in, first bit, bits.
_OLD_BITS = [
    ("return_number", "returns", 0, 3), ("number_of_returns", "returns", 3, 3),
    ("scan_direction_flag", "returns", 6, 1), ("edge_of_flight_line", "returns", 7, 1),
    ("classification", "class", 0, 5), ("synthetic", "class", 5, 1), ("key_point", "class", 6, 1),
    ("withheld", "class", 7, 1),
]  # fmt: skip
_NEW_BITS = [
    ("return_number", "returns", 0, 4), ("number_of_returns", "returns", 4, 4),
    ("synthetic", "flags", 0, 1), ("key_point", "flags", 1, 1), ("withheld", "flags", 2, 1),
    ("overlap", "flags", 3, 1), ("scanner_channel", "flags", 4, 2),
    ("scan_direction_flag", "flags", 6, 1), ("edge_of_flight_line", "flags", 7, 1),
]  # fmt: skip
_BYTES = {"returns", "class", "flags"}
_EXTRA = ("", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
_CUT = "the file is cut off or damaged: copy or write it again"
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
        if self.format >= len(_FORMATS):
            raise Fault("header", f"point format {self.format}, expected 0 to 10")
        if self.version >= (1, 4) and size >= 375 and len(data) >= 375:
            count = struct.unpack_from("<Q", data, 247)[0] or count
        self.count = count
        if not np.isfinite([*self.scale, *self.offset]).all():
            raise Fault("header", f"scale {self.scale}, offset {self.offset}")
        least = sum(np.dtype(kind).itemsize for _, kind in _FORMATS[self.format])
        if self.length < least:
            raise Fault(
                "header", f"points of {self.length} bytes, format {self.format} has {least}"
            )
        self.extra = self.length - least
        left = max(len(data) - self.start, 0)
        if not self.packed and count * self.length > left:
            reason = f"{count} points of {self.length} bytes declared, {left} bytes are left"
            raise Fault("header", reason, _CUT)
        self.records: dict[tuple[bytes, int], bytes] = {}
        at = size
        if n_records * 54 > max(self.start - at, 0) or size < 227 or self.start > len(data):
            reason = f"{n_records} records between bytes {at} and {self.start} of {len(data)}"
            raise Fault("header", reason, _CUT)
        for _ in range(n_records):
            user, number, length = (
                struct.unpack_from("<16sHH", data, at + 2)
                if (at + 54 <= self.start)
                else (b"", 0, 1 << 20)
            )
            if at + 54 + length > self.start:
                raise Fault("records", "one is longer than the space before the points", _CUT)
            self.records[user.rstrip(b"\0"), number] = data[at + 54 : at + 54 + length]
            at += 54 + length


def _row(head: _Header) -> tuple[np.dtype, list[tuple[str, float, float]]]:
    """The type of a point, and its extra dimensions: name, scale, offset."""
    fields: list[tuple] = list(_FORMATS[head.format])
    left = head.extra
    extra: list[tuple[str, float, float]] = []
    taken = {name for name, _ in fields} | {name for name, *_ in _bits(head.format)} | set("xyz")
    record = head.records.get((b"LASF_Spec", 4), b"")
    for at in range(0, len(record) - 191, 192):
        kind, options = record[at + 2], record[at + 3]
        name = record[at + 4 : at + 36].split(b"\0")[0].decode("utf-8", "replace").strip()
        many, base = divmod(kind - 1, 10) if kind else (0, 0)
        if kind > 30:
            raise Fault("extra bytes", f"{name!r} has type {kind}, expected 0 to 30")
        item = np.dtype(f"<{_EXTRA[base + 1]}") if kind else np.dtype("u1")
        width = many + 1 if kind else options
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


def _bits(format: int) -> list[tuple[str, str, int, int]]:
    return _OLD_BITS if format < 6 else _NEW_BITS


def _columns(
    table: np.ndarray, format: int, extra: list[tuple[str, float, float]]
) -> dict[str, np.ndarray]:
    columns = {}
    for name, _ in _FORMATS[format]:
        if name not in _BYTES and name not in "XYZ":
            columns[name] = table[name].astype(table[name].dtype.newbyteorder("="))
        for label, byte, first, bits in _bits(format):
            if byte == name:
                columns[label] = (table[name] >> first) & np.uint8((1 << bits) - 1)
    for name, scale, offset in extra:
        values = table[name].astype(table[name].dtype.newbyteorder("="))
        values = values[:, 0] if values.shape[1] == 1 else values
        with np.errstate(all="ignore"):
            columns[name] = values if (scale, offset) == (1.0, 0.0) else values * scale + offset
    return columns


# -- LAZ --------------------------------------------------------------------------------------


def _lazrs() -> Any:
    try:
        import lazrs
    except ImportError:
        hint = "pip install laspy[lazrs]"
        raise Fault("compression", "LAZ needs the lazrs package", hint) from None
    return lazrs


def _unpack(data: bytes, head: _Header) -> bytes:
    """The points of a LAZ file. lazrs trusts what it reads, so all counts are checked before."""
    record = head.records.get((b"laszip encoded", 22204))
    if record is None:
        raise Fault("records", "compressed points, but no record of LASzip")
    items = _items(record, head.length)
    if not head.count:
        return b""
    lazrs = _lazrs()
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
        raise Fault("points", f"the LAZ data are damaged: {str(error)[:200]}", _CUT) from None
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
    known = all(
        kind in _ITEMS and size in (_ITEMS[kind] or size, size) and (_ITEMS[kind] or size) == size
        for kind, size, _ in found
    )
    if not known or sum(size for _, size, _ in found) != length or count > 8:
        raise Fault("LASzip record", f"items {found[:8]} do not make a point of {length} bytes")
    return [(kind, size) for kind, size, _ in found]


def _chunks(data: bytes, head: _Header, record: bytes, lazrs: Any) -> list[tuple[int, int]]:
    """(points, bytes) of each chunk."""
    if head.start + 8 > len(data):
        raise Fault("chunk table", "the file ends before it", _CUT)
    at = struct.unpack_from("<q", data, head.start)[0]
    if at == -1:
        at = struct.unpack_from("<q", data, len(data) - 8)[0]
    if not head.start + 8 <= at <= len(data) - 8:
        raise Fault("chunk table", f"it lies at byte {at} of {len(data)}", _CUT)
    count = struct.unpack_from("<I", data, at + 4)[0]
    room = at - head.start - 8
    if count > room // max(head.length, 1) + 1:
        raise Fault("chunk table", f"{count} chunks in {room} bytes", _CUT)
    source = io.BytesIO(data)
    source.seek(head.start)
    found = lazrs.read_chunk_table(source, lazrs.LazVlr(record)) if count else []
    table = [(int(points), int(size)) for points, size in found]
    if sum(size for _, size in table) > room:
        raise Fault("chunk table", f"chunks of {sum(s for _, s in table)} bytes in {room}", _CUT)
    chunk = struct.unpack_from("<I", record, 12)[0]
    most = len(table) * chunk if chunk != 0xFFFFFFFF else sum(points for points, _ in table)
    if head.count > most:
        raise Fault("chunk table", f"it has {most} points at most, {head.count} declared", _CUT)
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
            raise Fault(f"chunk {number}", f"layers of {need} bytes in a chunk of {size}", _CUT)
        at += size


# -- write ------------------------------------------------------------------------------------


def write_las(mesh: Mesh, path: Path | str, *, scale: float | None = None) -> None:
    """Write a cloud as LAS 1.4, or LAZ by the suffix; point data become its dimensions.

    Coordinates are whole multiples of `scale` (of the file they came from, else the least that
    32 bits allow); where that rounds them there is a warning. Arrays that LAS has no dimension for
    are extra bytes. Raises MeshFileError for meshes with cells.
    """
    packed = Path(path).suffix.lower() == ".laz"
    with guarded(path, "LAS"):
        mesh.check()
        require_cloud(mesh, path, "LAS")
        warn_regions(path, "LAS", list(mesh.regions), "write .vtu for them")
        warn_data(path, "LAS", mesh, {("point", name) for name in mesh.point_data})
        lazrs = _lazrs() if packed else None
        columns = flattened(mesh.point_data, ("X", "Y", "Z", "x", "y", "z"))
        format = _format_for(mesh, columns)
        scales, offsets, whole = _scaled(mesh, path, scale)
        standard, extra = _split(columns, format, path)
        row = np.dtype(
            [
                *_FORMATS[format],
                *((f"+{name}", v.dtype.newbyteorder("<")) for name, v in extra.items()),
            ]
        )
        table = np.zeros(mesh.n_points, row)
        for axis, name in enumerate("XYZ"):
            table[name] = whole[:, axis]
        bits = {label: (byte, first) for label, byte, first, _ in _bits(format)}
        for name, values in standard.items():
            if name in bits:
                byte, first = bits[name]
                table[byte] |= values << np.uint8(first)
            else:
                table[name] = values
        for name, values in extra.items():
            table[f"+{name}"] = values
        records = [_record(b"LASF_Spec", 4, _extra_record(extra))] if extra else []
        if lazrs is not None:
            vlr = lazrs.LazVlr.new_for_compression(format, sum(v.itemsize for v in extra.values()))
            records.append(_record(b"laszip encoded", 22204, bytes(vlr.record_data())))
        content = b"".join(records)
        with atomic_write(path) as file:
            file.write(
                _head(mesh, format, packed, row.itemsize, content, len(records), scales, offsets)
            )
            file.write(content)
            if lazrs is None:
                file.write(table.tobytes())
            else:
                file.write(_pack(lazrs, vlr, table, 375 + len(content)))


def _pack(lazrs: Any, vlr: Any, table: np.ndarray, start: int) -> bytes:
    out = io.BytesIO()
    out.write(bytes(start))  # the chunk table's place counts from the file's beginning
    packer = lazrs.LasZipCompressor(out, vlr)
    packer.compress_many(table.view(np.uint8))
    packer.done()
    return out.getvalue()[start:]


def _format_for(mesh: Mesh, columns: dict[str, np.ndarray]) -> int:
    """The point format of the file it came from, else the least that has colour and infrared."""
    stored = mesh.storage.get("las_format", "")
    if stored.isdigit() and int(stored) < len(_FORMATS):
        return int(stored)
    names = {name for name, values in columns.items() if values.dtype == np.uint16}
    colour = {"red", "green", "blue"} <= names
    return 8 if colour and "nir" in names else 7 if colour else 6


def _scaled(
    mesh: Mesh, path: Path | str, scale: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales, offsets, and the coordinates as integers."""
    points = mesh.points
    low, high = (f(axis=0) if len(points) else np.zeros(3) for f in (points.min, points.max))
    stored = [mesh.storage.get(f"las_{name}", "").split() for name in ("scale", "offset")]
    with np.errstate(over="ignore"):
        extent = high - low
    if not np.isfinite(extent).all():
        raise Fault("points", "their extent exceeds float64", "write .npy or .vtu")
    trials = []
    if scale is None and len(stored[0]) == len(stored[1]) == 3:
        trials.append((np.array(stored[0], float), np.array(stored[1], float)))
    best = np.maximum(extent / (2**32 - 16), np.finfo(float).tiny) if scale is None else scale
    middle = low + extent / 2
    trials.append((np.full(3, best), middle if scale is None else np.rint(middle / best) * best))
    for scales, offsets in trials:
        with np.errstate(all="ignore"):
            numbers = np.rint((points - offsets) / scales)
        if not len(points) or (np.abs(numbers) < 2**31).all():
            whole = numbers.astype(np.int32)
            if not np.array_equal(whole * scales + offsets, points):
                what = f"coordinates are rounded to multiples of {', '.join(map(str, scales))}"
                warn_lost(path, "LAS", what, "write .npy, .ply or .vtu to keep them")
            return scales, offsets, whole
    raise Fault("points", f"scale={scale} needs more than 32 bits", "scale=None")


def _split(
    columns: dict[str, np.ndarray], format: int, path: Path | str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Arrays for dimensions of the format, and the others for extra bytes."""
    kinds = {name: np.dtype(kind) for name, kind in _FORMATS[format] if name not in _BYTES}
    bits = {name: count for name, _, _, count in _bits(format)}
    standard, extra = {}, {}
    for name, values in columns.items():
        if values.dtype.kind not in "fiub":
            warn_lost(path, "LAS", f"{name!r} holds {values.dtype}: it is not stored")
            continue
        if name in kinds and values.dtype == kinds[name]:
            standard[name] = values
            continue
        if name in bits and values.dtype == np.uint8 and not (values >> bits[name]).any():
            standard[name] = values
            continue
        if values.dtype.kind == "b" or values.dtype == np.float16 or values.dtype.itemsize > 8:
            values = values.astype({"b": "u1"}.get(values.dtype.kind, "f4"))
        label = name.encode()[:31].decode("utf-8", "ignore").replace("\0", "").strip() or "extra"
        while label in extra or label in kinds or label in bits or label in _BYTES:
            label = f"{label[:29]}_"
        if label != name:
            warn_lost(path, "LAS", f"{name!r} is stored as {label!r}")
        extra[label] = values
    return standard, extra


def _extra_record(extra: dict[str, np.ndarray]) -> bytes:
    out = b""
    for name, values in extra.items():
        kind = _EXTRA.index(values.dtype.str[1:])
        out += struct.pack("<2xBB32s156x", kind, 0, name.encode())
    return out


def _record(user: bytes, number: int, content: bytes) -> bytes:
    if len(content) > 0xFFFF:
        raise Fault("point data", "more arrays than LAS has room for", "write .vtu instead")
    return struct.pack("<2x16sHH32x", user, number, len(content)) + content


def _head(
    mesh: Mesh,
    format: int,
    packed: bool,
    length: int,
    records: bytes,
    n_records: int,
    scales: np.ndarray,
    offsets: np.ndarray,
) -> bytes:
    count = mesh.n_points
    low, high = (f(axis=0) if count else np.zeros(3) for f in (mesh.points.min, mesh.points.max))
    returns = mesh.point_data.get("return_number", np.ones(count, np.uint8)).ravel()
    found = np.zeros(15, np.int64)
    if returns.dtype.kind in "iu" and count:
        found = np.bincount(returns[(returns > 0) & (returns < 16)].astype(int), minlength=16)[1:]
    legacy = count if format < 6 and count < 2**32 else 0
    head = struct.pack(
        "<4sHH16sBB32s32sHHHII", b"LASF", 0, 0x10 if format > 5 else 0, b"", 1, 4, b"OTHER",
        b"meshop", 1, 2026, 375, 375 + len(records), n_records,
    )  # fmt: skip
    head += struct.pack("<BHI", format | (0x80 if packed else 0), length, legacy)
    head += struct.pack("<5I", *(found[:5] if legacy else [0] * 5))
    head += struct.pack("<6d", *scales, *offsets)
    head += struct.pack("<6d", *np.stack([high, low], axis=1).ravel())
    head += struct.pack("<QQIQ15Q", 0, 0, 0, count, *found)
    return head


FORMAT = Format(
    "LAS",
    (".las", ".laz"),
    read_las,
    write_las,
    lambda _, start: start.startswith(b"LASF"),
    lost="cells are refused; regions, field data; coordinates become multiples of the scale",
)
