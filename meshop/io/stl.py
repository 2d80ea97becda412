"""STL surfaces: triangles in file order, solids as regions; corners of equal coordinates are one.

Source: 3D Systems, "StereoLithography Interface Specification" (1989), ascii and binary.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..mesh import Mesh, Region
from ._files import Fault, atomic_write, guarded, read_bytes
from ._format import Format
from ._ragged import within
from ._surface import require_types, warn_data, warn_lost, warn_regions
from ._text import to_numbers
from ._words import blocks, unix

_INDENT = 80  # characters before "solid" on its line
# facet normal x y z, outer loop, vertex x y z (three times), endloop, endfacet: 21 words.
_WORDS = 21
_KEYS = {
    0: b"facet", 1: b"normal", 5: b"outer", 6: b"loop", 7: b"vertex", 11: b"vertex",
    15: b"vertex", 19: b"endloop", 20: b"endfacet",
}  # fmt: skip
_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_UNKNOWN = (0, 0xFFFFFFFF)  # counts of programs that wrote the header before they knew


def read_stl(path: Path) -> Mesh:
    """Read an STL file, ascii or binary.

    STL stores three corners a triangle: corners with equal coordinates become one point (the first
    of them), in order of appearance. Stored normals are left out: corners give them. Attributes
    that are not zero are cell data "attribute". Raises MeshFileError.
    """
    with guarded(path, "STL"):
        data = read_bytes(path)
        if _is_ascii(data):
            return _ascii(path, data)
        return _binary(path, data)


def _is_ascii(data: bytes) -> bool:
    # Many binary files start with "solid": the size decides, then the text that must follow.
    if len(data) >= 84 and len(data) == 84 + 50 * int.from_bytes(data[80:84], "little"):
        return False
    start = data[:4096].lower()
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"solid", b"facet")) and (
        b"\0" not in start
    )


# -- binary -----------------------------------------------------------------------------------


def _binary(path: Path, data: bytes) -> Mesh:
    if len(data) < 84:
        raise Fault("header", f"{len(data)} bytes and no 'solid': this is no STL file")
    count = int.from_bytes(data[80:84], "little")
    said = ""
    held, rest = divmod(len(data) - 84, _RECORD.itemsize)
    if count in _UNKNOWN and held and not rest:
        said = f"the header says {count} triangles, {held} follow and are read"
        count = held
    if count > held:
        hint = "the file is cut off, or no STL file"
        raise Fault("header", f"{count} triangles declared, the file holds {held}", hint)
    if count < held and any(data[84 + 50 * count :].lstrip(b"\0")):
        reason = f"{count} triangles declared, bytes for {held} follow"
        raise Fault("header", reason, "write it again with the program that made it")
    table = np.frombuffer(data, _RECORD, count, 84)
    cell_data = {"attribute": table["attribute"].copy()} if table["attribute"].any() else {}
    mesh = _mesh(table["corners"].reshape(-1, 3), cell_data, {}, "float32")
    if said:
        warn_lost(path, "STL", said)
    return mesh


# -- ascii ------------------------------------------------------------------------------------


def _ascii(path: Path, data: bytes) -> Mesh:
    data = unix(data)
    marks = [*_marks(data), (len(data), len(data), True, b"")]
    parts, solids, start, total, name, text = [], [], 0, 0, b"", b""
    for begin, end, opens, rest in marks:
        text = data[start:begin]
        if text and not text.isspace():
            found = _facets(text, total)
            parts.append(found)
            solids.append((name.decode("utf-8", "replace"), total, len(found) // 3))
            total += len(found) // 3
        name = rest if opens else b""
        start = end
    if not marks[:-1] and not parts:
        raise Fault("content", "neither 'solid' nor a facet: this is no STL file")
    if not parts and any(b"vertex" in rest for *_, rest in marks):
        raise Fault("content", "facets on the line of 'solid', which is all name", "break the line")
    if not any(name for name, *_ in solids) and len(solids) > 1:
        solids = [(f"solid {i + 1}", a, n) for i, (_, a, n) in enumerate(solids)]
    regions: dict[str, list[np.ndarray]] = {}
    for label, first, count in solids:
        if label:
            regions.setdefault(label, []).append(np.arange(first, first + count))
    corners = np.concatenate([np.empty((0, 3)), *parts])
    sets = {label: Region("cell", np.concatenate(ids)) for label, ids in regions.items()}
    mesh = _mesh(corners, {}, sets, "float64")
    if text.strip() or (marks[:-1] and marks[-2][2]):
        warn_lost(path, "STL", "there is no 'endsolid': the file may be cut off")
    return mesh


def _marks(data: bytes) -> list[tuple[int, int, bool, bytes]]:
    """Lines that begin with solid or endsolid: start, end, whether it opens one, and its name."""
    found = []
    for word in (b"solid", b"SOLID", b"Solid"):
        at = data.find(word)
        while at >= 0:
            start = data.rfind(b"\n", max(at - _INDENT, 0), at) + 1 or max(at - _INDENT, 0)
            before = data[start:at].strip().lower()
            behind = data[at + 5 : at + 6]
            if before in (b"", b"end") and (not behind or behind.isspace()):
                end = data.find(b"\n", at)
                end = len(data) if end < 0 else end
                found.append((start, end, not before, data[at + 5 : end].strip()))
            at = data.find(word, at + 5)
    return sorted(found)


def _facets(text: bytes, before: int) -> np.ndarray:
    """The corners (3 n, 3) in the text between `solid` and `endsolid`."""
    parts: list[np.ndarray] = []
    rest: list[bytes] = []
    for block, _ in blocks(text):
        words = rest + block.split()
        count = len(words) // _WORDS
        end = count * _WORDS
        for at, key in _KEYS.items():
            if {word.lower() for word in set(words[at:end:_WORDS])} - {key}:
                row = next(i for i in range(count) if words[i * _WORDS + at].lower() != key)
                found = words[row * _WORDS + at][:40].decode("utf-8", "replace")
                reason = f"{found!r} where {key.decode()!r} belongs, in a loop of three vertices"
                raise Fault(f"facet {before + row + 1}", reason)
        corners = np.empty((count, 9))
        where = f"facets {before + 1} to {before + count}"
        for column, at in enumerate((8, 9, 10, 12, 13, 14, 16, 17, 18)):
            corners[:, column] = to_numbers(words[at:end:_WORDS], np.float64, where)
        parts.append(corners)
        before += count
        rest = words[end:]
    if rest:
        found = b" ".join(rest[:4])[:60].decode("utf-8", "replace")
        raise Fault(f"facet {before + 1}", f"it is not complete: {found!r}", "a cut-off file?")
    return np.concatenate(parts).reshape(-1, 3)


# -- points -----------------------------------------------------------------------------------


def _mesh(corners: np.ndarray, cell_data: dict, regions: dict, stored: str) -> Mesh:
    first, ids = _equal_rows(corners)
    count = len(corners) // 3
    return Mesh(
        corners[first],
        np.full(count, 5),
        np.arange(0, 3 * count + 1, 3),
        ids,
        cell_data=cell_data,
        regions=regions,
        storage={"points": stored},
    )


def _equal_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each group of equal ones, in order, and the group of each row."""
    rows = np.ascontiguousarray(rows + rows.dtype.type(0))  # -0 and 0 are the same place
    bits = rows.view(f"u{rows.itemsize}").astype(np.uint64)
    mixed = np.zeros(len(rows), np.uint64)
    for axis in range(3):
        mixed = (mixed ^ bits[:, axis]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed)
    new = np.ones(len(rows), bool)
    new[1:] = np.diff(mixed[order]) != 0
    bits = bits[order]
    apart = (bits[1:] != bits[:-1]).any(axis=1)
    if not np.array_equal(new[1:], apart):  # different rows of one hash: sort by the rows
        again = np.lexsort(bits.T)
        order, bits = order[again], bits[again]
        new[1:] = (bits[1:] != bits[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    first = np.minimum.reduceat(order, starts) if len(rows) else order
    opens = np.zeros(len(rows), bool)
    opens[first] = True
    rank = (np.cumsum(opens) - 1)[first]  # of the groups, by their first rows
    group = np.empty(len(rows), np.int64)
    group[order] = np.repeat(rank, np.diff(starts, append=len(rows)))
    return np.flatnonzero(opens), group


# -- write ------------------------------------------------------------------------------------


def write_stl(mesh: Mesh, path: Path | str, *, binary: bool = True) -> None:
    """Write triangles; quads, pixels, strips and convex polygons are split, with a warning.

    binary=False keeps float64 coordinates and cell regions (as solids). Raises MeshFileError.
    """
    with guarded(path, "STL"):
        mesh.check()
        nodes, cell = _triangles(mesh, path)
        attribute = mesh.cell_data.get("attribute") if binary else None
        if attribute is None or attribute.dtype != np.uint16 or attribute.ndim != 1:
            attribute = None
        kept = {("cell", "attribute")} if attribute is not None else set()
        warn_data(path, "STL", mesh, kept)
        if mesh.n_points > len(np.unique(nodes)):
            warn_lost(path, "STL", "points that no triangle uses are not stored")
        if binary:
            _write_binary(mesh, path, nodes, None if attribute is None else attribute[cell])
        else:
            _write_ascii(mesh, path, nodes, cell)


def _triangles(mesh: Mesh, path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 3) of triangles and the cell each is from."""
    require_types(mesh, (5, 6, 7, 8, 9), "STL")
    if (mesh.cell_types == 5).all():
        return mesh.cell_nodes.reshape(-1, 3), np.arange(mesh.n_cells)
    kinds = ", ".join(
        name
        for code, name in ((6, "strips"), (7, "polygons"), (8, "pixels"), (9, "quads"))
        if (mesh.cell_types == code).any()
    )
    warn_lost(path, "STL", f"{kinds} are split into triangles", "write .ply or .vtu")
    size = np.diff(mesh.cell_offsets)
    cell = np.repeat(np.arange(mesh.n_cells), size - 2)
    local = within(size - 2)
    kind = mesh.cell_types[cell]
    start = mesh.cell_offsets[cell]
    odd = local % 2 == 1
    strip = (kind == 6) | (kind == 8)  # a pixel is a strip of two
    corner = np.stack(
        [
            np.where(strip, local, 0),
            np.where(strip, local + 1 + odd, local + 1),
            np.where(strip, local + 2 - odd, local + 2),
        ],
        axis=1,
    )
    return mesh.cell_nodes[start[:, None] + corner], cell


def _normals(corners: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(np.isfinite(normals), normals, 0.0)


def _write_binary(
    mesh: Mesh, path: Path | str, nodes: np.ndarray, attribute: np.ndarray | None
) -> None:
    if len(nodes) > 0xFFFFFFFE:
        raise Fault("cells", f"{len(nodes)} triangles, STL counts with 32 bits")
    warn_regions(path, "STL", list(mesh.regions), "binary=False keeps those of cells as solids")
    with np.errstate(over="ignore"):
        single = mesh.points.astype("<f4")
    if not np.isfinite(single).all():
        raise Fault("points", "a coordinate exceeds the range of float32", "binary=False")
    if not np.array_equal(single, mesh.points):
        warn_lost(path, "STL", "coordinates are rounded to float32", "binary=False keeps them")
    with atomic_write(path) as file:
        file.write(b"binary STL by meshop".ljust(80) + len(nodes).to_bytes(4, "little"))
        for start in range(0, len(nodes), 1 << 18):
            part = slice(start, start + (1 << 18))
            table = np.zeros(len(nodes[part]), _RECORD)
            table["corners"] = single[nodes[part]]
            table["normal"] = _normals(mesh.points[nodes[part]])
            if attribute is not None:
                table["attribute"] = attribute[part]
            file.write(table.tobytes())


def _write_ascii(mesh: Mesh, path: Path | str, nodes: np.ndarray, cell: np.ndarray) -> None:
    label = np.full(mesh.n_cells, -1)
    names: list[str] = []
    lost: list[str] = []
    for name, region in mesh.regions.items():
        usable = name == " ".join(name.split()) and name and region.kind == "cell"
        if not usable or not len(region.ids) or (label[region.ids] >= 0).any():
            lost.append(name)
            continue
        label[region.ids] = len(names)
        names.append(name)
    warn_regions(path, "STL", lost, "solids are named sets of cells that do not overlap")
    mine = label[cell]
    starts = np.flatnonzero(np.diff(mine, prepend=-2))
    ends = np.append(starts[1:], len(mine))[: len(starts)]
    with atomic_write(path) as file:
        for start, end in zip(starts, ends, strict=True):
            solid = names[mine[start]].encode("utf-8", "replace") if mine[start] >= 0 else b""
            file.write(b"solid " + solid + b"\n")
            for part in range(start, end, 1 << 16):
                corners = mesh.points[nodes[part : min(part + (1 << 16), end)]]
                rows = np.concatenate([_normals(corners)[:, None], corners], axis=1)
                file.writelines(map(_facet, rows.reshape(-1, 12).tolist()))
            file.write(b"endsolid " + solid + b"\n")
        if not len(starts):
            file.write(b"solid\nendsolid\n")


def _facet(row: list[float]) -> bytes:
    return (
        "facet normal {!r} {!r} {!r}\n outer loop\n  vertex {!r} {!r} {!r}\n"
        "  vertex {!r} {!r} {!r}\n  vertex {!r} {!r} {!r}\n endloop\nendfacet\n".format(*row)
    ).encode()


FORMAT = Format(
    "STL",
    (".stl",),
    read_stl,
    write_stl,
    regions="solids (ascii)",
    lost="point order, data arrays, quads and polygons (split); float64 in binary files",
)
