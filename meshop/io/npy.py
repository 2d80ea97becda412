"""NumPy files: NPY as a point cloud, NPZ as a cloud or a whole mesh. Nothing is unpickled.

Source: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
"""

from __future__ import annotations

import ast
import io
import operator
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..mesh import REGION_KINDS, Mesh, Region
from ._columns import cloud, grouped, of_points, require_cloud, warn_arrays
from ._files import Fault, atomic_write, guarded, read_bytes, require_memory
from ._format import Format
from ._surface import warn_data, warn_regions

_HINT = "an array (n, 2) or (n, 3) of coordinates, further columns are data"
_POINTS = ("points", "vertices", "nodes", "coordinates", "coords", "verts", "xyz", "pos", "x", "p")
_CELLS = (
    "cells", "elements", "connectivity", "triangles", "faces", "simplices", "tri", "elems", "quads",
    "tetra", "tetrahedra", "tets", "lines", "edges", "mesh", "t",
)  # fmt: skip
_FLAT = {2: 3, 3: 5, 4: 9, 6: 22, 8: 23, 9: 28}
_SOLID = {2: 3, 3: 5, 4: 10, 5: 14, 6: 13, 8: 12, 10: 24, 20: 25, 27: 29}
_NAMED = {"quads": {4: 9}, "faces": {4: 9}, "tetra": {4: 10}, "tets": {4: 10}}
_DEFLATE = "numpy.savez and numpy.savez_compressed store or deflate it"
_INFLATED = 1040  # the most that one byte of deflate can become
_HEADER = 10_000  # characters
_MOST = 1 << 12  # columns


def read_npy(path: Path) -> Mesh:
    """Read an NPY array (n, k) or a structured one as a point cloud. Raises MeshFileError."""
    with guarded(path, "NPY"):
        return _cloud(_array(read_bytes(path), "header"))


def _array(data: bytes, where: str) -> np.ndarray:
    """The array in the bytes of an NPY file, its shape checked against their number."""
    version = data[6:7]
    width = {b"\1": 2, b"\2": 4, b"\3": 4}.get(version, 0)
    if not data.startswith(b"\x93NUMPY") or not width:
        raise Fault(where, "it does not begin like an NPY file of version 1, 2 or 3")
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > min(_HEADER, len(data) - start):
        raise Fault(where, f"a header of {length} bytes, {len(data) - start} are left")
    text = data[start : start + length].decode(
        "utf-8" if version == b"\3" else "latin-1", "replace"
    )
    start += length
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head: Any = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text.strip()))
            shape = tuple(operator.index(n) for n in head["shape"])
            dtype = np.lib.format.descr_to_dtype(head["descr"])
            fortran = bool(head["fortran_order"])
    except Exception as error:  # a damaged header may raise anything
        raise Fault(where, f"no header of an NPY file: {str(error)[:100]}") from None
    if dtype.hasobject:
        raise Fault(where, "Python objects (pickled) are never read", "save arrays of numbers")
    count = 1
    for n in shape:
        count *= n
    if count < 0 or min(shape, default=0) < 0 or count * dtype.itemsize != len(data) - start:
        reason = f"shape {shape} of {dtype} needs {count * dtype.itemsize} bytes"
        raise Fault(where, f"{reason}, {len(data) - start} are there")
    if not dtype.itemsize:
        raise Fault(where, f"values of type {dtype} have no bytes")
    values = np.frombuffer(data, dtype, count, start)
    try:
        return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
    except (ValueError, OverflowError) as error:  # (0, 10**20) holds nothing, and still too much
        raise Fault(where, f"shape {str(shape)[:100]}: {error}") from None


def _cloud(array: np.ndarray) -> Mesh:
    names = array.dtype.names
    if names:
        table = array.ravel()
        columns = {name: np.ascontiguousarray(table[name]) for name in names}
        for name in names:
            if name.lower() in _POINTS and columns[name].shape[1:] in ((2,), (3,)):
                found = columns.pop(name)
                columns = dict(zip("xyz", found.T, strict=False)) | columns
                break
    elif array.ndim == 2 and 2 <= array.shape[1] <= _MOST:
        columns = {f"column_{i}": array[:, i] for i in range(array.shape[1])}
    else:
        raise Fault("header", f"an array of shape {array.shape} is no list of points", _HINT)
    if bad := [name for name, values in columns.items() if values.dtype.kind not in "fiubUS"]:
        raise Fault("header", f"{bad[0]!r} holds {columns[bad[0]].dtype}, expected numbers", _HINT)
    columns = {n: _native(v) for n, v in columns.items()}
    return cloud(columns, {}, _HINT)


def _native(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


# -- NPZ --------------------------------------------------------------------------------------


def read_npz(path: Path) -> Mesh:
    """Read a dictionary of arrays: what meshop writes, or points and cells by their usual names.

    Points: points, vertices, nodes, coords, ...; cells (m, k): cells, elements, triangles, ...;
    four nodes are a quad in the plane and a tetrahedron in space. Other arrays are point data,
    cell data or field data by their length. Raises MeshFileError.
    """
    with guarded(path, "NPZ"):
        arrays = _members(path)
        if {"points", "cell_types", "cell_offsets", "cell_nodes"} <= set(arrays):
            return _own(arrays)
        return _by_name(arrays)


def _members(path: Path) -> dict[str, np.ndarray]:
    data = read_bytes(path)
    out: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()
            total = sum(member.file_size for member in found)
            if total > _INFLATED * len(data):
                raise Fault("archive", f"{len(data)} bytes cannot hold the {total} declared")
            require_memory(total)
            for member in found:
                where = f"array {member.filename[:80]!r}"
                if member.file_size > _INFLATED * member.compress_size + 4096:
                    reason = f"{member.compress_size} bytes cannot hold {member.file_size}"
                    raise Fault(where, reason)
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # zipfile unpacks the others without a bound.
                    raise Fault(where, f"compressed by method {member.compress_type}", _DEFLATE)
                if member.filename.endswith(".npy"):
                    out[member.filename[:-4]] = _array(archive.read(member), where)
    except (Fault, MemoryError):
        raise
    except Exception as error:  # zipfile raises many things
        reason = f"no NPZ file: {str(error)[:100] or type(error).__name__}"
        raise Fault("archive", reason, "the file is cut off or damaged") from None
    return out


def _own(arrays: dict[str, np.ndarray]) -> Mesh:
    """What `write_npz` writes: nothing is lost."""
    data: dict[str, dict[str, np.ndarray]] = {"point_data": {}, "cell_data": {}, "field_data": {}}
    regions = {}
    components: dict[tuple[str, str], tuple[str, ...]] = {}
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        if kind in data:
            data[kind][name] = values
        elif kind == "components":
            where, _, name = name.partition("/")
            components[where, name] = tuple(map(str, values.ravel().tolist()))
        elif kind == "regions":
            kind, _, name = name.partition("/")
            if kind not in REGION_KINDS:
                raise Fault(f"array {key!r}", f"a region of {kind!r}")
            regions[name] = Region(kind, values)
    return Mesh(
        arrays["points"],
        arrays["cell_types"],
        arrays["cell_offsets"],
        arrays["cell_nodes"],
        data["point_data"],
        data["cell_data"],
        data["field_data"],
        regions,
        {"points": "float32"} if arrays["points"].dtype == np.float32 else {},
        arrays.get("faces"),
        arrays.get("face_offsets"),
        components,
    )


def _by_name(arrays: dict[str, np.ndarray]) -> Mesh:
    lower = {name.lower(): name for name in reversed(arrays)}
    key = next((lower[name] for name in _POINTS if name in lower), None)
    if key is None and len(arrays) == 1:
        key = next(iter(arrays))
    if key is None or not _is_list(arrays[key]):
        if not {"x", "y"} <= set(lower):
            shown = ", ".join(arrays)[:200] or "nothing"
            raise Fault("archive", f"no array of points (n, 2) or (n, 3) among {shown}", "points=")
        columns = {n: v for n, v in arrays.items() if v.shape == arrays[lower["x"]].shape}
        return cloud({n: _native(v.ravel()) for n, v in columns.items()}, {}, _HINT)
    mesh = _cloud(arrays[key])
    rest = {name: values for name, values in arrays.items() if name != key}
    types, sizes, nodes = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for name in list(rest):
        values, label = rest[name], name.lower()
        if label not in _CELLS or values.ndim != 2 or values.dtype.kind not in "iu":
            continue
        width = values.shape[1]
        code = _NAMED.get(label, {}).get(width) or (_FLAT if mesh.is_planar else _SOLID).get(width)
        if code is None:
            raise Fault(f"array {name!r}", f"no cell is known by its {width} nodes")
        if len(types) > 1 and label in ("edges", "faces", "lines"):
            continue  # of the cells that were there before: field data
        types.append(np.full(len(values), code))
        sizes.append(np.full(len(values), width))
        nodes.append(rest.pop(name).astype(np.int64).ravel())
    codes = np.concatenate(types)
    point_data, cell_data, field_data = dict(mesh.point_data), {}, {}
    for name, values in rest.items():
        if values.dtype.kind not in "fiubU":
            continue
        if values.ndim and len(values) == mesh.n_points:
            point_data[name] = _native(values)
        elif values.ndim and len(values) == len(codes):
            cell_data[name] = _native(values)
        else:
            field_data[name] = _native(values)
    return Mesh(
        mesh.points,
        codes,
        np.concatenate([[0], np.concatenate(sizes).cumsum()]),
        np.concatenate(nodes),
        point_data,
        cell_data,
        field_data,
        storage=mesh.storage,
    )


def _is_list(array: np.ndarray) -> bool:
    return array.dtype.names is not None or (array.ndim == 2 and array.shape[1] >= 2)


# -- write ------------------------------------------------------------------------------------


def write_npy(mesh: Mesh, path: Path | str) -> None:
    """Write a cloud: an array (n, 3), or a structured one with the point data beside x, y and z.

    Raises MeshFileError for meshes with cells.
    """
    with guarded(path, "NPY"):
        mesh.check()
        require_cloud(mesh, path, "NPY")
        warn_regions(path, "NPY", list(mesh.regions), "write .npz for them")
        warn_data(path, "NPY", mesh, {("point", name) for name in mesh.point_data})
        columns = of_points(mesh)
        columns = {name or "unnamed": _no_objects(values) for name, values in columns.items()}
        found = {name: values for name, values in columns.items() if name not in "xyz"}
        warn_arrays(path, "NPY", mesh.point_data, grouped(found))
        if mesh.point_data:
            fields = [(name, values.dtype) for name, values in columns.items()]
            array = np.empty(mesh.n_points, np.dtype(fields))
            for name, values in columns.items():
                array[name] = values
        else:
            array = np.stack(list(columns.values()), axis=1)
        with atomic_write(path) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)


def write_npz(mesh: Mesh, path: Path | str, *, compressed: bool = True) -> None:
    """Write everything that the mesh has, one array each. Raises MeshFileError."""
    with guarded(path, "NPZ"):
        mesh.check()
        points = mesh.points
        if mesh.storage.get("points") == "float32":
            with np.errstate(over="ignore"):
                single = points.astype(np.float32)
            points = single if np.array_equal(single, points) else points
        arrays = {
            "points": points,
            "cell_types": mesh.cell_types,
            "cell_offsets": mesh.cell_offsets,
            "cell_nodes": mesh.cell_nodes,
        }
        if mesh.faces is not None and mesh.face_offsets is not None:
            arrays |= {"faces": mesh.faces, "face_offsets": mesh.face_offsets}
        for where in ("point_data", "cell_data", "field_data"):
            arrays |= {f"{where}/{name}": v for name, v in getattr(mesh, where).items()}
        arrays |= {f"regions/{r.kind}/{name}": r.ids for name, r in mesh.regions.items()}
        for (where, name), labels in mesh.components.items():
            arrays[f"components/{where}/{name}"] = np.array(labels)
        with atomic_write(path) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            for name, values in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy")  # no time: the same mesh, the same bytes
                member.compress_type = kind
                with archive.open(member, "w", force_zip64=True) as out:
                    np.lib.format.write_array(out, _no_objects(values), allow_pickle=False)


def _no_objects(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.dtype == object else values


FORMAT = Format(
    "NPY",
    (".npy",),
    read_npy,
    write_npy,
    lambda _, start: start.startswith(b"\x93NUMPY"),
    lost="cells are refused; regions, field data",
)
NPZ = Format("NPZ", (".npz",), read_npz, write_npz, regions="all")
