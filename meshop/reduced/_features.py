"""The boundary of a mesh cut into parts at its sharp edges: corners, ridges and patches."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..errors import MeshError
from ..mesh import Mesh
from ._loops import boundary_loops

KINDS = {2: "triangle", 3: "tetra"}


class Ridge(NamedTuple):
    """A line of nodes in order, from corner to corner (places in `Features.corners`); a closed one
    has no ends, and its first node not twice."""

    nodes: np.ndarray
    ends: tuple[int, int] | None


class Patch(NamedTuple):
    """A part of a surface, triangles (T, 3) wound outward: its ridges (places in
    `Features.ridges`), and its Euler characteristic."""

    triangles: np.ndarray
    ridges: frozenset[int]
    euler: int


class Features(NamedTuple):
    """What a boundary consists of. points (N, 3) of the mesh; corners (C,) nodes. In the plane the
    boundary's lines are the ridges, and there are no patches."""

    points: np.ndarray
    corners: np.ndarray
    ridges: list[Ridge]
    patches: list[Patch]

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.corners), len(self.ridges), len(self.patches)

    @property
    def handles(self) -> int:
        """How many holes go through what closed patches enclose."""
        return sum(1 - patch.euler // 2 for patch in self.patches)


def simplicial(mesh: Mesh) -> Mesh:
    """Tetrahedra, or triangles, of a mesh's cells, positive, with the nodes that these have.

    Raises MeshError for lines, surfaces in space, and no cells.
    """
    _expect(mesh)
    p1 = mesh.p1()
    ids, nodes = np.unique(p1.simplices.nodes, return_inverse=True)
    nodes = nodes.reshape(-1, mesh.dim + 1)
    points = p1.corners[ids]
    turned = volumes(points, nodes) < 0
    nodes[turned] = nodes[turned][:, [1, 0, *range(2, mesh.dim + 1)]]
    return Mesh.from_blocks(points, [(KINDS[mesh.dim], nodes)])


def volumes(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(S,) signed measures of triangles in a plane, or of tetrahedra."""
    e = points[nodes[:, 1:]] - points[nodes[:, :1]]
    if nodes.shape[1] == 3:
        return 0.5 * (e[:, 0, 0] * e[:, 1, 1] - e[:, 0, 1] * e[:, 1, 0])
    return (e[:, 0] * np.cross(e[:, 1], e[:, 2])).sum(1) / 6


def features(mesh: Mesh, turn: float) -> Features:
    """The parts of a mesh's boundary. turn: degrees that facets turn by at a ridge, and ridges at a
    corner; from 180 on there are none, and patches are whole closed surfaces.

    Ridges that end where no other goes on are none. Raises MeshError without a boundary, or for one
    that touches itself along an edge.
    """
    _expect(mesh)
    if mesh.dim == 2:
        return _plane_features(mesh, turn)
    facets = mesh.p1().boundary
    triangles = facets.nodes
    if not len(triangles):
        raise MeshError("this mesh cannot be morphed", "it has no boundary")
    edges, sides = _edges(triangles)
    normal = facets.areas / np.maximum(facets.measure, 1e-300)[:, None]
    bend = (normal[sides[:, 0]] * normal[sides[:, 1]]).sum(1)
    sharp = _pruned(edges, bend < np.cos(np.radians(min(turn, 180.0))), mesh.n_points)
    corners, ridges = _ridges(mesh.points, edges[sharp], turn)
    part = _parts(sides[~sharp], len(triangles))
    of_ridge = np.full(len(edges), -1)
    key = edges[:, 0] * mesh.n_points + edges[:, 1]
    for k, ridge in enumerate(ridges):
        ends = np.sort(_segments(ridge), axis=1)
        of_ridge[np.searchsorted(key, ends[:, 0] * mesh.n_points + ends[:, 1])] = k
    patches = []
    for k in range(part.max() + 1):
        mine = triangles[part == k]
        around = of_ridge[sharp][(part[sides[sharp]] == k).any(1)]
        patches.append(Patch(mine, frozenset(around.tolist()), _euler(mine)))
    return Features(mesh.points, corners, ridges, patches)


def _expect(mesh: Mesh) -> None:
    if mesh.dim < 2 or (mesh.dim == 2 and not mesh.is_planar):
        raise MeshError("this mesh cannot be morphed", "expected cells in a plane, or solid ones")


def _plane_features(mesh: Mesh, turn: float) -> Features:
    corners: list[int] = []
    ridges = []
    for loop in boundary_loops(mesh, min(turn, 180.0)):
        nodes, at = loop.nodes, loop.corners
        if not len(at):
            ridges.append(Ridge(nodes, None))
            continue
        first = len(corners)
        corners += nodes[at].tolist()
        nodes = np.roll(nodes, -at[0])
        cuts = [*(at - at[0]), len(nodes)]
        nodes = np.append(nodes, nodes[0])
        for k in range(len(at)):
            ends = first + k, first + (k + 1) % len(at)
            ridges.append(Ridge(nodes[cuts[k] : cuts[k + 1] + 1], ends))
    return Features(mesh.points, np.array(corners, np.int64), ridges, [])


def _edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E, 2) edges of a closed surface, rising, and the triangles (E, 2) on their two sides."""
    every = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    n = int(triangles.max()) + 1
    key, inverse, count = np.unique(
        every.min(1) * n + every.max(1), return_inverse=True, return_counts=True
    )
    if (count != 2).any():
        raise MeshError(
            "this mesh cannot be morphed",
            f"its boundary touches itself along {int((count != 2).sum())} edges",
        )
    owner = np.tile(np.arange(len(triangles)), 3)
    sides = owner[np.argsort(inverse, kind="stable")].reshape(-1, 2)
    return np.stack([key // n, key % n], axis=1), sides


def _pruned(edges: np.ndarray, sharp: np.ndarray, n: int) -> np.ndarray:
    """Which edges (E,) are sharp, without those at which a line of them ends."""
    sharp = sharp.copy()
    while sharp.any():
        degree = np.bincount(edges[sharp].ravel(), minlength=n)
        loose = sharp & (degree[edges] == 1).any(1)
        if not loose.any():
            break
        sharp &= ~loose
    return sharp


def _ridges(points: np.ndarray, edges: np.ndarray, turn: float) -> tuple[np.ndarray, list[Ridge]]:
    """Corners and ridges of edges (R, 2), all of whose nodes have two or more."""
    nodes = np.unique(edges)
    around: dict[int, list[int]] = {int(i): [] for i in nodes}
    for a, b in edges.tolist():
        around[a].append(b)
        around[b].append(a)
    least = np.cos(np.radians(min(turn, 180.0)))

    def sharp(i: int) -> bool:
        if len(around[i]) != 2:
            return True
        one, two = points[i] - points[around[i][0]], points[around[i][1]] - points[i]
        return bool(one @ two < least * np.sqrt((one @ one) * (two @ two)))

    corners = [i for i in around if sharp(i)]
    place = {i: k for k, i in enumerate(corners)}
    done: set[tuple[int, int]] = set()
    ridges: list[Ridge] = []

    def walk(a: int, b: int) -> list[int]:
        line = [a, b]
        while line[-1] not in place and line[-1] != line[0]:
            one, two = around[line[-1]]
            line.append(two if one == line[-2] else one)
        done.update(pairwise(line))
        done.update(pairwise(line[::-1]))
        return line

    for a in corners:
        for b in around[a]:
            if (a, b) not in done:
                line = walk(a, b)
                ridges.append(Ridge(np.array(line), (place[a], place[line[-1]])))
    for a in around:
        if a not in place and (a, around[a][0]) not in done:
            ridges.append(Ridge(np.array(walk(a, around[a][0])[:-1]), None))
    return np.array(corners, np.int64), ridges


def _segments(ridge: Ridge) -> np.ndarray:
    """(L, 2) nodes of a ridge's edges."""
    nodes = ridge.nodes if ridge.ends else np.append(ridge.nodes, ridge.nodes[0])
    return np.stack([nodes[:-1], nodes[1:]], axis=1)


def _parts(pairs: np.ndarray, n: int) -> np.ndarray:
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n, n))
    return connected_components(graph, directed=False)[1]


def _euler(triangles: np.ndarray) -> int:
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    keys = edges.min(1) * (int(triangles.max()) + 1) + edges.max(1)
    return len(np.unique(triangles)) - len(np.unique(keys)) + len(triangles)
