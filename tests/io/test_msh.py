"""Gmsh's MSH: every version against gmsh itself, meshio, and files written by hand."""

import json
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from mesh_cases import NAMES, PLANE, meshes

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, read_series, write_series
from meshop.io._gmsh_cells import N_NODES, VTK_CODE, kind_of, lattice, order_of
from meshop.mesh import Mesh, Region

DATA = Path(__file__).parents[3] / "shared" / "data"
KINDS = [("4.1", True), ("4.1", False), ("2.2", True), ("2.2", False)]
FAMILIES = {
    "line": 10, "triangle": 10, "quadrangle": 10, "tetrahedron": 10, "hexahedron": 9, "prism": 9,
    "pyramid": 9,
}  # fmt: skip


def ids(mesh):
    return {name: region.ids.tolist() for name, region in mesh.regions.items()}


def same_cells(found, mesh):
    for name in ("points", "cell_types", "cell_offsets", "cell_nodes"):
        assert np.array_equal(getattr(found, name), getattr(mesh, name)), name


def text_mesh(folder, text):
    (folder / "a.msh").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(folder / "a.msh")


def by_gmsh(code, *paths):
    """What `code` prints as JSON in a process of its own, where gmsh is at hand."""
    pytest.importorskip("gmsh")
    start = (
        "import gmsh, json, sys\n"
        "gmsh.initialize(['', '-nopopup'], readConfigFiles=False, interruptible=False)\n"
        "gmsh.option.setNumber('General.Terminal', 0)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", start + code, *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


# -- node orders --------------------------------------------------------------------------------


def test_order_of_nodes_is_that_of_gmsh():
    """Gmsh's own reference elements lie on the lattice from which the orders are derived."""
    found = by_gmsh(
        "out = {}\n"
        "for kind in map(int, sys.argv[1:]):\n"
        "    row = gmsh.model.mesh.getElementProperties(kind)\n"
        "    out[kind] = (row[0], row[1], row[2], row[3], list(row[4]))\n"
        "print(json.dumps(out))\n",
        *(k for k in range(1, 132) if 1 < N_NODES[k] < 130 and k not in (90, 91, 106)),
    )
    for kind, (name, dim, order, size, flat) in found.items():
        assert size == N_NODES[int(kind)]
        family = name.split()[0].lower().replace("quadrilateral", "quadrangle")
        x = np.zeros((size, 3))
        x[:, :dim] = np.reshape(flat, (size, dim))
        if family in ("line", "quadrangle", "hexahedron"):
            x[:, :dim] = (x[:, :dim] + 1) / 2
        elif family == "prism":
            x[:, 2] = (x[:, 2] + 1) / 2
        elif family == "pyramid":
            x[:, :2] = (x[:, :2] + 1 - x[:, 2:]) / 2
        assert np.allclose(x * order, lattice(family, order, vtk=False)[:size]), (family, order)


def test_prisms_of_high_order_lie_where_gmsh_puts_them(tmp_path):
    """Gmsh describes no such reference element, but it meshes with them: straight, so lattices."""
    by_gmsh(
        "gmsh.option.setNumber('Mesh.Binary', 1)\n"
        "for order in range(1, 8):\n"
        "    gmsh.clear(); geo = gmsh.model.geo\n"
        "    p = [geo.addPoint(*x, 5) for x in ((0, 0, 0), (1, 0, 0), (0, 1, 0))]\n"
        "    c = [geo.addLine(p[i], p[(i + 1) % 3]) for i in range(3)]\n"
        "    s = geo.addPlaneSurface([geo.addCurveLoop(c)])\n"
        "    v = geo.extrude([(2, s)], 0, 0, 1, numElements=[1], recombine=True)\n"
        "    geo.synchronize(); gmsh.option.setNumber('Mesh.MeshSizeMin', 5)\n"
        "    gmsh.model.mesh.generate(3); gmsh.model.mesh.setOrder(order)\n"
        "    gmsh.write(f'{sys.argv[1]}/{order}.msh')\n"
        "print(0)\n",
        tmp_path,
    )
    for order in range(1, 8):
        mesh = read(tmp_path / f"{order}.msh")
        cell = int(np.flatnonzero(np.isin(mesh.cell_types, (13, 32, 73)))[0])
        assert mesh.cell_types[cell] == {1: 13, 2: 32}.get(order, 73)
        nodes = mesh.cell_nodes[mesh.cell_offsets[cell] : mesh.cell_offsets[cell + 1]]
        places = np.array(lattice("prism", order, vtk=True)) / order
        if order == 1:
            places = places[[0, 2, 1, 3, 5, 4]]
        corners = np.column_stack([places[:4], np.ones(4)])
        map_ = np.linalg.solve(corners, mesh.points[nodes[:4]])
        assert np.allclose(
            np.column_stack([places, np.ones(len(places))]) @ map_, mesh.points[nodes]
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_order_of_nodes_is_that_of_vtk(family):
    """VTK's own Lagrange cells. It has none for pyramids: these go on as its quadratic ones do."""
    vtk = pytest.importorskip("vtk")
    names = {
        "line": "Curve", "triangle": "Triangle", "quadrangle": "Quadrilateral",
        "tetrahedron": "Tetra", "hexahedron": "Hexahedron", "prism": "Wedge",
    }  # fmt: skip
    for order in range(1, FAMILIES[family] + 1):
        places = lattice(family, order, vtk=True)
        assert sorted(places) == sorted(lattice(family, order, vtk=False))
        assert len(set(places)) == len(places)
        if family == "pyramid" or (family == "prism" and order > 6):
            continue
        cell = getattr(vtk, f"vtkLagrange{names[family]}")()
        cell.GetPointIds().SetNumberOfIds(len(places))
        cell.GetPoints().SetNumberOfPoints(len(places))
        if hasattr(cell, "SetUniformOrderFromNumPoints"):
            cell.SetUniformOrderFromNumPoints(len(places))
        if hasattr(cell, "Initialize"):
            cell.Initialize()
        flat = cell.GetParametricCoords()
        x = np.array([flat[k] for k in range(3 * len(places))]).reshape(-1, 3)
        assert np.allclose(x * order, places), order


def every_gmsh_cell(largest=1000, without=()):
    """One cell of each type that MSH shares with VTK, far from sorted."""
    rng = np.random.default_rng(3)
    kinds = [kind for kind in range(1, len(VTK_CODE)) if VTK_CODE[kind] and kind not in without]
    kinds = rng.permutation([kind for kind in kinds if N_NODES[kind] <= largest])
    kinds = [*kinds, *kinds[::5]]
    sizes = N_NODES[kinds]
    n = int(sizes.max())
    nodes = [rng.permutation(n)[:size] for size in sizes]
    mesh = Mesh(rng.random((n, 3)), VTK_CODE[kinds], np.cumsum([0, *sizes]), np.concatenate(nodes))
    mesh.point_data["U"] = rng.random((n, 3))
    mesh.cell_data["p"] = rng.random(mesh.n_cells)
    return mesh


@pytest.mark.parametrize(("version", "binary"), KINDS)
def test_every_cell_type_in_order(tmp_path, version, binary):
    mesh = every_gmsh_cell()
    mesh.regions["some"] = Region("cell", [4, 16, 22])
    mesh.save(tmp_path / "a.msh", version=version, binary=binary)
    found = read(tmp_path / "a.msh")
    same_cells(found, mesh)
    assert found.regions["some"].ids.tolist() == [4, 16, 22]
    assert np.array_equal(found.point_data["U"], mesh.point_data["U"])
    assert np.array_equal(found.cell_data["p"], mesh.cell_data["p"])
    assert found.storage["msh"] == f"{version} {'binary' if binary else 'ascii'}"
    found.save(tmp_path / "b.msh")  # in the variant it came in
    assert (tmp_path / "b.msh").read_bytes() == (tmp_path / "a.msh").read_bytes()


@pytest.mark.parametrize(("version", "binary"), KINDS)
def test_gmsh_opens_what_is_written(tmp_path, version, binary):
    mesh = every_gmsh_cell(130, (90, 91, 106))  # of these prisms Gmsh can show no data
    mesh.regions["some"] = Region("cell", [4, 16, 22])
    mesh.regions["more"] = Region("cell", np.arange(30, 40))
    mesh.field_data["TimeValue"] = np.array([0.25])
    mesh.save(tmp_path / "a.msh", version=version, binary=binary)
    found = by_gmsh(
        "gmsh.open(sys.argv[1])\n"
        "tags, x, _ = gmsh.model.mesh.getNodes()\n"
        "rows, groups = [], {}\n"
        "for e in range(1, int(sys.argv[2]) + 1):\n"
        "    kind, nodes, dim, entity = gmsh.model.mesh.getElement(e)\n"
        "    rows.append([int(kind), *map(int, nodes)])\n"
        "    for tag in gmsh.model.getPhysicalGroupsForEntity(dim, entity):\n"
        "        groups.setdefault(gmsh.model.getPhysicalName(dim, tag), []).append(e - 1)\n"
        "views = []\n"
        "for view in gmsh.view.getTags():\n"
        "    kind, _, data, time, width = gmsh.view.getModelData(view, 0)\n"
        "    views.append((kind, time, width, [list(row) for row in data]))\n"
        "order = sorted(range(len(tags)), key=lambda i: tags[i])\n"
        "points = [list(x[3*i:3*i+3]) for i in order]\n"
        "print(json.dumps([points, rows, groups, views]))\n",
        tmp_path / "a.msh",
        mesh.n_cells,
    )
    points, rows, groups, views = found
    assert np.array_equal(points, mesh.points)
    for cell, (code, start, end) in enumerate(
        zip(mesh.cell_types, mesh.cell_offsets[:-1], mesh.cell_offsets[1:], strict=True)
    ):
        nodes = mesh.cell_nodes[start:end]
        kind, *theirs = rows[cell]
        order = order_of(kind)
        assert kind == kind_of(int(code), int(end - start))
        assert np.array_equal(np.array(theirs)[order if order is not None else ...] - 1, nodes)
    if version == "4.1":
        assert groups == ids(mesh)
    assert set(groups) == {"some", "more"}
    assert [view[:3] for view in views] == [["NodeData", 0.25, 3], ["ElementData", 0.25, 1]]
    assert np.array_equal(views[0][3], mesh.point_data["U"])
    assert np.array_equal(np.ravel(views[1][3]), mesh.cell_data["p"])


@pytest.mark.parametrize("binary", [True, False])
def test_meshio_reads_what_is_written(tmp_path, binary):
    """Data too, in MSH 4.1; of MSH 2.2 with data it splits the arrays in the wrong places."""
    meshio = pytest.importorskip("meshio")
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((12, 3)),
        [("tetra", [[0, 1, 2, 3]]), ("wedge", [[0, 1, 2, 3, 4, 5]]), ("tetra", [[4, 5, 6, 7]]),
         ("quadratic_hexahedron", [[*range(12), *range(8)]]), ("triangle", [[0, 1, 2]])],
        cell_data={"p": np.arange(5.0)}, point_data={"U": np.ones((12, 3))},
    )  # fmt: skip
    for version in ("2.2", "4.1"):
        if version == "2.2":
            twin = Mesh(mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
        else:
            twin = mesh
        twin.save(tmp_path / "a.msh", version=version, binary=binary)
        meshio.read(tmp_path / "a.msh").write(tmp_path / "b.vtu")
        found = read(tmp_path / "b.vtu")
        same_cells(found, twin)
    assert np.array_equal(found.cell_data["p"], mesh.cell_data["p"])
    assert np.array_equal(found.point_data["U"], mesh.point_data["U"])


@pytest.mark.parametrize("version", ["2.2", "4.0", "4.1"])
def test_what_meshio_writes(tmp_path, version):
    """Its MSH 4.0 counts elements from 0 and the rows of their data from 1."""
    meshio = pytest.importorskip("meshio")
    cells = [("wedge", np.array([[0, 1, 2, 3, 4, 5]])), ("quad", np.array([[0, 1, 2, 3]]))]
    where = np.column_stack([np.full(8, 3), np.ones(8, int)])
    tags = {"gmsh:physical": [np.array([1]), np.array([2])]}
    mesh = meshio.Mesh(
        np.random.default_rng(0).random((8, 3)),
        cells,
        {"p": np.arange(8.0), **({"gmsh:dim_tags": where} if version == "4.1" else {})},
        {"c": [[1.0], [2.0]], **tags, "gmsh:geometrical": tags["gmsh:physical"]},
        {"vol": np.array([1, 3]), "s": np.array([2, 2])},
    )
    meshio.gmsh.write(tmp_path / "a.msh", mesh, fmt_version=version, binary=True)
    found = read(tmp_path / "a.msh")
    assert np.array_equal(found.points, mesh.points)
    assert found.cell_nodes.tolist() == [0, 2, 1, 3, 5, 4, 0, 1, 2, 3]
    assert found.cell_data["c"].tolist() == [1, 2]
    assert np.array_equal(found.point_data["p"], np.arange(8))
    # It writes no entities to MSH 4.0, and to 4.1 those that have nodes.
    assert ids(found) == {
        "2.2": {"vol": [0], "s": [1]}, "4.0": {"vol": [], "s": []}, "4.1": {"vol": [0], "s": []}
    }[version]  # fmt: skip


# -- what gmsh writes ---------------------------------------------------------------------------

MODEL = """
gmsh.option.setNumber('Mesh.MeshSizeMin', 0.6)
geo = gmsh.model.geo
p = [geo.addPoint(*x, 0, 5) for x in ((0, 0), (1, 0), (1, 1), (0, 1))]
c = [geo.addLine(p[i], p[(i + 1) % 4]) for i in range(4)]
s = geo.addPlaneSurface([geo.addCurveLoop(c)])
geo.synchronize()
group = gmsh.model.addPhysicalGroup
group(1, [c[0], c[1]], 7, name='low er'), group(1, [c[1]], 8, name='right')
group(2, [s], 3, name='body'), group(0, [1], 3, name='corner'), group(1, [-c[2]], 11)
gmsh.model.mesh.generate(2)
def write(name):
    for version in (1, 2, 2.2, 3, 4, 4.1):
        for binary in (0, 1):
            if (version, binary) == (4, 1): continue
            gmsh.option.setNumber('Mesh.MshFileVersion', version)
            gmsh.option.setNumber('Mesh.Binary', binary)
            gmsh.write(f'{sys.argv[1]}/{name} {version} {binary}.msh')
write('plain')
gmsh.option.setNumber('Mesh.SaveAll', 1)
gmsh.model.mesh.setPeriodic(1, [c[2]], [c[0]], [1,0,0,0, 0,1,0,1, 0,0,1,0, 0,0,0,1])
write('all')
gmsh.option.setNumber('Mesh.SaveParametric', 1)
write('parametric')
gmsh.option.setNumber('Mesh.SaveParametric', 0)
gmsh.option.setNumber('Mesh.SaveAll', 0)
gmsh.option.setNumber('Mesh.PartitionCreateGhostCells', 1)
gmsh.model.mesh.partition(2)
write('parts')
tags, x, _ = gmsh.model.mesh.getNodes()
_, e, n = gmsh.model.mesh.getElements(2, 2)
for name, kind, ts, data in (('u', 'NodeData', tags, [[float(t)] for t in tags]),
                       ('half', 'ElementData', e[0][:1], [[1., 2., 3.]]),
                       ('at nodes', 'ElementNodeData', e[0][:2], [[1.,2.,3.], [4.,5.,6.]])):
    view = gmsh.view.add(name)
    for step, time in enumerate((0.0, 0.5)):
        gmsh.view.addModelData(view, step, gmsh.model.getCurrent(), kind, ts, data, time)
        data = [[v + 10 for v in row] for row in data]
gmsh.model.mesh.unpartition()
for binary in (0, 1):
    gmsh.option.setNumber('Mesh.Binary', binary)
    gmsh.option.setNumber('PostProcessing.SaveMesh', 1)
    for k, v in enumerate(gmsh.view.getTags()):
        gmsh.view.write(v, f'{sys.argv[1]}/view {binary}.msh', append=k > 0)
print(json.dumps([list(map(int, e[0])), list(map(int, tags))]))
"""


@pytest.fixture(scope="module")
def by_versions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gmsh")
    tags = by_gmsh(MODEL, folder)
    return folder, tags


@pytest.mark.parametrize("model", ["plain", "all", "parametric", "parts"])
def test_all_versions_of_gmsh_say_the_same(by_versions, model):
    folder, _ = by_versions
    for path in sorted(folder.glob(f"{model} *.msh")):
        version = float(path.stem.split()[1])
        mesh = read(path)
        assert np.array_equal(mesh.points[:4, :2], [[0, 0], [1, 0], [1, 1], [0, 1]])
        assert mesh.points[4:].tolist() == [[0.5, 0.5, 0]]
        corners = {
            frozenset(map(tuple, mesh.points[mesh.cell_nodes[a:b], :2].tolist()))
            for a, b in zip(mesh.cell_offsets[:-1], mesh.cell_offsets[1:], strict=True)
        }
        low = frozenset({(0, 0), (1, 0)})
        assert low in corners and frozenset({(0, 0), (1, 0), (0.5, 0.5)}) in corners
        if version < 3 and model != "plain" and model != "parts":
            assert mesh.n_cells == 12  # SaveAll in MSH 2 leaves the groups out
            continue
        if version == 1 and path.stem.endswith("0"):
            continue  # it has no names
        regions = dict(mesh.regions)
        assert set(regions) == {"corner", "low er", "right", "body", "physical curve 11"}
        lines = [3, 4][version < 3]  # MSH 2 repeats elements that are in two groups
        counts = {name: len(region.ids) for name, region in regions.items()}
        assert counts == {
            "corner": 1, "low er": 2, "right": 1, "body": 4, "physical curve 11": 1
        }  # fmt: skip
        if model in ("plain", "parts"):
            assert mesh.n_cells == 1 + lines + 4
        assert mesh.field_data["low er"].tolist() == [7, 1]
        if version >= 3:  # several groups of one cell; MSH 2 turns the line around instead
            assert np.isin(regions["right"].ids, regions["low er"].ids).all()
            assert -11 in mesh.cell_data["gmsh:physical"]
        if model == "parts" and version > 1 and version != 3:
            parts = mesh.cell_data["gmsh:partition"]
            assert parts.dtype == np.int32 and set(parts[regions["body"].ids]) == {1, 2}


@pytest.mark.parametrize("binary", [0, 1])
def test_views_of_gmsh(by_versions, binary):
    folder, (_, nodes) = by_versions
    mesh = read(folder / f"view {binary}.msh")
    assert mesh.field_data["TimeValue"].tolist() == [0.5]
    assert np.array_equal(np.sort(mesh.point_data["u"]), np.sort(np.array(nodes) + 10.0))
    steps = read_series(folder / f"view {binary}.msh")
    assert steps.times == (0.0, 0.5)
    first = steps[0]
    assert np.array_equal(np.sort(first.point_data["u"]), np.sort(np.array(nodes, float)))
    half = mesh.cell_data["half"]
    assert np.isfinite(half).all(axis=1).sum() == 1
    assert half[np.isfinite(half).all(axis=1)].tolist() == [[11, 12, 13]]
    nodal = first.cell_data["at nodes"]
    assert nodal.shape == (mesh.n_cells, 3)
    assert nodal[np.isfinite(nodal).any(axis=1)].tolist() == [[1, 2, 3], [4, 5, 6]]
    only = read(folder / f"view {binary}.msh", arrays=["half"])
    assert list(only.cell_data) == ["half"] and not only.point_data


# -- by hand ------------------------------------------------------------------------------------


def test_msh_1_by_hand(tmp_path):
    mesh = text_mesh(
        tmp_path,
        "$NOD\n4\n1 0 0 0\n7 1 0 0\n3 1 1 0\n9 0 1 0.5\n$ENDNOD\n"
        "$ELM\n2\n1 2 5 1 3 1 7 3\n2 3 6 2 4 1 7 3 9\n$ENDELM\n",
    )
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert ids(mesh) == {"physical surface 5": [0], "physical surface 6": [1]}
    assert mesh.cell_data["gmsh:geometrical"].tolist() == [1, 2]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", ["2.2", "4.1", "4.1 of 32 bits", "4"])
def test_binary_of_either_byte_order_by_hand(tmp_path, order, version):
    def pack(form, *values):
        return struct.pack(order + form, *values)

    n = "I" if "32" in version else "Q"
    size = 4 if "32" in version else 8
    data = f"$MeshFormat\n{version.split()[0]} 1 {size}\n".encode() + pack("i", 1)
    data += b'\n$EndMeshFormat\n$PhysicalNames\n1\n1 9 "wall"\n$EndPhysicalNames\n'
    xs = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.5), (0.0, 1.0, 0.25)]
    if version == "2.2":
        data += b"$Nodes\n3\n" + b"".join(pack("i3d", 5 * k + 1, *x) for k, x in enumerate(xs))
        data += b"\n$EndNodes\n$Elements\n3\n" + pack("3i6i", 2, 1, 2, 1, 0, 3, 11, 1, 6)
        data += pack("3i", 1, 2, 2) + pack("5i", 2, 9, 1, 1, 6) + pack("5i", 3, 9, 1, 6, 11)
    else:
        new = version != "4"
        data += b"$Entities\n" + pack(f"4{n}", 0, 1, 1, 0)
        data += pack(f"i6d{n}i{n}ii", 4, 0, 0, 0, 1, 1, 1, 1, 9, 2, 1, -2)
        data += pack(f"i6d{n}{n}", 8, 0, 0, 0, 1, 1, 1, 0, 0) + b"\n$EndEntities\n"
        if new:
            data += b"$Nodes\n" + pack(f"4{n}", 2, 3, 1, 11) + pack(f"3i{n}", 1, 4, 1, 2)
            data += pack(f"2{n}", 1, 6) + pack("8d", *xs[0], 0.1, *xs[1], 0.2)
            data += pack(f"3i{n}{n}3d", 2, 8, 0, 1, 11, *xs[2])
            data += b"\n$EndNodes\n$Elements\n" + pack(f"4{n}", 2, 3, 1, 3)
            data += pack(f"3i{n}4{n}", 2, 8, 2, 1, 1, 11, 1, 6)
            data += pack(f"3i{n}6{n}", 1, 4, 1, 2, 2, 1, 6, 3, 6, 11)
        else:
            data += b"$Nodes\n" + pack("2Q", 2, 3) + pack("3iQ", 4, 1, 0, 2)
            data += pack("i3di3d", 1, *xs[0], 6, *xs[1]) + pack("3iQi3d", 8, 2, 0, 1, 11, *xs[2])
            data += b"\n$EndNodes\n$Elements\n" + pack("2Q", 2, 3)
            data += pack("3iQ4i", 8, 2, 2, 1, 1, 11, 1, 6)
            data += pack("3iQ6i", 4, 1, 1, 2, 2, 1, 6, 3, 6, 11)
    data += b"\n$EndElements\n"
    rows = b"".join(pack("id", tag, tag / 4) for tag in (3, 1))
    data += b'$ElementData\n1\n"q"\n1\n0.0\n3\n0\n1\n2\n' + rows + b"\n$EndElementData\n"
    mesh = text_mesh(tmp_path, data)
    assert mesh.points.tolist() == [list(x) for x in xs]
    assert mesh.cell_types.tolist() == [5, 3, 3]
    assert mesh.cell_nodes.tolist() == [2, 0, 1, 0, 1, 1, 2]
    assert ids(mesh) == {"wall": [1, 2]} and mesh.field_data["wall"].tolist() == [9, 1]
    assert np.array_equal(mesh.cell_data["q"], [0.25, np.nan, 0.75], equal_nan=True)


def test_what_others_write(tmp_path):
    """Comments, sections of no use, carriage returns, lines that break anywhere, odd names."""
    text = (
        "$Comments\nwith $Nodes in it\n$EndComments\n$MeshFormat\n2.1 0 8\n$EndMeshFormat\n"
        '$PhysicalNames\n\n3\n2 1 "with "quotes" in it"\n 1 4 "twice"\n2 4 "twice"\n'
        "$EndPhysicalNames\n$Nodes\n3\n10 0 0 0\n20 1 0 0 30 0 1 0\n\n$EndNodes\n"
        "$Strange\n1 2 3\n$EndStrange\n$Elements\n3\n1 2 3 1 1 2 10\n20 30\n2 1 1 4 10 20\n"
        "3 2 0 30 20 10\n$EndElements\n$Periodic\n1\n0 1 2\n1\n10 20\n$EndPeriodic\n"
        '$InterpolationScheme\n"x"\n0\n$EndInterpolationScheme\n'
    )
    for variant in (text, text.replace("\n", "\r\n")):
        mesh = text_mesh(tmp_path, variant)
        assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 1, 2, 1, 0]
        assert ids(mesh) == {'with "quotes" in it': [0], "twice": [1]}
        assert mesh.cell_data["gmsh:partition"].tolist() == [2, 0, 0]
        assert mesh.field_data["twice"].tolist() == [[4, 1], [4, 2]]


# -- groups -------------------------------------------------------------------------------------


def test_overlapping_groups(tmp_path):
    mesh = PLANE.copy()
    mesh.regions = {
        "a": Region("cell", [0, 1]), "b": Region("cell", [1, 2]), "c": Region("cell", [1]),
        "all": Region("cell", range(7)), "none": Region("cell", []),
    }  # fmt: skip
    mesh.save(tmp_path / "a.msh")
    found = read(tmp_path / "a.msh")
    assert ids(found) == ids(mesh)
    found.save(tmp_path / "b.msh")
    assert (tmp_path / "b.msh").read_bytes() == (tmp_path / "a.msh").read_bytes()
    with pytest.warns(MeshFileWarning, match="several groups: only the first"):
        mesh.save(tmp_path / "c.msh", version="2.2")


def test_a_file_of_msh_2_becomes_4_where_2_would_lose_groups(tmp_path):
    PLANE.save(tmp_path / "a.msh", version="2.2", binary=False)
    mesh = read(tmp_path / "a.msh")
    mesh.save(tmp_path / "b.msh")
    assert read(tmp_path / "b.msh").storage["msh"] == "2.2 ascii"
    mesh.regions["all"] = Region("cell", range(7))
    mesh.save(tmp_path / "b.msh")
    found = read(tmp_path / "b.msh")
    assert found.storage["msh"] == "4.1 ascii" and ids(found) == ids(mesh)


def test_a_tag_for_each_cell_makes_no_region_of_each(tmp_path):
    n = 20_000
    mesh = Mesh.from_blocks(np.eye(3), [("line", np.tile([0, 1], (n, 1)))])
    mesh.cell_data["gmsh:physical"] = np.arange(1, n + 1, dtype=np.int32)
    mesh.regions["named"] = Region("cell", [6])
    mesh.field_data["named"] = np.array([7, 1])
    mesh.save(tmp_path / "a.msh")
    found = read(tmp_path / "a.msh")
    assert ids(found) == {"named": [6]}
    assert np.array_equal(found.cell_data["gmsh:physical"], mesh.cell_data["gmsh:physical"])


def test_fluent_files_have_the_same_suffix(tmp_path):
    meshio = pytest.importorskip("meshio")
    mesh = meshio.Mesh(np.eye(3), [("triangle", np.array([[0, 1, 2]]))])
    meshio.write(tmp_path / "a.msh", mesh, file_format="ansys", binary=False)
    assert read(tmp_path / "a.msh").cell_nodes.tolist() == [0, 1, 2]


def test_tags_follow_the_regions(tmp_path):
    """A region that was changed wins over the tags that the file had."""
    PLANE.save(tmp_path / "a.msh")
    mesh = read(tmp_path / "a.msh")
    mesh.regions["airfoil"] = Region("cell", [3])
    mesh.regions["new"] = Region("cell", [0, 6])
    del mesh.regions["far field"]
    for version, expected in (("4.1", [[5, 6], [0, 6]]), ("2.2", None)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mesh.save(tmp_path / "b.msh", version=version)
        found = ids(read(tmp_path / "b.msh"))
        assert found.pop("airfoil") == [3]
        if expected:
            assert found.pop("physical curve 2") == expected[0]  # tags that no region claims
            assert found.pop("new") == expected[1]
            assert not found


# -- series -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "binary"), KINDS)
def test_series(tmp_path, version, binary):
    steps = []
    for time in (0.0, 0.5, 2.0):
        mesh = PLANE.copy()
        mesh.point_data["p"] = np.arange(6.0) * time
        steps.append((time, mesh))
    write_series(tmp_path / "a.msh", iter(steps), version=version, binary=binary)
    found = read_series(tmp_path / "a.msh")
    assert found.times == (0.0, 0.5, 2.0)
    for (time, mesh), there in zip(steps, found, strict=True):
        same_cells(there, mesh)
        assert np.array_equal(there.point_data["p"], mesh.point_data["p"])
        assert there.field_data["TimeValue"].tolist() == [time]
    assert np.array_equal(read(tmp_path / "a.msh", time=0.5).point_data["p"], np.arange(6) / 2)
    moved = PLANE.copy()
    moved.points = moved.points + 1
    with pytest.raises(MeshFileError, match="holds one"):
        write_series(tmp_path / "b.msh", [*steps, (3.0, moved)])
    with pytest.raises(MeshFileError, match="no steps"):
        write_series(tmp_path / "b.msh", [])
    assert not (tmp_path / "b.msh").exists()


# -- round trips --------------------------------------------------------------------------------

CODES = sorted({*VTK_CODE.tolist()} - {0, 68, 69, 70, 71, 72, 73, 74})


@given(
    mesh=meshes(
        codes=CODES, dtypes=("f8",), shapes=((), (2,), (3,), (9,)), places=("point", "cell"),
        regions=("cell",), stored=("float64",), names=NAMES.filter(lambda name: '"' not in name),
    )
)  # fmt: skip
@settings(max_examples=60)
def test_any_mesh_comes_back(tmp_path_factory, mesh):
    for region in mesh.regions.values():
        region.ids = np.unique(region.ids)
    folder = tmp_path_factory.mktemp("msh")
    for number, (version, binary) in enumerate(KINDS):
        path = folder / f"{number}.msh"
        mesh.save(path, version=version, binary=binary)
        found = read(path)
        same_cells(found, mesh)
        for name, values in mesh.point_data.items():
            assert np.array_equal(found.point_data[name], values, equal_nan=True)
        for name, values in mesh.cell_data.items():
            assert np.array_equal(found.cell_data[name], values, equal_nan=True)
        assert ids(found) == ids(mesh)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.cell_data.update(k=np.arange(7)), "float64; these arrays become so: k"),
        (lambda m: m.cell_data.update(k=np.array(list("abcdefg"))), "these arrays are lost: k"),
        (lambda m: m.cell_data.update(k=np.ones((7, 2, 2))), "shape of rows is lost: k"),
        (lambda m: m.field_data.update(note=np.array(["x"])), "field data: note"),
        (lambda m: m.regions.update(edge=Region("facet", [[0, 1]])), "regions are lost: edge"),
        (lambda m: m.regions.update({"a\nb": Region("cell", [0])}), "names are changed"),
        (lambda m: m.regions.update(c=Region("cell", [2, 1])), "increasing order, each once: c"),
        (lambda m: m.field_data.update(TimeValue=np.ones(1)), "field data: TimeValue"),
        (lambda m: m.cell_types.__setitem__(1, 8), "pixel become quad"),
        (lambda m: m.cell_types.__setitem__(1, 70), "lagrange_quadrilateral become quad"),
        (lambda m: m.cell_types.__setitem__(1, 7), "polygon become quad"),
    ],
)
def test_what_is_lost_is_said(tmp_path, change, said):
    mesh = PLANE.copy()
    mesh.cell_types = mesh.cell_types.copy()
    change(mesh)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        mesh.save(tmp_path / "a.msh")
    assert [said in str(one.message) for one in found] == [True]
    assert found[0].category is MeshFileWarning
    read(tmp_path / "a.msh")


def test_what_gmsh_has_no_cells_for(tmp_path):
    pentagon = Mesh.from_blocks(np.eye(5)[:, :3], [("polygon", [range(5)])])
    with pytest.raises(MeshFileError, match=r"cell 0(.|\n)*no polygon with 5 nodes"):
        pentagon.save(tmp_path / "a.msh")
    with pytest.raises(MeshFileError, match="version"):
        PLANE.save(tmp_path / "a.msh", version="3")
    with pytest.raises(MeshFileError, match="options"):
        PLANE.save(tmp_path / "a.msh", ascii=True)
    assert not list(tmp_path.iterdir())


def test_tags_at_the_end_of_their_range(tmp_path):
    mesh = PLANE.copy()
    mesh.cell_data["gmsh:geometrical"] = np.full(7, 2**31 - 1, np.int32)
    mesh.regions = {}
    mesh.save(tmp_path / "a.msh")
    assert np.all(read(tmp_path / "a.msh").cell_data["gmsh:geometrical"] == 2**31 - 1)
    mesh.regions = {"a": Region("cell", [0])}
    with pytest.raises(MeshFileError, match="no tag is left"):
        mesh.save(tmp_path / "a.msh")
    mesh.cell_data["gmsh:physical"] = mesh.cell_data.pop("gmsh:geometrical")
    with pytest.raises(MeshFileError, match="no tag is left"):
        mesh.save(tmp_path / "a.msh")


def test_meshes_without_cells_or_points(tmp_path):
    none = np.empty(0, np.int64)
    for points in (np.eye(3), np.empty((0, 3))):
        mesh = Mesh(points, none, np.zeros(1, np.int64), none)
        for version, binary in KINDS:
            mesh.save(tmp_path / "a.msh", version=version, binary=binary)
            same_cells(read(tmp_path / "a.msh"), mesh)


@pytest.mark.parametrize("kind", [20, 34, 99, 137])
def test_elements_that_vtk_lacks_are_named(tmp_path, kind):
    text = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n1\n1 0 0 0\n$EndNodes\n$Elements\n1\n"
    with pytest.raises(MeshFileError, match=rf"element type {kind} \(\w+ .*\)|\(polygon\)"):
        text_mesh(tmp_path, text + f"1 {kind} 2 0 0 1 1 1\n$EndElements\n")


# -- real files ---------------------------------------------------------------------------------

FILES = sorted((DATA / "format_zoo").rglob("*.msh")) + sorted(
    (DATA / "mover_meshes").rglob("*.msh*")
)


@pytest.mark.skipif(not FILES, reason="needs ../shared/data")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files_as_meshio_reads_them(tmp_path, path):
    meshio = pytest.importorskip("meshio")
    if path.stat().st_size > 500_000:
        pytest.skip("a smaller one of its kind is read")
    mesh = read(path)
    other = meshio.gmsh.read(path)
    assert np.array_equal(mesh.points, other.points)
    nodes = [b.data[:, [0, 2, 1, 3, 5, 4]] if b.type == "wedge" else b.data for b in other.cells]
    assert np.array_equal(mesh.cell_nodes, np.concatenate([block.ravel() for block in nodes]))
    for name, parts in other.cell_data.items():
        assert np.array_equal(mesh.cell_data[name], np.concatenate(parts), equal_nan=True)
    for name, value in other.field_data.items():
        tags = np.concatenate(other.cell_data["gmsh:physical"])
        assert np.isin(mesh.regions[name].ids, np.flatnonzero(np.abs(tags) == value[0])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)
        mesh.save(tmp_path / "a.msh")
    same_cells(read(tmp_path / "a.msh"), mesh)
    assert ids(read(tmp_path / "a.msh")) == ids(mesh)
