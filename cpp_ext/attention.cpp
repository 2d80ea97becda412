// Softmax attention over the edges of a CSR, forward.
#include "attention.h"

#include <tuple>

#define MESHOP_KERNELS "attention_forward_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

std::tuple<Tensor, Tensor, Tensor> edge_attention(Tensor query, Tensor key, Tensor value,
                                                  Tensor index, Tensor rowptr, MaybeTensor bias,
                                                  MaybeTensor coords, MaybeTensor centers,
                                                  double scale) {
  const AttentionShape s(query, key, value, index, rowptr, bias, coords, centers);
  const ScalarType dtype = query.scalar_type(), wide = wide_type(dtype);
  query = packed(query), key = packed(key), value = packed(value);
  index = packed(index), rowptr = packed(rowptr);
  bias = packed(bias), coords = packed(coords), centers = packed(centers);
  check_rowptr(indices(rowptr), s.receivers, s.edges, "rowptr");
  check_range(indices(index), s.edges, 0, s.senders, "index");

  Tensor out = large_empty(query, {s.receivers, s.heads, s.width}, dtype);
  Tensor out_coords =
      coords ? empty_of(query, {s.receivers, s.heads, s.space}, wide) : empty_of(query, {0}, wide);
  Tensor lse = empty_of(query, {s.receivers, s.heads}, wide);
  with_attention_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const AttendArgs<T> args{s,
                             static_cast<W>(scale),
                             {data<T>(query), s.heads, s.depth},
                             {data<T>(key), s.heads, s.depth},
                             {data<T>(value), s.heads, s.width},
                             indices(index),
                             indices(rowptr),
                             data<T>(bias),
                             data<W>(coords),
                             data<W>(centers),
                             mutable_data<T>(out),
                             mutable_data<W>(out_coords),
                             mutable_data<W>(lse)};
    MESHOP_PICK(attend_rows<T>)(args);
  });
  return {out, out_coords, lse};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) { m.impl("edge_attention", TORCH_BOX(&edge_attention)); }

}  // namespace meshop
