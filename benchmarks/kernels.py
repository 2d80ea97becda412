"""How fast are meshop's kernels beside plain torch and scipy?

    python benchmarks/kernels.py [--points 100000] [--threads 2] [--repeats 7]

knn on uniform points in space and on the cells of a graded airfoil mesh, cell_edges on its cells.
References: `meshop.ops.reference` (plain torch; all pairs, so neighbours are compared on fewer
points), scipy's cKDTree (build and query), numpy's unique. Every pair of results is compared before
it is timed. Segment reductions have a benchmark of their own, kernels_segments.py.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from _common import ROOT, interleaved, machine, table, write_json
from scipy.spatial import cKDTree

import meshop
from meshop import ops
from meshop.ops import reference

K = 16
SMALL = 5_000  # points for the all-pairs reference


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--points", type=int, default=100_000)
    args.add_argument("--mesh", default=str(ROOT / "geometries" / "airfoil.vtu"))
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=7)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    g = torch.Generator().manual_seed(0)
    space = torch.rand(opt.points, 3, generator=g, dtype=torch.float64)
    mesh = meshop.read(opt.mesh)
    cells = torch.as_tensor(mesh.cell_centers()[:, :2]).contiguous()

    suites = {}
    for name, points in ((f"knn {opt.points} x 3", space), (f"knn {len(cells)} cells x 2", cells)):
        suites[name] = knn_jobs(points, opt.threads)
    suites[f"knn {SMALL} x 3"] = small_knn_jobs(space[:SMALL].contiguous())
    suites["cell_edges"] = edge_jobs(mesh)

    rows, result = [], {}
    for name, jobs in suites.items():
        seconds = interleaved(jobs, opt.repeats)
        result[name] = seconds
        rows += [(name, key, 1e3 * t, t / seconds["meshop"]) for key, t in seconds.items()]
    print(f"compiled kernels: {ops.compiled}")
    print(table(rows, ("question", "who", "ms", "times ours")))
    print(machine())
    write_json(opt.json, {"seconds": result, "compiled": bool(ops.compiled), "machine": machine()})


def knn_jobs(points: torch.Tensor, threads: int) -> dict:
    xyz = points.numpy()
    ours = ops.knn(points, K)
    dist, _ = cKDTree(xyz).query(xyz, k=K)
    same(ours.dist2.reshape(-1, K).sqrt(), torch.as_tensor(dist))
    return {
        "meshop": lambda: ops.knn(points, K),
        "scipy cKDTree": lambda: cKDTree(xyz).query(xyz, k=K, workers=threads),
        "scipy, 1 worker": lambda: cKDTree(xyz).query(xyz, k=K),
    }


def small_knn_jobs(points: torch.Tensor) -> dict:
    def plain() -> tuple:
        return reference.knn(points, None, None, None, K, float("inf"), False)

    if not torch.equal(ops.knn(points, K).index, plain()[2]):
        raise SystemExit("knn differs from its reference")
    return {"meshop": lambda: ops.knn(points, K), "plain torch": plain}


def edge_jobs(mesh: meshop.Mesh) -> dict:
    arrays = [torch.as_tensor(a) for a in (mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)]
    if not torch.equal(ops.cell_edges(*arrays), reference.cell_edges(*arrays)):
        raise SystemExit("cell_edges differs from its reference")

    def with_numpy() -> np.ndarray:
        """Edges of triangles and quads, the way a script would do it."""
        size = np.diff(mesh.cell_offsets)
        pairs = []
        for k in (3, 4):
            nodes = mesh.cell_nodes[mesh.cell_offsets[:-1][size == k][:, None] + np.arange(k)]
            pairs += [nodes[:, [i, (i + 1) % k]] for i in range(k)]
        return np.unique(np.sort(np.concatenate(pairs), 1), axis=0)

    same(ops.cell_edges(*arrays), torch.as_tensor(with_numpy()))
    return {
        "meshop": lambda: ops.cell_edges(*arrays),
        "plain torch": lambda: reference.cell_edges(*arrays),
        "numpy unique": with_numpy,
    }


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    main()
