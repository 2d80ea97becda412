"""What can be read off the cells of a mesh: edges and facets of mixed cells."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..celltypes import CELL_TYPES, POLYHEDRON, QUADRATIC_POLYGON
from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, rowptr_values, tensor


def cell_edges(
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None = None,
    face_offsets: Tensor | None = None,
) -> Tensor:
    """The unique edges of mixed cells, (E, 2) int64: smaller node first, rows sorted.

    cell_types (M,) VTK codes; cell_offsets (M + 1,); cell_nodes (K,). Polyhedra also need faces
    (L,), VTU's stream ``n_faces, (n, ids...)...`` for each, and face_offsets (M,): where each one's
    part ends, -1 for other cells.

    Every node that a cell is made of gets an edge, as a graph needs it: a mid-side node splits its
    edge in two, the centre of a face is joined to the mid-side nodes around it, the centre of a
    body to those of its faces. Vertices have no edges; one collapsed to a node is left out.

    Raises ValueError for unknown types, for wrong numbers of nodes and for cells whose number of
    nodes does not say how they are arranged (convex point sets, Lagrange and Bezier cells),
    IndexError for negative nodes and for offsets beyond their arrays.
    """
    cells = _Cells.of(cell_types, cell_offsets, cell_nodes, faces, face_offsets)
    return explained(
        lambda: torch.ops.meshop.cell_edges(*cells), lambda: _explain(cells, cell_types, True)
    )


class CellFacets(NamedTuple):
    """The facets of a mesh: points of lines, edges of surfaces, faces of volumes.

    ptr (F + 1,), nodes: corner nodes of each facet as CSR, wound as its owner has them; owner
    (F,): the first cell that has it; neighbor (F,): the second, -1 on the boundary; further (X, 2):
    facet and cell, for each cell beyond the second. All int64. Facets follow their owners, those
    of one cell the order of its type; ``further`` is sorted by facet, then cell.
    """

    ptr: Tensor
    nodes: Tensor
    owner: Tensor
    neighbor: Tensor
    further: Tensor

    def boundary(self) -> Tensor:
        """(B,) facets that one cell has, in rising order."""
        return (self.neighbor < 0).nonzero()[:, 0]

    def pairs(self) -> Tensor:
        """(P, 2) cells that share a facet: smaller first, sorted, each pair once.

        More than two cells around a facet are paired in a chain, first with second, second with
        third, so that there are never more pairs than uses of facets.
        """
        inner = self.neighbor >= 0
        facet, cell = self.further.unbind(1)
        opens = torch.cat([facet.new_full((1,), -1), facet])[:-1] != facet  # first of its facet
        before = torch.cat([cell.new_zeros(1), cell])[:-1]
        before = torch.where(opens, self.neighbor[facet], before)
        left = torch.cat([self.owner[inner], before])
        pairs = torch.stack([left, torch.cat([self.neighbor[inner], cell])], 1)
        # Pairs are the edges of a mesh of lines: the same sorting.
        ends = torch.arange(len(pairs) + 1, device=pairs.device) * 2
        lines = torch.full((len(pairs),), 3, dtype=torch.uint8, device=pairs.device)
        return cell_edges(lines, ends, pairs.reshape(-1))

    def padded(self, facets: Tensor) -> Tensor:
        """(n, k) nodes of the given facets; k is the largest facet of all, shorter ones have -1."""
        sizes = self.ptr.diff()
        width = int(sizes.max()) if len(sizes) else 0
        place = torch.arange(width, device=self.ptr.device)
        beyond = place >= sizes[facets][:, None]
        at = (self.ptr[:-1][facets][:, None] + place).masked_fill(beyond, 0)
        return self.nodes[at].masked_fill(beyond, -1)


def cell_facets(
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None = None,
    face_offsets: Tensor | None = None,
    dim: int | None = None,
) -> CellFacets:
    """The facets of mixed cells, with the cells on both sides.

    cell_types (M,) VTK codes; cell_offsets (M + 1,); cell_nodes (K,); faces (L,) and face_offsets
    (M,) of polyhedra as in `cell_edges`. dim (1, 2 or 3): which cells; the highest dimension that
    occurs if None, so that boundary cells listed beside volumes do not count.

    Facets are one where their sets of corner nodes are equal: a quadratic cell meets a linear one,
    and a quad collapsed to three nodes meets a triangle. A node that a facet repeats is given once,
    and a facet collapsed to fewer than dim nodes is left out. A cell that has a facet twice is its
    own neighbor. Convex point sets have no facets: theirs depend on where the points lie.

    Raises ValueError for unknown types and wrong numbers of nodes, IndexError for negative nodes
    and for offsets beyond their arrays.
    """
    if dim is not None and dim not in (1, 2, 3):
        raise ValueError(f"dim: expected 1, 2, 3 or None, found {dim!r}")
    cells = _Cells.of(cell_types, cell_offsets, cell_nodes, faces, face_offsets)
    return CellFacets(
        *explained(
            lambda: torch.ops.meshop.cell_facets(*cells, -1 if dim is None else dim),
            lambda: _explain(cells, cell_types, False),
        )
    )


class _Cells(NamedTuple):
    """The arguments of both ops, checked as far as dtypes and shapes go."""

    types: Tensor
    offsets: Tensor
    nodes: Tensor
    faces: Tensor | None
    face_offsets: Tensor | None

    @staticmethod
    def of(
        cell_types: Tensor,
        cell_offsets: Tensor,
        cell_nodes: Tensor,
        faces: Tensor | None,
        face_offsets: Tensor | None,
    ) -> _Cells:
        tensor(cell_types, "cell_types")
        if cell_types.dim() != 1 or cell_types.is_floating_point() or cell_types.is_complex():
            raise ValueError(
                f"cell_types: expected 1-D VTK codes, found {cell_types.dtype} "
                f"of shape {tuple(cell_types.shape)}"
            )
        types = cell_types
        if types.dtype != torch.uint8:  # 255 is no cell's code
            wide = types.to(torch.int64)
            types = torch.where((wide >= 0) & (wide < 256), wide, 255).to(torch.uint8)
        offsets = index_tensor(cell_offsets, "cell_offsets", types.device)
        nodes = index_tensor(cell_nodes, "cell_nodes", types.device)
        if offsets.shape[0] != types.shape[0] + 1:
            raise ValueError(
                f"cell_offsets: expected {types.shape[0] + 1} entries, found {offsets.shape[0]}"
            )
        if (faces is None) != (face_offsets is None):
            raise ValueError("faces, face_offsets: expected both or neither, found one")
        if faces is None or face_offsets is None:
            return _Cells(types, offsets, nodes, None, None)
        ends = index_tensor(face_offsets, "face_offsets", types.device)
        if ends.shape[0] != types.shape[0]:
            raise ValueError(
                f"face_offsets: expected {types.shape[0]} entries, found {ends.shape[0]}"
            )
        return _Cells(types, offsets, nodes, index_tensor(faces, "faces", types.device), ends)


def _explain(cells: _Cells, cell_types: Tensor, need_edges: bool) -> None:
    types, offsets, nodes, faces, ends = cells
    rowptr_values(offsets, nodes.shape[0], "cell_offsets", "cell_nodes")
    if bool((nodes < 0).any()):
        at = int((nodes < 0).nonzero()[0])
        raise IndexError(f"cell_nodes[{at}]: expected a node >= 0, found {int(nodes[at])}")
    sizes = offsets.diff()
    for kind in types.unique().tolist():
        mine, row = types == kind, CELL_TYPES.get(kind)
        if row is None:
            cell = int(mine.nonzero()[0])
            raise ValueError(
                f"cell_types[{cell}]: no VTK type {int(cell_types[cell])} is known to meshop"
            )
        wrong = mine & ((sizes != row.size) if row.size or not kind else (sizes < row.min_size))
        expected = str(row.size) if row.size or not kind else f"at least {row.min_size}"
        if kind == QUADRATIC_POLYGON and not bool(wrong.any()):
            wrong, expected = mine & (sizes % 2 == 1), "an even number of"
        if bool(wrong.any()):
            cell = int(wrong.nonzero()[0])
            raise ValueError(
                f"cell {cell} of VTK type {kind}: expected {expected} nodes, "
                f"found {int(sizes[cell])}"
            )
        if need_edges and row.edges is None:
            raise ValueError(
                f"cell {int(mine.nonzero()[0])}: expected a linear or quadratic cell, found a "
                f"{row.name.replace('_', ' ')}, whose nodes' arrangement its number does not tell"
            )
    solid = types == POLYHEDRON
    if faces is None or ends is None:
        if bool(solid.any()):
            raise ValueError(
                f"cell {int(solid.nonzero()[0])} is a polyhedron: expected faces and face_offsets, "
                "found None"
            )
        return
    _explain_faces(solid, faces, ends)


def _explain_faces(solid: Tensor, faces: Tensor, ends: Tensor) -> None:
    odd = ((ends >= 0) != solid).nonzero()
    if len(odd):
        cell = int(odd[0])
        expected = "an end >= 0 for a polyhedron" if bool(solid[cell]) else "-1 for no polyhedron"
        raise ValueError(f"face_offsets[{cell}]: expected {expected}, found {int(ends[cell])}")
    begin = 0
    for cell in solid.nonzero()[:, 0].tolist():
        end = int(ends[cell])
        if not begin < end <= len(faces):
            raise IndexError(
                f"face_offsets[{cell}]: expected an end in {begin + 1} to {len(faces)}, found {end}"
            )
        part = faces[begin:end].tolist()
        at = 1
        for _ in range(part[0]):
            size = part[at] if at < len(part) else 0
            if not 3 <= size <= len(part) - at - 1:
                raise ValueError(
                    f"faces of polyhedron {cell}: expected {part[0]} faces in "
                    f"{len(part)} values, found one of {size} nodes at {at}"
                )
            if min(part[at + 1 : at + 1 + size]) < 0:
                raise IndexError(f"faces of polyhedron {cell}: expected nodes >= 0, found a less")
            at += 1 + size
        if at != len(part) or part[0] < 0:
            raise ValueError(
                f"faces of polyhedron {cell}: expected {part[0]} faces to fill {len(part)} values, "
                f"found that they fill {at}"
            )
        begin = end
    if begin != len(faces):
        raise ValueError(f"face_offsets: expected to end at {len(faces)}, found {begin}")


@torch.library.register_fake("meshop::cell_edges")
def _(cell_types, cell_offsets, cell_nodes, faces, face_offsets):
    return cell_nodes.new_empty(torch.library.get_ctx().new_dynamic_size(min=0), 2)


@torch.library.register_fake("meshop::cell_facets")
def _(cell_types, cell_offsets, cell_nodes, faces, face_offsets, dim):
    size = torch.library.get_ctx().new_dynamic_size
    facets, total, more = size(min=0), size(min=0), size(min=0)
    empty = cell_nodes.new_empty
    return empty(facets + 1), empty(total), empty(facets), empty(facets), empty(more, 2)
