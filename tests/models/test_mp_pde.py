"""MP-PDE beside the paper's equations, its bundle and its periodic box."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from meshop.models import Widths
from meshop.models.mp_pde import MPPDE
from meshop.testing import sample_graph

WIDTHS = Widths(features=3, inputs=4, cond=2, out=6)


def slow(model: MPPDE, graph) -> Tensor:
    sender, receiver = graph.edge_index
    n = len(graph.x)
    step = graph.pos[sender] - graph.pos[receiver]
    far = step.norm(dim=1, keepdim=True)
    longest = torch.stack([far[receiver == i].max() for i in range(n)])[receiver, None]
    step = torch.cat([step / longest, far / longest, longest.log()], 1)
    u, theta = graph.inputs, graph.cond.expand(n, -1)
    weight = (graph.weight / graph.weight.sum())[:, None]
    f = F.silu(model.lift[0](torch.cat([graph.x, u, theta], 1)))
    for layer in model.layers:
        phi, psi = layer.block.edge.layers, layer.block.node.layers
        send, receive = layer.block.ends.weight.chunk(2)
        on_edges, on_nodes = layer.theta.weight.chunk(2)
        first = torch.cat([receive, send, layer.past.weight, phi[0].weight, on_edges], 1)
        known = torch.cat(
            [f[receiver], f[sender], u[receiver] - u[sender], step, theta[receiver]], 1
        )
        message = F.silu(phi[1](F.silu(F.linear(known, first, phi[0].bias))))
        mean = torch.stack([message[receiver == i].mean(0) for i in range(n)])
        first = torch.cat([psi[0].weight, layer.block.heard.weight, on_nodes], 1)
        known = torch.cat([f, mean, theta], 1)
        f = f + F.silu(psi[1](F.silu(F.linear(known, first, psi[0].bias))))
        f = f - (weight * f).sum(0)
        f = f / ((weight * f**2).sum(0) + 1e-5).sqrt()
    return model.head(f)


def test_equations():
    torch.manual_seed(0)
    model = MPPDE(WIDTHS, width=8, layers=3).double()
    graph = sample_graph(40, 1, WIDTHS, edges=True)
    found, expected = model(graph), slow(model, graph)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    params = list(model.parameters())
    one = torch.autograd.grad(found.square().sum(), params)
    two = torch.autograd.grad(expected.square().sum(), params)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


def test_bundle():
    """Step k of a bundle of K is k / K of its rate, fields together."""
    torch.manual_seed(0)
    rates = MPPDE(WIDTHS, width=8, layers=1).double()
    bundle = MPPDE(WIDTHS, width=8, layers=1, bundle=3).double()
    bundle.load_state_dict(rates.state_dict())
    graph = sample_graph(20, 1, WIDTHS, edges=True)
    factor = torch.tensor([1, 1, 2, 2, 3, 3], dtype=torch.float64) / 3
    torch.testing.assert_close(bundle(graph), rates(graph) * factor)


def test_nothing_moves_in_a_periodic_box():
    """A ring of nodes rolled around its box, and a bump that starts at another node."""
    torch.manual_seed(0)
    n, length = 24, 3.0
    widths = Widths(features=1, inputs=2, out=2)
    model = MPPDE(widths, width=8, layers=2, period=(length, 0)).double()
    graph = sample_graph(n, 0, widths)
    around = torch.arange(n)
    graph.pos = torch.stack([around * length / n, torch.zeros(n)], 1).double()
    graph.weight = torch.ones(n, dtype=torch.float64)
    graph.edge_index = torch.stack(
        [
            torch.stack([(around - 1) % n, (around + 1) % n], 1).flatten(),
            around.repeat_interleave(2),
        ]
    )
    graph.rowptr = 2 * torch.arange(n + 1)
    first = model(graph)
    for name in ("x", "inputs"):
        graph[name] = graph[name].roll(5, 0)
    torch.testing.assert_close(model(graph), first.roll(5, 0))
    graph.pos = (graph.pos + torch.tensor([0.7 * length, 0])) % torch.tensor([length, 1.0])
    torch.testing.assert_close(model(graph), first.roll(5, 0))
    other = MPPDE(widths, width=8, layers=2).double()
    other.load_state_dict(model.state_dict())
    assert not torch.allclose(other(graph), first.roll(5, 0))


def test_constants_of_the_past_do_not_pass_along_edges():
    """Only differences of the past do: of two nodes' messages about one constant, none changes."""
    torch.manual_seed(0)
    widths = Widths(features=1, inputs=2, out=2)
    model = MPPDE(widths, width=8, layers=2).double()
    with torch.no_grad():
        model.lift[0][0].weight[:, 1:] = 0  # the lift does not see it
    graph = sample_graph(30, 2, widths, edges=True)
    first = model(graph)
    graph.inputs = graph.inputs + torch.tensor([0.3, -2.0])
    torch.testing.assert_close(model(graph), first)


def test_layer_norm_is_of_a_node_alone():
    """With it, a graph's far part does not matter; with the published norm, it does."""
    torch.manual_seed(0)
    widths = Widths(features=1, inputs=2, out=2)
    for norm, alone in (("layer", True), ("instance", False)):
        model = MPPDE(widths, width=8, layers=1, norm=norm).double()
        graph = sample_graph(12, 0, widths)
        graph.edge_index = torch.tensor([range(11), range(1, 12)])
        graph.rowptr = torch.tensor([0, *range(12)])
        first = model(graph)[11]
        graph.inputs[0] += 1
        assert torch.allclose(model(graph)[11], first) is alone


def test_published_size():
    """Six rounds of 128, a past of 25, one condition; no norm has parameters."""
    c, k, edge = 128, 25, 3
    widths = Widths(features=1, inputs=k, cond=1, out=k, dim=1)
    n = sum(p.numel() for p in MPPDE(widths).parameters())
    phi = (2 * c + k + edge + 1 + 1) * c + (c + 1) * c
    psi = (2 * c + 1 + 1) * c + (c + 1) * c
    ends = (1 + k + 1 + 1) * c + (c + 1) * c + (c + 1) * c + (c + 1) * k
    assert n == 6 * (phi + psi) + ends


def test_refused():
    with pytest.raises(ValueError, match="norm: expected one of instance, layer"):
        MPPDE(WIDTHS, norm="batch")
    with pytest.raises(ValueError, match="bundle: expected a divisor of 6 columns, found 4"):
        MPPDE(WIDTHS, bundle=4)
    with pytest.raises(ValueError, match="period: expected 2 lengths, found 1"):
        MPPDE(WIDTHS, period=(1.0,))
