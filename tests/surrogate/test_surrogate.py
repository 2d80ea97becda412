import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save as to_bytes

from meshop.errors import ConditionError, MeshError, SurrogateError
from meshop.graph import GraphSpec, LevelSpec, build_graph
from meshop.surrogate import Condition, Field, Scalar, Schema, Sizes, Surrogate, available
from meshop.surrogate._files import digest
from tests.meshes import box, ring

SPEC = GraphSpec(
    conditions=("aoa_deg", "reynolds"), direction="aoa_deg", external=True, potential=True
)
SCHEMA = Schema(
    location="cell",
    dim=2,
    fields=(
        Field(name="U", components=3, constant=(None, None, 0.0)),
        Field(name="p", components=1, constant=(None,)),
    ),
    scalars=(Scalar(name="Cl"), Scalar(name="Cd")),
    conditions=(
        Condition(name="aoa_deg", low=-4, high=12, units="deg"),
        Condition(name="reynolds", low=1e6, high=6e6, log=True),
    ),
    extent=(0.9, 1.2),
    thickness=(0.05, 0.4),
)
GIVEN = {"aoa_deg": 3, "reynolds": 2e6}


def small(seed: int = 0) -> Surrogate:
    torch.manual_seed(seed)
    g = build_graph(ring(24, 5), GIVEN, SPEC)
    sizes = Sizes(
        features=g.x.shape[1], tokens=g.wall_x.shape[1], cond=2, out=3, scalars=2, prior=3, lift=1
    )
    found = Surrogate(
        SCHEMA, SPEC, "wall-field", {"width": 16, "depth": 2, "latent": 8}, sizes=sizes,
        card={"cases": 1}, meta={"seed": seed}, name="small",
    )  # fmt: skip
    found.normaliser.prior_mix[:, :3] = torch.eye(3)
    return found


def test_save_and_load_is_exact(tmp_path: Path):
    first = small()
    first.save(tmp_path / "m.safetensors")
    second = Surrogate.load(tmp_path / "m.safetensors")
    assert second.hash == first.hash and len(second.hash) == 64
    assert second.schema == SCHEMA and second.spec == SPEC
    assert (second.card, second.meta, second.name) == ({"cases": 1}, {"seed": 0}, "small")
    mesh = ring(30, 6)
    a, b = first.evaluate(mesh, GIVEN), second.evaluate(mesh, GIVEN)
    for name, values in a.fields.items():
        np.testing.assert_array_equal(values, b.fields[name])
    assert a.scalars == b.scalars
    assert not list(tmp_path.glob(".*"))


def test_an_older_file_has_fewer_widths_and_scales(tmp_path: Path):
    """Those of before known fields and positions; the header names widths as it always did."""
    path, first = tmp_path / "m.safetensors", small()
    first.save(path)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["meshop"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    known = {"features", "tokens", "cond", "out", "scalars", "prior", "lift"}
    later = {"inputs", "wall_inputs", "dim", "boxes"}
    assert set(header["sizes"]) == known | later
    assert set(header["operator"]["config"]) == {"width", "depth", "latent"}
    header["sizes"] = {name: header["sizes"][name] for name in known}
    start = tuple(f"normaliser.{name}_" for name in ("pos", "inputs", "wall_inputs"))
    tensors = {key: value for key, value in tensors.items() if not key.startswith(start)}
    del header["hash"]
    header["hash"] = digest(header, tensors)
    path.write_bytes(to_bytes(tensors, metadata={"meshop": json.dumps(header)}))
    second, mesh = Surrogate.load(path), ring(30, 6)
    assert second.sizes == first.sizes and second.operator.widths == first.sizes
    for name, values in first.evaluate(mesh, GIVEN).fields.items():
        np.testing.assert_array_equal(values, second.evaluate(mesh, GIVEN).fields[name])


def test_the_shipped_model_has_the_widths_of_its_graphs():
    found, mesh = Surrogate.load("airfoil-rans"), ring(24, 5)
    g = build_graph(mesh, found.schema.check_conditions(GIVEN)[0], found.spec)
    widths = found.operator.widths
    assert (widths.nodes, widths.walls) == (g.x.shape[1] + 2, g.wall_x.shape[1] + 2)
    assert (widths.out, widths.scalars, widths.dim) == (4, len(found.schema.scalars), 2)


def test_constant_components_are_filled_in():
    found = small().evaluate(ring(24, 5), GIVEN)
    assert found.fields["U"].shape == (24 * 6, 3) and found.fields["p"].shape == (24 * 6,)
    assert np.all(found.fields["U"][:, 2] == 0.0)


def test_residual_of_the_potential_flow_vanishes_far_away():
    mesh = ring(24, 8, radius=3000)
    found = small().evaluate(mesh, GIVEN)
    far = found.graph.kind.numpy() == 2
    angle = np.radians(3)
    np.testing.assert_allclose(found.fields["U"][far, 0], np.cos(angle), atol=5e-3)


def test_tiled_equals_whole():
    mesh = ring(40, 9)
    whole, tiled = small().evaluate(mesh, GIVEN), small().evaluate(mesh, GIVEN, tile=37)
    for name, values in whole.fields.items():
        np.testing.assert_allclose(values, tiled.fields[name], rtol=1e-5, atol=1e-6)


def test_places_of_levels_are_scaled_as_those_of_nodes():
    surrogate = small()
    spec = SPEC.model_copy(update={"levels": LevelSpec(method="farthest", count=2)})
    graph = build_graph(ring(24, 5), GIVEN, spec)
    surrogate.normaliser.pos_shift[:] = torch.tensor([0.5, -0.25])
    surrogate.normaliser.pos_scale.fill_(4.0)
    ready = surrogate.normaliser.inputs(graph)
    for level, before in zip(ready.levels, graph.levels, strict=True):
        place = (level.pos[:, None] - ready.pos[None]).norm(dim=2).amin(1)
        assert float(place.max()) < 1e-6 and len(level.pos) > 1  # samples are nodes
        assert before.pos.shape[1] == 3  # what was given stays


def test_conditions_are_checked():
    mesh, found = ring(24, 5), small()
    with pytest.raises(ConditionError, match="'reynolds' is missing"):
        found.evaluate(mesh, {"aoa_deg": 1})
    with pytest.raises(ConditionError) as error:
        found.evaluate(mesh, {**GIVEN, "aoa": 1})
    assert "try: aoa_deg=1" in str(error.value)
    for bad in ("fast", float("nan"), -1e6):
        with pytest.raises(ConditionError, match="reynolds"):
            found.evaluate(mesh, {"aoa_deg": 1, "reynolds": bad})


def test_out_of_range_warns_and_does_not_refuse():
    mesh = ring(24, 5)
    assert small().evaluate(mesh, GIVEN).in_range
    outside = small().evaluate(mesh, {"aoa_deg": 20, "reynolds": 2e6})
    assert not outside.in_range and "aoa_deg = 20" in outside.warnings[0]
    large = mesh.copy()
    large.points = 10 * mesh.points
    assert "extent" in small().evaluate(large, GIVEN).warnings[0]


def test_wrong_mesh_is_refused():
    with pytest.raises(MeshError, match="3-D mesh"):
        small().evaluate(box(2), GIVEN)


def test_altered_and_foreign_files_are_refused(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    small().save(path)
    whole = bytearray(path.read_bytes())
    whole[-5] ^= 1
    path.write_bytes(whole)
    with pytest.raises(SurrogateError, match="altered"):
        Surrogate.load(path)
    path.write_bytes(b"\x89PNG not a model")
    with pytest.raises(SurrogateError, match="no readable surrogate"):
        Surrogate.load(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path, metadata={"meshop": json.dumps({"format": "other"})})
    with pytest.raises(SurrogateError, match="no meshop surrogate"):
        Surrogate.load(path)
    with pytest.raises(SurrogateError, match="installed ones are"):
        Surrogate.load(tmp_path / "nothing")


@settings(max_examples=40)
@given(st.integers(0, 4000), st.integers(0, 255))
def test_any_flipped_byte_is_an_error_or_harmless(tmp_path_factory, at: int, value: int):
    path = tmp_path_factory.mktemp("m") / "m.safetensors"
    small().save(path)
    data = bytearray(path.read_bytes())
    same = data[at % len(data)] == value
    data[at % len(data)] = value
    path.write_bytes(data)
    try:
        Surrogate.load(path)
    except SurrogateError:
        assert not same


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "m.safetensors"
    small().save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        small(1).save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_models_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small().save(tmp_path / "mine.safetensors")
    monkeypatch.setenv("MESHOP_MODEL_PATH", str(tmp_path))
    assert available()["mine"] == tmp_path / "mine.safetensors"
    assert Surrogate.load("mine").name == "small"


def test_a_wrong_unit_of_length_comes_with_its_remedy():
    large = ring(24, 5)
    large.points = 1000 * large.points
    (warning,) = (w for w in small().evaluate(large, GIVEN).warnings if "extent" in w)
    assert "scale the mesh by 0.00" in warning
