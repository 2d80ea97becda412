"""How fast are GNOT, Galerkin and Transolver beside plain transcriptions of the published code?

    python benchmarks/models_speed.py [--nodes 18000] [--threads 2] [--repeats 5] [--json FILE]
    python benchmarks/models_speed.py --growth

At the papers' sizes: a forward pass, and a training step (forward, mean square error, backward,
AdamW), ours and its transcription in the same process and in turns; medians, ratios. Transolver
also beside NVIDIA PhysicsNeMo's, at the published MLP ratio 1 and at NVIDIA's own 4, where that
package is installed. Peak memory is the growth of the resident set over two steps, each model in a
fresh process. The transcriptions know no quadrature weights and no batches of unequal meshes.

--growth: seconds and bytes per node of every operator of linear cost, at small widths, from 1e4
to 1e6 nodes (forward pass; a training step up to 1e5), with the largest over the smallest.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from _common import nvidia_transolver
from _timing import interleaved, machine, resident, table, write_json
from torch import Tensor, nn

from meshop.models import Widths, build_operator

WIDTHS = Widths(features=6, inputs=1, cond=2, tokens=5, wall_inputs=1, out=4)
WALL = 200


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=18_000)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--only", nargs="*", help="of gnot, galerkin, fourier, transolver")
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
    return SimpleNamespace(
        pos=2 * torch.rand(n, 2, generator=draw) - 1,
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
                    repeats=max(10**5 // n, 1) * 3,
                    cpu_time=opt.cpu_time,
                )
                for n in sizes
            ]
            # A difference leaves out what a process needs whatever the size.
            seconds = [f["seconds"] / n * 1e9 for f, n in zip(found, sizes, strict=True)]
            size = [f["bytes"] / n for f, n in zip(found, sizes, strict=True)]
            slope = (found[-1]["bytes"] - found[-2]["bytes"]) / (sizes[-1] - sizes[-2])
            what = "step" if step else "forward"
            result[f"{name}|{what}"] = {
                "nodes": sizes,
                "ns": seconds,
                "bytes": size,
                "slope": slope,
            }
            rows.append(
                [name, what]
                + [f"{s:.0f}" for s in seconds]
                + ["-"] * (3 - len(sizes))
                + [f"{max(seconds) / min(seconds):.2f}"]
                + [f"{s:.0f}" for s in size]
                + ["-"] * (3 - len(sizes))
                + [f"{slope:.0f}"]
            )
    head = ["operator", "", *(f"ns {n}" for n in ("1e4", "1e5", "1e6")), "ratio"]
    print(table(rows, [*head, *(f"B {n}" for n in ("1e4", "1e5", "1e6")), "B slope"]))
    return {"growth": result}


# The contestants: modules from a sample to (n, n_out)


class Peer(nn.Module):
    """A published model on (1, n, ...) tensors, fed from a graph as its authors feed it."""

    def __init__(
        self, net: nn.Module, feed: Callable[[nn.Module, SimpleNamespace], Tensor]
    ) -> None:
        super().__init__()
        self.net, self.feed = net, feed

    def forward(self, data: SimpleNamespace) -> Tensor:
        return self.feed(self.net, data)


def known(data: SimpleNamespace) -> Tensor:
    cond = data.cond.expand(len(data.x), -1)
    return torch.cat([data.x, data.inputs, cond], 1)[None]


N_KNOWN = WIDTHS.nodes


def nvidia(ratio: int) -> nn.Module | None:
    net = nvidia_transolver(N_KNOWN, WIDTHS.out, ratio)
    if net is None:
        return None
    return Peer(net, lambda net, data: net(known(data), embedding=data.pos[None])[0])


class SliceBlock(nn.Module):
    """Transolver's block for irregular meshes, as in its public code."""

    def __init__(self, c: int, heads: int, slices: int, ratio: int) -> None:
        super().__init__()
        self.heads, d = heads, c // heads
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.project_x, self.project_f, self.out = (nn.Linear(c, c) for _ in range(3))
        self.slice = nn.Linear(d, slices)
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.temperature = nn.Parameter(torch.full((1, heads, 1, 1), 0.5))
        self.mlp = nn.Sequential(nn.Linear(c, ratio * c), nn.GELU(), nn.Linear(ratio * c, c))

    def forward(self, h: Tensor) -> Tensor:
        x = self.norm1(h)
        b, n, c = x.shape
        f, s = (
            layer(x).reshape(b, n, self.heads, -1).permute(0, 2, 1, 3).contiguous()
            for layer in (self.project_f, self.project_x)
        )
        a = torch.softmax(self.slice(s) / self.temperature, -1)
        token = torch.einsum("bhnc,bhng->bhgc", f, a)
        token = token / (a.sum(2) + 1e-5)[..., None].repeat(1, 1, 1, c // self.heads)
        q, k, v = self.q(token), self.k(token), self.v(token)
        token = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(c // self.heads), -1) @ v
        y = torch.einsum("bhgc,bhng->bhnc", token, a).transpose(1, 2).reshape(b, n, c)
        h = h + self.out(y)
        return h + self.mlp(self.norm2(h))


class PublishedTransolver(nn.Module):
    def __init__(self, ratio: int, c: int = 128) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Linear(N_KNOWN, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.constant = nn.Parameter(torch.rand(c) / c)
        self.blocks = nn.Sequential(*(SliceBlock(c, 8, 64, ratio) for _ in range(8)))
        self.head = nn.Sequential(nn.LayerNorm(c), nn.Linear(c, WIDTHS.out))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.lift(x) + self.constant))


class HeadNorms(nn.Module):
    """A layer norm of its own for every head, one after the other."""

    def __init__(self, heads: int, d: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(heads))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([norm(x[:, i]) for i, norm in enumerate(self.norms)], 1)


class CaoBlock(nn.Module):
    """The encoder layer of the Galerkin transformer, without its dropout."""

    def __init__(self, fourier: bool, c: int = 128, heads: int = 4, hidden: int = 256) -> None:
        super().__init__()
        self.fourier, self.heads, d = fourier, heads, c // heads
        self.q, self.k, self.v = (nn.Linear(c, c) for _ in range(3))
        self.one, self.two = HeadNorms(heads, d), HeadNorms(heads, d)
        self.out = nn.Linear(c + 2 * heads, c)
        self.mlp = nn.Sequential(nn.Linear(c, hidden), nn.ReLU(), nn.Linear(hidden, c))

    def forward(self, x: Tensor, pos: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (
            layer(x).view(b, n, self.heads, -1).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        if self.fourier:
            q, k = self.one(q), self.two(k)
        else:
            k, v = self.one(k), self.two(v)
        pos = pos[:, None].repeat(1, self.heads, 1, 1)
        q, k, v = (torch.cat([pos, t], -1) for t in (q, k, v))
        if self.fourier:
            y = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) / n) @ v
        else:
            y = q @ (k.transpose(-2, -1) @ v / n)
        x = x + self.out(y.transpose(1, 2).contiguous().view(b, n, -1))
        return x + self.mlp(x)


class PublishedGalerkin(nn.Module):
    def __init__(self, fourier: bool = False, c: int = 128) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Linear(N_KNOWN, c), nn.SiLU(), nn.Linear(c, c))
        self.blocks = nn.ModuleList(CaoBlock(fourier) for _ in range(6))
        steps: list[nn.Module] = []
        for _ in range(2):
            steps += [nn.Linear(c, c), nn.SiLU()]
        self.head = nn.Sequential(*steps, nn.Linear(c, WIDTHS.out))

    def forward(self, x: Tensor, pos: Tensor) -> Tensor:
        x = self.lift(x)
        for block in self.blocks:
            x = block(x, pos)
        return self.head(x)


class HaoMLP(nn.Module):
    def __init__(self, n_in: int, c: int, n_out: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(n_in, c), nn.Linear(c, n_out)
        self.middle = nn.ModuleList(nn.Linear(c, c) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.first(x))
        for layer in self.middle:
            x = F.gelu(layer(x)) + x
        return self.last(x)


class HaoAttention(nn.Module):
    def __init__(self, c: int, sources: int) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(c, c), nn.Linear(c, c)
        self.keys = nn.ModuleList(nn.Linear(c, c) for _ in range(sources))
        self.values = nn.ModuleList(nn.Linear(c, c) for _ in range(sources))

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        def heads(t: Tensor) -> Tensor:
            return t.view(*t.shape[:2], 1, -1).transpose(1, 2)

        q = heads(self.query(x)).softmax(-1)
        y = q
        for z, key, value in zip(sources, self.keys, self.values, strict=True):
            k, v = heads(key(z)).softmax(-1), heads(value(z))
            share = 1.0 / (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
            y = y + (q @ (k.transpose(-2, -1) @ v)) * share
        return self.out(y.transpose(1, 2).flatten(2))


class HaoBlock(nn.Module):
    """GNOT's block with two experts, as in its public code."""

    def __init__(self, c: int, sources: int, experts: int = 2, inner: int = 4) -> None:
        super().__init__()
        i = inner * c
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(4))
        self.norm_sources = nn.ModuleList(nn.LayerNorm(c) for _ in range(sources))
        self.cross, self.own = HaoAttention(c, sources), HaoAttention(c, 1)
        self.experts = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(nn.Linear(c, i), nn.GELU(), nn.Linear(i, c)) for _ in range(experts)
            )
            for _ in range(2)
        )
        self.gate = nn.Sequential(
            nn.Linear(WIDTHS.features, i), nn.GELU(), nn.Linear(i, i), nn.GELU(),
            nn.Linear(i, experts),
        )  # fmt: skip

    def forward(self, x: Tensor, sources: list[Tensor], place: Tensor) -> Tensor:
        gate = self.gate(place).softmax(-1).unsqueeze(2)
        given = [norm(z) for norm, z in zip(self.norm_sources, sources, strict=True)]
        x = x + self.cross(self.norms[0](x), given)
        x = x + self.norms[1](self.mix(self.experts[0], x, gate))
        y = self.norms[2](x)
        x = x + self.own(y, [y])
        return x + self.norms[3](self.mix(self.experts[1], x, gate))

    @staticmethod
    def mix(experts: nn.ModuleList, x: Tensor, gate: Tensor) -> Tensor:
        return (gate * torch.stack([expert(x) for expert in experts], -1)).sum(-1)


class PublishedGnot(nn.Module):
    def __init__(self, c: int = 128) -> None:
        super().__init__()
        n, w = WIDTHS.features, WIDTHS.tokens + WIDTHS.wall_inputs
        self.trunk = HaoMLP(n + WIDTHS.cond, c, c)
        self.branches = nn.ModuleList(HaoMLP(k, c, c) for k in (n + WIDTHS.inputs, w))
        self.blocks = nn.ModuleList(HaoBlock(c, 2) for _ in range(3))
        self.head = HaoMLP(c, c, WIDTHS.out)

    def forward(self, place: Tensor, cond: Tensor, sources: list[Tensor]) -> Tensor:
        x = self.trunk(torch.cat([place, cond[:, None].repeat(1, place.shape[1], 1)], -1))
        z = [net(s) for net, s in zip(self.branches, sources, strict=True)]
        for block in self.blocks:
            x = block(x, z, place)
        return self.head(x)


def feed_gnot(net: nn.Module, data: SimpleNamespace) -> Tensor:
    sources = [
        torch.cat([data.x, data.inputs], 1)[None],
        torch.cat([data.wall_x, data.wall_inputs], 1)[None],
    ]
    return net(data.x[None], data.cond, sources)[0]


def feed_galerkin(net: nn.Module, data: SimpleNamespace) -> Tensor:
    return net(known(data), data.pos[None])[0]


def feed_plain(net: nn.Module, data: SimpleNamespace) -> Tensor:
    return net(known(data))[0]


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
}


def contestant(name: str) -> nn.Module | None:
    torch.manual_seed(0)
    if name.endswith(" small"):
        kind = name.removesuffix(" small")
        return ours(kind, **SMALL[kind])
    return CONTESTS[name]()


if __name__ == "__main__":
    main()
