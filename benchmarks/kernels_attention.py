"""How fast is edge_attention beside PyG's TransformerConv, and how far from the machine's limit?

    python benchmarks/kernels_attention.py [--nodes 200000] [--degree 6] [--heads 4 1 8]
        [--channels 64] [--order random|mesh] [--dtype float32] [--threads 2] [--repeats 5]

The `degree` nearest neighbours of uniform points in space, numbered at random (neighbours lie
anywhere in memory: the hardest case) or along a space-filling curve (as meshes mostly are). Peers:
what TransformerConv does with given queries, keys and values (its `propagate`), and the layer with
its projections, beside the same around ours. Results are compared before they are timed.

The limit: every input and output read or written once, over the measured bandwidth of a copy. A
graph numbered at random cannot reach it: each edge reads its neighbour's rows from memory again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from _timing import copy_bandwidth, interleaved, machine, table, write_json
from torch import Tensor, nn

from meshop import ops

try:
    from torch_geometric.nn import TransformerConv
except ImportError:
    TransformerConv = None


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=200_000)
    args.add_argument("--degree", type=int, default=6)
    args.add_argument("--heads", type=int, nargs="+", default=[4, 1, 8])
    args.add_argument("--channels", type=int, default=64, help="of all heads together")
    args.add_argument("--order", choices=["random", "mesh"], default="random")
    args.add_argument("--dtype", choices=["float32", "float64", "bfloat16"], default="float32")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--no-layer", action="store_true", help="leave out the layer's projections")
    args.add_argument("--no-peers", action="store_true")
    args.add_argument("--memory", choices=["meshop", "pyg"], help=argparse.SUPPRESS)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    if opt.memory:
        return print(growth(opt))
    if TransformerConv is None and not opt.no_peers:
        print("peer skipped: torch_geometric is not installed")
    index, rowptr = graph(opt)
    bandwidth = copy_bandwidth()
    rows, result = [], {}
    for heads in opt.heads:
        case = Case(index, rowptr, heads, opt)
        for name, jobs in case.suites(opt).items():
            seconds = interleaved(jobs, opt.repeats)
            result[f"{heads} heads, {name}"] = seconds
            limit = case.least_bytes(backward="backward" in name) / bandwidth
            shape = f"{heads} x {opt.channels // heads}"
            rows += [
                (shape, name, who, 1e3 * t, t / seconds["meshop"], 1e3 * limit, t / limit)
                for who, t in seconds.items()
            ]
    print(f"{opt.nodes} nodes, {len(index)} edges, {opt.channels} channels, {opt.dtype}, ", end="")
    print(f"{opt.order} order; compiled kernels: {ops.compiled}")
    print(table(rows, ("heads", "what", "who", "ms", "times ours", "limit ms", "times limit")))
    print(f"copy bandwidth {bandwidth / 1e9:.1f} GB/s; {len(index)} exponentials a head and pass")
    peers = [] if TransformerConv is None or opt.no_peers else ["pyg"]
    for who in ["meshop", *peers] if Path("/proc/self/clear_refs").exists() else []:
        mib = float(subprocess.check_output([sys.executable, *sys.argv, "--memory", who]))
        size = len(index) * opt.channels * torch.finfo(getattr(torch, opt.dtype)).bits / 8 / 2**20
        print(
            f"forward and backward hold {mib:.0f} MiB more at most, {who}; (E, C): {size:.0f} MiB"
        )
        result[f"peak MiB, {who}"] = mib
    print(machine())
    write_json(opt.json, {"seconds": result, "bandwidth": bandwidth, "machine": machine()})


def graph(opt: argparse.Namespace) -> tuple[Tensor, Tensor]:
    points = torch.rand(opt.nodes, 3, generator=torch.Generator().manual_seed(0))
    if opt.order == "mesh":
        points = points[curve(points)]
    near = ops.knn(points, opt.degree, exclude_self=True)
    return near.index, near.rowptr


def curve(points: Tensor) -> Tensor:
    """Order along a Morton curve of 2^10 cells a side."""
    cell = (points * 1024).long().clamp(0, 1023)
    code = sum(((cell >> b & 1) << torch.tensor([0, 1, 2])).sum(1) << 3 * b for b in range(10))
    return torch.argsort(code)


class Case:
    """One number of heads: inputs, and the same work by meshop and by PyG."""

    def __init__(self, index: Tensor, rowptr: Tensor, heads: int, opt: argparse.Namespace) -> None:
        self.index, self.rowptr, self.dtype = index, rowptr, getattr(torch, opt.dtype)
        self.nodes, self.channels = opt.nodes, opt.channels
        self.shape = (opt.nodes, heads, opt.channels // heads)
        g = torch.Generator().manual_seed(1)
        self.qkv = [torch.randn(self.shape, generator=g).to(self.dtype) for _ in range(3)]
        self.x = torch.randn(opt.nodes, opt.channels, generator=g).to(self.dtype)
        self.slope = torch.randn(self.shape, generator=g).to(self.dtype)
        self.layer = None
        if TransformerConv is not None and not opt.no_peers:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                conv = TransformerConv(opt.channels, self.shape[2], heads, root_weight=False)
            self.layer = conv.to(self.dtype)
            row = torch.repeat_interleave(torch.arange(opt.nodes), rowptr.diff())
            self.edge_index = torch.stack([index, row])

    def ours(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ops.edge_attention(q, k, v, self.index, self.rowptr)

    def pyg(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.layer.propagate(self.edge_index, query=q, key=k, value=v, edge_attr=None)

    def our_layer(self, x: Tensor) -> Tensor:
        parts = (self.layer.lin_query, self.layer.lin_key, self.layer.lin_value)
        return self.ours(*(part(x).view(self.shape) for part in parts)).flatten(1)

    def pyg_layer(self, x: Tensor) -> Tensor:
        return self.layer(x, self.edge_index)

    def suites(self, opt: argparse.Namespace) -> dict[str, dict[str, Callable]]:
        attention = {"meshop": self.ours}
        layers = {}
        if self.layer is not None:
            attention["PyG propagate"] = self.pyg
            if not opt.no_layer:
                layers = {"meshop": self.our_layer, "PyG layer": self.pyg_layer}
        suites = {}
        for name, jobs, inputs in (
            ("attention", attention, self.qkv),
            ("layer", layers, [self.x]),
        ):
            if not jobs:
                continue
            outs = [job(*inputs) for job in jobs.values()]
            tolerance = 2e-2 if self.dtype == torch.bfloat16 else 1e-4
            torch.testing.assert_close(outs[0], outs[-1], rtol=tolerance, atol=tolerance)
            suites[f"{name} forward"] = {w: forward(job, inputs) for w, job in jobs.items()}
            suites[f"{name} forward and backward"] = {
                w: forward_backward(job, inputs, self.slope.view_as(outs[0]), self.layer)
                for w, job in jobs.items()
            }
        return suites

    def least_bytes(self, backward: bool) -> int:
        """query, key, value, out once; backward them again, the slope, three gradients; indices."""
        each = self.nodes * self.channels * self.qkv[0].element_size()
        integers = 8 * (self.index.numel() + self.rowptr.numel())
        return each * (4 + 3 + 1 + 3) + 2 * integers if backward else 4 * each + integers


def forward(job: Callable, inputs: list[Tensor]) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            job(*inputs)

    return run


def forward_backward(
    job: Callable, inputs: list[Tensor], slope: Tensor, layer: nn.Module | None
) -> Callable[[], None]:
    leaves = [x.detach().clone().requires_grad_() for x in inputs]

    def run() -> None:
        weights = list(layer.parameters()) if layer is not None else []
        for leaf in leaves + weights:
            leaf.grad = None
        job(*leaves).backward(slope)

    return run


def growth(opt: argparse.Namespace) -> float:
    """MiB by which one forward and backward raises what this process holds at most."""
    index, rowptr = graph(opt)
    case = Case(index, rowptr, opt.heads[0], opt)
    job = case.ours if opt.memory == "meshop" else case.pyg
    leaves = [x.detach().clone().requires_grad_() for x in case.qkv]
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts over
    before = status("VmRSS")
    job(*leaves).backward(case.slope)
    return status("VmHWM") - before


def status(key: str) -> float:
    with open("/proc/self/status") as file:
        return next(int(s.split()[1]) / 1024 for s in file if s.startswith(key))


if __name__ == "__main__":
    main()
