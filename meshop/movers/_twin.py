"""A mesh as simplices on its own points, for movers that think in simplices."""

from __future__ import annotations

import numpy as np

from ..errors import MeshError
from ..mesh import Mesh


def simplices_of(mesh: Mesh) -> tuple[Mesh, np.ndarray]:
    """Triangles or tetrahedra that the top-dimensional cells are cut into, and the ids (n,) of the
    points that they have: those of the new mesh.

    Raises MeshError for surfaces in space, and for solids that can only be cut from a point inside.
    """
    if mesh.dim < 2 or (mesh.dim == 2 and not mesh.is_planar):
        raise MeshError(
            "a mesh that is neither plane nor solid",
            f"found dimension {mesh.dim}{' in space' if mesh.dim == 2 else ''}, expected surfaces "
            "at one z, or volumes",
            "meshop mesh FILE --volume fills a closed surface",
        )
    nodes = mesh.p1().simplices.nodes
    if len(nodes) == 0 or nodes.max() >= mesh.n_points:
        raise MeshError(
            "cells that are no union of tetrahedra on their own points",
            "some are polyhedra, or not convex",
            "a mesh of tetrahedra, hexahedra, wedges and pyramids",
        )
    used, local = np.unique(nodes, return_inverse=True)
    kind = "triangle" if mesh.dim == 2 else "tetra"
    return Mesh.from_blocks(mesh.points[used], [(kind, local.reshape(nodes.shape))]), used
