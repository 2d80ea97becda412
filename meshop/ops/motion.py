"""Triangles and tetrahedra that move: exact signs, step limits, and how far each node may go."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_values, same_device, tensor


class NodeWidth(NamedTuple):
    """The narrowest simplex around each node."""

    width: Tensor  #: (N,) float64, its width; infinity at nodes without a simplex
    simplex: Tensor  #: (N,) int64, which it is, the lowest of equal ones; -1 without


def simplex_sign(points: Tensor, simplices: Tensor) -> Tensor:
    """(S,) int8 the exact sign of det(x1 - x0, ...): 1, -1 for inverted, 0 for flat simplices.

    points (N, d) float64, d = 2 or 3; simplices (S, d + 1) int64. Coordinates count as the binary
    numbers they are; only products under 1e-290 of the largest may be lost. NaN or infinity give 0.
    Source: Shewchuk, Discrete Comput. Geom. 18 (1997). Raises ValueError or IndexError.
    """
    _check(points, simplices)
    return explained(
        lambda: torch.ops.meshop.simplex_sign(points.detach(), simplices),
        lambda: _explain(points, simplices),
    )


def step_limit(
    points: Tensor, displacement: Tensor, simplices: Tensor, keep: float = 0.0
) -> Tensor:
    """(S,) float64 how far each simplex may go along its displacement: t in [0, 1].

    Up to t its determinant det(E + s D) stays above keep det E, for all s in [0, t]: the smallest
    positive root of a quadratic (2-D) or cubic (3-D), never overestimated, and less than 1e-14 too
    small where rounding allows; 1 where there is none. 0 for simplices that are inverted or flat to
    rounding, and for what is not finite. points, displacement (N, d) float64, simplices (S, d + 1)
    int64. Without gradients; `meshop.movers.limit` has them. Raises ValueError or IndexError.
    """
    _check(points, simplices)
    tensor(displacement, "displacement")
    if displacement.shape != points.shape or displacement.dtype != torch.float64:
        raise ValueError(
            f"displacement: expected {tuple(points.shape)} of float64, like points, found "
            f"{tuple(displacement.shape)} of {displacement.dtype}"
        )
    same_device(displacement, "displacement", points.device)
    if not 0 <= keep < 1:
        raise ValueError(f"keep: expected a number from 0 to 1, found {keep!r}")
    x, d = points.detach(), displacement.detach()
    return explained(
        lambda: torch.ops.meshop.step_limit(x, d, simplices, float(keep)),
        lambda: _explain(points, simplices),
    )


def node_width(points: Tensor, simplices: Tensor) -> NodeWidth:
    """The least width of the simplices around each node: twice what all may move at once.

    The width is the least distance of parallel lines or planes that hold the simplex between them:
    in 2-D its least altitude, in 3-D the least of its altitudes and of the distances of opposite
    edges. Where every node moves by less than half of it no simplex becomes flat: for that all its
    nodes would have to come within one line or plane. From below; 0 for simplices that are inverted
    or flat to rounding. points (N, d) float64, d = 2 or 3; simplices (S, d + 1) int64. Without
    gradients. Raises ValueError or IndexError.
    """
    _check(points, simplices)
    return explained(
        lambda: NodeWidth(*torch.ops.meshop.node_width(points.detach(), simplices)),
        lambda: _explain(points, simplices),
    )


def _check(points: Tensor, simplices: Tensor) -> None:
    tensor(points, "points")
    tensor(simplices, "simplices")
    if points.dim() != 2 or points.shape[1] not in (2, 3) or points.dtype != torch.float64:
        raise ValueError(
            f"points: expected (N, 2) or (N, 3) of float64, found {tuple(points.shape)} of "
            f"{points.dtype}"
        )
    width = points.shape[1] + 1
    if simplices.dim() != 2 or simplices.shape[1] != width or simplices.dtype != torch.int64:
        raise ValueError(
            f"simplices: expected (S, {width}) of int64, found {tuple(simplices.shape)} of "
            f"{simplices.dtype}"
        )
    same_device(simplices, "simplices", points.device)


def _explain(points: Tensor, simplices: Tensor) -> None:
    index_values(simplices.reshape(-1), points.shape[0], "simplices (flat)", "points")


@torch.library.register_fake("meshop::step_limit")
def _(points, displacement, simplices, keep):
    return points.new_empty(simplices.shape[0])


@torch.library.register_fake("meshop::simplex_sign")
def _(points, simplices):
    return points.new_empty(simplices.shape[0], dtype=torch.int8)


@torch.library.register_fake("meshop::node_width")
def _(points, simplices):
    return points.new_empty(points.shape[0]), simplices.new_empty(points.shape[0])
