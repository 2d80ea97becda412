"""Poisson's equation around a square hole that moves: 121 solutions on 1,352 nodes.

The hole's place (mu1, mu2) runs over an 11 x 11 grid; the mesh deforms with it and keeps its 2,533
triangles. The source publishes no split. Ours: seed 10, shuffle 0..120, the first 30 % (36) train,
the rest test. Error: relative L2 norm of the nodal vector.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...mesh import Mesh
from .._meshes import triangle_mesh, with_case
from .._task import Split, Task


def load(data: Path, work: Path) -> Split:
    """36 training and 85 test cases."""
    found = torch.load(data / "holed_poisson.pt", weights_only=True)
    x, y, u, mu = (found[k].double().numpy() for k in ("x", "y", "u", "mu"))
    triangles = found["triang"].numpy()

    def case(k: int) -> Mesh:
        base = triangle_mesh(np.column_stack([x[:, k], y[:, k]]), triangles)
        return with_case(base, {"u": u[:, k]}, {"mu1": mu[k, 0], "mu2": mu[k, 1]})

    order = np.arange(x.shape[1])
    np.random.RandomState(10).shuffle(order)
    count = int(0.3 * len(order))
    return Split(
        [case(k) for k in sorted(order[:count])], {"test": [case(k) for k in sorted(order[count:])]}
    )


TASKS = [
    Task(
        name="holed_poisson",
        summary="Poisson's equation around a hole that moves",
        load=load,
        folder="holed_poisson",
        targets=("u",),
        conditions=("mu1", "mu2"),
        corresponding=True,
        source="none published for this split",
    )
]
