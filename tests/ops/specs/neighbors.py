import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import INF, cloud, graded, lattice, ptr


def periods(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


_twins = cloud(60, 3, 5).repeat_interleave(3, 0)
_shared = {
    # points, queries, ptr, query_ptr, box
    "line": (cloud(80, 1), None, None, None, None),
    "plane": (cloud(700, 2, 1), None, None, None, None),
    "space": (cloud(900, 3, 2), None, None, None, None),
    "5-D": (cloud(150, 5, 3), None, None, None, None),
    "float32": (cloud(600, 3, 4, torch.float32), None, None, None, None),
    "graded": (graded(600, 2), None, None, None, None),
    "graded float32": (graded(600, 3).float(), None, None, None, None),
    "lattice": (lattice(6, 3), None, None, None, None),
    "duplicates": (_twins, None, None, None, None),
    "all alike": (torch.ones(50, 2), None, None, None, None),
    "one point": (cloud(1, 3), None, None, None, None),
    "no point": (cloud(0, 3), None, None, None, None),
    "no query": (cloud(9, 3), cloud(0, 3), None, None, None),
    "nothing to find": (cloud(0, 3), cloud(4, 3), None, None, None),
    "queries": (cloud(300, 3, 6), cloud(40, 3, 7) * 1.4 - 0.2, None, None, None),
    "periodic": (cloud(300, 3, 16) * 3, None, None, None, periods(1.0, INF, 0.5)),
    "periodic queries": (
        cloud(90, 2, 17).float(),
        cloud(40, 2, 18).float() * 9 - 4,
        ptr(40, 50),
        ptr(21, 19),
        periods(0.8, 1.0).float(),
    ),
    "periodic lattice": (lattice(6, 2), None, None, None, periods(6.0, 6.0)),
    "ragged": (cloud(120, 2, 8), None, ptr(0, 1, 80, 0, 39), None, None),
    "ragged queries": (
        cloud(120, 2, 9),
        cloud(30, 2, 10),
        ptr(0, 1, 80, 39),
        ptr(4, 6, 0, 20),
        None,
    ),
}
_generic = {
    "periodic": (cloud(14, 2, 19) * 4, None, None, None, periods(1.1, 0.9)),
    "self": (cloud(14, 2, 11), None, None, None, None),
    "queries": (cloud(12, 3, 12), cloud(5, 3, 13), None, None, None),
    "ragged": (cloud(12, 2, 14), None, ptr(5, 0, 7), None, None),
}


def _dist2_samples(clouds: dict) -> dict[str, tuple]:
    samples = {}
    for label, (points, queries, *rest) in clouds.items():
        dist2, rowptr, index = reference.knn(points, queries, *rest, 4, INF, False)
        offset = None
        if rest[-1] is not None:  # any will do
            offset = torch.linspace(-1, 1, dist2.numel() * points.shape[1], dtype=points.dtype)
            offset = offset.reshape(-1, points.shape[1])
        grad = torch.linspace(-1, 1, len(dist2), dtype=points.dtype)
        samples[label] = (grad, points, queries, offset, rowptr, index)
    return samples


SPECS = {
    "knn": OpSpec(
        op=torch.ops.meshop.knn.default,
        reference=reference.knn,
        exact=True,
        constants=(4,),  # box
        samples={f"{at} k": (*c, 6, INF, False) for at, c in _shared.items()}
        | {f"{at} self": (*c, 3, INF, True) for at, c in _shared.items() if c[1] is None}
        | {f"{at} reach": (*c, 4, 0.1, False) for at, c in _shared.items()}
        | {"k beyond N": (*_shared["queries"], 400, INF, False)}
        | {f"k = {k}": (*_shared["space"], k, INF, False) for k in (8, 9, 16, 17, 32, 33, 64, 65)}
        | {f"k = {k} float32": (*_shared["float32"], k, INF, False) for k in (8, 16, 32, 64, 65)},
        grad_samples={at: (*c, 3, INF, c[1] is None) for at, c in _generic.items()},
    ),
    "radius": OpSpec(
        op=torch.ops.meshop.radius.default,
        reference=reference.radius,
        exact=True,
        constants=(4,),  # box
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
}  # fmt: skip
