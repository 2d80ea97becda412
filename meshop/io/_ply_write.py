"""Writing of PLY: vertices with their data, then faces and edges with theirs."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..mesh import Mesh
from ._columns import flattened, grouped, of_points, warn_arrays
from ._files import Fault, atomic_write, guarded
from ._format import warn_lost
from ._surface import require_types, warn_data, warn_regions, warn_types

_NAMES = {
    "i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint",
    "f4": "float", "f8": "double",
}  # fmt: skip
_INDEX = "property list {} {} vertex_indices\n"


def write_ply(mesh: Mesh, path: Path | str, *, binary: bool = True) -> None:
    """Write points, faces and lines with all their data. Raises MeshFileError.

    Lines are stored in an element of their own, behind the faces.
    """
    with guarded(path, "PLY"):
        mesh.check()
        require_types(mesh, (1, 3, 5, 7, 9), "PLY")
        warn_types(path, "PLY", mesh)
        warn_regions(path, "PLY", list(mesh.regions), "write .vtu for them")
        points = {("point", name) for name in mesh.point_data}
        warn_data(path, "PLY", mesh, points | {("cell", name) for name in mesh.cell_data})
        types = mesh.cell_types
        faces, lines = np.flatnonzero(types > 3), np.flatnonzero(types == 3)
        if (types == 1).any():
            warn_lost(path, "PLY", "vertex cells are not stored: every point is one")
        if len(lines) and len(faces) and lines[0] < faces[-1]:
            warn_lost(path, "PLY", "lines are stored behind the faces: the order of cells changes")
        vertex = _storable(of_points(mesh))
        if not {"x", "y", "z"} <= set(vertex):
            vertex = {name: vertex[name] for name in "xy"} | {"z": vertex["x"] * 0} | vertex
        data = _storable(flattened(mesh.cell_data, ("vertex_indices", "vertex1", "vertex2")))
        scalars = {name: values for name, values in vertex.items() if name not in "xyz"}
        warn_arrays(path, "PLY", mesh.point_data, grouped(scalars))
        warn_arrays(path, "PLY", mesh.cell_data, grouped(data))
        with atomic_write(path) as file:
            form = "binary_little_endian" if binary else "ascii"
            file.write(f"ply\nformat {form} 1.0\ncomment written by meshop\n".encode())
            _head(file, "vertex", mesh.n_points, vertex)
            size = np.diff(mesh.cell_offsets)
            most = int(size[faces].max(initial=0))
            index = np.dtype("i4" if mesh.n_points < 2**31 else "u4")
            if mesh.n_points >= 2**32:
                raise Fault("points", f"{mesh.n_points} of them, PLY counts with 32 bits")
            count = np.dtype("u1" if most < 256 else "i4")
            if len(faces) or not len(lines):
                file.write(f"element face {len(faces)}\n".encode())
                file.write(_INDEX.format(_NAMES[count.str[1:]], _NAMES[index.str[1:]]).encode())
                _head(file, "", 0, data)
            if len(lines):
                ends = mesh.cell_nodes[mesh.cell_offsets[lines][:, None] + [0, 1]].astype(index)
                edge = {"vertex1": ends[:, 0], "vertex2": ends[:, 1]}
                edge |= {name: values[lines] for name, values in data.items()}
                _head(file, "edge", len(lines), edge)
            file.write(b"end_header\n")
            write = _rows if binary else _text
            write(file, _records(vertex, mesh.n_points))
            change = np.flatnonzero(np.diff(size[faces])) + 1
            if binary and len(change) > 1000 + len(faces) // 50:
                _mixed(file, mesh, faces, data, count, index)
            else:
                for part in np.split(faces, change) if len(faces) else []:
                    width = int(size[part[0]])
                    row = [("n", count), ("f", index, (width,))]
                    record = _records({n: v[part] for n, v in data.items()}, len(part), row)
                    record["n"] = width
                    record["f"] = mesh.cell_nodes[
                        mesh.cell_offsets[part][:, None] + np.arange(width)
                    ]
                    write(file, record)
            if len(lines):
                write(file, _records(edge, len(lines)))


def _storable(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of types and with names that PLY has; text has none."""
    out: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        kind = values.dtype
        if kind.kind not in "fiub":
            continue
        if kind.str[1:] not in _NAMES:
            least, most = (int(values.min()), int(values.max())) if values.size else (0, 0)
            if kind.kind == "b":
                to = "u1"
            elif kind.kind == "f":
                to = "f4" if kind.itemsize < 4 else "f8"
            elif least >= -(2**31) and most < 2**31:
                to = "i4"
            else:
                to = "u4" if least >= 0 and most < 2**32 else "f8"
            values = values.astype(to)
        label = "_".join(name.split()) or "unnamed"
        while label in out:
            label += "_"
        out[label] = values
    return out


def _head(file: BinaryIO, name: str, count: int, columns: dict[str, np.ndarray]) -> None:
    if name:
        file.write(f"element {name} {count}\n".encode())
    for label, values in columns.items():
        file.write(f"property {_NAMES[values.dtype.str[1:]]} {label}\n".encode())


def _records(columns: dict[str, np.ndarray], count: int, first: list | None = None) -> np.ndarray:
    fields = [*(first or []), *((f"c{i}", v.dtype) for i, v in enumerate(columns.values()))]
    table = np.empty(
        count, [(name, np.dtype(t).newbyteorder("<"), *rest) for name, t, *rest in fields]
    )
    for i, values in enumerate(columns.values()):
        table[f"c{i}"] = values
    return table


def _rows(file: BinaryIO, table: np.ndarray) -> None:
    if table.dtype.itemsize:
        file.write(table.tobytes())


def _text(file: BinaryIO, table: np.ndarray) -> None:
    names = table.dtype.names or ()
    for start in range(0, len(table), 1 << 16):
        part = table[start : start + (1 << 16)]
        columns: list[list[str]] = []
        for name in names:
            values = part[name]
            for column in values.T if values.ndim == 2 else [values]:
                columns.append(list(map(str if column.dtype.kind == "f" else repr, _plain(column))))
        file.writelines((" ".join(row) + "\n").encode() for row in zip(*columns, strict=True))


def _plain(column: np.ndarray) -> list:
    # float32 prints with its own digits: str(np.float32(0.1)) is "0.1", repr of the float is not.
    return list(column) if column.dtype == np.float32 else column.tolist()


def _mixed(
    file: BinaryIO,
    mesh: Mesh,
    faces: np.ndarray,
    data: dict[str, np.ndarray],
    count: np.dtype,
    index: np.dtype,
) -> None:
    """Faces of sizes that change all the time: each size at once, into its places."""
    tail = sum(values.dtype.itemsize for values in data.values())
    size = np.diff(mesh.cell_offsets)[faces]
    lengths = count.itemsize + size * index.itemsize + tail
    ends = np.cumsum(lengths)
    out = np.empty(int(ends[-1]), np.uint8)
    for width in np.unique(size).tolist():
        mine = np.flatnonzero(size == width)
        row = [("n", count), ("f", index, (width,))]
        part = faces[mine]
        record = _records({n: v[part] for n, v in data.items()}, len(part), row)
        record["n"] = width
        record["f"] = mesh.cell_nodes[mesh.cell_offsets[part][:, None] + np.arange(width)]
        step = 1 << 18
        for a in range(0, len(mine), step):
            raw = record[a : a + step].view(np.uint8).reshape(-1, record.dtype.itemsize)
            starts = (ends - lengths)[mine[a : a + step]]
            out[starts[:, None] + np.arange(raw.shape[1])] = raw
    file.write(out.tobytes())
