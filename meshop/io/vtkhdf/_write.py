"""VTKHDF, writing: one unstructured grid, or a series in which what does not change is stored once.

Source: VTK documentation, "VTKHDF file format", version 2.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...mesh import POLYHEDRON, Mesh
from .._curved import OLD_XML, current_order
from .._files import Fault, guarded, new_name
from .._format import warn_lost
from .._hdf5 import Disk
from .._polyhedra import single_faces
from .._strings import encoded
from .._vtk_data import ACTIVE, storable, to_field_data

_CHUNK = 1 << 20  # bytes of a chunk of a large array
_SMALL = 1 << 12  # bytes that are not worth a chunk
# The lowest versions with what is needed: older programs read the file where they can.
_STATIC, _STEPS, _POLYHEDRA = (1, 0), (2, 0), (2, 5)
_STARTS = {  # array -> the table of the steps that says where it starts
    "Types": "CellOffsets", "Connectivity": "ConnectivityIdOffsets",
    "FaceOffsets": "FaceOffsetsOffsets", "FaceConnectivity": "FaceConnectivityOffsets",
    "PolyhedronToFaces": "PolyhedronToFaceIdOffsets",
}  # fmt: skip
_COUNTS = {  # what each part says of how many there are -> of which array
    "NumberOfCells": "Types", "NumberOfConnectivityIds": "Connectivity",
    "NumberOfFaceConnectivityIds": "FaceConnectivity",
    "NumberOfPolyhedronToFaceIds": "PolyhedronToFaces",
}  # fmt: skip
_SAME = "every step needs the same arrays: add or drop it in all"


def write_vtkhdf(
    mesh: Mesh, path: str | os.PathLike, *, compression: str | None = "gzip", level: int = 4
) -> None:
    """Write `mesh` as VTKHDF, complete or not at all. compression: "gzip" or None.

    Text on points or cells is left out with a warning. Raises MeshFileError.
    """
    _write(path, [(None, mesh)], compression, level)


def write_vtkhdf_series(
    path: str | os.PathLike,
    steps: Iterable[tuple[float, Mesh]],
    *,
    compression: str | None = "gzip",
    level: int = 4,
) -> None:
    """Write (time, mesh) pairs into one file, one at a time; every step needs the same arrays.

    Points, cells and arrays that are those of the step before are not stored again. Raises
    MeshFileError.
    """
    _write(path, steps, compression, level)


def _write(
    path: str | os.PathLike,
    steps: Iterable[tuple[float | None, Mesh]],
    compression: str | None,
    level: int,
) -> None:
    with guarded(path, "VTKHDF"):
        if compression not in ("gzip", None):
            raise Fault("compression", f"{compression!r}, expected gzip or None")
        try:
            import h5py
        except ImportError:
            raise Fault(
                "opening the file", "the package h5py is needed", "pip install h5py"
            ) from None
        with new_name(path) as beside, Disk(beside, "x+b") as disk:
            with h5py.File(disk, "w", track_order=True) as file:
                writer = _Writer(path, file, compression, level)
                for time, mesh in steps:
                    mesh.check()
                    writer.add(time, mesh)
                    disk.require_room()
                writer.finish()
            disk.require_room()
            os.fsync(disk.fileno())


class _Writer:
    def __init__(self, path: Any, file: Any, compression: str | None, level: int) -> None:
        self.path = path
        self.root = file.create_group("VTKHDF", track_order=True)
        self.filter = {} if compression is None else {
            "compression": compression, "compression_opts": level, "shuffle": True,
        }  # fmt: skip
        self.times: list[float] = []
        self.static = True
        self.count = 0
        self.polyhedra = False
        self.tables: dict[str, list[list[int]]] = {}  # of the steps: name -> a row each
        self.stored: dict[str, bytes] = {}  # digests of what was last stored
        self.start: dict[str, int] = {}  # where the geometry of this step is, by table
        self.start_of_data: dict[str, int] = {}
        self.part = -1  # the part that this step refers to
        self.names: dict[str, list[str]] = {}

    # -- one step ---------------------------------------------------------------------------------

    def add(self, time: float | None, mesh: Mesh) -> None:
        if time is not None:
            self.static = False
            if not math.isfinite(time) or (self.times and time <= self.times[-1]):
                last = self.times[-1] if self.times else "-"
                raise Fault("times", f"{time} after {last}: they must be finite and increase")
            self.times.append(float(time))
        self._geometry(mesh)
        self._data(mesh, "point", mesh.point_data)
        self._data(mesh, "cell", mesh.cell_data)
        field_data = {**mesh.field_data, **to_field_data(mesh)}
        if time is not None:
            field_data.pop("TimeValue", None)  # the times of the steps are in their own place
        self._data(mesh, "field", field_data)
        self.count += 1

    def _geometry(self, mesh: Mesh) -> None:
        arrays = _topology(mesh)
        points = _points(mesh) if self.static else mesh.points
        if not self.count:
            self.polyhedra = "FaceOffsets" in arrays
        elif ("FaceOffsets" in arrays) != self.polyhedra:
            # Parts count faces all or none: a later polyhedron needs rows for all before it.
            reason, hint = "polyhedra come or go in the series", "write these steps as two series"
            raise Fault(f"step {self.count}", reason, hint)
        counts = {name: len(arrays[array]) for name, array in _COUNTS.items() if array in arrays}
        counts["NumberOfPoints"] = len(points)
        if self.polyhedra:
            counts["NumberOfFaces"] = len(arrays["FaceOffsets"]) - 1
        if self._is_new("topology", *arrays.values(), np.array(len(points))):
            self.part += 1
            for name, count in counts.items():
                self._append(self.root, name, np.array([count]))
            for name, values in arrays.items():
                start = self._append(self.root, name, values)
                if name in _STARTS:
                    self.start[_STARTS[name]] = start
            if self.polyhedra:  # in faces: each part has one offset more
                self.start["FaceOffsetsOffsets"] -= self.part
        if self._is_new("Points", points):
            self.start["PointOffsets"] = self._append(self.root, "Points", points)
        for name, start in {**self.start, "PartOffsets": self.part, "NumberOfParts": 1}.items():
            self.tables.setdefault(name, []).append([start])

    def _is_new(self, key: str, *arrays: np.ndarray) -> bool:
        """Whether they differ from what was last stored under `key`; remembers them."""
        digest = _digest(*arrays)
        new = self.stored.get(key) != digest
        self.stored[key] = digest
        return new

    def _data(self, mesh: Mesh, where: str, data: dict[str, np.ndarray]) -> None:
        name_of_group = f"{where.title()}Data"
        if not self.count:
            self.root.create_group(name_of_group, track_order=True)
        group = self.root[name_of_group]
        active = {mesh.storage.get(f"{where}_data.{kind}", ""): kind for kind in ACTIVE}
        found = []
        for name, values in data.items():
            text = values.dtype.kind in "UOST"
            if text and where != "field":
                if not self.count:
                    warn_lost(self.path, "VTKHDF", f"the text {name!r} on {where}s is left out")
                continue
            if text and values.ndim > 1 and not self.count:
                warn_lost(self.path, "VTKHDF", f"the text {name!r} comes back as one list")
            label = self._label(name)
            stored = _text(name, values) if text else _rows(name, values)
            if label in found:
                raise Fault(f"name {label!r}", "two arrays have it", "rename one of them")
            found.append(label)
            if self.count and label not in group:
                raise Fault(f"{where} data array {name!r}", f"new at step {self.count}",
                            self._shared(data, group))  # fmt: skip
            key = f"{where} {label}"
            if self.count and (
                group[label].shape[1:] != stored.shape[1:]
                or (not text and group[label].dtype != stored.dtype)
            ):
                reason = f"another type or shape at step {self.count}"
                raise Fault(f"{where} data array {name!r}", reason, _SAME)
            if self._is_new(key, stored):
                self.start_of_data[key] = self._append(group, label, stored)
            offsets = self.tables.setdefault(f"{where.title()}DataOffsets/{label}", [])
            offsets.append([self.start_of_data[key]])
            if where == "field":
                width = stored.shape[1] if stored.ndim > 1 else 1
                sizes = self.tables.setdefault(f"FieldDataSizes/{label}", [])
                sizes.append([width, len(stored)])
            if not self.count:
                if name in active:
                    group[label].attrs["Attribute"] = np.bytes_(active[name].encode())
                if labels := mesh.components.get((where, name)):
                    group[label].attrs["ComponentNames"] = [str(one) for one in labels]
        if self.count and set(found) != set(self.names[where]):
            missing = sorted(set(self.names[where]) - set(found))[0]
            raise Fault(f"{where} data array {missing!r}", f"missing at step {self.count}",
                        self._shared(data, group))  # fmt: skip
        self.names[where] = found

    def _shared(self, data: dict[str, np.ndarray], group: Any) -> str:
        common = [name for name in data if self._label(name) in group]
        return f"{_SAME}, as with arrays = {','.join(common)}" if common else _SAME

    def _label(self, name: str) -> str:
        """A name that HDF5 takes: no slash, for that is a path."""
        if not name or "\0" in name:
            raise Fault(f"name {name!r}", "HDF5 has no such name", "rename the array")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise Fault(f"name {name!r}", "it is no text", "rename the array") from None
        label = name.replace("/", "_")
        label = "_" if label == "." else label
        if label != name and not self.count:
            warn_lost(self.path, "VTKHDF", f"the array {name!r} is called {label!r}")
        return label

    # -- arrays of the file -----------------------------------------------------------------------

    def _append(self, group: Any, name: str, values: np.ndarray) -> int:
        """Add rows to an array, or make it; where they start."""
        if name in group:
            data = group[name]
            start = len(data)
            data.resize(start + len(values), axis=0)
            data[start:] = values
            return start
        row = max(values.dtype.itemsize * int(np.prod(values.shape[1:])), 1)
        options: dict[str, Any] = {}
        if not self.static or values.nbytes > _SMALL:
            rows = max(min(len(values), _CHUNK // row), 1)
            options = {"chunks": (rows, *values.shape[1:]), **self.filter}
        if not self.static:
            options["maxshape"] = (None, *values.shape[1:])
            if values.nbytes < _SMALL:  # small rows, such as counts, gather in a small chunk
                options["chunks"] = (max(rows, min(64, _SMALL // row)), *values.shape[1:])
        dtype = _string_type() if values.dtype == object else values.dtype
        group.create_dataset(name, data=values, dtype=dtype, **options)
        return 0

    def finish(self) -> None:
        """The type, the version and the tables of the steps."""
        if not self.count:
            raise Fault("steps", "there is none to write")
        version = _STATIC if self.static else _STEPS
        version = max(version, _POLYHEDRA if self.polyhedra else version)
        self.root.attrs["Version"] = np.array(version, np.int64)
        self.root.attrs["Type"] = np.bytes_(b"UnstructuredGrid")
        if self.static:
            return
        steps = self.root.create_group("Steps")
        steps.attrs["NSteps"] = np.int64(len(self.times))
        steps["Values"] = np.array(self.times)
        for name, rows in self.tables.items():
            values = np.array(rows, np.int64)
            pair = name in ("CellOffsets", "ConnectivityIdOffsets") or values.shape[1] > 1
            steps[name] = values if pair else values[:, 0]


def _topology(mesh: Mesh) -> dict[str, np.ndarray]:
    """The cells as the format has them."""
    nodes = mesh.cell_nodes
    if mesh.storage.get("version") in OLD_XML:
        nodes = current_order(mesh.cell_types, mesh.cell_offsets, nodes)
    out = {"Connectivity": nodes, "Offsets": mesh.cell_offsets, "Types": mesh.cell_types}
    if np.any(mesh.cell_types == POLYHEDRON):
        assert mesh.faces is not None and mesh.face_offsets is not None  # `check` saw to it
        count, size, ids = single_faces(mesh.faces, mesh.face_offsets)
        out["FaceConnectivity"] = ids
        out["FaceOffsets"] = np.concatenate([[0], np.cumsum(size)])
        out["PolyhedronToFaces"] = np.arange(len(size))
        out["PolyhedronOffsets"] = np.concatenate([[0], np.cumsum(count)])
    return out


def _points(mesh: Mesh) -> np.ndarray:
    """As the file stored them, unless that would change a coordinate."""
    dtype = mesh.storage.get("points")
    if dtype != "float32":
        return mesh.points
    with np.errstate(over="ignore"):
        stored = mesh.points.astype(np.float32)
    return stored if np.array_equal(stored.astype(np.float64), mesh.points) else mesh.points


def _rows(name: str, values: np.ndarray) -> np.ndarray:
    stored = np.ascontiguousarray(storable(name, values))
    if stored.ndim > 1:
        width = int(np.prod(stored.shape[1:]))
        if not width:
            raise Fault(f"array {name!r}", f"its shape is {values.shape}: no components")
        stored = stored.reshape((len(stored), width))
    return stored


def _text(name: str, values: np.ndarray) -> np.ndarray:
    out = np.empty(values.size, object)
    out[:] = encoded(name, values)
    return out


def _string_type() -> Any:
    import h5py

    return h5py.string_dtype("ascii")  # the kind that VTK reads, though the bytes are UTF-8


def _digest(*arrays: np.ndarray) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        if array.dtype == object:
            digest.update(b"\0".join(array.tolist()))
        elif array.size:
            digest.update(np.ascontiguousarray(array).reshape(-1).data.cast("B"))
    return digest.digest()
