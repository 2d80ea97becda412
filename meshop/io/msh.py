"""Gmsh MSH 2, ascii: elements in file order, physical groups as regions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..mesh import CELL_TYPES, DIM, SIZE, Mesh, Region
from ._files import Fault, atomic_write, guarded, read_bytes
from ._format import Format

# Gmsh's element type -> VTK's; and where the node order differs, which Gmsh node is VTK's i-th.
_VTK = {
    1: 3, 2: 5, 3: 9, 4: 10, 5: 12, 6: 13, 7: 14, 8: 21, 9: 22, 10: 28, 11: 24, 12: 29, 15: 1,
    16: 23, 17: 25, 18: 26, 19: 27, 26: 35,
}  # fmt: skip
_GMSH = {vtk: gmsh for gmsh, vtk in _VTK.items()}
_HEX20 = [*range(8), 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15]
_ORDER = {
    13: [0, 2, 1, 3, 5, 4],  # Gmsh's prism is the mirror image of VTK's wedge
    24: [*range(8), 9, 8],
    25: _HEX20,
    26: [*range(6), 6, 9, 7, 12, 14, 13, 8, 10, 11],
    27: [*range(5), 5, 8, 10, 6, 7, 9, 11, 12],
    29: [*_HEX20, 22, 23, 21, 24, 20, 25, 26],
}
_CUT = "the file is cut off or damaged: copy or write it again"


def is_msh2(start: bytes) -> bool:
    """True where a file's first bytes announce MSH 2 in ascii."""
    words = start.split()
    at = words.index(b"$MeshFormat") if b"$MeshFormat" in words else len(words)
    return words[at + 1 : at + 2] in ([b"2"], [b"2.0"], [b"2.1"], [b"2.2"]) and (
        words[at + 2 : at + 3] == [b"0"]
    )


def read_msh(path: Path) -> Mesh:
    """Read MSH 2 ascii. Raises MeshFileError."""
    with guarded(path, "MSH"):
        return _Reader(read_bytes(path)).mesh()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.lines = data.splitlines()
        self.at = 0
        self.points = np.empty((0, 3))
        self.ids: dict[int, int] = {}
        self.cell_ids: dict[int, int] = {}
        self.types: list[int] = []
        self.nodes: list[int] = []
        self.physical: list[int] = []
        self.entity: list[int] = []
        self.names: dict[str, tuple[int, int]] = {}
        self.data: list[tuple[str, str, dict[int, list[float]]]] = []

    def mesh(self) -> Mesh:
        found = set()
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            self.at += 1
            section = line[1:].decode("utf-8", "replace")
            if line[:1] != b"$" or section.startswith("End"):
                continue
            found.add(section)
            if section == "PhysicalNames":
                self._physical_names()
            elif section == "Nodes":
                self._nodes()
            elif section == "Elements":
                self._elements()
            elif section in ("NodeData", "ElementData"):
                self._values(section)
        if not {"Nodes", "Elements"} <= found:
            raise Fault("content", "it has no $Nodes or no $Elements section", _CUT)
        types = np.array(self.types, np.int64)
        physical = np.array(self.physical, np.int64)
        regions = {}
        for name, (dim, tag) in self.names.items():
            mine = (physical == tag) & (DIM[types] == dim)
            regions[name] = Region("cell", np.flatnonzero(mine))
        cell_data = {"gmsh:physical": physical, "gmsh:geometrical": np.array(self.entity, np.int64)}
        mesh = Mesh(
            self.points,
            types,
            np.concatenate([[0], np.cumsum(SIZE[types])]),
            np.array(self.nodes, np.int64),
            cell_data={k: v.astype(np.int32) for k, v in cell_data.items()} if len(types) else {},
            field_data={n: np.array([tag, dim]) for n, (dim, tag) in self.names.items()},
            regions=regions,
        )
        for section, name, rows in self.data:
            where, ids = (mesh.point_data, self.ids), mesh.n_points
            if section == "ElementData":
                where, ids = (mesh.cell_data, self.cell_ids), mesh.n_cells
            where[0][name] = _filled(name, rows, where[1], ids)
        return mesh

    def _words(self) -> list[bytes]:
        if self.at >= len(self.lines):
            raise Fault("end of the file", "a section is not complete", _CUT)
        self.at += 1
        return self.lines[self.at - 1].split()

    def _fault(self, reason: str) -> Fault:
        return Fault(f"line {self.at}", reason)

    def _integer(self) -> int:
        words = self._words()
        try:
            return int(words[0])
        except (ValueError, IndexError):
            raise self._fault("expected an integer") from None

    def _count(self, what: str) -> int:
        count = self._integer()
        if not 0 <= count <= len(self.lines) - self.at:
            left = len(self.lines) - self.at
            raise Fault(f"line {self.at}", f"{count} {what} declared, {left} lines are left", _CUT)
        return count

    def _physical_names(self) -> None:
        for _ in range(self._count("names")):
            words = self._words()
            line = self.lines[self.at - 1].decode("utf-8", "replace")
            name = line.partition('"')[2].rpartition('"')[0]
            try:
                self.names[name] = (int(words[0]), int(words[1]))
            except (ValueError, IndexError):
                raise self._fault('expected DIMENSION TAG "NAME"') from None

    def _nodes(self) -> None:
        count = self._count("nodes")
        self.points = np.zeros((count, 3))
        for index in range(count):
            words = self._words()
            try:
                self.ids[int(words[0])] = index
                self.points[index] = (float(words[1]), float(words[2]), float(words[3]))
            except (ValueError, IndexError):
                raise self._fault("expected ID X Y Z") from None
        if len(self.ids) != count:
            raise Fault("$Nodes", f"{count - len(self.ids)} node ids occur twice")

    def _elements(self) -> None:
        for index in range(self._count("elements")):
            try:
                number, kind, n_tags, *rest = map(int, self._words())
            except ValueError:
                raise self._fault("expected ID TYPE TAGS... NODES...") from None
            code = _VTK.get(kind)
            if code is None:
                raise self._fault(f"Gmsh's element type {kind} has no equal in VTK")
            nodes = rest[n_tags:]
            if n_tags < 0 or len(rest) < n_tags or len(nodes) != CELL_TYPES[code].size:
                raise self._fault(f"a {CELL_TYPES[code].name} needs {CELL_TYPES[code].size} nodes")
            try:
                nodes = [self.ids[node] for node in nodes]
            except KeyError as error:
                raise self._fault(f"it refers to node {error}, which is not there") from None
            self.cell_ids[number] = index
            self.types.append(code)
            self.nodes += [nodes[i] for i in _ORDER[code]] if code in _ORDER else nodes
            self.physical.append(rest[0] if n_tags > 0 and abs(rest[0]) < 2**31 else 0)
            self.entity.append(rest[1] if n_tags > 1 and abs(rest[1]) < 2**31 else 0)

    def _values(self, section: str) -> None:
        """$NodeData and $ElementData: names, numbers, rows of ID VALUES...; first step only."""
        n_names = self._count("names")
        name = section
        for index in range(n_names):
            self._words()
            if index == 0:
                name = self.lines[self.at - 1].decode("utf-8", "replace").strip().strip('"')
        for _ in range(self._count("numbers")):
            self._words()
        whole = [self._integer() for _ in range(self._count("numbers"))]
        if len(whole) < 3 or not 0 <= whole[2] <= len(self.lines) or not 0 < whole[1] <= 9:
            raise self._fault(f"a header of {whole} in ${section}")
        rows: dict[int, list[float]] = {}
        for _ in range(whole[2]):
            words = self._words()
            try:
                rows[int(words[0])] = [float(word) for word in words[1:]]
            except (ValueError, IndexError):
                raise self._fault("expected ID VALUES...") from None
            if len(words) != whole[1] + 1:
                raise self._fault(f"expected {whole[1]} values")
        if all(name != other or section != kind for kind, other, _ in self.data):
            self.data.append((section, name, rows))


def _filled(name: str, rows: dict[int, list[float]], ids: dict[int, int], n: int) -> np.ndarray:
    """Rows by id as one array; NaN where the file gives none."""
    width = len(next(iter(rows.values()))) if rows else 1
    out = np.full((n, width), np.nan)
    for number, values in rows.items():
        if number not in ids:
            raise Fault(f"data {name!r}", f"it refers to {number}, which is not there")
        out[ids[number]] = values
    return out[:, 0] if width == 1 else out


def write_msh(mesh: Mesh, path: str | os.PathLike) -> None:
    """Write MSH 2.2 ascii: points exact, cell regions as physical groups, numbers as data.

    A cell has one physical group here: of overlapping regions the last one wins. Raises
    MeshFileError where Gmsh has no such cell.
    """
    with guarded(path, "MSH"):
        mesh.check()
        for code in np.unique(mesh.cell_types).tolist():
            if code not in _GMSH:
                kind = CELL_TYPES[code].name
                raise Fault("cells", f"MSH 2 has no {kind}", "write .vtu instead")
        with atomic_write(path) as file:
            file.writelines(line.encode() + b"\n" for line in _lines(mesh))


def _lines(mesh: Mesh) -> Iterator[str]:
    tags, names = _groups(mesh)
    yield "$MeshFormat\n2.2 0 8\n$EndMeshFormat"
    if names:
        yield f"$PhysicalNames\n{len(names)}"
        yield from (f'{dim} {tag} "{name}"' for name, (tag, dim) in names.items())
        yield "$EndPhysicalNames"
    yield f"$Nodes\n{mesh.n_points}"
    for index, (x, y, z) in enumerate(mesh.points.tolist(), 1):
        yield f"{index} {x!r} {y!r} {z!r}"
    yield f"$EndNodes\n$Elements\n{mesh.n_cells}"
    entity = mesh.cell_data.get("gmsh:geometrical", np.maximum(tags, 1)).tolist()
    ends, nodes = mesh.cell_offsets.tolist(), (mesh.cell_nodes + 1).tolist()
    back = {code: np.argsort(order).tolist() for code, order in _ORDER.items()}
    for cell, code in enumerate(mesh.cell_types.tolist()):
        ids = nodes[ends[cell] : ends[cell + 1]]
        ids = [ids[i] for i in back[code]] if code in back else ids
        head = f"{cell + 1} {_GMSH[code]} 2 {tags[cell]} {entity[cell]}"
        yield f"{head} {' '.join(map(str, ids))}"
    yield "$EndElements"
    for section, data in (("NodeData", mesh.point_data), ("ElementData", mesh.cell_data)):
        for name, values in data.items():
            if values.dtype.kind not in "biuf" or name.startswith("gmsh:"):
                continue
            table = values.astype(np.float64).reshape(len(values), -1)
            # Gmsh knows 1, 3 and 9 components; fewer are filled up with zeros.
            width = next((w for w in (1, 3, 9) if w >= table.shape[1]), 0)
            if not width or not len(table):
                continue
            table = np.pad(table, ((0, 0), (0, width - table.shape[1])))
            yield f'${section}\n1\n"{name}"\n1\n0.0\n3\n0\n{width}\n{len(table)}'
            for index, row in enumerate(table.tolist(), 1):
                yield f"{index} {' '.join(map(repr, row))}"
            yield f"$End{section}"


def _groups(mesh: Mesh) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """One physical tag a cell, and name -> (tag, dimension); tags that the file had are kept."""
    tags = np.array(mesh.cell_data.get("gmsh:physical", np.zeros(mesh.n_cells)), np.int64)
    names: dict[str, tuple[int, int]] = {}
    for name, region in mesh.regions.items():
        if region.kind != "cell":
            continue
        known = mesh.field_data.get(name)
        if known is not None and known.shape == (2,) and known.dtype.kind in "iu":
            names[name] = (int(known[0]), int(known[1]))
        elif len(region.ids):
            tag = 1 + max([int(tags.max(initial=0)), *(t for t, _ in names.values())])
            dim = int(DIM[mesh.cell_types[region.ids]].max())
            tags[region.ids] = tag
            names[name] = (tag, dim)
    return tags, names


FORMAT = Format(
    "MSH", (".msh",), read_msh, write_msh, lambda _, start: is_msh2(start),
    regions="physical groups", lost="integer dtypes of data",
)  # fmt: skip
