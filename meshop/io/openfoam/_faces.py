"""Faces from cells, in the order that OpenFOAM wants, and regions as patches and zones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...mesh import CELL_TYPES, DIM, POLYHEDRON, Mesh, parse_faces
from ...mesh.vectors import area, dot, gathered, length
from .._face_cells import SHAPES, cells_of
from .._files import Fault
from .._format import warn_lost
from .._ragged import offsets_of, ragged
from ._mesh import PATCH, Patch, PolyMesh

_CHUNK = 1 << 15  # facets at once
_MIX = np.uint64(0x9E3779B97F4A7C15)


class _Facets:
    """All facets of all volumes: nodes in one array, by size; pairs found by their sorted nodes."""

    def __init__(self, mesh: Mesh, cells: np.ndarray) -> None:
        groups = _simple(_listed(mesh, cells))
        sizes = sorted(groups)
        faces = sum(np.bincount(groups[k][1], minlength=len(cells)) for k in sizes)
        if np.min(faces) < 4:
            reason = f"it has {np.min(faces)} faces of three or more different nodes"
            raise Fault(f"cell {cells[np.argmin(faces)]}", reason, "repair or remove it")
        self.ids = cells
        self.nodes, self.cell, self.rank = (
            _end_to_end([groups[k][column] for k in sizes]) for column in range(3)
        )
        label = np.int32 if len(self.nodes) < 1 << 30 else np.int64  # half the memory
        self.cell = self.cell.astype(label, copy=False)
        self.size = np.repeat(np.array(sizes, label), [len(groups[k][1]) for k in sizes])
        self.start = np.cumsum(self.size, dtype=label) - self.size
        self.other: np.ndarray = np.full(len(self.cell), -1, label)  # the facet on the other side
        self._first: dict[int, int] = {}
        self._sorted: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        named = any(region.kind != "point" for region in mesh.regions.values())
        first = 0
        for k in sizes:
            self._first[k] = first
            count = len(groups.pop(k)[0])
            at = int(self.start[first])
            self._sorted[k] = self._pair(self.nodes[at : at + k * count].reshape(-1, k), first)
            if not named:  # none will be looked for
                del self._sorted[k]
            first += count
        self._orient(mesh.points, mesh.cell_centers()[cells])

    def _pair(self, rows: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Find which of the rows (m, k) have the same nodes; their sorted keys, and their order."""
        keys = np.empty(len(rows), np.uint64)
        for begin in range(0, len(rows), _CHUNK):
            keys[begin : begin + _CHUNK] = _keys(np.sort(rows[begin : begin + _CHUNK], axis=1))
        order = np.argsort(keys, kind="stable").astype(self.start.dtype, copy=False)
        keys.sort()
        known = keys, order
        same = keys[1:] == keys[:-1]
        if not _all_equal(rows, order, np.flatnonzero(same)):  # two sets of nodes have one key
            rows = np.sort(rows, axis=1)
            order = np.lexsort(rows.T[::-1])
            same = np.all(rows[order[1:]] == rows[order[:-1]], axis=1)
        if np.any(same[1:] & same[:-1]):
            at = int(np.argmax(same[1:] & same[:-1]))
            cells = self.ids[self.cell[first + order[at : at + 3]]].tolist()
            raise Fault("cells", f"cells {cells} share one face: more than two", "repair the mesh")
        one, two = first + order[:-1][same], first + order[1:][same]
        if np.any(twice := self.cell[one] == self.cell[two]):
            cell = self.ids[self.cell[one[np.argmax(twice)]]]
            raise Fault(f"cell {cell}", "it has one face twice", "repair or remove it")
        self.other[one], self.other[two] = two, one
        return known

    def _orient(self, points: np.ndarray, middle: np.ndarray) -> None:
        """Turn facets whose normals do not leave their cell; middle: a point within each cell."""
        n_cells = len(middle)
        inward = np.empty(len(self.size), bool)
        # Of each cell: what its facets enclose, the sum of their area vectors and of their areas.
        volume, surface, gap = np.zeros(n_cells), np.zeros(n_cells), np.zeros((3, n_cells))
        for begin in range(0, len(self.size), _CHUNK):
            for size in np.unique(self.size[begin : begin + _CHUNK]).tolist():
                at = begin + np.flatnonzero(self.size[begin : begin + _CHUNK] == size)
                cell = self.cell[at]
                ring = gathered(points, self.nodes[self.start[at][:, None] + np.arange(size)])
                ring -= gathered(middle, cell[:, None])
                vector = area(ring)
                enclosed = dot(ring.mean(axis=0), vector)
                inward[at] = enclosed < 0
                low = int(cell.min())
                some = slice(low, int(cell.max()) + 1)
                for total, values in (
                    (volume, enclosed), (surface, length(vector)), *zip(gap, vector, strict=True),
                ):  # fmt: skip
                    total[some] += np.bincount(cell - low, values)
        closed = length(gap) <= 1e-6 * surface
        # A closed surface is right or wrong as a whole, whatever the shape of its cell.
        bad = np.flatnonzero(np.where(closed[self.cell], (volume < 0)[self.cell], inward))
        start, sizes = self.start[bad], self.size[bad]
        at = ragged(start, sizes)
        self.nodes[at] = self.nodes[np.repeat(2 * start + sizes - 1, sizes) - at]

    def find(self, rows: np.ndarray) -> np.ndarray:
        """The facet of each row of nodes (padded with -1), which then starts like it; or -1."""
        found = np.full(len(rows), -1)
        counts = np.sum(rows >= 0, axis=1)
        for size, (keys, order) in self._sorted.items():
            mine = np.flatnonzero(counts == size)
            if not len(mine):
                continue
            wanted = np.sort(rows[mine], axis=1)[:, -size:]
            at = np.minimum(np.searchsorted(keys, _keys(wanted)), len(keys) - 1)
            facets = self._first[size] + order[at]
            known = np.sort(self.nodes[self.start[facets][:, None] + np.arange(size)], axis=1)
            right = np.all(known == wanted, axis=1)
            facets = facets[right]
            other = self.other[facets]
            facets = np.where((other >= 0) & (self.cell[other] < self.cell[facets]), other, facets)
            self._turn(facets, rows[mine[right]], size)
            found[mine[right]] = facets
        return found

    def _turn(self, facets: np.ndarray, rows: np.ndarray, size: int) -> None:
        at = self.start[facets][:, None] + np.arange(size)
        first = np.argmax(self.nodes[at] == rows[:, :1], axis=1)[:, None]
        turned = self.nodes[self.start[facets][:, None] + (first + np.arange(size)) % size]
        self.nodes[at] = turned


def _end_to_end(parts: list[np.ndarray]) -> np.ndarray:
    """The values of all parts in one array; of one part its own memory."""
    return parts[0].ravel() if len(parts) == 1 else np.concatenate([p.ravel() for p in parts])


def _all_equal(rows: np.ndarray, order: np.ndarray, at: np.ndarray) -> bool:
    """Whether the rows order[at] have the nodes of the rows order[at + 1]."""
    for begin in range(0, len(at), _CHUNK):
        some = at[begin : begin + _CHUNK]
        one, two = (np.sort(rows[order[place]], axis=1) for place in (some, some + 1))
        if not np.array_equal(one, two):
            return False
    return True


def _keys(rows: np.ndarray) -> np.ndarray:
    """One number for the nodes of each row: equal rows have equal keys."""
    key = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        key = (key ^ column.astype(np.uint64)) * _MIX
        key ^= key >> np.uint64(29)
    return key


def _listed(mesh: Mesh, cells: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(nodes (m, k), cell, place within the cell) of the facets of `cells`, numbered from 0."""
    types = mesh.cell_types[cells]
    ids = mesh.cell_nodes.astype(np.int32 if mesh.n_points < 1 << 31 else np.int64)
    out = []
    for code in np.unique(types).tolist():
        row = CELL_TYPES[code]
        mine = np.flatnonzero(types == code)
        if code == POLYHEDRON:
            continue
        if not row.facets or row.size != row.corners:
            raise Fault(
                f"cell {cells[mine[0]]}", f"OpenFOAM has no {row.name}", "write .vtu instead"
            )
        start = mesh.cell_offsets[cells[mine]][:, None]
        for place, facet in enumerate(row.facets):
            nodes = ids[start + np.array(facet)]
            out.append((nodes, mine.astype(ids.dtype), np.full(len(mine), place, np.int32)))
    if mesh.faces is not None and mesh.face_offsets is not None:
        listed = parse_faces(mesh.faces, mesh.face_offsets)
        number = np.empty(mesh.n_cells, np.int64)
        number[cells] = np.arange(len(cells))
        counts = np.bincount(listed.cell, minlength=mesh.n_cells)
        place = np.arange(len(listed.cell)) - (np.cumsum(counts) - counts)[listed.cell]
        for size in np.unique(listed.size).tolist():
            at = np.flatnonzero(listed.size == size)
            nodes = mesh.faces[listed.start[at][:, None] + np.arange(size)].astype(ids.dtype)
            out.append(
                (nodes, number[listed.cell[at]].astype(ids.dtype), place[at].astype(np.int32))
            )
    return out


def _simple(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The facets by size, without nodes that repeat the one before; edges are dropped."""
    found: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for nodes, cell, place in parts:
        new = nodes != np.roll(nodes, 1, axis=1)
        if new.all():
            found.setdefault(nodes.shape[1], []).append((nodes, cell, place))
            continue
        sizes = new.sum(axis=1)
        for size in np.unique(sizes).tolist():
            at = sizes == size
            if size >= 3:
                kept = nodes[at][new[at]].reshape(-1, size)
                found.setdefault(size, []).append((kept, cell[at], place[at]))
    return {
        size: tuple(np.concatenate(column) for column in zip(*rows, strict=True))  # type: ignore[misc]
        for size, rows in found.items()
    }


def _warn_types(mesh: Mesh, facets: _Facets, cells: np.ndarray, path: Path | str) -> None:
    """Warn of cells whose type changes: OpenFOAM has none, a cell is what its faces make it."""
    before, n = mesh.cell_types[cells], len(cells)
    count, three, four = (
        np.bincount(facets.cell[mine], minlength=n)
        for mine in (slice(None), facets.size == 3, facets.size == 4)
    )
    after = np.full(n, POLYHEDRON, np.uint8)
    for code, (triangles, quads, _) in SHAPES.items():
        alike = (three == triangles) & (four == quads) & (count == triangles + quads)
        after[alike] = code
    doubtful = np.flatnonzero((after != before) & (after != POLYHEDRON))
    if len(doubtful):
        number = np.full(n, -1)
        number[doubtful] = np.arange(len(doubtful))
        mine = np.flatnonzero(number[facets.cell] >= 0)
        size = facets.size[mine]
        nodes = facets.nodes[ragged(facets.start[mine], size)]
        owner = number[facets.cell[mine]]
        found = cells_of(offsets_of(size), nodes, owner, owner[:0], len(doubtful))
        after[doubtful] = found.types
    other = before != after
    pairs, counts = np.unique([before[other], after[other]], axis=1, return_counts=True)
    for (old, new), many in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        names = CELL_TYPES[old].name, CELL_TYPES[new].name
        warn_lost(path, "OpenFOAM", f"{many} cells of type {names[0]} come back as {names[1]}")


def poly_of(mesh: Mesh, path: Path | str) -> tuple[PolyMesh, np.ndarray]:
    """The mesh as OpenFOAM's polyMesh, and which cells of the mesh are its cells."""
    cells = np.flatnonzero(DIM[mesh.cell_types] == 3)
    if not len(cells):
        raise Fault("cells", "OpenFOAM's meshes are made of volumes, this one has none",
                    "extrude it by one layer of cells, or write .vtu")  # fmt: skip
    facets = _Facets(mesh, cells)
    _warn_types(mesh, facets, cells, path)
    alone = facets.other < 0
    inner = np.flatnonzero(~alone & (facets.cell < facets.cell[facets.other]))
    order = np.lexsort((facets.rank[inner], facets.cell[facets.other[inner]], facets.cell[inner]))
    inner = inner[order].astype(facets.cell.dtype)
    neighbour = facets.cell[facets.other[inner]]
    del order
    groups, zones = _groups(mesh, facets, alone, cells, path)
    outer = np.concatenate([inner[:0], *(ids for _, ids, _ in groups)])
    rest = alone.copy()
    rest[outer] = False
    left = np.flatnonzero(rest)
    if len(left):
        left = left[np.lexsort((facets.rank[left], facets.cell[left]))]
        names = {name for name, _, _ in groups}
        name = "defaultFaces"
        while name in names:
            name += "_"
        groups.append((name, left, ["patch"]))
    faces = np.concatenate([inner, *(ids for _, ids, _ in groups)])
    starts = len(inner) + np.cumsum([0, *(len(ids) for _, ids, _ in groups)])
    ends = offsets_of(facets.size[faces])
    nodes = np.empty(ends[-1], facets.nodes.dtype)
    for begin in range(0, len(faces), _CHUNK):
        some = faces[begin : begin + _CHUNK]
        at = ragged(facets.start[some], facets.size[some])
        nodes[ends[begin] :][: len(at)] = facets.nodes[at]
    poly = PolyMesh(
        mesh.points,
        ends,
        nodes,
        facets.cell[faces],
        neighbour,
        [
            Patch(name, int(start), len(ids), entries)
            for (name, ids, entries), start in zip(groups, starts[:-1], strict=True)
        ],
        [(k, name, _places(faces, facets, ids) if k == "facet" else ids) for k, name, ids in zones],
    )
    return poly, cells


def _places(faces: np.ndarray, facets: _Facets, ids: np.ndarray) -> np.ndarray:
    """Where the facets `ids`, or those on their other sides, are among `faces`."""
    number = np.full(len(facets.cell), -1, faces.dtype)
    number[faces] = np.arange(len(faces))
    other = facets.other[ids]
    return np.maximum(number[ids], np.where(other < 0, -1, number[other]))


_Group = tuple[str, np.ndarray, list[str]]  # name, facets, entries of a patch
_Zone = tuple[str, str, np.ndarray]  # kind, name, ids


def _groups(
    mesh: Mesh, facets: _Facets, alone: np.ndarray, cells: np.ndarray, path: Path | str
) -> tuple[list[_Group], list[_Zone]]:
    """Regions as patches and zones. Facets that are free boundary become a patch, others a zone."""
    number = np.full(mesh.n_cells, -1)
    number[cells] = np.arange(len(cells))
    free = alone.copy()
    groups: list[_Group] = []
    zones: list[_Zone] = []
    names: set[str] = set()
    renamed: list[str] = []

    def label(name: str) -> str:
        if (new := word(name, names)) != name:
            renamed.append(f"{name!r} as {new}")
        return new

    for name in sorted(mesh.regions, key=lambda name: PATCH + name not in mesh.field_data):
        region = mesh.regions[name]
        if region.kind == "point":
            zones.append(("point", label(name), region.ids))
            continue
        rows = region.ids
        if region.kind == "cell":
            dims = DIM[mesh.cell_types[region.ids]]
            volumes, rows = number[region.ids[dims == 3]], region.ids[dims != 3]
            if len(volumes) or not len(rows):
                zones.append(("cell", label(name), volumes))
            if not len(rows):
                continue
            rows = _padded(mesh, rows)
        found = facets.find(rows)
        if np.any(found < 0):
            warn_lost(path, "OpenFOAM", f"region {name!r}: {int(np.sum(found < 0))} facets that no "
                      "volume has are left out")  # fmt: skip
            found = found[found >= 0]
            if not len(found):
                continue
        typed = mesh.field_data.get(PATCH + name)
        shared = not np.all(free[found]) or len(np.unique(found)) < len(found)
        if shared or (typed is None and not len(found)):
            zones.append(("facet", label(name), found))
            continue
        free[found] = False
        entries = ["patch"] if typed is None else [str(entry) for entry in typed]
        groups.append((label(name), found, entries))
    if renamed:
        warn_lost(path, "OpenFOAM", f"names it cannot have: {', '.join(renamed)}")
    return groups, zones


def _padded(mesh: Mesh, cells: np.ndarray) -> np.ndarray:
    """(n, k) nodes of cells of any size, padded with -1."""
    first = mesh.cell_offsets[cells]
    size = mesh.cell_offsets[cells + 1] - first
    column = np.arange(int(size.max(initial=1)))
    inside = column < size[:, None]
    at = np.where(inside, first[:, None] + column, 0)
    return np.where(inside, mesh.cell_nodes[at], -1)


def word(name: str, taken: set[str], also: str = "") -> str:
    """`name` as OpenFOAM can have it, different from all in `taken`, where it is added."""
    allowed = "_-.:+,<>@~%^*=" + also
    clean = "".join(c if c.isascii() and (c.isalnum() or c in allowed) else "_" for c in name)
    clean = clean[:200] or "_"
    if not (clean[0].isalpha() or clean[0] == "_"):
        clean = "_" + clean
    free, number = clean, 1
    while free in taken:
        number += 1
        free = f"{clean}_{number}"
    taken.add(free)
    return free
