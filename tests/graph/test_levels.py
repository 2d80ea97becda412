"""Levels of a graph: constants, mass, masks, batches, and what each method promises."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

import meshop
from meshop.graph import (
    GraphSpec,
    LevelSpec,
    build_graph,
    build_levels,
    levels_of,
)
from meshop.ops import rows_of

METHODS = ("smoothed", "aggregation", "farthest", "bistride")


def triangles(n, seed=0, graded=False):
    """Points (n, 2), their weights, and the edges of their Delaunay triangles as CSR."""
    random = np.random.default_rng(seed)
    points = random.random((n, 2))
    if graded:
        points[:, 1] = 10 ** (-4 * points[:, 1])
    cells = Delaunay(points).simplices
    pairs = np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]])
    both = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    rowptr = np.concatenate([[0], np.bincount(both[:, 0], minlength=n).cumsum()])
    weight = torch.as_tensor(random.random(n) * 10.0 ** -random.integers(0, 5, n))
    parts = torch.as_tensor(points), weight, torch.as_tensor(rowptr), torch.as_tensor(both[:, 1])
    return parts, cells


def joined(*graphs):
    """Graphs end to end, and where each begins."""
    rowptr, index, at, edges = [torch.zeros(1, dtype=torch.int64)], [], [0], 0
    for pos, _, ptr, to in graphs:
        rowptr.append(ptr[1:] + edges)
        index.append(to + at[-1])
        edges, at = edges + len(to), [*at, at[-1] + len(pos)]
    pos, weight = torch.cat([g[0] for g in graphs]), torch.cat([g[1] for g in graphs])
    return (pos, weight, torch.cat(rowptr), torch.cat(index)), torch.tensor(at)


def check(levels, weight):
    """What is promised of any level."""
    for level in levels:
        ones = torch.ones(level.up.columns, 1, dtype=torch.float64)
        above = torch.ones(level.up.rows, 1, dtype=torch.float64)
        assert float((level.up(ones) - 1).abs().max()) < 1e-12
        assert float((level.down(above) - 1).abs().max()) < 1e-12
        assert bool((level.up.value >= 0).all())
        torch.testing.assert_close(level.weight.sum(), weight.sum(), rtol=1e-12, atol=0)
        # R is the adjoint of P in the weighted products, so integrals are kept too.
        adjoint = level.up.dense().t() * weight / level.weight[:, None]
        torch.testing.assert_close(level.down.dense(), adjoint, rtol=1e-10, atol=1e-14)
        n = level.up.columns
        assert len(level.pos) == len(level.weight) == len(level.fixed) == level.rowptr.numel() - 1
        pattern = torch.zeros(n, n)
        pattern[level.index, rows_of(level.rowptr, len(level.index))] = 1
        assert torch.equal(pattern, pattern.t()) and not pattern.diagonal().any()
        assert int(pattern.sum()) == len(level.index) and int(level.ptr[-1]) == n
        weight = level.weight


@pytest.mark.parametrize("method", METHODS)
@given(st.integers(4, 90), st.integers(0, 99), st.booleans())
def test_constants_mass_and_adjoints_on_any_mesh(method, n, seed, graded):
    graph, _ = triangles(n, seed, graded)
    check(build_levels(*graph, LevelSpec(method=method)), graph[1])


@pytest.mark.parametrize("method", METHODS)
def test_levels_of_a_batch_are_those_of_its_graphs(method):
    graphs = [triangles(n, n)[0] for n in (60, 5, 31)]
    lonely = (torch.zeros(1, 2).double(), torch.ones(1).double(), *torch.zeros(2, 0).long())
    graphs.append((*lonely[:2], torch.tensor([0, 0]), torch.empty(0, dtype=torch.int64)))
    batch, ptr = joined(*graphs)
    spec = LevelSpec(method=method)
    alone = [build_levels(*g, spec) for g in graphs]
    for number, level in enumerate(build_levels(*batch, spec, ptr=ptr)):
        parts = [levels[number] for levels in alone]
        assert level.sizes == tuple(len(p.weight) for p in parts)
        for name in ("pos", "weight", "fixed"):
            torch.testing.assert_close(
                getattr(level, name), torch.cat([getattr(p, name) for p in parts])
            )
        for name in ("up", "down"):
            blocks = torch.block_diag(*(getattr(p, name).dense() for p in parts))
            torch.testing.assert_close(getattr(level, name).dense(), blocks)
        assert torch.equal(level.rowptr.diff(), torch.cat([p.rowptr.diff() for p in parts]))


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_without_levels_gets_those_of_its_graphs(method):
    graphs = [triangles(n, n)[0] for n in (60, 5, 31)]
    (pos, weight, rowptr, index), ptr = joined(*graphs)
    spec = LevelSpec(method=method)
    edges = torch.stack([index, rows_of(rowptr, len(index))])
    edges = edges[:, torch.randperm(len(index), generator=torch.Generator().manual_seed(0))]
    batch = SimpleNamespace(pos=pos, weight=weight, edge_index=edges, ptr=ptr)
    expected = build_levels(pos, weight, rowptr, index, spec, ptr=ptr)
    for a, b in zip(levels_of(batch, spec), expected, strict=True):
        assert torch.equal(a.ptr, b.ptr) and torch.equal(a.index, b.index)
        assert torch.equal(a.rowptr, b.rowptr)
        for name in ("up", "down"):
            torch.testing.assert_close(getattr(a, name).dense(), getattr(b, name).dense())
    with pytest.raises(ValueError, match="expected edges or levels"):
        levels_of(SimpleNamespace(weight=weight))


@pytest.mark.parametrize("method", METHODS)
def test_levels_do_not_depend_on_threads_and_are_kept_by_content(method):
    graph, _ = triangles(400, 3)
    spec, threads = LevelSpec(method=method, count=2), torch.get_num_threads()
    one = build_levels(*graph, spec)
    assert build_levels(*(part.clone() for part in graph), spec) is one
    moved = (graph[0].clone(), *graph[1:])
    moved[0][7] += 1e-9
    assert build_levels(*moved, spec) is not one
    try:
        torch.set_num_threads(3)
        from meshop.graph import _levels

        _levels._cache.clear()
        three = build_levels(*graph, spec)
    finally:
        torch.set_num_threads(threads)
    for a, b in zip(one, three, strict=True):
        assert torch.equal(a.up.value, b.up.value) and torch.equal(a.up.index, b.up.index)
        assert torch.equal(a.down.value, b.down.value) and torch.equal(a.pos, b.pos)


@pytest.mark.parametrize("method", ["smoothed", "aggregation"])
def test_aggregates_hold_free_or_fixed_nodes_so_masks_are_exact(method):
    graph, _ = triangles(500, 5)
    fixed = (graph[0] - 0.5).abs().amax(1) > 0.4
    plain = build_levels(*graph, LevelSpec(method="aggregation"), fixed=fixed)
    levels = build_levels(*graph, LevelSpec(method=method), fixed=fixed)
    above = fixed
    for level, flat in zip(levels, plain, strict=True):
        assert torch.equal(level.fixed[flat.up.index], above)
        assert bool(level.fixed.any()) and not bool(level.fixed.all())
        above = level.fixed


def test_smoothed_aggregation_is_a_jacobi_step_on_the_constant_one():
    graph, _ = triangles(80, 2)
    strength = torch.rand(len(graph[3]), dtype=torch.float64) + 0.5
    row = rows_of(graph[2], len(graph[3]))
    dense = torch.zeros(80, 80, dtype=torch.float64)
    dense[row, graph[3]] = strength
    dense = 0.5 * (dense + dense.t())
    laplacian = torch.diag(dense.sum(1)) - dense
    flat = build_levels(*graph, LevelSpec(method="aggregation"), strength=strength)[0].up.dense()
    smooth = build_levels(*graph, LevelSpec(method="smoothed"), strength=strength)[0].up.dense()
    expected = flat - 2 / 3 * (laplacian / dense.sum(1)[:, None]) @ flat
    torch.testing.assert_close(smooth, expected)


def test_fronts_keep_every_second_node_of_a_path_and_interpolate_linearly():
    n = 17
    pos = torch.arange(n).double()[:, None]
    near = [[j for j in (i - 1, i + 1) if 0 <= j < n] for i in range(n)]
    rowptr = torch.tensor([0, *map(len, near)]).cumsum(0)
    index = torch.tensor([j for row in near for j in row])
    (level,) = build_levels(
        pos, torch.ones(n), rowptr, index, LevelSpec(method="bistride", count=1)
    )
    kept = level.pos[:, 0].long().tolist()
    assert kept == list(range(1, n, 2))  # the centre is node 8: the smaller half is the odd one
    torch.testing.assert_close(level.up(level.pos)[1:-1], pos[1:-1])
    assert level.index.tolist()[:3] == [1, 0, 2]


@pytest.mark.parametrize("graded", [False, True])
def test_fronts_of_triangles_stay_planar_and_connected(graded):
    """At most six neighbours on average, on every level, down to a hundredth of the nodes."""
    graph, _ = triangles(3000, 1, graded)
    levels = build_levels(*graph, LevelSpec(method="bistride", count=7))
    for level in levels:
        assert len(level.index) < 6 * len(level.weight)
        seen = torch.zeros(len(level.weight), dtype=torch.bool)
        seen[0] = True
        for _ in range(len(seen)):
            wider = seen.clone()
            wider[rows_of(level.rowptr, len(level.index))[seen[level.index]]] = True
            if torch.equal(wider, seen):
                break
            seen = wider
        assert bool(seen.all())
    assert 10 < len(levels[-1].weight) < 30


def test_farthest_levels_keep_the_share_and_take_the_values_of_samples():
    graph, _ = triangles(200, 8)
    (level,) = build_levels(*graph, LevelSpec(method="farthest", count=1, ratio=0.2))
    assert len(level.weight) == 40
    picked = (graph[0][:, None] == level.pos).all(2).nonzero()
    assert torch.equal(level.up(level.pos)[picked[:, 0]], level.pos[picked[:, 1]])


def test_nodes_without_weight_take_plain_means():
    graph, _ = triangles(60, 4)
    bare = (graph[0], torch.zeros(60).double(), *graph[2:])
    for level in build_levels(*bare):
        ones = torch.ones(level.down.columns, 1).double()
        assert float((level.down(ones) - 1).abs().max()) < 1e-12


def test_one_way_edges_and_loops_are_made_a_graph():
    graph, _ = triangles(70, 6)
    row = rows_of(graph[2], len(graph[3]))
    half = (row < graph[3]) | (row == 0)
    keep = torch.where(half)[0]
    ends = torch.bincount(row[keep], minlength=70).cumsum(0)
    one_way = (*graph[:2], torch.cat([ends.new_zeros(1), ends]), graph[3][keep])
    for a, b in zip(build_levels(*graph), build_levels(*one_way), strict=True):
        assert torch.equal(a.up.value, b.up.value) and torch.equal(a.index, b.index)


def test_wrong_inputs_are_refused_in_words():
    (pos, weight, rowptr, index), _ = triangles(20)
    with pytest.raises(ValueError, match="pos: expected 20 rows, found 19"):
        build_levels(pos[1:], weight, rowptr, index)
    with pytest.raises(ValueError, match="weight: expected finite"):
        build_levels(pos, -weight, rowptr, index)
    with pytest.raises(ValueError, match="strength: expected finite positive"):
        build_levels(pos, weight, rowptr, index, strength=0 * index.double())


def test_graphs_carry_levels_through_a_loader(root):
    from torch_geometric.loader import DataLoader

    mesh = meshop.read(root / "geometries" / "airfoil.vtu")
    spec = GraphSpec(location="point", levels=LevelSpec(fixed="boundary"))
    graph = build_graph(mesh, {}, spec)
    assert build_graph(mesh, {}, GraphSpec(location="point")).levels == ()
    assert GraphSpec.model_validate_json(spec.model_dump_json()) == spec
    levels = graph.levels
    assert len(levels) == 3 and bool(levels[0].fixed.any())
    assert len(levels[-1].weight) < len(levels[0].weight) / 20
    ones = torch.ones(len(graph.weight), 1)
    assert float((levels[0].down(ones) - 1).abs().max()) < 1e-5
    batch = next(iter(DataLoader([graph, graph], batch_size=2)))
    assert len(levels_of(batch)) == 3
    plain = build_graph(mesh, {}, GraphSpec(location="point", edges=True))
    for a, b in zip(levels_of(plain, spec.levels), levels, strict=True):
        assert torch.equal(a.fixed, b.fixed)
    x = torch.rand(2 * len(graph.weight), 2)
    y = x
    for level, single in zip(batch.levels, levels, strict=True):
        assert level.sizes == (len(single.weight),) * 2
        y = level.down(y)
    for k in range(2):
        alone = x[k * len(graph.weight) : (k + 1) * len(graph.weight)]
        for single in levels:
            alone = single.down(alone)
        torch.testing.assert_close(y[k * len(alone) : (k + 1) * len(alone)], alone)
    back = batch.levels[-1].edge_index()
    assert int(back.max()) == len(y) - 1 and bool((back[1].diff() >= 0).all())
