"""What learned movers have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from ..solvers.saved import SavedNet
from ._domain import Domain

Sampler = Callable[[Tensor], Tensor]


class MoverNet(SavedNet):
    """A network that moves meshes: net(domain, monitor) are displacements (N, d), step by step.

    monitor: a positive function of points (N, d), float64 tensors, in the order of the domain's.
    What comes out may invert cells: `um2n` has the limiter behind it. config: what its class is
    made with; meta: how it was trained (JSON).
    """

    what: ClassVar[str] = "mover"

    def __init__(self, **config: int) -> None:
        super().__init__(config)

    def forward(self, domain: Domain, monitor: Sampler) -> list[Tensor]:
        raise NotImplementedError
