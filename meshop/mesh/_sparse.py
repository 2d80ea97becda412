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


def counting_order(key: np.ndarray, n: int, order: np.ndarray | None = None) -> np.ndarray:
    """What sorts keys (m,) in [0, n); what is equal keeps its order, or that of `order` (m,)."""
    if order is None:
        order = np.arange(len(key), dtype=np.int32 if len(key) < 2**31 else np.int64)
    # Compressing one row by columns is a counting sort.
    whole = np.array([0, len(key)], order.dtype)
    return csr(order, key[order], whole, (1, n)).tocsc().data
