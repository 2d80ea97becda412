"""Galerkin and Fourier attention against the double loop over pairs of nodes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import layer_norm, relu, silu

from meshop.models import Widths
from meshop.models.galerkin import Fourier, Galerkin
from meshop.nn import nodes
from meshop.nn.linear_attention import GalerkinAttention
from meshop.nn.rows import by_rows, sum_rows
from meshop.testing._models import WIDTHS, _stir, sample_graph

from .fits import learns

KINDS = {"galerkin": Galerkin, "fourier": Fourier}


def linear(layer, v):
    return v @ layer.weight.T + layer.bias


def attend(layer, x, pos, w, kind):
    """Every pair of nodes, in the order that the paper writes."""
    n, d, p = len(x), x.shape[1] // layer.heads, pos.shape[1]
    heads = []
    for h in range(layer.heads):
        cols = slice(h * d, (h + 1) * d)
        q, k, v = (linear(m, x)[:, cols] for m in (layer.q, layer.k, layer.v))

        def norm(i, t, h=h):
            return layer_norm(t, (d,)) * layer.scale[i, h] + layer.shift[i, h]

        if kind == "galerkin":
            k, v = norm(0, k), norm(1, v)
        else:
            q, k = norm(0, q), norm(1, k)
        q, k, v = (torch.cat([pos, t], 1) for t in (q, k, v))
        y = torch.zeros(n, p + d, dtype=x.dtype)
        for i in range(n):
            for j in range(n):
                y[i] += w[j] * (q[i] @ k[j]) * v[j] / (math.sqrt(p + d) if kind == "fourier" else 1)
        heads.append(y)
    return linear(layer.out, torch.cat(heads, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_values_match_a_slow_oracle(kind):
    torch.manual_seed(0)
    model = KINDS[kind](WIDTHS, width=6, heads=2, layers=2, hidden=7).double().eval()
    _stir(model)
    g = sample_graph(9, 1)
    w = g.weight / g.weight.sum()
    pos = g.pos - w @ g.pos
    with torch.no_grad():
        x = torch.cat([g.x, g.inputs, g.cond.expand(9, -1)], 1)
        x = linear(model.lift[2], silu(linear(model.lift[0], x)))
        for b in model.blocks:
            x = x + attend(b.attention, x, pos, w, kind)
            x = x + linear(b.mlp[2], relu(linear(b.mlp[0], x)))
        expected = linear(
            model.head[4], silu(linear(model.head[2], silu(linear(model.head[0], x))))
        )
        torch.testing.assert_close(model(g), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("heads", "dim"), [(1, 3), (4, 2)])
def test_layer_against_the_loop_and_gradcheck(kind, heads, dim):
    torch.manual_seed(1)
    layer = GalerkinAttention(4, heads, dim, kind).double()
    g = sample_graph(6, 2, replace(WIDTHS, dim=dim))
    points = nodes(g)
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(torch.randn_like(p) / 2)
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    expected = attend(layer, x, g.pos, points.weight, kind)
    torch.testing.assert_close(layer(x, g.pos, points), expected)
    assert torch.autograd.gradcheck(lambda x: layer(x, g.pos, points), (x,))


def test_layers_start_near_the_published_scale():
    for kind, gain in (("galerkin", 1e-2), ("fourier", 1e-3)):
        w = GalerkinAttention(64, 4, 2, kind).k.weight.detach()
        off = w - 1e-2 * torch.eye(64)
        assert 0.5 * gain < off.abs().max() / math.sqrt(6 / 128) <= 1.001 * gain


def test_evaluation_and_training_are_the_same():
    """The authors' attention drops half of its matrix, at evaluation too."""
    model, g = Galerkin(WIDTHS, width=8, heads=2, layers=2), sample_graph(9, 3)
    model = model.double()
    assert torch.equal(model.train()(g), model.eval()(g))


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_rows_do_not_change_the_answer(kind, monkeypatch):
    model = KINDS[kind](WIDTHS, width=8, heads=2, layers=2).double()
    g = sample_graph(300, 4)
    whole = model(g)
    monkeypatch.setattr("meshop.nn.rows.BLOCK", 1)
    torch.testing.assert_close(model(g), whole)


def test_rows_in_blocks(monkeypatch):
    monkeypatch.setattr("meshop.nn.rows.BLOCK", 640)
    x = torch.arange(300.0).reshape(150, 2)
    sizes = []

    def double(t):
        sizes.append(len(t))
        return 2 * t

    with torch.no_grad():
        assert torch.equal(by_rows(double, 10, x), 2 * x) and sizes == [64, 64, 22]
        assert torch.equal(sum_rows(lambda t: t.sum(0), 10, x), x.sum(0))
    sizes.clear()
    assert torch.equal(by_rows(double, 40, x), 2 * x) and sizes == [64, 64, 22]


def test_sizes():
    c, p, h, f = 128, 2, 4, 256
    for kind in (Galerkin, Fourier):
        model = kind(Widths(features=3, cond=2, out=4))
        block = 3 * (c + 1) * c + 4 * c + (c + h * p + 1) * c + (c + 1) * f + (f + 1) * c
        total = 6 * c + 3 * (c + 1) * c + 6 * block + (c + 1) * 4
        assert sum(p.numel() for p in model.parameters()) == total
    with pytest.raises(ValueError, match="no multiple"):
        GalerkinAttention(10, 4, 2)
    with pytest.raises(ValueError, match="kind"):
        GalerkinAttention(8, 4, 2, "softmax")


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns(kind):
    assert learns(KINDS[kind], width=32, heads=2, layers=2, hidden=64) < 0.2
