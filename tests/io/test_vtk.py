"""Legacy VTK: VTK itself is the second opinion, both ways; and the same mesh back."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mesh_cases import ALL_CODES, DTYPES, assert_same, meshes, sample

from meshop.errors import MeshFileError
from meshop.io import read, write
from meshop.mesh import Mesh, Region

pv = pytest.importorskip("pyvista")
vtk = pytest.importorskip("vtk")

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
WRITERS = {
    "UnstructuredGrid": vtk.vtkUnstructuredGridWriter,
    "PolyData": vtk.vtkPolyDataWriter,
    "StructuredGrid": vtk.vtkStructuredGridWriter,
    "RectilinearGrid": vtk.vtkRectilinearGridWriter,
    "ImageData": vtk.vtkStructuredPointsWriter,
}


def vtk_write(grid, path, binary=True, version=51):
    name = next(n for n in WRITERS if n in type(grid).__name__)
    writer = WRITERS[name]()
    if name == "ImageData":  # its writer takes the older class only
        points = vtk.vtkStructuredPoints()
        points.DeepCopy(grid)
        grid = points
    writer.SetInputData(grid)
    writer.SetFileName(str(path))
    writer.SetFileVersion(version)
    (writer.SetFileTypeToBinary if binary else writer.SetFileTypeToASCII)()
    assert writer.Write() == 1


def strings_of(array):
    return [array.GetValue(i) for i in range(array.GetNumberOfValues())]


def assert_vtk(mesh, path):
    """VTK reads the same from the file; structured grids as explicit cells in its order."""
    grid = pv.read(path)
    source = grid
    if not isinstance(grid, pv.UnstructuredGrid):
        grid = vtk_cast(grid)
    assert np.array_equal(mesh.points, np.asarray(grid.points, dtype=float))
    cells = grid.GetCells()
    if grid.n_cells:
        assert np.array_equal(mesh.cell_offsets, pv.convert_array(cells.GetOffsetsArray()))
        assert np.array_equal(mesh.cell_nodes, pv.convert_array(cells.GetConnectivityArray()))
    assert np.array_equal(mesh.cell_types, grid.celltypes)
    for where in ("point_data", "cell_data", "field_data"):
        ours, theirs = getattr(mesh, where), getattr(source, where)
        raw = {"p": source.GetPointData, "c": source.GetCellData, "f": source.GetFieldData}
        raw = raw[where[0]]()
        assert sorted(ours) == sorted(raw.GetAbstractArray(i).GetName()
                                      for i in range(raw.GetNumberOfArrays()))  # fmt: skip
        for name, values in ours.items():
            array = raw.GetAbstractArray(name)
            if values.dtype.kind in "UO":
                assert values.tolist() == strings_of(array)
                continue
            found = np.asarray(theirs[name])
            if values.dtype == bool:
                assert array.GetDataTypeAsString() == "bit"
                values = values.astype(found.dtype)
            assert values.dtype == found.dtype, name
            assert np.array_equal(values, found, equal_nan=True), name
    return source


def vtk_cast(grid):
    """The cells of any data set, as VTK numbers them, on its own points."""
    out = vtk.vtkUnstructuredGrid()
    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    for i in range(grid.GetNumberOfPoints()):
        points.InsertNextPoint(grid.GetPoint(i))
    out.SetPoints(points)
    for i in range(grid.GetNumberOfCells()):
        ids = vtk.vtkIdList()
        grid.GetCellPoints(i, ids)
        out.InsertNextCell(grid.GetCellType(i), ids)
    return pv.wrap(out)


def everything(grid):
    """All that a legacy file can say about points and cells."""
    n, m = grid.n_points, grid.n_cells
    rng = np.random.default_rng(1)
    for dtype in DTYPES:
        grid.point_data[f"p {dtype}"] = rng.integers(0, 100, n).astype(dtype)
        grid.cell_data[f"c%{dtype}"] = rng.integers(0, 100, (m, 2)).astype(dtype)
    for name, width, kind in (
        ("velocity", 3, "Vectors"), ("n", 3, "Normals"), ("uv", 2, "TCoords"), ("T", 9, "Tensors"),
        ("rgb ä\n", 4, "Scalars"),
    ):  # fmt: skip
        values = rng.random((n, width)).astype("f4").round(3)
        grid.point_data[name] = (values * 200).astype("u1") if width == 4 else values
        getattr(grid.GetPointData(), f"SetActive{kind}")(name)
    grid.cell_data["symmetric"] = rng.random((m, 6))
    grid.GetCellData().SetActiveTensors("symmetric")
    grid.cell_data["id"] = np.arange(m) + 1000
    grid.GetCellData().SetActiveGlobalIds("id")
    grid.GetPointData().GetArray("velocity").SetComponentName(0, "u x")
    grid.GetPointData().GetArray("velocity").SetComponentName(1, "v")
    for data, count in ((grid.GetCellData(), m), (grid.GetFieldData(), 3)):
        bits, words = vtk.vtkBitArray(), vtk.vtkStringArray()
        bits.SetName("bits")
        words.SetName("words")
        for i in range(count):
            bits.InsertNextValue(i % 3 == 0)
            words.InsertNextValue(["a b", "", "ü%\n" * 30, "x" * 20_000][i % 4])
        data.AddArray(bits)
        data.AddArray(words)
    grid.field_data["TIME"] = np.array([0.25])
    grid.field_data["CYCLE"] = np.array([7], np.int32)
    return grid


def unstructured():
    rng = np.random.default_rng(0)
    grid = pv.UnstructuredGrid(
        [3, 0, 1, 2, 4, 1, 2, 3, 4, 1, 5, 2, 7, 6, 4, 3, 2, 1, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7],
        [5, 10, 1, 3, 9, 12],
        rng.random((9, 3)).round(3),
    )
    return grid


def surface():
    return pv.PolyData(
        np.random.default_rng(2).random((8, 3)).astype("f4").round(3),
        faces=[3, 0, 1, 2, 4, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4],
        lines=[2, 0, 7, 3, 1, 2, 3], verts=[1, 6, 2, 0, 5], strips=[5, 0, 1, 2, 3, 4],
    )  # fmt: skip


def structured(dimensions):
    rng = np.random.default_rng(3)
    axes = [np.arange(n) + 0.25 * rng.random(n).round(2) for n in dimensions]
    return pv.StructuredGrid(*np.meshgrid(*axes, indexing="ij"))


DIMENSIONS = [(3, 4, 5), (2, 2, 2), (3, 4, 1), (3, 1, 4), (1, 3, 4), (5, 1, 1), (1, 5, 1),
              (1, 1, 5), (1, 1, 1)]  # fmt: skip


def grids():
    yield "cells", unstructured()
    yield "surface", surface()
    for size in DIMENSIONS:
        yield f"structured {size}", structured(size)
        axes = [np.cumsum(np.arange(1.0, n + 1)).astype("f4") for n in size]
        yield f"rectilinear {size}", pv.RectilinearGrid(*axes)
        image = pv.ImageData(dimensions=size, spacing=(0.5, 0.25, 2), origin=(1, 2, 3))
        yield f"image {size}", image


@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("binary", [True, False])
def test_reads_what_vtk_writes(tmp_path, binary, version):
    for name, grid in grids():
        path = tmp_path / f"{name.replace(' ', '')}.vtk"
        vtk_write(everything(grid), path, binary, version)
        mesh = read(path)
        assert_vtk(mesh, path)
        assert mesh.components["point", "velocity"] == ("u x", "v")
        assert mesh.storage["point_data.Vectors"] == "velocity"
        assert mesh.storage["cell_data.GlobalIds"] == "id"


@pytest.mark.parametrize("binary", [True, False])
def test_vtk_reads_what_is_written(tmp_path, binary):
    vtk_write(everything(unstructured()), tmp_path / "a.vtk")
    mesh = read(tmp_path / "a.vtk")
    write(mesh, tmp_path / "b.vtk", binary=binary)
    again = read(tmp_path / "b.vtk")
    assert again.cell_data["words"].dtype == object  # one long text among short ones
    for one in (mesh, again):
        one.cell_data["words"] = one.cell_data["words"].astype(str)
    assert_same(again, mesh)
    for where in ("cell_data", "field_data"):  # VTK has them as bytes, and a note beside them
        getattr(mesh, where)["bits"] = getattr(mesh, where)["bits"].astype("u1")
        mesh.field_data[f"meshop_array {where[:-5]} bits"] = np.array(["bool"])
    grid = assert_vtk(mesh, tmp_path / "b.vtk")
    data = grid.GetPointData()
    assert data.GetArray("velocity").GetComponentName(1) == "v"
    for kind, name in (("Vectors", "velocity"), ("Normals", "n"), ("TCoords", "uv"),
                       ("Tensors", "T"), ("Scalars", "rgb ä\n")):  # fmt: skip
        assert getattr(data, f"Get{kind}")().GetName() == name
    assert grid.GetCellData().GetGlobalIds().GetName() == "id"


@pytest.mark.parametrize("binary", [True, False])
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(mesh=meshes(codes=[c for c in ALL_CODES if c != 42]), other=st.booleans())
def test_any_mesh_comes_back(binary, mesh, other):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.vtk")
        if other:
            mesh.storage |= {"connectivity": "int32", "offsets": "int32"}
            mesh.storage |= {"point_data.Scalars": next(iter(mesh.point_data), "")}
        if not binary:  # text knows one NaN only
            for data in (mesh.point_data, mesh.cell_data, mesh.field_data):
                for values in data.values():
                    if values.dtype.kind == "f":
                        values[np.isnan(values)] = np.nan
        write(mesh, path, binary=binary)
        found = read(path)
        _same_polyhedra(found, mesh)
        assert found.storage["points"] == mesh.storage["points"]
        first = path.read_bytes()
        found.save(path, binary=binary)
        assert path.read_bytes() == first


def _same_polyhedra(found, mesh):
    """Of polyhedra, the file has the faces only: their points come sorted, each once."""
    twin = mesh.copy()
    nodes = [mesh.cell_nodes[a:b] for a, b in zip(mesh.cell_offsets[:-1], mesh.cell_offsets[1:],
                                                 strict=True)]  # fmt: skip
    nodes = [np.unique(n) if t == 42 else n for n, t in zip(nodes, mesh.cell_types, strict=True)]
    twin.cell_nodes = np.concatenate([np.empty(0, np.int64), *nodes])
    twin.cell_offsets = np.cumsum([0, *map(len, nodes)])
    assert_same(found, twin)


@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("binary", [True, False])
def test_polyhedra(tmp_path, binary, version):
    grid = pv.examples.cells.Polyhedron()
    cube = pv.examples.cells.Hexahedron()
    grid = pv.merge([grid, cube, grid.translate((3, 0, 0))], merge_points=False)
    vtk_write(grid, tmp_path / "a.vtk", binary, version)
    mesh = read(tmp_path / "a.vtk")
    assert_vtk(mesh, tmp_path / "a.vtk")
    volumes = grid.compute_cell_sizes().cell_data["Volume"]
    assert mesh.cell_measures() == pytest.approx(volumes)
    write(mesh, tmp_path / "b.vtk", binary=binary)
    again = pv.read(tmp_path / "b.vtk")
    assert again.compute_cell_sizes().cell_data["Volume"] == pytest.approx(volumes)
    assert again.get_cell(0).n_faces == 4


@pytest.mark.parametrize("code", [72, 79])
@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_curved_hexahedra_of_old_and_new_order(tmp_path, version, order, code):
    source = vtk.vtkCellTypeSource()
    source.SetCellType(72)
    source.SetCellOrder(order)
    source.SetBlocksDimensions(1, 2, 1)
    source.Update()
    grid = source.GetOutput()
    cells = vtk.vtkCellArray()
    cells.DeepCopy(grid.GetCells())
    grid.SetCells(code, cells)
    vtk_write(pv.wrap(grid), tmp_path / "a.vtk", True, version)
    mesh = read(tmp_path / "a.vtk")
    assert_vtk(mesh, tmp_path / "a.vtk")
    write(mesh, tmp_path / "b.vtk")
    assert np.array_equal(read(tmp_path / "b.vtk").cell_nodes, mesh.cell_nodes)
    assert_vtk(mesh, tmp_path / "b.vtk")
    old = mesh.copy()
    old.storage = {**mesh.storage, "version": "1.0"}  # as an old VTU file is kept
    write(old, tmp_path / "c.vtk")
    assert (read(tmp_path / "c.vtk").cell_nodes.tolist() == mesh.cell_nodes.tolist()) == (order < 2)


def test_every_cell_type_goes_both_ways(tmp_path):
    for name, make in vars(pv.examples.cells).items():
        if not (callable(make) and name[0].isupper() and hasattr(make, "__module__")):
            continue
        if make.__module__ != pv.examples.cells.__name__ or name in ("Empty", "Polyhedron"):
            continue
        for binary in (True, False):
            vtk_write(make(), tmp_path / "a.vtk", binary)
            mesh = read(tmp_path / "a.vtk")
            assert_vtk(mesh, tmp_path / "a.vtk")
            write(mesh, tmp_path / "b.vtk", binary=binary)
            assert_vtk(mesh, tmp_path / "b.vtk")


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/data/format_zoo")
def test_files_of_other_programs(tmp_path):
    paths = sorted(ZOO.rglob("*.vtk"))
    assert paths
    for path in paths:
        mesh = read(path)
        assert_vtk(mesh, path)
        write(mesh, tmp_path / "a.vtk")
        again = read(tmp_path / "a.vtk")
        again.storage = mesh.storage
        _same_polyhedra(again, mesh)


def test_meshio_files(tmp_path):
    meshio = pytest.importorskip("meshio")
    points = np.random.default_rng(0).random((6, 3))
    cells = [("triangle", [[0, 1, 2], [1, 2, 3]]), ("quad", [[0, 1, 4, 5]])]
    data = {"a": np.arange(6), "u": points.astype("f4")}
    for version, binary in ((4, True), (4, False), (5, True), (5, False)):
        mesh = meshio.Mesh(points, cells, data, {"c": [np.arange(2), np.arange(1)]})
        mesh.write(tmp_path / "a.vtk", file_format=f"vtk{version}{2 - version % 2 * 1}",
                   binary=binary)  # fmt: skip
        found = read(tmp_path / "a.vtk")
        assert_vtk(found, tmp_path / "a.vtk")
        assert found.cell_data["c"].tolist() == [0, 1, 0]


HEAD = "# vtk DataFile Version 3.0\na title\nASCII\n"
GRID = (
    HEAD + "DATASET UNSTRUCTURED_GRID\nPOINTS 4 float\n0 0 0 1 0 0 1 1 0 0 1 0\n"
    "CELLS 2 8\n3 0 1 2 3 0 2 3\nCELL_TYPES 2\n5 5\n"
)


@pytest.mark.parametrize(
    "text",
    [
        GRID + "POINT_DATA 4\nSCALARS s int 1\nLOOKUP_TABLE default\n1 2 3 4\n",
        GRID + "point_data 4\nscalars s INT\nlookup_table default\n1\n2\n3\n\n4\n",
        GRID + "POINT_DATA 4\nSCALARS s int\n1 2 3 4\n",  # no LOOKUP_TABLE line
        GRID + "POINT_DATA 4\nSCALARS s int 1\n1 2 3 4",
        GRID + "POINT_DATA 4\nFIELD a 2\nNULL_ARRAY\ns 1 4 int\n1 2 3 4\n",
        GRID + "METADATA\nINFORMATION 1\nNAME X LOCATION Y\nDATA 2 0 1\n\n"
        "POINT_DATA 4\nPEDIGREE_IDS s int\n1 2 3 4\nMETADATA\nINFORMATION 0\n\n",
        GRID + "A_SECTION OF 3 things\n1 2 3\n4\nPOINT_DATA 4\nFIELD a 1\ns 1 4 int\n1 2 3 4\n",
        GRID + "CELL_DATA 2\nVECTORS v float\n1 2 3 4 5 6\nPOINT_DATA 4\nSCALARS s int\n"
        "LOOKUP_TABLE mine\n1 2 3 4\nLOOKUP_TABLE mine 2\n0 0 0 1 1 1 1 1\n",
        GRID + "CELL_DATA 0\n".replace("0", "2") + "POINT_DATA 4\nEDGE_FLAGS s int\n1 2 3 4\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n\n"])
def test_loose_texts(tmp_path, text, ends):
    if ends == "\n\n" and "METADATA" in text:
        pytest.skip("a blank line ends what is said of an array")
    body = text.removeprefix(HEAD).replace("\n", ends)
    head = HEAD.replace("\n", "\r\n") if ends == "\r\n" else HEAD
    (tmp_path / "a.vtk").write_bytes((head + body).encode())
    mesh = read(tmp_path / "a.vtk")
    assert mesh.cell_types.tolist() == [5, 5] and mesh.cell_nodes.tolist() == [0, 1, 2, 0, 2, 3]
    assert mesh.point_data["s"].tolist() == [1, 2, 3, 4]
    assert mesh.point_data["s"].dtype == np.int32


def test_colours_and_other_old_attributes(tmp_path):
    text = (
        GRID + "POINT_DATA 4\nCOLOR_SCALARS c 2\n0 0.5 1 0.1 0.2 0.3 0.999 0.001\n"
        "TENSORS6 t double\n" + "1 2 3 4 5 6 " * 4 + "\nTEXTURE_COORDINATES x 1 float\n1 2 3 4\n"
        "CELL_DATA 2\nSCALARS flag char\nLOOKUP_TABLE default\n200 -3\n"
    )
    (tmp_path / "a.vtk").write_text(text)
    mesh = read(tmp_path / "a.vtk")
    assert_vtk(mesh, tmp_path / "a.vtk")
    assert mesh.point_data["c"].tolist() == [[0, 128], [255, 26], [51, 77], [255, 0]]
    assert mesh.cell_data["flag"].tolist() == [-56, -3]


def test_field_alone_and_sections_in_any_order(tmp_path):
    (tmp_path / "a.vtk").write_text(HEAD + "FIELD FieldData 1\na 2 2 double\n1 2 3 4\n")
    mesh = read(tmp_path / "a.vtk")
    assert mesh.n_points == 0 and mesh.field_data["a"].tolist() == [[1, 2], [3, 4]]
    text = HEAD + "DATASET POLYDATA\nPOLYGONS 1 4\n3 0 1 2\nLINES 1 3\n2 0 1\nPOINTS 3 int\n"
    (tmp_path / "b.vtk").write_text(text + "0 0 0 1 0 0 0 1 0\nCELL_DATA 2\nFIELD f 1\n"
                                    "a 1 2 int\n7 8\n")  # fmt: skip
    mesh = read(tmp_path / "b.vtk")
    assert mesh.cell_types.tolist() == [3, 5] and mesh.cell_data["a"].tolist() == [7, 8]
    assert mesh.storage["points"] == "int32"


def test_image_with_an_extent(tmp_path):
    text = HEAD + "DATASET STRUCTURED_POINTS\nEXTENT 2 3 -1 0 0 0\nASPECT_RATIO 2 1 1\nORIGIN 1 0 0"
    (tmp_path / "a.vtk").write_text(text)
    mesh = read(tmp_path / "a.vtk")
    assert mesh.points.tolist() == [[5, -1, 0], [7, -1, 0], [5, 0, 0], [7, 0, 0]]
    assert mesh.cell_types.tolist() == [8]


def test_regions_title_and_integer_sizes_survive(tmp_path):
    mesh = sample()
    mesh.regions = {
        "airfoil wall": Region("facet", [[0, 1], [1, 2]]),
        "far": Region("point", [3, 4]),
        "solid": Region("cell", []),
        "no facets": Region("facet", np.empty((0, 3), np.int64)),
    }
    mesh.storage |= {"title": "flow around\n an airfoil", "connectivity": "int32",
                     "offsets": "int32"}  # fmt: skip
    mesh.save(tmp_path / "a.vtk")
    again = read(tmp_path / "a.vtk")
    assert_same(again, mesh)
    assert again.storage["title"] == "flow around an airfoil"
    assert again.storage["connectivity"] == "int32"
    assert pv.read(tmp_path / "a.vtk").n_cells == mesh.n_cells


def test_long_mixed_lists_of_sizes(tmp_path):
    """Old files give each cell's size before its nodes; polygons of any size, beyond a chunk."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 9, 200_000)
    nodes = rng.integers(0, 10, sizes.sum())
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    stream = np.insert(nodes, offsets[:-1], sizes).astype(">i4")
    head = HEAD.replace("ASCII", "BINARY") + "DATASET UNSTRUCTURED_GRID\nPOINTS 10 double\n"
    data = (
        head.encode() + bytes(240) + f"\nCELLS {len(sizes)} {len(stream)}\n".encode()
        + stream.tobytes() + f"\nCELL_TYPES {len(sizes)}\n".encode()
        + np.full(len(sizes), 7, ">i4").tobytes()
    )  # fmt: skip
    (tmp_path / "a.vtk").write_bytes(data)
    mesh = read(tmp_path / "a.vtk")
    assert np.array_equal(mesh.cell_offsets, offsets) and np.array_equal(mesh.cell_nodes, nodes)


def test_what_cannot_be_named_is_refused(tmp_path):
    for name in ("", "\ud800"):
        mesh = sample()
        mesh.cell_data[name] = np.zeros(mesh.n_cells)
        with pytest.raises(MeshFileError, match="name"):
            mesh.save(tmp_path / "a.vtk")
    mesh = sample()
    mesh.cell_data["z"] = np.zeros(mesh.n_cells, complex)
    with pytest.raises(MeshFileError, match="complex"):
        mesh.save(tmp_path / "a.vtk")
    assert not list(tmp_path.iterdir())
    mesh = Mesh.from_blocks(np.zeros((1, 3)), point_data={"NULL_ARRAY": [1], "%20": [2.0]})
    mesh.save(tmp_path / "a.vtk")
    assert_same(read(tmp_path / "a.vtk"), mesh)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("points", [0, 1])
def test_empty_meshes(tmp_path, points, binary):
    mesh = Mesh.from_blocks(np.zeros((points, 3)))
    write(mesh, tmp_path / "a.vtk", binary=binary)
    assert_same(read(tmp_path / "a.vtk"), mesh)
    assert pv.read(tmp_path / "a.vtk").n_points == points


@pytest.mark.parametrize("binary", [True, False])
def test_blocks_are_joined(tmp_path, binary):
    inner = pv.MultiBlock({"cells": unstructured(), "image": pv.ImageData(dimensions=(2, 3, 2))})
    blocks = pv.MultiBlock({"the ball": surface(), "inner": inner})
    blocks.append(None, "nothing")
    for grid in (blocks[0], inner[0], inner[1]):
        grid.cell_data["id"] = np.arange(grid.n_cells)
    writer = vtk.vtkCompositeDataWriter()
    writer.SetInputData(blocks)
    writer.SetFileName(str(tmp_path / "a.vtk"))
    (writer.SetFileTypeToBinary if binary else writer.SetFileTypeToASCII)()
    assert writer.Write() == 1
    mesh = read(tmp_path / "a.vtk")
    parts = {"the ball": blocks[0], "cells": inner[0], "image": inner[1]}
    start = point = 0
    for name, grid in parts.items():
        count = grid.n_cells
        assert mesh.regions[name].ids.tolist() == list(range(start, start + count))
        assert mesh.cell_data["id"][start : start + count].tolist() == list(range(count))
        found = mesh.points[point : point + grid.n_points]
        assert found == pytest.approx(np.asarray(grid.points, float), abs=1e-6)
        start, point = start + count, point + grid.n_points
    assert mesh.n_cells == start and len(mesh.regions["inner"].ids) == start - blocks[0].n_cells
