"""Point clouds: XYZ, CSV and NPY become meshes without cells; further columns become point data."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._files import Fault, guarded, read_bytes
from ._format import Format

_SUFFIXES = (".csv", ".npy", ".pts", ".txt", ".xyz")
_SPLIT = re.compile(rb"[,;\s]+")
_HINT = "one point a line: x y z, or x,y,z with a line of names above"


def read_points(path: Path) -> Mesh:
    """Read a point cloud: columns x, y, (z) first, then data. Raises MeshFileError."""
    with guarded(path, path.suffix[1:].upper()):
        data = read_bytes(path)
        names, table = _npy(data) if path.suffix.lower() == ".npy" else _text(data)
        return _mesh(names, table)


def _mesh(names: list[str], table: np.ndarray) -> Mesh:
    if table.ndim != 2 or table.shape[1] < 2 or not len(table):
        raise Fault("content", f"a table of shape {table.shape} is no list of points", _HINT)
    lower = [name.strip().lower() for name in names]
    if {"x", "y"} <= set(lower):  # columns by name, wherever they stand
        axes = [lower.index(axis) for axis in "xyz" if axis in lower]
    else:
        axes = list(range(min(3, table.shape[1])))
    points = np.zeros((len(table), 3))
    points[:, : len(axes)] = table[:, axes]
    rest = [column for column in range(table.shape[1]) if column not in axes]
    label = dict(enumerate(names)) if names else {}
    data = {label.get(c) or f"column_{c}": np.ascontiguousarray(table[:, c]) for c in rest}
    storage = {"points": table.dtype.name} if table.dtype.name == "float32" else {}
    none = np.empty(0, np.int64)
    return Mesh(points, none, np.zeros(1, np.int64), none, data, storage=storage)


def _npy(data: bytes) -> tuple[list[str], np.ndarray]:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = reader[version[0]](stream)
    except Exception as error:  # a damaged header may raise anything
        raise Fault("header", f"no NPY file: {str(error)[:200]}") from None
    names = list(dtype.names or ())
    columns = [dtype[name] for name in names] or [dtype]
    if dtype.hasobject or any(column.kind not in "fiu" or column.shape for column in columns):
        raise Fault("header", f"values of type {dtype}, expected numbers")
    count = 1
    for length in shape:
        count *= int(length)
    start = stream.tell()
    if count * dtype.itemsize != len(data) - start:
        raise Fault(
            "header", f"shape {shape} needs {count * dtype.itemsize} bytes, {len(data) - start} are"
            " there"
        )  # fmt: skip
    values = np.frombuffer(data, dtype, count, start)
    values = values.reshape(shape, order="F" if fortran else "C")
    if names:
        return names, np.stack([values[name].astype(np.float64) for name in names], axis=-1)
    return [], values.astype(dtype.newbyteorder("="))


def _text(data: bytes) -> tuple[list[str], np.ndarray]:
    lines = [line for raw in data.splitlines() if (line := raw.strip()) and line[:1] not in b"#%"]
    if not lines or b"\0" in data[:4096]:
        raise Fault("content", "no lines of numbers", _HINT)
    names: list[str] = []
    if _numbers(lines[0]) is None:
        names = [n.strip("\"' ") for n in lines.pop(0).decode("utf-8", "replace").split(",")]
        names = names if len(names) > 1 else names[0].split()
    elif len(lines) > 2 and len(_numbers(lines[0]) or []) == 1:
        lines.pop(0)  # chemists and scanners put the count first, and perhaps a comment after it
        if _numbers(lines[0]) is None:
            lines.pop(0)
    rows = [_numbers(line) for line in lines]
    width = len(rows[0]) if rows and rows[0] else 0
    for index, row in enumerate(rows):
        if row is None or len(row) != width:
            text = lines[index][:60].decode("utf-8", "replace")
            raise Fault(f"row {index + 1}", f"expected {width} numbers, found {text!r}", _HINT)
    if names and len(names) != width:
        raise Fault("first line", f"{len(names)} names for {width} columns")
    return names, np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _numbers(line: bytes) -> list[float] | None:
    try:
        return [float(word) for word in _SPLIT.split(line.strip(b",; \t"))]
    except ValueError:
        return None


FORMAT = Format("points", _SUFFIXES, read_points)
