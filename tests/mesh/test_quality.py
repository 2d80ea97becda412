"""The report of faults: each kind on a mesh made to have it, and none on clean ones."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from meshop.errors import MeshError
from meshop.mesh import DIM, METRICS, Mesh, Region, connected_parts, face_chunks
from meshop.mesh._topology import duplicate_cells, find_rows, surface_edges

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
from mesh_cases import meshes
from test_mesh_geometry import as_polyhedra, box, mixed_plane


def sphere(levels=2):
    """A closed surface of triangles, wound outwards: an octahedron, refined."""
    points = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    cells = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    for _ in range(levels):
        middle, finer = {}, []
        for cell in cells:
            mids = []
            for i in range(3):
                edge = tuple(sorted((cell[i], cell[(i + 1) % 3])))
                if edge not in middle:
                    middle[edge] = len(points)
                    point = np.add(points[edge[0]], points[edge[1]])
                    points.append((point / np.linalg.norm(point)).tolist())
                mids.append(middle[edge])
            (a, b, c), (x, y, z) = cell, mids
            finer += [[a, x, z], [x, b, y], [z, y, c], [x, y, z]]
        cells = finer
    return Mesh.from_blocks(points, [("triangle", cells)])


def triangles(mesh):
    return mesh.cell_nodes.reshape(-1, 3)


def test_clean_meshes_have_no_faults_at_all():
    for mesh in (sphere(), box(3), as_polyhedra(box(2)), box(2, "wedge")):
        report = mesh.validate()
        assert report.ok and not report.faults(), str(report)
        assert report.parts.tolist() == [mesh.n_cells]
        assert report.to_dict() == {
            "errors": 0, "notes": 0, "parts": [mesh.n_cells], "faults": [],
        }  # fmt: skip


def test_flipped_triangles_are_the_fewer():
    mesh = sphere()
    cells = triangles(mesh).copy()
    cells[[3, 50, 51]] = cells[[3, 50, 51], ::-1]
    found = Mesh.from_blocks(mesh.points, [("triangle", cells)]).validate()
    assert found.faults().keys() == {"flipped"} and found.flipped.tolist() == [3, 50, 51]
    assert found.faults("error").keys() == {"flipped"} and not found.faults("note")


def test_closed_surfaces_turned_inside_out():
    mesh = sphere()
    found = Mesh.from_blocks(mesh.points, [("triangle", triangles(mesh)[:, ::-1])]).validate()
    assert found.faults().keys() == {"inside_out"} and len(found.inside_out) == mesh.n_cells
    # A cavity inside a body is meant to look inwards.
    n = mesh.n_points
    cells = np.vstack([triangles(mesh), triangles(mesh)[:, ::-1] + n])
    body = Mesh.from_blocks(np.vstack([3 * mesh.points, mesh.points]), [("triangle", cells)])
    assert body.validate().faults().keys() == {"islands"}


def test_a_moebius_band_has_a_seam():
    n = 12
    turn = 2 * np.pi * np.arange(n) / n
    side = np.array([-0.3, 0.3])
    r = 1 + side * np.cos(turn / 2)[:, None]
    points = np.stack([r * np.cos(turn)[:, None], r * np.sin(turn)[:, None],
                       side * np.sin(turn / 2)[:, None]], axis=-1).reshape(-1, 3)  # fmt: skip
    at = np.arange(2 * n).reshape(n, 2)
    after = np.vstack([at[1:], at[:1, ::-1]])
    quads = np.stack([at[:, 0], at[:, 1], after[:, 1], after[:, 0]], axis=1)
    found = Mesh.from_blocks(points, [("quad", quads)]).validate(warp=1.0)
    assert found.flipped.tolist() == [0, n - 1]
    assert len(found.open_edges) == 2 * n


def test_holes_and_fins_of_a_surface():
    mesh = sphere()
    cells = triangles(mesh)
    hole = Mesh.from_blocks(mesh.points, [("triangle", cells[1:])]).validate()
    assert hole.faults().keys() == {"open_edges"}
    assert sorted(map(sorted, hole.open_edges.tolist())) == sorted(
        sorted((int(cells[0][i - 1]), int(cells[0][i]))) for i in range(3)
    )
    fin = np.vstack([cells, [cells[0][0], cells[0][1], mesh.n_points]])
    points = np.vstack([mesh.points, 2 * mesh.points[cells[0][0]]])
    found = Mesh.from_blocks(points, [("triangle", fin)]).validate()
    assert found.crowded_edges.tolist() == [sorted(cells[0][:2].tolist())]
    assert len(found.open_edges) == 2


def test_a_plane_mesh_is_open_by_nature():
    found = mixed_plane().validate()
    assert found.faults().keys() == {"unused_points"}


def test_three_volumes_on_one_face():
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [0.1, 0.1, 2]]
    cells = [[0, 1, 2, 3], [0, 2, 1, 4], [0, 1, 2, 5]]
    found = Mesh.from_blocks(points, [("tetra", cells)]).validate()
    assert [sorted(row) for row in found.crowded_facets.tolist()] == [[0, 1, 2]]
    assert found.faults("error").keys() == {"crowded_facets"}


def test_equal_cells_in_any_order():
    mesh = sphere(1)
    cells = np.vstack([triangles(mesh), triangles(mesh)[[4, 9]][:, [1, 2, 0]]])
    found = Mesh.from_blocks(mesh.points, [("triangle", cells)]).validate()
    assert found.duplicate_cells.tolist() == [mesh.n_cells, mesh.n_cells + 1]


def test_an_open_polyhedron():
    mesh = as_polyhedra(box(1))
    faces = [5, *mesh.faces[1:26].tolist()]  # the last of six faces of five values is left out
    found = Mesh(mesh.points, [42], mesh.cell_offsets, mesh.cell_nodes, faces=np.array(faces),
                 face_offsets=np.array([26])).validate()  # fmt: skip
    assert found.open_shells.tolist() == [0]
    assert not mesh.validate().open_shells.size


def test_polyhedra_some_at_a_time_are_as_all_at_once(monkeypatch):
    mesh = as_polyhedra(box(3, warp=0.2))
    lone = mesh.faces.copy()
    lone[2] = lone[3]  # a corner of the first face of the first cell is there twice
    torn = Mesh(mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes,
                faces=lone, face_offsets=mesh.face_offsets)  # fmt: skip
    names = [name for name in METRICS if name != "scaled_jacobian"]
    whole = [mesh.cell_measures(), *(mesh.quality(name) for name in names)]
    monkeypatch.setattr("meshop.mesh._faces._CHUNK", 70)  # two cells
    parts = [mesh.cell_measures(), *(mesh.quality(name) for name in names)]
    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, two)
    assert torn.validate().open_shells.tolist() == [0]
    assert not mesh.validate().open_shells.size
    assert len(list(face_chunks(mesh.faces, mesh.face_offsets))) > 10


def test_islands_are_all_but_the_largest_part():
    one, two = box(2), box(1)
    points = np.vstack([two.points + 5, one.points, two.points + 9])
    cells = [*two.cell_nodes.reshape(-1, 8).tolist(), *(one.cell_nodes.reshape(-1, 8) + 8).tolist()]
    cells += (two.cell_nodes.reshape(-1, 8) + 8 + one.n_points).tolist()
    mesh = Mesh.from_blocks(points, [("hexahedron", cells)])
    found = mesh.validate()
    assert found.parts.tolist() == [8, 1, 1]
    assert found.islands.tolist() == [0, 9]
    assert connected_parts(mesh).tolist() == [1, *[0] * 8, 2]


def test_warped_quads():
    lift = 0.1
    points = [[0, 0, 0], [1, 0, 0], [1, 1, lift], [0, 1, 0], [2, 0, 0], [2, 1, lift]]
    mesh = Mesh.from_blocks(points, [("quad", [[0, 1, 2, 3], [1, 4, 5, 2]])])
    assert mesh.validate().warped.tolist() == [0]
    assert not mesh.validate(warp=0.2).warped.size


def test_near_points_within_a_tolerance():
    mesh = sphere()
    points = np.vstack([mesh.points, mesh.points[[7, 7, 3]] + [[1e-7], [0], [-1e-7]]])
    mesh = Mesh.from_blocks(points, [("triangle", triangles(mesh))])
    n = len(points)
    assert mesh.validate().duplicate_points.tolist() == [n - 2]
    assert mesh.validate(tolerance=1e-6).duplicate_points.tolist() == [n - 3, n - 2, n - 1]
    with pytest.raises(MeshError, match="tolerance 5"):
        mesh.validate(tolerance=5.0)


def test_zeros_of_both_signs_are_one_point():
    points = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [-0.0, 0, -0.0]]
    mesh = Mesh.from_blocks(points, [("triangle", [[0, 1, 2], [3, 1, 2]])])
    assert mesh.validate().duplicate_points.tolist() == [3]


def test_strays_and_regions():
    mesh = box(2)
    lines = [[0, 1], [0, mesh.n_points]]
    blocks = [("hexahedron", mesh.cell_nodes.reshape(-1, 8)), ("line", lines)]
    mesh = Mesh.from_blocks(np.vstack([mesh.points, [[2, 2, 2]]]), blocks)
    wall = mesh.boundary_facets().nodes
    mesh.regions = {
        "wall": Region("facet", wall[:, [2, 0, 1, 3]]),  # any order will do
        "nowhere": Region("facet", np.array([[*wall[0]], [0, 1, 2, -1]])),
        "empty": Region("cell", np.empty(0, np.int64)),
    }
    found = mesh.validate()
    assert found.stray_cells.tolist() == [9]
    assert {k: v.tolist() for k, v in found.stray_facets.items()} == {"nowhere": [1]}
    assert found.empty_regions == ("empty",)
    assert "empty_regions: 1 (empty)" in str(found)
    assert set(found.faults()) == {"stray_cells", "stray_facets nowhere", "empty_regions"}


def test_regions_of_quadratic_facets_may_list_mid_side_nodes():
    pv = pytest.importorskip("pyvista")
    grid = pv.examples.cells.QuadraticTetrahedron()
    mesh = Mesh.from_blocks(grid.points, [("quadratic_tetra", [range(10)])])
    mesh.regions["wall"] = Region("facet", np.array([[0, 1, 2, 4, 5, 6], [0, 1, 3, 4, 8, 7]]))
    assert not mesh.validate().stray_facets
    mesh.regions["wall"] = Region("facet", np.array([[0, 4, 6]]))
    assert mesh.validate().stray_facets["wall"].tolist() == [0]


def test_the_report_as_json_names_everything():
    points = [[0, 0], [1, 0], [1, 1], [0, 1], [1, 1], [5, 5], [2, 0]]
    cells = [[0, 1, 2], [0, 2, 3], [0, 3, 2], [0, 1, 6], [3, 3, 0]]
    data = {"p": np.array([0, np.nan, 0, np.inf, 1.0])}
    report = Mesh.from_blocks(points, [("triangle", cells)], cell_data=data).validate()
    found = {entry["name"]: entry for entry in json.loads(json.dumps(report.to_dict()))["faults"]}
    assert found["inverted"]["ids"] == [2] and found["inverted"]["severity"] == "error"
    assert found["duplicate_cells"]["ids"] == [2]
    assert found["not_finite cell p"] == {
        "name": "not_finite cell p", "severity": "error", "of": "row",
        "meaning": "NaN or infinite values", "count": 2, "ids": [1, 3],
    }  # fmt: skip
    assert found["unused_points"]["severity"] == "note"
    assert report.bad_cells("error").tolist() == [1, 2, 3, 4]
    assert report.bad_points().tolist() == [0, 2, 3, 4, 5]
    assert report.crowded_edges.tolist() == [[0, 2], [0, 3]]


# -- brute force --------------------------------------------------------------------------------


@settings(max_examples=100)
@given(mesh=meshes(places=(), codes=(3, 5, 6, 7, 8, 9, 10, 12, 22, 42)))
def test_topology_agrees_with_dictionaries(mesh):
    nodes = [
        mesh.cell_nodes[a:b].tolist()
        for a, b in zip(mesh.cell_offsets[:-1], mesh.cell_offsets[1:], strict=True)
    ]
    seen, again = set(), []
    for cell, ids in enumerate(nodes):
        key = (int(DIM[mesh.cell_types[cell]]), *sorted(ids))
        if key in seen:
            again.append(cell)
        seen.add(key)
    assert duplicate_cells(mesh).tolist() == again

    group = list(range(mesh.n_cells))
    for a in range(mesh.n_cells):
        for b in range(a):
            if set(nodes[a]) & set(nodes[b]):
                group = [group[b] if g == group[a] else g for g in group]
    part = connected_parts(mesh)
    for a in range(mesh.n_cells):
        for b in range(a):
            assert (part[a] == part[b]) == (group[a] == group[b])

    users = {}
    for cell in np.flatnonzero(np.isin(mesh.cell_types, (5, 7, 9, 22))):
        ring = nodes[cell][:3] if mesh.cell_types[cell] == 22 else nodes[cell]
        for i in range(len(ring)):
            if ring[i - 1] != ring[i]:
                users.setdefault(tuple(sorted((ring[i - 1], ring[i]))), []).append(cell)
    if not np.isin(mesh.cell_types, (6, 8)).any():
        edges = surface_edges(mesh)
        assert sorted(map(tuple, edges.open.tolist())) == sorted(
            e for e, c in users.items() if len(c) == 1
        )
        assert sorted(map(tuple, edges.crowded.tolist())) == sorted(
            e for e, c in users.items() if len(c) > 2
        )


@settings(max_examples=150)
@given(mesh=meshes())
def test_any_mesh_gets_a_report(mesh):
    report = mesh.validate()
    json.dumps(report.to_dict())
    assert str(report)
    found = report.bad_cells()
    assert (np.diff(found) > 0).all() and set(found) <= set(range(mesh.n_cells))
    assert set(report.bad_points()) <= set(range(mesh.n_points))
    assert report.ok == (not report.faults("error") and not report.faults("note"))
    assert report.parts.sum() == (np.diff(mesh.cell_offsets) > 0).sum()


def test_rows_are_found_as_sets():
    table = np.array([[3, 1, 2], [4, 5, -1], [1, 2, 3], [7, 7, 8]])
    rows = np.array([[1, 2, 3, -1], [5, 4, 4, -1], [8, 7, -1, -1], [9, 1, 2, 3]])
    assert find_rows(table, rows).tolist() == [0, 1, 3, -1]
    assert find_rows(table[:0], rows).tolist() == [-1] * 4
