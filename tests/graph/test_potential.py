import numpy as np
import pytest

from meshop.errors import MeshError
from meshop.graph import PotentialFlow, wall_loops
from tests.meshes import airfoil


def circle(n: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(angle), np.sin(angle)])


def errors_on_cylinder(n: int) -> tuple[float, float]:
    """Velocity and stream function about a cylinder against w = 1 - 1/z^2, F = z + 1/z."""
    flow = PotentialFlow([circle(n)])
    query = np.concatenate([1.3 * circle(37), 4.0 * circle(11)])
    velocity, psi = flow.evaluate(query)
    z = query[:, 0] + 1j * query[:, 1]
    w = 1 - 1 / z**2
    exact = np.stack([w.real, -w.imag], axis=1)
    return (
        float(np.abs(velocity[:, 0].numpy() - exact).max()),
        float(np.abs(psi[:, 0].numpy() - (z + 1 / z).imag).max()),
    )


def test_cylinder_converges_at_second_order():
    coarse, fine = errors_on_cylinder(60), errors_on_cylinder(120)
    assert fine[0] < 1e-3 and fine[1] < 1e-3
    for a, b in zip(coarse, fine, strict=True):
        assert np.log2(a / b) > 1.7


def test_smooth_body_has_no_circulation_but_the_asked_one():
    flow = PotentialFlow([circle(80)])
    assert flow.kutta == [False]
    np.testing.assert_allclose(flow.circulation().numpy(), [0, 0, 1], atol=1e-9)
    query = 3.0 * circle(16)
    velocity, _ = flow.evaluate(query)
    speed = velocity[:, 2].norm(dim=1).numpy()
    np.testing.assert_allclose(speed, 1 / (2 * np.pi * 3.0), rtol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 5.0])
def test_lift_of_an_airfoil_converges_at_second_order(angle: float):
    thickness, camber = 0.1, 0.05
    radius = abs(1 + thickness - 1j * camber)
    alpha = np.radians(angle)
    exact = -np.pi * radius * np.sin(alpha + np.arcsin(camber / radius))
    misses = []
    for n in (50, 100, 200):
        flow = PotentialFlow([airfoil(n, thickness, camber)])
        assert flow.kutta == [True]
        gamma = flow.circulation().numpy() @ [np.cos(alpha), np.sin(alpha), 0]
        misses.append(abs(gamma / exact - 1))
    assert misses[2] < 3e-4
    assert np.log2(misses[0] / misses[1]) > 1.7 and np.log2(misses[1] / misses[2]) > 1.7


def test_wall_is_a_streamline_and_pressure_force_is_the_lift():
    contour = airfoil(300)
    flow = PotentialFlow([contour])
    mix = np.array([np.cos(0.1), np.sin(0.1), 0])
    after = np.roll(contour, -1, axis=0)
    middle = 0.5 * (contour + after)
    assert np.ptp((flow.evaluate(middle)[1].numpy() @ mix)[2:-2]) < 2e-3
    # Sheet strength is the wall's tangential speed: integrate p = -strength^2 / 2 over the body.
    strength = flow.strength.numpy() @ mix
    speed = 0.5 * (strength[:-1] + strength[1:])
    normal = np.stack([(after - contour)[:, 1], -(after - contour)[:, 0]], axis=1)
    force = (0.5 * speed**2)[:, None] * normal
    lift = force.sum(0) @ [-np.sin(0.1), np.cos(0.1)]
    assert lift == pytest.approx(-(flow.circulation().numpy() @ mix), rel=0.01)


def test_two_bodies_keep_their_own_circulation():
    far = airfoil(120) + np.array([8.0, 3.0])
    flow = PotentialFlow([airfoil(120), far])
    alone = PotentialFlow([airfoil(120)]).circulation().numpy()
    np.testing.assert_allclose(flow.circulation().numpy()[:2], 2 * alone[:2], rtol=0.1)


def test_loops_are_found_oriented_and_start_at_the_sharpest_corner():
    contour = airfoil(50)
    random = np.random.default_rng(0)
    edges = np.column_stack([np.arange(50), np.roll(np.arange(50), -1)])
    edges[::2] = edges[::2, ::-1]  # winding in files is not to be trusted
    (loop,) = wall_loops(contour, random.permutation(edges))
    np.testing.assert_array_equal(loop, np.arange(50))


def test_open_wall_is_refused():
    edges = np.column_stack([np.arange(9), np.arange(1, 10)])
    with pytest.raises(MeshError, match="not a closed curve"):
        wall_loops(np.random.default_rng(0).random((10, 2)), edges)


def test_the_order_of_bodies_does_not_depend_on_the_file():
    small = 0.4 * airfoil(30) + np.array([2.0, 0.0])
    points = np.concatenate([small, airfoil(60)])
    first = np.column_stack([np.arange(30), np.roll(np.arange(30), -1)])
    second = 30 + np.column_stack([np.arange(60), np.roll(np.arange(60), -1)])
    a = wall_loops(points, np.concatenate([first, second]))
    b = wall_loops(points, np.concatenate([second, first])[::-1])
    assert [len(loop) for loop in a] == [60, 30]
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
