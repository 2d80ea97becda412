"""The same mesh back: bit for bit, whatever its cells and dtypes."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mesh_cases import assert_same, meshes, sample

from meshop.errors import MeshFileError
from meshop.io import read, write
from meshop.mesh import Mesh, Region

AIRFOILS = Path(__file__).parents[3] / "shared" / "data" / "airfoil_rans"


@settings(max_examples=150, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(mesh=meshes(), compression=st.sampled_from(["zlib", "lz4", "lzma", None]))
def test_any_mesh_comes_back(mesh, compression):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.vtu")
        write(mesh, path, compression=compression)
        found = read(path)
        assert_same(found, mesh)
        for name in ("points", "connectivity", "offsets"):
            assert found.storage[name] == mesh.storage[name]
        first = path.read_bytes()
        found.save(path, compression=compression)
        assert path.read_bytes() == first


@pytest.mark.skipif(not AIRFOILS.is_dir(), reason="needs ../shared/data/airfoil_rans")
@pytest.mark.parametrize("index", [0, 100, -1])
def test_airfoil_cases_come_back(tmp_path, index):
    pv = pytest.importorskip("pyvista")
    source = sorted(AIRFOILS.glob("*.vtu"))[index]
    mesh = read(source)
    mesh.save(tmp_path / "a.vtu")
    assert_same(read(tmp_path / "a.vtu"), mesh)
    before, after = pv.read(source), pv.read(tmp_path / "a.vtu")
    assert before.points.dtype == after.points.dtype
    assert np.array_equal(before.points, after.points)
    assert np.array_equal(before.cells, after.cells)
    assert np.array_equal(before.celltypes, after.celltypes)
    for where in ("point_data", "cell_data", "field_data"):
        a, b = getattr(before, where), getattr(after, where)
        assert list(a.keys()) == list(b.keys())
        for name in a.keys():  # noqa: SIM118  (VTK's own container)
            assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes()


def test_moved_points_are_never_rounded(tmp_path):
    mesh = sample()
    mesh.points = mesh.points.astype(np.float32).astype(float)
    mesh.storage["points"] = "float32"
    mesh.save(tmp_path / "a.vtu")
    assert read(tmp_path / "a.vtu").storage["points"] == "float32"
    mesh.points = mesh.points + 1e-12
    mesh.save(tmp_path / "a.vtu")
    again = read(tmp_path / "a.vtu")
    assert again.storage["points"] == "float64" and np.array_equal(again.points, mesh.points)


def test_indices_that_outgrow_their_type_are_widened(tmp_path):
    mesh = sample(20)
    mesh.storage |= {"connectivity": "int8", "offsets": "uint8"}
    mesh.save(tmp_path / "a.vtu")
    again = read(tmp_path / "a.vtu")
    assert np.array_equal(again.cell_nodes, mesh.cell_nodes)
    assert again.storage["connectivity"] == "int64"


def test_types_and_shapes_that_vtk_does_not_have_come_back(tmp_path):
    mesh = sample()
    mesh.cell_data["tensor"] = np.arange(mesh.n_cells * 9.0).reshape(-1, 3, 3)
    mesh.cell_data["column"] = np.arange(mesh.n_cells)[:, None] > 5
    mesh.point_data["half"] = mesh.points.astype("f2")
    mesh.field_data["on"] = np.array([True])
    mesh.save(tmp_path / "a.vtu")
    assert_same(read(tmp_path / "a.vtu"), mesh)
    some = read(tmp_path / "a.vtu", arrays=["half"])
    assert some.point_data["half"].dtype == np.float16 and not some.cell_data
    grid = pv.read(tmp_path / "a.vtu")  # others find what VTK can have
    assert grid.cell_data["tensor"].shape == (mesh.n_cells, 9)
    assert grid.cell_data["column"].dtype == np.uint8


@pytest.mark.parametrize("told", ["bool 7", "float16", "bool 2 -1", "bool 99999999999999", "", "x"])
def test_a_note_that_does_not_fit_its_array_changes_nothing(tmp_path, told):
    mesh = sample()
    mesh.cell_data["a"] = np.arange(2 * mesh.n_cells).reshape(-1, 2)
    mesh.field_data |= {"meshop_array cell a": np.array([told]), "meshop_array cell b": np.empty(0)}
    mesh.field_data["meshop_array point gone"] = np.array(["bool"])
    mesh.save(tmp_path / "a.vtu")
    found = read(tmp_path / "a.vtu").cell_data["a"]
    assert found.dtype == np.int64 and np.array_equal(found, mesh.cell_data["a"])


def test_regions_travel_as_field_data(tmp_path):
    mesh = sample()
    mesh.regions = {
        "airfoil wall": Region("facet", [[0, 1], [1, 2]]),
        "far": Region("point", [3, 4]),
        "solid": Region("cell", []),
        "no facets": Region("facet", np.empty((0, 3), np.int64)),
        "ends": Region("facet", [[0], [4]]),
    }
    mesh.save(tmp_path / "a.vtu")
    again = read(tmp_path / "a.vtu")
    assert_same(again, mesh)
    assert again.regions["airfoil wall"].ids.shape == (2, 2)


def test_names_are_escaped_or_refused(tmp_path):
    mesh = sample()
    mesh.cell_data["a \"<&>'\n\tß"] = np.zeros(mesh.n_cells)
    mesh.save(tmp_path / "a.vtu")
    assert_same(read(tmp_path / "a.vtu"), mesh)
    for name in ("\x01", "", "\ud800"):
        bad = mesh.copy()
        bad.cell_data[name] = np.zeros(mesh.n_cells)
        with pytest.raises(MeshFileError):
            bad.save(tmp_path / "a.vtu")
    assert_same(read(tmp_path / "a.vtu"), mesh)


def test_one_huge_string_among_many_does_not_multiply(tmp_path):
    mesh = Mesh.from_blocks(np.zeros((1, 3)))
    texts = np.array(["x" * 100_000, *["y"] * 5000], dtype=object)
    mesh.field_data["text"] = texts
    mesh.save(tmp_path / "a.vtu")
    found = read(tmp_path / "a.vtu").field_data["text"]
    assert found.dtype == object and found.tolist() == texts.tolist()
