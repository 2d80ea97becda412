"""Which nodes a coarser level has, and how values come back from it: the methods of `levels`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops import Csr, aggregate, csr_transpose, farthest_points, front_depth, knn, rows_of

THETA = 0.08  # edges weaker than this share of their ends' do not aggregate; halved each level
OMEGA = 2 / 3  # of a Jacobi step, whose matrix has no eigenvalue beyond 2 on any graph


@dataclass(frozen=True)
class Nodes:
    """A node set with its edges: what a level is made from, and what it is."""

    pos: Tensor  #: (N, D) float64
    weight: Tensor  #: (N,) float64
    fixed: Tensor  #: (N,) bool: values prescribed
    ptr: Tensor  #: (B + 1,) where each graph begins
    rowptr: Tensor  #: (N + 1,)
    index: Tensor  #: (E,) neighbours of each node, both ways, rising, no loops
    strength: Tensor  #: (E,) float64 of the edges, positive and symmetric

    @property
    def count(self) -> int:
        return len(self.weight)

    def batch(self) -> Tensor:
        """(N,) the graph of each node."""
        return rows_of(self.ptr, self.count)


@dataclass(frozen=True)
class Coarse:
    """What a method says of the next level; weights follow from `up`."""

    up: Csr
    pos: Tensor | None  #: None: where the mean of what it stands for lies
    fixed: Tensor
    batch: Tensor
    rowptr: Tensor
    index: Tensor
    strength: Tensor | None  #: None: from the new positions


def near_strength(pos: Tensor, rowptr: Tensor, index: Tensor) -> Tensor:
    """(E,) 1 / |step|^2; all alike where nodes have no place."""
    if not pos.shape[1]:
        return pos.new_ones(len(index))
    far = (pos[index] - pos[rows_of(rowptr, len(index))]).square().sum(1)
    return 1 / far.clamp(min=1e-100)  # twins at one place are near, and squares do not overflow


def symmetric_edges(rowptr: Tensor, index: Tensor, strength: Tensor | None) -> tuple:
    """The graph both ways, columns rising, no loops, each edge once; strengths as means."""
    nodes = rowptr.numel() - 1
    row = rows_of(rowptr, len(index))
    back = csr_transpose(index, rowptr, nodes)
    rises = not bool(((index.diff() <= 0) & (row.diff() == 0)).any())
    both_ways = torch.equal(back.rowptr, rowptr) and torch.equal(back.row, index)
    if rises and both_ways and not bool((row == index).any()):  # as those of a mesh are
        return rowptr, index, None if strength is None else 0.5 * (strength + strength[back.order])
    low, high = row[row != index], index[row != index]
    both = torch.cat([low * nodes + high, high * nodes + low])
    key, group, count = both.unique(return_inverse=True, return_counts=True)
    if strength is not None:
        off = strength[row != index]
        strength = off.new_zeros(len(key)).index_add_(0, group, torch.cat([off, off])) / count
    ends = torch.bincount(key // max(nodes, 1), minlength=nodes).cumsum(0)
    return torch.cat([ends.new_zeros(1), ends]), key % max(nodes, 1), strength


def laplacian(nodes: Nodes, strength: Tensor) -> Csr:
    """The graph Laplacian of the edges, the diagonal at the end of each row."""
    row = rows_of(nodes.rowptr, len(nodes.index))
    degree = strength.new_zeros(nodes.count).index_add_(0, row, strength)
    at = torch.arange(nodes.count, device=row.device)
    rowptr = nodes.rowptr + torch.arange(nodes.count + 1, device=row.device)
    index, value = row.new_empty(len(row) + nodes.count), strength.new_empty(len(row) + nodes.count)
    last = rowptr[1:] - 1
    index[last], value[last] = at, degree
    rest = torch.arange(len(row), device=row.device) + row
    index[rest], value[rest] = nodes.index, -strength
    return Csr(rowptr, index, value, nodes.count)


def edges_of(matrix: Csr) -> tuple[Tensor, Tensor, Tensor]:
    """rowptr, index and value of the entries off the diagonal that are not zero."""
    row = matrix.row
    off = (row != matrix.index) & (matrix.value != 0)
    ends = torch.bincount(row[off], minlength=matrix.rows).cumsum(0)
    return torch.cat([ends.new_zeros(1), ends]), matrix.index[off], matrix.value[off]


def touching(nodes: Nodes, cluster: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """rowptr, index and value, as of `edges_of`, of the graph of `count` clusters (N,)."""
    start = torch.arange(nodes.count + 1, device=cluster.device)
    flat = Csr(start, cluster, nodes.weight.new_ones(nodes.count), count)
    return edges_of(flat.t @ (laplacian(nodes, nodes.strength) @ flat))


def by_aggregation(nodes: Nodes, smoothed: bool, depth: int) -> Coarse:
    """Vanek, Mandel and Brezina 1996: greedy aggregates, constant or smoothed by a Jacobi step.

    Free and fixed nodes never share an aggregate, so that the mask is exact on every level.
    """
    row = rows_of(nodes.rowptr, len(nodes.index))
    matrix = laplacian(nodes, nodes.strength)
    kin = matrix
    if bool(nodes.fixed.any()):
        kin = laplacian(nodes, nodes.strength * (nodes.fixed[row] == nodes.fixed[nodes.index]))
    cluster, root = aggregate(kin.index, kin.rowptr, kin.value, THETA * 0.5**depth)
    alone = (cluster < 0).nonzero()[:, 0]
    cluster[alone] = len(root) + torch.arange(len(alone), device=root.device)
    root, order = torch.cat([root, alone]).sort()  # numbered as their nodes are, graph by graph
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    cluster = place[cluster]
    start = torch.arange(nodes.count + 1, device=row.device)
    flat = Csr(start, cluster, nodes.weight.new_ones(nodes.count), len(root))
    along = matrix @ flat
    # Constants on the aggregates keep the coarse graph sparse, whatever the prolongation.
    rowptr, index, value = edges_of(flat.t @ along)
    up = _smoothed(matrix, flat) if smoothed else flat
    batch = nodes.batch()[root]
    return Coarse(up, None, nodes.fixed[root], batch, rowptr, index, -value)


def _smoothed(matrix: Csr, flat: Csr) -> Csr:
    """(I - omega D^-1 L) flat: rows sum to what those of `flat` do."""
    row = matrix.row
    on = row == matrix.index
    diagonal = matrix.diagonal()
    pull = torch.where(diagonal > 0, OMEGA / diagonal, 0.0)[row]
    step = matrix.with_value(torch.where(on, 1.0, 0.0) - pull * matrix.value)
    return step @ flat


def by_farthest_points(nodes: Nodes, ratio: float, neighbours: int) -> Coarse:
    """Samples far from each other; values come back by inverse squared distance (PointNet++).

    Two samples share an edge where points that are nearest to them do.
    """
    sizes = nodes.ptr.diff()
    counts = torch.tensor([coarse_size(n, ratio) for n in sizes.tolist()])
    found = farthest_points(
        nodes.pos, counts, nodes.ptr, extreme_points(nodes.pos, nodes.weight, nodes.ptr)
    )
    sample, ptr = found.index.sort()[0], found.ptr
    up = inverse_distance(nodes.pos[sample], ptr, nodes.pos, nodes.ptr, neighbours)
    cluster = nearest_samples(nodes.pos, nodes.ptr, sample, ptr)
    rowptr, index, value = touching(nodes, cluster, len(sample))
    batch = nodes.batch()[sample]
    return Coarse(up, nodes.pos[sample], nodes.fixed[sample], batch, rowptr, index, -value)


def by_fronts(nodes: Nodes) -> Coarse:
    """Bi-stride pooling: every second front of a walk through each connected component.

    Walks begin at the node nearest to the component's centroid; the smaller half is kept. Kept
    nodes keep their values, the others take the mean of kept neighbours by strength. Two kept nodes
    share an edge where they, or nodes whose strongest kept neighbours they are, do: a contraction,
    which stays connected, and in the plane stays planar. Source: Cao et al., ICML 2023, arXiv
    2210.02573, whose edges join all that lie two apart, twice as many a node on every level, and
    with transfers that preserve constants.
    """
    part = components(nodes.rowptr, nodes.index)
    seeds = central_nodes(nodes.pos, nodes.weight, part)
    odd = front_depth(nodes.index, nodes.rowptr, seeds) % 2
    balance = torch.zeros(len(seeds), dtype=torch.int64).index_add_(0, part, 1 - 2 * odd)
    size = torch.bincount(part, minlength=len(seeds))
    # balance: even less odd nodes. The smaller half, but for a component of a single node.
    keep_odd = (balance > 0) & (size > 1)
    kept = (odd == 1) == keep_odd[part]
    sample = kept.nonzero()[:, 0]
    place = torch.full((nodes.count,), -1)
    place[sample] = torch.arange(len(sample))
    row = rows_of(nodes.rowptr, len(nodes.index))
    use = kept[nodes.index] & ~kept[row]
    total = nodes.weight.new_zeros(nodes.count).index_add_(0, row[use], nodes.strength[use])
    rows = torch.cat([sample, row[use]])
    columns = torch.cat([place[sample], place[nodes.index[use]]])
    value = torch.cat([nodes.weight.new_ones(len(sample)), nodes.strength[use] / total[row[use]]])
    up = _csr(rows, columns, value, nodes.count, len(sample))
    # The strongest kept neighbour of each, of equals the first.
    top = up.value.new_zeros(nodes.count).scatter_reduce(0, up.row, up.value, "amax")
    pick = torch.where(up.value == top[up.row], up.index, len(sample))
    cluster = pick.new_full((nodes.count,), len(sample)).scatter_reduce(0, up.row, pick, "amin")
    rowptr, index, _ = touching(nodes, cluster, len(sample))
    pos = nodes.pos[sample]
    return Coarse(up, pos, nodes.fixed[sample], nodes.batch()[sample], rowptr, index, None)


def _csr(row: Tensor, column: Tensor, value: Tensor, rows: int, columns: int) -> Csr:
    """A matrix from entries in any order, none twice."""
    order = torch.argsort(row * max(columns, 1) + column)
    ends = torch.bincount(row, minlength=rows).cumsum(0)
    return Csr(torch.cat([ends.new_zeros(1), ends]), column[order], value[order], columns)


def components(rowptr: Tensor, index: Tensor) -> Tensor:
    """(N,) the connected component of each node, numbered as they begin."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    size = rowptr.numel() - 1
    if size == 0:
        return rowptr.new_empty(0)
    ones = torch.ones(len(index), dtype=torch.int8).numpy()
    graph = csr_matrix((ones, index.numpy(), rowptr.numpy()), (size, size))
    return torch.as_tensor(connected_components(graph, directed=False)[1]).long()


def central_nodes(pos: Tensor, weight: Tensor, part: Tensor) -> Tensor:
    """(parts,) the node nearest to the weighted centroid of each part; ties to the lowest."""
    count = int(part.max()) + 1 if len(part) else 0
    total = weight.new_zeros(count).index_add_(0, part, weight)
    even = total[part] <= 0  # parts without weight: their nodes count alike
    weight = torch.where(even, 1.0, weight)
    total = weight.new_zeros(count).index_add_(0, part, weight)
    centre = pos.new_zeros(count, pos.shape[1])
    centre = centre.index_add_(0, part, pos * (weight / total[part])[:, None])
    far = (pos - centre[part]).square().sum(1)
    least = far.new_full((count,), math.inf).scatter_reduce(0, part, far, "amin")
    place = torch.arange(len(part)).where(far == least[part], len(part))
    return place.new_full((count,), len(part)).scatter_reduce(0, part, place, "amin")


def coarse_size(size: int, ratio: float) -> int:
    """How many of `size` points a level of share `ratio` keeps: rounded up, none of none."""
    return math.ceil(ratio * (1 - 1e-12) * size)


def extreme_points(pos: Tensor, weight: Tensor, ptr: Tensor) -> Tensor:
    """(B,) the node of each graph farthest from its centroid; ties to the lowest.

    Where samples begin, so that they do not depend on the order of the nodes. Empty graphs: 0.
    """
    batch = rows_of(ptr, len(pos))
    count = len(ptr) - 1
    total = weight.new_zeros(count).index_add(0, batch, weight)
    share = (weight / total[batch])[:, None].to(pos.dtype)
    centre = pos.new_zeros(count, pos.shape[1]).index_add(0, batch, pos * share)
    reach = (pos - centre[batch]).square().sum(1)
    top = reach.new_full((count,), -1.0).scatter_reduce(0, batch, reach, "amax")
    place = torch.arange(len(reach), device=pos.device)
    place = place.where(reach == top[batch], len(reach))
    return ptr[1:].clone().scatter_reduce(0, batch, place, "amin")


def nearest_samples(pos: Tensor, ptr: Tensor, sample: Tensor, sample_ptr: Tensor) -> Tensor:
    """(N,) the sample (M,) of its graph that each point is nearest to."""
    cluster = knn(pos[sample], 1, pos, sample_ptr, ptr).index
    # A sample that lies on another keeps itself, so that no cluster is empty.
    cluster[sample] = torch.arange(len(sample), device=pos.device)
    return cluster


def inverse_distance(pos: Tensor, ptr: Tensor, goal: Tensor, goal_ptr: Tensor, k: int) -> Csr:
    """Values at goals from the k nearest of pos, by inverse squared distance; rows sum to one.

    Takes the value of a point that the goal lies on. Source: PointNet++, 2017.
    """
    near = knn(pos, k, goal, ptr, goal_ptr)
    row = near.receivers
    closest = near.dist2.new_full((len(goal),), math.inf)
    closest = closest.scatter_reduce(0, row, near.dist2, "amin")[row]
    # closest / dist2 is at most 1: no overflow, and 1 for the nearest, also at no distance.
    pull = torch.where(near.dist2 > closest, closest / near.dist2, 1.0)
    total = pull.new_zeros(len(goal)).index_add(0, row, pull)
    return Csr(near.rowptr, near.index, pull / total[row], len(pos))
