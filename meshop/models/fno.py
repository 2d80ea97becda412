"""FNO: the Fourier neural operator, on a grid over the bounding box of the mesh.

    v <- gelu(W v + b + F^-1(R_k . (F v)_k)),  L layers, the last without gelu

Source: Li et al., "Fourier Neural Operator for Parametric PDEs", ICLR 2021, arXiv 2010.08895.
Defaults are the published ones: 4 layers, 12 modes and width 32 in 2-D, 8 modes and width 20 in 3-D
(NUNO's), projection 128. Ours: an irregular mesh is bridged to the grid and back (`GridOperator`),
the lift is an MLP at the nodes, modes are kept of either sign, and every layer pads by zeros anew
where the published network pads its lifted input once and drops what flowed into the padding last.
"""

from __future__ import annotations

from ..nn.spectral import FourierLayer
from ._grid import GridOperator
from ._operator import Widths


class FNO(GridOperator):
    """Fourier neural operator on a bridged grid.

    grid: points along each side (64 in 2-D and 32 in 3-D where None); modes: frequencies kept along
    each axis; pad: zeros behind each axis, an eighth of the grid where None, 0 for periodic data.
    """

    paper = "Li et al., ICLR 2021, arXiv 2010.08895"
    cost = "O(2^D C log G); once a graph O(L G^D C (C + log G)), grids of G^D points"

    def __init__(
        self,
        widths: Widths,
        *,
        width: int | None = None,
        modes: int | None = None,
        layers: int = 4,
        grid: int | None = None,
        pad: int | None = None,
        projection: int = 128,
    ):
        dim = widths.dim
        width = width or (32 if dim == 2 else 20)
        modes = modes or (12 if dim == 2 else 8)
        grid = grid or (64 if dim == 2 else 32)
        pad = grid // 8 if pad is None else pad
        super().__init__(
            widths,
            [FourierLayer(width, modes, dim, pad, i == layers - 1) for i in range(layers)],
            width=width,
            grid=grid,
            projection=projection,
        )
