import math

import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import INF, cloud, ptr

_rows = ptr(3, 0, 1, 5, 0, 2)
_wide = ptr(*[7] * 40, 0, 120)
_tall = ptr(1, 9000, 0, 4097, 3)  # rows that are reduced by pieces
_values = {
    "vector": cloud(11, 1)[:, 0],
    "channels": cloud(11, 5),
    "two trailing": cloud(11, 6, 1).reshape(11, 2, 3) - 0.5,
    "float32": cloud(11, 4, 2, torch.float32),
    "float32 many": cloud(11, 199, 6, torch.float32) - 0.5,  # every width of block
    "bfloat16": cloud(11, 3, 3).to(torch.bfloat16),
    "bfloat16 many": cloud(11, 47, 7).to(torch.bfloat16) - 0.5,
    "float16": cloud(11, 3, 4).to(torch.float16),
    "float16 many": cloud(11, 47, 8).to(torch.float16) - 0.5,
    "ties": torch.tensor([1.0, 1, 0, 2, 2, 2, 1, 2, 0, 3, 3])[:, None],
    "nan": torch.tensor([1.0, math.nan, 0, 2, INF, -INF, math.nan, 1, 1, 1, 2])[:, None],
    "masked": torch.tensor([-INF, -INF, -INF, 2, -INF, 1, 0, -INF, 3, INF, 2])[:, None],
    "large": 1e4 * cloud(11, 2, 9, torch.float32) - 3e4,
    "no channel": cloud(11, 0),
}
_segments = {label: (v, _rows) for label, v in _values.items()} | {
    "long": (cloud(400, 3, 5), _wide),
    "tall": (cloud(13101, 5, 10) - 0.5, _tall),
    "tall float16": (cloud(13101, 2, 11).to(torch.float16), _tall),
    "tall ties": (cloud(13101, 1, 12).mul(8).round(), _tall),
    "no value": (cloud(0, 2), ptr(0, 0)),
    "no segment": (cloud(0, 2), ptr()),
}
_reductions = ("sum", "mean", "min", "max", "logsumexp")
_general = (_values["two trailing"], _rows)


def _of_backward(values: torch.Tensor, rowptr: torch.Tensor, reduce: str) -> tuple:
    out, arg = reference.segment_reduce(values, rowptr, reduce)
    return out.nan_to_num(), rowptr, arg, len(values), reduce


def _of_softmax_backward(values: torch.Tensor, rowptr: torch.Tensor) -> tuple:
    return values.roll(1, 0).nan_to_num(0, 1, -1), reference.segment_softmax(values, rowptr), rowptr


def _of_logsumexp_backward(values: torch.Tensor, rowptr: torch.Tensor) -> tuple:
    sums, *_ = reference.segment_reduce(values.nan_to_num(0, 1, -1), rowptr, "sum")
    return sums, values, rowptr


SPECS = {
    "segment_reduce": OpSpec(
        op=torch.ops.meshop.segment_reduce.default,
        reference=reference.segment_reduce,
        samples={f"{at} {how}": (*s, how) for at, s in _segments.items() for how in _reductions},
        grad_samples={how: (*_general, how) for how in _reductions[:4]}
        | {"logsumexp": (_general[0], ptr(3, 1, 5, 2), "logsumexp")},  # no -inf in differences
    ),
    "segment_reduce_backward": OpSpec(
        op=torch.ops.meshop.segment_reduce_backward.default,
        reference=reference.segment_reduce_backward,
        samples={
            f"{at} {how}": _of_backward(*s, how)
            for at, s in _segments.items()
            for how in _reductions[:4]
        },
        grad_samples={how: _of_backward(*_general, how) for how in _reductions[:4]},
    ),
    "segment_softmax": OpSpec(
        op=torch.ops.meshop.segment_softmax.default,
        reference=reference.segment_softmax,
        samples=_segments,
        grad_samples={"two trailing": _general},
    ),
    "segment_softmax_backward": OpSpec(
        op=torch.ops.meshop.segment_softmax_backward.default,
        reference=reference.segment_softmax_backward,
        samples={at: _of_softmax_backward(*s) for at, s in _segments.items()},
        grad_samples={"two trailing": _of_softmax_backward(*_general)},
    ),
    "segment_logsumexp_backward": OpSpec(
        op=torch.ops.meshop.segment_logsumexp_backward.default,
        reference=reference.segment_logsumexp_backward,
        samples={at: _of_logsumexp_backward(*s) for at, s in _segments.items()},
        grad_samples={"two trailing": _of_logsumexp_backward(*_general)},
    ),
}
