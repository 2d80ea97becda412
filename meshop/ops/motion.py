"""Triangles and tetrahedra that move: exact signs, step limits, and how far each node may go."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_values, same_device, tensor, whole_number


class NodeLeast(NamedTuple):
    """The least value of the simplices around each node."""

    least: Tensor  #: (N,) float64; infinity at nodes without a simplex
    simplex: Tensor  #: (N,) int64, whose it is, the lowest of equal ones; -1 without


def simplex_sign(points: Tensor, simplices: Tensor) -> Tensor:
    """(S,) int8 the exact sign of det(x1 - x0, ...): 1, -1 for inverted, 0 for flat simplices.

    points (N, d) float64, d = 2 or 3; simplices (S, d + 1) int64. Coordinates count as the binary
    numbers they are; only products under 1e-290 of the largest may be lost. NaN or infinity give 0.
    Source: Shewchuk, Discrete Comput. Geom. 18 (1997). Raises ValueError or IndexError.
    """
    _check(points, simplices)
    return explained(
        lambda: torch.ops.meshop.simplex_sign(points.detach(), simplices),
        lambda: _explain(points.shape[0], simplices),
    )


def step_limit(
    points: Tensor, displacement: Tensor, simplices: Tensor, least: Tensor | None = None
) -> Tensor:
    """(S,) float64 how far each simplex may go along its displacement: t in [0, 1].

    Up to t its determinant det(E + s D) stays above `least` (S,), or above zero, for all s in
    [0, t]: the smallest positive root of a quadratic (2-D) or cubic (3-D), never overestimated, and
    less than 1e-14 too small where rounding allows; 1 where there is none. 0 for simplices that are
    there already or flat to rounding, and for what is not finite. points, displacement (N, d)
    float64, d = 2 or 3; simplices (S, d + 1) int64. Without gradients; `meshop.movers.limit` has
    them. Raises ValueError or IndexError.
    """
    _check(points, simplices)
    tensor(displacement, "displacement")
    if displacement.shape != points.shape or displacement.dtype != torch.float64:
        raise ValueError(
            f"displacement: expected {tuple(points.shape)} of float64, like points, found "
            f"{tuple(displacement.shape)} of {displacement.dtype}"
        )
    same_device(displacement, "displacement", points.device)
    if least is not None:
        _check_values(least, simplices, "least")
        least = least.detach()
    x, d = points.detach(), displacement.detach()
    return explained(
        lambda: torch.ops.meshop.step_limit(x, d, simplices, least),
        lambda: _explain(points.shape[0], simplices),
    )


def simplex_width(points: Tensor, simplices: Tensor) -> Tensor:
    """(S,) float64 the least distance of parallel lines or planes that hold a simplex between them.

    In 2-D its least altitude, in 3-D the least of its altitudes and of the distances of opposite
    edges. Where each node moves by less than half of it the simplex cannot become flat: its nodes
    would all have to come into one line or plane. From below; 0 for simplices that are inverted or
    flat to rounding. points (N, d) float64, d = 2 or 3; simplices (S, d + 1) int64. Without
    gradients. Raises ValueError or IndexError.
    """
    _check(points, simplices)
    return explained(
        lambda: torch.ops.meshop.simplex_width(points.detach(), simplices),
        lambda: _explain(points.shape[0], simplices),
    )


def node_least(values: Tensor, simplices: Tensor, num_nodes: int) -> NodeLeast:
    """The least of values (S,) float64 of the simplices around each node, and whose it is.

    simplices (S, k) int64. Values below zero, and NaN, count as zero. Without gradients. Raises
    ValueError or IndexError.
    """
    tensor(simplices, "simplices")
    if simplices.dim() != 2 or simplices.dtype != torch.int64:
        raise ValueError(
            f"simplices: expected (S, k) of int64, found {tuple(simplices.shape)} of "
            f"{simplices.dtype}"
        )
    _check_values(values, simplices, "values")
    number = whole_number(num_nodes, "num_nodes", 0)
    return explained(
        lambda: NodeLeast(*torch.ops.meshop.node_least(values.detach(), simplices, number)),
        lambda: _explain(number, simplices),
    )


def _check_values(values: Tensor, simplices: Tensor, name: str) -> None:
    tensor(values, name)
    if values.shape != simplices.shape[:1] or values.dtype != torch.float64:
        raise ValueError(
            f"{name}: expected ({simplices.shape[0]},) of float64, found {tuple(values.shape)} of "
            f"{values.dtype}"
        )
    same_device(values, name, simplices.device)


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


def _explain(points: int, simplices: Tensor) -> None:
    index_values(simplices.reshape(-1), points, "simplices (flat)", "points")


@torch.library.register_fake("meshop::step_limit")
def _(points, displacement, simplices, least):
    return points.new_empty(simplices.shape[0])


@torch.library.register_fake("meshop::simplex_sign")
def _(points, simplices):
    return points.new_empty(simplices.shape[0], dtype=torch.int8)


@torch.library.register_fake("meshop::simplex_width")
def _(points, simplices):
    return points.new_empty(simplices.shape[0])


@torch.library.register_fake("meshop::node_least")
def _(values, simplices, num_nodes):
    return values.new_empty(num_nodes), simplices.new_empty(num_nodes)
