"""Fluent's meshes: bytes written by hand, meshio's files, and volumes taken apart into faces."""

import gzip
import json
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read
from meshop.mesh import CELL_TYPES, Mesh

sys.path.insert(0, str(Path(__file__).parents[1] / "corrupt"))
from cases import CASES

CASE = CASES["fluent"]


def seed(tmp_path, name, suffix=".cas"):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(CASE.seeds()[name])
    return read(path)


def cells(mesh):
    return [mesh.cell_nodes[a:b].tolist() for a, b in pairwise(mesh.cell_offsets)]


@pytest.mark.parametrize("name", ["text", "single", "double", "big endian", "crlf", "gzip"])
def test_two_hexahedra(tmp_path, name):
    mesh = seed(tmp_path, name, ".cas.gz" if name == "gzip" else ".cas")
    assert np.array_equal(mesh.points, CASE.POINTS)
    assert mesh.storage == {"points": "float32" if name == "single" else "float64"}
    assert mesh.cell_types.tolist() == [12, 12]
    assert [set(cell) for cell in cells(mesh)] == [
        {0, 1, 3, 4, 6, 7, 9, 10}, {1, 2, 4, 5, 7, 8, 10, 11}
    ]  # fmt: skip
    assert mesh.cell_measures().tolist() == [1, 1]
    assert mesh.quality().tolist() == [1, 1]  # wound as VTK wants it
    found = {key: (region.kind, region.ids.tolist()) for key, region in mesh.regions.items()}
    facets = [[node - 1 for node in ids] for ids, _, _ in CASE.WALLS]
    names = ("water", "the-wall", "left") if name != "single" else ("fluid-2", "wall-4", None)
    if name == "single":  # without names, zones are called as Fluent would
        assert found["velocity-inlet-10"] == ("facet", [[0, 3, 9, 6]])
    else:
        assert "left" not in found or found["left"][0] == "facet"
    assert found[names[0]] == ("cell", [0, 1])
    assert found[names[1]] == ("facet", facets)
    assert found["outflow-11"] == ("facet", [[2, 8, 11, 5]])
    assert "inside" not in found and len(found) == 4


def test_zone_ids_are_decimal_in_names_and_hexadecimal_in_faces(tmp_path):
    text = CASE.TEXT.replace(b"(13 (a ", b"(13 (10 ")
    (tmp_path / "a.msh").write_bytes(text)
    assert read(tmp_path / "a.msh").regions["left"].ids.tolist() == [[0, 3, 9, 6]]


def test_split_faces_give_way_to_their_parts(tmp_path):
    """The parent face lies in a zone of kind 31; its children close the cell."""
    mesh = seed(tmp_path, "tree")
    assert mesh.cell_types.tolist() == [12, 12] and mesh.cell_measures().tolist() == [1, 1]
    # The parent in a zone of walls, and named by the tree alone.
    walls = CASE.TREE.replace(b"(13 (c c c 1f 4)", b"(13 (c c c 3 4)")
    (tmp_path / "b.cas").write_bytes(walls)
    again = read(tmp_path / "b.cas")
    assert np.array_equal(again.cell_nodes, mesh.cell_nodes) and "wall-12" not in again.regions
    (tmp_path / "b.cas").write_bytes(walls.replace(b"(59 (c c", b"(99 (c c"))
    assert read(tmp_path / "b.cas").cell_types.tolist() == [42, 12]  # one face too many


def test_a_hanging_node_makes_a_polyhedron(tmp_path):
    """A cube beside two half ones: its side is two rectangles."""
    points = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    points += [(1, 0, 0.5), (1, 1, 0.5)]  # 9 and 10
    points += [(2, y, z) for z in (0, 0.5, 1) for y in (0, 1)]  # 11 to 16

    def box(number, a, b, c, d, e, f, g, h, skip):
        rows = {"bottom": [a, b, c, d], "top": [e, h, g, f], "front": [a, e, f, b],
                "right": [b, f, g, c], "back": [c, g, h, d], "left": [a, d, h, e]}  # fmt: skip
        return [(ids, number, 0) for side, ids in rows.items() if side not in skip]

    walls = box(1, 1, 2, 4, 3, 5, 6, 8, 7, ("right",))
    walls += box(2, 2, 11, 12, 4, 9, 13, 14, 10, ("left", "top"))
    walls += box(3, 9, 13, 14, 10, 6, 15, 16, 8, ("left", "bottom"))
    inner = [([2, 9, 10, 4], 1, 2), ([9, 6, 8, 10], 1, 3), ([9, 10, 14, 13], 2, 3)]
    inner = [(ids[::-1], a, b) for ids, a, b in inner]
    parent = [([4, 8, 6, 2], 1, 4)]
    zones = [(3, 2, inner), (4, 3, walls), (5, 31, parent)]
    data = CASE.head(nodes=16, cells=4) + CASE.nodes(points)
    data += b"(12 (2 1 3 1 4))(12 (6 4 4 20 4))" + CASE.zones(13, None, zones)
    data += b"(58 (4 4 6 2)(\n2 2 3\n))\n(59 (13 13 5 3)(\n2 1 2\n))\n"
    (tmp_path / "a.cas").write_bytes(data)
    mesh = read(tmp_path / "a.cas")
    assert mesh.cell_types.tolist() == [42, 12, 12]
    assert mesh.cell_measures() == pytest.approx([1, 0.5, 0.5])
    assert mesh.regions["fluid-2"].ids.tolist() == [0, 1, 2]
    assert len(mesh.boundary_facets().owner) == len(walls)


def test_plane(tmp_path):
    mesh = seed(tmp_path, "plane")
    assert cells(mesh) == [[0, 1, 2], [0, 2, 3]] or sorted(map(sorted, cells(mesh))) == [
        [0, 1, 2], [0, 2, 3]
    ]  # fmt: skip
    corners = mesh.points[mesh.cell_nodes.reshape(2, 3)]
    sides = corners[:, 1:] - corners[:, :1]
    assert np.cross(sides[:, 0], sides[:, 1])[:, 2].tolist() == [1, 1]  # counter-clockwise
    assert mesh.storage["dimension"] == "2"
    assert mesh.regions["wall-4"].ids.tolist() == [[1, 0], [2, 1], [3, 2], [0, 3]]


def test_cells_listed_by_their_nodes_and_faces_alone(tmp_path):
    mesh = seed(tmp_path, "listed", ".msh")
    assert mesh.cell_types.tolist() == [10, 10] and cells(mesh) == [[0, 1, 3, 6], [1, 2, 4, 7]]
    mesh = seed(tmp_path, "surface", ".msh")
    assert mesh.cell_types.tolist() == [9] and mesh.regions["wall-5"].ids.tolist() == [0]


@pytest.mark.parametrize("binary", [False, True])
def test_what_meshio_writes(tmp_path, binary):
    meshio = pytest.importorskip("meshio")
    points = np.random.default_rng(0).random((9, 3))
    blocks = [("tetra", [[0, 1, 2, 3], [4, 5, 6, 7]]), ("hexahedron", [range(8)]),
              ("pyramid", [[8, 7, 6, 5, 4]]), ("quad", [[0, 1, 2, 3]])]  # fmt: skip
    given = meshio.Mesh(
        points, [(name, np.array([[*ids] for ids in rows])) for name, rows in blocks]
    )
    meshio.write(tmp_path / "a.msh", given, file_format="ansys", binary=binary)
    mesh = read(tmp_path / "a.msh")
    assert np.array_equal(mesh.points, points)
    assert mesh.cell_types.tolist() == [10, 10, 12, 14, 9]
    assert cells(mesh) == [[*ids] for _, rows in blocks for ids in rows]


def taken_apart(mesh, rng=None):
    """Fluent's text of a mesh of volumes; rng turns faces round and shuffles them."""
    found = {}
    for cell, code in enumerate(mesh.cell_types.tolist()):
        ids = mesh.cell_nodes[mesh.cell_offsets[cell] : mesh.cell_offsets[cell + 1]]
        for facet in CELL_TYPES[code].facets:
            nodes = [int(ids[i]) + 1 for i in facet]
            # Outwards here: the first cell of a face is the one that its normal points into.
            found.setdefault(frozenset(nodes), []).append((nodes, cell + 1))
    inner, outer = [], []
    for sides in found.values():
        if len(sides) == 2:
            inner.append((sides[0][0], sides[1][1], sides[0][1]))
        else:
            outer.append((sides[0][0], 0, sides[0][1]))
    if rng is not None:
        for rows in (inner, outer):
            rng.shuffle(rows)
            rows[:] = [(ids[::-1] if rng.random() < 0.5 else ids, a, b) for ids, a, b in rows]
    zones = [(3, 2, inner), (4, 3, outer)]
    return b"(2 3)\n" + CASE.nodes(mesh.points.tolist()) + CASE.zones(13, 0, zones)


def mixed():
    """Cubes, two of which are cut into wedges and into pyramids, and a tetrahedron on top."""
    grid = [(x, y, z) for z in range(2) for y in range(2) for x in range(4)]
    points = np.array([*grid, (2.5, 0.5, 0.5), (3.2, 0.2, 2)], float)
    cube = np.array([0, 1, 5, 4, 8, 9, 13, 12])
    sides = [[*cube[list(facet)] + 2] for facet in CELL_TYPES[12].facets]
    wedges = [[1, 5, 2, 9, 13, 10], [5, 6, 2, 13, 14, 10]]
    wedges = [[w[0], w[2], w[1], w[3], w[5], w[4]] for w in wedges]
    return Mesh.from_blocks(
        points,
        [("hexahedron", [cube]), ("wedge", wedges), ("pyramid", [[*s[::-1], 16] for s in sides])],
    )


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_volumes_come_back_from_their_faces(tmp_path, seed):
    given = mixed()
    rng = None if seed is None else random.Random(seed)
    (tmp_path / "a.msh").write_bytes(taken_apart(given, rng))
    mesh = read(tmp_path / "a.msh")
    assert mesh.cell_types.tolist() == given.cell_types.tolist()
    assert [set(cell) for cell in cells(mesh)] == [set(cell) for cell in cells(given)]
    assert mesh.cell_measures() == pytest.approx(given.cell_measures())
    assert mesh.quality() == pytest.approx(given.quality())


def test_polygons_of_many_edges(tmp_path):
    n = 50_000
    angle = 2 * np.pi * np.arange(n) / n
    points = np.column_stack([np.cos(angle), np.sin(angle)]).tolist()
    edges = [([i + 1, (i + 1) % n + 1], 1, 0) for i in range(n)]
    edges = [edges[i] for i in np.random.default_rng(0).permutation(n)]
    data = b"(2 2)\n" + CASE.nodes(points) + CASE.faces(3, 3, edges, 1)
    (tmp_path / "a.msh").write_bytes(data)
    mesh = read(tmp_path / "a.msh")
    assert mesh.cell_types.tolist() == [7] and mesh.cell_measures() == pytest.approx([np.pi])


@pytest.mark.parametrize("name", list(CASE.RESULTS))
def test_results_beside_a_case(tmp_path, name):
    (tmp_path / "a.cas").write_bytes(CASE.TEXT)
    (tmp_path / "a.dat").write_bytes(CASE.RESULTS[name])
    data = read(tmp_path / "a.cas").cell_data
    dtype = "float32" if name in ("results single", "results big endian") else "float64"
    assert {key: str(values.dtype) for key, values in data.items()} == dict.fromkeys(
        ("PRESSURE", "MOMENTUM", "TEMPERATURE", "variable 9999"), dtype
    )
    assert data["PRESSURE"].tolist() == [1.5, -2.25]
    assert data["MOMENTUM"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert data["TEMPERATURE"].tolist() == [300, 400]
    assert data["variable 9999"].tolist() == [7, 8]


def test_results_of_zones_species_and_walls(tmp_path):
    case = CASE.TEXT.replace(CASE.CELLS, b"(12 (2 1 1 1 4))(12 (7 2 2 11 4))")
    case += b'(37 ((species (names (o2 "n2")) (p? . #f))))'
    (tmp_path / "a.cas").write_bytes(case)
    (tmp_path / "a.dat").write_bytes(
        CASE.field(1, 2, [1.0]) + CASE.field(3, 7, [350.0], 2) + CASE.field(1, 4, [0.5] * 8)
        + CASE.field(200, 2, [0.25]) + CASE.field(2, 7, [(3.0, 4.0)], 1, 2300)
    )  # fmt: skip
    with pytest.warns(MeshFileWarning, match="not of cells are left out: PRESSURE$"):
        data = read(tmp_path / "a.cas").cell_data
    nan = float("nan")
    for name, rows in {
        "PRESSURE": [1, nan], "TEMPERATURE": [nan, 350], "o2": [0.25, nan],
        "MOMENTUM": [[nan, nan], [3, 4]],
    }.items():  # fmt: skip
        np.testing.assert_array_equal(data.pop(name), rows)
    assert not data


def test_a_dat_of_another_program_is_not_asked(tmp_path):
    (tmp_path / "a.cas").write_bytes(CASE.TEXT)
    (tmp_path / "a.dat").write_bytes(b'TITLE = "of Tecplot"\nVARIABLES = x\n')
    assert not read(tmp_path / "a.cas").cell_data


def test_few_results_do_not_fill_the_memory(tmp_path):
    from meshop.io._files import Fault
    from meshop.io.fluent._results import _check_room

    part = (np.zeros(1, np.int64), np.zeros((1, 100)))
    with pytest.raises(Fault, match="a few of 1000000 cells"):
        _check_room({"a": [part]}, 1_000_000, 1000)
    _check_room({"a": [part]}, 100_000, 1000)


_BY_VTK = """
import json, sys
from vtkmodules.vtkIOGeometry import vtkFLUENTReader
from vtkmodules.util.numpy_support import vtk_to_numpy
for path in sys.argv[1:]:
    reader = vtkFLUENTReader()
    reader.SetFileName(path)
    reader.Update()
    found, blocks = {}, reader.GetOutput()
    for i in range(blocks.GetNumberOfBlocks()):
        data = blocks.GetBlock(i).GetCellData()
        for k in range(data.GetNumberOfArrays()):
            rows = found.setdefault(data.GetArrayName(k), [])
            rows += vtk_to_numpy(data.GetArray(k)).tolist()
    print(json.dumps(found))
"""


def test_vtk_reads_the_same_results(tmp_path):
    zones = CASE.TEXT.removesuffix(CASE.NAMES)  # whose parentheses in quotes VTK takes for real
    zones = zones.replace(CASE.CELLS, b"(12 (2 1 1 1 4))\n(12 (7 2 2 1 4))\n") + b"".join(
        f"(45 ({zone} {kind} zone-{zone})())\n".encode()
        for zone, kind in ((2, "fluid"), (7, "fluid"), (3, "interior"), (4, "wall"),
                           (10, "velocity-inlet"), (11, "outflow"))
    )  # fmt: skip
    paths, names = [], ("text", "single", "double")
    for name, index in zip(names, (300, 2300, 3300), strict=True):
        paths.append(tmp_path / f"{name}.cas")
        paths[-1].write_bytes(zones)
        parts = [
            CASE.field(number, zone, [row], cell, index)
            for number, rows in ((1, [1.5, -2.25]), (2, [(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)]),
                                 (101, [1.25, 2.0]), (111, [7.0, 8.0]), (500, [9.0, 0.5]))
            for cell, (zone, row) in enumerate(zip((2, 7), rows, strict=True), 1)
        ]  # fmt: skip
        (tmp_path / f"{name}.dat").write_bytes(b'(0 "made by hand")\n' + b"".join(parts))
    run = [sys.executable, "-c", _BY_VTK, *map(str, paths)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        ours = {name: values.tolist() for name, values in read(path).cell_data.items()}
        assert ours == json.loads(line)
        assert ours["DENSITY"] == [1.25, 2.0] and "X_VELOCITY" in ours and "NUT" in ours


def test_a_gzip_bomb_is_refused(tmp_path):
    (tmp_path / "a.cas.gz").write_bytes(gzip.compress(bytes(400 << 20), 1))
    with pytest.raises(MeshFileError, match="unpacks to over"):
        read(tmp_path / "a.cas.gz")
