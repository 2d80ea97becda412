"""MFEM meshes: vertices, elements and boundary by attribute; refined ones by their leaves.

Source: mfem.org, "Mesh formats" (MFEM mesh v1.0 to v1.3, MFEM NC mesh v1.0 and v1.1).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..mesh import SIZE, Mesh, Region
from ._bounds import Allowance, groups
from ._files import Fault, guarded, read_bytes
from ._format import Format, warn_lost
from ._labels import MIRRORED_WEDGE, Labels, all_numbers, row_starts
from ._mfem_curved import quadratic
from ._text import to_numbers

# Geometry of MFEM: VTK code. Corners are in VTK's order but for the wedge.
_CODES = np.array([1, 3, 5, 9, 10, 12, 13, 14], np.uint8)
_SECTION = re.compile(rb"(?m)^[ \t]*([a-zA-Z_]+)[ \t\r]*$")
_QUADRATIC = r"^(Quadratic|H1(@\w)?_\dD_P2)$"
_SAVE = "save it in MFEM with Mesh::PrintVTU"


def read_mfem(path: Path) -> Mesh:
    """Read an MFEM mesh; one of an order above two by its corners, with a warning.

    Raises MeshFileError.
    """
    with guarded(path, "MFEM"):
        data = read_bytes(path)
        first, _, rest = data.partition(b"\n")
        title = first.strip().decode("ascii", "replace")
        if "NURBS" in title:
            raise Fault("first line", f"{title[:40]}: patches of splines, no cells", _SAVE)
        if not re.fullmatch(r"MFEM (NC )?mesh v1\.[0-9]+", title):
            raise Fault("first line", f"{title[:40]!r}, expected 'MFEM mesh v1.0'")
        mesh, curved = _mesh(_sections(rest), refined="NC" in title)
    if curved:
        warn_lost(path, "MFEM", f"curved elements ({curved}) are read by their corners alone")
    return mesh


def _sections(data: bytes) -> dict[str, bytes]:
    if b"#" in data:
        data = re.sub(rb"#[^\n]*", b"", data)
    out: dict[str, bytes] = {}
    found = list(_SECTION.finditer(data))
    for index, match in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(data)
        name = match[1].decode()
        if name == "nodes":  # a grid function with words of its own
            end = len(data)
        out.setdefault(name, data[match.end() : end])
        if name == "nodes":
            break
    return out


Block = tuple[np.ndarray, np.ndarray, np.ndarray]


def _mesh(sections: dict[str, bytes], refined: bool) -> tuple[Mesh, str]:
    for name in ("dimension", "elements"):
        if name not in sections:
            raise Fault("content", f"no section {name!r}")
    dimension = all_numbers(sections["dimension"], np.int64, "dimension")
    if len(dimension) != 1 or not 1 <= dimension[0] <= 3:
        raise Fault("dimension", f"{dimension[:3].tolist()}, expected 1, 2 or 3")
    blocks = [_elements(sections["elements"], "elements", refined)]
    if "boundary" in sections:
        blocks.append(_elements(sections["boundary"], "boundary", False))
    types, nodes, attributes = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    if refined and "coordinates" not in sections:
        raise Fault("nodes", "a refined and curved mesh: where its corners are is not said", _SAVE)
    points, curved = _points(sections)
    if refined and "vertex_parents" in sections:
        points, labels = _with_midpoints(points, sections["vertex_parents"])
        nodes = labels.places(nodes, "elements")
    if curved:
        given = sections.get("vertices", b"")
        count = _count(all_numbers(given, np.int64, "vertices"), "vertices")
        both = None
        if len(nodes) == 0 or 0 <= nodes.min() <= nodes.max() < count:
            both = quadratic(types, nodes, len(blocks[0][0]), count, len(points))
        if both is None or not re.search(_QUADRATIC, curved):
            points = points[:count]
        else:
            (types, nodes), curved = both, ""
    offsets = np.concatenate([[0], np.cumsum(SIZE[types])])
    at = offsets[:-1][types == 13][:, None] + np.arange(6)
    nodes[at] = nodes[at[:, MIRRORED_WEDGE]]
    regions: dict[str, Region] = {}
    inner = len(blocks[0][0])
    none, room = np.empty(0, np.int64), Allowance(sum(map(len, sections.values())))
    for word, low, high in (("attribute", 0, inner), ("boundary", inner, len(types))):
        mine = attributes[low:high]
        members = groups(mine)
        named = {f"{word} {value}": [value] for value in members}
        section = "attribute_sets" if low == 0 else "bdr_attribute_sets"
        for name, values in _sets(sections.get(section, b""), section).items():
            named[name if name not in regions else f"{name} boundary"] = values
        for name, values in named.items():
            parts = [members[value] for value in dict.fromkeys(values) if value in members]
            room.take(16 + sum(map(len, parts)), f"{word} {name[:80]!r}")
            ids = np.sort(np.concatenate([none, *parts])) + low
            regions[name] = Region("cell", ids)
    storage = {} if points.shape[1] == 3 else {"dimension": str(points.shape[1])}
    points = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
    data = {"attribute": attributes}
    return Mesh(points, types, offsets, nodes, {}, data, {}, regions, storage), curved


def _elements(text: bytes, where: str, refined: bool) -> Block:
    """(types, nodes, attributes) of the rows ``attribute geometry nodes``."""
    if refined:
        return _leaves(text, where)
    numbers = all_numbers(text, np.int64, where)
    count, numbers = _count(numbers, where), numbers[1:]

    def length(kind: int, at: int) -> int:
        if not 0 <= kind < len(_CODES):
            raise Fault(where, f"geometry {kind}, expected 0 to {len(_CODES) - 1}")
        return 2 + int(SIZE[_CODES[kind]])

    starts = row_starts(numbers, 1, length, count, where)
    if starts[-1] != len(numbers):
        raise Fault(where, f"{len(numbers) - starts[-1]} more numbers than {count} rows have")
    heads, mask = starts[:-1], np.ones(len(numbers), bool)
    mask[heads] = mask[heads + 1] = False
    return _CODES[numbers[heads + 1]], numbers[mask], numbers[heads]


def _leaves(text: bytes, where: str) -> Block:
    """The same of the rows ``rank attribute geometry refinement nodes`` that are not refined."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    count = _count(all_numbers(b" ".join(lines[0] if lines else []), np.int64, where), where)
    if count != len(lines) - 1:
        raise Fault(where, f"{count} rows declared, {len(lines) - 1} found")
    types, attributes = [], []
    nodes = [np.empty(0, np.int64)]
    for number, line in enumerate(lines[1:]):
        row = to_numbers(line, np.int64, f"{where}, row {number}")
        if len(row) < 5 or not 0 <= row[2] < len(_CODES):
            raise Fault(f"{where}, row {number}", "expected rank, attribute, geometry, nodes")
        if row[3] == 0:
            code = _CODES[row[2]]
            if len(row) != 4 + SIZE[code]:
                raise Fault(f"{where}, row {number}", f"{len(row) - 4} nodes, not {SIZE[code]}")
            types.append(code)
            attributes.append(row[1])
            nodes.append(row[4:])
    return np.array(types, np.uint8), np.concatenate(nodes), np.array(attributes, np.int64)


def _count(numbers: np.ndarray, where: str) -> int:
    if not len(numbers) or not 0 <= numbers[0] <= 1 << 60:
        raise Fault(where, f"{numbers[:1].tolist()} declared, expected a count")
    return int(numbers[0])


def _points(sections: dict[str, bytes]) -> tuple[np.ndarray, str]:
    """Coordinates of the vertices, and the name of the curved space that they are from, if any."""
    where = "coordinates" if "coordinates" in sections else "vertices"
    if "nodes" in sections and where == "vertices":
        return _of_space(sections["nodes"], sections.get("vertices", b""))
    if where not in sections:
        raise Fault("content", "no section 'vertices'")
    numbers = all_numbers(sections[where], np.float64, where)
    if len(numbers) < 2 or numbers[1] not in (1, 2, 3) or not 0 <= numbers[0] < 1 << 60:
        raise Fault(where, f"{numbers[:2].tolist()}, expected a count and 1, 2 or 3")
    count, width = int(numbers[0]), int(numbers[1])
    if count * width != len(numbers) - 2:
        raise Fault(where, f"{count} points of {width} declared, {len(numbers) - 2} numbers follow")
    return numbers[2:].reshape(count, width), ""


def _of_space(text: bytes, vertices: bytes) -> tuple[np.ndarray, str]:
    """The vertices come first in a continuous space of any order."""
    count = _count(all_numbers(vertices, np.int64, "vertices"), "vertices")
    head = re.match(
        rb"\s*FiniteElementSpace\s+FiniteElementCollection:\s*(\S+)\s+VDim:\s*(\d{1,3})\s+"
        rb"Ordering:\s*([01])\s",
        text,
    )
    if head is None:
        raise Fault("nodes", "expected FiniteElementSpace, its collection, VDim and Ordering")
    name, width = head[1].decode("ascii", "replace"), int(head[2])
    if not re.fullmatch(r"Linear|Quadratic|Cubic|H1(Pos)?_\dD_P\d+|H1(@\w)?_\dD_P\d+", name):
        raise Fault("nodes", f"the space {name}: neighbours share no vertices in it", _SAVE)
    values = text[head.end() :].partition(b"mfem")[0]
    numbers = all_numbers(values, np.float64, "nodes")
    if width not in (1, 2, 3) or len(numbers) % width or len(numbers) // width < count:
        raise Fault("nodes", f"{len(numbers)} numbers for {count} vertices of {width}")
    shape = (-1, width) if head[3] == b"1" else (width, -1)
    points = numbers.reshape(shape) if head[3] == b"1" else numbers.reshape(shape).T
    straight = name == "Linear" or name.endswith("_P1")
    return (points[:count], "") if straight else (points, name)


def _with_midpoints(points: np.ndarray, text: bytes) -> tuple[np.ndarray, Labels]:
    """The points and those between two others, by the rows ``vertex parent parent``."""
    where = "vertex_parents"
    numbers = all_numbers(text, np.int64, where)
    count = _count(numbers, where)
    if 3 * count != len(numbers) - 1:
        raise Fault(where, f"{count} rows declared, {len(numbers) - 1} numbers follow")
    rows = numbers[1:].reshape(-1, 3)
    labels = Labels(np.concatenate([np.arange(len(points)), rows[:, 0]]))
    parents = labels.places(rows[:, 1:], where)
    out = np.concatenate([points, np.zeros((count, points.shape[1]))])
    known = np.arange(len(out)) < len(points)
    left = np.arange(count)
    for _ in range(64):  # levels of refinement
        ready = known[parents[left]].all(axis=1)
        rows_now = left[ready]
        out[len(points) + rows_now] = out[parents[rows_now]].mean(axis=1)
        known[len(points) + rows_now] = True
        left = left[~ready]
        if not len(left):
            return out, labels
    raise Fault(where, f"vertex {rows[left[0], 0]} does not lead back to given coordinates")


def _sets(text: bytes, where: str) -> dict[str, list[int]]:
    """Named sets of attributes: ``"name" count values``."""
    out = {}
    for name, count, values in re.findall(rb'"([^"\n]*)"\s+(\d{1,9})((?:\s+-?\d{1,18})*)', text):
        found = [int(value) for value in values.split()]
        if len(found) < int(count):
            raise Fault(
                where, f"{name.decode('utf-8', 'replace')!r} has {len(found)} of {int(count)}"
            )
        out[name.decode("utf-8", "replace")] = found[: int(count)]
    return out


FORMAT = Format(
    "MFEM",
    (),
    read_mfem,
    claims=lambda path, start: start.startswith(b"MFEM "),
    regions="attributes, named sets",
    lost="curvature",
)
