import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from meshop.cli import app
from tests.bench import tiny

TASK = "tests.bench.tiny:TASK"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESHOP_DATA", raising=False)
    return lambda *options: CliRunner().invoke(app, ["bench", *options])


def test_lists_tasks_and_models(call):
    result = call("--list")
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert "gfn_graetz/tiny" in text and "transolver" in text and "least-squares" in text
    result = call("--list", "--json")
    assert result.exit_code == 0, repr(result.exception)
    content = json.loads(result.stdout)
    assert "holed_poisson" in content["tasks"] and "pod" in content["models"]


def test_runs_and_reports(call, tmp_path: Path):
    result = call("--tasks", TASK, "--models", "nearest", "-o", "b", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert "nearest" in result.stdout and (tmp_path / "b" / "index.html").is_file()
    again = call("--report", "-o", "b", "--json")
    content = json.loads(again.stdout)
    assert [row["model"] for row in content["rows"]] == ["nearest", "nearest"]
    assert content["folder"] == "b" and not content["failed"]


def test_a_task_without_its_data_is_skipped_with_the_reason(call):
    result = call("--tasks", "holed_poisson", "--models", "nearest", "-o", "b")
    assert result.exit_code == 0 and "MESHOP_DATA" in result.output


def test_wrong_names_and_sizes(call):
    assert call("--tasks", "graetz").exit_code == 1
    assert call("--models", "transolvr").exit_code == 1
    assert call("--set", "width").exit_code == 2
    assert tiny.TASK.name == "tiny"


def test_sizes_are_read_for_all_and_by_model():
    from meshop.cli._bench import _sizes

    assert _sizes(["width=64", "wall-field:depth=3", "kind=mean"]) == (
        {"width": 64, "kind": "mean"},
        {"wall-field": {"depth": 3}},
    )
