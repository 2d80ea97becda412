"""gather_reduce and csr_transpose as users call them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from meshop import ops

from .specs import cloud, ptr


def _graph(sizes: list[int], columns: int, seed: int) -> tuple[Tensor, Tensor]:
    rowptr = ptr(*sizes)
    g = torch.Generator().manual_seed(seed)
    return torch.randint(columns, (int(rowptr[-1]),), generator=g), rowptr


def _matrix(index: Tensor, rowptr: Tensor, weight: Tensor, columns: int) -> Tensor:
    """The graph as a dense matrix; entries that share a place add up."""
    rows = ops.rows_of(rowptr, len(index))
    dense = weight.new_zeros(len(rowptr) - 1, columns)
    return dense.index_put((rows, index), weight, accumulate=True)


_graphs = {
    "sizes": st.lists(st.integers(0, 6), min_size=1, max_size=8),
    "columns": st.integers(1, 7),
    "seed": st.integers(0, 2**31),
}


@given(**_graphs, heads=st.sampled_from([0, 1, 2, 6]), mean=st.booleans())
def test_it_is_a_matrix_product(
    sizes: list[int], columns: int, seed: int, heads: int, mean: bool
) -> None:
    index, rowptr = _graph(sizes, columns, seed)
    x = cloud(columns, 6, seed).requires_grad_()
    weight = (cloud(len(index), max(heads, 1), seed + 1) - 0.5).requires_grad_()
    given_weight = {0: None, 1: weight[:, 0]}.get(heads, weight)
    found = ops.gather_reduce(x, index, rowptr, given_weight, "mean" if mean else "sum")

    factors = torch.ones_like(weight) if heads == 0 else weight
    width = 6 // max(heads, 1)
    parts = [
        _matrix(index, rowptr, factors[:, h], columns) @ x[:, h * width : (h + 1) * width]
        for h in range(max(heads, 1))
    ]
    expected = torch.cat(parts, 1)
    if mean:
        expected = expected / rowptr.diff().clamp(min=1)[:, None]
    torch.testing.assert_close(found, expected)

    leaves = (x,) if heads == 0 else (x, weight)
    slope = cloud(len(sizes), 6, seed + 2)
    for a, b in zip(
        torch.autograd.grad(found, leaves, slope),
        torch.autograd.grad(expected, leaves, slope),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@given(**_graphs)
def test_the_transpose_is_the_matrix_transposed(sizes: list[int], columns: int, seed: int) -> None:
    index, rowptr = _graph(sizes, columns, seed)
    back = ops.csr_transpose(index, rowptr, columns)
    weight = cloud(len(index), 1, seed)[:, 0]
    dense = _matrix(index, rowptr, weight, columns)
    assert torch.equal(_matrix(back.row, back.rowptr, weight[back.order], len(sizes)).T, dense)
    assert torch.equal(index[back.order], index.sort(stable=True).values)
    assert torch.equal(back.order, index.argsort(stable=True))
    again = ops.csr_transpose(back.row, back.rowptr, len(sizes))
    assert torch.equal(again.rowptr, rowptr)


def test_a_kept_transpose_gives_the_same_gradients() -> None:
    index, rowptr = _graph([3, 0, 5, 1, 9], 6, 1)
    x, weight = cloud(6, 4).requires_grad_(), cloud(18, 2).requires_grad_()
    back = ops.csr_transpose(index.int(), rowptr.int(), 6)
    slopes = []
    for kept in (None, back):
        out = ops.gather_reduce(x, index, rowptr, weight, "mean", kept)
        (first,) = torch.autograd.grad(out.pow(3).sum(), x, create_graph=True)
        slopes.append((first, *torch.autograd.grad(first.pow(2).sum(), (x, weight))))
    assert all(torch.equal(a, b) for a, b in zip(*slopes, strict=True))


def test_shapes_and_types_of_users() -> None:
    x = torch.tensor([1.0, 2.0, 4.0])
    index, rowptr = torch.tensor([2, 0, 1], dtype=torch.int32), ptr(2, 0, 1)
    assert ops.gather_reduce(x, index, rowptr).tolist() == [5, 0, 2]
    assert ops.gather_reduce(x, index, rowptr, reduce="mean").tolist() == [2.5, 0, 2]
    weight = torch.tensor([1.0, 0.5, 3.0])
    assert ops.gather_reduce(x, index, rowptr, weight).tolist() == [4.5, 0, 6]
    deep = x[:, None, None].expand(3, 2, 5)
    assert ops.gather_reduce(deep, index, rowptr, weight).shape == (3, 2, 5)


def test_half_precision_is_summed_in_float32() -> None:
    ones = torch.ones(1, 1, dtype=torch.bfloat16)  # bfloat16 itself stalls at 256
    index = torch.zeros(5000, dtype=torch.int64)
    assert ops.gather_reduce(ones, index, ptr(5000)).item() == 4992  # 5000, rounded once


def test_compiled_graphs_take_any_size() -> None:
    def step(x: Tensor, index: Tensor, rowptr: Tensor, weight: Tensor) -> Tensor:
        return ops.gather_reduce(x, index, rowptr, weight, "mean")

    torch._dynamo.reset()
    fast = torch.compile(step, backend="aot_eager", dynamic=True, fullgraph=True)
    for sizes, columns in (([3, 1, 4], 5), ([2, 5], 3), ([6, 6, 1, 1], 9)):
        index, rowptr = _graph(sizes, columns, 1)
        x, weight = cloud(columns, 3).requires_grad_(), cloud(len(index), 1)[:, 0].requires_grad_()
        found, expected = fast(x, index, rowptr, weight), step(x, index, rowptr, weight)
        assert torch.equal(found, expected)
        slopes = [torch.autograd.grad(y.pow(2).sum(), (x, weight)) for y in (found, expected)]
        assert all(torch.equal(a, b) for a, b in zip(*slopes, strict=True))


_x, _index, _rows = cloud(3, 4), torch.tensor([2, 0, 1]), ptr(2, 1)
_back = ops.csr_transpose(_index, _rows, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.gather_reduce(_x, _index, _rows, reduce="max"), ValueError, "reduce: expect"),
        (lambda: ops.gather_reduce(_x.int(), _index, _rows), ValueError, "bfloat16, found"),
        (lambda: ops.gather_reduce(_x[0, 0], _index, _rows), ValueError, "found a scalar"),
        (lambda: ops.gather_reduce(_x, _index + 1, _rows), IndexError, r"index\[0\].* found 3"),
        (lambda: ops.gather_reduce(_x, _index - 1, _rows), IndexError, r"index\[1\].* found -1"),
        (lambda: ops.gather_reduce(_x, _index, ptr(2)), IndexError, "expected 3.* found 2"),
        (lambda: ops.gather_reduce(_x, _index, ptr(5, -2)), ValueError, "never decrease"),
        (lambda: ops.gather_reduce(_x, _index, _rows, _x[:2, 0]), ValueError, "E = 3, found"),
        (lambda: ops.gather_reduce(_x, _index, _rows, _x[:, 0].float()), ValueError, "type of x"),
        (lambda: ops.gather_reduce(_x, _index, _rows, _x[:, :3]), ValueError, "divide the 4"),
        (
            lambda: ops.gather_reduce(_x[:2], _index % 2, _rows, transpose=_back),
            ValueError,
            "the transpose of this graph",
        ),
        (lambda: ops.csr_transpose(_index, _rows, 2), IndexError, r"index\[0\].* found 2"),
        (lambda: ops.csr_transpose(_index, _rows, -1), ValueError, "num_columns"),
        (lambda: ops.csr_transpose(_index, ptr(2), 3), IndexError, "expected 3.* found 2"),
        (lambda: ops.csr_transpose(_index.float(), _rows, 3), ValueError, "int32 or int64"),
    ],
)
def test_errors_say_what_was_found(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_an_order_outside_the_weights_raises() -> None:
    wrong = ops.CsrTranspose(_back.rowptr, _back.row, _back.order + 1)
    x = _x.clone().requires_grad_()
    out = ops.gather_reduce(x, _index, _rows, cloud(3, 1), transpose=wrong)
    with pytest.raises(RuntimeError, match="must lie in"):
        out.sum().backward()
