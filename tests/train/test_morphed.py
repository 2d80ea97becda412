"""MMGP as a surrogate: trained, saved, loaded, used on the command line; bands and warnings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from typer.testing import CliRunner

import meshop
from meshop.cli import app
from meshop.errors import ConditionError, MeshError, SurrogateError
from meshop.mesh import Mesh
from meshop.predict import predict
from meshop.reduced import GaussianProcess
from meshop.surrogate import MorphedSurrogate, Surrogate
from meshop.surrogate._files import digest
from meshop.train import TrainResult, train
from tests.cases import write_cases


def panel(random: np.random.Generator, solved: bool = True, **wanted: float) -> Mesh:
    """A parallelogram meshed by itself: T at points, or q on cells, and the scalar `drag`."""
    lx, ly, angle, power = random.uniform([1, 1, 1.1, 1], [2, 2, 2, 5])
    lx, ly, angle, power = (
        wanted.get(name, value)
        for name, value in zip(("lx", "ly", "angle", "power"), (lx, ly, angle, power), strict=True)
    )
    nx, ny = random.integers(9, 13, 2)
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(0, 1, nx + 1), np.linspace(0, 1, ny + 1)))
    node = np.arange((nx + 1) * (ny + 1)).reshape(ny + 1, nx + 1)
    quads = np.stack([node[:-1, :-1], node[:-1, 1:], node[1:, 1:], node[1:, :-1]], -1)
    points = np.column_stack([lx * x + ly * y * np.cos(angle), ly * y * np.sin(angle)])
    mesh = Mesh.from_blocks(points, [("quad", quads.reshape(-1, 4))])
    mesh.field_data["power"] = np.array([power])
    if solved:
        mesh.point_data["T"] = np.sin(2 * x) + np.log(power) * y**2 * lx
        mesh.field_data["drag"] = np.array([lx * power])
    return mesh


def write_panels(folder: Path, count: int, cells: bool = False, **wanted: float) -> None:
    random = np.random.default_rng(0)
    for i in range(count):
        mesh = panel(random, **wanted)
        if cells:
            mesh.cell_data["q"] = mesh.p1().cell_gradient(mesh.point_data.pop("T"))[:, :2]
        mesh.save(folder / f"panel_{i:02d}.vtu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("panels")
    write_panels(folder, 26, angle=1.3)
    return train([folder], folder / "run", model="mmgp", validation=0.2, quiet=True, workers=1)


def test_training_beats_the_nulls_with_bands_that_hold(run: TrainResult):
    table = run.card["families"]["panel"]
    found = table["surrogate"]["T whole"]
    assert found["mean"] < 0.02 < table["nearest"]["T whole"]["mean"] / 5
    assert 5 * table["surrogate"]["drag"]["mean"] < table["nearest"]["drag"]["mean"]
    assert found["in_bands"] > 0.6
    text = (run.folder / "validation.md").read_text()
    assert "in 90 % bands" in text.splitlines()[0]
    assert all(line.count("|") == text.splitlines()[0].count("|") for line in text.splitlines())
    settings = json.loads((run.folder / "config.json").read_text())
    assert settings["model"] == "mmgp" and "lr" not in settings
    schema = run.surrogate.schema
    assert schema.conditions[0].log and [s.name for s in schema.scalars] == ["drag"]


def test_save_and_load_is_exact_and_predictions_carry_their_bands(run: TrainResult, tmp_path: Path):
    loaded = Surrogate.load(run.path)
    assert isinstance(loaded, MorphedSurrogate) and loaded.hash == run.surrogate.hash
    mesh = panel(np.random.default_rng(7), angle=1.3)
    first = predict(mesh, run.surrogate)
    result = predict(mesh, loaded, out=tmp_path / "out.vtu", picture=False)
    for name in ("T_pred", "T_std"):
        np.testing.assert_array_equal(result.mesh.point_data[name], first.mesh.point_data[name])
    assert result.scalars == first.scalars and result.in_range and not result.warnings
    written = meshop.read(tmp_path / "out.vtu")
    band = 1.645 * written.point_data["T_std"]
    np.testing.assert_allclose(result.bands["T"], band, rtol=1e-3)
    inside = np.abs(written.point_data["T_error"]) <= band
    assert inside.mean() > 0.5
    assert written.field_data["drag_std"][0] * 1.645 == pytest.approx(
        result.bands["drag"], rel=1e-3
    )
    assert result.errors is not None and result.errors["whole"]["T"] < 0.03


def test_what_is_out_of_range_is_said(run: TrainResult):
    strange = predict(panel(np.random.default_rng(1), lx=7.0, angle=1.3), run.surrogate)
    assert not strange.in_range
    assert any("shape's coordinate" in text for text in strange.warnings)
    hot = predict(panel(np.random.default_rng(1), power=50.0, angle=1.3), run.surrogate)
    assert any("power = 50" in text for text in hot.warnings)
    wide, usual = (float(r.bands["drag"]) for r in (strange, hot))
    assert min(wide, usual) > 0
    points = np.array([[0.0, 0], [1, 0], [0.5, 1]])
    triangle = Mesh.from_blocks(points, [("triangle", np.array([[0, 1, 2]]))])
    with pytest.raises(MeshError, match="expected 4 corners, found 3"):
        predict(triangle, run.surrogate, power=2.0)


def test_a_file_that_does_not_fit_itself_is_one_clear_error(run: TrainResult, tmp_path: Path):
    with safe_open(run.path, framework="pt") as file:
        header = json.loads(file.metadata()["meshop"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    header.pop("hash")
    for name, value in (
        ("mmgp.modes", tensors["mmgp.modes"][:, 1:]),
        ("mmgp.splits", tensors["mmgp.splits"] * -1),
        ("mmgp.reference.chart_triangles", tensors["mmgp.reference.chart_triangles"] + 10**6),
        ("mmgp.process.kernels", tensors["mmgp.process.kernels"] + 99),
        ("mmgp.process.lengths", tensors["mmgp.process.lengths"] * float("nan")),
        ("mmgp.keep.place", None),
        ("mmgp.keep.place", tensors["mmgp.keep.place"][:1]),
        ("mmgp.splits", tensors["mmgp.splits"][:0]),
        ("mmgp.shape.range", tensors["mmgp.shape.range"][:, :1]),
        ("mmgp.scalar_factor", tensors["mmgp.scalar_factor"].repeat(2)),
        ("mmgp.factor", tensors["mmgp.factor"][:, None]),
        # Of few bytes, and gigabytes if believed.
        ("mmgp.reference.chart_nodes", tensors["mmgp.reference.chart_nodes"] + 10**12),
        ("mmgp.reference.share", tensors["mmgp.reference.share"][:1]),
        ("mmgp.reference.landmarks", tensors["mmgp.reference.landmarks"][:0]),
        ("mmgp.process.x", torch.zeros(10**6, 1, dtype=torch.float64)),
        ("mmgp.process.z", tensors["mmgp.process.z"][:, 0]),
    ):
        bad = dict(tensors) | {name: value} if value is not None else dict(tensors)
        if value is None:
            del bad[name]
        bad = {key: tensor.contiguous() for key, tensor in bad.items()}
        refused(header, bad, tmp_path)
    fewer = header["schema"] | {"scalars": []}
    elsewhere = header["operator"] | {"config": header["operator"]["config"] | {"location": "cell"}}
    for part in ({"schema": fewer}, {"operator": elsewhere}):
        refused(header | part, tensors, tmp_path)


def refused(header: dict[str, Any], tensors: dict[str, torch.Tensor], folder: Path) -> None:
    text = json.dumps(header | {"hash": digest(header, tensors)})
    path = folder / "bad.safetensors"
    path.write_bytes(to_bytes(tensors, metadata={"meshop": text}))
    with pytest.raises(SurrogateError, match="does not fit its own header"):
        Surrogate.load(path)


def test_fields_on_cells_and_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(GaussianProcess.__init__, "__defaults__", (256, 20))  # steps: quick
    alike = {"ly": 1.5, "angle": 1.3}
    write_panels(tmp_path, 12, cells=True, **alike)
    out, folder = tmp_path / "run", str(tmp_path)
    command = ["train", folder, "--model", "mmgp", "-o", str(out), "--workers", "1", "--targets",
               "q", "--validation", "0.15"]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "in 90 % bands" in result.output
    mesh = panel(np.random.default_rng(3), solved=False, **alike)
    mesh.save(tmp_path / "new.vtu")
    result = CliRunner().invoke(
        app, ["predict", str(tmp_path / "new.vtu"), "-m", str(out), "--no-picture", "--json"]
    )
    assert result.exit_code == 0, result.output
    entry = json.loads(result.stdout)["results"][0]
    assert entry["bands"]["drag"] > 0
    written = meshop.read(entry["output"])
    assert written.cell_data["q_pred"].shape == written.cell_data["q_std"].shape
    truth = panel(np.random.default_rng(3), **alike)
    flux = truth.p1().cell_gradient(truth.point_data["T"])[:, :2]
    miss = written.cell_data["q_pred"][:, :2] - flux
    assert np.linalg.norm(miss) < 0.1 * np.linalg.norm(flux)
    assert (written.cell_data["q_std"][:, 2] == 0).all()
    shown = CliRunner().invoke(app, ["models", "show", str(out)])
    assert shown.exit_code == 0 and "mmgp" in shown.output


def brick(random: np.random.Generator) -> Mesh:
    """Hexahedra in a sheared box, with T at their points and q on them."""
    lx, shear, power = random.uniform([1, 0, 1], [2, 0.5, 3])
    axes = [np.linspace(0, 1, n + 1) for n in random.integers(4, 7, 3)]
    x, y, z = (v.ravel() for v in np.meshgrid(*axes, indexing="ij"))
    node = np.arange(len(x)).reshape([len(a) for a in axes])
    corners = [node[a : a - 1 or None, b : b - 1 or None, c : c - 1 or None].ravel()
               for c in (0, 1) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]  # fmt: skip
    points = np.column_stack([lx * x + shear * y, y, z])
    mesh = Mesh.from_blocks(points, [("hexahedron", np.stack(corners, 1))])
    mesh.point_data["T"] = np.sin(2 * x) * (1 + z) + power**2 * y**2 * lx
    mesh.field_data["power"] = np.array([power])
    return mesh


def test_solid_cases_are_learned_and_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GaussianProcess.__init__, "__defaults__", (256, 20))  # steps: quick
    random = np.random.default_rng(0)
    for i in range(18):
        brick(random).save(tmp_path / f"brick_{i:02d}.vtu")
    run = train([tmp_path], tmp_path / "run", model="mmgp", validation=0.2, quiet=True, workers=1)
    table = run.card["families"]["brick"]
    assert table["surrogate"]["T whole"]["mean"] < 0.03 < table["nearest"]["T whole"]["mean"] / 2
    loaded = Surrogate.load(run.path)
    mesh = brick(random)
    result = predict(mesh, loaded)
    assert result.errors is not None and result.errors["whole"]["T"] < 0.05
    first = predict(mesh, run.surrogate)
    for name in ("T_pred", "T_std"):
        np.testing.assert_array_equal(result.mesh.point_data[name], first.mesh.point_data[name])
    mesh.points[:, 2] *= 4
    assert any("shape's coordinate" in text for text in predict(mesh, loaded).warnings)
    with safe_open(run.path, framework="pt") as file:
        header = json.loads(file.metadata()["meshop"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    header.pop("hash")
    cells = "mmgp.reference.simplices"
    for bad in (tensors[cells] + 10**12, tensors[cells][:, :3], tensors[cells][:1]):
        refused(header, tensors | {cells: bad.contiguous()}, tmp_path)


def test_what_it_is_not_for_is_refused_before_it_costs(tmp_path: Path):
    paths = write_cases(tmp_path, 5)
    with pytest.raises(ConditionError, match="no known arrays"):
        train(paths, tmp_path / "run", model="mmgp", targets=["U"], inputs=["p"], quiet=True)
    with pytest.raises(ConditionError, match="it has no width"):
        train(paths, tmp_path / "run", model="mmgp", model_config={"width": 3}, quiet=True)
    with pytest.raises(ConditionError, match="--minutes and --resume"):
        train(paths, tmp_path / "run", model="mmgp", minutes=1.0, quiet=True)
    assert not (tmp_path / "run").exists()
