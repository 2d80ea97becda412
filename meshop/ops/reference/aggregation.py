"""Aggregates and fronts of a graph, node by node and front by front."""

import torch
from torch import Tensor

from ._common import check_rowptr, require, rows_of


def aggregate(
    rowptr: Tensor, index: Tensor, value: Tensor | None, theta: float
) -> tuple[Tensor, Tensor]:
    nodes = _check(rowptr, index)
    row = rows_of(rowptr, len(index))
    strong = index != row
    if value is not None:
        require(value.shape == index.shape, "value must have one entry per entry of index")
        require(value.dtype in (torch.float32, torch.float64), "value must be float32 or float64")
        a, loop = value.double(), index == row
        diagonal = a.new_zeros(nodes).index_add(0, row[loop], a[loop])
        least = theta * theta * (diagonal[row] * diagonal[index]).abs()
        strong &= (a != 0) & (a * a >= least)
    columns = index[strong].tolist()
    ends = torch.bincount(row[strong], minlength=nodes).cumsum(0).tolist()
    near = [columns[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    alone = [not n for n in near]
    cluster = [-1] * nodes
    root: list[int] = []
    for i in range(nodes):  # a node whose neighbours are all free takes them
        if cluster[i] < 0 and not alone[i] and all(cluster[j] < 0 for j in near[i]):
            for j in (i, *near[i]):
                cluster[j] = len(root)
            root.append(i)
    joins = {  # those between join an aggregate beside them
        i: next((cluster[j] for j in near[i] if cluster[j] >= 0), -1)
        for i in range(nodes)
        if cluster[i] < 0
    }
    for i, to in joins.items():
        cluster[i] = to
    for i in range(nodes):  # what is left gathers what is left around it
        if cluster[i] < 0 and not alone[i]:
            for j in (i, *near[i]):
                if cluster[j] < 0:
                    cluster[j] = len(root)
            root.append(i)
    return rowptr.new_tensor(cluster), rowptr.new_tensor(root)


def front_depth(rowptr: Tensor, index: Tensor, seeds: Tensor) -> Tensor:
    nodes = _check(rowptr, index)
    require(seeds.dim() == 1 and seeds.dtype == torch.int64, "seeds must be 1-D int64")
    require(((seeds >= 0) & (seeds < nodes)).all(), f"seeds must lie in [0, {nodes})")
    row = rows_of(rowptr, len(index))
    depth = rowptr.new_full((nodes,), -1)
    depth[seeds] = 0
    front = 0
    while bool((depth == front).any()):
        ahead = index[depth[row] == front]
        depth[ahead[depth[ahead] < 0]] = front + 1
        front += 1
    return depth


def _check(rowptr: Tensor, index: Tensor) -> int:
    check_rowptr(rowptr, len(index), "rowptr")
    nodes = rowptr.numel() - 1
    require(((index >= 0) & (index < nodes)).all(), f"index must lie in [0, {nodes})")
    return nodes
