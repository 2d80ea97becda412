"""Construction refuses whatever would make an index run wild, and says what it found."""

import pickle

import numpy as np
import pytest

from meshop.errors import MeshError, MeshFileError
from meshop.mesh import Mesh, Region

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]


def build(**changes):
    parts = {
        "points": np.array(SQUARE, dtype=float),
        "cell_types": np.array([5, 5], np.uint8),
        "cell_offsets": np.array([0, 3, 6]),
        "cell_nodes": np.array([0, 1, 2, 0, 2, 3]),
    }
    return Mesh(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"cell_nodes": [0, 1, 2, 0, 2, 4]}, "point 4"),
        ({"cell_nodes": [0, 1, 2, 0, 2, -1]}, "point -1"),
        ({"cell_nodes": [0, 1, 2, 0, 2, 2**62]}, str(2**62)),
        ({"cell_nodes": np.array([0, 1, 2, 0, 2, 2**63], np.uint64)}, "exceeds"),
        ({"cell_nodes": [0.0, 1.0, 2.0, 0.0, 2.0, 3.0]}, "integers"),
        ({"cell_offsets": [0, 4, 3]}, "never decrease"),
        ({"cell_offsets": [1, 3, 6]}, "start at 0"),
        ({"cell_offsets": [0, 3, 5]}, "end at"),
        ({"cell_offsets": [0, 3]}, "one more"),
        ({"cell_types": [5, 250]}, "250"),
        ({"cell_types": [5, 300]}, "0 to 255"),
        ({"cell_types": [5, 12]}, "hexahedron needs 8"),
        ({"cell_types": [5, 0]}, "empty needs 0"),
        ({"cell_types": [5, 42]}, "polyhedron needs at least 4"),
        ({"points": np.array(SQUARE)[:, :2]}, "(N, 3)"),
        ({"points": np.array([*SQUARE[:3], [0, np.nan, 0]])}, "point 3"),
        ({"points": np.array([*SQUARE[:3], [0, np.inf, 0]])}, "infinite"),
        ({"points": np.array(SQUARE, dtype=complex)}, "real"),
        ({"point_data": {"p": np.zeros(3)}}, "must be 4"),
        ({"cell_data": {"p": np.zeros((4, 2))}}, "must be 2"),
        ({"cell_data": {"p": np.float64(1)}}, "must be 2"),
        ({"regions": {"wall": Region("cell", [2])}}, "cell 2"),
        ({"regions": {"wall": Region("point", [-1])}}, "point -1"),
        ({"regions": {"wall": Region("facet", [[0, 9]])}}, "point 9"),
    ],
)
def test_broken_invariant_is_refused(changes, word):
    with pytest.raises(MeshError) as caught:
        build(**changes)
    assert word in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


TETRA_FACES = [4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3]


def polyhedron(faces=TETRA_FACES, ends=(17,)):
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    return Mesh(points, [42], [0, 4], range(4), faces=np.array(faces), face_offsets=np.array(ends))


@pytest.mark.parametrize(
    ("faces", "ends"),
    [
        (TETRA_FACES, [16]),
        (TETRA_FACES, [-1]),
        (TETRA_FACES, [17, 17]),
        (TETRA_FACES[:-1], [16]),
        ([*TETRA_FACES, 3], [18]),
        ([4, 10**9, *TETRA_FACES[2:]], [17]),
        ([10**9, *TETRA_FACES[1:]], [17]),
        ([-4, *TETRA_FACES[1:]], [17]),
        ([*TETRA_FACES[:-1], 4], [17]),
        ([1, 3, 0, 2, 1], [5]),
    ],
)
def test_damaged_face_stream_is_refused(faces, ends):
    assert polyhedron().cell_measures() == pytest.approx(1 / 6)
    with pytest.raises(MeshError):
        polyhedron(faces, ends)


def test_polyhedra_without_faces_are_refused():
    with pytest.raises(MeshError, match="without faces"):
        Mesh(np.eye(4)[:, :3], [42], [0, 4], range(4))


def test_region_kinds():
    with pytest.raises(MeshError):
        Region("edge", [0])
    with pytest.raises(MeshError):
        Region("facet", [0])


def test_from_blocks_keeps_order_and_pads():
    mesh = Mesh.from_blocks(
        np.array(SQUARE)[:, :2], [("quad", [[0, 1, 2, 3]]), (5, [[0, 1, 2]]), ("line", [[0, 1]])]
    )
    assert mesh.cell_types.tolist() == [9, 5, 3]
    assert mesh.cell_offsets.tolist() == [0, 4, 7, 9]
    assert mesh.dim == 2 and mesh.is_planar and mesh.points.shape == (4, 3)
    with pytest.raises(MeshError, match="known names"):
        Mesh.from_blocks(SQUARE, [("quadd", [[0, 1, 2, 3]])])


def test_point_cloud_has_no_cells():
    mesh = Mesh.from_blocks(SQUARE)
    assert (mesh.n_points, mesh.n_cells, mesh.dim) == (4, 0, 0)
    assert mesh.cell_measures().shape == (0,) and mesh.cell_centers().shape == (0, 3)
    assert len(mesh.boundary_facets().owner) == 0 and mesh.facet_neighbours().shape == (0, 2)


def test_dtypes_are_kept_and_byte_order_is_native():
    data = {"a": np.zeros(2, np.float16), "b": np.arange(2, dtype=">i2"), "c": np.array([True] * 2)}
    mesh = build(cell_data=data, field_data={"name": "x", "t": 1.5})
    assert [v.dtype.str for v in mesh.cell_data.values()] == ["<f2", "<i2", "|b1"]
    assert mesh.cell_data["b"].tolist() == [0, 1]
    assert mesh.field_data["name"].tolist() == ["x"] and mesh.field_data["t"].shape == (1,)


def test_copy_shares_arrays_and_owns_dicts():
    mesh = build(cell_data={"p": np.zeros(2)})
    twin = mesh.copy()
    twin.cell_data["q"] = np.ones(2)
    assert "q" not in mesh.cell_data and twin.points is mesh.points


def test_check_repeats_after_edits():
    mesh = build()
    mesh.cell_data["p"] = np.zeros(5)
    with pytest.raises(MeshError, match="must be 2"):
        mesh.check()


def test_content_hash_sees_geometry_and_topology_only():
    mesh = build()
    assert build(cell_data={"p": np.zeros(2)}).content_hash() == mesh.content_hash()
    assert build(cell_nodes=[0, 1, 3, 1, 2, 3]).content_hash() != mesh.content_hash()
    moved = mesh.points.copy()
    moved[0, 0] = 1e-300
    assert build(points=moved).content_hash() != mesh.content_hash()


def test_errors_are_three_lines_and_pickle():
    error = MeshFileError("a.vtu", "VTU", "array 'p'", "why\nnot " * 300, "do this")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.where == "array 'p'" and again.hint == "do this"
    assert len(str(error).splitlines()) == 3
    assert pickle.loads(pickle.dumps(MeshError("a", "b"))).why == "b"
