"""What a mesh holds, in one JSON-able dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..celltypes import CELL_TYPES, POLYHEDRON
from ._finite_volume import facet_quality
from ._metrics import METRICS, cell_quality, quality_names
from ._quality import quality

if TYPE_CHECKING:
    from ._facets import FacetTable
    from ._mesh import Mesh


def summary(mesh: Mesh, facets: FacetTable | None = None) -> dict[str, Any]:
    """Counts by cell type, extent, arrays with ranges, regions, field data, faults and quality.

    facets: those of this mesh, where they are known.
    """
    counts = np.bincount(mesh.cell_types, minlength=256)
    low, high = np.zeros(3), np.zeros(3)
    if mesh.n_points:
        low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    mesh.check()
    report = quality(mesh, facets=facets)
    return {
        "points": mesh.n_points,
        "cells": mesh.n_cells,
        "types": {CELL_TYPES[int(c)].name: int(counts[c]) for c in np.flatnonzero(counts)},
        "dimension": mesh.dim,
        "planar": mesh.is_planar,
        "extent": {axis: [float(low[i]), float(high[i])] for i, axis in enumerate("xyz")},
        "arrays": [
            _array(place, name, values)
            for place, data in (("cell", mesh.cell_data), ("point", mesh.point_data))
            for name, values in data.items()
        ],
        "field_data": {name: _plain(values) for name, values in mesh.field_data.items()},
        "regions": {
            name: {"kind": region.kind, "size": len(region.ids)}
            for name, region in mesh.regions.items()
        },
        "parts": len(report.parts),
        "quality": {name: len(ids) for name, ids in report.faults().items()},
        "errors": {name: len(ids) for name, ids in report.faults("error").items()},
        "metric": _metric(mesh, facets),
    }


def histogram(values: np.ndarray, name: str, bins: int = 10) -> dict[str, Any]:
    """The metric `name` of cells as counts between round bounds; NaN left out.

    Values beyond the first and the last bound are counted at the ends. `beyond`: how many are
    worse than what most solvers are content with.
    """
    metric = METRICS[name]
    known = values[~np.isnan(values)]
    if name in ("scaled_jacobian", "equiangle_skewness"):
        low, high = 0.0, 1.0
    elif metric.unit == "deg":
        low, high = 0.0, 90.0 if name != "max_angle" else 180.0
    else:
        low, high = float(np.floor(min(metric.ideal, 1.0))), metric.typical
    bounds = np.linspace(low, high, bins + 1)
    place = np.clip(np.searchsorted(bounds, known, side="right") - 1, 0, bins - 1)
    worse = known > metric.typical if metric.rising else known < metric.typical
    finite = known[np.isfinite(known)]
    return {
        "name": name,
        "worst": metric.worst(values),
        "mean": float(finite.mean()) if finite.size else np.nan,
        "typical": metric.typical,
        "beyond": int(worse.sum()),
        "bounds": bounds.tolist(),
        "counts": np.bincount(place, minlength=bins).tolist(),
    }


def _metric(mesh: Mesh, facets: FacetTable | None) -> dict[str, Any] | None:
    """The scaled Jacobian, or what says most where that has no meaning."""
    names = quality_names(mesh)
    if not names:
        return None
    name = names[0]
    if np.any(mesh.cell_types == POLYHEDRON):
        name = "non_orthogonality"
        values = facet_quality(mesh, facets).of_cells(name, mesh.n_cells)
    else:
        values = cell_quality(mesh, name)
    return None if np.isnan(values).all() else histogram(values, name)


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
        with np.errstate(over="ignore"):
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
