"""An order of points in memory that keeps neighbours together."""

from __future__ import annotations

import torch
from torch import Tensor

MANY = 100_000  # simplices that a core's cache does not hold
APART = 0.05  # of all numbers: nodes that are as far apart have nothing to do with each other
BITS = 21  # of each coordinate
SPREAD = (  # two zeros before each of 21 bits
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def scattered(simplices: Tensor, n: int) -> bool:
    """Whether the nodes of a simplex, or of the next, are far apart in a large mesh of n points."""
    if len(simplices) < MANY:
        return False
    some, after = simplices[:-1:64], simplices[1::64]
    wide = (some.amax(1) - some.amin(1)).double().mean()
    jump = (after[:, 0] - some[:, 0]).abs().double().mean()
    return float(torch.maximum(wide, jump)) > APART * n


def morton(x: Tensor) -> Tensor:
    """(N,) int64 places of points (N, d), d = 2 or 3, along Morton's curve (1966)."""
    low = x.amin(0)
    width = (x.amax(0) - low).amax().clamp(min=torch.finfo(x.dtype).tiny)
    cell = ((x - low) / width * (2**BITS - 1)).long()
    out = torch.zeros_like(cell[:, 0])
    for axis, code in enumerate(cell.unbind(1)):
        for shift, mask in SPREAD:
            code = (code | (code << shift)) & mask
        out |= code << axis
    return out
