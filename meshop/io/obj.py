"""Wavefront OBJ: points, faces, lines and points in file order; groups and materials as regions.

Source: Wavefront Technologies, "Advanced Visualizer Manual", appendix B1 (1995). Free-form curves
and surfaces are left out; faces give their control points no meaning.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..mesh import Mesh, Region
from ._bounds import Allowance, free_name
from ._files import Fault, atomic_write, guarded, read_bytes
from ._format import Format, warn_lost, warn_sorted
from ._ragged import ragged
from ._surface import face_types, require_types, warn_data, warn_regions, warn_types
from ._text import to_numbers
from ._words import Words, blocks, unix, without_comments

_NAMED = {b"g", b"o", b"usemtl"}
_POINT = {b"v": "points", b"vt": "texture", b"vn": "normals"}
_FIXED = {b"f": 0, b"fo": 0, b"l": 1, b"p": 2}
_WHY = ("cells around one point have different", "not every point has them")
_HINT = "export it again with the program that made it"


def read_obj(path: Path) -> Mesh:
    """Read an OBJ file.

    Groups (g), objects (o) and materials (usemtl) are regions of cells. Normals and texture
    coordinates are point data "Normals" and "TCoords" where every corner of a point has the same,
    else they are left out with a warning; colours behind the coordinates are "RGB". Raises
    MeshFileError.
    """
    with guarded(path, "OBJ"):
        data = read_bytes(path)
        if b"\0" in data[:4096]:
            raise Fault("content", "binary data, OBJ is text")
        data = unix(data)
        if b"\\" in data:
            data = data.replace(b"\\\r\n", b"  ").replace(b"\\\n", b" ")
        reader = _Reader(len(data))
        for text, start in blocks(data):
            text = without_comments(text)
            reader.take(Words(text), data, start)
        return reader.mesh(path)


class _Reader:
    def __init__(self, size: int) -> None:
        self.room = Allowance(size)
        self.rows: dict[bytes, list[np.ndarray]] = {key: [] for key in _POINT}  # values a line
        self.sizes: dict[bytes, list[np.ndarray]] = {key: [] for key in _POINT}
        self.count = dict.fromkeys(_POINT, 0)
        self.types: list[np.ndarray] = []
        self.lengths: list[np.ndarray] = []
        self.corners: list[np.ndarray] = []  # (n, 3) point, texture, normal; -1 where there is none
        self.cells = 0
        self.open: dict[bytes, list[str]] = {key: [] for key in _NAMED}
        self.since = dict.fromkeys(_NAMED, 0)
        self.spans: dict[tuple[bytes, str], array] = {}  # first cell and length, one after another

    def take(self, words: Words, data: bytes, start: int) -> None:
        """The lines of one block."""
        first = words.offsets[:-1]
        lengths = (words.ends - words.starts)[first]
        one = words.bytes[words.starts[first]]
        two = np.where(lengths == 2, words.bytes[words.starts[first] + (lengths > 1)], 0)
        short = lengths <= 2
        size = np.diff(words.offsets) - 1

        def where(line: int) -> str:
            at = start + int(words.starts[first[line]])
            return f"line {data.count(bytes([10]), 0, at) + 1}"

        of = {
            key: short & (one == key[0]) & (two == (key[1] if len(key) > 1 else 0))
            for key in (*_POINT, *_FIXED, b"g", b"o", b"s")
        }
        before = {}
        for key, mine in of.items():
            if key in _POINT and mine.any():
                if size[mine].min() < (1 if key == b"vt" else 3):
                    line = int(np.flatnonzero(mine)[np.argmin(size[mine])])
                    reason = f"{size[line]} numbers after {key.decode()!r}, expected 3"
                    raise Fault(where(line), reason, _HINT)
                chosen = np.repeat(mine, size + 1)
                chosen[first] = False
                label = f"{_POINT[key]} from {where(int(np.argmax(mine)))} on"
                self.rows[key].append(words.numbers(chosen, np.float64, label))
                self.sizes[key].append(size[mine])
            if key in _POINT:
                before[key] = self.count[key] + np.cumsum(mine)
                self.count[key] += int(mine.sum())
        cell = np.any([of[key] for key in _FIXED], axis=0)
        number = self.cells + np.cumsum(cell) - cell  # of cells before each line
        plain = cell | np.any([of[key] for key in (*_POINT, b"s")], axis=0)
        for line in np.flatnonzero(~plain).tolist():
            self._name(words, line, int(number[line]))
        if cell.any():
            kind = sum(code * of[key] for key, code in _FIXED.items())[cell]
            self._cells(words, cell, size, kind, before, where)

    def _name(self, words: Words, line: int, cells: int) -> None:
        a, b = int(words.offsets[line]), int(words.offsets[line + 1])
        key = words.text[words.starts[a] : words.ends[a]].lower()
        if key in _NAMED:
            text = words.text[words.starts[a + 1] : words.ends[b - 1]] if b > a + 1 else b""
            name = text.decode("utf-8", "replace")
            self._close(key, cells)
            self.open[key] = name.split() if key == b"g" else [name] if name else []

    def _close(self, key: bytes, cells: int) -> None:
        for name in self.open[key]:
            if cells > self.since[key]:
                self.room.take(cells - self.since[key], f"{key.decode()} {name[:80]!r}")
                span = self.spans.setdefault((key, name), array("q"))
                span.extend((self.since[key], cells - self.since[key]))
        self.since[key] = cells

    def _cells(
        self,
        words: Words,
        cell: np.ndarray,
        size: np.ndarray,
        kind: np.ndarray,
        before: dict[bytes, np.ndarray],
        where: Callable[[int], str],
    ) -> None:
        lines = np.flatnonzero(cell)
        empty = size[lines] < 1
        if empty.any():
            raise Fault(where(int(lines[np.argmax(empty)])), "an element without points", _HINT)
        chosen = np.repeat(cell, size + 1)
        chosen[words.offsets[:-1]] = False
        text = words.only(chosen)
        label = f"elements from {where(int(lines[0]))} on"
        if b"/" not in text:
            corner = np.zeros((int(chosen.sum()), 3), np.int64)
            corner[:, 0] = words.numbers(chosen, np.int64, label)
        else:
            corner = _corners(text, words, chosen, label)
        line = np.repeat(lines, size[lines])
        for column, key in enumerate(_POINT):
            ids = corner[:, column]
            known = before[key][line]
            ids[:] = np.where(ids < 0, known + ids, ids - 1)
            low = -1 if column else 0
            if len(ids) and ids.min() < low:
                bad = int(np.argmax(ids < low))
                reason = f"an element refers to {_POINT[key]} {ids[bad] + 1}: they count from 1"
                raise Fault(where(int(line[bad])), reason, _HINT)
        length = size[lines]
        types = np.select(
            [kind == 0, kind == 1],
            [face_types(length), np.where(length == 2, 3, 4)],
            np.where(length == 1, 1, 2),
        )
        self.types.append(types)
        self.lengths.append(length)
        self.corners.append(corner)
        self.cells += len(lines)

    def mesh(self, path: Path) -> Mesh:
        if not self.count[b"v"]:
            raise Fault("content", "no line 'v x y z': this is no OBJ file, or it has no points")
        for key in _NAMED:
            self._close(key, self.cells)
        points, point_data = self._points()
        widths = self._widths(b"v")
        lost = ["colours"] if (widths > 5).any() and widths.min() < 6 else []
        empty = np.empty(0, np.int64)
        corner = np.concatenate([np.empty((0, 3), np.int64), *self.corners])
        names = {b"vn": ("Normals", 2), b"vt": ("TCoords", 1)}
        for key, (name, column) in names.items():
            if not self.count[key]:
                continue
            values = self._table(key, 3)
            if key == b"vt" and not (self._widths(key) > 2).any():
                values = values[:, :2]
            found = _at_points(len(points), corner[:, 0], corner[:, column], values)
            if found is not None:
                point_data[name] = found
                continue
            lost.append("texture coordinates" if key == b"vt" else "normals")
        mesh = Mesh(
            points,
            np.concatenate([empty, *self.types]),
            np.concatenate([[0], np.concatenate([empty, *self.lengths]).cumsum()]),
            corner[:, 0],
            point_data,
            regions=self._regions(),
        )
        for what in lost:
            warn_lost(path, "OBJ", f"{what} are left out: {_WHY[what == 'colours']}")
        return mesh

    def _widths(self, key: bytes) -> np.ndarray:
        return np.concatenate([np.empty(0, np.int64), *self.sizes[key]])

    def _table(self, key: bytes, width: int) -> np.ndarray:
        """The first `width` values of each line, 0 where there are fewer."""
        sizes = self._widths(key)
        values = np.concatenate([np.empty(0), *self.rows[key]])
        if len(sizes) and (sizes == sizes[0]).all():
            table = values.reshape(len(sizes), -1)[:, :width]
        else:
            starts = np.cumsum(sizes) - sizes
            at = starts[:, None] + np.arange(width)
            there = np.arange(width) < sizes[:, None]
            table = np.where(there, values[np.minimum(at, max(len(values) - 1, 0))], 0.0)
        return np.pad(table, ((0, 0), (0, width - table.shape[1])))

    def _points(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        sizes = self._widths(b"v")
        least = int(sizes.min())
        # x y z, x y z w, x y z r g b, x y z r g b a
        table = self._table(b"v", min(least, 7))
        data = {}
        if least >= 6:
            data["RGBA" if least > 6 else "RGB"] = table[:, 3:].copy()
        elif least == 4 and not (table[:, 3] == 1).all():
            data["w"] = table[:, 3].copy()  # weights of rational curves
        return np.ascontiguousarray(table[:, :3]), data

    def _regions(self) -> dict[str, Region]:
        regions: dict[str, Region] = {}
        label = {b"g": "group", b"o": "object", b"usemtl": "material"}
        for (key, name), spans in self.spans.items():
            ids = ragged(*np.frombuffer(spans, np.int64).reshape(-1, 2).T)
            other = regions.get(name)
            if other is not None and not np.array_equal(other.ids, ids):
                name = f"{label[key]} {name}"
            regions[name] = Region("cell", ids)
        return regions


def _corners(text: bytes, words: Words, chosen: np.ndarray, where: str) -> np.ndarray:
    """(n, 3): the numbers of corners like 7, 7/8, 7//9 and 7/8/9; 0 where there is none."""
    parts = Words(text, b"/")
    slash = parts.bytes == 47
    slashes = np.cumsum(slash) - slash  # in front of each character
    starts = words.starts[chosen]
    corner = np.searchsorted(starts, parts.starts, side="right") - 1
    place = slashes[parts.starts] - slashes[starts[corner]]
    if len(place) and (place > 2).any():
        raise Fault(where, "a corner with more than two slashes", _HINT)
    out = np.zeros((len(starts), 3), np.int64)
    out[corner, place] = to_numbers(text.replace(b"/", b" ").split(), np.int64, where)
    return out


def _at_points(
    count: int, points: np.ndarray, ids: np.ndarray, values: np.ndarray
) -> np.ndarray | None:
    """Values of corners as values of points (NaN for those without), None where corners differ."""
    has = ids >= 0
    if not has.any():  # a cloud: one a point, in order
        return values if len(values) == count else None
    points, ids = points[has], ids[has]
    if points.max(initial=-1) >= count:
        return None  # Mesh says what is wrong
    if ids.max(initial=-1) >= len(values):
        raise Fault("elements", f"they refer to line {ids.max() + 1} of {len(values)} vn or vt")
    chosen = np.full(count, -1)
    chosen[points] = ids
    with np.errstate(invalid="ignore"):
        same = (chosen[points] == ids) | (values[chosen[points]] == values[ids]).all(axis=1)
    if not same.all():
        return None
    return np.where((chosen >= 0)[:, None], values[chosen], np.nan)


# -- write ------------------------------------------------------------------------------------


def write_obj(mesh: Mesh, path: Path | str) -> None:
    """Write faces, lines and points in order; cell regions become groups.

    Point data "Normals" (n, 3), "TCoords" (n, 2 or 3) and "RGB" (n, 3) are stored. Raises
    MeshFileError.
    """
    with guarded(path, "OBJ"):
        mesh.check()
        require_types(mesh, (1, 2, 3, 4, 5, 7, 9), "OBJ")
        warn_types(path, "OBJ", mesh)
        columns = [mesh.points]
        kept: set[tuple[str, str]] = set()
        extra: dict[str, np.ndarray] = {}
        for name, widths in (("RGB", (3,)), ("TCoords", (2, 3)), ("Normals", (3,))):
            values = mesh.point_data.get(name)
            if values is None or values.ndim != 2 or values.shape[1] not in widths:
                continue
            if values.dtype.kind != "f" and name != "RGB":
                continue
            kept.add(("point", name))
            extra[name] = values.astype(np.float64)
            if values.dtype != np.float64:
                warn_lost(path, "OBJ", f"{name!r} is read back as float64")
        if "RGB" in extra:
            columns.append(extra["RGB"])
        warn_data(path, "OBJ", mesh, kept)
        slashes = {0: "", 1: "/{0}", 2: "//{0}", 3: "/{0}/{0}"}[
            ("TCoords" in extra) + 2 * ("Normals" in extra)
        ]
        with atomic_write(path) as file:
            file.write(b"# written by meshop\n")
            _table(file, "v", np.concatenate(columns, axis=1))
            if "TCoords" in extra:
                _table(file, "vt", extra["TCoords"])
            if "Normals" in extra:
                _table(file, "vn", extra["Normals"])
            _write_cells(file, mesh, _groups(mesh, path), slashes)


def _table(file: BinaryIO, key: str, table: np.ndarray) -> None:
    form = key + " {!r}" * table.shape[1] + "\n"
    for start in range(0, len(table), 1 << 16):
        rows = table[start : start + (1 << 16)].tolist()
        file.write("".join([form.format(*row) for row in rows]).encode())


def _groups(mesh: Mesh, path: Path | str) -> list[tuple[int, str]]:
    """(first cell, names): which groups hold from which cell on."""
    lost = [name for name, region in mesh.regions.items() if region.kind != "cell"]
    warn_regions(path, "OBJ", lost, "OBJ has groups of cells")
    events: dict[int, dict[str, bool]] = {0: {}} if mesh.regions else {}
    cells = {name: region for name, region in mesh.regions.items() if region.kind == "cell"}
    warn_sorted(path, "OBJ", cells, "cells of regions")
    first = [region.ids.min() for region in cells.values() if len(region.ids)]
    if np.any(np.diff(first) < 0):
        warn_lost(path, "OBJ", "regions come back in the order of their first cells")
    taken: set[str] = set()
    for name, region in cells.items():
        label = free_name("_".join(name.split()) or "unnamed", taken, "_", len(taken))
        taken.add(label)
        if label != name:
            warn_lost(path, "OBJ", f"region {name!r} is stored as {label!r}: no spaces in names")
        if not len(region.ids):
            warn_lost(path, "OBJ", f"region {name!r} has no cells: it is not stored")
        ids = np.unique(region.ids)
        opens = ids[np.diff(ids, prepend=-2) > 1]
        closes = ids[np.diff(ids, append=mesh.n_cells + 2) > 1] + 1
        for cell, state in ((opens, True), (closes, False)):
            for index in cell.tolist():
                events.setdefault(index, {})[label] = state
    active: dict[str, None] = {}
    out = []
    for index in sorted(events):
        for label, state in events[index].items():
            active.pop(label, None)
            if state:
                active[label] = None
        if index < mesh.n_cells:
            out.append((index, " ".join(active)))
    return out


def _write_cells(file: BinaryIO, mesh: Mesh, groups: list[tuple[int, str]], slashes: str) -> None:
    letter = {1: "p", 2: "p", 3: "l", 4: "l", 5: "f", 7: "f", 9: "f"}
    starts = {0: "", **{index: f"g {names}".rstrip() + "\n" for index, names in groups}}
    cuts = sorted(starts)
    for start, end in zip(cuts, [*cuts[1:], mesh.n_cells], strict=True):
        file.write(starts[start].encode())
        for a in range(start, end, 1 << 16):
            b = min(a + (1 << 16), end)
            ends = mesh.cell_offsets[a : b + 1].tolist()
            ids = mesh.cell_nodes[ends[0] : ends[-1]] + 1
            texts = [f"{i}{slashes.format(i)}" for i in ids.tolist()]
            types = mesh.cell_types[a:b].tolist()
            file.write(
                "".join(
                    [
                        f"{letter[code]} {' '.join(texts[i - ends[0] : j - ends[0]])}\n"
                        for code, i, j in zip(types, ends[:-1], ends[1:], strict=True)
                    ]
                ).encode()
            )


FORMAT = Format(
    "OBJ",
    (".obj",),
    read_obj,
    write_obj,
    regions="groups, objects, materials",
    lost="cell data; point data but Normals, TCoords, RGB; point and facet regions; "
    "order of regions and of their ids",
)
