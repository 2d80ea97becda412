"""Structured grids as explicit cells, in VTK's order: the first axis runs fastest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._files import Fault

# Cells by the number of axes with more than one point: (boxes along the axes, general position).
_CODES = ((1, 1), (3, 3), (8, 9), (11, 12))
_CORNERS: dict[int, list[tuple[int, ...]]] = {
    1: [()],
    3: [(), (0,)],
    8: [(), (0,), (1,), (0, 1)],
    9: [(), (0,), (0, 1), (1,)],
    11: [(), (0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (0, 1, 2)],
    12: [(), (0,), (0, 1), (1,), (2,), (0, 2), (0, 1, 2), (1, 2)],
}
_FREE = 1_000_000  # points of a grid that a file may have without data that belong to them


def structured_cells(
    dimensions: Sequence[int], boxes: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(types, offsets, nodes) of the cells between `dimensions` points along each axis.

    boxes: voxels and pixels (image data, rectilinear grids), else hexahedra and quads. Source: VTK
    User's Guide, "VTK file formats", structured datasets.
    """
    if min(dimensions) < 1:
        return np.empty(0, np.uint8), np.zeros(1, np.int64), np.empty(0, np.int64)
    axes = [axis for axis in range(3) if dimensions[axis] > 1]
    code = _CODES[len(axes)][0 if boxes else 1]
    stride = (1, dimensions[0], dimensions[0] * dimensions[1])
    first = np.zeros((1, 1, 1), np.int64)
    for axis in axes:  # the lowest corner of each cell; array axes run from the slowest
        shape = [1, 1, 1]
        shape[2 - axis] = -1
        first = first + (stride[axis] * np.arange(dimensions[axis] - 1)).reshape(shape)
    steps = [sum(stride[axes[i]] for i in corner) for corner in _CORNERS[code]]
    nodes = (first.reshape(-1, 1) + np.array(steps, np.int64)).ravel()
    types = np.full(first.size, code, np.uint8)
    return types, np.arange(0, len(nodes) + 1, len(steps)), nodes


def check_dimensions(dimensions: tuple[int, int, int], size: int, where: str) -> int:
    """The number of points of such a grid; `size`: bytes of data, which must bear them out.

    A few bytes can declare any grid; as explicit points and cells it needs memory.
    """
    count = dimensions[0] * dimensions[1] * dimensions[2]
    if min(dimensions) < 0:
        raise Fault(where, f"{dimensions} points along the axes")
    most = max(count, *dimensions)  # of an axis, where another one has no points
    if most > max(_FREE, size):
        raise Fault(
            where,
            f"{most} grid points declared, {size} bytes of data cannot belong to them",
            "read a coarser grid, or one with its data",
        )
    return count


def box_points(axes: list[np.ndarray]) -> np.ndarray:
    """(N, 3) points of the grid with these coordinates along x, y and z."""
    x, y, z = (np.asarray(axis, dtype=np.float64) for axis in axes)
    points = np.empty((len(z), len(y), len(x), 3))
    points[..., 0], points[..., 1], points[..., 2] = x, y[:, None], z[:, None, None]
    return points.reshape(-1, 3)
