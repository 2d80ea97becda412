"""Coarser node sets of a mesh's graph, with restriction and prolongation between them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..ops import Csr, knn, rows_of
from ._coarse import (
    Coarse,
    Nodes,
    by_aggregation,
    by_farthest_points,
    by_fronts,
    near_strength,
    symmetric_edges,
)

Method = Literal["smoothed", "aggregation", "farthest", "bistride"]
CACHE_BYTES = 512 << 20
_cache: OrderedDict[str, tuple[Level, ...]] = OrderedDict()


class LevelSpec(BaseModel):
    """Which levels a graph gets.

    method: "smoothed" and plain "aggregation" of strong edges (about a seventh of the nodes of
    triangles, a twelfth of tetrahedra), "farthest" points (`ratio` of the nodes, values back from
    `neighbours` samples), "bistride" (every second front, about half). count: levels below the
    nodes; a graph that gets no coarser repeats its last. fixed: the nodes of a `MeshGraph` whose
    values are prescribed: none, those at the wall, or those at any boundary.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method = "smoothed"
    count: int = Field(default=3, ge=1)
    ratio: float = Field(default=0.25, gt=0, le=1)
    neighbours: int = Field(default=3, ge=1)
    fixed: Literal["none", "wall", "boundary"] = "none"

    def prescribed(self, kind: Tensor | None) -> Tensor | None:
        """(N,) bool of a graph's `kind` (N,), None where no node is fixed."""
        if self.fixed == "none":
            return None
        if kind is None:
            raise ValueError(f"fixed={self.fixed!r} needs a graph that knows its nodes' kind")
        return kind == 1 if self.fixed == "wall" else kind > 0


@dataclass(frozen=True, eq=False)
class Level:
    """A coarser node set of M nodes, and the ways to it from the N above and back.

    pos (M, D); weight (M,) quadrature weights, `up`^T those above: they have the same sum; fixed
    (M,) bool where values are prescribed (a correction is zero there); ptr (B + 1,) where each
    graph of a batch begins; rowptr (M + 1,), index (E,): neighbours of each node, both ways, no
    loops. up (N, M): prolongation P, rows summing to one. down (M, N): restriction
    R = M_coarse^-1 P^T M_fine with M the weights, rows summing to one too: both keep constants,
    and R keeps integrals.
    """

    pos: Tensor
    weight: Tensor
    fixed: Tensor
    ptr: Tensor
    rowptr: Tensor
    index: Tensor
    up: Csr
    down: Csr

    @property
    def sizes(self) -> tuple[int, ...]:
        """Nodes of each graph."""
        return tuple(self.ptr.diff().tolist())

    def edge_index(self) -> Tensor:
        """(2, E) senders and receivers, sorted by receiver."""
        return torch.stack([self.index, rows_of(self.rowptr, len(self.index))])

    def to(self, *args: Any, **kwargs: Any) -> Level:
        """On another device, or with another floating type."""
        pos, weight = self.pos.to(*args, **kwargs), self.weight.to(*args, **kwargs)
        fixed, ptr, rowptr, index = (
            part.to(pos.device) for part in (self.fixed, self.ptr, self.rowptr, self.index)
        )
        up, down = self.up.to(*args, **kwargs), self.down.to(*args, **kwargs)
        return Level(pos, weight, fixed, ptr, rowptr, index, up, down)


def build_levels(
    pos: Tensor,
    weight: Tensor,
    rowptr: Tensor,
    index: Tensor,
    spec: LevelSpec | None = None,
    *,
    ptr: Tensor | None = None,
    fixed: Tensor | None = None,
    strength: Tensor | None = None,
) -> tuple[Level, ...]:
    """`spec.count` levels below the nodes, the finest first, in float64; cached by content.

    pos (N, D), D = 0 where nodes have no place; weight (N,) not negative; rowptr (N + 1,) and index
    (E,) neighbours, made symmetric where they are not. ptr (B + 1,) where each graph of a batch
    begins: the levels of a batch are those of its graphs end to end. fixed (N,) bool: prescribed
    values; aggregates hold free or fixed nodes, never both, and samples keep their own. strength
    (E,) positive weights of the edges for aggregation and smoothing, such as -a_ij of a stiffness
    matrix; 1 / |step|^2 where None.

    Deterministic, and the same on any number of threads. Raises ValueError where inputs do not fit.
    """
    spec = LevelSpec() if spec is None else spec
    _check(pos, weight, rowptr, index, ptr, fixed, strength)
    given = (pos, weight, rowptr, index, ptr, fixed, strength)

    def build() -> tuple[Level, ...]:
        plain = [t.detach().cpu() for t in given[:4]]
        return _build(spec, *plain, *(None if t is None else t.detach().cpu() for t in given[4:]))

    return kept(spec.model_dump_json(), given, build)


def kept(
    text: str, parts: Sequence[Tensor | None], build: Callable[[], tuple[Level, ...]]
) -> tuple[Level, ...]:
    """What `build` returns, from the cache where it was built from the same content before."""
    key = _key(text, parts)
    if key not in _cache:
        with torch.no_grad():
            _cache[key] = build()
    _cache.move_to_end(key)
    while len(_cache) > 1 and sum(map(_nbytes, _cache.values())) > CACHE_BYTES:
        _cache.popitem(last=False)
    return _cache[key]


def levels_of(graph: Any, spec: LevelSpec | None = None) -> tuple[Level, ...]:
    """The levels of a `MeshGraph` or a batch of them: those it carries, else built from its edges.

    Reads weight (N,), edge_index (2, E), and where they exist pos, kind, ptr; levels are built for
    each graph of a batch, and so are found again in other batches. On the graph's device, in
    the floating type of its weights. Raises ValueError for a graph without edges.
    """
    carried = getattr(graph, "levels", ())
    if carried:
        return tuple(carried)
    edges = getattr(graph, "edge_index", None)
    if edges is None:
        raise ValueError("graph: expected edges or levels; set edges or levels in its GraphSpec")
    spec = LevelSpec() if spec is None else spec
    weight, count = graph.weight, len(graph.weight)
    fixed = spec.prescribed(getattr(graph, "kind", None))
    pos = getattr(graph, "pos", None)
    pos = weight.new_zeros(count, 0) if pos is None else pos
    ptr = getattr(graph, "ptr", None)
    ends = [0, count] if ptr is None else ptr.tolist()
    sender, receiver = edges.detach().cpu()
    order = torch.argsort(receiver * max(count, 1) + sender)
    sender, degree = sender[order], torch.bincount(receiver, minlength=count)
    parts, first = [], 0
    for begin, end in pairwise(ends):
        run = degree[begin:end].cumsum(0)
        rowptr = torch.cat([run.new_zeros(1), run])
        last = first + int(rowptr[-1])
        held = None if fixed is None else fixed[begin:end]
        at = slice(begin, end)
        index = sender[first:last] - begin
        parts.append(build_levels(pos[at], weight[at], rowptr, index, spec, fixed=held))
        first = last
    joined = (join_levels(same) for same in zip(*parts, strict=True))
    return tuple(level.to(device=weight.device, dtype=weight.dtype) for level in joined)


def join_levels(levels: Sequence[Level]) -> Level:
    """Levels of several graphs, end to end: that of their batch."""
    if len(levels) == 1:
        return levels[0]

    def stack(matrices: Sequence[Csr]) -> Csr:
        at, entries, rowptr, index = 0, 0, [torch.zeros(1, dtype=torch.int64)], []
        for m in matrices:
            rowptr.append(m.rowptr[1:] + entries)
            index.append(m.index + at)
            at, entries = at + m.columns, entries + len(m.index)
        return Csr(torch.cat(rowptr), torch.cat(index), torch.cat([m.value for m in matrices]), at)

    edges = stack(
        [Csr(v.rowptr, v.index, v.weight.new_ones(len(v.index)), len(v.weight)) for v in levels]
    )
    sizes = torch.cat([level.ptr.diff() for level in levels]).cumsum(0)
    return Level(
        pos=torch.cat([level.pos for level in levels]),
        weight=torch.cat([level.weight for level in levels]),
        fixed=torch.cat([level.fixed for level in levels]),
        ptr=torch.cat([sizes.new_zeros(1), sizes]),
        rowptr=edges.rowptr,
        index=edges.index,
        up=stack([level.up for level in levels]),
        down=stack([level.down for level in levels]),
    )


def _nbytes(levels: Sequence[Level]) -> int:
    parts = [
        part
        for v in levels
        for part in (v.pos, v.weight, v.rowptr, v.index, *_arrays(v.up), *_arrays(v.down))
    ]
    return sum(part.numel() * part.element_size() for part in parts)


def _arrays(matrix: Csr) -> tuple[Tensor, Tensor, Tensor]:
    return matrix.rowptr, matrix.index, matrix.value


def _build(
    spec: LevelSpec,
    pos: Tensor,
    weight: Tensor,
    rowptr: Tensor,
    index: Tensor,
    ptr: Tensor | None,
    fixed: Tensor | None,
    strength: Tensor | None,
) -> tuple[Level, ...]:
    count = len(weight)
    strength = None if strength is None else strength.double()
    rowptr, index, strength = symmetric_edges(rowptr.long(), index.long(), strength)
    nodes = Nodes(
        pos=pos.double(),
        weight=weight.double(),
        fixed=torch.zeros(count, dtype=torch.bool) if fixed is None else fixed,
        ptr=torch.tensor([0, count]) if ptr is None else ptr,
        rowptr=rowptr,
        index=index,
        strength=near_strength(pos.double(), rowptr, index) if strength is None else strength,
    )
    levels: list[Level] = []
    for depth in range(spec.count):
        if spec.method == "farthest":
            coarse = by_farthest_points(nodes, spec.ratio, spec.neighbours)
        elif spec.method == "bistride":
            coarse = by_fronts(nodes)
        else:
            coarse = by_aggregation(nodes, spec.method == "smoothed", depth)
        level = level_of(nodes.weight, nodes.pos, coarse, len(nodes.ptr) - 1)
        levels.append(level)
        strength = coarse.strength
        if strength is None:
            strength = near_strength(level.pos, level.rowptr, level.index)
        nodes = Nodes(
            level.pos, level.weight, level.fixed, level.ptr, level.rowptr, level.index, strength
        )
    return tuple(levels)


def level_of(weight: Tensor, pos: Tensor, coarse: Coarse, graphs: int) -> Level:
    """Weights and restriction that go with a prolongation."""
    back = coarse.up.t
    share = back.value * weight[back.index]
    total = share.new_zeros(back.rows).index_add_(0, back.row, share)
    # Nodes that stand for no weight (cells of a lower dimension) take plain means.
    bare = (total <= 0)[back.row]
    share = torch.where(bare, back.value, share)
    sums = share.new_zeros(back.rows).index_add_(0, back.row, share)
    down = back.with_value(share / sums[back.row])
    if bool((sums <= 0).any()):
        down = _from_nearest(down, sums <= 0, coarse.pos, pos)
    ends = torch.bincount(coarse.batch, minlength=graphs).cumsum(0)
    return Level(
        pos=down(pos) if coarse.pos is None else coarse.pos,
        weight=total,
        fixed=coarse.fixed,
        ptr=torch.cat([ends.new_zeros(1), ends]),
        rowptr=coarse.rowptr,
        index=coarse.index,
        up=coarse.up,
        down=down,
    )


def _from_nearest(down: Csr, empty: Tensor, goal: Tensor | None, pos: Tensor) -> Csr:
    """Coarse nodes that no finer one reads (a mesh coarser in places only) take the nearest's."""
    assert goal is not None
    near = knn(pos, 1, goal[empty]).index
    keep = ~empty[down.row]
    row = torch.cat([down.row[keep], empty.nonzero()[:, 0]])
    order = torch.argsort(row, stable=True)
    index = torch.cat([down.index[keep], near])[order]
    value = torch.cat([down.value[keep], down.value.new_ones(len(near))])[order]
    ends = torch.bincount(row, minlength=down.rows).cumsum(0)
    return Csr(torch.cat([ends.new_zeros(1), ends]), index, value, down.columns)


def _check(
    pos: Tensor,
    weight: Tensor,
    rowptr: Tensor,
    index: Tensor,
    ptr: Tensor | None,
    fixed: Tensor | None,
    strength: Tensor | None,
) -> None:
    count = len(weight)
    sizes = {"pos": (pos, count), "rowptr": (rowptr, count + 1), "fixed": (fixed, count)}
    sizes["strength"] = (strength, len(index))
    for name, (value, size) in sizes.items():
        if value is not None and len(value) != size:
            raise ValueError(f"{name}: expected {size} rows, found {len(value)}")
    if not bool(((weight >= 0) & weight.isfinite()).all()):
        raise ValueError("weight: expected finite numbers that are not negative")
    if strength is not None and not bool(((strength > 0) & strength.isfinite()).all()):
        raise ValueError("strength: expected finite positive numbers")
    if ptr is not None and (int(ptr[0]) != 0 or int(ptr[-1]) != count):
        raise ValueError(f"ptr: expected to run from 0 to {count}, found {ptr.tolist()}")


def _key(text: str, parts: Sequence[Tensor | None]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for part in parts:
        digest.update(b"-" if part is None else f"{part.dtype}{tuple(part.shape)}".encode())
        if part is not None and part.numel():
            digest.update(part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


METHODS: tuple[str, ...] = get_args(Method)
