"""Quality: faults that are safe to index with but spoil a computation. All found, with ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..celltypes import CONVEX_POINT_SET, POLYHEDRON, WEDGES
from . import _geometry
from ._blocks import chunks
from ._cells import DIM

if TYPE_CHECKING:
    from ._mesh import Mesh


@dataclass
class QualityReport:
    """Faults of a mesh by kind; ids are sorted int64 arrays, empty where all is well.

    degenerate: cells with a repeated corner or (nearly) no measure. inverted: volumes with a
    corner turned inside out, and in a planar mesh cells wound against the majority.
    duplicate_points: points that lie exactly on one with a lower id. unused_points: points of no
    cell. not_finite: ("cell", "p") -> rows of that array with NaN or infinity.
    """

    degenerate: np.ndarray
    inverted: np.ndarray
    duplicate_points: np.ndarray
    unused_points: np.ndarray
    not_finite: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True where nothing was found."""
        return not self.faults()

    def faults(self) -> dict[str, np.ndarray]:
        """Only what was found: name -> ids."""
        names = ("degenerate", "inverted", "duplicate_points", "unused_points")
        found = {name: getattr(self, name) for name in names}
        found |= {f"not_finite {where} {name}": v for (where, name), v in self.not_finite.items()}
        return {name: ids for name, ids in found.items() if len(ids)}

    def __str__(self) -> str:
        lines = [
            f"{name}: {len(ids)} ({', '.join(map(str, ids[:5]))}{', ...' if len(ids) > 5 else ''})"
            for name, ids in self.faults().items()
        ]
        return "\n".join(lines) or "no faults"


def quality(mesh: Mesh) -> QualityReport:
    """Look for every fault; `mesh` is memory-safe."""
    used = np.zeros(mesh.n_points, dtype=bool)
    used[mesh.cell_nodes] = True
    bad_rows = {}
    for where, data in (("point", mesh.point_data), ("cell", mesh.cell_data)):
        for name, values in data.items():
            if values.dtype.kind in "fc" and not (finite := np.isfinite(values)).all():
                rows = finite.reshape(len(values), -1).all(axis=1)
                bad_rows[where, name] = np.flatnonzero(~rows)
    signed = _geometry.signed_measures(mesh)
    return QualityReport(
        degenerate=_degenerate(mesh, np.abs(signed)),
        inverted=_inverted(mesh, signed),
        duplicate_points=_duplicates(mesh.points),
        unused_points=np.flatnonzero(~used) if mesh.n_cells else np.empty(0, np.int64),
        not_finite=bad_rows,
    )


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
            xyz = mesh.points[corners]
            extent = (xyz.max(axis=1) - xyz.min(axis=1)).max(axis=1)
            fault |= measure[block.cells] <= 1e-12 * extent**block.row.dim
        bad[block.cells] |= fault
    return np.flatnonzero(bad)


def _inverted(mesh: Mesh, signed: np.ndarray) -> np.ndarray:
    bad = np.zeros(mesh.n_cells, dtype=bool)
    for block in chunks(mesh, 3):
        if block.row.code in (CONVEX_POINT_SET, POLYHEDRON):
            continue
        low, high = _corner_jacobians(mesh.points, block.corners, block.row.facets)
        # Wedges are written in two mirrored ways (VTK's book and most solvers): either will do.
        turned = (low < 0) & (high > 0) if block.row.code in WEDGES else low < 0
        bad[block.cells] = turned
    if mesh.is_planar:
        faces = DIM[mesh.cell_types] == 2
        against = -1.0 if np.sum(np.sign(signed[faces])) >= 0 else 1.0
        bad |= faces & (signed * against > 0) & (mesh.cell_types != 6)
    return np.flatnonzero(bad)


def _corner_jacobians(
    points: np.ndarray, corners: np.ndarray, facets: tuple[tuple[int, ...], ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest triple product of the three edges at a corner (corners with 3 faces)."""
    n = corners.shape[1]
    low, high = np.full(len(corners), np.inf), np.full(len(corners), -np.inf)
    for corner in range(n):
        # Outward faces around a corner: each brings the edge after it and the edge before it.
        link = {}
        for face in facets:
            if corner in face:
                at = face.index(corner)
                link[face[(at + 1) % len(face)]] = face[at - 1]
        if len(link) != 3:
            continue  # the tip of a pyramid
        a = next(iter(link))
        b, c = link[a], link[link[a]]
        here = points[corners[:, corner]]
        u, v, w = (points[corners[:, i]] - here for i in (a, b, c))
        triple = np.einsum("ij,ij->i", u, np.cross(w, v))
        low, high = np.minimum(low, triple), np.maximum(high, triple)
    return low, high


def _duplicates(points: np.ndarray) -> np.ndarray:
    if len(points) < 2:
        return np.empty(0, np.int64)
    order = np.lexsort((*points.T,))  # stable: the lowest id of equal points comes first
    same = np.all(points[order[1:]] == points[order[:-1]], axis=1)
    return np.sort(order[1:][same])
