"""Facets of the top-dimensional cells: the boundary, and who shares one with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..ops import CellFacets
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


def facet_table(mesh: Mesh) -> FacetTable:
    """Facets as CSR, the cells on both sides (-1 outside), and (facet, cell) beyond the second."""
    return FacetTable(*(tensor.numpy() for tensor in _facets(mesh)))


def boundary_facets(mesh: Mesh) -> Facets:
    """Facets that one cell uses, ordered by owner, each wound as its owner has it."""
    facets = _facets(mesh)
    outer = facets.boundary()
    nodes = facets.padded(outer).numpy()
    if not nodes.shape[1]:  # no facet at all
        nodes = np.empty((0, max(mesh.dim, 1)), np.int64)
    return Facets(nodes, facets.owner[outer].numpy())


def facet_neighbours(mesh: Mesh) -> np.ndarray:
    """(P, 2) pairs of cells that share a facet. Cells around a facet that more than two share are
    paired in a chain, so the result never outgrows the mesh."""
    return _facets(mesh).pairs().numpy()


def _facets(mesh: Mesh) -> CellFacets:
    import torch  # here, so that reading a mesh needs none of it

    from ..ops import cell_facets

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array if array.flags.writeable else array.copy())

    faces = face_offsets = None
    if mesh.faces is not None and mesh.face_offsets is not None:
        faces, face_offsets = tensor(mesh.faces), tensor(mesh.face_offsets)
    cells = (tensor(mesh.cell_types), tensor(mesh.cell_offsets), tensor(mesh.cell_nodes))
    return cell_facets(*cells, faces, face_offsets)
