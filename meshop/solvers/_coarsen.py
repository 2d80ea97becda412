"""Smoothed aggregation: from a matrix to the prolongation of its coarser unknowns.

Vanek, Mandel and Brezina, Algebraic multigrid by smoothed aggregation, Computing 56 (1996). The
near-kernel is the constant: what scalar diffusion has.
"""

from __future__ import annotations

import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from ..errors import SolveError
from ..ops import Csr, aggregate, csr_matmul, segment_reduce

L1 = 2.25  # of the row sums that smoothing takes for those of good elements
OMEGA = 4 / 3  # of Jacobi, over rho(D^-1 A): the least bound on [0, rho] for smoothed prolongation


def inverse_diagonal(a: Csr) -> Tensor:
    """(N,) 1 / a_ii. Raises SolveError where one is not positive."""
    diagonal = a.diagonal()
    wrong = (~(diagonal > 0)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise SolveError(
            f"matrix of {a.rows} rows",
            f"expected a positive diagonal, found {float(diagonal[row]):.3g} in row {row}",
            "a symmetric positive definite matrix; eliminate unknowns that no equation holds",
        )
    return 1 / diagonal


def smoother_scale(a: Csr) -> Tensor:
    """(N,) 1 / max(a_ii, sum_j |a_ij| / 2.25): the diagonal, but for rows of bad elements.

    Diffusion on good elements has row sums of 2 a_ii. A few slivers of much more would otherwise
    raise rho(D^-1 A), and slow the smoothing of all rows.
    """
    return torch.minimum(inverse_diagonal(a), L1 / a.row_sums())


def spectral_radius(a: Csr, scale: Tensor, steps: int = 8) -> float:
    """An upper estimate of the largest eigenvalue of diag(scale) A, A symmetric, scale positive.

    Lanczos from a fixed vector, raised by a tenth, and never more than the largest absolute row
    sum, which bounds it (Gershgorin).
    """
    if a.rows == 0:
        return 1.0
    bound = float((a.row_sums() * scale).max())
    root = scale.sqrt()[:, None]
    # Irregular, so that it holds some of every eigenvector, and the same in every run.
    v = (torch.arange(1, a.rows + 1, dtype=scale.dtype, device=scale.device) * 1.7).sin()[:, None]
    v = v / _dot(v, v) ** 0.5
    before, beta = torch.zeros_like(v), 0.0
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, a.rows)):
        w = torch.ops.meshop.csr_apply(a.rowptr, a.index, a.value, root * v, None, 1.0)
        w = root * w - beta * before
        alpha = _dot(w, v)
        w = w - alpha * v
        diagonal.append(alpha)
        beta = _dot(w, w) ** 0.5
        if beta < 1e-12 * abs(alpha):
            break
        beside.append(beta)
        before, v = v, w / beta
    beside = beside[: len(diagonal) - 1]
    top = float(eigh_tridiagonal(diagonal, beside, eigvals_only=True)[-1])
    return min(1.1 * top, bound)


def _dot(x: Tensor, y: Tensor) -> float:
    """The same on any number of threads."""
    return float(segment_reduce(x * y, torch.tensor([0, len(x)])))


def aggregation(a: Csr, theta: float) -> tuple[Csr, Tensor]:
    """The piecewise constant prolongation of greedy aggregates, and their roots (K,).

    Rows of unknowns without a strong entry (|a_ij| >= theta sqrt(a_ii a_jj)) are empty: smoothing
    alone solves those.
    """
    found = aggregate(a.index, a.rowptr, a.value, theta)
    held = found.cluster >= 0
    rowptr = torch.cat([held.new_zeros(1, dtype=torch.int64), held.cumsum(0)])
    index = found.cluster[held].to(a.index.dtype)
    return Csr(rowptr, index, a.value.new_ones(len(index)), len(found.root)), found.root


def prolongation(a: Csr, tentative: Csr, scale: Tensor, rho: float, degree: int = 1) -> Csr:
    """(I - omega diag(scale) A)^degree tentative, omega = 4 / (3 rho): smoothed aggregation.

    scale (N,): the inverse diagonal; every row of A holds its diagonal entry. Where the rows of A
    sum to zero, the rows of the result sum to what those of `tentative` do.
    """
    if degree == 0:
        return tentative
    pull = scale * (OMEGA / rho)
    if degree == 1 and bool((tentative.rowptr.diff() <= 1).all()):
        # The product holds each unknown's own aggregate, as its row holds the diagonal.
        out = csr_matmul(a, tentative, sort=False)
        own = torch.full((a.rows,), -1, dtype=tentative.index.dtype)
        held = tentative.rowptr.diff() > 0
        own[held] = tentative.index
        value = -pull[out.row] * out.value
        return out.with_value(value.add_(out.index == own[out.row]))
    value = a.value * -pull[a.row]
    smooth = a.with_value(value.add_(a.row == a.index))
    for _ in range(degree):
        tentative = csr_matmul(smooth, tentative, sort=False)
    return tentative
