"""Perceptrons of edges and nodes, a block of rows at a time, that keep little but their input.

    z_1 = W_1 x + b_1 + g,   z_l = W_l act(z_{l-1}) + b_l,   y = [x +] [act] [LN] z_L

g is given, a row each or gathered: the sum of two rows of a table, which is how the first layer of
an edge's perceptron sees its two nodes without any (E, 3C) tensor. Without gradients only y is
kept. With them the sums of the hidden layers are too; the last layer, its norm and the activations
are computed anew in the backward pass, block by block in cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import CsrTranspose, csr_transpose, gather_reduce, segment_reduce
from .rows import row_blocks

aten = torch.ops.aten

#: Widths that a row of a block counts for: its buffers are to stay in a core's own cache.
ROW = 2


@dataclass(frozen=True)
class Pairs:
    """Which two rows of a table each edge adds up: first, second (E,), and the edges of each row
    (`back`, for gradients)."""

    first: Tensor
    second: Tensor
    back: CsrTranspose | None

    @classmethod
    def of(cls, first: Tensor, second: Tensor, rows: int) -> Pairs:
        """Pairs of a table of `rows` rows. Sorts for gradients where those are on."""
        if not torch.is_grad_enabled():
            return cls(first, second, None)
        both = torch.stack([first, second], dim=1).flatten()
        pointer = torch.arange(0, len(both) + 1, 2, device=both.device)
        return cls(first, second, csr_transpose(both, pointer, rows))


@dataclass(frozen=True)
class Hearing:
    """How receivers add up the rows of their edges: rowptr (N + 1,), receiver (E,), and share (E,),
    by which each counts, or None for a sum."""

    rowptr: Tensor
    receiver: Tensor
    share: Tensor | None = None

    def sum(self, y: Tensor) -> Tensor:
        """(E, C) -> (N, C), in float32 or better."""
        if self.share is None:
            return segment_reduce(y, self.rowptr)
        return segment_reduce(y.to(self.share.dtype) * self.share[:, None], self.rowptr).to(y.dtype)

    def spread(self, rows: Tensor, a: int, b: int, out: Tensor) -> None:
        """What a gradient (N, C) of the sums is for rows a to b, into out (b - a, C)."""
        torch.index_select(rows, 0, self.receiver[a:b], out=out)
        if self.share is not None:
            out *= self.share[a:b, None].to(out.dtype)


class RowMLP(nn.Module):
    """A perceptron of the given widths: linear layers with an activation between them.

    norm: a LayerNorm on the last; act_last: the activation there too. `act` is nn.ReLU or nn.SiLU.
    """

    def __init__(
        self,
        *widths: int,
        act: type[nn.Module] = nn.ReLU,
        norm: bool = True,
        act_last: bool = False,
    ) -> None:
        super().__init__()
        if act not in _ACTS:
            raise ValueError(f"act: expected nn.ReLU or nn.SiLU, found {act.__name__}")
        self.act, self.act_last = act, act_last
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norm = nn.LayerNorm(widths[-1]) if norm else None

    def forward(
        self,
        x: Tensor,
        given: Tensor | None = None,
        pairs: Pairs | None = None,
        residual: bool = False,
    ) -> Tensor:
        """x (R, n_in) -> (R, n_out).

        given (R, n) is added in the first layer, or with pairs (M, n) a table of which each row
        adds two. residual: x is added to the result.
        """
        return self._run(x, given, pairs, residual, None, False)[0]

    def messages(
        self,
        x: Tensor,
        given: Tensor,
        pairs: Pairs,
        hearing: Hearing,
        residual: bool = False,
        overwrite: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The same of edges, and the sums of the results (N, n_out) at their receivers.

        overwrite: the results may take the place of x where no gradient is recorded.
        """
        return self._run(x, given, pairs, residual, hearing, overwrite)

    def _run(
        self,
        x: Tensor,
        given: Tensor | None,
        pairs: Pairs | None,
        residual: bool,
        hearing: Hearing | None,
        overwrite: bool,
    ) -> tuple[Tensor, Any]:
        params: list[Tensor] = [p for layer in self.layers for p in layer.parameters()]
        if self.norm is not None:
            params += [self.norm.weight, self.norm.bias]
        plan = _Plan(self.act, self.norm is not None, self.act_last, residual)
        # The compiler and autocast know what to do with plain layers, and sums of many blocks are
        # not for half precision.
        half = torch.is_autocast_enabled(x.device.type) or x.dtype.itemsize < 4
        if half or torch.compiler.is_compiling():
            return _plain(plan, hearing, pairs, x, given, *params)
        if not torch.is_grad_enabled():
            return _forward(plan, hearing, pairs, x, given, params, overwrite and residual)
        return _Rows.apply(plan, hearing, pairs, x, given, *params)


@dataclass(frozen=True)
class _Plan:
    act: type[nn.Module]
    norm: bool
    act_last: bool
    residual: bool


#: (z, out=) and (slope, z, grad_input=) of each activation.
_ACTS: dict[type[nn.Module], tuple[Any, Any]] = {
    nn.ReLU: (lambda z, out: torch.clamp_min(z, 0, out=out),
              lambda g, z, grad_input: aten.threshold_backward.grad_input(
                  g, z, 0, grad_input=grad_input)),
    nn.SiLU: (aten.silu.out, aten.silu_backward.grad_input),
}  # fmt: skip
_EPS = 1e-5


def _plain(
    plan: _Plan,
    hearing: Hearing | None,
    pairs: Pairs | None,
    x: Tensor,
    given: Tensor | None,
    *params: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """What the rest computes, in layers that autograd knows."""
    act = F.relu if plan.act is nn.ReLU else F.silu
    weights, biases, norm = _parts(plan, params)
    z = F.linear(x, weights[0], biases[0])
    if given is not None:
        z = z + (given if pairs is None else given[pairs.first] + given[pairs.second])
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        z = F.linear(act(z), weight, bias)
    if norm:
        z = F.layer_norm(z, z.shape[1:], norm[0], norm[1], _EPS)
    if plan.act_last:
        z = act(z)
    y = x + z if plan.residual else z
    return y, None if hearing is None else hearing.sum(y)


def _parts(plan: _Plan, params: Any) -> tuple[Any, Any, Any]:
    linear = params[:-2] if plan.norm else params
    return linear[::2], linear[1::2], params[-2:] if plan.norm else ()


class _Block:
    """The layers of one block of rows, in buffers that all blocks share."""

    def __init__(
        self, plan: _Plan, x: Tensor, given: Tensor | None, pairs: Pairs | None, params: Any
    ):
        self.plan, self.x, self.given, self.pairs = plan, x, given, pairs
        self.weights, self.biases, self.norm = _parts(plan, params)
        self.act, self.slope = _ACTS[plan.act]
        self.widths = [len(b) for b in self.biases]
        per_row = ROW * max(*self.widths, x.shape[1])
        self.bounds = []
        start = 0
        for (part,) in row_blocks(per_row, x):
            self.bounds.append((start, start + len(part)))
            start += len(part)
        size = self.bounds[0][1]
        self.z = [x.new_empty(size, n) for n in self.widths]
        self.spare = torch.empty_like(self.z[0])
        # ReLU's slope can be told from its value, and needs no place of its own.
        self.h = self.z if plan.act is nn.ReLU else [torch.empty_like(t) for t in self.z]

    def forward(
        self, a: int, b: int, kept: Sequence[Tensor] = (), known: bool = False
    ) -> tuple[list[Tensor], list[Tensor], Any, Tensor]:
        """Of rows a to b: sums and activations of the layers, statistics of the norm, result.

        kept: the places of all rows' hidden layers, which are there already where `known`.
        """
        z, h = [t[: b - a] for t in self.z], [t[: b - a] for t in self.h]
        in_place = self.h is self.z
        for i, t in enumerate(kept):
            z[i] = t[a:b]
            h[i] = z[i] if in_place else h[i]
        done = len(kept) if known else 0
        if done:
            pass
        elif self.given is None:
            torch.addmm(self.biases[0], self.x[a:b], self.weights[0].t(), out=z[0])
        else:
            if self.pairs is None:
                torch.add(self.given[a:b], self.biases[0], out=z[0])
            else:
                torch.index_select(self.given, 0, self.pairs.first[a:b], out=z[0])
                spare = self.spare[: b - a]
                z[0] += torch.index_select(self.given, 0, self.pairs.second[a:b], out=spare)
                z[0] += self.biases[0]
            z[0].addmm_(self.x[a:b], self.weights[0].t())
        for i in range(1, len(z)):
            if i > done or not in_place:
                self.act(z[i - 1], out=h[i - 1])
            if i >= done:
                torch.addmm(self.biases[i], h[i - 1], self.weights[i].t(), out=z[i])
        y, stats = z[-1], None
        if self.norm:
            gain, shift = self.norm
            y, *stats = torch.native_layer_norm(y, y.shape[1:], gain, shift, _EPS)
        return z, h, stats, y


def _forward(
    plan: _Plan,
    hearing: Hearing | None,
    pairs: Pairs | None,
    x: Tensor,
    given: Tensor | None,
    params: Any,
    overwrite: bool = False,
    kept: Sequence[Tensor] = (),
) -> tuple[Tensor, Tensor | None]:
    block = _Block(plan, x, given, pairs, params)
    out = x if overwrite else x.new_empty(len(x), block.widths[-1])
    for a, b in block.bounds:
        _, h, _, y = block.forward(a, b, kept)
        if plan.act_last:
            y = block.act(y, out=h[-1])
        if plan.residual:
            torch.add(x[a:b], y, out=out[a:b])
        else:
            out[a:b] = y
    return out, None if hearing is None else hearing.sum(out)


class _Rows(torch.autograd.Function):
    """The rows with gradients; `_plain` gives those of the gradients."""

    @staticmethod
    def forward(ctx, plan, hearing, pairs, x, given, *params):
        ctx.plan, ctx.hearing, ctx.pairs = plan, hearing, pairs
        ctx.set_materialize_grads(False)
        hidden = _parts(plan, params)[1][:-1]
        kept = [x.new_empty(len(x), len(bias)) for bias in hidden]
        ctx.save_for_backward(x, given, *params, *kept)
        ctx.kept = len(kept)
        return _forward(plan, hearing, pairs, x, given, params, kept=kept)

    @staticmethod
    def backward(ctx, grad, to_heard):
        plan, hearing, pairs = ctx.plan, ctx.hearing, ctx.pairs
        saved = ctx.saved_tensors
        inputs, kept = saved[: len(saved) - ctx.kept], saved[len(saved) - ctx.kept :]
        x, given, *params = inputs
        if grad is None and to_heard is None:
            return (None,) * (3 + len(inputs))
        if torch.is_grad_enabled():  # a gradient of the gradient is asked for
            return None, None, None, *_again(plan, hearing, pairs, inputs, (grad, to_heard))
        block = _Block(plan, x, given, pairs, params)
        to_params = [torch.zeros_like(p) for p in params]
        to_weights, to_biases, to_norm = _parts(plan, to_params)
        need_x, need_given = ctx.needs_input_grad[3:5]
        to_x = torch.empty_like(x) if need_x else None
        to_first = x.new_empty(len(x), block.widths[0]) if need_given else None
        slopes = [torch.empty_like(t) for t in block.z]
        total = torch.empty_like(slopes[-1])
        grad = None if grad is None else grad.contiguous()
        for a, b in block.bounds:
            z, h, stats, y = block.forward(a, b, kept, True)
            # With a residual, the gradient of the result is a part of that of x.
            top = g = to_x[a:b] if to_x is not None and plan.residual else total[: b - a]
            if to_heard is None:
                g.copy_(grad[a:b])
            else:
                hearing.spread(to_heard, a, b, out=g)
                if grad is not None:
                    g += grad[a:b]
            s = [t[: b - a] for t in slopes]
            if to_first is not None:
                s[0] = to_first[a:b]
            if plan.act_last:
                g = block.slope(g, y, grad_input=s[-1])
            if plan.norm:
                g, to_gain, to_shift = aten.native_layer_norm_backward(
                    g, z[-1], z[-1].shape[1:], *stats, *block.norm, [True, True, True]
                )
                to_norm[0] += to_gain
                to_norm[1] += to_shift
            for i in range(len(z) - 1, 0, -1):
                to_weights[i].addmm_(g.t(), h[i - 1])
                to_biases[i] += g.sum(0)
                torch.mm(g, block.weights[i], out=s[i - 1])
                g = block.slope(s[i - 1], z[i - 1], grad_input=s[i - 1])
            to_weights[0].addmm_(g.t(), x[a:b])
            to_biases[0] += g.sum(0)
            if len(z) == 1 and to_first is not None:
                to_first[a:b] = g
            if to_x is not None:
                if plan.residual:
                    top.addmm_(g.clone() if g is top else g, block.weights[0])
                else:
                    torch.mm(g, block.weights[0], out=to_x[a:b])
        to_given = to_first
        if to_first is not None and pairs is not None:
            back = pairs.back
            assert back is not None
            to_given = gather_reduce(to_first, back.row, back.rowptr)
        return None, None, None, to_x, to_given, *to_params


def _again(plan: _Plan, hearing: Any, pairs: Any, inputs: Any, grads: Any) -> list[Tensor | None]:
    """Gradients that have gradients themselves."""
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    results = zip(_plain(plan, hearing, pairs, *inputs), grads, strict=True)
    out, given = zip(*((y, g) for y, g in results if g is not None), strict=True)
    found = iter(torch.autograd.grad(out, wanted, given, create_graph=True, allow_unused=True))
    return [next(found) if t is not None and t.requires_grad else None for t in inputs]
