"""What is drawn at random: walks, samples and pairs, by what must hold of each and how often."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from meshop.compat import torch_cluster as ours


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("torch_cluster", reason="torch_cluster, the original, is not here")


@st.composite
def graphs(draw: st.DrawFn, both_ways: bool = False) -> tuple[Tensor, Tensor, int]:
    """Up to 7 nodes and 20 edges, in random order, with loops."""
    nodes = draw(st.integers(1, 7))
    node = st.integers(0, nodes - 1)
    edges = sorted(draw(st.sets(st.tuples(node, node), max_size=20)))
    edges = sorted({*edges, *((b, a) for a, b in edges)}) if both_ways else edges
    torch.manual_seed(draw(st.integers(0, 99)))
    row, col = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2)[torch.randperm(len(edges))].T
    return row, col, nodes


@given(graph=graphs(), length=st.integers(0, 4), p=st.sampled_from([0.5, 1.0]))
def test_walks_follow_edges(graph, length: int, p: float) -> None:
    row, col, nodes = graph
    start = torch.arange(nodes)
    walks, at = ours.random_walk(
        row, col, start, length, p, 2.0, num_nodes=nodes, return_edge_indices=True
    )
    assert walks.shape == (nodes, length + 1) and at.shape == (nodes, length)
    assert torch.equal(walks[:, 0], start)
    order = (row * nodes + col).argsort()
    for walk, steps in zip(walks.tolist(), at.tolist(), strict=True):
        for a, b, e in zip(walk, walk[1:], steps, strict=False):
            if e < 0:
                assert a == b and not (row == a).any()
            else:
                assert (int(row[order[e]]), int(col[order[e]])) == (a, b)


def test_walks_as_often_as_node2vec_says() -> None:
    """From 0 to 1, then back to 0, or to 2, which 0 has too, or to 3, which it has not."""
    row, col = torch.tensor([(0, 1), (1, 0), (1, 2), (1, 3), (2, 0), (3, 3)]).T
    p, q, many = 4.0, 0.5, 20_000
    torch.manual_seed(0)
    walks = ours.random_walk(row, col, torch.zeros(many, dtype=torch.int64), 2, p, q)
    weight = torch.tensor([1 / p, 0, 1, 1 / q])
    share = weight / weight.sum()
    found = torch.bincount(walks[:, 2], minlength=4) / many
    spread = (share * (1 - share) / many).sqrt()
    assert bool(((found - share).abs() <= 4 * spread).all())
    torch.manual_seed(0)
    again = ours.random_walk(row, col, torch.zeros(many, dtype=torch.int64), 2, p, q)
    assert torch.equal(walks, again)


def test_walks_stay_where_no_edge_leaves(theirs) -> None:
    row, col = torch.tensor([0, 1]), torch.tensor([1, 2])
    found, expected = (
        m.random_walk(row, col, torch.tensor([0, 1, 2]), 3, return_edge_indices=True)
        for m in (ours, theirs)
    )
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


@given(graph=graphs(), size=st.sampled_from([0.3, 0.5, 1.0, 2, 3]))
def test_samples(graph, size: float) -> None:
    row, _, nodes = graph
    count = torch.bincount(row, minlength=nodes)
    rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
    found = ours.neighbor_sampler(torch.arange(nodes), rowptr, size)
    owner = torch.bucketize(found, rowptr[1:], right=True)
    want = (count * size).ceil().long() if size <= 1 else count.clamp(max=size)
    assert torch.equal(torch.bincount(owner, minlength=nodes), want)
    assert len(found.unique()) == len(found)


def test_samples_are_even() -> None:
    torch.manual_seed(0)
    many, rowptr = 10_000, torch.tensor([0, 5])
    found = ours.neighbor_sampler(torch.zeros(many, dtype=torch.int64), rowptr, 2)
    share = torch.bincount(found, minlength=5) / many
    assert bool(((share - 0.4).abs() < 4 * (0.4 * 0.6 / many) ** 0.5).all())


def pairs_hold(cluster: Tensor, row: Tensor, col: Tensor) -> None:
    """Nobody is in two pairs, pairs are edges, and no two neighbours are both left alone."""
    linked = {*zip(row.tolist(), col.tolist(), strict=True)}
    linked |= {(b, a) for a, b in linked}
    alone = set()
    for c in cluster.unique().tolist():
        members = (cluster == c).nonzero()[:, 0].tolist()
        assert min(members) == c and len(members) <= 2
        if len(members) == 2:
            assert tuple(members) in linked
        else:
            alone.add(c)
    assert not any(a in alone and b in alone and a != b for a, b in linked)


@given(graph=graphs(both_ways=True), weighted=st.booleans())
def test_pairs(graph, weighted: bool) -> None:
    row, col, nodes = graph
    weight = torch.rand(len(row)) if weighted else None
    pairs_hold(ours.graclus_cluster(row, col, weight, nodes), row, col)


@given(graph=graphs(both_ways=True))
def test_original_pairs(graph, theirs) -> None:
    row, col, nodes = graph
    pairs_hold(theirs.graclus_cluster(row, col, None, nodes), row, col)


def test_pairs_take_the_heaviest_edge() -> None:
    """On a ring of heavy and light edges every order of visits gives the heavy ones."""
    a = torch.arange(8)
    b = (a + 1) % 8
    weight = (a % 2 == 0).float() + 0.5
    for seed in range(10):
        torch.manual_seed(seed)
        found = ours.graclus_cluster(torch.cat([a, b]), torch.cat([b, a]), weight.repeat(2))
        assert found.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]


def test_no_edges() -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert ours.graclus_cluster(none, none, None, 3).tolist() == [0, 1, 2]
    assert ours.graclus_cluster(none, none).tolist() == []
    assert ours.random_walk(none, none, torch.tensor([1]), 2).tolist() == [[1, 1, 1]]
    assert ours.neighbor_sampler(torch.tensor([0]), torch.tensor([0, 0]), 2).tolist() == []


def test_a_walk_turns_back_where_it_must_though_p_is_large() -> None:
    row, col = torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1])
    walks = ours.random_walk(row, col, torch.tensor([0, 2]), 4, p=1e9)
    assert walks.tolist() == [[0, 1, 2, 1, 0], [2, 1, 0, 1, 2]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda r, c: ours.random_walk(r, c, torch.tensor([-1]), 2), IndexError, "start"),
        (lambda r, c: ours.random_walk(r, c, torch.tensor([9]), 2, num_nodes=2), IndexError, "9"),
        (lambda r, c: ours.random_walk(r, c, torch.tensor([0]), -1), ValueError, "walk_length"),
        (lambda r, c: ours.random_walk(r, c, c, 1, p=float("inf")), ValueError, "finite"),
        (lambda r, c: ours.graclus_cluster(r, c - 1, num_nodes=2), IndexError, "col"),
        (lambda r, c: ours.graclus_cluster(r, c, num_nodes=1), IndexError, "row"),
    ],
)
def test_says_which_node_is_none(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(torch.tensor([0, 1]), torch.tensor([1, 0]))
