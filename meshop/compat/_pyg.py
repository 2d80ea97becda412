"""The operators of pyg-lib that torch_geometric 2.8 and later ask for in place of torch_cluster.

They are registered under the names that torch_geometric calls, ``torch.ops.pyg.*``, where pyg-lib
has not done so.
"""

import torch
import torch_geometric.typing as pyg
from torch import Tensor

from . import torch_cluster as cluster
from ._matching import match

# operator: the flag that torch_geometric looks at, and the signature
_SIGNATURES = {
    "knn": ("WITH_KNN", "(Tensor x, Tensor y, Tensor? ptr_x=None, Tensor? ptr_y=None, int k=1, "
            "bool cosine=False, int num_workers=1) -> Tensor"),
    "radius": ("WITH_RADIUS", "(Tensor x, Tensor y, Tensor? ptr_x=None, Tensor? ptr_y=None, "
               "float r=1.0, int max_num_neighbors=32, int num_workers=1, "
               "bool ignore_same_index=False) -> Tensor"),
    "fps": ("WITH_FPS", "(Tensor src, Tensor ptr, float ratio=0.5, bool random_start=True) "
            "-> Tensor"),
    "nearest": ("WITH_NEAREST", "(Tensor x, Tensor y, Tensor? ptr_x=None, Tensor? ptr_y=None) "
                "-> Tensor"),
    "grid_cluster": ("WITH_GRID_CLUSTER", "(Tensor pos, Tensor size, Tensor? start=None, "
                     "Tensor? end=None) -> Tensor"),
    "graclus_cluster": ("WITH_GRACLUS", "(Tensor rowptr, Tensor col, Tensor? weight=None) "
                        "-> Tensor"),
}  # fmt: skip


def knn(x, y, ptr_x=None, ptr_y=None, k=1, cosine=False, num_workers=1) -> Tensor:
    return cluster.knn_by_ptr(x, y, k, ptr_x, ptr_y, cosine)


def radius(
    x,
    y,
    ptr_x=None,
    ptr_y=None,
    r=1.0,
    max_num_neighbors=32,
    num_workers=1,
    ignore_same_index=False,
) -> Tensor:
    if ignore_same_index and not torch.equal(x, y):
        raise ValueError("radius: ignore_same_index expects x and y to be the same points")
    if ignore_same_index:
        return cluster.radius_by_ptr(x, None, r, ptr_x, None, max_num_neighbors)
    return cluster.radius_by_ptr(x, y, r, ptr_x, ptr_y, max_num_neighbors)


def fps(src, ptr, ratio=0.5, random_start=True) -> Tensor:
    return cluster.fps(src, ratio=ratio, random_start=random_start, ptr=ptr)


def nearest(x, y, ptr_x=None, ptr_y=None) -> Tensor:
    return cluster.nearest_by_ptr(x, y, ptr_x, ptr_y)


def grid_cluster(pos, size, start=None, end=None) -> Tensor:
    return cluster.grid_cluster(pos, size, start, end)


def graclus_cluster(rowptr, col, weight=None) -> Tensor:
    return match(rowptr, col, weight)


_library: torch.library.Library | None = None
_flags: list[str] = []


def connect() -> None:
    """Registers what is missing and tells torch_geometric."""
    global _library
    _library = torch.library.Library("pyg", "FRAGMENT")
    for name, (flag, signature) in _SIGNATURES.items():
        if getattr(pyg, flag, True):  # pyg-lib has it; or this torch_geometric does not ask for it
            continue
        _library.define(name + signature)
        _library.impl(name, globals()[name], "CompositeExplicitAutograd")
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
