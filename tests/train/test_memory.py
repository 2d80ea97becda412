"""Cases from memory, whole graphs, known fields: what training does beyond files of flows."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from meshop.errors import ConditionError
from meshop.graph import off_boundary
from meshop.models import Operator
from meshop.surrogate import Normaliser, Sizes, Surrogate
from meshop.train import collate, compute_case, find_problem, learn, make_schema, sample, train
from tests.bench.tiny import cases
from tests.graph.test_known_fields import sphere


@pytest.fixture(scope="module")
def problem():
    meshes = cases(6, 0, 40, known=True)
    names = [Path(f"c{i}") for i in range(6)]
    return find_problem(names, inputs=["f"], wall_inputs=["g"], edges=True, meshes=meshes)


@pytest.fixture(scope="module")
def stored(problem):
    return [compute_case(c, c.load(), problem.spec, problem.constants) for c in problem.cases]


def test_known_fields_are_no_targets(problem):
    assert problem.targets == {"u": 1}
    assert (problem.spec.inputs, problem.spec.wall_inputs) == (("f",), ("g",))


def test_what_is_zero_off_the_boundary_in_every_case_is_known_there_alone():
    meshes = cases(6, 0, 40, known=True)
    for mesh in meshes:
        inside = off_boundary(mesh, "point", mesh.boundary_facets())
        mesh.point_data["g"] = np.where(inside, 0.0, 1.0)
    names = [Path(f"c{i}") for i in range(6)]

    def extended(inputs: list[str], wall_inputs: list[str]) -> tuple[str, ...]:
        found = find_problem(names, inputs=inputs, wall_inputs=wall_inputs, meshes=meshes)
        return found.spec.extended

    assert extended(["f", "g"], ["g"]) == ("g",)
    assert extended(["f", "g"], []) == extended(["f"], ["g"]) == ()
    assert extended(["f", "g"], ["f", "g"]) == ("g",)  # f is known everywhere
    meshes[3].point_data["g"][inside] = 1e-9
    assert extended(["f", "g"], ["g"]) == ()


def test_a_batch_has_the_edges_of_its_graphs(stored):
    graphs = [sample(c) for c in stored[:3]]
    batch = collate(graphs)
    starts = np.cumsum([0, *(len(g.x) for g in graphs)])
    for g, at, row in zip(graphs, starts, range(3), strict=False):
        mine = batch.batch[batch.edge_index[1]] == row
        assert torch.equal(batch.edge_index[:, mine] - int(at), g.edge_index)
        assert torch.equal(batch.edge_attr[mine], g.edge_attr)
    assert torch.equal(batch.rowptr.diff(), torch.bincount(batch.edge_index[1]))
    rel = batch.pos[batch.edge_index[0]] - batch.pos[batch.edge_index[1]]
    torch.testing.assert_close(batch.edge_attr[:, :3], rel, atol=1e-6, rtol=1e-5)
    assert len(batch.inputs) == len(batch.x) and len(batch.wall_inputs) == len(batch.wall_x)
    with pytest.raises(ValueError, match="subsampled"):
        sample(stored[0], 5, np.random.default_rng(0))


class Probe(Operator):
    """Remembers what it is given."""

    linear = False

    def __init__(self, widths):
        super().__init__(widths)
        self.scale = torch.nn.Parameter(torch.ones(widths.out))

    def outputs(self, graph):
        Probe.seen = graph
        return graph.x[:, :1] * self.scale, graph.x.new_zeros(len(graph.cond), 0)


def run(problem, stored, folder, monkeypatch, kind=Probe, cut=True):
    monkeypatch.setattr(import_module("meshop.train._learn"), "registry", lambda: {"probe": kind})
    home = import_module("meshop.surrogate._surrogate")
    monkeypatch.setattr(home, "build_operator", lambda name, widths: kind(widths))
    schema = make_schema(problem, problem.cases, {})
    given = [replace(c, rowptr=None) for c in stored] if cut else stored
    return learn(
        problem, schema, given, [], folder, model="probe", steps=2, batch=2, points=10,
        device="cpu", quiet=True,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_operators_see_standardised_inputs_and_centred_positions(
    problem, stored, tmp_path, monkeypatch
):
    found = run(problem, stored, tmp_path, monkeypatch)
    assert found.surrogate.operator.widths == Sizes(
        features=stored[0].x.shape[1], inputs=1, tokens=4, wall_inputs=1, out=1
    )
    assert len(Probe.seen.x) == 20 and "rowptr" not in Probe.seen
    found.surrogate.run(collate([sample(stored[0])]))
    seen = Probe.seen
    assert seen.pos.shape[1] == seen.wall_pos.shape[1] == 2
    torch.testing.assert_close(seen.pos.abs().amax(0), torch.ones(2), atol=1e-5, rtol=0)
    every = torch.cat([found.surrogate.normaliser.inputs(sample(c)).inputs for c in stored])
    assert abs(float(every.mean())) < 0.02 and abs(float(every.std()) - 1) < 0.05


@pytest.mark.filterwarnings("ignore")
def test_a_graph_with_edges_is_never_cut(problem, stored, tmp_path, monkeypatch):
    run(problem, stored, tmp_path, monkeypatch, cut=False)
    assert len(Probe.seen.x) > 100 and "rowptr" in Probe.seen


@pytest.mark.filterwarnings("ignore")
def test_what_a_linear_operator_knows_and_gives_is_only_scaled(
    problem, stored, tmp_path, monkeypatch
):
    class Linear(Probe):
        linear = True

    normaliser = run(problem, stored, tmp_path, monkeypatch, Linear).surrogate.normaliser
    assert not normaliser.inputs_mean.any() and not normaliser.field_shift.any()
    assert not normaliser.wall_inputs_mean.any() and float(normaliser.field_scale[0]) > 0.5


def test_older_files_have_neither_positions_nor_known_fields():
    sizes = Sizes(features=3, tokens=2, cond=1, out=1)
    normaliser = Normaliser(sizes)
    old = {
        k: v + 1
        for k, v in normaliser.state_dict().items()
        if not k.startswith(("pos_", "inputs_", "wall_inputs_"))
    }
    normaliser.load_state_dict(old)
    assert float(normaliser.pos_scale) == 1.0 and float(normaliser.x_std[0]) == 2.0
    with pytest.raises(RuntimeError, match="x_mean"):
        normaliser.load_state_dict({k: v for k, v in old.items() if k != "x_mean"})


@pytest.mark.filterwarnings("ignore")
def test_known_fields_from_files_to_a_prediction(tmp_path: Path):
    for i, mesh in enumerate(cases(6, 3, 40, known=True)):
        mesh.save(tmp_path / f"case_{i}.vtu")
    result = train(
        [tmp_path / f"case_{i}.vtu" for i in range(6)], tmp_path / "run", inputs=["f"],
        wall_inputs=["g"], steps=5, workers=1, quiet=True, points=20, batch=2, device="cpu",
        model_config={"width": 8, "depth": 1, "latent": 4},
    )  # fmt: skip
    loaded = Surrogate.load(result.path)
    mesh = cases(1, 9, 40, known=True)[0]
    field = loaded.evaluate(mesh, {}).fields["u"]
    assert field.shape == (mesh.n_points,)
    del mesh.point_data["f"]
    with pytest.raises(ConditionError, match="'f'"):
        loaded.evaluate(mesh, {})


@pytest.mark.filterwarnings("ignore")
def test_surfaces_in_space_are_found_and_learned(tmp_path: Path):
    meshes = []
    for k in range(5):
        mesh = sphere()
        mesh.points = mesh.points * [1 + 0.1 * k, 1, 1]
        mesh.point_data["p"] = mesh.points[:, 0].copy()
        meshes.append(mesh)
    names = [Path(f"s{k}") for k in range(5)]
    problem = find_problem(names, meshes=meshes)
    assert problem.spec.surface and problem.spec.dim == 2 and problem.spec.space == 3
    stored = [compute_case(c, c.load(), problem.spec, problem.constants) for c in problem.cases]
    schema = make_schema(problem, problem.cases, {})
    found = learn(
        problem, schema, stored, [], tmp_path, model="transolver", steps=2, batch=2, points=None,
        device="cpu", quiet=True,
        model_config={"width": 8, "heads": 2, "layers": 1, "slices": 2},
    )  # fmt: skip
    assert found.surrogate.sizes.dim == 3
    assert found.surrogate.evaluate(meshes[0], {}).fields["p"].shape == (meshes[0].n_points,)
    with pytest.raises(ConditionError, match="surfaces"):
        find_problem(names, meshes=[*meshes[:4], cases(1, 0)[0]])


@pytest.mark.filterwarnings("ignore")
def test_minutes_are_counted_by_the_clock_that_is_given(problem, stored, tmp_path):
    """A second a look: a minute ends after tens of looks, however fast the machine."""
    ticks = iter(range(10**6))
    schema = make_schema(problem, problem.cases, {})
    given = [replace(c, rowptr=None) for c in stored]
    found = learn(
        problem, schema, given, [], tmp_path, steps=10**6, minutes=1.0, batch=2, points=10,
        device="cpu", quiet=True, clock=lambda: float(next(ticks)),
        model_config={"width": 8, "depth": 1, "latent": 4},
    )  # fmt: skip
    assert 5 < found.steps < 60 and found.seconds >= 60
