"""OpenFOAM cases: by hand, by OpenFOAM's own programs, by ParaView's reader, and written again."""

import gzip
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cases import assert_same

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, read_series, write, write_series
from meshop.io.openfoam import write_fields
from meshop.mesh import CELL_TYPES, Mesh, Region

PITZ = Path(__file__).parents[3] / "shared" / "data" / "openfoam_pitzdaily"
needs_pitz = pytest.mark.skipif(not PITZ.is_dir(), reason="no shared data here")
needs_openfoam = pytest.mark.skipif(not shutil.which("blockMesh"), reason="no OpenFOAM here")


def header(kind, form="ascii"):
    return f"FoamFile {{ version 2.0; format {form}; class {kind}; object x; }}\n"


# -- by hand ------------------------------------------------------------------------------------

# A unit cube with a pyramid on its top: point 8 is the apex, face 0 lies between the two cells.
POINTS = "9((0 0 0)(1 0 0)(1 1 0)(0 1 0)(0 0 1)(1 0 1)(1 1 1)(0 1 1)(0.5 0.5 1.5))"
FACES = """10 ( 4(4 5 6 7) 4(0 4 7 3) 4(1 2 6 5) 4(0 1 5 4) 4(3 7 6 2) 4(0 3 2 1)
3(4 5 8) 3(5 6 8) 3(6 7 8) 3(7 4 8) )"""
BOUNDARY = """3 ( inlet { type patch; nFaces 1; startFace 1; }
walls { type wall; inGroups 1(wall); physicalType "no; slip"; nFaces 4; startFace 2; }
roof { type patch; nFaces 4; startFace 6; } )"""


def by_hand(case, **files):
    """A case of two cells; files: path with __ for /, and its content."""
    texts = {
        "constant/polyMesh/points": header("vectorField") + POINTS,
        "constant/polyMesh/faces": header("faceList") + FACES,
        "constant/polyMesh/owner": header("labelList") + "10(0 0 0 0 0 0 1 1 1 1)",
        "constant/polyMesh/neighbour": header("labelList") + "1{1}",
        "constant/polyMesh/boundary": header("polyBoundaryMesh") + BOUNDARY,
        "3/p": header("volScalarField")
        + "dimensions [0 2 -2 0 0 0 0]; internalField nonuniform List<scalar> 2(1 0.1);\n"
        "boundaryField { walls { type fixedValue; value uniform 3; } }",
    } | {name.replace("__", "/"): text for name, text in files.items()}
    for name, text in texts.items():
        (case / name).parent.mkdir(parents=True, exist_ok=True)
        (case / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return case


def test_cells_from_faces_by_hand(tmp_path):
    mesh = read(by_hand(tmp_path / "a"))
    assert mesh.points[8].tolist() == [0.5, 0.5, 1.5] and mesh.points.shape == (9, 3)
    assert mesh.cell_types.tolist() == [12, 14] and mesh.faces is None
    # The first face, from its lowest node on, is the bottom: VTK sees it from above.
    assert mesh.cell_nodes.tolist() == [4, 7, 6, 5, 0, 3, 2, 1, 4, 5, 6, 7, 8]
    assert mesh.cell_measures() == pytest.approx([1, 1 / 6])
    assert str(mesh.validate()) == "no faults"
    assert {name: region.kind for name, region in mesh.regions.items()} == dict.fromkeys(
        ("inlet", "walls", "roof"), "facet"
    )
    assert mesh.regions["inlet"].ids.tolist() == [[0, 4, 7, 3]]
    assert mesh.regions["roof"].ids.tolist() == [[4, 5, 8], [5, 6, 8], [6, 7, 8], [7, 4, 8]]
    assert mesh.field_data["foam_patch walls"].tolist() == [
        "wall", "inGroups 1(wall)", 'physicalType "no; slip"',
    ]  # fmt: skip
    assert mesh.cell_data["p"].tolist() == [1, 0.1]
    assert mesh.field_data["dimensions p"].tolist() == ["[0 2 -2 0 0 0 0]"]
    assert mesh.field_data["TimeValue"].tolist() == [3]


def test_cells_that_are_no_shape_of_vtk_are_polyhedra(tmp_path):
    faces = FACES.replace("4(0 3 2 1)", "3(0 3 2) 3(0 2 1)").replace("10 (", "11 (")
    owner = "11(0 0 0 0 0 0 0 1 1 1 1)"
    boundary = BOUNDARY.replace("nFaces 4; startFace 6", "nFaces 4; startFace 7")
    mesh = read(
        by_hand(
            tmp_path / "a",
            constant__polyMesh__faces=header("faceList") + faces,
            constant__polyMesh__owner=header("labelList") + owner,
            constant__polyMesh__boundary=header("polyBoundaryMesh") + boundary,
        )
    )
    assert mesh.cell_types.tolist() == [42, 14] and mesh.face_offsets.tolist() == [34, -1]
    assert mesh.faces.tolist()[:11] == [7, 4, 4, 5, 6, 7, 4, 0, 4, 7, 3]
    assert mesh.cell_nodes.tolist()[:8] == list(range(8))
    assert mesh.cell_measures() == pytest.approx([1, 1 / 6])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("internalField uniform 7;", [7, 7]),
        ("internalField nonuniform List<scalar> 2{7};", [7, 7]),
        ("internalField nonuniform (7 // one\n 8);", [7, 8]),
        ("/* } */ start 4; other $start; internalField uniform $start;", [4, 4]),
        ("inside uniform 5;\ninternalField $inside;", [5, 5]),
        ("#includeIfPresent \"x\"\nboundaryField { a { value $internalField; } b { code #{ ; } #};"
         " } }\ninternalField nonuniform List<scalar> 2 ( -1e-300 nan );", [-1e-300, np.nan]),
    ],
)  # fmt: skip
def test_ways_to_give_a_field(tmp_path, text, expected):
    mesh = read(by_hand(tmp_path / "a", **{"3__p": header("volScalarField") + text}))
    assert np.array_equal(mesh.cell_data["p"], expected, equal_nan=True)


def test_kinds_of_fields(tmp_path):
    numbers = " ".join(map(str, range(18)))
    case = by_hand(
        tmp_path / "a",
        **{
            "3/S": header("volSymmTensorField") + "internalField uniform (1 2 3 4 5 6);",
            "3/T": header("volTensorField")
            + f"internalField nonuniform List<tensor> 2(({numbers[:17]})({numbers[18:]}));",
            "3/I": header("volSphericalTensorField")
            + "internalField nonuniform List<sphericalTensor> 2((2)(3));",
            "3/d": header("pointVectorField") + "internalField uniform (0 0 1);",
            "3/phi": header("surfaceScalarField") + "internalField uniform 0;",
            "3/q": header("volScalarField::Internal") + "dimensions []; value uniform 2;",
            "3/U.orig": header("volVectorField") + "internalField uniform (0 0 1);",
            "3/notes.txt": "volScalarField",
            "3/uniform/time": header("dictionary") + "value 3;",
        },
    )
    mesh = read(case)
    assert list(mesh.cell_data) == ["I", "S", "T", "p", "q"] and list(mesh.point_data) == ["d"]
    assert mesh.cell_data["S"].tolist() == [[1, 2, 3, 4, 5, 6]] * 2
    assert mesh.cell_data["T"].ravel().tolist() == list(range(18))
    assert mesh.cell_data["I"].tolist() == [2, 3]
    assert mesh.components["cell", "S"] == ("XX", "XY", "XZ", "YY", "YZ", "ZZ")
    only = read(case, arrays=["S", "d"])
    assert list(only.cell_data) == ["S"] and list(only.point_data) == ["d"]
    with pytest.raises(MeshFileError, match="there is no field 'Q'") as caught:
        read(case, arrays=["Q"])
    assert "one of I, S, T, d, p, q" in str(caught.value)


@pytest.mark.parametrize(
    "value", ["#codeStream { code #{ exit(1); #}; };", '#calc "1+1";', "uniform $none;", "$p;"]
)
def test_nothing_in_a_file_is_executed(tmp_path, value):
    text = header("volScalarField") + f"internalField {value}"
    case = by_hand(tmp_path / "a", **{"3/c": text})
    with pytest.warns(MeshFileWarning, match="the field is left out"):
        assert list(read(case).cell_data) == ["p"]
    with pytest.raises(MeshFileError, match="runs no code"):
        read(case, arrays=["c"])


def test_paths_that_name_a_case(tmp_path):
    case = by_hand(
        tmp_path / "a",
        **{
            "case.foam": "",
            "a.OpenFOAM": "",
            "system/controlDict": header("dictionary"),
            "7/p": header("volScalarField") + "internalField uniform 2;",
            "0.orig/p": "",
        },
    )
    for name in (".", "case.foam", "a.OpenFOAM", "system/controlDict", "system", "7"):
        mesh = read(case / name)
        assert mesh.field_data["TimeValue"] == 7 and mesh.cell_data["p"].tolist() == [2, 2]
    assert read(case, time=3).cell_data["p"].tolist() == [1, 0.1]
    assert read(case / "3").cell_data["p"].tolist() == [1, 0.1]
    assert read_series(case).times == (3, 7)
    mesh = read(case / "constant" / "polyMesh")
    assert mesh.n_cells == 2 and not mesh.cell_data and "TimeValue" not in mesh.field_data
    for bad in (tmp_path, case / "none.foam", tmp_path / "no"):
        with pytest.raises(MeshFileError):
            read(bad)
    (tmp_path / "b.foam").touch()
    with pytest.raises(MeshFileError, match="there is no mesh"):
        read(tmp_path / "b.foam")


def test_points_and_faces_that_change_with_time(tmp_path):
    moved = header("vectorField") + POINTS.replace("0.5 0.5 1.5", "0.5 0.5 2.5")
    field = header("volScalarField") + "internalField uniform 2;"
    files = {f"{time}/p": field for time in ("4", "5", "6")} | {"5/polyMesh/points": moved}
    series = read_series(by_hand(tmp_path / "a", **files))
    assert [mesh.points[8, 2] for mesh in series] == [1.5, 1.5, 2.5, 2.5]
    a, b = series[0], series[1]
    assert a.cell_nodes is b.cell_nodes  # read once
    assert a.cell_data["p"][1] == 0.1 and b.cell_data["p"][1] == 2


def test_regions_are_joined_by_name(tmp_path):
    case = by_hand(tmp_path / "a")
    for name in ("fluid", "solid"):
        shutil.copytree(case / "constant" / "polyMesh", case / "constant" / name / "polyMesh")
        (case / "3" / name).mkdir()
        shutil.copy(case / "3" / "p", case / "3" / name / f"p_{name}")
    assert read(case).n_cells == 2  # without regionProperties: the mesh that has no name
    text = header("dictionary") + "regions ( solid (solid) fluid (fluid none) );"
    (case / "constant" / "regionProperties").write_text(text)
    mesh = read(case)
    assert mesh.n_cells == 4 and mesh.regions["fluid"].ids.tolist() == [2, 3]
    assert np.array_equal(mesh.cell_data["p_solid"], [1, 0.1, np.nan, np.nan], equal_nan=True)
    assert read(case / "constant" / "fluid" / "polyMesh").n_cells == 2
    mesh.cell_data["T"] = np.arange(4.0)
    write_fields(mesh, case, arrays=["T", "p_solid"])
    assert read(case).cell_data["T"].tolist() == [0, 1, 2, 3]
    assert not (case / "3" / "fluid" / "p_solid").exists()


def test_links_and_pipes_in_a_case(tmp_path):
    case = by_hand(tmp_path / "a")
    os.symlink(case, case / "3" / "again")
    os.symlink("loop", case / "3" / "loop")
    os.symlink("8", case / "8")
    os.mkfifo(case / "3" / "pipe")
    assert list(read(case).cell_data) == ["p"] and read_series(case).times == (3,)
    os.unlink(case / "constant" / "polyMesh" / "owner")
    os.symlink("owner", case / "constant" / "polyMesh" / "owner")
    with pytest.raises(MeshFileError, match="no such file"):
        read(case)


def test_reading_loads_no_heavy_package(tmp_path):
    by_hand(tmp_path / "a")
    code = "import sys, meshop.io; meshop.io.read(sys.argv[1]); print(*sys.modules)"
    run = [sys.executable, "-c", code, str(tmp_path / "a")]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "vtk", "vtkmodules", "meshio", "pyvista"} & set(loaded)


# -- written ------------------------------------------------------------------------------------


def block(shape=(2, 2, 1), kind="hexahedron", seed=0):
    """A box of cells, points moved a little so that no two are alike."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(n + 1.0) for n in shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    points += 0.1 * rng.random(points.shape)
    at = np.arange(len(points)).reshape([n + 1 for n in shape])
    low, high = slice(None, -1), slice(1, None)
    ring = [(low, low), (high, low), (high, high), (low, high)]
    corners = np.stack([at[i, j, k] for k in (low, high) for i, j in ring], -1).reshape(-1, 8)
    split = {
        "hexahedron": [range(8)],
        "wedge": [[0, 2, 1, 4, 6, 5], [0, 3, 2, 4, 7, 6]],
        "tetra": [[0, *pair, 6] for pair in ([1, 2], [2, 3], [3, 7], [7, 4], [4, 5], [5, 1])],
        "pyramid": None,
    }[kind]  # fmt: skip
    if split is None:  # each cube into six, around a point of its own
        middle = len(points) + np.arange(len(corners))
        points = np.concatenate([points, points[corners].mean(axis=1)])
        faces = [[*reversed(face)] for face in CELL_TYPES[12].facets]
        cells = np.concatenate([np.column_stack([corners[:, f], middle]) for f in faces])
    else:
        cells = np.concatenate([corners[:, list(row)] for row in split])
    return Mesh.from_blocks(points, [(kind, rng.permutation(cells))])


@settings(max_examples=25)
@given(
    shape=st.tuples(*[st.integers(1, 3)] * 3),
    kind=st.sampled_from(["hexahedron", "wedge", "tetra", "pyramid"]),
    seed=st.integers(0, 99),
    binary=st.booleans(),
    time=st.sampled_from([None, 0.0, 1e-9, 262.0, 0.1 + 0.2]),
)
def test_round_trip(tmp_path_factory, shape, kind, seed, binary, time):
    mesh = block(shape, kind, seed)
    rng = np.random.default_rng(seed)
    sizes = {"s": (), "v": (3,), "sym": (6,), "ten": (9,)}
    for name, extra in sizes.items():
        mesh.cell_data[name] = rng.standard_normal((mesh.n_cells, *extra))
        mesh.point_data[f"p{name}"] = rng.standard_normal((mesh.n_points, *extra))
    mesh.cell_data["s"][0] = np.nan
    outer = mesh.boundary_facets().nodes
    rows = rng.permutation(len(outer))[: len(outer) // 2 + 1]
    mesh.regions["wall"] = Region("facet", outer[rows])
    mesh.regions["zone"] = Region("cell", rng.permutation(mesh.n_cells)[:2])
    mesh.regions["probe"] = Region("point", rng.permutation(mesh.n_points)[:3])
    mesh.field_data["foam_patch wall"] = np.array(["wall", "inGroups 1(wall)"])
    mesh.field_data["dimensions v"] = np.array(["[0 1 -1 0 0 0 0]"])
    if time is not None:
        mesh.field_data["TimeValue"] = np.array([time])
    folder = tmp_path_factory.mktemp("case")
    write(mesh, folder / "a" / "x.foam", binary=binary)
    found = read(folder / "a")
    assert np.array_equal(found.points, mesh.points)
    assert np.array_equal(found.cell_types, mesh.cell_types)
    width = len(mesh.cell_nodes) // mesh.n_cells
    assert np.array_equal(
        np.sort(found.cell_nodes.reshape(-1, width)), np.sort(mesh.cell_nodes.reshape(-1, width))
    )
    assert np.allclose(found.cell_measures(), mesh.cell_measures(), rtol=1e-12)
    for data, given_ in ((found.cell_data, mesh.cell_data), (found.point_data, mesh.point_data)):
        assert {k: v.tobytes() for k, v in data.items()} == {
            k: v.tobytes() for k, v in given_.items()
        }
    for name, region in mesh.regions.items():
        assert found.regions[name].kind == region.kind
        assert np.array_equal(found.regions[name].ids, region.ids)
    assert found.field_data["foam_patch wall"].tolist() == ["wall", "inGroups 1(wall)"]
    assert found.field_data["dimensions v"].tolist() == ["[0 1 -1 0 0 0 0]"]
    assert found.field_data["TimeValue"].tolist() == [time or 0.0]
    write(found, f"{folder}/b/", binary=not binary)  # from here on, everything is the same
    assert_same(read(folder / "b"), found)


def test_prisms_and_polyhedra_are_written_as_their_faces(tmp_path):
    ring = [[np.cos(a), np.sin(a), z] for z in (0, 1) for a in np.arange(6) * np.pi / 3]
    mesh = Mesh.from_blocks(ring, [(16, [range(12)])])
    with pytest.warns(MeshFileWarning, match="1 cells of type hexagonal_prism come back as polyh"):
        write(mesh, tmp_path / "a.foam")
    found = read(tmp_path)
    assert found.cell_types.tolist() == [42] and found.regions["defaultFaces"].ids.shape == (8, 6)
    assert found.cell_measures() == pytest.approx([1.5 * np.sqrt(3)])
    # VTK lets the faces of a polyhedron run either way; OpenFOAM wants them outwards.
    turned = Mesh(
        found.points, found.cell_types, found.cell_offsets, found.cell_nodes,
        faces=found.faces.copy(), face_offsets=found.face_offsets,
    )  # fmt: skip
    first = turned.faces[1]
    turned.faces[2 : 2 + first] = turned.faces[2 : 2 + first][::-1].copy()
    write(turned, tmp_path / "b" / "a.foam")
    again = read(tmp_path / "b").regions["defaultFaces"].ids
    assert {frozenset(row) for row in again.tolist()} == {
        frozenset(row) for row in found.regions["defaultFaces"].ids.tolist()
    }
    centre = found.points.mean(axis=0)
    for row in again:
        ring = found.points[row[row >= 0]]
        area = sum(np.cross(ring[i - 1] - ring[0], ring[i] - ring[0]) for i in range(2, len(ring)))
        assert np.dot(area, ring.mean(axis=0) - centre) > 0


def test_inverted_and_collapsed_cells(tmp_path):
    mesh = block((1, 1, 2), "tetra")
    mirrored = mesh.cell_nodes.reshape(-1, 4)[:, [0, 2, 1, 3]].copy()
    write(Mesh.from_blocks(mesh.points, [("tetra", mirrored)]), tmp_path / "a" / "a.foam")
    write(mesh, tmp_path / "b" / "a.foam")
    a, b = read(tmp_path / "a"), read(tmp_path / "b")
    assert a.cell_types.tolist() == b.cell_types.tolist() == [10] * mesh.n_cells
    # A hexahedron with an edge drawn together is a wedge by its faces.
    cube = block((1, 1, 1))
    nodes = cube.cell_nodes.copy()
    nodes[[3, 7]] = nodes[[2, 6]]
    with pytest.warns(MeshFileWarning, match="hexahedron come back as wedge"):
        write(Mesh.from_blocks(cube.points, [("hexahedron", [nodes])]), tmp_path / "c" / "a.foam")
    assert read(tmp_path / "c").cell_types.tolist() == [13]


def test_surface_cells_become_patches(tmp_path):
    solid = block((1, 1, 1))
    outer = solid.boundary_facets().nodes
    mesh = Mesh.from_blocks(
        solid.points,
        [("quad", outer[:2]), ("hexahedron", [solid.cell_nodes]), ("quad", outer[2:3])],
        cell_data={"p": np.array([5.0, 6.0, 7.0, 8.0])},
        regions={"far field": Region("cell", [0, 1]), "solid": Region("cell", [2])},
    )
    with pytest.warns(MeshFileWarning) as said:
        write(mesh, tmp_path / "case.foam")
    assert ["1 cells that are no volumes" in str(w.message) for w in said].count(True) == 1
    found = read(tmp_path)
    assert {n: (r.kind, len(r.ids)) for n, r in found.regions.items()} == {
        "far_field": ("facet", 2), "defaultFaces": ("facet", 4), "solid": ("cell", 1),
    }  # fmt: skip
    assert found.cell_data["p"].tolist() == [7]


def test_what_cannot_be_written_is_said(tmp_path):
    plane = Mesh.from_blocks([[0, 0], [1, 0], [0, 1]], [("triangle", [[0, 1, 2]])])
    with pytest.raises(MeshFileError, match="made of volumes"):
        write(plane, tmp_path / "a.foam")
    curved = Mesh.from_blocks(np.random.default_rng(0).random((10, 3)), [(24, [range(10)])])
    with pytest.raises(MeshFileError, match="no quadratic_tetra"):
        write(curved, tmp_path / "a.foam")
    cube = block((1, 1, 1))
    thrice = Mesh.from_blocks(cube.points, [("hexahedron", [cube.cell_nodes] * 3)])
    with pytest.raises(MeshFileError, match="share one face"):
        write(thrice, tmp_path / "a.foam")
    for nodes in ([0] * 8, [0, 1, 2, 3, 0, 1, 2, 3]):
        flat = Mesh.from_blocks(cube.points, [("hexahedron", [nodes])])
        with pytest.raises(MeshFileError, match="cell 0"):
            write(flat, tmp_path / "a.foam")
    with pytest.raises(MeshFileError, match="mkdir"):
        write(cube, tmp_path / "no" / "where" / "a.foam")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "x.txt").touch()
    with pytest.raises(MeshFileError, match="other files"):
        write(cube, tmp_path / "letters")
    assert [p.name for p in tmp_path.iterdir()] == ["letters"]
    cube.cell_data = {"a b": np.ones(1), "n": np.ones(1, np.int32), "two": np.ones((1, 2)),
                      "text": np.array(["x"])}  # fmt: skip
    cube.field_data["aoa"] = np.array([4.0])
    cube.regions["nowhere"] = Region("facet", [[0, 1, 2, -1]])
    with pytest.warns(MeshFileWarning) as said:
        write(cube, tmp_path / "case.foam")
    texts = " ".join(str(w.message) for w in said)
    for part in ("'a b' as a_b", "'n'", "'two', 'text'", "'aoa'", "'nowhere'"):
        assert part in texts, part
    assert list(read(tmp_path).cell_data) == ["a_b", "n"]


def test_a_case_without_a_mesh_keeps_what_it_has(tmp_path):
    cube = block((1, 1, 1))
    cube.cell_data["p"] = np.ones(1)
    for name in ("0/p", "0/U", "system/controlDict", "constant/polyMesh/boundary"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(MeshFileError, match="there already"):
        write(cube, tmp_path)
    assert len(contents(tmp_path)) == 4
    write(cube, tmp_path, overwrite=True)
    (tmp_path / "0" / "U").unlink()
    assert read(tmp_path).cell_data["p"].tolist() == [1]
    assert (tmp_path / "system" / "controlDict").read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_symmetric_tensors_in_the_order_of_vtk_are_reordered(tmp_path):
    mesh = block((1, 1, 1))
    mesh.cell_data["R"] = np.arange(6.0)[None]
    mesh.components["cell", "R"] = ("XX", "YY", "ZZ", "XY", "YZ", "XZ")
    write(mesh, tmp_path / "a.foam")
    assert read(tmp_path).cell_data["R"].tolist() == [[0, 3, 5, 1, 4, 2]]


# -- fields into a case -------------------------------------------------------------------------


def contents(case):
    return {path: path.read_bytes() for path in case.rglob("*") if path.is_file()}


def test_predictions_go_into_the_time_folder(tmp_path):
    case = by_hand(
        tmp_path / "a",
        **{"3/U": header("volVectorField") + "dimensions [0 1 -1 0 0 0 0];"
           "internalField uniform (1 2 3);"},
    )  # fmt: skip
    before = contents(case)
    mesh = read(case)
    mesh.cell_data["U_pred"] = np.array([[1, 2, 3], [4, 5, 0.1]], np.float32)
    mesh.cell_data["p_pred_error"] = np.array([0.25, 1e-17])
    mesh.cell_data["mag(U)"] = np.array([1.0, 2.0])
    write(mesh, case)
    after = contents(case)
    assert {path: after[path] for path in before} == before
    assert {p.relative_to(case).as_posix() for p in set(after) - set(before)} == {
        "3/U_pred", "3/p_pred_error", "3/mag(U)",
    }  # fmt: skip
    found = read(case)
    assert np.array_equal(found.cell_data["U_pred"], mesh.cell_data["U_pred"])
    assert found.cell_data["p_pred_error"].tolist() == [0.25, 1e-17]
    assert found.field_data["dimensions U_pred"].tolist() == ["[0 1 -1 0 0 0 0]"]
    assert found.field_data["dimensions p_pred_error"].tolist() == ["[0 2 -2 0 0 0 0]"]
    write(mesh, case)  # the same again: nothing to do
    assert contents(case) == after
    mesh.cell_data["U_pred"] = mesh.cell_data["U_pred"] + 1
    mesh.cell_data["new"] = np.zeros(2)
    with pytest.raises(MeshFileError, match="other values"):
        write(mesh, case)
    assert contents(case) == after
    write_fields(mesh, case, arrays=["U_pred"], overwrite=True, binary=False)
    assert read(case).cell_data["U_pred"].tolist() == [[2, 3, 4], [5, 6, pytest.approx(1.1)]]
    write_fields(mesh, case, time=2.5, arrays=["U_pred"])
    assert list(read(case, time=2.5).cell_data) == ["U_pred"]
    with pytest.raises(MeshFileError, match="the mesh has no 'Q'"):
        write_fields(mesh, case, arrays=["Q"])


def test_a_case_of_another_mesh_is_left_alone(tmp_path):
    case = by_hand(tmp_path / "a")
    before = contents(case)
    with pytest.raises(MeshFileError, match="another mesh: 2 cells and 9 points, not 1 and 8"):
        write(block((1, 1, 1)), case)
    moved = read(case)
    moved.points = moved.points + 0.01
    with pytest.raises(MeshFileError, match="points differ"):
        write(moved, case)
    assert contents(case) == before


def test_fields_appear_all_or_none(tmp_path, monkeypatch):
    case = by_hand(tmp_path / "a")
    mesh = read(case)
    mesh.cell_data |= {"a": np.ones(2), "b": np.ones(2)}
    before = contents(case)
    from meshop.io.openfoam import _fields as _foam_fields

    def broken(values, binary, tuples=True):
        if len(list(case.rglob(".*"))) > 1:
            raise OSError(28, "No space left on device")
        yield b"2\n(1 1)"

    monkeypatch.setattr(_foam_fields, "numbers", broken)
    with pytest.raises(MeshFileError, match="No space left"):
        write_fields(mesh, case, time=9, arrays=["a", "b"], binary=False)
    assert contents(case) == before and not (case / "9").exists()


def test_series_written(tmp_path):
    mesh = block((2, 1, 1))
    steps = []
    for i in range(4):
        step = mesh.copy()
        step.cell_data["p"] = np.array([i, -i], float)
        step.points = mesh.points + (0.5 if i == 2 else 0)
        steps.append((i / 2, step))
    write_series(tmp_path / "a" / "x.foam", iter(steps))
    series = read_series(tmp_path / "a")
    assert series.times == (0, 0.5, 1, 1.5)
    for (_, given_), found in zip(steps, series, strict=True):
        assert np.array_equal(found.points, given_.points)
        assert np.array_equal(found.cell_data["p"], given_.cell_data["p"])


# -- real cases, OpenFOAM's programs, ParaView's reader -----------------------------------------


@needs_pitz
def test_pitz_daily_against_its_bytes_and_vtk(tmp_path):
    mesh = read(PITZ)
    assert mesh.n_cells == 12_225 and mesh.n_points == 25_012
    assert np.all(mesh.cell_types == 12)
    assert mesh.field_data["TimeValue"] == 262 and read_series(PITZ).times == (0, 100, 200, 262)
    sizes = {"inlet": 30, "outlet": 57, "upperWall": 223, "lowerWall": 250, "frontAndBack": 24_450}
    assert {name: len(region.ids) for name, region in mesh.regions.items()} == sizes
    raw = (PITZ / "262" / "U").read_bytes()
    at = raw.index(b"12225\n(") + 7
    assert mesh.cell_data["U"].tobytes() == raw[at : at + 24 * 12_225]
    pv = pytest.importorskip("pyvista")
    shutil.copytree(PITZ, tmp_path / "pitz")
    os.chmod(tmp_path / "pitz", 0o755)
    (tmp_path / "pitz" / "a.foam").touch()
    reader = pv.POpenFOAMReader(tmp_path / "pitz" / "a.foam")
    reader.set_active_time_value(262)
    grid = reader.read()["internalMesh"]
    assert np.array_equal(grid.celltypes, mesh.cell_types)
    assert np.allclose(grid.points, mesh.points, atol=1e-7)
    assert np.allclose(grid.cell_centers().points, mesh.cell_centers(), atol=1e-6)
    for name, values in mesh.cell_data.items():
        assert np.allclose(grid.cell_data[name], values, rtol=1e-6)


def foam(case, *command):
    """Run one of OpenFOAM's programs in a case; its output."""
    env = {"WM_PROJECT_DIR": "/usr/share/openfoam"} | os.environ
    run = subprocess.run(command, cwd=case, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-500:] + run.stdout[-500:]
    return run.stdout


GRADED = """convertToMeters 1; vertices ((0 0 0)(1 0 0)(1 1 0)(0 1 0)(0 0 1)(1 0 1)(1 1 1)(0 1 1));
blocks (hex (0 1 2 3 4 5 6 7) zone (4 3 2) simpleGrading (3 0.2 1)); edges (); mergePatchPairs ();
boundary (low {type wall; faces ((0 3 2 1));} side {type patch; faces ((0 4 7 3)(1 2 6 5));});"""
AXIS = """convertToMeters 1; vertices ((0 0 0)(2 0 0)(2 1 -0.04)(0 1 -0.04)(2 1 0.04)(0 1 0.04));
blocks (hex (0 1 2 3 0 1 4 5) (4 3 1) simpleGrading (1 1 1)); edges (); mergePatchPairs ();
boundary (front {type wedge; faces ((0 1 4 5));} back {type wedge; faces ((0 3 2 1));}
axis {type empty; faces ((0 1 1 0));});"""
CONTROL = """startFrom startTime; startTime 0; stopAt endTime; endTime 1; deltaT 1;
writeControl timeStep; writeInterval 1; writePrecision 12; writeFormat binary;
writeCompression on;"""


def made(case, blocks, *commands):
    """A case that blockMesh has made, with a field, after some more commands."""
    write_to = {
        "system/controlDict": header("dictionary") + CONTROL.replace("binary", "ascii").replace(
            "on;", "off;"
        ),
        "system/fvSchemes": header("dictionary") + "ddtSchemes{} gradSchemes{} divSchemes{} "
        "laplacianSchemes{} interpolationSchemes{} snGradSchemes{}",
        "system/fvSolution": header("dictionary"),
        "system/blockMeshDict": header("dictionary") + blocks,
        "system/decomposeParDict": header("dictionary")
        + "numberOfSubdomains 3; method simple; simpleCoeffs { n (3 1 1); delta 0.001; }",
        "0/p": header("volScalarField") + "dimensions [0 2 -2 0 0 0 0]; internalField uniform 1;"
        'boundaryField { ".*" { type zeroGradient; } "front|back" { type wedge; } '
        "axis { type empty; } }",
    }  # fmt: skip
    for name, text in write_to.items():
        (case / name).parent.mkdir(parents=True, exist_ok=True)
        (case / name).write_text(text)
    for command in (["blockMesh"], *commands):
        foam(case, *command)
    return case


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """24 graded hexahedra with values that differ in each cell, at time 0."""
    case = made(tmp_path_factory.mktemp("graded"), GRADED)
    mesh = read(case)
    mesh.cell_data = {"p": np.arange(24.0) ** 2, "U": mesh.cell_centers() + 1 / 3}
    write_fields(mesh, case, overwrite=True)
    return case


@needs_openfoam
def test_volumes_and_centres_are_those_of_openfoam(graded, tmp_path):
    for case in (shutil.copytree(graded, tmp_path / "a"), made(tmp_path / "b", AXIS)):
        foam(case, "postProcess", "-func", "writeCellVolumes", "-time", "0")
        foam(case, "postProcess", "-func", "writeCellCentres", "-time", "0")
        mesh = read(case)
        assert mesh.cell_measures() == pytest.approx(mesh.cell_data["V"], rel=1e-9)
        assert np.allclose(mesh.cell_centers(), mesh.cell_data["C"], atol=0.05)
    assert set(mesh.cell_types.tolist()) == {12, 13}
    assert mesh.field_data["foam_patch front"][0] == "wedge"


@needs_openfoam
def test_binary_and_packed_are_the_same_as_ascii(graded, tmp_path):
    expected = read(graded)
    for compression in ("off", "on"):
        case = shutil.copytree(graded, tmp_path / compression)
        control = CONTROL  # binary files are never packed
        if compression == "on":
            control = control.replace("binary", "ascii")
        (case / "system" / "controlDict").write_text(header("dictionary") + control)
        foam(case, "foamFormatConvert")
        name = "points.gz" if compression == "on" else "points"
        assert (case / "constant" / "polyMesh" / name).exists()
        found = read(case)
        assert np.array_equal(found.points, expected.points)
        assert np.array_equal(found.cell_nodes, expected.cell_nodes)
        assert np.allclose(found.cell_data["U"], expected.cell_data["U"], rtol=1e-11)


@needs_openfoam
@pytest.mark.parametrize("handler", ["uncollated", "collated"])
def test_decomposed_cases_come_back_in_the_original_order(graded, tmp_path, handler):
    expected = read(graded)
    case = shutil.copytree(graded, tmp_path / "a")
    foam(case, "decomposePar", "-fileHandler", handler)
    shutil.rmtree(case / "constant" / "polyMesh")
    shutil.rmtree(case / "0")
    found = read(case)
    assert np.array_equal(found.points, expected.points)
    assert np.array_equal(found.cell_nodes, expected.cell_nodes)
    for name in ("U", "p"):
        assert np.allclose(found.cell_data[name], expected.cell_data[name], rtol=1e-11)
    for name, region in expected.regions.items():
        assert np.array_equal(found.regions[name].ids, region.ids), name
    found.cell_data["p_pred"] = found.cell_data["p"] + 1
    if handler == "collated":
        with pytest.raises(MeshFileError, match="collated"):
            write_fields(found, case)
        return
    write_fields(found, case)
    assert np.array_equal(read(case).cell_data["p_pred"], found.cell_data["p_pred"])
    shutil.copytree(graded / "constant" / "polyMesh", case / "constant" / "polyMesh")
    foam(case, "reconstructPar", "-withZero", "-fields", "(p_pred)")
    assert np.allclose(read(case / "0").cell_data["p_pred"], found.cell_data["p_pred"])
    shutil.rmtree(case / "constant" / "polyMesh")
    for piece in case.glob("processor*/constant/polyMesh/*ProcAddressing"):
        piece.unlink()
    parts = read(case)
    assert parts.n_cells == 24 and parts.n_points > expected.n_points
    assert sorted(parts.cell_data["p"]) == pytest.approx(sorted(expected.cell_data["p"]))
    assert set(parts.regions) == set(expected.regions)


def check_mesh(case):
    """What checkMesh counts and complains about."""
    text = foam(case, "checkMesh", "-time", "constant", "-allTopology", "-allGeometry")
    keys = ("***", "hexahedra:", "prisms:", "pyramids:", "tetrahedra:", "polyhedra:", "cells:",
            "internal faces:", "Upper triangular", "Mesh OK")  # fmt: skip
    return [" ".join(line.split()) for line in text.splitlines() if any(k in line for k in keys)]


@needs_openfoam
@pytest.mark.parametrize("kind", ["hexahedron", "wedge", "tetra", "pyramid", "dual", "axis"])
def test_openfoam_and_vtk_read_what_is_written(tmp_path, kind):
    if kind == "dual":
        mesh = read(made(tmp_path / "b", GRADED, ["polyDualMesh", "75", "-overwrite"]))
        assert 42 in mesh.cell_types
    elif kind == "axis":
        mesh = read(made(tmp_path / "b", AXIS))
    else:
        mesh = block((2, 2, 2), kind)
    mesh.cell_data = {"p": np.arange(mesh.n_cells) / 7, "U": mesh.cell_centers()}
    mesh.field_data["TimeValue"] = np.array([2.0])
    case = tmp_path / "a"
    write(mesh, case / "a.foam")
    found = check_mesh(case)
    assert "Upper triangular ordering OK." in found
    if kind in ("dual", "axis"):  # its faults are those of the original
        assert found == check_mesh(tmp_path / "b")
    else:
        complaints = [line for line in found if "***" in line]
        assert all("small determinant" in line for line in complaints)  # so few cells
    foam(case, "foamToVTK", "-ascii")
    foam(case, "postProcess", "-func", "mag(U)", "-time", "2")
    speed = read(case).cell_data["mag(U)"]
    assert speed == pytest.approx(np.linalg.norm(mesh.cell_data["U"], axis=1), rel=1e-5)
    pv = pytest.importorskip("pyvista")
    reader = pv.POpenFOAMReader(case / "a.foam")
    reader.set_active_time_value(2)
    grid = reader.read()["internalMesh"]
    assert np.array_equal(grid.celltypes, mesh.cell_types)
    assert np.allclose(grid.cell_data["p"], mesh.cell_data["p"])
    assert np.allclose(grid.points, mesh.points, atol=1e-6)


def test_packed_files_beside_or_instead(tmp_path):
    case = by_hand(tmp_path / "a")
    plain = (case / "3" / "p").read_bytes()
    (case / "3" / "p.gz").write_bytes(gzip.compress(plain.replace(b"0.1", b"0.2")))
    assert read(case).cell_data["p"].tolist() == [1, 0.1]  # the plain one, as OpenFOAM does
    (case / "3" / "p").unlink()
    assert read(case).cell_data["p"].tolist() == [1, 0.2]
    mesh = read(case)
    mesh.cell_data["p"] = np.array([3.0, 4.0])
    write_fields(mesh, case, overwrite=True)
    assert read(case).cell_data["p"].tolist() == [3, 4] and not (case / "3" / "p.gz").exists()


@pytest.mark.parametrize("kind", ["hexahedron", "wedge"])
def test_long_lists_and_odd_white_space(tmp_path, kind):
    """Ascii is read in pieces of some 10^5 bytes: none may be lost at their seams."""
    mesh = block((14, 14, 14), kind)
    mesh.cell_data = {"U": mesh.cell_centers(), "p": np.sin(np.arange(mesh.n_cells))}
    write(mesh, tmp_path / "a" / "a.foam", binary=False)
    write(mesh, tmp_path / "b" / "b.foam")
    assert (tmp_path / "a" / "constant" / "polyMesh" / "points").stat().st_size > 150_000
    expected = read(tmp_path / "b")
    assert np.array_equal(expected.points, mesh.points)
    assert_same(read(tmp_path / "a"), expected)
    for name in ("constant/polyMesh/points", "constant/polyMesh/faces", "0/U", "0/p"):
        path = tmp_path / "a" / name
        text = path.read_bytes().replace(b"\n", b"\r\n").replace(b" ", b"\t ")
        half = text.index(b"\r\n", len(text) // 2)
        path.write_bytes(text[:half] + b" // (one) {more\r\n/* and ) more */" + text[half:])
    assert_same(read(tmp_path / "a"), expected)


def test_no_warning_without_a_loss(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(read(by_hand(tmp_path / "a")), tmp_path / "b" / "c.foam")
