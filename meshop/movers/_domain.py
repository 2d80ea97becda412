"""Meshes as learned movers see them: operators on the reference mesh, end to end in a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MeshError
from ..mesh import Mesh, stacked
from ..nn import Points
from ..ops import interpolate, locate, rows_of, segment_reduce
from ..solvers import Multigrid, solve
from ._boundary import Slide, sliding
from ._systems import components, within

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SHIFT = 1e-9  # of the mass, over length squared: what makes any stiffness regular
DIRECT = {2: 50_000, 3: 4_000}  # points up to which a sparse factorisation is cheaper
TOLERANCE = 1e-6  # of multigrid
SIMPLEX = {2: 5, 3: 10}  # VTK codes
_LinearSolve = Callable[["Domain", Tensor], Tensor]


@dataclass(frozen=True)
class Domain:
    """Plane or solid meshes, one after the other. Lengths are those of the meshes.

    points (N, d) float64; simplices (S, d + 1); sizes, parts: points and simplices of each mesh;
    mass (N,) lumped, in all one for each mesh; measure (S,); length (N,) the d-th root of each
    mesh's measure; edges of points that share a simplex, in rows: rowptr, index, without loops;
    slope (S, d + 1, d): gradients of the hat functions; facets of the boundary, by their ends
    (F, d), the simplex that each is of, and outward areas (F, d); tangent (N, d, d): what is left
    of a displacement; inverse: one solver a mesh.
    """

    points: Tensor
    simplices: Tensor
    sizes: tuple[int, ...]
    parts: tuple[int, ...]
    mass: Tensor
    measure: Tensor
    length: Tensor
    boundary: Tensor
    rowptr: Tensor
    index: Tensor
    slope: Tensor
    ends: Tensor
    owner: Tensor
    area: Tensor
    tangent: Tensor
    slide: Slide
    inverse: tuple[Inverse, ...]

    @property
    def d(self) -> int:
        return self.points.shape[1]

    @cached_property
    def ptr(self) -> Tensor:
        return torch.tensor([0, *np.cumsum(self.sizes)])

    @cached_property
    def batch(self) -> Tensor:
        """(N,) the mesh of each point."""
        return torch.repeat_interleave(torch.tensor(self.sizes), output_size=len(self.points))

    @cached_property
    def simplex_batch(self) -> Tensor:
        """(S,) the mesh of each simplex."""
        return self.batch[self.simplices[:, 0]]

    @cached_property
    def receiver(self) -> Tensor:
        """(E,) the row of each edge."""
        return rows_of(self.rowptr, len(self.index))

    @cached_property
    def cell(self) -> Tensor:
        """(N,) the size of a cell of mean measure, of each mesh."""
        many = torch.tensor(self.parts, dtype=torch.float64)[self.batch]
        return self.length / many ** (1 / self.d)

    @staticmethod
    def of(mesh: Mesh) -> Domain:
        """Raises MeshError for lines and surfaces in space, and for points of no cell."""
        p1, d = mesh.p1(), mesh.dim
        nodes = p1.simplices.nodes
        if d < 2 or (d == 2 and not mesh.is_planar) or (nodes >= mesh.n_points).any():
            raise MeshError(
                "a learned mover on this mesh",
                "expected cells in a plane, or solid cells, that are convex",
            )
        if len(p1.idle):
            raise MeshError(
                f"{len(p1.idle)} points of no cell", "expected none, and no mid-side nodes"
            )
        stiffness = p1.stiffness()
        row = np.repeat(np.arange(mesh.n_points), np.diff(stiffness.indptr))
        off = row != stiffness.indices
        total = float(p1.lumped.sum())
        size = total ** (1 / d)
        n = mesh.n_points
        on = torch.zeros(n, dtype=torch.bool)
        on[p1.boundary.points] = True
        slide = sliding(mesh, p1=p1)
        tangent = slide.tangent
        if slide.curve is not None:
            along = slide.curve.along
            tangent = tangent + along[:, :, None] * along[:, None]
        return Domain(
            points=torch.from_numpy(mesh.points[:, :d].copy()),
            simplices=torch.from_numpy(nodes.astype(np.int64)),
            sizes=(n,),
            parts=(len(nodes),),
            mass=torch.from_numpy(p1.lumped / total),
            measure=torch.from_numpy(p1.simplices.measure),
            length=torch.full((n,), size, dtype=torch.float64),
            boundary=on,
            rowptr=torch.from_numpy(
                np.concatenate([[0], np.cumsum(np.bincount(row[off], minlength=n))])
            ),
            index=torch.from_numpy(stiffness.indices[off].astype(np.int64)),
            slope=torch.from_numpy(p1.basis_gradients()[:, :, :d].copy()),
            ends=torch.from_numpy(p1.boundary.nodes.astype(np.int64)),
            owner=torch.from_numpy(p1.boundary.owner.astype(np.int64)),
            area=torch.from_numpy(p1.boundary.areas[:, :d].copy()),
            tangent=tangent,
            slide=slide,
            inverse=(Inverse(stiffness, SHIFT / size**2 * p1.lumped, tangent.numpy()),),
        )

    @staticmethod
    def join(domains: Sequence[Domain]) -> Domain:
        """A batch."""
        starts = np.cumsum([0, *(len(one.points) for one in domains)])
        firsts = np.cumsum([0, *(len(one.simplices) for one in domains)])

        def cat(name: str) -> Tensor:
            return torch.cat([getattr(one, name) for one in domains])

        def shifted(name: str, by: np.ndarray = starts) -> Tensor:
            pairs = zip(domains, by, strict=False)
            return torch.cat([getattr(one, name) + int(start) for one, start in pairs])

        def rows(pointers: list[Tensor]) -> Tensor:
            ends = np.concatenate([[0], np.cumsum([int(p[-1]) for p in pointers])])
            parts = [p[1:] + int(e) for p, e in zip(pointers, ends, strict=False)]
            return torch.cat([pointers[0][:1], *parts])

        names = ("points", "mass", "measure", "length", "boundary", "slope", "area", "tangent")
        return Domain(
            **{name: cat(name) for name in names},
            simplices=shifted("simplices"),
            index=shifted("index"),
            ends=shifted("ends"),
            owner=shifted("owner", firsts),
            rowptr=rows([one.rowptr for one in domains]),
            sizes=sum((one.sizes for one in domains), ()),
            parts=sum((one.parts for one in domains), ()),
            slide=Slide.join([one.slide for one in domains]),
            inverse=sum((one.inverse for one in domains), ()),
        )

    def derivatives(self, values: Tensor) -> Tensor:
        """(N, d + 1) gradient and Laplacian of values (N,), recovered with lumped mass.

        The Laplacian is that of a field without slope across the boundary.
        """
        flat = values[self.simplices][:, None] @ self.slope  # (S, 1, d)
        bend = -self.slope @ flat.mT
        flat = (flat / (self.d + 1)).expand(-1, self.d + 1, -1)
        parts = torch.cat([flat, bend], 2) * self.measure[:, None, None]
        return self.gathered(parts) / (self.mass * self.length**self.d)[:, None]

    def carry(self, source: Tensor) -> Tensor:
        """Vectors u (N, d) of divergence `source` (N,) less its mean, as far as the boundary lets.

        What minimises int |grad u|^2 / 2 - source div u among fields along the boundary: on convex
        domains grad psi of Laplacian psi = source; around holes and corners, where that shears
        cells to pieces, it is smoother. P1, integrals exact.
        """
        inner = self.measure * (source[self.simplices] @ self._mean)
        return _Symmetric.apply(self.gathered(inner[:, None, None] * self.slope), self, _solved)

    def potential(self, source: Tensor) -> Tensor:
        """(N,) psi of Laplacian psi = source (N,) less its mean, without slope across the boundary.

        P1, the source's mass lumped; of mean zero.
        """
        load = self.mass * (self.mean(source) - source) * self.length**self.d
        psi = _Symmetric.apply(load, self, _lifted)
        return psi - self.mean(psi)

    def gathered(self, parts: Tensor) -> Tensor:
        """(S, d + 1, C) of corners -> (N, C) sums at points."""
        out = parts.new_zeros(len(self.points), parts.shape[2])
        return out.index_add(0, self.simplices.reshape(-1), parts.flatten(0, 1))

    @cached_property
    def _mean(self) -> Tensor:
        """(d + 1,) what makes a product a mean over corners: far faster than a sum of so few."""
        return self.points.new_full((self.d + 1,), 1 / (self.d + 1))

    def mean(self, values: Tensor) -> Tensor:
        """(N, ...) -> (N, ...) each mesh's mean by mass."""
        mass = self.mass.to(values.dtype).reshape(-1, *[1] * (values.dim() - 1))
        return segment_reduce(values * mass, self.ptr)[self.batch]

    @cached_property
    def nodes(self) -> Points:
        """The points as layers take them, weighted by mass."""
        weight = self.mass.float()
        return Points(self.points, self.points[:, :0], weight, self.batch, self.sizes)

    def along(self, vectors: Tensor) -> Tensor:
        """(N,) length of vectors (N, d) along the curve that a point is on, zero elsewhere."""
        curve = self.slide.curve
        return vectors.new_zeros(len(vectors)) if curve is None else (curve.along * vectors).sum(1)

    def ahead(self, vectors: Tensor, along: Tensor) -> Tensor:
        """(N, d) steps for `moved`, of vectors (N, d) and lengths (N,) where points have come to.

        Points on a curve go by the length along it, in the direction it had where they started.
        """
        flat, curve = (self.slide.tangent @ vectors[:, :, None])[:, :, 0], self.slide.curve
        return flat if curve is None else flat + curve.along * along[:, None]

    def moved(self, step: Tensor) -> Tensor:
        """(N, d) points displaced by step (N, d), those of the boundary along it."""
        return self.slide.points(self.slide.begin(self.points, step)[1])

    def sample(self, values: Tensor, queries: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """Values (N, ...) at queries (Q, d), those of each mesh in it; outside it the nearest.

        sizes: how many there are of each mesh, as many as points unless told. Differentiable in the
        queries.
        """
        out, ends = [], np.cumsum([0, *self.sizes])
        asked = queries.split(list(sizes or self.sizes))
        cells = np.cumsum([0, *self.parts])
        for k in range(len(self.sizes)):
            some = slice(ends[k], ends[k + 1])
            part = self.simplices[cells[k] : cells[k + 1]] - int(ends[k])
            there = locate(
                self.points[some],
                torch.full((len(part),), SIMPLEX[self.d], dtype=torch.uint8),
                torch.arange(len(part) + 1) * (self.d + 1),
                part.reshape(-1),
                asked[k],
            )
            out.append(interpolate(values[some], there))
        return torch.cat(out)

    def volumes(self, points: Tensor) -> Tensor:
        """(S,) signed measures at points (N, d), of the sign they had at the start."""
        corner = points[self.simplices]
        e = corner[:, 1:] - corner[:, :1]
        return determinant(e) / determinant(self._edges) * self.measure

    @cached_property
    def _edges(self) -> Tensor:
        corner = self.points[self.simplices]
        return corner[:, 1:] - corner[:, :1]


class _Symmetric(torch.autograd.Function):
    """solve(domain, load): linear in the load and symmetric, so its own adjoint."""

    @staticmethod
    def forward(ctx: Any, load: Tensor, domain: Domain, solve: _LinearSolve) -> Tensor:
        ctx.domain, ctx.solve = domain, solve
        return solve(domain, load)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.solve(ctx.domain, grads[0]), None, None


def _solved(domain: Domain, load: Tensor) -> Tensor:
    """A^-1 P f, A = P (I x S) P + I - P with the tangents' projections P."""
    right = (domain.tangent @ load[:, :, None])[:, :, 0]
    parts = right.split(domain.sizes)
    found = [
        torch.from_numpy(inverse.vectors(part.T.reshape(-1).numpy()).reshape(domain.d, -1).T)
        for inverse, part in zip(domain.inverse, parts, strict=True)
    ]
    return (domain.tangent @ torch.cat(found)[:, :, None])[:, :, 0]


def _lifted(domain: Domain, load: Tensor) -> Tensor:
    """S^-1 f."""
    pairs = zip(domain.inverse, load.split(domain.sizes), strict=True)
    return torch.cat([torch.from_numpy(inverse.scalars(part.numpy())) for inverse, part in pairs])


class Inverse:
    """Of the stiffness S + shift of one mesh, factorised once it is asked for."""

    def __init__(self, stiffness: csr_matrix, shift: np.ndarray, tangent: np.ndarray) -> None:
        from scipy.sparse import diags

        self.scale = stiffness.diagonal().mean()
        self.each = ((stiffness + diags(shift)) / self.scale).tocsr()
        self.tangent = tangent

    @cached_property
    def scalars(self) -> Callable[[np.ndarray], np.ndarray]:
        """Solves for values (N,)."""
        return self._of(self.each)

    @cached_property
    def vectors(self) -> Callable[[np.ndarray], np.ndarray]:
        """Solves for vectors along the boundary, a component after the other (d N,)."""
        d = self.tangent.shape[1]
        whole = stacked({(i, i): self.each for i in range(d)}, d)
        return self._of(within(whole, components(self.tangent)))

    def _of(self, matrix: csr_matrix) -> Callable[[np.ndarray], np.ndarray]:
        from scipy.sparse.linalg import splu

        n, d, _ = self.tangent.shape
        if n <= DIRECT[d]:
            factor = splu(
                matrix.tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                panel_size=4,  # a fifth faster than SuperLU's own choice
                options={"SymmetricMode": True, "Equil": False},
            )
            return lambda load: factor.solve(load / self.scale)
        cycle = Multigrid(matrix)
        return lambda load: solve(matrix, load / self.scale, cycle, tol=TOLERANCE)


def determinant(e: Tensor) -> Tensor:
    """(S,) of edges (S, d, d)."""
    if e.shape[1] == 2:
        return e[:, 0, 0] * e[:, 1, 1] - e[:, 0, 1] * e[:, 1, 0]
    return (e[:, 0] * torch.linalg.cross(e[:, 1], e[:, 2])).sum(1)
