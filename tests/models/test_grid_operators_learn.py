"""Operators on grids and tokens learn a smooth operator in seconds."""

from __future__ import annotations

import pytest
import torch

from meshop.models import Widths, registry
from meshop.testing import sample_graph
from meshop.testing._models import batch_graphs

SIZES = {
    "fno": {"width": 16, "modes": 4, "layers": 2, "grid": 12, "projection": 32},
    "factformer": {"width": 16, "heads": 2, "head": 8, "layers": 2, "grid": 12, "projection": 32},
    "nuno": {"width": 16, "modes": 4, "layers": 2, "depth": 1, "grid": 12, "projection": 32},
    "gaot": {
        "channels": 16, "tokens": 8, "hidden": 16, "depth": 1, "width": 32, "heads": 2, "layers": 2
    },
}  # fmt: skip


def cases(count, seed):
    """u at a node depends on the input's field elsewhere: a field, given, and its derivative."""
    g = torch.Generator().manual_seed(seed)
    graphs, fields, widths = [], [], Widths(features=1, inputs=1, out=1)
    for i in range(count):
        graph = sample_graph(120 + i, 100 * seed + i, widths, dtype=torch.float32)
        k = 2 * torch.randn(3, 2, generator=g)
        phase, size = 6 * torch.rand(3, generator=g), torch.randn(3, generator=g)
        graph.x, graph.weight = torch.ones(len(graph.pos), 1), torch.ones(len(graph.pos))
        at = graph.pos @ k.T + phase
        graph.inputs = (at.sin() * size).sum(1, keepdim=True)
        fields.append((at.cos() * size * k[:, 0]).sum(1, keepdim=True))
        graphs.append(graph)
    return batch_graphs(graphs), torch.cat(fields)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_it_learns_a_derivative(name):
    torch.manual_seed(0)
    model = registry()[name](Widths(features=1, inputs=1, out=1), **SIZES[name])
    batch, field = cases(12, 1)
    steps = 80
    step = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(step, 1e-2, total_steps=steps)
    for _ in range(steps):
        step.zero_grad()
        loss = (model(batch) - field).square().mean() / field.var()
        loss.backward()
        step.step()
        rate.step()
    assert loss.detach().sqrt() < 0.4
