"""Loads the compiled kernels, or puts the plain-torch reference in their place.

Either way ``torch.ops.meshop.*`` exists with the same schemas, so fakes, autograd and
``torch.compile`` do not know the difference.
"""

import os
import warnings
from pathlib import Path

import torch

from . import reference
from ._schemas import SCHEMAS


class MeshopWarning(UserWarning):
    """Something works, but not as well as it could."""


def _load(path: Path) -> str:
    """Loads one library; returns why it could not be, or nothing."""
    if not path.exists():
        return "is not built"
    try:
        torch.ops.load_library(path)
    except (OSError, RuntimeError) as error:
        return f"does not load ({str(error).splitlines()[0]})"
    return ""


def _connect() -> bool:
    choice = os.environ.get("MESHOP_LIBRARY", "")  # 0: the reference; else the library's path
    home = Path(choice) if choice not in ("", "0") else Path(__file__).with_name("_C.so")
    fault = "is switched off" if choice == "0" else _load(home)
    registry = torch.library.Library("meshop", "FRAGMENT")
    for name, schema in SCHEMAS.items():
        if fault:
            registry.define(name + schema)
        # For every device that has no kernel of its own.
        registry.impl(name, getattr(reference, name), "CompositeExplicitAutograd")
    _connect.keep = registry  # type: ignore[attr-defined]  # unregisters when collected
    if fault and choice != "0":
        warnings.warn(
            f"the compiled library {home.name} {fault}: meshop runs its slower plain-torch "
            "reference. To build it, install a C++17 compiler (on Debian: apt install g++) and "
            "repeat the installation",
            MeshopWarning,
            stacklevel=2,
        )
    # A CUDA library serves every torch of its CUDA major; several may lie side by side.
    gpu = home.with_name(f"_CUDA{(torch.version.cuda or '0').split('.')[0]}.so")
    if not fault and gpu.exists():
        gpu_fault = _load(gpu)
        if gpu_fault:
            warnings.warn(
                f"{gpu.name} {gpu_fault}: the GPU runs plain torch", MeshopWarning, stacklevel=2
            )
    return not fault


#: Whether the compiled CPU kernels are in use.
compiled = _connect()
