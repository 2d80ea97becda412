"""What carries values between a mesh and the reference of its family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ..mesh import Mesh

Array = NDArray[np.float64]
ROOM = 1 << 29  # bytes of matrices that are kept


class Carried(NamedTuple):
    """there (R, N), back (N, R): values to the reference and from it, of second order for what is
    smooth on the mesh; plain (N, R): back in P1, with weights that are not negative. image (R, 3):
    where the reference's nodes lie on this mesh, less place and in units of size; place (d,)."""

    there: csr_matrix
    back: csr_matrix
    plain: csr_matrix
    image: Array
    place: Array
    size: float

    @property
    def n_bytes(self) -> int:
        matrices = self.there, self.back, self.plain
        return sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in matrices)


class Reference(ABC):
    """One domain, and a mesh on it whose R nodes all fields are carried to.

    Nodes of meshes are their points, or their cells (location). weight (R,): what each of the
    reference's counts for in norms. dim: 2 in the plane, 3 for solid meshes.
    """

    location: str
    weight: Array
    dim: int

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Any, Carried]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.weight)

    @property
    @abstractmethod
    def mesh(self) -> Mesh:
        """Of simplices, on the reference domain."""

    def carry(self, mesh: Mesh, shift: Array | None = None) -> Carried:
        """The matrices of a mesh. Raises MeshError where it cannot be morphed. shift (R, d): by
        which the reference's nodes move on its domain first."""
        key = mesh.content_hash()
        if key not in self._kept:
            image = self._map(mesh)
            self._kept[key] = image, self._carry(mesh, image)
            kept = self._kept.values()
            while len(kept) > 1 and sum(carried.n_bytes for _, carried in kept) > ROOM:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        image, carried = self._kept[key]
        return carried if shift is None else self._carry(mesh, image, shift)

    def forget(self) -> None:
        """Let go of the matrices of all meshes."""
        self._kept.clear()

    @abstractmethod
    def _map(self, mesh: Mesh) -> Any:
        """What takes the most time: the map between the two domains."""

    @abstractmethod
    def _carry(self, mesh: Mesh, image: Any, shift: Array | None = None) -> Carried:
        """The matrices under a map."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Arrays that `restored` takes."""
