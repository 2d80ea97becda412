"""Monitors: where a mesh should be fine. Positive functions; cells shrink where they are large."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, combinations_with_replacement

import numpy as np

from ..errors import ConditionError, MeshError
from ..mesh import Mesh, interpolation_error
from ..solvers import solve

Monitor = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[int, float], None]
# Measure^(2 / d) over the sum of e e^T of the edges of a regular triangle, and tetrahedron.
_REGULAR = {2: 12**-0.5, 3: 72 ** (-1 / 3) / 2}


def function_of(mesh: Mesh, monitor: Monitor | np.ndarray) -> Monitor:
    """A monitor as a function of points (n, d), checked at each call: of values (N,) at the mesh's
    points the piecewise linear field."""
    if callable(monitor):
        value = monitor
    else:
        value = field_of(mesh, positive(monitor, mesh.n_points))

    return lambda x: positive(value(x), len(x))


def positive(values: np.ndarray, n: int) -> np.ndarray:
    """Values (n,) of a monitor, checked."""
    m = np.asarray(values, float)
    if m.shape != (n,):
        raise MeshError(f"monitor of shape {m.shape}", f"expected ({n},)")
    if not (m > 0).all() or not np.isfinite(m).all():
        raise MeshError("monitor", "expected one finite number above zero for each point")
    return m


def field_of(mesh: Mesh, values: np.ndarray) -> Monitor:
    """The piecewise linear field of values (N, ...) at a mesh's points, at points (n, d)."""
    field = mesh.p1().field(values)

    def value(x: np.ndarray) -> np.ndarray:
        full = np.full((len(x), 3), mesh.points[0, 2])
        full[:, : x.shape[1]] = x
        return field(full)

    return value


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
    mesh: Mesh, values: np.ndarray, alpha: float = 10.0, smoothing: float = 0.0, most: float = 1.0
) -> np.ndarray:
    """(N,) 1 + alpha |grad u|^2 / max, of values (N,) at points, the gradient recovered there.

    values may be (N, ...): the squares of all components are summed. most: the quantile that counts
    as the maximum, what lies above it as no more; below 1 on meshes whose layers or corners have
    gradients far above all others. smoothing: kappa, a length squared: what is returned is
    (I - kappa Laplacian)^-1 of it. Raises ConditionError for numbers that make no sense.
    """
    slope = mesh.p1().gradient(_floats(mesh, values))
    return scaled(mesh, _squares(slope), alpha, smoothing, most)


def hessian_monitor(
    mesh: Mesh, values: np.ndarray, beta: float = 5.0, smoothing: float = 0.0, most: float = 1.0
) -> np.ndarray:
    """(N,) 1 + beta H:H / max, of values (N,) at points, H their recovered Hessian (`P1.fit`).

    values (N, ...), most and smoothing: as `gradient_monitor` has them.
    """
    size = _squares(_bending(mesh, _floats(mesh, values)))
    return scaled(mesh, size, beta, smoothing, most)


def error_monitor(mesh: Mesh, values: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """(N,) 1 + gain r / mean r, r the error of P1 interpolation to the power that makes it even.

    Cells with as much monitor mass as they had measure then have about the same L2 error each,
    which for a number of cells is least in sum: e_K ~ |K|^(1/2 + 2/d), so r = e_K^(2 d / (4 + d)),
    e_K of `interpolation_error`, at points by the mean of the cells around. Unlike the others it
    knows how fine the mesh is already. values (N, ...): several fields together. Source: Huang
    and Russell, Adaptive Moving Mesh Methods (Springer, 2011), 2.4 and 5.2, isotropic. Raises
    ConditionError for a gain below zero.
    """
    if not gain >= 0:
        raise ConditionError(f"gain {gain}", "expected none below zero")
    values, p1 = _floats(mesh, values), mesh.p1()
    parts, d = p1.simplices, mesh.dim
    bend = p1.field(_bending(mesh, values))
    error = interpolation_error(p1, bend(p1.corners[parts.nodes].mean(axis=1)))
    cells = np.bincount(parts.cell, error**2, mesh.n_cells) ** (d / (d + 4))
    used = np.bincount(parts.cell, minlength=mesh.n_cells) > 0
    mean = cells[used].mean() if used.any() else 0.0
    if mean == 0:
        return np.ones(mesh.n_points)
    share = p1.project(cells / mean, lumped=True)
    return 1 + gain * (p1.filled(share) if len(p1.idle) else share)


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


def smoothed(mesh: Mesh, monitor: np.ndarray, cells: float = 1.0) -> np.ndarray:
    """(N,) a monitor (N,) spread over about so many cells around each point, within its range.

    (I - div cells^2 T grad)^-1 of it, T the sum of e e^T over a cell's edges, as large as its
    measure to the power 2 / d where it is regular. Unlike `smoothing`, which is one length, it does
    the same to fine and coarse parts of a graded mesh, and along and across the cells of a layer.
    """
    p1 = mesh.p1()
    parts, d = p1.simplices, mesh.dim
    tensor = np.zeros((mesh.n_cells, 3, 3))
    corner = p1.corners[parts.nodes]
    share = _REGULAR.get(d, 1.0) / np.bincount(parts.cell, minlength=mesh.n_cells)[parts.cell]
    for i, j in combinations(range(d + 1), 2):
        edge = corner[:, j] - corner[:, i]
        for a, b in combinations_with_replacement(range(3), 2):
            found = np.bincount(parts.cell, share * edge[:, a] * edge[:, b], mesh.n_cells)
            tensor[:, a, b] += found
            if a != b:
                tensor[:, b, a] += found
    return _spread(mesh, monitor, cells**2 * tensor)


def _floats(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim == 0 or len(values) != mesh.n_points or not np.isfinite(values).all():
        raise MeshError(
            f"values of shape {values.shape}", f"expected ({mesh.n_points},) finite numbers"
        )
    return values - values[:1]  # constants have no derivatives, not even rounding


def _bending(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    """(N, 3, 3, ...) recovered second derivatives; none where they are rounding of a line."""
    bend = mesh.p1().hessian(values)
    width = np.linalg.norm(np.ptp(mesh.points, axis=0))
    size = np.sqrt(_squares(bend).max(initial=0.0)) * width**2
    return bend * (size > 1e-8 * np.ptp(values, axis=0).max(initial=0.0))


def _squares(values: np.ndarray) -> np.ndarray:
    """(N,) sums of squares of values (N, ...)."""
    return (values * values).reshape(len(values), -1).sum(axis=1)


def scaled(mesh: Mesh, size: np.ndarray, gain: float, smoothing: float, most: float) -> np.ndarray:
    """1 + gain size / its quantile `most`, no more than 1 + gain, smoothed."""
    if not (gain >= 0 and smoothing >= 0 and 0 < most <= 1):
        raise ConditionError(
            f"gain {gain}, smoothing {smoothing}, most {most}",
            "expected none below zero, and a quantile above zero up to one",
        )
    top = float(np.quantile(size, most)) if len(size) else 0.0
    top = top if top > 0 else size.max(initial=0.0)
    monitor = 1 + gain * np.minimum(size / top, 1.0) if top > 0 else np.ones(len(size))
    if smoothing == 0:
        return monitor
    return _spread(mesh, monitor, np.full(mesh.n_cells, smoothing))


def _spread(mesh: Mesh, monitor: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    """(I - div kappa grad)^-1 of a monitor, kappa (M,) or (M, 3, 3) at cells."""
    from scipy.sparse import diags

    p1 = mesh.p1()
    # Lumped: the discrete maximum principle keeps it within its range on good meshes.
    mass = np.where(p1.lumped > 0, p1.lumped, 1.0)
    matrix = (diags(mass) + p1.stiffness(kappa)).tocsr()
    found = solve(matrix, mass * monitor, tol=1e-10)
    return np.clip(found, monitor.min(), monitor.max())
