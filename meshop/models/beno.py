"""BENO: a linear boundary value problem as two superposed branches, one of f and one of g.

    u = F(f; geometry) + G(g; geometry),   f known fields at the nodes, g data on the boundary
    boundary:  t, v <- attention among tokens (weights from t) -> nodes read both: context c, b
    branch:    v_i <- v_i + W_2 (gate(t_i) * W_1 [v_i, m_i, y_i, b_i])
               m_i = sum_j share_ij k(t_i, t_j, x_j - x_i) v_j,   share_ij = w_j / sum w  (edges)
               y_i = sum_g phi_g(t_i) sum_n w_n psi_g(t_n) v_n                            (global)
    output:    u_i = sum over branches D (gate(t_i) * v_i)

Wang et al., "BENO: boundary-embedded neural operators for elliptic PDEs" (ICLR 2024, arXiv
2401.09323). What differs, and why. Their branches are nonlinear in f and g, see a boundary whose
"zero" is its mean, and shift u, so that nothing superposes; here weights come from the geometry and
the conditions and values pass linearly, so u(a f, a g) = a u(f, g) and u(f, g) = u(f, 0) + u(0, g)
hold to rounding, before and after training. Normalise f, g and u by scale alone to keep it. The
boundary is encoded once a forward pass, not once a layer and branch, and read by attention that
falls off with distance, not by its maximum; the tokens stand for their share of the boundary. Ten
layers of neighbours cross ten cells, so a global kernel of low rank goes with each. Edges are the
mesh's own, with relative positions.

Without known fields and boundary data there is nothing to be linear in: the source is then one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes, walls
from ..nn.carried import CarriedAttention, GatedLinear, LowRankKernel
from ..nn.hierarchy import edge_geometry, in_space
from ..nn.rows import by_rows
from ..ops import gather_reduce
from ._operator import Operator, Widths


class BoundaryLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, values: bool) -> None:
        super().__init__()
        self.attention = CarriedAttention(width, heads, values)
        self.norm1 = nn.LayerNorm(width)
        self.mlp = mlp(width, hidden, width, act=nn.GELU)
        self.norm2 = nn.LayerNorm(width)
        self.carry = GatedLinear(width, width, width) if values else None

    def forward(self, t: Tensor, v: Tensor | None, wall: Points) -> tuple[Tensor, Tensor | None]:
        seen, carried = self.attention(t, wall, t, v, wall)
        t = self.norm1(t + seen)
        t = self.norm2(t + self.mlp(t))
        if self.carry is None:
            return t, None
        v = v + carried
        return t, v + self.carry(t, v)


class _Layer(nn.Module):
    def __init__(self, width: int, kernels: int, rank: int, edge_width: int, given: bool) -> None:
        super().__init__()
        self.kernel = nn.Linear(edge_width, kernels)
        self.far = LowRankKernel(width, rank)
        self.carry = GatedLinear(width, (3 + given) * width, width)

    def forward(
        self, v: Tensor, t: Tensor, b: list[Tensor], points: Points, edges: tuple[Tensor, ...]
    ) -> Tensor:
        state, share, sender, rowptr = edges
        exact = share.dtype
        kernel = by_rows(
            lambda state, share: self.kernel(state).to(exact) * share[:, None],
            state.shape[1],
            *(state, share),
        )
        near = gather_reduce(v.to(exact), sender, rowptr, kernel).to(v.dtype)
        read = v, near, self.far(t, v, points), *b

        def carry(v: Tensor, t: Tensor, *read: Tensor) -> Tensor:
            return v + self.carry(t, torch.cat(read, dim=1))

        wide = 2 * len(read) * v.shape[1]
        return by_rows(carry, wide, v, t, *read)


class _Branch(nn.Module):
    """Values of the nodes through all layers; `given`: each layer sees the boundary's too."""

    def __init__(self, start: nn.Module, given: bool, layers: list[_Layer], head: nn.Module):
        super().__init__()
        self.start, self.given, self.head = start, given, head
        self.layers = nn.ModuleList(layers)


class BENO(Operator):
    """Boundary-embedded operator, exactly linear in (inputs, wall_inputs).

    layers of messages of width `width` with `kernels` kernels each, and a global kernel of rank
    `rank`; the boundary passes `wall_layers` of attention with `wall_heads` heads. Scalars may be
    any function of the mean state. No promise for split nodes: a node written twice takes a place
    among the neighbours.
    """

    paper = "Wang et al., ICLR 2024, arXiv 2401.09323"
    cost = "O(L (k C + C^2) + W C), k neighbours, W boundary tokens"
    edges = True
    tokens = True
    positions = True
    refinement = False
    linear = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        layers: int = 10,
        kernels: int = 16,
        edge_width: int = 64,
        rank: int = 32,
        wall_layers: int = 3,
        wall_heads: int = 2,
        wall_hidden: int = 16,
        readers: int = 4,
    ) -> None:
        super().__init__(widths)
        self.splits = [widths.features, widths.inputs], [widths.tokens, widths.wall_inputs]
        values = widths.wall_inputs > 0
        self.place = mlp(widths.queries, width, width)
        self.token = nn.Linear(widths.tokens + widths.cond, width)
        self.value = nn.Linear(widths.wall_inputs, width, bias=False) if values else None
        self.wall_layers = nn.ModuleList(
            BoundaryLayer(width, wall_heads, wall_hidden, values) for _ in range(wall_layers)
        )
        self.read = CarriedAttention(width, readers, values)
        self.norm = nn.LayerNorm(width)
        self.sender = nn.Linear(width, edge_width, bias=False)
        self.receiver = nn.Linear(width, edge_width)
        self.step = nn.Linear(widths.dim + 2, edge_width, bias=False)

        def branch(start: nn.Module, given: bool) -> _Branch:
            parts = [_Layer(width, kernels, rank, edge_width, given) for _ in range(layers)]
            return _Branch(start, given, parts, GatedLinear(width, width, widths.out))

        self.f = self.g = None
        if widths.inputs or not values:
            self.f = branch(nn.Linear(max(widths.inputs, 1), width, bias=False), False)
        if values:
            self.g = branch(nn.Identity(), True)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph, cond=False), self.widths.dim)
        x, f = points.x.split(self.splits[0], dim=1)
        known = torch.cat([x, points.spread(graph.cond.to(x.dtype))], dim=1)
        t = by_rows(self.place, 2 * self.norm.normalized_shape[0], known)
        t, b = self._boundary(graph, t, points)
        edges = self._edges(graph, t, points)
        f = f if f.shape[1] else torch.ones_like(x[:, :1])
        field, total = t.new_zeros(()), t
        for branch, v in ((self.f, f), (self.g, b)):
            if branch is not None:
                v, given = branch.start(v), [b] if branch.given else []
                for layer in branch.layers:
                    v = self.run(layer, v, t, given, points, edges)
                field = field + by_rows(branch.head, 4 * v.shape[1], t, v)
                total = total + v if self.scalar_head.n_out else v
        return field, self.scalar_head(total, points, graph.cond)

    def _boundary(self, graph: MeshGraph, t: Tensor, points: Points) -> tuple[Tensor, Any]:
        """States of the nodes that know the boundary, and what they read of its data."""
        wall = in_space(walls(graph, cond=False), self.widths.dim)
        x, v = wall.x.split(self.splits[1], dim=1)
        token = self.token(torch.cat([x, wall.spread(graph.cond.to(x.dtype))], dim=1))
        v = None if self.value is None else self.value(v)
        for layer in self.wall_layers:
            token, v = self.run(layer, token, v, wall)
        seen, b = self.run(self.read, t, points, token, v, wall)
        wide = 2 * t.shape[1]
        return by_rows(lambda t, seen: self.norm(t + seen), wide, t, seen, overwrite=True), b

    def _edges(self, graph: MeshGraph, t: Tensor, points: Points) -> tuple[Tensor, ...]:
        """States (E, edge_width), shares of the senders in their row, senders and rowptr."""
        sender, row = graph.edge_index
        share, step = edge_geometry(points, sender, row)
        send, receive = self.sender(t), self.receiver(t)

        def state(sender: Tensor, row: Tensor, step: Tensor) -> Tensor:
            return F.silu(send[sender] + receive[row] + self.step(step.to(t.dtype)))

        states = by_rows(state, 4 * send.shape[1], sender, row, step, gathers=True)
        return states, share, sender, graph.rowptr
