"""Linear elasticity in P1 elements, and systems of several components with values prescribed."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from ._p1_assembly import with_dirichlet

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from ._mesh import Mesh

TOLERANCE = 1e-10
Blocks = dict[tuple[int, int], "csr_matrix"]


def elastic_field(
    mesh: Mesh,
    known: np.ndarray,
    values: np.ndarray,
    stiffening: float = 1.0,
    poisson: float = 0.3,
    tol: float = TOLERANCE,
) -> np.ndarray:
    """(N, d) displacement of a linear elastic body (plane strain in 2-D) whose points `known` (n,)
    are displaced by values (n, d); the modulus of a cell is its measure to the power -stiffening.

    The bilinear form of components i and j is that of a tensor, lambda e_i e_j^T + mu e_j e_i^T +
    mu delta_ij I, so that P1's stiffness assembles it. Source: Stein, Tezduyar, Benney, J. Appl.
    Mech. 70 (2003). Raises SolveError for cells too flat.
    """
    blocks, _ = elastic_blocks(mesh, stiffening, poisson)
    return solved_blocks(blocks, mesh.dim, known, values, mesh.p1().idle, tol)


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


def solved(
    matrix: csr_matrix,
    known: np.ndarray,
    values: np.ndarray,
    idle: np.ndarray,
    d: int = 1,
    tol: float = TOLERANCE,
) -> np.ndarray:
    """(N, c) with a product with the matrix of zero, but for unknowns `known` (n,), which have the
    values (n, c), and `idle` ones, which are zero; d: components, for multigrid."""
    from ..solvers import Multigrid, solve  # here, so that meshes need no torch

    load = np.zeros((matrix.shape[0], values.shape[1]))
    at = np.concatenate([known, np.setdiff1d(idle, known)])
    given = np.zeros((len(at), values.shape[1]))
    given[: len(known)] = values
    matrix, load = with_dirichlet(matrix, load, at, given)
    start = np.zeros_like(load)
    start[at] = given
    return solve(matrix, load, Multigrid(apart(matrix, d)), tol=tol, x0=start)


def solved_blocks(
    blocks: Blocks,
    d: int,
    known: np.ndarray,
    values: np.ndarray,
    idle: np.ndarray,
    tol: float = TOLERANCE,
) -> np.ndarray:
    """(N, d) of a system of d components: `solved` with values (n, d) of points `known`."""
    n = blocks[0, 0].shape[0]
    matrix = stacked(blocks, d)
    at = np.concatenate([known + i * n for i in range(d)])
    free = np.concatenate([idle + i * n for i in range(d)])
    return solved(matrix, at, values.T.reshape(-1, 1), free, d, tol).reshape(d, n).T


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
