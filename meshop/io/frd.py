"""CalculiX results (.frd): nodes, elements, and nodal results step by step, text or binary.

Source: "CalculiX GraphiX user's manual", sections "Result Format" and "Element Types".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..mesh import SIZE, Mesh, Region
from ._bounds import Allowance, free_name, groups
from ._files import Fault, guarded, read_bytes
from ._format import Format, Series
from ._labels import MIRRORED_WEDGE, Labels, columns, row_starts

_CODES = np.array([0, 12, 13, 10, 25, 26, 24, 5, 22, 9, 23, 3, 21], np.uint8)  # by type 1 to 12
_ORDER = {  # the file has the upright edges of curved cells before the upper ones
    13: MIRRORED_WEDGE,
    25: [*range(12), *range(16, 20), *range(12, 16)],
    26: [*range(9), *range(12, 15), *range(9, 12)],
}
_HERE = re.compile(rb" {1,4}(?:(?P<nodes>2)C(?=[ \d])|(?P<elements>3)C(?=[ \d])|(?P<result>100)C)")
_HEADER = re.compile(rb"(?m)^" + _HERE.pattern)


@dataclass
class _Step:
    time: float
    number: int
    data: dict[str, np.ndarray] = field(default_factory=dict)
    components: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


def read_frd(path: Path) -> Mesh:
    """Read the mesh with the results of the last step. Raises MeshFileError."""
    return read_steps(path)[-1]


def read_steps(path: Path) -> Series:
    """The steps: at their times where these increase, else numbered from 1. MeshFileError."""
    with guarded(path, "FRD"):
        mesh, steps = _Reader(read_bytes(path)).read()
    times = [step.time for step in steps]
    if any(later <= time for time, later in pairwise(times)):
        times = [float(index + 1) for index in range(len(steps))]

    def load(index: int) -> Mesh:
        out = mesh.copy()
        if steps:
            out.point_data |= steps[index].data
            out.components |= steps[index].components
            out.field_data["TimeValue"] = np.array([times[index]])
            if times[index] != steps[index].time:  # a frequency, or the same time again
                out.field_data["StepValue"] = np.array([steps[index].time])
        return out

    return Series(times or [0.0], load)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.room = Allowance(len(data))

    def read(self) -> tuple[Mesh, list[_Step]]:
        points = labels = cells = None
        steps: list[_Step] = []
        # A header follows binary data without a new line.
        while match := _HERE.match(self.data, self.at) or _HEADER.search(self.data, self.at):
            self.at = match.start()
            head = self._line()
            if match["nodes"] and labels is None:
                labels, points = self._nodes(head)
            elif match["elements"] and cells is None:
                cells = self._elements(head)
            elif match["result"]:
                self._result(head, Labels(labels) if labels is not None else None, steps)
        if labels is None or points is None:
            raise Fault("content", "no block of nodes (2C): this is no FRD file")
        return self._mesh(labels, points, cells), steps

    def _mesh(self, labels: np.ndarray, points: np.ndarray, cells: tuple | None) -> Mesh:
        if cells is None:
            cells = tuple(np.empty((0, 3) if i == 0 else 0, np.int64) for i in range(2))
        heads, nodes = cells
        types = _CODES[heads[:, 0]]
        places = Labels(labels).places(nodes, "elements")
        offsets = np.concatenate([[0], np.cumsum(SIZE[types])])
        for code, order in _ORDER.items():
            at = offsets[:-1][types == code][:, None] + np.arange(len(order))
            places[at] = places[at[:, order]]
        data, regions = {}, {}
        if len(types):
            data = {"group": heads[:, 1], "material": heads[:, 2]}
            for group, ids in groups(heads[:, 1]).items():
                regions[f"group {group}"] = Region("cell", ids)
        return Mesh(
            points, types, offsets, places, {}, data, {}, regions if len(regions) > 1 else {}
        )

    # -- pieces of the file ---------------------------------------------------------------------

    def _line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        line, self.at = self.data[self.at : end], min(end + 1, len(self.data))
        return line.rstrip(b"\r")

    def _lines(self, where: str) -> list[bytes]:
        """The lines up to -3."""
        end = re.compile(rb"(?m)^ -3[ \r]*$").search(self.data, self.at)
        if end is None:
            raise Fault(where, "its end (-3) is missing", "the file is cut off: copy it again")
        lines = self.data[self.at : end.start()].splitlines()
        self.at = end.end()
        return lines

    def _head(self, line: bytes, where: str) -> tuple[int | None, int]:
        """(count, format) of a block: 0 short text, 1 long text, 2 float, 3 double.

        In text the count may be left out: None.
        """
        count, kind = line[24:36].strip(), line[73:75].strip() or b"1"
        known = count.isdigit() or (not count and kind in (b"0", b"1"))
        if not known or kind not in (b"0", b"1", b"2", b"3"):
            raise Fault(where, f"its header {line[:80]!r} has no count and format")
        return int(count) if count else None, int(kind)

    def _agree(self, count: int | None, found: int, where: str) -> None:
        if count is not None and count != found:
            raise Fault(where, f"{count} declared, {found} found")

    def _binary(self, count: int, dtype: np.dtype, where: str) -> np.ndarray:
        if count * dtype.itemsize > len(self.data) - self.at:
            left = len(self.data) - self.at
            raise Fault(where, f"{count} of {dtype.itemsize} bytes declared, {left} are left")
        out = np.frombuffer(self.data, dtype, count, self.at)
        self.at += count * dtype.itemsize
        return out

    def _nodes(self, head: bytes) -> tuple[np.ndarray, np.ndarray]:
        where = "nodes (2C)"
        count, kind = self._head(head, where)
        if count is not None and kind > 1:
            real = "<f4" if kind == 2 else "<f8"
            rows = self._binary(count, np.dtype([("label", "<i4"), ("x", real, 3)]), where)
            return rows["label"].astype(np.int64), rows["x"].astype(np.float64)
        lines = self._lines(where)
        self._agree(count, len(lines), where)
        width = 10 if kind else 5
        labels = columns(lines, 3, width, 1, np.int64, where)[:, 0]
        return labels, columns(lines, 3 + width, 12, 3, np.float64, where)

    def _elements(self, head: bytes) -> tuple[np.ndarray, np.ndarray]:
        """((n, 3) type, group and material; nodes of all)."""
        where = "elements (3C)"
        count, kind = self._head(head, where)
        if count is not None and kind > 1:
            return self._binary_elements(count, where)
        lines = self._lines(where)
        first = np.array([line.startswith(b" -1") for line in lines], bool)
        self._agree(count, int(first.sum()), where)
        width, across = (10, 10) if kind else (5, 15)
        tops = [line for line, new in zip(lines, first, strict=True) if new]
        try:  # some programs have names of materials, not numbers
            heads = columns(tops, 3 + width, 5, 3, np.int64, where)
        except Fault:
            heads = np.pad(columns(tops, 3 + width, 5, 2, np.int64, where), ((0, 0), (0, 1)))
        sizes = SIZE[self._codes(heads[:, 0], where)]
        rows = columns([line for line, new in zip(lines, first, strict=True) if not new],
                       3, width, across, np.int64, where)  # fmt: skip
        expected = -(-sizes // across)
        starts = np.flatnonzero(np.append(first, True))
        if not np.array_equal(np.diff(starts) - 1, expected) or (len(lines) and not first[0]):
            raise Fault(where, "an element has more or fewer lines of nodes than its type needs")
        last = np.cumsum(expected) - 1
        used = np.full(len(rows), across)
        used[last] = sizes - (expected - 1) * across
        return heads, rows[np.arange(across) < used[:, None]]

    def _binary_elements(self, count: int, where: str) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.frombuffer(self.data, "<i4", (len(self.data) - self.at) // 4, self.at)

        def length(kind: int, _: int) -> int:
            return 4 + int(SIZE[self._codes(np.array([kind]), where)[0]])

        starts = row_starts(numbers, 1, length, count, where)
        heads, end = starts[:-1, None] + np.arange(4), int(starts[-1])
        mask = np.ones(end, bool)
        mask[heads] = False
        self.at += 4 * end
        return numbers[heads[:, 1:]].astype(np.int64), numbers[:end][mask].astype(np.int64)

    def _codes(self, kinds: np.ndarray, where: str) -> np.ndarray:
        if len(kinds) and (kinds.min() < 1 or kinds.max() > 12):
            wrong = kinds[(kinds < 1) | (kinds > 12)][0]
            raise Fault(where, f"element type {wrong}, expected 1 to 12")
        return _CODES[kinds]

    def _result(self, head: bytes, labels: Labels | None, steps: list[_Step]) -> None:
        where = "results (100C)"
        if labels is None:
            raise Fault(where, "they come before the nodes")
        count, kind = self._head(head, where)
        try:
            time, number = float(head[12:24]), int(head[58:63].strip() or b"0")
        except ValueError:
            raise Fault(where, f"its header {head[:80]!r} has no time and step") from None
        if b"_" in head[12:24] or not np.isfinite(time):
            raise Fault(where, f"the time {head[12:24]!r}")
        name, names = "", []
        while self.data.startswith((b" -4", b" -5"), self.at):
            line = self._line()
            if line.startswith(b" -4"):
                name = line[5:13].decode("utf-8", "replace").strip()
            elif line[33:38].strip() in (b"", b"0"):  # 1: computed by who shows it, not stored
                names.append(line[5:13].decode("utf-8", "replace").strip())
        if not names:
            raise Fault(where, f"result {name!r} has no components")
        rows, values = self._values(count, kind, len(names), f"result {name!r}")
        if not steps or (steps[-1].time, steps[-1].number) != (time, number):
            steps.append(_Step(time, number))
        self.room.take(max(len(labels.sorted) - len(rows), 0) * len(names), f"result {name!r}")
        out = np.full((len(labels.sorted), len(names)), np.nan)
        out[labels.places(rows, f"result {name!r}")] = values
        data = steps[-1].data
        label = free_name(name or "result", data, " again", len(data))
        steps[-1].data[label] = out[:, 0] if len(names) == 1 else out
        if len(names) > 1:
            steps[-1].components["point", label] = tuple(names)

    def _values(
        self, count: int | None, kind: int, width: int, where: str
    ) -> tuple[np.ndarray, np.ndarray]:
        if count is not None and kind > 1:
            real = "<f4" if kind == 2 else "<f8"
            rows = self._binary(count, np.dtype([("label", "<i4"), ("x", real, (width,))]), where)
            return rows["label"].astype(np.int64), rows["x"].astype(np.float64)
        lines = self._lines(where)
        each = -(-width // 6)
        self._agree(None if count is None else count * each, len(lines), f"lines of {where}")
        if len(lines) % each:
            raise Fault(where, f"{len(lines)} lines, expected {each} a node")
        label_width = 10 if kind else 5
        start = 3 + label_width
        labels = columns(lines[::each], 3, label_width, 1, np.int64, where)[:, 0]
        parts = [
            columns(lines[row::each], start, 12, min(6, width - 6 * row), np.float64, where)
            for row in range(each)
        ]
        return labels, np.concatenate(parts, axis=1)


FORMAT = Format(
    "FRD",
    (".frd",),
    read_frd,
    claims=lambda path, start: (
        re.match(rb"    1C[^\n]*\n(    1[CU][^\n]*\n)*    [12][CUP]", start) is not None
    ),
    series=read_steps,
    regions="groups",
    time="yes",
)
