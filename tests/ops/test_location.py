"""locate and interpolate as users call them: promises, gradients and errors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from meshop import ops
from meshop.ops import Location

from .specs import boxes, cells, cloud, lattice, ptr
from .specs.location import jittered, layered, simplices, strewn

FIELDS = {"offset": 0.7, "slope": (1.3, -2.1, 0.4)}


def linear(points: torch.Tensor) -> torch.Tensor:
    slope = points.new_tensor(FIELDS["slope"][: points.shape[1]])
    return FIELDS["offset"] + points @ slope


def point_of(location: Location, points: torch.Tensor) -> torch.Tensor:
    """What the nodes and weights stand for."""
    return ops.interpolate(points, location)


def delaunay(points: torch.Tensor) -> tuple[torch.Tensor, ...]:
    nodes = torch.as_tensor(Delaunay(points.numpy()).simplices).long()
    kind = 5 if points.shape[1] == 2 else 10
    count = torch.full((len(nodes),), nodes.shape[1])
    return torch.full((len(nodes),), kind, dtype=torch.uint8), ptr(*count), nodes.reshape(-1)


def closest_by_projection(points: np.ndarray, simplex: np.ndarray, q: np.ndarray) -> float:
    """Squared distance to the hull of a few vertices: all subsets, by least squares."""
    best = math.inf
    for bits in range(1, 2 ** len(simplex)):
        v = points[[n for i, n in enumerate(simplex) if bits >> i & 1]]
        edges = (v[1:] - v[0]).T
        w = np.linalg.lstsq(edges, q - v[0], rcond=None)[0]
        if (w >= -1e-12).all() and w.sum() <= 1 + 1e-12:
            best = min(best, float(((q - v[0] - edges @ w) ** 2).sum()))
    return best


meshes = st.builds(
    # Few distinct coordinates: queries on faces, edges and corners in almost every example, and
    # cells without volume in many.
    lambda dim, count, seed, steps: (
        (cloud(8, dim, seed) * steps).round(),
        torch.randint(0, 8, (count, dim + 1), generator=torch.Generator().manual_seed(seed)),
        (cloud(12, dim, seed + 1) * 2 * steps).round() / 2,
    ),
    st.integers(1, 3),
    st.integers(1, 12),
    st.integers(0, 2**31),
    st.integers(1, 6),
)


@settings(max_examples=60)
@given(mesh=meshes)
def test_cells_and_distances_are_those_of_a_plain_search(mesh: tuple) -> None:
    points, nodes, queries = mesh
    dim, kind = points.shape[1], {1: 3, 2: 5, 3: 10}[points.shape[1]]
    types = torch.full((len(nodes),), kind, dtype=torch.uint8)
    found = ops.locate(points, types, ptr(*[dim + 1] * len(nodes)), nodes.reshape(-1), queries)
    for row, q in enumerate(queries.numpy()):
        every = [closest_by_projection(points.numpy(), s, q) for s in nodes.numpy()]
        assert math.isclose(float(found.distance2[row]), min(every), rel_tol=1e-9, abs_tol=1e-18)
        touched = min(every) < 1e-20
        near = [
            i for i, d in enumerate(every) if d <= (1e-20 if touched else min(every) * 1.000001)
        ]
        cell = int(found.cell[row])
        if not touched:
            assert cell in near
        else:  # a cell with volume goes before one without, whose points are only closest ones
            volume = [abs(np.linalg.det(np.diff(points.numpy()[s], axis=0))) > 0 for s in nodes]
            solid = [i for i in near if volume[i]]
            assert cell == (solid or near)[0]
        assert bool(found.inside[row]) == touched
    reached = point_of(found, points)
    torch.testing.assert_close(
        ((reached - queries) ** 2).sum(1), found.distance2, rtol=1e-9, atol=1e-18
    )
    assert bool((found.weights >= -1e-9).all())
    torch.testing.assert_close(found.weights.sum(1), torch.ones(len(queries)).double())


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_linear_fields_are_exact(dim: int, dtype: torch.dtype) -> None:
    points, *mesh = jittered(6, dim)
    points = points.to(dtype)
    queries = points.amin(0) + cloud(400, dim, 3, dtype) * (points.amax(0) - points.amin(0))
    found = ops.locate(points, *mesh, queries)
    assert found.inside.float().mean() > 0.8
    at = point_of(found, points)
    tight = 1e-13 if dtype == torch.float64 else 1e-5
    values = ops.interpolate(linear(points), found)
    torch.testing.assert_close(values, linear(at), rtol=tight, atol=tight)
    inside = found.inside
    torch.testing.assert_close(values[inside], linear(queries)[inside], rtol=tight, atol=tight)


def test_mixed_cells_reproduce_linear_fields_and_fill_their_volume() -> None:
    """A cube of hexahedra, wedges, pyramids and tetrahedra: every query inside is in one cell."""
    points = torch.cat([lattice(3, 3), torch.tensor([[0.5, 0.5, 0.5]]).double()])

    def cube(i: int, j: int, k: int) -> list[int]:
        at = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
        ring = [((i + a) * 3 + j + b) * 3 + k for a, b, _ in at]
        return ring + [n + 1 for n in ring]

    a, b, c = cube(0, 0, 0), cube(1, 0, 0), cube(0, 1, 0)
    faces = [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    mesh = cells(
        (14, [[*(a[n] for n in face), 27] for face in faces]),
        (13, [[b[0], b[1], b[2], b[4], b[5], b[6]], [b[0], b[2], b[3], b[4], b[6], b[7]]]),
        (12, [c, cube(1, 1, 1), cube(0, 0, 1)]),
        (11, [[n[m] for m in (0, 1, 3, 2, 4, 5, 7, 6)] for n in (cube(1, 1, 0), cube(0, 1, 1))]),
        (12, [cube(1, 0, 1)]),
    )
    queries = cloud(2000, 3, 5) * 2
    found = ops.locate(points, *mesh, queries)
    assert bool(found.inside.all())
    torch.testing.assert_close(ops.interpolate(linear(points), found), linear(queries))
    owner = (queries.floor() @ torch.tensor([4.0, 2, 1]).double()).long()
    expected = {0: range(6), 4: (6, 7), 2: (8,), 7: (9,), 1: (10,), 6: (11,), 3: (12,), 5: (13,)}
    strict = ((queries - queries.round()).abs() > 1e-6).all(1)
    for where, cell in zip(owner[strict].tolist(), found.cell[strict].tolist(), strict=True):
        assert cell in expected[where]


def warped() -> tuple[torch.Tensor, ...]:
    """Hexahedra with faces that are not planar, nodes numbered at random."""
    points = lattice(4, 3) + (cloud(64, 3, 11) - 0.5) * 0.3
    types, offsets, nodes = boxes(3)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
    moved = torch.empty_like(points)
    moved[order] = points
    return moved, types, offsets, order[nodes]


def test_the_interpolant_is_continuous_across_warped_faces() -> None:
    points, *mesh = warped()
    values = cloud(64, 1, 12)[:, 0]
    start, end = cloud(40, 3, 13) * 2.4 + 0.3, cloud(40, 3, 14) * 2.4 + 0.3
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)
    line = start[:, None] + t[:, None] * (end - start)[:, None]
    found = ops.locate(points, *mesh, line.reshape(-1, 3))
    assert bool(found.inside.all())  # no gap and so no nearest point
    along = ops.interpolate(values, found).reshape(40, -1)
    assert found.cell.reshape(40, -1).diff().count_nonzero() > 40
    assert float(along.diff(dim=1).abs().max()) < 1e-2  # jumps would be some tenths


def test_warped_cells_do_not_overlap() -> None:
    """Any order of the cells gives the same values: there is one simplex for each query."""
    points, types, offsets, nodes = warped()
    queries = cloud(3000, 3, 15) * 2.4 + 0.3
    values = cloud(64, 1, 12)[:, 0]
    turned = nodes.reshape(-1, 8).flip(0).reshape(-1)
    one = ops.interpolate(values, ops.locate(points, types, offsets, nodes, queries))
    other = ops.interpolate(values, ops.locate(points, types, offsets, turned, queries))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dim", [2, 3])
def test_values_agree_with_scipy(dim: int) -> None:
    points, queries = cloud(300, dim), cloud(500, dim, 1) * 1.2 - 0.1
    values = cloud(300, 1, 2)[:, 0]
    tri = Delaunay(points.numpy())
    expected = LinearNDInterpolator(tri, values.numpy())(queries.numpy())
    found = ops.locate(points, *delaunay(points), queries)
    inside = ~np.isnan(expected)
    assert torch.equal(found.inside, torch.as_tensor(inside))
    assert torch.equal(
        found.cell[inside], torch.as_tensor(tri.find_simplex(queries.numpy()))[inside]
    )
    np.testing.assert_allclose(ops.interpolate(values, found)[inside], expected[inside], rtol=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_shared_face_belongs_to_the_lowest_cell(dim: int) -> None:
    points, *mesh = simplices(3, dim)
    nodes = mesh[2].reshape(-1, dim + 1)
    found = ops.locate(points, *mesh, points)
    first = [int((nodes == n).any(1).nonzero()[0]) for n in range(len(points))]
    assert found.cell.tolist() == first
    centres = points[nodes[:, :dim]].mean(1)  # of faces
    corner = nodes[:, :dim].sort(1).values
    shared = (nodes[None, :, :, None] == corner[:, None, None, :]).any(2).all(2)
    assert (
        ops.locate(points, *mesh, centres).cell.tolist() == shared.to(torch.int8).argmax(1).tolist()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_boundary_layers(dtype: torch.dtype) -> None:
    """Cells with an aspect ratio of 1e5 on a curved wall."""
    points, types, offsets, nodes = layered(30)
    points = points.to(dtype)
    nodes = nodes.reshape(-1, 3)
    share = torch.tensor([0.2, 0.3, 0.5], dtype=dtype)
    centres = (points[nodes] * share[:, None]).sum(1)
    found = ops.locate(points, types, offsets, nodes.reshape(-1), centres)
    if dtype == torch.float64:
        assert torch.equal(found.cell, torch.arange(len(nodes)))
        expected = share.expand(len(nodes), 3).gather(1, nodes.argsort(1))
        torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)
    assert bool(found.inside.all())  # float32: some lie a rounding beside the wall
    reached = point_of(found, points)
    torch.testing.assert_close(reached, centres)


def test_outside_queries_get_the_closest_point_or_nothing() -> None:
    points, *mesh = cloud(0, 2), *cells((9, [[0, 1, 2, 3]]))
    points = torch.tensor([[0.0, 0], [2, 0], [2, 1], [0, 1]])
    queries = torch.tensor([[1.0, 0.5], [3, 0.5], [3, 2], [1, -2], [0.5, 1.5]])
    found = ops.locate(points, *mesh, queries)
    assert found.inside.tolist() == [True, False, False, False, False]
    assert found.distance2.tolist() == [0, 1, 2, 4, 0.25]
    assert point_of(found, points)[1:].tolist() == [[2, 0.5], [2, 1], [1, 0], [0.5, 1]]
    assert found.nodes.tolist()[2] == [2, -1, -1] and found.weights.tolist()[2] == [1, 0, 0]
    none = ops.locate(points, *mesh, queries, nearest=False)
    assert none.cell.tolist() == [0, -1, -1, -1, -1]
    assert none.distance2[1:].isinf().all() and not none.weights[1:].any()
    assert ops.interpolate(torch.ones(4), none).tolist() == [1, 0, 0, 0, 0]
    some = ops.locate(points, *mesh, queries, nearest=False, tolerance=1.0)
    assert some.cell.tolist() == [0, 0, -1, -1, 0]
    assert some.inside.tolist() == [True, True, False, False, True]


@pytest.mark.parametrize("dim", [2, 3])
def test_the_closest_corner_or_edge_belongs_to_the_lowest_cell(dim: int) -> None:
    points, *mesh = jittered(3, dim, 4)
    queries = strewn(points, 300, 5)
    found = ops.locate(points, *mesh, queries)
    nodes = mesh[2].reshape(-1, dim + 1)
    outside = (~found.inside).nonzero()[:, 0].tolist()
    assert len(outside) > 100
    for row in outside:
        carriers = found.nodes[row][found.nodes[row] >= 0]
        has = (nodes[:, :, None] == carriers).any(1).all(1)
        assert int(found.cell[row]) == int(has.nonzero()[0])


def test_surfaces_in_space() -> None:
    """A sphere: the closest point of a closed surface, from inside and outside."""
    points = torch.nn.functional.normalize(cloud(120, 3, 1) - 0.5)
    hull = Delaunay(points.numpy()).convex_hull
    nodes = torch.as_tensor(hull).long()
    mesh = (
        torch.full((len(nodes),), 5, dtype=torch.uint8),
        ptr(*[3] * len(nodes)),
        nodes.reshape(-1),
    )
    queries = (cloud(25, 3, 2) - 0.5) * 3
    found = ops.locate(points, *mesh, queries)
    for row in range(25):
        expected = min(closest_by_projection(points.numpy(), s, queries[row].numpy()) for s in hull)
        assert math.isclose(float(found.distance2[row]), expected, rel_tol=1e-9)
    assert not found.inside.any()
    on = points[nodes].mean(1)
    back = ops.locate(points, *mesh, on)
    assert bool(back.inside.all()) and torch.equal(back.cell, torch.arange(len(nodes)))


def test_int32_and_other_types_are_welcome() -> None:
    points, types, offsets, nodes = jittered(2, 2)
    queries = strewn(points, 9)
    plain = ops.locate(points, types, offsets, nodes, queries)
    other = ops.locate(points, types.long(), offsets.int(), nodes.int(), queries)
    assert all(map(torch.equal, plain, other))


def test_the_gradient_of_a_linear_field_is_its_slope() -> None:
    points, *mesh = jittered(4, 3)
    queries = (cloud(50, 3, 2) * 3 + 0.5).requires_grad_()
    found = ops.locate(points, *mesh, queries)
    (slope,) = torch.autograd.grad(ops.interpolate(linear(points), found).sum(), queries)
    expected = torch.tensor(FIELDS["slope"]).double().expand(50, 3)
    torch.testing.assert_close(slope, expected)


def test_gradients_through_locate_and_interpolate() -> None:
    points, *mesh = jittered(2, 2)
    queries = strewn(points, 12, 3).requires_grad_()
    points = points.requires_grad_()
    values = cloud(len(points), 2, 4).requires_grad_()

    def field(p: torch.Tensor, q: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = ops.locate(p, *mesh, q)
        return ops.interpolate(v, found), found.distance2

    assert torch.autograd.gradcheck(field, (points, queries, values))
    assert torch.autograd.gradgradcheck(field, (points, queries, values))


def test_float32_meshes_carry_float64_and_bfloat16_values() -> None:
    points, *mesh = jittered(3, 2)
    queries = strewn(points, 30).float()
    found = ops.locate(points.float(), *mesh, queries)
    exact = ops.interpolate(linear(points), found)
    assert exact.dtype == torch.float64
    rough = ops.interpolate(linear(points).bfloat16(), found)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.double(), exact, rtol=2e-2, atol=2e-2)


def test_nan_stays_where_it_is() -> None:
    points, *mesh = simplices(2, 2)
    values = torch.ones(9)
    values[8] = math.nan
    found = ops.locate(points, *mesh, torch.tensor([[0.2, 0.3], [1.8, 1.9], [0.0, -1.0]]).double())
    assert ops.interpolate(values, found).isnan().tolist() == [False, True, False]


def test_compiles_with_dynamic_shapes() -> None:
    @torch.compile(backend="aot_eager", fullgraph=True, dynamic=True)
    def layer(points, types, offsets, nodes, queries, values):
        found = ops.locate(points, types, offsets, nodes, queries)
        return ops.interpolate(values, found).sin().sum() + found.distance2.sum()

    for side, count in ((2, 7), (3, 11), (4, 30)):
        points, *mesh = jittered(side, 2)
        queries = strewn(points, count).requires_grad_()
        values = cloud(len(points), 3).requires_grad_()
        found = ops.locate(points, *mesh, queries)
        expected = ops.interpolate(values, found).sin().sum() + found.distance2.sum()
        result = layer(points, *mesh, queries, values)
        torch.testing.assert_close(result, expected)
        torch.testing.assert_close(
            torch.autograd.grad(result, (queries, values)),
            torch.autograd.grad(expected, (queries, values)),
        )


_points, *_mesh = simplices(1, 2)
_types, _offsets, _nodes = _mesh
_solid = (torch.tensor([42], dtype=torch.uint8), ptr(4), torch.arange(4))
_four = cloud(4, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.locate(_points[0], *_mesh, _points), ValueError, r"points: expected shape"),
        (lambda: ops.locate(cloud(4, 4), *_mesh, _points), ValueError, r"\(N, 2\) or \(N, 3\)"),
        (lambda: ops.locate(_points.half(), *_mesh, _points), ValueError, "float32 or float64"),
        (
            lambda: ops.locate(_points, *_mesh, _four),
            ValueError,
            r"queries: expected shape \(Q, 2\)",
        ),
        (
            lambda: ops.locate(_points, *_mesh, _points.float()),
            ValueError,
            "queries: expected torch",
        ),
        (lambda: ops.locate(_points / 0, *_mesh, _points), ValueError, "points: expected finite"),
        (lambda: ops.locate(_points, *_mesh, _points / 0), ValueError, "queries: expected finite"),
        (
            lambda: ops.locate(_points, _types.float(), _offsets, _nodes, _points),
            ValueError,
            "cell_types: expected 1-D VTK codes",
        ),
        (
            lambda: ops.locate(_points, _types.int() + 65, _offsets, _nodes, _points),
            ValueError,
            r"cell_types\[0\]: expected a linear or quadratic VTK cell, found 70",
        ),
        (
            lambda: ops.locate(_points, _types.int() + 256, _offsets, _nodes, _points),
            ValueError,
            "found 261",
        ),
        (
            lambda: ops.locate(_points, _types + 4, _offsets, _nodes, _points),
            ValueError,
            "cell 0 of VTK type 9: expected 4 nodes, found 3",
        ),
        (
            lambda: ops.locate(_points, _types[:1], _offsets, _nodes, _points),
            ValueError,
            "cell_offsets: expected 2 entries, found 3",
        ),
        (
            lambda: ops.locate(_points, _types, _offsets + 1, _nodes, _points),
            ValueError,
            r"cell_offsets\[0\]: expected 0",
        ),
        (
            lambda: ops.locate(_points, _types, _offsets, _nodes[:5], _points),
            IndexError,
            "number of cell_nodes, found 6",
        ),
        (
            lambda: ops.locate(_points, _types, _offsets, _nodes + 1, _points),
            IndexError,
            r"cell_nodes\[\d\]: expected a node in \[0, 4\), found 4",
        ),
        (
            lambda: ops.locate(_points, _types, _offsets, _nodes - 1, _points),
            IndexError,
            "found -1",
        ),
        (
            lambda: ops.locate(_points, *cells((10, [[0, 1, 2, 3]])), _points),
            ValueError,
            "points: expected 3 coordinates for cells of VTK type 10, found 2",
        ),
        (
            lambda: ops.locate(_four, *_solid, _four),
            ValueError,
            "faces of polyhedron 0, found none",
        ),
        (
            lambda: ops.locate(_four, *_solid, _four, faces=torch.tensor([1, 3, 0, 1])),
            ValueError,
            "faces and face_offsets: expected both",
        ),
        (
            lambda: ops.locate(
                _four, *_solid, _four, faces=torch.tensor([1, 3, 0, 1]), face_offsets=ptr()
            ),
            ValueError,
            r"faces: expected \[n_faces",
        ),
        (lambda: ops.locate(_points, *_mesh, _points, tolerance=-1.0), ValueError, "tolerance"),
        (lambda: ops.locate(_points, *_mesh, _points, tolerance=math.nan), ValueError, "tolerance"),
        (
            lambda: ops.interpolate(_points[:2, 0], ops.locate(_points, *_mesh, _points)),
            IndexError,
            "at least 4, found 2",
        ),
        (
            lambda: ops.interpolate(torch.arange(4), ops.locate(_points, *_mesh, _points)),
            ValueError,
            "bfloat16, found",
        ),
        (
            lambda: ops.interpolate(torch.tensor(1.0), ops.locate(_points, *_mesh, _points)),
            ValueError,
            "found a scalar",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
