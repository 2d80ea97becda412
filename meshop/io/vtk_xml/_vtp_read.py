"""VTP, reading: vertices, lines, polygons and strips become cells, in VTK's order of cell data."""

from __future__ import annotations

import numpy as np

from ...celltypes import POLY_LINE, POLYGON, TRIANGLE_STRIP
from ...mesh import Mesh, Region
from .._files import Fault
from ._data import ORDER, Integers, Reader, from_pieces, last, offsets_of, take_rows
from ._document import Document, Node
from ._open import Opener

# Cell data follow this order, whatever the order of the elements in the file is (vtkPolyData).
# Each has its general type, and those of certain sizes. Polygons and strips too short to be one
# are what their nodes are: a line, a vertex, nothing.
LISTS = {
    "Verts": (2, {0: 0, 1: 1}),
    "Lines": (POLY_LINE, {0: 0, 2: 3}),
    "Polys": (POLYGON, {0: 0, 1: 1, 2: 3, 3: 5, 4: 9}),
    "Strips": (TRIANGLE_STRIP, {0: 0, 1: 1, 2: 3}),
}


def poly_data(document: Document, opener: Opener) -> Mesh:
    """The mesh of a <PolyData>. Raises Fault and MeshError."""
    reader = Reader(document, opener.selection)

    def build(node: Node, field_data: dict[str, np.ndarray], regions: dict[str, Region]) -> Mesh:
        n_points = node.count("NumberOfPoints")
        points = reader.points(node, n_points)
        types, sizes, nodes = [], [], []
        for tag, (general, special) in LISTS.items():
            count = node.count(f"NumberOf{tag}", 0)
            integers = Integers(reader, node.one(tag), count > 0)
            ends = integers("offsets", count)
            nodes.append(integers("connectivity", last(ends)))
            size = np.diff(ends, prepend=0)
            if np.any(size < 0):
                raise Fault(f"<{tag}>", "its offsets decrease")
            kind = np.full(count, general, np.uint8)
            for length, code in special.items():
                kind[size == length] = code
            types.append(kind)
            sizes.append(size)
        kinds, offsets = np.concatenate(types), offsets_of(np.concatenate(sizes))
        all_nodes, data = np.concatenate(nodes), reader.data(node, "cell", len(kinds))
        order = data.pop(ORDER, None)
        if order is not None and np.array_equal(np.sort(order), np.arange(len(kinds))):
            place = np.argsort(order)
            kinds, data = kinds[place], {name: values[place] for name, values in data.items()}
            offsets, all_nodes = take_rows(offsets, all_nodes, place)
        return Mesh(
            points,
            kinds,
            offsets,
            all_nodes,
            reader.data(node, "point", n_points),
            data,
            field_data,
            regions,
            reader.storage,
            components=reader.components,
        )

    return from_pieces(reader, build)
