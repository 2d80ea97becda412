"""Rollouts: the same mesh over time, from surrogates that know the law of their series."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import meshop
from meshop.cli import app
from meshop.errors import ConditionError, SurrogateError
from meshop.surrogate import Stepper, Surrogate
from tests.series import DT, blank, start, state, steps, surrogate


@pytest.mark.parametrize("form", ["state", "residual", "derivative"])
def test_a_rollout_is_the_solution_on_the_same_mesh(form: str):
    mesh = start(3, decay=0.4)
    found = surrogate(form).rollout(mesh, 20)
    assert len(found) == 21 and found.conditions == {"decay": 0.4} and not found.warnings
    for k, (time, now) in enumerate(found):
        assert time == pytest.approx(k * DT)
        # RK4 at dt = 0.1 is right to 1e-6; all else is float32.
        np.testing.assert_allclose(now.point_data["ab"], state(mesh, time), atol=2e-5)
        assert now.points is mesh.points and now.cell_nodes is mesh.cell_nodes
        assert set(now.point_data) == {"ab"}  # `mark` is of the first time
    assert set(mesh.point_data) == {"ab", "mark"}  # the input is as it was


def test_conditions_given_come_first_and_warn_out_of_range():
    mesh = start(1)
    found = surrogate().rollout(mesh, 3, decay=2.0)
    mesh.field_data["decay"] = np.array([2.0])
    *_, (time, last) = found
    np.testing.assert_allclose(last.point_data["ab"], state(mesh, time), atol=1e-4)
    assert "decay" in found.warnings[0] and last.field_data["in_training_range"][0] == 0
    assert json.loads(last.field_data["meshop_meta"][0])["conditions"] == {"decay": 2.0}


def test_another_scheme_may_be_chosen_at_prediction():
    model, mesh = surrogate(scheme="euler"), start(2)
    errors = []
    for m in (1, 4):
        model.stepper = Stepper(form="derivative", dt=DT, scheme="euler", substeps=m)
        *_, (time, last) = model.rollout(mesh, 10)
        errors.append(np.abs(last.point_data["ab"] - state(mesh, time)).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("suffix", [".vtkhdf", ".pvd", ".vtu.series"])
def test_a_series_is_written_and_can_be_continued(suffix: str, tmp_path: Path):
    mesh, model = start(4), surrogate("residual")
    whole = list(model.rollout(mesh, 8))
    path = tmp_path / f"a{suffix}"
    counted: list[tuple[int, int]] = []
    model.rollout(mesh, 5).save(path, lambda *done: counted.append(done))
    assert counted == [(k, 5) for k in range(6)]
    read = meshop.read_series(path)
    assert read.times == pytest.approx([k * DT for k in range(6)])
    np.testing.assert_array_equal(read[5].points, mesh.points)
    more = meshop.rollout(path, model, 3)  # from the file's last time, with its condition
    assert more.start == pytest.approx(0.5)
    times = []
    for (time, now), (_, meant) in zip(more, whole[5:], strict=True):
        times.append(time)
        np.testing.assert_array_equal(now.point_data["ab"], meant.point_data["ab"])
    assert times == pytest.approx([0.5, 0.6, 0.7, 0.8])
    early = meshop.rollout(path, model, 1, time=0.2)
    np.testing.assert_array_equal(
        next(iter(early))[1].point_data["ab"], whole[2][1].point_data["ab"]
    )


def test_the_mesh_is_stored_once(tmp_path: Path):
    import h5py

    surrogate().rollout(start(), 6).save(tmp_path / "a.vtkhdf")
    with h5py.File(tmp_path / "a.vtkhdf") as file:
        root = file["VTKHDF"]
        count = start().n_points
        assert len(root["Points"]) == count and len(root["PointData/ab"]) == 7 * count


def test_what_is_missing_is_said():
    model = surrogate()
    for change, text in (
        (lambda m: m.point_data.pop("ab"), "no array 'ab'"),
        (lambda m: m.point_data.update(ab=m.point_data["ab"][:, :2]), "2 components"),
        (lambda m: m.field_data.pop("decay"), "decay"),
    ):
        mesh = start()
        change(mesh)
        with pytest.raises(ConditionError, match=text):
            model.rollout(mesh, 3)
    with pytest.raises(ConditionError, match="at least one"):
        model.rollout(start(), 0)
    with pytest.raises(SurrogateError, match="does not advance"):
        blank(None).rollout(start(), 3)
    with pytest.raises(SurrogateError, match="--steps"):
        model.predict(start())


# -- files and the command line -------------------------------------------------------------------


def constant_change(value: float, scale: float = 1.0) -> Surrogate:
    """A stepper with weights of its own whose residual is `value` everywhere."""
    found = blank(Stepper(form="residual", dt=DT))
    with torch.no_grad():
        for parameter in found.operator.head.parameters():
            parameter.zero_()
        found.operator.head[-1].bias.fill_(value)
        found.normaliser.field_scale.fill_(scale)
    return found


def test_the_stepper_is_in_the_file_and_files_without_one_are_as_before(tmp_path: Path):
    stepper = Stepper(form="residual", dt=DT, bundle=2)
    model = blank(stepper)
    model.save(tmp_path / "m.safetensors")
    again = Surrogate.load(tmp_path / "m.safetensors")
    assert again.stepper == stepper and again.hash == model.hash
    pairs = zip(model.rollout(start(), 4), again.rollout(start(), 4), strict=True)
    for (_, a), (_, b) in pairs:
        np.testing.assert_array_equal(a.point_data["ab"], b.point_data["ab"])
    steady = blank(None)
    assert "stepper" not in steady._header()
    steady.save(tmp_path / "s.safetensors")
    assert Surrogate.load(tmp_path / "s.safetensors").stepper is None
    assert Surrogate.load("airfoil-rans").stepper is None
    shown = CliRunner().invoke(app, ["models", "show", str(tmp_path / "m.safetensors")])
    assert "steps of 0.1, residual, bundle 2" in shown.stdout
    with pytest.raises(ValueError, match="does not give 4 columns"):
        Surrogate(
            model.schema, model.spec, model.operator_name, model.operator_config,
            sizes=model.sizes, stepper=Stepper(form="residual", dt=DT),
        )  # fmt: skip


def test_predict_with_steps_writes_a_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    constant_change(0.25).save("m.safetensors")
    meshop.write_series("case.vtkhdf", steps(start(), 3))
    command = ["predict", "case.vtkhdf", "-m", "m.safetensors", "--steps", "100"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "step 50 of 100" in done.stderr and "wrote case.pred.vtkhdf" in done.stderr
    found = meshop.read_series("case.pred.vtkhdf")
    assert len(found) == 101 and found.times[-1] == pytest.approx(10.3)
    first = meshop.read("case.vtkhdf").point_data["ab"]
    np.testing.assert_allclose(
        found[100].point_data["ab"] - first, np.tile([25, 25, 0], (len(first), 1)), atol=1e-4
    )
    done = CliRunner().invoke(app, [*command, "--time", "0.1", "-o", "b.pvd", "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["results"][0]["start"] == 0.1
    assert meshop.read_series("b.pvd").times[0] == pytest.approx(0.1)
    for wrong in (["-o", "b.vtu"], ["--time", "7"], ["nu=1"]):
        assert CliRunner().invoke(app, [*command, *wrong]).exit_code == 1
    assert CliRunner().invoke(app, ["predict", "case.vtkhdf", "--time", "1"]).exit_code == 2


@pytest.mark.parametrize("suffix", ["vtkhdf", "pvd"])
def test_a_rollout_that_blows_up_leaves_no_file(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    constant_change(1.0, scale=1e38).save("m.safetensors")
    start().save("case.vtu")
    before = sorted(p.name for p in tmp_path.iterdir())
    command = ["predict", "case.vtu", "-m", "m.safetensors", "--steps", "9", "-o", f"o.{suffix}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 3 and "no longer finite at step" in lines[0] and "try:" in lines[2], lines
    assert sorted(p.name for p in tmp_path.iterdir()) == before
