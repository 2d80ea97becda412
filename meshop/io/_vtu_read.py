"""VTU, reading: pieces in file order, nothing reordered, dtypes kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..mesh import Mesh, is_node, parse_faces
from ._files import Fault, guarded, read_bytes
from ._region_arrays import from_field_data
from ._vtk_xml import Document, Node, parse
from ._xml_arrays import dtype_of, read_array

ACTIVE = ("Scalars", "Vectors", "Normals", "Tensors", "TCoords", "GlobalIds", "PedigreeIds")
_INTEGERS = "iu"


def read_vtu(path: Path) -> Mesh:
    """Read a VTU file. Raises MeshFileError, and nothing else, whatever the bytes are."""
    with guarded(path, "VTU"):
        return _mesh(parse(read_bytes(path)))


def _mesh(document: Document) -> Mesh:
    grid = document.root.one("UnstructuredGrid")
    if grid is None:
        raise Fault(
            "<VTKFile>",
            f"type={document.root.attributes.get('type', '')[:40]!r} without <UnstructuredGrid>, "
            "the only kind that is read here",
        )
    # The lengths of all pieces are known before any of their arrays is read.
    pieces = grid.all("Piece")
    if not pieces:
        raise Fault("<UnstructuredGrid>", "it holds no <Piece>")
    reader = _Reader(document)
    field_data: dict[str, np.ndarray] = {}
    for owner in (document.root, grid, *pieces):
        if (node := owner.one("FieldData")) is not None:
            field_data |= reader.field_data(node)
    parts = [reader.piece(piece) for piece in pieces]
    filled = [p for p in parts if len(p.points) or len(p.types)] or parts[:1]
    rest, regions = from_field_data(field_data)
    offsets = _shifted([p.offsets for p in filled], [len(p.nodes) for p in filled])
    faces, face_offsets = _joined_faces(filled)
    return Mesh(
        _joined([p.points for p in filled], "points"),
        _joined([p.types for p in filled], "types"),
        np.concatenate([[0], *offsets]),
        _joined(_shifted([p.nodes for p in filled], [len(p.points) for p in filled]), "nodes"),
        _joined_data([(p.point_data, len(p.points)) for p in filled], "point"),
        _joined_data([(p.cell_data, len(p.types)) for p in filled], "cell"),
        rest,
        regions,
        reader.storage,
        faces,
        face_offsets,
        reader.components,
    )


class _Piece:
    points: np.ndarray
    types: np.ndarray
    offsets: np.ndarray  # (m,) where each cell ends
    nodes: np.ndarray
    faces: np.ndarray | None = None
    face_offsets: np.ndarray | None = None
    point_data: dict[str, np.ndarray]
    cell_data: dict[str, np.ndarray]


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.storage = {"version": document.root.attributes.get("version", "0.1")[:8]}
        self.components: dict[tuple[str, str], tuple[str, ...]] = {}

    def piece(self, node: Node) -> _Piece:
        piece = _Piece()
        n_points, n_cells = node.count("NumberOfPoints"), node.count("NumberOfCells")
        piece.points = self._points(node, n_points)
        self._cells(piece, node, n_cells)
        piece.point_data = self._data(node.one("PointData"), n_points, "point")
        piece.cell_data = self._data(node.one("CellData"), n_cells, "cell")
        return piece

    def field_data(self, node: Node) -> dict[str, np.ndarray]:
        out = {}
        for index, array in enumerate(node.arrays()):
            tuples = array.count("NumberOfTuples") if "NumberOfTuples" in array.attributes else None
            out[self._name(array, "field", index)] = read_array(self.document, array, tuples)
        return out

    def _data(self, node: Node | None, tuples: int, where: str) -> dict[str, np.ndarray]:
        out: dict[str, np.ndarray] = {}
        if node is None:
            return out
        for kind in ACTIVE:
            if name := node.attributes.get(kind):
                self.storage.setdefault(f"{where}_data.{kind}", name)
        for index, array in enumerate(node.arrays()):
            out[self._name(array, where, index)] = read_array(self.document, array, tuples)
        return out

    def _name(self, array: Node, where: str, index: int) -> str:
        name = array.attributes.get("Name") or f"unnamed_{index}"
        names: list[str] = []
        while (label := array.attributes.get(f"ComponentName{len(names)}")) is not None:
            names.append(label)
        if names:
            self.components[where, name] = tuple(names)
        return name

    def _points(self, node: Node, n_points: int) -> np.ndarray:
        holder = node.one("Points")
        arrays = holder.arrays() if holder else []
        if not arrays:
            if n_points:
                raise Fault("<Points>", f"the coordinates of {n_points} points are missing")
            return np.empty((0, 3))
        if len(arrays) > 1 or (n_points and arrays[0].count("NumberOfComponents", 1) != 3):
            raise Fault("<Points>", "expected one array with 3 components")
        points = read_array(self.document, arrays[0], n_points)
        if points.dtype.kind not in "fiu":
            raise Fault("<Points>", f"coordinates of type {points.dtype}, expected numbers")
        if n_points or "points" not in self.storage:
            self.storage["points"] = dtype_of(arrays[0])
        return points.reshape(-1, 3)

    def _cells(self, piece: _Piece, node: Node, n_cells: int) -> None:
        holder = node.one("Cells")
        arrays = {a.attributes.get("Name", ""): a for a in holder.arrays()} if holder else {}

        def integers(name: str, count: int | None) -> np.ndarray:
            if name not in arrays:
                if count:
                    raise Fault("<Cells>", f"the array {name!r} is missing")
                return np.empty(0, np.int64)
            values = read_array(self.document, arrays[name], count)
            if values.dtype.kind not in _INTEGERS or values.ndim != 1:
                raise Fault(f"array {name!r}", f"its type is {values.dtype}, expected integers")
            if n_cells or name not in self.storage:
                self.storage[name] = dtype_of(arrays[name])
            if values.dtype == np.uint64 and len(values) and values.max() > 1 << 62:
                raise Fault(f"array {name!r}", f"the value {values.max()} is out of range")
            return values

        piece.types = integers("types", n_cells)
        piece.offsets = integers("offsets", n_cells).astype(np.int64)
        last = int(piece.offsets[-1]) if n_cells else 0
        if last < 0:
            raise Fault("array 'offsets'", f"it ends at {last}")
        piece.nodes = integers("connectivity", last).astype(np.int64)
        if n_cells and "polyhedron_to_faces" in arrays:
            self._new_faces(piece, integers, n_cells)
        elif n_cells and "faceoffsets" in arrays:
            piece.face_offsets = integers("faceoffsets", n_cells).astype(np.int64)
            ends = piece.face_offsets.max(initial=-1)
            piece.faces = integers("faces", max(int(ends), 0)).astype(np.int64)
            if ends < 0:  # the arrays are there, the polyhedra are not
                piece.faces = piece.face_offsets = None
        for name in ("faces", "faceoffsets"):
            if piece.faces is None:
                self.storage.pop(name, None)

    def _new_faces(self, piece: _Piece, integers: Any, n_cells: int) -> None:
        """VTK 9.4's four arrays, turned into the face stream that every version reads."""
        cell_end = integers("polyhedron_offsets", n_cells).astype(np.int64)
        used = integers("polyhedron_to_faces", _last(cell_end)).astype(np.int64)
        n_faces = int(used.max(initial=-1)) + 1
        ends = integers("face_offsets", None).astype(np.int64)
        nodes = integers("face_connectivity", _last(ends)).astype(np.int64)
        for name in ("polyhedron_offsets", "polyhedron_to_faces", "face_connectivity"):
            self.storage.pop(name, None)
        self.storage["faces"] = self.storage["faceoffsets"] = self.storage.pop("face_offsets")
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        count = np.diff(np.concatenate([[0], cell_end]))
        if np.any(count < 0) or np.any(ends < starts) or used.min(initial=0) < 0:
            raise Fault("<Cells>", "offsets of polyhedra or faces decrease")
        if n_faces > len(ends):
            raise Fault("<Cells>", f"face {n_faces - 1} is used, {len(ends)} faces are there")
        size = (ends - starts)[used]
        if int(size.sum()) > 64 * (len(nodes) + len(used)) + 1024:
            raise Fault("<Cells>", "faces are shared by more polyhedra than is possible")
        polyhedral = count > 0
        if not polyhedral.any():
            return
        # Stream of a cell: its face count, then (size, ids...) per face. Place every face first.
        cell_of = np.repeat(np.arange(n_cells), count)
        before = np.cumsum(size + 1) - (size + 1) + np.cumsum(polyhedral)[cell_of]
        stream = np.empty(int(size.sum()) + len(used) + int(polyhedral.sum()), np.int64)
        stream[before] = size
        step = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
        stream[np.repeat(before + 1, size) + step] = nodes[np.repeat(starts[used], size) + step]
        length = np.bincount(cell_of, weights=size + 1, minlength=n_cells).astype(np.int64)
        end = np.cumsum(length + polyhedral)
        stream[(end - length - polyhedral)[polyhedral]] = count[polyhedral]
        piece.faces = stream
        piece.face_offsets = np.where(polyhedral, end, -1)


def _last(ends: np.ndarray) -> int:
    return max(int(ends[-1]), 0) if len(ends) else 0


# -- several pieces become one ----------------------------------------------------------------


def _joined(parts: list[np.ndarray], what: str) -> np.ndarray:
    if len(parts) == 1:
        return parts[0]
    if len({part.shape[1:] for part in parts}) > 1:
        raise Fault(what, "the pieces disagree on the number of components")
    if len({part.dtype.kind in "OU" for part in parts}) > 1:
        raise Fault(what, "text in some pieces, numbers in others")
    return np.concatenate(parts)


def _shifted(parts: list[np.ndarray], lengths: list[int]) -> list[np.ndarray]:
    """Each part moved up by the lengths of the parts before it."""
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return [part + start if start else part for part, start in zip(parts, starts, strict=True)]


def _joined_data(parts: list[tuple[dict[str, np.ndarray], int]], where: str) -> dict:
    """Concatenate arrays by name; a piece without points or cells need not have them."""
    filled = [data for data, length in parts if length] or [parts[0][0]]
    names = list(dict.fromkeys(name for data in filled for name in data))
    for name in names:
        if missing := [index for index, data in enumerate(filled) if name not in data]:
            raise Fault(f"{where} data array {name!r}", f"it is missing in piece {missing[0]}")
    return {n: _joined([data[n] for data in filled], f"{where} data array {n!r}") for n in names}


def _joined_faces(pieces: list[_Piece]) -> tuple[np.ndarray | None, np.ndarray | None]:
    if all(piece.faces is None for piece in pieces):
        return None, None
    faces, offsets = [], []
    points = length = 0
    for piece in pieces:
        if piece.faces is None or piece.face_offsets is None:
            offsets.append(np.full(len(piece.types), -1, np.int64))
        else:
            stream = piece.faces
            if points:
                nodes = is_node(len(stream), parse_faces(stream, piece.face_offsets))
                stream = stream + points * nodes
            faces.append(stream)
            offsets.append(np.where(piece.face_offsets >= 0, piece.face_offsets + length, -1))
            length += len(stream)
        points += len(piece.points)
    return np.concatenate(faces), np.concatenate(offsets)
