"""Reductions over CSR segments: the sums and extremes behind every message-passing layer."""

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, rowptr_values

_REDUCTIONS = ("sum", "mean", "min", "max")


def segment_reduce(values: Tensor, rowptr: Tensor, reduce: str = "sum") -> Tensor:
    """Reduces ``values[rowptr[i]:rowptr[i + 1]]`` for each i.

    values (E, ...) of any floating type, rowptr (N + 1,) from 0 to E; returns (N, ...). Half
    precision is summed in float32. An empty segment gives 0. The gradient of min and max goes to
    the first extreme of the segment; NaN is the extreme of any segment that holds one. The result
    does not depend on the number of threads.

    Raises ValueError or IndexError for an unknown reduction or pointers that do not fit.
    """
    if reduce not in _REDUCTIONS:
        raise ValueError(f"reduce: expected one of {', '.join(_REDUCTIONS)}, found {reduce!r}")
    if values.dim() < 1:
        raise ValueError("values: expected shape (E, ...), found a scalar")
    if not values.dtype.is_floating_point:
        raise ValueError(f"values: expected a floating type, found {values.dtype}")
    rowptr = index_tensor(rowptr, "rowptr", values.device)
    return explained(
        lambda: torch.ops.meshop.segment_reduce(values, rowptr, reduce)[0],
        lambda: rowptr_values(rowptr, values.shape[0], "rowptr", "values"),
    )


# What the compiler and autograd need to know.


@torch.library.register_fake("meshop::segment_reduce")
def _(values, rowptr, reduce):
    shape = (rowptr.shape[0] - 1, *values.shape[1:])
    extreme = reduce in ("min", "max")
    return values.new_empty(shape), rowptr.new_empty(shape if extreme else 0)


@torch.library.register_fake("meshop::segment_reduce_backward")
def _(grad, rowptr, arg, num_values, reduce):
    return grad.new_empty(num_values, *grad.shape[1:])


def _remember(ctx, inputs, output):
    values, rowptr, ctx.reduce = inputs
    ctx.num_values = values.shape[0]
    ctx.save_for_backward(rowptr, output[1])


def _backward(ctx, grad, _arg):
    rowptr, arg = ctx.saved_tensors
    to_values = torch.ops.meshop.segment_reduce_backward(
        grad, rowptr, arg, ctx.num_values, ctx.reduce
    )
    return (
        to_values,
        None,  # rowptr
        None,  # reduce
    )


def _remember_backward(ctx, inputs, output):
    _, rowptr, arg, _, ctx.reduce = inputs
    ctx.save_for_backward(rowptr, arg)


def _backward_backward(ctx, slope):
    rowptr, arg = ctx.saved_tensors
    if ctx.reduce in ("sum", "mean"):
        to_grad = torch.ops.meshop.segment_reduce(slope, rowptr, ctx.reduce)[0]
    else:  # empty segments point one past the end, at a row of zeros
        padded = torch.cat([slope, slope.new_zeros(1, *slope.shape[1:])])
        to_grad = padded.gather(0, arg)
    return (
        to_grad,
        None,  # rowptr
        None,  # arg
        None,  # num_values
        None,  # reduce
    )


torch.library.register_autograd("meshop::segment_reduce", _backward, setup_context=_remember)
torch.library.register_autograd(
    "meshop::segment_reduce_backward", _backward_backward, setup_context=_remember_backward
)
