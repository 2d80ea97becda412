"""BSMS-GNN: messages on a mesh and on every second, fourth, ... front of it.

    h = MLP(x);   h <- V-shaped rounds of messages over bi-stride levels;   u = MLP(h)
    m_ij = LN MLP([x_j - x_i, |x_j - x_i|, h_i, h_j]),   h_i <- h_i + LN MLP([h_i, sum_j m_ij])

Cao et al., "Efficient learning of mesh-based physical simulation with bi-stride multi-scale graph
neural network" (ICML 2023, arXiv 2210.02573); public code accc0921. A level keeps every second
front of a walk through the mesh; the way down and up follows edges and learns nothing; one round of
messages on each level each way, and additive skips. What differs: transfers are the levels' own,
which keep constants and integrals and let a kept node hear itself (theirs leave its own value out
on the way down, and do not return constants); steps are in units of the receiver's longest edge,
whose logarithm goes with them; norms have a scale and a shift. Contact edges are edges like others
for who gives them; the integration in time and the noise of training are not the operator's.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..graph import LevelSpec, MeshGraph
from ..nn import MeanReadout, mlp, nodes
from ..nn.hierarchy import in_space
from ..nn.level_messages import LevelMessages, scales
from ..nn.row_mlp import RowMLP
from ._operator import Operator, Widths


class BSMS(Operator):
    """Messages on a mesh and its bi-stride levels, down and up again.

    width; levels below the nodes. Perceptrons have `hidden` hidden layers; published: width 128, 7
    levels for 5,000 nodes, 5 for 2,000, 3 hidden layers. aggregate: "sum" of the messages, as
    published, "mean", or "quadrature", the mean by the senders' weights. No promise for split
    nodes: a node written twice takes a place among the neighbours.
    """

    paper = "Cao et al., ICML 2023, arXiv 2210.02573"
    cost = "O(4 k C^2), k neighbours, over all levels"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        levels: int = 5,
        hidden: int = 2,
        aggregate: str = "sum",
    ) -> None:
        super().__init__(widths)
        self.spec = LevelSpec(method="bistride", count=levels)
        inner = [width] * hidden
        self.node = RowMLP(widths.nodes, *inner, width, norm=False)
        self.messages = LevelMessages(
            width, widths.dim, [(1, 1)] * (levels + 1), depth=hidden + 1, aggregate=aggregate
        )
        self.head = mlp(width, *inner, widths.out, act=nn.ReLU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        h = self.node(points.x)
        h = self.messages(h, scales(graph, points, self.spec), self.run)
        return self.head(h), self.scalar_head(h, points, graph.cond)
