"""Small meshes of one kind of cells, made by gmsh: oracles for the formats that it writes."""

import pytest

gmsh = pytest.importorskip("gmsh")
CORNERS = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
BASES = [(1, 2, 3, 4), (5, 8, 7, 6), (1, 5, 6, 2), (4, 3, 7, 8), (1, 4, 8, 5), (2, 6, 7, 3)]


def build(model, shape, order=1, incomplete=0):
    """A sheared box of tetrahedra, hexahedra, wedges or pyramids, with groups body and bottom."""
    if shape == "pyramid":
        model.addDiscreteEntity(3, 1)
        at = [x for corner in (*CORNERS, (0.5, 0.5, 0.5)) for x in corner]
        model.mesh.addNodes(3, 1, range(1, 10), at)
        nodes = [n for base in BASES for n in (*base, 9)]
        model.mesh.addElements(3, 1, [7], [range(1, 7)], [nodes])
    else:
        geo = model.geo
        ends = [geo.addPoint(*at) for at in CORNERS[:4]]
        lines = [geo.addLine(ends[i], ends[(i + 1) % 4]) for i in range(4)]
        plane = geo.addPlaneSurface([geo.addCurveLoop(lines)])
        for line in lines:
            geo.mesh.setTransfiniteCurve(line, 3)
        geo.mesh.setTransfiniteSurface(plane)
        if shape == "hexahedron":
            geo.mesh.setRecombine(2, plane)
        layers = {} if shape == "tetra" else {"numElements": [2], "recombine": True}
        geo.extrude([(2, plane)], 0.2, 0.1, 1.3, **layers)
        geo.synchronize()
        model.addPhysicalGroup(2, [plane], name="bottom")
        model.mesh.generate(3)
    model.addPhysicalGroup(3, [1], name="body")
    gmsh.option.setNumber("Mesh.SecondOrderIncomplete", incomplete)
    model.mesh.setOrder(order)


def cells_by_nodes(mesh):
    """The coordinates of each cell's nodes, sorted by type and centre."""
    found = []
    for code, start, end in zip(
        mesh.cell_types.tolist(), mesh.cell_offsets[:-1], mesh.cell_offsets[1:], strict=True
    ):
        corners = mesh.points[mesh.cell_nodes[start:end]].round(7) + 0.0
        found.append((code, corners.mean(axis=0).round(5).tolist(), corners.tolist()))
    return sorted(found)
