"""polyMesh folders: points, faces, owner, neighbour, boundary and zones; pieces put together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ...mesh import Mesh, Region
from .._bounds import free_name
from .._face_cells import cells_of
from .._files import CUT, Fault
from .._ragged import ragged, within
from ._text import FoamText

_ZONES = (
    ("cellZones", "cellLabels", "cell"),
    ("faceZones", "faceLabels", "facet"),
    ("pointZones", "pointLabels", "point"),
)
PATCH = "foam_patch "  # field data: the patch's type, then its other entries


@dataclass
class Patch:
    """Faces start to start + size of the boundary; entries: its type, then `key value` texts."""

    name: str
    start: int
    size: int
    entries: list[str]


@dataclass
class PolyMesh:
    """What a polyMesh folder holds. nodes of face i: face_nodes[offsets[i] : offsets[i + 1]]."""

    points: np.ndarray
    offsets: np.ndarray
    face_nodes: np.ndarray
    owner: np.ndarray
    neighbour: np.ndarray
    patches: list[Patch]
    zones: list[tuple[str, str, np.ndarray]] = field(default_factory=list)  # kind, name, ids

    @property
    def n_faces(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_cells(self) -> int:
        ends = [int(ids.max()) + 1 for ids in (self.owner, self.neighbour) if len(ids)]
        return max(ends, default=0)


def read_poly(open_file: Callable[[str], FoamText | None]) -> PolyMesh:
    """A checked PolyMesh. open_file("owner") gives that file, None where there is none."""

    def need(name: str, *kinds: str) -> FoamText:
        text = open_file(name)
        if text is None:
            raise Fault(name, "the mesh has no such file", "write the mesh again: all its files")
        return _of_class(text, *kinds)

    text = need("points", "vectorField", "vectorIOField", "pointField")
    points = text.vectors()
    text = need("faces", "faceList", "faceCompactList", "faceIOList", "faceCompactIOList")
    offsets, nodes = text.faces()
    size = np.diff(offsets)
    if len(size) and size.min() < 3:
        bad = int(np.argmin(size))
        raise Fault(text.name, f"face {bad} has {size[bad]} nodes, at least 3 make a face")
    _in_range(text, nodes, len(points), "point")
    text = need("owner", "labelList", "labelIOList")
    owner = text.labels(len(size))
    if len(owner) != len(size):
        raise Fault(text.name, f"{len(owner)} owners of {len(size)} faces", CUT)
    text = need("neighbour", "labelList", "labelIOList")
    neighbour = text.labels(len(size))
    if len(neighbour) > len(size):
        raise Fault(text.name, f"{len(neighbour)} neighbours of {len(size)} faces", CUT)
    inner = np.flatnonzero(neighbour != -1)  # old versions pad with -1 at the boundary
    neighbour = neighbour[: inner[-1] + 1 if len(inner) else 0]
    poly = PolyMesh(points, offsets, nodes, owner, neighbour, [])
    _check_cells(poly)
    text = need("boundary", "polyBoundaryMesh")
    poly.patches = _patches(text, poly)
    limits = {"cell": poly.n_cells, "facet": poly.n_faces, "point": len(points)}
    for name, key, kind in _ZONES:
        if (zones := open_file(name)) is not None:
            poly.zones += _zones(zones, key, kind, limits[kind])
    return poly


def _of_class(text: FoamText, *kinds: str) -> FoamText:
    if text.kind not in kinds:
        raise Fault(text.name, f"its class is {text.kind[:40]!r}, expected {kinds[0]}")
    return text


def _in_range(text: FoamText, ids: np.ndarray, n: int, of: str) -> None:
    if len(ids) and (ids.min() < 0 or ids.max() >= n):
        bad = ids[(ids < 0) | (ids >= n)][0]
        raise Fault(text.name, f"it refers to {of} {bad}, valid are 0 to {n - 1}")


def _check_cells(poly: PolyMesh) -> None:
    """Every cell has at least four faces, so their number is bounded by what the files hold."""
    where, inner = "owner and neighbour", len(poly.neighbour)
    for ids in (poly.owner, poly.neighbour):
        if len(ids) and ids.min() < 0:
            raise Fault(where, f"face {int(np.argmin(ids))} has cell {ids.min()}")
    if 4 * poly.n_cells > poly.n_faces + inner:
        cells = (
            f"{poly.n_cells} cells cannot be made of {poly.n_faces} faces, {inner} of them shared"
        )
        raise Fault(where, cells, CUT)
    if np.any(same := poly.owner[:inner] == poly.neighbour):
        raise Fault(where, f"face {int(np.argmax(same))} has one cell on both sides")
    count = np.bincount(np.concatenate([poly.owner, poly.neighbour]))
    if len(count) and count.min() < 4:
        bad = int(np.argmin(count))
        raise Fault(where, f"cell {bad} has {count[bad]} faces, at least 4 make a cell")


def patch_list(text: FoamText) -> list[Patch]:
    """The patches of a boundary file."""
    patches = []
    for name in _members(text):
        entries = {key.decode("utf-8", "replace"): text.raw() for key in text.entries(b"}")}
        try:
            size, start = (_number(entries.pop(key)) for key in ("nFaces", "startFace"))
        except (KeyError, ValueError):
            raise text.fault(f"patch {name!r} needs the numbers nFaces and startFace") from None
        rest = [entries.pop("type", "patch"), *(f"{key} {value}" for key, value in entries.items())]
        patches.append(Patch(name, start, size, rest))
    return patches


def _patches(text: FoamText, poly: PolyMesh) -> list[Patch]:
    patches = patch_list(text)
    inner = len(poly.neighbour)
    for patch in patches:
        end = patch.start + patch.size
        if patch.size < 0 or (patch.size and patch.start < inner) or end > poly.n_faces:
            raise text.fault(
                f"patch {patch.name!r} has faces {patch.start} to {end - 1}, the boundary has "
                f"{inner} to {poly.n_faces - 1}"
            )
    used = sorted((patch for patch in patches if patch.size), key=lambda patch: patch.start)
    for one, two in itertools.pairwise(used):
        if one.start + one.size > two.start:
            raise text.fault(f"patches {one.name!r} and {two.name!r} share faces")
    return patches


def _number(word: str) -> int:
    if len(word) > 18 or not word.isascii() or not word.removeprefix("-").isdigit():
        raise ValueError(word)
    return int(word)


def _members(text: FoamText) -> Iterator[str]:
    """The names in `n ( name { ... } ... )`, each at its dictionary; n ( ) may be left out."""
    count, found = text.count(), 0
    end = b")" if text.peek() == b"(" else b""
    text.at += len(end)
    while text.peek() != end:
        name = text.word()
        text.expect(b"{")
        yield name
        found += 1
    text.at += len(end)
    if count is None and not end and not found:
        raise text.fault("the file ends before its list", CUT)
    if count is not None and found != count:
        raise text.fault(f"{found} entries found, {count} declared", CUT)


def _zones(text: FoamText, key: str, kind: str, n: int) -> list[tuple[str, str, np.ndarray]]:
    out = []
    for name in _members(text):
        ids = np.empty(0, np.int64)
        for found in text.entries(b"}"):
            if found.decode("utf-8", "replace") == key:
                text.skip_type()
                ids = text.labels(1)
                _in_range(text, ids, n, kind.replace("facet", "face"))
        out.append((kind, name, ids))
    return out


# -- pieces of a decomposed mesh ----------------------------------------------------------------


@dataclass
class Addressing:
    """Where the points, faces and cells of a piece lie in the whole; faces count from 1, signed."""

    points: np.ndarray
    faces: np.ndarray
    cells: np.ndarray


def read_addressing(
    open_file: Callable[[str], FoamText | None], poly: PolyMesh
) -> Addressing | None:
    """The piece's `*ProcAddressing`, None where it is not complete."""
    lists = []
    for name, n in (("point", len(poly.points)), ("face", poly.n_faces), ("cell", poly.n_cells)):
        text = open_file(f"{name}ProcAddressing")
        if text is None:
            return None
        _of_class(text, "labelList", "labelIOList")
        ids = text.labels(n, n)
        if len(ids) and (ids.min() < 0 if name != "face" else np.any(ids == 0)):
            raise Fault(text.name, "an address lies outside the whole mesh")
        lists.append(ids)
    return Addressing(*lists)


def assemble(pieces: list[tuple[PolyMesh, Addressing]]) -> PolyMesh:
    """The mesh that was decomposed: the same points, faces and cells in the same order."""
    points = _scatter("point", [(at.points, poly.points) for poly, at in pieces])
    n_cells = _length("cell", [at.cells for _, at in pieces])
    n_faces = _length("face", [np.abs(at.faces) - 1 for _, at in pieces])
    owner, neighbour = np.full(n_faces, -1), np.full(n_faces, -1)
    size, source = np.zeros(n_faces, np.int64), np.full(n_faces, -1)
    begin = np.cumsum([0, *(len(poly.face_nodes) for poly, _ in pieces)])
    for (poly, at), shift in zip(pieces, begin[:-1], strict=True):
        where = np.abs(at.faces) - 1
        mine = at.faces > 0  # seen from the owner's side, as in the whole mesh
        low, high = at.cells[poly.owner], at.cells[poly.neighbour]
        owner[where[mine]], neighbour[where[~mine]] = low[mine], low[~mine]
        inner = mine[: len(high)]
        neighbour[where[: len(high)][inner]] = high[inner]
        owner[where[: len(high)][~inner]] = high[~inner]
        size[where[mine]] = np.diff(poly.offsets)[mine]
        source[where[mine]] = poly.offsets[:-1][mine] + shift
    if np.any(source < 0) or np.any(owner < 0):
        bad = int(np.argmax((source < 0) | (owner < 0)))
        raise Fault("faceProcAddressing", f"face {bad} of the whole mesh is in no piece", CUT)
    shared = int(np.sum(neighbour >= 0))
    if np.any(neighbour[:shared] < 0):
        raise Fault("faceProcAddressing", "the faces between cells are not the first ones", CUT)
    nodes = np.concatenate([at.points[poly.face_nodes] for poly, at in pieces])
    poly = PolyMesh(
        points,
        np.concatenate([[0], np.cumsum(size)]),
        nodes[ragged(source, size)],
        owner,
        neighbour[:shared],
        _joined_patches(pieces, shared),
        _joined_zones(pieces),
    )
    if not sum(len(at.cells) for _, at in pieces) == n_cells == poly.n_cells:
        reason = "the pieces do not have each cell of the whole mesh once"
        raise Fault("cellProcAddressing", reason, CUT)
    _check_cells(poly)
    return poly


def _length(of: str, addresses: list[np.ndarray]) -> int:
    """One more than the highest address; every piece has as many entries as it has parts."""
    total = sum(map(len, addresses))
    length = max((int(ids.max()) + 1 for ids in addresses if len(ids)), default=0)
    if length > total:
        raise Fault(f"{of}ProcAddressing", f"{total} {of}s in all pieces, address {length - 1}")
    return length


def _scatter(of: str, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """values[addresses] of all pieces in one array; every place must be filled."""
    length = _length(of, [ids for ids, _ in parts])
    values = parts[0][1]
    out = np.zeros((length, *values.shape[1:]), values.dtype)
    filled = np.zeros(length, bool)
    for ids, part in parts:
        out[ids] = part
        filled[ids] = True
    if not filled.all():
        bad = int(np.argmin(filled))
        raise Fault(f"{of}ProcAddressing", f"{of} {bad} of the whole mesh is in no piece", CUT)
    return out


def scatter_data(
    of: str, parts: list[tuple[np.ndarray, dict[str, np.ndarray]]]
) -> dict[str, np.ndarray]:
    """Data of the pieces, in the order of the whole mesh."""
    out = {}
    for name in parts[0][1]:
        if not all(name in data for _, data in parts):
            raise Fault(name, "some of the processors have this field, some do not", CUT)
        out[name] = _scatter(of, [(ids, data[name]) for ids, data in parts])
    return out


def _joined_patches(pieces: list[tuple[PolyMesh, Addressing]], inner: int) -> list[Patch]:
    ranges: dict[str, tuple[list[int], list[str]]] = {}
    for poly, at in pieces:
        for patch in poly.patches:
            if patch.entries[0].startswith("processor"):
                continue
            known = ranges.setdefault(patch.name, ([], patch.entries))
            if patch.size:
                where = np.abs(at.faces[patch.start : patch.start + patch.size]) - 1
                known[0].extend((int(where.min()), int(where.max()) + 1))
    out, behind = [], inner
    for name, (ends, entries) in ranges.items():
        start, stop = (min(ends), max(ends)) if ends else (behind, behind)
        if start < behind:
            raise Fault("faceProcAddressing", f"the faces of patch {name!r} are scattered", CUT)
        out.append(Patch(name, start, stop - start, entries))
        behind = stop
    return out


def _joined_zones(pieces: list[tuple[PolyMesh, Addressing]]) -> list[tuple[str, str, np.ndarray]]:
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for poly, at in pieces:
        address = {"cell": at.cells, "facet": np.abs(at.faces) - 1, "point": at.points}
        for kind, name, ids in poly.zones:
            found.setdefault((kind, name), []).append(address[kind][ids])
    return [(*key, np.unique(np.concatenate(ids))) for key, ids in found.items()]


# -- PolyMesh to Mesh ---------------------------------------------------------------------------


def to_mesh(poly: PolyMesh) -> Mesh:
    """The Mesh: cells in OpenFOAM's order; patches, then zones, as regions."""
    cells = cells_of(poly.offsets, poly.face_nodes, poly.owner, poly.neighbour, poly.n_cells)
    regions: dict[str, Region] = {}
    field_data = {}
    for patch in poly.patches:
        if patch.entries[0].startswith("processor"):
            continue  # faces that only the decomposition made a boundary
        ids = np.arange(patch.start, patch.start + patch.size)
        name = _free(regions, patch.name, "patch")
        regions[name] = Region("facet", _tuples(poly, ids, patch.name))
        field_data[PATCH + name] = np.array(patch.entries)
    for kind, zone, ids in poly.zones:
        name = _free(regions, zone, f"{kind.replace('facet', 'face')} zone")
        regions[name] = Region(kind, _tuples(poly, ids, zone) if kind == "facet" else ids)
    return Mesh(
        poly.points,
        cells.types,
        cells.offsets,
        cells.nodes,
        field_data=field_data,
        regions=regions,
        storage={"points": poly.points.dtype.name, "connectivity": "int32"},
        faces=cells.faces,
        face_offsets=cells.face_offsets,
    )


def _free(taken: dict[str, Region], name: str, kind: str) -> str:
    return free_name(name, taken, f" {kind}", len(taken))


def _tuples(poly: PolyMesh, faces: np.ndarray, name: str) -> np.ndarray:
    """(n, k) nodes of faces, padded with -1."""
    first = poly.offsets[faces]
    size = poly.offsets[faces + 1] - first
    width = int(size.max(initial=3))
    if len(faces) * width > 64 * int(size.sum()) + 100_000:
        raise Fault(f"{name!r}", f"a face of {width} nodes among {len(faces)}: the tuples of "
                    "nodes would fill the memory")  # fmt: skip
    out = np.full((len(faces), width), -1, np.int64)
    row = np.repeat(np.arange(len(faces)), size)
    column = within(size)
    out[row, column] = poly.face_nodes[ragged(first, size)]
    return out
