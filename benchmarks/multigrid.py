"""Poisson's equation by multigrid, beside pyamg: contraction, iterations and time over sizes.

    python benchmarks/multigrid.py [--sizes 10000 100000 1000000] [--threads 1] [--json FILE]

P1 stiffness, zero on the boundary of the unit square or cube. Meshes: `triangles` (Delaunay of
jittered points), `tetrahedra` (Kuhn's six of each cube, points jittered), `slivers` (Delaunay
tetrahedra of jittered points, unimproved: worse than any mesher leaves them; up to 100,000).
Factors are of residuals under plain V-cycles, without conjugate gradients: the mean down to 1e-8,
and the last. Iterations are conjugate gradients to 1e-8 from a random right-hand side, both with
each library's defaults. Times are processor seconds of all threads, medians in turns.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from _timing import machine, table, write_json
from scipy.spatial import Delaunay

from meshop.graph import LevelSpec, build_levels
from meshop.ops import Csr
from meshop.solvers import Multigrid, solve


def lattice(nodes: int, dim: int, jitter: float) -> tuple[np.ndarray, np.ndarray]:
    """Jittered points of a lattice and whether each is inside."""
    side = round(nodes ** (1 / dim))
    axis = np.arange(side) / (side - 1)
    points = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), -1).reshape(-1, dim)
    inside = ((points > 0) & (points < 1)).all(1)
    step = np.random.default_rng(0).uniform(-jitter, jitter, points.shape) / (side - 1)
    return points + step * inside[:, None], inside


def kuhn(nodes: int) -> np.ndarray:
    """Six tetrahedra of each cube of a lattice."""
    side = round(nodes ** (1 / 3))
    index = np.arange(side**3).reshape((side,) * 3)
    first, strides = index[:-1, :-1, :-1].ravel(), (side * side, side, 1)
    cells = []
    for order in itertools.permutations(range(3)):
        corners = [first]
        for axis in order:
            corners.append(corners[-1] + strides[axis])
        cells.append(np.stack(corners, 1))
    return np.concatenate(cells)


def mesh(kind: str, nodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, simplices, and which points are inside."""
    dim = 2 if kind == "triangles" else 3
    points, inside = lattice(nodes, dim, 0.15 if kind == "tetrahedra" else 0.35)
    cells = kuhn(nodes) if kind == "tetrahedra" else Delaunay(points).simplices
    edge = points[cells[:, 1:]] - points[cells[:, :1]]
    volume = np.abs(np.linalg.det(edge))
    if kind == "tetrahedra":
        flat, _ = lattice(nodes, 3, 0.0)
        before = np.linalg.det(flat[cells[:, 1:]] - flat[cells[:, :1]])
        assert (np.linalg.det(edge) * before > 0).all(), "an element is turned over"
    # Qhull leaves simplices of no volume along flat sides.
    return points, cells[volume > 1e-4 * volume.mean()], inside


def stiffness(points: np.ndarray, cells: np.ndarray) -> sp.csr_matrix:
    """The P1 stiffness matrix, a part of the cells at a time."""
    dim, total = points.shape[1], sp.csr_matrix((len(points),) * 2)
    for part in np.array_split(cells, max(1, len(cells) // 500_000)):
        edge = points[part[:, 1:]] - points[part[:, :1]]
        inverse = np.linalg.inv(edge)
        slope = np.concatenate([-inverse.sum(2, keepdims=True), inverse], 2)
        volume = np.abs(np.linalg.det(edge)) / (2 if dim == 2 else 6)
        each = np.einsum("mij,mik,m->mjk", slope, slope, volume).ravel()
        row, column = np.repeat(part, dim + 1, 1).ravel(), np.tile(part, (1, dim + 1)).ravel()
        total = total + sp.csr_matrix((each, (row, column)), total.shape)
    return total


def poisson(kind: str, nodes: int) -> sp.csr_matrix:
    points, cells, inside = mesh(kind, nodes)
    matrix = stiffness(points, cells)[inside][:, inside].tocsr()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def factors(
    matrix: sp.csr_matrix, cycle: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float]:
    """Mean factor of the residual down to 1e-8, and the last."""
    r = np.random.default_rng(2).standard_normal(matrix.shape[0])
    r, total, count = r / np.linalg.norm(r), 1.0, 0
    while total > 1e-8 and count < 100:
        r = r - matrix @ cycle(r)
        last = float(np.linalg.norm(r))
        r, total, count = r / last, total * last, count + 1
    return total ** (1 / count), last


class Ours:
    name = "meshop"

    def __init__(self, matrix: sp.csr_matrix, b: np.ndarray) -> None:
        start = time.process_time()
        self.cycle = Multigrid(matrix)
        middle = time.process_time()
        _, details = solve(matrix, b, self.cycle, details=True)
        self.setup, self.solve = middle - start, time.process_time() - middle
        self.iterations, self.complexity = details.iterations, self.cycle.complexity


class Peer:
    name = "pyamg"

    def __init__(self, matrix: sp.csr_matrix, b: np.ndarray) -> None:
        import pyamg

        start = time.process_time()
        self.levels = pyamg.smoothed_aggregation_solver(matrix)
        middle = time.process_time()
        residuals: list[float] = []
        self.levels.solve(b, tol=1e-8, accel="cg", residuals=residuals)
        self.setup, self.solve = middle - start, time.process_time() - middle
        self.iterations = len(residuals) - 1
        self.complexity = self.levels.operator_complexity()

    def cycle(self, r: np.ndarray) -> np.ndarray:
        return self.levels.solve(r, x0=np.zeros_like(r), maxiter=1, tol=1e-300)


def compare(kind: str, nodes: int, repeats: int) -> list[dict[str, Any]]:
    matrix = poisson(kind, nodes)
    b = np.random.default_rng(1).standard_normal(matrix.shape[0])
    rivals: list[type] = [Ours]
    try:
        import pyamg  # noqa: F401

        rivals.append(Peer)
    except ImportError:
        print("peer skipped: pyamg is not installed")
    runs: dict[str, list[Any]] = {rival.name: [] for rival in rivals}
    for _ in range(repeats):
        for rival in rivals:
            runs[rival.name].append(rival(matrix, b))
    rows = []
    for name, made in runs.items():
        mean, last = factors(matrix, made[0].cycle)
        setup, solution = (
            float(np.median([getattr(m, p) for m in made])) for p in ("setup", "solve")
        )
        both = float(np.median([m.setup + m.solve for m in made]))
        rows.append(
            {
                "mesh": kind, "unknowns": matrix.shape[0], "solver": name, "factor": mean,
                "last": last, "iterations": made[0].iterations, "setup": setup, "solve": solution,
                "total": both, "complexity": made[0].complexity,
            }
        )  # fmt: skip
    return rows


def level_times(nodes: int) -> list[list[Any]]:
    """Seconds to build three levels of a triangle mesh's graph by each method."""
    points, cells, _ = mesh("triangles", nodes)
    graph = Csr.of(stiffness(points, cells))
    pos, weight = torch.as_tensor(points), torch.ones(len(points), dtype=torch.float64)
    rows = []
    for method in ("smoothed", "aggregation", "farthest", "bistride"):
        start = time.process_time()
        levels = build_levels(pos, weight, graph.rowptr, graph.index, LevelSpec(method=method))
        spent = time.process_time() - start
        rows.append([method, spent, ", ".join(f"{len(level.weight):,}" for level in levels)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["triangles", "tetrahedra", "slivers"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(machine())
    rows: list[dict[str, Any]] = []
    for kind in given.kinds:
        for nodes in given.sizes:
            if kind == "slivers" and nodes > 100_000:
                continue
            rows += compare(kind, nodes, given.repeats)
            print(table([list(row.values()) for row in rows[-2:]], list(rows[0])), flush=True)
    print(table([list(row.values()) for row in rows], list(rows[0])))
    levels = level_times(max(given.sizes))
    print(table(levels, ["levels", "seconds", "nodes"]))
    write_json(given.json, {"machine": machine(), "rows": rows, "levels": levels})


if __name__ == "__main__":
    main()
