"""What stands around a picture of a mesh: its heading, what the colours mean, the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..mesh import CELL_TYPES, Mesh
from ._style import BLUE, GREY, INK, RED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ._paint import Paint, Scale
    from ._scene import View

COLUMN = 1.55  # inches, of the legend at the right
_NAMED = 14  # names that have room


def heading(drawing: Figure, mesh: Mesh, title: str, note: str = "") -> None:
    """The title, and in a line below what the mesh consists of."""
    width, height = drawing.get_size_inches()
    counts = np.bincount(mesh.cell_types, minlength=256)
    kinds = [f"{counts[c]:,} {CELL_TYPES[int(c)].name}" for c in np.flatnonzero(counts)[::-1]]
    extent = np.ptp(mesh.points, axis=0)
    flat = extent[2] <= 1e-9 * extent.max()
    size = " x ".join(f"{s:.4g}" for s in (extent[:2] if flat else extent))
    words = [f"{mesh.n_points:,} points", *kinds[:4], *(["..."] * (len(kinds) > 4)), size, note]
    left, top, room = 0.25 / width, 1 - 0.14 / height, int(15 * width)
    drawing.text(left, top, short(title, int(10 * width)), va="top", fontsize=11, weight="bold")
    text = short("; ".join(word for word in words if word), room)
    drawing.text(left, top - 0.23 / height, text, va="top", fontsize=8.5, color=GREY)


def legend_height(paint: Paint, names: int) -> float:
    """Inches that the legend needs at least."""
    return 1.0 + (2.2 if paint.scale is not None else 0.0) + 0.2 * min(names, _NAMED + 1)


def legend(drawing: Figure, paint: Paint, thin: int = 1_000, hidden: int = 0) -> None:
    """The scale and the names of colours in a column at the right; those from `thin` on are lines.
    hidden: how many names stand for what cannot be seen."""
    from matplotlib.lines import Line2D

    width, height = drawing.get_size_inches()
    left, top = 1 - COLUMN / width, 1 - 0.75 / height
    if paint.scale is not None:
        long = height - 1.5
        if paint.names:
            long = max(long - 0.2 * min(len(paint.names), _NAMED) - 0.3, 0.45 * long)
        top = _colour_bar(drawing, paint.scale, left, top, long) - 0.1 / height
    handles = [
        Line2D([], [], color=colour, lw=2.5 if i >= thin else 0, label=short(name, 18),
               marker=None if i >= thin else "s", ms=8)
        for i, (name, colour) in enumerate(paint.names)
    ]  # fmt: skip
    more = len(handles) - _NAMED if len(handles) > _NAMED else 0
    handles = handles[:_NAMED]
    for count, what in ((more, "more"), (hidden, "out of sight")):
        if count:
            handles.append(Line2D([], [], lw=0, label=f"{count} {what}"))
    if handles:
        drawing.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(left - 0.1 / width, top),
            fontsize=8.5, handlelength=1.4, borderaxespad=0,
        )  # fmt: skip


def _colour_bar(drawing: Figure, scale: Scale, left: float, top: float, long: float) -> float:
    """Colours and their values, `long` inches from the top down; where it ends."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import ScalarFormatter

    width, height = drawing.get_size_inches()
    label = short(scale.label, 20)
    if not scale.least < scale.most:
        value = "no values" if np.isnan(scale.least) else f"= {scale.least:.6g}\neverywhere"
        text = f"{label}\n{value}" if np.isnan(scale.least) else f"{label} {value}"
        drawing.text(left, top, text, va="top", fontsize=9.5)
        return top - 0.45 / height
    beyond = scale.least < scale.low, scale.most > scale.high
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[beyond]
    bar = drawing.add_axes((left, top - long / height, 0.16 / width, (long - 0.3) / height))
    shown = drawing.colorbar(
        ScalarMappable(Normalize(scale.low, scale.high), "viridis"), cax=bar, extend=extend,
        extendfrac=0.03,
    )  # fmt: skip
    shown.outline.set_linewidth(0.4)  # type: ignore[operator]
    numbers = ScalarFormatter(useOffset=False)
    numbers.set_powerlimits((-3, 5))
    bar.yaxis.set_major_formatter(numbers)
    numbers.set_locs(list(bar.get_yticks()))
    if factor := numbers.get_offset():  # "p / 1e5" above, instead of 1e5 among the numbers
        label = f"{label} / {factor}"
    bar.yaxis.get_offset_text().set_visible(False)
    bar.tick_params(labelsize=8.5)
    drawing.text(left, top, label, va="top", fontsize=10)
    if not any(beyond):
        return top - long / height
    ends = f"min {scale.least:.4g}\nmax {scale.most:.4g}"
    drawing.text(left, top - (long + 0.15) / height, ends, va="top", fontsize=8, color=GREY)
    return top - (long + 0.5) / height


def triad(drawing: Figure, view: View) -> None:
    """The axes in the corner, as the projection sees them."""
    axes = drawing.add_axes((0.01, 0.02, 0.09, 0.14))
    axes.set_axis_off()
    for i, (name, colour) in enumerate(zip("xyz", (RED, "#2f9e6e", BLUE), strict=True)):
        x, y = view.right[i], view.up[i]
        if np.hypot(x, y) < 0.05:  # it points at us
            continue
        axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour})
        axes.text(1.3 * x, 1.3 * y, name, color=INK, fontsize=8, ha="center", va="center")
    axes.set_xlim(-1.5, 1.5)
    axes.set_ylim(-1.5, 1.5)
    axes.set_aspect("equal")


def short(text: str, limit: int) -> str:
    """At most `limit` characters, and no mathematics."""
    text = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return text.replace("$", r"\$")
