"""Latent spectral model: tokens of clusters, solved in a basis of sines, on a hierarchy of levels.

A U-Net over levels l = 0 .. L of the nodes, each a quarter of the one before and twice as wide:
    down:  h_l = Conv2(restrict h_l-1),   up:  u_l = Conv2([S h_l, fill u_l+1]),   u_L = S h_L
    S, in each cluster and head:  t = T + sum_n a_n v_n,   a = softmax_n (T . k_n + log w_n)
       t <- t + c_0 + sum_m c_m sin(m t) + d_m cos(m t),  m = 1 .. M, channel by channel
       y_n = h_n + sum_t t softmax_t (q_n . t)
    Conv:  y_i = relu LN(A h_i + B [sum_j share_ij k_g(x_j - x_i) h_j]_g),  share_ij = w_j / sum w

Wu et al., "Solving high-dimensional PDEs with latent spectral models" (ICML 2023, arXiv
2301.12664), public code for grids. Here the levels of the grid are farthest points, its 2 x 2 pools
means by weight over the points nearest to each, its patches clusters of nine points, its upsampling
inverse distance, and its 3 x 3 kernels functions of the step to the nine nearest: a mesh needs no
map to a square. Frequencies are the integers of the paper (the code divides them by M, and starts
at 0, whose sine is dead); LayerNorm for BatchNorm; attention counts a node as much as the measure
it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes
from ..nn.hierarchy import (
    Interpolation,
    Neighbourhoods,
    Samples,
    coarse_size,
    farthest_order,
    in_space,
    interpolation,
    neighbourhoods,
    sample,
)
from ..ops import edge_attention, gather_reduce
from ._operator import Operator


@dataclass(frozen=True)
class Level:
    """Points of a level, their neighbours and clusters, and the way from the level below."""

    points: Points
    near: Neighbourhoods
    patches: Samples
    below: Samples | None  # whose clusters these points stand for
    fill: Interpolation | None  # from these points to those of the level below


@torch.no_grad()
def build_levels(points: Points, depth: int, ratio: float, patch: int, k: int) -> list[Level]:
    """Levels 0 .. depth. Both the next level and the clusters are the first of one sampling."""
    levels: list[Level] = []
    below, fill = None, None
    for _ in range(depth + 1):
        least, most = sorted((ratio, 1 / patch))
        order = farthest_order(points, tuple(coarse_size(n, most) for n in points.sizes))
        few = (o[: coarse_size(n, least)] for o, n in zip(order, points.sizes, strict=True))
        small, large = sample(points, tuple(few)), sample(points, order)
        coarser, patches = (small, large) if ratio < 1 / patch else (large, small)
        levels.append(Level(points, neighbourhoods(points, k), patches, below, fill))
        below, fill = coarser, interpolation(coarser.points, points)
        points = coarser.points
    return levels


@torch.no_grad()
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


class MeshConv(nn.Module):
    """A convolution with kernels of the step to the neighbours, one for each group of channels."""

    def __init__(self, width: int, out: int, dim: int, groups: int) -> None:
        super().__init__()
        self.kernel = mlp(dim + 1, 32, groups)
        self.here = nn.Linear(width, out)
        self.there = nn.Linear(width, out, bias=False)
        self.norm = nn.LayerNorm(out)

    def forward(self, h: Tensor, near: Neighbourhoods) -> Tensor:
        """(N, width) -> (N, out)."""
        exact = torch.promote_types(h.dtype, torch.float32)
        kernel = self.kernel(near.step.to(exact)).to(exact) * near.share.to(exact)[:, None]
        around = gather_reduce(h.to(exact), near.index, near.rowptr, kernel).to(h.dtype)
        return torch.relu(self.norm(self.here(h) + self.there(around)))


class SpectralBlock(nn.Module):
    """Neural spectral block: clusters to tokens, a basis of sines and cosines, tokens to points."""

    def __init__(self, width: int, heads: int, tokens: int, basis: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of heads {heads}")
        self.heads, self.tokens, self.basis = heads, tokens, basis
        self.token = nn.Parameter(torch.rand(tokens, width) / width)
        self.key_value = nn.Linear(width, 2 * width)
        self.query = nn.Linear(width, width)
        # c_0, then c_m and d_m, of each channel.
        self.modes = nn.Parameter(torch.rand(2 * basis + 1, width) / width)

    def forward(self, h: Tensor, patches: Samples) -> Tensor:
        """(N, C) -> (N, C)."""
        exact = torch.promote_types(h.dtype, torch.float32)
        key, value = self.key_value(h).to(exact).unflatten(1, (2, self.heads, -1)).unbind(1)
        ask = self.token.to(exact).unflatten(1, (self.heads, -1))
        ask = ask.repeat(len(patches.index), 1, 1)  # (P T, H, d), cluster by cluster
        sender, rowptr, share = token_edges(patches, self.tokens)
        bias = share.to(exact)[:, None].expand(-1, self.heads).contiguous()
        t = ask + edge_attention(ask, key, value, sender, rowptr, bias, scale=1.0)
        t = self.solve(t.flatten(1)).unflatten(1, (self.heads, -1))
        # Each point reads the tokens of its cluster.
        place = torch.arange(self.tokens, device=h.device)
        place = (self.tokens * patches.cluster[:, None] + place).flatten()
        rowptr = self.tokens * torch.arange(len(h) + 1, device=h.device)
        query = self.query(h).to(exact).unflatten(1, (self.heads, -1))
        read = edge_attention(query, t, t, place, rowptr, scale=1.0)
        return h + read.flatten(1).to(h.dtype)

    def solve(self, t: Tensor) -> Tensor:
        """t + c_0 + sum_m c_m sin(m t) + d_m cos(m t), channel by channel; (P T, C)."""
        modes = self.modes.to(t.dtype)
        out = t + modes[0]
        for m in range(1, self.basis + 1):
            out = out + modes[2 * m - 1] * torch.sin(m * t) + modes[2 * m] * torch.cos(m * t)
        return out


class _Double(nn.Module):
    def __init__(self, width: int, middle: int, out: int, dim: int, groups: int) -> None:
        super().__init__()
        self.first = MeshConv(width, middle, dim, groups)
        self.second = MeshConv(middle, out, dim, groups)

    def forward(self, h: Tensor, near: Neighbourhoods) -> Tensor:
        return self.second(self.first(h, near), near)


class LatentSpectral(Operator):
    """Latent spectral model on a hierarchy of farthest points.

    levels below the nodes, each `ratio` of the one above; `patch` points a cluster, `tokens` tokens
    a cluster, `basis` frequencies, `neighbours` nearest points (itself among them) and `groups`
    kernels a convolution. No promise for split nodes: levels and neighbours are chosen by node, so
    a node written twice changes who they are.
    """

    paper = "Wu et al., ICML 2023, arXiv 2301.12664"
    cost = "O(C^2 + k C + T M C + log N), k neighbours, T tokens, M frequencies"
    positions = True
    refinement = False

    def __init__(
        self,
        *,
        n_features: int,
        n_cond: int,
        n_out: int,
        n_scalars: int = 0,
        n_inputs: int = 0,
        n_tokens: int = 0,
        n_wall_inputs: int = 0,
        dim: int = 2,
        width: int = 64,
        widest: int = 512,
        levels: int = 4,
        ratio: float = 0.25,
        patch: int = 9,
        heads: int = 8,
        tokens: int = 4,
        basis: int = 12,
        neighbours: int = 9,
        groups: int = 8,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.sizes = (levels, ratio, patch, neighbours)
        widths = [min(width * 2**level, widest) for level in range(levels + 1)]
        upward = [max(w // 2, width) for w in widths[:-1]] + widths[-1:]
        self.lift = nn.Linear(n_features + n_inputs + n_cond, width)
        self.down = nn.ModuleList(
            _Double(before, here, here, dim, groups)
            for before, here in zip([width, *widths[:-1]], widths, strict=True)
        )
        self.solve = nn.ModuleList(SpectralBlock(w, heads, tokens, basis) for w in widths)
        self.up = nn.ModuleList(
            _Double(here + below, (here + below) // 2, out, dim, groups)
            for here, below, out in zip(widths, upward[1:], upward, strict=False)
        )
        self.head = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, n_out)
        )
        self.scalar_head = MeanReadout(width, n_cond, n_scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, n_out) and scalars (B, n_scalars)."""
        points = in_space(nodes(graph), self.dim)
        levels = build_levels(points, *self.sizes)
        h, kept = self.lift(points.x), []
        for level, down, solve in zip(levels, self.down, self.solve, strict=True):
            if level.below is not None:
                h = level.below.restrict(h)
            h = self.run(down, h, level.near)
            kept.append(self.run(solve, h, level.patches))
        h = kept.pop()
        for up in reversed(self.up):
            level = levels[len(kept)]
            assert level.fill is not None
            h = torch.cat([kept.pop(), level.fill(h)], dim=1)
            h = self.run(up, h, levels[len(kept)].near)
        return self.head(h), self.scalar_head(h, points, graph.cond)
