"""BSMS-GNN beside the paper's equations, written out with concatenations and dense transfers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshop.graph import LevelSpec, levels_of
from meshop.models import Widths
from meshop.models.bsms import BSMS
from meshop.testing import sample_graph

from .graph_learning import relative_error, waves
from .slow_messages import assert_same, one_round, perceptron

WIDTHS = Widths(features=4, inputs=2, cond=1, out=3, scalars=1)


def slow(model: BSMS, graph) -> Tensor:
    levels = levels_of(graph, LevelSpec(method="bistride", count=len(model.messages.up)))
    h = torch.cat([graph.x, graph.inputs, graph.cond.expand(len(graph.x), -1)], 1)
    h = perceptron(model.node, h)
    sets = [(graph.pos, *graph.edge_index)] + [(v.pos, *v.edge_index()) for v in levels]
    skips = []
    for (block,), where, level in zip(model.messages.down, sets, (*levels, None), strict=True):
        h = one_round(block, h, *where)
        if level is not None:
            skips.append(h)
            h = level.down.dense() @ h
    for number in (1, 0):
        (block,) = model.messages.up[number]
        h = skips[number] + one_round(block, levels[number].up.dense() @ h, *sets[number])
    return model.head(h)


def test_equations():
    torch.manual_seed(0)
    model = BSMS(WIDTHS, width=8, levels=2).double()
    graph = sample_graph(40, 1, WIDTHS, edges=True)
    assert_same(model, slow, graph)


def chain(n: int, widths: Widths):
    graph = sample_graph(n, 0, widths)
    graph.pos = torch.arange(n, dtype=torch.float64)[:, None].expand(n, 2)
    left, right = torch.arange(n - 1), torch.arange(1, n)
    both = torch.cat([torch.stack([left, right]), torch.stack([right, left])], 1)
    order = torch.argsort(both[1] * n + both[0])
    graph.edge_index = both[:, order]
    graph.rowptr = torch.cat([torch.zeros(1).long(), torch.bincount(both[1]).cumsum(0)])
    return graph


@pytest.mark.parametrize(("levels", "reach"), [(1, False), (5, True)])
def test_levels_reach_across_a_chain(levels, reach):
    """With five levels both ends of 65 nodes see each other, over 11 rounds; with one they do
    not."""
    torch.manual_seed(0)
    widths = Widths(features=1, out=1)
    model = BSMS(widths, width=8, levels=levels, hidden=1).double()
    graph = chain(65, widths)
    graph.x.requires_grad_()
    (slope,) = torch.autograd.grad(model(graph)[0].sum(), graph.x)
    assert bool(slope[-1] != 0) is reach


def test_levels_that_a_graph_carries_are_used():
    torch.manual_seed(0)
    model = BSMS(WIDTHS, width=8, levels=2).double()
    graph = sample_graph(30, 2, WIDTHS, edges=True)
    graph.weight = graph.weight.float().double()  # as carried levels hold it
    expected = model(graph)
    spec = LevelSpec(method="bistride", count=2)
    graph.levels = levels_of(graph, spec)
    torch.testing.assert_close(model(graph), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="expected 3 levels, the graph carries 2"):
        BSMS(WIDTHS, width=8, levels=3).double()(graph)


def test_learns():
    torch.manual_seed(0)
    graph = waves(edges=True)
    widths = Widths(features=2, tokens=4, wall_inputs=1, cond=2, out=1)
    model = BSMS(widths, width=16, levels=2, hidden=1)
    assert relative_error(model, graph, 60) < 0.15
