"""The picture of a mesh before and after it was moved."""

from __future__ import annotations

import os

import numpy as np

from ..errors import MeshError
from ..mesh import Mesh
from . import _scene
from ._flat import lay_flat
from ._legend import COLUMN, heading, legend, triad
from ._mesh import scene_of, view_of
from ._paint import Paint, Scale, Shell, field_of, painted, rgb_rows, scale_of, shell_of
from ._plane import Extent, draw_plane, plane_views
from ._style import figure, save_png

PLAIN = "#dfe7f0"
NEAR = 400  # cells in the view that looks closer
MANY = 1500  # cells that can be told apart in the whole


def pair_picture(
    before: Mesh,
    after: Mesh,
    path: str | os.PathLike,
    *,
    array: str | None = None,
    title: str = "",
    note: str = "",
    timeout: float = 120.0,
) -> None:
    """Draw a mesh before and after it was moved into a PNG, side by side: no display is needed.

    Both have the same cells. Plane meshes face-on: the whole, or what is around a wall inside a far
    field, and where cells shrank most from nearer, if there are many; volumes cut open. array:
    values that colour both on the scale of those before; without any it is the edges that show.
    Raises MeshError for meshes that do not fit and for an array that is not there.
    """
    if before.n_cells != after.n_cells or not before.n_points:
        raise MeshError("a picture of two meshes", "expected the same cells, and points")
    flats = [lay_flat(mesh) for mesh in (before, after)]
    scale = None
    if array is not None:
        found = field_of(before, array)
        scale = scale_of(found.values, found.label)
    if flats[0] is not None and flats[1] is not None:
        _plane_pair(before, flats[0].plane, flats[1].plane, path, array, scale, title, note)
    else:
        _solid_pair(before, after, path, array, scale, title, note, timeout)


def _plane_pair(
    whole: Mesh,
    first: Mesh,
    second: Mesh,
    path: str | os.PathLike,
    array: str | None,
    scale: Scale | None,
    title: str,
    note: str,
) -> None:
    views = _views(first, second)
    left, right, low, high = views[0][1]
    wide = 4.4
    tall = wide * float(np.clip((high - low) / (right - left), 0.22, 1.0))
    rows = [tall, *([wide * 0.62] * (len(views) - 1))]
    beside = COLUMN if scale is not None else 0.1
    with figure(2 * wide + beside + 0.3, sum(rows) + 0.75 + 0.28 * len(rows)) as drawing:
        width, height = drawing.get_size_inches()
        heading(drawing, whole, title, note)
        top = height - 0.75
        for row, (name, extent) in zip(rows, views, strict=True):
            box = _filled(extent, wide - 0.1, row)
            for i, (what, mesh) in enumerate((("before", first), ("after", second))):
                at = (0.2 + i * wide) / width, (top - row) / height
                axes = drawing.add_axes((*at, (wide - 0.1) / width, row / height))
                shell = shell_of(mesh, False).part(3, None)
                paint = _paint(mesh, shell, array, scale)
                draw_plane(
                    axes, mesh.points, shell.nodes, paint.rgb, box, _scene.EDGE, paint.points
                )
                axes.set_title(what if name != "nearer" else f"{what}, nearer", pad=4)
            top -= row + 0.28
        if scale is not None:
            legend(drawing, Paint(rgb_rows(PLAIN, 0), scale=scale))
        save_png(drawing, path)


def _solid_pair(
    before: Mesh,
    after: Mesh,
    path: str | os.PathLike,
    array: str | None,
    scale: Scale | None,
    title: str,
    note: str,
    timeout: float,
) -> None:
    wide, tall = 4.6, 4.2
    beside = COLUMN if scale is not None else 0.1
    with figure(2 * wide + beside + 0.2, tall + 0.95) as drawing:
        width, height = drawing.get_size_inches()
        heading(drawing, before, title, note)
        for i, (what, mesh) in enumerate((("before", before), ("after", after))):
            field = None if array is None else field_of(mesh, array)
            view = view_of(before, None)
            scene, _ = scene_of(mesh, field, True, mesh.dim == 3, None, view, scale)
            image = _scene.render(scene, timeout)
            axes = drawing.add_axes(
                ((0.1 + i * wide) / width, 0.1 / height, (wide - 0.1) / width, tall / height)
            )
            if image is None:
                _scene.paint(axes, scene)
            else:
                axes.imshow(image.rgb, interpolation="antialiased")
            axes.set_axis_off()
            axes.set_title(what, pad=4)
        triad(drawing, view)
        if scale is not None:
            legend(drawing, Paint(rgb_rows(PLAIN, 0), scale=scale))
        save_png(drawing, path)


def _paint(mesh: Mesh, shell: Shell, array: str | None, scale: Scale | None) -> Paint:
    if array is None or scale is None:
        return Paint(rgb_rows(PLAIN, len(shell.cell)))
    return painted(mesh, shell, field_of(mesh, array), scale)


def _views(first: Mesh, second: Mesh) -> list[tuple[str, Extent]]:
    """The whole, or what is at a wall if most cells are there; and some hundred cells, if there are
    many, around the one among those that shrank most."""
    cells = np.unique(shell_of(first, False).part(3, None).cell)
    centre = second.cell_centers()[cells, :2]
    views = plane_views(first)
    inside = [
        ((centre >= extent[::2]) & (centre <= extent[1::2])).all(axis=1)
        for _, extent in ((name, np.array(extent)) for name, extent in views)
    ]
    last = -1 if inside[-1].mean() > 0.3 else 0
    views = [views[last]]
    if len(cells) > MANY and inside[last].any():
        seen = np.flatnonzero(inside[last])
        sizes = [mesh.cell_measures()[cells[seen]] for mesh in (first, second)]
        some = sizes[0] > 0
        shrunk = np.where(some, sizes[1] / np.where(some, sizes[0], 1.0), np.inf)
        views.append(("nearer", _around(centre, centre[seen[np.argmin(shrunk)]])))
    return views


def _around(centre: np.ndarray, at: np.ndarray) -> Extent:
    """As far from a place as some hundred cells go."""
    away = np.abs(centre - at).max(axis=1)
    half = float(np.partition(away, min(NEAR, len(away) - 1))[min(NEAR, len(away) - 1)])
    return (at[0] - half, at[0] + half, at[1] - half, at[1] + half)


def _filled(extent: Extent, wide: float, tall: float) -> Extent:
    """The extent, grown to a panel's shape."""
    left, right, low, high = extent
    x, y = (left + right) / 2, (low + high) / 2
    half = max((right - left) / wide, (high - low) / tall) / 2
    return (x - half * wide, x + half * wide, y - half * tall, y + half * tall)
