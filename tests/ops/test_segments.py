"""segment_reduce and segment_softmax as users call them."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop import ops

from .specs import cloud, ptr

INF = math.inf


@given(
    sizes=st.lists(st.integers(0, 6), max_size=8),
    reduce=st.sampled_from(["sum", "mean", "min", "max", "logsumexp"]),
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


@given(
    sizes=st.lists(st.integers(0, 6), max_size=8),
    channels=st.sampled_from([1, 3, 8, 21]),
    scale=st.sampled_from([1.0, 1e3, 1e-3]),
    seed=st.integers(0, 2**31),
)
def test_exponentials_are_those_of_torch(
    sizes: list[int], channels: int, scale: float, seed: int
) -> None:
    rowptr = ptr(*sizes)
    values = scale * (cloud(int(rowptr[-1]), channels, seed) - 0.5)
    logs = ops.segment_reduce(values, rowptr, "logsumexp")
    shares = ops.segment_softmax(values, rowptr)
    for i, size in enumerate(sizes):
        part = slice(int(rowptr[i]), int(rowptr[i + 1]))
        torch.testing.assert_close(logs[i], values[part].logsumexp(0), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(shares[part], values[part].softmax(0), rtol=1e-12, atol=0)
        if size == 0:
            assert (logs[i] == -INF).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponentials_are_accurate_over_the_whole_range(dtype: torch.dtype) -> None:
    """Two values a segment: the smaller one's share is exp(difference), down to subnormal."""
    drop = torch.linspace(0, 760 if dtype == torch.float64 else 106, 20_001, dtype=torch.float64)
    drop = drop.to(dtype)
    values = torch.stack([torch.zeros_like(drop), -drop], 1).reshape(-1)
    rowptr = torch.arange(0, len(values) + 1, 2)
    shares = ops.segment_softmax(values, rowptr).reshape(-1, 2)
    small = drop.double().neg().exp() / (1 + drop.double().neg().exp())
    normal = torch.finfo(dtype).tiny
    tight = 1e-15 if dtype == torch.float64 else 4e-7
    torch.testing.assert_close(shares[:, 1].double(), small, rtol=tight * 4, atol=normal * tight)
    logs = ops.segment_reduce(values, rowptr, "logsumexp").double()
    torch.testing.assert_close(logs, drop.double().neg().exp().log1p(), rtol=0, atol=tight)
    assert shares[-1, 1] == 0


def test_masked_entries_have_no_share() -> None:
    values = torch.tensor([1.0, -INF, 1.0, -INF, -INF, INF, 0.0, math.nan, 0.0], requires_grad=True)
    rowptr = ptr(3, 2, 2, 2)
    shares = ops.segment_softmax(values, rowptr)
    assert shares[:5].tolist() == [0.5, 0, 0.5, 0, 0]
    assert shares[5:].isnan().all()
    shares[:5].pow(2).sum().backward()
    assert values.grad is not None and values.grad[:5].tolist() == [0] * 5
    logs = ops.segment_reduce(values, rowptr, "logsumexp")
    assert logs[1:3].tolist() == [-INF, INF] and logs[3].isnan()
    (slope,) = torch.autograd.grad(logs[1], values)
    assert slope[:5].tolist() == [0] * 5


def test_half_precision_softmax_is_computed_in_float32() -> None:
    values = (20 * cloud(3000, 2, 1) - 10).to(torch.bfloat16)
    expected = values.float().softmax(0).to(torch.bfloat16)
    shares = ops.segment_softmax(values, ptr(3000))
    torch.testing.assert_close(shares, expected, rtol=2**-7, atol=0)


_DIGEST = """
import hashlib, sys, torch
from meshop import ops
def cloud(n, c, seed):
    return torch.rand(n, c, generator=torch.Generator().manual_seed(seed)) - 0.5
REDUCTIONS = ("sum", "mean", "min", "max", "logsumexp")
digest = hashlib.sha256()
for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
    for channels in (1, 3, 8, 100):
        sizes = torch.arange(60) % 9
        sizes[7] = 9000
        rowptr = torch.cat([sizes[:1] * 0, sizes.cumsum(0)])
        edges = int(rowptr[-1])
        v = cloud(edges, channels, 1).to(dtype)
        x = cloud(50, channels, 2).to(dtype).requires_grad_()
        w = cloud(edges, 1, 3).to(dtype).requires_grad_()
        index = torch.arange(edges) ** 2 % 50
        found = [ops.segment_reduce(v, rowptr, r) for r in REDUCTIONS]
        found += [ops.segment_softmax(v, rowptr), ops.gather_reduce(x, index, rowptr, w, "mean")]
        found += torch.autograd.grad(found[-1].pow(2).sum(), (x, w))
        for t in found:
            digest.update(t.detach().contiguous().view(torch.uint8).numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(not ops.compiled, reason="the kernels are what chooses instructions")
def test_every_instruction_set_gives_the_same_bits() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=os.environ | {"MESHOP_VECTOR_BYTES": width},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for width in ("16", "32", "64")  # those that this machine has
    ]
    assert len(runs[0]) == 65 and len(set(runs)) == 1


def test_compiled_graphs_take_any_size() -> None:
    def step(values: torch.Tensor, rowptr: torch.Tensor) -> torch.Tensor:
        shares = ops.segment_softmax(values, rowptr)
        return ops.segment_reduce(shares * values, rowptr, "logsumexp")

    torch._dynamo.reset()
    fast = torch.compile(step, backend="aot_eager", dynamic=True, fullgraph=True)
    for sizes in ((3, 1, 4), (2, 5), (6, 6, 1, 1, 2)):
        values = cloud(sum(sizes), 3).requires_grad_()
        found, expected = fast(values, ptr(*sizes)), step(values, ptr(*sizes))
        assert torch.equal(found, expected)
        slopes = [torch.autograd.grad(y.sum(), values)[0] for y in (found, expected)]
        torch.testing.assert_close(*slopes)


_values = cloud(4, 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.segment_reduce(_values, ptr(4), "median"), ValueError, "reduce: expected one"),
        (lambda: ops.segment_reduce(_values.int(), ptr(4)), ValueError, "bfloat16, found"),
        (lambda: ops.segment_reduce(_values[0, 0], ptr(4)), ValueError, "found a scalar"),
        (lambda: ops.segment_reduce(_values, ptr(5)), IndexError, "expected 4.* found 5"),
        (lambda: ops.segment_reduce(_values, ptr(3)), IndexError, "expected 4.* found 3"),
        (lambda: ops.segment_reduce(_values, ptr(5, -1)), ValueError, "never decrease"),
        (lambda: ops.segment_reduce(_values, ptr(4) - 1), ValueError, r"rowptr\[0\]"),
        (lambda: ops.segment_reduce(_values, ptr(4)[:0]), ValueError, "at least one entry"),
        (lambda: ops.segment_reduce(_values, ptr(4)[None]), ValueError, "1 dimension"),
        (lambda: ops.segment_softmax(_values.int(), ptr(4)), ValueError, "bfloat16, found"),
        (lambda: ops.segment_softmax(_values, ptr(5)), IndexError, "expected 4.* found 5"),
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
