"""Learned preconditioners beside multigrid, pyamg and Jacobi, on meshes that they have not seen.

    OMP_NUM_THREADS=1 python benchmarks/learned_solver.py [--steps 300] [--json FILE] [--save DIR]

P1 diffusion on random polygons, zero on the boundary. Families: `poisson`; `lognormal` (a smooth
coefficient, factors of 100), `rough` (another in each triangle, exp of 1.5 times a normal number),
`anisotropic` (10 to 100 times more along a direction that turns). One network of each kind is
trained for each family on a dozen meshes of 500 to 2,000 unknowns, and tested on others, of 1,000
and of 4 and 16 times as many. Conjugate gradients to 1e-8 from random right-hand sides. Seconds are
of the processor, one thread, medians in turns; learned ones with the Jacobi fallback beside them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from _timing import machine, table, write_json

from meshop.bench import along, in_polygon, triangle_mesh, triangulate
from meshop.bench.tasks.polygon_poisson import polygon
from meshop.errors import MeshopError
from meshop.solvers import Multigrid, Net, learn, solve

FAMILIES = ("poisson", "lognormal", "rough", "anisotropic")
TRAIN = (500, 700, 1000, 2000) * 3
TOLERANCE = 1e-8


def outline(nodes: int, seed: int) -> tuple[np.ndarray, np.ndarray, int, np.random.Generator]:
    """Points, triangles and how many points are on the boundary, of a random polygon."""
    for attempt in range(50):  # a corner may be too sharp for the mesh
        random = np.random.default_rng([seed, attempt, 7])
        corners = polygon(random)
        x, y = corners.T
        area = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
        h = np.sqrt(area * 2 / np.sqrt(3) / nodes)
        edge = along(corners, h)
        try:
            points, triangles = triangulate([edge], partial(in_polygon, corners), h, random)
        except MeshopError:
            continue
        return points, triangles, len(edge), random
    raise SystemExit(f"no mesh of {nodes} nodes for seed {seed}")


def matrix(family: str, nodes: int, seed: int) -> sp.csr_matrix:
    """The stiffness of the inner unknowns."""
    points, triangles, fixed, random = outline(nodes, seed)
    middle = points[triangles].mean(1)

    def field(size: float, waves: int = 12) -> np.ndarray:
        wave, phase = random.normal(0, size, (waves, 2)), random.uniform(0, 2 * np.pi, waves)
        return np.cos(middle @ wave.T + phase).sum(1) * np.sqrt(2 / waves)

    coefficient = None
    if family == "lognormal":
        coefficient = np.exp(1.5 * field(8.0))
    if family == "rough":
        coefficient = np.exp(1.5 * random.standard_normal(len(triangles)))
    if family == "anisotropic":
        turn, more = field(2.0) * np.pi / 2, 10 ** random.uniform(1, 2)
        along_it = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
        coefficient = np.eye(3) + (more - 1) * along_it[:, :, None] * along_it[:, None, :]
    mesh = triangle_mesh(points, triangles)
    a = mesh.p1().stiffness(coefficient).tocsr()[fixed:, fixed:].tocsr()
    a.sort_indices()
    return a


class Run:
    """Iterations, and seconds of setup and solution, of one solver on one system."""

    def __init__(self, a: sp.csr_matrix, b: np.ndarray, make: Callable[[Any], Any]) -> None:
        start = time.process_time()
        made = make(a)
        middle = time.process_time()
        if hasattr(made, "aspreconditioner"):  # pyamg's
            residuals: list[float] = []
            x = made.solve(b, tol=TOLERANCE, accel="cg", residuals=residuals)
            self.iterations = len(residuals) - 1
        else:
            x, details = solve(a, b, made, tol=TOLERANCE, details=True)
            self.iterations = details.iterations
        self.setup, self.solve = middle - start, time.process_time() - middle
        assert np.linalg.norm(b - a @ x) <= 1.1 * TOLERANCE * np.linalg.norm(b)


def solvers(nets: dict[str, Net]) -> dict[str, Callable[[Any], Any]]:
    rivals: dict[str, Callable[[Any], Any]] = {
        "none": lambda a: "none",
        "jacobi": lambda a: "jacobi",
        **nets,
        "multigrid": Multigrid,
    }
    try:
        import pyamg

        rivals["pyamg"] = pyamg.smoothed_aggregation_solver
    except ImportError:
        print("peer skipped: pyamg is not installed")
    return rivals


def compare(
    family: str, sizes: list[int], count: int, repeats: int, rivals: dict[str, Callable[[Any], Any]]
) -> list[dict[str, Any]]:
    rows = []
    for nodes in sizes:
        found: dict[str, list[Run]] = {name: [] for name in rivals}
        unknowns = []
        for seed in range(count):
            a = matrix(family, nodes, 1000 + seed)
            b = np.random.default_rng(seed).standard_normal(a.shape[0])
            unknowns.append(a.shape[0])
            for _ in range(repeats):
                for name, make in rivals.items():
                    found[name].append(Run(a, b, make))
        for name, runs in found.items():
            rows.append(
                {
                    "family": family, "unknowns": round(np.mean(unknowns)), "solver": name,
                    "iterations": float(np.mean([r.iterations for r in runs])),
                    "most": max(r.iterations for r in runs),
                    "setup ms": 1e3 * float(np.median([r.setup for r in runs])),
                    "solve ms": 1e3 * float(np.median([r.solve for r in runs])),
                    "total ms": 1e3 * float(np.median([r.setup + r.solve for r in runs])),
                }
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", default=FAMILIES)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--count", type=int, default=3, help="meshes of each size")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", type=Path, help="a folder for the networks")
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    rows: list[dict[str, Any]] = []
    training: dict[str, float] = {}
    for family in given.families:
        seen = [matrix(family, nodes, number) for number, nodes in enumerate(TRAIN)]
        nets: dict[str, Net] = {"cycle, untrained": learn(seen, steps=0)}
        for kind in ("cycle", "direction"):
            start = time.process_time()
            nets[kind] = learn(seen, kind, steps=given.steps)
            training[f"{family}, {kind}"] = time.process_time() - start
            if given.save:
                given.save.mkdir(parents=True, exist_ok=True)
                nets[kind].save(given.save / f"{family}-{kind}.safetensors")
        rows += compare(family, given.sizes, given.count, given.repeats, solvers(nets))
        seconds = ", ".join(
            f"{k} {training[f'{family}, {k}']:.0f} s" for k in ("cycle", "direction")
        )
        print(f"{family}: trained in {seconds}; {nets['cycle'].config}", flush=True)
        mine = [list(row.values()) for row in rows if row["family"] == family]
        print(table(mine, list(rows[0])), flush=True)
    write_json(given.json, {"machine": machine(), "training": training, "rows": rows})


if __name__ == "__main__":
    main()
