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


def folded_cells(mesh: Mesh, mirrored: np.ndarray) -> np.ndarray:
    """(c,) ids of cells that share a facet with one on the same side of it, of the rarer kind.

    mirrored (M,) bool: cells whose `corner_simplices` are negative. Cells on the two sides of a
    facet run around it in two ways. Not for polyhedra.
    """
    keys, turns, cells = [], [], []
    for block in chunks(mesh, mesh.dim):
        count = block.corners.shape[1]
        ring = tuple((i, (i + 1) % count) for i in range(count))
        for local in ring if mesh.dim == 2 else block.row.facets:
            facet = block.corners[:, list(local)]
            width = facet.shape[1]
            first = facet.argmin(axis=1)[:, None]
            ends = [np.take_along_axis(facet, (first + k) % width, 1)[:, 0] for k in (1, -1)]
            turn = first[:, 0] == 1 if width == 2 else ends[0] > ends[1]
            key = np.full((len(facet), 2 * mesh.dim - 2), -1)
            key[:, :width] = np.sort(facet, axis=1)
            keys.append(key)
            turns.append(turn ^ mirrored[block.cells])
            cells.append(block.cells)
    key, turn, cell = np.concatenate(keys), np.concatenate(turns), np.concatenate(cells)
    order = np.lexsort(key.T)
    key, turn, cell = key[order], turn[order], cell[order]
    at = np.flatnonzero((key[1:] == key[:-1]).all(axis=1) & (turn[1:] == turn[:-1]))
    both = np.unique(np.concatenate([cell[at], cell[at + 1]]))
    rare = mirrored[both] == (2 * mirrored.sum() < len(mirrored))
    return both[rare] if rare.any() else both


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
    links = corner_links(block.row.facets)  # around a corner as seen from outside: clockwise
    return [block.corners[:, [corner, *ends[::-1]]] for corner, ends in links.items()]
