"""RIGNO: messages among regional nodes, which read a mesh and write to it.

    p = LN MLP(x),  r = LN MLP(log reach, c),  e = LN MLP(steps)       nodes, regional nodes, edges
    r <- r + N psi([r, mean_{j in region} m_j]),  p <- p + N psi(p)    encoder, one round
    r <- r + N psi([r, mean_j m_j]),  e <- e + m                       processor, `rounds` of them
    p <- p + N psi([p, mean_{regions over p} m]),  u = MLP(p)          decoder, one round
    m = N phi([e, sender, receiver]);   N y = LN(y) (1 + c . A(c)) + c . B(c)

Mousavi, Wen, Lingsch, Herde, Raonic and Mishra, "RIGNO: a graph-based framework for robust and
accurate operator learning for PDEs on arbitrary domains" (arXiv 2501.19205); public code 3e4b307c.
N is theirs of the lead time; here c are all conditions of a case, with A and B a column each. In
training, and never else, each edge is left out with a chance of `masking`.

What differs: the regional nodes are farthest points, so that the same mesh always has the same;
regions and the edges among them respect holes (`meshop.nn.regional`); nodes are told no absolute
places but those in x; steps are in units of a region's reach or, among regional nodes, of the
receiver's longest edge; means are by quadrature weight where published ones count nodes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, mlp, nodes
from ..nn.hierarchy import in_space
from ..nn.interaction import as_one
from ..nn.regional import Bridge, regions
from ..nn.row_mlp import Hearing, Pairs, RowMLP
from ._operator import Operator, Widths


class ConditionalNorm(nn.Module):
    """y (1 + sum_k c_k A_k(c)) + sum_k c_k B_k(c): a norm's scale and shift, none for c = 0."""

    def __init__(self, width: int, n_cond: int, hidden: int = 16) -> None:
        super().__init__()
        self.layers = mlp(n_cond, hidden, 2 * n_cond * width, act=nn.Sigmoid) if n_cond else None
        for layer in self.layers or ():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, y: Tensor, cond: Tensor, batch: Tensor) -> Tensor:
        """y (R, C) of rows that belong to the graphs `batch` (R,), cond (B, K)."""
        if self.layers is None:
            return y
        rows = self.layers(cond).unflatten(1, (cond.shape[1], -1))
        scale, shift = (rows * cond[:, :, None]).sum(1).to(y.dtype).chunk(2, dim=1)
        if len(cond) == 1:
            return torch.addcmul(y + shift, y, scale)
        return torch.addcmul(y + shift[batch], y, scale[batch])


class Round(nn.Module):
    """One round of messages from some nodes to others, all of whose states have `width`."""

    def __init__(self, width: int, n_cond: int, hidden: int) -> None:
        super().__init__()
        inner = [width] * (hidden + 1)
        self.edge = RowMLP(width, *inner, act=nn.SiLU)
        self.sender, self.receiver, self.heard = (
            nn.Linear(width, width, bias=False) for _ in range(3)
        )
        self.node = RowMLP(width, *inner, act=nn.SiLU)
        as_one(self.edge, [self.sender.weight, self.receiver.weight])
        as_one(self.node, [self.heard.weight])
        self.edge_norm, self.node_norm = (ConditionalNorm(width, n_cond) for _ in range(2))

    def forward(
        self,
        sent: Tensor,
        h: Tensor,
        e: Tensor,
        wires: tuple[Pairs, Hearing],
        cond: Tensor,
        batch: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Senders (M, C), receivers h (N, C) of graphs `batch` and edges e (E, C) -> h, e anew."""
        pairs, hearing = wires
        table = torch.cat([self.sender(sent), self.receiver(h)])
        message = self.edge(e, table, pairs)
        message = self.edge_norm(message, cond, batch[hearing.receiver])
        y = self.node(h, self.heard(hearing.sum(message)))
        return h + self.node_norm(y, cond, batch), e + message


class RIGNO(Operator):
    """Messages among regions of the mesh: one round in, some between them, one back.

    width; rounds among `ratio` of the nodes. Published: width 128, rounds 12 or 18. levels: scales
    of edges among regional nodes; overlap: of the regions that are read and written to; masking:
    share of edges left out in training; hidden: hidden layers of the perceptrons. No promise for
    split nodes: samples are chosen by node.
    """

    paper = "Mousavi et al., 2025, arXiv 2501.19205"
    cost = "O((k + L j / 4) C^2), k = 4 to 7 regions, j = 8 to 20 among regions"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        rounds: int = 12,
        hidden: int = 1,
        ratio: float = 0.25,
        levels: int = 6,
        overlap: tuple[float, float] = (1.0, 2.0),
        masking: float = 0.5,
    ) -> None:
        super().__init__(widths)
        if not 0 <= masking < 1:
            raise ValueError(f"masking: expected a share of 0 or more below 1, found {masking}")
        self.ratio, self.levels, self.masking = ratio, levels, masking
        self.overlap = (float(overlap[0]), float(overlap[1]))
        inner = [width] * (hidden + 1)
        self.lift = RowMLP(widths.nodes, *inner, act=nn.SiLU)
        self.region = RowMLP(1 + widths.cond, *inner, act=nn.SiLU)
        self.edges_in, self.edges_among, self.edges_out = (
            RowMLP(widths.dim + 2, *inner, act=nn.SiLU) for _ in range(3)
        )
        self.encoder = Round(width, widths.cond, hidden)
        self.own = RowMLP(width, *inner, act=nn.SiLU)
        self.own_norm = ConditionalNorm(width, widths.cond)
        self.processor = nn.ModuleList(Round(width, widths.cond, hidden) for _ in range(rounds))
        self.decoder = Round(width, widths.cond, hidden)
        self.head = mlp(width, *[width] * hidden, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points, cond = in_space(nodes(graph), self.widths.dim), graph.cond
        sender, receiver = graph.edge_index
        found = regions(points, sender, receiver, self.ratio, self.levels, self.overlap)
        few = found.points
        p = self.lift(points.x)
        r = self.region(torch.cat([found.reach.log(), few.spread(cond)], dim=1).to(p.dtype))

        e, wires = self._edges(self.edges_in, found.to, len(p), p.dtype)
        r, _ = self.run(self.encoder, p, r, e, wires, cond, few.batch)
        p = p + self.own_norm(self.own(p), cond, points.batch)
        e, wires = self._edges(self.edges_among, found.among, len(r), p.dtype)
        for block in self.processor:
            r, e = self.run(block, r, r, e, wires, cond, few.batch)
        e, wires = self._edges(self.edges_out, found.back, len(r), p.dtype)
        p, _ = self.run(self.decoder, r, p, e, wires, cond, points.batch)
        return self.head(p), self.scalar_head(p, points, cond)

    def _edges(
        self, embed: RowMLP, bridge: Bridge, senders: int, dtype: Any
    ) -> tuple[Tensor, tuple[Pairs, Hearing]]:
        """States of the edges, and the rows of the nodes that they read and tell."""
        if self.training and self.masking:
            bridge = bridge.kept(1 - self.masking)
        rows = senders + len(bridge.rowptr) - 1
        pairs = Pairs.of(bridge.sender, senders + bridge.receiver, rows)
        hearing = Hearing(bridge.rowptr, bridge.receiver, bridge.share)
        return embed(bridge.step.to(dtype)), (pairs, hearing)
