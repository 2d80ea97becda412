"""What learned movers are trained to: cells of a target's measures, or of equal monitor."""

from __future__ import annotations

import torch
from torch import Tensor

from ._domain import Domain


def equidistribution(domain: Domain, points: Tensor, monitor: Tensor) -> Tensor:
    """(B,) square of the coefficient of variation of m_K |K|, m_K the mean at the corners.

    points (N, d), monitor (N,) there. Zero where the monitor is spread evenly over the cells.
    """
    share = monitor[domain.simplices].mean(1) * domain.volumes(points)
    count = torch.tensor(domain.parts, dtype=share.dtype)
    mean = _sum(domain, share) / count
    return _sum(domain, (share / mean[domain.simplex_batch] - 1) ** 2) / count


def element_volume(domain: Domain, points: Tensor, target: Tensor) -> Tensor:
    """(B,) sum over cells of | |K| at target - |K| |, signed, over the domain's measure.

    Source: Zhang et al., UM2N, NeurIPS 2024: an inverted cell misses by more than its measure.
    """
    miss = (domain.volumes(target) - domain.volumes(points)).abs()
    return _sum(domain, miss) / _sum(domain, domain.measure)


def coordinate(domain: Domain, points: Tensor, target: Tensor) -> Tensor:
    """(B,) mean square distance to a target, over that of the points as they were."""
    rows = torch.stack([((at - target) ** 2).sum(1) for at in (points, domain.points)], 1)
    first = domain.ptr[:-1]
    miss, wide = domain.mean(rows)[first].T
    return miss / (wide + 1e-6 * domain.length[first] ** 2)


def inversion(domain: Domain, points: Tensor, least: float = 0.05) -> Tensor:
    """(B,) mean over cells of how much each falls short of a part of its first signed measure."""
    short = (least - domain.volumes(points) / domain.measure).clamp_min(0)
    return _sum(domain, short) / torch.tensor(domain.parts, dtype=short.dtype)


def _sum(domain: Domain, values: Tensor) -> Tensor:
    return values.new_zeros(len(domain.parts)).index_add(0, domain.simplex_batch, values)
