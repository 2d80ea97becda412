import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import cloud, graded, lattice, ptr

_clouds = {
    "line": (cloud(90, 1), None),
    "plane": (cloud(300, 2, 1), None),
    "space": (cloud(700, 3, 2), None),
    "5-D": (cloud(150, 5, 3), None),
    "float32": (cloud(400, 3, 4, torch.float32), None),
    "float32 5-D": (cloud(100, 5, 4, torch.float32), None),
    "graded": (graded(500, 2), None),
    "graded float32": (graded(300, 3).float(), None),
    "lattice": (lattice(6, 3), None),
    "duplicates": (cloud(40, 3, 5).repeat(3, 1), None),
    "all alike": (torch.ones(70, 2), None),
    "huge": (cloud(80, 3, 6, torch.float32) * 3e38 - 1e38, None),  # distances overflow
    "tiny": (cloud(80, 3, 7, torch.float32) * 1e-30, None),  # distances underflow
    "one point": (cloud(1, 3), None),
    "no point": (cloud(0, 3), None),
    "ragged": (cloud(120, 2, 8), ptr(0, 1, 80, 0, 39)),
    "no cloud": (cloud(0, 2), ptr()),
}
_counts = torch.tensor([3, 5, 20, 0, 39])


def _grid(size: float, dim: int, origin: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.full((dim,), size, dtype=torch.float64),
        torch.full((dim,), origin, dtype=torch.float64),
    )


_voxels = {
    f"{at} {size}": (points, rowptr, *_grid(size, points.shape[1], 0.1))
    for at, (points, rowptr) in _clouds.items()
    for size in (0.2, 3.0)
    if at not in ("huge", "tiny")
} | {
    "below zero": (cloud(200, 3, 9) - 0.5, None, *_grid(0.25, 3)),
    "each axis its own": (
        cloud(200, 2, 10),
        None,
        torch.tensor([0.1, 0.5], dtype=torch.float64),
        torch.tensor([0.05, -3], dtype=torch.float64),
    ),
    "rims": (lattice(5, 2) / 10, None, *_grid(0.1, 2)),
    "two words": ((cloud(200, 3, 11) - 0.5) * 2e9, None, *_grid(1e-3, 3)),
    "five words": ((cloud(100, 5, 12) - 0.5) * 2, ptr(30, 70), *_grid(2.0**-61, 5)),
    "twins in two words": (cloud(60, 3, 13).repeat(3, 1), None, *_grid(2.0**-40, 3)),
}  # fmt: skip
_dense = {
    label: args for label, args in _voxels.items() if label.endswith("0.2") or label == "rims"
}


def _means(samples: dict) -> dict[str, tuple]:
    found = {}
    for label, (points, *grid) in samples.items():
        group, order, rowptr, _ = reference.voxel_groups(points, *grid)
        found[label] = (points, group, order, rowptr)
    return found


def _backwards(samples: dict) -> dict[str, tuple]:
    return {
        label: (cloud(len(rowptr) - 1, points.shape[1], 14, points.dtype) - 0.5, group, rowptr)
        for label, (points, group, _, rowptr) in _means(samples).items()
    }


_generic = {
    "plane": (cloud(14, 2, 15), None, *_grid(0.4, 2)),
    "ragged": (cloud(12, 3, 16), ptr(5, 0, 7), *_grid(0.6, 3)),
}

SPECS = {
    "farthest_points": OpSpec(
        op=torch.ops.meshop.farthest_points.default,
        reference=reference.farthest_points,
        exact=True,
        samples={
            f"{at} all": (*c, None, 10**6, None) for at, c in _clouds.items() if len(c[0]) <= 150
        }
        | {f"{at} 40": (*c, None, 40, None) for at, c in _clouds.items()}
        | {
            "none": (*_clouds["plane"], None, 0, None),
            "start": (*_clouds["space"], None, 40, torch.tensor([699])),
            "each its own": (*_clouds["ragged"], _counts, 0, torch.tensor([-5, 0, 80, 7, 119])),
        },
    ),
    "voxel_groups": OpSpec(
        op=torch.ops.meshop.voxel_groups.default,
        reference=reference.voxel_groups,
        samples=_voxels,
    ),
    "voxel_mean": OpSpec(
        op=torch.ops.meshop.voxel_mean.default,
        reference=reference.voxel_mean,
        exact=True,
        samples=_means(_dense),
        grad_samples=_means(_generic),
    ),
    "voxel_mean_backward": OpSpec(
        op=torch.ops.meshop.voxel_mean_backward.default,
        reference=reference.voxel_mean_backward,
        exact=True,
        samples=_backwards(_dense),
        grad_samples=_backwards(_generic),
    ),
}  # fmt: skip
