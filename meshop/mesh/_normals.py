"""Normals of cells, points and boundary facets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..celltypes import POLYHEDRON, TRIANGLE_STRIP
from ._blocks import Block, chunks
from ._facets import Facets
from ._geometry import area_vectors, cell_centers, scaled_points, signed_measures, unit_vectors

if TYPE_CHECKING:
    from ._mesh import Mesh


def cell_normals(mesh: Mesh) -> np.ndarray:
    """(M, 3) unit normals of the two-dimensional cells by Newell's area vector, else zero."""
    out = np.zeros((mesh.n_cells, 3))
    points = scaled_points(mesh)
    for block in chunks(mesh, 2):
        out[block.cells] = unit_vectors(_area(points, block))
    return out


def point_normals(mesh: Mesh) -> np.ndarray:
    """(N, 3) unit sums of the area vectors of the two-dimensional cells around each point."""
    total = np.zeros((3, mesh.n_points))
    points = scaled_points(mesh)
    for block in chunks(mesh, 2):
        area = _area(points, block)
        low = block.corners.min()
        for nodes in block.corners.T:
            for axis in range(3):
                sums = np.bincount(nodes - low, area[:, axis])
                total[axis, low : low + len(sums)] += sums
    return unit_vectors(total.T)


def facet_areas(mesh: Mesh, facets: Facets) -> np.ndarray:
    """(F, 3) area vectors that leave the owner, as `outward` has wound the facets.

    Their length is the area of a face, the length of a line, 1 for a point.
    """
    if mesh.dim == 3:
        return area_vectors(mesh.points, _filled(facets.nodes))
    if mesh.dim == 2:
        side = mesh.points[facets.nodes[:, 1]] - mesh.points[facets.nodes[:, 0]]
        return np.cross(side, cell_normals(mesh)[facets.owner])
    return unit_vectors(mesh.points[facets.nodes[:, 0]] - cell_centers(mesh)[facets.owner])


def outward(mesh: Mesh, facets: Facets) -> Facets:
    """The facets wound so that their normals leave the owner.

    The types of cells say how their faces are wound, so only those of mirrored cells are turned.
    Polyhedra may have theirs wound anyhow: away from the mean of the corners is outwards.
    """
    nodes, owner = facets
    if mesh.dim < 2 or not len(owner):
        return facets
    used = nodes >= 0
    loop = mesh.points[_filled(nodes)]
    middle = (loop * used[..., None]).sum(axis=1) / used.sum(axis=1)[:, None]
    away = middle - cell_centers(mesh)[owner]
    inward = np.einsum("ij,ij->i", facet_areas(mesh, facets), away) < 0
    if mesh.dim == 3:
        solid = mesh.cell_types[owner] == POLYHEDRON
        turned = np.where(solid, inward, signed_measures(mesh)[owner] < 0)
    else:
        turned = inward & (mesh.cell_types[owner] == TRIANGLE_STRIP)  # its sides run either way
    nodes, size = nodes.copy(), used.sum(axis=1)
    for n in np.unique(size[turned]):
        rows = np.flatnonzero(turned & (size == n))[:, None]
        nodes[rows, np.arange(n)] = nodes[rows, np.arange(n)[::-1]]
    return Facets(nodes, owner)


def _filled(nodes: np.ndarray) -> np.ndarray:
    """Padding becomes the first corner, which adds nothing to an area vector."""
    return np.where(nodes >= 0, nodes, nodes[:, :1])


def _area(points: np.ndarray, block: Block) -> np.ndarray:
    if block.row.code != TRIANGLE_STRIP:
        return area_vectors(points, block.corners)
    total = np.zeros((len(block.cells), 3))
    for triangle in strip_triangles(block.nodes):
        total += area_vectors(points, triangle)
    return total


def strip_triangles(nodes: np.ndarray) -> list[np.ndarray]:
    """(m, 3) triangles of strips (m, n), all wound alike: every second one runs backwards."""
    return [
        nodes[:, [i, i + 1, i + 2] if i % 2 == 0 else [i + 1, i, i + 2]]
        for i in range(nodes.shape[1] - 2)
    ]
