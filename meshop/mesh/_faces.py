"""Polyhedra through their faces: parsing VTK's face streams without a Python loop over cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import MeshError

_CHUNK = 1 << 19  # values of the stream at once: what is worked on stays in the cache


class FaceList(NamedTuple):
    """Every face of every polyhedron, all (F,): owner, place of its first node, node count."""

    cell: np.ndarray
    start: np.ndarray
    size: np.ndarray

    def nodes(self, faces: np.ndarray) -> np.ndarray:
        """The nodes of these faces, which follow each other in the stream `faces`."""
        if not len(self.start):
            return faces[:0]
        begin, end = int(self.start[0]), int(self.start[-1] + self.size[-1])
        return faces[begin:end][is_node(end - begin, self._replace(start=self.start - begin))]


def parse_faces(faces: np.ndarray, face_offsets: np.ndarray) -> FaceList:
    """Split VTK's face stream ``[n_faces, (n, ids...)...]`` per polyhedron into single faces.

    faces (L,) int64; face_offsets (M,) int64: where each polyhedron's part ends, -1 for others.
    Raises MeshError where the counts do not fill the stream exactly.
    """
    none = np.empty(0, dtype=np.int64)
    rows = zip(FaceList(none, none, none), *face_chunks(faces, face_offsets), strict=True)
    return FaceList(*map(np.concatenate, rows))


def face_chunks(faces: np.ndarray, face_offsets: np.ndarray) -> Iterator[FaceList]:
    """What `parse_faces` gives, some thousands of polyhedra at a time, so that memory stays low."""
    cells = np.flatnonzero(face_offsets >= 0)
    ends = face_offsets[cells]
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    if len(ends) and (np.any(ends <= starts) or ends[-1] != len(faces)):
        raise MeshError(
            "face_offsets of the polyhedra",
            f"they must increase and end at {len(faces)}, the length of the face stream",
        )
    if not len(ends) and len(faces):
        raise MeshError("faces of the polyhedra", "there is a face stream but no polyhedron")
    at = 0
    while at < len(cells):
        stop = max(at + 1, int(np.searchsorted(ends, starts[at] + _CHUNK, side="right")))
        yield _faces_of(faces, cells[at:stop], starts[at:stop], ends[at:stop])
        at = stop


def _faces_of(
    faces: np.ndarray, cells: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> FaceList:
    """The faces of some polyhedra, one of each in every turn."""
    count = np.maximum(faces[starts], 0)
    if np.any(many := count > (ends - starts - 1) // 4):  # a face takes at least four values
        raise MeshError(f"face stream of polyhedron {cells[many][0]}", "it is cut off")
    start, size = np.empty((2, int(count.sum())), dtype=np.int64)
    row, left, place = np.cumsum(count) - count, count, starts + 1
    listed = np.repeat(cells, count)
    while len(left):
        if not (more := left > 0).all():
            if np.any(odd := ~more & (place != ends)):
                raise MeshError(
                    f"face stream of polyhedron {cells[odd][0]}", "it has left-over values"
                )
            cells, ends, row, left, place = (
                values[more] for values in (cells, ends, row, left, place)
            )
        if np.any(place >= ends):
            raise MeshError(f"face stream of polyhedron {cells[place >= ends][0]}", "it is cut off")
        nodes = faces[place]
        bad = (nodes < 3) | (nodes > ends - place - 1)
        if bad.any():
            raise MeshError(
                f"face stream of polyhedron {cells[bad][0]}",
                f"a face declares {nodes[bad][0]} nodes",
            )
        start[row], size[row] = place + 1, nodes
        row, left, place = row + 1, left - 1, place + 1 + nodes
    return FaceList(listed, start, size)


def is_node(n_values: int, listed: FaceList) -> np.ndarray:
    """Mask (L,) of the stream's entries that are node ids (the others are counts)."""
    step = np.zeros(n_values + 1, dtype=np.int8)
    step[listed.start], step[listed.start + listed.size] = 1, -1
    return np.cumsum(step[:-1], out=step[:-1]).view(bool)
