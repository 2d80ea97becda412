"""Cells from the faces between them: OpenFOAM stores who owns each face, VTK the nodes of cells.

A cell is a tetrahedron, hexahedron, wedge or pyramid where its faces are exactly those of one,
and a polyhedron otherwise. Source: OpenFOAM User Guide, "Mesh description": faces wound so that
their normals leave the owner, which is the cell of the lower number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..mesh import CELL_TYPES, POLYHEDRON
from ._ragged import ragged, within

_CHUNK = 1 << 13  # cells at once: what is worked on stays in the cache

# Code of a cell -> how many triangles and quads it has, corners of the face to start from.
SHAPES = {10: (4, 0, 3), 12: (0, 6, 4), 13: (2, 3, 3), 14: (4, 1, 4)}
# The face of a cell, wound outwards, and its nodes' partners across the cell, in VTK's order.
_ORDER = {
    10: [0, 2, 1, 3],
    12: [0, 3, 2, 1, 4, 7, 6, 5],
    13: [0, 1, 2, 3, 4, 5],
    14: [0, 3, 2, 1, 4],
}
_LAST = np.iinfo(np.int64).max


class Cells(NamedTuple):
    """The arrays of a Mesh."""

    types: np.ndarray
    offsets: np.ndarray
    nodes: np.ndarray
    faces: np.ndarray | None
    face_offsets: np.ndarray | None


class _Sides:
    """The faces of every cell, each seen from inside its cell, sorted by cell."""

    def __init__(
        self,
        offsets: np.ndarray,
        nodes: np.ndarray,
        owner: np.ndarray,
        neighbour: np.ndarray,
        n_cells: int,
    ) -> None:
        cells = np.concatenate([owner, neighbour])
        order = np.argsort(cells, kind="stable")
        self.flipped = order >= len(owner)
        self.face = np.where(self.flipped, order - len(owner), order)
        self.count = np.bincount(cells, minlength=n_cells)
        self.start = np.concatenate([[0], np.cumsum(self.count)])
        self.offsets, self.nodes = offsets, nodes

    def small(self, cells: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Cells of `count` triangles and quads: nodes (m, count, 4) outwards, -1 in triangles."""
        at = self.start[cells][:, None] + np.arange(count)
        face, flipped = self.face[at], self.flipped[at]
        first = self.offsets[face]
        triangle = self.offsets[face + 1] - first == 3
        turn = np.array([[[0, 1, 2, 3], [0, 1, 2, 0]], [[0, 3, 2, 1], [0, 2, 1, 0]]])
        local = turn[flipped.astype(int), triangle.astype(int)]
        nodes = self.nodes[first[..., None] + local].astype(np.int64)
        nodes[..., 3][triangle] = -1
        return nodes, triangle


def cells_of(
    offsets: np.ndarray,
    nodes: np.ndarray,
    owner: np.ndarray,
    neighbour: np.ndarray,
    n_cells: int,
) -> Cells:
    """Cells of faces (offsets, nodes), valid and each of at least three nodes, in their order."""
    sides = _Sides(offsets, nodes, owner, neighbour, n_cells)
    size = np.diff(offsets)
    uses = np.concatenate([owner, neighbour])
    sizes = np.concatenate([size, size[: len(neighbour)]])
    triangles = np.bincount(uses[sizes == 3], minlength=n_cells)
    quads = np.bincount(uses[sizes == 4], minlength=n_cells)
    del uses, sizes
    types = np.full(n_cells, POLYHEDRON, np.uint8)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for code, (three, four, _) in SHAPES.items():
        alike = (triangles == three) & (quads == four) & (sides.count == three + four)
        for cells in _chunks(np.flatnonzero(alike)):
            ids, exact = _ordered(*sides.small(cells, three + four), code)
            types[cells[exact]] = code
            found.append((cells[exact], ids[exact]))
    rest = np.flatnonzero(types == POLYHEDRON)
    counts = np.zeros(n_cells, np.int64)
    for cells, ids in found:
        counts[cells] = ids.shape[1]
    parts = [_polyhedra(sides, cells) for cells in _chunks(rest)]
    for cells, (_, _, unique, used) in zip(_chunks(rest), parts, strict=True):
        counts[cells] = used
        found.append((cells, unique))
    ends = np.concatenate([[0], np.cumsum(counts)])
    out = np.empty(ends[-1], np.int64)
    for cells, ids in found:
        if ids.ndim == 2:
            out[ends[cells][:, None] + np.arange(ids.shape[1])] = ids
        else:
            out[ragged(ends[cells], counts[cells])] = ids
    if not len(rest):
        return Cells(types, ends, out, None, None)
    face_offsets = np.full(n_cells, -1, np.int64)
    face_offsets[rest] = np.cumsum(np.concatenate([lengths for _, lengths, _, _ in parts]))
    stream = np.concatenate([values for values, _, _, _ in parts])
    return Cells(types, ends, out, stream, face_offsets)


def _chunks(cells: np.ndarray) -> list[np.ndarray]:
    return [cells[i : i + _CHUNK] for i in range(0, len(cells), _CHUNK)]


def _ordered(faces: np.ndarray, triangle: np.ndarray, code: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (m, k) of the cells as VTK orders them, and whether the faces are those of `code`."""
    m, count = triangle.shape
    _, _, corners = SHAPES[code]
    faces = _from_lowest(faces, triangle)
    first = np.argmax(triangle if corners == 3 else ~triangle, axis=1)
    base = faces[np.arange(m), first][:, :corners]
    # The partner of a corner follows it in the face that runs along the base the other way.
    wide = triangle[..., None]
    before = np.where(wide, faces[..., [2, 0, 1, 3]], faces[..., [3, 0, 1, 2]]).reshape(m, -1)
    after = np.where(wide, faces[..., [1, 2, 0, 3]], faces[..., [1, 2, 3, 0]]).reshape(m, -1)
    flat = faces.reshape(m, -1)
    columns = [base]
    for i in range(1 if code in (10, 14) else corners):
        here, ahead = base[:, i, None], base[:, (i + 1) % corners, None]
        place = np.argmax((flat == here) & (before == ahead), axis=1)
        columns.append(after[np.arange(m), place][:, None])
    ids = np.concatenate(columns, axis=1)[:, _ORDER[code]]
    local = np.array([(*f, f[0]) if len(f) == 3 else f for f in CELL_TYPES[code].facets])
    expected = ids[:, local]
    short = np.array([len(f) == 3 for f in CELL_TYPES[code].facets])
    expected[:, short, 3] = -1
    expected = _from_lowest(expected, np.broadcast_to(short, (m, count)))
    ordered = np.sort(ids, axis=1)
    exact = np.all(ordered[:, 1:] > ordered[:, :-1], axis=1)  # so the facets differ, too
    wanted, given = _packed(expected), _packed(faces)
    for i in range(count):
        there = np.zeros(m, bool)
        for j in range(count):
            there |= (wanted[0][i] == given[0][j]) & (wanted[1][i] == given[1][j])
        exact &= there
    return ids, exact


def _packed(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four nodes of each face as two numbers, each (count, m); a mesh has < 2^31 points."""
    pairs = (faces[..., 0::2] << 32) + faces[..., 1::2]
    return np.ascontiguousarray(pairs[..., 0].T), np.ascontiguousarray(pairs[..., 1].T)


def _from_lowest(faces: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """The same polygons, each from its lowest node on."""
    lowest = np.argmin(np.where(faces < 0, _LAST, faces), axis=-1)
    turn = lowest[..., None] + np.arange(4)
    turn %= np.where(triangle, 3, 4)[..., None]
    out = np.take_along_axis(faces, turn, axis=-1)
    out[..., 3][triangle] = -1
    return out


def _polyhedra(
    sides: _Sides, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """VTK's face stream of the cells, its length in each, their nodes, and how many in each."""
    faces = sides.count[cells]
    at = ragged(sides.start[cells], faces)
    face, flipped = sides.face[at], sides.flipped[at]
    first = sides.offsets[face]
    size = sides.offsets[face + 1] - first
    step = within(size)
    mirrored = np.repeat(flipped, size) & (step > 0)  # from the same node, the other way round
    step = np.where(mirrored, np.repeat(size, size) - step, step)
    nodes = sides.nodes[np.repeat(first, size) + step].astype(np.int64)
    cell = np.repeat(np.arange(len(cells)), faces)  # of each face
    lengths = 1 + faces + np.bincount(cell, size, len(cells)).astype(np.int64)
    place = np.cumsum(1 + size) - size + cell  # of each face's count in the stream
    stream = np.empty(int(lengths.sum()), np.int64)
    stream[np.cumsum(lengths) - lengths] = faces
    stream[place] = size
    stream[ragged(place + 1, size)] = nodes
    bound = int(nodes.max(initial=0)) + 1
    unique = np.unique(np.repeat(cell, size) * bound + nodes)
    used = np.bincount(unique // bound, minlength=len(cells))
    return stream, lengths, unique % bound, used
