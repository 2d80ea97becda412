"""Scales between physical values and what the operator sees; part of the saved surrogate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..models import Widths

LATER = ("pos_", "inputs_", "wall_inputs_")


@dataclass(frozen=True, kw_only=True)
class Sizes(Widths):
    """Widths of the operator, and of what its answers are added to: of the fields prior, of the
    scalars lift."""

    prior: int = 0
    lift: int = 0


class Normaliser(nn.Module):
    """Standardises inputs; outputs are a fitted share of the potential flow plus scale * output.

    field_c = sum_p prior_p mix_pc + shift_c + scale_c decay out_c
    scalar_s = [1, cond, lift] base_s + scale_s out_s
    with cond standardised (after a logarithm where `log` says so). decay = 1 / (1 + d / L) applies
    to channels with a prior: away from the body the flow tends to the potential flow at least as
    fast as a change of circulation does. Positions keep their shape: one shift, one scale.
    """

    x_mean: Tensor
    x_std: Tensor
    wall_mean: Tensor
    wall_std: Tensor
    cond_mean: Tensor
    cond_std: Tensor
    cond_log: Tensor
    prior_mix: Tensor
    field_scale: Tensor
    field_shift: Tensor
    scalar_base: Tensor
    scalar_scale: Tensor
    pos_shift: Tensor
    pos_scale: Tensor
    inputs_mean: Tensor
    inputs_std: Tensor
    wall_inputs_mean: Tensor
    wall_inputs_std: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        for name, width in (
            ("x", sizes.features),
            ("wall", sizes.tokens),
            ("cond", sizes.cond),
            ("inputs", sizes.inputs),
            ("wall_inputs", sizes.wall_inputs),
        ):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))
        self.register_buffer("pos_shift", torch.zeros(sizes.dim))
        self.register_buffer("pos_scale", torch.ones(()))
        self.register_buffer("cond_log", torch.zeros(sizes.cond, dtype=torch.bool))
        self.register_buffer("prior_mix", torch.zeros(sizes.prior, sizes.out))
        self.register_buffer("field_scale", torch.ones(sizes.out))
        self.register_buffer("field_shift", torch.zeros(sizes.out))
        rows = 1 + sizes.cond + sizes.lift
        self.register_buffer("scalar_base", torch.zeros(rows, sizes.scalars))
        self.register_buffer("scalar_scale", torch.ones(sizes.scalars))

    def conditions(self, cond: Tensor) -> Tensor:
        """(B, K) raw conditions, standardised."""
        safe = torch.where(self.cond_log, cond, 1.0).clamp_min(1e-30).log()
        return (torch.where(self.cond_log, safe, cond) - self.cond_mean) / self.cond_std

    def inputs(self, graph: MeshGraph) -> MeshGraph:
        """A shallow copy of the graph with x, wall_x, cond and known fields standardised, and
        positions in the plane or in space, centred and scaled."""
        graph = graph.__copy__()
        levels = [name for name in graph.keys() if re.fullmatch(r"level\d+_pos", name)]  # noqa: SIM118
        for name in ("pos", "wall_pos", *levels):
            if name in graph:
                place = graph[name][:, : len(self.pos_shift)]
                graph[name] = (place - self.pos_shift) / self.pos_scale
        for name in ("inputs", "wall_inputs"):
            if name in graph:
                mean, std = getattr(self, f"{name}_mean"), getattr(self, f"{name}_std")
                graph[name] = (graph[name] - mean) / std
        graph.x = (graph.x - self.x_mean) / self.x_std
        graph.wall_x = (graph.wall_x - self.wall_mean) / self.wall_std
        graph.cond = self.conditions(graph.cond)
        return graph

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As of a module; files from before there were positions and known fields lack those."""
        own = self.state_dict()
        later = {k: own[k] for k in own if k.startswith(LATER) and k not in state_dict}
        return super().load_state_dict({**later, **state_dict}, *args, **kwargs)

    def fields(self, graph: MeshGraph, out: Tensor) -> Tensor:
        """(N, C) physical fields from the operator's output (N, C). Uses prior and decay."""
        base = graph.prior @ self.prior_mix + self.field_shift
        return base + self.field_scale * self.envelope(graph.decay) * out

    def envelope(self, decay: Tensor) -> Tensor:
        """(N, C) decay (N,) for channels with a prior, 1 for others."""
        has_prior = self.prior_mix.ne(0).any(0)
        return torch.where(has_prior, decay[:, None], 1.0)

    def scalars(self, graph: MeshGraph, out: Tensor) -> Tensor:
        """(B, S) physical scalars from the operator's (B, S). cond standardised; uses lift."""
        ones = torch.ones(len(graph.cond), 1, device=graph.cond.device)
        base = torch.cat([ones, graph.cond, graph.lift], dim=1) @ self.scalar_base
        return base + self.scalar_scale * out
