"""Batches of subsampled cases, with mirror images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from ..graph import MeshGraph
from ._store import StoredCase


@dataclass(frozen=True)
class Mirror:
    """Parities under y -> -y: node features (F,), tokens (T,), conditions (K,), prior (P,),
    outputs (C,), scalars (S,), lift (1 or 0,)."""

    x: Tensor
    wall_x: Tensor
    cond: Tensor
    prior: Tensor
    y: Tensor
    scalars: Tensor
    lift: Tensor


class CaseSampler(IterableDataset):
    """`steps` batches of `batch` cases with `points` nodes each, for one epoch; deterministic in
    (seed, epoch, rank). seconds: end the epoch early when that much time has passed.

    Nodes are drawn by `StoredCase.chance`: mostly by the training measure, partly uniformly, so
    that the mean over a batch is an integral and not a count of cells. points None: all nodes, as
    operators that are not pointwise need.
    """

    def __init__(
        self,
        cases: Sequence[StoredCase],
        mirror: Mirror | None,
        *,
        batch: int,
        points: int | None,
        steps: int,
        seed: int,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cases, self.mirror, self.batch, self.points = cases, mirror, batch, points
        self.steps, self.seed, self.seconds, self.clock = steps, seed, seconds, clock
        self.epoch = self.rank = 0

    def __iter__(self) -> Iterator[MeshGraph]:
        random = np.random.default_rng([self.seed, self.epoch, self.rank])
        start = self.clock()
        for _ in range(self.steps):
            if self.seconds is not None and self.clock() - start > self.seconds:
                return
            chosen = random.choice(
                len(self.cases), size=self.batch, replace=self.batch > len(self.cases)
            )
            flips = random.random(self.batch) < (0.5 if self.mirror else 0.0)
            yield collate(
                [
                    sample(
                        self.cases[i],
                        self.points,
                        random,
                        self.mirror if flip else None,
                    )
                    for i, flip in zip(chosen, flips, strict=True)
                ]
            )


def sample(
    case: StoredCase,
    points: int | None = None,
    random: np.random.Generator | None = None,
    mirror: Mirror | None = None,
) -> MeshGraph:
    """A graph of `points` random nodes of a case (all of them where None).

    Its weight is the training measure of each node over the chance of drawing it, normalised to
    sum to one; share is each drawn node's share of the loss. Raises ValueError where edges would
    have to be cut.
    """
    if points is None or points >= len(case.y):
        ids: Any = slice(None)
        weight = np.asarray(case.weight, dtype=np.float64)
        share = np.diff(case.chance, prepend=0.0)
    else:
        assert random is not None
        if case.rowptr is not None:
            raise ValueError("a graph with edges cannot be subsampled: points=None")
        ids = np.searchsorted(case.chance, random.random(points) * case.chance[-1])
        ids = np.sort(np.minimum(ids, len(case.y) - 1))  # sorted reads are kind to the disk
        chance = case.chance[ids] - np.where(ids > 0, case.chance[ids - 1], 0.0)
        weight = case.weight[ids] / chance
        share = np.full(points, 1.0 / points)
    graph = MeshGraph(
        pos=torch.from_numpy(np.array(case.pos[ids], dtype=np.float32)),
        x=torch.from_numpy(np.array(case.x[ids])),
        prior=torch.from_numpy(np.array(case.prior[ids])),
        decay=torch.from_numpy(np.array(case.decay[ids])),
        y=torch.from_numpy(np.array(case.y[ids])),
        weight=torch.from_numpy(weight / weight.sum()).float(),
        share=torch.from_numpy(np.asarray(share)).float(),
        wall_pos=case.wall_pos,
        wall_x=case.wall_x,
        wall_weight=case.wall_weight,
        cond=case.cond[None],
        lift=case.lift[None],
        scalars=case.scalars[None],
        energy=torch.from_numpy(case.energy).float()[None],
    )
    if case.kind is not None:
        graph.kind = torch.from_numpy(np.array(case.kind[ids]))
    if case.inputs is not None:
        graph.inputs = torch.from_numpy(np.array(case.inputs[ids]))
    if case.past is not None:
        graph.past = torch.from_numpy(np.array(case.past[ids]))
    if case.wall_inputs is not None:
        graph.wall_inputs = case.wall_inputs
    if case.rowptr is not None:
        graph.edge_index = torch.from_numpy(np.array(case.edge_index, dtype=np.int64))
        graph.rowptr = torch.from_numpy(np.array(case.rowptr))
        graph.edge_attr = torch.from_numpy(np.array(case.edge_attr))
    if case.slopes is not None and isinstance(ids, slice):  # mirror images have the same norm
        graph.simplices = torch.from_numpy(np.array(case.simplices, dtype=np.int64))
        graph.slopes = torch.from_numpy(np.array(case.slopes))
    if mirror is not None:
        across = torch.tensor([1.0, -1.0, 1.0])
        for name in ("pos", "wall_pos"):
            graph[name] = graph[name] * across
        if case.rowptr is not None:
            graph.edge_attr = graph.edge_attr * torch.cat([across, torch.ones(1)])
        for name in ("x", "prior", "y", "wall_x", "cond", "lift", "scalars"):
            graph[name] = graph[name] * getattr(mirror, name)
    return graph


def collate(graphs: Sequence[MeshGraph]) -> MeshGraph:
    """Concatenate graphs with no padding; batch and wall_batch tell them apart."""
    out = MeshGraph()
    for name in graphs[0].keys():  # noqa: SIM118 - a Data object, not a dict
        if name not in ("edge_index", "rowptr", "simplices"):
            out[name] = torch.cat([g[name] for g in graphs])
    if "rowptr" in graphs[0]:
        nodes, edges = (np.cumsum([0, *(len(g[k]) for g in graphs)]) for k in ("x", "edge_attr"))
        shifted = [g.edge_index + int(at) for g, at in zip(graphs, nodes, strict=False)]
        out.edge_index = torch.cat(shifted, dim=1)
        starts = [g.rowptr[:-1] + int(at) for g, at in zip(graphs, edges, strict=False)]
        out.rowptr = torch.cat([*starts, graphs[0].rowptr.new_tensor([int(edges[-1])])])
    sizes = torch.tensor([len(g.x) for g in graphs])
    if "simplices" in graphs[0]:
        starts = (sizes.cumsum(0) - sizes).tolist()
        out.simplices = torch.cat([g.simplices + n for g, n in zip(graphs, starts, strict=True)])
    walls = torch.tensor([len(g.wall_x) for g in graphs])
    out.batch = torch.repeat_interleave(torch.arange(len(graphs)), sizes)
    out.ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    out.wall_batch = torch.repeat_interleave(torch.arange(len(graphs)), walls)
    out.wall_ptr = torch.cat([walls.new_zeros(1), walls.cumsum(0)])
    return out
