"""Optimal transport against known iteration counts and spreads, and against an exact map."""

import numpy as np
import pytest

from meshop.errors import ConditionError, MeshError
from meshop.mesh import Mesh
from meshop.movers import (
    Monitor,
    function_of,
    gradient_monitor,
    hessian_monitor,
    monge_ampere,
    move,
    ring_monitor,
)
from meshop.movers._monge_ampere import _slope_of
from meshop.movers._transport import Transport

from ..meshes import box, ring
from .test_move import CUBE, square

METHODS = ("newton", "relaxation")


def spread(mesh: Mesh, monitor: Monitor) -> float:
    """The coefficient of variation of m |K|, m the mean of those at the corners."""
    m = monitor(mesh.points[:, : mesh.dim])[mesh.cell_nodes.reshape(mesh.n_cells, -1)].mean(axis=1)
    share = m * mesh.cell_measures()
    return float(share.std() / share.mean())


# The same scheme, written apart from this one, on 20 x 20 cells of alternating diagonals.
CHECKED = {
    (10, 200, 0.15): (97, 0.50, 0.38),
    (10, 50, 0.10): (90, 0.95, 0.37),
    (20, 100, 0.10): (143, 1.22, 0.69),
}


@pytest.mark.parametrize("ring_of", CHECKED)
def test_rings_take_as_many_iterations_and_come_as_far_as_checked(ring_of: tuple) -> None:
    mesh, monitor = square(20), ring_monitor(*ring_of)
    iterations, before, after = CHECKED[ring_of]
    moved, report = monge_ampere(mesh, monitor, method="relaxation")
    assert abs(report.iterations - iterations) <= 0.2 * iterations
    assert abs(spread(mesh, monitor) - before) < 0.02
    fast, quick = monge_ampere(mesh, monitor)
    assert quick.iterations <= 0.13 * iterations
    for one, told in ((moved, report), (fast, quick)):
        assert abs(spread(one, monitor) - after) < 0.02
        assert told.residual < 1e-3 and told.inverted == 0 and told.done == 1.0
        assert np.isclose(one.cell_measures().sum(), 1.0)


def test_both_methods_have_one_limit_and_newton_comes_where_relaxation_does_not() -> None:
    mesh, monitor = square(12), ring_monitor(5, 20, 0.1)
    one, _ = monge_ampere(mesh, monitor, tol=1e-8)
    two, _ = monge_ampere(mesh, monitor, method="relaxation", tol=1e-8)
    assert np.abs(one.points - two.points).max() < 1e-7
    mesh, monitor = square(80), ring_monitor(20, 100, 0.1)
    results = [monge_ampere(mesh, monitor, method=m, max_iterations=60) for m in METHODS]
    assert results[0].report.residual < 1e-3 < 0.5 < results[1].report.residual
    assert all(report.inverted == 0 for _, report in results)


@pytest.mark.parametrize("mesh", [square(5), box(3)], ids=["triangles", "tetrahedra"])
@pytest.mark.parametrize("sampled", [False, True])
def test_newtons_matrix_is_the_derivative_of_the_residual(mesh: Mesh, sampled: bool) -> None:
    random = np.random.default_rng(0)
    d = mesh.dim
    mesh = move(mesh, 0.03 * random.normal(size=(mesh.n_points, d))).mesh

    def monitor(x: np.ndarray) -> np.ndarray:
        return 2 + x[:, 0] - 0.5 * x[:, d - 1]  # linear: its recovered gradient is exact

    values = monitor(mesh.points[:, :d])
    value = function_of(mesh, values if sampled else monitor)
    system = Transport(mesh, value, _slope_of(mesh, values) if sampled else None)
    phi, way = 1e-3 * random.normal(size=(2, mesh.n_points))
    low, now, high = (system.at(phi + s * 1e-4 * way) for s in (-1, 0, 1))
    rest = [one.rest + one.theta for one in (low, high)]  # as if theta stayed
    slope = -system.mass * (rest[1] - rest[0]) / 2e-4
    found = system.newton(now, 0.0) @ way
    inside = np.arange(len(phi))
    if sampled:  # points outside have the nearest value, whose slope is not the recovered one
        inside = np.setdiff1d(inside, mesh.p1().boundary.points)
    assert np.allclose(found[inside], slope[inside], rtol=1e-5, atol=1e-7 * np.abs(slope).max())


def test_a_monitor_of_one_coordinate_gives_the_map_that_integrates_it() -> None:
    # m(x) dx / integral of m = d xi, of second order: int_0^x (1 + s) ds / 1.5 = xi.
    errors = []
    for n in (10, 20):
        mesh = square(n)
        moved, _ = monge_ampere(mesh, lambda x: 1 + x[:, 0], tol=1e-6)
        exact = -1 + np.sqrt(1 + 3 * mesh.points[:, 0])
        errors.append(np.abs(moved.points[:, 0] - exact).max())
        assert np.abs(moved.points[:, 1] - mesh.points[:, 1]).max() < 3e-3
    assert errors[0] < 4e-3 and errors[1] < 0.6 * errors[0]


def test_tetrahedra_gather_on_a_sphere() -> None:
    mesh, monitor = box(8), ring_monitor(4, 20, 0.1, (0.5, 0.5, 0.5))
    moved, report = monge_ampere(mesh, monitor, tol=1e-2)
    assert report.inverted == 0 and report.residual < 1e-2
    assert spread(moved, monitor) < 0.75 * spread(mesh, monitor)
    assert np.isclose(moved.cell_measures().sum(), 1.0)


def test_quads_and_mixed_cells_go_as_the_simplices_that_they_are_cut_into() -> None:
    mesh, monitor = square(16, "quad"), ring_monitor(5, 50, 0.1)
    extra = Mesh.from_blocks(
        np.vstack([mesh.points, [[7, 7, 0]]]),
        [("line", [[0, 1]]), ("quad", mesh.cell_nodes.reshape(-1, 4))],
    )  # a cell of less dimension, and a point of none
    for method in METHODS:
        one, report = monge_ampere(mesh, monitor, method=method)
        two, _ = monge_ampere(extra, monitor, method=method)
        assert report.inverted == 0 and report.residual < 1e-3 and report.min_angle > 20
        assert spread(one, monitor) < 0.2 < 0.6 < spread(mesh, monitor)
        assert np.array_equal(two.points, np.vstack([one.points, [[7, 7, 0]]]))


def test_each_iteration_is_told() -> None:
    seen: list[tuple[int, float]] = []
    monge_ampere(ring(24, 6), np.ones(168), progress=lambda *told: seen.append(told))
    assert [count for count, _ in seen] == [0] and seen[0][1] < 1e-12
    seen.clear()
    report = monge_ampere(
        square(12), ring_monitor(5, 20, 0.1), progress=lambda *told: seen.append(told)
    ).report
    assert [count for count, _ in seen] == list(range(report.iterations + 1))
    assert seen[-1][1] == report.residual < 1e-3 < seen[0][1]


def test_hexahedra_and_curved_cells_integrate_a_monitor_of_one_coordinate() -> None:
    hexes = _hexahedra(8)
    moved, report = monge_ampere(hexes, lambda x: 1 + x[:, 2], tol=1e-6)
    exact = -1 + np.sqrt(1 + 3 * hexes.points[:, 2])
    assert np.abs(moved.points[:, 2] - exact).max() < 0.015 and report.inverted == 0
    mesh = square(10)
    nodes = mesh.cell_nodes.reshape(-1, 3)
    sides = np.sort(np.stack([nodes, np.roll(nodes, -1, axis=1)], -1).reshape(-1, 2), axis=1)
    sides, which = np.unique(sides, axis=0, return_inverse=True)
    curved = Mesh.from_blocks(
        np.vstack([mesh.points, mesh.points[sides].mean(axis=1)]),
        [("quadratic_triangle", np.hstack([nodes, mesh.n_points + which.reshape(-1, 3)]))],
    )
    one, two = (monge_ampere(m, lambda x: 1 + x[:, 0])[0].points for m in (mesh, curved))
    assert np.allclose(two, np.vstack([one, one[sides].mean(axis=1)]), atol=1e-12)


def _hexahedra(n: int) -> Mesh:
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    number = np.arange(len(points)).reshape(n + 1, n + 1, n + 1)
    stride = CUBE @ [(n + 1) ** 2, n + 1, 1]
    return Mesh.from_blocks(points, [("hexahedron", number[:-1, :-1, :-1].reshape(-1, 1) + stride)])


def test_a_monitor_of_values_does_as_the_function_that_it_samples() -> None:
    mesh = square(16)
    function = ring_monitor(3, 10, 0.1)
    one, _ = monge_ampere(mesh, function)
    two, report = monge_ampere(mesh, function(mesh.points[:, :2]))
    assert np.abs(one.points - two.points).max() < 6e-3 and report.residual < 1e-3


def test_a_constant_monitor_moves_nothing_and_a_hopeless_one_is_limited() -> None:
    mesh = square(8)
    moved, report = monge_ampere(mesh, lambda x: np.full(len(x), 3.0))
    assert np.abs(moved.points - mesh.points).max() < 1e-12 and report.residual < 1e-12
    wild = ring_monitor(1e3, 50, 0.1)
    moved, report = monge_ampere(mesh, wild, max_iterations=60)
    assert report.inverted == 0 and report.residual > 1e-3
    assert not len(moved.validate().inverted)


def test_monitors() -> None:
    mesh = square(20)
    x, y = mesh.points[:, :2].T
    steep = np.tanh(20 * (x - 0.5))
    slope = gradient_monitor(mesh, steep, alpha=7.0)
    assert np.isclose(slope.max(), 8.0) and slope.min() >= 1 and abs(x[slope.argmax()] - 0.5) < 0.06
    bend = hessian_monitor(mesh, x**2 + 3 * y, beta=2.0)  # a constant Hessian
    assert np.allclose(bend, 3.0)
    assert np.array_equal(hessian_monitor(mesh, x - y), np.ones(len(x)))
    smooth = gradient_monitor(mesh, steep, alpha=7.0, smoothing=0.01)
    mass = mesh.p1().lumped
    assert np.isclose(mass @ smooth, mass @ slope) and smooth.max() < 0.7 * slope.max()
    assert np.array_equal(gradient_monitor(mesh, np.ones(len(x))), np.ones(len(x)))
    band = ring_monitor(10, 200, 0.1)(np.array([[0.5 + np.sqrt(0.1), 0.5], [0.5, 0.5], [50, 50]]))
    assert np.allclose(band, [11, 1, 1])


def test_what_is_refused() -> None:
    mesh = square(4)
    with pytest.raises(MeshError, match="above zero"):
        monge_ampere(mesh, lambda x: x[:, 0])
    with pytest.raises(MeshError, match="monitor of shape"):
        monge_ampere(mesh, np.ones(3))
    with pytest.raises(MeshError, match="neither plane nor solid"):
        monge_ampere(box(2).surface(), np.ones(26))
    with pytest.raises(ConditionError, match="newton or relaxation"):
        monge_ampere(mesh, np.ones(25), method="magic")
    with pytest.raises(ConditionError, match="rate"):
        monge_ampere(mesh, np.ones(25), rate=0.0)
    with pytest.raises(ConditionError, match="below zero"):
        gradient_monitor(mesh, np.ones(25), alpha=-1.0)
