"""Wall tokens: the boundary of the domain as a ragged, measure-weighted set."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from .mlp import mlp


def weighted_sum(values: Tensor, weight: Tensor, batch: Tensor, size: int) -> Tensor:
    """(size, C) sum of weight * values over each graph; accumulated in float32 or better."""
    kind = torch.promote_types(values.dtype, torch.float32)
    out = torch.zeros(size, values.shape[1], dtype=kind, device=values.device)
    return out.index_add_(0, batch, values.to(kind) * weight[:, None]).to(values.dtype)


class WallEncoder(nn.Module):
    """Wall and conditions to one latent per graph: z = sum_w share_w phi(token_w, cond).

    A quadrature over the wall, so refining the wall's edges does not change it. tokens (W, T),
    weight (W,) summing to one per graph, batch (W,), cond (B, K); returns tokens' hidden states
    (W, Z) and z (B, Z). Source: Zaheer et al., Deep Sets, NeurIPS 2017.
    """

    def __init__(self, n_tokens: int, n_cond: int, width: int) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # Without tokens' features and conditions phi is its bias, as it should be.
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            self.phi = mlp(n_tokens + n_cond, width, width, width)

    def forward(
        self, tokens: Tensor, weight: Tensor, batch: Tensor, cond: Tensor
    ) -> tuple[Tensor, Tensor]:
        hidden = self.phi(torch.cat([tokens, cond[batch]], dim=1))
        return hidden, weighted_sum(hidden, weight, batch, len(cond))


class WallIntegral(nn.Module):
    """Integral quantities as integrals over the wall: s = rho(z) + sum_w share_w g(token_w, z).

    Forces are surface integrals of a traction that depends on the whole flow, which z stands for.
    hidden (W, Z), weight (W,), batch (W,), latent (B, Z); returns (B, S).
    """

    def __init__(self, width: int, n_out: int) -> None:
        super().__init__()
        self.whole = mlp(width, width, n_out)
        self.local = mlp(2 * width, width, width, n_out)

    def forward(self, hidden: Tensor, weight: Tensor, batch: Tensor, latent: Tensor) -> Tensor:
        density = self.local(torch.cat([hidden, latent[batch]], dim=1))
        return self.whole(latent) + weighted_sum(density, weight, batch, len(latent))
