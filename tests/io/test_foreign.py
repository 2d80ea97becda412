"""Formats that VTK or meshio read, in a child process: good files, damaged ones, several times."""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import PLANE, SOLID

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, read_series
from meshop.io._dispatch import format_of
from meshop.mesh import Mesh

sys.path.insert(0, str(Path(__file__).parents[1] / "corrupt"))
from corrupter import damage

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1.0]])


def by_meshio(path, name, cells, **data):
    """What meshio writes, with its talk."""
    meshio = pytest.importorskip("meshio")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meshio.write(path, meshio.Mesh(POINTS, cells, **data), file_format=name)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("nastran", ".bdf"), ("h5m", ".h5m"), ("medit", ".mesh"),
     ("medit", ".meshb"), ("permas", ".dato"), ("ugrid", ".lb8.ugrid"),
     ("dolfin-xml", ".xml"), ("hmf", ".hmf"), ("netgen", ".vol"), ("mdpa", ".mdpa")],
)  # fmt: skip
def test_through_meshio(tmp_path, name, suffix, capfd):
    by_meshio(tmp_path / f"a{suffix}", name, [("tetra", [[0, 1, 2, 4], [1, 2, 3, 5]])])
    capfd.readouterr()
    mesh = read(tmp_path / f"a{suffix}")
    assert np.allclose(mesh.points, POINTS)
    assert set(mesh.cell_types[:2].tolist()) == {10}
    nodes = mesh.cell_nodes[:8].reshape(2, 4)
    assert [set(row) for row in nodes.tolist()] == [{0, 1, 2, 4}, {1, 2, 3, 5}]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "blocks",
    [
        [("triangle", [[0, 1, 4]]), ("line", [[0, 1], [1, 2]]), ("vertex", [[3], [5]])],
        [("vertex", [[1]]), ("quadratic_triangle", [range(6)]), ("vertex", [[1]])],
        [("tetra", [[0, 1, 2, 3]]), ("pyramid", [range(5)]), ("quadratic_edge", [[0, 1, 2]])],
        [("wedge", [range(6)]), ("quad", [[0, 1, 2, 3]]), ("triangle", [[0, 1, 2]])],
    ],
)
def test_xdmf_of_mixed_cells(tmp_path, blocks):
    mesh = Mesh.from_blocks(np.random.default_rng(0).random((6, 3)), blocks)
    mesh.save(tmp_path / "a.xdmf")  # warnings are errors
    found = read(tmp_path / "a.xdmf")
    for name in ("points", "cell_types", "cell_offsets", "cell_nodes"):
        assert np.array_equal(getattr(found, name), getattr(mesh, name))


def test_xdmf_series(tmp_path):
    meshio = pytest.importorskip("meshio")
    pytest.importorskip("h5py")
    path = tmp_path / "a.xdmf"
    code = f"""
import os, meshio, numpy as np
os.chdir({str(tmp_path)!r})
with meshio.xdmf.TimeSeriesWriter("a.xdmf") as file:
    file.write_points_cells(np.array({POINTS.tolist()}), [("tetra", np.array([[0, 1, 2, 4]]))])
    for t in (0.0, 0.5, 2.0):
        file.write_data(t, point_data=dict(u=np.full(6, t)), cell_data=dict(p=[np.array([t])]))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    steps = read_series(path)
    assert steps.times == (0, 0.5, 2)
    assert [mesh.point_data["u"][0] for mesh in steps] == [0, 0.5, 2]
    assert read(path).cell_data["p"].tolist() == [2] and meshio
    assert read(path, time=0.5).field_data["TimeValue"].tolist() == [0.5]
    (tmp_path / "a.h5").unlink()
    with pytest.raises(MeshFileError, match=r"a\.h5 is missing"):
        read(path)


def by_vtk(code):
    """Files that VTK writes, out of process."""
    pytest.importorskip("vtk")
    head = "import vtk\nfrom vtkmodules.util.numpy_support import numpy_to_vtk\n"
    subprocess.run([sys.executable, "-c", head + code], check=True, capture_output=True)


def test_ensight_as_vtk_writes_it(tmp_path):
    SOLID.save(tmp_path / "a.vtu")
    by_vtk(f"""
reader = vtk.vtkXMLUnstructuredGridReader(); reader.SetFileName({str(tmp_path / "a.vtu")!r})
reader.Update(); grid = reader.GetOutput(); grid.GetPointData().Initialize()
grid.GetCellData().Initialize(); grid.GetFieldData().Initialize()
ids = vtk.vtkIntArray(); ids.SetName("BlockId"); ids.SetNumberOfTuples(grid.GetNumberOfCells())
ids.Fill(1); grid.GetCellData().AddArray(ids)
writer = vtk.vtkEnSightWriter(); writer.SetInputData(grid); writer.SetPath({str(tmp_path)!r})
writer.SetBaseName("b"); writer.Write(); writer.WriteCaseFile(1)
""")
    case = next(tmp_path.glob("*.case"))
    assert format_of(case).name == "EnSight"
    mesh = read(case)
    assert mesh.n_points == SOLID.n_points
    assert sorted(mesh.cell_types.tolist()) == sorted(SOLID.cell_types.tolist())
    next(tmp_path.glob("b*.geo")).unlink()
    with pytest.raises(MeshFileError, match=r"b.*\.geo"):
        read(case)


def exodus(path):
    """Two blocks, a side set, a node set and two times, by the format's specification."""
    netcdf = pytest.importorskip("scipy.io").netcdf_file
    with netcdf(path, "w") as file:
        file.api_version, file.version = np.float32(4.98), np.float32(4.98)
        file.floating_point_word_size, file.file_size = np.int32(8), np.int32(1)
        file.title = b"by hand"
        sizes = {"len_string": 33, "len_line": 81, "four": 4, "num_dim": 3, "num_nodes": 6,
                 "num_elem": 2, "num_el_blk": 2, "num_el_in_blk1": 1, "num_nod_per_el1": 4,
                 "num_el_in_blk2": 1, "num_nod_per_el2": 6, "num_side_sets": 1, "num_side_ss1": 1,
                 "num_node_sets": 1, "num_nod_ns1": 2, "num_nod_var": 1,
                 "num_elem_var": 1}  # fmt: skip
        file.createDimension("time_step", None)
        for name, size in sizes.items():
            file.createDimension(name, size)

        def put(name, values, *dims, kind="i4"):
            variable = file.createVariable(name, kind, dims)
            variable[:] = values
            return variable

        def text(name, words, dim):
            rows = np.array([list(word.ljust(33, "\0").encode()) for word in words], "u1")
            put(name, rows.view("S1"), dim, "len_string", kind="c")

        for name, column in zip("xyz", POINTS.T, strict=True):
            put(f"coord{name}", column, "num_nodes", kind="f8")
        text("eb_names", ["solid", "wedges"], "num_el_blk")
        put("eb_prop1", [10, 20], "num_el_blk").name = b"ID"
        put("connect1", [[1, 2, 3, 5]], "num_el_in_blk1", "num_nod_per_el1").elem_type = b"TETRA4"
        connect = put("connect2", [[1, 2, 3, 4, 5, 6]], "num_el_in_blk2", "num_nod_per_el2")
        connect.elem_type = b"WEDGE6"
        put("ss_prop1", [7], "num_side_sets").name = b"ID"
        put("elem_ss1", [1], "num_side_ss1")
        put("side_ss1", [4], "num_side_ss1")
        put("ns_prop1", [8], "num_node_sets").name = b"ID"
        put("node_ns1", [2, 6], "num_nod_ns1")
        text("name_nod_var", ["T"], "num_nod_var")
        text("name_elem_var", ["q"], "num_elem_var")
        times = file.createVariable("time_whole", "f8", ("time_step",))
        field = file.createVariable("vals_nod_var1", "f8", ("time_step", "num_nodes"))
        cell = [
            file.createVariable(f"vals_elem_var1eb{n}", "f8", ("time_step", f"num_el_in_blk{n}"))
            for n in (1, 2)
        ]
        for step, time in enumerate((0.25, 1.5)):
            times[step] = time
            field[step] = np.arange(6) + 10 * step
            cell[0][step], cell[1][step] = [step], [step + 5]


def test_exodus_by_hand(tmp_path):
    exodus(tmp_path / "a.exo")
    mesh = read(tmp_path / "a.exo")
    assert np.array_equal(mesh.points, POINTS)
    assert mesh.cell_types.tolist() == [10, 13]
    assert mesh.cell_nodes[:4].tolist() == [0, 1, 2, 4]
    assert sorted(mesh.cell_nodes[4:].tolist()) == [0, 1, 2, 3, 4, 5]
    kinds = {name: (region.kind, region.ids.tolist()) for name, region in mesh.regions.items()}
    facet = kinds.pop("side set 7")
    assert facet[0] == "facet" and set(facet[1][0]) == {0, 1, 2}
    assert kinds == {
        "solid": ("cell", [0]), "wedges": ("cell", [1]), "node set 8": ("point", [1, 5])
    }  # fmt: skip
    assert mesh.point_data["T"].tolist() == [10, 11, 12, 13, 14, 15]
    assert mesh.cell_data["q"].tolist() == [1, 6]
    steps = read_series(tmp_path / "a.exo")
    assert steps.times == (0.25, 1.5) and steps[0].point_data["T"][5] == 5
    assert read(tmp_path / "a.exo", time=0.25).cell_data["q"].tolist() == [0, 5]
    (tmp_path / "other").write_bytes((tmp_path / "a.exo").read_bytes())
    assert read(tmp_path / "other").n_cells == 2  # by content


FLUENT = """(0 "a tetrahedron")
(2 3)
(10 (0 1 4 0 3))
(12 (0 1 1 0))
(13 (0 1 4 0))
(10 (1 1 4 1 3)
(
 0 0 0
 1 0 0
 0 1 0
 0 0 1
))
(12 (2 1 1 1 2))
(13 (3 1 4 3 3)
(
1 2 3 1 0
1 2 4 1 0
2 3 4 1 0
1 3 4 1 0
))
(45 (2 fluid air)())
(45 (3 wall side)())
"""


@pytest.mark.parametrize("suffix", [".cas", ".msh"])
def test_fluent_by_hand(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text(FLUENT)
    mesh = read(tmp_path / f"a{suffix}")
    assert mesh.n_points == 4 and mesh.cell_types.tolist() == [10]
    assert mesh.cell_measures() == pytest.approx([1 / 6])
    assert mesh.regions["air"].ids.tolist() == [0]
    assert mesh.regions["side"].ids.tolist() == [[0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 2, 3]]


def test_fluent_plane_with_faces_of_several_kinds(tmp_path):
    text = """(2 2)
(10 (0 1 4 0 2))
(12 (0 1 2 0))
(13 (0 1 5 0))
(10 (1 1 4 1 2)
(
 0 0
 1 0
 1 1
 0 1
))
(12 (2 1 2 1 1))
(13 (3 1 1 2 2)
(
1 3 1 2
))
(13 (a 2 5 3 0)
(
2 1 2 1 0
2 2 3 1 0
2 3 4 2 0
2 4 1 2 0
))
(45 (2 fluid air)())
(45 (3 interior inner)())
(45 (10 wall side)())
"""
    (tmp_path / "a.cas").write_text(text)
    mesh = read(tmp_path / "a.cas")
    assert mesh.cell_types.tolist() == [5, 5] and mesh.cell_measures() == pytest.approx([0.5, 0.5])
    assert mesh.regions["side"].ids.tolist() == [[0, 1], [1, 2], [2, 3], [3, 0]]


TECPLOT = """TITLE = "two triangles"
VARIABLES = "X", "Y", "P"
ZONE T="first", N=4, E=2, F=FEPOINT, ET=TRIANGLE
0 0 1
1 0 2
1 1 3
0 1 4
1 2 3
1 3 4
"""


def test_tecplot_by_hand(tmp_path):
    (tmp_path / "a.dat").write_text(TECPLOT)
    mesh = read(tmp_path / "a.dat")
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 2, 3] and mesh.n_points == 4
    assert mesh.point_data["P"].tolist() == [1, 2, 3, 4]


def test_tecplot_keeps_all_digits(tmp_path):
    text = TECPLOT.replace("0 0 1", "0 0.1234567890123 1")
    (tmp_path / "a.dat").write_text(text)
    assert read(tmp_path / "a.dat").points[0, 1] == 0.1234567890123
    (tmp_path / "a.dat").write_text(text + text[text.index("ZONE") :])
    with pytest.warns(MeshFileWarning, match="rounded to 7 digits"):
        assert read(tmp_path / "a.dat").points[0, 1] == pytest.approx(0.1234567890123)
    points = np.random.default_rng(0).random((6, 3))
    meshio = pytest.importorskip("meshio")
    cells = [("tetra", np.array([[0, 1, 2, 4], [1, 2, 3, 5]]))]
    data = {"point_data": {"u": 1e3 * points[:, 0]}, "cell_data": {"p": [np.array([1 / 3, 2])]}}
    meshio.write(tmp_path / "b.dat", meshio.Mesh(points, cells, **data), file_format="tecplot")
    mesh = read(tmp_path / "b.dat")
    assert np.array_equal(mesh.points, points)
    assert np.array_equal(mesh.point_data["u"], 1e3 * points[:, 0])
    assert mesh.cell_data["p"].tolist() == [1 / 3, 2]


def test_what_meshio_takes_for_cgns(tmp_path):
    by_meshio(tmp_path / "a.cgns", "cgns", [("tetra", [[0, 1, 2, 4], [1, 2, 3, 5]])])
    mesh = read(tmp_path / "a.cgns")
    assert np.array_equal(mesh.points, POINTS)
    assert mesh.cell_types.tolist() == [10, 10]
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 4, 1, 2, 3, 5]


def test_avs_ucd_keeps_arrays(tmp_path):
    text = "4 2 1 1 0\n1 0 0 0\n2 1 0 0\n3 1 1 0\n4 0 1 0\n1 7 tri 1 2 3\n2 8 tri 1 3 4\n"
    text += "1 1\nT, K\n1 10\n2 20\n3 30\n4 40\n1 1\np, Pa\n1 0.5\n2 1.5\n"
    (tmp_path / "a.inp").write_text(text)
    mesh = read(tmp_path / "a.inp")
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 2, 3]
    assert mesh.point_data["T"].tolist() == [10, 20, 30, 40]
    assert mesh.cell_data["p"].tolist() == [0.5, 1.5]
    assert mesh.cell_data["Material Id"].tolist() == [7, 8]


@pytest.mark.parametrize(
    "name",
    ["a.cgns", "a.e", "a.case", "a.cas", "a.cas.h5", "a.nek5000", "a.ucd", "a.dat", "a.neu",
     "a.cel", "a.vrt", "a.res", "a.g", "a.facet", "a.ncdf", "a.nc", "a.sos", "a.med", "a.meshb",
     "a.bdf", "a.vol", "a.node", "a.ugrid", "a.wkt", "a.mdpa", "a.h5m", "a.xdmf", "a.f3grid"],
)  # fmt: skip
@pytest.mark.parametrize("content", [b"hello, I am no mesh\n", bytes(range(256)) * 8])
def test_nonsense_is_one_clear_error(tmp_path, name, content, capfd):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshFileError) as caught:
        read(tmp_path / name)
    assert 2 <= len(str(caught.value).splitlines()) <= 3
    assert "the reader failed" not in caught.value.reason
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_vtk_and_meshio_stay_outside_of_this_process(tmp_path):
    (tmp_path / "a.dat").write_text(TECPLOT)
    by_meshio(tmp_path / "a.vol", "netgen", [("tetra", [[0, 1, 2, 4]])])
    code = (
        "import sys, meshop\n"
        f"meshop.read({str(tmp_path / 'a.dat')!r}), meshop.read({str(tmp_path / 'a.vol')!r})\n"
        "print([m for m in ('vtk', 'vtkmodules', 'meshio', 'h5py') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


DAMAGED = (
    "vtk_data/edgeFaceElem.exii", "vtk_data/prism.neu", "vtk_data/tecplot_ascii.dat",
    "libmesh_meshes/tests/meshes/exodus_elements/read_exodus_TRI7.e", "vtk_data/clown.facet",
    "su2_testcases/vandv/rans/bump_in_channel/mesh_bump_2d_0089x041.cgns",
    "../mover_meshes/ugawg/cone-cone/cone-cone.meshb", "vtk_data/FLUENTCFF/room.cas.h5",
    "../shapenet_car/data/test/sample_000000000/meshes/mesh_000000000.cgns",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), which=st.integers(0, len(DAMAGED) - 1))
def test_damaged_by_chance(seed, which):
    source = ZOO / DAMAGED[which]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)
        path = Path(folder, "a" + "".join(source.suffixes[-2:]))
        path.write_bytes(damage(source.read_bytes(), seed))
        try:
            mesh = read(path)
        except MeshFileError as error:
            assert 2 <= len(str(error).splitlines()) <= 3
            assert "the reader failed" not in error.reason
        else:
            mesh.check()
            mesh.boundary_facets()


def test_what_meshio_cannot_write_is_said(tmp_path):
    mesh = PLANE.copy()
    mesh.regions = {}
    mesh.cell_data["p"] = np.arange(mesh.n_cells)
    with pytest.warns(MeshFileWarning, match="cell data are not stored: p"):
        mesh.save(tmp_path / "a.bdf")
    for name in ("a.cgns", "a.e", "a.dat", "a.avs", "a.frd", "a.unv"):
        with pytest.raises(MeshFileError, match=r"does not write it\ntry: \.vtu"):
            mesh.save(tmp_path / name)


def test_cells_that_meshio_drops_are_an_error(tmp_path):
    points = [[0, 0], [1, 0], [1, 1], [0, 1], [2, 0]]
    mesh = Mesh.from_blocks(points, [("triangle", [[0, 1, 2]]), ("quad", [[0, 1, 2, 3]])])
    with pytest.raises(MeshFileError, match="does not keep this quad"):
        mesh.save(tmp_path / "a.h5m")
    assert list(tmp_path.iterdir()) == []


def test_cells_that_meshio_reorders_are_told(tmp_path):
    mesh = Mesh.from_blocks(np.eye(4, 3), [("tetra", [[3, 0, 1, 2]]), ("triangle", [[0, 1, 2]])])
    with pytest.warns(MeshFileWarning, match="another order"):
        mesh.save(tmp_path / "a.vol")
    assert sorted(read(tmp_path / "a.vol").cell_types) == [5, 10]
