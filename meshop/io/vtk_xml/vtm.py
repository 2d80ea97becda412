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
from .._format import Format, warn_lost
from .._ragged import take_rows
from ._folder import list_of_files
from ._kinds import BLOCKS, KINDS
from ._open import claims, naming, read_with
from ._vtu_write import write_vtu

_REST = "rest"


def write_vtm(mesh: Mesh, path: str | os.PathLike, **options: Any) -> None:
    """Write one block a region of cells, as `name/0_wall.vtu` and so on, and the list `name.vtm`.

    Cells of no region are the block "rest". Options as for VTU. Raises MeshFileError.
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
        n_points = 0
        with list_of_files(path, "vtkMultiBlockDataSet") as new:
            for index, name in enumerate(names):
                cells = order[ends[index] : ends[index + 1]]
                last = index == len(regions)
                if last and index and not len(cells) + len(unused):
                    continue
                part = _part(mesh, cells, unused if last else unused[:0])
                n_points += part.n_points
                if index == 0:
                    part.field_data = dict(mesh.field_data)
                file = f"{index}_{re.sub('[^A-Za-z0-9._-]', '_', name)[:80]}.vtu"
                with naming(file):
                    write_vtu(part, new(file, index=index, name=name), **options)
    if n_points > mesh.n_points:
        what = f"{n_points - mesh.n_points} points are repeated, one a block that uses them"
        warn_lost(path, "VTM", what, "write .vtu, which keeps points")
    _warn(mesh, path, sum(map(len, regions.values())), int(np.sum(block < len(regions))), order)


def _used(mesh: Mesh) -> np.ndarray:
    if mesh.faces is None or mesh.face_offsets is None:
        return mesh.cell_nodes
    stream = mesh.faces[is_node(len(mesh.faces), parse_faces(mesh.faces, mesh.face_offsets))]
    return np.concatenate([mesh.cell_nodes, stream])


def _warn(mesh: Mesh, path: Path, members: int, placed: int, order: np.ndarray) -> None:
    if members > placed:
        what = f"{members - placed} cells of several regions are kept in the first of them"
        warn_lost(path, "VTM", what, "write .vtu, which keeps all regions")
    if others := [n for n, r in mesh.regions.items() if r.kind != "cell"]:
        what = f"regions of points and facets are left out: {', '.join(others)}"
        warn_lost(path, "VTM", what, "write .vtu, which keeps them")
    if not np.array_equal(order, np.arange(len(order))):
        warn_lost(path, "VTM", "cells are sorted by their blocks", "write .vtu, which keeps order")


def _part(mesh: Mesh, cells: np.ndarray, unused: np.ndarray) -> Mesh:
    """These cells with the points that they use, and the points `unused`, in the mesh's order."""
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
    return Mesh(
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


FORMAT = Format(
    "VTM", (".vtm", ".vtmb"), read_with(KINDS, "VTM"), write_vtm, claims(*BLOCKS),
    selects=True,
    regions="blocks: outer/inner",
    lost="order of cells across blocks, points shared by blocks, regions that overlap",
)  # fmt: skip
PARTITIONED = Format(
    "VTPC, VTPD", (".vtpc", ".vtpd"), read_with(KINDS, "VTPC, VTPD"), selects=True,
    regions="blocks: outer/inner",
)  # fmt: skip

__all__ = ["FORMAT", "PARTITIONED", "write_vtm"]
