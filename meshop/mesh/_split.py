"""Cells as simplices on the mesh's own nodes, so that neighbours agree on every face they share.

A polygon is a fan from its lowest node, a solid joins its lowest node to the fans of the faces
that do not have it: Dompierre, Labbe, Vallet, Camarero, How to Subdivide Pyramids, Prisms and
Hexahedra into Tetrahedra (8th International Meshing Roundtable, 1999), which goes for any convex
solid (the pulling triangulation). `meshop.ops.locate` cuts cells in the same way.

Two cases that it leaves open. A polygon whose fan would fold over itself (not convex) or have a
flat triangle (hanging nodes) has its ears clipped, from the side of its lowest node, so that both
sides do the same. A solid that its lowest node does not see whole is cut from its centre: the mean
of its corners, and the value there is the mean of theirs, which keeps linear fields exact (Bunge,
Herholz, Kazhdan, Botsch, Polygon Laplacian Made Simple, 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..celltypes import CONVEX_POINT_SET, POLYHEDRON, TRIANGLE_STRIP
from ..errors import MeshError
from ._blocks import CHUNK, Block, chunks
from ._cells import DIM
from ._faces import face_chunks
from ._normals import strip_triangles
from ._sparse import csr
from ._topology import mix
from ._triangulate import triangulate
from .vectors import cross, dot, gathered, length

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from ._mesh import Mesh

_THIN = 1e-6  # of a cell's volume: a tetrahedron with less is no part to cut it into
_FAR = 1e60  # four lengths and more are multiplied
_FLAT = 1e-13  # of the product of its edges: a simplex with less has no measure


class Simplices(NamedTuple):
    """The top-dimensional cells of a mesh as simplices: of one cell together, cells rising.

    nodes (S, d + 1): ids of points; from n_points on centres of cells; cell (S,): which one it is a
    part of; measure (S,): its length, area or volume, all above zero. centres (V, N): csr matrix
    that takes values at the points to those at the centres. degenerate: cells of which some or all
    is flat, which is left out. tangled: cells with simplices that overlap.
    """

    nodes: np.ndarray
    cell: np.ndarray
    measure: np.ndarray
    centres: csr_matrix
    degenerate: np.ndarray
    tangled: np.ndarray


class _Parts(NamedTuple):
    """Simplices of some cells: nodes (s, d + 1), -1 for the cell's centre, and their cells (s,)."""

    nodes: np.ndarray
    cell: np.ndarray
    tangled: np.ndarray


def split_cells(mesh: Mesh) -> Simplices:
    """The simplices of a mesh's top-dimensional cells, which meet face to face.

    The faces of two cells that share one are cut alike, by their nodes alone, in whatever order
    cells come. Curved cells are taken by their corners. Raises MeshError for meshes without lines,
    surfaces or volumes, for convex point sets, and coordinates beyond 1e60 (products overflow).
    """
    if mesh.dim == 0:
        raise MeshError(
            "this mesh has points only", "expected lines, surfaces or volumes to integrate over"
        )
    if (largest := np.abs(mesh.points).max()) > _FAR:
        raise MeshError(
            f"a coordinate of {largest:.3g}", "products of coordinates overflow", "scale the points"
        )
    nodes, cell, tangled = _whole(mesh) or _parts(mesh)
    middle = np.unique(cell[(nodes < 0).any(axis=1)])
    centres = _means(mesh, middle)
    if len(middle):
        nodes = np.where(nodes < 0, mesh.n_points + np.searchsorted(middle, cell)[:, None], nodes)
    points = mesh.points if not len(middle) else np.vstack([mesh.points, centres @ mesh.points])
    measure, good = np.empty(len(cell)), np.empty(len(cell), bool)
    for at in range(0, len(cell), CHUNK):
        some = slice(at, at + CHUNK)
        measure[some], good[some] = _measures(points, nodes[some])
    top = DIM[mesh.cell_types] == mesh.dim
    if not good.all():
        flat = np.unique(cell[~good])
        nodes, cell, measure = nodes[good], cell[good], measure[good]
    else:
        flat = np.empty(0, np.int64)
    top[cell] = False  # what is left has no simplex at all
    degenerate = np.union1d(flat, np.flatnonzero(top))
    return Simplices(nodes, cell, measure, centres, degenerate, np.unique(tangled))


def _whole(mesh: Mesh) -> _Parts | None:
    """A mesh of triangles, tetrahedra or lines alone, as it is."""
    code = int(mesh.cell_types[0])
    size = {3: 2, 5: 3, 10: 4}.get(code, 0)
    if not size or np.any(mesh.cell_types != code):
        return None
    return _Parts(mesh.cell_nodes.reshape(-1, size), np.arange(mesh.n_cells), np.empty(0, np.int64))


def _parts(mesh: Mesh) -> _Parts:
    """All parts, in the order of their cells."""
    cut = {1: _paths, 2: _surfaces, 3: _solids}[mesh.dim]
    none = np.empty(0, np.int64)
    parts = [_Parts(np.empty((0, mesh.dim + 1), np.int64), none, none)]
    parts += [part for block in chunks(mesh, mesh.dim) for part in cut(mesh, block)]
    if mesh.dim == 3:
        parts += _polyhedra(mesh)
    nodes, cell, tangled = (np.concatenate(list(rows)) for rows in zip(*parts, strict=True))
    order = np.argsort(cell, kind="stable")
    return _Parts(nodes[order], cell[order], tangled)


def _paths(mesh: Mesh, block: Block) -> Iterator[_Parts]:
    corners = block.corners
    for i in range(corners.shape[1] - 1):
        yield _distinct(corners[:, i : i + 2], block.cells)


def _surfaces(mesh: Mesh, block: Block) -> Iterator[_Parts]:
    if block.row.code == TRIANGLE_STRIP:
        for triangles in strip_triangles(block.nodes):
            yield _distinct(triangles, block.cells)
        return
    found = triangulate(mesh.points, block.corners)
    cells = np.repeat(block.cells, found.triangles.shape[1])
    part = _distinct(found.triangles.reshape(-1, 3), cells)
    yield part._replace(tangled=block.cells[found.folded])


def _distinct(nodes: np.ndarray, cells: np.ndarray, tangled: np.ndarray | None = None) -> _Parts:
    """Without those of collapsed cells, which have a node twice."""
    ordered = np.sort(nodes, axis=1)
    proper = (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
    if not proper.all():
        nodes, cells = nodes[proper], cells[proper]
    return _Parts(nodes, cells, np.empty(0, np.int64) if tangled is None else tangled)


class _Faces(NamedTuple):
    """Triangles of the faces of some cells. nodes (t, 3) as the faces are wound; row (t,) of the
    cell, face (t,) number; low (t,) lowest node of the face; fan (t,): it is a fan from there."""

    nodes: np.ndarray
    row: np.ndarray
    face: np.ndarray
    low: np.ndarray
    fan: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, rings: list[tuple[np.ndarray, np.ndarray]]) -> _Faces:
        """rings: corners (f, n) of the faces of one size, and their cells' rows (f,)."""
        found, seen = [], 0
        for loops, row in rings:
            triangles, fan, _ = triangulate(points, loops)
            times, face = triangles.shape[1], np.arange(seen, seen + len(loops))
            columns = (row, face, loops.min(axis=1), fan)
            found.append(
                cls(triangles.reshape(-1, 3), *(np.repeat(column, times) for column in columns))
            )
            seen += len(loops)
        faces = cls(*(np.concatenate(column) for column in zip(*found, strict=True)))
        a, b, c = faces.nodes.T
        return faces.some((a != b) & (b != c) & (c != a))

    def some(self, mask: np.ndarray) -> _Faces:
        return self if mask.all() else _Faces(*(column[mask] for column in self))


def _solids(mesh: Mesh, block: Block) -> Iterator[_Parts]:
    code, corners = block.row.code, block.corners
    if code == CONVEX_POINT_SET:
        raise MeshError(
            "convex point sets", "they have no faces of their own", "use polyhedra or tetrahedra"
        )
    if code == POLYHEDRON:
        return
    if corners.shape[1] == 4:
        yield _distinct(corners, block.cells)
        return
    rows = np.arange(len(corners))
    rings = []
    for n in sorted({len(face) for face in block.row.facets}):
        local = np.array([face for face in block.row.facets if len(face) == n])
        rings.append((corners[:, local].reshape(-1, n), np.repeat(rows, len(local))))
    faces = _Faces.of(mesh.points, rings)
    yield _cones(mesh.points, faces, block.cells, mesh.points[corners].mean(axis=1))


def _polyhedra(mesh: Mesh) -> Iterator[_Parts]:
    if mesh.faces is None or mesh.face_offsets is None:
        return
    for listed in face_chunks(mesh.faces, mesh.face_offsets):
        cells, row = np.unique(listed.cell, return_inverse=True)
        rings = []
        for n in np.unique(listed.size):
            mine = np.flatnonzero(listed.size == n)
            rings.append((mesh.faces[listed.start[mine][:, None] + np.arange(n)], row[mine]))
        faces = _Faces.of(mesh.points, rings)
        centre = _means(mesh, cells) @ mesh.points
        yield _cones(mesh.points, _oriented(mesh.points, faces, centre), cells, centre)


def _oriented(points: np.ndarray, faces: _Faces, centre: np.ndarray) -> _Faces:
    """The faces of cells whose winding does not agree, turned to look away from the centre.

    It agrees where each edge is run along both ways: then the sum of numbers that stand for edges,
    negative one way, is zero. Such cells are seen through without any point inside.
    """
    start, end = faces.nodes.ravel(), np.roll(faces.nodes, -1, axis=1).ravel()
    edge = mix(np.minimum(start, end) * len(points) + np.maximum(start, end))
    total = np.zeros(len(centre), np.uint64)
    np.add.at(total, np.repeat(faces.row, 3), np.where(start < end, edge, -edge))
    corner = gathered(points, faces.nodes) - centre[faces.row].T
    area = cross(corner[1] - corner[0], corner[2] - corner[0])
    away = np.bincount(faces.face, dot(area, corner[0]))
    turned = (total != 0)[faces.row] & (away[faces.face] < 0)
    return faces._replace(nodes=np.where(turned[:, None], faces.nodes[:, ::-1], faces.nodes))


def _cones(points: np.ndarray, faces: _Faces, cells: np.ndarray, centre: np.ndarray) -> _Parts:
    """Tetrahedra from each cell's lowest node, or from its centre, to the triangles around it."""
    n = len(cells)
    apex = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(apex, faces.row, faces.low)
    touched = faces.low == apex[faces.row]
    far = faces.some(~touched)
    volume = _volumes(points, far.nodes, points[apex[far.row]])
    total = np.bincount(far.row, volume, minlength=n)
    seen = np.ones(n, bool)
    seen[faces.row[touched & ~faces.fan]] = False
    seen[far.row[volume * np.sign(total[far.row]) <= _THIN * np.abs(total[far.row])]] = False
    near = far.some(seen[far.row])
    nodes, row = np.column_stack([apex[near.row], near.nodes]), near.row
    tangled = np.empty(0, np.int64)
    if not seen.all():
        rest = faces.some(~seen[faces.row])
        volume = _volumes(points, rest.nodes, centre[rest.row])
        total = np.bincount(rest.row, volume, minlength=n)
        back = volume * np.sign(total[rest.row]) < -1e-12 * np.abs(total[rest.row])
        tangled = cells[np.unique(rest.row[back])]
        nodes = np.vstack([nodes, np.column_stack([np.full(len(rest.row), -1), rest.nodes])])
        row = np.concatenate([row, rest.row])
    return _Parts(nodes, cells[row], tangled)


def _volumes(points: np.ndarray, triangles: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """(t,) six times the signed volumes of tetrahedra."""
    corner = gathered(points, triangles) - apex.T
    return dot(corner[0], cross(corner[1], corner[2]))


def _means(mesh: Mesh, cells: np.ndarray) -> csr_matrix:
    """(len(cells), N) takes values at points to means over the corners of solids."""
    number = np.full(mesh.n_cells, -1)
    number[cells] = np.arange(len(cells))
    rows, nodes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for block in chunks(mesh, 3) if len(cells) else ():
        corners = block.corners[number[block.cells] >= 0]
        mine = number[block.cells]
        rows.append(np.repeat(mine[mine >= 0], corners.shape[1]))
        nodes.append(corners.ravel())
    row, node = np.concatenate(rows), np.concatenate(nodes)
    size = np.bincount(row, minlength=len(cells))
    order = np.argsort(row, kind="stable")
    rowptr = np.concatenate([[0], np.cumsum(size)])
    share = np.repeat(1.0 / np.maximum(size, 1), size)
    out = csr(share, node[order], rowptr, (len(cells), mesh.n_points))
    out.sum_duplicates()
    return out


def _measures(points: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) measures of simplices, and whether they are more than rounding."""
    corner = gathered(points, nodes)
    edge = corner[1:] - corner[0]
    lengths = np.stack([length(one) for one in edge])
    if len(edge) == 1:
        return lengths[0], lengths[0] > 0
    area = cross(edge[0], edge[1])
    product = length(area) if len(edge) == 2 else np.abs(dot(area, edge[2]))
    return product / (2 if len(edge) == 2 else 6), product > _FLAT * lengths.prod(axis=0)
