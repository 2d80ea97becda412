"""CoDA-NO against a slow oracle, and what it promises of variables: any order, any subset."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from meshop.models import Widths
from meshop.models.coda_no import CodaNO
from meshop.testing._models import WIDTHS, _stir, batch_graphs, sample_graph
from tests.models.learning import WAVE, share_unexplained

SMALL = {"width": 8, "heads": 2, "layers": 2, "slices": 3, "embedding": 3}
NAMES = ("known", "asked")
THREE = replace(WIDTHS, inputs=3)


def tiny(widths=WIDTHS, **sizes):
    torch.manual_seed(0)
    model = CodaNO(widths, **(SMALL | sizes)).double()
    _stir(model)
    return model.eval()


def oracle(model, g, tau=1.0):
    """Variable by variable, head by head, integral by integral."""
    p = dict(model.named_parameters())

    def lin(key, v):
        return v @ p[f"{key}.weight"].T + p.get(f"{key}.bias", 0)

    def norm(key, v):
        return layer_norm(v, v.shape[-1:], p[f"{key}.weight"], p[f"{key}.bias"])

    n, share = len(g.x), g.weight / g.weight.sum()
    place = lin("lift_place", torch.cat([g.x, g.cond.expand(n, -1)], 1))
    h = []
    for t in range(g.inputs.shape[1]):
        h.append(
            lin("lift_value", g.inputs[:, t : t + 1]) + lin("lift_name", p["known"][t]) + place
        )
    for t in range(len(p["asked"])):
        h.append(lin("lift_name", p["asked"][t]) + place)
    h = [lin("lift.1", gelu(v)) for v in h]
    for b in range(2):
        key = f"blocks.{b}"
        q, k, v = zip(
            *(lin(f"{key}.qkv", norm(f"{key}.norm", x)).chunk(3, 1) for x in h), strict=True
        )
        new = []
        for i in range(len(h)):
            mixed = torch.zeros_like(h[i])
            for head in range(2):
                c = slice(4 * head, 4 * head + 4)
                logits = torch.stack(
                    [sum(share[a] * (q[i][a, c] @ kj[a, c]) for a in range(n)) for kj in k]
                )
                a = (logits / (tau * math.sqrt(4))).softmax(0)
                mixed[:, c] = sum(a[j] * v[j][:, c] for j in range(len(h)))
            new.append(h[i] + lin(f"{key}.out", mixed))
        h = new
        for i, x in enumerate(h):
            space = model.blocks[b].space
            y = norm(f"{key}.norm_space", x)
            out = torch.zeros_like(y)
            for head in range(2):
                c = slice(4 * head, 4 * head + 4)
                xm, fm = space.project_x(y)[:, c], space.project_f(y)[:, c]
                s = (space.slice(xm) / space.temperature[head].clamp(0.1, 5)).softmax(1)
                mass = share[:, None] * s
                tokens = (mass.T @ fm) / mass.sum(0)[:, None]
                mix = (space.q(tokens) @ space.k(tokens).T / 2).softmax(1)
                out[:, c] = s @ (mix @ space.v(tokens))
            x = x + space.out(out)
            f = f"{key}.feed"
            h[i] = x + lin(f"{f}.3", gelu(lin(f"{f}.1", norm(f"{f}.0", x))))
    h = [norm("norm", x) for x in h[g.inputs.shape[1] :]]
    fields = torch.cat([lin("head.2", gelu(lin("head.0", x))) for x in h], 1)
    mean = (share[:, None] * sum(h) / len(h)).sum(0, keepdim=True)
    s = gelu(lin("scalar_head.layers.0", torch.cat([mean, g.cond], 1)))
    return fields, lin("scalar_head.layers.2", s)


@pytest.mark.parametrize("tau", [1.0, 0.5])
def test_values_match_a_slow_oracle(tau):
    model, g = tiny(temperature=tau), sample_graph(9, 1)
    with torch.no_grad():
        for got, expected in zip(model.outputs(g), oracle(model, g, tau), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


def reordered(model, **orders):
    """The model with its variables written in another order."""
    other = tiny(model.widths)
    state = model.state_dict()
    other.load_state_dict(state | {k: state[k][order] for k, order in orders.items()})
    return other


def test_the_order_of_known_variables_does_not_matter():
    model, g = tiny(THREE), batch_graphs([sample_graph(n, n, THREE) for n in (9, 5)])
    order, moved = torch.tensor([2, 0, 1]), g.clone()
    moved.inputs = g.inputs[:, order]
    for a, b in zip(reordered(model, known=order).outputs(moved), model.outputs(g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(model.fields_of(moved, [2, 0, 1], [0, 1, 2]), model(g))
    assert not torch.allclose(model(moved), model(g))  # a variable is more than its place


def test_permuting_the_variables_asked_for_permutes_the_outputs():
    model, g = tiny(), sample_graph(9, 2)
    order = torch.tensor([1, 2, 0])
    fields, scalars = reordered(model, asked=order).outputs(g)
    torch.testing.assert_close(fields, model(g)[:, order], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(scalars, model.scalars(g), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(model.fields_of(g, [0, 1], order.tolist()), fields)


@pytest.mark.parametrize("known", [[0, 2], [1], []])
@pytest.mark.parametrize("asked", [[0, 1, 2], [2, 0]])
def test_a_subset_of_variables_is_a_model_of_these_alone(known, asked):
    model, g = tiny(THREE), batch_graphs([sample_graph(n, n, THREE) for n in (9, 5)])
    part = g.clone()
    part.inputs = g.inputs[:, known]
    small = tiny(replace(WIDTHS, inputs=len(known), out=len(asked)))
    state = model.state_dict()
    kept = {k: v for k, v in state.items() if k in small.state_dict()}
    kept |= {k: state[k][i] for k, i in zip(NAMES, (known, asked), strict=True) if k in kept}
    small.load_state_dict(kept)
    torch.testing.assert_close(model.fields_of(part, known, asked), small(part))
    del part.inputs
    if not known:
        torch.testing.assert_close(model.fields_of(part, known, asked), small(part))


def test_subsets_that_are_none_are_refused():
    model, g = tiny(), sample_graph(5, 1)
    for known, asked, message in (
        ([0], [0], "expected 1 columns"),
        ([0, 0], [0], "known: expected distinct"),
        ([0, 1], [3], "asked: expected distinct indices below 3"),
        ([0, 1], [], "one output at least"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fields_of(g, known, asked)


def test_attention_does_not_sharpen_with_resolution():
    """The published logits grow like the square root of the number of points."""
    model, g = tiny(), sample_graph(8, 3)
    fine = g.clone()
    for name in ("pos", "x", "inputs", "weight"):
        fine[name] = g[name].repeat_interleave(16, 0)
    torch.testing.assert_close(model(fine)[::16], model(g), rtol=1e-9, atol=1e-11)


def test_default_sizes():
    model = CodaNO(Widths(features=2, inputs=3, out=3))
    assert len(model.blocks) == 5 and model.blocks[0].qkv.weight.shape == (192, 64)
    more = CodaNO(Widths(features=2, inputs=4, out=3))
    count = [sum(p.numel() for p in m.parameters()) for m in (model, more)]
    assert count[1] - count[0] == 16  # one more variable costs its embedding
    with pytest.raises(ValueError, match="no multiple"):
        CodaNO(Widths(features=2, out=1), width=10, heads=4)


def test_it_learns():
    torch.manual_seed(0)
    model = CodaNO(WAVE, width=32, heads=4, layers=2, slices=16, embedding=4)
    assert share_unexplained(model, 120, 1e-2) < 0.4
