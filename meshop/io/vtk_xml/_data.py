"""What all VTK XML files share: data on points and cells, field data, integers, pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...mesh import Mesh, Region, join
from .._files import Fault
from .._format import Arrays
from .._vtk_data import ACTIVE, from_field_data, restored
from ._arrays import dtype_of, read_array
from ._document import Document, Node

GHOSTS = "vtkGhostType"  # bits that say which points and cells are hidden or a neighbour's
ORDER = "meshop_cell_order"  # of cells in VTP: the place that each had before they were sorted


class Selection:
    """Which arrays on points and cells are wanted, and which there are."""

    def __init__(self, arrays: Arrays = None) -> None:
        self.wanted = None if arrays is None else set(arrays)
        self.known: dict[str, None] = {}

    def takes(self, name: str) -> bool:
        self.known[name] = None
        return self.wanted is None or name in self.wanted or name in (GHOSTS, ORDER)

    def verify(self) -> None:
        """Raise Fault where a wanted array was nowhere."""
        if missing := sorted((self.wanted or set()) - set(self.known)):
            hint = f"one of {', '.join(self.known)}" if self.known else "read it without arrays="
            raise Fault("arrays", f"there is no {missing[0]!r}", hint)


class Reader:
    """Reads the arrays of one file, and notes how it stores them."""

    def __init__(self, document: Document, selection: Selection) -> None:
        self.document, self.selection = document, selection
        self.storage = {"version": document.root.attributes.get("version", "0.1")[:8]}
        self.components: dict[tuple[str, str], tuple[str, ...]] = {}

    def arrays(self, node: Node | None) -> list[Node]:
        return node.arrays(self.document.step) if node else []

    def field_data(self, *owners: Node) -> dict[str, np.ndarray]:
        out = {}
        for owner in owners:
            for index, array in enumerate(self.arrays(owner.one("FieldData"))):
                known = "NumberOfTuples" in array.attributes
                tuples = array.count("NumberOfTuples") if known else None
                name = self._name(array, "field", index)
                out[name] = read_array(self.document, array, tuples)
        return out

    def data(self, piece: Node, where: str, tuples: int) -> dict[str, np.ndarray]:
        """The wanted arrays of <PointData> or <CellData>."""
        out: dict[str, np.ndarray] = {}
        if (node := piece.one(f"{where.capitalize()}Data")) is None:
            return out
        for kind in ACTIVE:
            if name := node.attributes.get(kind):
                self.storage.setdefault(f"{where}_data.{kind}", name)
        for index, array in enumerate(self.arrays(node)):
            if self.selection.takes(array.attributes.get("Name") or f"unnamed_{index}"):
                name = self._name(array, where, index)
                out[name] = read_array(self.document, array, tuples)
        return out

    def _name(self, array: Node, where: str, index: int) -> str:
        name = array.attributes.get("Name") or f"unnamed_{index}"
        names: list[str] = []
        while (label := array.attributes.get(f"ComponentName{len(names)}")) is not None:
            names.append(label)
        if names:
            self.components[where, name] = tuple(names)
        return name

    def points(self, piece: Node, n_points: int) -> np.ndarray:
        arrays = self.arrays(piece.one("Points"))
        if not arrays:
            if n_points:
                raise Fault("<Points>", f"the coordinates of {n_points} points are missing")
            return np.empty((0, 3))
        if len(arrays) > 1 or (n_points and arrays[0].count("NumberOfComponents", 1) != 3):
            raise Fault("<Points>", "expected one array with 3 components")
        return self.coordinates(arrays[0], n_points).reshape(-1, 3)

    def coordinates(self, array: Node, tuples: int) -> np.ndarray:
        points = read_array(self.document, array, tuples)
        if points.dtype.kind not in "fiu":
            raise Fault("<Points>", f"coordinates of type {points.dtype}, expected numbers")
        if tuples or "points" not in self.storage:
            self.storage["points"] = dtype_of(array)
        return points


class Integers:
    """Integer arrays of an element like <Cells>: integers(name, count) is one, as int64.

    used: their types are worth noting (there are cells).
    """

    def __init__(self, reader: Reader, holder: Node | None, used: bool) -> None:
        self.reader, self.used = reader, used
        self.arrays = {a.attributes.get("Name", ""): a for a in reader.arrays(holder)}
        self.label = f"<{holder.tag if holder else 'Cells'}>"

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __call__(self, name: str, count: int | None) -> np.ndarray:
        if name not in self.arrays:
            if count:
                raise Fault(self.label, f"the array {name!r} is missing")
            return np.empty(0, np.int64)
        values = read_array(self.reader.document, self.arrays[name], count)
        if values.dtype.kind not in "iu" or values.ndim != 1:
            raise Fault(f"array {name!r}", f"its type is {values.dtype}, expected integers")
        if self.used or name not in self.reader.storage:
            self.reader.storage[name] = dtype_of(self.arrays[name])
        if values.dtype == np.uint64 and len(values) and values.max() > 1 << 62:
            raise Fault(f"array {name!r}", f"the value {values.max()} is out of range")
        return values if name == "types" else values.astype(np.int64, copy=False)


def last(ends: np.ndarray, name: str = "offsets") -> int:
    """The last of `ends`: how many values they promise."""
    found = int(ends[-1]) if len(ends) else 0
    if found < 0:
        raise Fault(f"array {name!r}", f"it ends at {found}")
    return found


Build = Callable[[Node, dict[str, np.ndarray], dict[str, Region]], Mesh]


def from_pieces(reader: Reader, build: Build) -> Mesh:
    """One mesh of all <Piece> elements of the file, in order, with its field data and regions.

    build(piece, field_data, regions) makes the mesh of one.
    """
    grid = reader.document.grid
    pieces = grid.all("Piece")
    if not pieces:
        raise Fault(f"<{grid.tag}>", "it holds no <Piece>")
    found = reader.field_data(reader.document.root, grid, *pieces)
    field_data, regions = from_field_data(found)
    if len(pieces) == 1:
        return restored(build(pieces[0], field_data, regions))
    parts = [build(piece, {}, {}) for piece in pieces if not _is_empty(piece)]
    parts = parts or [build(pieces[0], {}, {})]
    filled = [part for part in parts if part.n_points or part.n_cells] or parts[:1]
    _same_arrays([(p.point_data, p.n_points) for p in filled], "point")
    _same_arrays([(p.cell_data, p.n_cells) for p in filled], "cell")
    mesh = join(filled)
    mesh.field_data, mesh.regions = field_data, regions
    if regions:
        mesh.check()
    return restored(mesh)


def _is_empty(piece: Node) -> bool:
    """True where all its numbers of points and cells are 0: there may be thousands of them."""
    return {v for k, v in piece.attributes.items() if k.startswith("NumberOf")} == {"0"}


def _same_arrays(parts: Sequence[tuple[dict[str, np.ndarray], int]], where: str) -> None:
    """Pieces of one file hold the same arrays, unless they are empty."""
    filled = [data for data, length in parts if length]
    for name in dict.fromkeys(name for data in filled for name in data):
        if missing := [index for index, data in enumerate(filled) if name not in data]:
            raise Fault(f"{where} data array {name!r}", f"it is missing in piece {missing[0]}")
