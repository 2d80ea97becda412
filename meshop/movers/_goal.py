"""A monitor for one output: errors count where the output's adjoint says that they matter."""

from __future__ import annotations

import numpy as np

from ..errors import ConditionError, MeshError
from ..mesh import Mesh, QuadraticFit
from ._monitor import scaled


def goal_weight(
    mesh: Mesh,
    adjoint: np.ndarray,
    fluxes: np.ndarray | None = None,
    diffused: np.ndarray | None = None,
) -> np.ndarray:
    """(N,) how much the square of the cell size at each point adds to the error of an output.

    adjoint (N,) or (N, C): the output's, of each of C equations. fluxes (N, d) or (N, C, d): what
    each equation transports, such as those of Euler's (`euler_fluxes`); adds the sum of
    |d adjoint_c / dx_a| |H(flux_ca)|, H a Hessian. diffused (N,) or (N, C): what diffuses in each
    equation, such as conductivity times temperature; adds the sum of |H(adjoint_c)| times
    |H(diffused_c)|. At least one of them. In the unit of the output over length^(d + 2).

    The error of the output is that of the fluxes' interpolation, h^2 |H|, against the adjoint's
    gradient; of diffusion, that of both fields' gradients, h |H| each. Sources: Loseille, Dervieux,
    Alauzet, J. Comput. Phys. 229 (2010); Becker and
    Rannacher, Acta Numerica 10 (2001). Gradients and Hessians are those of `P1.fit`. Raises
    MeshError for shapes that do not fit and for what is not finite.
    """
    if fluxes is None and diffused is None:
        raise ConditionError("goal_weight", "expected fluxes, or diffused, or both")
    n, d, fit = mesh.n_points, mesh.dim, mesh.p1().fit
    adjoint = _columns("adjoint", adjoint, n)
    count = adjoint.shape[1]
    out = np.zeros(n)
    if fluxes is not None:
        flux = np.asarray(fluxes, float)
        flux = flux[:, None] if flux.ndim == 2 else flux
        if flux.shape != (n, count, d) or not np.isfinite(flux).all():
            raise MeshError(
                f"fluxes of shape {flux.shape}", f"expected {(n, count, d)} finite numbers"
            )
        for c in range(count):
            slope = np.abs(fit.gradient(adjoint[:, c]))[:, :d]
            out += (slope * _bend(fit, flux[:, c])).sum(axis=1)
    if diffused is not None:
        state = _columns("diffused", diffused, n)
        if state.shape[1] != count:
            raise MeshError(f"diffused of {state.shape[1]} equations", f"expected {count}")
        out += (_bend(fit, adjoint) * _bend(fit, state)).sum(axis=1)
    return out


def goal_monitor(
    mesh: Mesh,
    adjoint: np.ndarray,
    fluxes: np.ndarray | None = None,
    diffused: np.ndarray | None = None,
    beta: float = 5.0,
    smoothing: float = 0.0,
    most: float = 1.0,
) -> np.ndarray:
    """(N,) 1 + beta (w / max w)^(d / (d + 2)), w the `goal_weight`, for the cells to be small where
    that lessens the error of an output most.

    The power is that of the density of cells at which the integral of w h^2 is least for so many.
    most and smoothing: as `gradient_monitor` has them; most below 1 so that a corner or a leading
    edge does not outweigh all else.
    """
    weight = goal_weight(mesh, adjoint, fluxes, diffused)
    return scaled(mesh, weight ** (mesh.dim / (mesh.dim + 2)), beta, smoothing, most)


def euler_fluxes(states: np.ndarray, gamma: float = 1.4) -> np.ndarray:
    """(N, d + 2, d) Euler's fluxes of conserved variables (N, d + 2): density, momentum, total
    energy per volume; of a perfect gas with this ratio of specific heats."""
    states = np.asarray(states, float)
    if states.ndim != 2 or states.shape[1] not in (4, 5):
        raise MeshError(f"states of shape {states.shape}", "expected (N, 4) or (N, 5)")
    if not (states[:, 0] > 0).all():
        raise MeshError("states", "expected densities above zero in the first column")
    momentum = states[:, 1:-1]
    speed = momentum / states[:, :1]
    pressure = (gamma - 1) * (states[:, -1] - 0.5 * (momentum * speed).sum(axis=1))
    carried = states.copy()
    carried[:, -1] += pressure
    out = carried[:, :, None] * speed[:, None, :]
    for a in range(speed.shape[1]):
        out[:, 1 + a, a] += pressure
    return out


def _columns(name: str, values: np.ndarray, n: int) -> np.ndarray:
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n or not np.isfinite(values).all():
        raise MeshError(
            f"{name} of shape {values.shape}", f"expected ({n},) or ({n}, C) finite numbers"
        )
    return values


def _bend(fit: QuadraticFit, values: np.ndarray) -> np.ndarray:
    """(N, C) Frobenius norms of the Hessians of values (N, C)."""
    hessian = fit.hessian(values - values[:1])
    return np.sqrt((hessian * hessian).sum(axis=(1, 2)))
