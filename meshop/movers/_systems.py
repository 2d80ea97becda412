"""Displacements of all points from those of some: one symmetric positive system a mover."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..mesh import Blocks, Mesh, solved, solved_blocks
from ..ops import Csr, radius
from ..solvers import solve

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

RBF_TOLERANCE = 1e-6  # points far closer than the support leave no more digits


def laplacian_field(mesh: Mesh, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, d) with - div grad u = 0, a component at a time."""
    p1 = mesh.p1()
    return solved(p1.stiffness(), known, values, p1.idle)


def spring_field(mesh: Mesh, known: np.ndarray, values: np.ndarray, torsional: bool) -> np.ndarray:
    """(N, d) of springs along all edges, of stiffness one over the length; of simplices' edges, so
    that quads are braced. torsional: with springs at the corners of triangles."""
    from scipy.sparse import coo_matrix, csr_matrix

    p1, d, n = mesh.p1(), mesh.dim, mesh.n_points
    pattern = p1.stiffness().tocoo()
    upper = pattern.row < pattern.col
    a, b = pattern.row[upper], pattern.col[upper]
    way = mesh.points[b, :d] - mesh.points[a, :d]
    size = np.linalg.norm(way, axis=1)
    blocks: Blocks = {}
    for i, j in combinations_with_replacement(range(d), 2):
        k = way[:, i] * way[:, j] / size**3
        half = coo_matrix((k, (a, b)), (n, n)).tocsr()
        both = half + half.T
        main = np.asarray(both.sum(axis=1)).ravel()
        blocks[i, j] = csr_matrix((main, (np.arange(n), np.arange(n))), (n, n)) - both
    if torsional:
        for (i, j), block in _torsion(mesh).items():
            blocks[i, j] = blocks[i, j] + block
    return solved_blocks(blocks, d, known, values, p1.idle)


def _torsion(mesh: Mesh) -> Blocks:
    """R^T C R of each triangle: springs of stiffness 1 / sin^2 that hold its angles.

    An angle is the difference of the directions of two sides, and a side turns by
    (dx du_y - dy du_x) / l^2. Source: Farhat, Degand, Koobus, Lesoinne (1998).
    """
    from scipy.sparse import coo_matrix

    n, nodes = mesh.n_points, mesh.p1().simplices.nodes
    corner = mesh.points[nodes, :2]
    rows = np.zeros((len(nodes), 3, 3, 2))  # angle, corner, component
    stiff = np.empty((len(nodes), 3))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        sides = []
        for other, sign in ((k, 1.0), (j, -1.0)):
            way = corner[:, other] - corner[:, i]
            turn = sign * np.stack([-way[:, 1], way[:, 0]], 1) / (way * way).sum(1)[:, None]
            rows[:, i, other] += turn
            rows[:, i, i] -= turn
            sides.append(way)
        cross = sides[1][:, 0] * sides[0][:, 1] - sides[1][:, 1] * sides[0][:, 0]
        square = (sides[0] ** 2).sum(1) * (sides[1] ** 2).sum(1)
        stiff[:, i] = square / cross**2
    local = np.einsum("saim,sa,sajn->sijmn", rows, stiff, rows)
    at, to = np.broadcast_arrays(nodes[:, :, None], nodes[:, None, :])
    return {
        (m, o): coo_matrix((local[..., m, o].ravel(), (at.ravel(), to.ravel())), (n, n)).tocsr()
        for m, o in combinations_with_replacement(range(2), 2)
    }


def rbf_field(
    mesh: Mesh, known: np.ndarray, values: np.ndarray, support: float | None
) -> np.ndarray:
    """(N, d) interpolation by Wendland's C2 function (1 - r)^4 (4 r + 1) of r = distance / support.

    Of what the affine map nearest to the values leaves, so that affine motions are exact. Source:
    Wendland (1995); de Boer, van der Schoot, Bijl, Computers and Structures 85 (2007).
    """
    d = mesh.dim
    points = torch.from_numpy(mesh.points[:, :d].copy())
    box = points.amax(0) - points.amin(0)
    support = float(box.norm()) / 4 if support is None else float(support)
    centre = points[known]
    affine, middle = _affine(centre.numpy(), values)
    rest = values - (centre.numpy() - middle) @ affine[:-1] - affine[-1]
    weight = solve(_wendland(centre, centre, support), rest, "jacobi", tol=RBF_TOLERANCE)
    spread = _wendland(centre, points, support)(torch.from_numpy(weight)).numpy()
    return spread + (points.numpy() - middle) @ affine[:-1] + affine[-1]


def _affine(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((d + 1, d) the affine map nearest to values, the centre that it is about)."""
    middle = x.mean(axis=0)
    size = max(float(np.abs(x - middle).max()), 1e-300)
    basis = np.column_stack([(x - middle) / size, np.ones(len(x))])
    found = np.linalg.lstsq(basis, values, rcond=1e-10)[0]
    found[:-1] /= size
    return found, middle


def _wendland(centre: torch.Tensor, queries: torch.Tensor, support: float) -> Csr:
    near = radius(centre, support, queries=queries)
    r = (near.dist2.clamp(min=0).sqrt() / support).clamp(max=1)
    return Csr(near.rowptr, near.index, (1 - r) ** 4 * (4 * r + 1), len(centre))


def components(tensors: np.ndarray) -> csr_matrix:
    """Tensors (n, d, d) at points, such as projections, as one matrix on components in turn."""
    from scipy.sparse import bmat, diags

    d = tensors.shape[1]
    return bmat([[diags(tensors[:, i, j]) for j in range(d)] for i in range(d)], format="csr")


def within(matrix: csr_matrix, tangent: csr_matrix, size: float = 1.0) -> csr_matrix:
    """P A P + size (I - P) with a projection P: A on what P leaves, regular on the rest."""
    from scipy.sparse import identity

    rest = identity(matrix.shape[0]) - tangent
    out = (tangent @ matrix @ tangent + size * rest).tocsr()
    out.eliminate_zeros()
    return out
