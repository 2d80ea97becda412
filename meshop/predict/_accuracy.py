"""How far a prediction is from the truth, where the file holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ._coefficients import find_chord

if TYPE_CHECKING:
    from ..graph import Geometry
    from ..mesh import Mesh


def relative_l2(
    predicted: np.ndarray, truth: np.ndarray, free_stream: np.ndarray, weight: np.ndarray
) -> float:
    """|predicted - truth| / |truth - free_stream|, weighted by area: never a mean over cells.

    predicted and truth (n, c), free_stream (c,), weight (n,). NaN when the truth is free stream.
    """
    miss = np.sum(weight * np.sum((predicted - truth) ** 2, axis=1))
    size = np.sum(weight * np.sum((truth - free_stream) ** 2, axis=1))
    return float(np.sqrt(miss / size)) if size > 0 else float("nan")


def truth_in(data: Mapping[str, np.ndarray], name: str, shape: tuple) -> np.ndarray | None:
    """The solved field, (n, c) float64, if `data` holds one of that name and shape.

    One with the same value everywhere is none: so cases start that are still to be solved.
    """
    if name not in data or data[name].dtype.kind not in "fiu":
        return None
    values = data[name].reshape(len(data[name]), -1).astype(np.float64)
    if values.shape[1] == 2 and shape[1] == 3:
        values = np.column_stack([values, np.zeros(len(values))])
    if values.shape != shape or not np.isfinite(values).all():
        return None
    return None if len(values) > 1 and np.all(values == values[0]) else values


def compare(
    mesh: Mesh,
    geo: Geometry,
    fields: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    scalars: Mapping[str, float],
) -> dict[str, dict[str, float]] | None:
    """Errors against what the file holds: {"whole": {field: relative L2}, "near": ..., "scalars":
    {name: |error|}}; None where it holds nothing.

    fields and truth (n, c). The free stream is the truth's mean over the far field's cells (over
    all, without one). near: see `Chord.near`, only with a far field.
    """
    stored = {}
    for name in scalars:
        values = mesh.field_data.get(name)
        if values is not None and values.size == 1 and values.dtype.kind in "fiu":
            stored[name] = float(values.item())
    if not truth and not stored:
        return None
    errors: dict[str, dict[str, float]] = {}
    if truth:
        far = (geo.kind == 2) & (geo.weight > 0)
        areas = {"whole": geo.weight}
        if far.any() and mesh.dim == 2:
            near = find_chord(mesh, geo.wall).near(geo.pos)
            areas["near"] = np.where(near, geo.weight, 0.0)
        of = np.where(far, geo.weight, 0.0) if far.any() else geo.weight
        for area, weight in areas.items():
            errors[area] = {
                name: relative_l2(fields[name], known, of @ known / of.sum(), weight)
                for name, known in truth.items()
            }
    errors["scalars"] = {name: abs(scalars[name] - value) for name, value in stored.items()}
    return errors
