"""Moving simplices by columns, in the kernels' order of operations; exact signs by fractions."""

from fractions import Fraction
from math import prod

import torch
from torch import Tensor

from ._common import require

_UNIT = 2.0**-53
_MARGIN = 64 * _UNIT  # of a determinant's terms: what rounding may make of it
_STEPS, _NEAR = 60, 2.0**-50


def step_limit(
    points: Tensor, displacement: Tensor, simplices: Tensor, least: Tensor | None
) -> Tensor:
    _check(points, simplices)
    like = displacement.shape == points.shape and displacement.dtype == torch.float64
    require(like, "displacement must be like points")
    if least is not None:
        fits = least.shape == simplices.shape[:1] and least.dtype == torch.float64
        require(fits, "least must be float64, one a simplex")
    e, d = _edges(points, simplices), _edges(displacement, simplices)
    c, m = _expand(e, d)
    still = (m[0] > 0) & (m[1] == 0)
    if least is not None:
        c[0] = c[0] - least
    q = torch.stack([a - _MARGIN * b for a, b in zip(c, m, strict=True)])
    scale = q.abs().amax(0)
    hopeless = ~((q[0] > 0) & (scale < torch.inf)) & ~still
    q = q / scale
    good = torch.ones_like(scale)
    at = (~still & ~hopeless & ~_positive(q)).nonzero()[:, 0]
    good[at] = _first_root(q[:, at])
    good[hopeless] = 0.0
    return good


def simplex_sign(points: Tensor, simplices: Tensor) -> Tensor:
    _check(points, simplices)
    e = _edges(points, simplices)
    det = _det(e)
    bound = prod(_extent(row) for row in e)
    sure = (det.abs() > 16 * _UNIT * bound) & (det.abs() > 1e-290)
    out = torch.where(det > 0, 1, -1).to(torch.int8)
    for s in (~sure).nonzero()[:, 0].tolist():
        out[s] = _exact_sign(points[simplices[s]].tolist())
    return out


def simplex_width(points: Tensor, simplices: Tensor) -> Tensor:
    _check(points, simplices)
    e = _edges(points, simplices)
    det = _det(e) - _MARGIN * prod(_extent(row) for row in e)
    if len(e) == 2:
        last = [b - a for a, b in zip(*e, strict=True)]
        sizes = [_dot(row, row) for row in (e[0], e[1], last)]
    else:
        face = [
            [b - a for a, b in zip(e[(i + 1) % 3], e[(i + 2) % 3], strict=True)] for i in range(3)
        ]
        normals = [_cross(e[(i + 1) % 3], e[(i + 2) % 3]) for i in range(3)]
        normals += [_cross(e[i], face[i]) for i in range(3)]
        sizes = [_dot(n, n) for n in (*normals, _cross(face[0], face[1]))]
    return torch.where(det > 0, det / torch.stack(sizes).amax(0).sqrt(), 0.0)


def node_least(values: Tensor, simplices: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    require(simplices.dim() == 2 and simplices.dtype == torch.int64, "simplices must be 2-D int64")
    fits = values.shape == simplices.shape[:1] and values.dtype == torch.float64
    require(fits, "values must be float64, one a simplex")
    inside = (simplices >= 0) & (simplices < num_nodes)
    require(inside.all(), f"simplices must lie in [0, {num_nodes})")
    s = len(simplices)
    own = torch.where(values > 0, values, 0.0)[:, None].expand(simplices.shape).reshape(-1)
    node = simplices.reshape(-1)
    least = values.new_full((num_nodes,), torch.inf).scatter_reduce(0, node, own, "amin")
    number = torch.arange(s, device=node.device)[:, None].expand(simplices.shape).reshape(-1)
    number = torch.where(own == least[node], number, s)
    which = node.new_full((num_nodes,), s).scatter_reduce(0, node, number, "amin")
    return least, torch.where(which == s, -1, which)


Row = list[Tensor]


def _check(points: Tensor, simplices: Tensor) -> None:
    require(points.dim() == 2 and points.dtype == torch.float64, "points must be 2-D float64")
    dim = points.shape[1]
    require(dim in (2, 3), "points must have 2 or 3 coordinates")
    require(simplices.dtype == torch.int64, "simplices must be int64")
    require(simplices.dim() == 2 and simplices.shape[1] == dim + 1, f"expected {dim + 1} nodes")
    inside = (simplices >= 0) & (simplices < len(points))
    require(inside.all(), f"simplices must lie in [0, {len(points)})")


def _edges(x: Tensor, simplices: Tensor) -> list[Row]:
    corner = x[simplices]
    step = corner[:, 1:] - corner[:, :1]
    return [list(row.unbind(1)) for row in step.unbind(1)]


def _wedge(a: Row, b: Row) -> Tensor:
    return a[0] * b[1] - a[1] * b[0]


def _cross(a: Row, b: Row) -> Row:
    return [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]


def _dot(a: Row, b: Row) -> Tensor:
    return sum((x * y for x, y in zip(a[1:], b[1:], strict=True)), a[0] * b[0])


def _det(e: list[Row]) -> Tensor:
    return _wedge(*e) if len(e) == 2 else _dot(e[0], _cross(e[1], e[2]))


def _extent(a: Row) -> Tensor:
    return sum((x.abs() for x in a[1:]), a[0].abs())


def _expand(e: list[Row], d: list[Row]) -> tuple[list[Tensor], list[Tensor]]:
    """det(E + t D) as coefficients of t, and bounds on the terms of each."""
    s, z = [_extent(row) for row in e], [_extent(row) for row in d]
    if len(e) == 2:
        c = [_wedge(*e), _wedge(d[0], e[1]) + _wedge(e[0], d[1]), _wedge(*d)]
        m = [s[0] * s[1], z[0] * s[1] + s[0] * z[1], z[0] * z[1]]
        return [*c, torch.zeros_like(c[0])], [*m, torch.zeros_like(c[0])]
    a = [_cross(e[(i + 1) % 3], e[(i + 2) % 3]) for i in range(3)]
    b = [_cross(d[(i + 1) % 3], d[(i + 2) % 3]) for i in range(3)]
    c = [
        _dot(e[0], a[0]),
        (_dot(d[0], a[0]) + _dot(d[1], a[1])) + _dot(d[2], a[2]),
        (_dot(e[0], b[0]) + _dot(e[1], b[1])) + _dot(e[2], b[2]),
        _dot(d[0], b[0]),
    ]
    m = [
        s[0] * s[1] * s[2],
        (z[0] * s[1] * s[2] + s[0] * z[1] * s[2]) + s[0] * s[1] * z[2],
        (s[0] * z[1] * z[2] + z[0] * s[1] * z[2]) + z[0] * z[1] * s[2],
        z[0] * z[1] * z[2],
    ]
    return c, m


def _value(q: Tensor, t: Tensor | float) -> Tensor:
    return ((q[3] * t + q[2]) * t + q[1]) * t + q[0]


def _positive(q: Tensor) -> Tensor:
    """Whether all Bernstein coefficients on [0, 1] are."""
    b1 = q[0] + q[1] / 3
    b2 = q[0] + (2 * q[1] + q[2]) / 3
    return (b1 > 0) & (b2 > 0) & (_value(q, 1.0) > 0)


def _first_root(q: Tensor) -> Tensor:
    """From below the least t in [0, 1] at which a cubic, above zero at 0, is not; else 1."""
    root = (q[2] * q[2] - 3 * q[1] * q[3]).sqrt()
    far = -(q[2] + torch.copysign(root, q[2]))
    one, two = far / (3 * q[3]), q[1] / far
    one, two = (torch.where((r > 0) & (r < 1), r, 0.0) for r in (one, two))
    low, high = torch.minimum(one, two), torch.maximum(one, two)
    first, second, end = _value(q, low) <= 0, _value(q, high) <= 0, _value(q, 1.0) <= 0
    good = torch.where(first, 0.0, torch.where(second, low, high))
    bad = torch.where(first, low, torch.where(second, high, 1.0))
    return torch.where(first | second | end, _falling_root(q, good, bad), 1.0)


def _falling_root(q: Tensor, good: Tensor, bad: Tensor) -> Tensor:
    """From below the root of a cubic that falls from `good`, above zero, to `bad`, where it is not.

    Newton's method, halving where it leads out; then back from it to where the cubic is positive.
    """
    x, open_ = 0.5 * (good + bad), torch.ones_like(good, dtype=torch.bool)
    for _ in range(_STEPS):
        v = _value(q, x)
        good = torch.where(open_ & (v > 0), x, good)
        bad = torch.where(open_ & ~(v > 0), x, bad)
        step = x - v / ((3 * q[3] * x + 2 * q[2]) * x + q[1])
        step = torch.where((step > good) & (step < bad), step, 0.5 * (good + bad))
        near = ((step - x).abs() <= _NEAR) | (bad - good <= _NEAR)
        x, open_ = torch.where(open_, step, x), open_ & ~near
        if not open_.any():
            break
    back, found = _NEAR, torch.zeros_like(open_)
    while (~found & (x - back > good)).any():
        now = ~found & (x - back > good) & (_value(q, x - back) > 0)
        good, found, back = torch.where(now, x - back, good), found | now, back * 8
    return good


def _exact_sign(corner: list[list[float]]) -> int:
    if not all(abs(v) < float("inf") for row in corner for v in row):
        return 0
    first, *rest = [[Fraction(v) for v in row] for row in corner]
    e = [[b - a for a, b in zip(first, row, strict=True)] for row in rest]
    det = _wedge(*e) if len(e) == 2 else _dot(e[0], _cross(e[1], e[2]))  # type: ignore[arg-type]
    return int(det > 0) - int(det < 0)
