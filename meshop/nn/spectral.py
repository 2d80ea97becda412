"""Convolution on regular grids through their lowest frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralConv(nn.Module):
    """y = F^-1(R_k . (F v)_k) over the lowest frequencies k, none elsewhere.

    (B, n_1 .. n_dim, C_in) to (B, n_1 .. n_dim, C_out) on a periodic grid in `dim` dimensions;
    `modes` frequencies of either sign along each axis, one number for all or one for each (of one
    sign along the last: the other is its conjugate). The weights (2 m_1, .., m_dim, C_in, C_out, 2)
    hold real and imaginary parts as real numbers, which bfloat16, safetensors and optimisers
    understand. Transforms run in float32 or better at any precision of v. Raises ValueError for
    grids with fewer frequencies than `modes`.

    Source: Li et al., ICLR 2021 (arXiv 2010.08895), with a matrix for each frequency.
    """

    def __init__(self, width_in: int, width_out: int, modes: int | Sequence[int], dim: int = 2):
        super().__init__()
        self.modes, self.dim = modes, dim
        self.kept = (modes,) * dim if isinstance(modes, int) else tuple(modes)
        if len(self.kept) != dim:
            raise ValueError(f"modes {self.kept}: expected one number, or {dim}")
        shape = (*(2 * m for m in self.kept[:-1]), self.kept[-1], width_in, width_out, 2)
        # Complex normal of variance 2 / (C_in + C_out): what passes keeps its size.
        self.weight = nn.Parameter(torch.randn(shape) / (width_in + width_out) ** 0.5)

    def forward(self, v: Tensor, pad: int | Sequence[int] = 0) -> Tensor:
        sizes, (*others, m) = v.shape[1:-1], self.kept
        pads = (pad,) * self.dim if isinstance(pad, int) else pad
        periods = [n + more for n, more in zip(sizes, pads, strict=True)]
        few = any(n < 2 * k for n, k in zip(periods, others, strict=False))
        if few or periods[-1] // 2 + 1 < m:
            raise ValueError(f"a grid of {tuple(periods)} points has fewer than {self.modes} modes")
        exact = torch.promote_types(v.dtype, torch.float32)
        with torch.autocast(v.device.type, enabled=False):
            # Products with the few waves that are kept; a fast transform finds them all.
            k = torch.arange(m, device=v.device)
            angle = _angles(sizes[-1], periods[-1], k, exact)
            f = torch.cat([angle.cos(), -angle.sin()]) @ v.to(exact)
            f = torch.complex(*f.split(m, dim=-2))
            waves = []
            for n, period, most in zip(sizes[:-1], periods[:-1], others, strict=True):
                both = torch.arange(2 * most, device=v.device)
                both = torch.where(both < most, both, both - 2 * most)
                turn = _angles(n, period, both, exact)
                waves.append(torch.polar(torch.ones_like(turn), -turn))  # (2 m_axis, n)
            for axis in range(self.dim - 1, 0, -1):
                f = _along(waves[axis - 1], f, axis)
            r = torch.view_as_complex(self.weight.to(exact)).flatten(0, self.dim - 1)
            kept = f.shape[1:-1]
            f = (f.flatten(1, -2).transpose(0, 1) @ r).transpose(0, 1).unflatten(1, kept)
            for axis in range(1, self.dim):
                f = _along(waves[axis - 1].mH, f, axis)
            # A frequency and its conjugate, but for those that are their own.
            own = (k == 0) | (2 * k == periods[-1])
            share = (2 - own.to(exact)) / prod(periods)
            back = torch.cat([angle.cos().T * share, -angle.sin().T * share], dim=1)
            return (back @ torch.cat([f.real, f.imag], dim=-2)).to(v.dtype)


def _angles(n: int, period: int, k: Tensor, dtype: torch.dtype) -> Tensor:
    """(len(k), n) 2 pi k x / period of x = 0 .. n - 1."""
    x = torch.arange(n, device=k.device)
    return (k[:, None] * x % period).to(dtype) * (2 * pi / period)


def _along(matrix: Tensor, f: Tensor, axis: int) -> Tensor:
    """The product of a matrix with f along one axis."""
    return (matrix @ f.flatten(axis + 1)).unflatten(axis + 1, f.shape[axis + 1 :])


class FourierLayer(nn.Module):
    """y = gelu(W v + b + K v), K a `SpectralConv`; (B, n_1 .. n_dim, C) to the same.

    pad: points of zeros behind the last along each axis, one number for all or one for each, so
    that what leaves at one end of data that is not periodic does not come back at the other (one
    side serves both). `last` leaves out the GELU, as the last of the published layers does.
    """

    def __init__(
        self,
        width: int,
        modes: int | Sequence[int],
        dim: int = 2,
        pad: int | Sequence[int] = 0,
        last: bool = False,
    ):
        super().__init__()
        self.pad, self.dim, self.last = pad, dim, last
        self.convolution = SpectralConv(width, width, modes, dim)
        self.pointwise = nn.Linear(width, width)

    def forward(self, v: Tensor, coverage: Tensor | None = None) -> Tensor:
        """coverage, which `AxisAttention` takes in the same place, is not used."""
        y = self.pointwise(v) + self.convolution(v, self.pad)
        return y if self.last else F.gelu(y)
