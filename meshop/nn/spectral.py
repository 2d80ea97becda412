"""Convolution on regular grids through their lowest frequencies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralConv(nn.Module):
    """y = F^-1(R_k . (F v)_k) over the lowest frequencies k, none elsewhere.

    (B, n_1 .. n_dim, C_in) to (B, n_1 .. n_dim, C_out) on a periodic grid in `dim` dimensions;
    `modes` frequencies of either sign along each axis (of one sign along the last: the other is its
    conjugate). The weights (2 m, .., m, C_in, C_out, 2) hold real and imaginary parts as real
    numbers, which bfloat16, safetensors and optimisers understand. Transforms run in float32 or
    better at any precision of v. Raises ValueError for grids with fewer frequencies than `modes`.

    Source: Li et al., ICLR 2021 (arXiv 2010.08895), with a matrix for each frequency.
    """

    def __init__(self, width_in: int, width_out: int, modes: int, dim: int = 2):
        super().__init__()
        self.modes, self.dim = modes, dim
        shape = (2 * modes,) * (dim - 1) + (modes, width_in, width_out, 2)
        # Complex normal of variance 2 / (C_in + C_out): what passes keeps its size.
        self.weight = nn.Parameter(torch.randn(shape) / (width_in + width_out) ** 0.5)

    def forward(self, v: Tensor) -> Tensor:
        sizes, m = v.shape[1:-1], self.modes
        if min(sizes[:-1], default=2 * m) < 2 * m or sizes[-1] // 2 + 1 < m:
            raise ValueError(f"a grid of {tuple(sizes)} points has fewer than {m} modes")
        exact = torch.promote_types(v.dtype, torch.float32)
        with torch.autocast(v.device.type, enabled=False):
            # Axis by axis, and each cut before the next: most of the work is on what is kept.
            f = torch.fft.rfft(v.to(exact), dim=self.dim).narrow(self.dim, 0, m)
            for axis in range(1, self.dim):
                f = torch.fft.fft(f, dim=axis)
                f = torch.cat([f.narrow(axis, 0, m), f.narrow(axis, f.shape[axis] - m, m)], axis)
            r = torch.view_as_complex(self.weight.to(exact)).flatten(0, self.dim - 1)
            kept = f.shape[1:-1]
            f = (f.flatten(1, -2).transpose(0, 1) @ r).transpose(0, 1).unflatten(1, kept)
            for axis in range(1, self.dim):
                gap = list(f.shape)
                gap[axis] = sizes[axis - 1] - 2 * m
                parts = [f.narrow(axis, 0, m), f.new_zeros(gap), f.narrow(axis, m, m)]
                f = torch.fft.ifft(torch.cat(parts, axis), dim=axis)
            return torch.fft.irfft(f, n=sizes[-1], dim=self.dim).to(v.dtype)


class FourierLayer(nn.Module):
    """y = gelu(W v + b + K v), K a `SpectralConv`; (B, n_1 .. n_dim, C) to the same.

    pad: points of zeros behind the last along each axis, so that what leaves at one end of data
    that is not periodic does not come back at the other (one side serves both). `last` leaves out
    the GELU, as the last of the published layers does.
    """

    def __init__(self, width: int, modes: int, dim: int = 2, pad: int = 0, last: bool = False):
        super().__init__()
        self.pad, self.dim, self.last = pad, dim, last
        self.convolution = SpectralConv(width, width, modes, dim)
        self.pointwise = nn.Linear(width, width)

    def forward(self, v: Tensor, coverage: Tensor | None = None) -> Tensor:
        """coverage, which `AxisAttention` takes in the same place, is not used."""
        padded = F.pad(v, (0, 0) + (0, self.pad) * self.dim) if self.pad else v
        far = self.convolution(padded)[(slice(None), *(slice(0, n) for n in v.shape[1:-1]))]
        y = self.pointwise(v) + far
        return y if self.last else F.gelu(y)
