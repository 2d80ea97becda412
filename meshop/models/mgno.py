"""MgNO: every layer of the network is a multigrid V-cycle with learned operators.

    v <- GELU(Mg(v) + B v + b)                                                      `layers` times
    Mg f, linear:  on each level l with f_l: u <- u + S_l (f_l - A_l u), begun with u = S f
       f_l+1 = R (f_l - A_l u_l) W_R,   u_l+1 = R u_l W_0,   u_l <- u_l + P u_l+1 W_P
    A, S:  (A u)_i = W u_i + sum_j share_ij sum_b phi_b(x_j - x_i) W_b u_j,   share = w_j / sum w

He, Liu and Xu, "MgNO: efficient parameterization of linear operators via multigrid" (ICLR 2024,
arXiv 2310.19809). Theirs are 3 x 3 convolutions and grids that halve. Here A and S are kernels on
the edges of each level, in a few functions phi of the step in units of the receiver's longest edge
and of the logarithm of that, which all levels and layers share; nothing in phi depends on u, so Mg
is linear, and with the indicators of a grid's eight neighbours for share phi it is theirs. The sums
are means by quadrature weight, so that a graded mesh needs nothing else. Coarser sets are farthest
points or aggregates; R = M^-1 P^T M and P keep constants.

Where the paper and the public code differ (3a68a900) this is the paper: the residual is restricted
(the code restricts f unless told), A is one per level, steps after the correction are there (the
code's best runs have none), and no norm breaks the linearity (the code's Navier-Stokes has one).
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import LevelSpec, MeshGraph
from ..nn import Borrowed, LevelTransfer, MeanReadout, Relaxation, VCycle, nodes
from ..nn.basis_kernel import BasisKernel, EdgeBasis
from ..nn.hierarchy import in_space
from ..nn.ladder import Rung, ladder
from ._operator import Operator, Widths


def v_cycle(given: int, width: int, depth: int, rank: int, before: int, after: int) -> VCycle:
    """Mg for f (N, given) -> u (N, width) over the nodes and `depth` levels below.

    before, after: steps on each level beside the S f that it begins with on the nodes; the coarsest
    level has both.
    """

    if before + after < 1:
        raise ValueError("before, after: expected one smoothing step or more")

    def steps(operator: nn.Module, count: int) -> list[Relaxation]:
        smoothers = (BasisKernel(given, width, rank) for _ in range(count))
        return [Relaxation(Borrowed(operator), smoother) for smoother in smoothers]

    first, last, operators = [], [], []
    for level in range(depth + 1):
        operator = BasisKernel(width, given, rank)
        operators.append(operator)
        first.append(steps(operator, before + (level == 0)))
        last.append(steps(operator, after))
    # The residual's A owns its weights; the coarsest has no residual, and a step owns them.
    (first[-1] or last[-1])[0].operator = operators.pop()
    transfers = [LevelTransfer((given, width), (given, width), start=True) for _ in operators]
    return VCycle(first, last, transfers, operators)


class MgNO(Operator):
    """Multigrid V-cycles on the edges and levels of any mesh, linear in what they carry.

    layers: V-cycles, of `width` with `rank` functions on the edges; levels: node sets below the
    nodes, by `coarsening` as of `LevelSpec`; before, after: smoothing steps. Farthest points do not
    depend on the order of the nodes, aggregates do, a little; those follow a mesh's grading down to
    its finest cells, where points fill space evenly.
    """

    paper = "He, Liu and Xu, ICLR 2024, arXiv 2310.19809"
    cost = "O(L (k B C + B C^2)), k neighbours, B functions; levels add a third"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 32,
        layers: int = 5,
        levels: int = 4,
        rank: int = 8,
        hidden: int = 32,
        before: int = 1,
        after: int = 1,
        coarsening: Literal["farthest", "smoothed", "aggregation", "bistride"] = "farthest",
    ) -> None:
        super().__init__(widths)
        self.spec = LevelSpec(method=coarsening, count=levels, ratio=0.5**widths.dim)
        self.basis = EdgeBasis(widths.dim + 2, rank, hidden)
        given = [widths.nodes, *[width] * (layers - 1)]
        self.cycles = nn.ModuleList(v_cycle(n, width, levels, rank, before, after) for n in given)
        self.skips = nn.ModuleList(nn.Linear(n, width) for n in given)
        self.head = nn.Linear(width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        rungs = self.rungs(graph)
        points = rungs[0].points
        v = points.x
        for cycle, skip in zip(self.cycles, self.skips, strict=True):
            v = self.run(_layer, cycle, skip, v, rungs)
        return self.head(v), self.scalar_head(v, points, graph.cond)

    def rungs(self, graph: MeshGraph) -> list[Rung]:
        """The contexts of the V-cycles: the node sets with the functions on their edges."""
        points = in_space(nodes(graph), self.widths.dim)
        return [
            rung.with_edges(self.basis(rung.step, rung.share, rung.index, rung.row))
            for rung in ladder(graph, points, self.spec)
        ]


def _layer(cycle: nn.Module, skip: nn.Module, v: Tensor, rungs: list[Rung]) -> Tensor:
    return F.gelu(cycle(v, rungs) + skip(v))
