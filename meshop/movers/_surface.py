"""Curved faces of solids: smooth parts, ridges between them, and nodes that keep to either."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..mesh import P1Boundary
from ..ops import interpolate, locate

TRIANGLE = 5  # VTK code


class Faces(NamedTuple):
    """The boundary of a solid, cut where its facets turn sharply.

    part (F,): the smooth part that each facet is of; ridges (E, 2): edges between parts, and those
    of other than two facets.
    """

    part: np.ndarray
    ridges: np.ndarray


class Part(NamedTuple):
    """A smooth part: facets (F, 3) of its points (P, 3), and ids (K,) of the nodes that keep to it,
    which lie at start (K, 3)."""

    ids: Tensor
    start: Tensor
    points: Tensor
    facets: Tensor

    def closest(self, x: Tensor) -> Tensor:
        """(K, 3) points of the part closest to x (K, 3); nodes that did not move stay as they are.

        Differentiable: along the facets.
        """
        count = len(self.facets)
        there = locate(
            self.points,
            torch.full((count,), TRIANGLE, dtype=torch.uint8),
            torch.arange(count + 1) * 3,
            self.facets.reshape(-1),
            x,
        )
        still = (x == self.start).all(1)
        return torch.where(still[:, None], x, interpolate(self.points, there))


def smooth_faces(boundary: P1Boundary, corner: float) -> Faces:
    """Cut where neighbouring facets turn by more than an angle, in degrees."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    facets, count = boundary.nodes, len(boundary.nodes)
    size = np.linalg.norm(boundary.areas, axis=1, keepdims=True)
    unit = boundary.areas / np.where(size > 0, size, 1.0)
    edges = np.sort(facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys = edges[:, 0] * np.int64(boundary.n_points) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    _, first, many = np.unique(keys[order], return_index=True, return_counts=True)
    a, b = order[first] // 3, order[np.minimum(first + 1, len(order) - 1)] // 3
    joined = (many == 2) & ((unit[a] * unit[b]).sum(1) > np.cos(np.radians(corner)))
    pairs = csr_matrix((np.ones(joined.sum()), (a[joined], b[joined])), (count, count))
    return Faces(connected_components(pairs, directed=False)[1], edges[order[first[~joined]]])


def smooth_parts(
    faces: Faces, boundary: P1Boundary, points: np.ndarray, on: np.ndarray
) -> list[Part]:
    """The parts that nodes on (N,) keep to, but for nodes with facets of several parts."""
    n = len(points)
    low, high = np.full(n, len(faces.part)), np.full(n, -1)
    corner, part = boundary.nodes.ravel(), np.repeat(faces.part, 3)
    np.minimum.at(low, corner, part)
    np.maximum.at(high, corner, part)
    own = on & (low == high)
    out = []
    for k in np.unique(low[own]):
        ids, facets = np.flatnonzero(own & (low == k)), boundary.nodes[faces.part == k]
        used, local = np.unique(facets, return_inverse=True)
        arrays = ids, points[ids], points[used], local.reshape(-1, 3)
        out.append(Part(*(torch.from_numpy(np.ascontiguousarray(v)) for v in arrays)))
    return out


def ridge_nodes(ridges: np.ndarray, points: np.ndarray, corner: float) -> np.ndarray:
    """(N,) nodes inside a ridge: with two edges, that turn by less than an angle in degrees."""
    n = len(points)
    ends, other = ridges.ravel(), ridges[:, ::-1].ravel()
    way = points[other] - points[ends]
    way /= np.linalg.norm(way, axis=1)[:, None]
    total = np.stack([np.bincount(ends, column, n) for column in way.T], axis=1)
    # |a + b|^2 = 2 + 2 a . b, and a . b = -cos of the turn.
    return (np.bincount(ends, minlength=n) == 2) & (
        (total**2).sum(1) < 2 - 2 * np.cos(np.radians(corner))
    )


def chained(ridges: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(E', 2) edges with a node inside (N,) a ridge, turned so that each begins where one ends."""
    edges = ridges[inside[ridges].any(axis=1)]
    near = defaultdict(list)
    for e, (a, b) in enumerate(edges.tolist()):
        near[a].append(e)
        near[b].append(e)
    done, out = np.zeros(len(edges), bool), np.empty_like(edges)
    count = 0
    for e in np.argsort(inside[edges].all(axis=1), kind="stable"):  # ends first, then loops
        if done[e]:
            continue
        a, b = edges[e].tolist()
        if not inside[b]:
            a, b = b, a
        while True:
            done[e], out[count] = True, (a, b)
            count += 1
            onward = [k for k in near[b] if not done[k]] if inside[b] else []
            if not onward:
                break
            e = onward[0]
            a, b = b, int(edges[e].sum()) - b
    return out
