"""CORAL (Serrano et al., NeurIPS 2023): fields as codes of a modulated SIREN, code to code.

    z_in <- z_in - r dJ/dz_in, 3 times from 0,  J = sum_n w_n |f_in(n; z_in) - inputs_n|^2
    z    =  W r_3(r_2(r_1([g z_in, boundary, cond]))),  r(z) = z + silu(W silu(W z))
    out  =  f_out(n; z)

f_in and f_out: see `meshop.nn.ModulatedSiren`. Source: arXiv 2306.07266 and its public code
(999fdc20), sizes of its runs on geometries: codes of 128, 4 layers of 256, w0 10 in and 30 out,
first inner rate .01 (learned), 3 residual blocks of 128.

Ours differs: J is a quadrature (published: a mean over nodes, so a fine patch decides the code);
conditions, and boundary tokens as one weighted mean, join the code; without input fields these are
the code, and where there are no tokens either the features are what is fitted. Features known at a
query enter the first layer at frequency one. Published training has two stages: both SIRENs by
reconstruction (`reconstruction` gives what that needs), then the map between frozen, standardised
codes. This one trains end to end as well, through the inner steps to second order, so a learned
gain g, first 1 / (3 r), stands for the statistics of the data set.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import ModulatedSiren, Points, WallEncoder, mlp, nodes, queries, walls
from ._operator import Operator, Widths


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, z: Tensor) -> Tensor:
        return z + nn.functional.silu(self.down(nn.functional.silu(self.up(z))))


class Coral(Operator):
    """Fields as codes of a modulated SIREN, mapped code to code.

    code, width and depth of the SIRENs; hidden, blocks of the map.
    """

    paper = "Serrano et al., NeurIPS 2023, arXiv 2306.07266"
    cost = "O(7 L C^2)"
    tokens = True
    positions = True
    translation = False
    queries = True

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 256,
        depth: int = 4,
        code: int = 128,
        w0_in: float = 10,
        w0_out: float = 30,
        steps: int = 3,
        rate: float = 0.01,
        hidden: int = 128,
        blocks: int = 3,
    ):
        super().__init__(widths)
        self.steps = steps
        dim, features, tokens = widths.dim, widths.features, widths.tokens
        fitted = widths.inputs or (0 if tokens else features)
        self.field_in = None
        if fitted:
            known = features if widths.inputs else 0
            self.field_in = ModulatedSiren(dim, known, fitted, width, depth, code, w0_in)
            self.rate = nn.Parameter(torch.tensor(float(rate)))
            self.gain = nn.Parameter(torch.full((code,), 1 / (steps * rate)))
        self.walls = WallEncoder(tokens + widths.wall_inputs, widths.cond, code) if tokens else None
        joint = code * (bool(fitted) + bool(tokens)) + widths.cond
        self.enter = nn.Identity() if joint == code else nn.Linear(joint, code)
        self.map = nn.Sequential(
            *(_Block(code, hidden) for _ in range(blocks)), nn.Linear(code, code)
        )
        self.field_out = ModulatedSiren(dim, features, widths.out, width, depth, code, w0_out)
        self.scalar_head = mlp(code + widths.cond, code, widths.scalars) if widths.scalars else None

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields at the queries and scalars (B, scalars) from one pass."""
        cond = graph.cond.to(graph.x.dtype)
        parts = [cond]
        if self.field_in is not None:
            parts.append(self.gain * self.codes(graph))
        if self.walls is not None:
            wall = walls(graph, cond=False)
            parts.append(self.walls(wall.x, wall.weight, wall.batch, cond)[1])
        code = self.map(self.enter(torch.cat([part.to(cond.dtype) for part in parts], dim=1)))
        points = queries(graph, cond=False)
        fields = self.run(self.field_out, code, points, points.x)
        if self.scalar_head is None:
            return fields, fields.new_zeros(len(cond), 0)
        return fields, self.scalar_head(torch.cat([code, cond.to(code.dtype)], dim=1))

    def codes(self, graph: MeshGraph) -> Tensor:
        """Codes (B, code) of the known fields after the inner steps. Raises ValueError where the
        model has nothing to fit: there are boundary tokens and no inputs."""
        if self.field_in is None:
            raise ValueError("codes: this model has boundary tokens and no inputs to fit")
        points, target, x = self._known(graph)
        code = points.weight.new_zeros(len(points.sizes), self.gain.shape[0])
        for _ in range(self.steps):
            slope = self.run(self.field_in.gradient, code, target, points, x)
            code = code - self.rate * slope
        return code

    def reconstruction(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """The known fields as their code gives them, and as they are: (N, fitted) each."""
        code = self.codes(graph)
        points, target, x = self._known(graph)
        assert self.field_in is not None
        return self.field_in(code, points, x), target

    def _known(self, graph: MeshGraph) -> tuple[Points, Tensor, Tensor | None]:
        """Nodes, the fields to be fitted there, and the features that the fit may use."""
        points = nodes(graph, cond=False)
        x, given = points.x.split([self.widths.features, self.widths.inputs], dim=1)
        return (points, given, x) if self.widths.inputs else (points, x, None)
