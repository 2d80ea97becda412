"""enf2enf (Catalani et al., 2025): latents with places, read by relative position alone.

    c   = encode(known fields)               one code a latent, places p_j on a 3^D grid
    a   = W [c, cond];  a <- gelu(a + read(p, a)), twice
    out = MLP(gelu(read(x_n, a)))            read: see `meshop.nn.ReadLatents`

Source: arXiv 2504.18591 and its public code (12592b1a, 9f4d3b5e), sizes of its elasticity run:
codes of 8, width 256 with 2 full heads, frequencies of std .1; encoder of width 128 and std .5. Its
config sets a Gaussian window of .1, which its code only takes for "on": the width that is used is
D / side, here `sigma`. At .1 latents .75 apart would not overlap at all.

`encoder="gradient"`, published: a second field, read(x, c) and an MLP, is fitted to the known
fields (features and inputs) by 3 steps c <- c - r dJ/dc from c = 1 with learned rates r, first .5,
J the weighted mean square. `encoder="attention"`: latents read the nodes in one pass
(`meshop.nn.ReadPoints`), at a half to a third of the cost of a training step (1.8 s against 3.5 s
at 4,500 nodes, 5.0 s against 16.6 s at 18,000, on one busy core). On a toy operator the steps left
10 % of the variance and attention 14 % after as many epochs, 12 % after as many seconds. Published
training fits the encoder first (`reconstruction`) and freezes codes; both train end to end too.

Ours differs: the grid spans 3/4 of the box about each graph and moves with it, so translation is
exact (published: a fixed box, set for each data set); weights in all sums; features known at a
query enter by a layer of their own, not as coordinates of the waves; values keep the published
scale and shift by relative position, without the mixing MLP that the public code runs on every
pair of point and latent, so that they are summed in one product (an MLP follows the sum).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import (
    LatentReadout,
    Pairs,
    Points,
    ReadLatents,
    ReadPoints,
    by_graph,
    latent_grid,
    latent_group,
    mlp,
    nodes,
    pieces,
    queries,
)
from ._operator import Operator, Widths


def _head(n_in: int, width: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.GELU(), *mlp(n_in, width, width, n_out, act=nn.GELU))


class Enf2Enf(Operator):
    """Latents with places, read by relative position alone.

    sigma: of the latents' windows, D / side where None; encoder: "gradient" or "attention".
    """

    paper = "Catalani et al., 2025, arXiv 2504.18591"
    cost = "O(Z C^2), Z = 3^D latents"
    positions = True
    queries = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 256,
        heads: int = 2,
        layers: int = 2,
        side: int = 3,
        code: int = 8,
        std: float = 0.1,
        sigma: float | None = None,
        encoder: str = "gradient",
        encoder_width: int = 128,
        encoder_std: float = 0.5,
        steps: int = 3,
        rate: float = 0.5,
    ):
        super().__init__(widths)
        self.side, self.steps, self.code = side, steps, code
        dim = widths.dim
        self.sigma = dim / side if sigma is None else sigma
        fitted, narrow = widths.features + widths.inputs, encoder_width
        self.encoder: ReadPoints | ReadLatents
        if encoder == "attention":
            self.encoder = ReadPoints(dim, narrow, heads, code, fitted, encoder_std, seed=0)
        elif encoder == "gradient":
            self.encoder = ReadLatents(dim, narrow, heads, heads * narrow, 0, encoder_std, seed=0)
            self.encoder_stem = nn.Linear(code, narrow)
            self.encoder_head = _head(heads * narrow, narrow, fitted)
            self.rates = nn.Parameter(torch.full((side**dim, code), float(rate)))
        else:
            raise ValueError(f"encoder: expected 'attention' or 'gradient', found {encoder!r}")
        self.stem = mlp(code + widths.cond, width, width, act=nn.GELU)
        self.blocks = nn.ModuleList(
            ReadLatents(dim, width, heads, width, 0, std, seed=i + 2) for i in range(layers)
        )
        self.read = ReadLatents(dim, width, heads, heads * width, widths.features, std, seed=1)
        self.head = _head(heads * width, width, widths.out)
        self.scalar_head = LatentReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields at the queries and scalars (B, scalars) from one pass."""
        p, code = self.codes(graph)
        cond = graph.cond.to(code.dtype)[:, None].expand(-1, code.shape[1], -1)
        a = self.stem(torch.cat([code, cond], dim=-1))
        nothing = p[..., :0]
        for block in self.blocks:
            pairs = cast(ReadLatents, block).pairs(p, p, nothing, self.sigma)
            a = nn.functional.gelu(a + self.run(block, a, pairs, a))
        points = queries(graph, cond=False)
        fields = by_graph(self._decode, (points.sizes, (points.pos, points.x)), latent_group(p, a))
        return fields, self.scalar_head(a, graph.cond)

    def codes(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Places (B, Z, D) and codes (B, Z, code) of the latents, from features and inputs."""
        points, p = self._known(graph)
        known = points.sizes, (points.pos, points.x, points.weight)
        encode = self._attend if isinstance(self.encoder, ReadPoints) else self._fit
        return p, by_graph(encode, known, latent_group(p)).unflatten(0, p.shape[:2])

    def reconstruction(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """The known fields as their codes give them, and as they are: (N, fitted) each. Raises
        ValueError where the encoder is no field."""
        if not isinstance(self.encoder, ReadLatents):
            raise ValueError("reconstruction: an encoder by attention has none; try 'gradient'")
        points, _ = self._known(graph)
        p, code = self.codes(graph)

        def field(pos: Tensor, p: Tensor, code: Tensor) -> Tensor:
            return self._field(code, self._pairs_in(pos, p))

        return by_graph(field, (points.sizes, (points.pos,)), latent_group(p, code)), points.x

    def _known(self, graph: MeshGraph) -> tuple[Points, Tensor]:
        points = nodes(graph, cond=False)
        return points, latent_grid(points, self.side)

    def _decode(self, pos: Tensor, x: Tensor, p: Tensor, a: Tensor) -> Tensor:
        def read(pos: Tensor, x: Tensor) -> Tensor:
            return self.head(self.read(a, self.read.pairs(pos, p, x, self.sigma)))

        parts = [self.run(read, *piece) for piece in pieces(p, a.shape[-1], pos, x)]
        return torch.cat(parts, dim=1)

    def _attend(self, pos: Tensor, x: Tensor, weight: Tensor, p: Tensor) -> Tensor:
        encoder = cast(ReadPoints, self.encoder)
        split = pieces(p, encoder.q.in_features, pos, x, weight)
        return encoder([self.run(encoder.part, *piece, p, self.sigma) for piece in split])

    @torch.compiler.disable
    def _fit(self, pos: Tensor, target: Tensor, weight: Tensor, p: Tensor) -> Tensor:
        """Codes (B, Z, code) after the inner steps, each graph by itself."""
        learn = torch.is_grad_enabled()
        with torch.inference_mode(False):  # a gradient is needed also where none is asked for
            if not learn:  # and what inference mode made cannot be saved for one
                pos, target, weight, p = (t.detach().clone() for t in (pos, target, weight, p))
            parts = list(pieces(p, self.encoder_stem.out_features, pos, target, weight))
            # Pairs are kept between the steps where training keeps them anyway or they are few.
            few = p[..., 0].numel() * pos.shape[1] * self.encoder_stem.out_features <= 2**25
            kept = [self._pairs_in(part[0], p) for part in parts if learn or few]
            code = torch.ones_like(p[..., :1]).expand(-1, -1, self.code)
            for _ in range(self.steps):
                code = code if code.requires_grad else code.detach().requires_grad_()
                slope = torch.zeros_like(p[..., :1])
                for i, (place, wanted, share) in enumerate(parts):
                    pairs = kept[i] if kept else self._pairs_in(place, p)
                    with torch.enable_grad():
                        gap = (self._field(code, pairs) - wanted).square().mean(-1)
                        misfit = (gap * share).sum()
                        slope = slope + torch.autograd.grad(misfit, code, create_graph=learn)[0]
                code = code - self.rates * slope
                code = code if learn else code.detach()
        return code

    def _pairs_in(self, pos: Tensor, p: Tensor) -> Pairs:
        return cast(ReadLatents, self.encoder).pairs(pos, p, pos[..., :0], self.sigma)

    def _field(self, code: Tensor, pairs: Pairs) -> Tensor:
        return self.encoder_head(self.encoder(self.encoder_stem(code), pairs))
