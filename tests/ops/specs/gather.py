import math

import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import INF, cloud, ptr

_rows = ptr(3, 0, 1, 5, 0, 2)
_index = torch.tensor([4, 0, 4, 2, 1, 1, 0, 3, 4, 2, 2])  # of 6 columns; nobody asks for column 5
_tall = ptr(1, 9000, 0, 4097, 3)
_hubs = torch.arange(13101) ** 2 % 7


def _graph(rowptr: torch.Tensor, index: torch.Tensor, columns: int, transposed: bool) -> tuple:
    back = reference.csr_transpose(rowptr, index, columns)
    own = (rowptr, index, None)
    return (*back, *own) if transposed else (*own, *back)


def _gather(x, weight, reduce="sum", rowptr=_rows, index=_index, transposed=False) -> tuple:
    columns = len(rowptr) - 1 if transposed else len(x)
    return (x, weight, *_graph(rowptr, index, columns, transposed), reduce)


def _dot(a, b, heads, rowptr=_rows, index=_index) -> tuple:
    return (a, b, heads, *[p for p in _graph(rowptr, index, len(b), False) if p is not None])


_x = cloud(6, 8, 1).reshape(6, 4, 2) - 0.5
_bare = (_rows, _index, None, None, None, None)
_gathers = {
    "sum": _gather(_x, None),
    "mean": _gather(_x, None, "mean"),
    "weighted": _gather(_x, cloud(11, 1, 2)),
    "heads": _gather(_x, cloud(11, 2, 2) - 0.5),
    "a head a channel, mean": _gather(_x, cloud(11, 8, 2), "mean"),
    "transposed": _gather(cloud(6, 8, 3), None, index=_index, transposed=True),
    "transposed, weighted": _gather(cloud(6, 8, 3), cloud(11, 4, 2), transposed=True),
    "no transpose": (_x, cloud(11, 1, 2), *_bare, "sum"),
}
_dots = {
    "one head": _dot(_x, _x.flip(0) + 0.1, 1),
    "heads": _dot(_x, _x.flip(0) + 0.1, 4),
    "no transpose": (_x, _x.flip(0) + 0.1, 2, _rows, _index, None, None, None),
}


def _typed(dtype: torch.dtype, channels: int, seed: int) -> dict[str, tuple]:
    x = (cloud(6, channels, seed) - 0.5).to(dtype)
    weight = cloud(11, 2, seed).to(dtype)
    name = f"{str(dtype)[6:]} {channels}"
    return {
        f"{name} sum": _gather(x, None),
        f"{name} heads": _gather(x, weight if channels % 2 == 0 else weight[:, :1], "mean"),
    }


SPECS = {
    "csr_transpose": OpSpec(
        op=torch.ops.meshop.csr_transpose.default,
        reference=reference.csr_transpose,
        samples={
            "ordinary": (_rows, _index, 6),
            "hubs": (_tall, _hubs, 7),
            "wide": (ptr(*[3] * 1000), torch.arange(3000) * 7919 % 50_000, 50_000),
            "no entry": (ptr(0, 0), _index[:0], 3),
            "no row": (ptr(), _index[:0], 0),
        },
    ),
    "gather_reduce": OpSpec(
        op=torch.ops.meshop.gather_reduce.default,
        reference=reference.gather_reduce,
        samples=_gathers
        | _typed(torch.float32, 199, 4)
        | _typed(torch.float32, 64, 5)
        | _typed(torch.bfloat16, 47, 6)
        | _typed(torch.float16, 50, 7)
        | {
            "vector": _gather(_x[:, 0, 0], cloud(11, 1, 2)),
            "nan": _gather(torch.tensor([1.0, math.nan, INF, -INF, 0, 2])[:, None], None),
            "hubs": _gather(cloud(7, 3, 8), cloud(13101, 1, 9), "mean", _tall, _hubs),
            "hubs, transposed": _gather(
                cloud(5, 3, 8), cloud(13101, 3, 9), "sum", _tall, _hubs % 5, True
            ),
            "no channel": _gather(cloud(6, 0), None),
            "no entry": _gather(cloud(6, 2), cloud(0, 2), "sum", ptr(0, 0), _index[:0]),
            "no row": _gather(cloud(6, 2), None, "mean", ptr(), _index[:0]),
            "nothing": _gather(cloud(0, 2), None, "sum", ptr(0), _index[:0]),
        },
        grad_samples=_gathers,
    ),
    "gather_dot": OpSpec(
        op=torch.ops.meshop.gather_dot.default,
        reference=reference.gather_dot,
        samples=_dots
        | {
            "float32": _dot(cloud(6, 199, 1, torch.float32), cloud(6, 199, 2, torch.float32), 1),
            "bfloat16": _dot(cloud(6, 40, 1).bfloat16(), cloud(6, 40, 2).bfloat16(), 2),
            "float16": _dot(cloud(6, 16, 1).half(), cloud(6, 16, 2).half(), 1),
            "hubs": _dot(cloud(5, 3, 1), cloud(7, 3, 2), 3, _tall, _hubs),
            "no channel": _dot(cloud(6, 0), cloud(6, 0), 2),
            "no entry": _dot(cloud(2, 4), cloud(6, 4), 2, ptr(0, 0), _index[:0]),
        },
        grad_samples=_dots,
    ),
}
