"""Cases as arrays on disk, read through memory maps, so that training memory does not grow with
the number or the size of the cases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
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
from ..mesh import Mesh
from ._cases import Case, Problem
from ._nulls import contour_heights, wall_moments
from ._sobolev import Loss, slopes_of

# Of the sampled nodes; the rest follow the measure. A boundary layer has many nodes and hardly any
# area; nodes at the wall carry the pressure that forces are integrated from.
UNIFORM_SHARE, WALL_SHARE = 0.25, 0.05


@dataclass
class StoredCase:
    """One case. x (N, F), prior (N, P), decay (N,), y (N, C) active target channels, weight (N,)
    dual measures, chance (N,) cumulative sampling probability, dist (N,), pos (N, 3); wall_x
    (W, T), wall_weight (W,); cond (K,), lift, scalars; reference (C,) far-field values; energy (C,)
    mean squares of the deviation from them under the training measure; moments and heights describe
    the wall's shape, the latter (0,) unless it is one plane loop. kind (N,) as of `MeshGraph`, None
    in cases stored before there was one. Where there are any: inputs (N, A), wall_inputs (W, V),
    and edges as of `MeshGraph`. Of a series, whose first time this is: states (T, N, C), y at every
    time. Of one time in it (`Transitions`): past (N, R, C), the states one, two, ... calls of the
    operator before. To learn in the H1 norm: simplices (S, d + 1), slopes (S, d + 1, D), as of
    `slopes_of`."""

    case: Case
    x: np.ndarray
    prior: np.ndarray
    decay: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    chance: np.ndarray
    dist: np.ndarray
    pos: np.ndarray
    wall_pos: Tensor
    wall_x: Tensor
    wall_weight: Tensor
    cond: Tensor
    lift: Tensor
    scalars: Tensor
    reference: np.ndarray
    energy: np.ndarray
    moments: np.ndarray
    heights: np.ndarray
    kind: np.ndarray | None = None
    inputs: np.ndarray | None = None
    wall_inputs: Tensor | None = None
    edge_index: np.ndarray | None = None
    rowptr: np.ndarray | None = None
    edge_attr: np.ndarray | None = None
    states: np.ndarray | None = None
    past: np.ndarray | None = None
    simplices: np.ndarray | None = None
    slopes: np.ndarray | None = None


TENSORS = ("wall_pos", "wall_x", "wall_weight", "wall_inputs", "cond", "lift", "scalars")
ROWS = ("reference", "energy", "moments", "heights")
EDGES = ("edge_index", "rowptr", "edge_attr")
ARRAYS = tuple(f.name for f in fields(StoredCase) if f.name != "case")


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
    *,
    key: str | None = None,
    about_zero: bool = False,
    loss: Loss = "l2",
) -> list[StoredCase]:
    """Compute and store every case (skipping those already there); progress(done, total).

    key: what tells these cases from others, where they are in memory rather than in files.
    about_zero, loss: as of `compute_case`.
    """
    paths = key or [str(case.path.resolve()) for case in problem.cases]
    constants = problem.constants
    stated = [problem.spec.model_dump(mode="json"), constants, problem.scalars, paths, about_zero]
    stated += [problem.dt] if problem.dt is not None else []
    stated += [loss] if loss != "l2" else []
    text = json.dumps(stated)
    stamp = folder / "key.json"
    if folder.exists() and (not stamp.exists() or stamp.read_text() != text):
        shutil.rmtree(folder)  # of another problem
    folder.mkdir(parents=True, exist_ok=True)
    stamp.write_text(text)
    series = problem.dt is not None
    jobs = [
        (
            case,
            problem.spec,
            constants,
            problem.scalars,
            about_zero,
            loss,
            series,
            folder / f"{i:05d}",
        )
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
    return [load_case(job[0], job[-1]) for job in jobs]


def _store_one(job: tuple[Case, GraphSpec, dict, list[str], bool, Loss, bool, Path]) -> None:
    case, spec, constants, scalars, about_zero, loss, series, folder = job
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    steps = case.series() if series else None
    mesh = case.load() if steps is None else steps[0]
    try:
        found = compute_case(case, mesh, spec, constants, scalars, about_zero, loss)
    finally:
        torch.set_num_threads(threads)
    folder.mkdir(exist_ok=True)
    if steps is not None:  # one time in memory, whatever their number
        shape = (len(steps), *found.y.shape)
        states = np.lib.format.open_memmap(folder / "states.npy", "w+", np.float32, shape)
        states[0] = found.y
        for i in range(1, len(steps)):
            now = steps[i]
            _check_same(case, mesh, now, steps.times[i])
            states[i] = targets_of(case, now, spec, constants)
        states.flush()
    for name in ARRAYS:
        value = getattr(found, name)
        if value is not None:
            np.save(folder / f"{name}.npy", np.asarray(value))
    (folder / "done").touch()


def _check_same(case: Case, first: Mesh, now: Mesh, time: float) -> None:
    for name in ("points", "cell_types", "cell_nodes"):
        if not np.array_equal(getattr(now, name), getattr(first, name)):
            raise MeshError(
                f"{case.path}: the mesh at time {time:g} is not the first one",
                f"its {name.replace('_', ' ')} differ",
                "states are advanced on meshes that do not move or change",
            )


def compute_case(
    case: Case,
    mesh: Mesh,
    spec: GraphSpec,
    constants: Mapping[str, Sequence[float | None]],
    scalars: Sequence[str] = (),
    about_zero: bool = False,
    loss: Loss = "l2",
) -> StoredCase:
    """A solved mesh as arrays to learn from. constants, scalars: as of `Problem`.

    about_zero: energies are mean squares of the fields, not of their deviation from the far field
    or the mean, as relative errors of published tables are. loss "h1": with gradients.
    """
    graph = build_graph(mesh, case.conditions, spec)
    geo = geometry(mesh, spec)
    y = targets_of(case, mesh, spec, constants)
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
    if about_zero:
        reference = np.zeros_like(reference)
    simplices, slopes = slopes_of(mesh, spec, weight, measure) if loss == "h1" else (None, None)
    return StoredCase(
        case=replace(case, mesh=None),
        x=graph.x.numpy(),
        prior=graph.prior.numpy(),
        decay=graph.decay.numpy(),
        y=y,
        weight=weight,
        chance=np.cumsum(chance),
        dist=geo.dist,
        pos=geo.pos,
        wall_pos=graph.wall_pos,
        wall_x=graph.wall_x,
        wall_weight=graph.wall_weight,
        cond=graph.cond[0],
        lift=graph.lift[0],
        scalars=torch.tensor([case.scalars[n] for n in scalars], dtype=torch.float32),
        reference=reference,
        energy=(measure[:, None] * (y - reference) ** 2).sum(0),
        moments=wall_moments(geo.wall.centre, geo.wall.measure),
        heights=_heights(geo),
        kind=geo.kind,
        inputs=graph.inputs.numpy() if spec.inputs else None,
        wall_inputs=graph.wall_inputs if spec.wall_inputs else None,
        edge_index=graph.edge_index.numpy().astype(np.int32) if spec.edges else None,
        rowptr=graph.rowptr.numpy() if spec.edges else None,
        edge_attr=graph.edge_attr.numpy() if spec.edges else None,
        simplices=simplices,
        slopes=slopes,
    )


def targets_of(
    case: Case, mesh: Mesh, spec: GraphSpec, constants: Mapping[str, Sequence[float | None]]
) -> np.ndarray:
    """(N, C) float32 components of the targets that vary. Raises MeshError for NaN or infinity."""
    data = mesh.cell_data if spec.location == "cell" else mesh.point_data
    columns = []
    for name, constant in constants.items():
        array = data[name].reshape(len(data[name]), -1)
        columns += [array[:, i] for i, value in enumerate(constant) if value is None]
        known = [value is None or (array[:, i] == value).all() for i, value in enumerate(constant)]
        if not all(known):  # only a few times of a series were looked at
            raise MeshError(
                f"{case.path}: a component of {name} varies at some times only",
                f"it is {constant[known.index(False)]:g} at most times, and everywhere",
                f"--targets without {name}",
            )
    y = np.stack(columns, axis=1).astype(np.float32)
    if not np.isfinite(y).all():
        raise MeshError(f"{case.path}: a target holds NaN or infinity", "", "repair or drop it")
    return y


def load_case(case: Case, folder: Path, edges: bool = True) -> StoredCase:
    """A stored case; long arrays through memory maps. edges False: without them."""
    left_out = set() if edges else set(EDGES)
    values: dict[str, Any] = {}
    for name in ARRAYS:
        path = folder / f"{name}.npy"
        if name in left_out or not path.exists():
            values[name] = None
        elif name in TENSORS:
            values[name] = torch.from_numpy(np.load(path))
        else:
            values[name] = np.load(path, mmap_mode=None if name in ROWS else "r")
    return StoredCase(case=replace(case, mesh=None), **values)


def _heights(geo: Geometry) -> np.ndarray:
    """Heights of the contour where the wall is one closed curve in the plane, else nothing."""
    if geo.basis is None or len(geo.basis.flow.sizes) != 1:
        return np.empty(0)
    return contour_heights(geo.basis.flow.start.numpy())
