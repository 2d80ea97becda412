"""Sparse matrices as CSR: products, application, and the smoother of multigrid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, index_tensor, index_values, rowptr_values, same_device, tensor
from .gather import CsrTranspose, csr_transpose, gather_reduce
from .reference import rows_of


@dataclass(frozen=True, eq=False)
class Csr:
    """A sparse matrix of `columns` columns: row i holds value[e] at column index[e] for e from
    rowptr[i] to rowptr[i + 1]. rowptr (N + 1,) int64, index (E,) int64 or int32, value (E,) float32
    or float64."""

    rowptr: Tensor
    index: Tensor
    value: Tensor
    columns: int

    @property
    def rows(self) -> int:
        return self.rowptr.shape[0] - 1

    @cached_property
    def _back(self) -> CsrTranspose:
        return csr_transpose(self.index, self.rowptr, self.columns)

    @cached_property
    def row(self) -> Tensor:
        """(E,) the row of each entry."""
        return rows_of(self.rowptr, self.index.shape[0])

    @property
    def t(self) -> Csr:
        """The transpose, with sorted columns."""
        back = self._back
        row = back.row.to(self.index.dtype)
        return Csr(back.rowptr, row, self.value[back.order], self.rows)

    def __matmul__(self, other: Csr) -> Csr:
        """The product of two matrices, without gradients; columns of rows rise."""
        return csr_matmul(self, other)

    def __call__(self, x: Tensor) -> Tensor:
        """(columns, ...) -> (N, ...): differentiable in x and in value; float32 or better."""
        exact = torch.promote_types(x.dtype, torch.float32)
        weight = self.value.to(exact)
        back = self._back if x.requires_grad and not torch.compiler.is_compiling() else None
        return gather_reduce(x.to(exact), self.index, self.rowptr, weight, transpose=back).to(
            x.dtype
        )

    def with_value(self, value: Tensor) -> Csr:
        """The same pattern with other entries."""
        return Csr(self.rowptr, self.index, value, self.columns)

    def scaled(self, left: Tensor | None = None, right: Tensor | None = None) -> Csr:
        """diag(left) A diag(right)."""
        value = self.value
        if left is not None:
            value = value * left[self.row]
        if right is not None:
            value = value * right[self.index]
        return self.with_value(value)

    def diagonal(self) -> Tensor:
        """(N,) sums of the entries on the diagonal, without gradients."""
        return self._sums[0]

    def row_sums(self) -> Tensor:
        """(N,) sums of the absolute values of the entries of each row, without gradients."""
        return self._sums[1]

    @cached_property
    def _sums(self) -> tuple[Tensor, Tensor]:
        value = self.value.detach()
        return torch.ops.meshop.csr_diagonal(self.rowptr, self.index, value)

    def to(self, *args: Any, **kwargs: Any) -> Csr:
        """On another device, or with values of another floating type."""
        value = self.value.to(*args, **kwargs)
        device = value.device
        return Csr(self.rowptr.to(device), self.index.to(device), value, self.columns)

    def dense(self) -> Tensor:
        """(N, columns), for small ones."""
        out = self.value.new_zeros(self.rows, self.columns)
        return out.index_put_((self.row, self.index.long()), self.value, accumulate=True)

    @staticmethod
    def of(matrix: Any) -> Csr:
        """From a SciPy sparse matrix, a torch sparse tensor, or a `Csr`, in its dtype."""
        if isinstance(matrix, Csr):
            return matrix
        if isinstance(matrix, Tensor):
            coo = matrix.to_sparse_coo().coalesce()  # torch's own CSR warns that it is in beta
            row, index = coo.indices()
            count = torch.bincount(row, minlength=matrix.shape[0])
            rowptr = torch.cat([count.new_zeros(1), count.cumsum(0)])
            return Csr(rowptr, index.contiguous(), coo.values(), matrix.shape[1])
        csr = matrix.tocsr()
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        rowptr, index, value = map(torch.as_tensor, (csr.indptr, csr.indices, csr.data))
        return Csr(rowptr.long(), index, value, csr.shape[1])

    def to_scipy(self) -> Any:
        """The same as a SciPy csr_matrix."""
        from scipy.sparse import csr_matrix

        parts = (self.value, self.index, self.rowptr)
        return csr_matrix(
            tuple(part.detach().cpu().numpy() for part in parts), (self.rows, self.columns)
        )


def csr_matmul(a: Csr, b: Csr, sort: bool = True) -> Csr:
    """The matrix A B, without gradients; the same on any number of threads.

    Columns of each row rise, or without sort stand as they turn up: a quarter of the time less.
    Entries that cancel stay, as zeros. Raises ValueError or IndexError where matrices do not fit.
    """
    if a.columns != b.rows:
        raise ValueError(f"b: expected {a.columns} rows, the columns of a, found {b.rows}")
    _check(a)
    _check(b)
    if a.value.dtype != b.value.dtype:
        raise ValueError(f"b: expected {a.value.dtype}, the type of a, found {b.value.dtype}")
    index_a, index_b = a.index, b.index
    if index_a.dtype != index_b.dtype:
        index_a, index_b = index_a.long(), index_b.long()

    def explain() -> None:
        _explain(a)
        _explain(b)

    found = explained(
        lambda: torch.ops.meshop.csr_matmul(
            a.rowptr,
            index_a,
            a.value.detach(),
            b.rowptr,
            index_b,
            b.value.detach(),
            b.columns,
            sort,
        ),
        explain,
    )
    return Csr(found[0], found[1], found[2], b.columns)


def _check(a: Csr) -> None:
    tensor(a.value, "value")
    device = a.value.device
    index_tensor(a.rowptr, "rowptr", device)
    if a.index.dim() != 1 or a.index.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"index: expected 1-D int32 or int64, found {a.index.dtype}")
    same_device(a.index, "index", device)
    if a.value.shape != a.index.shape:
        raise ValueError(
            f"value: expected {a.index.shape[0]} entries, found shape {tuple(a.value.shape)}"
        )


def _explain(a: Csr) -> None:
    rowptr_values(a.rowptr, a.index.shape[0], "rowptr", "entries of index")
    index_values(a.index, a.columns, "index", "columns")


@torch.library.register_fake("meshop::csr_apply")
def _(rowptr, index, value, x, add, alpha):
    return x.new_empty(rowptr.shape[0] - 1, x.shape[1])


@torch.library.register_fake("meshop::csr_diagonal")
def _(rowptr, index, value):
    rows = rowptr.shape[0] - 1
    return value.new_empty(rows), value.new_empty(rows)


@torch.library.register_fake("meshop::csr_matmul")
def _(rowptr_a, index_a, value_a, rowptr_b, index_b, value_b, num_columns, sort):
    entries = torch.library.get_ctx().new_dynamic_size(min=0)
    rowptr = rowptr_a.new_empty(rowptr_a.shape[0])
    return rowptr, index_a.new_empty(entries), value_a.new_empty(entries)


@torch.library.register_fake("meshop::chebyshev")
def _(rowptr, index, value, scale, b, x, beta, rho, residual):
    return b.new_empty(b.shape), b.new_empty(b.shape if residual else (0, b.shape[1]))
