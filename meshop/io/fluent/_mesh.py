"""The mesh in Fluent's files: cells from the faces between them, or from lists of their nodes."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ...mesh import POLYGON, SIZE, Mesh, Region
from .._files import CUT, Fault
from .._labels import MIRRORED_WEDGE
from .._ragged import ragged
from ..msh._source import chain
from ._cells import Faces, plane_cells, volume_cells
from ._sections import Section, hexadecimals, sections

_DIMENSION = re.compile(rb"\d{1,9}")
_ZONE = re.compile(rb"\(\s*(\d{1,15})\s+([^\s()]+)(?:\s+([^\s()]+))?")
_CODES = {1: 5, 2: 10, 3: 9, 4: 12, 5: 14, 6: 13}  # of cells that are listed by their nodes
_INTERIOR, _PARENT = 2, 31  # kinds of face zones
_KINDS = {
    3: "wall", 4: "pressure-inlet", 5: "pressure-outlet", 7: "symmetry", 8: "periodic-shadow",
    9: "pressure-far-field", 10: "velocity-inlet", 12: "periodic", 14: "fan",
    20: "mass-flow-inlet", 24: "interface", 36: "outflow", 37: "axis",
}  # fmt: skip


class Zone(NamedTuple):
    """A section of faces or cells: what its head says, and its place in the list of all."""

    id: int
    first: int
    last: int
    kind: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class CaseFile:
    """What the sections of a mesh or case hold; `mesh` makes cells of it.

    number: (n,) of each cell of the file its place in the mesh, -1 for none; None where the cells
    are not numbered (lists of nodes, faces alone). zones: of cells.
    """

    def __init__(self, data: bytes) -> None:
        self.dimension = 3
        self.number: np.ndarray | None = None
        self.names: dict[int, tuple[str, str]] = {}  # kind and name of a zone
        self.points: list[tuple[int, np.ndarray]] = []  # number of the first, coordinates
        self.faces: list[tuple[Zone, Faces]] = []
        self.zones: list[Zone] = []
        self.listed: list[tuple[Zone, int, np.ndarray]] = []  # code, nodes of each cell
        self.split_faces: list[np.ndarray] = []  # numbers of faces and cells that were split
        self.split_cells: list[np.ndarray] = []
        for section in sections(data, _READERS):
            if section.head is not None:
                head = hexadecimals(section.head, section.where).tolist()
                _READERS[section.kind](self, section, head)
            elif section.kind == 2 and (found := _DIMENSION.match(data, section.at)):
                self.dimension = int(found[0])
                if self.dimension not in (2, 3):
                    raise Fault("section (2", f"{self.dimension} dimensions, expected 2 or 3")
            elif section.kind in (39, 45) and (found := _ZONE.match(data, section.at)):
                words = (word.decode("utf-8", "replace") for word in (found[2], found[3] or b""))
                kind, name = words
                self.names[int(found[1])] = kind, name

    # -- sections -------------------------------------------------------------------------------

    def _points(self, section: Section, head: list[int]) -> None:
        zone = _zone(section, head)
        if not section.body:
            return
        dimension = head[4] if len(head) > 4 and head[4] else self.dimension
        if dimension not in (2, 3):
            raise Fault(section.where, f"{dimension} coordinates a point, expected 2 or 3")
        found = section.floats(zone.size * dimension)
        self.points.append((zone.first, found.reshape(-1, dimension)))

    def _cells(self, section: Section, head: list[int]) -> None:
        zone = _zone(section, head)
        kind = head[4] if len(head) > 4 else 0
        if not section.body or kind == 0:  # of mixed kinds: those follow from the faces, too
            if zone.id:
                self.zones.append(zone)
            return
        if kind not in _CODES:
            reason = f"cells of type {kind} listed by their nodes, expected 1 to 6"
            raise Fault(section.where, reason)
        size = int(SIZE[_CODES[kind]])
        found = section.integers(zone.size * size)
        if len(found) != zone.size * size:
            reason = f"{len(found)} nodes, expected {size} for each of {zone.size} cells"
            raise Fault(section.where, reason)
        nodes = found.reshape(-1, size)
        self.listed.append((zone, _CODES[kind], nodes[:, MIRRORED_WEDGE] if kind == 6 else nodes))

    def _faces(self, section: Section, head: list[int]) -> None:
        zone = _zone(section, head)
        if not section.body or not zone.id:
            return
        kind, count = head[4] if len(head) > 4 else 0, zone.size
        if kind not in (0, 2, 3, 4, 5):
            raise Fault(section.where, f"faces of type {kind}, expected 0, or 2 to 5")
        fixed = kind in (2, 3, 4)
        found = section.integers(count * (kind + 2) if fixed else None)
        if fixed:
            if len(found) != count * (kind + 2):
                reason = f"{len(found)} numbers, expected {kind + 2} for each of {count} faces"
                raise Fault(section.where, reason, CUT)
            rows = found.reshape(-1, kind + 2)
            sizes = np.full(count, kind)
            faces = Faces(sizes, rows[:, :-2].ravel(), rows[:, -2].copy(), rows[:, -1].copy())
        else:
            starts = chain(np.minimum(found, len(found)) + 3, count, 5, section.where)
            sizes = found[starts]
            nodes = found[ragged(starts + 1, sizes)]
            faces = Faces(sizes, nodes, found[starts + sizes + 1], found[starts + sizes + 2])
        self.faces.append((zone, faces))

    def _tree(self, section: Section, head: list[int]) -> None:
        """Faces (59) or cells (58) of the numbers in the head were split."""
        if not section.body or len(head) < 2:
            return
        kids = section.integers(None)
        first, last = head[:2]
        if not 0 <= last - first < max(len(kids), 1):
            raise Fault(section.where, f"{first:x} to {last:x}, with {len(kids)} numbers", CUT)
        into = self.split_cells if section.kind == 58 else self.split_faces
        into.append(np.arange(first, last + 1))

    def _interface(self, section: Section, head: list[int]) -> None:
        """Each face of an interface has two parents (61); or rows of a face and its parent (62)."""
        found = section.integers(None)
        found = found if section.kind == 61 else found[1::2]
        self.split_faces.append(found[found > 0])

    # -- the mesh -------------------------------------------------------------------------------

    def mesh(self) -> Mesh:
        if not self.points:
            hint = "give the case (.cas): the results in a .dat beside it are read with it"
            raise Fault("content", "no nodes (section 10)", hint)
        points, first = self._all_points()
        plane = self.dimension == 2 or points.shape[1] == 2
        storage = {"points": points.dtype.newbyteorder("=").name}
        if points.shape[1] == 2:
            storage["dimension"] = "2"
            points = np.column_stack([points, np.zeros(len(points))])
        points = points.astype(np.float64)
        faces = self._all_faces(first, len(points))
        if self.listed:
            return self._of_listed(points, first, faces, storage)
        keep = self._whole(faces)
        n_cells = 1 + max(int(column.max(initial=-1)) for column in (faces.first, faces.second))
        n_cells = max(n_cells, self._last_cell())
        if n_cells > 2 * len(faces.sizes):
            reason = f"{n_cells} cells declared, {len(faces.sizes)} faces found"
            raise Fault("cells (12)", reason, CUT)
        if not n_cells:
            return self._surface(points, faces, storage)
        beside = keep & ((faces.first >= 0) | (faces.second >= 0))
        used = np.zeros(n_cells + 1, bool)  # the last one stands for none
        used[faces.first[beside]] = used[faces.second[beside]] = True
        used = used[:-1]
        self._require_faces(used)
        number = np.append(np.cumsum(used) - 1, -1)
        found = faces.take(np.flatnonzero(beside))
        found = found._replace(first=number[found.first], second=number[found.second])
        if np.any(wrong := found.sizes != 2 if plane else found.sizes < 3):
            size = found.sizes[wrong][0]
            raise Fault("faces (13)", f"a face of {size} nodes, in {2 if plane else 3} dimensions")
        make = plane_cells if plane else volume_cells
        cells = make(found, int(used.sum()), points)
        regions = _Regions()
        for zone in self.zones:
            ids = np.arange(zone.first - 1, zone.last)
            if len(ids := number[ids[used[ids]]]):
                name = self._name(zone, "solid" if zone.kind == 17 else "fluid")
                regions.add(name, "cell", ids)
        self._add_facets(regions, faces, keep)
        self.number = np.where(used, number[:-1], -1)
        types, offsets, nodes, stream, ends = cells
        return Mesh(
            points, types, offsets, nodes, {}, {}, {}, regions.joined(), storage, stream, ends
        )

    def _last_cell(self) -> int:
        """The highest number in the zones of cells, none of which is in two of them."""
        last = 0
        for zone in sorted(self.zones, key=lambda zone: zone.first):
            if zone.first <= last:
                raise Fault("cells (12)", f"cell {zone.first:x} is in two zones, or is number 0")
            last = max(last, zone.last)
        return last

    def _all_points(self) -> tuple[np.ndarray, int]:
        """The points in the order of their numbers, and the number of the first."""
        parts = sorted(self.points, key=lambda part: part[0])
        expected = first = parts[0][0]
        for start, found in parts:
            if start != expected:
                what = "are missing" if start > expected else "are there twice"
                low, high = sorted((start, expected))
                raise Fault("nodes (10)", f"nodes {low:x} to {high - 1:x} {what}", CUT)
            expected += len(found)
        if len({found.shape[1] for _, found in parts}) > 1:
            raise Fault("nodes (10)", "some have two coordinates, others three")
        return np.concatenate([found for _, found in parts]), first

    def _all_faces(self, first: int, n_points: int) -> Faces:
        """The faces in the order of the file, nodes and cells counted from 0."""
        none = np.empty(0, np.int64)
        rows = [Faces(none, none, none, none), *(faces for _, faces in self.faces)]
        sizes, nodes, right, left = (np.concatenate(part) for part in zip(*rows, strict=True))
        nodes -= first
        if len(nodes) and not 0 <= nodes.min() <= nodes.max() < n_points:
            wrong = nodes[(nodes < 0) | (nodes >= n_points)][0] + first
            raise Fault("faces (13)", f"node {wrong:x}, of {n_points:x} nodes")
        if len(right) and min(right.min(), left.min()) < 0:
            raise Fault("faces (13)", "the number of a cell is negative")
        return Faces(sizes, nodes, right - 1, left - 1)

    def _whole(self, faces: Faces) -> np.ndarray:
        """Which faces were not split into others."""
        keep = np.ones(len(faces.sizes), bool)
        row = 0
        split = np.unique(np.concatenate([np.empty(0, np.int64), *self.split_faces]))
        for zone, found in self.faces:
            mine = slice(row, row + len(found.sizes))
            if zone.kind == _PARENT:
                keep[mine] = False
            else:
                low, high = np.searchsorted(split, [zone.first, zone.last + 1])
                keep[row + split[low:high] - zone.first] = False
            row = mine.stop
        return keep

    def _require_faces(self, used: np.ndarray) -> None:
        """Only cells that were split, or are of no use to the solver, may be without faces."""
        bare = ~used
        for zone in self.zones:
            if zone.kind in (0, 32):
                bare[zone.first - 1 : zone.last] = False
        for ids in self.split_cells:
            bare[ids[(ids > 0) & (ids <= len(used))] - 1] = False
        if bare.any():
            raise Fault(f"cell {int(np.argmax(bare)) + 1:x}", "no face belongs to it", CUT)

    def _name(self, zone: Zone, kind: str) -> str:
        return self.names.get(zone.id, ("", ""))[1] or f"{kind}-{zone.id}"

    def _add_facets(self, regions: _Regions, faces: Faces, keep: np.ndarray) -> None:
        """Zones of faces, apart from those inside of the volume."""
        row = 0
        for zone, found in self.faces:
            mine = np.arange(row, row + len(found.sizes))
            row += len(mine)
            inside = zone.kind == _INTERIOR or self.names.get(zone.id, ("",))[0] == "interior"
            if not inside and len(mine := mine[keep[mine]]):
                name = self._name(zone, _KINDS.get(zone.kind, "faces"))
                regions.add(name, "facet", faces.take(mine).padded())

    def _surface(self, points: np.ndarray, faces: Faces, storage: dict[str, str]) -> Mesh:
        """A mesh of faces alone: each is a cell."""
        types = np.full(len(faces.sizes), POLYGON, np.uint8)
        for size, code in ((2, 3), (3, 5), (4, 9)):
            types[faces.sizes == size] = code
        if np.any(faces.sizes < 2):
            raise Fault("faces (13)", f"a face of {faces.sizes.min()} nodes")
        offsets = np.concatenate([[0], np.cumsum(faces.sizes)])
        regions = _Regions()
        row = 0
        for zone, found in self.faces:
            ids = np.arange(row, row + len(found.sizes))
            row += len(ids)
            regions.add(self._name(zone, _KINDS.get(zone.kind, "faces")), "cell", ids)
        return Mesh(points, types, offsets, faces.nodes, {}, {}, {}, regions.joined(), storage)

    def _of_listed(
        self, points: np.ndarray, first: int, faces: Faces, storage: dict[str, str]
    ) -> Mesh:
        """Cells that are given by their nodes."""
        types = np.concatenate([np.full(len(ids), code) for _, code, ids in self.listed])
        nodes = np.concatenate([ids.ravel() for _, _, ids in self.listed]) - first
        regions = _Regions()
        row = 0
        for zone, _, ids in self.listed:
            if zone.id in self.names:
                regions.add(self._name(zone, ""), "cell", np.arange(row, row + len(ids)))
            row += len(ids)
        self._add_facets(regions, faces, self._whole(faces))
        offsets = np.concatenate([[0], np.cumsum(SIZE[types])])
        return Mesh(points, types, offsets, nodes, {}, {}, {}, regions.joined(), storage)


_READERS = {
    10: CaseFile._points,
    12: CaseFile._cells,
    13: CaseFile._faces,
    58: CaseFile._tree,
    59: CaseFile._tree,
    61: CaseFile._interface,
    62: CaseFile._interface,
}


class _Regions:
    """Regions by name; zones of one name and kind are one."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], list[np.ndarray]] = {}

    def add(self, name: str, kind: str, ids: np.ndarray) -> None:
        self.parts.setdefault((name, kind), []).append(ids)

    def joined(self) -> dict[str, Region]:
        out: dict[str, Region] = {}
        for (name, kind), parts in self.parts.items():
            while name in out:
                name += f" {kind}s"
            if kind == "facet":
                width = max(part.shape[1] for part in parts)
                pads = [((0, 0), (0, width - part.shape[1])) for part in parts]
                parts = [np.pad(a, b, constant_values=-1) for a, b in zip(parts, pads, strict=True)]
            out[name] = Region(kind, np.concatenate(parts))
        return out


def _zone(section: Section, head: list[int]) -> Zone:
    if len(head) < 3:
        reason = f"{len(head)} numbers in its head, expected a zone, first and last"
        raise Fault(section.where, reason)
    zone = Zone(head[0], head[1], head[2], head[3] if len(head) > 3 else 0)
    if zone.id and zone.last < zone.first - 1:
        raise Fault(section.where, f"it goes from {zone.first:x} to {zone.last:x}")
    return zone
