"""What interpolation by P1 elements leaves of a field, from its second derivatives."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from ._p1_assembly import chunked
from .vectors import gathered

if TYPE_CHECKING:
    from ._p1 import P1


def interpolation_error(p1: P1, hessian: np.ndarray) -> np.ndarray:
    """(S,) the L2 norms, on each simplex, of u - I u for a quadratic u of these second derivatives.

    hessian (S, 3, 3), or (S, 3, 3, k) of k fields together; I u is linear and equal to u at the
    corners. With q_e = e . H e of the edges e = ij, u - I u = - sum_e q_e l_i l_j / 2 in
    barycentric coordinates l, whose products have known integrals, |K| d! a! b! ... / (d + a + b +
    ...)!. Exact for quadratics; of others the leading term, if H is theirs. Source: Zienkiewicz and
    Taylor, The Finite Element Method, vol. 1; as an estimate with recovered H: Buscaglia and Dari,
    Int. J. Numer. Methods Engrg. 40 (1997).
    """
    nodes, measure = p1.simplices.nodes, p1.simplices.measure
    hessian = np.asarray(hessian, float).reshape(len(nodes), 3, 3, -1)
    pairs = list(combinations(range(nodes.shape[1]), 2))
    # The same edge twice: 2! 2!; one corner in common: 2!; none: 1.
    shared = [[(1, 2, 4)[len({*e} & {*f})] for f in pairs] for e in pairs]
    out = np.zeros(len(nodes))
    d = nodes.shape[1] - 1
    scale = 4 * factorial(d + 4) / factorial(d)
    for some in chunked(len(nodes)):
        corner = gathered(p1.corners, nodes[some])  # (d + 1, 3, m)
        edge = np.stack([corner[j] - corner[i] for i, j in pairs])
        q = np.einsum("eam,mabk,ebm->emk", edge, hessian[some], edge)
        square = np.einsum("ef,emk,fmk->m", np.array(shared, float), q, q)
        out[some] = np.sqrt(measure[some] * square / scale)
    return out
