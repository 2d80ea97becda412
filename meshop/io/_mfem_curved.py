"""Quadratic MFEM meshes: which degrees of freedom of the space each curved cell has.

MFEM numbers vertices, then edges, quadrilateral faces (3-D) and interiors, each in the order in
which the elements first name them. Source: MFEM's H1_FECollection and Mesh::GetElementToEdgeTable.
"""

from __future__ import annotations

import numpy as np

from ..mesh import CELL_TYPES, SIZE

# Straight cell: (curved cell, MFEM's order of its edges, of its quadrilateral faces).
_Pairs = tuple[tuple[int, ...], ...]
_RING: _Pairs = ((0, 1), (1, 2), (2, 3), (3, 0))
_CURVED: dict[int, tuple[int, _Pairs, _Pairs]] = {
    1: (1, (), ()),
    3: (21, ((0, 1),), ()),
    5: (22, ((0, 1), (1, 2), (2, 0)), ()),
    9: (28, _RING, ()),
    10: (24, ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)), ()),
    12: (
        29,
        ((0, 1), (1, 2), (3, 2), (0, 3), (4, 5), (5, 6), (7, 6), (4, 7), (0, 4), (1, 5), (2, 6),
         (3, 7)),
        ((3, 2, 1, 0), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7)),
    ),
    13: (
        32,
        ((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)),
        ((0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5)),
    ),
    14: (27, ((0, 1), (1, 2), (3, 2), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)), ((3, 2, 1, 0),)),
}  # fmt: skip


def quadratic(
    types: np.ndarray, nodes: np.ndarray, inner: int, n_vertices: int, n_dofs: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """(types, nodes) of the curved cells; None where the space has not that many nodes.

    types, nodes: the straight cells, of which the first `inner` are elements, the rest boundary.
    A pyramid is left without the centre of its base, for which VTK has no such cell.
    """
    starts = np.cumsum(SIZE[types]) - SIZE[types]
    solid = np.isin(types[:inner], (10, 12, 13, 14)).any()
    groups = {code: np.flatnonzero(types == code) for code in np.unique(types).tolist()}
    corners = {c: nodes[starts[ids][:, None] + np.arange(SIZE[c])] for c, ids in groups.items()}

    edges = _Numbers(2)
    faces = _Numbers(4)
    for code, ids in groups.items():
        mine = ids < inner
        edges.add(ids[mine], corners[code][mine], _CURVED[code][1])
        faces.add(ids[mine], corners[code][mine], _CURVED[code][2])
    edges.close()
    faces.close()
    filled = types[:inner] == (12 if solid else 9)
    first_face = n_vertices + edges.count
    first_body = first_face + (faces.count if solid else 0)
    if first_body + int(filled.sum()) != n_dofs:
        return None
    body = np.zeros(len(types), np.int64)
    body[:inner] = first_body + np.cumsum(filled) - 1

    new_types = np.zeros(len(types), np.uint8)
    for code in groups:
        new_types[groups[code]] = _CURVED[code][0]
    ends = np.cumsum(SIZE[new_types])
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.int64)
    for code, ids in groups.items():
        row, own = CELL_TYPES[code], corners[code]
        columns = [own]
        for edge in row.edges or () if row.dim else ():
            columns.append(n_vertices + edges.find(own[:, edge])[:, None])
        if code in (12, 13):
            for face in (f for f in row.facets if len(f) == 4):
                columns.append(first_face + faces.find(own[:, face])[:, None])
        if code == 9:
            columns.append((first_face + faces.find(own) if solid else body[ids])[:, None])
        if code == 12:
            columns.append(body[ids][:, None])
        cell = np.hstack(columns)
        out[(ends[ids] - cell.shape[1])[:, None] + np.arange(cell.shape[1])] = cell
    if len(out) and (out.min() < 0 or out.max() >= n_dofs):
        return None  # a boundary that is none of the elements'
    return new_types, out


class _Numbers:
    """Numbers of edges or faces in the order in which the elements first name them."""

    def __init__(self, width: int) -> None:
        self.keys = [np.empty((0, width), np.int64)]
        self.order = [np.empty((0, 2), np.int64)]
        self.count = 0

    def add(self, cells: np.ndarray, corners: np.ndarray, local: _Pairs) -> None:
        for index, ids in enumerate(local):
            self.keys.append(np.sort(corners[:, ids], axis=1))
            self.order.append(np.column_stack([cells, np.full(len(cells), index)]))

    def close(self) -> None:
        keys, order = np.concatenate(self.keys), np.concatenate(self.order)
        keys = keys[np.lexsort((order[:, 1], order[:, 0]))]
        self.known, first = np.unique(keys, axis=0, return_index=True)
        self.count = len(first)
        self.rank = np.empty(self.count, np.int64)
        self.rank[np.argsort(first)] = np.arange(self.count)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The number of each; very negative where no element has it."""
        if not self.count:
            return np.full(len(keys), -(1 << 60))
        both = np.concatenate([self.known, np.sort(keys, axis=1)])
        _, first, back = np.unique(both, axis=0, return_index=True, return_inverse=True)
        at = first[back.ravel()[self.count :]]
        return np.where(at < self.count, self.rank[np.minimum(at, self.count - 1)], -(1 << 60))
