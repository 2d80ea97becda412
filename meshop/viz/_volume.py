"""A picture of a volume's wall, or of its whole boundary, coloured by a field."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ..mesh import fans
from ._mesh import draw_scene
from ._paint import Shell, as_field, paint_of
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
    triangles, owner = _surface(mesh)
    values = np.asarray(values)
    if len(values) not in (mesh.n_cells, mesh.n_points):
        raise MeshError(f"array {name!r} has {len(values)} rows", "expected one a cell or a point")
    field = as_field(name, values, len(values) == mesh.n_cells)
    paint = paint_of(mesh, Shell(triangles, owner), field)
    used, local = np.unique(triangles, return_inverse=True)  # the far field is out of the picture
    scene = Scene(
        mesh.points[used], local.reshape(-1, 3), paint.rgb, ambient=0.7,
        point_rgb=paint.rgb[:0] if paint.points is None else paint.points[used],
    )  # fmt: skip
    draw_scene(mesh, scene, paint, path, title, timeout)


def _surface(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of the wall or boundary and the cell of each (T,)."""
    from ..graph import find_boundary

    if mesh.dim != 3:
        raise MeshError(f"a mesh of dimension {mesh.dim} has no surface to draw", "expected 3")
    found = find_boundary(mesh)
    drawn = found.wall if found.wall.any() else np.ones_like(found.wall)
    triangles, of = fans(found.facets.nodes[drawn])
    return triangles, found.facets.owner[drawn][of]
