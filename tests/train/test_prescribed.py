"""From files to predictions: values that are prescribed on the boundary hold in physical units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import meshop
from meshop.surrogate import Surrogate
from meshop.train import train
from tests.bench.tiny import cases

pytestmark = pytest.mark.filterwarnings("ignore")


def test_boundary_values_come_back_as_they_were_given(tmp_path: Path):
    for i, mesh in enumerate(cases(5, 0, 40, known=True)):
        mesh.point_data["u"] = 30 * mesh.point_data["u"] + 500.0
        mesh.save(tmp_path / f"case_{i}.vtu")
    found = train(
        [tmp_path / f"case_{i}.vtu" for i in range(5)], tmp_path / "run", model="spon", steps=4,
        batch=2, workers=1, device="cpu", quiet=True, inputs=["f", "g"],
        model_config={"width": 8, "levels": 1, "rounds": 1, "given": [1]},
    )  # fmt: skip
    mesh = cases(1, 9, 60, known=True)[0]
    given = np.random.default_rng(0).normal(500.0, 30.0, mesh.n_points)
    mesh.point_data["g"] = given
    result = meshop.predict(mesh, model=Surrogate.load(found.path)).mesh.point_data["u_pred"]
    edge = np.unique(mesh.p1().boundary.nodes)
    assert 5 < len(edge) < mesh.n_points
    np.testing.assert_allclose(result[edge], given[edge], rtol=1e-6)
    inner = np.setdiff1d(np.arange(mesh.n_points), edge)
    assert np.abs(result[inner] - given[inner]).min() > 1e-3
