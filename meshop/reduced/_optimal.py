"""Optimal morphing: maps of the reference domain to itself under which few modes hold the fields.

A case's fields on the reference's nodes, u_i, are read at psi_i(x) = x + d_i(x), w_i = u_i o psi_i.
For each kind of field, with weights m of the nodes, G_ij = <w_i, w_j>_m, its eigenvalues l_1 >= l_2
>= ... and P_r the projector on its first r eigenvectors, what r modes leave out is

    E = 1 - sum_(k <= r) l_k / tr G
    dE[v_i] = 2 / tr G <(1 - E) w_i - P_r w_i, grad u_i(psi_i) . v_i>_m

Minimised is the mean of log E over the kinds, so that each counts alike whatever its units and
whatever is left of it, plus `stiffness` times the mean elastic energy of d_i. Steps are Riesz
gradients in the same elastic inner product, so that the maps are smooth.

E can be gamed: a map common to all cases only shifts weight to where fields agree. So steps have no
mean over the cases, and are only taken while every simplex keeps det grad psi within `BOUNDS`; with
the domain's boundary kept (nodes slide along flat parts, all others are fixed) each psi_i is then
one to one and onto.
Source: the idea of O-MMGP, arXiv 2502.11632. The logarithm, the bounds and the steps without mean
are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, coo_matrix, csr_matrix
from scipy.sparse.linalg import splu

from ..errors import MeshError
from ..mesh import Mesh, elastic_blocks, stacked
from ._pod import POD

Array = NDArray[np.float64]
BOUNDS = (0.2, 5.0)  # of det grad psi
MODES = (1, 2, 4, 8)  # r, raised step by step
FLOOR = 1e-6  # of E: what is as good as nothing left out
STEPS = 25  # at most, for each r
GAIN = 2e-3  # of the objective in a step: less ends a stage
STRETCH = 0.3  # at most, of a step on any simplex
ARMIJO = 1e-4
ENERGY, MOVES = 1 - 1e-4, 8  # of the POD of displacements; at most so many modes
STILL = 1e-6  # of the domain: what moves less does not move
CHUNK = 1 << 18  # points that are looked up at a time


class Alignment:
    """Fields (n, N, C) on the nodes of a reference mesh of simplices, and their best maps.

    weight (N,) of the nodes; stiffness: of the maps.
    """

    def __init__(self, mesh: Mesh, fields: Array, weight: Array, stiffness: float = 0.03) -> None:
        self.mesh, self.dim, self.stiffness = mesh, mesh.dim, stiffness
        self.p1 = mesh.p1()
        # A constant is the same under every map.
        mean = np.einsum("inc,n->c", fields, weight) / (len(fields) * weight.sum())
        self.fields, self.weight = fields - mean, weight
        self.slopes = self.p1.basis_gradients()[:, :, : self.dim]
        self.free = sliding(mesh)
        self.inner = elastic(mesh)
        self.factor = splu((self.free.T @ self.inner @ self.free).tocsc())

    def maps(self, modes: Sequence[int] = MODES, steps: int = STEPS) -> Array:
        """(n, N, d) displacements d_i."""
        shift = np.zeros((*self.fields.shape[:2], self.dim))
        for r in modes:
            if r >= len(shift):
                break
            shift = self._stage(shift, r, steps)
        return shift

    def _stage(self, shift: Array, r: int, steps: int) -> Array:
        value, gradient = self.objective(shift, r)
        last: tuple[Array, Array] | None = None
        for _ in range(steps):
            step, slope = self._riesz(gradient)
            if slope <= 0:
                break
            most = STRETCH / np.abs(self._stretch(step)).max()
            tau = most
            if last is not None:  # Barzilai and Borwein 1988, in the elastic inner product
                moved, turned = shift - last[0], last[1] - step
                curved = self._dot(moved, turned)
                if curved > 0:
                    tau = min(self._dot(moved, moved) / curved, most)
            last = shift, step
            for _ in range(12):
                trial, slope_made = self._made(shift, tau * step, gradient)
                after, then = self.objective(trial, r)
                if after <= value - ARMIJO * slope_made and slope_made > 0:
                    break
                tau /= 2
            else:
                break
            gain, shift, value, gradient = value - after, trial, after, then
            if gain < GAIN:
                break
        return shift

    def objective(self, shift: Array, r: int) -> tuple[float, Array]:
        """Of displacements (n, N, d), and its derivative."""
        n, _, kinds = self.fields.shape
        w, slope = self.pulled(shift)
        force, value = np.zeros_like(shift), 0.0
        for c in range(kinds):
            gram = (w[:, :, c] * self.weight) @ w[:, :, c].T
            total = float(np.trace(gram))
            if total <= 0:
                continue
            values, vectors = np.linalg.eigh(gram)
            left = max(float(values[:-r].sum()) / total, 0.0)
            value += np.log(left + FLOOR) / kinds
            top = vectors[:, -r:]
            rest = (1 - left) * w[:, :, c] - top @ (top.T @ w[:, :, c])
            rest *= 2 / (total * (left + FLOOR) * kinds) * self.weight
            force += rest[:, :, None] * slope[:, :, :, c]
        elastic = self._load(shift)
        value += 0.5 * self.stiffness / n * float((shift * elastic).sum())
        return value, force + self.stiffness / n * elastic

    def pulled(self, shift: Array) -> tuple[Array, Array]:
        """w_i (n, N, C), and grad u_i at psi_i (n, N, d, C)."""
        n, count, kinds = self.fields.shape
        w, slope = np.empty_like(self.fields), np.empty((n, count, self.dim, kinds))
        size = max(CHUNK // count, 1)
        corners = self.p1.simplices.nodes
        for at in range(0, n, size):
            some = slice(at, min(at + size, n))
            places = np.tile(self.mesh.points, (some.stop - at, 1, 1))
            places[:, :, : self.dim] += shift[some]
            cell, matrix = self.p1.located(places.reshape(-1, 3))
            for k, i in enumerate(range(at, some.stop)):
                rows = slice(k * count, (k + 1) * count)
                w[i] = matrix[rows] @ self.fields[i]
                nodes = corners[cell[rows]]
                slope[i] = np.einsum("skd,skc->sdc", self.slopes[cell[rows]], self.fields[i][nodes])
        return w, slope

    def _load(self, shift: Array) -> Array:
        flat = shift.reshape(len(shift), -1)
        return np.asarray((self.inner @ flat.T).T).reshape(shift.shape)

    def _dot(self, one: Array, other: Array) -> float:
        return float((one * self._load(other)).sum())

    def _riesz(self, gradient: Array) -> tuple[Array, float]:
        """The way down (n, N, d), without mean over the cases; how steep."""
        flat = gradient.reshape(len(gradient), -1)
        step = -(self.free @ self.factor.solve(np.ascontiguousarray((flat @ self.free).T))).T
        step -= step.mean(0)
        return step.reshape(gradient.shape), -float((step * flat).sum())

    def _stretch(self, step: Array) -> Array:
        """(n, S, d, d) gradients on each simplex."""
        return stretch(self.p1.simplices.nodes, self.slopes, step)

    def _made(self, shift: Array, step: Array, gradient: Array) -> tuple[Array, float]:
        """What of the step each case can make, and the descent that is expected of that."""
        share = np.ones(len(shift))
        for _ in range(10):
            wrong = np.flatnonzero(share)
            wrong = wrong[~self.valid(shift[wrong] + share[wrong, None, None] * step[wrong])]
            if not len(wrong):
                break
            share[wrong] /= 2
        else:
            share[wrong] = 0.0
        step = share[:, None, None] * step
        return shift + step, -float((step * gradient).sum())

    def valid(self, shift: Array) -> NDArray[np.bool_]:
        """(...) whether maps (..., N, d) keep to BOUNDS."""
        return within(self._stretch(shift))


class Motion:
    """Maps of the reference domain to itself by a few numbers: POD of optimal displacements.

    codes (n, k): of those that it was made of.
    """

    def __init__(self, mesh: Mesh, basis: POD) -> None:
        self.mesh, self.basis, self.dim = mesh, basis, mesh.dim
        self.nodes, self.slopes = mesh.p1().simplices.nodes, mesh.p1().basis_gradients()
        self.slopes = self.slopes[:, :, : self.dim]
        self.codes = np.zeros((0, len(basis.modes)))

    @classmethod
    def of(cls, mesh: Mesh, fields: Array, weight: Array) -> Motion:
        """For fields (n, N, C) on the reference's nodes. Raises MeshError on a ring."""
        if mesh.n_points != fields.shape[1]:
            raise MeshError(
                "optimal morphing is not for a body in a far field",
                "its reference is a ring, which is cut open",
                "MMGP without optimal",
            )
        flat = Alignment(mesh, fields, weight).maps().reshape(len(fields), -1)
        measure = np.repeat(mesh.p1().lumped, mesh.dim)
        basis = POD(ENERGY, MOVES).fit(flat, measure / measure.sum())
        basis.modes = basis.modes[basis.values > STILL * np.sqrt(len(fields))]
        found = cls(mesh, basis)
        found.codes = basis.encode(flat)
        return found

    def shift(self, code: Array) -> Array:
        """(N, d) displacements; as much of what a code (k,) says as keeps to BOUNDS."""
        full = self.basis.decode(code).reshape(-1, self.dim)
        for share in np.linspace(1, 0, 33):
            if within(stretch(self.nodes, self.slopes, share * full)):
                break
        return share * full

    def variance(self, shift: Array, deviation: Array, fields: Array) -> Array:
        """(N, C) of fields (N, C) on the nodes where they have moved to, of deviations (k,) of the
        code: a displacement e there changes a field by -e . grad."""
        points = self.mesh.points.copy()
        points[:, : self.dim] += shift
        kind = "triangle" if self.dim == 2 else "tetra"
        slope = Mesh.from_blocks(points, [(kind, self.nodes)]).p1().gradient(fields)
        modes = self.basis.modes.reshape(-1, *shift.shape)
        parts = np.einsum("knd,ndc->knc", modes, slope[:, : self.dim])
        return np.einsum("k,knc->nc", deviation**2, parts**2)

    def state(self) -> dict[str, Array]:
        """Arrays that `restored` takes."""
        return {"mean": self.basis.mean, "modes": self.basis.modes}

    @classmethod
    def restored(cls, mesh: Mesh, state: Mapping[str, Array]) -> Motion:
        """Raises KeyError or ValueError for arrays that do not fit the mesh."""
        basis, size = POD(), mesh.n_points * mesh.dim
        basis.mean, basis.modes = state["mean"], state["modes"]
        if basis.mean.shape != (size,) or basis.modes.shape != (len(basis.modes), size):
            raise ValueError(f"motion {basis.modes.shape}: expected (k, {size})")
        return cls(mesh, basis)


def within(stretch: Array) -> NDArray[np.bool_]:
    """(...) whether maps keep to BOUNDS, of the gradients (..., S, d, d) of displacements."""
    det = jacobian(stretch)
    return np.asarray(((det >= BOUNDS[0]) & (det <= BOUNDS[1])).all(-1))


def stretch(nodes: NDArray[np.int64], slopes: Array, shift: Array) -> Array:
    """(..., S, d, d) gradients of displacements (..., N, d) on simplices."""
    return np.einsum("...skd,ske->...sde", shift[..., nodes, :], slopes)


def jacobian(stretch: Array) -> Array:
    """(..., S) det grad psi."""
    a = np.eye(stretch.shape[-1]) + stretch
    if a.shape[-1] == 2:
        return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
    return np.linalg.det(a)


def sliding(mesh: Mesh) -> csr_matrix:
    """(N d, F): the displacements of nodes that keep the domain, of each node a basis of those
    across all normals of its boundary facets."""
    d = mesh.dim
    axes = mesh.p1().boundary.free_axes(d)
    node, which = np.nonzero(axes.any(axis=1))
    entries = axes[node, :, which]
    rows = node[:, None] * d + np.arange(d)
    columns = np.repeat(np.arange(len(node)), d)
    shape = (mesh.n_points * d, len(node))
    return coo_matrix((entries.ravel(), (rows.ravel(), columns)), shape).tocsr()


def elastic(mesh: Mesh) -> csr_matrix:
    """(N d, N d) of the mean over the domain of 2 e : e + (div)^2, e the symmetric gradient, and of
    a little of the square, which pins rigid motions."""
    d, p1 = mesh.dim, mesh.p1()
    measure = p1.lumped.sum()
    matrix = stacked(elastic_blocks(mesh, 0.0, 0.25)[0], d) / 0.4  # a ratio whose moduli are alike
    pinned = 1e-3 * measure ** (-2 / d) * p1.mass()
    matrix = (matrix + block_diag([pinned] * d)).tocsr() / measure
    order = np.arange(d * mesh.n_points).reshape(d, -1).T.ravel()  # by nodes
    return matrix[order][:, order]
