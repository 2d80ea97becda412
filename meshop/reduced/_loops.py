"""Closed boundaries of plane meshes, their corners and frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import MeshError
from ..mesh import Mesh

TURN = 25.0  # degrees: a boundary that turns by more has a corner there


class Loop(NamedTuple):
    """A closed boundary: nodes (L,) with the mesh on their left, corners: places in them, rising,
    and arc (L + 1,): lengths from the first node on."""

    nodes: np.ndarray
    corners: np.ndarray
    arc: np.ndarray


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
    nodes = upright(points, nodes)
    edges = np.concatenate([nodes[:, [0, 1]], nodes[:, [1, 2]], nodes[:, [2, 0]]])
    size = len(points)
    forth, back = edges[:, 0] * size + edges[:, 1], edges[:, 1] * size + edges[:, 0]
    return edges[~np.isin(forth, back)]


def areas(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(T,) signed areas of triangles."""
    a, b, c = (points[nodes[:, k]] for k in range(3))
    u, v = b - a, c - a
    return 0.5 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


def upright(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Triangles (T, 3) all counter-clockwise."""
    return np.where((areas(points, nodes) < 0)[:, None], nodes[:, ::-1], nodes)


def _loop(points: np.ndarray, nodes: np.ndarray, turn: float) -> Loop:
    step = points[np.roll(nodes, -1)] - points[nodes]
    arc = np.concatenate([[0], np.cumsum(np.hypot(*step.T))])
    before = np.roll(step, 1, axis=0)
    angle = np.arctan2(
        before[:, 0] * step[:, 1] - before[:, 1] * step[:, 0], (before * step).sum(1)
    )
    return Loop(nodes, np.flatnonzero(np.abs(angle) > np.radians(turn)), arc)


def frame(points: np.ndarray, loop: Loop) -> tuple[np.ndarray, float]:
    """Centre of a loop, and the mean distance from it, by arc length."""
    here, there = points[loop.nodes], points[np.roll(loop.nodes, -1)]
    weight = np.diff(loop.arc)[:, None] / loop.arc[-1]
    centre = (0.5 * (here + there) * weight).sum(0)
    return centre, float((np.hypot(*(0.5 * (here + there) - centre).T) * weight[:, 0]).sum())


def turned(points: np.ndarray, loop: Loop, centre: np.ndarray) -> np.ndarray:
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
