"""BVP-GNN beside the paper's equations, with a dense Laplacian entry by entry."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshop.models import Widths
from meshop.models.bvp_gnn import BVPGNN
from meshop.testing import sample_graph
from meshop.testing._models import batch_graphs

from .graph_learning import relative_error, waves
from .slow_messages import heard_at_6

WIDTHS = Widths(features=4, inputs=2, cond=1, out=3, scalars=1)


def slow_laplacian(graph, scaling: str) -> Tensor:
    n, dim = len(graph.x), graph.pos.shape[1]
    measure = graph.weight / graph.weight.sum()
    hears = [[j for j in graph.edge_index[0][graph.edge_index[1] == i].tolist() if j != i]
             for i in range(n)]  # fmt: skip
    stiffness = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in hears[i]:
            faces = dim * (measure[i] / len(hears[i]) + measure[j] / len(hears[j]))
            stiffness[i, j] = -faces / (graph.pos[i] - graph.pos[j]).square().sum()
        stiffness[i, i] = -stiffness[i].sum()
    if scaling == "degree":
        return stiffness / stiffness.diagonal()[:, None] - torch.eye(n)
    rate = stiffness / measure[:, None]
    return 2 * rate / (2 * rate.diagonal().max()) - torch.eye(n)


@pytest.mark.parametrize("scaling", ["degree", "mass"])
def test_equations(scaling):
    torch.manual_seed(0)
    model = BVPGNN(WIDTHS, width=8, layers=3, terms=5, scaling=scaling).double()
    graph = sample_graph(30, 1, WIDTHS, edges=True)
    laplacian = slow_laplacian(graph, scaling)
    h = model.lift(torch.cat([graph.x, graph.inputs, graph.cond.expand(30, -1)], 1))
    for layer in model.layers:
        terms = [h, laplacian @ h]
        while len(terms) < 5:
            terms.append(2 * laplacian @ terms[-1] - terms[-2])
        weights = layer.mix.weight.split(8, dim=1)
        h = sum(t @ w.t() for t, w in zip(terms, weights, strict=True)) + layer.mix.bias
        h = h.clamp(min=0)
    torch.testing.assert_close(model(graph), model.head(h), rtol=1e-9, atol=1e-11)


def test_every_graph_of_a_batch_has_its_own_bound():
    torch.manual_seed(0)
    model = BVPGNN(WIDTHS, width=8, layers=1, scaling="mass").double()
    graphs = [sample_graph(n, n, WIDTHS, edges=True) for n in (20, 1, 9)]
    found = model(batch_graphs(graphs))
    torch.testing.assert_close(found, torch.cat([model(g) for g in graphs]))


def test_reach():
    """A node knows `layers` times `terms` - 1 neighbours in a row."""
    assert heard_at_6(BVPGNN, layers=2, terms=3) == [False] * 2 + [True] * 5 + [False]


def test_learns():
    torch.manual_seed(0)
    graph = waves(edges=True)
    widths = Widths(features=2, tokens=4, wall_inputs=1, cond=2, out=1)
    assert relative_error(BVPGNN(widths, width=16, layers=2), graph, 120) < 0.1
