"""What a graph knows of a mesh before any condition is chosen; costly parts cached by content."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import MeshError
from ..mesh import DIM, Mesh
from ._boundary import (
    Boundary,
    WallFacets,
    find_boundary,
    nearest_on_facets,
    surface_facets,
    wall_facets,
)
from ._potential import PotentialFlow, wall_loops
from ._spec import GraphSpec

CACHE_SIZE = 4


@dataclass
class FlowBasis:
    """Potential-flow quantities for the three basis flows of `PotentialFlow`.

    velocity (N, 3, 2) and psi (N, 3) at the nodes; near_panel (N,), near_strength (N, 3) sheet
    strength and near_arc (N,) arc coordinate at the nearest wall point; wake (N, 2) position
    relative to the first trailing edge; wall_strength (P, 3) and wall_arc (P,) of the panels. Arc
    coordinates run from -1 to 1 around each loop, from its sharpest corner.
    """

    flow: PotentialFlow
    velocity: Tensor
    psi: Tensor
    near_strength: Tensor
    near_panel: Tensor
    near_arc: Tensor
    wake: Tensor
    wall_strength: Tensor
    wall_arc: Tensor


@dataclass
class Geometry:
    """Nodes and wall of one mesh. All (N, ...) arrays follow the mesh's cells or points.

    pos (N, 3) float64; weight (N,) dual measures; dist (N,), nearest (N, 3) and facet (N,) of the
    nearest wall point; kind (N,) uint8; wall: the wall's facets; origin (3,) centre of the wall;
    normal (N, 3) unit normals where the mesh is a surface in space, else None.
    """

    pos: np.ndarray
    weight: np.ndarray
    dist: np.ndarray
    nearest: np.ndarray
    facet: np.ndarray
    kind: np.ndarray
    wall: WallFacets
    origin: np.ndarray
    extent: float
    basis: FlowBasis | None
    normal: np.ndarray | None = None


def dual_weights(mesh: Mesh, location: str) -> np.ndarray:
    """Quadrature weights of the nodes, summing to the measure of the top-dimensional cells.

    Cells weigh their own measure (0 where of lower dimension); points get an equal share of each
    cell around them (the row sums of the P1 mass matrix on simplices).
    """
    measure = np.where(DIM[mesh.cell_types] == mesh.dim, mesh.cell_measures(), 0.0)
    if location == "cell":
        return measure
    size = np.diff(mesh.cell_offsets)
    share = np.repeat(measure / np.maximum(size, 1), size)
    return np.bincount(mesh.cell_nodes, weights=share, minlength=mesh.n_points)


def geometry(mesh: Mesh, spec: GraphSpec) -> Geometry:
    """The geometry of a mesh under a spec, cached by the mesh's content.

    Raises MeshError for a mesh of another dimension, without a wall, or without cells.
    """
    _check(mesh, spec)
    found = find_boundary(mesh)
    # Tags are no part of the mesh's content hash, but they say what the wall is.
    tags = found.wall.tobytes(), found.far.tobytes()
    kind = spec.location, spec.dim, spec.external, spec.potential, spec.surface
    key = (mesh.content_hash(), tags, kind)
    if key in _CACHE:
        _CACHE.move_to_end(key)
        return _CACHE[key]
    _CACHE[key] = built = _build(mesh, spec, found)
    while len(_CACHE) > CACHE_SIZE:
        _CACHE.popitem(last=False)
    return built


_CACHE: OrderedDict[tuple, Geometry] = OrderedDict()


def _check(mesh: Mesh, spec: GraphSpec) -> None:
    if mesh.dim != spec.dim:
        what = {0: "a point cloud", 1: "a line mesh"}.get(mesh.dim, f"a {mesh.dim}-D mesh")
        raise MeshError(
            f"this is {what}, the model is for {spec.dim}-D meshes",
            f"found cells of dimension {mesh.dim}, expected {spec.dim}",
            "choose another model (`meshop models`), or train one on such meshes (`meshop train`)",
        )
    if spec.dim == 2 and not spec.surface and not mesh.is_planar:
        raise MeshError(
            "this 2-D mesh is not in a plane z = constant",
            f"z runs from {mesh.points[:, 2].min():.4g} to {mesh.points[:, 2].max():.4g}",
            "rotate the mesh into the x-y plane",
        )


def _build(mesh: Mesh, spec: GraphSpec, found: Boundary) -> Geometry:
    if spec.surface:
        return _build_surface(mesh, spec, found)
    wall = wall_facets(mesh, spec.external, found)
    pos = mesh.cell_centers() if spec.location == "cell" else mesh.points
    nearest, facet, dist = nearest_on_facets(mesh, wall.nodes, pos)
    share = wall.measure / wall.measure.sum()
    corners = mesh.points[wall.nodes[wall.nodes >= 0]]
    return Geometry(
        pos=pos,
        weight=dual_weights(mesh, spec.location),
        dist=dist,
        nearest=nearest,
        facet=facet,
        kind=_kinds(mesh, spec.location, found),
        wall=wall,
        origin=(wall.centre * share[:, None]).sum(0),
        extent=float(np.ptp(corners, axis=0).max()),
        basis=_flow_basis(mesh, wall, pos, nearest, facet) if spec.potential else None,
    )


def _build_surface(mesh: Mesh, spec: GraphSpec, found: Boundary) -> Geometry:
    wall = surface_facets(mesh)
    on_cells = spec.location == "cell"
    pos = mesh.cell_centers() if on_cells else mesh.points
    facet, normal = np.zeros(len(pos), dtype=np.int64), np.zeros((len(pos), 3))
    row = np.arange(len(wall.owner))
    if on_cells:
        facet[wall.owner], normal[wall.owner] = row, wall.normal
    else:
        used = wall.nodes >= 0
        rows = np.broadcast_to(row[:, None], wall.nodes.shape)[used]
        facet[wall.nodes[used]] = rows
        np.add.at(normal, wall.nodes[used], (wall.normal * wall.measure[:, None])[rows])
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-300)[:, None]
    corners = mesh.points[wall.nodes[wall.nodes >= 0]]
    return Geometry(
        pos=pos,
        weight=dual_weights(mesh, spec.location),
        dist=np.zeros(len(pos)),
        nearest=pos,
        facet=facet,
        kind=_kinds(mesh, spec.location, found),
        wall=wall,
        origin=(wall.centre * (wall.measure / wall.measure.sum())[:, None]).sum(0),
        extent=float(np.ptp(corners, axis=0).max()),
        basis=None,
        normal=normal,
    )


def _kinds(mesh: Mesh, location: str, found: Boundary) -> np.ndarray:
    kind = np.zeros(mesh.n_cells if location == "cell" else mesh.n_points, dtype=np.uint8)
    for code, chosen in ((2, found.far), (1, found.wall)):
        if location == "cell":
            kind[found.facets.owner[chosen]] = code
        else:
            nodes = found.facets.nodes[chosen]
            kind[nodes[nodes >= 0]] = code
    return kind


def _flow_basis(
    mesh: Mesh, wall: WallFacets, pos: np.ndarray, nearest: np.ndarray, facet: np.ndarray
) -> FlowBasis:
    loops = wall_loops(mesh.points, wall.nodes)
    flow = PotentialFlow([mesh.points[loop, :2] for loop in loops])
    velocity, psi = flow.evaluate(pos[:, :2])
    # Panels go around the loops, facets are in the file's order: match them by their end points.
    panel_of = {}
    at = 0
    for loop in loops:
        for i, (a, b) in enumerate(zip(loop, np.roll(loop, -1), strict=True)):
            panel_of[(min(a, b), max(a, b))] = at + i
        at += len(loop)
    ends = np.sort(wall.nodes[:, :2], axis=1)
    panel = torch.tensor([panel_of[(a, b)] for a, b in ends])[torch.as_tensor(facet)]
    offset = torch.as_tensor(nearest[:, :2]) - flow.start[panel]
    along = (offset.norm(dim=1) / flow.length[panel]).clamp(0, 1)[:, None]
    node = flow.first[panel]
    arc, start = torch.empty_like(flow.length), 0
    for size in flow.sizes:
        mine = flow.length[start : start + size]
        run = torch.cumsum(mine, 0)
        arc[start : start + size] = 2 * (run - 0.5 * mine) / run[-1] - 1
        start += size
    step = flow.length[panel] / torch.cat(
        [s.sum().expand(len(s)) for s in flow.length.split(flow.sizes)]
    )[panel]  # fmt: skip
    return FlowBasis(
        flow=flow,
        velocity=velocity,
        psi=psi,
        near_strength=flow.strength[node] * (1 - along) + flow.strength[node + 1] * along,
        near_panel=panel,
        near_arc=arc[panel] + 2 * step * (along[:, 0] - 0.5),
        wake=torch.as_tensor(pos[:, :2]) - flow.start[0],
        wall_strength=0.5 * (flow.strength[flow.first] + flow.strength[flow.first + 1]),
        wall_arc=arc,
    )
