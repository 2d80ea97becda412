"""Quality: faults that are safe to index with but spoil a computation. All found, with ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..celltypes import CONVEX_POINT_SET, POLYHEDRON
from ..errors import MeshError
from . import _geometry, _topology
from ._blocks import chunks
from ._cells import DIM
from ._facets import FacetTable, facet_table
from ._metrics import turned_inside_out
from ._normals import cell_normals
from ._polyhedra import open_shells
from .vectors import gathered

if TYPE_CHECKING:
    from ._mesh import Mesh

ERROR, NOTE = "error", "note"


class Kind(NamedTuple):
    """A kind of fault: how bad it is, what its ids count, and what it is in words."""

    severity: str
    of: str
    meaning: str


KINDS = {
    "degenerate": Kind(ERROR, "cell", "a repeated corner, or (nearly) no measure"),
    "inverted": Kind(ERROR, "cell", "turned inside out, or wound against the rest of the plane"),
    "flipped": Kind(ERROR, "cell", "wound against most of its neighbours on the surface"),
    "duplicate_cells": Kind(ERROR, "cell", "has the nodes of another cell"),
    "open_shells": Kind(ERROR, "cell", "a polyhedron whose faces do not close"),
    "crowded_facets": Kind(ERROR, "facet", "shared by more than two volumes"),
    "not_finite": Kind(ERROR, "row", "NaN or infinite values"),
    "crowded_edges": Kind(NOTE, "edge", "shared by more than two cells of the surface"),
    "open_edges": Kind(NOTE, "edge", "the surface is not closed here"),
    "inside_out": Kind(NOTE, "cell", "a closed surface whose normals point inwards"),
    "warped": Kind(NOTE, "cell", "a quad or polygon that is not plane"),
    "duplicate_points": Kind(NOTE, "point", "lies on a point with a lower id"),
    "unused_points": Kind(NOTE, "point", "belongs to no cell"),
    "islands": Kind(NOTE, "cell", "not connected to the largest part"),
    "stray_cells": Kind(NOTE, "cell", "of a lower dimension, and not on the main cells"),
    "stray_facets": Kind(NOTE, "row", "facets of a region that are on no cell"),
    "empty_regions": Kind(NOTE, "region", "a region without members"),
}
_NONE = np.empty(0, np.int64)


@dataclass
class QualityReport:
    """Faults of a mesh by kind; ids are sorted int64 arrays, empty where all is well.

    Errors, which spoil a computation. degenerate: cells with a repeated corner or (nearly) no
    measure. inverted: volumes with a corner turned inside out, and in a planar mesh cells wound
    against the majority. flipped: cells of a surface wound against most they hang together with.
    duplicate_cells: those with the nodes of one with a lower id. open_shells: polyhedra whose faces
    do not close. crowded_facets (n, k): faces that more than two volumes share, padded with -1.
    not_finite: ("cell", "p") -> rows of that array with NaN or infinity.

    Notes, which are meant in some meshes. crowded_edges and open_edges (n, 2): nodes of edges that
    more than two cells, or one, of a surface have; not asked of a mesh in a plane, which is
    naturally open. inside_out: closed surfaces with normals that point inwards. warped: cells of a
    surface that leave their plane. duplicate_points: points on one with a lower id.
    unused_points: points of no cell. islands: cells not connected to the largest part.
    stray_cells: cells of a lower dimension with a point that no main cell has. stray_facets: region
    name -> rows that are a facet of no main cell. empty_regions: names.

    parts (P,): how many cells each connected part has, most first. Self-intersections are not
    looked for.
    """

    degenerate: np.ndarray
    inverted: np.ndarray
    duplicate_points: np.ndarray
    unused_points: np.ndarray
    not_finite: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    flipped: np.ndarray = field(default_factory=_NONE.copy)
    duplicate_cells: np.ndarray = field(default_factory=_NONE.copy)
    open_shells: np.ndarray = field(default_factory=_NONE.copy)
    crowded_facets: np.ndarray = field(default_factory=_NONE.copy)
    crowded_edges: np.ndarray = field(default_factory=_NONE.copy)
    open_edges: np.ndarray = field(default_factory=_NONE.copy)
    inside_out: np.ndarray = field(default_factory=_NONE.copy)
    warped: np.ndarray = field(default_factory=_NONE.copy)
    islands: np.ndarray = field(default_factory=_NONE.copy)
    stray_cells: np.ndarray = field(default_factory=_NONE.copy)
    stray_facets: dict[str, np.ndarray] = field(default_factory=dict)
    empty_regions: tuple[str, ...] = ()
    parts: np.ndarray = field(default_factory=_NONE.copy)

    @property
    def ok(self) -> bool:
        """True where nothing was found."""
        return not self.faults()

    def faults(self, severity: str | None = None) -> dict[str, np.ndarray]:
        """Only what was found: name -> ids; of one severity ("error", "note") if asked for."""
        found: dict[str, np.ndarray] = {}
        for name, kind in KINDS.items():
            if severity not in (None, kind.severity):
                continue
            if name == "not_finite":
                for (where, array), rows in self.not_finite.items():
                    found[f"not_finite {where} {array}"] = rows
            elif name == "stray_facets":
                for region, rows in self.stray_facets.items():
                    found[f"stray_facets {region}"] = rows
            elif name == "empty_regions":
                found[name] = np.array(self.empty_regions, dtype=object)
            else:
                found[name] = getattr(self, name)
        return {name: ids for name, ids in found.items() if len(ids)}

    @staticmethod
    def kind(name: str) -> Kind:
        """What a name in `faults` stands for."""
        return KINDS[name.split(" ")[0]]

    def bad_cells(self, severity: str | None = None) -> np.ndarray:
        """The cells among the faults, sorted."""
        found = self.faults(severity)
        cells = [ids for name, ids in found.items() if self.kind(name).of == "cell"]
        cells += [v for n, v in found.items() if n.startswith("not_finite cell ")]
        return np.unique(np.concatenate([_NONE, *cells]))

    def bad_points(self, severity: str | None = None) -> np.ndarray:
        """The points among the faults, those of edges and facets included, sorted."""
        found = self.faults(severity)
        points = [
            ids.ravel() for n, ids in found.items() if self.kind(n).of in ("point", "edge", "facet")
        ]
        points += [v for n, v in found.items() if n.startswith("not_finite point ")]
        every = np.unique(np.concatenate([_NONE, *points]))
        return every[every >= 0]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain lists and numbers, for JSON."""
        return {
            "errors": len(self.faults(ERROR)),
            "notes": len(self.faults(NOTE)),
            "parts": self.parts.tolist(),
            "faults": [
                {
                    "name": name,
                    "severity": self.kind(name).severity,
                    "of": self.kind(name).of,
                    "meaning": self.kind(name).meaning,
                    "count": len(ids),
                    "ids": [[i for i in row if i >= 0] for row in ids.tolist()]
                    if ids.ndim == 2
                    else ids.tolist(),
                }
                for name, ids in self.faults().items()
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"{name}: {len(ids)} ({', '.join(map(_text, ids[:5]))}{', ...' * (len(ids) > 5)})"
            for name, ids in self.faults().items()
        ]
        return "\n".join(lines) or "no faults"


def _text(item: Any) -> str:
    return "-".join(str(i) for i in item if i >= 0) if isinstance(item, np.ndarray) else str(item)


def quality(
    mesh: Mesh, tolerance: float = 0.0, warp: float = 0.02, facets: FacetTable | None = None
) -> QualityReport:
    """Look for every fault; `mesh` is memory-safe. See `Mesh.validate`.

    facets: those of this mesh, where they are known.
    """
    mesh = mesh.copy()
    report = QualityReport(
        degenerate=_NONE,
        inverted=_NONE,
        duplicate_points=_duplicates(mesh.points, tolerance),
        unused_points=_unused(mesh),
        not_finite=_not_finite(mesh),
        duplicate_cells=_topology.duplicate_cells(mesh),
        stray_cells=_stray_cells(mesh),
        empty_regions=tuple(n for n, region in mesh.regions.items() if not len(region.ids)),
    )
    mesh.points = _geometry.scaled_points(mesh)
    signed = _geometry.signed_measures(mesh)
    report.degenerate = _degenerate(mesh, np.abs(signed))
    report.inverted = _inverted(mesh, signed)
    report.warped = _warped(mesh, warp)
    part = _topology.connected_parts(mesh)
    report.parts = np.bincount(part[part >= 0])
    if mesh.dim:  # vertices are nothing but islands
        report.islands = np.flatnonzero(part > 0)
    if mesh.dim == 3:
        facets = facet_table(mesh) if facets is None else facets
        crowded = np.unique(facets.further[:, 0])
        report.crowded_facets = facets.padded(crowded)
        report.open_shells = open_shells(mesh)
    elif mesh.dim == 2:
        edges = _topology.surface_edges(mesh)
        report.crowded_edges = edges.crowded
        if not mesh.is_planar:
            report.open_edges = edges.open
            report.flipped = _topology.flipped_cells(edges, mesh.n_cells)
            if not (len(edges.open) or len(edges.crowded) or len(report.flipped)):
                report.inside_out = _inside_out(mesh, part)
    report.stray_facets = _stray_facets(mesh, facets)
    return report


def _unused(mesh: Mesh) -> np.ndarray:
    used = np.zeros(mesh.n_points, dtype=bool)
    used[mesh.cell_nodes] = True
    return np.flatnonzero(~used) if mesh.n_cells else _NONE


def _not_finite(mesh: Mesh) -> dict[tuple[str, str], np.ndarray]:
    found = {}
    for where, data in (("point", mesh.point_data), ("cell", mesh.cell_data)):
        for name, values in data.items():
            if values.dtype.kind in "fc" and not (finite := np.isfinite(values)).all():
                rows = finite.reshape(len(values), -1).all(axis=1)
                found[where, name] = np.flatnonzero(~rows)
    return found


def _degenerate(mesh: Mesh, measure: np.ndarray) -> np.ndarray:
    """A repeated corner, or a measure below 1e-12 of the longest extent to the power dim."""
    bad = mesh.cell_types == 0
    for block in chunks(mesh):
        if not block.nodes.shape[1]:
            continue
        corners = block.corners
        ordered = np.sort(corners, axis=1)
        fault = np.any(ordered[:, 1:] == ordered[:, :-1], axis=1)
        if block.row.dim:
            extent = np.ptp(gathered(mesh.points, corners), axis=0).max(axis=0)
            fault |= measure[block.cells] <= 1e-12 * extent**block.row.dim
        bad[block.cells] |= fault
    return np.flatnonzero(bad)


def _inverted(mesh: Mesh, signed: np.ndarray) -> np.ndarray:
    bad = np.zeros(mesh.n_cells, dtype=bool)
    for block in chunks(mesh, 3):
        if block.row.code in (CONVEX_POINT_SET, POLYHEDRON):
            continue
        bad[block.cells] = turned_inside_out(mesh.points, block)
    if mesh.is_planar:
        faces = DIM[mesh.cell_types] == 2
        against = -1.0 if np.sum(np.sign(signed[faces])) >= 0 else 1.0
        bad |= faces & (signed * against > 0) & (mesh.cell_types != 6)
    return np.flatnonzero(bad)


def _warped(mesh: Mesh, tolerance: float) -> np.ndarray:
    """Surface cells with a corner farther from their plane than that part of their extent."""
    if mesh.is_planar:
        return _NONE
    normals = cell_normals(mesh)
    bad = np.zeros(mesh.n_cells, dtype=bool)
    for block in chunks(mesh, 2):
        if block.corners.shape[1] == 3 or block.row.code == 6:
            continue
        ring = mesh.points[block.corners]
        ring = ring - ring.mean(axis=1, keepdims=True)
        height = np.abs(np.einsum("ijk,ik->ij", ring, normals[block.cells])).max(axis=1)
        bad[block.cells] = height > tolerance * np.abs(ring).max(axis=(1, 2))
    return np.flatnonzero(bad)


def _duplicates(points: np.ndarray, tolerance: float) -> np.ndarray:
    if len(points) < 2:
        return _NONE
    found = _NONE
    if _have_twins(points):
        order = np.lexsort((*points.T,))  # stable: the lowest id of equal points comes first
        same = np.all(points[order[1:]] == points[order[:-1]], axis=1)
        found = np.sort(order[1:][same])
    return found if tolerance <= 0 else np.union1d(found, _near(points, found, tolerance))


def _have_twins(points: np.ndarray) -> bool:
    """False where no two points can be equal: sorting one key a point is soon done."""
    bits = np.ascontiguousarray(points + 0.0).view(np.uint64)  # -0 is 0
    factors = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    keys = sum(bits[:, axis] * factors[axis] for axis in range(3))
    keys.sort()
    return bool(np.any(keys[1:] == keys[:-1]))


def _near(points: np.ndarray, equal: np.ndarray, tolerance: float) -> np.ndarray:
    """Points within `tolerance` of one with a lower id, those of `equal` left out."""
    from scipy.spatial import cKDTree

    single = np.delete(np.arange(len(points)), equal)
    tree = cKDTree(points[single])
    pairs = (tree.count_neighbors(tree, tolerance) - len(single)) // 2
    if pairs > 8 * len(points):
        raise MeshError(
            f"tolerance {tolerance:g}",
            f"{pairs} pairs of points are closer: more than 8 for each of {len(points)} points",
            "a tolerance well below the distance of neighbours",
        )
    close = tree.query_pairs(tolerance, output_type="ndarray")
    return np.unique(single[close.max(axis=1, initial=0)]) if len(close) else _NONE


def _stray_cells(mesh: Mesh) -> np.ndarray:
    dim = DIM[mesh.cell_types]
    size = np.diff(mesh.cell_offsets)
    off = np.ones(mesh.n_points, dtype=bool)
    off[mesh.cell_nodes[np.repeat(dim == mesh.dim, size)]] = False
    cell = np.repeat(np.arange(mesh.n_cells), size)
    return np.unique(cell[off[mesh.cell_nodes]])


def _stray_facets(mesh: Mesh, facets: FacetTable | None) -> dict[str, np.ndarray]:
    """Rows of facet regions that are no facet of the main cells; mid-side nodes do not count."""
    wanted = {n: r.ids for n, r in mesh.regions.items() if r.kind == "facet" and len(r.ids)}
    if not wanted:
        return {}
    if mesh.dim == 0:
        return {name: np.arange(len(ids)) for name, ids in wanted.items()}
    facets = facets or facet_table(mesh)
    table = facets.padded(np.arange(len(facets.owner)))
    corner = np.zeros(mesh.n_points + 1, dtype=bool)
    corner[facets.nodes] = True
    found = {}
    for name, ids in wanted.items():
        rows = _topology.find_rows(table, np.where(corner[ids], ids, -1))
        if len(stray := np.flatnonzero(rows < 0)):
            found[name] = stray
    return found


def _inside_out(mesh: Mesh, part: np.ndarray) -> np.ndarray:
    """Cells of closed parts with a negative volume inside, unless these are cavities of others."""
    middle = _geometry.cell_centers(mesh)
    faces = np.flatnonzero(DIM[mesh.cell_types] == 2)
    size = np.abs(_geometry.signed_measures(mesh))
    origin = mesh.points.mean(axis=0)
    share = size * np.einsum("ij,ij->i", middle - origin, cell_normals(mesh)) / 3
    volume = np.bincount(part[faces], share[faces])
    return faces[volume[part[faces]] < 0] if volume.sum() < 0 else _NONE
