"""Levels on coarser meshes of the same domain: geometric multigrid's, nested or not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..mesh import Mesh
from ..ops import Csr, knn
from ._coarse import Coarse
from ._edges import mesh_edges
from ._levels import Level, kept, level_of

TINY = 1e-12  # a share of a row: rounding of a point that lies on another


def nested_levels(
    pos: Tensor, weight: Tensor, coarser: Sequence[Mesh], *, fixed: Tensor | None = None
) -> tuple[Level, ...]:
    """A level on the points of each coarser mesh, the finest first, in float64; cached by content.

    pos (N, 3), weight (N,) and fixed (N,) bool of the nodes as for `build_levels`. P interpolates
    linearly in a mesh's cells (cut into simplices as `Mesh.p1` does), so it is exact for linear
    fields inside the mesh; a node outside takes the values of the closest place in it. R is P's
    adjoint under the weights: the L2 projection with lumped mass. Meshes need not share points;
    those of `Mesh.refine` do. A point is fixed if the nearest node of the level above is.

    Deterministic. Raises ValueError where dimensions differ, MeshError for meshes without cells.
    """
    if pos.shape[1:] != (3,) or len(weight) != len(pos):
        raise ValueError(
            f"pos, weight: expected (N, 3) and (N,), found {tuple(pos.shape)}, "
            f"{tuple(weight.shape)}"
        )
    if len(dims := {mesh.dim for mesh in coarser}) > 1:
        raise ValueError(f"coarser: expected meshes of one dimension, found {sorted(dims)}")
    if fixed is not None and fixed.shape != weight.shape:
        raise ValueError(f"fixed: expected {tuple(weight.shape)}, found {tuple(fixed.shape)}")
    pos, weight = pos.detach().cpu(), weight.detach().cpu()
    fixed = torch.zeros(len(pos), dtype=torch.bool) if fixed is None else fixed.detach().cpu()
    text = "nested" + " ".join(mesh.content_hash() for mesh in coarser)
    return kept(text, (pos, weight, fixed), lambda: _build(pos, weight, fixed, coarser))


def _build(
    pos: Tensor, weight: Tensor, fixed: Tensor, coarser: Sequence[Mesh]
) -> tuple[Level, ...]:
    pos, weight = pos.double(), weight.double()
    levels: list[Level] = []
    for mesh in coarser:
        coarse, count = torch.tensor(mesh.points), mesh.n_points
        edges, rowptr = mesh_edges(mesh, "point", count)
        near = Coarse(
            up=_interpolation(mesh, pos),
            pos=coarse,
            fixed=fixed[knn(pos, 1, coarse).index],
            batch=torch.zeros(count, dtype=torch.int64),
            rowptr=rowptr,
            index=edges[0].clone(),
            strength=None,
        )
        levels.append(level_of(weight, pos, near, 1))
        pos, weight, fixed = coarse, levels[-1].weight, levels[-1].fixed
    return tuple(levels)


def _interpolation(mesh: Mesh, pos: Tensor) -> Csr:
    """(N, M) barycentric coordinates, without what is nothing; rows sum to one."""
    up = Csr.of(mesh.p1().interpolation(pos.numpy()))
    used = up.value > TINY
    row, index, value = up.row[used], up.index[used].long(), up.value[used]
    total = value.new_zeros(up.rows).index_add_(0, row, value)
    ends = torch.bincount(row, minlength=up.rows).cumsum(0)
    return Csr(torch.cat([ends.new_zeros(1), ends]), index, value / total[row], up.columns)
