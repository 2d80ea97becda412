"""FLARE: low-rank attention through learned latent queries of each head.

    h <- h + Attention(LN h),   h <- h + MLP(LN h)

with `LatentAttention` and residual networks throughout. Puri et al., "FLARE: Fast Low-rank
Attention Routing Engine", 2025, arXiv 2508.12594; code 3b66f4cf, whose sizes for the elasticity
problem (8 layers, width 64, 8 heads, 64 latents) are the defaults. Ours differs: the encoding
softmax over nodes carries their quadrature weights.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, nodes
from ..nn.linear_attention import LatentAttention, ResidualMLP
from ..nn.rows import through
from ._operator import Operator, Widths


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, latents: int, depth: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = LatentAttention(width, heads, latents, depth)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = ResidualMLP(width, width, width, depth)

    def forward(self, h: Tensor, points: Points) -> Tensor:
        return self.attention(h, points, self.norm1, self._mlp)

    def _mlp(self, h: Tensor, y: Tensor) -> Tensor:
        h = h + y
        return h + self.mlp(self.norm2(h))


class Flare(Operator):
    """Latent mixer on the nodes of a mesh graph."""

    paper = "Puri et al., 2025, arXiv 2508.12594"
    cost = "O(L (M C + C^2)), M latents"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        heads: int = 8,
        layers: int = 8,
        latents: int = 64,
        depth: int = 3,
    ):
        super().__init__(widths)
        self.lift = ResidualMLP(widths.nodes, width, width, 2, skip_in=False)
        self.blocks = nn.ModuleList(_Block(width, heads, latents, depth) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = ResidualMLP(width, width, widths.out, 2, skip_out=False)
        self.apply(_initialise)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars) from one pass through the layers."""
        points = nodes(graph)
        h = through(self.lift, points.x)
        for block in self.blocks:
            h = self.run(block, h, points)
        h = through(self.norm, h, overwrite=True)
        return through(self.head, h), self.scalar_head(h, points, graph.cond)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
