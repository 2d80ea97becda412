"""The corners of cells as simplices: where all are positive, so is the map to the cell there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..celltypes import CONVEX_POINT_SET, POLYHEDRON, TRIANGLE_STRIP
from ..errors import MeshError
from ._blocks import Block, chunks
from ._metrics import corner_links
from ._triangulate import triangulate

if TYPE_CHECKING:
    from ._mesh import Mesh


class Corners(NamedTuple):
    """nodes (S, d + 1): simplices, positive in a cell that VTK calls so; cell (S,): of which."""

    nodes: np.ndarray
    cell: np.ndarray


def corner_simplices(mesh: Mesh) -> Corners:
    """Every corner of the top-dimensional cells of a plane or solid mesh, with the edges there.

    Triangles and tetrahedra are themselves; a quad has four (all positive: it is convex, and the
    bilinear map is one to one), a hexahedron eight, a wedge six, a pyramid the four of its base.
    Polygons of more corners are cut as `split_cells` says. Curved cells are taken by their corners.
    Raises MeshError for polyhedra, for surfaces in space and for meshes without cells.
    """
    if mesh.dim < 2 or (mesh.dim == 2 and not mesh.is_planar):
        raise MeshError(
            f"a mesh of dimension {mesh.dim}" + ("" if mesh.dim < 2 else " in space"),
            "expected volumes, or surfaces at one z",
        )
    width = mesh.dim + 1
    nodes, cells = [np.empty((0, width), np.int64)], [np.empty(0, np.int64)]
    for block in chunks(mesh, mesh.dim):
        for part in _plane(mesh, block) if mesh.dim == 2 else _solid(block):
            nodes.append(part)
            cells.append(np.repeat(block.cells, len(part) // len(block.cells)))
    return Corners(np.concatenate(nodes), np.concatenate(cells))


def _plane(mesh: Mesh, block: Block) -> list[np.ndarray]:
    ring = block.corners
    if block.row.code == TRIANGLE_STRIP:
        raise MeshError("triangle strips", "expected triangles, quads or polygons")
    if ring.shape[1] == 3:
        return [ring]
    if ring.shape[1] == 4:
        return [np.stack([ring[:, i - 1], ring[:, i], ring[:, (i + 1) % 4]], 1) for i in range(4)]
    return [triangulate(mesh.points, ring).triangles.reshape(-1, 3)]


def _solid(block: Block) -> list[np.ndarray]:
    if block.row.code in (CONVEX_POINT_SET, POLYHEDRON):
        raise MeshError("polyhedra", "their corners are no tetrahedra", "a mesh of tetrahedra")
    if block.corners.shape[1] == 4:
        return [block.corners]
    links = corner_links(block.row.facets)
    return [block.corners[:, [corner, *ends]] for corner, ends in links.items()]
