"""How the index of a scatter lies along its source, and the rows that this makes of both."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from ._rows import (
    Groups,
    extreme_integers,
    extreme_rows,
    group,
    per_row,
    reduce_integers,
    reduce_rows,
)


def broadcast(src: Tensor, other: Tensor, dim: int) -> Tensor:
    """An index ``src``, 1-D along ``dim`` or with trailing dimensions missing, as ``other``."""
    shape = src.shape
    if src.dim() == 1:
        src = src.reshape([1] * (dim % max(other.dim(), 1)) + [-1])
    src = src.reshape(*src.shape, *[1] * (other.dim() - src.dim()))
    try:
        return src.expand(other.shape)
    except RuntimeError:
        raise ValueError(
            f"index: expected a shape that broadcasts to that of src, {tuple(other.shape)}, "
            f"along dim {dim}, found {tuple(shape)}"
        ) from None


class Scatter:
    """One scatter of ``src`` along ``dim``: its values as rows, their groups, and the way back."""

    def __init__(
        self,
        src: Tensor,
        index: Tensor,
        dim: int,
        out: Tensor | None = None,
        dim_size: int | None = None,
    ) -> None:
        if not isinstance(index, Tensor) or index.dtype not in (torch.int32, torch.int64):
            found = index.dtype if isinstance(index, Tensor) else type(index).__name__
            raise ValueError(f"index: expected an int32 or int64 tensor, found {found}")
        if not -src.dim() <= dim < src.dim():
            raise ValueError(f"dim: expected one of the {src.dim()} of src, found {dim}")
        dim = dim % src.dim()
        index = broadcast(index, src, dim).to(torch.int64)
        if out is not None and _without(out.shape, dim) != _without(src.shape, dim):
            raise ValueError(
                f"out: expected the shape of src, {tuple(src.shape)}, but for dim {dim}, "
                f"found {tuple(out.shape)}"
            )
        self.src, self.full_index, self.dim = src, index, dim
        self.size = output_size(index, out.shape[dim] if out is not None else dim_size)
        self.length = src.shape[dim]

        # One index for everything beside dim, or one for each position before it, or for each value
        varies = [d for d in range(src.dim()) if index.shape[d] > 1 and index.stride(d) != 0]
        self.by_value = any(d > dim for d in varies)
        self.lead: torch.Size | None = None
        if src.numel() == 0 or all(d == dim for d in varies):
            self.values, self.rows = src.movedim(dim, 0), self.size
            if src.numel() == 0:
                self.values, self.index = self.values[:0], index.new_empty(0)
            else:
                self.index = index.movedim(dim, 0).flatten(1)[:, 0] if src.dim() > 1 else index
            return
        if self.by_value:
            src, index, dim = src.movedim(dim, -1), index.movedim(dim, -1), src.dim() - 1
        self.lead, self.trail = src.shape[:dim], src.shape[dim + 1 :]
        blocks = self.lead.numel()
        self.values = src.reshape(blocks * self.length, *self.trail)
        index = index[(..., *[0] * len(self.trail))].reshape(blocks, self.length)
        start = torch.arange(blocks, device=index.device)[:, None] * self.size
        self.index, self.rows = (index + start).reshape(-1), blocks * self.size

    @cached_property
    def groups(self) -> Groups:
        return group(self.index, self.rows)

    def shaped(self, rows: Tensor, length: int) -> Tensor:
        """Rows as the caller knows them, with ``length`` of them along dim."""
        if self.lead is None:
            return rows.movedim(0, self.dim)
        rows = rows.reshape(*self.lead, length, *self.trail)
        return rows.movedim(-1, self.dim) if self.by_value else rows

    def reduce(self, how: str, values: Tensor | None = None) -> Tensor:
        """The sum or mean, in the shape of the output."""
        values = self.values if values is None else values
        if not values.is_floating_point():
            rows = reduce_integers(values, self.index, self.rows)
            if how == "mean":
                count = per_row(self.groups.sizes, rows).to(rows.dtype)
                rows = rows.div(count, rounding_mode="floor")
        else:
            rows = reduce_rows(values, self.groups, how)
        return self.shaped(rows, self.size)

    def extreme(self, how: str) -> tuple[Tensor, Tensor]:
        if self.values.is_floating_point():
            out, arg = extreme_rows(self.values, self.groups, how)
        else:
            out, arg = extreme_integers(self.values, self.index, self.rows, how)
        if self.lead is not None:
            arg = torch.where(arg == len(self.values), self.length, arg % self.length)
        return self.shaped(out, self.size), self.shaped(arg, self.size)

    def count(self) -> Tensor:
        """How many values each output has, at least 1, in a shape that goes with the output."""
        rows = self.groups.sizes.to(self.src.dtype)
        rows = rows.reshape(-1, *[1] * (self.values.dim() - 1))
        if self.lead is None:
            return rows.movedim(0, self.dim)
        rows = rows.reshape(*self.lead, self.size, *[1] * len(self.trail))
        return rows.movedim(-1, self.dim) if self.by_value else rows


def _without(shape: torch.Size, dim: int) -> list[int]:
    return [n for d, n in enumerate(shape) if d != dim]


def output_size(index: Tensor, size: int | None) -> int:
    if index.numel() == 0:
        return size or 0
    low, high = (int(v) for v in index.aminmax())
    if low < 0 or (size is not None and high >= size):
        limit = "0 <= index" if size is None else f"0 <= index < {size}, the size of the output"
        raise IndexError(f"index: expected {limit}, found {low if low < 0 else high}")
    return high + 1 if size is None else size


def named(reduce: str, calls: dict[str, Callable]) -> Callable:
    if reduce not in calls:
        raise ValueError(f"reduce: expected one of {', '.join(calls)}, min, max, found {reduce!r}")
    return calls[reduce]
