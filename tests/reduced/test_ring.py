"""Around one body: conformal charts against exact ones, and fields on cells carried by them."""

from __future__ import annotations

import numpy as np
import pytest

from meshop.mesh import Mesh
from meshop.reduced import (
    MMGP,
    GaussianProcess,
    boundary_loops,
    make_target,
    morph,
    sharpened,
    transport,
)
from meshop.reduced._chart import dual, dual_chart
from meshop.reduced._ring import embedded


def joukowski(around: int, layers: int, offset: complex = -0.08 + 0.06j, far: float = 8.0) -> Mesh:
    """Quads about a Joukowski airfoil, their exact chart (log r, angle) as point data: z = w + 1/w
    takes the circle through w = 1 about `offset` to it."""
    t, s = np.meshgrid(
        2 * np.pi * np.arange(around) / around, np.log(far) * np.linspace(0, 1, layers + 1)
    )
    w = offset + (1 - offset) * np.exp(s + 1j * t)
    z = (w + 1 / w).ravel()
    i, j = np.meshgrid(np.arange(around), np.arange(layers))
    a, b = i + around * j, (i + 1) % around + around * j
    return Mesh.from_blocks(
        np.column_stack([z.real, z.imag]),
        [("quad", np.stack([a, a + around, b + around, b], -1).reshape(-1, 4))],
        point_data={"s": s.ravel(), "t": t.ravel()},
    )


def wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def test_the_chart_converges_to_the_conformal_map():
    errors = []
    for around, layers in ((48, 16), (96, 32)):
        mesh = joukowski(around, layers)
        target = make_target(mesh)
        chart = morph(mesh, target)
        assert chart.valid and chart.period > 0
        gap = chart.places[:, 0] - mesh.point_data["s"], chart.places[:, 1] - mesh.point_data["t"]
        inner = np.abs(wrapped(mesh.point_data["t"])) > 0.5  # away from the cusp
        errors.append([np.abs(gap[0][inner]).max(), np.abs(wrapped(gap[1])[inner]).max()])
        assert target.modulus == pytest.approx(np.log(8.0), rel=0.03)
    assert max(errors[1]) < 0.03
    assert (np.array(errors[0]) > 1.7 * np.array(errors[1])).all()


def test_positive_weights_give_an_embedding_of_the_same_kind():
    mesh = joukowski(48, 16)
    chart = morph(mesh, make_target(mesh))
    loops = boundary_loops(mesh)
    fixed = np.zeros(mesh.n_points, bool)
    fixed[np.concatenate([loop.nodes for loop in loops])] = True
    places = chart.places[:, :2]
    found = embedded(mesh.p1().stiffness(), places, fixed)
    # The chart is harmonic but for the angle's boundary values, which are its own.
    np.testing.assert_allclose(found[:, 0], places[:, 0], atol=1e-8)
    assert np.abs(wrapped(found[:, 1] - places[:, 1])).max() < 0.02


def test_bodies_of_all_shapes_meet_at_the_trailing_edge():
    meshes = [joukowski(64, 20), joukowski(72, 24, -0.03 + 0.12j, 9.0)]
    target = make_target(meshes[0], meshes)
    for mesh in meshes:
        chart = morph(mesh, target)
        body = boundary_loops(mesh)[1].nodes
        tail = body[np.argmax(mesh.points[body, 0])]
        np.testing.assert_allclose(chart.places[tail], 0, atol=1e-9)
        outer = boundary_loops(mesh)[0].nodes
        np.testing.assert_allclose(chart.places[outer, 0], target.modulus)


@pytest.mark.parametrize("location", ["point", "cell"])
def test_fields_go_round_the_ring_and_back(location: str):
    errors = []
    for fine in (1, 2):
        one, two = joukowski(48 * fine, 16 * fine), joukowski(56 * fine, 18 * fine, -0.05 + 0.1j)
        target = make_target(one)
        charts = [morph(mesh, target) for mesh in (one, two)]
        bodies = [one, two]
        if location == "cell":
            charts = [dual_chart(m, c) for m, c in zip(bodies, charts, strict=True)]
            bodies = [Mesh.from_blocks(m.cell_centers(), [("triangle", dual(m))]) for m in bodies]
        there, back = transport(charts[0], charts[1]), transport(charts[1], charts[0])
        np.testing.assert_allclose(there @ np.ones(there.shape[1]), 1, atol=1e-12)
        x = bodies[0].points
        u = np.sin(x[:, 0]) * np.exp(-0.1 * x[:, 1] ** 2)
        there = sharpened(there, bodies[0], there @ x)
        weight = one.cell_measures() if location == "cell" else one.p1().lumped
        weight = weight * (np.hypot(x[:, 0], x[:, 1]) < 4)
        errors.append(np.sqrt(weight @ (back @ (there @ u) - u) ** 2 / (weight @ u**2)))
    assert errors[1] < 0.02 and errors[0] > 2.5 * errors[1]


def test_a_flow_about_bodies_is_learned_on_cells(monkeypatch: pytest.MonkeyPatch):
    """Lift, and fields that depend on it and on the place, from shape and angle."""
    monkeypatch.setattr(GaussianProcess.__init__, "__defaults__", (256, 20))  # steps: quick
    random = np.random.default_rng(0)
    meshes, angles, fields, lifts = [], [], [], []
    for _ in range(24):
        offset = complex(random.uniform(-0.12, -0.04), random.uniform(0, 0.12))
        mesh = joukowski(int(random.integers(28, 34)), 9, offset)
        aoa = random.uniform(-0.1, 0.2)
        radius, start = abs(1 - offset), np.angle(1 - offset)
        lift = 2 * radius * np.sin(aoa - start)
        centre = mesh.cell_centers()
        z = centre[:, 0] + 1j * centre[:, 1]
        fields.append(np.stack([lift / (1 + np.abs(z)), np.exp(-np.abs(z - 2))], 1))
        meshes.append(mesh)
        angles.append([aoa])
        lifts.append([lift])
    model = MMGP(location="cell", modes=5, shapes=3, kernel="rbf", trend="constant")
    model.fit(meshes[:20], angles[:20], fields[:20], lifts[:20])
    found = model.predict(meshes[20:], angles[20:])
    for answer, truth, lift in zip(found, fields[20:], lifts[20:], strict=True):
        assert np.linalg.norm(answer.fields - truth) < 0.05 * np.linalg.norm(truth)
        assert answer.scalars[0] == pytest.approx(lift[0], abs=0.02)
    assert model.shape_warnings(meshes[0]) == []
    strange = model.shape_warnings(joukowski(34, 10, -0.3 + 0.3j))
    assert strange and "training" in strange[0]


def test_a_smooth_body_is_not_turned():
    """Off the origin, so that nothing rests on where it lies."""
    t, r = np.meshgrid(2 * np.pi * np.arange(60) / 60, np.exp(np.linspace(0, np.log(10), 25)))
    i, j = np.meshgrid(np.arange(60), np.arange(24))
    a, b = i + 60 * j, (i + 1) % 60 + 60 * j
    points = np.column_stack([(3 + r * np.cos(t)).ravel(), (r * np.sin(t) - 2).ravel()])
    mesh = Mesh.from_blocks(points, [("quad", np.stack([a, a + 60, b + 60, b], -1).reshape(-1, 4))])
    target = make_target(mesh)
    chart = morph(mesh, target)
    assert chart.valid and target.landmarks.size == 0
    assert target.modulus == pytest.approx(np.log(10), rel=(np.pi / 60) ** 2)  # of a 60-gon
    np.testing.assert_allclose(chart.places[:, 0], np.log(r).ravel(), atol=0.005)
    np.testing.assert_allclose(wrapped(chart.places[:, 1] - t.ravel()), 0, atol=0.005)
