"""Boxes of even density against a brute-force cut, and what they promise."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from meshop.nn import nodes
from meshop.nn.kd_leaves import _cuts, _first_of_each, kd_leaves


def graph(pos, sizes=None):
    sizes = sizes or (len(pos),)
    return nodes(
        SimpleNamespace(
            x=pos, pos=pos, weight=torch.ones(len(pos)).double(),
            cond=torch.zeros(len(sizes), 0).double(), ptr=torch.tensor([0, *sizes]).cumsum(0),
        )
    )  # fmt: skip


def cloud(n, dim, seed):
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(n, dim, generator=draw, dtype=torch.float64) ** 3 - 1


def divergence(counts):
    """n KL(counts | uniform)"""
    n = sum(counts)
    return sum(c * math.log(c / n * len(counts)) for c in counts if c)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_cut_leaves_least_divergence(dim):
    pos = cloud(60, dim, 1)
    lo, hi = pos.amin(0, keepdim=True), pos.amax(0, keepdim=True)
    zero = torch.zeros(60, dtype=torch.long)
    axis, cut = _cuts(pos, torch.ones(60).double(), zero, lo, hi, 8)
    longest = int((hi - lo).argmax())
    start, size = float(lo[0, longest]), float((hi - lo)[0, longest])
    counts = [0] * 8
    for x in pos[:, longest].tolist():
        counts[min(7, int((x - start) / size * 8))] += 1
    costs = [divergence(counts[:b]) + divergence(counts[b:]) for b in range(1, 8)]
    best = min(range(7), key=costs.__getitem__)
    assert int(axis) == longest
    assert float(cut) == pytest.approx(start + size * (best + 1) / 8)


@pytest.mark.parametrize(("dim", "depth"), [(2, 3), (3, 4)])
def test_every_place_has_shares_that_sum_to_one(dim, depth):
    points = graph(cloud(200, dim, 2))
    boxes = kd_leaves(points, depth)
    lo, hi = points.pos.amin(0), points.pos.amax(0)
    places = lo + torch.rand(500, dim, dtype=torch.float64) * (hi - lo)
    places = torch.cat([places, points.pos, lo[None], hi[None], hi[None] + 3])
    ptr, box, share = boxes.members(places, torch.zeros(len(places), dtype=torch.long))
    assert len(boxes.lo) == 2**depth and (boxes.size > 0).all()
    assert ptr.diff().min() >= 1 and box.max() < 2**depth
    sums = torch.zeros(len(places)).double().index_add(
        0, torch.repeat_interleave(ptr.diff()), share
    )  # fmt: skip
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_shares_are_continuous_across_every_face():
    points = graph(cloud(100, 2, 3))
    boxes = kd_leaves(points, 3)
    batch = torch.zeros(1, dtype=torch.long)

    def shares(place):
        _, box, share = boxes.members(place[None], batch)
        return torch.zeros(8).double().index_add(0, box, share)

    for face in [*boxes.lo[:, 0], *(boxes.lo + boxes.size)[:, 0]]:
        for y in torch.linspace(-0.9, 0.9, 7):
            left, right = (shares(torch.stack([face + s, y.double()])) for s in (-1e-9, 1e-9))
            assert (left - right).abs().max() < 1e-6


def test_boxes_are_small_where_points_are_dense():
    draw = torch.Generator().manual_seed(4)
    far = 2 * torch.rand(300, 2, generator=draw, dtype=torch.float64) - 1
    near = 0.5 + 0.02 * torch.randn(3000, 2, generator=draw, dtype=torch.float64)
    boxes = kd_leaves(graph(torch.cat([far, near])), 4)
    area = boxes.size.prod(1)
    at = (torch.tensor([0.5, 0.5]) - boxes.lo) / boxes.size
    here = ((at > 0) & (at < 1)).all(1)
    assert area[here].min() < 0.1 * area.max()


def test_order_splits_and_neighbours_in_a_batch_do_not_matter():
    pos, other = cloud(50, 2, 5), cloud(31, 2, 6)
    boxes = kd_leaves(graph(pos), 3)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(7))
    many = torch.cat([pos[order], pos[:1].expand(40, 2)])  # one place forty times over
    again = kd_leaves(graph(many), 3)
    torch.testing.assert_close(again.lo, boxes.lo)
    torch.testing.assert_close(again.size, boxes.size)
    both = kd_leaves(graph(torch.cat([other, pos]), (31, 50)), 3)
    torch.testing.assert_close(both.lo[8:], boxes.lo)
    torch.testing.assert_close(both.lo[:8], kd_leaves(graph(other), 3).lo)


def test_a_point_counts_once_in_its_set_and_again_in_another():
    pos = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [0.0, 1.0]])
    first = _first_of_each(pos, torch.tensor([0, 0, 0, 1]))
    assert first.tolist() == [True, False, True, True]


@pytest.mark.parametrize("pos", [[[1.0, 2.0]], [[0.0, 0.0]] * 5, [[0.0, 0.0], [1.0, 0.0]]])
def test_few_places_still_have_boxes(pos):
    points = graph(torch.tensor(pos).double())
    boxes = kd_leaves(points, 3)
    assert (boxes.size > 0).all() and boxes.lo.isfinite().all()
    assert (boxes.members(points.pos, points.batch)[0].diff() >= 1).all()


def test_overlap_has_a_range():
    with pytest.raises(ValueError, match="overlap"):
        kd_leaves(graph(cloud(9, 2, 8)), 2, overlap=0.0)
