"""Reductions over CSR segments: the sums and extremes behind every message-passing layer."""

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, floating_rows, index_tensor, rowptr_values

_REDUCTIONS = ("sum", "mean", "min", "max", "logsumexp")


def segment_reduce(values: Tensor, rowptr: Tensor, reduce: str = "sum") -> Tensor:
    """Reduces ``values[rowptr[i]:rowptr[i + 1]]`` for each i.

    values (E, ...) of float32, float64, float16 or bfloat16, rowptr (N + 1,) from 0 to E; returns
    (N, ...). reduce is sum, mean, min, max or logsumexp. Half precision is summed in float32. An
    empty segment gives 0, and -inf as logsumexp. The gradient of min and max goes to the first
    extreme of the segment; NaN is the extreme of any segment that holds one. The gradient of
    logsumexp is `segment_softmax`. Sums go front to back (segments of more than 4096 entries in
    pieces of as many), so the result does not depend on the number of threads or on the processor.

    Raises ValueError or IndexError for an unknown reduction or pointers that do not fit.
    """
    if reduce not in _REDUCTIONS:
        raise ValueError(f"reduce: expected one of {', '.join(_REDUCTIONS)}, found {reduce!r}")
    floating_rows(values, "values", "(E, ...)")
    rowptr = index_tensor(rowptr, "rowptr", values.device)
    return explained(
        lambda: torch.ops.meshop.segment_reduce(values, rowptr, reduce)[0],
        lambda: rowptr_values(rowptr, values.shape[0], "rowptr", "values"),
        values,
    )


def segment_softmax(values: Tensor, rowptr: Tensor) -> Tensor:
    """exp(values) over its sum in each segment ``values[rowptr[i]:rowptr[i + 1]]``.

    values (E, ...) of float32, float64, float16 or bfloat16, rowptr (N + 1,) from 0 to E; returns
    (E, ...), for each trailing channel by itself. A value of -inf (a masked entry) gets 0, also
    where the whole segment is -inf, for which `torch.softmax` gives NaN; NaN and +inf make their
    segment NaN. Half precision is computed in float32, and the result does not depend on the number
    of threads.

    Raises ValueError or IndexError for pointers that do not fit.
    """
    floating_rows(values, "values", "(E, ...)")
    rowptr = index_tensor(rowptr, "rowptr", values.device)
    return explained(
        lambda: torch.ops.meshop.segment_softmax(values, rowptr),
        lambda: rowptr_values(rowptr, values.shape[0], "rowptr", "values"),
        values,
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


@torch.library.register_fake("meshop::segment_softmax")
def _(values, rowptr):
    return values.new_empty(values.shape)


@torch.library.register_fake("meshop::segment_softmax_backward")
def _(grad, out, rowptr):
    return out.new_empty(out.shape)


@torch.library.register_fake("meshop::segment_logsumexp_backward")
def _(grad, values, rowptr):
    return values.new_empty(values.shape)


def _sum(values: Tensor, rowptr: Tensor) -> Tensor:
    return torch.ops.meshop.segment_reduce(values, rowptr, "sum")[0]


def _spread(rows: Tensor, rowptr: Tensor, num_values: int) -> Tensor:
    """Each segment's row for each of its entries: the adjoint of the sum."""
    none = rowptr.new_empty(0)
    return torch.ops.meshop.segment_reduce_backward(rows, rowptr, none, num_values, "sum")


def _remember(ctx, inputs, output):
    values, rowptr, ctx.reduce = inputs
    ctx.num_values = values.shape[0]
    ctx.save_for_backward(values if ctx.reduce == "logsumexp" else output[1], rowptr)


def _backward(ctx, grad, _arg):
    saved, rowptr = ctx.saved_tensors
    if ctx.reduce == "logsumexp":
        to_values = torch.ops.meshop.segment_logsumexp_backward(grad, saved, rowptr)
    else:
        to_values = torch.ops.meshop.segment_reduce_backward(
            grad, rowptr, saved, ctx.num_values, ctx.reduce
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


def _remember_softmax(ctx, inputs, output):
    ctx.save_for_backward(output, inputs[1])


def _softmax_backward(ctx, grad):
    out, rowptr = ctx.saved_tensors
    return torch.ops.meshop.segment_softmax_backward(grad, out, rowptr), None


def _remember_softmax_backward(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _softmax_backward_backward(ctx, slope):
    """Of out * (grad - dot), dot the segment's sum of out * grad: symmetric in slope and grad."""
    grad, out, rowptr = ctx.saved_tensors
    total = out.shape[0]
    to_grad = torch.ops.meshop.segment_softmax_backward(slope, out, rowptr)
    by_grad = _spread(_sum(out * grad, rowptr), rowptr, total)
    by_slope = _spread(_sum(out * slope, rowptr), rowptr, total)
    return to_grad, slope * (grad - by_grad) - grad * by_slope, None


def _logsumexp_backward_backward(ctx, slope):
    """Of spread(grad) * softmax(values)."""
    grad, values, rowptr = ctx.saved_tensors
    share = torch.ops.meshop.segment_softmax(values, rowptr)
    each = _spread(grad, rowptr, values.shape[0])
    to_values = torch.ops.meshop.segment_softmax_backward(slope * each, share, rowptr)
    return _sum(slope * share, rowptr), to_values, None


torch.library.register_autograd("meshop::segment_reduce", _backward, setup_context=_remember)
torch.library.register_autograd(
    "meshop::segment_reduce_backward", _backward_backward, setup_context=_remember_backward
)
torch.library.register_autograd(
    "meshop::segment_softmax", _softmax_backward, setup_context=_remember_softmax
)
torch.library.register_autograd(
    "meshop::segment_softmax_backward",
    _softmax_backward_backward,
    setup_context=_remember_softmax_backward,
)
torch.library.register_autograd(
    "meshop::segment_logsumexp_backward",
    _logsumexp_backward_backward,
    setup_context=_remember_softmax_backward,
)
