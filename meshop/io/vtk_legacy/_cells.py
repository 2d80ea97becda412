"""Cells of legacy VTK files: each with its size before its nodes, polyhedra as face streams."""

from __future__ import annotations

import numpy as np

from ...mesh import SIZE, face_chunks
from .._files import CUT, Fault


def split_cells(
    count: int, nodes: np.ndarray, offsets: np.ndarray | None, types: np.ndarray | None, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, nodes) of cells; without offsets the size of each cell stands before its nodes."""
    if offsets is not None:
        return offsets, nodes
    if count > len(nodes) or (len(nodes) and not count):
        raise Fault(where, f"{count} cells declared in {len(nodes)} numbers", CUT)
    if not count:
        return np.zeros(1, np.int64), nodes
    size, rest = divmod(len(nodes), count)
    if not rest and np.all(nodes[::size] == size - 1):  # all of one size
        return np.arange(0, count * (size - 1) + 1, size - 1) if size > 1 else np.zeros(
            count + 1, np.int64
        ), nodes.reshape(count, size)[:, 1:].ravel()  # fmt: skip
    starts = None
    if types is not None and np.all(SIZE[types] > 0):
        ends = np.cumsum(SIZE[types] + 1)
        starts = ends - SIZE[types] - 1
        if ends[-1] != len(nodes) or np.any(nodes[starts] != SIZE[types]):
            starts = None  # it is wrong somewhere: find out where
    if starts is None:
        starts = _starts(count, nodes, where)
    sizes = nodes[starts]
    keep = np.ones(len(nodes), bool)
    keep[starts] = False
    return np.concatenate([[0], np.cumsum(sizes)]), nodes[keep]


def _starts(count: int, nodes: np.ndarray, where: str) -> np.ndarray:
    """Where each cell starts, following the sizes one by one (in chunks, to bound memory)."""
    out = np.empty(count, np.int64)
    cell = place = 0
    chunk = 1 << 20
    while cell < count:
        first = place
        values = nodes[first : first + chunk].tolist()
        if not values:
            raise Fault(where, f"{cell} cells found, {count} declared", CUT)
        found: list[int] = []
        end = len(values)
        at = 0
        while at < end and cell + len(found) < count:
            size = values[at]
            if size < 0:
                raise Fault(where, f"cell {cell + len(found)} has {size} nodes")
            found.append(at)
            at += size + 1
        out[cell : cell + len(found)] = np.array(found) + first
        cell += len(found)
        place = first + at
    if place != len(nodes):
        raise Fault(where, f"its {count} cells take {place} numbers, {len(nodes)} declared", CUT)
    return out


def with_faces(
    offsets: np.ndarray, nodes: np.ndarray, polyhedra: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Polyhedra stand as face streams among the nodes: move those out, put their points there."""
    size = np.diff(offsets)
    in_stream = np.repeat(polyhedra, size)
    faces = nodes[in_stream]
    face_offsets = np.where(polyhedra, np.cumsum(np.where(polyhedra, size, 0)), -1)
    found = [np.empty(0, nodes.dtype)]
    counts = np.where(polyhedra, 0, size)
    for listed in face_chunks(faces, face_offsets):
        if not len(listed.cell):
            continue
        ids = listed.nodes(faces)
        span = int(ids.max(initial=0)) + 1
        if ids.min(initial=0) < 0 or span > 1 << 40:
            raise Fault("faces of polyhedra", f"they refer to points {ids.min()} to {span - 1}")
        # Each point of a cell once, in increasing order: VTK's way.
        owner = listed.cell - listed.cell[:1]
        cell, ids = np.divmod(np.unique(np.repeat(owner, listed.size) * span + ids), span)
        counts[listed.cell[0] : listed.cell[-1] + 1] += np.bincount(cell)
        found.append(ids)
    ends = np.cumsum(counts)
    out = np.empty(ends[-1], np.int64)
    of_polyhedron = np.repeat(polyhedra, counts)
    out[of_polyhedron] = np.concatenate(found)
    out[~of_polyhedron] = nodes[~in_stream]
    return np.concatenate([[0], ends]), out, faces, face_offsets
