"""Harmonic maps of plane triangulations."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags

from ..solvers import solve

LEAST_WEIGHT = 1e-3  # of the mean weight, where cotangents are not positive
TOLERANCE = 1e-11  # of the linear systems


def harmonic(
    matrix: csr_matrix, values: np.ndarray, fixed: np.ndarray, load: np.ndarray | None = None
) -> np.ndarray:
    """(N, C) with the given values at fixed nodes, and a product with the matrix at all others
    that is the load (N, C), zero by default."""
    out, free = np.where(fixed[:, None], values, 0.0), ~fixed
    if free.any():
        right = -matrix[free][:, fixed] @ values[fixed]
        if load is not None:
            right = right + load[free]
        out[free] = solve(matrix[free][:, free].tocsr(), right, tol=TOLERANCE)
    return out


def positive(matrix: csr_matrix) -> csr_matrix:
    """The graph Laplacian with every weight positive: none below a small part of the mean."""
    off = -(matrix - diags(matrix.diagonal())).tocsr()
    off.data = np.maximum(off.data, LEAST_WEIGHT * np.abs(off.data).mean())
    off.setdiag(0)
    off.eliminate_zeros()
    return (diags(np.asarray(off.sum(1)).ravel()) - off).tocsr()
