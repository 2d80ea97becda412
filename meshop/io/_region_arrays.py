"""Regions in formats that know none: kept as field data arrays ``meshop_region KIND NAME``."""

from __future__ import annotations

import numpy as np

from ..mesh import REGION_KINDS, Mesh, Region

_PREFIX = "meshop_region"


def to_field_data(mesh: Mesh) -> dict[str, np.ndarray]:
    """The mesh's regions as field data."""
    return {f"{_PREFIX} {r.kind} {name}": r.ids for name, r in mesh.regions.items()}


def from_field_data(
    field_data: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, Region]]:
    """Split into ordinary field data and regions."""
    rest, regions = {}, {}
    for key, values in field_data.items():
        prefix, _, tail = key.partition(" ")
        kind, _, name = tail.partition(" ")
        if prefix != _PREFIX or kind not in REGION_KINDS or values.dtype.kind not in "iu":
            rest[key] = values
        else:
            # One facet column (ends of lines), or none at all, comes back with one dimension.
            ids = values[:, None] if kind == "facet" and values.ndim == 1 else values
            regions[name] = Region(kind, ids)
    return rest, regions
