"""Multipole GNO: kernels of short range on every level, and kernels between the levels.

    v_0 = lift(x);   `cycles` times, over levels l = 0 .. L of the nodes:
    down:  f_l+1 = GELU(K_l,l+1 v_l)
    up:    v_l <- GELU(f_l + K_l,l f_l + K_l+1,l v_l+1),   f_0 = v_0
    (K v)_i = W v_i + sum_j share_ij sum_b phi_b(x_j - x_i, a_i, a_j) W_b v_j

Li et al., "Multipole graph neural operator for parametric partial differential equations" (NeurIPS
2020, arXiv 2006.09535). What differs from their code: kernels are a few functions phi of the edge
and matrices of the levels, not C^2 entries an edge; sums are means by quadrature weight, between
levels by what restriction and prolongation weigh; levels are nested farthest points with the mesh's
own edges on the nodes, not disjoint random sets with balls; and an edge of a level that the finer
ones cover is left out, so that a level adds its annulus alone (their balls overlap, so that near
pairs count on every level). Coarse states begin anew in every cycle. As published, all cycles share
one set of kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import LevelSpec, MeshGraph
from ..nn import MeanReadout, VCycle, nodes
from ..nn.basis_kernel import BasisEdges, BasisKernel, EdgeBasis
from ..nn.hierarchy import built, in_space
from ..nn.ladder import Rung, ladder
from ..ops import Csr
from ._operator import Operator, Widths


@dataclass(frozen=True)
class _Place:
    """A node set: its own edges, and those from (down) and to (up) the set above, if any."""

    edges: BasisEdges
    down: BasisEdges | None = None
    up: BasisEdges | None = None


class _Near(nn.Module):
    """GELU(f + K f + what came from below): a step of `VCycle` after the correction."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.kernel = BasisKernel(width, width, rank)

    def forward(self, f: Tensor, u: Tensor | None, at: _Place) -> Tensor:
        v = f + self.kernel(f, at)
        return F.gelu(v if u is None else v + u)


class _Between(nn.Module):
    """The kernels between a set and the next: a transfer of `VCycle`."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.coarser = BasisKernel(width, width, rank, own=False)
        self.finer = BasisKernel(width, width, rank, own=False)

    def restrict(self, f: Tensor, below: _Place) -> Tensor:
        return F.gelu(self.coarser(f, below.down))

    def start(self, u: Tensor, below: Any) -> None:
        return None

    def prolong(self, u: Tensor, above: _Place, below: _Place) -> Tensor:
        return self.finer(u, below.up)


class MultipoleGNO(Operator):
    """Multipole graph neural operator: levels that each add the annulus finer ones leave out.

    cycles of width `width`, `rank` functions a kind of edge; levels: node sets below the nodes, by
    `coarsening` as of `LevelSpec`. shared: the cycles have one set of kernels, as published.
    """

    paper = "Li et al., NeurIPS 2020, arXiv 2006.09535"
    cost = "O(T (k B C + B C^2)), k neighbours, B functions; levels add a third"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        cycles: int = 4,
        levels: int = 3,
        rank: int = 8,
        hidden: int = 32,
        shared: bool = True,
        coarsening: Literal["farthest", "smoothed", "aggregation", "bistride"] = "farthest",
    ) -> None:
        super().__init__(widths)
        self.spec = LevelSpec(method=coarsening, count=levels, ratio=0.5**widths.dim)
        kinds = [EdgeBasis(widths.dim + 2, rank, hidden, widths.nodes) for _ in range(3)]
        self.near, self.down, self.up = kinds
        self.lift = nn.Linear(widths.nodes, width)
        self.count = cycles

        def cycle() -> VCycle:
            after = [[_Near(width, rank)] for _ in range(levels + 1)]
            between = [_Between(width, rank) for _ in range(levels)]
            return VCycle([[] for _ in after], after, between, [None] * levels)

        self.cycles = nn.ModuleList(cycle() for _ in range(1 if shared else cycles))
        self.head = nn.Linear(width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        places = self._places(ladder(graph, points, self.spec, annuli=True), points.x)
        v = self.lift(points.x)
        for number in range(self.count):
            v = self.run(self.cycles[number % len(self.cycles)], v, places)
        return self.head(v), self.scalar_head(v, points, graph.cond)

    def _places(self, rungs: list[Rung], known: Tensor) -> list[_Place]:
        """The functions on all edges."""
        places: list[_Place] = []
        above: Rung | None = None
        for rung in rungs:
            down = up = None
            if above is not None and rung.level is not None:
                fine, known = known, rung.down(known)
                down = _between(self.down, rung.level.down, above, rung, (fine, known))
                up = _between(self.up, rung.level.up, rung, above, (known, fine))
            k = self.near(rung.step, rung.share, rung.index, rung.row, (known, known))
            own = BasisEdges.of(k, rung.index, rung.rowptr, len(rung.points))
            places.append(_Place(own, down, up))
            above = rung
        return places


def _between(
    basis: EdgeBasis, way: Csr, source: Rung, goal: Rung, known: tuple[Tensor, Tensor]
) -> BasisEdges:
    """Functions on the entries of a transfer, from the source's points to the goal's."""
    step = _steps(way, source.points.pos, goal.points.pos)
    k = basis(step, way.value, way.index, way.row, known)
    return BasisEdges.of(k, way.index, way.rowptr, way.columns)


@built
def _steps(way: Csr, source: Tensor, goal: Tensor) -> Tensor:
    """(E, D + 2) step and its length in units of the row's longest, and the logarithm of that."""
    step = source[way.index] - goal[way.row]
    far = step.norm(dim=1)
    unit = far.new_zeros(way.rows).scatter_reduce(0, way.row, far, "amax")
    unit = torch.where(unit > 0, unit, 1.0)[way.row, None]
    return torch.cat([step / unit, far[:, None] / unit, unit.log()], dim=1)
