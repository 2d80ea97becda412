"""Burgers' equation in the unit square, by finite volumes: fronts that steepen and move.

    du/dt + d(u^2 / 2)/dx + d(u^2 / 2)/dy = nu Laplacian u,    u = 0 on the boundary

Slopes limited (minmod), Rusanov's flux, Heun's rule: of second order where u is smooth.
Source: LeVeque, Finite Volume Methods for Hyperbolic Problems (Cambridge, 2002), 6.11, 12.
"""

from __future__ import annotations

import numpy as np

CELLS, NU, DT, STEPS = 80, 2e-3, 0.04, 12


def initial(random: np.random.Generator, n: int = CELLS) -> np.ndarray:
    """(n, n) one to three bumps, rows y."""
    x = (np.arange(n) + 0.5) / n
    u = np.zeros((n, n))
    for _ in range(int(random.integers(1, 4))):
        a, b = random.uniform(0.2, 0.55, 2)
        width, height = random.uniform(0.06, 0.13), random.uniform(0.6, 1.4)
        far = (x[None] - a) ** 2 + (x[:, None] - b) ** 2
        u = np.maximum(u, height * np.exp(-far / (2 * width**2)))
    return u


def advance(u: np.ndarray, time: float, nu: float = NU) -> np.ndarray:
    """(..., n, n) u after some time."""
    h = 1 / u.shape[-1]
    fastest = max(float(np.abs(u).max()), 1e-3)
    count = int(np.ceil(time / min(0.2 * h / fastest, 0.1 * h * h / nu)))
    for _ in range(count):
        first = u + time / count * _rate(u, h, nu)
        u = (u + first + time / count * _rate(first, h, nu)) / 2
    return u


def _rate(u: np.ndarray, h: float, nu: float) -> np.ndarray:
    out = np.zeros_like(u)
    for axis in (-1, -2):
        v = np.moveaxis(u, axis, -1)
        pad = [(0, 0)] * (v.ndim - 1) + [(2, 2)]
        v = np.pad(v, pad)
        v[..., 1], v[..., -2] = -v[..., 2], -v[..., -3]  # u = 0 on the wall
        v[..., 0], v[..., -1] = -v[..., 3], -v[..., -4]
        step = np.diff(v, axis=-1)
        back, ahead = step[..., :-1], step[..., 1:]
        slope = np.where(back * ahead > 0, np.sign(back) * np.minimum(abs(back), abs(ahead)), 0.0)
        left, right = (v[..., 1:-1] + slope / 2)[..., :-1], (v[..., 1:-1] - slope / 2)[..., 1:]
        speed = np.maximum(abs(left), abs(right))
        flux = (left**2 + right**2) / 4 - speed / 2 * (right - left) - nu / h * step[..., 1:-1]
        out -= np.moveaxis(np.diff(flux, axis=-1), -1, axis) / h
    return out


def series(count: int, n: int = CELLS) -> np.ndarray:
    """(STEPS + 1, count, n, n) states, DT apart."""
    u = np.stack([initial(np.random.default_rng((0, k)), n) for k in range(count)])
    out = [u]
    for _ in range(STEPS):
        out.append(advance(out[-1], DT))
    return np.stack(out)


def at(u: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., N) bilinear values of (..., n, n) at points (N, 2), zero on the boundary."""
    n = u.shape[-1]
    pad = [(0, 0)] * (u.ndim - 2) + [(1, 1)] * 2
    full = np.pad(u, pad)
    full[..., 0, :], full[..., -1, :] = -full[..., 1, :], -full[..., -2, :]
    full[..., :, 0], full[..., :, -1] = -full[..., :, 1], -full[..., :, -2]
    place = points * n + 0.5
    low = np.clip(np.floor(place).astype(int), 0, n)
    (i, j), (s, t) = low.T, (place - low).T
    return (
        (1 - t) * ((1 - s) * full[..., j, i] + s * full[..., j, i + 1])
        + t * ((1 - s) * full[..., j + 1, i] + s * full[..., j + 1, i + 1])
    )  # fmt: skip
