"""The segment and gather functions of torch_scatter; `torch_scatter` says how they differ.

Sorted indices (COO) are a scatter that sees for itself that nothing is left to sort.
"""

import torch
from torch import Tensor

from . import _checks
from ._rows import Groups, Rows
from ._scatter import _mean, _Scatter, scatter_max, scatter_min, scatter_sum


def segment_sum_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """`scatter_sum` along the last dimension of ``index``."""
    return scatter_sum(src, *_along(src, index), out, dim_size)


segment_add_coo = segment_sum_coo


def segment_mean_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """`scatter_mean` along the last dimension of ``index``; integers are rounded towards 0."""
    return _mean(_Scatter(src, *_along(src, index), out, dim_size), out, "trunc")


def segment_min_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """`scatter_min` along the last dimension of ``index``."""
    return scatter_min(src, *_along(src, index), out, dim_size)


def segment_max_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """`scatter_max` along the last dimension of ``index``."""
    return scatter_max(src, *_along(src, index), out, dim_size)


def segment_coo(
    src: Tensor,
    index: Tensor,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """Reduces along the last dimension of ``index``: sum (or add), mean, min or max.

    ``index`` may also be unsorted.
    """
    calls = {
        "sum": segment_sum_coo, "add": segment_sum_coo, "mean": segment_mean_coo,
        "min": segment_min_coo, "max": segment_max_coo,
    }  # fmt: skip
    found = _checks.chosen(reduce, calls)(src, index, out, dim_size)
    return found[0] if isinstance(found, tuple) else found


def _along(src: Tensor, index: Tensor) -> tuple[Tensor, int]:
    index = _checks.lead(src, index, "index")
    return index, index.dim() - 1


def gather_coo(src: Tensor, index: Tensor, out: Tensor | None = None) -> Tensor:
    """``src`` at ``index`` along the last dimension of ``index``: the transpose of the sum."""
    index, dim = _along(src, index)
    length, size = index.shape[-1], src.shape[dim]
    _checks.output(out, src, dim, length)
    _checks.output_size(index, size)
    rows = Rows(src, dim, range(dim))
    groups = Groups(rows.blocks * size, rows.blocks * length, rows.flat(index, size))
    found = rows.shaped(groups.spread(rows.values), length)
    return found if out is None else out.copy_(found)


def segment_sum_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """The sums of ``src[..., indptr[..., i]:indptr[..., i + 1]]``; 0 for an empty one."""
    return _Csr(src, indptr, out).reduce("sum")


segment_add_csr = segment_sum_csr


def segment_mean_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """The means; integers are rounded towards 0."""
    return _Csr(src, indptr, out).reduce("mean")


def segment_min_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The minima and where they are first found; 0 and the length of src for an empty segment."""
    return _Csr(src, indptr, out).extreme("min")


def segment_max_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The maxima, otherwise as `segment_min_csr`."""
    return _Csr(src, indptr, out).extreme("max")


def segment_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None, reduce: str = "sum"
) -> Tensor:
    """Reduces between pointers, along the last dimension of ``indptr``: sum (add), mean, min, max.

    Leading dimensions of ``indptr`` broadcast to those of ``src``. ``out`` is overwritten. What no
    segment has gets the gradient 0; that of torch_scatter is not initialised there.
    """
    calls = {
        "sum": segment_sum_csr, "add": segment_sum_csr, "mean": segment_mean_csr,
        "min": segment_min_csr, "max": segment_max_csr,
    }  # fmt: skip
    found = _checks.chosen(reduce, calls)(src, indptr, out)
    return found[0] if isinstance(found, tuple) else found


class _Csr:
    """The segments of ``src``, as rows in groups."""

    def __init__(self, src: Tensor, indptr: Tensor, out: Tensor | None) -> None:
        indptr = _pointers(src, indptr)
        self.dim, self.count, self.out = indptr.dim() - 1, indptr.shape[-1] - 1, out
        length = src.shape[self.dim]
        _checks.output(out, src, self.dim, self.count)
        if indptr.numel() and int(indptr.max()) > length:
            raise IndexError(f"indptr: expected pointers up to {length}, found {int(indptr.max())}")
        self.rows = Rows(src, self.dim, range(self.dim))
        ends = self.rows.flat(indptr, length)
        total = self.rows.blocks * length
        self.whole = self.rows.blocks == 1 and int(ends[0]) == 0 and int(ends[-1]) == total
        if not self.whole:  # then a segment in front of each block has what no other has
            ends = torch.cat([ends.new_zeros(1), ends, ends.new_full((1,), total)])
        self.groups = Groups(len(ends) - 1, total, rowptr=ends)

    def reduce(self, how: str) -> Tensor:
        return self._given(self._shaped(self.groups.reduce(self.rows.values, how)))

    def extreme(self, how: str) -> tuple[Tensor, Tensor]:
        found, arg = self.groups.extreme(self.rows.values, how)
        return self._given(self._shaped(found)), self._shaped(self.rows.places(arg))

    def _shaped(self, found: Tensor) -> Tensor:
        if self.whole:
            return self.rows.shaped(found, self.count)
        found = self.rows.shaped(found[1:], self.count + 1)
        return found.narrow(self.dim, 0, self.count).contiguous()

    def _given(self, found: Tensor) -> Tensor:
        return found if self.out is None else self.out.copy_(found)


def _pointers(src: Tensor, indptr: Tensor) -> Tensor:
    """``indptr`` with the leading dimensions of ``src``."""
    indptr = _checks.lead(src, indptr, "indptr")
    if indptr.shape[-1] == 0:
        raise ValueError("indptr: expected one pointer at least, found none")
    if bool((indptr.diff() < 0).any()) or bool((indptr[..., 0] < 0).any()):
        raise ValueError("indptr: expected values from 0 on that never decrease")
    return indptr


def gather_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Each ``src[..., i]`` for every place from ``indptr[..., i]`` to ``indptr[..., i + 1]``."""
    indptr = _pointers(src, indptr)
    dim, count = indptr.dim() - 1, indptr.shape[-1] - 1
    if src.shape[dim] != count:
        raise ValueError(f"indptr: expected {src.shape[dim] + 1} pointers, found {count + 1}")
    length = int(indptr[..., -1].max()) if indptr.numel() else 0
    length = length if out is None else out.shape[dim]
    if not bool(((indptr[..., 0] == 0) & (indptr[..., -1] == length)).all()):
        raise ValueError(f"indptr: expected pointers from 0 to {length}, the length of the output")
    _checks.output(out, src, dim, length)
    rows = Rows(src, dim, range(dim))
    ends = rows.flat(indptr[..., 1:], length)
    ends = torch.cat([ends.new_zeros(1), ends])
    groups = Groups(len(ends) - 1, rows.blocks * length, rowptr=ends)
    found = rows.shaped(groups.spread(rows.values), length)
    return found if out is None else out.copy_(found)
