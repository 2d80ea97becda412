"""Attention among some of the nodes, joined to their nearest in place or in state (GATv2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import edge_attention, knn
from .hierarchy import built, pointer
from .mlp import mlp
from .points import Points
from .rows import by_rows


@dataclass(frozen=True)
class Subgraph:
    """Some nodes of a batch, joined: index (M,), CSR edges among them, step (E, D + 1), log_weight
    (E,) of the senders."""

    index: Tensor
    sender: Tensor
    rowptr: Tensor
    step: Tensor
    log_weight: Tensor


@built
def join(
    points: Points, index: Tensor, sizes: tuple[int, ...], weight: Tensor, k: int, by: Tensor
) -> Subgraph:
    """The subgraph of nodes `index`, `sizes` of each graph, each joined to itself and to the k
    nearest of the others in the coordinates `by` (M, S); weight (M,)."""
    exact = torch.promote_types(by.dtype, torch.float32)
    near = knn(by.detach().to(exact), k + 1, ptr=pointer(sizes, by.device))
    pos = points.pos[index].detach()
    step = pos[near.index] - pos[near.receivers]
    step = torch.cat([step, step.norm(dim=1, keepdim=True)], dim=1)
    return Subgraph(index, near.index, near.rowptr, step, weight.log()[near.index])


class GraphAttention(nn.Module):
    """GATv2 (Brody et al., ICLR 2022) of full width a head, averaged; then a feed-forward layer."""

    def __init__(self, width: int, heads: int, dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.left = nn.Linear(width, heads * width)
        self.right = nn.Linear(width, heads * width)
        self.edge = nn.Linear(dim + 1, heads * width, bias=False)
        self.logit = nn.Parameter(torch.empty(heads, width).uniform_(-1, 1) / width**0.5)
        self.norm1 = nn.LayerNorm(width)
        self.ffn = mlp(width, width, width, act=nn.ReLU)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, h: Tensor, graph: Subgraph) -> Tensor:
        """(N, C) -> (N, C)."""
        # Alone, a node attends to itself: the mean of the heads is one linear map.
        weight = self.right.weight.unflatten(0, (self.heads, -1)).mean(0)
        bias = self.right.bias.unflatten(0, (self.heads, -1)).mean(0)
        y = F.linear(h, weight, bias)
        y = y.index_copy(0, graph.index, self._attend(h[graph.index], graph).to(y.dtype))

        def feed(h: Tensor, y: Tensor) -> Tensor:
            h = self.norm1(h + y)
            return self.norm2(h + self.ffn(h))

        return by_rows(feed, 2 * h.shape[1], h, y)

    def _attend(self, x: Tensor, graph: Subgraph) -> Tensor:
        left, value = self.left(x), self.right(x)
        row = torch.repeat_interleave(graph.rowptr.diff(), output_size=len(graph.sender))
        z = left[row] + value[graph.sender] + self.edge(graph.step.to(x.dtype))
        z = F.leaky_relu(z, 0.2).unflatten(1, (self.heads, -1))
        exact = torch.promote_types(x.dtype, torch.float32)
        logit = (z * self.logit).sum(-1).to(exact) + graph.log_weight.to(exact)[:, None]
        value = value.unflatten(1, (self.heads, -1)).to(exact)
        none = value[..., :0]  # the bias is the whole logit
        return edge_attention(none, none, value, graph.sender, graph.rowptr, logit).mean(1)
