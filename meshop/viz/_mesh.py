"""The picture of a mesh: its cells with their edges, by region, by an array, or with its faults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ..mesh import CELL_TYPES, DIM, Mesh, fans
from . import _scene
from ._paint import (
    PALETTE,
    Paint,
    by_value,
    outlines,
    paint_of,
    rgb_rows,
    shell_of,
    values_of,
)
from ._plane import draw_plane, plane_views
from ._style import BLUE, GREY, INK, RED, SERIES, figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DENSE = 150_000  # edges beyond which lines would cover everything


def mesh_picture(
    mesh: Mesh,
    path: str | os.PathLike,
    *,
    array: str | None = None,
    title: str = "",
    edges: bool = True,
    clip: bool = False,
    marked: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Draw a mesh into a PNG: no display is needed.

    A plane mesh as it lies, with its wall beside the whole where one lies inside a far field;
    surfaces, the outside of volumes and point clouds in parallel projection. Colours tell regions,
    or the values of `array` (vectors by magnitude). clip: take away the half of a volume nearer to
    the viewer. marked: cells and points that are shown in red on a faint mesh. Raises MeshError for
    an empty mesh and for an array that is not there.
    """
    if not mesh.n_points:
        raise MeshError("nothing to draw", "the mesh has no points")
    values = None if array is None else values_of(mesh, array)
    if mesh.dim == 2 and mesh.is_planar:
        _plane_picture(mesh, path, array, values, title, edges, marked)
        return
    scene, paint = _scene_of(mesh, array, values, edges, clip, marked)
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
    image = _scene.render(scene, timeout)
    with figure(8.6, 5.6) as drawing:
        _heading(drawing, mesh, title)
        wide = 0.96 if paint.scale is None and not paint.names else 0.80
        axes = drawing.add_axes((0.02, 0.03, wide, 0.85))
        if image is None:
            _scene.paint(axes, scene)
        else:
            axes.imshow(image, interpolation="antialiased")
        axes.set_axis_off()
        _triad(drawing)
        _legend(drawing, paint)
        save_png(drawing, path)


def mesh_window(mesh: Mesh, *, array: str | None = None, title: str = "", edges: bool = True,
                clip: bool = False) -> bool:  # fmt: skip
    """Show a mesh in a window until it is closed; False where there is no display."""
    values = None if array is None else values_of(mesh, array)
    scene, _ = _scene_of(mesh, array, values, edges, clip, None)
    return _scene.show(scene, title)


# -- what is drawn, and how it is coloured --------------------------------------------------------


def _scene_of(
    mesh: Mesh,
    array: str | None,
    values: np.ndarray | None,
    edges: bool,
    clip: bool,
    marked: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[_scene.Scene, Paint]:
    none, no_ids, no_dots = np.empty((0, 3), np.uint8), np.empty((0, 3), np.int64), np.empty((0, 3))
    if mesh.dim >= 2:
        shell = shell_of(mesh, clip)
        paint = paint_of(mesh, shell, array, values, marked)
        triangles, of = fans(shell.nodes)
        net = outlines(shell.nodes) if edges else no_ids[:, :2]
        net = net if len(net) <= DENSE else net[:0]
        dots = no_dots if marked is None else _marks(mesh, marked)
        return _scene.Scene(
            mesh.points, triangles, paint.rgb[of], net, rgb_rows(_scene.EDGE, len(net)),
            dots, rgb_rows(RED, len(dots)), line_width=1.2 if len(net) < 20_000 else 0.7,
            line_opacity=0.75 if len(net) < 60_000 else 0.4, dot_size=18.0, dots_on_top=True,
        ), paint  # fmt: skip
    if mesh.dim == 1:
        lines = _lines(mesh)
        paint = Paint(rgb_rows(BLUE, len(lines)))
        dots = no_dots if marked is None else _marks(mesh, marked)
        return _scene.Scene(
            mesh.points, no_ids, none, lines, paint.rgb, dots, rgb_rows(RED, len(dots)), 2.5
        ), paint
    return _cloud(mesh, array, values, marked)


def _marks(mesh: Mesh, marked: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Where the faults are: centres of cells, and points; of very many a regular part."""
    found = np.concatenate([mesh.cell_centers()[marked[0]], mesh.points[marked[1]]])
    return found[:: max(len(found) // 5000, 1)]


def _cloud(
    mesh: Mesh,
    array: str | None,
    values: np.ndarray | None,
    marked: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[_scene.Scene, Paint]:
    if values is None or len(values) != mesh.n_points:  # depth is easier seen with some colour
        axis = int(np.argmin(np.ptp(mesh.points, axis=0))) if np.ptp(mesh.points[:, 2]) == 0 else 2
        values, array = mesh.points[:, axis], "xyz"[axis]
    paint = by_value(values, array or "")
    rgb = paint.rgb
    if marked is not None:
        rgb = rgb_rows(GREY, mesh.n_points)
        rgb[marked[1]] = rgb_rows(RED, 1)
        paint = Paint(rgb, (("faults", RED),))
    scene = _scene.Scene(
        mesh.points, np.empty((0, 3), np.int64), rgb[:0], np.empty((0, 2), np.int64), rgb[:0],
        mesh.points, rgb, dot_size=float(np.clip(1200 / np.sqrt(mesh.n_points), 2.0, 18.0)),
    )  # fmt: skip
    return scene, paint


def _lines(mesh: Mesh) -> np.ndarray:
    cell = np.repeat(np.arange(mesh.n_cells), np.diff(mesh.cell_offsets))
    joined = (cell[1:] == cell[:-1]) & (DIM[mesh.cell_types[cell[1:]]] == 1)
    return np.stack([mesh.cell_nodes[:-1][joined], mesh.cell_nodes[1:][joined]], axis=1)


# -- the plane ------------------------------------------------------------------------------------


def _plane_picture(
    mesh: Mesh,
    path: str | os.PathLike,
    array: str | None,
    values: np.ndarray | None,
    title: str,
    edges: bool,
    marked: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    shell = shell_of(mesh, False)
    paint = paint_of(mesh, shell, array, values, marked)
    rims = _rims(mesh) if marked is None else []
    views = plane_views(mesh)
    beside = 1.5 if rims or paint.names or paint.scale is not None else 0.0
    each = 4.3 if len(views) > 1 else 7.0
    left, right, low, high = views[0][1]
    tall = (
        each * float(np.clip((high - low) / (right - left), 0.2, 1.0)) if len(views) == 1 else 4.1
    )
    with figure(each * len(views) + beside + 0.3, min(tall, 5.4) + 1.0) as drawing:
        width, height = drawing.get_size_inches()
        _heading(drawing, mesh, title)
        for i, (name, extent) in enumerate(views):
            box = (
                (0.2 + i * each) / width, 0.15 / height, (each - 0.15) / width, 1 - 1.0 / height,
            )  # fmt: skip
            axes = drawing.add_axes(box)
            draw_plane(
                axes, mesh.points, shell.nodes, paint.rgb, extent, _scene.EDGE if edges else None
            )
            _draw_rims(axes, mesh, rims)
            if marked is not None:
                x, y, _ = _marks(mesh, marked).T
                axes.plot(x, y, "o", mec=RED, mfc="none", ms=7, mew=1.2)
            if len(views) > 1:
                axes.set_title(name, pad=4)
        names = tuple((name, colour) for name, colour, _ in rims)
        _legend(drawing, paint._replace(names=(*paint.names, *names)), thin=len(paint.names))
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
            continue
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


# -- beside the mesh ------------------------------------------------------------------------------


def _heading(drawing: Figure, mesh: Mesh, title: str) -> None:
    width, height = drawing.get_size_inches()
    counts = np.bincount(mesh.cell_types, minlength=256)
    kinds = [f"{counts[c]:,} {CELL_TYPES[int(c)].name}" for c in np.flatnonzero(counts)]
    size = " x ".join(f"{s:.4g}" for s in np.ptp(mesh.points, axis=0))
    note = "; ".join([f"{mesh.n_points:,} points", *kinds[:4], *(["..."] * (len(kinds) > 4)), size])
    left, top = 0.25 / width, 1 - 0.14 / height
    drawing.text(left, top, title, va="top", fontsize=10.5, fontweight="bold")
    drawing.text(left, top - 0.22 / height, note, va="top", fontsize=8.5, color=GREY)


def _legend(drawing: Figure, paint: Paint, thin: int = 1_000) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    if paint.scale is not None:
        low, high, label = paint.scale
        bar = drawing.add_axes((0.87, 0.2, 0.018, 0.6))
        shown = drawing.colorbar(ScalarMappable(Normalize(low, high), "viridis"), cax=bar)
        shown.outline.set_linewidth(0.4)  # type: ignore[operator]
        bar.set_title(label, fontsize=9, pad=6)
    if paint.names:
        handles = [
            Line2D([], [], color=colour, lw=2.5 if i >= thin else 0, label=_short(name),
                   marker=None if i >= thin else "s", ms=8)
            for i, (name, colour) in enumerate(paint.names)
        ]  # fmt: skip
        drawing.legend(
            handles=handles[:24], loc="upper right", bbox_to_anchor=(0.995, 0.88), fontsize=8,
            handlelength=1.4,
        )  # fmt: skip


def _short(text: str, limit: int = 18) -> str:
    text = text.replace("$", r"\$")  # which would start mathematics
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _triad(drawing: Figure) -> None:
    """The axes in the corner, as the projection sees them."""
    axes = drawing.add_axes((0.01, 0.02, 0.09, 0.14))
    axes.set_axis_off()
    for i, (name, colour) in enumerate(zip("xyz", (RED, "#2f9e6e", BLUE), strict=True)):
        x, y = _scene.RIGHT[i], _scene.UP[i]
        axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour})
        axes.text(1.3 * x, 1.3 * y, name, color=INK, fontsize=8, ha="center", va="center")
    axes.set_xlim(-1.5, 1.5)
    axes.set_ylim(-1.5, 1.5)
    axes.set_aspect("equal")
