"""Transolver (Wu et al., ICML 2024): the simple baseline kept beside the default operator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, SliceAttention, mlp, nodes
from ..nn.rows import by_rows, through
from ._operator import Operator, Widths


class _Block(nn.Module):
    def __init__(self, width: int, mlp_ratio: float, attention: SliceAttention):
        super().__init__()
        hidden = round(width * mlp_ratio)
        self.norm1 = nn.LayerNorm(width)
        self.attention = attention
        self.norm2 = nn.LayerNorm(width)
        self.mlp = mlp(width, hidden, width, act=nn.GELU)

    def forward(self, h: Tensor, points: Points) -> Tensor:
        return self.attention(h, points, self.norm1, self._mlp)

    def _mlp(self, h: Tensor, y: Tensor) -> Tensor:
        h = h + y
        return h + self.mlp(self.norm2(h))


class Transolver(Operator):
    """Physics-attention transformer on the nodes of a mesh graph, with a head for scalars.

    With `weighted=False`, the published model, every node counts the same; `weighted=True` forms
    tokens and the pooled state as integrals. Deterministic; equal for any node order and batching.
    `per_head` and `adaptive` are the variants of `SliceAttention`; the second is Transolver++.

    Source: arXiv 2402.02366, public code 75e0f676; defaults 8 layers, width 128, 64 slices. The
    orthogonal start of the slice projection, overwritten in the public code, is kept here.
    """

    paper = "Wu et al., ICML 2024, arXiv 2402.02366"
    cost = "O(L (G C + C^2)), G slices"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        heads: int = 8,
        layers: int = 8,
        slices: int = 64,
        mlp_ratio: float = 1,
        weighted: bool = True,
        per_head: bool = False,
        adaptive: bool = False,
    ):
        super().__init__(widths)
        self.weighted = weighted
        self.lift = mlp(widths.nodes, 2 * width, width, act=nn.GELU)
        self.constant = nn.Parameter(torch.rand(width) / width)
        self.blocks = nn.ModuleList(
            _Block(
                width, mlp_ratio, SliceAttention(width, heads, slices, weighted, per_head, adaptive)
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars, weighted)
        self.apply(_initialise)
        for module in self.modules():
            if isinstance(module, SliceAttention):
                nn.init.orthogonal_(module.slice.weight)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars) from one pass through the layers."""
        points = nodes(graph)
        h = by_rows(self._lift, 4 * len(self.constant), points.x)
        for block in self.blocks:
            h = self.run(block, h, points)
        h = through(self.norm, h, overwrite=True)
        return self.head(h), self.scalar_head(h, points, graph.cond)

    def _lift(self, x: Tensor) -> Tensor:
        return self.lift(x) + self.constant


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
