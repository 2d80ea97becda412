"""MMGP: fields on meshes of varying shape, by morphing, POD and Gaussian processes.

Every mesh is morphed to one reference domain, where its coordinates and fields become snapshots on
the same nodes. Coordinates, less place and size, give a few numbers that say which shape it is
(POD); these and the conditions give the POD coefficients of the fields (a process for each), and
fields go back to the mesh that was asked for. Nodes of different meshes need not correspond.
Source: Casenave, Staber, Roynard, MMGP: a Mesh Morphing Gaussian Process-based machine learning
method for regression of physical problems under non-parameterized geometrical variability, NeurIPS
2023 (arXiv 2305.12871). Departures: morphing by a harmonic map (`morph`); size apart from shape;
trends and kernels chosen; bands hold what modes and interpolation lose, and are scaled so that they
hold what they should of the errors of leaving one out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from ..errors import MeshError
from ..mesh import Mesh
from ._gaussian import GaussianProcess
from ._morph import Chart, Target, make_target, morph, sharpened, transport
from ._pod import POD

Array = NDArray[np.float64]
VARIES = 1e-6  # relative to the size of the domain: shapes that vary by less do not vary
LEVEL, NORMAL = 0.9, 1.6448536269514722  # of bands: their share, and half width in deviations
SCOUTS = 8  # modes of each field that choose the inputs


class MMGP:
    """fit on meshes with conditions and fields, predict fields and their deviations on others.

    energy, modes: of each field's POD; shapes: at most so many numbers of a shape. kernel, trend:
    as of `GaussianProcess`. weight: what norm the PODs are best in, "mass" (the L2 norm on the
    median mesh) or "nodes" (all its nodes alike). Plane meshes with the same number of holes.

    inputs: which of "conditions", "size and shape", "place" tell the fields; factor (C,): of the
    bands, from leaving folds out; left_out (n, C): the relative L2 errors then, of the same basis.
    """

    def __init__(
        self,
        energy: float = 1 - 1e-6,
        modes: int = 32,
        shapes: int = 8,
        *,
        kernel: str = "auto",
        trend: str = "auto",
        weight: str = "mass",
    ) -> None:
        self.energy, self.modes, self.shapes = energy, modes, shapes
        self.kernel, self.trend, self.weight = kernel, trend, weight

    def fit(self, meshes: Sequence[Mesh], conditions: ArrayLike, fields: Sequence[Array]) -> MMGP:
        """meshes n, conditions (n, K), fields n of (N_i, C) at their points.

        Raises MeshError for meshes that cannot be morphed, ValueError for shapes that do not fit.
        """
        given = np.asarray(conditions, np.float64)
        sizes = [m.n_points for m in meshes]
        if len(fields) != len(meshes) or given.shape[:1] != (len(meshes),) or given.ndim != 2:
            raise ValueError(f"{len(meshes)} meshes: expected as many fields and (n, K) conditions")
        if [len(f) for f in fields] != sizes:
            raise ValueError("expected a row of each field for each point of its mesh")
        self.maps: dict[str, tuple[csr_matrix, csr_matrix, csr_matrix]] = {}
        self._reference(meshes)
        carried = [self.carry(mesh) for mesh in meshes]
        base = self.base.p1().lumped
        weight = base if self.weight == "mass" else np.ones(len(base))
        self._embed(meshes, base)
        parts = self._describe(meshes, given)
        there = np.stack([t @ f for (t, *_), f in zip(carried, fields, strict=True)])  # (n, R, C)
        lost = np.mean(
            [t @ (f - back @ u) ** 2
             for (t, back, _), f, u in zip(carried, fields, there, strict=True)], axis=0
        )  # fmt: skip
        self.bases = [
            POD(self.energy, self.modes).fit(there[:, :, c], weight) for c in range(there.shape[2])
        ]
        for c, basis in enumerate(self.bases):
            basis.lost = basis.lost + np.maximum(lost[:, c], 0)  # weights may be -1e-9
        codes = [b.encode(there[:, :, c]) for c, b in enumerate(self.bases)]
        self.splits = np.cumsum([0, *(code.shape[1] for code in codes)])
        self.process: GaussianProcess | None = None
        self.factor = np.ones(len(codes))
        if self.splits[-1]:
            self._choose(parts, codes)
            self.process = GaussianProcess(kernel=self.kernel, trend=self.trend)
            self.process.fit(self._row(parts), np.concatenate(codes, axis=1))
        self._calibrate(codes, meshes, fields)
        return self

    def predict(self, meshes: Sequence[Mesh], conditions: ArrayLike) -> list[tuple[Array, Array]]:
        """Fields and standard deviations (N_i, C) of each mesh; mean +- 1.645 deviations: 90 %.

        Raises MeshError for meshes that cannot be morphed to the reference.
        """
        mean = deviation = np.zeros((len(meshes), 0))
        learned = dict(self.maps)
        if self.process is not None:
            parts = self._describe(meshes, np.asarray(conditions, np.float64))
            mean, deviation = self.process.predict(self._row(parts), noise=True)
        found = [
            self._back(mesh, *self._decode(mean[i], deviation[i])) for i, mesh in enumerate(meshes)
        ]
        self.maps = learned  # those of the meshes that were asked for would pile up
        return found

    def carry(self, mesh: Mesh) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
        """Matrices that take nodal values to the reference (R, N) and back (N, R), of second order
        for what is smooth on the mesh, and back in P1, with weights that are not negative."""
        key = mesh.content_hash()
        if key not in self.maps:
            chart = self._chart(mesh)
            there, back = transport(chart, self.chart), transport(self.chart, chart)
            # The reference's nodes where they lie on this mesh.
            image = Mesh.from_blocks(there @ mesh.points, [("triangle", self.triangles)])
            self.maps[key] = (
                sharpened(there, mesh, image.points),
                sharpened(back, image, mesh.points),
                back,
            )
        return self.maps[key]

    def _chart(self, mesh: Mesh) -> Chart:
        chart = morph(mesh, self.target)
        if not chart.valid:
            raise MeshError(
                "this mesh cannot be morphed to the reference",
                "its holes lie too far from theirs: triangles would turn over",
            )
        return chart

    def _reference(self, meshes: Sequence[Mesh]) -> None:
        """The mesh of median size, and the domain after it."""
        order = np.argsort([m.n_points for m in meshes], kind="stable")
        self.base = meshes[int(order[len(meshes) // 2])]
        unlike = {mesh.content_hash(): mesh for mesh in meshes}
        self.target: Target = make_target(self.base, list(unlike.values()))
        self.chart = self._chart(self.base)
        self.triangles = self.chart.mesh.cell_nodes.reshape(-1, 3)

    def _frame(self, mesh: Mesh) -> tuple[Array, Array, float]:
        """Coordinates (R, 2) on the reference less place and size, place (2,), log of the size."""
        p1 = mesh.p1()
        area = p1.lumped.sum()
        place = p1.lumped @ mesh.points[:, :2] / area
        shape = (self.carry(mesh)[0] @ mesh.points[:, :2] - place) / np.sqrt(area)
        return shape, place, 0.5 * float(np.log(area))

    def _embed(self, meshes: Sequence[Mesh], weight: Array) -> None:
        frames = {m.content_hash(): self._frame(m) for m in meshes}
        shapes = np.stack([frames[m.content_hash()][0].ravel() for m in meshes])
        weight = np.repeat(weight / weight.sum(), 2)
        self.shape_basis = POD(1 - 1e-10, self.shapes).fit(shapes, weight)
        large = self.shape_basis.values > VARIES * np.sqrt(len(meshes))
        self.shape_basis.modes = self.shape_basis.modes[large]

    def _describe(self, meshes: Sequence[Mesh], conditions: Array) -> dict[str, Array]:
        frames: dict[str, tuple[Array, Array, float]] = {}
        for mesh in meshes:
            if (key := mesh.content_hash()) not in frames:
                frames[key] = self._frame(mesh)
        rows = [frames[mesh.content_hash()] for mesh in meshes]
        shape = self.shape_basis.encode(np.stack([row[0].ravel() for row in rows]))
        size = np.array([[row[2]] for row in rows])
        return {
            "conditions": conditions,
            "size and shape": np.concatenate([size, shape], axis=1),
            "place": np.stack([row[1] * np.exp(-row[2]) for row in rows]),
        }

    def _choose(self, parts: dict[str, Array], codes: Sequence[Array]) -> None:
        """The inputs under which leaving one out misses least, by plain processes."""
        self.keep = {k: np.ptp(v, axis=0) > VARIES * np.abs(v).max(0) for k, v in parts.items()}
        there = [k for k in parts if self.keep[k].any()]
        ways = [[k] for k in there] if len(there) > 1 else []
        if len(there) == 3:
            ways.append(["conditions", "size and shape"])
        ways.append(there)
        few = np.concatenate([code[:, :SCOUTS] for code in codes], axis=1)
        scale = np.concatenate(
            [np.full(min(SCOUTS, code.shape[1]), (code**2).sum()) for code in codes]
        )
        best = np.inf
        for way in ways:
            self.inputs = way
            score = 0.0
            if len(ways) > 1:
                scout = GaussianProcess(trend="constant").fit(self._row(parts), few)
                score = float((scout.leave_one_out() ** 2 / np.maximum(scale, 1e-300)).sum())
            if score < best:
                best, chosen = score, way
        self.inputs = chosen

    def _row(self, parts: dict[str, Array]) -> Array:
        rows = [parts[k][:, self.keep[k]] for k in self.inputs]
        return np.concatenate([np.zeros((len(parts["place"]), 0)), *rows], axis=1)

    def _decode(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Fields and variances (R, C) on the reference, of one case's coefficients."""
        fields, variances = [], []
        for c, basis in enumerate(self.bases):
            some = slice(self.splits[c], self.splits[c + 1])
            fields.append(basis.decode(mean[some]))
            variance = deviation[some] ** 2 @ basis.modes**2 + basis.lost
            variances.append(self.factor[c] ** 2 * variance)
        return np.stack(fields, axis=1), np.stack(variances, axis=1)

    def _calibrate(
        self, codes: Sequence[Array], meshes: Sequence[Mesh], fields: Sequence[Array]
    ) -> None:
        """Scale the bands so that they hold LEVEL of the errors, at the points of its own mesh, of
        each case left out with its fold."""
        every = np.concatenate(codes, axis=1)
        miss = spread = np.zeros_like(every)
        if self.process is not None:
            miss, spread = self.process.folds_left_out()
        ratios, self.left_out = [], np.empty((len(meshes), len(codes)))
        for i, (mesh, truth) in enumerate(zip(meshes, fields, strict=True)):
            found, deviation = self._back(mesh, *self._decode(every[i] + miss[i], spread[i]))
            size = 1e-12 * np.abs(truth).max(0) + 1e-150
            ratios.append(np.abs(found - truth) / np.hypot(deviation, size))
            weight = mesh.p1().lumped if self.weight == "mass" else np.ones(len(truth))
            gap, norm = (weight @ v**2 for v in (found - truth, truth))
            self.left_out[i] = np.sqrt(gap / np.maximum(norm, 1e-300))
        factor = np.quantile(np.concatenate(ratios), LEVEL, axis=0) / NORMAL
        self.factor = np.where(factor > 0, factor, 1.0)

    def _back(self, mesh: Mesh, fields: Array, variances: Array) -> tuple[Array, Array]:
        """Fields and deviations (N, C) at a mesh's points."""
        _, sharp, plain = self.carry(mesh)
        return sharp @ fields, np.sqrt(np.maximum(plain @ variances, 0))
