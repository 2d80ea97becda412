"""NUNO: a grid operator on each leaf of a k-d tree, so that grids are fine where the mesh is.

    leaves: boxes of even point density (`kd_leaves`), each with a grid of its own
    v_l <- block(v_l);  v_l += W_o attention over the leaves of the graph of their mean states
    v(q) = sum_l psi_l(q) v_l(q),  sum_l psi_l = 1

Source: Liu et al., "NUNO", ICML 2023, arXiv 2305.18694; published blocks: 4 Fourier layers of 12
modes and width 32 (2-D, 6 leaves), 8 modes and width 20 (3-D, 16 leaves). Ours: the tree is that of
each graph, where the published one is fitted once, to test points as well; boxes overlap and are
blended, where the published field jumps between leaves and has points on shared faces twice; leaves
are items of a batch that tell each other their means, where the published leaves are stacked as
channels, which fixes their number and makes their order matter; 2^depth leaves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..nn import Points
from ..nn.axis_attention import AxisAttention
from ..nn.grid_bridge import Boxes, GridBridge
from ..nn.kd_leaves import kd_leaves
from ..nn.leaf_attention import LeafAttention
from ..nn.spectral import FourierLayer
from ._grid import GridOperator
from ._operator import Widths


class NUNO(GridOperator):
    """A grid operator on each leaf of a k-d tree, small where the mesh is dense.

    inner: "fno" or "factformer", the layers on the leaves (a head is then 2 `modes` wide);
    depth: 2^depth leaves a graph (8 in 2-D, 16 in 3-D where None); grid: points along each side of
    a leaf (32 and 16); overlap: how far leaves reach into each other, as a share of their sides.
    """

    paper = "Liu et al., ICML 2023, arXiv 2305.18694"
    cost = "O(2^D C log G + leaves); once a leaf that of the grid operator in it"

    def __init__(
        self,
        widths: Widths,
        *,
        inner: str = "fno",
        width: int | None = None,
        modes: int | None = None,
        heads: int = 4,
        layers: int = 4,
        depth: int | None = None,
        grid: int | None = None,
        overlap: float = 0.2,
        projection: int = 128,
    ):
        dim = widths.dim
        width = width or (32 if dim == 2 else 20)
        modes = modes or (12 if dim == 2 else 8)
        grid = grid or (32 if dim == 2 else 16)
        if inner == "fno":
            pad = grid // 8
            blocks: list[nn.Module] = [
                FourierLayer(width, modes, dim, pad, i == layers - 1) for i in range(layers)
            ]
        elif inner == "factformer":
            blocks = [AxisAttention(width, heads, 2 * modes, 2, dim) for _ in range(layers)]
        else:
            raise ValueError(f"inner: expected 'fno' or 'factformer', found {inner!r}")
        super().__init__(widths, blocks, width=width, grid=grid, projection=projection)
        self.depth, self.overlap = depth or (3 if dim == 2 else 4), overlap
        self.exchange = nn.ModuleList(LeafAttention(width, heads) for _ in range(layers))
        self.leaf = nn.Linear(2 * dim, width, bias=False)

    def boxes(self, points: Points) -> Boxes:
        """The leaves, 2^depth a graph."""
        return kd_leaves(points, self.depth, overlap=self.overlap)

    def embed(self, bridge: GridBridge) -> Tensor:
        """Places in the leaf, and where the leaf lies in the box of its graph."""
        lo, size = bridge.boxes.lo, bridge.boxes.size
        lo, hi = (t.unflatten(0, (-1, 2**self.depth)) for t in (lo, lo + size))
        first = lo.amin(1, keepdim=True)
        span = hi.amax(1, keepdim=True) - first
        ends = torch.cat([(lo - first) / span, (hi - first) / span], dim=2).flatten(0, 1)
        leaf = self.leaf((2 * ends - 1).to(self.leaf.weight.dtype))
        return super().embed(bridge) + leaf.view(-1, *(1,) * len(self.shape), leaf.shape[1])

    def mix(self, layer: int, v: Tensor, bridge: GridBridge) -> Tensor:
        v = super().mix(layer, v, bridge)
        return self.exchange[layer](v, bridge.coverage, bridge.mass, 2**self.depth)
