"""Better cells without new ones: inverted ones put right, the others towards wanted shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from ..celltypes import POLYGON
from ..errors import ConditionError, MeshError
from ..mesh import Mesh, corner_simplices
from ..ops import simplex_sign
from ._barrier import Energy, descend
from ._boundary import flat_tangents
from ._move import Moved, displaced, min_angle, move, positive_corners

ROUNDS = 100  # of untangling
STEPS = 30  # in each
SOFT = 0.2  # of the least determinant: eps of untangling, until a round puts none right
SMALL = 0.1  # of the mean size around: the least that is wanted

# Perfect cells by how many corners are simplices, in 2-D and 3-D.
_H, _A = np.sqrt(3) / 2, np.sqrt(2 / 3)
_TRIANGLE = [[0, 0, 0], [1, 0, 0], [0.5, _H, 0]]
_SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
_ABOVE = np.array([0, 0, 1])
PERFECT = {
    (2, 1): ("triangle", _TRIANGLE),
    (2, 4): ("quad", _SQUARE),
    (3, 1): ("tetra", [*_TRIANGLE, [0.5, _H / 3, _A]]),
    (3, 4): ("pyramid", [*_SQUARE, [0.5, 0.5, np.sqrt(0.5)]]),
    (3, 6): ("wedge", [*_TRIANGLE, *(_ABOVE + _TRIANGLE)]),
    (3, 8): ("hexahedron", [*_SQUARE, *(_ABOVE + _SQUARE)]),
}


def smooth(
    mesh: Mesh,
    target: Mesh | None = None,
    *,
    boundary: str = "slide",
    max_iterations: int = 200,
    tol: float = 1e-5,
) -> Moved:
    """The mesh with its points where its cells are as near to wanted shapes as they come together.

    target: a mesh of the same cells, whose shapes and sizes are wanted, such as this one before it
    was deformed; none: perfect ones, of the sizes around each cell. The energy is infinite where a
    corner is flat, so that none is ever inverted. Corners that are inverted at the start are put
    right first, by an energy that is finite there and grows; `report.untangled` counts them.
    boundary: "slide", points stay in the lines and planes of the boundary around them, corners and
    those of curved parts where they are; or "fixed". Lines, planes and corners are those that the
    mesh has: a tangled boundary is not repaired. It stops after max_iterations, or where thirty
    of them lessen the energy by less than ten times tol of it, `report.residual`.

    Source: `Energy`, Garanzha et al. 2021. Raises MeshError where cells stay inverted (`mesh`
    itself is never changed), for polyhedra, polygons without target, and a target of inverted ones.
    """
    if boundary not in ("slide", "fixed"):
        raise ConditionError(f"boundary {boundary!r}", "expected slide or fixed")
    if not (max_iterations >= 1 and tol > 0):
        raise ConditionError(
            f"max_iterations {max_iterations}, tol {tol}", "expected both above zero"
        )
    corners = _wanted(mesh, target)
    start = mesh.points[:, : mesh.dim].copy()
    energy = Energy(corners.nodes, corners.shape, mesh.n_points)
    tangent = _tangent(mesh, corners.nodes, boundary)
    nodes = torch.from_numpy(corners.nodes)

    def inverted(x: np.ndarray) -> int:
        exact = simplex_sign(torch.from_numpy(x), nodes).numpy() <= 0
        return int((exact | (energy.determinants(x) <= 0)).sum())  # where rounding says so, too

    x, before = start, inverted(start)
    left, iterations, part = before, 0, SOFT
    for _ in range(ROUNDS):
        if not left:
            break
        eps = float(np.hypot(1e-6, part * min(float(energy.determinants(x).min()), 0.0)))
        found = descend(energy, x, tangent, eps, STEPS, 1e-4, lambda x: not inverted(x))
        x, last, left = found.x, left, inverted(found.x)
        part = SOFT if left < last else 0.5 * part
        iterations += found.iterations
    if left:
        raise MeshError(
            f"{left} of {len(nodes)} corners of cells stay inverted",
            f"{before} were at the start; {iterations} iterations put no more right",
            "target=the mesh before it was deformed; a boundary that is not tangled itself",
        )
    valid, gain, least = x, np.inf, 10 * tol
    most = iterations + max_iterations
    while gain > least and iterations < most:  # what preconditions is made anew each time
        found = descend(energy, x, tangent, 0.0, min(STEPS, most - iterations), tol)
        x, gain = found.x, found.gain
        iterations += found.iterations
    used = np.zeros(mesh.n_points, bool)
    used[corners.nodes.ravel()] = True
    begun = displaced(mesh, valid, used) if before else mesh
    moved, report = move(begun, x - valid, boundary="free")
    return Moved(
        moved,
        replace(
            report,
            untangled=before,
            min_angle_before=min_angle(mesh),
            iterations=iterations,
            residual=float(gain),
        ),
    )


class _Wanted(NamedTuple):
    """Corners of cells, nodes (S, d + 1), and the shapes (S, d, d) that they shall have: edges from
    the first node, rows, of positive determinant."""

    nodes: np.ndarray
    shape: np.ndarray


def _wanted(mesh: Mesh, target: Mesh | None) -> _Wanted:
    d = mesh.dim
    if target is not None:
        parts = ("cell_types", "cell_offsets", "cell_nodes")
        same = target.n_points == mesh.n_points and target.dim == d
        if not (same and all(np.array_equal(getattr(target, p), getattr(mesh, p)) for p in parts)):
            raise MeshError("target", "expected the same cells of as many points")
        nodes = positive_corners(target)
        corner = target.points[nodes][:, :, :d]
        return _Wanted(nodes, corner[:, 1:] - corner[:, :1])
    nodes, cell = corner_simplices(mesh)
    like = _perfect(mesh, cell)
    _turn(_edges(like)[1] < 0, nodes, like)
    way = _edges(mesh.points[nodes][:, :, :d])[1]
    mirrored = np.full(len(way), way.sum() < 0)  # as most of it is wound
    if not (way > 0).all() and _sound(mesh):
        mirrored = way < 0
    _turn(mirrored, nodes, like)
    like[mirrored, :, 0] *= -1.0
    shape, perfect = _edges(like)
    ratio = np.where(mirrored, -way, way) / perfect
    size = np.maximum(_around(ratio, nodes), SMALL * _around(np.abs(ratio), nodes))
    if not (size > 0).all():
        raise MeshError("cells of no size", "expected some that are not flat around each point")
    return _Wanted(nodes, shape * (size ** (1 / d))[:, None, None])


def _edges(corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of simplices (S, d + 1, d) the edges from the first corner, and their determinants."""
    edges = corner[:, 1:] - corner[:, :1]
    return edges, np.linalg.det(edges)


def _sound(mesh: Mesh) -> bool:
    """Whether no cell is inverted where some are wound one way, some the other: the corners of each
    agree, and together they fill what the boundary encloses, no more."""
    try:
        positive_corners(mesh)
    except MeshError:
        return False
    p1 = mesh.p1()
    facets = p1.boundary
    centre = mesh.points[facets.nodes].mean(axis=1) - mesh.points[0]
    enclosed = (centre * facets.areas).sum() / mesh.dim
    return bool(np.isclose(p1.simplices.measure.sum(), enclosed, rtol=1e-9))


def _turn(rows: np.ndarray, *corners: np.ndarray) -> None:
    """Swaps the first two corners of some simplices, in place."""
    for one in corners:
        one[rows, :2] = one[rows, 1::-1]


def _perfect(mesh: Mesh, cell: np.ndarray) -> np.ndarray:
    """(S, d + 1, d) the corners of perfect cells, in the order of those of the mesh."""
    d = mesh.dim
    count = np.bincount(cell, minlength=mesh.n_cells)[cell]
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], cell[order])
    place = np.empty(len(cell), np.int64)  # which corner of its cell each is
    place[order] = np.arange(len(cell)) - first
    out = np.empty((len(cell), d + 1, d))
    polygons = (mesh.cell_types == POLYGON) & (np.diff(mesh.cell_offsets) > 4)
    for n in np.unique(count):
        if (d, int(n)) not in PERFECT or polygons.any():
            raise MeshError(
                "polygons", "what a perfect one is is not known", "target=a mesh of good cells"
            )
        name, perfect = PERFECT[d, int(n)]
        points = np.array(perfect, float)
        one = Mesh.from_blocks(points, [(name, [range(len(points))])])
        corners = one.points[corner_simplices(one).nodes][:, :, :d]
        mine = count == n
        out[mine] = corners[place[mine]]
    return out


def _around(values: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Means of values (S,) around points, of those around simplices; twice."""
    flat = nodes.ravel()
    count = np.maximum(np.bincount(flat), 1)
    for _ in range(2):
        values = (np.bincount(flat, np.repeat(values, nodes.shape[1])) / count)[nodes].mean(axis=1)
    return values


def _tangent(mesh: Mesh, nodes: np.ndarray, boundary: str) -> np.ndarray:
    """(N, d, d) what is left of a step of each point; nothing at points of no corner."""
    d, facets = mesh.dim, mesh.p1().boundary
    out = np.broadcast_to(np.eye(d), (mesh.n_points, d, d)).copy()
    if boundary == "slide":
        out[facets.points] = flat_tangents(facets, d).numpy()[facets.points]
    else:
        out[facets.points] = 0.0
    idle = np.ones(mesh.n_points, bool)
    idle[nodes.ravel()] = False
    out[idle] = 0.0
    return out
