"""Centres, measures and areas of any cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..celltypes import CONVEX_POINT_SET, POLYHEDRON, TRIANGLE_STRIP
from ._blocks import chunks
from ._faces import face_chunks
from .vectors import cross, dot, gathered, volume

if TYPE_CHECKING:
    from ._mesh import Mesh


def cell_centers(mesh: Mesh) -> np.ndarray:
    """(M, 3) mean of each cell's corner nodes."""
    centers = np.zeros((mesh.n_cells, 3))
    for block in chunks(mesh):
        if block.nodes.shape[1]:
            centers[block.cells] = _mean(mesh.points, block.corners)
    return centers


def signed_measures(mesh: Mesh) -> np.ndarray:
    """(M,) length, area, volume. Signed for volumes, and for areas of a planar mesh."""
    out = np.zeros(mesh.n_cells)
    planar = mesh.is_planar
    for block in chunks(mesh):
        dim, points = block.row.dim, mesh.points
        if dim == 0:
            out[block.cells] = block.nodes.shape[1]
        elif dim == 1:
            path = points[block.corners]
            out[block.cells] = np.linalg.norm(np.diff(path, axis=1), axis=2).sum(axis=1)
        elif block.row.code == TRIANGLE_STRIP:
            strip = points[block.nodes]
            a, b = strip[:, 1:-1] - strip[:, :-2], strip[:, 2:] - strip[:, :-2]
            out[block.cells] = 0.5 * np.linalg.norm(np.cross(a, b), axis=2).sum(axis=1)
        elif dim == 2:
            area = area_vectors(points, block.corners)
            out[block.cells] = area[:, 2] if planar else np.linalg.norm(area, axis=1)
        elif block.row.code == CONVEX_POINT_SET:
            out[block.cells] = [_hull_volume(points[ids]) for ids in block.nodes]
        elif block.row.code != POLYHEDRON:
            corners = gathered(points, block.corners)
            corners -= corners[0].copy()
            out[block.cells] = volume(block.row, corners)
    if mesh.faces is not None and mesh.face_offsets is not None and len(mesh.faces):
        _add_polyhedra(mesh, mesh.faces, mesh.face_offsets, out)
    return out


def scaled_points(mesh: Mesh) -> np.ndarray:
    """(N, 3) points, scaled by a power of two (which is exact) where products might overflow."""
    largest = np.abs(mesh.points).max(initial=0.0)
    return mesh.points if largest < 2.0**200 else np.ldexp(mesh.points, -1020)


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """(m, 3) of length 1; zero stays zero. The length is found without overflow or underflow."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    vectors = vectors / np.where(largest > 0, largest, 1.0)[:, None]
    length = np.linalg.norm(vectors, axis=1)
    return vectors / np.where(length > 0, length, 1.0)[:, None]


def area_vectors(points: np.ndarray, loops: np.ndarray) -> np.ndarray:
    """(m, 3) area vectors of polygons (m, k): exact for plane ones, convex or not."""
    first = points[loops[:, 0]]
    total = np.zeros((len(loops), 3))
    # Relative to the first corner: areas of 1e-10 far from the origin keep their digits.
    before = points[loops[:, 1]] - first
    for i in range(2, loops.shape[1]):
        after = points[loops[:, i]] - first
        total += np.cross(before, after)
        before = after
    return 0.5 * total


def _mean(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
    total = points[ids[:, 0]].copy()
    for i in range(1, ids.shape[1]):
        total += points[ids[:, i]]
    return total / ids.shape[1]


def _add_polyhedra(
    mesh: Mesh, faces: np.ndarray, face_offsets: np.ndarray, out: np.ndarray
) -> None:
    """Pyramids from each cell's centre over its faces: needs no orientation of the faces."""
    apex = cell_centers(mesh)
    for listed in face_chunks(faces, face_offsets):
        for size in np.unique(listed.size):
            mine = np.flatnonzero(listed.size == size)
            cell = listed.cell[mine]
            nodes = faces[listed.start[mine][:, None] + np.arange(size)]
            ring = gathered(mesh.points, nodes) - apex[cell].T
            middle = ring.mean(axis=0)
            fan = sum(dot(middle, cross(ring[i - 1], ring[i])) for i in range(size))
            np.add.at(out, cell, np.abs(fan) / 6.0)


def _hull_volume(points: np.ndarray) -> float:
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(points).volume) if len(points) > 3 else 0.0
    except QhullError:  # all points in one plane
        return 0.0
