import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import cloud


def simplices(n: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ones on n points, all positive but those that are exactly flat."""
    points = cloud(n, dim, seed)
    order = torch.rand(3 * n, n, generator=torch.Generator().manual_seed(seed)).argsort(1)
    nodes = order[:, : dim + 1].contiguous()
    wrong = reference.simplex_sign(points, nodes) < 0
    nodes[wrong, 0], nodes[wrong, 1] = nodes[wrong, 1], nodes[wrong, 0]
    return points, nodes


def _move(size: float, dim: int, seed: int, keep: bool = True, shift: float = 0.0) -> tuple:
    points, nodes = simplices(20, dim, seed)
    least = 0.1 * torch.linalg.det(points[nodes][:, 1:] - points[nodes][:, :1]) if keep else None
    return points + shift, size * (cloud(20, dim, seed + 1) - 0.5), nodes, least


def _flat(dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Simplices on a line or plane, exactly and nearly, some the other way round."""
    points = cloud(12, dim, 5)
    points[:, -1] = points[:, 0] * 0.5 if dim == 2 else points[:, 0] * 0.5 + points[:, 1] * 0.25
    points[::3, -1] += 2.0**-52
    nodes = torch.arange(12 - dim)[:, None] + torch.arange(dim + 1)
    return points, torch.cat([nodes, nodes.flip(1), torch.zeros_like(nodes[:1])])


_none2, _none3 = (torch.empty(0, d + 1, dtype=torch.int64) for d in (2, 3))
_huge = (torch.tensor([[0.0, 0.0], [1e200, 0.0], [0.0, 1e200]], dtype=torch.float64),)
_one = torch.tensor([[0, 1, 2]])
_odd = cloud(6, 2, 8)
_odd[1, 0], _odd[4, 1] = torch.nan, torch.inf
_odd_nodes = torch.tensor([[0, 1, 2], [2, 3, 4], [0, 2, 3], [0, 2, 5]])

_alone = {
    "triangles": simplices(20, 2),
    "tetrahedra": simplices(20, 3),
    "more triangles": simplices(25, 2, 2),
    "flat triangles": _flat(2),
    "flat tetrahedra": _flat(3),
    "not finite": (_odd, _odd_nodes),
    "tiny": (cloud(6, 2, 3) * 1e-160, _odd_nodes),
    "no simplex": (cloud(4, 2), _none2),
    "nothing": (cloud(0, 3), _none3),
}

SPECS = {
    "step_limit": OpSpec(
        op=torch.ops.meshop.step_limit.default,
        reference=reference.step_limit,
        samples={
            "triangles": _move(1.0, 2, 1),
            "tetrahedra": _move(1.0, 3, 1),
            "small steps": _move(1e-3, 3, 2),
            "steps far too large": _move(1e6, 3, 3),
            "far away": _move(0.3, 2, 4, False, 1e6),
            "rigid": (cloud(20, 3), torch.ones(20, 3, dtype=torch.float64), _none3, None),
            "still": (*simplices(20, 2)[:1], torch.zeros_like(cloud(20, 2)), _one, None),
            "growing": (simplices(9, 3)[0], 7 * simplices(9, 3)[0], simplices(9, 3)[1], None),
            "flat": (_flat(3)[0], cloud(12, 3, 4), _flat(3)[1], None),
            "not finite": (_odd, cloud(6, 2, 4), _odd_nodes, None),
            "moves that are not finite": (cloud(6, 2, 4), _odd, _odd_nodes, None),
            "huge": (*_huge, -2 * _huge[0], _one, None),
            "no simplex": (cloud(4, 2), cloud(4, 2), _none2, None),
        },
    ),
    "simplex_sign": OpSpec(
        op=torch.ops.meshop.simplex_sign.default,
        reference=reference.simplex_sign,
        samples=_alone | {"huge": (*_huge, _one)},
    ),
    "simplex_width": OpSpec(
        op=torch.ops.meshop.simplex_width.default,
        reference=reference.simplex_width,
        samples=_alone,
    ),
    "node_least": OpSpec(
        op=torch.ops.meshop.node_least.default,
        reference=reference.node_least,
        exact=True,
        graphs=2,  # torch tries a number that does not change first
        samples={
            "triangles": (cloud(60, 1)[:, 0], simplices(20, 2)[1], 20),
            "ties and nodes without": (cloud(60, 1)[:, 0].round(), simplices(20, 3)[1], 24),
            "negative and NaN": (torch.tensor([-1.0, torch.nan, 2, 0.5]).double(), _odd_nodes, 7),
            "no simplex": (cloud(0, 1)[:, 0], _none2, 3),
        },
    ),
}
