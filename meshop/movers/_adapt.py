"""A mesh moved to where a monitor asks for it, with its fields, and what that was good for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import ConditionError, MeshError
from ..mesh import Mesh, carry_fields, interpolation_error
from ._layer import Layer
from ._learned import dmm, um2n
from ._monge_ampere import monge_ampere
from ._monitor import Monitor, Progress, function_of
from ._move import Moved, MoveReport, move
from ._tension import Found, by_shrinking, by_springs
from ._twin import simplices_of

METHODS = ("ma", "spring", "elastic", "laplacian", "um2n", "dmm")
LEARNED = {"um2n": um2n, "dmm": dmm}
ITERATIONS = {"ma": 1000, "spring": 50, "elastic": 50, "laplacian": 50}


@dataclass(frozen=True)
class MeshState:
    """How good a mesh is.

    inverted: corners of cells that are not positive, by exact signs; min_angle in degrees; spread:
    the coefficient of variation of the cells' monitor mass, int m over each; stretch: the same of
    the mass over what the cell measured at first, what movers make even; error: the estimated L2
    norm of what P1 interpolation on it leaves of the field. NaN without a monitor, or field.
    """

    inverted: int
    min_angle: float
    spread: float
    stretch: float
    error: float


@dataclass(frozen=True)
class AdaptReport:
    """What an adaptation did: by which method, the mesh before and after, and the `MoveReport`."""

    method: str
    before: MeshState
    after: MeshState
    move: MoveReport


class Adapted(NamedTuple):
    """The moved mesh with its fields, and the report."""

    mesh: Mesh
    report: AdaptReport


def adapt(
    mesh: Mesh,
    monitor: Monitor | np.ndarray | None,
    *,
    method: str | None = None,
    field: np.ndarray | None = None,
    conservative: bool = False,
    max_iterations: int | None = None,
    passes: int = 8,
    progress: Progress | None = None,
) -> Adapted:
    """The mesh with its points moved to where a monitor is large, and its fields carried along.

    monitor: a positive function of points (n, d), or values (N,) at the mesh's points. A cell is to
    have a measure of what it had over the monitor, as in one dimension it comes to have:

    - "ma": `monge_ampere`, by Newton's method, which comes closest where the domain is convex.
    - "elastic": an elastic body whose cells shrink and grow, small ones stiffest: for domains with
      holes and corners, and meshes with layers. Moxey, Ekelschot, Keskin, Sherwin, Peiro, A
      thermo-elastic analogy for high-order curvilinear meshing, Comput. Aided Des. 72 (2016).
    - "spring": edges are springs as stiff as the monitor over their length at the start, at rest on
      the mesh as it is where the monitor is constant; after Gnoffo, AIAA Journal 21 (1983).
    - "laplacian": each point at the mean of its neighbours, weighted by the monitor on the edge;
      after Winslow, UCRL-19062 (1981). Fine cells do not stay fine by themselves. Without a monitor
      (None) it smooths; the others have nothing to do then.
    - "um2n": the learned `um2n`, for a `hessian_monitor`: it lowers the error of P1
      solutions more and spreads the monitor less evenly. Its steps are as many as it has.
    - "dmm": the learned `dmm`, for any monitor: the map of "ma", nearly, in 0.6 of its time.

    All solve on the mesh cut into simplices, hold boundary points where the boundary is curved (but
    um2n and dmm), let them slide where it is straight or plane, and pass the limiter, so no cell is
    inverted. What lies inside, such as the interface of two materials, moves with its points.
    Springs, the Laplacian and the elastic body iterate with the monitor where the points have come
    to, until it is even no more. One layer of cells is the plane mesh that it stands for
    (`flatten`), whose report this is: both its sides move alike.

    Fields are carried as `carry_fields` does, which `conservative` is for. field (N, ...): the
    one whose interpolation error is estimated before and after, both times with the Hessian that is
    recovered on the given mesh. progress: called with each iteration and its residual, or stretch.

    Raises ConditionError for a method that there is not or that needs a monitor, MeshError as
    `move` does and for monitors that are not positive; `mesh` itself is never changed.
    """
    layer = Layer.of(mesh)
    if layer is not None:
        flat = adapt(
            replace(layer.plane, point_data={}, cell_data={}),
            None if monitor is None else layer.down(monitor),
            method=method, field=None if field is None else np.asarray(field)[layer.first],
            max_iterations=max_iterations, passes=passes, progress=progress,
        )  # fmt: skip
        moved = layer.moved(flat.mesh)
        return Adapted(carry_fields(mesh, moved, conservative=conservative), flat.report)
    if method is not None and method not in METHODS:
        raise ConditionError(f"method {method!r}", "there is none", f"one of {', '.join(METHODS)}")
    if monitor is None and method != "laplacian":
        raise ConditionError(
            f"method {method!r} without a monitor" if method else "no monitor",
            "nothing says where the mesh should be finer",
            "a monitor, such as error:p; or the method laplacian, which then smooths",
        )
    if max_iterations is not None and max_iterations < 1:
        raise ConditionError(f"max_iterations = {max_iterations}", "expected at least one")
    value = None if monitor is None else function_of(mesh, monitor)
    bend = None if field is None else _bend(mesh, field)
    before = _state(mesh, mesh, value, bend)
    ways = [method] if method else ["ma", "elastic"] if is_convex(mesh) else ["elastic"]
    for way in ways:
        limit = max_iterations or ITERATIONS.get(way, 0)
        if way == "ma" and monitor is not None:
            try:
                found = monge_ampere(
                    mesh, monitor, max_iterations=limit, passes=passes, progress=progress
                )
            except MeshError:
                if way == ways[-1]:
                    raise
                continue
        elif way in LEARNED and monitor is not None:
            found = _learned(mesh, monitor, way, passes)
        else:
            found = _by_forces(mesh, value, way, limit, passes, progress)
        after = _state(mesh, found.mesh, value, bend)
        if after.stretch < before.stretch:
            break
    told = found.report
    after = replace(after, min_angle=told.min_angle, inverted=told.inverted)
    before = replace(before, min_angle=told.min_angle_before)
    carried = carry_fields(mesh, found.mesh, conservative=conservative)
    return Adapted(carried, AdaptReport(way, before, after, told))


def is_convex(mesh: Mesh) -> bool:
    """Whether a plane or solid mesh fills the convex hull of its points, to a millionth."""
    from scipy.spatial import ConvexHull

    twin, _ = simplices_of(mesh)
    hull = ConvexHull(twin.points[twin.p1().boundary.points, : mesh.dim])
    return bool(twin.p1().simplices.measure.sum() > (1 - 1e-6) * hull.volume)


def _by_forces(
    mesh: Mesh,
    value: Monitor | None,
    method: str,
    limit: int,
    passes: int,
    progress: Progress | None,
) -> Moved:
    twin, used = simplices_of(mesh)
    if method == "elastic":
        assert value is not None
        found: Found = by_shrinking(twin, value, 1.0, 0.3, limit, progress)
    else:
        found = by_springs(twin, value, method == "spring", limit, progress)
    return _to(mesh, used, found.displacement, found.iterations, found.residual, passes)


def _learned(mesh: Mesh, monitor: Monitor | np.ndarray, method: str, passes: int) -> Moved:
    twin, used = simplices_of(mesh)
    values = monitor if callable(monitor) else np.asarray(monitor)[used]
    found = LEARNED[method](twin, values, passes=passes)
    step = (found.mesh.points - twin.points)[:, : mesh.dim]
    return _to(mesh, used, step, found.report.iterations, found.report.residual, passes)


def _to(
    mesh: Mesh, used: np.ndarray, step: np.ndarray, iterations: int, residual: float, passes: int
) -> Moved:
    """The mesh with its points `used` displaced through the limiter, and the mover's report."""
    way = np.zeros((mesh.n_points, mesh.dim))
    way[used] = step
    moved = move(mesh, way, passes=passes)
    return Moved(moved.mesh, replace(moved.report, iterations=iterations, residual=residual))


def _bend(mesh: Mesh, field: np.ndarray) -> Monitor:
    """Recovered second derivatives (n, 3, 3, ...) at points (n, 3)."""
    p1 = mesh.p1()
    return p1.field(p1.hessian(np.asarray(field, float)))


def _state(first: Mesh, mesh: Mesh, value: Monitor | None, bend: Monitor | None) -> MeshState:
    """What there is to say but for angles and signs, which the movement's report has."""
    spread = stretch = error = float("nan")
    p1 = mesh.p1()
    parts = p1.simplices
    if value is not None:
        used = np.unique(parts.nodes)
        m = np.zeros(len(p1.corners))
        m[used] = value(p1.corners[used, : mesh.dim])
        share = m[parts.nodes].mean(axis=1) * parts.measure
        mass = np.bincount(parts.cell, share, mesh.n_cells)
        at = np.bincount(parts.cell, minlength=mesh.n_cells) > 0
        size = first.cell_measures()
        spread, stretch = _variation(mass[at]), _variation(mass[at] / size[at])
    if bend is not None:
        centre = p1.corners[parts.nodes].mean(axis=1)
        error = float(np.linalg.norm(interpolation_error(p1, bend(centre))))
    return MeshState(0, float("nan"), spread, stretch, error)


def _variation(values: np.ndarray) -> float:
    return float(values.std() / values.mean())
