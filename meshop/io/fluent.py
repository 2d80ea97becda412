"""Ansys Fluent's meshes and cases: sections in parentheses, as text or binary, plain or gzipped.

Cells come from the faces between them; lists of the nodes of cells, which meshio writes, are read
too. Faces and cells that were split (hanging nodes, interfaces) give way to their parts. Source:
Ansys Fluent User's Guide, appendix "Mesh and Case File Formats"; numbers are hexadecimal there.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..mesh import POLYGON, SIZE, Mesh, Region
from ._files import Fault, guarded, read_bytes
from ._fluent_cells import Faces, plane_cells, volume_cells
from ._format import Format
from ._labels import MIRRORED_WEDGE
from ._ragged import ragged
from ._text import take_numbers
from .msh import is_msh
from .msh._source import chain

_CUT = "the file is cut off or damaged: copy or write it again"
_CHUNK = 1 << 20  # bytes of text that are worked on at once
_PLAIN_SIZE, _RATIO = 256 << 20, 50  # what a gzipped file may hold: bytes, and for each of its own

_SECTION = re.compile(rb"\(\s*(\d{1,4})(?![\w.])\s*")
_HEAD = re.compile(rb"\(([^()]{0,200})\)\s*")
_MARK = re.compile(rb"End of Binary Section\s*(\d{1,4})\s*\)")
_NEXT = re.compile(rb'"[^"\n]*"|[()]')
_ZONE = re.compile(rb"\(\s*(\d{1,15})\s+([^\s()]+)(?:\s+([^\s()]+))?")
_START = re.compile(
    rb'\s*\(\s*(?:0\s*"|0\s+[A-Za-z]|1\s*"|2\s+[23]\s*\)|'
    rb"(?:4|10|12|13|33|37|38|39|40|41|45|[23]01[023])\s*\()"
)
_CODES = {1: 5, 2: 10, 3: 9, 4: 12, 5: 14, 6: 13}  # of cells that are listed by their nodes
_INTERIOR, _PARENT = 2, 31  # kinds of face zones
_KINDS = {
    3: "wall", 4: "pressure-inlet", 5: "pressure-outlet", 7: "symmetry", 8: "periodic-shadow",
    9: "pressure-far-field", 10: "velocity-inlet", 12: "periodic", 14: "fan",
    20: "mass-flow-inlet", 24: "interface", 36: "outflow", 37: "axis",
}  # fmt: skip

_DIGITS = np.full(256, 255, np.uint8)
_DIGITS[list(b" \t\n\r\v\f")] = 16
for _letters in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _DIGITS[list(_letters)] = np.arange(16)


class _Zone(NamedTuple):
    """A section of faces or cells: what its head says, and its place in the list of all."""

    id: int
    first: int
    last: int
    kind: int


def is_fluent(path: Path, start: bytes) -> bool:
    """True where the first section is one that starts a mesh or a case, or might once unpacked."""
    packed = start.startswith(b"\x1f\x8b") and path.suffix.lower() in (".cas", ".msh")
    return packed or _START.match(start) is not None


def read_fluent(path: Path) -> Mesh:
    """Read cells with zones of cells and of boundary faces as regions. Raises MeshFileError."""
    with guarded(path, "Fluent"):
        data = read_bytes(path)
        if data.startswith(b"\x1f\x8b"):
            data = _unpacked(data)
            if is_msh(data[:4096]):
                raise Fault("content", "a file of Gmsh, gzipped", "unpack it first")
        return _File(data).mesh()


def _unpacked(data: bytes) -> bytes:
    limit = _PLAIN_SIZE + _RATIO * len(data)
    parts, total = [], 0
    while data.startswith(b"\x1f\x8b"):  # gzip allows several members, one behind the other
        stream = zlib.decompressobj(31)
        try:
            parts.append(stream.decompress(data, limit - total + 1))
        except zlib.error as error:
            raise Fault("gzip", f"the packed data are damaged ({error})", _CUT) from None
        total += len(parts[-1])
        if total > limit:
            raise Fault("gzip", f"it unpacks to over {limit >> 20} MB", "unpack it first")
        if not stream.eof:
            raise Fault("gzip", "the packed data end too soon", _CUT)
        data = stream.unused_data
    return b"".join(parts)


class _File:
    """What the sections of a file hold."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.dimension = 3
        self.order = "<"
        self.names: dict[int, tuple[str, str]] = {}  # kind and name of a zone
        self.points: list[tuple[int, np.ndarray]] = []  # number of the first, coordinates
        self.faces: list[tuple[_Zone, Faces]] = []
        self.cells: list[_Zone] = []
        self.listed: list[tuple[_Zone, int, np.ndarray]] = []  # code, nodes of each cell
        self.split_faces: list[np.ndarray] = []  # numbers of faces and cells that were split
        self.split_cells: list[np.ndarray] = []
        self.next_mark = _MARK.search(data)
        at = data.find(b"(")
        while at >= 0:
            at = data.find(b"(", self._section(at))

    def _section(self, start: int) -> int:
        """Read the section that begins here, and return where it ends."""
        data = self.data
        match = _SECTION.match(data, start)
        index = int(match[1]) if match else -1
        binary, kind = index >= 2000, index % 1000 if index >= 2000 else index
        behind = match.end() if match else start
        if kind in _READERS and (head := _HEAD.match(data, behind)):
            where = f"section ({index} ({' '.join(head[1].decode('latin-1').split())[:60]}"
            numbers = _numbers(head[1], where).tolist()
            if data[head.end() : head.end() + 1] != b"(":  # a declaration
                _READERS[kind](self, numbers, b"", index, where)
                return _end_of(data, start)
            body = head.end() + 1
            if binary:
                mark = self._mark(body)
                if mark is None or int(mark[1]) != index:
                    raise Fault(where, "its end is missing", _CUT)
                end, behind = mark.start(), mark.end()
            else:
                end = data.find(b")", body)
                if end < 0:
                    raise Fault(where, "its end is missing", _CUT)
                behind = end + 1
            _READERS[kind](self, numbers, data[body:end], index, where)
            return behind  # one more ")" may follow: no matter
        if binary and (mark := self._mark(behind)) and int(mark[1]) == index:
            return mark.end()
        if index == 2 and (found := re.compile(rb"\d{1,9}").match(data, behind)):
            self.dimension = int(found[0])
            if self.dimension not in (2, 3):
                raise Fault("section (2", f"{self.dimension} dimensions, expected 2 or 3")
        elif index == 4 and (found := re.compile(rb"\(\s*(\d{1,9})").match(data, behind)):
            self.order = ">" if int(found[1]) == 23 else "<"
        elif index in (39, 45) and (found := _ZONE.match(data, behind)):
            kind_of, name = (
                word.decode("utf-8", "replace") for word in (found[2], found[3] or b"")
            )
            self.names[int(found[1])] = kind_of, name
        return _end_of(data, start)

    def _mark(self, start: int) -> re.Match[bytes] | None:
        """The next end of a binary section."""
        if self.next_mark is not None and self.next_mark.start() < start:
            self.next_mark = _MARK.search(self.data, start)
        return self.next_mark

    # -- sections -------------------------------------------------------------------------------

    def _points(self, head: list[int], body: bytes, index: int, where: str) -> None:
        zone = _zone(head, where)
        if not body:
            return
        dimension = head[4] if len(head) > 4 and head[4] else self.dimension
        if dimension not in (2, 3):
            raise Fault(where, f"{dimension} coordinates a point, expected 2 or 3")
        count = (zone.last - zone.first + 1) * dimension
        if index < 2000:
            found = take_numbers(body, 0, count, np.float64, where)[0]
        else:
            dtype = np.dtype(f"{self.order}f{4 if index < 3000 else 8}")
            found = _unframed(body, dtype, count, where)
        self.points.append((zone.first, found.reshape(-1, dimension)))

    def _cells(self, head: list[int], body: bytes, index: int, where: str) -> None:
        zone = _zone(head, where)
        kind = head[4] if len(head) > 4 else 0
        if not body or kind == 0:  # of mixed kinds: those follow from the faces, too
            if zone.id:
                self.cells.append(zone)
            return
        if kind not in _CODES:
            raise Fault(where, f"cells of type {kind} listed by their nodes, expected 1 to 6")
        size, count = int(SIZE[_CODES[kind]]), zone.last - zone.first + 1
        found = self._integers(body, index, count * size, where)
        if len(found) != count * size:
            raise Fault(where, f"{len(found)} nodes, expected {size} for each of {count} cells")
        nodes = found.reshape(-1, size)
        self.listed.append((zone, _CODES[kind], nodes[:, MIRRORED_WEDGE] if kind == 6 else nodes))

    def _faces(self, head: list[int], body: bytes, index: int, where: str) -> None:
        zone = _zone(head, where)
        if not body or not zone.id:
            return
        kind, count = head[4] if len(head) > 4 else 0, zone.last - zone.first + 1
        if kind not in (0, 2, 3, 4, 5):
            raise Fault(where, f"faces of type {kind}, expected 0, or 2 to 5")
        fixed = kind in (2, 3, 4)
        found = self._integers(body, index, count * (kind + 2) if fixed else None, where)
        if fixed:
            if len(found) != count * (kind + 2):
                reason = f"{len(found)} numbers, expected {kind + 2} for each of {count} faces"
                raise Fault(where, reason, _CUT)
            rows = found.reshape(-1, kind + 2)
            sizes = np.full(count, kind)
            faces = Faces(sizes, rows[:, :-2].ravel(), rows[:, -2].copy(), rows[:, -1].copy())
        else:
            starts = chain(np.minimum(found, len(found)) + 3, count, 5, where)
            sizes = found[starts]
            nodes = found[ragged(starts + 1, sizes)]
            faces = Faces(sizes, nodes, found[starts + sizes + 1], found[starts + sizes + 2])
        self.faces.append((zone, faces))

    def _tree(self, head: list[int], body: bytes, index: int, where: str) -> None:
        """Faces (59) or cells (58) of the numbers in the head were split."""
        if not body or len(head) < 2:
            return
        kids = self._integers(body, index, None, where)
        first, last = head[:2]
        if not 0 <= last - first < max(len(kids), 1):
            raise Fault(where, f"{first:x} to {last:x}, with {len(kids)} numbers", _CUT)
        into = self.split_cells if index % 1000 == 58 else self.split_faces
        into.append(np.arange(first, last + 1))

    def _interface(self, head: list[int], body: bytes, index: int, where: str) -> None:
        """Each face of an interface has two parents (61); or rows of a face and its parent (62)."""
        found = self._integers(body, index, None, where)
        found = found if index % 1000 == 61 else found[1::2]
        self.split_faces.append(found[found > 0])

    def _integers(self, body: bytes, index: int, count: int | None, where: str) -> np.ndarray:
        """The whole numbers of a section: `count`, or all there are."""
        if index < 2000:
            return _numbers(body, where)
        wide = index >= 3000 and count is not None and len(body) >= 8 * count > 0
        dtype = np.dtype(f"{self.order}i{8 if wide else 4}")
        return _unframed(body, dtype, count, where).astype(np.int64)

    # -- the mesh -------------------------------------------------------------------------------

    def mesh(self) -> Mesh:
        if not self.points:
            hint = "give the mesh (.msh) or the case (.cas); .dat holds results only"
            raise Fault("content", "no nodes (section 10)", hint)
        points, first = self._all_points()
        plane = self.dimension == 2 or points.shape[1] == 2
        storage = {"points": points.dtype.newbyteorder("=").name}
        if points.shape[1] == 2:
            storage["dimension"] = "2"
            points = np.column_stack([points, np.zeros(len(points))])
        points = points.astype(np.float64)
        faces = self._all_faces(first, len(points))
        if self.listed:
            return self._of_listed(points, first, faces, storage)
        keep = self._whole(faces)
        n_cells = 1 + max(int(column.max(initial=-1)) for column in (faces.first, faces.second))
        n_cells = max(n_cells, self._last_cell())
        if n_cells > 2 * len(faces.sizes):
            reason = f"{n_cells} cells declared, {len(faces.sizes)} faces found"
            raise Fault("cells (12)", reason, _CUT)
        if not n_cells:
            return self._surface(points, faces, storage)
        beside = keep & ((faces.first >= 0) | (faces.second >= 0))
        used = np.zeros(n_cells + 1, bool)  # the last one stands for none
        used[faces.first[beside]] = used[faces.second[beside]] = True
        used = used[:-1]
        self._require_faces(used)
        number = np.append(np.cumsum(used) - 1, -1)
        found = faces.take(np.flatnonzero(beside))
        found = found._replace(first=number[found.first], second=number[found.second])
        if np.any(wrong := found.sizes != 2 if plane else found.sizes < 3):
            size = found.sizes[wrong][0]
            raise Fault("faces (13)", f"a face of {size} nodes, in {2 if plane else 3} dimensions")
        make = plane_cells if plane else volume_cells
        cells = make(found, int(used.sum()), points)
        regions = _Regions()
        for zone in self.cells:
            ids = np.arange(zone.first - 1, zone.last)
            if len(ids := number[ids[used[ids]]]):
                name = self._name(zone, "solid" if zone.kind == 17 else "fluid")
                regions.add(name, "cell", ids)
        self._add_facets(regions, faces, keep)
        types, offsets, nodes, stream, ends = cells
        return Mesh(
            points, types, offsets, nodes, {}, {}, {}, regions.joined(), storage, stream, ends
        )

    def _last_cell(self) -> int:
        """The highest number in the zones of cells, none of which is in two of them."""
        last = 0
        for zone in sorted(self.cells, key=lambda zone: zone.first):
            if zone.first <= last:
                raise Fault("cells (12)", f"cell {zone.first:x} is in two zones, or is number 0")
            last = max(last, zone.last)
        return last

    def _all_points(self) -> tuple[np.ndarray, int]:
        """The points in the order of their numbers, and the number of the first."""
        parts = sorted(self.points, key=lambda part: part[0])
        expected = first = parts[0][0]
        for start, found in parts:
            if start != expected:
                what = "are missing" if start > expected else "are there twice"
                low, high = sorted((start, expected))
                raise Fault("nodes (10)", f"nodes {low:x} to {high - 1:x} {what}", _CUT)
            expected += len(found)
        if len({found.shape[1] for _, found in parts}) > 1:
            raise Fault("nodes (10)", "some have two coordinates, others three")
        return np.concatenate([found for _, found in parts]), first

    def _all_faces(self, first: int, n_points: int) -> Faces:
        """The faces in the order of the file, nodes and cells counted from 0."""
        none = np.empty(0, np.int64)
        rows = [Faces(none, none, none, none), *(faces for _, faces in self.faces)]
        sizes, nodes, right, left = (np.concatenate(part) for part in zip(*rows, strict=True))
        nodes -= first
        if len(nodes) and not 0 <= nodes.min() <= nodes.max() < n_points:
            wrong = nodes[(nodes < 0) | (nodes >= n_points)][0] + first
            raise Fault("faces (13)", f"node {wrong:x}, of {n_points:x} nodes")
        if len(right) and min(right.min(), left.min()) < 0:
            raise Fault("faces (13)", "the number of a cell is negative")
        return Faces(sizes, nodes, right - 1, left - 1)

    def _whole(self, faces: Faces) -> np.ndarray:
        """Which faces were not split into others."""
        keep = np.ones(len(faces.sizes), bool)
        row = 0
        split = np.unique(np.concatenate([np.empty(0, np.int64), *self.split_faces]))
        for zone, found in self.faces:
            mine = slice(row, row + len(found.sizes))
            if zone.kind == _PARENT:
                keep[mine] = False
            else:
                low, high = np.searchsorted(split, [zone.first, zone.last + 1])
                keep[row + split[low:high] - zone.first] = False
            row = mine.stop
        return keep

    def _require_faces(self, used: np.ndarray) -> None:
        """Only cells that were split, or are of no use to the solver, may be without faces."""
        bare = ~used
        for zone in self.cells:
            if zone.kind in (0, 32):
                bare[zone.first - 1 : zone.last] = False
        for ids in self.split_cells:
            bare[ids[(ids > 0) & (ids <= len(used))] - 1] = False
        if bare.any():
            raise Fault(f"cell {int(np.argmax(bare)) + 1:x}", "no face belongs to it", _CUT)

    def _name(self, zone: _Zone, kind: str) -> str:
        return self.names.get(zone.id, ("", ""))[1] or f"{kind}-{zone.id}"

    def _add_facets(self, regions: _Regions, faces: Faces, keep: np.ndarray) -> None:
        """Zones of faces, apart from those inside of the volume."""
        row = 0
        for zone, found in self.faces:
            mine = np.arange(row, row + len(found.sizes))
            row += len(mine)
            inside = zone.kind == _INTERIOR or self.names.get(zone.id, ("",))[0] == "interior"
            if not inside and len(mine := mine[keep[mine]]):
                name = self._name(zone, _KINDS.get(zone.kind, "faces"))
                regions.add(name, "facet", faces.take(mine).padded())

    def _surface(self, points: np.ndarray, faces: Faces, storage: dict[str, str]) -> Mesh:
        """A mesh of faces alone: each is a cell."""
        types = np.full(len(faces.sizes), POLYGON, np.uint8)
        for size, code in ((2, 3), (3, 5), (4, 9)):
            types[faces.sizes == size] = code
        if np.any(faces.sizes < 2):
            raise Fault("faces (13)", f"a face of {faces.sizes.min()} nodes")
        offsets = np.concatenate([[0], np.cumsum(faces.sizes)])
        regions = _Regions()
        row = 0
        for zone, found in self.faces:
            ids = np.arange(row, row + len(found.sizes))
            row += len(ids)
            regions.add(self._name(zone, _KINDS.get(zone.kind, "faces")), "cell", ids)
        return Mesh(points, types, offsets, faces.nodes, {}, {}, {}, regions.joined(), storage)

    def _of_listed(
        self, points: np.ndarray, first: int, faces: Faces, storage: dict[str, str]
    ) -> Mesh:
        """Cells that are given by their nodes."""
        types = np.concatenate([np.full(len(ids), code) for _, code, ids in self.listed])
        nodes = np.concatenate([ids.ravel() for _, _, ids in self.listed]) - first
        regions = _Regions()
        row = 0
        for zone, _, ids in self.listed:
            if zone.id in self.names:
                regions.add(self._name(zone, ""), "cell", np.arange(row, row + len(ids)))
            row += len(ids)
        self._add_facets(regions, faces, self._whole(faces))
        offsets = np.concatenate([[0], np.cumsum(SIZE[types])])
        return Mesh(points, types, offsets, nodes, {}, {}, {}, regions.joined(), storage)


_READERS = {
    10: _File._points,
    12: _File._cells,
    13: _File._faces,
    58: _File._tree,
    59: _File._tree,
    61: _File._interface,
    62: _File._interface,
}


class _Regions:
    """Regions by name; zones of one name and kind are one."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], list[np.ndarray]] = {}

    def add(self, name: str, kind: str, ids: np.ndarray) -> None:
        self.parts.setdefault((name, kind), []).append(ids)

    def joined(self) -> dict[str, Region]:
        out: dict[str, Region] = {}
        for (name, kind), parts in self.parts.items():
            while name in out:
                name += f" {kind}s"
            if kind == "facet":
                width = max(part.shape[1] for part in parts)
                pads = [((0, 0), (0, width - part.shape[1])) for part in parts]
                parts = [np.pad(a, b, constant_values=-1) for a, b in zip(parts, pads, strict=True)]
            out[name] = Region(kind, np.concatenate(parts))
        return out


def _zone(head: list[int], where: str) -> _Zone:
    if len(head) < 3:
        raise Fault(where, f"{len(head)} numbers in its head, expected a zone, first and last")
    zone = _Zone(head[0], head[1], head[2], head[3] if len(head) > 3 else 0)
    if zone.id and zone.last < zone.first - 1:
        raise Fault(where, f"it goes from {zone.first:x} to {zone.last:x}")
    return zone


def _unframed(body: bytes, dtype: np.dtype, count: int | None, where: str) -> np.ndarray:
    """The binary values of a section: `count`, or all; some writers break lines around them."""
    if (closed := body.rstrip(b"\r\n")).endswith(b")"):
        body = closed[:-1]
    least = 0 if count is None else count * dtype.itemsize
    if least > len(body):
        raise Fault(where, f"{count} values declared, {len(body)} bytes are left", _CUT)
    more = len(body) - least if least else len(body) % dtype.itemsize
    before = len(body) - len(body.removeprefix(b"\r").removeprefix(b"\n"))
    behind = len(body) - len(body.removesuffix(b"\n").removesuffix(b"\r"))
    start = before if more >= before + behind else 0
    count = (len(body) - start) // dtype.itemsize if count is None else count
    return np.frombuffer(body, dtype, count, start)


def _end_of(data: bytes, start: int) -> int:
    """Behind the parenthesis that closes the one at `start`; those in quotes do not count."""
    depth = 0
    for match in _NEXT.finditer(data, start):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    raise Fault(f"section at byte {start}", "its end is missing", _CUT)


def _numbers(text: bytes, where: str) -> np.ndarray:
    """All hexadecimal numbers of a text."""
    parts, start = [np.empty(0, np.int64)], 0
    while start < len(text):
        stop = min(start + _CHUNK, len(text))
        while stop < len(text) and _DIGITS[text[stop]] != 16:
            stop += 1  # no number is cut in two
        digits = _DIGITS[np.frombuffer(text, np.uint8, stop - start, start)]
        if digits.max() > 16:
            at = start + int(np.argmax(digits > 16))
            word = text[max(at - 10, start) : at + 10].decode("latin-1")
            raise Fault(where, f"{word!r} where hexadecimal numbers belong")
        outside = np.concatenate([[True], digits == 16, [True]])
        edges = np.flatnonzero(outside[1:] != outside[:-1])
        last, length = edges[1::2] - 1, edges[1::2] - edges[::2]
        longest = int(length.max(initial=0))
        if longest > 15:
            raise Fault(where, f"a number of {longest} digits")
        values = np.zeros(len(length), np.int64)
        for place in range(longest):
            there = np.flatnonzero(length > place) if place else slice(None)
            values[there] += digits[last[there] - place].astype(np.int64) << 4 * place
        parts.append(values)
        start = stop
    return np.concatenate(parts)


FORMAT = Format(
    "Fluent",
    (".cas", ".cas.gz", ".msh.gz"),
    read_fluent,
    claims=is_fluent,
    regions="zones of cells and boundary faces",
)
