"""The emulated GPU as the tests use it."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ._build import NAMESPACE


class Device:
    """The emulated GPU: moves tensors to its memory and back, and calls ops on it."""

    def __init__(self, library: Path, namespace: str = NAMESPACE) -> None:
        self._namespace = namespace
        torch.ops.load_library(library)
        self._library = ctypes.CDLL(str(library))
        self._library.emulation_set.argtypes = [ctypes.c_uint64, ctypes.c_int]
        self._library.emulation_allocate.argtypes = [ctypes.c_bool]

    def configure(self, shuffle: int = 0, garbage: int = 0xFB) -> None:
        """``shuffle``: 0 runs threads and blocks in index order, else the seed of another order.
        ``garbage``: the byte that fresh memory is full of."""
        self._library.emulation_set(shuffle, garbage)

    def has(self, name: str) -> bool:
        space = getattr(torch.ops, self._namespace)
        if not hasattr(space, name):
            return False
        return torch._C._dispatch_has_kernel_for_dispatch_key(f"{self._namespace}::{name}", "CPU")

    def op(self, name: str) -> Callable[..., Any]:
        """The kernel of this name, from CPU tensors to CPU tensors."""
        call = getattr(getattr(torch.ops, self._namespace), name).default

        def run(*args: Any) -> Any:
            out = call(*[self.put(a) if isinstance(a, Tensor) else a for a in args])
            if isinstance(out, Tensor):
                return out.clone()
            return tuple(part.clone() for part in out)

        return run

    def put(self, value: Tensor) -> Tensor:
        """A copy on the device with the same strides. Nothing lies beyond its last byte."""
        source = value.detach()
        extent = 0
        if source.numel():
            steps = zip(source.shape, source.stride(), strict=True)
            extent = 1 + sum((n - 1) * step for n, step in steps)
        flat = source.as_strided((extent,), (1,))
        self._library.emulation_allocate(True)
        try:
            held = torch.empty(extent, dtype=source.dtype)
        finally:
            self._library.emulation_allocate(False)
        return held.copy_(flat).as_strided(source.shape, source.stride())
