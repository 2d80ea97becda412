"""Optimal maps: their derivative, their bounds, what they cannot game, fronts that they bring
together, and O-MMGP on them."""

from __future__ import annotations

import numpy as np
import pytest

from meshop.errors import MeshError
from meshop.mesh import Mesh
from meshop.reduced import MMGP
from meshop.reduced._optimal import BOUNDS, Alignment, Motion, elastic, jacobian, sliding
from tests.reduced.test_ring import joukowski


def square(n: int = 12, turn: float = 0.0) -> Mesh:
    """Triangles on the unit square about the origin, turned."""
    x, y = (v.ravel() for v in np.meshgrid(*2 * [np.linspace(-0.5, 0.5, n + 1)]))
    node = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    a, b, c, d = node[:-1, :-1], node[:-1, 1:], node[1:, 1:], node[1:, :-1]
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    cos, sin = np.cos(turn), np.sin(turn)
    points = np.column_stack([cos * x - sin * y, sin * x + cos * y])
    return Mesh.from_blocks(points, [("triangle", triangles)])


def fronts(mesh: Mesh, places: np.ndarray, width: float = 0.12) -> np.ndarray:
    """(n, N, 1) of fronts across x that bend with y."""
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    return np.stack([np.tanh((x - s - 0.1 * s * y) / width) for s in places])[:, :, None]


def modes_for(fields: np.ndarray, weight: np.ndarray, share: float) -> int:
    """Of the fields (n, N), so that they leave out less than 1 - share of the squares."""
    energy = np.linalg.svd(fields * np.sqrt(weight), compute_uv=False) ** 2
    return int(np.searchsorted(np.cumsum(energy) / energy.sum(), share)) + 1


def test_the_derivative_is_that_of_finite_differences():
    mesh, random = square(8, 0.4), np.random.default_rng(0)
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    kinds = [[np.sin(3 * x + a) + y * a, np.exp(a * y) * x] for a in random.uniform(0, 2, 5)]
    found = Alignment(mesh, np.stack([np.stack(k, -1) for k in kinds]), mesh.p1().lumped, 0.1)
    # Away from the edges of triangles, where the slope of what is linear on each jumps.
    shift = random.uniform(0.002, 0.006, (5, mesh.n_points, 2))
    way = random.normal(size=shift.shape)
    inner = np.setdiff1d(np.arange(mesh.n_points), mesh.p1().boundary.points)
    mask = np.zeros(mesh.n_points)
    mask[inner] = 1
    shift, way = shift * mask[:, None], way * mask[:, None]
    for r in (1, 3):
        _, gradient = found.objective(shift, r)
        h = 1e-6
        up, down = (found.objective(shift + sign * h * way, r)[0] for sign in (1, -1))
        assert (gradient * way).sum() == pytest.approx((up - down) / (2 * h), rel=1e-5)


def test_fronts_come_together_within_bounds_and_the_domain_stays():
    mesh, places = square(16), np.linspace(-0.2, 0.2, 9)
    fields, weight = fronts(mesh, places), mesh.p1().lumped
    found = Alignment(mesh, fields, weight)
    shift = found.maps((1,))
    pulled, _ = found.pulled(shift)
    assert modes_for(fields[:, :, 0], weight, 0.999) >= 4
    assert modes_for(pulled[:, :, 0], weight, 0.999) == 1
    det = jacobian(found._stretch(shift))
    assert BOUNDS[0] <= det.min() < 1 < det.max() <= BOUNDS[1]
    moved = mesh.points[:, :2] + shift
    on = np.abs(mesh.points[:, :2]) == 0.5  # sides stay where they are, and the corners
    np.testing.assert_allclose(moved[:, on], np.tile(mesh.points[:, :2][on], (9, 1)), atol=1e-12)
    side = np.flatnonzero(on[:, 1])
    assert np.abs(shift[:, side, 0]).max() > 0.05  # along which nodes slide
    # The middle of each map goes where the front is.
    middle = np.flatnonzero((mesh.points[:, :2] == 0).all(1))[0]
    np.testing.assert_allclose(moved[:, middle, 0], places, atol=0.02)


def test_shrinking_where_fields_disagree_gains_no_more_than_the_bounds_allow():
    """Two bumps, one of heights that no map brings together: only less room for it would help."""
    mesh, random = square(12), np.random.default_rng(1)
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    left, right = (np.exp(-40 * ((x - s) ** 2 + y**2)) for s in (-0.25, 0.25))
    fields = np.stack([h * left + right for h in random.uniform(0.5, 1.5, 8)])[:, :, None]
    found = Alignment(mesh, fields, mesh.p1().lumped)
    shift = found.maps((1,))
    # What is common to all comes only from cases that are held at the bounds.
    assert np.abs(shift.mean(0)).max() < 0.1 * np.abs(shift).max()
    det = jacobian(found._stretch(shift))
    assert det.min() >= BOUNDS[0] and det.max() <= BOUNDS[1]
    before, after = (np.exp(found.objective(d, 1)[0]) for d in (0 * shift, shift))
    assert BOUNDS[0] / BOUNDS[1] < after / before < 1


def test_elastic_energy_and_sliding_are_what_they_say():
    mesh = square(4, 0.7)
    a, b = 0.3, -0.1
    stretch = mesh.points[:, :2] * [a, b]
    energy = stretch.ravel() @ elastic(mesh) @ stretch.ravel()
    assert energy == pytest.approx(2 * (a**2 + b**2) + (a + b) ** 2, rel=1e-3)
    inner, sides = 9, 12
    assert sliding(mesh).shape == (50, 2 * inner + sides)
    free = sliding(mesh)
    np.testing.assert_allclose((free.T @ free - np.eye(30)).max(), 0, atol=1e-12)
    # A cube of tetrahedra: nodes slide in faces and along edges.
    x, y, z = (v.ravel() for v in np.meshgrid(*3 * [np.arange(3.0)], indexing="ij"))
    node = np.arange(27).reshape(3, 3, 3)
    corner = [node[i : 2 + i, j : 2 + j, k : 2 + k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    h = np.stack([corner[k].ravel() for k in (0, 1, 3, 2, 4, 5, 7, 6)], -1)
    cube = Mesh.from_blocks(np.column_stack([x, y, z]), [("hexahedron", h)])
    nodes = cube.p1().simplices.nodes
    cube = Mesh.from_blocks(cube.points, [("tetra", nodes)])
    assert sliding(cube).shape == (81, 3 * 1 + 2 * 6 + 12)


def test_a_motion_is_restored_and_never_turns_anything_over():
    mesh, places = square(10), np.linspace(-0.2, 0.2, 6)
    motion = Motion.of(mesh, fronts(mesh, places), mesh.p1().lumped)
    again = Motion.restored(mesh, motion.state())
    for code in (motion.codes[0], 30 * motion.codes[0]):
        shift = motion.shift(code)
        np.testing.assert_array_equal(shift, again.shift(code))
        lying = Mesh.from_blocks(mesh.points[:, :2] + shift, [("triangle", motion.nodes)])
        ratio = lying.cell_measures() / mesh.cell_measures()
        assert ratio.min() >= BOUNDS[0] - 1e-9 and ratio.sum() > 0
        assert lying.cell_measures().sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="motion"):
        Motion.restored(mesh, motion.state() | {"modes": motion.basis.modes[:, 1:]})


def test_fronts_of_few_cases_are_predicted_better_and_the_bands_hold():
    places = np.linspace(-0.2, 0.2, 5)
    meshes = [square(n) for n in (14, 17, 16, 15, 18)]
    fields = [fronts(m, np.array([s]))[0] for m, s in zip(meshes, places, strict=True)]
    asked, there = square(16), np.linspace(-0.18, 0.18, 7)
    truth = fronts(asked, there)
    errors = {}
    for optimal in (False, True):
        model = MMGP(kernel="rbf", trend="constant", optimal=optimal)
        model.fit(meshes, places[:, None], fields)
        found = model.predict([asked] * 7, there[:, None])
        gap = np.stack([f.fields for f in found]) - truth
        errors[optimal] = np.sqrt((gap**2).mean() / (truth**2).mean())
        held = np.abs(gap) <= 1.645 * np.stack([f.deviation for f in found])
        assert held.mean() > 0.7
    assert errors[True] < 0.7 * errors[False]
    again = MMGP.restored(model.options, model.state()).predict([asked], there[:1, None])[0]
    np.testing.assert_array_equal(again.fields, found[0].fields)
    np.testing.assert_array_equal(again.deviation, found[0].deviation)


def test_a_ring_is_refused():
    meshes = [joukowski(48, 16), joukowski(48, 16, -0.1 + 0.05j)]
    with pytest.raises(MeshError, match="far field"):
        MMGP(optimal=True).fit(meshes, [[0.0], [1.0]], [m.points[:, :1] for m in meshes])
