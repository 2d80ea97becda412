"""The limiter: no inverted simplex whatever the displacement, and no step shorter than need be."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop import ops
from meshop.errors import MeshError
from meshop.movers import _order, limit

F64 = torch.float64


def random_simplices(n: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """n separate ones, all positive, some of them very flat."""
    random = torch.Generator().manual_seed(seed)
    corner = torch.randn(n, dim + 1, dim, generator=random, dtype=F64)
    flat = torch.rand(n, 1, generator=random, dtype=F64) ** 4
    corner[:, :, -1] *= flat
    nodes = torch.arange(n * (dim + 1)).reshape(n, dim + 1)
    points = corner.reshape(-1, dim)
    wrong = ops.simplex_sign(points, nodes) < 0
    nodes[wrong] = nodes[wrong][:, [1, 0, *range(2, dim + 1)]]
    return points, nodes


def adversarial(points: torch.Tensor, nodes: torch.Tensor, seed: int) -> torch.Tensor:
    """Moves that invert: up the gradient of the volume, reflections, noise of any size."""
    random = torch.Generator().manual_seed(seed)
    x = points.clone().requires_grad_()
    e = x[nodes][:, 1:] - x[nodes][:, :1]
    (slope,) = torch.autograd.grad(torch.linalg.det(e).sum(), x)
    down = -slope / slope.norm(dim=1, keepdim=True)
    size = 10 ** (4 * torch.rand(len(points), 1, generator=random, dtype=F64) - 2)
    noise = torch.randn(points.shape, generator=random, dtype=F64)
    kind = torch.randint(3, (len(nodes),), generator=random).repeat_interleave(nodes.shape[1])
    return torch.where((kind == 0)[:, None], down * size, noise * size * (kind == 1)[:, None]) + (
        -2 * points * (kind == 2)[:, None]
    )


@pytest.mark.parametrize("dim", [2, 3])
def test_no_simplex_of_100_000_is_inverted(dim: int) -> None:
    points, nodes = random_simplices(100_000, dim, dim)
    step = adversarial(points, nodes, dim)
    assert (ops.simplex_sign(points + step, nodes) < 0).sum() > 30_000  # what would happen
    found = limit(points, step, nodes)
    assert (ops.simplex_sign(found.points, nodes) <= 0).sum() == 0
    assert 0 < float(found.done) < 1
    ptr = torch.arange(100_001) * (dim + 1)  # each a mesh of its own: the step limit at work
    alone = limit(points, step, nodes, ptr, passes=2)
    assert (ops.simplex_sign(alone.points, nodes) <= 0).sum() == 0
    assert (alone.done > 0.02).double().mean() > 0.5


@pytest.mark.parametrize("dim", [2, 3])
def test_the_cap_alone_is_safe_and_half_the_width_is_sharp(dim: int) -> None:
    points, nodes = random_simplices(20_000, dim, 7)
    width = ops.simplex_width(points, nodes).repeat_interleave(dim + 1)[:, None]
    x = points.clone().requires_grad_()
    (slope,) = torch.autograd.grad(torch.linalg.det(x[nodes][:, 1:] - x[nodes][:, :1]).sum(), x)
    down = -slope / slope.norm(dim=1, keepdim=True)
    assert (ops.simplex_sign(points + 0.4999 * width * down, nodes) > 0).all()
    more = ops.simplex_sign(points + 0.75 * width * down, nodes)
    assert (more < 0).double().mean() > 0.3


@pytest.mark.parametrize("dim", [2, 3])
def test_step_limits_equal_bisection_on_exact_determinants(dim: int) -> None:
    points, nodes = random_simplices(60, dim, 3)
    fat = ops.simplex_width(points, nodes) > 1e-2
    step = adversarial(points, nodes, 5)
    keep = 0.25
    e = points[nodes][:, 1:] - points[nodes][:, :1]
    floor = keep * torch.linalg.det(e)
    t = ops.step_limit(points, step, nodes, floor)
    assert (t == 1).any() and (t < 1).any()
    for s in range(len(nodes)):
        e, d = (
            [[Fraction(b) - Fraction(a) for a, b in zip(r[0], q, strict=True)] for q in r[1:]]
            for r in (points[nodes[s]].tolist(), step[nodes[s]].tolist())
        )
        least = Fraction(float(floor[s]))

        def left(t: Fraction, e: list = e, d: list = d, least: Fraction = least) -> Fraction:
            moved = [
                [a + t * b for a, b in zip(p, q, strict=True)] for p, q in zip(e, d, strict=True)
            ]
            return _det(moved) - least

        limit_s = Fraction(float(t[s]))
        # Never beyond the first root: positive on a grid up to the limit, and there itself.
        assert all(left(limit_s * k / 64) > 0 for k in range(65))
        if limit_s < 1 and fat[s]:  # rounding takes more of flat ones
            assert any(left(limit_s + Fraction(10) ** -k) <= 0 for k in (8, 9, 10, 11))


def _det(e: list) -> Fraction:
    if len(e) == 2:
        return e[0][0] * e[1][1] - e[0][1] * e[1][0]
    (a, b, c), (d, f, g), (h, i, j) = e
    return a * (f * j - g * i) - b * (d * j - g * h) + c * (d * i - f * h)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), dim=st.sampled_from([2, 3]), power=st.floats(-3, 6),
    far=st.sampled_from([0.0, 1e4, 1e8]), narrow=st.booleans(),
)  # fmt: skip
def test_any_mesh_stays_positive(
    seed: int, dim: int, power: float, far: float, narrow: bool
) -> None:
    points, nodes = grid(dim, 4, seed)
    points = points + far
    dtype = torch.float32 if narrow else F64
    points = points.to(dtype)
    if (ops.simplex_sign(points.double(), nodes) <= 0).any():
        with pytest.raises(MeshError, match="inverted or flat before they move"):
            limit(points, points, nodes)
        return
    random = torch.Generator().manual_seed(seed)
    step = (10**power * torch.randn(points.shape, generator=random, dtype=F64)).to(dtype)
    found = limit(points, step, nodes)
    assert found.points.dtype == dtype and found.points.isfinite().all()
    assert (ops.simplex_sign(found.points.double(), nodes) > 0).all()
    assert 0 <= float(found.done) <= 1


def grid(dim: int, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A Kuhn grid of n cells a side, shaken."""
    axis = torch.linspace(0, 1, n + 1, dtype=F64)
    points = torch.cartesian_prod(*[axis] * dim)
    cube = torch.cartesian_prod(*[torch.arange(n)] * dim)
    from itertools import permutations

    stride = (n + 1) ** torch.arange(dim - 1, -1, -1)
    cells = []
    for order in permutations(range(dim)):
        walk = [cube @ stride]
        for a in order:
            walk.append(walk[-1] + stride[a])
        cells.append(torch.stack(walk, 1))
    nodes = torch.cat(cells)
    wrong = ops.simplex_sign(points, nodes) < 0
    nodes[wrong] = nodes[wrong][:, [1, 0, *range(2, dim + 1)]]
    random = torch.Generator().manual_seed(seed)
    return points + 0.1 / n * (torch.rand(points.shape, generator=random, dtype=F64) - 0.5), nodes


@pytest.mark.parametrize("dim", [2, 3])
def test_what_inverts_nothing_is_made_as_it_is(dim: int) -> None:
    points, nodes = grid(dim, 4)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(1))).Q
    turn = (turn * torch.linalg.det(turn).sign() if dim == 3 else turn).double()
    turn = turn if torch.linalg.det(turn) > 0 else turn.flip(0)
    goal = points @ turn.T + 100.0
    found = limit(points, goal - points, nodes)
    assert torch.equal(found.points, points + (goal - points)) and float(found.done) == 1.0
    assert int(limit(points, torch.zeros_like(points), nodes).passes) == 0


@pytest.mark.parametrize("dim", [2, 3])
def test_batches_order_and_threads_change_nothing(dim: int) -> None:
    one, two = grid(dim, 3, 1), grid(dim, 2, 2)
    random = torch.Generator().manual_seed(3)
    steps = [torch.randn(p.shape, generator=random, dtype=F64) for p, _ in (one, two)]
    alone = [limit(p, s, n) for (p, n), s in zip((one, two), steps, strict=True)]
    ptr = torch.tensor([0, len(one[0]), len(one[0]) + len(two[0])])
    nodes = torch.cat([one[1], two[1] + len(one[0])])
    together = limit(torch.cat([one[0], two[0]]), torch.cat(steps), nodes, ptr)
    assert torch.equal(together.points, torch.cat([a.points for a in alone]))
    torch.testing.assert_close(together.done, torch.cat([a.done for a in alone]))
    order = torch.randperm(len(one[0]), generator=random)
    number = order.argsort()
    mixed = number[one[1]][torch.randperm(len(one[1]), generator=random)]
    permuted = limit(one[0][order], steps[0][order], mixed)
    torch.testing.assert_close(permuted.points, alone[0].points[order], rtol=0, atol=1e-12)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        points, nodes = grid(dim, 24 if dim == 3 else 80)
        step = torch.randn(points.shape, generator=random, dtype=F64) / 20
        many = limit(points, step, nodes)
        torch.set_num_threads(1)
        few = limit(points, step, nodes)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(few.points, many.points)


@pytest.mark.parametrize("dim", [2, 3])
def test_gradients_are_those_of_finite_differences(dim: int) -> None:
    points, nodes = grid(dim, 2, 4)
    random = torch.Generator().manual_seed(5)
    step = 0.6 * torch.randn(points.shape, generator=random, dtype=F64)
    inputs = points.requires_grad_(), step.requires_grad_()

    def moved(x: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        return limit(x, d, nodes, passes=2).points

    assert 0 < float(limit(points, step, nodes, passes=2).done) < 1
    assert torch.autograd.gradcheck(moved, inputs, eps=1e-7, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("dim", [2, 3])
def test_what_is_scattered_in_memory_is_put_in_order_and_nothing_else_changes(
    dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, nodes = grid(dim, 12 if dim == 2 else 5)
    random = torch.Generator().manual_seed(6)
    step = 0.1 * torch.randn(points.shape, generator=random, dtype=F64)
    order = torch.randperm(len(points), generator=random)
    mixed = order.argsort()[nodes][torch.randperm(len(nodes), generator=random)]
    results = []
    for many in (10**9, 10):
        monkeypatch.setattr(_order, "MANY", many)
        assert _order.scattered(mixed, len(points)) == (many == 10)
        x, d = points[order].requires_grad_(), step[order].requires_grad_()
        found = limit(x, d, mixed)
        slopes = torch.autograd.grad(found.points.square().sum(), (x, d))
        results.append((found.points, found.done, *slopes))
    assert 0 < float(results[0][1]) < 1
    (points, done, *slopes), (others, rest, *more) = results
    assert torch.equal(points, others) and torch.equal(done, rest)
    for one, two in zip(slopes, more, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    big = torch.arange(1_000_000).repeat_interleave(3).reshape(-1, 3)
    monkeypatch.undo()
    assert not _order.scattered(big, 1_000_000) and _order.scattered(big * 479_909 % 999_983, 10**6)


def test_mortons_curve_runs_through_the_bits_in_turn() -> None:
    top = 2**_order.BITS - 1
    random = torch.Generator().manual_seed(0)
    cell = torch.randint(0, top + 1, (50, 3), generator=random)
    cell[0], cell[1] = 0, top
    for dim in (2, 3):
        expected = [
            sum((int(c) >> bit & 1) << (3 * bit + axis)
                for axis, c in enumerate(row) for bit in range(_order.BITS))
            for row in cell[:, :dim]
        ]  # fmt: skip
        assert _order.morton(cell[:, :dim].double()).tolist() == expected


def test_faults_are_told_in_three_lines() -> None:
    points, nodes = grid(2, 2)
    with pytest.raises(MeshError) as told:
        limit(points, points, nodes.flip(1))
    assert len(str(told.value).splitlines()) == 3 and "inverted" in str(told.value)
    bad = points.clone()
    bad[3, 0] = np.nan
    for args in ((bad, points), (points, bad)):
        with pytest.raises(MeshError, match="NaN or infinity"):
            limit(*args, nodes)
    with pytest.raises(ValueError, match="displacement: expected"):
        limit(points, points[:3], nodes)
    with pytest.raises(IndexError, match="simplices"):
        limit(points, points, nodes + 1)
    with pytest.raises(ValueError, match="one mesh each"):
        limit(points, points, nodes, torch.tensor([0, 4, 9]))
