"""The boundary of one mesh brought to that of another: corners, then ridges, then patches.

Corners that correspond meet. Ridges go by arc length between them, closed ones begun where they lie
closest to the other's. Patches follow their ridges, less the affine map nearest to these by a flow
whose velocity is harmonic, and closed ones the affine map between their second moments (the optimal
transport of Gaussians of these, which does not turn); then they are drawn to the closest points of
the other's, ever more firmly, and at last lie on them (non-rigid closest points).
Sources: Amberg, Romdhani, Vetter, Optimal Step Nonrigid ICP Algorithms for Surface Registration,
CVPR 2007; Takatsu, Wasserstein geometry of Gaussian measures, Osaka J. Math. 48 (2011).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

from ..errors import MeshError, SolveError
from ..mesh import Mesh
from ._features import Features, Patch, Ridge, volumes

PULLS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # to the closest points, over the patch's stiffness
STEPS = 4  # in which a patch follows its ridges
LEAST_AREA = 1e-3  # of the mean, in stiffness
NEVER = 1e6  # what a match costs that cannot be


class Affine(NamedTuple):
    """x -> (x - start) @ matrix + end."""

    start: np.ndarray
    matrix: np.ndarray
    end: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.start) @ self.matrix + self.end


class Match(NamedTuple):
    """For each corner, ridge and patch of one boundary its place in the other's."""

    corners: np.ndarray
    ridges: np.ndarray
    patches: np.ndarray


def between_moments(
    one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]
) -> Affine:
    """The map of one mean and covariance (3,), (3, 3) to another that is symmetric and positive."""
    (start, a), (end, b) = one, two
    root = _root(a)
    inverse = np.linalg.pinv(root, rcond=1e-9, hermitian=True)
    matrix = inverse @ _root(root @ b @ root) @ inverse
    flat = np.eye(3) - inverse @ root  # directions without extent
    return Affine(start, matrix + flat, end)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, axes = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (axes * np.sqrt(np.maximum(values, 0))) @ axes.T


def nearest_affine(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Affine:
    """The affine map that takes x (n, 3) nearest to y in the mean by weight (n,), and of those the
    one nearest to a translation."""
    weight = weight / weight.sum()
    start, end = weight @ x, weight @ y
    root = np.sqrt(weight)[:, None]
    slope = np.linalg.lstsq(root * (x - start), root * (y - end - x + start), rcond=1e-6)[0]
    return Affine(start, np.eye(3) + slope, end)


def moments(points: np.ndarray, simplices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (3,) and covariance (3, 3) of what simplices (S, d + 1) fill, by signed measure."""
    corner, measure = points[simplices], volumes(points, simplices)
    total = measure.sum()
    middle = corner.mean(1)
    mean = measure @ middle / total
    arm = corner - mean
    summed = arm.sum(1)
    width = simplices.shape[1]
    second = np.einsum("s,sia,sib->ab", measure, arm, arm)
    second = (second + np.einsum("s,sa,sb->ab", measure, summed, summed)) / (width * (width + 1))
    return mean, second / total


def enclosed(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`moments` of what a closed surface encloses."""
    apex = points[triangles[:, 0]].mean(0)
    nodes = np.column_stack([triangles, np.full(len(triangles), len(points))])
    return moments(np.vstack([points, apex]), nodes)


# -- which part is which ------------------------------------------------------------------------


def matched(one: Features, two: Features, maps: list[Affine]) -> Match | None:
    """The parts of two boundaries that correspond: those that lie near each other under one of the
    maps, and meet alike; None where there is no such match."""
    if one.counts != two.counts:
        return None
    for place in maps:
        found = _matched(one, two, place)
        if found is not None:
            return found
    return None


def _matched(one: Features, two: Features, place: Affine) -> Match | None:
    points = place(one.points)
    here, there = points[one.corners], two.points[two.corners]
    corners = _assigned(((here[:, None] - there[None]) ** 2).sum(2))
    assert corners is not None

    def ends(ridge: Ridge, at: np.ndarray | None) -> tuple[int, ...] | None:
        if ridge.ends is None:
            return None
        a, b = ridge.ends
        return tuple(sorted((int(at[a]), int(at[b])) if at is not None else (a, b)))

    a = np.array([gist(points[r.nodes]) for r in one.ridges]).reshape(-1, 4)
    b = np.array([gist(two.points[r.nodes]) for r in two.ridges]).reshape(-1, 4)
    cost = ((a[:, None] - b[None]) ** 2).sum(2)
    unlike = [[ends(r, corners) != ends(s, None) for s in two.ridges] for r in one.ridges]
    ridges = _assigned(cost, np.array(unlike, bool).reshape(cost.shape))
    if ridges is None:
        return None
    a = np.array([gist(points[np.unique(p.triangles)]) for p in one.patches]).reshape(-1, 4)
    b = np.array([gist(two.points[np.unique(p.triangles)]) for p in two.patches]).reshape(-1, 4)
    cost = ((a[:, None] - b[None]) ** 2).sum(2)
    rims = [frozenset(int(ridges[k]) for k in p.ridges) for p in one.patches]
    unlike = [
        [rim != q.ridges or p.euler != q.euler for q in two.patches]
        for rim, p in zip(rims, one.patches, strict=True)
    ]
    patches = _assigned(cost, np.array(unlike, bool).reshape(cost.shape))
    return None if patches is None else Match(corners, ridges, patches)


def gist(points: np.ndarray) -> np.ndarray:
    """(4,) the middle and half the extent of some points: alike where these are."""
    low, high = points.min(0), points.max(0)
    return np.append(0.5 * (low + high), 0.5 * np.linalg.norm(high - low))


def _assigned(cost: np.ndarray, unlike: np.ndarray | None = None) -> np.ndarray | None:
    size = max(float(cost.max(initial=0.0)), 1e-300)
    cost = cost / size if unlike is None else np.where(unlike, NEVER, cost / size)
    row, column = linear_sum_assignment(cost)
    return None if (cost[row, column] >= NEVER).any() else column


# -- where it goes ------------------------------------------------------------------------------


def brought(one: Features, two: Features, match: Match, place: Affine) -> np.ndarray:
    """(N, 3) places on the second boundary of the nodes of the first; NaN at all others. place: the
    map of the whole body that comes near."""
    goal = np.full(one.points.shape, np.nan)
    goal[one.corners] = two.points[two.corners[match.corners]]
    for ridge, k in zip(one.ridges, match.ridges, strict=True):
        goal[ridge.nodes] = _along(one, two, ridge, two.ridges[k], match, place)
    for patch, k in zip(one.patches, match.patches, strict=True):
        nodes, local = np.unique(patch.triangles, return_inverse=True)
        goal[nodes] = _spread(
            one.points[nodes], local.reshape(-1, 3), goal[nodes], two.points, two.patches[k]
        )
    return goal


def _along(
    one: Features, two: Features, ridge: Ridge, other: Ridge, match: Match, place: Affine
) -> np.ndarray:
    """(L, 3) places on the other ridge of a ridge's nodes, by arc length."""
    here, there = one.points[ridge.nodes], two.points[other.nodes]
    if ridge.ends is None or other.ends is None:
        return _around(here, there, place)
    part = _arc(here)
    ways = [_at(_arc(way), way, part) for way in (there, there[::-1])]
    if ridge.ends[0] != ridge.ends[1]:
        same = int(match.corners[ridge.ends[0]]) == other.ends[0]
        # Two corners may be joined by several ridges, never turned about.
        return ways[0] if same else ways[1]
    gaps = [((way - place(here)) ** 2).sum() for way in ways]
    return ways[int(np.argmin(gaps))]


def _around(here: np.ndarray, there: np.ndarray, place: Affine) -> np.ndarray:
    """Of closed ridges: begun, and run through, as lies closest where their middles and extents
    are the same."""
    here_loop, there_loop = np.vstack([here, here[:1]]), np.vstack([there, there[:1]])
    part = _arc(here_loop)[:-1]
    weight = np.diff(_arc(here_loop))
    weight = 0.5 * (weight + np.roll(weight, 1))
    moved = place(here)
    moved = moved - weight @ moved
    best, found = np.inf, there
    for loop in (there_loop, there_loop[::-1]):
        arc = _arc(loop)
        ring = loop[:-1]
        share = np.diff(arc)
        share = 0.5 * (share + np.roll(share, 1))
        middle = share @ ring
        size = np.sqrt((share @ ((ring - middle) ** 2).sum(1)) / (weight @ (moved**2).sum(1)))
        wanted = middle + size * moved
        turn = 2 * np.pi * (_closest_part(loop, arc, wanted) - part)
        shift = np.arctan2(weight @ np.sin(turn), weight @ np.cos(turn)) / (2 * np.pi)
        way = _at(arc, loop, (part + shift) % 1.0)
        gap = float(weight @ ((way - wanted) ** 2).sum(1))
        if gap < best:
            best, found = gap, way
    return found


def _closest_part(line: np.ndarray, arc: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """(Q,) the part of a line's length at the point of it that is closest to each query."""
    a, way = line[:-1], np.diff(line, axis=0)
    size2 = np.maximum((way * way).sum(1), 1e-300)
    out = np.empty(len(queries))
    room = max(1, (1 << 22) // len(a))
    for some in range(0, len(queries), room):
        q = queries[some : some + room, None]
        part = np.clip(((q - a) * way).sum(2) / size2, 0, 1)
        gap = ((a + part[..., None] * way - q) ** 2).sum(2)
        k = gap.argmin(1)
        t = part[np.arange(len(k)), k]
        out[some : some + room] = arc[k] + t * (arc[k + 1] - arc[k])
    return out


def _arc(line: np.ndarray) -> np.ndarray:
    """(L,) the part of its length at which each point of a line lies."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return arc / arc[-1]


def _at(arc: np.ndarray, line: np.ndarray, part: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(part, arc, column) for column in line.T], axis=1)


def _spread(
    x: np.ndarray, triangles: np.ndarray, goal: np.ndarray, others: np.ndarray, other: Patch
) -> np.ndarray:
    """(n, 3) places on another patch of a patch's nodes at x, triangles (T, 3); goal: of the nodes
    of its ridges, NaN at others."""
    known = ~np.isnan(goal[:, 0])
    area = _areas(x, triangles)
    mass = np.bincount(triangles.ravel(), np.repeat(area / 3, 3), len(x))
    if known.any():
        y = nearest_affine(x[known], goal[known], mass[known])(x)
    else:
        y = between_moments(enclosed(x, triangles), enclosed(others, other.triangles))(x)
    for left in range(STEPS, 0, -1):
        way = np.where(known[:, None], (goal - y) / left, 0.0)
        if (np.abs(way) > 1e-14 * np.abs(x).max()).any():
            y = y + _held(_firm(y, triangles), way, known)
    y = np.where(known[:, None], goal, y)
    target = Mesh.from_blocks(others, [("triangle", other.triangles)]).p1()
    firm = 4 * np.pi**2 * mass[:, None] / area.sum()  # as the first waves of the patch are
    for pull in (*PULLS, np.inf):
        gap = np.where(known[:, None], 0.0, target.interpolation(y) @ others - y)
        if pull == np.inf or np.abs(gap).max() <= 1e-13 * np.sqrt(area.sum()):
            break
        weight = pull * firm
        matrix = _firm(y, triangles) + diags(weight[:, 0])
        y = y + _held(matrix, np.zeros_like(gap), known, weight * gap)
    return y + gap


def _areas(x: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (x[triangles[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def _firm(x: np.ndarray, triangles: np.ndarray) -> csr_matrix:
    """The stiffness of a surface whose small triangles are stiff: int grad u . grad v mean / area,
    of hat functions e_i . e_j / (4 area) on a triangle with opposite edges e."""
    corner = x[triangles]
    edge = np.roll(corner, -2, axis=1) - np.roll(corner, -1, axis=1)
    area = _areas(x, triangles)
    mean = area.mean()
    if not mean > 0:
        raise MeshError("this mesh cannot be morphed to the reference", "a face has no extent")
    area = np.maximum(area, LEAST_AREA * mean)
    local = np.einsum("tia,tja->tij", edge, edge) * (mean / (4 * area**2))[:, None, None]
    row, column = np.broadcast_arrays(triangles[:, :, None], triangles[:, None])
    return coo_matrix((local.ravel(), (row.ravel(), column.ravel())), (len(x), len(x))).tocsr()


def _held(
    matrix: csr_matrix, values: np.ndarray, fixed: np.ndarray, load: np.ndarray | None = None
) -> np.ndarray:
    """(n, 3) with values at fixed nodes, a product with the matrix that is the load elsewhere. By
    factors: the matrices of surfaces have few entries in these, and may be ill-conditioned."""
    out, free = np.where(fixed[:, None], values, 0.0), ~fixed
    if free.any():
        right = -matrix[free] @ out
        if load is not None:
            right = right + load[free]
        try:
            out[free] = splu(matrix[free][:, free].tocsc()).solve(right)
        except RuntimeError as error:
            raise SolveError("a face of the boundary", "its triangles are flat", "") from error
    return out
