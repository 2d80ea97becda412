"""Algebraic multigrid as a reusable preconditioner: setup once, cycles in compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..ops import Csr, csr_matmul
from ._coarsen import (
    aggregation,
    inverse_diagonal,
    prolongation,
    smoother_scale,
    spectral_radius,
)

Vector = TypeVar("Vector", np.ndarray, Tensor)

# beta_k of the optimised fourth-kind Chebyshev smoother, a row for each degree: J. Lottes, Optimal
# polynomial smoothers for multigrid V-cycles, Numer. Linear Algebra Appl. 30 (2023), table 1.
BETAS = (
    (1.12500000000000,),
    (1.02387287570313, 1.26408905371085),
    (1.00842544782028, 1.08867839208730, 1.33753125909618),
    (1.00391310427285, 1.04035811188593, 1.14863498546254, 1.38268869241000),
    (1.00212930146164, 1.02173711549260, 1.07872433192603, 1.19810065292663, 1.41322542791682),
)  # fmt: skip
STALLED = 0.9  # a level that keeps more than this share of the unknowns is the last


@dataclass(frozen=True)
class Rows:
    """A matrix as the kernels like it: 32-bit columns where they fit."""

    rowptr: Tensor
    index: Tensor
    value: Tensor

    @staticmethod
    def of(a: Csr, dtype: torch.dtype = torch.float64) -> Rows:
        narrow = max(a.columns, 1) <= 2**31 - 1
        index = a.index.to(torch.int32) if narrow else a.index
        return Rows(a.rowptr, index, a.value.to(dtype))

    def __call__(self, x: Tensor, add: Tensor | None = None, alpha: float = 1.0) -> Tensor:
        """add + alpha A x, for x (columns, C)."""
        return torch.ops.meshop.csr_apply(self.rowptr, self.index, self.value, x, add, alpha)


@dataclass(frozen=True)
class GridLevel:
    """One level of the hierarchy: its matrix, its smoother, and the way to the next."""

    a: Rows
    scale: Tensor
    rho: float
    up: Rows
    down: Rows


class Multigrid:
    """One V-cycle of smoothed aggregation for a symmetric positive definite matrix A.

    A: SciPy sparse, torch sparse, or `meshop.ops.Csr`, of scalar diffusion or the like. Calling it
    with r, (N,) or (N, C) array or tensor, gives its approximation of A^-1 r: a linear, symmetric
    positive map, so it preconditions conjugate gradients (`meshop.solve(A, b, preconditioner=mg)`)
    and other right-hand sides reuse the setup. smoothing: Jacobi steps on the prolongation; degree
    (1 to 5): of the fourth-kind Chebyshev smoother, before and after. By default 2 and 3 where rows
    have up to 10 entries (triangles), else 1 and 4: on tetrahedra two steps make the setup three
    times as dear. theta: entries weaker than theta sqrt(a_ii a_jj) do not aggregate, half as strict
    on each next level. coarsest: unknowns that are solved directly. dtype: of the cycle's numbers;
    float32 halves its memory, and serves as a preconditioner of systems solved in float64.
    prolongations: matrices that are used as they are on the first levels, such as those of
    `meshop.graph.nested_levels` between the free nodes; aggregates follow below.
    Results do not depend on the number of threads.

    Sources: Vanek, Mandel, Brezina 1996; Lottes 2023. Raises SolveError for a diagonal that is not
    positive.
    """

    def __init__(
        self,
        matrix: Any,
        *,
        theta: float = 0.04,
        smoothing: int | None = None,
        degree: int | None = None,
        coarsest: int = 300,
        dtype: torch.dtype = torch.float64,
        prolongations: Sequence[Any] = (),
    ) -> None:
        a = Csr.of(matrix)
        if a.rows != a.columns:
            raise ValueError(f"matrix: expected as many rows as columns, found {a.rows, a.columns}")
        a = a.to(torch.float64)
        sparse = len(a.index) <= 10 * a.rows
        self.smoothing = (2 if sparse else 1) if smoothing is None else smoothing
        degree = (3 if sparse else 4) if degree is None else degree
        if not 1 <= degree <= len(BETAS):
            raise ValueError(f"degree: expected 1 to {len(BETAS)}, found {degree!r}")
        self.dtype = dtype
        self.beta = torch.tensor(BETAS[degree - 1], dtype=dtype)
        self.levels: list[GridLevel] = []
        self.sizes, self.entries = [a.rows], [len(a.index)]
        given = [Csr.of(up).to(torch.float64) for up in prolongations]
        while (depth := len(self.levels)) < len(given) or a.rows > coarsest:
            if depth < len(given):
                up = given[depth]
                if up.rows != a.rows:
                    raise ValueError(
                        f"prolongations: expected {a.rows} rows in number {depth}, found {up.rows}"
                    )
                scale = smoother_scale(a)
                rho = spectral_radius(a, scale)
            else:
                tentative, _ = aggregation(a, theta * 0.5 ** (depth - len(given)))
                if not 0 < tentative.columns <= STALLED * a.rows:
                    break
                scale, rho, up = self._level(a, tentative)
            down = up.t
            rows = [Rows.of(part, dtype) for part in (a, up, down)]
            self.levels.append(GridLevel(rows[0], scale.to(dtype), rho, *rows[1:]))
            a = csr_matmul(down, csr_matmul(a, up, sort=False), sort=False)
            self.sizes.append(a.rows)
            self.entries.append(len(a.index))
        self._finish(a, coarsest)

    def _level(self, a: Csr, tentative: Csr) -> tuple[Tensor, float, Csr]:
        """The smoother's scale, its spectral radius, and the prolongation of one level."""
        scale = smoother_scale(a)
        rho = spectral_radius(a, scale)
        return scale, rho, prolongation(a, tentative, scale, rho, self.smoothing)

    def _finish(self, a: Csr, coarsest: int) -> None:
        """The coarsest matrix: inverted where small, else smoothed (nothing in it couples)."""
        self.inverse: Rows | None = None
        if a.rows <= max(coarsest, 2000):
            # Singular where no value is prescribed; what has no solution stays out.
            dense = a.dense()
            dense = 0.5 * (dense + dense.t())
            inverse = torch.linalg.pinv(dense, rtol=1e-11, hermitian=True)
            # As rows, because products of dense matrices may depend on threads.
            ends = torch.arange(a.rows + 1) * a.rows
            full = Csr(ends, torch.arange(a.rows).repeat(a.rows), inverse.flatten(), a.rows)
            self.inverse = Rows.of(full, self.dtype)
            return
        scale = smoother_scale(a)
        self.rest = Rows.of(a, self.dtype), scale.to(self.dtype), spectral_radius(a, scale)

    @property
    def complexity(self) -> float:
        """Entries of the matrices of all levels over those of the first."""
        return sum(self.entries) / max(self.entries[0], 1)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n:,}" for n in self.sizes)
        return f"{type(self).__name__}({sizes} unknowns, complexity {self.complexity:.2f})"

    def __call__(self, r: Vector) -> Vector:
        """One cycle from zero; returns what r is: array or tensor, its shape and dtype."""
        x = torch.as_tensor(r)
        if x.dim() not in (1, 2) or len(x) != self.sizes[0]:
            raise ValueError(f"r: expected {self.sizes[0]} rows, found shape {tuple(x.shape)}")
        given = (x[:, None] if x.dim() == 1 else x).detach().cpu()
        if self.dtype == torch.float32 and given.numel():
            # Residuals on their way to zero leave float32; a linear map does not mind their size.
            size = given.abs().amax(0).clamp(min=1e-300)
            found = self._cycle(0, (given / size).float()).to(size.dtype) * size
        else:
            found = self._cycle(0, given.to(self.dtype))
        out = found.to(x.device, x.dtype).reshape(x.shape)
        return out.numpy() if isinstance(r, np.ndarray) else out

    def _smooth(
        self, level: tuple[Rows, Tensor, float], b: Tensor, x: Tensor | None, residual: bool
    ) -> tuple[Tensor, Tensor]:
        a, scale, rho = level
        return torch.ops.meshop.chebyshev(
            a.rowptr, a.index, a.value, scale, b, x, self.beta, rho, residual
        )

    def _cycle(self, at: int, b: Tensor) -> Tensor:
        if at == len(self.levels):
            return (
                self.inverse(b)
                if self.inverse is not None
                else self._smooth(self.rest, b, None, False)[0]
            )
        level = self.levels[at]
        own = (level.a, level.scale, level.rho)
        x, r = self._smooth(own, b, None, True)
        x = level.up(self._cycle(at + 1, level.down(r)), x)
        return self._smooth(own, b, x, False)[0]


class Jacobi:
    """Division by the diagonal: the preconditioner that costs nothing."""

    def __init__(self, matrix: Any) -> None:
        self.scale = inverse_diagonal(Csr.of(matrix).to(torch.float64))

    def __call__(self, r: Vector) -> Vector:
        """(N,) or (N, C) array or tensor."""
        x = torch.as_tensor(r)
        out = x * self.scale.to(x).reshape(-1, *[1] * (x.dim() - 1))
        return out.numpy() if isinstance(r, np.ndarray) else out
