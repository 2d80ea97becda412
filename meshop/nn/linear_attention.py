"""Attentions of linear cost: a point set is summed into one small matrix a graph, and read back.

All are `TokenMix` (see `token_mix`). Projections that no nonlinearity follows are moved from the
nodes to the small matrix, where they cost nothing: with y_n = Q x_n . sum_m k_m (V x_m)^T, only k
is formed at the nodes, and Q, V and the output's projection act on sum_m k_m x_m^T.

Layers about an attention that treat every node by itself may be given to it, `before` and `after`:
see `rows`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from itertools import repeat
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mlp import mlp
from .points import Points, by_graph
from .rows import After, Before, by_rows, join_parts, row_blocks, softmax_part, sum_rows
from .token_mix import check_heads, integral, join_heads, log_weight, split_heads


class NormalisedAttention(nn.Module):
    """GNOT's attention from one point set to others, normalised by features instead of by nodes.

    Per head, with q~ and k~ softmaxes over the features of a projection,
        y_n = q~_n + sum_s q~_n (sum_m w_m k~_m v_m^T) / (q~_n . sum_m w_m k~_m)
    over the sources s, each with keys and values of its own; then an output projection. A source
    that a graph has no points of adds nothing. `mean` divides the sum by the number of sources
    that the graph has, as the paper writes it; the authors' code, and the default, is the sum.

    Source: Hao et al., "GNOT", ICML 2023 (arXiv 2302.14376), equations 9 to 12.
    """

    def __init__(self, width: int, heads: int = 1, sources: int = 1, mean: bool = False):
        super().__init__()
        check_heads(width, heads)
        self.heads, self.mean = heads, mean
        self.query = nn.Linear(width, width)
        self.keys = nn.ModuleList(nn.Linear(width, width) for _ in range(sources))
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(sources))
        self.out = nn.Linear(width, width)

    def memory(
        self, sources: list[tuple[Tensor, Points]], before: Iterable[Before] = repeat(None)
    ) -> list[Tensor]:
        """What `read` needs of each source's states (M, C): (B C, C + H)."""
        return [
            by_graph(partial(self._sums, key, value, own), (points.sizes, (z, points.weight)))
            for (z, points), own, key, value in zip(
                sources, before, self.keys, self.values, strict=False
            )
        ]

    def read(
        self,
        x: Tensor,
        points: Points,
        memory: list[Tensor],
        before: Before = None,
        after: After = None,
        *others: Tensor,
    ) -> Tensor:
        """(N, C) states of the points -> (N, C); `after` gets rows of others (N, ...) too."""
        rows = (x.shape[1],) * len(points.sizes)
        read = partial(self._read, before, after, len(memory))
        return by_graph(read, *((rows, (m,)) for m in memory), (points.sizes, (x, *others)))

    def _sums(self, key: Any, value: Any, before: Before, z: Tensor, weight: Tensor) -> Tensor:
        """[sum w k~ v^T, sum w k~], each head's on the diagonal: (B, C, C + H)."""
        h, width = self.heads, z.shape[-1]

        def part(z: Tensor, weight: Tensor) -> Tensor:
            z = z if before is None else before(z)
            k = self._softmax(key(z).to(weight.dtype)).flatten(-2)
            return integral(k, F.pad(z, (0, 1), value=1.0), weight)

        sums = sum_rows(part, 4 * len(z) * width, z, weight, dim=1)
        with torch.autocast(z.device.type, enabled=False):
            kz, mass = sums.unflatten(-2, (h, -1)).split([width, 1], dim=-1)  # (B, H, d, ...)
            w = value.weight.to(kz.dtype).unflatten(0, (h, -1))
            kv = kz @ w.transpose(-2, -1) + mass * value.bias.to(kz.dtype).view(h, 1, -1)
            eye = torch.eye(h, dtype=kz.dtype, device=kz.device).view(h, 1, h, 1)
            on_diagonal = [(t.unsqueeze(-2) * eye).flatten(-2).flatten(1, 2) for t in (kv, mass)]
            return torch.cat(on_diagonal, dim=-1)

    def _read(self, before: Before, after: After, count: int, *tensors: Tensor) -> Tensor:
        memory, (x, *others) = tensors[:count], tensors[count:]
        width = x.shape[-1]
        sources: Tensor | float = 1.0
        if self.mean:
            present = [(m[:, :, width:].sum((1, 2)) > 0).to(m.dtype) for m in memory]
            sources = sum(present[1:], present[0]).clamp_min(1).view(-1, 1, 1, 1)

        def part(x: Tensor, *others: Tensor) -> Tensor:
            u = x if before is None else before(x)
            q = self._softmax(self.query(u).to(memory[0].dtype))
            with torch.autocast(x.device.type, enabled=False):
                y = q
                for m in memory:
                    value, mass = (q.flatten(-2) @ m).split([width, self.heads], dim=-1)
                    # Without any mass there is nothing to read: 0 / 1e-20.
                    share = 1 / (mass.clamp_min(1e-20).unsqueeze(-1) * sources)
                    y = torch.addcmul(y, value.unflatten(-1, (self.heads, -1)), share)
            y = self.out(y.flatten(-2).to(x.dtype))
            return y if after is None else after(x, y, *others)

        per_row, overwrite = 6 * len(x) * width, after is not None
        return by_rows(part, per_row, x, *others, dim=1, overwrite=overwrite)

    def _softmax(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., H, d), over the features of each head."""
        return x.unflatten(-1, (self.heads, -1)).softmax(-1)


class GalerkinAttention(nn.Module):
    """Attention without softmax: Q (K^T V), with layer norms of K and V or of Q and K.

    Per head, with q, k, v projections of x (d values) behind the position r (p values), and ^ a
    layer norm of a head's d values with a scale and shift of its own,
        kind "galerkin": y_n = [r, q]_n . sum_m w_m [r, k^]_m [r, v^]_m^T
        kind "fourier":  y_n = sum_m w_m ([r, q^]_n . [r, k^]_m) [r, v]_m^T / sqrt(d + p)
    then one projection of all heads. The papers' order of the products makes the second quadratic;
    without a softmax they may be taken in any order, and it is linear here.

    Source: Cao, "Choose a Transformer: Fourier or Galerkin", NeurIPS 2021 (arXiv 2105.14995). The
    weights, sums to one, take the place of 1/n.
    """

    def __init__(self, width: int, heads: int, dim: int, kind: str = "galerkin"):
        super().__init__()
        check_heads(width, heads)
        if kind not in ("galerkin", "fourier"):
            raise ValueError(f"kind must be 'galerkin' or 'fourier', not {kind!r}")
        self.heads, self.fourier = heads, kind == "fourier"
        d = width // heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.scale = nn.Parameter(torch.ones(2, heads, d))
        self.shift = nn.Parameter(torch.zeros(2, heads, d))
        self.out = nn.Linear(width + heads * dim, width)
        gain = 1e-3 if self.fourier else 1e-2
        for layer in (self.q, self.k, self.v):
            nn.init.xavier_uniform_(layer.weight, gain)
            with torch.no_grad():
                layer.weight += 1e-2 * torch.eye(width)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, pos: Tensor, points: Points, after: After = None) -> Tensor:
        """(N, C) states and (N, p) positions of the points -> (N, C)."""
        attend = partial(self._attend, after)
        return by_graph(attend, (points.sizes, (x, pos, points.weight)))

    def _attend(self, after: After, x: Tensor, pos: Tensor, weight: Tensor) -> Tensor:
        p = pos.shape[-1]
        exact = torch.promote_types(weight.dtype, torch.float32)
        e = torch.cat([pos.to(exact), torch.ones_like(weight)[..., None]], dim=-1)
        right = None if self.fourier else self.v
        sums = sum_rows(partial(self._sums, right), 5 * len(x) * x.shape[2], x, e, weight, dim=1)
        with torch.autocast(x.device.type, enabled=False):
            one, two = (self._normalised(i, p, exact) for i in range(2))
            if self.fourier:
                query, key, value = one, two, self._raw(self.v, p, exact)
            else:
                query, key, value = self._raw(self.q, p, exact), one, two
            out = self.out.weight.to(exact).unflatten(1, (self.heads, -1)).permute(1, 2, 0)
            found = query.transpose(-2, -1) @ (key @ sums @ value.transpose(-2, -1) @ out)
            c = x.shape[-1]
            if self.fourier:
                found = found / math.sqrt(key.shape[-2])
                d = c // self.heads
                at_u, at_e = found[:, :, :d].flatten(1, 2), found[:, :, d:].sum(1)
            else:
                at_u, at_e = found.sum(1).split([c, p + 1], dim=1)

        def read(x: Tensor, e: Tensor) -> Tensor:
            u = self._normal(self.q(x)) if self.fourier else x
            y = (u @ at_u.to(u.dtype) + (e @ at_e + self.out.bias)).to(x.dtype)
            return y if after is None else after(x, y)

        return by_rows(read, 5 * len(x) * c, x, e, dim=1, overwrite=after is not None)

    def _sums(self, right: nn.Linear | None, x: Tensor, e: Tensor, weight: Tensor) -> Tensor:
        """sum_m w_m [k^, r, 1]_m [v^ or x, r, 1]_m^T of each head: (B, H, d + p + 1, ...)."""
        heads = (self.heads, -1)
        a = self._normal(self.k(x)).to(e.dtype)
        b = (x if right is None else self._normal(right(x))).to(e.dtype)
        with torch.autocast(x.device.type, enabled=False):
            w = weight[..., None]
            ew = (e * w).transpose(-2, -1)
            ea, ee = (ew @ a).unflatten(-1, heads), ew @ e
            if right is None:
                ab = ((a * w).transpose(-2, -1) @ b).unflatten(-2, heads)
                eb = (ew @ b).unsqueeze(1).expand(-1, self.heads, -1, -1)
            else:
                ab = split_heads(a * w, self.heads).transpose(-2, -1) @ split_heads(b, self.heads)
                eb = (ew @ b).unflatten(-1, heads).transpose(1, 2)
            upper = torch.cat([ab, ea.permute(0, 2, 3, 1)], dim=-1)
            lower = torch.cat([eb, ee.unsqueeze(1).expand(-1, self.heads, -1, -1)], dim=-1)
            return torch.cat([upper, lower], dim=-2)

    def _normal(self, x: Tensor) -> Tensor:
        heads = x.unflatten(-1, (self.heads, -1))
        return F.layer_norm(heads, heads.shape[-1:]).flatten(-2)

    def _normalised(self, i: int, p: int, dtype: torch.dtype) -> Tensor:
        """[r, scale u + shift] as a matrix on [u, r, 1]: (H, p + d, d + p + 1)."""
        return _rows(torch.diag_embed(self.scale[i]), self.shift[i], p, dtype)

    def _raw(self, layer: nn.Linear, p: int, dtype: torch.dtype) -> Tensor:
        """[r, layer(x)] as a matrix on [x, r, 1]: (H, p + d, C + p + 1)."""
        per_head = (self.heads, -1)
        return _rows(
            layer.weight.unflatten(0, per_head), layer.bias.unflatten(0, per_head), p, dtype
        )


def _rows(matrix: Tensor, shift: Tensor, p: int, dtype: torch.dtype) -> Tensor:
    h, d, c = matrix.shape
    eye = torch.eye(p, dtype=matrix.dtype, device=matrix.device).expand(h, p, p)
    upper = torch.cat([matrix.new_zeros(h, p, c), eye, matrix.new_zeros(h, p, 1)], dim=-1)
    lower = torch.cat([matrix, matrix.new_zeros(h, d, p), shift[..., None]], dim=-1)
    return torch.cat([upper, lower], dim=1).to(dtype)


class LatentAttention(nn.Module):
    """Nodes gathered by learned latent queries and scattered back, each by a softmax of one score.

    Per head, with s_mn = q_m . k_n of learned queries q and keys k,
        z_m = sum_n w_n exp(s_mn) v_n / sum_n w_n exp(s_mn),
        y_n = sum_m exp(s_mn) z_m / sum_m exp(s_mn)
    then an output projection: attention of rank `latents` at O(N latents C). Keys and values come
    from residual networks of `depth` + 2 layers. The scores are not divided by sqrt(d).

    Source: Puri et al., "FLARE", 2025 (arXiv 2508.12594); ours adds the weights w.
    """

    def __init__(self, width: int, heads: int, latents: int, depth: int = 3):
        super().__init__()
        check_heads(width, heads)
        self.queries = nn.Parameter(0.1 * torch.randn(heads, latents, width // heads))
        self.k = ResidualMLP(width, width, width, depth)
        self.v = ResidualMLP(width, width, width, depth)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Tensor, points: Points, before: Before = None, after: After = None
    ) -> Tensor:
        """(N, C) states of the points -> (N, C)."""
        attend = partial(self._attend, before, after)
        return by_graph(attend, (points.sizes, (x, points.weight)))

    def _attend(self, before: Before, after: After, x: Tensor, weight: Tensor) -> Tensor:
        heads, latents, _ = self.queries.shape
        exact, device = torch.promote_types(weight.dtype, torch.float32), x.device.type
        q = self.queries.to(exact).expand(len(x), -1, -1, -1)
        per_row = len(x) * max(4 * x.shape[-1], 2 * heads * latents)
        keys, parts = [], []
        for rows, share in row_blocks(per_row, x, weight, dim=1):
            rows = rows if before is None else before(rows)
            k, v = (split_heads(net(rows).to(exact), heads) for net in (self.k, self.v))
            keys.append(k)
            with torch.autocast(device, enabled=False):
                near = log_weight(share.to(exact))[:, None, None]
                parts.append(softmax_part(q @ k.transpose(-2, -1) + near, v))
        z, blocks = join_parts(parts), iter(keys)

        def read(x: Tensor) -> Tensor:
            with torch.autocast(device, enabled=False):
                y = join_heads(F.scaled_dot_product_attention(next(blocks), q, z, scale=1.0))
            y = self.out(y)
            return y if after is None else after(x, y)

        return by_rows(read, per_row, x, dim=1, overwrite=after is not None)


class ResidualMLP(nn.Module):
    """Linear, GELU; `depth` times h + GELU(Linear h); Linear: with skips where widths agree.

    (N, width_in) -> (N, width_out). The first and last skip join the first and last Linear, where
    `skip_in` and `skip_out` allow them. gelu: "tanh" or "none" (exact), as in torch.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        width_out: int,
        depth: int = 3,
        skip_in: bool = True,
        skip_out: bool = True,
        gelu: str = "tanh",
    ):
        super().__init__()
        self.gelu = gelu
        self.first = nn.Linear(width_in, width)
        self.middle = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, width_out)
        self.skip_in = skip_in and width_in == width
        self.skip_out = skip_out and width_out == width

    def forward(self, x: Tensor) -> Tensor:
        h = F.gelu(self.first(x), approximate=self.gelu)
        h = h + x if self.skip_in else h
        for layer in self.middle:
            h = h + F.gelu(layer(h), approximate=self.gelu)
        y = self.last(h)
        return h + y if self.skip_out else y


class LowRankIntegral(nn.Module):
    """The integral of a kernel whose every entry has a finite rank.

    With networks phi and psi of the points' features a, whose last layer is linear,
        y_o(x) = sum_i integral kappa_oi(x, y) v_i(y) dy,  kappa_oi = sum_r phi_oir(x) psi_oir(y)
    The last layers act on sums over the points, so that their C^2 R values are never formed at
    nodes: O(N (hidden layers + hidden[-1] C)) for any rank.

    Source: Kovachki et al., "Neural Operator", JMLR 2023 (arXiv 2108.08481), section 4.2.
    """

    def __init__(self, n_features: int, width: int, rank: int, hidden: tuple[int, ...]):
        super().__init__()
        self.phi, self.psi = (
            nn.Sequential(*mlp(n_features, *hidden, act=nn.ReLU), nn.ReLU()) for _ in range(2)
        )
        # Rows of the last layers: (o, i, r).
        self.last_phi = nn.Linear(hidden[-1], width * width * rank)
        self.last_psi = nn.Linear(hidden[-1], width * width * rank)
        self.width, self.rank = width, rank

    def forward(
        self, v: Tensor, points: Points, before: Before = None, after: After = None
    ) -> Tensor:
        """(N, C) values at points whose x are the features a -> (N, C)."""
        integrate = partial(self._integrate, before, after)
        return by_graph(integrate, (points.sizes, (v, points.x, points.weight)))

    def _integrate(
        self, before: Before, after: After, v: Tensor, a: Tensor, weight: Tensor
    ) -> Tensor:
        exact = torch.promote_types(weight.dtype, torch.float32)
        shape = (self.width, self.width, self.rank)
        per_row = 2 * len(v) * max(self.last_psi.in_features, self.width)

        def part(v: Tensor, a: Tensor, weight: Tensor) -> Tensor:
            v = v if before is None else before(v)
            # A column of ones: the integral of v itself, for the biases.
            return integral(v, F.pad(self.psi(a), (0, 1), value=1.0), weight)

        sums, mass = sum_rows(part, per_row, v, a, weight, dim=1).split(
            [self.last_psi.in_features, 1], dim=-1
        )
        with torch.autocast(v.device.type, enabled=False):
            w_phi, w_psi, b_phi, b_psi = (
                t.to(exact).unflatten(0, shape)
                for layer in ("weight", "bias")
                for t in (getattr(self.last_phi, layer), getattr(self.last_psi, layer))
            )
            inner = torch.einsum("bik,oirk->boir", sums, w_psi) + mass[:, None] * b_psi
            at = torch.einsum("boir,oirk->bko", inner, w_phi)
            constant = (inner * b_phi).sum((-2, -1))

        def read(v: Tensor, a: Tensor) -> Tensor:
            phi = self.phi(a)
            y = phi @ at.to(phi.dtype) + constant[:, None].to(phi.dtype)
            return y if after is None else after(v, y)

        return by_rows(read, per_row, v, a, dim=1, overwrite=after is not None)
