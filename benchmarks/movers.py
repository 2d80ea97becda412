"""How fast meshes move by the Monge-Ampere equation, and how tangled ones are put right.

    python benchmarks/movers.py [--sides 20,40,80] [--cubes 8,12,20,30] [--repeats 3] [--json FILE]

First rings of three kinds on squares and spheres of two on cubes: Newton's method beside
relaxation, to a residual of 1e-3: iterations, the variation of m |K| that they leave, and what the
displacement would have inverted without the limiter. Then squares and cubes whose inner points are
displaced at random by .1 to 2 cells, through `smooth`. Processor seconds of one thread, medians.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from _timing import interleaved, machine, table, write_json
from limiter import cube

from meshop.errors import MeshopError
from meshop.mesh import Mesh
from meshop.movers import Monitor, monge_ampere, ring_monitor, smooth

RINGS = ((10, 200, 0.15), (10, 50, 0.1), (20, 100, 0.1))
SPHERES = ((4, 20, 0.1), (5, 50, 0.1))
METHODS = ("relaxation", "newton")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--sides", default="20,40,80")
    args.add_argument("--cubes", default="8,12,20,30")
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(1)
    meshes = [(2, n, square(n)) for n in whole(opt.sides)]
    meshes += [(3, n, tetrahedra(n)) for n in whole(opt.cubes)]
    moved = []
    for d, n, mesh in meshes:
        for shape in RINGS if d == 2 else SPHERES:
            moved.append((f"{n}^{d}", str(shape), *race(mesh, shape, opt.repeats)))
            print(*moved[-1], flush=True)
    words = [f"{method[:6]} {what}" for method in METHODS for what in ("its", "left", "bad", "s")]
    print(table(moved, ("cells", "ring", "before", *words, "ratio")))
    untangled = [
        (f"{n}^{d}", size, *put_right(shaken(mesh, size / n)))
        for d, n, mesh in meshes
        for size in (0.1, 0.5, 1.0, 2.0)
    ]
    words = ("corners", "were inverted", "are", "iterations", "angle before", "after", "s")
    print("\n" + table(untangled, ("cells", "displaced by", *words)))
    print(machine())
    write_json(opt.json, {"moved": moved, "untangled": untangled, "machine": machine()})


def race(mesh: Mesh, shape: tuple[float, ...], repeats: int) -> list[float | int | str]:
    monitor = ring_monitor(*shape, centre=(0.5,) * mesh.dim)
    jobs = {
        m: lambda m=m: monge_ampere(mesh.copy(), monitor, method=m, max_iterations=300)
        for m in METHODS
    }
    seconds = interleaved(jobs, repeats, clock=time.process_time)
    out: list[float | int | str] = [spread(mesh, monitor)]
    for name, job in jobs.items():
        found, report = job()
        reached = f"{report.iterations}" + ("" if report.residual < 1e-3 else " (fails)")
        out += [reached, spread(found, monitor), report.proposed + report.inverted, seconds[name]]
    return [*out, seconds["relaxation"] / seconds["newton"]]


def spread(mesh: Mesh, monitor: Monitor) -> float:
    m = monitor(mesh.points[:, : mesh.dim])[mesh.cell_nodes.reshape(mesh.n_cells, -1)].mean(axis=1)
    share = m * mesh.cell_measures()
    return float(share.std() / share.mean())


def put_right(mesh: Mesh) -> list[float | int | str]:
    start = time.process_time()
    try:
        _, r = smooth(mesh)
    except MeshopError as error:
        return [mesh.n_cells, "", str(error).splitlines()[0], "", "", "", ""]
    spent = time.process_time() - start
    angles = [r.min_angle_before, r.min_angle]
    return [mesh.n_cells, r.untangled, r.inverted, r.iterations, *angles, spent]


def shaken(mesh: Mesh, size: float) -> Mesh:
    out, points, d = mesh.copy(), mesh.points.copy(), mesh.dim
    inner = np.setdiff1d(np.arange(mesh.n_points), mesh.p1().boundary.points)
    noise = np.random.default_rng(0).normal(size=(mesh.n_points, d))
    points[inner, :d] += size * noise[inner]
    out.points = points
    return out


def square(n: int) -> Mesh:
    """Triangles of alternating diagonals."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    a = i * (n + 1) + j
    quad = np.stack([a, a + n + 1, a + n + 2, a + 1], 1)
    even = ((i + j) % 2 == 0)[:, None]
    one = np.where(even, quad[:, [0, 1, 2]], quad[:, [0, 1, 3]])
    two = np.where(even, quad[:, [0, 2, 3]], quad[:, [1, 2, 3]])
    return Mesh.from_blocks(points, [("triangle", np.stack([one, two], 1).reshape(-1, 3))])


def tetrahedra(n: int) -> Mesh:
    points, nodes = cube(n + 1)
    return Mesh.from_blocks(points.numpy(), [("tetra", nodes.numpy())])


def whole(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


if __name__ == "__main__":
    main()
