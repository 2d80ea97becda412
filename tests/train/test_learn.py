"""What `train` gives an operator to see."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from meshop.models.grid_field import GridField
from meshop.models.wall_field import WallField
from meshop.train import train
from meshop.train._learn import boxes_differ
from tests.bench.tiny import cases

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
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


def domain(scale: list[float], wall: np.ndarray = SQUARE) -> SimpleNamespace:
    facets = (wall + np.roll(wall, 1, axis=0)) / 2  # tokens lie in the middle of facets
    return SimpleNamespace(pos=SQUARE * scale, wall_pos=torch.tensor(facets * scale))


def test_boxes_differ_where_boundaries_span_unlike_domains():
    whole = domain([1, 1, 1])
    assert boxes_differ([whole, domain([2, 1, 1])], 2)
    assert not boxes_differ([whole, whole], 2)
    assert not boxes_differ([whole, domain([1, 1, 5])], 2)  # a plane mesh at another height
    assert not boxes_differ([whole, domain([1.02, 1, 1])], 2)  # another mesh of one domain
    hole = 0.3 + 0.4 * SQUARE
    assert not boxes_differ([domain([1, 1, 1], hole), domain([2, 1, 1], hole)], 2)
    cloud = SimpleNamespace(pos=2 * SQUARE, wall_pos=torch.zeros(0, 3))
    assert not boxes_differ([whole, cloud], 2)
