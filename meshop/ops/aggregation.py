"""Coarser node sets of a graph or a matrix: aggregates, and the fronts of a walk."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, index_values, rowptr_values, same_device, tensor


class Aggregates(NamedTuple):
    """Disjoint sets of nodes that lie close together."""

    cluster: Tensor  #: (N,) int64, the aggregate of each node; -1 where it has no strong edge
    root: Tensor  #: (K,) int64, the node that each began with


def aggregate(
    index: Tensor, rowptr: Tensor, value: Tensor | None = None, theta: float = 0.0
) -> Aggregates:
    """Greedy aggregates of a symmetric graph, or of a matrix's strong entries.

    index (E,), rowptr (N + 1,): the neighbours of each node; loops do not count. With value (E,),
    float32 or float64, an entry is strong where |a_ij| >= theta sqrt(|a_ii a_jj|) and it is not 0.
    In the order of the nodes: one whose neighbours are all free takes them; then those between
    join an aggregate beside them, in the order of their edges; what is left gathers what is left
    around it. Aggregates do not reach from one component into another, so graphs end to end are
    aggregated as each alone. O(N + E).

    Source: Vanek, Mandel and Brezina, Computing 56 (1996), algorithm 5.1. Raises ValueError or
    IndexError for pointers or columns that do not fit.
    """
    tensor(index, "index")
    index = index_tensor(index, "index", index.device)
    rowptr = index_tensor(rowptr, "rowptr", index.device)
    if value is not None:
        same_device(value, "value", index.device)
        if value.shape != index.shape or value.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"value: expected {index.shape[0]} entries of float32 or float64, found "
                f"{value.dtype} of shape {tuple(value.shape)}"
            )
        value = value.detach()
    return explained(
        lambda: Aggregates(*torch.ops.meshop.aggregate(rowptr, index, value, float(theta))),
        lambda: _explain(rowptr, index),
    )


def front_depth(index: Tensor, rowptr: Tensor, seeds: Tensor) -> Tensor:
    """(N,) int64 how many edges each node is from the nearest seed, -1 where no path leads.

    index (E,), rowptr (N + 1,) the neighbours of each node; seeds (S,) nodes. A breadth-first walk,
    O(N + E). Raises ValueError or IndexError for pointers, columns or seeds that do not fit.
    """
    tensor(index, "index")
    index = index_tensor(index, "index", index.device)
    rowptr = index_tensor(rowptr, "rowptr", index.device)
    seeds = index_tensor(seeds, "seeds", index.device)

    def explain() -> None:
        _explain(rowptr, index)
        index_values(seeds, rowptr.shape[0] - 1, "seeds", "nodes")

    return explained(lambda: torch.ops.meshop.front_depth(rowptr, index, seeds), explain)


def _explain(rowptr: Tensor, index: Tensor) -> None:
    rowptr_values(rowptr, index.shape[0], "rowptr", "entries of index")
    index_values(index, rowptr.shape[0] - 1, "index", "nodes")


@torch.library.register_fake("meshop::aggregate")
def _(rowptr, index, value, theta):
    roots = torch.library.get_ctx().new_dynamic_size(min=0)
    return rowptr.new_empty(rowptr.shape[0] - 1), rowptr.new_empty(roots)


@torch.library.register_fake("meshop::front_depth")
def _(rowptr, index, seeds):
    return rowptr.new_empty(rowptr.shape[0] - 1)
