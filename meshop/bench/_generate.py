"""Cases that a task makes itself: in parallel, one file each, so that a stop costs nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from ..errors import MeshopError

log = logging.getLogger("meshop")
SMOOTHING = 8  # sweeps


def cache_folder() -> Path:
    """$MESHOP_CACHE_DIR, else the user's cache, with `bench` below."""
    root = os.environ.get("MESHOP_CACHE_DIR") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "meshop"
    )
    return Path(root, "bench")


def generate(
    make: Callable[[int], dict[str, np.ndarray]],
    ids: Sequence[int],
    folder: Path,
    workers: int | None = None,
) -> list[dict[str, np.ndarray]]:
    """make(i) for every id, kept as folder/i.npz; only what is missing is made.

    make is a module's function and depends on i alone. Each tenth is said in the log. Raises what
    make raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    todo = [(make, i, folder) for i in ids if not (folder / f"{i:05d}.npz").exists()]
    workers = min(workers or os.cpu_count() or 1, max(1, len(todo) // 8))
    if todo:
        log.info("making %d of %d cases, once, in %s", len(todo), len(ids), folder)
    with ExitStack() as stack:
        made: Iterable[None] = map(_make_one, todo)
        if workers > 1:
            context = get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
            made = pool.map(_make_one, todo, chunksize=8)
        for done, _ in enumerate(made, 1):
            if done * 10 // len(todo) > (done - 1) * 10 // len(todo):
                log.info("%d of %d cases", done, len(todo))
    out = []
    for i in ids:
        with np.load(folder / f"{i:05d}.npz") as content:
            out.append(dict(content))
    return out


def _make_one(job: tuple[Callable[[int], dict[str, np.ndarray]], int, Path]) -> None:
    make, i, folder = job
    part = folder / f".{i:05d}.{os.getpid()}.npz"
    try:
        np.savez(part, **make(i))  # type: ignore[arg-type]
        os.replace(part, folder / f"{i:05d}.npz")
    finally:
        part.unlink(missing_ok=True)


def triangulate(
    loops: Sequence[np.ndarray],
    inside: Callable[[np.ndarray], np.ndarray],
    h: float,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) and triangles (M, 3) of edge about h between boundary loops.

    loops: points (n, 2) about h apart, which stay; inside(points) -> bool. The inner points start
    on a jittered triangular lattice and move to the mean of their neighbours. Raises MeshopError
    where a boundary edge is lost.
    """
    fixed = np.concatenate(loops)
    low, high = fixed.min(0), fixed.max(0)
    columns = np.arange(low[0] - h, high[0] + h, h)
    rows = np.arange(low[1] - h, high[1] + h, h * np.sqrt(3) / 2)
    x, y = np.meshgrid(columns, rows)
    x = x + 0.5 * h * (np.arange(len(rows)) % 2)[:, None]
    grid = np.column_stack([x.ravel(), y.ravel()])
    grid += random.uniform(-0.5, 0.5, 2) * h + random.normal(0, 0.06 * h, grid.shape)
    tree = cKDTree(fixed)
    grid = grid[inside(grid)]
    grid = grid[tree.query(grid)[0] > 0.62 * h]
    points, n = np.concatenate([fixed, grid]), len(fixed)
    for sweep in range(SMOOTHING + 1):
        triangles = Delaunay(points).simplices
        triangles = triangles[inside(points[triangles].mean(1))]
        if sweep == SMOOTHING:
            break
        ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        ends = np.unique(np.sort(ends, axis=1), axis=0)
        ends = np.concatenate([ends, ends[:, ::-1]])
        count = np.bincount(ends[:, 0], minlength=len(points))
        moved = (
            np.column_stack(
                [np.bincount(ends[:, 0], points[ends[:, 1], d], len(points)) for d in (0, 1)]
            )
            / np.maximum(count, 1)[:, None]
        )
        moved[:n] = fixed
        points = np.where(count[:, None] > 0, 0.5 * (points + moved), points)
    _check(points, triangles, [len(loop) for loop in loops])
    return points, triangles


def _check(points: np.ndarray, triangles: np.ndarray, sizes: Sequence[int]) -> None:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    have, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    once = {tuple(e) for e in have[count == 1].tolist()}
    at, wanted = 0, set()
    for size in sizes:
        ids = at + np.arange(size)
        wanted |= {tuple(sorted(e)) for e in zip(ids, np.roll(ids, -1), strict=True)}
        at += size
    lost = wanted - {tuple(map(int, e)) for e in once}
    if lost or len(once) != len(wanted) or len(np.unique(triangles)) != len(points):
        raise MeshopError(
            "the triangles do not fill the domain",
            f"{len(lost)} of {len(wanted)} boundary edges are missing",
            "a smaller h",
        )


def along(corners: np.ndarray, h: float) -> np.ndarray:
    """A closed polygon (n, 2) with its sides divided into pieces of about h."""
    out = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        pieces = max(1, round(float(np.linalg.norm(b - a)) / h))
        out.append(a + (b - a) * (np.arange(pieces) / pieces)[:, None])
    return np.concatenate(out)


def in_polygon(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (m, 2) lie in a closed polygon (n, 2), by crossings of a ray."""
    a, b = corners, np.roll(corners, -1, axis=0)
    x, y = points[:, :1], points[:, 1:2]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    return (spans & (x < a[:, 0] + (y - a[:, 1]) / rise * (b[:, 0] - a[:, 0]))).sum(1) % 2 == 1


def need_skfem(task: str) -> None:
    """Raises MeshopError where scikit-fem is not installed."""
    try:
        import skfem  # noqa: F401
    except ImportError:
        raise MeshopError(
            f"task {task} makes its cases with scikit-fem",
            "which is not installed",
            'pip install "meshop[bench]"',
        ) from None
