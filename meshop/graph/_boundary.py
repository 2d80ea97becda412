"""Which boundary facets are the wall and which the far field, and how far the wall is."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..errors import MeshError
from ..mesh import DIM, Facets, Mesh

WALL = re.compile(
    r"wall|air.?foil|aerofoil|foil|blade|wing|body|cylinder|obstacle|hull|car\b|solid|no.?slip",
    re.IGNORECASE,
)
FAR = re.compile(
    r"far|inlet|outlet|inflow|outflow|free.?stream|symmetry|periodic|front|back|top|bottom|open",
    re.IGNORECASE,
)
QUERIES = 1 << 18  # nearest-point queries at a time: a few hundred megabytes
POINT_ARRAYS = ("boundary", "Boundary", "boundary_id")


class WallFacets(NamedTuple):
    """Wall facets. nodes (F, k) padded with -1; owner (F,) cell ids; centre and normal (F, 3);
    measure (F,). Unit normals point out of the fluid, into the body."""

    nodes: np.ndarray
    owner: np.ndarray
    centre: np.ndarray
    normal: np.ndarray
    measure: np.ndarray


class Boundary(NamedTuple):
    """The boundary of a mesh. facets; wall and far (F,) bool; source: how they were found."""

    facets: Facets
    wall: np.ndarray
    far: np.ndarray
    source: str


def find_boundary(mesh: Mesh, facets: Facets | None = None) -> Boundary:
    """Wall and far field of a mesh; facets: those of its boundary, where they are known.

    Taken from, in this order: an integer point array (`boundary` and the like: 1 wall, 2 far
    field), regions named like walls, the components of the boundary (the outermost is the far
    field when there are others inside it, else it is the wall).
    """
    facets = mesh.boundary_facets() if facets is None else facets
    used = facets.nodes >= 0
    none = np.zeros(len(facets.owner), dtype=bool)
    if not len(facets.owner):
        return Boundary(facets, none, none, "no boundary")
    for name in POINT_ARRAYS:
        tag = mesh.point_data.get(name)
        if tag is None or tag.ndim != 1 or not np.issubdtype(tag.dtype, np.integer):
            continue
        values = tag[facets.nodes]
        wall = np.all((values == 1) | ~used, axis=1)
        if wall.any():
            return Boundary(facets, wall, np.all((values == 2) | ~used, axis=1), f"array {name!r}")
    wall, far = none.copy(), none.copy()
    for name, region in mesh.regions.items():
        if WALL.search(name):
            wall |= _in_region(mesh, facets, region)
        elif FAR.search(name):
            far |= _in_region(mesh, facets, region)
    if wall.any():
        return Boundary(facets, wall, far & ~wall, "regions")
    part = _components(facets, mesh.n_points)
    extent = np.array([np.ptp(_coordinates(mesh, facets.nodes[part == i]), axis=0).max()
                       for i in range(part.max() + 1)])  # fmt: skip
    outer = int(np.argmax(extent))
    if len(extent) == 1:
        return Boundary(facets, ~none, none, "the whole boundary")
    return Boundary(facets, part != outer, part == outer, "inner and outer boundaries")


def wall_facets(mesh: Mesh, external: bool = False, found: Boundary | None = None) -> WallFacets:
    """The wall of a mesh with geometry. With `external`, a far field must surround it.

    found: what `find_boundary` returned, if at hand. Raises MeshError where there is no wall.
    """
    found = found or find_boundary(mesh)
    if not found.wall.any() or (external and not (~found.wall).any()):
        raise MeshError(
            "this mesh has no wall",
            f"the boundary was searched by {found.source}: expected a body inside a far field",
            f"tag the wall: a point array '{POINT_ARRAYS[0]}' (1 wall, 2 far field) or a region "
            "named 'wall'",
        )
    nodes, owner = found.facets.nodes[found.wall], found.facets.owner[found.wall]
    centre, normal, measure = facet_geometry(mesh, nodes)
    # Winding in the file is not to be trusted: the owner cell lies on the fluid's side.
    inward = np.einsum("ij,ij->i", mesh.cell_centers()[owner] - centre, normal) > 0
    normal[inward] *= -1
    return WallFacets(nodes, owner, centre, normal, measure)


def surface_facets(mesh: Mesh) -> WallFacets:
    """The cells of a surface mesh as facets; normals as the cells wind."""
    size = np.diff(mesh.cell_offsets)
    owner = np.flatnonzero(DIM[mesh.cell_types] == 2)
    if not len(owner):
        raise MeshError("this mesh has no surface cells", "", "give triangles or quads")
    column = np.arange(size[owner].max())
    at = mesh.cell_offsets[owner][:, None] + np.minimum(column, size[owner][:, None] - 1)
    nodes = np.where(column < size[owner][:, None], mesh.cell_nodes[at], -1)
    return WallFacets(nodes, owner, *facet_geometry(mesh, nodes))


def facet_geometry(mesh: Mesh, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (F, 3), unit normal (F, 3) and measure (F,) of edges or polygons, padded with -1."""
    used = nodes >= 0
    corner = mesh.points[nodes]
    centre = (corner * used[..., None]).sum(1) / used.sum(1, keepdims=True)
    if nodes.shape[1] == 2:
        edge = corner[:, 1] - corner[:, 0]
        vector = np.stack([edge[:, 1], -edge[:, 0], np.zeros(len(edge))], axis=1)
    else:
        # Padding repeats the last corner, which adds nothing to the area vector.
        last = used.sum(1) - 1
        corner = np.where(used[..., None], corner, corner[np.arange(len(nodes)), last][:, None])
        rel = corner - corner[:, :1]
        vector = 0.5 * np.cross(rel[:, 1:-1], rel[:, 2:]).sum(1)
    measure = np.linalg.norm(vector, axis=1)
    return centre, vector / np.maximum(measure, 1e-300)[:, None], measure


def nearest_on_facets(
    mesh: Mesh, nodes: np.ndarray, query: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest wall point of each query: point (Q, 3), facet (Q,), distance (Q,).

    Facets become segments or triangles; candidates are the 8 nearest by centre and those around
    the nearest vertex, so the distance is exact but where facets change size by more than their
    neighbourhood. Source: Ericson, Real-Time Collision Detection, 5.1 (closest points).
    """
    pieces, owner = _simplices(nodes)
    corner = mesh.points[pieces]  # (S, 2 | 3, 3)
    vertex, local = np.unique(pieces, return_inverse=True)
    around = _around(local.reshape(pieces.shape), len(vertex))
    by_centre, by_vertex = cKDTree(corner.mean(1)), cKDTree(mesh.points[vertex])
    k = min(8, len(pieces))
    best = np.full(len(query), np.inf)
    point = np.zeros((len(query), 3))
    piece = np.zeros(len(query), dtype=np.int64)
    for at in range(0, len(query), QUERIES):
        part = query[at : at + QUERIES]
        near = by_centre.query(part, k=k, workers=-1)[1].reshape(len(part), k)
        near = np.concatenate([near, around[by_vertex.query(part, workers=-1)[1]]], axis=1)
        for column in near.T:
            valid = np.flatnonzero(column >= 0)
            candidate = _closest(part[valid], corner[column[valid]])
            gap = np.linalg.norm(candidate - part[valid], axis=1)
            better = gap < best[at + valid]
            to = at + valid[better]
            best[to], point[to] = gap[better], candidate[better]
            piece[to] = column[valid[better]]
    return point, owner[piece], best


def _simplices(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split facets into segments or fans of triangles: (S, 2 | 3) nodes and the facet of each."""
    if nodes.shape[1] == 2:
        return nodes, np.arange(len(nodes))
    fans, owner = [], []
    for j in range(2, nodes.shape[1]):
        has = np.flatnonzero(nodes[:, j] >= 0)
        fans.append(nodes[has][:, [0, j - 1, j]])
        owner.append(has)
    return np.concatenate(fans), np.concatenate(owner)


def _around(pieces: np.ndarray, n_points: int, cap: int = 8) -> np.ndarray:
    """(n_points, <= cap) pieces at each point, padded with -1."""
    flat = pieces.ravel()
    order = np.argsort(flat, kind="stable")
    start = np.searchsorted(flat[order], np.arange(n_points + 1))
    count = np.diff(start)
    width = int(min(cap, count.max(initial=1)))
    table = np.full((n_points, width), -1)
    for j in range(width):
        has = np.flatnonzero(count > j)
        table[has, j] = order[start[has] + j] // pieces.shape[1]
    return table


def _closest(p: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Closest point to p (n, 3) on segments (n, 2, 3) or triangles (n, 3, 3)."""

    def on_segment(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        e = b - a
        t = np.einsum("ij,ij->i", p - a, e) / np.maximum(np.einsum("ij,ij->i", e, e), 1e-300)
        return a + np.clip(t, 0, 1)[:, None] * e

    sides = [on_segment(corner[:, 0], corner[:, 1])]
    if corner.shape[1] == 3:
        a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
        sides += [on_segment(b, c), on_segment(c, a)]
        normal = np.cross(b - a, c - a)
        area2 = np.maximum(np.einsum("ij,ij->i", normal, normal), 1e-300)
        foot = p - (np.einsum("ij,ij->i", p - a, normal) / area2)[:, None] * normal
        bary = [np.einsum("ij,ij->i", np.cross(v - u, foot - u), normal) for u, v in
                ((a, b), (b, c), (c, a))]  # fmt: skip
        inside = np.all(np.stack(bary) >= 0, axis=0)
        sides.append(np.where(inside[:, None], foot, sides[0]))
    gaps = np.stack([np.linalg.norm(s - p, axis=1) for s in sides])
    return np.stack(sides)[gaps.argmin(0), np.arange(len(p))]


def _in_region(mesh: Mesh, facets: Facets, region: object) -> np.ndarray:
    """Facets whose nodes all belong to a region of points, facets or lower-dimensional cells."""
    ids = region.ids  # type: ignore[attr-defined]
    inside = np.zeros(mesh.n_points + 1, dtype=bool)  # the last entry answers for padding
    kind = region.kind  # type: ignore[attr-defined]
    if kind == "cell":
        size = np.diff(mesh.cell_offsets)
        chosen = np.zeros(mesh.n_cells, dtype=bool)
        chosen[ids] = True
        top = np.zeros(mesh.n_cells, dtype=bool)
        top[facets.owner] = True
        chosen &= ~top  # a material region is no boundary
        ids = mesh.cell_nodes[np.repeat(chosen, size)]
    inside[ids.ravel()] = True
    inside[-1] = True
    return np.all(inside[facets.nodes], axis=1)


def _components(facets: Facets, n_points: int) -> np.ndarray:
    """(F,) number of the connected component of each facet."""
    rows = np.repeat(facets.nodes[:, :1], facets.nodes.shape[1] - 1, axis=1)
    cols = facets.nodes[:, 1:]
    keep = cols >= 0
    pairs = coo_matrix((np.ones(keep.sum()), (rows[keep], cols[keep])), shape=(n_points,) * 2)
    label = connected_components(pairs, directed=False)[1][facets.nodes[:, 0]]
    return np.unique(label, return_inverse=True)[1]


def _coordinates(mesh: Mesh, nodes: np.ndarray) -> np.ndarray:
    return mesh.points[nodes[nodes >= 0]]
