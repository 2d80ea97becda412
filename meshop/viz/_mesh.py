"""The picture of a mesh: its cells with their edges, by region, by an array, or with its faults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ..mesh import DIM, Mesh, fans
from . import _scene
from ._flat import Flat, flat_axis, lay_flat
from ._legend import COLUMN, heading, legend, legend_height, triad
from ._paint import (
    PALETTE,
    Field,
    Paint,
    Scale,
    as_field,
    field_of,
    outlines,
    paint_of,
    painted,
    rgb_rows,
    shell_of,
)
from ._plane import draw_plane, plane_views
from ._style import GREY, INK, RED, SERIES, figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READABLE = 7.0  # pixels between edges, below which they would cover everything
Marked = tuple[np.ndarray, np.ndarray]


def mesh_picture(
    mesh: Mesh,
    path: str | os.PathLike,
    *,
    array: str | None = None,
    title: str = "",
    edges: bool = True,
    clip: bool = False,
    view: str | None = None,
    marked: Marked | None = None,
) -> None:
    """Draw a mesh into a PNG: no display is needed.

    A plane mesh, or one layer of cells, face-on, with its wall beside the whole where one lies
    inside a far field; surfaces, the outside of volumes, lines and points in parallel projection.
    Colours tell regions, or the values of `array` (vectors by magnitude). edges: of cells, where
    they can be told apart. clip: take away the half of a volume nearer to the viewer. view: seen
    from "x", "-x", ..., "-z" or "iso". marked: cells and points that are shown in red on a faint
    mesh. Raises MeshError for an empty mesh and for an array or view that is not there.
    """
    if not mesh.n_points:
        raise MeshError("nothing to draw", "the mesh has no points")
    field = None if array is None else field_of(mesh, array)
    flat = None if clip or view is not None else lay_flat(mesh)
    if flat is not None:
        if field is not None and array is not None:
            field = field_of(flat.plane, array)
        _plane_picture(mesh, flat, path, field, title, edges, marked)
        return
    scene, paint = scene_of(mesh, field, edges, clip, marked, view_of(mesh, view))
    draw_scene(mesh, scene, paint, path, title)


def draw_scene(
    mesh: Mesh,
    scene: _scene.Scene,
    paint: Paint,
    path: str | os.PathLike,
    title: str,
    timeout: float = 120.0,
) -> None:
    """A scene with heading, legend and axes into a PNG: by VTK where it works, else matplotlib."""
    image = _scene.render(scene._replace(ask_seen=paint.scale is None), timeout)
    with figure(8.6, 5.6) as drawing:
        heading(drawing, mesh, title)
        beside = COLUMN / 8.6 if paint.scale is not None or paint.names else 0.02
        axes = drawing.add_axes((0.02, 0.03, 0.97 - beside, 0.84))
        if image is None:
            _scene.paint(axes, scene)
        else:
            axes.imshow(image.rgb, interpolation="antialiased")
        axes.set_axis_off()
        triad(drawing, scene.view)
        seen = [
            (name, colour) for name, colour in paint.names
            if image is None or image.shows(rgb_rows(colour, 1)[0])
        ]  # fmt: skip
        hidden = len(paint.names) - len(seen)
        legend(drawing, paint._replace(names=tuple(seen)), hidden=hidden)
        save_png(drawing, path)


def mesh_window(mesh: Mesh, *, array: str | None = None, title: str = "", edges: bool = True,
                clip: bool = False, view: str | None = None) -> bool:  # fmt: skip
    """Show a mesh in a window until it is closed; False where there is no display."""
    field = None if array is None else field_of(mesh, array)
    scene, _ = scene_of(mesh, field, edges, clip, None, view_of(mesh, view))
    return _scene.show(scene, title)


# -- in space -------------------------------------------------------------------------------------


def view_of(mesh: Mesh, name: str | None) -> _scene.View:
    """From where a mesh is seen: what lies in a plane face-on, what is long along z lying down."""
    if name is not None:
        if name not in _scene.VIEWS:
            raise MeshError(f"view {name!r}", "there is none", f"one of {', '.join(_scene.VIEWS)}")
        return _scene.VIEWS[name]
    axis, size = flat_axis(mesh.points), np.ptp(mesh.points, axis=0)
    if axis is not None:
        return _scene.VIEWS[("x", "-y", "z")[axis]]
    return _scene.ISO_Y if size[2] > 2 * size[:2].max() else _scene.ISO


def scene_of(
    mesh: Mesh,
    field: Field | None,
    edges: bool,
    clip: bool,
    marked: Marked | None,
    view: _scene.View = _scene.ISO,
    scale: Scale | None = None,
) -> tuple[_scene.Scene, Paint]:
    shell = shell_of(mesh, clip)
    if field is None and marked is None and not mesh.n_cells:
        field = _height(mesh)  # depth is easier seen with some colour
    if field is not None and scale is not None:
        paint = painted(mesh, shell, field, scale)
    else:
        paint = paint_of(mesh, shell, field, marked)
    polygons, lines, dots = shell.of_size(3, None), shell.of_size(2), shell.of_size(1)
    triangles, of = fans(shell.nodes[polygons])
    net = outlines(shell.nodes[polygons]) if edges else shell.nodes[:0, :2]
    gap = _gap(mesh.points, net, view)
    spot, dot_rgb = mesh.points[shell.nodes[dots, 0]], paint.rgb[dots]
    size = float(np.clip(1200 / np.sqrt(max(len(dots), 1)), 2.0, 18.0))
    if marked is not None and mesh.n_cells:
        spot = _marks(mesh, marked)
        dot_rgb, size = rgb_rows(RED, len(spot)), 18.0
    return _scene.Scene(
        mesh.points, triangles, paint.rgb[polygons[of]],
        shell.nodes[lines, :2], paint.rgb[lines], spot, dot_rgb,
        edges=net if gap >= READABLE else net[:0],
        point_rgb=rgb_rows(GREY, 0) if paint.points is None else paint.points,
        view=view,
        edge_width=float(np.clip(gap / 15, 0.6, 1.2)),
        edge_opacity=float(np.clip(gap / 30, 0.3, 0.75)) * (1.0 if field is None else 0.6),
        outline=edges and gap < READABLE,
        ambient=0.5 if field is None else 0.7,  # light must not change what a colour stands for
        dot_size=size,
        dots_on_top=marked is not None and mesh.n_cells > 0,
    ), paint  # fmt: skip


def _gap(points: np.ndarray, net: np.ndarray, view: _scene.View) -> float:
    """The median length of edges in pixels of the picture."""
    if not len(net):
        return np.inf
    flat = points @ np.stack([view.right, view.up], axis=1)
    size = max(np.max(np.ptp(flat, axis=0) / _scene.PIXELS), 1e-300)
    some = net[:: max(len(net) // 10_000, 1)]
    return float(np.median(np.linalg.norm(flat[some[:, 0]] - flat[some[:, 1]], axis=1)) / size)


def _height(mesh: Mesh) -> Field | None:
    axis = next((i for i in (2, 1, 0) if np.ptp(mesh.points[:, i]) > 0), 2)
    flat = flat_axis(mesh.points) is not None
    return None if flat else as_field("xyz"[axis], mesh.points[:, axis], False)


def _marks(mesh: Mesh, marked: Marked) -> np.ndarray:
    """Where the faults are: centres of cells, and points; of very many a regular part."""
    found = np.concatenate([mesh.cell_centers()[marked[0]], mesh.points[marked[1]]])
    return found[:: max(len(found) // 5000, 1)]


# -- the plane ------------------------------------------------------------------------------------


def _plane_picture(
    whole: Mesh,
    flat: Flat,
    path: str | os.PathLike,
    field: Field | None,
    title: str,
    edges: bool,
    marked: Marked | None,
) -> None:
    mesh = flat.plane
    if marked is not None:
        cells, points = flat.cells[marked[0]], flat.points[marked[1]]
        marked = cells[cells >= 0], points[points >= 0]
    whole_shell = shell_of(mesh, False)
    shell = whole_shell.part(3, None)
    paint = paint_of(mesh, shell, field, marked)
    rims = _rims(mesh) if marked is None else []
    views = plane_views(mesh)
    beside = COLUMN if rims or paint.names or paint.scale is not None else 0.0
    each = 4.3 if len(views) > 1 else 7.0
    left, right, low, high = views[0][1]
    tall = (
        each * float(np.clip((high - low) / (right - left), 0.2, 1.0)) if len(views) == 1 else 4.1
    )
    tall = max(min(tall, 5.4) + 1.0, legend_height(paint, len(paint.names) + len(rims)))
    with figure(each * len(views) + beside + 0.3, tall) as drawing:
        width, height = drawing.get_size_inches()
        heading(drawing, whole, title, flat.note)
        for i, (name, extent) in enumerate(views):
            box = (
                (0.2 + i * each) / width, 0.15 / height, (each - 0.15) / width, 1 - 1.0 / height,
            )  # fmt: skip
            axes = drawing.add_axes(box)
            draw_plane(
                axes, mesh.points, shell.nodes, paint.rgb, extent,
                _scene.EDGE if edges else None, paint.points,
            )  # fmt: skip
            _draw_rims(axes, mesh, [("", INK, whole_shell.part(2).nodes[:, :2]), *rims])
            x, y, _ = mesh.points[whole_shell.part(1).nodes[:, 0]].T
            axes.plot(x, y, ".", color=INK, ms=4)
            if marked is not None:
                x, y, _ = _marks(mesh, marked).T
                axes.plot(x, y, "o", mec=RED, mfc="none", ms=7, mew=1.2)
            if len(views) > 1:
                axes.set_title(name, pad=4)
        names = tuple((name, colour) for name, colour, _ in rims)
        legend(drawing, paint._replace(names=(*paint.names, *names)), thin=len(paint.names))
        save_png(drawing, path)


def _rims(mesh: Mesh) -> list[tuple[str, str, np.ndarray]]:
    """Regions of lines in the plane: name, colour, (L, 2) nodes."""
    found: list[tuple[str, str, np.ndarray]] = []
    for name, region in mesh.regions.items():
        if region.kind == "facet" and region.ids.shape[1] >= 2:
            pairs = region.ids[:, :2]
        elif region.kind == "cell":
            ids = region.ids[DIM[mesh.cell_types[region.ids]] == 1]
            at = mesh.cell_offsets[ids]
            pairs = (
                np.stack([mesh.cell_nodes[at], mesh.cell_nodes[at + 1]], axis=1)
                if len(ids) and np.all(np.diff(mesh.cell_offsets)[ids] > 1)
                else np.empty((0, 2), np.int64)
            )
        else:
            inside = np.zeros(mesh.n_points, dtype=bool)
            inside[region.ids] = True
            rim = mesh.boundary_facets().nodes[:, :2]
            pairs = rim[inside[rim].all(axis=1)] if not inside.all() else rim[:0]
        pairs = pairs[(pairs >= 0).all(axis=1)]
        if len(pairs):
            colour = (*SERIES[1:], *PALETTE)[len(found) % (len(SERIES) + len(PALETTE) - 1)]
            found.append((name, colour, pairs))
    return found


def _draw_rims(axes: Axes, mesh: Mesh, rims: list[tuple[str, str, np.ndarray]]) -> None:
    from matplotlib.collections import LineCollection

    for _, colour, pairs in rims:
        lines = LineCollection(list(mesh.points[pairs][:, :, :2]), colors=colour, linewidths=1.8)
        axes.add_collection(lines, autolim=False)
