"""Levels on coarser meshes: exact for linear fields, adjoint, masked, cached, a solver's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from meshop.graph import GraphSpec, LevelSpec, build_graph, dual_weights, nested_levels
from meshop.mesh import Mesh
from meshop.models import Widths
from meshop.models.spon import SPON
from meshop.solvers import Multigrid
from tests.graph.test_levels import check


def square(n, seed=None):
    """Triangles on n x n points of the unit square, those inside moved where a seed is given."""
    x, y = (c.ravel() for c in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n)))
    points = np.stack([x, y, 0 * x], 1)
    if seed is not None:
        inside = (np.abs(points[:, :2] - 0.5) < 0.49).all(1)
        step = np.random.default_rng(seed).uniform(-0.25, 0.25, (len(points), 2)) / n
        points[:, :2] += step * inside[:, None]
    return Mesh.from_blocks(points, [("triangle", Delaunay(points[:, :2]).simplices)])


def cube():
    """Kuhn's six tetrahedra."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    paths = [(0, 4, 6, 7), (0, 2, 6, 7), (0, 2, 3, 7), (0, 1, 3, 7), (0, 1, 5, 7), (0, 4, 5, 7)]
    return Mesh.from_blocks(corners, [("tetra", np.array(paths))])


def weights(mesh):
    return torch.as_tensor(dual_weights(mesh, "point"))


def rim(points):
    return (torch.as_tensor(points)[:, :2] - 0.5).abs().amax(1) > 0.49


@given(st.integers(3, 14), st.integers(0, 99))
def test_any_coarser_meshes_reproduce_linear_fields(n, seed):
    fine, coarse = square(n, seed), [square(max(2, (n + 1) // 2), seed + 1), square(2)]
    pos, weight = torch.as_tensor(fine.points), weights(fine)
    levels = nested_levels(pos, weight, coarse)
    check(levels, weight)
    above = pos
    for level in levels:
        torch.testing.assert_close(level.up(level.pos), above, rtol=0, atol=1e-12)
        above = level.pos


@pytest.mark.parametrize("start", [square(3), cube()])
def test_refined_meshes_halve_edges_and_keep_points(start):
    finer = start.refine()
    fine = finer.refine()
    pos = torch.as_tensor(fine.points)
    levels = nested_levels(pos, weights(fine), [finer, start])
    check(levels, weights(fine))
    for level, mesh in zip(levels, (finer, start), strict=True):
        same = level.up.dense()[: mesh.n_points]
        assert torch.equal(same, torch.eye(mesh.n_points, dtype=torch.float64))
        assert set(level.up.value.tolist()) == {0.5, 1.0}


def test_points_outside_take_the_closest_place():
    coarse = square(3)
    pos = torch.tensor([[1.5, 0.25, 0.0], [0.5, 0.5, 0.0], [-1.0, -1.0, 0.0]]).double()
    (level,) = nested_levels(pos, torch.ones(3).double(), [coarse])
    closest = torch.tensor([[1.0, 0.25, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(level.up(level.pos), closest, rtol=0, atol=1e-12)
    ones = torch.ones(3, 1).double()
    torch.testing.assert_close(level.down(ones), torch.ones(9, 1).double())


def test_masks_are_the_boundarys_and_content_is_kept():
    meshes = [square(17, 1), square(9, 2), square(4)]
    pos, weight = torch.as_tensor(meshes[0].points), weights(meshes[0])
    levels = nested_levels(pos, weight, meshes[1:], fixed=rim(pos))
    for level in levels:
        assert torch.equal(level.fixed, rim(level.pos))
    again = nested_levels(pos.clone(), weight, [m.copy() for m in meshes[1:]], fixed=rim(pos))
    assert again is levels
    other = meshes[2].copy()
    other.points[5] += 1e-9
    assert nested_levels(pos, weight, [meshes[1], other], fixed=rim(pos)) is not levels


def test_graphs_of_points_and_cells_carry_them():
    coarse = square(3)
    middle = coarse.refine()
    fine = middle.refine()
    for location in ("point", "cell"):
        spec = GraphSpec(location=location, levels=LevelSpec(fixed="wall"))
        graph = build_graph(fine, {}, spec, coarser=[middle, coarse])
        assert [len(level.weight) for level in graph.levels] == [25, 9]
        torch.testing.assert_close(graph.levels[0].weight.sum(), torch.tensor(1.0))
        torch.testing.assert_close(graph.levels[0].up(graph.levels[0].pos), graph.pos)
        assert torch.equal(graph.levels[-1].fixed, rim(graph.levels[-1].pos))


def factors(sizes, make, dim):
    """Residual factor of V-cycles on Poisson's equation, by number of refinements."""
    out = []
    for times in sizes:
        family = [make()]
        for _ in range(times):
            family.insert(0, family[0].refine())
        free = []
        for mesh in family:
            inside = np.ones(mesh.n_points, bool)
            facets = mesh.boundary_facets().nodes
            inside[facets[facets >= 0]] = False
            free.append(np.flatnonzero(inside))
        a = family[0].p1().stiffness()[free[0]][:, free[0]]
        pos, weight = torch.as_tensor(family[0].points), weights(family[0])
        ups = [
            level.up.to_scipy()[rows][:, columns]
            for level, rows, columns in zip(
                nested_levels(pos, weight, family[1:]), free, free[1:], strict=False
            )
        ]
        cycle = Multigrid(a, prolongations=ups[: times - 1])
        assert cycle.sizes[: len(ups)] == [len(f) for f in free[: len(ups)]]
        r = np.random.default_rng(0).standard_normal(a.shape[0])
        for _ in range(8):
            before, r = np.linalg.norm(r), r - a @ cycle(r)
        out.append(np.linalg.norm(r) / before)
    return out


def test_a_v_cycle_on_nested_triangles_does_not_mind_their_number():
    found = factors((2, 3, 4, 5), lambda: square(4, 3), 2)
    assert max(found) < 0.16 and found[-1] < 1.2 * found[1]


def test_a_v_cycle_on_nested_tetrahedra_does_not_mind_their_number():
    found = factors((3, 4), cube, 3)
    assert max(found) < 0.16


def test_spon_reads_them_as_its_multigrid_form_does():
    coarse = square(3)
    fine = coarse.refine().refine()
    widths = Widths(features=build_graph(fine, {}, GraphSpec(location="point")).x.shape[1], out=1)
    torch.manual_seed(0)
    model = SPON(widths, width=8, rounds=2, levels=1)
    spec = GraphSpec(location="point", edges=True)
    own = model(build_graph(fine, {}, spec, coarser=[coarse.refine()]))
    assert own.shape == (fine.n_points, 1) and bool(own.isfinite().all())
    assert not torch.equal(own, model(build_graph(fine, {}, spec)))


def test_what_does_not_fit_is_refused_in_words():
    pos = torch.zeros(4, 3).double()
    with pytest.raises(ValueError, match="meshes of one dimension"):
        nested_levels(pos, torch.ones(4), [square(3), cube()])
    with pytest.raises(ValueError, match=r"expected \(N, 3\)"):
        nested_levels(pos[:, :2], torch.ones(4), [square(3)])
    with pytest.raises(ValueError, match="fixed: expected"):
        nested_levels(pos, torch.ones(4), [square(3)], fixed=torch.zeros(3, dtype=torch.bool))
