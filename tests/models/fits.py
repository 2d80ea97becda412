"""Does a tiny operator learn? Shared by the tests of models."""

from __future__ import annotations

import torch

from meshop.models import Widths
from meshop.testing._models import batch_graphs, sample_graph


def learns(kind, steps=150, lr=1e-2, **sizes):
    """Relative error of a tiny operator, trained on eight small graphs of which each node's target
    depends on its position, an input there and the input's mean; 1 is the error of the mean."""
    torch.manual_seed(0)
    widths = Widths(features=2, inputs=1, out=1)
    graphs = [sample_graph(40, s, widths, dtype=torch.float32) for s in range(8)]
    for g in graphs:
        g.x = g.pos
        g.inputs = torch.sin(g.pos[:, :1] + g.inputs[0])
    g = batch_graphs(graphs)
    share = g.weight / torch.zeros(8).index_add(0, _owner(g), g.weight)[_owner(g)]
    mean = torch.zeros(8).index_add(0, _owner(g), share * g.inputs[:, 0])[_owner(g)]
    target = (torch.cos(2 * g.pos[:, 0]) * g.pos[:, 1] + g.inputs[:, 0] * mean)[:, None]
    model = kind(widths, **sizes)
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    scale = (target - target.mean()).norm()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * (1 - step / steps)
        optimiser.zero_grad()
        error = (model(g) - target).norm() / scale
        error.backward()
        optimiser.step()
    return float(error.detach())


def _owner(g):
    return torch.repeat_interleave(g.ptr.diff())
