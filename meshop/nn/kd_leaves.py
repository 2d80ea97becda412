"""Boxes of even point density: a k-d tree over ragged point sets."""

from __future__ import annotations

import torch
from torch import Tensor

from .grid_bridge import Boxes, bounding_boxes
from .points import Points
from .rows import row_blocks


@torch.compiler.disable
def kd_leaves(points: Points, depth: int, blocks: int = 8, overlap: float = 0.2) -> Boxes:
    """2^depth boxes for each set, end to end, that tile its bounding box and overlap.

    A box is cut across the longest side of what its points fill, at that of `blocks` - 1 even
    places which leaves the points of both halves spread most evenly: least sum over the halves of
    n KL(histogram | uniform). A point on a cut belongs to the upper half, and points at one place
    count once, so neither their order nor their split matters. Every box then reaches `overlap` of
    its sides beyond its cuts, and a place in several boxes has shares of each that fall to 0 at the
    boxes' ends (a partition of unity, without jumps).

    All sets are cut at once, level by level; no gradients. Source of the cut: Liu et al., NUNO,
    ICML 2023 (arXiv 2305.18694); the published tree pops the worst box instead of cutting all.
    """
    if not 0 < overlap < 0.5:
        raise ValueError(f"overlap: expected a share of a side between 0 and 1/2, found {overlap}")
    with torch.no_grad():
        pos = points.pos.to(torch.promote_types(points.pos.dtype, torch.float32))
        lo, size = bounding_boxes(pos, points.batch, len(points.sizes))
        hi, leaf, outer = lo + size, points.batch, (lo, lo + size)
        once = _first_of_each(pos, points.batch).to(pos.dtype)
        for _ in range(depth):
            axis, cut = _cuts(pos, once, leaf, lo, hi, blocks)
            upper = pos.gather(1, axis[leaf][:, None])[:, 0] >= cut[leaf]
            leaf = 2 * leaf + upper
            lo, hi = lo.repeat_interleave(2, 0), hi.repeat_interleave(2, 0)
            row = torch.arange(len(axis), device=pos.device)
            hi[2 * row, axis] = cut
            lo[2 * row + 1, axis] = cut
        return _overlapping(lo, hi, *outer, per_set=2**depth, overlap=overlap)


def _first_of_each(pos: Tensor, batch: Tensor) -> Tensor:
    """Whether each point is the first of those of its set at its place; O(N log N)."""
    order = torch.arange(len(pos), device=pos.device)
    for column in pos.unbind(1):
        order = order[column[order].argsort(stable=True)]
    order = order[batch[order].argsort(stable=True)]
    place, owner = pos[order], batch[order]
    new = torch.ones(len(pos), dtype=torch.bool, device=pos.device)
    new[1:] = (place[1:] != place[:-1]).any(1) | (owner[1:] != owner[:-1])
    return torch.empty_like(new).index_copy(0, order, new)


def _cuts(
    pos: Tensor, once: Tensor, leaf: Tensor, lo: Tensor, hi: Tensor, blocks: int
) -> tuple[Tensor, Tensor]:
    """Axis and place (S,) of the cut of each box; half way where a box has no two places."""
    count, row = len(lo), torch.arange(len(lo), device=pos.device)
    inf = torch.full_like(lo, torch.inf)
    rows = leaf[:, None].expand_as(pos)
    start = inf.scatter_reduce(0, rows, pos, "amin")
    filled = (-inf).scatter_reduce(0, rows, pos, "amax") - start
    alone = ~(filled > 1e-5 * (hi - lo)).any(1)  # also of no points
    start = torch.where(alone[:, None], lo, start)
    filled = torch.where(alone[:, None], hi - lo, filled)
    axis = filled.argmax(1)
    start, filled = start[row, axis], filled[row, axis]
    along = (pos.gather(1, axis[leaf][:, None])[:, 0] - start[leaf]) / filled[leaf] * blocks
    block = along.long().clamp(0, blocks - 1)
    n = pos.new_zeros(count * blocks).index_add(0, leaf * blocks + block, once)
    below = n.view(count, blocks).cumsum(1)
    total, below = below[:, -1:], below[:, :-1]
    width = torch.arange(1, blocks, dtype=pos.dtype, device=pos.device)
    # sum of n KL = sum_b n_b log n_b - sum over halves of n log(n / blocks of the half)
    gain = torch.xlogy(below, below / width)
    gain = gain + torch.xlogy(total - below, (total - below) / (blocks - width))
    best = torch.where(alone, blocks // 2 - 1, gain.argmax(1))
    return axis, start + filled * (best + 1) / blocks


def _overlapping(
    lo: Tensor, hi: Tensor, first: Tensor, last: Tensor, per_set: int, overlap: float
) -> Boxes:
    """Boxes [lo, hi) that tile [first, last], grown beyond their inner faces."""
    first, last = first.repeat_interleave(per_set, 0), last.repeat_interleave(per_set, 0)
    halo = overlap * (hi - lo)
    inner_lo, inner_hi = lo > first, hi < last
    lo = torch.where(inner_lo, torch.maximum(lo - halo, first), lo)
    hi = torch.where(inner_hi, torch.minimum(hi + halo, last), hi)

    def shares(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How many boxes each place is in, which, and its shares of them."""
        box = batch[:, None] * per_set + torch.arange(per_set, device=pos.device)  # (M, L)
        at = torch.minimum(torch.maximum(pos, first[batch * per_set]), last[batch * per_set])
        at = at[:, None]
        # 1 at two halos from an end that is inner; everywhere towards one that is not.
        up = torch.where(inner_lo[box], (at - lo[box]) / (2 * halo[box]), 1).clamp(0, 1)
        down = torch.where(inner_hi[box], (hi[box] - at) / (2 * halo[box]), 1).clamp(0, 1)
        inside = ((at >= lo[box]) & (at <= hi[box])).all(2)
        share = (up * down).prod(2) * inside
        row, which = (share > 0).nonzero(as_tuple=True)
        part = (share / share.sum(1, keepdim=True))[row, which]
        return (share > 0).sum(1), box[row, which], part

    def members(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        blocks = row_blocks(4 * per_set * pos.shape[1], pos, batch)
        parts = zip(*(shares(*rows) for rows in blocks), strict=True)
        many, box, share = (torch.cat(part) for part in parts)
        return torch.cat([many.new_zeros(1), many.cumsum(0)]), box, share

    return Boxes(lo, hi - lo, members)
