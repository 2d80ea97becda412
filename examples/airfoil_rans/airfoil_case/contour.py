"""Airfoil contours: NACA 4-digit formulas and coordinate files, both with a sharp trailing edge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contour:
    """An airfoil of chord 1: trailing edge at (1, 0), both sides run from nose to trailing edge.

    `upper` and `lower` are (n, 2); both start at the same nose point, the contour's foremost one,
    and end at the same trailing edge. `parameters` (name to number) go into the case's field data.
    """

    name: str
    upper: Array
    lower: Array
    parameters: dict[str, float]

    @property
    def loop(self) -> Array:
        """The closed contour (k, 2), counter-clockwise from the trailing edge, end not repeated."""
        return np.concatenate([self.upper[::-1], self.lower[1:-1]])


def cosine_spacing(n: int) -> Array:
    """`n` stations in [0, 1], dense at both ends."""
    return 0.5 * (1.0 - np.cos(np.linspace(0.0, np.pi, n)))


def naca4_ordinates(x: Array, m: float, p: float, t: float) -> tuple[Array, Array, Array]:
    """Half thickness, camber and camber slope of a NACA 4-digit section at stations `x`.

    `m` maximum camber, `p` its station, `t` thickness, all in chords. Abbott and von Doenhoff,
    Theory of Wing Sections, section 6.4; the last thickness coefficient is -0.1036 in place of
    -0.1015, which closes the trailing edge.
    """
    thickness = 5.0 * t * (
        0.2969 * np.sqrt(x) - 0.1260 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4
    )  # fmt: skip
    if m == 0.0:
        return thickness, np.zeros_like(x), np.zeros_like(x)
    front = x < p
    scale = np.where(front, m / p**2, m / (1.0 - p) ** 2)
    camber = scale * np.where(front, 2.0 * p * x - x**2, 1.0 - 2.0 * p + 2.0 * p * x - x**2)
    return thickness, camber, 2.0 * scale * (p - x)


def naca4(m: float, p: float, t: float, n: int = 90) -> Contour:
    """The NACA 4-digit section with camber `m` at station `p` and thickness `t` (in chords).

    `n` points a side. `naca4(0.02, 0.4, 0.12)` is the NACA 2412.
    """
    if not (0.0 <= m < 0.2 and 0.0 < p < 1.0 and 0.0 < t < 0.5):
        raise ValueError(f"no NACA 4-digit section has m={m}, p={p}, t={t}")
    x = cosine_spacing(n)
    thickness, camber, slope = naca4_ordinates(x, m, p, t)
    angle = np.arctan(slope)
    normal = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * thickness[:, None]
    line = np.stack([x, camber], axis=1)
    name = f"NACA m={m:.4f} p={p:.3f} t={t:.4f}"
    parameters = {"naca_m": m, "naca_p": p, "naca_t": t}
    return _from_sides(name, line + normal, line - normal, parameters)


def read_coordinates(path: str | Path, n: int = 90) -> Contour:
    """Read a coordinate file, in Selig or Lednicer order, and bring it to unit chord.

    The points are resampled to `n` a side along a cubic spline in arc length, the chord line
    (nose to the middle of the trailing edge) is laid on the x axis, and a blunt trailing edge
    is closed by a linear wedge, so that the mesh has one sharp edge. Raises ValueError with the
    file's name when it holds no usable contour.
    """
    path = Path(path)
    rows = _numeric_rows(path)
    if len(rows) < 12:
        raise ValueError(f"{path}: {len(rows)} coordinate rows, an airfoil needs at least 12")
    upper, lower = _split_lednicer(rows) if rows[0].max() > 1.5 else _split_selig(rows)
    if upper[len(upper) // 2, 1] < lower[len(lower) // 2, 1]:
        upper, lower = lower, upper
    tail = 0.5 * (upper[-1] + lower[-1])
    nose = _foremost(upper, lower, tail)
    chord = tail - nose
    length = float(np.hypot(*chord))
    if length < 1e-6:
        raise ValueError(f"{path}: the contour has no chord")
    c, s = chord / length
    turn = np.array([[c, -s], [s, c]]) / length
    sides = []
    for side in (upper, lower):
        q = _resample((side - nose) @ turn, n)
        q[:, 1] -= np.clip(q[:, 0], 0.0, 1.0) * q[-1, 1]  # close the trailing edge
        q[-1] = 1.0, 0.0
        sides.append(q)
    gap = sides[0][1:-1, 1] - np.interp(sides[0][1:-1, 0], sides[1][:, 0], sides[1][:, 1])
    if not np.all(np.isfinite(gap)) or gap.min() <= 0.0:
        raise ValueError(f"{path}: the sides of the contour cross")
    return _from_sides(path.stem, sides[0], sides[1], {})


def _from_sides(name: str, upper: Array, lower: Array, parameters: dict[str, float]) -> Contour:
    """Split the closed contour at its foremost point, where the mesh gets its nose vertex."""
    upper, lower = upper.copy(), lower.copy()
    upper[-1] = lower[-1] = 1.0, 0.0
    loop = np.concatenate([upper[::-1], lower[1:]])
    k = int(np.argmin(loop[:, 0]))
    return Contour(name, loop[: k + 1][::-1].copy(), loop[k:].copy(), parameters)


def _numeric_rows(path: Path) -> Array:
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        parts = line.replace(",", " ").split()
        try:
            x, y = float(parts[0]), float(parts[1])
        except (IndexError, ValueError):
            continue
        if np.isfinite(x) and np.isfinite(y) and (not rows or (x, y) != rows[-1]):
            rows.append((x, y))
    return np.array(rows, dtype=float).reshape(-1, 2)


def _split_selig(rows: Array) -> tuple[Array, Array]:
    """One loop: trailing edge, one side, nose, other side, trailing edge."""
    k = int(np.argmin(rows[:, 0]))
    if not 3 <= k <= len(rows) - 4:
        raise ValueError("the coordinate rows do not run around the contour")
    return rows[: k + 1][::-1], rows[k:]


def _split_lednicer(rows: Array) -> tuple[Array, Array]:
    """A row of counts, then the upper and the lower side, both from the nose."""
    n_upper, n_lower = int(rows[0, 0]), int(rows[0, 1])
    if n_upper < 4 or n_lower < 4 or len(rows) < 1 + n_upper + n_lower:
        raise ValueError(f"row of counts says {n_upper} and {n_lower}, found {len(rows) - 1} rows")
    return rows[1 : 1 + n_upper], rows[1 + n_upper : 1 + n_upper + n_lower]


def _foremost(upper: Array, lower: Array, tail: Array) -> Array:
    """The contour point farthest from the trailing edge: the end of the longest chord."""
    points = np.concatenate([upper, lower])
    point: Array = points[np.argmax(((points - tail) ** 2).sum(axis=1))]
    return point


def _resample(side: Array, n: int) -> Array:
    """`n` points along a cubic spline through `side`, dense at both ends."""
    from scipy.interpolate import CubicSpline

    step = np.hypot(*np.diff(side, axis=0).T)
    keep = np.concatenate([[True], step > 1e-9])
    side = side[keep]
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(side, axis=0).T))])
    return np.asarray(CubicSpline(arc, side)(cosine_spacing(n) * arc[-1]))
