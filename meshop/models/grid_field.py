"""GridField: a neural field on the nodes over a latent grid. meshop's default.

    z = sum_w share_w phi(token_w, c)                       wall and conditions, one latent a case
    s = W_s silu(W_x place + W_c [c, z] + W_t nearest token),  s <- s + gelu(K s)      on a grid
    v = s + B known([x, a, c]),  v <- v + (1 + W_g s) . half(K v)    K v = W v + b + F^-1(R_k . F v)
    h = W_x [x, a, c] + W_v v(pos),  h <- h + block(h; scale(z), shift(z))
    out = W_o LN(h) + W_p (LN(h) . W_m v(pos))

`WallField` knows the wall as a whole and is local otherwise. Inside a domain the solution at a
place hangs on the boundary and the known fields a everywhere, which the grid carries there: a
Fourier neural operator (Li et al., ICLR 2021, arXiv 2010.08895) of few modes, read by linear
interpolation. The shape s of the case multiplies what passes, twice: a linear problem's solution is
a product of the two, which sums and GELUs have to learn (gates: Dauphin et al., ICML 2017); half of
the channels pass a GELU too, for problems that are not linear. What the grid is given is known
without the mesh (places; the nearest boundary token, its distance at several scales and its data),
so a node's answer depends on no other node, and the answers of two meshes of one domain agree. Only
known fields (B, a `GridBridge`) are sums over nodes. The field on the nodes is WallField's (FiLM:
Perez et al., 2018) and holds what is finer than the grid.

Known fields act through a kernel that is the same all over space, and the grid is that of [-1,
1]^D for every case. Without them the answer is the shape's, and the grid is stretched to the box of
each case where these differ: shapes of one family then look alike (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import Points, mlp, nodes
from ..nn.grid_bridge import GridBridge, set_boxes, unit_boxes
from ..nn.rows import by_rows, through
from ..nn.spectral import FourierLayer
from ..ops import knn
from ._modulated import ModulatedField
from ._operator import Widths

HIDDEN = 128  # width of the MLP that enters the grid
SCALES = (0.06, 0.2, 0.6, 2.0)  # of distances to the boundary, in half sides of the box


class GridField(ModulatedField):
    """Neural field on the nodes over a latent grid; the default.

    width of the nodes' blocks, depth their number, latent the size of z; grid: points along each
    side (32 in 2-D and 16 in 3-D where None) of `channels`; modes: frequencies kept along each axis
    (6 and 4), one number or one for each axis, as of the grid; `layers` of gated layers after two
    of the shape's own. stretch: each case's grid spans the box of its boundary tokens (None: where
    `Widths.boxes`, and no field is known), else [-1, 1]^D, to which surrogates scale positions;
    beyond, the grid's edge is read. Of a long channel, [-1, 1]^D is mostly empty: stretch, and a
    grid with as many points along each side as are wanted there.
    """

    paper = "meshop; after Li et al. 2021, Perez et al. 2018"
    cost = "O(L C^2 + 2^D C); once a graph O(L G^D C (C + log G)), grids of G^D points"
    positions = True
    translation = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        depth: int = 1,
        latent: int = 96,
        grid: int | Sequence[int] | None = None,
        channels: int = 24,
        modes: int | Sequence[int] | None = None,
        layers: int = 4,
        stretch: bool | None = None,
    ) -> None:
        super().__init__(widths, width=width, depth=depth, latent=latent)
        dim = widths.dim
        grid = grid or (32 if dim == 2 else 16)
        modes = modes or (6 if dim == 2 else 4)
        self.shape = (grid,) * dim if isinstance(grid, int) else tuple(grid)
        if len(self.shape) != dim:
            raise ValueError(f"grid {self.shape}: expected one number, or {dim}")
        self.pointwise = not widths.inputs
        if stretch is None:
            stretch = widths.boxes and not widths.inputs and not widths.wall_inputs
        self.stretch = stretch
        # The first layer of an MLP in parts: a row for each case and token, not for each place.
        self.place = nn.Linear(2 * dim + len(SCALES), HIDDEN)
        self.case = nn.Linear(widths.cond + latent, HIDDEN, bias=False)
        self.token = nn.Linear(latent, HIDDEN, bias=False)
        self.enter = nn.Linear(HIDDEN, channels)
        if widths.inputs:
            self.known = mlp(widths.nodes, 128, channels)
        pad = [n // 8 for n in self.shape]
        self.shapes = nn.ModuleList(FourierLayer(channels, modes, dim, pad) for _ in range(2))
        self.layers = nn.ModuleList(
            FourierLayer(channels, modes, dim, pad, last=True) for _ in range(layers)
        )
        self.gates = nn.ModuleList(nn.Linear(channels, channels) for _ in range(layers))
        self.read = nn.Linear(channels, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, widths.out)
        self.mix = nn.Linear(channels, width, bias=False)
        self.product = nn.Linear(width, widths.out, bias=False)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = nodes(graph)
        wall, hidden, latent, scalars = self.encode(graph)
        boxes = set_boxes(wall) if self.stretch else unit_boxes(len(latent), points.pos)
        bridge = GridBridge(points if self.widths.inputs else wall, boxes, self.shape)
        shape = self.known_places(bridge, wall, hidden, torch.cat([graph.cond, latent], dim=1))
        for layer in self.shapes:
            shape = shape + self.run(layer, shape)
        v = shape
        if self.widths.inputs:
            v = v + bridge.to_grid(through(self.known, points.x))
        for layer, gate in zip(self.layers, self.gates, strict=True):
            v = self.run(gated, layer, gate, shape, v)
        parts = self.modulations(latent)

        def field(x: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
            here = bridge.at(v, pos, batch)
            h = self.modulated(self.lift(x) + self.read(here), parts, batch)
            h = self.norm(h)
            return self.project(h) + self.product(h * self.mix(here))

        x = points.x, points.pos, points.batch
        return by_rows(field, 4 * self.width, *x, gathers=True), scalars

    def known_places(
        self, bridge: GridBridge, wall: Points, hidden: Tensor, case: Tensor
    ) -> Tensor:
        """(B, *grid, C) from what the grid points know: place, `case` (B, K), and of the nearest
        boundary token where it lies, how far, and its `hidden` state; none where there is none."""
        count, size = len(case), prod(self.shape)
        place = bridge.places().flatten(0, -2)
        every = (bridge.boxes.lo[:, None] + bridge.boxes.size[:, None] * place).flatten(0, 1)
        every = every.to(wall.pos)
        near = every.new_zeros(len(every), every.shape[1] + len(SCALES))
        first = self.case(case).repeat_interleave(size, dim=0)
        if len(wall):
            with torch.no_grad():
                ptr = torch.tensor([0, *wall.sizes], device=every.device).cumsum(0)
                steps = size * torch.arange(count + 1, device=every.device)
                found = knn(wall.pos, 1, every, ptr=ptr, query_ptr=steps)
                has = found.rowptr.diff().nonzero()[:, 0]
                away = wall.pos[found.index] - every[has]
                scale = away.new_tensor(SCALES)
                far = torch.exp(-away.norm(dim=1, keepdim=True) / scale)
                near[has] = torch.cat([away, far], dim=1)
            first = first.index_add(0, has, self.token(hidden)[found.index])
        first = first + self.place(torch.cat([every, near], dim=1).to(first.dtype))
        return self.enter(F.silu(first)).unflatten(0, (count, *self.shape))


def gated(layer: nn.Module, gate: nn.Module, shape: Tensor, v: Tensor) -> Tensor:
    """v + (1 + W_g s) . [K v of one half of the channels, gelu(K v) of the other]."""
    straight, bent = layer(v).chunk(2, dim=-1)
    return v + (1 + gate(shape)) * torch.cat([straight, F.gelu(bent)], dim=-1)
