"""Scatters as segments: which rows of a tensor go where, and the sums and extremes of them.

Everything that torch_scatter does along one dimension becomes the same few operations on
values (R, ...), whose row r belongs to output row ``index[r]``.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..ops import csr_transpose, gather_reduce, segment_reduce


class Groups(NamedTuple):
    """Rows by what they belong to: output i owns ``order[rowptr[i]:rowptr[i + 1]]``."""

    index: Tensor  # type: ignore[assignment]  # (R,) int64, the output row of each row
    rowptr: Tensor  # (outputs + 1,)
    order: Tensor | None  # (R,), rising within an output; None: rows stand in order already

    @property
    def sizes(self) -> Tensor:
        """(outputs,) how many rows each has, at least 1."""
        return self.rowptr.diff().clamp(min=1)


def group(index: Tensor, size: int) -> Groups:
    """Rows with ``index`` (R,) in [0, size) by group: a stable counting sort where it is needed."""
    if bool((index[1:] >= index[:-1]).all()):
        count = torch.bincount(index, minlength=size)
        return Groups(index, torch.cat([count.new_zeros(1), count.cumsum(0)]), None)
    one_row = torch.tensor([0, index.shape[0]], device=index.device)
    sort = csr_transpose(index, one_row, size)
    return Groups(index, sort.rowptr, sort.order)


def reduce_rows(values: Tensor, groups: Groups, how: str) -> Tensor:
    """(outputs, ...): the sum or mean of each group, differentiable twice."""
    if groups.order is None:
        return segment_reduce(values, groups.rowptr, how)
    return _Reduced.apply(values, *groups, how)


def spread_rows(rows: Tensor, groups: Groups) -> Tensor:
    """Each output row for every row of its group: the transpose of the sum."""
    return _Spread.apply(rows, *groups)


def permute_rows(values: Tensor, order: Tensor) -> Tensor:
    """``values[order]`` for a permutation: its gradient is gathered, not added up."""
    return _Permuted.apply(values, order)


def extreme_rows(values: Tensor, groups: Groups, how: str) -> tuple[Tensor, Tensor]:
    """The min or max of each group and the first row that has it; an empty group: 0 and R."""
    if groups.order is None:
        return torch.ops.meshop.segment_reduce(values, groups.rowptr, how)
    return _Extreme.apply(values, groups.rowptr, groups.order, how)


class _Reduced(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, index, rowptr, order, how):
        ctx.save_for_backward(index, rowptr, order)
        ctx.how = how
        return gather_reduce(values, order, rowptr, reduce=how)

    @staticmethod
    def backward(ctx, grad):
        groups = Groups(*ctx.saved_tensors)
        if ctx.how == "mean":
            grad = grad / per_row(groups.sizes, grad).to(grad.dtype)
        return spread_rows(grad, groups), None, None, None, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, index, rowptr, order):
        ctx.save_for_backward(index, rowptr, order)
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx, grad):
        return reduce_rows(grad, Groups(*ctx.saved_tensors), "sum"), None, None, None


class _Permuted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, order):
        ctx.save_for_backward(order)
        return values.index_select(0, order)

    @staticmethod
    def backward(ctx, grad):
        (order,) = ctx.saved_tensors
        return permute_rows(grad, inverse(order)), None


class _Extreme(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, rowptr, order, how):
        rows = values.index_select(0, order)
        out, arg = torch.ops.meshop.segment_reduce(rows, rowptr, how)
        # Of an empty group the arg is R, and stays it.
        arg = torch.cat([order, order.new_full((1,), len(order))])[arg]
        ctx.save_for_backward(arg)
        ctx.rows = len(order)
        ctx.mark_non_differentiable(arg)
        return out, arg

    @staticmethod
    def backward(ctx, grad, _arg):
        (arg,) = ctx.saved_tensors
        out = grad.new_zeros(ctx.rows + 1, *grad.shape[1:]).scatter(0, arg, grad)
        return out[: ctx.rows], None, None, None


def inverse(order: Tensor) -> Tensor:
    """The permutation that undoes ``order``."""
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))


def per_row(counts: Tensor, like: Tensor) -> Tensor:
    """``counts`` (N,) shaped to go with ``like`` (N, ...)."""
    return counts.reshape(-1, *[1] * (like.dim() - 1))


# Integers have no kernels: plain torch is exact for them in any order.


def reduce_integers(values: Tensor, index: Tensor, size: int) -> Tensor:
    return values.new_zeros(size, *values.shape[1:]).index_add_(0, index, values)


def extreme_integers(values: Tensor, index: Tensor, size: int, how: str) -> tuple[Tensor, Tensor]:
    rows = per_row(index, values).expand_as(values)
    none = values.new_zeros(size, *values.shape[1:])
    out = none.scatter_reduce(0, rows, values, "a" + how, include_self=False)
    total = len(values)
    place = per_row(torch.arange(total, device=values.device), values)
    place = torch.where(values == out.index_select(0, index), place, total)
    first = torch.full(out.shape, total, device=values.device)
    return out, first.scatter_reduce_(0, rows, place, "amin")
