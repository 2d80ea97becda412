"""The scatter functions of torch_scatter; `torch_scatter` says how they differ."""

import torch
from torch import Tensor

from ..ops import segment_reduce, segment_softmax
from ._layout import Scatter, named
from ._rows import inverse, permute_rows, reduce_rows, spread_rows


def scatter_sum(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The sum of the values of each index; 0 where there is none. Added to ``out``."""
    work = Scatter(src, index, dim, out, dim_size)
    if work.by_value and src.device.type == "cpu" and src.numel():
        # An index for each value, in turn: nothing to gain from sorting, and in order anyway.
        shape = [*src.shape]
        shape[work.dim] = work.size
        out = src.new_zeros(shape) if out is None else out
        return out.scatter_add_(work.dim, work.full_index, src)
    found = work.reduce("sum")
    return found if out is None else out.add_(found)


def scatter_add(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """`scatter_sum`."""
    return scatter_sum(src, index, dim, out, dim_size)


def scatter_mul(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The product of the values of each index; 1 where there is none. Multiplied onto ``out``.

    The gradient is right also where a value is 0, for which torch_scatter gives 0. Factors of one
    output may be multiplied in any order on a GPU.
    """
    work = Scatter(src, index, dim, out, dim_size)
    shape = [*src.shape]
    shape[work.dim] = work.size
    found = src.new_ones(shape).scatter_reduce(work.dim, work.full_index, src, "prod")
    return found if out is None else out.mul_(found)


def scatter_mean(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The mean of the values of each index; 0 where there is none. Integers are rounded down.

    With ``out``: the sum of out and the values, over the number of values.
    """
    work = Scatter(src, index, dim, out, dim_size)
    if out is None:
        return work.reduce("mean")
    out.add_(work.reduce("sum"))
    rounding = None if out.is_floating_point() else "floor"
    return out.div_(work.count(), rounding_mode=rounding)


def scatter_min(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The minimum of the values of each index, and where along ``dim`` it is first found.

    Where there is no value, 0 and ``src.shape[dim]``. With ``out``, its values take part, and where
    one of them stays, the place is ``src.shape[dim]`` too.
    """
    return _extreme(Scatter(src, index, dim, out, dim_size), "min", out)


def scatter_max(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The maximum, otherwise as `scatter_min`."""
    return _extreme(Scatter(src, index, dim, out, dim_size), "max", out)


def _extreme(work: Scatter, how: str, out: Tensor | None) -> tuple[Tensor, Tensor]:
    found, arg = work.extreme(how)
    if out is None:
        return found, arg
    beats = found < out if how == "min" else found > out
    if found.is_floating_point():
        beats = beats | found.isnan()
    wins = (arg < work.length) & beats
    out.copy_(torch.where(wins, found, out))
    return out, torch.where(wins, arg, work.length)


def scatter(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """Reduces the values of each index: ``reduce`` is sum (or add), mul, mean, min or max."""
    if reduce in ("min", "max"):
        return (scatter_min if reduce == "min" else scatter_max)(src, index, dim, out, dim_size)[0]
    return named(
        reduce, {"sum": scatter_sum, "add": scatter_sum, "mul": scatter_mul, "mean": scatter_mean}
    )(src, index, dim, out, dim_size)


def scatter_std(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    unbiased: bool = True,
) -> Tensor:
    """The standard deviation of the values of each index, over n - 1, or n where not ``unbiased``.

    As in torch_scatter the divisor is at least 1 and gets 1e-6 more, and ``out`` is added to the
    sum of squares; the result is a new tensor.
    """
    work = Scatter(src, index, dim, out, dim_size)
    mean = reduce_rows(work.values, work.groups, "mean")
    gap = work.values - spread_rows(mean, work.groups)
    squares = work.reduce("sum", gap * gap)
    squares = squares if out is None else out.add_(squares)
    count = work.count()
    count = (count - 1).clamp(min=1) if unbiased else count
    return (squares / (count + 1e-6)).sqrt()


def _floating(src: Tensor, name: str) -> None:
    if not src.is_floating_point():
        raise ValueError(f"{name}: expected src of a floating type, found {src.dtype}")


def scatter_softmax(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """exp(src) over its sum among the values of the same index; shaped as src.

    A value of -inf gets 0, also where all of its index are.
    """
    _floating(src, "scatter_softmax")
    work = Scatter(src, index, dim, None, dim_size)
    if src.numel() == 0:
        return src.clone()
    order = work.groups.order
    values = work.values if order is None else permute_rows(work.values, order)
    share = segment_softmax(values, work.groups.rowptr)
    share = share if order is None else permute_rows(share, inverse(order))
    return work.shaped(share, work.length)


def scatter_log_softmax(
    src: Tensor, index: Tensor, dim: int = -1, eps: float = 1e-12, dim_size: int | None = None
) -> Tensor:
    """The logarithm of `scatter_softmax`. ``eps`` has no use: a sum here is never below 1."""
    _floating(src, "scatter_log_softmax")
    work = Scatter(src, index, dim, None, dim_size)
    if src.numel() == 0:
        return src.clone()
    total = _logsumexp(work)
    return work.shaped(work.values - spread_rows(total, work.groups), work.length)


def scatter_logsumexp(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    eps: float = 1e-12,
) -> Tensor:
    """log(sum(exp(src))) of each index; 0 where there is no value above -inf.

    ``out`` takes part as one more value. ``eps`` has no use: no sum here is near 0.
    """
    _floating(src, "scatter_logsumexp")
    work = Scatter(src, index, dim, out, dim_size)
    found = work.shaped(_logsumexp(work), work.size)
    if out is not None:
        return out.copy_(torch.logaddexp(out, found))
    return torch.where(found == -torch.inf, 0, found)


def _logsumexp(work: Scatter) -> Tensor:
    order = work.groups.order
    values = work.values if order is None else permute_rows(work.values, order)
    return segment_reduce(values, work.groups.rowptr, "logsumexp")
