"""Cells of VTK's polygonal data: four lists, whose cells have types by their sizes."""

from __future__ import annotations

import numpy as np

# In the order of their cell data.
VERTICES, LINES, POLYGONS, STRIPS = range(4)


def surface_types(kind: int, size: np.ndarray) -> np.ndarray:
    """VTK cell types of the cells of one list, by how many nodes they have.

    Polygons of one or two nodes are what they look like: a vertex, a line.
    """
    types = {
        VERTICES: lambda: np.where(size == 1, 1, 2),
        LINES: lambda: np.where(size == 2, 3, 4),
        POLYGONS: lambda: np.array([0, 1, 3, 5, 9, 7])[np.minimum(size, 5)],
        STRIPS: lambda: np.full(len(size), 6),
    }[kind]()
    return np.where(size == 0, 0, types)
