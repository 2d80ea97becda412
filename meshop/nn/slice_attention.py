"""Attention through learned slices of an irregular mesh, one softmax per node (Transolver)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .points import Points, by_graph
from .rows import After, Before, by_rows, row_blocks
from .token_mix import check_heads, join_heads, split_heads, spread

# The authors clamp their structured variant only, and advise a clamp here too (their issue 13).
TEMPERATURE_RANGE = (0.1, 5.0)


class SliceAttention(nn.Module):
    """Nodes are pooled into slice tokens, the tokens attend to each other, nodes read them back.

    Per head, with x' and f two projections of x and a_ng = softmax_g((W_s x'_n + b) / tau):
    t_g = sum_n w_n a_ng f_n / sum_n w_n a_ng; t' = softmax(Q K^T / sqrt(d)) V over the tokens;
    y_n = sum_g a_ng t'_g. Cost O(N G C + G^2 C). Tokens are formed in float32 (or float64) at any
    input precision. With `weighted` a node that is split into two of half the weight leaves the
    answer as it was; without, w = 1 and tokens lean towards wherever the mesh is dense, which is
    the published layer. per_head: W_s and b of each head's own. adaptive: as Transolver++, a
    temperature of each node, max(.01, tau + MLP(x'_n)), and f = x'; its Gumbel noise is left out,
    so that the same input gives the same answer.

    Source: Wu et al., "Transolver", ICML 2024 (arXiv 2402.02366), irregular-mesh variant; Luo et
    al., "Transolver++", ICML 2025 (arXiv 2502.02414).
    """

    def __init__(
        self,
        width: int,
        heads: int = 8,
        slices: int = 64,
        weighted: bool = True,
        per_head: bool = False,
        adaptive: bool = False,
    ):
        super().__init__()
        check_heads(width, heads)
        self.heads, self.weighted = heads, weighted
        d = width // heads
        self.project_x = nn.Linear(width, width)
        self.project_f = None if adaptive else nn.Linear(width, width)
        # Shared by the heads, as are q, k and v, or else of one head after the other.
        self.slice = nn.Linear(d, heads * slices if per_head else slices)
        self.slices = slices
        self.adapt = None
        if adaptive:
            self.adapt = nn.Sequential(
                nn.Linear(d, slices), nn.GELU(), nn.Linear(slices, 1), nn.GELU()
            )
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), 0.5))
        self.q = nn.Linear(d, d, bias=False)
        self.k = nn.Linear(d, d, bias=False)
        self.v = nn.Linear(d, d, bias=False)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Tensor, points: Points, before: Before = None, after: After = None
    ) -> Tensor:
        """(N, C) states of the points -> (N, C); before, after: see `rows`."""
        attend = partial(self._attend, before, after)
        return by_graph(attend, (points.sizes, (x, points.weight)))

    def _attend(self, before: Before, after: After, x: Tensor, weight: Tensor) -> Tensor:
        to_slices = self._to_slices(len(x))
        # Unweighted, every node counts the same; a common factor leaves a mean as it is.
        w = weight if self.weighted else torch.full_like(weight, 1 / weight.shape[1])
        assigned, sums = [], []
        per_row = len(x) * self.heads * self.slices
        for rows, share in row_blocks(per_row, x, w, dim=1):
            rows = rows if before is None else before(rows)
            mid = split_heads(self.project_x(rows), self.heads)  # (B, H, n, d)
            assigned.append(self._assign(mid, *to_slices, w.dtype))
            f = mid if self.project_f is None else split_heads(self.project_f(rows), self.heads)
            with torch.autocast(x.device.type, enabled=False):
                f = F.pad(f.to(w.dtype), (0, 1), value=1.0) * share[:, None, :, None]
                sums.append(assigned[-1].transpose(-2, -1) @ f)
        token, mass = sum(sums[1:], sums[0]).split([self.q.in_features, 1], dim=-1)
        token = (token / (mass + 1e-12)).to(self.out.weight.dtype)
        token = F.scaled_dot_product_attention(self.q(token), self.k(token), self.v(token))
        blocks = iter(assigned)

        def read(x: Tensor) -> Tensor:
            y = self.out(join_heads(spread(next(blocks), token))).to(x.dtype)
            return y if after is None else after(x, y)

        return by_rows(read, per_row, x, dim=1, overwrite=after is not None)

    def _to_slices(self, many: int) -> tuple[Tensor, Tensor]:
        """W_s (B H, d, G) and b (B H, 1, G), over tau unless each node has its own."""
        weight = self.slice.weight.unflatten(0, (-1, self.slices)).transpose(-2, -1)
        bias = self.slice.bias.view(-1, 1, self.slices)
        tau = self.temperature.clamp(*TEMPERATURE_RANGE)
        tau = torch.ones_like(tau) if self.adapt is not None else tau
        return (weight / tau).repeat(many, 1, 1), (bias / tau).repeat(many, 1, 1)

    def _assign(self, mid: Tensor, weight: Tensor, bias: Tensor, exact: torch.dtype) -> Tensor:
        """(B, H, n, d) -> (B, H, n, G), in `exact`."""
        logits = torch.baddbmm(bias, mid.flatten(0, 1), weight).unflatten(0, mid.shape[:2])
        if self.adapt is not None:
            logits = logits / (self.temperature + self.adapt(mid)).clamp_min(0.01)
        return logits.to(exact).softmax(-1)
