// Checks and shapes of the three ops around weighted gathers, on any device.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <type_traits>

#include "common.h"

namespace meshop {

// What sums of T are carried in, and the dtype of the weights.
template <typename T>
using Carried = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline ScalarType carried(ScalarType dtype) {
  return dtype == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

template <typename F>
void with_floating(ScalarType dtype, F&& f) {
  switch (dtype) {
    case ScalarType::Float: return f(float{});
    case ScalarType::Double: return f(double{});
    case ScalarType::Half: return f(torch::headeronly::Half{});
    case ScalarType::BFloat16: return f(torch::headeronly::BFloat16{});
    default: STD_TORCH_CHECK(false, "values must be floating point");
  }
}

// (rows, ...) with the trailing shape of t.
inline std::vector<int64_t> rows_like(const Tensor& t, int64_t rows) {
  std::vector<int64_t> shape(t.sizes().begin(), t.sizes().end());
  shape[0] = rows;
  return shape;
}

inline int64_t channels_of(const Tensor& t) {
  int64_t count = 1;
  for (int64_t d = 1; d < t.dim(); ++d) count *= t.size(d);
  return count;
}

inline void check_gather(const Tensor& values, const Tensor& weights, const Tensor& nodes) {
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (N, ...)");
  check_indices(nodes, "nodes", 2);
  STD_TORCH_CHECK(weights.dim() == 2 && weights.size(0) == nodes.size(0) &&
                      weights.size(1) == nodes.size(1),
                  "weights must have the shape of nodes");
  STD_TORCH_CHECK(weights.scalar_type() == carried(values.scalar_type()),
                  "weights must be float64 for float64 values, else float32");
}

inline void check_dot(const Tensor& grad, const Tensor& values, const Tensor& nodes) {
  STD_TORCH_CHECK(values.dim() >= 1 && grad.dim() == values.dim(),
                  "grad and values must have as many dimensions");
  check_indices(nodes, "nodes", 2);
  STD_TORCH_CHECK(grad.size(0) == nodes.size(0), "grad must have one row a query");
  for (int64_t d = 1; d < values.dim(); ++d)
    STD_TORCH_CHECK(grad.size(d) == values.size(d), "grad must have the channels of values");
  STD_TORCH_CHECK(grad.scalar_type() == values.scalar_type(), "grad and values must share a dtype");
}

}  // namespace meshop
