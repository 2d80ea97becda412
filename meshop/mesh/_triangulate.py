"""Polygons in space as triangles on their own corners, the same from both sides."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .vectors import cross, dot, gathered

_THIN = 1e-6  # of the polygon's area: a triangle with less is as good as flat
_ROOM = 1 << 22  # numbers at once while ears are looked for
_FEW = 4  # ears, the best shaped, that are looked at first


class Triangulation(NamedTuple):
    """triangles (m, k - 2, 3) node ids, wound as the polygons; fan (m,): all have the lowest node;
    folded (m,): some overlap (the polygon crosses itself)."""

    triangles: np.ndarray
    fan: np.ndarray
    folded: np.ndarray


def triangulate(points: np.ndarray, loops: np.ndarray) -> Triangulation:
    """Triangles of polygons (m, k): fans from the lowest node, where none is flat or turned.

    Otherwise ears are clipped, the best shaped first (Meisters, Polygons Have Ears, 1975). What
    comes out depends on the corners alone, not on where a polygon starts or which way it runs.
    """
    m, k = loops.shape
    if k == 3 or m == 0:
        still = np.ones(m, bool)
        return Triangulation(loops.reshape(m, -1, 3), still, ~still)
    place = (np.argmin(loops, axis=1)[:, None] + np.arange(k)) % k
    ring = np.take_along_axis(loops, place, axis=1)
    mirrored = ring[:, 1] > ring[:, -1]
    ring[mirrored, 1:] = ring[mirrored, :0:-1]
    corner = gathered(points, ring)
    spoke = corner[1:] - corner[0]
    doubles = [cross(a, b) for a, b in pairwise(spoke)]
    normal = sum(doubles[1:], doubles[0])
    whole = dot(normal, normal)
    # Of collapsed polygons the triangles with a node twice are no part.
    fine = np.ones(m, bool)
    for i, double in enumerate(doubles, 1):
        collapsed = (ring[:, i] == ring[:, i + 1]) | (ring[:, i] == ring[:, 0])
        fine &= collapsed | (ring[:, i + 1] == ring[:, 0]) | (dot(double, normal) > _THIN * whole)
    triangles = np.stack([ring[:, [0, i, i + 1]] for i in range(1, k - 1)], axis=1)
    folded = np.zeros(m, bool)
    bent = np.flatnonzero(~fine)
    step = max(1, _ROOM // k**2)
    for at in range(0, len(bent), step):
        some = bent[at : at + step]
        triangles[some], folded[some] = _ears(ring[some], corner[:, :, some], normal[:, some])
    triangles[mirrored] = triangles[mirrored][:, :, ::-1]
    return Triangulation(triangles, fine, folded)


def _ears(
    ring: np.ndarray, corner: np.ndarray, normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (m, k - 2, 3) of polygons, ear by ear, and whether one found no ear (m,)."""
    m, k = ring.shape
    x, y = _flat(corner, normal)
    whole = np.sqrt(dot(normal, normal))
    left = np.broadcast_to(np.arange(k), (m, k))
    out = np.empty((m, k - 2, 3), np.int64)
    stuck = np.zeros(m, bool)
    for step in range(k - 3):
        width = left.shape[1]
        here = [np.take_along_axis(v, left, axis=1) for v in (x, y)]
        best, free = _best_ear(here[0], here[1], whole)
        stuck |= ~free
        ear = np.take_along_axis(left, (best[:, None] + np.array([-1, 0, 1])) % width, axis=1)
        out[:, step] = np.take_along_axis(ring, ear, axis=1)
        left = left[np.arange(width) != best[:, None]].reshape(m, -1)
    out[:, -1] = np.take_along_axis(ring, left, axis=1)
    (px, qx, rx), (py, qy, ry) = (np.take_along_axis(v, left, axis=1).T for v in (x, y))
    stuck |= (qx - px) * (ry - py) - (qy - py) * (rx - px) < -_THIN * whole
    return out, stuck


def _best_ear(x: np.ndarray, y: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corner (m,) of polygons (m, r) whose ear is the best shaped (area over the squares of its
    sides) of those that hold no other corner, and whether there is any such."""
    (px, py), (rx, ry) = (tuple(np.roll(v, by, axis=1) for v in (x, y)) for by in (1, -1))
    area = (x - px) * (ry - py) - (y - py) * (rx - px)
    size = (x - px) ** 2 + (y - py) ** 2 + (rx - x) ** 2 + (ry - y) ** 2
    size += (px - rx) ** 2 + (py - ry) ** 2
    order = np.argsort(-area / np.where(size > 0, size, 1.0), axis=1, kind="stable")
    best, found = order[:, 0].copy(), np.zeros(len(x), bool)
    # Mostly one of the first few will do. Many corners make thin ears: the rest is more exact.
    for few, tiny in ((_FEW, _THIN), (None, _THIN), (None, 1e-13)):
        rows = np.flatnonzero(~found)
        if not len(rows):
            break
        ears = order[rows, :few]
        free = _holds_none(x[rows], y[rows], ears, tiny * whole[rows])
        free &= np.take_along_axis(area[rows], ears, axis=1) > tiny * whole[rows, None]
        at = np.argmax(free, axis=1)[:, None]
        found[rows] = np.take_along_axis(free, at, axis=1)[:, 0]
        best[rows[found[rows]]] = np.take_along_axis(ears, at, axis=1)[found[rows], 0]
    return best, found


def _holds_none(x: np.ndarray, y: np.ndarray, ears: np.ndarray, tiny: np.ndarray) -> np.ndarray:
    """Which ears (m, c) of polygons (m, r) have no other corner inside, or outside by tiny (m,),
    twice an area, from a side."""
    r = x.shape[1]
    places = [(ears + by) % r for by in (-1, 0, 1)]
    ends = [[np.take_along_axis(v, at, axis=1)[:, :, None] for v in (x, y)] for at in places]
    held = np.ones((*ears.shape, r), bool)
    for (ax, ay), (bx, by) in zip(ends, [*ends[1:], ends[0]], strict=True):
        side = (bx - ax) * (y[:, None] - ay) - (by - ay) * (x[:, None] - ax)
        held &= side >= -tiny[:, None, None]
    for at in places:
        np.put_along_axis(held, at[:, :, None], False, axis=2)
    return np.logical_not(held.any(axis=2))


def _flat(corner: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, k) coordinates of corners in the plane across `normal`, right-handed about it."""
    least = np.argmin(np.abs(normal), axis=0)
    axis = (np.arange(3)[:, None] == least).astype(float)
    one = cross(normal, axis)
    one /= np.maximum(np.sqrt(dot(one, one)), 1e-300)
    two = cross(normal, one)
    two /= np.maximum(np.sqrt(dot(two, two)), 1e-300)
    spoke = corner - corner[0]
    return (
        np.stack([dot(each, one) for each in spoke], axis=1),
        np.stack([dot(each, two) for each in spoke], axis=1),
    )
