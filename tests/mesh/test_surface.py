"""Repair changes what is broken and nothing else; samples are uniform and know their cell."""

import numpy as np
import pytest

from meshop.errors import MeshError
from meshop.mesh import Mesh, Region, closed_bodies, repair_surface, sample_surface, triangles_of


def ball(n=12):
    """A closed sphere of quads, with triangles at the poles."""
    phi, theta = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False), np.linspace(0, np.pi, n + 1)
    rings = [
        np.column_stack(
            [np.sin(t) * np.cos(phi), np.sin(t) * np.sin(phi), np.full(2 * n, np.cos(t))]
        )
        for t in theta[1:-1]
    ]
    points = np.concatenate([[[0, 0, 1]], *rings, [[0, 0, -1]]])
    at = 1 + np.arange(2 * n * (n - 1)).reshape(n - 1, 2 * n)
    nxt = np.roll(at, -1, axis=1)
    quads = np.stack([at[:-1], at[1:], nxt[1:], nxt[:-1]], axis=-1).reshape(-1, 4)
    top = np.column_stack([np.zeros(2 * n, int), at[0], nxt[0]])
    low = np.column_stack([np.full(2 * n, len(points) - 1), nxt[-1], at[-1]])
    return points, quads, np.concatenate([top, low])


def mesh_of(points, quads, triangles, **data):
    return Mesh.from_blocks(points, [("quad", quads), ("triangle", triangles)], **data)


def enclosed(mesh):
    triangles, _ = triangles_of(mesh)
    a, b, c = (mesh.points[triangles[:, i]] for i in range(3))
    return np.einsum("ij,ij->", a, np.cross(b, c)) / 6


def test_nothing_to_repair_changes_nothing():
    mesh = mesh_of(*ball(), cell_data={"p": np.arange(288, dtype=np.float32)})
    assert enclosed(mesh) > 0
    same, report = repair_surface(mesh)
    assert str(report) == "nothing to repair; the surface is closed"
    for name in ("points", "cell_types", "cell_offsets", "cell_nodes"):
        assert np.array_equal(getattr(same, name), getattr(mesh, name))
    assert same.cell_data["p"].dtype == np.float32
    assert np.array_equal(same.cell_data["p"], mesh.cell_data["p"])


def test_everything_at_once():
    """A soup with faces turned, one missing, one twice and one without area."""
    points, quads, triangles = ball()
    whole = mesh_of(points, quads, triangles)
    rng = np.random.default_rng(1)
    turned = rng.random(len(quads)) < 0.4
    quads[turned] = quads[turned][:, ::-1]
    quads = np.delete(quads, 30, axis=0)
    turned = np.delete(turned, 30)
    triangles = np.concatenate([triangles, triangles[3:4, [1, 2, 0]], [[5, 5, 6]]])
    soup = Mesh.from_blocks(
        np.concatenate([points[quads].reshape(-1, 3), points[triangles].reshape(-1, 3)]),
        [("quad", np.arange(quads.size).reshape(-1, 4)),
         ("triangle", quads.size + np.arange(triangles.size).reshape(-1, 3))],
        cell_data={"id": np.arange(len(quads) + len(triangles)), "T": np.ones(289)},
        regions={"caps": Region("cell", np.arange(len(quads), 289)),
                 "first": Region("point", [0, 1]), "edge": Region("facet", [[0, 1]])},
    )  # fmt: skip
    fixed, report = repair_surface(soup)
    assert report.merged_points == soup.n_points - len(points)
    assert (report.degenerate_removed, report.duplicates_removed) == (1, 1)
    assert report.flipped == turned.sum() and report.triangles_added == 2 and report.closed
    assert "caps" in fixed.regions and len(fixed.regions["filled holes"].ids) == 2
    assert fixed.n_points == len(points)
    assert list(fixed.validate().faults()) == ["not_finite cell T"]  # of the new triangles
    assert fixed.cell_measures().sum() == pytest.approx(whole.cell_measures().sum(), rel=1e-3)
    assert enclosed(fixed) == pytest.approx(enclosed(whole), rel=1e-3)
    assert fixed.cell_data["id"].tolist() == [*range(287), 0, 0]
    assert np.isnan(fixed.cell_data["T"][-2:]).all() and (fixed.cell_data["T"][:-2] == 1).all()
    assert np.array_equal(fixed.regions["caps"].ids, np.arange(len(quads), 287))
    for cell in (0, 100, 286):  # faces stay on their points
        span = [
            m.cell_nodes[m.cell_offsets[cell] : m.cell_offsets[cell + 1]] for m in (soup, fixed)
        ]
        old, new = np.sort(soup.points[span[0]], axis=0), np.sort(fixed.points[span[1]], axis=0)
        assert np.allclose(old, new, atol=1e-12)
    assert (soup.points[soup.regions["edge"].ids] == fixed.points[fixed.regions["edge"].ids]).all()


def test_cavities_point_inward_and_parts_apart_outward():
    points, quads, triangles = ball()
    n = len(points)
    shells = [points * 3, points, points + np.array([9, 0, 0])]
    mesh = mesh_of(
        np.concatenate(shells),
        np.concatenate([quads[:, ::-1], quads + n, quads + 2 * n]),
        np.concatenate([triangles[:, ::-1], triangles + n, triangles + 2 * n]),
    )
    fixed, report = repair_surface(mesh)
    one = enclosed(mesh_of(points, quads, triangles))
    assert report.flipped == 2 * (len(quads) + len(triangles))
    assert enclosed(fixed) == pytest.approx((27 - 1 + 1) * one)
    shell, bodies = closed_bodies(fixed.points, triangles_of(fixed)[0])
    assert sorted(map(len, bodies)) == [1, 2] and set(shell.tolist()) == {0, 1, 2}


def test_open_surfaces_follow_the_majority_and_are_not_closed_against_the_will():
    points, quads, triangles = ball()
    quads = quads[:-60]  # without its lower part, and three faces turned
    quads[:3] = quads[:3, ::-1]
    fixed, report = repair_surface(mesh_of(points, quads, triangles[:24]), fill_holes=False)
    assert report.flipped == 3 and not report.closed and report.triangles_added == 0
    assert report.open_edges > 0 and "edges still open" in str(report)
    assert fixed.n_cells == len(quads) + 24


def test_moebius_band_has_no_sides_and_comes_back():
    n = 20
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    rim = [
        np.column_stack([(1 + s * np.cos(t / 2)) * np.cos(t), (1 + s * np.cos(t / 2)) * np.sin(t),
                         s * np.sin(t / 2)])
        for s in (-0.3, 0.3)
    ]  # fmt: skip
    i = np.arange(n)
    quads = np.stack([i, (i + 1) % n, n + (i + 1) % n, n + i], axis=1)
    quads[-1] = [n - 1, n, 0, 2 * n - 1]
    mesh = Mesh.from_blocks(np.concatenate(rim), [("quad", quads)])
    fixed, report = repair_surface(mesh, fill_holes=False)
    assert report.flipped == 0 and np.array_equal(fixed.cell_nodes, mesh.cell_nodes)


def test_tolerance():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1e-4, 0], [1, 1, 0], [0, 1, 1e-4]])
    mesh = Mesh.from_blocks(points, [("triangle", [[0, 1, 2], [3, 4, 5]])])
    assert repair_surface(mesh, fill_holes=False)[1].merged_points == 0
    fixed, report = repair_surface(mesh, tolerance=1e-3, fill_holes=False)
    assert report.merged_points == 2 and fixed.cell_nodes.tolist() == [0, 1, 2, 1, 3, 2]


def test_only_surfaces_are_repaired():
    tetra = Mesh.from_blocks(np.eye(4)[:, :3], [("tetra", [[0, 1, 2, 3]])])
    for mesh in (tetra, Mesh.from_blocks(np.eye(3))):
        with pytest.raises(MeshError, match="triangles, quads or polygons"):
            repair_surface(mesh)


def test_samples_lie_on_their_cells_and_are_uniform():
    corner = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0], [0, 0, 1], [2, 0, 1]])
    regions = {"floor": Region("cell", [0]), "none": Region("point", [1])}
    mesh = Mesh.from_blocks(
        corner, [("quad", [[0, 1, 2, 3]]), ("triangle", [[0, 4, 1], [1, 4, 5]])], regions=regions
    )
    cloud = sample_surface(mesh, 4000)
    assert cloud.n_points == 4000 and cloud.n_cells == 0 and list(cloud.regions) == ["floor"]
    cell, normal = cloud.point_data["cell"], cloud.point_data["Normals"]
    floor = cell == 0
    assert np.array_equal(cloud.regions["floor"].ids, np.flatnonzero(floor))
    assert (cloud.points[floor, 2] == 0).all() and (cloud.points[~floor, 1] == 0).all()
    assert np.allclose(normal[floor], [0, 0, 1]) and np.allclose(normal[~floor], [0, 1, 0])
    # Binomial: six standard deviations either way.
    assert abs(floor.mean() - 0.5) < 6 * 0.5 / np.sqrt(4000)
    assert abs(cloud.points[:, 0].mean() - 1.0) < 6 * np.sqrt(1 / 3 / 4000)
    again, other = sample_surface(mesh, 4000), sample_surface(mesh, 4000, seed=1)
    assert np.array_equal(again.points, cloud.points)
    assert not np.array_equal(other.points, cloud.points)


def test_samples_of_a_volume_lie_on_its_boundary():
    tetra = Mesh.from_blocks(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]), [("tetra", [[0, 1, 2, 3]])]
    )
    cloud = sample_surface(tetra, 200)
    x = cloud.points
    assert np.abs(np.min(np.column_stack([x, 1 - x.sum(axis=1)]), axis=1)).max() < 1e-12
    outward = x + 1e-3 * cloud.point_data["Normals"] - 0.25
    assert (np.linalg.norm(outward, axis=1) > np.linalg.norm(x - 0.25, axis=1)).all()


def test_no_surface_no_samples():
    for mesh in (
        Mesh.from_blocks(np.eye(3), [("line", [[0, 1]])]),
        Mesh.from_blocks(np.zeros((3, 3)), [("triangle", [[0, 1, 2]])]),
    ):
        with pytest.raises(MeshError, match=r"no (surface|area)"):
            sample_surface(mesh, 10)
    with pytest.raises(MeshError, match="-1 points"):
        sample_surface(Mesh.from_blocks(np.eye(3), [("triangle", [[0, 1, 2]])]), -1)
