"""The OpSpecs of meshop's own ops: ordinary inputs and the edge cases, small and fixed."""

import math

import torch

from meshop.ops import reference
from meshop.testing import OpSpec

INF = math.inf


def cloud(n: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def lattice(side: int, dim: int) -> torch.Tensor:
    """A grid: every distance occurs many times over."""
    axis = torch.arange(side, dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * dim).reshape(-1, dim)


def graded(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Spacing from 1e-5 to 20, as a boundary layer has it."""
    points = cloud(n, dim, seed)
    points[:, -1] = 10 ** (points[:, -1] * 6.3 - 5)
    return points


def ptr(*sizes: int) -> torch.Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


_twins = cloud(60, 3, 5).repeat_interleave(3, 0)
_shared = {
    # points, queries, ptr, query_ptr
    "line": (cloud(80, 1), None, None, None),
    "plane": (cloud(700, 2, 1), None, None, None),
    "space": (cloud(900, 3, 2), None, None, None),
    "5-D": (cloud(150, 5, 3), None, None, None),
    "float32": (cloud(600, 3, 4, torch.float32), None, None, None),
    "graded": (graded(600, 2), None, None, None),
    "graded float32": (graded(600, 3).float(), None, None, None),
    "lattice": (lattice(6, 3), None, None, None),
    "duplicates": (_twins, None, None, None),
    "all alike": (torch.ones(50, 2), None, None, None),
    "one point": (cloud(1, 3), None, None, None),
    "no point": (cloud(0, 3), None, None, None),
    "no query": (cloud(9, 3), cloud(0, 3), None, None),
    "nothing to find": (cloud(0, 3), cloud(4, 3), None, None),
    "queries": (cloud(300, 3, 6), cloud(40, 3, 7) * 1.4 - 0.2, None, None),
    "ragged": (cloud(120, 2, 8), None, ptr(0, 1, 80, 0, 39), None),
    "ragged queries": (cloud(120, 2, 9), cloud(30, 2, 10), ptr(0, 1, 80, 39), ptr(4, 6, 0, 20)),
}
_generic = {
    "self": (cloud(14, 2, 11), None, None, None),
    "queries": (cloud(12, 3, 12), cloud(5, 3, 13), None, None),
    "ragged": (cloud(12, 2, 14), None, ptr(5, 0, 7), None),
}
_rows = ptr(3, 0, 1, 5, 0, 2)
_wide = ptr(*[7] * 40, 0, 120)
_values = {
    "vector": cloud(11, 1)[:, 0],
    "channels": cloud(11, 5),
    "two trailing": cloud(11, 6, 1).reshape(11, 2, 3) - 0.5,
    "float32": cloud(11, 4, 2, torch.float32),
    "bfloat16": cloud(11, 3, 3).to(torch.bfloat16),
    "float16": cloud(11, 3, 4).to(torch.float16),
    "ties": torch.tensor([1.0, 1, 0, 2, 2, 2, 1, 2, 0, 3, 3])[:, None],
    "nan": torch.tensor([1.0, math.nan, 0, 2, INF, -INF, math.nan, 1, 1, 1, 2])[:, None],
    "no channel": cloud(11, 0),
}
_segments = {label: (v, _rows) for label, v in _values.items()} | {
    "long": (cloud(400, 3, 5), _wide),
    "no value": (cloud(0, 2), ptr(0, 0)),
    "no segment": (cloud(0, 2), ptr()),
}
_reductions = ("sum", "mean", "min", "max")


def _backward_samples() -> dict[str, tuple]:
    samples = {}
    for reduce in _reductions:
        for label, (values, rowptr) in _segments.items():
            out, arg = reference.segment_reduce(values, rowptr, reduce)
            samples[f"{label} {reduce}"] = (out.nan_to_num(), rowptr, arg, len(values), reduce)
    return samples


def _dist2_samples(clouds: dict) -> dict[str, tuple]:
    samples = {}
    for label, (points, queries, at, query_at) in clouds.items():
        dist2, rowptr, index = reference.knn(points, queries, at, query_at, 4, INF, False)
        grad = torch.linspace(-1, 1, len(dist2), dtype=points.dtype)
        samples[label] = (grad, points, queries, rowptr, index)
    return samples


def cells(*blocks: tuple[int, list[list[int]]]) -> tuple[torch.Tensor, ...]:
    types = [kind for kind, rows in blocks for _ in rows]
    sizes = [len(row) for _, rows in blocks for row in rows]
    nodes = [n for _, rows in blocks for row in rows for n in row]
    return (
        torch.tensor(types, dtype=torch.uint8),
        ptr(*sizes),
        torch.tensor(nodes, dtype=torch.int64),
    )


def boxes(side: int) -> tuple[torch.Tensor, ...]:
    """side^3 hexahedra."""
    n = side + 1
    i, j, k = torch.meshgrid(*[torch.arange(side)] * 3, indexing="ij")
    corner = ((i * n + j) * n + k).reshape(-1, 1)
    place = torch.tensor([0, n * n, n * n + n, n, 1, n * n + 1, n * n + n + 1, n + 1])
    nodes = (corner + place).reshape(-1)
    return torch.full((side**3,), 12, dtype=torch.uint8), ptr(*[8] * side**3), nodes


_meshes = {
    "line": cells((3, [[0, 1], [1, 2], [2, 1]])),
    "triangles": cells((5, [[0, 1, 2], [2, 1, 3]])),
    "mixed plane": cells((9, [[0, 1, 2, 3]]), (5, [[1, 4, 2]]), (7, [[3, 2, 4, 6, 5]])),
    "mixed space": cells(
        (12, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        (14, [[4, 5, 6, 7, 8]]),
        (13, [[1, 9, 2, 5, 10, 6]]),
        (10, [[4, 5, 8, 11]]),
    ),
    "voxel, pixel": cells((11, [[0, 1, 2, 3, 4, 5, 6, 7]]), (8, [[4, 5, 6, 7]])),
    "poly": cells((4, [[0, 1, 2], [5, 5], [7]]), (2, [[0, 3, 4]]), (1, [[2]]), (7, [[9, 8, 7]])),
    "collapsed": cells((9, [[0, 1, 2, 2]])),
    "sparse numbers": cells((5, [[0, 10**12, 5], [5, 10**12, 7]])),
    "large numbers": cells((5, [[2**62, 2**61, 5]])),
    "boxes": boxes(5),
    "no cell": cells(),
}

SPECS = {
    "knn": OpSpec(
        op=torch.ops.meshop.knn.default,
        reference=reference.knn,
        exact=True,
        samples={f"{at} k": (*c, 6, INF, False) for at, c in _shared.items()}
        | {f"{at} self": (*c, 3, INF, True) for at, c in _shared.items() if c[1] is None}
        | {f"{at} reach": (*c, 4, 0.1, False) for at, c in _shared.items()}
        | {"k beyond N": (*_shared["queries"], 400, INF, False)},
        grad_samples={at: (*c, 3, INF, c[1] is None) for at, c in _generic.items()},
    ),
    "radius": OpSpec(
        op=torch.ops.meshop.radius.default,
        reference=reference.radius,
        exact=True,
        samples={
            f"{at} {cap}": (*c, c[0].new_full((1,), 0.15), cap, False)
            for at, c in _shared.items()
            for cap in (-1, 3)
        }
        | {
            "cap 0": (*_shared["plane"], torch.tensor([0.1], dtype=torch.float64), 0, True),
            "zero": (*_shared["duplicates"], torch.zeros(1, dtype=torch.float64), -1, True),
            "rim": (*_shared["lattice"], torch.tensor([1.0], dtype=torch.float64), -1, True),
            "each its own": (*_shared["queries"], cloud(40, 1, 15)[:, 0] / 2, 9, False),
        },
        grad_samples={
            at: (*c, c[0].new_full((1,), 0.6), 3, c[1] is None) for at, c in _generic.items()
        },
    ),
    "dist2_backward": OpSpec(
        op=torch.ops.meshop.dist2_backward.default,
        reference=reference.dist2_backward,
        samples=_dist2_samples(_shared),
        grad_samples=_dist2_samples(_generic),
    ),
    "segment_reduce": OpSpec(
        op=torch.ops.meshop.segment_reduce.default,
        reference=reference.segment_reduce,
        samples={f"{at} {how}": (*s, how) for at, s in _segments.items() for how in _reductions},
        grad_samples={
            how: (_values["two trailing"], _rows, how) for how in _reductions
        },
    ),
    "segment_reduce_backward": OpSpec(
        op=torch.ops.meshop.segment_reduce_backward.default,
        reference=reference.segment_reduce_backward,
        samples=_backward_samples(),
        grad_samples={how: _backward_samples()[f"two trailing {how}"] for how in _reductions},
    ),
    "cell_edges": OpSpec(
        op=torch.ops.meshop.cell_edges.default,
        reference=reference.cell_edges,
        samples=_meshes,
    ),
}  # fmt: skip
