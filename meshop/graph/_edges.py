"""The edges of a mesh's graph: between points that cells join, or cells that share a facet."""

from __future__ import annotations

import torch
from torch import Tensor

from ..mesh import Mesh
from ..ops import cell_edges


def mesh_edges(mesh: Mesh, location: str, n_nodes: int) -> tuple[Tensor, Tensor]:
    """(2, E) directed edges sorted by receiver (row 1), and their CSR row pointer."""
    if location == "cell":
        pairs = torch.as_tensor(mesh.facet_neighbours())
    else:
        pairs = cell_edges(
            torch.as_tensor(mesh.cell_types),
            torch.as_tensor(mesh.cell_offsets),
            torch.as_tensor(mesh.cell_nodes),
            *(
                torch.as_tensor(part)
                for part in (mesh.faces, mesh.face_offsets)
                if part is not None
            ),
        )
    both = torch.cat([pairs, pairs.flip(1)])
    order = torch.argsort(both[:, 1] * n_nodes + both[:, 0])
    edges = both[order].t().contiguous()
    count = torch.bincount(edges[1], minlength=n_nodes)
    return edges, torch.cat([count.new_zeros(1), count.cumsum(0)])
