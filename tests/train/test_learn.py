"""What `train` gives an operator to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshop.models.grid_field import GridField
from meshop.models.wall_field import WallField
from meshop.train import train
from tests.bench.tiny import cases

FIELD = {"width": 8, "depth": 1, "latent": 4}
GRID = {**FIELD, "grid": 4, "channels": 4, "modes": 1, "layers": 1}

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("kind", "config", "known", "whole"),
    [
        (WallField, FIELD, ["f"], False),
        (GridField, GRID, [], False),
        (GridField, GRID, ["f"], True),  # its grid sums known fields over all nodes
    ],
)
def test_nodes_are_subsampled_where_a_node_needs_no_other(
    kind: type, config: dict, known: list, whole: bool, tmp_path: Path, monkeypatch
):
    seen, outputs = set(), kind.outputs

    def watched(self, graph):
        if self.training:
            seen.update(graph.ptr.diff().tolist())
        return outputs(self, graph)

    monkeypatch.setattr(kind, "outputs", watched)
    made = cases(5, 0, 40, known=True)
    for i, mesh in enumerate(made):
        mesh.save(tmp_path / f"case_{i}.vtu")
    train(
        [tmp_path / f"case_{i}.vtu" for i in range(5)], tmp_path / "run", targets=["u"],
        inputs=known, model={WallField: "wall-field", GridField: "grid-field"}[kind],
        model_config=config, steps=4, batch=2, points=20, workers=1, device="cpu", quiet=True,
    )  # fmt: skip
    sizes = {len(mesh.points) for mesh in made}
    assert 20 not in sizes
    assert seen <= sizes if whole else seen == {20}
