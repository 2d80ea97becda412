"""The sections of Gmsh's files of every version, into arrays.

Source: Gmsh manual, "Gmsh file formats" (MSH 4.1, 2 and 1); 3.0 and 4.0 as Gmsh itself writes them.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np

from .._files import CUT, Fault
from .._gmsh_cells import N_KINDS, N_NODES, VTK_CODE, name_of
from .._ragged import ragged, within
from ._source import Binary, Source, Text, chain, walk, whole

_NAME = re.compile(rb'\s*(\d+)\s+(?:(-?\d+)\s+)?"(.*)"')
_N_NODES = N_NODES.tolist()


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


class Sections(Source):
    """The content of a file. Raises Fault."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.names: list[tuple[int, int, str]] = []  # dimension (-1: any), tag, name
        self.groups: dict[tuple[int, int], list[int]] = {}  # entity -> its physical tags
        self.parts: dict[tuple[int, int], int] = {}  # entity -> its partition
        self.points = np.empty((0, 3))
        none = np.empty(0, np.int64)
        self.node_tags = self.tags = self.kinds = self.nodes = self.entity = self.physical = none
        # Runs of elements of one entity, first and number, where entities have the groups.
        self.blocks: tuple[np.ndarray, np.ndarray] | None = None
        self.partition: np.ndarray | None = None
        self.views: list[View] = []
        found = self._sections()
        if not (found & {"Nodes", "NOD", "ParametricNodes"} and found & {"Elements", "ELM"}):
            raise Fault("content", "it has no $Nodes or no $Elements section", CUT)

    def _sections(self) -> set[str]:
        readers = {
            "MeshFormat": self._format, "PhysicalNames": self._physical_names,
            "Entities": self._entities, "PartitionedEntities": self._partitioned_entities,
            "Nodes": self._nodes, "NOD": self._nodes, "ParametricNodes": self._parametric_nodes,
            "Elements": self._elements, "ELM": self._elements, "NodeData": self._view,
            "ElementData": self._view, "ElementNodeData": self._view,
        }  # fmt: skip
        found: dict[str, memoryview] = {}
        bytes_ = memoryview(self.data)
        n_open = 0
        at = self.data.find(b"$")
        while at >= 0:
            self.at = at
            name = self.section = self._line()[1:].decode("utf-8", "replace")
            if name in readers:
                if name == "NOD":
                    self.version = 1.0
                elif name != "MeshFormat" and not self.version:
                    raise Fault(f"${name}", "it comes before $MeshFormat", CUT)
                start = self.at
                if name not in found or name.endswith("Data"):
                    readers[name]()
                    found[name] = bytes_[start : self.at]
                elif found[name] == bytes_[start : start + len(found[name])]:
                    self.at += len(found[name])  # Gmsh appends a view together with its mesh
                else:
                    raise Fault(f"${name}", "a second one, unlike the first: one mesh a file")
                at = self.data.find(b"$", self.at)
                if self.data[self.at : at if at >= 0 else None].strip():
                    raise Fault(f"${name}", "there is more in it than it declares", CUT)
            elif name[:3].upper() == "END":
                at = self.data.find(b"$", self.at)
            else:  # of no use here, or unknown
                at = self.data.find(b"$End" + name.encode(), self.at)
                if at < 0:
                    at = self.data.find(b"$", self.at)
                    n_open += 1
                if n_open > 100:
                    raise Fault("content", "100 sections that do not end", CUT)
        return set(found)

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
            stream: Text | Binary = Text(self._numbers(np.float64, where), where)
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

    def _group(self, stream: Text | Binary, dim: int, tag: int) -> None:
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
                starts = chain(_parametric(flat, self.version == 3), count, 5, where)
            self._take_nodes(flat, starts, where)

    def _parametric_nodes(self) -> None:
        """MSH 2: each node says which entity it lies on, and at which of its parameters."""
        where = "$ParametricNodes"
        count = self._count(where, 36 if self.binary else 12)
        if self.binary:
            self._binary_parametric(count, where)
        else:
            flat = self._numbers(np.float64, where)
            self._take_nodes(flat, chain(_parametric(flat, False), count, 6, where), where)

    def _take_nodes(self, flat: np.ndarray, starts: np.ndarray, where: str) -> None:
        self.node_tags = whole(flat[starts], where)
        self.points = np.stack([flat[starts + axis] for axis in (1, 2, 3)], axis=-1)

    def _binary_parametric(self, count: int, where: str) -> None:
        stream = Binary(self.data, self.at, self.order, self.size, where)
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
                points.append(
                    stream.array("d", count * (3 + extra)).reshape(count, 3 + extra)[:, :3]
                )
            elif isinstance(stream, Text):
                rows = stream.array("d", count * (4 + extra)).reshape(count, 4 + extra)
                tags.append(whole(rows[:, 0], where))
                points.append(rows[:, 1:4])
            else:
                width = 4 + 8 * (3 + extra)
                left = len(self.data) - stream.at
                if count * width > left:
                    raise Fault(where, f"{count} nodes declared, {left} bytes are left", CUT)
                form = [("tag", f"{self.order}i4"), ("x", f"{self.order}f8", 3 + extra)]
                table = np.frombuffer(self.data, np.dtype(form), count, stream.at)
                tags.append(table["tag"].astype(np.int64))
                points.append(table["x"][:, :3])
                stream.at += count * width
        self.node_tags, self.points = np.concatenate(tags), np.concatenate(points)
        self._finish(stream, len(self.node_tags), n_nodes, "nodes")

    def _finish(self, stream: Text | Binary, found: int, declared: int, what: str) -> None:
        if found != declared:
            raise Fault(stream.where, f"{found} {what} in its blocks, {declared} declared", CUT)
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
        starts, end = walk(step, count, head, where)
        if len(starts) and starts[-1] + head > n:  # the last one is cut off
            self._walked(0, count, end, n, where)
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
        self.nodes = flat[ragged(first, sizes)].astype(np.int64)
        if self.binary:
            self.at += 4 * end
        if head == 4:
            self.blocks = (np.arange(count), np.ones(count, np.int64))

    def _walked(self, found: int, count: int, end: int, n: int, where: str) -> None:
        if found < count or end > n:
            raise Fault(where, f"{count} entries do not fit into the section", CUT)
        if end < n and not self.binary:
            raise Fault(where, f"more numbers than its {count} entries need", CUT)

    def _element_runs(self, where: str) -> None:
        """MSH 2 in binary: a header for each run of elements that are alike."""
        count = self._count(where, 4)
        ints = np.frombuffer(self.data, f"{self.order}i4", (len(self.data) - self.at) // 4, self.at)
        header = struct.Struct(f"{self.order}3i")
        heads, done, at = [], 0, 0
        while done < count:
            if at + 3 > len(ints):
                raise Fault(where, f"{done} elements found, {count} declared", CUT)
            kind, n, n_tags = header.unpack_from(self.data, self.at + 4 * at)
            known = 0 < kind < N_KINDS and VTK_CODE[kind]
            if not known:
                self._known(np.array([kind]), where)
            width = 1 + n_tags + int(N_NODES[kind])
            if n < 1 or n_tags < 0 or at + 3 + n * width > len(ints):
                reason = f"{n} elements of type {kind} with {n_tags} tags: more than is left"
                raise Fault(where, reason, CUT)
            heads.append((kind, n, n_tags, at + 3, width))
            done += n
            at += 3 + n * width
        if done != count:
            raise Fault(where, f"{done} elements in its blocks, {count} declared", CUT)
        table = np.array(heads, np.int64).reshape(-1, 5)
        runs = table[:, 1]
        rank = within(runs)
        self.kinds, n_tags, start, width = (np.repeat(table[:, k], runs) for k in (0, 2, 3, 4))
        starts = start + rank * width
        self.tags = ints[starts].astype(np.int64)
        self._set_tags(ints, starts + 1, n_tags)
        self.nodes = ints[ragged(starts + 1 + n_tags, N_NODES[self.kinds])].astype(np.int64)
        self.at += 4 * at

    def _element_blocks(self, where: str) -> None:
        """MSH 4: blocks of elements of one entity and type: ENTITY, TYPE, COUNT, rows."""
        stream: Text | Binary
        if self.binary:
            stream = self._stream(where)
        else:
            stream = Text(self._numbers(np.int64, where), where)
        new = self.version > 4
        n_blocks, n_elements = stream.take("nnnn" if new else "nn")[:2]
        # Binary is counted in units of 4 bytes: a tag of MSH 4.1 has two of them.
        unit = 2 if self.binary and new and self.size == "Q" else 1
        if isinstance(stream, Binary):
            left = (len(self.data) - stream.at) // 4
            units = np.frombuffer(self.data, f"{self.order}i4", left, stream.at)
            at, length = 0, 3 + (2 if self.size == "Q" else 1)
            header = struct.Struct(f"{self.order}3i{self.size}")
        else:
            units, at, length = stream.values, stream.at, 4
        heads: list[tuple[int, int, int, int, int]] = []
        for _ in range(n_blocks):
            if at + length > len(units):
                raise Fault(where, f"{len(heads)} of {n_blocks} blocks found", CUT)
            if isinstance(stream, Binary):
                first, second, kind, count = header.unpack_from(self.data, stream.at + 4 * at)
            else:
                first, second, kind, count = units[at : at + 4].tolist()
            if not (0 < kind < N_KINDS and VTK_CODE[kind]):
                self._known(np.array([kind]), where)
            at += length
            total = unit * count * (1 + _N_NODES[kind])
            if not 0 <= total <= len(units) - at:
                left = (len(units) - at) // unit
                raise Fault(where, f"a block of {count} elements, {left} numbers are left", CUT)
            heads.append((second if new else first, kind, count, at, total))
            at += total
        table = np.array(heads, np.int64).reshape(-1, 5)
        entity, kinds, counts, starts, totals = table.T
        values = units[ragged(starts, totals)]
        values = (values.view(f"{self.order}i8") if unit == 2 else values).astype(np.int64)
        self.kinds, self.entity = np.repeat(kinds, counts), np.repeat(entity, counts)
        sizes = 1 + N_NODES[self.kinds]
        is_tag = np.zeros(len(values), bool)
        is_tag[np.cumsum(sizes) - sizes] = True
        self.tags, self.nodes = values[is_tag], values[~is_tag]
        stream.at += at * 4 if self.binary else at - stream.at
        self._finish(stream, len(self.tags), n_elements, "elements")
        self.blocks = (np.cumsum(counts) - counts, counts)

    def _known(self, kinds: np.ndarray, where: str) -> np.ndarray:
        """Nodes of each element; a Fault that names the first type that VTK lacks."""
        inside = np.where((kinds > 0) & (kinds < N_KINDS), kinds, 0)
        if np.any(VTK_CODE[inside] == 0):
            element = int(np.argmax(VTK_CODE[inside] == 0))
            kind = int(kinds[element])
            reason = f"element type {kind} ({name_of(kind)}) has no equal in VTK"
            raise Fault(where, reason, "mesh with ordinary elements, or convert it with gmsh")
        return N_NODES[inside]

    def _set_tags(self, flat: np.ndarray, at: np.ndarray, n_tags: np.ndarray) -> None:
        """MSH 2: group, entity, how many partitions, and which (before MSH 2.2: which)."""

        def tag(place: int) -> np.ndarray:
            found = flat[np.minimum(at + place, max(len(flat) - 1, 0))]
            return np.where(n_tags > place, found, 0).astype(np.int64)

        self.physical, self.entity = tag(0), tag(1)
        place = 3 if self.version > 2.1 else 2
        if np.any(n_tags > place):
            self.partition = tag(place)

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
            raise Fault(where, reason, CUT)
        if self.binary and section != "ElementNodeData":
            self.at += count * least
        else:
            end = self.data.find(b"$End" + section.encode(), self.at)
            self.at = len(self.data) if end < 0 else end
        self.views.append(View(section, name, time, width, count, start, self.at))


def _parametric(flat: np.ndarray, tag_first: bool) -> np.ndarray:
    """How many numbers each node takes if it begins here: NUMBER X Y Z, entity, parameters."""
    padded = np.append(flat, np.zeros(6))
    dim = padded[5 : len(flat) + 5] if tag_first else padded[4 : len(flat) + 4]
    step = 6 + np.where(dim == 1, 1, 0) + np.where(dim == 2, 2, 0)
    return np.where(padded[4 : len(flat) + 4] == 0, 5, step) if tag_first else step
