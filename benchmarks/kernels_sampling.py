"""How fast are farthest_points and voxel_downsample beside what others use?

    python benchmarks/kernels_sampling.py [--points 200000] [--count 50000] [--threads 2] [--full]

Farthest points: torch_cluster.fps (O(N M): timed for --peer-count samples and scaled up, in full
with --full) and fpsample's bucket k-d line (QuickFPS). Voxels: torch_cluster.grid_cluster with
PyG's consecutive_cluster, and torch_scatter's mean of the positions; numpy's unique; Open3D. Peers
that are not installed are named and left out. Every result is compared before it is timed.

The limits: the bytes that must move (inputs once, outputs once) over this machine's copy bandwidth;
for farthest points also what the plain algorithm's N M distances would take at its arithmetic peak,
measured by a matrix product.
"""

from __future__ import annotations

import argparse
import importlib
import time
from types import ModuleType
from typing import Any

import numpy as np
import torch
from _timing import arithmetic_peak, copy_bandwidth, interleaved, machine, table, write_json

from meshop import ops

BUCKET_HEIGHT = 7  # fpsample's fastest for these sizes, of 3 to 11


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--points", type=int, default=200_000)
    args.add_argument("--count", type=int, default=50_000)
    args.add_argument("--peer-count", type=int, default=1_000)
    args.add_argument("--voxel-points", type=int, default=1_000_000)
    args.add_argument("--full", action="store_true")
    args.add_argument("--only", choices=("farthest", "voxels"))
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    speed, peak = copy_bandwidth(), arithmetic_peak()

    rows: list[tuple] = []
    if opt.only != "voxels":
        for name, points in clouds(opt.points).items():
            rows += farthest_rows(name, points, opt, speed, peak)
    if opt.only != "farthest":
        for size in (0.02, 0.1):
            points = clouds(opt.voxel_points)["uniform 3-D"]
            rows += voxel_rows(f"voxels of {size}", points, size, opt, speed)
    print(
        f"compiled kernels: {ops.compiled}; copy {speed / 1e9:.1f} GB/s; {peak / 1e9:.0f} GFlop/s"
    )
    print(table(rows, ("question", "who", "ms", "times ours", "bytes ms", "plain ms")))
    print(machine())
    write_json(opt.json, {"rows": rows, "compiled": bool(ops.compiled), "machine": machine()})


def clouds(n: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    uniform = torch.rand(n, 3, generator=g)
    graded = torch.rand(n, 3, generator=g, dtype=torch.float64)
    graded[:, -1] = 10 ** (graded[:, -1] * 6.3 - 5)  # off the wall: 1e-5 to 20
    side = round(n ** (1 / 3))
    lattice = torch.cartesian_prod(*[torch.arange(float(side))] * 3)
    return {
        "uniform 3-D": uniform,
        "uniform 3-D, float64": uniform.double(),
        "graded 3-D": graded.float(),
        "lattice 3-D, shuffled": lattice[torch.randperm(len(lattice), generator=g)],
        "uniform 2-D": uniform[:, :2].contiguous(),
    }


def farthest_rows(
    name: str, points: torch.Tensor, opt: Any, speed: float, peak: float
) -> list[tuple]:
    n, dim = points.shape
    count = min(opt.count, n)
    question = f"farthest {count} of {n}, {name}"
    ours = ops.farthest_points(points, count)
    jobs, scale = {"meshop": lambda: ops.farthest_points(points, count)}, {}
    cluster, other = found("torch_cluster"), found("fpsample")
    if cluster:
        few = min(opt.peer_count, count)
        same_picks(cluster.fps(points, ratio=few / n, random_start=False), ours.index, "fps")
        jobs["torch_cluster.fps"] = lambda: cluster.fps(points, ratio=few / n, random_start=False)
        scale["torch_cluster.fps"] = count / few
    if other and points.dtype == torch.float32:
        rows = points.numpy()

        def buckets() -> np.ndarray:
            return other.bucket_fps_kdline_sampling(rows, count, h=BUCKET_HEIGHT, start_idx=0)

        same_picks(torch.as_tensor(buckets().astype(np.int64)), ours.index, "fpsample")
        jobs["fpsample bucket"] = buckets
    seconds = interleaved(jobs, opt.repeats)
    for who, factor in scale.items():
        if opt.full:
            start = time.perf_counter()
            cluster.fps(points, ratio=count / n, random_start=False)
            seconds[who] = time.perf_counter() - start
        else:
            seconds[f"{who}, {opt.peer_count} x {factor:g}"] = seconds.pop(who) * factor
    moved = points.nbytes + count * (8 + points.element_size())
    plain = n * count * 3 * dim / peak
    return [
        (question, who, 1e3 * t, t / seconds["meshop"], 1e3 * moved / speed, 1e3 * plain)
        for who, t in seconds.items()
    ]


def voxel_rows(name: str, points: torch.Tensor, size: float, opt: Any, speed: float) -> list[tuple]:
    n, dim = points.shape
    grid = torch.full((dim,), size, dtype=torch.float64)
    zero = torch.zeros(dim, dtype=torch.float64)
    ours = ops.voxel_downsample(points, size)
    _, theirs = np.unique(np.floor(points.double().numpy() / size), axis=0, return_inverse=True)
    if not np.array_equal(theirs, ours.group.numpy()):
        raise SystemExit("voxels differ from numpy's")

    group: dict[str, Any] = {
        "meshop": lambda: torch.ops.meshop.voxel_groups(points, None, grid, zero),
        "numpy floor, unique": lambda: np.unique(
            np.floor(points.numpy() / size), axis=0, return_inverse=True
        ),
    }
    means: dict[str, Any] = {"meshop": lambda: ops.voxel_downsample(points, size)}
    cluster, pool = found("torch_cluster"), found("torch_geometric.nn.pool.consecutive")
    scatter, open3d = found("torch_scatter"), found("open3d")
    if cluster and pool:
        edges = torch.full((dim,), size)

        def clusters() -> torch.Tensor:
            # Its start is the least corner by default; ours is the origin.
            raw = cluster.grid_cluster(points, edges, torch.zeros(dim))
            return pool.consecutive_cluster(raw)[0]

        if int(clusters().max()) + 1 != len(ours.points):
            print("note: grid_cluster finds other voxels (it divides in float32)")
        group["grid_cluster, consecutive"] = clusters
        if scatter:
            means["the same, scatter mean"] = lambda: scatter.scatter_mean(points, clusters(), 0)
    if open3d:
        pcd = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.double().numpy()))
        means["Open3D"] = lambda: pcd.voxel_down_sample(size)
    kept = len(ours.points)
    needed = {"groups": 16 * n + 8 * kept, "and means": 16 * n + 8 * kept + (8 + 4 * dim) * kept}
    rows = []
    for (what, moved), jobs in zip(needed.items(), (group, means), strict=True):
        seconds = interleaved(jobs, opt.repeats)
        limit = 1e3 * (points.nbytes + moved) / speed
        label = f"{n} points, {kept} {name}: {what}"
        rows += [(label, w, 1e3 * t, t / seconds["meshop"], limit, "") for w, t in seconds.items()]
    return rows


_missing: set[str] = set()


def found(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if name not in _missing:
            print(f"peer skipped: {name} is not usable here ({error})")
        _missing.add(name)
        return None


def same_picks(theirs: torch.Tensor, ours: torch.Tensor, who: str) -> None:
    """Sums of other order, and other rules for ties, change picks: said, not refused."""
    differ = (theirs != ours[: len(theirs)]).nonzero()
    if len(differ):
        print(f"note: {who} departs from the exact order at pick {int(differ[0])}")


if __name__ == "__main__":
    main()
