"""What operators on regular grids share: nodes to grids, blocks on the grids, grids to queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes, queries
from ..nn.grid_bridge import Boxes, GridBridge, one_box_each
from ..nn.rows import through
from ._operator import Operator, Widths


class GridOperator(Operator):
    """Lift at the nodes, bridge to grids, blocks, read at the queries, project.

        v = B lift([x, inputs, cond]) + W_p [place, coverage];  v <- block(v; coverage), L times
        out(q) = project([v(q), x(q), cond]),  scalars from the mean of v over the nodes

    B is a `GridBridge` over `boxes`, one box a graph unless a subclass says otherwise. The queries'
    own features stand beside the grid's state, so that what is finer than the grid is not lost.
    """

    positions = True
    queries = True

    def __init__(
        self, widths: Widths, blocks: list[nn.Module], *, width: int, grid: int, projection: int
    ):
        super().__init__(widths)
        self.shape = (grid,) * widths.dim
        self.lift = mlp(widths.nodes, projection, width, act=nn.GELU)
        self.place = nn.Linear(widths.dim + 1, width, bias=False)
        self.blocks = nn.ModuleList(blocks)
        self.project = mlp(width + widths.queries, projection, widths.out, act=nn.GELU)
        self.readout = MeanReadout(width, widths.cond, widths.scalars)

    def boxes(self, points: Points) -> Boxes:
        """Where the grids lie."""
        return one_box_each(points)

    def embed(self, bridge: GridBridge) -> Tensor:
        """(S, *shape, C) places of the grid points, as the network knows them."""
        coverage = bridge.coverage
        places = 2 * bridge.places().expand(len(coverage), *self.shape, -1) - 1
        return self.place(torch.cat([places, coverage], dim=-1).to(self.place.weight.dtype))

    def mix(self, layer: int, v: Tensor, bridge: GridBridge) -> Tensor:
        """(S, *shape, C) after block `layer`."""
        return self.blocks[layer](v, bridge.coverage)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) at the nodes or (M, out) at the queries, and scalars."""
        points, asked = nodes(graph), queries(graph)
        bridge = GridBridge(points, self.boxes(points), self.shape)
        v = bridge.to_grid(through(self.lift, points.x)) + self.embed(bridge)
        for layer in range(len(self.blocks)):
            v = self.run(self.mix, layer, v, bridge)
        here = bridge.at_points(v)
        if getattr(graph, "query_x", None) is None:
            there = here
        else:
            there = bridge.at(v, asked.pos, asked.batch)
        fields = through(self.project, there, asked.x)
        return fields, self.readout(here, points, graph.cond)
