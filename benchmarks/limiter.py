"""How fast displacements are limited, and how many simplices end up inverted.

    python benchmarks/limiter.py [--side 56] [--repeats 3] [--threads 1] [--json FILE]

6 (side - 1)^3 tetrahedra of a cube, displaced at random by a part of their size: nothing is
inverted (.05), some are (.3), most are (1 and 10). Each at the default 8 passes and at 2; once with
nodes and cells in random order, where memory is what takes the time. Processor seconds of all
threads, median. Before that 100,000 separate random simplices, some very flat, in 2-D and 3-D, with
moves up the slope of their volume, through themselves, and at random, from a hundredth to a hundred
times their size: exact signs are counted.
"""

from __future__ import annotations

import argparse
import time

import torch
from _timing import interleaved, machine, table, write_json

from meshop import ops
from meshop.movers import limit

F64 = torch.float64


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--side", type=int, default=56)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    counts = [(f"{dim}-D", *adversarial(100_000, dim)) for dim in (2, 3)]
    print(table(counts, ("100,000 simplices", "inverted by the move", "after limiting", "done")))
    points, nodes = cube(opt.side)
    random = torch.Generator().manual_seed(0)
    unit = torch.randn(points.shape, generator=random, dtype=F64) / (opt.side - 1)
    jobs, made = {}, {}
    for size in (0.05, 0.3, 1.0, 10.0):
        for passes in (2, 8):
            name = f"{size} cells, {passes} passes"
            jobs[name] = lambda size=size, passes=passes: limit(
                points, size * unit, nodes, passes=passes
            )
            found = jobs[name]()
            bad = int((ops.simplex_sign(found.points, nodes) <= 0).sum())
            made[name] = (bad, float(found.done))
    number = torch.randperm(len(points), generator=random)
    mixed = number[nodes][torch.randperm(len(nodes), generator=random)]
    far, way = torch.empty_like(points), torch.empty_like(unit)
    far[number], way[number] = points, unit
    jobs["1.0 cells, 8 passes, numbered at random"] = lambda: limit(far, way, mixed)
    found = limit(far, way, mixed)
    bad = int((ops.simplex_sign(found.points, mixed) <= 0).sum())
    made["1.0 cells, 8 passes, numbered at random"] = (bad, float(found.done))
    step = 0.3 * unit
    jobs["ops.simplex_sign"] = lambda: ops.simplex_sign(points, nodes)
    jobs["ops.step_limit"] = lambda: ops.step_limit(points, step, nodes)
    jobs["ops.simplex_width"] = lambda: ops.simplex_width(points, nodes)
    width = ops.simplex_width(points, nodes)
    jobs["ops.node_least"] = lambda: ops.node_least(width, nodes, len(points))
    seconds = interleaved(jobs, opt.repeats, clock=time.process_time)
    rows = [(name, *made.get(name, ("", "")), seconds[name]) for name in jobs]
    print(f"\n{len(nodes)} tetrahedra, {opt.threads} thread")
    print(table(rows, ("displacement", "inverted", "done", "s")))
    print(machine())
    write_json(opt.json, {"seconds": seconds, "adversarial": counts, "machine": machine()})


def adversarial(n: int, dim: int) -> tuple[int, int, float]:
    random = torch.Generator().manual_seed(dim)
    corner = torch.randn(n, dim + 1, dim, generator=random, dtype=F64)
    corner[:, :, -1] *= torch.rand(n, 1, generator=random, dtype=F64) ** 4
    points = corner.reshape(-1, dim)
    nodes = torch.arange(n * (dim + 1)).reshape(n, dim + 1)
    wrong = ops.simplex_sign(points, nodes) < 0
    nodes[wrong] = nodes[wrong][:, [1, 0, *range(2, dim + 1)]]
    x = points.clone().requires_grad_()
    volume = torch.linalg.det(x[nodes][:, 1:] - x[nodes][:, :1]).sum()
    (slope,) = torch.autograd.grad(volume, x)
    size = 10 ** (4 * torch.rand(len(points), 1, generator=random, dtype=F64) - 2)
    noise = torch.randn(points.shape, generator=random, dtype=F64)
    kind = torch.randint(3, (n,), generator=random).repeat_interleave(dim + 1)[:, None]
    down = -size * slope / slope.norm(dim=1, keepdim=True)
    step = torch.where(kind == 0, down, torch.where(kind == 1, noise * size, -2 * points))
    found = limit(points, step, nodes)
    before = int((ops.simplex_sign(points + step, nodes) <= 0).sum())
    after = int((ops.simplex_sign(found.points, nodes) <= 0).sum())
    return before, after, float(found.done)


def cube(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Kuhn's six tetrahedra in each cell of a grid."""
    axis = torch.linspace(0, 1, side, dtype=F64)
    points = torch.cartesian_prod(axis, axis, axis)
    first = torch.cartesian_prod(*[torch.arange(side - 1)] * 3)
    stride = torch.tensor([side * side, side, 1])
    cells = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        walk = [first @ stride]
        for axis_id in order:
            walk.append(walk[-1] + stride[axis_id])
        cells.append(torch.stack(walk, 1))
    nodes = torch.cat(cells)
    wrong = ops.simplex_sign(points, nodes) < 0
    nodes[wrong] = nodes[wrong][:, [1, 0, 2, 3]]
    return points, nodes


if __name__ == "__main__":
    main()
