"""FactFormer: axis kernels against one matrix over the whole grid, and published sizes."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models.factformer import FactFormer
from meshop.nn.axis_attention import AxisAttention
from meshop.testing import WIDTHS


def rope(vector, place, frequencies):
    half = len(vector) // 2
    out = vector.clone()
    for i in range(half):
        a = 64 * place * float(frequencies[i])
        one, two = vector[i], vector[half + i]
        out[i], out[half + i] = (
            one * math.cos(a) - two * math.sin(a),
            two * math.cos(a) + one * math.sin(a),
        )
    return out


def oracle(layer, v, coverage):
    """One grid (n_1 .., C): the product of the axis kernels as one sum over all grid points."""
    p, dim, sizes = dict(layer.named_parameters()), layer.dim, v.shape[:-1]
    points = list(product(*map(range, sizes)))
    place = {g: [i / (n - 1) for i, n in zip(g, sizes, strict=True)] for g in points}
    v = v.clone()
    for g in points:
        phase = 2 * math.pi * torch.tensor(place[g], dtype=torch.float64) @ layer.place
        v[g] = v[g] + layer.add_place(torch.cat([phase.sin(), phase.cos()]))
    u = layer_norm(v, v.shape[-1:], p["norm.weight"], p["norm.bias"])
    value, mid = u @ p["value.weight"].T, u @ p["mid.weight"].T
    kernels = []
    for axis, n in enumerate(sizes):
        lines = []
        for i in range(n):
            on = [g for g in points if g[axis] == i]
            mass = sum(coverage[g] for g in on)
            lines.append(sum(coverage[g] * mid[g] for g in on) / mass)
        lines = layer.lines[axis](torch.stack(lines))
        q, k = lines @ p[f"q.{axis}.weight"].T, lines @ p[f"k.{axis}.weight"].T
        d = q.shape[1] // layer.heads
        table = torch.zeros(layer.heads, n, n).double()
        for h, i, j in product(range(layer.heads), range(n), range(n)):
            cols = slice(h * d, (h + 1) * d)
            a = rope(q[i, cols], i / (n - 1), layer.frequencies)
            b = rope(k[j, cols], j / (n - 1), layer.frequencies)
            table[h, i, j] = a @ b / n
        kernels.append(table)
    z, d = torch.zeros_like(value), value.shape[-1] // layer.heads
    for h in range(layer.heads):
        cols = slice(h * d, (h + 1) * d)
        for i in points:
            for j in points:
                weight = math.prod(float(kernels[a][h, i[a], j[a]]) for a in range(dim))
                z[(*i, cols)] += weight * coverage[j] * value[(*j, cols)]
    total = coverage.sum()
    mean = sum(coverage[g] * z[g] for g in points) / total
    variance = sum(coverage[g] * (z[g] - mean) ** 2 for g in points) / total
    z = (z - mean) / (variance + 1e-5).sqrt()
    return v + gelu(z @ p["out.0.weight"].T) @ p["out.2.weight"].T


@pytest.mark.parametrize("sizes", [(4, 3), (2, 3, 4)])
def test_values_match_one_sum_over_the_grid(sizes):
    torch.manual_seed(0)
    layer = AxisAttention(6, heads=2, head=2, multiplier=2, dim=len(sizes)).double()
    v = torch.randn(2, *sizes, 6, dtype=torch.float64)
    coverage = torch.rand(2, *sizes, 1, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack(
            [oracle(layer, a, c[..., 0]) for a, c in zip(v, coverage, strict=True)]
        )
        torch.testing.assert_close(layer(v, coverage), expected)


def test_what_lies_outside_the_domain_says_nothing_inside():
    torch.manual_seed(1)
    layer = AxisAttention(8, heads=2, head=4).double()
    v = torch.randn(1, 6, 6, 8, dtype=torch.float64)
    coverage = torch.ones(1, 6, 6, 1, dtype=torch.float64)
    coverage[:, 2:4, 3] = 0
    other = torch.where(coverage > 0, v, 100.0)
    inside = coverage[..., 0] > 0
    torch.testing.assert_close(layer(v, coverage)[inside], layer(other, coverage)[inside])


def test_defaults_are_the_published_sizes():
    """The Darcy run: 3 blocks of width 128, 12 heads of 64, kernels of twice that."""
    model, inner = FactFormer(WIDTHS), 12 * 64
    axis = 2 * 128 * 2 * inner + 2 * 128 + 128 * 2 * 128 + 2 * 128 + 128 * 128 + 128
    block = 2 * axis + 2 * 128 + 128 * inner + 128**2 + 128 * 128 + 128 + inner * 128 + 128 * 128
    assert sum(p.numel() for p in model.blocks.parameters()) == 3 * block
    solid = FactFormer(replace(WIDTHS, dim=3))
    assert (len(solid.blocks), solid.blocks[0].heads) == (4, 6)


def test_odd_widths_are_an_error():
    with pytest.raises(ValueError, match="even"):
        AxisAttention(7)
