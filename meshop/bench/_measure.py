"""Errors of predicted fields, per case, in physical units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..train import StoredCase
from ._task import Task


def columns(constants: Mapping[str, Sequence[float | None]]) -> dict[str, slice]:
    """Where each field's predicted components lie in y."""
    out, at = {}, 0
    for name, row in constants.items():
        width = sum(value is None for value in row)
        if width:
            out[name] = slice(at, at + width)
        at += width
    return out


def relative_errors(
    task: Task,
    constants: Mapping[str, Sequence[float | None]],
    length: float,
    case: StoredCase,
    fields: np.ndarray,
    restore: np.ndarray | None = None,
) -> dict[str, float]:
    """Relative L2 error of each field (N, C), as `Task.measure` says.

    restore: (2, N, C) shift and scale that give the fields in physical units.
    """
    truth = np.asarray(case.y, dtype=np.float64)
    if restore is not None:
        truth, fields = (restore[0] + restore[1] * values for values in (truth, fields))
    weight = np.ones(len(truth)) if task.measure == "plain" else np.asarray(case.weight)
    if task.measure == "near":
        weight = weight * (np.asarray(case.dist) < length)
    out = {}
    for name, part in columns(constants).items():
        miss = ((fields[:, part] - truth[:, part]) ** 2).sum(1)
        base = case.reference[part] if task.measure == "near" else 0.0
        size = ((truth[:, part] - base) ** 2).sum(1)
        out[name] = float(np.sqrt((weight @ miss) / max(float(weight @ size), 1e-300)))
    return out


def summary(errors: Sequence[Mapping[str, float]]) -> dict[str, dict[str, object]]:
    """Mean, median, greatest, and all, of each field over cases."""
    out: dict[str, dict[str, object]] = {}
    for name in errors[0] if errors else ():
        values = [float(e[name]) for e in errors]
        out[name] = {
            "mean": float(np.mean(values)),
            "median": float(np.median(values)),
            "max": float(np.max(values)),
            "per_case": values,
        }
    return out
