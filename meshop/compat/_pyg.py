"""The operators of pyg-lib that torch_geometric 2.8 and later ask for in place of torch_cluster.

They are registered under the names that torch_geometric calls, ``torch.ops.pyg.*``, where pyg-lib
has not done so.
"""

from collections.abc import Callable

import torch
import torch_geometric.typing as pyg

from . import torch_cluster as cluster
from ._matching import match

# operator: the flag that torch_geometric looks at, the signature, and what does it
_OPERATORS: dict[str, tuple[str, str, Callable]] = {
    "knn": (
        "WITH_KNN",
        "(Tensor x, Tensor y, Tensor? ptr_x=None, Tensor? ptr_y=None, int k=1, bool cosine=False, "
        "int num_workers=1) -> Tensor",
        cluster.knn_by_ptr,
    ),
    "radius": (
        "WITH_RADIUS",
        "(Tensor x, Tensor y, Tensor? ptr_x=None, Tensor? ptr_y=None, float r=1.0, "
        "int max_num_neighbors=32, int num_workers=1, bool ignore_same_index=False) -> Tensor",
        cluster.radius_by_ptr,
    ),
    "fps": (
        "WITH_FPS",
        "(Tensor src, Tensor ptr, float ratio=0.5, bool random_start=True) -> Tensor",
        lambda src, ptr, ratio=0.5, start=True: cluster.fps(src, None, ratio, start, ptr=ptr),
    ),
    "nearest": (
        "WITH_NEAREST",
        "(Tensor x, Tensor y, Tensor? ptr_x=None, Tensor? ptr_y=None) -> Tensor",
        cluster.nearest_by_ptr,
    ),
    "grid_cluster": (
        "WITH_GRID_CLUSTER",
        "(Tensor pos, Tensor size, Tensor? start=None, Tensor? end=None) -> Tensor",
        cluster.grid_cluster,
    ),
    "graclus_cluster": (
        "WITH_GRACLUS",
        "(Tensor rowptr, Tensor col, Tensor? weight=None) -> Tensor",
        match,
    ),
}

_library: torch.library.Library | None = None
_flags: list[str] = []


def connect() -> None:
    """Registers what is missing and tells torch_geometric."""
    global _library
    _library = torch.library.Library("pyg", "FRAGMENT")
    for name, (flag, signature, call) in _OPERATORS.items():
        if getattr(pyg, flag, True):  # pyg-lib has it; or this torch_geometric does not ask for it
            continue
        _library.define(name + signature)
        _library.impl(name, call, "CompositeExplicitAutograd")
        setattr(pyg, flag, True)
        _flags.append(flag)


def disconnect() -> None:
    global _library
    for flag in _flags:
        setattr(pyg, flag, False)
    _flags.clear()
    if _library is not None:
        _library._destroy()
    _library = None
