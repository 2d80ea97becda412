"""Cells as simplices: the plain reference, faces that both sides cut alike, cells out of shape."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from p1_meshes import as_polyhedra, plane, renumbered, reordered, solid, tetrahedra, triangles

from meshop.errors import MeshError
from meshop.mesh import Mesh, facet_table, split_cells
from meshop.mesh._triangulate import triangulate
from meshop.ops.reference.simplices import simplices

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
from mesh_cases import ALL_CODES, meshes


def rows(cell, nodes):
    table = np.column_stack([cell, np.sort(nodes, axis=1)])
    return table[np.lexsort(table.T[::-1])]


def reference(mesh):
    arrays = [mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes, mesh.faces, mesh.face_offsets]
    cell, nodes = simplices(*(None if a is None else torch.from_numpy(a) for a in arrays))
    return rows(cell.numpy(), nodes.numpy())


CONVEX = {
    "triangles": triangles(4),
    "tetrahedra": tetrahedra(2),
    "plane": plane(4),
    "solid": solid(4, jitter=0.05),
    "polyhedra": as_polyhedra(solid(3, jitter=0.05)),
}


@pytest.mark.parametrize("name", CONVEX)
@pytest.mark.parametrize("seed", range(3))
def test_convex_cells_are_cut_as_locate_cuts_them(name, seed):
    mesh, _ = renumbered(CONVEX[name], seed)
    found = split_cells(mesh)
    one, two = rows(found.cell, found.nodes), reference(mesh)
    polygon = mesh.cell_types == 7  # these have hanging nodes, of which locate makes flat triangles
    assert np.array_equal(one[~polygon[one[:, 0]]], two[~polygon[two[:, 0]]])
    assert found.measure.sum() == pytest.approx(1, rel=1e-13)
    assert np.all(np.diff(found.cell) >= 0) and (found.measure > 0).all()
    assert not len(found.degenerate) and not len(found.tangled) and not found.centres.shape[0]


def facets(found):
    """Facets of the simplices and how many have each."""
    width = found.nodes.shape[1]
    sides = [np.delete(found.nodes, i, axis=1) for i in range(width)]
    return np.unique(np.sort(np.concatenate(sides), axis=1), axis=0, return_counts=True)


@pytest.mark.parametrize("name", ["plane", "solid", "polyhedra"])
@pytest.mark.parametrize("jitter", [0.1, 0.45])
def test_both_sides_cut_a_face_alike(name, jitter):
    """Also strongly warped ones, whose cells need a centre."""
    make = plane if name == "plane" else solid
    mesh = make(5, jitter)
    mesh = as_polyhedra(mesh) if name == "polyhedra" else mesh
    mesh, _ = renumbered(mesh)
    found = split_cells(mesh)
    _, uses = facets(found)
    assert uses.max() == 2
    boundary = mesh.p1().boundary
    assert (uses == 1).sum() == len(boundary.nodes)
    on_rim = np.unique(facets(found)[0][uses == 1])
    assert np.array_equal(on_rim, boundary.points)
    if name != "plane":
        assert (found.centres.shape[0] > 0) == (jitter > 0.4)
    if jitter < 0.4:
        assert found.measure.sum() == pytest.approx(1, rel=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_the_order_of_cells_changes_nothing(seed):
    for mesh in (plane(4, 0.4), solid(3, 0.4), as_polyhedra(solid(3, 0.4))):
        other, order = reordered(mesh, seed)
        one, two = split_cells(mesh), split_cells(other)

        def key(found, cell, mesh=mesh):
            centre = np.maximum(found.nodes - mesh.n_points, -1)
            middle = centre >= 0
            nodes = np.where(middle, mesh.n_points, found.nodes)
            return rows(cell, nodes)

        assert np.array_equal(key(one, one.cell), key(two, order[two.cell]))
        assert sorted(order[two.tangled]) == one.tangled.tolist()


@st.composite
def stars(draw):
    """Simple polygons, seldom convex, in a plane of space, with points halfway along sides."""
    n = draw(st.integers(3, 9))
    radius = np.array(draw(st.lists(st.floats(0.2, 1), min_size=n, max_size=n)))
    turn = 2 * np.pi * np.arange(n) / n
    corner = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    halved = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    loop = []
    for i in range(n):
        loop.append(corner[i])
        if halved[i]:
            loop.append((corner[i] + corner[(i + 1) % n]) / 2)
    turned = np.linalg.qr(np.random.default_rng(draw(st.integers(0, 99))).normal(size=(3, 3)))[0]
    points = np.column_stack([loop, np.zeros(len(loop))]) @ turned.T
    ids = np.array(draw(st.permutations(range(len(loop)))))
    out = np.empty_like(points)
    out[ids] = points
    return out, ids


@given(stars(), st.integers(0, 20), st.booleans())
def test_polygons_of_any_shape(star, shift, mirrored):
    points, loop = star
    found = triangulate(points, loop[None])
    a, b, c = points[found.triangles[0]].swapaxes(0, 1)
    normal = np.cross(b - a, c - a)
    whole = normal.sum(axis=0)
    mesh = Mesh.from_blocks(points, [("polygon", loop[None])])
    assert 0.5 * np.linalg.norm(whole) == pytest.approx(mesh.cell_measures()[0], rel=1e-12)
    # None turned against the polygon, none flat: so they do not overlap.
    assert (normal @ whole > 1e-12 * (whole @ whole)).all() and not found.folded.any()
    other = np.roll(loop[::-1] if mirrored else loop, shift)
    again = triangulate(points, other[None]).triangles[0]
    one, two = (np.sort(t, axis=1) for t in (found.triangles[0], again))
    assert sorted(one.tolist()) == sorted(two.tolist())
    turn = np.cross(
        points[again[:, 1]] - points[again[:, 0]], points[again[:, 2]] - points[again[:, 0]]
    )
    assert (turn @ whole > 0).all() != mirrored  # wound as the polygon is


def test_a_polygon_that_crosses_itself_is_reported():
    points = [[0, 0], [2, 2], [2, 0], [0, 1]]
    found = split_cells(Mesh.from_blocks(points, [("quad", [[0, 1, 2, 3]])]))
    assert found.tangled.tolist() == [0]


def test_hanging_nodes_make_no_flat_triangles():
    points = [[0, 0], [1, 0], [2, 0], [2, 2], [0, 2], [3, 0], [3, 1], [2, 1]]
    blocks = [("polygon", [[0, 1, 2, 7, 3, 4]]), ("quad", [[2, 5, 6, 7]])]
    found = split_cells(Mesh.from_blocks(points, blocks))
    assert np.bincount(found.cell, found.measure) == pytest.approx([4, 1])
    assert len(found.cell) == 6 and found.measure.min() > 0.2


def refined_cube():
    """A cube beside four smaller ones: its face has nodes in the middle of its sides."""
    axis = np.arange(3) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    x = [0.0, 1.0, 1.5]
    points = np.concatenate([np.column_stack([np.full(9, v), grid]) for v in x])
    quads = [[i, i + 1, i + 4, i + 3] for i in (0, 1, 3, 4)]
    big = [[0, 6, 8, 2], *([9 + i for i in quad] for quad in quads)]
    corner = [0, 2, 8, 6]
    sides = {(0, 2): [9, 10, 11], (2, 8): [11, 14, 17], (8, 6): [17, 16, 15], (6, 0): [15, 12, 9]}
    big += [[a, *sides[a, b], b] for a, b in zip(corner, [*corner[1:], 0], strict=True)]
    small = [
        [[9 + i for i in q], [18 + i for i in q[::-1]]]
        + [[9 + q[k], 18 + q[k], 18 + q[(k + 1) % 4], 9 + q[(k + 1) % 4]] for k in range(4)]
        for q in quads
    ]
    stream, ends, nodes, offsets = [], [], [], [0]
    for faces in (big, *small):
        stream += [len(faces), *(v for face in faces for v in (len(face), *face))]
        ends.append(len(stream))
        nodes += sorted({v for face in faces for v in face})
        offsets.append(len(nodes))
    types = np.full(5, 42)
    arrays = np.array(offsets), np.array(nodes)
    return Mesh(points, types, *arrays, faces=np.array(stream), face_offsets=np.array(ends))


def test_polyhedra_with_hanging_nodes():
    mesh = refined_cube()
    for seed in range(5):
        other, _ = renumbered(mesh, seed)
        p1 = other.p1()
        found = p1.simplices
        assert np.bincount(found.cell, found.measure) == pytest.approx([1] + [1 / 8] * 4)
        assert not len(found.tangled) and not len(found.degenerate)
        uses = facets(found)[1]
        assert uses.max() == 2 and (uses == 1).sum() == len(p1.boundary.nodes)
        linear = other.points @ [1.0, -2.0, 3.0]
        used = np.setdiff1d(np.arange(other.n_points), p1.idle)
        assert p1.gradient(linear)[used] == pytest.approx(np.tile([1.0, -2.0, 3.0], (len(used), 1)))


def test_faces_of_polyhedra_may_be_wound_anyhow():
    mesh = as_polyhedra(solid(3, 0.4))
    random = np.random.default_rng(0)
    faces = mesh.faces.copy()
    at = 0
    for end in mesh.face_offsets:
        count, at = faces[at], at + 1
        for _ in range(count):
            n = faces[at]
            if random.random() < 0.5:
                faces[at + 1 : at + 1 + n] = faces[at + 1 : at + 1 + n][::-1].copy()
            at += 1 + n
        assert at == end
    parts = (mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
    other = Mesh(*parts, faces=faces, face_offsets=mesh.face_offsets)
    one, two = split_cells(mesh), split_cells(other)
    assert np.array_equal(rows(one.cell, one.nodes), rows(two.cell, two.nodes))


def test_collapsed_cells():
    """A hexahedron with an edge collapsed is a wedge; cells without measure are reported."""
    points = [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 1],
        [0, 1, 1],
        [0, 0, 0],
        [5, 5, 5],
    ]
    wedge = Mesh.from_blocks(points, [("wedge", [[0, 1, 2, 3, 4, 5]])])
    hexa = Mesh.from_blocks(points, [("hexahedron", [[0, 1, 2, 2, 3, 4, 5, 5]])])
    one, two = split_cells(wedge), split_cells(hexa)
    assert np.array_equal(rows(one.cell, one.nodes), rows(two.cell, two.nodes))
    assert not len(two.degenerate)
    flat = Mesh.from_blocks(
        points,
        [("tetra", [[0, 1, 2, 3], [0, 0, 1, 3], [0, 1, 3, 4], [6, 1, 2, 0]]), ("line", [[0, 1]])],
    )
    found = split_cells(flat)
    assert found.degenerate.tolist() == [1, 2, 3] and found.cell.tolist() == [0]
    p1 = flat.p1()
    assert p1.idle.tolist() == [4, 5, 6, 7]
    values = np.arange(8.0)
    with np.errstate(all="raise"):
        results = [
            p1.gradient(values), p1.cell_gradient(values), p1.hessian(values),
            p1.project(values[:5]), p1.stiffness().toarray(), p1.mass().toarray(),
            p1.boundary.normals,
        ]  # fmt: skip
    assert all(np.isfinite(result).all() for result in results)
    assert all(not np.any(result[4:]) for result in results[:1] + results[2:6])


def test_what_cannot_be_cut():
    with pytest.raises(MeshError, match="points only"):
        split_cells(Mesh.from_blocks([[0, 0, 0]], [("vertex", [[0]])]))
    with pytest.raises(MeshError, match="points only"):
        split_cells(Mesh.from_blocks(np.empty((0, 3))))
    hull = Mesh.from_blocks(np.random.default_rng(0).random((6, 3)), [(41, [range(6)])])
    with pytest.raises(MeshError, match="convex point sets"):
        split_cells(hull)
    huge = Mesh.from_blocks(1e200 * np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])])
    with pytest.raises(MeshError, match="scale the points"):
        split_cells(huge)


def test_facets_of_hexahedra_are_the_meshs():
    mesh = solid(3)
    boundary = mesh.p1().boundary
    table = facet_table(mesh)
    assert set(boundary.owner.tolist()) == set(table.owner[table.neighbor < 0].tolist())
    assert boundary.measure.sum() == pytest.approx(6)


FLAT = {
    "tetra": [0, 1, 2, 0],
    "triangle": [0, 0, 1],
    "line": [1, 1],
    "poly_line": [1],
    "quad": [0, 1, 0, 1],
    "polygon": [0] * 7,
    "wedge": [0, 1, 2, 0, 1, 2],
    "hexahedron": [0, 1, 2, 3, 3, 2, 1, 0],
}


@pytest.mark.parametrize("name", FLAT)
def test_a_mesh_of_one_collapsed_cell(name):
    """All is zero, nothing is NaN, no warning is given, and the cell is reported."""
    points = np.random.default_rng(0).random((5, 3)) * [1, 1, 0]
    p1 = Mesh.from_blocks(points, [(name, [FLAT[name]])]).p1()
    assert p1.simplices.degenerate.tolist() == [0] and p1.idle.tolist() == list(range(5))
    u = np.arange(5.0)
    for result in (
        p1.lumped, p1.mass().data, p1.stiffness().data, p1.derivatives[0].data, p1.gradient(u),
        p1.cell_gradient(u), p1.hessian(u), p1.load(np.sin), p1.project(u[:1]),
        p1.weak_divergence(np.ones((5, 3))), p1.basis_gradients(),
    ):  # fmt: skip
        assert not np.any(result)
    assert np.isfinite(p1.boundary.normals).all() and np.isfinite(p1.boundary.mass().data).all()
    assert np.array_equal(p1.filled(u), u)


@given(meshes(min_cells=1, codes=[code for code in ALL_CODES if code != 41]), st.booleans())
def test_no_mesh_gives_nan(mesh, clipped):
    """Any nodes in any order, at any finite coordinates: results, or one error."""
    if clipped:
        mesh.points = np.clip(mesh.points, -1, 1)
    try:
        p1 = mesh.p1()
    except MeshError:
        assert mesh.dim == 0 or np.abs(mesh.points).max() > 1e60
        return
    u = np.linspace(0, 1, mesh.n_points)
    for result in (
        p1.mass().data, p1.stiffness().data, p1.gradient(u), p1.cell_gradient(u), p1.hessian(u),
        p1.project(np.ones(mesh.n_cells)), p1.boundary.normals, p1.boundary.mass().data,
    ):  # fmt: skip
        assert np.isfinite(result).all()
