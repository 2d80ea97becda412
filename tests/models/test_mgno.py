"""MgNO: the linear V-cycle, and on a grid the convolutional one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from meshop.graph import Level, LevelSpec, MeshGraph, levels_of
from meshop.models import Widths
from meshop.models.mgno import MgNO
from meshop.ops import Csr
from meshop.testing import sample_graph

WIDTHS = Widths(features=3, inputs=2, cond=1, out=2)


def test_the_cycle_is_linear_in_single_precision():
    torch.manual_seed(0)
    model = MgNO(WIDTHS, width=16, levels=3, layers=2)
    graph = sample_graph(300, 1, WIDTHS, edges=True, dtype=torch.float32)
    with torch.no_grad():
        rungs = model.rungs(graph)
        for cycle, n in zip(model.cycles, (WIDTHS.nodes, 16), strict=True):
            u, v = torch.randn(2, 300, n)
            left = cycle(2.5 * u - 0.5 * v, rungs)
            right = 2.5 * cycle(u, rungs) - 0.5 * cycle(v, rungs)
            assert float((left - right).norm() / right.norm()) < 1e-5
            assert float(right.norm()) > 0.1


@pytest.mark.parametrize("coarsening", ["farthest", "smoothed", "aggregation", "bistride"])
def test_transfers_keep_constants_and_integrals(coarsening):
    model = MgNO(WIDTHS, width=4, levels=3, layers=1, coarsening=coarsening)
    graph = sample_graph(200, 2, WIDTHS, edges=True)
    above = graph.weight
    for level in levels_of(graph, model.spec):
        ones = torch.ones(len(above), 1, dtype=torch.float64)
        assert float((level.down(ones) - 1).abs().max()) < 1e-12
        assert float((level.up(level.down(ones)) - 1).abs().max()) < 1e-12
        x = torch.rand(len(above), 1, dtype=torch.float64)
        assert abs(float(level.weight @ level.down(x) - above @ x)) < 1e-12 * float(above @ x)
        above = level.weight


def test_nodes_without_weight_say_nothing():
    """As cells of a lower dimension do: all is finite, also where they are all that is near."""
    torch.manual_seed(0)
    model = MgNO(WIDTHS, width=4, levels=2, layers=1)
    graph = sample_graph(60, 3, WIDTHS, edges=True, dtype=torch.float32)
    graph.weight[graph.edge_index[0, graph.edge_index[1] == 7]] = 0
    rung = model.rungs(graph)[0]
    assert not rung.share[rung.row == 7].any() and float(rung.share.sum()) > 50
    assert bool(model(graph).isfinite().all())


class Indicators(nn.Module):
    """One function for each of a grid's eight neighbours, and no weights."""

    def forward(self, step, share, sender, receiver):
        where = (step[:, :2] * 2**0.5).round().long() + 1  # the longest edge is the diagonal
        place = 3 * where[:, 0] + where[:, 1]
        return F.one_hot(place - (place > 4).long(), 8).to(step.dtype)


def grid(high, wide, h):
    """Places (row, column) of a grid's points and its edges, to the eight around."""
    at = torch.stack(torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij"), -1)
    at = at.reshape(-1, 2)
    step = (at[None] - at[:, None]).abs().amax(2)
    receiver, sender = (step == 1).nonzero().t()
    rowptr = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(receiver).cumsum(0)])
    return (at + 0.5).double() * h, torch.stack([sender, receiver]), rowptr


def halved(high, wide, h):
    """The level of squares of four points below a grid."""
    pos, edges, rowptr = grid(high // 2, wide // 2, 2 * h)
    i, j = torch.arange(high)[:, None] // 2, torch.arange(wide)[None] // 2
    n = len(pos)
    up = Csr(
        torch.arange(high * wide + 1),
        (i * (wide // 2) + j).flatten(),
        torch.ones(high * wide, dtype=torch.float64),
        n,
    )
    down = Csr(up.t.rowptr, up.t.index, up.t.value / 4, high * wide)
    weight = torch.full((n,), 4 * h**2, dtype=torch.float64)
    free = torch.zeros(n, dtype=torch.bool)
    return Level(pos, weight, free, torch.tensor([0, n]), rowptr, edges[0], up, down)


def convolution(kernel):
    """A `BasisKernel` with `Indicators` as a 3 x 3 convolution that pads with zeros."""
    taps = list(kernel.near.weight.unflatten(0, (8, -1)))
    taps.insert(4, kernel.own.weight)
    weight = torch.stack(taps, -1).unflatten(-1, (3, 3))
    return lambda x: F.conv2d(x, weight, padding=1)


def grid_cycle(cycle, f, u=None, level=0):
    """The V-cycle of the paper in convolutions, pools and nearest neighbours."""

    def smooth(steps, u):
        for step in steps:
            s = convolution(step.smoother)
            u = s(f) if u is None else u + s(f - a(u))
        return u

    def mix(layer, x):
        return F.conv2d(x, layer.weight[:, :, None, None])

    deepest = level == len(cycle.transfers)
    a = convolution(cycle.before[level][0].operator if deepest else cycle.operators[level])
    u = smooth(cycle.before[level], u)
    if not deepest:
        t = cycle.transfers[level]
        rest, start = (F.avg_pool2d(x, 2) for x in (f - a(u), u))
        below = grid_cycle(cycle, mix(t.down, rest), mix(t.first, start), level + 1)
        u = u + F.interpolate(mix(t.up, below), scale_factor=2)
    return smooth(cycle.after[level], u)


@pytest.mark.parametrize("before, after", [(1, 1), (2, 0)])
def test_on_a_grid_it_is_the_convolutional_network(before, after):
    torch.manual_seed(0)
    high, wide, h = 8, 12, 0.125
    widths = Widths(features=3, out=2)
    model = MgNO(widths, width=5, layers=2, levels=2, before=before, after=after).double()
    model.basis = Indicators()
    pos, edges, rowptr = grid(high, wide, h)
    weight = torch.full((len(pos),), h**2, dtype=torch.float64)
    x, cond = torch.randn(len(pos), 3, dtype=torch.float64), torch.zeros(1, 0)
    graph = MeshGraph(pos=pos, x=x, weight=weight, edge_index=edges, rowptr=rowptr, cond=cond)
    graph.levels = (halved(high, wide, h), halved(high // 2, wide // 2, 2 * h))
    v = x.t().unflatten(1, (high, wide))[None]
    for cycle, skip in zip(model.cycles, model.skips, strict=True):
        own = F.conv2d(v, skip.weight[:, :, None, None], skip.bias)
        v = F.gelu(grid_cycle(cycle, v) + own)
    expected = model.head(v[0].flatten(1).t())
    torch.testing.assert_close(model(graph), expected, rtol=1e-10, atol=1e-12)


def test_the_operator_of_a_level_is_one():
    """Steps and the residual share A, which is saved once; every step has its own S."""
    model = MgNO(WIDTHS, width=4, levels=2, layers=1, before=1, after=2)
    cycle = model.cycles[0]
    for level, operator in enumerate(cycle.operators):
        steps = [*cycle.before[level], *cycle.after[level]]
        assert all(step.operator.owned[0] is operator for step in steps)
        assert len({id(step.smoother) for step in steps}) == len(steps) == 3 + (level == 0)
    names = model.state_dict()
    assert len({t.data_ptr() for t in names.values()}) == len(names)
    with pytest.raises(ValueError, match="one smoothing step"):
        MgNO(WIDTHS, before=0, after=0)


def test_default_size():
    """Published with C = 24 to 32 and about half a million parameters."""
    n = sum(p.numel() for p in MgNO(Widths(features=11, out=2)).parameters())
    assert 3e5 < n < 1e6
    assert MgNO(Widths(features=1, out=1, dim=3)).spec == LevelSpec(
        method="farthest", count=4, ratio=0.125
    )
