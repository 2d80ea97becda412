"""FLARE against its equations, latent by latent."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models import Widths
from meshop.models.flare import Flare
from meshop.nn import nodes
from meshop.nn.linear_attention import LatentAttention
from meshop.testing._models import WIDTHS, _stir, sample_graph

from .fits import learns


def linear(layer, v):
    return v @ layer.weight.T + layer.bias


def network(net, x, skip_in=True, skip_out=True):
    h = gelu(linear(net.first, x), approximate="tanh") + (x if skip_in else 0)
    for layer in net.middle:
        h = h + gelu(linear(layer, h), approximate="tanh")
    return linear(net.last, h) + (h if skip_out else 0)


def attend(layer, x, w):
    k, v = network(layer.k, x), network(layer.v, x)
    heads, latents, d = layer.queries.shape
    out = torch.zeros_like(x)
    for h in range(heads):
        cols = slice(h * d, (h + 1) * d)
        score = torch.exp(layer.queries[h] @ k[:, cols].T)  # (latents, nodes)
        z = torch.stack(
            [sum(w[n] * s[n] * v[n, cols] for n in range(len(x))) / (w @ s) for s in score]
        )
        for n in range(len(x)):
            share = score[:, n] / score[:, n].sum()
            out[n, cols] = sum(share[m] * z[m] for m in range(latents))
    return linear(layer.out, out)


def test_values_match_a_slow_oracle():
    torch.manual_seed(0)
    model = Flare(WIDTHS, width=6, heads=2, layers=2, latents=3, depth=1).double().eval()
    _stir(model)
    g = sample_graph(9, 1)
    w = g.weight / g.weight.sum()

    def norm(layer, v):
        return layer_norm(v, v.shape[-1:], layer.weight, layer.bias)

    with torch.no_grad():
        h = torch.cat([g.x, g.inputs, g.cond.expand(9, -1)], 1)
        h = network(model.lift, h, skip_in=False)
        for b in model.blocks:
            h = h + attend(b.attention, norm(b.norm1, h), w)
            h = h + network(b.mlp, norm(b.norm2, h))
        expected = network(model.head, norm(model.norm, h), skip_out=False)
        torch.testing.assert_close(model(g), expected, rtol=1e-7, atol=1e-9)


def test_the_encoding_is_an_integral_over_nodes_and_the_decoding_an_average():
    """Constant values come back, and nodes of no weight are not heard."""
    layer, g = LatentAttention(4, 2, 3).double(), sample_graph(10, 2)
    g.weight[4:] = 1e-300
    points = nodes(g)
    x = torch.randn(10, 4, dtype=torch.float64)
    louder = x.clone()
    louder[4:] += 1
    with torch.no_grad():
        torch.testing.assert_close(layer(louder, points)[:4], layer(x, points)[:4])
        same = layer(x[:1].expand(10, 4), points)
    torch.testing.assert_close(same, same[:1].expand(10, 4))


def test_weights_over_eight_decades_under_bfloat16():
    torch.manual_seed(0)
    model, g = Flare(WIDTHS, layers=2), sample_graph(400, 3, dtype=torch.float32)
    g.weight = 10 ** torch.linspace(-8, 0, 400)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(g).float()
    exact = model(g)
    assert (half - exact).norm() / exact.norm() < 0.05


def test_layer_gradcheck():
    layer, g = LatentAttention(4, 2, 3, depth=1).double(), sample_graph(6, 4)
    points = nodes(g)
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, points), (x,))


def test_sizes():
    model = Flare(Widths(features=3, cond=2, out=4))
    c, square = 64, 65 * 64
    block = 4 * c + 3 * 5 * square + square + 64 * c
    total = 6 * c + 3 * square + 8 * block + 2 * c + 3 * square + (c + 1) * 4
    assert sum(p.numel() for p in model.parameters()) == total
    with pytest.raises(ValueError, match="no multiple"):
        LatentAttention(10, 4, 2)


def test_it_learns():
    assert learns(Flare, 300, width=32, heads=4, layers=2, latents=8, depth=1) < 0.2
