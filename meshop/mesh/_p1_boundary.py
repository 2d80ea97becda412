"""The boundary of a mesh as P1 elements see it: triangles, edges or points, and their normals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ._geometry import unit_vectors
from ._normals import facet_areas, outward
from ._p1_assembly import mass
from ._p1_pattern import Pattern
from ._triangulate import triangulate
from .vectors import cross, gathered

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from ._mesh import Mesh


FLAT = 1e-10  # squared sine of the angle that facets of one plane may have: 1e-5 rad


@dataclass
class P1Boundary:
    """Facets of the boundary as simplices (F, d), those with more corners cut as cells are.

    nodes (F, d): ids of points; facet (F,): row of `Mesh.boundary_facets`; owner (F,): cell; areas
    (F, 3): normals out of the owner, as long as the facet's measure (1 for the ends of lines; in
    the plane of the owner for surfaces); n_points: N.
    """

    nodes: np.ndarray
    facet: np.ndarray
    owner: np.ndarray
    areas: np.ndarray
    n_points: int

    @cached_property
    def measure(self) -> np.ndarray:
        """(F,) area, length, or 1."""
        return np.linalg.norm(self.areas, axis=1)

    @cached_property
    def points(self) -> np.ndarray:
        """(B,) ids of the points on the boundary, rising."""
        return np.unique(self.nodes)

    @cached_property
    def area_vectors(self) -> np.ndarray:
        """(N, 3) int phi_i n over the boundary: zero off it; they sum to zero if it is closed and
        the mesh is a volume or flat."""
        return np.stack([self._spread(column) for column in self.areas.T], axis=1)

    @cached_property
    def normals(self) -> np.ndarray:
        """(N, 3) unit outer normals at points, weighted by measure; zero off the boundary, and
        where facets of opposite normals meet."""
        size = self.lumped[:, None] * 1e-12
        vectors = np.where(np.abs(self.area_vectors) > size, self.area_vectors, 0.0)
        return unit_vectors(vectors)

    def free_axes(self, d: int) -> np.ndarray:
        """(N, d, d) columns: unit directions, across each other, in the lines or planes of all
        facets around a point, which may differ by `FLAT`; zero columns for what these leave out."""
        size = self.measure[:, None]
        unit = (self.areas / np.where(size > 0, size, 1.0))[:, :d]
        outer = (unit[:, :, None] * unit[:, None, :]).reshape(-1, d * d)
        ends, width = self.nodes.ravel(), self.nodes.shape[1]
        total = [np.bincount(ends, np.repeat(o, width), self.n_points) for o in outer.T]
        count = np.maximum(np.bincount(ends, minlength=self.n_points), 1)
        mean = np.stack(total, axis=1) / count[:, None]
        spread, axes = np.linalg.eigh(mean.reshape(-1, d, d))
        return axes * (spread < FLAT)[:, None]

    @cached_property
    def lumped(self) -> np.ndarray:
        """(N,) int phi_i over the boundary; sums to its measure."""
        return self._spread(self.measure)

    def mass(self, coefficient: np.ndarray | None = None) -> csr_matrix:
        """(N, N) int c phi_i phi_j over the boundary, c (F,) or one: Robin conditions."""
        weight = self.measure if coefficient is None else self.measure * coefficient
        return mass(Pattern(self.nodes, self.n_points), self.nodes, weight)

    def load(self, values: np.ndarray) -> np.ndarray:
        """(N,) int phi_i q over the boundary, q (F,) on its facets: Neumann conditions."""
        return self._spread(self.measure * values)

    def _spread(self, values: np.ndarray) -> np.ndarray:
        width = self.nodes.shape[1]
        return np.bincount(self.nodes.ravel(), np.repeat(values / width, width), self.n_points)


def p1_boundary(mesh: Mesh) -> P1Boundary:
    """The boundary of a mesh's top-dimensional cells: facets that one cell has."""
    facets = outward(mesh, mesh.boundary_facets())
    if mesh.dim < 3:
        rows = np.arange(len(facets.owner))
        nodes, areas = facets.nodes[:, : mesh.dim], facet_areas(mesh, facets)
        return P1Boundary(nodes, rows, facets.owner, areas, mesh.n_points)
    size = (facets.nodes >= 0).sum(axis=1)
    found, of = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for n in np.unique(size):
        mine = np.flatnonzero(size == n)
        triangles = triangulate(mesh.points, facets.nodes[mine, :n]).triangles
        found.append(triangles.reshape(-1, 3))
        of.append(np.repeat(mine, triangles.shape[1]))
    rows = np.concatenate(of)
    order = np.argsort(rows, kind="stable")
    nodes, rows = np.concatenate(found)[order], rows[order]
    corner = gathered(mesh.points, nodes)
    areas = 0.5 * cross(corner[1] - corner[0], corner[2] - corner[0]).T
    return P1Boundary(nodes, rows, facets.owner[rows], areas, mesh.n_points)
