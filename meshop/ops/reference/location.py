"""Location by comparing all queries with all simplices, and interpolation by gathering."""

import math

import torch
from torch import Tensor

from ._common import check_rowptr, require
from .cells import polyhedron_faces
from .simplices import simplices

ON_FACE = 1e-9  # how far below zero a coordinate of a query on a face may be rounded
FLAT = 1e-13  # a simplex flatter than this has no inside
_BLOCK = 1 << 18  # (query, simplex) pairs held at once


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    (x, y, z), (u, v, w) = a.unbind(-1), b.unbind(-1)
    return torch.stack([y * w - z * v, z * u - x * w, x * v - y * u], -1)


def _space(points: Tensor) -> Tensor:
    """(N, D) as (N, 3) in float64."""
    out = points.new_zeros(len(points), 3, dtype=torch.float64)
    out[:, : points.shape[1]] = points
    return out


def _length1(a: Tensor) -> Tensor:
    return a[..., 0].abs() + a[..., 1].abs() + a[..., 2].abs()


def _frame(vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Edges and duals (..., k, 3) of simplices (..., k + 1, 3), and which are valid (...)."""
    k = vertices.shape[-2] - 1
    edge = vertices[..., 1:, :] - vertices[..., :1, :]
    if k == 0:
        return edge, edge, torch.ones_like(vertices[..., 0, 0], dtype=torch.bool)
    a = edge[..., 0, :]
    if k == 1:  # complete the frame by normals, so that one formula serves all
        x, y, z = a.abs().unbind(-1)
        along_z = (z <= x) & (z <= y)
        along_y = ~along_z & (y <= x)
        axis = torch.stack([~along_z & ~along_y, along_y, along_z], -1).to(a.dtype)
        b = _cross(a, axis)
    else:
        b = edge[..., 1, :]
    c = _cross(a, b) if k <= 2 else edge[..., 2, :]
    normal = _cross(b, c)
    volume = _dot(a, normal)
    valid = volume.abs() > FLAT * (_length1(a) * _length1(b) * _length1(c))
    scale = (1 / torch.where(valid, volume, 1.0))[..., None]
    duals = [scale * normal, scale * _cross(c, a), scale * _cross(a, b)]
    return edge, torch.stack(duals[:k], -2), valid


def _coordinates(
    vertices: Tensor, edge: Tensor, dual: Tensor, q: Tensor, refine: bool
) -> tuple[Tensor, Tensor]:
    """Barycentric coordinates (..., k + 1) of q (..., 3), and the residual (..., 3)."""
    r = q - vertices[..., 0, :]
    w = [_dot(dual[..., i, :], r) for i in range(edge.shape[-2])]
    for i, one in enumerate(w):
        r = r - one[..., None] * edge[..., i, :]
    if refine:
        step = [_dot(dual[..., i, :], r) for i in range(len(w))]
        w = [one + more for one, more in zip(w, step, strict=True)]
        for i, more in enumerate(step):
            r = r - more[..., None] * edge[..., i, :]
    first = torch.ones_like(r[..., 0])
    for one in w:
        first = first - one
    return torch.stack([first, *w], -1), r


def _inside(
    simplex: Tensor, dim: int, q: Tensor, reach2: float, refine: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Whether simplices (..., K, 3) hold q, the coordinates, and the squared distance."""
    edge, dual, valid = _frame(simplex)
    w, r = _coordinates(simplex, edge, dual, q, refine)
    dist2 = _dot(r, r)
    held = valid & (w >= -ON_FACE).all(-1)
    if simplex.shape[-2] - 1 < dim:
        return held & (dist2 <= reach2), w, dist2
    return held, w, torch.zeros_like(dist2)


def _subsets(count: int, dim: int) -> list[tuple[int, ...]]:
    """The corners, edges and faces of a simplex that a point outside may be closest to."""
    return [
        chosen
        for size in range(1, min(count, dim, 3) + 1)
        for chosen in torch.combinations(torch.arange(count), size).tolist()
    ]


def _closest(simplex: Tensor, dim: int, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared distance, which subset of the vertices is closest, and its weights (..., 3)."""
    best = torch.full(q.shape[:-1], math.inf, dtype=q.dtype, device=q.device)
    which = torch.zeros_like(best, dtype=torch.int64)
    weights = q.new_zeros(*best.shape, 3)
    for number, chosen in enumerate(_subsets(simplex.shape[-2], dim)):
        part = simplex[..., chosen, :]
        r = q - part[..., 0, :]
        if len(chosen) == 1:
            held, w = torch.ones_like(best, dtype=torch.bool), torch.ones_like(best)[..., None]
        elif len(chosen) == 2:
            e = part[..., 1, :] - part[..., 0, :]
            along, whole = _dot(r, e), _dot(e, e)
            held = (along > 0) & (along < whole)
            t = along / torch.where(held, whole, 1.0)
            r = r - t[..., None] * e
            w = torch.stack([1 - t, t], -1)
        else:
            edge, dual, valid = _frame(part)
            w, r = _coordinates(part, edge, dual, q, False)
            held = valid & (w > 0).all(-1)
        dist2 = _dot(r, r)
        better = held & (dist2 < best)
        best = torch.where(better, dist2, best)
        which = torch.where(better, number, which)
        wide = torch.nn.functional.pad(w, (0, 3 - w.shape[-1]))
        weights = torch.where(better[..., None], wide, weights)
    return best, which, weights


def locate(
    points: Tensor,
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None,
    face_offsets: Tensor | None,
    queries: Tensor,
    nearest: bool,
    tolerance: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    dim, rows = points.shape[1], len(queries)
    require(1 <= dim <= 3, "points must have shape (N, 1), (N, 2) or (N, 3)")
    require(points.isfinite().all(), "points must be finite")
    require(queries.isfinite().all(), "queries must be finite")
    require(not math.isnan(tolerance), "tolerance must not be NaN")
    check_rowptr(cell_offsets, len(cell_nodes), "cell_offsets")
    require(len(cell_offsets) == len(cell_types) + 1, "cell_offsets must have cells + 1 entries")
    beyond = (cell_nodes < 0) | (cell_nodes >= len(points))
    require(not beyond.any(), f"cell_nodes must lie in [0, {len(points)})")
    if faces is not None and face_offsets is not None:
        named = polyhedron_faces(faces, face_offsets)[1]
        require(
            ((named >= 0) & (named < len(points))).all(), f"faces must lie in [0, {len(points)})"
        )
    owner, vertex = simplices(cell_types, cell_offsets, cell_nodes, faces, face_offsets)
    count = vertex.shape[1]
    require(count <= dim + 1, "the cells' dimension needs points of as many coordinates")
    if tolerance < 0:
        largest = float(points.abs().max()) if points.numel() else 0.0
        tolerance = 4 * torch.finfo(points.dtype).eps * largest
    reach2 = tolerance * tolerance

    at, asked = _space(points), _space(queries)
    simplex = at[vertex]
    weights = asked.new_zeros(rows, dim + 1)
    distance2 = asked.new_full((rows,), math.inf)
    cell = torch.full((rows,), -1, dtype=torch.int64, device=points.device)
    nodes = torch.full((rows, dim + 1), -1, dtype=torch.int64, device=points.device)
    inside = torch.zeros(rows, dtype=torch.bool, device=points.device)
    # Simplices stand in the order of their cells, so the first is in the lowest cell.
    for some in torch.arange(rows, device=points.device).split(
        max(1, _BLOCK // max(1, len(owner)))
    ):
        if len(owner) == 0:
            break
        q = asked[some, None]
        held = _inside(simplex, dim, q, reach2)[0]
        found = held.any(1)
        first = held.to(torch.int8).argmax(1)[found]
        hit = some[found]
        _, w, dist2 = _inside(simplex[first], dim, asked[hit], reach2, refine=True)
        weights[hit, :count] = w
        nodes[hit, :count] = vertex[first]
        distance2[hit] = dist2
        cell[hit], inside[hit] = owner[first], True

        miss = some[~found]
        if len(miss) == 0:
            continue
        dist2, which, w = _closest(simplex, dim, asked[miss, None])
        least = dist2.amin(1)
        best = (dist2 == least[:, None]).to(torch.int8).argmax(1)
        kept = (least < math.inf) if nearest else (least <= reach2)
        miss, best, turn = miss[kept], best[kept], kept.nonzero()[:, 0]
        for number, chosen in enumerate(_subsets(count, dim)):
            mine = which[turn, best] == number
            to, size = miss[mine], len(chosen)
            weights[to, :size] = w[turn[mine], best[mine], :size]
            nodes[to, :size] = vertex[best[mine]][:, chosen]
        distance2[miss] = least[kept]
        cell[miss], inside[miss] = owner[best], least[kept] <= reach2
    return weights.to(points.dtype), distance2.to(points.dtype), cell, nodes, inside


def slope_parts(points: Tensor, queries: Tensor, nodes: Tensor) -> tuple[Tensor, ...]:
    """What the derivatives are made of, in 3-D float64: duals (Q, W, 3) with a row of zeros for
    the first vertex and for absent ones, weights (Q, W), edges (Q, W, 3) and residual (Q, 3)."""
    rows, width = nodes.shape
    # A row of zeros stands for every absent node.
    at = _space(torch.cat([points, points.new_zeros(1, points.shape[1])]))
    vertex = at[torch.where(nodes >= 0, nodes, len(points))]
    asked = _space(queries)
    carried = (nodes >= 0).long().cumprod(1).sum(1)  # those before the first -1
    dual = asked.new_zeros(rows, width, 3)
    edges, weights, residual = dual, dual[..., 0], asked.new_zeros(rows, 3)
    for count in range(1, width + 1):
        edge, d, valid = _frame(vertex[:, :count])
        w, r = _coordinates(vertex[:, :count], edge, d, asked, True)
        mine = ((carried == count) & valid)[:, None]
        fill = (0, 0, 1, width - count)  # nothing for the first vertex and the absent
        dual = torch.where(mine[..., None], torch.nn.functional.pad(d, fill), dual)
        edges = torch.where(mine[..., None], torch.nn.functional.pad(edge, fill), edges)
        weights = torch.where(mine, torch.nn.functional.pad(w, (0, width - count)), weights)
        if count <= points.shape[1]:  # a simplex that fills the space leaves no residual
            residual = torch.where(mine, r, residual)
    return dual, weights, edges, residual


def locate_backward(
    grad_weights: Tensor,
    grad_distance2: Tensor,
    points: Tensor,
    queries: Tensor,
    nodes: Tensor,
    with_points: bool,
) -> tuple[Tensor, Tensor]:
    dim = points.shape[1]
    require(((nodes >= -1) & (nodes < len(points))).all(), "nodes must lie in [-1, N)")
    dual, weights, _, r = slope_parts(points, queries, nodes)
    change = grad_weights.double() - grad_weights[:, :1].double()
    t = (change[..., None] * dual).sum(1)
    u = t + 2 * grad_distance2.double()[:, None] * r
    to_queries = u[:, :dim].to(points.dtype).contiguous()
    if not with_points:
        return points.new_zeros(0, dim), to_queries
    s = (dual * t[:, None]).sum(2)
    s[:, 0] = -s.sum(1)
    share = s[..., None] * r[:, None] - weights[..., None] * u[:, None]
    return _scatter(share[..., :dim].to(points.dtype), nodes, len(points)), to_queries


def _scatter(rows: Tensor, nodes: Tensor, total: int) -> Tensor:
    """Adds rows (Q, W, ...) up at their nodes; -1 takes none."""
    mine = nodes >= 0
    out = rows.new_zeros(total, *rows.shape[2:])
    return out.index_add_(0, nodes[mine], rows[mine])


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _check(nodes: Tensor, total: int) -> None:
    require(((nodes >= -1) & (nodes < total)).all(), f"nodes must lie in [-1, {total})")


def _gathered(values: Tensor, nodes: Tensor) -> Tensor:
    """(Q, W, ...) in the width of sums; zeros where no node is."""
    mine = nodes >= 0
    out = _wide(values).new_zeros(*nodes.shape, *values.shape[1:])
    out[mine] = _wide(values)[nodes[mine]]
    return out


def interpolate(values: Tensor, weights: Tensor, nodes: Tensor) -> Tensor:
    _check(nodes, len(values))
    require(weights.shape == nodes.shape, "weights must have the shape of nodes")
    scale = torch.where(nodes >= 0, weights, 0.0).reshape(*nodes.shape, *[1] * (values.dim() - 1))
    return (scale * _gathered(values, nodes)).sum(1).to(values.dtype)


def interpolate_transpose(grad: Tensor, weights: Tensor, nodes: Tensor, num_nodes: int) -> Tensor:
    _check(nodes, num_nodes)
    require(weights.shape == nodes.shape, "weights must have the shape of nodes")
    scale = weights.reshape(*nodes.shape, *[1] * (grad.dim() - 1))
    return _scatter(scale * _wide(grad)[:, None], nodes, num_nodes).to(grad.dtype)


def interpolate_dot(grad: Tensor, values: Tensor, nodes: Tensor) -> Tensor:
    _check(nodes, len(values))
    product = _wide(grad)[:, None] * _gathered(values, nodes)
    return product.flatten(2).sum(2) if values.dim() > 1 else product
