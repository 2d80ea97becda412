"""A transformer over patches of a regular grid, with skips from its first to its last layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .token_mix import check_heads, join_heads, split_heads


class PatchTransformer(nn.Module):
    """(B, n_1 .. n_dim, C) to the same; patches of patch^dim points are tokens of `width`.

    Layers are x + attention(norm x), x + W_3 (silu(W_1 norm x) * W_2 norm x), without biases and
    with root-mean-square norms; layer L - l begins with W [x, output of layer l]; sines and cosines
    of the patch's indices are added first. Every side is a multiple of `patch`.

    Source: GAOT's processor (arXiv 2505.18781), after U-ViT (Bao et al., CVPR 2023) and Llama.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        dim: int = 2,
        patch: int = 2,
        heads: int = 8,
        layers: int = 3,
        mlp_ratio: int = 4,
    ):
        super().__init__()
        check_heads(width, heads)
        self.patch, self.dim = patch, dim
        inner = channels * patch**dim
        self.embed = nn.Linear(inner, width)
        self.layers = nn.ModuleList(
            _Layer(width, heads, mlp_ratio, skip=i >= (layers + 1) // 2) for i in range(layers)
        )
        # As wide as a patch: its channels are what the layers carry.
        self.back = nn.Identity() if width == inner else nn.Linear(width, inner)

    def forward(self, z: Tensor, run: Callable[..., Any]) -> Tensor:
        """run(layer, ..): how to call a layer, `Operator.run`."""
        p, sides = self.patch, z.shape[1:-1]
        if any(n % p for n in sides):
            raise ValueError(f"a grid of {tuple(sides)} points has no patches of {p} a side")
        for axis in range(self.dim):  # B, n_1 / p, p, n_2 / p, p .., C
            z = z.unflatten(1 + 2 * axis, (-1, p))
        outer, inner = [1 + 2 * a for a in range(self.dim)], [2 + 2 * a for a in range(self.dim)]
        order = [0, *outer, *inner, 2 * self.dim + 1]
        z = z.permute(order)
        shape = z.shape
        x = self.embed(z.flatten(1, self.dim).flatten(2))
        x = x + _index_code(shape[1 : 1 + self.dim], x.shape[-1], x)
        states: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            x = run(layer, x, states.pop() if layer.skip is not None else None)
            if i < len(self.layers) // 2:
                states.append(x)
        z = self.back(x).unflatten(2, shape[1 + self.dim :]).unflatten(1, shape[1 : 1 + self.dim])
        back = [order.index(a) for a in range(len(order))]
        return z.permute(back).reshape(shape[0], *sides, -1)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, mlp_ratio: int, skip: bool):
        super().__init__()
        self.heads = heads
        self.skip = nn.Linear(2 * width, width) if skip else None
        self.norm1, self.norm2 = _RMSNorm(width), _RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * mlp_ratio * width, bias=False)
        self.down = nn.Linear(mlp_ratio * width, width, bias=False)

    def forward(self, x: Tensor, earlier: Tensor | None) -> Tensor:
        if self.skip is not None:
            assert earlier is not None
            x = self.skip(torch.cat([x, earlier], dim=-1))
        q, k, v = (split_heads(t, self.heads) for t in self.qkv(self.norm1(x)).chunk(3, dim=-1))
        x = x + self.out(join_heads(F.scaled_dot_product_attention(q, k, v)))
        gate, up = self.up(self.norm2(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class _RMSNorm(nn.Module):
    """x / root mean square, times a learned scale, in float32 or better."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)).to(
            x.dtype
        ) * self.weight


def _index_code(shape: tuple[int, ...], width: int, like: Tensor) -> Tensor:
    """(patches, width) sines and cosines of each patch's indices, zero where width is left over."""
    count = width // (2 * len(shape))
    exact = torch.promote_types(like.dtype, torch.float32)
    rate = 10000 ** (-torch.arange(count, dtype=exact, device=like.device) / max(count, 1))
    axes = [torch.arange(n, dtype=exact, device=like.device) for n in shape]
    at = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    phase = at[:, :, None] * rate
    code = torch.cat([phase.sin(), phase.cos()], dim=-1).flatten(1)
    return F.pad(code, (0, width - code.shape[1])).to(like.dtype)
