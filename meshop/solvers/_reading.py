"""What a network reads of a matrix: numbers of rows and entries that no unit of A changes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..ops import Csr, segment_reduce

NODES, EDGES = 8, 5  # features


class Reading(NamedTuple):
    """Features of a matrix's rows and entries, and how it is put together."""

    node: Tensor  #: (N, NODES) float32
    edge: Tensor  #: (E, EDGES) float32
    share: Tensor  #: (E, 1) float32, of the off-diagonal row: |a^_ij| / sum_j |a^_ij|
    rowptr: Tensor
    row: Tensor
    column: Tensor


def clusters(tentative: Csr) -> Tensor:
    """(N,) the column of each row of a piecewise constant prolongation, -1 where it is empty."""
    held = tentative.rowptr.diff() > 0
    cluster = torch.full((tentative.rows,), -1)
    cluster[held] = tentative.index.long()
    return cluster


def read(a: Csr, tentative: Csr) -> Reading:
    """The features of A (N, N), with a^_ij = a_ij / sqrt(a_ii a_jj), beside its aggregates.

    Of c A they are the same as of A, and they follow a permutation of the unknowns.
    """
    row, index = a.row, a.index.long()
    diagonal = a.diagonal()
    root = diagonal.rsqrt()
    hat = a.value * root[row] * root[index]
    hat = torch.where(row == index, 0.0, hat)
    size = hat.abs()
    cluster = clusters(tentative)
    own = (cluster[row] == cluster[index]) & (cluster[row] >= 0) & (row != index)

    def total(value: Tensor) -> Tensor:
        return segment_reduce(value[:, None], a.rowptr)[:, 0]

    whole = total(size)
    safe = whole.clamp(min=1e-12)
    peak = segment_reduce(size[:, None], a.rowptr, "max")[:, 0]
    members = torch.bincount(cluster.clamp(min=0), minlength=max(1, tentative.columns))
    node = [
        (total(a.value) / diagonal).clamp(-2, 2),
        whole.clamp(max=4),
        total(hat).clamp(-4, 4),
        peak,
        total(size * size) / safe**2,
        total(torch.where(own, size, 0.0)) / safe,
        a.rowptr.diff().to(hat.dtype).log() - 2,
        members[cluster.clamp(min=0)].to(hat.dtype).clamp(min=1).log() - 2,
    ]
    share = size / safe[row]
    edge = [hat, share, size / safe[index], size / peak.clamp(min=1e-12)[row], own.to(hat.dtype)]
    return Reading(
        torch.stack(node, 1).float(),
        torch.stack(edge, 1).float(),
        share[:, None].float(),
        a.rowptr,
        row,
        index,
    )
