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
    return scaled(mesh, (slope * slope).sum(axis=1), alpha, smoothing)


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
    return scaled(mesh, size, beta, smoothing)


def combined(*monitors: np.ndarray | Monitor, how: str = "max") -> np.ndarray | Monitor:
    """One monitor of several, all values (N,) or all functions: "max", the largest at each point,
    or "sum", 1 plus what each is above 1. Raises ConditionError for none, and for both kinds."""
    if how not in ("max", "sum"):
        raise ConditionError(f"how {how!r}", "expected max or sum")
    kinds = {callable(one) for one in monitors}
    if len(kinds) != 1:
        raise ConditionError("monitors", "expected at least one, all values or all functions")

    def joined(values: list[np.ndarray]) -> np.ndarray:
        if len({v.shape for v in values}) > 1:
            raise MeshError("monitors", f"expected one shape, found {[v.shape for v in values]}")
        table = np.stack(values)
        return table.max(axis=0) if how == "max" else 1 + (table - 1).sum(axis=0)

    if kinds == {True}:
        return lambda x: joined([np.asarray(one(x), float) for one in monitors if callable(one)])
    return joined([np.asarray(one, float) for one in monitors])


def smoothed(mesh: Mesh, values: np.ndarray, kappa: float) -> np.ndarray:
    """(I - kappa Laplacian)^-1 of values (N,) at points; kappa is a length squared.

    With lumped mass: the integral stays, and on good meshes the range is not left.
    """
    if not kappa >= 0:
        raise ConditionError(f"kappa {kappa}", "expected none below zero")
    if kappa == 0:
        return values
    from scipy.sparse import diags

    p1 = mesh.p1()
    mass = np.where(p1.lumped > 0, p1.lumped, 1.0)
    matrix = (diags(mass) + kappa * p1.stiffness()).tocsr()
    return solve(matrix, mass * values, tol=1e-10)


def _scalar(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != (mesh.n_points,) or not np.isfinite(values).all():
        raise MeshError(
            f"values of shape {values.shape}", f"expected ({mesh.n_points},) finite numbers"
        )
    return values - values[:1]  # constants have no derivatives, not even rounding


def scaled(mesh: Mesh, size: np.ndarray, gain: float, smoothing: float) -> np.ndarray:
    """1 + gain size / max, smoothed."""
    if not (gain >= 0 and smoothing >= 0):
        raise ConditionError(f"gain {gain}, smoothing {smoothing}", "expected none below zero")
    most = size.max(initial=0.0)
    monitor = 1 + gain * size / most if most > 0 else np.ones(len(size))
    return smoothed(mesh, monitor, smoothing)
