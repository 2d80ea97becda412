"""Which device an operator runs on."""

from __future__ import annotations

import torch

from ..errors import ConditionError


def find_device(device: str) -> str:
    """ "auto" becomes "cuda" where there is one, else "cpu". Raises ConditionError."""
    if device == "cpu":
        return device
    if device.partition(":")[0] not in ("auto", "cuda"):
        raise ConditionError(f"device {device!r}", "known are auto, cpu and cuda", "--device cpu")
    if torch.cuda.is_available():
        return "cuda" if device == "auto" else device
    if device == "auto":
        return "cpu"
    raise ConditionError(
        f"device {device!r}", "this torch sees no CUDA device (`meshop doctor`)", "--device cpu"
    )
