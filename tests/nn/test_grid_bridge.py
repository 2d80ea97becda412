"""Bridges between points and grids against loops, and what they promise."""

from __future__ import annotations

from itertools import product
from math import prod
from types import SimpleNamespace

import pytest
import torch

from meshop.nn import nodes
from meshop.nn.grid_bridge import GridBridge, one_box_each


def cloud(n, dim, seed, sizes=None):
    draw = torch.Generator().manual_seed(seed)
    pos = 2 * torch.rand(n, dim, generator=draw, dtype=torch.float64) - 1
    weight = 10 ** (-2 * torch.rand(n, generator=draw, dtype=torch.float64))
    sizes = sizes or (n,)
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    cond = torch.zeros(len(sizes), 0, dtype=torch.float64)
    return nodes(SimpleNamespace(x=pos, pos=pos, weight=weight, cond=cond, ptr=ptr))


def even(n, dim):
    points = cloud(n, dim, 0)
    return SimpleNamespace(**points.__dict__ | {"weight": torch.full_like(points.weight, 1 / n)})


def bridge(points, *shape):
    return GridBridge(points, one_box_each(points), shape)


def oracle(points, values, shape):
    """Corrections from coarse to fine, grid point by grid point; one graph."""
    dim, n = len(shape), len(points.x)
    lo = points.pos.amin(0)
    u = (points.pos - lo) / (points.pos.amax(0) - lo) * (torch.tensor(shape) - 1)

    def hats(place):
        """{grid point: value} of the hat functions of the finest grid at a place."""
        out = {}
        for g in product(*map(range, shape)):
            h = 1.0
            for a in range(dim):
                h *= max(0.0, 1 - abs(float(place[a]) - g[a]))
            if h > 0:
                out[g] = h
        return out

    carried = [hats(u[j]) for j in range(n)]

    def sums(per_point):
        """One for each level, finest first, of dictionaries over the grid points."""
        level = dict.fromkeys(product(*map(range, shape)), 0 * per_point[0])
        for j in range(n):
            for g, h in carried[j].items():
                level[g] = level[g] + h * points.weight[j] * per_point[j]
        out, size = [level], list(shape)
        while max(size) > 1:
            size = [(s + 1) // 2 for s in size]
            coarse = dict.fromkeys(product(*map(range, size)), 0 * per_point[0])
            for g, s in out[-1].items():
                parent = tuple(i // 2 for i in g)
                coarse[parent] = coarse[parent] + s
            out.append(coarse)
        return out

    def refine(level, size):
        """Linear between centres, and beyond the outermost, axis by axis."""
        now = level
        coarse_size = [max(g[a] for g in now) + 1 for a in range(dim)]
        for a in range(dim):
            new = {}
            for g in product(*(range(s) for s in (*size[: a + 1], *coarse_size[a + 1 :]))):
                i, odd = divmod(g[a], 2)

                def at(k, g=g, a=a, now=now):
                    return now[(*g[:a], k, *g[a + 1 :])]

                other = i + 1 if odd else i - 1
                if 0 <= other < coarse_size[a]:
                    neighbour = at(other)
                elif coarse_size[a] > 1:
                    neighbour = 2 * at(i) - at(i - 1 if odd else i + 1)
                else:
                    neighbour = at(i)
                new[g] = 0.75 * at(i) + 0.25 * neighbour
            now = new
        return now

    one = torch.ones(n, dtype=torch.float64)
    mass = sums(list(one))
    least = 1 / (2**dim * prod(shape))
    sizes = [[max(g[a] for g in level) + 1 for a in range(dim)] for level in mass]
    top = len(mass) - 1
    root = (0,) * dim
    out = {root: sums(list(values))[top][root] / mass[top][root]}
    for level in range(top - 1, -1, -1):
        out = refine(out, sizes[level])
        fine = out
        for below in range(level - 1, -1, -1):
            fine = refine(fine, sizes[below])
        left = [values[j] - sum(h * fine[g] for g, h in carried[j].items()) for j in range(n)]
        correction = sums(left)[level]
        for g, m in mass[level].items():
            if m > 0:
                out[g] = out[g] + min(1.0, float(m / least)) * correction[g] / m
    grid = torch.stack([out[g] for g in product(*map(range, shape))]).unflatten(0, shape)
    cover = torch.tensor([min(1.0, float(m / least)) for m in mass[0].values()])
    return grid, cover.unflatten(0, shape)


@pytest.mark.parametrize("shape", [(4, 5), (6, 3), (3, 2, 4)])
def test_grid_values_match_loops(shape):
    points = cloud(9, len(shape), 1)
    values = torch.randn(9, 2, dtype=torch.float64)
    b = bridge(points, *shape)
    grid, coverage = oracle(points, values, shape)
    torch.testing.assert_close(b.to_grid(values)[0], grid, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(b.coverage[0, ..., 0], coverage.double(), rtol=1e-6, atol=1e-9)


def smooth(p):
    return (3 * p[:, :1]).sin() * (2 * p[:, 1:2]).cos()


@pytest.mark.parametrize(("n", "bound"), [(1000, 0.03), (18000, 0.003)])
def test_smooth_fields_arrive_on_the_grid_also_where_nodes_are_few(n, bound):
    """64 x 64 grid points from 1,000 nodes: most cells hold none. Means by hat functions alone are
    6.7 % and 1.6 % off here."""
    points = even(n, 2)
    b = bridge(points, 64, 64)
    places = b.places().flatten(0, -2) * b.boxes.size + b.boxes.lo
    exact = smooth(places)
    grid = b.to_grid(smooth(points.pos))
    assert (grid.flatten(0, -2) - exact).norm() / exact.norm() < bound
    assert (b.at_points(grid) - smooth(points.pos)).norm() / smooth(points.pos).norm() < bound / 3


def test_linear_fields_on_the_grid_are_read_exactly_at_any_place():
    points = cloud(50, 2, 2)
    b = bridge(points, 7, 5)
    at = b.places() * b.boxes.size + b.boxes.lo
    field = (at @ torch.tensor([[2.0], [-1.0]], dtype=torch.float64))[None]
    inside = points.pos.mean(0, keepdim=True) + 0.1
    batch = torch.zeros(1, dtype=torch.long)
    expected = inside @ torch.tensor([[2.0], [-1.0]], dtype=torch.float64)
    torch.testing.assert_close(b.at(field, inside, batch), expected)
    outside = points.pos.amax(0, keepdim=True) + 5  # the nearest place in the box
    torch.testing.assert_close(b.at(field, outside, batch), field[:, -1, -1])


def test_constants_stay_and_holes_are_filled_but_not_covered():
    points = cloud(4000, 2, 3)
    ring = points.pos.norm(dim=1) > 0.5
    n = int(ring.sum())
    graph = SimpleNamespace(
        x=points.pos[ring], pos=points.pos[ring], weight=torch.ones(n).double(),
        cond=torch.zeros(1, 0).double(),
    )  # fmt: skip
    b = bridge(nodes(graph), 32, 32)
    torch.testing.assert_close(b.to_grid(torch.full((n, 1), 3.0).double()), b.coverage * 0 + 3)
    assert b.coverage[0, 15:17, 15:17].max() == 0 and b.coverage[0, 2, 2:30].min() > 0.9
    grid = b.to_grid(smooth(graph.pos))
    assert grid.isfinite().all() and grid.abs().max() < 2


@pytest.mark.parametrize("dim", [2, 3])
def test_order_splits_units_and_origin_do_not_matter(dim):
    points = cloud(40, dim, 4)
    values = torch.randn(40, 3, dtype=torch.float64)
    shape = (6,) * dim
    grid = bridge(points, *shape).to_grid(values)

    def again(order, scale=1.0, move=0.0, split=None):
        weight = points.weight[order] * scale
        if split is not None:
            weight[split] /= 2
        graph = SimpleNamespace(
            x=values[order], pos=points.pos[order] + move, weight=weight,
            cond=torch.zeros(1, 0).double(),
        )  # fmt: skip
        return bridge(nodes(graph), *shape).to_grid(values[order])

    same = torch.arange(40)
    torch.testing.assert_close(again(torch.randperm(40)), grid)
    torch.testing.assert_close(again(same, scale=1e-12), grid)
    torch.testing.assert_close(again(same, move=7.0), grid)
    torch.testing.assert_close(again(torch.cat([same, same[5:6]]), split=[5, -1]), grid)


def test_ragged_batches_equal_their_members_and_one_point_is_enough():
    sizes = (12, 1, 30)
    points = cloud(43, 2, 5, sizes)
    values = torch.randn(43, 2, dtype=torch.float64)
    together = bridge(points, 5, 4).to_grid(values)
    start = 0
    for i, n in enumerate(sizes):
        part = slice(start, start + n)
        start += n
        graph = SimpleNamespace(
            x=values[part], pos=points.pos[part], weight=points.weight[part],
            cond=torch.zeros(1, 0).double(),
        )  # fmt: skip
        alone = bridge(nodes(graph), 5, 4).to_grid(values[part])
        torch.testing.assert_close(together[i : i + 1], alone)
    torch.testing.assert_close(together[1], values[12].expand(5, 4, 2))


def test_points_on_a_line_have_a_box():
    points = cloud(20, 2, 6)
    points.pos[:, 1] = 0.25
    b = bridge(points, 8, 8)
    assert b.to_grid(points.pos).isfinite().all() and (b.boxes.size > 0.1).all()


def test_the_grid_is_continuous_in_the_places_of_the_points():
    """A point that crosses a grid line changes the grid by as little as it moves."""
    points = cloud(30, 2, 7)
    values = torch.randn(30, 1, dtype=torch.float64)
    b = bridge(points, 6, 6)
    line = float(b.boxes.lo[0, 0] + b.boxes.size[0, 0] * 3 / 5)
    grids = []
    for side in (-1e-7, 1e-7):
        moved = points.pos.clone()
        moved[int((points.pos[:, 0] - line).abs().argmin()), 0] = line + side
        grids.append(bridge(SimpleNamespace(**points.__dict__ | {"pos": moved}), 6, 6))
    gap = grids[0].to_grid(values) - grids[1].to_grid(values)
    assert gap.abs().max() < 1e-4


def test_gradients_of_both_ways():
    points = cloud(6, 2, 8)
    b = bridge(points, 3, 4)
    v = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    g = torch.randn(1, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(b.to_grid, v)
    assert torch.autograd.gradcheck(b.at_points, g)


def test_half_precision_is_summed_in_single():
    points = even(2000, 2)
    single = SimpleNamespace(**points.__dict__ | {"pos": points.pos.float()})
    b = bridge(single, 8, 8)
    v = smooth(points.pos).float()
    half = b.to_grid(v.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), b.to_grid(v), rtol=2e-2, atol=2e-2)
