"""enf2enf against the equations written pair by pair, and what its latents' places promise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models import Widths
from meshop.models.enf2enf import Enf2Enf
from meshop.nn import latent_grid, nodes, pieces
from meshop.testing._models import MODEL_CHECKS, WIDTHS, _stir, _Subject, batch_graphs, sample_graph
from tests.models.learning import WAVE, share_unexplained, wave

SMALL = {"width": 6, "layers": 2, "side": 2, "code": 3, "encoder_width": 4}


def tiny(widths=WIDTHS, **sizes):
    torch.manual_seed(0)
    model = Enf2Enf(widths, **(SMALL | sizes)).double()
    _stir(model)
    return model.eval()


class Oracle:
    """The published layers, one pair of point and latent at a time."""

    def __init__(self, model):
        self.p, self.sigma = dict(model.named_parameters()), model.sigma
        self.directions = dict(model.named_buffers())

    def lin(self, key, v):
        return v @ self.p[f"{key}.weight"].T + self.p.get(f"{key}.bias", 0)

    def norm(self, key, v):
        return layer_norm(v, v.shape[-1:], self.p[f"{key}.weight"], self.p[f"{key}.bias"])

    def waves(self, key, r, f):
        phase = 2 * math.pi * r @ self.directions[f"{key}.phase.directions"]
        out = self.lin(f"{key}.wave", torch.cat([phase.sin(), phase.cos()]))
        weight = self.p.get(f"{key}.features.weight")
        return out if weight is None else out + weight @ f

    def read(self, key, x, p, a, f, residual=None):
        """Latents a (Z, C) read at one point x."""
        c = a.shape[1]
        a = self.norm(f"{key}.norm", a)
        logits, values = [], []
        for pj, aj in zip(p, a, strict=True):
            e = gelu(self.waves(f"{key}.e", x - pj, f))
            s = gelu(self.waves(f"{key}.s", x - pj, f))
            s = self.norm(f"{key}.s_mix.3", gelu(self.lin(f"{key}.s_mix.1", s)))
            q, k = self.lin(f"{key}.q", e), self.lin(f"{key}.k", aj)
            dots = torch.stack([q[h : h + c] @ k[h : h + c] for h in (0, c)])
            logits.append(dots / math.sqrt(c) - (x - pj).square().sum() / self.sigma**2)
            scale, shift = self.lin(f"{key}.scale", s), self.lin(f"{key}.shift", s)
            values.append(self.lin(f"{key}.v", aj) * (1 + scale) + shift)
        share = torch.stack(logits).softmax(0).repeat_interleave(c, 1)
        y = self.lin(f"{key}.project", (share * torch.stack(values)).sum(0))
        y = gelu(self.lin(f"{key}.out.0", y if residual is None else y + residual))
        return self.lin(f"{key}.out.3", self.norm(f"{key}.out.2", y))

    def head(self, key, v):
        for i in (1, 3, 5):
            v = self.lin(f"{key}.{i}", gelu(v))
        return v

    def attend(self, g, p, known, share):
        codes = []
        for pj in p:
            pairs = zip(g.pos - pj, known, strict=True)
            t = torch.stack([gelu(self.waves("encoder.t", r, f)) for r, f in pairs])
            near = -(g.pos - pj).square().sum(1) / self.sigma**2
            a = (self.lin("encoder.q", t) + (near + share.log())[:, None]).softmax(0)
            pooled = torch.cat([(a[:, h, None] * t).sum(0) for h in (0, 1)])
            codes.append(self.lin("encoder.out.2", gelu(self.lin("encoder.out.0", pooled))))
        return torch.stack(codes)

    def fit(self, g, p, known, share):
        code = torch.ones(len(p), 3, dtype=torch.float64, requires_grad=True)
        for _ in range(3):
            a, loss = self.lin("encoder_stem", code), 0
            for x, u, w in zip(g.pos, known, share, strict=True):
                value = self.head("encoder_head", self.read("encoder", x, p, a, None))
                loss = loss + w * (value - u).square().mean()
            code = code - self.p["rates"] * torch.autograd.grad(loss, code, create_graph=True)[0]
        return code

    def outputs(self, g, encoder):
        low, high = g.pos.amin(0), g.pos.amax(0)
        steps = (-0.75, 0.75)
        grid = torch.tensor([[i, j] for i in steps for j in steps], dtype=torch.float64)
        p = (low + high) / 2 + grid * (high - low) / 2
        known, share = torch.cat([g.x, g.inputs], 1), g.weight / g.weight.sum()
        encode = {"attention": self.attend, "gradient": self.fit}[encoder]
        code = encode(g, p, known, share)
        a = torch.cat([code, g.cond.expand(4, -1)], 1)
        a = self.lin("stem.2", gelu(self.lin("stem.0", a)))
        for i in range(2):
            key = f"blocks.{i}"
            read = [self.read(key, x, p, a, None, ai) for x, ai in zip(p, a, strict=True)]
            a = gelu(a + torch.stack(read))
        read = [self.read("read", x, p, a, f) for x, f in zip(g.pos, g.x, strict=True)]
        s = torch.cat([a.mean(0), g.cond[0]])
        s = self.lin("scalar_head.layers.2", gelu(self.lin("scalar_head.layers.0", s)))
        return self.head("head", torch.stack(read)), s[None]


@pytest.mark.parametrize("encoder", ["attention", "gradient"])
def test_values_and_gradients_match_a_slow_oracle(encoder):
    model, g = tiny(encoder=encoder), sample_graph(7, 1)
    found = []
    for outputs in (Oracle(model).outputs(g, encoder), model.outputs(g)):
        model.zero_grad()
        sum(o.square().sum() for o in outputs).backward()
        found.append([*outputs, *(q.grad.clone() for q in model.parameters())])
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("check", ["permutation", "batch", "refinement", "gradients", "bfloat16"])
def test_the_encoder_by_attention_keeps_every_promise_too(check):
    MODEL_CHECKS[check](_Subject(Enf2Enf, SMALL | {"encoder": "attention"}))


def test_latents_lie_on_a_grid_that_moves_with_its_graph():
    graphs = [sample_graph(20, 1), sample_graph(9, 2), sample_graph(1, 3)]
    p = latent_grid(nodes(batch_graphs(graphs)), 3)
    assert p.shape == (3, 9, 2)
    for places, g in zip(p, graphs, strict=True):
        low, high = g.pos.amin(0), g.pos.amax(0)
        torch.testing.assert_close(places.mean(0), (low + high) / 2)
        torch.testing.assert_close(places[0] - places[4], -0.75 * (high - low) / 2)
    torch.testing.assert_close(latent_grid(nodes(graphs[0]), 1)[0, 0], p[0, 4])
    g = graphs[0].clone()
    g.pos.requires_grad_()
    assert not latent_grid(nodes(g), 3).requires_grad


def test_a_code_answers_for_its_neighbourhood():
    """A change of one code is felt in its corner. With the sigma of the published config, which
    its code does not use, the corner would have a sharp edge."""
    for sigma, share in ((None, 0.9), (0.1, 1e-9)):
        model, g = tiny(sigma=sigma, layers=0, side=3), sample_graph(400, 2)
        a = torch.zeros(1, 9, 6, dtype=torch.float64)
        p = latent_grid(nodes(g), 3)
        pairs = model.read.pairs(g.pos[None], p, g.x[None], model.sigma)
        part = pairs.window.softmax(-1)[0, :, 4]
        radius = (g.pos - p[0, 4]).norm(dim=1)
        assert part[radius < 0.1].min() > part[radius > 0.8].max()
        assert (part[radius > 0.8] / part.max()).max() < share
        assert model.read(a, pairs).isfinite().all()


@pytest.mark.parametrize("encoder", ["attention", "gradient"])
def test_pieces_of_the_nodes_give_what_all_give(monkeypatch, encoder):
    """At a million nodes the pairs of nodes and latents do not fit at once."""
    model, g = tiny(encoder=encoder), batch_graphs([sample_graph(20, 1), sample_graph(20, 2)])
    whole = model.outputs(g)

    def few(p, width, *points):
        return zip(*(t.split(3, dim=1) for t in points), strict=True)

    monkeypatch.setattr("meshop.models.enf2enf.pieces", few)
    for learn in (True, False):
        with torch.set_grad_enabled(learn):
            for a, b in zip(model.outputs(g), whole, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    x = torch.zeros(1, 3_000_000, 2)
    assert [len(t[0][0]) for t in pieces(torch.zeros(1, 9, 2), 256, x)][:2] == [2**21 // 2304] * 2


def test_default_window_is_what_the_published_code_uses():
    assert tiny().sigma == 2 / 2 and tiny(side=3).sigma == 2 / 3
    assert tiny(replace(WIDTHS, dim=3)).sigma == 3 / 2
    assert tiny(sigma=0.1).sigma == 0.1


def test_codes_come_where_gradients_are_off():
    model, g = tiny(encoder="gradient"), sample_graph(9, 2)
    expected = model(g).detach()
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            torch.testing.assert_close(model(g), expected)
            torch.testing.assert_close(model(g.clone()), expected)


def test_inner_steps_lower_the_misfit():
    model = tiny(encoder="gradient", rate=0.1)
    graph = batch_graphs([sample_graph(20, 1), sample_graph(15, 2)])

    def misfit():
        fitted, target = model.reconstruction(graph)
        return nodes(graph).mean((fitted - target).square()).mean(1)

    after = misfit()
    model.steps = 0
    assert (after < misfit()).all()


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="'attention' or 'gradient', found 'mean'"):
        tiny(encoder="mean")
    with pytest.raises(ValueError, match="try 'gradient'"):
        tiny(encoder="attention").reconstruction(sample_graph(5, 1))


def test_default_sizes_are_the_published_ones():
    model = Enf2Enf(Widths(features=1, cond=2, out=1))

    def read(c, out, features=0):
        waves = c * c + c + features * c
        film = 2 * (c * 2 * c + 2 * c)
        qkv = 3 * c * 2 * c + 2 * 2 * c
        return (
            2 * waves + (c * c + c + 2 * c) + 2 * c + qkv + film
            + 2 * c * out + out + 2 * (out * out + out) + 2 * out
        )  # fmt: skip

    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert [count(b) for b in model.blocks] == [read(256, 256)] * 2
    assert count(model.read) == read(256, 512, 1) and count(model.encoder) == read(128, 256)
    assert count(model.head) == 512 * 256 + 256 + 256 * 256 + 256 + 256 + 1
    assert model.rates.shape == (9, 8) and model.steps == 3 and bool((model.rates == 0.5).all())


def test_random_directions_do_not_depend_on_what_was_drawn_before():
    torch.manual_seed(1)
    one = Enf2Enf(WIDTHS, **SMALL)
    torch.manual_seed(2)
    two = Enf2Enf(WIDTHS, **SMALL)
    for (name, a), (_, b) in zip(one.named_buffers(), two.named_buffers(), strict=True):
        assert torch.equal(a, b), name


def test_it_learns():
    torch.manual_seed(0)
    model = Enf2Enf(WAVE, width=32, layers=1, encoder_width=16, std=0.5, encoder="attention")
    assert share_unexplained(model, 80, 5e-3, cases=16) < 0.5


def test_learned_waves_of_one_place_move_with_it():
    """A wave that is moved with its points is the same field: nothing but relative places."""
    model, (g, _) = Enf2Enf(WAVE, **SMALL).double(), wave(30, 1)
    g = g.apply(lambda t: t.double() if t.is_floating_point() else t)
    moved = g.clone()
    moved.pos = g.pos + torch.tensor([5.0, -7.0])
    torch.testing.assert_close(model(moved), model(g), rtol=1e-9, atol=1e-11)
