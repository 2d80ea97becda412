"""The Laplacian of edges and measures beside finite elements, its spectrum and polynomials."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop.graph import GraphSpec, build_graph
from meshop.mesh import Mesh
from meshop.nn import nodes
from meshop.nn.chebyshev import ChebyshevConv, scaled_laplacian
from meshop.testing import sample_graph


def dense(graph, scaling="degree"):
    """L^ (N, N)."""
    points = nodes(graph)
    diagonal, rest = scaled_laplacian(points, *graph.edge_index, graph.rowptr, scaling)
    return rest.dense() + torch.diag(diagonal)


def grid(n, stretch=1.0, dim=2):
    """Points (n^dim, 3) of a grid, spacing `stretch` along the first axis, and its cells."""
    axes = [stretch * np.arange(n), *[np.arange(n)] * (dim - 1), *[np.zeros(1)] * (3 - dim)]
    points = np.stack([c.ravel() for c in np.meshgrid(*axes, indexing="ij")], 1)
    at = np.arange(n**dim).reshape([n] * dim)
    a, b = at[:-1], at[1:]
    if dim == 2:
        return points, (
            "quad",
            np.stack([a[:, :-1], b[:, :-1], b[:, 1:], a[:, 1:]], -1).reshape(-1, 4),
        )
    low, high = slice(None, -1), slice(1, None)
    ring = ((a, low), (b, low), (b, high), (a, high))
    corners = [c[:, j, k] for k in (low, high) for c, j in ring]
    return points, ("hexahedron", np.stack(corners, -1).reshape(-1, 8))


@pytest.mark.parametrize(("dim", "stretch"), [(2, 1.0), (2, 1e3), (3, 1.0), (3, 0.01)])
def test_grids_of_any_stretching_have_the_finite_difference_laplacian(dim, stretch):
    """On the nodes whose neighbours are inner ones too: L^ + 1 is L over half its bound."""
    points, cells = grid(6, stretch, dim)
    spec = GraphSpec(location="point", dim=dim, edges=True)
    graph = build_graph(Mesh.from_blocks(points, [cells]), {}, spec)
    graph.pos = graph.pos.double()
    # Two away from the faces: neighbours on a face have another measure and number of edges.
    inner = np.all([(c > c.min() + 1e-9) & (c < c.max() - 1e-9) for c in points.T[:dim]], axis=0)
    deep = [
        i
        for i in np.flatnonzero(inner)
        if inner[graph.edge_index[0][graph.edge_index[1] == i]].all()
    ]
    assert len(deep) == 2**dim
    expected = torch.zeros(len(points), len(points), dtype=torch.float64)
    for j, i in graph.edge_index.T.tolist():
        expected[i, j] = -1 / ((points[i] - points[j]) ** 2).sum()
    expected -= torch.diag(expected.sum(1))
    expected /= expected.diagonal()[:, None]
    found = dense(graph) + torch.eye(len(points))
    torch.testing.assert_close(found[deep], expected[deep], rtol=1e-5, atol=1e-7)


def test_equilateral_triangles_have_the_p1_stiffness():
    n = 7
    i, j = (c.ravel() for c in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    points = np.stack([i + 0.5 * j, j * np.sqrt(3) / 2, 0 * i], 1)
    a = np.arange(n * n).reshape(n, n)
    low = np.stack([a[:-1, :-1], a[1:, :-1], a[:-1, 1:]], -1).reshape(-1, 3)
    high = np.stack([a[1:, :-1], a[1:, 1:], a[:-1, 1:]], -1).reshape(-1, 3)
    mesh = Mesh.from_blocks(points, [("triangle", np.concatenate([low, high]))])
    graph = build_graph(mesh, {}, GraphSpec(location="point", edges=True))
    p1 = mesh.p1()
    rate = torch.as_tensor(p1.stiffness().toarray() / p1.lumped[:, None])
    middle = int(a[3, 3])
    # Of V^-1 K: the shape, and beside `mass`, the size over the bound of it.
    found = dense(graph, "mass").double() + torch.eye(n * n)
    ratio = found[middle] / rate[middle]
    live = rate[middle].abs() > 1e-9
    torch.testing.assert_close(ratio[live], ratio[live][0].expand(7), rtol=1e-5, atol=0)
    assert float(found[middle][~live].abs().max()) < 1e-6


@pytest.mark.parametrize("scaling", ["degree", "mass"])
@given(st.integers(1, 40), st.integers(0, 99))
def test_the_spectrum_lies_between_minus_one_and_one(scaling, n, seed):
    graph = sample_graph(n, seed, edges=True)
    both = torch.cat([graph.edge_index, graph.edge_index.flip(0)], 1).unique(dim=1)
    order = torch.argsort(both[1] * n + both[0])
    graph.edge_index = both[:, order]
    ends = torch.bincount(both[1], minlength=n).cumsum(0)
    graph.rowptr = torch.cat([ends.new_zeros(1), ends])
    found = dense(graph, scaling)
    values = torch.linalg.eigvals(found)
    assert float(values.imag.abs().max()) < 1e-7  # similar to a symmetric matrix
    assert float(values.real.min()) > -1 - 1e-9 and float(values.real.max()) < 1 + 1e-9
    # Constants are in the kernel of L.
    torch.testing.assert_close(found.sum(1), -torch.ones(n).double(), rtol=0, atol=1e-9)


def test_polynomials_are_those_of_the_cosine():
    """T_k(cos t) = cos(k t), by the eigenvectors of L^."""
    torch.manual_seed(0)
    graph = sample_graph(30, 1, edges=True)
    layer = ChebyshevConv(4, 3, terms=5).double()
    x = torch.randn(30, 4).double()
    matrix = dense(graph)
    values, vectors = torch.linalg.eig(matrix)
    back = torch.linalg.inv(vectors)
    terms = [
        (vectors @ torch.diag(torch.cos(k * torch.acos(values))) @ back @ x.to(values)).real
        for k in range(5)
    ]
    points = nodes(graph)
    found = layer(x, scaled_laplacian(points, *graph.edge_index, graph.rowptr))
    torch.testing.assert_close(found, layer.mix(torch.cat(terms, 1)), rtol=1e-8, atol=1e-9)


def test_wrong_options():
    graph = sample_graph(5, 0, edges=True)
    with pytest.raises(ValueError, match="expected one of degree, mass, found 'none'"):
        dense(graph, "none")
    with pytest.raises(ValueError, match="terms: expected 1 or more, found 0"):
        ChebyshevConv(3, 3, 0)
