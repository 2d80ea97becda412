"""Mesh: points, mixed cells in file order, data on both, named regions."""

from __future__ import annotations

import copy
import hashlib
import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..celltypes import CELL_TYPES, CODES
from ..errors import MeshError
from . import _facets, _geometry, _normals
from ._cells import DIM
from ._check import check
from ._metrics import cell_quality
from ._quality import QualityReport, quality

if TYPE_CHECKING:
    from ._p1 import P1

REGION_KINDS = ("point", "cell", "facet")


@dataclass
class Region:
    """A named set of points, cells or facets (a wall, an inlet, a material).

    ids: (n,) int64 point or cell ids; for facets (n, k) node tuples, padded with -1.
    """

    kind: str
    ids: np.ndarray

    def __post_init__(self) -> None:
        if self.kind not in REGION_KINDS:
            raise MeshError(f"region kind {self.kind!r}", f"expected one of {REGION_KINDS}")
        self.ids = _integers("region ids", self.ids)
        if self.ids.ndim != (2 if self.kind == "facet" else 1):
            raise MeshError(
                f"{self.kind} region ids have shape {self.ids.shape}",
                "expected (n, k) for facets, (n,) for points and cells",
            )


@dataclass(eq=False)
class Mesh:
    """An unstructured mesh as its file has it: nothing reordered, nothing converted.

    points (N, 3) float64; cell_types (M,) uint8 VTK codes; cell_offsets (M+1,) int64;
    cell_nodes (K,) int64; point_data and cell_data: name -> (N, ...) or (M, ...), dtypes kept;
    field_data: name -> array of any length, strings included. Polyhedra also have faces (L,) and
    face_offsets (M,) as in VTU: a stream ``n_faces, (n, ids...)...`` each and where it ends, -1
    for other cells. components: (location, array name) -> names of its components. storage: how
    the file stored points, connectivity, offsets and types, so that a writer can do the same.

    Construction checks memory safety (never quality, see `validate`) and raises MeshError.
    """

    points: np.ndarray
    cell_types: np.ndarray
    cell_offsets: np.ndarray
    cell_nodes: np.ndarray
    point_data: dict[str, np.ndarray] = field(default_factory=dict)
    cell_data: dict[str, np.ndarray] = field(default_factory=dict)
    field_data: dict[str, np.ndarray] = field(default_factory=dict)
    regions: dict[str, Region] = field(default_factory=dict)
    storage: dict[str, str] = field(default_factory=dict)
    faces: np.ndarray | None = None
    face_offsets: np.ndarray | None = None
    components: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.points = _floats("points", self.points)
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise MeshError(f"points have shape {self.points.shape}", "expected (N, 3)")
        self.cell_types = _codes(self.cell_types)
        self.cell_offsets = _integers("cell_offsets", self.cell_offsets)
        self.cell_nodes = _integers("cell_nodes", self.cell_nodes)
        self.faces = None if self.faces is None else _integers("faces", self.faces)
        if self.face_offsets is not None:
            self.face_offsets = _integers("face_offsets", self.face_offsets)
        for name in ("cell_types", "cell_offsets", "cell_nodes", "faces", "face_offsets"):
            if (array := getattr(self, name)) is not None and array.ndim != 1:
                raise MeshError(f"{name} has shape {array.shape}", "expected one dimension")
        self.point_data = {name: _native(v) for name, v in self.point_data.items()}
        self.cell_data = {name: _native(v) for name, v in self.cell_data.items()}
        self.field_data = {n: np.atleast_1d(_native(v)) for n, v in self.field_data.items()}
        check(self)

    # -- construction ---------------------------------------------------------------------------

    @classmethod
    def from_blocks(
        cls,
        points: Any,
        blocks: Iterable[tuple[str | int, Any]] = (),
        *,
        point_data: Mapping[str, Any] | None = None,
        cell_data: Mapping[str, Any] | None = None,
        field_data: Mapping[str, Any] | None = None,
        regions: Mapping[str, Region] | None = None,
    ) -> Mesh:
        """Mesh from ``[("triangle", (m, 3) ids), ...]``, cells in that order.

        points (N, 3), or (N, 2) which gets z = 0. A block's name is a cell name ("quad") or a VTK
        code. Raises MeshError.
        """
        points = _floats("points", points)
        if points.ndim == 2 and points.shape[1] == 2:
            points = np.column_stack([points, np.zeros(len(points))])
        types, sizes, nodes = [], [], []
        for kind, ids in blocks:
            code = CODES.get(kind) if isinstance(kind, str) else int(kind)
            if code is None or code not in CELL_TYPES:
                raise MeshError(f"cell type {kind!r}", f"known names: {', '.join(CODES)}")
            conn = _integers(f"cells of type {kind!r}", ids)
            if conn.ndim != 2:
                raise MeshError(f"cells of type {kind!r} have shape {conn.shape}", "expected (m,k)")
            types.append(np.full(len(conn), code, dtype=np.uint8))
            sizes.append(np.full(len(conn), conn.shape[1], dtype=np.int64))
            nodes.append(conn.ravel())
        return cls(
            points,
            np.concatenate([np.empty(0, np.uint8), *types]),
            np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))]),
            np.concatenate([np.empty(0, np.int64), *nodes]),
            dict(point_data or {}),
            dict(cell_data or {}),
            dict(field_data or {}),
            dict(regions or {}),
        )

    def copy(self) -> Mesh:
        """A mesh that shares the arrays but has dictionaries of its own."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(twin, name, dict(value))
        return twin

    def save(self, path: str | os.PathLike, **options: Any) -> None:
        """Write to `path`; the suffix chooses the format. Options and errors: `meshop.io.write`."""
        # io lies above mesh, so it is found by name when called, never imported by this module.
        importlib.import_module("meshop.io").write(self, path, **options)

    # -- properties -----------------------------------------------------------------------------

    @property
    def n_points(self) -> int:
        return len(self.points)

    @property
    def n_cells(self) -> int:
        return len(self.cell_types)

    @property
    def dim(self) -> int:
        """The highest topological dimension of its cells; 0 for a bare point cloud."""
        present = np.flatnonzero(np.bincount(self.cell_types, minlength=256))
        return int(DIM[present].max(initial=0))

    @property
    def is_planar(self) -> bool:
        """True where all points have the same z."""
        z = self.points[:, 2]
        return bool(len(z) == 0 or np.all(z == z[0]))

    def __repr__(self) -> str:
        counts = np.bincount(self.cell_types, minlength=256)
        kinds = ", ".join(
            f"{counts[c]} {CELL_TYPES[c].name}" for c in np.flatnonzero(counts).tolist()
        )
        return (
            f"Mesh({self.n_points} points, {self.n_cells} cells [{kinds}], "
            f"point_data={list(self.point_data)}, cell_data={list(self.cell_data)}, "
            f"field_data={list(self.field_data)}, regions={list(self.regions)})"
        )

    # -- geometry and topology ------------------------------------------------------------------

    def cell_centers(self) -> np.ndarray:
        """(M, 3) float64, the mean of each cell's corner nodes (zero for empty cells)."""
        return _geometry.cell_centers(self)

    def cell_measures(self) -> np.ndarray:
        """(M,) float64 length, area or volume by each cell's dimension, never negative.

        Vertices count 1. Polygons are exact; faces of volumes are fanned from their centre, so that
        neighbours agree and volumes add up; quadratic cells are measured through their corners.
        """
        return np.abs(_geometry.signed_measures(self))

    def boundary_facets(self) -> _facets.Facets:
        """Facets of the top-dimensional cells that one cell uses: corner nodes and owner cell."""
        return _facets.boundary_facets(self)

    def cell_normals(self) -> np.ndarray:
        """(M, 3) unit normals of the two-dimensional cells by the right-hand rule; zero for others.

        Polygons, also ones that are not plane or not convex, by Newell's area vector.
        """
        return _normals.cell_normals(self)

    def point_normals(self) -> np.ndarray:
        """(N, 3) unit normals of the two-dimensional cells around each point, weighted by area.

        Zero where there is none. `surface()` gives a volume the cells to take normals of.
        """
        return _normals.point_normals(self)

    def facet_normals(self, facets: _facets.Facets | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals (F, 3) out of the owner cells and areas (F,) of facets; of the boundary
        where none are given. The facets of a surface are lines, in its plane the normals lie."""
        facets = self.boundary_facets() if facets is None else facets
        areas = _normals.facet_areas(self, _normals.outward(self, facets))
        return _geometry.unit_vectors(areas), np.linalg.norm(areas, axis=1)

    def surface(self) -> Mesh:
        """The boundary facets as a mesh: of a volume triangles, quads and polygons.

        They are wound so that normals point outwards, through their corners (curved ones become
        straight), in the order of their owners; only points on them are kept. Point data go along;
        cell data are those of the owner cells, whose ids are cell data `owner_cell`. Facet regions
        become regions of cells; of point and cell regions the part on the boundary stays.
        """
        from ._extract import surface  # it makes meshes, so it cannot be imported first

        return surface(self)

    def refine(self) -> Mesh:
        """Every line in 2, triangle in 4, tetrahedron in 8: a mesh of half the size, around this.

        Its first points are this mesh's; then come the middles of the edges. Cells follow their
        parents, wound as they are. Numbers at points are interpolated (integers: the lesser of both
        ends'), those of cells repeated; regions go along. Raises MeshError for other cells.
        """
        from ._refine import refine  # it makes meshes, so it cannot be imported first

        return refine(self)

    def p1(self) -> P1:
        """Piecewise linear fields on its points: gradients, mass, stiffness, boundary normals.

        Keep what it returns: everything in it is computed once, for the mesh as it is now.
        """
        from ._p1 import P1  # here, so that reading a mesh needs no sparse matrices

        return P1(self)

    def quality(self, metric: str = "scaled_jacobian") -> np.ndarray:
        """(M,) a quality metric of each cell by name, NaN where it has no meaning.

        `meshop.mesh.METRICS` lists the names with ideal values, ranges and definitions. Raises
        MeshError for an unknown name.
        """
        return cell_quality(self, metric)

    def facet_neighbours(self) -> np.ndarray:
        """(P, 2) int64 pairs of cells that share a facet: sorted, each pair once."""
        return _facets.facet_neighbours(self)

    def check(self) -> None:
        """Repeat the memory-safety checks of construction (after arrays were changed)."""
        check(self)

    def validate(self, tolerance: float = 0.0, warp: float = 0.02) -> QualityReport:
        """Every quality fault, with ids; self-intersections are not looked for.

        tolerance: points as close as this (a length) count as duplicates; 0: only equal ones. warp:
        how far corners may leave the plane of a surface cell, as a part of its extent. Raises
        MeshError where memory safety is broken, or the tolerance is far larger than the cells.
        """
        check(self)
        return quality(self, tolerance, warp)

    def content_hash(self) -> str:
        """Hex digest (128 bits) of points and topology; data, regions and storage do not count."""
        digest = hashlib.blake2b(digest_size=16)
        for name in ("points", "cell_types", "cell_offsets", "cell_nodes", "faces", "face_offsets"):
            if (array := getattr(self, name)) is not None:
                digest.update(f"{name}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        return digest.hexdigest()


def _native(values: Any) -> np.ndarray:
    """An array in this machine's byte order (torch takes no other)."""
    array = np.asarray(values)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _floats(what: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise MeshError(f"{what} have dtype {array.dtype}", "expected real numbers")
    with np.errstate(all="ignore"):  # float128: what becomes infinite is refused by the checks
        return np.ascontiguousarray(array, dtype=np.float64)


def _codes(values: Any) -> np.ndarray:
    """Cell types as uint8, an array of their own."""
    types = np.asarray(values)
    if types.dtype != np.uint8:
        types = _integers("cell_types", types)
        if types.size and (types.min() < 0 or types.max() > 255):
            raise MeshError("cell_types", "VTK cell types lie in 0 to 255")
    return np.array(types, dtype=np.uint8, order="C")


def _integers(what: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise MeshError(f"{what} has dtype {array.dtype}", "expected integers")
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise MeshError(what, f"{array.max()} exceeds the 64-bit signed range")
    return np.ascontiguousarray(array, dtype=np.int64)
