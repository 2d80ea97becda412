"""The latent spectral model against its equations written out point by point."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.nn.functional import gelu, layer_norm, silu

from meshop.models import Widths
from meshop.models.latent_spectral import LatentSpectral, build_levels
from meshop.nn import nodes
from meshop.nn.mesh_conv import MeshConv
from meshop.nn.spectral_block import SpectralBlock
from meshop.testing import sample_graph
from meshop.testing._models import WIDTHS, batch_graphs

from .graph_learning import relative_error, waves


def levels_of(sizes=(40, 1, 15), depth=2):
    points = nodes(batch_graphs([sample_graph(n, n) for n in sizes]))
    return build_levels(points, depth, 0.25, 9, 9)


def random(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


def test_levels_are_quarters_and_clusters_are_ninths_of_each_graph():
    levels = levels_of()
    assert [level.points.sizes for level in levels] == [(40, 1, 15), (10, 1, 4), (3, 1, 1)]
    assert [level.patches.points.sizes for level in levels] == [(5, 1, 2), (2, 1, 1), (1, 1, 1)]
    for finer, level in pairwise(levels):
        assert torch.equal(level.points.pos, finer.points.pos[level.below.index])
        torch.testing.assert_close(level.points.mean(level.points.x + 1), torch.ones(3, 0).double())
        mass = torch.zeros(3).double().index_add(0, level.points.batch, level.points.weight)
        torch.testing.assert_close(mass, torch.ones(3).double())


def test_convolution_matches_its_equation():
    torch.manual_seed(0)
    conv, points = MeshConv(6, 4, 2, groups=3).double(), levels_of()[0].points
    h, near = random(56, 6), levels_of()[0].near
    found = conv(h, near)
    for i in (0, 17, 40, 41, 55):
        mine = (points.batch == points.batch[i]).nonzero()[:, 0]
        gap = points.pos[mine] - points.pos[i]
        row = gap.norm(dim=1).argsort()[:9]
        reach = gap[row].norm(dim=1).max().clamp(min=1e-30)
        total = points.weight[mine[row]].sum()
        around = torch.zeros(6, dtype=torch.float64)
        for r in row.tolist():
            step = torch.cat([gap[r], gap[r].norm()[None]]) / reach
            kernel = conv.kernel[2](silu(conv.kernel[0](step)))
            around += points.weight[mine[r]] / total * kernel.repeat_interleave(2) * h[mine[r]]
        y = conv.here(h[i]) + conv.there(around)
        expected = torch.relu(layer_norm(y, (4,), conv.norm.weight, conv.norm.bias))
        torch.testing.assert_close(found[i], expected)


def test_spectral_block_matches_its_equations():
    torch.manual_seed(0)
    block, level = SpectralBlock(6, heads=2, tokens=3, basis=4).double(), levels_of()[0]
    with torch.no_grad():
        block.token.normal_()
        block.modes.normal_(std=0.3)
    h, weight, cluster = random(56, 6, seed=1), level.points.weight, level.patches.cluster
    found = block(h, level.patches)
    key, value = block.key_value(h).chunk(2, dim=1)
    query = block.query(h)
    for p in range(len(level.patches.index)):
        mine = (cluster == p).nonzero()[:, 0]
        out = torch.zeros(len(mine), 6, dtype=torch.float64)
        for head in range(2):
            cols = slice(3 * head, 3 * head + 3)
            tokens = []
            for t in block.token[:, cols]:
                e = weight[mine] * (key[mine][:, cols] @ t).exp()
                t = t + (e / e.sum()) @ value[mine][:, cols]
                c = block.modes[:, cols]
                t = (
                    t
                    + c[0]
                    + sum(
                        c[2 * m - 1] * torch.sin(m * t) + c[2 * m] * torch.cos(m * t)
                        for m in range(1, 5)
                    )
                )
                tokens.append(t)
            z = torch.stack(tokens)
            out[:, cols] = torch.softmax(query[mine][:, cols] @ z.T, 1) @ z
        torch.testing.assert_close(found[mine], h[mine] + out)


def test_every_frequency_counts_and_they_are_integers():
    """The public code has a sine of frequency zero, and divides all by their number."""
    block = SpectralBlock(2, heads=1, tokens=1, basis=3).double()
    t = random(5, 2)
    for mode, wave in enumerate(
        [torch.ones_like(t)] + [f(m * t) for m in (1, 2, 3) for f in (torch.sin, torch.cos)]
    ):
        with torch.no_grad():
            block.modes.zero_()
            block.modes[mode] = 1.0
        torch.testing.assert_close(block.solve(t) - t, wave)
    assert len(block.modes) == 7


def test_whole_model_is_the_u_of_its_parts():
    torch.manual_seed(0)
    small = {"width": 8, "widest": 16, "levels": 2, "heads": 2, "tokens": 2, "basis": 2}
    model, g = LatentSpectral(WIDTHS, **small).double(), sample_graph(50, 3)
    points = nodes(g)
    one, two, three = build_levels(points, 2, 0.25, 9, 9)
    a = model.down[0](model.lift(points.x), one.near)
    b = model.down[1](two.below.restrict(a), two.near)
    c = model.solve[2](model.down[2](three.below.restrict(b), three.near), three.patches)
    b = model.up[1](torch.cat([model.solve[1](b, two.patches), three.fill(c)], 1), two.near)
    a = model.up[0](torch.cat([model.solve[0](a, one.patches), two.fill(b)], 1), one.near)
    fields, scalars = model.outputs(g)
    torch.testing.assert_close(fields, model.head[2](gelu(model.head[0](a))))
    pooled = torch.cat([(points.weight[:, None] * a).sum(0, keepdim=True), g.cond], 1)
    readout = model.scalar_head.layers
    torch.testing.assert_close(scalars, readout[2](gelu(readout[0](pooled))))


def test_defaults_are_the_published_sizes():
    model = LatentSpectral(Widths(features=3, out=1))
    assert [block.query.in_features for block in model.solve] == [64, 128, 256, 512, 512]
    block = model.solve[0]
    assert [up.second.here.out_features for up in model.up] == [64, 64, 128, 256]
    assert (block.heads, block.tokens, block.basis) == (8, 4, 12)


def test_it_learns_a_smooth_field():
    torch.manual_seed(0)
    small = {"width": 16, "widest": 32, "levels": 2, "heads": 2, "tokens": 2, "basis": 3}
    model = LatentSpectral(Widths(features=2, cond=2, out=1), **small)
    assert relative_error(model, waves(), 60) < 0.1
