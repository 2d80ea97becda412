"""Nodes of solids on curved faces and ridges: they keep to the facets that were there."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.mesh import Mesh
from meshop.movers import Slide, limit, move, positive_corners, sliding
from meshop.movers._surface import chained, ridge_nodes, smooth_faces
from meshop.ops import locate

from ..meshes import box


def pipe(around: int = 24, across: int = 3, along: int = 3, turn: float = 0.0) -> Mesh:
    """Hexahedra between radii 1 and 2, of height 1."""
    r, t, z = np.meshgrid(
        np.linspace(1, 2, across + 1),
        turn + 2 * np.pi * np.arange(around) / around,
        np.linspace(0, 1, along + 1),
        indexing="ij",
    )
    points = np.stack([r * np.cos(t), r * np.sin(t), z], -1).reshape(-1, 3)
    i, j, k = np.meshgrid(*(np.arange(n) for n in (across, around, along)), indexing="ij")

    def node(a: int, b: int, c: int) -> np.ndarray:
        return (((i + a) * around + (j + b) % around) * (along + 1) + k + c).ravel()

    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    cells = np.stack([node(a, b, c + k) for k in (0, 1) for a, b, c in corners], 1)
    return Mesh.from_blocks(points, [("hexahedron", cells)])


def off(mesh: Mesh, moved: np.ndarray, nodes: np.ndarray) -> float:
    """How far nodes lie from the facets of a mesh's boundary that have but such nodes."""
    facets = mesh.p1().boundary.nodes
    some = facets[np.isin(facets, nodes).all(1)]
    there = locate(
        torch.from_numpy(mesh.points),
        torch.full((len(some),), 5, dtype=torch.uint8),
        torch.arange(len(some) + 1) * 3,
        torch.from_numpy(some.reshape(-1)),
        torch.from_numpy(moved[nodes]),
    )
    return float(there.distance2.max().sqrt())


def test_a_pipe_turns_on_itself() -> None:
    mesh, angle = pipe(48), 0.2
    x = mesh.points
    radius = np.hypot(x[:, 0], x[:, 1])
    spin = angle * np.column_stack([-x[:, 1], x[:, 0], 0 * radius])
    moved, report = move(mesh, spin)
    y = moved.points
    turned = (np.arctan2(y[:, 1], y[:, 0]) - np.arctan2(x[:, 1], x[:, 0])) % (2 * np.pi)
    assert report.inverted == 0
    for r in (1.0, 2.0):
        face = np.flatnonzero(np.isclose(radius, r))
        rim = face[np.isin(x[face, 2], (0, 1))]
        assert off(mesh, y, face) < 1e-14 and np.abs(y[face, 2] - x[face, 2]).max() < 1e-14
        # Inside a face the tangent plane's way, on a rim the arc's; facets are 7.5 degrees wide.
        inner = np.setdiff1d(face, rim)
        assert np.abs(turned[inner] - np.arctan(angle)).max() < 2e-3
        assert np.abs(turned[rim] - angle).max() < 2e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.02, 1.5))
def test_wherever_they_are_sent_they_keep_to_their_face(seed: int, size: float) -> None:
    mesh = pipe(14, 2, 2, turn=0.1)
    x = mesh.points
    step = size * np.random.default_rng(seed).normal(size=x.shape)
    moved, report = move(mesh, step)
    y, radius = moved.points, np.hypot(x[:, 0], x[:, 1])
    assert report.inverted == 0 and not np.array_equal(x, y)
    for r in (1.0, 2.0):
        assert off(mesh, y, np.flatnonzero(np.isclose(radius, r))) < 1e-13
    for z in (0.0, 1.0):
        assert np.array_equal(x[:, 2] == z, y[:, 2] == z)


def test_where_a_plane_bends_into_a_curve_no_node_leaves_it() -> None:
    mesh = box(4)
    x = mesh.points
    top = np.flatnonzero(x[:, 2] == 1)
    x[:, 2] += 0.4 * np.maximum(x[:, 0] - 0.5, 0) ** 2  # the top is plane, then bends
    step = np.zeros_like(x)
    step[:, 0] = 0.2
    moved = move(mesh, step).mesh
    assert off(mesh, moved.points, top) < 1e-14
    assert (moved.points[top, 0] - x[top, 0]).max() > 0.05


def test_ridges_of_a_box_are_its_edges_in_order() -> None:
    mesh = box(3)
    faces = smooth_faces(mesh.p1().boundary, 30.0)
    assert faces.part.max() == 5 and len(faces.ridges) == 36
    inside = ridge_nodes(faces.ridges, mesh.points, 30.0)
    assert inside.sum() == 24
    edges = chained(faces.ridges, inside)
    for side in edges.T:  # one edge comes, one goes
        assert np.array_equal(np.bincount(side, minlength=mesh.n_points)[inside], np.ones(24))
    loop = chained(np.array([[0, 1], [2, 1], [2, 3], [0, 3]]), np.ones(4, bool))
    assert sorted(loop[:, 0]) == sorted(loop[:, 1]) == [0, 1, 2, 3]


def test_nodes_of_a_body_that_is_led_are_free() -> None:
    mesh = pipe()
    inner = np.flatnonzero(np.isclose(np.hypot(*mesh.points[:, :2].T), 1.0))
    step = np.zeros_like(mesh.points)
    step[inner, 0] = 0.1
    moved = move(mesh, step, moving=inner).mesh
    assert np.allclose(moved.points[inner] - mesh.points[inner], [0.1, 0, 0], atol=1e-15)


def test_a_batch_is_its_meshes_and_ways_have_slopes() -> None:
    meshes = [pipe(12, 2, 2), box(2), pipe(16, 1, 2)]
    random = np.random.default_rng(0)
    steps = [torch.from_numpy(0.1 * random.normal(size=m.points.shape)) for m in meshes]
    points = [torch.from_numpy(m.points) for m in meshes]
    guides = [sliding(m) for m in meshes]
    whole = Slide.join(guides)
    alone = [g.points(g.begin(p, s)[1]) for g, p, s in zip(guides, points, steps, strict=True)]
    x, step = torch.cat(points), torch.cat(steps).requires_grad_()
    together = whole.points(whole.begin(x, step)[1])
    assert torch.allclose(together, torch.cat(alone), rtol=0, atol=1e-13)
    # A slope from one side and from the other, of a sum that sees every coordinate.
    weight = torch.from_numpy(random.normal(size=x.shape))
    (slope,) = torch.autograd.grad((together * weight).sum(), step)
    aside = torch.from_numpy(1e-6 * random.normal(size=x.shape))

    def value(s: torch.Tensor) -> float:
        return float((whole.points(whole.begin(x, s)[1]) * weight).sum())

    found = value(step.detach() + aside) - value(step.detach() - aside)
    assert found == pytest.approx(2 * float((slope * aside).sum()), rel=1e-6)


def test_the_limiter_stops_them_one_by_one() -> None:
    mesh = pipe(16, 2, 3)
    x = torch.from_numpy(mesh.points)
    nodes = torch.from_numpy(positive_corners(mesh))
    step = torch.zeros_like(x)
    step[0] = torch.tensor([0.0, 5.0, 0.0])  # along the inner face, far over its neighbours
    found = limit(x, step, nodes, guide=sliding(mesh))
    assert 0 < float(found.done) < 1 and float((found.points - x).abs().max()) > 1e-3
    assert float((found.points[1:] - x[1:]).abs().max()) == 0.0
