"""What do the multilevel operators cost beside MeshGraphNets of the same width?

    python benchmarks/multilevel.py [--nodes 18000] [--width 128] [--repeats 3] [--json FILE]

A training step (forward, mean square error, backward, AdamW) and a forward pass on a torus of
triangles (six directed edges a node), each operator with its default layers, all with one width, in
turns, in the process's own seconds; medians. Peak memory is the growth of the resident set over two
steps, each operator in a fresh process. Then what levels cost: built anew, and found again by their
content, which every forward pass does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from functools import partial
from typing import Any

import torch
from _timing import held_by, interleaved, machine, table, write_json
from message_passing import WIDTHS, inference, sample, trainer
from torch import nn

from meshop.graph import levels_of
from meshop.models import build_operator

NAMES = ("mesh-graph-net", "mgno", "multipole-gno", "gno")


def build(name: str, width: int) -> nn.Module:
    torch.manual_seed(0)
    return build_operator(name, WIDTHS, width=width)


def growth(name: str, nodes: int, width: int) -> int:
    """Bytes that the resident set grows by at most, over two steps."""
    data, model = sample(nodes), build(name, width)
    return held_by(partial(trainer, model, data), trainer(model, sample(60)))


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=18_000)
    args.add_argument("--width", type=int, default=128)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--json")
    args.add_argument("--child", help=argparse.SUPPRESS)
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    if opt.child:
        print(growth(opt.child, opt.nodes, opt.width))
        return
    held = {name: fresh(opt, name) for name in NAMES}
    data = sample(opt.nodes)
    models = {name: build(name, opt.width) for name in NAMES}
    seconds = {}
    for what, make in (("step", trainer), ("forward", inference)):
        jobs = {name: make(model, data) for name, model in models.items()}
        seconds[what] = interleaved(jobs, opt.repeats, clock=time.process_time)
    print(f"{len(data.x)} nodes, {data.edge_index.shape[1]} directed edges, width {opt.width}")
    result: dict[str, Any] = {"nodes": len(data.x), "width": opt.width}
    rows = []
    for name, model in models.items():
        step, forward = seconds["step"][name], seconds["forward"][name]
        share = held[name] / held[NAMES[0]]
        parameters = sum(p.numel() for p in model.parameters())
        rows.append([name, parameters / 1e6, step, forward, held[name] / 2**20, share])
        result[name] = {"step": step, "forward": forward, "bytes": held[name]}
    print(table(rows, ["", "million weights", "step s", "forward s", "MB", f"of {NAMES[0]}"]))
    spec = models["mgno"].spec

    def anew() -> None:
        data.pos = data.pos * 1.0001  # other content
        levels_of(data, spec)

    jobs = {"built": anew, "found": lambda: levels_of(data, spec)}
    result["levels"] = interleaved(jobs, 5, clock=time.process_time)
    for what, spent in result["levels"].items():
        share = spent / seconds["step"]["mgno"]
        print(f"levels {what}: {1e3 * spent:.1f} ms, {100 * share:.1f} % of a step of mgno")
    result["machine"] = machine()
    print(result["machine"])
    write_json(opt.json, result)


def fresh(opt: argparse.Namespace, name: str) -> int:
    command = [sys.executable, __file__, "--child", name]
    for option in ("threads", "nodes", "width"):
        command += [f"--{option}", str(getattr(opt, option))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
