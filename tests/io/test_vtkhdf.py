"""VTKHDF: VTK is the second opinion both ways; series keep each step and store little."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from mesh_cases import DTYPES, NAMES, assert_same, meshes, sample

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import _hdf5, read, read_series, write, write_series
from meshop.mesh import Mesh, Region

h5py = pytest.importorskip("h5py")
pv = pytest.importorskip("pyvista")
vtk = pytest.importorskip("vtk")
hdf = pytest.importorskip("vtkmodules.vtkIOHDF")
from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase  # noqa: E402


class Steps(VTKPythonAlgorithmBase):
    """A pipeline source of several times, for VTK's writer."""

    def __init__(self, make, times, kind):
        super().__init__(nInputPorts=0, outputType=kind)
        self.make, self.times = make, times

    def RequestInformation(self, request, inputs, outputs):
        info, keys = outputs.GetInformationObject(0), vtk.vtkStreamingDemandDrivenPipeline
        info.Set(keys.TIME_STEPS(), self.times, len(self.times))
        info.Set(keys.TIME_RANGE(), [self.times[0], self.times[-1]], 2)
        return 1

    def RequestData(self, request, inputs, outputs):
        info, keys = outputs.GetInformationObject(0), vtk.vtkStreamingDemandDrivenPipeline
        has = info.Has(keys.UPDATE_TIME_STEP())
        time = info.Get(keys.UPDATE_TIME_STEP()) if has else self.times[0]
        out = vtk.vtkDataObject.GetData(info)
        out.ShallowCopy(self.make(time))
        out.GetInformation().Set(vtk.vtkDataObject.DATA_TIME_STEP(), time)
        return 1


def vtk_write(data, path, times=None):
    writer = hdf.vtkHDFWriter()
    if times is None:
        writer.SetInputData(data)
    else:
        source = Steps(data, times, data(times[0]).GetClassName())
        writer.SetInputConnection(source.GetOutputPort())
        writer.SetWriteAllTimeSteps(True)
    writer.SetFileName(str(path))
    assert writer.Write() == 1


def vtk_read(path, time=None):
    reader = hdf.vtkHDFReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    reader.Update() if time is None else reader.UpdateTimeStep(time)
    return pv.wrap(reader.GetOutputDataObject(0))


def cells_of(grid):
    """(types, offsets, nodes) of any VTK data set."""
    types, sizes, nodes = [], [0], []
    ids = vtk.vtkIdList()
    for i in range(grid.GetNumberOfCells()):
        grid.GetCellPoints(i, ids)
        types.append(grid.GetCellType(i))
        nodes += [ids.GetId(k) for k in range(ids.GetNumberOfIds())]
        sizes.append(len(nodes))
    return types, sizes, nodes


def assert_vtk(mesh, grid):
    assert np.array_equal(mesh.points, np.asarray(grid.points, dtype=float))
    types, offsets, nodes = cells_of(grid)
    assert mesh.cell_types.tolist() == types and mesh.cell_offsets.tolist() == offsets
    assert mesh.cell_nodes.tolist() == nodes
    for where in ("point_data", "cell_data", "field_data"):
        ours, theirs = dict(getattr(mesh, where)), getattr(grid, where)
        ours.pop("TimeValue", None)
        assert sorted(ours) == sorted(set(theirs.keys()) - {"Time"})
        for name, values in ours.items():
            if values.dtype.kind in "UO":
                array = grid.GetFieldData().GetAbstractArray(name)
                assert values.tolist() == [array.GetValue(i) for i in range(len(values))]
            else:
                assert values.dtype == theirs[name].dtype, name
                assert np.array_equal(values, theirs[name]), name


def strip(n, polyhedra=False):
    """n pixels and two polyhedra."""
    grid = pv.ImageData(dimensions=(n + 1, 2, 1)).cast_to_unstructured_grid()
    if polyhedra:
        one = pv.examples.cells.Polyhedron()
        grid = pv.merge([grid, one, one.translate((5, 0, 0))], merge_points=False)
    return grid


def filled(grid, time=0.0):
    for dtype in DTYPES:
        grid.point_data[f"p {dtype}"] = (np.arange(grid.n_points) + time).astype(dtype)
    grid.point_data["U"] = np.arange(grid.n_points * 3.0).reshape(-1, 3) + time
    grid.cell_data["c"] = np.arange(grid.n_cells * 2).reshape(-1, 2)
    grid.field_data["f"] = np.arange(time + 1)
    grid.GetPointData().SetActiveVectors("U")
    return grid


SURFACE = pv.PolyData(
    np.random.default_rng(2).random((8, 3)).astype("f4"),
    faces=[3, 0, 1, 2, 4, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4],
    lines=[2, 0, 7, 3, 1, 2, 3], verts=[1, 6, 2, 0, 5], strips=[5, 0, 1, 2, 3, 4],
)  # fmt: skip
IMAGE = pv.ImageData(dimensions=(3, 4, 2), spacing=(0.5, 2, 1), origin=(1, 2, 3))
TURNED = pv.ImageData(dimensions=(3, 4, 2), direction_matrix=[[0, 1, 0], [-1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    "make",
    [lambda: strip(3), lambda: strip(3, True), SURFACE.copy, IMAGE.copy, TURNED.copy,
     lambda: pv.RectilinearGrid([0.0, 1, 3], [0.0, 1, 4, 5], [2.0, 3]),
     lambda: pv.StructuredGrid(*np.meshgrid([0.0, 1, 3], [0.0, 1, 4, 5], [2.0, 3], indexing="ij")),
     lambda: pv.UnstructuredGrid()],
    ids=["cells", "polyhedra", "surface", "image", "turned image", "rectilinear", "structured",
         "nothing"],
)  # fmt: skip
def test_reads_what_vtk_writes(tmp_path, make):
    grid = make()
    if grid.n_points:
        filled(grid)
    vtk_write(grid, tmp_path / "a.vtkhdf")
    mesh = read(tmp_path / "a.vtkhdf")
    assert_vtk(mesh, vtk_read(tmp_path / "a.vtkhdf"))
    assert not grid.n_points or mesh.storage["point_data.Vectors"] == "U"


@pytest.mark.parametrize("kind", ["static", "moving", "growing", "surface", "image"])
def test_reads_series_that_vtk_writes(tmp_path, kind):
    grid = strip(2, True)

    def make(time):
        if kind == "growing":
            return filled(strip(int(time) + 1, True), time)
        if kind == "surface":
            sphere = pv.Sphere(theta_resolution=3 + int(time), phi_resolution=3)
            return filled(pv.merge([sphere, pv.Line()]).extract_surface(algorithm=None), time)
        twin = IMAGE.copy() if kind == "image" else grid.copy()
        if kind == "moving":
            twin.points += time
        return filled(twin, time)

    vtk_write(make, tmp_path / "a.vtkhdf", [0.0, 1.0, 2.0])
    series = read_series(tmp_path / "a.vtkhdf")
    assert series.times == (0, 1, 2)
    for time, mesh in zip(series.times, series, strict=True):
        assert_vtk(mesh, vtk_read(tmp_path / "a.vtkhdf", time))
        assert mesh.field_data["TimeValue"].tolist() == [time]
    assert_same(read(tmp_path / "a.vtkhdf"), series[2])  # the last


def test_series_of_blocks(tmp_path):
    def make(time):
        return pv.MultiBlock({"a": filled(strip(2), time), "b": filled(SURFACE.copy(), time)})

    vtk_write(make, tmp_path / "a.vtkhdf", [0.0, 1.0])
    for time, mesh in zip((0, 1), read_series(tmp_path / "a.vtkhdf"), strict=True):
        assert list(mesh.regions) == ["a", "b"] and mesh.n_points == 14
        assert mesh.point_data["p f8"].tolist() == [*np.arange(6.0) + time, *np.arange(8.0) + time]


def test_parts_and_blocks_are_joined(tmp_path):
    parts = vtk.vtkPartitionedDataSet()
    for i in range(3):
        parts.SetPartition(i, filled(strip(i + 1, True)))
    vtk_write(parts, tmp_path / "a.vtkhdf")
    found = read(tmp_path / "a.vtkhdf")
    single = []
    for i in range(3):
        vtk_write(filled(strip(i + 1, True)), tmp_path / "one.vtkhdf")
        single.append(read(tmp_path / "one.vtkhdf"))
    assert found.n_points == sum(m.n_points for m in single)
    starts = np.cumsum([0, *(m.n_points for m in single)])
    nodes = [m.cell_nodes + s for m, s in zip(single, starts[:-1], strict=True)]
    assert np.array_equal(found.cell_nodes, np.concatenate(nodes))
    assert np.array_equal(
        found.point_data["U"], np.concatenate([m.point_data["U"] for m in single])
    )
    assert found.cell_measures() == pytest.approx(
        np.concatenate([m.cell_measures() for m in single])
    )

    surfaces = vtk.vtkPartitionedDataSet()
    for i in range(2):
        surfaces.SetPartition(i, filled(SURFACE.copy(), i))
    vtk_write(surfaces, tmp_path / "b.vtkhdf")
    found = read(tmp_path / "b.vtkhdf")
    kinds = [1, 2, 3, 4, 5, 9, 7, 6]
    assert found.cell_types.tolist() == [*kinds, *kinds]
    assert found.cell_data["c"].tolist() == 2 * np.arange(16).reshape(-1, 2).tolist()
    assert found.cell_nodes[: len(found.cell_nodes) // 2].tolist() == cells_of(SURFACE)[2]

    blocks = pv.MultiBlock({"ball": SURFACE.copy(), "inner": pv.MultiBlock({"grid": strip(2)})})
    vtk_write(blocks, tmp_path / "c.vtkhdf")
    found = read(tmp_path / "c.vtkhdf")
    assert {n: r.ids.tolist() for n, r in found.regions.items()} == {
        "ball": list(range(8)), "grid": [8, 9],
    }  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(mesh=meshes(names=NAMES.filter(lambda n: "/" not in n and n != ".")))
def test_any_mesh_comes_back(mesh):
    mesh.storage.pop("connectivity")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.vtkhdf")
        write(mesh, path)
        found = read(path)
        assert_same(found, mesh)
        assert found.storage["points"] == mesh.storage["points"]


def test_vtk_reads_what_is_written(tmp_path):
    mesh = sample(12)
    mesh.storage |= {"point_data.Vectors": "U"}
    mesh.components["point", "U"] = ("ux", "uy", "uz")
    for compression in ("gzip", None):
        write(mesh, tmp_path / "a.vtkhdf", compression=compression)
        grid = vtk_read(tmp_path / "a.vtkhdf")
        assert_vtk(mesh, grid)
        assert grid.GetPointData().GetVectors().GetName() == "U"
        again = read(tmp_path / "a.vtkhdf")
        assert again.components == mesh.components
    with h5py.File(tmp_path / "a.vtkhdf") as file:  # what ParaView 5.11 reads
        assert file["VTKHDF"].attrs["Version"].tolist() == [1, 0]


def test_small_files_stay_small(tmp_path):
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])], point_data={"p": np.arange(3)})
    write(mesh, tmp_path / "a.vtkhdf")
    assert (tmp_path / "a.vtkhdf").stat().st_size < 9000
    write_series(tmp_path / "b.vtkhdf", [(float(i), mesh) for i in range(100)])
    assert (tmp_path / "b.vtkhdf").stat().st_size < 60_000
    plane = sample(200)
    write(plane, tmp_path / "c.vtkhdf")
    write(plane, tmp_path / "c.vtu")
    sizes = [(tmp_path / name).stat().st_size for name in ("c.vtkhdf", "c.vtu")]
    assert sizes[0] < sizes[1]


def changing(kind, n=4):
    for i in range(n):
        mesh = sample()
        mesh.storage["points"] = "float64"
        mesh.regions = {"wall": Region("facet", [[0, 1], [1, 2]])}
        if kind == "moving":
            mesh.points = mesh.points + i
        if kind == "growing":
            mesh = Mesh.from_blocks(
                np.random.default_rng(i).random((5 + i, 3)),
                [("tetra", [[0, 1, 2, 3 + i]] * (i + 1)), ("quad", [[0, 1, 2, 3]])],
                regions={"top": Region("cell", [i])},
            )
        if kind == "polyhedra":
            faces = [4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3]
            mesh = Mesh(
                np.random.default_rng(i).random((4 + i, 3)), [42, 1] * (i // 2 + 1),
                np.cumsum([0, *[4, 1] * (i // 2 + 1)]), [0, 1, 2, 3, 2] * (i // 2 + 1),
                faces=np.array(faces * (i // 2 + 1)),
                face_offsets=np.array([v for k in range(i // 2 + 1) for v in (17 * (k + 1), -1)]),
            )  # fmt: skip
        mesh.point_data = {"p": np.arange(mesh.n_points) + i * 0.5, "one": np.ones(mesh.n_points)}
        mesh.cell_data = {"c": np.full((mesh.n_cells, 2), i, np.int32)}
        mesh.field_data = {"history": np.arange(i + 1.0), "step": np.array([f"number {i}"])}
        yield 0.1 * i, mesh


@pytest.mark.parametrize("kind", ["static", "moving", "growing", "polyhedra"])
def test_series_come_back_and_vtk_reads_them(tmp_path, kind):
    write_series(tmp_path / "a.vtkhdf", changing(kind))
    series = read_series(tmp_path / "a.vtkhdf")
    assert series.times == tuple(time for time, _ in changing(kind))
    for (time, expected), found in zip(changing(kind), series, strict=True):
        grid = vtk_read(tmp_path / "a.vtkhdf", time)
        plain = found.copy()
        plain.field_data |= {f"meshop_region {r.kind} {n}": r.ids for n, r in found.regions.items()}
        assert_vtk(plain, grid)
        assert found.field_data.pop("TimeValue").tolist() == [time]
        assert_same(found, expected)
    assert read(tmp_path / "a.vtkhdf", time=0.1).point_data["p"][0] == 0.5
    with h5py.File(tmp_path / "a.vtkhdf") as file:
        root = file["VTKHDF"]
        n_points = len(next(changing(kind))[1].points)
        assert kind not in ("static", "moving") or len(root["Types"]) == 24
        assert kind != "static" or len(root["Points"]) == n_points
        assert kind != "static" or len(root["PointData/one"]) == n_points  # never changes
        assert kind != "static" or len(root["PointData/p"]) == 4 * n_points


def test_series_take_one_step_at_a_time(tmp_path):
    alive = []

    def steps():
        for i in range(5):
            gc.collect()
            alive.append(sum(type(o) is Mesh for o in gc.get_objects()))
            mesh = sample()
            mesh.points = mesh.points + i
            yield float(i), mesh
            del mesh

    write_series(tmp_path / "a.vtkhdf", steps())
    assert max(alive) - alive[0] <= 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda m: m.point_data.pop("p"), "missing at step 1"),
        (lambda m: m.point_data.update(q=m.point_data["p"]), "new at step 1"),
        (lambda m: m.point_data.update(p=m.point_data["p"].astype("f4")), "another type"),
        (lambda m: m.cell_data.update(c=m.cell_data["c"][:, :1]), "another type or shape"),
        (lambda m: m.field_data.pop("history"), "missing"),
    ],
)
def test_steps_that_do_not_fit_are_refused(tmp_path, change, word):
    (_, first), (_, second) = changing("static", 2)
    second.point_data["p"] = second.point_data["p"] + 1
    change(second)
    write(first, tmp_path / "a.vtkhdf")
    before = (tmp_path / "a.vtkhdf").read_bytes()
    with pytest.raises(MeshFileError, match=word):
        write_series(tmp_path / "a.vtkhdf", [(0, first), (1, second)])
    for times in ((0, 0), (1, 0), (0, np.nan), ()):
        with pytest.raises(MeshFileError):
            write_series(tmp_path / "a.vtkhdf", [(t, first) for t in times])
    assert (tmp_path / "a.vtkhdf").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.vtkhdf"]


def test_what_the_format_lacks_is_said(tmp_path):
    mesh = sample()
    mesh.point_data["a/b"] = np.zeros(mesh.n_points)
    with pytest.warns(MeshFileWarning, match="'a_b'"):
        mesh.save(tmp_path / "a.vtkhdf")
    mesh.point_data["a_b"] = np.zeros(mesh.n_points)
    with pytest.warns(MeshFileWarning), pytest.raises(MeshFileError, match="two arrays"):
        mesh.save(tmp_path / "a.vtkhdf")
    mesh = sample()
    mesh.cell_data["kind"] = np.array(["a"] * mesh.n_cells)
    with pytest.warns(MeshFileWarning, match="text 'kind' on cells"):
        mesh.save(tmp_path / "a.vtkhdf")
    with pytest.raises(MeshFileError, match="lzf"):
        sample().save(tmp_path / "a.vtkhdf", compression="lzf")


def test_arrays_not_asked_for_are_not_read(tmp_path, monkeypatch):
    sample().save(tmp_path / "a.vtkhdf")
    asked = []
    real = _hdf5.Hdf5File.read
    monkeypatch.setattr(
        _hdf5.Hdf5File, "read",
        lambda self, array, *args: asked.append(array.path) or real(self, array, *args),
    )  # fmt: skip
    mesh = read(tmp_path / "a.vtkhdf", arrays=["zero"])
    assert list(mesh.point_data) == ["zero"] and not mesh.cell_data
    assert not any("cell" in path for path in asked)


def test_reading_imports_no_hdf5_library_and_leaves_no_process(tmp_path):
    sample().save(tmp_path / "a.vtkhdf")
    code = (
        f"import sys, os, meshop\nmesh = meshop.read({str(tmp_path / 'a.vtkhdf')!r})\n"
        "from meshop.io import _hdf5\nprint(mesh.n_points, _hdf5._helper[0].pid)\n"
        "print([m for m in ('h5py', 'vtk', 'vtkmodules', 'meshio') if m in sys.modules])\n"
        f"if os.fork() == 0:\n    meshop.read({str(tmp_path / 'a.vtkhdf')!r})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    words = run.stdout.split()
    assert words[0] == "25" and words[-1] == "[]" and not run.stderr
    assert not os.path.exists(f"/proc/{words[1]}")


def test_a_crash_of_the_library_is_one_clear_error(tmp_path, monkeypatch):
    """The process that holds the file dies, as it does when the library crashes."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as gmsh leaves it
    sample().save(tmp_path / "a.vtkhdf")
    file = _hdf5.Hdf5File(tmp_path / "a.vtkhdf", "/VTKHDF")
    file._socket.sendall(b"no request at all\n")  # its session ends without an answer
    with pytest.raises(_hdf5.Fault, match="fails on this file"):
        file.read(file.root.array("Points"))
    file.close()
    helper = _hdf5._helper[0]
    helper.kill()  # nor is the helper itself needed for ever
    helper.wait()
    assert read(tmp_path / "a.vtkhdf").n_points == 25
    signal.signal(signal.SIGPIPE, before)


def test_bombs_do_not_go_off(tmp_path):
    """A chunk that inflates to 512 MB where 96 bytes are declared, and text without end."""
    sample().save(tmp_path / "a.vtkhdf", compression=None)
    bomb = zlib.compress(bytes(512 << 20), 9)
    with h5py.File(tmp_path / "a.vtkhdf", "a") as file:
        data = file["VTKHDF"].create_dataset(
            "PointData/bomb", (25,), "f8", chunks=(25,), compression="gzip"
        )
        data.id.write_direct_chunk((0,), bomb)
    started = monotonic()
    with pytest.raises(MeshFileError, match=r"HDF5|memory"):
        read(tmp_path / "a.vtkhdf")
    assert monotonic() - started < 20
    assert read(tmp_path / "a.vtkhdf", arrays=["zero"]).n_points == 25

    sample().save(tmp_path / "b.vtkhdf", compression=None)
    with h5py.File(tmp_path / "b.vtkhdf", "a") as file:
        text = file["VTKHDF/FieldData"].create_dataset("many", (40_000,), h5py.string_dtype())
        text[0] = "x" * 100_000  # one text, 40 000 times
        text.id.flush()
    raw = bytearray((tmp_path / "b.vtkhdf").read_bytes())
    with h5py.File(tmp_path / "b.vtkhdf") as file:
        at = file["VTKHDF/FieldData/many"].id.get_offset()
    raw[at : at + 16 * 40_000] = bytes(raw[at : at + 16]) * 40_000
    (tmp_path / "b.vtkhdf").write_bytes(raw)
    with pytest.raises(MeshFileError, match=r"memory|text|HDF5"):
        read(tmp_path / "b.vtkhdf")
