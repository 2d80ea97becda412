"""Optimal transport of a mesh: the Monge-Ampere equation by relaxation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConditionError
from ..mesh import Mesh
from ..solvers import Multigrid, solve
from ._boundary import flat_tangents
from ._monitor import Monitor, Progress, function_of
from ._move import Moved, move
from ._twin import simplices_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def monge_ampere(
    mesh: Mesh,
    monitor: Monitor | np.ndarray,
    *,
    tol: float = 1e-3,
    rate: float = 0.1,
    max_iterations: int = 1000,
    passes: int = 8,
    progress: Progress | None = None,
) -> Moved:
    """The mesh moved to x = xi + grad phi, monitor(x) det(I + D^2 phi) the same everywhere.

    monitor: a positive function of points (n, d), or values (N,) at the mesh's points, which are
    interpolated. Plane or solid cells; those that are no simplices are cut into some for this.
    Boundary nodes slide along straight edges and plane faces, corners and nodes of curved parts
    stay. The map need not exist in domains that are not convex. progress: called with each
    iteration and its residual. `report.residual` is |m det - theta| over theta, weighted; it stops
    at tol, at max_iterations, or where it has doubled, and the iterate of least residual counts. A
    small residual is no proof of a valid mesh: what comes of it passes the limiter like all else.

    Relaxation S phi' = S phi + rate r with the stiffness S and the residual's consistent load r;
    gradients by lumped mass, Hessians by one integration by parts on one ring, also lumped: other
    choices fold cells over or diverge.
    Sources: Budd, Russell, Walsh, J. Comput. Phys. 282 (2015); McRae, Cotter, Budd, SIAM J. Sci.
    Comput. 40 (2018). Raises MeshError for other cells and for monitors that are not positive.
    """
    if not (tol > 0 and rate > 0 and max_iterations >= 1):
        raise ConditionError(
            f"tol {tol}, rate {rate}, max_iterations {max_iterations}", "expected all above zero"
        )
    twin, used = simplices_of(mesh)
    system = _Relaxation(twin)
    value = function_of(mesh, monitor)
    d, xi = mesh.dim, twin.points[:, : mesh.dim]
    phi = np.zeros(len(xi))
    best, best_residual, first, iterations = np.zeros_like(xi), np.inf, np.inf, 0
    while True:
        step = system.gradient(phi)
        m = value(xi + step)
        det = np.linalg.det(np.eye(d) + system.hessian(phi))
        theta = (system.mass * m * det).sum() / system.mass.sum()
        rest = system.consistent @ (m * det - theta)
        residual = float(np.linalg.norm(rest) / np.linalg.norm(system.mass * theta))
        first = min(first, residual) if iterations == 0 else first
        if residual < best_residual:
            best, best_residual = step, residual
        if progress is not None:
            progress(iterations, residual)
        if residual < tol or iterations >= max_iterations or not residual < 2 * first:
            break
        phi = phi + rate * system.inverse(rest)
        phi -= (system.mass * phi).sum() / system.mass.sum()
        iterations += 1
    way = np.zeros((mesh.n_points, d))
    way[used] = best
    moved = move(mesh, way, boundary="slide", passes=passes)
    report = replace(moved.report, iterations=iterations, residual=best_residual)
    return Moved(moved.mesh, report)


class _Relaxation:
    """Operators on simplices as they were: S, lumped mass, recovered gradient and Hessian."""

    def __init__(self, mesh: Mesh) -> None:
        p1, d = mesh.p1(), mesh.dim
        parts = p1.simplices
        self.d, self.mass, self.measure = d, p1.lumped, parts.measure
        self.tangent = flat_tangents(mesh).numpy()
        slope = p1.basis_gradients()
        n, s = mesh.n_points, len(parts.nodes)
        self.slopes = [_rows(slope[:, :, a], parts.nodes, (s, n)) for a in range(d)]
        self.around = _rows(np.ones(parts.nodes.shape), parts.nodes, (s, n)).T.tocsr()
        facets = p1.boundary
        size = facets.measure
        self.normal = facets.areas[:, :d] / size[:, None]
        self.owner = facets.owner
        share = np.repeat((size / d)[:, None], facets.nodes.shape[1], axis=1)
        self.spread = _rows(share, facets.nodes, (len(facets.nodes), n)).T.tocsr()
        self.matrix, self.consistent = p1.stiffness(), p1.mass()
        self.multigrid = Multigrid(self.matrix)

    def inverse(self, load: np.ndarray) -> np.ndarray:
        """phi of S phi = load, which sums to zero."""
        return solve(self.matrix, load - load.mean(), self.multigrid, tol=1e-6)

    def gradient(self, phi: np.ndarray) -> np.ndarray:
        """(N, d) at points, on the boundary what leaves it where it is."""
        parts = [
            self.around @ (self.measure / (self.d + 1) * (slope @ phi)) for slope in self.slopes
        ]
        raw = np.stack(parts, axis=1) / self.mass[:, None]
        return np.einsum("nab,nb->na", self.tangent, raw)

    def hessian(self, phi: np.ndarray) -> np.ndarray:
        """(N, d, d) - int grad phi (x) grad psi_i + int over the boundary, over the mass."""
        slope = np.stack([part @ phi for part in self.slopes], axis=1)  # (S, d)
        edge = slope[self.owner]
        edge = edge - (edge * self.normal).sum(axis=1, keepdims=True) * self.normal
        out = np.empty((len(phi), self.d, self.d))
        for b in range(self.d):
            inner = self.slopes[b].T @ (self.measure[:, None] * slope)
            outer = self.spread @ (edge * self.normal[:, b : b + 1])
            out[:, :, b] = (outer - inner) / self.mass[:, None]
        return 0.5 * (out + out.swapaxes(1, 2))


def _rows(values: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    from scipy.sparse import csr_matrix

    width = columns.shape[1]
    rowptr = np.arange(0, columns.size + 1, width)
    return csr_matrix((values.ravel(), columns.ravel(), rowptr), shape)
