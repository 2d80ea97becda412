import copy

import pytest
import torch
from torch import nn

from meshop.train._optimizer import SMALLEST, MuonAdamW

LR = 1e-2


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 24), nn.SiLU(), nn.Linear(24, 40), nn.SiLU(), nn.Linear(40, 2)
    )


def backward(net: nn.Module, seed: int) -> None:
    net.zero_grad()
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(seed))
    (net(x) - torch.stack([x.prod(1), x.sum(1)], dim=1)).square().mean().backward()


def test_hidden_matrices_move_alike_in_every_direction():
    net = network()
    before = net[2].weight.detach().clone()
    optimizer = MuonAdamW(net.parameters(), LR, weight_decay=0.0)
    backward(net, 1)
    spread = torch.linalg.svdvals(net[2].weight.grad)
    optimizer.step()
    moved = torch.linalg.svdvals(net[2].weight.detach() - before) / (0.2 * LR * 40**0.5)
    large = spread > 1e-2 * spread[0]  # what rounding leaves of the others has no direction
    assert spread[large].max() / spread[large].min() > 10 and large.sum() >= 5
    # Five Newton-Schulz steps in bfloat16 bring singular values to about one, no closer.
    assert moved[large].min() > 0.5 and moved.max() < 1.3


def test_all_else_moves_as_by_adamw():
    net, twin = network(), network()
    optimizer = MuonAdamW(net.parameters(), LR)
    adamw = torch.optim.AdamW(twin.parameters(), LR, weight_decay=1e-4, fused=True)
    backward(net, 1)
    backward(twin, 1)
    optimizer.step()
    adamw.step()
    same = {
        n for n, p in net.named_parameters() if torch.equal(p, dict(twin.named_parameters())[n])
    }
    assert SMALLEST == 16  # the first and the last matrix have 3 columns and 2 rows
    assert same == {n for n, _ in net.named_parameters()} - {"2.weight"}


def test_a_rate_set_on_the_groups_is_that_of_the_steps():
    net = network()
    before = copy.deepcopy(net.state_dict())
    optimizer = MuonAdamW(net.parameters(), LR)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    backward(net, 1)
    optimizer.step()
    assert all(torch.equal(before[n], p) for n, p in net.named_parameters())


def test_a_saved_state_goes_on_to_the_bit():
    def run(net: nn.Module, optimizer: MuonAdamW, seeds: range) -> None:
        for seed in seeds:
            backward(net, seed)
            optimizer.step()

    whole, halves = network(), network()
    run(whole, MuonAdamW(whole.parameters(), LR), range(6))
    first = MuonAdamW(halves.parameters(), LR)
    run(halves, first, range(3))
    second = MuonAdamW(halves.parameters(), 1.0)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(halves, second, range(3, 6))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), halves.parameters(), strict=True)
    )


@pytest.mark.parametrize("net", [nn.Linear(2, 3), nn.Linear(32, 32, bias=False)])
def test_parameters_of_one_kind_only(net: nn.Module):
    before = net.weight.detach().clone()
    optimizer = MuonAdamW(net.parameters(), LR)
    net(torch.ones(5, net.in_features)).square().sum().backward()
    assert optimizer.step(lambda: 3.0) == 3.0
    assert not torch.equal(net.weight, before)
