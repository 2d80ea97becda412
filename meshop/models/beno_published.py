"""BENO as published: two branches of messages, nonlinear in the source and the boundary data.

    u = F(x, f, boundary with g = 0) + G(x, f = 0, boundary with g);   F and G alike, unshared
    e_ij <- e_ij + LN MLP([h_i, h_j, e_ij]);   h_i <- h_i + LN MLP([sum_j share_ij e_ij, h_i, b])
    b = max over tokens of a transformer of the boundary

Wang et al., ICLR 2024, arXiv 2401.09323; kept beside `meshop.models.beno` to compare with, which is
linear and much cheaper. What differs from the public code: each branch encodes its boundary
once, not in every layer; the branch of f sees a boundary whose data are zero (theirs holds their
mean); means and softmaxes are by weight, and tokens attend less to those far off; edges are the
mesh's own and relative, without absolute coordinates; features of a pixel grid (blurred f,
distances along the axes) are left to x.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes, walls
from ..nn.hierarchy import edge_geometry, in_space, pointer
from ..nn.rows import by_rows, through
from ..ops import gather_reduce, segment_reduce
from ._operator import Operator, Widths
from .beno import BoundaryLayer


def _normed(n_in: int, width: int, hidden: int = 3) -> nn.Sequential:
    return nn.Sequential(mlp(n_in, *[width] * (hidden + 1)), nn.LayerNorm(width))


class _Messages(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        # The first layer of the edges' perceptron, by parts: those of nodes are not done per edge.
        self.receiver = nn.Linear(width, width)
        self.sender = nn.Linear(width, width, bias=False)
        self.edge = nn.Linear(width, width, bias=False)
        self.edge_rest = nn.Sequential(nn.SiLU(), _normed(width, width, hidden=2))
        self.node = _normed(3 * width, width)

    def forward(
        self, h: Tensor, e: Tensor, b: Tensor, graph: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        sender, receiver, rowptr, share = graph
        send, receive = self.sender(h), self.receiver(h)

        def message(e: Tensor, sender: Tensor, receiver: Tensor) -> Tensor:
            return e + self.edge_rest(receive[receiver] + send[sender] + self.edge(e))

        wide = 4 * h.shape[1]
        e = by_rows(message, wide, e, sender, receiver, overwrite=True, gathers=True)
        each = torch.arange(len(e), device=e.device)
        mean = gather_reduce(e.to(share.dtype), each, rowptr, share[:, None]).to(h.dtype)

        def update(h: Tensor, mean: Tensor, b: Tensor) -> Tensor:
            return h + self.node(torch.cat([mean, h, b], dim=1))

        return by_rows(update, wide, h, mean, b, overwrite=True), e


class _Branch(nn.Module):
    def __init__(
        self, n_node: int, n_edge: int, n_wall: int, width: int, n_out: int, sizes: tuple[int, ...]
    ) -> None:
        super().__init__()
        layers, wall_layers, wall_heads, wall_hidden = sizes
        self.node = _normed(n_node, width)
        self.edge = _normed(n_edge, width)
        self.token = nn.Linear(n_wall, width)
        self.boundary = nn.ModuleList(
            BoundaryLayer(width, wall_heads, wall_hidden, values=False) for _ in range(wall_layers)
        )
        self.layers = nn.ModuleList(_Messages(width) for _ in range(layers))
        self.decode = mlp(width, width, width, width, n_out)


class PublishedBENO(Operator):
    """Boundary-embedded operator of the paper: layers of messages in each of two branches.

    No promise for split nodes: a node written twice takes a place among the neighbours.
    """

    paper = "Wang et al., ICLR 2024, arXiv 2401.09323"
    cost = "O(L k C^2 + W), k neighbours, W boundary tokens"
    edges = True
    tokens = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        layers: int = 10,
        wall_layers: int = 3,
        wall_heads: int = 2,
        wall_hidden: int = 16,
    ) -> None:
        super().__init__(widths)
        dim, out = widths.dim, widths.out
        self.splits = [widths.features, widths.inputs], [widths.tokens, widths.wall_inputs]
        sizes = layers, wall_layers, wall_heads, wall_hidden
        # Columns of zeros would only make dead weights: a branch takes what it is given.
        self.f = _Branch(
            widths.nodes, dim + 2 + 2 * widths.inputs, widths.tokens + widths.cond, width, out,
            sizes,
        )  # fmt: skip
        self.g = _Branch(widths.queries, dim + 2, widths.walls, width, out, sizes)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph, cond=False), self.widths.dim)
        wall = in_space(walls(graph, cond=False), self.widths.dim)
        x, f = points.x.split(self.splits[0], dim=1)
        token, _ = wall.x.split(self.splits[1], dim=1)
        cond = graph.cond.to(x.dtype)
        sender, receiver = graph.edge_index
        share, step = edge_geometry(points, sender, receiver)
        edges = sender, receiver, graph.rowptr, share
        step = step.to(x.dtype)
        one, h1 = self._branch(
            self.f, torch.cat([x, f, points.spread(cond)], dim=1),
            torch.cat([step, f[sender], f[receiver]], dim=1),
            torch.cat([token, wall.spread(cond)], dim=1), wall, points, edges,
        )  # fmt: skip
        two, h2 = self._branch(
            self.g, torch.cat([x, points.spread(cond)], dim=1), step,
            torch.cat([wall.x, wall.spread(cond)], dim=1), wall, points, edges,
        )  # fmt: skip
        return one + two, self.scalar_head(h1 + h2, points, graph.cond)

    def _branch(
        self, branch: _Branch, node: Tensor, edge: Tensor, token: Tensor, wall: Points,
        points: Points, edges: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        t = branch.token(token)
        for layer in branch.boundary:
            t, _ = self.run(layer, t, None, wall)
        b = points.spread(segment_reduce(t, pointer(wall.sizes, t.device), "max"))
        h, e = through(branch.node, node), through(branch.edge, edge)
        for layer in branch.layers:
            h, e = self.run(layer, h, e, b, edges)
        return through(branch.decode, h), h
