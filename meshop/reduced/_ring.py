"""The plane around one body, mapped to a ring: logarithm of the radius, and angle.

    laplace u = 0,  u = 0 on the body, 1 on the outer boundary,    grad t = c rot grad u

with c = 2 pi / int |grad u|^2, so that t gains one turn around the body: c u + i t is the logarithm
of the conformal map to a circular annulus, whose radii are in the ratio e^c. Boundary layers stay
layers, and flows around different bodies meet where a potential flow past a circle would have them.
t is 0 at the body's sharpest corner, a trailing edge; without one, the far field is not turned.
t is found as its deviation from the angle about a point in the body, which has one value at each
node, by P1 elements: int grad t . grad v = c int rot grad u . grad v.
Source: Driscoll and Trefethen, Schwarz-Christoffel Mapping, 2002 (conformal modulus of doubly
connected domains).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from ..mesh import P1, Mesh
from ._chart import Chart, ring_chart
from ._harmonic import harmonic, positive
from ._loops import Loop, frame, upright

FAR = 4.0  # times the body's extent: an outer boundary so large is a far field


def is_ring(points: np.ndarray, loops: list[Loop]) -> bool:
    """Whether a domain is that around one body in a far field."""
    if len(loops) != 2:
        return False
    outer, body = (np.ptp(points[loop.nodes], axis=0).max() for loop in loops)
    return bool(outer > FAR * body)


def corner_of(points: np.ndarray, loop: Loop, like: np.ndarray | None = None) -> int | None:
    """Place in a loop of its sharpest corner, as seen from its centre most in the direction like
    (2,) of those nearly as sharp; None without one."""
    if not len(loop.corners):
        return None
    p = points[loop.nodes]
    step = np.roll(p, -1, axis=0) - p
    before = np.roll(step, 1, axis=0)
    turn = np.abs(np.arctan2(
        before[:, 0] * step[:, 1] - before[:, 1] * step[:, 0], (before * step).sum(1)
    ))[loop.corners]  # fmt: skip
    sharp = loop.corners[turn > 0.5 * turn.max()]
    if like is None:
        return int(loop.corners[np.argmax(turn)])
    away = p[sharp] - frame(points, loop)[0]
    return int(sharp[np.argmax(away @ like / np.hypot(*away.T))])


def map_ring(mesh: Mesh, loops: list[Loop], like: np.ndarray | None, modulus: float) -> Chart:
    """A mesh on the ring of this modulus c. like: direction of the corner that is at angle 0, None
    for bodies that are not turned."""
    points, p1 = mesh.points[:, :2], mesh.p1()
    nodes = upright(points, p1.simplices.nodes)
    outer, body = loops
    u, c, fixed = _rise(p1, loops)
    stiffness = p1.stiffness()
    centre = _inside(points[body.nodes])
    first = np.arctan2(*(points - centre).T[::-1])
    a, b, d = (points[nodes[:, k]] for k in range(3))
    area2 = (b[:, 0] - a[:, 0]) * (d[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (d[:, 0] - a[:, 0])
    opposite = np.stack([d - b, a - d, b - a], axis=1)  # edges, (T, 3, 2)
    slope = np.stack([-opposite[..., 1], opposite[..., 0]], axis=2) / area2[:, None, None]
    # The angle about the centre over each triangle, without the jump of one turn.
    rise = first[nodes] - first[nodes[:, :1]]
    rise -= 2 * np.pi * np.rint(rise / (2 * np.pi))
    du = (u[nodes][:, :, None] * slope).sum(1)
    wanted = c * np.column_stack([-du[:, 1], du[:, 0]]) - (rise[:, :, None] * slope).sum(1)
    load = 0.5 * area2[:, None] * (slope * wanted[:, None]).sum(2)
    right = np.bincount(nodes.ravel(), load.ravel(), len(points))
    corner = None if like is None else corner_of(points, body, like)
    pin = body.nodes[0 if corner is None else corner]
    held = np.zeros(len(points), bool)
    held[p1.idle] = held[pin] = True
    rest = harmonic(stiffness, np.zeros((len(points), 1)), held, right[:, None])[:, 0]
    angle = first + rest
    if corner is not None:
        angle -= angle[pin]
    else:
        away = points[outer.nodes] - frame(points, outer)[0]
        gap = angle[outer.nodes] - np.arctan2(away[:, 1], away[:, 0])
        angle -= np.angle(np.exp(1j * gap).mean())
    chart = ring_chart(np.column_stack([modulus * u, angle]), nodes)
    if chart.valid:
        return chart
    xi = embedded(positive(stiffness), chart.places[:, :2], fixed)
    return ring_chart(xi, nodes)


def embedded(weights: csr_matrix, xi: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """(N, 2) places on a cylinder that balance the positive weights of a Laplacian, with those of
    fixed nodes as in xi (N, 2): an embedding, of boundaries that are circles in order (Tutte)."""
    rows = weights.tocoo()
    gap = xi[rows.col, 1] - xi[rows.row, 1]
    turns = 2 * np.pi * np.rint(gap / (2 * np.pi))  # neighbours are less than half a turn apart
    load = np.bincount(rows.row, rows.data * turns, len(xi))
    return harmonic(weights, xi, fixed, np.column_stack([0 * load, load]))


def modulus_of(mesh: Mesh, loops: list[Loop]) -> float:
    """Logarithm of the ratio of the radii of the annulus that a domain is like."""
    return _rise(mesh.p1(), loops)[1]


def _rise(p1: P1, loops: list[Loop]) -> tuple[np.ndarray, float, np.ndarray]:
    """u (N,), c, and which nodes (N,) lie on boundaries or in no triangle."""
    outer, body = loops
    size = len(p1.lumped)
    fixed, goal = np.zeros(size, bool), np.zeros((size, 1))
    fixed[p1.idle] = fixed[outer.nodes] = fixed[body.nodes] = True
    goal[outer.nodes] = 1.0
    stiffness = p1.stiffness()
    u = harmonic(stiffness, goal, fixed)[:, 0]
    return u, 2 * np.pi / float(u @ (stiffness @ u)), fixed


def _inside(loop: np.ndarray) -> np.ndarray:
    """(2,) a point inside a closed polygon (n, 2): the middle of its widest part on a line."""
    there = np.roll(loop, -1, axis=0)
    best, found = -1.0, loop.mean(0)
    low, high = loop[:, 1].min(), loop[:, 1].max()
    for y in low + (high - low) * (np.arange(9) + 0.5) / 9:
        crosses = (loop[:, 1] <= y) != (there[:, 1] <= y)
        a, b = loop[crosses], there[crosses]
        x = np.sort(a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
        width = x[1::2] - x[::2]
        k = int(np.argmax(width))
        if width[k] > best:
            best, found = float(width[k]), np.array([0.5 * (x[2 * k] + x[2 * k + 1]), y])
    return found
