import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshop.errors import MeshError
from meshop.graph import facet_geometry, find_boundary, nearest_on_facets, wall_facets
from meshop.mesh import Mesh, Region
from tests.meshes import airfoil, box, ring


def test_wall_from_point_array_regions_and_loops_agree():
    mesh = ring(40, layers=6)
    by_array = find_boundary(mesh)
    bare = mesh.copy()
    del bare.point_data["boundary"]
    by_loop = find_boundary(bare)
    named = bare.copy()
    named.regions["airfoil"] = Region("point", np.arange(40))
    by_region = find_boundary(named)
    assert [by_array.source, by_loop.source, by_region.source] == [
        "array 'boundary'",
        "inner and outer boundaries",
        "regions",
    ]
    for found in (by_loop, by_region):
        np.testing.assert_array_equal(found.wall, by_array.wall)
    assert by_array.wall.sum() == by_array.far.sum() == 40
    np.testing.assert_array_equal(by_loop.far, by_array.far)


def test_regions_of_edges_and_facets():
    mesh = ring(30, layers=4)
    del mesh.point_data["boundary"]
    found = find_boundary(mesh)
    facets = mesh.copy()
    facets.regions["wall_1"] = Region("facet", found.facets.nodes[found.wall][:7])
    assert find_boundary(facets).wall.sum() == 7


def test_normals_point_into_the_body_and_close():
    mesh = ring(60, layers=5)
    wall = wall_facets(mesh, external=True)
    np.testing.assert_allclose((wall.normal * wall.measure[:, None]).sum(0), 0, atol=1e-12)
    # By the divergence theorem, normals out of the fluid enclose minus the body's area.
    area = 0.5 * np.einsum("ij,ij,i->", wall.centre, wall.normal, wall.measure)
    x, y = airfoil(60).T
    body = 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    assert area == pytest.approx(-body, rel=1e-9)


def test_box_with_a_hole_in_3d():
    mesh = box(3, hole=True)
    wall = wall_facets(mesh, external=True)
    assert wall.measure.sum() == pytest.approx(6 / 9)
    point, _, distance = nearest_on_facets(mesh, wall.nodes, np.array([[0.5, 0.5, 0.9]]))
    np.testing.assert_allclose(point, [[0.5, 0.5, 2 / 3]], atol=1e-12)
    assert distance[0] == pytest.approx(0.9 - 2 / 3)


def test_no_wall_is_said_in_three_lines():
    with pytest.raises(MeshError, match="no wall") as error:
        wall_facets(box(2), external=True)
    assert len(str(error.value).splitlines()) == 3
    assert wall_facets(box(2)).measure.sum() == pytest.approx(6.0)  # else the boundary is the wall


def test_facet_geometry_of_mixed_polygons():
    points = [
        [0, 0, 0],
        [1, 0, 0],
        [1, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 1],
        [1, 1, 1],
        [0, 1, 1],
    ]
    mesh = Mesh.from_blocks(points, [("hexahedron", [range(8)])])
    facets = mesh.boundary_facets()
    _, normal, measure = facet_geometry(mesh, facets.nodes)
    np.testing.assert_allclose(measure, 1.0)
    np.testing.assert_allclose(np.abs(normal).max(1), 1.0)
    tri = np.concatenate([facets.nodes[:, :3], np.full((6, 1), -1)], axis=1)
    np.testing.assert_allclose(facet_geometry(mesh, tri)[2], 0.5)


@given(st.integers(0, 2**31))
def test_nearest_wall_point_against_brute_force(seed: int):
    random = np.random.default_rng(seed)
    mesh = ring(48, layers=3)
    wall = wall_facets(mesh)
    query = np.column_stack([random.uniform(-2, 3, (20, 2)), np.zeros(20)])
    _, _, distance = nearest_on_facets(mesh, wall.nodes, query)
    a, b = mesh.points[wall.nodes[:, 0]], mesh.points[wall.nodes[:, 1]]
    t = np.einsum("qfj,fj->qf", query[:, None] - a, b - a) / np.sum((b - a) ** 2, axis=1)
    foot = a + np.clip(t, 0, 1)[..., None] * (b - a)
    exact = np.linalg.norm(query[:, None] - foot, axis=2).min(1)
    np.testing.assert_allclose(distance, exact, rtol=1e-9, atol=1e-12)
