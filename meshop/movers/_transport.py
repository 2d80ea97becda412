"""The Monge-Ampere equation on simplices: its residual, and Newton's matrix of that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from ..mesh import P1, Mesh
from ..solvers import Multigrid
from ._boundary import flat_tangents
from ._monitor import Monitor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

REACH = 1e-6  # of the spacing of points: the step of differences of a monitor


@dataclass
class Iterate:
    """A potential phi (N,), and what follows from it at points.

    step (N, d) = grad phi; monitor (N,) where it leads; jacobian (N, d, d) = I + D^2 phi, and its
    determinant; theta, the mean of monitor det; rest (N,) = monitor det - theta; load (N,) its
    integrals with the hat functions; residual: the size of load over that of theta's.
    """

    phi: np.ndarray
    step: np.ndarray
    monitor: np.ndarray
    jacobian: np.ndarray
    determinant: np.ndarray
    theta: float
    rest: np.ndarray
    load: np.ndarray
    residual: float


class Transport:
    """m(xi + grad phi) det(I + D^2 phi) - theta at the points of simplices, as phi has it.

    value: the monitor, a function of points (n, d); change: its gradient (n, d), by default by
    differences. Gradients of phi by lumped mass, Hessians by one integration by parts on one ring,
    also lumped, so that both are sparse matrices with the pattern of the stiffness S.
    """

    def __init__(self, mesh: Mesh, value: Monitor, change: Monitor | None = None) -> None:
        p1, d, n = mesh.p1(), mesh.dim, mesh.n_points
        self.nodes = p1.simplices.nodes
        corner = mesh.points[self.nodes][:, :, :d]
        self.turn = np.sign(np.linalg.det(corner[:, 1:] - corner[:, :1]))
        self.d, self.xi, self.mass = d, mesh.points[:, :d], p1.lumped
        self.total = float(self.mass.sum())
        self.stiffness, self.consistent = p1.stiffness(), p1.mass()
        self.multigrid = Multigrid(self.stiffness)
        self.row = np.repeat(np.arange(n), np.diff(self.stiffness.indptr))
        tangent = flat_tangents(p1.boundary, d).numpy()
        slope = [matrix.data / self.mass[self.row] for matrix in p1.derivatives[:d]]
        self.slopes = [
            self.sparse(sum(tangent[self.row, a, b] * slope[b] for b in range(d))) for a in range(d)
        ]
        self.bends = _bends(p1, self)
        width = self.mass ** (1 / d)
        self.value = value
        self.change = change or (lambda x: _differences(value, x, width))

    def sparse(self, data: np.ndarray) -> csr_matrix:
        """The matrix with the pattern of S and these entries."""
        from scipy.sparse import csr_matrix

        s = self.stiffness
        return csr_matrix((data, s.indices, s.indptr), s.shape)

    def level(self, values: np.ndarray) -> np.ndarray:
        """Values (N,) less their mean over the domain."""
        return values - (self.mass @ values) / self.total

    def at(self, phi: np.ndarray) -> Iterate:
        d, n = self.d, len(phi)
        step = np.stack([slope @ phi for slope in self.slopes], axis=1)
        m = self.value(self.xi + step)
        jacobian = np.empty((n, d, d))
        for (a, b), bend in self.bends.items():
            jacobian[:, a, b] = jacobian[:, b, a] = bend @ phi + (a == b)
        determinant = np.linalg.det(jacobian)
        theta = float(self.mass @ (m * determinant)) / self.total
        rest = m * determinant - theta
        load = self.consistent @ rest
        residual = float(np.linalg.norm(load) / np.linalg.norm(self.mass * theta))
        return Iterate(phi, step, m, jacobian, determinant, theta, rest, load, residual)

    def spread(self, now: Iterate) -> float:
        """The coefficient of variation of monitor times measure, of simplices as they come to be;
        inverted ones count as negative."""
        nodes = self.nodes
        corner = (self.xi + now.step)[nodes]
        det = np.linalg.det(corner[:, 1:] - corner[:, :1]) * self.turn
        share = now.monitor[nodes].mean(axis=1) * det
        return float(share.std() / share.mean())

    def newton(self, now: Iterate, implicit: float) -> csr_matrix:
        """Minus the derivative of mass rest by phi, theta as it is, + implicit S.

        That of the determinant is its cofactors : D^2, that of the monitor its gradient . grad.
        """
        cofactor = _cofactors(now.jacobian)
        data = np.zeros(len(self.row))
        for (a, b), bend in self.bends.items():
            twice = 1 if a == b else 2
            data -= (twice * now.monitor * self.mass * cofactor[:, a, b])[self.row] * bend.data
        change = (now.determinant * self.mass)[:, None] * self.change(self.xi + now.step)
        for a, slope in enumerate(self.slopes):
            data -= change[self.row, a] * slope.data
        return self.sparse(data + implicit * self.stiffness.data)


def _bends(p1: P1, system: Transport) -> dict[tuple[int, int], csr_matrix]:
    """Entries (a, b), a <= b, of - int grad phi (x) grad psi_i + int over the boundary of the
    tangential part of grad phi (x) n, over the mass, symmetrised."""
    d, n, facets = system.d, len(system.mass), p1.boundary
    corners = p1.simplices.nodes[facets.owner]
    slope = p1.basis_gradients()[facets.owner][:, :, :d]  # (F, d + 1, d)
    normal = facets.areas[:, :d] / facets.measure[:, None]
    along = slope - (slope @ normal[:, :, None]) * normal[:, None, :]
    share = facets.measure / d
    key = np.repeat(facets.nodes[:, :, None], d + 1, 2) * np.int64(n)
    key = key + corners[:, None, :]
    own = system.row * np.int64(n) + system.stiffness.indices
    place = np.searchsorted(own, key).ravel()
    out = {}
    for a, b in combinations_with_replacement(range(d), 2):
        tensor = np.zeros((3, 3))
        tensor[a, b] = tensor[b, a] = 1.0 if a == b else 0.5
        data = -p1.stiffness(np.broadcast_to(tensor, (p1.mesh.n_cells, 3, 3))).data
        both = along[:, :, a] * normal[:, b, None] + along[:, :, b] * normal[:, a, None]
        edge = np.broadcast_to((0.5 * share[:, None] * both)[:, None, :], key.shape)
        data += np.bincount(place, edge.ravel(), len(data))
        out[a, b] = system.sparse(data / system.mass[system.row])
    return out


def _cofactors(f: np.ndarray) -> np.ndarray:
    """(n, d, d) of symmetric matrices (n, d, d)."""
    if f.shape[1] == 3:
        return np.cross(f[:, [1, 2, 0]], f[:, [2, 0, 1]])
    out = -f
    out[:, 0, 0], out[:, 1, 1] = f[:, 1, 1], f[:, 0, 0]
    return out


def _differences(monitor: Monitor, x: np.ndarray, width: np.ndarray) -> np.ndarray:
    """(n, d) central differences over a millionth of the spacing of points."""
    out = np.empty_like(x)
    for a in range(x.shape[1]):
        low, high = x.copy(), x.copy()
        low[:, a] -= REACH * width
        high[:, a] += REACH * width
        gap = high[:, a] - low[:, a]
        out[:, a] = (monitor(high) - monitor(low)) / gap
    return out
