"""Prediction: the input mesh with arrays added, and what was found on the way."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import MeshError
from ..mesh import Mesh

META = "meshop_meta"
IN_RANGE = "in_training_range"


@dataclass
class Prediction:
    """What `predict` returns.

    mesh: a copy of the input whose arrays are shared, with ``<field>_pred`` (and ``<field>_error``,
    prediction minus truth) on cells or points and the scalars in its field data. scalars: from the
    model's scalar head. integrated: Cl and Cm from the predicted wall pressure, where the mesh has
    a wall. disagreement: |scalars - integrated|. errors: where the file holds the truth,
    ``{"whole": {field: relative L2}, "near": {...}, "scalars": {name: |error|}}``, else None.
    in_range: whether the conditions lie in the training range. timings: seconds by step.
    """

    mesh: Mesh
    model: str
    model_hash: str
    conditions: dict[str, float]
    location: str
    fields: tuple[str, ...]
    pressure: str | None
    scalars: dict[str, float]
    integrated: dict[str, float]
    in_range: bool
    warnings: list[str]
    errors: dict[str, dict[str, float]] | None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def disagreement(self) -> dict[str, float]:
        """|scalar head - wall integral| by name."""
        both = self.integrated.keys() & self.scalars.keys()
        return {k: abs(self.scalars[k] - self.integrated[k]) for k in sorted(both)}

    def save(self, path: str | os.PathLike) -> None:
        """Write the mesh with its arrays; atomic. Raises MeshFileError."""
        self.mesh.save(path)

    def picture(self, path: str | os.PathLike) -> None:
        """Draw the fields into a PNG: needs neither a display nor libGL; atomic."""
        from ..viz import field_picture, volume_picture

        data = self._data
        title = f"{self.model}: " + ", ".join(f"{k} = {v:g}" for k, v in self.conditions.items())
        if self.mesh.dim == 3:
            first = self.pressure or self.fields[0]
            volume_picture(self.mesh, f"{first}_pred", data[f"{first}_pred"], path, title=title)
            return
        truth = {
            name: data[name].astype(np.float64) for name in self.fields if f"{name}_error" in data
        }
        field_picture(
            self.mesh,
            {name: data[f"{name}_pred"] for name in self.fields},
            path,
            truth=truth,
            pressure=self.pressure,
            title=title,
            note="\n".join(self._note()),
        )

    def _note(self) -> list[str]:
        """A line of scalars, then the table of errors where there is a truth."""
        lines = [", ".join(f"{k} = {v:.4f}" for k, v in self.scalars.items())]
        errors = self.errors or {}
        area = "near" if "near" in errors else "whole"
        if errors.get(area):
            place = "near the wall" if area == "near" else "of the whole field"
            lines += [f"relative L2 error {place}"]
            lines += [f"  {name:<6}{100 * value:6.2f} %" for name, value in errors[area].items()]
        if errors.get("scalars"):
            lines += ["", "absolute error"]
            lines += [f"  {name:<6}{value:9.5f}" for name, value in errors["scalars"].items()]
        return lines

    @property
    def _data(self) -> dict[str, np.ndarray]:
        return self.mesh.cell_data if self.location == "cell" else self.mesh.point_data


class Arrays:
    """The arrays to add to a mesh, by place; refuses to hide an array that is not meshop's own."""

    def __init__(self) -> None:
        self.cell: dict[str, np.ndarray] = {}
        self.point: dict[str, np.ndarray] = {}
        self.field: dict[str, np.ndarray] = {}

    def attach(self, mesh: Mesh, meta: dict[str, Any]) -> Mesh:
        """A copy of `mesh` with the arrays and `meta` (listed there by name) added.

        Arrays that an earlier prediction listed in ``meshop_meta`` are removed first; any other
        array of the same name is a MeshError: the user's data stay the user's.
        """
        result = mesh.copy()
        places = {
            "cell": (result.cell_data, self.cell),
            "point": (result.point_data, self.point),
            "field": (result.field_data, self.field),
        }
        earlier = _earlier(mesh)
        if earlier:
            result.field_data.pop(META, None)
        for place, (data, new) in places.items():
            for name in earlier.get(place, ()):
                data.pop(name, None)
            taken = [name for name in new if name in data]
            if place == "field" and META in data:
                taken.append(META)
            if taken:
                raise MeshError(
                    f"the input already has {place} data {taken[0]!r}",
                    "meshop did not write that array and does not replace it",
                    f"rename {taken[0]!r} in the input, or remove it",
                )
            data.update(new)
        meta = meta | {"arrays": {place: sorted(new) for place, (_, new) in places.items()}}
        text = json.dumps(meta, sort_keys=True, ensure_ascii=True)
        result.field_data[META] = np.array([text])
        return result


def _earlier(mesh: Mesh) -> dict[str, list[str]]:
    """Names of the arrays that meshop itself added to this mesh before, by place."""
    values = mesh.field_data.get(META)
    if values is None or np.size(values) != 1:
        return {}
    try:
        arrays = json.loads(str(np.asarray(values).item()))["arrays"]
        return {place: [str(name) for name in names] for place, names in arrays.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
