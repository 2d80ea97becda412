"""Training without labels: right sides b = A e are made of errors e, which are thus known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import SolveError
from ..ops import Csr
from ._coarsen import aggregation
from ._cycle_net import CycleNet
from ._direction_net import DirectionNet, Hierarchy, hierarchy
from ._net import Net
from ._solve import solve
from ._two_grid import TwoGrid, coarser, energy
from .saved import load_saved

COLUMNS = 8  # errors at a time
THETAS = (0.04, 0.08, 0.12, 0.16, 0.2)
LEVELS, LEAST = 3, 30  # of a matrix that are learned from, and the unknowns of the last


def learn(
    matrices: Sequence[Any],
    kind: Literal["cycle", "direction"] = "cycle",
    *,
    net: Net | None = None,
    steps: int = 300,
    rate: float | None = None,
    seed: int = 0,
) -> Net:
    """A network that preconditions matrices like these, learned from them without solutions.

    matrices: symmetric positive definite, SciPy sparse, torch sparse or `Csr`; a dozen of 500 to
    2,000 unknowns will do, for others of their family and for larger ones. kind: "cycle", a
    `CycleNet` that writes a symmetric positive V-cycle, or "direction", a `DirectionNet`. net: one
    to train on, in place; by default a new one, a `CycleNet`'s theta being what needs the least
    work before training. steps: of Adam, one matrix each. rate: the highest of its one cycle, by
    default .02, of a direction .005. The same seed gives the same network on one machine.

        net = meshop.solvers.learn(matrices)
        x = meshop.solve(A, b, net)

    The cycle is judged by how much it shrinks the energy norm of the errors that it shrinks least,
    on each matrix and the next two coarser ones (coarse solutions exact); the direction by what a
    step along it leaves of the energy, from errors over the spectrum and those it meets then.
    Sources: Luz et al., ICML 2020; Kaneda et al., ICML 2023. Raises SolveError where a matrix is
    not positive definite or training leads to NaN.
    """
    given = [Csr.of(matrix).to(torch.float64) for matrix in matrices]
    if not given or steps < 0:
        raise ValueError("expected a matrix or more, and no negative steps")
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        if net is None:
            if kind not in KINDS:
                raise ValueError(f"kind: expected {' or '.join(KINDS)}, found {kind!r}")
            net = CycleNet(theta=best_theta(given)) if kind == "cycle" else DirectionNet()
    rate = rate or (0.02 if isinstance(net, CycleNet) else 0.005)
    random = torch.Generator().manual_seed(seed)
    task = CycleTask(net, given) if isinstance(net, CycleNet) else DirectionTask(net, given)
    optimiser = torch.optim.Adam(net.parameters(), rate)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(steps, 2))
    order: list[int] = []
    losses: list[float] = []
    for _ in range(steps):
        order = order or torch.randperm(len(given), generator=random).tolist()
        loss = task(order.pop(), random)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        losses.append(loss.item())
        if not all(p.grad is None or bool(p.grad.isfinite().all()) for p in net.parameters()):
            raise SolveError("learn", f"step {len(losses)} gave NaN or infinity", "a smaller rate")
        optimiser.step()
        plan.step()
    net.meta = {
        "matrices": len(given), "unknowns": sum(a.rows for a in given), "steps": steps,
        "rate": rate, "seed": seed, "loss": losses[:: max(1, steps // 50)],
    }  # fmt: skip
    return net.eval()


KINDS: dict[str, type[Net]] = {"cycle": CycleNet, "direction": DirectionNet}


def load(path: str | os.PathLike) -> Net:
    """A network that was written by `net.save(path)`: safetensors and JSON, nothing is unpickled.

    Raises SurrogateError where the file is missing, malformed or of another kind.
    """
    return load_saved(path, KINDS, "meshop.solvers.learn")


def best_theta(matrices: Sequence[Csr]) -> float:
    """Of THETAS, what takes the least work with an untrained net: iterations times entries."""
    few = sorted(matrices, key=lambda a: a.rows)[-3:]

    def work(theta: float) -> float:
        total = 0.0
        for a in few:
            b = (torch.arange(1, a.rows + 1, dtype=torch.float64) * 1.7).sin()
            cycle = CycleNet(theta=theta).setup(a, max(20, min(300, a.rows // 8)))
            total += (
                solve(a, b, cycle, fallback=None, details=True)[1].iterations * cycle.complexity
            )
        return total

    return min(THETAS, key=work)


class CycleTask:
    """The loss of a `CycleNet`: the log of two-grid cycles' factor, by level."""

    def __init__(self, net: CycleNet, matrices: Sequence[Csr]) -> None:
        self.net, self.matrices = net, matrices

    def __call__(self, number: int, random: torch.Generator) -> Tensor:
        a, losses = self.matrices[number], []
        for level in range(LEVELS):
            tentative, _ = aggregation(a, self.net.theta * 0.5**level)
            if (level and a.rows < LEAST) or not 0 < tentative.columns < a.rows:
                break
            grids = TwoGrid(self.net, a, tentative)
            losses.append(shrinkage(grids, random))
            a = coarser(a, tentative, grids.weight)
        if not losses:
            raise SolveError("learn", f"matrix {number} has no unknowns that aggregate", "")
        return torch.stack(losses).mean()


def shrinkage(grids: TwoGrid, random: torch.Generator, warm: int = 3, counted: int = 3) -> Tensor:
    """Mean log of the factor of the energy norm a cycle, after some that leave what is slow."""
    a = grids.a
    e = torch.randn(a.rows, COLUMNS, dtype=torch.float64, generator=random)
    with torch.no_grad():
        for _ in range(warm):
            e = grids(e)
            e = e / energy(a, e).clamp(min=1e-300).sqrt()
    before = energy(a, e)
    for _ in range(counted):
        e = grids(e)
    return 0.5 * (energy(a, e).clamp(min=1e-300) / before).log().mean() / counted


class DirectionTask:
    """The loss of a `DirectionNet`: the log of the energy that is left by steps along d."""

    UNROLLED = 4

    def __init__(self, net: Net, matrices: Sequence[Csr]) -> None:
        if not isinstance(net, DirectionNet):
            raise TypeError(f"net: expected a CycleNet or a DirectionNet, found {type(net)}")
        self.net, self.matrices = net, matrices
        # Coarse enough that several levels are learned from.
        self.made: list[Hierarchy] = [hierarchy(a, net.theta, 40) for a in matrices]

    def __call__(self, number: int, random: torch.Generator) -> Tensor:
        a, made = self.matrices[number], self.made[number]
        e = spectrum(a, made, random)
        last: list[tuple[Tensor, Tensor, Tensor]] = []
        losses = []
        for _ in range(self.UNROLLED):
            r = a(e)
            d = self.net.guess(made, r)
            for p, q, pq in last:
                d = d - (d * q).sum(0) / pq * p
            q = a(d)
            dq = (d * q).sum(0).clamp(min=1e-300)
            step = (d * r).sum(0) / dq
            whole = (e * r).sum(0)
            losses.append((1 - step * (d * r).sum(0) / whole).clamp(min=1e-12).log().mean())
            d, q, dq, step = d.detach(), q.detach(), dq.detach(), step.detach()
            e = e - step * d
            e = e / energy(a, e).clamp(min=1e-300).sqrt()
            last = [*last, (d, q, dq)][-self.net.directions :]
        return 0.5 * torch.stack(losses).mean()


def spectrum(a: Csr, made: Hierarchy, random: torch.Generator) -> Tensor:
    """(N, COLUMNS) errors of energy one, from white to smooth, column by column."""
    e = torch.randn(a.rows, COLUMNS, dtype=torch.float64, generator=random)
    pull = made.levels[0].pull if made.levels else 1.0
    keep = torch.zeros_like(e)
    for column in range(COLUMNS):
        keep[:, column] = e[:, column]
        for _ in range(2**column // 2):
            e = e - pull * made.root[:, None] ** 2 * a(e)
    return keep / energy(a, keep).sqrt()
