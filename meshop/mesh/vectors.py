"""Vectors as (3, m), so that arithmetic runs over long rows; corners of cells as (c, 3, m)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..celltypes import CellType


def gathered(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(c, 3, m) the points of cells (m, c)."""
    flat, at = points.reshape(-1), 3 * np.ascontiguousarray(ids.T)
    out = np.empty((len(at), 3, at.shape[1]))
    for axis in range(3):  # single numbers are picked several times as fast as rows of three
        out[:, axis] = flat.take(at)
        at += 1
    return out


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.stack([
        a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
    ])  # fmt: skip


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def length(a: np.ndarray) -> np.ndarray:
    return np.sqrt(dot(a, a))


def area(ring: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """(3, m) area vector of the polygon through the corners of `ring`."""
    if len(ring) == 4:
        return 0.5 * cross(ring[2] - ring[0], ring[3] - ring[1])
    total = cross(ring[1] - ring[0], ring[2] - ring[0])
    for i in range(3, len(ring)):
        total += cross(ring[i - 1] - ring[0], ring[i] - ring[0])
    return 0.5 * total


def volume(row: CellType, corners: np.ndarray) -> np.ndarray:
    """(m,) signed, by the divergence theorem over faces fanned from their centres.

    The fan's volumes share one apex, so that only the face's area vector counts. Corners are
    relative to one of theirs: far from the origin digits would be lost.
    """
    total = np.zeros(corners.shape[2])
    for face in row.facets:
        ring = [corners[i] for i in face]
        total += dot(sum(ring[1:], ring[0]), area(ring)) / len(ring)
    return total / 3
