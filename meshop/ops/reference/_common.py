"""What the references share."""

import torch
from torch import Tensor


def require(condition: bool | Tensor, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


def check_rowptr(rowptr: Tensor, total: int, name: str) -> None:
    """Raises RuntimeError unless ``rowptr`` rises from 0 to ``total``."""
    require(rowptr.numel() >= 1, f"{name} must have at least one entry")
    require(rowptr[0] == 0 and rowptr[-1] == total, f"{name} must run from 0 to {total}")
    require((rowptr[1:] >= rowptr[:-1]).all(), f"{name} must not decrease")


def rows_of(rowptr: Tensor, total: int) -> Tensor:
    """The row of each CSR entry, (E,)."""
    rows = torch.arange(rowptr.numel() - 1, device=rowptr.device)
    return torch.repeat_interleave(rows, rowptr.diff(), output_size=total)


def wide(values: Tensor) -> Tensor:
    """``values`` in the type that sums of them are carried in."""
    return values if values.dtype == torch.float64 else values.float()


def per_row(counts: Tensor, like: Tensor) -> Tensor:
    """``counts`` (N,) shaped to divide ``like`` (N, ...)."""
    return counts.reshape(-1, *[1] * (like.dim() - 1))
