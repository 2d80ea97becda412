"""Orders of convergence of P1 fields on smooth functions, on every kind of mesh."""

import numpy as np
import pytest
from p1_meshes import (
    as_polyhedra,
    irregular,
    orders,
    plane,
    renumbered,
    solid,
    sphere,
    tetrahedra,
    triangles,
)
from scipy.sparse.linalg import spsolve

from meshop.mesh import with_dirichlet

PLANE = {"triangles": triangles, "irregular": irregular, "plane": plane}
SPACE = {
    "tetrahedra": tetrahedra,
    "solid": solid,
    "polyhedra": lambda n: as_polyhedra(solid(n)),
    "warped": lambda n: renumbered(solid(n, 0.33))[0],
}
KINDS = [*PLANE, *SPACE]


def meshes(kind, levels=3):
    make = {**PLANE, **SPACE}[kind]
    sizes = [16, 32, 64] if kind in PLANE else [5, 10, 20]
    if kind == "polyhedra":
        sizes = [4, 8, 16]
    return [make(n) for n in sizes[-levels:]]


# u = sin(2 x + y) cosh(z - y / 2) + x^2 z: no symmetry, nothing vanishes on the boundary.
def exact(x):
    return np.sin(2 * x[:, 0] + x[:, 1]) * np.cosh(x[:, 2] - x[:, 1] / 2) + x[:, 0] ** 2 * x[:, 2]


def slope(x):
    s, c = np.sin(2 * x[:, 0] + x[:, 1]), np.cos(2 * x[:, 0] + x[:, 1])
    h, g = np.cosh(x[:, 2] - x[:, 1] / 2), np.sinh(x[:, 2] - x[:, 1] / 2)
    return np.stack(
        [2 * c * h + 2 * x[:, 0] * x[:, 2], c * h - s * g / 2, s * g + x[:, 0] ** 2], axis=1
    )


def bend(x):
    s, c = np.sin(2 * x[:, 0] + x[:, 1]), np.cos(2 * x[:, 0] + x[:, 1])
    h, g = np.cosh(x[:, 2] - x[:, 1] / 2), np.sinh(x[:, 2] - x[:, 1] / 2)
    xx, xy, xz = -4 * s * h + 2 * x[:, 2], -2 * s * h - c * g, 2 * c * g + 2 * x[:, 0]
    yy, yz, zz = -s * h - c * g + s * h / 4, c * g - s * h / 2, s * h
    rows = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def of(mesh, tensor):
    """The components that a plane mesh has."""
    seen = (np.arange(3) < mesh.dim).astype(float)
    return tensor * seen if tensor.ndim == 2 else tensor * seen * seen[:, None]


def norm(p1, error, where=slice(None)):
    """Root mean square over the points, weighted."""
    size = error.reshape(len(error), -1)
    weight = p1.lumped[where]
    return np.sqrt((weight * (size[where] ** 2).sum(axis=1)).sum() / weight.sum())


def test_the_derivatives_here_are_right():
    x, h = np.random.default_rng(0).random((5, 3)), 1e-5
    for axis, step in enumerate(h * np.eye(3)):
        one = (exact(x + step) - exact(x - step)) / (2 * h)
        two = (slope(x + step) - slope(x - step)) / (2 * h)
        assert slope(x)[:, axis] == pytest.approx(one, abs=1e-8)
        assert bend(x)[:, axis] == pytest.approx(two, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    """First order on cells, at points at least that, and of second where rings are symmetric."""
    cells, points, fits = [], [], []
    for mesh in meshes(kind):
        p1 = mesh.p1()
        u, x = exact(mesh.points), mesh.points
        area = np.bincount(p1.simplices.cell, p1.simplices.measure)
        error = p1.cell_gradient(u) - of(mesh, slope(mesh.cell_centers()))
        cells.append(np.sqrt((area * (error**2).sum(axis=1)).sum()))
        inner = np.setdiff1d(np.arange(len(x)), p1.boundary.points)
        points.append(norm(p1, p1.gradient(u) - of(mesh, slope(x)), inner))
        fits.append(norm(p1, p1.fit.gradient(u) - of(mesh, slope(x))))
        assert not len(p1.fit.unfitted)
    assert orders(cells)[-1] > 0.9
    assert orders(points)[-1] > 0.9
    assert orders(fits)[-1] > 1.85  # the boundary included


@pytest.mark.parametrize("make", [triangles, tetrahedra], ids=["triangles", "tetrahedra"])
def test_gradients_at_inner_points_of_regular_meshes_are_of_second_order(make):
    errors = []
    for n in (8, 16) if make is tetrahedra else (16, 32):
        mesh = make(n, 0.0)
        p1 = mesh.p1()
        inner = np.all(np.abs(mesh.points[:, : mesh.dim] - 0.5) <= 0.25, axis=1)
        error = p1.gradient(exact(mesh.points)) - of(mesh, slope(mesh.points))
        errors.append(np.abs(error[inner]).max())
    assert orders(errors)[0] > 1.9


@pytest.mark.parametrize("kind", KINDS)
def test_hessians(kind):
    """First order in the mean and everywhere, the boundary included."""
    errors, means = [], []
    for mesh in meshes(kind):
        p1 = mesh.p1()
        found = p1.hessian(exact(mesh.points))
        errors.append(np.abs(found - of(mesh, bend(mesh.points))).max())
        means.append(norm(p1, found - of(mesh, bend(mesh.points))))
        assert np.array_equal(found, found.swapaxes(1, 2))
    assert orders(means)[-1] > 0.9 and np.mean(orders(errors)) > 0.7
    x = mesh.points
    quadratic = x[:, 0] ** 2 - 3 * x[:, 0] * x[:, 1] + 2 * x[:, 1] + x[:, 2] * x[:, 0]
    exactly = of(mesh, np.array([[2.0, -3, 1], [-3, 0, 0], [1, 0, 0]])[None])
    assert np.abs(p1.hessian(quadratic) - exactly).max() < 1e-8


def test_other_hessians_do_not_converge():
    """Why there is a fit: the two that are simpler, on meshes without structure."""
    twice, weak, fitted = [], [], []
    for n in (16, 32, 64):
        p1 = irregular(n).p1()
        u, expected = exact(p1.mesh.points), of(p1.mesh, bend(p1.mesh.points))
        inner = np.setdiff1d(np.arange(p1.mesh.n_points), p1.boundary.points)
        first = p1.gradient(u)
        twice.append(norm(p1, p1.gradient(first) - expected, inner))
        flux = p1.cell_gradient(u)
        rows = [
            p1.weak_divergence(flux[:, [axis]] * np.eye(3)[other], "cell")
            for axis in range(3)
            for other in range(3)
        ]
        found = (np.stack(rows, axis=1) / p1.lumped[:, None]).reshape(-1, 3, 3)
        weak.append(norm(p1, found - expected, inner))
        fitted.append(norm(p1, p1.hessian(u) - expected, inner))
    assert orders(fitted)[-1] > 0.9
    assert orders(twice)[-1] < 0.5 and orders(weak)[-1] < 0.5


def test_hessians_on_a_sphere():
    errors = []
    for levels in (3, 4, 5):
        mesh = sphere(levels)
        normal = mesh.points
        height = normal[:, 2]  # Hess z = -z I in the tangent plane
        tangent = np.eye(3) - normal[:, :, None] * normal[:, None]
        found = mesh.p1().hessian(height)
        errors.append(np.abs(found + height[:, None, None] * tangent).max())
    assert orders(errors)[-1] > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_projections(kind):
    """Second order from functions; first from cell values, whose error is of first order."""
    functions, cells = [], []
    for mesh in meshes(kind):
        p1 = mesh.p1()
        u = exact(mesh.points)
        functions.append(norm(p1, p1.project(exact) - u))
        found = p1.project(exact(mesh.cell_centers()))
        cells.append(norm(p1, found - u))
    assert orders(functions)[-1] > 1.85
    assert orders(cells)[-1] > 0.9


def test_fields_go_from_mesh_to_mesh():
    errors = []
    for n in (8, 16, 32):
        coarse, fine = triangles(n).p1(), irregular(2 * n).p1()
        found = fine.project(coarse.field(exact(coarse.mesh.points)))
        errors.append(norm(fine, found - exact(fine.mesh.points)))
        ones = fine.project(coarse.field(np.ones(coarse.mesh.n_points)))
        assert np.abs(ones - 1).max() < 1e-12
    assert orders(errors)[-1] > 1.85


@pytest.mark.parametrize("kind", KINDS)
def test_poisson(kind):
    """-div (c grad u) = f with values on the boundary: second order in L2."""
    errors = []
    for mesh in meshes(kind, 2):
        p1 = mesh.p1()
        x = mesh.points

        def force(x, dim=mesh.dim):
            c, grad_c = 1 + x[:, 0], np.array([1.0, 0, 0])
            laplace = np.trace(bend(x)[:, :dim, :dim], axis1=1, axis2=2)
            return -c * laplace - slope(x) @ grad_c

        rim = p1.boundary.points
        stiffness = p1.stiffness(1 + x[:, 0], at="point")
        matrix, load = with_dirichlet(stiffness, p1.load(force), rim, exact(x[rim]))
        errors.append(norm(p1, spsolve(matrix.tocsc(), load) - exact(x)))
    assert orders(errors)[-1] > 1.8


def test_neumann_and_robin_conditions():
    """grad u . n + u = g on the whole boundary, from its load and its mass."""
    errors = []
    for n in (8, 16):
        mesh = solid(n)
        p1 = mesh.p1()
        rim = p1.boundary
        middle = mesh.points[rim.nodes].mean(axis=1)
        normal = rim.areas / rim.measure[:, None]
        flux = (slope(middle) * normal).sum(axis=1) + exact(middle)
        load = p1.load(lambda x: -np.trace(bend(x), axis1=1, axis2=2)) + rim.load(flux)
        found = spsolve((p1.stiffness() + rim.mass()).tocsc(), load)
        errors.append(norm(p1, found - exact(mesh.points)))
    assert orders(errors)[0] > 1.8
