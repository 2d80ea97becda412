"""A small operator to be learned, for the tests of models that code a field and decode it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meshop.graph import MeshGraph
from meshop.models import Widths
from meshop.testing._models import batch_graphs


def wave(n: int, seed: int) -> tuple[MeshGraph, Tensor]:
    """The input a sin(pi x) + b cos(pi y) at n random points, and a cos(pi x) - b sin(pi y)."""
    draw = torch.Generator().manual_seed(seed)
    pos = 2 * torch.rand(n, 2, generator=draw) - 1
    a, b = torch.randn(2, generator=draw)
    x, y = torch.pi * pos.T
    tokens = torch.zeros(0, 2)
    graph = MeshGraph(
        pos=pos,
        x=pos.clone(),
        inputs=(a * x.sin() + b * y.cos())[:, None],
        weight=torch.rand(n, generator=draw) + 0.2,
        cond=torch.zeros(1, 0),
        wall_pos=tokens,
        wall_x=tokens,
        wall_inputs=tokens[:, :0],
        wall_weight=tokens[:, 0],
        wall_batch=torch.zeros(0, dtype=torch.long),
    )
    return graph, (a * x.cos() - b * y.sin())[:, None]


WAVE = Widths(features=2, inputs=1, out=1)


def share_unexplained(model: nn.Module, steps: int, lr: float, cases: int = 32) -> float:
    """Squared error on new cases after training, over that of their mean."""

    def together(seeds: range) -> tuple[MeshGraph, Tensor]:
        made = [wave(40, s) for s in seeds]
        return batch_graphs([g for g, _ in made]), torch.cat([u for _, u in made])

    graph, target = together(range(cases))
    optimiser = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        (model(graph) - target).square().mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    graph, target = together(range(1000, 1012))
    model.eval()
    with torch.no_grad():
        return float((model(graph) - target).square().mean() / target.var())
