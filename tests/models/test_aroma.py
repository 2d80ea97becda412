"""AROMA against the equations written out in loops, and its own promises."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models import Widths
from meshop.models.aroma import Aroma
from meshop.nn import PointsToLatents
from meshop.testing._models import WIDTHS, _stir, batch_graphs, sample_graph
from tests.models.learning import WAVE, share_unexplained

SMALL = {"width": 8, "latents": 3, "code": 3, "heads": 2, "head_width": 4, "layers": 2, "hidden": 6}


def tiny(widths=WIDTHS, **sizes):
    torch.manual_seed(0)
    model = Aroma(widths, **(SMALL | sizes)).double()
    _stir(model)
    return model.eval()


def waves(pos, band, count):
    """sin and cos of pi 2^s x, one number at a time."""
    low, high = band
    exponents = [low + (high - low) * i / (count - 1) for i in range(count)]
    phases = [math.pi * 2**s * float(v) for v in pos for s in exponents]
    return torch.tensor([f(p) for f in (math.sin, math.cos) for p in phases]).to(pos)


def oracle(model, g):
    p = dict(model.named_parameters())

    def lin(key, v):
        return v @ p[f"{key}.weight"].T + p.get(f"{key}.bias", 0)

    def norm(key, v):
        return layer_norm(v, v.shape[-1:], p[f"{key}.weight"], p[f"{key}.bias"])

    def feed(key, v):
        return v + lin(f"{key}.3", gelu(lin(f"{key}.1", norm(f"{key}.0", v))))

    def heads(q, k, v, w):
        out = torch.zeros(len(q), v.shape[1], dtype=q.dtype)
        d = q.shape[1] // 2
        for h in range(2):
            c = slice(h * d, (h + 1) * d)
            for i in range(len(q)):
                a = w * torch.stack([(q[i, c] @ kj / math.sqrt(d)).exp() for kj in k[:, c]])
                out[i, c] = (a[:, None] * v[:, c]).sum(0) / a.sum()
        return out

    def read(key, t, k, v, w):
        q = lin(f"{key}.q", norm(f"{key}.norm_q", t))
        k, v = lin(f"{key}.k", norm(f"{key}.norm_k", k)), lin(f"{key}.v", norm(f"{key}.norm_v", v))
        return feed(f"{key}.feed", t + lin(f"{key}.out", heads(q, k, v, w)))

    n, w = len(g.x), len(g.wall_x)
    cond = g.cond.expand(n, -1)
    place = torch.stack([waves(x, (0, 4), 12) for x in g.pos])
    t = read("read_places", p["latents"], place, place, g.weight)
    wall = torch.cat([g.wall_x, g.wall_inputs, g.cond.expand(w, -1)], 1)
    wall_place = torch.stack([waves(x, (0, 4), 12) for x in g.wall_pos])
    t = read("read_walls", t, wall_place, lin("lift_walls", wall), g.wall_weight)
    t = read("read_values", t, place, lin("lift", torch.cat([g.x, g.inputs, cond], 1)), g.weight)
    z = lin("mean", t)
    t = lin("enter", z)
    for i in range(2):
        key = f"blocks.{i}"
        q, k, v = lin(f"{key}.qkv", norm(f"{key}.norm", t)).chunk(3, 1)
        t = feed(f"{key}.feed", t + lin(f"{key}.out", heads(q, k, v, torch.ones(len(k)))))
    k, v = lin("read.kv", norm("read.norm", t)).chunk(2, 1)
    bands = []
    for band in ((0, 3), (3, 4), (4, 5)):
        q = lin("read.q", norm("read.norm_q", torch.stack([waves(x, band, 12) for x in g.pos])))
        bands.append(lin("read.out", heads(q, k, v, torch.ones(len(k)))))
    h = torch.cat([*bands, g.x, cond], 1)
    for i in range(3):
        h = lin(f"decoder.{2 * i}", h).relu()
    s = gelu(lin("scalar_head.layers.0", torch.cat([t.mean(0, keepdim=True), g.cond], 1)))
    return lin("decoder.6", h), lin("scalar_head.layers.2", s)


def test_values_match_a_slow_oracle():
    model, g = tiny(), sample_graph(9, 1, tokens=4)
    with torch.no_grad():
        expected, got = oracle(model, g), model.outputs(g)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-6)  # frequencies are float32's


def test_frequencies_of_the_bands_share_their_ends():
    """The public code starts band s where band s - 1 ended, and counts the exponents evenly."""
    model = Aroma(Widths(features=2, out=1))
    f = torch.stack([band.frequencies for band in model.bands]) / math.pi
    torch.testing.assert_close(f[:, 0], torch.tensor([1.0, 8.0, 16.0]))
    torch.testing.assert_close(f[:, -1], torch.tensor([8.0, 16.0, 32.0]))
    torch.testing.assert_close(model.key.frequencies[[0, -1]] / math.pi, torch.tensor([1.0, 16.0]))


def share_of(patch, weight):
    """Of the attention of a latent to which all points look alike."""
    layer = PointsToLatents(width=2, n_key=1, n_value=2, heads=1, head_width=2)
    value = torch.stack([patch, 1 - patch], 1)  # normalised: [1, -1] or [-1, 1]
    rows = torch.zeros(1, len(patch), 1), value[None], weight[None]
    mean = layer._read(lambda pos, x: (pos, x), *rows, torch.zeros(1, 1, 1))
    return 0.5 + 0.5 * mean[0, 0, 0].item()


def test_an_unweighted_read_would_lean_to_the_dense_patch():
    """A patch of nine nodes draws nine tenths of the attention, unless it stands for its area."""
    patch = torch.tensor([0.0] + [1.0] * 9)
    assert share_of(patch, torch.full((10,), 0.1)) == pytest.approx(0.9, abs=1e-5)
    assert share_of(patch, torch.tensor([0.5] + [0.5 / 9] * 9)) == pytest.approx(0.5, abs=1e-5)


def test_weights_count_in_full_precision_under_bfloat16():
    """log w of -12.02 and -12.05 are one number in bfloat16."""
    w = torch.tensor([-12.02, -12.05]).exp()
    with torch.autocast("cpu", torch.bfloat16):
        found = share_of(torch.tensor([1.0, 0.0]), w)
    assert found == pytest.approx((w[0] / w.sum()).item(), abs=1e-5)


def test_graphs_without_boundary_read_nothing_there():
    model = tiny()
    graphs = [sample_graph(8, 1, tokens=0), sample_graph(6, 2, tokens=3)]
    for parts in (graphs, graphs[:1] * 2):
        fields, scalars = model.outputs(batch_graphs(parts))
        alone = [model.outputs(g) for g in parts]
        torch.testing.assert_close(fields, torch.cat([f for f, _ in alone]))
        assert fields.isfinite().all() and scalars.isfinite().all()


def test_boundary_tokens_are_a_quadrature_too():
    model, g = tiny(), sample_graph(8, 3, tokens=4)
    split = g.clone()
    for name in ("wall_pos", "wall_x", "wall_inputs", "wall_weight"):
        split[name] = torch.cat([g[name], g[name][:1]])
    split.wall_weight[[0, -1]] /= 2
    torch.testing.assert_close(model(split), model(g))
    moved = g.clone()
    moved.wall_inputs = g.wall_inputs + 1
    assert not torch.allclose(model(moved), model(g))


def test_noise_only_in_training_and_only_where_asked():
    g = sample_graph(8, 4)
    model = tiny(noise=True)
    assert torch.equal(model(g), model(g))
    model.train()
    assert not torch.equal(model(g), model(g))
    plain = tiny().train()
    assert torch.equal(plain(g), plain(g))
    with pytest.raises(ValueError, match="noise=True"):
        plain.kl(g)


def test_divergence_is_that_of_the_definition():
    model, g = tiny(noise=True), batch_graphs([sample_graph(8, 5), sample_graph(5, 6)])
    mean, log_variance = model.codes(g)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    unit = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(q, unit).mean((1, 2))
    torch.testing.assert_close(model.kl(g), expected)
    (model(g).square().sum() + model.kl(g).sum()).backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert all(n.startswith("scalar_head") for n in missing)


def test_default_sizes_are_the_published_ones():
    model = Aroma(Widths(features=2, inputs=1, out=1))

    def count(module):
        return sum(p.numel() for p in module.parameters())

    c, key = 128, 2 * 2 * 12
    feed = 2 * c + c * 4 * c + 4 * c + 4 * c * c + c
    projections = c * c + c * c + c  # queries and the way out
    places = projections + 2 * key * c + 2 * c + 4 * key + feed
    values = projections + key * c + c * c + 2 * c + 2 * key + 2 * c + feed
    block = 3 * c * c + c * c + c + 2 * c + feed
    assert count(model.read_places) == places and count(model.read_values) == values
    assert count(model.blocks) == 3 * block
    assert model.latents.shape == (32, 128) and model.mean.out_features == 8
    widths = [m.in_features for m in model.decoder if isinstance(m, torch.nn.Linear)]
    assert widths == [3 * 16 + 2, 64, 64, 64]
    assert isinstance(model.read_values, PointsToLatents)


def test_it_learns():
    torch.manual_seed(0)
    bands = {"key_band": (0, 2), "query_bands": ((0, 2),), "frequencies": 4}
    model = Aroma(WAVE, **bands, width=32, latents=8, heads=2, head_width=16, layers=1)
    assert share_unexplained(model, 150, 5e-3) < 0.3
