"""Networks that precondition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .saved import SavedNet


class Net(SavedNet):
    """A network that reads a matrix and gives a preconditioner: net(A)(r) is something like A^-1 r.

    config: what its class is made with; meta: how it was trained (JSON). See `learn` and `load`.
    """

    what: ClassVar[str] = "solver"

    def setup(self, matrix: Any, coarsest: int = 300) -> Callable[[Any], Any]:
        """The preconditioner of A: SciPy sparse, torch sparse or `Csr`, symmetric positive."""
        raise NotImplementedError

    def forward(self, matrix: Any, coarsest: int = 300) -> Callable[[Any], Any]:
        return self.setup(matrix, coarsest)
