"""VTKHDF, reading: grids, surfaces, images and blocks of them; steps one by one.

Source: VTK documentation, "VTKHDF file format", version 2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...mesh import Mesh, Region, join
from .._files import Fault, guarded
from .._format import Arrays, Series
from .._polydata import surface_types
from .._polyhedra import face_stream
from .._ragged import offsets_of, take_rows
from .._region_arrays import from_field_data
from .._structured import box_points, check_dimensions, structured_cells
from ._hdf5 import Array, Group, Hdf5File, Link, arrays_of

NAME = "VTKHDF"
ROOT = "/VTKHDF"
_BLOCKS = ("MultiBlockDataSet", "PartitionedDataSetCollection")
_SURFACE = ("Vertices", "Lines", "Polygons", "Strips")
_CUT = "the file is cut off or damaged: copy or write it again"
_MAX_DEPTH = 16


def read_vtkhdf(path: Path, arrays: Arrays = None) -> Mesh:
    """Read a VTKHDF file; of several steps the last. Raises MeshFileError."""
    steps = series_vtkhdf(path, arrays)
    return steps[len(steps) - 1]


def series_vtkhdf(path: Path, arrays: Arrays = None) -> Series:
    """The steps of a VTKHDF file, each read when it is asked for. Raises MeshFileError."""
    with guarded(path, NAME):
        reader = _Reader(Hdf5File(path, ROOT), None if arrays is None else set(arrays))
        times = reader.times()

    def load(index: int) -> Mesh:
        with guarded(path, NAME):
            return reader.mesh(index if times is not None else None)

    if times is None:
        mesh = load(0)
        time = np.ravel(mesh.field_data.get("TimeValue", 0.0))
        known = time.size and time.dtype.kind in "iuf"
        return Series([float(time[0]) if known else 0.0], lambda _: mesh)

    def at(index: int) -> Mesh:
        mesh = load(index)
        mesh.field_data["TimeValue"] = np.array([times[index]])
        return mesh

    return Series(times, at)


class _Cells(NamedTuple):
    """Cells of one topology in all parts: per part, per cell, per node."""

    per_part: np.ndarray
    size: np.ndarray
    nodes: np.ndarray


class _Reader:
    def __init__(self, file: Hdf5File, arrays: set[str] | None) -> None:
        self.file, self.arrays = file, arrays
        self.root = file.root

    # -- blocks and times -------------------------------------------------------------------------

    def times(self) -> list[float] | None:
        """The times of the steps, None where the file has no steps."""
        for _, block in self._blocks():
            if (steps := block.group("Steps")) is None:
                continue
            values = steps.array("Values")
            if values is None or len(values.shape) != 1:
                raise Fault("Steps", "the times in Values are missing")
            found = self._numbers(values).astype(np.float64)
            count = steps.attributes.get("NSteps", len(found))
            if isinstance(count, list):
                count = count[0] if count else 0
            if not isinstance(count, int) or not 0 < count <= len(found):
                raise Fault("Steps", f"{count!r} steps, {len(found)} times")
            if not np.all(np.isfinite(found[:count])):
                raise Fault("Steps", "a time is not finite")
            return found[:count].tolist()
        return None

    def mesh(self, step: int | None) -> Mesh:
        blocks = self._blocks()
        if len(blocks) == 1 and blocks[0][0] is None:
            return self._block(blocks[0][1], step)
        if not blocks:
            raise Fault(ROOT, "it holds no blocks")
        meshes = [self._block(block, step) for _, block in blocks]
        return join(meshes, [str(name) for name, _ in blocks])

    def _blocks(self) -> list[tuple[str | None, Group]]:
        """(name, group) of every block, in the order of the assembly; (None, root) without any."""
        root = self.root
        if _type(root) not in _BLOCKS:
            return [(None, root)]
        found: list[tuple[str | None, Group]] = []
        if assembly := root.group("Assembly"):
            for name, link in _leaves(assembly):
                target = link.target.removeprefix(ROOT + "/")
                block = root.group(target) if not link.refused else None
                if block is None:
                    raise Fault(link.path, link.refused or f"there is no block {link.target!r}")
                found.append((name, block))
        else:
            names = [n for n, g in root.children.items() if isinstance(g, Group)]
            found = [(n, g) for n in names if (g := root.group(n)) is not None]
        seen: dict[str | None, int] = {}
        for index, (label, block) in enumerate(found):
            again = seen[label] = seen.get(label, -1) + 1
            found[index] = (f"{label}_{again}" if again else label, block)
        return found

    def _block(self, group: Group, step: int | None) -> Mesh:
        kind = _type(group)
        version = group.attributes.get("Version", self.root.attributes.get("Version"))
        if version is not None and (not isinstance(version, list) or version[0] not in (0, 1, 2)):
            raise Fault(group.path, f"version {version!r}, expected 1 or 2", "update meshop")
        if kind == "UnstructuredGrid":
            return _Parts(self, group, step).unstructured()
        if kind == "PolyData":
            return _Parts(self, group, step).surface()
        if kind in ("ImageData", "RectilinearGrid", "StructuredGrid"):
            return self._structured(group, kind, step)
        raise Fault(group.path, f"type {kind[:40]!r} is no mesh that is read here")

    # -- arrays -----------------------------------------------------------------------------------

    def _numbers(self, array: Array, start: int = 0, stop: int | None = None) -> np.ndarray:
        if array.dtype == "text":
            raise Fault(array.path, "it is text, expected numbers")
        return self.file.read(array, start, stop)

    def rows(self, group: Group, name: str, start: int, count: int) -> np.ndarray:
        """int64 rows of an array that must be there."""
        array = group.array(name)
        if array is None:
            if count:
                raise Fault(f"{group.path}/{name}", "it is missing")
            return np.empty(0, np.int64)
        if np.dtype(array.dtype if array.dtype != "text" else "O").kind not in "iu":
            raise Fault(array.path, f"its type is {array.dtype}, expected integers")
        if len(array.shape) != 1:
            raise Fault(array.path, f"its shape is {array.shape}, expected one dimension")
        values = self._numbers(array, start, start + count)
        if values.dtype == np.uint64 and len(values) and values.max() > 1 << 62:
            raise Fault(array.path, f"the value {values.max()} is out of range")
        return values.astype(np.int64, copy=False)

    def table(self, group: Group | None, name: str, step: int, columns: int = 1) -> list[int]:
        """The row of `step` in an array of the steps; zeros where there is no such array."""
        array = group.array(name) if group else None
        if array is None:
            return [0] * columns
        values = self._numbers(array, step, step + 1)
        if values.dtype.kind not in "iu" or values.size < columns:
            raise Fault(array.path, f"{values.size} {values.dtype} values a step, not {columns}")
        found = [int(v) for v in values.ravel()[:columns]]
        if min(found) < 0:
            raise Fault(array.path, f"the value {min(found)} is out of range")
        return found

    def wanted(self, group: Group | None) -> Iterator[tuple[str, Array]]:
        for name, array in arrays_of(group):
            if self.arrays is None or name in self.arrays:
                yield name, array

    def field_data(self, group: Group, step: int | None) -> dict[str, np.ndarray]:
        steps = group.group("Steps") if step is not None else None
        out = {}
        for name, array in arrays_of(group.group("FieldData")):
            start, stop, components = 0, None, 0
            if steps is not None and step is not None:
                offsets, sizes = steps.group("FieldDataOffsets"), steps.group("FieldDataSizes")
                tuples = 1
                if sizes is not None and sizes.array(name) is not None:
                    components, tuples = self.table(sizes, name, step, 2)
                known = offsets is not None and offsets.array(name) is not None
                start = self.table(offsets, name, step)[0] if known else min(step, array.shape[0])
                if not known and not tuples <= array.shape[0] - start:
                    start = 0
                stop = start + tuples
            values = self.file.read(array, start, stop)
            if values.ndim > 2 or (components > 1 and values.ndim == 1):
                values = values.reshape(len(values), -1)
            out[name] = np.atleast_1d(values)
        return out

    # -- structured -------------------------------------------------------------------------------

    def _structured(self, group: Group, kind: str, step: int | None) -> Mesh:
        """Images, rectilinear and structured grids as explicit cells."""
        low = [0, 0, 0]
        if kind == "ImageData":
            extent = _vector(group, "WholeExtent", 6, None)
            low = [int(v) for v in extent[::2]]
            i, j, k = (int(b) - a + 1 for a, b in zip(low, extent[1::2], strict=True))
        else:
            i, j, k = (int(v) for v in _vector(group, "Dimensions", 3, None))
        dimensions = (i, j, k)
        found: dict[str, dict[str, np.ndarray]] = {}
        stored = sum(
            a.stored
            for where in ("PointData", "CellData")
            for _, a in arrays_of(group.group(where))
        )
        if (array := group.array("Points")) is not None:
            stored += array.stored
        points = check_dimensions(dimensions, stored * 8, "Dimensions")
        types, offsets, nodes = structured_cells(dimensions, kind != "StructuredGrid")
        storage: dict[str, str] = {"points": "float64"}
        components: dict[tuple[str, str], tuple[str, ...]] = {}
        for where, length in (("point", points), ("cell", len(types))):
            found[where] = {}
            for name, array in self.wanted(group.group(f"{where.title()}Data")):
                values = self._of_step(group, array, where, name, step)
                if values.size % max(length, 1) or (values.size and not length):
                    raise Fault(array.path, f"{values.size} values for {length} {where}s", _CUT)
                if length:
                    width = values.size // length
                    found[where][name] = values.reshape((length, width)[: 1 + (width != 1)])
                _note(storage, components, where, name, array)
        grid = self._grid(group, kind, low, dimensions)
        rest, regions = from_field_data(self.field_data(group, step))
        return Mesh(
            grid, types, offsets, nodes, found["point"], found["cell"], rest, regions, storage,
            components=components,
        )  # fmt: skip

    def _grid(
        self, group: Group, kind: str, low: list[int], dimensions: tuple[int, int, int]
    ) -> np.ndarray:
        """(N, 3) points of a structured grid."""
        if kind == "StructuredGrid":
            array = group.array("Points")
            if array is None or math.prod(array.shape) != 3 * math.prod(dimensions):
                shape = array.shape if array else "no"
                raise Fault(f"{group.path}/Points", f"{shape} values, dimensions are {dimensions}")
            return self._numbers(array).reshape(-1, 3)
        if kind == "RectilinearGrid":
            axes = []
            for name, count in zip("XYZ", dimensions, strict=True):
                array = group.array(f"{name}Coordinates")
                if array is None or array.shape != (count,):
                    shape = array.shape if array else "no"
                    where = f"{group.path}/{name}Coordinates"
                    raise Fault(where, f"{shape} values, dimensions are {dimensions}")
                axes.append(self._numbers(array))
            return box_points(axes)
        origin = np.array(_vector(group, "Origin", 3, [0.0] * 3))
        spacing = _vector(group, "Spacing", 3, [1.0] * 3)
        turn = np.array(_vector(group, "Direction", 9, np.eye(3).ravel().tolist())).reshape(3, 3)
        steps = zip(spacing, low, dimensions, strict=True)
        with np.errstate(over="ignore", invalid="ignore"):
            grid = box_points([s * (a + np.arange(n)) for s, a, n in steps])
            return grid + origin if np.array_equal(turn, np.eye(3)) else grid @ turn.T + origin

    def _of_step(
        self, group: Group, array: Array, where: str, name: str, step: int | None
    ) -> np.ndarray:
        """The values of an image's array; with steps, its first axis is time."""
        steps = group.group("Steps") if step is not None else None
        if steps is None or step is None or not array.shape:
            return self._numbers(array)
        offsets = steps.group(f"{where.title()}DataOffsets")
        at = step
        if offsets is not None and offsets.array(name) is not None:
            at = self.table(offsets, name, step)[0]
        return self._numbers(array, at, at + 1)


class _Parts:
    """The parts of an unstructured grid or a surface, at one step, joined."""

    def __init__(self, reader: _Reader, group: Group, step: int | None) -> None:
        self.reader, self.group = reader, group
        self.step = step
        steps = self.steps = group.group("Steps") if step is not None else None
        array = group.array("NumberOfPoints")
        total = array.shape[0] if array else 0
        if step is None or steps is None:
            self.first, self.parts, self.point_start = 0, total, 0
        else:
            self.first = reader.table(steps, "PartOffsets", step)[0]
            self.parts = 1
            if steps.array("NumberOfParts"):
                self.parts = reader.table(steps, "NumberOfParts", step)[0]
            self.point_start = reader.table(steps, "PointOffsets", step)[0]
        self.points_of = self._counts(group, "NumberOfPoints")
        self.n_points = sum(self.points_of.tolist())
        self.before = np.cumsum(self.points_of) - self.points_of
        self.storage: dict[str, str] = {}
        self.components: dict[tuple[str, str], tuple[str, ...]] = {}

    def _counts(self, group: Group, name: str) -> np.ndarray:
        """How many there are in each part; what they count is read later and checked then."""
        found = self.reader.rows(group, name, self.first, self.parts)
        if found.min(initial=0) < 0 or found.max(initial=0) > 1 << 48:
            raise Fault(f"{group.path}/{name}", "a count is out of range", _CUT)
        return found

    def _points(self) -> np.ndarray:
        array = self.group.array("Points")
        if array is None:
            if self.n_points:
                raise Fault("Points", "they are missing")
            return np.empty((0, 3))
        if array.dtype == "text" or array.shape[1:] != (3,):
            raise Fault("Points", f"shape {array.shape} of {array.dtype}, expected (N, 3) numbers")
        values = self.reader.file.read(array, self.point_start, self.point_start + self.n_points)
        self.storage["points"] = values.dtype.name
        return values

    def _cells(self, group: Group, column: int, columns: int) -> tuple[_Cells, int]:
        """The cells of one topology, and where their other arrays start."""
        reader, steps, step = self.reader, self.steps, self.step
        cell_start = connectivity_start = 0
        if steps is not None and step is not None:
            cell_start = reader.table(steps, "CellOffsets", step, columns)[column]
            name = "ConnectivityIdOffsets"
            connectivity_start = reader.table(steps, name, step, columns)[column]
        cells = self._counts(group, "NumberOfCells")
        ids = self._counts(group, "NumberOfConnectivityIds")
        # Each part has one offset more than cells.
        size = self._sizes(group, "Offsets", cell_start + self.first, cells, ids)
        nodes = reader.rows(group, "Connectivity", connectivity_start, sum(ids.tolist()))
        low, high = nodes.min(initial=0), nodes.max(initial=-1)
        if low < 0 or high >= max(self.n_points, 1):
            raise Fault(f"{group.path}/Connectivity", f"a node is {low if low < 0 else high}, "
                        f"there are {self.n_points} points")  # fmt: skip
        return _Cells(cells, size, self._moved(nodes, ids)), cell_start

    def _moved(self, nodes: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Nodes of parts, `counts` each, as nodes of the whole."""
        return nodes if self.parts < 2 else nodes + np.repeat(self.before, counts)

    def _sizes(
        self, group: Group, name: str, start: int, counts: np.ndarray, lengths: np.ndarray
    ) -> np.ndarray:
        """Sizes from offsets: each part has one more than `counts`, from 0 to its length."""
        total = sum(counts.tolist())
        offsets = self.reader.rows(group, name, start, total + self.parts if total else 0)
        if not total:
            if np.any(lengths):
                raise Fault(f"{group.path}/{name}", "there are ids, and nothing to hold them")
            return np.empty(0, np.int64)
        ends = np.cumsum(counts + 1) - 1
        firsts = ends - counts
        size = np.diff(offsets)
        keep = np.ones(len(size), bool)
        keep[ends[:-1]] = False
        size = size[keep]
        if np.any(offsets[firsts]) or np.any(offsets[ends] != lengths) or size.min() < 0:
            raise Fault(f"{group.path}/{name}", "offsets must grow from 0 to the number of ids")
        return size

    def unstructured(self) -> Mesh:
        group, reader = self.group, self.reader
        points = self._points()
        cells, start = self._cells(group, 0, 1)
        types = reader.rows(group, "Types", start, len(cells.size))
        faces, face_offsets = self._faces(cells, start)
        return self._mesh(points, types, cells.size, cells.nodes, start, faces, face_offsets)

    def _faces(self, cells: _Cells, start: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        group, reader, steps = self.group, self.reader, self.steps
        if group.array("PolyhedronToFaces") is None or group.array("NumberOfFaces") is None:
            return None, None
        names = ("FaceOffsetsOffsets", "FaceConnectivityOffsets", "PolyhedronToFaceIdOffsets")
        at_face, at_node, at_use = (
            reader.table(steps, name, self.step)[0] if self.step is not None else 0
            for name in names
        )
        n_faces = self._counts(group, "NumberOfFaces")
        n_nodes = self._counts(group, "NumberOfFaceConnectivityIds")
        n_uses = self._counts(group, "NumberOfPolyhedronToFaceIds")
        size = self._sizes(group, "FaceOffsets", at_face + self.first, n_faces, n_nodes)
        nodes = reader.rows(group, "FaceConnectivity", at_node, sum(n_nodes.tolist()))
        used = reader.rows(group, "PolyhedronToFaces", at_use, sum(n_uses.tolist()))
        count = self._sizes(group, "PolyhedronOffsets", start + self.first, cells.per_part, n_uses)
        if used.min(initial=0) < 0 or used.max(initial=-1) >= max(sum(n_faces.tolist()), 1):
            raise Fault("PolyhedronToFaces", "a face is out of range")
        if nodes.min(initial=0) < 0 or nodes.max(initial=-1) >= max(self.n_points, 1):
            raise Fault("FaceConnectivity", "a node is out of range")
        nodes = self._moved(nodes, n_nodes)
        used = used + np.repeat(np.cumsum(n_faces) - n_faces, n_uses)
        return face_stream(count, used, size, nodes)

    def surface(self) -> Mesh:
        points = self._points()
        found: list[_Cells] = []
        start = 0
        for column, name in enumerate(_SURFACE):
            if (group := self.group.group(name)) is not None:
                cells, at = self._cells(group, column, 4)
                start += at
            else:
                none = np.empty(0, np.int64)
                cells = _Cells(np.zeros(self.parts, np.int64), none, none)
            found.append(cells)
        types = [surface_types(kind, cells.size) for kind, cells in enumerate(found)]
        # Cell data run over the parts, in each over the four kinds: so do the cells.
        part = np.concatenate([np.repeat(np.arange(self.parts), c.per_part) for c in found])
        order = np.argsort(part, kind="stable")
        size = np.concatenate([c.size for c in found])
        nodes = np.concatenate([c.nodes for c in found])
        if self.parts > 1:
            _, nodes = take_rows(offsets_of(size), nodes, order)
        return self._mesh(points, np.concatenate(types)[order], size[order], nodes, start)

    def _mesh(
        self,
        points: np.ndarray,
        types: np.ndarray,
        size: np.ndarray,
        nodes: np.ndarray,
        cell_start: int,
        faces: np.ndarray | None = None,
        face_offsets: np.ndarray | None = None,
    ) -> Mesh:
        data = {
            where: dict(self._data(where, length, start))
            for where, length, start in (
                ("point", self.n_points, self.point_start),
                ("cell", len(size), cell_start),
            )
        }
        rest, regions = self._field_data()
        offsets = np.concatenate([[0], np.cumsum(size)])
        return Mesh(
            points, types, offsets, nodes, data["point"], data["cell"], rest, regions,
            self.storage, faces, face_offsets, self.components,
        )  # fmt: skip

    def _data(self, where: str, length: int, start: int) -> Iterator[tuple[str, np.ndarray]]:
        steps = self.steps.group(f"{where.title()}DataOffsets") if self.steps else None
        for name, array in self.reader.wanted(self.group.group(f"{where.title()}Data")):
            at = start
            if steps is not None and steps.array(name) is not None and self.step is not None:
                at = self.reader.table(steps, name, self.step)[0]
            values = self.reader.file.read(array, at, at + length)
            if values.ndim > 2:
                values = values.reshape(len(values), -1)
            if values.ndim == 2 and values.shape[1] == 1:
                values = values[:, 0]
            _note(self.storage, self.components, where, name, array)
            yield name, values

    def _field_data(self) -> tuple[dict[str, np.ndarray], dict[str, Region]]:
        return from_field_data(self.reader.field_data(self.group, self.step))


def _type(group: Group) -> str:
    kind = group.attributes.get("Type", "")
    return kind if isinstance(kind, str) else ""


def _note(
    storage: dict[str, str],
    components: dict[tuple[str, str], tuple[str, ...]],
    where: str,
    name: str,
    array: Array,
) -> None:
    """What the attributes of an array say: that it is the active one, names of components."""
    kind = array.attributes.get("Attribute")
    if isinstance(kind, str):
        storage.setdefault(f"{where}_data.{kind}", name)
    labels = array.attributes.get("ComponentNames")
    if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
        components[where, name] = tuple(labels)


def _vector(group: Group, name: str, count: int, default: list[float] | None) -> list[Any]:
    found = group.attributes.get(name, default)
    numbers = isinstance(found, list) and all(isinstance(v, int | float) for v in found)
    if not numbers or found is None or len(found) != count:
        raise Fault(f"{group.path}: {name}", f"{json.dumps(found)[:60]}, expected {count} numbers")
    if default is None and any(int(v) != v or abs(v) > 1 << 40 for v in found):
        raise Fault(f"{group.path}: {name}", f"{found} is out of range")
    return found


def _leaves(group: Group, depth: int = 0) -> Iterator[tuple[str, Link]]:
    if depth > _MAX_DEPTH:
        raise Fault(group.path, "its blocks nest too deeply")
    for name, child in group.children.items():
        if isinstance(child, Link):
            yield name, child
        elif isinstance(child, Group):
            yield from _leaves(child, depth + 1)
