"""Where points are among the simplices of a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._sparse import csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_CODES = {1: 3, 2: 5, 3: 10}  # VTK codes of simplices


def located(
    points: np.ndarray, nodes: np.ndarray, queries: np.ndarray
) -> tuple[np.ndarray, csr_matrix]:
    """The simplex (Q,) that holds each query (Q, 3), or is the nearest, and (Q, N) the weights
    that take values at points there."""
    import torch  # here, so that matrices need none of it

    from ..ops import locate

    found = locate(
        torch.tensor(points),
        torch.full((len(nodes),), _CODES[nodes.shape[1] - 1], dtype=torch.uint8),
        torch.arange(len(nodes) + 1) * nodes.shape[1],
        torch.tensor(nodes).reshape(-1),
        torch.tensor(np.asarray(queries, float)),
    )
    held = found.nodes.numpy() >= 0
    rowptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))])
    weights, columns = found.weights.numpy()[held], found.nodes.numpy()[held]
    return found.cell.numpy(), csr(weights, columns, rowptr, (len(held), len(points)))
