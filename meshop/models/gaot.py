"""GAOT: the geometry-aware operator transformer.

    z = MAGNO(lift(nodes) -> tokens)    tokens on a regular grid over the bounding box of the mesh
    z = transformer(patches of z)       pre-norm attention and SwiGLU, long skips from first to last
    out(q) = project [MAGNO(z -> q), x(q), cond]

Source: Wen et al., "Geometry Aware Operator Transformer", NeurIPS 2025, arXiv 2505.18781, public
code aec18bb6; defaults those of its elasticity run: 64 x 64 tokens of 64 channels, radius .033 of
the box [-1, 1]^2, patches of 2 x 2, 3 layers of width 256 with 8 heads. Ours: places are relative
to the box and steps to the ball (the published cosine of raw coordinates depends on the origin);
attention and statistics carry quadrature weights; an empty ball reaches for its nearest sender;
statistics are in units of the ball, not standardised over the sample, so that a query's answer does
not depend on the other queries, and hold the covariance instead of its eigenvalues; neighbours are
found anew for every graph (the published cache is by shape); residuals pass the second norm by; the
projection knows the query's own features; conditions are features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes, queries
from ..nn.grid_bridge import bounding_boxes
from ..nn.hierarchy import pointer
from ..nn.magno import MAGNO, Balls, balls
from ..nn.patch_transformer import PatchTransformer
from ..nn.rows import through
from ._operator import Operator, Widths


class GAOT(Operator):
    """Local attention to a grid of tokens, a transformer over its patches, local attention back.

    tokens: grid points along each side (64 in 2-D, 32 in 3-D where None); radius: of the balls in
    the box [-1, 1]^dim, 2.112 / tokens where None, that is .033 of 64; scales: factors of the
    radius, whose answers are averaged; patch: tokens along a side of a patch (2 and 4).
    """

    paper = "Wen et al., NeurIPS 2025, arXiv 2505.18781"
    cost = "O(k h (h + C)), k = 3 to 5 tokens a node; once a graph O(L P (P + C) C), P patches"
    positions = True
    queries = True

    def __init__(
        self,
        widths: Widths,
        *,
        channels: int = 64,
        tokens: int | None = None,
        radius: float | None = None,
        scales: tuple[float, ...] = (1.0,),
        hidden: int = 64,
        depth: int = 3,
        patch: int | None = None,
        width: int = 256,
        heads: int = 8,
        layers: int = 3,
        mlp_ratio: int = 4,
    ):
        super().__init__(widths)
        dim = widths.dim
        tokens = tokens or (64 if dim == 2 else 32)
        patch = patch or (2 if dim == 2 else 4)
        self.side, self.scales = tokens, tuple(scales)
        self.radius = radius or 2.112 / tokens
        self.lift = mlp(widths.nodes, hidden, channels, act=nn.GELU)
        self.encoder = MAGNO(channels, dim, hidden, depth)
        self.processor = PatchTransformer(
            channels, width, dim=dim, patch=patch, heads=heads, layers=layers, mlp_ratio=mlp_ratio
        )
        self.decoder = MAGNO(channels, dim, hidden, depth)
        self.project = mlp(channels + widths.queries, hidden, widths.out, act=nn.GELU)
        self.readout = MeanReadout(channels, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) at the nodes or (M, out) at the queries, and scalars."""
        points, asked = nodes(graph), queries(graph)
        places = _Places(points, self.widths.dim, self.side)
        known = through(self.lift, points.x)
        z = self.run(self.encoder, known, points.weight, self._balls(places, None))
        z = z.unflatten(0, (-1, *(self.side,) * self.widths.dim))
        z = self.processor(z, self.run).flatten(0, -2)
        if getattr(graph, "query_x", None) is None:
            here = there = self._decode(z, places, points)
        else:
            there = self._decode(z, places, asked)
            # Scalars are of the nodes, whatever else is asked for.
            here = self._decode(z, places, points) if self.readout.n_out else there
        fields = through(self.project, there, asked.x)
        return fields, self.readout(here, points, graph.cond)

    def _decode(self, z: Tensor, places: _Places, asked: Points) -> Tensor:
        return self.run(self.decoder, z, places.weight, self._balls(places, asked))

    def _balls(self, places: _Places, asked: Points | None) -> list[Balls]:
        """Nodes about the tokens, or tokens about the points that are asked."""
        reach = [self.radius * scale for scale in self.scales]
        if asked is None:
            return [places.nodes_about_tokens(r) for r in reach]
        return [places.tokens_about(asked, r) for r in reach]


class _Places:
    """Nodes and tokens of a batch in the unit boxes [-1, 1]^D of its graphs."""

    @torch.compiler.disable
    def __init__(self, points: Points, dim: int, tokens: int):
        with torch.no_grad():
            pos = points.pos.to(torch.promote_types(points.pos.dtype, torch.float32))
            self.lo, self.size = bounding_boxes(pos, points.batch, len(points.sizes))
            axis = torch.linspace(-1, 1, tokens, dtype=pos.dtype, device=pos.device)
            grid = torch.stack(torch.meshgrid(*[axis] * dim, indexing="ij"), -1).flatten(0, -2)
            self.count, graphs = len(grid), len(points.sizes)
            self.grid = grid.repeat(graphs, 1)
            self.grid_ptr = self.count * torch.arange(graphs + 1, device=pos.device)
            self.weight = pos.new_full((len(self.grid),), 1 / self.count)
            self.nodes, self.node_weight = self.unit(pos, points.batch), points.weight
            self.ptr = pointer(points.sizes, pos.device)

    def unit(self, pos: Tensor, batch: Tensor) -> Tensor:
        return 2 * (pos.to(self.lo.dtype) - self.lo[batch]) / self.size[batch] - 1

    @torch.compiler.disable
    def nodes_about_tokens(self, reach: float) -> Balls:
        return balls(
            self.nodes, self.grid, self.ptr, self.grid_ptr, self.node_weight, reach, 1 / self.count
        )

    @torch.compiler.disable
    def tokens_about(self, asked: Points, reach: float) -> Balls:
        at = self.unit(asked.pos, asked.batch)
        ptr = pointer(asked.sizes, at.device)
        return balls(self.grid, at, self.grid_ptr, ptr, self.weight, reach, 1 / self.count)
