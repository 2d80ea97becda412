"""A mesh, moved: the displacement of its points through the limiter, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..errors import MeshError
from ..mesh import Mesh, corner_simplices, folded_cells
from ..ops import simplex_sign
from ._boundary import Slide, sliding
from ._limit import limit


@dataclass(frozen=True)
class MoveReport:
    """What a movement did.

    inverted: corners of cells that are not positive afterwards, by exact signs: none. proposed:
    those that the displacement would have inverted without the limiter. min_angle: in degrees,
    after and before. steps: passes of the limiter. done: the part of the way that was made. Of
    adaptive movers also their iterations and the residual that these came to; untangled: corners
    that were not positive before, where the mover took such a mesh.
    """

    inverted: int
    proposed: int
    min_angle: float
    min_angle_before: float
    steps: int
    done: float
    iterations: int = 0
    residual: float = 0.0
    untangled: int = 0


class Moved(NamedTuple):
    """The moved mesh, and the report."""

    mesh: Mesh
    report: MoveReport


def move(
    mesh: Mesh,
    displacement: np.ndarray,
    *,
    boundary: str = "slide",
    moving: np.ndarray | None = None,
    passes: int = 8,
    local: bool = True,
) -> Moved:
    """The mesh with its points displaced as far as no cell is inverted: same cells, same data.

    displacement (N, 2) or (N, 3) in the unit of the points. boundary: "slide" (nodes keep to the
    boundary as it is, corners stay), "fixed" or "free"; moving: ids of boundary points that are led
    off it all the same. passes, local: as `limit` has them. Cells count through their corners
    (`corner_simplices`), so quads stay convex; mid-side nodes of curved cells go with the ends of
    their side.

    Raises MeshError for a mesh that has inverted or flat corners already, for a displacement that
    is not finite, and where nothing could be moved at all; `mesh` itself is never changed.
    """
    nodes = positive_corners(mesh)
    d = mesh.dim
    step = np.asarray(displacement, float)
    if step.ndim != 2 or len(step) != mesh.n_points or step.shape[1] not in (d, 3):
        raise MeshError(f"displacement of shape {step.shape}", f"expected ({mesh.n_points}, {d})")
    if d == 2 and step.shape[1] == 3 and np.any(step[:, 2] != 0):
        raise MeshError("displacement", "found z components, expected none in a plane mesh")
    if not np.isfinite(step).all():
        raise MeshError("displacement", "found NaN or infinity, expected finite numbers")
    used = np.zeros(mesh.n_points, bool)
    used[nodes.ravel()] = True
    step = np.where(used[:, None], step[:, :d], 0.0)
    return led(mesh, step, nodes, sliding(mesh, boundary, moving), passes, local, used)


def led(
    mesh: Mesh,
    step: np.ndarray,
    nodes: np.ndarray,
    guide: Slide,
    passes: int = 8,
    local: bool = True,
    used: np.ndarray | None = None,
) -> Moved:
    """`move` of finite steps (N, d), with what it needs at hand: `positive_corners`, `sliding`.

    used (N,): points of cells' corners, all unless given.
    """
    d = mesh.dim
    x = torch.from_numpy(mesh.points[:, :d].copy())
    target = guide.begin(x, torch.from_numpy(step))[1]
    proposed = int((simplex_sign(guide.points(target), torch.from_numpy(nodes)) <= 0).sum())
    way, corners = torch.from_numpy(step), torch.from_numpy(nodes)
    found = limit(x, way, corners, guide=guide, passes=passes, local=local)
    if float(found.done) == 0.0:
        raise MeshError(
            "no point could be moved",
            "some cell around each is flat to rounding",
            "mesh.quality() finds flat cells; a smaller displacement",
        )
    after = displaced(mesh, found.points.numpy(), used)
    inverted = int((simplex_sign(found.points, torch.from_numpy(nodes)) <= 0).sum())
    report = MoveReport(
        inverted,
        proposed,
        min_angle(after),
        min_angle(mesh),
        int(found.passes),
        float(found.done),
    )
    return Moved(after, report)


def positive_corners(mesh: Mesh) -> np.ndarray:
    """(S, d + 1) `corner_simplices`, wound so that all are positive.

    Cells may be wound either way, if all corners of a cell agree. Where there are some of both
    kinds, those on the two sides of a facet must lie on two sides of it. Raises MeshError for cells
    that are inverted, flat or not convex.
    """
    corners = corner_simplices(mesh)
    nodes, cell = corners.nodes, corners.cell
    x = torch.from_numpy(mesh.points[:, : mesh.dim].copy())
    sign = simplex_sign(x, torch.from_numpy(nodes)).numpy().astype(np.int64)
    side = np.bincount(cell, sign, mesh.n_cells) < 0
    mirrored = side[cell]
    wrong = cell[sign != np.where(mirrored, -1, 1)]
    if mirrored.any():
        nodes = nodes.copy()
        nodes[mirrored, :2] = nodes[mirrored, 1::-1]
        if not mirrored.all() and not len(wrong):
            wrong = folded_cells(mesh, side)
    if len(wrong):
        cells = np.unique(wrong)
        raise MeshError(
            f"{len(cells)} of {mesh.n_cells} cells are inverted, flat or not convex before they "
            "move",
            f"cell {cells[0]} of VTK type {int(mesh.cell_types[cells[0]])} is the first; expected "
            "corners that all turn one way",
            "mesh.validate() lists such cells; repair them",
        )
    return nodes


def displaced(mesh: Mesh, x: np.ndarray, used: np.ndarray | None = None) -> Mesh:
    """The mesh with its points at x (N, d); those that are not used (N,) follow or stay."""
    after, points = mesh.copy(), mesh.points.copy()
    points[:, : mesh.dim] = x
    if used is not None and not used.all():
        points += _followed(mesh, points - mesh.points, used)
    after.points = points
    return after


def _followed(mesh: Mesh, step: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(N, 3) what mid-side nodes of curved cells go by; nothing for nodes of no cell."""
    if used[mesh.cell_nodes].all():
        return np.zeros_like(step)
    return np.where(used[:, None], 0.0, mesh.p1().filled(step))


def min_angle(mesh: Mesh) -> float:
    found = mesh.quality("min_angle")
    return float(np.nanmin(found)) if len(found) and not np.isnan(found).all() else float("nan")
