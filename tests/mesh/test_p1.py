"""P1 fields: scikit-fem's matrices, integrals known exactly, linear fields on every cell type."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from p1_meshes import (
    as_polyhedra,
    irregular,
    lattice,
    plane,
    renumbered,
    reordered,
    solid,
    sphere,
    tetrahedra,
    triangles,
)
from test_mesh_geometry import CELLS, from_pyvista, pv

from meshop.errors import MeshError
from meshop.mesh import CELL_TYPES, Mesh, with_dirichlet

SLOPE = np.array([1.0, -2.0, 3.0])
LINE = Mesh.from_blocks(
    np.sort(np.random.default_rng(0).random(9))[:, None] * [[1, 2, 2]],
    [("line", [[0, 1], [2, 1], [2, 3]]), (4, [[3, 4, 5]]), ("quadratic_edge", [[5, 8, 6]])],
)
MESHES = {
    "lines": LINE,
    "triangles": triangles(5),
    "irregular": irregular(6),
    "plane": plane(5),
    "tetrahedra": tetrahedra(3),
    "solid": solid(4),
    "warped": renumbered(solid(4, 0.34), 2)[0],  # some cells are cut from their centre
    "polyhedra": as_polyhedra(solid(3)),
}
FLAT = [name for name in MESHES if name != "lines"]


def dense(matrix):
    assert matrix.has_sorted_indices and matrix.shape[0] == matrix.shape[1]
    return matrix.toarray()


@pytest.fixture(params=["triangles", "irregular", "tetrahedra"])
def twin(request):
    """A mesh of simplices, and the same in scikit-fem."""
    fem = pytest.importorskip("skfem")
    mesh = renumbered(MESHES[request.param])[0]
    cells = mesh.cell_nodes.reshape(mesh.n_cells, -1)
    if mesh.dim == 2:
        other, element = fem.MeshTri(mesh.points[:, :2].T, cells.T), fem.ElementTriP1()
    else:
        other, element = fem.MeshTet(mesh.points.T, cells.T), fem.ElementTetP1()
    return mesh, fem, fem.Basis(other, element, intorder=4), element


def test_matrices_are_those_of_scikit_fem(twin):
    mesh, fem, basis, _ = twin
    p1, dim, random = mesh.p1(), mesh.dim, np.random.default_rng(0)
    cell, point = random.random(mesh.n_cells), random.random(mesh.n_points)
    tensor = np.zeros((mesh.n_cells, 3, 3))
    tensor[:, :dim, :dim] = random.random((mesh.n_cells, dim, dim))

    @fem.BilinearForm
    def mass(u, v, w):
        return w.c * u * v

    @fem.BilinearForm
    def stiffness(u, v, w):
        return sum(w.c[i] * u.grad[j] * v.grad[i] for i, j in w.pairs)

    def laplace(c):
        @fem.BilinearForm
        def form(u, v, w):
            c_ij = c.T[:, :, :, None] if np.ndim(c) == 3 else None
            total = 0.0
            for i in range(dim):
                for j in range(dim):
                    part = c_ij[j, i] if c_ij is not None else (i == j) * w.c
                    total = total + part * u.grad[j] * v.grad[i]
            return total

        return form

    zero = basis.with_element(fem.ElementTriP0() if dim == 2 else fem.ElementTetP0())
    one = np.ones(mesh.n_cells)
    cases = [
        (p1.mass(), mass.assemble(basis, c=zero.interpolate(one))),
        (p1.mass(cell), mass.assemble(basis, c=zero.interpolate(cell))),
        (p1.stiffness(), laplace(1).assemble(basis, c=zero.interpolate(one))),
        (p1.stiffness(cell), laplace(1).assemble(basis, c=zero.interpolate(cell))),
        (p1.stiffness(point, "point"), laplace(1).assemble(basis, c=basis.interpolate(point))),
        (p1.stiffness(tensor), laplace(tensor).assemble(basis, c=zero.interpolate(one))),
    ]
    for axis in range(dim):
        derivative = fem.BilinearForm(lambda u, v, w, axis=axis: u.grad[axis] * v)
        cases.append((p1.derivatives[axis], derivative.assemble(basis)))
    for found, expected in cases:
        scale = abs(expected).max()
        assert np.abs(dense(found) - expected.toarray()).max() < 1e-12 * scale
    load = fem.LinearForm(lambda v, w: w.c * v)
    assert p1.load(cell) == pytest.approx(load.assemble(basis, c=zero.interpolate(cell)))
    assert p1.load(point, "point") == pytest.approx(
        load.assemble(basis, c=basis.interpolate(point))
    )


def test_the_boundary_is_that_of_scikit_fem(twin):
    mesh, fem, basis, element = twin
    boundary = mesh.p1().boundary
    rim = fem.FacetBasis(basis.mesh, element, intorder=4)
    mass = fem.BilinearForm(lambda u, v, w: u * v).assemble(rim)
    assert np.abs(dense(boundary.mass()) - mass.toarray()).max() < 1e-13
    for axis in range(mesh.dim):
        normal = fem.LinearForm(lambda v, w, axis=axis: w.n[axis] * v).assemble(rim)
        assert boundary.area_vectors[:, axis] == pytest.approx(normal, abs=1e-14)
    assert np.array_equal(boundary.points, basis.mesh.boundary_nodes())


@pytest.mark.parametrize("name", MESHES)
def test_sums_and_kernels(name):
    mesh = MESHES[name]
    p1 = mesh.p1()
    assert (p1.simplices.centres.shape[0] > 0) == (name == "warped")
    assert not len(p1.simplices.tangled)
    mass, stiffness = dense(p1.mass()), dense(p1.stiffness())
    measure = p1.simplices.measure.sum()
    assert measure == pytest.approx(mesh.cell_measures().sum(), rel=1e-3)
    assert mass.sum() == pytest.approx(measure, rel=1e-13)
    assert mass.sum(axis=1) == pytest.approx(p1.lumped, abs=1e-15) and (p1.lumped >= 0).all()
    assert np.array_equal(mass, mass.T) and np.array_equal(stiffness, stiffness.T)
    assert np.abs(stiffness.sum(axis=1)).max() < 1e-13 * np.abs(stiffness).max()
    inner = np.setdiff1d(np.arange(mesh.n_points), p1.idle)
    values = np.linalg.eigvalsh(stiffness[np.ix_(inner, inner)])
    assert abs(values[0]) < 1e-12 * values[-1] < values[1]  # constants, and nothing else
    assert np.linalg.eigvalsh(mass[np.ix_(inner, inner)])[0] > 0


@pytest.mark.parametrize("name", FLAT)
def test_the_divergence_theorem(name):
    p1 = MESHES[name].p1()
    boundary = p1.boundary
    random = np.random.default_rng(0)
    vectors = random.normal(size=(p1.mesh.n_points, 3)) * (np.arange(3) < p1.mesh.dim)
    for axis, derivative in enumerate(p1.derivatives):
        rim = boundary.mass(boundary.areas[:, axis] / boundary.measure)
        assert np.abs(dense(derivative + derivative.T) - dense(rim)).max() < 1e-15
        assert derivative.sum() == pytest.approx(boundary.area_vectors[:, axis].sum(), abs=1e-13)
    load = sum(d @ v for d, v in zip(p1.derivatives, vectors.T, strict=True))
    rim = sum(
        boundary.mass(n / boundary.measure) @ v
        for n, v in zip(boundary.areas.T, vectors.T, strict=True)
    )
    assert p1.weak_divergence(vectors) == pytest.approx(load - rim, abs=1e-13)
    assert p1.weak_divergence(vectors).sum() == pytest.approx(0, abs=1e-13)
    assert p1.divergence(vectors) * p1.lumped == pytest.approx(load, abs=1e-13)
    flux = p1.cell_gradient(vectors[:, 0])
    if len(p1.simplices.cell) == p1.mesh.n_cells:
        assert -p1.weak_divergence(flux, "cell") == pytest.approx(p1.stiffness() @ vectors[:, 0])


@pytest.mark.parametrize("name", FLAT)
def test_normals_of_a_closed_boundary(name):
    p1 = MESHES[name].p1()
    boundary = p1.boundary
    assert np.abs(boundary.area_vectors.sum(axis=0)).max() < 1e-14
    assert boundary.lumped.sum() == pytest.approx(4 if p1.mesh.dim == 2 else 6)
    # Inside a side of the unit square or cube the normal is the side's.
    points, normals = p1.mesh.points, boundary.normals
    for axis in range(p1.mesh.dim):
        for value in (0.0, 1.0):
            others = np.delete(points[:, : p1.mesh.dim], axis, axis=1)
            side = (points[:, axis] == value) & np.all((others > 0) & (others < 1), axis=1)
            expected = np.eye(3)[axis] * (2 * value - 1)
            assert side.any() and np.abs(normals[side] - expected).max() < 1e-12
    off = np.setdiff1d(np.arange(len(points)), boundary.points)
    assert len(off) and not normals[off].any() and not boundary.lumped[off].any()
    q = np.random.default_rng(0).random(len(boundary.nodes))
    assert boundary.load(q).sum() == pytest.approx(q @ boundary.measure)


@pytest.mark.parametrize("name", [*CELLS, "QuadraticPolygon", "QuadraticPyramid"])
def test_linear_fields_are_exact_on_every_cell_type(name):
    mesh = from_pyvista(getattr(pv.examples.cells, name)())
    row = CELL_TYPES[int(mesh.cell_types[0])]
    if row.dim == 0 or row.name == "convex_point_set":
        return
    p1 = mesh.p1()
    nodes = p1.simplices.nodes
    span = np.linalg.qr(np.swapaxes(mesh.points[nodes[:, 1:]] - mesh.points[nodes[:, :1]], 1, 2))[0]
    tangent = span @ np.swapaxes(span, 1, 2)
    expected = tangent @ SLOPE  # what is across a line or a surface is not seen
    values = np.column_stack([mesh.points @ SLOPE, np.ones(mesh.n_points)]) + 100.0
    found = p1.simplex_gradient(values)
    assert np.abs(found[..., 0] - expected).max() < 1e-11 and not found[..., 1].any()
    if np.ptp(tangent, axis=0).max() < 1e-12:
        used = np.setdiff1d(np.arange(mesh.n_points), p1.idle)
        assert np.abs(p1.gradient(values)[used, :, 0] - expected[0]).max() < 1e-11
        assert np.abs(p1.cell_gradient(values)[0, :, 0] - expected[0]).max() < 1e-11
    assert p1.mass().sum() == pytest.approx(p1.simplices.measure.sum())
    idle = {0: 0, -1: mesh.n_points // 2}.get(row.corners, mesh.n_points - row.corners)
    assert len(p1.idle) == idle
    # Nodes of a straight cell are where they should be, so the points themselves are filled.
    if name not in ("CubicLine", "QuadraticPolygon", "QuadraticPyramid", "TriQuadraticPyramid"):
        known = np.where(p1.lumped[:, None] > 0, mesh.points, np.nan)
        assert np.abs(p1.filled(known) - mesh.points).max() < 1e-12


@pytest.mark.parametrize("name", MESHES)
def test_linear_fields_are_exact(name):
    mesh = MESHES[name]
    p1 = mesh.p1()
    used = np.setdiff1d(np.arange(mesh.n_points), p1.idle)
    linear = mesh.points @ SLOPE + 7
    tangent = SLOPE * (np.arange(3) < mesh.dim)
    if name == "lines":
        along = np.array([1, 2, 2]) / 3
        tangent = along * (along @ SLOPE)
    found = p1.gradient(np.column_stack([linear, 2 * linear]))
    assert found.shape == (mesh.n_points, 3, 2)
    assert np.abs(found[used] - tangent[:, None] * [1, 2]).max() < 1e-11
    assert np.abs(p1.cell_gradient(linear) - tangent).max() < 1e-11
    assert np.abs(p1.simplex_gradient(linear) - tangent).max() < 1e-11
    assert np.abs(p1.project(lambda x: x @ SLOPE + 7) - linear)[used].max() < 1e-11
    assert np.abs(p1.project(linear, "point") - linear)[used].max() < 1e-11
    queries = np.random.default_rng(0).dirichlet(np.ones(len(p1.simplices.nodes[0])), 50)
    corner = mesh.points[p1.simplices.nodes[:1]] if name != "warped" else mesh.points[:4][None]
    places = queries @ corner[0]
    assert np.abs(p1.field(linear)(places) - (places @ SLOPE + 7)).max() < 1e-11
    assert (p1.load(np.ones(mesh.n_cells)) == pytest.approx(p1.lumped)) and np.ptp(
        p1.project(np.full(mesh.n_cells, 3.0), lumped=True)[used]
    ) < 1e-13


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_other_numbers_for_points_permute_the_results(seed):
    for name in ("triangles", "tetrahedra"):
        mesh = MESHES[name]
        other, number = renumbered(mesh, seed)
        one, two = mesh.p1(), other.p1()
        values = np.sin(3 * mesh.points @ SLOPE)
        moved = np.empty_like(values)
        moved[number] = values
        rows = np.ix_(number, number)
        for make in ("mass", "stiffness"):
            a, b = dense(getattr(one, make)()), dense(getattr(two, make)())
            assert np.abs(b[rows] - a).max() < 1e-14
        for make in ("gradient", "hessian"):
            a, b = getattr(one, make)(values), getattr(two, make)(moved)[number]
            assert np.abs(a - b).max() < 1e-9 * np.abs(a).max()
        assert one.boundary.normals == pytest.approx(two.boundary.normals[number], abs=1e-13)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_another_order_of_cells_changes_nothing(seed):
    for name in ("plane", "solid", "warped", "polyhedra"):
        mesh = MESHES[name]
        other, order = reordered(mesh, seed)
        one, two = mesh.p1(), other.p1()
        values = np.sin(3 * mesh.points @ SLOPE)
        assert np.abs(dense(one.stiffness()) - dense(two.stiffness())).max() < 1e-13
        assert np.abs(dense(one.mass()) - dense(two.mass())).max() < 1e-15
        assert one.cell_gradient(values)[order] == pytest.approx(two.cell_gradient(values))
        assert one.boundary.normals == pytest.approx(two.boundary.normals, abs=1e-12)


def test_the_same_again_and_in_pieces(monkeypatch):
    mesh = MESHES["warped"]

    def results():
        p1 = mesh.p1()
        values = np.sin(mesh.points @ SLOPE)
        parts = [p1.stiffness(), p1.mass(values, "point"), *p1.derivatives]
        arrays = [dense(part) for part in parts]
        return [
            *arrays,
            p1.load(np.sin),
            p1.fit.weight,
            p1.weak_divergence(p1.cell_gradient(values), "cell"),
        ]

    one, two = results(), results()
    monkeypatch.setattr("meshop.mesh._p1_assembly.CHUNK", 7)
    monkeypatch.setattr("meshop.mesh._p1_fit._ROWS", 5)
    monkeypatch.setattr("meshop.mesh._p1_fit._BLOCK", 11)
    monkeypatch.setattr("meshop.mesh._p1_pattern._ROOM", 50)
    pieces = results()
    for a, b, c in zip(one, two, pieces, strict=True):
        assert a.tobytes() == b.tobytes()
        np.testing.assert_allclose(a, c, rtol=1e-9, atol=1e-12)


def test_the_ends_of_lines():
    boundary = LINE.p1().boundary
    assert boundary.points.tolist() == [0, 8]
    along = np.array([1, 2, 2]) / 3
    assert boundary.normals[[0, 8]] == pytest.approx(np.stack([-along, along]))
    assert dense(boundary.mass())[[0, 8], [0, 8]].tolist() == [1, 1]
    assert boundary.mass().sum() == 2 and boundary.lumped.sum() == 2


def test_a_closed_surface_in_space():
    mesh = sphere(4)
    p1 = mesh.p1()
    assert not len(p1.boundary.nodes) and not p1.boundary.normals.any()
    assert p1.boundary.mass().nnz == mesh.n_points and not p1.boundary.mass().sum()
    normal = mesh.points
    height = mesh.points @ SLOPE
    expected = SLOPE - normal * height[:, None]
    assert np.abs(p1.gradient(height) - expected).max() < 0.1
    # Spherical harmonics of degree one: -laplace u = 2 u; on the sphere Hess u = -u I.
    assert height @ p1.stiffness() @ height == pytest.approx(
        2 * height @ p1.mass() @ height, rel=0.02
    )
    tangent = np.eye(3) - normal[:, :, None] * normal[:, None]
    assert np.abs(p1.hessian(height) + height[:, None, None] * tangent).max() < 0.3


@pytest.mark.parametrize("name", ["plane", "tetrahedra", "warped", "polyhedra"])
@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_size_and_place_change_nothing(name, scale):
    mesh = MESHES[name]
    other = mesh.copy()
    shift = 1e3 * np.array([1.0, -2.0, 0.0 if mesh.dim == 2 else 3.0])
    other.points = scale * (mesh.points + shift)
    one, two = mesh.p1(), other.p1()
    values = np.sin(3 * mesh.points @ SLOPE)
    assert np.array_equal(one.simplices.nodes, two.simplices.nodes)
    for expected, found, power in (
        (one.lumped, two.lumped, mesh.dim),
        (dense(one.stiffness()), dense(two.stiffness()), mesh.dim - 2),
        (one.gradient(values), two.gradient(values), -1),
        (one.hessian(values), two.hessian(values), -2),
        (one.boundary.area_vectors, two.boundary.area_vectors, mesh.dim - 1),
    ):
        error = np.abs(found / scale**power - expected).max()
        assert error < 1e-8 * np.abs(expected).max()


def test_dirichlet_values():
    mesh = plane(8)
    p1 = mesh.p1()
    stiffness, load = p1.stiffness(), p1.load(np.ones(mesh.n_cells))
    fixed = np.flatnonzero(mesh.points[:, 0] == 0)
    values = mesh.points[fixed, 1] ** 2
    matrix, right = with_dirichlet(stiffness, load, fixed, values)
    found = np.linalg.solve(dense(matrix), right)
    free = np.setdiff1d(np.arange(mesh.n_points), fixed)
    full = dense(stiffness)
    expected = np.linalg.solve(
        full[np.ix_(free, free)], load[free] - full[np.ix_(free, fixed)] @ values
    )
    assert np.array_equal(found[fixed], values) and found[free] == pytest.approx(expected)
    assert np.array_equal(dense(matrix), dense(matrix).T)
    assert np.linalg.eigvalsh(dense(matrix))[0] > 0
    _, right = with_dirichlet(stiffness, np.column_stack([load, 2 * load]), fixed, 1.0)
    assert right.shape == (mesh.n_points, 2) and np.all(right[fixed] == 1)
    assert np.array_equal(stiffness.toarray(), full)


def test_points_of_the_mesh_that_no_cell_has():
    points, at = lattice(2, 2)
    cells = at[:, [0, 1, 1, 0], [0, 0, 1, 1]]
    lone = np.vstack([points, [[9, 9]], points[:1] + 0.25])
    p1 = Mesh.from_blocks(lone, [("quad", cells), ("line", [[0, 9]]), ("vertex", [[10]])]).p1()
    assert p1.idle.tolist() == [9, 10] and p1.fit.unfitted.tolist() == [9, 10]
    values = lone @ SLOPE[:2]
    for found in (p1.gradient(values), p1.hessian(values), p1.project(values, "point")):
        assert np.isfinite(found).all() and not found[[9, 10]].any()
    for matrix in (p1.mass(), p1.stiffness(), *p1.derivatives):
        assert not dense(matrix)[[9, 10]].any() and not dense(matrix)[:, [9, 10]].any()
    assert not p1.cell_gradient(values)[4:].any()  # a line and a vertex have no part


def test_too_few_points_for_a_quadratic_are_reported():
    one = Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])]).p1()
    assert one.fit.unfitted.tolist() == [0, 1, 2]
    assert not one.hessian(np.arange(3.0)).any() and np.isfinite(one.fit.weight).all()
    points, at = lattice(4, 3)
    layer = at.reshape(4, 4, 4, 8)[:, :, 0].reshape(-1, 8)[:, [0, 4, 6, 2, 1, 5, 7, 3]]
    thin = Mesh.from_blocks(points, [("hexahedron", layer)]).p1()
    assert len(thin.fit.unfitted) == len(points) and not thin.fit.column.size


def test_values_of_the_wrong_size():
    p1 = plane(3).p1()
    for call in (
        lambda: p1.gradient(np.ones(3)),
        lambda: p1.load(np.ones(3)),
        lambda: p1.mass(np.ones(p1.mesh.n_cells), "edge"),
        lambda: p1.mass(np.ones((p1.mesh.n_cells, 2))),
        lambda: p1.stiffness(np.ones((p1.mesh.n_cells, 3))),
        lambda: p1.divergence(np.ones((p1.mesh.n_points, 2))),
    ):
        with pytest.raises(MeshError):
            call()
    with pytest.raises(MeshError, match="edges of the cells"):
        Mesh.from_blocks(np.eye(3), [(69, [[0, 1, 2]])]).p1().filled(np.ones(3))
