import json
from pathlib import Path

import numpy as np
import pytest
import torch

from meshop.errors import ConditionError, MeshFileError, SurrogateError
from meshop.io import read
from meshop.surrogate import Surrogate
from meshop.train import train
from meshop.train._cases import expand, find_problem, split
from meshop.train._sampling import sample
from meshop.train._store import store_cases
from tests.cases import solved, write_cases

QUICK = {"workers": 1, "quiet": True, "model_config": {"width": 32, "depth": 2, "latent": 16}}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_cases(tmp_path_factory.mktemp("cases"))


def test_the_problem_is_found_from_the_files(cases: list[Path]):
    found = find_problem(cases)
    assert found.targets == {"U": 3, "p": 1}
    assert found.spec.conditions == ("aoa_deg", "reynolds")
    assert found.scalars == ["Cd", "Cl"]  # `iterations` varies too, and is no physics
    assert found.spec.direction == "aoa_deg" and found.spec.potential
    assert found.constants == {"U": [None, None, 0.0], "p": [None]}
    assert "iterations" in found.notes[0]


def test_names_given_by_the_user_win(cases: list[Path]):
    found = find_problem(cases, targets=["p"], scalars=["Cl"], conditions=["aoa_deg", "Cd"])
    assert (found.targets, found.scalars) == ({"p": 1}, ["Cl"])
    assert found.spec.conditions == ("aoa_deg", "Cd")
    for wrong in ({"targets": ["T"]}, {"scalars": ["Cq"]}, {"conditions": ["mach"]}):
        with pytest.raises(ConditionError) as error:
            find_problem(cases, **wrong)
        assert "Cl" in str(error.value) or "'U'" in str(error.value)


def test_field_data_that_some_cases_lack_is_no_condition(tmp_path: Path):
    paths = write_cases(tmp_path, 5)
    mesh = read(paths[0])
    mesh.field_data["camber"] = np.array([0.1])
    mesh.save(paths[0])
    assert "camber" not in find_problem(paths).spec.conditions


def test_expand_takes_folders_files_and_patterns(cases: list[Path]):
    folder = cases[0].parent
    assert expand([folder]) == expand([str(folder / "*.vtu")]) == expand(cases) == cases
    with pytest.raises(ConditionError, match="no file"):
        expand([folder / "missing"])
    with pytest.raises(ConditionError, match="too few"):
        find_problem(cases[:2])


def test_split_keeps_walls_together_and_takes_each_family():
    class Stub:
        def __init__(self, family: str, group: str) -> None:
            self.family, self.group = family, group

    cases = [Stub("a", f"g{i // 2}") for i in range(20)] + [Stub("b", f"h{i}") for i in range(10)]
    learn, held = split(cases, 0.2, seed=1)  # type: ignore[arg-type]
    assert sorted(learn + held) == list(range(30))
    groups = {cases[i].group for i in held}
    assert not groups & {cases[i].group for i in learn}
    assert sum(cases[i].family == "a" for i in held) == 4
    assert sum(cases[i].family == "b" for i in held) == 2
    assert split(cases, 0.2, seed=1) == (learn, held)  # type: ignore[arg-type]


def test_sampling_is_an_unbiased_quadrature(cases: list[Path], tmp_path: Path):
    problem = find_problem(cases)
    stored = store_cases(problem, tmp_path / "s", 1)[0]
    random = np.random.default_rng(0)
    exact = float((stored.weight * stored.y[:, 0]).sum() / stored.weight.sum())
    drawn = [
        float((g.weight * g.y[:, 0]).sum())
        for g in (sample(stored, 4000, random) for _ in range(20))
    ]
    # A self-normalised importance sample: mean within three standard errors.
    assert abs(np.mean(drawn) - exact) < 3 * np.std(drawn) / np.sqrt(20) + 1e-4
    assert float(sample(stored).weight.sum()) == pytest.approx(1.0, abs=1e-5)


def test_training_learns_and_writes_what_it_says(cases: list[Path], tmp_path: Path):
    out = tmp_path / "run"
    result = train(cases, out, steps=150, batch=4, points=64, validation=0.2, **QUICK)
    assert result.card["families"]["case"]["cases"] == 2
    table = result.card["families"]["case"]
    # The cases are potential flows, which the operator starts from: almost exact at once.
    assert table["surrogate"]["U near"]["mean"] < 0.02 < table["nearest"]["U near"]["mean"]
    assert table["surrogate"]["p near"]["mean"] < 0.05
    assert table["surrogate"]["Cl"]["mean"] < 0.01
    found = Surrogate.load(out)
    assert found.hash == result.surrogate.hash and found.schema.conditions[1].log
    mesh = solved(3.0, 2e6)
    a = found.evaluate(mesh, {"aoa_deg": 3.0, "reynolds": 2e6})
    b = result.surrogate.evaluate(mesh, {"aoa_deg": 3.0, "reynolds": 2e6})
    np.testing.assert_array_equal(a.fields["U"], b.fields["U"])
    config = json.loads((out / "config.json").read_text())
    assert len(config["validation"]) == 2 and config["mirror"] is True
    for name in ("validation.md", "curves.csv", "curves.png", "scalars.png"):
        assert (out / name).stat().st_size > 100, name
    assert list((out / "logs").glob("events*")) and not (out / "cases").exists()


def test_resume_goes_on_where_it_stopped(cases: list[Path], tmp_path: Path):
    out = tmp_path / "run"
    options = {"batch": 2, "points": 32, "patience": 0, **QUICK}
    train(cases, out, steps=20, **options)
    result = train(cases, out, steps=40, resume=True, **options)
    last = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 40
    steps = [float(line.split(",")[0]) for line in (out / "curves.csv").read_text().split()[1:]]
    assert steps[0] < 20 < steps[-1] and result.surrogate.meta["steps"] == 40
    with pytest.raises(SurrogateError, match="nothing to resume"):
        train(cases, tmp_path / "new", steps=5, resume=True, **options)


def test_same_seed_same_weights(cases: list[Path], tmp_path: Path):
    options = {"steps": 12, "batch": 2, "points": 32, **QUICK}
    first, second = (train(cases, tmp_path / f"run{i}", name="m", **options) for i in range(2))
    assert first.surrogate.operator_config == second.surrogate.operator_config
    for a, b in zip(
        first.surrogate.operator.parameters(), second.surrogate.operator.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_minutes_bound_the_training(cases: list[Path], tmp_path: Path):
    result = train(cases, tmp_path / "run", minutes=0.02, batch=2, points=32, **QUICK)
    assert 0 < result.surrogate.meta["steps"] < 20000


def test_transolver_trains_by_the_same_command(cases: list[Path], tmp_path: Path):
    result = train(
        cases, tmp_path / "run", model="transolver", steps=4, batch=2, points=64, workers=1,
        quiet=True, model_config={"width": 16, "heads": 2, "layers": 1, "slices": 4},
    )  # fmt: skip
    assert Surrogate.load(result.path).operator_name == "transolver"


def test_bad_cases_are_named(cases: list[Path], tmp_path: Path):
    bad = tmp_path / "bad.vtu"
    bad.write_bytes(cases[0].read_bytes()[:2000])
    with pytest.raises(MeshFileError, match=r"bad\.vtu"):
        train([*cases, bad], tmp_path / "run", steps=1, **QUICK)


class Stub:
    def __init__(self, family: str, group: str) -> None:
        self.family, self.group = family, group


def test_split_never_shares_a_wall_whatever_the_names():
    # Each airfoil its own family, six angles each: the angles must stay together.
    cases = [Stub(f"airfoil{i // 6}", f"g{i // 6}") for i in range(60)]
    learn, held = split(cases, 0.2, seed=0)  # type: ignore[arg-type]
    assert held and not {cases[i].group for i in held} & {cases[i].group for i in learn}
    # Names without any pattern.
    lone = [Stub(name, name) for name in ["alpha", "beta", "gamma", "delta", "epsilon"]]
    assert len(split(lone, 0.2, seed=0)[1]) == 1  # type: ignore[arg-type]
    with pytest.raises(ConditionError, match="held out"):
        split([Stub("a", "g")], 0.2, seed=0)  # type: ignore[arg-type]
    same = [Stub("a", "g") for _ in range(10)]  # one wall throughout: cases are held out
    assert len(split(same, 0.2, seed=0)[1]) == 2  # type: ignore[arg-type]


def test_a_constant_field_is_carried_not_learned(cases: list[Path], tmp_path: Path):
    paths = []
    for path in cases[:6]:
        mesh = read(path)
        mesh.cell_data["rho"] = np.full(mesh.n_cells, 1.2)
        paths.append(tmp_path / path.name)
        mesh.save(paths[-1])
    result = train(paths, tmp_path / "run", steps=3, batch=2, points=32, **QUICK)
    assert "rho near" not in result.card["families"]["case"]["surrogate"]
    found = result.surrogate.evaluate(read(paths[0]), {"aoa_deg": 1.0, "reynolds": 2e6})
    assert np.all(found.fields["rho"] == np.float32(1.2))
    with pytest.raises(ConditionError, match="nothing to learn"):
        find_problem(paths, targets=["rho"])


def test_mirror_images_only_where_every_sign_is_known(cases: list[Path], tmp_path: Path):
    quick = {"steps": 1, "batch": 2, "points": 16, **QUICK}
    train(cases, tmp_path / "a", **quick)
    assert json.loads((tmp_path / "a" / "config.json").read_text())["mirror"] is True
    paths = []
    for path in cases[:6]:
        mesh = read(path)
        mesh.cell_data["vorticity"] = mesh.cell_data["p"] + np.float32(1)
        paths.append(tmp_path / path.name)
        mesh.save(paths[-1])
    train(paths, tmp_path / "b", **quick)
    assert json.loads((tmp_path / "b" / "config.json").read_text())["mirror"] is False


def test_unusable_options_are_named(cases: list[Path], tmp_path: Path):
    for options in ({"device": "tpu9"}, {"precision": "7-true"}, {"model": "nosuch"}):
        with pytest.raises(ConditionError):
            train(cases, tmp_path / "run", steps=1, **options, **QUICK)


def test_training_without_the_potential_flow(cases: list[Path], tmp_path: Path):
    options = {"steps": 2, "batch": 2, "points": 32, **QUICK}
    with_flow = train(cases, tmp_path / "a", **options).surrogate
    without = train(cases, tmp_path / "b", potential=False, **options).surrogate
    assert without.sizes.features < with_flow.sizes.features
    assert (without.sizes.prior, without.sizes.lift) == (0, 0)
    assert json.loads((tmp_path / "b" / "config.json").read_text())["mirror"] is True
