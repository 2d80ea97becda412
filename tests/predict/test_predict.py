"""predict: what is added to the mesh, what is said about it, and what is left alone."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import meshop
from meshop.errors import ConditionError, MeshError, MeshFileError
from meshop.graph import GraphSpec, build_graph
from meshop.io import read
from meshop.mesh import Mesh
from meshop.predict import Prediction, picture_path, plan_outputs, predict, write
from meshop.surrogate import Evaluation, Field, Schema
from meshop.viz import _scene

from .fake import FakeSurrogate, cylinder_flow, extrude, ring

GIVEN = {"aoa_deg": 4.0, "reynolds": 3e6}


def run(mesh: Mesh, surrogate: Any = None, **options: Any) -> Prediction:
    return predict(mesh, surrogate or FakeSurrogate(), **(GIVEN | options))


def test_adds_fields_scalars_and_provenance() -> None:
    result = run(ring())
    mesh = result.mesh
    velocity, pressure = cylinder_flow(mesh.cell_centers(), 4.0, -0.4)
    np.testing.assert_array_equal(mesh.cell_data["U_pred"], velocity.astype(np.float32))
    np.testing.assert_array_equal(mesh.cell_data["p_pred"], pressure.astype(np.float32))
    assert mesh.field_data["Cl_pred"].item() == result.scalars["Cl"] == 0.8
    assert mesh.field_data["Cl_integrated"].item() == result.integrated["Cl"]
    assert "Cd_integrated" not in mesh.field_data
    flag = mesh.field_data["in_training_range"]
    assert flag.dtype == np.uint8
    assert flag.tolist() == [1]
    meta = json.loads(mesh.field_data["meshop_meta"].item())
    assert meta["meshop"] == meshop.__version__
    assert (meta["model"], meta["hash"], meta["conditions"]) == ("fake", "f" * 64, GIVEN)
    assert meta["units"]["p_pred"] == "U_inf^2"
    assert meta["arrays"]["cell"] == ["U_pred", "p_pred"]
    assert result.errors is None


def test_the_input_is_left_alone(tmp_path: Path) -> None:
    mesh = ring()
    mesh.cell_data["mine"] = np.arange(mesh.n_cells, dtype=np.int16)
    mesh.point_data["theirs"] = np.random.default_rng(0).random((mesh.n_points, 2), np.float32)
    mesh.save(tmp_path / "in.vtu")
    source = (tmp_path / "in.vtu").read_bytes()
    before = read(tmp_path / "in.vtu")
    result = predict(
        tmp_path / "in.vtu", FakeSurrogate(), tmp_path / "out.vtu", picture=False, **GIVEN
    )
    after = read(tmp_path / "out.vtu")
    assert (tmp_path / "in.vtu").read_bytes() == source
    for name in ("points", "cell_types", "cell_offsets", "cell_nodes"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.storage == before.storage
    for place in ("point_data", "cell_data", "field_data"):
        for name, values in getattr(before, place).items():
            kept = getattr(after, place)[name]
            assert kept.dtype == values.dtype
            assert kept.tobytes() == values.tobytes()
    assert list(after.cell_data)[: len(before.cell_data)] == list(before.cell_data)
    assert "mine" in result.mesh.cell_data
    assert not list(tmp_path.glob("*.png"))


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.vtu", "b.vtu"):
        predict(ring(), FakeSurrogate(), tmp_path / name, **GIVEN)
    assert (tmp_path / "a.vtu").read_bytes() == (tmp_path / "b.vtu").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_file_that_holds_the_truth_gets_errors() -> None:
    mesh = ring()
    velocity, pressure = cylinder_flow(mesh.cell_centers(), 4.0, -0.4)
    free = np.array([np.cos(np.radians(4)), np.sin(np.radians(4)), 0])
    mesh.cell_data["U"] = free + 0.8 * (velocity - free)  # so the prediction is 25 % too large
    mesh.cell_data["p"] = (0.5 * pressure).astype(np.float32)  # and here 100 %
    mesh.field_data["Cl"] = np.array([0.7])
    result = run(mesh)
    assert result.errors is not None
    for area in ("near", "whole"):
        assert result.errors[area]["U"] == pytest.approx(0.25, rel=0.01)
        assert result.errors[area]["p"] == pytest.approx(1.0, rel=0.01)
    assert result.errors["scalars"] == {"Cl": pytest.approx(0.1)}
    error = result.mesh.cell_data["U_error"]
    assert error.dtype == np.float32
    np.testing.assert_allclose(error, 0.2 * (velocity - free), atol=1e-6)
    assert result.mesh.cell_data["p_error"].shape == (mesh.n_cells,)


def test_errors_weigh_by_area_not_by_cell() -> None:
    # One error in the tiny cells at the wall, one in the large ones far away; the sums say which.
    mesh = ring()
    _, pressure = cylinder_flow(mesh.cell_centers(), 4.0, -0.4)
    area, far = mesh.cell_measures(), np.zeros(mesh.n_cells)
    far[-96:] = 0.01
    mesh.cell_data["p"] = pressure - far
    result = run(mesh)
    assert result.errors is not None
    truth = mesh.cell_data["p"]
    free = np.average(truth[-96:], weights=area[-96:])
    expected = np.sqrt(np.sum(area * far**2) / np.sum(area * (truth - free) ** 2))
    assert result.errors["whole"]["p"] == pytest.approx(expected, rel=1e-3)
    assert result.errors["near"]["p"] < 1e-3 * result.errors["whole"]["p"]


def test_a_file_of_another_shape_is_no_truth() -> None:
    mesh = ring()
    mesh.cell_data["p"] = np.zeros((mesh.n_cells, 4))
    mesh.cell_data["U"] = np.full((mesh.n_cells, 3), np.nan)
    assert run(mesh).errors is None


# -- conditions ----------------------------------------------------------------------------------


def test_conditions_come_from_the_call_then_the_file() -> None:
    mesh = ring(aoa_deg=2.0, reynolds=2e6)
    assert predict(mesh, FakeSurrogate()).conditions == {"aoa_deg": 2.0, "reynolds": 2e6}
    assert predict(mesh, FakeSurrogate(), aoa_deg=5).conditions["aoa_deg"] == 5.0


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"aoa_deg": 4.0}, ["reynolds", "missing", "1e+06 to 6e+06", "reynolds="]),
        ({"reynolds": 3e6}, ["aoa_deg", "-4 to 12 deg", "try: aoa_deg=4"]),
        ({"aoa": 4.0, "reynolds": 3e6}, ["'aoa'", "try: aoa_deg=4"]),
        (GIVEN | {"reynods": 3e6}, ["'reynods'", "try: reynolds="]),
        (GIVEN | {"aoa_deg": float("nan")}, ["aoa_deg=nan", "finite"]),
        (GIVEN | {"reynolds": -1.0}, ["reynolds=-1", "positive"]),
    ],
)
def test_bad_conditions(conditions: dict[str, float], words: list[str]) -> None:
    with pytest.raises(ConditionError) as caught:
        predict(ring(), FakeSurrogate(), **conditions)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    "values", [np.array([1.0, 2.0]), np.array(["four"]), np.array([np.nan]), np.array([])]
)
def test_useless_field_data_is_named_unless_the_call_overrules_it(values: np.ndarray) -> None:
    mesh = ring(reynolds=3e6)
    mesh.field_data["aoa_deg"] = values
    with pytest.raises(ConditionError, match="aoa_deg: the mesh's field data"):
        predict(mesh, FakeSurrogate())
    assert predict(mesh, FakeSurrogate(), aoa_deg=1.0).conditions["aoa_deg"] == 1.0


def test_out_of_range_is_a_warning_and_a_flag() -> None:
    result = run(ring(), aoa_deg=15.0)
    assert not result.in_range
    assert result.mesh.field_data["in_training_range"].tolist() == [0]
    assert any("aoa_deg = 15" in text and "-4 to 12" in text for text in result.warnings)


def test_disagreement_of_the_two_lifts_is_a_warning() -> None:
    mesh = ring(around=720, layers=200)
    honest = run(mesh)
    assert honest.disagreement["Cl"] < 0.05
    assert not any("Cl" in text for text in honest.warnings)
    wrong = run(mesh, FakeSurrogate(head=0.1))
    assert wrong.disagreement["Cl"] == pytest.approx(0.1, abs=0.05)
    assert any(text.startswith("Cl is 0.9000 by the scalar head") for text in wrong.warnings)
    assert wrong.in_range


def test_no_coefficients_where_the_free_stream_is_not_one() -> None:
    class Metres(FakeSurrogate):
        def evaluate(self, *args: Any, **kwargs: Any) -> Any:
            result = super().evaluate(*args, **kwargs)
            result.fields["U"] = 40 * result.fields["U"]
            return result

    result = run(ring(), Metres())
    assert result.integrated == {}
    assert "Cl_integrated" not in result.mesh.field_data


@pytest.mark.parametrize("device", ["gpu", "cuda:zero", "cuda"])
def test_a_device_that_is_not_there(device: str) -> None:
    import torch

    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConditionError, match=device):
        run(ring(), device=device)


# -- arrays that are there already ---------------------------------------------------------------


def test_a_second_prediction_replaces_the_first() -> None:
    first = run(ring(), aoa_deg=1.0)
    first.mesh.cell_data["kept_pred"] = np.ones(first.mesh.n_cells)
    second = run(first.mesh)
    fresh = run(ring())
    assert second.mesh.field_data["meshop_meta"].item() == fresh.mesh.field_data["meshop_meta"]
    np.testing.assert_array_equal(second.mesh.cell_data["U_pred"], fresh.mesh.cell_data["U_pred"])
    assert "kept_pred" in second.mesh.cell_data


@pytest.mark.parametrize("name", ["U_pred", "p_pred"])
def test_an_array_of_the_users_is_never_replaced(name: str) -> None:
    mesh = ring()
    mesh.cell_data[name] = np.ones(mesh.n_cells)
    with pytest.raises(MeshError, match=f"'{name}'"):
        run(mesh)
    mesh = ring()
    mesh.field_data["meshop_meta"] = np.array(["not JSON"])
    with pytest.raises(MeshError, match="meshop_meta"):
        run(mesh)


# -- where results go ----------------------------------------------------------------------------


def test_outputs(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert plan_outputs(["a/airfoil.su2"], None) == [Path("a/airfoil.pred.vtu")]
    assert plan_outputs(["a/x.vtu"], folder) == [tmp_path / "x.pred.vtu"]
    assert plan_outputs(["a/x.vtu"], f"{folder}/new/") == [tmp_path / "new/x.pred.vtu"]
    assert plan_outputs(["a/x.vtu"], f"{folder}/y.vtu") == [tmp_path / "y.vtu"]
    assert plan_outputs(["x.vtu", "y.vtu"], f"{folder}/new") == [
        tmp_path / "new/x.pred.vtu", tmp_path / "new/y.pred.vtu",
    ]  # fmt: skip


def test_outputs_of_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wing_2.5", "other"):
        extrude(ring(12, 3)).save(f"{tmp_path / name}/")
    monkeypatch.chdir(tmp_path)
    beside = Path("wing_2.5.pred.vtu")
    for source in ("wing_2.5", "wing_2.5/", "./wing_2.5/wing_2.5.foam", "wing_2.5/constant",
                   "wing_2.5/system/controlDict", "wing_2.5/constant/polyMesh"):  # fmt: skip
        assert plan_outputs([source], None) == [beside]
    assert plan_outputs([tmp_path / "other"], None) == [tmp_path / "other.pred.vtu"]
    assert plan_outputs(["other", "wing_2.5"], None) == [Path("other.pred.vtu"), beside]
    assert plan_outputs(["other"], "other/") == [Path("other")]
    assert plan_outputs(["other"], "new/") == [Path("new/other.pred.vtu")]
    assert picture_path("wing_2.5") == Path("wing_2.5.pred.png")
    monkeypatch.chdir(tmp_path / "other")
    assert plan_outputs(["."], None) == [Path("../other.pred.vtu")]
    with pytest.raises(MeshFileError, match="one case"):
        plan_outputs(["a.vtu", "b.vtu"], tmp_path / "other")


def test_predictions_are_written_as_vtu_alone(tmp_path: Path) -> None:
    with pytest.raises(MeshFileError, match=r"\.vtu"):
        plan_outputs(["body.su2"], tmp_path / "body.su2.stl")
    with pytest.raises(MeshFileError, match="folder"):
        plan_outputs([tmp_path], None)


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    source, other = tmp_path / "x.vtu", tmp_path / "x.pred.vtu"
    source.write_text("")
    os.symlink(source, tmp_path / "link.vtu")
    for sources, out, word in (
        ([source], source, "input file"),
        ([source], tmp_path / "link.vtu", "input file"),
        ([source, other], None, "input file"),
        ([tmp_path / "x.su2", tmp_path / "x.msh"], None, "both"),
        ([source], tmp_path / "absent/y.vtu", "does not exist"),
        ([tmp_path / "y.vtu", tmp_path / "z.vtu"], source, "one file"),
    ):
        with pytest.raises(MeshFileError, match=word):
            plan_outputs(sources, out)
    assert source.read_text() == ""


def test_a_picture_that_fails_costs_a_warning_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Prediction, path: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Prediction, "picture", fail)
    result = run(ring())
    assert write(result, tmp_path / "x.vtu") is None
    assert (tmp_path / "x.vtu").exists()
    assert any("disk full" in text for text in result.warnings)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.nonsense"
    target.write_bytes(b"old")
    with pytest.raises(MeshFileError):
        run(ring(), out=target)
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.nonsense"]


# -- models of other kinds -----------------------------------------------------------------------


class Simple(FakeSurrogate):
    """One field T = x and no scalars, on points or cells, in 2-D or 3-D."""

    def __init__(self, location: str, dim: int) -> None:
        super().__init__()
        self.location = location
        self.spec = GraphSpec.model_validate({"location": location, "dim": dim})
        field = Field(name="T", components=1, constant=(None,))
        self.schema = Schema(
            location=location, dim=dim, fields=(field,), scalars=(), conditions=(),
            extent=(0, 9), thickness=(0, 1),
        )  # fmt: skip

    def evaluate(self, mesh: Mesh, *args: Any, **options: Any) -> Evaluation:
        graph = build_graph(mesh, {}, self.spec)
        place = mesh.points if self.location == "point" else mesh.cell_centers()
        return Evaluation({"T": place[:, 0].astype(np.float32)}, {}, [], True, {}, graph)


def test_fields_on_points(tmp_path: Path) -> None:
    mesh = ring(aoa_deg=1.0)
    mesh.point_data["T"] = 0.5 * mesh.points[:, 0]
    result = predict(mesh, Simple("point", 2), tmp_path / "x.vtu")
    assert "T_pred" not in result.mesh.cell_data
    np.testing.assert_allclose(result.mesh.point_data["T_error"], 0.5 * mesh.points[:, 0])
    assert result.integrated == result.scalars == {}
    assert result.errors is not None
    assert result.errors["whole"]["T"] == pytest.approx(1.0, rel=0.01)
    assert (tmp_path / "x.png").stat().st_size > 10_000


@pytest.mark.parametrize(("axis", "axes"), [(2, [0, 1, 2]), (1, [0, 2, 1]), (0, [1, 2, 0])])
def test_one_layer_of_volumes_is_a_plane_mesh(axis: int, axes: list[int]) -> None:
    plane = ring(48, 12)
    layer = extrude(plane, axis)
    layer.cell_data["U"] = np.arange(3 * layer.n_cells, dtype=float).reshape(-1, 3)
    want, found = run(plane), run(layer)
    assert found.scalars == want.scalars
    assert found.integrated["Cl"] == pytest.approx(want.integrated["Cl"], rel=1e-12)
    turned = found.mesh.cell_data["U_pred"][:, axes]
    np.testing.assert_array_equal(turned, want.mesh.cell_data["U_pred"])
    np.testing.assert_array_equal(found.mesh.cell_data["p_pred"], want.mesh.cell_data["p_pred"])
    assert found.mesh.n_points == 2 * plane.n_points
    assert found.plane is not None
    assert found.plane.n_points == plane.n_points
    np.testing.assert_array_equal(found.mesh.cell_data["U"], layer.cell_data["U"])


def test_a_layer_with_values_on_points() -> None:
    layer = extrude(ring(24, 6))
    result = predict(layer, Simple("point", 2))
    np.testing.assert_allclose(result.mesh.point_data["T_pred"], layer.points[:, 0], rtol=1e-6)


def test_what_is_no_solution_is_not_compared() -> None:
    mesh = ring()
    mesh.cell_data["U"] = np.tile([51.5, 0.0, 0.0], (mesh.n_cells, 1))  # how cases start
    assert run(mesh).errors is None
    mesh.cell_data["U"] = 51.5 * cylinder_flow(mesh.cell_centers(), 4.0, -0.4)[0]
    result = run(mesh)
    assert result.errors is None
    assert any("free stream of U in the file is 51.5" in text for text in result.warnings)


def test_a_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scene, "_CHILD", "raise SystemExit(1)")
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], float)
    mesh = Mesh.from_blocks(corners, [("tetra", [[0, 1, 2, 3], [1, 2, 3, 4]])])
    mesh.cell_data["T"] = np.array([0, 1], np.float32)
    result = predict(mesh, Simple("cell", 3), tmp_path / "x.vtu")
    assert read(tmp_path / "x.vtu").cell_data["T_pred"].tolist() == [0.25, 0.5]
    assert result.warnings == []
    assert result.errors is not None
    assert set(result.errors) == {"whole", "scalars"}
    assert (tmp_path / "x.png").stat().st_size > 5_000
