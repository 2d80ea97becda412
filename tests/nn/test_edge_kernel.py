"""Kernel integrals over edges against a matrix for every edge."""

from __future__ import annotations

import pytest
import torch

from meshop.nn.edge_kernel import KERNELS, WEIGHTINGS, EdgeKernelIntegral

ROWPTR = torch.tensor([0, 3, 3, 4, 9])  # the second receiver has no edges
INDEX = torch.tensor([0, 2, 5, 1, 4, 4, 3, 0, 2])


def build(kernel, weighting, width_out=3, **kw):
    torch.manual_seed(0)
    sizes = {"hidden": 5, "depth": 2, "rank": 2} | kw
    layer = EdgeKernelIntegral(3, width_out, 4, kernel=kernel, weighting=weighting, **sizes)
    return layer.double()


def inputs(seed=1):
    g = torch.Generator().manual_seed(seed)
    v = torch.randn(6, 3, generator=g, dtype=torch.float64)
    edge = torch.randn(9, 4, generator=g, dtype=torch.float64)
    return v, edge, torch.rand(6, generator=g, dtype=torch.float64) + 0.1


def matrix(layer, h):
    """K (C_out, C_in) of one edge with last hidden layer h."""
    k = layer.entries(h)
    if layer.kernel == "diagonal":
        return torch.diag(k)
    if layer.kernel == "low-rank":
        left, right = k.unflatten(0, (layer.rank, -1)).split([layer.width_out, 3], 1)
        return sum(torch.outer(a, b) for a, b in zip(left, right, strict=True))
    phi = torch.cat([k, torch.ones(1).double()]) if layer.kernel == "full" else k
    return sum(p * w.T for p, w in zip(phi, layer.matrices, strict=True))


def oracle(layer, v, edge, weight):
    out = torch.zeros(4, layer.width_out, dtype=torch.float64)
    for i in range(4):
        span = range(int(ROWPTR[i]), int(ROWPTR[i + 1]))
        h = [layer.features(edge[e]) for e in span]
        w = weight[INDEX[list(span)]]
        a = {
            "mean": torch.ones(len(span)) / max(len(span), 1),
            "integral": w,
            "quadrature": w / w.sum(),
            "attention": None,
        }[layer.weighting]
        if a is None and h:
            logits = torch.stack([layer.score(one)[0] for one in h])
            a = w * logits.exp() / (w * logits.exp()).sum()
        for n, e in enumerate(span):
            out[i] += a[n] * matrix(layer, h[n]) @ v[INDEX[e]]
    return out


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_values_match_a_matrix_for_every_edge(kernel, weighting):
    for width_out in {3, 3 if kernel == "diagonal" else 2}:
        layer = build(kernel, weighting, width_out, hidden=11)  # more than one group of matrices
        v, edge, weight = inputs()
        with torch.no_grad():
            found = layer(v, INDEX, ROWPTR, edge, weight)
            torch.testing.assert_close(found, oracle(layer, v, edge, weight))
        assert (found[1] == 0).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradcheck(kernel):
    layer = build(kernel, "attention", hidden=3, depth=1)
    v, edge, weight = (t.requires_grad_() for t in inputs())
    assert torch.autograd.gradcheck(
        lambda *a: layer(a[0], INDEX, ROWPTR, *a[1:]), (v, edge, weight)
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_parameter_has_a_gradient(kernel):
    layer = build(kernel, "attention")
    v, edge, weight = inputs()
    layer(v, INDEX, ROWPTR, edge, weight).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize("weighting", ["integral", "quadrature", "attention"])
def test_a_sender_that_is_split_changes_nothing_and_counts_do_in_a_plain_mean(weighting):
    v, edge, weight = inputs()
    v2, w2 = torch.cat([v, v[4:5]]), torch.cat([weight, weight[4:5] / 2])
    w2[4] /= 2
    # Both edges of sender 4 to the last receiver are split.
    twice = torch.tensor([0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8])
    index = INDEX[twice].clone()
    index[[4, 6]] = 6
    rowptr = torch.tensor([0, 3, 3, 4, 11])
    for kind in (weighting, "mean"):
        layer = build("diagonal", kind)
        a = layer(v, INDEX, ROWPTR, edge, weight)
        b = layer(v2, index, rowptr, edge[twice], w2)
        assert torch.allclose(a, b) == (kind != "mean")


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_edge_keeps_a_matrix(kernel):
    """The published layer keeps C^2 numbers an edge: 256 here. Senders may."""
    torch.manual_seed(2)
    width, edges, n = 16, 4000, 20
    layer = EdgeKernelIntegral(width, width, 4, 8, 1, kernel, "quadrature", rank=2)
    largest = 0

    def keep(t):
        nonlocal largest
        largest = max(largest, t.numel())
        return t

    index = torch.randint(n, (edges,))
    rowptr = torch.arange(0, edges + 1, edges // n)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        layer(torch.randn(n, width), index, rowptr, torch.randn(edges, 4)).sum().backward()
    assert largest <= edges * 4 * width < edges * width**2 / 2


def test_unknown_kinds_and_widths_are_errors():
    with pytest.raises(ValueError, match="kernel"):
        EdgeKernelIntegral(2, 2, 1, kernel="dense")
    with pytest.raises(ValueError, match="weighting"):
        EdgeKernelIntegral(2, 2, 1, weighting="sum")
    with pytest.raises(ValueError, match="keeps the width"):
        EdgeKernelIntegral(2, 3, 1)
