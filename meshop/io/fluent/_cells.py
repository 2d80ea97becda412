"""Cells from Fluent's faces, of which each knows the cell on either side.

Source: Ansys Fluent User's Guide, "Mesh and Case File Formats", section "Faces": the normal of a
face by the right-hand rule points into its first cell. Many files do not keep to it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...mesh import POLYGON, POLYHEDRON
from .._face_cells import Cells, cells_of
from .._files import Fault
from .._ragged import ragged

# Triangles and quads of the cells that are no polyhedra.
_SIMPLE = ((4, 0), (0, 6), (2, 3), (4, 1))


class Faces(NamedTuple):
    """Faces one behind the other: how many nodes each has, the nodes, and the cells beside it.

    Of the cells (first, second) -1 is none.
    """

    sizes: np.ndarray
    nodes: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def take(self, rows: np.ndarray, turned: np.ndarray | None = None) -> Faces:
        """These faces; those that are `turned` (a mask) with their nodes the other way round."""
        sizes = self.sizes[rows]
        start = (np.cumsum(self.sizes) - self.sizes)[rows]
        at = ragged(start, sizes)
        if turned is not None:
            flip = np.repeat(turned, sizes)
            at = np.where(flip, np.repeat(2 * start + sizes - 1, sizes) - at, at)
        return Faces(sizes, self.nodes[at], self.first[rows], self.second[rows])

    def padded(self) -> np.ndarray:
        """(n, k) nodes of each face, padded with -1."""
        column = np.arange(int(self.sizes.max(initial=1)))
        if len(column) * len(self.sizes) > 64 * len(self.nodes) + (1 << 20):
            raise Fault("faces (13)", f"one has {len(column)} nodes, the others far fewer")
        out = np.full((len(self.sizes), len(column)), -1, np.int64)
        out[column < self.sizes[:, None]] = self.nodes
        return out


def volume_cells(faces: Faces, n_cells: int, points: np.ndarray) -> Cells:
    """Volumes from faces, each of at least three nodes and beside a cell or two."""
    inner = (faces.first >= 0) & (faces.second >= 0)
    order = np.concatenate([np.flatnonzero(inner), np.flatnonzero(~inner)])
    turned = faces.first[order] >= 0  # normals are to leave the owner
    owner = np.where(turned, faces.first[order], faces.second[order])
    sorted_faces = faces.take(order, turned)
    neighbour = faces.second[order][: int(inner.sum())]
    cells = _cells(sorted_faces, owner, neighbour, n_cells)
    rows = np.arange(len(order))
    some = rows[:: len(rows) // 1000 + 1]
    if (
        _odd(sorted_faces, owner, neighbour, cells)
        or _inward(sorted_faces, some, owner, cells, points).mean() > 0.5
    ):
        inward = _inward(sorted_faces, rows, owner, cells, points)
        cells = _cells(sorted_faces.take(rows, inward), owner, neighbour, n_cells)
    return cells


def _cells(faces: Faces, owner: np.ndarray, neighbour: np.ndarray, n_cells: int) -> Cells:
    offsets = np.concatenate([[0], np.cumsum(faces.sizes)])
    return cells_of(offsets, faces.nodes, owner, neighbour, n_cells)


def _odd(faces: Faces, owner: np.ndarray, neighbour: np.ndarray, cells: Cells) -> bool:
    """True where cells have the faces of a simple one, but not wound so that they close."""
    uses = np.concatenate([owner, neighbour])
    sizes = np.concatenate([faces.sizes, faces.sizes[: len(neighbour)]])
    three, four = (np.bincount(uses[sizes == n], minlength=len(cells.types)) for n in (3, 4))
    poly = cells.types == POLYHEDRON
    poly &= np.bincount(uses, minlength=len(cells.types)) == three + four
    return any(bool(np.any(poly & (three == n) & (four == m))) for n, m in _SIMPLE)


def _inward(
    faces: Faces, rows: np.ndarray, owner: np.ndarray, cells: Cells, points: np.ndarray
) -> np.ndarray:
    """Which of the faces `rows` have a normal that points into their owner.

    Normals by Newell's formula from the middle of the face, seen from the middle of the cell.
    """
    chosen = faces.take(rows)
    ends = np.cumsum(chosen.sizes)
    first = ends - chosen.sizes
    face = np.repeat(np.arange(len(rows)), chosen.sizes)
    following = np.arange(1, len(face) + 1)
    following[ends - 1] = first
    known, cell = np.unique(owner[rows], return_inverse=True)
    count = cells.offsets[known + 1] - cells.offsets[known]
    members = cells.nodes[ragged(cells.offsets[known], count)]
    centre = np.add.reduceat(points[members], np.cumsum(count) - count) / count[:, None]
    corners = points[chosen.nodes]
    with np.errstate(over="ignore", invalid="ignore"):
        middle = np.add.reduceat(corners, first) / chosen.sizes[:, None]
        corners -= middle[face]
        normal = np.add.reduceat(np.cross(corners, corners[following]), first)
        return np.einsum("ij,ij->i", normal, middle - centre[cell]) < 0


def plane_cells(faces: Faces, n_cells: int, points: np.ndarray) -> Cells:
    """Polygons from edges, counter-clockwise seen from +z. Raises Fault for edges that are open."""
    both = np.concatenate([faces.first, faces.second])
    edge = np.concatenate([np.arange(len(faces.first))] * 2)[both >= 0]
    both = both[both >= 0]
    order = np.argsort(both, kind="stable")
    cell, ends = both[order], faces.nodes.reshape(-1, 2)[edge[order]]
    count = np.bincount(cell, minlength=n_cells)
    start = np.cumsum(count) - count
    # The other end that lies at the same node, in the same cell: it is the one beside it here.
    node, owner = ends.ravel(), np.repeat(cell, 2)
    key = owner * (int(node.max(initial=0)) + 1) + node
    by_node = np.argsort(key, kind="stable")
    pairs = key[by_node].reshape(-1, 2)
    if np.any(pairs[:, 0] != pairs[:, 1]) or np.any(pairs[1:, 0] == pairs[:-1, 1]):
        lone = np.flatnonzero(pairs[:, 0] != pairs[:, 1])
        lone = lone if len(lone) else np.flatnonzero(pairs[1:, 0] == pairs[:-1, 1])
        wrong = int(owner[by_node[2 * lone[0]]])
        raise Fault(f"cell {wrong + 1:x}", "its edges do not close to one polygon")
    partner = np.empty(len(key), np.int64)
    partner[by_node[0::2]], partner[by_node[1::2]] = by_node[1::2], by_node[0::2]
    nodes = np.empty(len(cell), np.int64)
    active = np.argsort(-count, kind="stable")
    falling = -count[active]
    at = 2 * start[active]
    first = at.copy()
    for step in range(int(count.max(initial=0))):
        left = int(np.searchsorted(falling, -step))  # those of more than `step` edges
        active, at, first = active[:left], at[:left], first[:left]
        if step and np.any(at == first):
            wrong = int(active[np.argmax(at == first)])
            raise Fault(f"cell {wrong + 1:x}", "its edges do not close to one polygon")
        nodes[start[active] + step] = node[at]
        at = partner[at ^ 1]
    types = np.full(n_cells, POLYGON, np.uint8)
    types[count == 3], types[count == 4] = 5, 9
    # Twice the area, from the first corner of each cell.
    following = np.arange(1, len(nodes) + 1)
    following[start + count - 1] = start
    with np.errstate(over="ignore", invalid="ignore"):
        corners = points[nodes, :2] - points[nodes[start[cell]], :2]
        onward = corners[following]
        area = np.bincount(cell, corners[:, 0] * onward[:, 1] - corners[:, 1] * onward[:, 0])
    clockwise = np.repeat(area < 0, count)
    along = np.arange(len(nodes))
    first_of = np.repeat(start, count)
    turned = np.where(along == first_of, along, 2 * first_of + np.repeat(count, count) - along)
    nodes = nodes[np.where(clockwise, turned, along)]
    return Cells(types, np.append(start, len(nodes)), nodes, None, None)
