"""Transolver (Wu et al., ICML 2024): the simple baseline kept beside the default operator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn.slice_attention import SliceAttention
from ._operator import Operator


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, slices: int, mlp_ratio: float, weighted: bool):
        super().__init__()
        hidden = round(width * mlp_ratio)
        self.norm1 = nn.LayerNorm(width)
        self.attention = SliceAttention(width, heads, slices, weighted)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, h: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
        h = h + self.attention(self.norm1(h), weight, sizes)
        return h + self.mlp(self.norm2(h))


class Transolver(Operator):
    """Physics-attention transformer on the nodes of a mesh graph, with a head for scalars.

    Reads of the graph `x` (N, F), `weight` (N,), `cond` (B, K) and, when B > 1, `ptr` (B+1,) or
    `batch` (N,) with the nodes graph after graph; neither edges nor wall tokens. With
    `weighted=False`, the published model, every node counts the same; `weighted=True` forms tokens
    and the pooled state as integrals. Deterministic; equal for any node order and any batching.

    Source: arXiv 2402.02366, public code 75e0f676; defaults 8 layers, width 128, 64 slices. The
    orthogonal start of the slice projection, overwritten in the public code, is kept here.
    """

    def __init__(
        self,
        *,
        n_features: int,
        n_cond: int,
        n_out: int,
        n_scalars: int,
        n_tokens: int = 0,
        width: int = 128,
        heads: int = 8,
        layers: int = 8,
        slices: int = 64,
        mlp_ratio: float = 1,
        weighted: bool = True,
    ):
        super().__init__()
        self.weighted = weighted
        self.lift = nn.Sequential(
            nn.Linear(n_features + n_cond, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.constant = nn.Parameter(torch.rand(width) / width)
        self.blocks = nn.ModuleList(
            _Block(width, heads, slices, mlp_ratio, weighted) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_out)
        self.scalar_head = nn.Sequential(
            nn.Linear(width + n_cond, width), nn.GELU(), nn.Linear(width, n_scalars)
        )
        self.apply(_initialise)
        for module in self.modules():
            if isinstance(module, SliceAttention):
                nn.init.orthogonal_(module.slice.weight)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, n_out) and scalars (B, n_scalars) from one pass through the layers."""
        h = self._hidden(graph)
        return self.head(h), self._pool(h, graph)

    def forward(self, graph: MeshGraph) -> Tensor:
        """Fields (N, n_out)."""
        return self.head(self._hidden(graph))

    def _hidden(self, graph: MeshGraph) -> Tensor:
        sizes = _sizes(graph)
        repeats = torch.tensor(sizes, device=graph.x.device)
        cond = torch.repeat_interleave(graph.cond, repeats, 0, output_size=len(graph.x))
        h = self.lift(torch.cat([graph.x, cond.to(graph.x.dtype)], 1)) + self.constant
        for block in self.blocks:
            h = block(h, graph.weight, sizes)
        return self.norm(h)

    def _pool(self, h: Tensor, graph: MeshGraph) -> Tensor:
        exact = torch.promote_types(h.dtype, torch.float32)
        weight = graph.weight.to(exact) if self.weighted else h.new_ones(len(h), dtype=exact)
        sizes = _sizes(graph)
        pairs = zip(h.to(exact).split(sizes), weight.split(sizes), strict=True)
        mean = torch.stack([(w / w.sum()) @ part for part, w in pairs])
        return self.scalar_head(torch.cat([mean.to(h.dtype), graph.cond.to(h.dtype)], 1))


def _sizes(graph: MeshGraph) -> list[int]:
    """Nodes of each graph of the batch, in order."""
    if len(graph.cond) == 1:
        return [len(graph.x)]
    ptr = getattr(graph, "ptr", None)
    counts = torch.bincount(graph.batch, minlength=len(graph.cond)) if ptr is None else ptr.diff()
    return counts.tolist()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
