"""MP-PDE: messages about differences of the past, and a bundle of steps ahead at once.

    f = MLP(x, u, theta)                                   u: the past fields, theta: conditions
    m_ij = phi(f_i, f_j, u_i - u_j, x_j - x_i, theta)
    f_i <- N(f_i + psi(f_i, mean_j m_ij, theta))           6 times; N normalises over each graph
    d_k = MLP(f)_k,   out_k = k d_k / K,   k = 1..K        K = bundle, columns step by step

Brandstetter, Worrall, Welling, "Message passing neural PDE solvers" (ICLR 2022, arXiv 2202.03376).
phi and psi are two layers with Swish after each. What differs: d_k is a layer of all channels, for
any number of fields (theirs is a convolution along the order of the channels, tied to one field and
to K of 20, 25 or 50); on a periodic domain the step is to the nearest image (theirs has no edges
across); steps come in units of the receiver's longest edge, with their length and the logarithm of
that unit; N weighs nodes by the measure they stand for, so that it does not depend on their number.

What is the stepper's: the past fields as inputs, u^t + out_k, which needs the units of both, the
time t as a condition, and the pushforward trick and the noise of training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, Points, mlp, nodes
from ..nn.hierarchy import edge_geometry, in_space
from ..nn.interaction import InteractionBlock, Wires, as_one
from ._operator import Operator, Widths

NORMS = ("instance", "layer")


class _Layer(nn.Module):
    def __init__(self, widths: Widths, width: int, aggregate: str, norm: str) -> None:
        super().__init__()
        self.block = InteractionBlock(
            width, widths.dim + 2, depth=2, act=nn.SiLU, norm=False, act_last=True,
            edge_residual=False, aggregate=aggregate,
        )  # fmt: skip
        self.past = nn.Linear(widths.inputs, width, bias=False) if widths.inputs else None
        self.theta = nn.Linear(widths.cond, 2 * width, bias=False) if widths.cond else None
        self.norm = nn.LayerNorm(width) if norm == "layer" else None
        edge, node = self.block.edge_parts, self.block.node_parts
        if self.past is not None:
            edge.append(self.past.weight)
        if self.theta is not None:
            for parts, weight in zip((edge, node), self.theta.weight.chunk(2), strict=True):
                parts.append(weight)
        as_one(self.block.edge, edge)
        as_one(self.block.node, node)

    def forward(
        self, f: Tensor, u: Tensor, theta: Tensor, step: Tensor, wires: Wires, points: Points
    ) -> Tensor:
        zero = torch.zeros_like(f)
        past = zero if self.past is None else self.past(u)
        edge, node = (zero, zero) if self.theta is None else self.theta(theta).chunk(2, dim=1)
        f, _ = self.block(f, step, wires, torch.cat([-past, past + edge], dim=1), node)
        return normalise(f, points) if self.norm is None else self.norm(f)


def normalise(f: Tensor, points: Points, eps: float = 1e-5) -> Tensor:
    """f (N, C) less its mean over each graph, by weight, over its standard deviation there."""
    exact = f.to(torch.promote_types(f.dtype, torch.float32))
    exact = exact - points.spread(points.mean(exact))
    return (exact / points.spread(points.mean(exact.square()) + eps).sqrt()).to(f.dtype)


class MPPDE(Operator):
    """Message-passing solver: rounds of messages, several time steps ahead at once.

    layers of width `width`; bundle: those steps; `widths.out` holds bundle steps of all fields,
    step by step. period: the lengths of a periodic box, in the units of pos, 0 along axes that are
    not; the graph's edges must cross it. norm: "instance", as published, over each graph, which
    forgets amplitudes, or "layer", over the channels of a node. aggregate: "mean" of the messages,
    as published, "sum", or "quadrature", the mean by the senders' weights. None is stable under
    refinement: a node written twice takes a place among the neighbours. Raises ValueError for an
    unknown norm or aggregate, a bundle that does not divide out, and a period of another length
    than dim.
    """

    paper = "Brandstetter et al., ICLR 2022, arXiv 2202.03376"
    cost = "O(L k C^2), k neighbours"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        layers: int = 6,
        bundle: int = 1,
        period: Sequence[float] = (),
        norm: str = "instance",
        aggregate: str = "mean",
    ) -> None:
        super().__init__(widths)
        if norm not in NORMS:
            raise ValueError(f"norm: expected one of {', '.join(NORMS)}, found {norm!r}")
        if bundle < 1 or widths.out % bundle:
            raise ValueError(f"bundle: expected a divisor of {widths.out} columns, found {bundle}")
        if period and len(period) != widths.dim:
            raise ValueError(f"period: expected {widths.dim} lengths, found {len(period)}")
        self.bundle, self.period = bundle, tuple(map(float, period))
        self.splits = [widths.features, widths.inputs, widths.cond]
        self.lift = nn.Sequential(mlp(widths.nodes, width, width), nn.SiLU())
        self.layers = nn.ModuleList(_Layer(widths, width, aggregate, norm) for _ in range(layers))
        self.head = mlp(width, width, widths.out)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out), changes since the last of the past, and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        sender, receiver = graph.edge_index
        share, step = edge_geometry(points, sender, receiver, self.period)
        wires = Wires.of(sender, receiver, graph.rowptr, share)
        _, u, theta = points.x.split(self.splits, dim=1)
        f, step = self.lift(points.x), step.to(points.x.dtype)
        for layer in self.layers:
            f = self.run(layer, f, u, theta, step, wires, points)
        ahead = torch.arange(1, self.bundle + 1, device=f.device) / self.bundle
        rates = self.head(f).unflatten(1, (self.bundle, -1))
        field = (rates * ahead.to(rates.dtype)[:, None]).flatten(1)
        return field, self.scalar_head(f, points, graph.cond)
