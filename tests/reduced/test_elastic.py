"""Elastic morphing: exact for affine maps, on the other's boundary, convergent, never folded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.bench._generate import along, in_polygon, triangulate
from meshop.bench._meshes import triangle_mesh
from meshop.errors import MeshError
from meshop.mesh import Mesh
from meshop.reduced import MMGP, Body, features, make_reference, morph_onto, restored_reference
from tests.reduced.test_morph import grid

Map = Callable[[np.ndarray], np.ndarray]


def lattice(counts: tuple[int, int, int], place: Map, around: bool = False) -> Mesh:
    """Hexahedra on the unit cube of a map's coordinates; around: the first of them is periodic."""
    nx, ny, nz = counts
    axes = [np.arange(n + 1) / n for n in counts]
    if around:
        axes[0] = axes[0][:-1]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    i, j, k = (v.ravel() for v in np.meshgrid(*map(np.arange, counts), indexing="ij"))
    lines = nx if around else nx + 1

    def node(a: int, b: int, c: int) -> np.ndarray:
        return ((i + a) % lines * (ny + 1) + j + b) * (nz + 1) + k + c

    cells = [node(*at) for at in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0),
                                  (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))]  # fmt: skip
    return Mesh.from_blocks(place(points), [("hexahedron", np.stack(cells, 1))])


def tetrahedra(mesh: Mesh, shake: float = 0.0) -> Mesh:
    """The simplices of a mesh, its inner points shaken by so much of an edge."""
    p1 = mesh.p1()
    points, random = mesh.points.copy(), np.random.default_rng(0)
    inner = np.setdiff1d(np.arange(len(points)), p1.boundary.points)
    size = (p1.lumped.sum() / len(points)) ** (1 / 3)
    points[inner] += shake * size * random.uniform(-1, 1, (len(inner), 3))
    return Mesh.from_blocks(points, [("tetra", p1.simplices.nodes)])


def drilled(x: float, y: float, radius: float, n: int = 6, up: int = 4) -> Mesh:
    """The unit cube with a hole along z, of 4 n x n / 2 x up hexahedra."""

    def place(p: np.ndarray) -> np.ndarray:
        turn = 2 * np.pi * p[:, :1] + np.pi / 4
        ring = np.hstack([np.cos(turn), np.sin(turn)])
        # Corners of the square lie at nodes.
        quarter, part = np.divmod(4 * p[:, 0] + 1e-9, 1.0)
        ends = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1], [1, 1]]) / 2
        q = quarter.astype(int) % 4
        side = ends[q] + part[:, None] * (ends[q + 1] - ends[q]) + 0.5
        hole = np.array([x, y]) + radius * ring
        t = (p[:, 1:2] + 0.5 * p[:, 1:2] ** 2) / 1.5
        return np.hstack([hole + t * (side - hole), p[:, 2:]])

    return lattice((4 * n, n // 2 + 1, up), place, around=True)


def ball(n: int, *axes: float) -> Mesh:
    def place(p: np.ndarray) -> np.ndarray:
        q = 2 * p - 1
        away = np.linalg.norm(q, axis=1, keepdims=True)
        return q * (np.abs(q).max(1, keepdims=True) / np.maximum(away, 1e-9)) * np.array(axes)

    return lattice((n, n, n), place)


def off_boundary(moved: Mesh, other: Mesh) -> float:
    """How far the boundary points of a mesh lie from the boundary of another."""
    facets = other.p1().boundary
    kind = "line" if other.dim == 2 else "triangle"
    skin = Mesh.from_blocks(other.points, [(kind, facets.nodes)])
    mine = moved.points[moved.p1().boundary.points]
    gap = skin.p1().interpolation(mine) @ other.points - mine
    return float(np.linalg.norm(gap, axis=1).max())


def test_the_parts_of_a_boundary_are_told():
    cube = features(lattice((3, 4, 5), lambda p: p), 45.0)
    assert cube.counts == (8, 12, 6)
    assert all(len(p.ridges) == 4 and p.euler == 1 for p in cube.patches)
    assert sorted(len(r.nodes) for r in cube.ridges) == [4] * 4 + [5] * 4 + [6] * 4
    plate = features(drilled(0.5, 0.5, 0.2), 45.0)
    assert plate.counts == (8, 14, 7)
    assert sorted(p.euler for p in plate.patches) == [0] * 3 + [1] * 4
    assert sum(r.ends is None for r in plate.ridges) == 2
    assert features(drilled(0.5, 0.5, 0.2), 180.0).counts == (0, 0, 1)
    assert features(ball(6, 1, 1, 1), 60.0).counts == (0, 0, 1)
    assert features(grid(3, 4), 45.0).counts == (4, 4, 0)


def test_affine_shapes_correspond_to_rounding():
    turn = np.array([[1.3, 0.4, 0.1], [0.0, 0.8, -0.2], [0.1, 0.0, 1.1]])
    one = tetrahedra(lattice((4, 3, 5), lambda p: p), 0.2)
    two = lattice((3, 6, 4), lambda p: p @ turn.T + [3, 2, 1])
    moved = morph_onto(one, two)
    np.testing.assert_allclose(moved.points, one.points @ turn.T + [3, 2, 1], atol=1e-12)
    reference = make_reference([one], "point")
    carried = reference.carry(two)
    linear = two.points @ [1.0, -2, 3] + 4
    there = one.points @ turn.T @ [1.0, -2, 3] + np.dot([3, 2, 1], [1.0, -2, 3]) + 4
    np.testing.assert_allclose(carried.there @ linear, there, atol=1e-11)
    np.testing.assert_allclose(carried.back @ there, linear, atol=1e-11)
    plane = morph_onto(grid(4, 5), grid(7, 3, 1.6, 1.2, 2.2))
    cosine, sine = 1.2 * np.cos(2.2), 1.2 * np.sin(2.2)
    x, y = grid(4, 5).points[:, :2].T
    np.testing.assert_allclose(plane.points[:, :2].T, [1.6 * x + cosine * y, sine * y], atol=1e-12)


def test_a_ball_goes_to_an_ellipsoid_nearly_as_the_affine_map_says():
    misses = []
    for n in (6, 12):
        one, two = ball(n, 1, 1, 1), ball(n - 1, 1.6, 0.7, 1.1)
        moved = morph_onto(one, two)
        assert (moved.cell_measures() > 0).all() and off_boundary(moved, two) < 1e-12
        misses.append(np.abs(moved.points - one.points * [1.6, 0.7, 1.1]).max())
    assert misses[1] < 0.03 and misses[1] < misses[0] / 2


def test_a_hole_goes_to_the_other_and_the_walls_stay():
    one, two = drilled(0.5, 0.5, 0.2), drilled(0.35, 0.6, 0.14, 8, 5)
    moved = morph_onto(one, two)
    assert (moved.cell_measures() > 0).all() and off_boundary(moved, two) < 1e-12
    start = one.points
    for axis in range(3):
        for wall in (0.0, 1.0):
            on = start[:, axis] == wall
            np.testing.assert_allclose(moved.points[on, axis], wall, atol=1e-12)
    hole = np.isclose(np.hypot(*(start[:, :2] - 0.5).T), 0.2)
    radius = np.hypot(*(moved.points[hole, :2] - [0.35, 0.6]).T)
    assert np.abs(radius - 0.14).max() < 0.14 * (1 - np.cos(np.pi / 32)) + 1e-12


@pytest.mark.parametrize("location", ["point", "cell"])
def test_fields_come_back_at_second_order(location: str):
    gaps = []
    for n in (4, 8):
        one, two = drilled(0.5, 0.5, 0.2, 2 * n, n), drilled(0.4, 0.55, 0.15, 2 * n + 2, n + 1)
        carried = make_reference([one], location).carry(two)
        at = two.points if location == "point" else two.cell_centers()
        wave = np.sin(3 * at[:, 0] + 2 * at[:, 1]) * np.cos(2 * at[:, 2])
        gaps.append(np.sqrt(np.mean((carried.back @ (carried.there @ wave) - wave) ** 2)))
        linear = at @ [1.0, -2, 3] + 4
        np.testing.assert_allclose(carried.back @ (carried.there @ linear), linear, atol=1e-10)
        assert carried.plain.data.min() > -1e-8 and carried.place.shape == (3,)
    assert gaps[1] < 0.01 and gaps[0] / gaps[1] > 3


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.4), st.booleans())
def test_any_deformation_gives_a_valid_mesh_or_an_error(seed: int, size: float, plate: bool):
    random = np.random.default_rng(seed)
    wave, phase = random.uniform(-3, 3, (3, 3)), random.uniform(0, 6, 3)
    two = drilled(0.5, 0.5, 0.2, 4, 2) if plate else lattice((3, 3, 3), lambda p: p)
    one = tetrahedra(two, 0.1)
    two.points = two.points + size / 3 * np.sin(two.points @ wave.T + phase)
    try:
        moved = morph_onto(one, two)
    except MeshError as error:
        assert str(error)
        return
    assert np.isfinite(moved.points).all() and (moved.cell_measures() > 0).all()
    corner = moved.points[moved.cell_nodes.reshape(-1, 4)]
    assert (np.linalg.det(corner[:, 1:] - corner[:, :1]) > 0).all()
    if (tetrahedra(two).cell_measures() > 0).all():
        assert off_boundary(moved, two) < 1e-10


def test_what_cannot_be_morphed_is_said():
    plate, cube = drilled(0.5, 0.5, 0.2), lattice((3, 3, 3), lambda p: p)
    with pytest.raises(MeshError, match="expected a boundary of 8 corners, 14 ridges, 7 faces"):
        morph_onto(plate, cube, 45.0)
    with pytest.raises(MeshError, match=r"with 1 holes through them, found 1 .* with 0 holes"):
        morph_onto(plate, cube, 180.0)
    with pytest.raises(MeshError, match="expected cells of dimension 3, found 2"):
        morph_onto(plate, grid(3, 3))
    fields = [np.ones((m.n_points, 1)) for m in (plate, plate, cube)]
    with pytest.raises(MeshError, match=r"^c\.vtu: this mesh cannot be morphed to the reference"):
        MMGP().fit([plate, plate, cube], np.ones((3, 0)), fields, names=["a.vtu", "b.vtu", "c.vtu"])
    cells = cube.cell_nodes.reshape(-1, 8)[[0, 4]]  # joined along an edge alone
    with pytest.raises(MeshError, match="touches itself along 1 edges"):
        morph_onto(Mesh.from_blocks(cube.points, [("hexahedron", cells)]), cube)
    skin = Mesh.from_blocks(cube.points, [("triangle", cube.p1().boundary.nodes)])
    with pytest.raises(MeshError, match="or solid ones"):
        morph_onto(skin, cube)

    def bar(angle: float) -> Mesh:
        def place(p: np.ndarray) -> np.ndarray:
            turn, radius = angle * (p[:, :1] - 0.5), 4 / angle
            away = radius + p[:, 1:2] - 0.5
            return np.hstack([away * np.sin(turn), away * np.cos(turn) - radius, p[:, 2:]])

        return lattice((8, 2, 2), place)

    assert (morph_onto(bar(1e-6), bar(3.0), 45.0).cell_measures() > 0).all()
    with pytest.raises(MeshError, match="cells of the reference would turn over"):
        morph_onto(bar(1e-6), bar(5.0), 45.0)


def test_holes_that_charts_fold_around_are_morphed_all_the_same():
    def panel(*holes: tuple[float, float, float]) -> Mesh:
        square = along(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), 1 / 16)
        turn = 2 * np.pi * np.arange(20)[:, None] / 20
        circle = np.hstack([np.cos(turn), np.sin(turn)])
        rings = [np.array([x, y]) + radius * circle for x, y, radius in holes]

        def inside(p: np.ndarray) -> np.ndarray:
            outside = [~in_polygon(ring, p) for ring in rings]
            return ((p > 0) & (p < 1)).all(1) & np.all(outside, axis=0)

        random = np.random.default_rng(0)
        return triangle_mesh(*triangulate([square, *rings], inside, 1 / 16, random))

    one = panel((0.29, 0.6, 0.17), (0.57, 0.28, 0.07))
    two = panel((0.5, 0.72, 0.08), (0.2, 0.54, 0.08))
    reference = make_reference([one, two], "point")
    assert "simplices" in reference.state()
    again = restored_reference(reference.state(), "point")
    for mesh in (one, two):
        carried, other = reference.carry(mesh), again.carry(mesh)
        np.testing.assert_array_equal(carried.image, other.image)
        linear = mesh.points @ [1.0, -2, 0] + 4
        np.testing.assert_allclose(carried.back @ (carried.there @ linear), linear, atol=1e-10)


def test_a_state_that_does_not_fit_is_refused():
    state = make_reference([lattice((2, 2, 2), lambda p: p)], "point").state()
    nodes = state["simplices"]
    for name, value in (
        ("points", state["points"][:, :2]),
        ("points", state["points"][:-1]),
        ("points", state["points"] * 0),
        ("simplices", nodes[:, :2]),
        ("simplices", nodes.astype(float)),
        ("simplices", nodes + 10**12),
        ("simplices", -nodes),
        ("simplices", nodes[:0]),
        ("simplices", nodes[:, [1, 0, 2, 3]]),
        ("simplices", nodes[1:5]),
        ("turn", np.array(0.0)),
        ("turn", np.array([1.0, 2])),
    ):
        with pytest.raises((ValueError, MeshError)):
            restored_reference(state | {name: value}, "point")


def test_the_family_says_which_edges_are_sharp():
    smooth, coarse = drilled(0.5, 0.5, 0.2, 8), drilled(0.4, 0.5, 0.2, 2)  # of 32 and 8 sides
    assert features(coarse, 30.0).counts != features(smooth, 30.0).counts
    assert Body.of(smooth, [smooth, coarse]).turn == 60.0

    places = [(x, 0.5, 0.2) for x in (0.62, 0.4, 0.51, 0.35, 0.63)]
    family = [drilled(*place) for place in places]
    body = Body.central(family[0], family)
    assert body.mesh.n_points == family[2].n_points
    np.testing.assert_array_equal(body.mesh.points, family[2].points)


def test_nodes_of_the_reference_may_move_on_it_first() -> None:
    family = [tetrahedra(drilled(x, 0.5, r), 0.1) for x, r in ((0.5, 0.2), (0.55, 0.25))]
    reference = make_reference(family, "point")
    other, inner = family[1], reference.mesh.points.copy()
    edge = reference.mesh.p1().boundary.points
    shift = 0.02 * np.sin(7 * inner)
    shift[edge] = 0.0
    plain, moved = reference.carry(other), reference.carry(other, shift)
    same = reference.carry(other, np.zeros_like(shift))
    assert np.allclose(same.image, plain.image, atol=1e-12)
    assert np.abs((same.there - plain.there).data).max(initial=0) < 1e-9
    # The places of other nodes of one map, so that a linear field is read where they have come to.
    there = reference.mesh.p1().interpolation(inner + shift) @ plain.image
    assert np.allclose(moved.image, there, atol=1e-14) and np.abs(there - plain.image).max() > 5e-3
    places = moved.there @ other.points
    assert np.allclose((places - plain_place(other)) / moved.size, there, atol=1e-9)


def plain_place(mesh: Mesh) -> np.ndarray:
    lumped = mesh.p1().lumped
    return lumped @ mesh.points / lumped.sum()
