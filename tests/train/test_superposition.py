"""From files to predictions on physical inputs: an operator that is linear stays so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import meshop
from meshop.mesh import Mesh
from meshop.surrogate import Surrogate
from meshop.train import train
from tests.bench.tiny import cases
from tests.predict.fake import cylinder_flow, ring

BENO = {
    "width": 8, "layers": 1, "kernels": 2, "edge_width": 4, "rank": 2, "wall_layers": 1,
    "readers": 2,
}  # fmt: skip
FIELD = {"width": 8, "depth": 1, "latent": 4}
KNOWN = {"plane": {"inputs": ["f"], "wall_inputs": ["g"]}, "flow": {"inputs": ["f"]}}

pytestmark = pytest.mark.filterwarnings("ignore")


def plane(count: int, seed: int) -> list[Mesh]:
    """u = f + g, both known, and far from zero in the mean."""
    made = cases(count, seed, 40, known=True)
    for mesh in made:
        for name in ("f", "u"):
            mesh.point_data[name] = mesh.point_data[name] + 5.0
    return made


def flow(count: int, seed: int) -> list[Mesh]:
    """A flow whose strength is that of a known field: the potential flow explains it well."""
    random = np.random.default_rng(seed)
    made = []
    for a in random.uniform(0.7, 1.3, count):
        mesh = ring(20, 6, far=10.0, aoa_deg=3.0 + a)
        at = mesh.cell_centers()
        velocity, _ = cylinder_flow(at, 3.0 + a, 0.0)
        mesh.cell_data |= {"U": a * velocity, "f": a + 0.1 * at[:, 0]}
        made.append(mesh)
    return made


def trained(make, model: str, config: dict, folder: Path, **known) -> Surrogate:
    for i, mesh in enumerate(make(5, 0)):
        mesh.save(folder / f"case_{i}.vtu")
    result = train(
        [folder / f"case_{i}.vtu" for i in range(5)], folder / "run", model=model, steps=8,
        batch=2, points=20, workers=1, device="cpu", quiet=True, model_config=config, **known,
    )  # fmt: skip
    return Surrogate.load(result.path)


def superposed(make, found: Surrogate) -> tuple[np.ndarray, ...]:
    """Predictions of known fields one, two and 2 one - 3 two, on one mesh."""
    mesh, random = make(1, 9)[0], np.random.default_rng(4)
    schema, names = found.schema, (*found.spec.inputs, *found.spec.wall_inputs)
    one = {name: getattr(mesh, f"{schema.location}_data")[name] for name in names}
    two = {name: 7.0 + random.normal(size=values.shape) for name, values in one.items()}
    out = []
    for known in (one, two, {name: 2 * one[name] - 3 * two[name] for name in names}):
        getattr(mesh, f"{schema.location}_data").update(known)
        data = getattr(meshop.predict(mesh, model=found).mesh, f"{schema.location}_data")
        out.append(data[f"{schema.fields[0].name}_pred"])
    return tuple(out)


@pytest.mark.parametrize("make", [plane, flow])
def test_what_a_linear_surrogate_predicts_superposes(make, tmp_path: Path):
    found = trained(make, "beno", BENO, tmp_path, **KNOWN[make.__name__])
    one, two, both = superposed(make, found)
    assert np.abs(one - two).max() > 0.01 * np.abs(one).max()
    np.testing.assert_allclose(both, 2 * one - 3 * two, atol=2e-5 * np.abs(two).max(), rtol=0)


@pytest.mark.parametrize("make", [plane, flow])
def test_what_another_predicts_is_shifted_and_scaled(make, tmp_path: Path):
    found = trained(make, "wall-field", FIELD, tmp_path, **KNOWN[make.__name__])
    one, two, both = superposed(make, found)
    assert np.abs(both - (2 * one - 3 * two)).max() > 0.1 * np.abs(one).max()
    normaliser = found.normaliser
    assert normaliser.inputs_mean.all() and normaliser.field_shift.any()
    assert bool(normaliser.prior_mix.any()) == (make is flow)


def test_without_known_fields_there_is_nothing_to_keep_linear(tmp_path: Path):
    """The mean and the potential flow are taken off, as for any operator."""
    normaliser = trained(flow, "beno", BENO, tmp_path, targets=["U"]).normaliser
    assert normaliser.field_shift.any() and normaliser.prior_mix.any()
