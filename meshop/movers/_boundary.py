"""Where boundary nodes may go: along edges and polylines, and along faces, plane or curved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..mesh import P1, Mesh, P1Boundary
from ._limit import State, length
from ._surface import Part, chained, ridge_nodes, smooth_faces, smooth_parts

CORNER = 30.0  # degrees that a polyline turns by at a corner, and facets at a ridge


class Slide:
    """A `Guide`: boundary nodes stay on the boundary that they are on, corners where they are.

    tangent (N, d, d): what is left of a displacement. Nodes on a polyline, of a plane boundary or
    between smooth parts of a solid's, go along it by the length of its edges (`curve`), and stop at
    its corners. Those on smooth parts that are curved go in their tangent planes, and from there to
    the closest point of the part.
    """

    def __init__(
        self, tangent: Tensor, curve: Curve | None = None, parts: Sequence[Part] = ()
    ) -> None:
        self.tangent, self.curve, self.parts = tangent, curve, tuple(parts)

    @staticmethod
    def join(slides: Sequence[Slide]) -> Slide:
        """Of meshes end to end, for a batch."""
        curve, parts, start = None, [], 0
        if any(one.curve is not None for one in slides):
            curve = Curve.join([one.curve or Curve.none(*one.tangent.shape[:2]) for one in slides])
        for one in slides:
            parts += [part._replace(ids=part.ids + start) for part in one.parts]
            start += len(one.tangent)
        return Slide(torch.cat([one.tangent for one in slides]), curve, parts)

    def begin(self, points: Tensor, displacement: Tensor) -> tuple[State, State]:
        step = (self.tangent @ displacement[:, :, None])[:, :, 0]
        if self.curve is None:
            return State(points), State(points + step)
        arc = self.curve.arc.clone()
        ahead = (self.curve.along * displacement).sum(1)
        goal = torch.minimum(torch.maximum(arc + ahead, self.curve.low), self.curve.high)
        return State(points, arc), State(points + step, goal)

    def points(self, state: State) -> Tensor:
        out = state.free if self.curve is None else self.curve.points(state)
        for part in self.parts:
            out = out.index_put((part.ids,), part.closest(out[part.ids]))
        return out

    def rest(self, state: State, target: State) -> Tensor:
        free = length(target.free - state.free)
        if state.arc is None or target.arc is None:
            return free
        return torch.maximum(free, (target.arc - state.arc).abs())


class Curve:
    """Polylines laid end to end on one axis: where each node is on it, and where it may go.

    on (N,) bool; along (N, d) unit tangents, zero off it; arc, low, high (N,); a, b (E, d) ends of
    edges at begin (E,), rising, of size (E,); closed (N,): a loop's length, where it has no corner.
    """

    def __init__(self, points: np.ndarray, edges: np.ndarray, slides: np.ndarray) -> None:
        n = len(points)
        way = points[edges[:, 1]] - points[edges[:, 0]]
        size = np.linalg.norm(way, axis=1)
        unit = way / size[:, None]
        leaving = np.full(n, -1)
        leaving[edges[:, 0]] = np.arange(len(edges))
        entering = np.full(n, -1)
        entering[edges[:, 1]] = np.arange(len(edges))
        before = np.where(slides[edges[:, 0]], entering[edges[:, 0]], -1)
        start, first, loop = _ranked(before, size)
        order = np.lexsort((start, first))
        head, place = np.zeros(len(edges)), np.concatenate([[0.0], np.cumsum(size[order])])
        head[order] = place[:-1]
        opens = np.zeros(len(edges), bool)
        opens[order] = np.diff(first[order], prepend=-1) != 0
        total = np.bincount(first, size, len(edges))
        base = head[first]
        on = np.flatnonzero(slides)
        edge = leaving[on]
        self.on = torch.from_numpy(slides)
        mean = unit[edge] + unit[entering[on]]
        along = np.zeros_like(points)
        along[on] = mean / np.linalg.norm(mean, axis=1)[:, None]
        arc, low, high, closed = np.zeros((4, n))
        arc[on] = head[edge]
        free = loop[edge]
        low[on] = np.where(free, -np.inf, base[edge])
        high[on] = np.where(free, np.inf, base[edge] + total[first[edge]])
        closed[on] = np.where(free, total[first[edge]], 0.0)
        floor = np.zeros(n)
        floor[on] = base[edge]
        self.along, self.arc, self.low, self.high, self.closed, self.base = map(
            torch.from_numpy, (along, arc, low, high, closed, floor)
        )
        self.begin = torch.from_numpy(head[order])
        self.a = torch.from_numpy(points[edges[order, 0]])
        self.b = torch.from_numpy(points[edges[order, 1]])
        self.size = torch.from_numpy(size[order])

    @classmethod
    def none(cls, n: int, d: int) -> Curve:
        """Of n points, none of them on it."""
        return cls(np.zeros((n, d)), np.empty((0, 2), np.int64), np.zeros(n, bool))

    @staticmethod
    def join(curves: Sequence[Curve]) -> Curve:
        """One after the other, also the points."""
        out = Curve.none(0, curves[0].a.shape[1])
        shift = 0.0
        for name in ("on", "along", "a", "b", "size", "closed"):
            setattr(out, name, torch.cat([getattr(one, name) for one in curves]))
        parts: dict[str, list[Tensor]] = {k: [] for k in ("arc", "low", "high", "base", "begin")}
        for one in curves:
            for name, part in parts.items():
                part.append(getattr(one, name) + shift)
            shift += float(one.size.sum())
        for name, part in parts.items():
            setattr(out, name, torch.cat(part))
        return out

    def points(self, state: State) -> Tensor:
        arc = state.arc
        assert arc is not None
        on = self.on.nonzero()[:, 0]
        at, base, closed = arc[on], self.base[on], self.closed[on]
        around = torch.where(closed > 0, closed, 1.0)
        at = torch.where(closed > 0, base + (at - base).remainder(around), at)
        # The end of a curve is the end of its last edge, not the beginning of the next one.
        edge = torch.searchsorted(self.begin, at.detach(), right=True) - 1
        last = (at.detach() >= self.high[on]) & (self.begin[edge.clamp(min=0)] >= self.high[on])
        edge = (edge - last.long()).clamp(min=0)
        part = ((at - self.begin[edge]) / self.size[edge]).clamp(0, 1)[:, None]
        there = self.a[edge] + part * (self.b[edge] - self.a[edge])
        still = (at == self.arc[on])[:, None]
        return state.free.index_put((on,), torch.where(still, state.free[on], there))


def _ranked(before: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists by their links: of each item the sizes before it, its first item, whether it is a loop.

    before (E,): the item before, -1 at the first. Loops begin at their lowest item. By doubling.
    """
    n = len(before)
    low, jump = np.arange(n), np.where(before < 0, np.arange(n), before)
    rounds = max(1, int(np.ceil(np.log2(max(n, 2)))) + 1)
    for _ in range(rounds):
        low, jump = np.minimum(low, low[jump]), jump[jump]
    loop = before[jump] >= 0
    before = np.where(loop & (low == np.arange(n)), -1, before)
    jump = np.where(before < 0, np.arange(n), before)
    total = np.where(before < 0, 0.0, size[before])
    for _ in range(rounds):
        total, jump = total + total[jump], jump[jump]
    return total, jump, loop


def sliding(
    mesh: Mesh, boundary: str = "slide", moving: np.ndarray | None = None, p1: P1 | None = None
) -> Slide:
    """The `Slide` of a plane or solid mesh's boundary.

    boundary: "slide", "fixed" or "free"; moving: ids of points that are led elsewhere, as by a
    prescribed displacement, and are free. Parts of a solid's boundary end where facets turn by more
    than `CORNER`; where three meet nodes stay. p1: the mesh's, where it is at hand.
    """
    if boundary not in ("slide", "fixed", "free"):
        raise ValueError(f"boundary: expected slide, fixed or free, found {boundary!r}")
    d, n = mesh.dim, mesh.n_points
    tangent = torch.eye(d, dtype=torch.float64).expand(n, d, d).clone()
    if boundary == "free":
        return Slide(tangent)
    led = np.zeros(n, bool)
    if moving is not None:
        led[moving] = True
    p1 = p1 or mesh.p1()
    on = p1.boundary.points[~led[p1.boundary.points]]
    tangent[on] = 0.0
    if boundary == "fixed":
        return Slide(tangent)
    slides = np.zeros(n, bool)
    slides[on] = True
    if d == 3:
        return _along_faces(mesh.points, p1.boundary, slides)
    return Slide(tangent, _curve(mesh, p1.boundary.nodes, slides))


def _along_faces(points: np.ndarray, boundary: P1Boundary, slides: np.ndarray) -> Slide:
    """Of a solid whose nodes slides (N,) keep to its boundary."""
    n = len(points)
    tangent = torch.eye(3, dtype=torch.float64).expand(n, 3, 3).clone()
    flat = flat_tangents(boundary, 3)
    on = torch.from_numpy(slides)
    tangent[on] = flat[on]
    faces = smooth_faces(boundary, CORNER)
    ridged = np.zeros(n, bool)
    ridged[faces.ridges] = True
    inside = slides & ridge_nodes(faces.ridges, points, CORNER)
    tangent[torch.from_numpy(inside)] = 0.0
    edges = chained(faces.ridges, inside)
    bent = flat.diagonal(dim1=1, dim2=2).sum(1) < 1.5  # not in a plane, where nothing is projected
    parts = [
        part
        for part in smooth_parts(faces, boundary, points, slides & ~ridged)
        if bent[part.ids].any()
    ]
    normal = torch.from_numpy(boundary.normals)
    for part in parts:
        across = normal[part.ids]
        tangent[part.ids] = torch.eye(3) - across[:, :, None] * across[:, None]
    return Slide(tangent, Curve(points, edges, inside) if len(edges) else None, parts)


def _curve(mesh: Mesh, edges: np.ndarray, slides: np.ndarray) -> Curve | None:
    """The polylines of a plane boundary, cut at corners and where more than two edges meet."""
    n, xy = mesh.n_points, mesh.points[:, :2]
    leaving, entering = (np.bincount(edges[:, i], minlength=n) for i in (0, 1))
    slides = slides & (leaving == 1) & (entering == 1)
    way = xy[edges[:, 1]] - xy[edges[:, 0]]
    unit = way / np.linalg.norm(way, axis=1)[:, None]
    out, into = np.zeros((2, n, 2))
    out[edges[:, 0]], into[edges[:, 1]] = unit, unit
    slides &= (out * into).sum(axis=1) > np.cos(np.radians(CORNER))
    return Curve(xy, edges, slides) if slides.any() else None


def flat_tangents(facets: P1Boundary, d: int) -> Tensor:
    """(N, d, d) projections on what is in the lines or planes of all facets around each node.

    The identity inside; on a straight or plane part of the boundary its tangents, along a straight
    edge of a solid that edge's, zero at corners and where the boundary is curved.
    """
    within = torch.from_numpy(facets.free_axes(d))
    out = within @ within.mT
    return torch.where(out.abs() < 1e-15, 0.0, out)
