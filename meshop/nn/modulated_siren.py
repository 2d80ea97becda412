"""A field of sines whose layers are shifted by a code, and the gradient that fits the code.

    a_1 = W_1 pos + b_1 + s_1(z) + U x / w0;   a_l = W_l sin(w0 a_l-1) + b_l + s_l(z)
    f   = W sin(w0 a_L) + b;                   s(z) = H z + c
    J(z) = sum_n w_n |f(n) - u_n|^2 / C

The gradient of J with respect to z is written out below, so a step z - r dJ/dz is plain arithmetic:
training through it needs second derivatives of sines alone, which autograd takes in one backward
pass, and it works under torch.no_grad, inference mode and torch.compile. Sources: SIREN, Sitzmann
et al., NeurIPS 2020 (arXiv 2006.09661); shifts by a code, Dupont et al., arXiv 2201.12204.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .points import Points
from .rows import by_rows, sum_rows


class ModulatedSiren(nn.Module):
    """Field (N, n_out) at points, of codes (B, code); `depth` layers, the last of them linear.

    Features x (N, n_features) enter the first layer at frequency one, not w0: they are fields of
    their own, with scales of their own. Always in float32 or better: w0 times a place does not
    survive eight bits. Weights start as in SIREN: uniform in 1 / n first, sqrt(6 / n) / w0 then.
    """

    def __init__(
        self, dim: int, n_features: int, n_out: int, width: int, depth: int, code: int, w0: float
    ) -> None:
        super().__init__()
        self.w0 = w0
        self.first = nn.Linear(dim, width)
        self.features = nn.Linear(n_features, width, bias=False) if n_features else None
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 2))
        self.last = nn.Linear(width, n_out)
        self.shifts = nn.Linear(code, width * (depth - 1))
        for layer in (self.first, *self.hidden, self.last):
            n = layer.in_features
            bound = 1 / n if layer is self.first else (6 / n) ** 0.5 / w0
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)

    def forward(self, code: Tensor, points: Points, x: Tensor | None = None) -> Tensor:
        """Values (N, n_out) of codes (B, code) at points.pos with features x (N, n_features)."""
        with torch.autocast(code.device.type, enabled=False):
            shifts = self._shifts(code)
            rows = points.pos, points.batch, *self._known(x)
            return by_rows(lambda *r: self._layers(shifts, *r)[0], self._wide, *rows)

    def gradient(
        self, code: Tensor, target: Tensor, points: Points, x: Tensor | None = None
    ) -> Tensor:
        """dJ/dcode (B, code) for target (N, n_out), each graph by itself."""
        weights = [cast(nn.Linear, layer).weight for layer in self.hidden]

        def part(target: Tensor, weight: Tensor, pos: Tensor, batch: Tensor, *x: Tensor) -> Tensor:
            value, phases = self._layers(shifts, pos, batch, *x)
            back = (value - self._exact(target)) * (2 / value.shape[1] * weight[:, None])
            back = back @ self.last.weight
            sums: list[Tensor] = []
            for level in reversed(range(len(phases))):
                back = back * (self.w0 * phases[level].cos())
                if len(shifts) == 1:
                    sums.insert(0, back.sum(0, keepdim=True))
                else:
                    total = back.new_zeros(len(shifts), back.shape[1])
                    sums.insert(0, total.index_add(0, batch, back))
                if level:
                    back = back @ weights[level - 1]
            return torch.cat(sums, dim=1)

        with torch.autocast(code.device.type, enabled=False):
            shifts = self._shifts(code)
            weight = points.weight.to(shifts.dtype)
            rows = target, weight, points.pos, points.batch, *self._known(x)
            return sum_rows(part, self._wide, *rows) @ self.shifts.weight

    @property
    def _wide(self) -> int:
        """Values in the temporaries of a row."""
        return 4 * self.last.in_features

    def _known(self, x: Tensor | None) -> tuple[Tensor, ...]:
        assert x is not None or self.features is None
        return () if self.features is None or x is None else (x,)

    def _shifts(self, code: Tensor) -> Tensor:
        """(B, layers of sines x width) of the phases."""
        return self.w0 * self.shifts(self._exact(code))

    def _exact(self, x: Tensor) -> Tensor:
        return x.to(torch.promote_types(self.last.weight.dtype, torch.float32))

    def _layers(
        self, shifts: Tensor, pos: Tensor, batch: Tensor, *x: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Values, and w0 a_l of each layer of sines."""
        mine = shifts if len(shifts) == 1 else shifts[batch]
        first, *later = mine.chunk(len(self.hidden) + 1, dim=1)
        phase = self.w0 * self.first(self._exact(pos)) + first
        if self.features is not None:
            phase = phase + self.features(self._exact(*x))
        phases = [phase]
        for layer, shift in zip(self.hidden, later, strict=True):
            phases.append(self.w0 * layer(phases[-1].sin()) + shift)
        return self.last(phases[-1].sin()), phases
