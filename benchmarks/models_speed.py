"""How fast are operators beside plain transcriptions of the published code?

    python benchmarks/models_speed.py [--nodes 18000] [--threads 2] [--repeats 5] [--json FILE]
    python benchmarks/models_speed.py --growth

At the papers' sizes: a forward pass, and a training step (forward, mean square error, backward,
AdamW), ours and its transcription in the same process and in turns; medians, ratios. Transolver
also beside NVIDIA PhysicsNeMo's, at the published MLP ratio 1 and at NVIDIA's own 4, where that
package is installed. Peak memory is the growth of the resident set over two steps, each model in a
fresh process. The transcriptions know no quadrature weights and no batches of unequal meshes.

--growth: seconds and bytes per node of every operator of linear cost, at small widths, from 1e4
to 1e6 nodes (forward pass; a training step up to 1e5), with the largest over the smallest. Then
the same of the cost of one more node, the slopes between the sizes, which leave out what a graph
costs whatever its size, as the grid of a grid operator.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from _common import nvidia_transolver
from _timing import interleaved, machine, resident, table, write_json
from _transcriptions import (
    N_KNOWN,
    WIDTHS,
    Peer,
    PublishedAroma,
    PublishedCodaNO,
    PublishedFactFormer,
    PublishedGalerkin,
    PublishedGnot,
    PublishedTransolver,
    feed_aroma,
    feed_coda,
    feed_galerkin,
    feed_gnot,
    feed_plain,
    known,
)
from torch import Tensor, nn

from meshop.models import build_operator
from meshop.ops import knn

WALL = 200


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=18_000)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--only", nargs="*", help="families, by name")
    args.add_argument("--growth", action="store_true")
    args.add_argument("--no-memory", action="store_true")
    args.add_argument(
        "--cpu-time", action="store_true", help="count the process's own seconds: on a busy machine"
    )
    args.add_argument("--child", help=argparse.SUPPRESS)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    torch.manual_seed(0)
    if opt.child:
        print(json.dumps(child(**json.loads(opt.child))))
        return
    result = growth(opt) if opt.growth else beside_peers(opt)
    result["machine"] = machine()
    print(result["machine"])
    write_json(opt.json, result)


# Ours beside its peers


def beside_peers(opt: argparse.Namespace) -> dict[str, Any]:
    groups: dict[str, list[str]] = {}
    for name in CONTESTS:
        family = name.split(" ")[0]
        if (not opt.only or family in opt.only) and contestant(name) is not None:
            groups.setdefault(name.split(":")[0], []).append(name)
    rows, result = [], {}
    data = sample(opt.nodes)
    for names in groups.values():
        models = {name: contestant(name) for name in names}
        seconds: dict[str, float] = {}
        # Forward passes first, as in a process that predicts: after a training step the allocator
        # holds gigabytes, and large temporaries cost a forward pass less than they otherwise do.
        for jobs in (
            {f"{name}|forward": partial(inference, m, data) for name, m in models.items()},
            {f"{name}|step": trainer(m, data) for name, m in models.items()},
        ):
            seconds |= interleaved(jobs, opt.repeats, clock=clock(opt.cpu_time))
        sizes = {name: sum(p.numel() for p in m.parameters()) for name, m in models.items()}
        del jobs, models  # what they hold would be missing below
        memory = {}
        if not opt.no_memory:
            memory = {
                key: fresh(opt, name=name, nodes=opt.nodes, step=key.endswith("step"))["bytes"]
                for key in seconds
                for name in [key.split("|")[0]]
            }
        ours = names[0]
        for name in names:
            row: list[Any] = [name, sizes[name]]
            for what in ("forward", "step"):
                t, base = seconds[f"{name}|{what}"], seconds[f"{ours}|{what}"]
                row += [t, f"{t / base:.2f}"]
            for what in ("forward", "step"):
                if memory:
                    row += [memory[f"{name}|{what}"] / 2**20]
            rows.append(row)
        result |= {k: {"seconds": t, "bytes": memory.get(k)} for k, t in seconds.items()}
    head = ["operator", "parameters", "forward s", "x ours", "step s", "x ours"]
    print(table(rows, head + ([] if opt.no_memory else ["forward MB", "step MB"])))
    return {"nodes": opt.nodes, "runs": result}


def sample(n: int) -> SimpleNamespace:
    draw = torch.Generator().manual_seed(0)
    rand = lambda *shape: torch.randn(*shape, generator=draw)  # noqa: E731
    pos = 2 * torch.rand(n, 2, generator=draw) - 1
    # Numbered row by row, as meshes are.
    pos = pos[(4 * (pos[:, 1] * n**0.5 / 2).floor() + pos[:, 0]).argsort()]
    near = knn(pos, 6)
    return SimpleNamespace(
        pos=pos,
        edge_index=torch.stack([near.index, near.receivers]),
        rowptr=near.rowptr,
        x=rand(n, WIDTHS.features),
        inputs=rand(n, WIDTHS.inputs),
        weight=10 ** (-3 * torch.rand(n, generator=draw)),
        cond=rand(1, WIDTHS.cond),
        wall_pos=rand(WALL, 2),
        wall_x=rand(WALL, WIDTHS.tokens),
        wall_inputs=rand(WALL, WIDTHS.wall_inputs),
        wall_weight=torch.full((WALL,), 1 / WALL),
        wall_batch=torch.zeros(WALL, dtype=torch.long),
        target=rand(n, WIDTHS.out),
    )


@torch.inference_mode()
def inference(model: nn.Module, data: SimpleNamespace) -> Tensor:
    return model(data)


def trainer(model: nn.Module, data: SimpleNamespace) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        F.mse_loss(model(data), data.target).backward()
        optimiser.step()

    return step


def fresh(opt: argparse.Namespace, **what: Any) -> dict[str, float]:
    """`child(**what)` in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(opt.threads), "--child", json.dumps(what)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def child(
    name: str, nodes: int, step: bool, repeats: int = 1, cpu_time: bool = False
) -> dict[str, float]:
    """Growth of the resident set over two calls, and the seconds of later ones."""
    torch.manual_seed(0)
    data, model = sample(nodes), contestant(name)
    job = trainer(model, data) if step else lambda: inference(model, data)
    before = resident(reset=True)
    job()
    job()
    grown = resident() - before
    return {"bytes": grown, "seconds": interleaved({"": job}, repeats, clock=clock(cpu_time))[""]}


def clock(cpu_time: bool) -> Callable[[], float]:
    return time.process_time if cpu_time else time.perf_counter


# Growth with the number of nodes

SMALL: dict[str, dict[str, Any]] = {
    "amg": {"width": 32, "heads": 4, "layers": 2, "slices": 16},
    "aroma": {"width": 32, "latents": 16, "heads": 4, "head_width": 8, "layers": 2},
    "beno": {"width": 32, "layers": 2, "kernels": 8, "edge_width": 16, "rank": 16},
    "beno-published": {"width": 32, "layers": 2},
    "coda-no": {"width": 16, "heads": 4, "layers": 2, "slices": 16},
    "coral": {"width": 32, "code": 16, "hidden": 32},
    "enf2enf": {"width": 32, "encoder_width": 32},
    "factformer": {"width": 32, "heads": 4, "head": 16, "layers": 2, "grid": 16},
    "fno": {"width": 16, "modes": 4, "layers": 2, "grid": 16},
    "gaot": {"channels": 16, "tokens": 16, "hidden": 16, "width": 32, "layers": 2},
    "grid-field": {"width": 32, "grid": 8, "channels": 8, "modes": 2, "layers": 2},
    "latent-spectral": {"width": 16, "widest": 32, "levels": 2, "heads": 4},
    "nuno": {"width": 16, "modes": 4, "layers": 2, "grid": 8},
    "wall-field": {"width": 32, "depth": 2},
    "flare": {"width": 32, "heads": 4, "layers": 2, "latents": 16},
    "fourier": {"width": 32, "heads": 4, "layers": 2, "hidden": 64},
    "galerkin": {"width": 32, "heads": 4, "layers": 2, "hidden": 64},
    "gnot": {"width": 32, "layers": 2},
    "low-rank": {"width": 16, "layers": 2, "kernel": (32, 32)},
    "transolver": {"width": 32, "heads": 4, "layers": 2, "slices": 16},
}


def growth(opt: argparse.Namespace) -> dict[str, Any]:
    rows, result = [], {}
    for name in SMALL:
        if opt.only and name not in opt.only:
            continue
        for step, sizes in ((False, (10**4, 10**5, 10**6)), (True, (10**4, 10**5))):
            found = [
                fresh(
                    opt,
                    name=f"{name} small",
                    nodes=n,
                    step=step,
                    repeats=min(max(10**6 // n, 5), 30),
                    cpu_time=opt.cpu_time,
                )
                for n in sizes
            ]
            # A difference leaves out what a process needs whatever the size.
            seconds = [f["seconds"] / n * 1e9 for f, n in zip(found, sizes, strict=True)]
            size = [f["bytes"] / n for f, n in zip(found, sizes, strict=True)]
            more = [
                (b["seconds"] - a["seconds"]) / (n - m) * 1e9
                for (a, m), (b, n) in pairwise(zip(found, sizes, strict=True))
            ]
            slope = (found[-1]["bytes"] - found[-2]["bytes"]) / (sizes[-1] - sizes[-2])
            what = "step" if step else "forward"
            result[f"{name}|{what}"] = {
                "nodes": sizes,
                "ns": seconds,
                "ns of one more": more,
                "bytes": size,
                "slope": slope,
            }
            rows.append(
                [name, what]
                + [f"{s:.0f}" for s in seconds]
                + ["-"] * (3 - len(sizes))
                + [f"{max(seconds) / min(seconds):.2f}"]
                + [f"{s:.0f}" for s in more]
                + ["-"] * (3 - len(sizes))
                + ([f"{max(more) / min(more):.2f}"] if len(more) > 1 else ["-"])
                + [f"{s:.0f}" for s in size]
                + ["-"] * (3 - len(sizes))
                + [f"{slope:.0f}"]
            )
    head = ["operator", "", *(f"ns {n}" for n in ("1e4", "1e5", "1e6")), "ratio"]
    head += ["ns more to 1e5", "ns more to 1e6", "ratio"]
    print(table(rows, [*head, *(f"B {n}" for n in ("1e4", "1e5", "1e6")), "B slope"]))
    return {"growth": result}


# The contestants: modules from a sample to (n, n_out)


def nvidia(ratio: int) -> nn.Module | None:
    net = nvidia_transolver(N_KNOWN, WIDTHS.out, ratio)
    if net is None:
        return None
    return Peer(net, lambda net, data: net(known(data), embedding=data.pos[None])[0])


def ours(name: str, **sizes: Any) -> nn.Module:
    return build_operator(name, WIDTHS, **sizes)


#: "GROUP: WHO"; the first of each group is ours.
CONTESTS: dict[str, Callable[[], nn.Module | None]] = {
    "transolver ratio 1: meshop": lambda: ours("transolver"),
    "transolver ratio 1: transcription": lambda: Peer(PublishedTransolver(1), feed_plain),
    "transolver ratio 1: NVIDIA": lambda: nvidia(1),
    "transolver ratio 4: meshop": lambda: ours("transolver", mlp_ratio=4),
    "transolver ratio 4: transcription": lambda: Peer(PublishedTransolver(4), feed_plain),
    "transolver ratio 4: NVIDIA": lambda: nvidia(4),
    "galerkin : meshop": lambda: ours("galerkin"),
    "galerkin : transcription": lambda: Peer(PublishedGalerkin(), feed_galerkin),
    "gnot : meshop": lambda: ours("gnot"),
    "gnot : transcription": lambda: Peer(PublishedGnot(), feed_gnot),
    "aroma : meshop": lambda: ours("aroma"),
    "aroma : transcription": lambda: Peer(PublishedAroma(), feed_aroma),
    "factformer : meshop": lambda: ours("factformer"),
    "factformer : transcription": lambda: Peer(PublishedFactFormer(), feed_aroma),
    "coda-no : meshop": lambda: ours("coda-no"),
    "coda-no : transcription": lambda: Peer(PublishedCodaNO(), feed_coda),
}


def contestant(name: str) -> nn.Module | None:
    torch.manual_seed(0)
    if name.endswith(" small"):
        kind = name.removesuffix(" small")
        return ours(kind, **SMALL[kind])
    return CONTESTS[name]()


if __name__ == "__main__":
    main()
