"""Normals and the boundary as a mesh: analytic shapes, VTK as the second opinion."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from meshop.mesh import Mesh, Region

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
from mesh_cases import meshes
from test_mesh_geometry import as_polyhedra, box, from_pyvista, mixed_plane
from test_quality import sphere

pv = pytest.importorskip("pyvista")


def inside(mesh):
    """Volume enclosed by a surface, by the divergence theorem."""
    areas = mesh.cell_measures()[:, None] * mesh.cell_normals()
    return float(np.einsum("ij,ij->", mesh.cell_centers(), areas)) / 3


def test_normals_of_any_polygon():
    ring = [[0, 0], [2, 0], [2, 2], [1, 0.5], [0, 2]]
    blocks = [
        ("polygon", [range(5)]), ("triangle", [[0, 2, 1]]), ("pixel", [[0, 1, 4, 2]]),
        ("triangle_strip", [[0, 1, 4, 2]]), ("line", [[0, 1]]), ("triangle", [[0, 0, 1]]),
    ]  # fmt: skip
    found = Mesh.from_blocks(ring, blocks).cell_normals()
    assert found.tolist() == [
        [0, 0, 1], [0, 0, -1], [0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]
    ]  # fmt: skip


def test_point_normals_of_a_sphere_are_radial():
    mesh = sphere(3)
    assert np.einsum("ij,ij->i", mesh.point_normals(), mesh.points).min() > 0.998
    grid = pv.PolyData(mesh.points, np.insert(mesh.cell_nodes.reshape(-1, 3), 0, 3, axis=1).ravel())
    grid = grid.compute_normals(cell_normals=True, point_normals=False, auto_orient_normals=False)
    np.testing.assert_allclose(mesh.cell_normals(), grid.cell_data["Normals"], atol=1e-6)


def test_point_normals_weigh_by_area():
    points = [[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 1]]
    mesh = Mesh.from_blocks(points, [("triangle", [[0, 1, 2], [0, 2, 3]])])
    expected = np.array([1, 0, 3]) / 10**0.5
    np.testing.assert_allclose(mesh.point_normals()[0], expected)
    np.testing.assert_allclose(mesh.point_normals()[1], [0, 0, 1])


@pytest.mark.parametrize(
    "mesh",
    [box(3, warp=0.1), box(3, "wedge", warp=0.1), as_polyhedra(box(2))],
    ids=["hex", "wedge", "polyhedra"],
)
def test_the_surface_of_a_cube(mesh):
    skin = mesh.surface()
    assert skin.dim == 2 and skin.validate().ok
    assert inside(skin) == pytest.approx(1)
    assert skin.cell_measures().sum() == pytest.approx(6)
    normals, areas = mesh.facet_normals()
    assert areas.sum() == pytest.approx(6)
    np.testing.assert_allclose(skin.cell_normals(), normals, atol=1e-12)
    assert np.abs(normals).max(axis=1) == pytest.approx(np.ones(len(normals)))
    outward = skin.cell_centers() - 0.5
    assert (np.einsum("ij,ij->i", outward, normals) > 0).all()


def test_a_mirrored_mesh_still_has_its_normals_outside():
    mesh = box(2)
    twin = Mesh(mesh.points * [1, 1, -1], mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
    assert inside(twin.surface()) == pytest.approx(1)
    wound = as_polyhedra(box(1))
    wound.faces[2:6] = wound.faces[2:6][::-1]
    assert inside(wound.surface()) == pytest.approx(1)


@pytest.mark.parametrize(
    "name", ["Tetrahedron", "Hexahedron", "Pyramid", "Wedge", "HexagonalPrism"]
)
def test_the_surface_of_single_cells_encloses_them(name):
    mesh = from_pyvista(getattr(pv.examples.cells, name)())
    assert inside(mesh.surface()) == pytest.approx(mesh.cell_measures()[0])


def test_what_the_surface_keeps():
    mesh = box(2)
    mesh.point_data["T"] = np.arange(27, dtype=np.float32)
    mesh.cell_data["id"] = np.arange(8, dtype=np.int16)
    mesh.cell_data["owner_cell"] = np.full(8, 7)
    mesh.field_data["title"] = np.array(["cube"])
    facets = mesh.boundary_facets()
    low = np.all(mesh.points[facets.nodes][:, :, 2] == 0, axis=1)
    mesh.regions = {
        "floor": Region("facet", facets.nodes[low][:, ::-1]),
        "corner": Region("cell", np.array([0])),
        "all": Region("point", np.arange(27)),
    }
    skin = mesh.surface()
    assert (skin.n_points, skin.n_cells) == (26, 24)  # without the middle
    assert skin.points.tolist() == mesh.points[skin.point_data["T"].astype(int)].tolist()
    assert skin.cell_data["id"].dtype == np.int16
    assert skin.cell_data["owner_cell_"].tolist() == facets.owner.tolist()
    assert skin.field_data["title"].tolist() == ["cube"]
    floor = skin.regions["floor"]
    assert floor.kind == "cell" and np.all(skin.cell_normals()[floor.ids] == [0, 0, -1])
    assert len(floor.ids) == 4
    assert skin.cell_data["id"][skin.regions["corner"].ids].tolist() == [0, 0, 0]
    assert len(skin.regions["all"].ids) == 26


def test_the_boundary_of_a_plane_mesh_and_of_lines():
    mesh = mixed_plane()
    rim = mesh.surface()
    assert set(rim.cell_types) == {3}
    assert rim.cell_measures().sum() == pytest.approx(mesh.facet_normals()[1].sum())
    normals, areas = mesh.facet_normals()
    area = np.einsum("ij,ij->", rim.cell_centers(), normals * areas[:, None]) / 2
    assert area == pytest.approx(mesh.cell_measures()[:-1].sum())
    lines = Mesh.from_blocks(np.eye(4)[:, :3], [("line", [[0, 1], [1, 2], [3, 2]])])
    ends = lines.surface()
    assert set(ends.cell_types) == {1}
    assert lines.facet_normals()[1] == pytest.approx([1, 1])
    strip = Mesh.from_blocks([[0, 0], [1, 0], [0, 1], [1, 1]], [("triangle_strip", [range(4)])])
    normals, areas = strip.facet_normals()
    assert sorted(map(tuple, normals.round(9).tolist())) == [
        (-1, 0, 0),
        (0, -1, 0),
        (0, 1, 0),
        (1, 0, 0),
    ]


@settings(max_examples=100)
@given(mesh=meshes(stored=("float32",)))
def test_any_mesh_has_a_surface(mesh):
    skin = mesh.surface()
    facets = mesh.boundary_facets()
    assert skin.n_cells == len(facets.owner)
    normals, areas = mesh.facet_normals()
    size = np.linalg.norm(normals, axis=1)
    assert np.all((np.abs(size - 1) < 1e-9) | (size == 0))
    assert np.isfinite(areas).all()
    for found in (mesh.cell_normals(), mesh.point_normals()):
        size = np.linalg.norm(found, axis=1)
        assert np.all((np.abs(size - 1) < 1e-9) | (size == 0))
