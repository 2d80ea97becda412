"""VTKHDF, reading: unstructured grids and surfaces, whose parts lie one behind the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...mesh import Mesh, Region
from .._files import CUT, Fault
from .._hdf5 import Array, Group
from .._polydata import surface_types
from .._polyhedra import face_stream
from .._ragged import offsets_of, take_rows
from .._vtk_data import from_field_data, restored

if TYPE_CHECKING:
    from ._read import Reader

_SURFACE = ("Vertices", "Lines", "Polygons", "Strips")


class _Cells(NamedTuple):
    """Cells of one topology in all parts: per part, per cell, per node."""

    per_part: np.ndarray
    size: np.ndarray
    nodes: np.ndarray


class Parts:
    """The parts of an unstructured grid or a surface, at one step, joined."""

    def __init__(self, reader: Reader, group: Group, step: int | None) -> None:
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
            raise Fault(f"{group.path}/{name}", "a count is out of range", CUT)
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
        return restored(Mesh(
            points, types, offsets, nodes, data["point"], data["cell"], rest, regions,
            self.storage, faces, face_offsets, self.components,
        ))  # fmt: skip

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
            note(self.storage, self.components, where, name, array)
            yield name, values

    def _field_data(self) -> tuple[dict[str, np.ndarray], dict[str, Region]]:
        return from_field_data(self.reader.field_data(self.group, self.step))


def note(
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
