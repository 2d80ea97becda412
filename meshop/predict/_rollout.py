"""rollout: a state in a mesh's arrays, and the states that follow from it, as meshes in time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..errors import ConditionError, SurrogateError
from ..mesh import Mesh, Slab, flatten
from ._conditions import resolve
from ._predict import load, with_three
from ._prediction import IN_RANGE, META, meta_text

if TYPE_CHECKING:
    from ..graph import MeshGraph
    from ..surrogate import Surrogate


def rollout(
    mesh: Mesh | str | os.PathLike,
    /,
    model: str | os.PathLike | Surrogate,
    steps: int,
    *,
    time: float | None = None,
    device: str = "auto",
    tile: int | None = None,
    **conditions: float,
) -> Rollout:
    """The state of a mesh, advanced by `steps` time steps of the model.

    mesh: a Mesh, a file or the folder of a case; its arrays named as the model's fields are the
    state to start from. time: which of a file's times; the last where none is given. Others as of
    `predict`. Nothing is computed before the result is iterated over or saved.
    Raises MeshFileError, MeshError, ConditionError, SurrogateError.
    """
    surrogate = load(model)
    stepper = surrogate.need_stepper()
    if steps < 1:
        raise ConditionError(f"{steps} steps", "at least one is needed", "steps=100")
    if not isinstance(mesh, Mesh):
        from ..io import read

        mesh = read(mesh, time=time)
    return Rollout(mesh, surrogate, steps, stepper.dt, device, tile, dict(conditions))


@dataclass
class Rollout:
    """(time, mesh) pairs, the first of them the start, computed when they are iterated over.

    Each mesh shares the geometry of the input. It holds the fields under their own names, so that
    any of them may be the start of another rollout, and the arrays that the model takes as known;
    other arrays of the input, which are of its time alone, are left out. conditions, warnings: as
    of `Prediction`; start, dt: first time and time step.
    """

    mesh: Mesh
    surrogate: Surrogate
    steps: int
    dt: float
    device: str = "auto"
    tile: int | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from ..graph import build_graph, geometry
        from ..surrogate import find_device

        surrogate, plane = self.surrogate, self.mesh
        self.slab: Slab | None = None
        if plane.dim == 3 and surrogate.spec.dim == 2:
            self.slab = flatten(plane)
            plane = plane if self.slab is None else self.slab.plane
        geometry(plane, surrogate.spec)  # a wrong mesh is said before a missing condition
        self.conditions = resolve(surrogate.schema, self.given, plane.field_data)
        _, self.warnings = surrogate.schema.check_conditions(self.conditions)
        self.warnings = self.warnings + surrogate.wall_warnings(plane)
        self.device = find_device(self.device)
        self._plane = plane
        self._check_state()
        self._graph: MeshGraph = build_graph(plane, self.conditions, surrogate.spec)
        times = np.ravel(self.mesh.field_data.get("TimeValue", 0.0))
        self.start = float(times[0]) if times.size and times.dtype.kind in "iuf" else 0.0

    def __len__(self) -> int:
        return self.steps + 1

    def __iter__(self) -> Iterator[tuple[float, Mesh]]:
        """Raises SurrogateError at a state that is not finite."""
        frame = self._frame()
        columns = self.surrogate.schema.state_columns
        yield self.start, self._with(frame, self._graph.inputs[:, columns].cpu().numpy())
        march = self.surrogate.march(self._graph, self.device, self.tile)
        for step, state in zip(range(1, self.steps + 1), march, strict=False):
            time = self.start + step * self.dt
            if not bool(state.isfinite().all()):
                raise SurrogateError(
                    f"the rollout of model {self.surrogate.name!r} is no longer finite at step "
                    f"{step} of {self.steps}, time {time:g}",
                    "its states have left those that it was trained on",
                    "fewer steps; or train with --noise 0.01 or --pushforward 1",
                )
            yield time, self._with(frame, state.numpy())

    def save(
        self, path: str | os.PathLike, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write a series (.vtkhdf: the mesh stored once; .pvd, .vtu.series), complete or not at
        all; progress(done, total). Raises MeshFileError, SurrogateError."""
        from ..io import write_series

        write_series(path, self._counted(progress))

    def _counted(self, progress: Callable[[int, int], None] | None) -> Iterator[tuple[float, Mesh]]:
        for done, pair in enumerate(self):
            if progress is not None:
                progress(done, self.steps)
            yield pair

    def _check_state(self) -> None:
        """The state must be there, with as many components as in training. ConditionError."""
        schema = self.surrogate.schema
        data = self._plane.cell_data if schema.location == "cell" else self._plane.point_data
        for item in schema.fields:
            if item.name not in data:
                raise ConditionError(
                    f"no array {item.name!r} on the {schema.location}s of this mesh",
                    f"a rollout starts from a state of {', '.join(f.name for f in schema.fields)}; "
                    f"found {', '.join(data) or 'none'}",
                    "a file that holds the first state; --time chooses one of several",
                )
            width = int(np.prod(data[item.name].shape[1:], dtype=int))
            if width != item.components:
                raise ConditionError(
                    f"array {item.name!r} has {width} components",
                    f"the model's has {item.components}",
                    "the arrays as they were in training",
                )

    def _frame(self) -> Mesh:
        """The mesh with what does not change: known arrays, conditions, provenance."""
        surrogate, mesh = self.surrogate, self.mesh.copy()
        kept = {*surrogate.spec.inputs, *surrogate.spec.wall_inputs}
        mesh.point_data = {k: v for k, v in mesh.point_data.items() if k in kept}
        mesh.cell_data = {k: v for k, v in mesh.cell_data.items() if k in kept}
        meta = {
            "meshop": __version__,
            "model": surrogate.name,
            "hash": surrogate.hash,
            "conditions": self.conditions,
            "units": {item.name: item.units for item in surrogate.schema.fields},
            "start": self.start,
            "dt": self.dt,
        }
        mesh.field_data |= {name: np.array([value]) for name, value in self.conditions.items()}
        mesh.field_data[IN_RANGE] = np.array([not self.warnings], np.uint8)
        mesh.field_data[META] = meta_text(meta)
        return mesh

    def _with(self, frame: Mesh, state: np.ndarray) -> Mesh:
        mesh, surrogate = frame.copy(), self.surrogate
        cells = surrogate.schema.location == "cell"
        data = mesh.cell_data if cells else mesh.point_data
        for name, values in surrogate.named(state).items():
            if self.slab is not None and values.ndim > 1:
                values = with_three(values)
            if self.slab is not None:
                lift = self.slab.lift_points
                values = self.slab.lift_cells(values, mesh.n_cells) if cells else lift(values)
            data[name] = values
        return mesh
