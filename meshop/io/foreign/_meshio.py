"""Other formats through meshio: read and write, with its exits, prints and warnings contained."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MeshFileError
from ...mesh import CELL_TYPES, POLYGON, POLYHEDRON, Mesh, Region
from .._child import run
from .._files import Fault, guarded, new_name, require_file
from .._format import Format
from ._gmsh import KNOWN, read_gmsh
from ._reread import match_cells, warn_of_losses

_PLAIN = (
    "empty", "vertex", "line", "triangle", "polygon", "pixel", "quad", "tetra", "hexahedron",
    "wedge", "pyramid",
)  # fmt: skip
_CODE = {row.name: code for code, row in CELL_TYPES.items() if row.name in _PLAIN} | {
    "penta_prism": 15, "hexa_prism": 16, "line3": 21, "triangle6": 22, "quad8": 23, "tetra10": 24,
    "hexahedron20": 25, "wedge15": 26, "pyramid13": 27, "quad9": 28, "hexahedron27": 29,
    "quad6": 30, "wedge12": 31, "wedge18": 32, "hexahedron24": 33, "triangle7": 34, "line4": 35,
} | {f"VTK_{row.name.upper()}": code for code, row in CELL_TYPES.items() if code >= 68}  # fmt: skip
_NAME = {code: name for name, code in _CODE.items()}
_WEDGE_ORDER = [0, 2, 1, 3, 5, 4]  # meshio has Gmsh's linear wedge, VTK its mirror image
_NOT_WRITTEN = ("ugrid",)  # text that meshio itself cannot read back
_INSTEAD = "write .vtu instead"
_NO_CELLS = "write .vtu, or .ply, .npy or .csv for points"


def read_meshio(path: Path, names: list[str]) -> Mesh:
    """Read through meshio as the first of `names` that fits, or else through gmsh: in a child."""
    with guarded(path, names[0]):
        require_file(path)
        try:
            return run("meshop.io.foreign._meshio:load", path, names=names)
        except Fault as fault:
            if path.suffix.lower() not in KNOWN:
                raise
            first = fault
        try:
            return read_gmsh(path)
        except Fault as fault:
            reason = f"{first.reason}; nor can gmsh: {fault.reason}"
            raise Fault(first.where, reason, first.hint) from None


def prepare(names: list[str]) -> None:
    """In the child: import what `load` will need."""
    importlib.import_module("meshio._helpers")
    with contextlib.suppress(ImportError):
        importlib.import_module("h5py")


def load(path: Path, names: list[str]) -> Mesh:
    """In the child: the mesh that meshio reads. Raises Fault."""
    from meshio._helpers import reader_map

    reasons = []
    for name in names:
        if name not in reader_map:
            continue
        with _quiet() as said:
            try:
                return _from_meshio(reader_map[name](str(path)), name)
            except Fault:
                raise
            except MemoryError as error:
                reasons.append(f"{name}: it declares more than memory holds ({error})")
            except (Exception, SystemExit) as error:
                reasons.append(f"{name}: {_reason(error, said)}")
    hint = "check the file with the program that wrote it, or save it as VTU"
    raise Fault("content", "; ".join(reasons) or "this format can only be written", hint)


def write_meshio(
    mesh: Mesh,
    path: str | os.PathLike,
    name: str,
    reread: Callable[[Path], Mesh] | None = None,
    **options: Any,
) -> None:
    """Write through meshio, complete or not at all; what the file lost is found by reading it back.

    reread: how to read it; as meshio does by default. Raises MeshFileError.
    """
    from meshio._helpers import _writer_map, reader_map

    with guarded(path, name):
        mesh.check()
        if not mesh.n_cells:
            raise Fault("cells", "there are none, and meshio writes no bare points", _NO_CELLS)
        if name == "xdmf":
            options.setdefault("data_format", "XML")  # one file, nothing beside it
        with new_name(path) as beside, _quiet():
            for part in _less_and_less(mesh, name):
                try:
                    _writer_map[name](str(beside), _to_meshio(part, name), **options)
                    read = reread or (lambda file: _from_meshio(reader_map[name](file), name))
                    found = read(beside)
                    break
                except (MemoryError, OSError):
                    raise
                except (Exception, SystemExit) as error:
                    reason = _not_writable(mesh, name, error)
            else:
                raise reason
            place = match_cells(mesh, found, name)
        warn_of_losses(mesh, found, place, Path(path), name)


def _less_and_less(mesh: Mesh, name: str) -> Iterator[Mesh]:
    """The mesh, then with common numbers alone, then bare: data must not keep it from a file."""
    less = mesh.copy()
    less.field_data = {}
    for data in (less.point_data, less.cell_data):
        for key in [k for k, v in data.items() if v.dtype.kind not in "iuf" or v.itemsize < 4]:
            del data[key]
    if name != "dolfin-xml":  # which puts data into further files
        yield mesh
        yield less
    bare = less.copy()
    bare.point_data, bare.cell_data, bare.regions = {}, {}, {}
    yield bare


def _not_writable(mesh: Mesh, name: str, error: BaseException) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, MeshFileError):  # of an own reader
        reason = f"meshio writes it so that it cannot be read: {error.where}: {error.reason}"
        return Fault("writing", reason, _INSTEAD)
    code = _CODE.get(str(error.args[0]), -1) if isinstance(error, KeyError) and error.args else -1
    if len(cells := np.flatnonzero(mesh.cell_types == code)):
        return Fault(f"cell {cells[0]}", f"{name} has no {CELL_TYPES[code].name}", _INSTEAD)
    text = f": {error}" if str(error) and not isinstance(error, SystemExit) else ""
    return Fault("writing", f"meshio fails on it ({type(error).__name__}{text})"[:300], _INSTEAD)


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """meshio talks on both streams and warns; nobody asked."""
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield said


def _reason(error: BaseException, said: io.StringIO) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is needed and not installed"
    text = "" if isinstance(error, SystemExit) else str(error)
    return (text or said.getvalue().strip() or f"unreadable ({type(error).__name__})")[-300:]


# -- meshio to Mesh ---------------------------------------------------------------------------


def _from_meshio(found: Any, name: str) -> Mesh:
    points = np.asarray(found.points)
    if points.ndim != 2 or not len(points):
        raise Fault("content", f"no points found when read as {name}")
    storage = {"points": points.dtype.name} if points.dtype.name in ("float32", "float64") else {}
    if points.shape[1] < 3:
        storage["dimension"] = str(points.shape[1])
        points = np.column_stack([points, *[np.zeros(len(points))] * (3 - points.shape[1])])
    types: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    nodes: list[np.ndarray] = []
    faces: list[int] = []
    face_offsets: list[int] = []
    stream = 0
    for block in found.cells:
        count = len(block.data)
        if block.type.startswith("polyhedron"):
            for cell in block.data:
                flat = [len(cell), *(v for face in cell for v in (len(face), *face))]
                used = list(dict.fromkeys(int(v) for face in cell for v in face))
                stream += len(flat)
                faces += flat
                face_offsets.append(stream)
                nodes.append(np.array(used, np.int64))
                sizes.append(np.array([len(used)]))
            types.append(np.full(count, POLYHEDRON))
            continue
        if block.type not in _CODE:
            raise Fault("cells", f"{count} cells of meshio's type {block.type!r}: not in VTK")
        data = np.asarray(block.data)
        if data.dtype == np.uint64:  # numpy makes floats of these and int64
            data = data.astype(np.int64)
        if block.type == "wedge" and data.ndim == 2 and data.shape[1] == 6:
            data = data[:, _WEDGE_ORDER]
        data = data.reshape(count, -1)
        if count:
            storage.setdefault("connectivity", data.dtype.name)
        types.append(np.full(count, _CODE[block.type]))
        sizes.append(np.full(count, data.shape[1]))
        nodes.append(data.ravel())
        face_offsets += [-1] * count
    lengths = [len(block.data) for block in found.cells]
    return Mesh(
        points,
        np.concatenate([np.empty(0, np.int64), *types]),
        np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))]),
        np.concatenate([np.empty(0, np.int64), *nodes]),
        {str(k): np.asarray(v) for k, v in found.point_data.items()},
        {str(k): _blockwise(str(k), v) for k, v in found.cell_data.items() if len(v)},
        _field_data(found.field_data),
        _regions(found, lengths, name),
        storage,
        np.array(faces, np.int64) if faces else None,
        np.array(face_offsets, np.int64) if faces else None,
    )


def _blockwise(name: str, parts: list) -> np.ndarray:
    arrays = [np.asarray(part) for part in parts]
    if len({a.shape[1:] for a in arrays}) > 1:
        raise Fault(f"cell data {name!r}", "its shape differs between blocks of cells")
    return np.concatenate(arrays)


def _field_data(found: dict) -> dict[str, np.ndarray]:
    out = {}
    for name, value in found.items():
        with contextlib.suppress(ValueError, TypeError):
            array = np.atleast_1d(np.asarray(value))
            if array.dtype.kind in "biufU":
                out[str(name)] = array
    return out


def _regions(found: Any, lengths: list[int], format: str) -> dict[str, Region]:
    """Cell sets, point sets and Gmsh's physical names."""
    regions: dict[str, Region] = {}
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    starts *= format != "flac3d"  # of which meshio counts the cells of all blocks
    for name, parts in found.cell_sets.items():
        if str(name).startswith("gmsh:") or len(parts) != len(lengths):
            continue  # bounding entities: tags of geometry, not cells
        ids = [
            np.asarray(part).astype(np.int64).ravel() + start
            for part, start in zip(parts, starts[:-1], strict=True)
            if part is not None
        ]
        regions[str(name)] = Region("cell", np.concatenate([np.empty(0, np.int64), *ids]))
    if "gmsh:physical" in found.cell_data:
        tags = np.concatenate([np.asarray(t) for t in found.cell_data["gmsh:physical"]])
        codes = [_CODE.get(b.type, POLYHEDRON) for b in found.cells]
        dims = np.repeat([CELL_TYPES[code].dim for code in codes], lengths)
        for name, value in found.field_data.items():
            if str(name) not in regions and np.shape(value) == (2,):
                mine = (tags == int(value[0])) & (dims == int(value[1]))
                regions[str(name)] = Region("cell", np.flatnonzero(mine))
    for name, ids in found.point_sets.items():
        members = np.asarray(ids)
        if members.dtype.kind in "iu" and members.ndim == 1:
            key = f"{name} points" if str(name) in regions else str(name)
            regions[key] = Region("point", members)
    return regions


# -- Mesh to meshio ---------------------------------------------------------------------------


def _to_meshio(mesh: Mesh, name: str) -> Any:
    import meshio

    size = np.diff(mesh.cell_offsets)
    kinds = mesh.cell_types.astype(np.int64)
    new = np.flatnonzero((np.diff(kinds) != 0) | (np.diff(size) != 0)) + 1
    starts = np.concatenate([[0], new]).astype(int) if mesh.n_cells else np.empty(0, int)
    cells = []
    for start, end in zip(starts, np.append(starts[1:], mesh.n_cells), strict=True):
        code = int(kinds[start])
        if code not in _NAME or code == POLYHEDRON:
            raise Fault("cells", f"{name} through meshio has no {CELL_TYPES[code].name}")
        at = mesh.cell_offsets[start]
        ids = mesh.cell_nodes[at : mesh.cell_offsets[end]].reshape(-1, max(int(size[start]), 1))
        kind = _NAME[code]
        if code == POLYGON and ids.shape[1] < 5:
            kind = {3: "triangle", 4: "quad"}[ids.shape[1]]
        cells.append((kind, ids[:, _WEDGE_ORDER] if code == 13 else ids))
    points = mesh.points
    flat = mesh.storage.get("dimension") == "2" and mesh.is_planar
    if flat and not len(points[points[:, 2] != 0]):
        points = points[:, :2]
    cell_data = {k: np.split(v, starts[1:]) for k, v in mesh.cell_data.items()}
    sets = {
        key: [ids[(ids >= a) & (ids < b)] - a for a, b in _spans(starts, mesh.n_cells)]
        for key, ids in ((k, r.ids) for k, r in mesh.regions.items() if r.kind == "cell")
    }
    return meshio.Mesh(
        points.astype(mesh.storage.get("points", "float64")),
        cells,
        dict(mesh.point_data),
        cell_data,
        dict(mesh.field_data),
        {k: r.ids for k, r in mesh.regions.items() if r.kind == "point"},
        sets if name in ("abaqus", "xdmf", "ansys") else None,
    )


def _spans(starts: np.ndarray, end: int) -> list[tuple[int, int]]:
    return list(zip(starts.tolist(), [*starts[1:].tolist(), end], strict=True))


_SUFFIXES = {
    "dolfin-xml": (".xml",), "flac3d": (".f3grid",), "h5m": (".h5m",), "hmf": (".hmf",),
    "mdpa": (".mdpa",), "medit": (".mesh", ".meshb"),
    "nastran": (".bdf", ".fem", ".nas"), "netgen": (".vol", ".vol.gz"),
    "permas": (".post", ".post.gz", ".dato", ".dato.gz"),
    "ugrid": (".ugrid",), "wkt": (".wkt",),
}  # fmt: skip


def _format(name: str, suffixes: tuple[str, ...]) -> Format:
    def write(mesh: Mesh, path: str | os.PathLike, **options: Any) -> None:
        write_meshio(mesh, path, name, **options)

    return Format(
        name,
        suffixes,
        lambda path: read_meshio(path, [name]),
        None if name in _NOT_WRITTEN else write,
    )


FORMATS = tuple(_format(name, suffixes) for name, suffixes in _SUFFIXES.items())
