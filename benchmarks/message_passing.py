"""How fast is MeshGraphNets beside a plain PyTorch Geometric implementation of the same network?

    python benchmarks/message_passing.py [--nodes 18000] [--threads 1] [--repeats 3] [--json FILE]

15 rounds of width 128 on a torus of triangles (six directed edges a node): a forward pass, and a
training step (forward, mean square error, backward, AdamW), in the same process and in turns, in
the process's own seconds; medians, ratios. Both hold the same parameters, and their fields and
gradients are compared before anything is timed. Peak memory is the growth of the resident set over
two steps, each model in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from _timing import held_by, interleaved, machine, table, write_json
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from meshop.models import Widths, build_operator
from meshop.models.mesh_graph_net import MeshGraphNet
from meshop.nn import nodes
from meshop.nn.hierarchy import edge_geometry

WIDTHS = Widths(features=6, inputs=2, cond=1, out=3)


def perceptron(n_in: int, width: int, n_out: int, norm: bool = True) -> nn.Sequential:
    layers = [nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    layers.append(nn.Linear(width, n_out))
    return nn.Sequential(*layers, *([nn.LayerNorm(n_out)] if norm else []))


class PlainBlock(MessagePassing):
    """A round of messages as PyTorch Geometric's documentation has one write it."""

    def __init__(self, width: int) -> None:
        super().__init__(aggr="sum")
        self.edge = perceptron(3 * width, width, width)
        self.node = perceptron(2 * width, width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        e = e + self.edge_updater(edge_index, h=h, e=e)
        heard = self.propagate(edge_index, e=e, size=(len(h), len(h)))
        return h + self.node(torch.cat([h, heard], dim=1)), e

    def edge_update(self, h_i: Tensor, h_j: Tensor, e: Tensor) -> Tensor:
        return self.edge(torch.cat([h_j, h_i, e], dim=1))

    def message(self, e: Tensor) -> Tensor:
        return e


class PlainMeshGraphNet(nn.Module):
    def __init__(self, widths: Widths, width: int = 128, layers: int = 15) -> None:
        super().__init__()
        self.node = perceptron(widths.nodes, width, width)
        self.edge = perceptron(widths.dim + 2, width, width)
        self.blocks = nn.ModuleList(PlainBlock(width) for _ in range(layers))
        self.head = perceptron(width, width, widths.out, norm=False)

    def forward(self, graph: Any) -> Tensor:
        points = nodes(graph)
        _, step = edge_geometry(points, *graph.edge_index)
        h, e = self.node(points.x), self.edge(step.to(points.x.dtype))
        for block in self.blocks:
            h, e = block(h, graph.edge_index, e)
        return self.head(h)

    def take(self, model: MeshGraphNet) -> PlainMeshGraphNet:
        """With the parameters of meshop's."""
        linear = [m for m in self.modules() if isinstance(m, nn.Linear | nn.LayerNorm)]
        given: list[tuple[Tensor, Tensor]] = []

        def rows(part: Any, *before: Tensor) -> None:
            first, *rest = part.layers
            given.append((torch.cat([*before, first.weight], 1), first.bias))
            given.extend((m.weight, m.bias) for m in (*rest, part.norm))

        rows(model.node)
        rows(model.edge)
        for block in model.blocks:
            rows(block.edge, *block.ends.weight.chunk(2))
            first, *rest = block.node.layers
            given.append((torch.cat([first.weight, block.heard.weight], 1), first.bias))
            given.extend((m.weight, m.bias) for m in (*rest, block.node.norm))
        given.extend((m.weight, m.bias) for m in model.head if isinstance(m, nn.Linear))
        with torch.no_grad():
            for mine, (weight, bias) in zip(linear, given, strict=True):
                mine.weight.copy_(weight)
                mine.bias.copy_(bias)
        return self


def sample(count: int) -> SimpleNamespace:
    """A torus of about `count` nodes, six neighbours each, flattened and jittered."""
    side = round((count / 1.25) ** 0.5)
    shape = (count // side, side)
    n = shape[0] * shape[1]
    draw = torch.Generator().manual_seed(0)
    i, j = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    around = ((0, 1), (1, 0), (1, 1), (0, -1), (-1, 0), (-1, -1))
    sender = torch.stack(
        [((i + a) % shape[0] * side + (j + b) % side).flatten() for a, b in around], dim=1
    )
    place = torch.stack([i, j], dim=2).reshape(n, 2) + 0.3 * torch.rand(n, 2, generator=draw)
    return SimpleNamespace(
        pos=place / side,
        x=torch.randn(n, WIDTHS.features, generator=draw),
        inputs=torch.randn(n, WIDTHS.inputs, generator=draw),
        cond=torch.randn(1, WIDTHS.cond, generator=draw),
        weight=torch.rand(n, generator=draw) + 0.5,
        edge_index=torch.stack([sender.flatten(), torch.arange(n).repeat_interleave(6)]),
        rowptr=torch.arange(n + 1) * 6,
    )


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = build_operator("mesh-graph-net", WIDTHS)
    return model if name == "meshop" else PlainMeshGraphNet(WIDTHS).take(model)


NAMES = ("meshop", "plain PyG")


def inference(model: nn.Module, data: Any) -> Callable[[], Any]:
    def run() -> None:
        with torch.no_grad():
            model(data)

    return run


def trainer(model: nn.Module, data: Any) -> Callable[[], Any]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def run() -> None:
        optimiser.zero_grad()
        model(data).square().mean().backward()
        optimiser.step()

    return run


def differences() -> None:
    """Fields and gradients of the two are one another's, to rounding."""
    data = sample(600)
    found = []
    for name in NAMES:
        model = build(name)
        field = model(data)
        field.square().mean().backward()
        slopes = [p.grad.norm() for p in model.parameters()]
        found.append((field.detach(), torch.stack(slopes).norm()))
    (a, g), (b, k) = found
    print(f"fields differ by {float((a - b).norm() / b.norm()):.1e}, "
          f"gradients by {float((g - k).abs() / k):.1e} of their norm")  # fmt: skip


def growth(name: str, nodes: int, step: bool) -> int:
    """Bytes that the resident set grows by at most, over two calls."""
    data = sample(nodes)
    model = build(name)
    warm = sample(60)
    make = trainer if step else inference
    return held_by(partial(make, model, data), make(model, warm))


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=18_000)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--json")
    args.add_argument("--child", help=argparse.SUPPRESS)
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    if opt.child:
        print(growth(**json.loads(opt.child)))
        return
    differences()
    data = sample(opt.nodes)
    models = {name: build(name) for name in NAMES}
    print(f"{len(data.x)} nodes, {data.edge_index.shape[1]} directed edges")
    result: dict[str, Any] = {"nodes": len(data.x)}
    rows = []
    for what, make in (("forward", inference), ("step", trainer)):
        jobs = {name: make(model, data) for name, model in models.items()}
        seconds = interleaved(jobs, opt.repeats, clock=time.process_time)
        held = {n: int(fresh(opt, name=n, nodes=opt.nodes, step=what == "step")) for n in NAMES}
        result[what] = {n: {"seconds": seconds[n], "bytes": held[n]} for n in NAMES}
        for name in NAMES:
            times, share = seconds[name] / seconds["meshop"], held["meshop"] / held[name]
            rows.append([what, name, seconds[name], times, held[name] / 2**20, share])
    print(table(rows, ["", "", "s", "x ours", "MB", "ours of it"]))
    result["machine"] = machine()
    print(result["machine"])
    write_json(opt.json, result)


def fresh(opt: argparse.Namespace, **arguments: Any) -> str:
    command = [sys.executable, __file__, "--threads", str(opt.threads), "--child"]
    done = subprocess.run(
        [*command, json.dumps(arguments)], check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
