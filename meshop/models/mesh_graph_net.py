"""MeshGraphNets: states of nodes and edges, and many rounds of messages between them.

    h = LN MLP(x),   e = LN MLP(x_j - x_i, |x_j - x_i|)
    e_ij <- e_ij + LN MLP([h_j, h_i, e_ij]);   h_i <- h_i + LN MLP([h_i, sum_j e_ij])     15 times
    u = MLP(h)

Pfaff et al., "Learning mesh-based simulation with graph networks" (ICLR 2021, arXiv 2010.03409).
What differs: steps along edges are in units of the receiver's longest edge, whose logarithm goes
with them, so that meshes graded by 1e6 need no other normalisation; normalisers, training noise and
the integration in time are not the operator's. World edges, between nodes that come close in space,
are edges like others for who gives them.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, mlp, nodes
from ..nn.hierarchy import edge_geometry, in_space
from ..nn.interaction import InteractionBlock, Wires
from ..nn.row_mlp import RowMLP
from ._operator import Operator, Widths


class MeshGraphNet(Operator):
    """Rounds of messages along the edges of the mesh (MeshGraphNets).

    layers of width `width`; perceptrons have `hidden` hidden layers. aggregate: "sum" of the
    messages, as published, "mean", or "quadrature", the mean by the senders' weights. A sum grows
    with the number of neighbours, so that meshes of another kind of cell are another task. None is
    stable under refinement: messages reach `layers` cells, and a node written twice takes a place
    among the neighbours.
    """

    paper = "Pfaff et al., ICLR 2021, arXiv 2010.03409"
    cost = "O(L k C^2), k neighbours"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        layers: int = 15,
        hidden: int = 2,
        aggregate: str = "sum",
    ) -> None:
        super().__init__(widths)
        inner = [width] * hidden
        self.node = RowMLP(widths.nodes, *inner, width)
        self.edge = RowMLP(widths.dim + 2, *inner, width)
        self.blocks = nn.ModuleList(
            InteractionBlock(width, depth=hidden + 1, aggregate=aggregate) for _ in range(layers)
        )
        self.head = mlp(width, *inner, widths.out, act=nn.ReLU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        sender, receiver = graph.edge_index
        share, step = edge_geometry(points, sender, receiver)
        wires = Wires.of(sender, receiver, graph.rowptr, share)
        h, e = self.node(points.x), self.edge(step.to(points.x.dtype))
        for block in self.blocks:
            h, e = self.run(block, h, e, wires, None, None, True)
        return self.head(h), self.scalar_head(h, points, graph.cond)
