"""Sparse matrices by indexing and index_add."""

import torch
from torch import Tensor

from ._common import check_rowptr, require, rows_of


def csr_apply(
    rowptr: Tensor, index: Tensor, value: Tensor, x: Tensor, add: Tensor | None, alpha: float
) -> Tensor:
    row = _check(rowptr, index, value, len(x))
    require(x.dim() == 2 and x.dtype == value.dtype, "x must have value's type")
    out = x.new_zeros(rowptr.numel() - 1, x.shape[1])
    out = out.index_add_(0, row, value[:, None] * x[index.long()]) * alpha
    if add is None:
        return out
    require(add.shape == out.shape and add.dtype == out.dtype, "add must have shape (rows, C)")
    return add + out


def csr_diagonal(rowptr: Tensor, index: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    row = _check(rowptr, index, value, None)
    on, zero = row == index, value.new_zeros(rowptr.numel() - 1)
    return zero.index_add(0, row[on], value[on]), zero.index_add(0, row, value.abs())


def csr_matmul(
    rowptr_a: Tensor,
    index_a: Tensor,
    value_a: Tensor,
    rowptr_b: Tensor,
    index_b: Tensor,
    value_b: Tensor,
    num_columns: int,
    sort: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    require(num_columns >= 0, "num_columns must not be negative")
    require(value_a.dtype == value_b.dtype, "values must be of one type")
    row = _check(rowptr_a, index_a, value_a, rowptr_b.numel() - 1)
    _check(rowptr_b, index_b, value_b, num_columns)
    # Each entry of A stands for a row of B.
    require(index_a.dtype == index_b.dtype, "indices must be of one type")
    wide_a, wide_b = index_a.long(), index_b.long()
    size = rowptr_b.diff()[wide_a]
    entry = torch.repeat_interleave(torch.arange(len(size), device=size.device), size)
    start = size.cumsum(0) - size
    place = rowptr_b[wide_a][entry] + torch.arange(len(entry), device=size.device) - start[entry]
    key = row[entry] * num_columns + wide_b[place]
    found, group = key.unique(return_inverse=True)
    value = value_a.new_zeros(len(found)).index_add_(0, group, value_a[entry] * value_b[place])
    if not sort:  # as they turn up
        turn = torch.full_like(found, len(key))
        turn = turn.scatter_reduce(0, group, torch.arange(len(key), device=key.device), "amin")
        order = turn.argsort()
        found, value = found[order], value[order]
    count = torch.bincount(found // max(num_columns, 1), minlength=rowptr_a.numel() - 1)
    rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
    return rowptr, (found % max(num_columns, 1)).to(index_b.dtype), value


def chebyshev(
    rowptr: Tensor,
    index: Tensor,
    value: Tensor,
    scale: Tensor,
    b: Tensor,
    x: Tensor | None,
    beta: Tensor,
    rho: float,
    residual: bool,
) -> tuple[Tensor, Tensor]:
    rows = rowptr.numel() - 1
    require(scale.shape == (rows,) and b.dim() == 2 and len(b) == rows, "scale, b: one row a row")
    require(beta.dim() == 1 and len(beta) >= 1, "beta must have an entry a step")
    alike = (scale.dtype, b.dtype, beta.dtype) == (value.dtype,) * 3
    require(alike, "scale, b, beta must be of value's type")

    def product(y: Tensor) -> Tensor:
        return csr_apply(rowptr, index, value, y, None, 1.0)

    _check(rowptr, index, value, rows)
    require(x is None or (x.shape == b.shape and x.dtype == b.dtype), "x must be like b")
    r = b.clone() if x is None else b - product(x)
    x = torch.zeros_like(b) if x is None else x.clone()
    z = torch.zeros_like(b)
    for k in range(1, len(beta) + 1):
        if k > 1:
            r = r - product(z)
        gain = (8 * k - 4) / ((2 * k + 1) * rho)
        z = (2 * k - 3) / (2 * k + 1) * z + gain * scale[:, None] * r
        x = x + beta[k - 1] * z
    return x, b - product(x) if residual else b.new_empty(0, b.shape[1])


def _check(rowptr: Tensor, index: Tensor, value: Tensor, columns: int | None) -> Tensor:
    """The row of each entry; columns that are not looked up need no limit."""
    require(index.dim() == 1 and index.shape == value.shape, "index and value must be 1-D, alike")
    require(index.dtype in (torch.int32, torch.int64), "index must be int32 or int64")
    require(value.dtype in (torch.float32, torch.float64), "values must be float32 or float64")
    check_rowptr(rowptr, len(index), "rowptr")
    if columns is not None:
        require(((index >= 0) & (index < columns)).all(), f"index must lie in [0, {columns})")
    return rows_of(rowptr, len(index))
