"""How fast are meshop's kernels beside plain torch and scipy?

    python benchmarks/kernels.py [--points 100000] [--threads 2] [--repeats 7]

knn on uniform points in space and on the cells of a graded airfoil mesh, segment_reduce on its CSR.
References: `meshop.ops.reference` (plain torch; all pairs, so neighbours are compared on fewer
points), scipy's cKDTree (build and query), torch's index_add. Every pair of results is compared
before it is timed. Edges and facets of cells: kernels_cells.py.
"""

from __future__ import annotations

import argparse

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
    suites |= segment_jobs(cells, g)

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


def segment_jobs(cells: torch.Tensor, g: torch.Generator) -> dict[str, dict]:
    near = ops.knn(cells, K)
    values = torch.randn(len(near.index), 64, generator=g)
    rows, out = near.receivers, torch.zeros(len(cells), 64)
    suites = {}
    for how in ("sum", "mean", "max"):
        same(
            ops.segment_reduce(values, near.rowptr, how),
            reference.segment_reduce(values, near.rowptr, how)[0],
        )
        suites[f"segment_{how} {len(values)} x 64"] = {
            "meshop": lambda how=how: ops.segment_reduce(values, near.rowptr, how),
            "plain torch": lambda how=how: reference.segment_reduce(values, near.rowptr, how),
        }
    suites[f"segment_sum {len(values)} x 64"]["torch index_add"] = lambda: out.zero_().index_add_(
        0, rows, values
    )
    return suites


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    main()
