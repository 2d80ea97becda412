"""Polynomials of a mesh's Laplacian, from its edges and dual measures.

    K_ij = -D (V_i / n_i + V_j / n_j) / |x_j - x_i|^2,   K_ii = -sum_j K_ij

is the finite-volume Laplacian A_ij / |x_j - x_i| whose dual faces A share the measure of their
node, sum_j A_ij |x_j - x_i| = 2 D V_i, evenly among its n_i edges. Inside rectangular grids of any
stretching, in any dimension, it is the difference matrix (five points in the plane), inside
lattices of equilateral triangles the P1 stiffness; elsewhere it has their scaling: on good meshes
of triangles its entries are 6 % from P1's, and the solution of -laplace u = 1 is 2 %. No edge pulls
the wrong way, as the cotangents of obtuse triangles do.

Two scalings have a spectrum with a known bound, so that L^ = 2 L / bound - 1 lies in [-1, 1]:
    degree   L = diag(K)^-1 K, at most 2: every cell has its share, whatever the grading
    mass     L = V^-1 K, at most max_i 2 K_ii / V_i over each graph (Gershgorin): rates per length
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import Csr, segment_reduce
from .hierarchy import built
from .points import Points

SCALINGS = ("degree", "mass")


@built
def scaled_laplacian(
    points: Points, sender: Tensor, receiver: Tensor, rowptr: Tensor, scaling: str = "degree"
) -> tuple[Tensor, Csr]:
    """L^ of the module as its diagonal (N,) and the rest of the matrix; loops count for nothing.

    Raises ValueError for an unknown scaling.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling: expected one of {', '.join(SCALINGS)}, found {scaling!r}")
    exact = torch.promote_types(points.pos.dtype, torch.float32)
    pos, measure = points.pos.to(exact), points.weight.to(exact)
    far = (pos[sender] - pos[receiver]).square().sum(1)
    real = sender != receiver
    count = segment_reduce(real.to(exact)[:, None], rowptr)[:, 0].clamp_min(1)
    part = measure / count
    pull = (part[sender] + part[receiver]) / far.clamp_min(1e-30)  # twins at one place hold fast
    pull = torch.where(real, pull, 0.0)
    total = segment_reduce(pull[:, None], rowptr)[:, 0]
    if scaling == "degree":
        # L has a diagonal of 1, where a node has neighbours at all.
        unit = torch.where(total > 0, 1 / total, 0.0)
    else:
        rate = total / measure
        top = rate.new_zeros(len(points.sizes))
        top = top.scatter_reduce(0, points.batch, rate, "amax")
        unit = torch.where(top > 0, 1 / top, 0.0)[points.batch] / measure
    value = -pull * unit[receiver]
    return total * unit - 1, Csr(rowptr, sender, value, len(pos))


class ChebyshevConv(nn.Module):
    """y = sum_{k < terms} T_k(L^) x W_k + b, T the Chebyshev polynomials of the first kind.

    Defferrard, Bresson and Vandergheynst, NeurIPS 2016, arXiv 1606.09375.
    """

    def __init__(self, width: int, out: int, terms: int) -> None:
        super().__init__()
        if terms < 1:
            raise ValueError(f"terms: expected 1 or more, found {terms}")
        self.terms = terms
        self.mix = nn.Linear(terms * width, out)

    def forward(self, x: Tensor, laplacian: tuple[Tensor, Csr]) -> Tensor:
        """x (N, width) -> (N, out)."""
        diagonal, rest = laplacian
        diagonal = diagonal[:, None]
        exact = torch.promote_types(x.dtype, torch.float32)

        def apply(x: Tensor) -> Tensor:
            return diagonal * x + rest(x)

        terms = [x.to(exact)]
        if self.terms > 1:
            terms.append(apply(terms[0]))
        for _ in range(2, self.terms):
            terms.append(2 * apply(terms[-1]) - terms[-2])
        return self.mix(torch.cat(terms, dim=1).to(x.dtype))
