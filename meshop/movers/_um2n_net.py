"""UM2N and M2N: an encoder that reads the monitor, and layers that move nodes to neighbours."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import MeshError
from ..nn import SliceAttention, mlp
from ..ops import edge_attention, segment_reduce
from ..solvers.saved import whole
from ._domain import Domain
from ._mover_net import MoverNet, Sampler


class AttentionMover(MoverNet):
    """Nodes moved to their neighbours: x_i' = mean over heads of sum_j alpha_ij x_j.

    A global encoder, each kind's own, a local one (an MLP on edges, summed at nodes), then `layers`
    of graph attention with h_i = W f_i,
        alpha_ij = softmax_j SELU(s (a . h_j + a' . h_i)),  f_i' = SELU(mean sum_j alpha_ij h_j)
    s = .2 for positions, 1 for features, each with a softmax of its own. A convex combination of
    neighbours inverts cells all the same, and n layers reach n rings of neighbours, whatever the
    size of the mesh.

    Where this differs from what was published: positions from the centroid in units of the domain's
    size and steps in units of a mean cell's (theirs as they are); the monitor over its mean;
    boundary nodes slide (theirs stay); widths of 64 for 256, 512, 256, 128. So it does not change
    with translation and uniform scaling, or when the monitor is multiplied; with rotation it does.
    """

    def __init__(self, encoder: int, heads: int, width: int, layers: int, dim: int, **more: int):
        super().__init__(
            encoder=whole(encoder, "encoder", 8, 4096), heads=whole(heads, "heads", 1, 64),
            width=whole(width, "width", 1, 4096), layers=whole(layers, "layers", 1, 64),
            dim=whole(dim, "dim", 2, 3), **more,
        )  # fmt: skip
        self.local = mlp(dim + 3, encoder, encoder, 15, act=nn.GELU)
        self.start = nn.Linear(dim + 1 + 32, width)
        self.layers = nn.ModuleList(
            Deformer(width + k * dim, width, heads) for k in range(1, layers + 1)
        )

    def seen(self, domain: Domain, place: Tensor, value: Tensor) -> Tensor:
        """(N, 16) what the global encoder says at nodes at place (N, d), of the monitor (N, 1)."""
        raise NotImplementedError

    def forward(self, domain: Domain, monitor: Sampler) -> list[Tensor]:
        if domain.d != self.config["dim"]:
            raise MeshError(
                f"a mesh of dimension {domain.d} for a mover of {self.config['dim']}",
                "its weights are for the other one",
                f"train one with dim={domain.d}, or a FlowMover",
            )
        value = monitor(domain.points)
        value = (value / domain.mean(value)).float()[:, None]
        cell = domain.cell[:, None]
        place = (domain.points - domain.mean(domain.points)) / domain.length[:, None]
        place = place.float()
        to, index = domain.receiver, domain.index
        way = ((domain.points[index] - domain.points[to]) / cell[to]).float()
        far = way.norm(dim=1, keepdim=True)
        near = F.selu(self.local(torch.cat([way, far, value[to], value[index]], 1)))
        near = segment_reduce(torch.cat([near, far], 1), domain.rowptr)
        wall = domain.boundary.float()[:, None]
        around = F.selu(self.seen(domain, place, value))
        h = F.selu(self.start(torch.cat([place, wall, near, around], 1)))
        step = torch.zeros_like(domain.points)
        past, out = [step], []
        for layer in self.layers:
            known = torch.cat([*((s / cell).float() for s in reversed(past)), h], 1)
            h, by = layer(known, domain.points + step, domain)
            step = domain.moved(step + by) - domain.points
            past.append(step)
            out.append(step)
        return out


class UM2N(AttentionMover):
    """The published mover: its global encoder is an MLP, one transformer block, an MLP.

    Source: Zhang et al., UM2N, NeurIPS 2024 (arXiv 2407.00382). Where this differs: attention in
    slices, of linear cost, for any batch (theirs is over all pairs, of meshes of equal size); and
    as `AttentionMover` says.
    """

    kind: ClassVar[str] = "um2n"

    def __init__(
        self,
        *,
        encoder: int = 64,
        heads: int = 4,
        slices: int = 16,
        width: int = 64,
        layers: int = 4,
        dim: int = 2,
    ) -> None:
        slices = whole(slices, "slices", 1, 4096)
        super().__init__(encoder, heads, width, layers, dim, slices=slices)
        self.lift = mlp(dim + 1, encoder, encoder, act=nn.GELU)
        self.norm1, self.norm2 = nn.LayerNorm(encoder), nn.LayerNorm(encoder)
        self.attention = SliceAttention(encoder, heads, slices)
        self.feed = mlp(encoder, 4 * encoder, encoder, act=nn.GELU)
        self.lower = mlp(encoder, encoder, 16, act=nn.GELU)

    def seen(self, domain: Domain, place: Tensor, value: Tensor) -> Tensor:
        x = self.lift(torch.cat([place, value], 1))
        x = x + self.attention(self.norm1(x), domain.nodes)
        return self.lower(x + self.feed(self.norm2(x)))


class M2N(AttentionMover):
    """UM2N's predecessor: its global encoder is a convolutional network, the same at all nodes.

    The monitor on a grid of 20 points a side over the mesh's bounding box, outside the domain that
    of the nearest point, then convolutions to 32, 64, 32 and 16 channels, and the mean.
    Source: Song et al., M2N, NeurIPS 2022 (arXiv 2204.11188). Where this differs: the grid is of
    the mesh's box (theirs of the unit square, which all meshes fill); and as `AttentionMover` says.
    """

    kind: ClassVar[str] = "m2n"

    def __init__(
        self,
        *,
        encoder: int = 64,
        heads: int = 4,
        width: int = 64,
        layers: int = 4,
        side: int = 20,
        dim: int = 2,
    ) -> None:
        side = whole(side, "side", 2, 256)
        super().__init__(encoder, heads, width, layers, dim, side=side)
        conv = nn.Conv2d if dim == 2 else nn.Conv3d
        self.grid = nn.Sequential(
            conv(1, 32, 3, padding=1), nn.SELU(), conv(32, 64, 5, padding=2), nn.SELU(),
            conv(64, 32, 3, padding=2), nn.SELU(), conv(32, 16, 3, padding=2),
        )  # fmt: skip

    def seen(self, domain: Domain, place: Tensor, value: Tensor) -> Tensor:
        side, d = self.config["side"], domain.d
        axis = torch.linspace(0, 1, side, dtype=torch.float64)
        unit = torch.cartesian_prod(*[axis] * d)
        boxes = [(x.amin(0), x.amax(0)) for x in domain.points.split(domain.sizes)]
        queries = torch.cat([low + unit * (high - low) for low, high in boxes])
        image = domain.sample(value, queries, (len(unit),) * len(boxes))
        found = self.grid(image.reshape(len(boxes), 1, *[side] * d))
        return F.selu(found).flatten(2).mean(2)[domain.batch]


class Deformer(nn.Module):
    """One layer: features (N, C) to (N, width), and steps (N, d) to the mean of neighbours."""

    def __init__(self, inputs: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.value = nn.Linear(inputs, heads * width, bias=False)
        self.ends = nn.Parameter(torch.randn(2, heads, width) / width**0.5)

    def forward(self, f: Tensor, x: Tensor, domain: Domain) -> tuple[Tensor, Tensor]:
        h = self.value(f).unflatten(1, (self.heads, -1))
        sent, got = ((h * end).sum(-1) for end in self.ends)
        logit = sent[domain.index] + got[domain.receiver]
        none, edges = h[..., :0], (domain.index, domain.rowptr)
        features = edge_attention(none, none, h, *edges, F.selu(logit)).mean(1)
        pull = F.selu(0.2 * logit).to(x.dtype)
        none = none.to(x.dtype)
        _, steps = edge_attention(none, none, none, *edges, pull, coords=x)
        return F.selu(features), steps.mean(1)
