"""A task: training and test cases with a fixed split, and how errors on them are measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..errors import ConditionError, MeshopError
from ..mesh import Mesh


class TaskDataMissing(MeshopError):
    """A task's data are not on this machine."""


@dataclass(frozen=True)
class Split:
    """Solved meshes. train, and tests by name; conditions are in their field data."""

    train: Sequence[Mesh]
    tests: Mapping[str, Sequence[Mesh]]


@dataclass(frozen=True)
class Task:
    """One row of the benchmark.

    load(data, work) gives the split: data is the task's own folder of the data root (`folder`,
    None where the task makes its cases itself, in work). targets, conditions, inputs, wall_inputs:
    names of arrays and field data. measure: how a relative L2 error sums over nodes: "plain" (as
    vectors, as many published tables do), "quadrature" (dual measures), or "near" (dual measures
    of the nodes within one reference length of the wall, of the deviation from the far field).
    external: a wall may lie inside a far field. corresponding: node i is the same node in every
    case. batch, points: cases a training step, and nodes of each for pointwise operators. floor: in
    the loss, cases of less than this share of the mean energy count as that. restore: targets come
    standardised, and each mesh has their shift and scale as arrays NAME_shift and NAME_scale, by
    which errors are taken in physical units. published: (test set, field) -> error, with its source
    in `source`. version: counts up where the cases change, so that old results do not mix in.
    """

    name: str
    summary: str
    load: Callable[[Path, Path], Split]
    targets: tuple[str, ...]
    conditions: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    wall_inputs: tuple[str, ...] = ()
    folder: str | None = None
    measure: str = "plain"
    external: bool = False
    corresponding: bool = False
    batch: int = 8
    points: int = 1024
    floor: float = 0.05
    restore: bool = False
    published: Mapping[tuple[str, str], float] = field(default_factory=dict)
    source: str = ""
    version: int = 1


#: The modules of meshop's own tasks; each has `TASKS`.
MODULES = (
    "airfoil_rans",
    "gca_diffusion",
    "gfn_graetz",
    "holed_poisson",
    "hyperelastic_cell",
    "polygon_poisson",
    "shapenet_car",
    "snirom_cavity",
)  # fmt: skip


def data_root(given: str | os.PathLike | None = None) -> Path | None:
    """Folder of the tasks' data: given, or $MESHOP_DATA; None where neither is."""
    root = given or os.environ.get("MESHOP_DATA")
    return Path(root) if root else None


def all_tasks() -> dict[str, Task]:
    """Tasks by name: meshop's own, and those of entry points in the group `meshop.tasks`."""
    found: dict[str, Task] = {}
    for module in MODULES:
        home = import_module(f".tasks.{module}", __package__)
        found.update({task.name: task for task in home.TASKS})
    for point in entry_points(group="meshop.tasks"):
        found.setdefault(point.name, point.load())
    return found


def find_tasks(wanted: Sequence[str]) -> dict[str, Task]:
    """Tasks by name; wanted by name, by the part before a slash, or as `module:attribute`.

    Raises ConditionError for a name that is not known.
    """
    known = all_tasks()
    out: dict[str, Task] = {}
    for name in wanted:
        if ":" in name:
            module, _, attribute = name.partition(":")
            try:
                task: Any = getattr(import_module(module), attribute)
            except (ImportError, AttributeError) as error:
                raise ConditionError(f"no task {name!r}", str(error)) from error
            chosen = {name: task}
        elif name in known:
            chosen = {name: known[name]}
        else:
            chosen = {k: v for k, v in known.items() if k.split("/")[0] == name}
        if not chosen:
            raise ConditionError(f"no task {name!r}", f"known: {', '.join(known)}")
        out.update(chosen)
    return out


def task_folder(task: Task, root: Path | None) -> Path:
    """The task's data. Raises TaskDataMissing with what to do."""
    if task.folder is None:
        return Path()
    if root is None:
        raise TaskDataMissing(
            f"task {task.name} needs data",
            "no folder of data is named",
            f"--data FOLDER or MESHOP_DATA=FOLDER, with {task.folder}/ in it",
        )
    if not (root / task.folder).is_dir():
        raise TaskDataMissing(
            f"task {task.name} needs data",
            f"there is no {root / task.folder}",
            "docs/benchmark.md says where the data come from",
        )
    return root / task.folder
