"""Sparse matrices against SciPy, aggregates and walks against what defines them."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop import ops
from meshop.ops import Csr

from .specs.aggregation import grid


@st.composite
def matrices(draw, rows=None):
    m = draw(st.integers(0, 12)) if rows is None else rows
    n = draw(st.integers(0, 12))
    seed = draw(st.integers(0, 2**16))
    return sp.random(m, n, draw(st.floats(0, 0.6)), "csr", random_state=np.random.default_rng(seed))


@given(st.data())
def test_the_product_is_scipys(data):
    a = data.draw(matrices())
    b = data.draw(matrices(rows=a.shape[1]))
    found = Csr.of(a) @ Csr.of(b)
    np.testing.assert_allclose(found.to_scipy().toarray(), (a @ b).toarray(), rtol=0, atol=1e-13)
    row = found.row
    assert bool((found.index.diff() > 0)[row.diff() == 0].all())  # rising, each column once


@given(matrices())
def test_transpose_application_and_dense_agree(a):
    csr = Csr.of(a)
    x = torch.rand(a.shape[1], 3, dtype=torch.float64)
    torch.testing.assert_close(csr(x), csr.dense() @ x)
    assert torch.equal(csr.t.dense(), csr.dense().t())
    assert torch.equal(Csr.of(csr.dense()).dense(), csr.dense())


def test_application_is_differentiable_in_values_and_entries():
    rowptr, index, value = grid(3, 4)
    x = torch.rand(12, 2, dtype=torch.float64, requires_grad=True)
    value.requires_grad_()
    assert torch.autograd.gradcheck(lambda v, y: Csr(rowptr, index, v, 12)(y), (value, x))


def test_matrices_that_do_not_fit_are_refused_in_words():
    a = Csr.of(sp.eye(3, format="csr"))
    with pytest.raises(ValueError, match="expected 3 rows, the columns of a, found 2"):
        a @ Csr.of(sp.eye(2, format="csr"))
    with pytest.raises(IndexError, match=r"index\[1\]: expected 0 <= index < 3"):
        Csr(a.rowptr, torch.tensor([0, 7, 2]), a.value, 3) @ a
    with pytest.raises(ValueError, match=r"expected torch\.float64, the type of a"):
        a @ a.to(torch.float32)


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 0.5))
def test_aggregates_cover_and_hold_together(rows, columns, theta):
    rowptr, index, value = grid(rows, columns, seed=rows)
    cluster, root = ops.aggregate(index, rowptr, value, theta)
    row = ops.rows_of(rowptr, len(index))
    d = Csr(rowptr, index, value, len(cluster)).diagonal()
    strong = (row != index) & (value.abs() >= theta * (d[row] * d[index]).sqrt())
    has = torch.zeros(len(cluster), dtype=torch.bool)
    has[row[strong]] = True
    assert torch.equal(cluster >= 0, has)
    assert torch.equal(cluster[root], torch.arange(len(root)))
    # Each is its root, neighbours of it, and neighbours of those.
    reach = torch.zeros(len(cluster), len(cluster), dtype=torch.float64)
    reach[row[strong], index[strong]] = 1
    reach = torch.linalg.matrix_power(reach + torch.eye(len(cluster)), 2)
    held = cluster >= 0
    assert bool((reach[root[cluster[held]], held.nonzero()[:, 0]] > 0).all())


def test_aggregates_of_graphs_end_to_end_are_those_of_each():
    one, two = grid(5, 7)[:2], grid(4, 3)[:2]
    n, e = 35, len(one[1])
    rowptr = torch.cat([one[0], two[0][1:] + e])
    both = ops.aggregate(torch.cat([one[1], two[1] + n]), rowptr).cluster
    first, second = ops.aggregate(one[1], one[0]).cluster, ops.aggregate(two[1], two[0]).cluster
    for part, alone in ((both[:n], first), (both[n:], second)):
        # The same sets, whatever their numbers.
        assert torch.equal(part[:, None] == part, alone[:, None] == alone)


def test_fronts_are_shortest_paths():
    rowptr, index, _ = grid(6, 8)
    graph = sp.csr_matrix((np.ones(len(index)), index.numpy(), rowptr.numpy()))
    seeds = [3, 40]
    far = sp.csgraph.shortest_path(graph, unweighted=True, indices=seeds).min(0)
    found = ops.front_depth(index, rowptr, torch.tensor(seeds))
    np.testing.assert_array_equal(found.numpy(), far)
    with pytest.raises(IndexError, match=r"seeds\[0\]: expected 0 <= index < 48"):
        ops.front_depth(index, rowptr, torch.tensor([48]))
