"""Layers that carry values linearly along a geometry: weights from places, values times weights.

Each takes a state t, of the geometry and the conditions alone, which may pass any nonlinearity, and
values v, which are only ever added up and multiplied by what t says. So the result is exactly
linear in v: no bias, no norm and no activation touches it.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .points import Points, by_graph
from .rows import by_rows, sum_rows
from .token_mix import check_heads, integral, join_heads, split_heads, spread

#: Distances below this share of the domain's half-width count as this, in kernels of 1 / distance.
NEAR = 0.01


class GatedLinear(nn.Module):
    """W_2 (gate(t) * W_1 v): what a layer of a perceptron is to a state, for values."""

    def __init__(self, width: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        self.first = nn.Linear(n_in, width, bias=False)
        self.second = nn.Linear(width, n_out, bias=False)
        nn.init.ones_(self.gate.bias)

    def forward(self, t: Tensor, v: Tensor) -> Tensor:
        """t (N, width), v (N, n_in) -> (N, n_out)."""
        return self.second(self.gate(t) * self.first(v))


class CarriedAttention(nn.Module):
    """Receivers read the states and the values of senders with one set of attention weights.

    a_is = softmax_s(q_i . k_s / sqrt(d) - beta log(|x_i - x_s|^2 + NEAR^2) + log w_s), per head,
    with q and k of the states alone and beta >= 0 learned: a boundary value spreads into the
    domain as a mean by a positive kernel that decays with distance, as Poisson's kernel does.
    Returns sum_s a_is (A t_s) and sum_s a_is (B v_s). No senders give zeros. Without `values` there
    are only states, and v is None.
    """

    def __init__(self, width: int, heads: int, values: bool = True) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.t = nn.Linear(width, width)
        self.v = nn.Linear(width, width, bias=False) if values else None
        self.decay = nn.Parameter(torch.linspace(0, 1, heads)[:, None, None])

    def forward(
        self, t_to: Tensor, to: Points, t: Tensor, v: Tensor | None, points: Points
    ) -> tuple[Tensor, Tensor | None]:
        """States (N, C) of receivers; states and values (M, C) of senders -> two of (N, C)."""
        sent = [self.t(t)]
        if self.v is not None:
            sent.append(self.v(v))
        out = by_graph(
            self._attend,
            (to.sizes, (self.q(t_to), to.pos.detach())),
            (points.sizes, (self.k(t), points.pos.detach(), points.weight, *sent)),
        ).to(t_to.dtype)
        states, *values = out.chunk(len(sent), dim=1)
        return states, values[0] if values else None

    def _attend(
        self, q: Tensor, pos_to: Tensor, k: Tensor, pos: Tensor, weight: Tensor, *sent: Tensor
    ) -> Tensor:
        exact = weight.dtype
        k = split_heads(k, self.heads).transpose(-1, -2) / (k.shape[-1] / self.heads) ** 0.5
        heads = [split_heads(part.to(exact), self.heads) for part in sent]
        decay = self.decay.to(exact).clamp(min=0)

        def read(q: Tensor, pos_to: Tensor) -> Tensor:
            step = pos_to.to(exact)[:, :, None] - pos.to(exact)[:, None]
            far = step.square().sum(-1).add(NEAR**2).log()[:, None]  # (B, 1, n, m)
            logit = (split_heads(q, self.heads) @ k).to(exact)
            share = (logit - decay * far + weight.log()[:, None, None]).softmax(-1)
            return torch.cat([join_heads(share @ part) for part in heads], dim=-1)

        # Some receivers at a time, so that their pairs with all senders stay in the cache.
        return by_rows(read, max(len(q) * self.heads * len(pos[0]), 1), q, pos_to, dim=1)


class LowRankKernel(nn.Module):
    """y_i = sum_g phi_g(t_i) sum_n w_n psi_g(t_n) v_n: a global kernel of some rank, for values."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.factors = nn.Linear(width, 2 * rank)

    def forward(self, t: Tensor, v: Tensor, points: Points) -> Tensor:
        """t (N, C), v (N, D) -> (N, D)."""
        return by_graph(self._integrate, (points.sizes, (t, v, points.weight)))

    def _integrate(self, t: Tensor, v: Tensor, weight: Tensor) -> Tensor:
        phi, psi = (
            partial(F.linear, weight=w, bias=b)
            for w, b in zip(self.factors.weight.chunk(2), self.factors.bias.chunk(2), strict=True)
        )
        wide = 2 * len(t) * (t.shape[-1] + v.shape[-1])

        def part(t: Tensor, v: Tensor, weight: Tensor) -> Tensor:
            return integral(psi(t), v, weight)

        token = sum_rows(part, wide, t, v, weight, dim=1).to(v.dtype)
        return by_rows(lambda t: spread(phi(t), token), wide, t, dim=1)
