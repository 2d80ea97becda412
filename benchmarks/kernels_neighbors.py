"""How fast are kNN and radius search beside SciPy, scikit-learn, nanoflann and torch_cluster?

    python benchmarks/kernels_neighbors.py [--points 200000 1000000] [--dtype float32] [--growth]

k = 16, and radii that find about 32 neighbours, in 2-D and 3-D, on uniform points and on points
graded like a boundary layer (spacing from 1e-5 to 20 along the last axis). Building the index
counts. nanoflann is compiled from `_nanoflann.cpp` where its header is (Debian: libnanoflann-dev);
peers that are not installed are named and left out, slow ones are timed once. Limits: "bytes",
input and output moved once at the measured copy bandwidth; "distances", those that a k-d tree with
leaves of 32 points cannot do without, at the arithmetic peak of a matrix product. ``--growth``: the
time of a point and the peak memory from 1e5 to 1e7 points.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _timing import (
    arithmetic_peak,
    copy_bandwidth,
    interleaved,
    machine,
    nbytes,
    table,
    write_json,
)
from scipy.spatial import cKDTree

from meshop import ops

K = 16


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--points", type=int, nargs="+", default=[200_000, 1_000_000])
    args.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--fast", action="store_true", help="neither scikit-learn nor torch_cluster")
    args.add_argument("--growth", action="store_true")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    dtype = getattr(torch, opt.dtype)
    if opt.growth:
        return growth(dtype)
    flann, speed, peak, result = nanoflann(), copy_bandwidth(), arithmetic_peak(), {}
    head = ("question", "who", "ms", "times ours", "bytes ms", "distances ms")
    print(f"{opt.dtype}; copy {speed / 1e9:.1f} GB/s; {peak / 1e9:.0f} GFlop/s")
    for n in opt.points:
        for dim in (3, 2):
            for kind in ("uniform", "graded"):
                points = cloud(n, dim, kind, dtype)
                for task, ours, peers, slow in tasks(points, kind, flann, opt):
                    name = f"{task} {kind} {n} x {dim}"
                    seconds = interleaved({"meshop": ours, **peers}, opt.repeats, settle=True)
                    seconds |= {who: once(job) for who, job in slow.items()}
                    out = ours()
                    bytes_s = nbytes(points, *out) / speed
                    flops_s = evaluations(points, out) * (3 * dim - 1) / peak
                    result[name] = {**seconds, "bytes": bytes_s, "distances": flops_s}
                    rows = [
                        (name, who, 1e3 * t, t / seconds["meshop"], 1e3 * bytes_s, 1e3 * flops_s)
                        for who, t in seconds.items()
                    ]
                    print(table(rows, head), flush=True)
    print(machine())
    write_json(opt.json, {"seconds": result, "dtype": opt.dtype, "machine": machine()})


def once(job: Callable) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def cloud(n: int, dim: int, kind: str, dtype: torch.dtype) -> torch.Tensor:
    points = torch.rand(n, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if kind == "graded":
        points[:, -1] = 10 ** (points[:, -1] * 6.3 - 5)
    return points.to(dtype)


def reach(points: torch.Tensor) -> float:
    """The radius that finds 32 of uniform points."""
    n, dim = points.shape
    return (32 / n * 3 / 4 / math.pi) ** (1 / 3) if dim == 3 else (32 / n / math.pi) ** 0.5


def evaluations(points: torch.Tensor, found) -> float:
    """Distances that a search must compute whose leaves hold 32 points: those of every leaf nearer
    than the farthest find. Estimated from 200 queries and the leaves of SciPy's tree."""
    xyz = points.double().numpy()
    leaves: list = []

    def collect(node) -> None:
        if node.split_dim == -1:
            leaves.append(node.indices)
        else:
            collect(node.lesser)
            collect(node.greater)

    collect(cKDTree(xyz, leafsize=32).tree)
    low = np.array([xyz[i].min(0) for i in leaves])
    high = np.array([xyz[i].max(0) for i in leaves])
    size = np.array([len(i) for i in leaves])
    begin, end = found.rowptr[:-1], found.rowptr[1:]
    total = 0
    for i in np.random.default_rng(0).integers(0, len(xyz), 200):
        farthest = found.dist2[begin[i] : end[i]].max().double().item()
        gap = np.maximum(np.maximum(low - xyz[i], xyz[i] - high), 0)
        total += size[(gap**2).sum(1) <= farthest].sum()
    return total / 200 * len(xyz)


def tasks(points: torch.Tensor, kind: str, flann, opt) -> list[tuple[str, Callable, dict, dict]]:
    """For kNN and radius search: ours, the peers, and those peers that are timed once."""
    xyz, threads = points.numpy(), opt.threads
    ours = ops.knn(points, K)
    dist, _ = cKDTree(xyz).query(xyz, k=K, workers=threads)
    torch.testing.assert_close(
        ours.dist2.reshape(-1, K).sqrt().double(), torch.as_tensor(dist), rtol=1e-4, atol=1e-6
    )
    # No one radius suits graded points: it varies with the query there.
    radii = torch.as_tensor(dist[:, -1], dtype=points.dtype) * 1.26
    radii = reach(points) if kind == "uniform" else radii
    near: dict[str, Callable] = {
        "scipy cKDTree": lambda: cKDTree(xyz).query(xyz, k=K, workers=threads)
    }
    within: dict[str, Callable] = {}
    slow_near: dict[str, Callable] = {}
    r = radii if kind == "uniform" else radii.double().numpy()
    slow_within: dict[str, Callable] = {
        "scipy cKDTree": lambda: cKDTree(xyz).query_ball_point(xyz, r, workers=threads)
    }
    if flann:
        near["nanoflann"] = lambda: flann.knn(points, K, threads)
        within["nanoflann"] = lambda: flann.radius(points, radii, threads)
        found, ours_found = within["nanoflann"](), len(ops.radius(points, radii).index)
        if abs(found - ours_found) > 1e-4 * found:  # rounding at the rim
            raise SystemExit(f"nanoflann finds {found} within the radii, meshop {ours_found}")
    if opt.fast:
        return [
            ("knn", lambda: ops.knn(points, K), near, {}),
            ("radius", lambda: ops.radius(points, radii), within, {}),
        ]
    if importlib.util.find_spec("sklearn"):
        from sklearn.neighbors import NearestNeighbors

        slow_near["scikit-learn"] = lambda: (
            NearestNeighbors(n_neighbors=K, algorithm="kd_tree", n_jobs=threads)
            .fit(xyz)
            .kneighbors(xyz)
        )
        if kind == "uniform":
            slow_within["scikit-learn"] = lambda: (
                NearestNeighbors(radius=r, algorithm="kd_tree", n_jobs=threads)
                .fit(xyz)
                .radius_neighbors(xyz)
            )
    else:
        print("scikit-learn is not installed")
    if importlib.util.find_spec("torch_cluster"):
        import torch_cluster

        slow_near["torch_cluster"] = lambda: torch_cluster.knn(
            points, points, K, num_workers=threads
        )
        if kind == "uniform":
            slow_within["torch_cluster"] = lambda: torch_cluster.radius(
                points, points, r, max_num_neighbors=128, num_workers=threads
            )
    else:
        print("torch_cluster is not installed")
    return [
        ("knn", lambda: ops.knn(points, K), near, slow_near),
        ("radius", lambda: ops.radius(points, radii), within, slow_within),
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

    def radius(self, points: torch.Tensor, r: float | torch.Tensor, threads: int) -> int:
        each = ctypes.c_void_p(r.data_ptr()) if isinstance(r, torch.Tensor) else None
        one = 0.0 if each else r
        return self._call("radius", points, ctypes.c_double(one), each, threads)


def growth(dtype: torch.dtype) -> None:
    rows = []
    for dim in (3, 2):
        first = None
        for n in (100_000, 1_000_000, 10_000_000):
            points = cloud(n, dim, "uniform", dtype)
            extra, size = peak_memory(points)
            job = partial(ops.knn, points, K)
            each = 1e9 * interleaved({"meshop": job}, 5, settle=True)["meshop"] / n
            first = first or each
            rows.append((n, dim, each, each / first, size / 2**20, (extra + points.nbytes) / size))
    print(
        table(
            rows, ("points", "dim", "ns a point", "times the first", "in + out MiB", "peak / that")
        )
    )
    print(machine())


def peak_memory(points: torch.Tensor) -> tuple[float, int]:
    """Bytes by which kNN grows the process, output included; bytes of input and output."""

    def status(key: str) -> int:
        with open("/proc/self/status") as file:
            return next(int(s.split()[1]) * 1024 for s in file if s.startswith(key))

    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts over
    before = status("VmRSS")
    out = ops.knn(points, K)
    return status("VmHWM") - before, nbytes(points, *out)


if __name__ == "__main__":
    main()
