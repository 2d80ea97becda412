"""P1 solutions of -Laplacian u + c u = f with known u; their errors, differentiable in the mesh.

The error of a mesh is what its movement is for. Its slope in the points is that of one Newton step
from the solution: u = u0 - A0^-1 (A(x) u0 - f(x)), which needs A0 once more and nothing else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from meshop.movers import Domain

# Dunavant (1985), degree 4: barycentric coordinates of six points, and their weights.
_A, _B = 0.445948490915965, 0.091576213509771
RULE = torch.tensor(
    [[a if i != j else 1 - 2 * a for j in range(3)] for a in (_A, _B) for i in range(3)],
    dtype=torch.float64,
)
WEIGHT = torch.tensor([0.223381589678011] * 3 + [0.109951743655322] * 3, dtype=torch.float64)


class Problem(NamedTuple):
    """Sums of six Gaussians, for each mesh of a batch: u, and c."""

    height: Tensor  #: (B, 6)
    centre: Tensor  #: (B, 6, 2)
    width: Tensor  #: (B, 6, 2)
    reaction: Tensor  #: (B,)

    def __call__(self, x: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        """u and f at points x (Q, 2) of meshes `of` (Q,)."""
        rate = self.width[of] ** -2.0
        away = x[:, None] - self.centre[of]
        part = self.height[of] * (-(rate * away**2).sum(2)).exp()
        bend = part * (4 * rate**2 * away**2 - 2 * rate).sum(2)
        u = part.sum(1)
        return u, self.reaction[of] * u - bend.sum(1)


def solve(domain: Domain, x: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """(N,) the solution on the mesh at points x (N, 2), and (B,) its error in L2."""
    nodes, n = domain.simplices, len(x)
    corner = x[nodes]
    turn = torch.sign(_cross(domain.points[nodes]))
    # What is inverted or flat counts as small: it is penalised elsewhere.
    area = torch.maximum(_cross(corner) * turn, 1e-3 * domain.measure)
    side = corner.roll(-1, 1) - corner.roll(1, 1)
    stiff = side @ side.transpose(1, 2) / (4 * area[:, None, None])
    mass = (1 + torch.eye(3, dtype=x.dtype)) * area[:, None, None] / 12
    local = stiff + problem.reaction[domain.simplex_batch][:, None, None] * mass
    at = torch.einsum("qc,scx->sqx", RULE, corner)
    of = domain.simplex_batch[:, None].expand(-1, 6)
    u, f = (v.view(-1, 6) for v in problem(at.reshape(-1, 2), of.reshape(-1)))
    load = torch.einsum("sq,q,qc->sc", f, WEIGHT, RULE) * area[:, None]
    edge, _ = problem(x, domain.batch)
    inner = ~domain.boundary
    found, factor = _solution(nodes, local.detach(), load.detach(), edge.detach(), inner.numpy())
    start = torch.where(inner, found, edge)
    rest = torch.zeros(n, dtype=x.dtype).index_add(
        0, nodes.reshape(-1), (torch.einsum("sab,sb->sa", local, start[nodes]) - load).reshape(-1)
    )
    value = start.index_add(0, inner.nonzero()[:, 0], -_Inverse.apply(rest[inner], factor))
    miss = (torch.einsum("qc,sc->sq", RULE, value[nodes]) - u) ** 2 @ WEIGHT * area
    total = torch.zeros(len(domain.sizes), dtype=x.dtype)
    return value, total.index_add(0, domain.simplex_batch, miss).sqrt()


def _cross(corner: Tensor) -> Tensor:
    """(S,) signed areas."""
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


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
