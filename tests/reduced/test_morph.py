"""Morphing to a reference: exact where maps are affine, convergent, never folded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.bench._generate import along, in_polygon, triangulate
from meshop.bench._meshes import delaunay, triangle_mesh
from meshop.errors import MeshError
from meshop.mesh import Mesh
from meshop.reduced import MMGP, boundary_loops, make_target, morph, sharpened, transport


def grid(nx: int, ny: int, lx: float = 1.0, ly: float = 1.0, angle: float = np.pi / 2) -> Mesh:
    """Quads on the parallelogram of two sides and the angle between them."""
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(0, 1, nx + 1), np.linspace(0, 1, ny + 1)))
    node = np.arange((nx + 1) * (ny + 1)).reshape(ny + 1, nx + 1)
    quads = np.stack([node[:-1, :-1], node[:-1, 1:], node[1:, 1:], node[1:, :-1]], -1)
    points = np.column_stack([lx * x + ly * y * np.cos(angle), ly * y * np.sin(angle)])
    return Mesh.from_blocks(points, [("quad", quads.reshape(-1, 4))])


def disc(rings: int, wave: float = 0.0) -> Mesh:
    """A disc, or with waves around it, of so many rings."""
    points = [[[0.0, 0.0]]]
    for k in range(1, rings + 1):
        turn = 2 * np.pi * (np.arange(6 * k) + 0.3) / (6 * k)
        points.append(k / rings * np.column_stack([np.cos(turn), np.sin(turn)]))
    flat = np.concatenate(points)
    cells = delaunay(flat).cell_nodes.reshape(-1, 3)
    turn = np.arctan2(flat[:, 1], flat[:, 0])
    return triangle_mesh(flat * (1 + wave * np.cos(3 * turn))[:, None], cells)


def holed(x: float, y: float, radius: float, n: int = 14) -> Mesh:
    """The unit square without a circle."""
    square = along(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), 1 / n)
    turn = 2 * np.pi * np.arange(24) / 24
    ring = np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)])

    def inside(p: np.ndarray) -> np.ndarray:
        return ((p > 0) & (p < 1)).all(1) & ~in_polygon(ring, p)

    return triangle_mesh(*triangulate([square, ring], inside, 1 / n, np.random.default_rng(0)))


def areas(mesh: Mesh) -> np.ndarray:
    a, b, c = mesh.points[mesh.cell_nodes.reshape(-1, 3), :2].transpose(1, 0, 2)
    return _cross(b - a, c - a) / 2


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def test_affine_shapes_correspond_to_rounding_and_linear_fields_come_back():
    a, b = grid(12, 9), grid(7, 15, 1.6, 1.2, 2.2)
    target = make_target(a, [b])
    one, two = (morph(mesh, target) for mesh in (a, b))
    assert one.valid and two.valid
    shape = np.array([[1.6, 1.2 * np.cos(2.2)], [0, 1.2 * np.sin(2.2)]])
    there, back = transport(one, two), transport(two, one)
    np.testing.assert_allclose(there @ a.points[:, :2] @ shape.T, b.points[:, :2], atol=1e-9)
    field = 3 - 2 * a.points[:, 0] + 5 * a.points[:, 1]
    np.testing.assert_allclose(back @ (there @ field), field, atol=1e-8)
    same = transport(one, one) @ field
    np.testing.assert_allclose(same, field, atol=1e-12)


def test_corners_are_passed_on_from_shape_to_shape():
    """Seen from one of the middle, both ends look more like another corner's turn."""
    family = [grid(4, 4, 1.0, 1.9, a) for a in np.radians(np.arange(30, 151, 10))]
    target = make_target(family[9], family)
    for mesh in family:
        chart = morph(mesh, target)
        found = chart.mesh.points[[0, 4, 24, 20]]
        expected = morph(family[9], target).mesh.points[[0, 4, 24, 20]]
        # Each side's share of the circle is the reference's: corners fall on corners.
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_loops_are_in_order_with_the_mesh_on_their_left():
    mesh = holed(0.4, 0.6, 0.2)
    outer, hole = boundary_loops(mesh)
    assert len(outer.corners) == 4 and len(hole.corners) == 0
    assert outer.arc[-1] == pytest.approx(4)
    assert hole.arc[-1] == pytest.approx(24 * 2 * 0.2 * np.sin(np.pi / 24))
    for loop, area in ((outer, 1.0), (hole, -12 * 0.04 * np.sin(2 * np.pi / 24))):
        p = mesh.points[loop.nodes]
        assert _cross(p, np.roll(p, -1, axis=0)).sum() / 2 == pytest.approx(area)


def test_round_trips_converge_with_the_mesh():
    errors = []
    for rings in (8, 16, 32):
        a, b = disc(rings), disc(rings + 1, 0.25)
        target = make_target(a, [b])
        one, two = (morph(mesh, target) for mesh in (a, b))
        assert one.valid and two.valid
        u = np.sin(3 * a.points[:, 0]) * np.cos(2 * a.points[:, 1])
        trip = transport(two, one) @ (transport(one, two) @ u)
        weight = a.p1().lumped
        errors.append(np.sqrt(weight @ (trip - u) ** 2 / (weight @ u**2)))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (rates > 1.7).all() and errors[-1] < 5e-3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 150))
def test_no_cell_is_turned_over_on_any_triangulation(seed: int, n: int):
    random = np.random.default_rng(seed)
    points = random.normal(size=(n, 2)) * [1, random.uniform(0.05, 1)]
    mesh = delaunay(points)
    mesh = Mesh.from_blocks(
        mesh.points[np.unique(mesh.cell_nodes)],
        [("triangle", np.unique(mesh.cell_nodes, return_inverse=True)[1].reshape(-1, 3))],
    )
    try:
        target = make_target(mesh, [disc(3)])
    except MeshError as error:  # slivers that were left out may leave two parts at a node
        assert "touches itself" in str(error)
        return
    chart = morph(mesh, target)
    assert chart.valid and (areas(chart.mesh) > 0).all()
    assert areas(chart.mesh).sum() <= np.pi


def test_a_hole_that_moves_comes_to_rest():
    meshes = [holed(x, y, 0.15) for x, y in ((0.5, 0.5), (0.35, 0.6), (0.62, 0.36))]
    target = make_target(meshes[0], meshes)
    charts = [morph(mesh, target) for mesh in meshes]
    assert all(chart.valid and (areas(chart.mesh) > 0).all() for chart in charts)
    for mesh, chart in zip(meshes, charts, strict=True):
        ring = chart.mesh.points[boundary_loops(mesh)[1].nodes, :2]
        x, y, radius = target.holes[0]
        np.testing.assert_allclose(np.hypot(*(ring - [x, y]).T), radius)
    with pytest.raises(MeshError, match="1 holes, found 0"):
        morph(grid(4, 4), target)


def test_what_cannot_be_morphed_says_why():
    with pytest.raises(MeshError, match="plane"):
        boundary_loops(Mesh.from_blocks(np.eye(3), [("triangle", np.array([[0, 1, 2]]))]))
    bow = np.array([[0.0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    with pytest.raises(MeshError, match="touches itself"):
        boundary_loops(triangle_mesh(bow, np.array([[0, 1, 2], [0, 3, 4]])))
    with pytest.raises(MeshError, match="expected 4 corners, found 3"):
        triangle = triangle_mesh(bow[:3], np.array([[0, 1, 2]]))
        morph(triangle, make_target(grid(3, 3)))


def family(count: int, seed: int) -> tuple[list[Mesh], np.ndarray, list[np.ndarray]]:
    """u = sin(2 X) + power Y^2 / height, v = width X Y on parallelograms, each meshed by itself."""
    random = np.random.default_rng(seed)
    meshes, conditions, fields = [], [], []
    for _ in range(count):
        lx, ly, angle = random.uniform([1, 1, 1], [2, 2, 2.1])
        power = random.uniform(0.5, 2)
        nx, ny = random.integers(14, 22, 2)
        mesh, unit = grid(nx, ny, lx, ly, angle), grid(nx, ny).points
        x, y = unit[:, 0], unit[:, 1]
        meshes.append(mesh)
        conditions.append([power])
        fields.append(
            np.column_stack([np.sin(2 * x) + power * y**2 / (ly * np.sin(angle)), lx * x * y])
        )
    return meshes, np.array(conditions), fields


def test_fields_on_meshes_of_their_own_are_learned_with_bands_that_hold():
    model = MMGP(weight="mass").fit(*family(50, 0))
    meshes, conditions, fields = family(20, 1)
    found = model.predict(meshes, conditions)
    assert "size and shape" in model.inputs and "conditions" in model.inputs
    errors, inside = [], []
    for (mean, deviation, *_), truth in zip(found, fields, strict=True):
        errors.append(np.linalg.norm(mean - truth, axis=0) / np.linalg.norm(truth, axis=0))
        inside.append((np.abs(mean - truth) <= 1.645 * deviation).mean(0))
    assert np.mean(errors) < 0.01
    assert 0.6 < np.mean(inside) < 0.99
    assert 0.5 * np.mean(errors) < model.left_out.mean() < 10 * np.mean(errors)


def test_one_mesh_for_all_is_a_reduced_model_of_the_conditions():
    mesh = disc(6)
    given = np.linspace(0, 1, 12)[:, None]
    fields = [np.exp(-c * mesh.points[:, :1]) for c in given]
    model = MMGP(kernel="matern", trend="constant").fit([mesh] * 12, given, fields)
    assert model.inputs == ["conditions"]
    ((mean, *_),) = model.predict([mesh], [[0.37]])
    np.testing.assert_allclose(mean, np.exp(-0.37 * mesh.points[:, :1]), atol=1e-4)
    with pytest.raises(ValueError, match="a row of each field"):
        model.fit([mesh], given[:1], [fields[0][:-1]])


def test_second_order_interpolation_is_exact_for_quadratics_and_linear_off_its_places():
    a, b = disc(7), disc(9)
    query = 0.9 * b.points
    matrix = a.p1().interpolation(query)

    def u(p: np.ndarray) -> np.ndarray:
        return 1 + p[:, 0] - 2 * p[:, 1] + 3 * p[:, 0] * p[:, 1] - p[:, 1] ** 2

    np.testing.assert_allclose(sharpened(matrix, a, query) @ u(a.points), u(query), atol=1e-9)
    off = query + 0.05 * np.sin(7 * query)
    off[:, 2] = 0
    moved = sharpened(matrix, a, off)
    np.testing.assert_allclose(moved @ a.points, off, atol=1e-9)
    np.testing.assert_allclose(moved @ np.ones(a.n_points), 1, atol=1e-10)
