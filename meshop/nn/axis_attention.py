"""Attention on a regular grid, factorised over its axes (FactFormer)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .rows import by_rows, sum_rows
from .token_mix import join_heads, split_heads


class AxisAttention(nn.Module):
    """A kernel for each axis from the field's means over the others, applied one after another.

        a^x_i = MLP(mean_{y ..} m W v) for each grid line i across axis x, likewise y ..
        A^x_ij = (R_i Q a^x_i) . (R_j K a^x_j),  R_i a rotation by i's place (RoPE), no softmax
        y = v + W_2 gelu(W_1 N(A^x A^y .. (m V v)))

    m is the coverage of each grid point by the domain and N a normalisation of every channel over
    the covered grid: sums are integrals over the domain, and what was filled in outside stays out
    of them. (B, n_1 .. n_dim, C) to the same, coverage (B, n_1 .., 1). Fourier features of the
    place (fixed frequencies, kept in the state) are added to v before. Cost, per grid point,
    O(H d sum_x n_x), linear in the points of a grid whose sides are given.

    Source: Li, Shu and Farimani, NeurIPS 2023 (arXiv 2305.17560).
    """

    frequencies: Tensor
    place: Tensor

    def __init__(
        self, width: int, heads: int = 12, head: int = 64, multiplier: int = 2, dim: int = 2
    ):
        super().__init__()
        if head * multiplier % 2 or width % 2:
            raise ValueError(
                f"expected even width and head * multiplier, found {width} and {head * multiplier}"
            )
        self.heads, self.dim = heads, dim
        d = head * multiplier
        self.register_buffer("place", torch.randn(dim, width // 2))
        self.register_buffer("frequencies", 10000 ** -(torch.arange(0, d, 2) / d))
        self.add_place = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.value = nn.Linear(width, heads * head, bias=False)
        self.mid = nn.Linear(width, width, bias=False)
        self.lines = nn.ModuleList(_Lines(width) for _ in range(dim))
        inner = heads * head * multiplier
        self.q = nn.ModuleList(nn.Linear(width, inner, bias=False) for _ in range(dim))
        self.k = nn.ModuleList(nn.Linear(width, inner, bias=False) for _ in range(dim))
        self.out = nn.Sequential(
            nn.Linear(heads * head, width, bias=False),
            nn.GELU(),
            nn.Linear(width, width, bias=False),
        )

    def forward(self, v: Tensor, coverage: Tensor) -> Tensor:
        exact = torch.promote_types(v.dtype, torch.float32)
        v = v + self.add_place(self._places(v))
        u = self.norm(v)
        covered = coverage.to(exact)
        wide = len(v) * self.value.out_features

        def value(u: Tensor, m: Tensor) -> Tensor:  # (B, 1, points, C) -> (B, H, points, d)
            return split_heads((self.value(u) * m)[:, 0], self.heads).to(exact)

        rows = u.flatten(1, -2)[:, None], coverage.to(u.dtype).flatten(1, -2)[:, None]
        z = by_rows(value, wide, *rows, dim=2).unflatten(2, v.shape[1:-1])
        u = u.to(exact) * covered
        for axis in range(1, self.dim + 1):
            others = [a for a in range(1, self.dim + 1) if a != axis]
            line = u.sum(others) / covered.sum(others).clamp_min(1e-6)  # (B, n, C)
            line = self.mid(line.to(v.dtype))  # linear: of the means
            z = _contract(self._kernel(axis - 1, line), z, axis + 1)
        z = z.flatten(2, -2)  # (B, H, points, d)
        mean, scale = _moments(z, covered.flatten(1, -2)[:, None])

        def out(v: Tensor, z: Tensor) -> Tensor:
            return v + self.out(join_heads((z - mean) * scale).to(v.dtype)[:, None])

        return by_rows(out, wide, v.flatten(1, -2)[:, None], z, dim=2).view_as(v)

    def _places(self, v: Tensor) -> Tensor:
        """(n_1 .., C) sines and cosines of the grid points' places in the unit box."""
        axes = [torch.linspace(0, 1, n, dtype=v.dtype, device=v.device) for n in v.shape[1:-1]]
        at = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        phase = 2 * math.pi * at @ self.place.to(v.dtype)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)

    def _kernel(self, axis: int, line: Tensor) -> Tensor:
        """(B, n, C) states of the lines across an axis -> (B, H, n, n) in float32 or better."""
        a = self.lines[axis](line)
        n, exact = a.shape[1], torch.promote_types(a.dtype, torch.float32)
        q = split_heads(self.q[axis](a), self.heads).to(exact)
        k = split_heads(self.k[axis](a), self.heads).to(exact)
        # 64 turns of the fastest pair over the axis, as published.
        at = torch.linspace(0, 64, n, dtype=exact, device=a.device)
        turn = at[:, None] * self.frequencies.to(exact)
        with torch.autocast(a.device.type, enabled=False):
            return _rotate(q, turn) @ _rotate(k, turn).transpose(-2, -1) / n


class _Lines(nn.Module):
    """A gated MLP on the mean of each line."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(width, width)

    def forward(self, line: Tensor) -> Tensor:
        gate, value = self.up(self.norm(line)).chunk(2, dim=-1)
        return self.down(F.gelu(gate) * value)


def _rotate(x: Tensor, turn: Tensor) -> Tensor:
    one, two = x.chunk(2, dim=-1)
    sin, cos = turn.sin(), turn.cos()
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)


def _contract(kernel: Tensor, z: Tensor, axis: int) -> Tensor:
    """sum_j kernel_ij z_j along an axis of z (B, H, n_1 .., d); kernel (B, H, n, n)."""
    rows = z.flatten(2, axis - 1) if axis > 2 else z.unsqueeze(2)  # (B, H, before, n .., d)
    with torch.autocast(z.device.type, enabled=False):
        return (kernel.unsqueeze(2) @ rows.flatten(4)).view_as(z)


def _moments(z: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
    """Means and inverse deviations (B, H, 1, d) of z (B, H, n, d) over what is covered, of the
    grid's (B, 1, n, 1)."""
    with torch.autocast(z.device.type, enabled=False):
        share = covered / covered.sum(2, keepdim=True).clamp_min(1e-6)
        mean = share.transpose(2, 3) @ z

        def part(z: Tensor, share: Tensor) -> Tensor:
            return share.transpose(2, 3) @ (z - mean).square()

        variance = sum_rows(part, z[:, :, 0].numel(), z, share, dim=2)
        return mean, torch.rsqrt(variance + 1e-5)
