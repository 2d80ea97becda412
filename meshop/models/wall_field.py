"""WallField: a neural field on the nodes, conditioned on the wall. The default around bodies.

    z   = sum_w share_w phi(token_w, c)                     wall and conditions, one latent a case
    h   = W x;  h <- h + block(h; scale(z), shift(z))       L blocks on every node by itself
    out = W_o LN(h);   scalars = rho(z) + sum_w share_w g(phi_w, z)

A steady external flow is a function of the wall, the conditions and the place, and of nothing
else; the mesh only says where to sample it. So nodes need no neighbours: any grading is as good as
any other, subsampled training is unbiased, tiles equal the whole exactly, and the cost is that of
an MLP. What makes it accurate is what the nodes know: distances over five decades and the potential
flow about the wall (`meshop.graph`). Sources: conditional neural fields with FiLM (Perez et al.,
2018; Serrano et al., CORAL, NeurIPS 2023), Deep Sets (Zaheer et al., 2017).
"""

from __future__ import annotations

from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import FiLMBlock, WallEncoder, WallIntegral, mlp, nodes, walls
from ..nn.rows import by_rows
from ._operator import Operator, Widths


class WallField(Operator):
    """Neural field on the nodes, conditioned on the wall and the conditions; the default
    around a body in a far field.

    width of the blocks, depth their number, latent the size of z.
    """

    paper = "meshop; after Perez et al. 2018, Serrano et al. 2023, Zaheer et al. 2017"
    cost = "O(L C^2)"
    tokens = True
    pointwise = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 160,
        depth: int = 6,
        latent: int = 96,
    ) -> None:
        super().__init__(widths)
        self.encoder = WallEncoder(widths.tokens + widths.wall_inputs, widths.cond, latent)
        self.lift = nn.Linear(widths.nodes, width)
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(depth))
        self.modulate = mlp(latent, 128, 2 * width * depth)
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, widths.out))
        self.integral = WallIntegral(latent, widths.scalars) if widths.scalars else None
        # Blocks start unmodulated.
        for parameter in self.modulate[-1].parameters():
            nn.init.zeros_(parameter)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars); weight plays no part."""
        points, wall, cond = nodes(graph), walls(graph, cond=False), graph.cond
        hidden, latent = self.encoder(wall.x, wall.weight, wall.batch, cond)
        scalars = latent.new_zeros(len(cond), 0)
        if self.integral is not None:
            scalars = self.integral(hidden, wall.weight, wall.batch, latent)
        parts = self.modulate(latent).chunk(len(self.blocks), dim=1)

        def field(x: Tensor, batch: Tensor) -> Tensor:
            h = self.lift(x)
            for block, part in zip(self.blocks, parts, strict=True):
                h = self.run(block, h, part, batch if len(cond) > 1 else None)
            return self.project(h)

        return by_rows(field, 4 * self.lift.out_features, points.x, points.batch), scalars
