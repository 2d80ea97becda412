import math

import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import INF, cloud, ptr

_rows = ptr(3, 0, 1, 5, 0, 2)  # two receivers without edges
_scale = 0.3


def _inputs(
    rowptr: torch.Tensor,
    senders: int,
    heads: int,
    depth: int,
    width: int,
    dtype: torch.dtype = torch.float64,
    bias: bool = False,
    space: int | None = None,
    seed: int = 0,
) -> tuple:
    """Features within 1/4 of 0, so that sums of float32 stay close to the reference's."""
    n, edges = len(rowptr) - 1, int(rowptr[-1])
    wide = torch.float64 if dtype == torch.float64 else torch.float32

    def features(rows: int, channels: int, at: int) -> torch.Tensor:
        values = (cloud(rows, heads * channels, 7 * seed + at) - 0.5) / 2
        return values.reshape(rows, heads, channels).to(dtype)

    index = torch.randint(
        max(senders, 1), (edges,), generator=torch.Generator().manual_seed(seed + 1)
    )
    coords, centers = None, None
    if space is not None:
        coords, centers = cloud(senders, space, seed + 2, wide), cloud(n, space, seed + 3, wide)
    return (
        features(n, depth, 1),
        features(senders, depth, 2),
        features(senders, width, 3),
        index,
        rowptr,
        (4 * features(edges, 1, 4)[..., 0]) if bias else None,
        coords,
        centers,
        _scale,
    )


def _with_bias(values: list[float]) -> tuple:
    """One head over rows of 3, 0, 1, 5, 0 and 2 edges with these logits added."""
    args = list(_inputs(_rows, 4, 1, 0, 3))
    args[5] = torch.tensor(values, dtype=torch.float64)[:, None]
    return tuple(args)


_f32, _bf16 = torch.float32, torch.bfloat16
_samples = {
    "one head": _inputs(_rows, 4, 1, 8, 8),
    "four heads": _inputs(_rows, 4, 4, 16, 16, bias=True, seed=1),
    "coords": _inputs(_rows, 4, 2, 3, 5, bias=True, space=2, seed=2),
    "odd sizes": _inputs(_rows, 9, 3, 7, 1, space=3, seed=3),
    "many heads": _inputs(_rows, 5, 11, 2, 9, bias=True, space=3, seed=4),
    "float32": _inputs(_rows, 4, 4, 16, 16, _f32, bias=True, space=3, seed=5),
    "float32, one head": _inputs(_rows, 4, 1, 64, 64, _f32, seed=6),
    "float32, odd sizes": _inputs(_rows, 4, 6, 20, 13, _f32, bias=True, space=2, seed=7),
    "float32, many heads": _inputs(_rows, 4, 17, 5, 8, _f32, bias=True, space=2, seed=8),
    "bfloat16": _inputs(_rows, 4, 2, 16, 8, _bf16, bias=True, space=3, seed=9),
    "bfloat16, odd sizes": _inputs(_rows, 4, 3, 5, 9, _bf16, seed=10),
    "bias only": _inputs(_rows, 4, 6, 0, 20, bias=True, seed=11),
    "coords only": _inputs(_rows, 4, 3, 4, 0, space=3, seed=12),
    "many channels": _inputs(_rows, 4, 1, 270, 300, bias=True, space=3, seed=17),
    "no dimension": _inputs(_rows, 4, 2, 4, 4, space=0, seed=13),
    "long rows": _inputs(ptr(300, 2, 129, 64, 65), 50, 2, 4, 4, bias=True, space=2, seed=14),
    "long rows, float32": _inputs(ptr(200, 64), 50, 3, 8, 4, _f32, space=2, seed=15),
    "many rows": _inputs(ptr(*[5, 0, 9] * 200), 300, 4, 8, 8, bias=True, seed=16),
    "no edge": _inputs(ptr(0, 0), 3, 2, 4, 4, bias=True, space=2),
    "no receiver": _inputs(ptr(), 3, 2, 4, 4),
    "no sender": _inputs(ptr(0), 0, 2, 4, 4, bias=True, space=2),
    "masked": _with_bias([0, -INF, 1, -INF, 0, 1, -INF, 2, 800, -INF, -INF]),
    "huge": _with_bias([1e4, -1e4, 1e4, 700, -800, -90, -100, -745, 0, -1e300, 1e300]),
    "nan": _with_bias([0, math.nan, 1, 0, INF, 1, 2, 3, 4, -INF, math.nan]),
}


def _general(*sizes: int, **options) -> tuple:
    return _inputs(ptr(3, 1, 4), 4, *sizes, **options)


_grad_samples = {
    "plain": _general(2, 3, 2),
    "bias and coords": _general(2, 2, 3, bias=True, space=2, seed=1),
}


def _slopes(args: tuple) -> tuple:
    """The same inputs to the backward, with slopes of all three outputs."""
    outputs = reference.edge_attention(*args)
    grads = [
        (cloud(out.numel(), 1, 20 + i).reshape(out.shape) - 0.5).to(out.dtype) / 2
        for i, out in enumerate(outputs)
    ]
    return (*grads, *args[:8], outputs[2], args[8])


SPECS = {
    "edge_attention": OpSpec(
        op=torch.ops.meshop.edge_attention.default,
        reference=reference.edge_attention,
        graphs=2,
        samples=_samples,
        grad_samples=_grad_samples,
    ),
    "edge_attention_backward": OpSpec(
        op=torch.ops.meshop.edge_attention_backward.default,
        reference=reference.edge_attention_backward,
        graphs=2,
        samples={label: _slopes(args) for label, args in _samples.items()},
        grad_samples={label: _slopes(args) for label, args in _grad_samples.items()},
    ),
}  # fmt: skip
