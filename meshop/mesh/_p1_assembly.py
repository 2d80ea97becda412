"""Sums over simplices: the matrices of P1 elements, some thousands of simplices at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ._blocks import CHUNK
from ._p1_pattern import Pattern
from ._sparse import csr
from .vectors import cross, dot, gathered

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def chunked(count: int) -> Iterator[slice]:
    """Slices of simplices whose numbers fit into a core's cache."""
    for at in range(0, count, CHUNK):
        yield slice(at, min(at + CHUNK, count))


def basis_gradients(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(d + 1, 3, m) gradients of the hat functions of simplices (m, d + 1), none of them flat.

    The dual basis of the edges from the first corner; on lines and triangles in space tangential.
    """
    corner = gathered(points, nodes)
    edge = corner[1:] - corner[0]
    # Scaled, so that products of three lengths stay in range.
    size = np.abs(edge).max(axis=(0, 1))
    edge /= size
    if len(edge) == 1:
        dual = edge / dot(edge[0], edge[0])
    elif len(edge) == 2:
        a, b = edge
        normal = cross(a, b)
        dual = np.stack([cross(b, normal), cross(normal, a)]) / dot(normal, normal)
    else:
        a, b, c = edge
        across = cross(b, c)
        dual = np.stack([across, cross(c, a), cross(a, b)]) / dot(a, across)
    dual /= size
    return np.concatenate([-dual.sum(axis=0)[None], dual])


def mass(pattern: Pattern, nodes: np.ndarray, weight: np.ndarray) -> csr_matrix:
    """Sum over simplices of weight (S,) times (1 + delta_ij) / ((d + 1) (d + 2))."""
    width = nodes.shape[1]
    weight = weight / (width * (width + 1))
    diagonal, edges = np.zeros(pattern.n), np.zeros(len(pattern.low))
    for some in chunked(len(nodes)):
        share = weight[some]
        pattern.add(edges, some, np.broadcast_to(share, (len(pattern.pairs), len(share))))
        np.add.at(diagonal, nodes[some].ravel(), np.repeat(2.0 * share, width))
    return pattern.matrix(diagonal, edges)


def stiffness(
    pattern: Pattern,
    points: np.ndarray,
    nodes: np.ndarray,
    measure: np.ndarray,
    coefficient: Callable[[slice], np.ndarray] | None,
    skew: bool = False,
) -> csr_matrix:
    """Sum over simplices of measure (S,) grad phi_i . c grad phi_j.

    coefficient: gives c of a slice of the simplices, (m, 1) or (m, 9); None: one. skew: it is no
    symmetric tensor. The diagonal is what makes each row's sum zero.
    """
    upper = np.zeros(len(pattern.low))
    lower = np.zeros(len(pattern.low)) if skew else upper
    for some in chunked(len(nodes)):
        gradient = basis_gradients(points, nodes[some])
        flux = gradient * measure[some]
        if coefficient is not None:
            c = coefficient(some)
            if c.shape[1] == 1:
                flux *= c[:, 0]
            else:
                flux = np.einsum("mab,nbm->nam", c.reshape(-1, 3, 3), flux)
        values = np.stack([dot(gradient[i], flux[j]) for i, j in pattern.pairs])
        if skew:
            others = np.stack([dot(gradient[j], flux[i]) for i, j in pattern.pairs])
            flip = pattern.flip(nodes[some])
            pattern.add(lower, some, np.where(flip, values, others))
            values = np.where(flip, others, values)
        pattern.add(upper, some, values)
    diagonal = -np.bincount(pattern.low, upper, pattern.n)
    diagonal -= np.bincount(pattern.high, lower, pattern.n)
    return pattern.matrix(diagonal, upper, lower)


def derivatives(
    pattern: Pattern, points: np.ndarray, nodes: np.ndarray, measure: np.ndarray
) -> list[csr_matrix]:
    """Of each axis the sum over simplices of int phi_i d phi_j, which is the same for all i."""
    width = nodes.shape[1]
    diagonal = np.zeros((3, pattern.n))
    upper, lower = np.zeros((2, 3, len(pattern.low)))
    i, j = np.array(pattern.pairs).T
    for some in chunked(len(nodes)):
        gradient = basis_gradients(points, nodes[some]) * (measure[some] / width)
        flip = pattern.flip(nodes[some])
        for axis in range(3):
            part = gradient[:, axis]
            np.add.at(diagonal[axis], nodes[some].ravel(), part.T.ravel())
            pattern.add(upper[axis], some, np.where(flip, part[i], part[j]))
            pattern.add(lower[axis], some, np.where(flip, part[j], part[i]))
    return [pattern.matrix(*rows) for rows in zip(diagonal, upper, lower, strict=True)]


def conjugate_gradients(
    matrix: csr_matrix, load: np.ndarray, tolerance: float = 1e-14
) -> np.ndarray:
    """(N, c) solution of a mass matrix's system, all columns at once; zero rows give zero.

    Scaled by its diagonal the matrix has a condition number of at most d + 2 (Wathen, 1987), so
    some tens of steps reach the last digits.
    """
    main = matrix.diagonal()
    scale = np.where(main > 0, 1.0 / np.where(main > 0, main, 1.0), 0.0)[:, None]
    out = np.zeros_like(load)
    rest = load * (scale > 0)
    search = scaled = scale * rest
    size = np.einsum("nc,nc->c", rest, scaled)
    goal = tolerance**2 * size
    for _ in range(200):
        active = size > goal
        if not active.any():
            break
        image = matrix @ search
        along = np.einsum("nc,nc->c", search, image)
        step = np.where(active, size / np.where(active, along, 1.0), 0.0)
        out += step * search
        rest = rest - step * image
        scaled = scale * rest
        before, size = size, np.where(active, np.einsum("nc,nc->c", rest, scaled), size)
        search = scaled + np.where(active, size / np.where(active, before, 1.0), 0.0) * search
    return out


def with_dirichlet(
    matrix: csr_matrix, load: np.ndarray, points: np.ndarray, values: np.ndarray | float = 0.0
) -> tuple[csr_matrix, np.ndarray]:
    """The system for fields with given values at some points; unknowns keep their numbers.

    matrix (N, N); load (N,) or (N, c); points: ids (n,), also those that no cell has (`P1.idle`);
    values: a number, (n,) or (n, c). Rows and columns of the points become those of the identity
    and what the columns did goes to the load, so that a symmetric positive matrix stays one.
    Returns matrix and load, both new.
    """
    load = np.asarray(load, float)
    known = np.zeros_like(load)
    known[points] = values
    fixed = np.zeros(len(load), bool)
    fixed[points] = True
    row = np.repeat(np.arange(len(load)), np.diff(matrix.indptr))
    free = ~(fixed[row] | fixed[matrix.indices])
    ptr = np.concatenate([[0], np.cumsum(free)])[matrix.indptr]
    inner = csr(matrix.data[free], matrix.indices[free], ptr, matrix.shape)
    ones = np.flatnonzero(fixed)
    rows = np.concatenate([[0], np.cumsum(fixed)])
    out = inner + csr(np.ones(len(ones)), ones, rows, matrix.shape)
    out.sort_indices()
    column = fixed.reshape(-1, *[1] * (load.ndim - 1))
    return out, np.where(column, known, load - matrix @ known)
