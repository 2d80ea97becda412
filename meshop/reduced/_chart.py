"""Charts: meshes on a reference domain, and values carried between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags

from ..mesh import DIM, Mesh


class Chart(NamedTuple):
    """A mesh on the reference domain: its triangles there, and valid: none is turned over. nodes:
    whose place each point is. The first points are those of the mesh's nodes, in order; on a ring,
    which is cut open, those that follow are copies, one turn on in the second coordinate."""

    mesh: Mesh
    valid: bool
    nodes: np.ndarray

    @property
    def places(self) -> np.ndarray:
        """(N, 3) of the mesh's own nodes."""
        return self.mesh.points[: self.nodes.max(initial=-1) + 1]

    @property
    def period(self) -> float:
        """Of the second coordinate; 0 where it has none."""
        return 2 * np.pi if len(self.nodes) > self.nodes.max(initial=-1) + 1 else 0.0


def plane_chart(xi: np.ndarray, triangles: np.ndarray, valid: bool = True) -> Chart:
    """Nodes at xi (N, 2), triangles (T, 3)."""
    return Chart(Mesh.from_blocks(xi, [("triangle", triangles)]), valid, np.arange(len(xi)))


def ring_chart(xi: np.ndarray, triangles: np.ndarray) -> Chart:
    """Nodes at xi (N, 2) with an angle as second coordinate, triangles (T, 3) some of which lie
    across the cut at pi: these come on both sides, with copies of the nodes beyond."""
    xi = np.column_stack([xi[:, 0], (xi[:, 1] + np.pi) % (2 * np.pi) - np.pi])
    angle = xi[triangles, 1]
    turns = -np.rint((angle - angle[:, :1]) / (2 * np.pi)).astype(np.int64)
    turns -= turns.min(1, keepdims=True)  # 0 or 1
    across = turns.any(1)
    # Node and turn of each corner; both sides of the cut.
    nodes = np.concatenate([triangles, triangles[across]])
    turns = np.concatenate([turns, turns[across] - 1])
    keys, inverse = np.unique(
        np.stack([turns.ravel(), nodes.ravel()], axis=1), axis=0, return_inverse=True
    )
    beyond = keys[:, 0] != 0
    ids = np.where(beyond, len(xi) + np.cumsum(beyond) - 1, keys[:, 1])
    copies = keys[beyond]
    shifted = xi[copies[:, 1]] + 2 * np.pi * np.column_stack([0 * copies[:, 0], copies[:, 0]])
    corners = ids[inverse.ravel()].reshape(-1, 3)
    mesh = Mesh.from_blocks(np.concatenate([xi, shifted]), [("triangle", corners)])
    u, v = (mesh.points[corners[:, k], :2] - mesh.points[corners[:, 0], :2] for k in (1, 2))
    valid = bool((u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] > 0).all())
    return Chart(mesh, valid, np.concatenate([np.arange(len(xi)), copies[:, 1]]))


def dual(mesh: Mesh) -> np.ndarray:
    """(T, 3) triangles between the centres of a plane mesh's cells: around each inner node its
    cells, in order of angle, form a polygon."""
    flat = DIM[mesh.cell_types] == 2
    size = np.diff(mesh.cell_offsets)
    cell = np.repeat(np.arange(mesh.n_cells), size)
    node, used = mesh.cell_nodes, np.repeat(flat, size)
    edge = mesh.boundary_facets().nodes
    inner = np.ones(mesh.n_points, bool)
    inner[edge[edge >= 0]] = False
    used &= inner[node]
    cell, node = cell[used], node[used]
    away = mesh.cell_centers()[cell, :2] - mesh.points[node, :2]
    order = np.lexsort([np.arctan2(away[:, 1], away[:, 0]), node])
    cell, node = cell[order], node[order]
    first = np.searchsorted(node, node)  # of the node's cells
    place = np.flatnonzero((np.arange(len(node)) > first)[:-1] & (node[1:] == node[:-1]))
    return np.stack([cell[first[place]], cell[place], cell[place + 1]], axis=1)


def dual_chart(mesh: Mesh, chart: Chart) -> Chart:
    """The centres of a mesh's cells on the reference domain, joined by the triangles of `dual`."""
    first = mesh.cell_nodes[mesh.cell_offsets[:-1]]
    size = np.diff(mesh.cell_offsets)
    cell = np.repeat(np.arange(mesh.n_cells), size)
    gap = chart.places[mesh.cell_nodes, :2] - chart.places[first[cell], :2]
    if chart.period:
        gap[:, 1] -= chart.period * np.rint(gap[:, 1] / chart.period)
    mean = np.column_stack([np.bincount(cell, g, mesh.n_cells) / size for g in gap.T])
    xi = chart.places[first, :2] + mean
    return ring_chart(xi, dual(mesh)) if chart.period else plane_chart(xi, dual(mesh))


def transport(source: Chart, target: Chart) -> csr_matrix:
    """(M, N) matrix that takes nodal values of one mesh to the nodes of another, where they meet
    on the reference domain: P1 interpolation, exact for fields linear in its coordinates."""
    matrix = source.mesh.p1().interpolation(target.places)
    return csr_matrix(
        (matrix.data, source.nodes[matrix.indices], matrix.indptr),
        shape=(matrix.shape[0], len(source.places)),
    )


def sharpened(matrix: csr_matrix, mesh: Mesh, there: np.ndarray) -> csr_matrix:
    """Interpolation (M, N) of second order for fields that are smooth on a mesh (N points), at the
    places there (M, 3) that its rows stand for.

        u(x) = sum_k l_k (u_k + g_k . (x - x_k) / 2) + sum_k l_k g_k . (x - sum_k l_k x_k) / 2

    with the rows' weights l_k and gradients g_k of fitted quadratics. Exact for linear fields, also
    where sum l_k x_k is not x, and for quadratic ones where it is.
    """
    fit, points = mesh.p1().fit, mesh.points
    out, middle = matrix, matrix @ points
    for d in range(mesh.dim):
        slope = 0.5 * fit.matrix(d)
        shift = diags(2 * there[:, d] - middle[:, d]) @ matrix - matrix @ diags(points[:, d])
        out = out + shift @ slope
    return out.tocsr()
