"""Attention between the parts of a domain through their mean states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .token_mix import check_heads, join_heads, split_heads


class LeafAttention(nn.Module):
    """v_l + W_o sum_m softmax_m(q_l . k_m / sqrt(d) + log mass_m) val_m, of the leaves' means.

    v (B L, n_1 .., C) grids of L leaves a set, coverage (B L, n_1 .., 1), mass (B L,) the share of
    the set that lies in each leaf: a leaf without points gives nothing. Every grid point of a leaf
    gets the same.
    """

    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, v: Tensor, coverage: Tensor, mass: Tensor, leaves: int) -> Tensor:
        exact = torch.promote_types(v.dtype, torch.float32)
        grid = list(range(1, v.dim() - 1))
        covered = coverage.to(exact)
        total = covered.sum(grid).clamp_min(1e-6)
        mean = ((v.to(exact) * covered).sum(grid) / total).unflatten(0, (-1, leaves))
        q, k, value = (
            split_heads(t, self.heads).to(exact)
            for t in self.qkv(self.norm(mean.to(v.dtype))).chunk(3, dim=-1)
        )
        with torch.autocast(v.device.type, enabled=False):
            logits = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
            share = mass.to(exact).unflatten(0, (-1, 1, 1, leaves)).log()
            told = join_heads((logits + share).softmax(-1) @ value)
        out = self.out(told.to(v.dtype)).flatten(0, 1)
        return v + out.view(-1, *(1,) * len(grid), out.shape[1]).to(v.dtype)
