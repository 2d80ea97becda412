"""BENO against its equations pair by pair, and superposition before and after training."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, silu

from meshop.graph import MeshGraph
from meshop.models import Widths
from meshop.models.beno import BENO
from meshop.nn.carried import NEAR
from meshop.ops import knn
from meshop.testing import sample_graph
from meshop.testing._models import WIDTHS, batch_graphs

SIZES = {"width": 8, "layers": 2, "kernels": 2, "edge_width": 4, "rank": 3, "readers": 2}


def tiny(widths=WIDTHS):
    torch.manual_seed(0)
    return BENO(widths, **SIZES).double().eval()


def attention(layer, t_to, pos_to, t, v, pos, w):
    """Receiver by receiver, head by head."""
    width, d = t.shape[1], t.shape[1] // layer.heads
    states, values = torch.zeros(len(t_to), width).double(), torch.zeros(len(t_to), width).double()
    for i in range(len(t_to)):
        for h in range(layer.heads):
            cols = slice(h * d, h * d + d)
            logits = []
            for s in range(len(t)):
                dot = layer.q(t_to[i])[cols] @ layer.k(t[s])[cols] / math.sqrt(d)
                far = (pos_to[i] - pos[s]).square().sum() + NEAR**2
                logits.append(dot - layer.decay[h, 0, 0] * far.log() + w[s].log())
            a = torch.softmax(torch.stack(logits), 0)
            states[i, cols] = a @ layer.t(t)[:, cols]
            values[i, cols] = a @ layer.v(v)[:, cols]
    return states, values


def gated(layer, t, v):
    return layer.second(layer.gate(t) * layer.first(v))


def ln(norm, v):
    return layer_norm(v, v.shape[-1:], norm.weight, norm.bias)


def oracle(model, g):
    n, pos, w = len(g.x), g.pos, g.weight / g.weight.sum()
    ww = g.wall_weight / g.wall_weight.sum()
    place = torch.cat([g.x, g.cond.expand(n, -1)], 1)
    t = model.place[2](silu(model.place[0](place)))
    tok = model.token(torch.cat([g.wall_x, g.cond.expand(len(g.wall_x), -1)], 1))
    v = model.value(g.wall_inputs)
    for layer in model.wall_layers:
        seen, carried = attention(layer.attention, tok, g.wall_pos, tok, v, g.wall_pos, ww)
        tok = ln(layer.norm1, tok + seen)
        tok = ln(layer.norm2, tok + layer.mlp[2](gelu(layer.mlp[0](tok))))
        v = v + carried
        v = v + gated(layer.carry, tok, v)
    seen, b = attention(model.read, t, pos, tok, v, g.wall_pos, ww)
    t = ln(model.norm, t + seen)
    rows = [g.edge_index[0][g.edge_index[1] == i] for i in range(n)]
    out = 0
    for branch, v in ((model.f, model.f.start(g.inputs)), (model.g, b)):
        for layer in branch.layers:
            near = torch.zeros_like(v)
            for i, row in enumerate(rows):
                reach = (pos[row] - pos[i]).norm(dim=1).max()
                for j in row.tolist():
                    step = pos[j] - pos[i]
                    feature = torch.cat([step, step.norm()[None]]) / reach
                    feature = torch.cat([feature, reach.log()[None]])
                    state = model.sender(t[j]) + model.receiver(t[i]) + model.step(feature)
                    kernel = layer.kernel(silu(state)) * w[j] / w[row].sum()
                    near[i] += kernel.repeat_interleave(4) * v[j]
            phi, psi = layer.far.factors(t).chunk(2, dim=1)
            dense = phi @ (psi * w[:, None]).T  # the global kernel as a matrix
            parts = [v, near, dense @ v] + ([b] if branch is model.g else [])
            v = v + gated(layer.carry, t, torch.cat(parts, 1))
        out = out + gated(branch.head, t, v)
    return out


def test_values_match_the_equations_pair_by_pair():
    model, g = tiny(), sample_graph(14, 1, edges=True, tokens=5)
    with torch.no_grad():
        torch.testing.assert_close(model(g), oracle(model, g), rtol=1e-7, atol=1e-9)


def changed(g, f, data):
    out = g.clone()
    out.inputs, out.wall_inputs = f * g.inputs, data * g.wall_inputs
    return out


def test_branches_superpose_and_scale_and_nothing_gives_nothing():
    """In the public code the branch of f sees the mean of g, and u is shifted."""
    model, g = tiny(), sample_graph(30, 2, edges=True)
    whole = model(g)
    torch.testing.assert_close(model(changed(g, 1, 0)) + model(changed(g, 0, 1)), whole)
    torch.testing.assert_close(model(changed(g, -3.0, -3.0)), -3.0 * whole)
    assert not model(changed(g, 0, 0)).any()


@pytest.mark.parametrize(
    ("inputs", "wall_inputs", "branches"), [(2, 0, "f"), (0, 1, "g"), (0, 0, "f"), (1, 1, "fg")]
)
def test_only_the_branches_that_have_data_exist_and_all_that_exists_is_used(
    inputs, wall_inputs, branches
):
    widths = replace(WIDTHS, inputs=inputs, wall_inputs=wall_inputs)
    model = tiny(widths)
    fields, scalars = model.outputs(sample_graph(20, 3, widths, edges=True))
    (fields.square().sum() + scalars.square().sum()).backward()
    assert "".join(b for b in "fg" if getattr(model, b) is not None) == branches
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert fields.abs().sum() > 0


def test_one_token_split_in_two_of_half_the_weight_changes_nothing():
    model, g = tiny(), sample_graph(20, 4, edges=True)
    more = g.clone()
    for name in ("wall_x", "wall_pos", "wall_inputs", "wall_weight"):
        more[name] = torch.cat([g[name], g[name][:1]])
    more.wall_weight[[0, -1]] /= 2
    more.wall_batch = torch.zeros(8, dtype=torch.long)
    torch.testing.assert_close(model(more), model(g))


def test_a_domain_without_boundary_tokens_is_finite():
    model, g = tiny(), sample_graph(20, 5, edges=True, tokens=0)
    assert model(g).isfinite().all()


def test_defaults_are_the_published_sizes():
    model = BENO(Widths(features=3, inputs=1, tokens=3, wall_inputs=1, out=1))
    assert len(model.f.layers) == len(model.g.layers) == 10 and len(model.wall_layers) == 3
    assert model.wall_layers[0].mlp[0].weight.shape == (16, 128)
    assert model.wall_layers[0].attention.heads == 2


def disk(mode, n=120, tokens=32):
    """Laplace's equation in the unit disk: g = cos(mode * angle), u = r^mode g."""
    draw = torch.Generator().manual_seed(0)
    r = torch.rand(n, generator=draw).sqrt()
    angle = 2 * math.pi * torch.rand(n, generator=draw)
    around = 2 * math.pi * torch.arange(tokens) / tokens
    pos = torch.stack([r * angle.cos(), r * angle.sin()], 1)
    rim = torch.stack([around.cos(), around.sin()], 1)
    near = knn(pos, 6)
    return MeshGraph(
        pos=pos, x=torch.cat([pos, 1 - r[:, None]], 1), weight=torch.ones(n),
        cond=torch.zeros(1, 0), wall_pos=rim, wall_x=rim, wall_weight=torch.ones(tokens),
        wall_inputs=torch.cos(mode * around)[:, None], wall_batch=torch.zeros(tokens).long(),
        edge_index=torch.stack([near.index, near.receivers]), rowptr=near.rowptr,
        y=(r**mode * torch.cos(mode * angle))[:, None],
    )  # fmt: skip


def test_it_learns_a_poisson_kernel_and_a_sum_of_what_it_saw_is_the_sum_of_its_answers():
    torch.manual_seed(0)
    seen = [disk(mode) for mode in range(4)]
    model = BENO(
        Widths(features=3, tokens=2, wall_inputs=1, out=1),
        width=16, layers=2, kernels=4, edge_width=8, rank=4, wall_layers=1, readers=2,
    )  # fmt: skip
    g = batch_graphs(seen)
    best = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(80):
        loss = (model(g) - g.y).square().mean() / g.y.var()
        best.zero_grad()
        loss.backward()
        best.step()
    assert float(loss.detach()) < 0.05
    mixed, parts = seen[0].clone(), torch.tensor([0.3, -2.0, 1.5, 0.7])
    mixed.wall_inputs = sum(a * s.wall_inputs for a, s in zip(parts, seen, strict=True))
    expected = sum(a * model(s) for a, s in zip(parts, seen, strict=True))
    torch.testing.assert_close(model(mixed), expected, rtol=1e-3, atol=1e-4)


def test_receivers_are_read_some_at_a_time_to_the_same_effect(monkeypatch):
    model, g = tiny(), batch_graphs([sample_graph(n, n, edges=True) for n in (200, 70)])
    whole = model(g)
    monkeypatch.setattr("meshop.nn.rows.BLOCK", 1)
    torch.testing.assert_close(model(g), whole)
