"""Kernels in a few functions of the edges against a matrix for every edge."""

from __future__ import annotations

import torch

from meshop.nn.basis_kernel import BasisEdges, BasisKernel, EdgeBasis
from meshop.ops import rows_of

ROWPTR = torch.tensor([0, 3, 3, 4, 9])  # the second receiver has no edges
INDEX = torch.tensor([0, 2, 5, 1, 4, 4, 3, 0, 2])


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def oracle(layer, v, k):
    out = torch.zeros(4, layer.width_out, dtype=torch.float64)
    matrices = layer.near.weight.unflatten(0, (k.shape[1], -1))
    for i in range(4):
        for e in range(int(ROWPTR[i]), int(ROWPTR[i + 1])):
            out[i] += sum(k[e, b] * matrices[b] @ v[INDEX[e]] for b in range(k.shape[1]))
    return out


def test_values_and_gradients_match_a_matrix_for_every_edge():
    torch.manual_seed(0)
    layer = BasisKernel(5, 3, 2, own=False).double()
    v, k = draw(6, 5).requires_grad_(), draw(9, 2).requires_grad_()
    found = layer(v, BasisEdges.of(k, INDEX, ROWPTR, 6))
    expected = oracle(layer, v, k)
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(layer(v, BasisEdges.of(k, INDEX, ROWPTR, 6)), expected)
    slope, wanted = draw(4, 3), (v, k, layer.near.weight)
    one = torch.autograd.grad(found, wanted, slope)
    for a, b in zip(one, torch.autograd.grad(expected, wanted, slope), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_of_gradients():
    torch.manual_seed(1)
    layer = BasisKernel(3, 2, 2, own=False).double()

    def run(v, k, weight):
        edges = BasisEdges.of(k, INDEX, ROWPTR, 6)
        return torch.func.functional_call(layer, {"near.weight": weight}, (v, edges))

    args = [draw(6, 3), draw(9, 2), layer.near.weight.detach()]
    assert torch.autograd.gradgradcheck(run, [a.requires_grad_() for a in args])


def test_the_backward_pass_keeps_what_was_sent_in_and_no_more():
    torch.manual_seed(2)
    n, width, rank = 500, 8, 4
    index, rowptr = torch.randint(n, (6 * n,)), torch.arange(n + 1) * 6
    k = torch.randn(6 * n, rank, requires_grad=True)
    edges = BasisEdges.of(k, index, rowptr, n)
    layer, kept = BasisKernel(width, width, rank, own=False), []

    def keep(t):
        kept.append(t)
        return t

    v = torch.randn(n, width)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        layer(v, edges)
    given = (v, edges.value, edges.rowptr, edges.index, *edges.back, layer.near.weight)
    places = {t.data_ptr() for t in given}
    assert kept and all(t.data_ptr() in places for t in kept)


def test_the_functions_know_the_step_the_share_and_both_ends():
    torch.manual_seed(3)
    basis = EdgeBasis(3, 2, hidden=4, n_known=2).double()
    step, share = draw(9, 3), torch.rand(9, dtype=torch.float64)
    row = rows_of(ROWPTR, 9)
    known = draw(6, 2), draw(4, 2)
    found = basis(step, share, INDEX, row, known)
    for e in range(9):
        z = basis.step(step[e]) + basis.send(known[0][INDEX[e]]) + basis.hear(known[1][row[e]])
        expected = share[e] * basis.phi(torch.nn.functional.silu(z))
        torch.testing.assert_close(found[e], expected)
