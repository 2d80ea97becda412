"""A few latent tokens a graph: they read ragged points, mix, and are read at other points.

    points -> latents   t_m += W sum_n a_mn v_n,  a_mn = softmax_n(q_m k_n / sqrt(d) + log w_n)
    latents -> latents  t_m += W sum_l softmax_l(q_m k_l / sqrt(d)) v_l
    latents -> points   y_n  = W sum_m softmax_m(q_n k_m / sqrt(d)) v_m

With log w_n among the logits the first softmax is a quadrature over the domain: a node split in two
of half the weight changes nothing, and a fine patch of the mesh draws no more than its area. Linear
cost, O(N M C). The layers are those of a Perceiver (Jaegle et al., arXiv 2107.14795), pre-norm.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mlp import mlp
from .points import Points, by_graph, latent_group
from .token_mix import join_heads, split_heads


def attend(
    q: Tensor, k: Tensor, v: Tensor, weight: Tensor | None = None, *, scale: float | None = None
) -> Tensor:
    """softmax(scale q k^T + log weight) v for (B, H, n, d), weight (B, keys); 0 without keys.

    scale: 1 / sqrt(d) where None. With weights in float32 or better: a logarithm in eight bits is
    wrong by percents.
    """
    if k.shape[-2] == 0:
        return v.new_zeros(*q.shape[:-1], v.shape[-1])
    if weight is None:
        return F.scaled_dot_product_attention(q, k, v, scale=scale)
    exact = torch.promote_types(v.dtype, torch.float32)
    with torch.autocast(v.device.type, enabled=False):
        mask = weight.to(exact).clamp_min(torch.finfo(exact).tiny).log()[:, None, None, :]
        q, k, u = (t.to(exact) for t in (q, k, v))
        mask = mask.expand(-1, -1, q.shape[-2], -1)
        return F.scaled_dot_product_attention(q, k, u, mask, scale=scale).to(v.dtype)


def feed_forward(width: int, ratio: int = 4) -> nn.Sequential:
    """LayerNorm and an MLP with one hidden layer, for a residual."""
    return nn.Sequential(nn.LayerNorm(width), *mlp(width, ratio * width, width, act=nn.GELU))


class PointsToLatents(nn.Module):
    """Latents (B, M, C) read points: keys (N, n_key), values (N, n_value) -> (B, M, C)."""

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

    def forward(self, latent: Tensor, key: Tensor, value: Tensor, points: Points) -> Tensor:
        q = latent_group(self.q(self.norm_q(latent)))
        nodes = self.k(self.norm_k(key)), self.v(self.norm_v(value)), points.weight
        read = by_graph(self._attend, (points.sizes, nodes), q)
        latent = latent + self.out(read.unflatten(0, latent.shape[:2]))
        return latent + self.feed(latent)

    def _attend(self, k: Tensor, v: Tensor, weight: Tensor, q: Tensor) -> Tensor:
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        return join_heads(attend(q, k, v, weight))


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
        latent = latent + self.out(join_heads(attend(*(split_heads(t, self.heads) for t in parts))))
        return latent + self.feed(latent)


class LatentsToPoints(nn.Module):
    """Points read latents (B, M, C) by queries (N, n_query): (N, n_out)."""

    def __init__(self, width: int, n_query: int, n_out: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.norm_q, self.norm = nn.LayerNorm(n_query), nn.LayerNorm(width)
        self.q = nn.Linear(n_query, inner, bias=False)
        self.kv = nn.Linear(width, 2 * inner, bias=False)
        self.out = nn.Linear(inner, n_out)

    def forward(self, latent: Tensor, query: Tensor, points: Points) -> Tensor:
        kv = latent_group(self.kv(self.norm(latent)))
        q = self.q(self.norm_q(query))
        return self.out(by_graph(self._attend, (points.sizes, (q,)), kv))

    def _attend(self, q: Tensor, kv: Tensor) -> Tensor:
        parts = (q, *kv.chunk(2, dim=-1))
        return join_heads(attend(*(split_heads(t, self.heads) for t in parts)))


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
