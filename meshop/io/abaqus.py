"""Abaqus and CalculiX input decks: nodes, elements, sets and surfaces, parts and instances.

Source: Abaqus Keywords Guide and CalculiX CrunchiX user's manual: *NODE, *ELEMENT, *NSET, *ELSET,
*SURFACE, *INCLUDE, *PART, *INSTANCE.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..mesh import SIZE, Mesh, Region, join
from ._abaqus_types import cell_of, facet_nodes
from ._bounds import Allowance
from ._files import Fault, guarded, read_bytes
from ._format import Format, warn_lost
from ._labels import Labels, all_numbers
from ._midside import sort_middles
from ._ragged import offsets_of
from ._text import to_numbers
from ._words import Words, blocks
from .foreign._meshio import write_meshio

_KEYWORD = re.compile(rb"(?m)^[ \t]*\*(?!\*)[ \t]*([^\n]*)\n?")
_LINE = re.compile(rb"[^\n]+")
_NO_LABEL = re.compile(rb"[^\d\s,]")
_INCLUDES = 100
_CHUNK = 1 << 18  # labels at once
_WORK = 64  # values that a step through sets costs, however small they are
_FACETS = ("S1", "S2", "S3", "S4", "S5", "S6", "SPOS", "SNEG")


def read_abaqus(path: Path) -> Mesh:
    """Read the mesh of a deck; what is no mesh (loads, materials, steps) is passed over.

    Element and node sets become regions, surfaces regions of facets; each instance of a part, and
    each part that has none, is one region too where there are several. Raises MeshFileError.
    """
    with guarded(path, "Abaqus"):
        deck = _Deck(path)
        deck.read(read_bytes(path), 0)
        mesh = deck.mesh()
    for kind, count in deck.unknown.items():
        warn_lost(path, "Abaqus", f"{count} elements of type {kind} are left out")
    return mesh


@dataclass
class _Part:
    """One space of node and element labels."""

    name: str = ""
    nodes: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    elements: list[tuple[np.ndarray, int, np.ndarray]] = field(default_factory=list)
    point_sets: dict[str, list] = field(default_factory=dict)
    cell_sets: dict[str, list] = field(default_factory=dict)
    surfaces: dict[str, list] = field(default_factory=dict)


class _Deck:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = [_Part()]  # the first is what stands outside of parts
        self.part = self.parts[0]
        self.instances: list[tuple[str, str, bytes]] = []
        self.sets_of: dict[str, _Part] = {}  # an instance, upper case -> its sets in the assembly
        self.unknown: dict[str, int] = {}
        self.files = self.size = 0

    def read(self, data: bytes, depth: int) -> None:
        """Go through the keywords, each with the lines up to the next."""
        self.size += len(data)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        data = re.sub(rb"(?m)^[ \t]*\*\*[^\n]*(\n|\Z)", b"", data)
        data = re.sub(rb",[ \t]*\n[ \t]*(?=[A-Za-z]+[ \t]*=)", b", ", data)  # a keyword's next line
        following = _KEYWORD.search(data)
        if following is None and depth == 0:
            raise Fault("content", "no line starts with *KEYWORD: this is no Abaqus deck")
        while (match := following) is not None:
            following = _KEYWORD.search(data, match.end())
            end = following.start() if following is not None else len(data)
            text = match[1].decode("utf-8", "replace")
            keyword, *options = (word.strip() for word in text.split(","))
            pairs = (option.partition("=") for option in options)
            named = {k.strip().upper(): v.strip().strip('"') for k, _, v in pairs}
            self._keyword(" ".join(keyword.upper().split()), named, data[match.end() : end], depth)

    def _keyword(self, keyword: str, options: dict[str, str], body: bytes, depth: int) -> None:
        if keyword == "NODE":
            labels = _nodes(body, self.part)
            if "NSET" in options:
                self.part.point_sets.setdefault(options["NSET"], []).append(labels)
        elif keyword == "ELEMENT":
            labels = self._elements(options, body)
            if "ELSET" in options:
                self.part.cell_sets.setdefault(options["ELSET"], []).append(labels)
        elif keyword in ("NSET", "ELSET"):
            name = options.get(keyword) or options.get("NAME", "")
            instance = options.get("INSTANCE", "").upper()
            part = self.sets_of.setdefault(instance, _Part()) if instance else self.part
            sets = part.point_sets if keyword == "NSET" else part.cell_sets
            sets.setdefault(name, []).extend(_members(body, f"*{keyword} {name}", options))
        elif keyword == "SURFACE":
            kind = options.get("TYPE", "ELEMENT").upper()
            self.part.surfaces.setdefault(options.get("NAME", ""), []).append((kind, body))
        elif keyword == "PART":
            self.part = _Part(options.get("NAME", ""))
            self.parts.append(self.part)
        elif keyword in ("END PART", "ASSEMBLY"):
            self.part = self.parts[0]
        elif keyword == "INSTANCE":
            self.instances.append((options.get("NAME", ""), options.get("PART", ""), body))
        elif keyword == "INCLUDE":
            self._include(options.get("INPUT", ""), depth)

    def _include(self, name: str, depth: int) -> None:
        where = f"*INCLUDE {name[:80]}"
        plain = name.replace("\\", "/").removeprefix("./")
        if not plain or "/" in plain or plain in (".", "..") or os.path.isabs(plain):
            raise Fault(where, "only files in the same folder are read", "copy it beside the deck")
        self.files += 1
        if depth >= 5 or self.files > _INCLUDES:
            raise Fault(where, "includes within includes without end")
        target = self.path.with_name(plain)
        if not target.is_file():
            raise Fault(where, "there is no such file beside the deck", "copy it there")
        self.read(read_bytes(target), depth + 1)

    def _elements(self, options: dict[str, str], body: bytes) -> np.ndarray:
        kind = options.get("TYPE", "").upper()
        where = f"*ELEMENT, TYPE={kind}"
        found = cell_of(kind)
        none = np.empty(0, np.int64)
        if found is None:
            count = sum(1 for line in body.splitlines() if line.strip())
            if count:
                self.unknown[kind] = self.unknown.get(kind, 0) + count
            return none
        code, order = found
        line = body.lstrip().partition(b"\n")[0]
        if (given := len([word for word in line.split(b",") if word.strip()]) - 1) > SIZE[code]:
            reason = f"a line of {given} nodes, expected {SIZE[code]}"
            raise Fault(where, reason, "save it with elements of first or second order, or as VTU")
        numbers = all_numbers(body.replace(b",", b" "), np.int64, where)
        size = int(SIZE[code])
        if len(numbers) % (size + 1):
            raise Fault(where, f"{len(numbers)} numbers, expected {size + 1} an element")
        rows = numbers.reshape(-1, size + 1)
        labels, nodes = rows[:, 0], rows[:, 1:]
        self.part.elements.append((labels, code, nodes[:, order] if order else nodes))
        return labels

    # -- to a mesh ------------------------------------------------------------------------------

    def mesh(self) -> Mesh:
        meshes, names = [], []
        room, copies = Allowance(self.size), Allowance(self.size, 64)
        used = {of.upper() for _, of, _ in self.instances}
        for part in self.parts:
            if part.nodes and part.name.upper() not in used | {""}:
                meshes.append(_mesh(part, room))
                names.append(part.name)
        known = {p.name.upper(): p for p in reversed(self.parts[1:]) if p.nodes}
        placed = [row for row in self.instances if row[1].upper() in known]
        made = {of: _mesh(known[of], room) for of in dict.fromkeys(r[1].upper() for r in placed)}
        for name, of, _ in placed:  # all of them are counted before the first is made
            mesh = made[of.upper()]
            ids = sum(region.ids.size for region in mesh.regions.values())
            copies.take(3 * mesh.n_points + len(mesh.cell_nodes) + ids, f"*INSTANCE {name}")
        for name, of, body in placed:
            part = known[of.upper()]
            own = self._instance(part, name)
            # Without sets of its own, only the points are its own.
            mesh = made[of.upper()].copy() if own is part else _mesh(own, room)
            mesh.points = _placed(mesh.points, body, f"*INSTANCE {name}")
            mesh.check()
            meshes.append(mesh)
            names.append(name or of)
        if self.parts[0].nodes or self.parts[0].elements:
            meshes.append(_mesh(self.parts[0], room))
            names.append("assembly" if names else "")
        if not meshes:
            raise Fault("content", "no *NODE with a node in it")
        return meshes[0] if len(meshes) == 1 else join(meshes, names)

    def _instance(self, part: _Part, name: str) -> _Part:
        """A part with the sets and surfaces that the assembly has of this instance of it."""
        more, surfaces = self.sets_of.get(name.upper()), self.parts[0].surfaces
        if more is None and not surfaces:
            return part
        more = more or _Part()
        return replace(
            part,
            point_sets=part.point_sets | more.point_sets,
            cell_sets=part.cell_sets | more.cell_sets,
            surfaces=part.surfaces | surfaces,
            name=name,
        )


def _nodes(body: bytes, part: _Part) -> np.ndarray:
    """Rows ``label, x, y, z``; what is left out or blank is 0."""
    where = "*NODE"
    if (width := _fields(body)) in (3, 4):
        numbers = all_numbers(body.replace(b",", b" "), np.float64, where)
        if len(numbers) % width:
            raise Fault(where, f"{len(numbers)} numbers, expected {width} a node")
        rows = np.zeros((len(numbers) // width, 4))
        rows[:, :width] = numbers.reshape(-1, width)
    else:
        parts = [np.empty((0, 4))]
        for text, _ in blocks(body):
            lines = (line.split(b",")[:4] for line in text.splitlines() if line.strip())
            words = [word.strip() or b"0" for row in lines for word in (*row, b"", b"", b"")[:4]]
            parts.append(to_numbers(words, np.float64, where).reshape(-1, 4))
        rows = np.concatenate(parts)
    labels = rows[:, 0]
    if not np.all((labels == np.floor(labels)) & (np.abs(labels) < 1 << 53)):
        raise Fault(where, "the label of a node is no whole number")
    if len(labels):
        part.nodes.append((labels.astype(np.int64), rows[:, 1:]))
    return labels.astype(np.int64)


def _fields(body: bytes) -> int:
    """How many fields each line has, if all have as many and none is blank; else 0."""
    if re.search(rb",[ \t]*[,\n]|\n[ \t]*\n", body) or not body.endswith(b"\n"):
        return 0
    text = np.frombuffer(body, "u1")
    commas = np.searchsorted(np.flatnonzero(text == ord(",")), np.flatnonzero(text == ord("\n")))
    counts = np.diff(commas, prepend=0)
    return int(counts[0]) + 1 if np.all(counts == counts[:1]) else 0


def _members(body: bytes, where: str, options: dict[str, str]) -> list:
    """Arrays of labels, arrays of ranges (n, 3), and names of other sets."""
    if "GENERATE" in options:
        return [_ranges(text, where) for text, _ in blocks(body)]
    if not _NO_LABEL.search(body):
        return [all_numbers(body.replace(b",", b" "), np.int64, where)]
    fields = [word.strip() for line in body.splitlines() for word in line.split(b",")]
    numbers = [word for word in fields if word.lstrip(b"-").isdigit()]
    rest = (word for word in fields if word and not word.lstrip(b"-").isdigit())
    names = [word.decode("utf-8", "replace").strip('"') for word in rest]
    return [to_numbers(numbers, np.int64, where), *names]


def _ranges(text: bytes, where: str) -> np.ndarray:
    """Lines ``first, last, step`` as (n, 3)."""
    words = Words(text, b",")
    found = to_numbers(text.replace(b",", b" ").split(), np.int64, where)
    at, sizes = words.offsets[:-1], np.diff(words.offsets)
    if np.any(sizes > 3):
        raise Fault(where, f"{sizes.max()} numbers in a line: expected first, last and step")
    last = found[np.where(sizes > 1, at + 1, at)]
    step = np.where(sizes > 2, found[np.where(sizes > 2, at + 2, at)], 1)
    if np.any(step < 1):
        raise Fault(where, f"a step of {step.min()}: expected first, last and step")
    return np.stack([found[at], last, step], axis=1)


def _placed(points: np.ndarray, body: bytes, where: str) -> np.ndarray:
    """Moved by the first line of an instance, then turned as its second says."""
    lines = [line for line in body.splitlines() if line.strip()][:2]
    rows = [to_numbers(line.replace(b",", b" ").split(), np.float64, where) for line in lines]
    if rows and len(rows[0]):
        points = points + np.pad(rows[0], (0, 3))[:3]
    if len(rows) > 1:
        if len(rows[1]) != 7:
            raise Fault(where, "its rotation needs two points and an angle")
        with np.errstate(all="ignore"):
            start, axis, angle = rows[1][:3], rows[1][3:6] - rows[1][:3], np.deg2rad(rows[1][6])
            length = np.linalg.norm(axis)
        if not 0 < length < np.inf:
            raise Fault(where, "the axis of its rotation has no length")
        axis, arms = axis / length, points - start
        with np.errstate(all="ignore"):  # Mesh refuses what is not finite
            turned = arms * np.cos(angle) + np.cross(axis, arms) * np.sin(angle)
            points = start + turned + np.outer(arms @ axis, axis) * (1 - np.cos(angle))
    return points


def _mesh(part: _Part, room: Allowance) -> Mesh:
    none = np.empty(0, np.int64)
    labels = np.concatenate([none, *(labels for labels, _ in part.nodes)])
    points = np.concatenate([np.empty((0, 3)), *(points for _, points in part.nodes)])
    places = Labels(labels)
    if np.any(places.sorted[1:] == places.sorted[:-1]):  # a later line replaces an earlier one
        last = np.append(places.sorted[1:] != places.sorted[:-1], True)
        keep = np.sort(places.order[last])
        labels, points = labels[keep], points[keep]
        places = Labels(labels)
    counts = [len(ids) for ids, _, _ in part.elements]
    types = np.repeat(np.array([code for _, code, _ in part.elements], np.uint8), counts)
    cells = Labels(np.concatenate([none, *(ids for ids, _, _ in part.elements)]))
    nodes = [places.places(nodes, "*ELEMENT").ravel() for _, _, nodes in part.elements]
    ids, offsets = np.concatenate([none, *nodes]), offsets_of(SIZE[types])
    sort_middles({29} & set(types.tolist()), types, offsets, ids, points, "*ELEMENT, TYPE=C3D27")
    mesh = Mesh(points, types, offsets, ids)
    cell_sets = _Sets(part.cell_sets, cells, room)
    point_sets = _Sets(part.point_sets, places, room)
    for name in part.cell_sets:
        ids = cell_sets.members(name, f"*ELSET {name}")
        mesh.regions[name] = Region("cell", ids)
    for name in part.point_sets:
        ids = point_sets.members(name, f"*NSET {name}")
        mesh.regions[f"{name} points" if name in mesh.regions else name] = Region("point", ids)
    for name, rows in part.surfaces.items():
        region = _surface(mesh, rows, cell_sets, point_sets, part.name, f"*SURFACE {name}")
        if region is not None:
            mesh.regions[f"{name} surface" if name in mesh.regions else name] = region
    mesh.check()
    return mesh


class _Sets:
    """Named sets of labels; a set may hold others, by their names."""

    def __init__(self, sets: dict[str, list], labels: Labels, room: Allowance) -> None:
        self.sets = {name.upper(): members for name, members in sets.items()}
        self.labels, self.room = labels, room

    def members(self, name: str, where: str) -> np.ndarray:
        """The places of a set's members, those of the sets that it names included."""
        labels = self.labels
        out, waiting, seen = [np.empty(0, np.int64)], [name.upper()], set()
        while waiting:
            key = waiting.pop()
            self.room.take(_WORK, where)
            if key in seen:
                continue
            seen.add(key)
            for member in self.sets.get(key, []):
                self.room.take(_WORK, where)
                if isinstance(member, str):
                    waiting.append(member.upper())
                    continue
                if member.ndim == 2:
                    self.room.take(_WORK * (len(member) - 1), where)
                    for first, last, step in member:
                        low, high = np.searchsorted(labels.sorted, [first, last + 1])
                        self.room.take(max(int(high - low), 0), where)
                        inside = labels.sorted[low:high]
                        out.append(labels.known(inside[(inside - first) % step == 0]))
                else:
                    self.room.take(len(member), where)
                    for at in range(0, len(member), _CHUNK):
                        out.append(labels.known(member[at : at + _CHUNK]))
        found = np.concatenate(out)
        first = np.full(len(labels.sorted), -1)  # where each member is named first
        first[found[::-1]] = np.arange(len(found))[::-1]
        return found[np.sort(first[first >= 0])]


def _surface(
    mesh: Mesh, surfaces: list, cell_sets: _Sets, point_sets: _Sets, part_name: str, where: str
) -> Region | None:
    """Facets of elements, or points; None for surfaces of other kinds."""
    facets: list[np.ndarray] = []
    points: list[np.ndarray] = []
    for kind, body in surfaces:
        for line in _LINE.finditer(body):
            row = [word.strip() for word in line[0].split(b",")]
            who = row[0].decode("utf-8", "replace").strip('"') if row and row[0] else ""
            side = row[1].decode("ascii", "replace").upper() if len(row) > 1 else ""
            of, dot, name = who.partition(".")  # INSTANCE.SET
            who = name if dot and of.upper() == part_name.upper() else who
            sets = point_sets if kind == "NODE" else cell_sets
            if not who or kind not in ("NODE", "ELEMENT"):
                continue
            if who.isascii() and who.isdigit() and len(who) < 18:
                ids = sets.labels.known(np.array([int(who)]))
            else:
                ids = sets.members(who, where)
            if kind == "NODE":
                points.append(ids)
            elif side in _FACETS:
                cell_sets.room.take(4 * len(ids), where)
                facets += _facets(mesh, ids, side)
    if points and sum(map(len, points)):
        return Region("point", np.concatenate(points))
    if not facets:
        return None
    width = max(ids.shape[1] for ids in facets)
    pads = [np.pad(ids, ((0, 0), (0, width - ids.shape[1])), constant_values=-1) for ids in facets]
    return Region("facet", np.concatenate(pads))


def _facets(mesh: Mesh, ids: np.ndarray, side: str) -> list[np.ndarray]:
    """The corner nodes of one side of each cell."""
    out = []
    for code in np.unique(mesh.cell_types[ids]).tolist():
        local = facet_nodes(code, side)
        if local:
            mine = ids[mesh.cell_types[ids] == code]
            out.append(mesh.cell_nodes[mesh.cell_offsets[mine][:, None] + np.array(local)])
    return out


def _claims(path: Path, start: bytes) -> bool:
    """A keyword of a deck as the first line that is no comment, and a suffix of Abaqus."""
    text = re.sub(rb"(?m)^[ \t]*\*\*[^\n]*\n?", b"", start)
    known = rb"\s*\*(heading|node|part|include|preprint|element|parameter|assembly)\b"
    return re.match(known, text, re.I) is not None


def write_abaqus(mesh: Mesh, path: str | os.PathLike) -> None:
    """Write nodes, elements and sets, through meshio. Raises MeshFileError."""
    write_meshio(mesh, path, "abaqus", read_abaqus)


FORMAT = Format(
    "Abaqus",
    (".inp",),
    read_abaqus,
    write_abaqus,
    _claims,
    regions="sets, surfaces, instances",
    lost="data arrays",
)
