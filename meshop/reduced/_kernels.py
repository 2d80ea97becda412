"""Correlations of stationary Gaussian processes, and polynomial trends beneath them.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

KERNELS = ("matern", "rbf", "rational")
TRENDS = ("mean", "constant", "linear", "quadratic")


def correlation(kernel: str, a: Tensor, b: Tensor, lengths: Tensor, power: Tensor) -> Tensor:
    """(Q, m, n) correlations of a (m, D) with b (n, D); lengths (Q, D), power (Q,).

    With d^2 = sum_i ((a_i - b_i) / l_i)^2: "matern" (1 + r + r^2 / 3) exp(-r), r = sqrt(5) d
    (smoothness 5/2, equation 4.17); "rbf" exp(-d^2 / 2) (4.9); "rational" quadratic
    (1 + d^2 / (2 p))^-p (4.19), which alone has the power p.
    """
    p, q = a / lengths[:, None], b / lengths[:, None]
    square = p.square().sum(2)[:, :, None] + q.square().sum(2)[:, None] - 2 * p @ q.mT
    square = square.clamp_min(0)
    if kernel == "rbf":
        return torch.exp(-0.5 * square)
    if kernel == "rational":
        power = power[:, None, None]
        return torch.exp(-power * torch.log1p(square / (2 * power)))
    # The root has no finite slope at zero.
    r = (5 * square + 1e-14).sqrt()
    return (1 + r + r.square() / 3) * torch.exp(-r)


def trend_basis(trend: str, x: Tensor) -> Tensor:
    """(n, p) polynomials of x (n, D): none for "mean", which is zero once outputs are centred."""
    n, d = x.shape
    parts = [] if trend == "mean" else [x.new_ones(n, 1)]
    if trend in ("linear", "quadratic"):
        parts.append(x)
    if trend == "quadratic":
        i, j = torch.triu_indices(d, d)
        parts.append(x[:, i] * x[:, j])
    return torch.cat([x.new_zeros(n, 0), *parts], dim=1)
