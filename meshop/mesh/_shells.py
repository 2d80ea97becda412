"""Surfaces as triangles: their edges, connected shells, and which shell lies inside which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ._blocks import blocks

if TYPE_CHECKING:
    from ._mesh import Mesh


def triangles_of(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) corners and (T,) cells: the two-dimensional cells, fans where they have more corners.

    A mesh of volumes alone gives its boundary. Raises MeshError where there is no surface.
    """
    parts: list[np.ndarray] = []
    owner: list[np.ndarray] = []
    for block in blocks(mesh, 2):
        if block.row.name == "triangle_strip":
            raise MeshError("triangle strips", "expected triangles, quads or polygons")
        _fan(block.corners, block.cells, parts, owner)
    if not parts and mesh.dim == 3:
        facets = mesh.boundary_facets()
        size = (facets.nodes >= 0).sum(axis=1)
        for k in np.unique(size).tolist():
            _fan(facets.nodes[size == k, :k], facets.owner[size == k], parts, owner)
    if not parts:
        raise MeshError("the mesh has no surface", "expected triangles, quads or polygons")
    cells = np.concatenate(owner)
    order = np.argsort(cells, kind="stable")
    return np.concatenate(parts)[order], cells[order]


def _fan(corners: np.ndarray, cells: np.ndarray, parts: list, owner: list) -> None:
    for j in range(2, corners.shape[1]):
        parts.append(corners[:, [0, j - 1, j]])
        owner.append(cells)


def edge_uses(loops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undirected edges (E, 2) of loops (m, k) of points, sorted, and how many loops use each."""
    edges = np.stack([loops, np.roll(loops, -1, axis=1)], axis=-1).reshape(-1, 2)
    edges.sort(axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges = edges[order]
    first = np.ones(len(edges), bool)
    first[1:] = (edges[1:] != edges[:-1]).any(axis=1)
    starts = np.flatnonzero(first)
    return edges[starts], np.diff(np.append(starts, len(edges)))


def shells(triangles: np.ndarray, n_points: int) -> np.ndarray:
    """(T,) number of the connected part of each triangle, from 0 in order of appearance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = triangles[:, [0, 1]].ravel(), triangles[:, [1, 2]].ravel()
    graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(n_points, n_points))
    _, label = connected_components(graph, directed=False)
    _, first, number = np.unique(label[triangles[:, 0]], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number.ravel()]


def enclosing(points: np.ndarray, triangles: np.ndarray, shell: np.ndarray) -> list[list[int]]:
    """For each closed shell (in the order of its number) the shells around one of its points."""
    order = np.argsort(shell, kind="stable")
    parts = np.split(triangles[order], np.flatnonzero(np.diff(shell[order])) + 1)
    low = np.array([points[part].min(axis=(0, 1)) for part in parts])
    high = np.array([points[part].max(axis=(0, 1)) for part in parts])
    around = []
    for part in parts:
        at = points[part[0, 0]]
        near = np.flatnonzero((low < at).all(axis=1) & (at < high).all(axis=1))
        around.append([i for i in near.tolist() if abs(_winding(points, parts[i], at)) > 0.75])
    return around


def _winding(points: np.ndarray, triangles: np.ndarray, at: np.ndarray) -> float:
    """How often a closed surface goes round a point (van Oosterom and Strackee 1983)."""
    a, b, c = (points[triangles[:, i]] - at for i in range(3))
    x, y, z = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    dot = np.einsum
    top = dot("ij,ij->i", a, np.cross(b, c))
    low = x * y * z + dot("ij,ij->i", a, b) * z + dot("ij,ij->i", b, c) * x
    low += dot("ij,ij->i", c, a) * y
    return float(np.arctan2(top, low).sum() / (2 * np.pi))


def bodies(around: list[list[int]]) -> list[list[int]]:
    """Shells as bodies: each an outer shell and then those of its cavities."""
    depth = [len(others) for others in around]
    found = {shell: [shell] for shell, level in enumerate(depth) if level % 2 == 0}
    for shell, level in enumerate(depth):
        if level % 2:
            found[max(around[shell], key=depth.__getitem__)].append(shell)
    return list(found.values())


def closed_bodies(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """Shell (T,) of each triangle, and the shells of each body, its outer one first.

    Raises MeshError, naming edges, where the surface is not closed.
    """
    edges, uses = edge_uses(triangles)
    if len(odd := edges[uses != 2]):
        free = int((uses == 1).sum())
        a, b = odd[0].tolist()
        where = " to ".join("(" + ", ".join(f"{v:.5g}" for v in points[p]) + ")" for p in (a, b))
        crowd = f", {len(odd) - free} edges have more than two triangles" if free < len(odd) else ""
        raise MeshError(
            "the surface is not closed",
            f"{free} edges are open{crowd}; the first is that of points {a} and {b}, {where}",
            "repair it first: meshop mesh FILE --repair --volume, or repair_surface(mesh)",
        )
    shell = shells(triangles, len(points))
    return shell, bodies(enclosing(points, triangles, shell))
