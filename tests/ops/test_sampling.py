"""farthest_points and voxel_downsample as users call them, against naive NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop import ops

from .specs import cloud, graded, lattice, ptr


def naive_farthest(points: np.ndarray, count: int, start: int = 0) -> list[int]:
    """As a script would do it: the distance of every point to every sample, after every pick."""
    picks = [start] if count and len(points) else []
    while len(picks) < min(count, len(points)):
        gap = points[:, None] - points[picks]
        dist2 = gap[..., 0] ** 2
        for d in range(1, points.shape[1]):
            dist2 = dist2 + gap[..., d] ** 2
        left = [i for i in range(len(points)) if i not in picks]
        nearest = dist2.min(1)
        picks.append(max(left, key=lambda i: (nearest[i], -i)))
    return picks


# Coordinates of few values make ties and duplicates; free ones make neither.
_coordinates = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e3, 1e3, width=32),
)


@st.composite
def _clouds(draw) -> np.ndarray:
    dim = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(_coordinates, min_size=dim, max_size=dim), max_size=40))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return np.array(rows, dtype).reshape(-1, dim)


@given(points=_clouds(), count=st.integers(0, 50), data=st.data())
def test_farthest_points_are_the_naive_ones(points: np.ndarray, count: int, data) -> None:
    start = data.draw(st.integers(0, max(0, len(points) - 1)))
    found = ops.farthest_points(torch.as_tensor(points), count, start=start)
    assert found.index.tolist() == naive_farthest(points, count, start)
    assert found.ptr.tolist() == [0, min(count, len(points))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "points", [cloud(3000, 3), graded(3000, 3), graded(2000, 2), lattice(12, 3)]
)
def test_pruning_changes_nothing(points: torch.Tensor, dtype: torch.dtype) -> None:
    points = points.to(dtype)
    rows, count = points.numpy(), 600
    near, picks = np.full(len(rows), np.inf, rows.dtype), [0]
    for _ in range(count - 1):
        gap = rows - rows[picks[-1]]
        near = np.minimum(
            near, sum((gap[:, d] ** 2 for d in range(1, rows.shape[1])), gap[:, 0] ** 2)
        )
        picks.append(int(near.argmax()))
    assert ops.farthest_points(points, count).index.tolist() == picks


def test_dist2_is_the_spacing_and_a_prefix_is_a_smaller_sample() -> None:
    points = cloud(500, 3)
    found = ops.farthest_points(points, 200)
    assert found.dist2[0] == math.inf
    for j in (1, 7, 199):
        gap = points[found.index[j]] - points[found.index[:j]]
        assert found.dist2[j].item() == pytest.approx((gap**2).sum(1).min().item(), rel=1e-14)
    assert bool((found.dist2[1:] <= found.dist2[:-1]).all())
    assert torch.equal(ops.farthest_points(points, 50).index, found.index[:50])
    # Every point lies within the last spacing of a sample: the samples cover the cloud.
    reach = ops.knn(points[found.index], 1, points, max_distance=None).dist2.max()
    assert reach <= found.dist2[-1]


def test_duplicates_come_last_by_index() -> None:
    points = torch.tensor([[0.0], [0.0], [4.0], [4.0], [1.0]])
    found = ops.farthest_points(points, 9)
    assert found.index.tolist() == [0, 2, 4, 1, 3]
    assert found.dist2.tolist() == [math.inf, 16, 1, 0, 0]


def test_counts_shares_and_starts_by_cloud() -> None:
    points, rowptr = cloud(120, 2), ptr(0, 1, 80, 39)
    found = ops.farthest_points(points, torch.tensor([3, 3, 5, 0]).int(), rowptr.int())
    assert found.ptr.tolist() == [0, 0, 1, 6, 6]
    expected = [0] + [1 + i for i in naive_farthest(points[1:81].numpy(), 5)]
    assert found.index.tolist() == expected
    assert ops.farthest_points(points, 0.25, rowptr).ptr.tolist() == [0, 0, 1, 21, 31]
    assert len(ops.farthest_points(cloud(100, 2), 0.07).index) == 7
    assert len(ops.farthest_points(cloud(100, 2), 0.071).index) == 8
    begun = ops.farthest_points(points, 2, rowptr, start=torch.tensor([0, 0, 40, 119]))
    assert begun.index[begun.ptr[:-1]].tolist() == [0, 0, 40, 119]


@settings(max_examples=50)
@given(
    points=_clouds(),
    size=st.floats(0.01, 10),
    reduce=st.sampled_from(["mean", "nearest", "first"]),
    data=st.data(),
)
def test_voxels_are_the_naive_ones(points: np.ndarray, size: float, reduce: str, data) -> None:
    split = data.draw(st.integers(0, len(points)))
    rowptr = ptr(split, len(points) - split)
    found = ops.voxel_downsample(torch.as_tensor(points), size, rowptr, reduce)
    members: dict[tuple, list[int]] = {}
    for i, row in enumerate(points.tolist()):
        key = (int(i >= split), *(math.floor(x / size) for x in row))
        members.setdefault(key, []).append(i)
    keys = sorted(members)
    assert found.order.tolist() == [i for key in keys for i in members[key]]
    assert found.rowptr.diff().tolist() == [len(members[key]) for key in keys]
    assert found.ptr.diff().tolist() == [sum(key[0] == b for key in keys) for b in (0, 1)]
    for g, key in enumerate(keys):
        rows = points[members[key]].astype(np.float64)
        assert set(found.group[members[key]].tolist()) == {g}
        if reduce == "first":
            assert found.index[g] == members[key][0]
        else:
            gaps = ((rows - rows.mean(0)) ** 2).sum(1)
            place = members[key].index(int(found.index[g]))
            assert gaps[place] <= gaps.min() + 1e-9 * (1 + np.abs(rows).max() ** 2)
        wanted = rows.mean(0) if reduce == "mean" else points[int(found.index[g])]
        np.testing.assert_allclose(found.points[g].numpy(), wanted, rtol=1e-6, atol=1e-9)


def test_a_voxel_owns_its_lower_rim_in_any_dtype() -> None:
    for dtype in (torch.float32, torch.float64):
        points = torch.tensor([[0.0], [0.5], [1.0], [-0.5], [-0.25]], dtype=dtype)
        assert ops.voxel_downsample(points, 0.5).group.tolist() == [1, 2, 3, 0, 0]
    assert ops.voxel_downsample(torch.tensor([[0.3], [0.35]]), 0.1).group.tolist() == [0, 0]


def test_any_extent() -> None:
    far = 2.0**62 * (1 - 2**-53)
    rows = [[-far, far, 0], [far, -far, 1], [-far, far, 0], [-far, far, -far]]
    found = ops.voxel_downsample(torch.tensor(rows, dtype=torch.float64), 1.0, reduce="first")
    assert found.group.tolist() == [1, 2, 1, 0] and found.index.tolist() == [3, 0, 1]
    with pytest.raises(ValueError, match=r"within 2\^62 voxels.* in row 1"):
        ops.voxel_downsample(torch.tensor([[0.0], [1e19]], dtype=torch.float64), 1.0)


def test_means_far_from_the_origin_keep_their_digits() -> None:
    points = cloud(10_000, 2, dtype=torch.float32) + 5e6  # metres, as maps have them
    found = ops.voxel_downsample(points, 1e9)
    torch.testing.assert_close(found.points[0].double(), points.double().mean(0), rtol=1e-7, atol=0)


def test_other_values_pool_through_segment_reduce_and_gradients_reach_points() -> None:
    points = cloud(60, 3).requires_grad_()
    found = ops.voxel_downsample(points, 0.5, reduce="mean")
    pooled = ops.segment_reduce(points[found.order], found.rowptr, "mean")
    torch.testing.assert_close(found.points, pooled)
    weight = cloud(len(pooled), 3, 1)
    (a,) = torch.autograd.grad((found.points * weight).sum(), points)
    (b,) = torch.autograd.grad((pooled * weight).sum(), points)
    torch.testing.assert_close(a, b)
    nearest = ops.voxel_downsample(points, 0.5, reduce="nearest")
    (c,) = torch.autograd.grad(nearest.points.sum(), points)
    assert c.sum() == 3 * len(pooled) and set(c.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("ragged", [False, True])
def test_both_compile_with_sizes_left_open(ragged: bool) -> None:
    def sample(points, rowptr):
        found = ops.farthest_points(points, 0.5, rowptr)
        voxels = ops.voxel_downsample(points[found.index], 0.3)
        return found.index, found.dist2, voxels.points, voxels.group

    quick = torch.compile(sample, backend="aot_eager", dynamic=True, fullgraph=True)
    for n in (40, 57):
        points, rowptr = cloud(n, 3), ptr(10, n - 10) if ragged else None
        for a, b in zip(quick(points, rowptr), sample(points, rowptr), strict=True):
            assert torch.equal(a, b)


_points = cloud(6, 2)
_wild = _points.clone()
_wild[4, 1] = math.nan


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.farthest_points(_points[0], 2), ValueError, r"expected shape \(N, D\)"),
        (lambda: ops.farthest_points(_points.int(), 2), ValueError, "float32 or float64"),
        (lambda: ops.farthest_points(_wild, 2), ValueError, "finite.* in row 4"),
        (lambda: ops.farthest_points(_points, -1), ValueError, "integer >= 0, found -1"),
        (lambda: ops.farthest_points(_points, True), ValueError, "integer >= 0, found True"),
        (lambda: ops.farthest_points(_points, 1.5), ValueError, "share from 0 to 1, found 1.5"),
        (lambda: ops.farthest_points(_points, math.nan), ValueError, "share from 0 to 1"),
        (lambda: ops.farthest_points(_points, ptr(1)), ValueError, "expected 1 entries.*found 2"),
        (lambda: ops.farthest_points(_points, ptr() - 2), ValueError, ">= 0, found -2"),
        (lambda: ops.farthest_points(_points, 2, ptr(7)), IndexError, "expected 6.* found 7"),
        (lambda: ops.farthest_points(_points, 2, ptr(7, -1)), ValueError, "never decrease"),
        (lambda: ops.farthest_points(_points, 2, ptr()[:0]), ValueError, "at least one entry"),
        (lambda: ops.farthest_points(_points, 2, start=6), IndexError, "from 0 to 5.* found 6"),
        (lambda: ops.farthest_points(_points, 2, start=-1), IndexError, "from 0 to 5.* found -1"),
        (lambda: ops.farthest_points(_points, 2, ptr(3, 3), 0), ValueError, "expected 2 entries"),
        (lambda: ops.voxel_downsample(_wild, 1.0), ValueError, "finite.* in row 4"),
        (lambda: ops.voxel_downsample(_points, 0.0), ValueError, "size: .* > 0"),
        (lambda: ops.voxel_downsample(_points, math.inf), ValueError, "size: expected finite"),
        (lambda: ops.voxel_downsample(_points, 1.0, origin=math.nan), ValueError, "origin: "),
        (lambda: ops.voxel_downsample(_points, torch.ones(3)), ValueError, r"shape \(2,\)"),
        (lambda: ops.voxel_downsample(_points, 1.0, reduce="median"), ValueError, "reduce: "),
        (lambda: ops.voxel_downsample(_points, 1.0, ptr(5)), IndexError, "expected 6.* found 5"),
    ],
)
def test_errors_say_what_was_found(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    "args",
    [
        (torch.tensor([0, 1, 2, 3, 4, 6]), torch.tensor([0, 2, 6])),  # order beyond the points
        (torch.tensor([0, 1, 2, 3, 4, -1]), torch.tensor([0, 2, 6])),
        (torch.arange(6), torch.tensor([0, 2, 2, 6])),  # an empty group has no mean
        (torch.arange(6), torch.tensor([0, 2, 5])),
    ],
)
def test_voxel_mean_is_walled(args: tuple) -> None:
    with pytest.raises(RuntimeError):
        torch.ops.meshop.voxel_mean(_points, torch.zeros(6, dtype=torch.int64), *args)
