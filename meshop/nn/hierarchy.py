"""Coarser point sets of a mesh, and the ways down and up: built from positions, per graph.

Samples are farthest points, begun at the point farthest from the centroid, so that they do not
depend on the order of the nodes (but for exact ties, which go to the lowest index). Each point
belongs to the sample nearest to it, and a sample weighs what its points weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from itertools import accumulate
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from ..graph import extreme_points, inverse_distance, nearest_samples
from ..ops import Csr, csr_transpose, farthest_points, gather_reduce, knn, rows_of, segment_reduce
from .points import Points
from .rows import by_rows

P = ParamSpec("P")
R = TypeVar("R")


def built(function: Callable[P, R]) -> Callable[P, R]:
    """For what is made of places: without gradients, and not traced by a compiler."""

    @torch.compiler.disable
    def build(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.no_grad():
            return function(*args, **kwargs)

    return wraps(function)(build)


def pointer(sizes: tuple[int, ...], device: torch.device | None = None) -> Tensor:
    """(B + 1,) where each of sets of such sizes starts."""
    return torch.tensor([0, *accumulate(sizes)], dtype=torch.long, device=device)


@dataclass(frozen=True)
class Samples:
    """Points that stand for the others of their graph.

    points: the M samples, their x without channels and their weight what their clusters weigh;
    index (M,) which of the N points they are; order, rowptr: the points cluster by cluster, those
    of sample m at order[rowptr[m] : rowptr[m + 1]]; cluster (N,) the sample of each point.
    """

    points: Points
    index: Tensor
    cluster: Tensor
    order: Tensor
    rowptr: Tensor
    share: Tensor  # (N,) of a point in the weight of its cluster, in the order of `order`

    def restrict(self, x: Tensor) -> Tensor:
        """(N, C) -> (M, C): means by weight over the clusters, in float32 or better."""
        exact = torch.promote_types(x.dtype, torch.float32)
        mean = gather_reduce(x.to(exact), self.order, self.rowptr, self.share.to(exact))
        return mean.to(x.dtype)


def in_space(points: Points, dim: int) -> Points:
    """The same with the first `dim` coordinates alone: plane meshes may be stored with a third."""
    return replace(points, pos=points.pos[:, :dim])


@built
def farthest_order(points: Points, counts: tuple[int, ...]) -> tuple[Tensor, ...]:
    """For each graph the indices of counts[b] farthest points: every prefix is a sample too."""
    pos = _exact(points.pos)
    if not pos.shape[1]:
        raise ValueError("this operator samples nodes by place: the graph has no pos")
    ptr = pointer(points.sizes, pos.device)
    start = extreme_points(pos, points.weight, ptr)
    found = farthest_points(pos, torch.tensor(counts, device=pos.device), ptr, start)
    return found.index.split(list(counts))


@built
def sample(points: Points, chosen: tuple[Tensor, ...]) -> Samples:
    """The given points of each graph, and the clusters of those nearest to them."""
    index, sizes = torch.cat(chosen), tuple(len(c) for c in chosen)
    pos, count = _exact(points.pos), sum(sizes)
    ptr = pointer(points.sizes, pos.device)
    cluster = nearest_samples(pos, ptr, index, pointer(sizes, pos.device))
    each = torch.arange(len(cluster) + 1, device=pos.device)
    members = csr_transpose(cluster, each, count)
    order, rowptr = members.row, members.rowptr
    weight = points.weight.new_zeros(count).index_add(0, cluster, points.weight)
    coarse = Points(
        pos=points.pos[index].detach(),
        x=points.x.new_zeros(count, 0),
        weight=weight,
        batch=points.batch[index],
        sizes=sizes,
    )
    share = (points.weight / weight[cluster])[order]
    return Samples(coarse, index, cluster, order, rowptr, share)


@built
def interpolation(source: Points, target: Points, k: int = 3) -> Csr:
    """From the k nearest points of the source, by inverse squared distance (PointNet++, 2017).

    Keeps constants, and takes the value of a source that the target lies on.
    """
    pos, goal = _exact(source.pos), _exact(target.pos)
    ptr, goal_ptr = pointer(source.sizes, pos.device), pointer(target.sizes, pos.device)
    return inverse_distance(pos, ptr, goal, goal_ptr, k)


@dataclass(frozen=True)
class Neighbourhoods:
    """The k nearest points of each, itself among them, as CSR: what a mesh convolution reads.

    share (E,) weight of the sender in its row, rows summing to 1; step (E, D + 1) from receiver to
    sender and its length, in units of the distance to the farthest of the row.
    """

    index: Tensor
    rowptr: Tensor
    share: Tensor
    step: Tensor


@built
def neighbourhoods(points: Points, k: int) -> Neighbourhoods:
    """Of each point among the others of its graph."""
    pos = _exact(points.pos)
    near = knn(pos, k, ptr=pointer(points.sizes, pos.device))
    row = rows_of(near.rowptr, len(near.index))
    weight = points.weight[near.index]
    total = segment_reduce(weight, near.rowptr)
    reach = segment_reduce(near.dist2, near.rowptr, "max").sqrt()
    reach = torch.where(reach > 0, reach, 1.0)

    def relate(index: Tensor, row: Tensor, dist2: Tensor) -> Tensor:
        step = torch.cat([pos[index] - pos[row], dist2.sqrt()[:, None]], dim=1)
        return step / reach[row, None]

    step = by_rows(relate, 8 * pos.shape[1], near.index, row, near.dist2)
    return Neighbourhoods(near.index, near.rowptr, weight / total[row], step)


def _exact(pos: Tensor) -> Tensor:
    return pos.detach().to(torch.promote_types(pos.dtype, torch.float32))


@built
def edge_geometry(
    points: Points, sender: Tensor, receiver: Tensor, period: Sequence[float] = ()
) -> tuple[Tensor, Tensor]:
    """Of a graph's edges: share (E,) of the sender in the weight of its receiver's senders, and
    (E, D + 2) the step to the sender and its length, in units of the receiver's longest edge, and
    the logarithm of that. In a periodic box of lengths `period` (0 along axes that are not
    periodic) the step is to the nearest image."""
    pos, count = _exact(points.pos), len(points.pos)
    weight = points.weight[sender]
    total = weight.new_zeros(count).index_add(0, receiver, weight)
    # Senders that all weigh nothing (cells of a lower dimension) have no share.
    share = weight / total.clamp_min(torch.finfo(total.dtype).tiny)[receiver]

    def way(sender: Tensor, receiver: Tensor) -> Tensor:
        step = pos[sender] - pos[receiver]
        if not period:
            return step
        box = step.new_tensor(period)
        return step - box * torch.where(box > 0, step / box, 0.0).round()

    def measure(sender: Tensor, receiver: Tensor) -> Tensor:
        return way(sender, receiver).norm(dim=1)

    wide = 8 * pos.shape[1]
    far = by_rows(measure, wide, sender, receiver)
    reach = far.new_zeros(count).scatter_reduce(0, receiver, far, "amax")
    reach = torch.where(reach > 0, reach, 1.0)

    def relate(sender: Tensor, receiver: Tensor, far: Tensor) -> Tensor:
        unit = reach[receiver, None]
        step = way(sender, receiver) / unit
        return torch.cat([step, far[:, None] / unit, unit.log()], dim=1)

    return share, by_rows(relate, wide, sender, receiver, far)
