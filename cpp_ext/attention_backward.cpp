// Softmax attention over the edges of a CSR, backward.
#include "attention.h"

#include <tuple>

#define MESHOP_KERNELS "attention_backward_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

Gradients edge_attention_backward(Tensor grad, Tensor grad_coords, Tensor grad_lse, Tensor query,
                                  Tensor key, Tensor value, Tensor index, Tensor rowptr,
                                  MaybeTensor bias, MaybeTensor coords, MaybeTensor centers,
                                  Tensor lse, double scale) {
  const AttentionShape s(query, key, value, index, rowptr, bias, coords, centers);
  const ScalarType dtype = query.scalar_type(), wide = wide_type(dtype);
  check_slopes(s, dtype, grad, grad_coords, grad_lse, lse, coords.has_value());
  grad = packed(grad), grad_coords = packed(grad_coords), grad_lse = packed(grad_lse);
  query = packed(query), key = packed(key), value = packed(value), lse = packed(lse);
  index = packed(index), rowptr = packed(rowptr);
  bias = packed(bias), coords = packed(coords), centers = packed(centers);
  check_rowptr(indices(rowptr), s.receivers, s.edges, "rowptr");
  check_index(indices(index), s.edges, s.senders, "index");

  const auto empty = [&](std::initializer_list<int64_t> sizes, ScalarType type, bool wanted) {
    if (!wanted) return empty_of(query, {0}, type);
    Tensor t = empty_of(query, sizes, type);
    huge_pages(t.mutable_data_ptr(), t.numel() * t.element_size());
    return t;
  };
  const Tensor to_query = empty({s.receivers, s.heads, s.depth}, dtype, true);
  const Tensor to_key = empty({s.senders, s.heads, s.depth}, dtype, true);
  const Tensor to_value = empty({s.senders, s.heads, s.width}, dtype, true);
  const Tensor to_bias = empty({s.edges, s.heads}, dtype, bias.has_value());
  const Tensor to_coords = empty({s.senders, s.space}, wide, coords.has_value());
  const Tensor to_centers = empty({s.receivers, s.space}, wide, coords.has_value());
  const Tensor rows = empty({s.receivers, s.heads, 2 + s.space}, wide, true);
  const Tensor rowptr_t = empty({s.senders + 1}, ScalarType::Long, true);
  const Tensor row_t = empty({s.edges}, ScalarType::Long, true);
  const Tensor order_t = empty({s.edges}, ScalarType::Long, bias.has_value());
  transpose(indices(rowptr), s.receivers, indices(index), s.senders, mutable_indices(rowptr_t),
            mutable_indices(row_t), bias ? mutable_indices(order_t) : nullptr);
  with_attention_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const BackwardArgs<T> args{s,
                             static_cast<W>(scale),
                             {values_of<T>(grad), s.heads, s.width},
                             {values_of<T>(query), s.heads, s.depth},
                             {values_of<T>(key), s.heads, s.depth},
                             {values_of<T>(value), s.heads, s.width},
                             values_of<W>(grad_coords),
                             values_of<W>(grad_lse),
                             values_of<W>(lse),
                             values_of<W>(coords),
                             values_of<W>(centers),
                             values_of<T>(bias),
                             indices(index),
                             indices(rowptr),
                             indices(row_t),
                             indices(order_t),
                             indices(rowptr_t),
                             output_of<W>(rows),
                             output_of<T>(to_query),
                             output_of<T>(to_key),
                             output_of<T>(to_value),
                             bias ? output_of<T>(to_bias) : nullptr,
                             output_of<W>(to_coords),
                             output_of<W>(to_centers)};
    MESHOP_PICK(attend_rows_backward<T>)(args);
  });
  return {to_query, to_key, to_value, to_bias, to_coords, to_centers};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("edge_attention_backward", TORCH_BOX(&edge_attention_backward));
}

}  // namespace meshop
