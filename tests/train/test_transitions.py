"""Learning to advance series: what a training step is given, and the whole way from the files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import meshop
from meshop.cli import app
from meshop.errors import ConditionError, MeshError
from meshop.surrogate import Schema, Stepper, Surrogate
from meshop.train import collate, find_problem, make_schema, sample, store_cases, train
from meshop.train._cases import expand
from meshop.train._transitions import Perturbation, Transitions
from tests.series import DT, start, steps, surrogate, write_series

SMALL = {"width": 16, "depth": 1, "channels": 8, "grid": 8, "modes": 3, "latent": 8, "layers": 1}
QUICK = {"model_config": SMALL, "workers": 1, "quiet": True}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_series(tmp_path_factory.mktemp("series"))


@pytest.fixture(scope="module")
def stored(cases: list[Path], tmp_path_factory: pytest.TempPathFactory):
    problem = find_problem(cases, series=True)
    assert problem.dt == pytest.approx(DT)
    assert problem.targets == {"ab": 3} and problem.spec.inputs == ("ab",)
    assert problem.constants == {"ab": [None, None, 0.0]}
    assert problem.spec.conditions == ("decay",)
    schema = make_schema(problem, problem.cases, {})
    return store_cases(problem, tmp_path_factory.mktemp("store"), 1), schema


def test_every_step_of_every_series_is_a_case(cases: list[Path], stored):
    series, schema = stored
    truth = [np.array([m.point_data["ab"] for m in meshop.read_series(p)]) for p in cases]
    for form, starts in (("state", 8), ("residual", 8), ("derivative", 9)):
        stepper = Stepper(form=form, dt=DT)
        found = Transitions(series, stepper, schema)
        assert len(found) == starts * len(cases)
        for number in (0, starts - 1, starts, len(found) - 1):
            case, (which, time) = found[number], divmod(number, starts)
            assert case.case.name == f"case_{which}"
            np.testing.assert_array_equal(case.inputs, truth[which][time])
            np.testing.assert_array_equal(case.y, stepper.target(truth[which][..., :2], time))
            share = np.diff(case.chance, prepend=0)
            gap = case.y - (share @ case.y if form == "state" else 0)
            np.testing.assert_allclose(case.energy, share @ gap**2, rtol=1e-5)
        with pytest.raises(IndexError):
            found[len(found)]
    some = Transitions(series, Stepper(form="residual", dt=DT, bundle=3), schema, past=1)
    assert len(some) == 3 * len(cases)  # times 3, 4 and 5 of 0 ... 8
    np.testing.assert_array_equal(some[1].past[:, 0], truth[0][1][:, :2])
    assert len(some.some(4)) == 4 and len(some.some(99)) == len(some)


def batch_of(stored, stepper: Stepper, past: int = 0):
    series, schema = stored
    found = Transitions(series, stepper, schema, past=past)
    return collate([sample(found[3])]), schema


def perturbed(graph, schema: Schema, stepper: Stepper, fields, **options):
    give = Perturbation(stepper, schema, **options)
    return give(graph, fields, torch.tensor([0.5, 2.0, 1.0]), step=7, done=0.5)


@pytest.mark.parametrize("form", ["state", "residual", "derivative"])
def test_noise_changes_the_state_and_not_where_it_leads(stored, form: str):
    stepper = Stepper(form=form, dt=DT, scheme="euler")
    graph, schema = batch_of(stored, stepper)
    found = perturbed(graph, schema, stepper, None, noise=0.1, seed=3)
    noise = (found.inputs - graph.inputs)[:, :2]
    # In standard deviations of each component, which are .5 and 2.
    assert noise.std(0).tolist() == pytest.approx([0.05, 0.2], rel=0.4)
    assert torch.equal(found.inputs[:, 2], graph.inputs[:, 2])
    ends = [next(stepper.march(lambda u, y=g.y: y, g.inputs[:, :2])) for g in (graph, found)]
    torch.testing.assert_close(ends[1], ends[0])
    again = perturbed(graph, schema, stepper, None, noise=0.1, seed=3)
    assert torch.equal(again.inputs, found.inputs)
    other = perturbed(graph, schema, stepper, None, noise=0.1, seed=4)
    assert not torch.equal(other.inputs, found.inputs)
    assert perturbed(graph, schema, stepper, None) is graph


@pytest.mark.parametrize("form", ["state", "residual", "derivative"])
def test_the_gradient_of_pushforward_is_that_of_the_last_step(stored, form: str):
    stepper = Stepper(form=form, dt=DT, scheme="heun")
    graph, schema = batch_of(stored, stepper, past=1)
    weight = torch.tensor([[0.9, 0.3], [-0.2, 1.1]], requires_grad=True)

    def fields(given) -> torch.Tensor:
        return given.inputs[:, :2] @ weight

    seed = next(s for s in range(9) if np.random.default_rng([s, 7]).integers(2) == 1)
    found = perturbed(graph, schema, stepper, fields, pushforward=1, seed=seed)
    (fields(found) - found.y).square().sum().backward()
    pushed, weight.grad = weight.grad.clone(), None

    # By hand: one step from the time before, then the last step alone.
    earlier = graph.past[:, 0]
    march = stepper.march(lambda u: u @ weight, earlier)
    state = next(march)
    fixed = state.detach()
    torch.testing.assert_close(found.inputs[:, :2], fixed)
    target = stepper.corrected(graph.y, graph.inputs[:, :2], fixed)
    (fixed @ weight - target).square().sum().backward()
    torch.testing.assert_close(pushed, weight.grad)

    weight.grad = None  # through both steps it would be another
    through = stepper.corrected(graph.y, graph.inputs[:, :2], state)
    (state @ weight - through).square().sum().backward()
    assert (weight.grad - pushed).norm() > 1e-2 * pushed.norm()

    early = Perturbation(stepper, schema, 0.0, 1, seed)
    assert early(graph, fields, torch.ones(3), step=7, done=0.01) is graph


@pytest.mark.parametrize("form", ["state", "residual", "derivative"])
def test_pushforward_with_the_law_itself_is_the_true_state(stored, form: str):
    model, stepper = surrogate(form), Stepper(form=form, dt=DT)
    graph, schema = batch_of(stored, stepper, past=3)
    found = perturbed(
        graph, schema, stepper, lambda given: model.operator.outputs(given)[0],
        pushforward=3, seed=next(s for s in range(9) if np.random.default_rng([s, 7]).integers(4)),
    )  # fmt: skip
    assert found is not graph
    torch.testing.assert_close(found.inputs, graph.inputs, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.y, graph.y, atol=1e-4, rtol=0)


def test_from_series_to_a_surrogate_that_beats_persistence(cases: list[Path], tmp_path: Path):
    out = tmp_path / "run"
    result = train(
        cases, out, form="derivative", noise=0.01, pushforward=1, steps=150, batch=4, **QUICK
    )
    assert result.surrogate.operator_name == "grid-field"
    (table,) = result.card["families"].values()
    still, ours = (table[k]["ab all steps"]["mean"] for k in ("persistence", "surrogate"))
    assert ours < 0.5 * still, (ours, still)
    assert "first state stays" in (out / "validation.md").read_text()
    found = Surrogate.load(out)
    assert found.stepper == Stepper(form="derivative", dt=found.stepper.dt)
    assert json.loads((out / "config.json").read_text())["stepper"]["form"] == "derivative"
    assert len(list(found.rollout(cases and start(9), 4))) == 5


def test_the_command_learns_bundles_from_pvd(tmp_path: Path):
    paths = write_series(tmp_path, count=4, suffix=".pvd")
    assert expand([tmp_path], series=True) == paths and not expand([tmp_path])
    result = CliRunner().invoke(
        app,
        ["train", str(tmp_path), "--form", "residual", "--bundle", "2", "--model", "mp-pde",
         "--steps", "3", "--batch", "2", "--workers", "1", "-q", "-o", str(tmp_path / "run")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = Surrogate.load(tmp_path / "run")
    assert found.stepper == replace_dt(found, form="residual", bundle=2)
    assert found.operator_config["bundle"] == 2 and found.sizes.out == 4
    assert CliRunner().invoke(app, ["train", str(tmp_path), "--form", "rate"]).exit_code == 2


def replace_dt(found: Surrogate, **options) -> Stepper:
    assert found.stepper is not None and found.stepper.dt == pytest.approx(DT)
    return Stepper(dt=found.stepper.dt, **options)


def test_series_that_cannot_be_learned_are_refused(cases: list[Path], tmp_path: Path):
    def changed(name: str, pairs) -> list[Path]:
        meshop.write_series(tmp_path / name, pairs)
        return [*cases, tmp_path / name]

    good = steps(start(7), 8)
    uneven = [(t if k < 5 else t + 0.05, m) for k, (t, m) in enumerate(good)]
    with pytest.raises(ConditionError, match=r"uneven.*no series of equal"):
        find_problem(changed("uneven.vtkhdf", uneven), series=True)
    with pytest.raises(ConditionError, match=r"slow.*time step is 0\.2"):
        find_problem(changed("slow.vtkhdf", steps(start(7), 8, 0.2)), series=True)
    moving = [(t, m.copy()) for t, m in good]
    for k, (_, mesh) in enumerate(moving):
        mesh.points = mesh.points * (1 + 0.1 * (k > 4))
    with pytest.raises(MeshError, match="not the first one"):
        train(changed("moving.vtkhdf", moving), tmp_path / "run", form="state", steps=1, **QUICK)
    with pytest.raises(ConditionError, match="too short"):
        train(cases, tmp_path / "run", form="state", bundle=9, steps=1, **QUICK)
    with pytest.raises(ConditionError, match="bundle"):
        train(cases, tmp_path / "run", form="derivative", bundle=2, steps=1, **QUICK)
