"""Meshes that lie in a plane, or are one layer of cells, as they are drawn: face-on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..mesh import DIM, Mesh, flatten

_THIN = 1e-9  # how far the points of a plane may leave it, as a part of the whole's extent
_LAYER = 0.2  # how thick one layer may be, as a part of the same: a cube of one cell is no plane


class Flat(NamedTuple):
    """plane: the mesh as it is drawn, in x and y; note: what they are of the mesh, where not the
    same; cells (M,) and points (N,): the number in the plane of each of the mesh's, -1 for none."""

    plane: Mesh
    note: str
    cells: np.ndarray
    points: np.ndarray


def lay_flat(mesh: Mesh) -> Flat | None:
    """The mesh as a plane one, or None where it fills space or has no cells with an area."""
    if mesh.dim == 3:
        size = np.ptp(mesh.points, axis=0)
        slab = flatten(mesh) if size.min() <= _LAYER * size.max() else None
        if slab is None:
            return None
        cells = np.full(mesh.n_cells, -1)
        cells[slab.cells] = np.arange(len(slab.cells))
        across, up, through = ("xyz"[axis] for axis in slab.axes)
        note = f"one layer of cells, {across} across and {up} up, seen along {through}"
        return Flat(slab.plane, note, cells, slab.points)
    axis = flat_axis(mesh.points)
    if mesh.dim != 2 or axis is None or not np.any(DIM[mesh.cell_types] == 2):
        return None
    axes = [i for i in range(3) if i != axis]
    note = "" if axis == 2 else f"{'xyz'[axes[0]]} across and {'xyz'[axes[1]]} up"
    plane = replace(mesh, points=mesh.points[:, [*axes, axis]]) if note else mesh
    return Flat(plane, note, np.arange(mesh.n_cells), np.arange(mesh.n_points))


def flat_axis(points: np.ndarray) -> int | None:
    """The axis along which points have no extent, z before y before x; None where all have."""
    extent = np.ptp(points, axis=0)
    thin = extent <= _THIN * extent.max()
    return next((axis for axis in (2, 1, 0) if thin[axis]), None)
