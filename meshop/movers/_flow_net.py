"""A learned mover whose nodes are carried by a flow: graph transformer, potentials, transport."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ..nn import Points, SliceAttention, mlp
from ..ops import gather_reduce
from ..solvers.saved import whole
from ._domain import Domain
from ._mover_net import MoverNet, Sampler

# As seen in training, by dimension: size of a cell in that of the domain, and its logarithm plus 3.
FINE, SEEN = {2: 0.0125, 3: 0.04}, {2: (-1.2, 0.5), 3: (-0.2, 0.5)}
SWEEPS = 200  # times at most that densities are smoothed
FINEST = 32  # steps, where a mesh asks for more
MOST = 2.0  # that a logarithm of density may change by: beyond, cells are drawn out too far


class MeshBlock(nn.Module):
    """Slices of the whole mesh, a node's neighbours, then the node: pre-norm residuals."""

    def __init__(self, width: int, heads: int, slices: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SliceAttention(width, heads, slices)
        self.near = nn.Linear(width, width)
        self.feed = mlp(width, 2 * width, width, act=nn.GELU)

    def forward(self, x: Tensor, points: Points, domain: Domain) -> Tensor:
        x = x + self.attention(self.norm1(x), points)
        y = self.norm2(x)
        around = gather_reduce(y, domain.index, domain.rowptr, reduce="mean") - y
        return x + self.feed(y + self.near(around))


class Reader(MoverNet):
    """What movers share whose network reads the monitor once: a graph transformer, which says
    nothing before it is trained."""

    features: ClassVar[int] = 9

    def __init__(
        self,
        *,
        steps: int = 4,
        width: int = 32,
        heads: int = 2,
        slices: int = 8,
        blocks: int = 2,
    ) -> None:
        super().__init__(
            steps=whole(steps, "steps", 1, 64), width=whole(width, "width", 1, 4096),
            heads=whole(heads, "heads", 1, 64), slices=whole(slices, "slices", 1, 4096),
            blocks=whole(blocks, "blocks", 0, 64),
        )  # fmt: skip
        self.lift = nn.Linear(self.features, width)
        self.blocks = nn.ModuleList(MeshBlock(width, heads, slices) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, self.outputs(steps))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def outputs(self, steps: int) -> int:
        """How many numbers it says at a node."""
        raise NotImplementedError

    def read(self, seen: Tensor, domain: Domain) -> Tensor:
        """(N, features) -> (N, outputs) float64."""
        x = self.lift(seen)
        for block in self.blocks:
            x = block(x, domain.nodes, domain)
        return self.head(self.norm(x)).double()


class FlowMover(Reader):
    """Nodes carried from the mesh as it is to a learned density, by a smooth flow.

    A graph transformer reads the monitor m once and says at each node what density of nodes is
    wanted, which the flow then brings about:
        log rho = log mu + 2 tanh((a log mu + r b) / 2), less the log of its mean,
                  mu = m over its mean,   r the root mean square of log mu
        v_k = u / ((1 - t_k) + t_k rho),   t_k = (k + 1/2) / steps
        div u = 1 - rho    as far as the boundary lets: see `Domain.carry`
    and x moves by v_k / steps. With a and b zero, as they are before training, this is the
    deformation method of Moser and Liao, whose steps are exact in the limit on convex domains. Near
    holes and corners the flow is smooth instead: a gradient, as that of Monge-Ampere, shears the
    cells there to pieces. One factorisation, and one look at where the nodes are for each step; a
    mesh that is so fine that it folds is carried anew, in twice as many.

    What the network sees are scalars: the way commutes with translations, rotations, mirrors and
    uniform scaling, and does not change where the monitor is multiplied. A constant monitor moves
    nothing.

    Sources: Moser, Trans. AMS 120 (1965); Liao, Anderson, Appl. Anal. 44 (1992); what reads the
    monitor after Zhang et al., UM2N, NeurIPS 2024 (arXiv 2407.00382).
    """

    kind: ClassVar[str] = "flow"

    def outputs(self, steps: int) -> int:
        return 2

    def forward(self, domain: Domain, monitor: Sampler) -> list[Tensor]:
        log_mu, spread, seen = look(domain, monitor(domain.points))
        found = self.read(seen, domain)
        change = smoothed(domain, found[:, 0] * log_mu + spread * found[:, 1])
        rho = (log_mu + MOST * torch.tanh(change / MOST)).exp()
        rho = rho / domain.mean(rho)
        way = domain.carry(1 - rho)
        known = torch.cat([way, domain.along(way)[:, None], rho[:, None]], 1)
        steps = self.config["steps"]
        out = carried(domain, known, steps)
        # A mesh alone goes in shorter steps where these fold it; batches, and training, do not.
        alone = len(domain.sizes) == 1 and not torch.is_grad_enabled()
        while alone and steps < FINEST and (domain.volumes(domain.moved(out[-1])) <= 0).any():
            steps *= 2
            out = carried(domain, known, steps)
        return out


def smoothed(domain: Domain, values: Tensor) -> Tensor:
    """(N,) averaged over neighbours as often as reaches a cell of the finest mesh of training.

    Layers see neighbours: on finer meshes they say as much from node to node, but nearer together.
    """
    times = ((FINE[domain.d] * domain.length / domain.cell) ** 2).clamp(max=SWEEPS).long()
    for k in range(int(times.max())):
        around = gather_reduce(values, domain.index, domain.rowptr, reduce="mean")
        values = torch.where(k < times, (values + around) / 2, values)
    return values


def carried(domain: Domain, known: Tensor, steps: int) -> list[Tensor]:
    """Displacements (N, d) after each of some steps; known (N, d + 2): u, its length along the
    curve that a point is on, and rho."""
    step, place, out = torch.zeros_like(domain.points), domain.points, []
    for k in range(steps):
        field = domain.sample(known, place) if k else known
        t = (k + 0.5) / steps
        slower = (1 - t + t * field[:, -1]) * steps
        step = step + domain.ahead(field[:, :-2], field[:, -2]) / slower[:, None]
        place = domain.moved(step)
        out.append(step)
    return out


def look(domain: Domain, monitor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log mu (N,), r (N,), and what the network sees (N, 9) float32."""
    size, d = domain.length, domain.d
    mu = monitor / domain.mean(monitor)
    log_mu = mu.log()
    spread = (domain.mean(log_mu * log_mu) + 1e-24).sqrt()
    slope = domain.derivatives(log_mu)
    ahead = domain.carry(1 - mu)
    many = torch.tensor(domain.sizes, dtype=size.dtype)[domain.batch]
    columns = [
        log_mu,
        4 * spread,
        (slope[:, :d] ** 2).sum(1) * size**2 / 16,
        slope[:, d] * size**2 / 16,
        4 * (slope[:, :d] * ahead).sum(1),
        64 * (ahead * ahead).sum(1) / size**2,
        (domain.mass * many).log(),
        ((domain.cell / size).log() + 3).clamp(*SEEN[d]),
        domain.boundary.double() - 0.5,
    ]
    return log_mu, spread, torch.asinh(torch.stack(columns, 1).float())
