"""Surfaces: repair what programs leave broken, and sample points with normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..celltypes import POLYGON
from ..errors import MeshError
from ._blocks import blocks
from ._mesh import Mesh, Region
from ._shells import enclosing, triangles_of
from ._topology import components, in_order_of_appearance, pair_edges

_LINEAR = (5, POLYGON, 9)  # triangle, polygon, quad
FILLED = "filled holes"


@dataclass
class RepairReport:
    """What `repair_surface` changed, and what it had to leave."""

    merged_points: int = 0
    degenerate_removed: int = 0
    duplicates_removed: int = 0
    flipped: int = 0
    triangles_added: int = 0
    open_edges: int = 0
    crowded_edges: int = 0

    @property
    def closed(self) -> bool:
        """True where every edge has two faces."""
        return not (self.open_edges or self.crowded_edges)

    def __str__(self) -> str:
        done = {
            "points merged": self.merged_points,
            "degenerate faces removed": self.degenerate_removed,
            "duplicate faces removed": self.duplicates_removed,
            "faces turned round": self.flipped,
            "triangles added in holes": self.triangles_added,
        }
        left = {"edges still open": self.open_edges,
                "edges of more than two faces": self.crowded_edges}  # fmt: skip
        parts = [f"{count} {what}" for what, count in (done | left).items() if count]
        state = "closed" if self.closed else "not closed"
        return f"{'; '.join(parts) or 'nothing to repair'}; the surface is {state}"


def repair_surface(
    mesh: Mesh, *, tolerance: float | None = None, fill_holes: bool = True
) -> tuple[Mesh, RepairReport]:
    """Merge points, drop degenerate and duplicate faces, wind them alike and outward, fill holes.

    Faces are triangles, quads and polygons and stay what they are, in their order, with their data
    and regions; triangles in holes come last, in the region "filled holes", with NaN or zero as
    data. tolerance: how near points are one; 1e-7 of the bounding box's diagonal by default.
    Holes are filled by fans (trimesh), which suits holes that are nearly plane and convex.
    Raises MeshError for other cells.
    """
    if not mesh.n_cells or not np.isin(mesh.cell_types, _LINEAR).all():
        raise MeshError(repr(mesh), "expected triangles, quads or polygons and nothing else")
    report = RepairReport()
    row, first = _merge(mesh.points, tolerance)
    # A point that nothing uses any more goes too, one that nothing used before stays.
    report.merged_points = mesh.n_points - len(first)
    sizes, nodes = np.diff(mesh.cell_offsets), row[mesh.cell_nodes]
    keep = _distinct(mesh, nodes) >= 3
    report.degenerate_removed = int((~keep).sum())
    fresh = _first_of_its_points(mesh, nodes, keep)
    report.duplicates_removed = int((keep & ~fresh).sum())
    kept = np.flatnonzero(keep & fresh)
    inside = np.repeat(keep & fresh, sizes)
    out = Mesh(
        mesh.points[first],
        mesh.cell_types[kept],
        np.concatenate([[0], np.cumsum(sizes[kept])]),
        nodes[inside],
        {name: values[first] for name, values in mesh.point_data.items()},
        {name: values[kept] for name, values in mesh.cell_data.items()},
        dict(mesh.field_data),
        _regions(mesh, row, kept),
        dict(mesh.storage),
        components=dict(mesh.components),
    )
    turn = _against(out)
    report.flipped = int(turn.sum())
    out.cell_nodes = _turned(out, turn)
    if fill_holes and out.n_cells:
        out, report.triangles_added = _filled(out)
        if report.triangles_added and (turn := _against(out)).any():
            out.cell_nodes = _turned(out, turn)  # now that it is closed, outward is known
            report.flipped += int(turn[: len(kept)].sum())
    uses = pair_edges(*_directed(out)[:2]).uses
    report.open_edges, report.crowded_edges = int((uses == 1).sum()), int((uses > 2).sum())
    out.check()
    return out, report


def sample_surface(mesh: Mesh, n: int, seed: int = 0) -> Mesh:
    """n points on the surface, uniform in area, always the same for the same seed (trimesh).

    A Mesh without cells; point data `Normals` (n, 3), of unit length, and `cell` (n,): the cell of
    `mesh` that each lies on. Regions of cells become regions of points. Of a mesh of volumes the
    boundary is sampled. Raises MeshError where there is no surface.
    """
    import trimesh

    if n < 0:
        raise MeshError(f"{n} points", "expected 0 or more")
    triangles, owner = triangles_of(mesh)
    surface = trimesh.Trimesh(mesh.points, triangles, process=False, validate=False)
    if not surface.area > 0:
        raise MeshError("the surface has no area", "expected triangles, quads or polygons")
    points, chosen = trimesh.sample.sample_surface(surface, n, seed=seed)
    corner = mesh.points[triangles[chosen]]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    cell = owner[chosen]
    regions = {}
    for name, region in mesh.regions.items():
        if region.kind == "cell":
            member = np.zeros(mesh.n_cells, bool)
            member[region.ids] = True
            if len(ids := np.flatnonzero(member[cell])):
                regions[name] = Region("point", ids)
    data: dict[str, Any] = {"Normals": normal, "cell": cell}
    return Mesh.from_blocks(np.asarray(points), point_data=data, regions=regions)


# -- steps -----------------------------------------------------------------------------------------


def _merge(points: np.ndarray, tolerance: float | None) -> tuple[np.ndarray, np.ndarray]:
    """New row of each point, and the old row of each new one; the order is kept."""
    from scipy.spatial import cKDTree

    if tolerance is None:
        tolerance = 1e-7 * float(np.linalg.norm(np.ptp(points, axis=0)))
    pairs = cKDTree(points).query_pairs(tolerance, output_type="ndarray")
    return in_order_of_appearance(components(pairs[:, 0], pairs[:, 1], len(points)))


def _distinct(mesh: Mesh, nodes: np.ndarray) -> np.ndarray:
    """(M,) how many different points each cell has."""
    count = np.zeros(mesh.n_cells, np.int64)
    for _, ids, rows in _rows(mesh, nodes):
        ordered = np.sort(rows, axis=1)
        count[ids] = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
    return count


def _first_of_its_points(mesh: Mesh, nodes: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """(M,) False for cells with the points of an earlier cell that is kept."""
    fresh = np.ones(mesh.n_cells, bool)
    for _, ids, rows in _rows(mesh, nodes):
        rows, ids = np.sort(rows[keep[ids]], axis=1), ids[keep[ids]]
        order = np.lexsort((ids, *rows.T[::-1]))
        same = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
        fresh[ids[order[1:][same]]] = False
    return fresh


def _rows(mesh: Mesh, nodes: np.ndarray) -> Any:
    """(type row, cells, their `nodes`) for each type and size; nodes as long as cell_nodes."""
    for block in blocks(mesh):
        if width := block.nodes.shape[1]:
            start = mesh.cell_offsets[block.cells]
            yield block.row, block.cells, nodes[start[:, None] + np.arange(width)]


def _directed(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start and end (E,) of the edges as their cells have them, and those cells (E,)."""
    starts, ends, owner = [none := np.empty(0, np.int64)], [none], [none]
    for _, ids, rows in _rows(mesh, mesh.cell_nodes):
        starts.append(rows.ravel())
        ends.append(np.roll(rows, -1, axis=1).ravel())
        owner.append(np.repeat(ids, rows.shape[1]))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(owner)


def _against(mesh: Mesh) -> np.ndarray:
    """(M,) cells to turn: neighbours alike, closed parts outward, cavities inward, others as most.

    Each cell stands for two, as it is and turned; those that fit across an edge are connected. The
    two halves of an orientable part then fall apart, and one of them is the answer.
    """
    n = mesh.n_cells
    start, end, owner = _directed(mesh)
    order, first, uses = pair_edges(start, end)
    pair = first[uses == 2]
    one, two = order[pair], order[pair + 1]
    a, b, differ = owner[one], owner[two], start[one] == start[two]
    part = components(a, b, n)
    half = components(np.append(a, a + n), np.append(b + n * differ, b + n * ~differ), 2 * n)
    _, root = np.unique(part, return_index=True)
    turn = half[:n] != half[root][part]
    # The direction of each part as a whole.
    sign = np.where(turn, -1.0, 1.0)
    is_open = np.zeros(len(root), bool)
    is_open[part[owner[order[np.repeat(uses, uses) != 2]]]] = True
    triangles, cell = triangles_of(mesh)
    corner = mesh.points[triangles] - mesh.points.mean(axis=0)
    six = np.einsum("ij,ij->i", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) * sign[cell]
    volume = np.bincount(part[cell], six, len(root))
    closed = ~is_open[part[cell]]
    inward = np.zeros(len(root), bool)
    if closed.any():
        around = enclosing(mesh.points, triangles[closed], part[cell][closed])
        inward[~is_open] = [len(others) % 2 == 1 for others in around]
    votes = np.bincount(part, sign, len(root))
    back = np.where(is_open, votes < 0, (volume < 0) != inward)
    return turn ^ back[part]


def _turned(mesh: Mesh, turn: np.ndarray) -> np.ndarray:
    """cell_nodes with the marked cells wound the other way, their first point kept."""
    nodes = mesh.cell_nodes.copy()
    for _, ids, rows in _rows(mesh, mesh.cell_nodes):
        chosen = turn[ids]
        at = mesh.cell_offsets[ids[chosen]][:, None] + np.arange(1, rows.shape[1])
        nodes[at] = rows[chosen, :0:-1]
    return nodes


def _filled(mesh: Mesh) -> tuple[Mesh, int]:
    """The mesh with triangles in its holes, after its own cells."""
    import trimesh

    triangles, _ = triangles_of(mesh)
    surface = trimesh.Trimesh(mesh.points, triangles, process=False, validate=False)
    trimesh.repair.fill_holes(surface, use_fan=True)
    added = np.asarray(surface.faces)[len(triangles) :].astype(np.int64)
    if not len(added):
        return mesh, 0
    m = len(added)
    regions = dict(mesh.regions)
    ids = np.arange(mesh.n_cells, mesh.n_cells + m)
    regions[FILLED] = Region("cell", ids)
    return Mesh(
        mesh.points,
        np.append(mesh.cell_types, np.full(m, 5, np.uint8)),
        np.append(mesh.cell_offsets, mesh.cell_offsets[-1] + 3 * np.arange(1, m + 1)),
        np.append(mesh.cell_nodes, added.ravel()),
        mesh.point_data,
        {name: np.concatenate([v, _nothing(v, m)]) for name, v in mesh.cell_data.items()},
        mesh.field_data,
        regions,
        mesh.storage,
        components=mesh.components,
    ), m


def _nothing(values: np.ndarray, rows: int) -> np.ndarray:
    """Rows that stand for no value: NaN in floats, zero or empty in the rest."""
    out = np.zeros((rows, *values.shape[1:]), values.dtype)
    if values.dtype.kind in "fc":
        out[...] = np.nan
    return out


def _regions(mesh: Mesh, row: np.ndarray, kept: np.ndarray) -> dict[str, Region]:
    """The regions with new numbers; members that went are left out."""
    place = np.full(mesh.n_cells, -1)
    place[kept] = np.arange(len(kept))
    out = {}
    for name, region in mesh.regions.items():
        ids = region.ids
        if region.kind == "cell":
            ids = place[ids]
            ids = ids[ids >= 0]
        elif region.kind == "point":
            ids = np.array(list(dict.fromkeys(row[ids].tolist())), np.int64)
        else:
            ids = np.where(ids >= 0, row[ids], -1)
        out[name] = Region(region.kind, ids)
    return out
