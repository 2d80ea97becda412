"""examples/swirl: the flow, what the scheme keeps, its rate, and what moving the mesh is worth."""

import importlib.util
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "examples" / "swirl" / "swirl.py"


@pytest.fixture(scope="module")
def swirl() -> ModuleType:
    spec = importlib.util.spec_from_file_location("swirl_swirl", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def bent(swirl, n, size):
    """A square mesh whose inner points are moved, smoothly."""
    mesh = swirl.square(n)
    x = np.pi * mesh.points[:, :2]
    mesh.points[:, :2] += size * np.sin(x[:, :1]) * np.sin(x[:, 1:]) * [[1, -0.5]]
    return mesh


def test_the_exact_solution_obeys_the_equation(swirl):
    random, h, t = np.random.default_rng(0), 1e-4, 0.2
    x = random.uniform(0.1, 0.9, (200, 2))

    def u(x, t):
        return swirl.exact(x, t, 0.1)

    rate = (u(x, t + h) - u(x, t - h)) / (2 * h)
    slope = np.stack([(u(x + h * e, t) - u(x - h * e, t)) / (2 * h) for e in np.eye(2)], 1)
    rest = rate + (swirl.swirl(x) * slope).sum(1)
    assert np.abs(rest).max() < 1e-4 * np.abs(rate).max()
    assert np.allclose(u(x, 0.8), u(x, 0.2))


def test_steps_that_miss_a_time_of_the_table_are_refused(swirl, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["swirl.py", "--step", "0.1"])
    with pytest.raises(SystemExit):
        swirl.main()
    assert "--step 0.1: expected a whole number" in capsys.readouterr().err


def test_the_scheme_keeps_integrals_and_where_the_mesh_alone_moves_constants(swirl):
    old, new = bent(swirl, 10, 0.02), bent(swirl, 10, -0.03)
    still = swirl.transported(old, new, np.full(121, 3.0), lambda x: 0 * x, 0.1)
    assert np.allclose(still, 3.0, atol=1e-12)
    u = np.random.default_rng(0).normal(size=121)
    after = swirl.transported(old, new, u, swirl.swirl, 0.02)
    assert np.isclose(new.p1().lumped @ after, old.p1().lumped @ u, atol=1e-13)
    assert np.abs(after - u).max() > 0.01


def test_errors_fall_at_second_order_on_meshes_that_move(swirl):
    errors = []
    for n in (16, 32):
        u, steps = swirl.exact(bent(swirl, n, 0.0).points, 0.0, 0.1), n // 2
        meshes = [bent(swirl, n, 0.1 * np.sin(3 * k / steps)) for k in range(steps + 1)]
        for old, new in pairwise(meshes):
            u = swirl.transported(old, new, u, swirl.swirl, 0.1 / steps)
        errors.append(swirl.error(swirl.State(0.1, meshes[-1], u, 0, 0, 0), 0.1, 150))
    assert np.log2(errors[0] / errors[1]) > 1.7


@pytest.mark.parametrize(
    ("method", "carry", "half", "last"),
    [
        ("uniform", False, 0.2749, 0.2799),
        ("um2n", False, 0.2371, 0.2490),
        ("um2n", True, 0.3125, 0.3354),
    ],
)
def test_a_mesh_that_moves_along_errs_less_unless_it_is_interpolated(
    swirl, method, carry, half, last
):
    states = list(swirl.run(16, method, 0.1, 0.025, "both", carry))
    assert all(state.inverted == 0 for state in states) and len(states) == 41
    assert swirl.error(states[20], 0.1, 150) == pytest.approx(half, rel=0.02)
    assert swirl.error(states[40], 0.1, 150) == pytest.approx(last, rel=0.02)
    change = states[40].mesh.p1().lumped @ states[40].u / (states[0].mesh.p1().lumped @ states[0].u)
    assert (abs(change - 1) < 1e-12) == (not carry)
