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
  check_range(indices(index), s.edges, 0, s.senders, "index");

  const auto empty = [&](std::initializer_list<int64_t> sizes, ScalarType type, bool wanted) {
    return wanted ? large_empty(query, sizes, type) : empty_of(query, {0}, type);
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
  transpose(indices(rowptr), s.receivers, indices(index), 0, s.senders, mutable_indices(rowptr_t),
            mutable_indices(row_t), bias ? mutable_indices(order_t) : nullptr);
  with_attention_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const BackwardArgs<T> args{s,
                               static_cast<W>(scale),
                               {data<T>(grad), s.heads, s.width},
                               {data<T>(query), s.heads, s.depth},
                               {data<T>(key), s.heads, s.depth},
                               {data<T>(value), s.heads, s.width},
                               data<W>(grad_coords),
                               data<W>(grad_lse),
                               data<W>(lse),
                               data<W>(coords),
                               data<W>(centers),
                               data<T>(bias),
                               indices(index),
                               indices(rowptr),
                               indices(row_t),
                               indices(order_t),
                               indices(rowptr_t),
                               mutable_data<W>(rows),
                               mutable_data<T>(to_query),
                               mutable_data<T>(to_key),
                               mutable_data<T>(to_value),
                               bias ? mutable_data<T>(to_bias) : nullptr,
                               mutable_data<W>(to_coords),
                               mutable_data<W>(to_centers)};
    MESHOP_PICK(attend_rows_backward<T>)(args);
  });
  return {to_query, to_key, to_value, to_bias, to_coords, to_centers};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("edge_attention_backward", TORCH_BOX(&edge_attention_backward));
}

}  // namespace meshop
