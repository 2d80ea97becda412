"""Learned movers: what holds for any weights, what the shipped ones do, files, and refusals."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from meshop.errors import MeshError, SurrogateError
from meshop.mesh import Mesh
from meshop.movers import (
    DMM,
    M2N,
    UM2N,
    Domain,
    FlowMover,
    _domain,
    _flow_net,
    coordinate,
    element_volume,
    equidistribution,
    hessian_monitor,
    inversion,
    load_mover,
    positive_corners,
    ring_monitor,
    um2n,
)
from meshop.movers._learned import SHIPPED
from meshop.movers._um2n_net import Deformer
from meshop.ops import simplex_sign

from ..meshes import box
from .test_monge_ampere import spread
from .test_move import square

NETS = (FlowMover, UM2N, M2N, DMM)


def wild(kind, seed=0, size=0.4, **config):
    """A network with weights that nobody trained."""
    random = torch.Generator().manual_seed(seed)
    net = kind(**config)
    with torch.no_grad():
        for p in net.parameters():
            many = p[0].numel() if p.dim() > 3 else 1  # what a convolution sums up
            p.copy_(size / many**0.5 * torch.randn(p.shape, generator=random))
        for name, p in net.named_parameters():
            if name.endswith("temperature"):  # within the range that it is clamped to
                p.fill_(0.5)
    return net


def triangles(n=9, seed=0, stretch=1.0):
    """The rectangle (stretch, 1): inner points of a square lattice moved at random."""
    mesh = square(n)
    inner = ((mesh.points[:, :2] > 0) & (mesh.points[:, :2] < 1)).all(1)
    shift = np.random.default_rng(seed).uniform(-0.25, 0.25, (mesh.n_points, 2)) / n
    mesh.points[inner, :2] += shift[inner]
    mesh.points[:, 0] *= stretch
    return mesh


def bump(x, at=(0.35, 0.6), width=0.2):
    """A positive monitor: one, and a Gaussian of height 4."""
    return 1 + 4 * np.exp(-(((x[:, : len(at)] - np.array(at)) / width) ** 2).sum(1))


def step(net, mesh, values):
    domain, values = Domain.of(mesh), torch.from_numpy(values)
    with torch.no_grad():
        return net(domain, sampled(domain, values))[-1].numpy()


def sampled(domain, values):
    return lambda x: values if x is domain.points else domain.sample(values, x)


def with_points(mesh, points):
    full = np.zeros((len(points), 3))
    full[:, : points.shape[1]] = points
    return Mesh.from_blocks(full, [("triangle", mesh.cell_nodes.reshape(-1, 3))])


# -- operators of the domain -----------------------------------------------------------------------


def test_the_flow_of_a_cosine_is_the_gradient_of_its_potential_to_second_order():
    errors = []
    for n in (8, 16, 32):
        domain = Domain.of(triangles(n))
        x, y = np.pi * domain.points.T
        source = x.cos() * y.cos()
        exact = np.pi / (2 * np.pi**2) * torch.stack([x.sin() * y.cos(), x.cos() * y.sin()], 1)
        # Laplacian psi = source: psi = -source / (2 pi^2), grad psi = exact.
        miss = domain.carry(source) - exact
        errors.append(float((domain.mass @ (miss**2).sum(1)).sqrt()))
    assert errors[2] < 1e-3 and errors[1] < 0.35 * errors[0] and errors[2] < 0.35 * errors[1]


def test_the_flow_keeps_to_oblique_sides_and_turns_with_them():
    mesh, angle = triangles(8), 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = torch.from_numpy(bump(mesh.points))
    one = Domain.of(mesh).carry(source).numpy()
    two = Domain.of(with_points(mesh, mesh.points[:, :2] @ turn.T)).carry(source).numpy()
    assert np.allclose(one @ turn.T, two, atol=1e-9) and np.abs(one).max() > 0.01


def test_large_meshes_are_solved_by_iteration_to_the_same(monkeypatch):
    for mesh in (triangles(12), ring_of_triangles(), box(4)):
        source = torch.from_numpy(bump(mesh.points))
        direct = Domain.of(mesh).carry(source)
        monkeypatch.setattr(_domain, "DIRECT", {2: 0, 3: 0})
        again = Domain.of(mesh).carry(source)
        monkeypatch.undo()
        assert (again - direct).abs().max() < 1e-4 * direct.abs().max()


def ring_of_triangles(n=40, layers=6):
    """Between circles about (1, 1), of radii .5 and 1."""
    turn, radius = np.meshgrid(
        2 * np.pi * np.arange(n) / n, np.linspace(0.5, 1, layers + 1), indexing="ij"
    )
    points = 1 + np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1).reshape(-1, 2)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(n), np.arange(layers), indexing="ij"))
    a, b = i * (layers + 1) + j, (i + 1) % n * (layers + 1) + j
    cells = np.concatenate([np.stack([a, a + 1, b + 1], 1), np.stack([a, b + 1, b], 1)])
    return Mesh.from_blocks(points, [("triangle", cells)])


def test_nodes_slide_around_a_hole_and_stay_on_it():
    mesh = ring_of_triangles()
    moved, report = um2n(mesh, lambda x: bump(x, (1.4, 1.6), 0.3))
    assert report.inverted == 0 and report.done > 0.99
    inner = np.isclose(np.linalg.norm(mesh.points[:, :2] - 1, axis=1), 0.5)
    on = moved.points[inner, :2] - 1
    assert np.abs(moved.points - mesh.points)[inner].max() > 0.01
    # On the polygon of 40 sides, which comes as near as this to the centre.
    far = np.linalg.norm(on, axis=1)
    assert far.max() <= 0.5 + 1e-9 and far.min() >= 0.5 * np.cos(np.pi / 40) - 1e-9


def test_derivatives_are_exact_for_linear_fields():
    domain = Domain.of(box(3))
    found = domain.derivatives(domain.points @ torch.tensor([1.0, -2.0, 3.0]).double() + 5)
    assert np.allclose(found[:, :3], [1, -2, 3])
    assert found[~domain.boundary, 3].abs().max() < 1e-12


def test_slopes_of_the_flow_and_of_the_losses_are_right():
    domain = Domain.join([Domain.of(triangles(3)), Domain.of(triangles(4, stretch=2.0))])
    values = torch.from_numpy(bump(domain.points.numpy())).requires_grad_()
    assert torch.autograd.gradcheck(domain.carry, values)
    assert torch.autograd.gradcheck(domain.derivatives, values)
    x = domain.points + 0.02 * torch.sin(9 * domain.points)
    goal = domain.points + 0.02 * torch.cos(7 * domain.points)
    flipped = x.clone()
    flipped[28] += 0.6
    for loss in (
        lambda x: equidistribution(domain, x, values.detach()),
        lambda x: element_volume(domain, x, goal),
        lambda x: coordinate(domain, x, goal),
        lambda x: inversion(domain, x),
    ):
        assert torch.autograd.gradcheck(loss, flipped.clone().requires_grad_())
        assert loss(x).shape == (2,)
    assert inversion(domain, flipped)[1] > 0.01 > inversion(domain, x).max()


# -- the networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETS)
def test_translation_scale_and_a_factor_change_nothing(kind):
    mesh, net = triangles(), wild(kind)
    values = bump(mesh.points)
    plain = step(net, mesh, values)
    other = step(net, with_points(mesh, 3.7 * mesh.points[:, :2] + [5, -8]), 0.01 * values)
    size = np.abs(plain).max()
    assert size > 1e-3
    assert np.abs(other / 3.7 - plain).max() < 2e-4 * size


@pytest.mark.parametrize("kind", [FlowMover, DMM])
def test_flows_and_potentials_turn_and_are_mirrored_with_the_mesh(kind):
    mesh, net, angle = triangles(), wild(kind), 1.1
    turn = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    values = bump(mesh.points)
    plain = step(net, mesh, values)
    mirrored = with_points(mesh, mesh.points[:, :2] @ turn.T)
    found = step(net, mirrored, values)
    assert np.abs(found - plain @ turn.T).max() < 2e-4 * np.abs(plain).max()


@pytest.mark.parametrize("kind", NETS)
def test_the_order_of_nodes_and_cells_changes_nothing(kind):
    mesh, net, random = triangles(), wild(kind), np.random.default_rng(0)
    number = random.permutation(mesh.n_points)
    points = np.empty_like(mesh.points)
    points[number] = mesh.points
    cells = number[mesh.cell_nodes.reshape(-1, 3)]
    other = Mesh.from_blocks(points, [("triangle", cells[random.permutation(len(cells))])])
    plain = step(net, mesh, bump(mesh.points))
    found = step(net, other, bump(points))[number]
    assert np.abs(found - plain).max() < 2e-4 * np.abs(plain).max()


@pytest.mark.parametrize("kind", NETS)
def test_a_ragged_batch_is_its_meshes_one_by_one(kind):
    meshes, net = [triangles(6), triangles(9, 1, 2.0), square(5)], wild(kind)
    values = [bump(mesh.points) for mesh in meshes]
    domain = Domain.join([Domain.of(mesh) for mesh in meshes])
    together = torch.from_numpy(np.concatenate(values))
    with torch.no_grad():
        found = net(domain, sampled(domain, together))[-1].split(domain.sizes)
    for mesh, value, part in zip(meshes, values, found, strict=True):
        alone = step(net, mesh, value)
        assert np.abs(part.numpy() - alone).max() < 2e-4 * np.abs(alone).max()


def test_densities_are_smoothed_on_fine_meshes_each_by_its_own_size(monkeypatch):
    meshes, net = [square(5), triangles(14)], wild(FlowMover)
    values = [bump(mesh.points) for mesh in meshes]
    plain = [step(net, *one) for one in zip(meshes, values, strict=True)]
    # 1 / 7 and 1 / 20 are the sizes of their cells.
    monkeypatch.setattr(_flow_net, "FINE", {2: 0.1})
    domain = Domain.join([Domain.of(mesh) for mesh in meshes])
    with torch.no_grad():
        found = net(domain, sampled(domain, torch.from_numpy(np.concatenate(values))))[-1]
    coarse, fine = found.split(domain.sizes)
    assert np.abs(coarse.numpy() - plain[0]).max() < 1e-6
    assert np.abs(fine.numpy() - step(net, meshes[1], values[1])).max() < 1e-6
    assert np.abs(fine.numpy() - plain[1]).max() > 1e-3


@pytest.mark.parametrize("kind", NETS)
def test_gradients_reach_every_weight(kind):
    domain = Domain.of(triangles(6))
    values = torch.from_numpy(bump(domain.points.numpy()))
    net = wild(kind, size=0.2)
    x = domain.moved(net(domain, sampled(domain, values))[-1])
    loss = equidistribution(domain, x, domain.sample(values, x)) + 10 * inversion(domain, x)
    loss.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert not [name for name, p in net.named_parameters() if not p.grad.any()]


def test_the_deformer_is_the_published_formula():
    domain = Domain.of(triangles(3))
    torch.manual_seed(0)
    layer, f, x = Deformer(5, 4, 2), torch.randn(16, 5), domain.points
    features, steps = layer(f, x, domain)
    h = layer.value(f).view(16, 2, 4)
    for i in range(16):
        near = domain.index[domain.rowptr[i] : domain.rowptr[i + 1]]
        move, mix = torch.zeros(2, dtype=torch.float64), torch.zeros(4)
        for k in range(2):
            logit = h[near, k] @ layer.ends[0, k] + h[i, k] @ layer.ends[1, k]
            alpha = torch.softmax(torch.nn.functional.selu(0.2 * logit).double(), 0)
            move = move + alpha @ x[near] / 2
            mix = mix + torch.softmax(torch.nn.functional.selu(logit), 0) @ h[near, k] / 2
        assert torch.allclose(x[i] + steps[i], move, atol=1e-6)
        assert torch.allclose(features[i], torch.nn.functional.selu(mix), atol=1e-6)


@given(st.integers(0, 10_000), st.sampled_from([0.05, 1.0, 20.0]), st.floats(0.1, 3.0))
@settings(max_examples=25, deadline=None)
def test_nothing_is_inverted_whatever_the_weights(seed, stretch, size):
    mesh = triangles(7, seed, stretch)
    values = np.exp(np.random.default_rng(seed).normal(0, 2, mesh.n_points))
    for kind in NETS:
        moved, report = um2n(mesh, values, net=wild(kind, seed, size))
        points = torch.from_numpy(moved.points[:, :2].copy())
        nodes = torch.from_numpy(positive_corners(mesh))
        assert (simplex_sign(points, nodes) > 0).all() and report.inverted == 0
        assert np.isclose(moved.cell_measures().sum(), mesh.cell_measures().sum())


# -- the flow without training, and the shipped network --------------------------------------------


def test_an_untrained_flow_comes_to_the_map_that_integrates_a_monitor():
    # As Monge-Ampere's: int_0^x (1 + s) ds / 1.5 = xi.
    mesh, errors = square(20), []
    exact = -1 + np.sqrt(1 + 3 * mesh.points[:, 0])
    for steps in (1, 2, 4):
        moved, report = um2n(mesh, lambda x: 1 + x[:, 0], net=FlowMover(steps=steps))
        errors.append(np.abs(moved.points[:, 0] - exact).max())
        assert np.abs(moved.points[:, 1] - mesh.points[:, 1]).max() < 5e-3
        assert report.iterations == steps
    assert errors[2] < 3e-3 and errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("ring", [(10, 50, 0.10), (4, 20, 0.1)])
def test_an_untrained_flow_spreads_rings(ring):
    mesh, monitor = square(20), ring_monitor(*ring)
    moved, report = um2n(mesh, monitor, net=FlowMover(steps=8))
    assert spread(moved, monitor) < 0.5 * spread(mesh, monitor) and report.proposed == 0
    assert report.residual < 0.5


def test_a_flow_that_folds_a_mesh_is_taken_in_shorter_steps():
    mesh, monitor, net = square(40), ring_monitor(50, 50, 0.1), FlowMover(steps=2)
    domain = Domain.of(mesh)
    values = torch.from_numpy(monitor(mesh.points[:, :2]))
    rough = net(domain, sampled(domain, values))  # with gradients, as in training
    assert len(rough) == 2 and (domain.volumes(domain.moved(rough[-1])) <= 0).any()
    moved, report = um2n(mesh, monitor, net=net)
    assert report.iterations > 2 and report.proposed == 0 and report.done == 1.0
    assert spread(moved, monitor) < 0.6 * spread(mesh, monitor)


def test_a_constant_monitor_moves_nothing():
    mesh = triangles()
    for net in (None, wild(FlowMover), wild(DMM)):
        moved, report = um2n(mesh, np.full(mesh.n_points, 3.0), net=net)
        assert np.abs(moved.points - mesh.points).max() < 1e-12 and report.residual < 1e-12


@cache
def held_out(n=18):
    mesh = triangles(n, 5)
    values = sum(bump(mesh.points, at, 0.15) for at in ((0.3, 0.3), (0.75, 0.6)))
    return mesh, hessian_monitor(mesh, values)


def test_the_shipped_network_spreads_a_held_out_monitor():
    mesh, monitor = held_out()
    moved, report = um2n(mesh, monitor)
    again, _ = um2n(mesh, monitor)
    assert np.array_equal(moved.points, again.points)
    assert report.inverted == 0 and report.done == 1.0 and report.min_angle > 5
    value = mesh.p1().field(monitor)

    def full(x):
        return value(np.column_stack([x, np.zeros(len(x))]))

    assert spread(moved, full) < 0.7 * spread(mesh, full)


def test_the_shipped_network_lowers_what_interpolation_misses_to_a_third():
    # Of a field that it was not trained on. An untrained flow comes to .45.
    mesh = square(24)

    def u(x):
        return np.tanh(12 * (x[:, 0] + 0.5 * x[:, 1] - 0.7))

    def missed(mesh):
        corner = mesh.points[mesh.cell_nodes.reshape(-1, 3)]
        middle = (corner + np.roll(corner, 1, 1)) / 2
        values = u(corner.reshape(-1, 3)).reshape(-1, 3)
        miss = (values + np.roll(values, 1, 1)) / 2 - u(middle.reshape(-1, 3)).reshape(-1, 3)
        return np.sqrt((miss**2).mean(1) @ mesh.cell_measures())

    moved, _ = um2n(mesh, hessian_monitor(mesh, u(mesh.points)))
    assert missed(moved) < 0.36 * missed(mesh)


def test_the_shipped_network_for_solids_lowers_what_interpolation_misses():
    # Of a bump, by a fifth. An untrained flow comes to .90.
    mesh = box(8)

    def u(x):
        return np.exp(-(((x - [0.4, 0.5, 0.6]) / 0.2) ** 2).sum(-1))

    def missed(mesh):
        corner = mesh.points[mesh.cell_nodes.reshape(-1, 4)]
        pairs = [(i, j) for i in range(4) for j in range(i)]
        ends = [(corner[:, i], corner[:, j]) for i, j in pairs]
        miss = sum(((u(a) + u(b)) / 2 - u((a + b) / 2)) ** 2 for a, b in ends)
        return np.sqrt(miss @ mesh.cell_measures())

    moved, report = um2n(mesh, hessian_monitor(mesh, u(mesh.points)))
    assert report.inverted == 0 and report.done == 1.0
    assert missed(moved) < 0.81 * missed(mesh)


@pytest.mark.parametrize("mesh", [box(5), square(10, "quad")], ids=["tetrahedra", "quads"])
def test_other_cells_are_moved_too(mesh):
    centre = (0.5,) * mesh.dim
    moved, report = um2n(mesh, lambda x: bump(x, centre))
    assert report.inverted == 0 and report.done > 0.9
    near = np.linalg.norm(mesh.cell_centers()[:, : mesh.dim] - 0.5, axis=1) < 0.2
    assert moved.cell_measures()[near].mean() < 0.8 * mesh.cell_measures()[near].mean()
    assert np.isclose(moved.cell_measures().sum(), 1.0)


# -- files and refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [UM2N, M2N])
def test_networks_of_places_are_for_one_dimension(kind):
    mesh = box(3)
    moved, report = um2n(mesh, bump(mesh.points, (0.5,) * 3), net=wild(kind, dim=3, width=8))
    assert report.inverted == 0 and np.abs(moved.points - mesh.points).max() > 1e-3
    with pytest.raises(MeshError, match="dimension 3 for a mover of 2"):
        um2n(mesh, np.ones(mesh.n_points), net=kind())


def test_the_convolutions_see_a_linear_monitor_as_it_is():
    mesh, net = triangles(6, stretch=2.0), M2N(side=5)
    seen = []
    net.grid.register_forward_hook(lambda layer, given, found: seen.append(given[0]))
    step(net, mesh, 1 + mesh.points[:, 0] + mesh.points[:, 1] / 2)
    x, y = np.meshgrid(np.linspace(0, 2, 5), np.linspace(0, 1, 5), indexing="ij")
    # Over its mean: 1 + 1 + 1 / 4.
    assert np.allclose(seen[0][0, 0], (1 + x + y / 2) / 2.25, atol=1e-6)


@pytest.mark.parametrize("kind", NETS)
def test_a_file_gives_the_same_network_back(kind, tmp_path):
    mesh, monitor = held_out(8)
    net = wild(kind)
    net.meta = {"made": "here"}
    net.save(tmp_path / "net.safetensors")
    other = load_mover(tmp_path / "net.safetensors")
    assert other.meta == net.meta and other.config == net.config
    assert np.array_equal(step(net, mesh, monitor), step(other, mesh, monitor))
    one, _ = um2n(mesh, monitor, net=str(tmp_path / "net.safetensors"))
    two, _ = um2n(mesh, monitor, net=net)
    assert np.array_equal(one.points, two.points)


def test_the_shipped_file_is_small_and_says_where_it_is_from():
    for dim, file in SHIPPED.items():
        assert file.stat().st_size < 200_000 and file.with_suffix(".md").is_file()
        assert load_mover(dim=dim).meta["recipe"] == "examples/um2n/train.py"


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(SurrogateError, match="no readable mover"):
        load_mover(path)
    path.write_bytes(b"\x08" + bytes(40))
    with pytest.raises(SurrogateError, match="no readable mover"):
        load_mover(path)
    FlowMover(width=8, heads=1, blocks=0).save(path)
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["meshop"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    def written(tensors=tensors, **changes):
        save_file(tensors, path, {"meshop": json.dumps(header | changes)})
        return path

    for changes in (
        {"config": {"width": 10**9}},
        {"config": {"steps": -1}},
        {"config": {"width": 16, "heads": 1, "blocks": 0}},
        {"config": [1]},
        {"kind": "other"},
    ):
        with pytest.raises(SurrogateError, match="does not fit its own header"):
            load_mover(written(**changes))
    with pytest.raises(SurrogateError, match="version 9"):
        load_mover(written(version=9))
    with pytest.raises(SurrogateError, match="no meshop mover"):
        load_mover(written(format="other"))
    with pytest.raises(SurrogateError, match="finite"):
        load_mover(written({**tensors, "head.bias": tensors["head.bias"] * float("nan")}))


def test_what_is_refused():
    mesh = square(4)
    with pytest.raises(MeshError, match="above zero"):
        um2n(mesh, lambda x: x[:, 0])
    with pytest.raises(MeshError, match="above zero"):
        um2n(mesh, np.full(25, np.inf))
    with pytest.raises(MeshError, match="monitor of shape"):
        um2n(mesh, np.ones(3))
    with pytest.raises(MeshError, match="inverted"):
        far = mesh.points[:, :2].copy()
        far[12] = 0.9
        um2n(with_points(mesh, far), np.ones(25))
    line = Mesh.from_blocks(np.eye(3)[:2], [("line", [[0, 1]])])
    with pytest.raises(MeshError):
        um2n(line, np.ones(2))
    spare = Mesh.from_blocks(
        np.vstack([mesh.points, [[2, 2, 0]]]), [("triangle", mesh.cell_nodes.reshape(-1, 3))]
    )
    with pytest.raises(MeshError, match="of no cell"):
        um2n(spare, np.ones(26))
