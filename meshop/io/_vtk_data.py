"""What VTK's formats share: active attributes, and what they do not know, kept as field data.

A region is ``meshop_region KIND NAME``, its ids; an array that is read as another type or shape
than it has is ``meshop_array WHERE NAME``, a text such as "bool" or "float64 3 3".
"""

from __future__ import annotations

import math

import numpy as np

from ..mesh import REGION_KINDS, Mesh, Region
from ._files import Fault

# Attributes that a file can call active -> the components that they can have.
ACTIVE: dict[str, tuple[int, ...]] = {
    "Scalars": (1, 2, 3, 4), "Vectors": (3,), "Normals": (3,), "Tensors": (6, 9),
    "TCoords": (1, 2, 3), "GlobalIds": (1,), "PedigreeIds": (1,),
}  # fmt: skip
_REGION = "meshop_region"
_ARRAY = "meshop_array"
_STORED_AS = {"bool": np.uint8, "float16": np.float32}  # types that VTK does not have


def storable(name: str, values: np.ndarray) -> np.ndarray:
    """As one of VTK's types, little-endian: booleans become uint8, half precision float32."""
    values = values.astype(_STORED_AS.get(values.dtype.name, values.dtype), copy=False)
    if values.dtype.kind not in "iuf" or values.dtype.itemsize > 8:
        raise Fault(
            f"array {name!r}", f"VTK has no type for {values.dtype}", "store its parts as numbers"
        )
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def to_field_data(mesh: Mesh) -> dict[str, np.ndarray]:
    """The mesh's regions, and the types of its arrays where VTK's are others."""
    found = {f"{_REGION} {r.kind} {name}": r.ids for name, r in mesh.regions.items()}
    for where in ("point", "cell", "field"):
        for name, values in getattr(mesh, f"{where}_data").items():
            row = values.shape[1:]
            if values.dtype.name in _STORED_AS or len(row) > 1 or row == (1,):
                kind = "text" if values.dtype.kind in "UOST" else values.dtype.name
                found[f"{_ARRAY} {where} {name}"] = np.array([" ".join(map(str, (kind, *row)))])
    return found


def from_field_data(
    field_data: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, Region]]:
    """Split into ordinary field data and regions."""
    rest, regions = {}, {}
    for key, values in field_data.items():
        prefix, _, tail = key.partition(" ")
        kind, _, name = tail.partition(" ")
        if prefix != _REGION or kind not in REGION_KINDS or values.dtype.kind not in "iu":
            rest[key] = values
        else:
            # One facet column (ends of lines), or none at all, comes back with one dimension.
            ids = values[:, None] if kind == "facet" and values.ndim == 1 else values
            regions[name] = Region(kind, ids)
    return rest, regions


def restored(mesh: Mesh) -> Mesh:
    """`mesh` with its arrays as they were written, and without the field data that told so."""
    known = {"point": mesh.point_data, "cell": mesh.cell_data, "field": mesh.field_data}
    for key in list(mesh.field_data):
        prefix, _, tail = key.partition(" ")
        where, _, name = tail.partition(" ")
        if prefix == _ARRAY and where in known and mesh.field_data[key].dtype.kind in "UO":
            told = " ".join(map(str, mesh.field_data.pop(key).ravel()[:1])).split()
            if name in known[where]:
                known[where][name] = _as_told(known[where][name], told)
    return mesh


def _as_told(values: np.ndarray, told: list[str]) -> np.ndarray:
    """The values as the type and row shape `told`, where they can be these."""
    kind, *sizes = told or [""]
    if values.dtype == _STORED_AS.get(kind):
        values = values.astype(kind)
    row = tuple(int(size) for size in sizes if size.isdecimal() and len(size) < 10)
    if len(row) == len(sizes) < 9 and math.prod(row) == math.prod(values.shape[1:]):
        values = values.reshape(len(values), *row)
    return values
