"""VTKHDF, reading: grids, surfaces, images and blocks of them; steps one by one.

Source: VTK documentation, "VTKHDF file format", version 2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import Mesh, join
from .._files import CUT, Fault, guarded
from .._format import Arrays, Series
from .._hdf5 import Array, Group, Hdf5File, Link, arrays_of
from .._structured import box_points, check_dimensions, structured_cells
from .._vtk_data import from_field_data, restored
from ._parts import Parts, note

NAME = "VTKHDF"
ROOT = "/VTKHDF"
_BLOCKS = ("MultiBlockDataSet", "PartitionedDataSetCollection")
_MAX_DEPTH = 16


def read_vtkhdf(path: Path, arrays: Arrays = None) -> Mesh:
    """Read a VTKHDF file; of several steps the last. Raises MeshFileError."""
    steps = series_vtkhdf(path, arrays)
    return steps[len(steps) - 1]


def series_vtkhdf(path: Path, arrays: Arrays = None) -> Series:
    """The steps of a VTKHDF file, each read when it is asked for. Raises MeshFileError."""
    with guarded(path, NAME):
        reader = Reader(Hdf5File(path, ROOT), None if arrays is None else set(arrays))
        times = reader.times()

    def load(index: int) -> Mesh:
        with guarded(path, NAME):
            return reader.mesh(index if times is not None else None)

    if times is None:
        mesh = load(0)
        time = np.ravel(mesh.field_data.get("TimeValue", 0.0))
        known = time.size and time.dtype.kind in "iuf"
        return Series([float(time[0]) if known else 0.0], lambda _: mesh)

    def at(index: int) -> Mesh:
        mesh = load(index)
        mesh.field_data["TimeValue"] = np.array([times[index]])
        return mesh

    return Series(times, at)


class Reader:
    def __init__(self, file: Hdf5File, arrays: set[str] | None) -> None:
        self.file, self.arrays = file, arrays
        self.root = file.root

    # -- blocks and times -------------------------------------------------------------------------

    def times(self) -> list[float] | None:
        """The times of the steps, None where the file has no steps."""
        for _, block in self._blocks():
            if (steps := block.group("Steps")) is None:
                continue
            values = steps.array("Values")
            if values is None or len(values.shape) != 1:
                raise Fault("Steps", "the times in Values are missing")
            found = self._numbers(values).astype(np.float64)
            count = steps.attributes.get("NSteps", len(found))
            if isinstance(count, list):
                count = count[0] if count else 0
            if not isinstance(count, int) or not 0 < count <= len(found):
                raise Fault("Steps", f"{count!r} steps, {len(found)} times")
            if not np.all(np.isfinite(found[:count])):
                raise Fault("Steps", "a time is not finite")
            return found[:count].tolist()
        return None

    def mesh(self, step: int | None) -> Mesh:
        self.file.begin()
        blocks = self._blocks()
        if len(blocks) == 1 and blocks[0][0] is None:
            return self._block(blocks[0][1], step)
        if not blocks:
            raise Fault(ROOT, "it holds no blocks")
        meshes = [self._block(block, step) for _, block in blocks]
        return join(meshes, [str(name) for name, _ in blocks])

    def _blocks(self) -> list[tuple[str | None, Group]]:
        """(name, group) of every block, in the order of the assembly; (None, root) without any."""
        root = self.root
        if _type(root) not in _BLOCKS:
            return [(None, root)]
        found: list[tuple[str | None, Group]] = []
        if assembly := root.group("Assembly"):
            for name, link in _leaves(assembly):
                target = link.target.removeprefix(ROOT + "/")
                block = root.group(target) if not link.refused else None
                if block is None:
                    raise Fault(link.path, link.refused or f"there is no block {link.target!r}")
                found.append((name, block))
        else:
            names = [n for n, g in root.children.items() if isinstance(g, Group)]
            found = [(n, g) for n in names if (g := root.group(n)) is not None]
        seen: dict[str | None, int] = {}
        for index, (label, block) in enumerate(found):
            again = seen[label] = seen.get(label, -1) + 1
            found[index] = (f"{label}_{again}" if again else label, block)
        return found

    def _block(self, group: Group, step: int | None) -> Mesh:
        kind = _type(group)
        version = group.attributes.get("Version", self.root.attributes.get("Version"))
        if version is not None and (not isinstance(version, list) or version[0] not in (0, 1, 2)):
            raise Fault(group.path, f"version {version!r}, expected 1 or 2", "update meshop")
        if kind == "UnstructuredGrid":
            return Parts(self, group, step).unstructured()
        if kind == "PolyData":
            return Parts(self, group, step).surface()
        if kind in ("ImageData", "RectilinearGrid", "StructuredGrid"):
            return self._structured(group, kind, step)
        raise Fault(group.path, f"type {kind[:40]!r} is no mesh that is read here")

    # -- arrays -----------------------------------------------------------------------------------

    def _numbers(self, array: Array, start: int = 0, stop: int | None = None) -> np.ndarray:
        if array.dtype == "text":
            raise Fault(array.path, "it is text, expected numbers")
        return self.file.read(array, start, stop)

    def rows(self, group: Group, name: str, start: int, count: int) -> np.ndarray:
        """int64 rows of an array that must be there."""
        array = group.array(name)
        if array is None:
            if count:
                raise Fault(f"{group.path}/{name}", "it is missing")
            return np.empty(0, np.int64)
        if np.dtype(array.dtype if array.dtype != "text" else "O").kind not in "iu":
            raise Fault(array.path, f"its type is {array.dtype}, expected integers")
        if len(array.shape) != 1:
            raise Fault(array.path, f"its shape is {array.shape}, expected one dimension")
        values = self._numbers(array, start, start + count)
        if values.dtype == np.uint64 and len(values) and values.max() > 1 << 62:
            raise Fault(array.path, f"the value {values.max()} is out of range")
        return values.astype(np.int64, copy=False)

    def table(self, group: Group | None, name: str, step: int, columns: int = 1) -> list[int]:
        """The row of `step` in an array of the steps; zeros where there is no such array."""
        array = group.array(name) if group else None
        if array is None:
            return [0] * columns
        values = self._numbers(array, step, step + 1)
        if values.dtype.kind not in "iu" or values.size < columns:
            raise Fault(array.path, f"{values.size} {values.dtype} values a step, not {columns}")
        found = [int(v) for v in values.ravel()[:columns]]
        if min(found) < 0:
            raise Fault(array.path, f"the value {min(found)} is out of range")
        return found

    def wanted(self, group: Group | None) -> Iterator[tuple[str, Array]]:
        for name, array in arrays_of(group):
            if self.arrays is None or name in self.arrays:
                yield name, array

    def field_data(self, group: Group, step: int | None) -> dict[str, np.ndarray]:
        steps = group.group("Steps") if step is not None else None
        out = {}
        for name, array in arrays_of(group.group("FieldData")):
            start, stop, components = 0, None, 0
            if steps is not None and step is not None:
                offsets, sizes = steps.group("FieldDataOffsets"), steps.group("FieldDataSizes")
                tuples = 1
                if sizes is not None and sizes.array(name) is not None:
                    components, tuples = self.table(sizes, name, step, 2)
                known = offsets is not None and offsets.array(name) is not None
                start = self.table(offsets, name, step)[0] if known else min(step, array.shape[0])
                if not known and not tuples <= array.shape[0] - start:
                    start = 0
                stop = start + tuples
            values = self.file.read(array, start, stop)
            if values.ndim > 2 or (components > 1 and values.ndim == 1):
                values = values.reshape(len(values), -1)
            out[name] = np.atleast_1d(values)
        return out

    # -- structured -------------------------------------------------------------------------------

    def _structured(self, group: Group, kind: str, step: int | None) -> Mesh:
        """Images, rectilinear and structured grids as explicit cells."""
        low = [0, 0, 0]
        if kind == "ImageData":
            extent = _vector(group, "WholeExtent", 6, None)
            low = [int(v) for v in extent[::2]]
            i, j, k = (int(b) - a + 1 for a, b in zip(low, extent[1::2], strict=True))
        else:
            i, j, k = (int(v) for v in _vector(group, "Dimensions", 3, None))
        dimensions = (i, j, k)
        found: dict[str, dict[str, np.ndarray]] = {}
        stored = sum(
            a.stored
            for where in ("PointData", "CellData")
            for _, a in arrays_of(group.group(where))
        )
        if (array := group.array("Points")) is not None:
            stored += array.stored
        points = check_dimensions(dimensions, stored * 8, "Dimensions")
        types, offsets, nodes = structured_cells(dimensions, kind != "StructuredGrid")
        storage: dict[str, str] = {"points": "float64"}
        components: dict[tuple[str, str], tuple[str, ...]] = {}
        for where, length in (("point", points), ("cell", len(types))):
            found[where] = {}
            for name, array in self.wanted(group.group(f"{where.title()}Data")):
                values = self._of_step(group, array, where, name, step)
                if values.size % max(length, 1) or (values.size and not length):
                    raise Fault(array.path, f"{values.size} values for {length} {where}s", CUT)
                if length:
                    width = values.size // length
                    found[where][name] = values.reshape((length, width)[: 1 + (width != 1)])
                note(storage, components, where, name, array)
        grid = self._grid(group, kind, low, dimensions)
        rest, regions = from_field_data(self.field_data(group, step))
        return restored(Mesh(
            grid, types, offsets, nodes, found["point"], found["cell"], rest, regions, storage,
            components=components,
        ))  # fmt: skip

    def _grid(
        self, group: Group, kind: str, low: list[int], dimensions: tuple[int, int, int]
    ) -> np.ndarray:
        """(N, 3) points of a structured grid."""
        if kind == "StructuredGrid":
            array = group.array("Points")
            if array is None or math.prod(array.shape) != 3 * math.prod(dimensions):
                shape = array.shape if array else "no"
                raise Fault(f"{group.path}/Points", f"{shape} values, dimensions are {dimensions}")
            return self._numbers(array).reshape(-1, 3)
        if kind == "RectilinearGrid":
            axes = []
            for name, count in zip("XYZ", dimensions, strict=True):
                array = group.array(f"{name}Coordinates")
                if array is None or array.shape != (count,):
                    shape = array.shape if array else "no"
                    where = f"{group.path}/{name}Coordinates"
                    raise Fault(where, f"{shape} values, dimensions are {dimensions}")
                axes.append(self._numbers(array))
            return box_points(axes)
        origin = np.array(_vector(group, "Origin", 3, [0.0] * 3))
        spacing = _vector(group, "Spacing", 3, [1.0] * 3)
        turn = np.array(_vector(group, "Direction", 9, np.eye(3).ravel().tolist())).reshape(3, 3)
        steps = zip(spacing, low, dimensions, strict=True)
        with np.errstate(over="ignore", invalid="ignore"):
            grid = box_points([s * (a + np.arange(n)) for s, a, n in steps])
            return grid + origin if np.array_equal(turn, np.eye(3)) else grid @ turn.T + origin

    def _of_step(
        self, group: Group, array: Array, where: str, name: str, step: int | None
    ) -> np.ndarray:
        """The values of an image's array; with steps, its first axis is time."""
        steps = group.group("Steps") if step is not None else None
        if steps is None or step is None or not array.shape:
            return self._numbers(array)
        offsets = steps.group(f"{where.title()}DataOffsets")
        at = step
        if offsets is not None and offsets.array(name) is not None:
            at = self.table(offsets, name, step)[0]
        return self._numbers(array, at, at + 1)


def _type(group: Group) -> str:
    kind = group.attributes.get("Type", "")
    return kind if isinstance(kind, str) else ""


def _vector(group: Group, name: str, count: int, default: list[float] | None) -> list[Any]:
    found = group.attributes.get(name, default)
    numbers = isinstance(found, list) and all(isinstance(v, int | float) for v in found)
    if not numbers or found is None or len(found) != count:
        raise Fault(f"{group.path}: {name}", f"{json.dumps(found)[:60]}, expected {count} numbers")
    if default is None and not all(abs(v) <= 1 << 40 and int(v) == v for v in found):
        raise Fault(f"{group.path}: {name}", f"{found} is out of range")
    return found


def _leaves(group: Group, depth: int = 0) -> Iterator[tuple[str, Link]]:
    if depth > _MAX_DEPTH:
        raise Fault(group.path, "its blocks nest too deeply")
    for name, child in group.children.items():
        if isinstance(child, Link):
            yield name, child
        elif isinstance(child, Group):
            yield from _leaves(child, depth + 1)
