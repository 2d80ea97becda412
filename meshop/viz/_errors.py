"""Charts of errors by model, as SVG text that a page holds inside itself."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._style import BLUE, GREY, INK, RED, figure


@dataclass(frozen=True)
class ErrorBar:
    """One model's errors: mean over cases of each seed, per-case errors behind it, and whether it
    is a null (drawn grey)."""

    label: str
    means: Sequence[float]
    cases: Sequence[float] = field(default_factory=tuple)
    is_null: bool = False


def error_chart(title: str, bars: Sequence[ErrorBar], published: float | None = None) -> str:
    """Errors by model on a log axis, best on top: a dot for each seed's mean, a line from the
    least to the greatest case, a dashed line at the published figure. Returns SVG."""
    order = sorted(bars, key=lambda b: sum(b.means) / max(1, len(b.means)), reverse=True)
    with figure(4.9, 0.75 + 0.21 * len(order)) as drawing:
        axes = drawing.add_subplot(1, 1, 1)
        for row, bar in enumerate(order):
            colour = GREY if bar.is_null else BLUE
            if len(bar.cases):
                low, high = min(bar.cases), max(bar.cases)
                axes.plot([low, high], [row, row], color=colour, alpha=0.35, lw=2.5)
            axes.plot(bar.means, [row] * len(bar.means), "o", color=colour, ms=4, mew=0)
        if published is not None:
            axes.axvline(published, color=RED, lw=0.9, ls="--")
        axes.set_xscale("log")
        axes.set_yticks(range(len(order)), [bar.label for bar in order])
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.set_title(title)
        axes.set_xlabel("relative L2 error")
        axes.grid(axis="x", color=GREY, alpha=0.25, lw=0.5)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        drawing.tight_layout(pad=0.4)
        return _svg(drawing, title)


def cost_chart(points: Mapping[str, tuple[float, float]], xlabel: str, ylabel: str) -> str:
    """Models as labelled dots on two log axes. Returns SVG."""
    with figure(4.9, 3.2) as drawing:
        axes = drawing.add_subplot(1, 1, 1)
        for label, (x, y) in points.items():
            axes.plot([x], [y], "o", color=BLUE, ms=4, mew=0)
            axes.annotate(
                label, (x, y), (4, 2), textcoords="offset points", fontsize=6.5, color=INK
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid(color=GREY, alpha=0.25, lw=0.5)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        drawing.tight_layout(pad=0.4)
        return _svg(drawing, f"{ylabel} against {xlabel}")


def _svg(drawing: object, title: str) -> str:
    """SVG element without prolog; ids that do not clash with another chart of the page."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    salt = re.sub(r"\W+", "-", title)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[attr-defined]
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{salt}-", text)
