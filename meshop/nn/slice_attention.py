"""Attention through learned slices of an irregular mesh, one softmax per node (Transolver)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .points import Points, by_graph
from .token_mix import join_heads, pool, split_heads, spread

# The authors clamp their structured variant only, and advise a clamp here too (their issue 13).
TEMPERATURE_RANGE = (0.1, 5.0)


class SliceAttention(nn.Module):
    """Nodes are pooled into slice tokens, the tokens attend to each other, nodes read them back.

    Per head, with x' and f two projections of x and a_ng = softmax_g((W_s x'_n + b) / tau):
    t_g = sum_n w_n a_ng f_n / sum_n w_n a_ng; t' = softmax(Q K^T / sqrt(d)) V over the tokens;
    y_n = sum_g a_ng t'_g. Cost O(N G C + G^2 C). Tokens are formed in float32 (or float64) at any
    input precision. With `weighted` a node that is split into two of half the weight leaves the
    answer as it was; without, w = 1 and tokens lean towards wherever the mesh is dense, which is
    the published layer.

    Source: Wu et al., "Transolver", ICML 2024 (arXiv 2402.02366), irregular-mesh variant.
    """

    def __init__(self, width: int, heads: int = 8, slices: int = 64, weighted: bool = True):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of heads {heads}")
        self.heads, self.weighted = heads, weighted
        d = width // heads
        self.project_x = nn.Linear(width, width)
        self.project_f = nn.Linear(width, width)
        self.slice = nn.Linear(d, slices)  # shared by the heads, as are q, k and v
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), 0.5))
        self.q = nn.Linear(d, d, bias=False)
        self.k = nn.Linear(d, d, bias=False)
        self.v = nn.Linear(d, d, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, points: Points) -> Tensor:
        """(N, C) states of the points -> (N, C)."""
        mid = self.project_x(x), self.project_f(x), points.weight
        return self.out(by_graph(self._attend, (points.sizes, mid))).to(x.dtype)

    def _attend(self, x_mid: Tensor, f_mid: Tensor, weight: Tensor) -> Tensor:
        tau = self.temperature.clamp(*TEMPERATURE_RANGE)
        logits = self.slice(split_heads(x_mid, self.heads)) / tau
        a = logits.to(weight.dtype).softmax(-1)  # (B, H, n, G)
        # Unweighted, every node counts the same; a common factor leaves a mean as it is.
        w = weight if self.weighted else torch.full_like(weight, 1 / weight.shape[1])
        token = pool(a, split_heads(f_mid, self.heads), w, by_mass=True)
        token = F.scaled_dot_product_attention(self.q(token), self.k(token), self.v(token))
        return join_heads(spread(a, token))
