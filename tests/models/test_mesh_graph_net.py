"""MeshGraphNets beside the paper's equations, written out with concatenations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from meshop.models import Widths
from meshop.models.mesh_graph_net import MeshGraphNet
from meshop.testing import sample_graph

from .slow_messages import assert_same, heard_at_6, perceptron

WIDTHS = Widths(features=4, inputs=2, cond=1, out=3, scalars=1)


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
    assert_same(model, slow, graph)


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
    assert heard_at_6(MeshGraphNet, layers=3) == [False] * 3 + [True] * 4 + [False]


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
