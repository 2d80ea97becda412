"""Connectivity of mixed cells by sorting."""

import torch
from torch import Tensor

from ._common import check_rowptr, require

_PILLARS = ((0, 4), (1, 5), (2, 6), (3, 7))
#: Local node pairs of each fixed VTK cell's edges.
EDGES: dict[int, list[tuple[int, int]]] = {
    1: [],  # vertex
    3: [(0, 1)],  # line
    5: [(0, 1), (1, 2), (2, 0)],  # triangle
    8: [(0, 1), (1, 3), (3, 2), (2, 0)],  # pixel
    9: [(0, 1), (1, 2), (2, 3), (3, 0)],  # quad
    10: [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],  # tetra
    11: [(0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), *_PILLARS],  # voxel
    12: [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), *_PILLARS],  # hexahedron
    13: [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)],  # wedge
    14: [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4)],  # pyramid
}
#: Nodes of each fixed VTK cell; poly-vertex (2), polyline (4) and polygon (7) take any number.
NODES = {1: 1, 3: 2, 5: 3, 8: 4, 9: 4, 10: 4, 11: 8, 12: 8, 13: 6, 14: 5}
POLY = (2, 4, 7)


def cell_edges(cell_types: Tensor, cell_offsets: Tensor, cell_nodes: Tensor) -> Tensor:
    check_rowptr(cell_offsets, len(cell_nodes), "cell_offsets")
    require(len(cell_offsets) == len(cell_types) + 1, "cell_offsets must have cells + 1 entries")
    require((cell_nodes >= 0).all(), "cell_nodes must not be negative")
    sizes = cell_offsets.diff()
    pairs = [cell_nodes.new_empty(0, 2)]
    for kind in cell_types.unique().tolist():
        begin, size = cell_offsets[:-1][cell_types == kind], sizes[cell_types == kind]
        if kind in (4, 7):
            row = torch.repeat_interleave(torch.arange(len(size), device=size.device), size)
            start = size.cumsum(0) - size
            place = torch.arange(len(row), device=size.device) - start[row]
            step = torch.where(place + 1 < size[row], place + 1, 0)
            pair = cell_nodes[torch.stack([begin[row] + place, begin[row] + step], 1)]
            pairs.append(pair[step > 0] if kind == 4 else pair)
        elif kind != 2:
            require(kind in EDGES, f"no edges known for VTK type {kind}")
            require((size == NODES[kind]).all(), f"VTK type {kind} must have {NODES[kind]} nodes")
            if EDGES[kind]:
                local = torch.tensor(EDGES[kind], device=begin.device)
                pairs.append(cell_nodes[begin[:, None, None] + local].reshape(-1, 2))
    ends = torch.cat(pairs).sort(1).values
    ends = ends[ends[:, 0] != ends[:, 1]]  # a collapsed edge is no edge
    if len(ends) == 0:
        return ends
    span = int(ends.max()) + 1
    if span >= 3_037_000_499:  # the product of two would not fit in 63 bits
        return ends.unique(dim=0)
    key = (ends[:, 0] * span + ends[:, 1]).unique()
    return torch.stack([key // span, key % span], 1)
