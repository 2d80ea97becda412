"""What simplices of two meshes have in common: the supermesh, by its measures alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._p1_assembly import basis_gradients
from ._sparse import csr
from .vectors import cross, dot

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_TARGETS = 1 << 14  # of which the partners are sought at once
_PAIRS = 1 << 13  # that are cut at once: they fit into a core's cache


def overlaps(
    source: tuple[np.ndarray, np.ndarray],
    target: tuple[np.ndarray, np.ndarray],
    neighbours: np.ndarray,
    starts: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (P,) of target and source simplices that overlap, and the part (P,) of the target.

    source, target: points (n, 3) and simplices (s, d + 1), triangles at one z or tetrahedra;
    neighbours (E, 2): pairs of source simplices that share a facet; starts: pairs (target, source)
    to begin with, one for each target that overlaps anything. A simplex is convex, so the source
    simplices that it overlaps are connected by facets: the search floods them from the start.

    Source: Farrell, Piggott, Pain, Gorman, Wilson, Conservative interpolation between unstructured
    meshes via supermesh construction, Comput. Methods Appl. Mech. Engrg. 198 (2009); the search as
    in Farrell and Maddison, the same 200 (2011), but for all targets at a time.
    """
    around = _adjacency(neighbours, len(source[1]))
    order = np.argsort(starts[0], kind="stable")
    begin_t, begin_s = starts[0][order], starts[1][order]
    found: list[tuple[np.ndarray, ...]] = [(np.empty(0, int), np.empty(0, int), np.empty(0))]
    for at in range(0, len(target[1]), _TARGETS):
        first, last = np.searchsorted(begin_t, [at, at + _TARGETS])
        found += _flood(source, target, around, begin_t[first:last], begin_s[first:last])
    t, s, part = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return t, s, part


def _flood(
    source: tuple[np.ndarray, np.ndarray],
    target: tuple[np.ndarray, np.ndarray],
    around: csr_matrix,
    t: np.ndarray,
    s: np.ndarray,
) -> list[tuple[np.ndarray, ...]]:
    found: list[tuple[np.ndarray, ...]] = []
    count = len(source[1])
    before, now = np.empty(0, int), np.unique(t * count + s)
    while len(now):
        t, s = now // count, now % count
        part = np.concatenate(
            [
                _shared(source, target, t[a : a + _PAIRS], s[a : a + _PAIRS])
                for a in range(0, len(t), _PAIRS)
            ]
        )
        some = part > 0
        t, s = t[some], s[some]
        found.append((t, s, part[some]))
        size = around.indptr[s + 1] - around.indptr[s]
        place = np.repeat(around.indptr[s] - np.cumsum(size) + size, size) + np.arange(size.sum())
        ahead = np.unique(np.repeat(t, size) * count + around.indices[place])
        # A ring's neighbours are in the ring before it, in it, or ahead of it.
        before, now = now, np.setdiff1d(ahead, np.concatenate([before, now]), assume_unique=True)
    return found


def _shared(
    source: tuple[np.ndarray, np.ndarray],
    target: tuple[np.ndarray, np.ndarray],
    t: np.ndarray,
    s: np.ndarray,
) -> np.ndarray:
    """(p,) the part of simplices t that lies in simplices s: s, in barycentric coordinates of t,
    is cut where each of them is zero, and the pieces are measured."""
    (x, cells), (y, others) = source, target
    gradient = np.moveaxis(basis_gradients(y, others[t]), 2, 0)  # (p, d + 1, 3)
    away = x[cells[s]] - y[others[t, :1]]  # (p, d + 1, 3)
    corner = away @ gradient.swapaxes(1, 2)  # (p, corners, coordinates), but for a one
    corner[:, :, 0] += 1.0
    pair = np.flatnonzero((corner.max(axis=1) > 0).all(axis=1))
    corner = corner[pair]
    for i in range(corner.shape[2]):
        corner, pair = _cut(corner, pair, i)
    return np.bincount(pair, _measures(corner), len(t))


def _measures(corner: np.ndarray) -> np.ndarray:
    """(m,) of simplices, over that of the one whose barycentric coordinates these are."""
    e = (corner[:, 1:, 1:] - corner[:, :1, 1:]).transpose(1, 2, 0)
    if len(e) == 2:
        return np.abs(e[0, 0] * e[1, 1] - e[0, 1] * e[1, 0])
    return np.abs(dot(e[0], cross(e[1], e[2])))


def _cut(corner: np.ndarray, pair: np.ndarray, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Simplices (m, d + 1, d + 1), and pairs (m,), as simplices of what has coordinate i >= 0."""
    width = corner.shape[1]
    sides = (corner[:, :, i] > 0) @ (1 << np.arange(width))  # which corners are inside, by bits
    whole = sides == (1 << width) - 1
    corners, pairs = [corner[whole]], [pair[whole]]
    for bits in range(1, (1 << width) - 1):
        mine = np.flatnonzero(sides == bits)
        order = sorted(range(width), key=lambda k: not bits >> k & 1)  # those inside first
        n = bits.bit_count()
        here = corner[mine[:, None], order]
        inner, outer = here[:, :n, None], here[:, None, n:]
        a, b = inner[..., i : i + 1], outer[..., i : i + 1]
        edge = (a * outer - b * inner) / (a - b)  # (m, n, width - n, coordinates): on the cut
        edge[..., i] = 0.0
        for simplex in _pieces(here, edge, n):
            corners.append(np.stack(simplex, axis=1))
            pairs.append(pair[mine])
    return np.concatenate(corners), np.concatenate(pairs)


def _pieces(x: np.ndarray, edge: np.ndarray, n: int) -> list[list[np.ndarray]]:
    """Simplices of the part of a simplex with n corners inside, cut at `edge` (m, n, ...)."""
    width = x.shape[1]
    if n == 1:
        return [[x[:, 0], *(edge[:, 0, j] for j in range(width - 1))]]
    if width == 3:
        return [[x[:, 0], x[:, 1], edge[:, 1, 0]], [x[:, 0], edge[:, 1, 0], edge[:, 0, 0]]]
    if n == 2:
        a = [x[:, 0], edge[:, 0, 0], edge[:, 0, 1]]
        b = [x[:, 1], edge[:, 1, 0], edge[:, 1, 1]]
    else:
        a = [x[:, 0], x[:, 1], x[:, 2]]
        b = [edge[:, 0, 0], edge[:, 1, 0], edge[:, 2, 0]]
    return [[*a, b[2]], [a[0], a[1], b[1], b[2]], [a[0], *b]]


def _adjacency(pairs: np.ndarray, n: int) -> csr_matrix:
    both = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.lexsort((both[:, 1], both[:, 0]))
    rowptr = np.concatenate([[0], np.cumsum(np.bincount(both[:, 0], minlength=n))])
    return csr(np.ones(len(both), np.int8), both[order, 1], rowptr, (n, n))
