"""The words of the errors that ops raise: what, found against expected."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

_FLOATING = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def tensor(value: Any, name: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch tensor, found {type(value).__name__}")


def floating_rows(values: Any, name: str, shape: str) -> None:
    """Raises unless ``values`` has rows, of a type that kernels take."""
    tensor(values, name)
    if values.dim() < 1:
        raise ValueError(f"{name}: expected shape {shape}, found a scalar")
    if values.dtype not in _FLOATING:
        raise ValueError(
            f"{name}: expected float32, float64, float16 or bfloat16, found {values.dtype}"
        )


def whole_number(value: Any, name: str, least: int) -> Any:
    """``value`` as an int (or a symbolic one) from ``least`` to 2^63."""
    if isinstance(value, torch.SymInt):
        return value
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number < 2**63:
        raise ValueError(f"{name}: expected an integer >= {least}, found {value!r}")
    return number


def index_tensor(value: Any, name: str, device: torch.device) -> Tensor:
    """``value`` as a 1-D int64 tensor; int32 is welcome."""
    if not isinstance(value, Tensor) or value.dtype not in (torch.int32, torch.int64):
        found = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name}: expected an int32 or int64 tensor, found {found}")
    if value.dim() != 1:
        raise ValueError(f"{name}: expected 1 dimension, found shape {tuple(value.shape)}")
    same_device(value, name, device)
    return value.to(torch.int64)


def same_device(value: Tensor, name: str, device: torch.device) -> None:
    if value.device != device:
        raise ValueError(f"{name}: expected device {device}, found {value.device}")


def rowptr_values(rowptr: Tensor, total: int, name: str, of: str) -> None:
    """Says what is wrong with the values of a CSR pointer, if anything."""
    if rowptr.numel() == 0:
        raise ValueError(f"{name}: expected at least one entry (0), found none")
    first, last = int(rowptr[0]), int(rowptr[-1])
    if first != 0:
        raise ValueError(f"{name}[0]: expected 0, found {first}")
    if last != total:
        raise IndexError(f"{name}[-1]: expected {total}, the number of {of}, found {last}")
    falls = (rowptr[1:] < rowptr[:-1]).nonzero()
    if len(falls):
        i = int(falls[0])
        raise ValueError(
            f"{name}: expected values that never decrease, found {int(rowptr[i])} "
            f"before {int(rowptr[i + 1])} at entry {i}"
        )


def index_values(index: Tensor, limit: int, name: str, of: str) -> None:
    """Says which index is outside [0, limit), if any."""
    outside = ((index < 0) | (index >= limit)).nonzero()
    if len(outside):
        e = int(outside[0])
        raise IndexError(
            f"{name}[{e}]: expected 0 <= index < {limit}, the number of {of}, found {int(index[e])}"
        )


def explained(call: Callable[[], Any], explain: Callable[[], None], *inputs: Tensor | None) -> Any:
    """Runs ``call``; where it fails, ``explain`` looks at the values and raises in plain words.

    Kernels check every value themselves; looking again only after a failure costs nothing before.
    ``inputs`` are what is differentiable: torch would drop their tangents without a word.
    """
    if torch.compiler.is_compiling():
        return call()
    if any(t is not None and forward_ad.unpack_dual(t).tangent is not None for t in inputs):
        raise NotImplementedError(
            "meshop.ops have no forward-mode derivative; use torch.autograd.grad, or "
            "torch.autograd.functional.jvp, which goes backward twice"
        )
    try:
        return call()
    except RuntimeError as error:
        try:
            explain()
        except (ValueError, IndexError) as clear:
            raise clear from None
        raise error
