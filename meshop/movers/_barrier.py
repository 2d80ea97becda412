"""An energy of simplices that is infinite where one collapses, and descent along it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch

from ..ops import step_limit
from ..solvers import Multigrid

SIZE = 0.5  # weight of the term that holds sizes; what is left holds shapes
MEMORY = 10  # pairs that L-BFGS keeps
DESCENT = 1e-4  # part of the slope's promise that a step has to keep
STRIDE = 0.5  # of the way to the first simplex that collapses: nearer, and many steps lead back
SHORTEST = 1e-12  # of a step

Matrix = np.ndarray  # (d, d, S): arithmetic runs over long rows


class Energy:
    """Sum over simplices of weight ((1 - s) |A|^2 / (d chi^(2/d)) + s (1 + D^2) / (2 chi)).

    A takes the simplex as it is wanted to the one that is, D = det A, chi = (D + sqrt(eps^2 + D^2))
    / 2, which is D where eps is zero: the energy is then infinite where D <= 0, and one for
    similar simplices of the wanted size. nodes (S, d + 1); wanted (S, d, d): edges from the first
    node, rows; weights are their volumes. Source: Garanzha, Kaporin, Kudryavtseva, Protais, Ray,
    Sokolov, Foldover-free maps in 50 lines of code, ACM Trans. Graph. 40 (2021).
    """

    def __init__(self, nodes: np.ndarray, wanted: np.ndarray, n: int) -> None:
        self.nodes, self.n, self.d = nodes, n, wanted.shape[1]
        self.inverse = np.ascontiguousarray(np.moveaxis(np.linalg.inv(wanted), 0, -1))
        weight = np.linalg.det(wanted)
        self.weight = weight / weight.sum()
        self.least = torch.zeros(len(nodes), dtype=torch.float64)
        self.simplices = torch.from_numpy(nodes)

    def maps(self, x: np.ndarray) -> Matrix:
        first = x[self.nodes[:, 0]]
        edges = [(x[self.nodes[:, i + 1]] - first).T for i in range(self.d)]
        rows = []
        for part in self.inverse:
            rows.append(sum(p * e for p, e in zip(part, edges, strict=True)))
        return np.stack(rows)

    def determinants(self, x: np.ndarray) -> np.ndarray:
        a = self.maps(x)
        return (a[0] * _cofactors(a)[0]).sum(axis=0)

    def __call__(self, x: np.ndarray, eps: float) -> tuple[float, np.ndarray]:
        """The energy and its slope (N, d); infinite and zeros where it is not finite."""
        a = self.maps(x)
        cofactor = _cofactors(a)
        det = (a[0] * cofactor[0]).sum(axis=0)
        if eps == 0.0 and not (det > 0).all():
            return np.inf, np.zeros_like(x)
        chi, root = _regularised(det, eps)
        power = chi ** (-2 / self.d)
        shape = (a * a).sum(axis=(0, 1)) * power / self.d
        size = 0.5 * (1 + det * det) / chi
        energy = float(self.weight @ ((1 - SIZE) * shape + SIZE * size))
        if not np.isfinite(energy):
            return np.inf, np.zeros_like(x)
        by_det = -(1 - SIZE) * (2 / self.d) * shape / root + SIZE * (det / chi - size / root)
        slope = (2 * (1 - SIZE) / self.d) * power * a + by_det * cofactor
        return energy, self._spread(slope * self.weight)

    def _spread(self, slope: Matrix) -> np.ndarray:
        """By the points, of a slope by A."""
        out = np.zeros((self.n, self.d))
        for c in range(self.d):
            ends = [(self.inverse[:, i] * slope[:, c]).sum(axis=0) for i in range(self.d)]
            for i, end in enumerate([-sum(ends), *ends]):
                out[:, c] += np.bincount(self.nodes[:, i], end, self.n)
        return out

    def laplacian(self, x: np.ndarray, eps: float, held: np.ndarray) -> Multigrid:
        """V-cycles for the part of the second derivative that comes from |A|^2, the rest as it is,
        which is a Laplacian; nodes that are held (N,) weigh twice as much."""
        from scipy.sparse import coo_matrix, diags

        chi, _ = _regularised(self.determinants(x), eps)
        share = self.weight * chi ** (-2 / self.d)
        way = [-self.inverse.sum(axis=1), *self.inverse.swapaxes(0, 1)]
        ends, values = [], []
        for i, j in combinations(range(self.d + 1), 2):
            ends.append(self.nodes[:, [i, j]])
            values.append(share * (way[i] * way[j]).sum(axis=0))
        # Entries of one sign: what is lost of the others is little, and it stays positive.
        value, end = np.minimum(np.concatenate(values), 0.0), np.concatenate(ends).T
        half = coo_matrix((value, (end[0], end[1])), (self.n, self.n)).tocsr()
        both = half + half.T
        main = -np.asarray(both.sum(axis=1)).ravel()
        main = np.where(main > 0, main, 1.0)
        return Multigrid((both + diags(main * (1.0 + held + 1e-10))).tocsr())

    def reach(self, x: np.ndarray, way: np.ndarray) -> float:
        """The part of a way along which no simplex collapses."""
        t = step_limit(torch.from_numpy(x), torch.from_numpy(way), self.simplices, self.least)
        least = float(t.min()) if len(t) else 1.0
        return 1.0 if least >= 1 else STRIDE * least


class Descent(NamedTuple):
    """x (N, d), how many steps it took, and the part of the energy that they gained."""

    x: np.ndarray
    iterations: int
    gain: float


def descend(
    energy: Energy,
    x: np.ndarray,
    tangent: np.ndarray,
    eps: float,
    iterations: int,
    tol: float,
    enough: Callable[[np.ndarray], bool] = lambda x: False,
) -> Descent:
    """L-BFGS from x with the Laplacian inside, each node moving as its tangent (N, d, d) allows.

    The energy falls in every step; it stops where that is by less than tol of it, and where enough
    says so. Source: Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.4.
    """
    held = np.trace(tangent, axis1=1, axis2=2) < x.shape[1] - 0.5
    inverse = energy.laplacian(x, eps, held)

    def along(v: np.ndarray) -> np.ndarray:
        return np.einsum("nab,nb->na", tangent, v)

    value, slope = energy(x, eps)
    slope = along(slope)
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=MEMORY)
    count, first = 0, value
    while count < iterations and not enough(x):
        way = -_two_loops(slope, pairs, lambda v: along(inverse(v)))
        promise = float((slope * way).sum())
        if not promise < 0:
            if not pairs:
                break
            pairs.clear()
            continue
        part = energy.reach(x, way) if eps == 0.0 else 1.0
        new, there, next_slope = np.inf, x, slope
        while part > SHORTEST:
            there = x + part * way
            new, next_slope = energy(there, eps)
            if new <= value + DESCENT * part * promise:
                break
            part /= 2
        if part <= SHORTEST:
            if not pairs:
                break
            pairs.clear()
            continue
        next_slope = along(next_slope)
        s, y = there - x, next_slope - slope
        curve = float((s * y).sum())
        if curve > 1e-12 * np.linalg.norm(s) * np.linalg.norm(y):
            pairs.append((s, y, curve))
        gain, x, slope, value = value - new, there, next_slope, new
        count += 1
        if gain <= tol * value:
            break
    return Descent(x, count, 1 - value / first)


def _two_loops(
    slope: np.ndarray,
    pairs: deque[tuple[np.ndarray, np.ndarray, float]],
    inverse: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    q, shares = slope, []
    for s, y, curve in reversed(pairs):
        shares.append(float((s * q).sum()) / curve)
        q = q - shares[-1] * y
    q = inverse(q)
    if pairs:
        _, y, curve = pairs[-1]
        q = q * (curve / float((y * inverse(y)).sum()))
    for (s, y, curve), share in zip(pairs, reversed(shares), strict=True):
        q = q + (share - float((y * q).sum()) / curve) * s
    return q


def _cofactors(a: Matrix) -> Matrix:
    if len(a) == 2:
        return np.stack([np.stack([a[1, 1], -a[1, 0]]), np.stack([-a[0, 1], a[0, 0]])])
    out = np.empty_like(a)
    for i in range(3):
        p, q = a[(i + 1) % 3], a[(i + 2) % 3]
        for c in range(3):
            e, f = (c + 1) % 3, (c + 2) % 3
            out[i, c] = p[e] * q[f] - p[f] * q[e]
    return out


def _regularised(det: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """chi, and the root in it, which is chi / chi'; without cancellation on either side."""
    root = np.sqrt(eps * eps + det * det)
    return 0.5 * np.where(det > 0, det + root, eps * eps / (root + np.abs(det))), root
