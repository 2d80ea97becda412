"""Lift and moment from the pressure in the wall's cells: a second opinion on the scalar head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..graph import WallFacets
    from ..mesh import Mesh


@dataclass(frozen=True)
class Chord:
    """Where the body lies: leading edge (2,) and length, both from the wall's extent along x."""

    leading_edge: np.ndarray
    length: float

    def near(self, xyz: np.ndarray) -> np.ndarray:
        """(n,) bool, within x in [-0.5, 2] and y in [-1, 1] chords of the leading edge."""
        x, y = ((xyz[:, :2] - self.leading_edge) / self.length).T
        return (x >= -0.5) & (x <= 2.0) & (y >= -1.0) & (y <= 1.0)


def find_chord(mesh: Mesh, wall: WallFacets) -> Chord:
    """The chord of the wall: from its point of smallest x to that of largest x, along x."""
    ends = mesh.points[np.unique(wall.nodes[wall.nodes >= 0]), :2]
    first = ends[np.argmin(ends[:, 0])]
    return Chord(first, float(np.ptp(ends[:, 0])))


def integrate_pressure(
    mesh: Mesh, wall: WallFacets, pressure: np.ndarray, aoa_deg: float
) -> dict[str, float]:
    """Cl and Cm of a planar body, pressure part only (friction adds about 1e-4 to either).

    `pressure` (M,) kinematic, over the square of the free stream's speed, zero in the free stream;
    each wall facet takes the value of its cell, as solvers' wall condition has it. The force is the
    sum of p n dA with n out of the fluid; lift is normal to the free stream at `aoa_deg` from +x;
    the moment is about the quarter chord, nose-up positive. Drag is left out: the pressure part is
    a small difference of large numbers, and friction is half of it.
    """
    chord = find_chord(mesh, wall)
    force = (pressure[wall.owner] * wall.measure)[:, None] * wall.normal[:, :2]
    quarter = chord.leading_edge + np.array([0.25 * chord.length, 0.0])
    arm = wall.centre[:, :2] - quarter
    nose_up = float(np.sum(arm[:, 1] * force[:, 0] - arm[:, 0] * force[:, 1]))
    angle = np.radians(aoa_deg)
    lift = float(force.sum(axis=0) @ (-np.sin(angle), np.cos(angle)))
    dynamic = 0.5  # of a free stream of speed 1
    return {
        "Cl": lift / (dynamic * chord.length),
        "Cm": nose_up / (dynamic * chord.length**2),
    }
