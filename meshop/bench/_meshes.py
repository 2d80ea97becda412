"""Meshes for tasks whose data are points alone, and cases that share a mesh."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
from scipy.spatial import Delaunay

from ..mesh import Mesh

SLIVER = 1e-9  # of the mean area


def delaunay(points: np.ndarray) -> Mesh:
    """Triangles of the Delaunay triangulation of plane points (N, 2), counter-clockwise.

    Slivers on straight parts of the hull are left out.
    """
    points = np.asarray(points, dtype=np.float64)[:, :2]
    return triangle_mesh(points, Delaunay(points).simplices)


def triangle_mesh(points: np.ndarray, triangles: np.ndarray) -> Mesh:
    """Mesh of triangles (M, 3), turned counter-clockwise, those without area left out."""
    triangles = np.asarray(triangles, dtype=np.int64)
    a, b, c = (points[triangles[:, i], :2] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles = np.where((area < 0)[:, None], triangles[:, [0, 2, 1]], triangles)
    return Mesh.from_blocks(
        points, [("triangle", triangles[np.abs(area) > SLIVER * np.abs(area).mean()])]
    )


def standardised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Snapshots (n, N) standardised each by itself, then every node over the snapshots.

    Returns what is left, and shift and scale (n, N) with values = shift + scale * left. That is
    what the public code of GCA-ROM and GFN-ROM calls sample-feature scaling.
    """
    mean, deviation = values.mean(1, keepdims=True), values.std(1, keepdims=True)
    deviation = np.where(deviation > 0, deviation, 1.0)
    rest = (values - mean) / deviation
    middle, spread = rest.mean(0), rest.std(0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    return (rest - middle) / spread, mean + deviation * middle, deviation * spread


def with_case(
    mesh: Mesh, fields: Mapping[str, np.ndarray], conditions: Mapping[str, float] | None = None
) -> Mesh:
    """The same mesh with other point data and, as field data, conditions; geometry is shared."""
    twin = copy.copy(mesh)
    twin.point_data = {**mesh.point_data, **{k: np.asarray(v) for k, v in fields.items()}}
    twin.field_data = {k: np.array([float(v)]) for k, v in (conditions or {}).items()}
    return twin
