"""Any reduction of torch_scatter as one of rows: which group each row belongs to, and the way back.

Values (R, ...), one row for each place along a dimension, in groups; what is taken along the other
dimensions stays together in a row.
"""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor

from ..ops import CsrTranspose, csr_transpose, gather_reduce, rows_of, segment_reduce


class Rows:
    """``src`` as rows: the places along ``dim``, for each of the dimensions ``along`` by itself."""

    def __init__(self, src: Tensor, dim: int, along: Iterable[int] = ()) -> None:
        dims = [*along, dim]
        self.lead = [src.shape[d] for d in dims[:-1]]
        self.blocks, self.length = torch.Size(self.lead).numel(), src.shape[dim]
        known = len(dims)
        dims += [d for d in range(src.dim()) if d not in dims]
        self.dims, self.back = dims, [dims.index(d) for d in range(src.dim())]
        self.src, self.count, self.single = src, self.blocks * self.length, len(dims) == known

    @cached_property
    def values(self) -> Tensor:
        src = self.src.permute(self.dims)
        return src.reshape(self.count, *src.shape[len(self.lead) + 1 :])

    def flat(self, index: Tensor, size: int) -> Tensor:
        """``index`` (..., n) of each block, into ``size`` rows each, as one into all rows."""
        start = torch.arange(self.blocks, device=index.device)[:, None] * size
        return (index.reshape(self.blocks, index.shape[-1]) + start).reshape(-1)

    def shaped(self, rows: Tensor, length: int) -> Tensor:
        """Rows, ``length`` of them in a block, in the dimensions of ``src``."""
        rows = rows.reshape(*self.lead, length, *rows.shape[1:])
        return rows.permute(self.back).contiguous()

    def places(self, arg: Tensor) -> Tensor:
        """Rows as places along dim; R, which is none of them, as the length of dim."""
        if self.blocks == 1:
            return arg
        return torch.where(arg == self.count, self.length, arg % max(self.length, 1))


class Groups:
    """R rows in N groups: group i owns rows ``order[rowptr[i]:rowptr[i + 1]]``, rising.

    They are known by the group ``index`` (R,) of each row, or by their ends ``rowptr`` (N + 1,)
    where they stand in groups already; there is no ``order`` then. What is needed of the other is
    found when it is needed. All results are differentiable, twice.
    """

    def __init__(
        self, size: int, rows: int, index: Tensor | None = None, rowptr: Tensor | None = None
    ) -> None:
        self.size, self.rows = size, rows
        if index is not None:
            self.index = index
        if rowptr is not None:
            self._sort = rowptr, None

    @cached_property
    def index(self) -> Tensor:
        return rows_of(self.rowptr, self.rows)

    @cached_property
    def _sort(self) -> tuple[Tensor, Tensor | None]:
        """Pointers and order: a stable counting sort where it is needed."""
        index = self.index.contiguous()
        if bool((index[1:] >= index[:-1]).all()):
            ends = torch.arange(self.size + 1, device=index.device)
            return torch.searchsorted(index, ends), None
        whole = torch.tensor([0, self.rows], device=index.device)
        sort = csr_transpose(index, whole, self.size)
        return sort.rowptr, sort.order

    @property
    def rowptr(self) -> Tensor:
        return self._sort[0]

    @property
    def order(self) -> Tensor | None:
        return self._sort[1]

    def counts(self, like: Tensor) -> Tensor:
        """How many rows each group has, at least 1, to go with ``like`` (., ...)."""
        counts = _tall(self.rowptr.diff().clamp(min=1), like)
        return counts.to(like.dtype) if like.is_floating_point() else counts

    def reduce(self, values: Tensor, how: str, rounding: str = "trunc") -> Tensor:
        """(N, ...) sum, mean or logsumexp; ``rounding`` is of means of integers."""
        if not values.is_floating_point():  # no kernels: torch is exact for them in any order
            out = values.new_zeros(self.size, *values.shape[1:]).index_add_(0, self.index, values)
            return out if how == "sum" else out.div_(self.counts(out), rounding_mode=rounding)
        if self.order is None or how == "logsumexp":
            return segment_reduce(self.sorted(values), self.rowptr, how)
        back = CsrTranspose(self._each, self.index, self._inverse)
        return gather_reduce(values, self.order, self.rowptr, reduce=how, transpose=back)

    def extreme(self, values: Tensor, how: str) -> tuple[Tensor, Tensor]:
        """(N, ...) min or max, and the first row that has it; of no rows 0, and R."""
        if not values.is_floating_point():
            index = _tall(self.index, values).expand_as(values)
            return extreme_along(values, index, 0, self.size, how)
        out, arg = torch.ops.meshop.segment_reduce(self.sorted(values), self.rowptr, how)
        if self.order is not None:
            arg = torch.cat([self.order, self.order.new_full((1,), self.rows)])[arg]
        return out, arg

    def spread(self, rows: Tensor) -> Tensor:
        """(R, ...) of (N, ...): each group's for every row of it, the transpose of the sum."""
        order = self._each[:-1] if self.order is None else self.order
        return self._pick(rows, self.index, CsrTranspose(self.rowptr, order, order))

    def sorted(self, values: Tensor) -> Tensor:
        """The rows group by group."""
        if self.order is None:
            return values
        back = CsrTranspose(self._each, self._inverse, self._inverse)
        return self._pick(values, self.order, back)

    def unsorted(self, values: Tensor) -> Tensor:
        """What `sorted` sorts, as it was."""
        if self.order is None:
            return values
        return self._pick(values, self._inverse, CsrTranspose(self._each, self.order, self.order))

    def _pick(self, x: Tensor, index: Tensor, transpose: CsrTranspose) -> Tensor:
        """``x[index]``, whose gradient is a sum in order, of what is known to be the transpose."""
        if not x.is_floating_point():
            return x.index_select(0, index)
        return gather_reduce(x, index, self._each, transpose=transpose)

    @cached_property
    def _each(self) -> Tensor:
        """The pointers of a graph of one entry for each row."""
        return torch.arange(self.rows + 1, device=self.rowptr.device)

    @cached_property
    def _inverse(self) -> Tensor:
        assert self.order is not None
        return torch.empty_like(self.order).scatter_(0, self.order, self._each[:-1])


def extreme_along(
    values: Tensor, index: Tensor, dim: int, size: int, how: str
) -> tuple[Tensor, Tensor]:
    """The min or max of the values of each index, and the first place along ``dim`` that has it.

    Plain torch: for integers, which have no kernels, and for an index for each value, where sorting
    takes longer.
    """
    none, shape = values.shape[dim], [*values.shape]
    shape[dim] = size
    fixed = values.detach()
    top = fixed.new_zeros(shape)
    top = top.scatter_reduce_(dim, index, fixed, "a" + how, include_self=False)
    has = fixed == top.gather(dim, index)
    if fixed.is_floating_point():
        has |= fixed.isnan()
    place = torch.arange(none, device=values.device)
    place = torch.where(has, place.reshape([-1] + [1] * (values.dim() - dim - 1)), none)
    arg = torch.full(shape, none, device=values.device)
    arg = arg.scatter_reduce_(dim, index, place, "amin")
    if not values.requires_grad:
        return top, arg
    shape[dim] = 1
    return torch.cat([values, values.new_zeros(shape)], dim).gather(dim, arg), arg


def _tall(counts: Tensor, like: Tensor) -> Tensor:
    return counts.reshape(-1, *[1] * (like.dim() - 1))
