"""Figures of a training run: curves, and predicted against true scalars."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._style import BLUE, GREY, INK, SERIES, figure, save_png


def training_curves(history: Mapping[str, Sequence[float]], path: str | os.PathLike) -> None:
    """Draw the series of a run, one value an epoch (NaN where an epoch has none), on a log axis.

    history: name -> values. A series "epoch", "step", "minutes" or "seconds" of their length is
    the abscissa. Names that hold "lr" share a panel of their own.
    """
    series = {name: np.asarray(v, dtype=np.float64).ravel() for name, v in history.items()}
    axis = next((n for n in ("epoch", "step", "minutes", "seconds") if n in series), None)
    along = series.pop(axis) if axis else None
    rates = {n: v for n, v in series.items() if n == "lr" or n.startswith("lr") or "learning" in n}
    losses = {n: v for n, v in series.items() if n not in rates}
    groups = [group for group in (losses, rates) if group]
    with figure(4.6 * max(len(groups), 1), 3.2) as drawing:
        for i, group in enumerate(groups):
            axes = drawing.add_subplot(1, len(groups), i + 1)
            for (name, values), colour in zip(group.items(), _colours(len(group)), strict=True):
                matches = along is not None and len(along) == len(values)
                x = along if matches and along is not None else np.arange(1, len(values) + 1)
                seen = np.isfinite(values)
                mark = "." if seen.sum() < 3 else ""
                axes.plot(x[seen], values[seen], mark + "-", color=colour, lw=1.2, label=name)
            every = np.concatenate([v[np.isfinite(v)] for v in group.values()])
            if every.size and every.min() > 0:
                axes.set_yscale("log")
            axes.set_xlabel(axis or "epoch")
            axes.set_title("learning rate" if group is rates else "training")
            axes.grid(axis="y", color=GREY, alpha=0.25, lw=0.5)
            axes.legend()
            _open(axes)
        drawing.tight_layout()
        save_png(drawing, path)


def scalar_scatter(truth: Any, pred: Any, names: Sequence[str], path: str | os.PathLike) -> None:
    """Draw predicted against true scalars, one panel each, with the mean absolute error.

    truth and pred (n, S), one row a case; names S long.
    """
    truth = np.asarray(truth, dtype=np.float64).reshape(-1, len(names))
    pred = np.asarray(pred, dtype=np.float64).reshape(-1, len(names))
    with figure(3.1 * max(len(names), 1), 3.2) as drawing:
        for i, name in enumerate(names):
            axes = drawing.add_subplot(1, len(names), i + 1)
            x, y = truth[:, i], pred[:, i]
            both = np.concatenate([x, y])
            both = both[np.isfinite(both)]
            low, high = (both.min(), both.max()) if both.size else (0.0, 1.0)
            margin = 0.05 * (high - low) or 1.0
            low, high = low - margin, high + margin
            axes.plot([low, high], [low, high], color=GREY, lw=0.8, zorder=1)
            axes.plot(x, y, "o", color=BLUE, ms=3.2, alpha=0.7, mew=0)
            axes.set_xlim(low, high)
            axes.set_ylim(low, high)
            axes.set_aspect("equal")
            axes.set_title(name)
            axes.set_xlabel("solver")
            if i == 0:
                axes.set_ylabel("predicted")
            miss = np.abs(x - y)
            if np.isfinite(miss).any():
                text = f"mean |error| {np.nanmean(miss):.3g}"
                axes.text(0.05, 0.95, text, transform=axes.transAxes, va="top", color=INK)
            _open(axes)
        drawing.tight_layout()
        save_png(drawing, path)


def _colours(count: int) -> list[str]:
    return [SERIES[i % len(SERIES)] for i in range(count)]


def _open(axes: Any) -> None:
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
