"""GNO: the graph neural operator, an integral over a ball about every node in each layer.

    v_i <- GELU(W v_i + sum_s share_is k(x_i, x_s) v_s + b),   |x_s - x_i| <= r     `layers` times
    k(x_i, x_s) = sum_b phi_b((x_s - x_i) / r, a_i, a_s) W_b
    share_is = c_s / sum c over the ball,   c_s = w_s (1 - |x_s - x_i|^2 / r^2)

Li et al., "Neural operator: graph kernel network for partial differential equations" (arXiv
2003.03485); Kovachki et al., JMLR 24 (2023). a: what is known at the nodes. Theirs has a matrix of
C^2 entries an edge; here the functions phi are a few, the same in all layers, and the matrices
belong to the layers: no edge holds more than the values of phi. Their mean counts nodes; the
integral here is by quadrature weight, and by a window that falls to zero at the rim, without which
it jumps as nodes enter and leave (twice the error between two meshes). Matrices may differ from
layer to layer (`shared` False).

Which neighbours: on a mesh graded by 1e6 a ball of fixed size holds most nodes or none, and edges
of the mesh reach a few cells however fine they are, so that neither is an integral that a finer
mesh brings closer. Here s runs over `samples` farthest points of the graph, which fill space evenly
however the nodes do, each with the weight and the mean state of the nodes nearest to it: the
paper's Nystrom approximation with quadrature in place of chance. A ball holds about as many of them
everywhere, costs what they cost, and feels neither the order nor the split of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gamma, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, nodes
from ..nn.basis_kernel import BasisEdges, BasisKernel, EdgeBasis
from ..nn.grid_bridge import bounding_boxes
from ..nn.hierarchy import Samples, built, farthest_order, in_space, pointer, sample
from ..ops import knn, radius, rows_of, segment_reduce
from ._operator import Operator, Widths


@dataclass(frozen=True)
class _Balls:
    """Samples about each node, as CSR: index (E,), rowptr (N + 1,), receivers row (E,), step
    (E, D + 2) over r, its length and the log of the widening, and share (E,) of the weight."""

    samples: Samples
    index: Tensor
    rowptr: Tensor
    row: Tensor
    step: Tensor
    share: Tensor


@built
def _balls(points: Points, count: int, reach: float) -> _Balls:
    """reach: radius where the longest side of a graph's box is 2. A ball without samples is widened
    to the nearest."""
    pos = points.pos.to(torch.promote_types(points.pos.dtype, torch.float32))
    box = bounding_boxes(pos, points.batch, len(points.sizes))[1].amax(1)
    pos = 2 * pos / box[points.batch, None]
    few = farthest_order(points, tuple(min(count, n) for n in points.sizes))
    samples = sample(points, few)
    at, ptr = pos[samples.index], pointer(samples.points.sizes, pos.device)
    to_ptr = pointer(points.sizes, pos.device)
    nearest = knn(at, 1, pos, ptr, to_ptr).dist2.sqrt()
    r = (nearest * (1 + 1e-4)).clamp_min(reach)
    found = radius(at, r, pos, ptr, to_ptr)
    row = rows_of(found.rowptr, len(found.index))
    step = (at[found.index] - pos[row]) / r[row, None]
    wider = (r / reach).log()[row, None]
    far = step.norm(dim=1, keepdim=True)
    step = torch.cat([step, far, wider], dim=1)
    # A sample that enters the ball counts for nothing at first: an integral, not a jump.
    weight = samples.points.weight[found.index] * (1 - far[:, 0].square()).clamp_min(1e-6)
    share = weight / segment_reduce(weight, found.rowptr)[row]
    return _Balls(samples, found.index, found.rowptr, row, step, share)


class GNO(Operator):
    """Graph neural operator: integrals over balls of evenly spread samples.

    layers of width `width` with `rank` functions; samples: points that are integrated over; where
    None 128, or 512 in space. radius: of the balls where the longest side of the mesh's box is 2;
    where None, that of a ball that holds 12 of the samples of a full square, 24 of a full cube:
    more samples see closer, fewer farther in as many layers. shared: one kernel for all layers, as
    published.
    """

    paper = "Li et al., arXiv 2003.03485; Kovachki et al., JMLR 24 (2023)"
    cost = (
        "O(L (k B C + C^2)), k samples in a ball (12 to 24), B functions; once a graph O(m B C^2)"
    )
    positions = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        layers: int = 6,
        rank: int = 16,
        hidden: int = 64,
        samples: int | None = None,
        radius: float | None = None,
        shared: bool = False,
    ) -> None:
        super().__init__(widths)
        dim = widths.dim
        ball = pi ** (dim / 2) / gamma(dim / 2 + 1)  # volume of the unit ball
        self.samples = samples = samples or (128 if dim == 2 else 512)
        self.radius = radius or 2 * (12 * (dim - 1) / (ball * samples)) ** (1 / dim)
        self.basis = EdgeBasis(dim + 2, rank, hidden, widths.nodes)
        self.lift = nn.Linear(widths.nodes, width)
        kernels = [
            BasisKernel(width, width, rank, own=False) for _ in range(1 if shared else layers)
        ]
        self.kernels = nn.ModuleList(kernels)
        self.skips = nn.ModuleList(nn.Linear(width, width) for _ in kernels)
        self.layers = layers
        self.head = nn.Linear(width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        balls = _balls(points, self.samples, self.radius)
        known = balls.samples.restrict(points.x), points.x
        k = self.basis(balls.step, balls.share, balls.index, balls.row, known)
        edges = BasisEdges.of(k, balls.index, balls.rowptr, len(balls.samples.index))
        v = self.lift(points.x)
        for layer in range(self.layers):
            i = layer % len(self.kernels)
            v = self.run(_layer, self.kernels[i], self.skips[i], v, balls.samples, edges)
        return self.head(v), self.scalar_head(v, points, graph.cond)


def _layer(
    kernel: nn.Module, skip: nn.Module, v: Tensor, samples: Samples, edges: BasisEdges
) -> Tensor:
    return F.gelu(skip(v) + kernel(samples.restrict(v), edges))
