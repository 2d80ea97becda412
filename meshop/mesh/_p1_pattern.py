"""The sparsity of P1 matrices, found once: sums over simplices go straight to their places."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from ._sparse import counting_order, csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ROOM = 1 << 24  # local edges that are sorted at a time


class Pattern:
    """Nodes and edges of simplices (S, d + 1) over n nodes, and where each stands in a CSR matrix.

    pairs: the local edges (i, j), i < j; low and high (E,): each edge's nodes, sorted; slot
    (pairs, S): which edge it is. Every node has a diagonal entry.
    """

    def __init__(self, simplices: np.ndarray, n: int) -> None:
        self.n = n
        self.pairs = tuple(combinations(range(simplices.shape[1]), 2))
        count = len(simplices)
        kind = np.int32 if max(n, len(self.pairs) * count) < 2**31 else np.int64
        corner = np.ascontiguousarray(simplices.T, kind)
        self.slot = np.empty((len(self.pairs), count), kind)
        lows, highs, seen = [np.empty(0, kind)], [np.empty(0, kind)], 0
        bounds = self._bounds(corner)
        for first, last in pairwise(bounds):
            low = np.concatenate([np.minimum(corner[i], corner[j]) for i, j in self.pairs])
            high = np.concatenate([np.maximum(corner[i], corner[j]) for i, j in self.pairs])
            places = None
            if len(bounds) > 2:
                places = np.flatnonzero((low >= first) & (low < last))
                low, high = low[places], high[places]
            order = counting_order(low, n, counting_order(high, n))
            low, high = low[order], high[order]
            new = np.ones(len(order), bool)
            np.not_equal(high[1:], high[:-1], out=new[1:])
            new[1:] |= low[1:] != low[:-1]
            number: np.ndarray = np.cumsum(new, dtype=kind)
            number += seen - 1
            self.slot.reshape(-1)[order if places is None else places[order]] = number
            lows.append(low[new])
            highs.append(high[new])
            seen += len(lows[-1])
        self.low, self.high = np.concatenate(lows), np.concatenate(highs)
        self._place()

    def _bounds(self, corner: np.ndarray) -> list[int]:
        """Ends of ranges of nodes that are the lower ends of no more local edges than are sorted
        at a time, so that memory stays low."""
        total = len(self.pairs) * corner.shape[1]
        if not self.pairs:  # the ends of lines
            return []
        if total <= _ROOM:
            return [0, self.n]
        uses = np.zeros(self.n, np.int64)
        for i, j in self.pairs:
            uses += np.bincount(np.minimum(corner[i], corner[j]), minlength=self.n)
        room = max(_ROOM, total // 4)  # each range goes through all simplices
        found = np.searchsorted(np.cumsum(uses), np.arange(room, total, room))
        return [0, *np.unique(found[(found > 0) & (found < self.n)]).tolist(), self.n]

    def _place(self) -> None:
        """Row by row: the lower neighbours, the node, the higher neighbours."""
        n, edges = self.n, np.arange(len(self.low), dtype=self.slot.dtype)
        above = _ends(self.low, n)
        by_high = csr(edges, self.high, above, (n, n)).tocsc()
        below = by_high.indptr
        nodes = np.arange(n, dtype=self.slot.dtype)
        index = np.int32 if 2 * len(edges) + n < 2**31 else np.int64
        self.rowptr = (above.astype(index) + below) + np.arange(n + 1, dtype=index)
        self.diagonal = self.rowptr[:-1] + np.diff(below)
        # A row's entries follow each other as those of the two halves do.
        self.upper = edges + (self.diagonal + 1 - above[:-1])[self.low]
        place = edges + np.repeat(self.rowptr[:-1] - below[:-1], np.diff(below))
        self.lower = np.empty(len(edges), index)
        self.lower[by_high.data] = place
        self.column = np.empty(int(self.rowptr[-1]), index)
        self.column[self.diagonal] = nodes
        self.column[self.upper] = self.high
        self.column[place] = by_high.indices

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


def _ends(rows: np.ndarray, n: int) -> np.ndarray:
    """(n + 1,) where the entries of each row begin and end, of sorted rows."""
    out = np.zeros(n + 1, rows.dtype)
    np.cumsum(np.bincount(rows, minlength=n), out=out[1:])
    return out
