"""Random walks and random neighbours, many at a time in plain torch."""

import math

import torch
from torch import Tensor

from . import _checks

_DRAWS = 8  # before the weights of all of a node's edges are looked at


def random_walk(
    row: Tensor,
    col: Tensor,
    start: Tensor,
    walk_length: int,
    p: float = 1,
    q: float = 1,
    coalesced: bool = True,
    num_nodes: int | None = None,
    return_edge_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Walks of node2vec (Grover & Leskovec 2016) along edges row -> col from each of ``start``.

    After a step from t to v, the next goes to a neighbour x of v with a weight of 1 / p for x = t,
    1 for a neighbour of t (an edge from x to t), and 1 / q for others; torch_cluster also takes the
    first two with a chance that only the third should have. Returns the nodes (S, walk_length + 1),
    and with ``return_edge_indices`` the edges (S, walk_length): their places among the edges
    sorted by row and col (or as given, sorted by row, where not ``coalesced``), -1 where a walk
    stays at a node without edges.
    """
    if not (0 < p < math.inf and 0 < q < math.inf):
        raise ValueError(f"p and q: expected finite numbers > 0, found {p} and {q}")
    if walk_length < 0:
        raise ValueError(f"walk_length: expected an integer >= 0, found {walk_length}")
    if num_nodes is None:
        everyone = torch.cat([row, col, start])
        num_nodes = int(everyone.max()) + 1 if everyone.numel() else 0
    for name, index in (("row", row), ("col", col), ("start", start)):
        _checks.nodes(index, num_nodes, name)
    if coalesced:
        order = torch.argsort(row * num_nodes + col, stable=True)
        row, col = row[order], col[order]
    elif bool((row[1:] < row[:-1]).any()):
        raise ValueError("row: expected sorted edges where not coalesced, found others")
    even = p == q == 1
    keys = row * num_nodes + col  # sorted, to look up whether there is an edge
    keys = keys if even or coalesced else keys.sort().values
    degree = torch.bincount(row, minlength=num_nodes)
    first = degree.cumsum(0) - degree

    def chances(x: Tensor, t: Tensor) -> Tensor:
        chance = torch.where(_among(keys, x * num_nodes + t), 1.0, 1 / q)
        return torch.where(x == t, 1 / p, chance)

    top = max(1 / p, 1.0, 1 / q)
    nodes, edges = [start.to(torch.int64)], []
    before = None
    for _ in range(walk_length):
        at = nodes[-1]
        step = torch.full_like(at, -1)
        left = (degree[at] > 0).nonzero()[:, 0]
        for _ in range(_DRAWS):  # what is refused is drawn again
            if not len(left):
                break
            here = at[left]
            edge = first[here] + (_uniform(here) * degree[here]).to(torch.int64)
            accepted = torch.ones_like(left, dtype=torch.bool)
            if before is not None and not even:
                chance = chances(col[edge], before[left])
                accepted = _uniform(here) * top < chance
            step[left[accepted]] = edge[accepted]
            left = left[~accepted]
        if len(left) and before is not None:  # and then among all edges, by their weights
            owner = torch.repeat_interleave(degree[at[left]])
            begin = degree[at[left]].cumsum(0) - degree[at[left]]
            edge = torch.arange(len(owner), device=at.device) + (first[at[left]] - begin)[owner]
            total = chances(col[edge], before[left][owner]).cumsum(0)
            floor = torch.where(begin > 0, total[begin - 1], 0.0)
            ends = total[begin + degree[at[left]] - 1]
            place = torch.searchsorted(total, floor + _uniform(left) * (ends - floor), right=True)
            step[left] = edge[place.clamp(begin, begin + degree[at[left]] - 1)]
        before = at
        edges.append(step)
        nodes.append(torch.where(step < 0, at, col[step]) if len(col) else at)
    walks = torch.stack(nodes, 1)
    if not return_edge_indices:
        return walks
    return walks, torch.stack(edges, 1) if edges else walks[:, :0]


def neighbor_sampler(start: Tensor, rowptr: Tensor, size: float) -> Tensor:
    """Random edges of each of the nodes ``start``, none twice: their places in the CSR graph.

    ``size`` is their number, or up to 1 their share of each node's edges, rounded up; a node with
    fewer gives all.
    """
    if not size > 0:
        raise ValueError(f"size: expected a number > 0, found {size}")
    first, count = rowptr[start], rowptr[start + 1] - rowptr[start]
    owner = torch.repeat_interleave(torch.arange(len(start), device=start.device), count)
    ahead = count.cumsum(0) - count
    place = torch.arange(len(owner), device=start.device) - ahead[owner]
    # A random order of all, then (stable) by owner: the first few of each are its sample.
    order = torch.randperm(len(owner), device=start.device)
    order = order[owner[order].argsort(stable=True)]
    want = (size * count.double()).ceil() if size <= 1 else torch.full_like(count, int(size))
    return (first[owner] + place)[order[place < want[owner]]]


def _uniform(like: Tensor) -> Tensor:
    return torch.rand(like.shape, dtype=torch.float64, device=like.device)


def _among(keys: Tensor, wanted: Tensor) -> Tensor:
    at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return keys[at] == wanted
