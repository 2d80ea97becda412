"""Attention over balls between a point cloud and another, with what the balls look like (MAGNO)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..ops import CsrTranspose, csr_transpose, knn, radius, rows_of, segment_reduce
from .edge_kernel import EdgeKernelIntegral
from .mlp import mlp
from .rows import by_rows


class Balls(NamedTuple):
    """The senders in a ball about each receiver, as CSR, and what describes them."""

    rowptr: Tensor  # (N + 1,)
    index: Tensor  # type: ignore[assignment]  # (E,) senders
    transpose: CsrTranspose
    edge: Tensor  # (E, 2 D + 1) step over the ball's radius, widening of the ball, receiver's place
    statistics: Tensor  # (N, ball_statistics(D))


def ball_statistics(dim: int) -> int:
    """How many numbers describe a ball."""
    return 4 + dim + dim * (dim + 1) // 2


@torch.compiler.disable  # the number of neighbours depends on the data
def balls(
    senders: Tensor,
    receivers: Tensor,
    ptr: Tensor,
    receiver_ptr: Tensor,
    weight: Tensor,
    reach: float,
    share: float,
) -> Balls:
    """All senders (M, D) within `reach` of each receiver (N, D) of the same graph.

    A ball without senders is widened to the nearest (and all that are as near), so none is empty
    where its graph has a sender. Statistics are means by weight (M,): log(1 + mass / share), mean
    and variance of the distance, mean step, covariance of the steps, all in units of the radius,
    and log of the widening. No gradients.
    """
    with torch.no_grad():
        senders, receivers = senders.detach(), receivers.detach()
        nearest = knn(senders, 1, receivers, ptr, receiver_ptr).dist2.sqrt()
        r = (nearest * (1 + 1e-4)).clamp_min(reach)
        found = radius(senders, r, receivers, ptr, receiver_ptr)
        row = rows_of(found.rowptr, len(found.index))
        step = (senders[found.index] - receivers[row]) / r[row, None]
        distance = step.norm(dim=1, keepdim=True)
        wider = (r / reach).log()[:, None]
        edge = torch.cat([step, wider[row], receivers[row]], dim=1)

        w = weight.to(step.dtype)[found.index, None]
        i, j = torch.triu_indices(step.shape[1], step.shape[1])
        moments = torch.cat([w, w * distance, w * step, w * step[:, i] * step[:, j]], dim=1)
        mass, *rest = segment_reduce(moments, found.rowptr).split(
            [1, 1, step.shape[1], len(i)], dim=1
        )
        length, centre, square = (m / mass.clamp_min(torch.finfo(mass.dtype).tiny) for m in rest)
        spread = square - centre[:, i] * centre[:, j]
        variance = square[:, i == j].sum(1, keepdim=True) - length.square()
        statistics = torch.cat([(mass / share).log1p(), length, variance, centre, spread, wider], 1)
        transpose = csr_transpose(found.index, found.rowptr, len(senders))
    return Balls(found.rowptr, found.index, transpose, edge, statistics)


class MAGNO(nn.Module):
    """Multiscale attentional graph neural operator: one set of points told to another.

        y_i = mean over scales of R [sum_{j in B_i} a_ij kappa(e_ij) * v_j,  g(statistics of B_i)]

    kappa and a: `EdgeKernelIntegral`, diagonal with attention; g an MLP, R linear. (M, C) to (N, C)
    over one `Balls` for each scale; the scales share their weights, as published.

    Source: Wen et al., GAOT, NeurIPS 2025 (arXiv 2505.18781).
    """

    def __init__(self, width: int, dim: int, hidden: int = 64, depth: int = 3):
        super().__init__()
        self.integral = EdgeKernelIntegral(
            width, width, 2 * dim + 1, hidden, depth, "diagonal", "attention"
        )
        self.geometry = mlp(ball_statistics(dim), 64, width, act=nn.GELU)
        self.recover = nn.Linear(2 * width, width)

    def forward(self, v: Tensor, weight: Tensor, scales: list[Balls]) -> Tensor:
        """v (M, C) and weight (M,) of the senders."""
        out = []
        for ball in scales:
            edge = ball.edge.to(self.recover.weight.dtype)
            y = self.integral(v, ball.index, ball.rowptr, edge, weight, ball.transpose)
            out.append(by_rows(self._recover, 4 * y.shape[1], y, ball.statistics))
        return out[0] if len(out) == 1 else torch.stack(out).mean(0)

    def _recover(self, y: Tensor, statistics: Tensor) -> Tensor:
        g = self.geometry(statistics.to(self.recover.weight.dtype))
        return self.recover(torch.cat([y, g.to(y.dtype)], dim=1))
