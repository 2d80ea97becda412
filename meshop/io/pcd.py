"""PCD point clouds of the Point Cloud Library: ascii, binary, binary_compressed.

Source: PCL documentation, "The PCD (Point Cloud Data) file format", versions .5 to .7; M. Lehmann's
LZF for the compressed variant.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._bounds import free_name
from ._columns import cloud, grouped, of_points, require_cloud, warn_arrays
from ._files import CUT, Fault, atomic_write, guarded, read_bytes
from ._format import Format, warn_lost
from ._surface import warn_data, warn_regions
from ._text import to_numbers
from ._words import as_integers, take_rows

_KEYS = ("VERSION", "FIELDS", "COLUMNS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT",
         "POINTS", "DATA")  # fmt: skip
_HEADER = 1 << 16
_MOST = 1 << 16  # values a point


def read_pcd(path: Path) -> Mesh:
    """Read a PCD file: fields beside x, y, z are point data of their types.

    Packed colours become "RGB" or "RGBA" (uint8), normal_x to normal_z "Normals". Organised clouds
    mark missing points with NaN: those are left out with a warning, and "index" tells which are
    left. Raises MeshFileError.
    """
    with guarded(path, "PCD"):
        data = read_bytes(path)
        head, at = _header(data)
        row, count = _layout(head)
        kind = head["DATA"][0].lower() if head["DATA"] else ""
        if kind == "ascii":
            table = _ascii(data, at, row, count)
        elif kind == "binary":
            if count * row.itemsize > len(data) - at:
                reason = f"{count} points of {row.itemsize} bytes declared"
                raise Fault("data", f"{reason}, {len(data) - at} bytes are left", CUT)
            table = np.frombuffer(data, row, count, at)
        elif kind == "binary_compressed":
            table = _compressed(data, at, row, count)
        else:
            raise Fault("header", f"DATA {kind[:40]!r}, expected ascii, binary, binary_compressed")
        return _mesh(path, table, head)


def _header(data: bytes) -> tuple[dict[str, list[str]], int]:
    head: dict[str, list[str]] = {}
    at = 0
    while at < min(len(data), _HEADER):
        stop = data.find(b"\n", at) + 1 or len(data)
        words = data[at:stop].decode("utf-8", "replace").split()
        at = stop
        if words and words[0].upper() in _KEYS:
            head[words[0].upper()] = words[1:]
            if words[0].upper() == "DATA":
                return head, at
        elif words and not words[0].startswith("#"):
            raise Fault("header", f"{words[0][:40]!r}, expected one of {', '.join(_KEYS)}")
    raise Fault("header", "no line 'DATA ascii|binary|binary_compressed': this is no PCD file")


def _integers(head: dict[str, list[str]], key: str, default: list[int]) -> list[int]:
    words = head.get(key)
    if words is None:
        return default
    if not all(re.fullmatch("[0-9]{1,18}", word) for word in words):
        raise Fault("header", f"{key} {' '.join(words)[:60]!r}, expected counts")
    return [int(word) for word in words]


def _layout(head: dict[str, list[str]]) -> tuple[np.dtype, int]:
    """The type of a point, and how many there are."""
    names = head.get("FIELDS") or head.get("COLUMNS") or []
    n = len(names)
    sizes = _integers(head, "SIZE", [4] * n)
    counts = _integers(head, "COUNT", [1] * n)
    kinds = [kind.upper() for kind in head.get("TYPE", ["F"] * n)]
    if not n or not len(sizes) == len(counts) == len(kinds) == n:
        reason = f"{n} FIELDS, {len(sizes)} SIZE, {len(kinds)} TYPE, {len(counts)} COUNT"
        raise Fault("header", f"{reason}: expected as many of each")
    if sum(counts) > _MOST:
        raise Fault("header", f"{sum(counts)} values a point")
    fields: list[tuple] = []
    for i, (name, size, kind, many) in enumerate(zip(names, sizes, kinds, counts, strict=True)):
        if (kind, size) not in {(k, s) for k in "IU" for s in (1, 2, 4, 8)} | {("F", 4), ("F", 8)}:
            raise Fault("header", f"field {name[:40]!r} has TYPE {kind[:9]} and SIZE {size}")
        fields.append((f"{i} {name}", f"<{kind.lower()}{size}", (many,)))
    if not sum(counts):
        raise Fault("header", "a point without a value: COUNT is 0")
    shape = _integers(head, "WIDTH", []) + _integers(head, "HEIGHT", [1])
    points = _integers(head, "POINTS", [])
    product = int(np.prod([1], dtype=object) * shape[0] * shape[1]) if len(shape) == 2 else None
    if len(points) != 1 and product is None:
        raise Fault("header", "neither POINTS nor WIDTH and HEIGHT")
    count = points[0] if len(points) == 1 else product or 0
    if product is not None and product != count:
        raise Fault("header", f"WIDTH x HEIGHT are {product}, POINTS {count}")
    return np.dtype(fields), count


def _ascii(data: bytes, at: int, row: np.dtype, count: int) -> np.ndarray:
    width = sum(row[name].shape[0] for name in row.names or ())
    if 2 * count * width - 1 > len(data) - at:
        reason = f"{count} points of {width} numbers declared"
        raise Fault("data", f"{reason}, {len(data) - at} characters are left", CUT)
    values, _, behind = take_rows(data, at, count, "data", width)
    if len(values) != count * width or data[behind:].strip():
        raise Fault(
            "data", f"{len(values)} numbers in {count} rows of {width}, or text behind", CUT
        )
    table = np.empty(count, row)
    column = 0
    for title, name in _titled(row):
        kind = row[name].base
        for part in range(row[name].shape[0]):
            found = values[column::width]
            if kind.kind in "iu":
                table[name][:, part] = as_integers(found, kind, f"field {title!r}")
            else:
                with np.errstate(over="ignore"):
                    table[name][:, part] = found
            column += 1
    return table


def _titled(row: np.dtype) -> list[tuple[str, str]]:
    """(Name in the file, which may come twice; name in the type, which has a number before it)."""
    return [(name.partition(" ")[2], name) for name in row.names or ()]


def _compressed(data: bytes, at: int, row: np.dtype, count: int) -> np.ndarray:
    """Field after field, packed together."""
    size, plain = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
    if size > len(data) - at - 8:
        raise Fault("data", f"{size} compressed bytes declared, {len(data) - at} are left", CUT)
    if plain != count * row.itemsize:
        raise Fault("data", f"{plain} bytes declared, {count} points need {count * row.itemsize}")
    raw = _unpack(data[at + 8 : at + 8 + size], plain)
    table = np.empty(count, row)
    at = 0
    for name in row.names or ():
        many = row[name].shape[0]
        values = np.frombuffer(raw, row[name].base, count * many, at)
        table[name] = values.reshape(count, many)
        at += values.nbytes
    return table


def _unpack(packed: bytes, size: int) -> bytes:
    """LZF: runs of bytes as they are, and copies of earlier ones. Never more than `size` bytes."""
    if size > 88 * len(packed) + 264:  # three bytes become 264 at most
        raise Fault("data", f"{len(packed)} bytes of LZF cannot hold {size}")
    out = bytearray()
    at, end = 0, len(packed)
    try:
        while at < end:
            control = packed[at]
            at += 1
            if control < 32:
                out += packed[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[at]
                at += 1
            start = len(out) - ((control & 31) << 8) - packed[at] - 1
            at += 1
            length += 2
            if start < 0:
                raise Fault("data", "LZF refers to what lies before its start")
            part = out[start : start + length]
            if len(part) < length:  # it repeats itself
                part = (part * (length // len(part) + 1))[:length]
            out += part
            if len(out) > size:
                break
    except IndexError:
        raise Fault("data", "LZF data end early", CUT) from None
    if len(out) != size or at > end:
        raise Fault("data", f"LZF data do not unpack to {size} bytes", CUT)
    return bytes(out)


def _mesh(path: Path, table: np.ndarray, head: dict[str, list[str]]) -> Mesh:
    columns: dict[str, np.ndarray] = {}
    for title, name in _titled(table.dtype):
        if title == "_" or not table[name].shape[1]:
            continue  # padding
        values = table[name].astype(table[name].dtype.newbyteorder("="))
        values = values[:, 0] if values.shape[1] == 1 else values
        if title.lower() in ("rgb", "rgba") and values.dtype.itemsize == 4 and values.ndim == 1:
            title = title.upper()
            b, g, r, a = values.view(np.uint8).reshape(-1, 4).T
            values = np.stack([r, g, b, a][: len(title)], axis=1)
        title = free_name(title, columns, "_", len(columns))
        columns[title] = values
    axes = [columns[name] for name in "xyz" if name in columns and columns[name].ndim == 1]
    lost = ""
    bad = np.zeros(len(table), bool)
    for values in axes:
        bad |= ~np.isfinite(values)
    if bad.any():
        lost = f"{int(bad.sum())} of {len(bad)} points are NaN and left out: 'index' has the others"
        columns = {name: values[~bad] for name, values in columns.items()}
        columns.setdefault("index", np.flatnonzero(~bad))
    mesh = cloud(columns, {}, "PCD points are fields x, y, z")
    if lost:
        warn_lost(path, "PCD", lost)
    view = head.get("VIEWPOINT", [])
    if len(view) == 7 and view != ["0", "0", "0", "1", "0", "0", "0"]:
        words = [word.encode() for word in view]
        mesh.field_data["VIEWPOINT"] = to_numbers(words, np.float64, "VIEWPOINT")
    return mesh


# -- write ------------------------------------------------------------------------------------


def write_pcd(mesh: Mesh, path: Path | str, *, binary: bool = True) -> None:
    """Write a cloud with all point data. Raises MeshFileError for meshes with cells."""
    with guarded(path, "PCD"):
        mesh.check()
        require_cloud(mesh, path, "PCD")
        warn_regions(path, "PCD", list(mesh.regions), "write .vtu for them")
        view = mesh.field_data.get("VIEWPOINT", np.empty(0))
        kept = {("point", name) for name in mesh.point_data}
        if view.shape == (7,) and view.dtype == np.float64:
            kept.add(("field", "VIEWPOINT"))
        else:
            view = np.array([0, 0, 0, 1, 0, 0, 0])
        warn_data(path, "PCD", mesh, kept)
        bare = mesh.copy()
        bare.point_data = {}
        columns = of_points(bare)
        columns.setdefault("z", np.zeros(mesh.n_points, columns["x"].dtype))
        found: dict[str, np.ndarray] = {}
        for name, values in mesh.point_data.items():
            _add(columns, found, name, values)
        warn_arrays(path, "PCD", mesh.point_data, grouped(found))
        lengths = [1 if v.ndim == 1 else v.shape[1] for v in columns.values()]
        kinds = {name: v.dtype for name, v in columns.items()}
        head = [
            "# .PCD v0.7 - Point Cloud Data file format",
            "VERSION 0.7",
            f"FIELDS {' '.join(columns)}",
            f"SIZE {' '.join(str(kind.itemsize) for kind in kinds.values())}",
            f"TYPE {' '.join(kind.kind.upper() for kind in kinds.values())}",
            f"COUNT {' '.join(map(str, lengths))}",
            f"WIDTH {mesh.n_points}",
            "HEIGHT 1",
            f"VIEWPOINT {' '.join(map(repr, view.tolist()))}",
            f"POINTS {mesh.n_points}",
            f"DATA {'binary' if binary else 'ascii'}",
        ]
        row = [
            (name, kinds[name].newbyteorder("<"), (length,))
            for name, length in zip(columns, lengths, strict=True)
        ]
        with atomic_write(path) as file:
            file.write(("\n".join(head) + "\n").encode())
            for start in range(0, mesh.n_points, 1 << 16):
                part = {n: v[start : start + (1 << 16)] for n, v in columns.items()}
                if binary:
                    table = np.empty(len(part["x"]), row)
                    for name, values in part.items():
                        table[name] = values.reshape(len(values), -1)
                    file.write(table.tobytes())
                else:
                    flat = [c for v in part.values() for c in (v.T if v.ndim == 2 else [v])]
                    texts = [
                        [str(x) for x in c] if c.dtype == np.float32 else map(repr, c.tolist())
                        for c in flat
                    ]
                    lines = (" ".join(words) + "\n" for words in zip(*texts, strict=True))
                    file.write("".join(lines).encode())


def _add(
    columns: dict[str, np.ndarray], found: dict[str, np.ndarray], name: str, values: np.ndarray
) -> None:
    """One array as a field, in a type and under a name that PCD has. found: what comes back."""
    if values.dtype.kind not in "fiub" or (
        values.ndim > 1 and not values[0:1].size and len(values)
    ):
        return
    if values.ndim > 1:
        values = values.reshape(len(values), int(np.prod(values.shape[1:])))
    if values.dtype.kind == "b" or values.dtype == np.float16 or values.dtype.itemsize > 8:
        values = values.astype({"b": np.uint8}.get(values.dtype.kind, np.float32))
        values = values if values.dtype.itemsize <= 8 else values.astype(np.float64)
    if name in ("RGB", "RGBA") and values.dtype == np.uint8 and values.shape[1:] == (len(name),):
        found[name] = values
        packed = np.zeros((len(values), 4), np.uint8)
        packed[:, : len(name)] = values
        columns[name.lower()] = packed[:, [2, 1, 0, 3]].copy().view("<u4")[:, 0]
        return
    if name == "Normals" and values.shape[1:] == (3,):
        found[name] = values
        for axis, column in zip("xyz", values.T, strict=True):
            columns[f"normal_{axis}"] = column
        return
    label = "_".join(name.split()) or "unnamed"
    if label in ("_", "rgb", "rgba") or label in columns:
        label += "_"
    while label in columns:
        label += "_"
    columns[label] = values
    found[label] = values[:, 0] if values.shape[1:] == (1,) else values


FORMAT = Format(
    "PCD",
    (".pcd",),
    read_pcd,
    write_pcd,
    lambda _, start: start.startswith((b"# .PCD", b"VERSION 0.7\nFIELDS", b"VERSION .7\nFIELDS")),
    lost="cells are refused; regions, field data",
)
