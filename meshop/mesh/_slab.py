"""Plane meshes stored as volumes: one layer of cells between two parallel planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..celltypes import CODES, POLYGON
from ._cells import DIM
from ._facets import Facets, FacetTable, facet_table
from ._mesh import Mesh, Region
from ._normals import outward

_FLAT = 1e-4  # how far the points of a plane may leave it, as a part of the thickness
# Axes across the layer -> the axes in its plane, and whether they are right-handed.
_AXES = {2: ((0, 1), True), 1: ((0, 2), False), 0: ((1, 2), True)}


@dataclass
class Slab:
    """A layer of volumes seen as a plane mesh. Get one from `flatten`.

    plane: the 2-D mesh at z = 0, its cell i is volume `cells[i]`; points: (N,) the point of the
    plane under each point of the layer, -1 where no volume has it; axes: the layer's axes that are
    x, y and z of the plane.
    """

    plane: Mesh
    cells: np.ndarray
    points: np.ndarray
    axes: tuple[int, int, int]

    def lift_cells(self, values: np.ndarray, n_cells: int) -> np.ndarray:
        """(n_cells, ...) values of the layer's cells; NaN where a cell is no volume."""
        out = np.full((n_cells, *values.shape[1:]), np.nan, values.dtype)
        out[self.cells] = _turned(values, np.argsort(self.axes))
        return out

    def lift_points(self, values: np.ndarray) -> np.ndarray:
        """(N, ...) values of the layer's points; NaN where no volume has them."""
        out = _turned(values, np.argsort(self.axes))[self.points]
        out[self.points < 0] = np.nan
        return out


def flatten(mesh: Mesh) -> Slab | None:
    """The plane mesh of one layer of prisms, or None where the volumes are no such layer.

    Two-dimensional cases are stored like this by programs that know volumes only. The layer lies
    across z, y or x. Vectors (three real components) turn with the axes. Data of points are
    those of one side; regions on the rim become regions of edges, those on the sides are dropped.
    """
    volumes = np.flatnonzero(DIM[mesh.cell_types] == 3)
    used = np.zeros(mesh.n_points, bool)
    size = np.diff(mesh.cell_offsets)
    used[mesh.cell_nodes[np.repeat(DIM[mesh.cell_types] == 3, size)]] = True
    ids = np.flatnonzero(used)
    for axis, ((u, v), right) in _AXES.items():
        if not len(ids):
            return None
        across = mesh.points[ids, axis]
        low, high = across.min(), across.max()
        lower = across < 0.5 * (low + high)
        slack = _FLAT * (high - low)
        if 2 * lower.sum() != len(ids):
            continue
        if np.ptp(across[lower]) > slack or np.ptp(across[~lower]) > slack:
            continue
        # The side whose outer normal makes its polygons run anticlockwise in the plane.
        base, top = (ids[~lower], ids[lower]) if right else (ids[lower], ids[~lower])
        if (slab := _slab(mesh, volumes, base, top, (u, v, axis))) is not None:
            return slab
    return None


def _slab(
    mesh: Mesh, volumes: np.ndarray, base: np.ndarray, top: np.ndarray, axes: tuple[int, int, int]
) -> Slab | None:
    table = facet_table(mesh)
    side = np.full(mesh.n_points + 1, -1, np.int8)  # the last entry answers for padding
    side[base], side[top] = 0, 1
    under = np.full(mesh.n_points + 1, -1)
    under[base] = np.arange(len(base))
    if not _pair(table, side, under, len(base)):
        return None
    outer = np.flatnonzero(table.neighbor < 0)
    facets = outward(mesh, Facets(table.padded(outer), table.owner[outer]))
    padded = facets.nodes < 0
    on_base = np.all((side[facets.nodes] == 0) | padded, axis=1)
    on_top = np.all((side[facets.nodes] == 1) | padded, axis=1)
    # Facets come by owner: one at the base and one at the top of each volume, node over node.
    if not all(np.array_equal(facets.owner[on], volumes) for on in (on_base, on_top)):
        return None
    nodes, over = under[facets.nodes[on_base]], under[facets.nodes[on_top]]
    if not np.array_equal(np.sort(nodes, axis=1), np.sort(over, axis=1)):
        return None
    size = np.sum(nodes >= 0, axis=1)
    codes = np.full(int(size.max(initial=4)) + 1, POLYGON, np.uint8)
    codes[3], codes[4] = CODES["triangle"], CODES["quad"]
    plane = Mesh(
        np.column_stack([mesh.points[base][:, axes[:2]], np.zeros(len(base))]),
        codes[size],
        np.concatenate([[0], np.cumsum(size)]),
        nodes[nodes >= 0],
        {name: _turned(values[base], axes) for name, values in mesh.point_data.items()},
        {name: _turned(values[volumes], axes) for name, values in mesh.cell_data.items()},
        dict(mesh.field_data),
        _regions(mesh, volumes, under),
    )
    return Slab(plane, volumes, under[:-1], axes)


def _pair(table: FacetTable, side: np.ndarray, under: np.ndarray, n_base: int) -> bool:
    """Fill in `under` of the points on top, along the edges across; False where it is not unique.

    By the edges and not by the coordinates: those of the two sides of a slit are the same.
    """
    ahead = np.arange(1, len(table.nodes) + 1)
    ahead[table.ptr[1:] - 1] = table.ptr[:-1]
    one, two = table.nodes, table.nodes[ahead]
    across = (side[one] == 0) & (side[two] == 1), (side[one] == 1) & (side[two] == 0)
    below = np.concatenate([one[across[0]], two[across[1]]])
    above = np.concatenate([two[across[0]], one[across[1]]])
    under[above] = under[below]
    found = np.unique(under[above])
    return bool(
        np.array_equal(under[above], under[below])
        and len(found) == n_base == len(np.unique(above)) == np.sum(side == 1)
    )


def _turned(values: np.ndarray, axes: tuple[int, ...] | np.ndarray) -> np.ndarray:
    """Vectors with their components in the order of `axes`; a copy of anything else."""
    is_vector = values.dtype.kind == "f" and values.shape[1:] == (3,)
    return values[:, list(axes)] if is_vector else values.copy()


def _regions(mesh: Mesh, volumes: np.ndarray, under: np.ndarray) -> dict[str, Region]:
    out: dict[str, Region] = {}
    number = np.full(mesh.n_cells, -1)
    number[volumes] = np.arange(len(volumes))
    for name, region in mesh.regions.items():
        if region.kind == "point":
            ids = np.unique(under[region.ids])
            out[name] = Region("point", ids[ids >= 0])
        elif region.kind == "facet":
            out[name] = Region("facet", _edges(region.ids, under))
        elif np.any(number[region.ids] >= 0):
            ids = number[region.ids]
            out[name] = Region("cell", ids[ids >= 0])
        else:
            out[name] = Region("facet", _edges(_nodes_of(mesh, region.ids), under))
    return {name: region for name, region in out.items() if len(region.ids)}


def _edges(rows: np.ndarray, under: np.ndarray) -> np.ndarray:
    """(n, 2) edges of the plane under facets across the layer; other facets are left out."""
    nodes = np.sort(under[rows], axis=1)
    nodes[:, 1:][nodes[:, 1:] == nodes[:, :-1]] = -1
    nodes.sort(axis=1)
    return nodes[np.sum(nodes >= 0, axis=1) == 2, -2:]


def _nodes_of(mesh: Mesh, cells: np.ndarray) -> np.ndarray:
    """(n, k) nodes of cells of any size, padded with -1."""
    first = mesh.cell_offsets[cells]
    size = mesh.cell_offsets[cells + 1] - first
    place = np.arange(int(size.max(initial=2)))
    inside = place < size[:, None]
    return np.where(inside, mesh.cell_nodes[np.where(inside, first[:, None] + place, 0)], -1)
