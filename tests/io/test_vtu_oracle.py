"""VTK is the second opinion, both ways: what it writes we read, what we write it reads."""

import itertools

import numpy as np
import pytest
from mesh_cases import sample

from meshop.errors import MeshFileError
from meshop.io import read, write
from meshop.mesh import Mesh

pv = pytest.importorskip("pyvista")
vtk = pytest.importorskip("vtk")

MODES = ["ascii", "binary", "appended raw", "appended base64"]
COMPRESSORS = ["NONE", "ZLIB", "LZMA", "LZ4"]


def to_grid(mesh):
    """A pyvista grid with the same arrays, dtypes included."""
    sizes = np.diff(mesh.cell_offsets)
    cells = np.insert(mesh.cell_nodes, mesh.cell_offsets[:-1], sizes)
    grid = pv.UnstructuredGrid(cells, mesh.cell_types, mesh.points.copy())
    for where in ("point_data", "cell_data", "field_data"):
        for name, values in getattr(mesh, where).items():
            if values.dtype.kind == "U":  # pyvista itself refuses text beyond ASCII
                array = vtk.vtkStringArray()
                array.SetName(name)
                for text in values.tolist():
                    array.InsertNextValue(text)
                grid.GetFieldData().AddArray(array)
            else:
                getattr(grid, where)[name] = values
    return grid


def vtk_write(grid, path, mode="ascii", compressor="NONE", header=64, big=False, block=None):
    writer = vtk.vtkXMLUnstructuredGridWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(grid)
    {"ascii": writer.SetDataModeToAscii, "binary": writer.SetDataModeToBinary}.get(
        mode, writer.SetDataModeToAppended
    )()
    writer.SetEncodeAppendedData(mode == "appended base64")
    writer.SetCompressorType(getattr(writer, compressor))
    (writer.SetHeaderTypeToUInt64 if header == 64 else writer.SetHeaderTypeToUInt32)()
    (writer.SetByteOrderToBigEndian if big else writer.SetByteOrderToLittleEndian)()
    if block:
        writer.SetBlockSize(block)
    assert writer.Write() == 1


def assert_grid(mesh, grid):
    assert np.array_equal(mesh.points, np.asarray(grid.points, dtype=float))
    cells = grid.GetCells()
    assert np.array_equal(mesh.cell_offsets, pv.convert_array(cells.GetOffsetsArray()))
    assert np.array_equal(mesh.cell_nodes, pv.convert_array(cells.GetConnectivityArray()))
    assert np.array_equal(mesh.cell_types, grid.celltypes)
    for where in ("point_data", "cell_data", "field_data"):
        ours, theirs = getattr(mesh, where), getattr(grid, where)
        assert sorted(ours) == sorted(theirs.keys())
        for name, values in ours.items():
            if values.dtype.kind == "U":
                array = grid.GetFieldData().GetAbstractArray(name)
                found = [array.GetValue(i) for i in range(array.GetNumberOfValues())]
                assert values.tolist() == found
            else:
                assert values.dtype == theirs[name].dtype, name
                assert np.array_equal(values, theirs[name]), name


@pytest.mark.parametrize(("header", "big"), [(32, False), (64, False), (32, True), (64, True)])
@pytest.mark.parametrize(("mode", "compressor"), [*itertools.product(MODES, COMPRESSORS)])
def test_reads_what_vtk_writes(tmp_path, mode, compressor, header, big):
    grid = to_grid(sample())
    vtk_write(grid, tmp_path / "a.vtu", mode, compressor, header, big, block=96)
    assert_grid(read(tmp_path / "a.vtu"), grid)


@pytest.mark.parametrize("compression", ["zlib", "lz4", "lzma", None])
def test_vtk_reads_what_is_written(tmp_path, compression):
    mesh = sample(40)  # larger than one block
    mesh.cell_data["big"] = np.random.default_rng(1).random((mesh.n_cells, 30))
    write(mesh, tmp_path / "a.vtu", compression=compression)
    assert_grid(mesh, pv.read(tmp_path / "a.vtu"))


@pytest.mark.parametrize("compression", ["zlib", None])
@pytest.mark.parametrize("cells", [0, 1])
def test_empty_meshes_go_both_ways(tmp_path, compression, cells):
    mesh = Mesh.from_blocks(np.zeros((cells, 3)), [("vertex", [[0]])] if cells else [])
    write(mesh, tmp_path / "a.vtu", compression=compression)
    grid = pv.read(tmp_path / "a.vtu")
    assert (grid.n_points, grid.n_cells) == (cells, cells)
    for mode, compressor in itertools.product(MODES, COMPRESSORS):
        vtk_write(grid, tmp_path / "b.vtu", mode, compressor)
        assert read(tmp_path / "b.vtu").n_points == cells


@pytest.mark.parametrize("mode", MODES)
def test_polyhedra_of_new_and_old_vtk(tmp_path, mode):
    grid = pv.examples.cells.Polyhedron()
    cube = pv.examples.cells.Hexahedron()
    grid = pv.merge([grid, cube, grid.translate((3, 0, 0))], merge_points=False)
    vtk_write(grid, tmp_path / "new.vtu", mode)
    mesh = read(tmp_path / "new.vtu")
    assert mesh.cell_types.tolist() == grid.celltypes.tolist()
    volumes = grid.compute_cell_sizes().cell_data["Volume"]
    assert mesh.cell_measures() == pytest.approx(volumes)
    write(mesh, tmp_path / "old.vtu")  # the arrays that every version of VTK reads
    again = pv.read(tmp_path / "old.vtu")
    assert again.compute_cell_sizes().cell_data["Volume"] == pytest.approx(volumes)
    assert again.get_cell(0).n_faces == 4
    same = read(tmp_path / "old.vtu")
    assert np.array_equal(same.faces, mesh.faces)
    assert np.array_equal(same.face_offsets, mesh.face_offsets)


def test_every_cell_type_goes_both_ways(tmp_path):
    for name, make in vars(pv.examples.cells).items():
        if not (callable(make) and name[0].isupper() and hasattr(make, "__module__")):
            continue
        if make.__module__ != pv.examples.cells.__name__ or name in ("Empty", "Polyhedron"):
            continue
        grid = make()
        vtk_write(grid, tmp_path / "a.vtu", "appended raw", "ZLIB")
        write(read(tmp_path / "a.vtu"), tmp_path / "b.vtu")
        again = pv.read(tmp_path / "b.vtu")
        assert np.array_equal(again.celltypes, grid.celltypes), name
        assert np.array_equal(again.points, grid.points), name
        assert np.array_equal(again.cells, grid.cells), name


def test_component_names_and_active_arrays_survive(tmp_path):
    grid = to_grid(sample())
    array = grid.GetPointData().GetArray("U")
    for index, name in enumerate(["ux", "uy", "u z"]):
        array.SetComponentName(index, name)
    grid.GetPointData().SetActiveVectors("U")
    grid.GetPointData().SetActiveScalars("zero")
    vtk_write(grid, tmp_path / "a.vtu", "binary")
    write(read(tmp_path / "a.vtu"), tmp_path / "b.vtu")
    data = pv.read(tmp_path / "b.vtu").GetPointData()
    assert [data.GetArray("U").GetComponentName(i) for i in range(3)] == ["ux", "uy", "u z"]
    assert data.GetVectors().GetName() == "U" and data.GetScalars().GetName() == "zero"


def test_several_pieces_are_merged_in_order(tmp_path):
    """Two whole files as pieces of one, as parallel programs write."""
    first, second = sample(4, seed=1), sample(5, seed=2)
    texts = []
    for mesh in (first, second):
        vtk_write(to_grid(mesh), tmp_path / "part.vtu")
        texts.append((tmp_path / "part.vtu").read_text())
    pieces = [text[text.index("<Piece") : text.index("</UnstructuredGrid>")] for text in texts]
    empty = '<Piece NumberOfPoints="0" NumberOfCells="0"><Points/><Cells/></Piece>'
    head = texts[0][: texts[0].index("<Piece")]
    both = head + pieces[0] + empty + pieces[1] + "</UnstructuredGrid></VTKFile>"
    (tmp_path / "both.vtu").write_text(both)
    mesh = read(tmp_path / "both.vtu")
    assert np.array_equal(mesh.points, np.concatenate([first.points, second.points]))
    nodes = np.concatenate([first.cell_nodes, second.cell_nodes + first.n_points])
    assert np.array_equal(mesh.cell_nodes, nodes)
    assert np.array_equal(mesh.cell_types, np.concatenate([first.cell_types, second.cell_types]))
    for name, values in mesh.cell_data.items():
        expected = np.concatenate([first.cell_data[name], second.cell_data[name]])
        assert np.array_equal(values, expected) and values.dtype == expected.dtype
    assert_grid(mesh, pv.read(tmp_path / "both.vtu"))

    without = both[: both.rindex("<CellData")] + "<Points>" + pieces[1].split("<Points>")[1]
    (tmp_path / "both.vtu").write_text(without + "</UnstructuredGrid></VTKFile>")
    with pytest.raises(MeshFileError, match="missing in piece 1"):
        read(tmp_path / "both.vtu")


def test_polyhedra_in_two_pieces(tmp_path):
    grid = pv.examples.cells.Polyhedron()
    vtk_write(grid, tmp_path / "part.vtu")
    text = (tmp_path / "part.vtu").read_text()
    start, end = text.index("<Piece"), text.index("</UnstructuredGrid>")
    (tmp_path / "two.vtu").write_text(text[:end] + text[start:end] + text[end:])
    mesh = read(tmp_path / "two.vtu")
    assert mesh.cell_measures()[0] == pytest.approx(mesh.cell_measures()[1])
    assert mesh.n_points == 8 and mesh.face_offsets.tolist() == [17, 34]


def test_two_components_are_padded_only_when_asked(tmp_path):
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])])
    mesh.point_data["U"] = np.ones((3, 2), np.float32)
    write(mesh, tmp_path / "a.vtu")
    assert pv.read(tmp_path / "a.vtu").point_data["U"].shape == (3, 2)
    write(mesh, tmp_path / "a.vtu", pad_vectors=True)
    assert pv.read(tmp_path / "a.vtu").point_data["U"].tolist() == [[1, 1, 0]] * 3


def test_types_that_vtk_lacks_are_widened_or_refused(tmp_path):
    mesh = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])])
    mesh.point_data["half"] = np.array([0.5, 1, 2], np.float16)
    mesh.point_data["mask"] = np.array([True, False, True])
    write(mesh, tmp_path / "a.vtu")
    data = pv.read(tmp_path / "a.vtu").point_data
    kinds = [data[name].dtype.name for name in ("half", "mask")]
    assert kinds == ["float32", "uint8"] and data["mask"].tolist() == [1, 0, 1]
    for kind in (np.complex128, np.longdouble):  # neither fits without a loss
        mesh.point_data["z"] = np.array([1, 0, 0], kind)
        with pytest.raises(MeshFileError, match=np.dtype(kind).name):
            write(mesh, tmp_path / "a.vtu")
