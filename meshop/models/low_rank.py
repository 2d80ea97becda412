"""Low-rank neural operator: integral layers whose kernel is a sum of products.

    v <- relu(LN(W v + integral kappa(x, y) v(y) dy)),   kappa = sum_r phi_r(x) psi_r(y)

with `LowRankIntegral`: phi and psi of each layer are networks of what is known at the points.
Kovachki et al., "Neural Operator", JMLR 2023, arXiv 2108.08481. Defaults are those of the authors'
one-dimensional code: 4 layers, width 32, rank 4 of each of the kernel's entries, kernel networks
of 64, 128 and 256. Ours differs: quadrature weights for 1/n; LayerNorm for BatchNorm; the rank
costs nothing at the nodes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes
from ..nn.linear_attention import LowRankIntegral
from ..nn.rows import Before, through
from ._operator import Operator, Widths


class _Block(nn.Module):
    def __init__(self, n_known: int, width: int, rank: int, kernel: tuple[int, ...]):
        super().__init__()
        self.local = nn.Linear(width, width)
        self.integral = LowRankIntegral(n_known, width, rank, kernel)
        self.norm = nn.LayerNorm(width)

    def forward(self, v: Tensor, points: Points, first: bool) -> Tensor:
        before = None if first else torch.relu
        return self.integral(v, points, before, partial(self._join, before))

    def _join(self, before: Before, v: Tensor, y: Tensor) -> Tensor:
        return self.norm(self.local(v if before is None else before(v)) + y)


class LowRank(Operator):
    """Low-rank neural operator on the nodes of a mesh graph."""

    paper = "Kovachki et al., JMLR 2023, arXiv 2108.08481"
    cost = "O(L K (K + C)), K the kernel networks' width"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 32,
        layers: int = 4,
        rank: int = 4,
        kernel: tuple[int, ...] = (64, 128, 256),
    ):
        super().__init__(widths)
        known = widths.nodes
        self.lift = nn.Linear(known, width)
        self.blocks = nn.ModuleList(
            _Block(known, width, rank, tuple(kernel)) for _ in range(layers)
        )
        self.head = mlp(width, 4 * width, widths.out, act=nn.ReLU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars) from one pass through the layers."""
        points = nodes(graph)
        v = through(self.lift, points.x)
        for i, block in enumerate(self.blocks):
            v = self.run(block, v, points, i == 0)
        return through(self.head, v), self.scalar_head(v, points, graph.cond)
