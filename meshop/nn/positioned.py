"""Latents that have places: points read them, and they read points, by relative position alone.

With rff(r) = [sin 2 pi r B, cos 2 pi r B], r = x_n - p_j and features f_n, points read latents a_j:

    e_nj = gelu(W rff(r) + F f_n),  s_nj = LN(gelu(W3 gelu(W2 rff(r) + F2 f_n)))
    A_hnj = softmax_j(e_nj . (Q_h^T K_h a_j) / sqrt(C) - |r|^2 / sigma^2)
    y_hn = sum_j A_hnj ((1 + G_h s_nj + g_h) * (V_h a_j) + S_h s_nj + b_h)

and latents read points with content f_n and quadrature weights w_n:

    t_nj = gelu(W rff(r) + F f_n),  A_hnj = softmax_n(q_h . t_nj - |r|^2 / sigma^2 + log w_n)
    c_j  = MLP([sum_n A_hnj t_nj for every head h])

Two identities save work and memory (1.8 times in a forward pass, 1.6 in a training step, against
values formed for each pair). A wave of a difference is a rotation of waves, so W rff(x - p_j) is
one product of rff(x) with W turned by p_j. And values bilinear in a_j and s_nj are summed over j
and channels of s in one product, with the matrix diag(V_h a_j) G_h + S_h of each latent. Sources:
equivariant neural fields, Wessels et al., arXiv 2406.05753; Knigge et al., arXiv 2406.06660.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .encodings import RandomFourier
from .mlp import mlp
from .points import Points, by_graph
from .rows import join_parts, softmax_part
from .token_mix import log_weight


def latent_grid(points: Points, side: int, reach: float = 0.75) -> Tensor:
    """Places (B, side^D, D) on a grid over `reach` of the box about each graph's points.

    It moves with the points, and takes no gradient; one latent lies in the middle.
    """
    reach = reach if side > 1 else 0.0
    pos = points.pos.detach()
    box = by_graph(
        lambda x: torch.stack([x.amin(1), x.amax(1)], dim=1), (points.sizes, (pos,))
    ).unflatten(0, (-1, 2))
    steps = torch.linspace(-reach, reach, side, dtype=pos.dtype, device=pos.device)
    grid = torch.cartesian_prod(*[steps] * pos.shape[1]).view(1, -1, pos.shape[1])
    return (box.sum(1, keepdim=True) + (box[:, 1:] - box[:, :1]) * grid) / 2


def pieces(p: Tensor, width: int, *points: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Points (B, n, ...) in pieces whose (B, n, Z, width) numbers take 8 MiB at most."""
    rows = max(1, 2**21 // (p.shape[0] * p.shape[1] * width))
    return zip(*(t.split(rows, dim=1) for t in points), strict=True)


class Waves(nn.Module):
    """W rff(x_n - p_j) + F f_n + b for all pairs: (B, n, D), (B, Z, D), (B, n, F) -> (B, n, Z, C).

    C // 2 directions are drawn from N(0, std^2) with `seed`.
    """

    def __init__(self, dim: int, width: int, n_features: int, std: float, seed: int) -> None:
        super().__init__()
        self.phase = RandomFourier(dim, width // 2, std, seed)
        self.wave = nn.Linear(2 * (width // 2), width)
        self.features = nn.Linear(n_features, width, bias=False) if n_features else None

    def forward(self, x: Tensor, p: Tensor, f: Tensor) -> Tensor:
        # Phases are small and exact about the latents' middle, wherever the origin lies.
        middle = p.mean(1, keepdim=True)
        a, b = self.phase(x - middle), self.phase(p - middle)[:, :, None]
        in_sin, in_cos = self.wave.weight.chunk(2, dim=1)
        turned = torch.cat(
            [in_sin * b.cos() + in_cos * b.sin(), in_cos * b.cos() - in_sin * b.sin()], dim=-1
        )  # (B, Z, C, 2 K)
        waves = torch.cat([a.sin(), a.cos()], dim=-1)
        pairs = (waves @ turned.flatten(1, 2).transpose(1, 2)).unflatten(2, (*p.shape[1:2], -1))
        if self.features is None:
            return pairs + self.wave.bias
        return pairs + (self.features(f) + self.wave.bias)[:, :, None]


def window(x: Tensor, p: Tensor, sigma: float) -> Tensor:
    """-|x_n - p_j|^2 / sigma^2, (B, n, Z), in float32 or better."""
    exact = torch.promote_types(x.dtype, torch.float32)
    steps = x.to(exact)[:, :, None] - p.to(exact)[:, None]
    return -steps.square().sum(-1) / sigma**2


class Pairs(NamedTuple):
    """What a read of latents needs of places and features: e, s (B, n, Z, C), window (B, n, Z)."""

    e: Tensor
    s: Tensor
    window: Tensor


class ReadLatents(nn.Module):
    """Points read positioned latents (B, Z, C); see the module. Returns (B, n, n_out).

    Split in two, `pairs` without the latents and `forward` with them, for who reads often.
    """

    def __init__(
        self, dim: int, width: int, heads: int, n_out: int, n_features: int, std: float, seed: int
    ) -> None:
        super().__init__()
        self.heads = heads
        self.e = Waves(dim, width, n_features, std, 2 * seed)
        self.s = Waves(dim, width, n_features, std, 2 * seed + 1)
        self.s_mix = nn.Sequential(
            nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)
        )
        self.norm = nn.LayerNorm(width)
        self.q = nn.Linear(width, heads * width, bias=False)
        self.k = nn.Linear(width, heads * width)
        self.v = nn.Linear(width, heads * width)
        self.scale = nn.Linear(width, heads * width)
        self.shift = nn.Linear(width, heads * width)
        self.project = nn.Linear(heads * width, n_out)
        self.out = nn.Sequential(
            nn.Linear(n_out, n_out), nn.GELU(), nn.LayerNorm(n_out), nn.Linear(n_out, n_out)
        )

    def pairs(self, x: Tensor, p: Tensor, f: Tensor, sigma: float) -> Pairs:
        """x (B, n, D), p (B, Z, D), f (B, n, F)."""
        e = nn.functional.gelu(self.e(x, p, f))
        return Pairs(e, self.s_mix(self.s(x, p, f)), window(x, p, sigma))

    def forward(self, a: Tensor, pairs: Pairs, residual: Tensor | None = None) -> Tensor:
        """`residual` (B, n, n_out) is added before the closing MLP."""
        e, s, near = pairs
        split = (self.heads, a.shape[-1])
        a = self.norm(a)
        k, v = self.k(a).unflatten(-1, split), self.v(a).unflatten(-1, split)  # (B, Z, H, C)
        u = torch.einsum("bzhc,hce->bzhe", k, self.q.weight.unflatten(0, split))
        logits = torch.einsum("bnze,bzhe->bhnz", e, u) / a.shape[-1] ** 0.5
        share = (logits.to(near.dtype) + near[:, None]).softmax(-1).to(s.dtype)
        scale, shift = (m.weight.unflatten(0, split) for m in (self.scale, self.shift))
        # (B, H, Z, C of s, C): what a channel of s adds to each channel of the value.
        film = (v[..., None] * scale + shift).permute(0, 2, 1, 4, 3)
        still = v * (1 + self.scale.bias.unflatten(0, split))
        parts = []
        for h in range(self.heads):
            heavy = (share[:, h, :, :, None] * s).flatten(2)
            parts.append(heavy @ film[:, h].flatten(1, 2) + share[:, h] @ still[:, :, h])
        y = self.project(torch.cat(parts, dim=-1) + self.shift.bias)
        return self.out(y if residual is None else y + residual)


class ReadPoints(nn.Module):
    """Positioned latents read points by content f (B, n, F); see the module. (B, Z, n_out)."""

    def __init__(
        self, dim: int, width: int, heads: int, n_out: int, n_features: int, std: float, seed: int
    ) -> None:
        super().__init__()
        self.t = Waves(dim, width, n_features, std, 2 * seed)
        self.q = nn.Linear(width, heads, bias=False)
        self.out = mlp(heads * width, width, n_out, act=nn.GELU)

    def forward(self, parts: list[tuple[Tensor, Tensor]]) -> Tensor:
        """From the `part` of every piece of the nodes."""
        return self.out(join_parts(parts).to(self.q.weight.dtype).flatten(2))

    def part(
        self, x: Tensor, f: Tensor, weight: Tensor, p: Tensor, sigma: float
    ) -> tuple[Tensor, Tensor]:
        """log sum of exp of the logits (B, Z, H) of some nodes, and their mean t (B, Z, H, C)."""
        t = nn.functional.gelu(self.t(x, p, f))
        near = window(x, p, sigma)
        near = near + log_weight(weight).to(near.dtype)[..., None]
        logits = self.q(t).to(near.dtype) + near[..., None]
        with torch.autocast(t.device.type, enabled=False):
            return softmax_part(logits.permute(0, 2, 3, 1), t.to(near.dtype).transpose(1, 2))
