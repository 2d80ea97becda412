"""AMG: attention on a local, a global and a physics graph, rebuilt in every block.

    h <- Phys(h);   h <- G(h, local);   h <- G(h, global);   h <- MLP(LN(h + h_in))
    G(h): y_i = mean over heads of sum_j a_ij R h_j  (GATv2, neighbours and itself),
          a_ij = softmax_j (a . leaky(L h_i + R h_j + E e_ij) + log w_j)
          h <- LN(h + y);  h <- LN(h + FFN(h))
    local: the nodes where h varies most (how far it is from its interpolation from a quarter of
          the nodes, summed over channels), each joined to its nearest by place
    global: farthest points, each joined to those of the most similar h (cosine)

Li et al., "Harnessing scale and physics: a multi-graph neural operator framework for PDEs on
arbitrary geometries" (KDD 2025, arXiv 2411.15178). What differs from the public code: samples are
deterministic (theirs start at random, so evaluation is not) and ties are broken by order of
sampling; the batch is honoured in the choice of local nodes; edges carry relative positions;
softmaxes count a node as much as the measure it stands for; LayerNorm for BatchNorm; the physics
branch is Transolver's attention with heads that share the width; at most 2,048 nodes make the
global graph, a quarter of 8,192, since neighbours in the space of states are found pair by pair. A
node outside a graph has itself alone for a neighbour, and is spared the attention: the same values
for much less.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import MeshGraph, coarse_size
from ..nn import MeanReadout, Points, SliceAttention, mlp, nodes
from ..nn.graph_attention import GraphAttention, join
from ..nn.hierarchy import (
    built,
    farthest_order,
    in_space,
    interpolation,
    pointer,
    sample,
)
from ..nn.rows import by_rows, through
from ..ops import Csr
from ._operator import Operator, Widths


@built
def detail(h: Tensor, index: Tensor, fill: Csr) -> Tensor:
    """(N,) how far h is from its interpolation; samples, where that is 0, come last, in order."""
    h = h.detach().to(torch.promote_types(h.dtype, torch.float32))
    found = (h - fill(h[index])).abs().sum(1)
    found[index] = -1.0 - torch.arange(len(index), device=h.device, dtype=found.dtype)
    return found


@built
def strongest(score: Tensor, points: Points, count: int) -> tuple[Tensor, tuple[int, ...]]:
    """The nodes of the `count` largest scores of each graph, graph by graph, and how many."""
    order = torch.argsort(score, descending=True, stable=True)
    order = order[torch.argsort(points.batch[order], stable=True)]
    start = pointer(points.sizes, score.device)[:-1]
    rank = torch.arange(len(score), device=score.device) - start[points.batch]
    return order[rank < count], tuple(min(n, count) for n in points.sizes)


class _Block(nn.Module):
    def __init__(
        self, width: int, heads: int, slices: int, dim: int, local: tuple[int, int], k_global: int
    ):
        super().__init__()
        self.local, self.k_global = local, k_global
        self.attention = SliceAttention(width, heads, slices)
        self.norm1 = nn.LayerNorm(width)
        self.ffn = mlp(width, width, width, act=nn.ReLU)
        self.norm2 = nn.LayerNorm(width)
        self.near = GraphAttention(width, heads, dim)
        self.far = GraphAttention(width, heads, dim)
        self.norm3 = nn.LayerNorm(width)
        self.mlp = mlp(width, width, width, act=nn.GELU)

    def forward(
        self,
        start: Tensor,
        points: Points,
        quarter: tuple[Tensor, Csr],
        few: tuple[Tensor, tuple[int, ...], Tensor],
    ) -> Tensor:
        wide = 4 * start.shape[1]
        h = by_rows(self._feed, wide, start, self.attention(start, points))

        count, k = self.local
        index, sizes = strongest(detail(h, *quarter), points, count)
        near = join(points, index, sizes, points.weight[index], k, points.pos[index])
        h = self.near(h, near)

        index, sizes, weight = few
        by = F.normalize(h.detach()[index].to(weight.dtype), dim=1)  # cosine as distance
        h = self.far(h, join(points, index, sizes, weight, self.k_global, by))
        return by_rows(lambda h, start: self.mlp(self.norm3(h + start)), wide, h, start)

    def _feed(self, h: Tensor, y: Tensor) -> Tensor:
        h = self.norm1(h + y)
        return self.norm2(h + self.ffn(h))


class AMG(Operator):
    """Multi-graph operator: local detail, far neighbours alike in state, and physics slices.

    ratio of the nodes are sampled; the local graph has `local` nodes with `k_local` neighbours,
    the global one the samples, `most_global` at most, with `k_global`. No promise for split nodes:
    samples and neighbours are chosen by node, so a node written twice changes who they are.
    """

    paper = "Li et al., KDD 2025, arXiv 2411.15178"
    cost = "O(L (G C + C^2) + log N), G slices"
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        heads: int = 8,
        layers: int = 3,
        slices: int = 32,
        ratio: float = 0.25,
        local: int = 512,
        k_local: int = 6,
        k_global: int = 4,
        most_global: int = 2048,
    ) -> None:
        super().__init__(widths)
        self.ratio, self.most_global = ratio, most_global
        self.lift = mlp(widths.nodes, 2 * width, width, act=nn.GELU)
        self.blocks = nn.ModuleList(
            _Block(width, heads, slices, widths.dim, (local, k_local), k_global)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = mlp(width, width, widths.out, act=nn.GELU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        order = farthest_order(points, tuple(coarse_size(n, self.ratio) for n in points.sizes))
        quarter = sample(points, order)
        few = sample(points, tuple(o[: self.most_global] for o in order))
        fixed = (
            (quarter.index, interpolation(quarter.points, points)),
            (few.index, few.points.sizes, few.points.weight),
        )
        start = h = through(self.lift, points.x)
        for block in self.blocks:
            h = self.run(block, h, points, *fixed)
        h = by_rows(lambda h, start: self.norm(h + start), 2 * h.shape[1], h, start)
        return through(self.head, h), self.scalar_head(h, points, graph.cond)
