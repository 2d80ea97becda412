"""Legacy VTK, writing: an unstructured grid of version 5.1, binary or ascii."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ...mesh import POLYHEDRON, Mesh
from .._curved import OLD_XML, current_order
from .._files import Fault, atomic_write, guarded
from .._format import warn_lost
from .._strings import encoded
from .._vtk_data import ACTIVE, storable, to_field_data

_TYPES = {  # the names that every version of VTK knows
    "i1": "char", "u1": "unsigned_char", "i2": "short", "u2": "unsigned_short", "i4": "int",
    "u4": "unsigned_int", "i8": "vtktypeint64", "u8": "vtktypeuint64", "f4": "float",
    "f8": "double",
}  # fmt: skip
_ROW = 9  # numbers on a line of text
_ROWS = 1 << 12


def write_vtk(mesh: Mesh, path: str | os.PathLike, *, binary: bool = True) -> None:
    """Write `mesh` as a legacy VTK file, complete or not at all; binary=False writes text.

    Raises MeshFileError.
    """
    with guarded(path, "VTK"):
        mesh.check()
        with atomic_write(path) as file:
            for part in _parts(mesh, binary):
                file.write(part)
    polyhedra = np.repeat(mesh.cell_types == POLYHEDRON, np.diff(mesh.cell_offsets))
    if polyhedra.any():
        first = np.zeros(len(polyhedra) + 1, bool)  # of a cell
        first[mesh.cell_offsets] = True
        step = np.diff(mesh.cell_nodes, prepend=-1)
        if np.any((step <= 0) & polyhedra & ~first[:-1]):
            what = "nodes of polyhedra come back in increasing order; their faces stay"
            warn_lost(Path(path), "VTK", what, "write .vtu, which keeps them")


def _parts(mesh: Mesh, binary: bool) -> Iterator[bytes | memoryview]:
    title = " ".join(mesh.storage.get("title", "").split()) or "meshop"
    title = title.encode("utf-8", "replace")[:200].decode("utf-8", "ignore")
    mode = "BINARY" if binary else "ASCII"
    yield f"# vtk DataFile Version 5.1\n{title}\n{mode}\nDATASET UNSTRUCTURED_GRID\n".encode()
    if field_data := {**mesh.field_data, **to_field_data(mesh)}:
        yield from _fields(mesh, "field", field_data, binary)
    points = _points(mesh)
    yield f"POINTS {mesh.n_points} {_TYPES[points.dtype.str[1:]]}\n".encode()
    yield from _numbers(points.ravel(), binary)
    offsets, nodes = _cells(mesh)
    integer = _index_type(mesh, offsets, nodes)
    yield f"CELLS {len(offsets)} {len(nodes)}\n".encode()
    for label, values in (("OFFSETS", offsets), ("CONNECTIVITY", nodes)):
        yield f"{label} {_TYPES[integer]}\n".encode()
        yield from _numbers(values.astype(integer), binary)
    yield f"CELL_TYPES {mesh.n_cells}\n".encode()
    yield from _numbers(mesh.cell_types.astype("i4"), binary)
    for where, data, length in (
        ("cell", mesh.cell_data, mesh.n_cells),
        ("point", mesh.point_data, mesh.n_points),
    ):
        if data:
            yield f"{where.upper()}_DATA {length}\n".encode()
            yield from _data(mesh, where, data, binary)


def _points(mesh: Mesh) -> np.ndarray:
    """As the file stored them, unless that would change a coordinate."""
    dtype = np.dtype(mesh.storage.get("points", "float64"))
    with np.errstate(over="ignore", invalid="ignore"):
        stored = mesh.points.astype(dtype)
        same = np.array_equal(stored.astype(np.float64), mesh.points)
    return stored if same and dtype.str[1:] in _TYPES else mesh.points


def _index_type(mesh: Mesh, offsets: np.ndarray, nodes: np.ndarray) -> str:
    """64 bits, unless the file that was read had less and they still suffice."""
    narrow = all(mesh.storage.get(n) == "int32" for n in ("connectivity", "offsets"))
    fits = max(offsets[-1], nodes.max(initial=0)) <= np.iinfo(np.int32).max
    return "i4" if narrow and fits else "i8"


def _cells(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, nodes); polyhedra have their face stream in place of nodes."""
    offsets, nodes = mesh.cell_offsets, mesh.cell_nodes
    if mesh.storage.get("version") in OLD_XML:
        nodes = current_order(mesh.cell_types, offsets, nodes)
    polyhedra = mesh.cell_types == POLYHEDRON
    if mesh.faces is None or mesh.face_offsets is None or not polyhedra.any():
        return offsets, nodes
    ends = mesh.face_offsets[polyhedra]
    old = np.diff(offsets)
    size = old.copy()
    size[polyhedra] = np.diff(ends, prepend=0)
    in_stream = np.repeat(polyhedra, size)
    out = np.empty(len(in_stream), np.int64)
    out[in_stream] = mesh.faces
    out[~in_stream] = nodes[~np.repeat(polyhedra, old)]
    return np.concatenate([[0], np.cumsum(size)]), out


def _data(
    mesh: Mesh, where: str, data: dict[str, np.ndarray], binary: bool
) -> Iterator[bytes | memoryview]:
    """Arrays in their order: the active ones as attributes, those between them as fields."""
    active = {mesh.storage.get(f"{where}_data.{kind}"): kind for kind in ACTIVE}
    plain: dict[str, np.ndarray] = {}
    for name, values in data.items():
        kind = active.get(name)
        head = None if kind is None else _attribute(kind, name, values)
        if head is None:
            plain[name] = values
            continue
        if plain:
            yield from _fields(mesh, where, plain, binary)
            plain = {}
        yield head.encode()
        yield from _numbers(storable(name, values).ravel(), binary)
        yield from _labels(mesh, where, name, values)
    if plain:
        yield from _fields(mesh, where, plain, binary)


def _attribute(kind: str, name: str, values: np.ndarray) -> str | None:
    """The head of an attribute's section, None where it has to be a plain field."""
    components = int(np.prod(values.shape[1:]))
    if values.dtype.kind not in "biuf" or components not in ACTIVE[kind]:
        return None
    label, number = _encoded(name), _TYPES[storable(name, values).dtype.str[1:]]
    return {
        "Scalars": f"SCALARS {label} {number} {components}\nLOOKUP_TABLE default\n",
        "Tensors": f"TENSORS{'6' if components == 6 else ''} {label} {number}\n",
        "TCoords": f"TEXTURE_COORDINATES {label} {components} {number}\n",
        "GlobalIds": f"GLOBAL_IDS {label} {number}\n",
        "PedigreeIds": f"PEDIGREE_IDS {label} {number}\n",
    }.get(kind, f"{kind.upper()} {label} {number}\n")


def _fields(
    mesh: Mesh, where: str, data: dict[str, np.ndarray], binary: bool
) -> Iterator[bytes | memoryview]:
    yield f"FIELD FieldData {len(data)}\n".encode()
    for name, values in data.items():
        components = int(np.prod(values.shape[1:]))
        if components < 1:
            raise Fault(f"array {name!r}", f"its shape is {values.shape}: no components")
        head = f"{_encoded(name)} {components} {len(values)}"
        if values.dtype.kind in "UOST":
            yield f"{head} string\n".encode()
            yield from _strings(name, values, binary)
        else:
            stored = storable(name, values)
            yield f"{head} {_TYPES[stored.dtype.str[1:]]}\n".encode()
            yield from _numbers(stored.ravel(), binary)
        yield from _labels(mesh, where, name, values)


def _labels(mesh: Mesh, where: str, name: str, values: np.ndarray) -> Iterator[bytes]:
    if labels := mesh.components.get((where, name)):
        components = int(np.prod(values.shape[1:]))
        padded = [_encoded(label, "") for label in labels[:components]]
        padded += [""] * (components - len(padded))
        yield "\n".join(["METADATA", "COMPONENT_NAMES", *padded, "\n"]).encode()


def _numbers(values: np.ndarray, binary: bool) -> Iterator[bytes | memoryview]:
    """Flat values and the end of their line."""
    if binary:
        step = 1 << 20  # the other byte order, a part at a time
        for at in range(0, len(values), step):
            part = values[at : at + step]
            yield part.astype(part.dtype.newbyteorder(">")).tobytes()
        yield b"\n"
        return
    for at in range(0, len(values), _ROW * _ROWS):
        words = values[at : at + _ROW * _ROWS].astype("S32").tolist()
        rows = (b" ".join(words[i : i + _ROW]) for i in range(0, len(words), _ROW))
        yield b"\n".join(rows) + b"\n"
    if not len(values):
        yield b"\n"


def _strings(name: str, values: np.ndarray, binary: bool) -> Iterator[bytes]:
    for item in encoded(name, values, zero=True):
        if not binary:
            yield _percent(item) + b"\n"
            continue
        for mark, extra in ((3, 0), (2, 1), (1, 3), (0, 7)):  # bytes of the length
            bits = 8 * extra + 6
            if len(item) < 1 << bits:
                yield ((mark << bits) | len(item)).to_bytes(1 + extra, "big") + item
                break
    if binary:
        yield b"\n"


def _encoded(name: str, kind: str = "array") -> str:
    """A name as VTK writes it: one word, %XX for what is no plain character."""
    if not name and kind:
        raise Fault(f"name {name!r}", "an array needs a name", "rename the array")
    try:
        word = _percent(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise Fault(f"name {name!r}", "it is no text", "rename the array") from None
    if word == b"NULL_ARRAY":  # which means none in this format
        word = b"%4EULL_ARRAY"
    return word.decode("ascii")


def _percent(text: bytes) -> bytes:
    return b"".join(_PERCENT[byte] for byte in text)


def _table() -> Iterable[bytes]:
    for byte in range(256):
        plain = 33 <= byte <= 126 and byte not in b'"%'
        yield bytes([byte]) if plain else b"%%%02X" % byte


_PERCENT = tuple(_table())
