"""Exact Gaussian processes, one for each output, all in one batched factorisation.

    y(x) = h(x)' b + f(x),  f ~ GP(0, s^2 k(x, x')),  observed with noise

A length for each input (ARD) and noise; every output has its own. Lengths and noise maximise the
marginal likelihood, in which the variance s^2 and the trend's coefficients b (a flat prior:
universal kriging) have closed forms. Source: Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, equations 2.25, 2.26, 2.41, 2.45 and 5.8 to 5.12; leaving one out with a trend:
Dubrule, Mathematical Geology 15, 1983.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._kernels import KERNELS, TRENDS, correlation, trend_basis

LEAST_NOISE, MOST_NOISE = 1e-8, 1.0  # of the variance
LENGTHS = (1e-2, 1e3)  # in standard deviations of an input
POWERS = (0.1, 1e3)
JITTER = 1e-10
MOST = 1 << 30  # numbers in the factors of all processes together: 8 GiB
STARTS = (1.0, 5.0)  # times sqrt(D): likelihoods of few points have more than one maximum


class _Hyper(NamedTuple):
    """Logarithms: lengths (Q, D), noise (Q,), power (Q,)."""

    lengths: Tensor
    noise: Tensor
    power: Tensor

    def pick(self, rows: Tensor) -> _Hyper:
        return _Hyper(*(value[rows] for value in self))

    def where(self, chosen: Tensor, other: _Hyper) -> _Hyper:
        """Rows of this one where chosen (Q,), of the other elsewhere."""
        return _Hyper(
            torch.where(chosen[:, None], self.lengths, other.lengths),
            torch.where(chosen, self.noise, other.noise),
            torch.where(chosen, self.power, other.power),
        )


class GaussianProcess:
    """Q independent processes on the same inputs, of which there may be none (D = 0).

    fit(x (n, D), y (n, Q)), then predict(x (m, D)) -> mean (m, Q) and standard deviation (m, Q) of
    the function. Everything in float64; inputs and outputs are standardised inside. kernel: one of
    "matern" (5/2), "rbf", "rational" (quadratic); trend: "mean" (that of the outputs, taken as
    known), "constant", "linear", "quadratic" (fitted, with the variance that this adds); "auto":
    each output has that under which leaving one out gives the greatest predictive density. limit:
    lengths and noise come from at most so many points, evenly far apart; the prediction uses all.
    steps: of the optimiser, from each of two starts. least_noise: of the variance.

    log_likelihood (Q,), lengths (Q, D), noise (Q,) variance over signal variance, kernels and
    trends (Q names), are set by fit.
    """

    def __init__(
        self,
        limit: int = 256,
        steps: int = 60,
        *,
        kernel: str = "matern",
        trend: str = "mean",
        least_noise: float = LEAST_NOISE,
    ) -> None:
        for what, value, known in (("kernel", kernel, KERNELS), ("trend", trend, TRENDS)):
            if value not in (*known, "auto"):
                raise ValueError(f"{what} {value!r}: expected {', '.join(known)} or auto")
        self.limit, self.steps, self.least_noise = limit, steps, least_noise
        self.kernel, self.trend = kernel, trend

    def fit(self, x: ArrayLike, y: ArrayLike) -> GaussianProcess:
        """Raises ValueError for shapes that do not fit, values that are not finite, and more than
        `MOST` numbers n^2 Q."""
        a = torch.as_tensor(np.array(x, dtype=np.float64))
        b = torch.as_tensor(np.array(y, dtype=np.float64))
        if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or not len(a):
            raise ValueError(f"x {tuple(a.shape)} and y {tuple(b.shape)}: expected (n, D), (n, Q)")
        if not (a.isfinite().all() and b.isfinite().all()):
            raise ValueError("x or y holds NaN or infinity")
        _check_room(len(a), b.shape[1])
        self.x_mean, self.x_std = a.mean(0), _deviation(a)
        self.y_mean, self.y_std = b.mean(0), _deviation(b)
        self.x, z = (a - self.x_mean) / self.x_std, (b - self.y_mean) / self.y_std
        self.z = z
        some = _spread(self.x, self.limit)
        trends = self._trends(len(some), a.shape[1])
        kernels = KERNELS if self.kernel == "auto" else (self.kernel,)
        # Kernels first, with the first trend; then the other trends with the kernel chosen.
        q = z.shape[1]
        score = torch.full((q,), -math.inf, dtype=torch.float64)
        names = [(kernels[0], trends[0])] * q
        best: _Hyper | None = None

        def offer(kernel: str, trend: str, rows: Tensor) -> None:
            nonlocal best
            starts = [best.pick(rows)] if best is not None else self._starts(len(rows), a.shape[1])
            hyper = self._maximise(kernel, trend, self.x[some], z[some][:, rows], starts)
            found = torch.zeros(len(rows), dtype=torch.float64)
            if len(kernels) * len(trends) > 1:
                found = _Fit(kernel, trend, self.x, z[:, rows], hyper).density
            if best is None:
                best = hyper
            better = found > score[rows]
            for row in rows[better].tolist():
                names[row] = kernel, trend
            merged = hyper.where(better, best.pick(rows))
            for whole, part in zip(best, merged, strict=True):
                whole[rows] = part
            score[rows] = torch.where(better, found, score[rows])

        for kernel in kernels:
            offer(kernel, trends[0], torch.arange(q))
        chosen = [name for name, _ in names]
        for trend in trends[1:]:
            for kernel in kernels:
                same = [i for i in range(q) if chosen[i] == kernel]
                if same:
                    offer(kernel, trend, torch.tensor(same))
        assert best is not None
        self._finish(names, best)
        self.log_likelihood = torch.empty(q, dtype=torch.float64)
        for rows, fit in self.fits:
            h = trend_basis(fit.trend, self.x[some])
            value = negative_log_likelihood(
                fit.kernel, self.x[some], z[some][:, rows], h, best.pick(rows)
            )
            self.log_likelihood[rows] = -value
        return self

    def _finish(self, names: Sequence[tuple[str, str]], hyper: _Hyper) -> None:
        """The processes with these kernels, trends and hyperparameters."""
        self.hyper = hyper
        self.kernels, self.trends = [k for k, _ in names], [t for _, t in names]
        self.lengths, self.noise, self.power = (value.exp() for value in hyper)
        self.fits: list[tuple[Tensor, _Fit]] = []
        for name in dict.fromkeys(names):
            rows = torch.tensor([i for i in range(len(names)) if names[i] == name])
            self.fits.append((rows, _Fit(*name, self.x, self.z[:, rows], hyper.pick(rows))))

    @property
    def widths(self) -> tuple[int, int]:
        """Number of inputs D and of outputs Q."""
        return self.x.shape[1], self.z.shape[1]

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays that `restored` makes the same process of."""
        own = ("x", "z", "x_mean", "x_std", "y_mean", "y_std")
        return {name: getattr(self, name).numpy() for name in own} | {
            "lengths": self.hyper.lengths.numpy(),
            "noise": self.hyper.noise.numpy(),
            "power": self.hyper.power.numpy(),
            "kernels": np.array([KERNELS.index(k) for k in self.kernels]),
            "trends": np.array([TRENDS.index(t) for t in self.trends]),
        }

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[Any]]) -> GaussianProcess:
        """What `state` gave. Raises KeyError or ValueError where it does not fit."""
        found = cls()
        n, d = state["x"].shape
        _, q = state["z"].shape
        _check_room(n, q)
        for name, shape in (
            ("z", (n, q)), ("x_mean", (d,)), ("x_std", (d,)), ("y_mean", (q,)), ("y_std", (q,)),
            ("lengths", (q, d)), ("noise", (q,)), ("power", (q,)), ("kernels", (q,)),
            ("trends", (q,)),
        ):  # fmt: skip
            if state[name].shape != shape or not np.isfinite(state[name]).all():
                raise ValueError(f"{name} {state[name].shape}: expected finite {shape}")
        for name in ("x", "z", "x_mean", "x_std", "y_mean", "y_std"):
            setattr(found, name, torch.from_numpy(np.array(state[name], np.float64)))
        hyper = _Hyper(
            *(torch.from_numpy(np.array(state[name], np.float64)) for name in _Hyper._fields)
        )
        kernels, trends = (dict(enumerate(known)) for known in (KERNELS, TRENDS))
        names = zip(state["kernels"].tolist(), state["trends"].tolist(), strict=True)
        found._finish([(kernels[k], trends[t]) for k, t in names], hyper)
        return found

    def predict(
        self, x: ArrayLike, noise: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation, (m, Q) each; noise: that of an observation."""
        a = (torch.as_tensor(np.array(x, dtype=np.float64)) - self.x_mean) / self.x_std
        mean = torch.empty(len(a), len(self.y_std), dtype=torch.float64)
        variance = torch.empty_like(mean)
        for rows, fit in self.fits:
            mean[:, rows], variance[:, rows] = fit.predict(a, noise)
        mean = mean * self.y_std + self.y_mean
        return mean.numpy(), (variance.sqrt() * self.y_std).numpy()

    def leave_one_out(self) -> NDArray[np.float64]:
        """(n, Q) errors at each training point of the process without it, lengths kept."""
        return self._left_out(0)

    def leave_one_out_deviation(self) -> NDArray[np.float64]:
        """(n, Q) standard deviations that it gives them, with the noise of an observation."""
        return self._left_out(1)

    def folds_left_out(self, folds: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, Q) errors at training points, and deviations with noise, of processes whose lengths
        and noise come from the other folds alone: what leaving one out hides. At most `limit`
        points; beyond, or where there are fewer than two for each fold, those of leaving one out.
        """
        n = len(self.x)
        errors, deviations = self.leave_one_out(), self.leave_one_out_deviation()
        if n > self.limit or n < 2 * folds:
            return errors, deviations
        fold = np.random.default_rng(0).permutation(n) % folds
        size = self.y_std.numpy()
        for rows, fit in self.fits:
            start = _Hyper(self.lengths[rows].log(), self.noise[rows].log(), self.power[rows].log())
            for k in range(folds):
                there, out = torch.tensor(fold != k), torch.tensor(fold == k)
                if int(there.sum()) <= trend_basis(fit.trend, self.x[:1]).shape[1]:
                    continue
                x, z = self.x[there], self.z[there][:, rows]
                hyper = self._maximise(fit.kernel, fit.trend, x, z, [start])
                mean, variance = _Fit(fit.kernel, fit.trend, x, z, hyper).predict(self.x[out], True)
                place = np.ix_(fold == k, rows.numpy())
                errors[place] = (mean - self.z[out][:, rows]).numpy() * size[rows]
                deviations[place] = variance.sqrt().numpy() * size[rows]
        return errors, deviations

    def _left_out(self, which: int) -> NDArray[np.float64]:
        out = torch.empty(len(self.x), len(self.y_std), dtype=torch.float64)
        for rows, fit in self.fits:
            out[:, rows] = fit.left_out[which]
        return (out * self.y_std).numpy()

    def _trends(self, n: int, d: int) -> tuple[str, ...]:
        """Those that n points can tell apart."""
        if self.trend != "auto":
            if trend_basis(self.trend, torch.zeros(1, d)).shape[1] >= n:
                raise ValueError(f"a {self.trend} trend of {d} inputs: expected more than {n} rows")
            return (self.trend,)
        wide = [t for t in TRENDS[1:] if 3 * trend_basis(t, torch.zeros(1, d)).shape[1] <= n]
        return tuple(wide) or ("mean",)

    def _starts(self, q: int, d: int) -> list[_Hyper]:
        ones = torch.ones(q, dtype=torch.float64)
        quiet = max(math.log(1e-4), math.log(self.least_noise))
        return [
            _Hyper(
                math.log(start * max(d, 1) ** 0.5) * ones[:, None].repeat(1, d),
                quiet * ones,
                math.log(2.0) * ones,
            )
            for start in STARTS
        ]

    def _maximise(
        self, kernel: str, trend: str, x: Tensor, z: Tensor, starts: list[_Hyper]
    ) -> _Hyper:
        """The most likely of what is found from each start, for every output by itself."""
        h, q = trend_basis(trend, x), z.shape[1]
        best = torch.full((q,), math.inf, dtype=torch.float64)
        kept = _Hyper(*(value.clone() for value in starts[0]))
        low, high = (math.log(v) for v in LENGTHS)
        for start in starts:
            hyper = _Hyper(*(value.clone().requires_grad_() for value in start))
            optimiser = torch.optim.Adam(list(hyper), lr=0.2)
            for step in range(self.steps):
                for group in optimiser.param_groups:
                    group["lr"] = 0.2 * (1 - step / self.steps) + 0.01
                optimiser.zero_grad()
                value = negative_log_likelihood(kernel, x, z, h, hyper)
                with torch.no_grad():
                    better = value < best
                    kept = hyper.where(better, kept)
                    best = torch.where(better, value, best)
                value.sum().backward()
                optimiser.step()
                with torch.no_grad():
                    hyper.lengths.clamp_(low, high)
                    hyper.noise.clamp_(math.log(self.least_noise), math.log(MOST_NOISE))
                    hyper.power.clamp_(*(math.log(p) for p in POWERS))
        return _Hyper(*(value.detach() for value in kept))


class _Fit:
    """Processes of one kernel and trend on standardised points x (n, D), z (n, Q)."""

    def __init__(self, kernel: str, trend: str, x: Tensor, z: Tensor, hyper: _Hyper) -> None:
        self.kernel, self.trend, self.x = kernel, trend, x
        self.lengths, self.noise, self.power = (value.exp() for value in hyper)
        same = correlation(kernel, x, x, self.lengths, self.power)
        self.factor = _factor(same, self.noise)
        h, data = trend_basis(trend, x), z.T[..., None]
        self.rows = _lower(self.factor, h.expand(len(self.factor), *h.shape))  # L^-1 H (Q, n, p)
        self.trend_factor = _cholesky(self.rows.mT @ self.rows)
        half = _lower(self.factor, data)
        self.slope = torch.cholesky_solve(self.rows.mT @ half, self.trend_factor)  # b (Q, p, 1)
        rest = half - self.rows @ self.slope
        self.alpha = torch.linalg.solve_triangular(self.factor.mT, rest, upper=True)
        free = len(x) - h.shape[1]
        self.signal = (rest.square().sum((1, 2)) / free).clamp_min(1e-300)  # (Q,) s^2

    def predict(self, a: Tensor, noise: bool) -> tuple[Tensor, Tensor]:
        """(m, Q) means and variances; equations 2.41 and 2.42 with a flat prior."""
        cross = correlation(self.kernel, a, self.x, self.lengths, self.power)  # (Q, m, n)
        h = trend_basis(self.trend, a)
        mean = (cross @ self.alpha + h @ self.slope)[..., 0].T
        half = _lower(self.factor, cross.mT)
        left = _lower(self.trend_factor, h.T - self.rows.mT @ half)  # what the trend does not know
        share = (1 - half.square().sum(1)).clamp_min(0) + left.square().sum(1)
        if noise:
            share = share + self.noise[:, None]
        return mean, (share * self.signal[:, None]).T

    @property
    def left_out(self) -> tuple[Tensor, Tensor]:
        """(n, Q) errors and deviations of each point's observation from all others."""
        inverse = torch.cholesky_inverse(self.factor).diagonal(dim1=1, dim2=2)
        part = torch.linalg.solve_triangular(self.factor.mT, self.rows, upper=True)
        inverse = inverse - _lower(self.trend_factor, part.mT).square().sum(1)
        inverse = inverse.clamp_min(1e-300)
        return -(self.alpha[..., 0] / inverse).T, (self.signal[:, None] / inverse).sqrt().T

    @property
    def density(self) -> Tensor:
        """(Q,) log predictive density of the points left out, summed (equation 5.11)."""
        error, deviation = self.left_out
        return -((error / deviation).square() / 2 + deviation.log()).sum(0)


def negative_log_likelihood(kernel: str, x: Tensor, z: Tensor, h: Tensor, hyper: _Hyper) -> Tensor:
    """(Q,) of z (n, Q) at x (n, D) with trend h (n, p): the best variance put in, the trend's
    coefficients integrated out (the restricted likelihood, equation 2.45)."""
    lengths, noise, power = (value.exp() for value in hyper)
    factor = _factor(correlation(kernel, x, x, lengths, power), noise)
    rest = _lower(factor, z.T[..., None])
    free, log_det = len(x) - h.shape[1], factor.diagonal(dim1=1, dim2=2).log().sum(1)
    if h.shape[1]:
        rows = _lower(factor, h.expand(len(factor), *h.shape))
        inner = _cholesky(rows.mT @ rows)
        rest = rest - rows @ torch.cholesky_solve(rows.mT @ rest, inner)
        log_det = log_det + inner.diagonal(dim1=1, dim2=2).log().sum(1)
    signal = rest.square().sum((1, 2)).clamp_min(1e-300) / free
    return 0.5 * free * (signal.log() + 1 + math.log(2 * math.pi)) + log_det


def _lower(factor: Tensor, right: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, right, upper=False)


def _cholesky(gram: Tensor) -> Tensor:
    """Of (Q, p, p) Gram matrices of a trend; a little is added, for columns that repeat others."""
    size = gram.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-300)
    eye = torch.eye(gram.shape[1], dtype=torch.float64)
    return torch.linalg.cholesky(gram + 1e-12 * size[:, None, None] * eye)


def _factor(same: Tensor, noise: Tensor) -> Tensor:
    """Cholesky factors of (Q, n, n) with noise on the diagonals; more where they need it."""
    eye = torch.eye(same.shape[1], dtype=torch.float64)
    for extra in (JITTER, 1e-8, 1e-6, 1e-4):
        factor, failed = torch.linalg.cholesky_ex(same + (noise + extra)[:, None, None] * eye)
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


def _deviation(x: Tensor) -> Tensor:
    """(D,) of columns (n, D); 1 for those that do not vary."""
    std = (x - x.mean(0)).square().mean(0).sqrt()
    return torch.where(std > 1e-12, std, torch.ones_like(std))


def _check_room(n: int, q: int) -> None:
    if n * n * q > MOST:
        raise ValueError(f"{n} points with {q} outputs: expected n^2 Q of at most {MOST}")
