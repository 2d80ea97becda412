"""Point clouds in text, NPY, NPZ and PCD: columns, types, names; what comes back."""

import itertools
import struct
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cases import DTYPES, assert_same, meshes, sample

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, write
from meshop.mesh import Mesh, Region

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
WORDS = st.text("abcdefgXYZ_0123456789", min_size=1, max_size=8).map(lambda s: "d" + s)
SETTINGS = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def cloud(**options):
    return meshes(
        codes=[1], places=("point",), regions=(), min_cells=1, names=WORDS, **options
    ).map(without_cells)


def without_cells(mesh):
    none = np.empty(0, np.int64)
    points = np.abs(mesh.points)  # -0.0 in a third coordinate would make a plane of it
    storage = {"points": mesh.storage["points"]}
    return Mesh(points, none, [0], none, mesh.point_data, storage=storage)


def back(mesh, suffix, **options):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(mesh, Path(folder, f"a{suffix}"), **options)
        return read(Path(folder, f"a{suffix}"))


@SETTINGS
@given(
    mesh=cloud(dtypes=[*DTYPES, ">f8", ">i4"], shapes=((), (2,), (3,))),
    suffix=st.sampled_from([".npy", ".npz", ".pcd"]),
)
def test_binary_clouds_come_back(mesh, suffix):
    found = back(mesh, suffix)
    assert_same(found, mesh)
    if mesh.storage["points"] == "float32":
        assert found.storage["points"] == "float32"


@SETTINGS
@given(mesh=cloud(dtypes=["i8", "f8"], shapes=((), (2,))))
def test_tables_come_back(mesh):
    found = back(mesh, ".csv")
    assert np.array_equal(found.points, mesh.points)
    assert list(found.point_data) == list(mesh.point_data)
    for name, values in mesh.point_data.items():
        assert np.array_equal(found.point_data[name], values, equal_nan=values.dtype.kind == "f")


@SETTINGS
@given(mesh=meshes())
def test_npz_keeps_everything(mesh):
    for name in ("connectivity", "offsets"):
        mesh.storage.pop(name)
    assert_same(back(mesh, ".npz"), mesh)


def test_csv_columns(tmp_path):
    text = (
        '"id";"Points:0";"Points:1";"Points:2";U:0;U:1;U:2;name;nx;ny;nz;empty\r\n'
        '9007199254740993;0,5;1;2;1;2;3;"a;b";0;0;1;\r\n'
        "2;1,5;1;2;4;5;6;c;0;0;1;3,25\r\n"
    )
    (tmp_path / "a.csv").write_bytes(text.encode("utf-8-sig"))
    mesh = read(tmp_path / "a.csv")
    assert mesh.points.tolist() == [[0.5, 1, 2], [1.5, 1, 2]]
    assert mesh.point_data["id"].tolist() == [9007199254740993, 2]
    assert mesh.point_data["id"].dtype == np.int64
    assert mesh.point_data["U"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert mesh.point_data["name"].tolist() == ["a;b", "c"]
    assert mesh.point_data["Normals"].tolist() == [[0, 0, 1]] * 2
    assert np.isnan(mesh.point_data["empty"][0]) and mesh.point_data["empty"][1] == 3.25


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.csv", "id, x, y\n9007199254740993, 1, 2\n4, 3, 4\n", {"id": [9007199254740993, 4]}),
        ("a.csv", "x,y,y2,,y\n1,2,5,6,7\n3,4,5,6,7\n",
         {"y2": [5, 5], "column_3": [6, 6], "y_": [7, 7]}),
        ("a.xyz", "# comment\n#x y t\n1 2 7.5\n3 4 8\n", {"t": [7.5, 8]}),
        ("a.txt", "x [m]\ty [m]\tu v\n1\t2\t5\n3\t4\t6\n", {"u v": [5, 6]}),
        ("a.csv", "x,y,T\nm,m,K\n1,2,5\n3,4,6\n", {"T": [5, 6]}),
        ("a.csv", "1,2,\n3,4,\n", {}),
        ("a.csv", '"p (Pa)","X (m)","Y (m)"\n5,1,2\n6,3,4\n', {"p (Pa)": [5, 6]}),
        ("a.csv", "[Name]\nPlane 1\n\n[Data]\nX [ m ], Y [ m ], p [ Pa ]\n1, 2, 5\n3, 4, 6\n",
         {"p [ Pa ]": [5, 6]}),
        ("a.txt", "% Model:   a.mph\n% X   Y   u (m/s)\n1  2  5\n3  4  6\n",
         {"u (m/s)": [5, 6]}),
        ("a.xyz", "2\n // by a scanner\n" + "# and on\n" * 99 + "%x y w\n\n \n 1 2 5\n3 4 6\n",
         {"w": [5, 6]}),
        ("a.txt", "NACA 0012\n1 2\n3 4\n", {}),
        ("a.csv", "x,y,s\n1,2,a\n3,4,\n", {"s": ["a", ""]}),
    ],
)  # fmt: skip
def test_tables_as_others_write_them(tmp_path, name, text, columns):
    (tmp_path / name).write_text(text)
    mesh = read(tmp_path / name)
    assert mesh.points.tolist() == [[1, 2, 0], [3, 4, 0]]
    assert mesh.storage["dimension"] == "2"
    assert {n: v.tolist() for n, v in mesh.point_data.items()} == columns


def test_chemists_and_scanners(tmp_path):
    (tmp_path / "a.xyz").write_text("2\n\nO 0 0 1\nH 1 0 2\n")
    mesh = read(tmp_path / "a.xyz")
    assert mesh.points.tolist() == [[0, 0, 1], [1, 0, 2]]
    assert mesh.point_data["column_0"].tolist() == ["O", "H"]
    (tmp_path / "a.xyz").write_text("2\nwater 1 2\nO 0 0 1\nH 1 0 2\n")
    assert read(tmp_path / "a.xyz").n_points == 2
    (tmp_path / "a.pts").write_text("2\n0 0 1 -1200 255 0 0\n1 0 2 -900 0 0 255\n")
    mesh = read(tmp_path / "a.pts")
    assert mesh.n_points == 2 and mesh.point_data["column_3"].tolist() == [-1200, -900]
    assert mesh.point_data["column_3"].dtype == np.int64


def test_blocks_of_text_do_not_show(tmp_path, monkeypatch):
    rows = "".join(f"{i},{i}.5,{i},{2**60 + i}\n" for i in range(50))
    (tmp_path / "a.csv").write_text("x,y,z,id\n" + rows)
    whole = read(tmp_path / "a.csv")
    monkeypatch.setattr("meshop.io._words._BLOCK", 30)
    assert_same(read(tmp_path / "a.csv"), whole)
    assert whole.point_data["id"].tolist() == [2**60 + i for i in range(50)]


def test_clouds_with_cells_are_refused(tmp_path):
    for suffix in (".xyz", ".csv", ".npy", ".pcd", ".las"):
        with pytest.raises(MeshFileError, match="points only"):
            sample().save(tmp_path / f"a{suffix}")
    mesh = Mesh.from_blocks(np.eye(3), [("vertex", [[0], [1], [2]])])
    mesh.regions["some"] = Region("point", [1])
    mesh.point_data["text"] = np.array(["a", "b, c", ""])
    for suffix in (".xyz", ".csv", ".npy", ".pcd", ".las"):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            mesh.save(tmp_path / f"a{suffix}")
        words = " ".join(str(w.message) for w in said)
        assert "vertex cells" in words and "some" in words
        found = read(tmp_path / f"a{suffix}")
        assert np.allclose(found.points, mesh.points, atol=1e-9)
        stored = found.point_data["text"].tolist() if suffix in (".csv", ".npy") else None
        assert stored in (None, ["a", "b, c", ""])


# -- NumPy --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "planar", "code"),
    [(("vertices", "elements", 3), True, 5), (("points", "cells", 4), True, 9),
     (("nodes", "tets", 4), False, 10), (("coords", "quads", 4), False, 9),
     (("X", "T", 8), False, 12)],
)  # fmt: skip
def test_npz_by_usual_names(tmp_path, names, planar, code):
    points, cells, size = names
    coordinates = np.random.default_rng(0).random((9, 2 if planar else 3))
    arrays = {
        points: coordinates,
        cells: np.arange(size)[None],
        "u": np.ones((9, 2)),
        "c": np.ones(1),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays, dt=0.5)
    mesh = read(tmp_path / "a.npz")
    assert np.array_equal(mesh.points[:, : coordinates.shape[1]], coordinates)
    assert mesh.cell_types.tolist() == [code] and mesh.cell_nodes.tolist() == list(range(size))
    assert mesh.point_data["u"].shape == (9, 2) and mesh.cell_data["c"].tolist() == [1]
    assert mesh.field_data["dt"].tolist() == [0.5]


def test_npy_positions_as_one_field(tmp_path):
    table = np.zeros(4, [("pos", "f4", 3), ("mass", "f8")])
    table["pos"] = np.arange(12).reshape(4, 3)
    np.save(tmp_path / "a.npy", table)
    mesh = read(tmp_path / "a.npy")
    assert mesh.points.tolist() == table["pos"].tolist() and list(mesh.point_data) == ["mass"]


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", points=np.array([{}, 1], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(MeshFileError, match="never read"):
            read(tmp_path / name)


# -- PCD ----------------------------------------------------------------------------------------


def pcd(kind, body, count=3):
    head = (
        "# .PCD v.7\nVERSION .7\nFIELDS x y z _ rgb normal_x normal_y normal_z hist\n"
        "SIZE 4 4 4 1 4 4 4 4 2\nTYPE F F F U F F F F U\nCOUNT 1 1 1 4 1 1 1 1 2\n"
        f"WIDTH {count}\nHEIGHT 1\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS {count}\nDATA {kind}\n"
    )
    return head.encode() + body


def rgb(r, g, b):
    return struct.unpack("<f", bytes([b, g, r, 0]))[0]


ROWS = [(i, 0.5, 2, 0, 0, 0, 0, rgb(10 + i, 20, 30), 0, 0, 1, 7, i) for i in range(3)]


def lzf_literal(data):
    parts = (data[at : at + 32] for at in range(0, len(data), 32))
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def pcd_variants():
    form = "<3f4Bf3f2H"
    rows = [struct.pack(form, *row) for row in ROWS]
    cuts = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]
    fields = b"".join(row[a:b] for a, b in itertools.pairwise(cuts) for row in rows)
    packed = lzf_literal(fields)
    text = "".join(" ".join(repr(float(v)) if k in (0, 1, 2, 7, 8, 9, 10) else str(v)
                            for k, v in enumerate(row)) + "\n" for row in ROWS)  # fmt: skip
    return {
        "ascii": text.encode(),
        "binary": b"".join(rows),
        "binary_compressed": struct.pack("<II", len(packed), len(fields)) + packed,
    }


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_pcd_by_hand(tmp_path, kind):
    (tmp_path / "a.pcd").write_bytes(pcd(kind, pcd_variants()[kind]))
    mesh = read(tmp_path / "a.pcd")
    assert mesh.points.tolist() == [[i, 0.5, 2] for i in range(3)]
    assert mesh.storage["points"] == "float32"
    assert list(mesh.point_data) == ["RGB", "Normals", "hist"]
    assert mesh.point_data["RGB"].tolist() == [[10 + i, 20, 30] for i in range(3)]
    assert mesh.point_data["hist"].tolist() == [[7, i] for i in range(3)]
    assert mesh.point_data["hist"].dtype == np.uint16
    assert mesh.field_data["VIEWPOINT"].tolist() == [1, 2, 3, 1, 0, 0, 0]
    for as_binary in (True, False):
        mesh.save(tmp_path / "b.pcd", binary=as_binary)
        assert_same(read(tmp_path / "b.pcd"), mesh)


def test_lzf_copies(tmp_path):
    head = "FIELDS x y\nSIZE 4 4\nTYPE I I\nWIDTH 20\nHEIGHT 1\nPOINTS 20\nDATA binary_compressed\n"
    # One literal of four bytes, then a copy of 156 that overlaps itself, four bytes back.
    packed = b"\3\1\0\0\0" + bytes([7 << 5, 156 - 9, 3])
    data = head.encode() + struct.pack("<II", len(packed), 160) + packed
    (tmp_path / "a.pcd").write_bytes(data)
    assert read(tmp_path / "a.pcd").points.tolist() == [[1, 1, 0]] * 20


def test_points_that_are_missing_from_an_organised_cloud(tmp_path):
    text = (
        "FIELDS x y z\nWIDTH 2\nHEIGHT 2\nPOINTS 4\nDATA ascii\n0 0 1\nnan nan nan\n2 0 1\n3 0 1\n"
    )
    (tmp_path / "a.pcd").write_text(text)
    with pytest.warns(MeshFileWarning, match="1 of 4 points"):
        mesh = read(tmp_path / "a.pcd")
    assert mesh.points[:, 0].tolist() == [0, 2, 3]
    assert mesh.point_data["index"].tolist() == [0, 2, 3]


# -- real files ---------------------------------------------------------------------------------


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
def test_real_files():
    folder = ZOO / "pointclouds_pyntcloud/tests/data"
    diamond = read(folder / "diamond.npy")
    assert diamond.n_points == 6 and diamond.point_data["RGBA"].dtype == np.uint8
    assert np.allclose(read(folder / "diamond.xyz").points, diamond.points)
    assert read(folder / "plane.npz").n_points == 5
    square = read(ZOO / "pyamg_gallery/mesh_data/square_mesh.npz")
    assert square.n_points == 373 and square.n_cells == 688 and set(square.cell_types) == {5}
    assert abs(square.cell_measures().sum() - np.ptp(square.points[:, :2], axis=0).prod()) < 1
    bunny = read(ZOO / "cad_pythonocc/assets/models/bunny.pcd")
    assert (
        bunny.n_points == 397
        and bunny.points[0].tolist() == np.float32([0.0054216, 0.11349, 0.040749]).tolist()
    )
    flow = read(ZOO / "su2_testcases/disc_adj_rans/cylinder/solution_flow_00002.csv")
    assert flow.points[0].tolist() == [2.5, -2, 0]
    assert flow.point_data["PointID"].dtype == np.int64
    assert flow.point_data["Mach"][0] == 9.946294332167985e-02
    assert read(ZOO / "vtk_data/cactus.3337.pts").n_points == 3337
    assert list(read(ZOO / "vtk_data/multi-bin-2D.xyz").regions) == ["block 1", "block 2"]  # PLOT3D


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
     ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"),
     ("a.ply", "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
      "element face 1\nproperty list uchar int vertex_index\nend_header\n"
      "0 0\n1 0\n0 1\n3 0 1 2\n")],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_ends_of_lines(tmp_path, name, text, end):
    (tmp_path / name).write_bytes(text.replace("\n", end).encode())
    mesh = read(tmp_path / name)
    assert mesh.points.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert mesh.cell_nodes.tolist() == [0, 1, 2]


def test_a_count_that_is_wrong_is_said(tmp_path):
    (tmp_path / "a.xyz").write_text("3\nwater\nO 0 0 1\nH 1 0 2\n")
    with pytest.warns(MeshFileWarning, match="3 points declared in the first line, 2 found"):
        assert read(tmp_path / "a.xyz").n_points == 2
