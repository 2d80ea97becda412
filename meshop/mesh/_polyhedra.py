"""The polyhedra of a mesh as tables: faces, edges of faces, and which faces meet at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._faces import face_chunks
from ._topology import lone_edges, pair_edges
from .vectors import gathered

if TYPE_CHECKING:
    from ._mesh import Mesh


class Polyhedra(NamedTuple):
    """Faces of polyhedra, each relative to its cell's first node and scaled to its extent.

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
    def each(cls, mesh: Mesh, points: np.ndarray) -> Iterator[Polyhedra]:
        """Those of `mesh`, at `points`, some thousands at a time: all of them would need room."""
        if mesh.faces is None or mesh.face_offsets is None:
            return
        for listed in face_chunks(mesh.faces, mesh.face_offsets):
            cells, row = np.unique(listed.cell, return_inverse=True)
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
            yield solid

    def rings(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Faces (m,) and their corners (n, 3, m), those of one size at a time."""
        for n in np.unique(self.size):
            some = np.flatnonzero(self.size == n)
            cell = self.face_cell[some]
            nodes = self.stream[self.start[some][:, None] + np.arange(n)]
            yield some, (gathered(self.points, nodes) - self.origin[cell].T) / self.scale[cell]

    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Directed edges around all faces, in their order: face, start and end node, all (E,)."""
        return _edges(self.stream, self.start, self.size)

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


def open_shells(mesh: Mesh) -> np.ndarray:
    """Ids of the cells whose faces do not close: an edge that not exactly two of them have."""
    found = [np.empty(0, np.int64)]
    if mesh.faces is not None and mesh.face_offsets is not None:
        for listed in face_chunks(mesh.faces, mesh.face_offsets):
            face, start, end = _edges(mesh.faces, listed.start, listed.size)
            proper = start != end
            cell = listed.cell[face[proper]]
            odd = lone_edges(start[proper], end[proper], cell)
            found.append(np.unique(cell[odd]))
    return np.concatenate(found)


def _edges(
    stream: np.ndarray, start: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directed edges around all faces, in their order: face, start and end node, all (E,)."""
    face = np.repeat(np.arange(len(size)), size)
    ends = np.cumsum(size)
    place = np.arange(len(face)) + (start - (ends - size))[face]
    after = place + 1
    after[ends - 1] = start
    return face, stream[place], stream[after]
