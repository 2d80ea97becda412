"""P1 finite elements on any mesh: matrices, loads, gradients, projections at the mesh's points."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from . import _p1_assembly as assembly
from ._facets import node_edges
from ._p1_assembly import basis_gradients, chunked
from ._p1_boundary import P1Boundary, p1_boundary
from ._p1_fit import QuadraticFit, fit_quadratics
from ._p1_location import located
from ._p1_pattern import Pattern
from ._sparse import csr
from ._split import Simplices, split_cells
from .vectors import cross, dot, gathered

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from ._mesh import Mesh

Field = np.ndarray | Callable[[np.ndarray], np.ndarray]
Part = Callable[[slice], np.ndarray]


class P1:
    """Continuous, piecewise linear fields on a mesh: sums of values at its points times phi_i, the
    hat functions, which are one at point i, zero at all others and linear on each simplex.

    The top-dimensional cells count: lines, surfaces (in space too: gradients are tangential) or
    volumes. Cells that are no simplices are cut as `split_cells` says, curved ones by their
    corners. Values at points are (N, ...), at cells (M, ...). Matrices are (N, N) csr with sorted
    columns; sums run in the order of the cells, so that results are deterministic. What costs is
    computed when first asked for and kept, so the mesh must not change meanwhile.

    `idle` points have no simplex: unused ones, mid-side nodes of curved cells, corners of flat
    cells alone. Their rows and columns, and all results there, are zero; `filled` completes those
    of curved cells. Cells without measure count for nothing (`simplices.degenerate`).

    Source: Zienkiewicz and Taylor, The Finite Element Method, vol. 1; Ciarlet, The Finite Element
    Method for Elliptic Problems, 1978. Raises MeshError as `split_cells` does.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.simplices: Simplices = split_cells(mesh)

    # -- geometry -------------------------------------------------------------------------------

    @cached_property
    def corners(self) -> np.ndarray:
        """(N + V, 3): the mesh's points, then the centres of cells that are cut from there."""
        centres = self.simplices.centres
        points = self.mesh.points
        return np.vstack([points, centres @ points]) if centres.shape[0] else points

    @cached_property
    def lumped(self) -> np.ndarray:
        """(N,) lumped mass, int phi_i: not negative, sums to the mesh's measure."""
        nodes, measure = self.simplices.nodes, self.simplices.measure
        total = np.zeros(len(self.corners))
        for column in nodes.T:
            total += np.bincount(column, measure / nodes.shape[1], len(total))
        return self._down(total)

    @cached_property
    def idle(self) -> np.ndarray:
        """Ids of the points that have no simplex."""
        return np.flatnonzero(self.lumped == 0)

    def basis_gradients(self) -> np.ndarray:
        """(S, d + 1, 3) gradients of the hat functions on each simplex; they add up to zero."""
        nodes = self.simplices.nodes
        out = np.empty((*nodes.shape, 3))
        for some in chunked(len(nodes)):
            out[some] = np.moveaxis(basis_gradients(self.corners, nodes[some]), 2, 0)
        return out

    # -- matrices -------------------------------------------------------------------------------

    def mass(self, coefficient: np.ndarray | None = None, at: str = "cell") -> csr_matrix:
        """int c phi_i phi_j, c (M,) at cells, or (N,) at points: its mean on each simplex.

        Rows sum to `lumped` where c is one.
        """
        weight = self.simplices.measure
        if coefficient is not None:
            c, shape = self._on_simplices(coefficient, at)
            if shape:
                raise MeshError(f"coefficient of shape {shape}", "expected scalars")
            weight = weight.copy()
            for some in chunked(len(weight)):
                weight[some] *= c(some)[:, 0]
        return self._both(assembly.mass(self._pattern, self.simplices.nodes, weight), True)

    def stiffness(self, coefficient: np.ndarray | None = None, at: str = "cell") -> csr_matrix:
        """int grad phi_i . c grad phi_j, c (M,) or tensors (M, 3, 3) at cells, or (N,) or (N, 3, 3)
        at points, which is integrated exactly.

        Rows sum to zero. With c one, on triangles, it is the cotangent Laplacian (Pinkall and
        Polthier, 1993); symmetric unless c is not.
        """
        c, skew = None, False
        if coefficient is not None:
            c, shape = self._on_simplices(coefficient, at)
            if shape not in ((), (3, 3)):
                raise MeshError(f"coefficient of shape {shape}", "expected scalars or 3 x 3")
            tensor = np.asarray(coefficient)
            skew = shape != () and not np.array_equal(tensor, np.swapaxes(tensor, -1, -2))
        nodes, measure = self.simplices.nodes, self.simplices.measure
        found = assembly.stiffness(self._pattern, self.corners, nodes, measure, c, skew)
        return self._both(found, not skew)

    @cached_property
    def derivatives(self) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
        """int phi_i d phi_j / dx, dy and dz."""
        nodes, measure = self.simplices.nodes, self.simplices.measure
        found = assembly.derivatives(self._pattern, self.corners, nodes, measure)
        x, y, z = map(self._both, found)
        return x, y, z

    # -- derivatives of fields ------------------------------------------------------------------

    def simplex_gradient(self, values: np.ndarray) -> np.ndarray:
        """(S, 3, ...) the gradient of values (N, ...), constant on each simplex."""
        flat, shape = self._values(values)
        flat = flat if self._extension is None else self._extension @ flat
        nodes = self.simplices.nodes
        out = np.zeros((len(nodes), 3, flat.shape[1]))
        for some in chunked(len(nodes)):
            gradient = basis_gradients(self.corners, nodes[some])
            first = flat[nodes[some, 0]]
            for i in range(1, nodes.shape[1]):  # of differences: constants have none at all
                step = flat[nodes[some, i]] - first
                out[some] += gradient[i].T[:, :, None] * step[:, None]
        return out.reshape(-1, 3, *shape)

    def cell_gradient(self, values: np.ndarray) -> np.ndarray:
        """(M, 3, ...) the mean gradient of values (N, ...) over each cell, zero where none counts.

        Exact for linear fields, of first order for others.
        """
        cell, measure, n = self.simplices.cell, self.simplices.measure, self.mesh.n_cells
        gradient = self.simplex_gradient(values)
        share = measure / np.bincount(cell, measure, n)[cell]
        shape = gradient.shape[1:]
        columns = gradient.reshape(len(cell), int(np.prod(shape))).T
        means = [np.bincount(cell, share * column, n) for column in columns]
        return np.stack(means, axis=1).reshape(n, *shape)

    def gradient(self, values: np.ndarray) -> np.ndarray:
        """(N, 3, ...) gradient of values (N, ...) recovered at points: the mean over the simplices
        around each, weighted by measure, which is the L2 projection with lumped mass.

        Exact for linear fields. First order on any mesh, second at inner points of regular ones;
        `fit.gradient` is of second order at all points of any mesh, and costs more.
        """
        flat, shape = self._values(values)
        parts = [self._over_mass(d @ flat) for d in self.derivatives]
        return np.stack(parts, axis=1).reshape(-1, 3, *shape)

    def divergence(self, vectors: np.ndarray) -> np.ndarray:
        """(N,) divergence of vectors (N, 3) at points, recovered as `gradient` is."""
        vectors = self._vectors(vectors, "point")
        return self._over_mass(self._dot(self.derivatives, vectors))

    def weak_divergence(self, vectors: np.ndarray, at: str = "point") -> np.ndarray:
        """(N,) the load - int grad phi_i . v of vectors (N, 3) at points or (M, 3) at cells.

        int phi_i div v without the boundary's part, int phi_i v . n. It sums to zero.
        """
        vectors = self._vectors(vectors, at)
        if at == "point":
            return -self._dot([d.T for d in self.derivatives], vectors)
        nodes, measure, cell = self.simplices.nodes, self.simplices.measure, self.simplices.cell
        out = np.zeros(len(self.corners))
        for some in chunked(len(nodes)):
            flux = vectors[cell[some]].T * measure[some]
            for i, gradient in enumerate(basis_gradients(self.corners, nodes[some])):
                np.add.at(out, nodes[some, i], -dot(gradient, flux))
        return self._down(out)

    @cached_property
    def fit(self) -> QuadraticFit:
        """Quadratics fitted around each point: gradients of second order, Hessians of first."""
        pattern = self._pattern
        ring = self._both(pattern.matrix(np.ones(pattern.n), np.ones(len(pattern.low))))
        bent = self.mesh.dim == 2 and not self.mesh.is_planar
        normals = self._across() if bent else None
        return fit_quadratics(self.mesh.points, ring, self.mesh.dim, normals)

    def hessian(self, values: np.ndarray) -> np.ndarray:
        """(N, 3, 3, ...) second derivatives of values (N, ...) at points, of first order on any
        mesh: see `QuadraticFit`. Zero at `fit.unfitted`."""
        return self.fit.hessian(values)

    # -- loads and projections ------------------------------------------------------------------

    def load(self, source: Field, at: str = "cell") -> np.ndarray:
        """(N, ...) int phi_i f, f (M, ...) at cells, (N, ...) at points, or a function that takes
        (n, 3) points to (n, ...).

        Functions are taken at d + 1 points in each simplex, so that int f is exact for quadratics
        (Hammer and Stroud, 1956).
        """
        if callable(source):
            return self._load_of(source)
        if at == "point":
            flat, shape = self._values(source)
            return (self.mass() @ flat).reshape(-1, *shape)
        values, shape = self._on_simplices(source, at)
        nodes, measure = self.simplices.nodes, self.simplices.measure
        out = np.zeros((len(self.corners), int(np.prod(shape))))
        for some in chunked(len(nodes)):
            share = values(some) * (measure[some] / nodes.shape[1])[:, None]
            for column in nodes[some].T:
                np.add.at(out, column, share)
        return self._down(out).reshape(-1, *shape)

    def project(self, source: Field, at: str = "cell", lumped: bool = False) -> np.ndarray:
        """(N, ...) the L2 projection of what `load` takes: M u = load.

        lumped: with M diagonal; of cells it is the mean around each point, and stays within their
        range. Otherwise the nearest field in the L2 norm, of second order for smooth functions,
        which may overshoot at jumps.
        """
        load = self.load(source, at)
        flat = load.reshape(len(load), -1)
        out = self._over_mass(flat) if lumped else assembly.conjugate_gradients(self.mass(), flat)
        return out.reshape(load.shape)

    def interpolation(self, queries: np.ndarray) -> csr_matrix:
        """(Q, N) takes values at points to queries (Q, 3); those outside get the closest point."""
        return self.located(queries)[1]

    def located(self, queries: np.ndarray) -> tuple[np.ndarray, csr_matrix]:
        """The cell (Q,) that holds each of the queries (Q, 3), or is the nearest to it, and their
        `interpolation`."""
        found, weights = located(self.corners, self.simplices.nodes, queries)
        return self.simplices.cell[found], self._right(weights)

    def field(self, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The field with values (N, ...) as a function of (n, 3) points, for `load` and `project`.

        ``fine.project(coarse.field(u))`` carries u to another mesh: L2 projection by quadrature.
        """
        flat, shape = self._values(values)
        return lambda queries: (self.interpolation(queries) @ flat).reshape(-1, *shape)

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Values (N, ...) with those at mid-side nodes of curved cells, and at the centres of their
        faces and bodies, made the means of their corners'; cubic lines take the next end's.

        Raises MeshError for Lagrange and Bezier cells, which do not say which node is where.
        """
        out, shape = self._values(values)
        out = out.copy()
        known = self.lumped > 0
        edges = node_edges(self.mesh)
        edges = np.concatenate([edges, edges[:, ::-1]])
        for _ in range(3):  # sides, then faces, then bodies: each hangs on those before
            to, source = edges[known[edges[:, 0]] & ~known[edges[:, 1]]].T[::-1]
            count = np.bincount(to, minlength=len(out))
            new = count > 0
            for column in out.T:
                column[new] = np.bincount(to, column[source], len(out))[new] / count[new]
            known |= new
        return out.reshape(-1, *shape)

    # -- boundary -------------------------------------------------------------------------------

    @cached_property
    def boundary(self) -> P1Boundary:
        """Facets, outer normals, lumped and consistent mass of the boundary."""
        return p1_boundary(self.mesh)

    # -- inner parts ----------------------------------------------------------------------------

    @cached_property
    def _extension(self) -> csr_matrix | None:
        """(N + V, N): from values at points to those at `corners`; None without centres."""
        centres = self.simplices.centres
        if not centres.shape[0]:
            return None
        n = self.mesh.n_points
        return csr(
            np.concatenate([np.ones(n), centres.data]),
            np.concatenate([np.arange(n), centres.indices]),
            np.concatenate([np.arange(n), n + centres.indptr]),
            (n + centres.shape[0], n),
        )

    @cached_property
    def _pattern(self) -> Pattern:
        return Pattern(self.simplices.nodes, len(self.corners))

    def _down(self, loads: np.ndarray) -> np.ndarray:
        """Loads at `corners` to loads at points: that of a centre goes to its corners."""
        return loads if self._extension is None else self._extension.T @ loads

    def _right(self, matrix: csr_matrix) -> csr_matrix:
        if self._extension is not None:
            matrix = matrix @ self._extension
            matrix.sort_indices()
        return matrix

    def _both(self, matrix: csr_matrix, symmetric: bool = False) -> csr_matrix:
        if self._extension is None:
            return matrix
        out = self._right(self._extension.T.tocsr() @ matrix)
        return 0.5 * (out + out.T.tocsr()) if symmetric else out  # to the last digit

    def _over_mass(self, loads: np.ndarray) -> np.ndarray:
        mass = np.where(self.lumped > 0, self.lumped, 1.0)
        return (loads.T / mass).T

    def _across(self) -> np.ndarray:
        """(N, 3) normals of a surface, either way: what most of its triangles have in common."""
        tensor = np.zeros((self.mesh.n_points, 3, 3))
        for some in chunked(len(self.simplices.nodes)):
            nodes = self.simplices.nodes[some]
            corner = gathered(self.corners, nodes)
            normal = cross(corner[1] - corner[0], corner[2] - corner[0])
            normal /= np.sqrt(np.maximum(np.sqrt(dot(normal, normal)), 1e-300))
            outer = np.einsum("am,bm->mab", normal, normal)
            for column in nodes.T:
                np.add.at(tensor, column, outer)
        return np.linalg.eigh(tensor)[1][:, :, 2]

    def _load_of(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        nodes, measure = self.simplices.nodes, self.simplices.measure
        width = nodes.shape[1]
        low = (1.0 - 1.0 / np.sqrt(width + 1.0)) / width
        rule = np.full((width, width), low) + np.eye(width) * (1.0 - width * low)
        out, shape = np.zeros((len(self.corners), 1)), ()
        for number, some in enumerate(chunked(len(nodes))):
            corner = self.corners[nodes[some]]
            for weight in rule:
                value = np.asarray(function(np.einsum("i,mic->mc", weight, corner)), float)
                shape, flat = value.shape[1:], value.reshape(len(value), -1)
                if not number and flat.shape[1] != out.shape[1]:
                    out = np.zeros((len(out), flat.shape[1]))
                flat = flat * (measure[some] / width)[:, None]
                for i, part in enumerate(weight):
                    np.add.at(out, nodes[some, i], part * flat)
        return self._down(out).reshape(-1, *shape)

    @staticmethod
    def _dot(matrices: tuple | list, vectors: np.ndarray) -> np.ndarray:
        x, y, z = (matrix @ v for matrix, v in zip(matrices, vectors.T, strict=True))
        return x + y + z

    def _values(self, values: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
        """Values at points as (N, c), and the shape of one."""
        values = self._sized(values, "point")
        return values.reshape(len(values), -1), values.shape[1:]

    def _vectors(self, vectors: np.ndarray, at: str) -> np.ndarray:
        vectors = self._sized(vectors, at)
        if vectors.shape[1:] != (3,):
            raise MeshError(f"vectors of shape {vectors.shape}", "expected three components")
        return vectors

    def _on_simplices(self, values: np.ndarray, at: str) -> tuple[Part, tuple[int, ...]]:
        """A function that gives values (m, c) of a slice of the simplices, and the shape of one:
        those at cells, or the means of those at points."""
        values = self._sized(values, at)
        shape = values.shape[1:]
        flat = values.reshape(len(values), int(np.prod(shape)))
        cell, nodes = self.simplices.cell, self.simplices.nodes
        if at == "cell":
            return lambda some: flat[cell[some]], shape
        ends = flat if self._extension is None else self._extension @ flat
        return lambda some: ends[nodes[some]].mean(axis=1), shape

    def _sized(self, values: np.ndarray, at: str) -> np.ndarray:
        sizes = {"cell": self.mesh.n_cells, "point": self.mesh.n_points}
        if at not in sizes:
            raise MeshError(f"values at {at!r}", "expected 'cell' or 'point'")
        values = np.asarray(values, float)
        if values.ndim == 0 or len(values) != sizes[at]:
            raise MeshError(
                f"values of shape {values.shape} at {at}s", f"expected {sizes[at]} of them"
            )
        return values
