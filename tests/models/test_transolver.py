"""Transolver against a dense oracle, and the invariants every model is held to."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models import Widths
from meshop.models.transolver import Transolver
from meshop.nn import SliceAttention, nodes
from meshop.testing import check_model

F_IN, K, C_OUT, S = 5, 2, 3, 2


def tiny(weighted=True, dtype=torch.float64, **kw):
    torch.manual_seed(0)
    sizes = {"width": 8, "heads": 2, "layers": 2, "slices": 4} | kw
    model = Transolver(
        Widths(features=F_IN, cond=K, out=C_OUT, scalars=S), weighted=weighted, **sizes
    ).to(dtype)
    with torch.no_grad():  # std .02 leaves every softmax flat: spread it, so that mistakes show
        for name, p in model.named_parameters():
            if p.ndim > 1 and "temperature" not in name:
                p.normal_(std=1 / math.sqrt(p.shape[1]))
            elif "temperature" in name:
                p.uniform_(0.2, 0.8)
    return model.eval()


def cloud(n, seed, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, F_IN, generator=g, dtype=torch.float64)
    weight = 10 ** (-4 * torch.rand(n, generator=g, dtype=torch.float64))
    cond = torch.randn(1, K, generator=g, dtype=torch.float64)
    return SimpleNamespace(x=x.to(dtype), weight=weight.to(dtype), cond=cond.to(dtype))


def batch(graphs):
    cat = {k: torch.cat([getattr(g, k) for g in graphs]) for k in ("x", "weight", "cond")}
    counts = torch.tensor([0] + [len(g.x) for g in graphs])
    return SimpleNamespace(ptr=counts.cumsum(0), **cat)


def oracle(model, g):
    """The equations of the paper, node by node and slice by slice."""
    p = dict(model.named_parameters())

    def lin(key, v):
        bias = p.get(f"{key}.bias")
        return v @ p[f"{key}.weight"].T + (0 if bias is None else bias)

    def norm(key, v):
        return layer_norm(v, v.shape[-1:], p[f"{key}.weight"], p[f"{key}.bias"])

    n = len(g.x)
    h = torch.cat([g.x, g.cond.expand(n, -1)], 1)
    h = lin("lift.2", gelu(lin("lift.0", h))) + p["constant"]
    weight = g.weight if model.weighted else torch.ones(n, dtype=h.dtype)
    for i, block in enumerate(model.blocks):
        att, key = block.attention, f"blocks.{i}.attention"
        x = norm(f"blocks.{i}.norm1", h)
        xm = lin(f"{key}.project_x", x)
        fm = xm if att.project_f is None else lin(f"{key}.project_f", x)
        d = h.shape[1] // att.heads
        out = torch.zeros_like(h)
        for head in range(att.heads):
            cols = slice(head * d, (head + 1) * d)
            tau = min(max(float(att.temperature[head]), 0.1), 5.0)
            if att.adapt is not None:
                inner = gelu(lin(f"{key}.adapt.0", xm[:, cols]))
                tau = att.temperature[head] + gelu(lin(f"{key}.adapt.2", inner))
                tau = tau.clamp(min=0.01)
            logits = lin(f"{key}.slice", xm[:, cols])
            if logits.shape[1] > att.slices:  # of each head its own
                logits = logits[:, head * att.slices : (head + 1) * att.slices]
            a = torch.softmax(logits / tau, 1)
            tokens = []
            for s in range(a.shape[1]):
                num = sum(weight[j] * a[j, s] * fm[j, cols] for j in range(n))
                den = sum(weight[j] * a[j, s] for j in range(n))
                tokens.append(num / den)
            t = torch.stack(tokens)
            q, k, v = (lin(f"{key}.{c}", t) for c in "qkv")
            out[:, cols] = a @ (torch.softmax(q @ k.T / math.sqrt(d), 1) @ v)
        h = h + lin(f"{key}.out", out)
        m = f"blocks.{i}.mlp"
        h = h + lin(f"{m}.2", gelu(lin(f"{m}.0", norm(f"blocks.{i}.norm2", h))))
    h = norm("norm", h)
    mean = (weight[:, None] * h).sum(0, keepdim=True) / weight.sum()
    pooled = torch.cat([mean, g.cond], 1)
    return lin("head", h), lin("scalar_head.layers.2", gelu(lin("scalar_head.layers.0", pooled)))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("variant", [{}, {"per_head": True}, {"adaptive": True}])
def test_values_match_a_slow_oracle(weighted, variant):
    model, g = tiny(weighted, **variant), cloud(17, 1)
    with torch.no_grad():
        fields, scalars = oracle(model, g)
        got = model.outputs(g)
    torch.testing.assert_close(got[0], fields, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(got[1], scalars, rtol=1e-7, atol=1e-9)


def test_outputs_are_forward_and_scalars():
    model, g = tiny(), cloud(9, 2)
    fields, scalars = model.outputs(g)
    assert torch.equal(fields, model(g)) and torch.equal(scalars, model.scalars(g))
    assert fields.shape == (9, C_OUT) and scalars.shape == (1, S)


@pytest.mark.parametrize("weighted", [True, False])
def test_node_order_does_not_matter(weighted):
    model, g = tiny(weighted), cloud(40, 3)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(4))
    moved = SimpleNamespace(x=g.x[order], weight=g.weight[order], cond=g.cond)
    (f0, s0), (f1, s1) = model.outputs(g), model.outputs(moved)
    torch.testing.assert_close(f1, f0[order])
    torch.testing.assert_close(s1, s0)


def test_a_ragged_batch_equals_its_members():
    model = tiny()
    graphs = [cloud(n, n) for n in (30, 1, 12)]
    together = batch(graphs)
    fields, scalars = model.outputs(together)
    one = [model.outputs(g) for g in graphs]
    torch.testing.assert_close(fields, torch.cat([f for f, _ in one]))
    torch.testing.assert_close(scalars, torch.cat([s for _, s in one]))
    together.batch = torch.repeat_interleave(together.ptr.diff())
    del together.ptr  # either says where a graph ends
    assert torch.equal(model(together), fields)


def split_node(g, node):
    """The same density with node `node` written twice at half its weight."""
    half = g.weight.clone()
    half[node] /= 2
    cat = torch.cat
    return SimpleNamespace(
        x=cat([g.x, g.x[node : node + 1]]), weight=cat([half, half[node : node + 1]]), cond=g.cond
    )


def test_splitting_a_node_changes_nothing_when_weighted_and_something_when_not():
    g = cloud(20, 5)
    heavy = int(g.weight.argmax())
    for weighted in (True, False):
        model = tiny(weighted)
        (f0, s0), (f1, s1) = model.outputs(g), model.outputs(split_node(g, heavy))
        same = torch.allclose(f1[:-1], f0, rtol=1e-9) and torch.allclose(s1, s0, rtol=1e-9)
        assert same == weighted
        torch.testing.assert_close(f1[-1], f1[heavy])


def test_the_unit_of_length_does_not_matter_when_weighted():
    model, g = tiny(dtype=torch.float32), cloud(50, 6, torch.float32)
    small = SimpleNamespace(x=g.x, weight=g.weight * 1e-12, cond=g.cond)
    torch.testing.assert_close(model(small), model(g), rtol=1e-4, atol=1e-5)


def test_bfloat16_autocast_keeps_light_nodes_in_the_tokens():
    """Weights over eight decades: summing them in half precision would lose the light ones."""
    model, g = tiny(dtype=torch.float32), cloud(400, 7, torch.float32)
    g.weight = 10 ** torch.linspace(-8, 0, 400)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        fields, scalars = model.outputs(g)
    exact = model.outputs(g)
    assert fields.isfinite().all() and scalars.isfinite().all()
    assert (fields.float() - exact[0]).norm() / exact[0].norm() < 0.05


def test_gradients_are_finite_also_for_extreme_temperature_and_weights():
    model, g = tiny(dtype=torch.float32), cloud(60, 8, torch.float32)
    g.weight = 10 ** torch.linspace(-20, 0, 60)
    with torch.no_grad():
        for block in model.blocks:
            block.attention.temperature.fill_(-1.0)  # the clamp holds it at .1
    fields, scalars = model.outputs(g)
    (fields.square().sum() + scalars.square().sum()).backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    assert all(v is not None and v.isfinite().all() for v in grads.values())
    assert grads["lift.0.weight"].abs().sum() > 0


def test_layer_gradcheck():
    torch.manual_seed(1)
    layer = SliceAttention(4, heads=2, slices=3).double()
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    w = torch.rand(6, dtype=torch.float64).add(0.1).requires_grad_()
    ptr = torch.tensor([0, 4, 6])

    def run(x, w):
        return layer(x, nodes(SimpleNamespace(x=x, weight=w, cond=x[:2], ptr=ptr), cond=False))

    assert torch.autograd.gradcheck(run, (x, w))


def test_model_gradcheck():
    model = tiny(width=4, layers=1, slices=3)
    g = batch([cloud(4, 9), cloud(3, 10)])

    def run(x):
        return model.outputs(SimpleNamespace(x=x, weight=g.weight, cond=g.cond, ptr=g.ptr))

    assert torch.autograd.gradcheck(run, g.x.requires_grad_())


def test_slices_start_orthogonal_and_the_default_size_is_the_published_one():
    model = Transolver(Widths(features=3, cond=2, out=4, scalars=3))
    w = model.blocks[0].attention.slice.weight.detach()
    torch.testing.assert_close(w.T @ w, torch.eye(16), rtol=0, atol=1e-5)
    assert len(model.blocks) == 8 and w.shape == (64, 16)


@pytest.mark.parametrize("variant", [{"per_head": True}, {"adaptive": True}])
def test_variants_keep_the_contract(variant):
    check_model(Transolver, {"width": 8, "heads": 2, "layers": 2, "slices": 4} | variant)


def test_blocks_of_nodes_do_not_change_the_answer(monkeypatch):
    model, g = tiny(adaptive=True), cloud(300, 11)
    whole = model(g)
    monkeypatch.setattr("meshop.nn.rows.BLOCK", 1)
    torch.testing.assert_close(model(g), whole)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="no multiple"):
        SliceAttention(10, heads=4)
