"""VTU, writing: one piece, its arrays as they came in."""

from __future__ import annotations

import os

from ...mesh import Mesh
from .._files import guarded
from ._writer import XmlWriter


def write_vtu(
    mesh: Mesh,
    path: str | os.PathLike,
    *,
    compression: str | None = "zlib",
    level: int | None = None,
    pad_vectors: bool = False,
) -> None:
    """Write `mesh` as VTU, complete or not at all.

    compression: "zlib", "lz4", "lzma" or None. pad_vectors: add a zero third component to arrays
    of two, which ParaView then takes for vectors. Raises MeshFileError.
    """
    with guarded(path, "VTU"):
        mesh.check()
        writer = XmlWriter(mesh, compression, level, pad_vectors)
        inside = [
            *writer.data("point", mesh.point_data),
            *writer.data("cell", mesh.cell_data),
            *writer.points(),
            "      <Cells>",
            writer.integers("connectivity", mesh.cell_nodes, "int64"),
            writer.integers("offsets", mesh.cell_offsets[1:], "int64"),
            writer.integers("types", mesh.cell_types, "uint8"),
        ]
        if mesh.faces is not None and mesh.face_offsets is not None and len(mesh.faces):
            inside.append(writer.integers("faces", mesh.faces, "int64"))
            inside.append(writer.integers("faceoffsets", mesh.face_offsets, "int64"))
        counts = f'NumberOfPoints="{mesh.n_points}" NumberOfCells="{mesh.n_cells}"'
        writer.write(path, "UnstructuredGrid", counts, [*inside, "      </Cells>"])
