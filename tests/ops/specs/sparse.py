import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import cloud, ptr
from .aggregation import grid

_rows = ptr(3, 0, 1, 5, 0, 2)
_index = torch.tensor([4, 0, 4, 2, 1, 1, 0, 3, 4, 2, 2])  # of 6 columns, some twice in a row
_value = cloud(11, 1, 1)[:, 0] - 0.5
_none = torch.empty(0, dtype=torch.int64)
_nil = torch.empty(0, dtype=torch.float64)
_a = grid(8, 9)
_b = grid(6, 6, 1)


def _narrow(matrix: tuple) -> tuple:
    rowptr, index, value = matrix
    return rowptr, index.int(), value.float()


def _smoothing(matrix: tuple, channels: int, steps: int, start: bool, residual: bool) -> tuple:
    rowptr, index, value = matrix
    n = len(rowptr) - 1
    row = reference.rows_of(rowptr, len(index))
    scale = 1 / value[row == index]
    b, x, beta = (
        t.to(value.dtype)
        for t in (cloud(n, channels, 2), cloud(n, channels, 3), 1 + cloud(steps, 1, 4)[:, 0])
    )
    return rowptr, index, value, scale, b, x if start else None, beta, 1.9, residual


SPECS = {
    "csr_apply": OpSpec(
        op=torch.ops.meshop.csr_apply.default,
        reference=reference.csr_apply,
        graphs=2,  # torch tries a symbolic float first
        samples={
            "one channel": (_rows, _index, _value, cloud(6, 1), None, 1.0),
            "three": (_rows, _index, _value, cloud(6, 3), None, -2.0),
            "added to": (_rows, _index, _value, cloud(6, 1), cloud(6, 1, 5), -1.0),
            "added to three": (*_a, cloud(72, 3), cloud(72, 3, 5), -1.0),
            "narrow": (*_narrow(_a), cloud(72, 1).float(), None, 0.5),
            "no channel": (*_b, cloud(36, 0), None, 1.0),
            "no row": (ptr(), _none, _nil, cloud(4, 2), None, 1.0),
        },
    ),
    "csr_diagonal": OpSpec(
        op=torch.ops.meshop.csr_diagonal.default,
        reference=reference.csr_diagonal,
        samples={
            "twins": (_rows, _index, _value),
            "grid": _a,
            "smaller": _b,
            "narrow": _narrow(_a),
            "no row": (ptr(), _none, _nil),
        },
    ),
    "csr_matmul": OpSpec(
        op=torch.ops.meshop.csr_matmul.default,
        reference=reference.csr_matmul,
        samples={
            "squared": (*_a, *_a, 72, True),
            "as they turn up": (_rows, _index, _value, _rows, _index * 3, _value, 40, False),
            "squared as they turn up": (*_a, *_a, 72, False),
            "twins": (_rows, _index, _value, _rows, _index, _value, 6, True),
            "wide": (_rows, _index, _value, _rows, _index * 3, _value, 40, True),
            "narrow": (*_narrow(_b), *_narrow(_b), 36, True),
            "float32": (*_b[:2], _b[2].float(), *_b[:2], _b[2].float(), 36, True),
            "no row": (ptr(), _none, _nil, *_b, 36, True),
            "no column": (_rows, _index, _value, ptr(*[0] * 6), _none, _nil, 0, True),
        },
    ),
    "chebyshev": OpSpec(
        op=torch.ops.meshop.chebyshev.default,
        reference=reference.chebyshev,
        graphs=2,  # torch tries a symbolic float first
        samples={
            "from zero": _smoothing(_a, 1, 3, False, True),
            "from zero, smaller": _smoothing(_b, 1, 3, False, True),
            "from x": _smoothing(_a, 1, 2, True, False),
            "from x, residual": _smoothing(_b, 4, 4, True, True),
            "one step": _smoothing(_b, 2, 1, False, False),
            "narrow": _smoothing(_narrow(_a), 1, 3, True, False),
            "no row": (ptr(), _none, _nil, _nil, cloud(0, 2), None, _value[:2], 1.0, True),
        },
    ),
}
