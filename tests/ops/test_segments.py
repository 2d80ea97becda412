"""segment_reduce as users call it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop import ops

from .specs import cloud, ptr


@given(
    sizes=st.lists(st.integers(0, 6), max_size=8),
    reduce=st.sampled_from(["sum", "mean", "min", "max"]),
    seed=st.integers(0, 2**31),
)
def test_permuting_segments_permutes_rows(sizes: list[int], reduce: str, seed: int) -> None:
    rowptr = ptr(*sizes)
    values = cloud(int(rowptr[-1]), 3, seed)
    order = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed)).tolist()
    pieces = [values[rowptr[i] : rowptr[i + 1]] for i in order]
    moved = torch.cat([values[:0], *pieces])
    found = ops.segment_reduce(moved, ptr(*[sizes[i] for i in order]), reduce)
    assert torch.equal(found, ops.segment_reduce(values, rowptr, reduce)[order])


def test_values() -> None:
    values = torch.tensor([1.0, 5.0, 3.0, -2.0])
    rowptr = ptr(3, 0, 1)
    expected = {"sum": [9, 0, -2], "mean": [3, 0, -2], "min": [1, 0, -2], "max": [5, 0, -2]}
    for reduce, rows in expected.items():
        assert ops.segment_reduce(values, rowptr, reduce).tolist() == rows
        assert ops.segment_reduce(values, rowptr.int(), reduce).tolist() == rows


def test_half_precision_is_summed_in_float32() -> None:
    ones = torch.ones(5000, 1, dtype=torch.bfloat16)  # bfloat16 itself stalls at 256
    assert ops.segment_reduce(ones, ptr(5000)).item() == 4992  # 5000, rounded once
    assert ops.segment_reduce(ones, ptr(5000), "mean").item() == 1


def test_a_tie_sends_its_gradient_to_the_first() -> None:
    values = torch.tensor([1.0, 2.0, 2.0, 0.0], requires_grad=True)
    ops.segment_reduce(values, ptr(4), "max").sum().backward()
    assert values.grad is not None and values.grad.tolist() == [0, 1, 0, 0]


_values = cloud(4, 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.segment_reduce(_values, ptr(4), "median"), ValueError, "reduce: expected one"),
        (lambda: ops.segment_reduce(_values.int(), ptr(4)), ValueError, "floating type"),
        (lambda: ops.segment_reduce(_values[0, 0], ptr(4)), ValueError, "found a scalar"),
        (lambda: ops.segment_reduce(_values, ptr(5)), IndexError, "expected 4.* found 5"),
        (lambda: ops.segment_reduce(_values, ptr(3)), IndexError, "expected 4.* found 3"),
        (lambda: ops.segment_reduce(_values, ptr(5, -1)), ValueError, "never decrease"),
        (lambda: ops.segment_reduce(_values, ptr(4) - 1), ValueError, r"rowptr\[0\]"),
        (lambda: ops.segment_reduce(_values, ptr(4)[:0]), ValueError, "at least one entry"),
        (lambda: ops.segment_reduce(_values, ptr(4)[None]), ValueError, "1 dimension"),
    ],
)
def test_errors_say_what_was_found(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("winner", [-1, 4, 10**12])
def test_a_winner_outside_the_values_raises(winner: int) -> None:
    grad, arg = torch.ones(1), torch.tensor([winner])
    if winner == 4 and not ops.compiled:
        pytest.skip("one past the end is the reference's mark of an empty segment")
    with pytest.raises((RuntimeError, IndexError)):
        torch.ops.meshop.segment_reduce_backward(grad, ptr(4), arg, 4, "max")
