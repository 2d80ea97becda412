"""VTK's data sets as meshes: leaves of blocks, cells of every kind of grid, data arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import MeshError
from ...mesh import Mesh, Region, join
from .._files import Fault
from .._structured import structured_cells


def joined(data: Any) -> Mesh | None:
    """All the leaves as one mesh, each a region of the name that its block has."""
    leaves = [(names[-1] if names else "", leaf) for names, leaf in leaves_of(data)]
    if not leaves:
        return None
    if len(leaves) > 1 and _share_points([leaf for _, leaf in leaves]):
        return stacked(leaves, without_cells(leaves[0][1]))
    meshes = [leaf_mesh(leaf) for _, leaf in leaves]
    kept = [(name, mesh) for (name, _), mesh in zip(leaves, meshes, strict=True) if mesh.n_points]
    if not kept or (len(leaves) == 1 and not leaves[0][0]):
        return meshes[0]
    names = [name or f"part {index}" for index, (name, _) in enumerate(kept)]
    try:
        return join([mesh for _, mesh in kept], names)
    except MeshError as error:
        raise Fault(error.what, error.why) from None


def _share_points(leaves: list[Any]) -> bool:
    """Whether VTK keeps one array of points, and one set of arrays on them, for all the leaves."""
    first = leaves[0]
    if not all(leaf.IsA("vtkUnstructuredGrid") and leaf.GetPoints() for leaf in leaves):
        return False
    data = [[leaf.GetPoints().GetData(), *_held(leaf.GetPointData())] for leaf in leaves]
    same = all(len(row) == len(data[0]) for row in data)
    return (
        same
        and first.GetNumberOfPoints() > 0
        and all(a is b for row in data[1:] for a, b in zip(row, data[0], strict=True))
    )


def _held(data: Any) -> list[Any]:
    return [data.GetAbstractArray(index) for index in range(data.GetNumberOfArrays())]


def without_cells(leaf: Any) -> Mesh:
    """The points of a leaf and the data on them."""
    points, storage = leaf_points(leaf)
    components: dict[tuple[str, str], tuple[str, ...]] = {}
    data = leaf_arrays(leaf.GetPointData(), "point", components)
    fields = leaf_arrays(leaf.GetFieldData(), "field", components)
    types, offsets, nodes, _, _ = no_cells()
    return Mesh(points, types, offsets, nodes, data, {}, fields, {}, storage, components=components)


def leaves_of(data: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(names of the blocks down to it, data set) of every leaf."""
    if data is None:
        return
    if data.IsA("vtkMultiBlockDataSet") or data.IsA("vtkMultiPieceDataSet"):
        pieces = data.IsA("vtkMultiPieceDataSet")
        for index in range(data.GetNumberOfPieces() if pieces else data.GetNumberOfBlocks()):
            name = _name(data, data.GetMetaData(index) if data.HasMetaData(index) else None)
            child = data.GetPieceAsDataObject(index) if pieces else data.GetBlock(index)
            yield from leaves_of(child, (*above, name) if name else above)
    elif data.IsA("vtkPartitionedDataSetCollection"):
        for index in range(data.GetNumberOfPartitionedDataSets()):
            name = _name(data, data.GetMetaData(index) if data.HasMetaData(index) else None)
            child = data.GetPartitionedDataSet(index)
            yield from leaves_of(child, (*above, name) if name else above)
    elif data.IsA("vtkPartitionedDataSet"):
        for index in range(data.GetNumberOfPartitions()):
            yield from leaves_of(data.GetPartitionAsDataObject(index), above)
    elif data.IsA("vtkDataSet"):
        yield above, data
    elif not data.IsA("vtkTable"):
        raise Fault("content", f"VTK reads it as {data.GetClassName()[3:]}: this is no mesh")


def _name(data: Any, information: Any) -> str:
    known = information is not None and information.Has(data.NAME())
    return information.Get(data.NAME()).strip() if known else ""


def leaf_mesh(data: Any) -> Mesh:
    types, offsets, nodes, faces, ends = leaf_cells(data)
    points, storage = leaf_points(data)
    components: dict[tuple[str, str], tuple[str, ...]] = {}
    return Mesh(
        points,
        types,
        offsets,
        nodes,
        leaf_arrays(data.GetPointData(), "point", components),
        leaf_arrays(data.GetCellData(), "cell", components),
        leaf_arrays(data.GetFieldData(), "field", components),
        storage=storage,
        faces=faces,
        face_offsets=ends,
        components=components,
    )


def leaf_points(data: Any) -> tuple[np.ndarray, dict[str, str]]:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints

    if (
        hasattr(data, "GetPoints")
        and not data.IsA("vtkRectilinearGrid")
        and not data.IsA("vtkImageData")
    ):
        held = data.GetPoints()
    else:
        held = vtkPoints()
        data.GetPoints(held)
    if held is None or not held.GetNumberOfPoints():
        return np.empty((0, 3)), {}
    points = vtk_to_numpy(held.GetData()).reshape(-1, 3)
    return points, {"points": points.dtype.name} if points.dtype.kind == "f" else {}


def leaf_arrays(data: Any, where: str, components: dict) -> dict[str, np.ndarray]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    out = {}
    for index in range(data.GetNumberOfArrays()):
        array = data.GetAbstractArray(index)
        name = array.GetName() or f"array {index}"
        if array.IsA("vtkStringArray"):
            count = array.GetNumberOfValues()
            values = np.array([array.GetValue(i) for i in range(count)], dtype=str)
        elif array.IsA("vtkDataArray"):
            values = vtk_to_numpy(array)
        else:
            continue
        labels = [array.GetComponentName(i) for i in range(array.GetNumberOfComponents())]
        if any(labels):
            components[where, name] = tuple(label or "" for label in labels)
        if where == "field" and not len(values):
            continue
        out[name] = values
    return out


Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]


def leaf_cells(data: Any) -> Cells:
    """(types, offsets, nodes, faces, face offsets) in VTK's cell order."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    if data.IsA("vtkUnstructuredGrid"):
        if not data.GetNumberOfCells():
            return no_cells()
        types = vtk_to_numpy(data.GetCellTypesArray()).astype(np.uint8)
        offsets, nodes = _cell_array(data.GetCells())
        types[(types == 27) & (np.diff(offsets) == 14)] = 74  # CGNS's PYRA_14
        faces, ends = _faces(data) if np.any(types == 42) else (None, None)
        return types, offsets, nodes, faces, ends
    if data.IsA("vtkPolyData"):
        parts = [
            (codes, *_cell_array(cells))
            for codes, cells in (
                ({1: 1, None: 2}, data.GetVerts()),
                ({2: 3, None: 4}, data.GetLines()),
                ({3: 5, 4: 9, None: 7}, data.GetPolys()),
                ({None: 6}, data.GetStrips()),
            )
        ]
        kinds, places, ids, start = [], [np.zeros(1, np.int64)], [], 0
        for codes, offsets, nodes in parts:
            sizes = np.diff(offsets)
            table = np.full(max(int(sizes.max(initial=0)) + 1, 5), codes[None], np.uint8)
            for size, code in codes.items():
                if size is not None:
                    table[size] = code
            kinds.append(table[sizes])
            places.append(offsets[1:] + start)
            ids.append(nodes)
            start += len(nodes)
        return np.concatenate(kinds), np.concatenate(places), np.concatenate(ids), None, None
    if data.IsA("vtkExplicitStructuredGrid"):
        offsets, nodes = _cell_array(data.GetCells())
        return np.full(len(offsets) - 1, 12, np.uint8), offsets, nodes, None, None
    if hasattr(data, "GetDimensions"):
        dims = dims_of(data)
        return (*structured_cells(dims, not data.IsA("vtkStructuredGrid")), None, None)
    raise Fault("content", f"VTK reads it as {data.GetClassName()[3:]}: this is no mesh")


def dims_of(data: Any) -> list[int]:
    extent = data.GetExtent()
    return [extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3)]


def no_cells() -> Cells:
    empty = np.empty(0, np.int64)
    return empty, np.zeros(1, np.int64), empty, None, None


def _cell_array(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    if cells is None or not cells.GetNumberOfCells():
        return np.zeros(1, np.int64), np.empty(0, np.int64)
    cells.ConvertToDefaultStorage() if hasattr(cells, "ConvertToDefaultStorage") else None
    offsets, nodes = (
        vtk_to_numpy(cells.GetOffsetsArray()),
        vtk_to_numpy(cells.GetConnectivityArray()),
    )
    return offsets.astype(np.int64), nodes.astype(np.int64)


def _faces(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """The stream ``n_faces, (n, ids...)...`` of every polyhedron, and where it ends."""
    face_ends, face_nodes = _cell_array(data.GetPolyhedronFaces())
    cell_ends, cell_faces = _cell_array(data.GetPolyhedronFaceLocations())
    stream: list[int] = []
    ends = []
    for first, last in zip(cell_ends[:-1].tolist(), cell_ends[1:].tolist(), strict=True):
        if last > first:
            stream.append(last - first)
            for face in cell_faces[first:last].tolist():
                ids = face_nodes[face_ends[face] : face_ends[face + 1]].tolist()
                stream += [len(ids), *ids]
        ends.append(len(stream) if last > first else -1)
    return np.array(stream, np.int64), np.array(ends, np.int64)


# -- blocks that share their points -------------------------------------------------------------


def stacked(leaves: list[tuple[str, Any]], mesh: Mesh) -> Mesh:
    """`mesh` with the cells of more leaves on the same points, each a region of its name."""
    parts = [
        (name, leaf_cells(leaf), leaf_arrays(leaf.GetCellData(), "cell", {}))
        for name, leaf in leaves
    ]
    counts = np.cumsum([mesh.n_cells, *(len(cells[0]) for _, cells, _ in parts)])
    streams = [mesh.faces if mesh.faces is not None else np.empty(0, np.int64)]
    none = np.full(mesh.n_cells, -1, np.int64)
    ends = [mesh.face_offsets if mesh.face_offsets is not None else none]
    types, offsets, nodes = [mesh.cell_types], [mesh.cell_offsets], [mesh.cell_nodes]
    regions = dict(mesh.regions)
    for index, (name, (kinds, places, ids, faces, face_ends), _) in enumerate(parts):
        types.append(kinds)
        offsets.append(places[1:] + offsets[-1][-1])
        nodes.append(ids)
        length = sum(map(len, streams))
        if faces is None or face_ends is None:
            ends.append(np.full(len(kinds), -1, np.int64))
        else:
            streams.append(faces)
            ends.append(np.where(face_ends >= 0, face_ends + length, -1))
        own = np.arange(counts[index], counts[index + 1])
        before = regions[name].ids if name in regions else own[:0]
        regions[name] = Region("cell", np.concatenate([before, own]))
    faces = np.concatenate(streams)
    return Mesh(
        mesh.points,
        np.concatenate(types),
        np.concatenate(offsets),
        np.concatenate(nodes),
        mesh.point_data,
        _united([mesh.cell_data, *(data for _, _, data in parts)], np.diff(counts, prepend=0)),
        mesh.field_data,
        regions,
        mesh.storage,
        faces if len(faces) else None,
        np.concatenate(ends) if len(faces) else None,
        mesh.components,
    )


def _united(parts: list[dict[str, np.ndarray]], counts: np.ndarray) -> dict[str, np.ndarray]:
    """Cell data one after the other; NaN where a part lacks an array that others have."""
    out = {}
    filled = [(data, count) for data, count in zip(parts, counts.tolist(), strict=True) if count]
    for name in dict.fromkeys(name for data, _ in filled for name in data):
        known = [data[name] for data, _ in filled if name in data]
        if len({values.shape[1:] for values in known}) > 1 or known[0].dtype.kind not in "biuf":
            continue
        kind = np.result_type(*known)
        kind = kind if kind.kind == "f" or len(known) == len(filled) else np.dtype(np.float64)
        missing = [np.full((count, *known[0].shape[1:]), np.nan, kind) if name not in data
                   else data[name] for data, count in filled]  # fmt: skip
        out[name] = np.concatenate(missing)
    return out


def padded(offsets: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(n, k) nodes of each cell, padded with -1."""
    sizes = np.diff(offsets)
    at = np.arange(sizes.max(initial=0))
    out = np.full((len(sizes), len(at)), -1, np.int64)
    out[at < sizes[:, None]] = nodes
    return out
