"""The Transolver that meshop is compared with, trained and scored as generously as can be.

It reads x, y, wall distance and the conditions, as published, and learns the deviations from the
free stream in the norm that meshop trains in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import torch
from _common import FIELDS, AirfoilCase, near_errors, nvidia_transolver
from torch import Tensor

from meshop.graph import nearest_on_facets, wall_facets
from meshop.models import Widths
from meshop.models.transolver import Transolver

Forward = Callable[[Tensor, Tensor], Tensor]  # (n, 3) inputs, (2,) conditions -> (n, 4)
DRAWS = 4  # samples of the training's size that a case is scored on, averaged


def make_peer(wanted: str | None) -> tuple[str, torch.nn.Module, Forward]:
    model = nvidia_transolver(3, 4) if wanted != "meshop" else None
    if model is None and wanted == "nvidia":
        raise SystemExit("pip install nvidia-physicsnemo")
    if model is not None:
        peer = model

        def forward(x: Tensor, cond: Tensor) -> Tensor:
            fx = torch.cat([x[:, 2:], cond.expand(len(x), -1)], 1)
            return peer(fx[None], embedding=x[None, :, :2])[0]

        return "Transolver (NVIDIA)", peer, forward
    ours = Transolver(Widths(features=3, cond=2, out=4, scalars=1), mlp_ratio=4, weighted=False)

    def published(x: Tensor, cond: Tensor) -> Tensor:
        return ours(SimpleNamespace(x=x, weight=torch.ones(len(x)), cond=cond[None]))

    return "Transolver (meshop, as published)", ours, published


class Prepared:
    """Training cases as tensors, standardised over the training measure."""

    def __init__(self, cases: Sequence[AirfoilCase]) -> None:
        raw = [arrays(c) for c in cases]
        share = [measure(c, x[:, 2]) for c, (x, _, _) in zip(cases, raw, strict=True)]
        weight = np.concatenate(share) / len(cases)
        self.x_mean, self.x_std = moments(np.concatenate([x for x, _, _ in raw]), weight)
        _, self.y_std = moments(np.concatenate([y for _, y, _ in raw]), weight)
        conditions = np.array([c for _, _, c in raw])
        self.c_mean, self.c_std = conditions.mean(0), conditions.std(0)
        self.chance = [torch.from_numpy(np.cumsum(s)) for s in share]
        self.items = [(*self.inputs(x, c), tensor(y / self.y_std)) for x, y, c in raw]
        self.energy = [
            tensor(grouped(s @ (y / self.y_std) ** 2))
            for s, (_, y, _) in zip(share, raw, strict=True)
        ]

    def inputs(self, x: np.ndarray, cond: np.ndarray) -> tuple[Tensor, Tensor]:
        standard = (x - self.x_mean) / self.x_std
        return tensor(standard), tensor((cond - self.c_mean) / self.c_std)


def arrays(case: AirfoilCase) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs x, y, wall distance (N, 3); deviations u, v, p, nut (N, 4); conditions (2,)."""
    wall = wall_facets(case.mesh, external=True)
    _, _, distance = nearest_on_facets(case.mesh, wall.nodes, case.centres)
    y = np.column_stack([case.fields["U"], case.fields["p"], case.fields["nut"]])
    return np.column_stack([case.centres[:, :2], distance]), y, np.array(case.inputs)


def measure(case: AirfoilCase, distance: np.ndarray) -> np.ndarray:
    """Area damped away from the wall, summing to one: a far field is most of any area."""
    w = case.area / (1 + distance**2) ** 2
    return w / w.sum()


def moments(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = weight @ values
    return mean, np.sqrt(weight @ (values - mean) ** 2)


def grouped(square: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Of u, v, p, nut to U, p, nut."""
    join = torch.stack if isinstance(square, Tensor) else np.stack
    return join([square[0] + square[1], square[2], square[3]])


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()


def fit_peer(
    model: torch.nn.Module, forward: Forward, data: Prepared, seconds: float, points: int, seed: int
) -> None:
    """One case and `points` of its cells a step; one cycle of the learning rate over the time."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)
    random = torch.Generator().manual_seed(seed)
    floor = 0.05 * torch.stack(data.energy).mean(0)
    start, steps, running = time.monotonic(), 0, 0.0
    while (done := (time.monotonic() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(done)
        i = int(torch.randint(len(data.items), (), generator=random))
        x, cond, y = data.items[i]
        ids = draw(data.chance[i], points, random)
        square = (forward(x[ids], cond) - y[ids]).square().mean(0)
        loss = (grouped(square) / data.energy[i].maximum(floor)).sqrt().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        steps, running = steps + 1, 0.98 * running + 0.02 * float(loss.detach())
        if steps % 50 == 0:
            print(f"  {100 * done:3.0f} %  step {steps}  loss {running:.3f}", flush=True)
    print(f"  {steps} steps, {steps / len(data.items):.1f} passes over the cases")


def one_cycle(done: float, peak: float = 1e-3) -> float:
    """torch's OneCycleLR, 30 % up from peak / 25, then down to peak / 25e4, both by cosine."""
    low, high, t = (peak / 25, peak, done / 0.3) if done < 0.3 else (peak / 25e4, peak, 0.0)
    t = t if done < 0.3 else (1 - done) / 0.7
    return low + (high - low) * 0.5 * (1 - math.cos(math.pi * t))


def draw(chance: Tensor, points: int, random: torch.Generator) -> Tensor:
    u = torch.rand(points, generator=random, dtype=torch.float64) * chance[-1]
    return torch.searchsorted(chance, u).clamp_max(len(chance) - 1)


@torch.inference_mode()
def score_peer(
    name: str, forward: Forward, data: Prepared, cases: Sequence[AirfoilCase], points: int
) -> dict[str, list[dict[str, float]]]:
    """Near-field errors on the whole mesh, and estimated on samples drawn as in training."""
    random = torch.Generator().manual_seed(1)
    whole, sampled = [], []
    for case in cases:
        raw, y, conditions = arrays(case)
        x, cond = data.inputs(raw, conditions)
        whole.append(near_errors(case, as_fields(forward(x, cond).numpy() * data.y_std)))
        share = measure(case, raw[:, 2])
        chance = torch.from_numpy(np.cumsum(share))
        miss, size = np.zeros(3), np.zeros(3)
        for _ in range(DRAWS):
            ids = draw(chance, points, random)
            out = forward(x[ids], cond).numpy() * data.y_std
            ids = ids.numpy()
            weight = np.where(case.near[ids], case.area[ids] / share[ids], 0)
            miss += grouped(weight @ (out - y[ids]) ** 2)
            size += grouped(weight @ y[ids] ** 2)
        sampled.append(dict(zip(FIELDS, np.sqrt(miss / size).tolist(), strict=True)))
    return {f"{name}, whole mesh": whole, f"{name}, sampled": sampled}


def as_fields(out: np.ndarray) -> dict[str, np.ndarray]:
    return {"U": out[:, :2], "p": out[:, 2], "nut": out[:, 3]}
