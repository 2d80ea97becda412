"""What fields on the nodes share: a latent of the wall and the conditions that modulates blocks."""

from __future__ import annotations

from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import FiLMBlock, Points, WallEncoder, WallIntegral, mlp, walls
from ._operator import Operator, Widths


class ModulatedField(Operator):
    """h <- h + block(h; scale(z), shift(z)), L blocks, z = sum_w share_w phi(w, c).

    width of the blocks, depth their number, latent the size of z. A subclass lifts and projects.
    """

    tokens = True
    pointwise = True

    def __init__(self, widths: Widths, *, width: int, depth: int, latent: int) -> None:
        super().__init__(widths)
        self.width = width
        self.encoder = WallEncoder(widths.tokens + widths.wall_inputs, widths.cond, latent)
        self.lift = nn.Linear(widths.nodes, width)
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(depth))
        self.modulate = mlp(latent, 128, 2 * width * depth)
        self.integral = WallIntegral(latent, widths.scalars) if widths.scalars else None
        # Blocks start unmodulated.
        for parameter in self.modulate[-1].parameters():
            nn.init.zeros_(parameter)

    def encode(self, graph: MeshGraph) -> tuple[Points, Tensor, Tensor, Tensor]:
        """The wall, its tokens' hidden states (W, Z), latents z (B, Z) and scalars (B, scalars)."""
        wall, cond = walls(graph, cond=False), graph.cond
        hidden, latent = self.encoder(wall.x, wall.weight, wall.batch, cond)
        scalars = latent.new_zeros(len(cond), 0)
        if self.integral is not None:
            scalars = self.integral(hidden, wall.weight, wall.batch, latent)
        return wall, hidden, latent, scalars

    def modulations(self, latent: Tensor) -> tuple[Tensor, ...]:
        """(B, 2 width) scale and shift of each block."""
        return self.modulate(latent).chunk(len(self.blocks), dim=1)

    def modulated(self, h: Tensor, parts: tuple[Tensor, ...], batch: Tensor) -> Tensor:
        """h (n, width) of nodes in graphs `batch` (n,) after the blocks."""
        for block, part in zip(self.blocks, parts, strict=True):
            h = self.run(block, h, part, batch if len(part) > 1 else None)
        return h
