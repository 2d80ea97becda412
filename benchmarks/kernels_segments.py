"""How fast are segment reductions and gathered sums beside torch, MKL and torch_scatter?

    python benchmarks/kernels_segments.py [--nodes 200000] [--edges 1200000] [--channels 64]
        [--threads 2] [--repeats 5] [--dtype float32] [--only PART]

A random graph, receivers sorted. Each question forward, backward alone, and both; results are
compared before they are timed. The last column is the least time the memory allows: the bytes
that must move (each input once, each output once) over the bandwidth of copying 300 MB to where it
was copied before. A fresh output costs page faults on top, which no kernel can avoid.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from _timing import copy_bandwidth, interleaved, machine, table, write_json
from torch import Tensor

from meshop import ops

try:
    import torch_scatter
except ImportError:
    print("peer skipped: torch_scatter is not installed")
    torch_scatter = None

Call = Callable[..., Tensor]
REDUCTIONS = [f"segment_{how}" for how in ("sum", "mean", "min", "max", "logsumexp")]

FORWARD_ONLY = ["torch sparse (MKL)"]  # its gradient of the weights is a dense (N, N) matrix


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--nodes", type=int, default=200_000)
    args.add_argument("--edges", type=int, default=1_200_000)
    args.add_argument("--channels", type=int, default=64)
    args.add_argument("--dtype", default="float32")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--only", default="", help="questions that hold this text")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    case = Case(opt.nodes, opt.edges, opt.channels, getattr(torch, opt.dtype))
    speed = copy_bandwidth()

    rows: list[tuple] = []
    result: dict[str, Any] = {}
    for name, (peers, size) in (segment_questions(case) | gather_questions(case)).items():
        if opt.only not in name:
            continue
        held = case.rowptr.diff() > 0 if name in REDUCTIONS else slice(None)
        for part, (jobs, moved) in parts(peers, size, held).items():
            seconds = interleaved(jobs, opt.repeats, settle=True)
            best = min((t for who, t in seconds.items() if who != "meshop"), default=float("nan"))
            limit = moved / speed
            for who, t in seconds.items():
                rows.append((f"{name} {part}", who, 1e3 * t, t / seconds["meshop"], t / limit))
            ratio = best / seconds["meshop"]
            result[f"{name} {part}"] = {"seconds": seconds, "ratio": ratio, "limit": limit}
            del jobs
    print(f"{case}, {opt.dtype}; compiled kernels: {ops.compiled}; copy {speed / 1e9:.1f} GB/s")
    print(table(rows, ("question", "who", "ms", "times ours", "times limit")))
    print(machine())
    write_json(opt.json, {"questions": result, "copy": speed, "machine": machine()})


class Case:
    """A graph, its values at edges and nodes, and the bytes of each."""

    def __init__(self, nodes: int, edges: int, channels: int, dtype: torch.dtype) -> None:
        g = torch.Generator().manual_seed(0)
        self.nodes, self.edges, self.channels = nodes, edges, channels
        self.rows = torch.randint(nodes, (edges,), generator=g).sort().values
        count = torch.bincount(self.rows, minlength=nodes)
        self.rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
        self.count = count.clamp(min=1)[:, None]
        self.index = torch.randint(nodes, (edges,), generator=g)
        self.values = torch.randn(edges, channels, generator=g).to(dtype)
        self.x = torch.randn(nodes, channels, generator=g).to(dtype)
        self.weight = torch.rand(edges, generator=g).to(dtype)
        self.slope = torch.randn(nodes, channels, generator=g).to(dtype)
        # Bytes of (E, C), (N, C), (E,) int64, (E,) values
        size = self.values.element_size()
        self.wide, self.tall = edges * channels * size, nodes * channels * size
        self.line, self.ones = 8 * edges, size * edges

    def __str__(self) -> str:
        return f"{self.nodes} nodes, {self.edges} edges, {self.channels} channels"


Question = tuple[dict[str, tuple[Call, tuple[Tensor, ...], Tensor]], tuple[int, int]]


def segment_questions(case: Case) -> dict[str, Question]:
    """name -> ({who: (function, leaves, slope)}, bytes that forward and backward must move)"""
    questions: dict[str, Question] = {}
    v, rowptr = case.values, case.rowptr
    for name in REDUCTIONS:
        how = name.removeprefix("segment_")
        calls: dict[str, Call] = {
            "meshop": lambda v, how=how: ops.segment_reduce(v, rowptr, how),
            **_torch_reductions(case, how),
        }
        if torch_scatter is not None and how != "logsumexp":
            calls["torch_scatter segment_csr"] = lambda v, how=how: torch_scatter.segment_csr(
                v, rowptr, reduce=how
            )
            calls["torch_scatter scatter"] = lambda v, how=how: torch_scatter.scatter(
                v, case.rows, 0, dim_size=case.nodes, reduce=how
            )
        # min and max also write and read which value it was
        arg = 2 * case.tall if how in ("min", "max") else 0
        back = case.wide if how != "logsumexp" else 2 * case.wide
        size = (case.wide + case.tall + arg, back + case.tall + arg)
        questions[name] = ({k: (f, (v,), case.slope) for k, f in calls.items()}, size)

    def plain_softmax(v: Tensor) -> Tensor:
        rows = case.rows[:, None].expand_as(v)
        shape = (case.nodes, case.channels)
        top = v.new_zeros(shape).scatter_reduce(0, rows, v.detach(), "amax", include_self=False)
        each = (v - top[case.rows]).exp()
        return each / v.new_zeros(shape).index_add(0, case.rows, each)[case.rows]

    slope = torch.randn_like(v)
    softmax = {"meshop": lambda v: ops.segment_softmax(v, rowptr), "torch, composed": plain_softmax}
    questions["segment_softmax"] = (
        {k: (f, (v,), slope) for k, f in softmax.items()},
        (2 * case.wide, 3 * case.wide),
    )
    return questions


def _torch_reductions(case: Case, how: str) -> dict[str, Call]:
    shape = (case.nodes, case.channels)

    def added(v: Tensor) -> Tensor:
        out = v.new_zeros(shape).index_add(0, case.rows, v)
        return out / case.count if how == "mean" else out

    def scattered(v: Tensor) -> Tensor:
        name = {"min": "amin", "max": "amax"}.get(how, how)
        rows = case.rows[:, None].expand_as(v)
        return v.new_zeros(shape).scatter_reduce(0, rows, v, name, include_self=False)

    def composed(v: Tensor) -> Tensor:
        rows = case.rows[:, None].expand_as(v)
        top = v.new_zeros(shape).scatter_reduce(0, rows, v.detach(), "amax", include_self=False)
        return top + v.new_zeros(shape).index_add(0, case.rows, (v - top[case.rows]).exp()).log()

    if how == "logsumexp":
        return {"torch, composed": composed}
    calls: dict[str, Call] = {
        "torch scatter_reduce": scattered,
        "torch segment_reduce": lambda v: torch.segment_reduce(v, how, offsets=case.rowptr),
    }
    return {"torch index_add": added, **calls} if how in ("sum", "mean") else calls


def gather_questions(case: Case) -> dict[str, Question]:
    questions: dict[str, Question] = {}
    x, index, rowptr, slope = case.x, case.index, case.rowptr, case.slope
    kept = ops.csr_transpose(index, rowptr, case.nodes)
    shape = (case.nodes, case.nodes)

    def plain(x: Tensor, w: Tensor | None = None) -> Tensor:
        each = x[index] if w is None else x[index] * w[:, None]
        return each.new_zeros(case.nodes, case.channels).index_add(0, case.rows, each)

    def mkl(x: Tensor, w: Tensor) -> Tensor:
        matrix = torch.sparse_csr_tensor(rowptr, index, w, shape, check_invariants=False)
        return torch.sparse.mm(matrix, x)

    def keeping(x: Tensor, w: Tensor | None = None) -> Tensor:
        return ops.gather_reduce(x, index, rowptr, w, transpose=kept)

    mine: dict[str, Call] = {"meshop": keeping}
    fresh: dict[str, Call] = {
        "meshop, transpose not kept": lambda x, w=None: ops.gather_reduce(x, index, rowptr, w)
    }
    sparse: dict[str, Call] = {"torch sparse (MKL)": mkl} if x.dtype.itemsize >= 4 else {}
    others: dict[str, Call] = {"torch gather, index_add": plain}
    graph = case.line + 8 * case.nodes
    once = 2 * case.tall + graph
    questions["gather_sum"] = (
        {k: (f, (x,), slope) for k, f in (mine | fresh | others).items()},
        (once, once),
    )
    # Backward: x and grad read, the graph twice and once transposed with its order
    questions["gather_weighted_sum"] = (
        {k: (f, (x, case.weight), slope) for k, f in (mine | fresh | sparse | others).items()},
        (once + case.ones, 3 * case.tall + 2 * graph + case.line + 2 * case.ones),
    )
    questions["csr_transpose"] = (
        {
            "meshop": (lambda: ops.csr_transpose(index, rowptr, case.nodes).order, (), slope),
            "torch argsort": (lambda: index.argsort(stable=True), (), slope),
        },
        (4 * case.line, 0),
    )
    return questions


def parts(
    peers: dict[str, tuple[Call, tuple[Tensor, ...], Tensor]],
    size: tuple[int, int],
    held: Tensor | slice,
) -> dict[str, tuple[dict[str, Callable[[], Any]], int]]:
    """The jobs of forward, backward, and both; `held`: rows with entries, or all."""
    expected = None
    for who, (call, leaves, _) in peers.items():
        found = call(*leaves).double()
        expected = found if expected is None else expected
        tight = 2e-2 if leaves and leaves[0].dtype.itemsize == 2 else 1e-4
        same = found[held], expected[held]  # peers differ in what a row without entries gives
        torch.testing.assert_close(*same, rtol=tight, atol=tight, msg=lambda m, w=who: f"{w}: {m}")
    forward, backward, both = {}, {}, {}
    for who, (call, leaves, slope) in peers.items():
        forward[who] = lambda call=call, leaves=leaves: call(*leaves)
        if not leaves or who in FORWARD_ONLY:
            continue
        free = tuple(leaf.detach().requires_grad_() for leaf in leaves)

        def slopes(out: Tensor, free: tuple = free, slope: Tensor = slope) -> Any:
            return torch.autograd.grad(out, free, slope, retain_graph=True)

        out = call(*free)
        backward[who] = lambda out=out, slopes=slopes: slopes(out)
        both[who] = lambda call=call, free=free, slopes=slopes: slopes(call(*free))
    jobs = {"forward": (forward, size[0])}
    if backward:
        jobs |= {"backward": (backward, size[1]), "forward and backward": (both, sum(size))}
    return jobs


if __name__ == "__main__":
    main()
