"""Kernel integrals over edges in a few functions of their geometry, which all layers share.

    y_i = W_0 v_i + sum_j sum_b k_b(e_ij) W_b v_j,   edges j -> i,   k_b = a_ij phi_b(e_ij)

The functions k (E, B) are computed once a graph; a layer is its matrices W_b. A 3 x 3 convolution
is the case of a grid and eight indicators. No edge holds a matrix, nor a vector: W_b v_j is made at
the senders, N B C^2, and edges add it up, E B C. So y is linear in v, and the backward pass keeps v
alone: W_b v_j is computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import CsrTranspose, csr_transpose, gather_reduce
from .mlp import mlp
from .rows import by_rows


@dataclass(frozen=True)
class BasisEdges:
    """Edges of N receivers and M senders, each counted once for every function b of B: as CSR,
    column B j + b for sender j.

    value (E B, 1) k_b(e); rowptr (N + 1,), index (E B,); back: their transpose, for gradients.
    """

    value: Tensor
    rowptr: Tensor
    index: Tensor
    back: CsrTranspose | None

    @classmethod
    def of(cls, k: Tensor, index: Tensor, rowptr: Tensor, senders: int) -> BasisEdges:
        """Of k (E, B) and a CSR graph whose columns index (E,) are below `senders`."""
        rank = k.shape[1]
        index = (index[:, None] * rank + torch.arange(rank, device=index.device)).flatten()
        rowptr, back = rowptr * rank, None
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            back = csr_transpose(index, rowptr, senders * rank)
        return cls(k.reshape(-1, 1), rowptr, index, back)


class EdgeBasis(nn.Module):
    """k (E, rank) of edges: share_e phi(step_e [, what is known at sender and receiver]).

    phi: a perceptron with two hidden layers of `hidden` of the step (E, n_step) and, where n_known,
    linear maps of known (M, n_known) and (N, n_known), so that no edge holds those.
    """

    def __init__(self, n_step: int, rank: int, hidden: int = 32, n_known: int = 0) -> None:
        super().__init__()
        self.step = nn.Linear(n_step, hidden)
        self.send = nn.Linear(n_known, hidden, bias=False) if n_known else None
        self.hear = nn.Linear(n_known, hidden, bias=False) if n_known else None
        self.phi = mlp(hidden, hidden, rank)

    def forward(
        self,
        step: Tensor,
        share: Tensor,
        sender: Tensor,
        receiver: Tensor,
        known: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """step (E, n_step), share (E,), senders and receivers (E,), what those know."""
        ends: tuple[Tensor, ...] = ()
        if self.send is not None and self.hear is not None and known is not None:
            ends = self.send(known[0]), self.hear(known[1])

        def value(step: Tensor, share: Tensor, sender: Tensor, receiver: Tensor) -> Tensor:
            z = self.step(step.to(self.step.weight.dtype))
            if ends:
                z = z + ends[0][sender] + ends[1][receiver]
            return self.phi(F.silu(z)) * share[:, None].to(z.dtype)

        wide = 4 * self.step.out_features
        return by_rows(value, wide, step, share, sender, receiver, gathers=bool(ends))


class BasisKernel(nn.Module):
    """y_i = W_0 v_i + sum_j sum_b k_b W_b v_j without bias; see the module.

    own: with W_0, for edges among one set of nodes. The weights of all W_b are one matrix.
    """

    def __init__(self, width_in: int, width_out: int, rank: int, own: bool = True) -> None:
        super().__init__()
        self.width_out = width_out
        self.near = nn.Linear(width_in, rank * width_out, bias=False)
        self.own = nn.Linear(width_in, width_out, bias=False) if own else None

    def forward(self, v: Tensor, at: Any) -> Tensor:
        """v (M, C_in) of the senders -> (N, C_out); at: `BasisEdges`, or what has them as edges."""
        edges: BasisEdges = getattr(at, "edges", at)
        # The compiler and autocast know what to do with plain layers.
        half = torch.is_autocast_enabled(v.device.type) or v.dtype.itemsize < 4
        if half or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            sent = self.near(v).view(-1, self.width_out)
            value = edges.value.to(sent.dtype)
            y = gather_reduce(sent, edges.index, edges.rowptr, value, transpose=edges.back)
        else:
            back = (None, None, None) if edges.back is None else edges.back
            weight = self.near.weight.view(-1, self.width_out, v.shape[1])
            y = _Sum.apply(v, weight, edges.value, edges.rowptr, edges.index, *back)
        return y if self.own is None else y + self.own(v)


class _Sum(torch.autograd.Function):
    """sum over columns (j, b) of k W_b v_j, weights (B, C_out, C_in); keeps v, and not W_b v."""

    @staticmethod
    def forward(ctx, v, weight, value, rowptr, index, *back):
        ctx.save_for_backward(v, weight, value, rowptr, index, *back)
        sent = _sent(v, weight)
        return torch.ops.meshop.gather_reduce(sent, value, rowptr, index, None, *back, "sum")

    @staticmethod
    def backward(ctx, grad):
        v, weight, value, rowptr, index, *back = ctx.saved_tensors
        grad = grad.contiguous()
        if back[0] is None:
            back = csr_transpose(index, rowptr, len(v) * len(weight))
        to_v = to_weight = to_value = None
        if ctx.needs_input_grad[2]:
            sent = _sent(v, weight)
            to_value = torch.ops.meshop.gather_dot(grad, sent, 1, rowptr, index, *back)
            del sent
        if any(ctx.needs_input_grad[:2]):
            to_sent = torch.ops.meshop.gather_reduce(
                grad, value, back[0], back[1], back[2], rowptr, index, None, "sum"
            ).view(len(v), -1)
            to_v = to_sent @ weight.flatten(0, 1)
            to_weight = (to_sent.t() @ v).view_as(weight)
        return to_v, to_weight, to_value, None, None, None, None, None


def _sent(v: Tensor, weight: Tensor) -> Tensor:
    """(M B, C_out)"""
    return F.linear(v, weight.flatten(0, 1)).view(-1, weight.shape[1])
