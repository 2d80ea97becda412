"""Polyhedra as VTK 9.4 and later store them, to and from the face stream of `Mesh`."""

from __future__ import annotations

import numpy as np

from ..mesh import parse_faces
from ._files import Fault
from ._ragged import ragged

_CHUNK = 1 << 17  # faces at once, so that memory stays low


def face_stream(
    count: np.ndarray, used: np.ndarray, size: np.ndarray, nodes: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(faces, face_offsets) of cells that have `count` faces each (0: no polyhedron).

    used: the faces of each polyhedron in turn; size and nodes: of every face. Raises Fault.
    """
    if np.any(count < 0) or np.any(size < 0) or used.min(initial=0) < 0:
        raise Fault("polyhedra", "their offsets decrease")
    if used.max(initial=-1) >= len(size):
        raise Fault("polyhedra", f"face {used.max()} is used, {len(size)} faces are there")
    if int(count.sum()) != len(used) or int(size.sum()) != len(nodes):
        raise Fault("polyhedra", "their offsets do not fit their faces")
    starts = np.cumsum(size) - size
    length = size[used]
    if int(length.sum()) > 64 * (len(nodes) + len(used)) + 1024:
        raise Fault("polyhedra", "faces are shared by more polyhedra than is possible")
    polyhedral = count > 0
    if not polyhedral.any():
        return None, None
    # Stream of a cell: its face count, then (size, ids...) per face. Place every face first.
    cell = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(length + 1) - (length + 1) + np.cumsum(polyhedral)[cell]
    stream = np.empty(int(length.sum()) + len(used) + int(polyhedral.sum()), np.int64)
    for at in range(0, len(used), _CHUNK):
        place, size = before[at : at + _CHUNK], length[at : at + _CHUNK]
        stream[place] = size
        stream[ragged(place + 1, size)] = nodes[ragged(starts[used[at : at + _CHUNK]], size)]
    per_cell = np.bincount(cell, weights=length + 1, minlength=len(count)).astype(np.int64)
    ends = np.cumsum(per_cell + polyhedral)
    stream[(ends - per_cell - polyhedral)[polyhedral]] = count[polyhedral]
    return stream, np.where(polyhedral, ends, -1)


def single_faces(
    faces: np.ndarray, face_offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(faces of each cell, nodes of each face, those nodes): every face once for its cell."""
    listed = parse_faces(faces, face_offsets)
    count = np.bincount(listed.cell, minlength=len(face_offsets))
    return count, listed.size, listed.nodes(faces)
