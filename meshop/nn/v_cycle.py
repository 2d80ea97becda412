"""The multigrid V-cycle as a layer: any operators, smoothers and transfers, level by level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import Level
from ..ops import Csr
from ..solvers import OMEGA, aggregation, inverse_diagonal, prolongation, spectral_radius

#: What a level's modules are called with beside their features: a `Level`, a graph, nothing.
Context = Any


class Relaxation(nn.Module):
    """One smoothing step u + S(f - A u), or S f from zero.

    operator A and smoother S are modules called as module(features (N, C), context); A takes the
    channels of u to those of f, S those of f to those of u. From zero A is not asked: it should
    give 0 for 0.
    """

    def __init__(self, operator: nn.Module, smoother: nn.Module) -> None:
        super().__init__()
        self.operator = operator
        self.smoother = smoother

    def forward(self, f: Tensor, u: Tensor | None, at: Context) -> Tensor:
        if u is None:
            return self.smoother(f, at)
        return u + self.smoother(f - self.operator(u, at), at)


class Borrowed(nn.Module):
    """A module that another one owns: used in two places, its weights are listed and saved once."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.owned = (module,)  # a tuple is not searched for weights

    def forward(self, *args: Any) -> Any:
        return self.owned[0](*args)


class VCycle(nn.Module):
    """One V-cycle for f (N, C_f) -> u (N, C_u): smooth, restrict the residual, correct, smooth.

    before, after: for each level, the finest first, its `Relaxation`s on the way down and up; both
    end with the coarsest level's, where `before` and then `after` are all that is done. operators:
    for each level but the coarsest, A of the residual f - A u that is restricted; None restricts f
    itself (MgNO's code), as do levels that no `before` smooths. transfers: for each level but the
    coarsest, a module with restrict(f, below), prolong(u, above, below) and start(u, below): what
    the coarser level begins with, or None for zero. Steps may share modules (`Borrowed`) or have
    their own.

    Linear in f where all modules are. With a fixed A, S = omega D^-1 and smoothed aggregation
    (`classical_v_cycle`) it is the textbook's; with learned ones it is the layer of MgNO (He, Liu
    and Xu, ICLR 2024, arXiv 2310.19809), and of others (BSMS, multipole GNO, SPON).
    """

    def __init__(
        self,
        before: Sequence[Sequence[nn.Module]],
        after: Sequence[Sequence[nn.Module]],
        transfers: Sequence[nn.Module],
        operators: Sequence[nn.Module | None],
    ) -> None:
        super().__init__()
        depth = len(before)
        parts = (after, transfers, operators)
        if depth < 1 or [len(part) for part in parts] != [depth, depth - 1, depth - 1]:
            raise ValueError(
                f"expected {depth} levels of `after`, {depth - 1} transfers and operators, as "
                f"`before` has {depth} levels; found {', '.join(str(len(part)) for part in parts)}"
            )
        self.before = nn.ModuleList(nn.ModuleList(steps) for steps in before)
        self.after = nn.ModuleList(nn.ModuleList(steps) for steps in after)
        self.transfers = nn.ModuleList(transfers)
        self.operators = nn.ModuleList(
            nn.Identity() if operator is None else operator for operator in operators
        )
        self.residual = tuple(operator is not None for operator in operators)

    def forward(
        self, f: Tensor, levels: Sequence[Context] | None = None, u: Tensor | None = None
    ) -> Tensor:
        """levels: the context of each, the finest first; u (N, C_u): where to begin, else zero."""
        if f.dim() != 2:
            raise ValueError(f"f: expected shape (N, C), found {tuple(f.shape)}")
        contexts = [None] * len(self.before) if levels is None else list(levels)
        if len(contexts) != len(self.before):
            raise ValueError(
                f"levels: expected {len(self.before)}, one for each set of nodes, "
                f"found {len(contexts)}"
            )
        found = self._run(0, f, u, contexts)
        if found is None:
            raise ValueError("this V-cycle has no smoothing step on any level")
        return found

    def _run(
        self, number: int, f: Tensor, u: Tensor | None, levels: list[Context]
    ) -> Tensor | None:
        at = levels[number]
        steps: Any = self.before[number], self.after[number]
        for step in steps[0]:
            u = step(f, u, at)
        if number + 1 < len(levels):
            below = levels[number + 1]
            transfer: Any = self.transfers[number]
            rest = f
            if self.residual[number] and u is not None:
                rest = f - self.operators[number](u, at)
            start = None if u is None else transfer.start(u, below)
            found = self._run(number + 1, transfer.restrict(rest, below), start, levels)
            if found is not None:
                correction = transfer.prolong(found, at, below)
                u = correction if u is None else u + correction
        for step in steps[1]:
            u = step(f, u, at)
        return u


class LevelTransfer(nn.Module):
    """Between a graph's levels: R f W_R down, P u W_P up, nothing added to prescribed nodes.

    channels: (C_f, C_u) of the finer and of the coarser level for learned maps without bias (None:
    W = 1). Contexts are `Level`s, but for the finest, of which `fixed` (N,) bool is read where it
    has one. start: whether the coarser level begins with R u W_S (MgNO) or with zero.
    """

    def __init__(
        self,
        fine: tuple[int, int] | None = None,
        coarse: tuple[int, int] | None = None,
        start: bool = False,
    ) -> None:
        super().__init__()
        if (fine is None) != (coarse is None):
            raise ValueError("fine, coarse: expected the channels of both or of neither")
        self.down: nn.Module = nn.Identity()
        self.up: nn.Module = nn.Identity()
        self.first: nn.Module | None = nn.Identity() if start else None
        if fine is not None and coarse is not None:
            self.down = nn.Linear(fine[0], coarse[0], bias=False)
            self.up = nn.Linear(coarse[1], fine[1], bias=False)
            self.first = nn.Linear(fine[1], coarse[1], bias=False) if start else None

    def restrict(self, f: Tensor, below: Level) -> Tensor:
        return self.down(below.down(f))

    def start(self, u: Tensor, below: Level) -> Tensor | None:
        return None if self.first is None else self.first(below.down(u))

    def prolong(self, u: Tensor, above: Context, below: Level) -> Tensor:
        out = below.up(self.up(u))
        fixed = getattr(above, "fixed", None)
        return out if fixed is None else out.masked_fill(fixed[:, None], 0)


class FixedMatrix(nn.Module):
    """x -> A x for a given sparse matrix, whatever the context."""

    rowptr: Tensor
    index: Tensor
    value: Tensor

    def __init__(self, matrix: Csr) -> None:
        super().__init__()
        self.columns = matrix.columns
        for name in ("rowptr", "index", "value"):
            self.register_buffer(name, getattr(matrix, name))

    def forward(self, x: Tensor, at: Context = None) -> Tensor:
        return Csr(self.rowptr, self.index, self.value, self.columns)(x)


class FixedScale(nn.Module):
    """x -> diag(scale) x, scale (N,): the damped Jacobi smoother for scale = omega / a_ii."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor, at: Context = None) -> Tensor:
        return self.scale[:, None] * x


class FixedTransfer(nn.Module):
    """P up and P^T down, for a given prolongation; the coarser level begins with zero."""

    def __init__(self, up: Csr) -> None:
        super().__init__()
        self.up = FixedMatrix(up)
        self.down = FixedMatrix(up.t)

    def restrict(self, f: Tensor, below: Context) -> Tensor:
        return self.down(f)

    def start(self, u: Tensor, below: Context) -> None:
        return None

    def prolong(self, u: Tensor, above: Context, below: Context) -> Tensor:
        return self.up(u)


class DenseSolve(nn.Module):
    """The coarsest level solved: u = A^+ f, in place of a `Relaxation`."""

    inverse: Tensor

    def __init__(self, matrix: Csr) -> None:
        super().__init__()
        dense = matrix.dense()
        inverse = torch.linalg.pinv(0.5 * (dense + dense.t()), rtol=1e-11, hermitian=True)
        self.register_buffer("inverse", inverse)

    def forward(self, f: Tensor, u: Tensor | None, at: Context) -> Tensor:
        return self.inverse @ f


def classical_v_cycle(
    matrix: Any,
    *,
    steps: int = 1,
    theta: float = 0.08,
    smoothing: int = 1,
    coarsest: int = 100,
    make: Callable[[Csr, Tensor], Relaxation] | None = None,
) -> VCycle:
    """The textbook's smoothed-aggregation V(steps, steps) cycle of a matrix, as a `VCycle`.

    matrix: SciPy or torch sparse or `Csr`, symmetric positive definite (N, N); A_{l+1} = P^T A_l P,
    S = 4 / (3 rho) D^-1. make(A_l, scale) gives other relaxations, learned ones say, on the same
    hierarchy. Its numbers are float64; `.float()` for single precision. `meshop.solvers.Multigrid`
    is the fast form of the same, not differentiable.
    """
    a = Csr.of(matrix).to(torch.float64)
    before: list[list[nn.Module]] = []
    after: list[list[nn.Module]] = []
    transfers: list[nn.Module] = []
    operators: list[nn.Module] = []
    while a.rows > coarsest:
        inverse = inverse_diagonal(a)
        tentative, _ = aggregation(a, theta * 0.5 ** len(transfers))
        if not 0 < tentative.columns < a.rows:
            break
        rho = spectral_radius(a, inverse)
        up = prolongation(a, tentative, inverse, rho, smoothing)
        scale = OMEGA / rho * inverse
        operator = FixedMatrix(a)

        def relax(a: Csr = a, scale: Tensor = scale, operator: FixedMatrix = operator) -> nn.Module:
            return Relaxation(operator, FixedScale(scale)) if make is None else make(a, scale)

        before.append([relax() for _ in range(steps)])
        after.append([relax() for _ in range(steps)])
        operators.append(operator)
        transfers.append(FixedTransfer(up))
        a = up.t @ (a @ up)
    return VCycle([*before, [DenseSolve(a)]], [*after, []], transfers, operators)
