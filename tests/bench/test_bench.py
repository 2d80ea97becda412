"""The benchmark end to end on a tiny task: runs, resume, failures, report."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from meshop.bench import NULLS, Job, all_tasks, bench, execute, find_tasks, report
from meshop.bench._measure import relative_errors
from meshop.bench._prepare import load_prepared, prepare
from meshop.bench._run import accepted
from meshop.errors import ConditionError
from meshop.surrogate import Surrogate
from tests.bench import tiny

TINY, KNOWN = "tests.bench.tiny:TASK", "tests.bench.tiny:KNOWN"
SMALL = {"width": 16, "depth": 1, "latent": 8, "layers": 1, "heads": 2, "slices": 4}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(TINY, tiny.TASK, None, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(KNOWN, tiny.KNOWN, None, tmp_path_factory.mktemp("known"))


def run(job: Job, place: Path, folder: Path) -> dict:
    return execute(job, place, folder / f"{job.id}.json")


def test_cases_are_prepared_once_and_have_what_operators_ask_for(place: Path, known: Path):
    before = (place / "prepared.json").stat().st_mtime_ns
    assert prepare(TINY, tiny.TASK, None, place.parents[1]) == place
    assert (place / "prepared.json").stat().st_mtime_ns == before
    found = load_prepared(place, edges=True)
    assert len(found.train) == 12 and {k: len(v) for k, v in found.tests.items()} == {
        "same": 4,
        "finer": 3,
    }
    assert found.problem.spec.conditions == ("a", "b") and found.problem.spec.edges
    assert found.train[0].edge_attr is not None
    bare = load_prepared(place, edges=False)
    assert bare.train[0].rowptr is None and not bare.problem.spec.edges
    case = load_prepared(known, edges=False).train[0]
    assert case.inputs.shape == (len(case.y), 1)
    x, y = case.pos[:, 0], case.pos[:, 1]
    edge = case.wall_pos.numpy()
    slope = np.linalg.lstsq(edge[:, 1:2], case.wall_inputs.numpy(), rcond=None)[0]
    np.testing.assert_allclose(case.wall_inputs, edge[:, 1:2] * slope, atol=1e-6)
    np.testing.assert_allclose(case.inputs[:, 0] + slope[0, 0] * y, case.y[:, 0], atol=1e-5)
    assert len(x) == len(case.weight)


@pytest.mark.parametrize("model", [*NULLS, "wall-field", "transolver"])
def test_a_run_is_a_record(model: str, place: Path, tmp_path: Path):
    record = run(Job(TINY, model, config=SMALL, minutes=None, epochs=2), place, tmp_path)
    assert record["status"] == "ok", record.get("traceback")
    content = json.loads((tmp_path / f"{record['id']}.json").read_text())
    assert content["tests"]["same"]["u"]["mean"] == pytest.approx(
        np.mean(content["tests"]["same"]["u"]["per_case"])
    )
    assert len(content["tests"]["finer"]["u"]["per_case"]) == 3
    assert content["peak_mb"] >= content["start_mb"] > 0 and content["nodes_a_second"] > 0
    if model in NULLS:
        assert content["tests"]["same"]["u"]["mean"] < 0.5
    else:
        assert content["steps"] == 6 and content["parameters"] > 0
        assert (tmp_path / f"{record['id']}.safetensors").is_file()


def test_a_config_is_cut_to_the_sizes_that_a_model_has():
    config = {"width": 8, "depth": 2, "slices": 3, "widths": 1, "self": 1}
    assert accepted("wall-field", config) == {"width": 8, "depth": 2}
    assert accepted("fourier", config) == {"width": 8}
    assert accepted("nearest", config) == {}


def test_least_squares_and_pod_find_what_is_linear(place: Path, tmp_path: Path):
    """u is linear in the conditions: what is left is what the transfer between meshes loses."""
    errors = {m: run(Job(TINY, m), place, tmp_path)["tests"]["same"]["u"]["mean"] for m in NULLS}
    assert errors["least-squares"] < 0.02 and errors["pod"] < 0.02 < errors["nearest"]


@pytest.mark.parametrize("model", [*NULLS, "transolver"])
def test_known_fields_reach_every_model(model: str, known: Path, tmp_path: Path):
    job = Job(KNOWN, model, config=SMALL, minutes=None, epochs=1)
    assert run(job, known, tmp_path)["status"] == "ok"


def test_what_a_run_of_a_linear_operator_saves_superposes(known: Path, tmp_path: Path):
    job = Job(KNOWN, "beno", config=SMALL, minutes=None, epochs=1)
    record = run(job, known, tmp_path)
    assert record["status"] == "ok", record.get("traceback")
    found = Surrogate.load(tmp_path / f"{record['id']}.safetensors")
    mesh, other = (tiny.cases(1, seed, known=True)[0] for seed in (5, 6))
    data, answers = [dict(m.point_data) for m in (mesh, other)], []
    for a, b in ((1.0, 0.0), (0.0, 1.0), (2.0, -3.0)):
        for name in ("f", "g"):
            mesh.point_data[name] = a * data[0][name] + b * data[1][name]
        answers.append(found.evaluate(mesh, {}).fields["u"])
    one, two, both = answers
    np.testing.assert_allclose(both, 2 * one - 3 * two, atol=2e-5 * abs(one).max(), rtol=0)


def test_training_lowers_the_error(place: Path, tmp_path: Path):
    short, long = (
        run(Job(TINY, "wall-field", config=SMALL, minutes=None, epochs=e, lr=1e-2), place, tmp_path)
        for e in (1, 80)
    )
    first, last = (r["tests"]["same"]["u"]["mean"] for r in (short, long))
    assert last < 0.3 * first and last < 0.15


def test_the_same_seed_gives_the_same_run(place: Path, tmp_path: Path):
    job = Job(TINY, "transolver", config=SMALL, minutes=None, epochs=1)
    one, two = (run(job, place, tmp_path)["tests"] for _ in range(2))
    other = run(replace(job, seed=1), place, tmp_path)["tests"]
    assert one == two != other


@pytest.mark.filterwarnings("ignore")
def test_bench_resumes_records_failures_and_reports(tmp_path: Path):
    said: list[str] = []
    options = {
        "tasks_wanted": [TINY, "tests.bench.tiny:ABSENT"],
        "models": ["nearest", "transolver"],
        "minutes": None,
        "epochs": 1,
        "jobs": 1,
        "threads": 1,
        "data": tmp_path,
        "progress": lambda done, total, what: said.append(f"{done}/{total} {what}"),
    }
    # A width that heads do not divide: the run fails, the table stays.
    table = bench(tmp_path / "b", configs={"transolver": {"width": 15}}, **options)
    assert len(said) == 2 and len(table.failed) == 1 and "15" in table.failed[0][3]
    assert {row.model for row in table.rows} == {"nearest"}
    assert "nowhere" in table.skipped["tests.bench.tiny:ABSENT"]
    table = bench(tmp_path / "b", configs={"transolver": SMALL}, **options)
    assert len(said) == 3, "the null and the failure stay as they are"
    assert {row.model for row in table.rows} == {"nearest", "transolver"}
    best = [r for r in table.rows if (r.test, r.field) == ("same", "u")]
    assert [r.mean for r in best] == sorted(r.mean for r in best)
    learned = next(r for r in best if r.model == "transolver")
    null = next(r for r in best if r.model == "nearest")
    assert learned.gain == pytest.approx(null.mean / learned.mean)
    assert learned.published == 0.01 and null.parameters == 0
    page = (tmp_path / "b" / "index.html").read_text()
    assert "A plane wave &amp; a ramp" in page and "Failed runs" in page and "nowhere" in page
    charts = page.split("<svg")[1:]
    assert len(charts) == 2
    for chart in charts:
        ElementTree.fromstring("<svg" + chart[: chart.index("</svg>") + 6])
    text = (tmp_path / "b" / "table.md").read_text()
    assert "| nearest |" in text and "Failed: " in text and "Skipped: " in text
    content = json.loads((tmp_path / "b" / "table.json").read_text())
    assert len(content["rows"]) == 4 and len(content["failed"]) == 1
    assert report(tmp_path / "b").rows == table.rows
    assert not list((tmp_path / "b" / "runs").glob(".*.job"))


def test_seeds_are_averaged(place: Path, tmp_path: Path):
    (tmp_path / "runs").mkdir()
    for seed in range(3):
        job = Job(TINY, "transolver", seed, SMALL, minutes=None, epochs=1)
        run(job, place, tmp_path / "runs")
    rows = [r for r in report(tmp_path).rows if r.test == "same"]
    assert len(rows) == 1 and rows[0].seeds == 3
    assert rows[0].spread == pytest.approx(np.std(rows[0].means, ddof=1))


def test_errors_that_are_not_finite_are_a_failure(place: Path, tmp_path: Path, monkeypatch):
    from meshop.surrogate import Surrogate

    monkeypatch.setattr(
        Surrogate, "run", lambda self, g, d: (torch.full((len(g.x), 1), torch.nan), None)
    )
    job = Job(TINY, "transolver", config=SMALL, minutes=None, epochs=0.1)
    record = run(job, place, tmp_path)
    assert record["status"] == "failed" and "finite" in record["error"]


def test_relative_errors_follow_the_measure(place: Path):
    found = load_prepared(place, edges=False)
    case, constants = found.train[0], found.problem.constants
    off = np.zeros_like(case.y)
    off[0] = 1.0

    def error(measure: str, **more: object) -> float:
        task = replace(tiny.TASK, measure=measure)
        return relative_errors(task, constants, 1.0, case, case.y + off, **more)["u"]

    assert error("plain") == pytest.approx(1 / np.linalg.norm(case.y))
    size = case.weight @ case.y[:, 0] ** 2
    assert error("quadrature") == pytest.approx(np.sqrt(case.weight[0] / size))
    away = ((case.y[:, 0] - case.reference[0]) ** 2 * case.weight)[case.dist < 1.0].sum()
    assert error("near") == pytest.approx(np.sqrt(case.weight[0] / away))
    restore = np.stack([np.full_like(case.y, 2.0), np.full_like(case.y, 3.0)])
    assert error("plain", restore=restore) == pytest.approx(3 / np.linalg.norm(2 + 3 * case.y))


def test_names_that_are_not_known_say_what_is():
    with pytest.raises(ConditionError, match="gfn_graetz"):
        find_tasks(["graetz"])
    with pytest.raises(ConditionError, match="no task"):
        find_tasks(["no.such:TASK"])
    with pytest.raises(ConditionError, match="transolver"):
        bench("never", models=["transolvr"])
    assert set(find_tasks(["gfn_graetz"])) == {
        f"gfn_graetz/{m}" for m in ("medium", "small", "tiny")
    }
    assert len(all_tasks()) >= 8


def test_jobs_are_told_apart_by_what_matters():
    job = Job("t", "transolver", config={"a": 1, "b": 2})
    assert job.id == Job("t", "transolver", config={"b": 2, "a": 1}).id
    others = [
        replace(job, **c) for c in ({"seed": 1}, {"lr": 1e-2}, {"minutes": 2.0}, {"version": 2})
    ]
    assert len({job.id, *(o.id for o in others)}) == 5
    null = Job("t", "nearest")
    assert null.id == replace(null, seed=3, minutes=9.0).id
    assert replace(job, loss="h1").id != job.id == replace(job, loss="l2").id


def test_a_process_that_dies_or_hangs_is_a_failure_and_a_stop_is_none(
    place: Path, tmp_path: Path, monkeypatch
):
    import threading

    from meshop.bench import _bench as home

    (tmp_path / "runs").mkdir()
    job = Job(TINY, "nearest", minutes=1e-9)
    stop = threading.Event()

    def python(code: str) -> str:
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\n{code}\n")
        script.chmod(0o755)
        monkeypatch.setattr(home.sys, "executable", str(script))
        return home._run_one(job, place, tmp_path, 1, set(), stop)

    assert "out of luck" in python("echo out of luck >&2; exit 3")
    record = json.loads((tmp_path / "runs" / f"{job.id}.json").read_text())
    assert record["status"] == "failed" and "3" in record["error"]
    monkeypatch.setattr(home, "PATIENCE", 0.2)
    assert "stopped after" in python("exec sleep 60")
    stop.set()
    assert python("exit 3") == "stopped"
    assert not (tmp_path / "runs" / f"{job.id}.json").exists()
