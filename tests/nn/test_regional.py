"""Regional nodes: every node has regions, edges respect the mesh, masks keep what they say."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop.graph import coarse_size
from meshop.nn import nodes
from meshop.nn.regional import regions
from meshop.testing import sample_graph
from meshop.testing._models import batch_graphs


def find(graph, ratio=0.25, levels=3, overlap=(1.0, 2.0)):
    return regions(nodes(graph), *graph.edge_index, ratio, levels, overlap)


@given(st.integers(1, 60), st.integers(0, 99), st.booleans())
def test_every_node_is_read_and_written_to(n, seed, graded):
    graph = sample_graph(n, seed, edges=True)
    if graded:
        graph.pos = graph.pos.sign() * 10 ** (-6 * graph.pos.abs())
    found = find(graph)
    count = len(found.points)
    assert count == coarse_size(n, 0.25)
    assert set(found.to.sender.tolist()) == set(range(n))
    assert set(found.back.receiver.tolist()) == set(range(n))
    assert bool((found.to.rowptr.diff() > 0).all())
    for bridge in (found.to, found.back, found.among):
        assert torch.equal(bridge.receiver, bridge.receiver.sort()[0])
        heard = (
            torch.zeros(len(bridge.rowptr) - 1).double().index_add(0, bridge.receiver, bridge.share)
        )
        torch.testing.assert_close(heard[bridge.rowptr.diff() > 0], torch.ones(()).expand(
            int((bridge.rowptr.diff() > 0).sum())).double())  # fmt: skip
        assert bool(bridge.step.isfinite().all())


def test_regions_are_balls_of_the_reach():
    graph = sample_graph(80, 1, edges=True)
    found = find(graph)
    centre, away = found.points.pos, torch.cdist(found.points.pos, graph.pos)
    own = away.argmin(0)
    reach = torch.stack([away[r, own == r].max() for r in range(len(centre))])
    for bridge, overlap in ((found.to, 1.0), (found.back, 2.0)):
        inside = (away <= overlap * reach[:, None] * (1 + 1e-5)).nonzero().tolist()
        ends = (bridge.receiver, bridge.sender)
        pairs = torch.stack(ends if overlap == 1 else ends[::-1], 1).tolist()
        assert sorted(pairs) == inside


def slit(n=24):
    """A grid of n x n with its middle column of edges cut, but for the top."""
    i, j = (c.ravel() for c in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    at = np.arange(n * n).reshape(n, n)
    right = np.stack([at[:-1].ravel(), at[1:].ravel()], 1)
    right = right[(i[right[:, 0]] != n // 2 - 1) | (j[right[:, 0]] == n - 1)]
    up = np.stack([at[:, :-1].ravel(), at[:, 1:].ravel()], 1)
    both = np.concatenate([right, up])
    both = torch.as_tensor(np.concatenate([both, both[:, ::-1]]))
    graph = sample_graph(n * n, 0)
    graph.pos = torch.as_tensor(np.stack([i, j], 1)).double()
    # Apart as well: the halves are the sides of a hole.
    graph.pos[graph.pos[:, 0] >= n // 2, 0] += 8
    order = torch.argsort(both[:, 1] * n * n + both[:, 0])
    graph.edge_index = both[order].t()
    return graph


def test_edges_go_round_holes():
    graph = slit()
    found = find(graph, levels=1)
    side = found.points.pos[:, 0] > 16
    across = side[found.among.sender] != side[found.among.receiver]
    high = found.points.pos[found.among.receiver[across], 1]
    assert bool(across.any()) and float(high.min()) > 19


def test_levels_add_long_edges_and_few():
    graph = slit()
    one, four = find(graph, levels=1).among, find(graph, levels=4).among
    assert len(one.sender) < len(four.sender) < 1.5 * len(one.sender)

    def longest(bridge):
        return float((bridge.step[:, 2] * bridge.step[:, 3].exp()).max())

    assert longest(four) > 3 * longest(one)


def test_graphs_of_a_batch_do_not_meet():
    graphs = [sample_graph(n, n, edges=True) for n in (30, 1, 17)]
    found, alone = find(batch_graphs(graphs)), [find(g) for g in graphs]
    assert found.points.sizes == tuple(len(a.points) for a in alone)
    for name in ("to", "among", "back"):
        step = torch.cat([getattr(a, name).step for a in alone])
        torch.testing.assert_close(getattr(found, name).step, step)


def test_masks():
    bridge = find(slit()).to
    torch.manual_seed(0)
    kept = bridge.kept(0.5)
    assert 0.45 < len(kept.sender) / len(bridge.sender) < 0.55
    whole = set(zip(bridge.sender.tolist(), bridge.receiver.tolist(), strict=True))
    assert set(zip(kept.sender.tolist(), kept.receiver.tolist(), strict=True)) < whole
    count = torch.bincount(kept.receiver, minlength=len(kept.rowptr) - 1)
    assert torch.equal(kept.rowptr.diff(), count)
    heard = torch.zeros(len(count)).double().index_add(0, kept.receiver, kept.share)
    torch.testing.assert_close(heard, (count > 0).double())
