"""VTU, reading: pieces in file order, nothing reordered, dtypes kept."""

from __future__ import annotations

import numpy as np

from ...mesh import Mesh, Region
from .._polyhedra import face_stream
from ._data import Integers, Reader, from_pieces, last
from ._document import Document, Node
from ._open import Opener


def unstructured_grid(document: Document, opener: Opener) -> Mesh:
    """The mesh of an <UnstructuredGrid>. Raises Fault and MeshError."""
    reader = Reader(document, opener.selection)
    storage = reader.storage

    def build(node: Node, field_data: dict[str, np.ndarray], regions: dict[str, Region]) -> Mesh:
        n_points, n_cells = node.count("NumberOfPoints"), node.count("NumberOfCells")
        points = reader.points(node, n_points)
        integers = Integers(reader, node.one("Cells"), n_cells > 0)
        types = integers("types", n_cells)
        ends = integers("offsets", n_cells)
        nodes = integers("connectivity", last(ends))
        faces, face_ends = _faces(integers, storage, n_cells)
        return Mesh(
            points,
            types,
            np.concatenate([[0], ends]),
            nodes,
            reader.data(node, "point", n_points),
            reader.data(node, "cell", n_cells),
            field_data,
            regions,
            storage,
            faces,
            face_ends,
            reader.components,
        )

    return from_pieces(reader, build)


def _faces(
    integers: Integers, storage: dict[str, str], n_cells: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    faces = ends = None
    if n_cells and "polyhedron_to_faces" in integers:
        faces, ends = _new_faces(integers, storage, n_cells)
    elif n_cells and "faceoffsets" in integers:
        ends = integers("faceoffsets", n_cells)
        length = int(ends.max(initial=-1))
        faces = integers("faces", max(length, 0))
        if length < 0:  # the arrays are there, the polyhedra are not
            faces = ends = None
    for name in ("faces", "faceoffsets"):
        if faces is None:
            storage.pop(name, None)
    return faces, ends


def _new_faces(
    integers: Integers, storage: dict[str, str], n_cells: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """VTK 9.4's four arrays, turned into the face stream that every version reads."""
    cell_end = integers("polyhedron_offsets", n_cells)
    used = integers("polyhedron_to_faces", last(cell_end, "polyhedron_offsets"))
    ends = integers("face_offsets", None)
    nodes = integers("face_connectivity", last(ends, "face_offsets"))
    for name in ("polyhedron_offsets", "polyhedron_to_faces", "face_connectivity"):
        storage.pop(name, None)
    storage["faces"] = storage["faceoffsets"] = storage.pop("face_offsets")
    return face_stream(np.diff(cell_end, prepend=0), used, np.diff(ends, prepend=0), nodes)
