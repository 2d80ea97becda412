"""Integrals over neighbourhoods with a learned kernel on the edges.

    y_i = sum_j a_ij K(e_ij) v_j,   edges j -> i of a CSR graph, senders and receivers may differ

K, (C_out, C_in), from an MLP h(e) of the edge's features:
    full       K = sum_b h_b W_b + W_0: every entry is linear in the last hidden layer
    basis      K = sum_b phi_b W_b, phi (rank,) linear in h: `rank` matrices
    diagonal   K = diag(kappa), kappa linear in h; C_in = C_out
    low-rank   K = U V^T, U (C_out, rank) and V (C_in, rank) linear in h

and a_ij:
    mean        1 / n_i
    integral    w_j
    quadrature  w_j / sum_j w_j
    attention   softmax_j(s(h_ij) + log w_j), so that w is the measure it averages over

No edge ever holds a matrix: W_b v_j is computed once a sender, and edges carry scalars. Receivers
without edges get 0. Sources: GNO (Li et al., arXiv 2003.03485: full, mean), neuraloperator's GNO
(arXiv 2412.10354: diagonal, integral), GAOT (Wen et al., arXiv 2505.18781: diagonal, attention).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops import CsrTranspose, gather_reduce, rows_of, segment_reduce, segment_softmax
from .rows import by_rows

KERNELS = ("full", "basis", "diagonal", "low-rank")
WEIGHTINGS = ("mean", "integral", "quadrature", "attention")


class EdgeKernelIntegral(nn.Module):
    """y_i = sum_j a_ij K(e_ij) v_j; see the module.

    n_edge features an edge, an MLP with `depth` hidden layers of `hidden`; rank as the kernel has
    it. Raises ValueError for an unknown kernel or weighting, and widths that differ where diagonal.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        n_edge: int,
        hidden: int = 64,
        depth: int = 3,
        kernel: str = "diagonal",
        weighting: str = "quadrature",
        rank: int = 4,
    ):
        super().__init__()
        if kernel not in KERNELS:
            raise ValueError(f"kernel: expected one of {', '.join(KERNELS)}, found {kernel!r}")
        if weighting not in WEIGHTINGS:
            raise ValueError(
                f"weighting: expected one of {', '.join(WEIGHTINGS)}, found {weighting!r}"
            )
        if kernel == "diagonal" and width_in != width_out:
            raise ValueError(f"a diagonal kernel keeps the width, found {width_in} to {width_out}")
        self.kernel, self.weighting, self.rank = kernel, weighting, rank
        self.width_in, self.width_out, self.hidden = width_in, width_out, hidden
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Linear(hidden if i else n_edge, hidden), nn.GELU()]
        self.features = nn.Sequential(*layers)
        heads = {
            "full": 0,
            "basis": rank,
            "diagonal": width_out,
            "low-rank": rank * (width_in + width_out),
        }[kernel]
        self.entries = nn.Linear(hidden, heads) if heads else nn.Identity()
        if kernel in ("full", "basis"):
            count = rank if kernel == "basis" else hidden + 1
            matrices = torch.randn(count, width_in, width_out) / (count * width_in) ** 0.5
            self.matrices = nn.Parameter(matrices)
        self.score = nn.Linear(hidden, 1, bias=False) if weighting == "attention" else None

    def forward(
        self,
        v: Tensor,
        index: Tensor,
        rowptr: Tensor,
        edge: Tensor,
        weight: Tensor | None = None,
        transpose: CsrTranspose | None = None,
    ) -> Tensor:
        """v (M, C_in) of the senders -> (N, C_out) at the receivers.

        index (E,) senders, rowptr (N + 1,), edge (E, n_edge), weight (M,) of the senders (ones
        where None); transpose, of index and rowptr, saves sorting in the backward pass.
        """
        k = by_rows(self._entries, 4 * self.hidden, edge)
        score = None
        if self.score is not None:
            k, score = k.split([k.shape[1] - 1, 1], dim=1)
        a = self._weights(k, score, index, rowptr, weight).to(k.dtype)[:, None]
        if self.kernel == "low-rank":
            left, right = k.unflatten(1, (self.rank, -1)).split([self.width_out, self.width_in], 2)
            inner = a * (right * v[index][:, None]).sum(2)  # (E, rank)
            return segment_reduce((left * inner[:, :, None]).sum(1), rowptr).to(v.dtype)
        if self.kernel == "diagonal":
            k = by_rows(lambda k, a: (k * a).to(v.dtype), 2 * k.shape[1], k, a)
            return gather_reduce(v, index, rowptr, k, transpose=transpose)
        if self.kernel == "full":
            k = torch.cat([k, torch.ones_like(k[:, :1])], dim=1)
        k, out = (k * a).to(v.dtype), []
        for phi, w in zip(k.split(8, 1), self.matrices.split(8), strict=True):
            sent = torch.cat([v @ one.to(v.dtype) for one in w], dim=1)
            # As many heads as matrices: each takes its own scalar of the edge.
            got = gather_reduce(sent, index, rowptr, phi.contiguous(), transpose=transpose)
            out.append(got.unflatten(1, (len(w), -1)).sum(1))
        return torch.stack(out).sum(0)

    def _entries(self, edge: Tensor) -> Tensor:
        """Entries of the kernel and, with attention, the score behind them."""
        h = self.features(edge)
        k = self.entries(h)
        return k if self.score is None else torch.cat([k, self.score(h)], dim=1)

    def _weights(
        self,
        k: Tensor,
        score: Tensor | None,
        index: Tensor,
        rowptr: Tensor,
        weight: Tensor | None,
    ) -> Tensor:
        """a (E,) in float32 or better."""
        exact = torch.promote_types(k.dtype, torch.float32)
        if self.weighting == "mean":
            return 1 / rowptr.diff().to(exact)[rows_of(rowptr, len(index))]
        w = k.new_ones(len(index), dtype=exact) if weight is None else weight.to(exact)[index]
        if self.weighting == "integral":
            return w
        if self.weighting == "quadrature":
            total = segment_reduce(w, rowptr).clamp_min(torch.finfo(exact).tiny)
            return w / total[rows_of(rowptr, len(index))]
        assert score is not None
        return segment_softmax(score[:, 0].to(exact) + w.log(), rowptr)
