"""Gradients and Hessians at points from quadratics fitted to the points around."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from ._sparse import csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ROOM = 1 << 20  # numbers in the widest array of some fits at once
_ROWS = 1 << 12  # and fits
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
    points whose surroundings do not determine a quadratic (or that no cell has): zero rows.
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
    terms = dim + dim * (dim + 1) // 2
    found: list[tuple[np.ndarray, ...]]
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((9, 0)))]
    left = np.flatnonzero(np.diff(ring.indptr) > 1)
    reach = ring[left]
    lone = np.setdiff1d(np.arange(n), left)
    for turn in range(_RINGS):
        if turn:
            reach = reach @ ring
            reach.sort_indices()
        count = np.diff(reach.indptr)
        done = np.zeros(len(left), bool)
        limit = _ERROR if turn < _RINGS - 1 else np.inf
        order = np.argsort(count, kind="stable")  # those of one size together: little padding
        at = int(np.searchsorted(count[order], terms + 1))
        while at < len(order):
            widest = int(count[order[min(at + _ROWS, len(order)) - 1]])
            some = order[at : at + max(1, min(_ROWS, _ROOM // (9 * widest)))]
            at += len(some)
            row, column, weight, done[some] = _fit(
                points, left[some], reach[some], dim, normals, limit
            )
            found.append((row, column, weight))
        left, reach = left[~done], reach[~done]
        if not len(left):
            break
    row, column, weight = (np.concatenate(part, axis=-1) for part in zip(*found, strict=True))
    order = np.lexsort((column, row))
    rowptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))])
    return QuadraticFit(rowptr, column[order], weight[:, order], np.union1d(lone, left))


def _fit(
    points: np.ndarray,
    centre: np.ndarray,
    reach: csr_matrix,
    dim: int,
    normals: np.ndarray | None,
    limit: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns (e,) and weights (9, e) of the fits around points `centre` (m,), and for which
    of them (m,) there is one."""
    count = np.diff(reach.indptr)
    place = np.arange(count.max())
    used = place < count[:, None]
    near = np.where(
        used, reach.indices[np.minimum(reach.indptr[:-1, None] + place, reach.nnz - 1)], 0
    )
    self = used & (near == centre[:, None])
    other = used & ~self
    step = np.where(other[..., None], points[near] - points[centre][:, None], 0.0)
    size = np.abs(step).max(axis=(1, 2))
    good = size > 0
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
    pairs = list(combinations_with_replacement(range(dim), 2))
    squares = [t[..., a] * t[..., b] * (0.5 if a == b else 1.0) for a, b in pairs]
    phi = np.concatenate([t, np.stack(squares, axis=2)], axis=2)
    q, r = np.linalg.qr(phi * weight[..., None])
    # What is singular shows in the condition, not as an error.
    tiny = 1e-14 * np.abs(r).max(axis=(1, 2))
    main = np.einsum("mii->mi", r)  # a view
    np.copyto(main, tiny[:, None] + 1e-300, where=np.abs(main) <= tiny[:, None])
    inverse = np.linalg.inv(r)
    good &= np.linalg.norm(r, axis=(1, 2)) * np.linalg.norm(inverse, axis=(1, 2)) < _CONDITION
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
    return np.repeat(centre[good], count[good]), near[kept], out.swapaxes(0, 1)[:, kept], good
