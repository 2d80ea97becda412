"""Which cell lies under each pixel: found once, then every field is one array lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..mesh import DIM, fans
from ._paint import cell_rings

if TYPE_CHECKING:
    from ..mesh import Mesh


class Raster(NamedTuple):
    """Pixels of a plane mesh. cell (H, W) int64 with -1 off the mesh; nodes (H, W, 3) and bary
    (H, W, 3) float32 of the triangle under the pixel; extent (left, right, bottom, top)."""

    cell: np.ndarray
    nodes: np.ndarray
    bary: np.ndarray
    extent: tuple[float, float, float, float]

    def of_points(self, values: np.ndarray) -> np.ndarray:
        """(H, W) float, values (N,) interpolated linearly over triangles; NaN off the mesh."""
        image = np.einsum("hwk,hwk->hw", values[self.nodes], self.bary)
        return np.where(self.cell >= 0, image, np.nan)


def rasterise(
    mesh: Mesh, extent: tuple[float, float, float, float], width: int, height: int
) -> Raster:
    """Draw every cell of a plane mesh once, its number as its colour, and read the canvas back."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

    triangles, owner = _triangles(mesh, extent)
    dpi = 100
    canvas = FigureCanvasAgg(Figure(figsize=(width / dpi, height / dpi), dpi=dpi))
    axes = canvas.figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])
    number = np.arange(1, len(triangles) + 1)  # 0, black, is off the mesh
    digits = np.stack([number >> 16, (number >> 8) & 255, number & 255], axis=1)
    collection = PolyCollection(
        mesh.points[triangles][:, :, :2],
        facecolors=digits / 255.0,
        edgecolors="none",
        antialiaseds=False,
    )
    canvas.figure.set_facecolor("black")
    axes.add_collection(collection, autolim=False)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba()).astype(np.int64)
    found = (rgba[..., 0] << 16 | rgba[..., 1] << 8 | rgba[..., 2]) - 1
    found = fill_gaps(np.where(found < len(triangles), found, -1))
    if not len(triangles):
        empty = np.zeros((*found.shape, 3))
        return Raster(np.full(found.shape, -1), empty.astype(np.int64), empty, extent)
    x = np.linspace(extent[0], extent[1], 2 * width + 1)[1::2]
    y = np.linspace(extent[3], extent[2], 2 * height + 1)[1::2]
    nodes = triangles[found]
    bary = _barycentric(mesh.points[:, :2], nodes, *np.meshgrid(x, y))
    return Raster(np.where(found >= 0, owner[found], -1), nodes, bary, extent)


def to_points(mesh: Mesh, values: np.ndarray) -> np.ndarray:
    """(N,) the mean over each point's two-dimensional cells of values (M,); 0 where it has none."""
    use = DIM[mesh.cell_types] == 2
    size = np.diff(mesh.cell_offsets)
    nodes = mesh.cell_nodes[np.repeat(use, size)]
    total = np.bincount(nodes, np.repeat(values[use], size[use]), minlength=mesh.n_points)
    return total / np.maximum(np.bincount(nodes, minlength=mesh.n_points), 1)


def plane_triangles(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Corner fans of the two-dimensional cells: triangles (T, 3) and the cell of each (T,)."""
    rings, cells = cell_rings(mesh, np.flatnonzero(DIM[mesh.cell_types] == 2))
    triangles, of = fans(rings)
    return triangles, cells[of]


def _triangles(
    mesh: Mesh, extent: tuple[float, float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The triangles whose bounding box meets the view."""
    triangles, owner = plane_triangles(mesh)
    x, y = mesh.points[triangles, 0], mesh.points[triangles, 1]
    seen = (x.max(1, initial=-np.inf) >= extent[0]) & (x.min(1, initial=np.inf) <= extent[1])
    seen &= (y.max(1, initial=-np.inf) >= extent[2]) & (y.min(1, initial=np.inf) <= extent[3])
    return triangles[seen], owner[seen]


def fill_gaps(found: np.ndarray, reach: int = 3) -> np.ndarray:
    """Give pixels that no triangle covers by half (cells much thinner than a pixel) a neighbour's.

    A body's edge grows by as much; the wall that is drawn over it has the true shape.
    """
    from scipy.ndimage import distance_transform_edt

    off = found < 0
    if off.all() or not off.any():
        return found
    distance, (row, column) = distance_transform_edt(off, return_indices=True)
    return np.where(distance <= reach, found[row, column], -1)


def _barycentric(points: np.ndarray, nodes: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., 3) float32 weights, clipped to the triangle: a pixel's centre may lie just beside."""
    (ax, ay), (bx, by), (cx, cy) = (np.moveaxis(points[nodes[..., i]], -1, 0) for i in range(3))
    double = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    double = np.where(np.abs(double) > 1e-300, double, 1e-300)
    second = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / double
    third = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / double
    bary = np.clip(np.stack([1 - second - third, second, third], axis=-1), 0, 1)
    bary /= np.maximum(bary.sum(-1, keepdims=True), 1e-300)
    return bary.astype(np.float32)
