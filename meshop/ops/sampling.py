"""Fewer points for many: farthest point sampling and voxel grids, over ragged batches of clouds."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, rowptr_values, same_device, tensor, whole_number


class FarthestPoints(NamedTuple):
    """The samples of each cloud in order of selection: cloud b's are ``ptr[b]:ptr[b + 1]``.

    A prefix of a cloud's samples is what a smaller count would have given, so one call serves all
    levels of a hierarchy; ``dist2`` is their spacing.
    """

    index: Tensor  # type: ignore[assignment]  # (M,) int64, into points
    ptr: Tensor  # (B + 1,) int64
    dist2: Tensor  # (M,) squared distance to the nearest earlier sample of the cloud; first: inf


class Voxels(NamedTuple):
    """Points grouped by voxel: group g owns ``order[rowptr[g]:rowptr[g + 1]]``.

    Groups stand sorted by cloud, then by voxel number along x, y, ...; within a group, points stand
    by index. ``segment_reduce(values[order], rowptr)`` pools any other values.
    """

    points: Tensor  # (V, D) a position for each group
    index: Tensor  # type: ignore[assignment]  # (V,) int64, the point that stands for each group
    group: Tensor  # (N,) int64, the group of each point
    order: Tensor  # (N,) int64, the points group by group
    rowptr: Tensor  # (V + 1,) int64
    ptr: Tensor  # (B + 1,) int64, the groups of each cloud


def farthest_points(
    points: Tensor,
    count: int | float | Tensor,
    ptr: Tensor | None = None,
    start: int | Tensor | None = None,
) -> FarthestPoints:
    """Farthest point sampling: each next sample is the point farthest from all samples before it.

    points (N, D) float32 or float64; ``ptr`` (B + 1,) splits them into clouds. ``count`` is the
    number of samples of every cloud (an int), of each (a tensor (B,)), or the share of its points
    (a float in [0, 1], rounded up); a cloud gives all its points at most. ``start`` is the index of
    each cloud's first sample; without it, its first point.

    Exact and deterministic: squared distances are summed in order of dimension, in the points'
    dtype (scale coordinates whose squares leave its range), ties go to the lowest index, and no
    point is taken twice, so the result is that of the plain O(N M) algorithm on every device. Not
    differentiable. On the CPU a tree of boxes leaves out what a sample cannot change (after
    QuickFPS, Han et al., IEEE TCAD 2023): the time grows about as N log N.

    Raises ValueError or IndexError for wrong shapes, dtypes, pointers, counts, starts and
    non-finite coordinates.
    """
    points, ptr = _arguments(points, ptr)
    clouds = 1 if ptr is None else ptr.shape[0] - 1
    counts = None
    if isinstance(count, Tensor):
        counts, count = index_tensor(count, "count", points.device), 0
        if counts.shape[0] != clouds:
            raise ValueError(f"count: expected {clouds} entries, one a cloud, found {len(counts)}")
    elif isinstance(count, float):
        if not 0 <= count <= 1:
            raise ValueError(f"count: expected a share from 0 to 1, found {count!r}")
        share = count * (1 - 1e-12)  # 0.07 * 100 is 7.000000000000001, and means 7
        if ptr is None:
            count = math.ceil(share * points.shape[0])
        else:
            counts, count = (ptr.diff().double() * share).ceil().to(torch.int64), 0
    else:
        count = whole_number(count, "count", 0)
    if isinstance(start, int | torch.SymInt):
        start = torch.full((1,), start, dtype=torch.int64, device=points.device)
    if start is not None:
        start = index_tensor(start, "start", points.device)
        if start.shape[0] != clouds:
            raise ValueError(f"start: expected {clouds} entries, one a cloud, found {len(start)}")

    def explain() -> None:
        _explain(points, ptr)
        if counts is not None and bool((counts < 0).any()):
            raise ValueError(f"count: expected integers >= 0, found {int(counts.min())}")
        if start is not None:
            ends = [0, len(points)] if ptr is None else ptr.tolist()
            for b, at in enumerate(start.tolist()):
                if ends[b] < ends[b + 1] and not ends[b] <= at < ends[b + 1]:
                    raise IndexError(
                        f"start: expected an index from {ends[b]} to {ends[b + 1] - 1} for cloud "
                        f"{b}, found {at}"
                    )

    dist2, index, out_ptr = explained(
        lambda: torch.ops.meshop.farthest_points(points.detach(), ptr, counts, count, start),
        explain,
    )
    return FarthestPoints(index, out_ptr, dist2)


def voxel_downsample(
    points: Tensor,
    size: float | Tensor,
    ptr: Tensor | None = None,
    reduce: str = "mean",
    origin: float | Tensor = 0.0,
) -> Voxels:
    """One point for each occupied voxel of a grid with edges ``size``.

    points (N, D) float32 or float64; ``ptr`` (B + 1,) splits them into clouds that share no voxel.
    ``size`` and ``origin`` are numbers, or (D,) tensors, in the points' unit; a point's voxel is
    floor((point - origin) / size), evaluated in float64. ``reduce`` says which position a voxel
    gets: "mean" its centroid (summed in float64, differentiable, twice), "nearest" the point
    nearest to that, "first" its point of lowest index. ``index`` is the point nearest to the
    centroid (of equals, the lowest index), or with "first" the first.

    Raises ValueError or IndexError for wrong shapes, dtypes, pointers, sizes, non-finite
    coordinates, and voxels 2^62 or more from the origin.
    """
    points, ptr = _arguments(points, ptr)
    if reduce not in ("mean", "nearest", "first"):
        raise ValueError(f"reduce: expected mean, nearest or first, found {reduce!r}")
    edges, corner = _per_axis(size, "size", points), _per_axis(origin, "origin", points)

    def explain() -> None:
        _explain(points, ptr)
        if not bool(((edges > 0) & edges.isfinite()).all()):
            raise ValueError(f"size: expected finite numbers > 0, found {edges.tolist()}")
        if not bool(corner.isfinite().all()):
            raise ValueError(f"origin: expected finite numbers, found {corner.tolist()}")
        far = ((points.double() - corner) / edges).abs().amax(1) >= 2.0**62
        if bool(far.any()):
            row = int(far.nonzero()[0])
            raise ValueError(
                f"points: expected all within 2^62 voxels of the origin, found "
                f"{points[row].tolist()} in row {row} with size {edges.tolist()}"
            )

    group, order, rowptr, voxel_ptr = explained(
        lambda: torch.ops.meshop.voxel_groups(points.detach(), ptr, edges, corner), explain
    )
    if reduce == "first":
        index = order[rowptr[:-1]]
        return Voxels(points[index], index, group, order, rowptr, voxel_ptr)
    mean, index = explained(
        lambda: torch.ops.meshop.voxel_mean(points, group, order, rowptr), explain, points
    )
    position = mean if reduce == "mean" else points[index]
    return Voxels(position, index, group, order, rowptr, voxel_ptr)


def _arguments(points: Tensor, ptr: Tensor | None) -> tuple[Tensor, Tensor | None]:
    tensor(points, "points")
    if points.dim() != 2 or points.shape[1] < 1:
        raise ValueError(f"points: expected shape (N, D), found {tuple(points.shape)}")
    if points.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"points: expected float32 or float64, found {points.dtype}")
    if ptr is not None:
        ptr = index_tensor(ptr, "ptr", points.device)
        if ptr.shape[0] == 0:
            raise ValueError("ptr: expected at least one entry (0), found none")
    return points, ptr


def _per_axis(value: float | Tensor, name: str, points: Tensor) -> Tensor:
    dim = points.shape[1]
    if not isinstance(value, Tensor):
        return torch.full((dim,), float(value), dtype=torch.float64, device=points.device)
    same_device(value, name, points.device)
    if value.numel() != 1 and tuple(value.shape) != (dim,):
        raise ValueError(f"{name}: expected a number or shape ({dim},), found {tuple(value.shape)}")
    return value.detach().to(torch.float64).reshape(-1).expand(dim)


def _explain(points: Tensor, ptr: Tensor | None) -> None:
    if not bool(points.isfinite().all()):
        row = int((~points.isfinite()).any(1).nonzero()[0])
        raise ValueError(
            f"points: expected finite coordinates, found {points[row].tolist()} in row {row}"
        )
    if ptr is not None:
        rowptr_values(ptr, points.shape[0], "ptr", "points")


# What the compiler and autograd need to know.


@torch.library.register_fake("meshop::farthest_points")
def _(points, ptr, counts, count, start):
    if ptr is None and counts is None:
        total = torch.sym_min(count, points.shape[0])
    else:
        total = torch.library.get_ctx().new_dynamic_size(min=0)
    index = points.new_empty(total, dtype=torch.int64)
    return points.new_empty(total), index, index.new_empty(2 if ptr is None else ptr.shape[0])


@torch.library.register_fake("meshop::voxel_groups")
def _(points, ptr, size, origin):
    ends = torch.library.get_ctx().new_dynamic_size(min=1)  # one more than there are groups
    each = points.new_empty(points.shape[0], dtype=torch.int64)
    clouds = each.new_empty(2 if ptr is None else ptr.shape[0])
    return each, torch.empty_like(each), each.new_empty(ends), clouds


@torch.library.register_fake("meshop::voxel_mean")
def _(points, group, order, rowptr):
    groups = rowptr.shape[0] - 1
    return points.new_empty(groups, points.shape[1]), rowptr.new_empty(groups)


@torch.library.register_fake("meshop::voxel_mean_backward")
def _(grad, group, rowptr):
    return grad.new_empty(group.shape[0], grad.shape[1])


def _remember(ctx, inputs, output):
    ctx.save_for_backward(*inputs[1:])


def _backward(ctx, grad, _nearest):
    group, _, rowptr = ctx.saved_tensors
    to_points = torch.ops.meshop.voxel_mean_backward(grad, group, rowptr)
    return (
        to_points,
        None,  # group
        None,  # order
        None,  # rowptr
    )


def _remember_backward(ctx, inputs, output):
    ctx.save_for_backward(*inputs[1:])


def _backward_backward(ctx, slope):
    """Spreading a mean's gradient evenly is what the mean itself transposed does."""
    group, rowptr = ctx.saved_tensors
    to_grad = torch.ops.meshop.voxel_mean(slope, group, group.argsort(stable=True), rowptr)[0]
    return (
        to_grad,
        None,  # group
        None,  # rowptr
    )


torch.library.register_autograd("meshop::voxel_mean", _backward, setup_context=_remember)
torch.library.register_autograd(
    "meshop::voxel_mean_backward", _backward_backward, setup_context=_remember_backward
)
