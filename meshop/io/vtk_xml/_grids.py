"""Structured VTK XML files as unstructured meshes: the points and cells that VTK itself makes.

Images and rectilinear grids become voxels, pixels or lines, curvilinear ones hexahedra, quads or
lines; x runs fastest. A hidden cell stays as an empty one (`vtkGhostType` says which are hidden).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...mesh import Mesh
from .._files import Fault
from .._structured import structured_cells
from .._vtk_data import from_field_data, restored
from ._arrays import read_array
from ._data import GHOSTS, Reader
from ._document import Document, Node
from ._open import Opener

Extent = tuple[tuple[int, int], ...]  # first and last point along x, y, z

_FREE = 1_000_000  # points that a grid may have without any byte behind them
_HIDDEN_POINT, _HIDDEN_CELL = 2, 32


@dataclass
class _Part:
    """A piece of a grid: where it lies, its data, and its points or coordinates along the axes."""

    extent: Extent
    point_data: dict[str, np.ndarray]
    cell_data: dict[str, np.ndarray]
    points: np.ndarray | None = None
    axes: Sequence[np.ndarray] = ()
    backed: bool = False  # by values in the file, one a point or cell


def structured_grid(document: Document, opener: Opener) -> Mesh:
    """The mesh of a <StructuredGrid>. Raises Fault and MeshError."""
    return grid_mesh(document, document.grid, [document], opener)


rectilinear_grid = image_data = structured_grid  # the kind of the document tells them apart


def grid_mesh(document: Document, whole: Node, holders: Iterable[Document], opener: Opener) -> Mesh:
    """The grid that `whole` describes, of the pieces that the documents `holders` hold.

    Where pieces overlap, the last one wins, as in VTK.
    """
    extent = extent_of(whole, "WholeExtent")
    reader = Reader(document, opener.selection)
    found = reader.field_data(document.root, whole)
    parts: list[_Part] = []
    for holder in holders:
        own = reader if holder is document else Reader(holder, opener.selection)
        pieces = holder.grid.all("Piece")
        if holder is not document:
            found = own.field_data(holder.root, holder.grid) | found
        found = own.field_data(*pieces) | found
        parts += [_part(own, piece, extent) for piece in pieces]
        reader.storage = own.storage | reader.storage
        reader.components |= own.components
    n_points = math.prod(_lengths(extent))
    _check_size(n_points, extent, parts)
    field_data, regions = from_field_data(found)
    point_data, cell_data, points = _assembled(extent, parts)
    if points is None:
        points = _straight_points(whole, extent, parts)
    curved = parts[0].points is not None if parts else False
    types, offsets, nodes = structured_cells(_lengths(extent), boxes=not curved)
    types, offsets, nodes = _without_hidden(types, offsets, nodes, point_data, cell_data)
    mesh = Mesh(
        points,
        types,
        offsets,
        nodes,
        point_data,
        cell_data,
        field_data,
        regions,
        reader.storage,
        components=reader.components,
    )
    return restored(mesh)


def extent_of(node: Node, name: str) -> Extent:
    """The attribute `name` as first and last point of each axis."""
    words = node.attributes.get(name, "").split()
    try:
        values = [int(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 6 or any(abs(value) >= 1 << 31 for value in values):
        text = node.attributes.get(name, "nothing")[:60]
        raise Fault(f"<{node.tag}>", f"{name}={text!r}, expected six integers of 32 bits")
    return tuple(zip(values[::2], values[1::2], strict=True))


def _lengths(extent: Extent) -> list[int]:
    """Points along each axis."""
    lengths = [max(end - start + 1, 0) for start, end in extent]
    return lengths if all(lengths) else [0, 0, 0]


def _cell_lengths(extent: Extent, whole: Extent) -> list[int]:
    """Cells along each axis; a flat axis of the whole grid counts as one."""
    points, all_points = _lengths(extent), _lengths(whole)
    return [1 if n == 1 and p else max(p - 1, 0) for p, n in zip(points, all_points, strict=True)]


def _part(reader: Reader, piece: Node, whole: Extent) -> _Part:
    extent = extent_of(piece, "Extent")
    n_points = math.prod(_lengths(extent))
    if n_points and any(
        start < least or end > most
        for (start, end), (least, most) in zip(extent, whole, strict=True)
    ):
        raise Fault("<Piece>", f"its extent {extent} leaves the whole {whole}")
    part = _Part(
        extent,
        reader.data(piece, "point", n_points),
        reader.data(piece, "cell", math.prod(_cell_lengths(extent, whole))),
    )
    part.backed = bool(part.point_data or part.cell_data) or _backed(reader, piece, part, whole)
    if reader.document.kind == "StructuredGrid":
        part.points = reader.points(piece, n_points)
    elif reader.document.kind == "RectilinearGrid":
        arrays = reader.arrays(piece.one("Coordinates"))
        if len(arrays) != 3:
            raise Fault("<Coordinates>", f"expected 3 arrays, found {len(arrays)}")
        lengths = [max(end - start + 1, 0) for start, end in extent]
        part.axes = [reader.coordinates(a, n) for a, n in zip(arrays, lengths, strict=True)]
        if any(axis.ndim != 1 for axis in part.axes):
            raise Fault("<Coordinates>", "expected one component each")
    return part


def _backed(reader: Reader, piece: Node, part: _Part, whole: Extent) -> bool:
    """Read an array that was not asked for, where only that shows that the piece is so large."""
    n_points = math.prod(_lengths(part.extent))
    if n_points > _FREE:
        n_cells = math.prod(_cell_lengths(part.extent, whole))
        for tag, tuples in (("PointData", n_points), ("CellData", n_cells)):
            for array in reader.arrays(piece.one(tag))[:1]:
                read_array(reader.document, array, tuples)
                return True
    return False


def _check_size(n_points: int, extent: Extent, parts: list[_Part]) -> None:
    """A grid has as many points as its extent says: let a few bytes of text not fill the memory."""
    backed = 0
    for part in parts:
        if part.points is not None or part.backed:
            backed += math.prod(_lengths(part.extent))
    if n_points > max(_FREE, backed):
        raise Fault(
            "WholeExtent",
            f"{extent} is {n_points} points, the arrays of the file hold {backed}",
            "write the grid with an array on its points",
        )
    if n_points > 0 and sum(math.prod(_lengths(part.extent)) for part in parts) < n_points:
        raise Fault("<Piece>", f"the pieces do not fill the whole extent {extent}")
    with_cells = 24 + 9 + 8 * 2 ** sum(length > 1 for length in _lengths(extent))
    if n_points * with_cells > _memory():
        raise MemoryError


def _memory() -> float:
    """Bytes of this machine's memory: systems promise more, and end the program that uses it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return math.inf


def _filled(parts: list[_Part]) -> list[_Part]:
    """Those with points; the others may lie anywhere."""
    return [part for part in parts if math.prod(_lengths(part.extent))]


def _assembled(
    whole: Extent, parts: list[_Part]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray | None]:
    """Point data, cell data and points of the whole grid."""
    if len(parts) == 1 and _lengths(parts[0].extent) == _lengths(whole):
        return parts[0].point_data, parts[0].cell_data, parts[0].points
    starts = [start for start, _ in whole]
    point_shape, cell_shape = _lengths(whole), _cell_lengths(whole, whole)
    filled = _filled(parts)
    total = sum(math.prod(_lengths(part.extent)) for part in filled)
    if total > 64 * math.prod(point_shape):
        raise Fault("<Piece>", f"pieces of {total} points for {math.prod(point_shape)}")
    covered = np.zeros(point_shape[::-1], bool)
    for part in filled:
        covered[_slices(part.extent, starts, _lengths(part.extent))] = True
    if not covered.all():
        raise Fault("<Piece>", f"the pieces do not fill the whole extent {whole}")

    def joined(arrays: list[np.ndarray], label: str, shape: list[int]) -> np.ndarray:
        first = arrays[0]
        if len({(array.shape[1:], array.dtype.kind in "OU") for array in arrays}) > 1:
            raise Fault(label, "the pieces disagree on its components or its type")
        kind = np.result_type(*arrays)
        out = np.zeros((*shape[::-1], *first.shape[1:]), kind)
        for part, array in zip(filled, arrays, strict=True):
            mine = (
                _lengths(part.extent) if shape is point_shape else _cell_lengths(part.extent, whole)
            )
            out[_slices(part.extent, starts, mine)] = array.reshape(*mine[::-1], *first.shape[1:])
        return out.reshape(-1, *first.shape[1:])

    def data(where: str, shape: list[int]) -> dict[str, np.ndarray]:
        out = {}
        every = [getattr(part, f"{where}_data") for part in filled]
        for name in dict.fromkeys(name for arrays in every for name in arrays):
            label = f"{where} data array {name!r}"
            if missing := [index for index, arrays in enumerate(every) if name not in arrays]:
                raise Fault(label, f"it is missing in piece {missing[0]}")
            out[name] = joined([arrays[name] for arrays in every], label, shape)
        return out

    points = None
    if filled and filled[0].points is not None:
        points = joined([p.points for p in filled if p.points is not None], "points", point_shape)
    return data("point", point_shape), data("cell", cell_shape), points


def _slices(extent: Extent, starts: list[int], lengths: list[int]) -> tuple[slice, ...]:
    """Where a piece lies in an array of shape (z, y, x, ...)."""
    first = [start - least for (start, _), least in zip(extent, starts, strict=True)]
    return tuple(slice(f, f + n) for f, n in zip(first, lengths, strict=True))[::-1]


def _straight_points(whole: Node, extent: Extent, parts: list[_Part]) -> np.ndarray:
    """Points of an image, or of a rectilinear grid from its coordinates."""
    lengths = _lengths(extent)
    out = np.empty((*lengths[::-1], 3))
    x, y, z = out[..., 0], out[..., 1], out[..., 2]
    if parts and parts[0].axes:
        axes = [np.zeros(length) for length in lengths]
        for part in _filled(parts):
            for axis, values, (start, _), (least, _) in zip(
                axes, part.axes, part.extent, extent, strict=True
            ):
                axis[start - least : start - least + len(values)] = values
        x[:], y[:], z[:] = axes[0], axes[1][:, None], axes[2][:, None, None]
        return out.reshape(-1, 3)
    origin, spacing = _numbers(whole, "Origin", "0 0 0"), _numbers(whole, "Spacing", "1 1 1")
    i, j, k = (start + np.arange(n) for (start, _), n in zip(extent, lengths, strict=True))
    with np.errstate(over="ignore", invalid="ignore"):  # Mesh refuses what is not finite
        matrix = _numbers(whole, "Direction", "1 0 0 0 1 0 0 0 1").reshape(3, 3) * spacing
        for row, axis in enumerate((x, y, z)):
            axis[:] = matrix[row, 0] * i + (matrix[row, 1] * j)[:, None]
            axis += (matrix[row, 2] * k + origin[row])[:, None, None]
    return out.reshape(-1, 3)


def _numbers(node: Node, name: str, default: str) -> np.ndarray:
    text = node.attributes.get(name, default)
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError:
        values = np.empty(0)
    if len(values) != len(default.split()) or not np.isfinite(values).all():
        raise Fault(
            f"<{node.tag}>", f"{name}={text[:60]!r}, expected {len(default.split())} numbers"
        )
    return values


def _without_hidden(
    types: np.ndarray,
    offsets: np.ndarray,
    nodes: np.ndarray,
    point_data: dict[str, np.ndarray],
    cell_data: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty cells in the place of those that are hidden, or that have a hidden point."""
    hidden = np.zeros(len(types), bool)
    width = len(nodes) // max(len(types), 1)
    for data, bit in ((cell_data, _HIDDEN_CELL), (point_data, _HIDDEN_POINT)):
        ghosts = data.get(GHOSTS)
        if ghosts is not None and ghosts.dtype == np.uint8 and ghosts.ndim == 1:
            bad = (ghosts & bit) != 0
            hidden |= bad if data is cell_data else bad[nodes].reshape(-1, width).any(axis=1)
    if not hidden.any():
        return types, offsets, nodes
    types[hidden] = 0
    sizes = np.where(hidden, 0, width)
    kept = nodes.reshape(-1, width)[~hidden].reshape(-1)
    return types, np.concatenate([[0], np.cumsum(sizes)]), kept
