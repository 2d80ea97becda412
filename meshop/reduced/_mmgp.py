"""MMGP: fields on meshes of varying shape, by morphing, POD and Gaussian processes.

Every mesh is morphed to one reference domain, where its coordinates and fields become snapshots on
the same nodes. Coordinates, less place and size, give a few numbers that say which shape it is
(`Shapes`); these and the conditions give the POD coefficients of the fields (a process for each),
and fields go back to the mesh that was asked for. Nodes of different meshes need not correspond.
Source: Casenave, Staber, Roynard, MMGP: a Mesh Morphing Gaussian Process-based machine learning
method for regression of physical problems under non-parameterized geometrical variability, NeurIPS
2023 (arXiv 2305.12871). Departures: morphing by a harmonic map (`morph`); fields on cells; size and
turn apart from shape, and stretches by their logarithms; trends and kernels chosen; bands hold what
modes and interpolation lose, and are scaled so that they hold what they should of the errors of
leaving folds out. With optimal maps it is O-MMGP (arXiv 2502.11632): these are read from the fields
in training (`Motion`), so they have a POD and processes of their own, and what processes do not
know of them widens the bands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import MeshError
from ..mesh import Mesh
from ._carried import Carried
from ._features import features
from ._gaussian import GaussianProcess
from ._mmgp_file import PARTS, arrays_of, fill
from ._optimal import Motion
from ._pod import POD
from ._reference import make_reference
from ._shape import Shapes

Array = NDArray[np.float64]
VARIES = 1e-6  # of the domain's size, or of a condition: what varies by less does not vary
LEVEL, NORMAL = 0.9, 1.6448536269514722  # of bands: their share, and half width in deviations
SCOUTS = 8  # modes of each field that choose the inputs
WORK = 2e8  # outputs times points cubed that processes take their hyperparameters from
POINTS = (64, 256)  # of those points
EVERY = 10.0  # seconds, of progress
CHECKED = 64  # cases at most whose fields say how wide bands are
Frame = tuple[Array, Array, float]
LOCATIONS = ("point", "cell")


class Answer(NamedTuple):
    """Fields and their standard deviations (N, C) at a mesh's nodes, scalars and theirs (S,)."""

    fields: Array
    deviation: Array
    scalars: Array
    scalar_deviation: Array


class MMGP:
    """fit on meshes with conditions and fields, predict fields and their deviations on others.

    energy, modes: of each field's POD; shapes: at most so many numbers of a shape. location: fields
    are at "point"s or "cell"s. kernel, trend: as of `GaussianProcess`. weight: what norm the PODs
    are best in, "mass" (the L2 norm on the median mesh; about a body in a far field, near it) or
    "nodes" (all its nodes alike). optimal: with maps of the reference to itself that let few modes
    hold the fields (O-MMGP, `Motion`). Plane meshes with the same number of holes, or solid meshes
    whose boundaries are of one kind (`morph_onto`).

    inputs: which of `PARTS` tell the fields; factor (C,), scalar_factor (S,): of the bands, from
    leaving folds out; left_out (n', C): the relative L2 errors then, of the same basis.
    """

    def __init__(
        self,
        energy: float = 1 - 1e-6,
        modes: int = 32,
        shapes: int = 8,
        *,
        location: str = "point",
        kernel: str = "auto",
        trend: str = "auto",
        weight: str = "mass",
        optimal: bool = False,
    ) -> None:
        if location not in LOCATIONS:
            raise ValueError(f"location {location!r}: expected {' or '.join(LOCATIONS)}")
        self.energy, self.modes, self.shapes, self.location = energy, modes, shapes, location
        self.kernel, self.trend, self.weight = kernel, trend, weight
        self.optimal = optimal
        self.motion: Motion | None = None

    def fit(
        self,
        meshes: Sequence[Mesh],
        conditions: ArrayLike,
        fields: Sequence[Array],
        scalars: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        progress: Callable[[str], None] = lambda told: None,
    ) -> MMGP:
        """meshes n, conditions (n, K), fields n of (N_i, C) at their nodes, scalars (n, S); names:
        of the meshes, for messages; progress: told every ten seconds or less how far it is.

        Raises MeshError for meshes that cannot be morphed, ValueError for shapes that do not fit.
        """
        given = np.asarray(conditions, np.float64)
        outcome = np.zeros((len(meshes), 0)) if scalars is None else np.asarray(scalars, np.float64)
        cells = self.location == "cell"
        sizes = [m.n_cells if cells else m.n_points for m in meshes]
        if len(fields) != len(meshes) or given.shape[:1] != (len(meshes),) or given.ndim != 2:
            raise ValueError(f"{len(meshes)} meshes: expected as many fields and (n, K) conditions")
        if outcome.ndim != 2 or len(outcome) != len(meshes):
            raise ValueError(f"scalars {outcome.shape}: expected ({len(meshes)}, S)")
        if [len(f) for f in fields] != sizes:
            raise ValueError("expected a row of each field for each node of its mesh")
        try:
            self.reference = make_reference(meshes, self.location)
        except MeshError:
            _name_unlike(meshes, names)
            raise
        base = self.reference.weight
        weight = base if self.weight == "mass" else np.ones(len(base))
        moves, self.motion = np.zeros((len(meshes), 0)), None
        there, lost, frames = self._carry(meshes, fields, names, progress)
        if self.optimal:
            progress("optimal maps")
            self.motion = Motion.of(self.reference.mesh, there, weight)
            moves = self.motion.codes
            there, lost, _ = self._carry(meshes, fields, names, progress)
        self.shape = Shapes.of([frame[0] for frame in frames], base, self.shapes, VARIES)
        parts = self._describe(frames, given)
        self.bases = [
            POD(self.energy, self.modes).fit(there[:, :, c], weight) for c in range(there.shape[2])
        ]
        for c, basis in enumerate(self.bases):
            basis.lost = basis.lost + np.maximum(lost[:, c], 0)  # weights may be -1e-9
        codes = [b.encode(there[:, :, c]) for c, b in enumerate(self.bases)]
        del there
        self.splits = np.cumsum([0, *(code.shape[1] for code in codes)])
        self.process: GaussianProcess | None = None
        every = np.concatenate([*codes, outcome, moves], axis=1)
        self.inputs = list(PARTS)
        least = {k: 0.0 if k == "conditions" else 1.0 for k in parts}  # others have the size's unit
        self.keep = {
            k: np.ptp(v, axis=0) > VARIES * np.abs(v).max(0, initial=least[k])
            for k, v in parts.items()
        }
        if every.shape[1]:
            progress(f"processes of {every.shape[1]} outputs")
            self._choose(parts, [*codes, moves], outcome)
            limit = _limit(every.shape[1])
            self.process = GaussianProcess(limit, kernel=self.kernel, trend=self.trend)
            self.process.fit(self._row(parts), every)
        self.factor, self.scalar_factor = np.ones(len(codes)), np.ones(outcome.shape[1])
        progress("bands")
        self._calibrate(every, meshes, fields)
        self.reference.forget()
        return self

    def predict(self, meshes: Sequence[Mesh], conditions: ArrayLike) -> list[Answer]:
        """Fields and scalars on each mesh; mean +- 1.645 deviations: 90 %.

        Raises MeshError for meshes that cannot be morphed to the reference.
        """
        given, found = np.asarray(conditions, np.float64), []
        for mesh, row in zip(meshes, given.reshape(len(meshes), -1), strict=True):
            carried = self.reference.carry(mesh)
            mean = deviation = np.zeros((1, 0))
            if self.process is not None:
                parts = self._describe([_frame(carried)], row[None])
                mean, deviation = self.process.predict(self._row(parts), noise=True)
            found.append(
                Answer(
                    *self._answer(mesh, carried, mean[0], deviation[0]),
                    mean[0, self._scalars],
                    deviation[0, self._scalars] * self.scalar_factor,
                )
            )
        return found

    def shape_warnings(self, mesh: Mesh) -> list[str]:
        """Says where the shape of a domain lies outside the training range."""
        known = self.shape
        code, rest, _ = known.code(_frame(self.reference.carry(mesh))[0])
        found = []
        for i, (value, low, high) in enumerate(zip(code, *known.range, strict=True)):
            slack = 0.02 * (high - low)
            if not low - slack <= value <= high + slack:
                found.append(
                    f"the shape's coordinate {i + 1} of {len(code)}, {value:.3g}, is outside "
                    f"the training range {low:.3g} to {high:.3g}"
                )
        if rest > 2 * known.rest + 1e-3:
            found.append(
                f"the shape differs from all combinations of those trained on by "
                f"{100 * rest:.2g} % of its size (in training by up to {100 * known.rest:.2g} %)"
            )
        return found

    @property
    def widths(self) -> tuple[int, int, int]:
        """Number of conditions, fields and scalars."""
        return len(self.keep["conditions"]), len(self.bases), len(self.scalar_factor)

    # -- files ----------------------------------------------------------------------------------

    @property
    def options(self) -> dict[str, Any]:
        """What is needed to predict, besides arrays (JSON)."""
        return {"location": self.location, "inputs": self.inputs}

    def state(self) -> dict[str, Array]:
        """What is needed to predict, besides options."""
        return arrays_of(self)

    @classmethod
    def restored(cls, options: Mapping[str, Any], arrays: Mapping[str, Array]) -> MMGP:
        """What `options` and `state` gave. Raises KeyError, ValueError or MeshError where they do
        not fit."""
        found = cls(location=options["location"])
        fill(found, options["inputs"], arrays)
        return found

    # -- parts ----------------------------------------------------------------------------------

    def _carry(
        self,
        meshes: Sequence[Mesh],
        fields: Sequence[Array],
        names: Sequence[str] | None,
        progress: Callable[[str], None],
    ) -> tuple[Array, Array, list[Frame]]:
        """Fields (n, R, C) on the reference, what that loses of them (R, C), and shapes."""
        there = np.empty((len(meshes), len(self.reference), fields[0].shape[1]))
        lost = np.zeros(there.shape[1:])
        frames: list[Frame] = []
        last = time.monotonic()
        for i, (mesh, f) in enumerate(zip(meshes, fields, strict=True)):
            shift = None if self.motion is None else self.motion.shift(self.motion.codes[i])
            try:
                carried = self.reference.carry(mesh, shift)
            except MeshError as error:
                raise _named(error, i, names) from error
            there[i] = carried.there @ f
            lost += carried.there @ (f - carried.back @ there[i]) ** 2 / len(meshes)
            frames.append(_frame(carried))
            if time.monotonic() > last + EVERY:
                last = time.monotonic()
                progress(f"{i + 1} of {len(meshes)} meshes are morphed")
        return there, lost, frames

    def _describe(self, frames: Sequence[Frame], conditions: Array) -> dict[str, Array]:
        size = np.array([[frame[2]] for frame in frames])
        codes, _, turns = zip(*(self.shape.code(frame[0]) for frame in frames), strict=True)
        place = np.stack([frame[1] for frame in frames]) / size
        return {
            "conditions": conditions,
            "size and shape": np.concatenate([np.log(size), np.stack(codes)], axis=1),
            "place": np.concatenate([place, np.stack(turns)], axis=1),
        }

    def _choose(self, parts: dict[str, Array], codes: Sequence[Array], scalars: Array) -> None:
        """The inputs under which leaving one out misses least, by plain processes."""
        there = [k for k in parts if self.keep[k].any()]
        ways = [[k] for k in there] if len(there) > 1 else []
        if len(there) == 3:
            ways.append(["conditions", "size and shape"])
        ways.append(there)
        few = np.concatenate([*(code[:, :SCOUTS] for code in codes), scalars], axis=1)
        energy = [np.full(min(SCOUTS, code.shape[1]), (code**2).sum()) for code in codes]
        energy.append(((scalars - scalars.mean(0)) ** 2).sum(0))
        scale = np.maximum(np.concatenate(energy), 1e-300)
        best = np.inf
        for way in ways:
            self.inputs = way
            score = 0.0
            if len(ways) > 1:
                scout = GaussianProcess(_limit(few.shape[1]), trend="constant")
                scout.fit(self._row(parts), few)
                score = float((scout.leave_one_out() ** 2 / scale).sum())
            if score < best:
                best, chosen = score, way
        self.inputs = chosen

    def _row(self, parts: dict[str, Array]) -> Array:
        rows = [parts[k][:, self.keep[k]] for k in self.inputs]
        return np.concatenate([np.zeros((len(parts["place"]), 0)), *rows], axis=1)

    @property
    def _scalars(self) -> slice:
        """Of the outputs: after the fields' coefficients, before those of the motion."""
        return slice(self.splits[-1], self.splits[-1] + len(self.scalar_factor))

    def _answer(
        self, mesh: Mesh, carried: Carried, mean: Array, deviation: Array
    ) -> tuple[Array, Array]:
        """Fields and deviations (N, C) at a mesh's nodes, of one case's outputs."""
        parts = zip(self.bases, self.splits[:-1], self.splits[1:], strict=True)
        some = [(basis, slice(low, high)) for basis, low, high in parts]
        fields = np.stack([b.decode(mean[s]) for b, s in some], axis=1)
        variances = np.stack([deviation[s] ** 2 @ b.modes**2 + b.lost for b, s in some], axis=1)
        if self.motion is not None:
            last = self._scalars.stop
            shift = self.motion.shift(mean[last:])
            carried = self.reference.carry(mesh, shift)
            variances += self.motion.variance(shift, deviation[last:], fields)
        spread = np.sqrt(np.maximum(carried.plain @ variances, 0))
        return carried.back @ fields, self.factor * spread

    def _calibrate(self, every: Array, meshes: Sequence[Mesh], fields: Sequence[Array]) -> None:
        """Scale the bands so that they hold LEVEL of the errors, at the nodes of its own mesh, of
        each case left out with its fold."""
        miss = spread = np.zeros_like(every)
        if self.process is not None:
            miss, spread = self.process.folds_left_out()
        some = np.unique(np.linspace(0, len(meshes) - 1, min(CHECKED, len(meshes))).astype(int))
        ratios, self.left_out = [], np.empty((len(some), len(self.bases)))
        for k, i in enumerate(some):
            truth, carried = fields[i], self.reference.carry(meshes[i])
            found, deviation = self._answer(meshes[i], carried, every[i] + miss[i], spread[i])
            size = 1e-12 * np.abs(truth).max(0) + 1e-150
            ratios.append(np.abs(found - truth) / np.hypot(deviation, size))
            weight = carried.plain @ self.reference.weight
            if self.weight != "mass":
                weight = np.ones(len(truth))
            gap, norm = (weight @ v**2 for v in (found - truth, truth))
            self.left_out[k] = np.sqrt(gap / np.maximum(norm, 1e-300))
        factor = np.quantile(np.concatenate(ratios), LEVEL, axis=0) / NORMAL
        self.factor = np.where(factor > 0, factor, 1.0)
        ratio = np.abs(miss) / np.maximum(spread, 1e-300)
        factor = np.quantile(ratio[:, self._scalars], LEVEL, axis=0) / NORMAL
        self.scalar_factor = np.where(factor > 0, factor, 1.0)


def _named(error: MeshError, i: int, names: Sequence[str] | None) -> MeshError:
    name = names[i] if names is not None else f"mesh {i}"
    return MeshError(f"{name}: {error.what}", error.why, error.hint)


def _name_unlike(meshes: Sequence[Mesh], names: Sequence[str] | None) -> None:
    """Raises MeshError, with its name, for the first mesh that has no boundary to morph by."""
    for i, mesh in enumerate(meshes):
        try:
            features(mesh, 180.0)
        except MeshError as error:
            raise _named(error, i, names) from error


def _limit(outputs: int) -> int:
    """How many points hyperparameters may come from, for so many outputs, within `WORK`."""
    return int(np.clip((WORK / max(outputs, 1)) ** (1 / 3), *POINTS))


def _frame(carried: Carried) -> Frame:
    """Coordinates (R, d) on the reference less place and size, place (d,), size."""
    return carried.image[:, : len(carried.place)], carried.place, carried.size
