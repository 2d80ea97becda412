"""examples/cylinder_wake: the solver against known figures, the nulls, a short study."""

import importlib.util
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import meshop

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "cylinder_wake"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"wake_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(FOLDER))  # as when it is run
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    pytest.importorskip("skfem")
    pytest.importorskip("gmsh")
    return script("generate")


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return script("study")


def test_drag_and_lift_of_the_steady_benchmark(generate):
    """2D-1 of Schaefer and Turek (1996), Re 20: a drag of 5.57 to 5.59, a lift of 0.0104 to 0.0110;
    here on 400 points and in a shorter channel."""
    cylinder = generate.Cylinder(0.2, 0.2, 0.1)
    mesh = generate.channel(cylinder, generate.COARSE.scaled(1.8))
    flow = generate.Flow(mesh, cylinder, 20, 0.02)
    *_, last = islice(flow.march(kick=0.0), 30)
    assert last.force[0] == pytest.approx(5.58, rel=0.03)
    assert last.force[1] == pytest.approx(0.0107, abs=0.004)
    np.testing.assert_array_equal(last.velocity[:, flow.round], 0)
    balance = sum(d @ v for d, v in zip(flow.div, last.velocity, strict=True))
    assert abs(balance.sum()) < 1e-3  # of an inflow of 0.41


def test_a_flow_that_diverges_says_so(generate):
    cylinder = generate.Cylinder()
    flow = generate.Flow(
        generate.channel(cylinder, generate.COARSE.scaled(3.0)), cylinder, 100, 0.02
    )
    flow.inlet[:] = np.nan
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="smaller time step"):
        next(flow.march())


def test_the_frequency_of_a_sampled_wave(generate):
    t = np.arange(100) * 0.02
    assert generate.frequency(np.sin(2 * np.pi * 3.1 * t + 1) + 0.4, 0.02) == pytest.approx(
        3.1, 5e-3
    )
    assert np.isnan(generate.frequency(t, 0.02))


def test_a_wave_of_another_frequency_is_judged_by_it(study):
    places = np.stack(np.meshgrid(np.linspace(0, 1, 21), [0.1, 0.2, 0.3], indexing="ij"), -1)
    places = places.reshape(-1, 2)
    values = {"cylinder_x": 0.2, "cylinder_y": 0.2, "diameter": 0.1}
    case = SimpleNamespace(case=SimpleNamespace(conditions=values))
    t = 0.02 * np.arange(100)[:, None]

    def wave(frequency: float) -> np.ndarray:
        phase = 2 * np.pi * (frequency * t - places[:, 0])
        return np.stack([np.cos(phase), np.sin(phase), np.sin(phase)], -1)

    weight = np.ones(len(places))
    same = study.judge(case, wave(3.0), wave(3.0), places, weight)
    assert same == {"velocity": 0.0, "pressure": 0.0, "Strouhal": 0.0}
    fast = study.judge(case, wave(3.3), wave(3.0), places, weight)
    assert fast["Strouhal"] == pytest.approx(0.1, rel=0.02)
    # Two sines whose phases drift apart by 0.6 of a turn: (2 - 2 sin(d) / d)^(1/2), d = 1.2 pi.
    assert fast["pressure"] == pytest.approx(
        (2 - 2 * np.sin(1.2 * np.pi) / 1.2 / np.pi) ** 0.5, 0.02
    )
    flat = study.judge(case, np.zeros_like(wave(3.0)), wave(3.0), places, weight)
    assert flat["velocity"] == pytest.approx(1) and flat["Strouhal"] == 1.0
    assert not study.wet(case, np.array([[0.21, 0.2]]))[0] and study.wet(case, places[:1])[0]


@pytest.mark.slow
def test_a_short_study(generate, study, tmp_path: Path):
    (tmp_path / "cases").mkdir()
    for number in range(5):
        path = tmp_path / "cases" / f"case_{number:02d}.vtkhdf"
        generate.make(number, path, steps=12, coarser=2.0, developed=0.6)
    paths = sorted((tmp_path / "cases").iterdir())
    problem, cases = study.prepare(paths, tmp_path / "stored", edges=False)
    assert problem.spec.inputs == ("velocity", "pressure") and problem.spec.external
    assert problem.dt == pytest.approx(generate.DT)
    assert set(problem.spec.conditions) == {"cylinder_x", "cylinder_y", "diameter", "reynolds"}
    config = {
        "width": 24, "channels": 8, "grid": [24, 8], "modes": [6, 3], "latent": 8, "layers": 2,
        "stretch": True,
    }  # fmt: skip
    found = study.rollouts.advance(
        problem, cases[:4], tmp_path / "run", "residual", config=config, steps=160, batch=2
    )
    rolled = study.rollouts.roll(found.surrogate, cases[4], 1)
    truth = np.asarray(cases[4].states)
    for part in study.FIELDS.values():
        miss, still = (
            study.rollouts.relative(state[None, :, part], truth[1:2, :, part], cases[4].weight)
            for state in (rolled[0], truth[0])
        )
        assert miss < 0.9 * still
    study.picture(cases[4], rolled, tmp_path / "one.png", "one step")
    assert (tmp_path / "one.png").stat().st_size > 10_000
    mesh = meshop.read(paths[4], time=0.0)
    *_, (_, last) = found.surrogate.rollout(mesh, 1)
    np.testing.assert_allclose(last.point_data["pressure"], rolled[0, :, 2], atol=1e-4)
