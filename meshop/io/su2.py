"""SU2 native meshes: cells in file order, markers as regions of the boundary cells after them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..mesh import CELL_TYPES, DIM, SIZE, Mesh, Region, join
from ._files import CUT, Fault, atomic_write, guarded, read_bytes
from ._format import Format, warn_lost
from ._lines import table_lines, to_lines
from ._ragged import ragged
from ._su2_rows import take_rows

_WRITTEN = (1, 3, 5, 9, 10, 12, 13, 14)  # SU2's own; other codes are VTK's, from other programs
_PERIODIC, _BOXES = "su2:periodic", "su2:ffd"
_VERBATIM = ((_PERIODIC, ("NPERIODIC", "PERIODIC_")), (_BOXES, ("FFD_", "NCHUNK", "CHUNK_")))
_ZONE = re.compile(r"zone_\d+")
_EXCHANGE = re.compile(r"(SEND_RECEIVE) (-?\d+)")
_CHUNK = 1 << 18  # cells that are written at once
_VALUES = ("AOA", "AOS", "AOA_OFFSET", "AOS_OFFSET")


def read_su2(path: Path) -> Mesh:
    """Read an SU2 mesh: its zones joined, each a region "zone_1", "zone_2", ...

    Field data keep angles of attack (AOA_OFFSET, ...) and, as text, periodic boundaries and boxes
    of free-form deformation; with several zones their names begin with "zone_1 " etc. Raises
    MeshFileError. Source: SU2 documentation, "Mesh File".
    """
    with guarded(path, "SU2"):
        data = read_bytes(path)
        return _Reader(data if b"\n" in data else data.replace(b"\r", b"\n")).mesh()


class _Zone:
    def __init__(self) -> None:
        self.dim = 0
        self.points: np.ndarray | None = None
        self.cells: list[tuple[np.ndarray, np.ndarray]] = []  # (types, nodes) of each section
        self.markers: list[tuple[str, np.ndarray, np.ndarray]] = []
        self.n_markers = 0
        self.field_data: dict[str, np.ndarray] = {}
        self.kept: dict[str, list[str]] = {}  # lines that are kept as they are
        self.storage: dict[str, str] = {}

    def mesh(self) -> Mesh:
        if self.points is None:
            raise Fault("content", "no NPOIN= section: this is no SU2 mesh")
        if len(self.markers) < self.n_markers:
            reason = f"{len(self.markers)} of {self.n_markers} markers found"
            raise Fault("end of the file", reason, CUT)
        parts = [*self.cells, *((types, nodes) for _, types, nodes in self.markers)]
        types = np.concatenate([np.empty(0, np.int64), *(types for types, _ in parts)])
        ids: dict[str, list[np.ndarray]] = {}
        start = sum(len(types) for types, _ in self.cells)
        for name, mine, _ in self.markers:  # a marker may come in several parts
            ids.setdefault(name, []).append(np.arange(start, start + len(mine)))
            start += len(mine)
        return Mesh(
            self.points,
            types,
            np.concatenate([[0], np.cumsum(SIZE[types])]),
            np.concatenate([np.empty(0, np.int64), *(nodes for _, nodes in parts)]),
            field_data=self.field_data
            | {name: np.array(["\n".join(lines)]) for name, lines in self.kept.items()},
            regions={name: Region("cell", np.concatenate(found)) for name, found in ids.items()},
            storage={"dimension": str(self.dim), **self.storage},
        )


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.zones = [_Zone()]

    def mesh(self) -> Mesh:
        n_zones, tag = 1, ""
        for key, value in self._keys():
            zone = self.zones[-1]
            if key == "NZONE":
                n_zones = self._count(key, value)
            elif key == "IZONE" and (zone.points is not None or zone.cells):
                self.zones.append(_Zone())
            elif key == "NDIME":
                zone.dim = self._count(key, value)
                if zone.dim not in (2, 3):
                    raise Fault(self._line(), f"NDIME= {zone.dim}, expected 2 or 3")
            elif key == "NPOIN":
                zone.points = self._points(zone, self._count(key, value))
            elif key == "NELEM":
                zone.cells.append(self._elements(self._count(key, value), "NELEM"))
            elif key == "NMARK":
                zone.n_markers = self._count(key, value)
            elif key == "MARKER_TAG":
                tag = value
            elif key == "MARKER_ELEMS":
                count = self._count(key, value)
                name = f"{tag} {number}" if (number := self._exchange()) else tag
                zone.markers.append((name, *self._elements(count, f"marker {tag[:80]!r}")))
            elif key in _VALUES:
                self._value(zone, key, value)
        if n_zones != len(self.zones):
            raise Fault("end of the file", f"{len(self.zones)} of {n_zones} zones found", CUT)
        if n_zones == 1:
            return self.zones[0].mesh()
        names = [f"zone_{number}" for number in range(1, n_zones + 1)]
        parts = [zone.mesh() for zone in self.zones]
        for name, part in zip(names, parts, strict=True):
            part.field_data = {f"{name} {key}": v for key, v in part.field_data.items()}
        return join(parts, names)

    def _keys(self) -> Iterator[tuple[str, str]]:
        """KEY= VALUE lines; those that are kept as they are go into the zone's field data."""
        kept = ""
        while self.at < len(self.data):
            line = self._take_line()
            key, equals, value = (word.strip() for word in line.partition("="))
            key = key.upper()
            if equals:
                kept = next((name for name, keys in _VERBATIM if key.startswith(keys)), "")
            if kept and line:
                self.zones[-1].kept.setdefault(kept, []).append(line)
            elif equals:  # SU2 itself passes over lines that are no KEY= VALUE
                yield key, value

    def _take_line(self) -> str:
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        line = self.data[self.at : end].partition(b"%")[0].strip()
        self.at = end + 1
        return line.decode("utf-8", "replace")

    def _line(self) -> str:
        return f"line {self.data.count(10, 0, self.at)}"

    def _count(self, key: str, value: str) -> int:
        word = value.split()[0] if value.split() else ""
        if not word.isascii() or not word.isdigit() or len(word) > 18:
            raise Fault(self._line(), f"{key}= {value[:40]!r}, expected a count")
        return int(word)

    def _value(self, zone: _Zone, key: str, value: str) -> None:
        try:
            zone.field_data[key] = np.array([float(value.split()[0].replace("_", "?"))])
        except (ValueError, IndexError):
            raise Fault(self._line(), f"{key}= {value[:40]!r}, expected a number") from None

    def _exchange(self) -> str:
        """The number of SEND_RECV= which may follow MARKER_ELEMS= (partitioned meshes)."""
        start = self.at
        key, equals, value = self._take_line().partition("=")
        if equals and key.strip().upper() == "SEND_RECV":
            return value.strip()
        self.at = start
        return ""

    def _points(self, zone: _Zone, count: int) -> np.ndarray:
        if not zone.dim:
            raise Fault(self._line(), "NPOIN= comes before NDIME=")
        values, starts, self.at = take_rows(self.data, self.at, count, np.float64, "NPOIN")
        sizes = np.diff(starts)
        if np.any(sizes < zone.dim):
            point = int(np.argmax(sizes < zone.dim))
            raise Fault(f"point {point}", f"{sizes[point]} of {zone.dim} coordinates found")
        zone.storage["su2:index"] = str(bool(count and sizes[0] > zone.dim)).lower()
        points = np.zeros((count, 3))
        for axis in range(zone.dim):
            points[:, axis] = values[starts[:-1] + axis]
        return points

    def _elements(self, count: int, where: str) -> tuple[np.ndarray, np.ndarray]:
        values, starts, self.at = take_rows(self.data, self.at, count, np.int64, where)
        sizes = np.diff(starts)
        if np.any(sizes == 0):
            element = int(np.argmax(sizes == 0))
            raise Fault(f"{where}, element {element}", "an element is a list of integers")
        types = values[starts[:-1]]
        known = (types > 0) & (types < 256) & (SIZE[np.clip(types, 0, 255)] > 0)
        if not known.all():
            element = int(np.argmin(known))
            reason = f"type {types[element]}, expected one of {', '.join(map(str, _WRITTEN))}"
            high = CELL_TYPES.get(int(types[element]))
            hint = f"a {high.name} has no fixed size: save it as VTU or MSH" if high else ""
            raise Fault(f"{where}, element {element}", reason, hint)
        if np.any(short := sizes <= SIZE[types]):
            element = int(np.argmax(short))
            row = CELL_TYPES[int(types[element])]
            reason = f"a {row.name} needs {row.size} nodes, {sizes[element] - 1} are there"
            raise Fault(f"{where}, element {element}", reason)
        if np.any(curved := (types == 14) & (sizes > 13)):  # Gmsh's of the second order
            reason = "a pyramid of the second order, which neither SU2 nor VTK knows"
            hint = "save the mesh with elements of the first order, or as .msh"
            raise Fault(f"{where}, element {int(np.argmax(curved))}", reason, hint)
        return types, values[ragged(starts[:-1] + 1, SIZE[types])]


def write_su2(mesh: Mesh, path: str | os.PathLike) -> None:
    """Write points, cells of the mesh's dimension, and cell regions of lower ones as markers.

    Regions zone_1, zone_2, ... that `read` made of zones become zones again. SU2 knows no data
    arrays. Raises MeshFileError where it has no such cell.
    """
    with guarded(path, "SU2"):
        mesh.check()
        if mesh.dim < 2 or (mesh.dim == 2 and not mesh.is_planar):
            raise Fault("cells", "SU2 holds planar meshes and volumes", "write .vtu instead")
        bad = np.flatnonzero(~np.isin(mesh.cell_types, _WRITTEN))
        if len(bad):
            kind = CELL_TYPES[int(mesh.cell_types[bad[0]])].name
            raise Fault(f"cell {bad[0]}", f"SU2 has no {kind}", "write .vtu instead")
        zones = _zones(mesh)
        for what in _lost(mesh, zones):
            warn_lost(Path(path), "SU2", what)
        with atomic_write(path) as file:
            if len(zones) > 1:
                file.write(f"NZONE= {len(zones)}\n".encode())
            for number, zone in enumerate(zones, 1):
                if len(zones) > 1:
                    file.write(f"IZONE= {number}\n".encode())
                file.writelines(_zone_lines(mesh, zone))


class _Part:
    """What one zone, or all, writes: points from `first` to `end`, inner cells, markers."""

    def __init__(self, mesh: Mesh, name: str, cells: np.ndarray, first: int, end: int) -> None:
        self.prefix = f"{name} " if name else ""
        self.first, self.end = first, end
        low = DIM[mesh.cell_types] < mesh.dim
        self.inner = cells[~low[cells]]
        self.markers: dict[str, np.ndarray] = {}
        for region_name, region in mesh.regions.items():
            if region.kind != "cell" or not low[region.ids].all():
                continue  # a zone, a material
            mine = np.unique(region.ids)
            mine = mine[(mine >= cells[0]) & (mine <= cells[-1])]
            if len(mine) or (not first and not len(region.ids)):
                self.markers[region_name] = mine


def _zones(mesh: Mesh) -> list[_Part]:
    """The zones that regions zone_1, zone_2, ... describe, one after the other; else one part."""
    names = [f"zone_{n}" for n in range(1, 1 + sum(map(bool, map(_ZONE.fullmatch, mesh.regions))))]
    regions = [mesh.regions.get(name, Region("point", np.empty(0, np.int64))) for name in names]
    ids = [np.unique(region.ids) for region in regions if region.kind == "cell"]
    whole = [_Part(mesh, "", np.arange(mesh.n_cells), 0, mesh.n_points)]
    if len(ids) < 2 or len(ids) != len(names) or not all(map(len, ids)):
        return whole
    if not np.array_equal(np.concatenate(ids), np.arange(mesh.n_cells)):
        return whole
    ends = mesh.cell_offsets
    nodes = [mesh.cell_nodes[ends[mine[0]] : ends[mine[-1] + 1]] for mine in ids]
    if any(a.max() >= b.min() for a, b in itertools.pairwise(nodes)):
        return whole
    starts = [0, *(int(mine.min()) for mine in nodes[1:]), mesh.n_points]
    return [
        _Part(mesh, name, mine, first, end)
        for name, mine, first, end in zip(names, ids, starts, starts[1:], strict=False)
    ]


def _lost(mesh: Mesh, parts: list[_Part]) -> Iterator[str]:
    if mesh.point_data or mesh.cell_data:
        yield "it knows no point or cell data: none is written"
    kept = {part.prefix + key for part in parts for key in (*_VALUES, _PERIODIC, _BOXES)}
    if other := [name for name in mesh.field_data if name not in kept]:
        yield f"it has no place for field data: {', '.join(other)[:200]}"
    markers = {name for part in parts for name in part.markers}
    zones = {part.prefix[:-1] for part in parts if part.prefix}
    if other := [name for name in mesh.regions if name not in markers | zones]:
        names = ", ".join(other)[:200]
        yield f"markers are sets of boundary cells; other regions are lost: {names}"
    order = np.concatenate([ids for part in parts for ids in (part.inner, *part.markers.values())])
    count = np.bincount(order, minlength=mesh.n_cells)
    if np.any(count == 0):
        yield f"{np.sum(count == 0)} boundary cells belong to no marker and are left out"
    if np.any(count > 1):
        yield f"{np.sum(count > 1)} cells belong to several markers: they are repeated"
    if np.any(np.diff(order) < 0):
        yield "the order of cells changes: boundary cells follow their zone's inner cells"
    if mesh.dim == 2 and np.any(mesh.points[:, 2] != 0):
        yield f"planar meshes have no z: {mesh.points[0, 2]} becomes 0"
    if any(name != _plain(name) for name in markers):
        yield "names of markers are changed: no %, no white space around them, none is empty"
    sets = {name: region.ids for name, region in mesh.regions.items() if name in markers | zones}
    if other := [name for name, ids in sets.items() if np.any(np.diff(ids) <= 0)]:
        yield f"cells of markers come in increasing order, each once: {', '.join(other)[:200]}"


def _zone_lines(mesh: Mesh, part: _Part) -> Iterator[bytes]:
    yield f"NDIME= {mesh.dim}\n".encode()
    for key in _VALUES:
        value = mesh.field_data.get(part.prefix + key, np.empty(0))
        if value.size == 1 and value.dtype.kind in "iuf":
            yield f"{key}= {value.ravel()[0]}\n".encode()
    yield f"NELEM= {len(part.inner)}\n".encode()
    yield from _element_lines(mesh, part.inner, part.first)
    yield f"NPOIN= {part.end - part.first}\n".encode()
    columns = [mesh.points[part.first : part.end, : mesh.dim]]
    if mesh.storage.get("su2:index") != "false":
        columns.append(np.arange(part.end - part.first))
    yield from table_lines(*columns)
    yield f"NMARK= {len(part.markers)}\n".encode()
    for name, cells in part.markers.items():
        exchange = _EXCHANGE.fullmatch(name)
        tag = exchange[1] if exchange else _plain(name)
        yield f"MARKER_TAG= {tag}\nMARKER_ELEMS= {len(cells)}\n".encode("utf-8", "replace")
        if exchange:
            yield f"SEND_RECV= {exchange[2]}\n".encode()
        yield from _element_lines(mesh, cells, part.first)
    for key in (_PERIODIC, _BOXES):
        if (text := mesh.field_data.get(part.prefix + key)) is not None:
            lines = text.ravel().astype(str).tolist()
            yield from (f"{line}\n".encode("utf-8", "replace") for line in lines)


def _element_lines(mesh: Mesh, cells: np.ndarray, first: int) -> Iterator[bytes]:
    for at in range(0, len(cells), _CHUNK):
        mine = cells[at : at + _CHUNK]
        types = mesh.cell_types[mine].astype(np.int64)
        sizes = SIZE[types]
        starts = np.cumsum(sizes + 1) - sizes - 1
        values = np.empty(int(np.sum(sizes + 1)), np.int64)
        values[starts] = types
        nodes = mesh.cell_nodes[ragged(mesh.cell_offsets[mine], sizes)]
        values[ragged(starts + 1, sizes)] = nodes - first
        yield from to_lines(values, sizes + 1)


def _plain(name: str) -> str:
    return re.sub(r"[%\r\n]", "_", name).strip() or "unnamed"


FORMAT = Format(
    "SU2", (".su2",), read_su2, write_su2, regions="markers, zones",
    lost="data arrays, regions of inner cells, order of boundary cells",
)  # fmt: skip
