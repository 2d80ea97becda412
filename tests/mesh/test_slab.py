"""One layer of volumes as the plane mesh that it stands for."""

import numpy as np
import pytest

from meshop.mesh import Mesh, Region, flatten

# Two triangles and a quad around a slit: points 1 and 6 lie on one place, and are two.
XY = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [1, 0]], float)
CELLS = ([0, 1, 4], [0, 4, 3], [6, 2, 5, 4])


def layer(axis: int = 2, low: float = 0.0, high: float = 1.0, polyhedra: bool = False) -> Mesh:
    n = len(XY)
    points = np.zeros((2 * n, 3))
    points[:, [i for i in range(3) if i != axis]] = np.tile(XY, (2, 1))
    points[:n, axis], points[n:, axis] = low, high
    order = np.random.default_rng(0).permutation(2 * n)  # new place of each point
    shuffled = np.empty_like(points)
    shuffled[order] = points
    cells = [order[[*nodes, *(i + n for i in nodes)]].tolist() for nodes in CELLS]
    blocks = [("wedge", cells[:2]), ("hexahedron", cells[2:])]
    mesh = Mesh.from_blocks(
        shuffled, blocks,
        cell_data={"id": np.arange(3), "U": np.arange(9.0).reshape(3, 3)},
        point_data={"x": shuffled.copy()},
        regions={
            "bottom": Region("facet", order[[[0, 1, 1 + n, n], [6, 2, 2 + n, 6 + n]]]),
            "front": Region("facet", order[[[6, 2, 5, 4]]]),
            "water": Region("cell", np.array([1])),
            "corner": Region("point", order[[3, 3 + n]]),
        },
    )  # fmt: skip
    return mesh


@pytest.mark.parametrize(("axis", "axes"), [(2, (0, 1, 2)), (1, (0, 2, 1)), (0, (1, 2, 0))])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (5.0, 4.9), (-3e-4, 3e-4)])
def test_a_layer(axis: int, axes: tuple[int, ...], ends: tuple[float, float]) -> None:
    mesh = layer(axis, *ends)
    slab = flatten(mesh)
    assert slab is not None
    plane = slab.plane
    assert slab.axes == axes
    assert plane.cell_types.tolist() == [5, 5, 9]
    assert plane.n_points == len(XY)
    assert plane.is_planar
    np.testing.assert_allclose(plane.cell_centers(), mesh.cell_centers()[:, axes] * (1, 1, 0))
    np.testing.assert_array_equal(plane.cell_normals(), np.tile([0.0, 0.0, 1.0], (3, 1)))
    np.testing.assert_array_equal(plane.points[slab.points][:, :2], mesh.points[:, axes[:2]])
    assert plane.facet_neighbours().tolist() == [[0, 1]]  # none across the slit
    assert plane.cell_data["id"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(plane.point_data["x"][:, :2], plane.points[:, :2])
    np.testing.assert_array_equal(slab.lift_cells(plane.cell_data["U"], 3), mesh.cell_data["U"])
    kinds = {name: (region.kind, len(region.ids)) for name, region in plane.regions.items()}
    assert kinds == {"bottom": ("facet", 2), "water": ("cell", 1), "corner": ("point", 1)}
    rim = plane.points[plane.regions["bottom"].ids]
    assert np.all(rim[..., 1] == 0)


def test_values_go_to_volumes_only() -> None:
    mesh = layer()
    n = mesh.n_points
    more = Mesh.from_blocks(
        np.concatenate([mesh.points, [[9.0, 9.0, 9.0]]]),
        [("line", [[0, 1]]), ("wedge", mesh.cell_nodes[:12].reshape(2, 6)), ("vertex", [[n]]),
         ("hexahedron", mesh.cell_nodes[None, 12:])],
    )  # fmt: skip
    slab = flatten(more)
    assert slab is not None
    assert slab.cells.tolist() == [1, 2, 4]
    found = slab.lift_cells(np.array([1, 2, 3], np.float32), 5)
    np.testing.assert_array_equal(found, np.array([np.nan, 1, 2, np.nan, 3], np.float32))
    assert np.flatnonzero(np.isnan(slab.lift_points(np.ones(len(XY))))).tolist() == [n]


def two_layers() -> Mesh:
    corners = np.array([[x, y, z] for z in range(3) for y in (0, 1) for x in (0, 1)], float)
    box = np.array([0, 1, 3, 2, 4, 5, 7, 6])
    return Mesh.from_blocks(corners * (1, 2, 1), [("hexahedron", [box, box + 4])])


def test_what_is_no_layer() -> None:
    assert flatten(Mesh.from_blocks(np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])])) is None
    assert flatten(Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])])) is None
    assert flatten(Mesh.from_blocks(np.zeros((0, 3)))) is None
    sheared = layer()
    sheared.points[:, 2] += 0.01 * sheared.points[:, 0]
    assert flatten(sheared) is None
    # Two planes, and tetrahedra between them instead of prisms.
    box = np.array([[x, y, z] for z in (0, 1) for y in (0, 2) for x in (0, 3)], float)
    five = [[0, 1, 2, 4], [3, 1, 2, 7], [5, 1, 4, 7], [6, 2, 4, 7], [1, 2, 4, 7]]
    assert flatten(Mesh.from_blocks(box, [("tetra", five)])) is None


def test_two_layers_are_one_across_another_axis() -> None:
    slab = flatten(two_layers())
    assert slab is not None
    assert slab.axes == (0, 2, 1)
