"""Rounds of messages on a graph and on its coarser levels: down, across the coarsest, and up.

    h_0 = h,   g_l = rounds(h_l),   h_{l+1} = R_l g_l              down
    h_l = g_l + rounds(P_l h_{l+1})                                 up, from rounds at the coarsest

R and P are a `Level`'s: nothing in them is learned, and both keep constants. Nodes whose values
are prescribed keep the state that they come with, on each level its mean over the prescribed nodes
above: no message and no correction changes it. Edges have no state: messages see the two nodes, the
step between them, its length and the logarithm of the unit of both, the receiver's longest edge.
Cao et al., "Efficient learning of mesh-based physical simulation with bi-stride multi-scale graph
neural network" (ICML 2023, arXiv 2210.02573).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import LevelSpec, MeshGraph, levels_of
from ..ops import Csr, rows_of
from .hierarchy import built, edge_geometry
from .interaction import InteractionBlock, Wires
from .points import Points


@dataclass(frozen=True)
class Scale:
    """The edges of one node set, by receiver: sender, receiver (E,), rowptr, share (E,) and step
    (E, D + 2) as of `edge_geometry`; down, up: to the next coarser set and back, but for the
    coarsest; fixed (N,) bool of nodes whose values are prescribed, None where none are."""

    sender: Tensor
    receiver: Tensor
    rowptr: Tensor
    share: Tensor
    step: Tensor
    down: Csr | None
    up: Csr | None
    fixed: Tensor | None = None


@built
def scales(graph: MeshGraph, points: Points, spec: LevelSpec) -> tuple[Scale, ...]:
    """Those of the graph's own edges and of its levels, of `spec` where it carries none.

    points: the graph's nodes, in as many coordinates as steps are to have. Raises ValueError where
    the graph carries fewer levels than `spec.count`.
    """
    levels = levels_of(graph, spec)[: spec.count]
    if len(levels) < spec.count:
        raise ValueError(f"expected {spec.count} levels, the graph carries {len(levels)}")
    found, dim = [], points.pos.shape[1]
    fixed = spec.prescribed(getattr(graph, "kind", None))
    sender, receiver = graph.edge_index
    rowptr = graph.rowptr
    for level in (*levels, None):
        share, step = edge_geometry(points, sender, receiver)
        down, up = (None, None) if level is None else (level.down, level.up)
        found.append(Scale(sender, receiver, rowptr, share, step, down, up, fixed))
        if level is not None:
            fixed = None if fixed is None else level.fixed
            sender, rowptr = level.index, level.rowptr
            receiver = rows_of(rowptr, len(sender))
            points = Points(
                pos=level.pos[:, :dim],
                x=level.pos[:, :0],
                weight=level.weight,
                batch=rows_of(level.ptr, len(level.weight)),
                sizes=level.sizes,
            )
    return tuple(found)


class LevelMessages(nn.Module):
    """The V of the module: `rounds` (going down, going up) on each node set, the finest first, but
    for the last, where the first number is all. block: options of `InteractionBlock`."""

    def __init__(
        self, width: int, dim: int, rounds: Sequence[tuple[int, int]], **block: Any
    ) -> None:
        super().__init__()

        def messages(count: int) -> nn.ModuleList:
            parts = [
                InteractionBlock(width, dim + 2, edge_residual=False, **block) for _ in range(count)
            ]
            return nn.ModuleList(parts)

        self.down = nn.ModuleList(messages(down) for down, _ in rounds)
        self.up = nn.ModuleList(messages(up) for _, up in rounds[:-1])

    def forward(self, h: Tensor, scales: Sequence[Scale], run: Callable[..., Any]) -> Tensor:
        """h (N, C) -> (N, C); run(block, ...) calls a block, through a checkpoint if need be."""
        wires = [Wires.of(s.sender, s.receiver, s.rowptr, s.share) for s in scales]
        given = _given(h, scales)

        def held(h: Tensor, level: int) -> Tensor:
            fixed = scales[level].fixed
            return h if fixed is None else torch.where(fixed[:, None], given[level], h)

        def rounds(blocks: Any, h: Tensor, level: int) -> Tensor:
            step = scales[level].step.to(h.dtype)
            for block in blocks:
                h = held(run(block, h, step, wires[level])[0], level)
            return h

        skips = []
        for level, blocks in enumerate(self.down):
            h = rounds(blocks, h, level)
            down = scales[level].down
            if down is not None:
                skips.append(h)
                h = held(down(h), level + 1)
        for level in reversed(range(len(self.up))):
            up = scales[level].up
            assert up is not None
            h = held(skips[level] + rounds(self.up[level], held(up(h), level), level), level)
        return h


def _given(h: Tensor, scales: Sequence[Scale]) -> list[Tensor]:
    """For each node set the states that its prescribed nodes have: of h (N, C) on the nodes, and
    below the means over what a node stands for among the prescribed ones alone."""
    states = []
    for scale in scales:
        states.append(h)
        if scale.fixed is not None and scale.down is not None:
            inside = scale.fixed[:, None].to(h.dtype)
            share = scale.down(inside)
            among = scale.down(inside * h) / share.clamp_min(torch.finfo(h.dtype).tiny)
            h = torch.where(share > 0, among, scale.down(h))
    return states
