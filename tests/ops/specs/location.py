import math

import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import boxes, cells, cloud, lattice, ptr


def simplices(side: int, dim: int) -> tuple[torch.Tensor, ...]:
    """Squares or cubes cut along their diagonals: points on a lattice, then the cells."""
    step = [(side + 1) ** (dim - 1 - d) for d in range(dim)]
    first = torch.cartesian_prod(*[torch.arange(side)] * dim).reshape(-1, dim)
    first = first @ torch.tensor(step)
    orders = [[0]] if dim == 1 else [[0, 1], [1, 0]]
    if dim == 3:
        orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    paths = [torch.tensor([0, *[step[d] for d in order]]).cumsum(0) for order in orders]
    nodes = torch.stack([first[:, None] + path for path in paths], 1).reshape(-1)
    count = len(nodes) // (dim + 1)
    kind = {1: 3, 2: 5, 3: 10}[dim]
    return (
        lattice(side + 1, dim),
        torch.full((count,), kind, dtype=torch.uint8),
        ptr(*[dim + 1] * count),
        nodes,
    )


def jittered(side: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    points, *mesh = simplices(side, dim)
    return points + (cloud(len(points), dim, seed) - 0.5) * 0.3, *mesh


def layered(side: int) -> tuple[torch.Tensor, ...]:
    """Slanted triangles with an aspect ratio of 1e5."""
    points, *mesh = simplices(side, 2)
    x, y = points.unbind(1)
    x = x + cloud(side + 1, 1, 3)[:, 0].repeat_interleave(side + 1) * 0.5  # columns stay columns
    return torch.stack([x, 1e-5 * y + 0.1 * x * x], 1), *mesh


def strewn(points: torch.Tensor, count: int, seed: int = 1) -> torch.Tensor:
    """Queries in and around the points' box."""
    low, high = points.amin(0), points.amax(0)
    q = cloud(count, points.shape[1], seed, points.dtype)
    return low + (q * 1.5 - 0.25) * (high - low)


_plane = jittered(5, 2)
_space = jittered(3, 3)
_layer = layered(6)
_bent = torch.cat([_plane[0], (_plane[0][:, :1] * 0.7).sin()], 1)  # a surface in space
_curve = torch.stack([cloud(9, 1, 4)[:, 0].cumsum(0), cloud(9, 1, 5)[:, 0]], 1)
_box = boxes(2)
_corners = cloud(12, 3, 6)
_every = cells(  # nodes of cloud(12, 3): tangled cells, but each has its simplices
    (10, [[0, 1, 2, 3]]),
    (14, [[4, 5, 6, 7, 8]]),
    (13, [[1, 9, 2, 5, 10, 6]]),
    (12, [[0, 1, 2, 3, 4, 5, 6, 7]]),
    (11, [[4, 5, 6, 7, 8, 9, 10, 11]]),
    (24, [[3, 2, 1, 0, 4, 5, 6, 7, 8, 9]]),
    (5, [[0, 1, 2]]),  # a triangle among solids takes no part
)
_flat = cells(
    (9, [[0, 1, 3, 2], [2, 3, 5, 4]]), (8, [[0, 1, 2, 3]]), (7, [[5, 1, 7, 8, 4]]),
    (6, [[4, 5, 6, 7, 8]]), (22, [[0, 6, 8, 1, 2, 3]]), (36, [[2, 6, 7, 0, 1, 3]]),
)  # fmt: skip
_solid = cells((42, [list(range(8))]), (42, [[4, 5, 6, 7, 8]]))
_sides = [[0, 4, 7, 3], [1, 2, 6, 5], [0, 1, 5, 4], [3, 7, 6, 2], [0, 3, 2, 1], [4, 5, 6, 7]]
_roof = [[4, 7, 6, 5], [4, 5, 8], [5, 6, 8], [6, 7, 8], [7, 4, 8]]
_faces = (
    torch.tensor([n for part in (_sides, _roof) for n in (len(part), *(
        m for face in part for m in (len(face), *face)))]),
    torch.tensor([31, 53]),
)  # fmt: skip
_house = torch.tensor(
    [[x, y, z] for z in (0.0, 1) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))] + [[0.5, 0.4, 1.7]],
    dtype=torch.float64,
)
_collapsed = cells(
    (10, [[0, 1, 2, 2], [3, 3, 3, 3], [0, 1, 2, 3]]), (12, [[0, 1, 2, 3, 4, 4, 4, 4], [5] * 8])
)

# points, cells, faces of polyhedra, queries
_meshes: dict[str, tuple] = {
    "line": (*jittered(6, 1), None, None, strewn(jittered(6, 1)[0], 40)),
    "plane": (*_plane, None, None, strewn(_plane[0], 150)),
    "space": (*_space, None, None, strewn(_space[0], 150)),
    "lattice plane": (*simplices(4, 2), None, None, lattice(13, 2) / 2 - 1),
    "lattice space": (*simplices(2, 3), None, None, lattice(7, 3) / 2 - 0.5),
    "own points": (*_space, None, None, _space[0]),
    "float32": (_space[0].float(), *_space[1:], None, None, strewn(_space[0].float(), 100)),
    "layer": (*_layer, None, None, torch.cat([strewn(_layer[0], 60), _layer[0]])),
    "layer float32": (_layer[0].float(), *_layer[1:], None, None, _layer[0].float()),
    "surface": (_bent, *_plane[1:], None, None, torch.cat([strewn(_bent, 80), _bent])),
    "curve": (
        _curve, *cells((4, [[0, 1, 2, 3], [3, 4, 5]]), (3, [[5, 6]]), (35, [[6, 8, 7, 7]])), None,
        None, torch.cat([strewn(_curve, 40), _curve]),
    ),
    "dots": (cloud(9, 2), *cells((2, [[0, 1, 2]]), (1, [[5], [7]])), None, None, cloud(20, 2, 3)),
    "boxes": (lattice(3, 3), *_box, None, None, lattice(5, 3) / 2),
    "every solid": (_corners, *_every, None, None, strewn(_corners, 80)),
    "every flat": (lattice(3, 2), *_flat, None, None, strewn(lattice(3, 2), 60)),
    "polyhedra": (_house, *_solid, *_faces, strewn(_house, 80)),
    "collapsed": (_corners, *_collapsed, None, None, strewn(_corners, 30)),
    "far away": (_space[0] + 1e6, *_space[1:], None, None, strewn(_space[0], 30) + 1e6),
    "one spot": (torch.ones(4, 3), *cells((10, [[0, 1, 2, 3]])), None, None, cloud(5, 3).float()),
    "no cell": (cloud(4, 2), *cells(), None, None, cloud(3, 2)),
    "no point": (cloud(0, 3), *cells(), None, None, cloud(2, 3)),
    "no query": (*_plane, None, None, cloud(0, 2)),
    "no corner": (cloud(3, 2), *cells((7, [[], [0, 1]])), None, None, cloud(2, 2)),
}  # fmt: skip
_generic = {
    "line": (*jittered(3, 1), None, None, strewn(jittered(3, 1)[0], 6, 7)),
    "plane": (*jittered(2, 2), None, None, strewn(jittered(2, 2)[0], 7, 8)),
    "space": (*jittered(1, 3), None, None, strewn(jittered(1, 3)[0], 9, 9)),
    "surface": (_bent, *_plane[1:], None, None, strewn(_bent, 6, 10)),
}


def _backward_samples(meshes: dict) -> dict[str, tuple]:
    samples = {}
    for label, (points, *mesh, queries) in meshes.items():
        weights, distance2, _, nodes, _ = reference.locate(points, *mesh, queries, True, -1.0)
        wave = torch.linspace(-1, 1, weights.numel(), dtype=points.dtype).reshape(weights.shape)
        rise = torch.linspace(1, 2, len(distance2), dtype=points.dtype)
        samples[label] = (wave, rise, points, queries, nodes, True)
        samples[f"{label}, queries only"] = (wave, rise, points, queries, nodes, False)
    return samples


_nodes = torch.tensor([[0, 2, 5], [1, -1, -1], [5, 5, 5], [-1, -1, -1], [0, 3, -1], [2, 4, 5]])
_weights = cloud(6, 3, 20) - 0.3
_values = {
    "vector": cloud(6, 1)[:, 0],
    "channels": cloud(6, 19, 1) - 0.5,
    "two trailing": cloud(6, 6, 2).reshape(6, 3, 2) - 0.5,
    "float32": cloud(6, 4, 3, torch.float32),
    "bfloat16": cloud(6, 8, 4).to(torch.bfloat16),
    "float16": cloud(6, 3, 5).to(torch.float16),
    "no channel": cloud(6, 0),
}


def _fit(values: torch.Tensor) -> torch.Tensor:
    return _weights if values.dtype == torch.float64 else _weights.float()


_none = torch.zeros(0, 3, dtype=torch.int64)
SPECS = {
    "locate": OpSpec(
        op=torch.ops.meshop.locate.default,
        reference=reference.locate,
        graphs=3,
        exact=True,
        samples={at: (*m, True, -1.0) for at, m in _meshes.items()}
        | {f"{at}, cells only": (*m, False, -1.0) for at, m in _meshes.items()}
        | {f"{at}, tolerant": (*_meshes[at], False, 0.2) for at in ("plane", "space", "surface")}
        | {"endless": (*_meshes["plane"], False, math.inf)},
        grad_samples={at: (*m, True, -1.0) for at, m in _generic.items()},
    ),
    "locate_backward": OpSpec(
        op=torch.ops.meshop.locate_backward.default,
        reference=reference.locate_backward,
        graphs=3,
        samples=_backward_samples(
            {at: m for at, m in _meshes.items() if "layer" not in at and at != "far away"}
        ),
        grad_samples=_backward_samples(_generic),
    ),
    "interpolate": OpSpec(
        op=torch.ops.meshop.interpolate.default,
        reference=reference.interpolate,
        samples={at: (v, _fit(v), _nodes) for at, v in _values.items()}
        | {"no query": (cloud(4, 2), cloud(0, 3), _none)}
        | {"no value": (cloud(0, 2), _weights[3:4], _nodes[3:4])},
        grad_samples={at: (_values[at], _weights, _nodes) for at in ("vector", "two trailing")},
    ),
    "interpolate_transpose": OpSpec(
        op=torch.ops.meshop.interpolate_transpose.default,
        reference=reference.interpolate_transpose,
        samples={at: (v, _fit(v), _nodes, 6) for at, v in _values.items()}
        | {"no query": (cloud(0, 2), cloud(0, 3), _none, 4)}
        | {"more nodes": (_values["channels"], _weights, _nodes, 9)},
        grad_samples={at: (_values[at], _weights, _nodes, 6) for at in ("vector", "two trailing")},
    ),
    "interpolate_dot": OpSpec(
        op=torch.ops.meshop.interpolate_dot.default,
        reference=reference.interpolate_dot,
        samples={at: (v.flip(0), v, _nodes) for at, v in _values.items()}
        | {"no query": (cloud(0, 2), cloud(4, 2), _none)},
        grad_samples={
            at: (_values[at].flip(0), _values[at], _nodes) for at in ("vector", "two trailing")
        },
    ),
}  # fmt: skip
