"""The scatter functions of torch_scatter; `torch_scatter` says how they differ."""

from functools import cached_property

import torch
from torch import Tensor

from ..ops import segment_softmax
from . import _checks
from ._rows import Groups, Rows, extreme_along


def broadcast(src: Tensor, other: Tensor, dim: int) -> Tensor:
    """An index ``src``, 1-D along ``dim`` or with trailing dimensions missing, as ``other``."""
    return _checks.expanded(_aligned(src, other, dim), other.shape, "index")


def _aligned(index: Tensor, src: Tensor, dim: int) -> Tensor:
    """``index`` with as many dimensions as ``src``."""
    if index.dim() == 1:
        index = index.reshape([1] * (dim % max(src.dim(), 1)) + [-1])
    return index.reshape(*index.shape, *[1] * (src.dim() - index.dim()))


class _Scatter:
    """A scatter of ``src`` along ``dim``, as rows in groups."""

    def __init__(
        self,
        src: Tensor,
        index: Tensor,
        dim: int,
        out: Tensor | None = None,
        dim_size: int | None = None,
    ) -> None:
        _checks.index_type(index, "index")
        self.dim = dim = _checks.dimension(src, dim)
        _checks.output(out, src, dim)
        self.src = src
        index = _aligned(index.to(torch.int64), src, dim)
        self.index = _checks.expanded(index, src.shape, "index")
        if src.numel() == 0:
            src, index = (t.narrow(dim, 0, 0) for t in (src, index.new_zeros([1] * src.dim())))
        for d in range(src.dim()):  # of what is the same all along a dimension, one place
            if index.shape[d] > 1 and index.stride(d) == 0:
                index = index.narrow(d, 0, 1)
        self.size = _checks.output_size(index, dim_size if out is None else out.shape[dim])
        self.rows = Rows(src, dim, [d for d in range(src.dim()) if d != dim and index.shape[d] > 1])
        index = index.permute(self.rows.dims).flatten(len(self.rows.lead))
        self._one = index.expand(*self.rows.lead, self.rows.length)

    @cached_property
    def groups(self) -> Groups:
        blocks = self.rows.blocks
        return Groups(blocks * self.size, self.rows.count, self.rows.flat(self._one, self.size))

    def shaped(self, rows: Tensor) -> Tensor:
        return self.rows.shaped(rows, self.size)

    def reduce(self, how: str, rounding: str = "floor") -> Tensor:
        if how in ("sum", "mean") and self._add_singly:
            total = self._added(self.src)
            return total if how == "sum" else total / self.count()
        return self.shaped(self.groups.reduce(self.rows.values, how, rounding))

    def count(self) -> Tensor:
        """How many values each output has, at least 1, to go with the output."""
        if self._add_singly:
            return self._added(torch.ones_like(self.src)).clamp(min=1)
        return self.shaped(self.groups.counts(self.rows.values))

    def extreme(self, how: str) -> tuple[Tensor, Tensor]:
        if self.rows.single or not self.src.is_floating_point():
            return extreme_along(self.src, self.index, self.dim, self.size, how)
        found, arg = self.groups.extreme(self.rows.values, how)
        return self.shaped(found), self.shaped(self.rows.places(arg))

    @property
    def _add_singly(self) -> bool:
        """Whether rows are single numbers, which torch adds in order as fast as they are sorted."""
        full = self.src.dtype in (torch.float32, torch.float64)
        return self.rows.single and full and self.src.device.type == "cpu"

    def _added(self, src: Tensor) -> Tensor:
        shape = [*src.shape]
        shape[self.dim] = self.size
        return src.new_zeros(shape).scatter_add_(self.dim, self.index, src)


def scatter_sum(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The sum of the values of each index; 0 where there is none. Added to ``out``."""
    found = _Scatter(src, index, dim, out, dim_size).reduce("sum")
    return found if out is None else out.add_(found)


scatter_add = scatter_sum


def scatter_mul(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The product of the values of each index; 1 where there is none. Multiplied onto ``out``.

    torch's own `scatter_reduce`: the gradient is right also where a value is 0, for which
    torch_scatter gives 0, and takes longer for it. On a GPU the factors of an output are multiplied
    in any order.
    """
    work = _Scatter(src, index, dim, out, dim_size)
    shape = [*src.shape]
    shape[work.dim] = work.size
    found = src.new_ones(shape).scatter_reduce(work.dim, work.index, src, "prod")
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
    return _mean(_Scatter(src, index, dim, out, dim_size), out, "floor")


def _mean(work: _Scatter, out: Tensor | None, rounding: str) -> Tensor:
    if out is None:
        return work.reduce("mean", rounding)
    out.add_(work.reduce("sum"))
    return out.div_(work.count(), rounding_mode=None if out.is_floating_point() else rounding)


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
    return _extreme(src, index, dim, out, dim_size, "min")


def scatter_max(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The maximum, otherwise as `scatter_min`."""
    return _extreme(src, index, dim, out, dim_size, "max")


def _extreme(
    src: Tensor, index: Tensor, dim: int, out: Tensor | None, dim_size: int | None, how: str
) -> tuple[Tensor, Tensor]:
    work = _Scatter(src, index, dim, out, dim_size)
    found, arg = work.extreme(how)
    none = src.shape[work.dim]
    if src.numel() == 0:
        arg = torch.full_like(arg, none)
    if out is None:
        return found, arg
    beats = found < out if how == "min" else found > out
    wins = (arg < none) & (beats | (found != found))  # NaN is the extreme of all
    out.copy_(torch.where(wins, found, out))
    return out, torch.where(wins, arg, none)


def scatter(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """Reduces the values of each index: ``reduce`` is sum (or add), mul, mean, min or max."""
    calls = {
        "sum": scatter_sum, "add": scatter_sum, "mul": scatter_mul, "mean": scatter_mean,
        "min": scatter_min, "max": scatter_max,
    }  # fmt: skip
    found = _checks.chosen(reduce, calls)(src, index, dim, out, dim_size)
    return found[0] if isinstance(found, tuple) else found


def scatter_std(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    unbiased: bool = True,
) -> Tensor:
    """The standard deviation of the values of each index, over n - 1, or n where not ``unbiased``.

    As in torch_scatter the divisor is at least 1 and gets 1e-6 more, ``out`` is added to the sum of
    squares, and equal values have the gradient NaN.
    """
    _checks.floating(src, "scatter_std")
    if src.dtype in (torch.float16, torch.bfloat16) and out is None:  # counts and squares overflow
        return scatter_std(src.float(), index, dim, None, dim_size, unbiased).to(src.dtype)
    work = _Scatter(src, index, dim, out, dim_size)
    gap = work.rows.values - work.groups.spread(work.groups.reduce(work.rows.values, "mean"))
    squares = work.shaped(work.groups.reduce(gap * gap, "sum"))
    squares = squares if out is None else out.add_(squares)
    count = work.count()
    count = (count - 1).clamp(min=1) if unbiased else count
    return (squares / (count + 1e-6)).sqrt()


def scatter_softmax(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """exp(src) over its sum among the values of the same index; shaped as src.

    A value of -inf gets 0, also where all of its index are.
    """
    _checks.floating(src, "scatter_softmax")
    work = _Scatter(src, index, dim, None, dim_size)
    if src.numel() == 0:
        return src.clone()
    groups = work.groups
    share = segment_softmax(groups.sorted(work.rows.values), groups.rowptr)
    return work.rows.shaped(groups.unsorted(share), work.rows.length)


def scatter_log_softmax(
    src: Tensor, index: Tensor, dim: int = -1, eps: float = 1e-12, dim_size: int | None = None
) -> Tensor:
    """The logarithm of `scatter_softmax`. ``eps`` has no use: a sum here is never below 1."""
    _checks.floating(src, "scatter_log_softmax")
    work = _Scatter(src, index, dim, None, dim_size)
    if src.numel() == 0:
        return src.clone()
    groups, values = work.groups, work.rows.values
    total = groups.spread(groups.reduce(values, "logsumexp"))
    return work.rows.shaped(values - total, work.rows.length)


def scatter_logsumexp(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    eps: float = 1e-12,
) -> Tensor:
    """log(sum(exp(src))) of each index; 0 where there is no value above -inf.

    ``out`` takes part as one more value, also where there is no other, for which torch_scatter
    gives 0. ``eps`` has no use: no sum here is near 0.
    """
    _checks.floating(src, "scatter_logsumexp")
    found = _Scatter(src, index, dim, out, dim_size).reduce("logsumexp")
    if out is not None:
        return out.copy_(torch.logaddexp(out, found))
    return torch.where(found == -torch.inf, 0, found)
