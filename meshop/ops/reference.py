"""Every op of meshop in plain torch: the oracle of the tests, and what runs without the library.

The signatures are those of ``torch.ops.meshop.*``. Clarity and exactness come before speed:
neighbours are found by comparing all pairs, a block at a time, with squared distances summed in the
kernels' own order, so that the two agree to the last bit.
"""

import math

import torch
from torch import Tensor

_BLOCK = 1 << 23  # distances held at once

_PILLARS = ((0, 4), (1, 5), (2, 6), (3, 7))
#: Local node pairs of each fixed VTK cell's edges.
EDGES: dict[int, list[tuple[int, int]]] = {
    1: [],  # vertex
    3: [(0, 1)],  # line
    5: [(0, 1), (1, 2), (2, 0)],  # triangle
    8: [(0, 1), (1, 3), (3, 2), (2, 0)],  # pixel
    9: [(0, 1), (1, 2), (2, 3), (3, 0)],  # quad
    10: [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],  # tetra
    11: [(0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), *_PILLARS],  # voxel
    12: [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), *_PILLARS],  # hexahedron
    13: [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)],  # wedge
    14: [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4)],  # pyramid
}
#: Nodes of each fixed VTK cell; poly-vertex (2), polyline (4) and polygon (7) take any number.
NODES = {1: 1, 3: 2, 5: 3, 8: 4, 9: 4, 10: 4, 11: 8, 12: 8, 13: 6, 14: 5}
POLY = (2, 4, 7)


def _require(condition: bool | Tensor, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


def check_rowptr(rowptr: Tensor, total: int, name: str) -> None:
    """Raises RuntimeError unless ``rowptr`` rises from 0 to ``total``."""
    _require(rowptr.numel() >= 1, f"{name} must have at least one entry")
    _require(rowptr[0] == 0 and rowptr[-1] == total, f"{name} must run from 0 to {total}")
    _require((rowptr[1:] >= rowptr[:-1]).all(), f"{name} must not decrease")


def rows_of(rowptr: Tensor, total: int) -> Tensor:
    """The row of each CSR entry, (E,)."""
    rows = torch.arange(rowptr.numel() - 1, device=rowptr.device)
    return torch.repeat_interleave(rows, rowptr.diff(), output_size=total)


def _segments(ptr: Tensor | None, total: int, name: str) -> list[int]:
    if ptr is None:
        return [0, total]
    check_rowptr(ptr, total, name)
    return ptr.tolist()


def _search(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    limit2: Tensor,  # (1,) or (Q,)
    cap: int,  # < 0: no cap
    exclude_self: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    q = points if queries is None else queries
    starts = _segments(ptr, len(points), "ptr")
    query_starts = starts if queries is None else _segments(query_ptr, len(q), "query_ptr")
    _require(len(starts) == len(query_starts), "ptr and query_ptr must have equal lengths")
    _require(queries is None or not exclude_self, "exclude_self needs the points to be the queries")
    _require(points.isfinite().all() and q.isfinite().all(), "points and queries must be finite")
    limit2 = limit2.expand(len(q))

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
    k: int,
    max_distance: float,
    exclude_self: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    _require(k >= 0, f"k must not be negative, got {k}")
    _require(max_distance >= 0, "max_distance must not be negative or NaN")
    reach = points.new_full((1,), max_distance)
    return _search(points, queries, ptr, query_ptr, reach * reach, k, exclude_self)[:3]


def radius(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    r: Tensor,
    max_neighbors: int,
    exclude_self: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = len(points if queries is None else queries)
    _require(r.numel() in (1, rows), f"r must hold 1 or {rows} radii")
    _require((r >= 0).all(), "r must not be negative or NaN")
    reach = r.reshape(-1).to(points.dtype)
    return _search(points, queries, ptr, query_ptr, reach * reach, max_neighbors, exclude_self)


def dist2_backward(
    grad: Tensor, points: Tensor, queries: Tensor | None, rowptr: Tensor, index: Tensor
) -> tuple[Tensor, Tensor]:
    q = points if queries is None else queries
    check_rowptr(rowptr, len(index), "rowptr")
    _require(rowptr.numel() == len(q) + 1, "rowptr must have one entry more than queries")
    if index.numel():
        low, high = index.aminmax()
        _require(low >= 0 and high < len(points), f"index must lie in [0, {len(points)})")
    row = rows_of(rowptr, len(index))
    slope = 2 * grad[:, None] * (q[row] - points[index])
    to_queries = torch.zeros_like(q).index_add_(0, row, slope)
    to_points = torch.zeros_like(points).index_add_(0, index, slope, alpha=-1)
    if queries is None:  # the points are both ends of every edge
        return to_points + to_queries, points.new_zeros(0, points.shape[1])
    return to_points, to_queries


def segment_reduce(values: Tensor, rowptr: Tensor, reduce: str) -> tuple[Tensor, Tensor]:
    _require(reduce in ("sum", "mean", "min", "max"), f"unknown reduce {reduce}")
    total, shape = len(values), (rowptr.numel() - 1, *values.shape[1:])
    check_rowptr(rowptr, total, "rowptr")
    row = rows_of(rowptr, total)
    wide = values.double() if values.dtype == torch.float64 else values.float()
    if reduce in ("sum", "mean"):
        out = wide.new_zeros(shape).index_add_(0, row, wide)
        if reduce == "mean":
            out = out / rowptr.diff().clamp(min=1).to(out.dtype).reshape(-1, *[1] * (out.dim() - 1))
        return out.to(values.dtype), rowptr.new_empty(0)
    rows = row.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    out = wide.new_zeros(shape).scatter_reduce(0, rows, wide, "a" + reduce, include_self=False)
    best = out[row]
    winner = (wide == best) | (wide.isnan() & best.isnan())
    at = torch.arange(total, device=values.device).reshape(-1, *[1] * (values.dim() - 1))
    at = torch.where(winner, at, total)
    arg = torch.full(shape, total, dtype=torch.int64, device=values.device)
    return out.to(values.dtype), arg.scatter_reduce(0, rows, at, "amin")


def segment_reduce_backward(
    grad: Tensor, rowptr: Tensor, arg: Tensor, num_values: int, reduce: str
) -> Tensor:
    _require(reduce in ("sum", "mean", "min", "max"), f"unknown reduce {reduce}")
    _require(rowptr.numel() == len(grad) + 1, "grad must have one row per segment")
    check_rowptr(rowptr, num_values, "rowptr")
    if reduce in ("sum", "mean"):
        if reduce == "mean":
            count = rowptr.diff().clamp(min=1).reshape(-1, *[1] * (grad.dim() - 1))
            wide = grad.double() if grad.dtype == torch.float64 else grad.float()
            grad = (wide / count).to(grad.dtype)
        return grad[rows_of(rowptr, num_values)]
    # One row more takes what empty segments point at.
    out = grad.new_zeros(num_values + 1, *grad.shape[1:])
    return out.scatter_(0, arg, grad)[:num_values].clone()


def cell_edges(cell_types: Tensor, cell_offsets: Tensor, cell_nodes: Tensor) -> Tensor:
    check_rowptr(cell_offsets, len(cell_nodes), "cell_offsets")
    _require(len(cell_offsets) == len(cell_types) + 1, "cell_offsets must have cells + 1 entries")
    _require((cell_nodes >= 0).all(), "cell_nodes must not be negative")
    sizes = cell_offsets.diff()
    pairs = [cell_nodes.new_empty(0, 2)]
    for kind in cell_types.unique().tolist():
        begin, size = cell_offsets[:-1][cell_types == kind], sizes[cell_types == kind]
        if kind in (4, 7):
            row = torch.repeat_interleave(torch.arange(len(size), device=size.device), size)
            start = size.cumsum(0) - size
            place = torch.arange(len(row), device=size.device) - start[row]
            step = torch.where(place + 1 < size[row], place + 1, 0)
            pair = cell_nodes[torch.stack([begin[row] + place, begin[row] + step], 1)]
            pairs.append(pair[step > 0] if kind == 4 else pair)
        elif kind != 2:
            _require(kind in EDGES, f"no edges known for VTK type {kind}")
            _require((size == NODES[kind]).all(), f"VTK type {kind} must have {NODES[kind]} nodes")
            if EDGES[kind]:
                local = torch.tensor(EDGES[kind], device=begin.device)
                pairs.append(cell_nodes[begin[:, None, None] + local].reshape(-1, 2))
    ends = torch.cat(pairs).sort(1).values
    ends = ends[ends[:, 0] != ends[:, 1]]  # a collapsed edge is no edge
    if len(ends) == 0:
        return ends
    span = int(ends.max()) + 1
    if span >= 3_037_000_499:  # the product of two would not fit in 63 bits
        return ends.unique(dim=0)
    key = (ends[:, 0] * span + ends[:, 1]).unique()
    return torch.stack([key // span, key % span], 1)
