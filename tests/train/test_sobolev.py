"""The H1 norm as a loss: the P1 stiffness matrix's, batched, damped, stored, refused at cells."""

import numpy as np
import pytest
import torch

from meshop.errors import ConditionError
from meshop.graph import GraphSpec
from meshop.mesh import Mesh
from meshop.train import Case, collate, compute_case, sample, slopes_of, train
from meshop.train._sobolev import slope_energy
from tests.graph.test_nested import cube, square


def case_of(mesh, seed, loss="h1"):
    u = np.random.default_rng(seed).standard_normal(mesh.n_points).astype(np.float32)
    parts = mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes
    solved = Mesh(*parts, {"u": u})
    spec = GraphSpec(location="point", dim=mesh.dim, length=3.0, edges=True)
    case = Case("a", "a", "", "", {}, {})
    return compute_case(case, solved, spec, {"u": [None]}, (), True, loss), solved


@pytest.mark.parametrize("mesh", [square(6, 1), cube().refine()])
def test_it_is_the_stiffness_matrix_in_units_of_the_length(mesh):
    stored, solved = case_of(mesh, 0)
    graph = collate([sample(stored)])
    u = torch.as_tensor(solved.point_data["u"])[:, None]
    found = float(slope_energy(graph, u))
    p1 = mesh.p1()
    expected = 9 * u[:, 0].numpy() @ (p1.stiffness() @ u[:, 0].numpy()) / p1.lumped.sum()
    assert found == pytest.approx(float(expected), rel=1e-5)
    # |grad (x - 2 y)|^2 = 5, and constants have none.
    plane = torch.as_tensor(mesh.points @ [1.0, -2.0, 0.0]).float()[:, None]
    assert float(slope_energy(graph, plane)) == pytest.approx(45, rel=1e-5)
    assert float(slope_energy(graph, torch.ones_like(u) * 1e6)) == 0


def test_a_batch_is_its_cases():
    cases = [case_of(square(n, n), n)[0] for n in (4, 7)]
    both = collate([sample(c) for c in cases])
    alone = [slope_energy(g, g.y) for g in (collate([sample(c)]) for c in cases)]
    torch.testing.assert_close(slope_energy(both, both.y), torch.cat(alone))
    assert case_of(square(4), 0, "l2")[0].slopes is None


def test_a_damped_measure_damps_gradients():
    mesh, spec = square(5, 2), GraphSpec(location="point")
    weight = mesh.p1().lumped
    left = weight * (mesh.points[:, 0] < 0.3)
    nodes, slopes = slopes_of(mesh, spec, weight, left)
    energy = (slopes**2).sum((1, 2))
    right = (mesh.points[nodes, 0] > 0.3).all(1)
    assert right.any() and not energy[right].any() and energy[~right].all()


def test_fields_at_cells_are_refused():
    mesh = square(3)
    with pytest.raises(ConditionError, match="fields at points"):
        slopes_of(mesh, GraphSpec(location="cell"), np.ones(8), np.ones(8))


def test_training_on_cells_is_refused_before_anything_is_written(tmp_path):
    for i in range(5):
        mesh = square(3, i)
        mesh.cell_data["u"] = np.random.default_rng(i).random(mesh.n_cells)
        mesh.field_data["a"] = np.array([0.1 * i])
        mesh.save(tmp_path / f"case_{i}.vtu")
    with pytest.raises(ConditionError, match="fields at points"):
        train([tmp_path], tmp_path / "run", loss="h1", steps=1, quiet=True)
    assert not (tmp_path / "run").exists()


def test_training_in_h1(tmp_path):
    random = np.random.default_rng(0)
    for i in range(5):
        mesh = square(6, i)
        a, x = random.random(), mesh.points
        mesh.point_data["u"] = np.sin(3 * a * x[:, 0]) + x[:, 1]
        mesh.field_data["a"] = np.array([a])
        mesh.save(tmp_path / f"case_{i}.vtu")
    made = train([tmp_path], tmp_path / "run", loss="h1", steps=3, batch=2, workers=1, quiet=True)
    assert made.surrogate.meta["settings"]["loss"] == "h1"
    assert np.isfinite(made.card["cases"])
