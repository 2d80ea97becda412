"""Reductions over CSR segments by index_add and scatter_reduce."""

import math

import torch
from torch import Tensor

from ._common import check_rowptr, per_row, require, rows_of, wide

_REDUCTIONS = ("sum", "mean", "min", "max", "logsumexp")


def segment_reduce(values: Tensor, rowptr: Tensor, reduce: str) -> tuple[Tensor, Tensor]:
    require(reduce in _REDUCTIONS, f"unknown reduce {reduce}")
    total, shape = len(values), (rowptr.numel() - 1, *values.shape[1:])
    check_rowptr(rowptr, total, "rowptr")
    row, none = rows_of(rowptr, total), rowptr.new_empty(0)
    if reduce in ("sum", "mean"):
        out = wide(values).new_zeros(shape).index_add_(0, row, wide(values))
        if reduce == "mean":
            out = out / per_row(rowptr.diff().clamp(min=1), out).to(out.dtype)
        return out.to(values.dtype), none
    if reduce == "logsumexp":
        top, shift, each = _exponents(wide(values), row, shape)
        out = shift + torch.zeros_like(top).index_add_(0, row, each).log()
        return torch.where(top == math.inf, top, out).to(values.dtype), none
    out = _extreme(wide(values), row, shape, "a" + reduce, 0.0)
    best = out[row]
    winner = (wide(values) == best) | (values.isnan() & best.isnan())
    at = torch.where(winner, per_row(torch.arange(total, device=values.device), values), total)
    arg = torch.full(shape, total, dtype=torch.int64, device=values.device)
    rows = per_row(row, values).expand_as(values)
    return out.to(values.dtype), arg.scatter_reduce(0, rows, at, "amin")


def segment_reduce_backward(
    grad: Tensor, rowptr: Tensor, arg: Tensor, num_values: int, reduce: str
) -> Tensor:
    require(reduce in _REDUCTIONS[:4], f"no backward of {reduce} here")
    require(rowptr.numel() == len(grad) + 1, "grad must have one row per segment")
    check_rowptr(rowptr, num_values, "rowptr")
    if reduce in ("sum", "mean"):
        if reduce == "mean":
            count = per_row(rowptr.diff().clamp(min=1), grad)
            grad = (wide(grad) / count).to(grad.dtype)
        return grad[rows_of(rowptr, num_values)]
    # One row more takes what empty segments point at.
    out = grad.new_zeros(num_values + 1, *grad.shape[1:])
    return out.scatter_(0, arg, grad)[:num_values].clone()


def segment_softmax(values: Tensor, rowptr: Tensor) -> Tensor:
    return _softmax(values, rowptr).to(values.dtype)


def segment_softmax_backward(grad: Tensor, out: Tensor, rowptr: Tensor) -> Tensor:
    require(grad.shape == out.shape, "grad must be shaped as out")
    check_rowptr(rowptr, len(out), "rowptr")
    row, g, share = rows_of(rowptr, len(out)), wide(grad), wide(out)
    dot = share.new_zeros(rowptr.numel() - 1, *out.shape[1:]).index_add_(0, row, share * g)
    return (share * (g - dot[row])).to(out.dtype)


def segment_logsumexp_backward(grad: Tensor, values: Tensor, rowptr: Tensor) -> Tensor:
    require(
        grad.shape == (rowptr.numel() - 1, *values.shape[1:]), "grad must have one row per segment"
    )
    share = _softmax(values, rowptr)
    return (wide(grad)[rows_of(rowptr, len(values))] * share).to(values.dtype)


def _extreme(values: Tensor, row: Tensor, shape: tuple, how: str, empty: float) -> Tensor:
    rows = per_row(row, values).expand_as(values)
    return values.new_full(shape, empty).scatter_reduce(0, rows, values, how, include_self=False)


def _exponents(values: Tensor, row: Tensor, shape: tuple) -> tuple[Tensor, Tensor, Tensor]:
    """Each segment's maximum, what to subtract from its values, and exp of the difference."""
    top = _extreme(values, row, shape, "amax", -math.inf)
    shift = torch.where(top == -math.inf, 0.0, top)
    return top, shift, (values - shift[row]).exp()


def _softmax(values: Tensor, rowptr: Tensor) -> Tensor:
    check_rowptr(rowptr, len(values), "rowptr")
    row, shape = rows_of(rowptr, len(values)), (rowptr.numel() - 1, *values.shape[1:])
    _, _, each = _exponents(wide(values), row, shape)
    total = each.new_zeros(shape).index_add_(0, row, each)
    return each / torch.where(total == 0, 1.0, total)[row]
