// The sizes of an edge attention, checked, for CPU and GPU.
#pragma once

#include "dtypes.h"

namespace meshop {

using MaybeTensor = std::optional<Tensor>;

inline bool has_shape(const Tensor& t, std::initializer_list<int64_t> sizes) {
  if (t.dim() != static_cast<int64_t>(sizes.size())) return false;
  int64_t d = 0;
  for (const int64_t size : sizes)
    if (t.size(d++) != size) return false;
  return true;
}

struct AttentionShape {
  int64_t receivers, senders, edges;  // N, M, E
  int64_t heads, depth, width;        // H, D of query and key, Dv of value
  int64_t space;                      // P of coords, 0 without

  AttentionShape(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& index,
                 const Tensor& rowptr, const MaybeTensor& bias, const MaybeTensor& coords,
                 const MaybeTensor& centers) {
    STD_TORCH_CHECK(query.dim() == 3 && key.dim() == 3 && value.dim() == 3 && query.size(1) > 0,
                    "query, key and value must have shape (nodes, heads, channels)");
    receivers = query.size(0);
    heads = query.size(1);
    depth = query.size(2);
    senders = key.size(0);
    width = value.size(2);
    STD_TORCH_CHECK(
        has_shape(key, {senders, heads, depth}) && has_shape(value, {senders, heads, width}),
        "key and value must have the heads of query, and key its channels");
    const ScalarType dtype = query.scalar_type(), wide = wide_type(dtype);
    STD_TORCH_CHECK(key.scalar_type() == dtype && value.scalar_type() == dtype,
                    "query, key and value must have one dtype");
    check_indices(index, "index", 1);
    check_indices(rowptr, "rowptr", 1);
    edges = index.size(0);
    STD_TORCH_CHECK(rowptr.size(0) == receivers + 1, "rowptr must have one entry more than query");
    if (bias)
      STD_TORCH_CHECK(has_shape(*bias, {edges, heads}) && bias->scalar_type() == dtype,
                      "bias must have shape (edges, heads) and the dtype of query");
    STD_TORCH_CHECK(coords.has_value() == centers.has_value(), "coords and centers go together");
    space = coords ? (coords->dim() == 2 ? coords->size(1) : -1) : 0;
    if (coords)
      STD_TORCH_CHECK(
          has_shape(*coords, {senders, space}) && has_shape(*centers, {receivers, space}) &&
              coords->scalar_type() == wide && centers->scalar_type() == wide,
          "coords and centers must have shape (nodes, P) and float32, or float64 with it");
  }
};

inline void check_slopes(const AttentionShape& s, ScalarType dtype, const Tensor& grad,
                         const Tensor& grad_coords, const Tensor& grad_lse, const Tensor& lse,
                         bool coords) {
  const ScalarType wide = wide_type(dtype);
  STD_TORCH_CHECK(has_shape(grad, {s.receivers, s.heads, s.width}) && grad.scalar_type() == dtype,
                  "grad must have the shape and dtype of the output");
  STD_TORCH_CHECK(has_shape(lse, {s.receivers, s.heads}) && lse.scalar_type() == wide &&
                      has_shape(grad_lse, {s.receivers, s.heads}) && grad_lse.scalar_type() == wide,
                  "lse and grad_lse must have shape (receivers, heads)");
  STD_TORCH_CHECK(!coords || (has_shape(grad_coords, {s.receivers, s.heads, s.space}) &&
                              grad_coords.scalar_type() == wide),
                  "grad_coords must have shape (receivers, heads, P)");
}

inline Tensor packed(const Tensor& t) { return torch::stable::contiguous(t); }
inline MaybeTensor packed(const MaybeTensor& t) {
  return t ? MaybeTensor(torch::stable::contiguous(*t)) : t;
}

template <typename F>
void with_attention_type(ScalarType dtype, F&& f) {
  switch (dtype) {
    case ScalarType::Float: return f(float{});
    case ScalarType::Double: return f(double{});
    case ScalarType::BFloat16: return f(BFloat16{});
    default: STD_TORCH_CHECK(false, "query must be float32, float64 or bfloat16");
  }
}

}  // namespace meshop
