"""PLY: bytes by hand, other libraries as oracles, and what comes back."""

import struct
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cases import assert_same, meshes

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, write
from meshop.mesh import Mesh, Region

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
KEPT = ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]
WORDS = st.text("abcdefgXYZ_0123456789:", min_size=1, max_size=8).map(lambda s: "d" + s)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    mesh=meshes(
        codes=[5, 7, 9], dtypes=KEPT, shapes=((), (2,), (3,)), names=WORDS, regions=(),
        places=("point", "cell"),
    ),
    as_binary=st.booleans(),
)  # fmt: skip
def test_any_surface_comes_back(mesh, as_binary):
    polygons = mesh.cell_types == 7
    for cell in np.flatnonzero(polygons):  # a polygon with four corners is a quad
        size = mesh.cell_offsets[cell + 1] - mesh.cell_offsets[cell]
        mesh.cell_types[cell] = {3: 5, 4: 9}.get(size, 7)
    names = [n for n in mesh.point_data if ":" in n] + [n for n in mesh.cell_data if ":" in n]
    for name in names:  # "name:0" is the first component of "name"
        mesh.point_data.pop(name, None)
        mesh.cell_data.pop(name, None)
    if not mesh.n_cells:
        mesh.cell_data = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder, "a.ply")
        write(mesh, path, binary=as_binary)
        found = read(path)
        assert found.storage.get("points") == (
            "float32" if mesh.storage["points"] == "float32" else None
        )
        if as_binary:
            assert_same(found, mesh)
            first = path.read_bytes()
            found.save(path)
            assert path.read_bytes() == first
            return
    assert np.array_equal(found.points, mesh.points)
    assert np.array_equal(found.cell_nodes, mesh.cell_nodes)
    for where in ("point_data", "cell_data"):
        for name, values in getattr(mesh, where).items():
            back = getattr(found, where)[name]
            assert back.dtype == values.dtype
            assert np.array_equal(back, values, equal_nan=back.dtype.kind == "f")


HEAD = "ply\r\nformat {} 1.0\r\ncomment c\r\nobj_info o\r\n"


@pytest.mark.parametrize("order", "<>")
def test_any_order_of_elements_and_properties(tmp_path, order):
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    head = HEAD.format(name) + (
        "element extra 2\r\nproperty list ushort double values\r\nproperty short tag\r\n"
        "element face 3\r\nproperty uchar red\r\nproperty list uint8 uint16 Vertex_Index\r\n"
        "property list int float texcoord\r\nproperty uchar green\r\nproperty uchar blue\r\n"
        "element vertex 4\r\nproperty int8 q\r\nproperty double z\r\nproperty double y\r\n"
        "property double x\r\nproperty float nx\r\nproperty float ny\r\nproperty float nz\r\n"
        "end_header\r\n"
    )
    body = b""
    for values, tag in (([1.5, 2.5], 3), ([], 4)):
        body += struct.pack(f"{order}H{len(values)}dh", len(values), *values, tag)
    for nodes, red in (([0, 1, 2], 7), ([0, 1, 2, 3], 8), ([2, 1, 0], 9)):
        k = len(nodes)
        body += struct.pack(f"{order}BB{k}Hi2fBB", red, k, *nodes, 2, 0.5, red, red + 1, red + 2)
    for i in range(4):
        body += struct.pack(f"{order}b3d3f", -i, 30 + i, 20 + i, 10 + i, 0, 0, 1)
    (tmp_path / "a.ply").write_bytes(head.encode() + body)
    with pytest.warns(MeshFileWarning, match="'extra'"):
        mesh = read(tmp_path / "a.ply")
    assert mesh.points.tolist() == [[10 + i, 20 + i, 30 + i] for i in range(4)]
    assert mesh.cell_types.tolist() == [5, 9, 5]
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 1, 2, 3, 2, 1, 0]
    assert mesh.cell_data["RGB"].tolist() == [[7, 8, 9], [8, 9, 10], [9, 10, 11]]
    assert mesh.cell_data["texcoord"].tolist() == [[0.5, 7], [0.5, 8], [0.5, 9]]
    assert mesh.cell_data["texcoord"].dtype == np.float32
    assert mesh.point_data["q"].tolist() == [0, -1, -2, -3]
    assert mesh.point_data["Normals"].tolist() == [[0, 0, 1]] * 4


def test_strips_and_edges(tmp_path):
    text = (
        "ply\nformat ascii 1.0\nelement vertex 5\nproperty double x\nproperty double y\n"
        "element tristrips 1\nproperty list int int vertex_indices\nelement edge 2\n"
        "property int vertex1\nproperty int vertex2\nproperty uchar w\nend_header\n"
        "0 0\n1 0\n1 1\n0 1\n2 2\n9 0 1 2 3 -1 2 3 4 -1\n0 1 5\n1 2 6\n"
    )
    (tmp_path / "a.ply").write_text(text)
    mesh = read(tmp_path / "a.ply")
    assert mesh.cell_types.tolist() == [6, 6, 3, 3] and mesh.storage["dimension"] == "2"
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 3, 2, 3, 4, 0, 1, 1, 2]
    assert np.isnan(mesh.cell_data["w"][:2]).all() and mesh.cell_data["w"][2:].tolist() == [5, 6]


def test_lines_are_stored_behind_the_faces(tmp_path):
    mesh = Mesh.from_blocks(
        np.eye(3),
        [("line", [[0, 1]]), ("triangle", [[0, 1, 2]])],
        cell_data={"a": np.array([1, 2.5])},
    )
    with pytest.warns(MeshFileWarning, match="behind the faces"):
        mesh.save(tmp_path / "a.ply")
    found = read(tmp_path / "a.ply")
    assert found.cell_types.tolist() == [5, 3] and found.cell_data["a"].tolist() == [2.5, 1]


def test_what_ply_cannot_hold(tmp_path):
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])])
    mesh.point_data["big"] = np.array([1, 2, 3])
    mesh.point_data["a b"] = np.array([1, 2, 3], np.int8)
    mesh.point_data["text"] = np.array(["a", "b", "c"])
    mesh.regions["wall"] = Region("cell", [0])
    mesh.field_data["t"] = np.array([1.0])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.ply")
    words = " ".join(str(w.message) for w in said)
    for word in ("int64", "a_b", "text", "wall", "field data"):
        assert word in words
    assert read(tmp_path / "a.ply").point_data["big"].tolist() == [1, 2, 3]
    solid = Mesh.from_blocks(np.eye(4)[:, :3], [("tetra", [[0, 1, 2, 3]])])
    with pytest.raises(MeshFileError, match=r"(?s)no tetra.*surface"):
        solid.save(tmp_path / "b.ply")


def test_mixed_faces_of_any_order(tmp_path):
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 6, 5000)
    types = np.array([0, 1, 3, 5, 9, 7])[sizes]
    nodes = rng.integers(0, 50, sizes.sum())
    mesh = Mesh(rng.random((50, 3)), types, np.append(0, sizes.cumsum()), nodes)
    mesh.cell_data["c"] = rng.random(5000).astype("f4")
    for as_binary in (True, False):
        mesh.save(tmp_path / "a.ply", binary=as_binary)
        assert_same(read(tmp_path / "a.ply"), mesh)


def test_other_libraries_read_and_write_the_same(tmp_path):
    pv = pytest.importorskip("pyvista")
    meshio = pytest.importorskip("meshio")
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((6, 3)),
        [("triangle", [[0, 1, 2]]), ("quad", [[0, 1, 3, 4]]), ("polygon", [[0, 1, 2, 3, 5]])],
    )
    mesh.point_data["RGB"] = np.arange(18, dtype=np.uint8).reshape(6, 3)
    for as_binary in (True, False):
        mesh.save(tmp_path / "a.ply", binary=as_binary)
        theirs = pv.read(tmp_path / "a.ply")
        assert theirs.faces.tolist() == [3, 0, 1, 2, 4, 0, 1, 3, 4, 5, 0, 1, 2, 3, 5]
        assert np.array_equal(theirs["RGB"], mesh.point_data["RGB"])
        theirs.save(tmp_path / "b.ply", binary=as_binary, texture="RGB", recompute_normals=False)
        back = read(tmp_path / "b.ply")
        assert np.array_equal(back.cell_nodes, mesh.cell_nodes)
        assert np.array_equal(back.point_data["RGB"], mesh.point_data["RGB"])
        third = meshio.Mesh(mesh.points, [("triangle", [[0, 1, 2]])], {"a": np.arange(6.0)})
        third.write(tmp_path / "c.ply", binary=as_binary)
        back = read(tmp_path / "c.ply")
        assert np.array_equal(back.points, mesh.points)
        assert back.point_data["a"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
def test_real_files():
    folder = ZOO / "pointclouds_pyntcloud/tests/data"
    one, two = (read(folder / f"diamond_ascii{n}.ply") for n in ("", "_vertex_index"))
    assert_same(one, two)
    assert one.n_cells == 8 and one.point_data["RGBA"][2].tolist() == [0, 255, 0, 255]
    cloud = read(folder / "diamond_with_bool.ply")
    assert cloud.n_cells == 0 and cloud.point_data["is_green"].tolist() == [0, 0, 1, 0, 0, 0]
    assert np.array_equal(cloud.points, one.points)
