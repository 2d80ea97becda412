"""The command line in one process, with a model that needs no weights."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from meshop.cli import app
from meshop.cli._arguments import split_arguments
from meshop.errors import ConditionError, SurrogateError
from meshop.io import read
from meshop.mesh import Mesh

from ..predict.fake import FakeSurrogate, cylinder_flow, ring

Run = Callable[..., Any]
GIVEN = ("aoa_deg=4", "reynolds=3e6")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """meshop(...) in a folder with body.vtu; the model is the fake one."""
    loaded = []

    def load(model: str) -> FakeSurrogate:
        if model == "absent":
            raise SurrogateError("no model 'absent'", "the installed ones are: fake", "models")
        loaded.append(model)
        return FakeSurrogate()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_module("meshop.predict"), "load", load)
    ring(48, 12).save("body.vtu")

    def call(*arguments: str) -> Any:
        result = CliRunner().invoke(app, list(arguments))
        assert "Traceback" not in result.stderr
        result.loaded = loaded
        return result

    return call


def lines_of_error(result: Any, code: int = 1) -> list[str]:
    """The three lines: what, why, try."""
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 3, result.stderr
    assert lines[0].startswith("error: ")
    assert lines[2].startswith("  try: ")
    return lines


# -- predict -------------------------------------------------------------------------------------


def test_predict_writes_beside_the_input(run: Run) -> None:
    result = run("predict", "body.vtu", *GIVEN)
    assert result.exit_code == 0
    assert sorted(p.name for p in Path().iterdir()) == [
        "body.pred.png", "body.pred.vtu", "body.vtu",
    ]  # fmt: skip
    assert {"U_pred", "p_pred"} <= set(read("body.pred.vtu").cell_data)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["scalar", "head", "wall", "pressure", "difference"]
    assert rows[1][:2] == ["Cl", "0.8000"]
    assert rows[2][0::2] == ["Cd", "-"]
    assert "wrote body.pred.vtu and body.pred.png" in result.stderr
    assert "paraview body.pred.vtu" in result.stderr


def test_options(run: Run) -> None:
    result = run(
        "predict", "body.vtu", *GIVEN, "-o", "there.vtu", "--no-picture", "-q", "--tile", "100"
    )
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert sorted(p.name for p in Path().iterdir()) == ["body.vtu", "there.vtu"]


def test_truth_prints_errors(run: Run) -> None:
    mesh = ring(48, 12, aoa_deg=4.0, reynolds=3e6, Cl=0.7)
    mesh.cell_data["p"] = 0.5 * cylinder_flow(mesh.cell_centers(), 4.0, -0.4)[1]
    mesh.save("solved.vtu")
    result = run("predict", "solved.vtu", "--no-picture")
    assert result.exit_code == 0
    table = [line.split() for line in result.stdout.splitlines()]
    assert table[1][0] == "Cl"
    assert table[1][-1] == "0.1000"
    assert ["relative", "L2", "error", "near", "whole"] in table
    assert table[-1][0] == "p"
    assert float(table[-1][1]) == pytest.approx(100, abs=2)


def test_json(run: Run) -> None:
    result = run("predict", "body.vtu", *GIVEN, "--json", "--no-picture")
    found = json.loads(result.stdout)
    assert (found["schema"], found["failed"]) == (1, 0)
    (entry,) = found["results"]
    assert entry["ok"]
    assert entry["output"] == "body.pred.vtu"
    assert entry["picture"] is None
    assert entry["model"] == {"name": "fake", "hash": "f" * 64}
    assert entry["conditions"] == {"aoa_deg": 4.0, "reynolds": 3e6}
    assert entry["disagreement"]["Cl"] == pytest.approx(
        abs(entry["scalars"]["Cl"] - entry["integrated"]["Cl"])
    )
    assert entry["in_training_range"] == 1
    assert entry["seconds"]["total"] > 0


def test_json_of_a_failure(run: Run) -> None:
    result = run("predict", "absent.vtu", *GIVEN, "--json")
    assert result.exit_code == 1
    (entry,) = json.loads(result.stdout)["results"]
    assert not entry["ok"]
    assert entry["error"]["what"].startswith("absent.vtu")
    result = run("predict", "body.vtu", *GIVEN, "-m", "absent", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["what"] == "no model 'absent'"


def test_out_of_range_warns_and_writes(run: Run) -> None:
    result = run("predict", "body.vtu", "aoa_deg=20", "reynolds=3e6", "-q", "--no-picture")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: aoa_deg = 20 is outside the training range -4 to 12")
    assert read("body.pred.vtu").field_data["in_training_range"].tolist() == [0]


def test_many_files_go_on_after_a_failure(run: Run) -> None:
    ring(48, 12).save("second.vtu")
    Path("broken.vtu").write_bytes(Path("body.vtu").read_bytes()[:2000])
    tetra = Mesh.from_blocks(np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])])
    tetra.save("solid.vtu")
    result = run(
        "predict", "absent.vtu", "body.vtu", "broken.vtu", "solid.vtu", "second.vtu", *GIVEN,
        "-o", "results", "--no-picture",
    )  # fmt: skip
    assert result.exit_code == 1
    assert sorted(p.name for p in Path("results").iterdir()) == [
        "body.pred.vtu", "second.pred.vtu",
    ]  # fmt: skip
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(":")[1].split()[0] for line in errors] == [
        "absent.vtu", "broken.vtu", "solid.vtu",
    ]  # fmt: skip
    assert "wrote 2 of 5 results" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "Cl", "body.vtu", "second.vtu",
    ]  # fmt: skip
    assert len(result.loaded) == 1


def test_many_files_in_json(run: Run) -> None:
    result = run("predict", "body.vtu", "absent.vtu", *GIVEN, "--json", "-o", "r/")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["failed"]) == (1, 1)
    assert [entry["ok"] for entry in found["results"]] == [True, False]


# -- bad input: three lines, exit code 1, and the old output as it was ---------------------------


def make_bad(name: str) -> str:
    source = Path("body.vtu").read_bytes()
    if name == "png":
        Path("x.vtu").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    elif name == "empty":
        Path("x.vtu").write_bytes(b"")
    elif name == "truncated":
        Path("x.vtu").write_bytes(source[: len(source) // 2])
    elif name == "folder":
        Path("x.vtu").mkdir()
    elif name == "3-D":
        Mesh.from_blocks(np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])]).save("x.vtu")
    elif name == "no wall":
        square = [[0, 0], [1, 0], [1, 1], [0, 1]]
        Mesh.from_blocks(square, [("quad", [[0, 1, 2, 3]])]).save("x.vtu")
    elif name == "NaN":
        mesh = ring(48, 12)
        mesh.save("x.vtu", compression=None)
        point = mesh.points[5].astype("<f8").tobytes()
        Path("x.vtu").write_bytes(Path("x.vtu").read_bytes().replace(point, b"\xff" * 24))
    elif name == "cloud":
        np.save("x.npy", np.random.default_rng(0).random((50, 3)))
        return "x.npy"
    elif name == "tilted":
        mesh = ring(48, 12)
        mesh.points[:, 2] = mesh.points[:, 0]
        mesh.save("x.vtu")
    return "x.vtu"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("missing", "no such file"),
        ("png", "PNG"),
        ("empty", ""),
        ("truncated", ""),
        ("folder", ""),
        ("3-D", "3-D mesh"),
        ("no wall", "no wall"),
        ("NaN", "NaN"),
        ("cloud", "point cloud"),
        ("tilted", "not in a plane"),
    ],
)
def test_bad_files(run: Run, name: str, word: str) -> None:
    file = make_bad(name)
    Path("x.pred.vtu").write_bytes(b"old result")
    Path("x.pred.png").write_bytes(b"old picture")
    before = set(Path().iterdir())
    lines = lines_of_error(run("predict", file, *GIVEN))
    assert file in lines[0]
    assert word in " ".join(lines)
    assert Path("x.pred.vtu").read_bytes() == b"old result"
    assert Path("x.pred.png").read_bytes() == b"old picture"
    assert set(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["aoa_deg=4"], ["reynolds", "1e+06 to 6e+06", "reynolds=3.5e+06"]),
        (["reynolds=3e6"], ["aoa_deg", "-4 to 12 deg", "aoa_deg=4"]),
        (["aoa=4", "reynolds=3e6"], ["'aoa'", "aoa_deg=4"]),
        (["aoa_deg=4", "Reynolds=3e6"], ["'Reynolds'", "reynolds="]),
        (["aoa_deg=four", "reynolds=3e6"], ["'four' is not a number"]),
        (["aoa_deg=", "reynolds=3e6"], ["not a number"]),
        (["aoa_deg=nan", "reynolds=3e6"], ["finite"]),
        (["aoa_deg=4", "aoa_deg=5", "reynolds=3e6"], ["given twice"]),
        (["aoa_deg=__import__('os').getcwd()", "reynolds=3e6"], ["not a number"]),
        ([*GIVEN, "-m", "absent"], ["no model 'absent'"]),
        ([*GIVEN, "--device", "tpu"], ["'tpu'"]),
        ([*GIVEN, "-o", "body.vtu"], ["input file"]),
        ([*GIVEN, "-o", "absent/x.vtu"], ["does not exist"]),
        ([*GIVEN, "-o", "x.docx"], ["x.docx"]),
    ],
)
def test_bad_arguments(run: Run, arguments: list[str], words: list[str]) -> None:
    before = Path("body.vtu").read_bytes()
    lines = lines_of_error(run("predict", "body.vtu", *arguments))
    assert all(word in " ".join(lines) for word in words), lines
    assert [p.name for p in Path().iterdir()] == ["body.vtu"]
    assert Path("body.vtu").read_bytes() == before


def test_usage_is_exit_code_2(run: Run) -> None:
    lines_of_error(run("predict", "aoa_deg=4"), code=2)
    for arguments in (
        ["predict"], ["predict", "body.vtu", "--tile", "none"], ["predict", "--nonsense"],
        ["predict", "body.vtu", "--tile", "0"], ["nonsense"], ["train"],
    ):  # fmt: skip
        assert run(*arguments).exit_code == 2


def test_two_results_on_one_path(run: Run) -> None:
    lines = lines_of_error(run("predict", "a.su2", "a.msh", *GIVEN))
    assert "both a.su2 and a.msh" in lines[1]


def test_an_internal_error_has_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("an unforeseen thing")

    monkeypatch.setattr(FakeSurrogate, "evaluate", fail)
    lines = lines_of_error(run("predict", "body.vtu", *GIVEN), code=2)
    assert "internal error" in lines[0]
    assert "an unforeseen thing" in lines[1]
    assert "MESHOP_DEBUG=1" in lines[2]
    assert run("predict", "body.vtu", "body.vtu", *GIVEN, "-o", "r").exit_code in (1, 2)
    monkeypatch.setenv("MESHOP_DEBUG", "1")
    result = CliRunner().invoke(app, ["predict", "body.vtu", *GIVEN])
    assert isinstance(result.exception, RuntimeError)


def test_ctrl_c_is_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeSurrogate, "evaluate", stop)
    Path("body.pred.vtu").write_bytes(b"old")
    result = run("predict", "body.vtu", *GIVEN)
    assert (result.exit_code, result.stdout) == (130, "")
    assert Path("body.pred.vtu").read_bytes() == b"old"


def test_split_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=4").touch()
    assert split_arguments(["x.vtu", "b=4", "a=4", "c.d-e=-1.5e-3", "./f=1.vtu"]) == (
        ["x.vtu", "a=4", "./f=1.vtu"], {"b": 4.0, "c.d-e": -1.5e-3},
    )  # fmt: skip
    with pytest.raises(ConditionError, match="not a number"):
        split_arguments(["b=3,5"])


# -- the other commands --------------------------------------------------------------------------


def test_info(run: Run) -> None:
    result = run("info", "body.vtu")
    assert result.exit_code == 0
    assert "576 (576 quad); dimension 2, in a plane" in result.stdout
    assert "96 facets: 48 wall, 48 far field" in result.stdout
    assert result.stdout.splitlines()[-1].split() == ["boundary", "point", "uint8", "1", "0", "2"]
    found = json.loads(run("info", "body.vtu", "--json").stdout)
    assert (found["schema"], found["types"]) == (1, {"quad": 576})
    lines_of_error(run("info", "absent.vtu"))


def test_models(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHOP_MODEL_PATH", str(Path.cwd()))
    Path("broken.safetensors").write_bytes(b"nonsense")
    result = run("models", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert "broken" not in [entry["name"] for entry in found["models"]]
    transolver = next(kind for kind in found["operators"] if kind["name"] == "transolver")
    assert "2402.02366" in transolver["paper"] and "C^2" in transolver["cost"]
    assert "wall-field: " in run("models").stdout
    assert "error: " in result.stderr
    lines_of_error(run("models", "show", "absent"))
    lines_of_error(run("models", "show", "broken"))


def test_doctor_tells_what_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert found["checks"]["read and write"]["ok"]
    assert found["checks"]["neighbours"]["ok"]
    assert found["checks"]["model"]["ok"], found["checks"]["model"]["note"]
    assert found["healthy"] == (result.exit_code == 0)
    Path("file").touch()
    monkeypatch.setenv("MESHOP_CACHE_DIR", "file/inside")
    result = run("doctor")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout


def test_train_passes_its_options_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    package = import_module("meshop.train")  # the module: meshop.train is its function
    calls = []

    class Result:
        surrogate, path, folder = FakeSurrogate(), Path("r/s.safetensors"), Path("r")
        card = {
            "families": {"naca": {
                "cases": 2,
                "surrogate": {"U near": {"mean": 0.05}, "Cl": {"mean": 0.01}},
                "nearest": {"U near": {"mean": 0.25}},
            }},
            "truth": [[1.0]],
        }  # fmt: skip

    def train(cases: Any, out: Any, **options: Any) -> Result:
        calls.append((cases, out, options))
        return Result()

    monkeypatch.setattr(package, "train", train)
    result = run(
        "train", "a.vtu", "cases", "-o", "r", "--targets", "U, p", "--units", "U=m/s",
        "--points", "0", "--devices", "2", "--precision", "bf16-mixed", "--resume",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    cases, out, options = calls[0]
    assert (cases, out) == (["a.vtu", "cases"], "r")
    assert options["targets"] == ["U", "p"]
    assert options["scalars"] is None
    assert options["units"] == {"U": "m/s"}
    assert (options["points"], options["devices"], options["resume"]) == (None, 2, True)
    table = [line.split() for line in result.stdout.splitlines()]
    assert ["U", "near", "5.00", "%", "25.00", "%", "-"] in table
    assert ["Cl", "0.01000", "-", "-"] in table
    found = json.loads(run("train", "a.vtu", "--json").stdout)
    assert "truth" not in found["card"]
    lines_of_error(run("train", "a.vtu", "--units", "U"))
