"""A reference that is moved onto each mesh as an elastic body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from ..mesh import Mesh
from ._carried import Array, Carried, Reference
from ._chart import sharpened
from ._elastic import Body
from ._features import KINDS, simplicial, volumes


class BodyReference(Reference):
    """The mesh of middling size that is nearest to the mean shape, cut into simplices.

    Values are carried where it lies when its boundary has been brought to that of a mesh. Works in
    the plane as well. Fields on cells are taken to its points through the means around each point.
    weight (R,): dual measures.
    """

    def __init__(self, body: Body, location: str) -> None:
        super().__init__()
        self.body, self.location, self.dim = body, location, body.mesh.dim
        self.weight = body.mesh.p1().lumped

    @classmethod
    def of(cls, base: Mesh, family: Sequence[Mesh], location: str) -> BodyReference:
        return cls(Body.central(base, family), location)

    @property
    def mesh(self) -> Mesh:
        return self.body.mesh

    def _map(self, mesh: Mesh) -> Array:
        return self.body.onto(mesh)

    def _carry(self, mesh: Mesh, image: Array, shift: Array | None = None) -> Carried:
        if shift is not None:
            there = self.mesh.points.copy()
            there[:, : self.dim] += shift
            image = self.mesh.p1().interpolation(there) @ image
        lying = Mesh.from_blocks(image, [(KINDS[self.dim], self.body.nodes)])
        p1 = mesh.p1()
        if self.location == "point":
            there = sharpened(p1.interpolation(image), mesh, image)
            asked = mesh.points
        else:
            around, means = means_around(mesh)
            there = around.p1().interpolation(image)
            around.points = means @ mesh.cell_centers()
            there = (sharpened(there, around, image) @ means).tocsr()
            asked = mesh.cell_centers()
        back = lying.p1().interpolation(asked)
        place = p1.lumped @ mesh.points / p1.lumped.sum()
        size = float(p1.lumped.sum() ** (1 / self.dim))
        found = (image - place) / size
        return Carried(there, sharpened(back, lying, asked), back, found, place[: self.dim], size)

    def state(self) -> dict[str, Any]:
        return {
            "points": self.body.mesh.points,
            "simplices": self.body.nodes,
            "turn": np.array(self.body.turn),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], location: str) -> BodyReference:
        points, nodes = np.asarray(state["points"]), np.asarray(state["simplices"])
        turn = np.asarray(state["turn"])
        if points.ndim != 2 or points.shape[1] != 3 or points.dtype != np.float64:
            raise ValueError(f"points {points.shape}: expected (R, 3) of float64")
        if nodes.ndim != 2 or nodes.shape[1] not in (3, 4) or nodes.dtype.kind != "i":
            raise ValueError(f"simplices {nodes.shape}: expected (S, 3) or (S, 4) of integers")
        if turn.shape or not 0 < turn <= 180:
            raise ValueError(f"turn {turn}: expected a number of degrees, to 180")
        mesh = Mesh.from_blocks(points, [(KINDS[nodes.shape[1] - 1], nodes)])
        if not len(nodes) or not (volumes(points, nodes) > 0).all() or len(mesh.p1().idle):
            raise ValueError("simplices: expected some, all positive, and no points without one")
        return cls(Body(mesh, float(turn)), location)


def means_around(mesh: Mesh) -> tuple[Mesh, csr_matrix]:
    """The simplices of a mesh, N points, and (N, M) means of cells around each by measure."""
    simplices = mesh.p1().simplices
    width = mesh.dim + 1
    local = np.unique(simplices.nodes.ravel(), return_inverse=True)[1]
    weight, cell = np.repeat(simplices.measure, width), np.repeat(simplices.cell, width)
    total = np.bincount(local, weight)
    means = csr_matrix((weight / total[local], (local, cell)), (len(total), mesh.n_cells))
    return simplicial(mesh), means
