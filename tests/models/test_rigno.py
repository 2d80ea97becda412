"""RIGNO beside the paper's equations, written out edge by edge."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from meshop.models import Widths
from meshop.models.rigno import RIGNO, ConditionalNorm
from meshop.nn import nodes
from meshop.nn.regional import regions
from meshop.nn.row_mlp import RowMLP
from meshop.testing import sample_graph

from .graph_learning import relative_error, waves
from .slow_messages import assert_same

WIDTHS = Widths(features=4, inputs=2, cond=2, out=3, scalars=1)


def perceptron(part: RowMLP, x: Tensor, *others: tuple[Tensor, Tensor]) -> Tensor:
    """With rows y and weights of others beside x in the first layer."""
    first, *rest = part.layers
    x = F.linear(
        torch.cat([x, *(y for y, _ in others)], 1),
        torch.cat([first.weight, *(w for _, w in others)], 1),
        first.bias,
    )
    for layer in rest:
        x = layer(F.silu(x))
    return part.norm(x)


def normed(norm: ConditionalNorm, y: Tensor, cond: Tensor) -> Tensor:
    scale, shift = torch.ones_like(y), torch.zeros_like(y)
    both = norm.layers(cond)[0].view(cond.shape[1], 2, -1)
    for k in range(cond.shape[1]):
        scale = scale + cond[0, k] * both[k, 0]
        shift = shift + cond[0, k] * both[k, 1]
    return y * scale + shift


def one_round(block, sent, h, e, bridge, cond):
    sender, receiver = bridge.sender, bridge.receiver
    m = perceptron(
        block.edge, e, (sent[sender], block.sender.weight), (h[receiver], block.receiver.weight)
    )
    m = normed(block.edge_norm, m, cond)
    heard = torch.zeros_like(h)
    for i in range(len(h)):
        mine = receiver == i
        heard[i] = (bridge.share[mine, None] * m[mine]).sum(0)
    y = perceptron(block.node, h, (heard, block.heard.weight))
    return h + normed(block.node_norm, y, cond), e + m


def slow(model: RIGNO, graph) -> Tensor:
    cond = graph.cond
    found = regions(nodes(graph), *graph.edge_index, 0.25, 2, (1.0, 2.0))
    p = perceptron(model.lift, torch.cat([graph.x, graph.inputs, cond.expand(len(graph.x), -1)], 1))
    r = torch.cat([found.reach.log(), cond.expand(len(found.points), -1)], 1)
    r = perceptron(model.region, r)
    r, _ = one_round(model.encoder, p, r, perceptron(model.edges_in, found.to.step), found.to, cond)
    p = p + normed(model.own_norm, perceptron(model.own, p), cond)
    e = perceptron(model.edges_among, found.among.step)
    for block in model.processor:
        r, e = one_round(block, r, r, e, found.among, cond)
    e = perceptron(model.edges_out, found.back.step)
    p, _ = one_round(model.decoder, r, p, e, found.back, cond)
    return model.head(p)


def make(**sizes) -> RIGNO:
    torch.manual_seed(0)
    model = RIGNO(WIDTHS, **{"width": 8, "rounds": 3, "levels": 2} | sizes).double()
    for norm in model.modules():
        if isinstance(norm, ConditionalNorm):
            for part in norm.parameters():
                torch.nn.init.normal_(part, std=0.5)
    return model


def test_equations():
    model, graph = make().eval(), sample_graph(60, 1, WIDTHS, edges=True)
    assert_same(model, slow, graph)


def test_edges_are_left_out_in_training_alone():
    model, graph = make(), sample_graph(60, 1, WIDTHS, edges=True)
    model.train()
    assert not torch.equal(model(graph), model(graph))
    torch.manual_seed(1)
    one = model(graph)
    torch.manual_seed(1)
    assert torch.equal(model(graph), one)
    model.eval()
    state = torch.get_rng_state()
    assert torch.equal(model(graph), model(graph))
    assert torch.equal(torch.get_rng_state(), state)
    whole = make(masking=0.0).train()
    assert torch.equal(whole(graph), model(graph))


def test_gradients_of_a_training_step_are_the_same_with_checkpoints():
    model, graph = make().train(), sample_graph(60, 1, WIDTHS, edges=True)
    found = []
    for model.checkpointing in (False, True):
        torch.manual_seed(1)
        model.zero_grad()
        model(graph).square().sum().backward()
        found.append(
            torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-12)


def test_no_conditions_change_no_norm():
    norm = ConditionalNorm(5, 2)
    y, batch = torch.randn(7, 5), torch.zeros(7, dtype=torch.long)
    assert torch.equal(norm(y, torch.zeros(1, 2), batch), y)
    assert torch.equal(ConditionalNorm(5, 0)(y, torch.zeros(1, 0), batch), y)


def test_regions_reach_across_the_domain():
    """Long edges let the first of a chain of nodes know the last in a few rounds."""
    n, widths = 400, Widths(features=1, out=1)
    graph = sample_graph(n, 0, widths)
    graph.pos = torch.arange(n, dtype=torch.float64)[:, None].expand(n, 2)
    left, right = torch.arange(n - 1), torch.arange(1, n)
    graph.edge_index = torch.cat([torch.stack([left, right]), torch.stack([right, left])], 1)
    torch.manual_seed(0)
    reached = []
    for levels in (1, 4):
        model = RIGNO(widths, width=8, rounds=6, levels=levels).double().eval()
        x = graph.x.clone().requires_grad_()
        graph.x = x
        (slope,) = torch.autograd.grad(model(graph)[0].sum(), x)
        reached.append(bool(slope[-1] != 0))
    assert reached == [False, True]


def test_wrong_masking():
    with pytest.raises(ValueError, match="masking: expected a share"):
        RIGNO(WIDTHS, masking=1.0)


def test_learns():
    torch.manual_seed(0)
    graph = waves(edges=True)
    widths = Widths(features=2, tokens=4, wall_inputs=1, cond=2, out=1)
    model = RIGNO(widths, width=16, rounds=1, levels=2, masking=0.0)
    assert relative_error(model, graph, 50) < 0.15
