"""Plane potential flow about closed walls: a linear-strength vortex panel method.

The outer limit of a high-Reynolds-number flow is the potential flow with the Kutta condition at
sharp trailing edges (Prandtl 1904; Batchelor, An Introduction to Fluid Dynamics, 6.7). It costs a
dense solve over the wall's edges, is exact in the mesh's geometry, and gives the features that a
surrogate of external flow learns the viscous correction from: velocity, pressure, and the stream
function, whose zero line is the wall and the wake.

Method: vortex sheets linear along each wall edge, no flow through their midpoints, Kutta condition
gamma_first + gamma_last = 0 at the sharpest corner of each loop (Katz and Plotkin, Low-Speed
Aerodynamics, 2nd ed., 11.4.2). Second order in the edge length; at a cusp, where two sheets touch,
lift stays about 2 % off. In an edge's frame, with Z = X + iY, length l, strengths g1, g2:
    I0 = log(Z / (Z - l)),  I1 = Z I0 - l,  u - iv = [g1 I0 + (g2 - g1) I1 / l] / (2 pi i).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..errors import MeshError

KUTTA_TURN = math.radians(60.0)  # corners that turn less are smooth: no circulation there
CHUNK = 2048  # queries at a time: a few (CHUNK, panels) tables stay in cache-friendly memory


def wall_loops(points: np.ndarray, edges: np.ndarray) -> list[np.ndarray]:
    """Closed loops of point ids from wall edges (F, 2), counter-clockwise, sharpest corner first,
    the longest loop first.

    points (N, >= 2). Raises MeshError where the edges do not form closed loops.
    """
    flat = edges.ravel()
    order = np.argsort(flat, kind="stable")
    ids, count = np.unique(flat, return_counts=True)
    if np.any(count != 2):
        raise MeshError(
            "the wall is not a closed curve",
            f"{int(np.sum(count != 2))} of its {len(ids)} points do not join exactly two wall "
            f"edges (first: point {int(ids[count != 2][0])})",
            "tag the whole outline of each body as wall",
        )
    slot = order.reshape(-1, 2)  # the two places where each id occurs
    where = np.searchsorted(ids, flat)
    seen = np.zeros(len(edges), dtype=bool)
    loops = []
    for first in range(len(edges)):
        loop, edge, place = [], first, 2 * first
        while not seen[edge]:
            seen[edge] = True
            loop.append(flat[place])
            far = place ^ 1  # the edge's other end
            pair = slot[where[far]]
            place = int(pair[1] if pair[0] == far else pair[0])
            edge = place // 2
        if loop:
            loops.append(_from_sharpest(points, np.array(loop)))
    # The longest first, so that the order of a file's cells does not matter.
    return sorted(loops, key=lambda loop: (-_perimeter(points[loop, :2]), *points[loop[0], :2]))


def corner_turns(loop: np.ndarray) -> np.ndarray:
    """(n,) angle by which a closed polygon (n, 2) turns at each vertex, radians."""
    edge = np.roll(loop, -1, axis=0) - loop
    before = np.roll(edge, 1, axis=0)
    cross = before[:, 0] * edge[:, 1] - before[:, 1] * edge[:, 0]
    return np.arctan2(cross, np.einsum("ij,ij->i", before, edge))


class PotentialFlow:
    """Three potential flows about closed loops [(n, 2), ...], counter-clockwise, corner first.

    Column 0: unit free stream along x; 1: unit free stream along y; both with the Kutta condition;
    2: no free stream and unit counter-clockwise circulation, the direction in which viscosity
    changes the lift. A flow at angle a is cos a times column 0 plus sin a times column 1.

    strength (P + L, 3): sheet strength at the nodes, each loop's first node repeated at its end.
    """

    def __init__(self, loops: list[np.ndarray]) -> None:
        tensors = [torch.as_tensor(loop, dtype=torch.float64) for loop in loops]
        self.start = torch.cat(tensors)
        self.end = torch.cat([loop.roll(-1, 0) for loop in tensors])
        edge = self.end - self.start
        self.length = edge.norm(dim=1)
        self.tangent = edge / self.length[:, None]
        self.middle = 0.5 * (self.start + self.end)
        sizes = [len(loop) for loop in tensors]
        shift = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        self.first = torch.arange(len(self.start)) + shift  # node of each panel's start
        self.sizes = sizes
        self.kutta = [bool(corner_turns(loop)[0] > KUTTA_TURN) for loop in loops]
        self.strength = self._solve()
        psi = self._induced(self.middle, self.strength)[1] + _onset_psi(self.middle)
        # On the wall psi is constant up to discretisation; each loop has a constant of its own and
        # the first one's is the zero. torch's median alone is not odd: it takes the lower value.
        first = psi[: sizes[0]]
        self.psi_wall = 0.5 * (first.median(0).values - (-first).median(0).values)

    def _solve(self) -> Tensor:
        panels, nodes, loops = len(self.start), len(self.start) + len(self.sizes), len(self.sizes)
        normal = torch.stack([self.tangent[:, 1], -self.tangent[:, 0]], dim=1)
        unit = torch.eye(nodes, dtype=torch.float64)
        velocity = self._induced(self.middle, unit)[0]  # (P, nodes, 2)
        through = torch.einsum("pnd,pd->pn", velocity, normal)
        kutta = torch.zeros(loops, nodes, dtype=torch.float64)
        around = torch.zeros(loops, nodes, dtype=torch.float64)
        at = 0
        for row, size in enumerate(self.sizes):
            mine = slice(at + row, at + row + size + 1)
            length = self.length[at : at + size]
            weight = torch.zeros(size + 1, dtype=torch.float64)
            weight[:-1] += 0.5 * length
            weight[1:] += 0.5 * length
            around[row, mine] = weight
            if self.kutta[row]:
                kutta[row, mine.start] = kutta[row, mine.stop - 1] = 1.0
            else:
                kutta[row] = around[row]  # a smooth body: no circulation
            at += size
        onset = torch.zeros(panels + loops, 2, dtype=torch.float64)
        onset[:panels] = -normal
        spin = torch.zeros(panels + loops, 1, dtype=torch.float64)
        spin[panels:] = 1.0
        # lstsq also serves smooth loops, whose repeated node adds a near-null vector.
        with_kutta = torch.linalg.lstsq(torch.cat([through, kutta]), onset, driver="gelsd")
        with_spin = torch.linalg.lstsq(torch.cat([through, around]), spin, driver="gelsd")
        return torch.cat([with_kutta.solution, with_spin.solution], dim=1)

    def _induced(self, query: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity (Q, B, 2) and stream function (Q, B) of the sheets, strength (P + L, B)."""
        one, rise = strength[self.first], strength[self.first + 1] - strength[self.first]
        length, c, s = self.length, self.tangent[:, :1], self.tangent[:, 1:]
        slope = rise / length[:, None]
        velocity = query.new_empty(len(query), strength.shape[1], 2)
        psi = query.new_empty(len(query), strength.shape[1])
        for at in range(0, len(query), CHUNK):
            rel = query[at : at + CHUNK, None] - self.start
            x = rel[..., 0] * c[:, 0] + rel[..., 1] * s[:, 0]
            y = rel[..., 1] * c[:, 0] - rel[..., 0] * s[:, 0]
            far2 = ((x - length).square() + y.square()).clamp_min(1e-300).log()
            # I0 = p + iq, Z I0 = e + ig
            p = 0.5 * ((x.square() + y.square()).clamp_min(1e-300).log() - far2)
            q = torch.atan2(y, x) - torch.atan2(y, x - length)
            e, g = x * p - y * q, x * q + y * p
            # u along the edge is Im / 2 pi, v across it is Re / 2 pi of the complex velocity.
            along_c, along_s = q @ (one * c) + g @ (slope * c), q @ (one * s) + g @ (slope * s)
            across_c = p @ (one * c) + e @ (slope * c) - (rise * c).sum(0)
            across_s = p @ (one * s) + e @ (slope * s) - (rise * s).sum(0)
            velocity[at : at + CHUNK, :, 0] = (along_c - across_s) / (2 * math.pi)
            velocity[at : at + CHUNK, :, 1] = (along_s + across_c) / (2 * math.pi)
            flat = e + length * (0.5 * far2 - 1)  # Re of the integral of log(Z - t) dt
            ramp = 0.5 * (x * e - y * g - x * length + length.square() * (0.5 * far2 - 0.5))
            psi[at : at + CHUNK] = -(flat @ one + ramp @ slope) / (2 * math.pi)
        return velocity, psi

    def evaluate(self, query: np.ndarray) -> tuple[Tensor, Tensor]:
        """Velocity (Q, 3, 2) and stream function (Q, 3), zero on the first loop, at (Q, 2)."""
        points = torch.as_tensor(query, dtype=torch.float64)
        velocity, psi = self._induced(points, self.strength)
        velocity[:, 0, 0] += 1.0
        velocity[:, 1, 1] += 1.0
        return velocity, psi + _onset_psi(points) - self.psi_wall

    def circulation(self) -> Tensor:
        """(3,) total counter-clockwise circulation; lift coefficient = -2 circulation / chord."""
        ends = self.strength[self.first] + self.strength[self.first + 1]
        return 0.5 * (ends * self.length[:, None]).sum(0)


def _perimeter(loop: np.ndarray) -> float:
    return round(float(np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1).sum()), 9)


def _onset_psi(points: Tensor) -> Tensor:
    return torch.stack([points[:, 1], -points[:, 0], torch.zeros_like(points[:, 0])], dim=1)


def _from_sharpest(points: np.ndarray, loop: np.ndarray) -> np.ndarray:
    xy = points[loop, :2]
    after = np.roll(xy, -1, axis=0)
    if np.sum(xy[:, 0] * after[:, 1] - xy[:, 1] * after[:, 0]) < 0:
        loop = loop[::-1]
    return np.roll(loop, -int(np.argmax(corner_turns(points[loop, :2]))))


def stagnation_arc(flow: PotentialFlow, strength: Tensor, arc: Tensor) -> Tensor:
    """(P,) arc coordinate of the front stagnation point of each panel's loop.

    strength (P + L,) of one flow; arc (P,) in [-1, 1]. It is the sign change of the sheet strength
    in the loop's middle half: the ends belong to the trailing edge.
    """
    middle = 0.5 * (strength[flow.first] + strength[flow.first + 1])
    out, at = torch.empty_like(arc), 0
    for size in flow.sizes:
        mine, inner = slice(at, at + size), slice(at + size // 4, at + size - size // 4)
        out[mine] = arc[inner][middle[inner].abs().argmin()]
        at += size
    return out
