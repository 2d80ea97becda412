"""Ragged point sets to regular grids and back by sparse linear weights.

Points to grid is a sum of corrections on finer and finer grids, each to what the coarser leave over
(multilevel approximation; Lee, Wolberg and Shin, IEEE TVCG 1997). With hat functions phi_g of a
grid, quadrature weights w_j and u the field so far, refined by linear interpolation,

    v_g = u_g + c_g sum_j w_j phi_g(x_j) (v_j - u(x_j)) / m_g,   m_g = sum_j w_j phi_g(x_j)

from one cell, the mean, up to the grid itself; the coverage c_g = min(1, m_g / m_min) says how much
of the cell about g the points fill. So the grid has a value everywhere, also in holes and between
the points of a coarse mesh; it is linear in the values and keeps constants, is continuous in the
places of the points, and feels neither the split of a point in two of half the weight nor the unit
of measure. Grid to points is linear interpolation. The weights are built once, without gradients;
the cost is O(2^D) a point and O(1) a grid point at each level, and sums have one order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod

import torch
from torch import Tensor

from ..ops import CsrTranspose, csr_transpose, gather_reduce, segment_reduce
from .points import Points


@dataclass(frozen=True)
class Boxes:
    """The boxes that grids span: lo and size (S, D), each size positive.

    members: (places (M, D), graph of each (M,)) to the boxes that each place is in: row pointer
    (M + 1,), box (P,) and share (P,), shares of a place summing to one.
    """

    lo: Tensor
    size: Tensor
    members: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def bounding_boxes(pos: Tensor, batch: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lower corners and sizes (B, D) of the sets' boxes; where all points have one coordinate, the
    box reaches half the longest side (or 1/2) to either side. A set without points has a unit box.
    """
    inf = pos.new_full((count, pos.shape[1]), torch.inf)
    rows = batch[:, None].expand_as(pos)
    lo = inf.scatter_reduce(0, rows, pos, "amin")
    hi = (-inf).scatter_reduce(0, rows, pos, "amax")
    empty = (hi < lo).any(1, keepdim=True)
    lo, hi = lo.masked_fill(empty, 0), hi.masked_fill(empty, 0)
    size = hi - lo
    longest = size.amax(1, keepdim=True)
    longest = torch.where(longest > 0, longest, 1)
    # Thinner than rounding: no direction to resolve.
    flat = size <= 1e-5 * longest
    lo = torch.where(flat, (lo + hi - longest) / 2, lo)
    return lo, torch.where(flat, longest, size)


@torch.compiler.disable
def one_box_each(points: Points) -> Boxes:
    """The bounding box of every set."""
    with torch.no_grad():
        lo, size = bounding_boxes(_exact(points.pos), points.batch, len(points.sizes))
    return Boxes(lo, size, _one_each)


@torch.compiler.disable
def unit_boxes(count: int, like: Tensor) -> Boxes:
    """The box [-1, 1]^D for each of `count` sets, of the type and dimension of positions `like`."""
    lo = _exact(like).new_full((count, like.shape[1]), -1.0)
    return Boxes(lo, torch.full_like(lo, 2.0), _one_each)


@torch.compiler.disable
def set_boxes(points: Points) -> Boxes:
    """The bounding box of every set, [-1, 1]^D of a set without points."""
    with torch.no_grad():
        lo, size = bounding_boxes(_exact(points.pos), points.batch, len(points.sizes))
        none = torch.tensor(points.sizes, device=lo.device)[:, None] == 0
    return Boxes(lo.masked_fill(none, -1), size.masked_fill(none, 2), _one_each)


def _one_each(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every place in the one box of its set."""
    return torch.arange(len(pos) + 1, device=pos.device), batch, pos.new_ones(len(pos))


@dataclass(frozen=True)
class _Entries:
    """CSR of the grid points that carry each place: rows of places, columns of grid points."""

    rowptr: Tensor  # (M + 1,)
    index: Tensor  # (E,) grid points of all boxes, end to end
    weight: Tensor  # (E,)
    transpose: CsrTranspose


class GridBridge:
    """The grids of `shape` over `boxes`, and the sparse weights between them and `points`.

    coverage (S, *shape, 1): how far the points fill the cell about each grid point, 0 to 1.
    mass (S,): share of its set's measure in each box, summing to one over the boxes of a set.
    """

    @torch.compiler.disable  # sizes that depend on the data, and nothing to differentiate
    def __init__(self, points: Points, boxes: Boxes, shape: tuple[int, ...]):
        if min(shape) < 2:
            raise ValueError(f"a grid needs two points along each axis, found {shape}")
        self.boxes, self.shape, self.count = boxes, shape, len(boxes.lo)
        with torch.no_grad():
            self._own = self._entries(points.pos, points.batch)
            mine = self._own.transpose
            self._weight = points.weight.to(self._own.weight.dtype)
            heavy = self._own.weight[mine.order] * self._weight[mine.row]
            self._heavy = heavy
            order = torch.empty_like(mine.order)
            order[mine.order] = torch.arange(len(order), device=order.device)
            # The points' entries, as the transpose of the grid's.
            self._forth = CsrTranspose(self._own.rowptr, self._own.index, order)
            mass = segment_reduce(heavy[:, None], mine.rowptr).unflatten(0, (-1, *shape))
            grid = list(range(1, 1 + len(shape)))
            self.mass = mass.sum(grid)[:, 0]
            # A corner of a box that points fill evenly has 2^-D of an inner point's mass; boxes
            # that hold little of their set count by what they hold.
            full = self.mass / (2 ** len(shape) * prod(shape))
            self._levels: list[tuple[Tensor, Tensor]] = []
            least = full.clamp_min(torch.finfo(mass.dtype).tiny).view(-1, *(1,) * (len(shape) + 1))
            while True:
                inverse = torch.where(mass > 0, 1 / mass.clamp_min(1e-37), 0)
                self._levels.append(((mass / least).clamp_max(1), inverse))
                if max(mass.shape[1:-1]) == 1:
                    break
                mass = _coarsen(mass)
            self.coverage = self._levels[0][0]

    def to_grid(self, values: Tensor) -> Tensor:
        """Values (N, C) of the points -> (S, *shape, C); 0 in boxes without points."""
        dtype = values.dtype
        values = values.to(torch.promote_types(dtype, self._heavy.dtype))
        shapes = [inverse.shape[1:-1] for _, inverse in self._levels]
        out = self._sums(values, len(shapes) - 1) * self._levels[-1][1]
        for level in reversed(range(len(shapes) - 1)):
            out = fine = _refine(out, shapes[level])
            for shape in reversed(shapes[:level]):
                fine = _refine(fine, shape)
            coverage, inverse = self._levels[level]
            left = values - self.at_points(fine)
            out = out + self._sums(left, level) * (coverage * inverse)
        return out.to(dtype)

    def _sums(self, values: Tensor, level: int) -> Tensor:
        """sum_j w_j phi_g(x_j) v_j on the grid of a level."""
        back = self._own.transpose
        sums = gather_reduce(
            values, back.row, back.rowptr, self._heavy.to(values.dtype), transpose=self._forth
        ).unflatten(0, (self.count, *self.shape))
        for _ in range(level):
            sums = _coarsen(sums)
        return sums

    def at_points(self, grid: Tensor) -> Tensor:
        """Grid values (S, *shape, C) at the points themselves, (N, C)."""
        return self._read(grid, self._own)

    def at(self, grid: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """Grid values (S, *shape, C) at other places (M, D) of the sets `batch` (M,): (M, C).

        A place outside the box gets the value at the nearest place in it.
        """
        with torch.no_grad():
            entries = self._entries(pos, batch)
        return self._read(grid, entries)

    def places(self) -> Tensor:
        """(*shape, D) the grid points in the unit box."""
        like = self._heavy
        axes = [torch.linspace(0, 1, n, dtype=like.dtype, device=like.device) for n in self.shape]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)

    @torch.compiler.disable
    def _entries(self, pos: Tensor, batch: Tensor) -> _Entries:
        pos = _exact(pos).detach()
        first, box, share = self.boxes.members(pos, batch)
        place = torch.repeat_interleave(first.diff(), output_size=len(box))
        last = torch.tensor(self.shape, dtype=pos.dtype, device=pos.device) - 1
        u = ((pos[place] - self.boxes.lo[box]) / self.boxes.size[box]).clamp(0, 1) * last
        cell = u.floor().clamp_max(last - 1)
        side = torch.stack([1 - (u - cell), u - cell], dim=-1)  # (P, D, 2)
        index, weight = [], []
        for corner in product((0, 1), repeat=len(self.shape)):
            flat, w = box, share
            for axis, step in enumerate(corner):
                flat = flat * self.shape[axis] + (cell[:, axis].long() + step)
                w = w * side[:, axis, step]
            index.append(flat)
            weight.append(w)
        entry = torch.stack(index, 1).flatten()
        rowptr = first * 2 ** len(self.shape)
        total = self.count * prod(self.shape)
        transpose = csr_transpose(entry, rowptr, total)
        return _Entries(rowptr, entry, torch.stack(weight, 1).flatten(), transpose)

    def _read(self, grid: Tensor, entries: _Entries) -> Tensor:
        exact = torch.promote_types(grid.dtype, entries.weight.dtype)
        out = gather_reduce(
            grid.flatten(0, -2).to(exact),
            entries.index,
            entries.rowptr,
            entries.weight.to(exact),
            transpose=entries.transpose,
        )
        return out.to(grid.dtype)


def _exact(pos: Tensor) -> Tensor:
    return pos.to(torch.promote_types(pos.dtype, torch.float32))


def _coarsen(grid: Tensor) -> Tensor:
    """Sums over blocks of two along each axis: (S, n_1 .., C) -> (S, ceil(n_1 / 2) .., C)."""
    for axis in range(1, grid.dim() - 1):
        if grid.shape[axis] % 2:
            edge = list(grid.shape)
            edge[axis] = 1
            grid = torch.cat([grid, grid.new_zeros(edge)], axis)
        grid = grid.unflatten(axis, (-1, 2)).sum(axis + 1)
    return grid


def _refine(grid: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Between the centres of blocks of two, and beyond the outermost: linear along each axis."""
    for axis, n in enumerate(shape, start=1):
        size = grid.shape[axis]
        first, last = grid.narrow(axis, 0, 1), grid.narrow(axis, size - 1, 1)
        if size > 1:
            first = 2 * first - grid.narrow(axis, 1, 1)
            last = 2 * last - grid.narrow(axis, size - 2, 1)
        before = torch.cat([first, grid.narrow(axis, 0, size - 1)], axis)
        after = torch.cat([grid.narrow(axis, 1, size - 1), last], axis)
        both = torch.stack([0.75 * grid + 0.25 * before, 0.75 * grid + 0.25 * after], axis + 1)
        grid = both.flatten(axis, axis + 1).narrow(axis, 0, n)
    return grid
