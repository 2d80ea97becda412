"""Random walks and random neighbours, many at a time in plain torch."""

import torch
from torch import Tensor


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
    if not (p > 0 and q > 0):
        raise ValueError(f"p and q: expected numbers > 0, found {p} and {q}")
    if num_nodes is None:
        num_nodes = int(torch.cat([row, col, start]).max()) + 1 if start.numel() else 0
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

    top = max(1 / p, 1.0, 1 / q)
    nodes, edges = [start.to(torch.int64)], []
    before = None
    for _ in range(walk_length):
        at = nodes[-1]
        step = torch.full_like(at, -1)
        left = (degree[at] > 0).nonzero()[:, 0]
        while len(left):  # what is refused is drawn again
            here = at[left]
            edge = first[here] + (_uniform(here) * degree[here]).to(torch.int64)
            accepted = torch.ones_like(left, dtype=torch.bool)
            if before is not None and not even:
                x, t = col[edge], before[left]
                chance = torch.where(_among(keys, x * num_nodes + t), 1.0, 1 / q)
                chance = torch.where(x == t, 1 / p, chance)
                accepted = _uniform(here) * top < chance
            step[left[accepted]] = edge[accepted]
            left = left[~accepted]
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
