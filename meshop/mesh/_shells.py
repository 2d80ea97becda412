"""Surfaces as triangles: their edges, connected shells, and which shell lies inside which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ._blocks import blocks
from ._topology import components, in_order_of_appearance, pair_edges

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
        triangles, of = fans(block.corners)
        parts.append(triangles)
        owner.append(block.cells[of])
    if not parts and mesh.dim == 3:
        facets = mesh.boundary_facets()
        size = (facets.nodes >= 0).sum(axis=1)
        for k in np.unique(size).tolist():
            triangles, of = fans(facets.nodes[size == k, :k])
            parts.append(triangles)
            owner.append(facets.owner[size == k][of])
    if not parts:
        raise MeshError("the mesh has no surface", "expected triangles, quads or polygons")
    cells = np.concatenate(owner)
    order = np.argsort(cells, kind="stable")
    return np.concatenate(parts)[order], cells[order]


def fans(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) triangles of polygons (F, k), which -1 may pad, and the polygon (T,) of each."""
    found, of = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for j in range(2, polygons.shape[1]):
        has = np.flatnonzero(polygons[:, j] >= 0)
        found.append(polygons[has[:, None], [0, j - 1, j]])
        of.append(has)
    return np.concatenate(found), np.concatenate(of)


def shells(triangles: np.ndarray, n_points: int) -> np.ndarray:
    """(T,) number of the connected part of each triangle, from 0 in order of appearance."""
    label = components(triangles[:, [0, 1]].ravel(), triangles[:, [1, 2]].ravel(), n_points)
    return in_order_of_appearance(label[triangles[:, 0]])[0]


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
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    order, first, uses = pair_edges(start, end)
    if len(odd := order[first[uses != 2]]):
        free = int((uses == 1).sum())
        a, b = sorted((int(start[odd[0]]), int(end[odd[0]])))
        where = " to ".join("(" + ", ".join(f"{v:.5g}" for v in points[p]) + ")" for p in (a, b))
        crowd = f", {len(odd) - free} edges have more than two triangles" if free < len(odd) else ""
        raise MeshError(
            "the surface is not closed",
            f"{free} edges are open{crowd}; the first is that of points {a} and {b}, {where}",
            "repair it first: meshop mesh FILE --repair --volume, or repair_surface(mesh)",
        )
    shell = shells(triangles, len(points))
    return shell, bodies(enclosing(points, triangles, shell))
