"""CoDA-NO (Rahman et al., NeurIPS 2024): attention between physical variables, not between nodes.

    h_t(n) = MLP([u_t(n), e_t, x_n, cond])           one token a variable: a function on the mesh
    A_ij   = softmax_j(<q_i, k_j> / (tau sqrt(d))),  <q, k> = sum_n w_n q(n) k(n)
    h_i   <- h_i + W sum_j A_ij v_j;   h_t <- h_t + slices(h_t);   h_t <- h_t + MLP(h_t)
    out_t  = head(h_t) for the variables asked for

Every weight but the embedding e_t is shared by the variables: their order does not matter, and any
of them may be left out or, in `fields_of`, be asked for alone. Known variables are the channels of
`inputs`; those asked for are the outputs, which start with no value (the masked channels of the
published pre-training). Source: arXiv 2403.12553 and neuraloperator's layer (1ee99979): width 64 a
token, 3 + 2 layers, tau = 1.

Ours differs: the inner product is the quadrature over the domain, <q, k>_M / |Omega|. The public
code divides a plain sum over the n d entries of a grid by sqrt(n d): logits grow like sqrt(n) with
the resolution, and a fine patch decides them. There is no latent grid: graph network to a grid,
Fourier layers and graph network back are replaced by slice attention within each token on the mesh
itself (weights shared by tokens), so pointwise values survive, nothing is interpolated, and the
cost is linear. q, k, v are linear at a node, the inner product being an integral already. LayerNorm
stands for the norm over the grid, which is zero over one node. Heads share the width (the public
default, attention by channel, forces tokens of width 1). The slices work without a place, so what
is variable-specific in the published position encoding comes from x and e_t through one MLP.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import (
    MeanReadout,
    Points,
    SliceAttention,
    by_graph,
    check_heads,
    feed_forward,
    mlp,
    nodes,
)
from ..nn.rows import by_rows, sum_rows
from ._operator import Operator, Widths


class _Block(nn.Module):
    """Tokens (T, N, C) -> (T, N, C): attention over T, slice attention over N, an MLP."""

    def __init__(self, width: int, heads: int, slices: int, temperature: float):
        super().__init__()
        self.heads, self.temperature = heads, temperature
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.norm_space = nn.LayerNorm(width)
        self.space = SliceAttention(width, heads, slices)
        self.feed = feed_forward(width, 2)

    def forward(self, h: Tensor, points: Points) -> Tensor:
        rows = h.transpose(0, 1), points.weight  # nodes first: (N, T, C)
        h = by_graph(self._mix, (points.sizes, rows)).transpose(0, 1)
        # One token after another: slices take G numbers a head and node, too many for all at once.
        return torch.stack([self.space(x, points, self.norm_space, self._feed) for x in h])

    def _feed(self, h: Tensor, y: Tensor) -> Tensor:
        h = h + y
        return h + self.feed(h)

    def _mix(self, h: Tensor, weight: Tensor) -> Tensor:
        """(B, n, T, C), weight (B, n) -> (B, n, T, C)."""
        width = h.shape[-1]
        exact = torch.promote_types(h.dtype, torch.float32)
        ask, tell = self.qkv.weight.split([2 * width, width])

        def heads(x: Tensor) -> Tensor:  # (B, n, T, C) -> (B, H, T, n d)
            return x.unflatten(-1, (self.heads, -1)).permute(0, 3, 2, 1, 4).flatten(3)

        def sums(h: Tensor, weight: Tensor) -> Tensor:
            # Sums over nodes in float32 or better.
            q, k = F.linear(self.norm(h), ask).to(exact).chunk(2, dim=-1)
            with torch.autocast(h.device.type, enabled=False):
                k = k * (scale * weight.to(exact))[:, :, None, None]
                return heads(q) @ heads(k).transpose(-2, -1)

        def read(h: Tensor) -> Tensor:
            v = F.linear(self.norm(h), tell).to(exact).unflatten(-1, (self.heads, -1))
            with torch.autocast(h.device.type, enabled=False):
                mixed = torch.einsum("bhij,bnjhd->bnihd", share, v).flatten(3)
            return h + self.out(mixed.to(h.dtype))

        scale = 1 / (self.temperature * (width / self.heads) ** 0.5)
        per_row = 4 * h.shape[0] * h.shape[2] * width
        share = sum_rows(sums, per_row, h, weight, dim=1).softmax(-1)
        return by_rows(read, per_row, h, dim=1, overwrite=True)


class CodaNO(Operator):
    """Attention between physical variables, whose order does not matter, any subset of them.

    width of a token, heads, layers, slices of a layer, embedding of a variable.
    """

    paper = "Rahman et al., NeurIPS 2024, arXiv 2403.12553"
    cost = "O(L V (G C + C^2 + V C)), V variables, G slices"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        heads: int = 8,
        layers: int = 5,
        slices: int = 32,
        embedding: int = 16,
        temperature: float = 1.0,
    ):
        super().__init__(widths)
        check_heads(width, heads)
        self.known = nn.Parameter(torch.randn(widths.inputs, embedding)) if widths.inputs else None
        self.asked = nn.Parameter(torch.randn(widths.out, embedding))
        # The first layer of the lift, split: places once a node, names once a variable.
        self.lift_place = nn.Linear(widths.queries, 2 * width)
        self.lift_name = nn.Linear(embedding, 2 * width, bias=False)
        self.lift_value = nn.Linear(1, 2 * width, bias=False) if widths.inputs else None
        self.lift = nn.Sequential(nn.GELU(), nn.Linear(2 * width, width))
        self.blocks = nn.ModuleList(
            _Block(width, heads, slices, temperature) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = mlp(width, width, 1, act=nn.GELU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars) from one pass."""
        points = nodes(graph)
        h = self._states(points, range(self.widths.inputs), range(self.widths.out))
        fields = self.head(h)[..., 0].transpose(0, 1)
        return fields, self.scalar_head(h.mean(0), points, graph.cond)

    def fields_of(self, graph: MeshGraph, known: Sequence[int], asked: Sequence[int]) -> Tensor:
        """Outputs `asked` (N, len(asked)), where of the inputs `known` alone are given.

        graph.inputs (N, len(known)) holds the known ones in that order. Raises ValueError where
        the two differ, or an index is outside or comes twice.
        """
        for name, chosen, count in (
            ("known", known, self.widths.inputs),
            ("asked", asked, self.widths.out),
        ):
            if len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(count)):
                raise ValueError(f"{name}: expected distinct indices below {count}, found {chosen}")
        if not asked:
            raise ValueError("asked: expected one output at least")
        given = getattr(graph, "inputs", None)
        found = 0 if given is None else given.shape[1]
        if found != len(known):
            raise ValueError(f"inputs: expected {len(known)} columns, as in known, found {found}")
        return self.head(self._states(nodes(graph), known, asked))[..., 0].transpose(0, 1)

    def _states(self, points: Points, known: Sequence[int], asked: Sequence[int]) -> Tensor:
        """States (len(asked), N, C) of the variables asked for."""
        split = (self.widths.features, len(known))
        x, given, cond = points.x.split([*split, points.x.shape[1] - sum(split)], dim=1)
        place = self.lift_place(torch.cat([x, cond], dim=1))
        parts = [self.lift_name(self.asked[list(asked)])[:, None] + place]
        if self.known is not None and self.lift_value is not None and len(known):
            value = self.lift_value(given.transpose(0, 1)[..., None])
            parts.insert(0, value + self.lift_name(self.known[list(known)])[:, None] + place)
        h = self.lift(torch.cat(parts))
        for block in self.blocks:
            h = self.run(block, h, points)
        return self.norm(h[len(known) :])
