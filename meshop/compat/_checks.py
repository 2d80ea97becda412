"""The words of the errors: what, found against expected."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def index_type(index: Any, name: str) -> None:
    if not isinstance(index, Tensor) or index.dtype not in (torch.int32, torch.int64):
        found = index.dtype if isinstance(index, Tensor) else type(index).__name__
        raise ValueError(f"{name}: expected an int32 or int64 tensor, found {found}")


def dimension(src: Tensor, dim: int) -> int:
    if not -src.dim() <= dim < src.dim():
        raise ValueError(f"dim: expected one of the {src.dim()} of src, found {dim}")
    return dim % src.dim()


def floating(src: Tensor, name: str) -> None:
    if not src.is_floating_point():
        raise ValueError(f"{name}: expected src of a floating type, found {src.dtype}")


def expanded(index: Tensor, shape: Sequence[int], name: str) -> Tensor:
    try:
        return index.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"{name}: expected a shape that broadcasts, along src, to {tuple(shape)}, "
            f"found {tuple(index.shape)}"
        ) from None


def lead(src: Tensor, index: Tensor, name: str) -> Tensor:
    """An index or pointers (..., n), with the leading dimensions of ``src``."""
    index_type(index, name)
    if not 1 <= index.dim() <= src.dim():
        raise ValueError(f"{name}: expected 1 to {src.dim()} dimensions, found {index.dim()}")
    shape = (*src.shape[: index.dim() - 1], index.shape[-1])
    return expanded(index.to(torch.int64), shape, name)


def output(out: Tensor | None, src: Tensor, dim: int, size: int | None = None) -> None:
    """``out`` is as ``src``, but for ``dim``, which has ``size`` if that is given."""
    if out is None:
        return
    expected: list[Any] = [*src.shape]
    expected[dim] = out.shape[dim] if size is None and out.dim() == src.dim() else size
    if [*out.shape] != expected or out.dtype != src.dtype:
        expected[dim] = "any" if size is None else size
        raise ValueError(
            f"out: expected {src.dtype} and shape ({', '.join(map(str, expected))}), "
            f"found {out.dtype} and {tuple(out.shape)}"
        )


def output_size(index: Tensor, size: int | None) -> int:
    """The size of the output, checked or, where it is not given, found."""
    if index.numel() == 0:
        return size or 0
    low, high = (int(v) for v in index.aminmax())
    if low < 0 or (size is not None and high >= size):
        limit = "0 <= index" if size is None else f"0 <= index < {size}, the size of the output"
        raise IndexError(f"index: expected {limit}, found {low if low < 0 else high}")
    return high + 1 if size is None else size


def nodes(index: Tensor, count: int, name: str) -> None:
    """Raises unless ``index`` holds nodes of a graph of ``count``."""
    index_type(index, name)
    outside = ((index < 0) | (index >= count)).nonzero()
    if len(outside):
        found = int(index[outside[0, 0]])
        raise IndexError(f"{name}: expected nodes from 0 to {count - 1}, found {found}")


def chosen(reduce: str, calls: dict[str, Callable]) -> Callable:
    if reduce not in calls:
        raise ValueError(f"reduce: expected one of {', '.join(calls)}, found {reduce!r}")
    return calls[reduce]
