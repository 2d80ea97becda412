"""Plane meshes morphed to one reference domain, and fields carried between them.

The outer boundary goes to a convex domain by arc length between its corners: a polygon inscribed in
the unit circle, or, with fewer than three corners, the circle. Holes go to given circles. The
interior follows by the harmonic map, -laplace xi = 0 with P1 elements. Onto a convex domain the
harmonic map is one to one (Rado, Kneser, Choquet), its discretisation where all edge weights are
positive (Tutte 1963; Floater, Math. Comp. 72, 2003): where the cotangent weights fold a triangle,
positive ones take their place. Holes are left free at first, faces of the embedding, and then
brought to their circles by a flow whose velocity is harmonic; for them there is no theorem, so
validity is checked.
Source: Casenave, Staber, Roynard, MMGP: a Mesh Morphing Gaussian Process, NeurIPS 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags

from ..errors import MeshError
from ..mesh import Mesh
from ..solvers import solve

TURN = 25.0  # degrees: a boundary that turns by more has a corner there
LEAST_WEIGHT = 1e-3  # of the mean weight, where cotangents are not positive
TOLERANCE = 1e-11  # of the linear systems
FIRST_STEP, LEAST_STEP = 0.2, 1e-3  # of the way that holes go to their places
LEAST_SHRINK = 0.3  # of a triangle's area in one step


class Loop(NamedTuple):
    """A closed boundary: nodes (L,) with the mesh on their left, corners: places in them, rising,
    and arc (L + 1,): lengths from the first node on."""

    nodes: np.ndarray
    corners: np.ndarray
    arc: np.ndarray


class Target(NamedTuple):
    """The reference domain. landmarks (F, K, 2): the corners of a family of meshes, those that
    correspond in the same place, as seen from the boundary's centre in units of its mean radius;
    share (K,): each side's part of the circle; holes (H, 3): centres and radii."""

    landmarks: np.ndarray
    share: np.ndarray
    holes: np.ndarray


class Chart(NamedTuple):
    """A mesh on the reference domain: its triangles there, and valid: none is turned over."""

    mesh: Mesh
    valid: bool


def boundary_loops(mesh: Mesh, turn: float = TURN) -> list[Loop]:
    """The closed boundaries of a plane mesh, the longest (in extent) first.

    Raises MeshError for a mesh that is not plane, without a boundary, or whose loops touch.
    """
    if mesh.dim != 2 or not mesh.is_planar:
        raise MeshError("this mesh cannot be morphed", "expected cells in a plane z = constant")
    edges = _directed(mesh)
    start, end = edges.T
    if not len(start):
        raise MeshError("this mesh cannot be morphed", "it has no boundary")
    if len(np.unique(start)) < len(start):
        raise MeshError("this mesh cannot be morphed", "its boundary touches itself at a node")
    ids = np.unique(start)
    after = np.empty(len(ids), np.int64)
    after[np.searchsorted(ids, start)] = np.searchsorted(ids, end)
    # The smallest node of each loop, then the steps to it, by doubling.
    least, jump = np.arange(len(ids)), after.copy()
    for _ in range(len(ids).bit_length()):
        least, jump = np.minimum(least, least[jump]), jump[jump]
    head = least == np.arange(len(ids))
    jump, steps = np.where(head, np.arange(len(ids)), after), np.where(head, 0, 1)
    for _ in range(len(ids).bit_length()):
        steps, jump = steps + steps[jump], jump[jump]
    loops = []
    for root in np.flatnonzero(head):
        mine = np.flatnonzero(least == root)
        order = np.where(steps[mine] > 0, len(mine) - steps[mine], 0)
        loops.append(_loop(mesh.points[:, :2], ids[mine[np.argsort(order)]], turn))
    extent = [np.ptp(mesh.points[loop.nodes, :2], axis=0).sum() for loop in loops]
    return [loops[i] for i in np.argsort(-np.array(extent), kind="stable")]


def _directed(mesh: Mesh) -> np.ndarray:
    """(F, 2) boundary edges with the mesh on their left."""
    p1 = mesh.p1()
    nodes, points = p1.simplices.nodes, mesh.points[:, :2]
    flip = _areas(points, nodes) < 0
    nodes = np.where(flip[:, None], nodes[:, ::-1], nodes)
    edges = np.concatenate([nodes[:, [0, 1]], nodes[:, [1, 2]], nodes[:, [2, 0]]])
    size = len(points)
    forth, back = edges[:, 0] * size + edges[:, 1], edges[:, 1] * size + edges[:, 0]
    return edges[~np.isin(forth, back)]


def _areas(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    a, b, c = (points[nodes[:, k]] for k in range(3))
    u, v = b - a, c - a
    return 0.5 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


def _loop(points: np.ndarray, nodes: np.ndarray, turn: float) -> Loop:
    step = points[np.roll(nodes, -1)] - points[nodes]
    arc = np.concatenate([[0], np.cumsum(np.hypot(*step.T))])
    before = np.roll(step, 1, axis=0)
    angle = np.arctan2(
        before[:, 0] * step[:, 1] - before[:, 1] * step[:, 0], (before * step).sum(1)
    )
    return Loop(nodes, np.flatnonzero(np.abs(angle) > np.radians(turn)), arc)


def make_target(mesh: Mesh, family: Sequence[Mesh] = (), turn: float = TURN) -> Target:
    """The reference domain after a mesh's own boundary.

    family: other meshes that are to be morphed to it. Corners are landmarks where all have as many;
    which corresponds to which is then passed on from mesh to mesh, always to that most like one
    that has it, so that shapes far from the reference are told right too.
    """
    loops = boundary_loops(mesh, turn)
    points, outer = mesh.points[:, :2], loops[0]
    centre, size = _frame(points, outer)
    others = [_landmarks(m.points[:, :2], boundary_loops(m, turn)[0]) for m in family]
    alike = all(len(found) == len(outer.corners) for found in others)
    some = outer.corners if alike else outer.corners[:0]
    landmarks, share = _landmarks(points, outer)[None, : len(some)], np.zeros(0)
    if alike and others and len(some):
        landmarks = _passed_on(landmarks, np.stack(others))
    if len(some):
        ends = outer.arc[some]
        share = np.diff([*ends, ends[0] + outer.arc[-1]]) / outer.arc[-1]
    holes = [
        [*(middle - centre) / (1.5 * size), radius / (1.5 * size)]
        for middle, radius in (_frame(points, hole) for hole in loops[1:])
    ]
    return Target(landmarks, share, np.array(holes).reshape(-1, 3))


def _landmarks(points: np.ndarray, loop: Loop) -> np.ndarray:
    """(K, 2) corners from the loop's centre, in mean radii."""
    centre, size = _frame(points, loop)
    return (points[loop.nodes[loop.corners]] - centre) / size


def _shifts(corners: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(K, ...) squared distances of corners (..., K, 2) from known ones, begun at each of them."""
    count = corners.shape[-2]
    return np.stack(
        [((np.roll(corners, -k, axis=-2) - known) ** 2).sum((-1, -2)) for k in range(count)]
    )


def _passed_on(known: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(1 + F, K, 2): all corners in the order of the one known, likest first (Prim's tree)."""
    gap, shift = np.full(len(others), np.inf), np.zeros(len(others), np.int64)
    left, found = np.ones(len(others), bool), [known[0]]
    for _ in others:
        costs = _shifts(others, found[-1])
        nearer = left & (costs.min(0) < gap)
        gap, shift = np.where(nearer, costs.min(0), gap), np.where(nearer, costs.argmin(0), shift)
        chosen = int(np.argmin(np.where(left, gap, np.inf)))
        left[chosen] = False
        found.append(np.roll(others[chosen], -shift[chosen], axis=0))
    return np.stack(found)


def morph(mesh: Mesh, target: Target, turn: float = TURN) -> Chart:
    """The mesh's triangles on the reference domain, a point for each of its points.

    Raises MeshError for a mesh that has not the target's number of corners or holes.
    """
    loops, points = boundary_loops(mesh, turn), mesh.points[:, :2]
    if len(loops) != 1 + len(target.holes):
        raise MeshError(
            "this mesh cannot be morphed to the reference",
            f"expected {len(target.holes)} holes, found {len(loops) - 1}",
        )
    goal = np.zeros((mesh.n_points, 2))
    goal[loops[0].nodes] = _outer(points, loops[0], target)
    centre, size = _frame(points, loops[0])
    left = list(range(len(target.holes)))
    for hole in loops[1:]:
        middle, _ = _frame(points, hole)
        gap = [np.hypot(*(target.holes[k, :2] - (middle - centre) / (1.5 * size))) for k in left]
        x, y, radius = target.holes[left.pop(int(np.argmin(gap)))]
        angle = -2 * np.pi * _turned(points, hole, middle)  # holes run clockwise
        goal[hole.nodes] = np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])
    p1 = mesh.p1()
    nodes = p1.simplices.nodes
    nodes = np.where((_areas(points, nodes) < 0)[:, None], nodes[:, ::-1], nodes)
    fixed = np.zeros(mesh.n_points, bool)
    fixed[p1.idle] = fixed[loops[0].nodes] = True
    # Holes are free at first: each is a face of a Tutte embedding, and convex.
    for matrix in (p1.stiffness(), _positive(p1.stiffness())):
        xi = _harmonic(matrix, goal, fixed)
        valid = bool((_areas(xi, nodes) > 0).all())
        if valid:
            break
    if len(loops) > 1 and valid:
        fixed[np.concatenate([loop.nodes for loop in loops])] = True
        xi, valid = _settle(xi, goal, fixed, nodes)
    return Chart(Mesh.from_blocks(xi, [("triangle", nodes)]), valid)


def _harmonic(matrix: csr_matrix, values: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """(N, 2) with the given values at fixed nodes, and a product of zero with the matrix at all
    others."""
    out, free = np.where(fixed[:, None], values, 0.0), ~fixed
    if free.any():
        right = -matrix[free][:, fixed] @ values[fixed]
        out[free] = solve(matrix[free][:, free].tocsr(), right, tol=TOLERANCE)
    return out


def _settle(
    xi: np.ndarray, goal: np.ndarray, fixed: np.ndarray, nodes: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Boundaries brought to their goal, steadily: a flow whose velocity is harmonic on the mesh as
    it lies, in steps that turn nothing over; whether they arrived."""
    done, step = 0.0, FIRST_STEP
    while done < 1:
        step = min(step, 1 - done)
        velocity = np.where(fixed[:, None], (goal - xi) / (1 - done), 0.0)
        moved = Mesh.from_blocks(xi, [("triangle", nodes)])
        trial = xi + step * _harmonic(moved.p1().stiffness(), velocity, fixed)
        before, after = _areas(xi, nodes), _areas(trial, nodes)
        if (after > LEAST_SHRINK * before).all():
            xi, done, step = trial, done + step, 1.5 * step
        elif (step := step / 2) < LEAST_STEP:
            return xi, False
    return np.where(fixed[:, None], goal, xi), True


def _positive(matrix: csr_matrix) -> csr_matrix:
    """The graph Laplacian with every weight positive: none below a small part of the mean."""
    off = -(matrix - diags(matrix.diagonal())).tocsr()
    off.data = np.maximum(off.data, LEAST_WEIGHT * np.abs(off.data).mean())
    off.setdiag(0)
    off.eliminate_zeros()
    return (diags(np.asarray(off.sum(1)).ravel()) - off).tocsr()


def _frame(points: np.ndarray, loop: Loop) -> tuple[np.ndarray, float]:
    """Centre of a loop, and the mean distance from it, by arc length."""
    here, there = points[loop.nodes], points[np.roll(loop.nodes, -1)]
    weight = np.diff(loop.arc)[:, None] / loop.arc[-1]
    centre = (0.5 * (here + there) * weight).sum(0)
    return centre, float((np.hypot(*(0.5 * (here + there) - centre).T) * weight[:, 0]).sum())


def _outer(points: np.ndarray, loop: Loop, target: Target) -> np.ndarray:
    """(L, 2) places of the outer loop's nodes."""
    centre, _ = _frame(points, loop)
    count = target.landmarks.shape[1]
    if not count:
        angle = 2 * np.pi * _turned(points, loop, centre)
        return np.column_stack([np.cos(angle), np.sin(angle)])
    if len(loop.corners) != count:
        raise MeshError(
            "this mesh cannot be morphed to the reference",
            f"expected {count} corners, found {len(loop.corners)}",
        )
    # The corner comes first from which on they lie closest to those of a mesh that is known.
    gaps = _shifts(_landmarks(points, loop), target.landmarks).min(1)
    corners = np.roll(loop.corners, -int(np.argmin(gaps)))
    length = loop.arc[-1]
    ends = (loop.arc[corners] - loop.arc[corners[0]]) % length
    along = (loop.arc[:-1] - loop.arc[corners[0]]) % length
    along[corners] = ends
    side = np.searchsorted(ends, along, side="right") - 1
    part = (along - ends[side]) / np.diff([*ends, length])[side]
    turns = np.arctan2(*target.landmarks[0, 0, ::-1]) + 2 * np.pi * np.concatenate(
        [[0], np.cumsum(target.share)]
    )
    if count < 3:
        angle = turns[side] + part * np.diff(turns)[side]
        return np.column_stack([np.cos(angle), np.sin(angle)])
    vertex = np.column_stack([np.cos(turns), np.sin(turns)])
    return vertex[side] + part[:, None] * (vertex[side + 1] - vertex[side])


def _turned(points: np.ndarray, loop: Loop, centre: np.ndarray) -> np.ndarray:
    """(L,) arc length from where the loop crosses the x axis of its centre, over the whole length.

    The crossing farthest out counts; it lies within an edge, so that it moves smoothly with shape.
    """
    here = points[loop.nodes] - centre
    there = np.roll(here, -1, axis=0)
    a, b = here[:, 1], there[:, 1]
    crosses = (a <= 0) != (b <= 0)
    part = np.where(crosses, a / np.where(crosses, a - b, 1), 0)
    reach = np.where(crosses, here[:, 0] + part * (there - here)[:, 0], -np.inf)
    at = int(np.argmax(reach))
    origin = loop.arc[at] + part[at] * (loop.arc[at + 1] - loop.arc[at])
    return (loop.arc[:-1] - origin) / loop.arc[-1]


def transport(source: Chart, target: Chart) -> csr_matrix:
    """(M, N) matrix that takes nodal values of one mesh to the points of another, where they meet
    on the reference domain: P1 interpolation, exact for fields linear in its coordinates."""
    return source.mesh.p1().interpolation(target.mesh.points)


def sharpened(matrix: csr_matrix, mesh: Mesh, there: np.ndarray) -> csr_matrix:
    """Interpolation (M, N) of second order for fields that are smooth on a mesh (N points), at the
    places there (M, 3) that its rows stand for.

        u(x) = sum_k l_k (u_k + g_k . (x - x_k) / 2) + sum_k l_k g_k . (x - sum_k l_k x_k) / 2

    with the rows' weights l_k and gradients g_k of fitted quadratics. Exact for linear fields, also
    where sum l_k x_k is not x, and for quadratic ones where it is.
    """
    fit, points = mesh.p1().fit, mesh.points
    out, middle = matrix, matrix @ points
    for d in range(2):
        slope = 0.5 * fit.matrix(d)
        shift = diags(2 * there[:, d] - middle[:, d]) @ matrix - matrix @ diags(points[:, d])
        out = out + shift @ slope
    return out.tocsr()
