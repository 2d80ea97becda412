"""Monitors by name: `error:p`, `grad:p`, `hessian:U`, `ring:0.3`, `array:density`, or a file's."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import ConditionError
from ..mesh import Mesh
from ._layer import Layer
from ._monitor import (
    Monitor,
    error_monitor,
    gradient_monitor,
    hessian_monitor,
    ring_monitor,
    smoothed,
)

MONITORS = ("error", "grad", "hessian", "ring", "array")
MOST = 0.99  # of the points: what is steeper counts as no steeper
_GAIN = {"error": 1.0, "grad": 10.0, "hessian": 5.0, "ring": 10.0}


class NamedMonitor(NamedTuple):
    """value: as movers take it; field (N, ...): what is followed, at points, if anything; name: of
    its array, or of the monitor; label: the monitor as it was asked for."""

    value: Monitor | np.ndarray
    field: np.ndarray | None
    name: str
    label: str


def named_monitor(
    mesh: Mesh, text: str, *, strength: float | None = None, smooth: float = 1.0
) -> NamedMonitor:
    """The monitor that a text stands for, on a mesh.

    error:NAME makes each cell's error of an array's interpolation the same (`error_monitor`);
    grad:NAME is 1 + strength |grad u|^2 / max, hessian:NAME the same of second derivatives; vectors
    by the sum over components, arrays at cells by their means around each point.
    ring:RADIUS[,WIDTH][@X,Y[,Z]] is a ring or sphere (radius 0: a spot), around the middle of the
    mesh unless told; array:NAME the array itself. strength: 10 for grad and ring, 5 for hessian, 1
    for error. smooth: over how many cells all but ring are spread (`smoothed`). On one layer of
    cells all is as on the plane mesh that it stands for, X and Y too (`flatten`).

    Raises ConditionError for texts and arrays that make no monitor: unknown, NaN, the same
    everywhere, or not positive.
    """
    layer = Layer.of(mesh)
    if layer is not None:
        flat = named_monitor(layer.plane, text, strength=strength, smooth=smooth)
        field = None if flat.field is None else np.asarray(layer.up(flat.field))
        return flat._replace(value=layer.up(flat.value), field=field)
    kind, _, rest = text.partition(":")
    if kind not in MONITORS or not rest:
        raise ConditionError(
            f"monitor {text!r}",
            f"expected {', '.join(f'{k}:...' for k in MONITORS)}",
            "error:p, grad:p, hessian:U, ring:0.3",
        )
    if strength is not None and not 0 < strength < np.inf:
        raise ConditionError(f"strength {strength:g}", "expected a number above zero", "10")
    if not 0 <= smooth < np.inf:
        raise ConditionError(f"smooth {smooth:g}", "expected a number of cells, 0 or more", "1")
    gain = _GAIN.get(kind, 1.0) if strength is None else strength
    if kind == "ring":
        return NamedMonitor(_ring(mesh, text, rest, gain), None, text, text)
    values = _field(mesh, text, rest)
    if kind == "array":
        if values.ndim != 1:
            raise ConditionError(f"monitor {text!r}", "it is a vector", f"grad:{rest}")
        _check_usable(text, values)
        return NamedMonitor(_smooth(mesh, values, smooth), None, rest, text)
    if kind == "error":
        found = error_monitor(mesh, values, gain)
    else:
        make: Callable[..., np.ndarray] = gradient_monitor if kind == "grad" else hessian_monitor
        found = make(mesh, values, gain, most=MOST)
    if np.ptp(found) <= 1e-9 * found.max():
        what = "slope" if kind == "grad" else "curvature"
        raise ConditionError(
            f"monitor {text!r}",
            f"{rest} has the same {what} everywhere: there is nothing to follow",
            f"another array, or ring:0.3; meshop info lists {rest}'s range",
        )
    return NamedMonitor(_smooth(mesh, found, smooth), values, rest, text)


def _check_usable(text: str, values: np.ndarray) -> None:
    """Raises ConditionError for values that are not positive, or the same everywhere."""
    if not (values > 0).all():
        raise ConditionError(
            f"monitor {text!r}",
            f"found {values.min():g}, expected values above zero: cells shrink where it is large",
            "1 + its square, or grad: of the array",
        )
    if values.max() == values.min():
        raise ConditionError(
            f"monitor {text!r}", f"it is {values.max():g} everywhere: nothing would move"
        )


def _at_points(mesh: Mesh, name: str) -> np.ndarray:
    """(N, ...) an array of floats, of cells by their means around each point."""
    if name in mesh.point_data:
        return np.asarray(mesh.point_data[name], float)
    values = np.asarray(mesh.cell_data[name], float)
    p1 = mesh.p1()
    return p1.filled(p1.project(values, lumped=True)) if len(p1.idle) else p1.project(
        values, lumped=True
    )  # fmt: skip


def _field(mesh: Mesh, text: str, name: str) -> np.ndarray:
    data = {**mesh.cell_data, **mesh.point_data}
    known = [n for n, v in data.items() if v.dtype.kind in "fiu"]
    if name not in known:
        why = f"{name} holds no numbers" if name in data else f"there is no array {name}"
        hint = f"one of {', '.join(known)}" if known else "ring:0.3, which needs no array"
        raise ConditionError(f"monitor {text!r}", why, hint)
    if bad := int(np.count_nonzero(~np.isfinite(data[name]))):
        first = int(np.argwhere(~np.isfinite(data[name]))[0, 0])
        where = "point" if name in mesh.point_data else "cell"
        raise ConditionError(
            f"monitor {text!r}",
            f"in {name} {bad} value{' is' if bad == 1 else 's are'} NaN or infinite, the first at "
            f"{where} {first}",
            "meshop validate lists them; solve again, or another array",
        )
    values = _at_points(mesh, name)
    if values.max() == values.min():
        raise ConditionError(
            f"monitor {text!r}",
            f"{name} is {values.max():g} everywhere: there is nothing to follow",
            "another array, or ring:0.3",
        )
    return values


def _smooth(mesh: Mesh, values: np.ndarray, cells: float) -> np.ndarray:
    return smoothed(mesh, values, cells) if cells > 0 else values


def _ring(mesh: Mesh, text: str, rest: str, gain: float) -> Monitor:
    size, _, where = rest.partition("@")
    d, low, high = mesh.dim, mesh.points.min(axis=0), mesh.points.max(axis=0)
    try:
        numbers = [float(v) for v in size.split(",")]
        centre = [float(v) for v in where.split(",")] if where else ((low + high) / 2)[:d].tolist()
    except ValueError:
        numbers, centre = [], []
    radius, width = (*numbers, *numbers[:1])[:2] if numbers else (np.nan, np.nan)
    width = width if len(numbers) == 2 else (radius or float(np.linalg.norm(high - low))) / 5
    if (
        len(numbers) not in (1, 2)
        or len(centre) != d
        or not np.isfinite([*numbers, *centre]).all()
        or not (radius >= 0 and width > 0)
    ):
        raise ConditionError(
            f"monitor {text!r}",
            f"expected ring:RADIUS[,WIDTH][@{','.join('XYZ'[:d])}], lengths in the mesh's unit",
            "ring:0.3, or ring:0.3,0.05@" + ",".join(f"{v:g}" for v in ((low + high) / 2)[:d]),
        )
    # sech^2 is 0.42 a width outside.
    return ring_monitor(gain, 1 / (width * (2 * radius + width)), radius**2, tuple(centre))
