"""TokenMix: nodes pooled into tokens, tokens mixed, nodes read them back, at linear cost.

    z_g = sum_n w_n A_ng v_n / Z_g,   z' = mix(z),   y_n = sum_g B_ng z'_g

Published attentions differ in A, B, Z and the mix alone: Galerkin (A = LN K, B = Q, Z = 1), GNOT (A
= softmax K, B = softmax Q over its own sum, Z = 1), Transolver (A = B = slices, Z = their mass, an
attention between), low-rank kernels (A = psi, B = phi). A cross-attention has another point set
where A and v come from.
"""

from __future__ import annotations

import torch
from torch import Tensor


def integral(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """sum_n w_n a_n b_n^T: (B, n, I), (B, n, J), (B, n) -> (B, I, J), in float32 or better."""
    exact = torch.promote_types(weight.dtype, torch.float32)
    with torch.autocast(a.device.type, enabled=False):
        return (a.to(exact) * weight.to(exact)[..., None]).transpose(-2, -1) @ b.to(exact)


def spread(b: Tensor, token: Tensor) -> Tensor:
    """Values (B, H, n, d) of tokens (B, H, G, d) under b (B, H, n, G)."""
    return b.to(token.dtype) @ token


def check_heads(width: int, heads: int) -> None:
    """Raises ValueError where the heads cannot share the width."""
    if width % heads:
        raise ValueError(f"width {width} is no multiple of heads {heads}")


def log_weight(weight: Tensor) -> Tensor:
    """What weights add to logits, so that a softmax over points is a quadrature."""
    return weight.clamp_min(torch.finfo(weight.dtype).tiny).log()


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, n, C) -> (B, H, n, C / H)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def join_heads(x: Tensor) -> Tensor:
    """(B, H, n, d) -> (B, n, H d)."""
    return x.transpose(-3, -2).flatten(-2)
