"""Adaptation: what it is good for, measured; monitors by name; what is refused."""

from pathlib import Path

import numpy as np
import pytest

import meshop
from meshop.errors import ConditionError, MeshError
from meshop.mesh import Mesh
from meshop.movers import (
    METHODS,
    adapt,
    error_monitor,
    function_of,
    hessian_monitor,
    is_convex,
    named_monitor,
    ring_monitor,
    smoothed,
)

from ..meshes import box, ring
from .test_move import square

DATA = Path(__file__).parents[3] / "shared" / "data" / "mover_meshes"
ANISOTROPIC = (
    "um2n/meshes/cylinder_015.msh",
    "um2n/history/meshes/plate_015.msh",
    "um2n/history/meshes/airfoil.msh",
    "um2n/history/temp.msh",
    "movement/history/demos/l.msh",
    "movement/history/demos/l_convex.msh",
    "ugawg/cube-cylinder/cube-cylinder.ugrid",
    "ugawg/cube/cube-linear-00.meshb",
    "ugawg/cone-cone/cone-cone.meshb",
)


def front(mesh: Mesh, width: float = 0.1) -> np.ndarray:
    """A steep front on a ring or sphere around the middle."""
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    far = np.linalg.norm(mesh.points - (low + high) / 2, axis=1)
    return np.tanh((far - 0.25 * (high - low)[:2].min()) / (width * (high - low)[:2].min()))


MESHES = {
    "triangles": lambda: square(24),
    "quads": lambda: square(20, "quad"),
    "tetrahedra": lambda: box(8),
}


def bump(mesh: Mesh, width: float) -> np.ndarray:
    x, low, high = mesh.points, mesh.points.min(axis=0), mesh.points.max(axis=0)
    return np.exp(-((x - (low + high) / 2) ** 2).sum(axis=1) / (2 * width**2))


# How even cells come to be, and what is left of the error: measured, and a little room.
EVENER = {
    "triangles": {"ma": (0.1, 0.6), "spring": (0.15, 0.6), "elastic": (0.4, 0.65),
                  "laplacian": (0.15, 0.6)},
    "quads": {"ma": (0.05, 0.6), "spring": (0.2, 0.6), "elastic": (0.4, 0.7),
              "laplacian": (0.7, 0.7)},
    "tetrahedra": {"ma": (0.2, 1.05), "spring": (0.35, 1.0), "elastic": (0.5, 1.0)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "method"), [(n, m) for n in EVENER for m in EVENER[n]])
def test_cells_even_out_and_the_error_falls(name: str, method: str) -> None:
    mesh, width = MESHES[name](), 0.15 if name == "tetrahedra" else 0.1
    u = bump(mesh, width)
    mesh.point_data["u"] = u
    mesh.cell_data["c"] = np.random.default_rng(0).uniform(1, 2, mesh.n_cells)
    monitor = smoothed(mesh, error_monitor(mesh, u))
    moved, report = adapt(mesh, monitor, method=method, field=u, conservative=True)
    before, after = report.before, report.after
    assert report.method == method and after.inverted == report.move.inverted == 0
    assert np.array_equal(moved.validate().inverted, mesh.validate().inverted)
    assert np.array_equal(moved.cell_nodes, mesh.cell_nodes)
    evener, less = EVENER[name][method]
    assert after.stretch < evener * before.stretch and after.spread < evener * before.spread
    assert after.error < less * before.error
    size = [mesh.cell_measures(), moved.cell_measures()]
    assert np.isclose(size[0].sum(), size[1].sum(), rtol=1e-12)
    total = [s @ one.cell_data["c"] for s, one in zip(size, (mesh, moved), strict=True)]
    assert np.isclose(*total, rtol=1e-13)
    assert np.abs(moved.point_data["u"] - bump(moved, width)).max() < 0.15


@pytest.mark.parametrize(("method", "part"), [("um2n", 0.7), ("dmm", 0.8)])
def test_the_learned_movers_lower_the_error_of_any_plane_cells(method: str, part: float) -> None:
    quads = square(16, "quad")
    extra = Mesh.from_blocks(
        np.vstack([quads.points, [[7, 7, 0]]]), [("quad", quads.cell_nodes.reshape(-1, 4))]
    )  # a point of no cell
    moved = []
    for mesh in (quads, extra):
        u = bump(quads, 0.1)
        monitor = hessian_monitor(quads, u)
        rest = mesh.n_points - len(u)
        u, monitor = np.append(u, np.zeros(rest)), np.append(monitor, np.ones(rest))
        one, report = adapt(mesh, monitor, method=method, field=u)
        assert report.method == method and report.after.inverted == 0 < report.move.iterations
        assert report.after.error < part * report.before.error
        moved.append(one.points)
    assert np.allclose(moved[1][:-1], moved[0], atol=1e-9) and (moved[1][-1] == [7, 7, 0]).all()


def test_the_estimated_error_is_that_of_interpolation() -> None:
    # Of a quadratic, to the last digits, before and after: its Hessian is recovered exactly.
    mesh = square(12)

    def u(x: np.ndarray) -> np.ndarray:
        return x[:, 0] ** 2 + 0.5 * x[:, 0] * x[:, 1] - 2 * x[:, 1] ** 2

    moved, report = adapt(mesh, ring_monitor(5, 30, 0.1), method="elastic", field=u(mesh.points))
    for state, one in ((report.before, mesh), (report.after, moved)):
        nodes, measure = one.p1().simplices.nodes, one.p1().simplices.measure
        a, b, c = (one.points[column] for column in nodes.T)
        square_sum = np.zeros(len(nodes))
        # A rule of degree four: Strang and Fix (1973), six points.
        for at, weight in ((0.445948490915965, 0.223381589678011),
                           (0.091576213509771, 0.109951743655322)):  # fmt: skip
            for k in range(3):
                w = np.full(3, at)
                w[k] = 1 - 2 * at
                x = w[0] * a + w[1] * b + w[2] * c
                flat = w @ np.stack([u(a), u(b), u(c)])
                square_sum += weight * (u(x) - flat) ** 2
        assert np.isclose(state.error, np.sqrt(measure @ square_sum), rtol=1e-8)


def test_a_monitor_of_one_coordinate_is_integrated_by_all_that_have_one() -> None:
    # m dx / integral of m = d xi in one dimension: x = -1 + sqrt(1 + 3 xi) of m = 1 + x. Springs
    # and shrinking cells are not of one dimension: across, their sides hold the corners.
    mesh = square(16)
    exact = -1 + np.sqrt(1 + 3 * mesh.points[:, 0])
    for method, near in (("ma", 3e-3), ("spring", 1e-3), ("laplacian", 1e-3), ("elastic", 3e-2)):
        moved, _ = adapt(mesh, lambda x: 1 + x[:, 0], method=method)
        assert np.abs(moved.points[:, 0] - exact).max() < near, method


def test_the_method_that_nobody_chose() -> None:
    assert is_convex(square(3)) and is_convex(box(2)) and not is_convex(ring(16, 4))
    assert not is_convex(box(3, hole=True))
    mesh = ring(32, 10, radius=4.0)
    monitor = ring_monitor(3, 0.5, 4.0, (0.5, 0.0))
    moved, report = adapt(mesh, monitor)
    assert report.method == "elastic" and report.after.stretch < 0.7 * report.before.stretch
    edge = mesh.p1().boundary.points
    assert np.array_equal(moved.points[edge], mesh.points[edge])  # all of it is curved
    assert adapt(square(6), ring_monitor(2, 10, 0.1)).report.method == "ma"


def test_a_convex_domain_whose_cells_differ_much_is_left_to_the_elastic_body() -> None:
    mesh = square(16)
    mesh.points[:, 0] **= 14  # the monitor's band is a millionth of the area, and a third of cells
    monitor = 1 + 5 * (mesh.points[:, 0] < 1e-5)
    report = adapt(mesh, monitor).report
    assert report.method == "elastic" and report.after.inverted == 0
    assert report.after.stretch < 0.8 * report.before.stretch


def test_smoothing_without_a_monitor() -> None:
    mesh = square(10)
    rough = mesh.copy()
    rough.points = mesh.points.copy()
    inner = np.setdiff1d(np.arange(mesh.n_points), mesh.p1().boundary.points)
    rough.points[inner, :2] += np.random.default_rng(0).uniform(-0.03, 0.03, (len(inner), 2))
    smooth, report = adapt(rough, None, method="laplacian")
    assert report.after.min_angle > 1.3 * report.before.min_angle
    assert np.isnan(report.after.stretch) and np.isnan(report.after.error)
    assert np.abs(smooth.points - mesh.points).max() < 1e-5  # each at the mean of its neighbours


def test_a_constant_monitor_moves_nothing() -> None:
    for mesh in (square(8), square(7, "quad"), ring(24, 8, radius=4.0)):
        for method in ("ma", "elastic", "spring"):
            moved, report = adapt(mesh, lambda x: np.full(len(x), 2.0), method=method)
            assert np.abs(moved.points - mesh.points).max() < 1e-9
            assert report.after.stretch < 1e-9


@pytest.mark.parametrize("file", ANISOTROPIC)
def test_no_cell_is_inverted_on_meshes_of_others(file: str) -> None:
    if not (DATA / file).exists():
        pytest.skip("the shared data are not here")
    mesh = meshop.read(DATA / file)
    u = front(mesh, 0.05)
    monitor = error_monitor(mesh, u, gain=3.0)
    evener = 0
    for method in ("elastic", "spring") if mesh.n_points > 4000 else METHODS:
        moved, report = adapt(mesh, monitor, method=method, field=u, max_iterations=60)
        assert report.after.inverted == 0 and np.isfinite(moved.points).all()
        assert np.array_equal(moved.validate().inverted, mesh.validate().inverted)
        evener += report.after.stretch < report.before.stretch
    assert evener >= 1


def test_what_is_refused() -> None:
    mesh = square(4)
    for method in ("ma", "elastic", "spring"):
        with pytest.raises(ConditionError, match="without a monitor") as told:
            adapt(mesh, None, method=method)
        assert len(str(told.value).splitlines()) == 3
    with pytest.raises(ConditionError, match="'best'"):
        adapt(mesh, np.ones(25), method="best")
    with pytest.raises(MeshError, match="above zero"):
        adapt(mesh, -np.ones(25), method="spring")
    with pytest.raises(MeshError, match="monitor of shape"):
        adapt(mesh, np.ones(24))
    with pytest.raises(ConditionError, match="max_iterations"):
        adapt(mesh, np.ones(25), max_iterations=0)
    folded = mesh.copy()
    folded.points = mesh.points.copy()
    folded.points[6] = 2.0, 2.0, 0.0
    before = folded.points.copy()
    with pytest.raises(MeshError, match="inverted, flat or not convex"):
        adapt(folded, ring_monitor(2, 10, 0.1), method="spring")
    assert np.array_equal(folded.points, before)


# -- monitors by name ------------------------------------------------------------------------------


def test_monitors_by_name() -> None:
    mesh = square(16)
    x = mesh.points
    mesh.point_data["u"] = front(mesh)
    mesh.cell_data["v"] = np.column_stack([mesh.cell_centers()[:, 0] ** 2, np.zeros(mesh.n_cells)])
    mesh.point_data["m"] = 1 + x[:, 0]
    for text, most in (("grad:u", 11.0), ("hessian:u", 6.0)):
        found = named_monitor(mesh, text, smooth=0)
        assert np.isclose(found.value.max(), most) and found.value.min() >= 1 and found.name == "u"
        assert named_monitor(mesh, text, strength=3.0).value.max() < 4
    where = named_monitor(mesh, "grad:v", smooth=0).value  # slope 2x, but for the outermost cells
    inner = (x[:, 0] > 0.1) & (x[:, 0] < 0.9)
    slope = (where[inner] - 1) / x[inner, 0] ** 2
    assert np.abs(slope / np.median(slope) - 1).max() < 0.05
    ball = named_monitor(mesh, "ring:0.3,0.1@0.4,0.6").value
    at = np.array([[0.7, 0.6], [0.8, 0.6], [0.4, 0.6]])
    assert callable(ball) and np.allclose(ball(at)[:2], [11, 1 + 10 / np.cosh(1) ** 2])
    assert ball(at)[2] < 4 and named_monitor(mesh, "ring:0").value(at).max() < 11
    assert np.array_equal(named_monitor(mesh, "array:m", smooth=0).value, mesh.point_data["m"])
    error = named_monitor(mesh, "error:u", smooth=0).value
    assert error.min() >= 1 and np.isclose(error.mean(), 2, atol=0.2)
    same = function_of(mesh, mesh.point_data["m"])
    assert np.allclose(same(x[:, :2]), mesh.point_data["m"], atol=1e-14)


def test_what_is_smoothed_stays_within_its_range_and_spreads_by_cells() -> None:
    mesh = ring(48, 16)  # cells grow by a thousand from the wall outwards
    assert np.allclose(smoothed(mesh, np.full(mesh.n_points, 3.0)), 3.0, rtol=1e-9)
    wide = []
    for layer in (4, 12):  # a layer of points around the wall, near and far
        step = 1.0 + (np.arange(mesh.n_points) // 48 == layer)
        found = smoothed(mesh, step, 1.0)
        mass = mesh.p1().lumped
        assert found.min() >= 1 and found.max() <= 2
        assert np.isclose(mass @ found, mass @ step, rtol=1e-6)
        rows = found.reshape(-1, 48).mean(axis=1) - 1
        wide.append(rows[layer - 2 : layer + 3] / rows[layer])
    assert np.abs(wide[0] - wide[1]).max() < 0.12 and (wide[0][1:4] > 0.1).all()


def test_an_error_monitor_knows_how_fine_the_mesh_is() -> None:
    # Of x^2 on cells that grow by 1.3: error^2 ~ h^4 |K|, so monitor mass follows (h^4 |K|)^(1/3).
    x = np.concatenate([[0], np.cumsum(1.3 ** np.arange(12))])
    x /= x[-1]
    points = np.array([[v, w] for v in x for w in np.linspace(0, 1, 9)])
    i, j = (k.ravel() for k in np.meshgrid(np.arange(12), np.arange(8), indexing="ij"))
    quads = np.stack([i * 9 + j, (i + 1) * 9 + j, (i + 1) * 9 + j + 1, i * 9 + j + 1], 1)
    mesh = Mesh.from_blocks(points, [("quad", quads)])
    found = error_monitor(mesh, points[:, 0] ** 2)[4::9] - 1
    expected = (np.diff(x) ** 5) ** (1 / 3)
    middle = (found[2:-2] / ((expected[1:-2] + expected[2:-1]) / 2))[:-1]
    assert np.abs(middle / middle.mean() - 1).max() < 0.12


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("grad", "expected error:..., grad:"), ("slope:u", "expected error:..., grad:"),
        ("grad:q", "there is no array q"), ("grad:word", "holds no numbers"),
        ("hessian:bad", "2 values are NaN or infinite, the first at cell 3"),
        ("grad:one", "one is 1 everywhere"), ("hessian:x", "the same curvature everywhere"),
        ("grad:x", "the same slope everywhere"), ("error:x", "the same curvature everywhere"),
        ("array:u", "above zero"), ("array:one", "1 everywhere"), ("array:v", "a vector"),
        ("ring:a", "RADIUS"), ("ring:1@2", "RADIUS"), ("ring:-1", "RADIUS"), ("ring:1,0", "RADIUS"),
        ("ring:nan", "RADIUS"), ("ring:1@2,nan", "RADIUS"),
    ],
)  # fmt: skip
def test_names_that_make_no_monitor(text: str, match: str) -> None:
    mesh = square(6)
    x = mesh.points
    mesh.point_data |= {"u": np.sin(9 * x[:, 0]), "x": x[:, 0], "one": np.ones(49), "v": x[:, :2]}
    mesh.cell_data["bad"] = np.where(np.isin(np.arange(72), [3, 7]), np.nan, 1.0)
    mesh.cell_data["word"] = np.full(72, "a")
    with pytest.raises(ConditionError, match=match) as told:
        named_monitor(mesh, text)
    assert len(str(told.value).splitlines()) == 3, str(told.value)


# -- one layer of cells ----------------------------------------------------------------------------


def upright(axis: int) -> Mesh:
    """A square of triangles as wedges, in the plane across an axis, with a field at cells."""
    flat = square(12)
    n = flat.n_points
    above = flat.points + np.array([0, 0, 0.1])
    points = np.vstack([flat.points, above])
    cells = flat.cell_nodes.reshape(-1, 3)
    order = [(axis + 1) % 3, (axis + 2) % 3, axis]
    turned = np.empty_like(points)
    turned[:, order] = points
    mesh = Mesh.from_blocks(turned, [("wedge", np.hstack([cells + n, cells]))])
    mesh.cell_data["p"] = np.exp(-((flat.cell_centers()[:, :2] - 0.5) ** 2).sum(axis=1) / 0.03)
    return mesh


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_both_sides_of_a_layer_move_alike(axis: int) -> None:
    mesh, n = upright(axis), 169
    monitor = named_monitor(mesh, "error:p")
    moved, report = adapt(mesh, monitor.value, field=monitor.field)
    assert report.method == "ma" and report.after.inverted == 0
    assert report.after.stretch < 0.2 * report.before.stretch
    assert report.after.error < 0.85 * report.before.error
    step = moved.points - mesh.points
    assert np.array_equal(step[:, axis], np.zeros(2 * n))
    assert np.abs(step[:n] - step[n:]).max() < 1e-15 and np.abs(step).max() > 0.02
    assert np.isclose(moved.cell_measures().sum(), 0.1) and not len(moved.validate().inverted)
    # As the plane mesh itself does, with the same monitor.
    flat = square(12)
    flat.cell_data["p"] = mesh.cell_data["p"]
    alone, _ = adapt(flat, named_monitor(flat, "error:p").value)
    plane = alone.points[:, :2] - flat.points[:, :2]
    assert np.abs(plane - step[:n][:, [(axis + 1) % 3, (axis + 2) % 3]]).max() < 1e-6
    ball = named_monitor(mesh, "ring:0.2").value
    assert callable(ball) and np.ptp(ball(mesh.points[[5, 5 + n]])) == 0
