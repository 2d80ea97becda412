"""VTP, reading: vertices, lines, polygons and strips become cells, in VTK's order of cell data."""

from __future__ import annotations

import numpy as np

from ...mesh import Mesh, Region
from .._files import Fault
from .._polydata import POLYGONS, STRIPS, surface_types
from .._ragged import offsets_of, take_rows
from ._data import ORDER, Integers, Reader, from_pieces, last
from ._document import Document, Node
from ._open import Opener

# Cell data follow this order, whatever the order of the elements in the file is (vtkPolyData).
LISTS = ("Verts", "Lines", "Polys", "Strips")


def poly_data(document: Document, opener: Opener) -> Mesh:
    """The mesh of a <PolyData>. Raises Fault and MeshError."""
    reader = Reader(document, opener.selection)

    def build(node: Node, field_data: dict[str, np.ndarray], regions: dict[str, Region]) -> Mesh:
        n_points = node.count("NumberOfPoints")
        points = reader.points(node, n_points)
        types, sizes, nodes = [], [], []
        for kind, tag in enumerate(LISTS):
            count = node.count(f"NumberOf{tag}", 0)
            integers = Integers(reader, node.one(tag), count > 0)
            ends = integers("offsets", count)
            nodes.append(integers("connectivity", last(ends)))
            size = np.diff(ends, prepend=0)
            if np.any(size < 0):
                raise Fault(f"<{tag}>", "its offsets decrease")
            found = surface_types(kind, size)
            if kind == STRIPS:  # too short for one: what its nodes are
                found = np.where(size < 3, surface_types(POLYGONS, size), found)
            types.append(found)
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
