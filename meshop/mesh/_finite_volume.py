"""Facets as finite volumes see them: centres, areas, and how well cell centres face each other.

Definitions: OpenFOAM v1912, primitiveMeshFaceCentresAndAreas.C, primitiveMeshCellCentresAndVols.C
and primitiveMeshTools.C (what checkMesh prints). Lines of the plane stand for facets of unit depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..celltypes import POLYHEDRON, TRIANGLE_STRIP
from ._blocks import CHUNK, chunks
from ._facets import FacetTable, facet_table
from ._geometry import area_vectors, scaled_points, unit_vectors
from .vectors import cross, gathered, length

if TYPE_CHECKING:
    from ._mesh import Mesh

_TINY = 1e-100


class FacetQuality(NamedTuple):
    """All facets of the top-dimensional cells: owner (F,), neighbor (F,) or -1 on the boundary,
    non_orthogonality (F,) in degrees (0 on the boundary) and skewness (F,); cells: all that have
    facets."""

    owner: np.ndarray
    neighbor: np.ndarray
    non_orthogonality: np.ndarray
    skewness: np.ndarray
    cells: np.ndarray

    def of_cells(self, name: str, n_cells: int) -> np.ndarray:
        """(M,) the largest value of a cell's facets; NaN for cells that have none."""
        values = getattr(self, name)
        out = np.full(n_cells, np.nan)
        out[self.cells] = 0.0
        inner = self.neighbor >= 0
        np.maximum.at(out, self.owner, values)
        np.maximum.at(out, self.neighbor[inner], values[inner])
        return out


def facet_quality(mesh: Mesh, table: FacetTable | None = None) -> FacetQuality:
    """Non-orthogonality and skewness of every facet of a surface or volume mesh.

    table: the facets of this mesh, where they are known.
    """
    none = np.empty(0, np.int64)
    if mesh.dim < 2:
        return FacetQuality(none, none, np.empty(0), np.empty(0), none)
    ptr, nodes, owner, neighbor, further = facet_table(mesh) if table is None else table
    if not len(owner):
        return FacetQuality(none, none, np.empty(0), np.empty(0), none)
    held = np.zeros(mesh.n_cells + 1, dtype=bool)  # the last one stands for none
    held[owner] = held[neighbor] = held[further[:, 1]] = True
    points = scaled_points(mesh)
    if mesh.dim == 2:
        centre, area, cells = _of_surface(mesh, points, ptr, nodes, owner)
    else:
        centre, area = _faces(points, ptr, nodes)
        cells = _of_volume(mesh, points, centre, area, owner, neighbor)
    angle, skewness = np.zeros((2, len(owner)))
    for at in range(0, len(owner), CHUNK):
        some = slice(at, at + CHUNK)
        ends = ptr[at : at + CHUNK + 1]
        corners = points[nodes[ends[0] : ends[-1]]]
        angle[some], skewness[some] = _across(
            centre[some], area[some], cells[owner[some]],
            cells[neighbor[some]], neighbor[some] >= 0, corners, np.diff(ends),
        )  # fmt: skip
    return FacetQuality(owner, neighbor, angle, skewness, np.flatnonzero(held[:-1]))


def _across(
    centre: np.ndarray,
    area: np.ndarray,
    here: np.ndarray,
    there: np.ndarray,
    inner: np.ndarray,
    corners: np.ndarray,
    size: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Non-orthogonality and skewness (n,) of facets between the cell centres here and there."""
    unit = unit_vectors(area)
    reach = centre - here
    # On the boundary the line runs from the cell's centre along the facet's normal.
    line = np.where(inner[:, None], there - here, unit * _dot(unit, reach)[:, None])
    length = np.linalg.norm(line, axis=1)
    across = _dot(unit, line)
    cosine = np.divide(across, length, out=np.ones_like(length), where=length > _TINY)
    angle = np.where(inner, np.degrees(np.arccos(np.clip(cosine, -1, 1))), 0.0)
    part = _dot(unit, reach) / np.where(np.abs(across) > _TINY, across, _TINY)
    off = reach - np.clip(part, -1e30, 1e30)[:, None] * line
    miss = np.linalg.norm(off, axis=1)
    way = np.repeat(unit_vectors(off), size, axis=0)
    spread = np.abs(_dot(way, corners - np.repeat(centre, size, axis=0)))
    widest = np.maximum.reduceat(spread, np.cumsum(size) - size)
    widest = np.maximum(widest, np.where(inner, 0.2, 0.4) * length)
    return angle, np.divide(miss, widest, out=np.zeros_like(miss), where=widest > _TINY)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)


def _faces(points: np.ndarray, ptr: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and area vector (F, 3) of faces: triangles about the mean, weighted by their area."""
    centre, area = np.zeros((2, len(ptr) - 1, 3))
    sizes = np.diff(ptr)
    for n in np.unique(sizes):
        every = np.flatnonzero(sizes == n)
        for mine in np.split(every, range(CHUNK, len(every), CHUNK)):
            ring = gathered(points, nodes[ptr[mine][:, None] + np.arange(n)])
            middle, some = _face(ring)
            centre[mine], area[mine] = middle.T, some.T
    return centre, area


def _face(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres and area vectors (3, m) of polygons (n, 3, m)."""
    middle, spokes = ring.mean(axis=0), ring - ring[0]
    area = 0.5 * np.sum([cross(a, b) for a, b in pairwise(spokes[1:])], axis=0)
    if len(ring) == 3:
        return middle, area
    after = np.roll(ring, -1, axis=0)
    weights = [length(cross(b - a, middle - a)) for a, b in zip(ring, after, strict=True)]
    total = np.stack(weights, axis=1).sum(axis=1)
    moment = sum(w * (a + b + middle) for w, a, b in zip(weights, ring, after, strict=True))
    return np.divide(moment / 3, total, out=middle, where=total > _TINY), area


def _of_surface(
    mesh: Mesh, points: np.ndarray, ptr: np.ndarray, nodes: np.ndarray, owner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middles (F, 3) and outward normals (F, 3) of the sides, centroids (M, 3) of the polygons."""
    centroid, normal = np.zeros((2, mesh.n_cells, 3))
    for block in chunks(mesh, 2):
        ring = points[block.corners]
        middle = ring.mean(axis=1)
        total = area_vectors(points, block.corners)
        normal[block.cells] = unit = unit_vectors(total)
        after = np.roll(ring, -1, axis=1)
        weight = np.cross(ring - middle[:, None], after - middle[:, None])
        weight = np.einsum("ijk,ik->ij", weight, unit)
        moment = np.einsum("ij,ijk->ik", weight, ring + after + middle[:, None]) / 3
        area = weight.sum(axis=1)
        good = (area > _TINY) & (block.row.code != TRIANGLE_STRIP)
        middle[good] = moment[good] / area[good, None]
        centroid[block.cells] = middle
    start, end = points[nodes[ptr[:-1]]], points[nodes[ptr[1:] - 1]]
    centre, area = (start + end) / 2, np.cross(end - start, normal[owner])
    strip = mesh.cell_types[owner] == TRIANGLE_STRIP  # whose sides run either way
    area[strip & (_dot(area, centre - centroid[owner]) < 0)] *= -1
    return centre, area, centroid


def _of_volume(
    mesh: Mesh,
    points: np.ndarray,
    centre: np.ndarray,
    area: np.ndarray,
    owner: np.ndarray,
    neighbor: np.ndarray,
) -> np.ndarray:
    """(M, 3) centroids by pyramids over the faces; turns `area` so that it leaves the owner."""
    guess = np.zeros((3, mesh.n_cells))
    count = np.zeros(mesh.n_cells)
    for cell, face, _ in _sides(owner, neighbor):
        np.add.at(count, cell, 1.0)
        for column, values in zip(guess, centre[face].T, strict=True):
            np.add.at(column, cell, values)
    guess = (guess / np.maximum(count, 1)).T.copy()
    # Types say how their faces are wound, so only mirrored cells are turned; polyhedra may be
    # wound anyhow.
    away = np.empty(len(owner))
    for at in range(0, len(owner), CHUNK):
        some = slice(at, at + CHUNK)
        away[some] = _dot(area[some], centre[some] - guess[owner[some]])
    volume = np.bincount(owner, away, minlength=mesh.n_cells)
    inside_out = np.where(mesh.cell_types[owner] == POLYHEDRON, away < 0, volume[owner] < 0)
    area[inside_out] *= -1
    total, moment = np.zeros(mesh.n_cells), np.zeros((3, mesh.n_cells))
    for cell, face, sign in _sides(owner, neighbor):
        share = sign * _dot(area[face], centre[face] - guess[cell])
        np.add.at(total, cell, share)
        pyramid = 0.75 * centre[face] + 0.25 * guess[cell]
        for column, values in zip(moment, pyramid.T, strict=True):
            np.add.at(column, cell, share * values)
    good = np.abs(total) > _TINY
    guess[good] = moment.T[good] / total[good, None]
    return guess


def _sides(
    owner: np.ndarray, neighbor: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Cells and their facets, some at a time: owners (+1.0), then neighbours (-1.0)."""
    for cells, sign in ((owner, 1.0), (neighbor, -1.0)):
        for at in range(0, len(cells), CHUNK):
            face = at + np.flatnonzero(cells[at : at + CHUNK] >= 0)
            yield cells[face], face, sign
