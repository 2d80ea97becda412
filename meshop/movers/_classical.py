"""Classical movers: some boundary points are led elsewhere, the others follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import ConditionError, MeshError, SolveError
from ..mesh import Mesh, elastic_field
from . import _systems as systems
from ._move import Moved, MoveReport, move

Field = Callable[[Mesh, np.ndarray, np.ndarray], np.ndarray]


def laplacian(
    mesh: Mesh, moving: np.ndarray, displacement: np.ndarray, *, steps: int = 1, passes: int = 8
) -> Moved:
    """The mesh with some boundary points moved and each component of the rest harmonic.

    moving (n,) ids of points; displacement (n, d) theirs, in the unit of the points; all other
    boundary points stay. steps: how many parts the way is cut into, each solved on the mesh so far.
    Everything passes the limiter, so the points may end short of their goal, all by the same part
    of each step: `report.done` is the part of the way they made. Cheap; far motion crushes the
    cells ahead, those of boundary layers first. Exact for affine motions of the whole boundary.
    Raises MeshError as `move` does, ConditionError for bad arguments.
    """
    return _led(mesh, moving, displacement, systems.laplacian_field, steps, passes)


def elastic(
    mesh: Mesh,
    moving: np.ndarray,
    displacement: np.ndarray,
    *,
    stiffening: float = 1.0,
    poisson: float = 0.3,
    steps: int = 1,
    passes: int = 8,
) -> Moved:
    """As `laplacian`, the mesh a linear elastic body whose small cells are stiff.

    The modulus of a cell is its measure to the power -stiffening (1 to 1.5 is usual; 0: uniform),
    so that large cells take the strain; 0 is exact for affine motions of the whole boundary.
    poisson: ratio from 0 to below .5. Plane strain in 2-D.
    Source: Stein, Tezduyar, Benney, J. Appl. Mech. 70 (2003).
    """
    if not 0 <= poisson < 0.5:
        raise ConditionError(f"poisson = {poisson}", "expected a ratio from 0 to below 0.5")

    def field(mesh: Mesh, known: np.ndarray, values: np.ndarray) -> np.ndarray:
        return elastic_field(mesh, known, values, stiffening, poisson)

    return _led(mesh, moving, displacement, field, steps, passes)


def springs(
    mesh: Mesh,
    moving: np.ndarray,
    displacement: np.ndarray,
    *,
    torsional: bool = False,
    steps: int = 1,
    passes: int = 8,
) -> Moved:
    """As `laplacian`, the mesh a net of springs along its edges, the shorter the stiffer.

    torsional: also springs that hold the angles of triangles (2-D), which resist inversion.
    Sources: Batina, AIAA Journal 28 (1990); Farhat, Degand, Koobus, Lesoinne, Comput. Methods Appl.
    Mech. Engrg. 163 (1998). Raises ConditionError for torsional springs in 3-D.
    """
    if torsional and mesh.dim != 2:
        raise ConditionError(
            "torsional = True", "expected a plane mesh, found a volume", "torsional=False, elastic"
        )

    def field(mesh: Mesh, known: np.ndarray, values: np.ndarray) -> np.ndarray:
        return systems.spring_field(mesh, known, values, torsional)

    return _led(mesh, moving, displacement, field, steps, passes)


def rbf(
    mesh: Mesh,
    moving: np.ndarray,
    displacement: np.ndarray,
    *,
    support: float | None = None,
    steps: int = 1,
    passes: int = 8,
) -> Moved:
    """As `laplacian`, by radial basis functions on the boundary points: no cells are looked at.

    Wendland's C2 function of the given support, a length; a quarter of the domain's diagonal unless
    given. A larger one spreads the motion further and costs more: the boundary points within it
    around each point are summed. Source: de Boer, van der Schoot, Bijl, Comput. Struct. 85 (2007).
    """
    if support is not None and not 0 < support < np.inf:
        raise ConditionError(f"support = {support}", "expected a length above zero")

    def field(mesh: Mesh, known: np.ndarray, values: np.ndarray) -> np.ndarray:
        return systems.rbf_field(mesh, known, values, support)

    return _led(mesh, moving, displacement, field, steps, passes)


def _led(
    mesh: Mesh, moving: np.ndarray, displacement: np.ndarray, field: Field, steps: int, passes: int
) -> Moved:
    """Some points on their way, in steps; the other points of the boundary stay."""
    moving, way = _checked(mesh, moving, displacement)
    if steps < 1:
        raise ConditionError(f"steps = {steps}", "expected at least one")
    d = mesh.dim
    goal = mesh.points[moving, :d] + way
    boundary = mesh.p1().boundary.points
    known = np.concatenate([moving, np.setdiff1d(boundary, moving)])
    now = mesh
    reports: list[MoveReport] = []
    for left in range(steps, 0, -1):
        values = np.zeros((len(known), d))
        values[: len(moving)] = (goal - now.points[moving, :d]) / left
        try:
            step = field(now, known, values)
            step[known] = values  # to the last digit
            now, report = move(
                now, step, boundary="fixed", moving=moving, passes=passes, local=False
            )
        except (MeshError, SolveError):
            if not reports:
                raise
            break  # stuck: cells as flat as that let nothing go on; `done` says how far it came
        reports.append(report)
    total = np.linalg.norm(way, axis=1).sum()
    rest = np.linalg.norm(goal - now.points[moving, :d], axis=1).sum()
    return Moved(now, _summed(reports, float(1 - rest / total) if total > 0 else 1.0))


def _summed(reports: list[MoveReport], done: float) -> MoveReport:
    return replace(
        reports[-1],
        proposed=sum(r.proposed for r in reports),
        min_angle_before=reports[0].min_angle_before,
        steps=sum(r.steps for r in reports),
        done=done,
    )


def _checked(
    mesh: Mesh, moving: np.ndarray, displacement: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    moving = np.asarray(moving)
    if moving.dtype == bool and moving.shape == (mesh.n_points,):
        moving = np.flatnonzero(moving)
    if moving.ndim != 1 or moving.dtype.kind not in "iu" or not len(moving):
        raise ConditionError(
            f"moving of shape {moving.shape} and type {moving.dtype}",
            "expected ids of points, at least one",
        )
    if moving.min() < 0 or moving.max() >= mesh.n_points or len(np.unique(moving)) < len(moving):
        raise ConditionError("moving", f"expected each id once, from 0 to {mesh.n_points - 1}")
    way = np.asarray(displacement, float)
    if way.ndim == 1 and mesh.dim <= len(way) <= 3:
        way = np.broadcast_to(way, (len(moving), len(way)))
    d = mesh.dim
    if way.ndim != 2 or len(way) != len(moving) or way.shape[1] not in (d, 3):
        raise ConditionError(
            f"displacement of shape {way.shape}", f"expected ({len(moving)}, {d}) or ({d},)"
        )
    if not np.isfinite(way).all():
        raise MeshError("displacement", "found NaN or infinity, expected finite numbers")
    if np.any(way[:, d:] != 0):
        raise MeshError("displacement", "found z components, expected none in a plane mesh")
    return moving.astype(np.int64), way[:, :d]
