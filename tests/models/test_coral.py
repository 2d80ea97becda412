"""CORAL against the equations written out, its inner steps against autograd, its promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import silu

from meshop.models import Widths
from meshop.models.coral import Coral
from meshop.nn import ModulatedSiren, nodes
from meshop.testing import check_model
from meshop.testing._models import WIDTHS, _stir, batch_graphs, sample_graph
from tests.models.learning import WAVE, share_unexplained, wave

SMALL = {
    "width": 7, "depth": 4, "code": 5, "w0_in": 3, "w0_out": 4, "hidden": 6, "blocks": 2,
    "rate": 0.1,
}  # fmt: skip


def tiny(widths=WIDTHS, **sizes):
    torch.manual_seed(0)
    model = Coral(widths, **(SMALL | sizes)).double()
    _stir(model)
    return model.eval()


def field(p, key, w0, z, pos, x):
    """One point, one layer of sines after another."""
    shifts = (p[f"{key}.shifts.weight"] @ z + p[f"{key}.shifts.bias"]).chunk(3)
    a = p[f"{key}.first.weight"] @ pos + p[f"{key}.first.bias"] + shifts[0]
    a = a + p[f"{key}.features.weight"] @ x / w0
    for i in range(2):
        weight, bias = p[f"{key}.hidden.{i}.weight"], p[f"{key}.hidden.{i}.bias"]
        a = weight @ (w0 * a).sin() + bias + shifts[i + 1]
    return p[f"{key}.last.weight"] @ (w0 * a).sin() + p[f"{key}.last.bias"]


def oracle(model, g):
    """The inner steps through autograd, a graph at a time."""
    p = dict(model.named_parameters())

    def lin(key, v):
        return v @ p[f"{key}.weight"].T + p[f"{key}.bias"]

    weight, z = g.weight / g.weight.sum(), torch.zeros(5, dtype=torch.float64, requires_grad=True)
    for _ in range(3):
        loss = 0
        for i in range(len(g.x)):
            gap = field(p, "field_in", 3, z, g.pos[i], g.x[i]) - g.inputs[i]
            loss = loss + weight[i] * gap.square().mean()
        z = z - p["rate"] * torch.autograd.grad(loss, z, create_graph=True)[0]
    tokens = torch.cat([g.wall_x, g.wall_inputs, g.cond.expand(len(g.wall_x), -1)], 1)
    share = g.wall_weight / g.wall_weight.sum()
    wall = (share[:, None] * model.walls.phi(tokens)).sum(0)
    z = lin("enter", torch.cat([g.cond[0], p["gain"] * z, wall]))
    for i in range(2):
        z = z + silu(lin(f"map.{i}.down", silu(lin(f"map.{i}.up", z))))
    z = lin("map.2", z)
    fields = torch.stack(
        [field(p, "field_out", 4, z, a, b) for a, b in zip(g.pos, g.x, strict=True)]
    )
    return fields, model.scalar_head(torch.cat([z, g.cond[0]]))[None]


def test_values_and_gradients_match_a_slow_oracle():
    """The gradients too: they pass through the inner steps to second order."""
    model, g = tiny(), sample_graph(9, 1, tokens=4)
    found = []
    for outputs in (oracle(model, g), model.outputs(g)):
        model.zero_grad()
        sum(o.square().sum() for o in outputs).backward()
        found.append([*outputs, *(q.grad.clone() for q in model.parameters())])
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


def test_the_inner_gradient_is_that_of_the_weighted_misfit():
    """Graph by graph: a neighbour in the batch does not change the step, as a mean would."""
    torch.manual_seed(0)
    siren = ModulatedSiren(2, 3, 2, width=6, depth=3, code=4, w0=5).double()
    graphs = [sample_graph(n, n, replace(WIDTHS, features=3)) for n in (7, 11)]
    points = nodes(batch_graphs(graphs), cond=False)
    code = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    x, target = points.x[:, :3], points.x[:, 3:]
    misfit = (siren(code, points, x) - target).square().mean(1) * points.weight
    (expected,) = torch.autograd.grad(misfit.sum(), code)
    torch.testing.assert_close(siren.gradient(code, target, points, x), expected)


def test_inner_steps_lower_the_misfit():
    model = tiny(w0_in=1, rate=0.3)
    graph = batch_graphs([sample_graph(20, 1), sample_graph(15, 2)])
    points = nodes(graph, cond=False)

    def misfit():
        fitted, target = model.reconstruction(graph)
        return points.mean((fitted - target).square()).mean(1)

    after = misfit()
    model.steps = 0
    assert (after < misfit()).all()


def test_codes_work_where_gradients_are_off():
    model, g = tiny(), sample_graph(9, 2)
    expected = model(g).detach()
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            torch.testing.assert_close(model(g), expected)


@pytest.mark.parametrize("widths", [{"inputs": 0}, {"tokens": 0, "wall_inputs": 0}])
def test_the_code_comes_from_what_there_is(widths):
    """Without inputs from boundary and conditions; without tokens from inputs and conditions."""
    widths = replace(WIDTHS, **widths)
    model, g = tiny(widths), sample_graph(9, 3, widths)
    for name in ("inputs", "wall_x", "cond"):
        moved = g.clone()
        moved[name] = g[name] + 0.5
        read = getattr(widths, "tokens" if name == "wall_x" else name)
        assert torch.allclose(model(moved), model(g)) == (read == 0)
    if not widths.inputs:
        with pytest.raises(ValueError, match="no inputs"):
            model.codes(g)


def test_features_are_fitted_where_there_is_nothing_else():
    widths = Widths(features=5, out=3)
    model, g = tiny(widths), sample_graph(9, 4, widths)
    assert torch.equal(model.reconstruction(g)[1], g.x)
    assert isinstance(model.enter, torch.nn.Identity)  # the published map, code to code
    assert model(g).shape == (9, 3)


def test_phases_keep_full_precision_under_bfloat16():
    torch.manual_seed(0)
    model = Coral(WIDTHS).eval()  # published sizes, w0 = 30
    g = sample_graph(50, 5, dtype=torch.float32)
    with torch.no_grad():
        exact = model(g)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(g)
    assert (half - exact).norm() / exact.norm() < 0.02


def test_default_sizes_are_the_published_ones():
    model = Coral(Widths(features=0, inputs=1, out=1))

    def count(module):
        return sum(p.numel() for p in module.parameters())

    layers = (2 * 256 + 256) + 2 * (256 * 256 + 256) + (256 + 1)
    assert count(model.field_in) == count(model.field_out) == layers + 128 * 768 + 768
    assert count(model.map) == 3 * 2 * (128 * 128 + 128) + 128 * 128 + 128
    assert (model.field_in.w0, model.field_out.w0, model.steps) == (10, 30, 3)
    assert model.rate.item() == pytest.approx(0.01)
    first, deep = model.field_in.first.weight, model.field_in.hidden[0].weight
    assert first.abs().max() <= 1 / 2 and deep.abs().max() <= (6 / 256) ** 0.5 / 10


def test_without_tokens_it_keeps_every_promise_too():
    class NoTokens(Coral):
        def __init__(self, widths, **sizes):
            super().__init__(replace(widths, tokens=0, wall_inputs=0), **sizes)

    check_model(NoTokens, SMALL)


def test_reconstruction_can_be_learned_first():
    """The published first stage: a field that was never seen is fitted in three steps."""
    torch.manual_seed(0)
    model = Coral(WAVE, width=64, depth=3, code=16)
    train, test = (batch_graphs([wave(40, s)[0] for s in seeds]) for seeds in (range(16), (50, 51)))
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(80):
        optimiser.zero_grad()
        fitted, target = model.reconstruction(train)
        (fitted - target).square().mean().backward()
        optimiser.step()
    fitted, target = model.reconstruction(test)
    assert (fitted - target).square().mean() < 0.3 * target.square().mean()


def test_it_learns_end_to_end():
    torch.manual_seed(0)
    model = Coral(WAVE, width=64, depth=3, code=16, hidden=32, w0_in=5, w0_out=5)
    assert share_unexplained(model, 150, 2e-3) < 0.3
