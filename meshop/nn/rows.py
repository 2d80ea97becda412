"""Work done a block of rows at a time, so that what lies between stays in a processor's cache.

    by_rows      y_n = f(x_n, ...)              through: the same, of layers alone
    sum_rows     sum_n f(x_n, ...)
    softmax_part, join_parts   sum_n softmax_n(s_n) v_n, from such means over some rows at a time

Values never depend on the blocks. An operator is then passes over the nodes with something small
between them: an attention sums its source into a matrix or tokens, and reads that at every row. The
layers about it which treat a row by itself run in the same passes: y = after(x, attention(before(
x))), `Before` and `After`. Without gradients y takes the place of x (`overwrite`), so that nothing
as large as the states is made: who gives an attention an `after` gives it the states too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

#: Layers about an attention, see above.
Before = Callable[[Tensor], Tensor] | None
After = Callable[..., Tensor] | None

# Values in a temporary of one block: 1 MB of float32. Larger ones leave the cache, and those above
# 32 MB are mapped anew, page by page, whenever they are made, which costs more than most layers.
# With gradients four times as many: most are kept anyway, and many small ones fragment the heap.
BLOCK = 2**18


def row_blocks(per_row: int, *tensors: Tensor, dim: int = 0) -> Iterator[tuple[Tensor, ...]]:
    """The tensors' rows (along `dim`) in blocks whose temporaries of `per_row` values a row fit in
    cache. On GPUs and under torch.compile, where neither matters, all at once."""
    rows = tensors[0].shape[dim]
    if tensors[0].device.type != "cpu" or torch.compiler.is_compiling():
        size = rows
    else:
        size = max(BLOCK * (4 if torch.is_grad_enabled() else 1) // per_row, 64)
    if rows <= size:
        return iter([tensors])
    return zip(*(t.split(size, dim) for t in tensors), strict=True)


def by_rows(
    function: Callable[..., Tensor],
    per_row: int,
    *tensors: Tensor,
    dim: int = 0,
    overwrite: bool = False,
    gathers: bool = False,
) -> Tensor:
    """function(*tensors), which must treat every row by itself, in such blocks.

    overwrite: without gradients the result may take the place of the first tensor, so that states
    which pass one layer after another stay where they are. gathers: the function reads rows of
    other tensors too, whose gradients would be summed over all their rows for every block: with
    gradients there is one block.
    """
    if gathers and torch.is_grad_enabled():
        return function(*tensors)
    blocks = row_blocks(per_row, *tensors, dim=dim)
    if torch.is_grad_enabled():
        parts = [function(*block) for block in blocks]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim)
    old, out, done = tensors[0], None, 0
    for block in blocks:
        part = function(*block)
        if part.shape[dim] == old.shape[dim]:
            return part
        if out is None:
            shape = (*part.shape[:dim], old.shape[dim], *part.shape[dim + 1 :])
            fits = overwrite and (shape, part.dtype) == (old.shape, old.dtype)
            out = old if fits else part.new_empty(shape)
        out.narrow(dim, done, part.shape[dim]).copy_(part)
        done += part.shape[dim]
    assert out is not None
    return out


def through(layers: nn.Module, *parts: Tensor, overwrite: bool = False) -> Tensor:
    """layers(parts side by side), of layers that treat every row by itself, in such blocks."""

    def run(*parts: Tensor) -> Tensor:
        x = [part.to(parts[0].dtype) for part in parts]
        return layers(torch.cat(x, dim=-1) if len(x) > 1 else x[0])

    # An input and an output as wide as the widest.
    widest = max(max(p.shape) for p in layers.parameters())
    return by_rows(run, 2 * widest, *parts, overwrite=overwrite)


def sum_rows(
    function: Callable[..., Tensor], per_row: int, *tensors: Tensor, dim: int = 0
) -> Tensor:
    """function(*tensors), which must be a sum over rows, in such blocks."""
    first, *others = row_blocks(per_row, *tensors, dim=dim)
    total = function(*first)
    for block in others:
        total = total + function(*block)
    return total


def softmax_part(logit: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Of some points: log sum of exp logit (..., M, n), and the mean of v (..., n, d) under it."""
    top = logit.detach().amax(-1, keepdim=True)
    heavy = (logit - top).exp()
    mass = heavy.sum(-1, keepdim=True)
    return (top + mass.log()).squeeze(-1), (heavy @ v) / mass


def join_parts(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The mean over all points: a softmax of softmaxes is the softmax."""
    if len(parts) == 1:
        return parts[0][1]
    share = torch.stack([total for total, _ in parts]).softmax(0)
    return (share[..., None] * torch.stack([mean for _, mean in parts])).sum(0)
