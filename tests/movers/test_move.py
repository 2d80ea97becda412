"""Whole meshes through the limiter: cells of all kinds, boundaries, what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.errors import MeshError
from meshop.mesh import Mesh, corner_simplices
from meshop.movers import Slide, limit, move, positive_corners, sliding

from ..meshes import box, ring


def square(n: int = 6, kind: str = "triangle") -> Mesh:
    """The unit square, n x n quads or twice as many triangles with alternating diagonals."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    a = i * (n + 1) + j
    quad = np.stack([a, a + n + 1, a + n + 2, a + 1], 1)
    if kind == "quad":
        return Mesh.from_blocks(points, [("quad", quad)])
    even = ((i + j) % 2 == 0)[:, None]
    one = np.where(even, quad[:, [0, 1, 2]], quad[:, [0, 1, 3]])
    two = np.where(even, quad[:, [0, 2, 3]], quad[:, [1, 2, 3]])
    return Mesh.from_blocks(points, [("triangle", np.stack([one, two], 1).reshape(-1, 3))])


CUBE = np.array([
    [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1],
])  # fmt: skip
KINDS = {
    "tetra": (4, [0, 1, 3, 4]),
    "hexahedron": (8, range(8)),
    "voxel": (8, [0, 1, 3, 2, 4, 5, 7, 6]),
    "wedge": (6, [0, 3, 1, 4, 7, 5]),
    "pyramid": (4, [0, 1, 2, 3, 6]),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_corner_is_positive_and_moves_with_its_cell(name: str) -> None:
    count, order = KINDS[name]
    points = CUBE[list(order)].astype(float)
    mesh = Mesh.from_blocks(points, [(name, [range(len(points))])])
    nodes = positive_corners(mesh)
    corners = corner_simplices(mesh).nodes
    assert len(corners) == (1 if name == "tetra" else count)
    assert np.array_equal(nodes, corners)  # positive where no cell is mirrored
    e = points[nodes][:, 1:] - points[nodes][:, :1]
    assert (np.linalg.det(e) > 0).all()
    # One corner pushed through the cell stops before it is inside out.
    push = np.zeros_like(points)
    push[0] = 3.0
    moved, report = move(mesh, push, boundary="free")
    e = moved.points[nodes][:, 1:] - moved.points[nodes][:, :1]
    assert (np.linalg.det(e) > 0).all() and report.inverted == 0 < report.proposed
    assert 0.1 < moved.points[0, 0] < 1 and 0 < report.done < 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(0.01, 30), kind=st.sampled_from(
    ["triangle", "quad", "ring", "box"]), boundary=st.sampled_from(["slide", "fixed", "free"]),
)  # fmt: skip
def test_no_cell_is_inverted(seed: int, size: float, kind: str, boundary: str) -> None:
    mesh = {
        "ring": lambda: ring(24, 6), "box": lambda: box(3, hole=True),
        "triangle": square, "quad": lambda: square(5, "quad"),
    }[kind]()  # fmt: skip
    step = size * np.random.default_rng(seed).normal(size=mesh.points.shape)
    step[:, 2] *= mesh.dim == 3
    moved, report = move(mesh, step, boundary=boundary)
    assert report.inverted == 0
    assert np.array_equal(moved.validate().inverted, mesh.validate().inverted)  # wound that way
    assert moved.points.shape == mesh.points.shape and np.isfinite(moved.points).all()
    assert np.array_equal(moved.cell_nodes, mesh.cell_nodes)
    edge = mesh.p1().boundary.points
    if boundary == "fixed":
        assert np.array_equal(moved.points[edge], mesh.points[edge])
    if boundary == "slide" and kind != "ring":
        # What lay on a face of the square or box still does, exactly; corners are where they were.
        for axis in range(mesh.dim):
            for side in (0.0, 1.0):
                on = edge[mesh.points[edge, axis] == side]
                assert np.array_equal(moved.points[on, axis], np.full(len(on), side))
        assert np.isclose(moved.cell_measures().sum(), mesh.cell_measures().sum())


def test_nodes_of_a_square_slide_along_its_sides() -> None:
    mesh = square(6)
    step = np.zeros((mesh.n_points, 2))
    step[:, 0] = 0.04
    step[:, 1] = 0.02
    moved, report = move(mesh, step)
    change = moved.points - mesh.points
    inner = ~np.isin(np.arange(mesh.n_points), mesh.p1().boundary.points)
    x, y = mesh.points[:, :2].T
    corner = np.isin(x, [0, 1]) & np.isin(y, [0, 1])
    assert np.allclose(change[inner, :2], [0.04, 0.02], atol=1e-15) and report.done == 1.0
    assert np.array_equal(change[corner], np.zeros((4, 3)))
    low = np.isin(y, [0, 1]) & ~corner
    assert np.allclose(change[low], [0.04, 0, 0], atol=1e-15)


def test_nodes_of_a_circle_stay_on_its_polyline() -> None:
    mesh = ring(32, 6)  # an airfoil with a sharp tail inside, a smooth curve outside
    turn = np.cross([0, 0, 1.0], mesh.points)
    moved, report = move(mesh, 0.2 * turn)
    edge = mesh.p1().boundary
    a, b = mesh.points[edge.nodes].swapaxes(0, 1)
    for p in edge.points:
        way = b - a
        t = np.clip(((moved.points[p] - a) * way).sum(1) / (way * way).sum(1), 0, 1)
        off = np.linalg.norm(a + t[:, None] * way - moved.points[p], axis=1).min()
        assert off < 1e-12 * np.abs(mesh.points).max()
    change = np.linalg.norm(moved.points - mesh.points, axis=1)
    tail = edge.points[np.argmin(np.linalg.norm(mesh.points[edge.points] - [1, 0, 0], axis=1))]
    assert change[tail] == 0 and (change[edge.points] > 0).sum() > 50 and report.inverted == 0


def test_nodes_of_a_box_slide_in_its_faces_and_along_its_edges() -> None:
    mesh = box(3)
    moved, _ = move(mesh, np.full((mesh.n_points, 3), 0.05))
    change = moved.points - mesh.points
    on = np.isin(mesh.points, [0.0, 1.0])
    assert np.allclose(change, np.where(on, 0.0, 0.05), atol=1e-15)


def test_mid_side_nodes_go_with_their_side() -> None:
    points = [[0, 0], [1, 0], [0, 1], [0.5, 0], [0.5, 0.5], [0, 0.5], [7, 7]]
    mesh = Mesh.from_blocks(points, [("quadratic_triangle", [range(6)])])
    step = np.zeros((7, 2))
    step[1] = [0.2, 0.1]
    step[6] = 1.0  # of no cell
    moved, _ = move(mesh, step, boundary="free")
    assert np.allclose(moved.points[3:6, :2], [[0.6, 0.05], [0.6, 0.55], [0, 0.5]])
    assert np.array_equal(moved.points[6], mesh.points[6])


def test_what_is_refused() -> None:
    mesh = square(3)
    still = np.zeros((16, 2))
    folded = mesh.copy()
    folded.points = mesh.points.copy()
    folded.points[5] = 2.0, 2.0, 0.0
    dart = Mesh.from_blocks([[0, 0], [1, 0], [0.2, 0.2], [0, 1]], [("quad", [range(4)])])
    for bad in (folded, dart):
        before = bad.points.copy()
        with pytest.raises(MeshError) as told:
            move(bad, np.ones((bad.n_points, 2)))
        assert "inverted, flat or not convex" in str(told.value)
        assert len(str(told.value).splitlines()) == 3 and np.array_equal(bad.points, before)
    with pytest.raises(MeshError, match="NaN"):
        move(mesh, still * np.nan)
    with pytest.raises(MeshError, match="shape"):
        move(mesh, still[1:])
    with pytest.raises(MeshError, match="in space"):
        move(box(2).surface(), np.zeros((26, 3)))
    with pytest.raises(MeshError, match="polyhedra"):
        move(Mesh.from_blocks(CUBE, [("convex_point_set", [range(8)])]), np.zeros((8, 3)))


def test_no_progress_is_an_error_and_the_mesh_is_as_it_was() -> None:
    thin = Mesh.from_blocks([[0, 0], [1, 0], [0.5, 1e-16]], [("triangle", [[0, 1, 2]])])
    before = thin.points.copy()
    step = np.array([[0, 1.0], [0, 1.0], [0, -1.0]])
    with pytest.raises(MeshError, match="no point could be moved") as told:
        move(thin, step, boundary="free")
    assert len(str(told.value).splitlines()) == 3 and np.array_equal(thin.points, before)


def test_boundaries_of_a_batch_are_those_of_each_mesh() -> None:
    meshes = [square(4), ring(24, 5), square(3, "quad")]
    random = np.random.default_rng(0)
    steps = [0.1 * random.normal(size=(m.n_points, 2)) for m in meshes]
    alone = [move(m, s).mesh.points[:, :2] for m, s in zip(meshes, steps, strict=True)]
    sizes = np.cumsum([0, *(m.n_points for m in meshes)])
    nodes = [positive_corners(m) + at for m, at in zip(meshes, sizes[:-1], strict=True)]
    together = limit(
        torch.from_numpy(np.concatenate([m.points[:, :2] for m in meshes])),
        torch.from_numpy(np.concatenate(steps)),
        torch.from_numpy(np.concatenate(nodes)),
        torch.from_numpy(sizes),
        guide=Slide.join([sliding(m) for m in meshes]),
    )
    assert together.done.shape == (3,) and (together.done > 0.1).all()
    assert np.allclose(together.points, np.concatenate(alone), rtol=0, atol=1e-9)


def test_what_is_wound_either_way_counts_unless_it_is_folded() -> None:
    mesh = box(2)  # half its tetrahedra are wound the other way
    nodes = positive_corners(mesh)
    e = mesh.points[nodes][:, 1:] - mesh.points[nodes][:, :1]
    assert (np.linalg.det(e) > 0).all()
    folded = mesh.copy()
    folded.points = mesh.points.copy()
    centre = int(np.flatnonzero((mesh.points == 0.5).all(axis=1))[0])
    folded.points[centre] = [0.5, 0.5, 1.3]
    with pytest.raises(MeshError, match="inverted, flat or not convex"):
        move(folded, np.ones((27, 3)))


@pytest.mark.parametrize("beyond", [[0.5, 0.5, 1.5], [1.7, 0.5, 0.5]])
def test_a_cell_that_is_wholly_inverted_is_found_among_good_ones(beyond: list[float]) -> None:
    # Six pyramids fill a cube from its middle; beyond a face, one lies on top of another.
    faces = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
    cells = np.array([[*face[::-1], 8] for face in faces])
    points = np.vstack([CUBE, [[0.5, 0.5, 0.5]]]).astype(float)
    good = Mesh.from_blocks(points, [("pyramid", cells)])
    assert np.array_equal(positive_corners(good), corner_simplices(good).nodes)
    assert not len(good.validate().inverted)
    mixed = cells.copy()
    mixed[1, [1, 3]] = mixed[1, [3, 1]]  # wound the other way, where it was: nothing is folded
    assert len(positive_corners(Mesh.from_blocks(points, [("pyramid", mixed)]))) == 24
    points[8] = beyond
    with pytest.raises(MeshError, match="1 of 6 cells are inverted"):
        positive_corners(Mesh.from_blocks(points, [("pyramid", cells)]))


def test_a_quad_that_lies_on_top_of_another_is_found() -> None:
    points = np.array([[0, 0], [2, 0], [2, 1], [0, 1], [0.5, 0.2], [1.5, 0.2], [3, 0], [3, 1]])
    cells = np.array([[0, 1, 2, 3], [1, 6, 7, 2], [0, 4, 5, 1]])
    with pytest.raises(MeshError, match="1 of 3 cells are inverted"):
        positive_corners(Mesh.from_blocks(points, [("quad", cells)]))
    points[4:6, 1] = -0.2  # below it, wound the other way
    nodes = positive_corners(Mesh.from_blocks(points, [("quad", cells)]))
    assert (np.linalg.det(points[nodes][:, 1:] - points[nodes][:, :1]) > 0).all()
