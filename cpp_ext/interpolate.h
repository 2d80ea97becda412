// Checks and shapes of the three ops around weighted gathers, on any device.
#pragma once

#include "dtypes.h"

namespace meshop {

inline void check_gather(const Tensor& values, const Tensor& weights, const Tensor& nodes) {
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (N, ...)");
  check_indices(nodes, "nodes", 2);
  STD_TORCH_CHECK(
      weights.dim() == 2 && weights.size(0) == nodes.size(0) && weights.size(1) == nodes.size(1),
      "weights must have the shape of nodes");
  STD_TORCH_CHECK(weights.scalar_type() == wide_type(values.scalar_type()),
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
