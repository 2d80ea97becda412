"""Neighbours by comparing all pairs."""

import math

import torch
from torch import Tensor

from ._common import check_rowptr, require, rows_of

_BLOCK = 1 << 23  # distances held at once


def _segments(ptr: Tensor | None, total: int, name: str) -> list[int]:
    if ptr is None:
        return [0, total]
    check_rowptr(ptr, total, name)
    return ptr.tolist()


def _wrapped(points: Tensor, box: Tensor) -> Tensor:
    inside = points - (points / box).floor() * box
    inside = torch.where((inside >= 0) & (inside < box), inside, 0.0)
    return torch.where(box.isinf(), points, inside)


def _squared(reach: Tensor) -> Tensor:
    square = reach * reach
    require((square.isinf() == reach.isinf()).all(), "the square of a distance overflows its dtype")
    return square


def _search(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    box: Tensor | None,
    limit2: Tensor,  # (1,) or (Q,)
    cap: int,  # < 0: no cap
    exclude_self: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    q = points if queries is None else queries
    starts = _segments(ptr, len(points), "ptr")
    query_starts = starts if queries is None else _segments(query_ptr, len(q), "query_ptr")
    require(len(starts) == len(query_starts), "ptr and query_ptr must have equal lengths")
    require(queries is None or not exclude_self, "exclude_self needs the points to be the queries")
    require(points.isfinite().all() and q.isfinite().all(), "points and queries must be finite")
    limit2 = limit2.expand(len(q))
    if box is not None:
        require((box > 0).all() and len(box) == points.shape[1], "box must hold positive periods")
        points, q = _wrapped(points, box), _wrapped(q, box)
    both = torch.cat([points, q])
    if len(both):
        span = both.amax(0) - both.amin(0)
        require((span * span).sum().isfinite(), "squared distances overflow the points' dtype")

    counts = torch.zeros(len(q) + 1, dtype=torch.int64, device=q.device)
    dropped = torch.zeros(len(q), dtype=torch.int64, device=q.device)
    found_index, found_dist2 = [], []
    for b in range(len(starts) - 1):
        cloud = points[starts[b] : starts[b + 1]]
        step = max(1, _BLOCK // max(1, len(cloud)))
        for first in range(query_starts[b], query_starts[b + 1], step):
            last = min(first + step, query_starts[b + 1])
            dist2 = q.new_zeros(last - first, len(cloud))
            for d in range(points.shape[1]):
                gap = q[first:last, d, None] - cloud[None, :, d]
                if box is not None:
                    gap = gap.abs().minimum(box[d] - gap.abs())
                dist2 = dist2 + gap * gap
            within = dist2 <= limit2[first:last, None]
            if exclude_self:
                me = torch.arange(first, last, device=q.device)
                within[me - first, me - starts[b]] = False
            hits = within.sum(1)
            if 0 <= cap < len(cloud):
                near = dist2.masked_fill(~within, math.inf)
                if cap == 0:
                    within.zero_()
                else:
                    within &= near <= near.topk(cap, dim=1, largest=False).values[:, -1:]
            row, column = within.nonzero(as_tuple=True)
            value = dist2[within]
            # Columns rise within a row, so two stable sorts leave ties ordered by index.
            order = value.argsort(stable=True)
            order = order[row[order].argsort(stable=True)]
            if cap >= 0:
                begin = torch.searchsorted(row, row)  # row is sorted
                order = order[torch.arange(len(row), device=row.device) - begin < cap]
            kept = torch.bincount(row[order], minlength=last - first)
            counts[first + 1 : last + 1] = kept
            dropped[first:last] = hits - kept
            found_index.append(column[order] + starts[b])
            found_dist2.append(value[order])
    index = torch.cat(found_index) if found_index else counts.new_empty(0)
    dist2 = torch.cat(found_dist2) if found_dist2 else points.new_empty(0)
    return dist2, counts.cumsum(0), index, dropped


def knn(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    box: Tensor | None,
    k: int,
    max_distance: float,
    exclude_self: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    require(k >= 0, f"k must not be negative, got {k}")
    require(max_distance >= 0, "max_distance must not be negative or NaN")
    reach = points.new_full((1,), max_distance)
    return _search(points, queries, ptr, query_ptr, box, _squared(reach), k, exclude_self)[:3]


def radius(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    box: Tensor | None,
    r: Tensor,
    max_neighbors: int,
    exclude_self: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = len(points if queries is None else queries)
    require(r.numel() in (1, rows), f"r must hold 1 or {rows} radii")
    require((r >= 0).all(), "r must not be negative or NaN")
    reach = r.reshape(-1).to(points.dtype)
    limit2 = _squared(reach)
    return _search(points, queries, ptr, query_ptr, box, limit2, max_neighbors, exclude_self)


def dist2_backward(
    grad: Tensor,
    points: Tensor,
    queries: Tensor | None,
    offset: Tensor | None,
    rowptr: Tensor,
    index: Tensor,
) -> tuple[Tensor, Tensor]:
    q = points if queries is None else queries
    check_rowptr(rowptr, len(index), "rowptr")
    require(rowptr.numel() == len(q) + 1, "rowptr must have one entry more than queries")
    if index.numel():
        low, high = index.aminmax()
        require(low >= 0 and high < len(points), f"index must lie in [0, {len(points)})")
    row = rows_of(rowptr, len(index))
    gap = q[row] - points[index]
    slope = 2 * grad[:, None] * (gap if offset is None else gap + offset)
    to_queries = torch.zeros_like(q).index_add_(0, row, slope)
    to_points = torch.zeros_like(points).index_add_(0, index, slope, alpha=-1)
    if queries is None:  # the points are both ends of every edge
        return to_points + to_queries, points.new_zeros(0, points.shape[1])
    return to_points, to_queries
