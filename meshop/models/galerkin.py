"""Galerkin and Fourier transformers: attention without softmax, at linear cost.

    x <- x + Attention(x, r),   x <- x + W2 relu(W1 x)

with `GalerkinAttention`'s two kinds, positions r in each head, no other normalisation, and a
pointwise decoder. Defaults are those of the paper's Darcy problem: 6 layers, width 128, 4 heads.

Cao, "Choose a Transformer: Fourier or Galerkin", NeurIPS 2021, arXiv 2105.14995; code f9e7d6ab.
Ours differs: quadrature weights for 1/n; Fourier attention in the order of products that makes it
linear; r from each graph's centroid, so that the origin does not matter; no dropout (the authors'
is always on inside the attention, at evaluation too); for meshes, a pointwise lift and the decoder
of the paper's third problem in place of its interpolating encoder and spectral decoder on grids.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes
from ..nn.linear_attention import GalerkinAttention
from ..nn.rows import through
from ._operator import Operator, Widths


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dim: int, kind: str):
        super().__init__()
        self.attention = GalerkinAttention(width, heads, dim, kind)
        self.mlp = mlp(width, hidden, width, act=nn.ReLU)

    def forward(self, x: Tensor, pos: Tensor, points: Points) -> Tensor:
        return self.attention(x, pos, points, self._mlp)

    def _mlp(self, x: Tensor, y: Tensor) -> Tensor:
        x = x + y
        return x + self.mlp(x)


class Galerkin(Operator):
    """Transformer with Galerkin attention on the nodes of a mesh graph."""

    paper = "Cao, NeurIPS 2021, arXiv 2105.14995"
    cost = "O(L C^2)"
    positions = True
    kind = "galerkin"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        heads: int = 4,
        layers: int = 6,
        hidden: int = 256,
    ):
        super().__init__(widths)
        self.lift = mlp(widths.nodes, width, width)
        self.blocks = nn.ModuleList(
            _Block(width, heads, hidden, widths.dim, self.kind) for _ in range(layers)
        )
        self.head = mlp(width, width, width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars) from one pass through the layers."""
        points = nodes(graph)
        pos = points.pos - points.spread(points.mean(points.pos))
        x = through(self.lift, points.x)
        for block in self.blocks:
            x = self.run(block, x, pos, points)
        return through(self.head, x), self.scalar_head(x, points, graph.cond)


class Fourier(Galerkin):
    """Transformer with Fourier attention on the nodes of a mesh graph."""

    kind = "fourier"
