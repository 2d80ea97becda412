"""PLY polygons and point clouds: ascii and binary, every property kept with its type.

Source: G. Turk, "The PLY Polygon File Format" (1994), with the type names of later programs (int8,
float64, bool). `vertex` becomes points; `face`, `tristrips` and `edge` become cells.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._bounds import Allowance
from ._columns import cloud, grouped
from ._files import CUT, Fault, guarded, read_bytes
from ._format import Format, warn_lost
from ._ply_write import write_ply
from ._ragged import offsets_of, ragged, within
from ._surface import face_types
from ._words import as_integers, integers, take_rows, unix

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "bool": "u1", "int8": "i1", "uint8": "u1", "int16": "i2",
    "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_ORDER = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}
_HEADER = 1 << 20
_PART = 1 << 16  # rows that are gathered at once
_INDICES = ("vertex_indices", "vertex_index")
Lists = tuple[np.ndarray, np.ndarray]  # all items, and how many each row has


@dataclass
class _Element:
    name: str
    count: int
    # Name, type of the count of a list (None for a scalar), type of the value or item.
    properties: list[tuple[str, np.dtype | None, np.dtype]] = field(default_factory=list)
    scalars: dict[str, np.ndarray] = field(default_factory=dict)
    lists: dict[str, Lists] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """The bytes of a row whose lists are empty."""
        return sum((size or item).itemsize for _, size, item in self.properties)

    def of_lists(self, names: tuple[str, ...]) -> Lists | None:
        """The list of one of these names, else the only list of integers."""
        found = [v for n, v in self.lists.items() if n.lower() in names]
        if not found:
            found = [v for v in self.lists.values() if v[0].dtype.kind in "iu"]
            found = found if len(found) == 1 else []
        return found[0] if found else None


def read_ply(path: Path) -> Mesh:
    """Read a PLY file. Normals (nx, ny, nz) and colours (red, green, blue) become one array each.

    Elements that are neither points nor cells are left out with a warning. Raises MeshFileError.
    """
    with guarded(path, "PLY"):
        data = read_bytes(path)
        order, elements, at = _header(data)
        if not order:
            data = unix(data)
        for element in elements:
            if not element.count:
                _no_rows(element)
            elif not order:
                at = _ascii(data, at, element)
            elif any(size is not None for _, size, _ in element.properties):
                at = _binary_lists(data, at, element, order)
            else:
                at = _binary(data, at, element, order)
        return _mesh(path, elements)


def _header(data: bytes) -> tuple[str, list[_Element], int]:
    """Byte order ("" for ascii), the elements, and where they start."""
    start = re.match(rb"ply[ \t]*(\r\n|\n|\r)", data)
    end = re.compile(rb"[\r\n]end_header[ \t]*").search(data, 0, _HEADER)
    if not start or not end:
        raise Fault("header", "it does not begin with 'ply' and close with 'end_header'")
    at = end.end() + (len(start[1]) if data.startswith(start[1], end.end()) else 1)
    order: str | None = None
    elements: list[_Element] = []
    for line in data[start.end() : end.start()].splitlines():
        words = line.split()
        if not words or words[0] in (b"comment", b"obj_info"):
            continue
        text = line[:60].decode("utf-8", "replace")
        if words[0] == b"format" and len(words) > 1 and words[1] in _ORDER:
            order = _ORDER[words[1]]
        elif words[0] == b"element" and len(words) == 3 and re.fullmatch(rb"\d{1,18}", words[2]):
            elements.append(_Element(words[1].decode("utf-8", "replace"), int(words[2])))
        elif words[0] == b"property" and elements:
            elements[-1].properties.append(_property(words, text))
        else:
            raise Fault("header", f"line {text!r} is neither format, element nor property")
    if order is None:
        raise Fault("header", "no line 'format ascii|binary_little_endian|binary_big_endian 1.0'")
    return order, elements, at


def _property(words: list[bytes], text: str) -> tuple[str, np.dtype | None, np.dtype]:
    kinds = [_TYPES.get(word.decode("latin-1").lower()) for word in words[1:]]
    if len(words) == 5 and words[1] == b"list" and kinds[1] and kinds[2]:
        size, item = np.dtype(kinds[1]), np.dtype(kinds[2])
        if size.kind in "iu":
            return words[4].decode("utf-8", "replace"), size, item
    elif len(words) == 3 and kinds[0]:
        return words[2].decode("utf-8", "replace"), None, np.dtype(kinds[0])
    raise Fault("header", f"{text!r} is no property: type and name, or list and two types and name")


def _no_rows(element: _Element) -> None:
    for name, size, item in element.properties:
        if size is None:
            element.scalars[name] = np.empty(0, item)
        else:
            element.lists[name] = np.empty(0, item), np.empty(0, np.int64)


# -- binary -----------------------------------------------------------------------------------


def _fits(data: bytes, at: int, element: _Element, size: int) -> None:
    if element.count * size > len(data) - at:
        raise Fault(
            f"element {element.name}",
            f"{element.count} rows declared, {len(data) - at} bytes are left",
            CUT,
        )


def _binary(data: bytes, at: int, element: _Element, order: str) -> int:
    row = np.dtype([(f"f{i}", _stored(t, order)) for i, (*_, t) in _numbered(element)])
    if not row.itemsize:
        return at
    _fits(data, at, element, row.itemsize)
    table = np.frombuffer(data, row, element.count, at)
    for i, (name, _, item) in _numbered(element):
        element.scalars[name] = table[f"f{i}"].astype(item)
    return at + element.count * row.itemsize


def _numbered(element: _Element) -> list[tuple[int, tuple[str, np.dtype | None, np.dtype]]]:
    return list(enumerate(element.properties))


def _binary_lists(data: bytes, at: int, element: _Element, order: str) -> int:
    _fits(data, at, element, element.least)
    row = _first_row(data, at, element, order)
    if row is not None and element.count * row.itemsize <= len(data) - at:
        table = np.frombuffer(data, row, element.count, at)
        sizes = [f"n{i}" for i, (_, size, _) in _numbered(element) if size is not None]
        if all((table[n] == table[n][0]).all() for n in sizes):  # each row is as long
            for i, (name, size, item) in _numbered(element):
                values = table[f"f{i}"].astype(item)
                if size is None:
                    element.scalars[name] = values
                else:
                    element.lists[name] = values.ravel(), table[f"n{i}"].astype(np.int64)
            return at + element.count * row.itemsize
    return _walk(data, at, element, order)


def _first_row(data: bytes, at: int, element: _Element, order: str) -> np.dtype | None:
    """The first row as a type of fixed size, where it lies within the file."""
    fields: list[tuple] = []
    for i, (_, size, item) in _numbered(element):
        if size is None:
            fields.append((f"f{i}", _stored(item, order)))
            at += item.itemsize
            continue
        count = _count(data, at, size, order)
        at += size.itemsize + count * item.itemsize
        if count < 0 or at > len(data):
            return None
        fields += [
            (f"n{i}", _stored(size, order)),
            (f"f{i}", _stored(item, order), (count,)),
        ]
    return np.dtype(fields)


def _stored(kind: np.dtype, order: str) -> np.dtype:
    return np.dtype(order + kind.str[1:])


def _count(data: bytes, at: int, kind: np.dtype, order: str) -> int:
    return int.from_bytes(
        data[at : at + kind.itemsize],
        "big" if order == ">" else "little",
        signed=kind.kind == "i",
    )


def _walk(data: bytes, at: int, element: _Element, order: str) -> int:
    """Rows of different length: where each starts is only known from the one before."""
    rows = array("q")
    end = len(data)
    if len(element.properties) == 1 and element.properties[0][1] == np.uint8:
        width = element.properties[0][2].itemsize
        while len(rows) < element.count and at < end:
            rows.append(at)
            at += 1 + width * data[at]
    else:
        steps = [(size, item.itemsize) for _, size, item in element.properties]
        while len(rows) < element.count and at < end:
            rows.append(at)
            for size, width in steps:
                if size is None:
                    at += width
                else:
                    count = _count(data, at, size, order)
                    at += size.itemsize + width * count if count >= 0 else end
    if at > end or len(rows) < element.count:
        reason = "it is longer than what is left of the file"
        raise Fault(f"element {element.name}, row {len(rows)} of {element.count}", reason, CUT)
    raw, cursor = np.frombuffer(data, np.uint8), np.frombuffer(rows, np.int64)
    for name, size, item in element.properties:
        if size is None:
            element.scalars[name] = _gather(raw, cursor, item, order)
            cursor = cursor + item.itemsize
        else:
            counts = _gather(raw, cursor, size, order).astype(np.int64)
            starts = cursor + size.itemsize
            parts = [
                _gather(
                    raw, _every(starts[a : a + _PART], counts[a : a + _PART], item), item, order
                )
                for a in range(0, len(starts), _PART)
            ]
            element.lists[name] = np.concatenate(parts), counts
            cursor = starts + counts * item.itemsize
    return at


def _every(starts: np.ndarray, counts: np.ndarray, item: np.dtype) -> np.ndarray:
    """The place of every item of lists that start there."""
    first = np.repeat(starts, counts)
    return first + item.itemsize * within(counts)


def _gather(raw: np.ndarray, places: np.ndarray, kind: np.dtype, order: str) -> np.ndarray:
    """The values of a type that lie at these bytes."""
    out = np.empty(len(places), kind)
    for start in range(0, len(places), _PART):
        part = places[start : start + _PART]
        found = raw[part[:, None] + np.arange(kind.itemsize)]
        out[start : start + _PART] = found.view(_stored(kind, order))[:, 0]
    return out


# -- ascii ------------------------------------------------------------------------------------


def _ascii(data: bytes, at: int, element: _Element) -> int:
    where, width = f"element {element.name}", len(element.properties)
    if not width:
        return at
    if all(size is None for _, size, _ in element.properties):
        values, offsets, at = take_rows(data, at, element.count, where, width)
        if len(values) != element.count * width:
            row = int(np.argmax(np.diff(offsets) > width))
            raise Fault(f"{where}, row {row + 1}", f"more than {width} numbers")
        for column, (name, _, item) in enumerate(element.properties):
            element.scalars[name] = _cast(values[column::width], item, f"{where}, {name}")
        return at
    values, offsets, at = take_rows(data, at, element.count, where, width)
    cursor, ends = offsets[:-1], offsets[1:]
    for name, size, item in element.properties:
        if (cursor >= ends).any():
            row = int(np.argmax(cursor >= ends))
            raise Fault(f"{where}, row {row + 1}", f"the line ends before {name!r}", CUT)
        if size is None:
            element.scalars[name] = _cast(values[cursor], item, f"{where}, {name}")
            cursor = cursor + 1
            continue
        counts = integers(values[cursor], f"{where}, {name}")
        bad = (counts < 0) | (counts > ends - cursor - 1)
        if bad.any():
            row = int(np.argmax(bad))
            reason = f"a list of {counts[row]}, {ends[row] - cursor[row] - 1} numbers follow"
            raise Fault(f"{where}, row {row + 1}", reason)
        items = values[ragged(cursor + 1, counts)]
        element.lists[name] = _cast(items, item, f"{where}, {name}"), counts
        cursor = cursor + 1 + counts
    if (cursor < ends).any():
        row = int(np.argmax(cursor < ends))
        raise Fault(f"{where}, row {row + 1}", "more numbers than the properties take")
    return at


def _cast(values: np.ndarray, kind: np.dtype, where: str) -> np.ndarray:
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(kind)
    return as_integers(values, kind, where)


# -- mesh -------------------------------------------------------------------------------------


def _mesh(path: Path, elements: list[_Element]) -> Mesh:
    vertex = next((e for e in elements if e.name.lower() == "vertex"), None)
    if vertex is None:
        raise Fault("header", "no 'element vertex': there are no points")
    mesh = cloud(vertex.scalars, {}, "PLY points are properties x, y, z of element vertex")
    types, sizes, nodes = [np.empty(0, np.uint8)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    data: list[tuple[int, dict[str, np.ndarray]]] = []
    dropped = [f"list {name!r} of points" for name in vertex.lists]
    for element in elements:
        kind = element.name.lower()
        if kind == "edge" and {"vertex1", "vertex2"} <= set(element.scalars):
            ends = [element.scalars.pop(f"vertex{i}") for i in (1, 2)]
            size = np.full(element.count, 2)
            items = _whole(np.stack(ends, axis=1).ravel(), element)
            code = np.full(element.count, 3, np.uint8)
        elif kind in ("face", "tristrips") and (found := element.of_lists(_INDICES)) is not None:
            items, size = _whole(found[0], element), found[1]
            if kind == "tristrips":  # strips in one list end with -1
                items, size = _strips(items, size)
            code = np.full(len(size), 6, np.uint8) if kind == "tristrips" else face_types(size)
            for name, (values, counts) in element.lists.items():
                if values is found[0]:
                    continue
                if len(counts) and (counts == counts[0]).all() and counts[0]:
                    element.scalars[name] = values.reshape(len(counts), -1)
                elif len(counts):
                    dropped.append(f"list {name!r} of cells: its length varies")
            if kind == "tristrips":
                element.scalars = {}
        else:
            if element is not vertex and element.count:
                dropped.append(f"element {element.name!r}")
            continue
        types.append(code)
        sizes.append(size)
        nodes.append(items)
        data.append((len(size), grouped(element.scalars)))
    whole = Mesh(
        mesh.points,
        np.concatenate(types),
        offsets_of(np.concatenate(sizes)),
        np.concatenate(nodes),
        mesh.point_data,
        _cell_data([(n, d) for n, d in data if n]),
        storage=mesh.storage,
    )
    if dropped:
        warn_lost(path, "PLY", f"left out: {', '.join(dropped)[:300]}")
    return whole


def _whole(values: np.ndarray, element: _Element) -> np.ndarray:
    """Ids of points as int64: some programs write them as floats. Raises Fault."""
    if values.dtype.kind == "f":
        return integers(values, f"element {element.name}")
    return values.astype(np.int64)


def _strips(items: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strips without the -1 between them, and the length of each."""
    row = np.repeat(np.arange(len(sizes)), sizes)
    strip = row + np.cumsum(items == -1)  # increasing: one number a strip
    inside = items != -1
    _, counts = np.unique(strip[inside], return_counts=True)
    return items[inside], counts


def _cell_data(parts: list[tuple[int, dict[str, np.ndarray]]]) -> dict[str, np.ndarray]:
    """Faces and edges have data of their own: NaN where a name is missing."""
    out = {}
    room = Allowance(sum(values.size for _, data in parts for values in data.values()))
    for name in dict.fromkeys(name for _, data in parts for name in data):
        known = [data[name] for _, data in parts if name in data]
        if len({values.shape[1:] for values in known}) > 1:
            continue
        absent = np.full((1, *known[0].shape[1:]), np.nan)
        room.take(absent.size * sum(n for n, data in parts if name not in data), f"data {name!r}")
        arrays = [data[name] if name in data else absent.repeat(n, axis=0) for n, data in parts]
        out[name] = np.concatenate(arrays)
    return out


FORMAT = Format(
    "PLY",
    (".ply",),
    read_ply,
    write_ply,
    lambda _, start: re.match(rb"ply[ \t]*[\r\n]", start) is not None,
    lost="regions, field data; 64-bit integers become 32-bit, booleans 8-bit",
)
