"""The picture of a mesh: its cells with their edges, by region, by an array, or with its faults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import MeshError
from ..mesh import CELL_TYPES, DIM, Mesh, facet_table, find_rows
from . import _scene
from ._plane import draw_plane, plane_views
from ._style import BLUE, GREY, INK, RED, SERIES, figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN, FAINT, EDGE = "#b9cbe0", "#e4e8ee", _scene.EDGE
PALETTE = (
    "#4c8fc9", "#e39a4a", "#5fae7b", "#d2707a", "#9a83c6", "#b58a6b", "#d98cc0", "#9aa3ad",
    "#c2b94d", "#5cb8c4", "#2f5f8f", "#a5522d",
)  # fmt: skip
DENSE = 150_000  # edges beyond which lines would cover everything


class Paint(NamedTuple):
    """Colours (n, 3) uint8 of what is drawn, and what they stand for: names with colours, or the
    range, label and unit of a scale."""

    rgb: np.ndarray
    names: tuple[tuple[str, str], ...] = ()
    scale: tuple[float, float, str] | None = None


class Shell(NamedTuple):
    """What is drawn of a mesh in space: polygons (F, k) padded with -1, and the cell of each."""

    nodes: np.ndarray
    cell: np.ndarray


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
    values = None if array is None else _values(mesh, array)
    if mesh.dim == 2 and mesh.is_planar:
        _plane_picture(mesh, path, array, values, title, edges, marked)
        return
    scene, paint = _scene_of(mesh, array, values, edges, clip, marked)
    image = _scene.render(scene)
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
    values = None if array is None else _values(mesh, array)
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
        shell = _shell(mesh, clip)
        paint = _paint(mesh, shell, array, values, marked)
        triangles, of = _fans(shell.nodes)
        net = _outlines(shell.nodes) if edges else no_ids[:, :2]
        net = net if len(net) <= DENSE else net[:0]
        dots = no_dots if marked is None else _marks(mesh, marked)
        return _scene.Scene(
            mesh.points, triangles, paint.rgb[of], net, _rgb(EDGE, len(net)),
            dots, _rgb(RED, len(dots)), line_width=1.2 if len(net) < 20_000 else 0.7,
            line_opacity=0.75 if len(net) < 60_000 else 0.4, dot_size=18.0, dots_on_top=True,
        ), paint  # fmt: skip
    if mesh.dim == 1:
        lines = _lines(mesh)
        paint = Paint(_rgb(BLUE, len(lines)))
        dots = no_dots if marked is None else _marks(mesh, marked)
        return _scene.Scene(
            mesh.points, no_ids, none, lines, paint.rgb, dots, _rgb(RED, len(dots)), 2.5
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
    paint = _by_value(values, array or "")
    rgb = paint.rgb
    if marked is not None:
        rgb = _rgb(GREY, mesh.n_points)
        rgb[marked[1]] = _rgb(RED, 1)
        paint = Paint(rgb, (("faults", RED),))
    scene = _scene.Scene(
        mesh.points, np.empty((0, 3), np.int64), rgb[:0], np.empty((0, 2), np.int64), rgb[:0],
        mesh.points, rgb, dot_size=float(np.clip(1200 / np.sqrt(mesh.n_points), 2.0, 18.0)),
    )  # fmt: skip
    return scene, paint


def _shell(mesh: Mesh, clip: bool) -> Shell:
    """Cells of a surface, or the faces of a volume's cells that are seen from outside."""
    if mesh.dim == 3:
        facets = facet_table(mesh)
        kept = np.zeros(mesh.n_cells + 1, dtype=bool)  # the last one stands for outside
        kept[:-1] = True
        if clip:
            # Across the narrower side, so that the cut is large; the half behind it stays.
            axis = int(np.argmin(np.ptp(mesh.points[:, :2], axis=0)))
            depth = mesh.cell_centers()[:, axis] * np.sign(_scene.TOWARD[axis])
            kept[:-1] = depth <= (depth.min() + depth.max()) / 2
        outer = np.flatnonzero(kept[facets.owner] != kept[facets.neighbor])
        owner, other = facets.owner[outer], facets.neighbor[outer]
        return Shell(facets.padded(outer), np.where(kept[owner], owner, other))
    cells = np.flatnonzero(DIM[mesh.cell_types] == 2)
    return Shell(*cell_rings(mesh, cells))


def cell_rings(mesh: Mesh, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners around two-dimensional cells (F, k), padded with -1, and the cell of each row."""
    size = np.diff(mesh.cell_offsets)
    rings, owners, width = [], [], 3
    for code in np.unique(mesh.cell_types[cells]):
        row = CELL_TYPES[int(code)]
        mine = cells[mesh.cell_types[cells] == code]
        for n in np.unique(size[mine]):
            some = mine[size[mine] == n]
            ids = mesh.cell_nodes[mesh.cell_offsets[some][:, None] + np.arange(n)]
            if row.name == "triangle_strip":
                parts = [ids[:, i : i + 3] for i in range(n - 2)]
            elif row.name == "pixel":
                parts = [ids[:, [0, 1, 3, 2]]]
            else:
                parts = [ids[:, : {0: n, -1: n // 2}.get(row.corners, row.corners)]]
            rings += parts
            owners += [some] * len(parts)
            width = max(width, parts[0].shape[1])
    out = [np.pad(r, ((0, 0), (0, width - r.shape[1])), constant_values=-1) for r in rings]
    return np.concatenate(out), np.concatenate(owners)


def _fans(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fans, of = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for j in range(2, nodes.shape[1]):
        has = np.flatnonzero(nodes[:, j] >= 0)
        fans.append(nodes[has][:, [0, j - 1, j]])
        of.append(has)
    return np.concatenate(fans), np.concatenate(of)


def _outlines(nodes: np.ndarray) -> np.ndarray:
    """(L, 2) the edges of polygons, each once."""
    after = np.roll(nodes, -1, axis=1)
    after = np.where(after >= 0, after, nodes[:, :1])
    real = nodes >= 0
    pairs = np.sort(np.stack([nodes[real], after[real]], axis=1), axis=1)
    span = int(pairs.max(initial=0)) + 1
    key = np.unique(pairs[:, 0] * span + pairs[:, 1])
    return np.stack([key // span, key % span], axis=1)


def _lines(mesh: Mesh) -> np.ndarray:
    cell = np.repeat(np.arange(mesh.n_cells), np.diff(mesh.cell_offsets))
    joined = (cell[1:] == cell[:-1]) & (DIM[mesh.cell_types[cell[1:]]] == 1)
    return np.stack([mesh.cell_nodes[:-1][joined], mesh.cell_nodes[1:][joined]], axis=1)


def _paint(
    mesh: Mesh,
    shell: Shell,
    array: str | None,
    values: np.ndarray | None,
    marked: tuple[np.ndarray, np.ndarray] | None,
) -> Paint:
    if marked is not None:
        bad = np.isin(shell.cell, marked[0])
        rgb = np.where(bad[:, None], _rgb(RED, 1), _rgb(FAINT, 1)).astype(np.uint8)
        return Paint(rgb, (("faults", RED),))
    if values is not None and array is not None:
        if len(values) == mesh.n_cells and array in mesh.cell_data:
            return _by_value(values[shell.cell], array)
        used = shell.nodes >= 0
        total = np.where(used, values[shell.nodes], 0.0).sum(axis=1)
        return _by_value(total / used.sum(axis=1), array)
    return _by_region(mesh, shell)


def _by_value(values: np.ndarray, label: str) -> Paint:
    from matplotlib import colormaps

    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    if not high - low > 1e-12 * max(abs(low), abs(high)):  # constant, up to its rounding
        low, high = low - max(0.5, 0.1 * abs(low)), low + max(0.5, 0.1 * abs(low))
    part = np.clip(np.nan_to_num((values - low) / (high - low), nan=0.0), 0, 1)
    rgb = (colormaps["viridis"](part)[:, :3] * 255).astype(np.uint8)
    rgb[~np.isfinite(values)] = _rgb(GREY, 1)
    return Paint(rgb, (), (float(low), float(high), label))


def _by_region(mesh: Mesh, shell: Shell) -> Paint:
    """Named faces first, then materials; what has no name is plain."""
    label = np.full(len(shell.cell), -1)
    names: list[str] = []
    order = sorted(mesh.regions.items(), key=lambda item: _rank(mesh, *item))
    for name, _ in order:
        hit = region_facets(mesh, name, shell.nodes, shell.cell) & (label < 0)
        if hit.any():
            label[hit] = len(names)
            names.append(name)
    shown = names[: len(PALETTE)]
    if len(names) == 1 and np.all(label == 0):  # one material needs no loud colour
        return Paint(_rgb(PLAIN, len(label)), ((names[0], PLAIN),))
    table = np.array([*(_rgb(PALETTE[i], 1)[0] for i in range(len(shown))), _rgb(PLAIN, 1)[0]])
    rgb = table[np.where((label < 0) | (label >= len(shown)), len(shown), label)]
    legend = list(zip(shown, PALETTE, strict=False))
    if names and (np.any(label < 0) or len(names) > len(shown)):
        more = len(names) - len(shown)
        legend.append((f"{more} more" if more else "no region", PLAIN))
    return Paint(rgb.astype(np.uint8), tuple(legend))


def _rank(mesh: Mesh, name: str, region: object) -> int:
    kind, ids = region.kind, region.ids  # type: ignore[attr-defined]
    if kind == "cell":
        top = len(ids) and DIM[mesh.cell_types[ids]].max() == mesh.dim
        return 2 if top else 0
    return 0 if kind == "facet" else 1


def region_facets(mesh: Mesh, name: str, nodes: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(F,) which polygons belong to a region: by its facets, its cells, or all their points."""
    region = mesh.regions[name]
    hit = np.zeros(len(cell), dtype=bool)
    if region.kind == "facet":
        rows = find_rows(nodes, region.ids)
    elif region.kind == "point":
        inside = np.zeros(mesh.n_points + 1, dtype=bool)
        inside[region.ids] = True
        inside[-1] = True  # padding
        return inside[nodes].all(axis=1)
    else:
        hit |= np.isin(cell, region.ids)
        lower = region.ids[DIM[mesh.cell_types[region.ids]] == mesh.dim - 1]
        if not len(lower) or mesh.dim != 3:
            return hit
        rows = find_rows(nodes, cell_rings(mesh, lower)[0])
    hit[rows[rows >= 0]] = True
    return hit


def _rgb(colour: str, n: int) -> np.ndarray:
    """(n, 3) uint8 rows of one colour."""
    from matplotlib.colors import to_rgb

    return np.tile(np.round(np.array(to_rgb(colour)) * 255).astype(np.uint8), (n, 1))


def _values(mesh: Mesh, name: str) -> np.ndarray:
    """(N,) or (M,) numbers of an array; vectors by magnitude."""
    found = mesh.point_data.get(name, mesh.cell_data.get(name))
    if found is None or found.dtype.kind not in "fiub":
        known = [
            n for d in (mesh.point_data, mesh.cell_data) for n, v in d.items()
            if v.dtype.kind in "fiub"
        ]  # fmt: skip
        what = "it holds no numbers" if found is not None else "there is none of this name"
        raise MeshError(f"array {name!r}", what, f"one of {', '.join(known)}" if known else "")
    flat = found.reshape(len(found), -1).astype(np.float64)
    return np.linalg.norm(flat, axis=1) if flat.shape[1] > 1 else flat[:, 0]


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
    shell = _shell(mesh, False)
    paint = _paint(mesh, shell, array, values, marked)
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
            draw_plane(axes, mesh.points, shell.nodes, paint.rgb, extent, EDGE if edges else None)
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
