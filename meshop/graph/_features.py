"""Node and token features. Each is even or odd under the mirror y -> -y, so that a plane flow's
mirror image is the same features times their parity, for free.

Lengths are in units of `GraphSpec.length`. Distances enter through several exponentials and a
logarithm, because a boundary layer is 1e-5 of the domain: a network that sees raw coordinates
cannot resolve it (`nearest wall` features: Bonnet et al., AirfRANS, NeurIPS 2022; scales: Tancik
et al., NeurIPS 2020). The stream function aligns features with wall, wake and stagnation line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import ConditionError
from ._geometry import FlowBasis, Geometry
from ._potential import stagnation_arc
from ._spec import GraphSpec

DISTANCES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
PSI_SCALES = (0.1, 0.01, 0.001)
WAKE_WIDTHS = (0.005, 0.02, 0.06)
SURFACE_WAVES = (1.0, 2.0, 4.0)


class Features(NamedTuple):
    """values (n, F) float32 and parity (F,) of +1 or -1 under y -> -y."""

    values: Tensor
    parity: Tensor


class _Columns:
    """Collects columns with their parity."""

    def __init__(self) -> None:
        self.columns: list[Tensor] = []
        self.parity: list[float] = []

    def even(self, *columns: Tensor) -> None:
        self.columns += columns
        self.parity += [1.0] * len(columns)

    def odd(self, *columns: Tensor) -> None:
        self.columns += columns
        self.parity += [-1.0] * len(columns)

    def vector(self, vectors: Tensor, dim: int) -> None:
        """(n, >= dim) components, the second of which is odd."""
        for i in range(dim):
            (self.odd if i == 1 else self.even)(vectors[:, i])

    def stack(self) -> Features:
        values = torch.stack([c.float() for c in self.columns], dim=1)
        return Features(values, torch.tensor(self.parity))


def node_features(geo: Geometry, conditions: Mapping[str, float], spec: GraphSpec) -> Features:
    """(N, F) features of the nodes under given conditions."""
    out, length = _Columns(), spec.length
    rel = torch.as_tensor((geo.pos - geo.origin) / length)
    if geo.normal is not None:
        return _surface_features(rel, torch.as_tensor(geo.normal))
    dist = torch.as_tensor(geo.dist / length)
    out.vector(rel / (1 + rel.abs()), spec.dim)
    out.even(0.5 * torch.log10(dist + 1e-5) + 1)
    out.even(*(torch.exp(-dist / scale) for scale in DISTANCES))
    toward = torch.as_tensor((geo.nearest - geo.pos) / np.maximum(geo.dist, 1e-12)[:, None])
    out.vector(toward, spec.dim)
    out.vector(torch.as_tensor((geo.nearest - geo.origin) / length), spec.dim)
    if geo.basis is not None:
        _potential_features(out, geo.basis, _mix(conditions, spec), length)
    return out.stack()


def token_features(geo: Geometry, conditions: Mapping[str, float], spec: GraphSpec) -> Features:
    """(F, T) features of the wall's tokens: its panels, or its facets in file order."""
    out, length = _Columns(), spec.length
    if geo.basis is None:
        out.vector(torch.as_tensor((geo.wall.centre - geo.origin) / length), spec.space)
        out.vector(torch.as_tensor(geo.wall.normal), spec.space)
        return out.stack()
    basis, mix = geo.basis, _mix(conditions, spec)
    flow = basis.flow
    origin = torch.as_tensor(geo.origin[:2])
    middle = (flow.middle - origin) / length
    out.even(2 * middle[:, 0])
    out.odd(8 * middle[:, 1])
    out.vector(torch.stack([flow.tangent[:, 1], -flow.tangent[:, 0]], dim=1), 2)
    out.odd(0.5 * (basis.wall_strength @ mix))
    out.even(0.5 * length * basis.wall_strength[:, 2])
    out.odd(basis.wall_arc - stagnation_arc(flow, flow.strength @ mix, basis.wall_arc))
    return out.stack()


def token_positions(geo: Geometry) -> Tensor:
    """(W, 3) float64 places of the tokens, in the order of `token_features`."""
    if geo.basis is None:
        return torch.as_tensor(geo.wall.centre)
    middle = geo.basis.flow.middle
    return torch.cat([middle, middle.new_full((len(middle), 1), float(geo.origin[2]))], dim=1)


def token_weights(geo: Geometry) -> Tensor:
    """(W,) measures of the tokens, in the order of `token_features`."""
    return torch.as_tensor(geo.wall.measure) if geo.basis is None else geo.basis.flow.length


def potential_prior(geo: Geometry, conditions: Mapping[str, float], spec: GraphSpec) -> Tensor:
    """(N, 3) velocity and p / rho = (1 - |u|^2) / 2 of the potential flow; (N, 0) without one."""
    if geo.basis is None:
        return torch.zeros(len(geo.pos), 0)
    velocity = torch.einsum("nbd,b->nd", geo.basis.velocity, _mix(conditions, spec))
    pressure = 0.5 * (1 - velocity.square().sum(1, keepdim=True))
    return torch.cat([velocity, pressure], dim=1).float()


def potential_lift(geo: Geometry, conditions: Mapping[str, float], spec: GraphSpec) -> Tensor:
    """(1, 1) lift coefficient of the potential flow, -2 circulation / length; (1, 0) without."""
    if geo.basis is None:
        return torch.zeros(1, 0)
    circulation = geo.basis.flow.circulation() @ _mix(conditions, spec)
    return (-2 * circulation / spec.length).reshape(1, 1).float()


def free_stream(conditions: Mapping[str, float], spec: GraphSpec) -> tuple[float, float]:
    """Unit vector of the free stream, from the direction condition in degrees."""
    if spec.direction is None:
        return 1.0, 0.0
    if spec.direction not in conditions:
        raise ConditionError(f"condition {spec.direction!r} is missing", "", f"{spec.direction}=4")
    angle = math.radians(float(conditions[spec.direction]))
    return math.cos(angle), math.sin(angle)


def _surface_features(rel: Tensor, normal: Tensor) -> Features:
    """On a surface: place, unit normal, and waves of the place."""
    out = _Columns()
    out.vector(rel, 3)
    out.vector(normal, 3)
    for wave in SURFACE_WAVES:
        sine, cosine = torch.sin(wave * math.pi * rel), torch.cos(wave * math.pi * rel)
        out.vector(sine, 3)
        out.even(*cosine.unbind(1))
    return out.stack()


def _mix(conditions: Mapping[str, float], spec: GraphSpec) -> Tensor:
    return torch.tensor([*free_stream(conditions, spec), 0.0], dtype=torch.float64)


def _potential_features(out: _Columns, basis: FlowBasis, mix: Tensor, length: float) -> None:
    velocity = torch.einsum("nbd,b->nd", basis.velocity, mix)
    out.even(velocity[:, 0] - 1)
    out.odd(velocity[:, 1])
    out.even(1 - velocity.square().sum(1))
    psi = basis.psi @ mix / length
    out.odd(psi, *(torch.asinh(psi / scale) / 3 for scale in PSI_SCALES))
    out.even(*(torch.exp(-psi.abs() / width) for width in WAKE_WIDTHS))
    # A mirrored body's counter-clockwise flow is minus the mirror image of this one.
    out.odd(length * basis.velocity[:, 2, 0])
    out.even(length * basis.velocity[:, 2, 1], torch.asinh(basis.psi[:, 2]))
    out.odd(0.5 * (basis.near_strength @ mix))
    out.even(0.5 * length * basis.near_strength[:, 2])
    front = stagnation_arc(basis.flow, basis.flow.strength @ mix, basis.wall_arc)
    arc = 2 * (basis.near_arc - front[basis.near_panel])
    out.odd(arc)
    out.even(arc.abs())
    # Behind the trailing edge, along the free stream and across it.
    behind = (basis.wake @ mix[:2]) / length
    across = (basis.wake[:, 1] * mix[0] - basis.wake[:, 0] * mix[1]) / length
    out.even(torch.tanh(2 * behind), torch.exp(-((behind / 0.3) ** 2)))
    out.even(torch.log1p(behind.clamp_min(0)))
    out.odd(torch.asinh(across / 0.05) / 3)
    out.even((behind > 0) * torch.exp(-across.abs() / 0.05))
