"""A picture of a volume's wall, or of its whole boundary, coloured by a field."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ..mesh import fans
from ._mesh import draw_scene
from ._paint import by_value
from ._scene import Scene

if TYPE_CHECKING:
    from ..mesh import Mesh


def volume_picture(
    mesh: Mesh,
    name: str,
    values: np.ndarray,
    path: str | os.PathLike,
    *,
    title: str = "",
    timeout: float = 60.0,
) -> None:
    """Draw the boundary of a three-dimensional mesh, coloured by `values`, into a PNG.

    values (M, ...) on cells or (N, ...) on points, vectors by magnitude. The wall is drawn where
    there is one inside a far field, else the whole boundary. Raises MeshError for other meshes.
    """
    triangles, scalar = _surface(mesh, name, values)
    paint = by_value(scalar, name)
    none = np.empty((0, 3), np.uint8)
    scene = Scene(mesh.points[:0], triangles, paint.rgb, none[:, :2], none, none, none)
    used, local = np.unique(triangles, return_inverse=True)  # the far field is out of the picture
    scene = scene._replace(points=mesh.points[used], triangles=local.reshape(-1, 3))
    draw_scene(mesh, scene, paint, path, title, timeout)


def _surface(mesh: Mesh, name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of the wall or boundary and the value of each (T,)."""
    from ..graph import find_boundary

    if mesh.dim != 3:
        raise MeshError(f"a mesh of dimension {mesh.dim} has no surface to draw", "expected 3")
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if len(values) not in (mesh.n_cells, mesh.n_points):
        raise MeshError(f"array {name!r} has {len(values)} rows", "expected one a cell or a point")
    values = np.linalg.norm(values, axis=1) if values.shape[1] > 1 else values[:, 0]
    found = find_boundary(mesh)
    drawn = found.wall if found.wall.any() else np.ones_like(found.wall)
    nodes, owner = found.facets.nodes[drawn], found.facets.owner[drawn]
    triangles, of = fans(nodes)
    on_cells = len(values) == mesh.n_cells
    scalar = values[owner[of]] if on_cells else values[triangles].mean(axis=1)
    return triangles, scalar
