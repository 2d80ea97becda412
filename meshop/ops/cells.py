"""What can be read off the cells of a mesh: edges of mixed cells."""

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, rowptr_values
from .reference.cells import NODES, POLY


def cell_edges(cell_types: Tensor, cell_offsets: Tensor, cell_nodes: Tensor) -> Tensor:
    """The unique edges of mixed cells, (E, 2) int64: smaller node first, rows sorted.

    cell_types (M,) VTK codes; cell_offsets (M + 1,); cell_nodes (K,). Linear cells, polylines and
    polygons; vertices have no edges, and an edge collapsed to one node is left out.

    Raises ValueError for other cell types and for cells with the wrong number of nodes, IndexError
    for negative nodes and offsets beyond ``cell_nodes``.
    """
    if cell_types.dim() != 1 or cell_types.dtype.is_floating_point:
        raise ValueError(
            f"cell_types: expected 1-D VTK codes, found {cell_types.dtype} "
            f"of shape {tuple(cell_types.shape)}"
        )
    if cell_types.dtype != torch.uint8:
        known = (cell_types >= 0) & (cell_types < 256)
        if not bool(known.all()):
            raise ValueError(f"cell_types: no VTK type {int(cell_types[~known][0])}")
    types = cell_types.to(torch.uint8)
    offsets = index_tensor(cell_offsets, "cell_offsets", types.device)
    nodes = index_tensor(cell_nodes, "cell_nodes", types.device)
    if offsets.shape[0] != types.shape[0] + 1:
        raise ValueError(
            f"cell_offsets: expected {types.shape[0] + 1} entries, found {offsets.shape[0]}"
        )
    return explained(
        lambda: torch.ops.meshop.cell_edges(types, offsets, nodes),
        lambda: _explain(types, offsets, nodes),
    )


def _explain(types: Tensor, offsets: Tensor, nodes: Tensor) -> None:
    rowptr_values(offsets, nodes.shape[0], "cell_offsets", "cell_nodes")
    if bool((nodes < 0).any()):
        at = int((nodes < 0).nonzero()[0])
        raise IndexError(f"cell_nodes[{at}]: expected a node >= 0, found {int(nodes[at])}")
    sizes = offsets.diff()
    for kind in types.unique().tolist():
        if kind not in NODES and kind not in POLY:
            cell = int((types == kind).nonzero()[0])
            raise ValueError(
                f"cell_types[{cell}]: expected a linear VTK cell, polyline or polygon, found {kind}"
            )
        wrong = (types == kind) & (sizes != NODES.get(kind, -1))
        if kind in NODES and bool(wrong.any()):
            cell = int(wrong.nonzero()[0])
            raise ValueError(
                f"cell {cell} of VTK type {kind}: expected {NODES[kind]} nodes, "
                f"found {int(sizes[cell])}"
            )


@torch.library.register_fake("meshop::cell_edges")
def _(cell_types, cell_offsets, cell_nodes):
    return cell_nodes.new_empty(torch.library.get_ctx().new_dynamic_size(min=0), 2)
