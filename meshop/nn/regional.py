"""Regional nodes of a mesh: few of its nodes, each with a region about it, and the edges between.

A share of the nodes, far from each other, stands for the rest. The reach of one is the distance to
the farthest node that has no nearer one; its region is the ball of `overlap` times that. So every
node lies in a region, at any grading, and in few. Two regional nodes are joined where an edge of
the mesh leads from the nodes nearest to one to those nearest to the other, so that edges go round
holes; and again among a quarter of them, a quarter of those, and so on, so that some are long.
Mousavi et al., RIGNO (arXiv 2501.19205), with farthest points in place of random ones, and such
edges in place of Delaunay triangulations, which cross holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..graph import coarse_size
from ..ops import csr_transpose, radius, rows_of, segment_reduce
from .hierarchy import built, edge_geometry, farthest_order, pointer, sample
from .points import Points


@dataclass(frozen=True)
class Bridge:
    """Edges by receiver from one point set to another: sender, receiver (E,), rowptr, share (E,) of
    the sender in the weight of its receiver's senders, and step (E, D + 2): to the sender and its
    length in units of a reach, and the logarithm of that."""

    sender: Tensor
    receiver: Tensor
    rowptr: Tensor
    share: Tensor
    step: Tensor

    def kept(self, chance: float) -> Bridge:
        """With edges left out at random, each kept with this chance."""
        keep = torch.rand(len(self.sender), device=self.sender.device) < chance
        receiver = self.receiver[keep]
        share, count = self.share[keep], len(self.rowptr) - 1
        total = share.new_zeros(count).index_add(0, receiver, share)
        ends = torch.bincount(receiver, minlength=count).cumsum(0)
        return Bridge(
            self.sender[keep],
            receiver,
            torch.cat([ends.new_zeros(1), ends]),
            share / total.clamp_min(torch.finfo(share.dtype).tiny)[receiver],
            self.step[keep],
        )


@dataclass(frozen=True)
class Regions:
    """points: the regional nodes, without x; reach (R, 1) of each; to, among, back: the edges from
    the nodes to them, between them, and back."""

    points: Points
    reach: Tensor
    to: Bridge
    among: Bridge
    back: Bridge


@built
def regions(
    points: Points,
    sender: Tensor,
    receiver: Tensor,
    ratio: float,
    levels: int,
    overlap: tuple[float, float],
) -> Regions:
    """Of a share `ratio` of each graph's nodes, joined on `levels` scales along the graph's edges;
    overlap: of the regions that regional nodes read and that they write to."""
    sizes = tuple(coarse_size(n, ratio) for n in points.sizes)
    order = farthest_order(points, sizes)
    few = sample(points, order)
    exact = torch.promote_types(points.pos.dtype, torch.float32)
    pos, centre = points.pos.to(exact), few.points.pos.to(exact)
    away = (pos - centre[few.cluster]).norm(dim=1)
    reach = away.new_zeros(len(centre)).scatter_reduce(0, few.cluster, away, "amax")
    ptr, few_ptr = pointer(points.sizes, pos.device), pointer(sizes, pos.device)

    def ball(overlap: float) -> tuple[Tensor, Tensor]:
        """Rows of regional nodes: the nodes within reach, to rounding."""
        found = radius(pos, reach * (overlap * (1 + 1e-5)), centre, ptr, few_ptr)
        return found.rowptr, found.index

    def bridge(rowptr: Tensor, node: Tensor, back: bool) -> Bridge:
        weight = points.weight
        if back:
            turned = csr_transpose(node, rowptr, len(pos))
            rowptr, node, weight = turned.rowptr, turned.row, few.points.weight
        row = rows_of(rowptr, len(node))
        region = node if back else row
        step = centre[node] - pos[row] if back else pos[node] - centre[row]
        unit = torch.where(reach > 0, reach, 1.0)[region, None]
        step = torch.cat([step / unit, step.norm(dim=1, keepdim=True) / unit, unit.log()], dim=1)
        total = segment_reduce(weight[node], rowptr)
        return Bridge(node, row, rowptr, weight[node] / total[row], step)

    pairs, count = [], len(centre)
    place = few.index.new_zeros(len(pos))
    place[few.index] = torch.arange(count, device=pos.device)
    for level in range(levels):
        part = few
        if level:
            part = sample(points, tuple(o[: max(len(o) >> 2 * level, 1)] for o in order))
        ends = place[part.index[part.cluster]]
        a, b = ends[sender], ends[receiver]
        pairs += [b * count + a, a * count + b]
    key = torch.cat(pairs).unique()
    a, b = key % count, key // count
    a, b = a[a != b], b[a != b]
    share, step = edge_geometry(few.points, a, b)
    total = torch.bincount(b, minlength=count).cumsum(0)
    among = Bridge(a, b, torch.cat([total.new_zeros(1), total]), share, step)
    to, back = bridge(*ball(overlap[0]), False), bridge(*ball(overlap[1]), True)
    return Regions(few.points, torch.where(reach > 0, reach, 1.0)[:, None], to, among, back)
