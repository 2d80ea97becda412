"""Monitors: where a mesh should be fine. Positive functions; cells shrink where they are large."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import ConditionError, MeshError
from ..mesh import Mesh
from ..solvers import solve

Monitor = Callable[[np.ndarray], np.ndarray]


def ring_monitor(
    alpha: float, beta: float, radius2: float, centre: tuple[float, ...] = (0.5, 0.5)
) -> Monitor:
    """The function 1 + alpha sech^2(beta (r^2 - radius2)) of points (n, d), r from the centre."""
    about = np.asarray(centre, float)

    def value(x: np.ndarray) -> np.ndarray:
        far2 = ((x[:, : len(about)] - about) ** 2).sum(axis=1)
        # Beyond 300 the square of cosh overflows, and its inverse is nothing.
        return 1 + alpha / np.cosh(np.clip(beta * (far2 - radius2), -300, 300)) ** 2

    return value


def gradient_monitor(
    mesh: Mesh, values: np.ndarray, alpha: float = 10.0, smoothing: float = 0.0
) -> np.ndarray:
    """(N,) 1 + alpha |grad u|^2 / max, of values (N,) at points, the gradient recovered there.

    smoothing: kappa, a length squared: what is returned is (I - kappa Laplacian)^-1 of it. Raises
    ConditionError for alpha or smoothing below zero.
    """
    slope = mesh.p1().gradient(_scalar(mesh, values))
    return _scaled(mesh, (slope * slope).sum(axis=1), alpha, smoothing)


def hessian_monitor(
    mesh: Mesh, values: np.ndarray, beta: float = 5.0, smoothing: float = 0.0
) -> np.ndarray:
    """(N,) 1 + beta H:H / max, of values (N,) at points, H their recovered Hessian (`P1.fit`).

    smoothing: as `gradient_monitor` has it.
    """
    values = _scalar(mesh, values)
    bend = mesh.p1().hessian(values)
    size = (bend * bend).sum(axis=(1, 2))
    width = np.linalg.norm(np.ptp(mesh.points, axis=0))
    if np.sqrt(size.max(initial=0.0)) * width**2 <= 1e-8 * np.ptp(values):  # rounding of a line
        size[:] = 0.0
    return _scaled(mesh, size, beta, smoothing)


def _scalar(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != (mesh.n_points,) or not np.isfinite(values).all():
        raise MeshError(
            f"values of shape {values.shape}", f"expected ({mesh.n_points},) finite numbers"
        )
    return values - values[:1]  # constants have no derivatives, not even rounding


def _scaled(mesh: Mesh, size: np.ndarray, gain: float, smoothing: float) -> np.ndarray:
    if not (gain >= 0 and smoothing >= 0):
        raise ConditionError(f"gain {gain}, smoothing {smoothing}", "expected none below zero")
    most = size.max(initial=0.0)
    monitor = 1 + gain * size / most if most > 0 else np.ones(len(size))
    if smoothing == 0:
        return monitor
    p1 = mesh.p1()
    # Lumped: the discrete maximum principle keeps it within its range on good meshes.
    from scipy.sparse import diags

    mass = np.where(p1.lumped > 0, p1.lumped, 1.0)
    matrix = (diags(mass) + smoothing * p1.stiffness()).tocsr()
    return solve(matrix, mass * monitor, tol=1e-10)
