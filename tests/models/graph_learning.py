"""A tiny smooth problem, to see that an operator on a graph learns at all."""

from __future__ import annotations

from dataclasses import replace

import torch

from meshop.graph import MeshGraph
from meshop.testing import sample_graph
from meshop.testing._models import WIDTHS, batch_graphs


def waves(cases=8, n=60, edges=False) -> MeshGraph:
    """y = c_2 sin(2 x + c_1) on random points, c the conditions of a case."""
    widths = replace(WIDTHS, inputs=0)
    graphs = [sample_graph(n, s, widths, edges=edges, dtype=torch.float32) for s in range(cases)]
    for g in graphs:
        g.x = g.pos
        g.y = torch.sin(2 * g.pos[:, :1] + g.cond[:, :1]) * g.cond[:, 1:]
    return batch_graphs(graphs)


def relative_error(model, g, steps, lr=3e-3) -> float:
    """Mean square error over the variance of y, after some steps on all cases at once."""
    best = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        loss = (model(g) - g.y).square().mean() / g.y.var()
        best.zero_grad()
        loss.backward()
        best.step()
    return float(loss.detach())
