"""Cycles of two levels as what they make of errors, differentiable in what a network wrote."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops import Csr, csr_matmul
from ._coarsen import spectral_radius
from ._cycle_net import LANCZOS, CycleNet
from ._multigrid import BETAS


def energy(a: Csr, e: Tensor) -> Tensor:
    """(C,) e^T A e of each column."""
    return (e * a(e)).sum(0)


class TwoGrid:
    """e -> (I - M A) e of the cycle that `net` writes for A, the coarse solution exact.

    P is dense here, so this is for small matrices.
    """

    def __init__(self, net: CycleNet, a: Csr, tentative: Csr) -> None:
        self.a, written = a, net.write(a, tentative)
        self.weight, self.scale = written.weight, written.scale[:, None]
        self.beta, self.rho = BETAS[net.degree - 1], _radius(a, written.scale)
        up = tentative.dense().to(a.value.dtype)
        for weight in written.weight:
            up = a.with_value(weight)(up)
        self.up, coarse = up, up.t() @ a(up)
        # Columns may depend on each other, hardly ever.
        ridge = 1e-12 * coarse.detach().diagonal().mean() * torch.eye(len(coarse)).to(coarse)
        self.root = torch.linalg.cholesky(0.5 * (coarse + coarse.t()) + ridge)

    def _smooth(self, e: Tensor) -> Tensor:
        """Lottes' fourth-kind Chebyshev, as `meshop::chebyshev` has it."""
        r, z = self.a(e), torch.zeros_like(e)
        for k in range(1, len(self.beta) + 1):
            if k > 1:
                r = r - self.a(z)
            gain = (8 * k - 4) / ((2 * k + 1) * self.rho)
            z = (2 * k - 3) / (2 * k + 1) * z + gain * self.scale * r
            e = e - self.beta[k - 1] * z
        return e

    def __call__(self, e: Tensor) -> Tensor:
        e = self._smooth(e)
        found = torch.cholesky_solve(self.up.t() @ self.a(e), self.root)
        return self._smooth(e - self.up @ found)


def _radius(a: Csr, scale: Tensor) -> Tensor:
    """`spectral_radius`, with the gradient that an eigenvalue has in scale."""
    fixed = scale.detach()
    v = (torch.arange(1, a.rows + 1, dtype=scale.dtype) * 1.7).sin()[:, None]
    for _ in range(20):
        v = fixed[:, None] * a(v)
        v = v / v.norm()
    rayleigh = energy(a, v)[0] / (v[:, 0] ** 2 / scale).sum()
    return spectral_radius(a, fixed, LANCZOS) * rayleigh / rayleigh.detach()


def coarser(a: Csr, tentative: Csr, weight: list[Tensor]) -> Csr:
    """P^T A P of what was written, without gradients."""
    up = tentative
    for w in weight:
        up = csr_matmul(a.with_value(w.detach()), up, sort=False)
    return csr_matmul(up.t, csr_matmul(a, up, sort=False))
