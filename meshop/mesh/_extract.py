"""The boundary of a mesh as a mesh of its own."""

from __future__ import annotations

import numpy as np

from ..celltypes import POLYGON
from ._facets import boundary_facets
from ._mesh import Mesh, Region
from ._normals import outward
from ._topology import find_rows

_CODES = {1: 1, 2: 3, 3: 5, 4: 9}  # vertex, line, triangle, quad; polygons beyond


def surface(mesh: Mesh) -> Mesh:
    """See `Mesh.surface`."""
    facets = outward(mesh, boundary_facets(mesh))
    used = facets.nodes >= 0
    size = used.sum(axis=1)
    kept = np.unique(facets.nodes[used])
    new = np.full(mesh.n_points, -1)
    new[kept] = np.arange(len(kept))
    codes = np.full(int(size.max(initial=4)) + 1, POLYGON, np.uint8)
    codes[list(_CODES)] = list(_CODES.values())
    owner = "owner_cell"
    while owner in mesh.cell_data:
        owner += "_"
    return Mesh(
        mesh.points[kept],
        codes[size],
        np.concatenate([[0], np.cumsum(size)]),
        new[facets.nodes[used]],
        {name: values[kept] for name, values in mesh.point_data.items()},
        {n: v[facets.owner] for n, v in mesh.cell_data.items()} | {owner: facets.owner},
        dict(mesh.field_data),
        {
            name: _region(region, facets.nodes, facets.owner, new)
            for name, region in mesh.regions.items()
        },
        {name: kind for name, kind in mesh.storage.items() if name == "points"},
        components=dict(mesh.components),
    )


def _region(region: Region, nodes: np.ndarray, owner: np.ndarray, new: np.ndarray) -> Region:
    if region.kind == "point":
        ids = new[region.ids]
        return Region("point", ids[ids >= 0])
    if region.kind == "cell":
        return Region("cell", np.flatnonzero(np.isin(owner, region.ids)))
    rows = find_rows(nodes, region.ids)
    return Region("cell", np.unique(rows[rows >= 0]))
