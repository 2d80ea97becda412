"""How fast are kNN and radius search beside SciPy, scikit-learn, nanoflann and torch_cluster?

    python benchmarks/kernels_neighbors.py [--points 200000 1000000] [--dtype float32] [--growth]

k = 16, and radii that find about 32 neighbours, in 2-D and 3-D, on uniform points and on points
graded like a boundary layer (spacing from 1e-5 to 20 along the last axis). Building the index
counts. nanoflann is compiled from `_nanoflann.cpp` where its header is (Debian: libnanoflann-dev);
peers that are not installed are named and left out. "limit" is the time to move input and output
once at the measured copy bandwidth. ``--growth`` times 1e5 to 1e7 points and the peak memory of
1e6.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import math
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _timing import copy_bandwidth, interleaved, machine, table, write_json
from scipy.spatial import cKDTree

from meshop import ops

K = 16


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--points", type=int, nargs="+", default=[200_000, 1_000_000])
    args.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--slow", action="store_true", help="scikit-learn and torch_cluster too")
    args.add_argument("--growth", action="store_true")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    dtype = getattr(torch, opt.dtype)
    if opt.growth:
        return growth(dtype)
    flann, speed, rows, result = nanoflann(), copy_bandwidth(), [], {}
    for n in opt.points:
        for dim in (3, 2):
            for kind in ("uniform", "graded"):
                points = cloud(n, dim, kind, dtype)
                for task, ours, peers in tasks(points, kind, flann, opt):
                    name = f"{task} {kind} {n} x {dim}"
                    seconds = interleaved({"meshop": ours, **peers}, opt.repeats)
                    out = ours()
                    size = points.nbytes + sum(t.nbytes for t in out)
                    limit = size / speed
                    result[name] = {**seconds, "limit": limit}
                    rows += [
                        (name, who, 1e3 * t, t / seconds["meshop"], 1e3 * limit)
                        for who, t in seconds.items()
                    ]
                    print(
                        table(
                            rows[-len(seconds) :],
                            ("question", "who", "ms", "times ours", "limit ms"),
                        )
                    )
    print(f"compiled kernels: {ops.compiled}; {opt.dtype}; copy {speed / 1e9:.1f} GB/s")
    print(machine())
    write_json(opt.json, {"seconds": result, "dtype": opt.dtype, "machine": machine()})


def cloud(n: int, dim: int, kind: str, dtype: torch.dtype) -> torch.Tensor:
    points = torch.rand(n, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if kind == "graded":
        points[:, -1] = 10 ** (points[:, -1] * 6.3 - 5)
    return points.to(dtype)


def reach(points: torch.Tensor) -> float:
    """The radius that finds 32 of uniform points."""
    n, dim = points.shape
    return (32 / n * 3 / 4 / math.pi) ** (1 / 3) if dim == 3 else (32 / n / math.pi) ** 0.5


def tasks(points: torch.Tensor, kind: str, flann, opt) -> list[tuple[str, Callable, dict]]:
    xyz, threads = points.numpy(), opt.threads
    ours = ops.knn(points, K)
    dist, _ = cKDTree(xyz).query(xyz, k=K, workers=threads)
    torch.testing.assert_close(
        ours.dist2.reshape(-1, K).sqrt().double(), torch.as_tensor(dist), rtol=1e-4, atol=1e-6
    )
    near = {"scipy cKDTree": lambda: cKDTree(xyz).query(xyz, k=K, workers=threads)}
    # A radius serves graded points only in what is of its size: it varies with the query there.
    radii = torch.as_tensor(dist[:, -1], dtype=points.dtype) * 1.26
    radii = reach(points) if kind == "uniform" else radii
    within: dict[str, Callable] = {}
    if kind == "uniform" and len(xyz) <= 200_000:
        within["scipy cKDTree"] = lambda: cKDTree(xyz).query_ball_point(
            xyz, reach(points), workers=threads
        )
    if flann:
        near["nanoflann"] = lambda: flann.knn(points, K, threads)
        if kind == "uniform":
            within["nanoflann"] = lambda: flann.radius(points, reach(points), threads)
        else:
            within["nanoflann"] = lambda: flann.radii(points, radii, threads)
    if opt.slow:
        if importlib.util.find_spec("sklearn"):
            from sklearn.neighbors import NearestNeighbors

            near["scikit-learn"] = lambda: (
                NearestNeighbors(n_neighbors=K, algorithm="kd_tree", n_jobs=threads)
                .fit(xyz)
                .kneighbors(xyz)
            )
        else:
            print("scikit-learn is not installed")
        if importlib.util.find_spec("torch_cluster"):
            from torch_cluster import knn as cluster_knn

            near["torch_cluster"] = lambda: cluster_knn(points, points, K, num_workers=threads)
        else:
            print("torch_cluster is not installed")
    return [
        ("knn", lambda: ops.knn(points, K), near),
        ("radius", lambda: ops.radius(points, radii), within),
    ]


class nanoflann:
    """The peer behind `_nanoflann.cpp`; false where it cannot be compiled."""

    def __init__(self) -> None:
        self.library = None
        source = Path(__file__).with_name("_nanoflann.cpp")
        target = Path(tempfile.mkdtemp()) / "nanoflann.so"
        command = ["g++", "-O3", "-march=native", "-shared", "-fPIC", "-std=c++17"]
        if (
            shutil.which("g++") is None
            or subprocess.run(
                [*command, "-o", target, source, "-lpthread"], capture_output=True, check=False
            ).returncode
        ):
            print("nanoflann is left out: g++ or its header (libnanoflann-dev) is not here")
        else:
            self.library = ctypes.CDLL(str(target))

    def __bool__(self) -> bool:
        return self.library is not None

    def _call(self, name: str, points: torch.Tensor, *rest) -> int:
        letter = "f" if points.dtype == torch.float32 else "d"
        call = getattr(self.library, f"{name}_{letter}{points.shape[1]}")
        call.restype = ctypes.c_int64
        return call(ctypes.c_void_p(points.data_ptr()), ctypes.c_int64(len(points)), *rest)

    def knn(self, points: torch.Tensor, k: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
        index = np.empty((len(points), k), np.int64)
        dist2 = np.empty((len(points), k), points.numpy().dtype)
        at = [ctypes.c_void_p(a.ctypes.data) for a in (index, dist2)]
        self._call("knn", points, ctypes.c_int64(k), threads, *at)
        return index, dist2

    def radius(self, points: torch.Tensor, r: float, threads: int) -> int:
        return self._call("radius", points, ctypes.c_double(r), None, threads)

    def radii(self, points: torch.Tensor, r: torch.Tensor, threads: int) -> int:
        return self._call(
            "radius", points, ctypes.c_double(0), ctypes.c_void_p(r.data_ptr()), threads
        )


def growth(dtype: torch.dtype) -> None:
    rows, first = [], None
    for n in (100_000, 1_000_000, 10_000_000):
        points = cloud(n, 3, "uniform", dtype)
        ops.knn(points, K)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            out = ops.knn(points, K)
            times.append(time.perf_counter() - start)
        each = 1e9 * float(np.median(times)) / n
        first = first or each
        size = points.nbytes + sum(t.nbytes for t in out)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        rows.append((n, each, each / first, size / 2**20, peak / 2**20))
        del out
    print(table(rows, ("points", "ns a point", "times the first", "in + out MiB", "peak RSS MiB")))
    print(machine())


if __name__ == "__main__":
    main()
