"""A neural solver with an embedded moving mesh (MM-PDE), beside the same without its movement.

    python examples/moving_mesh/study.py --seconds 60 --seeds 0 1

One step of Burgers' equation (`burgers.py`), read and written on a coarse uniform mesh:
    u' = u + G0(u) + I2 G1(I1 u)
G0, a message-passing network (`models.MPPDE`), on the uniform mesh; G1, another one, on that mesh
moved to where u is steep, by `movers.dmm`, frozen; I1 and I2 are P1 interpolation to the moved mesh
and back, by location, exact for linear fields. The control is the same with the mesh unmoved, so
that I1 = I2 = 1: as many parameters, the same order of samples, as much processor time.
"random" moves the mesh as far, by the movement that belongs to another case's state.
Source: Hu et al., "Better Neural PDE Solvers Through Data-Free Mesh Movers", ICLR 2024 (arXiv
2312.05583); there both interpolations are learned, of 30 neighbours, and a third branch is added.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import NamedTuple

import burgers
import numpy as np
import torch
from torch import Tensor, nn

from meshop import movers, ops
from meshop.bench import along, in_polygon, triangulate
from meshop.graph import MeshGraph
from meshop.mesh import Mesh
from meshop.models import Widths
from meshop.models.mp_pde import MPPDE

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
BATCH = 4
CHANGE = 0.1  # of u in a step, about: what the networks give is in this unit


class Moved(NamedTuple):
    """Where a mesh's points are, and interpolation to there and back: nodes (N, 3), weights."""

    points: Tensor
    mass: Tensor
    there: tuple[Tensor, Tensor]
    back: tuple[Tensor, Tensor]


class Place:
    """The uniform mesh, and moved ones."""

    def __init__(self, h: float) -> None:
        random = np.random.default_rng(0)
        at, cells = triangulate([along(SQUARE, h)], lambda x: in_polygon(SQUARE, x), h, random)
        self.mesh = Mesh.from_blocks(at, [("triangle", cells)])
        self.domain = movers.Domain.of(self.mesh)
        n = self.mesh.n_points
        node, one = torch.arange(n)[:, None].expand(n, 3), torch.zeros(n, 3)
        one[:, 0] = 1
        self.still = Moved(self.domain.points, self.domain.mass, (node, one), (node, one))

    def moved(self, u: np.ndarray) -> Moved:
        """To where u (N,) is steep: m = 1 + log(1 + |grad u| / a tenth of its mean), smoothed."""
        slope = np.linalg.norm(self.mesh.p1().gradient(u), axis=1)
        monitor = 1 + np.log1p(slope / (0.1 * slope.mean() + 1e-9))
        monitor = movers.smoothed(self.mesh, monitor, 1.0)
        points = torch.from_numpy(movers.dmm(self.mesh, monitor).mesh.points[:, :2].copy())
        mass = points.new_zeros(len(points)).index_add(
            0, self.domain.simplices.reshape(-1),
            self.domain.volumes(points).repeat_interleave(3) / 3,
        )  # fmt: skip
        there = self._located(self.domain.points, points)
        return Moved(points, mass, there, self._located(points, self.domain.points))

    def _located(self, points: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        cells = self.domain.simplices
        found = ops.locate(
            points, torch.full((len(cells),), 5, dtype=torch.uint8),
            torch.arange(len(cells) + 1) * 3, cells.reshape(-1), queries,
        )  # fmt: skip
        return found.nodes.clamp_min(0), found.weights.float()

    def graph(self, u: Tensor, points: Tensor, mass: Tensor) -> MeshGraph:
        """Of a batch: u (B, N), points (B, N, 2), mass (B, N)."""
        b, n = u.shape
        start = torch.arange(b)[:, None] * n
        one = self.domain
        index, to = ((v[None] + start).reshape(-1) for v in (one.index, one.receiver))
        ends = (one.rowptr[1:] + torch.arange(b)[:, None] * len(one.index)).reshape(-1)
        wall = self.domain.boundary.float().repeat(b)[:, None]
        return MeshGraph(
            pos=points.reshape(-1, 2).float(), x=wall, inputs=u.reshape(-1, 1),
            weight=mass.reshape(-1).float(), cond=u.new_zeros(b, 0),
            edge_index=torch.stack([index, to]), rowptr=torch.cat([ends.new_zeros(1), ends]),
            ptr=torch.arange(b + 1) * n,
        )  # fmt: skip


def interpolated(values: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
    """(B, N) of values (B, N) by nodes and weights (B, N, 3)."""
    near = values.gather(1, nodes.flatten(1)).view(nodes.shape)
    return (near * weights).sum(2)


class TwoMeshes(nn.Module):
    """u (B, N) one step on."""

    def __init__(self, place: Place, width: int = 24, layers: int = 3) -> None:
        super().__init__()
        self.place = place
        widths = Widths(features=1, inputs=1, out=1)
        self.still, self.moving = (
            MPPDE(widths, width=width, layers=layers, norm="layer") for _ in range(2)
        )

    def forward(self, u: Tensor, moved: list[Moved]) -> Tensor:
        place, b = self.place, len(u)
        one = place.still
        plain = place.graph(u, one.points.expand(b, -1, -1), one.mass.expand(b, -1))
        points, mass, *ways = zip(*moved, strict=True)
        points, mass = torch.stack(points), torch.stack(mass)
        there, back = ([torch.stack(v) for v in zip(*way, strict=True)] for way in ways)
        other = place.graph(interpolated(u, *there), points, mass)
        rate = self.still(plain).view(b, -1)
        rate = rate + interpolated(self.moving(other).view(b, -1), *back)
        return (u + CHANGE * rate) * ~place.domain.boundary  # u = 0 there


def rollout(net: TwoMeshes, first: Tensor, kind: str, known: list[list[Moved]]) -> Tensor:
    """(STEPS + 1, B, N) from states (B, N), one mesh moved anew for each."""
    place, out = net.place, [first]
    with torch.no_grad():
        for k in range(burgers.STEPS):
            u = out[-1]
            if kind == "moving":
                moved = [place.moved(one.double().numpy()) for one in u]
            else:
                moved = [place.still] * len(u) if kind == "control" else known[k]
            out.append(net(u, moved))
    return torch.stack(out)


def errors(found: Tensor, exact: Tensor, mass: Tensor) -> np.ndarray:
    """(B,) relative L2 over all steps."""
    miss = ((found - exact) ** 2 @ mass.float()).sum(0) / (exact**2 @ mass.float()).sum(0)
    return miss.sqrt().numpy()


def train(
    net: TwoMeshes, data: Tensor, moved: list[list[Moved]], seconds: float, seed: int, rate: float
) -> int:
    """One step ahead, with noise, for so many processor seconds; the number of updates."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    mass, count, start = net.place.domain.mass.float(), 0, time.process_time()
    while (part := (time.process_time() - start) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * (1 + np.cos(np.pi * part)) / 2)
        k = torch.randint(burgers.STEPS, (BATCH,), generator=random)
        case = torch.randint(data.shape[1], (BATCH,), generator=random)
        u = data[k, case] + 0.01 * torch.randn(BATCH, data.shape[2], generator=random)
        pick = [moved[int(i)][int(j)] for i, j in zip(k, case, strict=True)]
        miss = net(u * ~net.place.domain.boundary, pick) - data[k + 1, case]
        loss = (miss**2 @ mass).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of training, processor time")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--kinds", nargs="*", default=["control", "moving", "random"])
    parser.add_argument("--cases", type=int, default=60, help="a fifth is held out")
    parser.add_argument("--size", type=float, default=0.05, help="of a coarse cell")
    parser.add_argument("--rate", type=float, default=2e-3)
    options = parser.parse_args()
    if options.cases < 5:
        parser.error(f"--cases {options.cases}: expected at least 5")
    torch.set_num_threads(1)
    place = Place(options.size)
    whole = burgers.series(options.cases)
    data = torch.from_numpy(burgers.at(whole, place.mesh.points[:, :2])).float()
    moved = [[place.moved(u.double().numpy()) for u in step] for step in data[:-1]]
    held = options.cases // 5
    test = data[:, -held:]
    others = [row[1:] + row[:1] for row in moved]  # of the case after it
    mass = place.domain.mass
    still = errors(test[:1].expand_as(test), test, mass)
    print(f"{place.mesh.n_points} points, {options.cases} cases; the first state stays: "
          f"mean {100 * still.mean():.1f} %", flush=True)  # fmt: skip
    for seed in options.seeds:
        for kind in options.kinds:
            torch.manual_seed(seed)
            net = TwoMeshes(place)
            rows = {
                "moving": moved, "random": others,
                "control": [[place.still] * options.cases for _ in moved],
            }[kind]  # fmt: skip
            count = train(net, data[:, :-held], rows, options.seconds, seed, options.rate)
            net.eval()
            with torch.no_grad():
                pairs = [net(test[k], rows[k][-held:]) for k in range(burgers.STEPS)]
            next_step = errors(torch.stack(pairs), test[1:], mass)
            far = errors(rollout(net, test[0], kind, [row[-held:] for row in others]), test, mass)
            print(json.dumps({
                "kind": kind, "seed": seed, "updates": count,
                "parameters": sum(p.numel() for p in net.parameters()),
                "one step, mean %": round(100 * float(next_step.mean()), 3),
                "rollout, mean %": round(100 * float(far.mean()), 2),
                "rollout, median %": round(100 * float(np.median(far)), 2),
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
