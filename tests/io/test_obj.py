"""OBJ: text by hand, other libraries as oracles, and what comes back."""

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

TEXT = """# a comment with v 9 9 9
mtllib x.mtl
o cube
v 0 0 0 # behind a point
v 1 0 0 1.0
V 9 9 9
v 1 1 0
\tv   0 1 0
g lower   side
usemtl bright steel
f 1 2 3 \\
4
s off
f 1/1 2/1 3/1
g
usemtl
v 0 0 1
f -1//1 -2//1 -3//1
vt 0.5 0.25
vn 0 0 1
g side
fo 1 2 3 4 5
l 1 2
l 1/1 2/1 3/1
p 5
p 1 2
"""


def test_by_hand(tmp_path):
    (tmp_path / "a.obj").write_text(TEXT)
    mesh = read(tmp_path / "a.obj")
    assert mesh.points.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert mesh.cell_types.tolist() == [9, 5, 5, 7, 3, 4, 1, 2]
    sizes = np.diff(mesh.cell_offsets).tolist()
    assert sizes == [4, 3, 3, 5, 2, 3, 1, 2]
    assert mesh.cell_nodes[:10].tolist() == [0, 1, 2, 3, 0, 1, 2, 4, 3, 2]
    assert {name: r.ids.tolist() for name, r in mesh.regions.items()} == {
        "lower": [0, 1],
        "side": [0, 1, 3, 4, 5, 6, 7],
        "bright steel": [0, 1],
        "cube": list(range(8)),
    }
    # Points 1 to 3 have texture coordinates, points 3 to 5 a normal: the others have none.
    assert mesh.point_data["TCoords"].tolist()[:3] == [[0.5, 0.25]] * 3
    assert np.isnan(mesh.point_data["TCoords"][3:]).all()
    assert np.isnan(mesh.point_data["Normals"][:2]).all()
    assert mesh.point_data["Normals"][2:].tolist() == [[0, 0, 1]] * 3


def test_corners_of_one_point_that_differ(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nvt 1 1\nvt 0 0\nf 1/1 2/1 3/1\nf 3/{} 2/1 1/1\n"
    (tmp_path / "a.obj").write_text(text.format(2))
    with pytest.warns(MeshFileWarning, match="texture coordinates are left out"):
        assert "TCoords" not in read(tmp_path / "a.obj").point_data
    (tmp_path / "a.obj").write_text(text.format(3))  # another line, the same values
    assert read(tmp_path / "a.obj").point_data["TCoords"].tolist() == [[0, 0]] * 3


def test_colours_and_names_that_collide(tmp_path):
    text = "v 0 0 0 1 0 0.5\nv 1 0 0 1 1 1\nv 0 1 0 0 0 0\no a\nf 1 2 3\nusemtl a\nf 1 2 3\n"
    (tmp_path / "a.obj").write_text(text)
    mesh = read(tmp_path / "a.obj")
    assert mesh.point_data["RGB"].tolist() == [[1, 0, 0.5], [1, 1, 1], [0, 0, 0]]
    sets = sorted((name, r.ids.tolist()) for name, r in mesh.regions.items())
    assert [ids for _, ids in sets] == [[0, 1], [1]] or [ids for _, ids in sets] == [[1], [0, 1]]
    assert any(name.startswith(("material", "object")) for name, _ in sets)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(mesh=meshes(codes=[1, 2, 3, 4, 5, 7, 9], places=(), regions=("cell",)))
def test_any_surface_comes_back(mesh):
    size = np.diff(mesh.cell_offsets)
    types = mesh.cell_types
    types[(types == 7) & (size == 3)] = 5
    types[(types == 7) & (size == 4)] = 9
    types[(types == 4) & (size == 2)] = 3
    types[(types == 2) & (size == 1)] = 1
    if "wall" in mesh.regions:
        mesh.regions["wall"].ids = np.unique(mesh.regions["wall"].ids)
        if not len(mesh.regions["wall"].ids):
            del mesh.regions["wall"]
    rng = np.random.default_rng(0)
    if len(np.unique(mesh.cell_nodes)) == mesh.n_points > 0:
        mesh.point_data = {"RGB": rng.random((mesh.n_points, 3))}
        mesh.point_data["TCoords"] = rng.random((mesh.n_points, 2))
        mesh.point_data["Normals"] = rng.random((mesh.n_points, 3))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder, "a.obj")
        write(mesh, path)
        if not mesh.n_points:
            with pytest.raises(MeshFileError):
                read(path)
            return
        found = read(path)
        found.point_data = {n: found.point_data[n] for n in mesh.point_data}
        assert_same(found, mesh)


def test_regions_that_overlap(tmp_path):
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", np.zeros((6, 3), int))])
    mesh.regions = {
        "a": Region("cell", [0, 1, 2]),
        "b": Region("cell", [2, 3, 5]),
        "c d": Region("cell", [5]),
    }
    with pytest.warns(MeshFileWarning, match="c_d"):
        mesh.save(tmp_path / "a.obj")
    found = read(tmp_path / "a.obj").regions
    assert {n: r.ids.tolist() for n, r in found.items()} == {
        "a": [0, 1, 2],
        "b": [2, 3, 5],
        "c_d": [5],
    }


def test_what_obj_cannot_hold(tmp_path):
    solid = Mesh.from_blocks(np.eye(4)[:, :3], [("tetra", [[0, 1, 2, 3]])])
    with pytest.raises(MeshFileError, match=r"(?s)no tetra.*surface"):
        solid.save(tmp_path / "a.obj")
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])], cell_data={"p": np.ones(1)})
    mesh.regions["corner"] = Region("point", [1])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.obj")
    words = " ".join(str(w.message) for w in said)
    assert "cell data" in words and "corner" in words


def test_errors_name_the_line(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\n# nothing\n\nf 1 2 0\n")
    with pytest.raises(MeshFileError, match="line 4"):
        read(tmp_path / "a.obj")


def test_blocks_of_text_do_not_show(tmp_path, monkeypatch):
    monkeypatch.setattr("meshop.io._words._BLOCK", 40)
    (tmp_path / "a.obj").write_text(TEXT)
    small = read(tmp_path / "a.obj")
    monkeypatch.undo()
    assert_same(small, read(tmp_path / "a.obj"))


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
@pytest.mark.parametrize("path", sorted(ZOO.rglob("*.obj")), ids=lambda p: p.name)
def test_real_files(path):
    pv = pytest.importorskip("pyvista")
    mesh, theirs = read(path), pv.read(path)
    assert mesh.n_points == theirs.n_points
    assert np.allclose(mesh.points, theirs.points, atol=1e-6)  # VTK has float32
    assert mesh.cell_nodes.reshape(-1, 3).tolist() == theirs.regular_faces.tolist()


def test_other_libraries_write_it(tmp_path):
    pv = pytest.importorskip("pyvista")
    meshio = pytest.importorskip("meshio")
    trimesh = pytest.importorskip("trimesh")
    sphere = pv.Sphere(theta_resolution=8, phi_resolution=8)
    sphere.save(tmp_path / "a.obj")
    mesh = read(tmp_path / "a.obj")
    assert mesh.cell_nodes.reshape(-1, 3).tolist() == sphere.regular_faces.tolist()
    assert np.allclose(mesh.points, sphere.points, atol=1e-5)
    trimesh.Trimesh(sphere.points, sphere.regular_faces, process=False).export(tmp_path / "b.obj")
    assert read(tmp_path / "b.obj").cell_nodes.tolist() == mesh.cell_nodes.tolist()
    meshio.Mesh(mesh.points, [("triangle", sphere.regular_faces)]).write(tmp_path / "c.obj")
    assert read(tmp_path / "c.obj").cell_nodes.tolist() == mesh.cell_nodes.tolist()
    mesh.save(tmp_path / "d.obj")
    assert pv.read(tmp_path / "d.obj").regular_faces.tolist() == sphere.regular_faces.tolist()
