"""OFF: text by hand, other libraries as oracles, and what comes back."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from mesh_cases import assert_same, meshes

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, write
from meshop.mesh import Mesh, Region

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
BODY = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n4 0 1 2 3\n"


@pytest.mark.parametrize(
    "head",
    ["OFF\n4 2 0\n", "OFF 4 2 0\n", "# first\nOFF # second\n\n4 2\n", "4 2 0\n", "OFF\r\n4 2 5\r\n",
     "nOFF\n3\n4 2 0\n", "nOFF 3 4 2 0\n"],
)  # fmt: skip
def test_headers(tmp_path, head):
    (tmp_path / "a.off").write_text(head + BODY)
    mesh = read(tmp_path / "a.off")
    assert mesh.points.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert mesh.cell_types.tolist() == [5, 9] and mesh.cell_nodes.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert not mesh.point_data and not mesh.cell_data


def test_colours_normals_texture(tmp_path):
    (tmp_path / "a.off").write_text(
        "STCNOFF\n3 2 0\n0 0 0 0 0 1 1 .5 0 1 .1 .2\n1 0 0 0 0 1 1 .5 0 1 .3 .4\n"
        "0 1 0 0 0 1 1 .5 0 1 .5 .6\n3 0 1 2 255 0 7\n3 2 1 0 0 0 9\n"
    )
    mesh = read(tmp_path / "a.off")
    assert mesh.point_data["Normals"].tolist() == [[0, 0, 1]] * 3
    assert mesh.point_data["RGBA"].tolist() == [[1, 0.5, 0, 1]] * 3
    assert mesh.point_data["TCoords"].tolist() == [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    assert mesh.cell_data["RGB"].tolist() == [[255, 0, 7], [0, 0, 9]]
    assert mesh.cell_data["RGB"].dtype == np.uint8
    (tmp_path / "b.off").write_text("OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2 255 0 7\n3 2 1 0\n")
    with pytest.warns(MeshFileWarning, match="colours of faces"):
        assert not read(tmp_path / "b.off").cell_data
    (tmp_path / "c.off").write_text("OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2 7\n3 2 1 0 8\n")
    assert read(tmp_path / "c.off").cell_data["color"].tolist() == [7, 8]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(mesh=meshes(codes=[1, 3, 5, 7, 9], places=(), regions=()))
def test_any_surface_comes_back(mesh):
    size = np.diff(mesh.cell_offsets)
    mesh.cell_types[(mesh.cell_types == 7) & (size == 3)] = 5
    mesh.cell_types[(mesh.cell_types == 7) & (size == 4)] = 9
    rng = np.random.default_rng(0)
    if mesh.n_points:
        mesh.point_data["Normals"] = rng.random((mesh.n_points, 3))
        mesh.point_data["RGBA"] = rng.random((mesh.n_points, 4))
    if mesh.n_cells:
        mesh.cell_data["RGB"] = rng.integers(2, 255, (mesh.n_cells, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "a.off")
        write(mesh, path)
        assert_same(read(path), mesh)


def test_what_off_cannot_hold(tmp_path):
    solid = Mesh.from_blocks(np.eye(4)[:, :3], [("tetra", [[0, 1, 2, 3]])])
    with pytest.raises(MeshFileError, match=r"(?s)no tetra.*surface"):
        solid.save(tmp_path / "a.off")
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]]), ("line", [[0, 1]])])
    mesh.cell_data["p"] = np.ones(2)
    mesh.regions["wall"] = Region("cell", [0])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.off")
    words = " ".join(str(w.message) for w in said)
    assert "cell data" in words and "wall" in words and "two corners" in words
    (tmp_path / "b.off").write_bytes(b"OFF BINARY\n" + bytes(40))
    with pytest.raises(MeshFileError, match="binary OFF"):
        read(tmp_path / "b.off")


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
def test_real_files():
    plain = read(ZOO / "libmesh_meshes/examples/miscellaneous/miscellaneous_ex11/square_mesh.off")
    assert plain.n_cells == 4 and plain.points[0].tolist() == [-0.5, -0.5, 0]
    colour = read(ZOO / "pointclouds_pyntcloud/tests/data/diamond_color.off")
    assert colour.n_cells == 8 and colour.point_data["RGBA"][2].tolist() == [0, 255, 0, 255]


def test_other_libraries_write_it(tmp_path):
    meshio = pytest.importorskip("meshio")
    trimesh = pytest.importorskip("trimesh")
    points, faces = np.random.default_rng(0).random((9, 3)), np.arange(9).reshape(3, 3)
    meshio.Mesh(points, [("triangle", faces)]).write(tmp_path / "a.off")
    trimesh.Trimesh(points, faces, process=False).export(tmp_path / "b.off", digits=17)
    for name in ("a.off", "b.off"):
        mesh = read(tmp_path / name)
        assert np.allclose(mesh.points, points, atol=1e-15)
        assert mesh.cell_nodes.tolist() == list(range(9))
