"""GNOT against the paper's equations node by node, and its promises on input functions."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models import Widths
from meshop.models.gnot import Gnot
from meshop.nn import nodes
from meshop.nn.linear_attention import NormalisedAttention
from meshop.testing._models import WIDTHS, _stir, batch_graphs, sample_graph

from .fits import learns


def tiny(widths=WIDTHS, **kw):
    torch.manual_seed(0)
    model = Gnot(widths, **({"width": 6, "heads": 2, "layers": 2, "experts": 3, "depth": 1} | kw))
    _stir(model.double())
    return model.eval()


def linear(layer, v):
    return v @ layer.weight.T + layer.bias


def norm(layer, v):
    return layer_norm(v, v.shape[-1:], layer.weight, layer.bias)


def network(net, v):
    h = gelu(linear(net.first, v))
    for layer in net.middle:
        h = gelu(linear(layer, h)) + h
    return linear(net.last, h)


def attend(layer, x, sources, mean):
    """Equations 9 to 12: every weight of every pair of points."""
    d = x.shape[1] // layer.heads
    out = torch.zeros_like(x)
    for head in range(layer.heads):
        cols = slice(head * d, (head + 1) * d)
        q = linear(layer.query, x)[:, cols].softmax(1)
        out[:, cols] = q
        for (z, w), key, value in zip(sources, layer.keys, layer.values, strict=True):
            k, v = linear(key, z)[:, cols].softmax(1), linear(value, z)[:, cols]
            for n in range(len(x)):
                alpha = torch.stack([w[m] * (q[n] @ k[m]) for m in range(len(z))])
                y = sum(alpha[m] / alpha.sum() * v[m] for m in range(len(z)))
                out[n, cols] += y / (len(sources) if mean else 1)
    return linear(layer.out, out)


def experts(layer, h, gate):
    out = torch.zeros_like(h)
    hidden = layer.first.out_features // len(layer.second)
    for e, second in enumerate(layer.second):
        rows = slice(e * hidden, (e + 1) * hidden)
        inner = gelu(h @ layer.first.weight[rows].T + layer.first.bias[rows])
        out += gate[:, e : e + 1] * linear(second, inner)
    return out


def oracle(model, g, mean):
    cond = g.cond.expand(len(g.x), -1)
    h = network(model.trunk, torch.cat([g.x, cond], 1))
    inputs = [torch.cat([g.x, g.inputs], 1), torch.cat([g.wall_x, g.wall_inputs], 1)]
    weights = [g.weight / g.weight.sum(), g.wall_weight / g.wall_weight.sum()]
    z = [network(net, v) for net, v in zip(model.branches, inputs, strict=True)]
    for b in model.blocks:
        gate = linear(b.gate[4], gelu(linear(b.gate[2], gelu(linear(b.gate[0], g.x))))).softmax(1)
        given = [(norm(m, v), w) for m, v, w in zip(b.norm_sources, z, weights, strict=True)]
        h = h + attend(b.cross, norm(b.norms[0], h), given, mean)
        h = h + norm(b.norms[1], experts(b.experts[0], h, gate))
        own = norm(b.norms[2], h)
        h = h + attend(b.self_, own, [(own, weights[0])], False)
        h = h + norm(b.norms[3], experts(b.experts[1], h, gate))
    pooled = torch.cat([weights[0] @ h, g.cond[0]])
    scalars = linear(model.scalar_head.layers[2], gelu(linear(model.scalar_head.layers[0], pooled)))
    return network(model.head, h), scalars[None]


@pytest.mark.parametrize("mean", [False, True])
def test_values_match_a_slow_oracle(mean):
    model, g = tiny(mean=mean), sample_graph(11, 1, tokens=5)
    with torch.no_grad():
        for got, expected in zip(model.outputs(g), oracle(model, g, mean), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("mean", [False, True])
def test_a_boundary_that_is_absent_adds_nothing(mean):
    """Of one graph of a batch or of all: as if there were no such input function."""
    model = tiny(mean=mean)
    with_wall, without = sample_graph(9, 2), sample_graph(7, 3, tokens=0)
    together, scalars = model.outputs(batch_graphs([with_wall, without]))
    bare = without.clone()
    bare.wall_x = None
    torch.testing.assert_close(together[9:], model(bare))
    torch.testing.assert_close(together[:9], model(with_wall))
    (together.sum() + scalars.sum()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_query_does_not_see_the_other_queries():
    model, g = tiny(), sample_graph(12, 4, queries=8)
    fields, scalars = model.outputs(g)
    some = g.clone()
    some.query_x, some.query_pos = g.query_x[:3], g.query_pos[:3]
    torch.testing.assert_close(model(some), fields[:3])
    some.query_x = None
    torch.testing.assert_close(model.scalars(some), scalars)


def test_attention_is_an_average_of_values():
    """Constant values come back whatever the keys: the normalisation is over nodes after all."""
    layer, g = NormalisedAttention(6, heads=3).double(), sample_graph(10, 5)
    points = nodes(g)
    with torch.no_grad():
        layer.values[0].weight.zero_()
        layer.values[0].bias.copy_(torch.arange(6.0))
        layer.out.weight.copy_(torch.eye(6))
        layer.out.bias.zero_()
        z = torch.randn(10, 6, dtype=torch.float64)
        q = layer.query(z).unflatten(1, (3, 2)).softmax(-1).flatten(1)
        y = layer.read(z, points, layer.memory([(z, points)]))
    torch.testing.assert_close(y - q, torch.arange(6.0).double().expand(10, 6))


def test_layer_gradcheck():
    layer, g = NormalisedAttention(4, heads=2).double(), sample_graph(6, 6)
    points = nodes(g)

    def run(x, z):
        return layer.read(x, points, layer.memory([(z, points)]))

    x, z = (torch.randn(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(run, (x, z))


def test_keys_far_apart_in_float32_stay_finite():
    layer, g = NormalisedAttention(4), sample_graph(6, 7, dtype=torch.float32)
    points = nodes(g)
    with torch.no_grad():
        layer.keys[0].weight.mul_(1e4)
        layer.query.weight.mul_(-1e4)
    x = torch.randn(6, 4, requires_grad=True)
    y = layer.read(x, points, layer.memory([(x, points)]))
    y.sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()


def test_sizes():
    """The authors' class counted by hand: width c, hidden 4 c, e experts, k input functions."""
    model = Gnot(Widths(features=3, cond=2, out=4, inputs=1, tokens=5, wall_inputs=1))
    c, i, e, k = 128, 512, 2, 2

    def net(a, b):
        return (a + 1) * c + 3 * (c + 1) * c + (c + 1) * b

    block = 2 * e * ((c + 1) * i + (i + 1) * c) + (4 + k) * 2 * c
    block += (2 + 2 * k) * (c + 1) * c + 4 * (c + 1) * c + (3 + 1) * i + (i + 1) * i + (i + 1) * e
    total = net(5, c) + net(4, c) + net(6, c) + 3 * block + net(c, 4)
    assert sum(p.numel() for p in model.parameters()) == total
    with pytest.raises(ValueError, match="no multiple"):
        NormalisedAttention(10, heads=4)


def test_it_learns():
    assert learns(Gnot, width=24, layers=1, depth=1) < 0.2
