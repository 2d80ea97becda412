"""Exact nearest neighbours and radius search over ragged batches of points."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, rowptr_values, same_device, tensor, whole_number
from .reference import rows_of


class Neighbors(NamedTuple):
    """Neighbours of each query as CSR: row i owns entries ``rowptr[i]:rowptr[i + 1]``.

    Within a row they stand by ascending distance, ties by index.
    """

    rowptr: Tensor  # (Q + 1,) int64
    index: Tensor  # type: ignore[assignment]  # (E,) int64, into points
    dist2: Tensor  # (E,) squared distances, differentiable

    @property
    def receivers(self) -> Tensor:
        """(E,) the query of each entry."""
        return rows_of(self.rowptr, self.index.shape[0])


class RadiusNeighbors(NamedTuple):
    """As Neighbors, and how many points within reach the cap left out."""

    rowptr: Tensor  # (Q + 1,) int64
    index: Tensor  # type: ignore[assignment]  # (E,) int64
    dist2: Tensor  # (E,)
    dropped: Tensor  # (Q,) int64

    @property
    def receivers(self) -> Tensor:
        """(E,) the query of each entry."""
        return rows_of(self.rowptr, self.index.shape[0])


def knn(
    points: Tensor,
    k: int,
    queries: Tensor | None = None,
    ptr: Tensor | None = None,
    query_ptr: Tensor | None = None,
    exclude_self: bool = False,
    max_distance: float | None = None,
    box: Tensor | Sequence[float] | float | None = None,
) -> Neighbors:
    """The ``k`` nearest points of each query: complete, exact, deterministic, any dimension.

    points (N, D) float32 or float64; queries (Q, D), or None for the points themselves. ``ptr``
    (B + 1,) splits points into clouds that do not see each other, ``query_ptr`` the queries
    alike. ``exclude_self`` leaves out the query itself, not its duplicates. A cloud of fewer than k
    points, or ``max_distance`` (inclusive), gives shorter rows. ``box`` makes space periodic: one
    period, or D of them, inf where a direction has none; a point counts once, at its nearest image.
    ``dist2`` is differentiable, twice, with respect to points and queries.

    Squared distances are compared as the points' dtype rounds them, so those below its range are
    ties; where they overflow, or the square of ``max_distance`` does, ValueError is raised.
    Raises ValueError or IndexError for wrong shapes, dtypes, pointers and non-finite coordinates.
    """
    ptr, query_ptr = _arguments(points, queries, ptr, query_ptr, exclude_self)
    periods = _periods(box, points)
    k = whole_number(k, "k", 1)
    reach = math.inf if max_distance is None else float(max_distance)
    if not reach >= 0:
        raise ValueError(f"max_distance: expected a number >= 0, found {max_distance!r}")
    dist2, rowptr, index = explained(
        lambda: torch.ops.meshop.knn(
            points, queries, ptr, query_ptr, periods, k, reach, bool(exclude_self)
        ),
        lambda: _explain(
            points, queries, ptr, query_ptr, periods, "max_distance", points.new_tensor([reach])
        ),
        points,
        queries,
    )
    return Neighbors(rowptr, index, dist2)


def radius(
    points: Tensor,
    r: float | Tensor,
    queries: Tensor | None = None,
    ptr: Tensor | None = None,
    query_ptr: Tensor | None = None,
    exclude_self: bool = False,
    max_neighbors: int | None = None,
    box: Tensor | Sequence[float] | float | None = None,
) -> RadiusNeighbors:
    """All points within ``r`` (inclusive) of each query; a cap keeps the nearest.

    ``r`` is a number, or a tensor with one radius for each query. Where ``max_neighbors`` cuts a
    row short, ``dropped`` (Q,) says by how many. Otherwise as `knn`.
    """
    ptr, query_ptr = _arguments(points, queries, ptr, query_ptr, exclude_self)
    periods = _periods(box, points)
    rows = (points if queries is None else queries).shape[0]
    if isinstance(r, Tensor):
        same_device(r, "r", points.device)
        if r.numel() != 1 and tuple(r.shape) != (rows,):
            raise ValueError(f"r: expected one radius or shape ({rows},), found {tuple(r.shape)}")
        reach = r.detach().reshape(-1).to(points.dtype)
    elif not float(r) >= 0:
        raise ValueError(f"r: expected a number >= 0, found {r!r}")
    else:  # beyond float32 it becomes inf, which reaches as far
        reach = points.new_full((1,), float(r), dtype=torch.float64).to(points.dtype)
    cap = -1 if max_neighbors is None else whole_number(max_neighbors, "max_neighbors", 0)

    def explain() -> None:
        if not bool((reach >= 0).all()):
            raise ValueError(f"r: expected radii >= 0, found {float(reach.min())}")
        _explain(points, queries, ptr, query_ptr, periods, "r", reach)

    dist2, rowptr, index, dropped = explained(
        lambda: torch.ops.meshop.radius(
            points, queries, ptr, query_ptr, periods, reach, cap, bool(exclude_self)
        ),
        explain,
        points,
        queries,
    )
    return RadiusNeighbors(rowptr, index, dist2, dropped)


def _arguments(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    exclude_self: bool,
) -> tuple[Tensor | None, Tensor | None]:
    tensor(points, "points")
    if points.dim() != 2 or points.shape[1] < 1:
        raise ValueError(f"points: expected shape (N, D), found {tuple(points.shape)}")
    if points.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"points: expected float32 or float64, found {points.dtype}")
    if queries is not None:
        tensor(queries, "queries")
        if queries.dim() != 2 or queries.shape[1] != points.shape[1]:
            raise ValueError(
                f"queries: expected shape (Q, {points.shape[1]}), found {tuple(queries.shape)}"
            )
        if queries.dtype != points.dtype:
            raise ValueError(f"queries: expected {points.dtype}, found {queries.dtype}")
        same_device(queries, "queries", points.device)
        if exclude_self:
            raise ValueError("exclude_self: expected the points to be the queries, found queries")
        if (ptr is None) != (query_ptr is None):
            raise ValueError("ptr and query_ptr: expected both or neither, found one")
    elif query_ptr is not None:
        raise ValueError("query_ptr: expected queries with it, found none")
    if ptr is not None:
        ptr = index_tensor(ptr, "ptr", points.device)
    if query_ptr is not None:
        query_ptr = index_tensor(query_ptr, "query_ptr", points.device)
        if ptr is not None and ptr.shape != query_ptr.shape:
            raise ValueError(
                f"query_ptr: expected {ptr.numel()} entries as in ptr, found {query_ptr.numel()}"
            )
    return ptr, query_ptr


def _periods(box: Tensor | Sequence[float] | float | None, points: Tensor) -> Tensor | None:
    if box is None:
        return None
    periods = torch.as_tensor(box, dtype=points.dtype, device=points.device).detach()
    dim = points.shape[1]
    if periods.dim() > 1 or (periods.numel() != 1 and periods.numel() != dim):
        raise ValueError(f"box: expected 1 period or {dim}, found shape {tuple(periods.shape)}")
    return periods.expand(dim).contiguous()


def _explain(
    points: Tensor,
    queries: Tensor | None,
    ptr: Tensor | None,
    query_ptr: Tensor | None,
    box: Tensor | None,
    limit: str,
    reach: Tensor,
) -> None:
    if box is not None and not bool((box > 0).all()):
        raise ValueError(f"box: expected periods > 0, found {box.tolist()}")
    for name, value in (("points", points), ("queries", queries)):
        if value is not None and not bool(value.isfinite().all()):
            row = int((~value.isfinite()).any(1).nonzero()[0])
            raise ValueError(
                f"{name}: expected finite coordinates, found {value[row].tolist()} in row {row}"
            )
    if ptr is not None:
        rowptr_values(ptr, points.shape[0], "ptr", "points")
    if query_ptr is not None and queries is not None:
        rowptr_values(query_ptr, queries.shape[0], "query_ptr", "queries")
    unit = "; scale the coordinates" + (", or use float64" if points.dtype == torch.float32 else "")
    square = reach * reach
    lost = square.isinf() & ~reach.isinf()
    if bool(lost.any()):
        raise ValueError(
            f"{limit}: expected a length whose square {points.dtype} holds, "
            f"found {float(reach[lost][0]):.4g}{unit}"
        )
    both = points if queries is None else torch.cat([points, queries])
    if box is None and len(both):
        span = both.amax(0) - both.amin(0)
        if not bool((span * span).sum().isfinite()):
            raise ValueError(
                f"points: expected squared distances that {points.dtype} can hold, found an "
                f"extent of {float(span.max()):.4g}{unit}"
            )


# What the compiler and autograd need to know. The ops return dist2 first: opcheck adds up outputs
# in order and cannot add a float to an integer.


@torch.library.register_fake("meshop::knn")
def _(points, queries, ptr, query_ptr, box, k, max_distance, exclude_self):
    rows = (points if queries is None else queries).shape[0]
    if ptr is None and max_distance == math.inf:
        entries = rows * torch.sym_min(k, points.shape[0] - int(exclude_self))
        entries = torch.sym_max(entries, 0)
    else:
        entries = torch.library.get_ctx().new_dynamic_size(min=0)
    index = points.new_empty(entries, dtype=torch.int64)
    return points.new_empty(entries), index.new_empty(rows + 1), index


@torch.library.register_fake("meshop::radius")
def _(points, queries, ptr, query_ptr, box, r, max_neighbors, exclude_self):
    rows = (points if queries is None else queries).shape[0]
    entries = torch.library.get_ctx().new_dynamic_size(min=0)
    index = points.new_empty(entries, dtype=torch.int64)
    return points.new_empty(entries), index.new_empty(rows + 1), index, index.new_empty(rows)


@torch.library.register_fake("meshop::dist2_backward")
def _(grad, points, queries, offset, rowptr, index):
    rows = 0 if queries is None else queries.shape[0]
    return torch.empty_like(points), points.new_empty(rows, points.shape[1])


def _remember(ctx, inputs, output):
    points, queries, _, _, box = inputs[:5]
    ctx.save_for_backward(points, queries, box, *output[1:3])


def _backward_knn(ctx, grad, _rowptr, _index):
    to_points, to_queries = _slopes(ctx, grad)
    return (
        to_points,
        to_queries,
        None,  # ptr
        None,  # query_ptr
        None,  # box
        None,  # k
        None,  # max_distance
        None,  # exclude_self
    )


def _backward_radius(ctx, grad, _rowptr, _index, _dropped):
    return _backward_knn(ctx, grad, _rowptr, _index)  # r and the cap choose, they do not shift


def _slopes(ctx, grad):
    points, queries, box, rowptr, index = ctx.saved_tensors
    offset = None
    if box is not None:  # from the difference as it stands to that of the nearest images
        row = rows_of(rowptr, index.shape[0])
        gap = (points if queries is None else queries).detach()[row] - points.detach()[index]
        offset = torch.where(box.isinf(), 0.0, -box * (gap / box).round())
    to_points, to_queries = torch.ops.meshop.dist2_backward(
        grad, points, queries, offset, rowptr, index
    )
    return to_points, None if queries is None else to_queries


def _remember_slopes(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward_slopes(ctx, a, b):
    """dist2_backward is linear in grad and in the positions, so it is its own second half."""
    grad, points, queries, offset, rowptr, index = ctx.saved_tensors
    b = None if queries is None else b
    row = rows_of(rowptr, index.shape[0])
    q, bq = (points, a) if queries is None else (queries, b)
    gap, step = q[row] - points[index], bq[row] - a[index]
    to_grad = 2 * ((gap if offset is None else gap + offset) * step).sum(1)
    to_points, to_queries = torch.ops.meshop.dist2_backward(grad, a, b, None, rowptr, index)
    return (
        to_grad,
        to_points,
        None if queries is None else to_queries,
        None if offset is None else 2 * grad[:, None] * step,
        None,  # rowptr
        None,  # index
    )


torch.library.register_autograd("meshop::knn", _backward_knn, setup_context=_remember)
torch.library.register_autograd("meshop::radius", _backward_radius, setup_context=_remember)
torch.library.register_autograd(
    "meshop::dist2_backward", _backward_slopes, setup_context=_remember_slopes
)
