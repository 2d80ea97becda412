"""Plain transcriptions of published code, for timings: no quadrature weights, no ragged batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meshop.models import Widths

WIDTHS = Widths(features=6, inputs=1, cond=2, tokens=5, wall_inputs=1, out=4)


class Peer(nn.Module):
    """A published model on (1, n, ...) tensors, fed from a graph as its authors feed it."""

    def __init__(
        self, net: nn.Module, feed: Callable[[nn.Module, SimpleNamespace], Tensor]
    ) -> None:
        super().__init__()
        self.net, self.feed = net, feed

    def forward(self, data: SimpleNamespace) -> Tensor:
        return self.feed(self.net, data)


def known(data: SimpleNamespace) -> Tensor:
    cond = data.cond.expand(len(data.x), -1)
    return torch.cat([data.x, data.inputs, cond], 1)[None]


N_KNOWN = WIDTHS.nodes


class SliceBlock(nn.Module):
    """Transolver's block for irregular meshes, as in its public code."""

    def __init__(self, c: int, heads: int, slices: int, ratio: int) -> None:
        super().__init__()
        self.heads, d = heads, c // heads
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.project_x, self.project_f, self.out = (nn.Linear(c, c) for _ in range(3))
        self.slice = nn.Linear(d, slices)
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.temperature = nn.Parameter(torch.full((1, heads, 1, 1), 0.5))
        self.mlp = nn.Sequential(nn.Linear(c, ratio * c), nn.GELU(), nn.Linear(ratio * c, c))

    def forward(self, h: Tensor) -> Tensor:
        x = self.norm1(h)
        b, n, c = x.shape
        f, s = (
            layer(x).reshape(b, n, self.heads, -1).permute(0, 2, 1, 3).contiguous()
            for layer in (self.project_f, self.project_x)
        )
        a = torch.softmax(self.slice(s) / self.temperature, -1)
        token = torch.einsum("bhnc,bhng->bhgc", f, a)
        token = token / (a.sum(2) + 1e-5)[..., None].repeat(1, 1, 1, c // self.heads)
        q, k, v = self.q(token), self.k(token), self.v(token)
        token = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(c // self.heads), -1) @ v
        y = torch.einsum("bhgc,bhng->bhnc", token, a).transpose(1, 2).reshape(b, n, c)
        h = h + self.out(y)
        return h + self.mlp(self.norm2(h))


class PublishedTransolver(nn.Module):
    def __init__(self, ratio: int, c: int = 128) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Linear(N_KNOWN, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.constant = nn.Parameter(torch.rand(c) / c)
        self.blocks = nn.Sequential(*(SliceBlock(c, 8, 64, ratio) for _ in range(8)))
        self.head = nn.Sequential(nn.LayerNorm(c), nn.Linear(c, WIDTHS.out))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.lift(x) + self.constant))


class HeadNorms(nn.Module):
    """A layer norm of its own for every head, one after the other."""

    def __init__(self, heads: int, d: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(heads))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([norm(x[:, i]) for i, norm in enumerate(self.norms)], 1)


class CaoBlock(nn.Module):
    """The encoder layer of the Galerkin transformer, without its dropout."""

    def __init__(self, fourier: bool, c: int = 128, heads: int = 4, hidden: int = 256) -> None:
        super().__init__()
        self.fourier, self.heads, d = fourier, heads, c // heads
        self.q, self.k, self.v = (nn.Linear(c, c) for _ in range(3))
        self.one, self.two = HeadNorms(heads, d), HeadNorms(heads, d)
        self.out = nn.Linear(c + 2 * heads, c)
        self.mlp = nn.Sequential(nn.Linear(c, hidden), nn.ReLU(), nn.Linear(hidden, c))

    def forward(self, x: Tensor, pos: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (
            layer(x).view(b, n, self.heads, -1).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        if self.fourier:
            q, k = self.one(q), self.two(k)
        else:
            k, v = self.one(k), self.two(v)
        pos = pos[:, None].repeat(1, self.heads, 1, 1)
        q, k, v = (torch.cat([pos, t], -1) for t in (q, k, v))
        if self.fourier:
            y = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) / n) @ v
        else:
            y = q @ (k.transpose(-2, -1) @ v / n)
        x = x + self.out(y.transpose(1, 2).contiguous().view(b, n, -1))
        return x + self.mlp(x)


class PublishedGalerkin(nn.Module):
    def __init__(self, fourier: bool = False, c: int = 128) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Linear(N_KNOWN, c), nn.SiLU(), nn.Linear(c, c))
        self.blocks = nn.ModuleList(CaoBlock(fourier) for _ in range(6))
        steps: list[nn.Module] = []
        for _ in range(2):
            steps += [nn.Linear(c, c), nn.SiLU()]
        self.head = nn.Sequential(*steps, nn.Linear(c, WIDTHS.out))

    def forward(self, x: Tensor, pos: Tensor) -> Tensor:
        x = self.lift(x)
        for block in self.blocks:
            x = block(x, pos)
        return self.head(x)


class HaoMLP(nn.Module):
    def __init__(self, n_in: int, c: int, n_out: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(n_in, c), nn.Linear(c, n_out)
        self.middle = nn.ModuleList(nn.Linear(c, c) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.first(x))
        for layer in self.middle:
            x = F.gelu(layer(x)) + x
        return self.last(x)


class HaoAttention(nn.Module):
    def __init__(self, c: int, sources: int) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(c, c), nn.Linear(c, c)
        self.keys = nn.ModuleList(nn.Linear(c, c) for _ in range(sources))
        self.values = nn.ModuleList(nn.Linear(c, c) for _ in range(sources))

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        def heads(t: Tensor) -> Tensor:
            return t.view(*t.shape[:2], 1, -1).transpose(1, 2)

        q = heads(self.query(x)).softmax(-1)
        y = q
        for z, key, value in zip(sources, self.keys, self.values, strict=True):
            k, v = heads(key(z)).softmax(-1), heads(value(z))
            share = 1.0 / (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
            y = y + (q @ (k.transpose(-2, -1) @ v)) * share
        return self.out(y.transpose(1, 2).flatten(2))


class HaoBlock(nn.Module):
    """GNOT's block with two experts, as in its public code."""

    def __init__(self, c: int, sources: int, experts: int = 2, inner: int = 4) -> None:
        super().__init__()
        i = inner * c
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(4))
        self.norm_sources = nn.ModuleList(nn.LayerNorm(c) for _ in range(sources))
        self.cross, self.own = HaoAttention(c, sources), HaoAttention(c, 1)
        self.experts = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(nn.Linear(c, i), nn.GELU(), nn.Linear(i, c)) for _ in range(experts)
            )
            for _ in range(2)
        )
        self.gate = nn.Sequential(
            nn.Linear(WIDTHS.features, i), nn.GELU(), nn.Linear(i, i), nn.GELU(),
            nn.Linear(i, experts),
        )  # fmt: skip

    def forward(self, x: Tensor, sources: list[Tensor], place: Tensor) -> Tensor:
        gate = self.gate(place).softmax(-1).unsqueeze(2)
        given = [norm(z) for norm, z in zip(self.norm_sources, sources, strict=True)]
        x = x + self.cross(self.norms[0](x), given)
        x = x + self.norms[1](self.mix(self.experts[0], x, gate))
        y = self.norms[2](x)
        x = x + self.own(y, [y])
        return x + self.norms[3](self.mix(self.experts[1], x, gate))

    @staticmethod
    def mix(experts: nn.ModuleList, x: Tensor, gate: Tensor) -> Tensor:
        return (gate * torch.stack([expert(x) for expert in experts], -1)).sum(-1)


class PublishedGnot(nn.Module):
    def __init__(self, c: int = 128) -> None:
        super().__init__()
        n, w = WIDTHS.features, WIDTHS.tokens + WIDTHS.wall_inputs
        self.trunk = HaoMLP(n + WIDTHS.cond, c, c)
        self.branches = nn.ModuleList(HaoMLP(k, c, c) for k in (n + WIDTHS.inputs, w))
        self.blocks = nn.ModuleList(HaoBlock(c, 2) for _ in range(3))
        self.head = HaoMLP(c, c, WIDTHS.out)

    def forward(self, place: Tensor, cond: Tensor, sources: list[Tensor]) -> Tensor:
        x = self.trunk(torch.cat([place, cond[:, None].repeat(1, place.shape[1], 1)], -1))
        z = [net(s) for net, s in zip(self.branches, sources, strict=True)]
        for block in self.blocks:
            x = block(x, z, place)
        return self.head(x)


def feed_gnot(net: nn.Module, data: SimpleNamespace) -> Tensor:
    sources = [
        torch.cat([data.x, data.inputs], 1)[None],
        torch.cat([data.wall_x, data.wall_inputs], 1)[None],
    ]
    return net(data.x[None], data.cond, sources)[0]


def feed_galerkin(net: nn.Module, data: SimpleNamespace) -> Tensor:
    return net(known(data), data.pos[None])[0]


def feed_plain(net: nn.Module, data: SimpleNamespace) -> Tensor:
    return net(known(data))[0]


class CrossRead(nn.Module):
    """Cross-attention of a Perceiver with its feed-forward layer, as in AROMA's public code."""

    def __init__(self, c: int, n_key: int, n_value: int, heads: int = 4, d: int = 32) -> None:
        super().__init__()
        self.heads, inner = heads, heads * d
        self.norms = nn.ModuleList(nn.LayerNorm(w) for w in (c, n_key, n_value))
        self.q, self.k, self.v = (nn.Linear(w, inner, bias=False) for w in (c, n_key, n_value))
        self.out = nn.Linear(inner, c)
        self.feed = nn.Sequential(
            nn.LayerNorm(c), nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c)
        )

    def forward(self, x: Tensor, key: Tensor, value: Tensor) -> Tensor:
        given = (norm(t) for norm, t in zip(self.norms, (x, key, value), strict=True))
        layers = (self.q, self.k, self.v)
        q, k, v = (
            layer(t).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, t in zip(layers, given, strict=True)
        )
        y = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.feed(x)


class PublishedAroma(nn.Module):
    def __init__(self, c: int = 128, m: int = 32, count: int = 12, band: int = 16) -> None:
        super().__init__()
        self.count, n_key = count, 4 * count
        self.latents = nn.Parameter(torch.randn(1, m, c))
        self.places, self.values = CrossRead(c, n_key, n_key), CrossRead(c, n_key, c)
        self.lift, self.mean, self.enter = nn.Linear(N_KNOWN, c), nn.Linear(c, 8), nn.Linear(8, c)
        self.blocks = nn.ModuleList(CrossRead(c, c, c) for _ in range(3))
        self.norm_q, self.norm = nn.LayerNorm(n_key), nn.LayerNorm(c)
        self.q, self.kv = nn.Linear(n_key, c, bias=False), nn.Linear(c, 2 * c, bias=False)
        self.out = nn.Linear(c, band)
        widths = [3 * band + WIDTHS.queries, 64, 64, 64]
        steps: list[nn.Module] = []
        for i in range(3):
            steps += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
        self.decoder = nn.Sequential(*steps, nn.Linear(64, WIDTHS.out))

    def waves(self, pos: Tensor, low: float, high: float) -> Tensor:
        rate = math.pi * 2 ** torch.linspace(low, high, self.count)
        phase = (pos[..., None] * rate).flatten(-2)
        return torch.cat([phase.sin(), phase.cos()], -1)

    def forward(self, pos: Tensor, x: Tensor, asked: Tensor) -> Tensor:
        key = self.waves(pos, 0, 4)
        t = self.values(self.places(self.latents, key, key), key, self.lift(x))
        t = self.enter(self.mean(t))
        for block in self.blocks:
            t = block(t, t, t)
        local = []
        for low, high in ((0, 3), (3, 4), (4, 5)):
            q = self.q(self.norm_q(self.waves(pos, low, high)))
            k, v = self.kv(self.norm(t)).chunk(2, -1)
            q, k, v = (u.unflatten(-1, (4, -1)).transpose(1, 2) for u in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v)
            local.append(self.out(y.transpose(1, 2).flatten(2)))
        return self.decoder(torch.cat([*local, asked], -1))


def feed_aroma(net: nn.Module, data: SimpleNamespace) -> Tensor:
    asked = torch.cat([data.x, data.cond.expand(len(data.x), -1)], 1)
    return net(data.pos[None], known(data), asked[None])[0]


class AxisKernel(nn.Module):
    """One axis of FactFormer: the mean over the other, a gated MLP, queries and keys turned."""

    def __init__(self, c: int, heads: int, d: int) -> None:
        super().__init__()
        self.heads = heads
        self.mid = nn.Linear(c, c, bias=False)
        self.norm, self.up, self.down = nn.LayerNorm(c), nn.Linear(c, 2 * c), nn.Linear(c, c)
        self.q, self.k = (nn.Linear(c, heads * d, bias=False) for _ in range(2))
        self.register_buffer("rate", 10000 ** -(torch.arange(0, d, 2) / d))

    def turn(self, x: Tensor) -> Tensor:
        at = torch.linspace(0, 64, x.shape[2])[:, None] * self.rate
        one, two = x.chunk(2, -1)
        return torch.cat([one * at.cos() - two * at.sin(), two * at.cos() + one * at.sin()], -1)

    def forward(self, u: Tensor, other: int) -> Tensor:
        gate, value = self.up(self.norm(self.mid(u).mean(other))).chunk(2, -1)
        a = self.down(F.gelu(gate) * value)
        q, k = (
            self.turn(layer(a).unflatten(-1, (self.heads, -1)).transpose(1, 2))
            for layer in (self.q, self.k)
        )
        return torch.einsum("bhid,bhjd->bhij", q, k) / a.shape[1]


class FactBlock(nn.Module):
    """FactFormer's block in 2-D, as in its public code."""

    def __init__(self, c: int, heads: int = 12, d: int = 64) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.value = nn.LayerNorm(c), nn.Linear(c, heads * d, bias=False)
        self.x, self.y = AxisKernel(c, heads, 2 * d), AxisKernel(c, heads, 2 * d)
        self.instance = nn.InstanceNorm2d(heads * d)
        self.out = nn.Sequential(
            nn.Linear(heads * d, c, bias=False), nn.GELU(), nn.Linear(c, c, bias=False)
        )

    def forward(self, v: Tensor) -> Tensor:
        u = self.norm(v)
        z = self.value(u).unflatten(-1, (self.heads, -1)).permute(0, 3, 1, 2, 4)
        z = torch.einsum("bhij,bhjmc->bhimc", self.x(u, 2), z)
        z = torch.einsum("bhlm,bhimc->bhilc", self.y(u, 1), z)
        z = self.instance(z.permute(0, 1, 4, 2, 3).flatten(1, 2)).permute(0, 2, 3, 1)
        return v + self.out(z)


class PublishedFactFormer(nn.Module):
    """On a grid that each node's nearest point belongs to, and is read linearly."""

    def __init__(self, c: int = 128, side: int = 64) -> None:
        super().__init__()
        self.side = side
        self.lift = nn.Sequential(nn.Linear(N_KNOWN, c), nn.GELU(), nn.Linear(c, c))
        self.register_buffer("place", torch.randn(2, c // 2))
        self.add_place = nn.ModuleList(nn.Linear(c, c) for _ in range(3))
        self.blocks = nn.ModuleList(FactBlock(c) for _ in range(3))
        n_asked = c + WIDTHS.queries
        self.head = nn.Sequential(nn.Linear(n_asked, 128), nn.GELU(), nn.Linear(128, WIDTHS.out))

    def forward(self, pos: Tensor, x: Tensor, asked: Tensor) -> Tensor:
        h, n = self.lift(x[0]), self.side
        cell = ((pos[0] + 1) / 2 * (n - 1)).round().long()
        cell = cell[:, 0] * n + cell[:, 1]
        total = h.new_zeros(n * n, h.shape[1]).index_add(0, cell, h)
        count = h.new_zeros(n * n).index_add(0, cell, torch.ones_like(h[:, 0]))
        v = (total / count.clamp_min(1)[:, None]).view(1, n, n, -1)
        axis = torch.linspace(0, 1, n)
        phase = 2 * math.pi * torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
        phase = phase @ self.place
        code = torch.cat([phase.sin(), phase.cos()], -1)
        for add, block in zip(self.add_place, self.blocks, strict=True):
            v = block(v + add(code))
        at = pos.flip(-1)[:, None]  # (1, 1, N, 2), the last axis first
        read = F.grid_sample(v.permute(0, 3, 1, 2), at, align_corners=True)[0, :, 0].t()
        return self.head(torch.cat([read, asked[0]], -1))[None]


class TokenBlock(nn.Module):
    """CoDA-NO's layer on a mesh: attention between variables, slices within each, an MLP."""

    def __init__(self, c: int, heads: int, slices: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv = nn.LayerNorm(c), nn.Linear(c, 3 * c, bias=False)
        self.out = nn.Linear(c, c)
        self.rest = SliceBlock(c, heads, slices, 2)

    def forward(self, h: Tensor) -> Tensor:  # (T, n, C)
        t, n, _ = h.shape
        q, k, v = (
            part.view(t, n, self.heads, -1).permute(2, 0, 1, 3).flatten(2)
            for part in self.qkv(self.norm(h)).chunk(3, -1)
        )
        a = (q @ k.transpose(-2, -1) / n / (h.shape[2] / self.heads) ** 0.5).softmax(-1)
        y = (a @ v).view(self.heads, t, n, -1).permute(1, 2, 0, 3).flatten(2)
        return self.rest(h + self.out(y))


class PublishedCodaNO(nn.Module):
    """One token a variable; the space within each by slices, as ours has it."""

    def __init__(self, c: int = 64, heads: int = 8, slices: int = 32, layers: int = 5) -> None:
        super().__init__()
        n_place, self.n_out = WIDTHS.queries, WIDTHS.out
        self.names = nn.Parameter(torch.randn(WIDTHS.inputs + self.n_out, 16))
        self.lift = nn.Sequential(nn.Linear(n_place + 17, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.blocks = nn.Sequential(*(TokenBlock(c, heads, slices) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(c), nn.Linear(c, c), nn.GELU(), nn.Linear(c, 1))

    def forward(self, place: Tensor, inputs: Tensor) -> Tensor:
        t, n = len(self.names), len(place)
        value = F.pad(inputs.t(), (0, 0, 0, self.n_out))[..., None]
        names = self.names[:, None].expand(-1, n, -1)
        h = self.blocks(self.lift(torch.cat([place.expand(t, -1, -1), names, value], -1)))
        return self.head(h[t - self.n_out :])[..., 0].t()


def feed_coda(net: nn.Module, data: SimpleNamespace) -> Tensor:
    place = torch.cat([data.x, data.cond.expand(len(data.x), -1)], 1)
    return net(place, data.inputs)
