"""Reads Gmsh's MSH files of every version: sections into arrays, arrays into a mesh.

Source: Gmsh manual, "Gmsh file formats" (MSH 4.1, 2 and 1); 3.0 and 4.0 as Gmsh itself writes them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..mesh import DIM, Mesh, Region
from ._files import Fault
from ._msh_cells import N_KINDS, N_NODES, VTK_CODE, name_of, order_of
from ._rows import spread
from ._text import to_numbers

_CUT = "the file is cut off or damaged: copy or write it again"
_CHUNK = 1 << 18  # bytes of text that are split at once
_NAME = re.compile(rb'\s*(\d+)\s+(?:(-?\d+)\s+)?"(.*)"')
_SHORTEST = 2**53  # integers up to here are exact among floats
GROUP = ("point", "curve", "surface", "volume")  # Gmsh's words for dimensions


class _Text:
    """The numbers of an ascii section, in order; "i", "n" and "d" mean the same here."""

    def __init__(self, values: np.ndarray, where: str) -> None:
        self.values, self.where, self.at = values, where, 0

    def array(self, code: str, count: int) -> np.ndarray:
        if not 0 <= count <= len(self.values) - self.at:
            left = len(self.values) - self.at
            raise Fault(self.where, f"{count} numbers declared, {left} are left", _CUT)
        self.at += count
        found = self.values[self.at - count : self.at]
        return found if code == "d" else _whole(found, self.where)

    def take(self, codes: str) -> list:
        found = self.array("d", len(codes)).tolist()
        for place, code in enumerate(codes):
            if code != "d":
                if found[place] != found[place] // 1 or abs(found[place]) >= _SHORTEST:
                    raise Fault(self.where, f"{found[place]} where an integer belongs")
                found[place] = int(found[place])
        return found


class _Binary:
    """The same for a binary section: "i" int32, "n" the file's size_t, "d" double."""

    def __init__(self, data: bytes, at: int, order: str, size: str, where: str) -> None:
        self.data, self.at, self.order, self.where = data, at, order, where
        self.codes = {"i": "i", "n": size, "d": "d"}

    def array(self, code: str, count: int) -> np.ndarray:
        dtype = np.dtype(self.order + {"i": "i4", "I": "u4", "Q": "u8", "d": "f8"}[self.codes[code]])
        if not 0 <= count <= (len(self.data) - self.at) // dtype.itemsize:
            left = len(self.data) - self.at
            raise Fault(self.where, f"{count} values declared, {left} bytes are left", _CUT)
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += count * dtype.itemsize
        if dtype.kind == "u":
            if count and found.max() >= 2**63:
                raise Fault(self.where, f"a tag of {found.max()}")
            return found.astype(np.int64)
        return found

    def take(self, codes: str) -> list:
        form = struct.Struct(self.order + "".join(self.codes[code] for code in codes))
        if form.size > len(self.data) - self.at:
            raise Fault(self.where, "the section is not complete", _CUT)
        self.at += form.size
        return list(form.unpack_from(self.data, self.at - form.size))


@dataclass
class View:
    """A $NodeData, $ElementData or $ElementNodeData section; its rows are read when needed."""

    section: str
    name: str
    time: float
    width: int
    count: int
    at: int
    end: int


class MshFile:
    """The content of a file. Raises Fault."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.section = data, 0, ""
        self.version, self.binary, self.order, self.size = 0.0, False, "<", "Q"
        self.names: list[tuple[int, int, str]] = []  # dimension (-1: any), tag, name
        self.groups: dict[tuple[int, int], list[int]] = {}  # entity -> its physical tags
        self.parts: dict[tuple[int, int], int] = {}  # entity -> its partition
        self.points = np.empty((0, 3))
        none = np.empty(0, np.int64)
        self.node_tags = self.tags = self.kinds = self.nodes = self.entity = self.physical = none
        self.members = (none, none, none)  # of groups: (dimension and tag, first cell, cells)
        self.partition: np.ndarray | None = None
        self.views: list[View] = []
        found = self._sections()
        if not (found & {"Nodes", "NOD", "ParametricNodes"} and found & {"Elements", "ELM"}):
            raise Fault("content", "it has no $Nodes or no $Elements section", _CUT)
        self._index_nodes()

    # -- sections -----------------------------------------------------------------------------

    def _sections(self) -> set[str]:
        readers = {
            "MeshFormat": self._format, "PhysicalNames": self._physical_names,
            "Entities": self._entities, "PartitionedEntities": self._partitioned_entities,
            "Nodes": self._nodes, "NOD": self._nodes, "ParametricNodes": self._parametric_nodes,
            "Elements": self._elements, "ELM": self._elements, "NodeData": self._view,
            "ElementData": self._view, "ElementNodeData": self._view,
        }  # fmt: skip
        found: set[str] = set()
        n_open = 0
        at = self.data.find(b"$")
        while at >= 0:
            self.at = at
            name = self.section = self._line()[1:].decode("utf-8", "replace")
            if name in readers:
                if name == "NOD":
                    self.version = 1.0
                elif name != "MeshFormat" and not self.version:
                    raise Fault(f"${name}", "it comes before $MeshFormat", _CUT)
                if name in found and not name.endswith("Data"):
                    raise Fault(f"${name}", "the section occurs twice")
                readers[name]()
                found.add(name)
                at = self.data.find(b"$", self.at)
                if self.data[self.at : at if at >= 0 else None].strip():
                    raise Fault(f"${name}", "there is more in it than it declares", _CUT)
            elif name[:3].upper() == "END":
                at = self.data.find(b"$", self.at)
            else:  # of no use here, or unknown
                at = self.data.find(b"$End" + name.encode(), self.at)
                if at < 0:
                    at = self.data.find(b"$", self.at)
                    n_open += 1
                if n_open > 100:
                    raise Fault("content", "100 sections that do not end", _CUT)
        return found

    def _line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        start, self.at = self.at, end + 1
        return self.data[start:end].strip()

    def _integer(self, where: str) -> int:
        line = b""
        while not line and self.at < len(self.data):
            line = self._line()
        word = line.split()[0] if line else b""
        if len(word) > 18 or not word.lstrip(b"-").isdigit():
            raise Fault(where, f"{word[:40].decode('utf-8', 'replace')!r} where a count belongs")
        return int(word)

    def _count(self, where: str, least: int) -> int:
        """A count of things that take at least so many bytes each."""
        count = self._integer(where)
        left = len(self.data) - self.at
        if not 0 <= count * least <= left:
            raise Fault(where, f"{count} declared, {max(left, 0)} bytes are left", _CUT)
        return count

    def _numbers(self, dtype: type, where: str) -> np.ndarray:
        """All numbers up to the next "$"."""
        end = self.data.find(b"$", self.at)
        end = len(self.data) if end < 0 else end
        parts = [np.empty(0, dtype)]
        while self.at < end:
            stop = min(self.at + _CHUNK, end)
            while stop < end and not self.data[stop : stop + 1].isspace():
                stop += 1  # no number is cut in two
                if stop > self.at + 2 * _CHUNK:
                    raise Fault(where, "no list of numbers")
            parts.append(to_numbers(self.data[self.at : stop].split(), dtype, where))
            self.at = stop
        return np.concatenate(parts)

    def _stream(self, where: str) -> _Text | _Binary:
        if self.binary:
            return _Binary(self.data, self.at, self.order, self.size, where)
        return _Text(self._numbers(np.float64, where), where)

    def _format(self) -> None:
        where = "$MeshFormat"
        words = self._line().split()
        try:
            self.version, binary, size = float(words[0]), int(words[1]), int(words[2])
        except (ValueError, IndexError):
            raise Fault(where, "expected VERSION FILE-TYPE DATA-SIZE") from None
        if self.version not in (1, 2, 2.1, 2.2, 3, 4, 4.1) or binary not in (0, 1):
            reason = f"version {self.version:g}, file type {binary}: expected 1 to 4.1, and 0 or 1"
            raise Fault(where, reason, "save it as MSH 4.1 or 2.2")
        if size not in (4, 8):
            raise Fault(where, f"data size {size}, expected 4 or 8")
        self.binary, self.size = bool(binary), "Q" if size == 8 else "I"
        if self.binary:
            one = self.data[self.at : self.at + 4]
            if one not in (b"\1\0\0\0", b"\0\0\0\1"):
                raise Fault(where, "the byte order is not given: no 1 in binary", _CUT)
            self.order = "<" if one[0] else ">"
            self.at += 4

    def _physical_names(self) -> None:
        where = "$PhysicalNames"
        for _ in range(self._count(where, 4)):
            line = b""
            while not line and self.at < len(self.data):
                line = self._line()
            match = _NAME.match(line)
            if match is None or max(len(match[1]), len(match[2] or b"")) > 11:
                text = line[:60].decode("utf-8", "replace")
                raise Fault(where, f'expected DIMENSION TAG "NAME", found {text!r}')
            dim, tag = (-1, match[1]) if match[2] is None else (int(match[1]), match[2])
            if dim > 3:
                raise Fault(where, f"a group of dimension {dim}")
            self.names.append((dim, int(tag), match[3].decode("utf-8", "replace")))

    def _entities(self) -> None:
        where = "$Entities"
        if self.version == 3:
            stream: _Text | _Binary = _Text(self._numbers(np.float64, where), where)
        else:
            stream = self._stream(where)
        for dim, count in enumerate(stream.take("nnnn")):
            for _ in range(count):
                tag = stream.take("i")[0]
                if self.version != 3:
                    stream.array("d", 3 if dim == 0 and self.version > 4 else 6)
                elif dim:
                    stream.array("i", stream.take("i")[0])
                self._group(stream, dim, tag)
                if dim and self.version != 3:
                    stream.array("i", stream.take("n")[0])
        self._close(stream)

    def _group(self, stream: _Text | _Binary, dim: int, tag: int) -> None:
        physical = stream.array("i", stream.take("i" if self.version == 3 else "n")[0]).tolist()
        if physical:
            self.groups[dim, tag] = physical

    def _partitioned_entities(self) -> None:
        stream = self._stream("$PartitionedEntities")
        _, n_ghosts = stream.take("nn")
        stream.array("i", 2 * n_ghosts)
        for dim, count in enumerate(stream.take("nnnn")):
            for _ in range(count):
                tag, _, _, n_parts = stream.take("iiin")
                parts = stream.array("i", n_parts)
                self.parts[dim, tag] = int(parts[0]) if n_parts else 0
                stream.array("d", 3 if dim == 0 and self.version > 4 else 6)
                self._group(stream, dim, tag)
                if dim:
                    stream.array("i", stream.take("n")[0])
        self._close(stream)

    def _close(self, stream: _Text | _Binary) -> None:
        if isinstance(stream, _Binary):
            self.at = stream.at
        elif stream.at != len(stream.values):
            raise Fault(stream.where, "there is more in it than it declares", _CUT)

    # -- nodes --------------------------------------------------------------------------------

    def _nodes(self) -> None:
        where = "$Nodes"
        if self.version >= 4:
            self._node_blocks(where)
            return
        count = self._count(where, 28 if self.binary else 8)
        if self.binary and self.version != 3:
            form = np.dtype([("tag", f"{self.order}i4"), ("x", f"{self.order}f8", 3)])
            rows = np.frombuffer(self.data, form, count, self.at)
            self.node_tags = rows["tag"].astype(np.int64)
            self.points = rows["x"].astype(np.float64)
            self.at += rows.nbytes
        elif self.binary:
            self._binary_parametric(count, where)
        else:
            flat = self._numbers(np.float64, where)
            if len(flat) == 4 * count:
                starts = np.arange(0, len(flat), 4)
            else:  # the entity follows
                starts = _chain(_parametric(flat, self.version == 3), count, 5, where)
            self._take_nodes(flat, starts, where)

    def _parametric_nodes(self) -> None:
        """MSH 2: each node says which entity it lies on, and at which of its parameters."""
        where = "$ParametricNodes"
        count = self._count(where, 36 if self.binary else 12)
        if self.binary:
            self._binary_parametric(count, where)
        else:
            flat = self._numbers(np.float64, where)
            self._take_nodes(
                flat, _chain(_parametric(flat, False), count, 6, where), where
            )

    def _take_nodes(self, flat: np.ndarray, starts: np.ndarray, where: str) -> None:
        self.node_tags = _whole(flat[starts], where)
        self.points = np.stack([flat[starts + axis] for axis in (1, 2, 3)], axis=-1)

    def _binary_parametric(self, count: int, where: str) -> None:
        stream = _Binary(self.data, self.at, self.order, self.size, where)
        rows = []
        for _ in range(count):
            tag, x, y, z, first = stream.take("idddi")
            rows.append((tag, x, y, z))
            if self.version == 3 and not first:
                continue
            dim = (first, stream.take("i")[0])[self.version == 3]
            stream.array("d", dim if 0 <= dim <= 2 else 0)
        self.node_tags = np.array([row[0] for row in rows], np.int64)
        self.points = np.array([row[1:] for row in rows], np.float64).reshape(-1, 3)
        self.at = stream.at

    def _node_blocks(self, where: str) -> None:
        stream = self._stream(where)
        new = self.version > 4
        n_blocks, n_nodes = stream.take("nnnn" if new else "nn")[:2]
        tags, points = [np.empty(0, np.int64)], [np.empty((0, 3))]
        for _ in range(n_blocks):
            head = stream.take("iiin")
            dim, count = head[0 if new else 1], head[3]
            extra = min(max(dim, 0), 3) if head[2] else 0
            if new:
                tags.append(stream.array("n", count))
                points.append(stream.array("d", count * (3 + extra)).reshape(count, 3 + extra)[:, :3])
            elif isinstance(stream, _Text):
                rows = stream.array("d", count * (4 + extra)).reshape(count, 4 + extra)
                tags.append(_whole(rows[:, 0], where))
                points.append(rows[:, 1:4])
            else:
                width = 4 + 8 * (3 + extra)
                left = len(self.data) - stream.at
                if count * width > left:
                    raise Fault(where, f"{count} nodes declared, {left} bytes are left", _CUT)
                form = [("tag", f"{self.order}i4"), ("x", f"{self.order}f8", 3 + extra)]
                table = np.frombuffer(self.data, np.dtype(form), count, stream.at)
                tags.append(table["tag"].astype(np.int64))
                points.append(table["x"][:, :3])
                stream.at += count * width
        self.node_tags, self.points = np.concatenate(tags), np.concatenate(points)
        self._finish(stream, len(self.node_tags), n_nodes, "nodes")

    def _finish(self, stream: _Text | _Binary, found: int, declared: int, what: str) -> None:
        if found != declared:
            raise Fault(stream.where, f"{found} {what} in its blocks, {declared} declared", _CUT)
        self._close(stream)

    # -- elements -----------------------------------------------------------------------------

    def _elements(self) -> None:
        where = "$Elements"
        if self.version >= 4:
            self._element_blocks(where)
        elif self.binary and self.version != 3:
            self._element_runs(where)
        else:
            self._element_rows(where)

    def _element_rows(self, where: str) -> None:
        """Elements that each say what they are: one list of integers, however lines break."""
        count = self._count(where, 4)
        if self.binary:  # MSH 3
            ints = (len(self.data) - self.at) // 4
            flat = np.frombuffer(self.data, f"{self.order}i4", ints, self.at).astype(np.int32)
        else:
            flat = self._numbers(np.int64, where)
        n = len(flat)
        kinds = np.zeros(n, np.uint8)
        kinds[:-1] = np.clip(flat[1:], 0, N_KINDS - 1)
        # Where the length of a record is, and what else belongs to it: NUMBER TYPE, then
        # MSH 1: physical, entity, N, nodes; MSH 2: N, tags, nodes; MSH 3: entity, N, nodes.
        head = {1: 5, 2: 3, 3: 4}[int(self.version)]
        more = np.zeros(n, np.int32)
        more[: 1 - head] = np.clip(flat[head - 1 :], -1, 2**20)
        step = head + more
        if head == 3:
            step += N_NODES.astype(np.int32)[kinds]
        step[(more < 0) | (VTK_CODE[kinds] == 0)] = 0
        starts, end = _walk(step, count, head, where)
        self.tags, self.kinds = (flat[starts + k].astype(np.int64) for k in (0, 1))
        sizes = self._known(self.kinds, where)
        self._walked(len(starts), count, end, n, where)
        first = starts + head
        n_left = more[starts]
        if head == 3:
            n_tags = n_left
            first, n_left = first + n_tags, sizes
            self._set_tags(flat, starts + 3, n_tags)
        elif head == 5:
            self.physical, self.entity = (flat[starts + k].astype(np.int64) for k in (2, 3))
        else:
            self.entity = flat[starts + 2].astype(np.int64)
        if np.any(bad := (n_left < sizes) if head == 4 else (n_left != sizes)):
            element = int(np.argmax(bad))
            reason = f"{n_left[element]} nodes, expected {sizes[element]}"
            raise Fault(f"{where}, element {element}", reason)
        self.nodes = flat[spread(first, sizes)].astype(np.int64)
        if self.binary:
            self.at += 4 * end
        if head == 4:
            self._from_entities(np.arange(count), np.ones(count, np.int64))
        else:
            self._from_columns()

    def _walked(self, found: int, count: int, end: int, n: int, where: str) -> None:
        if found < count or end > n:
            raise Fault(f"{where}, entry {found - 1}", "it does not fit into the section", _CUT)
        if end < n and not self.binary:
            raise Fault(where, f"more numbers than its {count} entries need", _CUT)

    def _element_runs(self, where: str) -> None:
        """MSH 2 in binary: a header for each run of elements that are alike."""
        count = self._count(where, 4)
        ints = np.frombuffer(self.data, f"{self.order}i4", (len(self.data) - self.at) // 4, self.at)
        header = struct.Struct(f"{self.order}3i")
        heads, done, at = [], 0, 0
        while done < count:
            if at + 3 > len(ints):
                raise Fault(where, f"{done} elements found, {count} declared", _CUT)
            kind, n, n_tags = header.unpack_from(self.data, self.at + 4 * at)
            known = 0 < kind < N_KINDS and VTK_CODE[kind]
            if not known:
                self._known(np.array([kind]), where)
            width = 1 + n_tags + int(N_NODES[kind])
            if n < 1 or n_tags < 0 or at + 3 + n * width > len(ints):
                reason = f"{n} elements of type {kind} with {n_tags} tags: more than is left"
                raise Fault(where, reason, _CUT)
            heads.append((kind, n, n_tags, at + 3, width))
            done += n
            at += 3 + n * width
        if done != count:
            raise Fault(where, f"{done} elements in its blocks, {count} declared", _CUT)
        table = np.array(heads, np.int64).reshape(-1, 5)
        runs = table[:, 1]
        rank = spread(np.zeros(len(runs), np.int64), runs)
        self.kinds, n_tags, start, width = (np.repeat(table[:, k], runs) for k in (0, 2, 3, 4))
        starts = start + rank * width
        self.tags = ints[starts].astype(np.int64)
        self._set_tags(ints, starts + 1, n_tags)
        self.nodes = ints[spread(starts + 1 + n_tags, N_NODES[self.kinds])].astype(np.int64)
        self.at += 4 * at
        self._from_columns()

    def _element_blocks(self, where: str) -> None:
        if self.binary:
            stream: _Text | _Binary = self._stream(where)
        else:
            stream = _Text(self._numbers(np.int64, where), where)
        new = self.version > 4
        code = "n" if new else "i"
        n_blocks, n_elements = stream.take("nnnn" if new else "nn")[:2]
        heads, tags, nodes = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for _ in range(n_blocks):
            first, second, kind, count = stream.take("iiin")
            dim, entity = (first, second) if new else (second, first)
            if not (0 < kind < N_KINDS and VTK_CODE[kind]):
                self._known(np.array([kind]), where)
            width = 1 + int(N_NODES[kind])
            rows = stream.array(code, count * width).reshape(count, width)
            tags.append(rows[:, 0])
            nodes.append(rows[:, 1:].ravel())
            heads.append((dim, entity, kind, count))
        self.tags, self.nodes = np.concatenate(tags), np.concatenate(nodes)
        table = np.array(heads, np.int64).reshape(-1, 4)
        counts = table[:, 3]
        self.kinds, self.entity = np.repeat(table[:, 2], counts), np.repeat(table[:, 1], counts)
        self._finish(stream, len(self.tags), n_elements, "elements")
        self._from_entities(np.cumsum(counts) - counts, counts)

    def _known(self, kinds: np.ndarray, where: str) -> np.ndarray:
        """Nodes of each element; a Fault that names the first type that VTK lacks."""
        inside = np.where((kinds > 0) & (kinds < N_KINDS), kinds, 0)
        if np.any(VTK_CODE[inside] == 0):
            element = int(np.argmax(VTK_CODE[inside] == 0))
            kind = int(kinds[element])
            reason = f"element type {kind} ({name_of(kind)}) has no equal in VTK"
            raise Fault(where, reason, "mesh with ordinary elements, or convert it with gmsh")
        return N_NODES[inside]

    # -- groups -------------------------------------------------------------------------------

    def _set_tags(self, flat: np.ndarray, at: np.ndarray, n_tags: np.ndarray) -> None:
        """MSH 2: group, entity, how many partitions, and which (before MSH 2.2: which)."""

        def tag(place: int) -> np.ndarray:
            found = flat[np.minimum(at + place, max(len(flat) - 1, 0))]
            return np.where(n_tags > place, found, 0).astype(np.int64)

        self.physical, self.entity = tag(0), tag(1)
        place = 3 if self.version > 2.1 else 2
        if np.any(n_tags > place):
            self.partition = tag(place)

    def _from_columns(self) -> None:
        """Groups of elements that name their only group: runs of one tag and dimension."""
        tags = np.abs(_int32(self.physical))
        keys = _key(DIM[VTK_CODE[self.kinds]], tags)
        change = np.flatnonzero(np.diff(keys, prepend=-1) != 0)
        counts = np.diff(np.append(change, len(keys)))
        named = tags[change] != 0
        self.members = (keys[change][named], change[named], counts[named])

    def _from_entities(self, starts: np.ndarray, counts: np.ndarray) -> None:
        """Groups of elements whose entity has them: `counts` elements of one entity each."""
        filled = counts > 0
        starts, counts = starts[filled], counts[filled]
        dims = DIM[VTK_CODE[self.kinds[starts]]]
        where, which = np.unique(_key(dims, _int32(self.entity[starts])), return_inverse=True)
        entities = [(int(key >> 33), int(key & (2**33 - 1)) - 2**32) for key in where.tolist()]
        groups = [self.groups.get(entity, []) for entity in entities]
        first = np.array([group[0] if group else 0 for group in groups], np.int64)
        self.physical = np.repeat(first[which], counts)
        if self.parts:
            part = np.array([self.parts.get(entity, 0) for entity in entities], np.int64)
            self.partition = np.repeat(part[which], counts)
        keys, begins, lengths = ([np.empty(0, np.int64)] for _ in range(3))
        for level in range(max(map(len, groups), default=0)):
            tag = np.array([abs(g[level]) if len(g) > level else 0 for g in groups], np.int64)[which]
            mine = (tag > 0) & (tag < 2**31)
            keys.append(_key(dims[mine], tag[mine]))
            begins.append(starts[mine])
            lengths.append(counts[mine])
        order = np.argsort(np.concatenate(begins), kind="stable")
        self.members = tuple(np.concatenate(part)[order] for part in (keys, begins, lengths))

    def _regions(self) -> tuple[dict[str, Region], dict[str, np.ndarray]]:
        """Physical groups as regions, and the tag and dimension of each that has a name."""
        keys, starts, counts = self.members
        order = np.argsort(keys, kind="stable")
        found, first = np.unique(keys[order], return_index=True)
        groups = {}
        for key, mine in zip(found.tolist(), np.split(order, first[1:]), strict=False):
            ids = spread(starts[mine], counts[mine])
            groups[int(key >> 33), int(key & (2**33 - 1)) - 2**32] = ids
        ids: dict[str, list[np.ndarray]] = {}
        pairs: dict[str, list[tuple[int, int]]] = {}
        for dim, tag, name in self.names:
            mine = [(d, t) for d, t in groups if t == tag] if dim < 0 else [(dim, tag)]
            for pair in mine or [(0, tag)]:
                ids.setdefault(name, []).append(groups.get(pair, np.empty(0, np.int64)))
                pairs.setdefault(name, []).append((pair[1], pair[0]))
        named = {(dim, tag) for found in pairs.values() for tag, dim in found}
        for (dim, tag), mine in groups.items():
            if (dim, tag) not in named:
                ids.setdefault(f"physical {GROUP[dim]} {tag}", []).append(mine)
        regions = {
            name: Region("cell", parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts)))
            for name, parts in ids.items()
        }
        return regions, {n: np.array(p if len(p) > 1 else p[0]) for n, p in pairs.items()}

    # -- the mesh -----------------------------------------------------------------------------

    def _index_nodes(self) -> None:
        """Node tags to places in `points`, in VTK's order of nodes."""
        self.nodes = Lookup(self.node_tags, "$Nodes: node").find(self.nodes, "$Elements")
        sizes = N_NODES[self.kinds]
        ends = np.cumsum(sizes)
        for kind in np.flatnonzero(np.bincount(self.kinds, minlength=1)).tolist():
            if (order := order_of(kind)) is not None:
                start = (ends - sizes)[self.kinds == kind]
                self.nodes[start[:, None] + np.arange(len(order))] = self.nodes[start[:, None] + order]

    def times(self) -> list[float]:
        return sorted({view.time for view in self.views})

    def mesh(self, time: float | None = None, arrays: Iterable[str] | None = None) -> Mesh:
        """The mesh with each array as it was last given up to `time` (None: at the end)."""
        types = VTK_CODE[self.kinds]
        regions, field_data = self._regions()
        cell_data = {}
        if len(types):
            cell_data["gmsh:physical"] = _int32(self.physical).astype(np.int32)
            cell_data["gmsh:geometrical"] = _int32(self.entity).astype(np.int32)
            if self.partition is not None:
                cell_data["gmsh:partition"] = _int32(self.partition).astype(np.int32)
        times = self.times()
        if len(times) > 1 or any(times):
            field_data["TimeValue"] = np.array([times[-1] if time is None else time])
        storage = {"msh": f"{self.version:g} {'binary' if self.binary else 'ascii'}"}
        mesh = Mesh(
            self.points,
            types,
            np.concatenate([[0], np.cumsum(N_NODES[self.kinds])]),
            self.nodes,
            cell_data=cell_data,
            field_data=field_data,
            regions=regions,
            storage=storage,
        )
        wanted = None if arrays is None else set(arrays)
        chosen: dict[tuple[bool, str], View] = {}
        for view in sorted(self.views, key=lambda view: view.time):
            key = (view.section == "NodeData", view.name)
            if key not in chosen or time is None or view.time <= time:
                chosen[key] = view
        lookups: dict[bool, Lookup] = {}
        for (on_points, name), view in chosen.items():
            if wanted is not None and name not in wanted:
                continue
            if on_points not in lookups:
                tags = self.node_tags if on_points else self.tags
                lookups[on_points] = Lookup(tags, "", twice=True)
            data = mesh.point_data if on_points else mesh.cell_data
            data[name] = self._values(view, lookups[on_points])
        mesh.check()
        return mesh

    # -- data ---------------------------------------------------------------------------------

    def _view(self) -> None:
        section = self.section
        where = f"${section}"
        texts = [self._line() for _ in range(self._count(where, 1))]
        name = texts[0].decode("utf-8", "replace").strip() if texts else section
        name = name[1:-1] if name[:1] == name[-1:] == '"' and len(name) > 1 else name
        try:
            reals = [float(self._line().replace(b"_", b"?")) for _ in range(self._count(where, 1))]
        except ValueError:
            raise Fault(where, "a time that is no number") from None
        whole = [self._integer(where) for _ in range(self._count(where, 2))]
        if len(whole) < 3 or whole[1] < 1 or whole[2] < 0:
            raise Fault(where, f"a header of {whole}, expected step, components, entities")
        time = reals[0] if reals else 0.0
        if not np.isfinite(time):
            raise Fault(where, f"a time of {time}")
        width, count = whole[1], whole[2]
        start, left = self.at, len(self.data) - self.at
        least = (4 + 8 * width) if self.binary else 2 * (1 + width)
        if count * least > left + 1:
            reason = f"{count} rows of {width} values declared, {left} bytes are left"
            raise Fault(where, reason, _CUT)
        if self.binary and section != "ElementNodeData":
            self.at += count * least
        else:
            end = self.data.find(b"$End" + section.encode(), self.at)
            self.at = len(self.data) if end < 0 else end
        self.views.append(View(section, name, time, width, count, start, self.at))

    def _values(self, view: View, lookup: Lookup) -> np.ndarray:
        """The rows of a view by point or cell; NaN where the file gives none."""
        where = f"${view.section} {view.name[:80]!r}"
        if view.section == "ElementNodeData":
            return self._nodal(view, lookup, where)
        n, width = view.count, view.width
        if self.binary:
            form = np.dtype([("tag", f"{self.order}i4"), ("x", f"{self.order}f8", (width,))])
            rows = np.frombuffer(self.data, form, n, view.at)
            tags, values = rows["tag"].astype(np.int64), rows["x"].astype(np.float64)
        else:
            self.at = view.at
            flat = self._numbers(np.float64, where)
            if len(flat) != n * (1 + width):
                reason = f"{len(flat)} numbers, expected {n} rows of 1 + {width}"
                raise Fault(where, reason, _CUT)
            table = flat.reshape(n, 1 + width)
            tags, values = _whole(table[:, 0], where), table[:, 1:]
        if n == lookup.count and lookup.is_order(tags):
            out = np.ascontiguousarray(values)
        else:
            if lookup.count * width > 64 * (n * width + lookup.count):
                raise Fault(where, f"{width} components, and {n} rows for {lookup.count}")
            out = np.full((lookup.count, width), np.nan)
            out[lookup.find(tags, where)] = values
        return out[:, 0] if width == 1 else out

    def _nodal(self, view: View, lookup: Lookup, where: str) -> np.ndarray:
        """Values at each element's own nodes: (M, nodes * components), NaN behind the last."""
        n, width = view.count, view.width
        if self.binary:
            ints = np.frombuffer(self.data, f"{self.order}i4", (view.end - view.at) // 4, view.at)
            counts, at = [], 0
            for _ in range(n):
                if at + 2 > len(ints) or ints[at + 1] < 0:
                    raise Fault(where, "the section is not complete", _CUT)
                counts.append((at, int(ints[at]), int(ints[at + 1])))
                at += 2 + 2 * width * counts[-1][2]
            if at > len(ints):
                raise Fault(where, "the section is not complete", _CUT)
            table = np.array(counts, np.int64).reshape(-1, 3)
            tags, sizes = table[:, 1], table[:, 2]
            places = spread(table[:, 0] + 2, 2 * width * sizes)
            values = np.ascontiguousarray(ints[places]).view(f"{self.order}f8")
        else:
            self.at = view.at
            flat = self._numbers(np.float64, where)
            more = np.append(flat[1:], 0)
            whole = (more >= 0) & (more < len(flat)) & (more == np.floor(more))
            step = np.where(whole, 2 + width * np.where(whole, more, 0).astype(np.int64), 0)
            starts = _chain(step, n, 2, where)
            tags, sizes = _whole(flat[starts], where), flat[starts + 1].astype(np.int64)
            values = flat[spread(starts + 2, width * sizes)]
        cells = lookup.find(tags, where)
        most = int(sizes.max(initial=1))
        if most * width * lookup.count > 64 * (len(values) + lookup.count):
            raise Fault(where, f"an element with values at {most} nodes")
        out = np.full((lookup.count, most, width), np.nan)
        row = np.repeat(cells, sizes)
        local = spread(np.zeros(len(sizes), np.int64), sizes)
        out[row, local] = values.reshape(-1, width)
        for kind in np.unique(self.kinds).tolist():
            order = order_of(kind)
            if order is not None and len(order) <= most:
                mine = np.flatnonzero(self.kinds == kind)
                out[mine[:, None], np.arange(len(order))] = out[mine[:, None], order]
        return out.reshape(lookup.count, -1)


class Lookup:
    """Tags of a file to places in its lists."""

    def __init__(self, tags: np.ndarray, what: str, twice: bool = False) -> None:
        self.tags, self.count = tags, len(tags)
        self.first = int(tags[0]) if len(tags) else 0
        self.dense = bool(np.all(np.diff(tags) == 1))
        if not self.dense:
            self.order = np.argsort(tags, kind="stable")
            self.sorted = tags[self.order]
            same = self.sorted[1:] == self.sorted[:-1]
            if np.any(same) and not twice:
                tag = int(self.sorted[1:][same][0])
                raise Fault(what, f"{int(np.sum(same))} tags occur twice, the first is {tag}")

    def is_order(self, tags: np.ndarray) -> bool:
        return np.array_equal(tags, self.tags)

    def find(self, tags: np.ndarray, where: str) -> np.ndarray:
        """Where each tag is. Raises Fault for one that is nowhere."""
        if self.dense:
            places = tags - self.first
            bad = (places < 0) | (places >= self.count)
        else:
            at = np.minimum(np.searchsorted(self.sorted, tags), self.count - 1)
            places, bad = self.order[at], self.sorted[at] != tags
        if np.any(bad):
            raise Fault(where, f"it refers to {tags[np.argmax(bad)]}, which is not there")
        return places



def _key(dim: np.ndarray, tag: np.ndarray) -> np.ndarray:
    """One integer for a dimension and a tag of 32 bits."""
    return (dim.astype(np.int64) << 33) + tag + 2**32


def _int32(values: np.ndarray) -> np.ndarray:
    """0 for what is no tag of 32 bits."""
    return np.where(np.abs(values) < 2**31, values, 0)


def _whole(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind != "f":
        return values.astype(np.int64, copy=False)
    with np.errstate(invalid="ignore"):
        bad = ~((np.abs(values) < _SHORTEST) & (values == np.trunc(values)))
    if np.any(bad):
        raise Fault(where, f"{values[np.argmax(bad)]} where an integer belongs")
    return values.astype(np.int64)


def _parametric(flat: np.ndarray, tag_first: bool) -> np.ndarray:
    """How many numbers each node takes if it begins here: NUMBER X Y Z, entity, parameters."""
    padded = np.append(flat, np.zeros(6))
    dim = padded[5 : len(flat) + 5] if tag_first else padded[4 : len(flat) + 4]
    step = 6 + np.where(dim == 1, 1, 0) + np.where(dim == 2, 2, 0)
    return np.where(padded[4 : len(flat) + 4] == 0, 5, step) if tag_first else step


def _walk(step: np.ndarray, count: int, least: int, where: str) -> tuple[np.ndarray, int]:
    """Where up to `count` records begin, one behind the other, and where the last one ends.

    step[i] is the length of a record that begins at i; one that is too short ends the walk.
    """
    if count * least > len(step):
        raise Fault(where, f"{count} entries declared, {len(step)} numbers are left", _CUT)
    following = np.arange(len(step))
    following += np.where(step < least, len(step) + 1, step)
    places = memoryview(following)
    starts, at = [], 0
    for _ in range(count):
        if at >= len(step):
            break
        starts.append(at)
        at = places[at]
    return np.array(starts, np.int64), at


def _chain(step: np.ndarray, count: int, least: int, where: str) -> np.ndarray:
    """Where `count` records begin that fill the list. Raises Fault."""
    starts, end = _walk(step, count, least, where)
    if len(starts) < count or end != len(step):
        reason = f"its numbers do not make up {count} entries"
        raise Fault(f"{where}, entry {max(len(starts) - 1, 0)}", reason, _CUT)
    return starts
