"""A network that guesses the error from the residual: a direction for conjugate gradients."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import Csr, csr_matmul
from ._coarsen import OMEGA, aggregation, inverse_diagonal, prolongation, spectral_radius
from ._net import Net
from ._reading import NODES, read
from .saved import whole

Vector = TypeVar("Vector", np.ndarray, Tensor)


class Scaled(NamedTuple):
    """A level as the network works on it: D^-1/2 A D^-1/2, of unknowns D^1/2 u, D = diag(A)."""

    a: Csr
    pull: float  #: damping of Jacobi: 4 / (3 rho)
    node: Tensor  #: (N, NODES) features
    up: Csr
    down: Csr


class Hierarchy(NamedTuple):
    root: Tensor  #: (N,) a_ii^-1/2
    levels: list[Scaled]
    inverse: Tensor  #: of the last, scaled


def hierarchy(a: Csr, theta: float, coarsest: int) -> Hierarchy:
    """Smoothed aggregation with one step, scaled; float32."""
    first, levels = inverse_diagonal(a).sqrt(), list[Scaled]()
    root = first
    while a.rows > coarsest:
        tentative, _ = aggregation(a, theta * 0.5 ** len(levels))
        if not 0 < tentative.columns <= 0.9 * a.rows:
            break
        inverse = root * root
        rho = spectral_radius(a, inverse)
        up = prolongation(a, tentative, inverse, rho)
        below = csr_matmul(up.t, csr_matmul(a, up, sort=False), sort=False)
        under = inverse_diagonal(below).sqrt()
        step = up.scaled(1 / root, under).to(torch.float32)
        node = read(a, tentative).node
        scaled = a.scaled(root, root).to(torch.float32)
        levels.append(Scaled(scaled, OMEGA / rho, node, step, step.t))
        a, root = below, under
    if a.rows > 2000:
        raise ValueError(f"matrix: {a.rows} unknowns are left that do not aggregate")
    dense = a.scaled(root, root).dense()
    dense = torch.linalg.pinv(0.5 * (dense + dense.t()), rtol=1e-11, hermitian=True)
    return Hierarchy(first, levels, dense.float())


class DirectionNet(Net):
    """Gives a direction d = f(r / |r|) for a residual r: deep conjugate directions, on graphs.

    f is a V-cycle of nonlinear blocks on the algebraic hierarchy of A, in unknowns scaled by
    sqrt(a_ii): neither the unit of A nor that of r changes d. `meshop.solve(A, b, net)` makes each
    d A-orthogonal to the last two, as the paper does. net(A) is the map alone; d has the sign that
    descends. `learn(..., kind="direction")` trains.
    width: channels; hidden: of the nonlinear part of each step; theta: as in `Multigrid`.

    Source: Kaneda, Akar, Chen, Kala, Hyde, Teran, A deep conjugate direction method for iteratively
    solving linear systems, ICML 2023 (there a convolutional network on one grid).
    """

    kind = "direction"
    directions = 2

    def __init__(self, width: int = 8, hidden: int = 24, theta: float = 0.04) -> None:
        super().__init__({"width": width, "hidden": hidden, "theta": theta})
        whole(width, "width", 1, 256)
        whole(hidden, "hidden", 1, 1024)
        self.theta = float(theta)
        self.enter = nn.Linear(1, width, bias=False)
        self.leave = nn.Linear(width, 1, bias=False)
        self.before, self.after = _Step(width, hidden), _Step(width, hidden)
        self.correct = nn.Linear(width, width, bias=False)
        with torch.no_grad():  # begins as a damped Jacobi V-cycle in each channel
            self.enter.weight.fill_(1)
            self.leave.weight.fill_(1 / width)
            self.correct.weight.copy_(torch.eye(width))

    def setup(self, matrix: Any, coarsest: int = 300) -> Directions:
        """The map of A. coarsest: unknowns that are solved directly."""
        return Directions(self, matrix, coarsest)

    def guess(self, h: Hierarchy, r: Tensor) -> Tensor:
        """(N, C) directions for residuals (N, C) float64, of the size of A^-1 r; differentiable."""
        root = h.root[:, None]
        size = (r * root).square().mean(0).sqrt()
        f = r * root / size.clamp(min=1e-300)
        u = self._cycle(0, self.enter(f.float()[:, :, None]), h)
        return self.leave(u)[:, :, 0].double() * root * size

    def _cycle(self, at: int, f: Tensor, h: Hierarchy) -> Tensor:
        if at == len(h.levels):
            return (h.inverse @ f.flatten(1)).reshape(f.shape)
        level = h.levels[at]
        u = self.before(f, None, level)
        found = self._cycle(at + 1, level.down(f - level.a(u)), h)
        u = u + self.correct(level.up(found))
        return u + self.after(f - level.a(u), u, level)


class _Step(nn.Module):
    """pull (r W + g), g of what stands at a node; of twice r and u it gives twice as much."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)
        self.first = nn.Linear(2 * width + NODES, hidden)
        self.second = nn.Linear(hidden, width, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(width))
            self.second.weight.mul_(0.1)

    def forward(self, r: Tensor, u: Tensor | None, level: Scaled) -> Tensor:
        size = _size(r)
        state = torch.zeros_like(r) if u is None else u / _size(u)
        node = level.node[:, None, :].expand(-1, r.shape[1], -1)
        bent = self.second(F.silu(self.first(torch.cat([r / size, state, node], 2))))
        return level.pull * (self.linear(r) + size * bent)


def _size(x: Tensor) -> Tensor:
    """(1, C, 1) root mean square of each column's channels."""
    return x.square().mean((0, 2), keepdim=True).sqrt().clamp(min=1e-30)


class Directions:
    """What a `DirectionNet` makes of a matrix: r, (N,) or (N, C), to directions that descend."""

    def __init__(self, net: DirectionNet, matrix: Any, coarsest: int) -> None:
        self.net, self.directions = net, net.directions
        a = Csr.of(matrix).to(torch.float64)
        self.levels = hierarchy(a, net.theta, coarsest)

    def __call__(self, r: Vector) -> Vector:
        x = torch.as_tensor(r).detach()
        given = (x[:, None] if x.dim() == 1 else x).double().cpu()
        with torch.no_grad():
            d = self.net.guess(self.levels, given)
        d = torch.where((d * given).sum(0) < 0, -d, d)
        out = d.to(x.device, x.dtype).reshape(x.shape)
        return out.numpy() if isinstance(r, np.ndarray) else out
