"""The low-rank operator against its kernel, written out for every pair of nodes."""

from __future__ import annotations

import torch
from torch.nn.functional import layer_norm, relu

from meshop.models import Widths
from meshop.models.low_rank import LowRank
from meshop.nn import nodes
from meshop.nn.linear_attention import LowRankIntegral
from meshop.testing._models import WIDTHS, _stir, sample_graph

from .fits import learns


def linear(layer, v):
    return v @ layer.weight.T + layer.bias


def factor(net, last, a, shape):
    for layer in net[::2]:
        a = relu(linear(layer, a))
    return linear(last, a).reshape(len(a), *shape)


def kernel(layer, a):
    """kappa_oi(x, y) for every pair: (N, N, o, i)."""
    shape = (layer.width, layer.width, layer.rank)
    phi, psi = (
        factor(net, last, a, shape)
        for net, last in ((layer.phi, layer.last_phi), (layer.psi, layer.last_psi))
    )
    return torch.einsum("xoir,yoir->xyoi", phi, psi)


def test_values_match_a_slow_oracle():
    torch.manual_seed(0)
    model = LowRank(WIDTHS, width=5, layers=2, rank=3, kernel=(7, 6)).double().eval()
    _stir(model)
    g = sample_graph(9, 1)
    w = g.weight / g.weight.sum()
    with torch.no_grad():
        a = torch.cat([g.x, g.inputs, g.cond.expand(9, -1)], 1)
        v = linear(model.lift, a)
        for i, b in enumerate(model.blocks):
            v = relu(v) if i else v
            v = linear(b.local, v) + torch.einsum("xyoi,y,yi->xo", kernel(b.integral, a), w, v)
            v = layer_norm(v, (5,), b.norm.weight, b.norm.bias)
        expected = linear(model.head[2], relu(linear(model.head[0], v)))
        torch.testing.assert_close(model(g), expected, rtol=1e-7, atol=1e-9)


def test_the_integral_is_linear_and_of_the_given_rank():
    layer, g = LowRankIntegral(5, 1, 2, (8,)).double(), sample_graph(12, 2)
    points = nodes(g, cond=False).with_x(g.x)
    columns = torch.eye(12, dtype=torch.float64)
    with torch.no_grad():
        matrix = torch.cat([layer(c[:, None], points) for c in columns], 1)
        v = torch.randn(12, 1, dtype=torch.float64)
        torch.testing.assert_close(layer(v, points), matrix @ v)
    assert int(torch.linalg.matrix_rank(matrix / points.weight)) == 2


def test_layer_gradcheck():
    layer, g = LowRankIntegral(5, 3, 2, (4,)).double(), sample_graph(6, 3)
    points = nodes(g, cond=False)

    def run(v, a):
        return layer(v, points.with_x(a))

    v = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (v, g.x.requires_grad_()))


def test_sizes():
    model = LowRank(Widths(features=3, cond=2, out=4))
    kernel = 6 * 64 + 65 * 128 + 129 * 256 + 257 * 4096
    block = 33 * 32 + 2 * kernel + 64
    total = 6 * 32 + 4 * block + 33 * 128 + 129 * 4
    assert sum(p.numel() for p in model.parameters()) == total


def test_it_learns():
    assert learns(LowRank, width=16, layers=2, kernel=(32, 32)) < 0.2
