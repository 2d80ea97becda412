"""GAOT against loops over balls and patches, and the traps of the published code."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch.nn.functional import silu

from meshop.models.gaot import GAOT
from meshop.nn.magno import MAGNO, ball_statistics, balls
from meshop.nn.patch_transformer import PatchTransformer
from meshop.testing import WIDTHS, sample_graph

SMALL = {
    "channels": 8, "tokens": 4, "hidden": 8, "depth": 2,
    "patch": 2, "width": 16, "heads": 2, "mlp_ratio": 2,
}  # fmt: skip


def small(**kw):
    torch.manual_seed(0)
    return GAOT(WIDTHS, **SMALL | kw).double().eval()


def clouds(dim, seed=1):
    g = torch.Generator().manual_seed(seed)
    senders = 2 * torch.rand(30, dim, generator=g, dtype=torch.float64) - 1
    receivers = 2 * torch.rand(12, dim, generator=g, dtype=torch.float64) - 1
    return senders, receivers, torch.rand(30, generator=g, dtype=torch.float64)


def whole(n):
    return torch.tensor([0, n])


@pytest.mark.parametrize("dim", [2, 3])
def test_balls_match_loops(dim):
    senders, receivers, weight = clouds(dim)
    reach, share = 0.35, 0.05
    found = balls(senders, receivers, whole(30), whole(12), weight, reach, share)
    widened = 0
    for i, y in enumerate(receivers):
        distance = (senders - y).norm(dim=1)
        inside = set((distance <= reach).nonzero()[:, 0].tolist())
        r = reach
        if not inside:
            widened += 1
            inside, r = {int(distance.argmin())}, float(distance.min()) * (1 + 1e-4)
        span = slice(int(found.rowptr[i]), int(found.rowptr[i + 1]))
        assert set(found.index[span].tolist()) == inside
        index = found.index[span]
        step = (senders[index] - y) / r
        w = weight[index] / weight[index].sum()
        expected = torch.cat(
            [step, torch.full((len(w), 1), math.log(r / reach)).double(), y.expand(len(w), -1)], 1
        )
        torch.testing.assert_close(found.edge[span], expected)
        length, centre = (w * step.norm(dim=1)).sum(), (w[:, None] * step).sum(0)
        variance = (w * (step.norm(dim=1) - length) ** 2).sum()
        spread = (w[:, None, None] * (step - centre)[:, :, None] * (step - centre)[:, None]).sum(0)
        upper = [spread[a, b] for a in range(dim) for b in range(a, dim)]
        mass = math.log(1 + float(weight[index].sum()) / share)
        expected = torch.tensor([mass, length, variance, *centre, *upper, math.log(r / reach)])
        torch.testing.assert_close(found.statistics[i], expected.double(), rtol=1e-6, atol=1e-7)
    assert widened > 0 and found.statistics.shape[1] == ball_statistics(dim)


def test_scales_are_averaged():
    senders, receivers, weight = clouds(2)
    layer = MAGNO(4, 2, hidden=5, depth=1).double()
    v = torch.randn(30, 4, dtype=torch.float64)
    two = [balls(senders, receivers, whole(30), whole(12), weight, r, 0.1) for r in (0.3, 0.6)]
    apart = [layer(v, weight, [one]) for one in two]
    torch.testing.assert_close(layer(v, weight, two), sum(apart) / 2)


def patch_oracle(model, z):
    """One grid, patch by patch, head by head."""
    p, sides = model.patch, z.shape[:-1]
    corners = list(product(*(range(n // p) for n in sides)))
    inner = list(product(range(p), repeat=len(sides)))

    def spots(c):
        return [tuple(p * a + b for a, b in zip(c, i, strict=True)) for i in inner]

    x = torch.stack([model.embed(torch.cat([z[s] for s in spots(c)])) for c in corners])
    count = x.shape[1] // (2 * len(sides))
    for row, c in zip(x, corners, strict=True):
        code = []
        for i in c:
            angle = [i / 10000 ** (k / count) for k in range(count)]
            code += [math.sin(a) for a in angle] + [math.cos(a) for a in angle]
        row[: len(code)] += torch.tensor(code).double()

    def norm(w, v):
        return v / (v.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w

    kept = []
    for i, layer in enumerate(model.layers):
        if layer.skip is not None:
            x = layer.skip(torch.cat([x, kept.pop()], 1))
        q, k, v = layer.qkv(norm(layer.norm1.weight, x)).chunk(3, 1)
        d = q.shape[1] // layer.heads
        heads = []
        for h in range(layer.heads):
            c = slice(h * d, (h + 1) * d)
            heads.append((q[:, c] @ k[:, c].T / math.sqrt(d)).softmax(1) @ v[:, c])
        x = x + layer.out(torch.cat(heads, 1))
        gate, up = layer.up(norm(layer.norm2.weight, x)).chunk(2, 1)
        x = x + layer.down(silu(gate) * up)
        if i < len(model.layers) // 2:
            kept.append(x)
    out = torch.zeros_like(z)
    for c, row in zip(corners, model.back(x), strict=True):
        for s, part in zip(spots(c), row.split(z.shape[-1]), strict=True):
            out[s] = part
    return out


@pytest.mark.parametrize(("sides", "layers"), [((4, 6), 3), ((4, 4), 4), ((2, 4, 2), 2)])
def test_transformer_matches_loops_over_patches(sides, layers):
    torch.manual_seed(2)
    model = PatchTransformer(3, 14, dim=len(sides), heads=2, layers=layers, mlp_ratio=2).double()
    z = torch.randn(2, *sides, 3, dtype=torch.float64)
    with torch.no_grad():
        found = model(z, lambda f, *a: f(*a))
        torch.testing.assert_close(found, torch.stack([patch_oracle(model, one) for one in z]))


def test_the_same_shapes_elsewhere_find_their_own_neighbours():
    """The published cache is keyed by shapes: a second geometry got the first one's neighbours."""
    one, two = sample_graph(30, 3), sample_graph(30, 4)
    model = small()
    first, second = model(one), model(two)
    assert torch.equal(small()(two), second) and torch.equal(model(one), first)


def test_a_query_does_not_depend_on_the_other_queries():
    """The published statistics are standardised over all that is asked."""
    graph = sample_graph(30, 5, queries=9)
    model = small()
    together = model(graph)
    graph.query_pos, graph.query_x = graph.query_pos[4:5], graph.query_x[4:5]
    torch.testing.assert_close(model(graph), together[4:5])


def test_neighbours_are_weighed_by_their_measure():
    """A node of no measure is as good as none, as long as the box is the same."""
    graph = sample_graph(40, 6)
    model = small(radius=0.9)
    inner = int(graph.pos.norm(dim=1).argmin())
    keep = torch.arange(40) != inner
    graph.weight[inner] = 1e-14
    light = model(graph)[keep]
    for name in ("pos", "x", "inputs", "weight"):
        graph[name] = graph[name][keep]
    torch.testing.assert_close(light, model(graph), rtol=1e-6, atol=1e-8)


def test_defaults_are_the_published_sizes():
    """Elasticity: 64 x 64 tokens of 64 channels, patches 2 x 2 = width 256, 3 layers, FFN 4."""
    model = GAOT(WIDTHS)
    layer = 4 * 256**2 + 3 * 4 * 256**2 + 2 * 256
    processor = 256 * 256 + 256 + 3 * layer + 2 * 256 * 256 + 256
    assert sum(p.numel() for p in model.processor.parameters()) == processor
    kernel = model.encoder.integral
    assert [m.out_features for m in kernel.features[::2]] == [64, 64, 64]
    assert model.side == 64 and model.radius == pytest.approx(0.033)


def test_sizes_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match="no multiple"):
        PatchTransformer(4, 9, heads=2)
    with pytest.raises(ValueError, match="no patches of 3"):
        small(patch=3)(sample_graph(9, 7))
