"""Messages beside the same written out with concatenations, and what they keep in memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meshop.nn import rows
from meshop.nn.interaction import InteractionBlock, Wires
from meshop.nn.row_mlp import Pairs, RowMLP


def random_graph(n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Senders, receivers and rowptr of n nodes with none to seven neighbours; multi-edges too."""
    draw = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 8, (n,), generator=draw)
    receiver = torch.arange(n).repeat_interleave(counts)
    sender = torch.randint(0, n, (len(receiver),), generator=draw)
    return sender, receiver, F.pad(counts.cumsum(0), (1, 0))


def wires_of(n: int, seed: int = 0) -> tuple[Wires, Tensor, Tensor]:
    sender, receiver, rowptr = random_graph(n, seed)
    w = torch.rand(n, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64) + 0.1
    total = torch.zeros(n, dtype=torch.float64).index_add(0, receiver, w[sender])
    share = w[sender] / total[receiver]
    return Wires.of(sender, receiver, rowptr, share), sender, receiver


def slow_mlp(mlp: RowMLP, first: Tensor, x: Tensor) -> Tensor:
    """The perceptron whose first layer has all its columns in `first`."""
    act = F.relu if mlp.act is nn.ReLU else F.silu
    x = x @ first.T + mlp.layers[0].bias
    for layer in mlp.layers[1:]:
        x = act(x) @ layer.weight.T + layer.bias
    if mlp.norm is not None:
        mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
        x = (x - mean) / (var + 1e-5).sqrt() * mlp.norm.weight + mlp.norm.bias
    return act(x) if mlp.act_last else x


def slow_block(
    block: InteractionBlock, h: Tensor, e: Tensor, sender: Tensor, receiver: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    first = torch.cat([*block.ends.weight.chunk(2), block.edge.layers[0].weight], 1)
    message = slow_mlp(block.edge, first, torch.cat([h[sender], h[receiver], e], 1))
    message = e + message if block.edge_residual else message
    heard = torch.zeros_like(h)
    for i in range(len(h)):
        here = message[receiver == i]
        if len(here) and block.aggregate == "sum":
            heard[i] = here.sum(0)
        elif len(here) and block.aggregate == "mean":
            heard[i] = here.mean(0)
        elif len(here):
            heard[i] = (share[receiver == i][:, None] * here).sum(0)
    first = torch.cat([block.node.layers[0].weight, block.heard.weight], 1)
    h = h + slow_mlp(block.node, first, torch.cat([h, heard], 1))
    return h, message if block.edge_residual else e


KINDS = {
    "MeshGraphNets": {},
    "MP-PDE": {
        "n_edge": 3, "depth": 2, "act": nn.SiLU, "norm": False, "act_last": True,
        "edge_residual": False, "aggregate": "mean",
    },
    "quadrature": {"aggregate": "quadrature", "act": nn.SiLU, "depth": 1, "act_last": True},
    "one layer": {"depth": 1, "norm": False},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blocks", [False, True])
def test_block_beside_concatenations(kind, blocks, monkeypatch):
    """Values and all gradients; `blocks`: edges in several blocks of rows."""
    if blocks:
        monkeypatch.setattr(rows, "BLOCK", 1)  # 64 rows
    torch.manual_seed(0)
    block = InteractionBlock(6, **KINDS[kind]).double()
    for p in block.parameters():
        nn.init.normal_(p, std=0.5)
    n = 60
    wires, sender, receiver = wires_of(n)
    assert len(sender) > 128
    h = torch.randn(n, 6, dtype=torch.float64, requires_grad=True)
    n_edge = KINDS[kind].get("n_edge", 6)
    e = torch.randn(len(sender), n_edge, dtype=torch.float64, requires_grad=True)
    inputs = [h, e, *block.parameters()]
    slopes = torch.randn(n, 6, dtype=torch.float64), torch.randn(e.shape, dtype=torch.float64)

    def gradients(out):
        loss = sum((a * s).sum() for a, s in zip(out, slopes, strict=True))
        return torch.autograd.grad(loss, inputs)

    found, expected = (
        block(h, e, wires),
        slow_block(block, h, e, sender, receiver, wires.hearing["quadrature"].share),
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for a, b in zip(gradients(found), gradients(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        before = e.clone()
        for a, b in zip(block(h, e, wires), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
        assert torch.equal(e, before)


def test_what_else_the_nodes_know():
    """`ends` and `heard` are columns of the first layers."""
    torch.manual_seed(0)
    block = InteractionBlock(5).double()
    wires, sender, receiver = wires_of(20)
    h, more = torch.randn(20, 5, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64)
    e = torch.randn(len(sender), 5, dtype=torch.float64)
    send, receive, node = (torch.randn(5, 3, dtype=torch.float64) for _ in range(3))
    ends = torch.cat([more @ send.T, more @ receive.T], 1)
    found, edges = block(h, e, wires, ends, more @ node.T)
    first = torch.cat([*block.ends.weight.chunk(2), block.edge.layers[0].weight, send, receive], 1)
    columns = [h[sender], h[receiver], e, more[sender], more[receiver]]
    message = e + slow_mlp(block.edge, first, torch.cat(columns, 1))
    torch.testing.assert_close(edges, message)
    heard = torch.zeros_like(h).index_add(0, receiver, message)
    first = torch.cat([block.node.layers[0].weight, block.heard.weight, node], 1)
    expected = h + slow_mlp(block.node, first, torch.cat([h, heard, more], 1))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("act", [nn.ReLU, nn.SiLU])
def test_gradients_twice(act):
    torch.manual_seed(0)
    mlp = RowMLP(3, 4, 3, act=act).double()
    first, second = torch.tensor([0, 2, 2, 1, 4]), torch.tensor([1, 1, 3, 3, 0])
    pairs = Pairs.of(first, second, 5)
    x, table = (torch.randn(5, n, dtype=torch.float64, requires_grad=True) for n in (3, 4))
    function = lambda x, table, *_: mlp(x, table, pairs, residual=True)  # noqa: E731
    inputs = (x, table, *mlp.parameters())
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_some_gradients_alone():
    """What needs no gradient gets none, and the rest is as ever."""
    torch.manual_seed(0)
    mlp = RowMLP(3, 4, 3).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    given = torch.randn(7, 4, dtype=torch.float64)
    wanted = [t.clone().requires_grad_() for t in (x, given)]
    both = torch.autograd.grad(mlp(*wanted).square().sum(), wanted)
    (alone,) = torch.autograd.grad(mlp(wanted[0], given).square().sum(), wanted[0])
    assert torch.equal(alone, both[0])
    (alone,) = torch.autograd.grad(mlp(x, wanted[1]).square().sum(), wanted[1])
    assert torch.equal(alone, both[1])
    for p in mlp.parameters():
        p.requires_grad_(False)
    (alone,) = torch.autograd.grad(mlp(wanted[0], given).square().sum(), wanted[0])
    assert torch.equal(alone, both[0])


def test_no_rows():
    mlp = RowMLP(3, 4, 2)
    x = torch.zeros(0, 3, requires_grad=True)
    mlp(x).sum().backward()
    assert x.grad.shape == (0, 3) and mlp(x).shape == (0, 2)
    assert all(not p.grad.any() for p in mlp.parameters())


def test_overwriting():
    """Edges' states stay where they are without gradients, and are left alone with them."""
    block = InteractionBlock(4)
    wires, sender, _ = wires_of(15)
    h, e = torch.randn(15, 4), torch.randn(len(sender), 4)
    kept = e.clone()
    _, out = block(h, e, wires, overwrite=True)
    assert torch.equal(e, kept) and out.data_ptr() != e.data_ptr()
    with torch.no_grad():
        _, again = block(h, e, wires, overwrite=True)
    assert again.data_ptr() == e.data_ptr()
    assert torch.equal(again, out)


def test_what_is_kept_of_edges():
    """Of a block the states of its edges and two hidden layers, and nothing of three states."""
    wires, sender, _ = wires_of(200)
    blocks = [InteractionBlock(8) for _ in range(4)]
    h, e = torch.randn(200, 8, requires_grad=True), torch.randn(len(sender), 8)
    kept: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        if t.is_floating_point() and t.shape[0] >= len(sender):
            kept[t.untyped_storage().data_ptr()] = t.shape[1]
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        for block in blocks:
            h, e = block(h, e, wires)
    assert sorted(kept.values()) == [8] * 3 * len(blocks)


def test_parts_start_as_one_layer():
    torch.manual_seed(0)
    block = InteractionBlock(64)
    bound = 192**-0.5
    for weight in (block.ends.weight, block.edge.layers[0].weight):
        assert 0.95 * bound < float(weight.detach().abs().max()) <= bound


def test_unknown_names():
    with pytest.raises(ValueError, match="aggregate: expected one of sum, mean, quadrature"):
        InteractionBlock(4, aggregate="max")
    with pytest.raises(ValueError, match=r"act: expected nn.ReLU or nn.SiLU, found Tanh"):
        RowMLP(3, 4, act=nn.Tanh)
