// What the CPU and GPU kernels of dist2_backward ask of their arguments, and what they return.
#pragma once

#include "common.h"

namespace meshop {

struct SlopeInput {
  Tensor grad, points, queries, rowptr, index;  // contiguous; queries: the points where not given
  std::optional<Tensor> offset;
  // Without queries the points are both ends of every edge: one buffer takes both gradients.
  Tensor to_points, to_queries, to_rows;

  SlopeInput(const Tensor& g, const Tensor& p, const std::optional<Tensor>& q,
             const std::optional<Tensor>& shift, const Tensor& ptr, const Tensor& to)
      : grad(torch::stable::contiguous(g)),
        points(torch::stable::contiguous(p)),
        queries(q ? torch::stable::contiguous(*q) : points),
        rowptr(torch::stable::contiguous(ptr)),
        index(torch::stable::contiguous(to)) {
    STD_TORCH_CHECK(points.dim() == 2 && queries.dim() == 2 && points.size(1) == queries.size(1),
                    "points and queries must have shapes (N, D) and (Q, D)");
    const ScalarType dtype = points.scalar_type();
    STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double,
                    "points must be float32 or float64");
    STD_TORCH_CHECK(grad.scalar_type() == dtype && queries.scalar_type() == dtype,
                    "grad, points and queries must share a dtype");
    check_indices(rowptr, "rowptr", 1);
    check_indices(index, "index", 1);
    STD_TORCH_CHECK(rowptr.numel() == queries.size(0) + 1,
                    "rowptr must have one entry more than queries");
    STD_TORCH_CHECK(grad.dim() == 1 && grad.numel() == index.numel(),
                    "grad must have one value per edge");
    if (shift) {
      STD_TORCH_CHECK(
          shift->scalar_type() == dtype && shift->numel() == index.numel() * points.size(1),
          "offset must hold one vector per edge, of the points' dtype");
      offset = torch::stable::contiguous(*shift);
    }
    const auto zeros = [&](int64_t rows) {
      return torch::stable::new_zeros(points, {rows, points.size(1)}, dtype);
    };
    to_points = zeros(points.size(0));
    to_queries = zeros(q ? queries.size(0) : 0);
    to_rows = q ? to_queries : to_points;
  }
};

}  // namespace meshop
