"""Plain multilayer perceptron."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(*widths: int, act: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Linear layers of the given widths with an activation between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), act()]
    return nn.Sequential(*layers[:-1])
