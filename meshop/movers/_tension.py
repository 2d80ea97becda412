"""Adaptation by springs and by an elastic body: linear systems whose forces come from a monitor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..mesh import Mesh, apart, elastic_blocks, stacked
from ..solvers import Multigrid, solve
from ._boundary import flat_tangents
from ._domain import determinant
from ._monitor import Monitor, Progress
from ._systems import components, within

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TOLERANCE = 1e-3
PATIENCE = 4  # iterations without a better mesh


class Found(NamedTuple):
    """displacement (n, d), iterations, and the unevenness that it came to."""

    displacement: np.ndarray
    iterations: int
    residual: float


class Unevenness:
    """The coefficient of variation of monitor mass, each cell's over its measure at the start."""

    def __init__(self, mesh: Mesh) -> None:
        parts = mesh.p1().simplices
        self.nodes, self.measure = parts.nodes, parts.measure
        self.sign = np.sign(_determinants(mesh.points[:, : mesh.dim], self.nodes))

    def __call__(self, x: np.ndarray, m: np.ndarray) -> float:
        """Of points (n, d) with monitors m (n,); inverted simplices count as less than nothing."""
        size = self.sign * _determinants(x, self.nodes) / (2 if x.shape[1] == 2 else 6)
        mass = m[self.nodes].mean(axis=1) * size
        mean = mass.sum() / self.measure.sum()
        return float(
            np.sqrt((self.measure * (mass / self.measure - mean) ** 2).sum() / self.measure.sum())
            / abs(mean)
        )


def by_springs(
    twin: Mesh,
    monitor: Monitor | None,
    by_length: bool,
    max_iterations: int,
    progress: Progress | None = None,
) -> Found:
    """Edges pull with k times their length, k the monitor on the edge, without one the same on all.

    by_length: over the edge's length at the start, and less what they pull there without a monitor:
    at rest where that is constant. Otherwise each point comes to the mean of its neighbours.
    """
    from scipy.sparse import coo_matrix, diags

    d, n, x = twin.dim, twin.n_points, twin.points[:, : twin.dim]
    pattern = twin.p1().stiffness().tocoo()
    upper = pattern.row < pattern.col
    a, b = pattern.row[upper], pattern.col[upper]
    base = 1 / np.linalg.norm(x[b] - x[a], axis=1) if by_length else np.ones(len(a))
    hold = _Held(twin)

    def pull(m: np.ndarray) -> csr_matrix:
        k = base * (m[a] + m[b]) / 2
        half = coo_matrix((k / k.mean(), (a, b)), (n, n)).tocsr()
        both = half + half.T
        return (diags(np.asarray(both.sum(axis=1)).ravel()) - both).tocsr()

    rest = pull(np.ones(n)) @ x if by_length else 0

    def goal(m: np.ndarray, start: np.ndarray) -> np.ndarray:
        matrix = pull(m)
        return hold.solved({(i, i): matrix for i in range(d)}, rest - matrix @ x, start)

    if monitor is None:
        return Found(goal(np.ones(n), np.zeros((n, d))), 1, float("nan"))
    return _iterated(twin, monitor, goal, max_iterations, progress)


def by_shrinking(
    twin: Mesh,
    monitor: Monitor,
    stiffening: float,
    poisson: float,
    max_iterations: int,
    progress: Progress | None = None,
) -> Found:
    """An elastic body whose cells shrink and grow to the measures that the monitor asks for."""
    p1, d = twin.p1(), twin.dim
    nodes, measure = p1.simplices.nodes, p1.simplices.measure
    blocks, bulk = elastic_blocks(twin, stiffening, poisson)
    hold = _Held(twin)
    matrix = hold.matrix(blocks)
    multigrid = Multigrid(apart(matrix, d))
    slope = p1.basis_gradients()

    def goal(m: np.ndarray, start: np.ndarray) -> np.ndarray:
        inverse = 1 / m[nodes].mean(axis=1)
        strain = (inverse * measure.sum() / (measure @ inverse)) ** (1 / d) - 1
        force = np.zeros((len(m), d))
        pull = bulk * strain * measure
        for corner in range(d + 1):
            for axis in range(d):
                share = pull * slope[:, corner, axis]
                force[:, axis] += np.bincount(nodes[:, corner], share, len(m))
        return hold.of(matrix, force, start, multigrid)

    return _iterated(twin, monitor, goal, max_iterations, progress)


def _iterated(
    twin: Mesh,
    monitor: Monitor,
    goal: Callable[[np.ndarray, np.ndarray], np.ndarray],
    max_iterations: int,
    progress: Progress | None,
) -> Found:
    """Half the way to where the monitor at the points as they are would lead, again and again; the
    mesh of least unevenness counts."""
    xi = twin.points[:, : twin.dim]
    uneven = Unevenness(twin)
    step = np.zeros_like(xi)
    m = monitor(xi)
    best, least, since, iterations = step, uneven(xi, m), 0, 0
    ahead = step
    while iterations < max_iterations and since < PATIENCE:
        ahead = goal(m, ahead)
        step = step + 0.5 * (ahead - step)
        m = monitor(xi + step)
        iterations += 1
        now = uneven(xi + step, m)
        since = 0 if now < 0.999 * least else since + 1
        if now < least:
            best, least = step, now
        if progress is not None:
            progress(iterations, now)
    return Found(best, iterations, least)


class _Held:
    """Systems of displacements that slide along straight and plane boundaries, as
    `flat_tangents` has it."""

    def __init__(self, twin: Mesh) -> None:
        self.tangent = components(flat_tangents(twin.p1().boundary, twin.dim).numpy())
        self.shape = (twin.dim, twin.n_points)

    def matrix(self, blocks: dict[tuple[int, int], csr_matrix]) -> csr_matrix:
        whole = stacked(blocks, self.shape[0])
        out = within(whole, self.tangent, float(whole.diagonal().mean()))
        return (0.5 * (out + out.T)).tocsr()

    def solved(
        self, blocks: dict[tuple[int, int], csr_matrix], force: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        return self.of(self.matrix(blocks), force, start, "multigrid")

    def of(
        self, matrix: csr_matrix, force: np.ndarray, start: np.ndarray, how: Multigrid | str
    ) -> np.ndarray:
        load = self.tangent @ force.T.ravel()
        if not load.any():
            return np.zeros_like(force)
        x = solve(matrix, load, how, tol=TOLERANCE, x0=start.T.ravel())  # type: ignore[arg-type]
        return (self.tangent @ x).reshape(self.shape).T


def _determinants(x: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    return determinant(torch.from_numpy(x[nodes[:, 1:]] - x[nodes[:, :1]])).numpy()
