"""Softmax attention over the edges of a graph, without a tensor as large as the edges' channels."""

from typing import Any, overload

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, rowptr_values, same_device, tensor
from .reference import rows_of
from .reference.attention import edge_attention_slopes

_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


@overload
def edge_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    rowptr: Tensor,
    bias: Tensor | None = None,
    coords: None = None,
    scale: float | None = None,
) -> Tensor: ...
@overload
def edge_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    rowptr: Tensor,
    bias: Tensor | None = None,
    *,
    coords: Tensor | tuple[Tensor, Tensor],
    scale: float | None = None,
) -> tuple[Tensor, Tensor]: ...
def edge_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    rowptr: Tensor,
    bias: Tensor | None = None,
    coords: Tensor | tuple[Tensor, Tensor] | None = None,
    scale: float | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Each receiver's softmax-weighted mean of its senders' values, head by head.

    query (N, H, D) of the receivers, key (M, H, D) and value (M, H, Dv) of the senders, float32,
    float64 or bfloat16 (sums in float32); edges rowptr[i] to rowptr[i + 1] come from senders
    ``index`` (E,) into receiver i (``rowptr`` (N + 1,), sorted by receiver). With the logit

        s_eh = scale * query_ih . key_jh + bias_eh,  scale 1 / sqrt(D) where None,

    and a = softmax of s over the edges of i, returns sum_e a_eh value_jh, (N, H, Dv). ``bias``
    (E, H) has query's dtype; with D = 0 it is the whole logit (additive attention, GAT). A logit of
    -inf weighs 0; a receiver without edges, or with none above -inf, gets zeros.

    ``coords`` (N, P), or a pair for receivers (N, P) and senders (M, P), float32 (float64 with
    float64), adds a second output of shape (N, H, P): sum_e a_eh (coords_j - coords_i), the mean
    step to the neighbours. It does not feel where the origin lies, and a node without edges stays:
    x plus its mean over heads is the deformer of UM2N (Zhang et al. 2024), and it is (A - 1) x of
    G-Adaptivity (Rowbottom et al. 2025) and the coordinate update of EGNN (Satorras et al. 2021).

    One pass over the edges with a running maximum (Milakov & Gimelshein 2018), a backward that
    recomputes the weights (Dao 2023): beside inputs and outputs it keeps N x H numbers, and the
    backward two integers an edge for a while. Differentiable, twice, in all floating inputs; second
    derivatives take plain torch, with (E, H, D) tensors. The result does not depend on the
    number of threads.

    Raises ValueError or IndexError for wrong shapes, dtypes, pointers and senders.
    """
    receivers, senders = coords if isinstance(coords, tuple) else (coords, coords)
    _check_features(query, key, value)
    index = index_tensor(index, "index", query.device)
    rowptr = index_tensor(rowptr, "rowptr", query.device)
    n, heads, depth = query.shape
    if rowptr.shape[0] != n + 1:
        raise ValueError(
            f"rowptr: expected {n + 1} entries, one more than query, found {rowptr.shape[0]}"
        )
    if bias is not None:
        _check_like(bias, "bias", (index.shape[0], heads), query.dtype, query.device)
    if receivers is not None and senders is not None:
        wide = torch.float64 if query.dtype == torch.float64 else torch.float32
        if senders.dim() != 2:
            raise ValueError(f"coords: expected shape (M, P), found {tuple(senders.shape)}")
        space = senders.shape[1]
        _check_like(senders, "coords", (key.shape[0], space), wide, query.device)
        _check_like(receivers, "coords of receivers", (n, space), wide, query.device)
    if scale is None:
        scale = depth**-0.5 if depth else 1.0
    elif isinstance(scale, Tensor) and scale.requires_grad:
        raise ValueError("scale: expected a constant; multiply query by one that is learned")

    def explain() -> None:
        rowptr_values(rowptr, index.shape[0], "rowptr", "edges")
        outside = ((index < 0) | (index >= key.shape[0])).nonzero()
        if len(outside):
            e = int(outside[0])
            raise IndexError(
                f"index: expected senders from 0 to {key.shape[0] - 1}, found {int(index[e])} "
                f"at edge {e}"
            )

    out, moved, _ = explained(
        lambda: torch.ops.meshop.edge_attention(
            query, key, value, index, rowptr, bias, senders, receivers, float(scale)
        ),
        explain,
        query,
        key,
        value,
        bias,
        senders,
        receivers,
    )
    return out if coords is None else (out, moved)


def _check_features(query: Tensor, key: Tensor, value: Tensor) -> None:
    for name, t in (("query", query), ("key", key), ("value", value)):
        tensor(t, name)
    if query.dim() != 3 or query.shape[1] < 1:
        raise ValueError(f"query: expected shape (N, H, D), H >= 1, found {tuple(query.shape)}")
    if query.dtype not in _DTYPES:
        raise ValueError(f"query: expected float32, float64 or bfloat16, found {query.dtype}")
    senders = key.shape[0] if key.dim() else 0
    _check_like(key, "key", (senders, *query.shape[1:]), query.dtype, query.device)
    if value.dim() != 3:
        raise ValueError(f"value: expected shape (M, H, Dv), found {tuple(value.shape)}")
    shape = (senders, query.shape[1], value.shape[2])
    _check_like(value, "value", shape, query.dtype, query.device)


def _check_like(
    t: Tensor, name: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> None:
    if tuple(t.shape) != shape:
        raise ValueError(f"{name}: expected shape {shape}, found {tuple(t.shape)}")
    if t.dtype != dtype:
        raise ValueError(f"{name}: expected {dtype}, found {t.dtype}")
    same_device(t, name, device)


# What the compiler and autograd need to know.


def _wide(t):
    return torch.float64 if t.dtype == torch.float64 else torch.float32


@torch.library.register_fake("meshop::edge_attention")
def _(query, key, value, index, rowptr, bias, coords, centers, scale):
    n, heads = query.shape[:2]
    moved = (0,) if coords is None else (n, heads, coords.shape[1])
    wide = _wide(query)
    return (
        query.new_empty(n, heads, value.shape[2]),
        query.new_empty(moved, dtype=wide),
        query.new_empty(n, heads, dtype=wide),
    )


@torch.library.register_fake("meshop::edge_attention_backward")
def _(
    grad, grad_coords, grad_lse, query, key, value, index, rowptr, bias, coords, centers, lse, scale
):
    none = query.new_empty(0, dtype=_wide(query))
    return (
        query.new_empty(query.shape),
        query.new_empty(key.shape),
        query.new_empty(value.shape),
        query.new_empty(0 if bias is None else bias.shape),
        none if coords is None else query.new_empty(coords.shape, dtype=coords.dtype),
        none.clone() if centers is None else query.new_empty(centers.shape, dtype=centers.dtype),
    )


def _remember(ctx, inputs, output):
    query, key, value, index, rowptr, bias, coords, centers, ctx.scale = inputs
    ctx.save_for_backward(query, key, value, index, rowptr, bias, coords, centers, output[2])


def _backward(ctx, grad, grad_coords, grad_lse):
    query, key, value, index, rowptr, bias, coords, centers, lse = ctx.saved_tensors
    slopes = torch.ops.meshop.edge_attention_backward(
        grad, grad_coords, grad_lse,
        query, key, value, index, rowptr, bias, coords, centers, lse, ctx.scale,
    )  # fmt: skip
    return (
        *slopes[:3],
        None,  # index
        None,  # rowptr
        None if bias is None else slopes[3],
        None if coords is None else slopes[4],
        None if centers is None else slopes[5],
        None,  # scale
    )


def _remember_backward(ctx, inputs, output):
    *tensors, ctx.scale = inputs
    ctx.save_for_backward(*tensors)


def _backward_backward(ctx, *slopes):
    """Through the plain-torch formula: exact, and differentiable again."""
    *floating, index, rowptr, bias, coords, centers, lse = ctx.saved_tensors
    row = rows_of(rowptr, index.shape[0])
    inputs = (*floating, bias, coords, centers, lse)
    given = [t for t in inputs if t is not None]

    def formula(*given):
        left = iter(given)
        full: list[Any] = [None if t is None else next(left) for t in inputs]
        return edge_attention_slopes(*full, index=index, row=row, scale=ctx.scale)

    pull: Any = torch.func.vjp(formula, *given)[1]
    found = iter(pull(slopes))
    *to_floating, to_bias, to_coords, to_centers, to_lse = (
        None if t is None else next(found) for t in inputs
    )
    return (
        *to_floating,
        None,  # index
        None,  # rowptr
        to_bias,
        to_coords,
        to_centers,
        to_lse,
        None,  # scale
    )


torch.library.register_autograd("meshop::edge_attention", _backward, setup_context=_remember)
torch.library.register_autograd(
    "meshop::edge_attention_backward", _backward_backward, setup_context=_remember_backward
)
