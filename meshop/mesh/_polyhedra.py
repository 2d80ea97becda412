"""The polyhedra of a mesh as tables: faces, edges of faces, and which faces meet at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..celltypes import POLYHEDRON
from ._blocks import CHUNK
from ._faces import parse_faces
from ._topology import pair_edges

if TYPE_CHECKING:
    from ._mesh import Mesh


class Polyhedra(NamedTuple):
    """Faces of all polyhedra, each relative to its cell's first node and scaled to its extent.

    cells (P,) ids; face_cell (F,) row of `cells`; start and size (F,) in the stream; origin and
    scale of each cell (P, 3), (P,); areas (F, 3) and centres (F, 3) as the faces are wound.
    """

    cells: np.ndarray
    stream: np.ndarray
    points: np.ndarray
    face_cell: np.ndarray
    start: np.ndarray
    size: np.ndarray
    origin: np.ndarray
    scale: np.ndarray
    areas: np.ndarray
    centres: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, points: np.ndarray) -> Polyhedra | None:
        """Those of `mesh`, at `points`; None where it has none."""
        if mesh.faces is None or mesh.face_offsets is None or not len(mesh.faces):
            return None
        listed = parse_faces(mesh.faces, mesh.face_offsets)
        cells = np.flatnonzero(mesh.cell_types == POLYHEDRON)
        row = np.searchsorted(cells, listed.cell)
        origin = np.zeros((len(cells), 3))
        origin[row] = points[mesh.faces[listed.start]]
        faces = len(row)
        solid = cls(
            cells, mesh.faces, points, row, listed.start, listed.size, origin,
            np.ones(len(cells)), np.zeros((faces, 3)), np.zeros((faces, 3)),
        )  # fmt: skip
        extent = np.zeros(len(cells))
        for some, ring in solid.rings():
            np.maximum.at(extent, row[some], np.abs(ring).max(axis=(0, 1)))
        solid.scale[:] = np.where(extent > 0, extent, 1.0)
        for some, ring in solid.rings():
            spokes = ring - ring[:1]
            double = np.cross(spokes[1:-1], spokes[2:], axis=1).sum(axis=0)
            solid.areas[some] = 0.5 * double.T
            solid.centres[some] = ring.mean(axis=0).T
        return solid

    def rings(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Faces (m,) and their corners (n, 3, m), those of one size at a time."""
        for n in np.unique(self.size):
            mine = np.flatnonzero(self.size == n)
            for at in range(0, len(mine), CHUNK):
                some = mine[at : at + CHUNK]
                cell = self.face_cell[some]
                nodes = self.stream[self.start[some][:, None] + np.arange(n)]
                ring = (self.points[nodes] - self.origin[cell][:, None]) / self.scale[cell][
                    :, None, None
                ]
                yield some, np.ascontiguousarray(ring.transpose(1, 2, 0))

    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Directed edges around all faces, in their order: face, start and end node, all (E,)."""
        face = np.repeat(np.arange(len(self.size)), self.size)
        begin = np.cumsum(self.size) - self.size
        place = np.arange(len(face)) - begin[face]
        after = np.where(place + 1 < self.size[face], place + 1, 0)
        return (
            face,
            self.stream[self.start[face] + place],
            self.stream[self.start[face] + after],
        )

    def middle(self) -> np.ndarray:
        """(P, 3) mean of each cell's face centres."""
        count = np.bincount(self.face_cell, minlength=len(self.cells))
        total = [np.bincount(self.face_cell, column, len(self.cells)) for column in self.centres.T]
        return np.stack(total, axis=1) / count[:, None]

    def outward(self) -> np.ndarray:
        """(F,) +1 where a face is wound so that its normal points away from the cell's middle."""
        away = self.centres - self.middle()[self.face_cell]
        return np.where(np.einsum("ij,ij->i", self.areas, away) < 0, -1.0, 1.0)

    def volumes(self) -> np.ndarray:
        """(P,) in units of scale^3: pyramids from the middle over the faces."""
        away = self.centres - self.middle()[self.face_cell]
        return self.total(np.abs(np.einsum("ij,ij->i", self.areas, away)) / 3)

    def total(self, of_faces: np.ndarray) -> np.ndarray:
        """(P,) sum over the faces of each cell."""
        return np.bincount(self.face_cell, of_faces, minlength=len(self.cells))

    def most(self, values: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
        """(P,) largest over the faces of each cell, or over what `cell` says."""
        out = np.full(len(self.cells), -np.inf)
        np.maximum.at(out, self.face_cell if cell is None else cell, values)
        return out

    def least(self, values: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
        return -self.most(-values, cell)

    def edge_lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """(E,) lengths of the edges of all faces in units of scale, and their cells (rows)."""
        face, start, end = self.edges()
        cell = self.face_cell[face]
        along = (self.points[end] - self.points[start]) / self.scale[cell][:, None]
        return np.linalg.norm(along, axis=1), cell

    def angles(self) -> tuple[np.ndarray, np.ndarray]:
        """Inner angles (A,) in radians between two faces along an edge, and their cells (rows)."""
        face, start, end = self.edges()
        pairs = pair_edges(start, end, self.face_cell[face])
        at = pairs.first[pairs.uses == 2]
        one, two = pairs.order[at], pairs.order[at + 1]
        side = self.outward()
        cell = self.face_cell[face[one]]
        edge = (self.points[end[one]] - self.points[start[one]]) / self.scale[cell][:, None]
        first = self.areas[face[one]] * side[face[one]][:, None]
        second = self.areas[face[two]] * side[face[two]][:, None]
        bend = np.cross(first, second)
        turn = np.einsum("ij,ij->i", bend, edge) * side[face[one]]
        sine = np.where(turn < 0, -1.0, 1.0) * np.linalg.norm(bend, axis=1)
        return np.pi - np.arctan2(sine, np.einsum("ij,ij->i", first, second)), cell

    def open_shells(self) -> np.ndarray:
        """Ids of the cells whose faces do not close: an edge that not exactly two of them have."""
        face, start, end = self.edges()
        proper = start != end
        face, start, end = face[proper], start[proper], end[proper]
        pairs = pair_edges(start, end, self.face_cell[face])
        odd = pairs.order[pairs.first[pairs.uses != 2]]
        return self.cells[np.unique(self.face_cell[face[odd]])]
