"""The neural spectral block (Wu et al., ICML 2023) on clusters of points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import edge_attention
from .hierarchy import Samples, built
from .rows import by_rows
from .token_mix import check_heads


@built
def token_edges(patches: Samples, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """From the points of a cluster to each of its tokens, token t of cluster p in row T p + t:
    senders (T N,), rowptr (T P + 1,), and the log of a sender's share of its cluster (T N,)."""
    count = patches.rowptr.diff().repeat_interleave(tokens)
    rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
    edges = tokens * len(patches.cluster)
    shift = patches.rowptr[:-1].repeat_interleave(tokens) - rowptr[:-1]
    rank = torch.arange(edges, device=count.device)
    rank = rank + shift.repeat_interleave(count, output_size=edges)
    return patches.order[rank], rowptr, patches.share.log()[rank]


class SpectralBlock(nn.Module):
    """Neural spectral block: clusters to tokens, a basis of sines and cosines, tokens to points."""

    def __init__(self, width: int, heads: int, tokens: int, basis: int) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads, self.tokens, self.basis = heads, tokens, basis
        self.token = nn.Parameter(torch.rand(tokens, width) / width)
        self.key_value = nn.Linear(width, 2 * width)
        self.query = nn.Linear(width, width)
        # c_0, then c_m and d_m, of each channel.
        self.modes = nn.Parameter(torch.rand(2 * basis + 1, width) / width)

    def forward(self, h: Tensor, patches: Samples) -> Tensor:
        """(N, C) -> (N, C)."""
        exact = torch.promote_types(h.dtype, torch.float32)
        known = by_rows(lambda h: self.key_value(h).to(exact), 2 * h.shape[1], h)
        key, value = known.unflatten(1, (2, self.heads, -1)).unbind(1)
        ask = self.token.to(exact).unflatten(1, (self.heads, -1))
        ask = ask.repeat(len(patches.index), 1, 1)  # (P T, H, d), cluster by cluster
        sender, rowptr, share = token_edges(patches, self.tokens)
        bias = share.to(exact)[:, None].expand(-1, self.heads).contiguous()
        t = ask + edge_attention(ask, key, value, sender, rowptr, bias, scale=1.0)
        t = self.solve(t.flatten(1)).unflatten(1, (self.heads, -1))
        # Each point reads the tokens of its cluster.
        mine = torch.arange(self.tokens, device=h.device)

        def read(h: Tensor, cluster: Tensor) -> Tensor:
            place = (self.tokens * cluster[:, None] + mine).flatten()
            rowptr = self.tokens * torch.arange(len(h) + 1, device=h.device)
            query = self.query(h).to(exact).unflatten(1, (self.heads, -1))
            y = edge_attention(query, t, t, place, rowptr, scale=1.0)
            return h + y.flatten(1).to(h.dtype)

        return by_rows(read, 4 * h.shape[1], h, patches.cluster, gathers=True)

    def solve(self, t: Tensor) -> Tensor:
        """t + c_0 + sum_m c_m sin(m t) + d_m cos(m t), channel by channel; (P T, C)."""
        modes = self.modes.to(t.dtype)
        out = t + modes[0]
        for m in range(1, self.basis + 1):
            out = out + modes[2 * m - 1] * torch.sin(m * t) + modes[2 * m] * torch.cos(m * t)
        return out
