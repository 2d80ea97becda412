"""Exact Gaussian processes, one for each output, all in one batched factorisation.

    k(x, x') = s^2 (1 + r + r^2 / 3) exp(-r),  r^2 = 5 sum_i ((x_i - x'_i) / l_i)^2

Matern 5/2 with a length for each input (ARD) and noise; every output has its own. Lengths and noise
maximise the marginal likelihood, in which the variance s^2 has a closed form. Source: Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, equations 2.25, 2.26, 4.17 and 5.8.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

LEAST_NOISE, MOST_NOISE = 1e-8, 1.0  # of the variance
LENGTHS = (1e-2, 1e3)  # in standard deviations of an input
JITTER = 1e-10


class GaussianProcess:
    """Q independent processes on the same inputs.

    fit(x (n, D), y (n, Q)), then predict(x (m, D)) -> mean (m, Q) and standard deviation (m, Q) of
    the function, without the noise. Everything in float64; inputs and outputs are standardised
    inside. limit: lengths and noise come from at most so many points, evenly far apart; the
    prediction uses all. steps: of the optimiser, from each of two starts.

    log_likelihood (Q,), lengths (Q, D), noise (Q,) variance over signal variance, are set by fit.
    """

    def __init__(self, limit: int = 256, steps: int = 60) -> None:
        self.limit, self.steps = limit, steps

    def fit(self, x: ArrayLike, y: ArrayLike) -> GaussianProcess:
        """Raises ValueError for shapes that do not fit or values that are not finite."""
        a = torch.as_tensor(np.array(x, dtype=np.float64))
        b = torch.as_tensor(np.array(y, dtype=np.float64))
        if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or not len(a):
            raise ValueError(f"x {tuple(a.shape)} and y {tuple(b.shape)}: expected (n, D), (n, Q)")
        if not (a.isfinite().all() and b.isfinite().all()):
            raise ValueError("x or y holds NaN or infinity")
        self.x_mean, self.x_std = a.mean(0), _positive(a.std(0, unbiased=False))
        self.y_mean, self.y_std = b.mean(0), _positive(b.std(0, unbiased=False))
        self.x, z = (a - self.x_mean) / self.x_std, (b - self.y_mean) / self.y_std
        some = _spread(self.x, self.limit)
        best = torch.full((z.shape[1],), math.inf, dtype=torch.float64)
        chosen: tuple[Tensor, Tensor] | None = None
        # A short and a long start: likelihoods of few points have more than one maximum.
        for length in (1.0, 5.0):
            found, logs, noise = self._maximise(self.x[some], z[some], length * a.shape[1] ** 0.5)
            if chosen is None:
                chosen = logs, noise
            better = found < best
            chosen = (
                torch.where(better[:, None], logs, chosen[0]),
                torch.where(better, noise, chosen[1]),
            )
            best = torch.where(better, found, best)
        assert chosen is not None
        self.lengths, self.noise = chosen[0].exp(), chosen[1].exp()
        self.log_likelihood = -best
        self.factor = _factor(_matern(self.x, self.x, self.lengths), self.noise)
        self.alpha = torch.cholesky_solve(z.T[..., None], self.factor)  # (Q, n, 1)
        fitted = torch.linalg.solve_triangular(self.factor, z.T[..., None], upper=False)
        self.signal = fitted.square().mean((1, 2)).clamp_min(1e-300)  # (Q,) s^2 in closed form
        return self

    def predict(self, x: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation, (m, Q) each."""
        a = (torch.as_tensor(np.array(x, dtype=np.float64)) - self.x_mean) / self.x_std
        cross = _matern(a, self.x, self.lengths)  # (Q, m, n)
        mean = (cross @ self.alpha)[..., 0].T * self.y_std + self.y_mean
        half = torch.linalg.solve_triangular(self.factor, cross.mT, upper=False)
        variance = (1 - half.square().sum(1)).clamp_min(0) * self.signal[:, None]
        return mean.numpy(), (variance.sqrt().T * self.y_std).numpy()

    def leave_one_out(self) -> NDArray[np.float64]:
        """(n, Q) errors at each training point of the process without it, lengths kept.

        Source: Rasmussen and Williams, equation 5.12.
        """
        inverse = torch.cholesky_inverse(self.factor).diagonal(dim1=1, dim2=2)
        return (-(self.alpha[..., 0] / inverse).T * self.y_std).numpy()

    def _maximise(self, x: Tensor, z: Tensor, length: float) -> tuple[Tensor, Tensor, Tensor]:
        """Negative log likelihood (Q,), log lengths (Q, D), log noise (Q,) at the best found."""
        q, d = z.shape[1], x.shape[1]
        logs = torch.full((q, d), math.log(length), dtype=torch.float64, requires_grad=True)
        noise = torch.full((q,), math.log(1e-4), dtype=torch.float64, requires_grad=True)
        low, high = (math.log(v) for v in LENGTHS)
        quiet, loud = math.log(LEAST_NOISE), math.log(MOST_NOISE)
        best = torch.full((q,), math.inf, dtype=torch.float64)
        kept = logs.detach().clone(), noise.detach().clone()
        optimiser = torch.optim.Adam([logs, noise], lr=0.2)
        for step in range(self.steps):
            for group in optimiser.param_groups:
                group["lr"] = 0.2 * (1 - step / self.steps) + 0.01
            optimiser.zero_grad()
            value = _negative_log_likelihood(x, z, logs.exp(), noise.exp())
            with torch.no_grad():
                better = value < best
                kept = (
                    torch.where(better[:, None], logs, kept[0]),
                    torch.where(better, noise, kept[1]),
                )
                best = torch.where(better, value, best)
            value.sum().backward()
            optimiser.step()
            with torch.no_grad():
                logs.clamp_(low, high)
                noise.clamp_(quiet, loud)
        return best, *kept


def _negative_log_likelihood(x: Tensor, z: Tensor, lengths: Tensor, noise: Tensor) -> Tensor:
    """(Q,) with the best variance put in: n/2 log(z' K^-1 z / n) + log det L + constants."""
    factor = _factor(_matern(x, x, lengths), noise)
    fitted = torch.linalg.solve_triangular(factor, z.T[..., None], upper=False)
    n = len(x)
    signal = fitted.square().sum((1, 2)).clamp_min(1e-300) / n
    log_det = factor.diagonal(dim1=1, dim2=2).log().sum(1)
    return 0.5 * n * (signal.log() + 1 + math.log(2 * math.pi)) + log_det


def _matern(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """(Q, m, n) correlations of a (m, D) with b (n, D); lengths (Q, D)."""
    p, q = a / lengths[:, None], b / lengths[:, None]
    square = p.square().sum(2)[:, :, None] + q.square().sum(2)[:, None] - 2 * p @ q.mT
    # The root has no finite slope at zero.
    r = (5 * square.clamp_min(0) + 1e-14).sqrt()
    return (1 + r + r.square() / 3) * torch.exp(-r)


def _factor(correlation: Tensor, noise: Tensor) -> Tensor:
    """Cholesky factors of (Q, n, n) with noise on the diagonals; more where they need it."""
    eye = torch.eye(correlation.shape[1], dtype=torch.float64)
    for extra in (JITTER, 1e-8, 1e-6, 1e-4):
        shifted = correlation + (noise + extra)[:, None, None] * eye
        factor, failed = torch.linalg.cholesky_ex(shifted)
        if not failed.any():
            return factor
    raise ValueError("the covariance is not positive definite")  # pragma: no cover


def _spread(x: Tensor, limit: int) -> Tensor:
    """Ids of at most `limit` points, each the farthest from those before; deterministic."""
    if len(x) <= limit:
        return torch.arange(len(x))
    gap = (x - x.mean(0)).square().sum(1)
    chosen = [int(gap.argmin())]
    gap = torch.full_like(gap, math.inf)
    for _ in range(limit - 1):
        gap = torch.minimum(gap, (x - x[chosen[-1]]).square().sum(1))
        chosen.append(int(gap.argmax()))
    return torch.tensor(chosen)


def _positive(std: Tensor) -> Tensor:
    return torch.where(std > 1e-12, std, torch.ones_like(std))
