"""Positions as waves: Fourier features of a band, and random ones from a seeded buffer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FourierBand(nn.Module):
    """sin and cos of pi 2^s x, s at `count` equal steps over the band [low, high].

    x (..., D) in about [-1, 1] -> (..., 2 D count), in float32 or better: a phase has no meaning in
    eight bits. Source: the queries of AROMA (arXiv 2406.02176), whose bands (0, 3), (3, 4), (4, 5)
    share their ends; the band (0, high) is the encoding of NeRF.
    """

    frequencies: Tensor

    def __init__(self, dim: int, band: tuple[float, float], count: int) -> None:
        super().__init__()
        self.width = 2 * dim * count
        exponents = torch.linspace(*band, count)
        self.register_buffer("frequencies", math.pi * 2**exponents, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        phase = (x[..., None] * self.frequencies.to(x.dtype)).flatten(-2)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class RandomFourier(nn.Module):
    """Phases 2 pi x B of `count` random directions, B ~ N(0, std^2): (..., D) -> (..., count).

    B is drawn from `seed`, whatever else was drawn before, and saved with the model. In float32 or
    better, also under autocast. Source: Tancik et al., NeurIPS 2020 (arXiv 2006.10739).
    """

    directions: Tensor

    def __init__(self, dim: int, count: int, std: float, seed: int = 0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.register_buffer("directions", std * torch.randn(dim, count, generator=draw))

    def forward(self, x: Tensor) -> Tensor:
        exact = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            return 2 * math.pi * (x.to(exact) @ self.directions.to(exact))
