"""Proper orthogonal decomposition, and fields from parameters through it.

Snapshots u_j (rows) with inner product <u, v> = sum_i w_i u_i v_i: the modes are the leading right
singular vectors of (u_j - mean) sqrt(w), and keep the most energy that so many modes can. Source:
Sirovich 1987 (method of snapshots); Hesthaven and Ubbiali, J. Comput. Phys. 363, 2018 (regression).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._gaussian import GaussianProcess

Array = NDArray[np.float64]


class POD:
    """Basis of snapshots. energy: share of the energy about the mean to keep; modes: at most.

    fit sets mean (N,), modes (k, N) orthonormal under the weights, values (k,) their singular
    values, kept: the share of energy in them, lost (N,): the variance at each node of what the
    modes leave out, sum_(k > r) sigma_k^2 phi_k^2 over the snapshots' remaining degrees of freedom.
    """

    def __init__(self, energy: float = 0.99999, modes: int | None = None) -> None:
        self.energy, self.most = energy, modes

    def fit(self, snapshots: ArrayLike, weight: ArrayLike | None = None) -> POD:
        """snapshots (n, N), weight (N,) positive quadrature weights, 1 by default."""
        u = np.asarray(snapshots, dtype=np.float64)
        if u.ndim != 2 or not len(u) or not np.isfinite(u).all():
            raise ValueError(f"snapshots {u.shape}: expected finite (n, N)")
        self.weight = np.ones(u.shape[1]) if weight is None else np.asarray(weight, np.float64)
        if self.weight.shape != u.shape[1:] or not (self.weight >= 0).all():
            raise ValueError(f"weight {self.weight.shape}: expected ({u.shape[1]},), not negative")
        self.mean = u.mean(0)
        root = np.sqrt(self.weight)
        left, values, _ = np.linalg.svd((u - self.mean) * root, full_matrices=False)
        share = np.cumsum(values**2) / max(float((values**2).sum()), 1e-300)
        count = int(np.searchsorted(share, self.energy * (1 - 1e-15))) + 1
        count = min(count, self.most or count, int((values > 1e-13 * values[0]).sum()))
        self.values, self.kept = values[:count], float(share[count - 1]) if count else 1.0
        # From the snapshots, so that nodes without weight have values too.
        self.modes = (left[:, :count] / np.maximum(values[:count], 1e-300)).T @ (u - self.mean)
        rest = u - self.mean - (left[:, :count] * values[:count]) @ self.modes
        self.lost = (rest**2).sum(0) / max(len(u) - 1 - count, 1)
        return self

    def encode(self, fields: ArrayLike) -> Array:
        """(m, N) -> coefficients (m, k)."""
        return ((np.asarray(fields, np.float64) - self.mean) * self.weight) @ self.modes.T

    def decode(self, coefficients: ArrayLike) -> Array:
        """(m, k) -> (m, N)."""
        return self.mean + np.asarray(coefficients, np.float64) @ self.modes

    def floor(self, fields: ArrayLike) -> Array:
        """(m,) relative errors of the best fields that the basis holds, under the weights."""
        u = np.asarray(fields, np.float64)
        gap = ((self.decode(self.encode(u)) - u) ** 2) @ self.weight
        return np.sqrt(gap / np.maximum((u**2) @ self.weight, 1e-300))


class PODRegression:
    """Parameters (n, K) -> fields (n, N): POD, and a Gaussian process on its coefficients."""

    def __init__(
        self,
        energy: float = 0.99999,
        modes: int | None = None,
        process: GaussianProcess | None = None,
    ) -> None:
        self.basis, self.process = POD(energy, modes), process or GaussianProcess()

    def fit(
        self, parameters: ArrayLike, snapshots: ArrayLike, weight: ArrayLike | None = None
    ) -> PODRegression:
        self.basis.fit(snapshots, weight)
        if len(self.basis.values):
            self.process.fit(parameters, self.basis.encode(snapshots))
        return self

    def predict(self, parameters: ArrayLike) -> tuple[Array, Array]:
        """Fields (m, N) and standard deviations (m, N): of the coefficients, taken as independent,
        and of what the modes leave out."""
        if not len(self.basis.values):
            flat = np.tile(self.basis.mean, (len(np.asarray(parameters)), 1))
            return flat, np.zeros_like(flat)
        mean, deviation = self.process.predict(parameters)
        return self.basis.decode(mean), np.sqrt(
            deviation**2 @ self.basis.modes**2 + self.basis.lost
        )
