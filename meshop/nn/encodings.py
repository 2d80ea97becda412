"""Positions as waves: banded Fourier features, and random ones from a seeded buffer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FourierBands(nn.Module):
    """sin and cos of pi 2^s x, s at `count` equal steps over each band [low, high].

    x (N, D) in about [-1, 1] -> (N, bands, 2 D count), in float32 or better: a phase has no meaning
    in eight bits. Source: the multi-band queries of AROMA (arXiv 2406.02176), whose bands
    ((0, 3), (3, 4), (4, 5)) share their ends; one band is the encoding of NeRF.
    """

    frequencies: Tensor

    def __init__(self, dim: int, bands: tuple[tuple[float, float], ...], count: int) -> None:
        super().__init__()
        self.width = 2 * dim * count
        exponents = [torch.linspace(low, high, count) for low, high in bands]
        self.register_buffer("frequencies", math.pi * 2 ** torch.stack(exponents), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        phase = (x[:, None, :, None] * self.frequencies.to(x.dtype)[:, None]).flatten(2)
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
