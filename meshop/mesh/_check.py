"""Memory safety: what must hold before anyone indexes with a mesh. Always on, vectorised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..celltypes import CELL_TYPES, POLYHEDRON
from ..errors import MeshError
from ._cells import DIM, MIN_SIZE, SIZE
from ._faces import face_chunks

if TYPE_CHECKING:
    from ._mesh import Mesh

_CHUNK = 1 << 16  # cells at once: what is worked on stays in the cache


def check(mesh: Mesh) -> None:
    """Raise MeshError at the first broken invariant of `mesh`."""
    _check_points(mesh.points)
    _check_cells(mesh)
    _check_polyhedra(mesh)
    for where, data, length in (
        ("point_data", mesh.point_data, mesh.n_points),
        ("cell_data", mesh.cell_data, mesh.n_cells),
    ):
        for name, values in data.items():
            if values.ndim < 1 or len(values) != length:
                raise MeshError(
                    f"{where}[{name!r}] has shape {values.shape}",
                    f"the first dimension must be {length}, one row per {where[:-5]}",
                )
    for name, region in mesh.regions.items():
        _check_ids(f"region {name!r}", region.ids, *_region_range(mesh, region.kind))


def _check_points(points: np.ndarray) -> None:
    finite = np.isfinite(points)
    if not finite.all():
        bad = np.flatnonzero(~finite.all(axis=1))
        raise MeshError(
            f"points: {len(bad)} of {len(points)} have NaN or infinite coordinates",
            f"the first is point {bad[0]}: {points[bad[0]].tolist()}",
            "repair or remove these points in the program that wrote the mesh",
        )


def _check_cells(mesh: Mesh) -> None:
    types, offsets, nodes = mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes
    if len(offsets) != len(types) + 1:
        raise MeshError(
            f"cell_offsets has {len(offsets)} entries",
            f"expected {len(types) + 1}, one more than cell_types",
        )
    if offsets[0] != 0 or offsets[-1] != len(nodes):
        raise _bad_offsets(offsets, nodes)
    for begin in range(0, len(types), _CHUNK):
        some = types[begin : begin + _CHUNK]
        size = np.diff(offsets[begin : begin + len(some) + 1])
        if size.min() < 0:
            raise _bad_offsets(offsets, nodes)
        _check_sizes(some, size, begin)
    _check_ids("cell_nodes", nodes, mesh.n_points, "points")


def _bad_offsets(offsets: np.ndarray, nodes: np.ndarray) -> MeshError:
    return MeshError(
        "cell_offsets must start at 0, never decrease, and end at the number of cell nodes",
        f"found first {offsets[0]}, last {offsets[-1]}, {int(np.sum(np.diff(offsets) < 0))} "
        f"decreases, and {len(nodes)} cell nodes",
    )


def _check_sizes(types: np.ndarray, size: np.ndarray, begin: int) -> None:
    """Types are known, and each cell has as many nodes as its type needs; begin: the first cell."""
    present = np.flatnonzero(np.bincount(types, minlength=256))
    if np.any(unknown := DIM[present] < 0):
        cell = int(np.flatnonzero(np.isin(types, present[unknown]))[0])
        raise MeshError(
            f"cell {begin + cell} has type {types[cell]}",
            "this is no VTK cell type that meshop knows",
        )
    expected = SIZE[types]
    bad = size != expected
    if not SIZE[present].all():  # some types have no fixed size
        bad = np.where(expected > 0, bad, size < MIN_SIZE[types])
        bad |= (types == 0) & (size != 0)
        bad |= (types == 36) & (size % 2 == 1)
        for code in np.intersect1d(present, (69, 76, 71, 78)).tolist():
            mine = types == code  # Lagrange and Bezier triangles and tetrahedra: complete orders
            order = np.arange(1, 200)
            counts = (order + 1) * (order + 2) // 2
            counts = counts if DIM[code] == 2 else counts * (order + 3) // 3
            bad |= mine & ~np.isin(size, counts)
    if bad.any():
        cell = int(np.flatnonzero(bad)[0])
        row = CELL_TYPES[int(types[cell])]
        needs = f"{row.size}" if row.size or row.code == 0 else f"at least {row.min_size}"
        if row.code and row.size == 0 and size[cell] >= row.min_size:
            needs = "a count that belongs to a polynomial order"
        raise MeshError(
            f"cell {begin + cell} has {size[cell]} nodes", f"a {row.name} needs {needs}"
        )


def _check_polyhedra(mesh: Mesh) -> None:
    faces, offsets = mesh.faces, mesh.face_offsets
    polyhedral = mesh.cell_types == POLYHEDRON
    if faces is None or offsets is None:
        if polyhedral.any():
            raise MeshError(
                f"{int(polyhedral.sum())} polyhedra without faces",
                "a polyhedron is only defined through its faces",
            )
        return
    if len(offsets) != mesh.n_cells:
        raise MeshError(
            f"face_offsets has {len(offsets)} entries", f"expected {mesh.n_cells}, one per cell"
        )
    if not np.array_equal(offsets >= 0, polyhedral):
        raise MeshError(
            "face_offsets", "exactly the polyhedra must have an entry, the other cells -1"
        )
    for listed in face_chunks(faces, offsets):
        _check_ids("faces", listed.nodes(faces), mesh.n_points, "points")
    ends = offsets[polyhedral]
    if np.any(faces[np.concatenate([[0], ends])[:-1]] < 4):
        raise MeshError("faces", "a polyhedron needs at least 4 faces")


def _region_range(mesh: Mesh, kind: str) -> tuple[int, str, int]:
    if kind == "cell":
        return mesh.n_cells, "cells", 0
    return mesh.n_points, "points", -1 if kind == "facet" else 0


def _check_ids(where: str, ids: np.ndarray, n: int, of: str, least: int = 0) -> None:
    if not ids.size:
        return
    # Seen as unsigned, negative ids are the largest of all: one pass finds both kinds.
    unsigned = ids.dtype == np.int64 and least == 0
    low = 0 if unsigned else int(ids.min())
    if low < least or (ids.view(np.uint64) if unsigned else ids).max() >= n:
        flat = ids.ravel()
        bad = flat[(flat < least) | (flat >= n)]
        raise MeshError(
            f"{where} refers to {of[:-1]} {bad[0]}",
            f"valid are {least} to {n - 1}: the mesh has {n} {of}; {len(bad)} such entries",
        )
