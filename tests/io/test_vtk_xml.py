"""VTK's XML family beside VTU: VTK is the second opinion, and the same mesh comes back."""

import itertools
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from mesh_cases import assert_same, meshes, sample
from test_vtu_oracle import COMPRESSORS, MODES, to_grid, vtk_write

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, read_series, write, write_series
from meshop.io.vtk_xml import _grids as _vtk_grids
from meshop.mesh import Mesh, Region, join

pv = pytest.importorskip("pyvista")
vtk = pytest.importorskip("vtk")

SHARED = Path(__file__).parents[3] / "shared" / "data"
ZOO = SHARED / "format_zoo" / "vtk_data"


def assert_cast(mesh, grid):
    """What VTK's own conversion to cells gives (hidden cells have no nodes here)."""
    grid = grid.cast_to_unstructured_grid()
    assert np.allclose(mesh.points, grid.points, rtol=1e-14, atol=1e-14)
    assert np.array_equal(mesh.cell_types, grid.celltypes)
    shown = np.repeat(grid.celltypes != 0, np.diff(grid.cell_offsets))
    assert np.array_equal(mesh.cell_nodes, grid.cell_connectivity[shown])
    for where in ("point_data", "cell_data"):
        ours, theirs = getattr(mesh, where), getattr(grid, where)
        assert sorted(ours) == sorted(theirs.keys())
        for name, values in ours.items():
            assert values.dtype == theirs[name].dtype and np.array_equal(values, theirs[name])


def cells_of(lists):
    array = vtk.vtkCellArray()
    for ids in lists:
        array.InsertNextCell(len(ids))
        for node in ids:
            array.InsertCellPoint(node)
    return array


def surface():
    """Vertices, lines, polygons and strips of every size, with data on both."""
    poly = vtk.vtkPolyData()
    points = vtk.vtkPoints()
    points.SetData(pv.convert_array(np.random.default_rng(0).random((10, 3))))
    poly.SetPoints(points)
    poly.SetVerts(cells_of([[0], [1, 2]]))
    poly.SetLines(cells_of([[0, 1], [1, 2, 3], [4]]))
    poly.SetPolys(cells_of([[0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]]))
    poly.SetStrips(cells_of([[0, 1, 2, 3], [3, 4, 5]]))
    found = pv.wrap(poly)
    found.cell_data["id"] = np.arange(10, dtype=np.int16)
    found.point_data["U"] = np.arange(30, dtype="f4").reshape(10, 3)
    return found


def save(writer, data, path, pieces=1, ghosts=0):
    writer = writer()
    writer.SetInputData(data)
    writer.SetFileName(str(path))
    if pieces > 1:
        writer.SetNumberOfPieces(pieces)
    if hasattr(writer, "SetEndPiece"):
        writer.SetStartPiece(0)
        writer.SetEndPiece(pieces - 1)
        writer.SetGhostLevel(ghosts)
    assert writer.Write() == 1


# -- VTP ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "compressor"), [*itertools.product(MODES, COMPRESSORS)])
def test_vtp_as_vtk_writes_it(tmp_path, mode, compressor, monkeypatch):
    monkeypatch.setattr(vtk, "vtkXMLUnstructuredGridWriter", vtk.vtkXMLPolyDataWriter)
    vtk_write(surface(), tmp_path / "a.vtp", mode, compressor, block=64)
    mesh = read(tmp_path / "a.vtp")
    assert mesh.cell_types.tolist() == [1, 2, 3, 4, 4, 5, 9, 7, 6, 6]
    assert_cast(mesh, surface())


def test_vtp_too_short_for_a_polygon(tmp_path):
    poly = surface()
    poly.SetPolys(cells_of([[0, 1, 2], [5, 6], [7], []]))
    poly.cell_data.clear()
    poly.save(tmp_path / "a.vtp")
    mesh = read(tmp_path / "a.vtp")
    assert mesh.cell_types.tolist() == [1, 2, 3, 4, 4, 5, 3, 1, 0, 6, 6]
    mesh.save(tmp_path / "b.vtp")  # sorted there, put back here
    assert_same(read(tmp_path / "b.vtp"), mesh)
    assert pv.read(tmp_path / "b.vtp").n_cells == 11


@settings(max_examples=60, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(mesh=meshes(codes=[1, 2, 3, 4, 5, 6, 7, 9]))
def test_any_surface_comes_back_as_vtp(mesh):
    """Cells in any order; types that PolyData cannot tell apart become the simpler one."""
    size = np.diff(mesh.cell_offsets)
    expected = mesh.cell_types.copy()
    for general, length, simple in [(2, 1, 1), (4, 2, 3), (7, 3, 5), (7, 4, 9)]:
        expected[(mesh.cell_types == general) & (size == length)] = simple
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.vtp")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            write(mesh, path)
        assert bool(said) == (not np.array_equal(expected, mesh.cell_types))
        assert all(w.category is MeshFileWarning for w in said)
        found = read(path)
        mesh.cell_types = expected
        assert_same(found, mesh)
        first = path.read_bytes()
        found.save(path)
        assert path.read_bytes() == first


def test_vtp_that_is_written_is_what_vtk_reads(tmp_path):
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((6, 3)),
        [("triangle_strip", [range(5)]), ("quad", [[0, 1, 2, 3]]), ("vertex", [[5]]),
         ("polygon", [range(5)]), ("line", [[4, 5]])],
        cell_data={"id": np.arange(5)},
        regions={"strip": Region("cell", [0])},
    )  # fmt: skip
    mesh.save(tmp_path / "a.vtp")
    theirs = pv.read(tmp_path / "a.vtp")
    assert theirs.cell_data["id"].tolist() == [2, 4, 1, 3, 0]
    assert [theirs.GetCellType(i) for i in range(5)] == [1, 3, 9, 7, 6]
    assert theirs.cell_data["meshop_cell_order"].tolist() == [2, 4, 1, 3, 0]
    found = read(tmp_path / "a.vtp", arrays=["id"])
    assert_same(found, mesh)
    assert found.regions["strip"].ids.tolist() == [0]


def test_vtp_refuses_volumes_and_keeps_the_old_file(tmp_path):
    sample().save(tmp_path / "a.vtp")
    before = (tmp_path / "a.vtp").read_bytes()
    cells = [("triangle", [[0, 1, 2]]), ("tetra", [[0, 1, 2, 3]])]
    solid = Mesh.from_blocks(np.random.default_rng(0).random((4, 3)), cells)
    with pytest.raises(MeshFileError, match=r"cell 1\n.*tetra.*\n.*\.vtu"):
        solid.save(tmp_path / "a.vtp")
    assert (tmp_path / "a.vtp").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.vtp"]


# -- structured files ---------------------------------------------------------------------------


def image(dimensions, **options):
    found = pv.ImageData(dimensions=dimensions, **options)
    rng = np.random.default_rng(0)
    found.point_data["p"] = rng.random(found.n_points)
    found.cell_data["U"] = rng.random((found.n_cells, 3)).astype("f4")
    return found


def forms(grid):
    """An image as all three structured kinds."""
    return {
        ".vti": grid,
        ".vtr": grid.cast_to_rectilinear_grid(),
        ".vts": grid.cast_to_structured_grid(),
    }


@pytest.mark.parametrize(
    "dimensions",
    [(3, 4, 5), (3, 4, 1), (3, 1, 4), (1, 3, 4), (3, 1, 1), (1, 3, 1), (1, 1, 3), (1, 1, 1)],
)
def test_structured_files_become_vtks_cells(tmp_path, dimensions):
    grid = image(dimensions, spacing=(1, 0.3, 3), origin=(1, 0.1, 1), offset=(2, -3, 4))
    for suffix, form in forms(grid).items():
        form.save(tmp_path / f"a{suffix}")
        assert_cast(read(tmp_path / f"a{suffix}"), form)


def test_direction_of_an_image(tmp_path):
    grid = image((3, 4, 5), spacing=(1, 2, 3), offset=(1, 0, 2))
    grid.direction_matrix = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    grid.save(tmp_path / "a.vti")
    assert_cast(read(tmp_path / "a.vti"), grid)


def test_hidden_cells_are_empty_ones(tmp_path):
    grid = image((4, 4, 4))
    hidden = np.zeros(27, np.uint8)
    hidden[[1, 5]], hidden[7] = 32, 1  # 1: a neighbour's, not hidden
    points = np.zeros(64, np.uint8)
    points[0] = 2
    grid.cell_data["vtkGhostType"], grid.point_data["vtkGhostType"] = hidden, points
    for suffix, form in forms(grid).items():
        form.save(tmp_path / f"a{suffix}")
        mesh = read(tmp_path / f"a{suffix}")
        assert np.flatnonzero(mesh.cell_types == 0).tolist() == [0, 1, 5]
        assert_cast(mesh, form)
        some = read(tmp_path / f"a{suffix}", arrays=["p"])
        assert np.array_equal(some.cell_types, mesh.cell_types) and list(some.cell_data) == []


def test_pieces_of_structured_files(tmp_path):
    writers = (vtk.vtkXMLImageDataWriter, vtk.vtkXMLRectilinearGridWriter,
               vtk.vtkXMLStructuredGridWriter)  # fmt: skip
    for writer, (suffix, form) in zip(writers, forms(image((5, 6, 7))).items(), strict=True):
        save(writer, form, tmp_path / f"a{suffix}", pieces=4)
        assert (tmp_path / f"a{suffix}").read_bytes().count(b"<Piece") > 1
        assert_cast(read(tmp_path / f"a{suffix}"), form)


def test_a_grid_is_no_larger_than_what_is_behind_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_vtk_grids, "_FREE", 50)
    grid = image((4, 4, 4))
    grid.save(tmp_path / "a.vti")
    assert read(tmp_path / "a.vti", arrays=[]).n_points == 64  # an array shows that it is so large
    grid.clear_data()
    grid.save(tmp_path / "a.vti")
    with pytest.raises(MeshFileError, match="64 points, the arrays of the file hold 0"):
        read(tmp_path / "a.vti")


# -- lists of files -----------------------------------------------------------------------------


def read_vtk(reader, path):
    reader = reader()
    reader.SetFileName(str(path))
    reader.Update()
    return pv.wrap(reader.GetOutput())


def test_parallel_files_of_grids(tmp_path):
    writers = (vtk.vtkXMLPImageDataWriter, vtk.vtkXMLPRectilinearGridWriter,
               vtk.vtkXMLPStructuredGridWriter)  # fmt: skip
    for writer, (suffix, form) in zip(writers, forms(image((5, 6, 7))).items(), strict=True):
        path = tmp_path / f"a.p{suffix[1:]}"
        save(writer, form, path, pieces=2, ghosts=1)
        assert_cast(read(path), form)
        assert list(read(path, arrays=["p"]).cell_data) == []


def test_parallel_image_of_real_pieces(tmp_path):
    grid = image((5, 6, 7))
    boxes = [(0, 4, 0, 5, 0, 2), (0, 4, 0, 5, 2, 6)]
    lines = ""
    for number, box in enumerate(boxes):
        part = grid.extract_subset(box, rebase_coordinates=False)
        part.clear_field_data()
        part.save(tmp_path / f"{number}.vti")
        lines += f'<Piece Extent="{" ".join(map(str, box))}" Source="{number}.vti"/>'
    (tmp_path / "a.pvti").write_text(
        '<VTKFile type="PImageData"><PImageData WholeExtent="0 4 0 5 0 6" Origin="0 0 0" '
        f'Spacing="1 1 1">{lines}</PImageData></VTKFile>'
    )
    assert_cast(read(tmp_path / "a.pvti"), grid)
    text = (tmp_path / "a.pvti").read_text()
    (tmp_path / "a.pvti").write_text(text.replace(lines[: lines.index("/>") + 2], ""))
    with pytest.raises(MeshFileError, match="do not fill"):
        read(tmp_path / "a.pvti")


def test_parallel_image_of_many_pieces(tmp_path):
    """As many as a cluster has cores; only one is open at a time."""
    n = 40
    whole = f'WholeExtent="0 {n} 0 1 0 0"'
    lines = ""
    for i in range(n):
        array = f'<DataArray type="Int32" Name="a" format="ascii">{i}</DataArray>'
        box = f'Piece Extent="{i} {i + 1} 0 1 0 0"'
        (tmp_path / f"{i}.vti").write_text(
            f'<VTKFile type="ImageData"><ImageData {whole}><{box}><CellData>{array}</CellData>'
            "</Piece></ImageData></VTKFile>"
        )
        lines += f'<{box} Source="{i}.vti"/>'
    (tmp_path / "a.pvti").write_text(
        f'<VTKFile type="PImageData"><PImageData {whole}>{lines}</PImageData></VTKFile>'
    )
    mesh = read(tmp_path / "a.pvti")
    assert mesh.cell_data["a"].tolist() == list(range(n))


def test_parallel_files_of_cells(tmp_path):
    source = to_grid(sample(9))
    source.clear_field_data()
    source.cell_data["vtkGhostType"] = np.arange(source.n_cells, dtype=np.uint8) % 2
    save(vtk.vtkXMLPUnstructuredGridWriter, source, tmp_path / "a.pvtu", 3)
    found = read(tmp_path / "a.pvtu")
    pieces = [read(tmp_path / f"a_{number}.vtu") for number in range(3)]
    assert_same(found, join(pieces))
    theirs = read_vtk(vtk.vtkXMLPUnstructuredGridReader, tmp_path / "a.pvtu")
    assert np.array_equal(found.points, theirs.points)
    assert np.array_equal(found.cell_nodes, theirs.cell_connectivity)
    assert np.array_equal(found.cell_data["vtkGhostType"], theirs.cell_data["vtkGhostType"])
    assert list(read(tmp_path / "a.pvtu", arrays=["U"]).cell_data) == []

    surface().save(tmp_path / "a_0.vtp")
    surface().translate((1, 0, 0)).save(tmp_path / "a_1.vtp")
    (tmp_path / "a.pvtp").write_text(
        '<VTKFile type="PPolyData"><PPolyData><Piece Source="a_0.vtp"/>'
        '<Piece Source="a_1.vtp"/></PPolyData></VTKFile>'
    )
    pieces = [read(tmp_path / f"a_{number}.vtp") for number in range(2)]
    assert_same(read(tmp_path / "a.pvtp"), join(pieces))
    (tmp_path / "a_1.vtp").unlink()
    with pytest.raises(MeshFileError, match=r"a_1\.vtp.*\nno such file"):
        read(tmp_path / "a.pvtp")


def test_blocks_become_regions(tmp_path):
    ball, box, air = pv.Sphere(), pv.Cube().cast_to_unstructured_grid(), image((3, 4, 5))
    blocks = pv.MultiBlock()
    blocks["car"] = pv.MultiBlock({"wheel": ball, "body": box})
    blocks["air"] = air
    blocks["none"] = None
    blocks.field_data["time"] = [0.5]
    blocks.save(tmp_path / "a.vtm")
    mesh = read(tmp_path / "a.vtm")
    sizes = {"car/wheel": ball.n_cells, "car/body": box.n_cells, "air": air.n_cells, "none": 0}
    assert {name: len(region.ids) for name, region in mesh.regions.items()} == sizes
    assert {region.kind for region in mesh.regions.values()} == {"cell"}
    points = [np.asarray(block.points, dtype=float) for block in (ball, box, air)]
    assert np.array_equal(mesh.points, np.concatenate(points))
    assert mesh.field_data["time"].tolist() == [0.5]
    assert np.array_equal(mesh.cell_data["U"][mesh.regions["air"].ids], air.cell_data["U"])
    assert list(read(tmp_path / "a.vtm", arrays=["p"]).point_data) == ["p"]
    with pytest.raises(MeshFileError, match="there is no 'q'\ntry: one of"):
        read(tmp_path / "a.vtm", arrays=["q"])


def test_partitions(tmp_path):
    parts = vtk.vtkPartitionedDataSetCollection()
    for index, part in enumerate((pv.Sphere(), pv.Cube())):
        one = vtk.vtkPartitionedDataSet()
        one.SetPartition(0, part)
        parts.SetPartitionedDataSet(index, one)
    save(vtk.vtkXMLPartitionedDataSetCollectionWriter, parts, tmp_path / "a.vtpc")
    mesh = read(tmp_path / "a.vtpc")
    assert [len(r.ids) for r in mesh.regions.values()] == [pv.Sphere().n_cells, 6]


def test_blocks_are_written_by_regions(tmp_path):
    mesh = sample()
    mesh.regions = {"left": Region("cell", np.arange(5)), "l/r": Region("cell", np.arange(5, 9))}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("kept")
    with pytest.warns(MeshFileWarning, match="points are repeated"):
        mesh.save(tmp_path / "a.vtm")
    found = read(tmp_path / "a.vtm")
    assert {n: r.ids.tolist() for n, r in found.regions.items()} == {
        "left": list(range(5)), "l/r": list(range(5, 9)),
    }  # fmt: skip
    assert np.array_equal(found.cell_types, mesh.cell_types)
    assert np.array_equal(found.points[found.cell_nodes], mesh.points[mesh.cell_nodes])
    for name, values in mesh.cell_data.items():
        assert np.array_equal(found.cell_data[name], values)
    assert list(found.field_data) == list(mesh.field_data)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "0_left.vtu", "1_l_r.vtu", "2_rest.vtu", "mine.txt",
    ]  # fmt: skip
    assert pv.read(tmp_path / "a.vtm").keys() == ["left", "l/r", "rest"]


def test_blocks_say_what_they_lose(tmp_path):
    mesh = sample()
    mesh.regions = {
        "late": Region("cell", [3, 4]), "early": Region("cell", [0, 3]),
        "wall": Region("facet", [[0, 1]]),
    }  # fmt: skip
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.vtm")
    text = " ".join(str(w.message) for w in said)
    for words in ("1 cells of several regions", "left out: wall", "sorted", "repeated"):
        assert words in text


def test_regions_without_cells_are_blocks_without_files(tmp_path):
    mesh = sample()
    none, all_cells = Region("cell", np.empty(0, int)), Region("cell", range(mesh.n_cells))
    for regions in (
        {"none": none}, {"none": none, " all ": all_cells}, {"all": all_cells, "none": none},
        {"a/b": none, "a": none},
    ):  # fmt: skip
        mesh.regions = regions
        mesh.save(tmp_path / "a.vtm")
        assert_same(read(tmp_path / "a.vtm"), mesh)
        assert pv.read(tmp_path / "a.vtm").keys()[: len(regions)] == list(regions)
    mesh.regions = {"": all_cells}
    with pytest.warns(MeshFileWarning, match="'' comes back as 'block 0'"):
        mesh.save(tmp_path / "a.vtm")
    assert list(read(tmp_path / "a.vtm").regions) == ["block 0"]


def test_points_without_cells_and_polyhedra_in_blocks(tmp_path):
    cloud = Mesh.from_blocks(np.eye(3), point_data={"p": np.arange(3.0)})
    cloud.save(tmp_path / "a.vtm")
    assert np.array_equal(read(tmp_path / "a.vtm").points, cloud.points)
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
    stream = np.array([4, *(v for face in faces for v in (3, *face))])
    shift = np.where(np.isin(np.arange(17), [0, 1, 5, 9, 13]), 0, 4)
    mesh = Mesh(
        np.random.default_rng(0).random((8, 3)), [42, 10, 42], [0, 4, 8, 12],
        [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7], faces=np.concatenate([stream, stream + shift]),
        face_offsets=np.array([17, -1, 34]), regions={"second": Region("cell", [2, 1])},
    )  # fmt: skip
    with pytest.warns(MeshFileWarning):
        mesh.save(tmp_path / "b.vtm")
    found = read(tmp_path / "b.vtm")
    assert found.cell_types.tolist() == [10, 42, 42]
    assert found.cell_measures() == pytest.approx(mesh.cell_measures()[[1, 2, 0]])


def test_a_list_is_written_whole_or_not_at_all(tmp_path):
    mesh = sample()
    mesh.save(tmp_path / "a.vtm")
    write_series(tmp_path / "s.pvd", [(0.0, mesh), (1.0, mesh)])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    bad = mesh.copy()
    bad.field_data["z"] = np.array([1j])
    with pytest.raises(MeshFileError, match=r"a\.vtm \(VTM\): 0_rest\.vtu: array 'z'\n.*complex"):
        bad.save(tmp_path / "a.vtm")

    def steps():
        yield 0.0, mesh
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_series(tmp_path / "s.pvd", steps())
    with pytest.raises(KeyboardInterrupt):
        write_series(tmp_path / "new.pvd", steps())
    with pytest.raises(MeshFileError, match="twice"):
        write_series(tmp_path / "s.pvd", [(1.0, mesh), (1.0, mesh)])
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert not (tmp_path / "new").exists()


# -- times --------------------------------------------------------------------------------------


def test_series_go_both_ways(tmp_path):
    def steps():
        for number in range(3):
            mesh = sample()
            mesh.point_data["zero"] += number
            yield 0.1 * number, mesh

    write_series(tmp_path / "a.pvd", steps(), compression="lz4")
    series = read_series(tmp_path / "a.pvd")
    assert series.times == (0.0, 0.1, 0.2)
    first, second = series[0], series[1]
    assert first.cell_nodes is second.cell_nodes and first.points is second.points
    for number, (_, expected) in enumerate(steps()):
        expected.field_data["TimeValue"] = np.array([series.times[number]])
        assert_same(series[number], expected)
    theirs = pv.get_reader(tmp_path / "a.pvd")
    assert theirs.time_values == [0.0, 0.1, 0.2]
    theirs.set_active_time_value(0.1)
    assert np.array_equal(theirs.read()[0].point_data["zero"], np.ones(25))
    assert read(tmp_path / "a.pvd").point_data["zero"][0] == 2  # the last
    some = read(tmp_path / "a.pvd", time=0.1, arrays=["zero"])
    assert list(some.point_data) == ["zero"] and some.point_data["zero"][0] == 1
    with pytest.raises(MeshFileError, match=r"there is no 'q'\ntry: one of.*zero"):
        read(tmp_path / "a.pvd", arrays=["q"])


def test_parts_of_a_time_are_joined(tmp_path):
    sample(3).save(tmp_path / "a.vtu")
    sample(4).save(tmp_path / "b.vtu")
    (tmp_path / "a.pvd").write_text(
        '<VTKFile type="Collection"><Collection><DataSet timestep="2" part="0" file="a.vtu"/>'
        '<DataSet timestep="1" part="0" file="a.vtu"/>'
        '<DataSet timestep="2" part="1" name="wall" file="b.vtu"/></Collection></VTKFile>'
    )
    series = read_series(tmp_path / "a.pvd")
    assert series.times == (1.0, 2.0) and series[0].n_points == 9 and not series[0].regions
    assert {n: len(r.ids) for n, r in series[1].regions.items()} == {"part 0": 6, "wall": 14}


def test_steps_inside_one_file(tmp_path):
    writer = vtk.vtkXMLUnstructuredGridWriter()
    grid = to_grid(sample())
    writer.SetInputData(grid)
    writer.SetFileName(str(tmp_path / "a.vtu"))
    writer.SetNumberOfTimeSteps(3)
    writer.Start()
    for number in range(3):
        grid.point_data["zero"] = np.full(25, float(number))
        grid.GetPointData().Modified()
        writer.WriteNextTime(0.5 * number)
    writer.Stop()
    series = read_series(tmp_path / "a.vtu")
    assert series.times == (0.0, 0.5, 1.0)
    assert [mesh.point_data["zero"][0] for mesh in series] == [0, 1, 2]
    assert read(tmp_path / "a.vtu").point_data["zero"][0] == 2
    assert read(tmp_path / "a.vtu", time=0.5).field_data["TimeValue"].tolist() == [0.5]


# -- only what was asked for --------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["zlib", None])
def test_other_arrays_are_not_read(tmp_path, compression):
    mesh = sample(200)
    mesh.cell_data["big"] = np.random.default_rng(1).random((mesh.n_cells, 6))  # many blocks
    write(mesh, tmp_path / "a.vtu", compression=compression)
    assert_same(read(tmp_path / "a.vtu"), mesh)
    data = bytearray((tmp_path / "a.vtu").read_bytes())
    line = data[: data.index(b"<AppendedData")].split(b'Name="big"')[1]
    start = data.index(b">\n   _") + 6 + int(line.split(b'offset="')[1].split(b'"')[0])
    data[start : start + 64] = b"\xff" * 64
    (tmp_path / "a.vtu").write_bytes(data)
    with pytest.raises(MeshFileError, match="big"):
        read(tmp_path / "a.vtu")
    some = read(tmp_path / "a.vtu", arrays=["U", "cell i2"])
    assert list(some.point_data) == ["U"] and list(some.cell_data) == ["cell i2"]
    assert np.array_equal(some.point_data["U"], mesh.point_data["U"])
    assert list(some.field_data) == list(mesh.field_data)
    with pytest.raises(MeshFileError, match=r"there is no 'Big'\ntry: one of.*big"):
        read(tmp_path / "a.vtu", arrays=["Big"])


def test_a_file_cut_off_while_it_is_read(tmp_path, monkeypatch):
    from meshop.io.vtk_xml import _document as _vtk_xml

    write(sample(40), tmp_path / "a.vtu", compression=None)
    read_into = _vtk_xml.Document.read_into

    def cut(document, start, view):
        with open(tmp_path / "a.vtu", "r+b") as file:
            file.truncate(start + 10)
        read_into(document, start, view)

    monkeypatch.setattr(_vtk_xml.Document, "read_into", cut)
    with pytest.raises(MeshFileError, match="became shorter"):
        read(tmp_path / "a.vtu")


# -- files of others ----------------------------------------------------------------------------

REAL = sorted(
    path for folder in (ZOO, SHARED / "transient_samples") for path in folder.rglob("*.vt[pursi]")
)


@pytest.mark.skipif(not REAL, reason="needs ../shared/data/format_zoo")
def test_real_files():
    for path in REAL:
        mesh = read(path)
        assert_cast(mesh, pv.read(path))


@pytest.mark.skipif(not REAL, reason="needs ../shared/data/format_zoo")
def test_blocks_whose_files_are_elsewhere():
    with pytest.raises(MeshFileError, match=r"many_blocks.*\nno such file"):
        read(ZOO / "many_blocks" / "many_blocks.vtm")


def test_a_file_that_is_no_xml_says_what_it_begins_with(tmp_path):
    (tmp_path / "a.vtu").write_text("\nsolid part\nfacet normal 0 0 1\n")
    with pytest.raises(MeshFileError, match="it begins with 'solid part': this is no XML"):
        read(tmp_path / "a.vtu")
