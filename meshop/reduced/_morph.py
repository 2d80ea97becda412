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

from ..errors import MeshError, SolveError
from ..mesh import Mesh
from ._chart import Chart, plane_chart
from ._harmonic import harmonic, positive
from ._loops import TURN, Loop, areas, boundary_loops, frame, turned, upright
from ._ring import corner_of, is_ring, map_ring, modulus_of

FIRST_STEP, LEAST_STEP = 0.2, 1e-3  # of the way that holes go to their places
LEAST_SHRINK = 0.3  # of a triangle's area in one step


class Target(NamedTuple):
    """The reference domain. landmarks (F, K, 2): the corners of a family of meshes, those that
    correspond in the same place, as seen from the boundary's centre in units of its mean radius;
    share (K,): each side's part of the circle; holes (H, 3): centres and radii. modulus: of the
    ring, where it is one (one body in a far field); landmarks are then the direction (1, 1, 2) of
    the body's corner, if it has one, and there is no share."""

    landmarks: np.ndarray
    share: np.ndarray
    holes: np.ndarray
    modulus: float = 0.0


def make_target(mesh: Mesh, family: Sequence[Mesh] = (), turn: float = TURN) -> Target:
    """The reference domain after a mesh's own boundary.

    family: other meshes that are to be morphed to it. Corners are landmarks where all have as many;
    which corresponds to which is then passed on from mesh to mesh, always to that most like one
    that has it, so that shapes far from the reference are told right too.
    """
    loops = boundary_loops(mesh, turn)
    points, outer = mesh.points[:, :2], loops[0]
    centre, size = frame(points, outer)
    if is_ring(points, loops):
        corner = corner_of(points, loops[1])
        some = _landmarks(points, loops[1])[loops[1].corners == corner]
        return Target(some[None], np.zeros(0), np.zeros((1, 3)), modulus_of(mesh, loops))
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
        for middle, radius in (frame(points, hole) for hole in loops[1:])
    ]
    return Target(landmarks, share, np.array(holes).reshape(-1, 3))


def _landmarks(points: np.ndarray, loop: Loop) -> np.ndarray:
    """(K, 2) corners from the loop's centre, in mean radii."""
    centre, size = frame(points, loop)
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
    if target.modulus:
        corner = target.landmarks[0, 0] if target.landmarks.size else None
        return map_ring(mesh, loops, corner, target.modulus)
    goal = np.zeros((mesh.n_points, 2))
    goal[loops[0].nodes] = _outer(points, loops[0], target)
    centre, size = frame(points, loops[0])
    left = list(range(len(target.holes)))
    for hole in loops[1:]:
        middle, _ = frame(points, hole)
        gap = [np.hypot(*(target.holes[k, :2] - (middle - centre) / (1.5 * size))) for k in left]
        x, y, radius = target.holes[left.pop(int(np.argmin(gap)))]
        angle = -2 * np.pi * turned(points, hole, middle)  # holes run clockwise
        goal[hole.nodes] = np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])
    p1 = mesh.p1()
    nodes = upright(points, p1.simplices.nodes)
    fixed = np.zeros(mesh.n_points, bool)
    fixed[p1.idle] = fixed[loops[0].nodes] = True
    # Holes are free at first: each is a face of a Tutte embedding, and convex.
    for matrix in (p1.stiffness(), positive(p1.stiffness())):
        xi = harmonic(matrix, goal, fixed)
        valid = bool((areas(xi, nodes) > 0).all())
        if valid:
            break
    if len(loops) > 1 and valid:
        fixed[np.concatenate([loop.nodes for loop in loops])] = True
        xi, valid = _settle(xi, goal, fixed, nodes)
    return plane_chart(xi, nodes, valid)


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
        try:
            trial = xi + step * harmonic(moved.p1().stiffness(), velocity, fixed)
        except SolveError:  # triangles as flat as that let nothing go on
            return xi, False
        before, after = areas(xi, nodes), areas(trial, nodes)
        if (after > LEAST_SHRINK * before).all():
            xi, done, step = trial, done + step, 1.5 * step
        elif (step := step / 2) < LEAST_STEP:
            return xi, False
    return np.where(fixed[:, None], goal, xi), True


def _outer(points: np.ndarray, loop: Loop, target: Target) -> np.ndarray:
    """(L, 2) places of the outer loop's nodes."""
    centre, _ = frame(points, loop)
    count = target.landmarks.shape[1]
    if not count:
        angle = 2 * np.pi * turned(points, loop, centre)
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
