"""Residual blocks whose normalised input is scaled and shifted by a condition."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FiLMBlock(nn.Module):
    """x + W2 silu(W1 ((1 + scale) LN(x) + shift)).

    x (N, C); modulation (B, 2 C) one row a graph; batch (N,) graph of each node, or None for one
    graph. Source: Perez et al., FiLM, AAAI 2018; pre-norm residual form of Peebles and Xie, 2023.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)

    def forward(self, x: Tensor, modulation: Tensor, batch: Tensor | None) -> Tensor:
        scale, shift = modulation.chunk(2, dim=-1)
        if batch is not None:
            scale, shift = scale[batch], shift[batch]
        hidden = torch.addcmul(shift, self.norm(x), 1 + scale)
        return x + self.down(nn.functional.silu(self.up(hidden)))
