"""The segment and gather functions beside slices, and beside torch_scatter itself."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from meshop.compat import torch_scatter as ours

from .scatters import ONE, Case, cases, places, plain

NUMBERS = (torch.float64, torch.int64, torch.int32)
REDUCTIONS = ("sum", "add", "mean", "min", "max")
few = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("torch_scatter", reason="torch_scatter, the original, is not here")


class Segments(NamedTuple):
    """``src``, with its last ``dim`` the one that ``indptr`` cuts."""

    src: Tensor
    indptr: Tensor
    dim: int
    seed: int

    def output(self, length: int) -> Tensor:
        g = torch.Generator().manual_seed(self.seed)
        shape = (*self.src.shape[: self.dim], length, *self.src.shape[self.dim + 1 :])
        return torch.randint(-9, 9, shape, generator=g).to(self.src.dtype)


@st.composite
def segments(
    draw: st.DrawFn, dtypes=(torch.float64,), smallest: int = 0, whole: bool = False
) -> Segments:
    """Up to (4, 4, 4), cut along any dimension, from 0 to the end where ``whole``."""
    shape = draw(st.lists(st.integers(smallest, 4), min_size=1, max_size=3))
    dim, seed = draw(st.integers(0, len(shape) - 1)), draw(st.integers(0, 999))
    g = torch.Generator().manual_seed(seed)
    dtype, count = draw(st.sampled_from(dtypes)), draw(st.integers(1, 4))
    if dtype.is_floating_point:
        src = torch.randn(shape, generator=g, dtype=dtype)
    else:
        src = torch.randint(-5, 5, shape, generator=g).to(dtype)
    lead = [n if draw(st.booleans()) else 1 for n in shape[:dim]]
    indptr = torch.randint(shape[dim] + 1, (*lead, count + 1), generator=g).sort(-1).values
    if whole or draw(st.booleans()):
        indptr[..., 0], indptr[..., -1] = 0, shape[dim]
    return Segments(src, indptr.to(draw(st.sampled_from((torch.int32, torch.int64)))), dim, seed)


def sliced(case: Segments, how: str) -> tuple[Tensor, Tensor]:
    """The reduction of every slice, and the place of its extreme."""
    src = case.src.movedim(case.dim, -1)
    count = case.indptr.shape[-1] - 1
    indptr = case.indptr.expand(*case.src.shape[: case.dim], count + 1).long()
    lead, length = src.shape[:-1], src.shape[-1]
    out, arg = src.new_zeros(*lead, count), torch.full((*lead, count), length)
    for at in torch.cartesian_prod(*map(torch.arange, out.shape)).reshape(-1, out.dim()).tolist():
        first, last = indptr[tuple(at[: case.dim])][at[-1] : at[-1] + 2].tolist()
        values = src[tuple(at[:-1])][first:last]
        if how == "mean" and not src.is_floating_point():
            mean = values.sum().div(max(len(values), 1), rounding_mode="trunc")
            out[tuple(at)] = mean
        else:
            out[tuple(at)] = ONE[how](values)
        if how in ("min", "max") and len(values):
            best = values.min() if how == "min" else values.max()
            arg[tuple(at)] = first + int((values == best).nonzero()[0])
    return out.movedim(-1, case.dim), arg.movedim(-1, case.dim)


@pytest.mark.parametrize("how", REDUCTIONS)
@few
@given(case=segments(NUMBERS))
def test_csr(how: str, case: Segments) -> None:
    expected, arg = sliced(case, {"add": "sum"}.get(how, how))
    found = ours.segment_csr(case.src, case.indptr, reduce=how)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous()
    out = case.output(case.indptr.shape[-1] - 1)
    assert ours.segment_csr(case.src, case.indptr, out, how) is out
    assert torch.equal(out, found)
    if how in ("min", "max"):
        assert torch.equal(getattr(ours, f"segment_{how}_csr")(case.src, case.indptr)[1], arg)


@pytest.mark.parametrize("how", REDUCTIONS)
@few
@given(case=cases(NUMBERS, coo=True))
def test_coo(how: str, case: Case) -> None:
    found = ours.segment_coo(case.src, case.index, dim_size=case.size, reduce=how)
    if how == "mean" and not case.src.is_floating_point():
        total, count = (plain(case._replace(src=s), "sum") for s in (case.src, case.src * 0 + 1))
        expected = total.div(count.clamp(min=1), rounding_mode="trunc")
    else:
        expected = plain(case, {"add": "sum"}.get(how, how))
    torch.testing.assert_close(found, expected)
    if how in ("min", "max"):
        arg = getattr(ours, f"segment_{how}_coo")(case.src, case.index, dim_size=case.size)[1]
        assert torch.equal(arg, places(case, how))


@few
@given(case=segments(NUMBERS, whole=True))
def test_gather_csr(case: Segments) -> None:
    """Each segment's value at every place of it."""
    count = case.indptr.shape[-1] - 1
    values = case.output(count)
    found = ours.gather_csr(values, case.indptr)
    lead = case.src.shape[: case.dim]
    sizes = case.indptr.diff().expand(*lead, count).reshape(-1, count)
    blocks = values.reshape(lead.numel(), count, *values.shape[case.dim + 1 :])
    rows = [v.repeat_interleave(n, 0) for v, n in zip(blocks, sizes, strict=True)]
    expected = torch.stack(rows) if rows else values.new_zeros(0)
    assert torch.equal(found.reshape(-1), expected.reshape(-1))
    out = torch.zeros_like(found)
    assert ours.gather_csr(values, case.indptr, out) is out
    assert torch.equal(out, found)


@few
@given(case=cases(NUMBERS, coo=True, smallest=1))
def test_gather_coo(case: Case) -> None:
    values = case.output()
    found = ours.gather_coo(values, case.index)
    assert torch.equal(found, values.gather(case.dim, case.full))
    out = torch.zeros_like(found)
    assert ours.gather_coo(values, case.index, out) is out
    assert torch.equal(out, found)


@pytest.mark.parametrize("how", ["sum", "mean", "min", "max"])
@settings(max_examples=12, deadline=None)
@given(case=segments(smallest=1))
def test_gradients_csr(how: str, case: Segments) -> None:
    def function(src):
        return ours.segment_csr(src, case.indptr, reduce=how)

    src = case.src.requires_grad_()
    assert torch.autograd.gradcheck(function, src)
    assert torch.autograd.gradgradcheck(function, src)


@settings(max_examples=12, deadline=None)
@given(case=segments(smallest=1, whole=True))
def test_gradients_gather_csr(case: Segments) -> None:
    values = case.output(case.indptr.shape[-1] - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: ours.gather_csr(v, case.indptr), values)
    assert torch.autograd.gradgradcheck(lambda v: ours.gather_csr(v, case.indptr), values)


@settings(max_examples=12, deadline=None)
@given(case=cases(smallest=1, coo=True))
def test_gradients_gather_coo(case: Case) -> None:
    values = case.output().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: ours.gather_coo(v, case.index), values)
    assert torch.autograd.gradgradcheck(lambda v: ours.gather_coo(v, case.index), values)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "words"),
    [
        ("segment_csr", ([0, 3, 2],), ValueError, "never decrease"),
        ("segment_csr", ([-1, 2],), ValueError, "from 0 on"),
        ("segment_csr", ([0, 5],), IndexError, "up to 4, found 5"),
        ("segment_csr", ([],), ValueError, "one pointer at least"),
        ("segment_csr", ([0.0, 4],), ValueError, "int32 or int64"),
        ("segment_csr", ([[[0, 4]]],), ValueError, "1 to 2 dimensions"),
        ("segment_csr", ([[0, 1]] * 3,), ValueError, "broadcasts"),
        ("segment_csr", ([0, 4], None, "mul"), ValueError, "sum, add, mean, min, max"),
        ("segment_csr", ([0, 4], [[1.0, 2]] * 3), ValueError, r"shape \(1, 2\)"),
        ("segment_coo", ([0, 0, 1, 4], None, 3), IndexError, "0 <= index < 3"),
        ("segment_coo", ([[[0]]],), ValueError, "1 to 2 dimensions"),
        ("gather_csr", ([0, 4],), ValueError, "expected 5 pointers, found 2"),
        ("gather_csr", ([1, 2, 3, 4, 5],), ValueError, "from 0 to 5"),
        ("gather_coo", ([0, 4],), IndexError, "0 <= index < 4"),
    ],
)
def test_says_what_is_wrong(name: str, arguments: tuple, error, words: str) -> None:
    index = torch.tensor(arguments[0], dtype=None if arguments[0] else torch.int64)
    rest = [torch.tensor(a) if isinstance(a, list) else a for a in arguments[1:]]
    with pytest.raises(error, match=words):
        getattr(ours, name)(torch.ones(4, 2), index, *rest)


# Beside the original


def slopes(call, src: Tensor, *args, **kwargs) -> tuple:
    """The result, and the gradient of a random sum of it."""
    src = src.detach().clone().requires_grad_(src.is_floating_point())
    found = call(src, *args, **kwargs)
    found = found if isinstance(found, tuple) else (found,)
    if not src.requires_grad:
        return found[:1]  # of equal values the original takes any
    g = torch.Generator().manual_seed(3)
    slope = torch.randn(found[0].shape, generator=g, dtype=src.dtype)
    return *found, *torch.autograd.grad(found[0], src, slope)


@pytest.mark.parametrize("how", REDUCTIONS)
@few
@given(case=segments(NUMBERS, smallest=1))
def test_original_csr(how: str, case: Segments, theirs) -> None:
    found, expected = (
        m.segment_csr(case.src, case.indptr.long(), reduce=how) for m in (ours, theirs)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", REDUCTIONS)
@few
@given(case=segments(smallest=1, whole=True))  # elsewhere its gradient is not initialised
def test_original_csr_gradients(how: str, case: Segments, theirs) -> None:
    found, expected = (
        slopes(getattr(m, f"segment_{how}_csr"), case.src, case.indptr.long())
        for m in (ours, theirs)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", REDUCTIONS)
@few
@given(case=cases(NUMBERS, smallest=1, ties=False, coo=True))
def test_original_coo(how: str, case: Case, theirs) -> None:
    found, expected = (
        slopes(getattr(m, f"segment_{how}_coo"), case.src, case.index.long(), dim_size=case.size)
        for m in (ours, theirs)
    )
    torch.testing.assert_close(found, expected)


@few
@given(case=segments(NUMBERS, smallest=1, whole=True))
def test_original_gather_csr(case: Segments, theirs) -> None:
    lead = case.src.shape[: case.dim]
    values = case.output(case.indptr.shape[-1] - 1)
    indptr = case.indptr.long().expand(*lead, case.indptr.shape[-1])
    found, expected = (slopes(m.gather_csr, values, indptr) for m in (ours, theirs))
    torch.testing.assert_close(found, expected)


@few
@given(case=cases(NUMBERS, smallest=1, coo=True))
def test_original_gather_coo(case: Case, theirs) -> None:
    values = case.output()
    found, expected = (slopes(m.gather_coo, values, case.index.long()) for m in (ours, theirs))
    torch.testing.assert_close(found, expected)
