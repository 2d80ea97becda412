"""Message passing: edges see their two nodes, nodes see what their edges say.

    e_ij <- [e_ij +] phi(h_i, h_j, e_ij)        edge update, j -> i
    a_i   = sum_j e_ij                          or the mean, or the mean by quadrature weight
    h_i  <- h_i + psi(h_i, a_i)                 node update

Pfaff et al., "Learning mesh-based simulation with graph networks" (ICLR 2021, arXiv 2010.03409);
Battaglia et al., arXiv 1806.01261. The first layer of phi is linear in its parts, so that those of
the nodes are computed at the nodes and gathered: W [h_i, h_j, e_ij] = W_r h_i + W_s h_j + W_e e_ij.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .row_mlp import Hearing, Pairs, RowMLP

AGGREGATES = ("sum", "mean", "quadrature")


@dataclass(frozen=True)
class Wires:
    """Edges of a graph for `InteractionBlock`: the rows that edges read, and how nodes add up what
    they hear, by name."""

    pairs: Pairs
    hearing: dict[str, Hearing]

    @classmethod
    def of(cls, sender: Tensor, receiver: Tensor, rowptr: Tensor, share: Tensor) -> Wires:
        """Of edges sorted by receiver, rowptr (N + 1,) those of each, and share (E,) of the sender
        in the weight of its receiver's senders."""
        even = rowptr.diff().clamp(min=1).to(share.dtype).reciprocal()[receiver]
        shares = zip(AGGREGATES, (None, even, share), strict=True)
        hearing = {name: Hearing(rowptr, receiver, part) for name, part in shares}
        # Row 2 n of the table is what node n says as a sender, row 2 n + 1 as a receiver.
        return cls(Pairs.of(2 * sender, 2 * receiver + 1, 2 * (len(rowptr) - 1)), hearing)


class InteractionBlock(nn.Module):
    """One round of messages: edge update, aggregate, node update; see the module.

    Perceptrons of `depth` linear layers of `width`, phi of edges with n_edge features. norm: a
    LayerNorm after each; act_last: an activation. edge_residual: edges have states of their own,
    n_edge = width, to which messages are added; else e is the same in every block. Raises
    ValueError for an unknown aggregate.
    """

    def __init__(
        self,
        width: int,
        n_edge: int | None = None,
        depth: int = 3,
        act: type[nn.Module] = nn.ReLU,
        norm: bool = True,
        act_last: bool = False,
        edge_residual: bool = True,
        aggregate: str = "sum",
    ) -> None:
        super().__init__()
        if aggregate not in AGGREGATES:
            raise ValueError(
                f"aggregate: expected one of {', '.join(AGGREGATES)}, found {aggregate!r}"
            )
        n_edge = width if n_edge is None else n_edge
        self.aggregate, self.edge_residual = aggregate, edge_residual
        hidden = [width] * depth
        self.edge = RowMLP(n_edge, *hidden, act=act, norm=norm, act_last=act_last)
        self.node = RowMLP(width, *hidden, act=act, norm=norm, act_last=act_last)
        self.ends = nn.Linear(width, 2 * width, bias=False)
        self.heard = nn.Linear(width, width, bias=False)
        as_one(self.edge, self.edge_parts)
        as_one(self.node, self.node_parts)

    @property
    def edge_parts(self) -> list[Tensor]:
        """Weights in the first layer of edges beside the edges' own: of senders, of receivers."""
        return list(self.ends.weight.chunk(2))

    @property
    def node_parts(self) -> list[Tensor]:
        """Weights in the first layer of nodes beside the nodes' own: of what they hear."""
        return [self.heard.weight]

    def forward(
        self,
        h: Tensor,
        e: Tensor,
        wires: Wires,
        ends: Tensor | None = None,
        heard: Tensor | None = None,
        overwrite: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Nodes h (N, C) and edges e (E, n_edge) -> both anew; e comes back as it was without
        edge_residual.

        ends (N, 2 C) is added to what nodes give the first layer of their edges, as senders and as
        receivers, and heard (N, C) to that of the nodes: whatever else they know. overwrite: the
        edges' states may take the place of e where no gradient is recorded.
        """
        table = self.ends(h)
        table = table if ends is None else table + ends
        table = table.view(-1, h.shape[1])
        hearing = wires.hearing[self.aggregate]
        message, sums = self.edge.messages(
            e, table, wires.pairs, hearing, self.edge_residual, overwrite
        )
        given = self.heard(sums)
        given = given if heard is None else given + heard
        return self.node(h, given, residual=True), message if self.edge_residual else e


def as_one(mlp: RowMLP, others: list[Tensor]) -> None:
    """Starts the first layer of mlp and the weights of its other inputs as one of all would."""
    weight, bias, *_ = mlp.parameters()
    bound = (weight.shape[1] + sum(w.shape[1] for w in others)) ** -0.5
    with torch.no_grad():
        for p in (weight, bias, *others):
            p.uniform_(-bound, bound)
