"""Gradients and Hessians at points from quadratics fitted to the points around."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from ._sparse import counting_order, csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ROOM = 1 << 20  # numbers in the widest array of some fits at once
_ROWS = 1 << 12  # and fits
_BLOCK = 1 << 16  # points whose rings are found at once
_RINGS = 4
_CONDITION = 1e4
_ERROR = 30.0  # of Hessians; one-rings inside a mesh have 4 to 10
_FLAT = 1e-20  # squared: a ring as thin as this has a dimension less


@dataclass
class QuadraticFit:
    """The least-squares quadratic around every point, as linear maps of the values around it.

    For each point u(x) - u(x_i) = g . (x - x_i) + (x - x_i) . H (x - x_i) / 2 is fitted to the
    points that share a simplex with it (its one-ring), weighted by inverse squared distance in
    coordinates that make the ring round. Where these do not determine the quadratic well (few, on
    one side, nearly on a conic) the next ring joins. On surfaces x runs in the tangent plane.

    Exact for quadratics (on flat meshes) on any mesh, so g is of second order, H of first, of
    second where the ring is symmetric. That is why it is this one: a Hessian from averaged
    gradients taken twice, or from the weak form on the one-ring, does not converge on meshes
    without structure. Source: Zhang and Naga, A New Finite Element Gradient Recovery Method (SIAM
    J. Sci. Comput. 26, 2005), who fit values too; Picasso, Alauzet, Borouchaki, George, A Numerical
    Study of Some Hessian Recovery Techniques (2011), on the others.

    rowptr (N + 1,), column (E,); weight (9, E): gx gy gz, then Hxx Hxy Hxz Hyy Hyz Hzz. unfitted:
    points whose surroundings determine no quadratic, or that no cell has: zero rows. Those of a
    layer one cell thick are such; `flatten` makes a plane mesh of it.
    """

    rowptr: np.ndarray
    column: np.ndarray
    weight: np.ndarray
    unfitted: np.ndarray

    def matrix(self, row: int) -> csr_matrix:
        """(N, N) the map to one of the nine: see `weight`."""
        n = len(self.rowptr) - 1
        return csr(self.weight[row], self.column, self.rowptr, (n, n))

    def gradient(self, values: np.ndarray) -> np.ndarray:
        """(N, 3, ...) of values (N, ...)."""
        return np.stack(self._applied(values, range(3)), axis=1)

    def hessian(self, values: np.ndarray) -> np.ndarray:
        """(N, 3, 3, ...) of values (N, ...), symmetric."""
        xx, xy, xz, yy, yz, zz = self._applied(values, range(3, 9))
        rows = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
        return np.stack([np.stack(row, axis=1) for row in rows], axis=1)

    def _applied(self, values: np.ndarray, rows: range) -> list[np.ndarray]:
        values = np.asarray(values, float)
        flat = values.reshape(len(values), -1)
        return [(self.matrix(row) @ flat).reshape(values.shape) for row in rows]


def fit_quadratics(
    points: np.ndarray, ring: csr_matrix, dim: int, normals: np.ndarray | None = None
) -> QuadraticFit:
    """Fits around points (N, 3) by their neighbours, the rows of `ring` (N, N), which has the
    diagonal; normals (N, 3) of surfaces, across which nothing is fitted."""
    n = len(points)
    found: list[tuple[np.ndarray, ...]]
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((9, 0)))]
    left = np.flatnonzero(np.diff(ring.indptr) > 1)
    fitted = np.zeros(n, bool)
    for turn in range(_RINGS):
        limit = _ERROR if turn < _RINGS - 1 else np.inf
        again = [np.empty(0, np.int64)]
        for at in range(0, len(left), _BLOCK):
            reach = ring[left[at : at + _BLOCK]]
            for _ in range(turn):
                reach = reach @ ring
            reach.sort_indices()
            for rows in _alike(np.diff(reach.indptr)):
                centre = left[at + rows]
                *entries, good, hopeless = _fit(points, centre, reach[rows], dim, normals, limit)
                found.append(tuple(entries))
                fitted[centre[good]] = True
                again.append(centre[~good & ~hopeless])
        left = np.sort(np.concatenate(again))
    row, column, weight = (np.concatenate(part, axis=-1) for part in zip(*found, strict=True))
    order = counting_order(row, n)
    rowptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))])
    return QuadraticFit(rowptr, column[order], weight[:, order], np.flatnonzero(~fitted))


def _alike(count: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of about as many entries, so many that their fits are in the cache together."""
    order = np.argsort(count, kind="stable")
    at = 0
    while at < len(order):
        widest = int(count[order[min(at + _ROWS, len(order)) - 1]])
        step = max(1, min(_ROWS, _ROOM // (9 * widest)))
        yield order[at : at + step]
        at += step


def _fit(
    points: np.ndarray,
    centre: np.ndarray,
    reach: csr_matrix,
    dim: int,
    normals: np.ndarray | None,
    limit: float,
) -> tuple[np.ndarray, ...]:
    """Rows, columns (e,) and weights (9, e) of the fits around points `centre` (m,), for which
    of them (m,) there is one, and for which more points would not help (m,)."""
    count = np.diff(reach.indptr)
    pairs = list(combinations_with_replacement(range(dim), 2))
    terms = dim + len(pairs)
    if count.max() <= terms:
        none, few = np.empty(0, np.int64), np.zeros(len(centre), bool)
        return none, none, np.empty((9, 0)), few, few
    place = np.arange(count.max())
    used = place < count[:, None]
    near = np.where(
        used, reach.indices[np.minimum(reach.indptr[:-1, None] + place, reach.nnz - 1)], 0
    )
    self = used & (near == centre[:, None])
    other = used & ~self
    step = np.where(other[..., None], points[near] - points[centre][:, None], 0.0)
    size = np.abs(step).max(axis=(1, 2))
    good = size > 1e-100
    size = np.where(good, size, 1.0)
    step /= size[:, None, None]
    if normals is not None:
        normal = normals[centre][:, None]
        step -= (step * normal).sum(axis=2, keepdims=True) * normal
    spread, axes = np.linalg.eigh(step.swapaxes(1, 2) @ step)
    spread, axes = spread[:, 3 - dim :], axes[:, :, 3 - dim :]
    good &= spread[:, 0] > _FLAT * spread[:, -1]
    # What is far stays: the width along each axis is one.
    back = axes / np.sqrt(np.where(good[:, None], spread / count[:, None], 1.0))[:, None]
    t = step @ back
    far2 = (t * t).sum(axis=2)
    weight = np.where(far2 > 0, 1.0 / np.sqrt(np.where(far2 > 0, far2, 1.0)), 0.0)
    squares = [t[..., a] * t[..., b] * (0.5 if a == b else 1.0) for a, b in pairs]
    phi = np.concatenate([t, np.stack(squares, axis=2)], axis=2)
    q, r = np.linalg.qr(phi * weight[..., None])
    # What is singular shows in the condition, not as an error.
    tiny = 1e-14 * np.abs(r).max(axis=(1, 2))
    main = np.einsum("mii->mi", r)  # a view
    np.copyto(main, tiny[:, None] + 1e-30, where=np.abs(main) <= tiny[:, None])
    inverse = np.linalg.inv(r)
    good &= np.linalg.norm(r, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2)) < _CONDITION
    hopeless = ~good & (count > 4 * terms)
    local = inverse @ (q * weight[..., None]).swapaxes(1, 2)  # (m, terms, k)
    # What third derivatives make of it: rings that are one-sided or nearly on a conic have much.
    error = (np.abs(local[:, dim:]) * (far2 * np.sqrt(far2))[:, None]).sum(axis=2).max(axis=1)
    good &= error < limit
    gradient = back @ local[:, :dim] / size[:, None, None]
    turn = np.stack([
        sum(back[:, i, a] * back[:, j, b] for a, b in {pair, pair[::-1]})
        for i, j in combinations_with_replacement(range(3), 2)
        for pair in pairs
    ], axis=1).reshape(len(centre), 6, len(pairs))  # fmt: skip
    hessian = turn @ local[:, dim:] / (size**2)[:, None, None]
    out = np.concatenate([gradient, hessian], axis=1)
    # Constants have no derivatives.
    out = np.where(self[:, None], -out.sum(axis=2, keepdims=True), out)
    kept = used & good[:, None]
    row = np.repeat(centre[good], count[good])
    return row, near[kept], out.swapaxes(0, 1)[:, kept], good, hopeless
