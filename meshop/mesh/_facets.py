"""Facets of the top-dimensional cells: the boundary, and who shares one with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import MeshError

if TYPE_CHECKING:
    import torch

    from ._mesh import Mesh


class Facets(NamedTuple):
    """Facets as corner nodes (F, k) int64, padded with -1, and their owner cells (F,) int64."""

    nodes: np.ndarray
    owner: np.ndarray


class FacetTable(NamedTuple):
    """Every facet of the top-dimensional cells, as `meshop.ops.cell_facets` has them, in numpy."""

    ptr: np.ndarray
    nodes: np.ndarray
    owner: np.ndarray
    neighbor: np.ndarray
    further: np.ndarray

    def padded(self, facets: np.ndarray) -> np.ndarray:
        """(n, k) corner nodes of the given facets, padded with -1."""
        size = np.diff(self.ptr)[facets]
        place = np.arange(size.max(initial=0))
        inside = place < size[:, None]
        at = np.where(inside, self.ptr[:-1][facets][:, None] + place, 0)
        return np.where(inside, self.nodes[at], -1)

    def pairs(self) -> np.ndarray:
        """(P, 2) cells that share a facet: smaller first, sorted, each pair once.

        Cells around a facet that more than two share are paired in a chain, first with second,
        second with third, so that there are never more pairs than uses of facets.
        """
        inner = self.neighbor >= 0
        facet, cell = self.further.T
        before = np.roll(cell, 1)
        opens = np.diff(facet, prepend=-1) != 0  # the first of its facet
        before[opens] = self.neighbor[facet[opens]]
        left = np.concatenate([self.owner[inner], before])
        right = np.concatenate([self.neighbor[inner], cell])
        n = max(int(left.max(initial=0)), int(right.max(initial=0))) + 1
        key = np.minimum(left, right) * n + np.maximum(left, right)
        key = key[left != right]  # a cell may meet itself
        key.sort()
        key = key[np.diff(key, prepend=-1) > 0]
        return np.stack([key // n, key % n], axis=1)


def facet_table(mesh: Mesh) -> FacetTable:
    """Facets as CSR, the cells on both sides (-1 outside), and (facet, cell) beyond the second."""
    from ..ops import cell_facets  # here, so that reading a mesh needs no torch

    return FacetTable(*(tensor.numpy() for tensor in cell_facets(*_tensors(mesh))))


def node_edges(mesh: Mesh) -> np.ndarray:
    """(E, 2) edges between the nodes of all cells, mid-side nodes included: `ops.cell_edges`.

    Raises MeshError for cells whose number of nodes does not say how they are arranged.
    """
    from ..ops import cell_edges

    try:
        return cell_edges(*_tensors(mesh)).numpy()
    except ValueError as error:
        raise MeshError("edges of the cells", str(error)) from error


def _tensors(
    mesh: Mesh,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """What the ops on cells take."""
    import torch

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array if array.flags.writeable else array.copy())

    faces = ends = None
    if mesh.faces is not None and mesh.face_offsets is not None:
        faces, ends = tensor(mesh.faces), tensor(mesh.face_offsets)
    return tensor(mesh.cell_types), tensor(mesh.cell_offsets), tensor(mesh.cell_nodes), faces, ends


def boundary_facets(mesh: Mesh, table: FacetTable | None = None) -> Facets:
    """Facets that one cell uses, ordered by owner, each wound as its owner has it.

    table: the facets of this mesh, where they are known.
    """
    table = facet_table(mesh) if table is None else table
    outer = np.flatnonzero(table.neighbor < 0)
    width = np.diff(table.ptr).max(initial=0)  # of all facets, not of the outer ones alone
    nodes = np.full((len(outer), width or max(mesh.dim, 1)), -1)
    found = table.padded(outer)
    nodes[:, : found.shape[1]] = found
    return Facets(nodes, table.owner[outer])


def facet_neighbours(mesh: Mesh) -> np.ndarray:
    """(P, 2) pairs of cells that share a facet, see `FacetTable.pairs`."""
    return facet_table(mesh).pairs()
