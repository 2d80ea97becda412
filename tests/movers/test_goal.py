"""Monitors for one output: weights that are known, an output that gets better, and real flow."""

from pathlib import Path

import numpy as np
import pytest

import meshop
from meshop.errors import ConditionError, MeshError
from meshop.mesh import Mesh, with_dirichlet
from meshop.movers import (
    combined,
    euler_fluxes,
    goal_monitor,
    goal_weight,
    hessian_monitor,
    monge_ampere,
    move,
    ring_monitor,
)
from meshop.movers._monitor import scaled
from meshop.solvers import solve

from ..meshes import box
from .test_move import square

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "su2_rae2822_adjoint"


@pytest.mark.parametrize("mesh", [square(8), box(4)], ids=["2", "3"])
def test_weights_of_quadratic_fields_are_exact(mesh: Mesh) -> None:
    random = np.random.default_rng(0)
    d = mesh.dim
    mesh = move(mesh, 0.02 * random.normal(size=(mesh.n_points, d))).mesh
    x = mesh.points[:, :d]
    adjoint = np.stack([x[:, 0] ** 2, 3 * x[:, 1]], 1)  # gradients (2 x, 0) and (0, 3)
    fluxes = np.zeros((len(x), 2, d))
    fluxes[:, 0, 0] = 2 * x[:, 0] * x[:, 1]  # |H| = sqrt 8
    fluxes[:, 1, 1] = x[:, 0] ** 2  # 2
    fluxes[:, 1, 0] = 100 * x[:, 1] ** 2  # across the gradient of its adjoint
    assert np.allclose(goal_weight(mesh, adjoint, fluxes), 2 * np.sqrt(8) * x[:, 0] + 6)
    diffused = np.stack([x[:, 0] * x[:, 1], x[:, 0] ** 2], 1)
    both = goal_weight(mesh, adjoint, fluxes, diffused)
    assert np.allclose(both, 2 * np.sqrt(8) * x[:, 0] + 6 + 2 * np.sqrt(2))  # |H| of 3 y is none
    one = goal_weight(mesh, adjoint[:, 0], fluxes[:, 0])
    monitor = goal_monitor(mesh, adjoint[:, 0], fluxes[:, 0], beta=4.0)
    assert np.allclose(monitor, 1 + 4 * (one / one.max()) ** (d / (d + 2)), atol=1e-6)
    clipped = goal_monitor(mesh, adjoint[:, 0], fluxes[:, 0], beta=4.0, most=0.5)
    assert (clipped == 5.0).mean() >= 0.5 and clipped.max() == 5.0


def bump(x: np.ndarray, centre: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian, and its Laplacian."""
    far = ((x[:, :2] - centre) ** 2).sum(axis=1) / width**2
    return np.exp(-far), 4 * (far - 1) / width**2 * np.exp(-far)


def test_an_output_is_more_accurate_by_its_own_monitor_and_not_by_the_solutions() -> None:
    # - Laplacian u = f; a sharp bump far from the output's, which is a mean over a small spot.
    def u(x: np.ndarray) -> np.ndarray:
        return bump(x, 0.7, 0.05)[0] + 0.3 * bump(x, 0.25, 0.15)[0]

    def f(x: np.ndarray) -> np.ndarray:
        return -bump(x, 0.7, 0.05)[1] - 0.3 * bump(x, 0.25, 0.15)[1]

    def spot(x: np.ndarray) -> np.ndarray:
        return bump(x, 0.25, 0.08)[0]

    a, b = 1 / 0.15**2, 1 / 0.08**2  # two Gaussians of one centre, over the plane
    exact = 0.3 * np.pi / (a + b)
    near = bump(np.full((1, 2), 0.25), 0.7, 0.05)[0]
    assert near < 1e-30  # the other adds nothing there

    def solved(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, float]:
        p1 = mesh.p1()
        wall = p1.boundary.points
        state = solve(*with_dirichlet(p1.stiffness(), p1.load(f), wall, u(mesh.points[wall])))
        adjoint = solve(*with_dirichlet(p1.stiffness(), p1.load(spot), wall, np.zeros(len(wall))))
        return state, adjoint, abs(p1.load(spot) @ state - exact)

    mesh = square(40)
    state, adjoint, error = solved(mesh)
    grain = 1 / 40**2
    general = hessian_monitor(mesh, state, beta=20, smoothing=grain)
    own = goal_monitor(mesh, adjoint, diffused=state, beta=20, smoothing=grain, most=0.99)
    assert solved(monge_ampere(mesh, general).mesh)[2] > 0.9 * error
    assert solved(monge_ampere(mesh, own).mesh)[2] < 0.35 * error


def test_euler_fluxes_of_a_known_state() -> None:
    for d in (2, 3):
        speed = np.array([3.0, -2.0, 0.5])[:d]
        energy = 7.0 / 0.4 + 0.5 * 2.0 * speed @ speed
        flux = euler_fluxes(np.concatenate([[2.0], 2 * speed, [energy]])[None])[0]
        assert np.allclose(flux[0], 2 * speed)
        assert np.allclose(flux[1:-1], 2 * np.outer(speed, speed) + 7 * np.eye(d))
        assert np.allclose(flux[-1], (energy + 7) * speed)
    with pytest.raises(MeshError, match="densities"):
        euler_fluxes(np.zeros((1, 4)))


def test_several_monitors_in_one() -> None:
    one, two = ring_monitor(4, 20, 0.1), ring_monitor(2, 20, 0.1, (0.2, 0.2))
    x = np.random.default_rng(0).random((50, 2))
    largest, total = combined(one, two), combined(one, two, how="sum")
    assert np.array_equal(largest(x), np.maximum(one(x), two(x)))
    assert np.allclose(total(x), one(x) + two(x) - 1)
    assert np.array_equal(combined(one(x), two(x)), largest(x))
    with pytest.raises(ConditionError, match="all values or all functions"):
        combined(one, two(x))
    with pytest.raises(ConditionError, match="max or sum"):
        combined(one, how="mean")
    with pytest.raises(MeshError, match="one shape"):
        combined(np.ones(3), np.ones(4))


def test_smoothing_keeps_the_integral_and_damps_waves_as_it_should() -> None:
    mesh = square(40)
    wave = np.cos(2 * np.pi * mesh.points[:, 0])
    smooth = scaled(mesh, 1 + wave, 2.0, 0.01, 1.0)  # from 2 + wave
    assert np.abs(smooth - 2 - wave / (1 + 0.01 * 4 * np.pi**2)).max() < 2e-3
    assert abs(mesh.p1().lumped @ (smooth - 2 - wave)) < 1e-10


def test_what_is_refused() -> None:
    mesh = square(4)
    with pytest.raises(ConditionError, match="or both"):
        goal_weight(mesh, np.ones(25))
    with pytest.raises(MeshError, match="fluxes of shape"):
        goal_weight(mesh, np.ones(25), np.ones((25, 2, 2)))
    with pytest.raises(MeshError, match="diffused of 2"):
        goal_weight(mesh, np.ones(25), diffused=np.ones((25, 2)))
    with pytest.raises(MeshError, match="adjoint"):
        goal_weight(mesh, np.full(25, np.nan), diffused=np.ones(25))
    with pytest.raises(ConditionError, match="quantile"):
        goal_monitor(mesh, np.ones(25), diffused=np.ones(25), most=0.0)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data")
def test_drag_of_a_wing_needs_nothing_downstream() -> None:
    mesh = meshop.read(FOLDER / "mesh_RAE2822_turb.su2")
    flow, adjoint = (
        meshop.read(FOLDER / f"solution_{name}.dat").point_data for name in ("flow", "adj_cd")
    )
    names = ("Density", "X-Momentum", "Y-Momentum", "Energy")
    fluxes = euler_fluxes(np.stack([flow[name] for name in names], 1))
    dual = np.stack([adjoint[f"Adjoint_{name}"] for name in names], 1)
    mass, x = mesh.p1().lumped, mesh.points[:, 0]
    weight = mass * goal_weight(mesh, dual, fluxes)
    bend = mass * (mesh.p1().hessian(flow["Mach"]) ** 2).sum(axis=(1, 2)) ** 0.5
    behind = x > 1.1
    share = weight[behind].sum() / weight.sum(), bend[behind].sum() / bend.sum()
    assert share[0] < 1e-5 < 1e-4 < share[1]
    monitor = goal_monitor(mesh, dual, fluxes, most=0.9)
    assert monitor.min() >= 1 and monitor.max() == 6 and np.isfinite(monitor).all()
    moved, report = monge_ampere(mesh, monitor, tol=1e-8, max_iterations=5)
    assert report.inverted == 0 and np.isfinite(moved.points).all()
    assert np.abs(moved.points - mesh.points).max() > 1e-5
