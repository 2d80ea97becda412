"""Messages written out with concatenations, for the tests of models that pass them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from meshop.graph import MeshGraph
from meshop.models import Operator, Widths
from meshop.nn.row_mlp import RowMLP
from meshop.testing import sample_graph


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


def assert_same(model, slow: Callable, graph: MeshGraph) -> None:
    """Fields of `model` and of slow(model, graph), and the gradients of all weights."""
    found, expected = model(graph), slow(model, graph)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    params = [p for name, p in model.named_parameters() if not name.startswith("scalar")]
    one = torch.autograd.grad(found.square().sum(), params)
    two = torch.autograd.grad(expected.square().sum(), params)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def heard_at_6(kind: type[Operator], **sizes: int) -> list[bool]:
    """Which of 8 nodes, in a chain whose edges run to the right, the seventh depends on."""
    torch.manual_seed(0)
    widths = Widths(features=1, out=1)
    model = kind(widths, width=8, **sizes).double()
    graph = sample_graph(8, 0, widths)
    graph.pos = torch.arange(8, dtype=torch.float64)[:, None].expand(8, 2)
    graph.edge_index = torch.tensor([range(7), range(1, 8)])
    graph.rowptr = torch.tensor([0, *range(8)])
    graph.x.requires_grad_()
    (slope,) = torch.autograd.grad(model(graph)[6].sum(), graph.x)
    return (slope[:, 0] != 0).tolist()
