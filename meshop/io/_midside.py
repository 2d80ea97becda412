"""The nodes inside edges, faces and bodies, in whatever order a program lists them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..mesh import CELL_TYPES
from ._files import Fault

_SAMPLE = 1000  # cells that are looked at
_STRAIGHT = 0.2  # of an edge: as far may a node be from the middle


def middles_in_order(code: int, nodes: np.ndarray, points: np.ndarray, where: str) -> np.ndarray:
    """`nodes` (m, n) of cells, corners first and as VTK has them, with the others in VTK's order.

    Which is which tells their place: they lie in the middle of edges, faces and the body. Raises
    Fault where they do not.
    """
    middles = _middles(code)
    corners = CELL_TYPES[code].corners
    some = nodes[:: len(nodes) // _SAMPLE + 1]
    if not len(some):
        return nodes
    at = points[some]
    with np.errstate(all="ignore"):
        size = np.linalg.norm(np.ptp(at, axis=1), axis=1)[:, None]
        columns = []
        for group in middles:
            expected = at[:, list(group)].mean(axis=1)[:, None]
            far = np.linalg.norm(at[:, corners:] - expected, axis=2) / size
            columns.append(int(np.argmin(far.mean(axis=0))))
            if not far.mean(axis=0).min() < _STRAIGHT:
                columns[-1] = -1
    if sorted(columns) != list(range(len(middles))):
        name = CELL_TYPES[code].name
        reason = f"the inner nodes of a {name} are not in the middle of its edges and faces"
        raise Fault(where, reason, "save it with linear elements, or as VTU")
    return nodes[:, [*range(corners), *(corners + column for column in columns)]]


def sort_middles(
    codes: Iterable[int],
    types: np.ndarray,
    offsets: np.ndarray,
    nodes: np.ndarray,
    points: np.ndarray,
    where: str,
) -> None:
    """Put the nodes of the cells of these types into VTK's order, in place. Raises Fault."""
    for code in codes:
        at = offsets[:-1][types == code][:, None] + np.arange(CELL_TYPES[code].size)
        nodes[at] = middles_in_order(code, nodes[at], points, where)


def _middles(code: int) -> list[tuple[int, ...]]:
    """The corners around each further node in VTK's order; edges come before faces and the body."""
    row = CELL_TYPES[code]
    around = {corner: {corner} for corner in range(row.corners)}
    for node in range(row.corners, row.size):
        beside = [other for edge in row.edges or () if node in edge for other in edge]
        around[node] = set().union(*(around[other] for other in beside if other < node))
    return [tuple(sorted(around[node])) for node in range(row.corners, row.size)]
