import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import cloud, ptr


def grid(rows: int, columns: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The five-point Laplacian of a grid with edges of many strengths, as CSR."""
    at = torch.arange(rows * columns).reshape(rows, columns)
    pairs = torch.cat(
        [
            torch.stack([at[1:].flatten(), at[:-1].flatten()], 1),
            torch.stack([at[:, 1:].flatten(), at[:, :-1].flatten()], 1),
        ]
    )
    weight = 10 ** (-3 * cloud(len(pairs), 1, seed)[:, 0])
    n = rows * columns
    dense = torch.zeros(n, n, dtype=torch.float64)
    dense[pairs[:, 0], pairs[:, 1]] = -weight
    dense += dense.t().clone()
    dense += torch.diag(0.1 - dense.sum(1))
    row, index = (part.clone() for part in dense.nonzero().unbind(1))
    return ptr(*torch.bincount(row, minlength=n).tolist()), index, dense[row, index]


_bare = (ptr(), torch.empty(0, dtype=torch.int64))
_star = (ptr(4, 1, 1, 1, 1, 0), torch.tensor([1, 2, 3, 4, 0, 0, 0, 0]))
_wide = grid(9, 11)[:2]

SPECS = {
    "aggregate": OpSpec(
        op=torch.ops.meshop.aggregate.default,
        reference=reference.aggregate,
        graphs=2,  # torch tries a symbolic float first
        samples={
            "grid": (*grid(7, 6)[:2], None, 0.0),
            "wider": (*_wide, None, 0.0),
            "strong": (*grid(7, 6), 0.1),
            "strong, wider": (*grid(9, 8, 1), 0.1),
            "float32": (*grid(5, 5)[:2], grid(5, 5)[2].float(), 0.2),
            "nothing strong": (*grid(3, 3), 2.0),
            "star and a node alone": (*_star, None, 0.0),
            "no edge": (ptr(0, 0), torch.empty(0, dtype=torch.int64), None, 0.0),
            "no node": (*_bare, None, 0.0),
        },
    ),
    "front_depth": OpSpec(
        op=torch.ops.meshop.front_depth.default,
        reference=reference.front_depth,
        samples={
            "grid": (*grid(7, 6)[:2], torch.tensor([17])),
            "two seeds": (*_wide, torch.tensor([3, 98])),
            "star and a node alone": (*_star, torch.tensor([2])),
            "no seed": (*_star, torch.empty(0, dtype=torch.int64)),
            "no node": (*_bare, torch.empty(0, dtype=torch.int64)),
        },
    ),
}
