"""Signs, widths and limits of moving simplices: exact cases, and what is refused."""

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop import ops

F64 = torch.float64
UNIT = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]], dtype=F64)
TET = torch.arange(4)[None]


@given(st.integers(0, 2**20), st.integers(-3, 3), st.sampled_from([1.0, 1e-150, 1e100]))
def test_signs_are_those_of_rational_arithmetic(seed: int, ulps: int, scale: float) -> None:
    random = torch.Generator().manual_seed(seed)
    a, b, c = torch.rand(3, 2, generator=random, dtype=F64)
    c = a + (b - a) * float(torch.rand(1, generator=random))  # on the line, to rounding
    c[1] += ulps * 2.0**-54
    points = torch.stack([a, b, c]) * scale
    (ax, ay), (bx, by), (cx, cy) = [[Fraction(v) for v in p] for p in points.tolist()]
    det = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    sign = ops.simplex_sign(points, torch.tensor([[0, 1, 2], [1, 0, 2]]))
    assert sign.tolist() == [(det > 0) - (det < 0), (det < 0) - (det > 0)]


def test_widths_of_known_simplices() -> None:
    corner = ops.simplex_width(UNIT, TET)
    assert torch.isclose(corner, torch.tensor([3**-0.5], dtype=F64)).all()  # the altitude of 0
    regular = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]], dtype=F64)
    wide = ops.simplex_width(regular, TET[:, [1, 0, 2, 3]])
    assert torch.isclose(wide, torch.tensor([2.0], dtype=F64)).all()  # opposite edges, not 8/3^1.5
    flat = ops.simplex_width(UNIT[:3, :2], torch.tensor([[0, 1, 2], [0, 2, 1], [0, 1, 1]]))
    assert torch.isclose(flat, torch.tensor([2**-0.5, 0, 0], dtype=F64)).all()


def test_limits_of_known_motions() -> None:
    down = torch.zeros_like(UNIT)
    down[3, 2] = -4.0
    assert torch.isclose(ops.step_limit(UNIT, down, TET), torch.tensor([0.25], dtype=F64)).all()
    half = ops.step_limit(UNIT, down, TET, torch.tensor([0.5], dtype=F64))
    assert torch.isclose(half, torch.tensor([0.125], dtype=F64)).all()
    # (1 - 2 t)^3: all three coefficients count; a point reflection has a double root in 2-D.
    mirrored = ops.step_limit(UNIT, -2 * UNIT, TET)
    assert abs(float(mirrored) - 0.5) < 1e-4 and float(mirrored) <= 0.5
    flat = ops.step_limit(UNIT[:3, :2], -2 * UNIT[:3, :2], torch.tensor([[0, 1, 2]]))
    assert abs(float(flat) - 0.5) < 1e-6 and float(flat) <= 0.5
    for free in (torch.full_like(UNIT, 1e9), 5 * UNIT, torch.zeros_like(UNIT)):
        assert ops.step_limit(UNIT, free, TET).item() == 1.0
    assert ops.step_limit(UNIT, down, TET[:, [1, 0, 2, 3]]).item() == 0.0  # inverted


def test_least_values_around_nodes() -> None:
    found = ops.node_least(
        torch.tensor([3.0, 1.0, 1.0], dtype=F64), torch.tensor([[0, 1], [1, 2], [2, 4]]), 5
    )
    assert found.least.tolist() == [3, 1, 1, float("inf"), 1]
    assert found.simplex.tolist() == [0, 1, 1, -1, 2]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: ops.simplex_sign(UNIT.float(), TET), "points: expected"),
        (lambda: ops.simplex_sign(UNIT, TET[:, :3]), r"simplices: expected \(S, 4\)"),
        (lambda: ops.simplex_width(UNIT, TET + 1), "number of points, found 4"),
        (lambda: ops.step_limit(UNIT, UNIT[:3], TET), "displacement: expected"),
        (lambda: ops.step_limit(UNIT, UNIT, TET, UNIT), "least: expected"),
        (lambda: ops.node_least(UNIT[0], TET, 4), "values: expected"),
        (lambda: ops.node_least(UNIT[:1, 0], TET, 3), "number of points, found 3"),
        (lambda: ops.node_least(UNIT[:1, 0], TET, -1), "num_nodes: expected"),
    ],
)
def test_faults_are_told(call: Callable[[], object], told: str) -> None:
    with pytest.raises((ValueError, IndexError), match=told):
        call()
