"""Reductions over CSR segments by index_add and scatter_reduce."""

import torch
from torch import Tensor

from ._common import check_rowptr, require, rows_of


def segment_reduce(values: Tensor, rowptr: Tensor, reduce: str) -> tuple[Tensor, Tensor]:
    require(reduce in ("sum", "mean", "min", "max"), f"unknown reduce {reduce}")
    total, shape = len(values), (rowptr.numel() - 1, *values.shape[1:])
    check_rowptr(rowptr, total, "rowptr")
    row = rows_of(rowptr, total)
    wide = values.double() if values.dtype == torch.float64 else values.float()
    if reduce in ("sum", "mean"):
        out = wide.new_zeros(shape).index_add_(0, row, wide)
        if reduce == "mean":
            out = out / rowptr.diff().clamp(min=1).to(out.dtype).reshape(-1, *[1] * (out.dim() - 1))
        return out.to(values.dtype), rowptr.new_empty(0)
    rows = row.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    out = wide.new_zeros(shape).scatter_reduce(0, rows, wide, "a" + reduce, include_self=False)
    best = out[row]
    winner = (wide == best) | (wide.isnan() & best.isnan())
    at = torch.arange(total, device=values.device).reshape(-1, *[1] * (values.dim() - 1))
    at = torch.where(winner, at, total)
    arg = torch.full(shape, total, dtype=torch.int64, device=values.device)
    return out.to(values.dtype), arg.scatter_reduce(0, rows, at, "amin")


def segment_reduce_backward(
    grad: Tensor, rowptr: Tensor, arg: Tensor, num_values: int, reduce: str
) -> Tensor:
    require(reduce in ("sum", "mean", "min", "max"), f"unknown reduce {reduce}")
    require(rowptr.numel() == len(grad) + 1, "grad must have one row per segment")
    check_rowptr(rowptr, num_values, "rowptr")
    if reduce in ("sum", "mean"):
        if reduce == "mean":
            count = rowptr.diff().clamp(min=1).reshape(-1, *[1] * (grad.dim() - 1))
            wide = grad.double() if grad.dtype == torch.float64 else grad.float()
            grad = (wide / count).to(grad.dtype)
        return grad[rows_of(rowptr, num_values)]
    # One row more takes what empty segments point at.
    out = grad.new_zeros(num_values + 1, *grad.shape[1:])
    return out.scatter_(0, arg, grad)[:num_values].clone()
