"""Smoothing and untangling: the energy's slope, known minima, and no inverted cell, ever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.errors import ConditionError, MeshError
from meshop.mesh import Mesh
from meshop.movers import positive_corners, smooth
from meshop.movers._barrier import Energy

from ..meshes import box, ring
from .test_move import CUBE, square


def cube(n: int) -> Mesh:
    """As `box`, all tetrahedra wound alike."""
    mesh = box(n)
    return Mesh.from_blocks(mesh.points, [("tetra", positive_corners(mesh))])


def shaken(mesh: Mesh, size: float, seed: int = 0, boundary: bool = False) -> Mesh:
    """Points displaced at random; on the boundary of the unit square or cube along it."""
    random = np.random.default_rng(seed)
    out, points, d = mesh.copy(), mesh.points.copy(), mesh.dim
    step = size * random.normal(size=(mesh.n_points, d))
    step[np.isclose(points[:, :d] % 1.0, 0.0)] = 0.0
    if not boundary:
        step[mesh.p1().boundary.points] = 0.0
    points[:, :d] = np.clip(points[:, :d] + step, 0.0, 1.0) if boundary else points[:, :d] + step
    out.points = points
    return out


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_the_slope_of_the_energy_is_that_of_differences(d: int, eps: float) -> None:
    random = np.random.default_rng(d)
    nodes = np.array([[0, 1, 2, 3], [1, 4, 2, 3]])[:, : d + 1]
    x = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1.2, 0.9, 1.1]])[:, :d] * 1.0
    if d == 2:
        nodes = np.array([[0, 1, 2], [1, 4, 2]])
    wanted = np.stack([np.eye(d), 2 * np.eye(d)]) + 0.2 * random.normal(size=(2, d, d))
    energy = Energy(nodes, wanted, 5)
    x = x + 0.1 * random.normal(size=x.shape)
    if eps:
        x[nodes[0, -1], -1] *= -0.5  # inverted
    value, slope = energy(x, eps)
    assert np.isfinite(value)
    for way in random.normal(size=(3, 5, d)):
        low, high = (energy(x + s * 1e-6 * way, eps)[0] for s in (-1, 1))
        assert np.isclose((slope * way).sum(), (high - low) / 2e-6, rtol=1e-6)


def test_the_energy_is_one_at_what_is_wanted_and_infinite_where_a_cell_is_flat() -> None:
    x = CUBE[[0, 1, 3, 4]].astype(float)
    energy = Energy(np.array([[0, 1, 2, 3]]), np.eye(3)[None], 4)
    assert energy(x, 0.0)[0] == 1.0 and not energy(x, 0.0)[1].any()
    turned = x @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned *= np.sign(np.linalg.det(turned[1:]))
    assert np.isclose(energy(turned, 0.0)[0], 1.0)
    x[3, 2] = 0.0
    assert energy(x, 0.0)[0] == np.inf


@pytest.mark.parametrize("mesh", [square(8), square(8, "quad"), cube(4)], ids=["2", "quads", "3"])
@pytest.mark.parametrize("size", [0.02, 0.2])
def test_a_mesh_that_was_shaken_comes_back_where_its_shapes_are_wanted(
    mesh: Mesh, size: float
) -> None:
    tangled = shaken(mesh, size, boundary=True)
    moved, report = smooth(tangled, mesh, tol=1e-12, max_iterations=500)
    assert np.abs(moved.points - mesh.points).max() < 1e-5
    assert report.inverted == 0 and (report.untangled > 0) == (size > 0.1)
    assert report.min_angle > report.min_angle_before


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 2), st.sampled_from(["triangle", "quad", "tetra"]))
def test_whatever_is_shaken_is_untangled(seed: int, size: float, kind: str) -> None:
    mesh, n = (cube(3), 3) if kind == "tetra" else (square(8, kind), 8)
    tangled = shaken(mesh, size / n, seed)
    moved, report = smooth(tangled)
    assert report.inverted == 0 and (moved.quality("scaled_jacobian") > 0).all()
    positive_corners(moved)  # or it raises
    wall = mesh.p1().boundary.points
    assert np.allclose(moved.points[wall] % 1.0 == 0, mesh.points[wall] % 1.0 == 0)
    assert np.isclose(moved.cell_measures().sum(), 1.0)


def blocks(name: str) -> Mesh:
    """The unit cube, eight hexahedra, sixteen wedges or twelve pyramids around its centre."""
    if name == "pyramid":
        faces = [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (2, 3, 7, 6), (0, 4, 7, 3), (1, 2, 6, 5)]
        points = np.vstack([CUBE, [[0.5, 0.5, 0.5]]])
        return Mesh.from_blocks(points, [(name, [(*face[::-1], 8) for face in faces])])
    axis = np.linspace(0, 1, 3)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    first = np.array([9 * i + 3 * j + k for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    hexes = first[:, None] + CUBE @ [9, 3, 1]
    if name == "hexahedron":
        return Mesh.from_blocks(points, [(name, hexes)])
    if name == "voxel":
        return Mesh.from_blocks(points, [(name, hexes[:, [0, 1, 3, 2, 4, 5, 7, 6]])])
    halves = [hexes[:, [0, 1, 3, 4, 5, 7]], hexes[:, [1, 2, 3, 5, 6, 7]]]
    return Mesh.from_blocks(points, [("wedge", np.concatenate(halves)[:, [0, 2, 1, 3, 5, 4]])])


@pytest.mark.parametrize("name", ["hexahedron", "voxel", "wedge", "pyramid"])
def test_the_centre_of_blocks_of_every_kind_comes_to_the_middle(name: str) -> None:
    mesh = blocks(name)
    points = mesh.points.copy()
    centre = np.flatnonzero(np.isclose(points, 0.5).all(axis=1))
    points[centre] = [1.3, 0.4, 0.7]  # outside
    mesh.points = points
    moved, report = smooth(mesh, boundary="fixed")
    assert report.untangled > 0 == report.inverted
    off = 0.1 if name == "wedge" else 0.03  # which are not symmetric around it
    assert np.abs(moved.points[centre] - 0.5).max() < off
    positive_corners(moved)


def test_cells_wound_either_way_are_no_reason_to_move() -> None:
    mesh = square(6, "quad")
    mixed = Mesh.from_blocks(mesh.points, [("quad", m) for m in np.split(_quads(mesh), 2)])
    for one in (mixed, shaken(mixed, 0.02)):
        moved, report = smooth(one, tol=1e-9)
        assert report.untangled == 0 and np.abs(moved.points - mesh.points).max() < 0.02
    lined = Mesh.from_blocks(
        mesh.points, [("line", mesh.p1().boundary.nodes), ("quad", _quads(mesh))]
    )
    assert smooth(lined).report.untangled == 0
    moved, report = smooth(box(3))  # half of its tetrahedra
    assert report.untangled == 0 and report.inverted == 0


def _quads(mesh: Mesh) -> np.ndarray:
    cells = mesh.cell_nodes.reshape(-1, 4).copy()
    cells[: len(cells) // 2] = cells[: len(cells) // 2, ::-1]
    return cells


def test_flat_triangles_of_an_anisotropic_mesh_grow_rounder_and_sides_slide() -> None:
    mesh = square(10)
    thin = mesh.copy()
    points = mesh.points.copy()
    points[:, 0] = points[:, 0] ** 3
    thin.points = points
    moved, report = smooth(thin)
    assert report.untangled == 0 and report.min_angle > 1.5 * report.min_angle_before
    bottom = np.isclose(points[:, 1], 0)
    assert np.array_equal(moved.points[bottom, 1], points[bottom, 1])
    assert np.abs(moved.points[bottom, 0] - points[bottom, 0]).max() > 1e-3
    still, _ = smooth(thin, boundary="fixed")
    wall = mesh.p1().boundary.points
    assert np.array_equal(still.points[wall], points[wall])
    same, _ = smooth(thin, thin)  # it has the shapes that are wanted
    assert np.abs(same.points - thin.points).max() < 1e-12


def test_points_between_corners_follow_and_those_of_curved_walls_stay() -> None:
    mesh = ring(32, 8)
    moved, report = smooth(mesh)
    wall = mesh.p1().boundary.points
    assert report.inverted == 0 and np.array_equal(moved.points[wall], mesh.points[wall])
    assert np.abs(moved.points - mesh.points).max() > 1e-3
    six = np.array([
        [0, 0], [2, 0], [2, 2], [0, 2], [1.8, 1.7],
        [1, 0], [2, 1], [1, 2], [0, 1], [0.9, 0.85], [1.9, 0.85], [1.9, 1.85], [0.9, 1.85],
    ])  # fmt: skip
    cells = [[0, 1, 4, 5, 10, 9], [1, 2, 4, 6, 11, 10], [2, 3, 4, 7, 12, 11], [3, 0, 4, 8, 9, 12]]
    curved = Mesh.from_blocks(six, [("quadratic_triangle", cells)])
    moved, report = smooth(curved)
    assert np.allclose(moved.points[4, :2], 1.0, atol=0.06)
    assert np.allclose(moved.points[9], 0.5 * (moved.points[0] + moved.points[4]))
    assert np.array_equal(moved.points[5:9], curved.points[5:9])


def test_what_cannot_be_put_right_is_an_error_and_nothing_moved() -> None:
    mesh = square(3)
    points = mesh.points.copy()
    points[0, :2] = 2.0  # the boundary crosses itself
    mesh.points = points
    with pytest.raises(MeshError, match="stay inverted"):
        smooth(mesh)
    assert np.array_equal(mesh.points, points)
    with pytest.raises(MeshError, match="same cells"):
        smooth(square(3), square(4))
    with pytest.raises(MeshError, match="inverted"):
        smooth(square(3), mesh)
    pentagon = Mesh.from_blocks(
        np.array([[np.cos(a), np.sin(a)] for a in np.arange(5) * 0.4 * np.pi]),
        [("polygon", [[0, 1, 2, 3, 4]])],
    )
    with pytest.raises(MeshError, match="polygons"):
        smooth(pentagon)
    with pytest.raises(ConditionError, match="slide or fixed"):
        smooth(square(3), boundary="free")
    with pytest.raises(ConditionError, match="above zero"):
        smooth(square(3), tol=0.0)
