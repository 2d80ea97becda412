"""predict: resolve the conditions, evaluate, integrate, compare, attach. Writes only if asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..mesh import Mesh, flatten
from ..reduced import LEVEL, NORMAL
from ._accuracy import compare, truth_in
from ._coefficients import integrate_pressure
from ._conditions import resolve
from ._paths import picture_path, plan_outputs
from ._prediction import IN_RANGE, Arrays, Prediction, is_ratio

if TYPE_CHECKING:
    from ..graph import Geometry
    from ..surrogate import Surrogate

DEFAULT_MODEL = "airfoil-rans"
PRESSURES = ("p", "pressure", "Pressure", "P")  # kinematic, when the free stream's speed is 1
COEFFICIENTS = ("Cl", "Cd", "Cm")
# Warn beyond about twice the largest of 44 unseen cases of airfoil-rans (mean .0016 and .0011).
DISAGREEMENT = {"Cl": 0.02, "Cm": 0.015}


def predict(
    mesh: Mesh | str | os.PathLike,
    /,
    model: str | os.PathLike | Surrogate = DEFAULT_MODEL,
    out: str | os.PathLike | None = None,
    device: str = "auto",
    picture: bool = True,
    *,
    tile: int | None = None,
    **conditions: float,
) -> Prediction:
    """Predict the fields and scalars of one case.

    mesh: a Mesh, a file, or the folder of a case. One layer of volumes (a two-dimensional case of
    OpenFOAM) is a plane mesh to models of those. model: a name (`meshop models`), a file, or a
    loaded Surrogate. out: file or folder to write the mesh with its predictions to, and a PNG
    beside it where `picture`; an OpenFOAM case gets them as fields; None writes nothing. device:
    "auto", "cpu", "cuda". tile: nodes evaluated at once (memory; the result is the same).
    conditions, such as ``aoa_deg=4.0, reynolds=3e6``, come before those in the mesh's field data.
    A value out of the training range is a warning in the result.
    Raises MeshFileError, MeshError, ConditionError, SurrogateError.
    """
    start = perf_counter()
    surrogate = load(model)
    timings = {"load": perf_counter() - start}
    target = None
    if out is not None:
        source = "mesh" if isinstance(mesh, Mesh) else mesh
        target = plan_outputs([source], out)[0]
    result = evaluate(mesh, surrogate, conditions, device=device, tile=tile)
    if target is not None:
        write(result, target, picture=picture)
    result.timings = timings | result.timings
    result.timings["total"] = perf_counter() - start
    return result


def load(model: str | os.PathLike | Surrogate) -> Surrogate:
    """The surrogate of that name or file; an object that is one already is returned."""
    if isinstance(model, (str, os.PathLike)):
        from ..surrogate import Surrogate

        return Surrogate.load(model)
    return model


def evaluate(
    mesh: Mesh | str | os.PathLike,
    surrogate: Surrogate,
    conditions: Mapping[str, Any],
    *,
    device: str = "auto",
    tile: int | None = None,
) -> Prediction:
    """One case with a loaded surrogate; nothing is written."""
    from ..graph import geometry
    from ..surrogate import find_device

    timings = {}
    if not isinstance(mesh, Mesh):
        from ..io import read

        start = perf_counter()
        mesh = read(mesh)
        timings["read"] = perf_counter() - start
    schema = surrogate.schema
    start = perf_counter()
    whole, slab = mesh, None
    if mesh.dim == 3 and surrogate.spec.dim == 2 and (slab := flatten(mesh)) is not None:
        mesh = slab.plane
    geo = geometry(mesh, surrogate.spec)  # a wrong mesh is said before a missing condition
    timings["geometry"] = perf_counter() - start
    values = resolve(schema, conditions, mesh.field_data)
    outcome = surrogate.evaluate(mesh, values, device=find_device(device), tile=tile)
    timings |= outcome.seconds

    start = perf_counter()
    data = mesh.cell_data if schema.location == "cell" else mesh.point_data
    fields: dict[str, np.ndarray] = {}
    spread = dict(outcome.deviations)
    truth: dict[str, np.ndarray] = {}
    for item in schema.fields:
        fields[item.name] = with_three(outcome.fields[item.name])
        if item.name in spread:
            spread[item.name] = _squeeze(with_three(spread[item.name]))
        if (known := truth_in(data, item.name, fields[item.name].shape)) is not None:
            truth[item.name] = known
    warnings = list(outcome.warnings)
    if truth and (text := _other_units(surrogate, geo, truth)):
        warnings.append(text)
        truth = {}
    integrated = _integrate(mesh, geo, surrogate, values, fields)
    integrated = {k: v for k, v in integrated.items() if k in outcome.scalars}
    scalars = dict(sorted(outcome.scalars.items(), key=lambda item: _place(item[0])))
    meta = {
        "meshop": __version__,
        "model": surrogate.name,
        "hash": surrogate.hash,
        "conditions": values,
        "units": {f"{item.name}_pred": item.units for item in schema.fields},
    }
    if spread:
        meta["bands"] = f"{100 * LEVEL:g} % of the truth lie in pred +- {NORMAL:.3f} std"
    arrays = Arrays()
    place = arrays.cell if schema.location == "cell" else arrays.point
    for name, predicted in fields.items():
        place[f"{name}_pred"] = _squeeze(predicted)
        if name in spread:
            place[f"{name}_std"] = spread[name]
        if name in truth:
            place[f"{name}_error"] = _squeeze((predicted - truth[name]).astype(np.float32))
    for name, value in scalars.items():
        arrays.field[f"{name}_pred"] = np.array([value], np.float64)
        if name in spread:
            arrays.field[f"{name}_std"] = np.array([spread[name]], np.float64)
    for name, value in integrated.items():
        arrays.field[f"{name}_integrated"] = np.array([value], np.float64)
    arrays.field[IN_RANGE] = np.array([outcome.in_range], np.uint8)
    plane = arrays.attach(mesh, meta) if slab else None
    if slab:
        arrays.cell = {n: slab.lift_cells(v, whole.n_cells) for n, v in arrays.cell.items()}
        arrays.point = {n: slab.lift_points(v) for n, v in arrays.point.items()}
    result = Prediction(
        mesh=arrays.attach(whole, meta),
        plane=plane,
        model=surrogate.name,
        model_hash=surrogate.hash,
        conditions=values,
        location=schema.location,
        fields=tuple(fields),
        pressure=_pressure(fields),
        scalars=scalars,
        integrated=integrated,
        in_range=bool(outcome.in_range),
        bands={k: NORMAL * v for k, v in spread.items()},
        warnings=warnings + _disagreements(integrated, outcome.scalars),
        errors=compare(mesh, geo, fields, truth, scalars),
        timings=timings,
    )
    timings["compare"] = perf_counter() - start
    return result


def write(result: Prediction, target: os.PathLike | str, *, picture: bool = True) -> str | None:
    """Save `result` and, if asked, its picture beside it; the picture's path or None.

    A picture that cannot be drawn is a warning: the numbers are what the user came for.
    """
    start = perf_counter()
    result.save(target)
    result.timings["write"] = perf_counter() - start
    if not picture:
        return None
    start = perf_counter()
    path = picture_path(target)
    try:
        result.picture(path)
    except Exception as error:  # matplotlib, fonts, disk: none of them may cost the result
        result.warnings.append(f"no picture: {type(error).__name__}: {error}")
        return None
    result.timings["picture"] = perf_counter() - start
    return os.fspath(path)


def _place(name: str) -> tuple[int, str]:
    """Lift, drag, moment, as everyone lists them; then the rest by name."""
    return (COEFFICIENTS.index(name) if name in COEFFICIENTS else len(COEFFICIENTS), name)


def with_three(values: np.ndarray) -> np.ndarray:
    """(n, c) float32; plane vectors get a zero z: ParaView's vectors have three components."""
    values = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    if values.shape[1] == 2:
        return np.column_stack([values, np.zeros(len(values), np.float32)])
    return values


def _squeeze(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.shape[1] == 1 else values


def _pressure(fields: Mapping[str, np.ndarray]) -> str | None:
    return next((n for n, v in fields.items() if n in PRESSURES and v.shape[1] == 1), None)


def _integrate(
    mesh: Mesh,
    geo: Geometry,
    surrogate: Surrogate,
    conditions: Mapping[str, float],
    fields: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Cl and Cm from the wall's pressure, where that has a meaning: a plane body in a free stream
    of known direction and of speed 1 (else the pressure is in other units)."""
    spec, name = surrogate.spec, _pressure(fields)
    if name is None or spec.direction is None or spec.dim != 2 or spec.location != "cell":
        return {}
    far = geo.kind == 2
    if not far.any():
        return {}
    for values in fields.values():
        if values.shape[1] == 3:
            speed = float(np.linalg.norm(values[far], axis=1).mean())
            if not 0.9 < speed < 1.1:
                return {}
    pressure = fields[name][:, 0].astype(np.float64)
    return integrate_pressure(mesh, geo.wall, pressure, conditions[spec.direction])


def _other_units(
    surrogate: Surrogate, geo: Geometry, truth: Mapping[str, np.ndarray]
) -> str | None:
    """Says so where the file's free stream is not 1 and the model's fields are ratios to it."""
    far = (geo.kind == 2) & (geo.weight > 0)
    for item in surrogate.schema.fields:
        if item.name in truth and item.components > 1 and is_ratio(item.units) and far.any():
            speed = float(np.linalg.norm(truth[item.name][far], axis=1).mean())
            if not 0.9 < speed < 1.1:
                return (
                    f"the free stream of {item.name} in the file is {speed:.4g}, predicted is "
                    f"{item.name} in units of it: they are not compared"
                )
    return None


def _disagreements(integrated: Mapping[str, float], scalars: Mapping[str, float]) -> list[str]:
    return [
        f"{name} is {scalars[name]:.4f} by the scalar head and {value:.4f} by the wall pressure, "
        f"further apart than the usual {DISAGREEMENT[name]:g}"
        for name, value in integrated.items()
        if abs(scalars[name] - value) > DISAGREEMENT[name]
    ]
