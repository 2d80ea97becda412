"""P1 solutions of -Laplacian u + c u = f with known u; their errors, differentiable in the mesh.

The error of a mesh is what its movement is for. Its slope in the points is that of one Newton step
from the solution: u = u0 - A0^-1 (A(x) u0 - f(x)), which needs A0 once more and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from meshop.movers import Domain


def rule(*orbits: tuple[float, Sequence[float]]) -> tuple[Tensor, Tensor]:
    """Barycentric coordinates (Q, d + 1) and weights (Q,) of all orders of some coordinates."""
    points = [(p, weight) for weight, at in orbits for p in sorted(set(permutations(at)))]
    at, weight = zip(*points, strict=True)
    return torch.tensor(at, dtype=torch.float64), torch.tensor(weight, dtype=torch.float64)


def corner(a: float, d: int) -> list[float]:
    return [1 - d * a, *[a] * d]


_EDGE = 0.045503704125649649
RULES = {
    # Dunavant (1985), degree 4.
    2: rule(
        (0.223381589678011, corner(0.445948490915965, 2)),
        (0.109951743655322, corner(0.091576213509771, 2)),
    ),
    # Walkington (2000), degree 5.
    3: rule(
        (0.112687925718015851, corner(0.310885919263300610, 3)),
        (0.073493043116361950, corner(0.092735250310891226, 3)),
        (0.042546020777081466, [_EDGE, _EDGE, 0.5 - _EDGE, 0.5 - _EDGE]),
    ),
}


class Problem(NamedTuple):
    """Sums of six Gaussians, for each mesh of a batch: u, and c."""

    height: Tensor  #: (B, 6)
    centre: Tensor  #: (B, 6, d)
    width: Tensor  #: (B, 6, d)
    reaction: Tensor  #: (B,)

    def __call__(self, x: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        """u and f at points x (Q, d) of meshes `of` (Q,), in their order."""
        powers = torch.cat([x * x, x, torch.ones_like(x[:, :1])], 1)
        parts = powers.split(torch.bincount(of, minlength=len(self.height)).tolist())
        rows = [self._at(part, k) for k, part in enumerate(parts)]
        u, f = (torch.cat(row) for row in zip(*rows, strict=True))
        return u, f

    def _at(self, powers: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Of one mesh, from x^2, x and 1 (q, 2 d + 1): squares of distances are products."""
        rate, centre = self.width[k] ** -2.0, self.centre[k]

        def away(weight: Tensor) -> Tensor:
            """(q, 6) sums of weight (x - c)^2."""
            rest = (weight * centre**2).sum(1, keepdim=True)
            return powers @ torch.cat([weight, -2 * weight * centre, rest], 1).T

        part = self.height[k] * (-away(rate)).exp()
        bend = part * (4 * away(rate**2) - 2 * rate.sum(1))
        u = part.sum(1)
        return u, self.reaction[k] * u - bend.sum(1)


def solve(domain: Domain, x: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """(N,) the solution on the mesh at points x (N, d), and (B,) its error in L2."""
    nodes, n, d = domain.simplices, len(x), domain.d
    points, weight = RULES[d]
    corners = x[nodes]
    # What is inverted or flat counts as small: it is penalised elsewhere.
    size = torch.maximum(domain.volumes(x), 1e-3 * domain.measure)
    normal = cofactors(corners)
    stiff = normal @ normal.mT / (math.factorial(d) ** 2 * size[:, None, None])
    mass = (1 + torch.eye(d + 1, dtype=x.dtype)) * size[:, None, None] / ((d + 1) * (d + 2))
    local = stiff + problem.reaction[domain.simplex_batch][:, None, None] * mass
    at = torch.einsum("qc,scx->sqx", points, corners)
    of = domain.simplex_batch[:, None].expand(-1, len(weight))
    u, f = (v.view(len(nodes), -1) for v in problem(at.reshape(-1, d), of.reshape(-1)))
    load = torch.einsum("sq,q,qc->sc", f, weight, points) * size[:, None]
    edge, _ = problem(x, domain.batch)
    inner = ~domain.boundary
    found, factor = _solution(nodes, local.detach(), load.detach(), edge.detach(), inner.numpy())
    start = torch.where(inner, found, edge)
    rest = torch.zeros(n, dtype=x.dtype).index_add(
        0, nodes.reshape(-1), (torch.einsum("sab,sb->sa", local, start[nodes]) - load).reshape(-1)
    )
    value = start.index_add(0, inner.nonzero()[:, 0], -_Inverse.apply(rest[inner], factor))
    miss = (torch.einsum("qc,sc->sq", points, value[nodes]) - u) ** 2 @ weight * size
    total = torch.zeros(len(domain.sizes), dtype=x.dtype)
    return value, total.index_add(0, domain.simplex_batch, miss).sqrt()


def cofactors(corners: Tensor) -> Tensor:
    """(S, d + 1, d) gradients of the hat functions, times d! measures, of corners (S, d + 1, d)."""
    if corners.shape[2] == 2:
        side = corners.roll(1, 1) - corners.roll(-1, 1)
        return torch.stack([side[..., 1], -side[..., 0]], 2)
    a, b, c = (corners[:, 1:] - corners[:, :1]).unbind(1)
    cross = torch.linalg.cross
    others = torch.stack([cross(b, c), cross(c, a), cross(a, b)], 1)
    return torch.cat([-others.sum(1, keepdim=True), others], 1)


def _solution(
    nodes: Tensor, local: Tensor, load: Tensor, edge: Tensor, inner: np.ndarray
) -> tuple[Tensor, Any]:
    """u0 (N,), and the factors of A0."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    n, cells = len(edge), nodes.numpy()
    rows, columns = np.broadcast_arrays(cells[:, :, None], cells[:, None])
    matrix = coo_matrix((local.numpy().ravel(), (rows.ravel(), columns.ravel())), (n, n)).tocsr()
    right = np.bincount(cells.ravel(), load.numpy().ravel(), n)
    value = np.where(inner, 0.0, edge.numpy())
    right = (right - matrix @ value)[inner]
    within = matrix[inner][:, inner].tocsc()
    options = {"SymmetricMode": True}
    factor = splu(within, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    value[inner] = factor.solve(right)
    return torch.from_numpy(value), factor


class _Inverse(torch.autograd.Function):
    """A0^-1 r of a symmetric A0, which does not change."""

    @staticmethod
    def forward(ctx: Any, r: Tensor, factor: Any) -> Tensor:
        ctx.factor = factor
        return torch.from_numpy(factor.solve(r.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.factor.solve(grads[0].numpy())), None
