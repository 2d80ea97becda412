"""Optimal transport of a mesh: the Monge-Ampere equation by Newton's method or by relaxation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import ConditionError, MeshError
from ..mesh import Mesh
from ..solvers import solve
from ._monitor import Monitor, Progress, field_of, function_of
from ._move import Moved, move
from ._transport import Iterate, Transport
from ._twin import simplices_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

RATES = {"newton": 0.3, "relaxation": 0.1}
LINEAR, KRYLOV = 3e-2, 50  # tolerance of Newton's linear systems, and products at most
THIN = 0.1  # part of the least determinant that a step has to leave
SHORTEST = 0.1  # part of a step below which its pseudo-time was too long


def monge_ampere(
    mesh: Mesh,
    monitor: Monitor | np.ndarray,
    *,
    method: str = "newton",
    tol: float = 1e-3,
    rate: float | None = None,
    max_iterations: int = 1000,
    passes: int = 8,
    progress: Progress | None = None,
) -> Moved:
    """The mesh moved to x = xi + grad phi, monitor(x) det(I + D^2 phi) the same everywhere.

    monitor: a positive function of points (n, d), or values (N,) at the mesh's points, which are
    interpolated. Plane or solid cells, which count as they are cut into simplices; boundary nodes
    slide along straight edges and plane faces, corners and nodes of curved parts stay. The map need
    not exist in domains that are not convex. progress: called with each iteration and its residual.
    `report.residual` is |m det - theta| over theta, weighted; it stops at tol, at max_iterations,
    or where nothing lessens it, and the iterate of least residual counts. A small residual is no
    proof of a valid mesh: what comes of it passes the limiter like all else.

    method: "newton", implicit steps of growing pseudo-time, S dphi / dt = r + r' dphi, which are
    Newton's in the end; dt begins at rate (.3), and is cut where a step would not lessen the
    residual or phi would not stay convex at the points. Where none is left it need not stay so, as
    by curved walls it cannot; which of both is taken is up to the variation of m |K|. The monitor's
    gradient is taken by differences, of values at points the one recovered there. Or "relaxation",
    explicit steps of one rate (.1), S dphi = rate r: several times slower, and the check of the
    other. S is the stiffness, r the residual's load. Gradients by lumped mass, Hessians by one
    integration by parts on one ring, also lumped: other choices fold cells over or diverge.
    Sources: Budd, Russell, Walsh, J. Comput. Phys. 282 (2015), relaxation; McRae, Cotter, Budd,
    SIAM J. Sci. Comput. 40 (2018), (quasi-)Newton; Kelley and Keyes, SIAM J. Numer. Anal. 35
    (1998), pseudo-time. Raises MeshError for other cells, for monitors that are not
    positive, and where no step lessens the residual.
    """
    if method not in RATES:
        raise ConditionError(f"method {method!r}", f"expected {' or '.join(RATES)}")
    rate = RATES[method] if rate is None else rate
    if not (tol > 0 and rate > 0 and max_iterations >= 1):
        raise ConditionError(
            f"tol {tol}, rate {rate}, max_iterations {max_iterations}", "expected all above zero"
        )
    twin, used = simplices_of(mesh)
    value = function_of(mesh, monitor)
    system = Transport(twin, value, None if callable(monitor) else _slope_of(mesh, monitor))
    start = system.at(np.zeros(twin.n_points))
    goal = _Goal(tol, max_iterations, progress)
    if method == "newton":
        best, iterations = goal.least(_newton(system, start, rate, THIN), start, 0)
        if best.residual >= tol and iterations < max_iterations:
            other, iterations = goal.least(_newton(system, best, rate, -np.inf), best, iterations)
            best = min(best, other, key=system.spread)
    else:
        best, iterations = goal.least(_relaxed(system, start, rate), start, 0)
    if best is start and start.residual >= tol:
        raise MeshError(
            "Monge-Ampere: no step lessens the residual",
            f"it is {start.residual:.1e} on the mesh as it is, expected below {tol:.1e}",
            "a smaller rate, another mover, or a monitor that varies less from point to point",
        )
    way = np.zeros((mesh.n_points, mesh.dim))
    way[used] = best.step
    moved = move(mesh, way, boundary="slide", passes=passes)
    report = replace(moved.report, iterations=iterations, residual=best.residual)
    return Moved(moved.mesh, report)


def _slope_of(mesh: Mesh, values: np.ndarray) -> Monitor:
    """The recovered gradient (n, d) of values (N,) at points."""
    return field_of(mesh, mesh.p1().gradient(np.asarray(values, float))[:, : mesh.dim])


class _Goal(NamedTuple):
    """When iterations have come far enough, and who is told."""

    tol: float
    most: int
    progress: Progress | None

    def least(self, steps: Iterator[Iterate], best: Iterate, count: int) -> tuple[Iterate, int]:
        """The iterate of the least residual, and how many there were until tol or the last."""
        if self.progress is not None and count == 0:
            self.progress(0, best.residual)
        while best.residual >= self.tol and count < self.most:
            now = next(steps, None)
            if now is None:
                break
            count += 1
            if self.progress is not None:
                self.progress(count, now.residual)
            best = now if now.residual < best.residual else best
        return best, count


def _relaxed(system: Transport, now: Iterate, rate: float) -> Iterator[Iterate]:
    """Until the residual has doubled."""
    first = now.residual
    while now.residual < 2 * first:
        load = now.load - now.load.mean()
        change = solve(system.stiffness, load, system.multigrid, tol=1e-6)
        now = system.at(system.level(now.phi + rate * change))
        yield now


def _newton(system: Transport, now: Iterate, rate: float, thin: float) -> Iterator[Iterate]:
    """Each of a smaller residual than the one before, until none is found, and of a least
    determinant above thin times that one's: phi stays convex."""
    from scipy.sparse.linalg import LinearOperator, gmres

    shape = system.stiffness.shape
    shortest = 1e-2 * rate
    while rate >= shortest:
        matrix = system.newton(now, now.theta / rate)

        def product(way: np.ndarray, matrix: csr_matrix = matrix) -> np.ndarray:
            out = matrix @ way  # theta is the mean, and follows
            return out - system.mass * (out.sum() / system.total)

        way, _ = gmres(
            LinearOperator(shape, product, dtype=float),
            system.mass * now.rest,
            rtol=LINEAR, restart=KRYLOV, maxiter=1,
            M=LinearOperator(shape, system.multigrid, dtype=float),
        )  # fmt: skip
        part = 1.0
        while part > SHORTEST:
            new = system.at(system.level(now.phi + part * way))
            less = new.residual < (1 - 0.01 * part) * now.residual
            if less and new.determinant.min() > thin * abs(now.determinant.min()):
                break
            part /= 2
        if part > SHORTEST:
            now = new
            rate *= 2 if part == 1 else 1
        else:
            rate /= 4
        yield now
