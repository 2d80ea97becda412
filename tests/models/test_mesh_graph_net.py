"""MeshGraphNets beside the paper's equations, written out with concatenations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meshop.models import Widths
from meshop.models.mesh_graph_net import MeshGraphNet
from meshop.nn.row_mlp import RowMLP
from meshop.testing import sample_graph

WIDTHS = Widths(features=4, inputs=2, cond=1, out=3, scalars=1)


def perceptron(part: RowMLP, x: Tensor, *before: Tensor) -> Tensor:
    """With the weights of what comes before in x."""
    first, *rest = part.layers
    x = F.linear(x, torch.cat([*before, first.weight], 1), first.bias)
    for layer in rest:
        x = layer(x.clamp(min=0))
    return part.norm(x)


def slow(model: MeshGraphNet, graph) -> Tensor:
    sender, receiver = graph.edge_index
    step = graph.pos[sender] - graph.pos[receiver]
    far = step.norm(dim=1, keepdim=True)
    longest = torch.stack([far[receiver == i].max() for i in range(len(graph.x))])[receiver, None]
    cond = graph.cond.expand(len(graph.x), -1)
    h = perceptron(model.node, torch.cat([graph.x, graph.inputs, cond], 1))
    e = perceptron(model.edge, torch.cat([step / longest, far / longest, longest.log()], 1))
    for block in model.blocks:
        own = block.ends.weight.chunk(2)
        e = e + perceptron(block.edge, torch.cat([h[sender], h[receiver], e], 1), *own)
        heard = torch.stack([e[receiver == i].sum(0) for i in range(len(h))])
        # Columns: what is heard, then the node's own.
        h = h + perceptron(block.node, torch.cat([heard, h], 1), block.heard.weight)
    return model.head(h)


def test_equations():
    torch.manual_seed(0)
    model = MeshGraphNet(WIDTHS, width=8, layers=3).double()
    graph = sample_graph(40, 1, WIDTHS, edges=True)
    found, expected = model(graph), slow(model, graph)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    params = [p for name, p in model.named_parameters() if not name.startswith("scalar")]
    one = torch.autograd.grad(found.square().sum(), params)
    two = torch.autograd.grad(expected.square().sum(), params)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_published_size():
    """15 rounds of 128: every perceptron has two hidden layers, and all but the last a norm."""

    def count(n_in: int, n_out: int, norm: bool = True) -> int:
        c = 128
        return (n_in + 1) * c + (c + 1) * c + (c + 1) * n_out + 2 * n_out * norm

    widths = Widths(features=11, out=2)
    n = sum(p.numel() for p in MeshGraphNet(widths).parameters())
    rounds = 15 * (count(3 * 128, 128) + count(2 * 128, 128))
    assert n == count(11, 128) + count(4, 128) + rounds + count(128, 2, norm=False)


@pytest.mark.parametrize("aggregate", ["sum", "mean", "quadrature"])
def test_what_many_neighbours_do(aggregate):
    """A sum says how many neighbours there are, a mean does not."""
    torch.manual_seed(0)
    model = MeshGraphNet(Widths(features=1, out=1), width=8, layers=1, aggregate=aggregate).double()
    one, two = (_star(k) for k in (3, 6))
    near = float((model(one)[0] - model(two)[0]).abs().max().detach())
    assert near > 1e-3 if aggregate == "sum" else near < 1e-12


def _star(k: int):
    """Node 0 with k neighbours at one and the same place and of one weight."""
    graph = sample_graph(k + 1, 0, Widths(features=1, out=1))
    graph.pos = torch.ones(k + 1, 2, dtype=torch.float64)
    graph.pos[0] = 0
    graph.x = torch.ones(k + 1, 1, dtype=torch.float64)
    graph.weight = torch.ones(k + 1, dtype=torch.float64)
    graph.edge_index = torch.stack([torch.arange(1, k + 1), torch.zeros(k, dtype=torch.long)])
    graph.rowptr = torch.tensor([0, *[k] * (k + 1)])
    return graph


def test_messages_cross_as_many_cells_as_there_are_rounds():
    torch.manual_seed(0)
    widths = Widths(features=1, out=1)
    model = MeshGraphNet(widths, width=8, layers=3).double()
    graph = sample_graph(8, 0, widths)
    graph.pos = torch.arange(8, dtype=torch.float64)[:, None].expand(8, 2)
    graph.edge_index = torch.tensor([range(7), range(1, 8)])  # a chain, from the left
    graph.rowptr = torch.tensor([0, *range(8)])
    graph.x.requires_grad_()
    (slope,) = torch.autograd.grad(model(graph)[6].sum(), graph.x)
    assert (slope[:, 0] != 0).tolist() == [False] * 3 + [True] * 4 + [False]


def test_learns():
    """A smooth field's Laplacian-like stencil is learnt in a few steps."""
    torch.manual_seed(0)
    widths = Widths(features=1, out=1)
    model = MeshGraphNet(widths, width=16, layers=2)
    graph = sample_graph(200, 3, widths, edges=True, dtype=torch.float32)
    sender, receiver = graph.edge_index
    target = torch.zeros(200, 1).index_add(0, receiver, graph.x[sender] - graph.x[receiver])
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    start = None
    for _ in range(60):
        loss = nn.functional.mse_loss(model(graph), target)
        start = float(loss.detach()) if start is None else start
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05 * start
