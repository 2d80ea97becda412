"""GridField: a neural field on the nodes over a latent grid. meshop's default inside domains.

    z = sum_w share_w phi(token_w, c)                       wall and conditions, one latent a case
    v = enter([place, c, z, nearest token]) + B known([x, a, c])        on a grid over [-1, 1]^D
    v <- gelu(W v + b + F^-1(R_k . (F v)_k)),  L layers, the last without gelu
    h = W_x [x, a, c] + W_v v(pos);  h <- h + block(h; scale(z), shift(z));  out = W_o LN(h)

`WallField` knows the wall as a whole and is local otherwise. Inside a domain the solution at a
place hangs on the boundary and the known fields a everywhere, which the grid carries there: a
Fourier neural operator (Li et al., ICLR 2021, arXiv 2010.08895) of few modes, read by linear
interpolation. What the grid is given is known without the mesh (places; the nearest boundary token,
its distance at several scales and its data), so a node's answer depends on no other node, and the
answers of two meshes of one domain agree. Only known fields (B, a `GridBridge`) are sums over
nodes. The field on the nodes is WallField's (FiLM: Perez et al., 2018) and holds what is finer than
the grid.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import FiLMBlock, Points, WallEncoder, WallIntegral, mlp, nodes, walls
from ..nn.grid_bridge import GridBridge, unit_boxes
from ..nn.spectral import FourierLayer
from ..ops import knn
from ._operator import Operator, Widths

SCALES = (0.06, 0.2, 0.6, 2.0)  # of distances to the boundary, in half sides of the box


class GridField(Operator):
    """Neural field on the nodes over a latent grid; the default inside domains.

    width of the nodes' blocks, depth their number, latent the size of z; grid: points along each
    side (32 in 2-D and 16 in 3-D where None) of `channels`; modes: frequencies kept along each axis
    (6 and 4), layers of them. Positions are expected in [-1, 1], as surrogates scale them; beyond,
    the grid's edge is read.
    """

    paper = "meshop; after Li et al. 2021, Perez et al. 2018"
    cost = "O(L C^2 + 2^D C); once a graph O(L G^D C (C + log G)), grids of G^D points"
    tokens = True
    positions = True
    translation = False
    pointwise = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        depth: int = 4,
        latent: int = 96,
        grid: int | None = None,
        channels: int = 24,
        modes: int | None = None,
        layers: int = 4,
    ) -> None:
        super().__init__(widths)
        dim = widths.dim
        grid = grid or (32 if dim == 2 else 16)
        modes = modes or (6 if dim == 2 else 4)
        self.shape = (grid,) * dim
        self.pointwise = not widths.inputs
        self.encoder = WallEncoder(widths.walls - widths.cond, widths.cond, latent)
        self.near = dim + len(SCALES) + latent
        self.enter = mlp(dim + widths.cond + latent + self.near, 128, channels)
        if widths.inputs:
            self.known = mlp(widths.nodes, 128, channels)
        self.layers = nn.ModuleList(
            FourierLayer(channels, modes, dim, grid // 8, i == layers - 1) for i in range(layers)
        )
        self.lift = nn.Linear(widths.nodes, width)
        self.read = nn.Linear(channels, width, bias=False)
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(depth))
        self.modulate = mlp(latent, 128, 2 * width * depth)
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, widths.out))
        self.integral = WallIntegral(latent, widths.scalars) if widths.scalars else None
        # Blocks start unmodulated.
        for parameter in self.modulate[-1].parameters():
            nn.init.zeros_(parameter)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points, wall, cond = nodes(graph), walls(graph, cond=False), graph.cond
        hidden, latent = self.encoder(wall.x, wall.weight, wall.batch, cond)
        scalars = latent.new_zeros(len(cond), 0)
        if self.integral is not None:
            scalars = self.integral(hidden, wall.weight, wall.batch, latent)
        bridge = GridBridge(
            points if self.widths.inputs else wall,
            unit_boxes(len(cond), points.pos),
            self.shape,
        )
        v = self.enter(self.grid(bridge, wall, hidden, torch.cat([cond, latent], dim=1)))
        v = v.unflatten(1, self.shape)
        if self.widths.inputs:
            v = v + bridge.to_grid(self.known(points.x))
        for layer in self.layers:
            v = self.run(layer, v)
        h = self.lift(points.x) + self.read(bridge.at(v, points.pos, points.batch))
        batch = points.batch if len(cond) > 1 else None
        for block, part in zip(
            self.blocks, self.modulate(latent).chunk(len(self.blocks), dim=1), strict=True
        ):
            h = self.run(block, h, part, batch)
        return self.project(h), scalars

    def grid(self, bridge: GridBridge, wall: Points, hidden: Tensor, case: Tensor) -> Tensor:
        """(B, G^D, F) what the grid points know: place, `case` (B, K), and of the nearest boundary
        token where it lies, how far, and its `hidden` state; zeros where there is none."""
        count, size = len(case), prod(self.shape)
        place = 2 * bridge.places().flatten(0, -2) - 1
        every = place.repeat(count, 1)
        near = case.new_zeros(len(every), self.near)
        if len(wall):
            with torch.no_grad():
                ptr = torch.tensor([0, *wall.sizes], device=every.device).cumsum(0)
                steps = size * torch.arange(count + 1, device=every.device)
                found = knn(wall.pos.to(every), 1, every, ptr=ptr, query_ptr=steps)
                has = found.rowptr.diff().nonzero()[:, 0]
                away = wall.pos.to(every)[found.index] - every[has]
                scale = away.new_tensor(SCALES)
                far = torch.exp(-away.norm(dim=1, keepdim=True) / scale)
            known = torch.cat([away.to(hidden), far.to(hidden), hidden[found.index]], dim=1)
            near = near.to(known.dtype).index_copy(0, has, known)
        case = case.repeat_interleave(size, dim=0)
        return torch.cat([every.to(case), case, near.to(case)], dim=1).unflatten(0, (count, size))
