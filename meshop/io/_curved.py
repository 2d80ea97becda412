"""Curved hexahedra changed their node order with VTK 9: the old order, made the present one."""

from __future__ import annotations

import numpy as np

from ..mesh import CURVED_HEXAHEDRA

OLD_XML = ("0.1", "1.0", "2.0")  # versions of VTU with the old order


def current_order(types: np.ndarray, offsets: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """`nodes` with those on the last two upright edges exchanged; done twice, nothing changes.

    Of Lagrange and Bezier hexahedra with one order for all axes. Source: release notes of VTK 9.0.
    """
    cells = np.flatnonzero(np.isin(types, CURVED_HEXAHEDRA))
    if not len(cells):
        return nodes
    nodes = nodes.copy()
    sizes = np.diff(offsets)[cells]
    for size in np.unique(sizes).tolist():
        inner = round(size ** (1 / 3)) - 2  # nodes inside an edge
        if inner < 1 or (inner + 2) ** 3 != size:
            continue
        first = offsets[cells[sizes == size]][:, None] + 8 + 10 * inner + np.arange(inner)
        third, last = nodes[first], nodes[first + inner]
        nodes[first], nodes[first + inner] = last, third
    return nodes
