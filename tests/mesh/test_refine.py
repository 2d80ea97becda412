"""Uniform refinement: measure, winding, conformity, shapes, and what goes along."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from p1_meshes import tetrahedra, triangles

from meshop.errors import MeshError
from meshop.mesh import Mesh, Region


def signed(mesh):
    """Volumes of tetrahedra by their winding."""
    edge = mesh.points[mesh.cell_nodes.reshape(-1, 4)]
    return np.linalg.det(edge[:, 1:] - edge[:, :1]) / 6


def shape(mesh):
    """Mean ratio of tetrahedra, 1 for regular ones."""
    corner = mesh.points[mesh.cell_nodes.reshape(-1, 4)]
    square = sum(((corner[:, i] - corner[:, j]) ** 2).sum(1) for i in range(4) for j in range(i))
    return 12 * (3 * np.abs(signed(mesh))) ** (2 / 3) / square


@pytest.mark.parametrize(("make", "children"), [(triangles, 4), (tetrahedra, 8)])
def test_measure_conformity_and_order(make, children):
    mesh = make(4)
    fine = mesh.refine()
    assert fine.n_cells == children * mesh.n_cells
    assert np.array_equal(fine.points[: mesh.n_points], mesh.points)
    parts = fine.cell_measures().reshape(mesh.n_cells, children)
    np.testing.assert_allclose(parts, np.tile(mesh.cell_measures()[:, None], children) / children)
    assert len(np.unique(fine.points.round(12), axis=0)) == fine.n_points
    # A facet too many would be a crack, as would a boundary of another measure.
    facets = 2 ** (mesh.dim - 1) * len(mesh.boundary_facets().owner)
    assert len(fine.boundary_facets().owner) == facets
    inverted = np.isin(np.arange(mesh.n_cells), mesh.validate().inverted)
    found = fine.validate()
    assert np.array_equal(found.inverted, np.flatnonzero(np.repeat(inverted, children)))
    assert set(found.faults()) <= {"inverted"}
    f = mesh.points @ [1.0, -2.0, 0.5] + 3
    g = Mesh(*mesh_parts(mesh), {"f": f}).refine()
    np.testing.assert_allclose(g.point_data["f"], fine.points @ [1.0, -2.0, 0.5] + 3)


def mesh_parts(mesh):
    return mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes


@given(st.permutations(range(4)), st.integers(0, 999))
def test_tetrahedra_keep_their_winding_and_their_shape(order, seed):
    points = np.random.default_rng(seed).random((4, 3))
    mesh = Mesh.from_blocks(points, [("tetra", np.array([order]))])
    sign, worst = np.sign(signed(mesh)[0]), shape(mesh)[0]
    for _ in range(3):
        mesh = mesh.refine()
        volume = sign * signed(mesh)
        np.testing.assert_allclose(volume, volume[0], rtol=1e-6)
    assert shape(mesh).min() > 0.6 * worst


def test_kuhns_tetrahedra_stay_kuhns():
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], float)
    mesh = Mesh.from_blocks(points, [("tetra", np.array([[0, 1, 2, 3]]))]).refine().refine()
    corner = mesh.points[mesh.cell_nodes.reshape(-1, 4)]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    size = np.sort([((corner[:, i] - corner[:, j]) ** 2).sum(1) for i, j in pairs], axis=0)
    np.testing.assert_allclose(16 * size, np.tile([[1], [1], [1], [2], [2], [3]], mesh.n_cells))


def test_data_and_regions_go_along():
    mesh = triangles(3)
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    left = np.flatnonzero(x == x.min())
    facets = mesh.boundary_facets().nodes
    wall = facets[(x[facets] == x.min()).all(1)]
    given_mesh = Mesh(
        *mesh_parts(mesh),
        {"x": x.astype(np.float32), "tag": (x == x.min()).astype(np.int32)},
        {"id": np.arange(mesh.n_cells)},
        {"time": np.array([2.0])},
        {
            "left": Region("point", left),
            "part": Region("cell", np.array([3, 0])),
            "wall": Region("facet", wall),
        },
    )
    fine = given_mesh.refine()
    assert fine.point_data["x"].dtype == np.float32 and fine.point_data["tag"].dtype == np.int32
    np.testing.assert_allclose(fine.point_data["x"], fine.points[:, 0], rtol=1e-6)
    assert np.array_equal(fine.cell_data["id"], np.repeat(np.arange(mesh.n_cells), 4))
    assert fine.field_data["time"].tolist() == [2.0]
    at_left = np.flatnonzero(fine.points[:, 0] == x.min())
    assert sorted(fine.regions["left"].ids) == at_left.tolist()
    assert np.flatnonzero(fine.point_data["tag"]).tolist() == at_left.tolist()
    assert fine.regions["part"].ids.tolist() == [12, 13, 14, 15, 0, 1, 2, 3]
    found = fine.regions["wall"].ids
    assert found.shape == (2 * len(wall), 2)
    assert (fine.points[found, 0] == x.min()).all()
    ends = np.sort(fine.points[found, 1], axis=1)
    np.testing.assert_allclose(np.sort(ends[:, 0])[1:], np.sort(ends[:, 1])[:-1])
    assert (y.min(), y.max()) == (ends.min(), ends.max())


def test_lines_beside_triangles_share_their_middles():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    mesh = Mesh.from_blocks(points, [("line", np.array([[1, 0]])), ("triangle", [[0, 1, 2]])])
    fine = mesh.refine()
    assert fine.cell_types.tolist() == [3, 3, 5, 5, 5, 5] and fine.n_points == 6
    assert fine.points[fine.cell_nodes[1]].tolist() == [0.5, 0, 0]
    assert set(fine.cell_nodes[:4].tolist()) <= set(fine.cell_nodes[4:].tolist())


def test_other_cells_are_refused_in_words():
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    mesh = Mesh.from_blocks(points, [("quad", np.array([[0, 1, 2, 3]]))])
    with pytest.raises(MeshError, match="VTK type 9 are not refined"):
        mesh.refine()


@pytest.mark.parametrize(
    ("make", "ids"), [(triangles, [[0, 24]]), (triangles, [[0, 1, -1], [0, 1, 5]]),
                      (tetrahedra, [[0, 1, 2, 3]])]
)  # fmt: skip
def test_facets_of_no_cell_are_refused_in_words(make, ids):
    mesh = make(4)
    mesh.regions = {"wall": Region("facet", np.array(ids))}
    with pytest.raises(MeshError, match="region 'wall'"):
        mesh.refine()
