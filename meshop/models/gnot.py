"""GNOT: several input functions, each on points of its own, and experts gated by geometry.

    h <- h + Cross(LN h, {LN z_s}),   h <- h + LN(sum_e g_e(x) E_e(h)),
    h <- h + Self(LN h),              h <- h + LN(sum_e g_e(x) E'_e(h)),   g = softmax(MLP(x))

with `NormalisedAttention`. The input functions z_s are what is known at the nodes (x and inputs)
and, where there are tokens, on the boundary (tokens and boundary data). A boundary that a graph, or
the whole batch, is without adds nothing.

Hao et al., "GNOT", ICML 2023, arXiv 2302.14376; code 5ee2e692. Defaults: width 128, 3 layers, 1
head, as in the authors' examples; 2 experts, as in their class (their command line's 1 turns the
mixture off). Ours differs: quadrature weights in every sum; no padding (theirs enters the sums);
the gate reads all features x that are known anywhere, not coordinates alone; fields at queries
attend to the nodes alone, so that what else is asked for does not matter. `mean=True` averages
over the input functions, as the paper writes it, instead of the code's sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes, queries, walls
from ..nn.linear_attention import NormalisedAttention, ResidualMLP
from ..nn.rows import by_rows, through
from ._operator import Operator, Widths


class _Experts(nn.Module):
    """sum_e g_e W2_e gelu(W1_e h): all first layers are one."""

    def __init__(self, width: int, hidden: int, experts: int):
        super().__init__()
        self.hidden = experts * hidden
        self.first = nn.Linear(width, self.hidden)
        self.second = nn.ModuleList(nn.Linear(hidden, width) for _ in range(experts))

    def forward(self, h: Tensor, gate: Tensor) -> Tensor:
        return by_rows(self._mix, self.hidden, h, gate, dim=h.dim() - 2)

    def _mix(self, h: Tensor, gate: Tensor) -> Tensor:
        parts = F.gelu(self.first(h)).chunk(len(self.second), dim=-1)
        return sum(
            layer(part) * g
            for layer, part, g in zip(self.second, parts, gate.split(1, dim=-1), strict=True)
        )


class _Block(nn.Module):
    def __init__(
        self, n_x: int, sources: int, width: int, heads: int, experts: int, inner: int, mean: bool
    ):
        super().__init__()
        self.hidden = hidden = inner * width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.norm_sources = nn.ModuleList(nn.LayerNorm(width) for _ in range(sources))
        self.cross = NormalisedAttention(width, heads, sources, mean)
        self.self_ = NormalisedAttention(width, heads)
        self.experts = nn.ModuleList(_Experts(width, hidden, experts) for _ in range(2))
        self.gate = mlp(n_x, hidden, hidden, experts, act=nn.GELU)

    def forward(
        self, states: list[Tensor], places: list[Points], sources: list[tuple[Tensor, Points]]
    ) -> list[Tensor]:
        """States (N, C) at places, whose x the gate reads; the first place is the nodes."""
        gates = [by_rows(self._weights, 2 * self.hidden, p.x) for p in places]
        memory = self.cross.memory(sources, self.norm_sources)
        states = self._half(0, self.cross, memory, states, places, gates)
        memory = self.self_.memory([(states[0], places[0])], [self.norms[2]])
        return self._half(1, self.self_, memory, states, places, gates)

    def _weights(self, x: Tensor) -> Tensor:
        logits = self.gate(x)
        exact = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(exact).softmax(-1).to(logits.dtype)

    def _half(
        self,
        i: int,
        attention: NormalisedAttention,
        memory: list[Tensor],
        states: list[Tensor],
        places: list[Points],
        gates: list[Tensor],
    ) -> list[Tensor]:
        before, norm, experts = self.norms[2 * i], self.norms[2 * i + 1], self.experts[i]

        def after(h: Tensor, y: Tensor, gate: Tensor) -> Tensor:
            h = h + y
            return h + norm(experts(h, gate))

        return [
            attention.read(h, place, memory, before, after, gate)
            for h, place, gate in zip(states, places, gates, strict=True)
        ]


class Gnot(Operator):
    """Transformer of several input functions: nodes, boundary and queries are sets of their own."""

    paper = "Hao et al., ICML 2023, arXiv 2302.14376"
    cost = "O(L (E + 1) C^2), E experts"
    tokens = True
    queries = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        heads: int = 1,
        layers: int = 3,
        experts: int = 2,
        inner: int = 4,
        depth: int = 3,
        mean: bool = False,
    ):
        super().__init__(widths)
        given = [widths.features + widths.inputs]
        if widths.tokens:
            given.append(widths.tokens + widths.wall_inputs)

        def network(n_in: int, n_out: int) -> ResidualMLP:
            return ResidualMLP(n_in, width, n_out, depth, False, False, gelu="none")

        self.trunk = network(widths.queries, width)
        self.branches = nn.ModuleList(network(n, width) for n in given)
        self.blocks = nn.ModuleList(
            _Block(widths.features, len(given), width, heads, experts, inner, mean)
            for _ in range(layers)
        )
        self.head = network(width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields at the queries or else the nodes, and scalars (B, scalars) from the nodes."""
        known = nodes(graph, cond=False)
        sources = [known]
        if self.widths.tokens and getattr(graph, "wall_x", None) is not None:
            sources.append(walls(graph, cond=False))
        places = [known.with_x(known.x[:, : self.widths.features])]
        if getattr(graph, "query_x", None) is not None:
            places.append(queries(graph, cond=False))
        cond = graph.cond.to(known.x.dtype)
        states = [through(self.trunk, p.x, p.spread(cond)) for p in places]
        encoded = [(through(net, p.x), p) for net, p in zip(self.branches, sources, strict=False)]
        for block in self.blocks:
            states = self.run(block, states, places, encoded)
        scalars = self.scalar_head(states[0], places[0], graph.cond)
        return through(self.head, states[-1]), scalars
