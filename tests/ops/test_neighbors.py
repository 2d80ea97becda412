"""knn and radius as users call them: promises, gradients and errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from meshop import ops

from .specs import cloud, graded, lattice, ptr

clouds = st.builds(
    # Few distinct coordinates: ties and duplicates in almost every example.
    lambda n, dim, seed, steps: (cloud(n, dim, seed) * steps).round(),
    st.integers(1, 60),
    st.integers(1, 4),
    st.integers(0, 2**31),
    st.integers(1, 8),
)


@given(points=clouds, k=st.integers(1, 8), seed=st.integers(0, 2**31))
def test_permuting_points_permutes_neighbours(points: torch.Tensor, k: int, seed: int) -> None:
    shuffle = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    plain, moved = ops.knn(points, k), ops.knn(points[shuffle], k)
    width = min(k, len(points))
    expected = plain.dist2.reshape(-1, width)[shuffle]
    assert torch.equal(moved.dist2.reshape(-1, width), expected)
    # The same points too, up to ties: each index is at the distance that its row states.
    found = ((points[shuffle][moved.receivers] - points[shuffle][moved.index]) ** 2).sum(1)
    assert torch.allclose(found, moved.dist2, rtol=1e-12, atol=0)


@given(points=clouds, r=st.floats(0, 4), cap=st.integers(0, 6))
def test_a_cap_keeps_the_nearest_and_counts_the_rest(
    points: torch.Tensor, r: float, cap: int
) -> None:
    every, some = ops.radius(points, r), ops.radius(points, r, max_neighbors=cap)
    assert not every.dropped.any()
    for i in range(len(points)):
        whole = every.index[every.rowptr[i] : every.rowptr[i + 1]]
        kept = some.index[some.rowptr[i] : some.rowptr[i + 1]]
        assert torch.equal(kept, whole[:cap])
        assert some.dropped[i] == len(whole) - len(kept)


@given(points=clouds, r=st.floats(0, 4))
def test_radius_is_symmetric(points: torch.Tensor, r: float) -> None:
    found = ops.radius(points, r, exclude_self=True)
    pairs = set(zip(found.receivers.tolist(), found.index.tolist(), strict=True))
    assert pairs == {(b, a) for a, b in pairs}
    assert all(a != b for a, b in pairs)


@pytest.mark.parametrize("points", [cloud(3000, 3), graded(3000, 2)], ids=["uniform", "graded"])
def test_distances_agree_with_scipy(points: torch.Tensor) -> None:
    found = ops.knn(points, 9)
    expected, _ = cKDTree(points.numpy()).query(points.numpy(), k=9)
    np.testing.assert_allclose(found.dist2.sqrt().reshape(-1, 9).numpy(), expected, rtol=1e-9)


def test_ties_stand_by_index() -> None:
    points = lattice(5, 2)
    found = ops.knn(points, 5)
    centre = found.index[found.rowptr[12] : found.rowptr[13]]
    assert centre.tolist() == [12, 7, 11, 13, 17]


def test_clouds_do_not_see_each_other() -> None:
    points = torch.zeros(7, 2)
    found = ops.knn(points, 10, ptr=ptr(3, 0, 4), exclude_self=True)
    assert found.rowptr.diff().tolist() == [2] * 3 + [3] * 4
    assert found.index[:6].max() < 3 and found.index[6:].min() >= 3


def test_int32_pointers_are_welcome() -> None:
    points = cloud(10, 2)
    a, b = ops.knn(points, 2, ptr=ptr(4, 6)), ops.knn(points, 2, ptr=ptr(4, 6).int())
    assert torch.equal(a.index, b.index)


def test_max_distance_is_inclusive() -> None:
    points = torch.tensor([[0.0], [1.0], [2.0]])
    assert ops.knn(points, 3, max_distance=1.0).rowptr.tolist() == [0, 2, 5, 7]
    assert ops.radius(points, torch.tensor([0.0, 1.0, 2.0])).rowptr.tolist() == [0, 1, 4, 7]


def test_distances_are_differentiable() -> None:
    points = cloud(20, 3).requires_grad_()
    queries = cloud(5, 3, 1).requires_grad_()
    found = ops.knn(points, 4, queries)
    grads = torch.autograd.grad(found.dist2.sin().sum(), (points, queries))
    plain = ((queries[found.receivers] - points[found.index]) ** 2).sum(1)
    expected = torch.autograd.grad(plain.sin().sum(), (points, queries))
    for grad, right in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, right)


def test_compiles_with_dynamic_shapes() -> None:
    @torch.compile(backend="aot_eager", fullgraph=True, dynamic=True)
    def layer(points: torch.Tensor, rowptr: torch.Tensor) -> torch.Tensor:
        found = ops.knn(points, 3)
        return found.dist2.sum() + ops.segment_reduce(points, rowptr, "mean").sum()

    for n in (12, 17, 30):
        points = cloud(n, 2).requires_grad_()
        rowptr = ptr(5, 0, n - 5)
        expected = ops.knn(points, 3).dist2.sum() + ops.segment_reduce(points, rowptr, "mean").sum()
        found = layer(points, rowptr)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            torch.autograd.grad(found, points), torch.autograd.grad(expected, points)
        )


_good = cloud(6, 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.knn(_good[0], 1), ValueError, r"points: expected shape \(N, D\)"),
        (lambda: ops.knn(_good[:, :0], 1), ValueError, r"points: expected shape"),
        (lambda: ops.knn(_good.half(), 1), ValueError, "expected float32 or float64"),
        (lambda: ops.knn(_good, 0), ValueError, "k: expected an integer >= 1, found 0"),
        (lambda: ops.knn(_good, 2.0), ValueError, "k: expected an integer"),
        (lambda: ops.knn(_good, 1, cloud(3, 3)), ValueError, r"queries: expected shape \(Q, 2\)"),
        (lambda: ops.knn(_good, 1, _good.float()), ValueError, "queries: expected torch.float64"),
        (lambda: ops.knn(_good, 1, _good, exclude_self=True), ValueError, "exclude_self"),
        (lambda: ops.knn(_good, 1, _good, ptr=ptr(6)), ValueError, "both or neither"),
        (lambda: ops.knn(_good, 1, query_ptr=ptr(6)), ValueError, "queries with it"),
        (lambda: ops.knn(_good, 1, ptr=ptr(7)), IndexError, r"ptr\[-1\]: expected 6.* found 7"),
        (lambda: ops.knn(_good, 1, ptr=ptr(6) + 1), ValueError, r"ptr\[0\]: expected 0, found 1"),
        (lambda: ops.knn(_good, 1, ptr=ptr(8, -2)), ValueError, "never decrease"),
        (lambda: ops.knn(_good, 1, ptr=ptr(6).float()), ValueError, "int32 or int64"),
        (lambda: ops.knn(_good, 1, ptr=[0, 6]), ValueError, "found list"),
        (
            lambda: ops.knn(_good, 1, _good, ptr=ptr(6), query_ptr=ptr(3, 3)),
            ValueError,
            "query_ptr: expected 2 entries",
        ),
        (
            lambda: ops.knn(_good, 1, _good, ptr=ptr(6), query_ptr=ptr(9)),
            IndexError,
            "number of queries",
        ),
        (lambda: ops.knn(_good / 0, 1), ValueError, "finite coordinates, found .* in row 0"),
        (lambda: ops.knn(_good, 1, _good * torch.nan), ValueError, "queries: expected finite"),
        (lambda: ops.knn(_good, 1, max_distance=-1.0), ValueError, "max_distance"),
        (lambda: ops.radius(_good, -1.0), ValueError, "r: expected a number >= 0"),
        (lambda: ops.radius(_good, float("nan")), ValueError, "r: expected a number >= 0"),
        (lambda: ops.radius(_good, torch.full((6,), -1.0)), ValueError, "radii >= 0, found -1"),
        (lambda: ops.radius(_good, torch.ones(5)), ValueError, r"shape \(6,\)"),
        (lambda: ops.radius(_good, 1.0, max_neighbors=-1), ValueError, "max_neighbors"),
    ],
)
def test_errors_say_what_was_found(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("index", [-1, 6])
def test_indices_out_of_range_raise(index: int) -> None:
    rowptr, wrong = ptr(1, 0, 0, 0, 0, 0), torch.tensor([index])
    with pytest.raises(RuntimeError, match="index must lie in"):
        torch.ops.meshop.dist2_backward(torch.ones(1).double(), _good, None, None, rowptr, wrong)


def test_squares_that_overflow_are_refused() -> None:
    far = torch.tensor([[0.0, 0.0], [1e30, 0.0]])
    for call in (lambda: ops.knn(far, 1), lambda: ops.radius(far, 1.0)):
        with pytest.raises(ValueError, match=r"extent of 1e\+30; scale"):
            call()
    near = torch.rand(4, 2)
    with pytest.raises(ValueError, match="r: expected a length whose square"):
        ops.radius(near, 1e25)
    with pytest.raises(ValueError, match="max_distance: expected a length whose square"):
        ops.knn(near, 2, max_distance=1e25)
    assert len(ops.radius(near, 1e300).index) == 16  # inf in float32, and all are nearer
    assert ops.knn(far.double(), 2).index.tolist() == [0, 1, 1, 0]


def test_forward_mode_is_refused() -> None:
    p = torch.rand(5, 2)
    with pytest.raises(NotImplementedError, match="forward-mode"):
        torch.func.jvp(lambda x: ops.knn(x, 2).dist2, (p,), (p,))
    assert torch.func.jvp(lambda x: x[ops.knn(p, 2).index], (p,), (p,))[1].shape == (10, 2)


@pytest.mark.parametrize("k", [torch.tensor(2), np.int64(2)])
def test_other_integers(k) -> None:
    assert ops.knn(torch.rand(3, 2), k).index.shape == (6,)


def test_what_is_no_tensor() -> None:
    with pytest.raises(TypeError, match="points: expected a torch tensor, found list"):
        ops.knn([[0.0, 1.0]], 1)  # type: ignore[arg-type]


def test_a_box_of_numbers_compiles() -> None:
    call = torch.compile(lambda p: ops.knn(p, 2, box=[1.0, 2.0]).index, dynamic=True)
    p = torch.rand(6, 2)
    assert torch.equal(call(p), ops.knn(p, 2, box=[1.0, 2.0]).index)
