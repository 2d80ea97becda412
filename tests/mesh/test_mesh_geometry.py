"""Measures, centres, facets and quality: analytic values, pyvista as the second opinion."""

import time

import numpy as np
import pytest

from meshop.mesh import CELL_TYPES, Mesh

pv = pytest.importorskip("pyvista")
# Left out: cells that are curved beyond their corners, and VTK's quadratic pyramid, whose volume
# comes out as twice the exact 1/3.
CURVED = ("QuadraticPolygon", "QuadraticPyramid", "Lagrange", "Bezier", "Empty", "Polyhedron")
CELLS = [
    name
    for name, make in vars(pv.examples.cells).items()
    if callable(make)
    and name[0].isupper()
    and not name.startswith(CURVED)
    and make.__module__ == pv.examples.cells.__name__
]


def from_pyvista(grid):
    cells = grid.GetCells()
    offsets, nodes = cells.GetOffsetsArray(), cells.GetConnectivityArray()
    to_numpy = pv.convert_array
    return Mesh(grid.points, grid.celltypes, to_numpy(offsets), to_numpy(nodes))


def box(n, kind="hexahedron", warp=0.0):
    """Unit cube of n^3 hexahedra (or two wedges each), inner points moved at random."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inner = np.all((points > 0) & (points < 1), axis=1)
    points[inner] += warp / n * np.random.default_rng(0).uniform(-1, 1, (inner.sum(), 3))
    at = np.arange((n + 1) ** 3).reshape((n + 1,) * 3)
    a, b = slice(None, -1), slice(1, None)
    corners = [
        (a, a, a),
        (b, a, a),
        (b, b, a),
        (a, b, a),
        (a, a, b),
        (b, a, b),
        (b, b, b),
        (a, b, b),
    ]
    hexes = np.stack([at[c].ravel() for c in corners], axis=1)
    if kind == "wedge":
        blocks = [("wedge", hexes[:, [0, 1, 2, 4, 5, 6]]), ("wedge", hexes[:, [0, 2, 3, 4, 6, 7]])]
        return Mesh.from_blocks(points, blocks)
    return Mesh.from_blocks(points, [(kind, hexes)])


@pytest.mark.parametrize("name", CELLS)
def test_measures_and_centres_agree_with_pyvista(name):
    grid = getattr(pv.examples.cells, name)()
    mesh = from_pyvista(grid)
    row = CELL_TYPES[int(mesh.cell_types[0])]
    sizes = grid.compute_cell_sizes(vertex_count=True)
    key = ["VertexCount", "Length", "Area", "Volume"][row.dim]
    curved = row.size > row.corners > 0
    assert mesh.cell_measures() == pytest.approx(sizes.cell_data[key], rel=0.15 if curved else 1e-6)
    if not curved and row.code not in (15, 16, 41):
        assert mesh.cell_centers() == pytest.approx(grid.points.mean(axis=0)[None], abs=1e-6)


def test_polygons_are_exact_also_where_they_are_not_convex():
    arrow = [[0, 0, 3], [2, 0, 3], [2, 2, 3], [1, 0.5, 3], [0, 2, 3]]
    mesh = Mesh.from_blocks(arrow, [("polygon", [range(5)])])
    assert mesh.cell_measures() == pytest.approx([2.5])
    turned = np.array(arrow) @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert Mesh.from_blocks(turned, [("polygon", [range(5)])]).cell_measures() == pytest.approx(
        [2.5]
    )


def test_tiny_areas_far_away_keep_their_digits():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * 1e-6 + [20, 10]
    assert Mesh.from_blocks(square, [("quad", [range(4)])]).cell_measures() == pytest.approx(
        [1e-12], rel=1e-8
    )


def test_lines_strips_and_hulls():
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
    blocks = [
        ("poly_line", [[0, 1, 2, 3]]),
        ("triangle_strip", [[0, 1, 3, 2]]),
        ("convex_point_set", [[0, 1, 2, 3, 4]]),
        ("poly_vertex", [[0, 1, 2]]),
    ]
    mesh = Mesh.from_blocks(points, blocks)
    assert mesh.cell_measures() == pytest.approx([3, 1, 1 / 3, 3])


@pytest.mark.parametrize("kind", ["hexahedron", "wedge"])
def test_warped_volumes_fill_the_cube_exactly(kind):
    mesh = box(5, kind, warp=0.2)
    assert mesh.cell_measures().sum() == pytest.approx(1, rel=1e-12)
    assert (mesh.cell_measures() > 0).all()


def as_polyhedra(mesh):
    """The same cells, given through their faces."""
    faces, ends = [], []
    for cell in range(mesh.n_cells):
        nodes = mesh.cell_nodes[mesh.cell_offsets[cell] : mesh.cell_offsets[cell + 1]]
        facets = CELL_TYPES[int(mesh.cell_types[cell])].facets
        faces += [len(facets), *(v for f in facets for v in (len(f), *nodes[list(f)]))]
        ends.append(len(faces))
    types = np.full(mesh.n_cells, 42)
    parts = (mesh.points, types, mesh.cell_offsets, mesh.cell_nodes)
    return Mesh(*parts, faces=np.array(faces), face_offsets=np.array(ends))


def test_polyhedra_agree_with_the_cells_they_stand_for():
    plain = box(3, warp=0.1)
    poly = as_polyhedra(plain)
    assert poly.cell_measures() == pytest.approx(plain.cell_measures(), rel=0.05)
    assert poly.cell_measures().sum() == pytest.approx(1)
    assert np.array_equal(poly.facet_neighbours(), plain.facet_neighbours())
    assert np.array_equal(poly.boundary_facets().owner, plain.boundary_facets().owner)


# -- facets -------------------------------------------------------------------------------------


def brute_facets(mesh):
    users = {}
    for cell in range(mesh.n_cells):
        row = CELL_TYPES[int(mesh.cell_types[cell])]
        if row.dim != mesh.dim:
            continue
        nodes = mesh.cell_nodes[mesh.cell_offsets[cell] : mesh.cell_offsets[cell + 1]]
        facets = row.facets or [(i, (i + 1) % len(nodes)) for i in range(len(nodes))]
        for facet in facets:
            users.setdefault(frozenset(int(nodes[i]) for i in facet), []).append(cell)
    return users


def mixed_plane():
    points = np.stack(np.meshgrid(np.arange(5.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    quad = [[0, 1, 6, 5], [2, 3, 8, 7], [11, 12, 17, 16]]
    blocks = [
        ("quad", quad),
        ("triangle", [[1, 2, 7], [1, 7, 6]]),
        ("polygon", [[5, 6, 7, 12, 11]]),
    ]
    return Mesh.from_blocks(points, [*blocks, ("line", [[0, 1]])])


@pytest.mark.parametrize(
    "mesh", [mixed_plane(), box(3), box(3, "wedge")], ids=["2d", "hex", "wedge"]
)
def test_facets_agree_with_a_dictionary(mesh):
    users = brute_facets(mesh)
    boundary = mesh.boundary_facets()
    found = {frozenset(n[n >= 0].tolist()): o for n, o in zip(*boundary, strict=True)}
    assert found == {facet: cells[0] for facet, cells in users.items() if len(cells) == 1}
    assert len(found) == len(boundary.owner) and (np.diff(boundary.owner) >= 0).all()
    pairs = {tuple(sorted(cells)) for cells in users.values() if len(cells) == 2}
    assert [tuple(p) for p in mesh.facet_neighbours().tolist()] == sorted(pairs)


def test_boundary_facets_of_a_volume_point_outwards():
    mesh = box(2)
    facets = mesh.boundary_facets()
    a, b, c = (mesh.points[facets.nodes[:, i]] for i in range(3))
    outward = mesh.points[facets.nodes].mean(axis=1) - 0.5
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), outward) > 0).all()
    assert len(facets.owner) == 24


@pytest.mark.parametrize("row", [r for r in CELL_TYPES.values() if r.dim == 3 and r.facets])
def test_facets_of_each_cell_type_close_up(row):
    edges = [(f[i - 1], f[i]) for f in row.facets for i in range(len(f))]
    assert len(set(edges)) == len(edges)  # each edge once in each direction: a closed surface
    assert {(b, a) for a, b in edges} == set(edges)
    assert {i for f in row.facets for i in f} == set(range(row.corners))


def test_lines_meet_at_points():
    mesh = Mesh.from_blocks(np.eye(4)[:, :3], [("line", [[0, 1], [1, 2], [3, 2]])])
    assert mesh.facet_neighbours().tolist() == [[0, 1], [1, 2]]
    assert mesh.boundary_facets().nodes.tolist() == [[0], [3]]


def test_three_cells_on_one_edge_are_chained():
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]]
    mesh = Mesh.from_blocks(points, [("triangle", [[0, 1, 2], [0, 1, 3], [0, 1, 4]])])
    assert mesh.facet_neighbours().tolist() == [[0, 1], [1, 2]]


def test_facets_of_a_large_mesh_are_fast():
    mesh = box(26)  # 17,576 hexahedra
    started = time.process_time()
    neighbours = mesh.facet_neighbours()
    boundary = mesh.boundary_facets()
    assert time.process_time() - started < 2  # 0.1 s each on an idle machine
    assert len(neighbours) == 3 * 26 * 26 * 25 and len(boundary.owner) == 6 * 26 * 26


# -- quality ------------------------------------------------------------------------------------


def test_clean_meshes_have_no_faults():
    for mesh in (mixed_plane(), box(3), as_polyhedra(box(2))):
        report = mesh.validate()
        assert set(report.faults()) <= {"unused_points"}, str(report)
    assert box(3, "wedge").validate().ok  # in Gmsh's winding


@pytest.mark.parametrize("name", ["Tetrahedron", "Hexahedron", "Pyramid", "Wedge", "Voxel"])
def test_inverted_cells_are_found(name):
    mesh = from_pyvista(getattr(pv.examples.cells, name)())
    assert mesh.validate().ok
    tangled = mesh.points.copy()
    tangled[0] = 2 * tangled.mean(axis=0) - tangled[0] + 0.3
    assert (
        Mesh(tangled, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes).validate().inverted.size
    )
    if name != "Wedge":
        mirrored = mesh.points * [1, 1, -1]
        again = Mesh(mirrored, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
        assert again.validate().inverted.tolist() == [0]


def test_every_fault_is_listed_with_ids():
    points = [[0, 0], [1, 0], [1, 1], [0, 1], [1, 1], [5, 5], [2, 0]]
    cells = [[0, 1, 2], [0, 2, 3], [0, 3, 2], [0, 1, 6], [3, 3, 0]]
    data = {"p": np.array([0, np.nan, 0, np.inf, 1.0])}
    mesh = Mesh.from_blocks(points, [("triangle", cells)], cell_data=data)
    report = mesh.validate()
    assert report.degenerate.tolist() == [3, 4]
    assert report.inverted.tolist() == [2]
    assert report.duplicate_points.tolist() == [4]
    assert report.unused_points.tolist() == [4, 5]
    assert report.not_finite["cell", "p"].tolist() == [1, 3]
    assert not report.ok and "inverted: 1 (2)" in str(report)
