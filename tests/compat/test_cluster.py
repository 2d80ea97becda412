"""The functions of torch_cluster beside brute force, and beside torch_cluster itself."""

import inspect
import math
from itertools import pairwise
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from meshop.compat import torch_cluster as ours

few = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("torch_cluster", reason="torch_cluster, the original, is not here")


class Clouds(NamedTuple):
    """x and y, and the batch entry of each."""

    x: Tensor
    y: Tensor
    batch_x: Tensor
    batch_y: Tensor

    @property
    def batches(self) -> tuple[Tensor, Tensor]:
        return self.batch_x, self.batch_y

    def dist2(self) -> Tensor:
        """(M, N) from y to x, inf between entries."""
        d = ((self.y[:, None].double() - self.x[None].double()) ** 2).sum(2)
        return torch.where(self.batch_y[:, None] == self.batch_x[None], d, math.inf)

    @property
    def alone(self) -> "Clouds":
        return self._replace(y=self.x, batch_y=self.batch_x)


@st.composite
def clouds(draw: st.DrawFn, smallest: int = 0, lattice: bool | None = None) -> Clouds:
    """Up to 3 entries of up to 7 points; on a lattice there are ties and duplicates."""
    dim, entries = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    g = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    on = draw(st.booleans()) if lattice is None else lattice
    parts = []
    for _ in range(2):
        sizes = draw(st.lists(st.integers(smallest, 7), min_size=entries, max_size=entries))
        batch = torch.repeat_interleave(torch.arange(entries), torch.tensor(sizes))
        shape = (sum(sizes), dim)
        points = torch.randint(-2, 3, shape, generator=g) if on else torch.randn(shape, generator=g)
        parts.append((points.to(draw(st.sampled_from((torch.float32, torch.float64)))), batch))
    (x, batch_x), (y, batch_y) = parts
    return Clouds(x, y.to(x.dtype), batch_x, batch_y)


def edges(dist2: Tensor, most: int | None, inside: Tensor) -> Tensor:
    """Of each row the ``most`` nearest that are inside, by distance and then by index."""
    found = []
    for i, row in enumerate(dist2):
        order = [j for j in row.argsort(stable=True).tolist() if inside[i, j]]
        found += [(i, j) for j in order[:most]]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 2).T


@few
@given(c=clouds(), k=st.integers(1, 5))
def test_knn(c: Clouds, k: int) -> None:
    d = c.dist2()
    found = ours.knn(c.x, c.y, k, *c.batches, batch_size=3)
    assert torch.equal(found, edges(d, k, d < math.inf))


@few
@given(c=clouds(1, lattice=False), k=st.integers(1, 5))
def test_knn_by_direction(c: Clouds, k: int) -> None:
    unit = c._replace(x=c.x / c.x.norm(dim=1)[:, None], y=c.y / c.y.norm(dim=1)[:, None])
    found = ours.knn(c.x, c.y, k, *c.batches, cosine=True)
    d = unit.dist2()
    expected = edges(d, k, d < math.inf)
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(d[*found], d[*expected], atol=1e-6, rtol=0)


@few
@given(c=clouds(), k=st.integers(1, 5), loop=st.booleans(), to_target=st.booleans())
def test_knn_graph(c: Clouds, k: int, loop: bool, to_target: bool) -> None:
    c = c.alone
    d = c.dist2()
    inside = d < math.inf if loop else (d < math.inf) & ~torch.eye(len(d), dtype=torch.bool)
    flow = "source_to_target" if to_target else "target_to_source"
    found = ours.knn_graph(c.x, k, c.batch_x, loop, flow)
    expected = edges(d, k, inside)
    assert torch.equal(found, expected.flip(0) if to_target else expected)


@few
@given(c=clouds(), r=st.sampled_from([0.7, 1.0, 2.0]), cap=st.sampled_from([1, 2, 32, None]))
def test_radius(c: Clouds, r: float, cap: int | None) -> None:
    """Nearer than r: not at r. A cap keeps the nearest."""
    d = c.dist2()
    found = ours.radius(c.x, c.y, r, *c.batches, cap, batch_size=3)
    assert torch.equal(found, edges(d, cap, d < r * r))


@few
@given(c=clouds(), r=st.sampled_from([0.7, 1.0, 2.0]), loop=st.booleans(), to_target=st.booleans())
def test_radius_graph(c: Clouds, r: float, loop: bool, to_target: bool) -> None:
    c = c.alone
    d = c.dist2()
    inside = d < r * r if loop else (d < r * r) & ~torch.eye(len(d), dtype=torch.bool)
    flow = "source_to_target" if to_target else "target_to_source"
    found = ours.radius_graph(c.x, r, c.batch_x, loop, 3, flow)
    expected = edges(d, 3, inside)
    assert torch.equal(found, expected.flip(0) if to_target else expected)


@few
@given(c=clouds(1))
def test_nearest(c: Clouds) -> None:
    found = ours.nearest(c.x, c.y, *c.batches)
    assert torch.equal(found, c.dist2().argmin(0))


def farthest(points: Tensor, count: int, start: int) -> list[int]:
    """Sampling with a full row of distances for each sample."""
    chosen = [start]
    while len(chosen) < count:
        gap = torch.cdist(points, points[chosen]).amin(1)
        gap[chosen] = -1
        chosen.append(int(gap.argmax()))
    return chosen


@few
@given(c=clouds(1, lattice=False), ratio=st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0]))
def test_fps(c: Clouds, ratio: float) -> None:
    sizes = torch.bincount(c.batch_x)
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]).tolist()
    expected = []
    for first, last in pairwise(ptr):
        count = math.ceil(float(torch.tensor(float(last - first)) * torch.tensor(ratio)))
        expected += [first + i for i in farthest(c.x[first:last].double(), count, 0)]
    for given_ratio in (ratio, torch.tensor(ratio), torch.full((len(sizes),), ratio)):
        assert ours.fps(c.x, c.batch_x, given_ratio, False).tolist() == expected
    assert ours.fps(c.x, ratio=ratio, random_start=False, ptr=ptr).tolist() == expected


def test_fps_starts_at_random() -> None:
    points = torch.rand(20, 2)
    torch.manual_seed(0)
    first = [ours.fps(points, torch.arange(20) // 10)[[0, 5]].tolist() for _ in range(40)]
    assert len({a for a, _ in first}) > 5 and len({b for _, b in first}) > 5
    assert all(0 <= a < 10 <= b < 20 for a, b in first)
    torch.manual_seed(0)
    assert ours.fps(points, torch.arange(20) // 10)[[0, 5]].tolist() == first[0]


@few
@given(c=clouds(1), bounds=st.booleans())
def test_grid_cluster(c: Clouds, bounds: bool) -> None:
    dim = c.x.shape[1]
    size = torch.tensor([0.5, 0.7, 2.0], dtype=c.x.dtype)[:dim]
    start = torch.full((dim,), -5.0, dtype=c.x.dtype) if bounds else None
    end = torch.full((dim,), 5.0, dtype=c.x.dtype) if bounds else None
    low, high = (start, end) if bounds else (c.x.amin(0), c.x.amax(0))
    expected = []
    for point in c.x:
        cell, stride = 0, 1
        for d in range(dim):
            cell += int((point[d] - low[d]) / size[d]) * stride
            stride *= int((high[d] - low[d]) / size[d]) + 1
        expected.append(cell)
    assert ours.grid_cluster(c.x, size, start, end).tolist() == expected


def test_other_types_and_shapes() -> None:
    x = torch.tensor([0, 3, 4, 9])
    assert ours.knn_graph(x, 1).tolist() == [[1, 2, 1, 2], [0, 1, 2, 3]]
    assert ours.knn_graph(x.half(), 1).tolist() == [[1, 2, 1, 2], [0, 1, 2, 3]]
    assert ours.radius_graph(x.double()[:, None], 2).tolist() == [[2, 1], [1, 2]]
    assert ours.knn(torch.zeros(0, 2), torch.zeros(3, 2), 1).shape == (2, 0)
    assert ours.radius_graph(torch.zeros(0, 2), 1.0).shape == (2, 0)
    assert ours.nearest(torch.zeros(0, 2), torch.zeros(3, 2)).shape == (0,)
    assert ours.fps(torch.zeros(0, 2)).shape == (0,)
    assert ours.grid_cluster(torch.zeros(0, 2), torch.ones(2)).shape == (0,)


def test_more_neighbours_than_a_hundred() -> None:
    x = torch.rand(300, 3)
    assert ours.knn_graph(x, 150).shape == (2, 300 * 150)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, b: ours.knn(x, x, 1, b.flip(0), b), ValueError, "batch_x: expected a sorted"),
        (lambda x, b: ours.knn(x, x, 1, b), ValueError, "batch_y: expected one, as there are 2"),
        (lambda x, b: ours.knn(x, x, 1, b[:2], b), ValueError, r"batch_x: expected shape \(4,\)"),
        (lambda x, b: ours.knn(x, x, 1, b, b, batch_size=1), ValueError, "from 0 to 0"),
        (lambda x, b: ours.knn(x, x[:, :1], 1), ValueError, r"shape \(Q, 2\)"),
        (lambda x, b: ours.knn(x, x, 0), ValueError, "k: expected an integer >= 1"),
        (lambda x, b: ours.knn(x, x * 0, 1, cosine=True), ValueError, "other than zero"),
        (lambda x, b: ours.knn_graph(x, 1, flow="up"), ValueError, "flow: expected source_to"),
        (lambda x, b: ours.radius_graph(x, -1.0), ValueError, "r: expected"),
        (lambda x, b: ours.radius_graph(x / 0, 1.0), ValueError, "finite"),
        (lambda x, b: ours.nearest(x, x[:2], b, b[:2]), ValueError, "do not in batch_y"),
        (lambda x, b: ours.nearest(x, x[:0]), ValueError, "do not in batch_y"),
        (lambda x, b: ours.fps(x, b.flip(0)), ValueError, "sorted"),
        (lambda x, b: ours.grid_cluster(x, torch.ones(3)), ValueError, "size: expected 2 numbers"),
        (lambda x, b: ours.grid_cluster(x, x[1] * 1e-19), ValueError, "voxel_downsample"),
        (lambda x, b: ours.random_walk(b, b, b, 2, p=0), ValueError, "p and q"),
        (lambda x, b: ours.random_walk(b.flip(0), b, b, 2, coalesced=False), ValueError, "sorted"),
        (lambda x, b: ours.neighbor_sampler(b, b, 0), ValueError, "size: expected a number > 0"),
    ],
)
def test_says_what_is_wrong(call, error, words: str) -> None:
    x = torch.tensor([[0.0, 1], [1, 1], [2, 1], [7, 1]])
    with pytest.raises(error, match=words):
        call(x, torch.tensor([0, 0, 1, 1]))


# Beside the original


def test_same_names_and_arguments(theirs) -> None:
    for name in set(theirs.__all__) - {"__version__"}:
        mine = inspect.signature(getattr(ours, name)).parameters
        schema = getattr(getattr(theirs, name), "schema", None)
        if schema is not None:  # compiled by TorchScript
            expected = {a.name: a.default_value for a in schema.arguments}
            needed = {a.name for a in schema.arguments if not a.has_default_value()}
        else:
            other = inspect.signature(getattr(theirs, name)).parameters
            expected = {n: p.default for n, p in other.items()}
            needed = {n for n, d in expected.items() if d is inspect.Parameter.empty}
        assert list(mine) == list(expected), name
        for n, p in mine.items():
            assert (p.default is p.empty) == (n in needed), (name, n)
            assert n in needed or p.default == expected[n], (name, n)


@few
@given(c=clouds(1, lattice=False), k=st.integers(1, 5))
def test_original_knn(c: Clouds, k: int, theirs) -> None:
    """By distance only: of cosine the original has none on the CPU."""
    found, expected = (m.knn(c.x, c.y, k, *c.batches) for m in (ours, theirs))
    assert torch.equal(found, expected)


@few
@given(c=clouds(1, lattice=False), k=st.integers(1, 5), loop=st.booleans(), to=st.booleans())
def test_original_knn_graph(c: Clouds, k: int, loop: bool, to: bool, theirs) -> None:
    flow = "source_to_target" if to else "target_to_source"
    found, expected = (m.knn_graph(c.x, k, c.batch_x, loop, flow) for m in (ours, theirs))
    assert torch.equal(found, expected)


def ordered(edges: Tensor) -> list[list[int]]:
    return sorted(edges.T.tolist())


@few
@given(c=clouds(1), r=st.sampled_from([0.7, 1.0, 2.0]))
def test_original_radius(c: Clouds, r: float, theirs) -> None:
    """Also on a lattice, where points stand at r exactly."""
    found, expected = (m.radius(c.x, c.y, r, *c.batches) for m in (ours, theirs))
    assert ordered(found) == ordered(expected)
    # Capped, there are as many, but the nearest.
    found, expected = (m.radius(c.x, c.y, r, *c.batches, 2) for m in (ours, theirs))
    assert sorted(found[0].tolist()) == sorted(expected[0].tolist())


@few
@given(c=clouds(1), r=st.sampled_from([0.7, 1.0, 2.0]), loop=st.booleans(), to=st.booleans())
def test_original_radius_graph(c: Clouds, r: float, loop: bool, to: bool, theirs) -> None:
    flow = "source_to_target" if to else "target_to_source"
    found, expected = (m.radius_graph(c.x, r, c.batch_x, loop, 32, flow) for m in (ours, theirs))
    assert ordered(found) == ordered(expected)


@few
@given(c=clouds(1, lattice=False))
def test_original_nearest(c: Clouds, theirs) -> None:
    found, expected = (m.nearest(c.x, c.y, *c.batches) for m in (ours, theirs))
    assert torch.equal(found, expected)


@few
@given(c=clouds(1, lattice=False), ratio=st.sampled_from([None, 0.1, 0.25, 0.3, 0.7, 0.9, 1.0]))
def test_original_fps(c: Clouds, ratio: float | None, theirs) -> None:
    found, expected = (m.fps(c.x, c.batch_x, ratio, False) for m in (ours, theirs))
    assert torch.equal(found, expected)


@few
@given(c=clouds(1), bounds=st.booleans())
def test_original_grid_cluster(c: Clouds, bounds: bool, theirs) -> None:
    dim = c.x.shape[1]
    size = torch.tensor([0.5, 0.7, 2.0], dtype=c.x.dtype)[:dim]
    limits = [torch.full((dim,), v, dtype=c.x.dtype) if bounds else None for v in (-5.0, 5.0)]
    found, expected = (m.grid_cluster(c.x, size, *limits) for m in (ours, theirs))
    assert torch.equal(found, expected)
