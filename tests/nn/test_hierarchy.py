"""Levels of a point set: coverage, mass, constants, order, and slow oracles."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from meshop.graph import coarse_size
from meshop.nn import nodes
from meshop.nn.hierarchy import (
    farthest_order,
    interpolation,
    neighbourhoods,
    sample,
)


def points_of(sizes, seed=0, dim=2):
    draw = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    return nodes(
        SimpleNamespace(
            x=torch.randn(n, 3, generator=draw, dtype=torch.float64),
            pos=torch.rand(n, dim, generator=draw, dtype=torch.float64),
            weight=10 ** (-3 * torch.rand(n, generator=draw, dtype=torch.float64)),
            cond=torch.zeros(len(sizes), 1, dtype=torch.float64),
            ptr=torch.tensor([0, *sizes]).cumsum(0),
        )
    )


def coarse(points, ratio=0.25):
    return sample(
        points, farthest_order(points, tuple(coarse_size(n, ratio) for n in points.sizes))
    )


def test_samples_start_far_from_the_centroid_and_go_on_farthest():
    points = points_of((30,))
    order = farthest_order(points, (8,))[0].tolist()
    centre = (points.weight[:, None] * points.pos).sum(0)
    assert order[0] == int((points.pos - centre).norm(dim=1).argmax())
    for i in range(1, 8):
        gap = torch.cdist(points.pos, points.pos[order[:i]]).amin(1)
        assert order[i] == int(gap.argmax())


def test_each_point_belongs_to_the_nearest_sample_of_its_own_graph():
    points = points_of((30, 1, 17))
    found = coarse(points)
    assert found.points.sizes == (8, 1, 5)
    far = torch.cdist(points.pos, points.pos[found.index])
    far[points.batch[:, None] != found.points.batch[None]] = torch.inf
    assert torch.equal(found.cluster, far.argmin(1))
    assert torch.equal(found.points.batch, points.batch[found.index])


def test_restriction_is_the_mean_by_weight_and_keeps_mass_and_constants():
    points = points_of((30, 1, 17))
    found, x = coarse(points), points.x
    expected = torch.stack(
        [
            (points.weight[c, None] * x[c]).sum(0) / points.weight[c].sum()
            for c in ((found.cluster == m).nonzero()[:, 0] for m in range(len(found.index)))
        ]
    )
    torch.testing.assert_close(found.restrict(x), expected)
    torch.testing.assert_close(found.points.mean(found.restrict(x)), points.mean(x))
    torch.testing.assert_close(
        found.points.mean(torch.ones(14, 1).double()), torch.ones(3, 1).double()
    )


def test_interpolation_weighs_by_inverse_square_and_is_exact_at_samples():
    points = points_of((30, 2, 17))
    found = coarse(points)
    fill = interpolation(found.points, points)
    z = found.restrict(points.x)
    y = fill(z)
    for n in (1, 12, 30, 40):
        mine = (found.points.batch == points.batch[n]).nonzero()[:, 0]
        d2 = (points.pos[n] - found.points.pos[mine]).square().sum(1)
        near = d2.argsort()[:3]
        pull = 1 / d2[near].clamp(min=1e-30)
        torch.testing.assert_close(y[n], (pull[:, None] * z[mine[near]]).sum(0) / pull.sum())
    assert torch.equal(y[found.index], z)
    torch.testing.assert_close(fill(torch.ones_like(z)), torch.ones_like(y))


def test_neighbourhoods_do_not_feel_scale_place_or_batching():
    points = points_of((20, 1, 6))
    found = neighbourhoods(points, 5)
    assert found.rowptr.diff().tolist() == [5] * 20 + [1] + [5] * 6
    assert float(found.step[:, -1].max()) == pytest.approx(1)
    moved = SimpleNamespace(**vars(points) | {"pos": 1e-4 * points.pos + 0.3})
    torch.testing.assert_close(neighbourhoods(moved, 5).step, found.step, rtol=1e-8, atol=1e-8)


def test_points_in_one_place_make_no_empty_cluster_and_no_nan():
    points = points_of((12,))
    points.pos[:] = 0.5
    found = coarse(points, 0.5)
    assert bool((found.rowptr.diff() > 0).all())
    y = interpolation(found.points, points)(found.restrict(points.x))
    assert y.isfinite().all() and neighbourhoods(points, 4).step.isfinite().all()


def test_a_graph_without_places_is_refused():
    points = nodes(
        SimpleNamespace(x=torch.ones(3, 1), weight=torch.ones(3), cond=torch.zeros(1, 0))
    )
    with pytest.raises(ValueError, match="no pos"):
        farthest_order(points, (1,))
