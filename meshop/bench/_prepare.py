"""A task's cases as stored arrays, made once and shared by all runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ConditionError, MeshopError
from ..graph import GraphSpec
from ..mesh import Mesh
from ..train import (
    Case,
    Loss,
    Problem,
    StoredCase,
    find_problem,
    load_case,
    slopes_of,
    store_cases,
)
from ._task import Task, task_folder

CELLS = ("cell_types", "cell_offsets", "cell_nodes")


@dataclass
class Prepared:
    """problem: of the training cases; train, and tests by name, as stored; restore: case name ->
    (2, N, C) shift and scale of its targets, where the task has them."""

    problem: Problem
    train: list[StoredCase]
    tests: dict[str, list[StoredCase]]
    restore: dict[str, np.ndarray]

    @property
    def every(self) -> list[StoredCase]:
        return [*self.train, *(c for cases in self.tests.values() for c in cases)]


def prepare(
    name: str,
    task: Task,
    root: Path | None,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Store a task's cases under `folder` unless they are there; returns where.

    Raises TaskDataMissing, and what the task and the cases raise.
    """
    place = folder / "cases" / name.replace("/", "-").replace(":", ".")
    stamp = place / "prepared.json"
    key = f"{name} {task.version} {__version__} meshes"
    with _locked(place.with_suffix(".lock")):
        if stamp.exists() and json.loads(stamp.read_text())["key"] == key:
            return place
        split = task.load(task_folder(task, root), folder)
        names = [Path(f"train_{i:04d}") for i in range(len(split.train))]
        problem = find_problem(
            names,
            targets=task.targets,
            scalars=(),
            conditions=task.conditions,
            inputs=task.inputs,
            wall_inputs=task.wall_inputs,
            external=None if task.external else False,
            edges=True,
            meshes=split.train,
        )
        _check(task, problem)
        counts = {"train": len(split.train)}
        cases = list(problem.cases)
        for test, meshes in split.tests.items():
            counts[test] = len(meshes)
            cases += [_case(f"{test}_{i:04d}", m, problem.spec) for i, m in enumerate(meshes)]
        problem.cases = cases
        place.mkdir(parents=True, exist_ok=True)
        restore: dict[str, np.ndarray] = {}
        if task.restore:
            restore = {c.name: _restore(task, c) for c in cases}
        np.savez(place / "restore.npz", **restore)  # type: ignore[arg-type]
        # "near" measures the deviation from the far field, the others the whole field.
        about_zero = task.measure != "near"
        store_cases(problem, place / "store", workers, progress, key=key, about_zero=about_zero)
        _store_meshes(cases, place / "meshes")
        record = {
            "key": key,
            "counts": counts,
            "spec": problem.spec.model_dump(mode="json"),
            **{k: getattr(problem, k) for k in ("targets", "constants", "extent", "thickness")},
            "cases": [
                {k: v for k, v in asdict(_bare(c)).items() if k in ("name", "group", "conditions")}
                for c in cases
            ],
        }
        stamp.write_text(json.dumps(record))
    return place


def load_prepared(place: Path, edges: bool, meshes: bool = False, loss: Loss = "l2") -> Prepared:
    """What `prepare` stored; edges: with those of the graphs; meshes: with those of plane cases.

    loss "h1": training cases with gradients. Raises ConditionError where their meshes are not kept.
    """
    record = json.loads((place / "prepared.json").read_text())
    spec = GraphSpec.model_validate(record["spec"]).model_copy(update={"edges": edges})
    cases = [
        Case(Path(c["name"]), c["name"], "", c["group"], c["conditions"], {})
        for c in record["cases"]
    ]
    stored = [load_case(case, place / "store" / f"{i:05d}", edges) for i, case in enumerate(cases)]
    if meshes:
        for i, found in enumerate(stored):
            found.case.mesh = _load_mesh(place / "meshes" / f"{i:05d}.npz")
    counts = dict(record["counts"])
    for i in range(counts["train"] if loss == "h1" else 0):
        mesh, mine = _load_mesh(place / "meshes" / f"{i:05d}.npz"), stored[i]
        if mesh is None:
            raise ConditionError("no meshes to take the H1 norm on", "only plane ones are kept")
        mine.simplices, mine.slopes = slopes_of(mesh, spec, mine.weight, mine.weight)
    train, at, tests = stored[: counts["train"]], counts.pop("train"), {}
    for name, count in counts.items():
        tests[name] = stored[at : at + count]
        at += count
    problem = Problem(
        spec,
        record["targets"],
        record["constants"],
        [],
        cases,
        tuple(record["extent"]),
        tuple(record["thickness"]),
    )
    with np.load(place / "restore.npz") as content:
        return Prepared(problem, train, tests, dict(content))


def _case(name: str, mesh: Mesh, spec: GraphSpec) -> Case:
    conditions = {n: float(np.ravel(mesh.field_data[n])[0]) for n in spec.conditions}
    return Case(Path(name), name, "", "", conditions, {}, mesh)


def _store_meshes(cases: Sequence[Case], folder: Path) -> None:
    """Points and cells of plane meshes, a file each, for models that need more than graphs."""
    folder.mkdir(exist_ok=True)
    for i, case in enumerate(cases):
        mesh = case.load()
        if mesh.dim == 2 and mesh.is_planar:
            arrays = {name: getattr(mesh, name) for name in CELLS}
            np.savez_compressed(folder / f"{i:05d}.npz", points=mesh.points, **arrays)


def _load_mesh(path: Path) -> Mesh | None:
    if not path.exists():
        return None
    with np.load(path) as content:
        return Mesh(**content)


def _restore(task: Task, case: Case) -> np.ndarray:
    data = case.load().point_data
    return np.stack(
        [
            np.column_stack([data[f"{name}_{part}"] for name in task.targets])
            for part in ("shift", "scale")
        ]
    )


def _bare(case: Case) -> Case:
    return Case(case.path, case.name, "", case.group, case.conditions, {})


def _check(task: Task, problem: Problem) -> None:
    missing = [c for c in task.conditions or () if c not in problem.spec.conditions]
    if missing:
        raise MeshopError(f"task {task.name} has no condition {', '.join(missing)}")


@contextmanager
def _locked(path: Path, patience: float = 3600.0) -> Any:
    """One process at a time; a lock whose process has gone is taken over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    while True:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            if _gone(path):
                path.unlink(missing_ok=True)
                continue
            if time.monotonic() - start > patience:
                raise MeshopError(
                    f"{path} is held by another process", "", "remove it if none is at work"
                ) from None
            time.sleep(0.5)
    try:
        os.write(handle, str(os.getpid()).encode())
        os.close(handle)
        yield
    finally:
        path.unlink(missing_ok=True)


def _gone(path: Path) -> bool:
    try:
        os.kill(int(path.read_text() or 0) or os.getpid(), 0)
    except (ProcessLookupError, FileNotFoundError):
        return True
    except (ValueError, PermissionError):
        return False
    return False
