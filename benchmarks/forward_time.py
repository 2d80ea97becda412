"""How long does one forward pass take at 18,000 cells on two threads, ours and a Transolver?

    python benchmarks/forward_time.py [--model airfoil-rans] [--cells 18000] [--repeats 9]

Operators alone, random inputs, side by side in one process and in turns: meshop's default operator
(of the shipped surrogate where there is one, else at its default sizes), meshop's Transolver at the
published size, and NVIDIA's where `pip install nvidia-physicsnemo` worked. What comes before the
operator (wall distance, potential flow) is timed on a real mesh below the table.
"""

from __future__ import annotations

import argparse

import torch
from _common import nvidia_transolver
from _timing import ROOT, interleaved, machine, table, write_json
from torch_geometric.data import Data

import meshop
from meshop.errors import SurrogateError
from meshop.models import build_operator
from meshop.surrogate import Sizes, Surrogate

WALL = 200  # facets, as the airfoils have


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--model", default="airfoil-rans")
    args.add_argument("--cells", type=int, default=18_000)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=9)
    args.add_argument("--mesh", default=str(ROOT / "geometries" / "airfoil.vtu"))
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    torch.manual_seed(0)

    try:
        surrogate: Surrogate | None = Surrogate.load(opt.model)
    except SurrogateError as error:
        print(f"default sizes: {error.what}")
        surrogate = None
    if surrogate is not None:
        sizes, name = surrogate.sizes, f"{surrogate.operator_name} ({surrogate.name})"
        ours = surrogate.operator
    else:
        sizes = Sizes(features=48, tokens=10, cond=2, out=4, scalars=3)
        name = "wall-field (default sizes)"
        ours = build_operator("wall-field", sizes)
    n = opt.cells
    graph = Data(
        x=torch.randn(n, sizes.features),
        weight=torch.rand(n) + 1e-3,
        cond=torch.randn(1, sizes.cond),
        wall_x=torch.randn(WALL, sizes.tokens),
        wall_weight=torch.full((WALL,), 1 / WALL),
        wall_batch=torch.zeros(WALL, dtype=torch.long),
        batch=torch.zeros(n, dtype=torch.long),
        ptr=torch.tensor([0, n]),
    )
    models = {name: ours, "transolver 8x128x64 (meshop)": build_operator("transolver", sizes)}
    jobs = {key: (lambda m=m: m.outputs(graph)) for key, m in models.items()}
    peer = nvidia_transolver(sizes.features, sizes.out)
    if peer is not None:
        models["transolver 8x128x64 (NVIDIA)"] = peer
        fx, place = graph.x[None], torch.randn(1, n, 2)
        jobs["transolver 8x128x64 (NVIDIA)"] = lambda: peer(fx, embedding=place)
    for model in models.values():
        model.eval()
    with torch.inference_mode():
        seconds = interleaved(jobs, opt.repeats)
    base = seconds[name]
    rows = [
        (key, sum(p.numel() for p in models[key].parameters()), t, t / base)
        for key, t in seconds.items()
    ]
    print(table(rows, ("operator", "parameters", "seconds", "times ours")))
    result = {
        "cells": n,
        "seconds": seconds,
        "ratio": {k: t / base for k, t in seconds.items()},
        "machine": machine(),
    }
    if surrogate is not None:
        mesh = meshop.read(opt.mesh)
        middle = {c.name: 0.5 * (c.low + c.high) for c in surrogate.schema.conditions}
        steps = surrogate.evaluate(mesh, middle).seconds
        print(f"on {opt.mesh} ({mesh.n_cells} cells):", {k: round(v, 3) for k, v in steps.items()})
        result["mesh"] = {"cells": mesh.n_cells, **steps}
    print(result["machine"])
    write_json(opt.json, result)


if __name__ == "__main__":
    main()
