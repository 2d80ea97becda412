"""The scatter functions beside loops over every output, and beside torch_scatter itself."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings

from meshop.compat import torch_scatter as ours

from .scatters import Case, cases, places, plain

NUMBERS = (torch.float64, torch.int64, torch.int32)
REDUCTIONS = ("sum", "add", "mul", "mean", "min", "max")
few = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("torch_scatter", reason="torch_scatter, the original, is not here")


def call(module, name: str, case: Case, *args, **kwargs):
    return getattr(module, f"scatter_{name}")(
        case.src, case.index, case.dim, *args, dim_size=case.size, **kwargs
    )


@pytest.mark.parametrize("how", REDUCTIONS)
@few
@given(case=cases(NUMBERS))
def test_reduces(how: str, case: Case) -> None:
    found = ours.scatter(case.src, case.index, case.dim, dim_size=case.size, reduce=how)
    expected = plain(case, {"add": "sum"}.get(how, how))
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous()
    if how in ("min", "max"):
        values, arg = call(ours, how, case)
        torch.testing.assert_close(values, expected)
        assert torch.equal(arg, places(case, how))


@pytest.mark.parametrize("name", ["std", "logsumexp"])
@few
@given(case=cases(ties=False))
def test_composites(name: str, case: Case) -> None:
    torch.testing.assert_close(call(ours, name, case), plain(case, name))


@few
@given(case=cases(ties=False))
def test_std_without_correction(case: Case) -> None:
    torch.testing.assert_close(
        call(ours, "std", case, unbiased=False), plain(case, "std", unbiased=False)
    )


@few
@given(case=cases(ties=False, smallest=1))
def test_softmax(case: Case) -> None:
    """exp of the value over that of its group's, gathered where the value is."""
    total = plain(case, "logsumexp")
    expected = case.src - total.gather(case.dim, case.full)
    torch.testing.assert_close(call(ours, "log_softmax", case), expected)
    torch.testing.assert_close(call(ours, "softmax", case), expected.exp())


@pytest.mark.parametrize("how", ["sum", "mul", "mean", "min", "max"])
@few
@given(case=cases((torch.float64, torch.int64)))
def test_into(how: str, case: Case) -> None:
    """What stands in ``out`` takes part; it is the tensor that comes back."""
    out = case.output()
    before, case = out.clone(), case._replace(size=case.groups)
    alone = plain(case, how if how != "mean" else "sum")
    count = plain(case._replace(src=torch.ones_like(case.src)), "sum")
    if how in ("min", "max"):
        wins = (count > 0) & (alone < before if how == "min" else alone > before)
        expected = torch.where(wins, alone, before)
        arg = call(ours, how, case._replace(size=None), before.clone())[1]
        assert torch.equal(arg, torch.where(wins, places(case, how), case.src.shape[case.dim]))
    elif how == "mean":
        rounding = None if out.is_floating_point() else "floor"
        expected = (before + alone).div(count.clamp(min=1), rounding_mode=rounding)
    else:
        expected = before + alone if how == "sum" else before * alone
    found = ours.scatter(case.src, case.index, case.dim, out, reduce=how)
    assert found is out
    torch.testing.assert_close(found, expected)


def test_logsumexp_into() -> None:
    src, index = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 2])
    out = torch.tensor([0.5, -1.0, math.log(2)])
    assert ours.scatter_logsumexp(src, index, out=out) is out
    expected = [torch.tensor([0.5, 1.0, 2.0]).logsumexp(0), -1.0, math.log(2 + math.exp(3))]
    torch.testing.assert_close(out, torch.tensor(expected))


@pytest.mark.parametrize(
    "name", ["sum", "mul", "mean", "min", "max", "std", "softmax", "log_softmax", "logsumexp"]
)
@settings(max_examples=12, deadline=None)
@given(case=cases(ties=False, smallest=1))
def test_gradients(name: str, case: Case) -> None:
    """The first and second derivatives are those of differences."""
    if name == "std":  # of one value, and of none, it is not smooth
        case = case._replace(index=torch.zeros_like(case.index), size=None)
        if case.src.shape[case.dim] == 1:
            return

    def function(src):
        found = call(ours, name, case._replace(src=src))
        return found[0] if isinstance(found, tuple) else found

    src = case.src.requires_grad_()
    assert torch.autograd.gradcheck(function, src, atol=1e-4)
    assert torch.autograd.gradgradcheck(function, src, atol=1e-4)


@pytest.mark.parametrize("how", ["sum", "mul", "mean", "min", "max"])
def test_gradient_of_out(how: str) -> None:
    src = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    start = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([2, 0, 2, 2, 0, 0, 2])
    assert torch.autograd.gradcheck(
        lambda src, start: ours.scatter(src, index, 0, start * 1, reduce=how), (src, start)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype) -> None:
    src = torch.full((5000, 1), 0.25, dtype=dtype)
    index = torch.arange(5000) % 2
    expected = torch.full((2, 1), 625.0, dtype=dtype)
    assert torch.equal(ours.scatter(src, index, 0), expected)
    assert torch.equal(ours.scatter_max(src, index, 0)[1], torch.tensor([[0], [1]]))


def test_small_integers_count_past_their_range() -> None:
    src = torch.ones(1000, dtype=torch.int8)
    src[500:] = -1
    assert ours.scatter_mean(src, torch.zeros(1000, dtype=torch.int64)).tolist() == [0]


def test_order_does_not_matter_to_the_result() -> None:
    """Sorted groups and unsorted ones hold the same sums, to the last bit."""
    g = torch.Generator().manual_seed(0)
    src, index = torch.randn(1000, 3, generator=g), torch.randint(9, (1000,), generator=g)
    order = index.argsort(stable=True)
    for how in ("sum", "mean", "max"):
        sort = ours.scatter(src[order], index[order], 0, reduce=how)
        assert torch.equal(ours.scatter(src, index, 0, reduce=how), sort)


def test_nan_and_infinity_are_values() -> None:
    src = torch.tensor([1.0, math.nan, -math.inf, -math.inf, 5.0])
    index = torch.tensor([0, 0, 1, 1, 2])
    values, arg = ours.scatter_max(src, index)
    assert values[0].isnan() and values[1:].tolist() == [-math.inf, 5.0]
    assert arg.tolist() == [1, 2, 4]
    out, arg = ours.scatter_max(src, index, out=torch.tensor([9.0, 0.0, 7.0]))
    assert out[0].isnan() and out[1:].tolist() == [0.0, 7.0] and arg.tolist() == [1, 5, 5]
    share = ours.scatter_softmax(torch.tensor([-math.inf, -math.inf, 0.0]), torch.tensor([0, 0, 1]))
    assert share.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"index": torch.tensor([0, 5, 1]), "dim_size": 3}, IndexError, "0 <= index < 3"),
        ({"index": torch.tensor([0, -1, 1])}, IndexError, "found -1"),
        ({"index": torch.tensor([0.0, 1, 1])}, ValueError, "int32 or int64"),
        ({"index": torch.tensor([0, 1])}, ValueError, "broadcasts"),
        ({"dim": 2}, ValueError, "dim: expected one of the 2"),
        ({"out": torch.zeros(2, 5)}, ValueError, r"shape \(any, 2\)"),
        ({"out": torch.zeros(2, 2, dtype=torch.float64)}, ValueError, "torch.float32"),
        ({"reduce": "median"}, ValueError, "sum, add, mul, mean, min, max"),
    ],
)
def test_says_what_is_wrong(change: dict, error, words: str) -> None:
    arguments = {"src": torch.ones(3, 2), "index": torch.tensor([0, 1, 1]), "dim": 0}
    with pytest.raises(error, match=words):
        ours.scatter(**(arguments | change))


def test_floating_types_only() -> None:
    for name in ("std", "softmax", "log_softmax", "logsumexp"):
        with pytest.raises(ValueError, match="floating"):
            getattr(ours, f"scatter_{name}")(torch.arange(3), torch.tensor([0, 1, 1]))


# Beside the original


def test_same_names_and_arguments(theirs) -> None:
    for name in set(theirs.__all__) - {"torch_scatter", "__version__"}:
        mine, other = (getattr(m, name) for m in (ours, theirs))
        if not hasattr(other, "code"):  # of a compiled function the arguments are not known
            other = inspect.signature(other).parameters
            assert {k: v.default for k, v in inspect.signature(mine).parameters.items()} == {
                k: v.default for k, v in other.items()
            }, name


def with_slopes(module, name: str, case: Case, seed: int) -> tuple:
    """The results, and the gradient of a random sum of them."""
    src = case.src.clone().requires_grad_(case.src.is_floating_point())
    case = case._replace(src=src, index=case.index.to(torch.int64))
    found = call(module, name, case)
    found = found if isinstance(found, tuple) else (found,)
    if not src.requires_grad:
        return found
    g = torch.Generator().manual_seed(seed)
    slope = torch.randn(found[0].shape, generator=g, dtype=src.dtype)
    return *found, *torch.autograd.grad(found[0], src, slope)


@pytest.mark.parametrize("name", ["sum", "add", "mul", "mean", "min", "max"])
@few
@given(case=cases(NUMBERS, smallest=1, ties=False))
def test_original_reductions(name: str, case: Case, theirs) -> None:
    expected = with_slopes(theirs, name, case, 7)
    found = with_slopes(ours, name, case, 7)
    if name in ("min", "max") and not case.src.is_floating_point():
        # Of equal values the first, the original any: what lies there is the same
        values, arg = found
        full = torch.cat([case.src, case.src.narrow(case.dim, 0, 1) * 0], case.dim)
        assert torch.equal(full.gather(case.dim, arg), full.gather(case.dim, expected[1]))
        found, expected = (values,), expected[:1]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["std", "softmax", "log_softmax", "logsumexp"])
@few
@given(case=cases(smallest=1, ties=False))
def test_original_composites(name: str, case: Case, theirs) -> None:
    expected, found = (with_slopes(m, name, case, 7) for m in (theirs, ours))
    torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("how", ["sum", "mul", "mean", "min", "max"])
@few
@given(case=cases((torch.float64, torch.int64), smallest=1))
def test_original_into(how: str, case: Case, theirs) -> None:
    found, expected = (
        m.scatter(case.src, case.index.to(torch.int64), case.dim, case.output(), reduce=how)
        for m in (ours, theirs)
    )
    torch.testing.assert_close(found, expected)


def test_std_of_many_halves() -> None:
    values = torch.rand(70_000, generator=torch.Generator().manual_seed(0)) * 1000
    std = ours.scatter_std(values.half(), torch.zeros(70_000, dtype=torch.int64), 0)
    torch.testing.assert_close(std.float(), values.std().reshape(1), rtol=2e-3, atol=0)
