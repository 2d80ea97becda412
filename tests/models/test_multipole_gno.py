"""Multipole GNO beside its equations with a matrix for every edge, and which edges a level has."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from meshop.graph import LevelSpec, levels_of
from meshop.models import Widths
from meshop.models.multipole_gno import MultipoleGNO
from meshop.nn import nodes
from meshop.nn.ladder import ladder
from meshop.ops import knn
from meshop.testing import sample_graph

WIDTHS = Widths(features=3, inputs=2, cond=1, out=2)


def integral(basis, kernel, v, edges, share, known, where):
    """(K v) at len(where[1]) receivers, edge by edge. edges: (sender, receiver) pairs; where:
    places of senders and receivers; known: what those know."""
    count = len(where[1])
    matrices = kernel.near.weight.unflatten(0, (-1, kernel.width_out))
    longest = [0.0] * count
    for s, r in edges:
        longest[r] = max(longest[r], float((where[0][s] - where[1][r]).norm()))
    out = torch.zeros(count, kernel.width_out, dtype=v.dtype)
    for (s, r), w in zip(edges, share, strict=True):
        unit = torch.tensor(longest[r] or 1.0, dtype=v.dtype)
        step = (where[0][s] - where[1][r]) / unit
        z = torch.cat([step, step.norm()[None], unit.log()[None]])
        z = basis.step(z) + basis.send(known[0][s]) + basis.hear(known[1][r])
        phi = basis.phi(F.silu(z))
        out[r] += w * torch.einsum("b,bij,j->i", phi, matrices, v[s])
    return out if kernel.own is None else out + kernel.own(v)


def slow(model, graph):
    x = torch.cat([graph.x, graph.inputs, graph.cond.expand(len(graph.x), -1)], 1)
    levels = levels_of(graph, model.spec)
    where = [graph.pos, *(level.pos for level in levels)]
    weight = [graph.weight, *(level.weight for level in levels)]
    known = [x]
    for level in levels:
        known.append(level.down.dense() @ known[-1])
    near, reach = [], None
    drawn = [graph.edge_index, *(level.edge_index() for level in levels)]
    for place, edges in zip(where, drawn, strict=True):
        pairs = edges.t().tolist()
        if reach is not None:
            reach = levels[len(near) - 1].down.dense() @ reach
            pairs = [(s, r) for s, r in pairs if (place[s] - place[r]).norm() > reach[r]]
        new = torch.zeros(len(place), dtype=torch.float64) if reach is None else reach.clone()
        for s, r in pairs:
            new[r] = torch.maximum(new[r], (place[s] - place[r]).norm())
        near.append(pairs)
        reach = new

    def own(level, v, kernel):
        total = torch.zeros(len(where[level]), dtype=torch.float64)
        for s, r in near[level]:
            total[r] += weight[level][s]
        share = [weight[level][s] / total[r] for s, r in near[level]]
        both = (known[level],) * 2
        return integral(model.near, kernel, v, near[level], share, both, (where[level],) * 2)

    def between(level, v, kernel, down):
        way = levels[level].down if down else levels[level].up
        a, b = (level, level + 1) if down else (level + 1, level)
        pairs = list(zip(way.index.tolist(), way.row.tolist(), strict=True))
        basis, ends = model.down if down else model.up, (known[a], known[b])
        return integral(basis, kernel, v, pairs, way.value, ends, (where[a], where[b]))

    def cycle(part, f, level=0):
        v = f + own(level, f, part.after[level][0].kernel)
        if level < len(levels):
            kernels = part.transfers[level]
            below = F.gelu(between(level, f, kernels.coarser, True))
            v = v + between(level, cycle(part, below, level + 1), kernels.finer, False)
        return F.gelu(v)

    v = model.lift(x)
    for number in range(model.count):
        v = cycle(model.cycles[number % len(model.cycles)], v)
    return model.head(v)


@pytest.mark.parametrize("shared", [True, False])
def test_equations(shared):
    torch.manual_seed(0)
    sizes = {"width": 5, "cycles": 2, "levels": 2, "rank": 2, "hidden": 4}
    model = MultipoleGNO(WIDTHS, **sizes, shared=shared).double()
    assert len(model.cycles) == (1 if shared else 2)
    graph = sample_graph(40, 1, WIDTHS, edges=True)
    torch.testing.assert_close(model(graph), slow(model, graph), rtol=1e-9, atol=1e-11)


def neighbours(graph, k):
    found = knn(graph.pos, k, exclude_self=True)
    graph.edge_index = torch.stack([found.index, found.receivers])
    graph.rowptr = found.rowptr
    return graph


def test_a_level_adds_what_the_finer_ones_do_not_cover():
    """Half of the nodes crowd in one corner, so that the next level keeps the others as they are:
    their edges are the finer ones' again, and are left out."""
    widths = Widths(features=1, out=1)
    graph = sample_graph(800, 2, widths)
    graph.pos[:400] = -1 + 1e-3 * (graph.pos[:400] + 1)
    graph.weight[:] = 1.0
    graph = neighbours(graph, 6)
    spec = LevelSpec(method="farthest", count=3, ratio=0.5)
    levels = levels_of(graph, spec)
    rungs = ladder(graph, nodes(graph), spec, annuli=True)
    assert len(rungs[1].index) < 0.5 * len(levels[0].index)
    every = ladder(graph, nodes(graph), spec)
    for level, rung in zip(levels, every[1:], strict=True):
        assert torch.equal(rung.index, level.index) and torch.equal(rung.rowptr, level.rowptr)
    # On a set that coarsens everywhere, by four, nearly all are new.
    even = neighbours(sample_graph(1500, 3, widths), 6)
    even.weight[:] = 1.0
    spec = LevelSpec(method="farthest", count=2, ratio=0.25)
    levels, rungs = levels_of(even, spec), ladder(even, nodes(even), spec, annuli=True)
    for level, (above, rung) in zip(levels, pairwise(rungs), strict=True):
        assert 0.7 * len(level.index) < len(rung.index)
        far = [(r.points.pos[r.index] - r.points.pos[r.row]).norm(dim=1) for r in (above, rung)]
        assert 1.5 < float(far[1].median() / far[0].median()) < 3


def test_one_cycle_crosses_the_mesh():
    """A chain of 64 nodes: its ends hear of each other through three levels."""
    torch.manual_seed(4)
    widths = Widths(features=1, out=1)
    sizes = {"width": 6, "cycles": 1, "rank": 2, "levels": 3}
    model = MultipoleGNO(widths, **sizes).double()
    graph = sample_graph(64, 5, widths)
    graph.pos = torch.linspace(-1, 1, 64, dtype=torch.float64)[:, None].expand(64, 2).contiguous()
    graph = neighbours(graph, 2)
    graph.x.requires_grad_()

    def heard(model):
        (slope,) = torch.autograd.grad(model(graph)[0].sum(), graph.x)
        return int(slope[:, 0].nonzero().max())

    assert heard(model) > 30
    shallow = MultipoleGNO(widths, **(sizes | {"levels": 1})).double()
    assert heard(shallow) < 20


def test_default_size():
    n = sum(p.numel() for p in MultipoleGNO(Widths(features=11, out=2)).parameters())
    assert 3e5 < n < 1e6
