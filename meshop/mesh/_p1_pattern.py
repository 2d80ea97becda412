"""The sparsity of P1 matrices, found once: sums over simplices go straight to their places."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ._sparse import csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Pattern:
    """Nodes and edges of simplices (S, d + 1) over n nodes, and where each stands in a CSR matrix.

    pairs: the local edges (i, j), i < j; low and high (E,): each edge's nodes, sorted; slot
    (pairs, S) int32: which edge it is. Every node has a diagonal entry.
    """

    def __init__(self, simplices: np.ndarray, n: int) -> None:
        self.n = n
        self.pairs = tuple(combinations(range(simplices.shape[1]), 2))
        count = len(simplices)
        key = np.empty((len(self.pairs), count), np.int64)
        for row, (i, j) in enumerate(self.pairs):
            a, b = simplices[:, i], simplices[:, j]
            key[row] = np.minimum(a, b) * n + np.maximum(a, b)
        order = np.argsort(key, axis=None)
        key = key.reshape(-1)[order]
        new = np.ones(len(key), bool)
        np.not_equal(key[1:], key[:-1], out=new[1:])
        number = np.cumsum(new, dtype=np.int32)
        number -= 1
        self.slot = np.empty((len(self.pairs), count), np.int32)
        self.slot.reshape(-1)[order] = number
        self.low, self.high = np.divmod(key[new], max(n, 1))
        self._place()

    def _place(self) -> None:
        """Row by row: the lower neighbours, the node, the higher neighbours."""
        n, edges = self.n, np.arange(len(self.low))
        below = np.bincount(self.high, minlength=n)
        above = np.bincount(self.low, minlength=n)
        self.rowptr = np.zeros(n + 1, np.int64)
        np.cumsum(below + above + 1, out=self.rowptr[1:])
        self.diagonal = self.rowptr[:-1] + below
        self.upper = self.diagonal[self.low] + 1 + edges - (np.cumsum(above) - above)[self.low]
        by_high = np.argsort(self.high, kind="stable")  # edges are sorted by low, so these too
        self.lower = np.empty(len(edges), np.int64)
        rank = edges - np.repeat(np.cumsum(below) - below, below)
        self.lower[by_high] = self.rowptr[self.high[by_high]] + rank
        index = np.int32 if self.rowptr[-1] < 2**31 else np.int64
        self.column = np.empty(int(self.rowptr[-1]), index)
        self.column[self.diagonal] = np.arange(n)
        self.column[self.upper] = self.high
        self.column[self.lower] = self.low
        self.rowptr = self.rowptr.astype(index)

    def flip(self, simplices: np.ndarray) -> np.ndarray:
        """(pairs, m) whether the first node of a local edge is the higher one."""
        return np.stack([simplices[:, i] > simplices[:, j] for i, j in self.pairs])

    def add(self, total: np.ndarray, at: slice, values: np.ndarray) -> None:
        """Add values (pairs, m) of the local edges of the simplices `at` to those of edges (E,)."""
        np.add.at(total, self.slot[:, at].ravel().astype(np.intp), values.ravel())

    def matrix(
        self, diagonal: np.ndarray, upper: np.ndarray, lower: np.ndarray | None = None
    ) -> csr_matrix:
        """(n, n) from its diagonal (n,) and, of each edge, the entries (low, high) and (high, low);
        symmetric where one is given. Columns are sorted."""
        data = np.empty(len(self.column))
        data[self.diagonal] = diagonal
        data[self.upper] = upper
        data[self.lower] = upper if lower is None else lower
        out = csr(data, self.column, self.rowptr, (self.n, self.n))
        out.has_sorted_indices = out.has_canonical_format = True
        return out
