"""examples/um2n: errors against scikit-fem, their slope, samples, and a short training."""

import importlib
import sys
from itertools import product
from math import factorial, prod
from pathlib import Path

import numpy as np
import pytest
import torch

from meshop.mesh import Mesh
from meshop.movers import Domain, dmm, load_mover

NAMES = ("fem", "data", "train", "published")
FOLDER = Path(__file__).resolve().parents[2] / "examples" / "um2n"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts by name: they import each other as when run from their folder."""
    sys.path.insert(0, str(FOLDER))
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(FOLDER))
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("dim", [2, 3])
def test_solutions_and_errors_are_those_of_scikit_fem(scripts, dim):
    skfem = pytest.importorskip("skfem")
    from skfem.helpers import dot, grad

    one = scripts["data"].sample(3, holes=1.0, dim=dim)
    values, error = scripts["fem"].solve(one.domain, one.domain.points, one.problem)
    kind = skfem.MeshTri if dim == 2 else skfem.MeshTet
    element = skfem.ElementTriP1() if dim == 2 else skfem.ElementTetP1()
    twin = kind(one.domain.points.numpy().T.copy(), one.domain.simplices.numpy().T.copy())
    points, weight = (part.numpy() for part in scripts["fem"].RULES[dim])
    rule = points[:, 1:].T.copy(), weight / (2 if dim == 2 else 6)
    basis = skfem.Basis(twin, element, quadrature=rule)

    def at(x, k):
        points = torch.from_numpy(np.moveaxis(x, 0, -1).reshape(-1, dim).copy())
        found = one.problem(points, torch.zeros(len(points), dtype=torch.int64))
        return found[k].numpy().reshape(x.shape[1:])

    c = float(one.problem.reaction)
    a = skfem.BilinearForm(lambda u, v, w: dot(grad(u), grad(v)) + c * u * v).assemble(basis)
    f = skfem.LinearForm(lambda v, w: at(w.x, 1) * v).assemble(basis)
    edge = at(twin.p, 0)
    found = skfem.solve(*skfem.condense(a, f, x=edge, D=twin.boundary_nodes()))
    assert np.abs(found - values.numpy()).max() < 1e-10
    miss = skfem.Functional(lambda w: (w["u"] - at(w.x, 0)) ** 2).assemble(basis, u=found)
    assert np.isclose(float(error), np.sqrt(miss), rtol=1e-9) and float(one.error) == float(error)


@pytest.mark.parametrize(("dim", "degree"), [(2, 4), (3, 5)])
def test_the_rules_are_exact_up_to_their_degree(scripts, dim, degree):
    # The mean of a product of powers of barycentric coordinates: Stroud (1971).
    points, weight = scripts["fem"].RULES[dim]
    for powers in product(range(degree + 1), repeat=dim + 1):
        total = sum(powers)
        found = float(weight @ (points ** torch.tensor(powers)).prod(1))
        exact = prod(map(factorial, powers)) * factorial(dim) / factorial(total + dim)
        if total <= degree:
            assert abs(found - exact) < 1e-13
    assert (weight > 0).all()


@pytest.mark.parametrize("dim", [2, 3])
def test_the_source_belongs_to_the_solution(scripts, dim):
    random = np.random.default_rng(0)
    known = scripts["data"].problem(scripts["data"].shape(7, random, dim, False), random)
    x = torch.from_numpy(random.uniform(0.1, 0.9, (20, dim))).requires_grad_()
    u, f = known(x, torch.zeros(20, dtype=torch.int64))
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    bend = sum(
        torch.autograd.grad(slope[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(dim)
    )
    assert torch.allclose(f, known.reaction * u - bend)


def test_the_slope_of_the_error_is_right(scripts):
    axis = np.linspace(0, 1, 4)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    a = (np.arange(3)[:, None] * 4 + np.arange(3)).ravel()
    cells = np.concatenate([np.stack([a, a + 4, a + 5], 1), np.stack([a, a + 5, a + 1], 1)])
    mesh = Mesh.from_blocks(points, [("triangle", cells)])
    domain = Domain.join([Domain.of(mesh)] * 2)
    random = np.random.default_rng(1)
    problems = [scripts["data"].problem(mesh, random) for _ in range(2)]
    known = scripts["fem"].Problem(*(torch.cat(parts) for parts in zip(*problems, strict=True)))
    x = domain.points + 0.02 * torch.sin(9 * domain.points)
    x[16:] = domain.points[:16]
    error = lambda x: scripts["fem"].solve(domain, x, known)[1]  # noqa: E731
    assert torch.autograd.gradcheck(error, x.requires_grad_(), atol=1e-7)


def test_the_slope_of_the_error_is_right_in_space(scripts):
    random = np.random.default_rng(1)
    mesh = scripts["data"].shape(3, random, 3, False)
    domain, known = Domain.of(mesh), scripts["data"].problem(mesh, random)
    way = torch.from_numpy(random.normal(0, 1, domain.points.shape))

    def error(t):
        return scripts["fem"].solve(domain, domain.points + t * way, known)[1]

    start = torch.tensor(1e-3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(error, start, atol=1e-7)


def test_solids_fill_the_cube_but_for_their_holes(scripts):
    random = np.random.default_rng(3)
    mesh = scripts["data"].shape(7, random, 3, False)
    assert np.isclose(mesh.cell_measures().sum(), 1.0) and (mesh.cell_measures() > 0).all()
    flat = mesh.p1().boundary.points
    assert (np.isclose(mesh.points, 0) | np.isclose(mesh.points, 1))[flat].any(axis=1).all()
    plane = scripts["data"].holed(7, np.random.default_rng(4), 2, (0.12, 0.3))
    solid = scripts["data"].extruded(plane, 3, random)
    assert np.isclose(solid.cell_measures().sum(), plane.cell_measures().sum())


def test_samples_are_the_same_again_and_have_targets_where_asked(scripts):
    one, two = (scripts["data"].sample(10, holes=0.0, target=goal) for goal in (True, False))
    assert torch.equal(one.monitor, two.monitor) and two.target.isnan().all()
    assert one.monitor.min() >= 1 and 0.01 < one.target.abs().max() < 0.5
    holed = scripts["data"].sample(4, holes=1.0)
    assert holed.target.isnan().all() and holed.error > 0
    mesh = scripts["data"].holed(12, np.random.default_rng(2))
    assert (mesh.cell_measures() > 0).all()


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(scripts, tmp_path, monkeypatch):
    def run(folder, *more):
        given = ["--samples", "2", "--every", "2", "--batch", "2", "--out", str(tmp_path / folder)]
        monkeypatch.setattr(sys, "argv", ["train.py", *given, *more])
        scripts["train"].main()
        return load_mover(tmp_path / folder / "flow.safetensors")

    threads = torch.get_num_threads()
    try:
        whole = run("a", "--steps", "4")
        saved = torch.load(tmp_path / "a" / "flow.pt", weights_only=True)
        assert saved["done"] == 4 and len(saved["curve"]) == 2
        stop = scripts["train"].movers.FlowMover.save
        calls = []

        def once(self, path):
            stop(self, path)
            calls.append(path)
            raise KeyboardInterrupt

        monkeypatch.setattr(scripts["train"].movers.FlowMover, "save", once)
        with pytest.raises(KeyboardInterrupt):
            run("b", "--steps", "4")
        monkeypatch.undo()
        other = run("b", "--steps", "4", "--resume")
    finally:
        torch.set_num_threads(threads)
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), other.parameters(), strict=True)
    )
    assert whole.head.weight.any()


def test_a_short_training_comes_nearer_to_targets(scripts, tmp_path, monkeypatch):
    given = ["--samples", "2", "--every", "5", "--steps", "10", "--batch", "1", "--holes", "0"]
    given += ["--kind", "um2n", "--loss", "target", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["train.py", *given])
    threads = torch.get_num_threads()
    try:
        scripts["train"].main()
    finally:
        torch.set_num_threads(threads)
    curve = torch.load(tmp_path / "um2n.pt", weights_only=True)["curve"]
    assert curve[1]["loss"] < curve[0]["loss"]
    assert load_mover(tmp_path / "um2n.safetensors").kind == "um2n"


def test_monitors_that_are_functions_need_no_solution(scripts, monkeypatch):
    monkeypatch.setattr(scripts["data"].fem, "solve", None)
    one, two = (scripts["data"].sample(seed, functions=True) for seed in (3, 3))
    assert torch.equal(one.monitor, two.monitor) and one.error.isnan().all()
    for seed in range(6):
        monitor = scripts["data"].sample(seed, functions=True).monitor
        assert monitor.min() >= 1 and 3 <= monitor.max() <= 21


def test_the_residual_is_that_of_the_report(scripts):
    one = scripts["data"].sample(5, holes=0.0, functions=True)
    mesh = Mesh.from_blocks(one.domain.points.numpy(), [("triangle", one.domain.simplices.numpy())])
    moved, report = dmm(mesh, one.monitor.numpy())
    x = torch.from_numpy(moved.points[:, :2].copy())
    found = scripts["train"].residual(one.domain, x, one.domain.sample(one.monitor, x))
    assert np.isclose(float(found), report.residual, rtol=1e-9)


def test_a_short_training_to_the_equation_needs_no_data(scripts, tmp_path, monkeypatch):
    given = ["--samples", "3", "--every", "6", "--steps", "12", "--batch", "1", "--holes", "1"]
    given += ["--kind", "dmm", "--loss", "equation", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["train.py", *given])
    monkeypatch.setattr(scripts["data"].fem, "solve", None)
    threads = torch.get_num_threads()
    try:
        scripts["train"].main()
    finally:
        torch.set_num_threads(threads)
    curve = torch.load(tmp_path / "dmm.pt", weights_only=True)["curve"]
    assert curve[1]["loss"] < curve[0]["loss"]
    assert load_mover(tmp_path / "dmm.safetensors").meta["options"]["loss"] == "equation"


# -- as published ----------------------------------------------------------------------------------


def test_the_published_network_has_the_derivatives_that_it_says(scripts):
    torch.manual_seed(0)
    net = scripts["published"].Published(16).double()
    log_m, xi = torch.randn(2, 48, 48).double(), torch.rand(2, 5, 2).double()
    slope, bend = scripts["published"].derivatives(net, log_m, xi)
    for axis in (0, 1):
        step = torch.zeros(2).double().index_fill(0, torch.tensor(axis), 1e-5)
        ahead, behind = (
            scripts["published"].derivatives(net, log_m, xi + sign * step)[0] for sign in (1, -1)
        )
        phi = (net(log_m, xi + step) - net(log_m, xi - step)) / 2e-5
        assert torch.allclose(slope[..., axis], phi, atol=1e-9)
        assert torch.allclose(bend[..., axis], (ahead - behind) / 2e-5, atol=1e-8)


def test_the_published_loss_is_zero_for_a_constant_monitor_that_moves_nothing(scripts):
    net = scripts["published"].Published(16)
    grid, random = torch.full((2, 96, 96), 3.0), torch.Generator().manual_seed(0)
    assert float(scripts["published"].loss(net, grid, random).detach()) > 1e-3
    torch.nn.init.zeros_(net.head[2].weight)
    assert float(scripts["published"].loss(net, grid, random).detach()) < 1e-12


def test_monitors_are_read_on_sensors_and_at_points(scripts):
    x, y = torch.meshgrid(torch.linspace(0, 1, 96), torch.linspace(0, 1, 96), indexing="xy")
    points = torch.rand(1, 20, 2)
    found = scripts["published"].at((1 + 2 * x + y)[None], points)
    assert torch.allclose(found, 1 + 2 * points[..., 0] + points[..., 1], atol=1e-5)
    monitors = scripts["published"].grids(3)
    assert monitors.shape == (3, 96, 96) and monitors.min() >= 1 and monitors.max() <= 21
    one = scripts["data"].sample(10_000, holes=0.0)
    mesh = Mesh.from_blocks(one.domain.points.numpy(), [("triangle", one.domain.simplices.numpy())])
    torch.manual_seed(0)
    moved, report = scripts["published"].by_published(scripts["published"].Published(16), one, mesh)
    assert report.inverted == 0 and np.abs(moved.points - mesh.points).max() > 1e-4
