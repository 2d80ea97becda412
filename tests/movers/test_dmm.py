"""DMM: its potential against exact ones, how convex it is, and the mover beside Monge-Ampere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.errors import MeshError
from meshop.movers import (
    DMM,
    Domain,
    FlowMover,
    dmm,
    load_mover,
    monge_ampere,
    positive_corners,
    ring_monitor,
)
from meshop.movers._dmm_net import CONVEX, convex, jet
from meshop.movers._learned import LIBRARY
from meshop.movers._transport import Transport
from meshop.ops import simplex_sign

from ..meshes import box
from .test_every_mover import l_shape
from .test_learned import bump, ring_of_triangles, sampled, triangles, wild
from .test_monge_ampere import spread
from .test_move import square

PI = np.pi


def test_potentials_and_gradients_come_to_exact_ones_and_hessians_in_the_mean():
    misses = []
    for n in (8, 16, 32):
        domain = Domain.of(triangles(n))
        x, y = PI * domain.points.T
        phi = domain.potential(x.cos() * y.cos())
        slope, bend = jet(domain, phi)
        exact = -x.cos() * y.cos() / (2 * PI**2)
        way = torch.stack([x.sin() * y.cos(), x.cos() * y.sin()], 1) / (2 * PI)
        # From point to point those of one ring do not converge; against a smooth field they do.
        weak = domain.mass @ ((bend[:, 0, 1] + x.sin() * y.sin() / 2) * x.sin() * y.sin())
        far = [
            float((domain.mass @ part**2).sqrt())
            for part in (phi - exact, (slope - way).norm(dim=1))
        ]
        misses.append([*far, abs(float(weak))])
    rate = np.log2(np.array(misses[0]) / misses[2]) / 2
    assert rate[0] > 1.8 and rate[1] > 0.8 and rate[2] > 1.5
    assert (np.array(misses[2]) < [1e-4, 3e-3, 1e-3]).all()


@pytest.mark.parametrize("mesh", [triangles(8), box(4)], ids=["2", "3"])
def test_gradients_and_hessians_are_those_of_monge_ampere(mesh):
    domain, other = Domain.of(mesh), Transport(mesh, lambda x: np.ones(len(x)))
    phi = np.random.default_rng(0).normal(size=mesh.n_points)
    slope, bend = jet(domain, torch.from_numpy(phi))
    now = other.at(phi)
    assert np.allclose(slope, now.step) and np.allclose(bend + torch.eye(mesh.dim), now.jacobian)


def test_slopes_of_the_potential_are_right():
    domain = Domain.join([Domain.of(triangles(3)), Domain.of(triangles(4, stretch=2.0))])
    values = torch.from_numpy(bump(domain.points.numpy())).requires_grad_()
    assert torch.autograd.gradcheck(domain.potential, values)
    assert torch.autograd.gradcheck(lambda v: jet(domain, v), values)
    unit = torch.eye(2, dtype=torch.float64).expand(len(values), 2, 2)
    part = lambda v: convex(domain, unit, jet(domain, 8 * domain.potential(v))[1])  # noqa: E731
    assert part(values).unique().numel() == 2 and (part(values) < 1).any()
    assert torch.autograd.gradcheck(part, values)


def test_a_step_leaves_a_tenth_of_each_eigenvalue_and_no_less():
    domain = Domain.join([Domain.of(triangles(5)), Domain.of(square(4))])
    random = torch.Generator().manual_seed(0)
    both = torch.randn(2, len(domain.points), 2, 2, generator=random, dtype=torch.float64)
    jacobian, change = both[0] @ both[0].mT + 0.1 * torch.eye(2), both[1] + both[1].mT
    after = jacobian + convex(domain, jacobian, change)[:, None, None] * change
    ratio = torch.linalg.eigvals(torch.linalg.solve(jacobian, after)).real.min(1).values
    for part in ratio.split(domain.sizes):
        assert abs(float(part.min()) - CONVEX) < 1e-9
    assert (convex(domain, jacobian, jacobian) == 1).all()


@given(st.integers(0, 10_000), st.sampled_from([0.05, 1.0, 20.0]), st.floats(0.1, 3.0))
@settings(max_examples=25, deadline=None)
def test_the_potential_is_convex_the_boundary_stays_and_nothing_is_inverted(seed, stretch, size):
    mesh = triangles(7, seed, stretch)
    values = np.exp(np.random.default_rng(seed).normal(0, 2, mesh.n_points))
    domain, net = Domain.of(mesh), wild(DMM, seed, size)
    unit = torch.eye(2, dtype=torch.float64)
    with torch.no_grad():
        for phi, way in net.iterates(domain, sampled(domain, torch.from_numpy(values))):
            slope, bend = jet(domain, phi)
            assert torch.linalg.eigvalsh(unit + bend).min() > 0
            assert torch.allclose(slope, way, atol=1e-9 * stretch + 1e-12)
    moved, report = dmm(mesh, values, net=net)
    nodes, points = positive_corners(mesh), torch.from_numpy(moved.points[:, :2].copy())
    assert (simplex_sign(points, torch.from_numpy(nodes)) > 0).all() and report.inverted == 0
    for axis, far in ((0, stretch), (1, 1.0)):
        for side in (0.0, far):
            on = mesh.points[:, axis] == side
            assert (moved.points[on, axis] == side).all()
    corner = (np.isin(mesh.points[:, 0], [0, stretch])) & (np.isin(mesh.points[:, 1], [0, 1]))
    assert corner.sum() == 4 and np.array_equal(moved.points[corner], mesh.points[corner])


@pytest.mark.parametrize("net", [None, DMM(steps=6)], ids=["shipped", "untrained"])
def test_it_comes_to_the_map_that_integrates_a_monitor(net):
    # int_0^x (1 + s) ds / 1.5 = xi.
    mesh = square(20)
    moved, _ = dmm(mesh, lambda x: 1 + x[:, 0], net=net)
    exact = -1 + np.sqrt(1 + 3 * mesh.points[:, 0])
    assert np.abs(moved.points[:, 0] - exact).max() < (0.01 if net is None else 2e-3)
    assert np.abs(moved.points[:, 1] - mesh.points[:, 1]).max() < 0.01


@pytest.mark.parametrize("net", [None, DMM(steps=20)], ids=["shipped", "untrained"])
@pytest.mark.parametrize("ring", [(4, 50, 0.1), (4, 20, 0.1)])
def test_rings_come_to_be_as_even_as_by_monge_ampere(net, ring):
    mesh, monitor = square(20), ring_monitor(*ring)
    moved, report = dmm(mesh, monitor, net=net)
    other, _ = monge_ampere(mesh, monitor)
    assert spread(moved, monitor) < (1.25 if net is None else 1.02) * spread(other, monitor)
    assert report.inverted == 0 and report.done == 1.0
    if net is not None:
        assert np.abs(moved.points - other.points).max() < 0.01


def test_rough_monitors_of_any_contrast_stop_where_rounding_decides():
    mesh, random = square(9), np.random.default_rng(0)
    moved, report = dmm(mesh, np.exp(random.normal(0, 5, mesh.n_points)), net=DMM(steps=64))
    assert report.inverted == 0 and np.isfinite(report.residual)
    positive_corners(moved)


def test_steps_that_are_not_finite_are_an_error_in_words():
    mesh, net = square(4), DMM()
    torch.nn.init.constant_(net.head.bias, np.nan)
    with pytest.raises(MeshError, match="step is not finite"):
        dmm(mesh, 1 + mesh.points[:, 0], net=net)


def test_constant_monitors_move_nothing():
    for mesh in (triangles(), box(4)):
        moved, report = dmm(mesh, np.full(mesh.n_points, 3.0))
        assert np.abs(moved.points - mesh.points).max() < 1e-12 and report.residual < 1e-12


@pytest.mark.parametrize(
    "mesh",
    [l_shape(10), ring_of_triangles(), box(4), box(4, hole=True), square(10, "quad")],
    ids=["L", "ring", "tetrahedra", "hole", "quads"],
)
def test_other_domains_and_cells_are_moved_too(mesh):
    size, centre = np.ptp(mesh.points, axis=0).max(), mesh.points[3, : mesh.dim]
    moved, report = dmm(mesh, lambda x: bump(x, centre, 0.3 * size))
    assert report.inverted == 0 and np.abs(moved.points - mesh.points).max() > 1e-3 * size
    positive_corners(moved)


def test_the_shipped_file_is_small_and_says_where_it_is_from():
    path = LIBRARY / "dmm.safetensors"
    net = load_mover(path)
    assert isinstance(net, DMM) and path.stat().st_size < 200_000
    assert net.meta["recipe"] == "examples/um2n/train.py"
    assert net.meta["options"]["loss"] == "equation"
    assert path.with_suffix(".md").is_file()
    assert isinstance(load_mover(), FlowMover)
