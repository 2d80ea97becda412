"""SU2 meshes and solution files: as others write them, round trips, and what is said to be lost."""

import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from mesh_cases import PLANE, SOLID, meshes

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read
from meshop.mesh import DIM, Mesh, Region

DATA = Path(__file__).parents[3] / "shared" / "data"
GEOMETRIES = Path(__file__).parents[2] / "geometries"
ZONE = """NDIME= 2
AOA_OFFSET= 1.5
NELEM= 1
5 0 1 2
NPOIN= 3
{0} 0 0
{1} 0 1
{0} 1 2
NMARK= 2
MARKER_TAG= wall
MARKER_ELEMS= 1
3 0 1
MARKER_TAG= side{0}
MARKER_ELEMS= 1
3 1 2
"""


def text_mesh(folder, text):
    path = folder / "a.su2"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def ids(mesh):
    return {name: region.ids.tolist() for name, region in mesh.regions.items()}


def same(found, mesh):
    for name in ("points", "cell_types", "cell_offsets", "cell_nodes"):
        assert np.array_equal(getattr(found, name), getattr(mesh, name)), name
    assert ids(found) == ids(mesh)


@pytest.mark.parametrize("mesh", [PLANE, SOLID], ids=["plane", "solid"])
def test_order_and_markers(tmp_path, mesh):
    mesh.save(tmp_path / "a.su2")
    same(read(tmp_path / "a.su2"), mesh)


def test_as_others_write_it(tmp_path):
    text = """% a comment
NDIME= 2   % two dimensions
NELEM=2

5 0 1 2 0
9\t0 2 3 4
  NPOIN   = 5 5
0 0 0
1 0
1 1e0 2  % a point with = in its comment
% in between
.5 2 3
0 1 4 and some words
UNKNOWN_KEY= 5
NMARK= 4
MARKER_TAG=  lower wall
MARKER_ELEMS= 1
3 0 1
MARKER_TAG= empty
MARKER_ELEMS= 0
MARKER_TAG= corner
MARKER_ELEMS= 1
1 4
MARKER_TAG= lower wall
MARKER_ELEMS= 1
3 1 2 7
MARKER_TAG= SEND_RECEIVE
MARKER_ELEMS= 2
SEND_RECV= -1
1 0 0
1 2 0
"""
    for variant in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), text.lower()):
        if variant == text.lower():
            variant = variant.replace("marker_tag= send_receive", "marker_tag= SEND_RECEIVE")
        mesh = text_mesh(tmp_path, variant)
        assert mesh.cell_types.tolist() == [5, 9, 3, 1, 3, 1, 1]
        assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 2, 3, 4, 0, 1, 4, 1, 2, 0, 2]
        assert mesh.points[2:].tolist() == [[1, 1, 0], [0.5, 2, 0], [0, 1, 0]]
        expected = {"lower wall": [2, 4], "empty": [], "corner": [3], "SEND_RECEIVE -1": [5, 6]}
        assert ids(mesh) == expected
    with pytest.warns(MeshFileWarning, match="order of cells"):
        mesh.save(tmp_path / "b.su2")
    assert "MARKER_TAG= SEND_RECEIVE\nMARKER_ELEMS= 2\nSEND_RECV= -1\n" in (
        (tmp_path / "b.su2").read_text()
    )


def test_any_vtk_type_of_fixed_size(tmp_path):
    points = "\n".join(f"{k} {k * k}" for k in range(12))
    text = f"NDIME= 2\nNELEM= 2\n22 0 1 2 3 4 5\n28 0 1 2 3 4 5 6 7 8 1\nNPOIN= 12\n{points}\n"
    mesh = text_mesh(tmp_path, text)
    assert mesh.cell_types.tolist() == [22, 28] and mesh.cell_offsets.tolist() == [0, 6, 15]
    with pytest.raises(MeshFileError, match="no quadratic_triangle"):
        mesh.save(tmp_path / "b.su2")


def test_zones(tmp_path):
    text = "NZONE= 2\nIZONE= 1\n" + ZONE.format(0, 1) + "IZONE= 2\n" + ZONE.format(5, 6)
    mesh = text_mesh(tmp_path, text)
    assert mesh.points[:, 0].tolist() == [0, 1, 0, 5, 6, 5]
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 1, 1, 2, 3, 4, 5, 3, 4, 4, 5]
    assert ids(mesh) == {
        "zone_1": [0, 1, 2], "wall": [1, 4], "side0": [2], "zone_2": [3, 4, 5], "side5": [5]
    }  # fmt: skip
    assert mesh.field_data["zone_2 AOA_OFFSET"].tolist() == [1.5]
    mesh.save(tmp_path / "b.su2")
    again = read(tmp_path / "b.su2")
    same(again, mesh)
    assert list(again.field_data) == list(mesh.field_data)
    assert "NZONE= 2" in (tmp_path / "b.su2").read_text()


def test_periodic_boundaries_and_boxes_come_back(tmp_path):
    tail = """NPERIODIC= 1
PERIODIC_INDEX= 0
0.0 0.0 0.0
0.0 1.0 0.0
FFD_NBOX= 1
FFD_TAG= BOX
FFD_CORNER_POINTS= 2
0 0
1 1.5
"""
    mesh = text_mesh(tmp_path, ZONE.format(0, 1) + tail)
    assert mesh.field_data["su2:periodic"].tolist() == ["\n".join(tail.split("\n")[:4])]
    mesh.save(tmp_path / "b.su2")
    assert (tmp_path / "b.su2").read_text().endswith(tail)
    same(read(tmp_path / "b.su2"), mesh)


@pytest.mark.parametrize("index", [" {}", ""])
def test_index_column_is_written_where_it_was(tmp_path, index):
    rows = [f"{x} {y}{index.format(k)}" for k, (x, y) in enumerate([(0.0, 0.5), (1.0, 0.0)] * 2)]
    text = "NDIME= 2\nNELEM= 1\n9 0 1 2 3\nNPOIN= 4\n" + "\n".join(rows) + "\nNMARK= 0\n"
    text_mesh(tmp_path, text).save(tmp_path / "b.su2")
    assert (tmp_path / "b.su2").read_text() == text


def test_writing_a_file_again_changes_nothing(tmp_path):
    read(GEOMETRIES / "airfoil.su2").save(tmp_path / "a.su2")
    read(tmp_path / "a.su2").save(tmp_path / "b.su2")
    assert (tmp_path / "a.su2").read_bytes() == (tmp_path / "b.su2").read_bytes()


def slowly(path):
    """The numbers of a file of one zone, line by line."""
    points, cells, rows, dim = [], [], [], 2
    for raw in path.read_text().splitlines():
        line = raw.split("%")[0].strip()
        if "=" in line:
            key, value = (word.strip() for word in line.split("="))
            dim = int(value) if key == "NDIME" else dim
            names = {"NPOIN": points, "NELEM": cells, "MARKER_ELEMS": cells}
            rows = names.get(key, [])
        elif line:
            rows.append(line.split())
    sizes = {"3": 2, "5": 3, "9": 4, "10": 4, "12": 8}
    return (
        np.array([[float(word) for word in row[:dim]] for row in points]),
        [int(word) for row in cells for word in row[1 : 1 + sizes[row[0]]]],
    )


@pytest.mark.parametrize(
    "name",
    [
        "format_zoo/su2_testcases/disc_adj_euler/arina2k/Arina2Kmesh.su2",
        "format_zoo/su2_testcases/disc_adj_fea/mesh.su2",
        "format_zoo/su2_testcases/fea_fsi/rotating_cylinder/cylinder.su2",
        "format_zoo/su2_testcases/navierstokes/poiseuille/mesh_poiseuille_51x51.su2",
        "su2_rae2822_adjoint/mesh_RAE2822_turb.su2",
    ],
)
@pytest.mark.skipif(not (DATA / "su2_rae2822_adjoint").is_dir(), reason="needs ../shared/data")
def test_real_files(tmp_path, name):
    mesh = read(DATA / name)
    points, nodes = slowly(DATA / name)
    assert np.array_equal(mesh.points[:, : points.shape[1]], points)
    assert mesh.cell_nodes.tolist() == nodes
    mesh.save(tmp_path / "a.su2")
    same(read(tmp_path / "a.su2"), mesh)


def test_long_files_are_read_in_pieces(tmp_path):
    """Rows of several lengths across the pieces that are parsed at once."""
    rng = np.random.default_rng(0)
    n = 30_000
    types = rng.choice([5, 9], n)
    sizes = np.where(types == 5, 3, 4)
    nodes = rng.integers(0, n, int(sizes.sum()))
    ends = np.concatenate([[0], np.cumsum(sizes)])
    points = np.column_stack([rng.random((n, 2)), np.zeros(n)])
    mesh = Mesh(points, types, ends, nodes)
    mesh.save(tmp_path / "a.su2")
    same(read(tmp_path / "a.su2"), mesh)
    lines = (tmp_path / "a.su2").read_text().splitlines()
    for row in range(5, len(lines) - 5, 977):
        lines[row] += (" % odd", " # odd", "\t")[row % 3] if "=" not in lines[row] else ""
    same(text_mesh(tmp_path, "\n\n".join(lines)), mesh)


@given(
    mesh=meshes(codes=(1, 3, 5, 9), places=(), regions=("cell",), stored=("float64",), planar=True)
)
@settings(max_examples=40)
def test_any_planar_mesh_comes_back_or_a_warning_says_what_does_not(tmp_path_factory, mesh):
    path = tmp_path_factory.mktemp("su2") / "a.su2"
    if mesh.dim < 2:
        with pytest.raises(MeshFileError):
            mesh.save(path)
        return
    with pytest.warns(MeshFileWarning) if su2_loses(mesh) else _nothing():
        mesh.save(path)
    found = read(path)
    assert np.array_equal(found.points, mesh.points)
    inner = DIM[mesh.cell_types] == 2
    n = int(inner.sum())
    expected = [
        mesh.cell_nodes[a:b].tolist()
        for a, b in zip(mesh.cell_offsets[:-1][inner], mesh.cell_offsets[1:][inner], strict=True)
    ]
    assert np.array_equal(found.cell_types[:n], mesh.cell_types[inner])
    ends = found.cell_offsets
    assert [found.cell_nodes[ends[k] : ends[k + 1]].tolist() for k in range(n)] == expected
    if not su2_loses(mesh):
        same(found, mesh)


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def su2_loses(mesh):
    inner = DIM[mesh.cell_types] == 2
    marked = np.sort(mesh.regions["wall"].ids) if "wall" in mesh.regions else np.empty(0, int)
    marked = np.unique(marked)
    order = np.concatenate([np.flatnonzero(inner), marked[~inner[marked]]])
    return not np.array_equal(order, np.arange(mesh.n_cells)) or inner[marked].any()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.point_data.update(p=np.zeros(6)), "point or cell data"),
        (lambda m: m.field_data.update(note=np.array(["x"])), "field data: note"),
        (lambda m: m.regions.update(body=Region("cell", [0, 1])), "lost: body"),
        (lambda m: m.regions.update(edge=Region("facet", [[0, 1]])), "lost: edge"),
        (lambda m: m.regions.update(twice=Region("cell", [3])), "repeated"),
        (lambda m: m.regions.pop("airfoil"), "no marker"),
        (lambda m: m.regions.update(all=Region("cell", range(7))), "lost: all"),
        (lambda m: m.regions.update({"a%b": m.regions.pop("far field")}), "names of markers"),
        (lambda m: setattr(m, "points", m.points + np.array([0, 0, 2])), "2.0 becomes 0"),
    ],
)
def test_what_is_lost_is_said(tmp_path, change, said):
    mesh = PLANE.copy()
    change(mesh)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.su2")
    assert any(said in str(one.message) for one in found)
    assert {one.category for one in found} == {MeshFileWarning}
    read(tmp_path / "a.su2")


def test_it_refuses_what_it_has_no_cells_for(tmp_path):
    polygon = Mesh.from_blocks(np.eye(5)[:, :2], [("polygon", [range(5)])])
    with pytest.raises(MeshFileError, match="no polygon"):
        polygon.save(tmp_path / "a.su2")
    with pytest.raises(MeshFileError, match="planar"):
        Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])]).save(tmp_path / "a.su2")
    assert not list(tmp_path.iterdir())


def test_meshio_reads_the_same(tmp_path, capfd):
    meshio = pytest.importorskip("meshio")
    SOLID.save(tmp_path / "a.su2")
    found = meshio.read(tmp_path / "a.su2")
    assert np.array_equal(found.points, SOLID.points)
    assert found.cells_dict["tetra"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert found.cells_dict["wedge"].tolist() == [[0, 1, 2, 3, 4, 5]]
    assert found.cells_dict["hexahedron"].tolist() == [list(range(8))]
    assert found.cells_dict["triangle"].tolist() == [[0, 1, 2]]


def test_a_pyramid_of_the_second_order_is_refused(tmp_path):
    nodes = " ".join(map(str, range(14)))
    points = "\n".join(f"{i} {i % 3} {i % 5} {i}" for i in range(14))
    text = f"NDIME= 3\nNELEM= 1\n14 {nodes} 0\nNPOIN= 14\n{points}\n"
    (tmp_path / "a.su2").write_text(text)
    with pytest.raises(MeshFileError, match="element 0\na pyramid of the second order"):
        read(tmp_path / "a.su2")


def test_what_gmsh_writes(tmp_path):
    pytest.importorskip("gmsh")
    code = (
        "import gmsh, sys\n"
        "gmsh.initialize(['', '-nopopup'], readConfigFiles=False, interruptible=False)\n"
        "gmsh.option.setNumber('General.Terminal', 0)\n"
        "gmsh.model.occ.addBox(0, 0, 0, 1, 1, 1); gmsh.model.occ.synchronize()\n"
        "gmsh.model.addPhysicalGroup(2, [1, 2], 2, name='sides')\n"
        "gmsh.model.addPhysicalGroup(3, [1], 1, name='volume')\n"
        "gmsh.option.setNumber('Mesh.MeshSizeMin', 0.5); gmsh.model.mesh.generate(3)\n"
        "gmsh.write(sys.argv[1] + '/1.su2'); gmsh.model.mesh.setOrder(2)\n"
        "gmsh.write(sys.argv[1] + '/2.su2')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for order, (tetra, triangle) in ((1, (10, 5)), (2, (24, 22))):
        mesh = read(tmp_path / f"{order}.su2")
        assert mesh.cell_measures()[mesh.cell_types == tetra].sum() == pytest.approx(1)
        sides = mesh.regions["sides"].ids
        assert np.all(mesh.cell_types[sides] == triangle)
        assert mesh.cell_measures()[sides].sum() == pytest.approx(2)


# -- solution files -----------------------------------------------------------------------------


def restart(order="<", meta=8):
    names = [b"x", b"y", b"Density", b"C<sub>p</sub>"]
    values = np.arange(12, dtype=float).reshape(3, 4)
    data = struct.pack(f"{order}5i", 535532, 4, 3, 1, meta)
    data += b"".join(name.ljust(33, b"\0") for name in names)
    data += values.astype(f"{order}f8").tobytes() + struct.pack(f"{order}i", 250)
    return data + struct.pack(f"{order}8d", 2.5, 0, 4000, 0.1, 0.2, 0.3, 0.4, 0.5), values


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_solution(tmp_path, order):
    data, values = restart(order)
    (tmp_path / "solution_flow.dat").write_bytes(data)
    mesh = read(tmp_path / "solution_flow.dat")
    assert np.array_equal(mesh.points, np.column_stack([values[:, :2], np.zeros(3)]))
    assert list(mesh.point_data) == ["Density", "C<sub>p</sub>"]
    assert np.array_equal(mesh.point_data["C<sub>p</sub>"], values[:, 3])
    assert mesh.field_data["EXT_ITER"].tolist() == [250]
    assert mesh.field_data["AOA"].tolist() == [2.5]
    assert mesh.field_data["DCMZ_DCL_VALUE"].tolist() == [0.4]


def test_ascii_solution(tmp_path):
    text = '"PointID"\t"x"\t"y"\t"z"\t"Pressure"\n0\t1.5\t2\t3\t101325\n1\t2\t3\t4\t1e5\n'
    (tmp_path / "a.dat").write_text(text + "EXT_ITER= 12\nAOA= 1.25\nnot a value\n")
    mesh = read(tmp_path / "a.dat")
    assert mesh.points.tolist() == [[1.5, 2, 3], [2, 3, 4]]
    assert mesh.point_data["PointID"].dtype == np.int64
    assert mesh.point_data["Pressure"].tolist() == [101325, 1e5]
    assert mesh.field_data["AOA"].tolist() == [1.25]


@pytest.mark.skipif(not (DATA / "su2_rae2822_adjoint").is_dir(), reason="needs ../shared/data")
def test_real_solution_has_the_points_of_its_mesh():
    folder = DATA / "su2_rae2822_adjoint"
    mesh, flow = read(folder / "mesh_RAE2822_turb.su2"), read(folder / "solution_flow.dat")
    assert np.array_equal(mesh.points, flow.points) and len(flow.point_data) == 15
    mesh.point_data.update(flow.point_data)
    mesh.check()
    # Stagnation pressure ahead of the wing, and Mach 0.729 far away.
    assert flow.point_data["Mach"][mesh.cell_nodes[-1]] == pytest.approx(0.729, abs=0.01)
