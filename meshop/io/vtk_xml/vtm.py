"""VTM: VTK's blocks, each a file of its own; their names are regions of cells.

Source: the VTK User's Guide, "VTK file formats", and vtkXMLMultiBlockDataWriter's files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import Mesh, is_node, parse_faces
from .._files import guarded
from .._format import Format, warn_lost, warn_sorted
from .._ragged import take_rows
from ._folder import list_of_files
from ._kinds import BLOCKS, KINDS
from ._lists import REST
from ._open import claims, naming, read_with
from ._vtu_write import write_vtu

_REST = "rest"


def write_vtm(mesh: Mesh, path: str | os.PathLike, **options: Any) -> None:
    """Write one block a region of cells, as `name/0_wall.vtu` and so on, and the list `name.vtm`.

    Cells of no region are the block "rest", which is no region when it is read. Options as for
    VTU. Raises MeshFileError.
    """
    path = Path(os.path.realpath(path))
    with guarded(path, "VTM"):
        mesh.check()
        regions = {n: np.unique(r.ids) for n, r in mesh.regions.items() if r.kind == "cell"}
        block = np.full(mesh.n_cells, len(regions))
        for index, ids in reversed(list(enumerate(regions.values()))):
            block[ids] = index  # the first region wins
        order = np.argsort(block, kind="stable")
        ends = np.searchsorted(block[order], np.arange(len(regions) + 2))
        names = [*regions, _REST if _REST not in regions else f"{_REST} of all"]
        unused = np.setdiff1d(np.arange(mesh.n_points), _used(mesh))
        points: list[np.ndarray] = []  # of each part
        with list_of_files(path, "vtkMultiBlockDataSet") as new:
            for index, name in enumerate(names):
                cells = order[ends[index] : ends[index + 1]]
                last = index == len(regions)
                if not (len(cells) or (last and (len(unused) or not mesh.n_cells))):
                    if not last:
                        new("", index=index, name=name)  # a block without a file
                    continue
                part, used = _part(mesh, cells, unused if last else unused[:0])
                if not points:
                    part.field_data = dict(mesh.field_data)
                points.append(used)
                file = f"{index}_{re.sub('[^A-Za-z0-9._-]', '_', name)[:80]}.vtu"
                mark = {REST: 1} if last else {}
                with naming(file):
                    write_vtu(part, new(file, index=index, name=name, **mark), **options)
    found = np.concatenate(points)
    if len(found) > mesh.n_points:
        what = f"{len(found) - mesh.n_points} points are repeated, one a block that uses them"
        warn_lost(path, "VTM", what, "write .vtu, which keeps points")
    elif not np.array_equal(found, np.arange(mesh.n_points)):
        warn_lost(path, "VTM", "points are sorted by their blocks", "write .vtu, which keeps order")
    _warn(mesh, path, sum(map(len, regions.values())), int(np.sum(block < len(regions))), order)
    for index, name in enumerate(regions):
        if not name.strip():
            warn_lost(path, "VTM", f"the region {name!r} comes back as 'block {index}'")


def _used(mesh: Mesh) -> np.ndarray:
    if mesh.faces is None or mesh.face_offsets is None:
        return mesh.cell_nodes
    stream = mesh.faces[is_node(len(mesh.faces), parse_faces(mesh.faces, mesh.face_offsets))]
    return np.concatenate([mesh.cell_nodes, stream])


def _warn(mesh: Mesh, path: Path, members: int, placed: int, order: np.ndarray) -> None:
    if members > placed:
        what = f"{members - placed} cells of several regions are kept in the first of them"
        warn_lost(path, "VTM", what, "write .vtu, which keeps all regions")
    cells = {name: region for name, region in mesh.regions.items() if region.kind == "cell"}
    warn_sorted(path, "VTM", cells, "cells of regions")
    if others := [n for n, r in mesh.regions.items() if r.kind != "cell"]:
        what = f"regions of points and facets are left out: {', '.join(others)}"
        warn_lost(path, "VTM", what, "write .vtu, which keeps them")
    if not np.array_equal(order, np.arange(len(order))):
        warn_lost(path, "VTM", "cells are sorted by their blocks", "write .vtu, which keeps order")


def _part(mesh: Mesh, cells: np.ndarray, unused: np.ndarray) -> tuple[Mesh, np.ndarray]:
    """These cells with the points that they use and those `unused`; which points these are."""
    offsets, nodes = take_rows(mesh.cell_offsets, mesh.cell_nodes, cells)
    faces = face_offsets = stream_nodes = None
    if mesh.faces is not None and mesh.face_offsets is not None:
        polyhedra = mesh.face_offsets >= 0
        streams = np.concatenate([[0], mesh.face_offsets[polyhedra]])
        rank = np.cumsum(polyhedra) - 1
        mine = polyhedra[cells]
        ends, faces = take_rows(streams, mesh.faces, rank[cells[mine]])
        face_offsets = np.full(len(cells), -1)
        face_offsets[mine] = ends[1:]
        stream_nodes = is_node(len(faces), parse_faces(faces, face_offsets))
    used = np.zeros(mesh.n_points, bool)
    used[nodes] = used[unused] = True
    if faces is not None:
        used[faces[stream_nodes]] = True
    number = np.cumsum(used) - 1
    if faces is not None:
        faces[stream_nodes] = number[faces[stream_nodes]]
    part = Mesh(
        mesh.points[used],
        mesh.cell_types[cells],
        offsets,
        number[nodes],
        {name: values[used] for name, values in mesh.point_data.items()},
        {name: values[cells] for name, values in mesh.cell_data.items()},
        storage=dict(mesh.storage),
        faces=faces,
        face_offsets=face_offsets,
        components=mesh.components,
    )
    return part, np.flatnonzero(used)


FORMAT = Format(
    "VTM", (".vtm", ".vtmb"), read_with(KINDS, "VTM"), write_vtm, claims(*BLOCKS),
    selects=True,
    regions="blocks: outer/inner",
    lost="order of cells and points across blocks, points shared by blocks, "
    "regions that overlap, point and facet regions",
)  # fmt: skip
PARTITIONED = Format(
    "VTPC, VTPD", (".vtpc", ".vtpd"), read_with(KINDS, "VTPC, VTPD"), selects=True,
    regions="blocks: outer/inner",
)  # fmt: skip

__all__ = ["FORMAT", "PARTITIONED", "write_vtm"]
