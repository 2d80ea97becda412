"""examples/moving_mesh: the reference solver, the two meshes, and a short study."""

import importlib
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "moving_mesh"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts by name: they import each other as when run from their folder."""
    sys.path.insert(0, str(FOLDER))
    yield {name: importlib.import_module(name) for name in ("burgers", "study")}
    sys.path.remove(str(FOLDER))
    for name in ("burgers", "study"):
        sys.modules.pop(name, None)


def bump(n):
    x = (np.arange(n) + 0.5) / n
    return np.exp(-((x[None] - 0.4) ** 2 + (x[:, None] - 0.4) ** 2) / 0.03)


def coarse(u, n):
    k = len(u) // n
    return u.reshape(n, k, n, k).mean((1, 3))


def test_the_reference_is_of_second_order_and_conserves(scripts):
    advance = scripts["burgers"].advance
    ends = [coarse(advance(bump(n), 0.1), 20) for n in (20, 40, 80)]
    first, second = (np.abs(a - b).mean() for a, b in pairwise(ends))
    assert np.log2(first / second) > 1.6
    first = bump(40) ** 2  # which no wall is near
    u = advance(first, 0.2)
    assert np.isclose(u.mean(), first.mean(), rtol=1e-4)
    assert u.min() > -1e-9 and u.max() < first.max()
    assert np.allclose(u, u.T, atol=1e-12) and u.argmax() > first.argmax()


def test_states_are_read_between_cell_centres_and_are_zero_on_the_wall(scripts):
    n = 8
    x = (np.arange(n) + 0.5) / n
    u = 1 + x[None] + 2 * x[:, None]
    points = np.random.default_rng(0).uniform(0.1, 0.9, (20, 2))
    found = scripts["burgers"].at(np.stack([u, 2 * u]), points)
    assert np.allclose(found, [[1], [2]] * (1 + points @ [1, 2]))
    edge = np.array([[0, 0.3], [1, 0.6], [0.2, 0], [0.7, 1], [0, 0], [1, 1]])
    assert np.allclose(scripts["burgers"].at(u, edge), 0)


def test_fields_go_to_the_moved_mesh_and_back_exactly_where_they_are_linear(scripts):
    study = scripts["study"]
    place = study.Place(0.1)
    xy = place.mesh.points[:, :2]
    moved = place.moved(np.tanh(8 * (xy[:, 0] - 0.5)))
    assert (moved.points - place.domain.points).abs().max() > 0.02
    assert torch.isclose(moved.mass.sum(), place.domain.measure.sum())
    for values in (moved.points, place.domain.points):
        line = (1 + values @ torch.tensor([2.0, -1.0]).double()).float()[None]
        way = moved.there if values is place.domain.points else moved.back
        at = moved.points if values is place.domain.points else place.domain.points
        found = study.interpolated(line, way[0][None], way[1][None])[0]
        assert torch.allclose(
            found, (1 + at @ torch.tensor([2.0, -1.0]).double()).float(), atol=1e-5
        )


def test_the_control_is_both_networks_on_one_mesh(scripts):
    study = scripts["study"]
    place = study.Place(0.1)
    torch.manual_seed(0)
    net = study.TwoMeshes(place, width=8, layers=1)
    inner = ~place.domain.boundary
    u = torch.rand(2, place.mesh.n_points) * inner
    found = net(u, [place.still] * 2)
    one = [place.still.points.expand(1, -1, -1), place.still.mass.expand(1, -1)]
    for k in (0, 1):
        graph = place.graph(u[k : k + 1], *one)
        rate = (net.still(graph) + net.moving(graph))[:, 0]
        assert torch.allclose(found[k], (u[k] + study.CHANGE * rate) * inner, atol=1e-6)
    other = net(u, [place.moved(v.double().numpy()) for v in u])
    assert (other - found).abs().max() > 1e-4 and not other[:, ~inner].any()


def test_a_short_study(scripts, capsys, monkeypatch):
    study = scripts["study"]
    series = scripts["burgers"].series
    monkeypatch.setattr(scripts["burgers"], "STEPS", 3)
    monkeypatch.setattr(scripts["burgers"], "series", lambda count: series(count, 24))
    given = ["--seconds", "0.3", "--seeds", "0", "--cases", "5", "--size", "0.12"]
    monkeypatch.setattr(sys, "argv", ["study.py", *given])
    threads = torch.get_num_threads()
    try:
        study.main()
    finally:
        torch.set_num_threads(threads)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row["kind"] for row in rows] == ["control", "moving", "random"]
    assert len({row["parameters"] for row in rows}) == 1
    assert all(0 < row["one step, mean %"] < 100 and row["updates"] >= 1 for row in rows)
