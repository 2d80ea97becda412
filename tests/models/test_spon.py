"""SPON beside its equations written out with dense matrices, and values that are prescribed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from meshop.graph import GraphSpec, LevelSpec, levels_of
from meshop.models import Widths
from meshop.models.spon import SPON
from meshop.testing import sample_graph
from meshop.testing._models import batch_graphs

from .graph_learning import relative_error, waves
from .slow_messages import one_round, perceptron

WIDTHS = Widths(features=4, inputs=2, cond=1, out=3, scalars=1)


def slow(model: SPON, graph, fixed: str = "none") -> Tensor:
    spec = LevelSpec(method="farthest", count=2, ratio=0.25, neighbours=3, fixed=fixed)
    levels = levels_of(graph, spec)
    held = spec.prescribed(graph.kind) if fixed != "none" else torch.zeros(len(graph.x)).bool()
    masks = [held, *(v.fixed for v in levels)]
    h = torch.cat([graph.x, graph.inputs, graph.cond.expand(len(graph.x), -1)], 1)
    h = perceptron(model.node, h)
    sets = [(graph.pos, *graph.edge_index, graph.weight)]
    sets += [(v.pos, *v.edge_index(), v.weight) for v in levels]
    told = [h]
    skips, mass = [], graph.weight

    def hold(h: Tensor, number: int) -> Tensor:
        out = h.clone()
        out[masks[number]] = told[number][masks[number]]
        return out

    for number in (0, 1):
        (block,) = model.messages.down[number]
        h = hold(one_round(block, h, *sets[number]), number)
        skips.append(h)
        # M_coarse^-1 P^T M_fine, and the same of the prescribed nodes alone
        up = levels[number].up.dense()
        coarse = up.t() @ mass
        among = up.t() * (mass * masks[number])
        told.append(among @ told[number] / among.sum(1, keepdim=True).clamp_min(1e-300))
        h, mass = (up.t() @ (mass[:, None] * h)) / coarse[:, None], coarse
        h = hold(h, number + 1)
    for block in model.messages.down[2]:
        h = hold(one_round(block, h, *sets[2]), 2)
    for number in (1, 0):
        (block,) = model.messages.up[number]
        h = hold(levels[number].up.dense() @ h, number)
        h = hold(skips[number] + one_round(block, h, *sets[number]), number)
    return model.head(h)


def test_equations():
    torch.manual_seed(0)
    model = SPON(WIDTHS, width=8, rounds=3).double()
    graph = sample_graph(60, 1, WIDTHS, edges=True)
    torch.testing.assert_close(model(graph), slow(model, graph), rtol=1e-9, atol=1e-11)


def known(n: int, seed: int):
    graph = sample_graph(n, seed, WIDTHS, edges=True)
    graph.kind = (torch.arange(n) % 3).to(torch.uint8)
    return graph


@pytest.mark.parametrize("fixed", ["boundary", "wall"])
def test_equations_with_prescribed_states_on_every_level(fixed):
    torch.manual_seed(0)
    model = SPON(WIDTHS, width=8, rounds=3, given=(0, 1, 1), fixed=fixed, hold=True).double()
    graph = known(60, 1)
    held = graph.kind == 1 if fixed == "wall" else graph.kind > 0
    found = model(graph)[~held]
    torch.testing.assert_close(found, slow(model, graph, fixed)[~held], rtol=1e-9, atol=1e-11)
    free = slow(model, graph)[~held]
    assert float((found - free).detach().abs().max()) > 1e-3


def test_a_batch_with_prescribed_states_gives_what_its_members_give():
    torch.manual_seed(0)
    model = SPON(WIDTHS, width=8, given=(0, 1, 1), hold=True).double()
    graphs = [known(20, 1), known(7, 2)]
    alone = torch.cat([model(graph) for graph in graphs])
    torch.testing.assert_close(model(batch_graphs(graphs)), alone, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("fixed", ["boundary", "wall"])
def test_prescribed_values_hold_whatever_the_network_says(fixed):
    torch.manual_seed(0)
    given = (1, None, 0)
    model = SPON(WIDTHS, width=8, given=given, fixed=fixed).double()
    free = SPON(WIDTHS, width=8).double()
    free.load_state_dict({k: v for k, v in model.state_dict().items() if "value_" not in k}, False)
    normaliser = SimpleNamespace(
        prior_mix=torch.zeros(0, 3),
        inputs_mean=torch.tensor([3.0, -1.0]).double(),
        inputs_std=torch.tensor([2.0, 5.0]).double(),
        field_scale=torch.tensor([7.0, 1.0, 0.5]).double(),
        field_shift=torch.tensor([1.0, 2.0, -4.0]).double(),
    )
    model.tie(normaliser, GraphSpec(location="point"))
    graph = batch_graphs([known(20, 1), known(7, 2)])
    held = graph.kind == 1 if fixed == "wall" else graph.kind > 0
    found, expected = model(graph), free(graph)
    values = graph.inputs * normaliser.inputs_std + normaliser.inputs_mean
    fields = found * normaliser.field_scale + normaliser.field_shift
    for field, column in ((0, 1), (2, 0)):
        torch.testing.assert_close(fields[held, field], values[held, column])
        torch.testing.assert_close(found[~held, field], expected[~held, field])
    torch.testing.assert_close(found[:, 1], expected[:, 1])
    # What is prescribed has no error to learn from.
    (slope,) = torch.autograd.grad(found[held][:, [0, 2]].sum(), model.head[-1].weight)
    assert float(slope.abs().max()) == 0


def test_what_cannot_be_prescribed():
    with pytest.raises(ValueError, match="given: expected 3 columns or none, found 1"):
        SPON(WIDTHS, given=(0,))
    with pytest.raises(ValueError, match="given: expected columns of 2 inputs"):
        SPON(WIDTHS, given=(0, 2, None))
    with pytest.raises(ValueError, match="hold: expected a column of every field"):
        SPON(WIDTHS, given=(0, None, 1), hold=True)
    with pytest.raises(ValueError, match="fixed: expected one of boundary, wall"):
        SPON(WIDTHS, fixed="inlet")
    model = SPON(WIDTHS, width=8, given=(1, None, 0)).double()
    with pytest.raises(ValueError, match="the fields are of cells"):
        model.tie(None, GraphSpec(location="cell"))
    with pytest.raises(ValueError, match="potential flow as base"):
        model.tie(SimpleNamespace(prior_mix=torch.ones(1, 3)), GraphSpec(location="point"))
    with pytest.raises(ValueError, match="knows its nodes' kind"):
        model(sample_graph(20, 0, WIDTHS, edges=True))


def test_learns():
    torch.manual_seed(0)
    graph = waves(edges=True)
    widths = Widths(features=2, tokens=4, wall_inputs=1, cond=2, out=1)
    model = SPON(widths, width=16, rounds=2, hidden=1)
    assert relative_error(model, graph, 60) < 0.15
