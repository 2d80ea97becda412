"""Polyhedra through their faces: parsing VTK's face streams without a Python loop over cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import MeshError


class FaceList(NamedTuple):
    """Every face of every polyhedron, all (F,): owner, place of its first node, node count."""

    cell: np.ndarray
    start: np.ndarray
    size: np.ndarray


def parse_faces(faces: np.ndarray, face_offsets: np.ndarray) -> FaceList:
    """Split VTK's face stream ``[n_faces, (n, ids...)...]`` per polyhedron into single faces.

    faces (L,) int64; face_offsets (M,) int64: where each polyhedron's part ends, -1 for others.
    Raises MeshError where the counts do not fill the stream exactly.
    """
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
    left = faces[starts] if len(starts) else starts  # faces still to come, per cell
    place = starts + 1
    out_cell, out_start, out_size, rank = [], [], [], []
    turn = 0
    while len(cells):
        more = left > turn
        if not more.all():
            if np.any(place[~more] != ends[~more]):
                bad = cells[~more][place[~more] != ends[~more]][0]
                raise MeshError(f"face stream of polyhedron {bad}", "it has left-over values")
            cells, ends, left, place = cells[more], ends[more], left[more], place[more]
            if not len(cells):
                break
        if np.any(place >= ends):
            raise MeshError(f"face stream of polyhedron {cells[place >= ends][0]}", "it is cut off")
        size = faces[place]
        bad_size = (size < 3) | (size > ends - place - 1)
        if bad_size.any():
            raise MeshError(
                f"face stream of polyhedron {cells[bad_size][0]}",
                f"a face declares {size[bad_size][0]} nodes",
            )
        out_cell.append(cells)
        out_start.append(place + 1)
        out_size.append(size)
        rank.append(np.full(len(cells), turn))
        place = place + 1 + size
        turn += 1
    if not out_cell:
        none = np.empty(0, dtype=np.int64)
        return FaceList(none, none, none)
    cell = np.concatenate(out_cell)
    order = np.lexsort((np.concatenate(rank), cell))
    return FaceList(cell[order], np.concatenate(out_start)[order], np.concatenate(out_size)[order])


def is_node(n_values: int, listed: FaceList) -> np.ndarray:
    """Mask (L,) of the stream's entries that are node ids (the others are counts)."""
    step = np.zeros(n_values + 1, dtype=np.int64)
    np.add.at(step, listed.start, 1)
    np.add.at(step, listed.start + listed.size, -1)
    return np.cumsum(step[:-1]) > 0
