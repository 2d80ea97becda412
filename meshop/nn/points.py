"""The point sets of a batch of graphs, end to end: what layers work on, with no padding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Points:
    """One point set for each graph of a batch, laid end to end.

    pos (N, D) places; x (N, C) what is known there; weight (N,) quadrature weights in float32 or
    better, positive, summing to one over each set; batch (N,) the set of each point, ascending;
    sizes: points of each set.
    """

    pos: Tensor
    x: Tensor
    weight: Tensor
    batch: Tensor
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.x)

    def with_x(self, x: Tensor) -> Points:
        return replace(self, x=x)

    def spread(self, rows: Tensor) -> Tensor:
        """(B, ...) one row a set -> (N, ...) one row a point."""
        if len(self.sizes) == 1:
            return rows.expand(len(self.batch), *rows.shape[1:])
        return rows.index_select(0, self.batch)

    def mean(self, values: Tensor | None = None) -> Tensor:
        """(N, C) values (x where None) -> (B, C) means by weight, summed in float32 or better."""
        values = self.x if values is None else values
        exact = torch.promote_types(values.dtype, torch.float32)
        if len(self.sizes) == 1 and values.dtype == exact:
            with torch.autocast(values.device.type, enabled=False):
                return self.weight.to(exact)[None] @ values
        out = torch.zeros(len(self.sizes), values.shape[1], dtype=exact, device=values.device)
        out = out.index_add(0, self.batch, values.to(exact) * self.weight.to(exact)[:, None])
        return out.to(values.dtype)


def nodes(graph: Any, cond: bool = True) -> Points:
    """Nodes of a `MeshGraph` batch; x is [x, inputs], and [x, inputs, cond] with `cond`.

    Reads x (N, F), weight (N,), cond (B, K), and where they exist pos (N, D), inputs (N, A) known
    fields, and ptr (B + 1,) or batch (N,) (without which there is one graph).
    """
    parts = [graph.x]
    if (given := getattr(graph, "inputs", None)) is not None:
        parts.append(given)
    return _points(graph, "", parts, graph.weight, cond)


def queries(graph: Any, cond: bool = True) -> Points:
    """Where the fields are asked for: query points where the graph has them, else the nodes.

    Reads query_x (M, F) of the same meaning as the nodes' x, and where they exist query_pos,
    query_weight (M,), query_ptr or query_batch. x holds no inputs: those are known at nodes alone.
    """
    x = getattr(graph, "query_x", None)
    if x is None:
        return _points(graph, "", [graph.x], graph.weight, cond)
    weight = getattr(graph, "query_weight", None)
    return _points(graph, "query_", [x], x.new_ones(len(x)) if weight is None else weight, cond)


def walls(graph: Any, cond: bool = True) -> Points:
    """Boundary tokens; x is [wall_x, wall_inputs], and [wall_x, wall_inputs, cond] with `cond`.

    Reads wall_x (W, T), wall_weight (W,), and where they exist wall_pos (W, D), wall_inputs (W, V)
    boundary data, and wall_ptr or wall_batch.
    """
    parts = [graph.wall_x]
    if (given := getattr(graph, "wall_inputs", None)) is not None:
        parts.append(given)
    return _points(graph, "wall_", parts, graph.wall_weight, cond)


def _points(graph: Any, kind: str, parts: list[Tensor], weight: Tensor, cond: bool) -> Points:
    count, rows = len(graph.cond), len(parts[0])
    ptr = getattr(graph, f"{kind}ptr", None)
    batch = getattr(graph, f"{kind}batch", None)
    if count == 1:
        sizes: tuple[int, ...] = (rows,)
        batch = weight.new_zeros(rows, dtype=torch.long)
    else:
        if ptr is not None:
            counts = ptr.diff()
            if batch is None:
                batch = torch.repeat_interleave(counts, output_size=rows)
        elif batch is not None:
            counts = torch.bincount(batch, minlength=count)
        else:
            raise ValueError(f"a batch of {count} graphs needs {kind}ptr or {kind}batch")
        sizes = tuple(counts.tolist())
    x = torch.cat([*parts, graph.cond.to(parts[0].dtype)[batch]] if cond else parts, dim=1)
    exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
    total = exact.new_zeros(count).index_add(0, batch, exact)
    pos = getattr(graph, f"{kind}pos", None)
    return Points(
        pos=x.new_zeros(rows, 0) if pos is None else pos,
        x=x,
        weight=exact / total[batch],
        batch=batch,
        sizes=sizes,
    )


def by_graph(
    function: Callable[..., Tensor], *groups: tuple[tuple[int, ...], tuple[Tensor, ...]]
) -> Tensor:
    """`function` on dense blocks: every (N, ...) tensor of a group becomes (B, n, ...).

    Each group has its sizes and tensors; all have the same number of graphs. One call where every
    group's graphs are alike in size, else one call a graph with B = 1. Returns the results, blocks
    (B, m, ...), end to end as (M, ...).
    """
    count = len(groups[0][0])
    if all(min(sizes) == max(sizes) for sizes, _ in groups):
        dense = [t.unflatten(0, (count, sizes[0])) for sizes, tensors in groups for t in tensors]
        return function(*dense).flatten(0, 1)
    parts = zip(*(t.split(sizes) for sizes, tensors in groups for t in tensors), strict=True)
    return torch.cat([function(*(p[None] for p in part))[0] for part in parts])


def latent_group(*latents: Tensor) -> tuple[tuple[int, ...], tuple[Tensor, ...]]:
    """Latents (B, Z, ...), as many a graph, as a group for `by_graph`."""
    count, z = latents[0].shape[:2]
    return (z,) * count, tuple(t.flatten(0, 1) for t in latents)
