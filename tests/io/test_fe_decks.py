"""MFEM, UNV, FRD, Abaqus and PLOT3D: by hand, and as other programs read and write them."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, read_series
from meshop.mesh import CELL_TYPES, Mesh

CORRUPT = Path(__file__).parents[1] / "corrupt"
sys.path.insert(0, str(CORRUPT))
from cases import CASES  # noqa: E402


def seed(tmp_path, case, name):
    path = tmp_path / f"a{CASES[case].SUFFIX}"
    path.write_bytes(CASES[case].seeds()[name])
    return read(path)


def cells(mesh):
    return [mesh.cell_nodes[a:b].tolist() for a, b in pairwise(mesh.cell_offsets)]


def regions(mesh):
    return {name: (region.kind, region.ids.tolist()) for name, region in mesh.regions.items()}


# -- MFEM ---------------------------------------------------------------------------------------


def test_mfem_by_hand(tmp_path):
    mesh = seed(tmp_path, "mfem", "plain")
    assert cells(mesh) == [[0, 1, 4], [0, 4, 3], [1, 2, 5, 4], [0, 1], [1, 2]]
    assert mesh.cell_types.tolist() == [5, 5, 9, 3, 3] and mesh.points[5].tolist() == [2, 1, 0]
    assert regions(mesh) == {
        "attribute 1": ("cell", [0]), "attribute 2": ("cell", [1, 2]),
        "boundary 1": ("cell", [3]), "boundary 7": ("cell", [4]),
    }  # fmt: skip
    assert mesh.cell_data["attribute"].tolist() == [1, 2, 2, 1, 7]
    assert mesh.storage["dimension"] == "2"
    for name in ("nodes", "by nodes", "crlf"):
        other = seed(tmp_path, "mfem", name)
        assert cells(other) == cells(mesh)
        if name != "by nodes":  # the same numbers in another order
            assert np.array_equal(other.points, mesh.points)


def test_mfem_volumes_and_named_sets(tmp_path):
    mesh = seed(tmp_path, "mfem", "solid")
    assert mesh.cell_types.tolist() == [12, 13, 14, 9]
    assert cells(mesh)[1] == [4, 5, 1, 10, 11, 7]  # VTK's wedge is mirrored
    assert regions(mesh)["all"] == ("cell", [0, 1, 2]) and regions(mesh)["none"] == ("cell", [])
    assert regions(mesh)["bottom"] == ("cell", [3])
    from meshop.mesh._geometry import signed_measures

    assert np.all(signed_measures(mesh) > 0)
    assert mesh.cell_measures()[:3].sum() == pytest.approx(1 + 0.5 + 1 / 3)


def test_mfem_refined_mesh_gives_its_leaves(tmp_path):
    mesh = seed(tmp_path, "mfem", "refined")
    assert cells(mesh) == [[0, 4, 5, 3], [4, 1, 2, 5], [0, 4]]
    assert mesh.points[4:].tolist() == [[0.5, 0, 0], [0.5, 1, 0]]
    assert mesh.cell_measures()[:2] == pytest.approx([0.5, 0.5])


MFEM_EDGES = {
    2: "01 12 20", 3: "01 12 23 30", 4: "01 02 03 12 13 23",
    5: "01 12 32 03 45 56 76 47 04 15 26 37", 6: "01 12 20 34 45 53 03 14 25",
}  # fmt: skip
MFEM_FACES = {5: "3210 0154 1265 2376 3047 4567", 6: "0143 1254 2035"}


@pytest.mark.parametrize("name", ["plain", "solid"])
def test_mfem_quadratic_elements(tmp_path, name):
    """Nodes numbered as MFEM does, each at the middle of what it belongs to."""
    data = CASES["mfem"].seeds()[name]
    if name == "solid":  # without the pyramid
        data = data.replace(b"elements\n3", b"elements\n2").replace(b"1 7 11 7 1 5 8\n", b"")
    (tmp_path / "a.mesh").write_bytes(data)
    straight = read(tmp_path / "a.mesh")
    rows = [list(map(int, line.split())) for line in data.decode().splitlines()
            if line[:1].isdigit() and len(line.split()) > 3]  # fmt: skip
    rows = rows[: 3 if name == "plain" else 2]
    points = straight.points[:, : 2 if name == "plain" else 3]
    middles, seen = [], []
    for table in (MFEM_EDGES, MFEM_FACES):
        for _, kind, *ids in rows:
            for local in table.get(kind, "").split():
                key = {ids[int(n)] for n in local}
                if key not in seen:
                    seen.append(key)
                    middles.append(points[sorted(key)].mean(0))
    middles += [points[ids].mean(0) for _, kind, *ids in rows
                if kind == (3 if name == "plain" else 5)]  # fmt: skip
    values = np.concatenate([points, middles])
    text = data[: data.index(b"vertices\n")] + f"vertices\n{len(points)}\n\nnodes\n".encode()
    text += b"FiniteElementSpace\nFiniteElementCollection: H1_3D_P2\nVDim: "
    text += f"{points.shape[1]}\nOrdering: 1\n\n".encode()
    text += "\n".join(" ".join(map(repr, row)) for row in values.tolist()).encode()
    (tmp_path / "a.mesh").write_bytes(text)
    mesh = read(tmp_path / "a.mesh")
    assert mesh.n_points == len(values)
    expected = {5: 22, 9: 28, 3: 21, 12: 29, 13: 32}
    assert mesh.cell_types.tolist() == [expected[c] for c in straight.cell_types.tolist()]
    for cell, code in zip(cells(mesh), mesh.cell_types.tolist(), strict=True):
        corners = mesh.points[cell[: CELL_TYPES[code].corners]]
        linear = {22: 5, 28: 9, 21: 3, 29: 12, 32: 13}[code]
        at = len(corners)
        for a, b in CELL_TYPES[linear].edges:
            assert mesh.points[cell[at]] == pytest.approx((corners[a] + corners[b]) / 2)
            at += 1
        for face in [f for f in CELL_TYPES[linear].facets if len(f) == 4]:
            assert mesh.points[cell[at]] == pytest.approx(corners[list(face)].mean(0))
            at += 1
        if at < len(cell):
            assert mesh.points[cell[at]] == pytest.approx(corners.mean(0))
            at += 1
        assert at == len(cell)


def test_mfem_curved_elements_warn(tmp_path):
    data = CASES["mfem"].seeds()["nodes"].replace(b"H1_2D_P1", b"H1_2D_P3") + b"3 3\n4 4\n"
    (tmp_path / "a.mesh").write_bytes(data)
    with pytest.warns(MeshFileWarning, match="H1_2D_P3"):
        mesh = read(tmp_path / "a.mesh")
    assert mesh.n_points == 6 and mesh.points[5].tolist() == [2, 1, 0]


# -- UNV ----------------------------------------------------------------------------------------


def test_unv_by_hand(tmp_path):
    mesh = seed(tmp_path, "unv", "all")
    assert cells(mesh) == [[0, 1], [0, 1, 2], [0, 2, 3], [0, 1, 2, 3]]
    assert mesh.cell_types.tolist() == [3, 5, 5, 10] and mesh.points[3].tolist() == [0, 1, 0.5]
    assert regions(mesh) == {"wall": ("cell", [1, 2]), "corner": ("point", [3])}
    assert mesh.cell_data["physical property"].tolist() == [2, 2, 2, 2]
    old = seed(tmp_path, "unv", "old")
    assert cells(old) == [[0, 1, 2]] and regions(old) == {"face": ("cell", [0])}


def test_unv_with_results_warns(tmp_path):
    results = b"    -1\n  2414\n  1\n    -1\n"
    (tmp_path / "a.unv").write_bytes(CASES["unv"].seeds()["all"] + results)
    with pytest.warns(MeshFileWarning, match="results"):
        assert read(tmp_path / "a.unv").n_cells == 4


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("suffix", [".unv", ".inp"])
def test_as_gmsh_writes_it(tmp_path, order, suffix):
    """A box of tetrahedra, and one of hexahedra and prisms, against gmsh's own MSH 2 file."""
    pytest.importorskip("gmsh")
    code = f"""
import gmsh
gmsh.initialize(); gmsh.option.setNumber("General.Terminal", 0)
a = gmsh.model.occ.addBox(0, 0, 0, 1, 1, 1)
base = gmsh.model.occ.addRectangle(2, 0, 0, 1, 1)
other = gmsh.model.occ.addRectangle(4, 0, 0, 1, 1)
gmsh.model.occ.extrude([(2, base)], 0, 0, 1, numElements=[2], recombine=True)
gmsh.model.occ.extrude([(2, other)], 0, 0, 1, numElements=[2], recombine=True)
gmsh.model.occ.synchronize()
gmsh.model.mesh.setRecombine(2, other)
gmsh.option.setNumber("Mesh.MeshSizeMin", 0.6); gmsh.option.setNumber("Mesh.MeshSizeMax", 0.6)
gmsh.option.setNumber("Mesh.SecondOrderIncomplete", 1)
gmsh.option.setNumber("Mesh.SaveAll", 1); gmsh.option.setNumber("Mesh.MshFileVersion", 2.2)
gmsh.model.mesh.generate(3); gmsh.model.mesh.setOrder({order})
for name in ("a{suffix}", "a.msh"):
    gmsh.write({str(tmp_path)!r} + "/" + name)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    mesh, truth = read(tmp_path / f"a{suffix}"), read(tmp_path / "a.msh")
    assert np.allclose(mesh.points, truth.points, atol=1e-8)
    for code in (10, 12, 13) if order == 1 else (24, 25, 26):

        def nodes(of, code=code):
            at = of.cell_offsets[:-1][of.cell_types == code]
            return of.cell_nodes[at[:, None] + np.arange(CELL_TYPES[code].size)].tolist()

        assert len(nodes(truth)) and sorted(nodes(mesh)) == sorted(nodes(truth)), code


# -- FRD ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["long", "short", "float", "double", "crlf"])
def test_frd_by_hand(tmp_path, name):
    mesh = seed(tmp_path, "frd", name)
    assert mesh.points.tolist() == [list(map(float, p)) for p in CASES["frd"].POINTS]
    assert cells(mesh) == [[0, 1, 2, 3], [0, 1, 2, 4]] and mesh.cell_types.tolist() == [9, 10]
    assert np.array_equal(mesh.point_data["DISP"], mesh.points)
    assert mesh.components["point", "DISP"] == ("D1", "D2", "D3")
    times = read_series(tmp_path / "a.frd").times
    assert times == ((0.5, 1.0) if name in ("long", "short", "crlf") else (0.5,))
    assert mesh.field_data["TimeValue"].tolist() == [times[-1]]
    assert read(tmp_path / "a.frd", time=0.5).field_data["TimeValue"].tolist() == [0.5]


def test_frd_orders_curved_cells_as_vtk_does(tmp_path):
    """The file has a cell's upright edges before its upper ones."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    corners = np.concatenate([corners, corners + np.array([0, 0, 1])])
    edges = [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 0),
        (0, 4),
        (1, 5),
        (2, 6),
        (3, 7),
        (4, 5),
        (5, 6),
        (6, 7),
        (7, 4),
    ]
    points = np.concatenate([corners, [(corners[a] + corners[b]) / 2 for a, b in edges]])
    text = f"    1C\n    2C{'':18}{20:12d}{'':37}1\n"
    for number, point in enumerate(points, 1):
        text += f" -1{number:10d}" + "".join(f"{x:12.5E}" for x in point) + "\n"
    text += f" -3\n    3C{'':18}{1:12d}{'':37}1\n -1{1:10d}{4:5d}{0:5d}{1:5d}\n"
    for row in np.arange(1, 21).reshape(2, 10):
        text += " -2" + "".join(f"{node:10d}" for node in row) + "\n"
    (tmp_path / "a.frd").write_text(text + " -3\n 9999\n")
    mesh = read(tmp_path / "a.frd")
    from meshop.celltypes import CELL_TYPES as table

    for a, middle in table[25].edges:  # the two halves of each edge
        ends = mesh.points[mesh.cell_nodes[[a, middle]]]
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(0.5)


# -- Abaqus -------------------------------------------------------------------------------------


def test_abaqus_by_hand(tmp_path):
    mesh = seed(tmp_path, "abaqus", "deck")
    assert cells(mesh) == [[0, 1, 2], [0, 2, 3], [0, 1, 2, 4]]
    assert mesh.points[3].tolist() == [0, 1, 0] and mesh.points[4].tolist() == [0.5, 0.5, 1]
    assert regions(mesh) == {
        "SKIN": ("cell", [0, 1]), "BODY": ("cell", [2]),
        "NALL": ("point", [0, 1, 2, 3, 4]), "EDGE": ("point", [0, 1, 2, 3, 4]),
        "TOP": ("facet", [[0, 4, 1], [0, 1, 2]]),
    }  # fmt: skip
    assert cells(seed(tmp_path, "abaqus", "crlf")) == cells(mesh)


def test_abaqus_instances_are_placed(tmp_path):
    mesh = seed(tmp_path, "abaqus", "parts")
    assert cells(mesh) == [[0, 1], [2, 3]]
    # Moved by (1, 0, 0), then turned by 90 degrees about the upright line through (1, 0, 0).
    assert mesh.points == pytest.approx(np.array([[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]))
    assert regions(mesh) == {
        "bar-1": ("cell", [0]), "bar-2": ("cell", [1]), "end": ("point", [1, 3])
    }  # fmt: skip


def test_abaqus_ranges_and_one_label_a_line(tmp_path):
    nodes = "".join(f"{i}, {i}., 0., 0.\n" for i in range(1, 10)) + "10, , 2.\n11\n"
    (tmp_path / "a.inp").write_text(
        f"*NODE\n{nodes}*NSET, NSET=A, GENERATE\n1, 9, 4\n\n3\n6,7,\n"
        "*NSET, NSET=B\n5\n2\n5\n*NSET, NSET=C\nA,\n10\nB\n"
    )
    mesh = read(tmp_path / "a.inp")
    ids = {name: region.ids.tolist() for name, region in mesh.regions.items()}
    assert ids["A"] == [0, 4, 8, 2, 5, 6] and ids["B"] == [4, 1]
    assert sorted(ids["C"]) == [0, 1, 2, 4, 5, 6, 8, 9]
    assert mesh.points[9:].tolist() == [[0, 2, 0], [0, 0, 0]]


def test_abaqus_includes_files_beside_it(tmp_path):
    (tmp_path / "nodes.inp").write_text("1, 0, 0, 0\n2, 1, 0, 0\n")
    (tmp_path / "more.inp").write_text("*Node\n1, 0, 0, 0\n2, 1, 0, 0\n")
    (tmp_path / "a.inp").write_text("*INCLUDE, INPUT=more.inp\n*Element, type=B31\n1, 1, 2\n")
    assert cells(read(tmp_path / "a.inp")) == [[0, 1]]


def test_abaqus_leaves_out_what_it_does_not_know_and_says_so(tmp_path):
    (tmp_path / "a.inp").write_text("*Node\n1, 0, 0\n2, 1, 0\n*Element, type=U77\n1, 1, 2\n")
    with pytest.warns(MeshFileWarning, match="1 elements of type U77"):
        assert read(tmp_path / "a.inp").n_cells == 0


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [("C3D8R", "hexahedron", 8), ("C3D8RHT", "hexahedron", 8), ("C3D10M", "quadratic_tetra", 10),
     ("S4R5", "quad", 4), ("CPE8RP", "quadratic_quad", 8), ("STRI65", "quadratic_triangle", 6),
     ("B31OS", "line", 2), ("CAX4RH", "quad", 4), ("C3D20RI", "quadratic_hexahedron", 20),
     ("DC3D4", "tetra", 4), ("M3D3", "triangle", 3), ("SC8R", "hexahedron", 8),
     ("T3D2H", "line", 2),
     ("C3D15", "quadratic_wedge", 15), ("COH3D6", "wedge", 6), ("DCAX3", "triangle", 3)],
)  # fmt: skip
def test_abaqus_types(tmp_path, kind, name, size):
    nodes = "".join(f"{n}, {n}, {n * n}, {n**3}\n" for n in range(1, size + 1))
    element = ", ".join(map(str, range(size + 1))).replace("0, 1", "1, 1", 1)
    (tmp_path / "a.inp").write_text(f"*Node\n{nodes}*Element, type={kind}\n{element}\n")
    mesh = read(tmp_path / "a.inp")
    assert [CELL_TYPES[code].name for code in mesh.cell_types] == [name]


# -- PLOT3D -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(CASES["plot3d"].seeds()))
def test_plot3d_layouts(tmp_path, name):
    mesh = seed(tmp_path, "plot3d", name)
    plane = "plane" in name
    dims = [(3, 4)] if plane else [(3, 2, 2)] if "single" in name else [(3, 2, 2), (2, 2, 2)]
    if name == "binary plane":
        dims = [(3, 4), (2, 2)]
    assert mesh.n_points == sum(np.prod(d) for d in dims)
    assert mesh.n_cells == sum(np.prod(np.array(d) - 1) for d in dims)
    i, j = np.meshgrid(np.arange(3), np.arange(4 if plane else 2), indexing="xy")
    first = np.column_stack([(i + 0.1 * j).ravel(), j.ravel(), 0 * j.ravel()])
    assert mesh.points[: len(first)] == pytest.approx(first, abs=1e-6)
    assert ("IBlank" in mesh.point_data) == (
        name == "text blanked" or "marks" == name[-5:] == name[7:]
    )
    assert len(mesh.regions) == (len(dims) if len(dims) > 1 else 0)
    assert set(mesh.cell_types.tolist()) == {9 if plane else 12}
    from meshop.mesh._geometry import signed_measures

    assert np.all(signed_measures(mesh) > 0)


def test_plot3d_as_vtk_reads_it(tmp_path):
    pytest.importorskip("vtk")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOParallel import vtkMultiBlockPLOT3DReader

    for name in ("binary", "binary big", "binary marks", "binary single"):
        mesh = seed(tmp_path, "plot3d", name)
        reader = vtkMultiBlockPLOT3DReader()
        reader.SetFileName(str(tmp_path / "a.p3d"))
        reader.SetAutoDetectFormat(1)
        reader.Update()
        block = reader.GetOutput().GetBlock(0)
        count = block.GetNumberOfPoints()
        assert np.allclose(vtk_to_numpy(block.GetPoints().GetData()), mesh.points[:count])
        one = block.GetCell(1)
        ids = [one.GetPointId(n) for n in range(8)]
        assert ids == cells(mesh)[1]


def test_large_decks_are_read_without_a_loop(tmp_path):
    """A quarter of a million cells: about a second."""
    n = 62
    grid = Mesh.from_blocks(
        np.stack(np.meshgrid(*[np.arange(n + 1.0)] * 3, indexing="ij"), -1).reshape(-1, 3), []
    )
    at = np.arange((n + 1) ** 3).reshape(n + 1, n + 1, n + 1)[:-1, :-1, :-1].ravel()
    corners = np.array([0, 1, n + 2, n + 1]) + np.array([[0], [(n + 1) ** 2]])
    hexes = at[:, None] + corners.ravel() + 1
    rows = np.column_stack([np.arange(1, len(hexes) + 1), hexes])
    points = np.column_stack([np.arange(1, grid.n_points + 1), grid.points])
    with open(tmp_path / "a.inp", "w") as file:
        file.write("*NODE\n")
        np.savetxt(file, points, fmt=["%d", "%g", "%g", "%g"], delimiter=", ")
        file.write("*ELEMENT, TYPE=C3D8, ELSET=ALL\n")
        np.savetxt(file, rows, fmt="%d", delimiter=", ")
    mesh = read(tmp_path / "a.inp")
    assert mesh.n_cells == n**3 and np.array_equal(mesh.cell_nodes.reshape(-1, 8), hexes - 1)
    assert np.array_equal(mesh.points, grid.points)


def test_sets_of_one_instance_in_the_assembly(tmp_path):
    (tmp_path / "a.inp").write_text(
        "*PART, NAME=P\n*NODE\n1,0,0\n2,1,0\n3,1,1\n4,0,1\n*ELEMENT, TYPE=S4R\n1,1,2,3,4\n"
        "*ELSET, ELSET=all\n1,\n*END PART\n*ASSEMBLY, NAME=A\n*INSTANCE, NAME=P-1, PART=P\n"
        "*END INSTANCE\n*INSTANCE, NAME=P-2, PART=P\n2.,0.,0.\n*END INSTANCE\n"
        "*NSET, NSET=fix, INSTANCE=P-1\n1,4\n*ELSET, ELSET=_press, INSTANCE=p-2\n1,\n"
        "*SURFACE, TYPE=ELEMENT, NAME=press\n_press, SPOS\n"
        "*SURFACE, TYPE=ELEMENT, NAME=named\nP-1.all, S1\n*END ASSEMBLY\n"
    )
    mesh = read(tmp_path / "a.inp")
    found = {name: (region.kind, region.ids.tolist()) for name, region in mesh.regions.items()}
    assert found == {
        "all": ("cell", [0, 1]), "P-1": ("cell", [0]), "P-2": ("cell", [1]),
        "fix": ("point", [0, 3]), "_press": ("cell", [1]),
        "press": ("facet", [[4, 5, 6, 7]]), "named": ("facet", [[0, 1]]),
    }  # fmt: skip


def test_a_line_with_nodes_of_higher_order(tmp_path):
    rows = "".join(f"{n},{n},0\n" for n in range(1, 11))
    text = f"*NODE\n{rows}*ELEMENT, TYPE=CPS3\n1,1,2,3,4,5,6,7,8,9,10\n2,1,2,3,4,5,6,7,8,9,10\n"
    (tmp_path / "a.inp").write_text(text)
    with pytest.raises(MeshFileError, match="a line of 10 nodes, expected 3"):
        read(tmp_path / "a.inp")


def test_elements_of_data_set_71(tmp_path):
    node = "         1         1         1        11  0.0  0.0  0.0\n"
    text = f"    -1\n    15\n{node}    -1\n    -1\n    71\n         1         1\n    -1\n"
    (tmp_path / "a.unv").write_text(text)
    with pytest.raises(MeshFileError, match="data set 71"):
        read(tmp_path / "a.unv")
