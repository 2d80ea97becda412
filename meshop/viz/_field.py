"""The picture of a plane prediction: fields near the body, their errors, and the wall's Cp."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import MeshError
from ._raster import Raster, rasterise, to_points
from ._style import BLUE, GREY, INK, RED, figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..graph import WallFacets
    from ..mesh import Mesh

PANEL = (3.55, 2.3)  # inches, of the field itself, at most
LOWEST = 0.35  # of that height, for long domains
GAP = (0.8, 0.42)  # between panels: the colour legend beside, the heading above
MARGIN = (0.3, 0.4, 0.25)  # left, bottom, and above the headline's row
DENSITY = 150  # pairs of pixels an inch: two by two are a pixel of the PNG
TRUTH, PREDICTION, ERROR = "truth", "prediction", "prediction - truth"


class _View(NamedTuple):
    """What is looked at: the extent (left, right, bottom, top) and the wall inside it."""

    extent: tuple[float, float, float, float]
    wall: WallFacets | None
    loops: list[np.ndarray]  # (n, 2) each, around a body
    segments: np.ndarray  # (F, 2, 2)
    edge: float  # x of the wall's first point
    chord: float
    panel: tuple[float, float]  # inches


def field_picture(
    mesh: Mesh,
    arrays: Mapping[str, np.ndarray],
    path: str | os.PathLike,
    *,
    truth: Mapping[str, np.ndarray] | None = None,
    pressure: str | None = None,
    title: str = "",
    note: str = "",
) -> None:
    """Draw fields of a two-dimensional mesh into a PNG with matplotlib's Agg: no display needed.

    arrays: name -> (M, ...) on cells or (N, ...) on points, vectors by magnitude; cell data are
    averaged to the points, for the picture only. truth: the solved fields of the same names, which
    add a row of truth and one of errors. pressure: the array whose wall values are drawn as a Cp
    curve (kinematic, free stream of speed 1). The view is the neighbourhood of the wall if it lies
    inside a far field of twice its size, else the whole mesh. title and the first line of note head
    the figure; further lines of note stand in its corner beside a truth.
    Raises MeshError for a mesh that is not two-dimensional or an array of another length.
    """
    if mesh.dim != 2:
        raise MeshError(
            f"a mesh of dimension {mesh.dim} has no plane picture", "expected triangles, quads, ..."
        )
    fields = {name: _scalar(mesh, name, values) for name, values in arrays.items()}
    known = {name: _scalar(mesh, name, values) for name, values in (truth or {}).items()}
    known = {name: values for name, values in known.items() if name in fields}
    view = _view(mesh)
    raster = rasterise(mesh, view.extent, *(2 * int(DENSITY * side) for side in view.panel))
    curve = view.wall is not None and pressure in fields
    rows = [TRUTH, PREDICTION, ERROR] if known else [PREDICTION]
    columns = len(fields) + curve
    grid = (len(rows), columns) if known else _near_square(columns)
    size = (
        grid[1] * (PANEL[0] + GAP[0]) + MARGIN[0] - 0.15,
        grid[0] * (view.panel[1] + GAP[1]) + MARGIN[1] + MARGIN[2] - 0.1,
    )
    with figure(*size) as drawing:
        place = _Grid(drawing, *grid, view.panel)
        for column, (name, values) in enumerate(fields.items()):
            label = f"|{name}|" if _is_vector(arrays[name]) else name
            shown = {PREDICTION: _image(mesh, raster, values)}
            if name in known:
                shown[TRUTH] = _image(mesh, raster, known[name])
                shown[ERROR] = shown[PREDICTION] - shown[TRUTH]
            limits = _limits(shown.get(TRUTH, shown[PREDICTION]))
            for row, what in enumerate(rows):
                if what not in shown:
                    continue
                axes = place(row, column) if known else place(*divmod(column, grid[1]))
                span = _symmetric(shown[what], 99.0) if what == ERROR else limits
                heading = f"{label}  {what}" if known else label
                _panel(drawing, axes, shown[what], raster, view, span, heading)
        if curve and pressure is not None and view.wall is not None:
            axes = place.wide(columns - 1) if known else place(*divmod(columns - 1, grid[1]))
            _pressure_curve(axes, mesh, view, view.wall, fields[pressure], known.get(pressure))
        first, *more = note.splitlines() or [""]
        _headline(drawing, title, first)
        if known and more:
            place.text(2 if curve else 0, columns - 1, more)
        save_png(drawing, path)


class _Grid:
    """Axes of fixed size in inches: constrained layout would cost more than the picture."""

    def __init__(
        self, drawing: Figure, rows: int, columns: int, panel: tuple[float, float]
    ) -> None:
        self.drawing, self.rows, self.columns, self.panel = drawing, rows, columns, panel
        self.width, self.height = drawing.get_size_inches()

    def __call__(self, row: int, column: int, rows: int = 1) -> Axes:
        left = MARGIN[0] + column * (self.panel[0] + GAP[0])
        bottom = MARGIN[1] + (self.rows - row - rows) * (self.panel[1] + GAP[1])
        height = self.panel[1] + (rows - 1) * (self.panel[1] + GAP[1])
        box = (
            left / self.width,
            bottom / self.height,
            self.panel[0] / self.width,
            height / self.height,
        )
        return self.drawing.add_axes(box)

    def wide(self, column: int) -> Axes:
        """The axes of a curve that spans two rows."""
        return self(0, column, rows=min(2, self.rows))

    def text(self, row: int, column: int, lines: Sequence[str]) -> None:
        """A block of text in the place of a panel."""
        left = MARGIN[0] + column * (self.panel[0] + GAP[0])
        top = MARGIN[1] + (self.rows - row) * (self.panel[1] + GAP[1]) - GAP[1]
        self.drawing.text(
            left / self.width, top / self.height, "\n".join(lines), va="top", linespacing=1.5,
            family="monospace", fontsize=8,
        )  # fmt: skip


def _panel(
    drawing: Figure,
    axes: Axes,
    image: np.ndarray,
    raster: Raster,
    view: _View,
    span: tuple[float, float],
    heading: str,
) -> None:
    signed = span[0] < 0 < span[1]
    if signed:
        limit = max(-span[0], span[1])
        colours, low, high = "RdBu_r", -limit, limit
    else:
        colours, low, high = ("viridis" if heading.startswith("|") else "magma_r"), *span
    # Two by two pixels are averaged: smooth edges at the price of one reshape.
    height, width = image.shape
    with np.errstate(invalid="ignore"):
        small = image.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    shown = axes.imshow(
        small, extent=raster.extent, cmap=colours, vmin=low, vmax=high, interpolation="nearest",
        aspect="equal",
    )  # fmt: skip
    if not heading.endswith(ERROR):  # the lines of an error would be those of its noise
        _isolines(axes, small, raster, low, high)
    if view.wall is not None:
        _draw_wall(axes, view)
    axes.set_xlim(*view.extent[:2])
    axes.set_ylim(*view.extent[2:])
    axes.set_title(heading, pad=4)
    axes.set_xticks([])
    axes.set_yticks([])
    box = axes.get_position()
    size = drawing.get_size_inches()
    bar = drawing.add_axes((box.x1 + 0.05 / size[0], box.y0, 0.07 / size[0], box.height))
    scale = drawing.colorbar(shown, cax=bar)
    scale.outline.set_linewidth(0.4)  # type: ignore[operator]
    scale.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]
    bar.tick_params(length=2, pad=1.5)
    bar.yaxis.get_offset_text().set_fontsize(6.5)
    if signed:  # colours run to both sides alike, the legend only as far as the values do
        bar.set_ylim(max(span[0], low), min(span[1], high))


def _isolines(axes: Axes, image: np.ndarray, raster: Raster, low: float, high: float) -> None:
    left, right, bottom, top = raster.extent
    height, width = image.shape
    x = left + (right - left) * (np.arange(width) + 0.5) / width
    y = top - (top - bottom) * (np.arange(height) + 0.5) / height
    levels = np.linspace(low, high, 15)[1:-1]
    image = np.ma.masked_invalid(image)
    if image.count() and np.any((image.min() < levels) & (levels < image.max())):
        axes.contour(x, y, image, levels, colors="black", linewidths=0.35, alpha=0.3,
                     linestyles="solid")  # fmt: skip


def _draw_wall(axes: Axes, view: _View) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    axes.add_collection(
        PolyCollection(view.loops, facecolors="white", edgecolors="none", zorder=2), autolim=False
    )
    axes.add_collection(
        LineCollection(list(view.segments), colors=INK, linewidths=0.7, zorder=3), autolim=False
    )


def _pressure_curve(
    axes: Axes,
    mesh: Mesh,
    view: _View,
    wall: WallFacets,
    pressure: np.ndarray,
    truth: np.ndarray | None,
) -> None:
    """Cp = 2 p over x / c; suction upwards, as aerodynamicists draw it."""
    x = (wall.centre[:, 0] - view.edge) / view.chord
    above = wall.normal[:, 1] < 0  # normals point into the body
    for side, colour, name in ((above, BLUE, "upper"), (~above, RED, "lower")):
        order = np.flatnonzero(side)[np.argsort(x[side])]
        predicted = 2.0 * _at_wall(mesh, wall, pressure)[order]
        axes.plot(x[order], predicted, color=colour, lw=1.2, label=f"{name}, predicted", zorder=3)
        if truth is not None:
            solved = 2.0 * _at_wall(mesh, wall, truth)[order]
            axes.plot(
                x[order],
                solved,
                "o",
                color=colour,
                ms=2.6,
                alpha=0.4,
                mew=0,
                label=f"{name}, truth",
            )
    axes.invert_yaxis()
    axes.axhline(0, color=GREY, lw=0.5, zorder=1)
    axes.set_title("wall pressure coefficient $C_p$", pad=4)
    axes.set_xlabel("x / c", labelpad=1)
    axes.set_xlim(-0.03, 1.03)
    axes.legend(loc="lower right" if truth is None else "upper right", handlelength=1.2)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)


def _headline(drawing: Figure, title: str, note: str) -> None:
    width, height = drawing.get_size_inches()
    top = 1 - 0.12 / height
    drawing.text(0.32 / width, top, title, va="top", fontsize=10.5, fontweight="bold")
    drawing.text(1 - 0.2 / width, top, note, va="top", ha="right", fontsize=9, color=INK)


def _view(mesh: Mesh) -> _View:
    from ..graph import wall_facets, wall_loops

    low, high = mesh.points[:, :2].min(axis=0), mesh.points[:, :2].max(axis=0)
    centre, half, panel = (low + high) / 2, 0.51 * (high - low), PANEL
    edge, chord = float(low[0]), float(high[0] - low[0])
    loops, ends = [], np.empty((0, 2))
    try:
        wall = wall_facets(mesh, external=True)
    except MeshError:
        wall = None
    if wall is not None:
        with suppress(MeshError):  # an open wall has no inside to blank
            loops = [mesh.points[ids, :2] for ids in wall_loops(mesh.points, wall.nodes)]
        ends = mesh.points[wall.nodes, :2].reshape(-1, 2)
        first = ends[np.argmin(ends[:, 0])]
        edge, chord = float(first[0]), max(float(np.ptp(ends[:, 0])), 1e-300)
    if len(ends) and (np.ptp(ends, axis=0) < 0.5 * (high - low)).all():
        centre, half = first + np.array([0.62 * chord, 0.0]), np.array([1.0, 0.5]) * chord
    else:  # no body in a far field: all of it, in a panel that is no higher than it asks for
        height = PANEL[0] * half[1] / max(half[0], 1e-300)
        panel = PANEL[0], float(np.clip(height, LOWEST * PANEL[1], PANEL[1]))
    # Grow the shorter side, so that a unit is as long up as it is across.
    ratio = panel[0] / panel[1]
    half = np.array([max(half[0], half[1] * ratio), max(half[1], half[0] / ratio)])
    half = np.maximum(half, 1e-300)
    extent = (centre[0] - half[0], centre[0] + half[0], centre[1] - half[1], centre[1] + half[1])
    return _View(extent, wall, loops, ends.reshape(-1, 2, 2), edge, chord, panel)


def _scalar(mesh: Mesh, name: str, values: np.ndarray) -> np.ndarray:
    """(M,) or (N,) float64: components of the last axis by magnitude."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or len(values) not in (mesh.n_cells, mesh.n_points):
        raise MeshError(
            f"array {name!r} has shape {values.shape}",
            f"expected one row for each of {mesh.n_cells} cells or {mesh.n_points} points",
        )
    flat = values.reshape(len(values), -1)
    return np.linalg.norm(flat, axis=1) if flat.shape[1] > 1 else flat[:, 0]


def _is_vector(values: Any) -> bool:
    return np.ndim(values) > 1 and np.size(values) > len(values)


def _image(mesh: Mesh, raster: Raster, values: np.ndarray) -> np.ndarray:
    on_cells = len(values) == mesh.n_cells
    return raster.of_points(to_points(mesh, values) if on_cells else values)


def _at_wall(mesh: Mesh, wall: WallFacets, values: np.ndarray) -> np.ndarray:
    """(F,) a facet's value: that of its cell, or the mean of its points."""
    return values[wall.owner] if len(values) == mesh.n_cells else values[wall.nodes].mean(axis=1)


def _limits(image: np.ndarray) -> tuple[float, float]:
    """What nearly all of the picture lies between; a range that cannot be empty."""
    seen = image[np.isfinite(image)]
    if not seen.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(seen, (0.1, 99.9)))
    if low >= 0 and low < 0.5 * high:
        low = 0.0
    if low < 0 < high and -low < 0.02 * high:
        low = 0.0  # a little noise below zero does not make a quantity signed
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _symmetric(image: np.ndarray, percent: float) -> tuple[float, float]:
    seen = np.abs(image[np.isfinite(image)])
    limit = float(np.percentile(seen, percent)) if seen.size else 0.0
    limit = limit or 1.0
    return -limit, limit


def _near_square(panels: int) -> tuple[int, int]:
    """Rows and columns: 4 panels are 2 x 2, 3 are 1 x 3."""
    columns = panels if panels <= 3 else int(np.ceil(np.sqrt(panels)))
    return -(-panels // max(columns, 1)), columns
