"""How fast are the drop-in torch_scatter and torch_cluster beside the originals?

    python benchmarks/kernels_compat.py [--nodes 200000] [--edges 1200000] [--channels 64]
        [--threads 2] [--repeats 5] [--only PART]

A random graph with 64 channels at its edges, by an index that is not sorted and one that is, and
points in space. Results are compared before they are timed; where there is a gradient, also
forward and backward together.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from _timing import interleaved, machine, table, write_json
from torch import Tensor

from meshop import ops
from meshop.compat import torch_cluster as our_cluster
from meshop.compat import torch_scatter as our_scatter

try:
    import torch_cluster
    import torch_scatter
except ImportError as error:
    raise SystemExit(f"peers skipped: {error.name} is not installed") from None

Call = Callable[[Any], Any]  # of the module
Question = tuple[Tensor | None, Callable[..., Any], str]  # what has a gradient, call, comparison


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=200_000)
    args.add_argument("--edges", type=int, default=1_200_000)
    args.add_argument("--channels", type=int, default=64)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--only", default="", help="questions that hold this text")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    torch.manual_seed(0)
    rows, result = [], {}
    for modules, questions in (
        ((our_scatter, torch_scatter), scatters(opt.nodes, opt.edges, opt.channels)),
        ((our_cluster, torch_cluster), clusters(opt.nodes, opt.edges)),
    ):
        for name, (src, call, same) in questions.items():
            if opt.only not in name:
                continue
            parts = {"forward": lambda m, src=src, call=call: call(m, src)}
            if src is not None:
                parts["and backward"] = slopes(src, call)
            found, expected = (parts["forward"](m) for m in modules)
            AGREE[same](found, expected)
            del found, expected
            for part, job in parts.items():
                jobs = {w: lambda m=m, job=job: job(m)
                        for w, m in zip(("meshop", "original"), modules, strict=True)}  # fmt: skip
                t = interleaved(jobs, opt.repeats, settle=True)
                ratio = t["original"] / t["meshop"]
                rows.append((f"{name} {part}", 1e3 * t["meshop"], 1e3 * t["original"], ratio))
                result[f"{name} {part}"] = t | {"ratio": ratio}
                print(rows[-1], flush=True) if opt.only else None
    size = f"{opt.nodes} nodes, {opt.edges} edges, {opt.channels} channels"
    print(f"{size}; compiled kernels: {ops.compiled}")
    print(table(rows, ("question", "meshop ms", "original ms", "original / meshop")))
    print(machine())
    write_json(opt.json, {"questions": result, "machine": machine()})


def slopes(src: Tensor, call: Callable[..., Any]) -> Call:
    leaf = src.detach().requires_grad_()

    def both(module: Any) -> Any:
        out = call(module, leaf)
        out = out[0] if isinstance(out, tuple) else out
        return torch.autograd.grad(out, leaf, torch.ones_like(out))

    return both


def scatters(nodes: int, edges: int, channels: int) -> dict[str, Question]:
    index = torch.randint(nodes, (edges,))
    rows = index.sort().values
    indptr = torch.searchsorted(rows, torch.arange(nodes + 1))
    v, line, x = torch.randn(edges, channels), torch.randn(edges), torch.randn(nodes, channels)
    each = torch.randint(nodes, (edges, 8))
    few = torch.randn(edges, 8)
    asked: dict[str, Question] = {}
    for how in ("sum", "mean", "max", "mul"):
        asked[f"scatter_{how}"] = (
            v,
            lambda m, v, how=how: m.scatter(v, index, 0, None, nodes, how),
            "values",
        )
    for name in ("sum", "max"):
        asked[f"scatter_{name}, sorted"] = (
            v,
            lambda m, v, how=name: m.scatter(v, rows, 0, None, nodes, how),
            "values",
        )
        asked[f"scatter_{name}, 1 channel"] = (
            line,
            lambda m, v, how=name: m.scatter(v, index, 0, None, nodes, how),
            "values",
        )
        asked[f"scatter_{name}, an index for each of 8"] = (
            few,
            lambda m, v, how=name: m.scatter(v, each, 0, None, nodes, how),
            "values",
        )
    for name in ("softmax", "log_softmax", "logsumexp", "std"):
        asked[f"scatter_{name}"] = (
            v,
            lambda m, v, name=name: getattr(m, f"scatter_{name}")(v, index, 0, dim_size=nodes),
            "values",
        )
    for how in ("sum", "mean", "max"):
        asked[f"segment_csr {how}"] = (
            v,
            lambda m, v, how=how: m.segment_csr(v, indptr, reduce=how),
            "values",
        )
        asked[f"segment_coo {how}"] = (
            v,
            lambda m, v, how=how: m.segment_coo(v, rows, dim_size=nodes, reduce=how),
            "values",
        )
    asked["gather_csr"] = (x, lambda m, x: m.gather_csr(x, indptr), "values")
    asked["gather_coo"] = (x, lambda m, x: m.gather_coo(x, rows), "values")
    return asked


def clusters(nodes: int, edges: int) -> dict[str, Question]:
    points, queries = torch.rand(nodes, 3), torch.rand(nodes, 3)
    batch = torch.arange(nodes) * 8 // nodes
    some = points[: nodes // 4]
    r = (40 / (4.19 * nodes)) ** (1 / 3)  # some 40 neighbours
    r8 = 2 * r
    row = torch.randint(nodes, (edges,)).sort().values
    col = torch.randint(nodes, (edges,))
    rowptr = torch.searchsorted(row, torch.arange(nodes + 1))
    both = torch.cat([row, col]), torch.cat([col, row])
    start = torch.arange(nodes)
    size = torch.full((3,), 0.02)
    seeds = points[: nodes // 100]
    calls: dict[str, tuple[Callable[[Any], Any], str]] = {
        "knn, k = 16": (lambda m: m.knn(points, queries, 16), "edges"),
        "knn_graph, k = 16": (lambda m: m.knn_graph(points, 16), "edges"),
        "knn_graph, k = 16, 8 clouds": (lambda m: m.knn_graph(points, 16, batch), "edges"),
        "radius": (lambda m: m.radius(points, queries, r, max_num_neighbors=200), "edges"),
        "radius_graph": (lambda m: m.radius_graph(points, r, max_num_neighbors=200), "edges"),
        "radius_graph, at most 32": (lambda m: m.radius_graph(points, r), "size"),
        "radius_graph, 8 clouds": (
            lambda m: m.radius_graph(points, r8, batch, max_num_neighbors=500),
            "edges",
        ),
        "nearest": (lambda m: m.nearest(points, seeds), "values"),
        "fps, a quarter of the points, 1 %": (
            lambda m: m.fps(some, ratio=0.01, random_start=False),
            "values",
        ),
        "fps, 8 clouds, 1 %": (
            lambda m: m.fps(points, batch, 0.01, random_start=False),
            "values",
        ),
        "grid_cluster": (lambda m: m.grid_cluster(points, size), "values"),
        "graclus_cluster": (lambda m: m.graclus_cluster(*both), "size"),
        "random_walk, 10 steps": (lambda m: m.random_walk(row, col, start, 10), "size"),
        "random_walk, p = 2, q = 0.5": (
            lambda m: m.random_walk(row, col, start, 10, 2.0, 0.5),
            "size",
        ),
        "neighbor_sampler": (lambda m: m.neighbor_sampler(start, rowptr, 3), "size"),
    }
    return {
        name: (None, lambda m, _, call=call: call(m), same) for name, (call, same) in calls.items()
    }


def _same_values(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4)


def _same_edges(found: Tensor, expected: Tensor) -> None:
    """In any order; of points as near as rounding, either."""
    found, expected = (e[0] * (int(e.max()) + 1) + e[1] for e in (found, expected))
    both = torch.isin(found, expected).double().mean()
    assert len(found) == len(expected) and both > 1 - 1e-5


def _same_size(found: Any, expected: Any) -> None:
    assert found.shape == expected.shape


AGREE = {"values": _same_values, "edges": _same_edges, "size": _same_size}

if __name__ == "__main__":
    main()
