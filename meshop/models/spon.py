"""SPON: from degrees of freedom to degrees of freedom, with boundary values that hold exactly.

    u = sum_j beta_j psi_j,   beta = P(alpha),   alpha the nodal values of what is known
    P:  h = MLP(alpha);   h <- a round of messages on each level, `rounds` on the coarsest;   MLP(h)
    beta_j = g_j at nodes on the boundary whose values g are known

Bouziani and Boulle, "Structure-preserving operator learning" (arXiv 2410.01065), multigrid form,
withdrawn from ICLR 2025; no code was published. On P1 elements the degrees of freedom are the
values at the mesh's points, so that the projection of a nodal field and the reading of a solution
are the identity, and who has the mesh has psi (`mesh.p1()`, `meshop.ops.interpolate`). Its norms
are losses of training for any operator: L2, or H1 (`loss="h1"`).

The levels are those that a graph carries: with `build_graph(..., coarser=meshes)` P is the finite
element interpolation between meshes and R = M^-1 P^T M the projection with lumped mass. Where a
graph carries none, they are farthest points with interpolation of the same kind, which keeps
constants and integrals. What differs: messages are means by lumped mass, so that a graded mesh
weighs as its elements do. Dirichlet values on every level of a multigrid are states that nothing
changes here, and an option (`hold`): the error was no lower with them. What is left out: spaces
other than P1 (H(div) and H(curl) conformity) and consistent mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import GraphSpec, LevelSpec, MeshGraph
from ..nn import MeanReadout, mlp, nodes
from ..nn.hierarchy import in_space
from ..nn.level_messages import LevelMessages, scales
from ..nn.row_mlp import RowMLP
from ._operator import Operator, Widths

FIXED = ("boundary", "wall")


class SPON(Operator):
    """Messages on a mesh and coarser node sets, with boundary values that hold exactly.

    levels below the nodes; rounds on the coarsest. given: for each field the column of the nodes'
    `inputs` that holds its values on the boundary, None for fields that have none; () where no
    field has. They are prescribed at the nodes of the whole "boundary" or of the "wall" (fixed),
    which graphs know by `kind`, and in the fields' own units once `learn` has told the operator
    what those are. Nodes must then be points. hold: these nodes keep the state that they come with,
    on every level (`LevelMessages`), for which all fields must be given. aggregate: as of
    `InteractionBlock`. No promise for split nodes: samples are chosen by node. Raises ValueError
    for columns that inputs do not have, and for graphs that do not know their boundary.
    """

    paper = "Bouziani and Boulle, 2024 (withdrawn), arXiv 2410.01065"
    cost = "O(3 k C^2), k neighbours, over all levels"
    edges = True
    positions = True
    refinement = False

    value_scale: Tensor
    value_shift: Tensor

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 64,
        levels: int = 2,
        rounds: int = 8,
        hidden: int = 2,
        ratio: float = 0.25,
        given: Sequence[int | None] = (),
        fixed: str = "boundary",
        hold: bool = False,
        aggregate: str = "quadrature",
    ) -> None:
        super().__init__(widths)
        columns = list(given)
        if columns and len(columns) != widths.out:
            raise ValueError(f"given: expected {widths.out} columns or none, found {len(columns)}")
        if any(not 0 <= c < widths.inputs for c in columns if c is not None):
            raise ValueError(f"given: expected columns of {widths.inputs} inputs, found {columns}")
        if fixed not in FIXED:
            raise ValueError(f"fixed: expected one of {', '.join(FIXED)}, found {fixed!r}")
        if hold and (not columns or None in columns):
            raise ValueError(f"hold: expected a column of every field in given, found {columns}")
        self.given = {field: c for field, c in enumerate(columns) if c is not None}
        self.fixed = LevelSpec(fixed=fixed)  # type: ignore[arg-type]
        self.spec = LevelSpec(
            method="farthest",
            count=levels,
            ratio=ratio,
            neighbours=widths.dim + 1,
            fixed=fixed if hold else "none",  # type: ignore[arg-type]
        )
        inner = [width] * hidden
        self.node = RowMLP(widths.nodes, *inner, width, norm=False)
        self.messages = LevelMessages(
            width,
            widths.dim,
            [*[(1, 1)] * levels, (rounds, 0)],
            depth=hidden + 1,
            aggregate=aggregate,
        )
        self.head = mlp(width, *inner, widths.out, act=nn.ReLU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)
        self.register_buffer("value_scale", torch.ones(len(self.given)))
        self.register_buffer("value_shift", torch.zeros(len(self.given)))

    def tie(self, normaliser: Any, spec: GraphSpec) -> None:
        """Learn how normalised inputs become normalised fields, u = scale g + shift."""
        if not self.given:
            return
        if spec.location != "point":
            raise ValueError("given: boundary values are those of points, the fields are of cells")
        fields, columns = list(self.given), list(self.given.values())
        if bool(normaliser.prior_mix[:, fields].any()):
            raise ValueError("given: fields that have a potential flow as base have no such values")
        scale = normaliser.field_scale[fields]
        shift = normaliser.inputs_mean[columns] - normaliser.field_shift[fields]
        self.value_scale.copy_(normaliser.inputs_std[columns] / scale)
        self.value_shift.copy_(shift / scale)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        h = self.node(points.x)
        h = self.messages(h, scales(graph, points, self.spec), self.run)
        return self._held(self.head(h), graph), self.scalar_head(h, points, graph.cond)

    def _held(self, fields: Tensor, graph: MeshGraph) -> Tensor:
        """The fields with the values that are prescribed."""
        if not self.given:
            return fields
        held = self.fixed.prescribed(getattr(graph, "kind", None))
        assert held is not None
        values = graph.inputs[:, list(self.given.values())]
        values = (values * self.value_scale + self.value_shift).to(graph.inputs.dtype)
        columns = list(fields.to(values.dtype).unbind(1))
        for number, field in enumerate(self.given):
            columns[field] = torch.where(held, values[:, number], columns[field])
        return torch.stack(columns, dim=1)
