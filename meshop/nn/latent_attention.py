"""A few latent tokens a graph: they read ragged points, mix, and are read at other points.

    points -> latents   t_m += W sum_n a_mn v_n,  a_mn = softmax_n(q_m k_n / sqrt(d) + log w_n)
    latents -> latents  t_m += W sum_l softmax_l(q_m k_l / sqrt(d)) v_l
    latents -> points   y_n  = W sum_m softmax_m(q_n k_m / sqrt(d)) v_m

With log w_n among the logits the first softmax is a quadrature over the domain: a node split in two
of half the weight changes nothing, and a fine patch of the mesh draws no more than its area. Linear
cost, O(N M C). The layers are those of a Perceiver (Jaegle et al., arXiv 2107.14795), pre-norm;
keys and values are linear in what points know, so their matrices act on the latents instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mlp import mlp
from .points import Points, by_graph, latent_group
from .rows import join_parts, row_blocks, softmax_part
from .token_mix import join_heads, log_weight, split_heads


def feed_forward(width: int, ratio: int = 4) -> nn.Sequential:
    """LayerNorm and an MLP with one hidden layer, for a residual."""
    return nn.Sequential(nn.LayerNorm(width), *mlp(width, ratio * width, width, act=nn.GELU))


class PointsToLatents(nn.Module):
    """Latents (B, M, C) read points by keys (n_key) and values (n_value) of each: (B, M, C)."""

    def __init__(self, width: int, n_key: int, n_value: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.norm_q, self.norm_k = nn.LayerNorm(width), nn.LayerNorm(n_key)
        self.norm_v = nn.LayerNorm(n_value)
        self.q = nn.Linear(width, inner, bias=False)
        self.k = nn.Linear(n_key, inner, bias=False)
        self.v = nn.Linear(n_value, inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.feed = feed_forward(width)

    def forward(
        self,
        latent: Tensor,
        points: Points,
        embed: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    ) -> Tensor:
        """embed: pos and x of some points to their keys and values, point by point."""
        count, m, _ = latent.shape
        exact = torch.promote_types(latent.dtype, torch.float32)
        q = split_heads(self.q(self.norm_q(latent)), self.heads).to(exact)
        with torch.autocast(latent.device.type, enabled=False):
            k = self.k.weight.to(exact).unflatten(0, (self.heads, -1)) / q.shape[-1] ** 0.5
            ask = (q @ k).flatten(1, 2)  # (B, H M, n_key)
        nodes = points.sizes, (points.pos, points.x, points.weight)
        read = by_graph(partial(self._read, embed), nodes, latent_group(ask))
        with torch.autocast(latent.device.type, enabled=False):
            v = self.v.weight.to(exact).unflatten(0, (self.heads, -1))
            read = read.unflatten(0, (count, self.heads, m)) @ v.transpose(-2, -1)
        latent = latent + self.out(join_heads(read).to(latent.dtype))
        return latent + self.feed(latent)

    def _read(
        self,
        embed: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        pos: Tensor,
        x: Tensor,
        weight: Tensor,
        ask: Tensor,
    ) -> Tensor:
        """Means (B, H M, n_value) of the values under softmaxes of ask (B, H M, n_key)."""
        n_value, parts = self.v.in_features, []
        if not weight.shape[1]:
            return ask.new_zeros(*ask.shape[:2], n_value)
        per_row = len(pos) * (2 * ask.shape[1] + self.k.in_features + n_value)
        for place, known, share in row_blocks(per_row, pos, x, weight, dim=1):
            key, value = embed(place, known)
            key, value = self.norm_k(key).to(ask.dtype), self.norm_v(value).to(ask.dtype)
            with torch.autocast(pos.device.type, enabled=False):
                logit = ask @ key.transpose(-2, -1) + log_weight(share.to(ask.dtype))[:, None]
                parts.append(softmax_part(logit, value))
        return join_parts(parts)


class LatentMixer(nn.Module):
    """Self-attention and an MLP on latents (B, M, C), both pre-norm residuals."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.feed = feed_forward(width)

    def forward(self, latent: Tensor) -> Tensor:
        parts = self.qkv(self.norm(latent)).chunk(3, dim=-1)
        q, k, v = (split_heads(t, self.heads) for t in parts)
        latent = latent + self.out(join_heads(F.scaled_dot_product_attention(q, k, v)))
        return latent + self.feed(latent)


class LatentsToPoints(nn.Module):
    """Points read latents (B, M, C) by queries."""

    def __init__(self, width: int, n_query: int, n_out: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.norm_q, self.norm = nn.LayerNorm(n_query), nn.LayerNorm(width)
        self.q = nn.Linear(n_query, inner, bias=False)
        self.kv = nn.Linear(width, 2 * inner, bias=False)
        self.out = nn.Linear(inner, n_out)

    def memory(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` needs of the latents: (B, H M, n_query) and (B, H M, n_out)."""
        parts = self.kv(self.norm(latent)).chunk(2, dim=-1)
        k, v = (split_heads(t, self.heads) for t in parts)  # (B, H, M, d)
        q, out = (
            self.q.weight.unflatten(0, (self.heads, -1)),
            self.out.weight.t().unflatten(0, (self.heads, -1)),
        )
        return (k @ q / k.shape[-1] ** 0.5).flatten(1, 2), (v @ out).flatten(1, 2)

    def forward(self, query: Tensor, ask: Tensor, tell: Tensor) -> Tensor:
        """(B, n, n_query) queries, and `memory` -> (B, n, n_out)."""
        logit = self.norm_q(query) @ ask.transpose(-2, -1)
        share = logit.unflatten(-1, (self.heads, -1)).softmax(-1).flatten(-2)
        return share.to(tell.dtype) @ tell + self.out.bias


class LatentReadout(nn.Module):
    """s = MLP([mean_m t_m, cond]): latents (B, M, C) and cond (B, K) -> scalars (B, n_out)."""

    def __init__(self, width: int, n_cond: int, n_out: int) -> None:
        super().__init__()
        # A layer without outputs is one that torch warns of.
        self.layers = mlp(width + n_cond, width, n_out, act=nn.GELU) if n_out else None

    def forward(self, latent: Tensor, cond: Tensor) -> Tensor:
        if self.layers is None:
            return latent.new_zeros(len(cond), 0)
        return self.layers(torch.cat([latent.mean(1), cond.to(latent.dtype)], dim=1))
