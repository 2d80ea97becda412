"""Sparse matrices by their arrays; SciPy's are imported when one is made, not when meshop is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def csr(
    data: np.ndarray, column: np.ndarray, rowptr: np.ndarray, shape: tuple[int, int]
) -> csr_matrix:
    """A matrix that shares these arrays."""
    from scipy.sparse import csr_matrix

    return csr_matrix((data, column, rowptr), shape=shape)
