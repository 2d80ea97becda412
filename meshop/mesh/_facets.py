"""Facets of the top-dimensional cells: the boundary, and who shares one with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._blocks import blocks
from ._cells import POLY_LINE, POLYHEDRON, TRIANGLE_STRIP
from ._faces import parse_faces

if TYPE_CHECKING:
    from ._mesh import Mesh


class Facets(NamedTuple):
    """Facets as corner nodes (F, k) int64, padded with -1, and their owner cells (F,) int64."""

    nodes: np.ndarray
    owner: np.ndarray


def boundary_facets(mesh: Mesh) -> Facets:
    """Facets that one cell uses, ordered by owner, each wound as its owner has it."""
    facets = _all_facets(mesh)
    order, first = _groups(facets.nodes, mesh.n_points)
    single = np.append(first[1:], len(order)) - first == 1
    keep = np.sort(order[first[single]])
    keep = keep[np.argsort(facets.owner[keep], kind="stable")]
    return Facets(facets.nodes[keep], facets.owner[keep])


def facet_neighbours(mesh: Mesh) -> np.ndarray:
    """(P, 2) pairs of cells that share a facet. Cells around a facet that more than two share are
    paired in a chain, so the result never outgrows the mesh."""
    facets = _all_facets(mesh)
    order, first = _groups(facets.nodes, mesh.n_points)
    inner = np.ones(len(order), dtype=bool)
    inner[first] = False
    right = np.flatnonzero(inner)
    owner = facets.owner[order]
    left, right = owner[right - 1], owner[right]
    low, high = np.minimum(left, right), np.maximum(left, right)
    low, high = low[low != high], high[low != high]
    if mesh.n_cells < 3_000_000_000:
        key = np.unique(low * mesh.n_cells + high)
        return np.stack(np.divmod(key, max(mesh.n_cells, 1)), axis=1)
    return np.unique(np.stack([low, high], axis=1), axis=0)


def _all_facets(mesh: Mesh) -> Facets:
    """Every facet of every top-dimensional cell; those of one cell in the order of its type."""
    nodes, owner = [], []
    dim = mesh.dim
    if dim > 0:
        for block in blocks(mesh, dim):
            if block.row.code == POLYHEDRON:
                continue
            for ids in _local_facets(block.row.code, block.corners, block.row.facets):
                nodes.append(ids)
                owner.append(block.cells)
    if dim == 3 and mesh.faces is not None and mesh.face_offsets is not None:
        listed = parse_faces(mesh.faces, mesh.face_offsets)
        for size in np.unique(listed.size):
            mine = np.flatnonzero(listed.size == size)
            nodes.append(mesh.faces[listed.start[mine][:, None] + np.arange(size)])
            owner.append(listed.cell[mine])
    width = max((ids.shape[1] for ids in nodes), default=max(dim, 1))
    total = sum(len(ids) for ids in nodes)
    table = np.full((total, width), -1, dtype=np.int64)
    at = 0
    for ids in nodes:
        table[at : at + len(ids), : ids.shape[1]] = ids
        at += len(ids)
    return Facets(table, np.concatenate([np.empty(0, np.int64), *owner]))


def _local_facets(code: int, corners: np.ndarray, facets: tuple) -> list[np.ndarray]:
    if facets:
        return [corners[:, face] for face in facets]
    n = corners.shape[1]
    if code == POLY_LINE:
        return [corners[:, [0]], corners[:, [n - 1]]]
    if code == TRIANGLE_STRIP:
        pairs = [(0, 1), (n - 2, n - 1), *((i, i + 2) for i in range(n - 2))]
        return [corners[:, pair] for pair in pairs]
    if corners.shape[0] and code in (7, 36):
        return [corners[:, [i, (i + 1) % n]] for i in range(n)]
    return []  # a convex point set has no facets of its own


def _groups(nodes: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Group equal facets: an order that puts them side by side, and where each group starts."""
    key = np.sort(nodes, axis=1) + 1  # -1 padding becomes 0
    base = n_points + 1
    columns: list[np.ndarray] = []
    per = max(1, int(63 / max(np.log2(base), 1.0)))  # ids that fit into one int64
    for start in range(0, key.shape[1], per):
        packed = np.zeros(len(key), dtype=np.int64)
        for column in range(start, min(start + per, key.shape[1])):
            packed = packed * base + key[:, column]
        columns.append(packed)
    # One key nearly always decides. Where it does not, only those rows need the other columns.
    order = np.argsort(columns[0])
    if len(columns) > 1 and len(order):
        first = columns[0][order]
        same = first[1:] == first[:-1]
        split = np.zeros(len(order), dtype=bool)
        for packed in columns[1:]:
            ordered = packed[order]
            split[1:] |= same & (ordered[1:] != ordered[:-1])
        if split.any():
            group = np.cumsum(np.concatenate([[True], ~same])) - 1
            mixed = np.bincount(group, weights=split) > 0
            rows = np.flatnonzero(mixed[group])
            inside = order[rows]
            order[rows] = inside[np.lexsort([c[inside] for c in reversed(columns)])]
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for packed in columns:
        ordered = packed[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(new)
