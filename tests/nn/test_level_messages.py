"""Scales of a batch, and the way down and up of the V when its rounds say nothing."""

from __future__ import annotations

import pytest
import torch

from meshop.graph import LevelSpec, levels_of
from meshop.nn import nodes
from meshop.nn.level_messages import LevelMessages, scales
from meshop.testing import sample_graph
from meshop.testing._models import batch_graphs


@pytest.mark.parametrize("method", ["bistride", "farthest"])
def test_scales_of_a_batch_are_those_of_its_graphs(method):
    spec = LevelSpec(method=method, count=2)
    graphs = [sample_graph(n, n, edges=True) for n in (30, 1, 12)]
    alone = [scales(g, nodes(g), spec) for g in graphs]
    batch = batch_graphs(graphs)
    for number, scale in enumerate(scales(batch, nodes(batch), spec)):
        parts = [found[number] for found in alone]
        for name in ("share", "step"):
            whole = torch.cat([getattr(p, name) for p in parts])
            torch.testing.assert_close(getattr(scale, name), whole)
        assert torch.equal(scale.rowptr.diff(), torch.cat([p.rowptr.diff() for p in parts]))
        starts = torch.tensor([0, *(len(p.rowptr) - 1 for p in parts)]).cumsum(0)[:-1]
        for name in ("sender", "receiver"):
            moved = [getattr(p, name) + at for p, at in zip(parts, starts, strict=True)]
            assert torch.equal(getattr(scale, name), torch.cat(moved))


def test_silent_rounds_leave_skips_and_transfers():
    """h + P h_1 with h_1 = R h + P' (R' R h): every level adds what it knows."""
    spec = LevelSpec(method="farthest", count=2)
    graph = sample_graph(40, 1, edges=True)
    model = LevelMessages(3, 2, [(1, 1), (1, 1), (2, 0)], depth=1).double()
    for p in model.parameters():
        torch.nn.init.zeros_(p)
    h = torch.randn(40, 3).double()
    one, two = levels_of(graph, spec)
    mean = one.down.dense() @ h
    mean = mean + two.up.dense() @ two.down.dense() @ mean
    found = model(h, scales(graph, nodes(graph), spec), lambda block, *args: block(*args))
    torch.testing.assert_close(found, h + one.up.dense() @ mean)
