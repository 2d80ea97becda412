"""GAMBIT neutral files: nodes, elements, groups and boundary conditions.

Source: GAMBIT User's Guide, appendix "Neutral file format"; bricks and pyramids are numbered row by
row there. Programs that number them around, as VTK does, are told apart by the corners.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..mesh import SIZE, Mesh, Region
from ._files import Fault, guarded, read_bytes
from ._format import Format
from ._gmsh_cells import curved
from ._labels import MIRRORED_WEDGE, Labels, all_numbers, row_starts
from ._midside import sort_middles
from ._words import integers

_CUT = "the file is cut off: copy or write it again"
_CODES = {1: 3, 2: 9, 3: 5, 4: 12, 5: 13, 6: 10, 7: 14}
_BY_ROWS = {12: [0, 1, 3, 2, 4, 5, 7, 6], 14: [0, 1, 3, 2, 4]}
_LONE = re.compile(rb"(?m)^[ \t]*ENDOFSECTION[^\n]*$")
_SIZES = re.compile(rb"(?m)^\s*NUMNP\s[^\n]*\n([^\n]*)$")
_GROUP = re.compile(
    rb"\s*GROUP:\s*(\d+)\s+ELEMENTS:\s*(\d+)[^\n]*?NFLAGS:\s*(\d+)[^\n]*\n([^\n]*)\n?"
)
# Sides by number: local nodes in the order of VTK.
_SIDES: dict[int, list[tuple[int, ...]]] = {
    5: [(0, 1), (1, 2), (2, 0)],
    9: [(0, 1), (1, 2), (2, 3), (3, 0)],
    10: [(1, 0, 2), (0, 1, 3), (1, 2, 3), (2, 0, 3)],
    12: [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (1, 0, 3, 2), (4, 5, 6, 7)],
    13: [(0, 2, 5, 3), (2, 1, 4, 5), (1, 0, 3, 4), (0, 1, 2), (3, 5, 4)],
    14: [(0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)],
}
_SIDES |= {
    22: _SIDES[5],
    23: _SIDES[9],
    28: _SIDES[9],
    24: _SIDES[10],
    26: _SIDES[13],
    32: _SIDES[13],
}


def read_gambit(path: Path) -> Mesh:
    """Read the mesh; groups are cell regions, boundary conditions others. Raises MeshFileError."""
    with guarded(path, "GAMBIT"):
        return _mesh(_LONE.split(read_bytes(path)))


def _mesh(sections: list[bytes]) -> Mesh:
    sizes = _SIZES.search(sections[0])
    counts = [] if sizes is None else all_numbers(sizes[1], np.int64, "NUMNP").tolist()
    if len(counts) < 5:
        raise Fault("content", "no line of NUMNP, NELEM, ...: this is no GAMBIT neutral file")
    n_points, n_cells, dimension = counts[0], counts[1], counts[4]
    if dimension not in (2, 3):
        raise Fault("NDFCD", f"{dimension} coordinates a node, expected 2 or 3")
    nodes = cells = None
    groups, conditions = [], []
    for section in sections[1:]:
        title, _, text = section.lstrip().partition(b"\n")
        if title.startswith(b"NODAL COORDINATES"):
            nodes = _rows(text, np.float64, n_points, dimension + 1, "NODAL COORDINATES")
        elif title.startswith(b"ELEMENTS/CELLS"):
            cells = all_numbers(text, np.int64, "ELEMENTS/CELLS")
        elif title.startswith(b"ELEMENT GROUP"):
            groups.append(text)
        elif title.startswith(b"BOUNDARY CONDITIONS"):
            conditions.append(text)
    if nodes is None or cells is None:
        missing = "NODAL COORDINATES" if nodes is None else "ELEMENTS/CELLS"
        raise Fault("content", f"the section {missing} is missing", _CUT)
    points = np.zeros((n_points, 3))
    points[:, :dimension] = nodes[:, 1:]
    places = Labels(integers(nodes[:, 0], "NODAL COORDINATES"))
    labels, types, offsets, ids = _cells(cells, n_cells)
    ids = _ordered(places.places(ids, "ELEMENTS/CELLS"), types, offsets, points)
    storage = {"dimension": "2"} if dimension == 2 else {}
    mesh = Mesh(points, types, offsets, ids, storage=storage)
    known = Labels(labels)
    for text in groups:
        _group(mesh, text, known)
    for text in conditions:
        _condition(mesh, text, known, places)
    mesh.check()
    return mesh


def _rows(text: bytes, dtype: type, count: int, width: int, where: str) -> np.ndarray:
    numbers = all_numbers(text, dtype, where)
    if len(numbers) != count * width:
        reason = f"{len(numbers)} numbers, expected {width} for each of {count}"
        raise Fault(where, reason, _CUT)
    return numbers.reshape(-1, width)


def _cells(
    numbers: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, types, offsets and nodes of the elements ``label, type, nodes, ...``."""
    where = "ELEMENTS/CELLS"
    if not 0 <= count <= len(numbers):
        raise Fault(where, f"{count} elements declared, {len(numbers)} numbers found", _CUT)

    def length(kind: int, at: int) -> int:
        if not 0 < kind <= 27:
            raise Fault(where, f"an element of {kind} nodes")
        return 3 + kind

    ends = row_starts(numbers, 2, length, count, where)
    starts = ends[:-1]
    kinds, sizes = numbers[starts + 1], numbers[starts + 2]
    types = np.zeros(count, np.uint8)
    for kind in np.unique(kinds).tolist():
        mine = kinds == kind
        if kind not in _CODES:
            raise Fault(where, f"an element of type {kind}, expected 1 to 7")
        for size in np.unique(sizes[mine]).tolist():
            types[mine & (sizes == size)] = _code(kind, size, where)
    if ends[-1] != len(numbers):
        raise Fault(where, f"more than the {count} elements declared", _CUT)
    inside = np.ones(len(numbers), bool)
    inside[(starts[:, None] + np.arange(3)).ravel()] = False
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return numbers[starts], types, offsets, numbers[inside]


def _code(kind: int, size: int, where: str) -> int:
    code = _CODES[kind]
    if size == SIZE[code]:
        return code
    found = curved(code, size)
    if found is None or found[0] >= 68:
        reason = f"an element of type {kind} with {size} nodes"
        raise Fault(where, reason, "save it with linear or quadratic elements, or as VTU")
    return found[0]


def _ordered(
    ids: np.ndarray, types: np.ndarray, offsets: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """The nodes in VTK's order."""
    out = ids.copy()
    for code, order in _BY_ROWS.items():
        at = offsets[:-1][types == code][:, None]
        a, b, c, d = (points[ids[at[:, 0] + i]] for i in range(4))
        # Of a parallelogram, both diagonals have the same middle.
        with np.errstate(over="ignore", invalid="ignore"):
            around, by_rows = np.abs(a + c - b - d).sum(), np.abs(a + d - b - c).sum()
        if len(at) and not around < by_rows:
            out[at + np.arange(len(order))] = ids[at + np.array(order)]
    at = offsets[:-1][types == 13][:, None]
    out[at + np.arange(6)] = ids[at + np.array(MIRRORED_WEDGE)]
    quadratic = set(types.tolist()) - set(_CODES.values())
    sort_middles(quadratic, types, offsets, out, points, "ELEMENTS/CELLS")
    return out


def _group(mesh: Mesh, text: bytes, known: Labels) -> None:
    match = _GROUP.match(text)
    if match is None:
        raise Fault("ELEMENT GROUP", "expected GROUP: n ELEMENTS: n ... NFLAGS: n, then a name")
    name = match[4].decode("utf-8", "replace").strip() or f"group {int(match[1][:18])}"
    where, flags, count = f"group {name!r}", int(match[3][:18]), int(match[2][:18])
    members = all_numbers(text[match.end() :], np.int64, where)
    if len(members) != flags + count:
        raise Fault(where, f"{len(members) - flags} elements, {count} declared", _CUT)
    mesh.regions[_free(mesh, name)] = Region("cell", known.places(members[flags:], where))


def _condition(mesh: Mesh, text: bytes, known: Labels, places: Labels) -> None:
    line, _, rest = text.partition(b"\n")
    name, tail = line[:32].decode("utf-8", "replace").strip(), line[32:].split()
    if len(tail) < 3:  # not in columns
        words = line.split()
        name, tail = b" ".join(words[:1]).decode("utf-8", "replace"), words[1:]
    where = f"boundary condition {name!r}"
    head = all_numbers(b" ".join(tail), np.int64, where).tolist()
    if len(head) < 3 or head[0] not in (0, 1) or not 0 <= head[2] <= 1000 or head[1] < 0:
        raise Fault(where, "expected its name, 0 (nodes) or 1 (elements), two counts")
    width = head[2] + (1 if head[0] == 0 else 3)
    rows = _rows(rest, np.float64, head[1], width, where)[:, : 1 if head[0] == 0 else 3]
    rows = integers(rows, where)
    if head[0] == 0:
        mesh.regions[_free(mesh, name)] = Region("point", places.places(rows[:, 0], where))
        return
    cells, side = known.places(rows[:, 0], where), rows[:, 2] - 1
    facets = np.full((len(cells), 4), -1, np.int64)
    for code in np.unique(mesh.cell_types[cells]).tolist():
        for place, local in enumerate(_SIDES.get(code, [])):
            mine = np.flatnonzero((mesh.cell_types[cells] == code) & (side == place))
            start = mesh.cell_offsets[cells[mine]][:, None]
            facets[mine, : len(local)] = mesh.cell_nodes[start + np.array(local)]
    if np.any(facets[:, 0] < 0):
        wrong = int(np.argmax(facets[:, 0] < 0))
        raise Fault(where, f"element {rows[wrong, 0]} has no side {rows[wrong, 2]}")
    width = int((facets >= 0).any(axis=0).sum())
    mesh.regions[_free(mesh, name)] = Region("facet", facets[:, :width])


def _free(mesh: Mesh, name: str) -> str:
    while name in mesh.regions:
        name += " 2"
    return name


FORMAT = Format(
    "GAMBIT",
    (".neu",),
    read_gambit,
    claims=lambda path, start: re.match(rb"\s*CONTROL INFO", start) is not None,
    regions="groups, boundary conditions",
)
