"""Formats beside VTU, the files people give by mistake, and the three lines they get."""

import subprocess
import sys

import numpy as np
import pytest
from mesh_cases import PLANE, SOLID, sample

from meshop.errors import MeshFileError
from meshop.io import Format, read, write
from meshop.mesh import Mesh

# -- through meshio -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".msh", ".vtk", ".xdmf"])
@pytest.mark.parametrize("mesh", [PLANE, SOLID], ids=["plane", "solid"])
def test_meshio_formats_keep_cell_order(tmp_path, mesh, suffix, capfd):
    mesh = mesh.copy()
    mesh.cell_data["p"] = np.arange(mesh.n_cells, dtype=float)
    if suffix != ".msh":
        mesh.regions = {}
    write(mesh, tmp_path / f"a{suffix}")
    found = read(tmp_path / f"a{suffix}")
    assert np.array_equal(found.points, mesh.points)
    assert np.array_equal(found.cell_types, mesh.cell_types)
    assert np.array_equal(found.cell_nodes, mesh.cell_nodes)
    assert np.array_equal(found.cell_data["p"], mesh.cell_data["p"])
    if suffix == ".msh":  # physical groups
        assert {n: r.ids.tolist() for n, r in found.regions.items()} == {
            n: r.ids.tolist() for n, r in mesh.regions.items()
        }
    assert capfd.readouterr() == ("", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}"]


def test_wedges_have_vtks_winding_whatever_the_format(tmp_path):
    pv = pytest.importorskip("pyvista")
    SOLID.save(tmp_path / "a.vtk")
    assert np.array_equal(pv.read(tmp_path / "a.vtk").cells_dict[13][0], SOLID.cell_nodes[4:10])


def test_surfaces_and_gmsh_groups(tmp_path):
    stl = "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"
    (tmp_path / "a.STL").write_text(stl + "endloop\nendfacet\nendsolid a\n")
    assert read(tmp_path / "a.STL").cell_measures() == pytest.approx([0.5])
    gmsh = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
2
1 7 "wall"
2 7 "fluid"
$EndPhysicalNames
$Nodes
3
1 0 0 0
2 1 0 0
3 0 1 0
$EndNodes
$Elements
3
1 1 2 7 1 1 2
2 2 2 7 1 1 2 3
3 1 2 8 1 2 3
$EndElements
"""
    for name in ("a.msh", "a.mesh_without_known_suffix"):  # by content, too
        (tmp_path / name).write_text(gmsh)
        mesh = read(tmp_path / name)
        assert mesh.regions["wall"].ids.tolist() == [0] and mesh.regions["fluid"].ids.tolist() == [
            1
        ]


def test_what_a_format_cannot_hold_is_said(tmp_path):
    faces = np.array([4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3])
    poly = Mesh(np.eye(4)[:, :3], [42], [0, 4], range(4), faces=faces, face_offsets=np.array([17]))
    with pytest.raises(MeshFileError, match="polyhedron"):
        poly.save(tmp_path / "a.msh")
    for name in ("a.node", "a.xyz", "a.nonsense", "a"):
        with pytest.raises(MeshFileError):
            PLANE.save(tmp_path / name)
    with pytest.raises(MeshFileError, match="options"):
        PLANE.save(tmp_path / "a.vtu", compresion="zlib")
    with pytest.raises(MeshFileError, match="zstd"):
        PLANE.save(tmp_path / "a.vtu", compression="zstd")
    assert not list(tmp_path.iterdir())


# -- point clouds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xyz", "1 2 3 9\n4 5 6 8\n"),
        ("a.xyz", "2\nwater\n1 2 3 9\n4 5 6 8\n"),
        ("a.csv", "x,y,z,column_3\n1,2,3,9\n4,5,6,8\n"),
        ("a.csv", "column_3;x;y;z\n9;1;2;3\n8;4;5;6\n".replace(";", ",")),
        ("a.txt", "# header\n1,2,3,9\n\n4;5;6;8\n"),
    ],
)
def test_point_clouds(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    mesh = read(tmp_path / name)
    assert mesh.points.tolist() == [[1, 2, 3], [4, 5, 6]] and mesh.n_cells == 0
    assert mesh.point_data["column_3"].tolist() == [9, 8]


def test_npy_point_clouds(tmp_path):
    points = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    for array in (points, np.asfortranarray(points), points.astype(">f4")):
        np.save(tmp_path / "a.npy", array)
        mesh = read(tmp_path / "a.npy")
        assert np.array_equal(mesh.points, points[:, :3]) and mesh.storage["points"] == "float32"
        assert np.array_equal(mesh.point_data["column_3"], points[:, 3])
    named = np.zeros(3, dtype=[("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1")])
    named["red"] = 7
    np.save(tmp_path / "a.npy", named)
    assert read(tmp_path / "a.npy").point_data["red"].tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (10**12, 3)}",
        b"\x93NUMPY\x01\x00\x46\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3)}\n",
        b"\x93NUMPY\x01\x00\x33\x00{'descr': '|O', 'fortran_order': False, 'shape': ()}",
        b"\x93NUMPY\x09\x00",
        b"garbage",
    ],
)
def test_damaged_npy(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(MeshFileError):
        read(tmp_path / "a.npy")


# -- mistakes -----------------------------------------------------------------------------------

MISTAKES = {
    "text.vtu": (b"hello, I am no mesh\n", "XML"),
    "image.vtu": (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG image"),
    "image.msh": (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG image"),
    "archive.vtu": (b"PK\x03\x04" + bytes(100), "ZIP"),
    "empty.vtu": (b"", "empty"),
    "binary.vtu": (bytes(range(256)) * 20, "XML"),
    "page.vtu": (b"<html><body>404</body></html>", "VTKFile"),
    "image_grid.vtu": (b'<VTKFile type="ImageData"><ImageData/></VTKFile>', "ImageData"),
    "text.msh": (b"hello, I am no mesh\n", "MSH"),
    "text.su2": (b"hello, I am no mesh\n", "NPOIN"),
    "text.stl": (b"hello, I am no mesh\n", "stl"),
    "text.vtk": (b"hello, I am no mesh\n", "vtk"),
    "text.ply": (b"hello, I am no mesh\n", "ply"),
    "text.obj": (b"hello, I am no mesh\n", "obj"),
    "text.off": (b"hello, I am no mesh\n", "off"),
    "text.inp": (b"hello, I am no mesh\n", "Abaqus"),
    "text.cgns": (b"hello, I am no mesh\n", "cgns"),
    "text.csv": (b"hello, I am no mesh\nnot at all\n", "row 1"),
    "text.nonsense": (b"hello, I am no mesh\n", ".vtu"),
    "nothing": (b"hello, I am no mesh\n", "no suffix"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_files_that_are_no_meshes(tmp_path, name, capfd):
    content, word = MISTAKES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshFileError) as caught:
        read(tmp_path / name)
    assert word in str(caught.value) and name in str(caught.value)
    assert 2 <= len(str(caught.value).splitlines()) <= 3
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_a_reader_is_no_traceback(tmp_path, monkeypatch):
    sample().save(tmp_path / "a.vtu")
    broken = Format("VTU", (".vtu",), lambda _: {}["nothing"])
    monkeypatch.setattr("meshop.io._dispatch.FORMATS", (broken,))
    with pytest.raises(MeshFileError, match="KeyError"):
        read(tmp_path / "a.vtu")


def test_paths_that_are_no_files(tmp_path):
    for path in (
        tmp_path / "missing.vtu",
        tmp_path,
        tmp_path / ("x" * 300),
        "a\0b.vtu",
        "/dev/null",
    ):
        with pytest.raises(MeshFileError) as caught:
            read(path)
        assert len(str(caught.value).splitlines()) >= 2
        if not str(path).endswith("missing.vtu"):
            with pytest.raises(MeshFileError):
                write(sample(), path)
    with pytest.raises(MeshFileError, match="no such file"):
        read(tmp_path / "missing.vtu")
    with pytest.raises(MeshFileError, match="folder"):
        sample().save(tmp_path / "missing" / "a.vtu")


def test_reading_vtu_needs_neither_vtk_nor_meshio(tmp_path):
    sample().save(tmp_path / "a.vtu")
    code = (
        "import sys, meshop\n"
        f"meshop.read({str(tmp_path / 'a.vtu')!r}).save({str(tmp_path / 'b.vtu')!r})\n"
        "print([m for m in ('vtk', 'vtkmodules', 'meshio', 'torch', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
