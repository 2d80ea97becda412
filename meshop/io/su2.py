"""SU2 native meshes: cells in file order, markers as regions of the boundary cells after them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..mesh import CELL_TYPES, SIZE, Mesh, Region
from ._files import Fault, atomic_write, guarded, read_bytes
from ._format import Format

_CUT = "the file is cut off or damaged: copy or write it again"
_KNOWN = (3, 5, 9, 10, 12, 13, 14)


def read_su2(path: Path) -> Mesh:
    """Read an SU2 mesh of one zone. Raises MeshFileError."""
    with guarded(path, "SU2"):
        return _Reader(read_bytes(path)).mesh()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.lines = data.splitlines()
        self.at = 0
        self.dim = 0
        self.points: np.ndarray | None = None
        self.cells: list[tuple[np.ndarray, np.ndarray]] = []  # (types, nodes) of each section
        self.markers: list[tuple[str, np.ndarray, np.ndarray]] = []

    def mesh(self) -> Mesh:
        tag, expected = "", 0
        for key, value in self._keys():
            if key == "NZONE" and self._count(key, value) != 1:
                raise Fault(f"line {self.at}", f"{value} zones, expected 1", "export one zone")
            elif key == "NDIME":
                self.dim = self._count(key, value)
                if self.dim not in (2, 3):
                    raise Fault(f"line {self.at}", f"NDIME= {self.dim}, expected 2 or 3")
            elif key == "NPOIN":
                self.points = self._points(self._count(key, value))
            elif key == "NELEM":
                self.cells.append(self._elements(self._count(key, value)))
            elif key == "NMARK":
                expected = self._count(key, value)
            elif key == "MARKER_TAG":
                tag = value
            elif key == "MARKER_ELEMS":
                self.markers.append((tag, *self._elements(self._count(key, value))))
        if self.points is None:
            raise Fault("content", "no NPOIN= section: this is no SU2 mesh")
        if len(self.markers) < expected:
            raise Fault("end of the file", f"{len(self.markers)} of {expected} markers found", _CUT)
        regions: dict[str, Region] = {}
        start = sum(len(types) for types, _ in self.cells)
        for name, types, _ in self.markers:
            ids = np.arange(start, start + len(types))
            if name in regions:  # a marker in two parts
                ids = np.concatenate([regions[name].ids, ids])
            regions[name] = Region("cell", ids)
            start += len(types)
        parts = [*self.cells, *((types, nodes) for _, types, nodes in self.markers)]
        types = np.concatenate([np.empty(0, np.int64), *(types for types, _ in parts)])
        nodes = np.concatenate([np.empty(0, np.int64), *(nodes for _, nodes in parts)])
        offsets = np.concatenate([[0], np.cumsum(SIZE[types])])
        storage = {"dimension": str(self.dim)}
        return Mesh(self.points, types, offsets, nodes, regions=regions, storage=storage)

    def _keys(self) -> Iterator[tuple[str, str]]:
        while self.at < len(self.lines):
            line = self.lines[self.at].split(b"%")[0].strip()
            self.at += 1
            if not line:
                continue
            key, equals, value = line.partition(b"=")
            if equals:  # SU2 itself passes over lines that are no KEY= VALUE
                yield (
                    key.strip().upper().decode("utf-8", "replace"),
                    value.strip().decode("utf-8", "replace"),
                )

    def _count(self, key: str, value: str) -> int:
        word = value.split()[0] if value.split() else ""
        if not word.isascii() or not word.isdigit() or len(word) > 18:
            raise Fault(f"line {self.at}", f"{key}= {value[:40]!r}, expected a count")
        return int(word)

    def _rows(self, count: int, what: str) -> Iterator[list[bytes]]:
        """`count` lines split into words; comments and blank lines are left out."""
        if count > len(self.lines) - self.at:
            raise Fault(
                f"line {self.at}",
                f"{count} {what} declared, {len(self.lines) - self.at} lines are left",
                _CUT,
            )
        total = 0
        while total < count:
            if self.at >= len(self.lines):
                raise Fault("end of the file", f"{total} {what} found, {count} declared")
            line = self.lines[self.at]
            self.at += 1
            words = (line.split(b"%")[0] if b"%" in line else line).split()
            if words:
                total += 1
                yield words

    def _points(self, count: int) -> np.ndarray:
        if not self.dim:
            raise Fault(f"line {self.at}", "NPOIN= comes before NDIME=")
        points = np.zeros((count if count <= len(self.lines) else 0, 3))
        for index, words in enumerate(self._rows(count, "points")):
            if len(words) < self.dim:
                raise Fault(f"line {self.at}", f"{len(words)} of {self.dim} coordinates")
            try:
                points[index, : self.dim] = [float(word) for word in words[: self.dim]]
            except ValueError:
                raise Fault(f"line {self.at}", f"no {self.dim} coordinates") from None
        return points

    def _elements(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        types, nodes = [], []
        for words in self._rows(count, "elements"):
            try:
                numbers = [int(word) for word in words]
            except ValueError:
                raise Fault(f"line {self.at}", "an element is a list of integers") from None
            code = numbers[0]
            if code not in _KNOWN:
                raise Fault(f"line {self.at}", f"element type {code}, expected one of {_KNOWN}")
            size = CELL_TYPES[code].size
            if len(numbers) <= size or max(map(abs, numbers)) >= 1 << 62:
                raise Fault(f"line {self.at}", f"a {CELL_TYPES[code].name} needs {size} nodes")
            types.append(code)
            nodes += numbers[1 : size + 1]
        return np.array(types, np.int64), np.array(nodes, np.int64)


def write_su2(mesh: Mesh, path: str | os.PathLike) -> None:
    """Write points, cells of the mesh's dimension, and cell regions one lower as markers.

    SU2 knows no data arrays. Raises MeshFileError where it has no such cell.
    """
    with guarded(path, "SU2"):
        mesh.check()
        if mesh.dim < 2 or (mesh.dim == 2 and not mesh.is_planar):
            raise Fault("cells", "SU2 holds planar meshes and volumes", "write .vtu instead")
        dims = np.array([CELL_TYPES[int(code)].dim for code in np.unique(mesh.cell_types)])
        dims = dims[np.searchsorted(np.unique(mesh.cell_types), mesh.cell_types)]
        inner = np.flatnonzero(dims == mesh.dim)
        markers = {
            name: region.ids[dims[region.ids] == mesh.dim - 1]
            for name, region in mesh.regions.items()
            if region.kind == "cell"
        }
        markers = {name: ids for name, ids in markers.items() if len(ids)}
        for cell in np.concatenate([inner, *markers.values()]):
            if mesh.cell_types[cell] not in _KNOWN:
                kind = CELL_TYPES[int(mesh.cell_types[cell])].name
                raise Fault(f"cell {cell}", f"SU2 has no {kind}", "write .vtu instead")
        with atomic_write(path) as file:
            file.write(f"NDIME= {mesh.dim}\nNELEM= {len(inner)}\n".encode())
            file.writelines(_element_lines(mesh, inner))
            file.write(f"NPOIN= {mesh.n_points}\n".encode())
            for index, point in enumerate(mesh.points[:, : mesh.dim].tolist()):
                file.write(f"{' '.join(map(repr, point))} {index}\n".encode())
            file.write(f"NMARK= {len(markers)}\n".encode())
            for name, ids in markers.items():
                file.write(f"MARKER_TAG= {name}\nMARKER_ELEMS= {len(ids)}\n".encode())
                file.writelines(_element_lines(mesh, ids))


def _element_lines(mesh: Mesh, cells: np.ndarray) -> Iterator[bytes]:
    offsets, nodes = mesh.cell_offsets.tolist(), mesh.cell_nodes.tolist()
    for cell in cells.tolist():
        ids = nodes[offsets[cell] : offsets[cell + 1]]
        yield f"{mesh.cell_types[cell]} {' '.join(map(str, ids))}\n".encode()


FORMAT = Format("SU2", (".su2",), read_su2, write_su2, regions="markers", lost="data arrays")
