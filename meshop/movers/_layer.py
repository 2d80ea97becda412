"""Plane cases that are stored as one layer of volumes: both sides of the layer move alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..celltypes import POLYHEDRON
from ..mesh import Mesh, Slab, flatten
from ._monitor import Monitor
from ._move import positive_corners


class Layer:
    """A layer of cells and the plane mesh that it stands for, without data."""

    def __init__(self, mesh: Mesh, slab: Slab) -> None:
        self.mesh, self.slab, self.plane = mesh, slab, slab.plane
        self.used = np.flatnonzero(slab.points >= 0)
        self.first = self.used[np.unique(slab.points[self.used], return_index=True)[1]]
        self.middle = float(mesh.points[self.used, slab.axes[2]].mean())

    @staticmethod
    def of(mesh: Mesh) -> Layer | None:
        slab = flatten(mesh) if mesh.dim == 3 else None
        return None if slab is None else Layer(mesh, slab)

    def down(self, monitor: Monitor | np.ndarray) -> Monitor | np.ndarray:
        """A monitor of the mesh as one of the plane: values of one side, or at half the height."""
        if not callable(monitor):
            return np.asarray(monitor)[self.first]

        def value(x: np.ndarray) -> np.ndarray:
            full = np.full((len(x), 3), self.middle)
            full[:, list(self.slab.axes[:2])] = x
            return monitor(full)

        return value

    def up(self, value: Monitor | np.ndarray) -> Monitor | np.ndarray:
        """A monitor, or values, of the plane for the mesh."""
        if not callable(value):
            return np.asarray(value)[np.maximum(self.slab.points, 0)]
        plane: Callable[[np.ndarray], np.ndarray] = value
        return lambda x: plane(x[:, list(self.slab.axes[:2])])

    def moved(self, plane: Mesh) -> Mesh:
        """The mesh with its points where those of the plane, moved, are under them. Raises
        MeshError where the layer is so uneven that this inverts a cell."""
        step = plane.points - self.plane.points
        points = self.mesh.points.copy()
        for i, axis in enumerate(self.slab.axes[:2]):
            points[self.used, axis] += step[self.slab.points[self.used], i]
        after = self.mesh.copy()
        after.points = points
        if not (after.cell_types == POLYHEDRON).any():
            positive_corners(after)
        return after
