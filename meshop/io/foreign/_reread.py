"""What a file lost that a library wrote, found by reading it back: they drop much in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...mesh import CELL_TYPES, POLYGON, Mesh
from .._files import Fault
from .._format import warn_lost
from .._surface import warn_data, warn_regions

_HINT = "write .vtu instead"


def match_cells(mesh: Mesh, found: Mesh, name: str) -> np.ndarray:
    """(M,) the cell of `found` that each cell of `mesh` has become.

    Raises Fault where points or cells are gone, or are others.
    """
    if mesh.points.shape != found.points.shape:
        reason = f"{name} keeps {found.n_points} of {mesh.n_points} points"
        raise Fault("points", reason, _HINT)
    if not np.allclose(mesh.points, found.points, rtol=1e-5, atol=0):
        raise Fault("points", f"{name} keeps other coordinates", _HINT)
    mine, theirs = _by_type(mesh), _by_type(found)
    place = np.empty(mesh.n_cells, np.int64)
    for (code, size), (cells, nodes) in mine.items():
        others, twins = theirs.pop((code, size), (cells[:0], nodes[:0]))
        order, twin_order = _sorted(nodes), _sorted(twins)
        if not np.array_equal(nodes[order], twins[twin_order]):
            row = CELL_TYPES[code]
            raise Fault(f"cell {cells[0]}", f"{name} does not keep this {row.name}", _HINT)
        place[cells[order]] = others[twin_order]
    if theirs:
        raise Fault("cells", f"{name} stores more cells than there are", _HINT)
    return place


def warn_of_losses(mesh: Mesh, found: Mesh, place: np.ndarray, path: Path, name: str) -> None:
    """Warn of all that `found`, which was written from `mesh`, does not hold."""
    if not np.array_equal(place, np.arange(mesh.n_cells)):
        warn_lost(path, name, "cells are stored in another order: type by type")
    if not np.array_equal(_types(mesh), mesh.cell_types):
        warn_lost(path, name, "polygons of 3 and 4 nodes become triangles and quads")
    if not np.array_equal(mesh.points, found.points):
        warn_lost(path, name, "coordinates are rounded", "write .vtu to keep them")
    kept: set[tuple[str, str]] = set()
    changed, rounded = [], []
    for where in ("point", "cell", "field"):
        after = getattr(found, f"{where}_data")
        for key, values in getattr(mesh, f"{where}_data").items():
            twin = after.get(key)
            if twin is None or twin.size != values.size:
                continue
            kept.add((where, key))
            twin = twin[place] if where == "cell" else twin
            if twin.dtype.kind != values.dtype.kind or (
                twin.dtype != values.dtype and values.dtype.kind != "U"
            ):
                changed.append(f"{key} ({values.dtype} to {twin.dtype})")
            elif twin.shape != values.shape:
                changed.append(f"{key} {values.shape} to {twin.shape}")
            elif twin.ravel().tolist() != values.ravel().tolist() and not _equal(twin, values):
                rounded.append(key)
    warn_data(path, name, mesh, kept)
    for names, what in ((changed, "arrays change"), (rounded, "values are rounded")):
        if names:
            more = ", ..." if len(names) > 5 else ""
            warn_lost(path, name, f"{what}: {', '.join(names[:5])}{more}", "write .vtu")
    gone, moved = [], []
    for key, region in mesh.regions.items():
        other = found.regions.get(key)
        ids = place[region.ids] if region.kind == "cell" else region.ids
        if other is None or other.kind != region.kind or set(other.ids) != set(ids):
            gone.append(key)
        elif not np.array_equal(other.ids, ids):
            moved.append(key)
    warn_regions(path, name, gone, "write .vtu for them")
    if moved:
        warn_lost(path, name, f"ids of regions are stored in another order: {', '.join(moved)}")


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype.kind == "f" and np.array_equal(a.ravel(), b.ravel(), equal_nan=True)


def _types(mesh: Mesh) -> np.ndarray:
    """Cell types, polygons of three and four nodes as triangles and quads."""
    size = np.diff(mesh.cell_offsets)
    short = (mesh.cell_types == POLYGON) & (size < 5)
    return np.where(short, np.where(size == 3, 5, 9), mesh.cell_types)


def _by_type(mesh: Mesh) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """(type, size) -> ids (m,) and nodes (m, size) of its cells."""
    types, size = _types(mesh), np.diff(mesh.cell_offsets)
    out = {}
    for code, n in np.unique(np.stack([types, size], axis=1), axis=0).tolist():
        cells = np.flatnonzero((types == code) & (size == n))
        out[code, n] = cells, mesh.cell_nodes[mesh.cell_offsets[cells][:, None] + np.arange(n)]
    return out


def _sorted(nodes: np.ndarray) -> np.ndarray:
    """The order that sorts rows; equal rows keep theirs."""
    return np.lexsort(nodes.T[::-1]) if nodes.shape[1] else np.arange(len(nodes))
