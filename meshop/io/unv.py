"""I-DEAS universal files: nodes, elements, groups and permanent property tables.

Source: "Universal file formats" of the SDRL, data sets 15, 781, 2411 (nodes), 780, 2412
(elements), 2417, 2429, 2430, 2432, 2435, 2452, 2467, 2477 (groups).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..mesh import SIZE, Mesh, Region
from ._bounds import free_name
from ._files import Fault, guarded, read_bytes
from ._format import Format, warn_lost
from ._gmsh_cells import curved
from ._labels import Labels, all_numbers, row_starts
from ._ragged import offsets_of

_CUT = "the file is cut off: copy or write it again"
_BEAMS = (11, 21, 22, 23, 24, 25)  # their rows have three more numbers
# VTK code: (descriptors, where VTK's nodes stand in the file: around each ring with mid-sides).
_KINDS: dict[int, tuple[tuple[int, ...], list[int]]] = {
    1: ((161,), [0]),
    3: ((11, 21, 22, 23, 31, 121, 122, 136, 137, 138, 139, 140, 141), [0, 1]),
    21: ((24, 32), [0, 2, 1]),
    5: ((41, 51, 61, 74, 81, 91), [0, 1, 2]),
    22: ((42, 52, 62, 72, 82, 92), [0, 2, 4, 1, 3, 5]),
    9: ((44, 54, 64, 71, 84, 94), [0, 1, 2, 3]),
    23: ((45, 55, 65, 75, 85, 95), [0, 2, 4, 6, 1, 3, 5, 7]),
    28: ((300,), [0, 2, 4, 6, 1, 3, 5, 7, 8]),
    10: ((111,), [0, 1, 2, 3]),
    24: ((118,), [0, 2, 4, 9, 1, 3, 5, 6, 7, 8]),
    13: ((101, 112), [0, 2, 1, 3, 5, 4]),  # VTK's linear wedge is the mirror image
    26: ((102, 113), [0, 2, 4, 9, 11, 13, 1, 3, 5, 10, 12, 14, 6, 7, 8]),
    12: ((104, 115), [0, 1, 2, 3, 4, 5, 6, 7]),
    25: ((105, 116), [0, 2, 4, 6, 12, 14, 16, 18, 1, 3, 5, 7, 13, 15, 17, 19, 8, 9, 10, 11]),
}
_CODES = {number: code for code, (numbers, _) in _KINDS.items() for number in numbers}
_NODES = ("15", "781", "2411")
_ELEMENTS = ("780", "2412")
_GROUPS = ("2417", "2429", "2430", "2432", "2435", "2452", "2467", "2477")
_END = rb"^ {4}-1[ \r]*(?:\n|\Z)"
_SET = re.compile(rb"(?ms)" + _END + rb"[ \t]*+(\d++)[^\n]*+\n(.*?)(" + _END + rb"|\Z)")
_START = re.compile(rb"\s{0,80}-1 *\r?\n {0,6}(15|151|164|2411|2420|781|2412)\s")


def read_unv(path: Path) -> Mesh:
    """Read nodes, elements and groups; other data sets are left out. Raises MeshFileError."""
    with guarded(path, "UNV"):
        data = read_bytes(path)
        nodes, elements, groups, others = [], [], [], []
        for match in _SET.finditer(data):
            kind, text = match[1].decode(), match[2]
            if not match[3]:
                raise Fault(f"data set {kind}", "its end (-1) is missing", _CUT)
            if kind in _NODES:
                nodes.append(_nodes(text, f"data set {kind}"))
            elif kind in _ELEMENTS:
                elements.append(_elements(text, f"data set {kind}", kind == "780"))
            elif kind in _GROUPS:
                groups.append((kind, text))
            elif kind in ("55", "57", "2414"):
                others.append(kind)
            elif kind == "71" and not elements:
                raise Fault(
                    "data set 71",
                    "elements in a form given up long ago",
                    "save it with data set 2412",
                )
        if not nodes:
            raise Fault("content", "no nodes (data set 2411, 781 or 15): this is no UNV mesh")
        mesh = _mesh(nodes, elements, groups)
    if others:
        warn_lost(path, "UNV", f"{len(others)} data sets of results are left out")
    return mesh


# labels, types, sizes, nodes, tags
Elements = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _nodes(text: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and points of rows ``label, systems and colour, x, y, z``."""
    text = text.translate(bytes.maketrans(b"Dd", b"EE"))  # Fortran's exponents
    numbers = all_numbers(text, np.float64, where)
    if len(numbers) % 7:
        raise Fault(where, f"{len(numbers)} numbers, expected 7 a node")
    rows = numbers.reshape(-1, 7)
    whole = (rows[:, 0] == np.floor(rows[:, 0])) & (np.abs(rows[:, 0]) < 1 << 53)
    if not whole.all():
        raise Fault(where, "the label of a node is no whole number")
    return rows[:, 0].astype(np.int64), rows[:, 4:]


def _elements(text: bytes, where: str, old: bool) -> Elements:
    numbers = all_numbers(text, np.int64, where)
    head, count_at = (8, 7) if old else (6, 5)

    def length(kind: int, at: int) -> int:
        if at + head > len(numbers):
            raise Fault(where, "the last element is cut off")
        nodes = int(numbers[at + count_at])
        _kind(kind, nodes, where)
        return head + (3 if kind in _BEAMS else 0) + nodes

    starts = row_starts(numbers, 1, length, None, where)[:-1]
    kinds, sizes = numbers[starts + 1], numbers[starts + count_at]
    if len(sizes) and not 0 < sizes.min() <= sizes.max() < 1000:
        raise Fault(where, "the number of nodes of an element does not fit its type")
    types = np.zeros(len(kinds), np.uint8)
    offsets = offsets_of(sizes)
    nodes = np.empty(int(offsets[-1]), np.int64)
    for kind, size in np.unique(np.stack([kinds, sizes], axis=1), axis=0).tolist():
        mine = (kinds == kind) & (sizes == size)
        types[mine], order = _kind(kind, size, where)
        skip = head + (3 if kind in _BEAMS else 0)
        if (last := int(starts[mine][-1]) + skip + size) > len(numbers):
            raise Fault(where, f"{last} numbers needed, {len(numbers)} found", _CUT)
        into = offsets[:-1][mine][:, None] + np.arange(size)
        nodes[into] = numbers[starts[mine][:, None] + skip + np.array(order)]
    tags = numbers[starts[:, None] + ([3, 5] if old else [2, 3])]
    return numbers[starts], types, sizes, nodes, tags


def _kind(kind: int, size: int, where: str) -> tuple[int, Sequence[int] | np.ndarray]:
    """(VTK code, where VTK's nodes stand) of elements of one type with so many nodes."""
    code = _CODES.get(kind)
    if code is None:
        raise Fault(where, f"an element of type {kind}: not known here", "save it as VTU")
    if size == SIZE[code]:
        return code, _KINDS[code][1]
    if (found := curved(code, size)) is None:  # Gmsh keeps the type of the linear one
        raise Fault(where, f"an element of type {kind} with {size} nodes, not {SIZE[code]}")
    return found[0], range(size) if found[1] is None else found[1]


def _mesh(
    nodes: list[tuple[np.ndarray, np.ndarray]],
    elements: list[Elements],
    groups: list[tuple[str, bytes]],
) -> Mesh:
    node_labels = np.concatenate([labels for labels, _ in nodes])
    points = np.concatenate([points for _, points in nodes])
    none = np.empty(0, np.int64)
    empty = (none, none.astype(np.uint8), none, none, np.empty((0, 2), np.int64))
    labels, types, sizes, ids, tags = (
        np.concatenate(parts) for parts in zip(empty, *elements, strict=True)
    )
    places = Labels(node_labels)
    cells = Labels(labels)
    regions: dict[str, Region] = {}
    for kind, text in groups:
        for name, entities in _groups(text, kind):
            of_cells = cells.known(entities[entities[:, 0] == 8, 1])
            of_points = places.known(entities[entities[:, 0] == 7, 1])
            if len(of_cells) or not len(of_points):
                regions[_free(name, regions)] = Region("cell", of_cells)
            if len(of_points):
                regions[_free(name, regions)] = Region("point", of_points)
    data = {}
    if len(types):
        data = {"physical property": tags[:, 0], "material property": tags[:, 1]}
    cell_nodes = places.places(ids, "elements")
    return Mesh(points, types, offsets_of(sizes), cell_nodes, {}, data, {}, regions)


def _free(name: str, regions: dict[str, Region]) -> str:
    return free_name(name, regions, " points", len(regions))


def _groups(text: bytes, kind: str) -> list[tuple[str, np.ndarray]]:
    """(name, (n, 2) kind and label of each member) of every group."""
    where, out = f"data set {kind}", []
    lines = [line for line in text.splitlines() if line.strip()]
    width = 2 if kind in ("2417", "2429", "2430", "2432") else 4
    at = 0
    while at < len(lines):
        head = all_numbers(lines[at], np.int64, where)
        if len(head) < 6 or at + 1 == len(lines):
            raise Fault(where, "a group needs a row of eight numbers, and its name")
        count = int(head[-1])
        name = lines[at + 1].decode("utf-8", "replace").strip()
        at += 2
        rows = -(-count * width // 8)
        if not 0 <= rows <= len(lines) - at:
            raise Fault(where, f"group {name!r}: {count} members, {len(lines) - at} lines left")
        found = all_numbers(b"\n".join(lines[at : at + rows]), np.int64, where)
        if len(found) != count * width:
            raise Fault(where, f"group {name!r}: {len(found)} numbers for {count} members")
        out.append((name, found.reshape(-1, width)[:, :2]))
        at += rows
    return out


FORMAT = Format(
    "UNV",
    (".unv", ".uff"),
    read_unv,
    claims=lambda path, start: _START.match(start) is not None,
    regions="groups",
)
