"""Cells of a plane mesh in matplotlib axes: polygons where they can be seen, pixels below that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ..mesh import fans
from ._raster import fill_gaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..mesh import Mesh

Extent = tuple[float, float, float, float]  # left, right, bottom, top
ACROSS = 1000  # pixels of the image of cells that are too small to be drawn


def plane_views(mesh: Mesh) -> list[tuple[str, Extent]]:
    """The whole mesh, and the neighbourhood of a wall that is small inside it."""
    from ..graph import wall_facets

    low, high = mesh.points[:, :2].min(axis=0), mesh.points[:, :2].max(axis=0)
    whole = _around((low + high) / 2, high - low, 1.04)
    try:
        wall = wall_facets(mesh, external=True)
    except MeshError:
        return [("whole mesh", whole)]
    ends = mesh.points[wall.nodes[:, :2], :2].reshape(-1, 2)
    near, far = ends.min(axis=0), ends.max(axis=0)
    if np.max(far - near) > 0.25 * np.max(high - low):
        return [("whole mesh", whole)]
    size = np.full(2, np.max(far - near))
    return [("whole mesh", whole), ("at the wall", _around((near + far) / 2, size, 1.35))]


def draw_plane(
    axes: Axes,
    points: np.ndarray,
    rings: np.ndarray,
    rgb: np.ndarray,
    extent: Extent,
    edge: str | None,
    point_rgb: np.ndarray | None = None,
) -> None:
    """Fill `axes` with the polygons (F, k), padded with -1, in their colours (F, 3) uint8, or
    blended between those of their points (N, 3). Lines between cells show where there is room."""
    from matplotlib.collections import PolyCollection

    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    axes.set_aspect("equal")
    axes.set_axis_off()
    loop = np.where(rings >= 0, rings, rings[:, :1])
    corner = points[loop, :2]
    low, high = corner.min(axis=1), corner.max(axis=1)
    box = np.array(extent)
    seen = np.all((high >= box[[0, 2]]) & (low <= box[[1, 3]]), axis=1)
    pixel = max(box[1] - box[0], box[3] - box[2]) / ACROSS
    small = seen & ((high - low).max(axis=1) < 1.5 * pixel)
    if small.any():
        _pixels(axes, corner[small].mean(axis=1), rgb[small], extent, pixel)
    drawn = seen & ~small
    if point_rgb is not None and drawn.any():
        _blend(axes, points, rings[drawn], point_rgb)
    size = (high - low)[drawn].max(axis=1) / pixel
    count = (rings >= 0).sum(axis=1)
    for n in np.unique(count[drawn]):
        mine = drawn & (count == n)
        shape = corner[mine][:, :n]
        if point_rgb is None:  # a hairline of the same colour closes the seams
            fill = PolyCollection(shape, facecolors=rgb[mine] / 255.0, edgecolors="face", lw=0.2)
            axes.add_collection(fill, autolim=False)
        wide = size[mine[drawn]]
        if edge is not None:  # thinner with the cells, or the lines would cover them
            some = wide > 4.0
            width = np.clip(0.02 * wide[some], 0.0, 0.4)
            net = PolyCollection(shape[some], facecolors="none", edgecolors=edge, linewidths=width)
            axes.add_collection(net, autolim=False)


def _blend(axes: Axes, points: np.ndarray, rings: np.ndarray, point_rgb: np.ndarray) -> None:
    from matplotlib.collections import TriMesh
    from matplotlib.tri import Triangulation

    triangles, _ = fans(rings)
    used, local = np.unique(triangles, return_inverse=True)
    x, y, _ = points[used].T
    mesh = TriMesh(Triangulation(x, y, local.reshape(-1, 3)), zorder=0.8)
    mesh.set_facecolor(np.column_stack([point_rgb[used] / 255.0, np.ones(len(used))]))  # type: ignore[arg-type]
    axes.add_collection(mesh, autolim=False)


def _pixels(
    axes: Axes,
    centre: np.ndarray,
    rgb: np.ndarray,
    extent: Extent,
    pixel: float,
) -> None:
    """Cells of a pixel or less: one of them colours it."""
    left, right, bottom, top = extent
    shape = max(int((top - bottom) / pixel), 1), max(int((right - left) / pixel), 1)
    column = np.clip(((centre[:, 0] - left) / pixel).astype(int), 0, shape[1] - 1)
    row = np.clip(((top - centre[:, 1]) / pixel).astype(int), 0, shape[0] - 1)
    found = np.full(shape, -1)
    found[row, column] = np.arange(len(centre))
    found = fill_gaps(found, reach=1)
    colour = rgb / 255.0
    image = np.concatenate([colour[found], (found >= 0)[..., None]], axis=2)
    axes.imshow(image, extent=extent, interpolation="nearest", zorder=0.5, aspect="equal")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _around(centre: np.ndarray, size: np.ndarray, grow: float) -> Extent:
    least = 1e-3 * np.max(size) + 1e-6 * np.max(np.abs(centre))  # a line, or a point, has no area
    half = np.maximum(grow * size / 2, least or 1.0)
    return (
        float(centre[0] - half[0]), float(centre[0] + half[0]),
        float(centre[1] - half[1]), float(centre[1] + half[1]),
    )  # fmt: skip
