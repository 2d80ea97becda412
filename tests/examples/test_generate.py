"""examples/airfoil_rans/generate.py: contours, case text, polyMesh, force integration, one run."""

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "airfoil_rans"


@pytest.fixture(scope="module")
def generate():
    """The script as a module; it puts its own folder on the path, which is undone here."""
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("airfoil_generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def case(generate):
    return sys.modules["airfoil_case"]


# -- contours ------------------------------------------------------------------------------------

# Abbott and von Doenhoff, Theory of Wing Sections, appendix III, in percent of the chord.
NACA_0012 = {1.25: 1.894, 5.0: 3.555, 10.0: 4.683, 30.0: 6.002, 50.0: 5.294, 80.0: 2.623}
NACA_2412_UPPER = {5.0: 4.13, 10.0: 5.63, 30.0: 7.88, 50.0: 7.24, 80.0: 3.75}
NACA_2412_LOWER = {5.0: -3.01, 10.0: -3.75, 30.0: -4.12, 50.0: -3.34, 80.0: -1.50}


def ordinates(side, stations):
    return 100.0 * np.interp(np.array(list(stations)) / 100.0, side[:, 0], side[:, 1])


@pytest.mark.parametrize(
    ("digits", "upper", "lower"),
    [
        ((0.0, 0.4, 0.12), NACA_0012, {x: -y for x, y in NACA_0012.items()}),
        ((0.02, 0.4, 0.12), NACA_2412_UPPER, NACA_2412_LOWER),
    ],
)
def test_naca_ordinates_agree_with_the_published_tables(case, digits, upper, lower):
    contour = case.naca4(*digits, n=400)
    # The tables have a blunt trailing edge (-0.1015): ours may differ by its half thickness.
    assert ordinates(contour.upper, upper) == pytest.approx(list(upper.values()), abs=0.08)
    assert ordinates(contour.lower, lower) == pytest.approx(list(lower.values()), abs=0.08)
    front = [x for x in upper if x <= 30.0]
    assert ordinates(contour.upper, front) == pytest.approx([upper[x] for x in front], abs=0.015)


def test_contour_is_closed_counter_clockwise_and_split_at_its_foremost_point(case):
    contour = case.naca4(0.05, 0.4, 0.15)
    assert contour.upper[-1].tolist() == contour.lower[-1].tolist() == [1.0, 0.0]
    assert contour.upper[0].tolist() == contour.lower[0].tolist()
    x, y = contour.loop.T
    assert x.argmin() == len(contour.upper) - 1
    assert len(np.unique(contour.loop, axis=0)) == len(contour.loop)
    x, y = case.naca4(0.0, 0.4, 0.15).loop.T
    area = 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    # The exact integral of the thickness polynomial, twice, for thickness 0.15.
    poly = 0.2969 / 1.5 - 0.1260 / 2 - 0.3516 / 3 + 0.2843 / 4 - 0.1036 / 5
    assert area == pytest.approx(2 * 5 * 0.15 * poly, rel=2e-3)


@pytest.mark.parametrize("digits", [(0.3, 0.4, 0.12), (0.02, 0.0, 0.12), (0.02, 0.4, 0.0)])
def test_impossible_naca_sections_are_refused(case, digits):
    with pytest.raises(ValueError, match="no NACA 4-digit section"):
        case.naca4(*digits)


def write_rows(path, title, blocks):
    text = [title]
    for block in blocks:
        text += [f" {x:.6f}  {y:.6f}" for x, y in block] + [""]
    path.write_text("\n".join(text))


@pytest.mark.parametrize("order", ["selig", "lednicer", "selig clockwise"])
def test_coordinate_files_give_back_the_section_in_any_order_and_scale(case, tmp_path, order):
    true = case.naca4(0.02, 0.4, 0.12, n=60)
    path = tmp_path / "section.dat"
    if order == "lednicer":
        n = (float(len(true.upper)), float(len(true.lower)))
        write_rows(path, "NACA 2412", [[n], true.upper, true.lower])
    else:
        loop = np.concatenate([true.loop, true.loop[:1]])
        turn = np.array([[np.cos(0.05), -np.sin(0.05)], [np.sin(0.05), np.cos(0.05)]])
        rows = 0.7 * loop @ turn + [0.1, 0.2]
        write_rows(path, "NACA 2412", [rows[::-1] if order.endswith("clockwise") else rows])
    got = case.read_coordinates(path)
    stations = np.linspace(0.02, 0.99, 40) * 100.0
    assert ordinates(got.upper, stations) == pytest.approx(ordinates(true.upper, stations), abs=0.1)
    assert ordinates(got.lower, stations) == pytest.approx(ordinates(true.lower, stations), abs=0.1)


def test_a_blunt_trailing_edge_is_closed(case, tmp_path):
    x = np.linspace(0.0, 1.0, 40) ** 2
    half = 0.6 * (0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.0936 * x**4)
    upper, lower = np.stack([x, half], 1), np.stack([x, -half], 1)
    assert upper[-1, 1] > 0.005
    write_rows(tmp_path / "blunt.dat", "blunt", [np.concatenate([upper[::-1], lower[1:]])])
    contour = case.read_coordinates(tmp_path / "blunt.dat")
    assert contour.loop[0].tolist() == [1.0, 0.0]
    assert np.all(np.diff(contour.upper[-10:, 1]) < 0)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(1, 0), (0, 0), (1, 0)], "at least 12"),
        ([(np.cos(a), np.sin(2 * a)) for a in np.linspace(0, 2 * np.pi, 41)], "cross"),
    ],
)
def test_unfit_coordinate_files_are_refused_by_name(case, tmp_path, rows, reason):
    write_rows(tmp_path / "bad.dat", "bad", [rows])
    with pytest.raises(ValueError, match=rf"bad\.dat.*{reason}"):
        case.read_coordinates(tmp_path / "bad.dat")


# -- forces --------------------------------------------------------------------------------------


def ring(n=256, radius=0.5, height=1e-3):
    """Quads around a circle: points, offsets, nodes, wall flags."""
    angle = 2.0 * np.pi * np.arange(n) / n
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.array([0.25, 0.0]) + np.concatenate([radius * unit, (radius + height) * unit])
    i, j = np.arange(n), np.roll(np.arange(n), -1)
    # Counter-clockwise, with the wall edge j -> i: the fluid is on its left, outside the circle.
    nodes = np.stack([j, i, i + n, j + n], axis=1)
    return points, 4 * np.arange(n + 1), nodes.ravel(), np.arange(2 * n) < n


def test_forces_of_an_analytic_pressure(case):
    points, offsets, nodes, on_wall = ring()
    edges = case.wall_edges(offsets, nodes, on_wall)
    assert len(edges.owner) == 256
    centers = points[nodes].reshape(-1, 4, 2).mean(axis=1)
    still = np.zeros((256, 2))
    # A linear pressure p = g . x pushes a body of area A with -A g (Archimedes), at its centroid.
    gradient = np.array([0.3, -0.7])
    pressure = (points[edges.nodes].mean(axis=1) - [0.25, 0.0]) @ gradient
    area = 0.5 * 256 * np.sin(2 * np.pi / 256) * 0.25
    for aoa in (0.0, 30.0):
        got = case.integrate(points, centers, edges, still, pressure, aoa, 1e6)
        angle = np.radians(aoa)
        force = -2.0 * area * gradient  # over the dynamic pressure, 1/2
        assert got.drag == pytest.approx(force @ [np.cos(angle), np.sin(angle)], abs=1e-9)
        assert got.lift == pytest.approx(force @ [-np.sin(angle), np.cos(angle)], abs=1e-9)
        assert got.moment == pytest.approx(0.0, abs=1e-9)
        assert got.friction_drag == pytest.approx(0.0, abs=1e-9)


def test_moment_is_nose_up_about_the_quarter_chord(case):
    # Suction on a wall edge behind the quarter chord lifts the tail: nose down, negative.
    points = np.array([[0.9, 0.0], [0.8, 0.0], [0.8, 0.01], [0.9, 0.01]])
    points = points[[1, 0, 3, 2]]  # counter-clockwise, wall edge first
    edges = case.wall_edges(np.array([0, 4]), np.arange(4), np.array([True, True, False, False]))
    still = np.zeros((1, 2))
    got = case.integrate(points, points.mean(0)[None], edges, still, np.array([-0.5]), 0.0, 1e6)
    assert got.lift == pytest.approx(2 * 0.5 * 0.1)
    assert got.moment == pytest.approx(-got.lift * 0.6)


@pytest.mark.parametrize("y_plus", [0.5, 3.0, 12.0, 60.0, 800.0])
def test_friction_velocity_solves_spaldings_law(case, y_plus):
    from airfoil_case.forces import KAPPA, WALL_E, friction_velocity
    from scipy.optimize import brentq

    def law(u):
        k = KAPPA * u
        return u + (np.exp(k) - 1 - k - k**2 / 2 - k**3 / 6) / WALL_E - y_plus

    u_plus = brentq(law, 0.0, 40.0, xtol=1e-14)
    nu, true = 1e-6, 0.04
    got = friction_velocity(np.array([u_plus * true]), np.array([y_plus * nu / true]), nu)
    assert got[0] == pytest.approx(true, rel=1e-8)


def test_friction_velocity_of_still_fluid_is_zero(case):
    from airfoil_case.forces import friction_velocity

    assert friction_velocity(np.zeros(3), np.full(3, 1e-4), 1e-6) == pytest.approx(0.0, abs=1e-4)


# -- the OpenFOAM case ---------------------------------------------------------------------------


def small_grid(case):
    """Two triangles and a quad in a row, wall on the left, far field elsewhere."""
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1]], float)
    points = np.column_stack([points, np.zeros(6)])
    return case.Grid(
        points,
        triangles=np.array([[0, 1, 2], [0, 2, 3]]),
        quads=np.array([[1, 4, 5, 2]]),
        boundary=np.array([1, 2, 2, 1, 2, 2], dtype=np.uint8),
        order=np.array([2, 0, 1]),
    )


def test_case_text_states_the_flow(case):
    from airfoil_case.foam_text import case_files

    text = case_files(30.0, 2e6, case.FlowOptions(max_iterations=77, tolerance=1e-5))
    assert "nu 5e-07;" in text["constant/transportProperties"]
    assert "RASModel SpalartAllmaras" in text["constant/turbulenceProperties"]
    assert "default leastSquares;" in text["system/fvSchemes"]
    assert "endTime 77;" in text["system/controlDict"]
    assert "p 1e-05;" in text["system/fvSolution"]
    assert "internalField uniform (0.866025403784 0.5 0);" in text["0/U"]
    assert "liftDir (-0.5 0.866025403784 0)" in text["system/controlDict"]
    assert "internalField uniform 1.5e-06;" in text["0/nuTilda"]
    # chi = 3: nut = fv1 nuTilda = 0.21044 nu (as measured in the far cells of the data set).
    nut = float(text["0/nut"].split("internalField uniform ")[1].split(";")[0])
    assert nut * 2e6 == pytest.approx(0.21044, rel=1e-4)
    for name in ("U", "p", "nut", "nuTilda"):
        for patch in ("airfoil", "farfield", "frontAndBack"):
            assert patch in text[f"0/{name}"]
    for body in text.values():
        assert body.count("{") == body.count("}") and body.count("(") == body.count(")")


def test_mesh_files_follow_openfoams_rules(case):
    from airfoil_case.foam_text import mesh_files

    grid = small_grid(case)
    files = {k.rsplit("/", 1)[1]: v for k, v in mesh_files(grid).items()}

    def rows(name):
        return files[name].split("\n(\n", 1)[1].rsplit("\n)", 1)[0].splitlines()

    points = np.array([r.strip("()").split() for r in rows("points")], float)
    faces = [[int(i) for i in r.split("(")[1].rstrip(")").split()] for r in rows("faces")]
    owner, neighbour = np.array(rows("owner"), int), np.array(rows("neighbour"), int)
    # Two internal edges, six on the boundary, two planes of three cells.
    assert len(points) == 12 and len(faces) == len(owner) == 2 + 6 + 6
    assert owner[:2].tolist() == [0, 1] and neighbour.tolist() == [1, 2]  # upper triangular
    centers = np.append(np.array([[1.5, 0.5], [2 / 3, 1 / 3], [1 / 3, 2 / 3]]), [[0.5]] * 3, axis=1)
    volume = np.zeros(3)
    for i, face in enumerate(faces):
        q = points[face]
        middle = q.mean(axis=0)
        area = 0.5 * sum(
            np.cross(a - middle, b - middle) for a, b in zip(q, np.roll(q, -1, 0), strict=True)
        )
        assert area @ (middle - centers[owner[i]]) > 0, f"face {i} points into its owner"
        volume[owner[i]] += area @ middle / 3.0
        if i < len(neighbour):
            assert area @ (centers[neighbour[i]] - middle) > 0
            volume[neighbour[i]] -= area @ middle / 3.0
    assert volume == pytest.approx([1.0, 0.5, 0.5])
    assert "airfoil { type wall; nFaces 1; startFace 2; }" in files["boundary"]
    assert "farfield { type patch; nFaces 5; startFace 3; }" in files["boundary"]
    assert "frontAndBack { type empty; nFaces 6; startFace 8; }" in files["boundary"]


def test_fields_are_parsed_and_a_uniform_one_is_refused(case):
    from airfoil_case.foam_text import parse_internal_field

    head = "FoamFile { object U; }\ndimensions [0 1 -1 0 0 0 0];\n"
    vector = "internalField   nonuniform List<vector> \n2\n(\n(1 -2e-3 0)\n(4 5 6)\n)\n;\n"
    assert parse_internal_field(head + vector, 2).tolist() == [[1, -0.002, 0], [4, 5, 6]]
    scalar = "internalField   nonuniform List<scalar> \n3\n(\n1\n2.5\n-3\n)\n;\n"
    assert parse_internal_field(head + scalar, 3).tolist() == [1, 2.5, -3]
    with pytest.raises(ValueError, match="uniform"):
        parse_internal_field(head + "internalField uniform (0 0 0);", 2)


# -- the script ----------------------------------------------------------------------------------


def test_cases_are_reproducible_and_in_range(generate):
    many = list(generate.naca_cases(50, seed=3))
    assert list(generate.naca_cases(5, seed=3)) == many[:5]
    assert list(generate.naca_cases(5, seed=4)) != many[:5]
    aoa, reynolds = (np.array([getattr(c, k) for c in many]) for k in ("aoa_deg", "reynolds"))
    assert aoa.min() >= -4 and aoa.max() <= 12 and np.ptp(aoa) > 12
    assert reynolds.min() >= 1e6 and reynolds.max() <= 6.3e6
    assert len({c.naca for c in many}) == 50


def test_files_are_drawn_without_repeats(generate, tmp_path):
    for i in range(9):
        (tmp_path / f"foil{i}.dat").write_text("x\n")
    drawn = list(generate.file_cases(tmp_path, 6, seed=1))
    assert len({c.coordinates for c in drawn}) == 6
    assert drawn == list(generate.file_cases(tmp_path, 6, seed=1))
    with pytest.raises(generate.CaseError, match="no coordinate file"):
        list(generate.file_cases(tmp_path / "..", 1, seed=1))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["out"], "nothing to make"),
        (["out", "--uiuc", "/no/such/folder"], "no such folder"),
        (["out", "--naca", "1", "--jobs", "0"], "must be positive"),
    ],
)
def test_usage_errors(generate, capsys, arguments, reason):
    with pytest.raises(SystemExit) as stop:
        generate.main(arguments)
    assert stop.value.code == 2 and reason in capsys.readouterr().err


def test_missing_openfoam_is_one_clear_error(generate, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert generate.main([str(tmp_path / "out"), "--naca", "1"]) == 1
    message = capsys.readouterr().err
    assert "simpleFoam" in message and "apt-get install openfoam" in message
    assert not (tmp_path / "out").exists()


def test_missing_gmsh_is_one_clear_error(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "gmsh", None)
    with pytest.raises(ImportError, match="pip install gmsh"):
        case.make_grid(case.naca4(0.0, 0.4, 0.12))


def test_unsteady_or_inconsistent_solutions_are_refused(generate, case):
    grid = small_grid(case)
    flow = {
        "velocity": np.zeros((3, 3)), "pressure": np.zeros(3), "nut": np.zeros(3),
        "drag": 0.0, "moment": 0.0, "iterations": 9,
    }  # fmt: skip
    good = case.Solution(**flow, lift=0.0, drift=0.0)
    mesh = generate.solved_mesh(grid, good, {"aoa_deg": 1.0, "reynolds": 1e6})
    generate.check_solution(mesh, good, 1.0, 1e6)
    with pytest.raises(generate.CaseError, match="not steady"):
        generate.check_solution(mesh, case.Solution(**flow, lift=0.0, drift=0.1), 1.0, 1e6)
    with pytest.raises(generate.CaseError, match="Cl is"):
        generate.check_solution(mesh, case.Solution(**flow, lift=0.3, drift=0.0), 1.0, 1e6)


def test_written_file_has_the_schema_of_the_data_set(generate, case, tmp_path):
    import meshop

    solution = case.Solution(
        velocity=np.arange(9.0).reshape(3, 3), pressure=np.arange(3.0), nut=np.full(3, 1e-6),
        lift=0.5, drag=0.01, moment=-0.02, iterations=800, drift=0.0,
    )  # fmt: skip
    conditions = {"aoa_deg": 2.0, "reynolds": 3e6}
    generate.solved_mesh(small_grid(case), solution, conditions).save(tmp_path / "case.vtu")
    mesh = meshop.read(tmp_path / "case.vtu")
    assert mesh.cell_types.tolist() == [9, 5, 5] and mesh.is_planar
    assert {k: (v.dtype.name, v.shape) for k, v in mesh.cell_data.items()} == {
        "U": ("float32", (3, 3)), "p": ("float32", (3,)), "nut": ("float32", (3,)),
    }  # fmt: skip
    assert mesh.point_data["boundary"].tolist() == [1, 2, 2, 1, 2, 2]
    assert mesh.storage["points"] == "float32" and mesh.storage["connectivity"] == "int32"
    wanted = conditions | {"Cl": 0.5, "Cd": 0.01, "Cm": -0.02, "iterations": 800.0}
    assert {k: v.tolist() for k, v in mesh.field_data.items()} == {
        k: [v] for k, v in wanted.items()
    }


@pytest.mark.slow
def test_one_coarse_case_from_contour_to_file(generate, tmp_path, capsys):
    if shutil.which("simpleFoam") is None:
        pytest.skip("OpenFOAM is not installed")
    pytest.importorskip("gmsh", reason="gmsh is not installed", exc_type=ImportError)
    import meshop

    case = generate.Case("one", aoa_deg=2.0, reynolds=2e6, naca=(0.0, 0.4, 0.12))
    path, line = generate.make_case(
        case, tmp_path, generate.GridOptions(scale=2.0), generate.FlowOptions(max_iterations=600)
    )
    mesh = meshop.read(path)
    assert 4000 < mesh.n_cells < 15000 and "Cl" in line
    assert set(np.unique(mesh.point_data["boundary"])) == {0, 1, 2}
    radius = np.hypot(*(mesh.points[mesh.point_data["boundary"] == 2, :2] - [0.5, 0.0]).T)
    assert radius == pytest.approx(20.0)
    # Thin airfoil theory, 2 pi per radian, less some thickness and viscous effect.
    assert mesh.field_data["Cl"][0] == pytest.approx(2 * np.pi * np.radians(2.0), rel=0.1)
    assert 0.006 < mesh.field_data["Cd"][0] < 0.02
    assert abs(mesh.field_data["Cm"][0]) < 0.02
