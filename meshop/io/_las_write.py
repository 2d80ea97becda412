"""Writing of LAS 1.4 and LAZ."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..mesh import Mesh
from ._columns import flattened, grouped, require_cloud, warn_arrays
from ._files import Fault, atomic_write, guarded
from ._format import warn_lost
from ._las_formats import BYTES, EXTRA, FORMATS, bits_of, lazrs_of
from ._surface import warn_data, warn_regions


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
        lazrs = lazrs_of() if packed else None
        columns = flattened(mesh.point_data, ("X", "Y", "Z", "x", "y", "z"))
        format = _format_for(mesh, columns)
        scales, offsets, whole = _scaled(mesh, path, scale)
        standard, extra = _split(columns, format)
        warn_arrays(path, "LAS", mesh.point_data, grouped({**standard, **extra}))
        row = np.dtype(
            [
                *FORMATS[format],
                *((f"+{name}", v.dtype.newbyteorder("<")) for name, v in extra.items()),
            ]
        )
        table = np.zeros(mesh.n_points, row)
        for axis, name in enumerate("XYZ"):
            table[name] = whole[:, axis]
        bits = {label: (byte, first) for label, byte, first, _ in bits_of(format)}
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
    if stored.isdigit() and int(stored) < len(FORMATS):
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
    columns: dict[str, np.ndarray], format: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Arrays for dimensions of the format, and the others for extra bytes."""
    kinds = {name: np.dtype(kind) for name, kind in FORMATS[format] if name not in BYTES}
    bits = {name: count for name, _, _, count in bits_of(format)}
    standard, extra = {}, {}
    for name, values in columns.items():
        if values.dtype.kind not in "fiub":
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
        while label in extra or label in kinds or label in bits or label in BYTES:
            label = f"{label[:29]}_"
        extra[label] = values
    return standard, extra


def _extra_record(extra: dict[str, np.ndarray]) -> bytes:
    out = b""
    for name, values in extra.items():
        kind = EXTRA.index(values.dtype.str[1:])
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
