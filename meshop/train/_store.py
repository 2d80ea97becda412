"""Cases as arrays on disk, read through memory maps, so that training memory does not grow with
the number or the size of the cases."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MeshError
from ..graph import (
    Geometry,
    GraphSpec,
    build_graph,
    geometry,
)
from ..io import read
from ._cases import Case, Problem
from ._nulls import contour_heights, wall_moments

# Of the sampled nodes; the rest follow the measure. A boundary layer has many nodes and hardly any
# area; nodes at the wall carry the pressure that forces are integrated from.
UNIFORM_SHARE, WALL_SHARE = 0.25, 0.05


@dataclass
class StoredCase:
    """One case. x (N, F), prior (N, P), decay (N,), y (N, C) active target channels, weight (N,)
    dual measures, chance (N,) cumulative sampling probability, dist (N,), pos (N, 3); wall_x
    (W, T), wall_weight (W,); cond (K,), lift, scalars; reference (C,) far-field values; energy (C,)
    mean squares of the deviation from them under the training measure; moments
    and heights describe the wall's shape, the latter (0,) unless it is one plane loop."""

    case: Case
    x: np.ndarray
    prior: np.ndarray
    decay: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    chance: np.ndarray
    dist: np.ndarray
    pos: np.ndarray
    wall_x: Tensor
    wall_weight: Tensor
    cond: Tensor
    lift: Tensor
    scalars: Tensor
    reference: np.ndarray
    energy: np.ndarray
    moments: np.ndarray
    heights: np.ndarray


def near_measure(geo: Geometry, length: float) -> np.ndarray:
    """Dual measures damped away from the wall: w / (1 + (d / L)^2)^(3/2).

    A far field holds most of the area and little of the interest, but is part of the answer: in
    the plane, half of this measure lies within about one length of the wall, and each doubling of
    the distance beyond halves the rest. Used where a wall lies inside a far field; without one the
    measure is that of the domain.
    """
    return geo.weight / (1 + (geo.dist / length) ** 2) ** 1.5


def store_cases(
    problem: Problem,
    folder: Path,
    workers: int,
    progress: Any = None,
) -> list[StoredCase]:
    """Compute and store every case (skipping those already there); progress(done, total)."""
    paths = [str(case.path.resolve()) for case in problem.cases]
    constants = problem.constants
    key = json.dumps([problem.spec.model_dump(mode="json"), constants, problem.scalars, paths])
    stamp = folder / "key.json"
    if folder.exists() and (not stamp.exists() or stamp.read_text() != key):
        shutil.rmtree(folder)  # of another problem
    folder.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)
    jobs = [
        (case, problem.spec, constants, problem.scalars, folder / f"{i:05d}")
        for i, case in enumerate(problem.cases)
    ]
    todo = [job for job in jobs if not (job[-1] / "done").exists()]
    if workers > 1 and len(todo) > 4:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for i, _ in enumerate(pool.map(_store_one, todo, chunksize=1)):
                if progress:
                    progress(len(jobs) - len(todo) + i + 1, len(jobs))
    else:
        for i, job in enumerate(todo):
            _store_one(job)
            if progress:
                progress(len(jobs) - len(todo) + i + 1, len(jobs))
    return [_load(job[0], job[-1]) for job in jobs]


def _store_one(job: tuple[Case, GraphSpec, dict, list[str], Path]) -> None:
    case, spec, constants, scalars, folder = job
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        mesh = read(case.path)
        graph = build_graph(mesh, case.conditions, spec)
        geo = geometry(mesh, spec)
    finally:
        torch.set_num_threads(threads)
    data = mesh.cell_data if spec.location == "cell" else mesh.point_data
    columns = []
    for name, constant in constants.items():
        array = data[name].reshape(len(data[name]), -1)
        columns += [array[:, i] for i, value in enumerate(constant) if value is None]
    y = np.stack(columns, axis=1).astype(np.float32)
    if not np.isfinite(y).all():
        raise MeshError(f"{case.path}: a target holds NaN or infinity", "", "repair or drop it")
    weight = geo.weight
    measure = near_measure(geo, spec.length) if spec.external else weight
    measure = measure / measure.sum()
    real = weight > 0  # cells of lower dimension carry no weight
    at_wall = (geo.kind == 1) & real
    wall_share = WALL_SHARE if at_wall.any() else 0.0
    chance = (1 - UNIFORM_SHARE - wall_share) * measure + UNIFORM_SHARE * real / real.sum()
    chance = chance + wall_share * at_wall / max(at_wall.sum(), 1)
    far = (geo.kind == 2) & real
    where = (far * weight) if far.any() else measure
    reference = (y * where[:, None]).sum(0) / where.sum()
    energy = (measure[:, None] * (y - reference) ** 2).sum(0)
    folder.mkdir(exist_ok=True)
    arrays = {
        "x": graph.x.numpy(),
        "prior": graph.prior.numpy(),
        "decay": graph.decay.numpy(),
        "y": y,
        "weight": weight,
        "chance": np.cumsum(chance),
        "dist": geo.dist,
        "pos": geo.pos,
        "wall_x": graph.wall_x.numpy(),
        "wall_weight": graph.wall_weight.numpy(),
        "cond": graph.cond[0].numpy(),
        "lift": graph.lift[0].numpy(),
        "scalars": np.array([case.scalars[n] for n in scalars], dtype=np.float32),
        "reference": reference,
        "energy": energy,
        "moments": wall_moments(geo.wall.centre, geo.wall.measure),
        "heights": _heights(geo),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "done").touch()


def _load(case: Case, folder: Path) -> StoredCase:
    def mapped(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.load(folder / f"{name}.npy"))

    maps = {k: mapped(k) for k in ("x", "prior", "decay", "y", "weight", "chance", "dist", "pos")}
    tensors = {k: tensor(k) for k in ("wall_x", "wall_weight", "cond", "lift", "scalars")}
    rows = {k: np.load(folder / f"{k}.npy") for k in ("reference", "energy", "moments", "heights")}
    values: dict[str, Any] = {**maps, **tensors, **rows}
    return StoredCase(case=case, **values)


def _heights(geo: Geometry) -> np.ndarray:
    """Heights of the contour where the wall is one closed curve in the plane, else nothing."""
    if geo.basis is None or len(geo.basis.flow.sizes) != 1:
        return np.empty(0)
    return contour_heights(geo.basis.flow.start.numpy())
