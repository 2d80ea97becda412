"""FactFormer: axis by axis factorised attention, on a grid over the bounding box of the mesh.

    a^x_i = MLP(mean over other axes of W v);  A^x_ij = RoPE(Q a^x_i) . RoPE(K a^x_j), likewise y, z
    v <- v + W_2 gelu(W_1 N(A^x A^y A^z W_v LN v)),  L blocks

Source: Li, Shu and Farimani, "Scalable Transformer for PDE Surrogate Modeling", NeurIPS 2023, arXiv
2305.17560. Defaults are those of its Darcy run in 2-D (3 blocks, width 128, 12 heads of 64, kernels
2 times as wide) and of its 3-D turbulence run (4 blocks, 6 heads, 3 times). Ours: an irregular mesh
is bridged to the grid and back (`GridOperator`), means, contractions and norms cover the domain
alone by the coverage of the grid, and an MLP at each query replaces the convolutions and GroupNorm
behind the published blocks, which know only one grid.
"""

from __future__ import annotations

from ..nn.axis_attention import AxisAttention
from ._grid import GridOperator
from ._operator import Widths


class FactFormer(GridOperator):
    """Factorised attention on a bridged grid.

    grid: points along each side (64 in 2-D and 24 in 3-D where None); multiplier: width of the
    queries and keys of a head relative to its values.
    """

    paper = "Li et al., NeurIPS 2023, arXiv 2305.17560"
    cost = "O(2^D C log G); once a graph O(L G^D (C + H d) (C + D G)), grids of G^D points"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int = 128,
        heads: int | None = None,
        head: int = 64,
        multiplier: int | None = None,
        layers: int | None = None,
        grid: int | None = None,
        projection: int = 128,
    ):
        dim = widths.dim
        heads = heads or (12 if dim == 2 else 6)
        multiplier = multiplier or (2 if dim == 2 else 3)
        layers = layers or (3 if dim == 2 else 4)
        grid = grid or (64 if dim == 2 else 24)
        super().__init__(
            widths,
            [AxisAttention(width, heads, head, multiplier, dim) for _ in range(layers)],
            width=width,
            grid=grid,
            projection=projection,
        )
