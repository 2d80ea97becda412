"""The cells of structured grids, which files leave out."""

from __future__ import annotations

import numpy as np


def structured_cells(dims: list[int], skewed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(types, offsets, nodes) of a grid of `dims` points, i fastest, as VTK numbers them.

    Lines, quads or hexahedra; pixels or voxels where not `skewed`; one vertex for one point.
    """
    if min(dims) < 1:
        return np.empty(0, np.uint8), np.zeros(1, np.int64), np.empty(0, np.int64)
    strides = np.cumprod([1, *dims[:-1]])
    used = [axis for axis in range(3) if dims[axis] > 1]
    first = np.zeros(1, np.int64)
    for axis in reversed(used):
        first = (first[:, None] + np.arange(dims[axis] - 1) * strides[axis]).ravel()
    corners = np.zeros(1, np.int64)
    for axis in used:
        corners = np.concatenate([corners, corners + strides[axis]])
    if skewed and len(used) > 1:
        corners = corners[[0, 1, 3, 2] if len(used) == 2 else [0, 1, 3, 2, 4, 5, 7, 6]]
    code = (1, 3, 9 if skewed else 8, 12 if skewed else 11)[len(used)]
    nodes = (first[:, None] + corners).ravel()
    return np.full(len(first), code, np.uint8), np.arange(len(first) + 1) * len(corners), nodes
