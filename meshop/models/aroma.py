"""AROMA (Serrano et al., NeurIPS 2024): a field as a few latent tokens, decoded locally.

    k_n = fourier(pos_n);  v_n = W [x_n, inputs_n, cond]
    t   = learned tokens;  t <- read positions; t <- read boundary tokens; t <- read values
    z   = mean(t) in R^8 a token;  t = W z;  t <- 3 blocks of self-attention
    g_s(n) = sum_m softmax_m(q_s(n) k_m) v_m   for queries q_s = fourier_s(pos_n) in 3 bands
    out = MLP([g_1, g_2, g_3, x_n, cond])

Reads are pre-norm cross-attentions with residuals and MLPs. Source: arXiv 2406.02176 and its public
code (fc9dea96), sizes of its runs on meshes: 32 tokens of 8, width 128, 4 heads of 32, 12
frequencies over [1, 2^4] for keys and over [1, 2^3], [2^3, 2^4], [2^4, 2^5] for queries, an MLP of
3 layers of 64, read of positions on.

Ours differs: log quadrature weights stand among the logits of every read (published: every node
counts the same, so tokens lean to where the mesh is fine, and batches are padded and masked);
conditions and boundary tokens are read; the features known at a query (distances ...) join its
bands before the MLP, for 32 tokens cannot resolve a graded mesh; the code is its mean unless
`noise` is asked for in training; the three blocks have weights of their own (a cache in the public
code ties them). The published model codes a field and a second model steps the codes in time: here
the blocks after the code are the operator, trained end to end. Input points are not dropped here:
the training loop subsamples nodes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import (
    FourierBand,
    LatentMixer,
    LatentReadout,
    LatentsToPoints,
    Points,
    PointsToLatents,
    by_graph,
    latent_group,
    mlp,
    nodes,
    queries,
    walls,
)
from ..nn.rows import by_rows
from ._operator import Operator, Widths


class Aroma(Operator):
    """A field as a few latent tokens, decoded by local attention.

    noise: the published reparametrised noise of codes in training.
    """

    paper = "Serrano et al., NeurIPS 2024, arXiv 2406.02176"
    cost = "O((M + C) C), M latents"
    tokens = True
    positions = True
    translation = False
    queries = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        latents: int = 32,
        code: int = 8,
        heads: int = 4,
        head_width: int = 32,
        layers: int = 3,
        frequencies: int = 12,
        key_band: tuple[float, float] = (0, 4),
        query_bands: tuple[tuple[float, float], ...] = ((0, 3), (3, 4), (4, 5)),
        band_width: int = 16,
        hidden: int = 64,
        depth: int = 3,
        geometry: bool = True,
        noise: bool = False,
    ):
        super().__init__(widths)
        self.key = FourierBand(widths.dim, key_band, frequencies)
        self.bands = nn.ModuleList(
            FourierBand(widths.dim, band, frequencies) for band in query_bands
        )
        self.latents = nn.Parameter(torch.randn(latents, width))

        def reader(n_value: int) -> PointsToLatents:
            return PointsToLatents(width, self.key.width, n_value, heads, head_width)

        self.read_places = reader(self.key.width) if geometry else None
        self.read_walls = self.lift_walls = None
        if widths.tokens:
            self.lift_walls = nn.Linear(widths.walls, width)
            self.read_walls = reader(width)
        self.lift = nn.Linear(widths.nodes, width)
        self.read_values = reader(width)
        self.mean = nn.Linear(width, code)
        self.log_variance = nn.Linear(width, code) if noise else None
        self.enter = nn.Linear(code, width)
        self.blocks = nn.ModuleList(LatentMixer(width, heads, head_width) for _ in range(layers))
        self.read = LatentsToPoints(width, self.key.width, band_width, heads, head_width)
        known = band_width * len(query_bands) + widths.queries
        self.decoder = mlp(known, *[hidden] * depth, widths.out, act=nn.ReLU)
        self.scalar_head = LatentReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields at the queries and scalars (B, scalars) from one pass."""
        code, log_variance = self.codes(graph)
        if log_variance is not None and self.training:
            code = code + (0.5 * log_variance).exp() * torch.randn_like(code)
        latent = self.enter(code)
        for block in self.blocks:
            latent = self.run(block, latent)
        fields = self.run(self._decode, latent, queries(graph))
        return fields, self.scalar_head(latent, graph.cond)

    def codes(self, graph: MeshGraph) -> tuple[Tensor, Tensor | None]:
        """Mean codes (B, M, code), and with `noise` their log variances, which `kl` takes."""
        points = nodes(graph)
        latent = self.latents.expand(len(points.sizes), -1, -1)
        if self.read_places is not None:
            latent = self.run(self._read, self.read_places, None, latent, points)
        if self.read_walls is not None:
            latent = self.run(self._read, self.read_walls, self.lift_walls, latent, walls(graph))
        latent = self.run(self._read, self.read_values, self.lift, latent, points)
        if self.log_variance is None:
            return self.mean(latent), None
        return self.mean(latent), self.log_variance(latent).clamp(-30, 20)

    def kl(self, graph: MeshGraph) -> Tensor:
        """(B,) divergence of the codes from a unit normal, a mean over entries; published weight
        1e-5. Raises ValueError without `noise`."""
        mean, log_variance = self.codes(graph)
        if log_variance is None:
            raise ValueError("kl: codes have no variance; build the model with noise=True")
        mean, log_variance = (t.to(self.latents.dtype) for t in (mean, log_variance))
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean((1, 2))

    def _read(
        self, reader: PointsToLatents, lift: nn.Linear | None, latent: Tensor, points: Points
    ) -> Tensor:
        def embed(pos: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            key = self.key(pos)
            return key, key if lift is None else lift(x)

        return reader(latent, points, embed)

    def _decode(self, latent: Tensor, points: Points) -> Tensor:
        def decode(pos: Tensor, x: Tensor, ask: Tensor, tell: Tensor) -> Tensor:
            def rows(pos: Tensor, x: Tensor) -> Tensor:
                local = [self.read(band(pos), ask, tell) for band in self.bands]
                return self.decoder(torch.cat([*local, x.to(local[0].dtype)], dim=-1))

            return by_rows(rows, 3 * len(pos) * ask.shape[1], pos, x, dim=1)

        memory = latent_group(*self.read.memory(latent))
        return by_graph(decode, (points.sizes, (points.pos, points.x)), memory)
