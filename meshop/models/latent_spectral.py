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

from ..graph import MeshGraph, coarse_size
from ..nn import MeanReadout, Points, mlp, nodes
from ..nn.hierarchy import (
    Neighbourhoods,
    Samples,
    built,
    farthest_order,
    in_space,
    interpolation,
    neighbourhoods,
    sample,
)
from ..nn.mesh_conv import MeshConv
from ..nn.rows import through
from ..nn.spectral_block import SpectralBlock
from ..ops import Csr
from ._operator import Operator, Widths


@dataclass(frozen=True)
class Level:
    """Points of a level, their neighbours and clusters, and the way from the level below."""

    points: Points
    near: Neighbourhoods
    patches: Samples
    below: Samples | None  # whose clusters these points stand for
    fill: Csr | None  # from these points to those of the level below


@built
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
        widths: Widths,
        *,
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
        super().__init__(widths)
        self.sizes = (levels, ratio, patch, neighbours)
        dim = widths.dim
        sizes = [min(width * 2**level, widest) for level in range(levels + 1)]
        upward = [max(w // 2, width) for w in sizes[:-1]] + sizes[-1:]
        self.lift = nn.Linear(widths.nodes, width)
        self.down = nn.ModuleList(
            _Double(before, here, here, dim, groups)
            for before, here in zip([width, *sizes[:-1]], sizes, strict=True)
        )
        self.solve = nn.ModuleList(SpectralBlock(w, heads, tokens, basis) for w in sizes)
        self.up = nn.ModuleList(
            _Double(here + below, (here + below) // 2, out, dim, groups)
            for here, below, out in zip(sizes, upward[1:], upward, strict=False)
        )
        self.head = mlp(width, 2 * width, widths.out, act=nn.GELU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        levels = build_levels(points, *self.sizes)
        h, kept = through(self.lift, points.x), []
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
        return through(self.head, h), self.scalar_head(h, points, graph.cond)
