"""Convolution on the points of a mesh."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import gather_reduce
from .hierarchy import Neighbourhoods
from .mlp import mlp
from .rows import by_rows


class MeshConv(nn.Module):
    """A convolution with kernels of the step to the neighbours, one for each group of channels."""

    def __init__(self, width: int, out: int, dim: int, groups: int) -> None:
        super().__init__()
        self.kernel = mlp(dim + 1, 32, groups)
        self.here = nn.Linear(width, out)
        self.there = nn.Linear(width, out, bias=False)
        self.norm = nn.LayerNorm(out)

    def forward(self, h: Tensor, near: Neighbourhoods) -> Tensor:
        """(N, width) -> (N, out)."""
        exact = torch.promote_types(h.dtype, torch.float32)

        def weigh(step: Tensor, share: Tensor) -> Tensor:
            return self.kernel(step.to(exact)).to(exact) * share.to(exact)[:, None]

        def join(h: Tensor, around: Tensor) -> Tensor:
            return torch.relu(self.norm(self.here(h) + self.there(around.to(h.dtype))))

        kernel = by_rows(weigh, 64, near.step, near.share)
        around = gather_reduce(h.to(exact), near.index, near.rowptr, kernel)
        return by_rows(join, 3 * self.here.out_features, h, around)
