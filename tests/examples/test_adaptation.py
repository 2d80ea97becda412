"""examples/adaptation: the solver's rate, and the error that moving the mesh leaves."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "examples" / "adaptation" / "adapt.py"


@pytest.fixture(scope="module")
def adapt() -> ModuleType:
    pytest.importorskip("skfem")
    spec = importlib.util.spec_from_file_location("adaptation_adapt", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_solver_converges_at_second_order(adapt):
    errors = []
    for n in (16, 32, 64):
        mesh = adapt.square(n)
        errors.append(adapt.error(mesh, adapt.solve(mesh, 0.1), 0.1))
    assert np.allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2, atol=0.15)


def test_the_right_hand_side_is_that_of_the_solution(adapt):
    x, h = np.random.default_rng(0).uniform(0.1, 0.9, (2, 50)), 1e-4
    u, f = adapt.exact(x, 0.1)
    around = sum(adapt.exact(x + h * np.array(s)[:, None], 0.1)[0]
                 for s in ((1, 0), (-1, 0), (0, 1), (0, -1)))  # fmt: skip
    assert np.abs(u - (around - 4 * u) / h**2 - f).max() < 1e-4 * np.abs(f).max()


@pytest.mark.parametrize(
    ("method", "last"), [(None, 0.01413), ("elastic", 0.02074), ("spring", 0.01809)]
)
def test_the_error_falls_with_the_same_points(adapt, method, last):
    found = list(adapt.passes(adapt.square(24), 0.03, 3, method))
    errors = [one.error for one in found]
    assert errors[0] == pytest.approx(0.05083, rel=0.01)
    assert errors[3] == pytest.approx(last, rel=0.05)
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert all(one.inverted == 0 and one.angle > 5 for one in found)
    assert [one.mesh.n_points for one in found] == [625] * 4
    assert found[3].carried < 0.6 * found[1].carried  # the mesh settles
    if method is None:  # a uniform mesh of four times as many points
        finer = adapt.square(48)
        assert errors[3] < 1.05 * adapt.error(finer, adapt.solve(finer, 0.03), 0.03)
