"""Volume meshes from closed surfaces, through gmsh in a child process."""

from __future__ import annotations

import warnings

import numpy as np

from ...errors import MeshError, MeshFileWarning
from ...mesh import Mesh, Region, closed_bodies, triangles_of
from .._files import Fault
from ._gmsh import Progress, run_gmsh


def fill_surface(
    mesh: Mesh,
    size: float | None = None,
    *,
    time_limit: float = 3600.0,
    memory: float | None = None,
    progress: Progress | None = None,
) -> Mesh:
    """Fill a closed surface of triangles, quads or polygons with tetrahedra.

    The surface stays as it is: its points come first (equal ones merged), then the new ones; cells
    are the tetrahedra, then the triangles in the surface's order. A surface inside another is a
    cavity. size: the largest edge inside; else sizes grow from those of the surface. Cell regions
    keep their names on the triangles; the tetrahedra are "solid 1", ... Warns (MeshFileWarning)
    that arrays are left out. Raises MeshError where the surface is open or cuts itself.
    """
    triangles, owner = triangles_of(mesh)
    points, rows = _distinct_points(mesh.points)
    triangles = rows[triangles]
    flat = (triangles == np.roll(triangles, 1, axis=1)).any(axis=1)
    triangles, owner = triangles[~flat], owner[~flat]
    used, triangles = np.unique(triangles, return_inverse=True)
    points, triangles = points[used], triangles.reshape(-1, 3)
    shell, bodies = closed_bodies(points, triangles)
    job = {"size": size, "bodies": bodies}
    try:
        found = run_gmsh(
            "fill", job, seconds=time_limit, memory=memory, progress=progress,
            points=points, triangles=triangles, shell=shell,
        )  # fmt: skip
    except Fault as fault:
        raise MeshError(f"filling the surface: {fault.where}", fault.reason, fault.hint) from None
    if lost := [*mesh.point_data, *mesh.cell_data]:
        warnings.warn(
            f"filling the surface leaves its arrays out: {', '.join(lost)}",
            MeshFileWarning,
            stacklevel=2,
        )
    tetrahedra, solid = found["tetrahedra"], found["tetrahedron_solid"]
    regions = {
        f"solid {i}": Region("cell", np.flatnonzero(solid == tag))
        for i, tag in enumerate(np.unique(solid).tolist(), 1)
    }
    for name, region in mesh.regions.items():
        if region.kind == "cell":
            member = np.zeros(mesh.n_cells, bool)
            member[region.ids] = True
            if len(ids := np.flatnonzero(member[owner])):
                name = f"{name} (surface)" if name in regions else name
                regions[name] = Region("cell", len(tetrahedra) + ids)
    return Mesh.from_blocks(
        np.concatenate([points, found["inner"]]),
        [("tetra", tetrahedra), ("triangle", triangles)],
        field_data=mesh.field_data,
        regions=regions,
    )


def _distinct_points(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points without those that equal an earlier one, in order, and the new row of each."""
    _, first, number = np.unique(points + 0.0, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    return points[first[order]], rank[number.ravel()]
