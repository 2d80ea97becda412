"""Mixed cells as dense blocks: cells of one type and one size at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..celltypes import CELL_TYPES, PIXEL, CellType

if TYPE_CHECKING:
    from ._mesh import Mesh


class Block(NamedTuple):
    """Cells of one type and size: row of the table, cell ids (m,), node ids (m, size)."""

    row: CellType
    cells: np.ndarray
    nodes: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(m, c) corner nodes; of two-dimensional cells in the order around them."""
        if self.row.code == PIXEL:
            return self.nodes[:, [0, 1, 3, 2]]
        if self.row.corners == -1:
            return self.nodes[:, : self.nodes.shape[1] // 2]
        return self.nodes[:, : self.row.corners] if self.row.corners else self.nodes


CHUNK = 1 << 15  # cells whose corners fit into a core's cache


def chunks(mesh: Mesh, dim: int | None = None) -> Iterator[Block]:
    """The blocks, cut into pieces that arithmetic goes through fastest."""
    for row, cells, nodes in blocks(mesh, dim):
        for at in range(0, len(cells), CHUNK):
            yield Block(row, cells[at : at + CHUNK], nodes[at : at + CHUNK])


def blocks(mesh: Mesh, dim: int | None = None) -> Iterator[Block]:
    """Every (type, size) that occurs, in order of type and size; only cells of `dim` if given."""
    size = np.diff(mesh.cell_offsets)
    counts = np.bincount(mesh.cell_types, minlength=256)
    for code in np.flatnonzero(counts):
        row = CELL_TYPES[int(code)]
        if dim is not None and row.dim != dim:
            continue
        whole = counts[code] == mesh.n_cells
        cells = np.arange(mesh.n_cells) if whole else np.flatnonzero(mesh.cell_types == code)
        if row.size or row.code == 0:
            yield Block(row, cells, _gather(mesh, cells, row.size))
            continue
        order = np.argsort(size[cells], kind="stable")
        cells = cells[order]
        for part in np.split(cells, np.flatnonzero(np.diff(size[cells])) + 1):
            yield Block(row, part, _gather(mesh, part, int(size[part[0]])))


def _gather(mesh: Mesh, cells: np.ndarray, size: int) -> np.ndarray:
    if len(cells) == mesh.n_cells and size and len(mesh.cell_nodes) == size * len(cells):
        return mesh.cell_nodes.reshape(-1, size)  # a mesh of one type is a block already
    return mesh.cell_nodes[mesh.cell_offsets[cells][:, None] + np.arange(size)]
