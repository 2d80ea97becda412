"""CAD becomes meshes: exact areas and volumes, names, units, healing, and clear errors."""

import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import meshop
from meshop.errors import MeshError, MeshFileError, MeshFileWarning
from meshop.io import cad, fill_surface, mesh_cad, read
from meshop.io._files import Fault
from meshop.io.cad import _gmsh, _gmsh_job
from meshop.io.cad import _mesh as _cad_mesh
from meshop.io.cad import _text as _cad_text
from meshop.io.cad._step_names import step_face_names
from meshop.mesh import Mesh, Region

sys.path.insert(0, str(Path(__file__).parents[1] / "corrupt"))
from corrupter import damage

DATA = Path(__file__).parents[3] / "shared" / "data"
BRACKET = Path(__file__).parents[2] / "geometries" / "bracket.step"

# In a process of its own: gmsh prints, and not every machine has the libraries that it wants.
MAKE = """
import gmsh
gmsh.initialize([""], readConfigFiles=False, interruptible=False)
occ = gmsh.model.occ
def write(name):
    occ.synchronize()
    gmsh.write(name)
    gmsh.clear()
occ.addBox(0, 0, 0, 2, 1, 1); write("box.step")
occ.addBox(0, 0, 0, 2, 1, 1); write("box.iges")
occ.addBox(0, 0, 0, 2, 1, 1); occ.addSphere(4, 0, 0, 0.5); write("bodies.iges")
occ.remove([(3, occ.addBox(0, 0, 0, 2, 1, 1)), (3, occ.addBox(4, 0, 0, 1, 1, 1))])
occ.remove([(2, 1)]); write("open.iges")
occ.addBox(0, 0, 0, 2, 1, 1); write("box.brep")
occ.addSphere(1, 2, 3, 1); write("sphere.step")
occ.addCylinder(0, 0, 0, 0, 0, 2, 1); write("cylinder.brep")
occ.cut([(3, occ.addBox(0, 0, 0, 2, 2, 2))], [(3, occ.addSphere(1, 1, 1, 0.5))])
write("cavity.step")
occ.addBox(0, 0, 0, 1, 1, 1); occ.addBox(1, 0, 0, 1, 1, 1); write("two.step")
occ.addRectangle(0, 0, 0, 1, 1); write("sheet.step")
occ.addCircle(0, 0, 0, 1); write("curve.step")
"""


def gmsh_missing() -> str:
    run = subprocess.run([sys.executable, "-c", "import gmsh"], capture_output=True, text=True)
    return run.stderr.strip().splitlines()[-1] if run.returncode else ""


MISSING = gmsh_missing()
needs_gmsh = pytest.mark.skipif(bool(MISSING), reason=f"gmsh does not import: {MISSING}")


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cad")
    subprocess.run([sys.executable, "-c", MAKE], cwd=folder, check=True, capture_output=True)
    text = (folder / "box.step").read_text()
    count = iter(range(6))
    named = re.sub(r"ADVANCED_FACE\(''", lambda _: f"ADVANCED_FACE('side {next(count)}'", text)
    (folder / "named.step").write_text(named)
    (folder / "metre.step").write_text(named.replace(".MILLI.,.METRE.", "$,.METRE."))
    return folder


def of_type(mesh, code):
    return mesh.cell_types == code


def enclosed(mesh):
    """The volume inside the triangles, by their normals: negative where they point inward."""
    nodes = mesh.cell_nodes.reshape(-1, 3) if mesh.dim == 2 else None
    if nodes is None:
        start = mesh.cell_offsets[:-1][of_type(mesh, 5)]
        nodes = mesh.cell_nodes[start[:, None] + np.arange(3)]
    a, b, c = (mesh.points[nodes[:, i]] for i in range(3))
    return np.einsum("ij,ij->", a, np.cross(b, c)) / 6


# -- shapes ----------------------------------------------------------------------------------------


@needs_gmsh
def test_box_has_its_area_its_names_and_outward_normals(files, capfd):
    mesh = meshop.mesh_cad(files / "named.step", 0.25)
    assert capfd.readouterr() == ("", "")
    assert set(np.unique(mesh.cell_types)) == {5} and mesh.validate().ok
    areas = mesh.cell_measures()
    assert areas.sum() == pytest.approx(10.0) and enclosed(mesh) == pytest.approx(2.0)
    sides = [f"side {i}" for i in range(6)]
    assert list(mesh.regions) == ["solid 1", *sides]
    found = [areas[mesh.regions[name].ids].sum() for name in sides]
    assert sorted(found) == pytest.approx([1, 1, 2, 2, 2, 2])
    for i, name in enumerate(sides, 1):
        assert (mesh.cell_data["cad_entity"][mesh.regions[name].ids] == i).all()
    assert np.array_equal(mesh.regions["solid 1"].ids, np.arange(mesh.n_cells))
    assert mesh.field_data["cad_unit"].tolist() == ["mm"]
    assert mesh.field_data["cad_size"].tolist() == [0.25]


@needs_gmsh
def test_the_name_is_on_the_face_that_the_file_means():
    mesh = mesh_cad(BRACKET, 6.0)
    at = {name: mesh.cell_centers()[region.ids] for name, region in mesh.regions.items()}
    assert next(iter(mesh.regions)) == "bracket"
    assert np.abs(at["base"][:, 2]).max() < 1e-9 and np.abs(at["back"][:, 0]).max() < 1e-9
    hole = at["base hole"][:, :2] - (40.0, 20.0)
    assert np.hypot(*hole.T) == pytest.approx(7.0, rel=0.05)


@needs_gmsh
def test_volume_is_tetrahedra_then_the_triangles_of_their_boundary(files):
    mesh = mesh_cad(files / "named.step", 0.3, volume=True)
    tetrahedra = of_type(mesh, 10)
    assert tetrahedra.argmin() == tetrahedra.sum()  # they come first
    measure = mesh.cell_measures()
    assert measure[tetrahedra].sum() == pytest.approx(2.0)
    assert measure[~tetrahedra].sum() == pytest.approx(10.0)
    assert enclosed(mesh) == pytest.approx(2.0) and mesh.validate().ok
    assert np.array_equal(mesh.regions["solid 1"].ids, np.flatnonzero(tetrahedra))
    sides = np.concatenate([mesh.regions[f"side {i}"].ids for i in range(6)])
    assert np.array_equal(np.sort(sides), np.flatnonzero(~tetrahedra))
    boundary = np.sort(mesh.boundary_facets().nodes, axis=1)
    start = mesh.cell_offsets[:-1][~tetrahedra]
    triangles = np.sort(mesh.cell_nodes[start[:, None] + np.arange(3)], axis=1)
    assert set(map(tuple, boundary.tolist())) == set(map(tuple, triangles.tolist()))


@needs_gmsh
def test_area_and_volume_of_a_sphere_converge_with_the_square_of_the_size(files):
    sizes = np.array([0.32, 0.16, 0.08])
    meshes = [mesh_cad(files / "sphere.step", h, volume=True, curvature=0) for h in sizes]
    for code, exact in ((5, 4 * np.pi), (10, 4 / 3 * np.pi)):
        error = [exact - m.cell_measures()[of_type(m, code)].sum() for m in meshes]
        rate = np.log(error[0] / error[-1]) / np.log(sizes[0] / sizes[-1])
        assert min(error) > 0 and 1.7 < rate < 2.4, (error, rate)


@needs_gmsh
def test_curvature_refines_and_size_follows_the_diagonal(files):
    coarse = mesh_cad(files / "cylinder.brep", curvature=0)
    fine = mesh_cad(files / "cylinder.brep", curvature=200)
    diagonal = np.sqrt(2**2 * 3)
    assert coarse.field_data["cad_size"][0] == pytest.approx(diagonal / 30, rel=1e-4)
    assert fine.n_cells > 1.5 * coarse.n_cells
    assert fine.cell_measures().sum() == pytest.approx(6 * np.pi, rel=1e-3)
    floor = mesh_cad(files / "cylinder.brep", curvature=200, min_size=diagonal / 30)
    assert floor.n_cells < 1.1 * coarse.n_cells
    assert coarse.field_data["cad_unit"].tolist() == ["unknown"]  # BREP says nothing of it


@needs_gmsh
def test_sizes_of_faces_and_solids(files):
    def count(mesh, name):
        return len(mesh.regions[name].ids)

    plain = mesh_cad(files / "named.step", 0.3)
    fine = mesh_cad(files / "named.step", 0.3, sizes={"side 2": 0.05})
    assert count(fine, "side 2") > 10 * count(plain, "side 2")
    assert fine.cell_measures().sum() == pytest.approx(10)
    two = mesh_cad(files / "two.step", 0.4, sizes={"solid 2": 0.1}, volume=True)
    assert count(two, "solid 2") > 5 * count(two, "solid 1")
    assert "'side 9'" in fault(files / "named.step", "no face or solid", sizes={"side 9": 1}).reason
    assert "side" in fault(files / "named.step", "no face", sizes={"sid 1": 1}).hint
    fault(files / "named.step", "size of 'side 1'", sizes={"side 1": 0})


@needs_gmsh
def test_second_order_nodes_lie_on_the_exact_surface(files):
    mesh = mesh_cad(files / "sphere.step", 0.5, volume=True, order=2)
    assert set(np.unique(mesh.cell_types)) == {22, 24} and mesh.validate().ok
    start = mesh.cell_offsets[:-1][of_type(mesh, 22)]
    on_surface = mesh.points[mesh.cell_nodes[start[:, None] + np.arange(6)]] - (1, 2, 3)
    assert np.linalg.norm(on_surface, axis=2) == pytest.approx(1.0, abs=1e-6)
    # Nodes between the corners, where VTK wants them: near the middle of their edges.
    start = mesh.cell_offsets[:-1][of_type(mesh, 24)]
    xyz = mesh.points[mesh.cell_nodes[start[:, None] + np.arange(10)]]
    for node, (a, b) in enumerate(((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)), 4):
        off = np.linalg.norm(xyz[:, node] - (xyz[:, a] + xyz[:, b]) / 2, axis=1)
        assert (off < 0.2 * np.linalg.norm(xyz[:, a] - xyz[:, b], axis=1)).all()


@needs_gmsh
def test_a_cavity_is_empty_and_its_normals_point_into_it(files):
    mesh = mesh_cad(files / "cavity.step", 0.4, volume=True)
    exact = 8 - 4 / 3 * np.pi * 0.5**3
    volume = mesh.cell_measures()[of_type(mesh, 10)].sum()
    assert volume == pytest.approx(exact, rel=0.02) and enclosed(mesh) == pytest.approx(volume)


@needs_gmsh
def test_units(files):
    """The numbers of the file, in whatever unit; converted only when that is asked for."""
    assert np.ptp(mesh_cad(files / "metre.step", 0.5).points, axis=0).tolist() == [2, 1, 1]
    for path, unit, factor in (
        ("metre.step", "mm", 1000), ("named.step", "m", 1e-3), ("box.iges", "inch", 1 / 25.4),
    ):  # fmt: skip
        mesh = mesh_cad(files / path, 0.5 * factor, unit=unit)
        assert np.ptp(mesh.points, axis=0) == pytest.approx(np.array([2, 1, 1]) * factor)
        assert mesh.field_data["cad_unit"].tolist() == [unit]
        assert mesh.field_data["cad_size"][0] == pytest.approx(0.5 * factor)
        if "step" in path:
            assert "side 3" in mesh.regions
    with pytest.raises(MeshFileError, match="furlong"):
        mesh_cad(files / "box.step", unit="furlong")
    with pytest.raises(MeshFileError, match="no unit to convert from"):
        mesh_cad(files / "box.brep", unit="m")


@needs_gmsh
def test_loose_faces_of_iges_are_sewn_into_a_solid(files):
    mesh = mesh_cad(files / "box.iges", 0.3, volume=True)
    assert mesh.cell_measures()[of_type(mesh, 10)].sum() == pytest.approx(2.0, rel=1e-4)
    with pytest.raises(MeshFileError, match="enclose no volume"):
        mesh_cad(files / "box.iges", 0.3, volume=True, repair=False)
    assert mesh_cad(files / "box.iges", 0.3).cell_measures().sum() == pytest.approx(10)
    two = mesh_cad(files / "two.step", 0.4, volume=True, repair=True)  # solids stay solids
    assert two.cell_measures()[of_type(two, 10)].sum() == pytest.approx(2)


@needs_gmsh
def test_several_bodies_of_iges_become_a_solid_each(files):
    mesh = mesh_cad(files / "bodies.iges", 0.3, volume=True)
    measure = mesh.cell_measures()
    volumes = [measure[mesh.regions[f"solid {i}"].ids].sum() for i in (1, 2)]
    assert volumes == pytest.approx([2, np.pi / 6], rel=0.1)
    assert measure[of_type(mesh, 5)].sum() == pytest.approx(10 + np.pi, rel=0.05)
    with pytest.raises(MeshFileError, match="enclose no volume"):
        mesh_cad(files / "open.iges", 0.3, volume=True)


@needs_gmsh
def test_parts_that_touch_share_a_face_when_they_are_to(files):
    apart = mesh_cad(files / "two.step", 0.4, volume=True)
    shared = mesh_cad(files / "two.step", 0.4, volume=True, conformal=True)
    for mesh, area in ((apart, 12), (shared, 11)):
        measure = mesh.cell_measures()
        assert measure[of_type(mesh, 10)].sum() == pytest.approx(2)
        assert measure[of_type(mesh, 5)].sum() == pytest.approx(area)
        assert [measure[mesh.regions[f"solid {i}"].ids].sum() for i in (1, 2)] == pytest.approx(
            [1, 1]
        )
    assert len(apart.validate().duplicate_points) and shared.validate().ok


@needs_gmsh
def test_the_same_mesh_each_time_and_through_a_file(files, tmp_path):
    one, two = (mesh_cad(files / "named.step", 0.3, volume=True) for _ in range(2))
    assert one.content_hash() == two.content_hash()
    one.save(tmp_path / "a.vtu")
    back = read(tmp_path / "a.vtu")
    assert list(back.regions) == list(one.regions)
    assert np.array_equal(back.regions["side 2"].ids, one.regions["side 2"].ids)
    assert back.field_data["cad_unit"].tolist() == ["mm"]


@needs_gmsh
def test_progress(files):
    said = []
    mesh_cad(files / "box.step", 0.3, progress=lambda part, what: said.append((part, what)))
    assert said and all(0 <= part <= 1 for part, _ in said)
    assert any("surface" in what for _, what in said)


# -- closed surfaces -------------------------------------------------------------------------------


def cube(low=0.0, high=1.0, inward=False):
    corners = np.array([[x, y, z] for z in (low, high) for y in (low, high) for x in (low, high)])
    quads = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2],
                      [1, 3, 7, 5]])  # fmt: skip
    return corners, quads[:, ::-1] if inward else quads


@needs_gmsh
def test_filling_keeps_the_surface(files):
    surface = mesh_cad(files / "sphere.step", 0.4)
    surface.cell_data.clear()
    mesh = fill_surface(surface)
    assert np.array_equal(mesh.points[: surface.n_points], surface.points)
    assert np.array_equal(mesh.cell_nodes[-len(surface.cell_nodes) :], surface.cell_nodes)
    solid = mesh.cell_measures()[of_type(mesh, 10)].sum()
    assert solid == pytest.approx(enclosed(surface)) and mesh.validate().ok
    assert list(mesh.regions) == ["solid 1", "solid 1 (surface)", "face 1"]
    coarse, fine = mesh.n_cells, fill_surface(surface, 0.15).n_cells
    assert fine > 1.5 * coarse


@needs_gmsh
def test_filling_quads_soup_cavities_and_bodies_inside_cavities():
    shells = [cube(0, 4), cube(1, 3, inward=True), cube(1.5, 2.5), cube(5, 6, inward=True)]
    points = np.concatenate([xyz[quads].reshape(-1, 3) for xyz, quads in shells])  # a soup
    wall = Region("cell", np.arange(6, 12))
    quads = np.arange(len(points)).reshape(-1, 4)
    mesh = fill_surface(Mesh.from_blocks(points, [("quad", quads)], regions={"wall": wall}))
    measure = mesh.cell_measures()
    names = [n for n in mesh.regions if n.startswith("solid")]
    volumes = sorted(measure[mesh.regions[name].ids].sum() for name in names)
    assert volumes == pytest.approx([1, 1, 64 - 8])
    assert measure[mesh.regions["wall"].ids].sum() == pytest.approx(24)
    assert len(mesh.validate().duplicate_points) == 0


def test_an_open_surface_names_its_edge():
    points, quads = cube()
    with pytest.raises(MeshError, match=r"4 edges are open; the first is that of points 0 and 1"):
        fill_surface(Mesh.from_blocks(points, [("quad", quads[1:])]))


@needs_gmsh
def test_a_surface_that_cuts_itself_and_arrays_that_are_left_out():
    one, two = cube(), cube(0.5, 1.5)
    points = np.concatenate([one[0], two[0]])
    quads = np.concatenate([one[1], two[1] + 8])
    with pytest.raises(MeshError, match="cannot be filled"):
        fill_surface(Mesh.from_blocks(points, [("quad", quads)]))
    with pytest.warns(MeshFileWarning, match="arrays out: p"):
        fill_surface(Mesh.from_blocks(one[0], [("quad", one[1])], cell_data={"p": np.ones(6)}))


# -- errors ----------------------------------------------------------------------------------------


def fault(path, match, **options):
    with pytest.raises(MeshFileError, match=match) as caught:
        mesh_cad(path, **options)
    assert 2 <= len(str(caught.value).splitlines()) <= 3 and caught.value.reason
    return caught.value


@pytest.mark.parametrize("name", ["part.step", "part.STP", "part.igs", "part.brep", "part.xyz"])
def test_read_says_that_it_is_cad(tmp_path, name):
    content = b"ISO-10303-21;\nHEADER;\nENDSEC;\nEND-ISO-10303-21;\n"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshFileError, match="this is CAD: exact surfaces") as caught:
        read(tmp_path / name)
    assert caught.value.hint == f"meshop mesh {tmp_path / name}"
    assert cad.is_cad(tmp_path / name) and not cad.is_cad(tmp_path / "absent.vtu")


def test_what_is_no_cad_starts_no_gmsh(tmp_path, monkeypatch):
    monkeypatch.setattr(_gmsh, "_JOBS", "absent")
    step = BRACKET.read_bytes()
    assert fault(tmp_path / "absent.step", "no such file").where == "opening the file"
    for content, match in (
        (b"", "empty"), (b"solid x\nendsolid", "neither STEP"), (bytes(range(256)), "neither STEP"),
        (step[:5000], "END-ISO-10303-21"), (b"ISO-10303-21;", "END-ISO-10303-21"),
        (b" " * 72 + b"S      1\n" + b" " * 72 + b"G      1\n", "terminate record"),
    ):  # fmt: skip
        (tmp_path / "a.step").write_bytes(content)
        fault(tmp_path / "a.step", match)
    for options, match in (
        ({"size": -1.0}, "size -1"), ({"size": np.nan}, "size nan"), ({"order": 3}, "order 3"),
        ({"curvature": -1}, "curvature"), ({"time_limit": 0}, "time_limit 0"),
    ):  # fmt: skip
        fault(BRACKET, match, **options)


@needs_gmsh
def test_shapes_that_cannot_be_meshed(files):
    assert "curves" in fault(files / "curve.step", "no faces").reason
    assert "surface" in fault(files / "sheet.step", "no volume", volume=True).hint
    assert fault(files / "box.step", "cells: they do not fit", size=1e-7).where == "size"


@needs_gmsh
def test_limits_of_time_and_memory(files):
    fault(files / "box.step", "stopped after 0.01 s", time_limit=0.01)
    fault(files / "box.step", "memory|import|without a result|died", memory=1e8)


def test_no_gmsh_says_how_to_install_it(monkeypatch, tmp_path):
    (tmp_path / "gmsh.py").write_text("raise ImportError(\"No module named 'gmsh'\")")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "meshop[cad]" in fault(BRACKET, "No module named 'gmsh'").hint


def test_a_library_that_gmsh_lacks_is_named(monkeypatch, tmp_path):
    (tmp_path / "gmsh.py").write_text("raise OSError('libGLU.so.1: cannot open shared object')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "libglu1" in fault(BRACKET, "libGLU.so.1").hint


def replace_jobs(monkeypatch, folder, code):
    (folder / "gmsh_jobs.py").write_text(code)
    monkeypatch.setattr(_gmsh, "_JOBS", "gmsh_jobs")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])


@pytest.mark.parametrize(
    ("code", "match"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", "died of SIGSEGV"),
        ("import os; os._exit(3)", "ended with code 3"),
        ("while True: print('x' * 99999)", "stopped after"),
    ],
)
def test_a_crash_of_the_child_is_an_error(monkeypatch, tmp_path, code, match, capfd):
    replace_jobs(monkeypatch, tmp_path, code)
    fault(BRACKET, match, time_limit=3)
    assert capfd.readouterr() == ("", "")


@needs_gmsh
def test_faces_that_fail_are_named(monkeypatch, files):
    """A face that gmsh gives up on does not cost the others."""
    code = Path(_gmsh_job.__file__).read_text().replace("from ..", "from meshop.io.")
    code = code.replace(
        'empty = {tag', 'gmsh.model.mesh.clear([(2, 2)])\n    message = "no luck"\n    empty = {tag'
    )  # fmt: skip
    replace_jobs(monkeypatch, files, code)
    with pytest.warns(MeshFileWarning, match=r"1 of 6 faces .*'side 1' \(no luck\)"):
        mesh = mesh_cad(files / "named.step", 0.4)
    assert "side 1" not in mesh.regions and "side 2" in mesh.regions
    fault(files / "named.step", r"1 of 6 faces .*\(face 2\)", volume=True, size=0.4)


@pytest.mark.parametrize(
    ("number", "huge"),
    [("1.E+0001", 0), ("2.E+100", 0), ("1E400", 1), ("-1.E+0999", 1), ("nan", 1), ("1.5", 0)],
)
def test_numbers_beyond_all_bounds(number, huge):
    text = f"#1=CARTESIAN_POINT('',(0.,{number},0.));\nEND-ISO-10303-21;".encode()
    if huge:
        with pytest.raises(Fault, match="beyond 1e308"):
            _cad_text.check_complete("step", text)
    else:
        _cad_text.check_complete("step", text)


def outcomes(path, data, seeds):
    for seed in seeds:
        path.write_bytes(damage(data, seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MeshFileWarning)
            try:
                mesh = mesh_cad(path, curvature=6, volume=bool(seed % 2), time_limit=5)
            except MeshFileError as error:
                assert 2 <= len(str(error).splitlines()) <= 3
            else:
                mesh.check()


@needs_gmsh
@pytest.mark.parametrize("name", ["named.step", "box.iges", "box.brep"])
def test_damaged_files(files, tmp_path, name):
    outcomes(tmp_path / name, (files / name).read_bytes(), range(4))


@needs_gmsh
@pytest.mark.slow
@pytest.mark.parametrize("name", ["named.step", "box.iges", "box.brep"])
def test_many_damaged_files(files, tmp_path, name):
    outcomes(tmp_path / name, (files / name).read_bytes(), range(100, 250))


@needs_gmsh
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(0.,0.,0.)", "(1.E+300,-1.E+300,0.)"),
        ("(0.,0.,0.)", "(1.E+999,NAN,0.)"),
        ("#17", "#99999999999999999999"),
        ("CLOSED_SHELL('',(#17", "CLOSED_SHELL('',(#16"),  # a shell that holds itself
        ("MANIFOLD_SOLID_BREP('',#16)", "MANIFOLD_SOLID_BREP('',#15)"),
        ("DATA;", "DATA;" + "(" * 5000),
    ],
)
def test_step_that_means_harm(files, tmp_path, old, new):
    text = (files / "box.step").read_text()
    assert old in text
    (tmp_path / "a.step").write_text(text.replace(old, new))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)
        try:
            mesh_cad(tmp_path / "a.step", time_limit=3).check()
        except MeshFileError as error:
            assert 2 <= len(str(error).splitlines()) <= 3


# -- what the text of a file says ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Shapes/as1/rod_1/rod & & 256", "as1/rod_1/rod"),
        ("Shapes/aile extrados & & 10000", "aile extrados"),
        ("Shapes/Cuerpo", "Cuerpo"),
        ("Shapes/A & B", "A & B"),
        ("Shapes/Open CASCADE STEP translator 7.8 1", ""),
        ("Shapes/FACE", ""),
        ("Shapes/COMPOUND", ""),
        ("", ""),
        ("interface", "interface"),
    ],
)
def test_labels(label, name):
    assert _cad_mesh._name(label) == name


def test_units_in_the_text():
    def step(*entities):
        return _cad_text.unit_of(
            "step", b"".join(b"#%d=(%b);\n" % pair for pair in enumerate(entities))
        )

    si = b"LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(%b,.METRE.)"
    assert [step(si % p) for p in (b"$", b".MILLI.", b" .CENTI. ")] == ["M", "MM", "CM"]
    inch = b"CONVERSION_BASED_UNIT('INCH',#3) LENGTH_UNIT() NAMED_UNIT(#2)"
    assert step(inch, si % b".MILLI.") == "INCH"
    assert step(si % b"$", si % b".MILLI.") == "" and step() == ""
    assert (
        _cad_text.iges_unit(b"1H,,1H;,3Ha,b,5Hf.igs,2Hs;,2Hv,32,38,6,38,15,2Hp,,1.0,1,2HIN,1;")
        == "INCH"
    )
    assert _cad_text.iges_unit(b",,1Hx,1Hx,1Hx,1Hx,32,38,6,38,15,1Hx,1.0,6,1HM;") == "M"
    assert _cad_text.iges_unit(b"1H,,1H;;") == "" and _cad_text.iges_unit(b"9999H") == ""


def test_names_in_the_text():
    """Two faces by their corners; a third has the corners of no face."""
    points = {1: "(0.,0.,0.)", 2: "(1.,0.,0.)", 3: "(0.,1.E0,0.)", 4: "(0.,0.,1.)"}
    text = "".join(f"#{i}=CARTESIAN_POINT('',{p});#{10 + i}=VERTEX_POINT('',#{i});"
                   for i, p in points.items())  # fmt: skip
    for face, (name, ends) in enumerate((("in ''1''", (1, 2, 3)), ("\\X\\D6l", (1, 2, 4)))):
        ids = []
        for k in range(3):
            a, b, number = ends[k], ends[k - 1], 100 * (face + 1) + 10 * k
            text += f"#{number}=EDGE_CURVE('',#{10 + a},#{10 + b},#9,.T.);"
            text += f"#{number + 1}=ORIENTED_EDGE('',*,*,#{number},.T.);"
            ids.append(f"#{number + 1}")
        at = 50 + 3 * face
        text += f"#{at}=EDGE_LOOP('',({','.join(ids)}));#{at + 1}=FACE_BOUND('',#{at},.T.);"
        text += f"#{at + 2}=ADVANCED_FACE('{name}',(#{at + 1}),#9,.T.);\n"
    o, x, y, z = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 2.0
    corners = [[o, y, z], [z, o, x], [y, x, o + 1e-9]]
    assert step_face_names(text.encode(), 2.0, corners) == {1: "Öl", 2: "in '1'"}
    assert step_face_names(text.encode(), 1.0, corners) == {}
    loop = b"#1=ADVANCED_FACE('a',(#2));#2=FACE_BOUND('',#2);#3=FACE_BOUND('',#1);"
    assert step_face_names(loop, 1.0, corners) == {}


# -- files of other programs -----------------------------------------------------------------------

REAL = {
    "format_zoo/cad_pythonocc/assets/models/as1-oc-214.stp": "solid",
    "format_zoo/cad_pythonocc/assets/models/splinecage.stp": "sheet",
    "format_zoo/cad_pythonocc/assets/models/wire.brep": "curves",
    "format_zoo/nasa_tmr/Onerawingnumerics_grids/AileM6_with_thick_TE.igs": "sheet",
    "format_zoo/su2_testcases/euler/oneram6/geom_oneram6.IGS": "sheet",
    "mover_meshes/ugawg/cone-cone/cone-cone.iges": "solid",
    "mover_meshes/ugawg/cone-cone/cone-cone.step": "solid",
    "mover_meshes/ugawg/cube-cylinder/cube-cylinder.step": "solid",
    "openfoam_pitzdaily/Pitz_Daily_N1-Cuerpo.step": "solid",
}


@needs_gmsh
@pytest.mark.parametrize("name", REAL)
def test_files_of_other_programs(name):
    path = DATA / name
    if not path.exists():
        pytest.skip("the shared data are not here")
    kind = REAL[name]
    if kind == "curves":
        fault(path, "no faces")
        return
    mesh = mesh_cad(path, volume=kind == "solid")
    assert mesh.n_cells > 100 and not {"degenerate", "inverted"} & set(mesh.validate().faults())
    if kind == "solid":
        volume = mesh.cell_measures()[of_type(mesh, 10)].sum()
        assert volume == pytest.approx(enclosed(mesh), rel=1e-6)
    else:
        fault(path, "volume|filled", volume=True)
