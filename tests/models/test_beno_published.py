"""The published BENO, edge by edge as its paper writes it."""

from __future__ import annotations

from dataclasses import replace

import torch

from meshop.models import Widths
from meshop.models.beno_published import PublishedBENO
from meshop.nn import walls
from meshop.testing import WIDTHS, sample_graph

from .graph_learning import relative_error, waves


def tiny():
    torch.manual_seed(0)
    return PublishedBENO(WIDTHS, width=8, layers=2, wall_layers=1).double().eval()


def branch_by_hand(branch, g, f, data):
    n, pos, w = len(g.x), g.pos, g.weight
    sender, receiver = g.edge_index.tolist()
    h = branch.node(torch.cat([g.x, f, g.cond.expand(n, -1)], 1))
    wall = walls(g, cond=False)
    t = branch.token(torch.cat([g.wall_x, data, g.cond.expand(len(g.wall_x), -1)], 1))
    for layer in branch.boundary:
        t = layer(t, None, wall)[0]
    b = t.amax(0)
    edges = []
    for j, i in zip(sender, receiver, strict=True):
        reach = max(
            (pos[k] - pos[i]).norm() for k, m in zip(sender, receiver, strict=True) if m == i
        )
        step = (pos[j] - pos[i]) / reach
        edges.append(torch.cat([step, step.norm()[None], reach.log()[None], f[j], f[i]]))
    e = branch.edge(torch.stack(edges))
    for layer in branch.layers:
        # One perceptron on [h_i, h_j, e_ij], whose first matrix is kept in three parts.
        first = torch.cat([layer.receiver.weight, layer.sender.weight, layer.edge.weight], 1)
        z = torch.cat([h[receiver], h[sender], e], 1) @ first.T + layer.receiver.bias
        e = e + layer.edge_rest(z)
        mean = torch.zeros_like(h)
        for i in range(n):
            mine = [m for m, r in enumerate(receiver) if r == i]
            share = w[[sender[m] for m in mine]]
            mean[i] = (share / share.sum()) @ e[mine]
        h = h + layer.node(torch.cat([mean, h, b.expand(n, -1)], 1))
    return branch.decode(h)


def test_values_match_the_equations_edge_by_edge():
    model, g = tiny(), sample_graph(13, 1, edges=True, tokens=5)
    # The order of f_i and f_j, and a branch without f and one without g.
    model_f = branch_by_hand(model.f, g, g.inputs, g.wall_inputs[:, :0])
    model_g = branch_by_hand(model.g, g, g.inputs[:, :0], g.wall_inputs)
    torch.testing.assert_close(model(g), model_f + model_g, rtol=1e-7, atol=1e-9)


def test_a_branch_sees_its_own_data_alone():
    """The public code shows the mean of g to the branch whose boundary data should be zero."""
    model, g = tiny(), sample_graph(20, 2, edges=True)
    other = g.clone()
    other.wall_inputs = 2 + g.wall_inputs
    third = g.clone()
    third.inputs = 1 - 3 * g.inputs
    both = other.clone()
    both.inputs = third.inputs
    # u = F(f) + G(g): the mixed difference vanishes.
    torch.testing.assert_close(model(both) - model(third), model(other) - model(g))
    assert not torch.allclose(model(other), model(g))


def test_defaults_are_the_published_sizes():
    model = PublishedBENO(Widths(features=3, inputs=4, tokens=2, wall_inputs=1, out=1))
    assert len(model.f.layers) == len(model.g.layers) == 10
    assert [len(model.f.boundary), model.f.boundary[0].attention.heads] == [3, 2]
    assert model.f.boundary[0].mlp[0].out_features == 16
    linear = [m for m in model.f.node.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linear) == 4 and linear[0].out_features == 128  # three hidden layers


def test_it_learns_a_smooth_field():
    torch.manual_seed(0)
    g = waves(edges=True)
    model = PublishedBENO(
        replace(WIDTHS, features=2, inputs=0, out=1, scalars=0), width=16, layers=2, wall_layers=1
    )
    assert relative_error(model, g, 80) < 0.1
