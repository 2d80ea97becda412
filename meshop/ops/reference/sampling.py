"""Farthest points by looking at every point after every pick; voxels by torch's unique."""

import torch
from torch import Tensor

from ._common import check_rowptr, require, rows_of


def farthest_points(
    points: Tensor, ptr: Tensor | None, counts: Tensor | None, count: int, start: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    require(points.dim() == 2 and points.shape[1] >= 1, "points must have shape (N, D), D >= 1")
    if ptr is not None:
        check_rowptr(ptr, len(points), "ptr")
    ends = [0, len(points)] if ptr is None else ptr.tolist()
    clouds = len(ends) - 1
    wanted = [count] * clouds if counts is None else counts.tolist()
    require(len(wanted) == clouds, "counts must have one entry per cloud")
    require(min(wanted, default=0) >= 0, "count must not be negative")
    require(points.isfinite().all(), "points must be finite")
    firsts = ends[:-1] if start is None else start.tolist()
    require(len(firsts) == clouds, "start must have one entry per cloud")
    index, dist2, out_ptr = [], [points.new_empty(0)], [0]
    for begin, end, ask, first in zip(ends[:-1], ends[1:], wanted, firsts, strict=True):
        require(begin == end or begin <= first < end, "start must lie in its own cloud")
        cloud = points[begin:end]
        near = points.new_full((end - begin,), float("inf"))  # squared distance to the picks
        pick = first - begin
        for _ in range(min(ask, end - begin)):
            index.append(begin + pick)
            dist2.append(near[pick].reshape(1))
            sum2 = torch.zeros_like(near)
            for d in range(points.shape[1]):
                gap = cloud[pick, d] - cloud[:, d]
                sum2 = sum2 + gap * gap
            near = torch.minimum(near, sum2)
            near[pick] = -1  # below any distance: never picked again
            pick = int((near == near.max()).nonzero()[0])  # of equals, the first
        out_ptr.append(len(index))
    found = torch.tensor(index, dtype=torch.int64, device=points.device)
    return torch.cat(dist2), found, torch.tensor(out_ptr, device=points.device)


def voxel_groups(
    points: Tensor, ptr: Tensor | None, size: Tensor, origin: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    require(points.dim() == 2 and points.shape[1] >= 1, "points must have shape (N, D), D >= 1")
    n, dim = points.shape
    if ptr is None:
        ptr = torch.tensor([0, n], device=points.device)
    check_rowptr(ptr, n, "ptr")
    for value in (size, origin):
        require(value.shape == (dim,) and value.dtype == torch.float64, "float64 of shape (D,)")
    require((size > 0).all() and size.isfinite().all(), "size must be positive and finite")
    require(origin.isfinite().all(), "origin must be finite")
    voxel = ((points.double() - origin) / size).floor()
    inside = voxel.abs() < 2.0**62  # false for NaN
    require(inside.all(), "points must be finite and within 2^62 voxels of the origin")
    cloud = rows_of(ptr, n)
    if n == 0:  # unique() refuses
        return cloud, cloud.clone(), cloud.new_zeros(1), torch.zeros_like(ptr)
    rows = torch.cat([cloud[:, None], voxel.long()], 1)
    found, group, counts = rows.unique(dim=0, return_inverse=True, return_counts=True)
    rowptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    voxel_ptr = torch.searchsorted(found[:, 0].contiguous(), torch.arange(len(ptr)).to(ptr))
    return group, group.argsort(stable=True), rowptr, voxel_ptr


def _check_groups(rowptr: Tensor, total: int) -> None:
    check_rowptr(rowptr, total, "rowptr")
    require((rowptr.diff() > 0).all(), "no group may be empty")


def voxel_mean(
    points: Tensor, group: Tensor, order: Tensor, rowptr: Tensor
) -> tuple[Tensor, Tensor]:
    n = len(points)
    _check_groups(rowptr, n)
    require(len(group) == n and len(order) == n, "order and group must have N entries")
    require(((order >= 0) & (order < n)).all(), f"order must lie in [0, {n})")
    row, wide = rows_of(rowptr, n), points[order].double()
    centre = wide.new_zeros(len(rowptr) - 1, points.shape[1]).index_add_(0, row, wide)
    centre = centre / rowptr.diff()[:, None]
    dist2 = wide.new_zeros(n)
    for d in range(points.shape[1]):
        gap = wide[:, d] - centre[row, d]
        dist2 = dist2 + gap * gap
    least = dist2.new_zeros(len(centre)).scatter_reduce(0, row, dist2, "amin", include_self=False)
    place = torch.arange(n, device=points.device)
    place = torch.where(dist2 == least[row], place, n)
    first = place.new_full((len(centre),), n).scatter_reduce(0, row, place, "amin")
    return centre.to(points.dtype), order[first]


def voxel_mean_backward(grad: Tensor, group: Tensor, rowptr: Tensor) -> Tensor:
    require(rowptr.numel() == len(grad) + 1, "grad must have one row per group")
    _check_groups(rowptr, len(group))
    require(((group >= 0) & (group < len(grad))).all(), f"group must lie in [0, {len(grad)})")
    return grad[group] / rowptr.diff()[group, None].to(grad.dtype)
