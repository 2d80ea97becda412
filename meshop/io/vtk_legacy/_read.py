"""Legacy VTK, reading: versions 1.0 to 5.1, ascii and binary, every dataset that is a mesh.

Source: VTK User's Guide, "VTK file formats: simple legacy formats"; vtkDataReader of VTK 9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...mesh import POLYHEDRON, Mesh, join
from .._curved import current_order
from .._files import CUT, Fault, guarded, read_bytes
from .._polydata import surface_types
from .._strings import decoded
from .._structured import box_points, check_dimensions, structured_cells
from .._vtk_data import from_field_data, restored
from ._cells import split_cells, with_faces
from ._source import Source

_MAGIC = b"# vtk DataFile"
_CUBES = ("unstructured_grid", "polydata", "structured_grid", "rectilinear_grid")
_IMAGES = ("structured_points", "image_data", "image")
_BLOCKS = ("multiblock", "partitioned", "partitioned_collection", "multipiece")
_MAX_DEPTH = 16
_LOOKUP = re.compile(rb"\s*LOOKUP_TABLE\s+\S+", re.IGNORECASE)
_COMPONENTS = re.compile(rb"[ \t]+(\d{1,18})[ \t]*\r?\n")
_NULL = re.compile(rb"\s*NULL_ARRAY\s")
_OFFSETS = re.compile(rb"\s*OFFSETS\s", re.IGNORECASE)
# Keyword -> (the active attribute it makes, components; 0: the file says).
_ATTRIBUTES = {
    "scalars": ("Scalars", 0), "color_scalars": ("Scalars", 0), "vectors": ("Vectors", 3),
    "normals": ("Normals", 3), "tensors": ("Tensors", 9), "tensors6": ("Tensors", 6),
    "texture_coordinates": ("TCoords", 0), "global_ids": ("GlobalIds", 1),
    "pedigree_ids": ("PedigreeIds", 1), "edge_flags": ("", 1),
}  # fmt: skip
_SURFACE = ("vertices", "lines", "polygons", "triangle_strips")
_AXES = ("x_coordinates", "y_coordinates", "z_coordinates")
_KEYWORDS = {
    "points", "cells", "cell_types", "point_data", "cell_data", "field", "metadata", "lookup_table",
    "dimensions", "extent", "spacing", "aspect_ratio", "origin", *_ATTRIBUTES, *_SURFACE, *_AXES,
}  # fmt: skip


def claims_vtk(path: Path, start: bytes) -> bool:
    """A legacy VTK file says so in its first line."""
    return start[: len(_MAGIC)].lower() == _MAGIC.lower()


def read_vtk(path: Path) -> Mesh:
    """Read a legacy VTK file. Structured grids become explicit cells. Raises MeshFileError."""
    with guarded(path, "VTK"):
        return _Reader(read_bytes(path)).mesh()


class _Reader(Source):
    def __init__(self, data: bytes, at: int = 0, depth: int = 0) -> None:
        super().__init__(data, at)
        self.depth = depth  # of blocks in blocks
        self.storage: dict[str, str] = {}
        self.field_data: dict[str, np.ndarray] = {}
        self.data_of: dict[str, dict[str, np.ndarray]] = {"point": {}, "cell": {}}
        self.version = (0, 0)
        self.dimensions: tuple[int, int, int] | None = None
        self.points: np.ndarray | None = None
        self.types: np.ndarray | None = None
        self.cells: tuple[int, np.ndarray, np.ndarray | None] | None = None
        self.surface: dict[str, tuple[int, np.ndarray, np.ndarray | None]] = {}
        self.axes: dict[str, np.ndarray] = {}
        self.image = {"spacing": (1.0, 1.0, 1.0), "origin": (0.0, 0.0, 0.0)}
        self.extent = (0, 0, 0)  # where the image starts, in steps

    def mesh(self) -> Mesh:
        self._header()
        kind = "field"
        if self._peek() == "dataset":
            self._word()
            kind = self._word().lower()
            if kind in _BLOCKS:
                return self._blocks()
            if kind not in (*_CUBES, *_IMAGES, "field"):
                raise Fault(
                    "DATASET",
                    f"{kind[:40]!r} is no mesh that is read here",
                    "save its blocks as VTU or as unstructured grids",
                )
        where, length = "field", 0
        handlers = self._handlers(kind)
        while (key := self._word().lower()) and not (self.depth and key == "endchild"):
            if key in ("point_data", "cell_data"):
                where = key[:-5]
                length, found = self._count(key.upper()), self._lengths(kind, key)
                if length != found:
                    raise Fault(key.upper(), f"{length} declared, the mesh has {found} {where}s")
            elif key == "field":
                self._field(where, length)
            elif key == "metadata":
                self._skip_metadata()
            elif key == "lookup_table":
                self._lookup_table()
            elif where != "field" and key in _ATTRIBUTES:
                self._attribute(key, where, length)
            elif where == "field" and key in handlers:
                handlers[key](key)
            else:
                self._unknown(key)
        return self._assembled(kind)

    def _blocks(self) -> Mesh:
        """Blocks, each a file of its own between CHILD and ENDCHILD; joined, with their names."""
        if self.depth > _MAX_DEPTH:
            raise Fault("CHILDREN", "blocks nest too deeply")
        if self._word().lower() != "children":
            raise Fault("DATASET", "CHILDREN is missing", CUT)
        parts: dict[str, Mesh] = {}
        for index in range(self._count("CHILDREN")):
            where = f"CHILD {index}"
            if self._word().lower() != "child":
                raise Fault(where, "it is missing", CUT)
            self._word()  # the type of what follows, which says so itself
            name = decoded(self._line().strip().removeprefix(b"[").removesuffix(b"]"))
            if self._peek() == "endchild":  # nothing in it
                self._word()
                continue
            inner = _Reader(self.data, self.at, self.depth + 1)
            # The place behind the white space: a file begins with its first line.
            inner.at += len(self.data[self.at : self.at + 64]) - len(
                self.data[self.at : self.at + 64].lstrip()
            )
            mesh = inner.mesh()
            self.at = inner.at
            name = name or f"block_{index}"
            parts[name if name not in parts else f"{name}_{index}"] = mesh
        if self.depth and self._word().lower() != "endchild":
            raise Fault("CHILDREN", "ENDCHILD is missing", CUT)
        if not parts:
            raise Fault("CHILDREN", "there is no block with anything in it")
        return join(list(parts.values()), list(parts))

    # -- header, and what is not known ------------------------------------------------------------

    def _header(self) -> None:
        first = self._line()
        if not claims_vtk(Path(), first):
            raise Fault("line 1", f"expected '# vtk DataFile Version', found {_shown(first)}")
        numbers = re.search(rb"(\d{1,4})\.(\d{1,4})", first)
        self.version = (int(numbers[1]), int(numbers[2])) if numbers else (1, 0)
        title = self._line().strip().decode("utf-8", "replace")
        if title:
            self.storage["title"] = title[:255]
        mode = self._word().lower()
        if mode not in ("ascii", "binary"):
            raise Fault("line 3", f"expected ASCII or BINARY, found {mode[:40]!r}")
        self.binary = mode == "binary"

    def _unknown(self, key: str) -> None:
        """Pass over a section that is not known, where text shows where the next one starts."""
        if self.binary or not re.match(r"[a-z]", key) or key in _KEYWORDS:
            raise Fault(f"byte {self.at}", f"expected a section, found {key[:40]!r}", CUT)
        while self.at < len(self.data):
            self._line()
            if self._peek() in _KEYWORDS:
                return

    # -- sections of data -------------------------------------------------------------------------

    def _field(self, where: str, length: int) -> None:
        self._word()  # the name of the whole field
        target = self.field_data if where == "field" else self.data_of[where]
        for _ in range(self._count("FIELD")):
            if _NULL.match(self.data, self.at):  # VTK's own word for an array that is not there
                self._word()
                continue
            name = self._name()
            components = self._count(f"array {name!r}", 0)
            tuples = self._count(f"array {name!r}")
            kind = self._word()
            if where != "field" and tuples != length:
                raise Fault(
                    f"{where} data array {name!r}", f"{tuples} tuples, expected {length}", CUT
                )
            if components == 0:
                tuples = 0
            values = self._array(kind, tuples, max(components, 1), where, name)
            if where == "field" or components:
                target[name] = values

    def _attribute(self, key: str, where: str, length: int) -> None:
        active, components = _ATTRIBUTES[key]
        name = self._name()
        label = f"array {name!r}"
        if key == "color_scalars":
            components = self._count(label, 1)
            values = self._colors(length, components, where, name)
        else:
            if key == "texture_coordinates":
                components = self._count(label, 1)
            kind = self._word()
            if key == "scalars":
                components = 1
                if found := _COMPONENTS.match(self.data, self.at):
                    components = int(found[1])
                    self.at = found.end(1)
                    if components < 1:
                        raise Fault(label, f"{components} components")
                if found := _LOOKUP.match(self.data, self.at):
                    self.at = found.end()
            values = self._array(kind, length, components, where, name)
        self.data_of[where][name] = values
        if active:
            self.storage.setdefault(f"{where}_data.{active}", name)

    def _colors(self, length: int, components: int, where: str, name: str) -> np.ndarray:
        if self.binary:
            return self._array("unsigned_char", length, components, where, name)
        found = self._array("float", length, components, where, name)
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(np.clip(found * np.float32(255) + 0.5, 0, 255)).astype(np.uint8)

    def _lookup_table(self) -> None:
        """Colours of scalars: how they are shown, which a mesh does not keep."""
        self._word()
        size = self._count("LOOKUP_TABLE")
        self._array("unsigned_char" if self.binary else "float", size, 4, "LOOKUP_TABLE")

    # -- geometry ---------------------------------------------------------------------------------

    def _handlers(self, kind: str) -> dict[str, Callable[[str], None]]:
        points, dimensions = {"points": self._points}, {"dimensions": self._dimensions}
        extent = {"extent": self._extent}
        found: dict[str, Callable[[str], None]] = {}
        if kind == "unstructured_grid":
            found = {**points, "cells": self._cells, "cell_types": self._cell_types}
        elif kind == "polydata":
            found = {**points, **dict.fromkeys(_SURFACE, self._surface_cells)}
        elif kind == "structured_grid":
            found = {**points, **dimensions, **extent, "blanking": self._blanking}
        elif kind == "rectilinear_grid":
            found = {**dimensions, **extent, **dict.fromkeys(_AXES, self._axis)}
        elif kind in _IMAGES:
            triples = ("spacing", "aspect_ratio", "origin")
            found = {**dimensions, **extent, **dict.fromkeys(triples, self._triple)}
        return found

    def _points(self, _: str) -> None:
        count = self._count("POINTS")
        kind = self._word()
        points = self._array(kind, count, 3, "POINTS")
        if points.dtype.kind not in "fiu":
            raise Fault("POINTS", f"coordinates of type {kind!r}, expected numbers")
        self.points = points
        self.storage["points"] = points.dtype.name

    def _dimensions(self, _: str) -> None:
        where = "DIMENSIONS"
        self.dimensions = (self._count(where), self._count(where), self._count(where))

    def _extent(self, _: str) -> None:
        ends = [self._count("EXTENT", -(10**18)) for _ in range(6)]
        self.dimensions = (ends[1] - ends[0] + 1, ends[3] - ends[2] + 1, ends[5] - ends[4] + 1)
        self.extent = (ends[0], ends[2], ends[4])

    def _triple(self, key: str) -> None:
        x, y, z = self._numbers(key.upper(), 3)
        self.image["origin" if key == "origin" else "spacing"] = (x, y, z)

    def _blanking(self, _: str) -> None:
        count = self._count("BLANKING")
        self._array(self._word(), count, 1, "BLANKING")

    def _axis(self, key: str) -> None:
        count = self._count(key.upper())
        values = self._array(self._word(), count, 1, key)
        if values.dtype.kind not in "fiu":
            raise Fault(key.upper(), "expected numbers")
        self.axes[key] = values
        self.storage["points"] = values.dtype.name

    def _cells(self, key: str) -> None:
        self.cells = self._cell_array(key)

    def _surface_cells(self, key: str) -> None:
        self.surface[key] = self._cell_array(key)

    def _cell_array(self, key: str) -> tuple[int, np.ndarray, np.ndarray | None]:
        """(number of cells, nodes, offsets), or offsets None where sizes stand before the nodes."""
        where = key.upper()
        count, size = self._count(where), self._count(where)
        if not _OFFSETS.match(self.data, self.at):
            if self.version >= (5, 0) and self.binary and size:
                raise Fault(where, "OFFSETS is missing", CUT)
            self.storage["connectivity"] = self.storage["offsets"] = "int32"
            dtype = np.dtype(np.int32 if self.binary else np.int64)
            nodes = self._values(dtype, size, where)
            return count, nodes.astype(np.int64, copy=False), None
        self._word()
        offsets = self._indices(f"OFFSETS of {where}", "offsets", count)
        if self._word().lower() != "connectivity":
            raise Fault(where, "CONNECTIVITY is missing after OFFSETS", CUT)
        nodes = self._indices(f"CONNECTIVITY of {where}", "connectivity", size)
        if not count:
            offsets = np.zeros(1, np.int64)
        if offsets[0] or offsets[-1] != size or np.any(np.diff(offsets) < 0):
            raise Fault(
                f"OFFSETS of {where}",
                f"from {offsets[0]} to {offsets[-1]}, expected them to grow from 0 to {size}",
            )
        return max(count - 1, 0), nodes, offsets

    def _indices(self, where: str, name: str, count: int) -> np.ndarray:
        values = self._array(self._word(), count, 1, where)
        if values.dtype.kind not in "iu":
            raise Fault(where, f"its type is {values.dtype}, expected integers")
        self.storage[name] = values.dtype.name
        if values.dtype == np.uint64 and len(values) and values.max() > 1 << 62:
            raise Fault(where, f"the value {values.max()} is out of range")
        return values.astype(np.int64, copy=False)

    def _cell_types(self, _: str) -> None:
        count = self._count("CELL_TYPES")
        self.types = self._array("int", count, 1, "CELL_TYPES")

    # -- all together -----------------------------------------------------------------------------

    def _lengths(self, kind: str, key: str) -> int:
        """How many points or cells there are, when their data begin."""
        if key == "cell_data" and kind == "unstructured_grid":
            return self.cells[0] if self.cells else 0
        if key == "cell_data" and kind == "polydata":
            return sum(count for count, _, _ in self.surface.values())
        if kind in ("unstructured_grid", "polydata"):
            return 0 if self.points is None else len(self.points)
        if self.dimensions is None:
            return 0
        if key == "point_data":
            return self.dimensions[0] * self.dimensions[1] * self.dimensions[2]
        i, j, k = (max(n - 1, 1) if n else 0 for n in self.dimensions)
        return i * j * k

    def _assembled(self, kind: str) -> Mesh:
        points = np.empty((0, 3)) if self.points is None else self.points
        faces = face_offsets = None
        if kind == "unstructured_grid":
            types, offsets, nodes, faces, face_offsets = self._unstructured()
        elif kind == "polydata":
            types, offsets, nodes = self._polydata()
        elif kind == "field":
            types, offsets, nodes = structured_cells((0, 0, 0), False)
        else:
            if self.dimensions is None:
                raise Fault("DATASET", "DIMENSIONS is missing")
            count = check_dimensions(self.dimensions, len(self.data), "DIMENSIONS")
            if kind == "structured_grid":
                if count != len(points):
                    raise Fault("POINTS", f"{len(points)} declared, DIMENSIONS make {count}")
            else:
                points = self._box_points(kind)
            types, offsets, nodes = structured_cells(self.dimensions, kind != "structured_grid")
        rest, regions = from_field_data(self.field_data)
        components = {key: names for key, names in self.components.items() if names}
        data = self.data_of
        return restored(Mesh(
            points, types, offsets, nodes, data["point"], data["cell"], rest, regions,
            self.storage, faces, face_offsets, components,
        ))  # fmt: skip

    def _box_points(self, kind: str) -> np.ndarray:
        assert self.dimensions is not None
        if kind != "rectilinear_grid":
            self.storage["points"] = "float64"
            image = zip(
                self.image["origin"],
                self.image["spacing"],
                self.extent,
                self.dimensions,
                strict=True,
            )
            with np.errstate(over="ignore", invalid="ignore"):
                return box_points([o + s * (e + np.arange(n)) for o, s, e, n in image])
        for key, count in zip(_AXES, self.dimensions, strict=True):
            if len(self.axes.get(key, ())) != count:
                found = len(self.axes[key]) if key in self.axes else "no"
                raise Fault(key.upper(), f"{found} values, DIMENSIONS say {count}")
        return box_points([self.axes[key] for key in _AXES])

    def _polydata(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        types, sizes, nodes = [], [], []
        for kind, key in enumerate(_SURFACE):  # as in cell data, whatever order the sections have
            if key not in self.surface:
                continue
            offsets, ids = split_cells(*self.surface[key], None, key.upper())
            size = np.diff(offsets)
            types.append(surface_types(kind, size))
            sizes.append(size)
            nodes.append(ids)
        none = np.empty(0, np.int64)
        ends = np.cumsum(np.concatenate([none, *sizes]))
        return (
            np.concatenate([none, *types]),
            np.concatenate([[0], ends]),
            np.concatenate([none, *nodes]),
        )

    def _unstructured(self) -> tuple:
        if self.cells is None:
            if self.types is not None and len(self.types):
                raise Fault("CELL_TYPES", "there is no CELLS section")
            return (*structured_cells((0, 0, 0), False), None, None)
        types = self.types
        if types is None:
            types = np.empty(0, np.int32)
        if len(types) != self.cells[0]:
            reason = f"{len(types)} types, {self.cells[0]} cells" if len(types) else "it is missing"
            raise Fault("CELL_TYPES", reason)
        if len(types) and (types.min() < 0 or types.max() > 255):
            raise Fault("CELL_TYPES", "cell types lie in 0 to 255")
        offsets, nodes = split_cells(*self.cells, types, "CELLS")
        faces = face_offsets = None
        if np.any(polyhedra := types == POLYHEDRON):
            offsets, nodes, faces, face_offsets = with_faces(offsets, nodes, polyhedra)
        if self.version < (5, 1):
            nodes = current_order(types, offsets, nodes)
        return types, offsets, nodes, faces, face_offsets


def _shown(line: bytes) -> str:
    return repr(line[:40].decode("utf-8", "replace"))
