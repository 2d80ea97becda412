"""Attention through learned slices of an irregular mesh, one softmax per node (Transolver)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The authors clamp their structured variant only, and advise a clamp here too (their issue 13).
TEMPERATURE_RANGE = (0.1, 5.0)


class SliceAttention(nn.Module):
    """Nodes are pooled into slice tokens, the tokens attend to each other, nodes read them back.

    Per head, with x' and f two projections of x and a_ng = softmax_g((W_s x'_n + b) / tau):
    t_g = sum_n w_n a_ng f_n / sum_n w_n a_ng; t' = softmax(Q K^T / sqrt(d)) V over the tokens;
    y_n = sum_g a_ng t'_g. Cost O(N G C + G^2 C). Tokens are formed in float32 (or float64) at any
    input precision. With `weighted` a node that is split into two of half the weight leaves the
    answer as it was; without, w = 1 and tokens lean towards wherever the mesh is dense, which is
    the published layer.

    Source: Wu et al., "Transolver", ICML 2024 (arXiv 2402.02366), irregular-mesh variant.
    """

    def __init__(self, width: int, heads: int = 8, slices: int = 64, weighted: bool = True):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of heads {heads}")
        self.heads, self.weighted = heads, weighted
        d = width // heads
        self.project_x = nn.Linear(width, width)
        self.project_f = nn.Linear(width, width)
        self.slice = nn.Linear(d, slices)  # shared by the heads, as are q, k and v
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), 0.5))
        self.q = nn.Linear(d, d, bias=False)
        self.k = nn.Linear(d, d, bias=False)
        self.v = nn.Linear(d, d, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
        """(N, C) node states, (N,) positive weights, nodes per graph (sum N) -> (N, C)."""
        parts = zip(
            self._split(self.project_x(x)).split(sizes, 1),
            self._split(self.project_f(x)).split(sizes, 1),
            weight.split(sizes),
            strict=True,
        )
        y = [self._attend(x_mid, f_mid, w) for x_mid, f_mid, w in parts]
        return self.out(y[0] if len(y) == 1 else torch.cat(y)).to(x.dtype)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(0, 1)  # (H, N, d)

    def _attend(self, x_mid: Tensor, f_mid: Tensor, weight: Tensor) -> Tensor:
        tau = self.temperature.clamp(*TEMPERATURE_RANGE)
        logits = self.slice(x_mid) / tau
        exact = torch.promote_types(f_mid.dtype, torch.float32)
        a = logits.to(exact).softmax(-1)  # (H, n, G)
        with torch.autocast(x_mid.device.type, enabled=False):
            if self.weighted:  # normalised first, so that eps does not depend on the unit of length
                w = weight.to(exact)
                wa, eps = a * (w / w.sum())[:, None], 1e-12
            else:
                wa, eps = a, 1e-5
            mass = wa.sum(1).unsqueeze(-1)  # (H, G, 1)
            token = (wa.transpose(1, 2) @ f_mid.to(exact)) / (mass + eps)
        token = token.to(f_mid.dtype)
        token = F.scaled_dot_product_attention(self.q(token), self.k(token), self.v(token))
        return (a.to(token.dtype) @ token).transpose(0, 1).flatten(1)  # (n, C)
