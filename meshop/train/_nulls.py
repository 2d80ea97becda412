"""Predictors without a network, reported beside every accuracy: a surrogate has to beat them.

Plain numpy arrays in and out. A descriptor is a row of numbers that says what shape a case has:
`contour_heights` for one closed wall in the plane, `wall_moments` for any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]


def contour_heights(loop: ArrayLike, stations: int = 9) -> Array:
    """Upper, then lower height of a closed contour at equal steps between its two ends.

    loop: (W, 2) or (W, 3) points in order around the wall, either way round, first point not
    repeated; z is ignored. Stations lie at x = x_min + k / (stations + 1) (x_max - x_min).
    Returns (2 * stations,) heights above the point of least x, in chords.
    """
    p = np.asarray(loop, dtype=np.float64)[:, :2]
    if len(p) < 3 or np.ptp(p[:, 0]) <= 0:
        raise ValueError(f"a contour needs 3 points and some extent in x, found {len(p)} points")
    p = np.roll(p, -int(p[:, 0].argmin()), axis=0)
    nose, chord = p[0], np.ptp(p[:, 0])
    p = (np.vstack([p, nose]) - nose) / chord
    tail = int(p[:, 0].argmax())
    x = np.arange(1, stations + 1) / (stations + 1)
    sides = []
    for side in (p[: tail + 1], p[tail:][::-1]):
        rising = np.maximum.accumulate(side[:, 0])  # np.interp asks for an order; noses may curl
        sides.append(np.interp(x, rising, side[:, 1]))
    a, b = sides
    return np.concatenate([a, b] if a.sum() >= b.sum() else [b, a])


def wall_moments(centres: ArrayLike, measures: ArrayLike) -> Array:
    """Measure, centroid and square-rooted second moments of a wall: ten numbers, all lengths.

    centres: (F, 3) facet centres; measures: (F,) lengths or areas. Returns (10,): total measure,
    three of the centroid, then sign(m) sqrt|m| of the central moments xx, yy, zz, xy, yz, zx.
    """
    c, w = np.asarray(centres, dtype=np.float64), np.asarray(measures, dtype=np.float64)
    total = w.sum()
    mean = w @ c / total
    d = c - mean
    pairs = d[:, [0, 1, 2, 0, 1, 2]] * d[:, [0, 1, 2, 1, 2, 0]]
    second = w @ pairs / total
    return np.concatenate([[total], mean, np.sign(second) * np.sqrt(np.abs(second))])


class NearestCase(NamedTuple):
    """`case`: index of the training case, its `distance`, and its fields on the target's cells."""

    case: int
    distance: float
    fields: dict[str, NDArray[Any]]


def nearest_case(
    conditions: ArrayLike,
    descriptors: ArrayLike,
    cases: Sequence[Mapping[str, Any]],
    query_condition: ArrayLike,
    query_descriptor: ArrayLike,
    query_centres: ArrayLike,
) -> NearestCase:
    """The training case closest in conditions and shape, its fields carried to the target's cells.

    conditions (n, K) and descriptors (n, S) of the training cases, standardised over them; in the
    distance every condition counts one and the shape counts one, however many numbers describe it.
    cases: n mappings with `centres` (N, 2 or 3) and `fields`, name -> (N,) or (N, C); only the
    chosen one is read, so the sequence may load lazily. query_condition (K,), query_descriptor
    (S,), query_centres (M, 2 or 3). A target cell takes the value of the nearest source cell: give
    velocities as deviations from each case's own free stream, or its angle is carried as well.
    """
    c = _standardised(conditions, query_condition)
    s = _standardised(descriptors, query_descriptor)
    distance2 = np.sum(c**2, axis=1) + (np.mean(s**2, axis=1) if s.shape[1] else 0.0)
    index = int(np.argmin(distance2))
    source = cases[index]
    _, cell = cKDTree(np.asarray(source["centres"])).query(np.asarray(query_centres))
    fields = {name: np.asarray(values)[cell] for name, values in source["fields"].items()}
    return NearestCase(index, float(np.sqrt(distance2[index])), fields)


def least_squares(
    conditions: ArrayLike,
    descriptors: ArrayLike,
    scalars: ArrayLike,
    query_conditions: ArrayLike,
    query_descriptors: ArrayLike,
) -> Array:
    """Scalars from a quadratic fit in conditions and shape: what can be had without any mesh.

    conditions (n, K), descriptors (n, S), scalars (n, Q) of the training cases; query_* (m, K) and
    (m, S). Returns (m, Q). Basis: 1, z_i, z_i z_j of the standardised inputs z. A ridge penalty
    determines it where columns outnumber cases; its size is chosen for each scalar by the exact
    leave-one-out error, and is nil in effect where cases are plenty.
    """
    c, cq = _both(conditions, query_conditions)
    s, sq = _both(descriptors, query_descriptors)
    basis, query = _quadratic(np.hstack([c, s])), _quadratic(np.hstack([cq, sq]))
    target = np.asarray(scalars, dtype=np.float64)
    mean = target.mean(0)
    u, sigma, vt = np.linalg.svd(basis, full_matrices=False)
    uy = u.T @ (target - mean)
    best, out = np.full(target.shape[1], np.inf), np.zeros((len(query), target.shape[1]))
    for ridge in np.logspace(-8, 1, 28) * sigma[0] ** 2 / len(basis):
        shrink = sigma**2 / (sigma**2 + ridge)
        leverage = np.minimum((u**2) @ shrink, 1 - 1e-9)
        residual = (target - mean - u @ (shrink[:, None] * uy)) / (1 - leverage)[:, None]
        error = np.mean(residual**2, axis=0)
        guess = query @ (vt.T @ ((shrink / np.maximum(sigma, 1e-300))[:, None] * uy))
        out[:, error < best] = guess[:, error < best]
        best = np.minimum(best, error)
    return out + mean


def _quadratic(z: Array) -> Array:
    i, j = np.triu_indices(z.shape[1])
    return np.hstack([np.ones((len(z), 1)), z, z[:, i] * z[:, j]])


def _both(train: ArrayLike, query: ArrayLike) -> tuple[Array, Array]:
    """Both standardised by the mean and deviation of `train`; a constant column becomes zero."""
    a = np.asarray(train, dtype=np.float64)
    b = np.asarray(query, dtype=np.float64)
    mean, std = a.mean(0), a.std(0)
    scale = np.where(std > 1e-12 * np.maximum(np.abs(mean), 1), std, np.inf)
    return (a - mean) / scale, (b - mean) / scale


def _standardised(train: ArrayLike, query: ArrayLike) -> Array:
    a, b = _both(train, np.atleast_2d(np.asarray(query, dtype=np.float64)))
    return a - b
