"""Models without a network, under the same rules as the others: what a network has to beat.

Each knows a case by a row of numbers (`describe`): conditions, the wall's shape, and the leading
POD coefficients of the known fields. Where nodes do not correspond, fields go through a reference
point set, the nodes of one training case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from ..errors import MeshError
from ..mesh import Mesh
from ..reduced import MMGP, POD, Answer, PODRegression
from ..train import StoredCase, least_squares
from ._task import Task

ANGLES = 24  # at which a plane wall's radius is looked up
KNOWN = 12  # POD coefficients of each known field
NEIGHBOURS = 4
CHUNK = 64  # cases at a time, of a process over many
SHAPE_RANGE = 1e-6  # relative to the wall's size: shapes that vary by less do not vary


class Transfer:
    """Values from one point set to another: linear inside the Delaunay triangulation in the plane,
    by inverse distances elsewhere; the identity where the sets are the same."""

    def __init__(self) -> None:
        self.cache: dict[tuple[bytes, bytes], tuple[np.ndarray, np.ndarray]] = {}
        self.meshes: dict[bytes, Delaunay | None] = {}

    def __call__(self, values: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        ids, weights = self.stencil(source, target)
        return (np.asarray(values)[ids] * weights[..., None]).sum(1)

    def stencil(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(M, k) source nodes and weights of each target point."""
        key = _key(source), _key(target)
        if key in self.cache:
            return self.cache[key]
        if key[0] == key[1]:
            found = np.arange(len(source))[:, None], np.ones((len(source), 1))
        else:
            found = self._make(key[0], np.asarray(source), np.asarray(target))
        if len(self.cache) > 64:
            self.cache.clear()
            self.meshes.clear()
        self.cache[key] = found
        return found

    def _make(
        self, name: bytes, source: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        gap, ids = cKDTree(source).query(target, k=min(NEIGHBOURS, len(source)))
        ids, gap = ids.reshape(len(target), -1), gap.reshape(len(target), -1)
        weights = 1 / np.maximum(gap, 1e-12 * max(float(gap.max()), 1e-300))
        weights /= weights.sum(1, keepdims=True)
        if np.ptp(source[:, 2]) > 0 or np.ptp(target[:, 2]) > 0:
            return ids, weights
        if name not in self.meshes:
            try:
                self.meshes[name] = Delaunay(source[:, :2])
            except QhullError:
                self.meshes[name] = None
        mesh = self.meshes[name]
        if mesh is None:
            return ids, weights
        simplex = mesh.find_simplex(target[:, :2])
        inside = np.flatnonzero(simplex >= 0)
        transform = mesh.transform[simplex[inside]]
        part = np.einsum("mij,mj->mi", transform[:, :2], target[inside, :2] - transform[:, 2])
        good = np.isfinite(part).all(1)
        inside, part = inside[good], part[good]
        ids, weights = ids[:, :3].copy(), weights[:, :3] / weights[:, :3].sum(1, keepdims=True)
        ids[inside] = mesh.simplices[simplex[inside]]
        weights[inside] = np.column_stack([part, 1 - part.sum(1)])
        return ids, weights


def _key(points: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(points).tobytes(), digest_size=16).digest()


class Null:
    """fit on training cases, predict (N, C) fields of another. meshes: it needs their cells."""

    meshes = False

    def __init__(self, task: Task) -> None:
        self.task, self.transfer = task, Transfer()

    def fit(self, cases: Sequence[StoredCase]) -> None:
        self.cases = cases
        self.names = list(cases[0].case.conditions)
        sizes = [len(c.y) for c in cases]
        self.base = cases[int(np.argsort(sizes, kind="stable")[len(cases) // 2])]
        self.known: list[POD | None] = []
        raw = [self._raw(c) for c in cases]
        for column in zip(*raw, strict=True):
            values = np.stack(column)
            fixed = np.ptp(values, axis=0).max(initial=0) == 0
            self.known.append(None if fixed else POD(0.9999, KNOWN).fit(values))
        rows = np.stack([self._row(c, r) for c, r in zip(cases, raw, strict=True)])
        spread = np.ptp(rows, axis=0)
        self.keep = spread > SHAPE_RANGE * np.maximum(np.abs(rows).max(0), 1e-12)
        self.mean, self.std = rows[:, self.keep].mean(0), rows[:, self.keep].std(0)
        # Every condition counts one, and so does each other part, however many numbers it has.
        part = self.part[self.keep]
        self.std = self.std * np.where(part < 0, 1.0, np.sqrt(np.bincount(part + 1)[part + 1]))
        self.by_condition = np.flatnonzero(part < 0)
        self.rows = (rows[:, self.keep] - self.mean) / self.std
        self.learn()

    def learn(self) -> None:
        """What a kind does with its cases."""

    def describe(self, case: StoredCase) -> np.ndarray:
        """(D,) standardised conditions, shape and known fields."""
        row = self._row(case, self._raw(case))[self.keep]
        return (row - self.mean) / self.std

    def to_base(self, case: StoredCase, values: np.ndarray) -> np.ndarray:
        if self.task.corresponding:
            return np.asarray(values)
        return self.transfer(values, case.pos, self.base.pos)

    def from_base(self, case: StoredCase, values: np.ndarray) -> np.ndarray:
        if self.task.corresponding:
            return values
        return self.transfer(values, self.base.pos, case.pos)

    def fields(self) -> np.ndarray:
        """(n, N C) training fields on the base's nodes."""
        return np.stack([self.to_base(c, c.y).ravel() for c in self.cases])

    def predict(self, cases: Sequence[StoredCase]) -> list[np.ndarray]:
        """Fields (N, C) of each case."""
        raise NotImplementedError

    def describe_all(self, cases: Sequence[StoredCase]) -> np.ndarray:
        return np.stack([self.describe(case) for case in cases])

    def _raw(self, case: StoredCase) -> list[np.ndarray]:
        out = []
        if case.inputs is not None:
            out.append(self.to_base(case, case.inputs).ravel())
        if case.wall_inputs is not None:
            out.append(_around(case, case.wall_inputs.numpy()).ravel())
        return out

    def _row(self, case: StoredCase, raw: Sequence[np.ndarray]) -> np.ndarray:
        shape = case.moments
        if not np.ptp(case.pos[:, 2]):  # the whole outline says more than its moments
            centre = case.moments[1:4]
            radius = np.linalg.norm(case.wall_pos.numpy() - centre, axis=1)
            shape = np.concatenate([centre[:2], _around(case, radius[:, None]).ravel()])
        parts = [case.cond.double().numpy(), shape]
        parts += [
            basis.encode(r[None])[0]
            for basis, r in zip(self.known, raw, strict=True)
            if basis is not None
        ]
        sizes = [len(p) for p in parts]
        self.part = np.repeat(np.arange(-1, len(parts) - 1), sizes)
        return np.concatenate(parts)


def _around(case: StoredCase, values: np.ndarray) -> np.ndarray:
    """(ANGLES, V) values at the wall point nearest in direction from the wall's centre."""
    rel = case.wall_pos.numpy()[:, :2] - case.moments[1:3]
    angle = np.arctan2(rel[:, 1], rel[:, 0])
    wanted = 2 * np.pi * np.arange(ANGLES) / ANGLES
    gap = np.abs((angle[None] - wanted[:, None] + np.pi) % (2 * np.pi) - np.pi)
    return values[gap.argmin(1)]


class Nearest(Null):
    """The fields of the nearest training case in conditions, shape and known fields."""

    def predict(self, cases: Sequence[StoredCase]) -> list[np.ndarray]:
        out = []
        for case in cases:
            gap = ((self.rows - self.describe(case)) ** 2).sum(1)
            found = self.cases[int(gap.argmin())]
            same = self.task.corresponding
            out.append(found.y if same else self.transfer(found.y, found.pos, case.pos))
        return out


class LeastSquares(Null):
    """Every node's fields by ridge regression on a quadratic basis of the description."""

    def learn(self) -> None:
        values = self.fields()
        # In the basis of the snapshots, which spans all that the fit can give.
        self.basis = POD(1.0).fit(values)
        self.coefficients = self.basis.encode(values)

    def predict(self, cases: Sequence[StoredCase]) -> list[np.ndarray]:
        rows = self.describe_all(cases)
        none = np.zeros((len(self.rows), 0)), np.zeros((len(rows), 0))
        found = least_squares(self.rows, none[0], self.coefficients, rows, none[1])
        width = self.base.y.shape[1]
        return [
            self.from_base(case, self.basis.decode(row).reshape(-1, width))
            for case, row in zip(cases, found, strict=True)
        ]


class PODProcess(Null):
    """POD of the fields, and a Gaussian process from the description to the coefficients."""

    def learn(self) -> None:
        values = self.fields()
        width = self.base.y.shape[1]
        # Fields of other units weigh the same.
        scale = values.reshape(len(values), -1, width).std((0, 1))
        self.scale = np.where(scale > 0, scale, 1.0)
        flat = (values.reshape(len(values), -1, width) / self.scale).reshape(len(values), -1)
        weight = np.repeat(np.asarray(self.base.weight), width)
        if self.task.measure == "plain":
            weight = np.ones_like(weight)
        # Leaving one out says whether the shape tells more than the conditions do.
        choices = [np.arange(self.rows.shape[1])]
        if 0 < len(self.by_condition) < len(choices[0]):
            choices.append(self.by_condition)
        best = np.inf
        for columns in choices:
            model = PODRegression(0.999999, 32).fit(self.rows[:, columns], flat, weight)
            flat_fields = not len(model.basis.values)
            score = 0.0 if flat_fields else float((model.process.leave_one_out() ** 2).sum())
            if score < best:
                best, self.model, self.columns = score, model, columns

    def predict(self, cases: Sequence[StoredCase]) -> list[np.ndarray]:
        out, width = [], self.base.y.shape[1]
        for at in range(0, len(cases), CHUNK):
            part = cases[at : at + CHUNK]
            fields, _ = self.model.predict(self.describe_all(part)[:, self.columns])
            for case, flat in zip(part, fields, strict=True):
                out.append(self.from_base(case, flat.reshape(-1, width) * self.scale))
        return out


class Morphed(Null):
    """`meshop.reduced.MMGP`: what is known besides the shape stands for its conditions."""

    meshes, optimal = True, False

    def learn(self) -> None:
        shape = self.part[self.keep] == 0  # the morphing tells more of it
        self.columns = np.flatnonzero(~shape)
        weight = "nodes" if self.task.measure == "plain" else "mass"
        meshes, given = _meshes(self.cases), self.rows[:, self.columns]
        location = "point" if meshes[0].n_points == len(self.cases[0].y) else "cell"
        self.model = MMGP(weight=weight, location=location, optimal=self.optimal)
        self.model.fit(meshes, given, [np.asarray(c.y, float) for c in self.cases])

    def predict(self, cases: Sequence[StoredCase]) -> list[np.ndarray]:
        return [answer.fields for answer in self.predict_with_bands(cases)]

    def predict_with_bands(self, cases: Sequence[StoredCase]) -> list[Answer]:
        """Fields and their standard deviations (N, C) of each case."""
        return self.model.predict(_meshes(cases), self.describe_all(cases)[:, self.columns])


class OptimallyMorphed(Morphed):
    """The same with optimal maps (O-MMGP)."""

    optimal = True


def _meshes(cases: Sequence[StoredCase]) -> list[Mesh]:
    """Raises MeshError where cases are not plane, or fields neither at points nor on cells."""
    out = []
    for case in cases:
        mesh = case.case.mesh
        if mesh is None or len(case.y) not in (mesh.n_points, mesh.n_cells):
            raise MeshError(
                "this case cannot be morphed", "expected a plane mesh with fields at its nodes"
            )
        out.append(mesh)
    return out


NULLS: dict[str, type[Null]] = {
    "nearest": Nearest,
    "least-squares": LeastSquares,
    "pod": PODProcess,
    "mmgp": Morphed,
    "ommgp": OptimallyMorphed,
}
