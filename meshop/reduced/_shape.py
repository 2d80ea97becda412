"""Which shape a domain has: a few numbers, of how it is stretched and of what no stretching says.

The coordinates X_i of the reference's nodes on each mesh, less place and in units of size, are
near an affine map of their mean X: X_i = F (X + rest), with the F of least squares. F = R U with a
rotation R, which belongs to the place, and a stretch U, which enters by its logarithm (Hencky
1928): ratios of lengths double and halve by equal steps. POD of the fields log(U) X + rest gives
the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ._pod import POD

Array = NDArray[np.float64]
LEAST = 1e-6  # stretch of a direction that has collapsed


class Shapes:
    """Numbers of shapes like those (n, R, d) of a family, weight (R,): at most `most`, of what
    varies by more than `least`.

    range (2, k): of the family's numbers; rest: at most so far, in sizes, it is from what they say.
    """

    mean: Array
    weight: Array
    basis: POD
    range: Array
    rest: float

    @classmethod
    def of(cls, images: Sequence[Array], weight: Array, most: int, least: float) -> Shapes:
        found = cls()
        found.mean, found.weight = images[0], weight / weight.sum()
        # Turned like the first: shapes in all directions have no mean.
        found.mean = np.mean([image @ found._polar(image)[0] for image in images], axis=0)
        logs = np.stack([found._log(image)[0].ravel() for image in images])
        found.basis = POD(1 - 1e-10, most).fit(logs, np.repeat(found.weight, found.mean.shape[1]))
        found.basis.modes = found.basis.modes[found.basis.values > least * np.sqrt(len(images))]
        codes, rests = zip(*(found.code(image)[:2] for image in images), strict=True)
        found.range, found.rest = np.stack([np.min(codes, 0), np.max(codes, 0)]), max(rests)
        return found

    def code(self, image: Array) -> tuple[Array, float, Array]:
        """Its numbers (k,), how far it is from what they say, and the rotation vector, of which
        the plane has one component and space three."""
        field, turn = self._log(image)
        code = self.basis.encode(field.ravel())
        gap = (field.ravel() - self.basis.decode(code)) ** 2
        return code, float(np.sqrt(gap @ self.basis.weight)), turn

    def _polar(self, image: Array) -> tuple[Array, Array, Array]:
        """R (d, d), and U by its sizes (d,) and directions (d, d), in rows."""
        moment = (self.weight[:, None] * self.mean).T
        f = np.linalg.solve(moment @ self.mean, moment @ image).T
        left, sizes, right = np.linalg.svd(f)
        return left @ right, np.maximum(sizes, LEAST), right

    def _log(self, image: Array) -> tuple[Array, Array]:
        """log(U) X + rest (R, d), and the rotation vector."""
        d = image.shape[1]
        rotation, sizes, right = self._polar(image)
        rest = image @ rotation @ (right.T / sizes) @ right - self.mean
        turn = np.eye(3)
        turn[:d, :d] = rotation
        vector = Rotation.from_matrix(turn).as_rotvec()
        log = self.mean @ (right.T * np.log(sizes)) @ right
        return log + rest, vector[2:] if d == 2 else vector

    def state(self) -> dict[str, Array]:
        """Arrays that `restored` takes."""
        return {
            "centre": self.mean,
            "weight": self.weight,
            "mean": self.basis.mean,
            "modes": self.basis.modes,
            "range": self.range,
            "rest": np.array(self.rest),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Array], nodes: int) -> Shapes:
        """Raises KeyError or ValueError for arrays that do not fit."""
        centre, count = state["centre"], len(state["modes"])
        d = 2 if centre.shape[1:] == (2,) else 3
        for name, wanted in (
            ("centre", (nodes, d)),
            ("weight", (nodes,)),
            ("mean", (nodes * d,)),
            ("modes", (count, nodes * d)),
            ("range", (2, count)),
            ("rest", ()),
        ):
            if state[name].shape != wanted:
                raise ValueError(f"shape.{name} {state[name].shape}: expected {wanted}")
        found = cls()
        found.mean, found.weight, found.basis = centre, state["weight"], POD()
        found.basis.mean, found.basis.modes = state["mean"], state["modes"]
        found.basis.weight = np.repeat(found.weight, d)
        found.range, found.rest = state["range"], float(state["rest"])
        return found
