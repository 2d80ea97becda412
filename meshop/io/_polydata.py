"""Cells of VTK's polygonal data: four lists, whose cells have types by their sizes."""

from __future__ import annotations

import numpy as np

# In the order of their cell data.
VERTICES, LINES, POLYGONS, STRIPS = range(4)
LIST_OF = np.full(256, -1, np.int8)  # the list of each cell type, -1 where none holds it
LIST_OF[[1, 2]] = VERTICES
LIST_OF[[3, 4]] = LINES
LIST_OF[[0, 5, 7, 9]] = POLYGONS
LIST_OF[6] = STRIPS
# Cell types by 0, 1, ... nodes; more nodes have the last.
_TYPES = (
    np.array([0, 1, 2], np.uint8),
    np.array([0, 4, 3, 4], np.uint8),
    np.array([0, 1, 3, 5, 9, 7], np.uint8),
    np.array([0, 6], np.uint8),
)


def surface_types(kind: int, size: np.ndarray) -> np.ndarray:
    """VTK cell types of the cells of one list, by how many nodes they have.

    Polygons of one or two nodes are what they look like: a vertex, a line.
    """
    types = _TYPES[kind]
    return types[np.minimum(size, len(types) - 1)]
