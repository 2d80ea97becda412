"""How meshop's figures look, and how they reach the disk. matplotlib loads on first use."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GREY, BLUE, RED = "#1b1f24", "#8a9099", "#1f6fb4", "#d1495b"
SERIES = (BLUE, RED, "#2f9e6e", "#e0902f", "#7a5bb5", "#3a4048")

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "mathtext.fontset": "dejavusans",
    "text.usetex": False,
}


@contextmanager
def figure(width: float, height: float, dpi: int = 150) -> Iterator[Figure]:
    """A figure of that size in inches on the Agg canvas: no display, no libGL, no pyplot state."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_RC):
        drawing = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
        FigureCanvasAgg(drawing)
        yield drawing


def save_png(drawing: Figure, path: str | os.PathLike) -> None:
    """Write beside `path`, then replace it: a reader never sees half a picture."""
    path = Path(path)
    handle, part = tempfile.mkstemp(suffix=".png", prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        # Software would name its version and so change bytes that mean nothing.
        drawing.savefig(part, format="png", metadata={"Software": None})
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)  # mkstemp is private; the result is an ordinary file
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
