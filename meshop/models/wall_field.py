"""WallField: a neural field on the nodes, conditioned on the wall. Local, and cheap around bodies.

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
from ..nn import nodes
from ..nn.rows import by_rows
from ._modulated import ModulatedField
from ._operator import Widths


class WallField(ModulatedField):
    """Neural field on the nodes, conditioned on the wall and the conditions.

    width of the blocks, depth their number, latent the size of z.
    """

    paper = "meshop; after Perez et al. 2018, Serrano et al. 2023, Zaheer et al. 2017"
    cost = "O(L C^2)"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 160,
        depth: int = 6,
        latent: int = 96,
    ) -> None:
        super().__init__(widths, width=width, depth=depth, latent=latent)
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, widths.out))

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars); weight plays no part."""
        points = nodes(graph)
        _, _, latent, scalars = self.encode(graph)
        parts = self.modulations(latent)

        def field(x: Tensor, batch: Tensor) -> Tensor:
            return self.project(self.modulated(self.lift(x), parts, batch))

        return by_rows(field, 4 * self.width, points.x, points.batch), scalars
