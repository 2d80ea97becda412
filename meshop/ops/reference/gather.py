"""Sums over the neighbours of a CSR graph by indexing and index_add."""

import torch
from torch import Tensor

from ._common import check_rowptr, per_row, require, rows_of, wide


def csr_transpose(rowptr: Tensor, index: Tensor, num_columns: int) -> tuple[Tensor, Tensor, Tensor]:
    check_rowptr(rowptr, len(index), "rowptr")
    _check_index(index, num_columns)
    order = index.argsort(stable=True)
    count = torch.bincount(index, minlength=num_columns)
    rowptr_t = torch.cat([count.new_zeros(1), count.cumsum(0)])
    return rowptr_t, rows_of(rowptr, len(index))[order], order


def gather_reduce(
    x: Tensor,
    weight: Tensor | None,
    rowptr: Tensor,
    index: Tensor,
    order: Tensor | None,
    rowptr_t: Tensor | None,
    index_t: Tensor | None,
    order_t: Tensor | None,
    reduce: str,
) -> Tensor:
    require(reduce in ("sum", "mean"), f"unknown reduce {reduce}")
    require(order is None or rowptr_t is not None, "order comes with the transpose")
    if order is not None:
        _check_index(order, len(index))
    check_rowptr(rowptr, len(index), "rowptr")
    _check_index(index, len(x))
    each = wide(x)[index].reshape(len(index), x.shape[1:].numel())
    if weight is not None:
        require(weight.dtype == x.dtype, "weight must be of x's type")
        require(weight.dim() == 2 and len(weight) == len(index), "weight must have shape (E, H)")
        heads = weight.shape[1]
        require(heads >= 1 and each.shape[1] % heads == 0, "heads must divide the channels of x")
        if order is not None:
            weight = weight[order]
        each = each * wide(weight).repeat_interleave(each.shape[1] // heads, 1)
    out = each.new_zeros(rowptr.numel() - 1, each.shape[1])
    out = out.index_add_(0, rows_of(rowptr, len(index)), each)
    if reduce == "mean":
        out = out / per_row(rowptr.diff().clamp(min=1), out).to(out.dtype)
    return out.to(x.dtype).reshape(len(out), *x.shape[1:])


def gather_dot(
    a: Tensor,
    b: Tensor,
    heads: int,
    rowptr: Tensor,
    index: Tensor,
    rowptr_t: Tensor | None,
    index_t: Tensor | None,
    order_t: Tensor | None,
) -> Tensor:
    require(a.shape[1:] == b.shape[1:], "a and b must have the same channels")
    require(a.dtype == b.dtype, "a and b must have one type")
    require(rowptr.numel() == len(a) + 1, "a must have one row for each of rowptr")
    check_rowptr(rowptr, len(index), "rowptr")
    _check_index(index, len(b))
    channels = a.shape[1:].numel()
    require(heads >= 1 and channels % heads == 0, "heads must divide the channels")
    shape = (len(index), heads, channels // heads)
    left, right = wide(a)[rows_of(rowptr, len(index))], wide(b)[index]
    return (left.reshape(shape) * right.reshape(shape)).sum(2).to(a.dtype)


def _check_index(index: Tensor, limit: int) -> None:
    require(((index >= 0) & (index < limit)).all(), f"index must lie in [0, {limit})")
