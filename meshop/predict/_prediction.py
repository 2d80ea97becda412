"""Prediction: the input mesh with arrays added, and what was found on the way."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import MeshError
from ..io import find_case, write_fields
from ..mesh import Mesh

META = "meshop_meta"
_NOTE = "predicted by meshop, "  # how fields start that meshop wrote into a case
IN_RANGE = "in_training_range"


@dataclass
class Prediction:
    """What `predict` returns.

    mesh: a copy of the input whose arrays are shared, with ``<field>_pred`` (and ``<field>_error``,
    prediction minus truth, and ``<field>_std``) on cells or points and the scalars in its field
    data. bands: of models that give them, by field and scalar, half the width of what holds 90 % of
    the truth: 1.645 standard deviations. scalars: from the
    model's scalar head. integrated: Cl and Cm from the predicted wall pressure, where the mesh has
    a wall. disagreement: |scalars - integrated|. errors: where the file holds the truth,
    ``{"whole": {field: relative L2}, "near": {...}, "scalars": {name: |error|}}``, else None.
    plane: the 2-D mesh that was evaluated, where `mesh` is it as one layer of volumes; else None.
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
    plane: Mesh | None = None
    bands: dict[str, Any] = field(default_factory=dict)

    @property
    def disagreement(self) -> dict[str, float]:
        """|scalar head - wall integral| by name."""
        both = self.integrated.keys() & self.scalars.keys()
        return {k: abs(self.scalars[k] - self.integrated[k]) for k in sorted(both)}

    def save(self, path: str | os.PathLike) -> None:
        """Write the mesh with its arrays, or the arrays alone as fields of the time that was read
        where `path` is an OpenFOAM case; atomic. Raises MeshFileError."""
        if find_case(path) is None:
            self.mesh.save(path)
            return
        mesh = self.mesh.copy()
        given = ", ".join(f"{name} = {value:g}" for name, value in self.conditions.items())
        units = json.loads(str(mesh.field_data[META][0]))["units"]
        names = []
        for item in self.fields:
            for name in (f"{item}_pred", f"{item}_std", f"{item}_error"):
                if name in self._data:
                    names.append(name)
                    mesh.field_data[f"note {name}"] = np.array([f"{_NOTE}{self.model}: {given}"])
                    if is_ratio(units[f"{item}_pred"]):
                        mesh.field_data[f"dimensions {name}"] = np.array(["[0 0 0 0 0 0 0]"])
        write_fields(mesh, path, arrays=names, overwrite=True)

    def picture(self, path: str | os.PathLike) -> None:
        """Draw the fields into a PNG: needs neither a display nor libGL; atomic."""
        from ..viz import field_picture, volume_picture

        mesh, data = self.plane or self.mesh, self._data
        title = f"{self.model}: " + ", ".join(f"{k} = {v:g}" for k, v in self.conditions.items())
        if mesh.dim == 3:
            first = self.pressure or self.fields[0]
            volume_picture(mesh, f"{first}_pred", data[f"{first}_pred"], path, title=title)
            return
        truth = {
            name: data[name].astype(np.float64) for name in self.fields if f"{name}_error" in data
        }
        field_picture(
            mesh,
            {name: data[f"{name}_pred"] for name in self.fields},
            path,
            truth=truth,
            pressure=self.pressure,
            title=title,
            note="\n".join(self._note()),
        )

    def _note(self) -> list[str]:
        """A line of scalars, then the table of errors where there is a truth."""
        lines = [
            ", ".join(
                f"{k} = {v:.4f}" + (f" +- {self.bands[k]:.2g}" if k in self.bands else "")
                for k, v in self.scalars.items()
            )
        ]
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
        mesh = self.plane or self.mesh
        return mesh.cell_data if self.location == "cell" else mesh.point_data


def is_ratio(units: str) -> bool:
    """Whether a field is in units of the free stream: a number, whatever it is made of."""
    return re.search(r"_inf\b|free.?stream", units, re.IGNORECASE) is not None


class Arrays:
    """The arrays to add to a mesh, by place; refuses to hide an array that is not meshop's own."""

    def __init__(self) -> None:
        self.cell: dict[str, np.ndarray] = {}
        self.point: dict[str, np.ndarray] = {}
        self.field: dict[str, np.ndarray] = {}

    def attach(self, mesh: Mesh, meta: dict[str, Any]) -> Mesh:
        """A copy of `mesh` with the arrays and `meta` (listed there by name) added.

        Arrays that an earlier prediction listed in ``meshop_meta``, or whose note in a case says
        so, are removed first; any other array of the same name is a MeshError: the user's data
        stay the user's.
        """
        result = mesh.copy()
        places = {
            "cell": (result.cell_data, self.cell),
            "point": (result.point_data, self.point),
            "field": (result.field_data, self.field),
        }
        earlier = _earlier(mesh)
        for place, (data, new) in places.items():
            for name in earlier.get(place, ()):
                data.pop(name, None)
                result.field_data.pop(f"note {name}", None)
                result.field_data.pop(f"dimensions {name}", None)
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
        result.field_data[META] = meta_text(meta)
        return result


def meta_text(meta: dict[str, Any]) -> np.ndarray:
    """Provenance as field data hold it: one line of JSON."""
    return np.array([json.dumps(meta, sort_keys=True, ensure_ascii=True)])


def _earlier(mesh: Mesh) -> dict[str, list[str]]:
    """Names of the arrays that meshop itself added to this mesh before, by place."""
    found: dict[str, list[str]] = {"cell": [], "point": [], "field": []}
    for place, data in (("cell", mesh.cell_data), ("point", mesh.point_data)):
        for name in data:
            note = mesh.field_data.get(f"note {name}")
            if note is not None and np.size(note) and str(np.ravel(note)[0]).startswith(_NOTE):
                found[place].append(name)
    values = mesh.field_data.get(META)
    if values is None or np.size(values) != 1:
        return found
    try:
        arrays = json.loads(str(np.asarray(values).item()))["arrays"]
        for place, names in arrays.items():
            found.setdefault(place, []).extend(map(str, names))
    except (ValueError, KeyError, TypeError, AttributeError):
        return found
    found["field"].append(META)
    return found
