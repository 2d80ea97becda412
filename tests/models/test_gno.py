"""GNO beside its integral written out pair by pair, and on meshes of any grading."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from meshop.models import Widths
from meshop.models.gno import GNO, _balls
from meshop.nn import nodes
from meshop.testing import sample_graph
from meshop.testing._models import _reorder

WIDTHS = Widths(features=3, inputs=2, cond=1, out=2)


def slow(model: GNO, graph):
    """All nodes are samples: those of a node's ball, each with its weight."""
    x = torch.cat([graph.x, graph.inputs, graph.cond.expand(len(graph.x), -1)], 1)
    side = (graph.pos.amax(0) - graph.pos.amin(0)).max()
    v = model.lift(x)
    for kernel, skip in zip(model.kernels, model.skips, strict=True):
        matrices = kernel.near.weight.unflatten(0, (-1, kernel.width_out))
        new = []
        for i in range(len(x)):
            total, out = 0, 0
            for s in range(len(x)):
                step = (graph.pos[s] - graph.pos[i]) * 2 / side / model.radius
                if float(step.norm()) > 1:
                    continue
                z = torch.cat([step, step.norm()[None], step.new_zeros(1)])
                z = model.basis.step(z) + model.basis.send(x[s]) + model.basis.hear(x[i])
                phi = model.basis.phi(F.silu(z))
                k = torch.einsum("b,bij->ij", phi, matrices)
                share = graph.weight[s] * (1 - step @ step)
                out = out + share * (k @ v[s])
                total = total + share
            new.append(F.gelu(skip(v[i]) + out / total))
        v = torch.stack(new)
    return model.head(v)


def test_equations():
    torch.manual_seed(0)
    model = GNO(WIDTHS, width=6, layers=2, rank=3, hidden=5, radius=0.7).double()
    graph = sample_graph(30, 1, WIDTHS)
    torch.testing.assert_close(model(graph), slow(model, graph), rtol=1e-9, atol=1e-11)


def test_a_kernel_shared_by_all_layers():
    torch.manual_seed(1)
    one = GNO(WIDTHS, width=6, layers=3, rank=2, hidden=5, shared=True).double()
    three = GNO(WIDTHS, width=6, layers=3, rank=2, hidden=5).double()
    state = one.state_dict()
    for name in three.state_dict():
        head, _, rest = name.partition(".")
        if head in ("kernels", "skips"):
            state[name] = state[f"{head}.0.{rest.partition('.')[2]}"]
    three.load_state_dict(state)
    graph = sample_graph(40, 2, WIDTHS)
    torch.testing.assert_close(one(graph), three(graph))


def test_a_split_node_changes_nothing_where_all_nodes_are_samples_too():
    torch.manual_seed(2)
    model = GNO(WIDTHS, width=6, layers=2, rank=2, hidden=5).double()
    graph = sample_graph(25, 3, WIDTHS)
    twice = torch.cat([torch.arange(25), torch.tensor([4])])
    refined = _reorder(graph, twice)
    refined.weight[[4, -1]] /= 2
    torch.testing.assert_close(model(refined), model(graph)[twice])


@pytest.mark.parametrize("grading", [0.0, 6.0])
def test_balls_hold_about_as_many_samples_however_a_mesh_is_graded(grading):
    """Half of the nodes within 1e-6 of a wall: balls of all nodes there would hold thousands."""
    graph = sample_graph(6000, 4, WIDTHS)
    draw = torch.Generator().manual_seed(5)
    layer = torch.rand(3000, generator=draw, dtype=torch.float64)
    graph.pos[:3000, 1] = -1 + layer * 10**-grading
    model = GNO(WIDTHS)
    balls = _balls(nodes(graph), model.samples, model.radius)
    count = balls.rowptr.diff()
    assert int(count.min()) >= 1 and int(count.max()) <= 40
    assert 5 < float(count.double().mean()) < 20
    assert float(balls.share.sum()) == pytest.approx(6000)


def test_finer_sets_of_nodes_bring_it_closer():
    """The same fields at ever more random nodes, asked at the same hundred places."""
    torch.manual_seed(6)
    model = GNO(Widths(features=2, out=1), width=8, layers=2, rank=4, samples=128).double()
    draw = torch.Generator().manual_seed(7)
    asked = 0.9 * (2 * torch.rand(100, 2, generator=draw, dtype=torch.float64) - 1)
    corners = torch.tensor([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=torch.float64)

    def run(n):
        graph = sample_graph(n, n, Widths(features=2, out=1))
        graph.pos = torch.cat([asked, corners, graph.pos[104:]])
        graph.weight = torch.ones(n, dtype=torch.float64)
        graph.x = torch.stack([torch.sin(3 * graph.pos[:, 0]), torch.cos(2 * graph.pos[:, 1])], 1)
        return model(graph)[:100].detach()

    best = run(12000)
    errors = [float((run(n) - best).norm() / (best - best.mean()).norm()) for n in (300, 3000)]
    assert errors[1] < 0.6 * errors[0] and errors[1] < 0.05


def test_default_sizes():
    n = sum(p.numel() for p in GNO(Widths(features=11, out=2)).parameters())
    assert 3e5 < n < 1e6
    for dim, k in ((2, 12), (3, 24)):
        model = GNO(Widths(features=1, out=1, dim=dim))
        ball = {2: math.pi, 3: 4 / 3 * math.pi}[dim] * model.radius**dim
        assert ball / 2**dim * model.samples == pytest.approx(k)
