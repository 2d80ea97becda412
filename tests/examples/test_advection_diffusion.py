"""examples/advection_diffusion: the solver against a known solution, the nulls, a short study."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import meshop

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "advection_diffusion"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"advection_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    pytest.importorskip("skfem")
    return script("generate")


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return script("study")


def test_a_bump_spreads_as_the_heat_kernel(generate):
    mesh = generate.triangles(0.06, np.random.default_rng(0))
    width, kappa = 0.1, 0.01
    u = generate.solve(mesh, np.array([[0.5, 0.5, width, 2.0]]), 0.0, 0.0, kappa, 10)
    away = ((mesh.points[:, :2] - 0.5) ** 2).sum(1)
    for step in (0, 5, 10):
        wide = width**2 + 2 * kappa * step * generate.DT
        exact = 2.0 * width**2 / wide * np.exp(-away / (2 * wide))
        np.testing.assert_allclose(u[step], exact, atol=4e-3)


def test_the_velocity_keeps_what_it_carries_in_the_square(generate):
    axis = np.linspace(0, 1, 41)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    b = generate.velocity(np.stack([x, y]), 0.7, -0.3)
    assert np.abs(b[0][[0, -1]]).max() < 1e-12 and np.abs(b[1][:, [0, -1]]).max() < 1e-12
    along, across = np.gradient(b[0], axis, axis=0), np.gradient(b[1], axis, axis=1)
    assert np.abs(along + across)[1:-1, 1:-1].max() < 0.02 * np.abs(along).max()
    mesh = generate.triangles(0.07, np.random.default_rng(1))
    u = generate.solve(mesh, np.array([[0.3, 0.6, 0.15, 1.0]]), 0.7, -0.3, 0.02, 20)
    total = u @ meshop.graph.dual_weights(mesh, "point")
    assert np.abs(total / total[0] - 1).max() < 0.01


def test_pod_finds_a_linear_law_and_one_that_hangs_on_the_conditions(study):
    random = np.random.default_rng(0)
    shapes = np.linalg.qr(random.normal(size=(60, 6)))[0].T  # six modes on sixty points

    def series(count: int, by_condition: bool):
        c = random.uniform(-1, 1, (count, 1))
        a = [random.normal(size=(count, 6))]
        for _ in range(12):
            turn = 0.1 * (c if by_condition else 0.5)
            now = a[-1]
            ahead = 0.97 * now
            ahead[:, 0::2] += turn * now[:, 1::2]
            ahead[:, 1::2] -= turn * now[:, 0::2]
            a.append(ahead)
        return np.stack(a, 1) @ shapes, c

    weight = np.full(60, 1 / 60)
    for by_condition in (False, True):
        (f, c), (u, d) = series(40, by_condition), series(5, by_condition)
        found = {k: max(v) for k, v in study.pod_errors(f, c, u, d, weight).items()}
        assert found["linear by condition"] < 1e-3
        assert (found["linear"] < 1e-3) == (not by_condition)


def test_a_short_study(generate, study, tmp_path: Path):
    (tmp_path / "cases").mkdir()
    for number in range(26):
        path = tmp_path / "cases" / f"case_{number:02d}.vtkhdf"
        generate.make(number, path, steps=8, h=0.12)
    paths = sorted((tmp_path / "cases").iterdir())
    problem, cases = study.prepare(paths, tmp_path / "stored")
    assert problem.spec.inputs == ("u", "velocity") and problem.dt == pytest.approx(generate.DT)
    config = {"width": 32, "channels": 12, "grid": 12, "latent": 8, "layers": 2, "modes": 4}
    found = study.advance(
        problem, cases[:24], tmp_path / "run", "derivative", config=config, steps=250
    )
    errors = [study.rollout_error(found.surrogate, case) for case in cases[24:]]
    still = [study.persistence(case) for case in cases[24:]]
    # The order of sums on other machines moves the second.
    assert np.mean(still) == pytest.approx(STILL, rel=1e-3)
    assert np.mean(errors) == pytest.approx(SHORT, rel=0.15)
    fields, weight = study.on_grid(cases)
    assert fields.shape == (26, 9, study.GRID**2) and weight.sum() == pytest.approx(1)
    mesh = meshop.read(paths[25], time=0.0)
    *_, (_, last) = found.surrogate.rollout(mesh, 8)
    truth = meshop.read(paths[25]).point_data["u"]
    first = mesh.point_data["u"]
    miss = np.linalg.norm(last.point_data["u"] - truth)
    assert miss < 0.7 * np.linalg.norm(first - truth)
    np.testing.assert_array_equal(last.point_data["velocity"], mesh.point_data["velocity"])


STILL, SHORT = 0.3146, 0.1655


@pytest.mark.slow
def test_the_study(generate, study, tmp_path: Path):
    """A quarter of the budget of the README; its bounds are the README's claims."""
    for number in range(96):
        generate.make(number, tmp_path / f"case_{number:03d}.vtkhdf")
    problem, cases = study.prepare(sorted(tmp_path.glob("*.vtkhdf")), tmp_path / "stored")
    train, test = cases[: -study.TEST], cases[-study.TEST :]
    found = study.advance(problem, train, tmp_path / "run", "derivative", minutes=0.75)
    errors = np.mean([study.rollout_error(found.surrogate, case) for case in test])
    (fields, weight), (unseen, _) = study.on_grid(train), study.on_grid(test)
    cond, asked = (np.array([c.cond.numpy() for c in part]) for part in (train, test))
    nulls = study.pod_errors(fields, cond, unseen, asked, weight)
    assert 3 * errors < min(np.mean(nulls["linear"]), np.mean(nulls["regression"]))
    assert 3 * errors < np.mean([study.persistence(case) for case in test])
