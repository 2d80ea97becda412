"""The node sets of a multilevel operator, the nodes first: their edges, steps and transfers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..graph import Level, LevelSpec, levels_of
from ..ops import rows_of, segment_reduce
from .basis_kernel import BasisEdges
from .hierarchy import built, edge_geometry
from .points import Points


@dataclass(frozen=True)
class Rung:
    """One node set of N points.

    level: what it is to the set above, None for the nodes. index (E,), rowptr (N + 1,): senders of
    each point, receivers in `row`; share (E,) of a sender in the weight of its row and step
    (E, D + 2), as of `edge_geometry`. edges: functions on them, where a model has put some.
    """

    points: Points
    level: Level | None
    index: Tensor
    rowptr: Tensor
    row: Tensor
    share: Tensor
    step: Tensor
    edges: BasisEdges | None = None

    def down(self, x: Tensor) -> Tensor:
        """Means over what each point stands for in the set above."""
        assert self.level is not None
        return self.level.down(x)

    def up(self, x: Tensor) -> Tensor:
        """Values at the set above."""
        assert self.level is not None
        return self.level.up(x)

    @property
    def fixed(self) -> Tensor | None:
        """(N,) bool of points that no coarser set corrects; None: all are."""
        return None if self.level is None else self.level.fixed

    def with_edges(self, k: Tensor) -> Rung:
        """With functions k (E, B) on its edges."""
        return replace(self, edges=BasisEdges.of(k, self.index, self.rowptr, len(self.points)))


@built
def ladder(graph: Any, points: Points, spec: LevelSpec, annuli: bool = False) -> list[Rung]:
    """The nodes of a graph, `points`, and its levels below, see `levels_of`.

    annuli: an edge of a level is left out where it is no longer than the longest that its receiver
    (the mean of what it stands for) has on any set above: those cover it already. So every edge has
    one level, also where a mesh is graded and a level keeps its coarse part as it is.
    """
    rungs = [_rung(points, None, graph.edge_index[0], graph.rowptr)]
    reach = _longest(rungs[0]) if annuli else None
    for level in levels_of(graph, spec):
        batch = rows_of(level.ptr, len(level.weight))
        pos = level.pos[:, : points.pos.shape[1]].to(points.pos.dtype)
        below = Points(pos, pos.new_zeros(len(pos), 0), level.weight, batch, level.sizes)
        index, rowptr = level.index, level.rowptr
        if reach is not None:
            reach = level.down(reach)
            row = rows_of(rowptr, len(index))
            far = (pos[index] - pos[row]).norm(dim=1).to(reach.dtype)
            keep = far > reach[row]
            count = torch.bincount(row[keep], minlength=len(pos))
            index = index[keep]
            rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
        rungs.append(_rung(below, level, index, rowptr))
        if reach is not None:
            reach = torch.maximum(reach, _longest(rungs[-1]))
    return rungs


def _rung(points: Points, level: Level | None, index: Tensor, rowptr: Tensor) -> Rung:
    row = rows_of(rowptr, len(index))
    share, step = edge_geometry(points, index, row)
    return Rung(points, level, index, rowptr, row, share, step)


def _longest(rung: Rung) -> Tensor:
    """(N,) length of the longest edge of each point, 0 without edges."""
    pos = rung.points.pos
    far = (pos[rung.index] - pos[rung.row]).norm(dim=1)
    return segment_reduce(far, rung.rowptr, "max").clamp_min(0)
