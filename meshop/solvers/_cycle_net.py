"""A network that reads a sparse matrix and writes the V-cycle that preconditions it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import Csr, csr_matmul, segment_reduce
from ._coarsen import OMEGA, smoother_scale, spectral_radius
from ._multigrid import BETAS, Multigrid
from ._net import Net
from ._reading import EDGES, NODES, Reading, read
from .saved import whole

LANCZOS = 12  # steps: scales that are learned spread more than those of `Multigrid`
REACH = 1.5  # of the network: it changes entries and scales by up to exp(1.5) either way


class Written(NamedTuple):
    """What the network gives for one level."""

    scale: Tensor  #: (N,) of the smoother, positive
    weight: list[Tensor]  #: (E,) entries of each matrix that smooths the prolongation


class CycleNet(Net):
    """Reads a symmetric positive definite matrix, and writes smoothers and transfers for it.

    The hierarchy is that of smoothed aggregation. Each level's smoother is a Chebyshev polynomial
    of diag(s) A, and its prolongation W_k .. W_1 P_0 of the aggregates P_0; s (N,) and W, which has
    A's pattern and row sums that keep the constant, come from a graph network over the entries
    a_ij / sqrt(a_ii a_jj). The untrained network changes nothing: these are `Multigrid`'s. All
    levels share it, so one that learned on small meshes works on large ones.

    net(A) gives the cycle, a `LearnedMultigrid`: linear, symmetric, and positive whatever was
    learned. `meshop.solve(A, b, net)` does the same; `learn` trains.
    width, rounds: channels and message steps. smoothing: k. degree (1 to 5): of the polynomial.
    theta: as in `Multigrid`.

    Source: Luz, Galun, Maron, Basri, Yavneh, Learning algebraic multigrid using graph neural
    networks, ICML 2020 (there P alone is learned, on classical coarsening).
    """

    kind = "cycle"

    def __init__(
        self,
        width: int = 12,
        rounds: int = 1,
        smoothing: int = 1,
        degree: int = 3,
        theta: float = 0.04,
    ) -> None:
        super().__init__(
            {
                "width": width, "rounds": rounds, "smoothing": smoothing, "degree": degree,
                "theta": theta,
            }
        )  # fmt: skip
        whole(width, "width", 1, 256)
        whole(rounds, "rounds", 0, 16)
        self.smoothing = whole(smoothing, "smoothing", 1, 3)
        self.degree, self.theta = whole(degree, "degree", 1, len(BETAS)), float(theta)
        self.enter = nn.Linear(NODES, width)
        self.entry = nn.ModuleList(_Entry(width) for _ in range(rounds + 1))
        self.update = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(rounds))
        self.rows = nn.Linear(width, 1 + smoothing)
        self.entries = nn.Linear(width, smoothing)
        for last in (self.rows, self.entries):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def write(self, a: Csr, tentative: Csr) -> Written:
        """A level of A, differentiable in the weights."""
        scale = smoother_scale(a)
        rho = spectral_radius(a, scale)
        by_row, by_entry = self.gains(read(a, tentative))
        pull = scale * (OMEGA / rho)
        total = segment_reduce(a.value[:, None], a.rowptr)[:, 0]
        on = a.row == a.index
        weight = []
        for k in range(self.smoothing):
            off = torch.where(on, 0.0, -pull[a.row] * a.value * by_entry[:, k])
            # Rows of A that sum to zero keep the constant; others lose as much as they would.
            keep = 1 - pull * total * by_row[:, 1 + k]
            own = keep - segment_reduce(off[:, None], a.rowptr)[:, 0]
            weight.append(torch.where(on, own[a.row], off))
        return Written(scale * by_row[:, 0], weight)

    def gains(self, reading: Reading) -> tuple[Tensor, Tensor]:
        """(N, 1 + k) and (E, k) factors that rows and entries are changed by, float32."""
        h = F.silu(self.enter(reading.node))
        for entry, update in zip(self.entry[:-1], self.update, strict=True):
            told = segment_reduce(entry(h, reading) * reading.share, reading.rowptr)
            h = h + F.silu(update(torch.cat([h, told], 1)))
        by_entry = self.entries(self.entry[-1](h, reading))
        return (REACH * self.rows(h).tanh()).exp(), (REACH * by_entry.tanh()).exp()

    def setup(self, matrix: Any, coarsest: int = 300) -> LearnedMultigrid:
        """The cycle of A: SciPy sparse, torch sparse or `Csr`. coarsest: as in `Multigrid`."""
        return LearnedMultigrid(matrix, self, coarsest=coarsest)


class _Entry(nn.Module):
    """(E, width) of each entry from both its ends and its own features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.here = nn.Linear(width, width)
        self.there = nn.Linear(width, width, bias=False)
        self.between = nn.Linear(EDGES, width, bias=False)

    def forward(self, h: Tensor, reading: Reading) -> Tensor:
        ends = self.here(h)[reading.row] + self.there(h)[reading.column]
        return F.silu(ends + self.between(reading.edge))


class LearnedMultigrid(Multigrid):
    """A V-cycle that a `CycleNet` wrote for a matrix; called as `Multigrid` is.

    Linear, symmetric and positive: smoothers of both ways are adjoint and contract, coarser
    matrices are P^T A P, the last is solved.
    """

    def __init__(self, matrix: Any, net: CycleNet, *, coarsest: int = 300) -> None:
        self.net = net
        super().__init__(matrix, theta=net.theta, degree=net.degree, coarsest=coarsest)

    def _level(self, a: Csr, tentative: Csr) -> tuple[Tensor, float, Csr]:
        with torch.no_grad():
            written = self.net.write(a, tentative)
        up = tentative
        for weight in written.weight:
            up = csr_matmul(a.with_value(weight), up, sort=False)
        return written.scale, spectral_radius(a, written.scale, LANCZOS), up
