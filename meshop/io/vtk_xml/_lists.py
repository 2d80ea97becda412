"""VTK XML files that list others: parallel pieces (.pvtu), and named blocks (.vtm)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...mesh import Mesh, Region, join
from .._files import Fault
from .._vtk_data import from_field_data
from ._data import Reader
from ._document import Document, Node
from ._grids import grid_mesh
from ._open import Opener, naming

REST = "meshop_rest"  # an attribute of the block of the cells that are in no region
_BLOCKS = ("Block", "DataSet", "Partitions", "Partition", "Piece")


def parallel_cells(document: Document, opener: Opener) -> Mesh:
    """The pieces of a <PUnstructuredGrid> or <PPolyData>, joined in order, ghosts and all."""
    parts = [opener.listed_mesh(document.path, source) for source in _sources(document)]
    found = Reader(document, opener.selection).field_data(document.root, document.grid)
    filled = [part for part in parts if part.n_points or part.n_cells] or parts[:1]
    mesh = join(filled)
    return _added(mesh, *from_field_data(found))


def parallel_grid(document: Document, opener: Opener) -> Mesh:
    """The pieces of a structured grid, put where their extents say."""
    return grid_mesh(document, document.grid, _opened(document, opener), opener)


def _opened(document: Document, opener: Opener) -> Iterator[Document]:
    """The pieces of a grid, one open at a time: there may be more than a process may open."""
    for source in _sources(document):
        path = opener.listed(document.path, source)
        with naming(source), opener.document(path) as piece:
            if piece.kind != document.kind[1:]:
                raise Fault("<VTKFile>", f"it is no {document.kind[1:]} as the others")
            yield piece


def _sources(document: Document) -> list[str]:
    pieces = document.grid.all("Piece")
    if not pieces:
        raise Fault(f"<{document.kind}>", "it lists no <Piece>")
    return [_attribute(piece, "Source") for piece in pieces]


def _attribute(node: Node, name: str) -> str:
    text = node.attributes.get(name, "")
    if not text:
        raise Fault(f"<{node.tag}>", f"the attribute {name} is missing")
    return text


def multi_block(document: Document, opener: Opener) -> Mesh:
    """The blocks of a <vtkMultiBlockDataSet>, joined in order; their names are regions of cells.

    A block in a block is named "outer/inner". A block without a file is a region without cells,
    one of cells that were in no region (`REST`) is none.
    """
    leaves = list(_leaves(document.grid, ""))
    if not leaves:
        raise Fault(f"<{document.kind}>", "it lists no block")
    parts: list[Mesh] = []
    names: list[str | None] = []
    order: dict[str, None] = {}
    for number, (name, node) in enumerate(leaves):
        label = name or f"block {number}"
        if REST not in node.attributes:
            order[label] = None
        if source := node.attributes.get("file", ""):
            parts.append(opener.listed_mesh(document.path, source))
            names.append(None if REST in node.attributes else label)
    none = np.empty(0, np.int64)
    mesh = join(parts, names) if parts else Mesh(np.empty((0, 3)), none, np.zeros(1, int), none)
    empty = {label: Region("cell", none) for label in order if label not in mesh.regions}
    if empty:
        every = empty | mesh.regions
        mesh.regions = {label: every.pop(label) for label in order} | every
    found = Reader(document, opener.selection).field_data(document.root, document.grid)
    return _added(mesh, *from_field_data(found))


def _added(mesh: Mesh, field_data: dict[str, np.ndarray], regions: dict[str, Region]) -> Mesh:
    """`mesh` with what the list itself says about the whole."""
    mesh.field_data |= field_data
    mesh.regions |= regions
    if regions:
        mesh.check()
    return mesh


def _leaves(node: Node, outer: str) -> Iterator[tuple[str, Node]]:
    """Name and node of every block; nameless levels add nothing."""
    for child in node.children:
        if child.tag not in _BLOCKS:
            continue
        inner = child.attributes.get("name", "")
        inner = inner if inner.strip() else ""
        name = "/".join(filter(None, (outer, inner)))
        source = child.attributes.get("file", "")
        if source or not any(grandchild.tag in _BLOCKS for grandchild in child.children):
            yield name, child
        else:
            yield from _leaves(child, name)
