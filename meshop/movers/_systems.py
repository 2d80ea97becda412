"""Displacements of all points from those of some: one symmetric positive system a mover."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..mesh import Mesh, with_dirichlet
from ..ops import Csr, radius
from ..solvers import Multigrid, solve

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TOLERANCE = 1e-10
RBF_TOLERANCE = 1e-6  # points far closer than the support leave no more digits
Blocks = dict[tuple[int, int], "csr_matrix"]


def laplacian_field(mesh: Mesh, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, d) with - div grad u = 0, a component at a time."""
    p1 = mesh.p1()
    return _solved(p1.stiffness(), known, values, p1.idle)


def elastic_field(
    mesh: Mesh, known: np.ndarray, values: np.ndarray, stiffening: float, poisson: float
) -> np.ndarray:
    """(N, d) of linear elasticity (plane strain), modulus (cell measure)^-stiffening.

    The bilinear form of components i and j is that of a tensor, lambda e_i e_j^T + mu e_j e_i^T +
    mu delta_ij I, so that P1's stiffness assembles it.
    """
    blocks, _ = elastic_blocks(mesh, stiffening, poisson)
    return _solved_blocks(blocks, mesh.dim, known, values, mesh.p1().idle)


def elastic_blocks(mesh: Mesh, stiffening: float, poisson: float) -> tuple[Blocks, np.ndarray]:
    """The stiffness of `elastic_field`, components i <= j, and what (M,) a cell's pressure is to a
    strain that is the same in all directions."""
    p1, d = mesh.p1(), mesh.dim
    measure = mesh.cell_measures()
    mean = np.exp(np.log(measure[measure > 0]).mean())
    modulus = np.where(measure > 0, measure / mean, 1.0) ** -stiffening
    first = poisson / ((1 + poisson) * (1 - 2 * poisson))
    second = 1 / (2 * (1 + poisson))
    blocks: Blocks = {}
    for i, j in combinations_with_replacement(range(d), 2):
        tensor = np.zeros((3, 3))
        tensor[i, j] += first
        tensor[j, i] += second
        if i == j:
            tensor += second * np.eye(3)
        blocks[i, j] = p1.stiffness(modulus[:, None, None] * tensor)
    return blocks, modulus * (d * first + 2 * second)


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
    return _solved_blocks(blocks, d, known, values, p1.idle)


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


def _solved(
    matrix: csr_matrix, known: np.ndarray, values: np.ndarray, idle: np.ndarray, d: int = 1
) -> np.ndarray:
    load = np.zeros((matrix.shape[0], values.shape[1]))
    at = np.concatenate([known, np.setdiff1d(idle, known)])
    given = np.zeros((len(at), values.shape[1]))
    given[: len(known)] = values
    matrix, load = with_dirichlet(matrix, load, at, given)
    start = np.zeros_like(load)
    start[at] = given
    return solve(matrix, load, Multigrid(apart(matrix, d)), tol=TOLERANCE, x0=start)


def _solved_blocks(
    blocks: Blocks, d: int, known: np.ndarray, values: np.ndarray, idle: np.ndarray
) -> np.ndarray:
    """Of a system of d components, unknowns of each component together."""
    n = blocks[0, 0].shape[0]
    matrix = stacked(blocks, d)
    at = np.concatenate([known + i * n for i in range(d)])
    free = np.concatenate([idle + i * n for i in range(d)])
    return _solved(matrix, at, values.T.reshape(-1, 1), free, d).reshape(d, n).T


def stacked(blocks: Blocks, d: int) -> csr_matrix:
    """One matrix of blocks (i, j), i <= j; those that are not there are zero."""
    from scipy.sparse import bmat

    rows = [
        [blocks.get((i, j)) if i <= j else _turned(blocks.get((j, i))) for j in range(d)]
        for i in range(d)
    ]
    matrix = bmat(rows, format="csr")
    matrix.sum_duplicates()
    return matrix


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


def apart(matrix: csr_matrix, d: int) -> csr_matrix:
    """What does not couple the d components: positive too (Korn), and what multigrid is for, whose
    aggregates so keep to one of them."""
    if d == 1:
        return matrix
    found, n = matrix.tocoo(), matrix.shape[0] // d
    same = found.row // n == found.col // n
    place = found.row[same], found.col[same]
    return type(found)((found.data[same], place), matrix.shape).tocsr()


def _turned(block: csr_matrix | None) -> csr_matrix | None:
    return None if block is None else block.T
