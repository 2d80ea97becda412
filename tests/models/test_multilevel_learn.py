"""Multilevel and integral operators learn to solve a boundary value problem."""

from __future__ import annotations

import pytest
import torch

from meshop.graph import MeshGraph
from meshop.models import Widths, build_operator
from meshop.testing._models import batch_graphs

NODES = 48
WIDTHS = Widths(features=2, inputs=1, out=1)
SMALL = {
    "mgno": {"width": 12, "layers": 2, "levels": 4, "rank": 3},
    "multipole-gno": {"width": 12, "cycles": 2, "levels": 4, "rank": 3},
    "gno": {"width": 12, "layers": 4, "rank": 4, "samples": 16, "radius": 0.5},
}


def chain(seed: int) -> tuple[MeshGraph, torch.Tensor]:
    """-u'' = f on a chain of nodes, u = 0 at its ends; f two random waves."""
    draw = torch.Generator().manual_seed(seed)
    at = torch.linspace(-1, 1, NODES, dtype=torch.float64)
    pos = torch.stack([at, 0.2 * at], 1)
    a, b = torch.randn(2, generator=draw, dtype=torch.float64)
    f = a * torch.cos(at) + b * torch.sin(2 * at)
    h = 2 / (NODES - 1)
    inside = torch.full((NODES - 2,), 2.0, dtype=torch.float64).diag()
    beside = torch.ones(NODES - 3, dtype=torch.float64)
    matrix = (inside - beside.diag(1) - beside.diag(-1)) / h**2
    u = torch.zeros(NODES, dtype=torch.float64)
    u[1:-1] = torch.linalg.solve(matrix, f[1:-1])
    here = torch.arange(NODES - 1)
    edges = torch.cat([torch.stack([here, here + 1]), torch.stack([here + 1, here])], 1)
    edges = edges[:, edges[1].argsort(stable=True)]
    rowptr = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(edges[1]).cumsum(0)])
    none = torch.zeros(0, 2)
    graph = MeshGraph(
        pos=pos.float(),
        x=pos.float(),
        inputs=f.float()[:, None],
        weight=torch.ones(NODES),
        cond=torch.zeros(1, 0),
        edge_index=edges,
        rowptr=rowptr,
        edge_attr=torch.zeros(edges.shape[1], 3),
        wall_x=none,
        wall_batch=torch.zeros(0, dtype=torch.long),
    )
    return graph, u.float()[:, None]


def unexplained(name: str, steps: int = 80) -> float:
    """Squared error on new sources after training, over that of their mean."""
    torch.manual_seed(0)
    model = build_operator(name, WIDTHS, **SMALL[name])

    def together(seeds: range) -> tuple[MeshGraph, torch.Tensor]:
        made = [chain(s) for s in seeds]
        return batch_graphs([g for g, _ in made]), torch.cat([u for _, u in made])

    graph, target = together(range(16))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        (model(graph) - target).square().mean().backward()
        optimiser.step()
        schedule.step()
    graph, target = together(range(100, 110))
    with torch.no_grad():
        return float((model(graph) - target).square().mean() / target.var())


@pytest.mark.parametrize("name", sorted(SMALL))
def test_learns_an_inverse(name):
    assert unexplained(name) < 0.1
