"""Gradients of nodal fields as part of the training measure: the H1 norm of finite elements."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from torch import Tensor

from ..errors import ConditionError
from ..graph import GraphSpec
from ..mesh import Mesh

Loss = Literal["l2", "h1"]


def check_loss(spec: GraphSpec, loss: Loss) -> None:
    """Raises ConditionError where fields have no such norm."""
    if loss == "h1" and spec.location != "point":
        raise ConditionError(
            "the H1 norm is of fields at points",
            "these are at cells, and have no gradient there",
            "--loss l2",
        )


def slopes_of(
    mesh: Mesh, spec: GraphSpec, weight: np.ndarray, measure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Simplices (S, d + 1) of a mesh, and scaled gradients (S, d + 1, D) of their hat functions.

    The squares of sum_a slopes[s, a] e[simplices[s, a]], summed, are the mean of L^2 |grad e|^2
    over the domain, L the spec's length: dimensionless beside the mean of e^2. measure / weight
    (N,): how the training measure is damped at the nodes. Raises ConditionError for fields at
    cells, MeshError as `Mesh.p1` does, ConditionError for cells that are cut from their centre.
    """
    check_loss(spec, "h1")
    p1 = mesh.p1()
    nodes = p1.simplices.nodes
    if p1.simplices.centres.shape[0]:
        raise ConditionError(
            "the H1 norm needs gradients at the mesh's points alone",
            f"{p1.simplices.centres.shape[0]} cells are cut into simplices from their centre",
            "--loss l2",
        )
    damping = np.divide(measure, weight, out=np.zeros(len(weight)), where=weight > 0)
    share = p1.simplices.measure * damping[nodes].mean(1)
    scale = spec.length * np.sqrt(share / share.sum())
    slopes = p1.basis_gradients()[:, :, : spec.space] * scale[:, None, None]
    return nodes.astype(np.int32), slopes.astype(np.float32)


def slope_energy(graph: Any, values: Tensor) -> Tensor:
    """(B, C) mean squares of the gradients of values (N, C) at the graph's nodes, by `slopes_of`.

    Of differences to the first corner, so that constants have none at all.
    """
    nodes, slopes = graph.simplices, graph.slopes
    first = values[nodes[:, 0]]
    total = values.new_zeros(len(nodes), slopes.shape[2], values.shape[1])
    for corner in range(1, nodes.shape[1]):
        total = total + slopes[:, corner, :, None] * (values[nodes[:, corner]] - first)[:, None]
    out = values.new_zeros(len(graph.cond), values.shape[1])
    return out.index_add(0, graph.batch[nodes[:, 0]], total.square().sum(1))
