"""Edge attention by gathering: clear, differentiable, with tensors as large as the edges."""

import math

import torch
from torch import Tensor

from ._common import check_rowptr, require, rows_of


def _wide(t: Tensor) -> Tensor:
    return t if t.dtype == torch.float64 else t.float()


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    rowptr: Tensor,
    bias: Tensor | None,
    coords: Tensor | None,
    centers: Tensor | None,
) -> None:
    n, heads, depth = query.shape
    m, edges = key.shape[0], index.shape[0]
    require(heads > 0 and key.shape == (m, heads, depth), "key must have the heads of query")
    require(value.shape[:2] == (m, heads), "value must have the heads of query")
    require(query.dtype == key.dtype == value.dtype, "query, key and value must have one dtype")
    require(rowptr.numel() == n + 1, "rowptr must have one entry more than query")
    check_rowptr(rowptr, edges, "rowptr")
    require(((index >= 0) & (index < m)).all(), f"index must lie in [0, {m})")
    if bias is not None:
        require(bias.shape == (edges, heads), "bias must have shape (edges, heads)")
    require((coords is None) == (centers is None), "coords and centers go together")
    if coords is not None and centers is not None:
        space = coords.shape[1]
        require(coords.shape == (m, space), "coords must have shape (senders, P)")
        require(centers.shape == (n, space), "centers must have shape (receivers, P)")


def _logits(query: Tensor, key: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """(E, H), of the edges' own queries and keys."""
    logits = (query * scale * key).sum(-1)
    return logits if bias is None else logits + bias


def edge_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    rowptr: Tensor,
    bias: Tensor | None,
    coords: Tensor | None,
    centers: Tensor | None,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    _check(query, key, value, index, rowptr, bias, coords, centers)
    dtype, rows, heads = query.dtype, query.shape[0], query.shape[1]
    row = rows_of(rowptr, index.shape[0])
    query, key, value = _wide(query), _wide(key), _wide(value)
    bias = None if bias is None else _wide(bias)
    logits = _logits(query[row], key[index], bias, scale)
    peak = logits.new_full((rows, heads), -math.inf)
    peak = peak.scatter_reduce(0, row[:, None].expand_as(logits), logits, "amax")
    safe = peak.masked_fill(peak == -math.inf, 0)  # all -inf: the weights are 0, not NaN
    weight = (logits - safe[row]).exp()
    total = torch.zeros_like(peak).index_add(0, row, weight)
    weight = weight / total.masked_fill(total == 0, 1)[row]

    out = value.new_zeros(rows, *value.shape[1:])
    out = out.index_add(0, row, weight[..., None] * value[index])
    moved = query.new_empty(0)
    if coords is not None and centers is not None:
        gap = (coords[index] - centers[row])[:, None]  # (E, 1, P)
        moved = coords.new_zeros(rows, heads, coords.shape[1])
        moved = moved.index_add(0, row, weight[..., None] * gap)
    return out.to(dtype), moved, peak + total.log()


def edge_attention_backward(
    grad: Tensor,
    grad_coords: Tensor,
    grad_lse: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    index: Tensor,
    rowptr: Tensor,
    bias: Tensor | None,
    coords: Tensor | None,
    centers: Tensor | None,
    lse: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    _check(query, key, value, index, rowptr, bias, coords, centers)
    require(
        grad.shape == (*query.shape[:2], value.shape[2]), "grad must have the shape of the output"
    )
    require(
        lse.shape == grad_lse.shape == query.shape[:2], "lse must have shape (receivers, heads)"
    )
    require(
        coords is None or grad_coords.shape == (*query.shape[:2], coords.shape[1]),
        "grad_coords must have shape (receivers, heads, P)",
    )
    return edge_attention_slopes(
        grad, grad_coords, grad_lse, query, key, value, bias, coords, centers, lse,
        index=index, row=rows_of(rowptr, index.shape[0]), scale=scale,
    )  # fmt: skip


def edge_attention_slopes(
    grad: Tensor,
    grad_coords: Tensor,
    grad_lse: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    coords: Tensor | None,
    centers: Tensor | None,
    lse: Tensor,
    *,
    index: Tensor,
    row: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The backward as a differentiable function of its floating inputs; ``row`` of each edge."""
    dtype, q, k = query.dtype, _wide(query)[row], _wide(key)[index]
    g, v = _wide(grad)[row], _wide(value)[index]
    logits = _logits(q, k, None if bias is None else _wide(bias), scale)
    weight = (logits - lse.masked_fill(lse == -math.inf, math.inf)[row]).exp()
    slope = (g * v).sum(-1)  # d loss / d weight
    to_coords, to_centers = lse.new_empty(0), lse.new_empty(0)
    if coords is not None and centers is not None:
        push = grad_coords[row]  # (E, H, P)
        slope = slope + (push * (coords[index] - centers[row])[:, None]).sum(-1)
        pull = (weight[..., None] * push).sum(1)
        to_coords = torch.zeros_like(coords).index_add(0, index, pull)
        to_centers = torch.zeros_like(centers).index_add(0, row, -pull)
    mean = (-grad_lse).index_add(0, row, weight * slope)
    to_logits = weight * (slope - mean[row])
    to_query = torch.zeros_like(_wide(query)).index_add(0, row, scale * to_logits[..., None] * k)
    to_key = torch.zeros_like(_wide(key)).index_add(0, index, scale * to_logits[..., None] * q)
    to_value = torch.zeros_like(_wide(value)).index_add(0, index, weight[..., None] * g)
    to_bias = lse.new_empty(0) if bias is None else to_logits
    outputs = (to_query, to_key, to_value, to_bias)
    return (*(t.to(dtype) for t in outputs), to_coords, to_centers)  # type: ignore[return-value]
