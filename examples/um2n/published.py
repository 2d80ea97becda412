"""DMM as published, on the unit square, beside `movers.DMM` and Monge-Ampere.

    python examples/um2n/published.py --seconds 300

phi(m; xi) = head(branch(m on 48 x 48 sensors), trunk(xi)); x = xi + grad phi, by autograd.
Minimised, over points drawn as dense as the monitor is high:
    mean (m det(I + D^2 phi) / theta - 1)^2 + 1000 mean_boundary (d_n phi)^2
        + mean (min(0, 1 + phi_xx)^2 + min(0, 1 + phi_yy)^2)
Source: Hu et al., ICLR 2024 (arXiv 2312.05583), the array variant, and its code. Where this
differs: layers are a quarter as wide (512 there: 150 epochs of that are days of one core), m is
read at x by bilinear interpolation of an exact grid (theirs pulls the gradient back to xi), the
network reads log m (theirs a solution), and the last layer is not trained again by BFGS.

Then squares that neither has seen (`data.sample`: Hessian monitors of P1 solutions): what is left
of the residual, cells that would be inverted without the limiter, reduction of the error in L2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import fem
import numpy as np
import torch
import torch.nn.functional as F
from data import Sample, problem, sample
from torch import Tensor, nn
from train import residual

from meshop import movers
from meshop.mesh import Mesh

SENSORS, FINE = 48, 96
FIELDS, POINTS, WALL = 16, 120, 40


class Published(nn.Module):
    """phi (B, P) of log m (B, 48, 48) at xi (B, P, 2)."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 5, 2, 2)
        self.inner = nn.ModuleList([nn.Conv2d(8, 16, 5, 1, 2), nn.Conv2d(16, 8, 5, 1, 2)])
        self.last = nn.Conv2d(8, 1, 5, 2, 2)
        self.branch = nn.Sequential(
            nn.Linear((SENSORS // 4) ** 2, 2 * width), nn.Tanh(), nn.Linear(2 * width, width)
        )
        self.trunk = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, width), nn.Tanh())
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, log_m: Tensor, xi: Tensor) -> Tensor:
        h = torch.tanh(self.first(log_m[:, None]))
        a, b = self.inner
        h = h + torch.tanh(b(torch.tanh(a(h))))
        code = self.branch(torch.tanh(self.last(h)).flatten(1))
        both = torch.cat([code[:, None].expand(-1, xi.shape[1], -1), self.trunk(xi)], 2)
        return self.head(both)[..., 0]


def derivatives(net: Published, log_m: Tensor, xi: Tensor) -> tuple[Tensor, Tensor]:
    """grad phi (B, P, 2) and D^2 phi (B, P, 2, 2), differentiable in the weights."""
    xi = xi.detach().requires_grad_()
    (slope,) = torch.autograd.grad(net(log_m, xi).sum(), xi, create_graph=True)
    rows = [
        torch.autograd.grad(slope[..., i].sum(), xi, create_graph=True, retain_graph=True)[0]
        for i in (0, 1)
    ]
    return slope, torch.stack(rows, 2)


def at(grid: Tensor, x: Tensor) -> Tensor:
    """(B, P) bilinear values of grids (B, n, n), of rows y, at x (B, P, 2)."""
    found = F.grid_sample(
        grid[:, None], 2 * x[:, None] - 1, padding_mode="border", align_corners=True
    )
    return found[:, 0, 0]


def sensors(grid: Tensor) -> Tensor:
    log_m = F.interpolate(grid[:, None], (SENSORS, SENSORS), mode="bilinear", align_corners=True)
    log_m = log_m[:, 0].log()
    return log_m - log_m.mean((1, 2), keepdim=True)


def loss(net: Published, grid: Tensor, random: torch.Generator) -> Tensor:
    b = len(grid)
    many = torch.rand(b, 40 * POINTS, 2, generator=random)
    pick = torch.multinomial(at(grid, many), POINTS, generator=random)
    xi = many.gather(1, pick[..., None].expand(-1, -1, 2))
    log_m = sensors(grid)
    slope, bend = derivatives(net, log_m, xi)
    det = (1 + bend[..., 0, 0]) * (1 + bend[..., 1, 1]) - bend[..., 0, 1] * bend[..., 1, 0]
    theta = grid.mean((1, 2))[:, None]  # int m det is int m
    rest = at(grid, xi + slope) * det / theta - 1
    folded = sum(F.relu(-1 - bend[..., i, i]) ** 2 for i in (0, 1))
    side = torch.rand(b, WALL, generator=random)
    wall = torch.stack([side, (torch.arange(WALL) % 2).expand_as(side).float()], 2)
    across = torch.cat(
        [derivatives(net, log_m, edge)[0][..., i] for i, edge in ((1, wall), (0, wall.flip(2)))], 1
    )
    return (rest**2).mean() + 1000 * (across**2).mean() + folded.mean()


def grids(count: int) -> Tensor:
    """(count, 96, 96) monitors of the kinds that DMM is trained on."""
    from data import function

    axis = np.linspace(0, 1, FINE)
    points = np.stack(np.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    a = (np.arange(FINE - 1)[:, None] * FINE + np.arange(FINE - 1)).ravel()
    cells = np.stack([a, a + 1, a + FINE + 1, a + FINE], 1)
    mesh = Mesh.from_blocks(points, [("quad", cells)])
    out = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        beta = float(np.exp(random.uniform(np.log(2), np.log(20))))
        out.append(function(mesh, problem(mesh, random), beta, random))
    return torch.stack(out).float().view(count, FINE, FINE)


def train(seconds: float, rate: float = 1e-3) -> tuple[Published, int]:
    """For so many processor seconds, by Adam, and the number of steps."""
    known = grids(1000)
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    net = Published()
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=1e-5)
    start, count = time.process_time(), 0
    while (part := (time.process_time() - start) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * (1 + np.cos(np.pi * part)) / 2)
        found = loss(net, known[torch.randint(len(known), (FIELDS,), generator=random)], random)
        optimizer.zero_grad()
        found.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        count += 1
        if count % 200 == 0:
            print(f"step {count}: {float(found.detach()):.3f}, {100 * part:.0f} %", flush=True)
    return net, count


def by_published(net: Published, one: Sample, mesh: Mesh) -> movers.Moved:
    axis = np.linspace(0, 1, SENSORS)
    points = np.stack(np.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    read = one.domain.mean(one.monitor).new_tensor(
        mesh.p1().field(one.monitor.numpy())(np.column_stack([points, np.zeros(len(points))]))
    )
    log_m = sensors(read.float().view(1, SENSORS, SENSORS))
    slope, _ = derivatives(net, log_m, one.domain.points.float()[None])
    return movers.move(mesh, slope[0].detach().double().numpy())


def compare(choice: dict[str, Callable[[Sample, Mesh], movers.Moved]], count: int) -> str:
    lines = ["mover             residual  inverted without the limiter  reduction %   ms"]
    for name, mover in choice.items():
        rows = []
        for seed in range(count):
            one = sample(10_000 + seed, holes=0.0)
            cells = one.domain.simplices.numpy()
            mesh = Mesh.from_blocks(one.domain.points.numpy(), [("triangle", cells)])
            start = time.process_time()
            moved, report = mover(one, mesh)
            spent = time.process_time() - start
            x = torch.from_numpy(moved.points[:, :2].copy())
            left = residual(one.domain, x, one.domain.sample(one.monitor, x))
            first = residual(one.domain, one.domain.points, one.monitor)
            after = fem.solve(one.domain, x, one.problem)[1]
            part = float(left / first), report.proposed, 100 - 100 * float(after / one.error)
            rows.append((*part, 1e3 * spent))
        mean = np.mean(rows, axis=0)
        lines.append(f"{name:16}  {mean[0]:8.3f}  {mean[1]:28.1f}  {mean[2]:11.1f}  {mean[3]:3.0f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="of training, processor time")
    parser.add_argument("--cases", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    net, steps = train(options.seconds)
    size = sum(p.numel() for p in net.parameters())
    print(f"as published: {size:,} parameters, {steps} steps in {options.seconds:g} s")
    choice = {
        "as published": lambda one, mesh: by_published(net, one, mesh),
        "dmm": lambda one, mesh: movers.dmm(mesh, one.monitor.numpy()),
        "dmm, untrained": lambda one, mesh: movers.dmm(mesh, one.monitor.numpy(), net=movers.DMM()),
        "Monge-Ampere": lambda one, mesh: movers.monge_ampere(mesh, one.monitor.numpy()),
    }
    print(compare(choice, options.cases))


if __name__ == "__main__":
    main()
