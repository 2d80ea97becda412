"""Sums over the neighbours of a CSR graph that never hold an (E, C) tensor."""

from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import (
    explained,
    floating_rows,
    index_tensor,
    index_values,
    rowptr_values,
    same_device,
    tensor,
    whole_number,
)

_REDUCTIONS = ("sum", "mean")


class CsrTranspose(NamedTuple):
    """The transpose of a CSR graph: for each column the rows that hold it."""

    rowptr: Tensor  #: (num_columns + 1,) int64
    row: Tensor  #: (E,) int64, the row of each entry
    order: Tensor  #: (E,) int64, which entry of the graph itself it is


def csr_transpose(index: Tensor, rowptr: Tensor, num_columns: int) -> CsrTranspose:
    """The transpose of the CSR graph whose row i has columns ``index[rowptr[i]:rowptr[i + 1]]``.

    index (E,) in [0, num_columns), rowptr (N + 1,). Entries of a column keep the order they had, so
    the result is unique. A counting sort, O(E + num_columns). A graph that stays can keep it for
    `gather_reduce`, whose gradient needs it.

    Raises ValueError or IndexError for pointers or columns that do not fit.
    """
    tensor(index, "index")
    index = index_tensor(index, "index", index.device)
    rowptr = index_tensor(rowptr, "rowptr", index.device)
    num_columns = whole_number(num_columns, "num_columns", 0)

    def explain() -> None:
        rowptr_values(rowptr, index.shape[0], "rowptr", "entries of index")
        index_values(index, num_columns, "index", "columns")

    return explained(
        lambda: CsrTranspose(*torch.ops.meshop.csr_transpose(rowptr, index, num_columns)), explain
    )


def gather_reduce(
    x: Tensor,
    index: Tensor,
    rowptr: Tensor,
    weight: Tensor | None = None,
    reduce: str = "sum",
    transpose: CsrTranspose | None = None,
) -> Tensor:
    """Row i: the sum, or mean, of ``weight[e] * x[index[e]]`` for e in row i of a CSR graph.

    x (N, ...) of any floating type, index (E,) in [0, N), rowptr (M + 1,) from 0 to E; returns
    (M, ...). weight (E,), or (E, H) for H heads that share the channels of x evenly: of C channels
    in all, channel c has head c // (C / H). The mean divides by the number of entries, not by the
    weights. A row without entries gives 0. Half precision is summed in float32. There is no min or
    max: `segment_reduce` of ``x[index]`` has them.

    Differentiable in x and weight, twice. The gradient of x is a sum over the transposed graph:
    ``transpose``, where the caller keeps it (`csr_transpose` of the same index and rowptr), saves
    sorting; that of another graph of the same sizes goes unnoticed, and gives wrong gradients.
    Results and gradients do not depend on the number of threads or on the processor.

    Raises ValueError or IndexError for shapes, pointers or indices that do not fit.
    """
    if reduce not in _REDUCTIONS:
        raise ValueError(f"reduce: expected one of {', '.join(_REDUCTIONS)}, found {reduce!r}")
    floating_rows(x, "x", "(N, ...)")
    index = index_tensor(index, "index", x.device)
    rowptr = index_tensor(rowptr, "rowptr", x.device)
    if weight is not None:
        weight = _heads(weight, x, index)
    if transpose is not None:
        transpose = _fitting(transpose, x, index)

    def explain() -> None:
        rowptr_values(rowptr, index.shape[0], "rowptr", "entries of index")
        index_values(index, x.shape[0], "index", "rows of x")

    back = (None, None, None) if transpose is None else transpose
    return explained(
        lambda: torch.ops.meshop.gather_reduce(x, weight, rowptr, index, None, *back, reduce),
        explain,
        x,
        weight,
    )


def _heads(weight: Tensor, x: Tensor, index: Tensor) -> Tensor:
    """``weight`` as (E, H)."""
    same_device(weight, "weight", x.device)
    if weight.dtype != x.dtype:
        raise ValueError(f"weight: expected {x.dtype}, the type of x, found {weight.dtype}")
    if weight.dim() not in (1, 2) or weight.shape[0] != index.shape[0]:
        raise ValueError(
            f"weight: expected shape (E,) or (E, H) with E = {index.shape[0]}, "
            f"found {tuple(weight.shape)}"
        )
    weight = weight if weight.dim() == 2 else weight[:, None]
    channels, heads = x.shape[1:].numel(), weight.shape[1]
    if heads == 0 or channels % heads:
        raise ValueError(
            f"weight: expected heads that divide the {channels} channels of x, found {heads}"
        )
    return weight


def _fitting(transpose: CsrTranspose, x: Tensor, index: Tensor) -> CsrTranspose:
    parts = [
        index_tensor(part, f"transpose.{name}", x.device)
        for name, part in zip(CsrTranspose._fields, transpose, strict=True)
    ]
    expected = (x.shape[0] + 1, index.shape[0], index.shape[0])
    found = tuple(part.shape[0] for part in parts)
    if found != expected:
        raise ValueError(
            "transpose: expected rowptr, row and order of lengths "
            f"{expected}, the transpose of this graph, found {found}"
        )
    return CsrTranspose(*parts)


# What the compiler and autograd need to know. The graph is (rowptr, index, order) and its transpose
# (rowptr_t, index_t, order_t); entry e of either has weight[order[e]], and the one whose order is
# None has the weights' own. A gradient is a gather over the transpose, whose own is the graph.


@torch.library.register_fake("meshop::csr_transpose")
def _(rowptr, index, num_columns):
    return rowptr.new_empty(num_columns + 1), torch.empty_like(index), torch.empty_like(index)


@torch.library.register_fake("meshop::gather_reduce")
def _(x, weight, rowptr, index, order, rowptr_t, index_t, order_t, reduce):
    return x.new_empty(rowptr.shape[0] - 1, *x.shape[1:])


@torch.library.register_fake("meshop::gather_dot")
def _(a, b, heads, rowptr, index, rowptr_t, index_t, order_t):
    return a.new_empty(index.shape[0], heads)


def _transposed(rowptr, index, back, num_columns):
    if back[0] is not None:
        return back
    return torch.ops.meshop.csr_transpose(rowptr, index, num_columns)


def _remember_gather(ctx, inputs, output):
    x, weight, rowptr, index, order, *back, ctx.reduce = inputs
    ctx.save_for_backward(x if weight is not None else None, weight, rowptr, index, order, *back)
    ctx.num_columns = x.shape[0]


def _gather_backward(ctx, grad):
    x, weight, rowptr, index, order, *back = ctx.saved_tensors
    if ctx.reduce == "mean":
        count = rowptr.diff().clamp(min=1).to(torch.float64)
        shape = (-1, *[1] * (grad.dim() - 1))
        grad = grad * count.reciprocal().to(grad.dtype).reshape(shape)
    to_x = to_weight = None
    if ctx.needs_input_grad[0]:
        back = _transposed(rowptr, index, back, ctx.num_columns)
        to_x = torch.ops.meshop.gather_reduce(
            grad, weight, back[0], back[1], back[2], rowptr, index, order, "sum"
        )
    if weight is not None and ctx.needs_input_grad[1]:
        heads = weight.shape[1]
        if order is None:
            to_weight = torch.ops.meshop.gather_dot(grad, x, heads, rowptr, index, *back)
        else:
            to_weight = torch.ops.meshop.gather_dot(
                x, grad, heads, back[0], back[1], rowptr, index, order
            )
    return to_x, to_weight, None, None, None, None, None, None, None


def _remember_dot(ctx, inputs, output):
    a, b, _, *graph = inputs
    ctx.save_for_backward(a, b, *graph)


def _dot_backward(ctx, grad):
    a, b, rowptr, index, *back = ctx.saved_tensors
    to_a = to_b = None
    if ctx.needs_input_grad[0]:
        to_a = torch.ops.meshop.gather_reduce(b, grad, rowptr, index, None, *back, "sum")
    if ctx.needs_input_grad[1]:
        back = _transposed(rowptr, index, back, b.shape[0])
        to_b = torch.ops.meshop.gather_reduce(
            a, grad, back[0], back[1], back[2], rowptr, index, None, "sum"
        )
    return to_a, to_b, None, None, None, None, None, None


torch.library.register_autograd(
    "meshop::gather_reduce", _gather_backward, setup_context=_remember_gather
)
torch.library.register_autograd("meshop::gather_dot", _dot_backward, setup_context=_remember_dot)
