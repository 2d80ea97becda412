"""Boundary data inside the domain: Poisson's integral of balls, and the same on any mesh."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshop.graph import GraphSpec, build_graph, extension, off_boundary
from meshop.mesh import Mesh

from .test_known_fields import sphere, square


def grid(n: int, dim: int) -> tuple[np.ndarray, Mesh]:
    """n cells along each side of [-1, 1]^dim."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n + 1)] * dim, indexing="ij")
    points = np.column_stack([a.ravel() for a in axes])
    number = np.arange((n + 1) ** dim).reshape((n + 1,) * dim)
    if dim == 2:
        corners, kind = [(0, 0), (1, 0), (1, 1), (0, 1)], "quad"
    else:
        base = [(0, 0), (1, 0), (1, 1), (0, 1)]
        corners, kind = [(*c, k) for k in (0, 1) for c in base], "hexahedron"
    cells = [number[tuple(slice(k, n + k) for k in corner)].ravel() for corner in corners]
    return points, Mesh.from_blocks(points, [(kind, np.column_stack(cells))])


def ball(n: int, dim: int) -> Mesh:
    """The grid with its shells pressed to spheres."""
    points, mesh = grid(n, dim)
    far = np.linalg.norm(points, axis=1)
    scale = np.abs(points).max(1) / np.where(far > 0, far, 1)
    round_points = np.zeros((len(points), 3))
    round_points[:, :dim] = points * scale[:, None]
    return Mesh(
        points=round_points,
        cell_types=mesh.cell_types,
        cell_offsets=mesh.cell_offsets,
        cell_nodes=mesh.cell_nodes,
    )


def harmonic(points: np.ndarray, dim: int) -> np.ndarray:
    x, y, z = points.T
    values = x**3 - 3 * x * y**2 if dim == 2 else x * y + z**2 - y**2
    return values[:, None]


def error(n: int, dim: int) -> float:
    """Of the extension of a harmonic function's values on the unit sphere."""
    mesh = ball(n, dim)
    facets, exact = mesh.boundary_facets(), harmonic(mesh.points, dim)
    inside = off_boundary(mesh, "point", facets)
    given = np.where(inside[:, None], 1e3, exact)  # what is said inside is not read
    found = extension(mesh, "point", facets, given, mesh.points[inside], 10**6)
    return float(np.sqrt(np.mean((found - exact[inside]) ** 2)))


@pytest.mark.parametrize(("dim", "n", "least"), [(2, 12, 2.2), (3, 6, 1.8)])
def test_of_a_ball_it_is_the_harmonic_function(dim, n, least):
    coarse, fine = error(n, dim), error(2 * n, dim)
    assert coarse < 0.05 and coarse / fine > least


def boundary_only(n: int, **spec: object) -> tuple[Mesh, GraphSpec]:
    """A square whose g is x on the boundary and zero inside."""
    mesh = square(n)
    inside = off_boundary(mesh, "point", mesh.boundary_facets())
    mesh.point_data["g"] = np.where(inside, 0.0, mesh.points[:, 0])
    names = {"inputs": ("f", "g"), "wall_inputs": ("g",), "extended": ("g",)}
    return mesh, GraphSpec(location="point", **{**names, **spec})


def test_nodes_on_the_boundary_keep_their_values_and_a_finer_mesh_has_the_same_integral():
    integrals: dict[tuple[str, ...], list[float]] = {("g",): [], (): []}
    for extended, found in integrals.items():
        for n in (11, 21):
            mesh, spec = boundary_only(n, extended=extended)
            before = mesh.point_data["g"].copy()
            graph = build_graph(mesh, {}, spec)
            np.testing.assert_array_equal(mesh.point_data["g"], before)
            edge = ~off_boundary(mesh, "point", mesh.boundary_facets())
            g = graph.inputs[:, 2].numpy()
            np.testing.assert_allclose(g[edge], before[edge], rtol=1e-6)
            np.testing.assert_allclose(graph.inputs[:, 0], mesh.point_data["f"][:, 0], rtol=1e-6)
            found.append(float((graph.weight * graph.inputs[:, 2]).sum()))
    assert integrals["g",] == pytest.approx([0.5, 0.5], rel=1e-5)  # odd about x = 1/2
    # Zeros inside: the integral is that of a strip, which halves.
    assert integrals[()][1] == pytest.approx(integrals[()][0] / 2, rel=0.1)


def test_on_cells_their_owners_speak_for_the_facets():
    mesh = square()
    inside = off_boundary(mesh, "cell", mesh.boundary_facets())
    assert inside.sum() == 9
    mesh.cell_data["k"] = np.where(inside, 0.0, 3.0)
    spec = GraphSpec(location="cell", inputs=("k",), wall_inputs=("k",), extended=("k",))
    np.testing.assert_allclose(build_graph(mesh, {}, spec).inputs, 3.0, rtol=1e-6)


def test_a_sample_of_the_facets_stands_for_them():
    mesh, spec = boundary_only(21)
    every = build_graph(mesh, {}, spec).inputs[:, 2]
    some = build_graph(mesh, {}, spec.model_copy(update={"max_tokens": 40})).inputs[:, 2]
    assert 0 < float((every - some).abs().max()) < 0.1  # their spacing


def test_a_closed_surface_has_no_boundary_to_extend():
    mesh = sphere()
    spec = GraphSpec(location="point", surface=True, inputs=("p",), extended=("p",))
    np.testing.assert_allclose(
        build_graph(mesh, {}, spec).inputs[:, 0], mesh.point_data["p"], rtol=1e-6
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 1e5]))
def test_a_mean_of_the_data_whatever_the_unit_and_the_place(seed, unit):
    random = np.random.default_rng(seed)
    mesh, shift = square(5), np.array([3.0, -1.0, 0.0])
    facets = mesh.boundary_facets()
    values = random.normal(size=(mesh.n_points, 2))
    at = random.uniform(-0.5, 1.5, (20, 3)) * [1, 1, 0]
    at[:3] = mesh.points[:3]  # also at the boundary's own points
    found = extension(mesh, "point", facets, values, at, 100)
    edge = np.unique(facets.nodes)
    assert (found >= values[edge].min(0) - 1e-6).all()
    assert (found <= values[edge].max(0) + 1e-6).all()
    moved = Mesh(
        points=unit * (mesh.points + shift),
        cell_types=mesh.cell_types,
        cell_offsets=mesh.cell_offsets,
        cell_nodes=mesh.cell_nodes,
    )
    again = extension(moved, "point", facets, values, unit * (at + shift), 100)
    np.testing.assert_allclose(again, found, atol=1e-5)
