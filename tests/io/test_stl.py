"""STL: bytes by hand, other libraries as oracles, and what comes back."""

import struct
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cases import meshes, sample

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, write
from meshop.mesh import Mesh, Region

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.1]]


def facet(*corners, normal=(0, 0, 0), attribute=0):
    return struct.pack("<12fH", *normal, *(x for c in corners for x in SQUARE[c]), attribute)


def binary(*facets, count=None, header=b"solid like an ascii file"):
    return (
        header.ljust(80)
        + struct.pack("<I", len(facets) if count is None else count)
        + b"".join(facets)
    )


def test_binary_by_hand(tmp_path):
    path = tmp_path / "a.stl"
    path.write_bytes(binary(facet(0, 1, 2, attribute=3), facet(2, 3, 0)))
    mesh = read(path)
    assert mesh.points.tolist() == np.array(SQUARE, np.float32).tolist()
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 2, 3, 0] and set(mesh.cell_types) == {5}
    assert mesh.cell_data["attribute"].tolist() == [3, 0]
    assert mesh.cell_data["attribute"].dtype == np.uint16
    assert mesh.storage["points"] == "float32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mesh.save(tmp_path / "b.stl")
    assert read(tmp_path / "b.stl").cell_data["attribute"].tolist() == [3, 0]


def test_counts_of_programs_that_did_not_know_them(tmp_path):
    path = tmp_path / "a.stl"
    for count in (0, 2**32 - 1):
        path.write_bytes(binary(facet(0, 1, 2), facet(0, 2, 3), count=count))
        with pytest.warns(MeshFileWarning, match=f"{count} triangles, 2 follow"):
            assert read(path).n_cells == 2
    path.write_bytes(binary(facet(0, 1, 2)) + bytes(33))
    assert read(path).n_cells == 1
    path.write_bytes(binary(facet(0, 1, 2), facet(0, 2, 3), count=1))
    with pytest.raises(MeshFileError, match="1 triangles declared, bytes for 2"):
        read(path)
    path.write_bytes(binary(facet(0, 1, 2), count=7))
    with pytest.raises(MeshFileError, match="7 triangles declared, the file holds 1"):
        read(path)


def test_ascii_solids_are_regions(tmp_path):
    one = "facet normal 0 0 1 outer loop vertex 0 0 0 vertex 1 0 0 vertex 1 1 0 endloop endfacet\n"
    text = f"solid the wing\n{one}endsolid the wing\nSOLID tail\r\n{one.upper()}{one}ENDSOLID\n"
    text += f"solid the wing\n{one.replace('1 1 0', '1.0E+00 +1.e0 -0.0')}endsolid\n"
    (tmp_path / "a.stl").write_text(text)
    mesh = read(tmp_path / "a.stl")
    assert mesh.points.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]] and mesh.n_cells == 4
    assert {n: r.ids.tolist() for n, r in mesh.regions.items()} == {
        "the wing": [0, 3],
        "tail": [1, 2],
    }
    mesh.save(tmp_path / "b.stl", binary=False)
    again = read(tmp_path / "b.stl")
    assert {n: r.ids.tolist() for n, r in again.regions.items()} == {
        "the wing": [0, 3],
        "tail": [1, 2],
    }
    (tmp_path / "c.stl").write_text(f"solid\n{one}endsolid\nsolid\n{one}endsolid\n")
    assert list(read(tmp_path / "c.stl").regions) == ["solid 1", "solid 2"]
    for text in (
        f"  solid\tof solid\r{one[:-1]}\rendsolid\r",
        f"Solid of solid\n{one}  end solid\n",
    ):
        (tmp_path / "d.stl").write_bytes(text.encode())
        assert list(read(tmp_path / "d.stl").regions) == ["of solid"]
    (tmp_path / "d.stl").write_text(f"solid a {one} endsolid")
    with pytest.raises(MeshFileError, match="all name"):
        read(tmp_path / "d.stl")
    (tmp_path / "d.stl").write_text(f"solid a\n{one}")
    with pytest.warns(MeshFileWarning, match="endsolid"):
        assert read(tmp_path / "d.stl").n_cells == 1


def test_quads_and_polygons_are_split_with_a_warning(tmp_path):
    mesh = Mesh.from_blocks(
        [*SQUARE, [0.5, 2, 0]],
        [("quad", [[0, 1, 2, 3]]), ("polygon", [[0, 1, 2, 4, 3]]), ("pixel", [[0, 1, 3, 2]]),
         ("triangle_strip", [[0, 1, 3, 2]]), ("triangle", [[0, 1, 2]])],
    )  # fmt: skip
    with pytest.warns(MeshFileWarning, match="strips, polygons, pixels, quads"):
        mesh.save(tmp_path / "a.stl", binary=False)
    found = read(tmp_path / "a.stl")
    assert found.cell_nodes.reshape(-1, 3).tolist() == [
        [0, 1, 2], [0, 2, 3], [0, 1, 2], [0, 2, 4], [0, 4, 3], [0, 1, 3], [1, 2, 3], [0, 1, 3],
        [1, 2, 3], [0, 1, 2],
    ]  # fmt: skip


def test_what_stl_cannot_hold(tmp_path):
    solid = Mesh.from_blocks(np.eye(4)[:, :3], [("tetra", [[0, 1, 2, 3]])])
    with pytest.raises(MeshFileError, match=r"(?s)cell 0.*no tetra.*surface"):
        solid.save(tmp_path / "a.stl")
    mesh = Mesh.from_blocks(np.array(SQUARE) / 3, [("triangle", [[0, 1, 2]])])
    mesh.point_data["p"] = np.arange(4.0)
    mesh.regions["wall"] = Region("cell", [0])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.stl")
    words = " ".join(str(w.message) for w in said)
    for word in ("float32", "no triangle uses", "point data", "wall"):
        assert word in words
    huge = Mesh.from_blocks(np.eye(3) * 1e300, [("triangle", [[0, 1, 2]])])
    with pytest.raises(MeshFileError, match="float32"):
        huge.save(tmp_path / "b.stl")
    assert not (tmp_path / "b.stl").exists()


def corners(mesh):
    return mesh.points[mesh.cell_nodes].tobytes()


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    mesh=meshes(codes=[5], places=(), regions=("cell",)),
    as_binary=st.booleans(),
)
def test_triangles_come_back(mesh, as_binary):
    mesh.points += 0.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        path = Path(folder, "a.stl")
        try:
            write(mesh, path, binary=as_binary)
        except MeshFileError as error:
            assert "float32" in str(error) and np.abs(mesh.points).max() > 3e38
            return
        found = read(path)
    exact = mesh.points.astype(np.float32) if as_binary else mesh.points
    exact = exact + np.float32(0)  # -0.0, which rounding makes too, and 0.0 are one place
    assert found.points[found.cell_nodes].tobytes() == (
        exact[mesh.cell_nodes].astype(float).tobytes()
    )
    assert len(np.unique(found.points, axis=0)) == found.n_points
    rounded = as_binary and not np.array_equal(exact, mesh.points)
    assert rounded == any("rounded" in str(w.message) for w in said)
    if not as_binary and "wall" in mesh.regions and len(mesh.regions["wall"].ids):
        ids = np.unique(mesh.regions["wall"].ids)
        assert found.regions["wall"].ids.tolist() == ids.tolist()


def test_other_libraries_read_and_write_the_same(tmp_path):
    pv = pytest.importorskip("pyvista")
    trimesh = pytest.importorskip("trimesh")
    rng = np.random.default_rng(1)
    points = rng.random((30, 3)).astype(np.float32).astype(float)
    mesh = Mesh.from_blocks(points, [("triangle", np.arange(30).reshape(10, 3))])
    for as_binary in (True, False):
        mesh.save(tmp_path / "a.stl", binary=as_binary)
        theirs = pv.read(tmp_path / "a.stl")
        assert np.array_equal(theirs.points[theirs.regular_faces], points.reshape(-1, 3, 3))
        other = trimesh.load(tmp_path / "a.stl", process=False)
        assert np.array_equal(np.float32(other.triangles), np.float32(points.reshape(-1, 3, 3)))
        theirs.save(tmp_path / "b.stl", binary=as_binary)
        assert np.allclose(read(tmp_path / "b.stl").points, points, atol=1e-6)


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
@pytest.mark.parametrize("path", sorted(ZOO.rglob("*.stl")), ids=lambda p: p.name)
def test_real_files(path):
    pv = pytest.importorskip("pyvista")
    mesh, theirs = read(path), pv.read(path)
    assert mesh.n_cells == theirs.n_cells and mesh.n_points == theirs.n_points
    ours = mesh.points[mesh.cell_nodes].reshape(-1, 3, 3)
    assert np.array_equal(ours.astype(np.float32), theirs.points[theirs.regular_faces])


def test_many_points_of_one_hash():
    from meshop.io import stl

    rows = np.array([[0, 0, 0], [1, 2, 3], [0, 0, -0.0], [1, 2, 3], [5, 0, 0]])
    first, group = stl._equal_rows(rows)
    assert first.tolist() == [0, 1, 4] and group.tolist() == [0, 1, 0, 1, 2]


def test_empty_surface(tmp_path):
    for as_binary in (True, False):
        Mesh.from_blocks(np.empty((0, 3))).save(tmp_path / "a.stl", binary=as_binary)
        assert read(tmp_path / "a.stl").n_cells == 0
    with pytest.warns(MeshFileWarning):
        sample().save(tmp_path / "a.stl")
