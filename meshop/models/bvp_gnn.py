"""BVP-GNN: Chebyshev convolutions on a mesh, for boundary value problems.

    h = MLP(x);   h <- relu(sum_{k < terms} T_k(L^) h W_k + b)   3 times;   u = MLP(h)

Lotzsch, Ohler and Otterbach, "Learning the solution operator of boundary value problems using graph
neural networks" (arXiv 2206.14092); public code 25edae2a. The source, the coefficients, the
boundary and the way to it are features of the nodes.

What differs: L is a Laplacian of the mesh's geometry, `meshop.nn.chebyshev` (theirs is of edges
weighted by their length, which favours what is far); edges are the same in training and after
(theirs lose their doubles in training alone, which is another matrix); its spectrum is bounded for
every graph, connected or not. The gradient of a potential is best taken of its prediction
(`mesh.p1().gradient`), not asked of the network beside it. A node knows what lies
3 (terms - 1) edges away, no more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import MeshGraph
from ..nn import MeanReadout, mlp, nodes
from ..nn.chebyshev import SCALINGS, ChebyshevConv, scaled_laplacian
from ..nn.hierarchy import in_space
from ._operator import Operator, Widths


class BVPGNN(Operator):
    """Chebyshev convolutions on the Laplacian of the mesh.

    layers of width `width` with `terms` polynomials each; scaling: of the Laplacian, "degree" or
    "mass", as of `meshop.nn.chebyshev`. No promise for split nodes: a node written twice takes a
    place among the neighbours.
    """

    paper = "Lotzsch et al., 2022, arXiv 2206.14092"
    cost = "O(L T (C^2 + k C)), T terms, k neighbours"
    edges = True
    positions = True
    refinement = False

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        layers: int = 3,
        terms: int = 5,
        scaling: str = "degree",
    ) -> None:
        super().__init__(widths)
        if scaling not in SCALINGS:
            raise ValueError(f"scaling: expected one of {', '.join(SCALINGS)}, found {scaling!r}")
        self.scaling = scaling
        self.lift = mlp(widths.nodes, width, width, act=nn.ReLU)
        self.layers = nn.ModuleList(ChebyshevConv(width, width, terms) for _ in range(layers))
        self.head = mlp(width, width, widths.out, act=nn.ReLU)
        self.scalar_head = MeanReadout(width, widths.cond, widths.scalars)

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, out) and scalars (B, scalars)."""
        points = in_space(nodes(graph), self.widths.dim)
        sender, receiver = graph.edge_index
        laplacian = scaled_laplacian(points, sender, receiver, graph.rowptr, self.scaling)
        h = self.lift(points.x)
        for layer in self.layers:
            h = torch.relu(self.run(layer, h, laplacian))
        return self.head(h), self.scalar_head(h, points, graph.cond)
