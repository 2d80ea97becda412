"""Classical movers against affine maps, rigid motions, known limits, and each other's promises."""

from collections.abc import Callable

import numpy as np
import pytest

from meshop.errors import ConditionError, MeshError
from meshop.mesh import Mesh
from meshop.movers import Moved, elastic, laplacian, rbf, springs

from ..meshes import box, ring
from .test_move import square

Mover = Callable[..., Moved]
MOVERS: dict[str, Mover] = {
    "laplacian": laplacian,
    "elastic": elastic,
    "springs": springs,
    "torsional": lambda *args, **kw: springs(*args, torsional=True, **kw),
    "rbf": rbf,
}
SOLID = [name for name in MOVERS if name != "torsional"]


def shaken(mesh: Mesh, seed: int = 0) -> Mesh:
    """Inner nodes off their regular places."""
    out = mesh.copy()
    out.points = mesh.points.copy()
    inner = np.setdiff1d(np.arange(mesh.n_points), mesh.p1().boundary.points)
    random = np.random.default_rng(seed)
    out.points[inner, : mesh.dim] += 0.03 * random.uniform(-1, 1, (len(inner), mesh.dim))
    return out


MESHES = {
    "triangles": lambda: shaken(square(6)),
    "quads": lambda: shaken(square(6, "quad")),
    "tetrahedra": lambda: shaken(box(4)),
}


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("mover", ["laplacian", "elastic", "rbf"])
def test_affine_motion_of_the_boundary_is_the_affine_map(mover: str, name: str) -> None:
    mesh = MESHES[name]()
    d = mesh.dim
    linear = 0.3 * np.random.default_rng(1).normal(size=(d, d))
    edge = mesh.p1().boundary.points
    step = mesh.points[:, :d] @ linear.T + 0.5
    uniform = {"stiffening": 0.0} if mover == "elastic" else {}
    moved, report = MOVERS[mover](mesh, edge, step[edge], **uniform)
    assert np.allclose(moved.points[:, :d], mesh.points[:, :d] + step, rtol=0, atol=1e-8)
    assert report.done == 1.0 and report.inverted == report.proposed == 0


@pytest.mark.parametrize("mover", MOVERS)
def test_translations_move_every_point_alike(mover: str) -> None:
    for mesh in (square(5), *([box(3)] if mover in SOLID else [])):
        edge = mesh.p1().boundary.points
        shift = np.array([3.0, -2.0, 1.0])[: mesh.dim]
        moved, _ = MOVERS[mover](mesh, edge, shift)
        change = moved.points - mesh.points
        assert np.allclose(change[:, : mesh.dim], shift, rtol=0, atol=1e-8)


def test_springs_along_a_bar_share_its_extension() -> None:
    # Two springs in a row, of lengths 1 and 2: of stiffness 1 and 1/2, so 1/3 and 2/3 of the way.
    points = np.array([[x, y] for x in (0.0, 1.0, 3.0) for y in (-1e3, 0.0, 1e3)])
    cells = [[0, 3, 4, 1], [1, 4, 5, 2], [3, 6, 7, 4], [4, 7, 8, 5]]
    mesh = Mesh.from_blocks(points, [("quad", cells)])
    moved, _ = springs(mesh, [6, 7, 8], [0.3, 0.0])
    # The far nodes 3 and 5 stay; what pulls at 4 beside the bar are springs 1000 long.
    assert np.isclose(moved.points[4, 0] - 1.0, 0.1, atol=2e-3)


def test_torsional_springs_resist_turning_and_are_blind_to_it_as_a_whole() -> None:
    from meshop.movers._systems import _torsion

    mesh = shaken(square(3))
    blocks = _torsion(mesh)
    full = np.block(
        [
            [blocks[0, 0].toarray(), blocks[0, 1].toarray()],
            [blocks[0, 1].toarray().T, blocks[1, 1].toarray()],
        ]
    )
    x, y = mesh.points[:, :2].T
    for field in (np.ones_like(x), np.zeros_like(x)), (-y, x), (x, y):  # similarities keep angles
        assert np.abs(full @ np.concatenate(field)).max() < 1e-9 * np.abs(full).max()
    low = np.linalg.eigvalsh(full)
    assert low[0] > -1e-9 * low[-1] and low[4] > 1e-9 * low[-1]


@pytest.mark.parametrize("mover", MOVERS)
def test_an_airfoil_turns_and_nothing_inverts(mover: str) -> None:
    mesh = ring(32, 10)
    wall = np.flatnonzero(mesh.point_data["boundary"] == 1)
    far = np.flatnonzero(mesh.point_data["boundary"] == 2)
    turn = np.radians(25)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    step = mesh.points[wall, :2] @ matrix.T - mesh.points[wall, :2]
    moved, report = MOVERS[mover](mesh, wall, step, steps=2)
    assert report.inverted == 0 and not len(moved.validate().inverted)
    assert np.array_equal(moved.points[far], mesh.points[far])
    assert report.min_angle > 0 and report.steps >= 2
    if mover in ("laplacian", "springs"):  # they tear thin layers, and are stopped
        assert report.proposed > 0 and 0 < report.done < 1
    else:
        assert report.done == 1.0 and report.min_angle > 0.6 * report.min_angle_before
    # The body is turned as far as it came, not bent: all points made the same part of each step.
    way = np.linalg.norm(moved.points[wall, :2] - mesh.points[wall, :2], axis=1)
    assert np.ptp(way / np.linalg.norm(step, axis=1)) < 0.02
    assert np.array_equal(moved.point_data["boundary"], mesh.point_data["boundary"])


@pytest.mark.parametrize("mover", SOLID)
def test_a_hole_moves_through_a_box_and_nothing_inverts(mover: str) -> None:
    mesh = box(5, hole=True)
    inside = ((mesh.points > 0.01) & (mesh.points < 0.99)).all(axis=1)
    hole = np.intersect1d(np.flatnonzero(inside), mesh.p1().boundary.points)
    assert len(hole) == 8
    _, report = MOVERS[mover](mesh, hole, [0.15, 0.1, 0.0], steps=2)
    assert report.inverted == 0 and report.done > 0.6
    far = MOVERS[mover](mesh, hole, [0.9, 0.0, 0.0])  # out of the box
    assert far.report.inverted == 0 < far.report.proposed and far.report.done < 1
    assert far.report.min_angle > 0


def test_stiff_small_cells_are_crushed_less() -> None:
    mesh = ring(32, 10)
    wall = np.flatnonzero(mesh.point_data["boundary"] == 1)
    small = mesh.cell_measures() < np.quantile(mesh.cell_measures(), 0.3)
    worst = []
    for chi in (0.0, 1.0):
        moved, _ = elastic(mesh, wall, [0.0, 0.1], stiffening=chi)
        worst.append((moved.cell_measures() / mesh.cell_measures())[small].min())
    assert worst[1] > worst[0]


@pytest.mark.parametrize("mover", MOVERS)
def test_numbering_changes_nothing(mover: str) -> None:
    mesh = shaken(square(5))
    hole = np.array([14, 15, 20, 21])
    random = np.random.default_rng(0)
    order = random.permutation(mesh.n_points)
    number = np.argsort(order)
    cells = number[mesh.cell_nodes.reshape(-1, 3)][random.permutation(mesh.n_cells)]
    other = Mesh.from_blocks(mesh.points[order], [("triangle", cells)])
    one = MOVERS[mover](mesh, hole, [0.05, 0.02])
    two = MOVERS[mover](other, number[hole], [0.05, 0.02])
    assert np.allclose(two.mesh.points, one.mesh.points[order], rtol=0, atol=1e-8)


def test_bad_arguments_are_told() -> None:
    mesh, solid = square(3), box(2)
    for moving in ([], [0.5], [99], [1, 1], [-1]):
        with pytest.raises(ConditionError, match="moving"):
            laplacian(mesh, np.array(moving), [0.1, 0.1])
    with pytest.raises(ConditionError, match="displacement of shape"):
        laplacian(mesh, [0, 1], np.zeros((3, 2)))
    with pytest.raises(MeshError, match="NaN"):
        laplacian(mesh, [0], [np.nan, 0.0])
    with pytest.raises(ConditionError, match="plane mesh"):
        springs(solid, [0], [0.1, 0, 0], torsional=True)
    with pytest.raises(ConditionError, match="poisson"):
        elastic(mesh, [0], [0.1, 0], poisson=0.5)
    with pytest.raises(ConditionError, match="support"):
        rbf(mesh, [0], [0.1, 0], support=0.0)
    with pytest.raises(ConditionError, match="steps"):
        rbf(mesh, [0], [0.1, 0], steps=0)


def test_what_gets_stuck_on_the_way_comes_as_far_as_it_can() -> None:
    mesh = square(5)
    moved, report = laplacian(mesh, [14], [3.0, 0.0], steps=40)
    assert report.inverted == 0 and 0.1 < report.done < 0.5
    assert not len(moved.validate().inverted)
