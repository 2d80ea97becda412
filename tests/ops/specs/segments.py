import math

import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import INF, cloud, ptr

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


SPECS = {
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
}  # fmt: skip
