"""The sparsity of P1 matrices, found once: sums over simplices go straight to their places."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from ._sparse import csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


_ROOM = 1 << 22  # local edges that are sorted at a time


class Pattern:
    """Nodes and edges of simplices (S, d + 1) over n nodes, and where each stands in a CSR matrix.

    pairs: the local edges (i, j), i < j; low and high (E,): each edge's nodes, sorted; slot
    (pairs, S) int32: which edge it is. Every node has a diagonal entry.
    """

    def __init__(self, simplices: np.ndarray, n: int) -> None:
        self.n = n
        self.pairs = tuple(combinations(range(simplices.shape[1]), 2))
        self.slot = np.empty((len(self.pairs), len(simplices)), np.int32)
        found, seen = [np.empty(0, np.int64)], 0
        for lowest, highest in pairwise(self._blocks(simplices)):
            keys, places = [], []
            for row, (i, j) in enumerate(self.pairs):
                low = np.minimum(simplices[:, i], simplices[:, j])
                mine = np.flatnonzero((low >= lowest) & (low < highest))
                high = np.maximum(simplices[mine, i], simplices[mine, j])
                keys.append(low[mine] * n + high)
                places.append(mine + row * len(simplices))
            key = np.concatenate(keys)
            order = np.argsort(key)
            key = key[order]
            new = np.ones(len(key), bool)
            np.not_equal(key[1:], key[:-1], out=new[1:])
            place = np.concatenate(places)[order]
            number = np.cumsum(new, dtype=np.int32)
            self.slot.reshape(-1)[place] = number + np.int32(seen - 1)
            found.append(key[new])
            seen += len(found[-1])
        self.low, self.high = np.divmod(np.concatenate(found), max(n, 1))
        self._place()

    def _blocks(self, simplices: np.ndarray) -> list[int]:
        """Bounds of ranges of nodes that are the lower ends of so many local edges: those are
        sorted at a time, so that memory stays low."""
        uses = np.zeros(self.n, np.int64)
        for i, j in self.pairs:
            uses += np.bincount(np.minimum(simplices[:, i], simplices[:, j]), minlength=self.n)
        ends = np.cumsum(uses)
        total = int(ends[-1]) if self.n else 0
        room = max(_ROOM, total // 8)  # each range goes through all simplices
        bounds = np.searchsorted(ends, np.arange(room, total, room))
        return [0, *np.unique(bounds[(bounds > 0) & (bounds < self.n)]).tolist(), self.n]

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
