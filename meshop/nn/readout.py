"""Integral quantities of a case from the states of its nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .mlp import mlp
from .points import Points


class MeanReadout(nn.Module):
    """s = MLP([sum_n w_n h_n, cond]): the weighted mean state and the conditions of a graph.

    h (N, C) and cond (B, K) to (B, n_out). `weighted` False counts every node the same.
    """

    def __init__(self, width: int, n_cond: int, n_out: int, weighted: bool = True) -> None:
        super().__init__()
        self.n_out, self.weighted = n_out, weighted
        # A layer without outputs is one that torch warns of.
        self.layers = mlp(width + n_cond, width, n_out, act=nn.GELU) if n_out else None

    def forward(self, h: Tensor, points: Points, cond: Tensor) -> Tensor:
        if self.layers is None:
            return h.new_zeros(len(cond), 0)
        if self.weighted:
            mean = points.mean(h)
        else:
            mean = torch.stack([part.mean(0) for part in h.split(points.sizes)])
        return self.layers(torch.cat([mean, cond.to(h.dtype)], dim=1))
