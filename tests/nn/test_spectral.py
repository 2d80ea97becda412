"""Spectral convolutions against sums of complex exponentials written out."""

from __future__ import annotations

import cmath
from itertools import product
from math import pi

import pytest
import torch

from meshop.nn.spectral import FourierLayer, SpectralConv


def oracle(layer, v):
    """Every kept frequency by its own sum over the grid, and the real part of the way back.

    The last axis is kept for k >= 0 alone; its other half is the conjugate, so each k > 0 counts
    twice and k = 0 once.
    """
    sizes, kept = v.shape[1:-1], layer.kept
    points = list(product(*map(range, sizes)))
    out = torch.zeros(v.shape[0], *sizes, layer.weight.shape[-2], dtype=torch.float64)
    for place in product(*(range(2 * m) for m in kept[:-1]), range(kept[-1])):
        # Rows m, m + 1, ... are the frequencies -m, -m + 1, ...
        k = [i if i < m else i - 2 * m for i, m in zip(place[:-1], kept[:-1], strict=True)]
        k.append(place[-1])
        wave = {
            p: cmath.exp(-2j * pi * sum(a * b / n for a, b, n in zip(k, p, sizes, strict=True)))
            for p in points
        }
        f = sum(v[(slice(None), *p)] * wave[p] for p in points)
        r = torch.complex(*layer.weight[place].unbind(-1))
        y = f @ r
        for p in points:
            back = (y / wave[p]).real / len(points)
            out[(slice(None), *p)] += back * (2 if k[-1] else 1)
    return out


@pytest.mark.parametrize(
    ("sizes", "modes"), [((6, 7), 2), ((5, 4, 6), 2), ((8, 5), (4, 2)), ((4, 6, 4), (1, 3, 2))]
)
def test_values_match_sums_over_the_grid(sizes, modes):
    torch.manual_seed(0)
    layer = SpectralConv(3, 2, modes=modes, dim=len(sizes)).double()
    v = torch.randn(2, *sizes, 3, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(v), oracle(layer, v), rtol=1e-9, atol=1e-11)


def test_the_function_counts_and_not_its_grid():
    """A band-limited field on a grid twice as fine gives the same function."""
    torch.manual_seed(1)
    layer = SpectralConv(2, 2, modes=4, dim=2).double()
    fine = torch.stack(torch.meshgrid(*[torch.arange(32.0).double() / 32] * 2, indexing="ij"), -1)
    x, y = 2 * pi * fine.unbind(-1)[0], 2 * pi * fine.unbind(-1)[1]
    v = torch.stack([(x + 2 * y).sin(), (3 * x - y).cos()], -1)[None]
    torch.testing.assert_close(layer(v)[:, ::2, ::2], layer(v[:, ::2, ::2]), atol=1e-12, rtol=0)


def test_zeros_behind_the_grid_keep_one_end_from_the_other():
    """The published traps of periodic layers on data that is not: with as many zeros as the kernel
    is wide, a change at the last row reaches the first only across the grid."""
    torch.manual_seed(2)
    v = torch.zeros(1, 16, 16, 1, dtype=torch.float64)
    v[0, -1] = 1.0
    periodic, padded = (FourierLayer(1, 4, 2, pad, last=True).double() for pad in (0, 8))
    with torch.no_grad():  # a kernel that decays: gaussian in frequency
        k = torch.tensor([0, 1, 2, 3, -4, -3, -2, -1]).double()
        bump = torch.exp(-(k[:, None] ** 2 + k[None, :4] ** 2) / 4)
        for layer in (periodic, padded):
            layer.convolution.weight.zero_()
            layer.convolution.weight[:, :, 0, 0, 0] = bump
            layer.pointwise.weight.zero_()
            layer.pointwise.bias.zero_()
        near_wrap, far = periodic(v)[0, 0].abs().max(), padded(v)[0, 0].abs().max()
    assert far < 0.35 * near_wrap


def test_parameters_are_real_and_transforms_exact_under_bfloat16():
    torch.manual_seed(3)
    layer = SpectralConv(4, 4, modes=3)
    v = torch.randn(1, 12, 12, 4)
    assert not any(p.is_complex() for p in layer.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(v), layer(v))
        half = layer(v.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), layer(v.bfloat16().float()), rtol=1e-2, atol=1e-2)
    cast = SpectralConv(4, 4, modes=3).bfloat16()(v.bfloat16())
    assert cast.isfinite().all()


def test_a_grid_without_the_frequencies_is_an_error():
    with pytest.raises(ValueError, match="fewer than 5 modes"):
        SpectralConv(1, 1, modes=5)(torch.zeros(1, 8, 12, 1))


@pytest.mark.parametrize("sizes", [(4, 5), (4, 4, 4)])
def test_gradcheck(sizes):
    torch.manual_seed(4)
    layer = FourierLayer(2, 2, len(sizes), pad=1).double()
    v = torch.randn(1, *sizes, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, w: layer(v), (v, layer.convolution.weight))
