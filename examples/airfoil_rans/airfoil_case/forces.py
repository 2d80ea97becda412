"""Lift, drag and moment of an airfoil from the fields in its wall cells.

Pressure acts on a wall edge with its cell's value (the solver's wall condition is zero normal
gradient). Friction follows from the cell's tangential velocity through Spalding's law of the
wall, the same relation that the solver's wall function `nutUSpaldingWallFunction` imposes, so no
array besides U and p is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
KAPPA, WALL_E = 0.41, 9.8  # von Karman's constant and the log-law constant, as in OpenFOAM


@dataclass(frozen=True)
class Coefficients:
    """Force coefficients for chord 1, free stream 1, density 1; Cm nose-up about (0.25, 0)."""

    lift: float
    drag: float
    moment: float
    friction_drag: float


@dataclass(frozen=True)
class WallEdges:
    """Edges of the wall, `nodes` (E, 2) with the fluid cell `owner` (E,) on their left."""

    nodes: NDArray[np.int64]
    owner: NDArray[np.int64]


def wall_edges(
    offsets: NDArray[np.int64], cell_nodes: NDArray[np.int64], on_wall: NDArray[np.bool_]
) -> WallEdges:
    """The edges that one cell alone has and whose two ends both lie on the wall.

    `offsets` (M + 1,) and `cell_nodes` (K,) list counter-clockwise polygons; `on_wall` (N,).
    """
    counts = np.diff(offsets)
    owner = np.repeat(np.arange(len(counts)), counts)
    following = np.arange(len(cell_nodes)) + 1
    following[offsets[1:] - 1] = offsets[:-1]
    edges = np.stack([cell_nodes, cell_nodes[following]], axis=1)
    both = on_wall[edges].all(axis=1)
    edges, owner = edges[both], owner[both]
    _, inverse, uses = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    once = uses[inverse.ravel()] == 1
    return WallEdges(edges[once], owner[once])


def friction_velocity(speed: Array, distance: Array, nu: float) -> Array:
    """u_tau (E,) from the speed along the wall at `distance`, by Spalding's single law.

    y+ = u+ + (exp(k u+) - 1 - k u+ - (k u+)^2 / 2 - (k u+)^3 / 6) / E, Newton's method in u_tau.
    Valid from the viscous sublayer to the log layer. Spalding, J. Appl. Mech. 28 (1961) 455.
    """
    speed, distance = np.maximum(np.abs(speed), 1e-12), np.asarray(distance, dtype=float)
    u_tau = np.sqrt(nu * speed / distance) + 0.05 * speed
    for _ in range(60):
        ku = np.minimum(KAPPA * speed / u_tau, 50.0)
        rest = np.exp(ku) - 1.0 - ku * (1.0 + 0.5 * ku)
        value = -u_tau * distance / nu + speed / u_tau + (rest - ku**3 / 6.0) / WALL_E
        slope = distance / nu + speed / u_tau**2 + ku * rest / (u_tau * WALL_E)
        step = value / slope
        u_tau = np.maximum(u_tau + step, 0.1 * u_tau)
        if np.all(np.abs(step) < 1e-10 * u_tau + 1e-14):
            break
    return np.asarray(u_tau)


def integrate(
    points: Array,
    centers: Array,
    edges: WallEdges,
    velocity: Array,
    pressure: Array,
    aoa_deg: float,
    reynolds: float,
) -> Coefficients:
    """Integrate pressure and friction over the wall.

    `points` (N, 2+), cell `centers` (M, 2+), `velocity` (M, 2+) over the free stream's speed,
    `pressure` (M,) kinematic over its square, zero in the free stream.
    """
    a, b = points[edges.nodes[:, 0], :2], points[edges.nodes[:, 1], :2]
    along = b - a
    length = np.hypot(along[:, 0], along[:, 1])
    tangent = along / length[:, None]
    # The fluid lies to the left of a -> b, so the normal that leaves the fluid points right.
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    middle = 0.5 * (a + b)
    distance = np.abs(((centers[edges.owner, :2] - middle) * normal).sum(axis=1))
    slip = (velocity[edges.owner, :2] * tangent).sum(axis=1)
    u_tau = friction_velocity(slip, distance, 1.0 / reynolds)
    push = pressure[edges.owner, None] * normal * length[:, None]
    rub = (np.sign(slip) * u_tau**2 * length)[:, None] * tangent
    force = push + rub
    arm = middle - np.array([0.25, 0.0])
    nose_up = -(arm[:, 0] * force[:, 1] - arm[:, 1] * force[:, 0]).sum()
    angle = np.radians(aoa_deg)
    drag_axis = np.array([np.cos(angle), np.sin(angle)])
    lift_axis = np.array([-np.sin(angle), np.cos(angle)])
    total = 2.0 * force.sum(axis=0)  # the dynamic pressure is 1/2
    return Coefficients(
        lift=float(total @ lift_axis),
        drag=float(total @ drag_axis),
        moment=float(2.0 * nose_up),
        friction_drag=float(2.0 * rub.sum(axis=0) @ drag_axis),
    )
