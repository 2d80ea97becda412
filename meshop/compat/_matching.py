"""Pairs of neighbours, greedily: the clustering of Graclus (Dhillon, Guan & Kulis 2007)."""

import torch
from torch import Tensor

from . import _checks
from ._rows import Groups


def graclus_cluster(
    row: Tensor, col: Tensor, weight: Tensor | None = None, num_nodes: int | None = None
) -> Tensor:
    """Pairs nodes with a neighbour: of edges row -> col, the cluster (num_nodes,) of each node.

    Nodes are visited in random order (torch's generator). One that is still alone takes, of its
    neighbours that are too, the one of greatest ``weight``, which must be at least 0, or any one
    without weights. The number of a cluster is that of its lower node. Loops over nodes and edges
    in Python: about a second for a million edges.
    """
    if num_nodes is None:
        num_nodes = int(torch.cat([row, col]).max()) + 1 if row.numel() else 0
    _checks.nodes(row, num_nodes, "row")
    _checks.nodes(col, num_nodes, "col")
    kept = row != col
    row = row[kept].to(torch.int64)
    groups = Groups(num_nodes, len(row), row)
    weight = None if weight is None else groups.sorted(weight[kept].detach())
    return match(groups.rowptr, groups.sorted(col[kept]), weight)


def match(rowptr: Tensor, col: Tensor, weight: Tensor | None = None) -> Tensor:
    """`graclus_cluster` of a CSR graph."""
    nodes = rowptr.numel() - 1
    if weight is None:  # any neighbour: the one of the greatest random number
        weight = torch.rand(col.shape[0])
    visits = torch.randperm(nodes).tolist()
    ends, to, worth = rowptr.tolist(), col.tolist(), weight.detach().tolist()
    cluster = [-1] * nodes
    for u in visits:
        if cluster[u] >= 0:
            continue
        mate, best = u, 0
        for e in range(ends[u], ends[u + 1]):
            if worth[e] >= best and cluster[to[e]] < 0:
                mate, best = to[e], worth[e]
        cluster[u] = cluster[mate] = min(u, mate)
    return torch.tensor(cluster, dtype=torch.int64, device=rowptr.device)
