"""Messages written out with concatenations, for the tests of models that pass them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from meshop.nn.row_mlp import RowMLP


def perceptron(part: RowMLP, x: Tensor, *before: Tensor) -> Tensor:
    """With the weights of what comes before in x."""
    first, *rest = part.layers
    x = F.linear(x, torch.cat([*before, first.weight], 1), first.bias)
    for layer in rest:
        x = layer(x.clamp(min=0))
    return x if part.norm is None else part.norm(x)


def one_round(
    block, h: Tensor, pos: Tensor, sender: Tensor, receiver: Tensor, mass: Tensor | None = None
) -> Tensor:
    """Nodes h after messages that are summed, or averaged by the senders' mass (N,)."""
    step = pos[sender] - pos[receiver]
    far = step.norm(dim=1, keepdim=True)
    unit = torch.ones(len(h), 1, dtype=h.dtype)
    for i in set(receiver.tolist()):
        unit[i] = far[receiver == i].max()
    unit = unit[receiver]
    edge = torch.cat([h[sender], h[receiver], step / unit, far / unit, unit.log()], 1)
    m = perceptron(block.edge, edge, *block.ends.weight.chunk(2))
    heard = torch.zeros_like(h)
    for i in set(receiver.tolist()):
        mine = receiver == i
        share = torch.ones(int(mine.sum())).to(h) if mass is None else mass[sender[mine]]
        heard[i] = share @ m[mine] / (1 if mass is None else share.sum())
    return h + perceptron(block.node, torch.cat([heard, h], 1), block.heard.weight)
