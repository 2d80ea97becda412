"""Fields from mesh to mesh: against linear fields, integrals, overlaps known by hand, and rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.errors import MeshError
from meshop.mesh import Mesh, carry_fields, interpolation_error
from meshop.movers import move
from tests.meshes import box, ring
from tests.movers.test_move import square


def bricks(n: int = 3) -> Mesh:
    """A cube of hexahedra, the last of them cut into two wedges."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    i, j, k = (v.ravel() for v in np.meshgrid(*[np.arange(n)] * 3, indexing="ij"))

    def at(a: int, b: int, c: int) -> np.ndarray:
        return ((i + a) * (n + 1) + j + b) * (n + 1) + k + c

    corners = [
        (0, 0, 0),
        (1, 0, 0),
        (1, 1, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 0, 1),
        (1, 1, 1),
        (0, 1, 1),
    ]
    cells = np.stack([at(*c) for c in corners], 1)
    wedge = cells[-1:][:, [0, 3, 1, 4, 7, 5]], cells[-1:][:, [1, 3, 2, 5, 7, 6]]
    return Mesh.from_blocks(points, [("hexahedron", cells[:-1]), ("wedge", np.concatenate(wedge))])


MESHES = {
    "triangles": lambda: square(9),
    "quads": lambda: square(7, "quad"),
    "tetrahedra": lambda: box(3),
    "hexahedra": bricks,
    "airfoil": lambda: ring(32, 8),
}


def shaken(mesh: Mesh, seed: int, size: float = 0.3) -> Mesh:
    """Points moved by a part of a cell, within the domain where its boundary is straight."""
    random = np.random.default_rng(seed)
    top = mesh.cell_measures()
    near = size * (top[top > 0].min() * 2) ** (1 / mesh.dim)
    step = near * random.uniform(-1, 1, mesh.points.shape)
    step[:, 2] *= mesh.dim == 3
    return move(mesh, step).mesh


def linear(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x @ [1.0, -2.0, 0.5] + 3.0, x @ [0.3, 0.2, -1.0]])


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("conservative", [False, True])
def test_linear_fields_constants_and_integrals(name: str, conservative: bool) -> None:
    mesh = MESHES[name]()
    random = np.random.default_rng(1)
    mesh.point_data["v"] = linear(mesh.points)
    mesh.cell_data |= {"one": np.full(mesh.n_cells, 7.0), "c": random.normal(size=mesh.n_cells),
                       "w": random.normal(size=(mesh.n_cells, 3))}  # fmt: skip
    moved = shaken(mesh, 0)
    out = carry_fields(mesh, moved, conservative=conservative)
    assert (moved.points != mesh.points).any(axis=1).mean() > 0.5
    inside = np.isclose(moved.cell_measures().sum(), mesh.cell_measures().sum(), rtol=1e-13)
    # On a polyline, points leave the domain by what its corners stick out.
    error = np.abs(out.point_data["v"] - linear(moved.points)).max()
    assert error < (1e-12 if inside else 2e-2)
    if conservative:
        was, now = (m.p1().lumped @ m.point_data["v"] for m in (mesh, out))
        assert np.abs(now - was).max() < 1e-13 * np.abs(was).max()
    before, after = mesh.cell_measures(), moved.cell_measures()
    if conservative:
        for key in ("c", "w", "one"):
            was, now = before @ mesh.cell_data[key], after @ out.cell_data[key]
            assert np.abs(now - was).max() < 1e-13 * (before @ np.abs(mesh.cell_data[key])).max()
    if inside or not conservative:
        assert np.abs(out.cell_data["one"] - 7).max() < 1e-13
        low, high = mesh.cell_data["c"].min(), mesh.cell_data["c"].max()
        assert low - 1e-12 <= out.cell_data["c"].min() and out.cell_data["c"].max() <= high + 1e-12


def test_overlaps_of_squares_that_are_known() -> None:
    # Squares of 1 at 0, 1, 2 onto squares of 1.5 at 0, 1.5: a half of the middle one to each.
    def row(*x: float) -> Mesh:
        points = np.array([[v, y] for v in x for y in (0.0, 1.0)])
        quads = [[2 * i, 2 * i + 2, 2 * i + 3, 2 * i + 1] for i in range(len(x) - 1)]
        return Mesh.from_blocks(points, [("quad", quads)])

    source, target = row(0, 1, 2, 3), row(0, 1.5, 3)
    source.cell_data["c"] = np.array([6.0, 3.0, 0.0])
    out = carry_fields(source, target, conservative=True)
    assert np.allclose(out.cell_data["c"], [5.0, 1.0], rtol=0, atol=1e-14)
    assert np.array_equal(carry_fields(source, target).cell_data["c"], [6.0, 0.0])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 5), kind=st.sampled_from(["triangle", "box"]))
def test_meshes_of_one_domain_cover_each_other(seed: int, n: int, kind: str) -> None:
    one, two = (square(n + 2), square(n)) if kind == "triangle" else (box(2), box(1 + n % 3))
    one = shaken(one, seed, 0.45)
    one.cell_data["c"] = np.random.default_rng(seed).uniform(1, 2, one.n_cells)
    out = carry_fields(one, two, conservative=True)
    back = carry_fields(out, one, conservative=True)
    for mesh in (out, back):
        total = mesh.cell_measures() @ mesh.cell_data["c"]
        assert np.isclose(total, one.cell_measures() @ one.cell_data["c"], rtol=1e-13)
        assert mesh.cell_data["c"].min() >= 1 - 1e-12 and mesh.cell_data["c"].max() <= 2 + 1e-12


def test_what_stays_where_it_was_is_kept_to_the_last_digit_and_labels_too() -> None:
    mesh = square(6)
    random = np.random.default_rng(3)
    mesh.point_data |= {"p": random.normal(size=(49, 2)).astype("f4"), "id": np.arange(49)}
    mesh.cell_data |= {"c": random.normal(size=72).astype("f4"), "of": np.arange(72) % 3}
    moved = mesh.copy()
    moved.points = mesh.points.copy()
    moved.points[24, :2] += 0.06, 0.04
    for conservative in (False, True):
        out = carry_fields(mesh, moved, conservative=conservative)
        still = np.arange(49) != 24
        assert np.array_equal(out.point_data["p"][still], mesh.point_data["p"][still])
        assert not np.array_equal(out.point_data["p"][24], mesh.point_data["p"][24])
        assert out.point_data["p"].dtype == out.cell_data["c"].dtype == np.float32
        assert out.point_data["id"] is mesh.point_data["id"]
        assert out.cell_data["of"] is mesh.cell_data["of"]
    far = ~(mesh.cell_nodes.reshape(-1, 3) == 24).any(axis=1)
    plain = carry_fields(mesh, moved)
    assert np.array_equal(plain.cell_data["c"][far], mesh.cell_data["c"][far])
    only = carry_fields(mesh, moved, arrays=["c"])
    assert np.array_equal(only.point_data["p"], mesh.point_data["p"])


def test_interpolation_is_of_second_order() -> None:
    def wave(x: np.ndarray) -> np.ndarray:
        return np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1])

    errors = []
    for n in (16, 32, 64):
        mesh = square(n)
        mesh.point_data["u"] = wave(mesh.points)
        step = 0.1 * np.sin(np.pi * mesh.points[:, :2]) * mesh.points[:, 1::-1]
        moved = move(mesh, step).mesh
        found = carry_fields(mesh, moved).point_data["u"] - wave(moved.points)
        errors.append(np.sqrt(moved.p1().lumped @ found**2))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (rates > 1.8).all() and (rates < 2.3).all()


def test_curved_cells_count_by_their_corners() -> None:
    points = [[0, 0], [1, 0], [0, 1], [0.5, 0], [0.5, 0.5], [0, 0.5]]
    mesh = Mesh.from_blocks(points, [("quadratic_triangle", [range(6)])])
    mesh.point_data["u"] = linear(mesh.points)[:, 0]
    mesh.cell_data["c"] = np.array([4.0])
    after = mesh.copy()
    after.points = mesh.points * 0.8
    out = carry_fields(mesh, after)
    assert np.allclose(out.point_data["u"], linear(after.points)[:, 0], atol=1e-12)
    out = carry_fields(mesh, after, conservative=True)
    assert np.isclose(out.cell_data["c"][0] * 0.64, 4.0)
    was, now = (m.p1().lumped @ m.point_data["u"] for m in (mesh, out))
    assert np.isclose(was, now, rtol=1e-14)


def test_integrals_of_fields_at_points_stay_and_so_does_the_order() -> None:
    for n, most in ((16, 2e-2), (32, 5e-3)):
        mesh = square(n)
        x = mesh.points
        mesh.point_data["u"] = np.exp(np.sin(5 * x[:, 0]) + x[:, 1] ** 2)
        moved = shaken(mesh, 7)
        plain, kept = (carry_fields(mesh, moved, conservative=c) for c in (False, True))
        was, interpolated, now = (m.p1().lumped @ m.point_data["u"] for m in (mesh, plain, kept))
        assert abs(interpolated / was - 1) > 1e-7 and abs(now / was - 1) < 1e-14
        true = np.exp(np.sin(5 * moved.points[:, 0]) + moved.points[:, 1] ** 2)
        error = [np.sqrt(moved.p1().lumped @ (m.point_data["u"] - true) ** 2)
                 for m in (plain, kept)]  # fmt: skip
        assert error[1] < 1.01 * error[0] < most


def test_points_beyond_the_boundary_take_its_nearest_value() -> None:
    mesh = square(4)
    mesh.point_data["u"] = mesh.points[:, 0] + 10 * mesh.points[:, 1]
    out = mesh.copy()
    out.points = mesh.points.copy()
    out.points[2] = -0.3, 0.6, 0.0  # it was at (0, 0.5)
    assert np.isclose(carry_fields(mesh, out).point_data["u"][2], 6.0, atol=1e-12)


def test_what_has_no_value_stays_where_it_is() -> None:
    mesh = square(6)
    mesh.cell_data["c"] = np.where(np.arange(72) == 40, np.nan, 1.0)
    out = carry_fields(mesh, shaken(mesh, 4), conservative=True).cell_data["c"]
    assert 1 <= np.isnan(out).sum() < 30 and np.nanmax(np.abs(out - 1)) < 1e-12


def test_what_is_refused() -> None:
    mesh = square(3)
    mesh.cell_data["c"] = np.ones(18)
    with pytest.raises(MeshError, match="dimension 2 to one of 3"):
        carry_fields(mesh, box(1))
    with pytest.raises(MeshError, match="array 'q'"):
        carry_fields(mesh, mesh, arrays=["q"])
    skin = box(2).surface()
    skin.cell_data["c"] = np.ones(skin.n_cells)
    other = skin.copy()
    other.points = skin.points * [1.0, 1.0, 0.9]
    with pytest.raises(MeshError, match="conservative transfer"):
        carry_fields(skin, other, conservative=True)


@pytest.mark.parametrize("name", ["triangles", "tetrahedra", "quads"])
def test_the_error_of_interpolating_a_quadratic_is_exact(name: str) -> None:
    mesh = shaken(MESHES[name](), 5)
    bend = np.array([[2.0, -1.0, 0.4], [-1.0, 3.0, 0.2], [0.4, 0.2, -1.0]])
    p1 = mesh.p1()
    nodes, d = p1.simplices.nodes, mesh.dim
    found = interpolation_error(p1, np.tile(bend, (len(nodes), 1, 1)))
    # Against a rule that is exact for the square of the error: Gauss and Jacobi, collapsed.
    x, w = np.polynomial.legendre.leggauss(6)
    x, w = (x + 1) / 2, w / 2
    grid = np.stack(np.meshgrid(*[x] * d, indexing="ij"), -1).reshape(-1, d)
    weight = np.prod(np.stack(np.meshgrid(*[w] * d, indexing="ij"), -1).reshape(-1, d), axis=1)
    left, local = np.ones(len(grid)), []
    for i in range(d):
        local.append(left * grid[:, i])
        weight = weight * left
        left = left * (1 - grid[:, i])
    local = np.stack([left, *local], 1)
    corner = p1.corners[nodes]
    at = np.einsum("qi,sic->sqc", local, corner)
    value = 0.5 * np.einsum("...a,ab,...b", at, bend, at)
    flat = 0.5 * np.einsum("...a,ab,...b", corner, bend, corner) @ local.T
    factorial = {2: 2, 3: 6}[d]
    exact = np.sqrt(factorial * p1.simplices.measure * ((value - flat) ** 2 @ weight))
    assert np.allclose(found, exact, rtol=1e-10)
    two = interpolation_error(p1, np.tile(np.stack([bend, 2 * bend], -1), (len(nodes), 1, 1, 1)))
    assert np.allclose(two, np.sqrt(5) * exact)
