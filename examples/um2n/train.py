"""The recipe of the shipped movers: random problems, or monitors, in, one file out.

    python examples/um2n/train.py --out runs/um2n
    python examples/um2n/train.py --kind dmm --loss equation --steps 1200 --samples 500

Makes its own samples (`data.py`), then trains; seed, sizes and budget are those of the shipped
file, which takes half an hour on one core. What is minimised is the error of the P1 solution on the
moved mesh (`fem.py`), with a part for the even spread of the monitor: no targets. `--dim 3` is for
solids. `--kind um2n --loss target` trains the network as published, by Monge-Ampere's cells, and
`--kind m2n` its predecessor. `--loss equation` is data free: monitors are functions, and what is
minimised is the residual of Monge and Ampere's equation. `--resume` goes on from the last
checkpoint, to the same result.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import fem
import numpy as np
import torch
from data import Sample, join, sample
from torch import Tensor

from meshop import movers
from meshop.movers import Domain, MoverNet
from meshop.train import MuonAdamW

KINDS: dict[str, tuple[type[MoverNet], dict[str, int]]] = {
    "flow": (movers.FlowMover, {}),
    "um2n": (movers.UM2N, {}),
    "m2n": (movers.M2N, {}),
    "dmm": (movers.DMM, {}),
}


def losses(net: MoverNet, batch: list[Sample], loss: str, even: float) -> tuple[Tensor, dict]:
    """What is minimised, and parts of it, each (B,).

    error: log of the solution's error, over that before, and `even` times the variation of m |K|
    over that before. target: distance to a target and the measures of its cells, where there is
    one. equation: log of `residual` over that before. All: what is inverted, or nearly so.
    """
    domain, problem, before, values, target = join(batch)

    def monitor(x: Tensor) -> Tensor:
        return values if x is domain.points else domain.sample(values, x)

    x = domain.moved(net(domain, monitor)[-1])
    first = movers.equidistribution(domain, domain.points, values).sqrt().clamp_min(0.05)
    spread = (movers.equidistribution(domain, x, monitor(x)) + 1e-6).sqrt() / first
    folded = movers.inversion(domain, x, 0.1)
    found = {"spread": spread, "folded": folded}
    if loss == "error":
        found["error"] = fem.solve(domain, x, problem)[1] / before
        total = found["error"].log() + even * spread
    elif loss == "equation":
        found["residual"] = residual(domain, x, monitor(x))
        # Its logarithm: on convex domains little is left, and that counts as much as elsewhere.
        total = (found["residual"] / residual(domain, domain.points, values) + 0.01).log()
    else:
        known = torch.stack([~one.target.isnan().any() for one in batch])
        goal = domain.moved(target.nan_to_num())
        far = (movers.coordinate(domain, x, goal) + 1e-4).sqrt()
        miss = movers.element_volume(domain, x, goal)
        total = torch.where(known, far + miss, 0.0)
        found |= {"far": far[known], "miss": miss[known]}
    return (total + 50 * folded).mean(), found


def residual(domain: Domain, x: Tensor, monitor: Tensor) -> Tensor:
    """(B,) |m J - theta| over theta, root mean square, J how much each cell has grown, at x (N, 2)
    and monitor (N,) there: the report's, for a batch."""
    of, count = domain.simplex_batch, len(domain.parts)
    grown = monitor[domain.simplices].mean(1) * domain.volumes(x)  # m J of cells, times |K|

    def total(values: Tensor) -> Tensor:
        return values.new_zeros(count).index_add(0, of, values)

    size = total(domain.measure)
    theta = total(grown) / size
    rest = grown / domain.measure / theta[of] - 1
    return (total(domain.measure * rest**2) / size).sqrt()


def check(net: MoverNet, held: list[Sample], options: Any) -> dict[str, float | None]:
    """Means over samples that were held out."""
    with torch.no_grad():
        found = [losses(net, [one], options.loss, options.even)[1] for one in held]
    values = {name: torch.cat([one[name] for one in found]) for name in found[0]}
    out = {k: round(float(v.mean()), 4) if len(v) else None for k, v in values.items()}
    if "error" in values:
        out["worse"] = round(float((values["error"] >= 1).double().mean()), 4)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/um2n", help="folder of the run")
    parser.add_argument("--kind", choices=KINDS, default="flow")
    parser.add_argument("--loss", choices=("error", "target", "equation"), default="error")
    parser.add_argument("--dim", type=int, choices=(2, 3), default=2)
    parser.add_argument("--start", help="a file of the same kind to go on from")
    parser.add_argument("--even", type=float, default=0.3, help="weight of the spread")
    parser.add_argument("--holes", type=float, default=0.5, help="share of domains with holes")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on where --out stopped")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the same sums everywhere
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    aims, free = options.loss == "target", options.loss == "equation"
    known = [sample(k, options.holes, aims, free, options.dim) for k in range(options.samples)]
    held, train = known[: max(1, options.samples // 20)], known[options.samples // 20 :]
    torch.manual_seed(options.seed)
    kind, config = KINDS[options.kind]
    net = kind(**config)
    if options.start:
        net.load_state_dict(movers.load_mover(options.start).state_dict())
    optimizer = MuonAdamW(net.parameters(), lr=options.rate)
    done, curve = 0, list[dict[str, Any]]()
    saved = folder / f"{options.kind}.pt"
    if options.resume and saved.exists():
        state = torch.load(saved, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        done, curve = state["done"], state["curve"]
    print(json.dumps(check(net, held, options)), flush=True)
    start, recent = time.process_time(), []
    for step in range(done, options.steps):
        rate = options.rate * min(1, (step + 1) / 30)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * (1 + math.cos(math.pi * step / options.steps)) / 2)
        pick = np.random.default_rng((options.seed, step)).choice(len(train), options.batch, False)
        loss, _ = losses(net, [train[i] for i in pick], options.loss, options.even)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        if torch.isfinite(norm):
            optimizer.step()
        recent.append(float(loss.detach()))
        if (step + 1) % options.every == 0 or step + 1 == options.steps:
            spent = round(time.process_time() - start)
            curve.append({"step": step + 1, "loss": round(float(np.mean(recent)), 4)})
            curve[-1] |= check(net, held, options) | {"seconds": spent}
            print(json.dumps(curve[-1]), flush=True)
            recent = []
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"done": step + 1, "curve": curve}, saved)
            net.meta = {
                "recipe": "examples/um2n/train.py",
                "options": {k: v for k, v in vars(options).items() if k not in ("out", "resume")},
                "held out": curve[-1],
            }  # fmt: skip
            net.save(folder / f"{options.kind}.safetensors")
    print(f"wrote {folder / options.kind}.safetensors")


if __name__ == "__main__":
    main()
