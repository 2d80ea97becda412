"""Joining meshes: nothing merged, nothing reordered, what a part lacks is NaN."""

import numpy as np
import pytest

from meshop.errors import MeshError
from meshop.mesh import Mesh, Region, join

FACES = np.array([4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3])


def triangle(**data):
    return Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])], **data)


def polyhedron():
    points = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    return Mesh(points, [42], [0, 4], range(4), faces=FACES, face_offsets=np.array([17]))


def test_points_cells_and_polyhedra_are_shifted():
    mesh = join([polyhedron(), triangle(), polyhedron()], ["a", "b", "a"])
    assert mesh.cell_types.tolist() == [42, 5, 42]
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert mesh.cell_offsets.tolist() == [0, 4, 7, 11]
    assert mesh.faces[17:].tolist() == [4, 3, 7, 9, 8, 3, 7, 8, 10, 3, 7, 10, 9, 3, 8, 9, 10]
    assert mesh.face_offsets.tolist() == [17, -1, 34]
    assert mesh.regions["a"].ids.tolist() == [0, 2] and mesh.regions["b"].ids.tolist() == [1]
    assert mesh.cell_measures() == pytest.approx([1 / 6, np.sqrt(3) / 2, 1 / 6])


def test_data_that_a_part_lacks_is_nan():
    one = triangle(point_data={"p": np.arange(3)}, cell_data={"id": np.array([7], np.int8)})
    two = triangle(cell_data={"id": np.array([8], np.int8)}, field_data={"t": 2.0})
    mesh = join([one, two])
    assert np.array_equal(mesh.point_data["p"], [0, 1, 2, *[np.nan] * 3], equal_nan=True)
    assert mesh.cell_data["id"].dtype == np.int8 and mesh.cell_data["id"].tolist() == [7, 8]
    assert mesh.field_data["t"].tolist() == [2.0]


def test_regions_of_one_name_are_united():
    one = triangle(regions={"wall": Region("facet", [[0, 1]])})
    two = triangle(regions={"wall": Region("facet", [[0, 1, -1]]), "in": Region("point", [2])})
    mesh = join([one, two])
    assert mesh.regions["wall"].ids.tolist() == [[0, 1, -1], [3, 4, -1]]
    assert mesh.regions["in"].ids.tolist() == [5]


def test_parts_that_cannot_be_joined():
    with pytest.raises(MeshError, match="shape"):
        join([triangle(cell_data={"a": np.ones((1, 2))}), triangle(cell_data={"a": np.ones(1)})])
    with pytest.raises(MeshError, match="at least one"):
        join([])
