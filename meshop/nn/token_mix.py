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


def pool(a: Tensor, v: Tensor, weight: Tensor, by_mass: bool = False) -> Tensor:
    """Tokens (B, H, G, d) of values v (B, H, n, d) under assignments a (B, H, n, G).

    weight (B, n) sums to one, so Z = 1 makes a token an integral over the unit measure; `by_mass`
    divides by sum_n w_n a_ng, for assignments that are not negative: a mean. Summed in float32 or
    better at any precision of the inputs; a token without mass is zero.
    """
    exact = torch.promote_types(v.dtype, torch.float32)
    with torch.autocast(v.device.type, enabled=False):
        heavy = a.to(exact) * weight.to(exact)[:, None, :, None]
        token = heavy.transpose(-2, -1) @ v.to(exact)
        if by_mass:
            token = token / (heavy.sum(-2).unsqueeze(-1) + 1e-12)
    return token.to(v.dtype)


def spread(b: Tensor, token: Tensor) -> Tensor:
    """Values (B, H, n, d) of tokens (B, H, G, d) under b (B, H, n, G)."""
    return b.to(token.dtype) @ token


def log_weight(weight: Tensor) -> Tensor:
    """What weights add to logits, so that a softmax over points is a quadrature."""
    return weight.clamp_min(torch.finfo(weight.dtype).tiny).log()


def softmax_part(logit: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Of some points: log sum of exp logit (..., M, n), and the mean of v (..., n, d) under it."""
    top = logit.detach().amax(-1, keepdim=True)
    heavy = (logit - top).exp()
    mass = heavy.sum(-1, keepdim=True)
    return (top + mass.log()).squeeze(-1), (heavy @ v) / mass


def join_parts(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The mean over all points: a softmax of softmaxes is the softmax."""
    if len(parts) == 1:
        return parts[0][1]
    share = torch.stack([total for total, _ in parts]).softmax(0)
    return (share[..., None] * torch.stack([mean for _, mean in parts])).sum(0)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, n, C) -> (B, H, n, C / H)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def join_heads(x: Tensor) -> Tensor:
    """(B, H, n, d) -> (B, n, H d)."""
    return x.transpose(-3, -2).flatten(-2)
