"""What a mesh file holds, in one JSON-able dictionary."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..mesh import CELL_TYPES, Mesh


def info(mesh: Mesh | str | os.PathLike) -> dict[str, Any]:
    """Counts by cell type, extent, arrays with ranges, regions, field data, boundary and quality.

    Raises MeshFileError when the file cannot be read.
    """
    path = None
    if not isinstance(mesh, Mesh):
        from ..io import read

        path, mesh = os.fspath(mesh), read(mesh)
    counts = np.bincount(mesh.cell_types, minlength=256)
    low, high = np.zeros(3), np.zeros(3)
    if mesh.n_points:
        low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    arrays = [
        _array(place, name, values)
        for place, data in (("cell", mesh.cell_data), ("point", mesh.point_data))
        for name, values in data.items()
    ]
    return {
        "file": path,
        "points": mesh.n_points,
        "cells": mesh.n_cells,
        "types": {CELL_TYPES[int(c)].name: int(counts[c]) for c in np.flatnonzero(counts)},
        "dimension": mesh.dim,
        "planar": mesh.is_planar,
        "extent": {axis: [float(low[i]), float(high[i])] for i, axis in enumerate("xyz")},
        "arrays": arrays,
        "field_data": {name: _plain(values) for name, values in mesh.field_data.items()},
        "regions": {
            name: {"kind": region.kind, "size": len(region.ids)}
            for name, region in mesh.regions.items()
        },
        "boundary": _boundary(mesh),
        "quality": {name: len(ids) for name, ids in mesh.validate().faults().items()},
    }


def _array(place: str, name: str, values: np.ndarray) -> dict[str, Any]:
    flat = values.reshape(len(values), -1)
    entry: dict[str, Any] = {
        "location": place,
        "name": name,
        "dtype": str(values.dtype),
        "components": int(flat.shape[1]),
        "min": None,
        "max": None,
    }
    if values.dtype.kind in "fiub" and flat.size:
        # Vectors are given by magnitude, as ParaView's colour legend does.
        size = flat[:, 0] if flat.shape[1] == 1 else np.linalg.norm(flat.astype(float), axis=1)
        finite = size[np.isfinite(size)] if values.dtype.kind == "f" else size
        entry["not_finite"] = int(size.size - finite.size)
        if finite.size:
            entry["min"], entry["max"] = finite.min().item(), finite.max().item()
    return entry


def _plain(values: np.ndarray) -> Any:
    """One value bare, a few as a list, many as their count."""
    if values.size == 1:
        return values.item() if values.dtype.kind in "fiub" else str(values.item())
    if values.size > 16:
        return f"{values.size} values of {values.dtype}"
    return [v.item() if values.dtype.kind in "fiub" else str(v) for v in values.ravel()]


def _boundary(mesh: Mesh) -> dict[str, Any]:
    from ..graph import find_boundary

    found = find_boundary(mesh)
    nodes = found.facets.nodes[found.wall]
    chord = float(np.ptp(mesh.points[nodes[nodes >= 0], 0])) if nodes.size else None
    return {
        "facets": len(found.wall),
        "wall": int(found.wall.sum()),
        "far_field": int(found.far.sum()),
        "found_by": found.source,
        "wall_extent_x": chord,
    }
