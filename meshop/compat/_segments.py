"""The segment and gather functions of torch_scatter; `torch_scatter` says how they differ.

Sorted indices (COO) are a scatter that sees for itself that nothing is left to sort.
"""

import torch
from torch import Tensor

from ..ops import rows_of, segment_reduce
from ._layout import Scatter, named, output_size
from ._rows import extreme_integers, group, per_row, reduce_integers, spread_rows
from ._scatter import scatter_max, scatter_mean, scatter_min, scatter_sum


def segment_sum_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """`scatter_sum` along the last dimension of ``index``."""
    return scatter_sum(src, *_coo(src, index), out, dim_size)


def segment_add_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """`segment_sum_coo`."""
    return segment_sum_coo(src, index, out, dim_size)


def segment_mean_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """`scatter_mean` along the last dimension of ``index``; integers are rounded towards 0."""
    if src.is_floating_point():
        return scatter_mean(src, *_coo(src, index), out, dim_size)
    work = Scatter(src, *_coo(src, index), out, dim_size)
    found = work.reduce("sum")
    found = (found if out is None else out.add_(found)).div_(work.count(), rounding_mode="trunc")
    return found


def segment_min_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """`scatter_min` along the last dimension of ``index``."""
    return scatter_min(src, *_coo(src, index), out, dim_size)


def segment_max_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """`scatter_max` along the last dimension of ``index``."""
    return scatter_max(src, *_coo(src, index), out, dim_size)


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
    if reduce in ("min", "max"):
        return (segment_min_coo if reduce == "min" else segment_max_coo)(src, index, out, dim_size)[
            0
        ]
    calls = {"sum": segment_sum_coo, "add": segment_sum_coo, "mean": segment_mean_coo}
    return named(reduce, calls)(src, index, out, dim_size)


def _coo(src: Tensor, index: Tensor) -> tuple[Tensor, int]:
    """The index, with its leading dimensions as those of src, and its last dimension."""
    if not 1 <= index.dim() <= src.dim():
        raise ValueError(f"index: expected 1 to {src.dim()} dimensions, found {index.dim()}")
    return index, index.dim() - 1


def gather_coo(src: Tensor, index: Tensor, out: Tensor | None = None) -> Tensor:
    """``src`` at ``index`` along the last dimension of ``index``: the transpose of the sum."""
    if not 1 <= index.dim() <= src.dim():
        raise ValueError(f"index: expected 1 to {src.dim()} dimensions, found {index.dim()}")
    dim = index.dim() - 1
    lead, trail = src.shape[:dim], src.shape[dim + 1 :]
    index = index.to(torch.int64).expand(*lead, index.shape[-1])
    output_size(index, src.shape[dim])
    blocks, size = lead.numel(), src.shape[dim]
    start = torch.arange(blocks, device=index.device)[:, None] * size
    flat = (index.reshape(blocks, index.shape[-1]) + start).reshape(-1)
    rows = spread_rows(src.reshape(blocks * size, *trail), group(flat, blocks * size))
    found = rows.reshape(*lead, index.shape[-1], *trail)
    return found if out is None else out.copy_(found)


def segment_sum_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """The sums of ``src[..., indptr[..., i]:indptr[..., i + 1]]``; 0 for an empty one."""
    return _segment_csr(src, indptr, out, "sum")[0]


def segment_add_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """`segment_sum_csr`."""
    return segment_sum_csr(src, indptr, out)


def segment_mean_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """The means; integers are rounded towards 0."""
    return _segment_csr(src, indptr, out, "mean")[0]


def segment_min_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The minima and where they are first found; 0 and the length of src for an empty segment."""
    return _segment_csr(src, indptr, out, "min")


def segment_max_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The maxima, otherwise as `segment_min_csr`."""
    return _segment_csr(src, indptr, out, "max")


def segment_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None, reduce: str = "sum"
) -> Tensor:
    """Reduces between pointers, along the last dimension of ``indptr``: sum (add), mean, min, max.

    Leading dimensions of ``indptr`` broadcast to those of ``src``. ``out`` is overwritten.
    """
    if reduce == "add":
        reduce = "sum"
    named(reduce, dict.fromkeys(("sum", "mean", "min", "max"), len))
    return _segment_csr(src, indptr, out, reduce)[0]


def _segment_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None, how: str
) -> tuple[Tensor, Tensor]:
    indptr, lead = _pointers(src, indptr)
    dim, count = indptr.dim() - 1, indptr.shape[-1] - 1
    length, trail = src.shape[dim], src.shape[dim + 1 :]
    if indptr.numel() and int(indptr.max()) > length:
        raise IndexError(f"indptr: expected pointers up to {length}, found {int(indptr.max())}")
    if not lead and count and int(indptr[0]) == 0 and int(indptr[-1]) == length:
        found, arg = _between(src, indptr, how)
        return (found if out is None else out.copy_(found)), arg
    # Segments one after the other, and one more in front of each block for what lies between.
    blocks = lead.numel()
    start = torch.arange(blocks, device=indptr.device)[:, None] * length
    ends = (indptr.reshape(blocks, count + 1) + start).reshape(-1)
    rowptr = torch.cat([ends.new_zeros(1), ends, ends.new_full((1,), blocks * length)])
    rows, arg = _between(src.reshape(blocks * length, *trail), rowptr, how)

    def shaped(rows: Tensor) -> Tensor:
        return rows[1:].reshape(*lead, count + 1, *trail).narrow(dim, 0, count)

    found = shaped(rows)
    if arg.numel():
        arg = shaped(torch.where(arg == blocks * length, length, arg % max(length, 1)))
    return (found if out is None else out.copy_(found)), arg


def _between(values: Tensor, rowptr: Tensor, how: str) -> tuple[Tensor, Tensor]:
    """The reduction of each segment of rows and, of min and max, the place of each."""
    if not values.is_floating_point():
        return _integers(values, rowptr, how)
    if how in ("min", "max"):
        return torch.ops.meshop.segment_reduce(values, rowptr, how)
    return segment_reduce(values, rowptr, how), rowptr.new_empty(0)


def _integers(values: Tensor, rowptr: Tensor, how: str) -> tuple[Tensor, Tensor]:
    index, size = rows_of(rowptr, len(values)), len(rowptr) - 1
    if how in ("min", "max"):
        return extreme_integers(values, index, size, how)
    rows = reduce_integers(values, index, size)
    if how == "mean":
        count = per_row(rowptr.diff().clamp(min=1), rows).to(rows.dtype)
        rows = rows.div(count, rounding_mode="trunc")
    return rows, index.new_empty(0)


def _pointers(src: Tensor, indptr: Tensor) -> tuple[Tensor, torch.Size]:
    """``indptr`` with the leading dimensions of ``src``, and these."""
    if not isinstance(indptr, Tensor) or indptr.dtype not in (torch.int32, torch.int64):
        found = indptr.dtype if isinstance(indptr, Tensor) else type(indptr).__name__
        raise ValueError(f"indptr: expected an int32 or int64 tensor, found {found}")
    if not 1 <= indptr.dim() <= src.dim() or indptr.shape[-1] == 0:
        raise ValueError(
            f"indptr: expected 1 to {src.dim()} dimensions and one pointer at least, "
            f"found shape {tuple(indptr.shape)}"
        )
    lead = src.shape[: indptr.dim() - 1]
    try:
        indptr = indptr.to(torch.int64).expand(*lead, indptr.shape[-1])
    except RuntimeError:
        raise ValueError(
            f"indptr: expected leading dimensions {tuple(lead)}, those of src, "
            f"found {tuple(indptr.shape[:-1])}"
        ) from None
    if bool((indptr.diff() < 0).any()) or bool((indptr[..., 0] < 0).any()):
        raise ValueError("indptr: expected values from 0 on that never decrease")
    return indptr, lead


def gather_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Each ``src[..., i]`` for every place from ``indptr[..., i]`` to ``indptr[..., i + 1]``."""
    indptr, lead = _pointers(src, indptr)
    dim, count = indptr.dim() - 1, indptr.shape[-1] - 1
    if src.shape[dim] != count:
        raise ValueError(f"indptr: expected {src.shape[dim] + 1} pointers, found {count + 1}")
    if out is not None:
        length = out.shape[dim]
    else:
        length = int(indptr.flatten()[-1]) if src.numel() else 0
    if src.numel() and not bool(((indptr[..., 0] == 0) & (indptr[..., -1] == length)).all()):
        raise ValueError(f"indptr: expected pointers from 0 to {length}, the length of the output")
    place = torch.arange(length, device=src.device).expand(*lead, length)
    index = torch.searchsorted(indptr[..., 1:].contiguous(), place.contiguous(), right=True)
    return gather_coo(src, index, out)
